"""CT scans as tensors that keep their geometry, and candidates with a known truth.

One file a matter: scan (a volume with its place in the body, and how to read one), checks
(physics that a wrong loader violates), lungs (mask, window, crop), implants (nodules of known
place, size and contrast, and vessels as look-alikes), parts (one split for a whole pipeline),
luna16 (a folder with the LUNA16 scans). For many scans: resample (one voxel size), store (arrays
on disk, whole or not at all), chain (outline, group, judge), learning (what the networks learn
from), detection (free-response curve, intervals, error budget).

Implants are drawn, not grown: nothing that is measured on them is a statement about patients.
Taught in notebooks/23_ct_scans.ipynb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.exports import exports

_found = exports(__name__, __path__)
globals().update(_found)
__all__ = sorted(_found)

if TYPE_CHECKING:  # what is found at run time is hidden from a type checker

    def __getattr__(name: str) -> Any: ...
