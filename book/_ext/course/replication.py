"""The page that sets what the sources report beside what we measured.

A number comes from ``helpers/recorded/``. Some results are no number: a shape, a table, a count.
Their cell compares them in every build and leaves no record; ``book/shown.tsv`` says so in words.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sphinx.errors import ExtensionError

from helpers import records
from helpers.ledger import SOURCE_NAMES, Item
from helpers.records import Record

from .markdown import escape, table
from .plan import Course
from .wording import fold, group_title, small_id, topic

# What becomes of a result, the weightiest first: one with several numbers is counted once.
BEYOND = "not measurable here"
COMPARED = "compared in every build"
VERDICTS = ("refuted", "reproduced", "measured", BEYOND, COMPARED, "not yet")


class Shown(NamedTuple):
    """A result without a record: how the chapter shows it, and the words for the page."""

    how: str  # compared: its cell fails if it differs; quoted: nothing is measured
    words: str


def read_shown(root: Path) -> dict[str, Shown]:
    """Return item -> how its chapter shows it, from ``book/shown.tsv``.

    Example:
        >>> read_shown(Path("."))["T2.r8"].how
        'compared'
    """
    with (root / "book" / "shown.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["id"]: Shown(row["how"], row["words"]) for row in rows}


def read_records(folder: Path) -> list[Record]:
    """Read the recorded results, ``helpers/recorded/<notebook>.json``."""
    try:
        return records.read_all(folder)
    except ValueError as error:
        raise ExtensionError(str(error)) from None


def _record_row(record: Record) -> list[str]:
    verdict = f"**{escape(record['verdict'])}**"
    if record["reason"]:
        verdict += f": {escape(record['reason'])}"
    return [
        escape(record["what"]),
        _number(records.source(record)),
        _number(records.ours(record)),
        verdict,
    ]


def _number(text: str) -> str:
    """Return a number with its unit that no line breaks, with a true minus."""
    return escape(re.sub(r"(?<![\w.])-(?=\d)", "−", text)).replace(" ", "\u00a0")


def _conditions(found: Sequence[Record]) -> str:
    """Return what the rows of a table share, once each."""
    told: dict[str, None] = {}
    for record in found:
        parts = []
        if record["value"] is not None:
            repeats = "1 seed" if record["seeds"] == 1 else f"{record['seeds']} seeds"
            data = records.data(record) if record["dataset"] else "no data set"
            versions = ", ".join(f"{name} {text}" for name, text in record["versions"].items())
            parts = [data, f"profile {record['profile']}, {repeats}"]
            parts += [record["hardware"], versions]
        told["; ".join([*parts, records.when(record)])] = None
    lines = "<br>".join(escape(text) for text in told)
    return f":::{{div}} conditions\n{lines}\n:::\n"


def _fate(found: Sequence[Record], shown: Shown | None) -> str:
    """Return what became of a result, one of VERDICTS."""
    verdicts = {record["verdict"] for record in found}
    if not verdicts and shown is not None:
        return COMPARED if shown.how == "compared" else BEYOND
    return next((name for name in VERDICTS if name in verdicts), VERDICTS[-1])


def _verdicts(course: Course, fates: Mapping[str, str]) -> str:
    """Return the table that counts, for each source, what became of its results."""
    rows = []
    for letter in course.sources:
        own = [item.id for item in course.items if item.id in fates and item.source == letter]
        if own:
            counts = [sum(fates[name] == fate for name in own) for fate in VERDICTS]
            rows.append([SOURCE_NAMES[letter], str(len(own)), *map(str, counts)])
    header = ["Source", "Results", *VERDICTS]
    return table(header, rows, "l" + "r" * (len(header) - 1))


def _shown_line(shown: Shown | None) -> str:
    if shown is None:
        return "Not measured yet.\n"
    if shown.how == "compared":
        return f"Compared in every build: {escape(shown.words)}; the build fails if it differs.\n"
    return f"Quoted, not measured: {escape(shown.words)}.\n"


def replication_page(course: Course, found: Sequence[Record], shown: Mapping[str, Shown]) -> str:
    """Return the tables of what the sources report beside what we measured.

    Args:
        course: the course.
        found: the recorded results.
        shown: item -> how its chapter shows it without a record.
    """
    by_item: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        by_item[record["item"]].append(record)
    results = [item for item in course.items if item.kind == "result"]
    fates = {item.id: _fate(by_item[item.id], shown.get(item.id)) for item in results}
    measured = [item for item in results if any(r["value"] is not None for r in by_item[item.id])]
    compared = sum(fate == COMPARED for fate in fates.values())
    beyond = sum(fate == BEYOND for fate in fates.values())
    text = [
        "# Replication\n",
        f"The sources report {len(results)} results. **{len(measured)}** of them have been "
        "measured again so far, with the data, seeds, hardware and versions named below. "
        f"**{compared}** more are no measurement but a shape, a count or a table: a cell compares "
        "them in every build, which fails if they differ. "
        f"{beyond} cannot be measured here, and the page says what it would take. "
        "*Reproduced* means that our value lies within the stated band of the source's; "
        "*measured*, that the source gives no number to compare with. "
        "Every number in the column *Ours* comes from a file that a run wrote.\n",
        _verdicts(course, fates),
        "Each result stands in one column. One with several numbers is *refuted* if one of them "
        "is, else *reproduced* if one of them is, and else *measured*.\n",
    ]
    header = ["Quantity", "Source", "Ours", "Verdict"]
    for letter, title in course.sources.items():
        own = [item for item in results if item.source == letter]
        if not own:
            continue
        text.append(f"## Results of {SOURCE_NAMES[letter]}\n")
        text.append(f"{escape(title)}.\n")
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in own:
            groups[item.id.split(".")[0]].append(item)
        for group, members in groups.items():
            pieces = []
            for item in members:
                places = course.places(item, "../../", ", ")
                pieces.append(f"**{topic(item)}** {small_id(item)}<br>{places}\n")
                if by_item[item.id]:
                    pieces.append(table(header, map(_record_row, by_item[item.id]), "lrrl"))
                    pieces.append(_conditions(by_item[item.id]))
                else:
                    pieces.append(_shown_line(shown.get(item.id)))
            done = sum(fates[item.id] != VERDICTS[-1] for item in members)
            summary = f"{group_title(course, group)}: {done} of {len(members)}"
            text.append(fold(summary, "\n".join(pieces)))
    return "\n".join(text)
