"""Computational graphs and networks as circles, squares and arrows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Patch, Rectangle
from torch import Tensor

from helpers.plots.style import GREY, NODE_FILL, RED

__all__ = [
    "autograd_graph",
    "graph",
    "network",
]


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
        KeyError: if an edge names an unknown node, or a node is of an unknown kind.
        ValueError: without nodes, or for an edge between nodes in the same place.

    Example:
        >>> ax = graph({"x": (0, 0), "y": (1.5, 0)}, [("x", "y", "2x")], kinds={"x": "input"})
        >>> [text.get_text() for text in ax.texts]
        ['2x', 'x', 'y']
    """
    kinds, labels = kinds or {}, labels or {}
    if not nodes:
        raise ValueError("a graph needs at least one node")
    for edge in [*edges, *backward]:
        for name in edge[:2]:
            if name not in nodes:
                raise KeyError(f"edge {edge[:2]} names an unknown node {name!r}")
        if tuple(nodes[edge[0]]) == tuple(nodes[edge[1]]):
            raise ValueError(f"edge {edge[:2]} has no direction: its ends lie in the same place")
    for name in nodes:
        if kinds.get(name, "value") not in NODE_FILL:
            raise KeyError(f"node {name!r}: no kind {kinds[name]!r}; there are {list(NODE_FILL)}")
    xs, ys = zip(*nodes.values(), strict=True)
    margin = radius + 0.25
    if ax is None:
        size = (max(xs) - min(xs) + 2 * margin, max(ys) - min(ys) + 2 * margin + 0.2)
        scale = min(0.95, 600 / max(size))  # Matplotlib draws 655 inches at 100 dpi, no more
        _, ax = plt.subplots(figsize=figsize or (scale * size[0], scale * size[1]))

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
        shape: Patch
        if kind == "operation":
            shape = Rectangle((x - radius, y - radius), 2 * radius, 2 * radius)
        else:
            shape = Circle((x, y), radius)
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


def _parents(node: Any) -> list[Any]:
    """Return the functions that a backward function hands gradients to, each once."""
    return list(dict.fromkeys(parent for parent, _ in node.next_functions if parent is not None))


def _recorded(root: Any) -> dict[Any, list[Any]]:
    """Return every node of a recorded graph, depth first, with the nodes that use it.

    By a stack of our own: Python allows about a thousand calls within calls, and a recurrent
    network records more.
    """
    users: dict[Any, list[Any]] = {root: []}
    path = [(root, iter(_parents(root)))]
    while path:
        node, parents = path[-1]
        parent = next(parents, None)
        if parent is None:
            path.pop()
        elif parent in users:
            users[parent].append(node)
        else:
            users[parent] = [node]
            path.append((parent, iter(_parents(parent))))
    return users


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

    Example:
        >>> import torch
        >>> w = torch.tensor(2.0, requires_grad=True)
        >>> ax = autograd_graph(3 * w, {"w": w})
        >>> [text.get_text() for text in ax.texts]
        ['Mul', 'w']
    """
    if output.grad_fn is None:
        raise ValueError("this tensor has no grad_fn: nothing was recorded to draw")
    leaf_names = {id(t): name for name, t in (names or {}).items()}
    users = _recorded(output.grad_fn)
    # A node lies one column behind the deepest node that uses it.
    depth: dict[Any, int] = dict.fromkeys(users, 0)
    waiting = {node: len(those) for node, those in users.items()}
    ready = [output.grad_fn]
    while ready:  # a node is ready when all that use it have their column
        node = ready.pop()
        for parent in _parents(node):
            depth[parent] = max(depth[parent], depth[node] + 1)
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)
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
        [(keys[node], keys[user]) for node, those in users.items() for user in those],
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
            circle = Circle(place, 0.36, facecolor=fill, edgecolor="black", zorder=2)
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
