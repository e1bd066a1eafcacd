"""CIFAR-10: 50,000 + 10,000 colour pictures of 32×32 in ten classes."""

from __future__ import annotations

from pathlib import Path

from .._archives import members
from .._core import Content, DataError, DataSet, File, StandIn
from .._images import patterns

_RECORD = 1 + 3 * 32 * 32  # the label, then the red, the green and the blue values


def parse(raw: bytes) -> Content:
    """Read records of CIFAR-10's binary version.

    Returns:
        `images`: uint8 tensor (N, 32, 32, 3); `labels`: int64 tensor (N,).

    Raises:
        DataError: the length is not that of whole records.

    Example:
        >>> content = parse(bytes([7]) + bytes(3072))
        >>> tuple(content["images"].shape), content["labels"].tolist()
        ((1, 32, 32, 3), [7])
    """
    import numpy as np
    import torch

    if not raw or len(raw) % _RECORD:
        raise DataError("cifar10", "not whole records of 3,073 bytes", "Remove it, fetch it again.")
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    labels = records[:, 0].astype(np.int64)
    return {"images": torch.from_numpy(images), "labels": torch.from_numpy(labels)}


def _prepare(folder: Path) -> Content:
    names = {f"data_batch_{k}.bin": "train" for k in range(1, 6)} | {"test_batch.bin": "test"}
    found: dict[str, bytes] = {}
    archive = folder / "cifar-10-binary.tar.gz"
    for member, stream in members(archive, lambda name: Path(name).name in names):
        found[Path(member).name] = stream.read()
    if missing := sorted(set(names) - set(found)):
        raise DataError(archive.name, f"lacks {missing}", "Remove it and fetch it again.")
    content: Content = {}
    for part in ("train", "test"):
        read = parse(b"".join(found[name] for name in names if names[name] == part))
        content |= {f"{part}_{key}": value for key, value in read.items()}
    return content


def make(seed: int) -> Content:
    """Color the patterns that stand in for Fashion-MNIST, and set them on 32×32 pixels.

    Args:
        seed: of the generators.

    Returns:
        `train_images` and `test_images`, uint8 (N, 32, 32, 3); `train_labels`, `test_labels`.
    """
    import torch

    content = patterns(seed, train=2000, test=500)
    generator = torch.Generator().manual_seed(seed)
    for key in ("train_images", "test_images"):
        grey = torch.nn.functional.pad(content[key], (2, 2, 2, 2))[..., None].float()
        color = 0.3 + 0.7 * torch.rand(len(grey), 1, 1, 3, generator=generator)
        content[key] = (grey * color).to(torch.uint8)
    return content


DATASETS = (
    DataSet(
        name="cifar10",
        title="CIFAR-10",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated by the authors; free for research, to be cited",
        citation=(
            "Krizhevsky: Learning multiple layers of features from tiny images (2009), "
            "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf"
        ),
        prepare=_prepare,
        files=(
            File(
                "cifar-10-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                170_052_171,
                "cifar10/cifar-10-binary.tar.gz",
            ),
        ),
        standin=StandIn(
            make,
            "generated colour patterns of ten classes",
            "results are not CIFAR-10 results",
        ),
    ),
)
