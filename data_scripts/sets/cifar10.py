"""CIFAR-10: 50,000 + 10,000 small colour pictures of ten kinds of things.

Content: `train_images`, `test_images`: uint8 (N, 3, 32, 32); `train_labels`, `test_labels`:
int64 (N,), 0 to 9; `classes`: the ten names in the order of the labels.

The official files are the "binary version", which needs no pickle. `cifar10_jpeg` has the same
pictures re-coded as JPEG, in another order: close, but not the same data.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import Archive, Content, DataError, DataSet, File, StandIn
from .._objects import CLASSES, SIDE, pictures

if TYPE_CHECKING:
    import numpy as np

_SIZE = 10_000 * (1 + 3 * SIDE * SIDE)  # of a file: label and pixels of each picture


def _content(parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> Content:
    import torch

    content: Content = {}
    for part, (images, labels) in parts.items():
        content[f"{part}_images"] = torch.from_numpy(images)
        content[f"{part}_labels"] = torch.from_numpy(labels).long()
    return {**content, "classes": list(CLASSES)}


def _prepare(folder: Path) -> Content:
    import numpy as np

    def read(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        raw = np.concatenate([np.fromfile(folder / name, dtype=np.uint8) for name in names])
        rows = raw.reshape(-1, 1 + 3 * SIDE * SIDE)
        return rows[:, 1:].reshape(-1, 3, SIDE, SIDE).copy(), rows[:, 0].copy()

    return _content({"train": read(_TRAIN), "test": read([_TEST])})


def _prepare_jpeg(folder: Path) -> Content:
    import numpy as np
    from PIL import Image

    from .._archives import DAMAGED, members

    found: dict[str, list[tuple[str, int, np.ndarray]]] = {"train": [], "test": []}
    try:
        for path, stream in members(folder / _JPEG, lambda path: path.endswith(".jpg")):
            part, kind, name = path.split("/")
            with Image.open(io.BytesIO(stream.read())) as picture:
                pixels = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
            found[part].append((name, CLASSES.index(kind), pixels))
    except DAMAGED as error:
        raise DataError(_JPEG, "damaged", "Remove it and fetch it again.") from error
    for entries in found.values():  # the classes in turn: a part of the set has all of them
        entries.sort(key=lambda entry: entry[:2])
    return _content(
        {
            part: (np.stack([e[2] for e in entries]), np.array([e[1] for e in entries]))
            for part, entries in found.items()
        }
    )


def make(seed: int, train: int = 3_000, test: int = 1_000) -> Content:
    """Drawn pictures of the ten classes, see :mod:`data_scripts._objects`.

    Args:
        seed: of the generator.
        train: number of training pictures.
        test: number of test pictures.
    """
    import numpy as np

    images, labels = pictures(train + test, np.random.default_rng(seed))
    return {
        "train_images": images[:train],
        "train_labels": labels[:train],
        "test_images": images[train:],
        "test_labels": labels[train:],
        "classes": list(CLASSES),
    }


_HASHES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
*_TRAIN, _TEST = _HASHES
_JPEG = "cifar10-jpeg.tar.xz"
_STANDIN = StandIn(
    make,
    "drawn things of the same ten classes on photographs of scikit-image and scikit-learn",
    "results are not CIFAR-10 results",
)
_OFFICIAL = DataSet(
    name="cifar10",
    title="CIFAR-10",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated; research and teaching",
    citation=(
        "Krizhevsky: Learning multiple layers of features from tiny images, University of "
        "Toronto (2009), https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf"
    ),
    prepare=_prepare,
    files=tuple(
        File(name, (), sha256, _SIZE, f"cifar10/{name}", member=f"cifar-10-batches-bin/{name}")
        for name, sha256 in _HASHES.items()
    ),
    standin=_STANDIN,
    archives=(
        Archive(
            "cifar10/cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            170_052_171,
        ),
    ),
    copy="cifar10_jpeg",
)

DATASETS = (
    _OFFICIAL,
    replace(
        _OFFICIAL,
        name="cifar10_jpeg",
        title="CIFAR-10 (JPEG copy)",
        prepare=_prepare_jpeg,
        files=(
            File(
                _JPEG,
                (),
                "f7453856acd3811d8bb9297c414e1d265bfe85aaec7b1460a37e9b44e8077808",
                18_572_016,
                _JPEG,
            ),
        ),
        standin=replace(_STANDIN, effect="results are not CIFAR-10 (JPEG copy) results"),
        archives=(),
        copy="",
    ),
)
