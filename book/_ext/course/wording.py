"""The ledger's rows in words for readers: bare topics, and what a source says beside the truth.

The ledger tells authors what to show ("Explain …", "Correct: …"). ``book/corrections.tsv`` says for
each error, in words for readers, what the source has and what is in fact true.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from helpers.ledger import Item

from .markdown import escape
from .plan import Course

VERBS = re.compile(
    r"^(?:Measure and tabulate|Tabulate|Compute|Contrast|Explain|Write|Show|Draw|Build|Plot|Say"
    r"|Describe|State|Define|List|Give|Name|Print|Report|Reproduce|Implement|Create|Derive|Discuss"
    r"|Tell|Provide|Exercise:|Task:)\s+(?:that\s+|both\s+)?"
)
STAND_IN = re.compile(r"\s*\(scaled-down stand-in allowed\)\s*$")
SIGNS = {
    "->": "→", "<->": "↔", "<=": "≤", ">=": "≥", "+-": "±", "!=": "≠", "^-1/2": "⁻¹ᐟ²",
    "^-1": "⁻¹", "^2": "²", "^3": "³", "^T": "ᵀ", "sqrt(": "√(", "...": "…",
}  # fmt: skip
SIGN = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)))
DIVISIONS = {"K": "Chapter", "B": "Chapter", "T": "Part", "L": "Section"}


def with_signs(text: str) -> str:
    """Set the signs that were typed as letters: -> becomes →, x^2 becomes x²."""
    return SIGN.sub(lambda match: SIGNS[match[0]], text)


def _sentence(text: str) -> str:
    # A name of code keeps its small letter.
    word = re.split(r"[\s,;:]", text, maxsplit=1)[0]
    plain = re.fullmatch(r"[a-z]+(?:-[a-z]+)?", word) is not None
    return text[:1].upper() + text[1:] if plain else text


def topic(item: Item) -> str:
    """Return what an item is about, without the command to the author."""
    text = VERBS.sub("", STAND_IN.sub("", item.show))
    return escape(with_signs(_sentence(text)))


def read_corrections(root: Path) -> dict[str, tuple[str, str]]:
    """Return item -> what the source says, and what is in fact true.

    Example:
        >>> read_corrections(Path("."))["K4.e10"][0]
        'A three-layer network'
    """
    with (root / "book" / "corrections.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["id"]: (row["says"], row["fact"]) for row in rows}


def group_title(course: Course, group: str) -> str:
    """Return the title of a chapter of a source, with what the course makes of it."""
    ours = [chapter.title for chapter in course.chapters if group in chapter.sources]
    title = f"{DIVISIONS[group[0]]} {group[1:]}"
    return f"{title} · {escape(', '.join(ours))}" if ours else title


def small_id(item: Item) -> str:
    """Return an item's number as a small link to itself, which is also its anchor."""
    return f'<a class="item-id" id="{item.id}" href="#{item.id}">{item.id}</a>'


def fold(summary: str, content: str) -> str:
    """Return content behind a line that opens it."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n</details>\n"
