"""The parts of the landing page that the build writes: a figure, and the fractions."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from helpers.ledger import Item
from helpers.records import Record

from .markdown import escape
from .plan import Course, chapter_link

# The figure: chapter and the beginning of its alternative text.
FIGURE = ("10_gradient_descent", "Paths in a narrow valley")


def find_figure(root: Path) -> tuple[bytes, str] | None:
    """Return the landing page's figure as the chapter stores it, and its alternative text."""
    name, words = FIGURE
    path = root / "notebooks" / f"{name}.ipynb"
    if not path.is_file():
        return None
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.get("outputs", []):
            png = output.get("data", {}).get("image/png")
            if alt.startswith(words) and png:
                return base64.b64decode("".join(png)), alt
    return None


def write_figure(root: Path, target: Path) -> str:
    """Write the figure beside the generated pages; return its alternative text, "" for none."""
    found = find_figure(root)
    if found is None:
        return ""
    picture, alt = found
    target.mkdir(parents=True, exist_ok=True)
    path = target / "figure.png"
    if not path.is_file() or path.read_bytes() != picture:
        path.write_bytes(picture)
    return alt


def figure_page(course: Course, alt: str) -> str:
    """Return the figure with a caption that leads to its cell."""
    chapter = course.chapter(FIGURE[0])
    if not alt or chapter is None:
        return ""
    return (
        f"![{escape(alt)}](generated/figure.png)\n\n"
        f"Three optimisers in one valley, drawn by a cell of {chapter_link(chapter, '../')}: "
        "change a rate, run it again.\n"
    )


def fractions_page(course: Course, found: Sequence[Record], date: str) -> str:
    """Return the four fractions of what is done, with their date."""
    errata = [item for item in course.items if item.kind == "erratum"]
    results = [item for item in course.items if item.kind == "result"]
    measured = {record["item"] for record in found if record["value"] is not None}
    written = sum(chapter.exists for chapter in course.chapters)

    def claimed(items: Sequence[Item]) -> int:
        return sum(item.id in course.claims for item in items)

    fractions = [
        (written, len(course.chapters), "chapters that run", "#chapters"),
        (claimed(course.items), len(course.items), "things that four sources teach, each in a cell",
         "generated/source_map.md"),
        (claimed(errata), len(errata), "errors of the sources shown and put right",
         "generated/corrections.md"),
        (sum(item.id in measured for item in results), len(results),
         "reported results measured again", "generated/replication.md"),
    ]  # fmt: skip
    cells = [
        f":::{{grid-item}}\n**{done:,}** of {total:,}\n\n[{text}]({link})\n:::\n"
        for done, total, text, link in fractions
    ]
    return (
        "::::{grid} 2 2 4 4\n:gutter: 2\n:class-container: fractions\n\n"
        + "\n".join(cells)
        + f"::::\n\nCounted by the build of {date}.\n"
    )
