"""CIFAR-10: the official files, the JPEG copy, the drawn pictures, and which of them is taken."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data_scripts import REGISTRY, DataError, load
from data_scripts.sets import cifar10


def test_official_files_are_read_label_first_then_channels(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (12, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    for index, file in enumerate(REGISTRY["cifar10"].files):
        rows[2 * index : 2 * index + 2].tofile(tmp_path / file.name)
    content = REGISTRY["cifar10"].prepare(tmp_path)
    assert content["train_labels"].tolist() == rows[:10, 0].tolist()
    assert content["test_labels"].tolist() == rows[10:, 0].tolist()
    # The first 1,024 bytes after the label are the red channel, row by row.
    assert content["train_images"][3, 0, 1, 5] == rows[3, 1 + 32 + 5]
    assert content["test_images"][1, 2, 31, 31] == rows[11, -1]


def _packed(folder: Path, names: list[str]) -> None:
    from PIL import Image

    with tarfile.open(folder / "cifar10-jpeg.tar.xz", "w:xz") as tar:
        for shade, name in enumerate(names):
            file = io.BytesIO()
            Image.new("RGB", (32, 32), (20 * shade,) * 3).save(file, "JPEG")
            entry = tarfile.TarInfo(name)
            entry.size = file.tell()
            file.seek(0)
            tar.addfile(entry, file)


def test_copy_is_read_with_the_classes_in_turn(tmp_path: Path) -> None:
    _packed(
        tmp_path,
        ["train/truck/0001.jpg", "train/truck/0000.jpg", "train/bird/0000.jpg", "test/cat/0.jpg"],
    )
    content = REGISTRY["cifar10_jpeg"].prepare(tmp_path)
    assert content["train_labels"].tolist() == [2, 9, 9]
    assert content["train_images"].float().mean((1, 2, 3)).tolist() == [40.0, 20.0, 0.0]
    assert content["test_labels"].tolist() == [3]
    assert content["train_images"].shape == (3, 3, 32, 32)


def test_damaged_copy_is_named(tmp_path: Path) -> None:
    _packed(tmp_path, ["train/bird/0000.jpg", "test/bird/0000.jpg"])
    path = tmp_path / "cifar10-jpeg.tar.xz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cifar10-jpeg\.tar\.xz: damaged"):
        REGISTRY["cifar10_jpeg"].prepare(tmp_path)


@pytest.mark.parametrize("mode", ["auto", "official"])
def test_copy_is_taken_under_its_own_name(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("nothing to prepare")

    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    real = REGISTRY["cifar10"]
    monkeypatch.setitem(
        REGISTRY, "cifar10", replace(real, prepare=nothing, archives=(), copy="cifar10_jpeg")
    )
    _packed(tmp_path, ["train/bird/0000.jpg", "test/bird/0000.jpg"])
    packed = (tmp_path / "cifar10-jpeg.tar.xz").read_bytes()
    copy = REGISTRY["cifar10_jpeg"]
    file = replace(copy.files[0], sha256=hashlib.sha256(packed).hexdigest(), size=len(packed))
    monkeypatch.setitem(REGISTRY, "cifar10_jpeg", replace(copy, files=(file,)))
    if mode == "official":
        with pytest.raises(DataError, match=r"^cifar10/data_batch_1"):
            load("cifar10", mode)
    else:
        without = load("cifar10", mode)
        assert (without.name, without.tier) == ("cifar10", "stand-in")
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path))
    loaded = load("cifar10", mode)
    assert (loaded.name, loaded.official) == ("cifar10_jpeg", True)
    assert loaded.title == "CIFAR-10 (JPEG copy)"
    assert load("cifar10", "standin").tier == "stand-in"


def test_drawn_pictures_are_like_the_real_ones_in_what_colour_tells() -> None:
    loaded = load("cifar10", "standin")
    images, labels = loaded["train_images"].float(), loaded["train_labels"]
    assert images.shape == (3000, 3, 32, 32)
    assert loaded["train_images"].dtype == torch.uint8
    assert torch.bincount(labels).min() > 250
    assert loaded["classes"] == list(cifar10.CLASSES)
    # Sky and ground separate airplanes and birds in about three of four pictures, no better.
    two = (labels == 0) | (labels == 2)
    blue = (images[two, 2] - images[two, 0]).mean((1, 2))
    airplane = labels[two] == 0
    best = max(float(((blue > cut) == airplane).float().mean()) for cut in blue)
    assert 0.65 < best < 0.9
