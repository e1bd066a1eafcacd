"""Residual networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._shapes import check_images

__all__ = ["NetRes", "NetResDeep", "ResBlock"]


class NetRes(nn.Module):
    """A convolutional network with one skip connection (T3.l8), 16,130 parameters.

    Three 3×3 convolutions; the output of the second is added to that of the third. Stevens,
    Antiga, Viehmann: Deep learning with PyTorch, section 8.5.3, there called ResNet.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, num_classes)``.

    Args:
        channels: of the first convolution, an even number; the other two have half of it.
        num_classes: the number of logits.

    Raises:
        ValueError: for an odd or too small number of channels, or images of another shape.

    Example:
        >>> NetRes()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, channels: int = 32, num_classes: int = 2) -> None:
        super().__init__()
        if channels < 2 or channels % 2:
            raise ValueError(f"channels must be an even number of at least 2, got {channels}")
        half = channels // 2
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, half, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(half, half, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(half * 4 * 4, 32)
        self.fc2 = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 3, 32)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)) + x, 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class ResBlock(nn.Module):
    """One residual block (T3.l9), 9,280 parameters with 32 channels.

    3×3 convolution, batch normalisation, ReLU, plus the input.

    He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016,
    arXiv:1512.03385, in the one-convolution form of Stevens et al., section 8.5.3. The
    convolution has no bias, since batch normalisation would cancel it.

    Shapes: ``(N, channels, H, W)`` to the same.

    Example:
        >>> ResBlock(32)(torch.zeros(2, 32, 16, 16)).shape
        torch.Size([2, 32, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.constant_(self.norm.weight, 0.5)
        nn.init.zeros_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the block's correction."""
        check_images(x, self.conv.in_channels)
        return F.relu(self.norm(self.conv(x))) + x


class NetResDeep(nn.Module):
    """A deep residual network for 32×32 images (T3.r1), 159,330 parameters with ten blocks.

    Every block has weights of its own. The source's ``n_blocks * [ResBlock(...)]`` repeats one
    block, which leaves 75,810 parameters.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, num_classes)``.

    Example:
        >>> NetResDeep()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, channels: int = 32, n_blocks: int = 10, num_classes: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.blocks = nn.Sequential(*(ResBlock(channels) for _ in range(n_blocks)))
        self.fc1 = nn.Linear(channels * 8 * 8, 32)
        self.fc2 = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 3, 32)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(self.blocks(x), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))
