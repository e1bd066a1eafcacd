"""The page that sets what the sources report beside what we measured."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from sphinx.errors import ExtensionError

from helpers import records
from helpers.ledger import SOURCE_NAMES, Item
from helpers.records import Record

from .markdown import escape, table
from .plan import Course
from .wording import fold, group_title, small_id, topic

VERDICTS = ("reproduced", "refuted", "measured", "not measurable here")


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


def _verdicts(course: Course, by_item: Mapping[str, Sequence[Record]]) -> str:
    """Return the table that counts, for each source, what became of its results."""
    rows = []
    for letter in course.sources:
        own = [item for item in course.items if item.kind == "result" and item.source == letter]
        if not own:
            continue
        verdicts = [{r["verdict"] for r in by_item[item.id]} for item in own]
        rows.append(
            [
                SOURCE_NAMES[letter],
                str(len(own)),
                *(str(sum(name in found for found in verdicts)) for name in VERDICTS),
                str(sum(not found for found in verdicts)),
            ]
        )
    header = ["Source", "Results", *VERDICTS, "not yet"]
    return table(header, rows, "l" + "r" * (len(header) - 1))


def replication_page(course: Course, found: Sequence[Record]) -> str:
    """Return the tables of what the sources report beside what we measured."""
    by_item: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        by_item[record["item"]].append(record)
    results = [item for item in course.items if item.kind == "result"]
    measured = [item for item in results if any(r["value"] is not None for r in by_item[item.id])]
    beyond = sum(bool(by_item[item.id]) for item in results) - len(measured)
    text = [
        "# Replication\n",
        f"The sources report {len(results)} results. **{len(measured)}** of them have been "
        "measured again so far, with the data, seeds, hardware and versions named below; "
        f"{beyond} cannot be measured here, and the table says what it would take. "
        "*Reproduced* means that our value lies within the stated band of the source's; "
        "*measured*, that the source gives no number to compare with. "
        "Every number on this page comes from a file that a run wrote.\n",
        _verdicts(course, by_item),
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
                    pieces.append("Not measured yet.\n")
            done = sum(bool(by_item[item.id]) for item in members)
            summary = f"{group_title(course, group)}: {done} of {len(members)}"
            text.append(fold(summary, "\n".join(pieces)))
    return "\n".join(text)
