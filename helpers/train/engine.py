"""One run of training: the order of the steps, written once.

Zero the gradients, forward, loss, backward, (unscale, clip,) step, update. Everything else is
bookkeeping around it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm

from helpers.console import say
from helpers.data import TensorLoader
from helpers.train.batch import Loss, Step, StepFunction, to_device
from helpers.train.callbacks import EVENTS, State
from helpers.train.checkpoint import CheckpointError
from helpers.train.measure import Metrics, autocast, measure
from helpers.train.options import length_of
from helpers.train.processes import Processes
from helpers.train.resume import Saved
from helpers.train.rng import rng_state, samplers, set_generators, set_rng_state
from helpers.train.weights import RunningMean, number


class Loop:
    """The state of one call of :func:`fit`."""

    def __init__(
        self,
        state: State,
        train_loader: Iterable[Any],
        loss_fn: Loss | None,
        step: StepFunction,
        processes: Processes,
        *,
        scheduler: LRScheduler | ReduceLROnPlateau | None,
        schedule: str,
        monitor: str,
        precision: str,
        clip_norm: float | None,
        accumulate: int,
        callbacks: list[Any],
    ) -> None:
        self.state = state
        self.loader = train_loader
        self.loss_fn = loss_fn
        self.step = step
        self.processes = processes
        self.network: nn.Module = state.model  # wrapped when training starts
        self.scheduler = scheduler
        self.schedule = schedule
        self.monitor = monitor
        self.precision = precision
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        self.callbacks = callbacks
        self.saved: Saved | None = None
        self.save_every: int | None = None
        # fp16 has a narrow range: the scaler keeps small gradients from becoming zero.
        self.scaler = torch.amp.GradScaler(state.device.type) if precision == "fp16" else None
        self.handlers: dict[str, list[Any]] = {event: [] for event in EVENTS}
        for callback in callbacks:
            named = [event for event in EVENTS if hasattr(callback, event)]
            for event in named:
                self.handlers[event].append(getattr(callback, event))
            if not named:  # a plain function
                self.handlers["epoch_end"].append(callback)
        self.updates = 0  # optimiser steps since the start of training
        self.done = 0  # batches of the epoch in progress
        self.mean = RunningMean()  # of their losses
        # Of the group of batches that is being joined: the scale of their weights, and their sum.
        self.scale = 1.0
        self.group: Any = 0.0
        self.epoch_rng: dict[str, Any] = {}
        self.epoch_lr: list[float] = []

    def call(self, event: str) -> None:
        """Call what the callbacks have for an event."""
        for handler in self.handlers[event]:
            handler(self.state)

    # -- one epoch ---------------------------------------------------------------------------

    def batches(self) -> Iterator[Any]:
        """Iterate over the epoch; after a resume in mid-epoch, over the rest of it."""
        processes, done = self.processes, self.done
        for sampler in samplers(self.loader):
            if hasattr(sampler, "set_epoch"):  # else a DistributedSampler repeats its first order
                sampler.set_epoch(self.state.epoch - 1)
        if done == 0:
            if self.saved is not None:
                self.epoch_rng = self.draws()
            return processes.draw(self.loader)
        here = self.draws()
        # Draw the epoch's order again, pass over what was trained on, then go on from here.
        self.set_draws(self.epoch_rng)
        if (
            processes.world == 1
            and isinstance(self.loader, TensorLoader)
            and self.loader.transform is None
        ):
            rest = self.loader.batches(skip=done)
            # A generator draws its order only when it is started.
            rest = itertools.chain(list(itertools.islice(rest, 1)), rest)
        else:
            rest = processes.draw(self.loader)
            for _ in range(done):
                if next(rest, None) is None:
                    raise CheckpointError(
                        f"the run had trained on {done} batches of the epoch, the loader has fewer "
                        "now; give it the same data, or pass resume=False"
                    )
        self.set_draws(here)
        return rest

    def draws(self) -> dict[str, Any]:
        """Return the random state that the order of the examples depends on."""
        return self.processes.draws or rng_state(self.processes.generators, self.state.device)

    def set_draws(self, state: dict[str, Any]) -> None:
        """Put that random state back."""
        if self.processes.world > 1:
            self.processes.draws = state
            set_generators(state, self.processes.generators)
        else:
            set_rng_state(state, self.processes.generators, self.state.device)

    def run_epoch(self, bar: Any) -> None:
        """Train for one epoch. Local names keep the cost of a step down."""
        state, network, loss_fn, step = self.state, self.network, self.loss_fn, self.step
        optimizer, device, scaler = state.optimizer, state.device, self.scaler
        processes, accumulate, add = self.processes, self.accumulate, self.mean.add
        distributed = processes.world > 1
        joined = distributed or accumulate > 1
        context = autocast(device, self.precision)
        cast = self.precision != "fp32"
        move = device.type != "cpu"
        plain = not joined and scaler is None and self.clip_norm is None
        plain = plain and (self.scheduler is None or self.schedule != "step")
        batch_end = bool(self.handlers["batch_end"])
        every = self.save_every
        mine, total = 1, 0
        for batch in self.batches():
            if distributed:
                batch, mine, total = processes.own_part(batch, self.loader)
            if move:
                batch = to_device(batch, device)
            if self.done % accumulate == 0:
                optimizer.zero_grad()
            if cast:
                with context():
                    result = step(network, batch, loss_fn)
            else:
                result = step(network, batch, loss_fn)
            if not isinstance(result, Step) or result.loss is None:
                raise TypeError("a step of training must return a Step with a loss")
            loss = result.loss
            # What is reported is never scaled; what is differentiated may be. Reading a number
            # is free on the CPU; on an accelerator it would wait for the device in every step.
            if mine:
                add(loss.detach() if move else loss.item(), result.weight)
            if batch_end:
                state.loss = loss.detach()
            if joined:
                loss = self.weigh(result, mine, total) if distributed else self.weigh(result)
            del result  # its outputs would be held in memory until the next forward pass is over
            if scaler is None:
                loss.backward()
            else:
                scaler.scale(loss).backward()
            state.step += 1
            self.done += 1
            last_of_group = self.done % accumulate == 0
            if plain:  # the whole of update(), where it has nothing else to do
                optimizer.step()
                self.updates += 1
            elif last_of_group:
                self.update()
            if batch_end:
                self.call("batch_end")
            if bar is not None:
                bar.update()
            if every and last_of_group and self.updates % every == 0:
                self.save()
        if not self.done:
            raise ValueError("the training loader is empty")
        if self.done % accumulate:
            self.update()

    def weigh(self, result: Step, mine: int = 1, total: int = 0) -> Tensor:
        """Return the loss of a batch with its weight in the group that is joined.

        The gradients of the group are divided by the sum of the weights in :meth:`update`.

        Args:
            result: of the step.
            mine: the examples of this process.
            total: the examples of all processes.
        """
        loss = result.loss
        assert loss is not None
        if self.done % self.accumulate == 0:
            # Only the ratios of the weights count; numbers near 1 suit half precision.
            self.group, self.scale = 0.0, 1.0 / max(1, total or result.rows)
        weight = number(result.weight) * self.scale if mine else 0.0
        # In half precision a sum of many weights would stop to grow.
        dtype = torch.promote_types(loss.dtype, torch.float32)
        share = torch.as_tensor(weight, dtype=dtype, device=loss.device)
        self.group = self.group + share.detach()
        if share.device.type == "cpu" and not share > 0:
            # The mean over nothing is NaN, and so would be its gradient. The outputs lead to the
            # same parameters, which must take part in an exchange.
            parts = [t for t in _tensors(result.outputs) if t.requires_grad]
            return sum((t.sum() * 0.0 for t in parts), loss.new_zeros(()).requires_grad_())
        return torch.where(share > 0, loss * share, 0.0)

    def update(self) -> None:
        """Unscale, weigh, clip, step, update: the order that is easy to get wrong."""
        optimizer, scaler, processes = self.state.optimizer, self.scaler, self.processes
        step_schedule = self.scheduler is not None and self.schedule == "step"
        if self.clip_norm is not None or processes.world > 1 or self.accumulate > 1:
            if scaler is not None:
                scaler.unscale_(optimizer)
            held = [p for group in optimizer.param_groups for p in group["params"]]
            if processes.world > 1 or self.accumulate > 1:
                whole = self.group
                if processes.world > 1:  # the exchange took the mean over the processes
                    whole = processes.sums([float(whole)])[0] / processes.world
                whole = torch.as_tensor(whole)
                whole = torch.where(whole > 0, whole, 1.0)
                for parameter in held:
                    if parameter.grad is not None:
                        parameter.grad.div_(whole)
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(held, self.clip_norm)
        if scaler is None:
            optimizer.step()
        else:
            # A step whose gradients are not finite is left out, and lowers the scale.
            before = scaler.get_scale() if step_schedule else 0.0
            scaler.step(optimizer)
            scaler.update()
            step_schedule = step_schedule and scaler.get_scale() >= before
        self.updates += 1
        if step_schedule:
            self.scheduler.step()  # type: ignore

    # -- all epochs --------------------------------------------------------------------------

    def run(
        self, val_loader: Iterable[Any] | None, metrics: Metrics, verbose: int, progress: bool
    ) -> None:
        """Train until the last epoch, or until a callback asks to stop."""
        state, processes = self.state, self.processes
        quiet = processes.rank != 0
        trained = {name for name, p in state.model.named_parameters() if p.requires_grad}
        self.network = processes.wrap(state.model)
        if processes.world > 1:
            own = {id(p) for p in state.model.parameters()}
            groups = state.optimizer.param_groups
            if any(id(p) not in own for group in groups for p in group["params"]):
                raise ValueError(
                    "under torchrun only the model's gradients are exchanged, but the optimiser "
                    "holds other parameters, too: make them a part of the model"
                )
        # An epoch that was begun is ended, even if somebody has asked to stop.
        while len(state.history) < state.epochs and (self.done or not state.stop):
            state.epoch = len(state.history) + 1
            if self.done == 0:
                self.network.train()
                self.epoch_lr = [float(group["lr"]) for group in state.optimizer.param_groups]
                self.call("epoch_start")
            if processes.world > 1:
                now = {name for name, p in state.model.named_parameters() if p.requires_grad}
                if now != trained:
                    raise ValueError(
                        "under torchrun the trainable parameters are fixed when fit starts "
                        f"({sorted(now ^ trained)[:3]} changed); call fit once for each phase"
                    )
            bar = None
            if progress and not quiet:
                # A bar appears only when an epoch takes long enough to wait for.
                length = length_of(self.loader)
                bar = tqdm(total=length, desc=f"epoch {state.epoch}", delay=3, leave=False)
            try:
                self.run_epoch(bar)
            finally:
                if bar is not None:
                    bar.close()
            total, weight = processes.sums(list(self.mean.sums()))
            state.logs = {
                "epoch": state.epoch,
                "train_loss": total / weight if weight else float("nan"),
                "lr": self.epoch_lr[0],
            }
            state.logs |= {f"lr/{i}": lr for i, lr in enumerate(self.epoch_lr) if i}
            if val_loader is not None:
                measured = measure(
                    state.model,
                    val_loader,
                    self.loss_fn,
                    metrics,
                    processes,
                    precision=self.precision,
                    step=self.step,
                )
                state.logs |= {f"val_{name}": value for name, value in measured.items()}
            self.step_scheduler()
            self.call("epoch_end")
            state.stop = any(processes.gather(state.stop))
            state.history.append(state.logs)
            self.done, self.mean = 0, RunningMean()
            if verbose and not quiet and (state.epoch % verbose == 0 or state.stop):
                shown = (f"{k} {_short(v)}" for k, v in state.logs.items() if k != "epoch")
                say(f"epoch {state.epoch:>3}: {', '.join(shown)}")
            self.save()

    def step_scheduler(self) -> None:
        """Step a scheduler that works by epochs."""
        if self.scheduler is None or self.schedule == "step":
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            if self.monitor not in self.state.logs:
                raise ValueError(
                    f"ReduceLROnPlateau watches {self.monitor!r}; the epoch has "
                    f"{sorted(self.state.logs)}"
                )
            self.scheduler.step(self.state.logs[self.monitor])
        else:
            self.scheduler.step()

    def save(self) -> None:
        """Write the checkpoint, if there is one."""
        if self.saved is not None:
            self.saved.write()


def _short(value: Any) -> str:
    """Write what stands in a history: a number, or what a callback added."""
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in the outputs of a model."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
