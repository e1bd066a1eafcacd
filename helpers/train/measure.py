"""Measure a model: loss and metrics over a loader, outputs for many inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from helpers.modes import evaluating
from helpers.train.batch import (
    Loss,
    StepFunction,
    device_of,
    forward,
    supervised,
    to_device,
    unpack,
)
from helpers.train.processes import Processes
from helpers.train.weights import RunningMean

Metrics = Mapping[str, Any]
PRECISIONS: dict[str, torch.dtype | None] = {
    "fp32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def autocast(device: torch.device, precision: str) -> Callable[[], Any]:
    """Return what makes the context of a forward pass in this precision.

    Raises:
        ValueError: for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {tuple(PRECISIONS)}, got {precision!r}")
    dtype = PRECISIONS[precision]
    if dtype is None:
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Loss | None,
    *,
    device: torch.device | str | None = None,
    metrics: Metrics | None = None,
    precision: str = "fp32",
    step: StepFunction = supervised,
) -> dict[str, float]:
    """Measure loss and metrics in evaluation mode, without gradients.

    Args:
        model: the modes of all its parts are restored afterwards.
        loader: batches ``(inputs, target)``, or what ``step`` takes.
        loss_fn: called with outputs and target; must return the mean over the batch, or a pair
            of the mean and what it averaged over. Of PyTorch's own losses it is known what they
            average over: examples, elements, labels that are not ignored, class weights.
        device: where to compute; default where the model is.
        metrics: name -> function of outputs and target that returns the mean over the batch,
            such as :func:`accuracy`, or an object with ``update``, ``compute`` and ``reset``,
            such as those of torchmetrics. One that returns a dict gives a column for each key.
        precision: ``"fp32"``, or ``"bf16"`` or ``"fp16"`` for automatic mixed precision.
        step: takes a batch through the model, see :func:`supervised`.

    Returns:
        ``{"loss": ..., name: ...}``. The loss is the mean over what it averages over, a function
        metric the mean over examples; neither depends on the batch size. Without a loss in the
        steps there is no ``"loss"``.

    Raises:
        ValueError: for an empty loader, a batch that is no pair, a loss that is no scalar, or a
            metric that is no number.

    Example:
        >>> x, y = torch.ones(6, 2), torch.zeros(6, 1)
        >>> evaluate(nn.Linear(2, 1), [(x, y)], nn.L1Loss(), metrics={"mse": nn.MSELoss()}).keys()
        dict_keys(['loss', 'mse'])
    """
    device = device_of(model) if device is None else torch.device(device)
    alone = Processes(device, [], world=1)
    return measure(model, loader, loss_fn, metrics or {}, alone, precision=precision, step=step)


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Loss | None,
    metrics: Metrics,
    processes: Processes,
    *,
    precision: str,
    step: StepFunction,
) -> dict[str, float]:
    """Do the work of :func:`evaluate`, on the share of each process.

    The ``compute`` of a metric object must then join the processes, as torchmetrics does.
    """
    if "loss" in metrics:
        raise ValueError("a metric may not be called 'loss', which is a column already")
    device = processes.device
    stateful = {name: m for name, m in metrics.items() if hasattr(m, "update")}
    functions = {name: m for name, m in metrics.items() if name not in stateful}
    for metric in stateful.values():
        metric.reset()
        if hasattr(metric, "to"):
            metric.to(device)
    context = autocast(device, precision)
    losses = RunningMean()
    totals = dict.fromkeys(functions, 0.0)
    count, has_loss = 0, True
    distributed = processes.world > 1
    # No inference_mode: what a model or a metric keeps from here must stay usable in training.
    with contextlib.ExitStack() as stack:
        for part in (model, loss_fn):
            if isinstance(part, nn.Module):
                stack.enter_context(evaluating(part))
        stack.enter_context(torch.no_grad())
        for batch in processes.draw(loader):
            if distributed:
                batch, mine, _ = processes.own_part(batch, loader)
                if not mine:
                    continue
            with context():
                done = step(model, to_device(batch, device), loss_fn)
            n = done.rows
            if not n:
                continue
            count += n
            if done.loss is None:
                has_loss = False
            else:
                losses.add(done.loss if device.type != "cpu" else done.loss.item(), done.weight)
            for name, function in functions.items():
                totals[name] += _number(name, function(done.outputs, done.target)) * n
            for metric in stateful.values():
                metric.update(done.outputs, done.target)
    sums = processes.sums([float(count), *losses.sums(), *totals.values()])
    if not sums[0]:
        raise ValueError("the loader is empty: there is nothing to evaluate")
    result: dict[str, float] = {}
    if has_loss:
        result["loss"] = sums[1] / sums[2] if sums[2] else float("nan")
    result |= {name: total / sums[0] for name, total in zip(totals, sums[3:], strict=True)}
    for name, metric in stateful.items():
        result |= _named(name, metric.compute())
    if distributed:
        _check_joined(result, stateful, processes)
    return {key: result[key] for key in _in_order(result, metrics)}


def _named(name: str, value: Any) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {f"{name}_{key}": _number(f"{name}_{key}", part) for key, part in value.items()}
    return {name: _number(name, value)}


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(
            f"metric {name!r} gives {tuple(value.shape)} values, one number is needed: "
            "average them, or let it return a dict"
        )
    return float(value)


def _in_order(result: Mapping[str, float], metrics: Metrics) -> list[str]:
    """Return the keys of a result in the order in which the metrics were given."""
    order = ["loss", *metrics]

    def place(key: str) -> int:
        owners = [i for i, name in enumerate(order) if key == name or key.startswith(f"{name}_")]
        exact = [i for i, name in enumerate(order) if key == name]
        return (exact or owners)[0]

    return sorted(result, key=place)


def _check_joined(result: dict[str, float], stateful: Metrics, processes: Processes) -> None:
    """Refuse a metric that tells each process something else."""
    everywhere = processes.gather(result)
    for key in result:
        values = {str(one.get(key)) for one in everywhere}
        if len(values) > 1:
            raise ValueError(
                f"metric {key!r} differs between the processes ({', '.join(sorted(values))}): its "
                "compute() must join them, as those of torchmetrics do; or pass a function"
            )


def predict(
    model: nn.Module,
    inputs: Tensor | Iterable[Any],
    *,
    device: torch.device | str | None = None,
    batch_size: int = 512,
) -> Tensor:
    """Return the model's outputs for many inputs, on the CPU.

    Args:
        model: the modes of all its parts are restored afterwards.
        inputs: a tensor ``(N, ...)``, or a loader of batches ``(inputs, target)``.
        device: where to compute; default where the model is.
        batch_size: examples at a time, for a tensor.

    Raises:
        ValueError: if there is nothing to predict, or the model returns no tensor.

    Example:
        >>> predict(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """
    device = device_of(model) if device is None else torch.device(device)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    batches: Iterable[Any]
    if isinstance(inputs, Tensor):
        # Clones: a model that works in place must not reach the caller's tensor.
        batches = (part.clone() for part in inputs.split(batch_size))
    else:
        batches = (unpack(batch)[0] for batch in inputs)
    outputs = []
    with evaluating(model), torch.no_grad():
        for batch in batches:
            output = forward(model, to_device(batch, device))
            if not isinstance(output, Tensor):
                raise ValueError(
                    f"predict joins tensors, but the model returns {type(output).__name__}; "
                    "wrap it so that it returns the part you want"
                )
            outputs.append(output.cpu())
    if not outputs:
        raise ValueError("there is nothing to predict: no batches")
    return torch.cat(outputs)
