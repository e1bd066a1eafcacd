"""How well nodules are found in many scans: free-response curve, interval, error budget.

The unit is the scan, and what is drawn anew in the bootstrap is the patient. Chapter 26 builds the
same by hand for versions of one scan.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "FROC_RATES",
    "STAGES",
    "Trace",
    "by_diameter",
    "cut_at",
    "fates",
    "free_response",
    "froc_interval",
    "sensitivity",
    "sensitivity_at",
]

# False alarms a scan at which LUNA16 reads the curve; the mean sensitivity there is its score.
FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
STAGES = ("missed by segmentation", "lost by grouping", "refused by the classifier", "found")


class Trace(NamedTuple):
    """What a chain did with one scan.

    Attributes:
        series: the name of the scan.
        diameter: ``(N,)``, mm, of the annotated nodules.
        outlined: bool ``(N,)``: a voxel of the nodule's ball was marked.
        grouped: bool ``(N,)``: a candidate lies in the ball.
        score: ``(N,)``: the best score of such a candidate, ``-inf`` without one.
        false: ``(M,)``: scores of the candidates that lie in no ball.

    Example:
        >>> one = Trace("1.2.3", np.array([5.0]), *[np.array([True])] * 2, np.array([2.0]),
        ...             np.array([1.0, 3.0]))
        >>> sensitivity([one], cut=1.5)
        1.0
    """

    series: str
    diameter: np.ndarray
    outlined: np.ndarray
    grouped: np.ndarray
    score: np.ndarray
    false: np.ndarray


def _joined(traces: Sequence[Trace], name: str) -> np.ndarray:
    return np.concatenate([getattr(one, name) for one in traces])


def cut_at(traces: Sequence[Trace], per_scan: float) -> float:
    """Return the lowest cut with at most so many false alarms a scan.

    An alarm is a candidate with a score *above* the cut.

    Args:
        traces: of the validation part: a cut that is chosen on what it is judged on flatters.
        per_scan: the false alarms that are accepted.

    Example:
        >>> one = Trace("1", *[np.zeros(0)] * 4, np.array([1.0, 3.0, 2.0]))
        >>> cut_at([one], 1), cut_at([one], 3)
        (2.0, -inf)
    """
    false = np.sort(_joined(traces, "false"))[::-1]
    allowed = int(per_scan * len(traces))
    return float(false[allowed]) if allowed < len(false) else -math.inf


def sensitivity(traces: Sequence[Trace], cut: float) -> float:
    """Return the share of the nodules with an alarm above the cut; NaN without nodules.

    Args:
        traces: of the scans.
        cut: what :func:`cut_at` returned.

    Example:
        >>> sensitivity([], 0.0)
        nan
    """
    score = _joined(traces, "score") if traces else np.zeros(0)
    return float((score > cut).mean()) if len(score) else math.nan


def free_response(
    traces: Sequence[Trace], weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return false alarms a scan and sensitivity, from the highest cut to the lowest.

    Args:
        traces: of the scans.
        weight: ``(len(traces),)``: how often each scan counts; default once.

    Returns:
        Two arrays of equal length, a point for each different score. Equal scores have one cut, so
        they are one point. The second ends below 1 if a nodule has no candidate.

    Example:
        >>> one = Trace("1", *[np.ones(2)] * 3, np.array([2.0, -math.inf]), np.array([1.0, 3.0]))
        >>> false, found = free_response([one])
        >>> false.tolist(), found.tolist()
        ([1.0, 1.0, 2.0], [0.0, 0.5, 0.5])
    """
    weight = np.ones(len(traces)) if weight is None else np.asarray(weight, dtype=float)
    nodule = np.repeat(weight, [len(one.score) for one in traces])
    other = np.repeat(weight, [len(one.false) for one in traces])
    score = np.concatenate([_joined(traces, "score"), _joined(traces, "false")])
    order = np.argsort(-score, kind="stable")
    order = order[np.isfinite(score[order])]  # what has no candidate is found at no cut
    found = np.cumsum(np.concatenate([nodule, np.zeros(len(other))])[order])
    false = np.cumsum(np.concatenate([np.zeros(len(nodule)), other])[order])
    last = np.diff(score[order], append=math.nan) != 0
    nodules, scans = max(nodule.sum(), 1e-9), max(weight.sum(), 1e-9)
    return false[last] / scans, found[last] / nodules


def sensitivity_at(curve: tuple[np.ndarray, np.ndarray], per_scan: float) -> float:
    """Return the sensitivity where a curve has at most so many false alarms a scan.

    Args:
        curve: what :func:`free_response` returned.
        per_scan: e.g. one of ``FROC_RATES``.

    Example:
        >>> sensitivity_at((np.array([0.5, 1.0]), np.array([0.2, 0.6])), 0.7)
        0.2
    """
    false, found = curve
    place = int(np.searchsorted(false, per_scan, side="right")) - 1
    return float(found[place]) if place >= 0 else 0.0


def froc_interval(
    traces: Sequence[Trace],
    patients: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Return an interval for the sensitivity at each of ``FROC_RATES`` and for their mean.

    Patients are drawn anew with replacement, with all their scans: two scans of one patient are
    not two independent looks.

    Args:
        traces: of the scans.
        patients: the patient of each.
        draws: of the bootstrap.
        seed: the same seed draws the same patients.
        level: share of the draws inside.

    Returns:
        Lower and upper ends, ``(8,)`` each: the seven rates, then the mean.

    Raises:
        ValueError: if there is not one patient for each trace, or a draw cannot hold a nodule.

    Example:
        >>> one = Trace("1", *[np.ones(1)] * 3, np.array([2.0]), np.array([1.0]))
        >>> low, high = froc_interval([one, one], ["a", "b"], draws=10)
        >>> float(low[-1]), float(high[-1])
        (1.0, 1.0)
    """
    if len(patients) != len(traces):
        raise ValueError(f"{len(traces)} scans have {len(patients)} names of patients")
    if not sum(len(one.score) for one in traces):
        raise ValueError("the scans have no nodule: there is no sensitivity")
    names, of = np.unique(np.asarray(patients), return_inverse=True)
    rng = np.random.default_rng(seed)
    rows: list[list[float]] = []
    has = np.array([len(one.score) > 0 for one in traces])
    while len(rows) < draws:
        weight = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[of]
        if not weight[has].any():  # no nodule was drawn: the share is not defined
            continue
        curve = free_response(traces, weight)
        at = [sensitivity_at(curve, rate) for rate in FROC_RATES]
        rows.append([*at, float(np.mean(at))])
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def fates(traces: Sequence[Trace], cut: float) -> dict[str, int]:
    """Count the nodules by the stage that lost them first; every nodule is in one row.

    Args:
        traces: of the scans.
        cut: what :func:`cut_at` returned.

    Returns:
        For each of ``STAGES`` a number; together all nodules.

    Example:
        >>> yes, no = np.array([True, True]), np.array([False, False])
        >>> one = Trace("1", np.ones(2), yes, no, np.full(2, -math.inf), np.zeros(0))
        >>> fates([one], 0.0)["lost by grouping"]
        2
    """
    score, grouped, outlined = (_joined(traces, n) for n in ("score", "grouped", "outlined"))
    row = np.select([score > cut, grouped.astype(bool), outlined.astype(bool)], [3, 2, 1], 0)
    return dict(zip(STAGES, np.bincount(row, minlength=4).tolist(), strict=True))


def by_diameter(
    traces: Sequence[Trace], cut: float, edges: Sequence[float] = (0, 4, 6, 8, 10, 15, math.inf)
) -> list[dict[str, float | int | None]]:
    """Return the sensitivity by diameter.

    Args:
        traces: of the scans.
        cut: what :func:`cut_at` returned.
        edges: mm; a nodule belongs to the row with ``from_mm <= diameter < to_mm``.

    Returns:
        Rows with ``from_mm``, ``to_mm`` (None: no end), ``nodules``, ``found``.

    Example:
        >>> some, score = np.array([5.0, 7.0]), np.array([1.0, -1.0])
        >>> one = Trace("1", some, *[np.ones(2)] * 2, score, np.zeros(0))
        >>> [(row["nodules"], row["found"]) for row in by_diameter([one], 0.0, (4, 6, 8))]
        [(1, 1), (1, 0)]
    """
    diameter, found = _joined(traces, "diameter"), _joined(traces, "score") > cut
    rows: list[dict[str, float | int | None]] = []
    for low, high in itertools.pairwise(edges):
        within = (diameter >= low) & (diameter < high)
        rows.append(
            {
                "from_mm": low,
                "to_mm": high if math.isfinite(high) else None,
                "nodules": int(within.sum()),
                "found": int((within & found).sum()),
            }
        )
    return rows
