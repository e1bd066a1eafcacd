"""The pages about the sources: the source map and the corrections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from helpers.ledger import KINDS, SOURCE_NAMES, Item

from .markdown import escape, table
from .plan import Chapter, Course, chapter_link
from .wording import fold, group_title, small_id, topic, with_signs


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
                f"[{SOURCE_NAMES[letter]} ({letter})]({page}.md)",
                escape(title),
                f"{own_done} of {len(own)}",
            ]
        )
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in own:
            groups[item.id.split(".")[0]].append(item)
        text = [
            f"# What {SOURCE_NAMES[letter]} teaches\n",
            f"{escape(title)}.\n",
            f"The course delivers **{own_done} of {len(own)}** items of this source so far.\n",
        ]
        for group, members in groups.items():
            rows = [
                [
                    f"{topic(item)} {small_id(item)}",
                    KINDS[item.kind],
                    course.places(item, "../../"),
                ]
                for item in members
            ]
            found = sum(item.id in course.claims for item in members)
            text.append(f"## {group_title(course, group)}\n")
            content = table(["What the source teaches", "Kind", "Where"], rows)
            text.append(fold(f"{found} of {len(members)} items are in the chapters", content))
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


def corrections_page(course: Course, words: Mapping[str, tuple[str, str]]) -> str:
    """Return the page of all corrections that chapters carry out, grouped by chapter.

    Args:
        course: the course.
        words: item -> what the source says, and what is in fact true.
    """
    errata = {item.id: item for item in course.items if item.kind == "erratum"}
    done, total = _claimed(course, "erratum")
    by_chapter: dict[str, list[str]] = defaultdict(list)
    for item_id, claims in course.claims.items():
        if item_id in errata:
            # Where it is first carried out; a row has one anchor.
            by_chapter[claims[0].notebook].append(item_id)
    order = list(errata)
    overview, groups = [], []
    for chapter in course.chapters:
        found = sorted(by_chapter.get(chapter.name, []), key=order.index)
        if not found or not chapter.exists:
            continue
        own = [len([i for i in found if i[0] == letter]) for letter in course.sources]
        overview.append(
            [chapter_link(chapter, "../../"), *(str(n or "") for n in own), str(len(found))]
        )
        count = "1 correction" if len(found) == 1 else f"{len(found)} corrections"
        rows = [
            _correction_row(course, errata[item_id], chapter, words[item_id]) for item_id in found
        ]
        header = ["The source says", "In fact", "Shown in"]
        groups.append(f"## {escape(chapter.label)}\n\n{fold(count, table(header, rows))}")
    intro = (
        "# Corrections\n\n"
        "The sources contain errors that a learner would trip over: programs that fail, unfair "
        "timings, leaks of test data, functions that no longer exist. A chapter shows each one "
        f"failing, then puts it right. **{done} of {total}** corrections are in the chapters "
        "so far.\n"
    )
    header = ["Chapter", *(SOURCE_NAMES[letter] for letter in course.sources), "All"]
    return "\n".join([intro, table(header, overview, "l" + "r" * len(header[1:])), *groups])


def _correction_row(
    course: Course, item: Item, chapter: Chapter, words: tuple[str, str]
) -> list[str]:
    says, fact = words
    here = next(c for c in course.claims[item.id] if c.notebook == chapter.name)
    heading = course.notebooks[chapter.name].headings[here.cell]
    return [
        f"{escape(with_signs(says))} {small_id(item)}",
        escape(with_signs(fact)),
        chapter_link(chapter, "../../", heading),
    ]
