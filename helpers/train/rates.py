"""Learning rates: a search for the largest that works, and one for each part of a model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from helpers.modes import keeping_modes
from helpers.train.batch import Loss, StepFunction, device_of, supervised, to_device
from helpers.train.options import check_optimizer
from helpers.train.rng import loader_generators, rng_state, set_rng_state


def lr_range_test(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Loss | None,
    optimizer: Optimizer,
    *,
    min_lr: float = 1e-6,
    max_lr: float = 1.0,
    steps: int = 100,
    device: torch.device | str | None = None,
    step: StepFunction = supervised,
) -> pd.DataFrame:
    """Train with a learning rate that grows at every step, and record the loss.

    Smith: Cyclical learning rates for training neural networks, WACV 2017, arXiv:1506.01186.
    The test ends early when the loss is four times its lowest value, or not finite. Afterwards
    all is as it was: model and its device, gradients, modes, optimiser, random numbers.

    Args:
        model: in training mode during the test, but for parts that are in evaluation mode.
        loader: batches, as for :func:`fit`.
        loss_fn: as for :func:`fit`.
        optimizer: with several groups the rate grows for the first, and the others keep their
            ratio to it.
        min_lr: the first rate.
        max_lr: the last rate.
        steps: optimiser steps.
        device: where to compute; default where the model is.
        step: takes a batch through the model, see :func:`supervised`.

    Returns:
        Columns ``lr`` and ``loss``, one row a step.

    Raises:
        ValueError: unless 0 < min_lr < max_lr and steps > 1, for an empty loader, or for an
            optimiser of another model.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> found = lr_range_test(model, [(torch.ones(4, 1), torch.ones(4, 1))], nn.MSELoss(), sgd)
        >>> list(found)
        ['lr', 'loss']
    """
    if not 0 < min_lr < max_lr or steps < 2:
        raise ValueError(
            f"need 0 < min_lr < max_lr and at least 2 steps, got {min_lr}, {max_lr}, {steps}"
        )
    check_optimizer(model, optimizer)
    if any(is_lazy(p) for p in model.parameters()):
        raise ValueError("a layer has not seen an input yet: call the model once before the test")
    home = device_of(model)
    device = home if device is None else torch.device(device)
    first = float(optimizer.param_groups[0]["lr"])
    ratios = [float(g["lr"]) / first if first else 1.0 for g in optimizer.param_groups]
    model_before = copy.deepcopy(model.state_dict())
    optimizer_before = copy.deepcopy(optimizer.state_dict())
    gradients = {p: None if p.grad is None else p.grad.clone() for p in model.parameters()}
    model.to(device)
    generators = loader_generators(loader)
    random_before = rng_state(generators, device)
    rows: list[dict[str, float]] = []
    try:
        with keeping_modes(model):
            if not model.training:
                model.train()
            for number, batch in zip(range(steps), _again_and_again(loader), strict=False):
                lr = min_lr * (max_lr / min_lr) ** (number / (steps - 1))
                for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                    group["lr"] = lr * ratio
                optimizer.zero_grad()
                loss = step(model, to_device(batch, device), loss_fn).loss
                if loss is None:
                    raise ValueError("a step of training must return a loss")
                loss.backward()
                optimizer.step()
                rows.append({"lr": lr, "loss": loss.item()})
                lowest = min(row["loss"] for row in rows)
                if not rows[-1]["loss"] <= 4 * max(lowest, 1e-12):
                    break
    finally:
        model.to(home)
        model.load_state_dict(model_before)
        optimizer.load_state_dict(optimizer_before)
        set_rng_state(random_before, generators, device)
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
    return pd.DataFrame(rows)


def _again_and_again(loader: Iterable[Any]) -> Iterable[Any]:
    """Iterate over a loader without an end.

    Raises:
        ValueError: for an empty loader.
    """
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ValueError("the loader is empty, or an iterator that is used up")


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
