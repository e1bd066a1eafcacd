"""Metrics that a chapter teaches by hand; torchmetrics has the rest."""

from __future__ import annotations

from torch import Tensor


def accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of right classes, a 0-dimensional tensor.

    A row whose logits are not numbers counts as wrong.

    Args:
        logits: ``(N, C)`` or ``(N, C, ...)``; or one logit a row, ``(N, 1)`` or ``(N)``, which
            says class 1 when it is positive.
        target: class indices, ``(N)`` or ``(N, ...)``; for one logit a row 0 or 1, ``(N)`` or
            ``(N, 1)``.

    Raises:
        ValueError: if the shapes do not belong together, or the target holds no classes; also for
            a negative class, such as the label -100 that a loss ignores: the mean would be over
            other rows than those that count.

    Example:
        >>> import torch
        >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        tensor(0.5000)
        >>> accuracy(torch.tensor([[3.0], [-2.0]]), torch.tensor([1.0, 0.0]))
        tensor(1.)
    """
    if logits.is_complex() or target.is_complex():
        raise ValueError("accuracy compares classes, which complex numbers can't name")
    if logits.ndim in (1, 2) and logits.numel() == len(logits) == target.numel():
        logits, target = logits.flatten(), target.flatten()
        right = (logits > 0) == (target > 0.5)
        return (right & ~logits.isnan()).float().mean()
    if logits.ndim >= 2 and logits.shape == target.shape and target.is_floating_point():
        raise ValueError(
            f"the target has the shape of the logits, {tuple(target.shape)}: for soft labels "
            "pass target.argmax(dim=1), for several labels a row use "
            "torchmetrics.classification.MultilabelAccuracy"
        )
    if logits.ndim < 2 or logits.shape[:1] + logits.shape[2:] != target.shape:
        raise ValueError(
            f"expected logits (N, C, ...) and target (N, ...), got {tuple(logits.shape)} "
            f"and {tuple(target.shape)}"
        )
    if (target < 0).any():
        raise ValueError(
            f"the target holds class {int(target.min())}, which is none: leave those rows out, or "
            "use torchmetrics.classification.MulticlassAccuracy with its ignore_index"
        )
    best, choice = logits.max(dim=1)  # of a row with NaN the highest is NaN
    return ((choice == target) & ~best.isnan()).float().mean()
