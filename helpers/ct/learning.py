"""What the two networks of chapter 26 learn from, cut out of many scans.

Examples are kept as grey levels of one byte, and altered as they are handed out: what is cached
must be older than what is random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.ct.chain import Prepared, hits, inside, scaled, shown
from helpers.ct.lungs import crop
from helpers.data import TensorLoader

__all__ = ["box_loader", "flipped", "outline_crops", "outline_loader", "outline_loss", "places"]


def outline_crops(
    one: Prepared, *, count: int, slices: int, width: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Cut crops for a U-Net: every second one around a nodule, if there is one, else anywhere.

    Args:
        one: the scan.
        count: crops.
        slices: neighbouring slices as channels, odd; the middle one is outlined.
        width: pixels of a side.
        seed: the same seed gives the same crops.

    Returns:
        uint8 ``(count, slices, width, width)`` and bool ``(count, 1, width, width)``.

    Example:
        >>> x, mask = outline_crops(one, count=8, slices=7, width=64, seed=0)  # doctest: +SKIP
    """
    rng, labels = np.random.default_rng(seed), one.labels()
    lungs = one.lungs.nonzero()
    of = {int(k): (labels == k).nonzero() for k in labels.unique() if k}
    inputs, masks = [], []
    for k in range(count):
        pool = of[int(rng.choice(list(of)))] if k % 2 and of else lungs
        place = pool[int(rng.integers(len(pool)))]
        shift = torch.tensor([0, *rng.integers(-(width // 4), width // 4 + 1, 2)])
        middle = inside(place + shift, labels.shape).tolist()
        inputs.append(crop(one.scan.hu, middle, (slices, width, width), fill=0))
        masks.append(crop(labels, middle, (1, width, width), fill=0) > 0)
    return torch.stack(inputs), torch.stack(masks)


def outline_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of the batch, plus the cross-entropy, as in chapter 26.

    Args:
        logits: ``(N, 1, H, W)``.
        target: the same shape, 0 or 1.

    Example:
        >>> outline_loss(torch.full((1, 1, 2, 2), 20.0), torch.ones(1, 1, 2, 2)) < 1e-3
        tensor(True)
    """
    p = logits.sigmoid()
    dice = (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
    return 1 - dice + F.binary_cross_entropy_with_logits(logits, target)


def flipped(dims: Sequence[int], *tensors: Tensor) -> tuple[Tensor, ...]:
    """Turn each example round along each dimension with probability one half.

    Args:
        dims: dimensions, e.g. ``(-1, -2)``.
        tensors: ``(N, ...)``; all are turned alike, by torch's global random numbers.

    Example:
        >>> x = torch.arange(6.0).view(3, 2)
        >>> one, two = flipped([-1], x, 10 * x)
        >>> torch.equal(10 * one, two), torch.equal(one.sort(-1).values, x)
        (True, True)
    """
    for dim in dims:
        turn = torch.rand(len(tensors[0])) < 0.5
        tensors = tuple(
            torch.where(turn.view(-1, *[1] * (t.ndim - 1)), t.flip(dim), t) for t in tensors
        )
    return tensors


def outline_loader(
    inputs: Tensor, masks: Tensor, *, batch_size: int, seed: int | None = None
) -> TensorLoader:
    """Batches for a U-Net.

    Args:
        inputs: uint8 ``(N, slices, H, W)``.
        masks: bool ``(N, 1, H, W)``.
        batch_size: crops.
        seed: for the order; then crops are also turned. None: in order, as they are.

    Example:
        >>> x, y = torch.zeros(3, 7, 8, 8, dtype=torch.uint8), torch.zeros(3, 1, 8, 8).bool()
        >>> [batch[1].dtype for batch in outline_loader(x, y, batch_size=2)]
        [torch.float32, torch.float32]
    """

    def ready(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if seed is not None:
            x, y = flipped((-1, -2), x, y)
        return scaled(x), y.float()

    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return TensorLoader(
        inputs,
        masks,
        batch_size=batch_size,
        shuffle=seed is not None,
        generator=generator,
        transform=ready,
    )


def places(one: Prepared, candidates: Tensor, *, others: int, seed: int) -> tuple[Tensor, Tensor]:
    """Choose places for the classifier to learn from.

    Nodules come twice, by their annotated centres and by the candidates that hit them. The others
    are false candidates of the chain itself, published ones, and a few places in the lung. What
    the scan does not show is left out.

    Args:
        one: the scan.
        candidates: ``(N, 3)``, mm, of the chain.
        others: how many false candidates at most, and how many published ones.
        seed: the same seed gives the same places.

    Returns:
        ``(P, 3)`` and ``(Q, 3)``, mm: nodules, and what is none.

    Example:
        >>> nodules, others = places(one, candidates, others=20, seed=0)  # doctest: +SKIP
    """
    generator = torch.Generator().manual_seed(seed)

    def some(xyz: Tensor, count: int) -> Tensor:
        xyz = xyz[~hits(xyz, one).any(1) & shown(xyz, one)]
        return xyz[torch.randperm(len(xyz), generator=generator)[:count]]

    lung = one.lungs.nonzero()
    drawn = torch.randint(len(lung), (max(1, others // 4),), generator=generator)
    hit = hits(candidates, one).any(1)
    anywhere = one.scan.to_xyz(lung[drawn])
    none = [some(candidates, others), some(one.others, others), some(anywhere, others)]
    nodules = one.nodules[shown(one.nodules, one)]
    return torch.cat([nodules, candidates[hit]]), torch.cat(none)


def box_loader(
    positive: Tensor,
    negative: Tensor,
    *,
    size: Sequence[int],
    batch_size: int,
    seed: int,
    at_most: int,
) -> TensorLoader:
    """Batches with as many nodules as others, turned and shifted.

    Args:
        positive: uint8 ``(P, *larger)``; each dimension at least as large as ``size``.
        negative: uint8 ``(Q, *larger)``.
        size: voxels of the boxes that are handed out.
        batch_size: boxes; half of them of each kind.
        seed: for the pairs and their order.
        at_most: pairs in an epoch; else as many as there are of the kind with more.

    Raises:
        ValueError: if there are no boxes of a kind.

    Example:
        >>> kinds = torch.full((3, 6, 6, 6), 9).byte(), torch.zeros(8, 6, 6, 6).byte()
        >>> loader = box_loader(*kinds, size=(4, 4, 4), batch_size=4, seed=0, at_most=100)
        >>> x, y = next(iter(loader))
        >>> tuple(x.shape), y.tolist(), len(loader)
        ((4, 1, 4, 4, 4), [1, 1, 0, 0], 4)
    """
    if not len(positive) or not len(negative):
        raise ValueError(f"{len(positive)} boxes of nodules and {len(negative)} of others")
    generator = torch.Generator().manual_seed(seed)
    count = min(at_most, max(len(positive), len(negative)))

    def rows(length: int) -> Tensor:
        turns = [torch.randperm(length, generator=generator) for _ in range(-(-count // length))]
        return torch.cat(turns)[:count]  # each box as often as any other, but for one

    def ready(some: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([positive[some], negative[other]])
        for dim, wanted in enumerate(size, 1):
            room = x.shape[dim] - wanted
            x = x.narrow(dim, int(torch.randint(room + 1, ())), wanted)
        (x,) = flipped((-1, -2, -3), x)
        label = torch.arange(2).flip(0).repeat_interleave(len(some))
        return scaled(x).unsqueeze(1), label

    return TensorLoader(
        rows(len(positive)),
        rows(len(negative)),
        batch_size=max(1, batch_size // 2),
        shuffle=True,
        generator=generator,
        transform=ready,
    )
