"""Sound as numbers: another sampling rate, the spectrogram, mel bands, decibels.

Taught in notebooks/21_sound.ipynb, which builds each step by hand first. Waveforms are tensors
``(..., T)`` with values in -1 to 1.
"""

from __future__ import annotations

import importlib
import math
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.console import say

__all__ = [
    "decibels",
    "fix_length",
    "hz_to_mel",
    "log_mel",
    "mel_filters",
    "mel_to_hz",
    "optional_library",
    "resample",
    "spectrogram",
]

_LINEAR = 200 / 3  # Slaney: a mel below 1,000 Hz, in Hz
_LOG_STEP = math.log(6.4) / 27  # Slaney: a mel above, in natural logarithms


def optional_library(name: str) -> ModuleType | None:
    """Import a library that may be absent or broken; say so in a line and return None.

    torchaudio is compiled for one version of PyTorch. Beside another one its import ends in an
    ``ImportError``, an ``OSError`` or a ``RuntimeError``.

    Example:
        >>> optional_library("no_such_library") is None
        no_such_library does not import here (ModuleNotFoundError): what needs it is left out
        True
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        say(f"{name} does not import here ({type(error).__name__}): what needs it is left out")
        return None


def fix_length(x: Tensor, length: int) -> Tensor:
    """Cut a waveform, or add zeros at its end, so that it has `length` samples.

    Shapes: ``(..., T)`` to ``(..., length)``.

    Example:
        >>> fix_length(torch.ones(3), 5), fix_length(torch.ones(3), 2)
        (tensor([1., 1., 1., 0., 0.]), tensor([1., 1.]))
    """
    return F.pad(x[..., :length], (0, max(length - x.shape[-1], 0)))


def resample(x: Tensor, rate: int, new_rate: int) -> Tensor:
    """Return a waveform at another sampling rate, without aliasing.

    A low-pass filter first removes what the new rate cannot hold (``scipy.signal.resample_poly``).

    Args:
        x: waveforms ``(..., T)``, on the CPU.
        rate: samples a second.
        new_rate: samples a second that are wanted.

    Returns:
        ``(..., ⌈T · new_rate / rate⌉)``, of the type of x.

    Raises:
        ValueError: for a rate that is no positive whole number.

    Example:
        >>> resample(torch.zeros(2, 441), 44_100, 8_000).shape
        torch.Size([2, 80])
    """
    if not all(isinstance(r, int) and r > 0 for r in (rate, new_rate)):
        raise ValueError(f"rates must be positive whole numbers, got {rate} and {new_rate}")
    if rate == new_rate:
        return x.clone()
    from scipy.signal import resample_poly

    common = math.gcd(rate, new_rate)
    made = resample_poly(x.numpy(), new_rate // common, rate // common, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(made)).to(x.dtype)


def spectrogram(x: Tensor, *, n_fft: int = 1024, hop: int = 512) -> Tensor:
    """Return the power of each frequency in each frame: |STFT|², Hann window, frames centred.

    Shapes: ``(..., T)`` to ``(..., n_fft // 2 + 1, T // hop + 1)``.

    Raises:
        ValueError: for a waveform too short to be mirrored at its ends.

    Example:
        >>> spectrogram(torch.zeros(4, 22_050)).shape
        torch.Size([4, 513, 44])
    """
    if x.shape[-1] <= n_fft // 2:
        raise ValueError(f"expected more than {n_fft // 2} samples, got {x.shape[-1]}")
    window = torch.hann_window(n_fft, dtype=x.dtype, device=x.device)
    flat = x.reshape(-1, x.shape[-1])
    bins = torch.stft(flat, n_fft, hop, window=window, return_complex=True)
    return bins.abs().square().reshape(*x.shape[:-1], *bins.shape[1:])


def hz_to_mel(hz: Tensor, scale: str = "slaney") -> Tensor:
    """Frequencies in Hz to mel.

    ``"htk"``: 2595 log10(1 + f/700). ``"slaney"``: straight up to 1,000 Hz, then logarithmic
    (Slaney: Auditory toolbox, 1998), the default of librosa.

    Raises:
        ValueError: for another scale.

    Example:
        >>> hz_to_mel(torch.tensor(1000.0)), hz_to_mel(torch.tensor(1000.0), "htk").round()
        (tensor(15.), tensor(1000.))
    """
    if scale == "htk":
        return 2595 * torch.log10(1 + hz / 700)
    if scale != "slaney":
        raise ValueError(f"unknown scale {scale!r}; there are slaney, htk")
    above = 15 + torch.log(hz.clamp(min=1e-10) / 1000) / _LOG_STEP
    return torch.where(hz < 1000, hz / _LINEAR, above)


def mel_to_hz(mel: Tensor, scale: str = "slaney") -> Tensor:
    """Mel to frequencies in Hz, the inverse of :func:`hz_to_mel`.

    Raises:
        ValueError: for another scale.

    Example:
        >>> mel_to_hz(torch.tensor([15.0, 42.0]))
        tensor([1000., 6400.])
    """
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    if scale != "slaney":
        raise ValueError(f"unknown scale {scale!r}; there are slaney, htk")
    return torch.where(mel < 15, mel * _LINEAR, 1000 * torch.exp((mel - 15) * _LOG_STEP))


def mel_filters(
    rate: int, *, n_fft: int = 1024, n_mels: int = 64, scale: str = "slaney", area: bool = True
) -> Tensor:
    """Return triangles over the frequencies of a spectrogram, equally spaced in mel.

    Args:
        rate: samples a second.
        n_fft: samples in a frame.
        n_mels: number of triangles, from 0 Hz to half the rate.
        scale: see :func:`hz_to_mel`.
        area: give all triangles the same area (librosa's ``norm="slaney"``), else height 1.

    Returns:
        ``(n_mels, n_fft // 2 + 1)``, float32.

    Example:
        >>> mel_filters(22_050).shape
        torch.Size([64, 513])
    """
    top = hz_to_mel(torch.tensor(rate / 2, dtype=torch.float64), scale).item()
    edges = mel_to_hz(torch.linspace(0, top, n_mels + 2, dtype=torch.float64), scale)
    hz = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    left, centre, right = (edges[i : n_mels + i, None] for i in range(3))
    triangles = torch.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
    triangles = triangles.clamp(min=0)
    if area:
        triangles = triangles * (2 / (right - left))
    return triangles.float()


def decibels(power: Tensor, *, top_db: float = 80.0) -> Tensor:
    """Return 10 log10(power / loudest) of each spectrogram, cut off at ``-top_db``.

    Shapes: ``(..., F, T)`` to the same; the values lie in ``-top_db`` to 0. Silence is 0 all over,
    because there everything is as loud as the loudest.

    Example:
        >>> decibels(torch.tensor([[1.0, 0.1, 0.0]]))
        tensor([[  0., -10., -80.]])
    """
    db = 10 * torch.log10(power.clamp(min=1e-10))
    return (db - db.amax(dim=(-2, -1), keepdim=True)).clamp(min=-top_db)


def log_mel(x: Tensor, rate: int, *, n_fft: int = 1024, hop: int = 512, n_mels: int = 64) -> Tensor:
    """Return the mel spectrogram in decibels below its loudest value, -80 to 0.

    Shapes: ``(..., T)`` to ``(..., n_mels, T // hop + 1)``.

    Example:
        >>> log_mel(torch.randn(2, 22_050), 22_050).shape
        torch.Size([2, 64, 44])
    """
    filters = mel_filters(rate, n_fft=n_fft, n_mels=n_mels).to(x)
    return decibels(filters @ spectrogram(x, n_fft=n_fft, hop=hop))
