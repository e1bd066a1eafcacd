"""Plain convolutional networks, from LeNet-5 to AlexNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._shapes import check_images

__all__ = ["CNNNet", "LeNet", "MnistCNN", "ModelToBreak", "Net", "NetBatchNorm", "NetDropout"]


class LeNet(nn.Module):
    """LeNet-5 for 28×28 images, 61,706 parameters for one channel and ten classes.

    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86(11), 1998, doi:10.1109/5.726791. Today's usual form: every map of
    the second convolution sees all six input maps, and the output is a plain linear layer.

    Shapes: ``(N, in_channels, 28, 28)`` to logits ``(N, num_classes)``.

    Example:
        >>> LeNet()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, self.in_channels, 28)
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(x)))


class MnistCNN(nn.Module):
    """The textbook's network for MNIST (K7.l1), 1,199,882 parameters.

    Two 3×3 convolutions (28 → 26 → 24), 2×2 max pooling (12), two linear layers with dropout.
    It returns logits where the textbook returns log-probabilities: use ``nn.CrossEntropyLoss``.

    Shapes: ``(N, 1, 28, 28)`` to logits ``(N, num_classes)``.

    Example:
        >>> MnistCNN()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.dropout1 = nn.Dropout(0.25)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.dropout2 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 1, 28)
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.dropout2(x))


class ModelToBreak(nn.Module):
    """The network that a textbook attacks (B9.l12), 62,006 parameters.

    Two 5×5 convolutions with ReLU and 2×2 max pooling, then linear layers 400, 120, 84, 10.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, num_classes)``.

    Example:
        >>> ModelToBreak()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 3, 32)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class CNNNet(nn.Module):
    """AlexNet as Pointer's chapter 3 writes it (B3.r1), 57,012,034 parameters for two classes.

    Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
    networks, NeurIPS 2012; layer sizes of Krizhevsky, arXiv:1404.5997, as in torchvision.

    Shapes: ``(N, 3, H, W)`` with H, W ≥ 63 (made for 224) to logits ``(N, num_classes)``.

    Example:
        >>> CNNNet(num_classes=2)(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2])
    """

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 3)
        if min(x.shape[2:]) < 63:
            raise ValueError(f"expected images of at least 63×63 pixels, got {tuple(x.shape)}")
        return self.classifier(self.pool(self.features(x)).flatten(1))


class Net(nn.Module):
    """The birds-or-airplanes network of Stevens et al. (T3.l1), 18,090 parameters.

    With ``width=32`` it is their wider network, the base of :class:`NetDropout` and
    :class:`NetBatchNorm`.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, 2)``.

    Example:
        >>> Net()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, width: int = 16, num_classes: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=3, padding=1)
        self.norm1: nn.Module = nn.Identity()
        self.drop1: nn.Module = nn.Identity()
        self.conv2 = nn.Conv2d(width, width // 2, kernel_size=3, padding=1)
        self.norm2: nn.Module = nn.Identity()
        self.drop2: nn.Module = nn.Identity()
        self.fc1 = nn.Linear(width // 2 * 8 * 8, 32)
        self.fc2 = nn.Linear(32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_images(x, 3, 32)
        x = self.drop1(F.max_pool2d(torch.tanh(self.norm1(self.conv1(x))), 2))
        x = self.drop2(F.max_pool2d(torch.tanh(self.norm2(self.conv2(x))), 2))
        # flatten(1) keeps the batch dimension; view(-1, 1024) would hide a wrong feature count.
        return self.fc2(torch.tanh(self.fc1(x.flatten(1))))


class NetDropout(Net):
    """:class:`Net` with channel dropout after each pooling (T3.l6), 38,386 parameters.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, 2)``.

    Example:
        >>> NetDropout()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, width: int = 32, num_classes: int = 2, *, p: float = 0.4) -> None:
        super().__init__(width, num_classes)
        self.drop1 = nn.Dropout2d(p)
        self.drop2 = nn.Dropout2d(p)


class NetBatchNorm(Net):
    """:class:`Net` with batch normalisation before each tanh (T3.l7), 38,482 parameters.

    Shapes: ``(N, 3, 32, 32)`` to logits ``(N, 2)``.

    Example:
        >>> NetBatchNorm()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, width: int = 32, num_classes: int = 2) -> None:
        super().__init__(width, num_classes)
        self.norm1 = nn.BatchNorm2d(width)
        self.norm2 = nn.BatchNorm2d(width // 2)
