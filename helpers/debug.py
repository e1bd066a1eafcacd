"""First tests of any model, and a look inside one that does not learn."""

from __future__ import annotations

import copy
from types import TracebackType
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.train.batch import Loss, StepFunction, device_of, supervised, to_device


def overfit_batch(
    model: nn.Module,
    batch: Any,
    loss_fn: Loss | None,
    *,
    steps: int = 200,
    lr: float = 1e-3,
    step: StepFunction = supervised,
) -> list[float]:
    """Train on one batch again and again, and return the losses.

    A right model and loss bring the loss near zero. If it stays up, something is wrong that
    more data will not cure: a wrong target, a missing gradient, a learning rate far off.

    Args:
        model: trained in place; use a fresh one afterwards.
        batch: ``(inputs, target)``, or what ``step`` takes.
        loss_fn: called with outputs and target.
        steps: optimiser steps (Adam).
        lr: learning rate.
        step: takes the batch through the model, see :func:`helpers.train.supervised`.

    Example:
        >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
        <torch._C.Generator object at ...>
        >>> x, y = torch.randn(8, 3), torch.randint(2, (8,))
        >>> model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
        >>> losses = overfit_batch(model, (x, y), nn.CrossEntropyLoss(), lr=0.05)
        >>> losses[-1] < 0.05 * losses[0]
        True
    """
    batch = to_device(batch, device_of(model))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        # A copy: a model that works in place must find the same batch in every step.
        loss = step(model, copy.deepcopy(batch), loss_fn).loss
        if loss is None:
            raise ValueError("a step of training must return a loss")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def grad_report(model: nn.Module) -> pd.DataFrame:
    """Return one row a parameter after ``backward``: shape, norms, and what is wrong.

    Column ``problem`` is empty, ``"frozen"``, ``"no gradient"``, ``"all zero"`` or
    ``"not finite"``; ``grad / weight`` is the ratio of the norms.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> layer(torch.ones(1, 2)).sum().backward()
        >>> grad_report(layer)["problem"].tolist()
        ['', '']
    """
    rows = []
    for name, parameter in model.named_parameters():
        weight = parameter.detach().float().norm().item()
        row: dict[str, Any] = {"parameter": name, "shape": tuple(parameter.shape)}
        gradient = parameter.grad
        if gradient is None:
            problem = "no gradient" if parameter.requires_grad else "frozen"
            norm = float("nan")
        else:
            norm = gradient.float().norm().item()
            finite = bool(torch.isfinite(gradient).all())
            problem = "not finite" if not finite else "all zero" if norm == 0 else ""
        ratio = norm / weight if weight else float("nan")
        row |= {"weight norm": weight, "grad norm": norm, "grad / weight": ratio}
        rows.append(row | {"problem": problem})
    return pd.DataFrame(rows)


class ActivationRecorder:
    """Keep the outputs of chosen layers while it is open, by forward hooks.

    Of a layer that returns several, such as ``nn.LSTM``, the first.

    Args:
        model: the model to look into.
        layers: names as in ``model.named_modules()``; default every layer without children.

    Raises:
        KeyError: for an unknown layer; the message lists those there are.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with ActivationRecorder(model) as seen:
        ...     _ = model(torch.zeros(4, 2))
        >>> {name: tuple(value.shape) for name, value in seen.outputs.items()}
        {'0': (4, 3), '1': (4, 3)}
    """

    def __init__(self, model: nn.Module, layers: list[str] | None = None) -> None:
        known = {name: module for name, module in model.named_modules() if name}
        leaves = [name for name, module in known.items() if not list(module.children())]
        for name in layers or ():
            if name not in known:
                raise KeyError(f"no layer {name!r}; the model has {list(known)}")
        self._modules = {name: known[name] for name in (leaves if layers is None else layers)}
        self._handles: list[Any] = []
        self.outputs: dict[str, Tensor] = {}

    def __enter__(self) -> ActivationRecorder:
        self.outputs.clear()
        for name, module in self._modules.items():

            def hook(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
                # A copy: the next layer may work in place.
                if isinstance(output, Tensor):
                    self.outputs[name] = output.detach().clone()
                elif isinstance(output, tuple) and isinstance(output[0], Tensor):
                    self.outputs[name] = output[0].detach().clone()

            self._handles.append(module.register_forward_hook(hook))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
