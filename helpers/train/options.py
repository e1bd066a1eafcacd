"""What ``fit`` is asked for: contradictions found before anything is moved, and the run's name.

A checkpoint keeps the settings of its run. When the same file meets other settings, ``fit`` can so
say which one differs, where it would otherwise go on with the old one in silence.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from helpers.train.callbacks import EarlyStopping
from helpers.train.checkpoint import CheckpointError, plain


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
    """Refuse a loader that can't be passed over as often as asked.

    Raises:
        ValueError: for an iterator, or workers that outlive an epoch beside a checkpoint.
    """
    if hasattr(loader, "__next__") and epochs > 1:
        raise ValueError(
            "the training loader is an iterator, which is used up after one epoch; pass a list, "
            "a DataLoader, or an object with __iter__"
        )
    if checkpoint is not None and getattr(loader, "persistent_workers", False):
        raise ValueError(
            "persistent workers keep random states that no checkpoint can hold, so a resumed run "
            "would not be the same; use persistent_workers=False"
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
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any,
    loader: Any,
    callbacks: Iterable[Any],
    **options: Any,
) -> dict[str, Any]:
    """Return what a run is known by, as flat plain values: ``{"optimizer": "SGD", ...}``.

    What may change when a run goes on (the number of epochs, the patience, what is printed) is
    not part of it.
    """
    found: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups):
        prefix = "" if len(optimizer.param_groups) == 1 else f"group {number}: "
        for name, value in group.items():
            if name not in ("params", "initial_lr"):
                found[f"{prefix}{name}"] = value
    found["scheduler"] = type(scheduler).__name__ if scheduler is not None else None
    if scheduler is not None:
        state = {k: v for k, v in scheduler.state_dict().items() if not k.startswith("_")}
        found |= {f"scheduler {name}": value for name, value in state.items()}
    if isinstance(loss_fn, nn.Module):
        found["loss"] = type(loss_fn).__name__
        public = {k: v for k, v in vars(loss_fn).items() if k[0] != "_" and k != "training"}
        found |= {f"loss {k}": v for k, v in (public | dict(loss_fn.named_buffers())).items()}
    else:
        found["loss"] = getattr(loss_fn, "__qualname__", type(loss_fn).__name__)
    found["batches in an epoch"] = length_of(loader)
    found["batch size"] = getattr(loader, "batch_size", None)
    stateful = [type(c).__name__ for c in callbacks if hasattr(c, "state_dict")]
    found["callbacks with a state"] = ", ".join(stateful)
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            found["early stopping"] = f"{callback.monitor}, {callback.mode}, {callback.min_delta}"
    return {name: _text(value) for name, value in (found | options).items()}


def differences(
    given: Mapping[str, Any], at_start: Mapping[str, Any], at_end: Mapping[str, Any]
) -> list[str]:
    """Return one text for each setting that is neither the file's first nor its last.

    A schedule moves the learning rate, so an optimiser that was already used may be given.

    Example:
        >>> differences({"lr": "0.1"}, {"lr": "0.5"}, {"lr": "0.2"})
        ['lr 0.5 there, 0.1 here']
    """
    return [
        f"{name} {at_start.get(name)} there, {given.get(name)} here"
        for name in dict.fromkeys([*given, *at_start])
        if given.get(name) not in (at_start.get(name), at_end.get(name))
    ]


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
