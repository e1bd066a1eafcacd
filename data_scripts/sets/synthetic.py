"""Small generated sets. They are the same in every mode: there is nothing to fetch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .._core import Content, DataSet

POINTS = 1000
SEED = 0


def line(folder: Path) -> Content:
    """Four points of y = 3x: `x` and `y`, float32 tensors (4, 1)."""
    import torch

    x = torch.arange(1.0, 5.0)[:, None]
    return {"x": x, "y": 3 * x}


def squares(folder: Path) -> Content:
    """The first ten squares: `x` (10, 2) with rows (i, 1), `y` (10, 1) with i², float32."""
    import torch

    i = torch.arange(10.0)[:, None]
    return {"x": torch.cat([i, torch.ones_like(i)], dim=1), "y": i**2}


def moons(folder: Path) -> Content:
    """Two interleaved half circles: `x` float32 (1000, 2), `y` int64 (1000,), classes 0 and 1."""
    import torch
    from sklearn.datasets import make_moons

    x, y = make_moons(POINTS, noise=0.15, random_state=SEED)
    return {"x": torch.from_numpy(x).float(), "y": torch.from_numpy(y).long()}


def spirals(folder: Path) -> Content:
    """Two intertwined spirals: `x` float32 (1000, 2), `y` int64 (1000,), classes 0 and 1."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    turn = torch.rand(POINTS, generator=generator).sqrt() * 3 * torch.pi
    y = torch.arange(POINTS) % 2
    angle = turn + torch.pi * y
    x = torch.stack([angle.cos(), angle.sin()], dim=1) * (turn / (3 * torch.pi))[:, None]
    return {"x": x + 0.02 * torch.randn(x.shape, generator=generator), "y": y}


def _generated(name: str, title: str, prepare: Callable[[Path], Content]) -> DataSet:
    return DataSet(
        name, title, "this course", "CC0 1.0", "none needed", prepare, bundled="generated"
    )


DATASETS = (
    _generated("line", "Line y = 3x", line),
    _generated("squares", "Squares 0 to 81", squares),
    _generated("moons", "Two moons", moons),
    _generated("spirals", "Two spirals", spirals),
)
