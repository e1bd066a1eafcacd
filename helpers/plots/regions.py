"""What a classifier predicts, all over the plane."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

from helpers.modes import evaluating
from helpers.plots.style import class_colors

__all__ = [
    "decision_regions",
]


def decision_regions(
    model: torch.nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    ax: Axes | None = None,
    title: str = "",
    resolution: int = 120,
) -> Axes:
    """Colour the plane by the class that a model predicts, and draw the points on it.

    Args:
        model: maps ``(N, 2)`` to logits ``(N, C)``, or ``(N, 1)`` for two classes; it is called
            in evaluation mode, and the mode of each part is restored.
        x: points ``(N, 2)``.
        y: class indices ``(N,)``, from 0.
        ax: axes to draw on; default new ones.
        title: text above.
        resolution: grid points along each side.

    Raises:
        ValueError: if the points are not in the plane, a class is negative, or the model returns
            another shape.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> ax = decision_regions(torch.nn.Linear(2, 2), points, torch.tensor([0, 1]))
    """
    if x.ndim != 2 or x.shape[1] != 2 or y.shape != x.shape[:1] or not len(x):
        raise ValueError(f"expected x (N, 2) and y (N,), got {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = x.detach().cpu(), y.detach().cpu()
    if y.min() < 0:
        raise ValueError(f"expected class indices from 0, got {y.min().item():g}")
    if ax is None:
        _, ax = plt.subplots(figsize=(3.4, 3.4))
    low, high = x.min(dim=0).values, x.max(dim=0).values
    margin = 0.15 * (high - low).clamp(min=1e-6)
    sides = [
        torch.linspace(float(a), float(b), resolution)
        for a, b in zip(low - margin, high + margin, strict=True)
    ]
    grid = torch.cartesian_prod(*sides)
    reference = next(model.parameters(), grid)  # its device and its precision
    with evaluating(model), torch.no_grad():
        logits = model(grid.to(reference)).cpu()
    if logits.ndim != 2:
        raise ValueError(
            f"expected logits of shape ({len(grid)}, C) from the model, got {tuple(logits.shape)}"
        )
    chosen = logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
    classes = max(int(chosen.max()), int(y.max())) + 1
    colors = class_colors(classes)
    (left, right), (bottom, top) = ((float(side[0]), float(side[-1])) for side in sides)
    ax.imshow(
        chosen.reshape(resolution, resolution).T.numpy(),
        origin="lower",
        extent=(left, right, bottom, top),
        cmap=ListedColormap(colors),
        vmin=0,
        vmax=classes - 1,
        alpha=0.25,
        aspect="auto",
        interpolation="nearest",
    )
    for label in range(classes):
        points = x[y == label].numpy()
        ax.scatter(points[:, 0], points[:, 1], s=14, color=colors[label], edgecolor="white", lw=0.4)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title)
    ax.grid(False)
    return ax
