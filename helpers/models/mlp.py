"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

__all__ = ["MLP"]


class MLP(nn.Sequential):
    """A multilayer perceptron; as the textbook's house-price network (K4.l3), 369 parameters.

    Linear layers with an activation between them. The house-price network is
    ``MLP((13, 16, 8, 1))``: three linear layers, that is two hidden layers.

    Shapes: ``(N, sizes[0])`` to ``(N, sizes[-1])``.

    Args:
        sizes: the layer widths, from input to output; at least two.
        activation: called without arguments for each hidden layer, e.g. ``nn.ReLU``.
        dropout: probability to zero a hidden value in training; 0 adds no layer.

    Raises:
        ValueError: for fewer than two sizes, or a size below 1.

    Example:
        >>> import torch
        >>> MLP((13, 16, 8, 1))(torch.zeros(2, 13)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes needs at least two positive widths, got {tuple(sizes)}")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes[:-1]):
            layers += [nn.Linear(n_in, n_out), activation()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(sizes[-2], sizes[-1]))
        super().__init__(*layers)
        self.n_inputs = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        """Return one layer, or for a slice the layers as an ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(*list(self)[index])
        return super().__getitem__(index)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, sizes[0])`` to ``(N, sizes[-1])``."""
        if x.shape[-1] != self.n_inputs:
            raise ValueError(f"expected input of shape (N, {self.n_inputs}), got {tuple(x.shape)}")
        return super().forward(x)
