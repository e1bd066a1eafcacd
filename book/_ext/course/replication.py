"""The page that sets what the sources report beside what we measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sphinx.errors import ExtensionError

from helpers import records
from helpers.ledger import SOURCE_NAMES
from helpers.records import Record

from .markdown import escape, item_text, table
from .plan import Course


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
    how = [records.when(record)]
    if record["value"] is not None:
        repeats = "1 seed" if record["seeds"] == 1 else f"{record['seeds']} seeds"
        data = records.data(record) if record["dataset"] else "no data set"
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        how = [
            f"{data}, profile {record['profile']}, {repeats}",
            f"{record['hardware']}; {versions}",
            *how,
        ]
    return [
        escape(record["what"]),
        escape(records.source(record)),
        escape(records.ours(record)),
        verdict,
        "<br>".join(map(escape, how)),
    ]


def replication_page(course: Course, found: Sequence[Record]) -> str:
    """Return the table of what the sources report beside what we measured."""
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
        "*Reproduced* means that our value lies within the stated band of the source's. "
        "Every number on this page comes from a file that a run wrote.\n",
    ]
    header = ["Quantity", "Source", "Ours", "Verdict", "How"]
    for letter, title in course.sources.items():
        own = [item for item in results if item.source == letter]
        if not own:
            continue
        text.append(f"## {letter}: {SOURCE_NAMES[letter]}\n")
        text.append(f"{escape(title)}.\n")
        for item in own:
            if by_item[item.id]:
                text.append(f"### {item.id}\n")
                text.append(f"{item_text(item)} ({course.places(item, '../../', ', ')})\n")
                text.append(table(header, map(_record_row, by_item[item.id]), "lrrll"))
        missing = [item for item in own if not by_item[item.id]]
        if missing:
            rows = [[i.id, item_text(i), course.places(i, "../../")] for i in missing]
            text.append(f"### Not measured yet ({letter})\n")
            text.append(table(["Item", "What the source reports", "Where"], rows))
    return "\n".join(text)
