"""Scans brought to one voxel size, and annotated nodules as labels of voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.ct.scan import Scan

__all__ = ["balls", "resample"]


def resample(scan: Scan, mm: float) -> Scan:
    """Bring a scan to cubic voxels of one size; every place keeps its address in mm.

    Voxels that are at least twice as fine are averaged first, so that noise does not become a
    pattern; then values are interpolated linearly between the centres of voxels.

    Args:
        scan: of any voxel size.
        mm: the new distance between slices, rows and columns.

    Raises:
        ValueError: if ``mm`` is not positive.

    Example:
        >>> ramp = torch.arange(5.0).view(5, 1, 1).expand(5, 4, 4)
        >>> half = resample(Scan(ramp, (0, 0, 0), (2, 1, 1)), 1.0)
        >>> half.hu[:, 0, 0].tolist()
        [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
        >>> half.spacing.tolist()
        [1.0, 1.0, 1.0]
    """
    if not mm > 0:
        raise ValueError(f"mm must be positive, got {mm}")
    hu, start = scan.hu.float(), []
    for axis, step in enumerate(scan.spacing.tolist()):
        # Whole voxels that are joined; a volume that is thinner than that is joined as it is.
        joined = max(1, min(hu.shape[axis], int(mm / step + 1e-6)))
        if joined > 1:
            kept = hu.narrow(axis, 0, hu.shape[axis] // joined * joined)
            hu = kept.unflatten(axis, (-1, joined)).mean(axis + 1)
        start.append((joined - 1) / 2)
        step *= joined
        count = int((hu.shape[axis] - 1) * step / mm + 1e-6) + 1
        place = torch.arange(count, dtype=torch.float64) * (mm / step)
        low = place.floor().long().clamp(max=hu.shape[axis] - 1)
        high = (low + 1).clamp(max=hu.shape[axis] - 1)
        shape = [-1 if dim == axis else 1 for dim in range(3)]
        share = (place - low).float().view(shape)
        hu = torch.lerp(hu.index_select(axis, low), hu.index_select(axis, high), share)
    spacing = torch.full((3,), float(mm))
    return Scan(hu.contiguous(), scan.to_xyz(start), spacing, scan.direction, scan.series)


def balls(scan: Scan, xyz: Tensor, diameter: Tensor) -> Tensor:
    """Label the voxels of balls, as an annotation with a centre and a diameter describes them.

    Args:
        scan: its geometry is used, not its values.
        xyz: ``(N, 3)``, centres in mm.
        diameter: ``(N,)``, mm.

    Returns:
        int16 ``(D, H, W)``: 0, or 1 + the row of the ball. A voxel belongs to a ball if its centre
        lies in it; a ball that holds no centre gets the voxel of its own middle, if there is one.

    Example:
        >>> scan = Scan(torch.zeros(5, 5, 5), (0, 0, 0), (1, 1, 1))
        >>> labels = balls(scan, torch.tensor([[2.0, 2, 2], [0, 0, 0]]), torch.tensor([2.0, 0.5]))
        >>> labels.flatten().bincount().tolist()
        [117, 7, 1]
    """
    labels = torch.zeros(scan.hu.shape, dtype=torch.int16)
    shape = torch.tensor(scan.hu.shape)
    for row, (center, size) in enumerate(zip(scan.to_irc(xyz), diameter.tolist(), strict=True), 1):
        reach = size / 2 / scan.spacing
        low = (center - reach).floor().long().clamp(min=0)
        high = torch.minimum((center + reach).ceil().long() + 1, shape)
        if (low < high).all():
            axes = [torch.arange(int(a), int(b)) for a, b in zip(low, high, strict=True)]
            places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
            near = ((places - center) * scan.spacing).norm(dim=-1) <= size / 2
            part = labels[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
            part[near] = row
        middle = center.round().long()
        if ((middle >= 0) & (middle < shape)).all():
            labels[tuple(middle.tolist())] = row
    return labels
