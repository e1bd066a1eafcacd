"""Load data, split it, and hand it out in batches.

Taught in notebooks/08_training_process.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from data_scripts import DataError, Loaded, current_mode
from data_scripts import load as _load
from helpers.console import say

__all__ = ["DataError", "Loaded", "TensorLoader", "load", "make_loaders", "split"]

# Batches are gathered many at a time, which costs one indexing call for all of them. This
# bounds the memory of one such piece.
_PIECE_BYTES = 32 * 2**20
_PIECE_BATCHES = 64


def load(name: str, mode: str | None = None) -> Loaded:
    """Load a data set and print one line: what it is, where it came from, whether it is real.

    Args:
        name: e.g. ``"mnist"``; ``python -m data_scripts list`` shows all.
        mode: ``"auto"``, ``"official"`` or ``"standin"``; default COURSE_DATA.

    Returns:
        A :class:`data_scripts.Loaded`: ``loaded["train_images"]``, ``loaded.tier``, ...

    Raises:
        DataError: for an unknown name, or in official mode if the real data can't be had.

    Example:
        >>> loaded = load("digits")  # doctest: +SKIP
    """
    loaded = _load(name, mode)
    say(loaded.describe())
    if loaded.reason and current_mode(mode) == "auto":
        say(f"  why not the real data: {loaded.reason}")
    return loaded


def split(
    dataset: Dataset | int, fractions: Sequence[float], *, seed: int
) -> list[Subset] | list[Tensor]:
    """Split a data set at random, once and reproducibly.

    Args:
        dataset: a data set with a length, or a number of rows.
        fractions: the parts, e.g. ``(0.6, 0.2, 0.2)``; they must add up to 1.
        seed: the same seed gives the same split on every machine.

    Returns:
        Subsets; for a number of rows, index tensors. No row is in two parts.

    Raises:
        ValueError: if the fractions do not add up to 1, or a part would be empty.

    Example:
        >>> [len(part) for part in split(10, (0.8, 0.2), seed=0)]
        [8, 2]
    """
    count = dataset if isinstance(dataset, int) else len(dataset)  # type: ignore[arg-type]
    if abs(sum(fractions) - 1) > 1e-9 or min(fractions) < 0:
        raise ValueError(f"fractions must be positive and add up to 1, got {tuple(fractions)}")
    ends = [round(count * sum(fractions[: i + 1])) for i in range(len(fractions))]
    starts = [0, *ends[:-1]]
    if any(start >= end for start, end in zip(starts, ends, strict=True)):
        raise ValueError(f"{count} rows can't be split into non-empty parts of {tuple(fractions)}")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    parts = [order[start:end] for start, end in zip(starts, ends, strict=True)]
    if isinstance(dataset, int):
        return parts
    return [Subset(dataset, part.tolist()) for part in parts]


class TensorLoader:
    """Batches of tensors that fit in memory, or on the device, without per-item Python.

    A ``DataLoader`` fetches single items and stacks them. This loader indexes whole tensors,
    which is much faster for small examples; :func:`helpers.train.fit` takes either. What it hands
    out are copies.

    Args:
        tensors: tensors with the same first dimension, e.g. inputs ``(N, ...)`` and targets
            ``(N,)``. Each batch is a tuple of as many.
        batch_size: examples in a batch; the last batch may be smaller.
        shuffle: a new random order in every pass.
        generator: the source of that order; default torch's global one.
        drop_last: leave out a smaller last batch.
        device: move the tensors there once, at the start.
        transform: called with the tensors of a batch, returns the batch to hand out.

    Raises:
        ValueError: without tensors, for different lengths, or a batch size below 1.

    Example:
        >>> loader = TensorLoader(torch.arange(5.0), torch.arange(5), batch_size=2)
        >>> [len(y) for x, y in loader]
        [2, 2, 1]
    """

    def __init__(
        self,
        *tensors: Tensor,
        batch_size: int,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        drop_last: bool = False,
        device: torch.device | str | None = None,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not tensors:
            raise ValueError("TensorLoader needs at least one tensor")
        if wrong := [type(t).__name__ for t in tensors if not isinstance(t, Tensor)]:
            raise TypeError(f"TensorLoader takes tensors, got {wrong}; use torch.as_tensor")
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"the tensors must have the same length, got {lengths}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.tensors = tuple(t if device is None else t.to(device) for t in tensors)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.drop_last = drop_last
        self.transform = transform

    @property
    def n_examples(self) -> int:
        """The number of examples in one pass."""
        count = len(self.tensors[0])
        return count - count % self.batch_size if self.drop_last else count

    def __len__(self) -> int:
        return -(-self.n_examples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        return self.batches()

    def batches(self, skip: int = 0) -> Iterator[Any]:
        """Iterate over one pass, leaving out the first ``skip`` batches at no cost."""
        count, device = self.n_examples, self.tensors[0].device
        order = None
        if self.shuffle:
            # Drawn on the CPU, so that the order does not depend on the device.
            order = torch.randperm(len(self.tensors[0]), generator=self.generator).to(device)
        row_bytes = sum(t[:1].numel() * t.element_size() for t in self.tensors)
        batches = max(1, min(_PIECE_BATCHES, _PIECE_BYTES // max(1, row_bytes * self.batch_size)))
        piece = batches * self.batch_size
        transform = self.transform
        for start in range(skip * self.batch_size, count, piece):
            end = min(start + piece, count)
            if order is None:
                # Copies, as from a DataLoader: a model that works in place must not reach the data.
                parts = [t[start:end].clone() for t in self.tensors]
            else:
                rows = order[start:end]
                parts = [t.index_select(0, rows) for t in self.tensors]
            batch_parts = zip(*(p.split(self.batch_size) for p in parts), strict=True)
            if transform is None:
                yield from batch_parts
            else:
                for batch in batch_parts:
                    yield transform(*batch)


def make_loaders(
    train: Dataset, val: Dataset, *, batch_size: int, seed: int = 0, num_workers: int = 0
) -> tuple[DataLoader, DataLoader]:
    """Return a shuffling loader for training and one in order for validation.

    Workers are off by default: in notebooks, and for small examples, they cost more than they
    bring. Memory is pinned where there is a CUDA device to copy to.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> rows = TensorDataset(torch.zeros(6, 2), torch.zeros(6))
        >>> train, val = make_loaders(rows, rows, batch_size=4)
        >>> len(train)
        2
    """
    pin = torch.cuda.is_available()
    options: dict[str, Any] = {"num_workers": num_workers, "pin_memory": pin}
    generator = torch.Generator().manual_seed(seed)
    return (
        DataLoader(train, batch_size, shuffle=True, generator=generator, **options),
        DataLoader(val, batch_size, **options),
    )
