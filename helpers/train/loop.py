"""The training loop: one tested place for the order of the steps.

Zero the gradients, forward, loss, backward, (unscale, clip,) step, update: that order is written
here once. Everything else is bookkeeping around it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm

from helpers import env
from helpers.console import say
from helpers.data import TensorLoader
from helpers.train.callbacks import EVENTS, EarlyStopping, State
from helpers.train.checkpoint import (
    CheckpointError,
    apply_state,
    atomic_save,
    rng_state,
    safe_load,
    set_rng_state,
)
from helpers.train.history import History

Loss = Callable[[Any, Any], Tensor]
Metrics = Mapping[str, Any]
PRECISIONS: dict[str, torch.dtype | None] = {
    "fp32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of right classes, a 0-dimensional tensor.

    Args:
        logits: ``(N, C)`` or ``(N, C, ...)``.
        target: class indices, ``(N)`` or ``(N, ...)``.

    Raises:
        ValueError: if the shapes do not belong together.

    Example:
        >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        tensor(0.5000)
    """
    if logits.ndim < 2 or logits.shape[:1] + logits.shape[2:] != target.shape:
        raise ValueError(
            f"expected logits (N, C, ...) and target (N, ...), got {tuple(logits.shape)} "
            f"and {tuple(target.shape)}"
        )
    return (logits.argmax(dim=1) == target).float().mean()


def _to(value: Any, device: torch.device) -> Any:
    """Move a tensor, or every tensor in a tuple, list or dict."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, (tuple, list)):
        return type(value)(_to(v, device) for v in value)
    if isinstance(value, dict):
        return {key: _to(v, device) for key, v in value.items()}
    return value.to(device) if hasattr(value, "to") else value


def _forward(model: nn.Module, inputs: Any) -> Any:
    """Call the model; a tuple or list of inputs becomes several arguments."""
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def _count(target: Any) -> int:
    """Return the number of examples in a batch."""
    # The shape is several times cheaper to ask for than the length.
    return target.shape[0] if isinstance(target, Tensor) else len(target)


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        size = f" of length {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise ValueError(
            f"a batch must be a pair (inputs, target), got {type(batch).__name__}{size}; "
            "several inputs go into a tuple: ((x1, x2), target)"
        )
    return batch[0], batch[1]


def _update_metrics(metrics: Metrics, totals: dict[str, float], out: Any, y: Any, n: int) -> None:
    for name, metric in metrics.items():
        if hasattr(metric, "update"):
            metric.update(out, y)
        else:
            totals[name] = totals.get(name, 0.0) + float(metric(out, y)) * n


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Loss,
    *,
    device: torch.device | str | None = None,
    metrics: Metrics | None = None,
    precision: str = "fp32",
) -> dict[str, float]:
    """Measure loss and metrics in evaluation mode, without gradients.

    Args:
        model: its mode is restored afterwards.
        loader: batches ``(inputs, target)``.
        loss_fn: called with outputs and target; must return the mean over the batch.
        device: where to compute; default where the model is.
        metrics: name -> function of outputs and target that returns the mean over the batch,
            such as :func:`accuracy`, or an object with ``update``, ``compute`` and ``reset``,
            such as those of torchmetrics.
        precision: ``"fp32"``, or ``"bf16"`` or ``"fp16"`` for automatic mixed precision.

    Returns:
        ``{"loss": ..., name: ...}``: means weighted by examples, not by batches.

    Raises:
        ValueError: for an empty loader or a batch that is no pair.
    """
    device = _device_of(model) if device is None else torch.device(device)
    metrics = metrics or {}
    for metric in metrics.values():
        if hasattr(metric, "reset"):
            metric.reset()
    autocast = _autocast(device, precision)
    total_loss, count = 0.0, 0
    totals: dict[str, float] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for batch in loader:
                inputs, target = _pair(batch)
                inputs, target = _to(inputs, device), _to(target, device)
                with autocast():
                    outputs = _forward(model, inputs)
                    loss = loss_fn(outputs, target)
                n = _count(target)
                total_loss += float(loss) * n
                count += n
                _update_metrics(metrics, totals, outputs, target, n)
    finally:
        model.train(was_training)
    if count == 0:
        raise ValueError("the loader is empty: there is nothing to evaluate")
    result = {"loss": total_loss / count} | {k: v / count for k, v in totals.items()}
    for name, metric in metrics.items():
        if hasattr(metric, "compute"):
            result[name] = float(metric.compute())
    return result


def predict(
    model: nn.Module,
    inputs: Tensor | Iterable[Any],
    *,
    device: torch.device | str | None = None,
    batch_size: int = 512,
) -> Tensor:
    """Return the model's outputs for many inputs, on the CPU.

    Args:
        model: its mode is restored afterwards.
        inputs: a tensor ``(N, ...)``, or a loader of batches ``(inputs, target)``.
        device: where to compute; default where the model is.
        batch_size: examples at a time, for a tensor.

    Example:
        >>> predict(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """
    device = _device_of(model) if device is None else torch.device(device)
    batches: Iterable[Any]
    if isinstance(inputs, Tensor):
        batches = inputs.split(batch_size)
    else:
        batches = (_pair(batch)[0] for batch in inputs)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            outputs = [_forward(model, _to(x, device)).cpu() for x in batches]
    finally:
        model.train(was_training)
    return torch.cat(outputs).clone()


def _device_of(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _autocast(device: torch.device, precision: str) -> Callable[[], Any]:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {tuple(PRECISIONS)}, got {precision!r}")
    dtype = PRECISIONS[precision]
    if dtype is None:
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)


def _loader_generators(loader: Any) -> list[torch.Generator]:
    """Return the generators whose state decides a loader's order."""
    sampler = getattr(loader, "sampler", None)
    batch_sampler = getattr(loader, "batch_sampler", None)
    owners = (loader, sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
    found: list[torch.Generator] = []
    for owner in owners:
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and not any(generator is g for g in found):
            found.append(generator)
    return found


class _Processes:
    """The processes of a ``torchrun`` launch; one process without it.

    Every process draws the same batches and keeps its share of the rows, so that the global
    batch, and with it the result, does not depend on the number of processes.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            # Once for all calls of fit: a second group would meet the first one's addresses in
            # torchrun's store, and could wait for ever.
            atexit.register(dist.destroy_process_group)
        self.rank = dist.get_rank() if self.world > 1 else 0

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        if self.world == 1:
            return model
        return DistributedDataParallel(model, [device] if device.type == "cuda" else None)

    def share(self, inputs: Any, target: Any) -> tuple[Any, Any, float]:
        """Return this process's rows and their weight in the mean over the global batch."""
        total = _count(target)
        mine = len(range(self.rank, total, self.world))
        # A process without rows must still take part in the exchange of gradients.
        rows = slice(self.rank, None, self.world) if mine else slice(0, 1)

        def cut(value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return type(value)(cut(v) for v in value)
            if isinstance(value, dict):
                return {key: cut(v) for key, v in value.items()}
            return value[rows]

        return cut(inputs), cut(target), mine * self.world / total

    def mean_losses(self, losses: list[float]) -> list[float]:
        """Average the losses of all processes, each already weighted by its share."""
        if self.world == 1:
            return losses
        total = torch.tensor(losses, device=self.device)
        dist.all_reduce(total)
        return (total / self.world).tolist()

    def from_first(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Measure on the first process only, so that all take the same decisions from it."""
        box = [measure() if self.rank == 0 else None]
        if self.world > 1:
            dist.broadcast_object_list(box)
        assert box[0] is not None
        return box[0]


def _check_fit_options(
    epochs: int, accumulate: int, schedule: str, train_loader: Any, clip_norm: float | None
) -> None:
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if accumulate < 1:
        raise ValueError(f"accumulate must be at least 1, got {accumulate}")
    if accumulate > 1 and not hasattr(train_loader, "__len__"):
        raise ValueError("accumulate needs a loader with a length, to know its last group")
    if schedule not in ("epoch", "step"):
        raise ValueError(f"schedule must be 'epoch' or 'step', got {schedule!r}")
    if clip_norm is not None and clip_norm <= 0:
        raise ValueError(f"clip_norm must be positive, got {clip_norm}")


def fit(
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    loss_fn: Loss,
    optimizer: Optimizer,
    *,
    epochs: int,
    device: torch.device | str | None = None,
    scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    schedule: str = "epoch",
    metrics: Metrics | None = None,
    callbacks: Sequence[Any] = (),
    early_stopping: EarlyStopping | None = None,
    clip_norm: float | None = None,
    precision: str = "fp32",
    accumulate: int = 1,
    checkpoint: Path | str | None = None,
    checkpoint_every: int | None = None,
    resume: bool = True,
    verbose: int = 1,
    progress: bool | None = None,
) -> History:
    """Train a model and return what happened, epoch by epoch.

    There is no argument for test data, on purpose: test data must not take part in any choice.
    Under ``torchrun`` the same call trains on all processes; BatchNorm then sees each process's
    part of the batch.

    Args:
        model: moved to ``device``; left in training mode.
        train_loader: batches ``(inputs, target)``: a ``DataLoader``, a ``TensorLoader`` or any
            iterable. A tuple of inputs becomes several arguments of the model.
        val_loader: batches to evaluate on after each epoch, or None.
        loss_fn: called with outputs and target; must return the mean over the batch.
        optimizer: made for the model's parameters.
        epochs: passes over ``train_loader``.
        device: where to train; default where the model is.
        scheduler: learning-rate schedule; ``ReduceLROnPlateau`` is given the validation loss.
        schedule: step the scheduler after each ``"epoch"`` or after each optimiser ``"step"``.
        metrics: for the validation data, see :func:`evaluate`.
        callbacks: see :mod:`helpers.train.callbacks`.
        early_stopping: an :class:`EarlyStopping`; its best weights are restored at the end.
        clip_norm: largest total norm of the gradients.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` (automatic mixed precision).
        accumulate: batches whose gradients are averaged for one optimiser step.
        checkpoint: file that keeps the whole state after each epoch. Training goes on from it
            if it exists, bit for bit as if it had never stopped.
        checkpoint_every: also write it after every so many optimiser steps.
        resume: set to False to start anew although the checkpoint exists.
        verbose: print a line every so many epochs; 0 prints nothing.
        progress: show a bar; default only where a terminal or a notebook in the full profile
            is being watched, never in the regression run.

    Returns:
        A :class:`History` with ``epoch``, ``train_loss``, ``lr`` and, with validation data,
        ``val_loss`` and ``val_<metric>``. ``train_loss`` is the mean over the epoch, weighted
        by examples, while the weights change. Ctrl-C ends training and keeps the history.

    Raises:
        ValueError: for contradictory or unknown options, an empty loader, a loss that is no
            scalar.
        CheckpointError: if the checkpoint can't be read, written, or belongs to another model.

    Example:
        >>> x = torch.linspace(-1, 1, 64).unsqueeze(1)
        >>> loader = TensorLoader(x, 3 * x, batch_size=16)
        >>> model = nn.Linear(1, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> history = fit(model, loader, None, nn.functional.mse_loss, sgd, epochs=20, verbose=0)
        >>> history[-1]["train_loss"] < 1e-3
        True
    """
    _check_fit_options(epochs, accumulate, schedule, train_loader, clip_norm)
    device = _device_of(model) if device is None else torch.device(device)
    _autocast(device, precision)  # fail on an unknown precision before anything is moved
    model.to(device)
    processes = _Processes(device)
    loop = _Loop(
        model=model,
        network=processes.wrap(model, device),
        loss_fn=loss_fn,
        optimizer=optimizer,
        scheduler=scheduler,
        per_step=schedule == "step",
        processes=processes,
        device=device,
        precision=precision,
        clip_norm=clip_norm,
        accumulate=accumulate,
        callbacks=[*callbacks, *([early_stopping] if early_stopping else [])],
        checkpoint=Path(checkpoint) if checkpoint is not None else None,
        checkpoint_every=checkpoint_every,
        train_loader=train_loader,
        epochs=epochs,
    )
    try:
        if resume and loop.checkpoint is not None and loop.checkpoint.is_file():
            loop.restore()
        loop.run(val_loader, metrics or {}, verbose, _show_progress(progress))
    except KeyboardInterrupt:
        loop.state.history.interrupted = True
        say(f"interrupted in epoch {loop.state.epoch}; the history is kept")
    if early_stopping is not None:
        early_stopping.finish(model)
    return loop.state.history


def _show_progress(progress: bool | None) -> bool:
    if progress is not None:
        return progress
    return os.environ.get("COURSE_PROGRESS", "1") != "0" and env.profile() == "full"


class _Loop:
    """The state of one call of :func:`fit`."""

    def __init__(
        self,
        *,
        model: nn.Module,
        network: nn.Module,
        loss_fn: Loss,
        optimizer: Optimizer,
        scheduler: LRScheduler | ReduceLROnPlateau | None,
        per_step: bool,
        processes: _Processes,
        device: torch.device,
        precision: str,
        clip_norm: float | None,
        accumulate: int,
        callbacks: list[Any],
        checkpoint: Path | None,
        checkpoint_every: int | None,
        train_loader: Iterable[Any],
        epochs: int,
    ) -> None:
        self.network = network  # the model, or its wrapper that exchanges gradients
        self.loss_fn = loss_fn
        self.scheduler = scheduler
        self.per_step = per_step
        self.processes = processes
        self.precision = precision
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.loader = train_loader
        self.state = State(model, optimizer, device, epochs, History())
        # fp16 has a narrow range: the scaler keeps small gradients from becoming zero.
        self.scaler = torch.amp.GradScaler(device.type) if precision == "fp16" else None
        self.generators = _loader_generators(train_loader)
        self.handlers: dict[str, list[Any]] = {event: [] for event in EVENTS}
        for callback in callbacks:
            named = [event for event in EVENTS if hasattr(callback, event)]
            for event in named:
                self.handlers[event].append(getattr(callback, event))
            if not named:  # a plain function
                self.handlers["epoch_end"].append(callback)
        self.losses: list[Tensor | float] = []  # of the epoch in progress
        self.sizes: list[int] = []
        self.epoch_rng: dict[str, Any] = {}
        self.epoch_lr = 0.0

    def call(self, event: str) -> None:
        for handler in self.handlers[event]:
            handler(self.state)

    # -- one epoch ---------------------------------------------------------------------------

    def batches(self) -> Iterator[Any]:
        """Iterate over the epoch; after a resume in mid-epoch, over the rest of it."""
        done = len(self.losses)
        if done == 0:
            if self.checkpoint is not None:
                self.epoch_rng = rng_state(self.generators)
            return iter(self.loader)
        here = rng_state(self.generators)
        # Draw the epoch's order again, pass over what was trained on, then go on from here.
        set_rng_state(self.epoch_rng, self.generators)
        if isinstance(self.loader, TensorLoader) and self.loader.transform is None:
            rest = self.loader.batches(skip=done)
            first = next(rest, None)  # a generator draws its order only when it is started
            rest = _chain(first, rest)
        else:
            rest = iter(self.loader)
            for _ in range(done):
                next(rest)
        set_rng_state(here, self.generators)
        return rest

    def run_epoch(self, bar: Any) -> None:
        """Train for one epoch. Local names keep the cost of a step down."""
        state, network, loss_fn = self.state, self.network, self.loss_fn
        optimizer, device, scaler = state.optimizer, state.device, self.scaler
        processes, accumulate = self.processes, self.accumulate
        distributed = processes.world > 1
        autocast = None if self.precision == "fp32" else _autocast(device, self.precision)
        move = device.type != "cpu"
        batch_end = bool(self.handlers["batch_end"])
        every = self.checkpoint_every if self.checkpoint is not None else None
        losses, sizes = self.losses, self.sizes
        n_batches = len(self.loader) if accumulate > 1 else 0  # type: ignore[arg-type]
        weight = 1.0
        network.train()
        for batch in self.batches():
            inputs, target = _pair(batch)
            n = _count(target)
            if distributed:
                inputs, target, weight = processes.share(inputs, target)
            if move:
                inputs, target = _to(inputs, device), _to(target, device)
            index = len(losses)
            if index % accumulate == 0:
                optimizer.zero_grad()
            if autocast is None:
                outputs = (
                    network(inputs) if isinstance(inputs, Tensor) else _forward(network, inputs)
                )
                loss = loss_fn(outputs, target)
            else:
                with autocast():
                    outputs = _forward(network, inputs)
                    loss = loss_fn(outputs, target)
            if index == 0 and loss.ndim != 0:
                raise ValueError(
                    "the loss must be one number, the mean over the batch, got shape "
                    f"{tuple(loss.shape)}; use reduction='mean'"
                )
            if distributed:
                loss = loss * weight
            # What is reported is never scaled; what is differentiated may be. Reading a number
            # is free on the CPU; on an accelerator it would wait for the device in every step.
            losses.append(loss.detach() if move else loss.item())
            sizes.append(n)
            if batch_end:
                state.loss = loss.detach()
            last_of_group = True
            if accumulate > 1:
                start = index - index % accumulate
                loss = loss / min(accumulate, n_batches - start)
                last_of_group = index + 1 in (start + accumulate, n_batches)
            if scaler is None:
                loss.backward()
            else:
                scaler.scale(loss).backward()
            state.step += 1
            if last_of_group:
                self.update()
            if batch_end:
                self.call("batch_end")
            if bar is not None:
                bar.update()
            if every and last_of_group and (state.step // accumulate) % every == 0:
                self.save()
        if not losses:
            raise ValueError("the training loader is empty")

    def update(self) -> None:
        """Unscale, clip, step, update: the order that is easy to get wrong."""
        optimizer, scaler = self.state.optimizer, self.scaler
        if self.clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.state.model.parameters(), self.clip_norm)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        if self.scheduler is not None and self.per_step:
            self.scheduler.step()

    # -- all epochs --------------------------------------------------------------------------

    def run(
        self, val_loader: Iterable[Any] | None, metrics: Metrics, verbose: int, progress: bool
    ) -> None:
        """Train until the last epoch, or until a callback asks to stop."""
        state = self.state
        quiet = self.processes.rank != 0
        while len(state.history) < state.epochs and not state.stop:
            state.epoch = len(state.history) + 1
            if not self.losses:
                self.epoch_lr = float(state.optimizer.param_groups[0]["lr"])
                self.call("epoch_start")
            bar = None
            if progress and not quiet:
                # A bar appears only when an epoch takes long enough to wait for.
                total = len(self.loader) if isinstance(self.loader, Sized) else None
                bar = tqdm(total=total, desc=f"epoch {state.epoch}", delay=3, leave=False)
            try:
                self.run_epoch(bar)
            finally:
                if bar is not None:
                    bar.close()
            losses = self.processes.mean_losses(self.losses_so_far())
            weighted = sum(loss * size for loss, size in zip(losses, self.sizes, strict=True))
            state.logs = {
                "epoch": state.epoch,
                "train_loss": weighted / sum(self.sizes),
                "lr": self.epoch_lr,
            }
            if val_loader is not None:
                measured = self.processes.from_first(
                    lambda: evaluate(
                        state.model,
                        val_loader,
                        self.loss_fn,
                        device=state.device,
                        metrics=metrics,
                        precision=self.precision,
                    )
                )
                state.logs |= {f"val_{name}": value for name, value in measured.items()}
            self.step_scheduler()
            self.call("epoch_end")
            state.history.append(state.logs)
            self.losses, self.sizes = [], []
            if verbose and not quiet and (state.epoch % verbose == 0 or state.stop):
                numbers = (f"{k} {v:.4g}" for k, v in state.logs.items() if k != "epoch")
                say(f"epoch {state.epoch:>3}: {', '.join(numbers)}")
            if self.checkpoint is not None:
                self.save()

    def losses_so_far(self) -> list[float]:
        """Return the losses of the epoch in progress; from an accelerator in one copy."""
        numbers = [loss for loss in self.losses if not isinstance(loss, Tensor)]
        tensors = [loss for loss in self.losses if isinstance(loss, Tensor)]
        # Numbers come first: they were read from a checkpoint, or all were made on the CPU.
        return numbers + (torch.stack(tensors).tolist() if tensors else [])

    def step_scheduler(self) -> None:
        """Step a scheduler that works by epochs."""
        if self.scheduler is None or self.per_step:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if "val_loss" not in self.state.logs:
                raise ValueError("ReduceLROnPlateau needs validation data: pass val_loader")
            self.scheduler.step(self.state.logs["val_loss"])
        else:
            self.scheduler.step()

    # -- checkpoints -------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything that the rest of the run depends on."""
        if self.processes.rank != 0 or self.checkpoint is None:
            return
        state = self.state
        atomic_save(
            {
                "model": state.model.state_dict(),
                "optimizer": state.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict() if self.scheduler else None,
                "scaler": self.scaler.state_dict() if self.scaler else None,
                "callbacks": [
                    c.state_dict() if hasattr(c, "state_dict") else None for c in self.callbacks
                ],
                "history": list(state.history),
                "step": state.step,
                "stop": state.stop,
                "losses": self.losses_so_far(),
                "sizes": self.sizes,
                "epoch_rng": self.epoch_rng,
                "epoch_lr": self.epoch_lr,
                "rng": rng_state(self.generators),
            },
            self.checkpoint,
        )

    def restore(self) -> None:
        """Take up where :meth:`save` left off."""
        assert self.checkpoint is not None
        content = safe_load(self.checkpoint)
        state, name = self.state, self.checkpoint.name
        required = {"model", "optimizer", "scheduler", "scaler", "callbacks", "history", "rng"}
        if missing := required - content.keys():
            raise CheckpointError(
                f"{name} is no checkpoint of fit (it lacks {sorted(missing)}); "
                "use another file or pass resume=False"
            )
        apply_state(state.model, content["model"], f"{name} does not fit the model")
        apply_state(state.optimizer, content["optimizer"], f"{name} does not fit the optimiser")
        for target, key in ((self.scheduler, "scheduler"), (self.scaler, "scaler")):
            if (target is None) != (content[key] is None):
                raise CheckpointError(
                    f"{name} was written {'with' if content[key] else 'without'}"
                    f" a {key}; pass resume=False to start anew"
                )
            if target is not None:
                target.load_state_dict(content[key])
        if len(self.callbacks) != len(content["callbacks"]):
            raise CheckpointError(f"{name} was written with {len(content['callbacks'])} callbacks")
        for callback, saved in zip(self.callbacks, content["callbacks"], strict=True):
            if saved is not None:
                callback.load_state_dict(saved)
        state.history[:] = content["history"]
        state.step, state.stop = content["step"], content["stop"]
        self.losses[:], self.sizes = content["losses"], content["sizes"]
        self.epoch_rng, self.epoch_lr = content["epoch_rng"], content["epoch_lr"]
        set_rng_state(content["rng"], self.generators)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
    yield from rest
