"""Callbacks: code that the loop calls at three events.

A plain function is called with the :class:`State` at the end of each epoch. An object may have
methods ``epoch_start``, ``batch_end`` and ``epoch_end``; the loop calls those it has. The model is
in training mode when an epoch starts, so ``epoch_start`` may put a part of it, such as a frozen
BatchNorm, back to evaluation mode; a run that goes on in the middle of an epoch finds the modes as
they were, and ``epoch_start`` is not called for that epoch again. An object with ``state_dict``
and ``load_state_dict`` is saved and restored with the checkpoint. ``reset()`` is called when a run
starts, so that one object may serve several runs, and ``finish(model)`` when it has ended.

Under ``torchrun`` callbacks run on every process; training ends when one of them asks for it.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.train.checkpoint import bare
from helpers.train.history import History

EVENTS = ("epoch_start", "batch_end", "epoch_end")


@dataclass
class State:
    """What a callback gets: the live objects of the loop."""

    model: nn.Module
    optimizer: Optimizer
    device: torch.device
    epochs: int
    history: History
    epoch: int = 0
    """The epoch in progress, counted from 1."""
    step: int = 0
    """Batches seen since the start of training."""
    loss: Tensor | None = None
    """The loss of the latest batch, a 0-dimensional tensor on the device; under ``torchrun`` that
    of this process's examples."""
    logs: dict[str, float] = field(default_factory=dict)
    """At ``epoch_end``: the record of this epoch; a callback may add to it."""
    stop: bool = False
    """Set to True to end training after this epoch."""


def reset(callbacks: Iterable[Any]) -> None:
    """Let callbacks forget an earlier run."""
    for callback in callbacks:
        if hasattr(callback, "reset"):
            callback.reset()


class EarlyStopping:
    """Stop when a quantity has not improved for ``patience`` epochs.

    A value that is not a number is never an improvement. One object may be used for several runs,
    one after the other.

    Args:
        monitor: a column of the history, e.g. ``"val_loss"``.
        patience: epochs without improvement that are borne.
        mode: ``"min"`` or ``"max"``; a loss is known to fall.
        min_delta: the least change that counts as an improvement.
        restore_best: give the model the weights of its best epoch at the end.

    Raises:
        ValueError: for an unknown mode, a patience below 1 or a negative ``min_delta``.

    Example:
        >>> stopper = EarlyStopping("val_accuracy", patience=5, mode="max")
        >>> stopper.best is None
        True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 3,
        mode: str | None = None,
        *,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if mode is None:
            if not monitor.endswith("loss"):
                raise ValueError(
                    f"say whether {monitor!r} shall grow or fall: mode='max' or mode='min'"
                )
            mode = "min"
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        if mode == "max" and monitor.endswith("loss"):
            raise ValueError(f"mode='max' would wait for {monitor} to grow; name another column")
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta must not be negative, got {min_delta}")
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.min_delta, self.restore_best = min_delta, restore_best
        self.reset()

    def reset(self) -> None:
        """Forget the last run."""
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] | None = None

    def epoch_end(self, state: State) -> None:
        """Compare this epoch with the best one; ask to stop when patience is used up."""
        if self.monitor not in state.logs:
            raise KeyError(f"EarlyStopping monitors {self.monitor!r}; logged: {list(state.logs)}")
        value = state.logs[self.monitor]
        sign = 1.0 if self.mode == "min" else -1.0
        first = self.best is None and not math.isnan(value)
        if first or (self.best is not None and sign * (self.best - value) > self.min_delta):
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self.best_weights = _copy(bare(state.model).state_dict())
        elif self.is_over(state.epoch):
            state.stop = True

    def is_over(self, epoch: int) -> bool:
        """Tell whether the patience is used up after this epoch."""
        return epoch - self.best_epoch >= self.patience

    def finish(self, model: nn.Module) -> None:
        """Give the model its best weights back, if wanted."""
        if self.restore_best and self.best_weights is not None:
            bare(model).load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where the checkpoint left off."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.best_weights = state["best_weights"]


def _copy(weights: Any) -> Any:
    """Copy a state_dict to the CPU, with the versions of its modules."""
    copied = copy.copy(weights)
    for name, value in weights.items():
        is_tensor = isinstance(value, Tensor)
        copied[name] = value.detach().cpu().clone() if is_tensor else copy.deepcopy(value)
    return copied


class TensorBoard:
    """Write every number of the history to TensorBoard event files; under ``torchrun`` once.

    Args:
        folder: where the event files go; look at them with ``tensorboard --logdir FOLDER``.

    Raises:
        ModuleNotFoundError: if the package ``tensorboard`` is not installed.

    Example:
        >>> callbacks = [TensorBoard("runs/first")]  # doctest: +SKIP
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "TensorBoard needs the package tensorboard: pip install tensorboard"
            ) from error
        first = os.environ.get("RANK", "0") == "0"
        self.writer = SummaryWriter(str(folder)) if first else None

    def epoch_end(self, state: State) -> None:
        """Write the record of the epoch."""
        if self.writer is None:
            return
        for name, value in state.logs.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, state.epoch)
        self.writer.flush()

    def finish(self, model: nn.Module) -> None:
        """Close the file; another run opens a new one."""
        if self.writer is not None:
            self.writer.close()
