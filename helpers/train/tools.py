"""Tools around the loop: learning-rate search, per-layer learning rates, ensembles."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.train.loop import _device_of, _forward, _pair, _to


def lr_range_test(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Callable[[Any, Any], Tensor],
    optimizer: Optimizer,
    *,
    min_lr: float = 1e-6,
    max_lr: float = 1.0,
    steps: int = 100,
    device: torch.device | str | None = None,
) -> pd.DataFrame:
    """Train with a learning rate that grows at every step, and record the loss.

    Smith: Cyclical learning rates for training neural networks, WACV 2017, arXiv:1506.01186.
    The model and the optimiser are put back to where they were. The test ends early when the
    loss is four times its lowest value, or not finite.

    Returns:
        Columns ``lr`` and ``loss``, one row a step.

    Raises:
        ValueError: unless 0 < min_lr < max_lr and steps > 1, or for an empty loader.
    """
    if not 0 < min_lr < max_lr or steps < 2:
        raise ValueError(
            f"need 0 < min_lr < max_lr and at least 2 steps, got {min_lr}, {max_lr}, {steps}"
        )
    device = _device_of(model) if device is None else torch.device(device)
    model_before = copy.deepcopy(model.state_dict())
    optimizer_before = copy.deepcopy(optimizer.state_dict())
    was_training = model.training
    model.to(device).train()
    rows: list[dict[str, float]] = []
    batches = iter(loader)
    try:
        for step in range(steps):
            lr = min_lr * (max_lr / min_lr) ** (step / (steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = lr
            batch = next(batches, None)
            if batch is None:
                batches = iter(loader)
                batch = next(batches, None)
                if batch is None:
                    raise ValueError("the loader is empty")
            inputs, target = _pair(batch)
            optimizer.zero_grad()
            loss = loss_fn(_forward(model, _to(inputs, device)), _to(target, device))
            loss.backward()
            optimizer.step()
            rows.append({"lr": lr, "loss": loss.item()})
            lowest = min(row["loss"] for row in rows)
            if not rows[-1]["loss"] <= 4 * max(lowest, 1e-12):
                break
    finally:
        model.load_state_dict(model_before)
        optimizer.load_state_dict(optimizer_before)
        model.train(was_training)
    return pd.DataFrame(rows)


def param_groups(
    model: nn.Module, rates: Mapping[str, float], *, default: float | None = None
) -> list[dict[str, Any]]:
    """Return parameter groups with a learning rate for each part of a model.

    Args:
        model: the model.
        rates: prefix of parameter names -> learning rate, e.g. ``{"features": 1e-4}``. The
            longest prefix that fits a parameter decides.
        default: rate of the parameters that no prefix fits; None makes them an error.

    Returns:
        Groups for an optimiser; every parameter that requires gradients is in exactly one.

    Raises:
        ValueError: if a prefix fits no parameter, or a parameter fits none without ``default``.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> [g["lr"] for g in param_groups(net, {"0": 1e-4, "1": 1e-2})]
        [0.0001, 0.01]
    """
    groups: dict[str | None, list[nn.Parameter]] = {prefix: [] for prefix in rates}
    groups[None] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        fitting = [p for p in rates if name == p or name.startswith(f"{p}.")]
        if not fitting and default is None:
            raise ValueError(f"no prefix fits parameter {name!r}; give `default` a rate")
        groups[max(fitting, key=len) if fitting else None].append(parameter)
    result = []
    for prefix, parameters in groups.items():
        if prefix is not None and not parameters:
            first = [name.split(".")[0] for name, _ in model.named_parameters()]
            raise ValueError(
                f"prefix {prefix!r} fits no trainable parameter; the model has {sorted(set(first))}"
            )
        if parameters:
            rate = default if prefix is None else rates[prefix]
            result.append({"params": parameters, "lr": rate})
    return result


class Ensemble(nn.Module):
    """Average the class probabilities of several classifiers.

    Shapes: whatever the members take, to log-probabilities ``(N, C)``, which may be used like
    logits.

    Raises:
        ValueError: without members.

    Example:
        >>> Ensemble([nn.Linear(3, 2), nn.Linear(3, 2)])(torch.zeros(4, 3)).exp().sum(dim=1)
        tensor([1., 1., 1., 1.], grad_fn=<SumBackward1>)
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities."""
        each = torch.stack([member(x).log_softmax(dim=1) for member in self.members])
        return each.logsumexp(dim=0) - math.log(len(self.members))
