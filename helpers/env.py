"""Where a notebook runs: device, profile, data mode, seeds and versions.

Taught in notebooks/02_tensors.ipynb (devices, seeds). A notebook calls :func:`start` once and
tests for a device or a profile nowhere else.
"""

from __future__ import annotations

import datetime
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from helpers import machine
from helpers.console import say

T = TypeVar("T")

PROFILES = ("quick", "full")


class SettingError(ValueError):
    """A COURSE_* variable has a value that the course does not know."""


def _choice(variable: str, default: str, valid: tuple[str, ...]) -> str:
    value = os.environ.get(variable, "") or default
    if value not in valid:
        raise SettingError(f"{variable}={value!r} is not known; choose one of {valid}")
    return value


def pick_device(prefer: str = "auto") -> torch.device:
    """Return the device to compute on: CUDA, then Apple's MPS, then the CPU.

    Args:
        prefer: ``"auto"``, or a device string such as ``"cpu"`` or ``"cuda:1"``.

    Raises:
        RuntimeError: if ``prefer`` names an accelerator that this machine lacks.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    if prefer != "auto":
        device = torch.device(prefer)
        available = {
            "cpu": True,
            "cuda": torch.cuda.is_available(),
            "mps": torch.backends.mps.is_available(),
        }
        if not available.get(device.type, True):
            raise RuntimeError(
                f"device {prefer!r} was asked for, but this machine has no {device.type}; "
                "use 'auto' or 'cpu'"
            )
        return device
    if torch.cuda.is_available():
        # torchrun gives each process a device of its own.
        rank = os.environ.get("LOCAL_RANK")
        return torch.device("cuda" if rank is None else f"cuda:{rank}")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def profile() -> str:
    """Return ``"quick"`` or ``"full"`` from COURSE_PROFILE (default: full if CUDA is there)."""
    return _choice("COURSE_PROFILE", "full" if torch.cuda.is_available() else "quick", PROFILES)


def data_mode() -> str:
    """Return ``"auto"``, ``"official"`` or ``"standin"`` from COURSE_DATA (default: auto)."""
    from data_scripts import current_mode  # here, so that importing env stays cheap

    return current_mode()


def is_hermetic() -> bool:
    """Tell whether this is the regression run: quick profile on stand-in data."""
    return profile() == "quick" and data_mode() == "standin"


def checkout_root() -> Path | None:
    """Return the root folder of the course's checkout, or None where only the package is there."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "_toc.yml").is_file() and (root / "notebooks").is_dir() else None


def seed_everything(seed: int = 0, *, deterministic: bool = False) -> torch.Generator:
    """Seed Python, NumPy and torch (all devices) and return a seeded CPU generator.

    Args:
        seed: the seed, an integer from 0 to 2**32 - 1 (NumPy's range).
        deterministic: also ask torch for deterministic kernels. On CUDA this sets
            ``CUBLAS_WORKSPACE_CONFIG``, which works only before the first matrix product.

    Returns:
        A new CPU generator with the same seed, for data loaders and splits.

    Example:
        >>> generator = seed_everything(0)
        >>> torch.randint(10, (3,), generator=generator)
        tensor([4, 9, 3])
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in 0 .. 2**32 - 1, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that readers use draw from the global state
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Run:
    """What :func:`start` found out: one place to ask for the device, sizes and random numbers.

    ``started`` is the time of the start, ISO 8601 in UTC: a recorded result that is older comes
    from an earlier run.
    """

    name: str
    seed: int
    profile: str
    data_mode: str
    device: torch.device
    generator: torch.Generator
    started: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat())

    @property
    def quick(self) -> bool:
        """True in the quick profile."""
        return self.profile == "quick"

    def pick(self, *, quick: T, full: T) -> T:
        """Return the value that belongs to the profile.

        Example:
            >>> epochs = run.pick(quick=2, full=9)  # doctest: +SKIP
        """
        return quick if self.quick else full


def start(name: str, *, seed: int = 0) -> Run:
    """Start a notebook: choose device and profile, seed everything, set the plot style.

    Prints one line. The quick profile computes on the CPU with one thread, so that its numbers
    do not depend on the number of cores.

    Args:
        name: the notebook's name without ``.ipynb``; recorded results carry it.
        seed: the seed for :func:`seed_everything`.

    Returns:
        A :class:`Run`.

    Example:
        >>> run = start("02_tensors", seed=0)  # doctest: +SKIP
    """
    from helpers import plots

    chosen_profile = profile()
    quick = chosen_profile == "quick"
    device = pick_device("cpu" if quick else "auto")
    if quick:
        torch.set_num_threads(1)
    plots.use_style()
    run = Run(name, seed, chosen_profile, data_mode(), device, seed_everything(seed))
    if os.environ.get("RANK", "0") == "0":
        say(_start_line(run))
    return run


def _start_line(run: Run) -> str:
    return (
        f"{run.name} · device {run.device} · profile {run.profile} · data {run.data_mode} "
        f"· seed {run.seed}"
    )


def report() -> dict[str, str]:
    """Return versions and hardware as text; paste it into a bug report.

    Example:
        >>> "torch" in report() and "cpu" in report()
        True
    """
    return machine.report()
