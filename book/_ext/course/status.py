"""The state of a build: run times, versions, and which chapters there are."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import nbformat
from jupyter_cache import get_cache

from .markdown import escape, seconds, table
from .plan import Chapter, Course, chapter_link


def status_page(course: Course, run_times: Mapping[str, tuple[float, str]], where: str) -> str:
    """Return the page of run times and versions of this build.

    Args:
        course: the course.
        run_times: notebook name -> (seconds, date) from the cache.
        where: profile and data mode in words.
    """
    rows = []
    for chapter in course.chapters:
        if chapter.exists:
            time, date = run_times.get(chapter.name, (None, ""))
            taken = "not executed" if time is None else seconds(time)
            rows.append([chapter_link(chapter, "../../"), taken, date])
    versions = [[f"`{package}`", escape(version)] for package, version in _version_rows()]
    return "\n".join(
        [
            "# Status of this build\n",
            f"{where}\n",
            table(["Chapter", "Run time", "Executed"], rows, "lrl"),
            "## Versions\n",
            table(["Package", "Version"], versions),
        ]
    )


def _version_rows() -> list[tuple[str, str]]:
    rows = [("python", platform.python_version())]
    for package in ("torch", "torchvision", "numpy", "pandas", "scikit-learn", "matplotlib",
                    "jupyter-book", "sphinx"):  # fmt: skip
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((package, "not installed"))
    return rows


def chapters_table(course: Course) -> str:
    """Return the table of parts and chapters that the landing page includes."""
    text = []
    if not all(chapter.exists for chapter in course.chapters):
        text.append("Chapters marked {bdg-secondary-line}`planned` are not written yet.\n")
    parts: dict[str, list[Chapter]] = defaultdict(list)
    for chapter in course.chapters:
        parts[chapter.part].append(chapter)
    for part, members in parts.items():
        rows = []
        for chapter in members:
            title = escape(chapter.title)
            if chapter.exists:
                title = f"**[{title}](../notebooks/{chapter.name}.ipynb)**"
            else:
                title += " {bdg-secondary-line}`planned`"
            rows.append([str(chapter.number), title, escape(chapter.about)])
        text.append(f"### {escape(part)}\n")
        text.append(
            ":::{div} chapter-table\n\n"
            + table(["Number", "Chapter", "About"], rows, "rll")
            + ":::\n"
        )
    return "\n".join(text)


def cached_runs(root: Path, folder: Path) -> dict[str, tuple[float, str]]:
    """Return run time and date of each notebook that the cache holds in its present form."""
    found: dict[str, tuple[float, str]] = {}
    if not (folder / "global.db").is_file():
        return found
    store = get_cache(folder)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        try:
            record = store.match_cache_notebook(notebook)
        except KeyError:
            continue
        time = record.data.get("execution_seconds")
        if time is not None:
            found[path.stem] = (time, record.created.date().isoformat())
    return found
