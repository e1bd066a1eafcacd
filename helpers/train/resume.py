"""The checkpoint of a run: what it holds, whether it belongs to this run, how it is taken up."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from helpers.console import say
from helpers.train.callbacks import EarlyStopping, reset
from helpers.train.checkpoint import (
    PARTS,
    CheckpointError,
    UnsavedBuffers,
    all_or_nothing,
    apply_state,
    atomic_save,
    bare,
    check_writable,
    safe_load,
)
from helpers.train.options import differences, fingerprint, has_state
from helpers.train.rng import rng_state, set_rng_state

if TYPE_CHECKING:
    from helpers.train.engine import Loop

# How interrupted runs were left, by their optimiser: rates that stand in no file.
_left: WeakKeyDictionary[Optimizer, tuple[Any, Any]] = WeakKeyDictionary()
_KEYS = {
    *("model", "optimizer", "settings", "settings now", "changeable", "device", "each process"),
    *("history", "step", "updates", "done", "stop", "epoch_rng", "epoch_lr"),
    *("evaluating", "frozen"),
}
_REMEDY = " or pass resume=False"


class Saved:
    """The file of one call of ``fit``.

    Args:
        path: the file.
        loop: the loop whose state it keeps.
        describe: returns the settings of the run as they are now.
        keep: the caller's own objects that belong to the run.
    """

    def __init__(
        self,
        path: Path,
        loop: Loop,
        describe: Callable[[], dict[str, Any]],
        keep: Mapping[str, Any],
    ) -> None:
        self.path = path
        self.loop = loop
        self.describe = describe
        self.settings = describe()  # as they were when the run started
        self.model = bare(loop.state.model)  # all names in the file are of this one
        self.parts: dict[str, Any] = {
            "model": self.model,
            "optimizer": loop.state.optimizer,
        }
        if (buffers := UnsavedBuffers(self.model)).places:
            self.parts["buffers outside the state_dict"] = buffers
        if loop.scheduler is not None:
            self.parts["scheduler"] = loop.scheduler
        if loop.scaler is not None:
            self.parts["scaler"] = loop.scaler
        stateful = [c for c in loop.callbacks if has_state(c)]
        for number, callback in enumerate(stateful, start=1):
            self.parts[f"callback {number} ({type(callback).__name__})"] = callback
        if isinstance(loop.loss_fn, nn.Module) and loop.loss_fn.state_dict():
            self.parts["loss"] = loop.loss_fn
        for name, thing in keep.items():
            if not has_state(thing):
                raise ValueError(f"keep[{name!r}] has no state_dict and load_state_dict")
            self.parts[f"keep {name}"] = thing
        if loop.processes.rank == 0:
            check_writable(path)  # now, not after the first epoch

    # -- write -------------------------------------------------------------------------------

    def write(self) -> None:
        """Write everything that the rest of the run depends on.

        Raises:
            CheckpointError: if it can't be written; on every process.
        """
        loop, state, processes = self.loop, self.loop.state, self.loop.processes
        each = processes.gather(
            {
                "random": rng_state(processes.generators, state.device),
                "draws": processes.draws,
                "loss": list(loop.mean.sums()),
            }
        )
        problem = ""
        if processes.rank == 0:
            content = {
                **{name: part.state_dict() for name, part in self.parts.items()},
                "settings": self.settings,
                "settings now": self.describe(),
                "changeable": self.changeable(),
                "device": state.device.type,
                "versions": {"torch": str(torch.__version__)},
                "each process": each,
                "history": list(state.history),
                "step": state.step,
                "updates": loop.updates,
                "done": loop.done,
                "stop": state.stop,
                "epoch_rng": loop.epoch_rng,
                "epoch_lr": loop.epoch_lr,
                "evaluating": [n for n, m in self.model.named_modules() if not m.training],
                "frozen": [n for n, p in self.model.named_parameters() if not p.requires_grad],
            }
            try:
                atomic_save(content, self.path)
            except CheckpointError as error:
                if processes.world == 1:
                    raise
                problem = str(error)
        if problem := processes.from_first(problem):
            raise CheckpointError(problem)

    def changeable(self) -> dict[str, Any]:
        """Return the settings that a run may change when it goes on."""
        found: dict[str, Any] = {"epochs": self.loop.state.epochs}
        for callback in self.loop.callbacks:
            if isinstance(callback, EarlyStopping):
                found["patience"] = callback.patience
        return found

    # -- read --------------------------------------------------------------------------------

    def leave(self) -> None:
        """Remember how a run was left, so that the same cell, run again, is known as that run."""
        _left[self.loop.state.optimizer] = (self.settings, self.describe())

    def restore(self, *, quiet: bool) -> bool:
        """Take up where :meth:`write` left off, if the file is there and belongs to this run.

        The file of a run with other settings is put aside, and nothing is restored.

        Returns:
            Whether the run goes on from the file.

        Raises:
            CheckpointError: if the file can't be read or does not fit; nothing is changed then.
        """
        processes, name = self.loop.processes, self.path.name
        quiet = quiet or processes.rank != 0
        if not processes.from_first(self.path.is_file()):
            return False
        content = safe_load(self.path)
        if missing := _KEYS - content.keys():
            raise CheckpointError(
                f"{name} is no checkpoint of fit (it lacks {sorted(missing)}); use another "
                f"file{_REMEDY}"
            )
        self.check_model(content)
        other = differences(self.settings, content["settings"], content["settings now"])
        if other and _left.get(self.loop.state.optimizer) != (content["settings"], self.settings):
            self.put_aside(content["settings"], other)
            return False
        self.check(content)
        with all_or_nothing(self.parts):
            reset(self.loop.callbacks)
            for key, part in self.parts.items():
                what = PARTS.get(key, key)
                apply_state(part, content[key], f"{name} does not fit the {what}", _REMEDY)
            self.take_up(content)
        self.settings = content["settings"]
        if not quiet:
            say(self.line(content))
        return True

    def check_model(self, content: Mapping[str, Any]) -> None:
        """Refuse the weights of another model.

        Raises:
            CheckpointError: with the first name or shape that differs.
        """
        there, here = content["model"], self.model.state_dict()
        other = [f"{name} is missing there" for name in here if name not in there]
        other += [f"{name} is missing here" for name in there if name not in here]
        for name in here.keys() & there.keys():
            shapes = [tuple(getattr(s[name], "shape", ())) for s in (there, here)]
            if shapes[0] != shapes[1] and not is_lazy(here[name]):
                other.append(f"{name} has shape {shapes[0]} there, {shapes[1]} here")
        if other:
            raise CheckpointError(
                f"{self.path.name} does not fit the model: {'; '.join(sorted(other)[:3])}. It "
                f"comes from another run: use another file{_REMEDY}"
            )

    def put_aside(self, settings: Mapping[str, Any], other: list[str]) -> None:
        """Keep the file of another run under a name of its own."""
        processes = self.loop.processes
        stem, suffix = f"{self.path.stem}.{fingerprint(settings)}", self.path.suffix
        names = (f"{stem}{'' if n == 1 else f'.{n}'}{suffix}" for n in itertools.count(1))
        kept = next(p for p in map(self.path.with_name, names) if not p.exists())
        processes.gather(None)  # all have read the file before it moves
        if processes.rank == 0:
            os.replace(self.path, kept)
            say(
                f"{self.path.name} belongs to a run with other settings ({'; '.join(other)}): "
                f"kept as {kept.name}, training starts anew"
            )

    def check(self, content: Mapping[str, Any]) -> None:
        """Refuse what can't go on bit for bit.

        Raises:
            CheckpointError: for another kind of device, another number of processes or loaders.
        """
        loop, name = self.loop, self.path.name
        processes = loop.processes
        here = {"device": loop.state.device.type, "processes": processes.world}
        there = {"device": content["device"], "processes": len(content["each process"])}
        for what in here:
            if here[what] != there[what]:
                raise CheckpointError(
                    f"{name} was written with {what} {there[what]}, this run has {here[what]}, "
                    "and would not go on bit for bit; take its weights with load_checkpoint"
                    f"{_REMEDY}"
                )
        generators = len(content["each process"][processes.rank]["random"]["loaders"])
        if generators != len(processes.generators):
            raise CheckpointError(
                f"{name} was written with {generators} generators in the loaders, this run has "
                f"{len(processes.generators)}; give the loaders the same ones, use another "
                f"file{_REMEDY}"
            )
        if missing := self.parts.keys() - content.keys():
            raise CheckpointError(
                f"{name} was written without {', '.join(sorted(missing))}; use another "
                f"file{_REMEDY}"
            )

    def take_up(self, content: Mapping[str, Any]) -> None:
        """Set the loop to where it was."""
        loop, state, processes = self.loop, self.loop.state, self.loop.processes
        state.history[:] = content["history"]
        state.step, state.stop = content["step"], content["stop"]
        patience = [c.get("patience") for c in (content["changeable"], self.changeable())]
        if state.stop and patience[0] != patience[1]:
            # More patience than before: what ended the run may not hold any more.
            stoppers = [c for c in loop.callbacks if isinstance(c, EarlyStopping)]
            state.stop = not stoppers or any(c.is_over(len(state.history)) for c in stoppers)
        loop.updates, loop.done = content["updates"], content["done"]
        loop.epoch_rng, loop.epoch_lr = content["epoch_rng"], content["epoch_lr"]
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name not in content["frozen"])
        for name, module in self.model.named_modules():
            module.training = name not in content["evaluating"]
        own = content["each process"][processes.rank]
        loop.mean.set(*own["loss"])
        set_rng_state(own["random"], processes.generators, state.device)
        processes.draws = own["draws"]

    def line(self, content: Mapping[str, Any]) -> str:
        """Say how the run goes on, and which of its settings are new."""
        epochs, now = len(content["history"]), self.changeable()
        there = content["changeable"]
        new = [f"{k} {now[k]} instead of {there.get(k)}" for k in now if now[k] != there.get(k)]
        place = f"after epoch {epochs}" + (f", batch {content['done']}" if content["done"] else "")
        over = epochs >= self.loop.state.epochs or self.loop.state.stop
        text = f"{self.path.name}: {'ended' if over else 'goes on'} {place}"
        return f"{text}; new: {', '.join(new)}" if new else text
