"""Checks of inputs that the models share: an error with the expected and the given shape."""

from __future__ import annotations

import torch


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


def check_tokens(tokens: torch.Tensor) -> None:
    """Check that token numbers are whole and have the shape of a batch.

    Args:
        tokens: the batch, ``(N, L)``.

    Raises:
        ValueError: with the given shape and type.

    Example:
        >>> check_tokens(torch.zeros(2, 5, dtype=torch.long))
        >>> check_tokens(torch.zeros(2, 5))
        Traceback (most recent call last):
        ValueError: expected whole numbers of tokens (N, L), got (2, 5) of type torch.float32
    """
    if tokens.ndim != 2 or tokens.is_floating_point() or tokens.is_complex():
        raise ValueError(
            "expected whole numbers of tokens (N, L), got "
            f"{tuple(tokens.shape)} of type {tokens.dtype}"
        )
