"""What a measurement returns: the numbers, and what they were measured on."""

from __future__ import annotations

import html
import math
import statistics
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from helpers import machine
from helpers.console import printable

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def format_seconds(*seconds: float) -> tuple[list[str], str]:
    """Write times with three digits in the unit that suits the first of them.

    Returns:
        The numbers as text, and the unit.

    Example:
        >>> format_seconds(0.00123, 0.0012)
        (['1.23', '1.20'], 'ms')
    """
    scale, unit = next(((s, u) for s, u in UNITS if seconds[0] >= s), UNITS[-1])
    first = max(seconds[0] / scale, 1e-3)
    digits = max(0, 2 - math.floor(math.log10(first)))
    return [f"{value / scale:.{digits}f}" for value in seconds], unit


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one function: one number a sample, with what it was measured on.

    A sample is the mean of ``inner`` calls that follow each other, so the percentiles describe
    samples, not single calls.

    Attributes:
        samples: seconds per call, in the order measured.
        inner: calls in one sample.
        device: ``"cpu"``, ``"cuda:0"``, …
        threads: CPU threads that PyTorch may use.
        dtype: of the first tensor argument, None if no argument is a tensor.
        peak_bytes: the most device memory that one call took in addition to what was there
            before it; CUDA only, else None.
        flush_l2: whether each sample began with a cold L2 cache; CUDA only, else None.
        graph: whether the calls were replayed from a CUDA graph; CUDA only, else None.
        tf32: the operations that could round float32 inputs to TF32: some of ``"matmul"``
            and ``"conv"``; CUDA only, else None.
    """

    samples: tuple[float, ...] = field(repr=False)
    inner: int
    device: str
    threads: int
    dtype: str | None = None
    peak_bytes: int | None = None
    flush_l2: bool | None = None
    graph: bool | None = None
    tf32: tuple[str, ...] | None = None

    @property
    def repeats(self) -> int:
        """The number of samples."""
        return len(self.samples)

    @property
    def median(self) -> float:
        """The median, in seconds per call."""
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        """The 10th percentile, in seconds per call."""
        return statistics.quantiles(self.samples, n=10, method="inclusive")[0]

    @property
    def p90(self) -> float:
        """The 90th percentile, in seconds per call."""
        return statistics.quantiles(self.samples, n=10, method="inclusive")[8]

    def rate(self, work: float) -> float:
        """Return ``work`` per second at the median, e.g. FLOP/s or B/s.

        Args:
            work: what one call does, in any unit: floating-point operations, bytes, rows.
        """
        return work / self.median

    def conditions(self) -> list[str]:
        """Return in words how a CUDA device was measured; an empty list off CUDA."""
        if self.flush_l2 is None:
            return []
        found = ["cold L2 cache" if self.flush_l2 else "warm L2 cache"]
        found += ["CUDA graph"] if self.graph else []
        if self.dtype in (None, "float32"):
            found.append(f"TF32: {', '.join(self.tf32)}" if self.tf32 else "no TF32")
        return found

    def __str__(self) -> str:
        (median, p10, p90), unit = format_seconds(self.median, self.p10, self.p90)
        return printable(f"{median} {unit} ({p10}–{p90})")

    def __repr__(self) -> str:
        parts = [
            f"{self}, 10th–90th percentile of {self.repeats} samples of {self.inner} calls",
            machine.summary(self.device, self.threads),
        ]
        if self.dtype is not None:
            parts.append(self.dtype)
        parts += self.conditions()
        if self.peak_bytes is not None:
            parts.append(f"peak {self.peak_bytes / 2**20:,.1f} MiB")
        return printable(" · ".join(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers ready for JSON, times in seconds."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "median_s": self.median,
            "p10_s": self.p10,
            "p90_s": self.p90,
            "samples": self.repeats,
            "calls_per_sample": self.inner,
            "threads": self.threads,
            "peak_bytes": self.peak_bytes,
            "flush_l2": self.flush_l2,
            "graph": self.graph,
            "tf32": None if self.tf32 is None else list(self.tf32),
        }


@dataclass(frozen=True)
class Comparison:
    """Several functions, measured in turn. A notebook shows it as a table.

    Attributes:
        timings: name of the case -> its :class:`Timing`.
        baseline: the case that the speed-ups refer to.
    """

    timings: dict[str, Timing]
    baseline: str

    def speedup(self, name: str) -> float:
        """Return how many times faster than the baseline a case is.

        This is the median over rounds of the ratio within a round, so that a drift of the
        machine, which hits all cases of a round alike, cancels.
        """
        pairs = zip(self.timings[self.baseline].samples, self.timings[name].samples, strict=True)
        return statistics.median(base / mine for base, mine in pairs)

    def frame(self) -> pd.DataFrame:
        """Return a table with one row a case: median_s, p10_s, p90_s, speed_up, peak_bytes."""
        rows = {
            name: {
                "median_s": timing.median,
                "p10_s": timing.p10,
                "p90_s": timing.p90,
                "speed_up": self.speedup(name),
                "peak_bytes": timing.peak_bytes,
            }
            for name, timing in self.timings.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "case"
        return frame if frame["peak_bytes"].notna().any() else frame.drop(columns="peak_bytes")

    def _shown(self) -> pd.DataFrame:
        rows = {
            name: {
                "time (p10–p90)": str(timing),
                "speed-up": f"{self.speedup(name):.2f}×",
                **(
                    {"peak": f"{timing.peak_bytes / 2**20:,.1f} MiB"}
                    if timing.peak_bytes is not None
                    else {}
                ),
            }
            for name, timing in self.timings.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def _caption(self) -> str:
        base = self.timings[self.baseline]
        where = machine.summary(base.device, base.threads)
        dtypes = sorted({t.dtype for t in self.timings.values() if t.dtype is not None})
        rounds = f"{base.repeats} rounds"
        words = [f"baseline: {self.baseline}", rounds, where, *dtypes, *base.conditions()]
        return " · ".join(words)

    def __str__(self) -> str:
        return printable(f"{self._shown().to_string()}\n{self._caption()}")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self._shown().to_html()}<p>{html.escape(self._caption())}</p>"
