"""Checkpoints: written whole or not at all, read without running code from the file."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer


class CheckpointError(RuntimeError):
    """A checkpoint can't be written, read or applied; the message says which and what to do."""


def atomic_save(content: dict[str, Any], path: Path | str) -> None:
    """Write ``content`` with ``torch.save`` so that ``path`` is always a whole checkpoint.

    The bytes go to a temporary file in the same folder, are forced to the disk, and then take
    the name in one step. A crash at any moment leaves the old file or the new one.

    Raises:
        CheckpointError: if the disk is full or the folder can't be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What killed processes left behind would fill the disk in time.
        for stale in path.parent.glob(f".{path.name}.*.tmp"):
            stale.unlink(missing_ok=True)
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if os.name == "posix":  # the new name itself must reach the disk, too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"checkpoint {path.name} was not written ({error}); free some space in its folder "
            "or choose another one"
        ) from error


def safe_load(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``: tensors and plain values, no code.

    Raises:
        CheckpointError: if the file is missing, broken, or holds other objects.
    """
    path = Path(path)
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint {path.name} in its folder") from error
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"checkpoint {path.name} can't be read ({reason}); delete it and train again"
        ) from error


def save_checkpoint(
    path: Path | str, model: nn.Module, optimizer: Optimizer | None = None, **meta: Any
) -> None:
    """Save a model, and an optimiser if given, with any plain values you add.

    Args:
        path: the file; its folder is made.
        model: its ``state_dict`` is saved, not the object.
        optimizer: likewise.
        meta: numbers, texts, lists, dicts and tensors to keep beside them, e.g. ``epoch=3``.
    """
    content = {
        "model": model.state_dict(),
        "versions": {"torch": str(torch.__version__)},
        "meta": meta,
    }
    if optimizer is not None:
        content["optimizer"] = optimizer.state_dict()
    atomic_save(content, path)


def load_checkpoint(
    path: Path | str,
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Load what :func:`save_checkpoint` wrote into a model and an optimiser.

    Returns:
        The plain values that were saved beside them.

    Raises:
        CheckpointError: if the file can't be read, or does not fit the model.
    """
    content = safe_load(path, device)
    apply_state(model, content.get("model", {}), f"{Path(path).name} does not fit the model")
    if optimizer is not None:
        if "optimizer" not in content:
            raise CheckpointError(f"{Path(path).name} holds no optimiser state")
        apply_state(
            optimizer, content["optimizer"], f"{Path(path).name} does not fit the optimiser"
        )
    return content.get("meta", {})


def apply_state(target: Any, state: dict[str, Any], problem: str) -> None:
    """Call ``target.load_state_dict`` and turn its complaint into a :class:`CheckpointError`."""
    try:
        target.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{problem} ({str(error).splitlines()[0]}); it comes from another run: "
            "use another file or pass resume=False"
        ) from error


def rng_state(generators: list[torch.Generator]) -> dict[str, Any]:
    """Return the state of every random number generator as tensors and plain values."""
    version, internal, gauss = random.getstate()
    legacy: Any = np.random.get_state()  # noqa: NPY002
    name, keys, position, has_gauss, cached = legacy
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "loaders": [g.get_state() for g in generators],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: dict[str, Any], generators: list[torch.Generator]) -> None:
    """Put every generator back to where :func:`rng_state` saw it."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    legacy: Any = (name, keys.numpy().astype(np.uint32), position, has_gauss, cached)
    np.random.set_state(legacy)  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    for generator, saved in zip(generators, state["loaders"], strict=True):
        generator.set_state(saved.cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
