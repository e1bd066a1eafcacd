"""The stages of chapter 26 for scans that come one after another: outline, group, judge.

What the chapter builds by hand for versions of one scan stands here for many scans of one voxel
size: a scan is cut down to the box around its lungs and kept in 256 steps of grey, so that 888 of
them fit on a disk. Places are in millimetres; hits follow LUNA16's rule, *within the radius*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers import train
from helpers.ct.detection import Trace
from helpers.ct.lungs import crop, lung_mask, spread, window
from helpers.ct.resample import balls, resample
from helpers.ct.scan import Scan

__all__ = [
    "GROUPINGS",
    "Prepared",
    "boxes",
    "groups",
    "hits",
    "inside",
    "prepare",
    "scaled",
    "score_boxes",
    "segment",
    "shown",
    "trace",
    "with_perfect",
]

_LEVEL, _WIDTH = -300.0, 1400.0  # the window of chapters 24 to 26: -1000 to 400 HU
_MARGIN_MM = 16.0  # a box around a nodule at the wall should show what is behind it
_WALL_MM = 4.0  # nodules at the wall are no air; they lie outside of the mask of the lungs

GROUPINGS = ("faces", "corners", "eroded, faces")


class Prepared(NamedTuple):
    """A scan as the chain uses it.

    Attributes:
        scan: uint8 levels 0 to 255 of the window from -1000 to 400 HU, cut to the lungs' box.
        lungs: bool ``(D, H, W)``: where is looked, with 4 mm of the wall.
        nodules: ``(N, 3)``, mm, the annotated ones.
        diameter: ``(N,)``, mm.
        others: ``(M, 3)``, mm, published candidates that are no nodules.
        found: False if no lungs were found; then everything is looked at.

    Example:
        >>> one = prepare(scan, luna.table(scan), mm=1.0)  # doctest: +SKIP
        >>> one.scan.hu.dtype  # doctest: +SKIP
        torch.uint8
    """

    scan: Scan
    lungs: Tensor
    nodules: Tensor
    diameter: Tensor
    others: Tensor
    found: bool

    def arrays(self) -> dict[str, np.ndarray]:
        """Return it as arrays, for :class:`helpers.ct.Store`."""
        tensors = {
            "levels": self.scan.hu,
            "origin": self.scan.origin,
            "spacing": self.scan.spacing,
            "direction": self.scan.direction,
            **{name: getattr(self, name) for name in ("lungs", "nodules", "diameter", "others")},
        }
        return {name: t.numpy() for name, t in tensors.items()} | {"found": np.array(self.found)}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], series: str) -> Prepared:
        """Return what :meth:`arrays` gave, with the name of the series."""
        t = {name: torch.from_numpy(array) for name, array in arrays.items() if array.ndim}
        scan = Scan(t["levels"], t["origin"], t["spacing"], t["direction"], series)
        found = bool(arrays["found"])
        return cls(scan, t["lungs"], t["nodules"], t["diameter"], t["others"], found)

    def labels(self) -> Tensor:
        """The annotated balls, see :func:`helpers.ct.balls`."""
        return balls(self.scan, self.nodules, self.diameter)


def prepare(scan: Scan, table: Any, *, mm: float) -> Prepared:
    """Bring a scan to one voxel size, find the lungs, and keep the box around them.

    Args:
        scan: of any voxel size, in Hounsfield units.
        table: what :meth:`helpers.ct.Luna16.table` returned for it.
        mm: the new voxel size.

    Returns:
        A :class:`Prepared`. Where no lungs are found (a scan that shows little of them), the whole
        volume is kept.

    Example:
        >>> import pandas as pd
        >>> hu = torch.full((20, 60, 60), 40.0)
        >>> hu[2:18, 15:45, 15:30] = -850
        >>> rows = pd.DataFrame({"kind": ["nodule"], "x": [60], "y": [90], "z": [30],
        ...                      "diameter_mm": [9.0]})
        >>> one = prepare(Scan(hu, (0, 0, 0), (3, 3, 3)), rows, mm=3.0)
        >>> one.found, tuple(one.scan.hu.shape), int(one.labels().max())
        (True, (20, 44, 29), 1)
    """
    scan = resample(scan, mm)
    step = max(1, int(2 / mm))  # 2 mm are enough for the lungs, and eight times as fast
    thin = scan.part(*[slice(None, None, step)] * 3)
    lungs = lung_mask(thin)
    found = bool(lungs.any())
    lungs = spread(lungs, _WALL_MM, thin) if found else torch.ones_like(lungs)
    for dim, size in enumerate(scan.hu.shape):
        lungs = lungs.repeat_interleave(step, dim).narrow(dim, 0, size)
    margin = math.ceil(_MARGIN_MM / mm)
    box = []
    for dim, size in enumerate(lungs.shape):
        other = [k for k in range(3) if k != dim]
        there = lungs.any(other[1]).any(other[0]).nonzero()
        low, high = int(there.min()) - margin, int(there.max()) + margin + 1
        box.append(slice(max(0, low), min(size, high)))
    part = scan.part(*box)
    levels = (255 * window(part.hu, _LEVEL, _WIDTH)).round().to(torch.uint8)
    small = Scan(levels, part.origin, part.spacing, part.direction, part.series)
    xyz = torch.from_numpy(table[["x", "y", "z"]].to_numpy(dtype=float).copy())
    is_nodule = torch.from_numpy((table["kind"] == "nodule").to_numpy().copy())
    diameter = torch.from_numpy(table["diameter_mm"].to_numpy(dtype=float).copy())
    mask = lungs[tuple(box)].contiguous()
    return Prepared(small, mask, xyz[is_nodule], diameter[is_nodule], xyz[~is_nodule], found)


def scaled(levels: Tensor) -> Tensor:
    """Turn levels into a network's input: about 0 in the lung, 2 in tissue, as in the chapters.

    Args:
        levels: uint8, any shape.

    Example:
        >>> scaled(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-0.7500,  2.7500])
    """
    return levels.float() * (3.5 / 255) - 0.75


def inside(irc: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the nearest voxels that a volume has.

    Args:
        irc: ``(..., 3)``, addresses, not rounded.
        shape: of the volume.

    Example:
        >>> inside(torch.tensor([[-3.0, 1.2, 9.0]]), (4, 4, 4))
        tensor([[0, 1, 3]])
    """
    return irc.round().long().clamp(min=0).minimum(torch.tensor(tuple(shape)) - 1)


def shown(xyz: Tensor, one: Prepared) -> Tensor:
    """Which places lie in the box that was kept of a scan.

    Args:
        xyz: ``(N, 3)``, mm.
        one: the scan.

    Returns:
        bool ``(N,)``.

    Example:
        >>> shown(one.nodules, one).all()  # doctest: +SKIP
        tensor(True)
    """
    voxel = one.scan.to_voxel(xyz)
    return ((voxel >= 0) & (voxel < torch.tensor(one.scan.hu.shape))).all(-1)


def boxes(one: Prepared, xyz: Tensor, size: Sequence[int]) -> Tensor:
    """Cut boxes around places.

    Args:
        one: the scan.
        xyz: ``(N, 3)``, mm; a place outside of the volume gets the box of the nearest voxel.
        size: voxels along slices, rows and columns.

    Returns:
        uint8 ``(N, *size)``; what lies outside of the volume is air.

    Example:
        >>> boxes(one, one.nodules, (32, 48, 48)).shape  # doctest: +SKIP
        torch.Size([2, 32, 48, 48])
    """
    places = inside(one.scan.to_irc(xyz), one.scan.hu.shape).tolist()
    cut = [crop(one.scan.hu, place, size, fill=0) for place in places]
    return torch.stack(cut) if cut else torch.zeros(0, *size, dtype=torch.uint8)


def segment(
    model: nn.Module, one: Prepared, *, slices: int, multiple: int, batch_size: int = 16
) -> Tensor:
    """Outline every slice.

    Args:
        model: maps ``(N, slices, H, W)`` to logits ``(N, 1, H, W)``, on its device.
        one: the scan.
        slices: neighbouring slices as channels, odd.
        multiple: H and W are filled with air up to a multiple of this.
        batch_size: slices at a time.

    Returns:
        uint8 ``(D, H, W)``: 255 times the probability, 0 outside the lungs.

    Example:
        >>> segment(net, one, slices=7, multiple=8).float().mean()  # doctest: +SKIP
    """
    height, width = one.scan.hu.shape[1:]
    half = slices // 2
    fill = (0, -width % multiple, 0, -height % multiple, half, half)
    stacks = F.pad(one.scan.hu, fill).unfold(0, slices, 1).permute(0, 3, 1, 2)
    batches = ((scaled(part), None) for part in stacks.split(batch_size))
    logits = train.predict(model, batches)[:, 0, :height, :width]
    return ((255 * logits.sigmoid()).round() * one.lungs).to(torch.uint8)


def groups(mask: Tensor, grouping: str) -> Tensor:
    """Centres of the groups of a mask.

    Args:
        mask: bool ``(D, H, W)``.
        grouping: one of ``GROUPINGS``: voxels that share a face, or touch at all; or shared faces
            after the outermost pixels of each slice were taken away.

    Returns:
        ``(N, 3)``, addresses, not rounded.

    Raises:
        ValueError: for another grouping.

    Example:
        >>> mask = torch.eye(2).bool().unsqueeze(0)
        >>> groups(mask, "corners"), len(groups(mask, "faces"))
        (tensor([[0.0000, 0.5000, 0.5000]], dtype=torch.float64), 2)
    """
    from scipy import ndimage

    if grouping not in GROUPINGS:
        raise ValueError(f"grouping is one of {GROUPINGS}, got {grouping!r}")
    marked = mask.nonzero()
    if not len(marked):
        return torch.zeros(0, 3, dtype=torch.float64)
    low, high = marked.amin(0), marked.amax(0) + 1  # the rest of the volume is empty
    part = mask[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))].numpy()
    cross = ndimage.generate_binary_structure(3, 1)
    if grouping.startswith("eroded"):
        flat = cross & np.array([False, True, False])[:, None, None]
        part = ndimage.binary_erosion(part, flat)
    labels, count = ndimage.label(part, np.ones((3, 3, 3)) if grouping == "corners" else cross)
    voxels = np.argwhere(labels)
    of = labels[tuple(voxels.T)] - 1
    size = np.bincount(of, minlength=count)
    sums = [np.bincount(of, voxels[:, dim], minlength=count) / size for dim in range(3)]
    return torch.from_numpy(np.stack(sums, 1)) + low


def hits(xyz: Tensor, one: Prepared, *, slack_mm: float = 0.0) -> Tensor:
    """Which places lie within the radius of which annotated nodules.

    Args:
        xyz: ``(N, 3)``, mm.
        one: the scan.
        slack_mm: what is added to the radius.

    Returns:
        bool ``(N, nodules)``.

    Example:
        >>> hits(one.nodules, one).diagonal().all()  # doctest: +SKIP
        tensor(True)
    """
    gap = (xyz.double()[:, None] - one.nodules[None]).norm(dim=2)
    return gap <= one.diameter / 2 + slack_mm


def score_boxes(model: nn.Module, one: Prepared, xyz: Tensor, size: Sequence[int]) -> Tensor:
    """Judge the boxes around places: logit of "nodule" minus that of "none".

    A place that the scan does not show, because it was cut off with the rest around the lungs, is
    not looked at: its score is ``-inf``, below every cut.

    Args:
        model: maps ``(N, 1, *size)`` to two logits, on its device.
        one: the scan.
        xyz: ``(N, 3)``, mm.
        size: voxels of a box.

    Returns:
        float64 ``(N,)``.

    Example:
        >>> score_boxes(net, one, one.others, (32, 48, 48)).shape  # doctest: +SKIP
    """
    if not len(xyz):
        return torch.zeros(0, dtype=torch.float64)
    batches = ((scaled(boxes(one, part, size)).unsqueeze(1), None) for part in xyz.split(256))
    logits = train.predict(model, batches).double()
    return torch.where(shown(xyz, one), logits[:, 1] - logits[:, 0], -math.inf)


Score = Callable[[Tensor], Tensor]  # places in mm -> scores


def trace(one: Prepared, mask: Tensor, xyz: Tensor, score: Score) -> Trace:
    """Follow a scan through the chain.

    Args:
        one: the scan.
        mask: bool ``(D, H, W)``, what was outlined.
        xyz: ``(N, 3)``, mm, the candidates.
        score: see :func:`score_boxes`; takes places.

    Returns:
        A :class:`helpers.ct.Trace`.

    Example:
        >>> trace(one, mask, xyz, lambda at: score_boxes(net, one, at, size))  # doctest: +SKIP
    """
    # A voxel belongs to the outline if it touches the ball, so half a voxel is added.
    voxels = one.scan.to_xyz(mask.nonzero())
    outlined = hits(voxels, one, slack_mm=float(one.scan.spacing.max()) / 2).any(0)
    hit, value = hits(xyz, one), score(xyz)
    none = torch.full((1, len(one.nodules)), -math.inf, dtype=torch.float64)
    best = torch.cat([torch.where(hit, value[:, None], -math.inf), none]).amax(0)
    parts = (one.diameter, outlined, hit.any(0), best, value[~hit.any(1)])
    return Trace(one.scan.series, *(part.numpy() for part in parts))


def with_perfect(stage: str, one: Prepared, mask: Tensor, grouping: str, score: Score) -> Trace:
    """Follow a scan through the chain with one stage replaced by the truth.

    Args:
        stage: ``"segmentation"``: groups of the mask that touch a nodule are replaced by its ball;
            ``"grouping"``: a nodule with an outlined voxel gets one candidate in the middle of
            these; ``"classifier"``: a candidate that hits passes.
        one: the scan.
        mask: bool ``(D, H, W)``, what was outlined.
        grouping: one of ``GROUPINGS``.
        score: see :func:`trace`.

    Raises:
        ValueError: for another stage.

    Example:
        >>> with_perfect("classifier", one, mask, "faces", score).score  # doctest: +SKIP
    """
    from scipy import ndimage

    if stage == "segmentation":
        labels, _ = ndimage.label(mask.numpy(), np.ones((3, 3, 3)))
        true = one.labels().numpy() > 0
        near = np.isin(labels, np.setdiff1d(labels[true], [0]))
        mask = torch.from_numpy((mask.numpy() & ~near) | true)
    xyz = one.scan.to_xyz(groups(mask, grouping))
    if stage == "grouping":
        voxels = one.scan.to_xyz(mask.nonzero())
        of = hits(voxels, one, slack_mm=float(one.scan.spacing.max()) / 2)
        middles = [voxels[column].mean(0) for column in of.T if column.any()]
        kept = xyz[~hits(xyz, one).any(1)]  # the false ones stay
        xyz = torch.cat([torch.stack(middles), kept]) if middles else kept
    done = trace(one, mask, xyz, score)
    if stage == "classifier":
        done = done._replace(score=np.where(done.grouped, math.inf, -math.inf))
    elif stage not in ("segmentation", "grouping"):
        raise ValueError(f"unknown stage {stage!r}")
    return done
