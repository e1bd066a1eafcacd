"""Recorded results: what a source reports beside what we measured.

A run with ``COURSE_DATA=official`` writes to ``helpers/recorded/<notebook>.json``; every other run
reads. A run replaces all that earlier runs left for its notebook, profile and machine. The files
are part of the package, so that the tables show wherever it is installed. The replication page of
the book is made from them too: no number is typed by hand.
"""

from __future__ import annotations

import datetime
import html
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from helpers import env, files, records
from helpers.console import say

_said: set[str] = set()  # notebooks whose results could not be written, to say it once


class _Source(Protocol):
    name: str
    tier: str


def folder() -> Path:
    """Return the folder of the recorded results, ``helpers/recorded`` of the package."""
    return Path(__file__).resolve().parent / "recorded"


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


def _values(value: float | Sequence[float] | np.ndarray | torch.Tensor) -> list[float]:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double()
    return np.asarray(value, dtype=float).ravel().tolist()


def record(
    item: str,
    what: str,
    value: float | Sequence[float] | np.ndarray | torch.Tensor,
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
        value: one measurement, or one a seed as a sequence, an array or a tensor of any shape:
            then mean, lowest and highest are kept.
        run: what :func:`helpers.env.start` returned.
        data: what ``data.load`` returned, or None for results that need no data set.
        unit: the unit, empty for fractions and counts.
        source: the number the source reports, None if it reports none.
        band: how far from ``source`` still counts as reproduced, in the same unit.
        reason: why the number differs, or what the source did wrong.

    Raises:
        ValueError: if a value is not finite, or ``band`` comes without ``source``.
    """
    values = _values(value)
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
    """Put an entry into the notebook's file, in place of what earlier runs left there."""
    root = env.checkout_root()
    if run.data_mode != "official" or root is None:  # an installed package is left as it is
        return
    if os.environ.get("RANK", "0") != "0":  # under torchrun all processes measure the same
        return
    report = env.report()
    on_gpu = run.device.type == "cuda"
    entry = {
        **fields,
        "profile": run.profile,
        "hardware": report["accelerator"] if on_gpu else report["cpu"],
        "versions": {name: report[name] for name in ("python", "torch", "CUDA")},
        "date": datetime.datetime.now(datetime.UTC).isoformat(),
        **records.provenance(root, run.name),
    }
    target = folder()
    path = target / f"{run.name}.json"
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / f".{run.name}.lock", timeout=20):
            old = records.read(path) if path.is_file() else []
            files.write_json(path, {"records": records.merged(old, entry, run.started)})
    # Measuring goes on where nothing can be written: a shared checkout, a file system without
    # locks (NotImplementedError), a lock that another process keeps (a TimeoutError).
    except (OSError, NotImplementedError) as error:
        if run.name not in _said:
            _said.add(run.name)
            reason = getattr(error, "strerror", None) or str(error)
            say(
                f"results of {run.name} are not recorded: {reason} ({target.name}/{path.name}); "
                "to record them, run in a copy of the course that you may write to"
            )


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
    return [e for e in records.read_all(folder()) if item in (None, e["item"])]


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
    rows = [
        {
            "what": entry["what"],
            "source": records.source(entry),
            "ours": records.ours(entry),
            "seeds": entry["seeds"],
            "data": records.data(entry),
            "profile": entry["profile"],
            "hardware": entry["hardware"],
            "verdict": entry["verdict"],
        }
        for item in items
        for entry in load(item)
    ]
    return Table(rows, columns=columns)
