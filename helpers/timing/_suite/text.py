"""The suite's results as lines of text."""

from __future__ import annotations

from typing import Any

from helpers.timing._types import format_seconds


def format_rate(value: float, unit: str) -> str:
    """Write a rate with three digits and a prefix.

    Example:
        >>> format_rate(2.03e11, "FLOP/s")
        '203 GFLOP/s'
    """
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def format_record(record: dict[str, Any]) -> str:
    """Write a case of :func:`suite` as one line of a table.

    Args:
        record: one of the ``cases``.

    Example:
        >>> from helpers import timing
        >>> found = timing.suite("dispatch", "cpu", quick=True)
        >>> format_record(found["cases"][0])[:38]
        'cpu    dispatch  empty Python function'
    """
    (median, p10, p90), unit = format_seconds(record["median_s"], record["p10_s"], record["p90_s"])
    return (
        f"{record['device']:<7}{record['group']:<10}{record['name']:<38}{record['dtype']:<9}"
        f"{record['shape']:<22}{median + ' ' + unit:>9} {'(' + p10 + '–' + p90 + ')':<14}"
        f"{format_rate(record['rate'], record['unit']):>17}"
        f"{record['share_of_limit']:>8.1%} of {record['limit_name']}"
    )
