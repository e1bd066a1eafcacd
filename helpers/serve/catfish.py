"""The served model: cat or fish, small enough to train in seconds, with its weights from a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from torch import nn

__all__ = ["CLASSES", "LOCATION", "create_model", "fingerprint", "load_model"]

CLASSES = ("cat", "fish")
LOCATION = "CATFISH_MODEL_LOCATION"


def create_model(width: int = 16) -> nn.Sequential:
    """Return a new network: three convolutions, mean over the places, and a head with dropout.

    Args:
        width: channels of the first convolution.

    Shapes: ``(N, 3, 64, 64)`` to logits ``(N, 2)``.

    Example:
        >>> create_model()(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 2])
    """

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(3, width),
        *block(width, 2 * width),
        *block(2 * width, 4 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, len(CLASSES)),
    )


def fingerprint(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_model(location: str | None = None, sha256: str | None = None) -> tuple[nn.Module, str]:
    """Build the model and load its weights: safetensors, or a state dict that holds tensors only.

    Args:
        location: a path ending in ``.safetensors``, or another file of ``torch.save``; None takes
            the environment variable ``CATFISH_MODEL_LOCATION``.
        sha256: what the file must hash to. None takes ``CATFISH_MODEL_SHA256``; if that is empty
            too, nothing is compared.

    Returns:
        The model in evaluation mode on the CPU, and its version: twelve digits of the hash.

    Raises:
        RuntimeError: no location is given, or the hash is another, or the weights do not fit.
        pickle.UnpicklingError: the file holds more than tensors.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(create_model().state_dict(), f"{folder}/weights.pt")
        ...     model, version = load_model(f"{folder}/weights.pt")
        >>> model.training, len(version)
        (False, 12)
    """
    location = location or os.environ.get(LOCATION, "")
    if not location:
        raise RuntimeError(f"no weights: set {LOCATION} to the path of a file of weights")
    wanted = sha256 or os.environ.get("CATFISH_MODEL_SHA256", "")
    digest = fingerprint(location)
    if wanted and digest != wanted:
        raise RuntimeError(f"{location} is another file than expected: SHA-256 {digest[:12]}…")
    if location.endswith(".safetensors"):
        from safetensors.torch import load_file

        state = load_file(location)
    else:
        state = torch.load(location, map_location="cpu", weights_only=True)
    width = state["0.weight"].shape[0] if "0.weight" in state else 16
    model = create_model(width)
    model.load_state_dict(state)
    return model.eval(), digest[:12]
