"""What ``fit`` is asked for: contradictions found before anything is moved, and the run's name.

A checkpoint keeps the settings of its run. When the same file meets other settings, ``fit`` can so
say which one differs, where it would otherwise go on with the old one in silence.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import Subset

from helpers.train.callbacks import EarlyStopping
from helpers.train.checkpoint import CheckpointError, plain
from helpers.train.rng import loader_generators, samplers


def length_of(loader: Any) -> int | None:
    """Return the number of batches, or None where the loader does not know it.

    Example:
        >>> length_of([1, 2]), length_of(iter([1, 2]))
        (2, None)
    """
    try:
        return len(loader)
    except TypeError:  # a DataLoader over a stream has __len__, which raises
        return None


def check_numbers(**options: Any) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        ValueError: naming the option.

    Example:
        >>> check_numbers(epochs=0)
        Traceback (most recent call last):
        ...
        ValueError: epochs must be at least 1, got 0
    """
    for name, value in options.items():
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def check_options(
    *, schedule: str, clip_norm: float | None, checkpoint: Any, checkpoint_every: int | None
) -> None:
    """Refuse unknown and contradictory options.

    Raises:
        ValueError: naming the option and the remedy.
    """
    if schedule not in ("epoch", "step"):
        raise ValueError(f"schedule must be 'epoch' or 'step', got {schedule!r}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive, got {clip_norm}")
    if checkpoint_every is not None:
        check_numbers(checkpoint_every=checkpoint_every)
        if checkpoint is None:
            raise ValueError("checkpoint_every needs a file: pass checkpoint")


def check_optimizer(model: nn.Module, optimizer: Any) -> None:
    """Refuse an optimiser that can't train this model in this loop.

    Raises:
        ValueError: if it holds no parameter of the model, or needs a closure.
        TypeError: if it is no optimiser.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer must be one torch.optim.Optimizer, got {type(optimizer).__name__}; a "
            "second one is stepped in a step function and saved with keep={...}"
        )
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"{type(optimizer).__name__} evaluates the loss several times a step, on all data: "
            "call optimizer.step(closure) yourself; fit takes optimisers that need no closure"
        )
    own = {id(p) for p in model.parameters()}
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if own and not own & held:
        raise ValueError(
            "the optimiser holds no parameter of this model: it was made for another one, or "
            "before the model was made anew; make it after the model"
        )


def check_loader(loader: Any, epochs: int, checkpoint: Any) -> None:
    """Refuse a loader that can't be passed over as often as asked, or has hidden random numbers.

    Raises:
        ValueError: for an iterator, or workers that outlive an epoch beside a checkpoint.
    """
    if hasattr(loader, "__next__") and epochs > 1:
        raise ValueError(
            "a loader is an iterator, which is used up after one epoch; pass a list, "
            "a DataLoader, or an object with __iter__"
        )
    if checkpoint is not None and getattr(loader, "persistent_workers", False):
        raise ValueError(
            "persistent workers keep random states that no checkpoint can hold, so a resumed run "
            "would not be the same; use persistent_workers=False"
        )
    if checkpoint is not None and (hidden := hidden_generators(loader)):
        raise ValueError(
            f"{', '.join(hidden)} of the loader draws from random numbers of its own, which no "
            "checkpoint holds; draw from the global ones, or give the loader a torch.Generator"
        )


def check_scheduler(scheduler: Any, optimizer: Optimizer) -> None:
    """Refuse a schedule that was made for another optimiser.

    Raises:
        ValueError: with the remedy.
    """
    if scheduler is not None and getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ValueError(
            "the scheduler was made for another optimiser, and would not change the rate of this "
            "one; make it after the optimiser"
        )


def check_callbacks(callbacks: Iterable[Any], events: Iterable[str]) -> None:
    """Refuse a callback that nothing would call.

    Raises:
        TypeError: naming its class.
    """
    for callback in callbacks:
        if not callable(callback) and not any(hasattr(callback, event) for event in events):
            raise TypeError(
                f"callback {type(callback).__name__} is no function and has none of the methods "
                f"{', '.join(events)}"
            )


def check_monitors(
    scheduler: Any,
    schedule: str,
    monitor: str,
    callbacks: Iterable[Any],
    metrics: Mapping[str, Any],
    *,
    has_validation: bool,
) -> None:
    """Refuse to watch a column that no epoch will have.

    Raises:
        ValueError: naming who watches what, and the remedy.
    """
    callbacks = list(callbacks)
    watched = [(c.monitor, "EarlyStopping") for c in callbacks if isinstance(c, EarlyStopping)]
    if isinstance(scheduler, ReduceLROnPlateau):
        watched.append((monitor, "ReduceLROnPlateau"))
        if schedule == "step":
            raise ValueError("ReduceLROnPlateau works by epochs: pass schedule='epoch'")
        if scheduler.mode == "min" and "acc" in monitor:
            raise ValueError(
                f"ReduceLROnPlateau(mode='min') would wait for {monitor} to fall: pass mode='max'"
            )
        if scheduler.mode == "max" and monitor.endswith("loss"):
            raise ValueError(
                f"ReduceLROnPlateau(mode='max') would wait for {monitor} to grow; name the column "
                "it shall watch, e.g. monitor='val_accuracy'"
            )
    known = {"train_loss", "lr"}
    if has_validation:
        known |= {"val_loss", *(f"val_{name}" for name in metrics)}
    # An object may give several columns, a callback may add some, though after the schedule's step.
    several = any(hasattr(metric, "update") for metric in metrics.values())
    added = any(not isinstance(c, EarlyStopping) for c in callbacks)
    for column, who in watched:
        if column in known or several or (added and who == "EarlyStopping"):
            continue
        if column.startswith("val_") and not has_validation:
            raise ValueError(f"{who} watches {column!r}: it needs validation data, pass val_loader")
        raise ValueError(f"{who} watches {column!r}; an epoch has {sorted(known)}")


def settings(
    *,
    model: nn.Module,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any,
    loader: Any,
    data: str,
    callbacks: Iterable[Any],
    **options: Any,
) -> dict[str, Any]:
    """Return what a run is known by, as flat plain values: ``{"optimizer": "SGD", ...}``.

    ``data`` is what ``describe_data(loader)`` returned when the run started.

    What may change when a run goes on (the number of epochs, the patience, what is printed) is
    not part of it.
    """
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    found: dict[str, Any] = {
        "layers of the model": fingerprint({"model": repr(model)}),
        "trainable parameters": f"{len(trained)} ({fingerprint({'names': trained})})",
        "optimizer": type(optimizer).__name__,
    }
    for number, group in enumerate(optimizer.param_groups):
        prefix = "" if len(optimizer.param_groups) == 1 else f"group {number}: "
        for name, value in group.items():
            if name not in ("params", "initial_lr"):
                found[f"{prefix}{name}"] = value
    found["scheduler"] = type(scheduler).__name__ if scheduler is not None else None
    if scheduler is not None:
        found |= _schedule(scheduler, "scheduler")
    if isinstance(loss_fn, nn.Module):
        found["loss"] = type(loss_fn).__name__
        public = {k: v for k, v in vars(loss_fn).items() if k[0] != "_" and k != "training"}
        found |= {f"loss {k}": v for k, v in (public | loss_fn._buffers).items()}
    else:
        found["loss"] = _function(loss_fn)
    found["batches in an epoch"] = length_of(loader)
    found["batch size"] = getattr(loader, "batch_size", None)
    found["order"] = ", ".join(type(s).__name__ for s in samplers(loader)) or getattr(
        loader, "shuffle", None
    )
    found["data set"] = data
    found["workers"] = getattr(loader, "num_workers", None)
    stateful = [type(c).__name__ for c in callbacks if has_state(c)]
    found["callbacks with a state"] = ", ".join(stateful)
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            found["early stopping"] = f"{callback.monitor}, {callback.mode}, {callback.min_delta}"
    named = {name: _function(v) if callable(v) else v for name, v in options.items()}
    return {name: _text(value) for name, value in (found | named).items()}


def describe_data(loader: Any) -> str:
    """Name the data set of a loader; see :func:`_data`. It is read, so once a run is enough."""
    return _data(getattr(loader, "dataset", loader))


def _data(dataset: Any) -> str:
    """Name a data set so that another split of the same size has another name.

    Of tensors the ends and the middle count: a whole data set is too long to read at each start.
    Examples that only a file or a function knows are not looked at.
    """
    name = type(dataset).__name__
    if parts := getattr(dataset, "datasets", None):
        return f"{name} of {', '.join(_data(part) for part in parts)}"
    if isinstance(dataset, Subset):
        chosen = fingerprint({"indices": [int(i) for i in dataset.indices]})
        return f"{name} ({chosen}) of {_data(dataset.dataset)}"
    tensors = [t for t in getattr(dataset, "tensors", ()) if len(t) and t.layout is torch.strided]
    if not tensors:
        return name
    seen: dict[str, Any] = {}
    for number, tensor in enumerate(tensors):
        rows = tensor.detach()[[0, len(tensor) // 2, -1]].cpu().contiguous()
        content = hashlib.sha256(rows.view(torch.uint8).numpy().tobytes()).hexdigest()
        seen[str(number)] = [str(tensor.dtype), list(tensor.shape), content]
    return f"{name} ({fingerprint(seen)})"


def _schedule(scheduler: Any, prefix: str) -> dict[str, Any]:
    """Return the settings of a scheduler and of those it is made of."""
    state = scheduler.state_dict()
    found = {f"{prefix} {k}": v for k, v in state.items() if not k.startswith("_")}
    for number, function in enumerate(getattr(scheduler, "lr_lambdas", ())):
        found[f"{prefix} lr_lambdas {number}"] = _function(function)
    for number, part in enumerate(getattr(scheduler, "_schedulers", ()), start=1):
        found[f"{prefix} {number}"] = type(part).__name__
        found |= _schedule(part, f"{prefix} {number}")
    return found


def _function(function: Any) -> str:
    """Name a function so that another code, or other fixed arguments, give another text."""
    if isinstance(function, functools.partial):
        fixed = {k: _text(v) for k, v in function.keywords.items()}
        return f"{_function(function.func)} with {fixed}"
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    if code is None:
        return name
    # The names of constants, but not inner code objects, whose text holds an address.
    plain_constants = [c for c in code.co_consts if not hasattr(c, "co_code")]
    content = {"code": code.co_code.hex(), "constants": repr(plain_constants)}
    return f"{name} ({fingerprint(content)})"


def hidden_generators(loader: Any) -> list[str]:
    """Return the parts of a loader that keep a random state which nobody can save.

    Looked at are the attributes of the loader's sampler, data set and transform, and what a
    transform has closed over.
    """
    found = []
    parts = [
        *samplers(loader),
        getattr(loader, "dataset", None),
        getattr(loader, "transform", None),
    ]
    own = {id(g) for g in loader_generators(loader)}
    for part in parts:
        closed = [cell.cell_contents for cell in getattr(part, "__closure__", None) or ()]
        for value in [*getattr(part, "__dict__", {}).values(), *closed]:
            kinds = (random.Random, np.random.Generator, np.random.RandomState)
            other = isinstance(value, torch.Generator) and id(value) not in own
            if isinstance(value, kinds) or other:
                found.append(getattr(part, "__name__", type(part).__name__))
    return found


def differences(
    given: Mapping[str, Any], at_start: Mapping[str, Any], at_end: Mapping[str, Any]
) -> list[str]:
    """Return one text for each common setting that is neither the file's first nor its last.

    A schedule moves the learning rate, so an optimiser that was already used may be given.

    Example:
        >>> differences({"lr": "0.1"}, {"lr": "0.5"}, {"lr": "0.2"})
        ['lr 0.5 there, 0.1 here']
    """
    return [
        f"{name} {at_start.get(name)} there, {given.get(name)} here"
        for name in given
        if name in at_start and given[name] not in (at_start[name], at_end.get(name))
    ]


def has_state(thing: Any) -> bool:
    """Tell whether an object can be saved and restored."""
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")


def fingerprint(found: Mapping[str, Any]) -> str:
    """Return a short name for settings.

    Example:
        >>> fingerprint({"lr": "0.1"}) == fingerprint({"lr": "0.2"})
        False
    """
    text = json.dumps(dict(found), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _text(value: Any) -> str:
    """Write a value so that equal settings of two programs have equal texts."""
    try:
        value = plain(value)
    except CheckpointError:
        return type(value).__name__
    if hasattr(value, "tolist"):
        value = value.tolist()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
