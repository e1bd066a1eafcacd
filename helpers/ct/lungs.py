"""What is looked at: a window of the scale, the lungs, a box around a point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.ct.scan import Scan

__all__ = ["AIR", "crop", "lung_mask", "window"]

AIR = -1000.0  # HU


def window(hu: Tensor, level: float, width: float) -> Tensor:
    """Map the Hounsfield units of a window to 0..1 and cut off the rest.

    Args:
        hu: any shape.
        level: the middle of the window.
        width: from its lower to its upper end.

    Raises:
        ValueError: if ``width`` is not positive.

    Example:
        >>> window(torch.tensor([-2000.0, -600.0, 150.0]), -600, 1500)
        tensor([0.0000, 0.5000, 1.0000])
    """
    if width <= 0:
        raise ValueError(f"width must be positive, got {width}")
    return ((hu - (level - width / 2)) / width).clamp(0, 1)


def crop(
    volume: Tensor, center: Tensor | Sequence[int], width: Sequence[int], *, fill: float = AIR
) -> Tensor:
    """Cut a box out of a volume; what lies outside the volume is filled.

    Args:
        volume: ``(D, H, W)``: Hounsfield units, or a mask.
        center: index, row and column of the voxel in the middle; with an even width, the first
            voxel behind the middle.
        width: voxels along slices, rows and columns.
        fill: the value outside, air by default; 0 for a mask.

    Returns:
        A new tensor of the shape ``width``.

    Raises:
        ValueError: if the centre lies outside the volume.

    Example:
        >>> crop(torch.arange(27.0).view(3, 3, 3), (0, 1, 1), (2, 3, 1))[..., 0]
        tensor([[-1000., -1000., -1000.],
                [    1.,     4.,     7.]])
    """
    address = [int(k) for k in center]
    if any(not 0 <= k < n for k, n in zip(address, volume.shape, strict=True)):
        raise ValueError(f"voxel {address} lies outside a volume of {tuple(volume.shape)}")
    starts = [k - w // 2 for k, w in zip(address, width, strict=True)]
    low = [max(0, start) for start in starts]
    high = [min(n, s + w) for n, s, w in zip(volume.shape, starts, width, strict=True)]
    box = volume.new_full(tuple(width), fill)
    inside = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, starts, strict=True))
    box[inside] = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return box


def spread(mask: Tensor, mm: float, scan: Scan) -> Tensor:
    """Grow a mask by a square of ``mm`` to each side within each slice; shrink it if below 0."""
    _, rows, columns = (int(abs(mm) / gap + 0.5) for gap in scan.spacing.tolist())
    sign = 1 if mm > 0 else -1
    flat = sign * mask.float().unsqueeze(1)
    flat = F.max_pool2d(flat, (2 * rows + 1, 1), 1, (rows, 0))
    flat = F.max_pool2d(flat, (1, 2 * columns + 1), 1, (0, columns))
    return (sign * flat)[:, 0] > 0.5


def lung_mask(scan: Scan, *, threshold: float = -400.0, closing_mm: float = 5.0) -> Tensor:
    """Mark the lungs with the vessels in them.

    Air that does not reach the edge of the slices, in pieces of at least 0.1 litre; gaps up to
    twice ``closing_mm`` wide and holes of up to 3 cm² in a slice are filled. The windpipe is
    part of the mask where it hangs together with the lungs; a tumour at the wall of the chest
    is not.

    Args:
        scan: axial slices in Hounsfield units: with a missing intercept there is no air and no
            lung, and in other slices the lungs may reach the edge.
        threshold: between lung and tissue, HU.
        closing_mm: width of what is closed.

    Returns:
        bool ``(D, H, W)``; empty if nothing was found.

    Example:
        >>> hu = torch.full((9, 60, 60), 40.0)
        >>> hu[1:8, 15:45, 10:28] = -850
        >>> hu[4, 30, 18] = 20  # a vessel
        >>> mask = lung_mask(Scan(hu, (0, 0, 0), (5, 3, 3)))
        >>> int(mask.sum()) == 7 * 30 * 18
        True
    """
    import numpy as np
    from scipy import ndimage

    step = [1, *(max(1, int(1.2 / mm)) for mm in scan.spacing.tolist()[1:])]  # coarse is enough
    thin = scan.part(*(slice(None, None, k) for k in step))
    labels, _ = ndimage.label((thin.hu < threshold).numpy())
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    edge = (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1])
    sizes[np.unique(np.concatenate([one.ravel() for one in edge]))] = 0
    large = sizes * float(thin.spacing.prod()) / 1e6 >= 0.1
    lungs = torch.from_numpy(large[labels])
    closed = spread(spread(lungs, closing_mm, thin), -closing_mm, thin) | lungs
    within = ndimage.generate_binary_structure(3, 1)
    within[0] = within[2] = False  # neighbours in the same slice only
    holes, _ = ndimage.label(~closed.numpy(), structure=within)
    pixels = 300 / float(thin.spacing[1:].prod())  # the heart must not be filled: 3 cm² at most
    mask = torch.from_numpy(np.bincount(holes.ravel())[holes] <= pixels) | closed
    for dim, k in enumerate(step):
        mask = mask.repeat_interleave(k, dim) if k > 1 else mask
    depth, height, width = scan.hu.shape
    return mask[:depth, :height, :width].contiguous()
