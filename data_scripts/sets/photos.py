"""Photographs that installed packages carry: real in every mode, nothing to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._core import Content, DataError, DataSet
from .._images import package_file

if TYPE_CHECKING:
    import torch
    from PIL import Image

# Our name -> package, file below it.
SOURCES = {
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "astronaut": ("skimage", "data/astronaut.png"),
    "palace": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}


def path_of(name: str) -> Path:
    """Path of a photograph in its package.

    Args:
        name: a key of `SOURCES`.

    Raises:
        DataError: the name is unknown, or the package lacks the file.
    """
    if name not in SOURCES:
        raise DataError(name, "unknown photograph", f"Valid names: {', '.join(SOURCES)}.")
    return package_file(*SOURCES[name])


def photo(name: str) -> torch.Tensor:
    """One photograph, uint8 (3, H, W).

    Args:
        name: a key of `SOURCES`.
    """
    from PIL import Image

    with Image.open(path_of(name)) as picture:
        return to_tensor(picture)


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """A decoded picture of Pillow as uint8 (3, H, W)."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()


def _prepare(folder: Path) -> Content:
    return {name: photo(name) for name in SOURCES}


DATASETS = (
    DataSet(
        name="photos",
        title="Photographs of scikit-image and scikit-learn",
        home="https://scikit-image.org/docs/stable/api/skimage.data.html",
        licence="CC0, CC BY 2.0 (palace, flower), public domain (rocket, astronaut)",
        citation=(
            "van der Walt et al.: scikit-image: image processing in Python, PeerJ 2 (2014), "
            "https://doi.org/10.7717/peerj.453"
        ),
        prepare=_prepare,
        bundled="scikit-image and scikit-learn",
        extent=lambda content: f"{len(content)} photographs",
    ),
)
