"""Networks whose output is a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._shapes import check_images

__all__ = ["OurFirstSRNet", "RRDBNet", "ResidualSR"]


class OurFirstSRNet(nn.Module):
    """A textbook's autoencoder on the way to super-resolution (B9.r2), 516,867 parameters.

    Three convolutions, three transposed convolutions that undo their changes of shape, and a
    ReLU after each. Sides of 224 run 56, 59, 62, 59, 56, 224: the "code" is larger than the
    picture. The last ReLU is the textbook's; it makes every negative value 0.

    Shapes: ``(N, 3, H, W)`` to the same for H and W that are multiples of 4, else smaller.

    Args:
        double: append a transposed convolution that doubles the sides, 39 parameters more.
        smooth: append another convolution that halves them again, 39 parameters more.

    Example:
        >>> net = OurFirstSRNet()
        >>> net(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 3, 224, 224])
    """

    def __init__(self, *, double: bool = False, smooth: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 8, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(64, 192, 2, padding=2),
            nn.ReLU(),
            nn.Conv2d(192, 256, 2, padding=2),
            nn.ReLU(),
        )
        self.upsample = nn.Sequential(
            nn.ConvTranspose2d(256, 192, 2, padding=2),
            nn.ReLU(),
            nn.ConvTranspose2d(192, 64, 2, padding=2),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 8, stride=4, padding=2),
            nn.ReLU(),
        )
        if double:
            self.upsample.extend([nn.ConvTranspose2d(3, 3, 2, stride=2), nn.ReLU()])
        if smooth:
            self.upsample.extend([nn.Conv2d(3, 3, 2, stride=2), nn.ReLU()])

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to pictures."""
        check_images(x, 3)
        return self.upsample(self.features(x))


class ResidualSR(nn.Module):
    """A small network that corrects bicubic enlargement, 4,508 parameters.

    Two 3×3 convolutions on the small picture, a third one that makes ``scale ** 2`` values for
    each pixel and channel, and ``nn.PixelShuffle`` (Shi et al.: Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network, 2016,
    arXiv:1609.05158). The result is added to the bicubic picture. The last layer begins at zero,
    so the untrained network *is* bicubic enlargement.

    Shapes: ``(N, 3, H, W)`` to ``(N, 3, scale * H, scale * W)``.

    Example:
        >>> net = ResidualSR()
        >>> net(torch.zeros(1, 3, 20, 24)).shape
        torch.Size([1, 3, 40, 48])
    """

    def __init__(self, channels: int = 16, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 3 * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )
        for parameter in self.body[4].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures."""
        check_images(x, 3)
        plain = F.interpolate(x, scale_factor=self.scale, mode="bicubic", align_corners=False)
        return plain + self.body(x)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all maps before it; a fifth of the sum is added."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + k * growth, growth if k < 4 else channels, 3, padding=1)
            for k in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for conv in self.convs[:4]:
            maps.append(F.leaky_relu(conv(torch.cat(maps, dim=1)), 0.2))
        return x + 0.2 * self.convs[4](torch.cat(maps, dim=1))


class _ResidualInResidual(nn.Module):
    """Three dense blocks, with a residual connection around them."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_DenseBlock(channels, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.blocks(x)


class RRDBNet(nn.Module):
    """The generator of ESRGAN, which enlarges four times, 16,697,987 parameters.

    Wang et al.: ESRGAN: enhanced super-resolution generative adversarial networks, 2018,
    arXiv:1809.00219. Residual-in-residual dense blocks without batch normalisation, then twice
    "repeat each pixel, convolve".

    Shapes: ``(N, 3, H, W)`` to ``(N, 3, 4 * H, 4 * W)``.

    Args:
        channels: maps between the blocks.
        blocks: number of blocks.
        growth: maps that each convolution inside a dense block adds.

    Example:
        >>> net = RRDBNet()
        >>> RRDBNet(channels=8, blocks=1, growth=4)(torch.zeros(1, 3, 10, 12)).shape
        torch.Size([1, 3, 40, 48])
    """

    def __init__(self, *, channels: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.trunk = nn.Sequential(*(_ResidualInResidual(channels, growth) for _ in range(blocks)))
        self.trunk_last = nn.Conv2d(channels, channels, 3, padding=1)
        self.enlarge = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.large = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures."""
        check_images(x, 3)
        x = self.first(x)
        x = x + self.trunk_last(self.trunk(x))
        for conv in self.enlarge:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.last(F.leaky_relu(self.large(x), 0.2))
