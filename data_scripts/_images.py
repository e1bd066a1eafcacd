"""Pictures: IDX image sets, files of installed packages, what stands in for them."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ._core import Content, DataError

if TYPE_CHECKING:
    import numpy as np
    import torch

IDX_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


_PROJECTS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def package_file(package: str, file: str) -> Path:
    """Path of a picture that an installed package carries.

    Args:
        package: the name to import, `"skimage"` or `"sklearn"`.
        file: path below the package.

    Raises:
        DataError: the package lacks the file.
    """
    found = importlib.util.find_spec(package)
    for root in (found.submodule_search_locations or []) if found else []:
        if (Path(root) / file).is_file():
            return Path(root) / file
    project = _PROJECTS[package]
    raise DataError(file, f"{project} has no such file", f"Run `pip install --upgrade {project}`.")


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    Format: two zero bytes, the type (8 = unsigned byte), the number of dimensions, each
    dimension as big-endian 32-bit integer, then the values.

    Returns:
        uint8 array in the shape that the header gives.

    Raises:
        DataError: the header or the length is wrong.
    """
    import numpy as np

    raw = path.read_bytes()
    start = 4 + 4 * (raw[3] if len(raw) > 3 else 0)
    if raw[:3] == b"\x00\x00\x08" and len(raw) >= start:
        shape = np.frombuffer(raw[4:start], dtype=">u4").astype(int).tolist()
        values = np.frombuffer(raw, dtype=np.uint8, offset=start)
        if values.size == math.prod(shape):
            return values.reshape(shape).copy()
    raise DataError(path.name, "not an IDX file of bytes", "Remove it and fetch it again.")


def read_images(folder: Path) -> Content:
    """Read the four IDX files of MNIST's layout.

    Returns:
        `train_images`, `test_images`: uint8 tensors (N, 28, 28), 0 background to 255 ink;
        `train_labels`, `test_labels`: int64 tensors (N,).
    """
    import torch

    content = {key: torch.from_numpy(read_idx(folder / name)) for key, name in IDX_FILES.items()}
    return {
        key: value if key.endswith("images") else value.long() for key, value in content.items()
    }


def split_digits() -> Content:
    """scikit-learn's 1,797 handwritten digits in a fixed stratified split.

    Returns:
        `train_images` (1437, 8, 8) and `test_images` (360, 8, 8), uint8, 0 to 16;
        `train_labels` and `test_labels`, int64.
    """
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images, labels = digits.images.astype("uint8"), digits.target.astype("int64")
    parts = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    keys = ("train_images", "test_images", "train_labels", "test_labels")
    return {key: torch.from_numpy(part) for key, part in zip(keys, parts, strict=True)}


def enlarged_digits(seed: int) -> Content:
    """scikit-learn's digits in MNIST's format: 20×20 pixels centred in 28×28, 0 to 255.

    Args:
        seed: not used; the pictures are real and the split is fixed.
    """
    return {
        key: _enlarge(value) if key.endswith("images") else value
        for key, value in split_digits().items()
    }


def _enlarge(images: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional as F

    grown = F.interpolate(images[:, None].float(), size=(20, 20), mode="bilinear")[:, 0]
    return F.pad(grown * (255 / 16), (4, 4, 4, 4)).round().byte()


def patterns(seed: int, train: int = 6000, test: int = 1000) -> Content:
    """Generated pictures of ten classes in Fashion-MNIST's format.

    Classes: 0 horizontal, 1 vertical, 2 diagonal stripes, 3 checkerboard, 4 disc, 5 ring,
    6 square, 7 frame, 8 cross, 9 triangle; in random place, size, brightness and noise.

    Args:
        seed: of the generator.
        train: number of training pictures.
        test: number of test pictures.

    Returns:
        The four keys of `read_images`.
    """
    import numpy as np
    import torch

    rng = np.random.default_rng(seed)
    count = train + test
    labels = rng.permutation(np.arange(count) % 10)
    grid = np.arange(28, dtype=np.float32) - 13.5

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1)).astype(np.float32)

    x, y = grid[None, None, :] - draw(-3, 3), grid[None, :, None] - draw(-3, 3)
    radius, period = draw(5, 10), draw(5, 9)
    wave = 2 * np.pi / period
    far, near = np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
    round_ = np.hypot(x, y)
    shapes = (
        lambda: np.sin(wave * y) + 0 * x > 0,
        lambda: np.sin(wave * x) + 0 * y > 0,
        lambda: np.sin(wave * (x + y) / np.sqrt(2)) > 0,
        lambda: np.sin(wave * x) * np.sin(wave * y) > 0,
        lambda: round_ < radius,
        lambda: abs(round_ - 0.75 * radius) < 0.25 * radius,
        lambda: far < 0.9 * radius,
        lambda: abs(far - 0.7 * radius) < 0.2 * radius,
        lambda: (near < 0.3 * radius) & (far < radius),
        lambda: (y < 0.8 * radius) & (y > 2 * abs(x) - radius),
    )
    ink = np.zeros((count, 28, 28), dtype=np.float32)
    for label, shape in enumerate(shapes):
        chosen = labels == label
        ink[chosen] = shape()[chosen]
    noisy = ink * draw(90, 255) + rng.normal(0, 45, ink.shape).astype(np.float32)
    images = torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))
    targets = torch.from_numpy(labels.astype(np.int64))
    return {
        "train_images": images[:train],
        "train_labels": targets[:train],
        "test_images": images[train:],
        "test_labels": targets[train:],
    }
