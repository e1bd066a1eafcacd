"""U-Nets, which answer with one vector of logits for each pixel."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._shapes import check_images

__all__ = ["UNet"]


def _block(inputs: int, outputs: int, padding: bool, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=int(padding)), nn.ReLU()]
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers)


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    """The middle of ``x``, as large as ``like``."""
    top, left = ((a - b) // 2 for a, b in zip(x.shape[2:], like.shape[2:], strict=True))
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]


class UNet(nn.Module):
    """The U-Net for one channel and two classes as published, 31,030,658 parameters.

    Ronneberger, Fischer, Brox: U-Net: convolutional networks for biomedical image segmentation,
    2015, arXiv:1505.04597. On the way down each block has two 3×3 convolutions, and pooling
    halves the sides and doubles the channels. On the way up, a transposed 2×2 convolution or
    bilinear enlargement doubles the sides, and the map of the same level is cropped and
    concatenated. A 1×1 convolution makes the logits.

    Shapes: ``(N, in_channels, H, W)`` to ``(N, num_classes, H', W')``. With ``padding`` the size
    is kept if H and W are multiples of ``2 ** (depth - 1)``, else the output is a little smaller.
    Without, each 3×3 convolution takes two pixels: 572 becomes 388.

    Args:
        in_channels: channels of the images.
        num_classes: logits a pixel; 1 for a mask with one probability.
        channels: channels of the first block.
        depth: levels, the lowest included.
        padding: keep the sizes with a border of zeros.
        batch_norm: normalise after each ReLU.
        up: ``"transposed"`` or ``"bilinear"`` (followed by a 1×1 convolution).
        skips: False puts zeros in the place of the copied maps, a control with equal weights.

    Raises:
        ValueError: for a depth below 1, another ``up``, or images that get too small.

    Example:
        >>> net = UNet()
        >>> small = UNet(in_channels=1, num_classes=1, channels=8, depth=3, padding=True)
        >>> small(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        *,
        channels: int = 64,
        depth: int = 5,
        padding: bool = False,
        batch_norm: bool = False,
        up: str = "transposed",
        skips: bool = True,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a U-Net needs at least one level, got depth={depth}")
        if up not in ("transposed", "bilinear"):
            raise ValueError(f'up is "transposed" or "bilinear", got {up!r}')
        self.in_channels, self.skips = in_channels, skips
        widths = [channels * 2**level for level in range(depth)]
        self.down = nn.ModuleList(
            _block(a, b, padding, batch_norm) for a, b in pairwise([in_channels, *widths])
        )
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        for low, high in pairwise(widths[::-1]):
            if up == "transposed":
                self.enlarge.append(nn.ConvTranspose2d(low, high, 2, stride=2))
            else:
                self.enlarge.append(
                    nn.Sequential(
                        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(low, high, 1)
                    )
                )
            self.up.append(_block(2 * high, high, padding, batch_norm))
        self.last = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits of each pixel."""
        check_images(x, self.in_channels)
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            if min(x.shape[2:]) < 2:
                raise ValueError(f"the images are too small for {len(self.down)} levels")
            x = block(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x = enlarge(x)
            copied = _cropped(kept.pop(), x)
            x = block(torch.cat([copied if self.skips else torch.zeros_like(copied), x], dim=1))
        return self.last(x)
