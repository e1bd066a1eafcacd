"""Recorded results: what a source reports beside what we measured.

A run with ``COURSE_DATA=official`` writes to ``helpers/recorded/<notebook>.json``; every other run
reads. The files are part of the package, so that the tables show wherever it is installed. The
replication page of the book is made from them too: no number is typed by hand.
"""

from __future__ import annotations

import datetime
import html
import json
import math
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from helpers import env

KEY = ("item", "what", "tier", "dataset", "profile", "hardware")


class _Source(Protocol):
    name: str
    tier: str


def folder() -> Path:
    """Return the folder of the recorded results, ``helpers/recorded`` of the package."""
    return Path(__file__).resolve().parent / "recorded"


def _commit(root: Path) -> str:
    """Return the commit that the working tree starts from, or "unknown" without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def verdict(value: float, source: float | None, band: float | None) -> str:
    """Compare a value with the source's: reproduced if it lies within ``band`` of it.

    Example:
        >>> verdict(0.961, source=0.962, band=0.01)
        'reproduced'
        >>> verdict(0.80, source=0.962, band=0.01)
        'refuted'
    """
    if source is None or band is None:
        return "measured"
    return "reproduced" if abs(value - source) <= band else "refuted"


def record(
    item: str,
    what: str,
    value: float | Sequence[float],
    *,
    run: env.Run,
    data: _Source | None = None,
    unit: str = "",
    source: float | None = None,
    band: float | None = None,
    reason: str = "",
) -> None:
    """Record a measurement beside the source's number.

    Writes only when COURSE_DATA=official, and only in a checkout.

    Args:
        item: the ledger id of the result, e.g. ``"K7.r2"``.
        what: the quantity in words, e.g. ``"test accuracy after epoch 9"``.
        value: one measurement, or one a seed: then mean, lowest and highest are kept.
        run: what :func:`helpers.env.start` returned.
        data: what ``data.load`` returned, or None for results that need no data set.
        unit: the unit, empty for fractions and counts.
        source: the number the source reports, None if it reports none.
        band: how far from ``source`` still counts as reproduced, in the same unit.
        reason: why the number differs, or what the source did wrong.

    Raises:
        ValueError: if a value is not finite, or ``band`` comes without ``source``.
    """
    values = [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]
    if not values or not all(math.isfinite(v) for v in values):
        raise ValueError(f"{item}, {what}: not a finite measurement: {values}")
    if band is not None and source is None:
        raise ValueError(f"{item}, {what}: a band needs the source's number")
    mean = sum(values) / len(values)
    _write(
        run,
        item=item,
        what=what,
        value=mean,
        low=min(values),
        high=max(values),
        seeds=len(values),
        unit=unit,
        source=source,
        band=band,
        verdict=verdict(mean, source, band),
        reason=reason,
        tier=data.tier if data else "no data set",
        dataset=data.name if data else "",
    )


def _write(run: env.Run, **fields: Any) -> None:
    """Put an entry into the notebook's file, in place of an earlier one with the same key."""
    root = env.checkout_root()
    if run.data_mode != "official" or root is None:  # an installed package is left as it is
        return
    report = env.report()
    on_gpu = run.device.type == "cuda"
    entry = {
        **fields,
        "profile": run.profile,
        "hardware": report["accelerator"] if on_gpu else report["cpu"],
        "versions": {name: report[name] for name in ("python", "torch", "CUDA")},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(root),
    }
    path = folder() / f"{run.name}.json"
    old = json.loads(path.read_text(encoding="utf-8"))["records"] if path.is_file() else []
    kept = [e for e in old if any(e[k] != entry[k] for k in KEY)]
    records = sorted([*kept, entry], key=lambda e: tuple(str(e[k]) for k in KEY))
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    text = json.dumps({"records": records}, indent=1, ensure_ascii=False) + "\n"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def not_measurable(
    item: str,
    what: str,
    *,
    run: env.Run,
    source: float | None = None,
    unit: str = "",
    needs: str,
) -> None:
    """Record that a source's number cannot be measured here, and what it would take.

    Writes only when COURSE_DATA=official, like :func:`record`.

    Args:
        item: the ledger id of the result.
        what: the quantity in words.
        run: what :func:`helpers.env.start` returned.
        source: the number the source reports.
        unit: its unit, empty for fractions and counts.
        needs: what a measurement would need, e.g. ``"the prices of 2019"``.

    Raises:
        ValueError: if ``needs`` is empty.
    """
    if not needs:
        raise ValueError(f"{item}, {what}: say what a measurement would need")
    _write(
        run,
        item=item,
        what=what,
        value=None,
        low=None,
        high=None,
        seeds=0,
        unit=unit,
        source=source,
        band=None,
        verdict="not measurable here",
        reason=f"it would need {needs}",
        tier="no data set",
        dataset="",
    )


def load(item: str | None = None) -> list[dict[str, Any]]:
    """Return the recorded entries of one item, or all of them."""
    entries: list[dict[str, Any]] = []
    for path in sorted(folder().glob("[0-9]*.json")):
        entries += json.loads(path.read_text(encoding="utf-8"))["records"]
    return [e for e in entries if item in (None, e["item"])]


class Table(pd.DataFrame):
    """Recorded runs. On a page, a condition that all rows share stands below the table, once.

    Example:
        >>> rows = [{"what": w, "ours": "1", "profile": "quick"} for w in ("a", "b")]
        >>> Table(rows)._repr_html_().endswith("<p>profile: quick</p>")
        True
    """

    CONDITIONS = ("seeds", "data", "profile", "hardware")

    @property
    def _constructor(self) -> type[Table]:
        return Table  # so that selecting columns and pd.concat keep the page form

    def _repr_html_(self) -> str:
        if self.empty:
            return "<p>not recorded yet</p>"
        present = [name for name in self.CONDITIONS if name in self.columns]
        shared = {name: self[name].iloc[0] for name in present if self[name].nunique() == 1}
        without = {*shared, *(name for name in self.columns if (self[name] == "–").all())}
        with pd.option_context("display.max_colwidth", None):
            rows = pd.DataFrame(self.drop(columns=without)).to_html(index=False, border=0)
        caption = " · ".join(f"{name}: {value}" for name, value in shared.items() if value != "–")
        return f"{rows}<p>{html.escape(caption)}</p>" if caption else rows


def table(*items: str) -> Table:
    """Return the recorded runs of ledger items as a table: source's number, ours, verdict.

    Example:
        >>> table("K7.r2")  # doctest: +SKIP
    """
    columns = ["what", "source", "ours", "seeds", "data", "profile", "hardware", "verdict"]
    rows = []
    for entry in (entry for item in items for entry in load(item)):
        ours = "–" if entry["value"] is None else f"{entry['value']:.4g}"
        if entry["seeds"] > 1:
            ours += f" ({entry['low']:.4g} to {entry['high']:.4g})"
        source = "–" if entry["source"] is None else f"{entry['source']:.5g}"
        rows.append(
            {
                "what": entry["what"],
                "source": f"{source} {entry['unit']}".strip(),
                "ours": ours if ours == "–" else f"{ours} {entry['unit']}".strip(),
                "seeds": entry["seeds"],
                "data": f"{entry['dataset']} ({entry['tier']})" if entry["dataset"] else "–",
                "profile": entry["profile"],
                "hardware": entry["hardware"],
                "verdict": entry["verdict"],
            }
        )
    return Table(rows, columns=columns)
