"""Honest timing: warm-up, synchronisation, spread, and a limit measured on the same machine.

Taught in notebooks/31_gpu_timing.ipynb. Four functions and a command::

    measure(fn, *args)       one function              -> Timing
    compare(cases, ...)      several, interleaved      -> Comparison
    roofline(device, dtype)  the machine's two limits  -> Roofline
    suite(which)             the course's benchmarks   -> dict, ready for JSON

    python -m helpers.timing --suite all --json FILE
"""

from helpers.machine import hardware
from helpers.timing._measure import compare, measure
from helpers.timing._roofline import Roofline, roofline
from helpers.timing._suite import GROUPS, format_record, suite
from helpers.timing._types import Comparison, Timing, format_seconds

__all__ = [
    "GROUPS",
    "Comparison",
    "Roofline",
    "Timing",
    "compare",
    "format_record",
    "format_seconds",
    "hardware",
    "measure",
    "roofline",
    "suite",
]
