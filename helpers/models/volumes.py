"""Three-dimensional networks for crops of CT scans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["LunaBlock", "LunaModel"]


class LunaBlock(nn.Sequential):
    """Two 3×3×3 convolutions and a pooling that halves each side, 1,960 parameters from 1 to 8.

    Stevens, Antiga, Viehmann: Deep Learning with PyTorch, Manning 2020, chapter 11 (T4.l7).

    Shapes: ``(N, in_channels, D, H, W)`` to ``(N, channels, D // 2, H // 2, W // 2)``.

    Args:
        in_channels: channels of the input.
        channels: channels of both convolutions.

    Raises:
        ValueError: for an input of another shape.

    Example:
        >>> LunaBlock(1, 8)(torch.zeros(2, 1, 4, 8, 8)).shape
        torch.Size([2, 8, 2, 4, 4])
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv3d(in_channels, channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv3d(channels, channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(2, 2),
        )
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map volumes to smaller ones with more channels."""
        if x.ndim != 5 or x.shape[1] != self.in_channels:
            raise ValueError(f"expected (N, {self.in_channels}, D, H, W), got {tuple(x.shape)}")
        return super().forward(x)


class LunaModel(nn.Module):
    """A stack of LunaBlocks and one linear layer, 222,218 parameters for 32×48×48 voxels.

    After chapter 11 of Deep Learning with PyTorch (see :class:`LunaBlock`), without its batch
    normalisation of the input: give it windowed Hounsfield units.

    Shapes: ``(N, 1, *size)`` to logits ``(N, num_classes)``.

    Args:
        size: voxels along slices, rows and columns; each is halved by every block.
        channels: of the blocks, one after the other.
        num_classes: number of logits.

    Raises:
        ValueError: if nothing is left of the volume, or for an input of another size.

    Example:
        >>> LunaModel()(torch.zeros(2, 1, 32, 48, 48)).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        size: Sequence[int] = (32, 48, 48),
        channels: Sequence[int] = (8, 16, 32, 64),
        num_classes: int = 2,
    ) -> None:
        super().__init__()
        self.size = tuple(size)
        depth, height, width = (side // 2 ** len(channels) for side in self.size)
        left = torch.Size((depth, height, width)).numel()
        if not left:
            raise ValueError(f"{len(channels)} blocks leave nothing of {self.size} voxels")
        pairs = itertools.pairwise((1, *channels))
        self.blocks = nn.Sequential(*(LunaBlock(a, b) for a, b in pairs))
        self.head_linear = nn.Linear(channels[-1] * left, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map crops to logits."""
        if x.ndim != 5 or tuple(x.shape[1:]) != (1, *self.size):
            raise ValueError(f"expected (N, 1, {self.size}), got {tuple(x.shape)}")
        return self.head_linear(self.blocks(x).flatten(1))
