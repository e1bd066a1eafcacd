"""Several models as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Ensemble"]


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
