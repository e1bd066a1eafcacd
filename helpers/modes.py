"""Evaluation mode with a way back: one place for what evaluate, predict and summaries need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def keeping_modes(model: nn.Module) -> Iterator[nn.Module]:
    """Give every part of a model its own mode back at the end.

    ``model.train(was_training)`` would set *all* parts to one mode, and so wake a BatchNorm that
    somebody had frozen in evaluation mode.

    Example:
        >>> model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)).eval()
        >>> with keeping_modes(model):
        ...     _ = model.train()
        >>> model.training
        False
    """
    modes = {module: module.training for module in model.modules()}
    try:
        yield model
    finally:
        for module, training in modes.items():
            if type(module).train is not nn.Module.train:  # it does more than set the mode
                module.train(training)
        for module, training in modes.items():
            module.training = training


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Switch a model to evaluation mode, and give every part its own mode back at the end.

    Example:
        >>> model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
        >>> _ = model[1].eval()
        >>> with evaluating(model):
        ...     [part.training for part in model]
        [False, False]
        >>> [part.training for part in model]
        [True, False]
    """
    with keeping_modes(model):
        yield model.eval()
