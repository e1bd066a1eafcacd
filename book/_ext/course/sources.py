"""The pages about the sources: the source map and the corrections."""

from __future__ import annotations

from collections import defaultdict

from helpers.ledger import KINDS, SOURCE_NAMES, Item

from .markdown import escape, item_text, table
from .plan import Course, chapter_link


def _claimed(course: Course, kind: str | None = None) -> tuple[int, int]:
    chosen = [item for item in course.items if kind in (None, item.kind)]
    return sum(item.id in course.claims for item in chosen), len(chosen)


def source_map_pages(course: Course) -> dict[str, str]:
    """Return the overview of the source map and one page a source."""
    done, total = _claimed(course)
    pages = {}
    overview = []
    for letter, title in course.sources.items():
        own = [item for item in course.items if item.source == letter]
        own_done = sum(item.id in course.claims for item in own)
        page = f"source_map_{letter.lower()}"
        overview.append(
            [
                f"[{letter}: {SOURCE_NAMES[letter]}]({page}.md)",
                escape(title),
                f"{own_done} of {len(own)}",
            ]
        )
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in own:
            groups[item.id.split(".")[0]].append(item)
        text = [
            f"# Source map {letter}: {SOURCE_NAMES[letter]}\n",
            f"{escape(title)}.\n",
            f"The course delivers **{own_done} of {len(own)}** items of this source so far.\n",
        ]
        for group, members in groups.items():
            rows = [
                [
                    f'<span id="{item.id}">{item.id}</span>',
                    KINDS[item.kind],
                    item_text(item),
                    course.places(item, "../../"),
                ]
                for item in members
            ]
            text.append(f"## {group}\n")
            text.append(table(["Item", "Kind", "What the course shows", "Where"], rows))
        pages[page] = "\n".join(text)
    kinds = [
        [KINDS[kind], *(str(n) for n in _claimed(course, kind))]
        for kind in sorted({item.kind for item in course.items})
    ]
    pages["source_map"] = "\n".join(
        [
            "# Source map\n",
            f"The course delivers **{done} of {total}** items of its four sources so far. "
            "An item is an idea, a formula, a program, a data set, a reported result, a figure, "
            "a question or an error. It counts when a cell of a chapter does what the item says, "
            "and a test checks that the cell is there.\n",
            table(["Source", "Work", "Delivered"], overview, "llr"),
            "## By kind\n",
            table(["Kind", "Delivered", "All"], kinds, "lrr"),
        ]
    )
    return pages


def corrections_page(course: Course) -> str:
    """Return the page of all corrections that chapters carry out, grouped by chapter."""
    errata = {item.id: item for item in course.items if item.kind == "erratum"}
    done, total = _claimed(course, "erratum")
    by_chapter: dict[str, list[str]] = defaultdict(list)
    for item_id, claims in course.claims.items():
        for claim in claims:
            if item_id in errata and item_id not in by_chapter[claim.notebook]:
                by_chapter[claim.notebook].append(item_id)
    text = [
        "# Corrections\n",
        "The sources contain errors that a learner would trip over: programs that fail, unfair "
        "timings, leaks of test data, functions that no longer exist. A chapter shows each one "
        f"failing, then puts it right. **{done} of {total}** corrections are in the chapters "
        "so far.\n",
    ]
    order = list(errata)
    for chapter in course.chapters:
        found = sorted(by_chapter.get(chapter.name, []), key=order.index)
        if not found or not chapter.exists:
            continue
        count = "1 correction" if len(found) == 1 else f"{len(found)} corrections"
        text.append(f"## {escape(chapter.label)}\n")
        text.append(f"{count} in {chapter_link(chapter, '../../')}.\n")
        rows = []
        for item_id in found:
            here = next(c for c in course.claims[item_id] if c.notebook == chapter.name)
            heading = course.notebooks[chapter.name].headings[here.cell]
            rows.append(
                [item_id, item_text(errata[item_id]), chapter_link(chapter, "../../", heading)]
            )
        text.append(table(["Item", "Correction", "Where"], rows))
    return "\n".join(text)
