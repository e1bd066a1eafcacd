"""Nodules whose place, size and contrast are known because we put them there, and look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from helpers.ct.lungs import spread
from helpers.ct.scan import Scan

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Implants", "diameters", "implant", "vessels"]

_RIM = 0.15  # the radius varies by about this share with the direction
_EDGE_MM = 0.6  # width of the soft edge


class Implants(NamedTuple):
    """A scan with drawn nodules, and the truth about them.

    Attributes:
        scan: the altered scan.
        labels: int16 ``(D, H, W)``: 0, or the id of the nodule that fills at least half of the
            voxel. A nodule that fills no voxel by half has the voxels that it fills most. So
            where voxels are not small against a nodule, its label has another volume than a ball
            of its diameter: measure on labels by label, not by ``diameter_mm``.
        table: a row for each candidate: ``id`` (from 1 on for nodules, 0 for vessels), ``kind``
            ("nodule" or "vessel"), ``x``, ``y``, ``z`` in mm, ``i``, ``r``, ``c`` of the voxel,
            ``diameter_mm``, ``contrast_hu`` (NaN for vessels), ``series``.

    Example:
        >>> scan, labels, table = implant(scan, mask, seed=0)  # doctest: +SKIP
        >>> table.query("kind == 'nodule'").diameter_mm.max()  # doctest: +SKIP
    """

    scan: Scan
    labels: Tensor
    table: Any


def diameters(scan: Scan) -> tuple[float, ...]:
    """Six diameters in mm that the scan can show: 3 to 10, larger if its slices are thick.

    Args:
        scan: its largest spacing decides: from 0.75 to 1.5 times that, if it is over 4 mm.

    Example:
        >>> diameters(Scan(torch.zeros(2, 2, 2), (0, 0, 0), (3, 0.6, 0.6)))
        (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
        >>> diameters(Scan(torch.zeros(2, 2, 2), (0, 0, 0), (8, 2.8, 2.8)))
        (6.0, 7.0, 8.0, 9.0, 10.5, 12.0)
    """
    thick = float(scan.spacing.max())
    low, high = max(3.0, 0.75 * thick), max(10.0, 1.5 * thick)
    return tuple(round(2 * low * (high / low) ** (k / 5)) / 2 for k in range(6))


def vessels(scan: Scan, mask: Tensor, *, brighter: float = 250.0, apart_mm: float = 6.0) -> Tensor:
    """Find bright spots in the lungs, mostly vessels: what looks like a nodule and is none.

    Args:
        scan: before nodules are put into it.
        mask: the lungs, bool ``(D, H, W)``.
        brighter: HU above the median of the lungs, after smoothing over 1 mm.
        apart_mm: of two spots that are nearer, the brighter one is kept.

    Returns:
        int64 ``(N, 3)``: voxel addresses, in the order of the tensor.

    Example:
        >>> hu = torch.full((5, 20, 20), -850.0)
        >>> hu[2, 9:11, 9:11] = 40
        >>> spots = vessels(Scan(hu, (0, 0, 0), (3, 2, 2)), torch.ones(5, 20, 20).bool())
        >>> len(spots), spots[0, 0].item()
        (1, 2)
    """
    import numpy as np
    from scipy import ndimage

    if not mask.any():
        return torch.zeros(0, 3, dtype=torch.int64)
    spacing = scan.spacing.numpy()
    ends = [
        mask.any(1).any(1).nonzero(),
        mask.any(0).any(1).nonzero(),
        mask.any(0).any(0).nonzero(),
    ]
    box = tuple(slice(int(one.min()), int(one.max()) + 1) for one in ends)  # the rest is no lung
    hu = scan.hu[box].numpy()
    smooth = ndimage.gaussian_filter(hu, np.where(spacing > 2, 0.0, 1.0 / spacing), truncate=2)
    size = 2 * np.maximum(1, np.round(apart_mm / spacing).astype(int)) + 1
    floor = float(np.median(hu[mask[box].numpy()]))
    inner = spread(mask, -2.0, scan)[box].numpy()
    largest = ndimage.maximum_filter(smooth, size=tuple(int(n) for n in size))
    tops, _ = ndimage.label((smooth == largest) & inner & (smooth > floor + brighter))
    _, first = np.unique(tops, return_index=True)  # one voxel of each top, however flat
    spots = np.stack(np.unravel_index(np.sort(first[1:]), tops.shape), axis=1)
    return torch.from_numpy(spots) + torch.tensor([one.start for one in box])


def _radius(unit: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Distance of the rim in each direction: a sphere with some random waves on it."""
    import numpy as np

    waves = np.zeros(unit.shape[:-1])
    for frequency in (2, 3, 4):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        waves += np.sin(frequency * (unit @ axis) + rng.uniform(0, 2 * np.pi)) / 3
    return radius * (1 + 2 * _RIM * waves)


def _box(scan: Scan, center: Tensor, mm: float) -> tuple[slice, ...] | None:
    """Voxels around an address up to this distance; None if the volume ends before."""
    voxels = mm / scan.spacing
    low, high = (center - voxels).floor().long(), (center + voxels).ceil().long() + 1
    if (low < 0).any() or (high > torch.tensor(scan.hu.shape)).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _filled(
    scan: Scan, box: tuple[slice, ...], center: Tensor, radius: float, rng: np.random.Generator
) -> Tensor:
    """Share of each voxel in the box that the nodule fills, by a finer grid in each voxel."""
    import numpy as np

    parts = [min(8, max(1, round(mm))) for mm in scan.spacing.tolist()]
    axes = [
        (np.arange(part.start, part.stop)[:, None] + (np.arange(n) + 0.5) / n - 0.5).ravel()
        for part, n in zip(box, parts, strict=True)
    ]
    offsets = [
        (axis - float(c)) * float(mm)
        for axis, c, mm in zip(axes, center, scan.spacing, strict=True)
    ]
    place = np.stack(np.meshgrid(*offsets, indexing="ij"), axis=-1)
    distance = np.linalg.norm(place, axis=-1)
    unit = place / np.maximum(distance, 1e-9)[..., None]
    depth = (_radius(unit, radius, rng) - distance) / _EDGE_MM
    fine = 1 / (1 + np.exp(-4 * depth.clip(-10, 10)))
    (d, h, w), (a, b, c) = (tuple(s.stop - s.start for s in box), parts)
    return torch.from_numpy(fine.reshape(d, a, h, b, w, c).mean((1, 3, 5))).float()


def implant(
    scan: Scan,
    mask: Tensor,
    *,
    seed: int,
    count: int = 60,
    diameter_mm: Sequence[float] | None = None,
    contrast_hu: Sequence[float] = (250.0, 450.0, 800.0),
    look_alikes: int | None = None,
) -> Implants:
    """Put nodules into the lungs at random places, and list vessels as look-alikes.

    Nodules are soft spheres with irregular rims, added to what is there, so that the noise of
    the scan stays. They lie inside the mask, in tissue that is mostly air, and do not touch each
    other. A thick slice shows a small one paler: its voxels hold lung as well.

    They are drawings. Nothing that is found with them is a statement about patients.

    Args:
        scan: the scan; it is not changed.
        mask: the lungs, bool ``(D, H, W)``.
        seed: the same seed gives the same nodules.
        count: how many nodules; diameters and contrasts take turns, each pair equally often.
        diameter_mm: default :func:`diameters`.
        contrast_hu: above the lung around, for a voxel that the nodule fills.
        look_alikes: how many vessels at most, drawn at random; default all that are not near a
            nodule.

    Raises:
        ValueError: if the lungs have no room for them.

    Example:
        >>> hu = torch.full((20, 60, 60), -850.0)
        >>> lungs = torch.ones(20, 60, 60).bool()
        >>> done = implant(Scan(hu, (0, 0, 0), (3, 2, 2)), lungs, seed=0, count=6)
        >>> done.table.diameter_mm.tolist()
        [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        >>> int(done.labels.max())
        6
    """
    import numpy as np
    import pandas as pd

    sizes = tuple(diameter_mm or diameters(scan))
    rng = np.random.default_rng(seed)
    hu, labels = scan.hu.clone(), torch.zeros(scan.hu.shape, dtype=torch.int16)
    inside = mask.nonzero()
    centers: list[Tensor] = []
    rows: list[dict[str, Any]] = []
    while len(rows) < count:
        number = len(rows)
        diameter = sizes[number % len(sizes)]
        contrast = contrast_hu[number // len(sizes) % len(contrast_hu)]
        reach = diameter / 2 * (1 + 2 * _RIM) + _EDGE_MM
        for _ in range(3000):
            if not len(inside):
                continue
            voxel = inside[int(rng.integers(len(inside)))]
            center = voxel + torch.from_numpy(rng.uniform(-0.5, 0.5, 3))
            box = _box(scan, center, reach)
            if box is None or not mask[box].all():
                continue
            near = [
                float(((center - other) * scan.spacing).norm()) < reach + row["diameter_mm"]
                for other, row in zip(centers, rows, strict=True)
            ]
            if not any(near) and float(scan.hu[box].mean()) < -650:
                break
        else:
            raise ValueError(f"the lungs have room for {number} of {count} nodules")
        share = _filled(scan, box, center, diameter / 2, rng)
        old = hu[box].clone()  # a neighbour's corner may lie in this box
        hu[box] = torch.minimum(old + contrast * share, old.clamp(min=80.0))  # no bone
        labels[box] = torch.where(
            share >= min(0.5, float(share.max())), number + 1, labels[box]
        ).to(torch.int16)
        centers.append(center)
        rows.append(
            {
                "id": number + 1,
                "kind": "nodule",
                **dict(zip("xyz", scan.to_xyz(center).tolist(), strict=True)),
                **dict(zip("irc", center.round().long().tolist(), strict=True)),
                "diameter_mm": float(diameter),
                "contrast_hu": float(contrast),
            }
        )
    spots = vessels(scan, mask)
    for center, row in zip(centers, rows, strict=True):
        far = ((spots - center) * scan.spacing).norm(dim=1) > row["diameter_mm"] + 5
        spots = spots[far]
    if look_alikes is not None:
        drawn = np.sort(rng.permutation(len(spots))[:look_alikes])
        spots = spots[torch.from_numpy(drawn)]
    for spot in spots:
        rows.append(
            {
                "id": 0,
                "kind": "vessel",
                **dict(zip("xyz", scan.to_xyz(spot).tolist(), strict=True)),
                **dict(zip("irc", spot.tolist(), strict=True)),
                "diameter_mm": float("nan"),
                "contrast_hu": float("nan"),
            }
        )
    table = pd.DataFrame(rows).assign(series=scan.series)
    altered = Scan(hu, scan.origin, scan.spacing, scan.direction, scan.series)
    return Implants(altered, labels, table)
