"""Pieces of Markdown: escaped text, tables, durations and rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ESCAPED = re.compile(r"([\\`*_{}\[\]<>|$~#])")


def escape(text: str) -> str:
    """Make text safe inside a Markdown table: every sign stands for itself."""
    return re.sub(ESCAPED, r"\\\1", " ".join(str(text).split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Return a Markdown table. ``align`` has one letter a column: l, r or c."""
    marks = {"l": ":--", "r": "--:", "c": ":-:"}
    rule = [marks[letter] for letter in align.ljust(len(header), "l")]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def seconds(value: float) -> str:
    """Format a duration with a fitting unit."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s" if value < 60 else f"{value / 60:.1f} min"


def rate_text(value: float, unit: str) -> str:
    """Return a rate with a prefix that keeps the number short: 165.8 GFLOP/s."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def code_spans(text: str) -> str:
    """Escape text but keep ``code`` between backquotes as code."""
    parts = re.split(r"(?::\w+:)?`+([^`]+)`+", text)  # :class:`Net` is code as well
    text = "".join(f"`{p}`" if i % 2 else re.sub(ESCAPED, r"\\\1", p) for i, p in enumerate(parts))
    return " ".join(text.split())
