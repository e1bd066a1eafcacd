"""Several models as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Ensemble", "ParallelMLP"]


class Ensemble(nn.Module):
    """Average the class probabilities of several classifiers; no parameters of its own.

    Shapes: whatever the members take, to log-probabilities ``(N, C)``, which may be used like
    logits.

    Args:
        members: classifiers that return logits ``(N, C)``.

    Raises:
        ValueError: without members.

    Example:
        >>> Ensemble([nn.Linear(3, 2), nn.Linear(3, 2)])(torch.zeros(4, 3)).exp().sum(dim=1)
        tensor([1., 1., 1., 1.], grad_fn=<SumBackward1>)
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Any) -> Tensor:
        """Return the logarithm of the mean probabilities."""
        each = torch.stack([member(*inputs).log_softmax(dim=1) for member in self.members])
        # log(mean p) = logsumexp(log p) - log(members): no probability underflows to 0.
        return each.logsumexp(dim=0) - math.log(len(self.members))


class ParallelMLP(nn.Module):
    """Independent networks of the same sizes, computed side by side; (2, 3) twice: 18 parameters.

    A layer keeps the weights of all members in one tensor ``(M, inputs, outputs)`` and multiplies
    them with one call, so ten small networks cost little more than one. Each begins as
    ``nn.Linear`` does, at random values of its own. The sum of the members' losses has for each
    member the gradient of its own loss.

    Shapes: ``(M, N, sizes[0])``, or ``(N, sizes[0])`` for the same inputs to all members, to
    ``(M, N, sizes[-1])``. ReLU between the layers.

    Args:
        sizes: inputs, hidden units, outputs; at least two numbers.
        members: number of networks.

    Raises:
        ValueError: for fewer than two sizes or no member.

    Example:
        >>> ParallelMLP((2, 3), members=2)(torch.zeros(5, 2)).shape
        torch.Size([2, 5, 3])
    """

    def __init__(self, sizes: Sequence[int], *, members: int) -> None:
        super().__init__()
        if len(sizes) < 2 or members < 1:
            raise ValueError(f"two sizes and a member are needed, got {sizes} and {members}")
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            bound = 1 / math.sqrt(inputs)
            weight, bias = torch.empty(members, inputs, outputs), torch.empty(members, 1, outputs)
            self.weights.append(nn.Parameter(weight.uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(bias.uniform_(-bound, bound)))

    def forward(self, x: Tensor) -> Tensor:
        """Map the inputs of each member to its outputs."""
        members, inputs = self.weights[0].shape[:2]
        given = x.shape
        if x.ndim == 2:
            x = x.expand(members, *x.shape)
        if x.ndim != 3 or (x.shape[0], x.shape[2]) != (members, inputs):
            raise ValueError(
                f"expected ({members}, N, {inputs}) or (N, {inputs}), got {tuple(given)}"
            )
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.relu(x) if layer else x, weight)
        return x
