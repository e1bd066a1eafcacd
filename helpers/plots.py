"""One house style for figures, and the drawings that words do badly.

Colours are those of Okabe and Ito, which people with colour-blindness can tell apart. Every
function returns the Matplotlib object that it drew; none calls ``plt.show``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#666666"
COLORS = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY]

# What a node of a graph is -> its fill.
NODE_FILL = {
    "value": "#FFFFFF",
    "input": "#D6EAF8",
    "parameter": "#FCE8C3",
    "operation": "#E8E8E8",
    "loss": "#F6D5C6",
}


def use_style() -> None:
    """Set the house style for the figures that follow; :func:`helpers.env.start` calls it."""
    mpl.rcParams.update(
        {
            "figure.figsize": (6.0, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.3,
            "image.cmap": "gray",
            "legend.frameon": False,
            "font.size": 10,
            "axes.titlesize": 11,
        }
    )


def history(
    records: Iterable[Mapping[str, float]],
    keys: Sequence[str] = ("train_loss", "val_loss"),
    *,
    ax: Axes | None = None,
    ylabel: str = "loss",
    log: bool = False,
) -> Axes:
    """Plot columns of a :class:`helpers.train.History` against the epoch.

    Args:
        records: one mapping an epoch with ``"epoch"`` and the keys; epochs without a key are
            left out of that curve.
        keys: the columns to draw.
        ax: axes to draw on; default new ones.
        ylabel: label of the y axis with its unit.
        log: logarithmic y axis.

    Raises:
        KeyError: if no epoch has a key; the message lists the columns there are.
    """
    records = list(records)
    if ax is None:
        _, ax = plt.subplots()
    for key in keys:
        points = [(r["epoch"], r[key]) for r in records if key in r]
        if not points:
            known = sorted({name for r in records for name in r})
            raise KeyError(f"no column {key!r} in the history; it has {known}")
        x, y = zip(*points, strict=True)
        ax.plot(x, y, marker="o" if len(x) < 25 else None, markersize=4, label=key)
    ax.set(xlabel="epoch", ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend()
    return ax


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
        ValueError: for another shape.
    """
    pictures = batch.detach().cpu()
    if pictures.ndim == 4 and pictures.shape[1] == 1:
        pictures = pictures[:, 0]
    elif pictures.ndim == 4 and pictures.shape[1] == 3:
        pictures = pictures.permute(0, 2, 3, 1)
    elif pictures.ndim != 3:
        raise ValueError(
            f"expected (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {tuple(batch.shape)}"
        )
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
        ValueError: for more than three dimensions.
    """
    if tensor.ndim > 3:
        raise ValueError(f"cells draws up to 3 dimensions, got shape {tuple(tensor.shape)}")
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


def graph(
    nodes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str] | tuple[str, str, str]],
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    backward: Sequence[tuple[str, str] | tuple[str, str, str]] = (),
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    radius: float = 0.3,
) -> Axes:
    """Draw a computational graph: forward arrows solid, backward arrows dashed and curved.

    Args:
        nodes: name -> position, in units of which neighbours lie about 1.5 apart.
        edges: ``(from, to)`` or ``(from, to, label)``; the values that flow forwards.
        kinds: name -> ``"value"``, ``"input"``, ``"parameter"``, ``"operation"`` or ``"loss"``;
            operations are drawn as squares, the others as circles.
        labels: name -> text in the node (mathematics allowed); default the name.
        backward: the same for gradients, drawn in red.
        figsize: size in inches; default from the positions.
        ax: axes to draw on.
        radius: radius of a node.

    Raises:
        KeyError: if an edge names an unknown node.
    """
    kinds, labels = kinds or {}, labels or {}
    for edge in [*edges, *backward]:
        for name in edge[:2]:
            if name not in nodes:
                raise KeyError(f"edge {edge[:2]} names an unknown node {name!r}")
    xs, ys = zip(*nodes.values(), strict=True)
    margin = radius + 0.25
    if ax is None:
        size = (max(xs) - min(xs) + 2 * margin, max(ys) - min(ys) + 2 * margin + 0.2)
        _, ax = plt.subplots(figsize=figsize or (0.95 * size[0], 0.95 * size[1]))

    def arrow(edge: tuple[str, ...], color: str, style: str, bend: float) -> None:
        start, end = np.array(nodes[edge[0]]), np.array(nodes[edge[1]])
        along = (end - start) / np.linalg.norm(end - start)
        normal = np.array([-along[1], along[0]])
        # A slanted arrow meets the border of a square farther from its centre than of a circle.
        square = radius / max(abs(along))
        reach = [square if kinds.get(name) == "operation" else radius for name in edge[:2]]
        ax.add_patch(
            FancyArrowPatch(
                tuple(start + along * (reach[0] + 0.04)),
                tuple(end - along * (reach[1] + 0.04)),
                arrowstyle="-|>",
                mutation_scale=11,
                color=color,
                linestyle=style,
                connectionstyle=f"arc3,rad={bend}",
                shrinkA=0,
                shrinkB=0,
            )
        )
        if len(edge) == 3:
            middle = (start + end) / 2
            # arc3 bends to the right of the direction of travel for a positive rad.
            side = -normal if bend > 0 else normal
            offset = abs(bend) * np.linalg.norm(end - start) / 2 + 0.17
            x, y = middle + side * offset
            ax.text(x, y, edge[2], color=color, ha="center", va="center", fontsize=9)

    for edge in edges:
        arrow(edge, "black", "-", 0.0)
    for edge in backward:
        arrow(edge, RED, "--", 0.28)
    for name, (x, y) in nodes.items():
        kind = kinds.get(name, "value")
        shape: Any
        if kind == "operation":
            shape = Rectangle((x - radius, y - radius), 2 * radius, 2 * radius)
        else:
            shape = mpl.patches.Circle((x, y), radius)
        shape.set(facecolor=NODE_FILL[kind], edgecolor="black", linewidth=1.1, zorder=2)
        ax.add_patch(shape)
        ax.text(x, y, labels.get(name, name), ha="center", va="center", zorder=3)
    ax.set(
        xlim=(min(xs) - margin, max(xs) + margin),
        ylim=(min(ys) - margin - 0.1, max(ys) + margin + 0.1),
    )
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def autograd_graph(
    output: Tensor,
    names: Mapping[str, Tensor] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the graph that autograd recorded for ``output``, by walking ``grad_fn``.

    Squares are the backward functions, circles the leaves whose gradients are accumulated.

    Args:
        output: a tensor with a ``grad_fn``.
        names: name -> leaf, to label the leaves.
        ax: axes to draw on.

    Raises:
        ValueError: if ``output`` was not computed from a tensor that requires gradients.
    """
    if output.grad_fn is None:
        raise ValueError("this tensor has no grad_fn: nothing was recorded to draw")
    leaf_names = {id(t): name for name, t in (names or {}).items()}
    depth: dict[Any, int] = {}
    edges: list[tuple[Any, Any]] = []

    def visit(node: Any, level: int) -> None:
        # A node lies one column behind the deepest node that uses it.
        if depth.get(node, -1) >= level:
            return
        depth[node] = level
        for parent, _ in node.next_functions:
            if parent is not None:
                if (parent, node) not in edges:
                    edges.append((parent, node))
                visit(parent, level + 1)

    visit(output.grad_fn, 0)
    columns: dict[int, list[Any]] = {}
    for node, level in depth.items():
        columns.setdefault(level, []).append(node)
    deepest = max(columns)
    positions, kinds, labels, keys = {}, {}, {}, {}
    for level, members in columns.items():
        for row, node in enumerate(members):
            key = f"{level}.{row}"
            keys[node] = key
            positions[key] = (1.9 * (deepest - level), 1.3 * ((len(members) - 1) / 2 - row))
            leaf = getattr(node, "variable", None)
            kinds[key] = "operation" if leaf is None else "parameter"
            title = type(node).__name__.removesuffix("0").removesuffix("Backward")
            labels[key] = leaf_names.get(id(leaf), "leaf") if leaf is not None else title
    return graph(
        positions,
        [(keys[a], keys[b]) for a, b in edges],
        kinds=kinds,
        labels=labels,
        ax=ax,
        radius=0.42,
    )


def network(
    sizes: Sequence[int],
    *,
    labels: Sequence[Sequence[str] | None] | None = None,
    titles: Sequence[str] | None = None,
    max_units: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw a fully connected network: a column of neurons for each layer, a line for each weight.

    Args:
        sizes: units in each layer, the inputs first.
        labels: for each layer the texts in its units (mathematics allowed), or None.
        titles: one short text above each layer.
        max_units: a layer with more units is drawn with a gap in the middle.
        ax: axes to draw on; default new ones.

    Raises:
        ValueError: for fewer than two layers, or texts that do not fit the layers.

    Example:
        >>> ax = network((3, 4, 1), titles=("input", "hidden", "output"))
        >>> len(ax.texts)
        3
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes needs at least two positive numbers, got {tuple(sizes)}")
    for name, texts in (("labels", labels), ("titles", titles)):
        if texts is not None and len(texts) != len(sizes):
            raise ValueError(f"{name} needs one entry for each of {len(sizes)} layers")
    shown = [min(size, max_units) for size in sizes]
    tallest = max(shown)
    if ax is None:
        _, ax = plt.subplots(figsize=(1.7 * len(sizes) + 0.6, 0.5 * tallest + 0.9))
    gap = 2.4
    columns = []
    for layer, (size, count) in enumerate(zip(sizes, shown, strict=True)):
        hidden = size > count
        heights = [(count - 1) / 2 - unit for unit in range(count)]
        if hidden:  # room for the dots in the middle
            heights = [y + (0.5 if unit < count / 2 else -0.5) for unit, y in enumerate(heights)]
            ax.text(gap * layer, 0, "⋮", ha="center", va="center", fontsize=14)
        columns.append([(gap * layer, y) for y in heights])
    reach = max(y for column in columns for _, y in column)
    for left, right in pairwise(columns):
        for start in left:
            for end in right:
                ax.plot(*zip(start, end, strict=True), color=GREY, lw=0.6, alpha=0.6, zorder=1)
    for layer, places in enumerate(columns):
        fill = NODE_FILL["input" if layer == 0 else "operation"]
        texts = labels[layer] if labels else None
        for unit, place in enumerate(places):
            circle = mpl.patches.Circle(place, 0.36, facecolor=fill, edgecolor="black", zorder=2)
            ax.add_patch(circle)
            if texts and unit < len(texts):
                ax.text(*place, texts[unit], ha="center", va="center", fontsize=8, zorder=3)
        if titles:
            ax.text(gap * layer, reach + 0.75, titles[layer], ha="center", va="bottom", fontsize=9)
    ax.set(
        xlim=(-0.9, gap * (len(sizes) - 1) + 0.9),
        ylim=(-reach - 0.6, reach + (1.5 if titles else 0.6)),
    )
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


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
            in evaluation mode, and its mode is restored.
        x: points ``(N, 2)``.
        y: class indices ``(N,)``.
        ax: axes to draw on; default new ones.
        title: text above.
        resolution: grid points along each side.

    Raises:
        ValueError: if the points are not in the plane.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> ax = decision_regions(torch.nn.Linear(2, 2), points, torch.tensor([0, 1]))
    """
    if x.ndim != 2 or x.shape[1] != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected x (N, 2) and y (N,), got {tuple(x.shape)} and {tuple(y.shape)}")
    if ax is None:
        _, ax = plt.subplots(figsize=(3.4, 3.4))
    low, high = x.min(dim=0).values.cpu(), x.max(dim=0).values.cpu()
    margin = 0.15 * (high - low).clamp(min=1e-6)
    sides = [
        torch.linspace(float(a), float(b), resolution)
        for a, b in zip(low - margin, high + margin, strict=True)
    ]
    grid = torch.cartesian_prod(*sides)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            logits = model(grid.to(device)).cpu()
    finally:
        model.train(was_training)
    chosen = logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
    classes = max(int(chosen.max()), int(y.max())) + 1
    colors = mpl.colors.ListedColormap(COLORS[:classes])
    (left, right), (bottom, top) = ((float(side[0]), float(side[-1])) for side in sides)
    ax.imshow(
        chosen.reshape(resolution, resolution).T.numpy(),
        origin="lower",
        extent=(left, right, bottom, top),
        cmap=colors,
        vmin=0,
        vmax=classes - 1,
        alpha=0.25,
        aspect="auto",
        interpolation="nearest",
    )
    for label in range(classes):
        points = x[y == label].cpu().numpy()
        ax.scatter(points[:, 0], points[:, 1], s=14, color=COLORS[label], edgecolor="white", lw=0.4)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title)
    ax.grid(False)
    return ax
