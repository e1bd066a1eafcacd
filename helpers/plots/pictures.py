"""Batches of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

__all__ = [
    "images",
]


def images(
    batch: Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    size: float = 1.3,
    cmap: str = "gray",
    symmetric: bool = False,
) -> Figure:
    """Show a batch of pictures as a grid.

    Args:
        batch: ``(N, H, W)``, ``(N, 1, H, W)`` or ``(N, 3, H, W)``; colour values in 0..1, or
            0..255 for uint8.
        titles: one short text a picture.
        columns: pictures in a row.
        size: side of one picture in inches.
        cmap: colour map for grey pictures.
        symmetric: scale each picture from -max to max, for filters and gradients.

    Raises:
        ValueError: for another shape, no picture, or titles that are not one a picture.

    Example:
        >>> figure = images(torch.rand(5, 8, 8), titles=list("abcde"), columns=3)
        >>> [ax.get_title() for ax in figure.axes]  # two rows of three, the last one empty
        ['a', 'b', 'c', 'd', 'e', '']
    """
    pictures = batch.detach().cpu()
    if pictures.dtype == torch.bfloat16:  # NumPy has no such type
        pictures = pictures.float()
    if pictures.ndim == 4 and pictures.shape[1] == 1:
        pictures = pictures[:, 0]
    elif pictures.ndim == 4 and pictures.shape[1] == 3:
        pictures = pictures.permute(0, 2, 3, 1)
    elif pictures.ndim != 3:
        raise ValueError(
            f"expected (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {tuple(batch.shape)}"
        )
    if len(pictures) == 0:
        raise ValueError(f"expected at least one picture, got shape {tuple(batch.shape)}")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"expected {len(pictures)} titles, one a picture, got {len(titles)}")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    lines = max((title.count("\n") + 1 for title in titles or ()), default=0)
    extra = 0.1 + 0.15 * lines if lines else 0.0  # inches above a picture for its title
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * (size + extra)), squeeze=False
    )
    for index, ax in enumerate(axes.flat):
        ax.axis("off")
        if index >= len(pictures):
            continue
        picture = pictures[index].numpy()
        limits: dict[str, Any] = {}
        if symmetric:
            bound = float(np.abs(picture).max()) or 1.0
            limits = {"vmin": -bound, "vmax": bound}
        ax.imshow(picture, cmap="RdBu_r" if symmetric else cmap, **limits)
        if titles is not None:
            ax.set_title(titles[index], fontsize=9)
    return figure
