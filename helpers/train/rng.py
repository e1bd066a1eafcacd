"""The state of every random number generator, as tensors and plain values."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def samplers(loader: Any) -> list[Any]:
    """Return the objects that choose a ``DataLoader``'s examples."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    found = (
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    )
    return [s for i, s in enumerate(found) if s is not None and s not in found[:i]]


def loader_generators(*loaders: Any) -> list[torch.Generator]:
    """Return the generators whose state decides the order of loaders, each once."""
    found: list[torch.Generator] = []
    for owner in (owner for loader in loaders for owner in (loader, *samplers(loader))):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and all(generator is not g for g in found):
            found.append(generator)
    return found


def rng_state(generators: list[torch.Generator], device: torch.device | None) -> dict[str, Any]:
    """Return the state of Python, NumPy and torch, of ``generators``, and of an accelerator."""
    version, internal, gauss = random.getstate()
    legacy: Any = np.random.get_state()  # noqa: NPY002
    name, keys, position, has_gauss, cached = legacy
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "loaders": [g.get_state() for g in generators],
    }
    if device is not None and device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device is not None and device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_generators(state: dict[str, Any], generators: list[torch.Generator]) -> None:
    """Put the generators of loaders back to where :func:`rng_state` saw them."""
    for generator, saved in zip(generators, state["loaders"], strict=True):
        generator.set_state(saved.cpu())


def set_rng_state(
    state: dict[str, Any], generators: list[torch.Generator], device: torch.device | None
) -> None:
    """Put every generator back to where :func:`rng_state` saw it; those of loaders if given."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    legacy: Any = (name, keys.numpy().astype(np.uint32), position, has_gauss, cached)
    np.random.set_state(legacy)  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if generators:
        set_generators(state, generators)
    if "cuda" in state and device is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if "mps" in state and device is not None and device.type == "mps":
        torch.mps.set_rng_state(state["mps"].cpu())
