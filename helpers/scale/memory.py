"""Bytes that one process holds: of tensors, DTensors by their own part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def local_bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors in this process; of a ``DTensor``, those of its local part.

    Example:
        >>> local_bytes([torch.zeros(10), torch.zeros(3, dtype=torch.float64)])
        64
    """
    parts = [t.to_local() if hasattr(t, "to_local") else t for t in tensors]
    return sum(part.numel() * part.element_size() for part in parts)


def state_bytes(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Return the bytes of parameters, gradients and optimiser state in this process.

    Scalars of the state, such as Adam's count of steps, are left out.

    Example:
        >>> model = nn.Linear(9, 1)
        >>> adam = torch.optim.Adam(model.parameters())
        >>> model(torch.ones(2, 9)).sum().backward()
        >>> adam.step()
        >>> state_bytes(model, adam)
        {'parameters': 40, 'gradients': 40, 'optimizer': 80}
    """
    held = list(model.parameters())
    values: list[Any] = [v for state in optimizer.state.values() for v in state.values()]
    return {
        "parameters": local_bytes(held),
        "gradients": local_bytes(p.grad for p in held if p.grad is not None),
        "optimizer": local_bytes(v for v in values if isinstance(v, Tensor) and v.dim() > 0),
    }
