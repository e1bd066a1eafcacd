"""Tensors as cells: values, views and the storage below them."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.style import GREY, SKY

__all__ = [
    "cells",
    "storage",
]


def cells(
    tensor: Tensor,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    highlight: Tensor | None = None,
    color: str = SKY,
    fmt: str = "{:g}",
) -> Axes:
    """Draw a tensor of up to three dimensions as cells with their values.

    A third dimension is drawn as layers behind each other, the first one in front.

    Args:
        tensor: shape ``()``, ``(n,)``, ``(rows, columns)`` or ``(layers, rows, columns)``.
        ax: axes to draw on; default new ones.
        title: text above; default the shape.
        highlight: boolean mask of the same shape; its cells are filled with ``color``.
        color: fill of highlighted cells.
        fmt: format of a value.

    Raises:
        ValueError: for more than three dimensions, or a mask of another shape.

    Example:
        >>> ax = cells(torch.tensor([[1, 2], [3, 4]]), highlight=torch.eye(2, dtype=torch.bool))
        >>> [text.get_text() for text in ax.texts]
        ['1', '2', '3', '4']
    """
    if tensor.ndim > 3:
        raise ValueError(f"cells draws up to 3 dimensions, got shape {tuple(tensor.shape)}")
    if highlight is not None and highlight.shape != tensor.shape:
        raise ValueError(
            f"expected highlight of shape {tuple(tensor.shape)}, got {tuple(highlight.shape)}"
        )
    shape = (1,) * (3 - tensor.ndim) + tuple(tensor.shape)
    values = tensor.detach().cpu().reshape(shape)
    mask = torch.zeros(shape, dtype=torch.bool) if highlight is None else highlight.reshape(shape)
    layers, rows, columns = shape
    shift = 0.45
    width, height = columns + shift * (layers - 1), rows + shift * (layers - 1)
    if ax is None:
        _, ax = plt.subplots(figsize=(0.55 * width + 0.4, 0.55 * height + 0.6))
    for layer in reversed(range(layers)):
        dx, dy = shift * layer, -shift * layer
        for row in range(rows):
            for column in range(columns):
                fill = color if mask[layer, row, column] else "white"
                corner = (column + dx, row + dy)
                ax.add_patch(Rectangle(corner, 1, 1, facecolor=fill, edgecolor=GREY, lw=0.9))
                if layer == 0:
                    text = fmt.format(values[layer, row, column].item())
                    ax.text(corner[0] + 0.5, corner[1] + 0.5, text, ha="center", va="center")
    ax.set(xlim=(-0.1, width + 0.1), ylim=(rows + 0.1, -shift * (layers - 1) - 0.1))
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(f"shape {tuple(tensor.shape)}" if title is None else title, fontsize=10)
    return ax


def storage(tensor: Tensor, *, title: str | None = None) -> Figure:
    """Draw a 1-D or 2-D view above the storage it reads, with offset and strides.

    Cells of the storage that the view reads are coloured by the view's row.

    Args:
        tensor: shape ``(n,)`` or ``(rows, columns)``, with up to about 24 stored elements.
        title: text above the figure; default shape, strides and offset.

    Raises:
        ValueError: for other shapes.

    Example:
        >>> figure = storage(torch.arange(6).view(3, 2).t())
        >>> [text.get_text() for text in figure.axes[0].texts]  # the view
        ['0', '2', '4', '1', '3', '5']
    """
    if tensor.ndim not in (1, 2):
        raise ValueError(f"storage draws 1-D and 2-D tensors, got shape {tuple(tensor.shape)}")
    view = tensor.detach()
    stride = view.stride() if view.ndim == 2 else (0, view.stride(0))
    grid = view if view.ndim == 2 else view.unsqueeze(0)
    count = view.untyped_storage().nbytes() // view.element_size()
    stored = torch.as_strided(view, (count,), (1,), 0)
    row_of = [-1] * count
    fills = ["#D6EAF8", "#FCE8C3", "#D5F0E6", "#F6D5C6", "#F3DDEA", "#F7F3B8"]
    rows, columns = grid.shape
    figure, (top, bottom) = plt.subplots(
        2,
        1,
        figsize=(max(0.5 * count, 0.6 * columns, 4.0) + 0.6, 0.5 * rows + 2.1),
        height_ratios=[rows + 0.6, 1.9],
    )
    for row in range(rows):
        for column in range(columns):
            position = view.storage_offset() + row * stride[0] + column * stride[1]
            row_of[position] = row
            fill = fills[row % len(fills)]
            top.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, edgecolor=GREY))
            text = f"{grid[row, column].item():g}"
            top.text(column + 0.5, row + 0.5, text, ha="center", va="center")
    for position, row in enumerate(row_of):
        fill = "white" if row < 0 else fills[row % len(fills)]
        bottom.add_patch(Rectangle((position, 0), 1, 1, facecolor=fill, edgecolor=GREY))
        value = f"{stored[position].item():g}"
        bottom.text(position + 0.5, 0.5, value, ha="center", va="center")
        bottom.text(position + 0.5, 1.35, str(position), ha="center", va="center", fontsize=7)
    top.set(xlim=(-0.1, max(columns, count) + 0.1), ylim=(rows + 0.1, -0.1))
    bottom.set(xlim=(-0.1, max(columns, count) + 0.1), ylim=(1.7, -0.1))
    top.set_title("the view", loc="left", fontsize=9)
    bottom.set_title("the storage (position below each cell)", loc="left", fontsize=9)
    for ax in (top, bottom):
        ax.set_aspect("equal", anchor="W")
        ax.axis("off")
    figure.suptitle(
        title
        or f"shape {tuple(view.shape)}, stride {view.stride()}, offset {view.storage_offset()}",
        fontsize=10,
    )
    return figure
