"""What models share: checks of input shapes, and the table of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}


def check_images(x: torch.Tensor, channels: int, size: int | None = None) -> None:
    """Check that a batch of images has the shape that a model is made for.

    Args:
        x: the batch, ``(N, channels, H, W)``.
        channels: the channels expected.
        size: the height and width expected; None for any.

    Raises:
        ValueError: with the expected and the given shape.

    Example:
        >>> check_images(torch.zeros(2, 1, 28, 28), channels=1, size=28)
        >>> check_images(torch.zeros(2, 28, 28), channels=1)
        Traceback (most recent call last):
        ValueError: expected images of shape (N, 1, H, W), got (2, 28, 28)
    """
    right = x.ndim == 4 and x.shape[1] == channels
    if not right or (size is not None and tuple(x.shape[2:]) != (size, size)):
        sides = "H, W" if size is None else f"{size}, {size}"
        raise ValueError(f"expected images of shape (N, {channels}, {sides}), got {tuple(x.shape)}")


def check_tokens(tokens: torch.Tensor, longest: int | None = None) -> None:
    """Check that a batch of texts is one of whole numbers, a text in each row.

    Args:
        tokens: the batch, ``(N, L)``.
        longest: the largest L that the model has places for, which then needs one token at
            least; None for any L.

    Raises:
        ValueError: with the expected and the given shape and type.

    Example:
        >>> check_tokens(torch.tensor([[5, 6, 7], [8, 0, 0]]))
        >>> check_tokens(torch.zeros(2, 3))
        Traceback (most recent call last):
        ValueError: expected whole numbers (N, L), got (2, 3) of type torch.float32
    """
    whole = not (tokens.is_floating_point() or tokens.is_complex())
    fits = tokens.ndim == 2 and (longest is None or 1 <= tokens.shape[1] <= longest)
    if not whole or not fits:
        limit = "" if longest is None else f" with L of 1 to {longest}"
        got = f"{tuple(tokens.shape)} of type {tokens.dtype}"
        raise ValueError(f"expected whole numbers (N, L){limit}, got {got}")


def recurrent_layer(cell: str) -> Callable[..., nn.RNNBase]:
    """Return PyTorch's class of a recurrent layer.

    Args:
        cell: ``"RNN"``, ``"GRU"`` or ``"LSTM"``.

    Raises:
        ValueError: for another name.

    Example:
        >>> recurrent_layer("GRU").__name__
        'GRU'
    """
    if cell not in _CELLS:
        raise ValueError(f"unknown cell {cell!r}; there are {', '.join(_CELLS)}")
    return _CELLS[cell]
