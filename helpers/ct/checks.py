"""Physics that a wrongly read scan violates.

Each check returns what it found and the range that a chest of an adult has, and does not raise:
a reader may look at it, a test may assert it. A check that fails says that the file was misread,
or that the patient is unusual (a lung removed, the heart on the right).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from helpers.ct.lungs import spread
from helpers.ct.scan import Scan

__all__ = ["Finding", "check", "check_positions", "slice_steps"]


class Finding(NamedTuple):
    """A measured value and the range that it should lie in.

    Example:
        >>> print(Finding("lungs, litres", 4.46, 1.5, 9.0))
        ok    lungs, litres: 4.46 (1.5 to 9)
    """

    what: str
    value: float
    low: float
    high: float

    @property
    def ok(self) -> bool:
        """Whether the value lies in the range."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        sign = "ok   " if self.ok else "WRONG"
        return f"{sign} {self.what}: {self.value:.3g} ({self.low:g} to {self.high:g})"


def check_positions(positions: Tensor) -> list[Finding]:
    """Are the slices in order, and at even distances?

    Args:
        positions: ``(D,)``, mm along the axis, in the order of the volume.

    Example:
        >>> [finding.ok for finding in check_positions(torch.tensor([0.0, 3.0, 6.0, 9.0]))]
        [True, True]
        >>> [finding.ok for finding in check_positions(torch.tensor([0.0, 6.0, 3.0, 9.0]))]
        [False, False]
    """
    gaps = positions.diff()
    size = gaps.abs()
    uneven = float(size.max() / size.min().clamp(min=1e-9))
    return [
        Finding("smallest step to the next slice, mm", float(gaps.min()), 0.1, 20),
        Finding("largest gap by smallest gap", uneven, 1, 1.02),
    ]


def slice_steps(hu: Tensor) -> Tensor:
    """How much nearer each slice is to the next one than to the next but one.

    Args:
        hu: ``(D, H, W)``.

    Returns:
        ``(D - 2,)``: mean absolute step from slice k to k + 1, by that from k to k + 2, both
        after averaging over 8×8 pixels. In the right order it is below 1 everywhere; where a
        slice is in the wrong place, it is above 1 near it. The mean over all slices hides that.

    Example:
        >>> ramp = torch.arange(6.0).view(6, 1, 1).expand(6, 16, 16)
        >>> slice_steps(ramp)
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
        >>> slice_steps(ramp[[0, 1, 3, 2, 4, 5]]).max()
        tensor(2.)
    """
    small = torch.nn.functional.avg_pool2d(hu.unsqueeze(1), 8)[:, 0]
    one = (small[1:] - small[:-1]).abs().mean((1, 2))
    two = (small[2:] - small[:-2]).abs().mean((1, 2))
    return one[:-1] / two


def _fat(scan: Scan, split: float) -> float:
    """Median of what lies 4 to 8 mm under the skin."""
    import numpy as np
    from scipy import ndimage

    step = [1, *(max(1, int(2 / mm)) for mm in scan.spacing.tolist()[1:])]
    thin = scan.part(*(slice(None, None, k) for k in step))
    middle = slice(len(thin.hu) // 3, max(len(thin.hu) // 3 + 1, 2 * len(thin.hu) // 3))
    thin = thin.part(middle)
    tissue = ndimage.binary_opening((thin.hu > split).numpy(), np.ones((1, 5, 5)))
    labels, count = ndimage.label(tissue)
    if not count:
        return float("nan")
    body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    body = torch.from_numpy(np.stack([ndimage.binary_fill_holes(one) for one in body]))
    rim = spread(body, -4.0, thin) & ~spread(body, -8.0, thin)
    return float(thin.hu[rim].median()) if rim.any() else float("nan")


def _spine(scan: Scan, threshold: float, middle: float) -> Tensor:
    """Places of thick bone within 25 mm of the middle: not the thin breastbone and ribs."""
    import numpy as np
    from scipy import ndimage

    step = [1, *(max(1, round(2.2 / mm)) for mm in scan.spacing.tolist()[1:])]
    thin = scan.part(*(slice(None, None, k) for k in step))
    coarse = torch.nn.functional.avg_pool2d(
        scan.hu.unsqueeze(1), step[1:], step[1:], ceil_mode=True
    )
    bones = coarse[:, 0] > threshold
    closed = spread(spread(bones, 5.0, thin), -5.0, thin)
    solid = torch.from_numpy(np.stack([ndimage.binary_fill_holes(one) for one in closed]))
    thick = spread(spread(solid, -6.0, thin), 6.0, thin)
    places = thin.to_xyz(thick.nonzero())
    return places[(places[:, 0] - middle).abs() < 25]


def check(scan: Scan, mask: Tensor) -> list[Finding]:
    """Ask a scan of a chest what physics and anatomy know.

    The border between air and tissue is taken from the scan's own histogram (Otsu), not from the
    scale of Hounsfield, so that a wrong scale shows.

    Args:
        scan: a scan of a whole chest in axial slices: rows run from front to back, columns from
            side to side, whichever way. Other slices of a good scan fail. So may
            one that was thinned to pixels of over 2 mm: single voxels of bone are noisy, and
            the spine is not found.
        mask: its lungs.

    Returns:
        Findings: air, tissue, fat under the skin; volume and three extents of the lungs; the
        left lung by the right; how far the spine lies behind the lungs; the largest of
        :func:`slice_steps`. If no lungs were found, only the first ones. None of them sees a
        scan that stands on its head: :func:`check_positions` does, if it gets the positions in
        the order of the volume.

    Example:
        >>> from data_scripts import load
        >>> from helpers.ct.lungs import lung_mask
        >>> from helpers.ct.scan import read_dicom
        >>> scan = read_dicom(load("lung_ct", "standin")["files"])
        >>> all(finding.ok for finding in check(scan, lung_mask(scan)))
        True
    """
    import numpy as np
    from skimage.filters import threshold_otsu

    some = scan.hu[:, ::4, ::4].numpy()
    split = float(threshold_otsu(some.clip(*np.percentile(some, [1, 99]))))
    air, tissue = float(np.median(some[some <= split])), float(np.median(some[some > split]))
    findings = [
        Finding("air and lung, HU", air, -1050, -750),
        Finding("tissue, HU", tissue, -120, 120),
        Finding("fat under the skin, HU", _fat(scan, split), -140, -60),
        Finding("lungs, litres", scan.litres(mask), 1.5, 9.0),
    ]
    lungs = mask[:, ::4, ::4].nonzero() * torch.tensor([1, 4, 4])
    if len(lungs) < 100:
        return [*findings, Finding("lungs, voxels", float(mask.sum()), 1e4, 1e9)]
    ends = lungs.double().quantile(torch.tensor([0.01, 0.99], dtype=torch.float64), dim=0)
    height, depth, width = ((ends[1] - ends[0]) * scan.spacing).tolist()
    x, y, _ = scan.to_xyz(lungs).T
    middle = float(x.quantile(torch.tensor([0.01, 0.99], dtype=torch.float64)).mean())
    left, right = float((x > middle).sum()), float((x < middle).sum())
    spine = _spine(scan, tissue + 200, middle)
    behind = float(spine[:, 1].mean() - y.mean()) if len(spine) else float("nan")
    return [
        *findings,
        Finding("lungs from foot to head, mm", height, 120, 350),
        Finding("lungs from front to back, mm", depth, 90, 260),
        Finding("lungs from side to side, mm", width, 170, 380),
        Finding("left lung by right lung", left / right, 0.4, 0.98),
        Finding("spine behind the lungs, mm", behind, 10, 120),
        Finding("step to next slice by next but one", float(slice_steps(scan.hu).max()), 0, 1),
    ]
