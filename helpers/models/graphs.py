"""Networks on graphs, from layers of PyTorch Geometric."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["GCN", "GraphNet"]

KINDS = ("gcn", "sage", "gat", "gin", "cheb")


def _layers() -> Any:
    """`torch_geometric.nn`, without the deprecations that its import sets off in torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric import nn as layers
    return layers


def _check(x: Tensor, edge_index: Tensor, features: int) -> None:
    """Refuse nodes or edges of another shape than a model is made for."""
    if x.ndim != 2 or x.shape[1] != features:
        raise ValueError(f"expected nodes of shape (N, {features}), got {tuple(x.shape)}")
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"expected edge_index of shape (2, E), got {tuple(edge_index.shape)}")


class GCN(nn.Module):
    """The textbook's graph convolutional network (K8.l2), 23,063 parameters on Cora.

    Two layers of Kipf and Welling: Semi-supervised classification with graph convolutional
    networks, ICLR 2017. The textbook ends with a log-softmax; here come the logits.

    Shapes: nodes ``(N, features)`` and ``edge_index (2, E)`` to logits ``(N, classes)``.

    Args:
        features: numbers a node.
        classes: classes to tell apart.
        hidden: units in the hidden layer.
        dropout: probability to zero a hidden value in training.

    Raises:
        ValueError: for nodes or edges of another shape.

    Example:
        >>> import torch
        >>> model = GCN(1433, 7)
        >>> edges = torch.tensor([[0, 1], [1, 0]])
        >>> model(torch.zeros(3, 1433), edges).shape
        torch.Size([3, 7])
    """

    def __init__(
        self, features: int, classes: int, *, hidden: int = 16, dropout: float = 0.5
    ) -> None:
        super().__init__()
        layers = _layers()
        self.conv1 = layers.GCNConv(features, hidden)
        self.conv2 = layers.GCNConv(hidden, classes)
        self.features, self.dropout = features, dropout

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Map nodes ``(N, features)`` and edges ``(2, E)`` to logits ``(N, classes)``."""
        _check(x, edge_index, self.features)
        x = F.relu(self.conv1(x, edge_index))
        x = F.dropout(x, self.dropout, training=self.training)
        return self.conv2(x, edge_index)


class GraphNet(nn.Module):
    """Message passing of several kinds in one frame, 23,063 parameters as in its example.

    Layers of one kind, a ReLU and dropout between them. The kinds: ``"gcn"`` (Kipf and Welling
    2017), ``"sage"`` (mean of all neighbours; Hamilton et al. 2017), ``"gat"`` (attention with
    four heads; Veličković et al. 2018), ``"gin"`` (sum and a network of two layers; Xu et al.
    2019) and ``"cheb"`` (Chebyshev polynomials of degree 2; Defferrard et al. 2016).

    Shapes: nodes ``(N, sizes[0])`` and ``edge_index (2, E)`` to ``(N, sizes[-1])``.

    Args:
        sizes: the widths from input to output; at least two. For ``"gat"`` a hidden width must be
            a multiple of 4.
        kind: one of the kinds above.
        dropout: probability to zero a hidden value in training.

    Raises:
        ValueError: for fewer than two sizes, an unknown kind, a hidden width that four heads cannot
            share, or nodes or edges of another shape.

    Example:
        >>> import torch
        >>> model = GraphNet((1433, 16, 7))
        >>> edges = torch.tensor([[0, 1], [1, 0]])
        >>> model(torch.zeros(3, 1433), edges).shape
        torch.Size([3, 7])
    """

    def __init__(self, sizes: tuple[int, ...], *, kind: str = "gcn", dropout: float = 0.5) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes needs at least two widths, got {tuple(sizes)}")
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; there are {', '.join(KINDS)}")
        if kind == "gat" and any(width % 4 for width in sizes[1:-1]):
            raise ValueError(f"four heads share a hidden width: multiples of 4, got {sizes[1:-1]}")
        last = len(sizes) - 2
        self.convs = nn.ModuleList(
            _layer(kind, n_in, n_out, last=i == last)
            for i, (n_in, n_out) in enumerate(pairwise(sizes))
        )
        self.features, self.dropout = sizes[0], dropout

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Map nodes ``(N, sizes[0])`` and edges ``(2, E)`` to ``(N, sizes[-1])``."""
        _check(x, edge_index, self.features)
        for conv in self.convs[:-1]:
            x = F.dropout(F.relu(conv(x, edge_index)), self.dropout, training=self.training)
        return self.convs[-1](x, edge_index)


def _layer(kind: str, n_in: int, n_out: int, *, last: bool) -> nn.Module:
    layers = _layers()
    if kind == "gat":
        heads = 1 if last else 4
        layer: nn.Module = layers.GATConv(n_in, n_out // heads, heads=heads)
    elif kind == "gin":
        layer = layers.GINConv(
            nn.Sequential(nn.Linear(n_in, n_out), nn.ReLU(), nn.Linear(n_out, n_out))
        )
    elif kind == "cheb":
        layer = layers.ChebConv(n_in, n_out, K=3)
    else:
        layer = {"gcn": layers.GCNConv, "sage": layers.SAGEConv}[kind](n_in, n_out)
    return layer
