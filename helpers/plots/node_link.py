"""Graphs as data: nodes, edges and what is known of the nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from helpers.plots.style import COLORS, GREY

__all__ = ["node_link"]


def node_link(
    edge_index: Tensor,
    n_nodes: int,
    *,
    positions: Mapping[int, Sequence[float]] | None = None,
    classes: Tensor | None = None,
    ringed: Tensor | Sequence[int] = (),
    labels: bool = True,
    size: float = 160.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a graph: a line for each edge, a disc for each node, in the colour of its class.

    Args:
        edge_index: ``(2, E)``; the two directions of an edge are one line.
        n_nodes: number of nodes, those without edges included.
        positions: node -> (x, y); default a layout by springs, the same in every run.
        classes: ``(n_nodes,)`` class of each node, at most eight; a negative one is white.
        ringed: nodes with a thick ring, for instance those whose class is known.
        labels: whether to write the node's number into its disc.
        size: area of a disc in square points.
        ax: axes to draw on; default new ones.

    Raises:
        ValueError: if an edge names a node that there is not, or for edges of another shape.

    Example:
        >>> import torch
        >>> ax = node_link(torch.tensor([[0, 1], [1, 0]]), 3)
        >>> [text.get_text() for text in ax.texts]
        ['0', '1', '2']
    """
    import networkx as nx

    edges = edge_index.detach().cpu()
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise ValueError(f"expected edge_index of shape (2, E), got {tuple(edges.shape)}")
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < n_nodes:
        raise ValueError(f"edge_index names nodes outside 0 to {n_nodes - 1}")
    pairs = sorted({(min(u, v), max(u, v)) for u, v in edges.T.tolist()})
    if positions is None:
        net = nx.Graph(pairs)
        net.add_nodes_from(range(n_nodes))
        positions = nx.spring_layout(net, seed=0, iterations=100)
    place = np.array([positions[node] for node in range(n_nodes)], dtype=float)
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3.4))
    for u, v in pairs:
        ax.plot(*place[[u, v]].T, color=GREY, lw=0.8, alpha=0.7, zorder=1)
    y = torch.full((n_nodes,), -1) if classes is None else classes.detach().cpu()
    colors: list[Any] = ["white" if k < 0 else COLORS[k % len(COLORS)] for k in y.tolist()]
    thick = {int(node) for node in ringed}
    widths = [2.6 if node in thick else 0.8 for node in range(n_nodes)]
    across, up = place.T
    ax.scatter(across, up, s=size, c=colors, edgecolors="black", linewidths=widths, zorder=2)
    if labels:
        for node, (a, b) in enumerate(place):
            white = y[node] in (0, 2, 3, 7)
            ax.text(a, b, str(node), ha="center", va="center", fontsize=7, zorder=3,
                    color="white" if white else "black")  # fmt: skip
    ax.margins(0.08)
    ax.axis("off")
    return ax
