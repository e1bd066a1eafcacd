"""Batches of any make: moved, counted, cut for several processes, and taken through a model.

The default batch is a pair ``(inputs, target)`` of tensors or of containers of tensors. What is
different from that goes into a step function of the caller's, see :func:`supervised`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from helpers.train.weights import averaged_over

Loss = Callable[[Any, Any], Any]


class Step:
    """What a step function returns: the loss of a batch and what it was computed from.

    Args:
        loss: the mean over the batch, a 0-dimensional tensor; None where there is no loss, as in
            the evaluation of a detector.
        rows: the number of examples; function metrics are weighted by it.
        outputs: what metrics get as their first argument.
        target: what metrics get as their second argument.
        weight: what the loss averaged over, if not examples: the number of tokens, or the sum
            of class weights.

    Example:
        >>> Step(torch.tensor(0.5), rows=8).weight
        8
    """

    __slots__ = ("loss", "outputs", "rows", "target", "weight")

    def __init__(
        self,
        loss: Tensor | None,
        rows: int,
        outputs: Any = None,
        target: Any = None,
        weight: Any = None,
    ) -> None:
        self.loss = loss
        self.rows = rows
        self.outputs = outputs
        self.target = target
        self.weight = rows if weight is None else weight


StepFunction = Callable[[nn.Module, Any, Any], Step]


def supervised(model: nn.Module, batch: Any, loss_fn: Loss) -> Step:
    """Take a pair ``(inputs, target)`` through a model and a loss: the step of most chapters.

    :func:`fit` and :func:`evaluate` take any function with these arguments and this result, so
    that a loss that the model returns itself, graphs, or a GAN need no second loop. The batch is
    on the device already. The function is called inside autocast; under ``torchrun`` ``model`` is
    the wrapper that exchanges gradients.

    Args:
        model: in training mode in ``fit``, in evaluation mode in ``evaluate``.
        batch: ``(inputs, target)``. A tuple or list of inputs becomes several arguments of the
            model, a dict becomes keyword arguments, everything else is one argument.
        loss_fn: called with outputs and target; returns the mean over the batch, or a pair of
            the mean and what it averaged over.

    Raises:
        ValueError: for a batch that is no pair, or a loss that is no scalar.

    Example:
        >>> def detect(model, batch, loss_fn):  # a torchvision detector: losses by name
        ...     images, targets = batch
        ...     losses = model(images, targets)
        ...     return Step(sum(losses.values()), rows=len(images))
        >>> step = supervised(nn.Linear(3, 1), (torch.ones(4, 3), torch.ones(4, 1)), nn.MSELoss())
        >>> step.rows, tuple(step.outputs.shape)
        (4, (4, 1))
    """
    inputs, target = unpack(batch)
    outputs = model(inputs) if type(inputs) is Tensor else forward(model, inputs)
    loss = loss_fn(outputs, target)
    count = target.shape[0] if type(target) is Tensor and target.ndim else rows(batch)
    if isinstance(loss, tuple):
        loss, weight = loss
    else:
        weight = averaged_over(loss_fn, target, count)
    if loss.ndim != 0:
        raise ValueError(
            "the loss must be one number, the mean over the batch, got shape "
            f"{tuple(loss.shape)}; use reduction='mean'"
        )
    return Step(loss, count, outputs, target, weight)


def unpack(batch: Any) -> tuple[Any, Any]:
    """Return inputs and target of a batch.

    Raises:
        ValueError: for a batch that is no pair; the message says how to make it one.

    Example:
        >>> unpack(("x", "y"))
        ('x', 'y')
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        size = f" of length {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise ValueError(
            f"a batch must be a pair (inputs, target), got {type(batch).__name__}{size}; "
            "several inputs go into a tuple: ((x1, x2), target); for other batches pass a step "
            "function, see helpers.train.supervised"
        )
    return batch[0], batch[1]


def forward(model: nn.Module, inputs: Any) -> Any:
    """Call a model: a tuple or list becomes several arguments, a dict keyword arguments.

    A ``PackedSequence``, and whatever else can move itself to a device, is one argument.

    Example:
        >>> forward(nn.Bilinear(2, 3, 1), (torch.ones(4, 2), torch.ones(4, 3))).shape
        torch.Size([4, 1])
    """
    if isinstance(inputs, Tensor) or hasattr(inputs, "to"):
        return model(inputs)
    if isinstance(inputs, (tuple, list)):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


def to_device(value: Any, device: torch.device | str) -> Any:
    """Move a tensor, or all that a tuple, list, dict or named tuple holds; leave texts as they are.

    What has a method ``to``, such as a ``PackedSequence`` or a batch of graphs, moves itself.

    Example:
        >>> to_device({"ids": torch.ones(2), "names": ["a", "b"]}, "cpu")
        {'ids': tensor([1., 1.]), 'names': ['a', 'b']}
    """
    if isinstance(value, Tensor):
        # Towards the CPU nobody waits for the copy: there it would be read before it is there.
        return value.to(device, non_blocking=torch.device(device).type != "cpu")
    if hasattr(value, "to"):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(v, device) for v in value))
    if type(value) in (tuple, list):
        return type(value)(to_device(v, device) for v in value)
    if isinstance(value, Mapping):
        return {key: to_device(v, device) for key, v in value.items()}
    return value


def device_of(model: nn.Module) -> torch.device:
    """Return where a model is: the device of its first parameter or buffer, else the CPU.

    Example:
        >>> device_of(nn.ReLU())
        device(type='cpu')
    """
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


class _Entries(int):
    """The length of a list that certainly has one entry an example."""


def _lengths(value: Any) -> Iterator[int]:
    """Yield the number of examples that each part of a batch speaks of."""
    if isinstance(value, Tensor):
        if value.ndim:
            yield value.shape[0]
    elif isinstance(value, PackedSequence):
        yield int(value.batch_sizes[0])
    elif hasattr(value, "num_graphs"):  # a batch of PyTorch Geometric
        yield _Entries(value.num_graphs)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _lengths(part)
    elif isinstance(value, (tuple, list)) and value:
        if isinstance(value[0], Mapping):  # what belongs to each picture
            yield _Entries(len(value))
            return
        if isinstance(value[0], (str, bytes)):  # of the examples, most likely
            yield len(value)
            return
        parts = [length for part in value for length in _lengths(part)]
        # A list of tensors that disagree, such as pictures of several sizes, lists examples.
        yield from [len(value)] if isinstance(value, list) and len(set(parts)) > 1 else parts


def _is_pair(batch: Any) -> bool:
    """Tell a pair of inputs and target from a list of two examples."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        return False
    first, second = batch
    both = isinstance(first, Mapping) and isinstance(second, Mapping)
    return not (isinstance(batch, list) and both and first.keys() == second.keys())


def rows(batch: Any) -> int:
    """Return the number of examples in a batch: the length that most of its parts have.

    So labels of all texts joined in one tensor, beside inputs and lengths, do not mislead it.

    Raises:
        ValueError: if nothing in the batch has a length.

    Example:
        >>> rows((torch.zeros(8, 3), {"box": torch.zeros(8, 4), "kind": torch.zeros(8)}))
        8
    """
    if _is_pair(batch):
        # The target first: where two lengths are equally frequent, it decides.
        lengths = [*_lengths(batch[1]), *_lengths(batch[0])]
    else:
        lengths = list(_lengths(batch))
    if not lengths:
        raise ValueError(f"can't count the examples of a batch of type {type(batch).__name__}")
    certain = [length for length in lengths if isinstance(length, _Entries)]
    return int(Counter(certain or lengths).most_common(1)[0][0])


def shard(batch: Any, rank: int, world: int) -> tuple[Any, int]:
    """Return every ``world``-th example of a batch, from number ``rank`` on, and how many it has.

    :func:`fit` calls it under ``torchrun``. A loader with other batches brings its own as an
    attribute ``shard`` with these arguments and this result. A process for which no example is
    left gets the first one, and :func:`fit` gives it no weight.

    Raises:
        ValueError: for a part that has another length than the batch, or that can be read as a
            list of examples as well as a list of inputs.

    Example:
        >>> shard((torch.arange(4), ["cat", "dog", "owl", "ant"]), rank=1, world=2)
        ((tensor([1, 3]), ['dog', 'ant']), 4)
    """
    total = rows(batch)
    chosen = slice(rank, None, world) if rank < total else slice(0, 1)
    if _is_pair(batch):
        return tuple(_cut(part, chosen, total) for part in batch), total
    return _cut(batch, chosen, total), total


def _cut(value: Any, chosen: slice, total: int) -> Any:
    if isinstance(value, PackedSequence):
        padded, lengths = pad_packed_sequence(value, batch_first=True)
        return pack_padded_sequence(
            padded[chosen], lengths[chosen], batch_first=True, enforce_sorted=False
        )
    if hasattr(value, "num_graphs") and hasattr(value, "to_data_list"):
        return type(value).from_data_list(value.to_data_list()[chosen])
    if isinstance(value, Tensor):
        if value.ndim == 0:
            return value
        if value.shape[0] != total:
            raise ValueError(
                f"a tensor of shape {tuple(value.shape)} in a batch of {total} examples: its first "
                "dimension must count examples, or give the loader a method shard(batch, rank, "
                "world)"
            )
        return value[chosen]
    if isinstance(value, Mapping):
        return {key: _cut(v, chosen, total) for key, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_cut(v, chosen, total) for v in value))
    if isinstance(value, (tuple, list)) and value:
        first = [len(v) if isinstance(v, Tensor) and v.ndim else None for v in value]
        inputs = all(length == total for length in first)
        if len(value) == total and not isinstance(value[0], (str, bytes)):
            if inputs:
                raise ValueError(
                    f"{total} tensors of length {total}: examples or inputs? Give the loader a "
                    "method shard(batch, rank, world)"
                )
            if total not in first:
                return value[chosen]
        if isinstance(value[0], (str, bytes)):  # names of classes stay as they are
            return value[chosen] if len(value) == total else value
        return type(value)(_cut(v, chosen, total) for v in value)
    return value
