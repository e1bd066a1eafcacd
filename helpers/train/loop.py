"""``fit``: what the training loop is asked for, and what it answers."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from helpers import env
from helpers.console import say
from helpers.train.batch import Loss, StepFunction, device_of, supervised
from helpers.train.callbacks import EVENTS, EarlyStopping, State, reset
from helpers.train.engine import Loop
from helpers.train.history import History
from helpers.train.measure import Metrics, autocast
from helpers.train.options import (
    check_callbacks,
    check_loader,
    check_monitors,
    check_numbers,
    check_optimizer,
    check_options,
    check_scheduler,
    describe_data,
    settings,
)
from helpers.train.processes import Processes as _Processes
from helpers.train.resume import Saved
from helpers.train.rng import loader_generators


def fit(
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    loss_fn: Loss | None,
    optimizer: Optimizer,
    *,
    epochs: int,
    device: torch.device | str | None = None,
    scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    schedule: str = "epoch",
    monitor: str = "val_loss",
    metrics: Metrics | None = None,
    callbacks: Sequence[Any] = (),
    early_stopping: EarlyStopping | None = None,
    clip_norm: float | None = None,
    precision: str = "fp32",
    accumulate: int = 1,
    step: StepFunction = supervised,
    checkpoint: Path | str | None = None,
    checkpoint_every: int | None = None,
    keep: Mapping[str, Any] | None = None,
    resume: bool = True,
    verbose: int = 1,
    progress: bool | None = None,
) -> History:
    """Train a model and return what happened, epoch by epoch.

    There is no argument for test data, on purpose: test data must not take part in any choice.

    Under ``torchrun`` the same call trains on all processes: each draws the same batches and
    trains on its share of the examples. Without dropout and BatchNorm, which work on each
    process's share by itself, the result does not depend on the number of processes. A loader with
    a ``DistributedSampler`` is taken as it is: its batches are then those of one process.

    Args:
        model: moved to ``device``; left in training mode.
        train_loader: batches ``(inputs, target)``: a ``DataLoader``, a ``TensorLoader`` or any
            iterable. A tuple of inputs becomes several arguments of the model, a dict becomes
            keyword arguments.
        val_loader: batches to evaluate on after each epoch, or None.
        loss_fn: called with outputs and target; must return the mean over the batch, or a pair
            of the mean and what it averaged over, such as the number of tokens. Of PyTorch's own
            losses that is known. None where ``step`` needs no loss function.
        optimizer: made for the model's parameters.
        epochs: passes over ``train_loader``.
        device: where to train; default where the model is.
        scheduler: learning-rate schedule.
        schedule: step the scheduler after each ``"epoch"`` or after each optimiser ``"step"``.
        monitor: the column of the history that ``ReduceLROnPlateau`` is given.
        metrics: for the validation data, see :func:`evaluate`.
        callbacks: see :mod:`helpers.train.callbacks`.
        early_stopping: an :class:`EarlyStopping`; its best weights are restored at the end.
        clip_norm: largest total norm of the gradients of the optimiser's parameters.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` (automatic mixed precision).
        accumulate: batches that are joined for one optimiser step, each weighted by what its
            loss averaged over, as if they were one batch.
        step: takes a batch through the model; see :func:`supervised` for what it may do.
        checkpoint: file that keeps the whole state after each epoch. Training goes on from it
            if it exists, bit for bit as if it had never stopped, provided that what the loader
            hands out depends on nothing but random numbers that can be saved. A file of a run
            with other settings is put aside under a name of its own, with a line that says what
            differs.
        checkpoint_every: also write it after every so many optimiser steps.
        keep: more objects with ``state_dict`` and ``load_state_dict`` that belong to the run,
            such as the second optimiser of a GAN, by name; saved and restored with it. Under
            ``torchrun`` only the gradients of ``model`` are exchanged.
        resume: set to False to start anew although the checkpoint exists.
        verbose: print a line every so many epochs; 0 prints nothing.
        progress: show a bar; default in the full profile, where a terminal or a notebook can
            show it and COURSE_PROGRESS is not 0.

    Returns:
        A :class:`History` with ``epoch``, ``train_loss``, ``lr`` and, with validation data,
        ``val_loss`` and ``val_<metric>``; with several parameter groups also ``lr/1``, ….
        ``train_loss`` is the mean over the epoch while the weights change. Ctrl-C ends training
        and keeps the history.

    Raises:
        ValueError: for contradictory or unknown options, an empty loader, a loss that is no
            scalar, an optimiser of another model.
        CheckpointError: if the checkpoint can't be read, written, or belongs to another model,
            device or number of processes; nothing is changed then.

    Example:
        >>> from helpers.data import TensorLoader
        >>> x = torch.linspace(-1, 1, 64).unsqueeze(1)
        >>> loader = TensorLoader(x, 3 * x, batch_size=16)
        >>> model = nn.Linear(1, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> history = fit(model, loader, None, nn.functional.mse_loss, sgd, epochs=20, verbose=0)
        >>> history[-1]["train_loss"] < 1e-3
        True
    """
    check_numbers(epochs=epochs, accumulate=accumulate)
    check_options(
        schedule=schedule,
        clip_norm=clip_norm,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    check_optimizer(model, optimizer)
    check_scheduler(scheduler, optimizer)
    for loader in (train_loader, val_loader):
        check_loader(loader, epochs, checkpoint)
    all_callbacks = [*callbacks, *([early_stopping] if early_stopping else [])]
    check_callbacks(all_callbacks, EVENTS)
    metrics = metrics or {}
    check_monitors(
        scheduler, schedule, monitor, all_callbacks, metrics, has_validation=val_loader is not None
    )
    device = device_of(model) if device is None else torch.device(device)
    autocast(device, precision)  # fail on an unknown precision before anything is moved
    model.to(device)
    if isinstance(loss_fn, nn.Module):
        loss_fn.to(device)
    processes = _Processes(device, loader_generators(train_loader, val_loader))
    loop = Loop(
        State(model, optimizer, device, epochs, History()),
        train_loader,
        loss_fn,
        step,
        processes,
        scheduler=scheduler,
        schedule=schedule,
        monitor=monitor,
        precision=precision,
        clip_norm=clip_norm,
        accumulate=accumulate,
        callbacks=all_callbacks,
    )
    if checkpoint is not None:
        describe = functools.partial(
            settings,
            model=model,
            loss_fn=loss_fn,
            optimizer=optimizer,
            scheduler=scheduler,
            loader=train_loader,
            data=describe_data(train_loader),
            callbacks=all_callbacks,
            schedule=schedule,
            precision=precision,
            clip_norm=clip_norm,
            accumulate=accumulate,
            step=step,
            monitor=monitor,
            keep=", ".join(sorted(keep or {})),
        )
        loop.saved = Saved(Path(checkpoint), loop, describe, keep or {})
        loop.save_every = checkpoint_every
    taken_up = loop.saved is not None and resume and loop.saved.restore(quiet=not verbose)
    if not taken_up:
        reset(all_callbacks)
    try:
        loop.run(val_loader, metrics, verbose, _show_progress(progress))
    except KeyboardInterrupt:
        loop.state.history.interrupted = True
        if loop.saved is not None:
            loop.saved.leave()
        say(f"interrupted in epoch {loop.state.epoch}; the history is kept")
    processes.return_random_state()
    for callback in all_callbacks:
        if hasattr(callback, "finish"):
            callback.finish(model)
    return loop.state.history


def _show_progress(progress: bool | None) -> bool:
    if progress is not None:
        return progress
    if os.environ.get("COURSE_PROGRESS", "1") == "0" or env.profile() != "full":
        return False
    return sys.stderr.isatty() or "ipykernel" in sys.modules
