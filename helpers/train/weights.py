"""What a loss averaged over: the weight with which its batch enters a mean over batches.

A mean over examples, over tokens that are not ignored, or over class weights: batches of
different size may be joined only in that measure.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BY_CLASS, _BY_ELEMENT, _BY_ROW = "class", "element", "row"
_FUNCTIONS: dict[Any, str] = {
    F.cross_entropy: _BY_CLASS,
    F.nll_loss: _BY_CLASS,
    # A mean over all elements of the target, however many a row has.
    F.mse_loss: _BY_ELEMENT,
    F.l1_loss: _BY_ELEMENT,
    F.smooth_l1_loss: _BY_ELEMENT,
    F.huber_loss: _BY_ELEMENT,
    F.binary_cross_entropy: _BY_ELEMENT,
    F.binary_cross_entropy_with_logits: _BY_ELEMENT,
    F.poisson_nll_loss: _BY_ELEMENT,
    F.gaussian_nll_loss: _BY_ELEMENT,
    F.soft_margin_loss: _BY_ELEMENT,
    F.hinge_embedding_loss: _BY_ELEMENT,
    F.kl_div: _BY_ELEMENT,
}
_MODULES: dict[type, str] = {
    nn.CrossEntropyLoss: _BY_CLASS,
    nn.NLLLoss: _BY_CLASS,
    nn.MSELoss: _BY_ELEMENT,
    nn.L1Loss: _BY_ELEMENT,
    nn.SmoothL1Loss: _BY_ELEMENT,
    nn.HuberLoss: _BY_ELEMENT,
    nn.BCELoss: _BY_ELEMENT,
    nn.BCEWithLogitsLoss: _BY_ELEMENT,
    nn.PoissonNLLLoss: _BY_ELEMENT,
    nn.GaussianNLLLoss: _BY_ELEMENT,
    nn.SoftMarginLoss: _BY_ELEMENT,
    nn.HingeEmbeddingLoss: _BY_ELEMENT,
    nn.KLDivLoss: _BY_ELEMENT,
}


class Labels:
    """A weight that is counted later: the labels of a batch that are not ``ignore_index``.

    Counting costs as much as a small layer, so :class:`RunningMean` does it for many batches.
    """

    FEW = 128  # so few on the CPU are counted in Python, which is quicker than a call of torch
    SMALL = 4096
    __slots__ = ("ignore_index", "labels")

    def __init__(self, labels: Tensor, ignore_index: int) -> None:
        self.labels = labels.clone()  # a loader may fill the same tensor again
        self.ignore_index = ignore_index

    def count(self) -> Tensor:
        """Return the number now, a 0-dimensional tensor."""
        return (self.labels != self.ignore_index).sum()


def averaged_over(loss_fn: Any, target: Any, rows: int) -> Any:
    """Return what PyTorch's loss averaged over in this batch.

    Args:
        loss_fn: a loss of ``torch.nn`` or ``torch.nn.functional``, or ``functools.partial`` of
            the latter; of any other function it is believed that it averaged over examples.
        target: what the loss was called with.
        rows: the number of examples.

    Returns:
        A number, a 0-dimensional tensor, or :class:`Labels`.

    Raises:
        ValueError: for a loss with ``reduction="sum"``: it is no mean.

    Example:
        >>> weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))
        >>> averaged_over(weighted, torch.tensor([0, 0, 1]), rows=3)
        tensor(22.)
        >>> averaged_over(nn.MSELoss(), torch.zeros(3, 5), rows=3)
        15
    """
    try:
        kind, options, buffers = _rule(loss_fn)
    except TypeError:  # a callable object that can't be a key
        return rows
    reduction = options.get("reduction")  # a loss may have got another one since the last step
    if reduction == "sum":
        raise ValueError(
            "the loss has reduction='sum', which grows with the batch; use reduction='mean'"
        )
    if reduction == "batchmean":
        return rows
    if kind is _BY_ROW or not isinstance(target, Tensor):
        return rows
    if kind is _BY_ELEMENT:
        return target.numel()
    ignored, weight = options.get("ignore_index", -100), buffers.get("weight")
    if weight is None and rows <= Labels.FEW and target.is_cpu and target.ndim == 1:
        return rows - target.tolist().count(ignored)
    if target.is_floating_point():  # probabilities of classes, (N, C) or (N, C, ...)
        return target.numel() // target.shape[1] if target.ndim > 1 else 1
    if weight is None:
        if target.numel() <= Labels.SMALL:
            return Labels(target, ignored)
        return (target != ignored).sum()
    return weight.to(target.device)[target[target != ignored]].sum()


@functools.lru_cache(maxsize=16)  # asked for in every step
def _rule(loss_fn: Any) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return what a loss averages over, and where its options and weights stand."""
    if isinstance(loss_fn, nn.Module):
        kind = _kind_of_subclass(type(loss_fn))
        options: Mapping[str, Any] = loss_fn.__dict__  # these change with the loss
        buffers: Mapping[str, Any] = loss_fn._buffers
    elif isinstance(loss_fn, functools.partial):
        kind = _FUNCTIONS.get(loss_fn.func, _BY_ROW)
        options = buffers = loss_fn.keywords
    else:
        kind = _FUNCTIONS.get(loss_fn, _BY_ROW)
        options = buffers = {}
    return kind, options, buffers


def _kind_of_subclass(kind: type) -> str:
    """Return what a loss of the reader's averages over, if it computes as one of PyTorch's."""
    for parent in kind.__mro__:
        if "forward" in vars(parent):
            return _MODULES.get(parent, _BY_ROW)
    return _BY_ROW


def number(weight: Any) -> Any:
    """Return a weight as a number or a 0-dimensional tensor, counted if it was not yet.

    Example:
        >>> number(Labels(torch.tensor([1, -100, 2]), -100))
        tensor(2)
    """
    return weight.count() if isinstance(weight, Labels) else weight


class RunningMean:
    """The mean of losses, each weighted by what it averaged over.

    Losses of an accelerator are not waited for before :meth:`result`.

    Example:
        >>> mean = RunningMean()
        >>> mean.add(1.0, 3)
        >>> mean.add(5.0, 1)
        >>> mean.result()
        2.0
    """

    CHUNK = 64

    def __init__(self) -> None:
        self.total: float | Tensor = 0.0
        self.weight: float | Tensor = 0.0
        self._losses: list[float | Tensor] = []
        self._weights: list[Any] = []

    def add(self, loss: float | Tensor, weight: Any) -> None:
        """Add the loss of one batch: a number, or a 0-dimensional tensor on an accelerator."""
        if type(weight) is int and type(loss) is float and not self._losses:
            if weight:  # the mean over nothing is NaN, and must not count
                self.total += loss * weight
                self.weight += weight
            return
        self._losses.append(loss)
        self._weights.append(weight)
        if len(self._losses) == self.CHUNK:
            self._join()

    def sums(self) -> tuple[float, float]:
        """Return the weighted sum and the sum of weights; this waits for the device."""
        self._join()
        return float(self.total), float(self.weight)

    def set(self, total: float, weight: float) -> None:
        """Start from these sums, as a resumed run does."""
        self.__init__()  # type: ignore[misc]
        self.total, self.weight = total, weight

    def result(self) -> float:
        """Return the mean; NaN if nothing had a weight."""
        total, weight = self.sums()
        return total / weight if weight else float("nan")

    def _join(self) -> None:
        losses, weights = self._losses, self._weights
        self._losses, self._weights = [], []
        if not losses:
            return
        first = losses[0]
        on_device = isinstance(first, Tensor)
        device = first.device if isinstance(first, Tensor) else torch.device("cpu")
        dtype = torch.float32 if device.type == "mps" else torch.float64
        measure = _as_tensor(weights, device, dtype)
        if on_device:
            values = torch.stack(losses).to(dtype)  # type: ignore[arg-type]
            # A mean over nothing is NaN, and must not count.
            self.total = self.total + torch.where(measure > 0, values * measure, 0).sum()
            self.weight = self.weight + measure.sum()
            return
        for loss, weight in zip(losses, measure.tolist(), strict=True):
            self.total += loss * weight if weight else 0.0
            self.weight += weight


def _as_tensor(weights: list[Any], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the weights as one tensor; labels of equally large batches are counted at once."""
    numbers = [0.0 if isinstance(w, (Labels, Tensor)) else w for w in weights]
    result = torch.tensor(numbers, dtype=dtype, device=device)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, weight in enumerate(weights):
        if isinstance(weight, Labels):
            groups.setdefault((weight.labels.shape, weight.ignore_index), []).append(place)
        elif isinstance(weight, Tensor):
            result[place] = weight.to(device, dtype)
    for (_, ignore_index), places in groups.items():
        kept = torch.stack([weights[place].labels for place in places]) != ignore_index
        result[torch.tensor(places, device=device)] = kept.flatten(1).sum(dim=1).to(device, dtype)
    return result
