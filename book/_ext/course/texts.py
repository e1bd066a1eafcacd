"""The course as plain text: a Markdown file for each chapter, and llms.txt, which lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import nbformat
from jupyter_cache import get_cache

from .plan import Chapter

MOST_LINES = 60  # of one output


def executed(path: Path, folder: Path | None) -> nbformat.NotebookNode:
    """Return a notebook with the outputs that the site shows.

    Args:
        path: its file, whose stored outputs are taken if it was not executed.
        folder: the cache of executed notebooks, or None to take the stored outputs.
    """
    notebook = nbformat.read(path, as_version=4)
    if folder is not None and (folder / "global.db").is_file():
        with suppress(KeyError):
            _, notebook = get_cache(folder).merge_match_into_notebook(notebook)
    return notebook


def fenced(text: str, language: str = "") -> str:
    """Return text as a block of code, whose fence is longer than any inside."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def output_text(output: nbformat.NotebookNode, alternative: str) -> str:
    """Return an output as Markdown: its text, or what a figure shows in words."""
    data = output.get("data", {})
    if any(kind.startswith("image/") for kind in data):
        return f"*Figure: {alternative}*" if alternative else "*Figure.*"
    if "text/markdown" in data:
        return str(data["text/markdown"])
    text = output.get("text") or data.get("text/plain", "")
    if output.output_type == "error":
        text = f"{output.ename}: {output.evalue}"
    lines = text.rstrip().split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} more lines"]
    return fenced("\n".join(lines)) if text.strip() else ""


def chapter_text(notebook: nbformat.NotebookNode) -> str:
    """Return a chapter as one Markdown text: prose, code and what the code printed."""
    parts = []
    for cell in notebook.cells:
        if "remove-cell" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            alternative = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            parts.append(fenced(cell.source, "python"))
            parts += [output_text(output, alternative) for output in cell.outputs]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def llms_text(title: str, about: str, chapters: Iterable[Chapter], names: Iterable[str]) -> str:
    """Return llms.txt: what the site is, and the address of each text, as llmstxt.org asks.

    Args:
        title: the title of the course.
        about: a sentence on it.
        chapters: the plan.
        names: the chapters that have a text.
    """
    written = set(names)
    lines = [
        f"# {title}\n",
        f"> {about}\n",
        "Each chapter is a notebook that was executed; the texts below have its prose, its code "
        "and what the code printed. Without a note the outputs are those of the quick profile.\n",
    ]
    part = ""
    for chapter in chapters:
        if chapter.name not in written:
            continue
        if chapter.part != part:
            part = chapter.part
            lines.append(f"\n## {part}\n")
        lines.append(f"- [{chapter.label}](notebooks/{chapter.name}.md): {chapter.about}")
    lines += [
        "\n## Optional\n",
        "- [Glossary](book/glossary.html): every term, with the chapter that explains it",
        "- [Corrections](book/generated/corrections.html): errors of four sources, each put right",
        "- [Replication](book/generated/replication.html): reported numbers beside our own",
    ]
    return "\n".join(lines) + "\n"


def write_texts(
    root: Path, outdir: Path, folder: Path | None, about: Mapping[str, str], plan: list[Chapter]
) -> list[str]:
    """Write the text of each chapter beside its page, and llms.txt; return the chapters.

    Args:
        root: the root of the repository.
        outdir: the folder of the site.
        folder: the cache of executed notebooks, or None for the stored outputs.
        about: title and description of the course.
        plan: the chapters.
    """
    names = []
    for chapter in plan:
        page = outdir / "notebooks" / f"{chapter.name}.html"
        if page.is_file():
            notebook = executed(root / "notebooks" / f"{chapter.name}.ipynb", folder)
            page.with_suffix(".md").write_text(chapter_text(notebook), encoding="utf-8")
            names.append(chapter.name)
    text = llms_text(about["title"], about["description"], plan, names)
    (outdir / "llms.txt").write_text(text, encoding="utf-8")
    return names
