"""The small files of *Deep Learning with PyTorch*: a dog, three cats, a novel, a bird.

Each set keeps the encoded file beside the decoded content, so that a chapter can show the way
from one to the other.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import Content, DataSet, File, StandIn
from .photos import photo, to_tensor

if TYPE_CHECKING:
    import torch

_HOST = "https://github.com/deep-learning-with-pytorch/dlwpt-code/raw/master/data/p1ch4"
_BOOK = "Stevens, Antiga, Viehmann: Deep Learning with PyTorch, Manning (2020)"
_HOME = "https://github.com/deep-learning-with-pytorch/dlwpt-code"
_RATE = 44_100  # samples a second
_CATS = ("cat1.png", "cat2.png", "cat3.png")
_STANDIN_CATS = ("cat", "coffee", "rocket")


def _file(path: str, size: int, sha256: str, *more: str) -> File:
    return File(path.split("/")[-1], (f"{_HOST}/{path}", *more), sha256, size, f"dlwpt/{path}")


def _bytes(content: bytes) -> torch.Tensor:
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _decode(file: torch.Tensor) -> torch.Tensor:
    from PIL import Image

    with Image.open(io.BytesIO(file.numpy().tobytes())) as picture:
        return to_tensor(picture)


def _encode(image: torch.Tensor, kind: str) -> torch.Tensor:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, kind)
    return _bytes(file.getvalue())


def _fit(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarge or shrink a picture to cover a frame, and cut out the middle."""
    from torchvision.transforms.v2 import functional as F

    scale = max(height / image.shape[1], width / image.shape[2])
    size = [max(height, round(image.shape[1] * scale)), max(width, round(image.shape[2] * scale))]
    return F.center_crop(F.resize(image, size, antialias=True), [height, width])


def _dog(file: torch.Tensor) -> Content:
    return {"image": _decode(file), "jpeg": file}


def _dog_standin(seed: int) -> Content:
    return _dog(_encode(_fit(photo("cat"), 720, 1280), "JPEG"))


def _cats(files: list[torch.Tensor]) -> Content:
    import torch

    return {"images": torch.stack([_decode(file) for file in files]), "files": files}


def _cats_standin(seed: int) -> Content:
    return _cats([_encode(_fit(photo(name), 256, 256), "PNG") for name in _STANDIN_CATS])


def _novel(folder: Path) -> Content:
    return {"text": (folder / "1342-0.txt").read_text(encoding="utf-8-sig")}


def _novel_standin(seed: int) -> Content:
    """What scikit-learn says about its data sets: real English prose, in a fixed order."""
    from importlib import resources

    folder = resources.files("sklearn.datasets.descr")
    names = ("iris.rst", "wine_data.rst", "breast_cancer.rst", "digits.rst", "diabetes.rst")
    return {"text": "\n".join((folder / name).read_text(encoding="utf-8") for name in names)}


def _bird(folder: Path) -> Content:
    import soundfile
    import torch

    samples, rate = soundfile.read(folder / "1-100038-A-14.wav", dtype="int16", always_2d=True)
    return {"wave": torch.from_numpy(samples.T.copy()), "rate": rate}


def _bird_standin(seed: int) -> Content:
    """Generated calls: short whistles that rise and fall, over quiet noise, 5 s, one channel."""
    import numpy as np
    import torch

    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.003, 5 * _RATE)
    for start in np.arange(0.3, 4.6, 0.45):
        length = int(rng.uniform(0.12, 0.25) * _RATE)
        t = np.arange(length) / length
        pitch = rng.uniform(2800, 3600) + 1400 * np.sin(np.pi * t)  # Hz
        call = np.sin(2 * np.pi * np.cumsum(pitch) / _RATE) * np.sin(np.pi * t) ** 2
        first = int(start * _RATE)
        samples[first : first + length] += 0.3 * call
    wave = torch.from_numpy(samples).clamp(-1, 1).mul(32_767).round().to(torch.int16)
    return {"wave": wave[None], "rate": _RATE}


DATASETS = (
    DataSet(
        name="dog_photo",
        title="Dog photograph",
        home=_HOME,
        licence="as in the repository of the book (MIT)",
        citation=_BOOK,
        prepare=lambda folder: _dog(_bytes((folder / "bobby.jpg").read_bytes())),
        files=(
            _file(
                "image-dog/bobby.jpg",
                75_801,
                "71d4d4ae4f00f5febb1f178153673bc456d15f305f6d58517679340dcfbf5914",
            ),
        ),
        standin=StandIn(
            _dog_standin,
            "scikit-image's photograph of a cat, enlarged",
            "results are not Dog photograph results",
        ),
        extent=lambda content: "one picture of {1}×{2} pixels".format(*content["image"].shape),
    ),
    DataSet(
        name="three_cats",
        title="Three cats",
        home=_HOME,
        licence="as in the repository of the book (MIT)",
        citation=_BOOK,
        prepare=lambda folder: _cats([_bytes((folder / name).read_bytes()) for name in _CATS]),
        files=(
            _file(
                "image-cats/cat1.png",
                142_028,
                "e87d082c3d9465126a0e66f95b0111be8d300223c24a7590604e622cba662699",
            ),
            _file(
                "image-cats/cat2.png",
                144_059,
                "5fe15f80c49c9ecb7c72dcdc276d43a04c0559dc9bf62d5de17c72c5b777283f",
            ),
            _file(
                "image-cats/cat3.png",
                106_468,
                "903322dcc2bb2930013d58cd39c6ae6f55c5b1b640ef3129b30c0000c6858c93",
            ),
        ),
        standin=StandIn(
            _cats_standin,
            "three photographs of scikit-image (a cat, a cup, a rocket)",
            "results are not Three cats results",
        ),
        extent=lambda content: "{0} pictures of {2}×{3} pixels".format(*content["images"].shape),
    ),
    DataSet(
        name="pride_and_prejudice",
        title="Pride and Prejudice",
        home="https://www.gutenberg.org/ebooks/1342",
        licence="public domain",
        citation="Austen: Pride and Prejudice (1813), Project Gutenberg edition of 2008",
        prepare=_novel,
        files=(
            _file(
                "jane-austen/1342-0.txt",
                711_298,
                "c96e628c6f84bf45d3cee2c2da66166ccbeda328ecb76bb9b2ab1bc91961d0d1",
            ),
        ),
        standin=StandIn(
            _novel_standin,
            "scikit-learn's descriptions of its data sets",
            "results are not Pride and Prejudice results",
        ),
        extent=lambda content: f"{len(content['text'].split()):,} words",
    ),
    DataSet(
        name="bird_call",
        title="Bird call",
        home="https://github.com/karolpiczak/ESC-50",
        licence="CC BY-NC 3.0",
        citation=(
            "Piczak: ESC: dataset for environmental sound classification, ACM Multimedia (2015), "
            "https://doi.org/10.1145/2733373.2806390"
        ),
        prepare=_bird,
        files=(
            _file(
                "audio-chirp/1-100038-A-14.wav",
                441_044,
                "2faa39d8e59e8f292dfbdbe72bd8a00294f9535714b3c19b39904c2c17e14675",
                "https://github.com/karolpiczak/ESC-50/raw/master/audio/1-100038-A-14.wav",
            ),
        ),
        standin=StandIn(_bird_standin, "generated whistles", "results are not Bird call results"),
        extent=lambda content: (
            f"{content['wave'].shape[1] / content['rate']:g} s at {content['rate']:,} Hz"
        ),
    ),
)
