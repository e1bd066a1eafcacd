"""Networks that hear: convolutions along a waveform."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["AudioNet"]

_SHORTEST = 1_772  # samples that leave one value behind the last pooling


class AudioNet(nn.Module):
    """The M5 network on raw waveforms, 559,114 parameters with 10 classes (B6.r2: 579,634 with 50).

    Dai, Dai, Qu, Li, Das: Very deep convolutional neural networks for raw waveforms, ICASSP 2017,
    arXiv:1610.00087. The first filters span 80 samples, a hundredth of a second at 8,000 a second.
    The mean over what is left of time takes a clip of any length; the original's window of 30
    fits 32,000 samples only.

    Shapes: waveforms ``(N, 1, T)`` with T ≥ 1,772 to logits ``(N, classes)``.

    Args:
        classes: number of logits.
        channels: feature maps of the first two convolutions; the last two have twice and four
            times as many.

    Raises:
        ValueError: for input of another shape.

    Example:
        >>> import torch
        >>> AudioNet(10)(torch.zeros(2, 1, 8_000)).shape
        torch.Size([2, 10])
    """

    def __init__(self, classes: int = 10, *, channels: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 1
        for n_out, kernel_size, stride in (
            (channels, 80, 4),
            (channels, 3, 1),
            (2 * channels, 3, 1),
            (4 * channels, 3, 1),
        ):
            layers += [
                nn.Conv1d(n_in, n_out, kernel_size, stride),
                nn.BatchNorm1d(n_out),
                nn.ReLU(),
                nn.MaxPool1d(4),
            ]
            n_in = n_out
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.fc = nn.Linear(n_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map waveforms to logits."""
        if x.ndim != 3 or x.shape[1] != 1 or x.shape[2] < _SHORTEST:
            raise ValueError(
                f"expected waveforms (N, 1, T) with T ≥ {_SHORTEST:,}, got {tuple(x.shape)}"
            )
        return self.fc(self.pool(self.features(x)).flatten(1))
