"""The data sets, their stand-ins and the settings, all without network."""

from __future__ import annotations

import io
import re
import socket
import struct
import tarfile
import textwrap
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import torch

import data_scripts
from data_scripts import (
    REGISTRY,
    DataError,
    File,
    StandIn,
    _core,
    _files,
    load,
    sets,
)
from data_scripts._images import IDX_FILES, read_idx, read_images
from data_scripts._manifests import manifest
from data_scripts.sets import (
    bike_sharing,
    boston_housing,
    california_housing,
    cifar10,
    photos,
    synthetic,
    wine_quality,
)

ROOT = Path(data_scripts.__file__).parent.parent
WITH_FILES = [name for name, dataset in REGISTRY.items() if dataset.files]
IMAGES = ["mnist", "fashion_mnist"]
TABLES = ["california_housing", "boston_housing"]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no mirror, no network."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("this test must not use the network")

    for name in ("COURSE_DATA", "COURSE_DATA_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    _files.forget()


# The registry


@pytest.mark.parametrize("name", REGISTRY)
def test_registry_entry_is_complete(name: str) -> None:
    dataset = REGISTRY[name]
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert dataset.name == name
    assert all((dataset.title, dataset.home, dataset.licence, dataset.citation))
    assert bool(dataset.files) == (dataset.standin is not None) == (not dataset.bundled)
    for file in dataset.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        urls = file.urls or [url for archive in dataset.archives for url in archive.urls]
        schemes = [url.split("://")[0] for url in urls]
        assert schemes[0] == "https"
        assert schemes == sorted(schemes, reverse=True)  # http only after https
        assert not Path(file.mirror).is_absolute()
        assert Path(file.name).name == file.name
    assert len({file.name for file in dataset.files}) == len(dataset.files)


def test_new_module_is_found_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        from data_scripts import DataSet
        DATASETS = (DataSet("{name}", "T", "h", "l", "c", lambda f: {{}}, bundled="generated"),)
    """
    monkeypatch.setattr(sets, "__path__", [*sets.__path__, str(tmp_path)])
    (tmp_path / "toy_sets.py").write_text(textwrap.dedent(text).format(name="toy"))
    found = data_scripts._found()
    assert set(found) == {*REGISTRY, "toy"}
    assert list(found) == sorted(found)
    (tmp_path / "toy_copies.py").write_text(textwrap.dedent(text).format(name="mnist"))
    with pytest.raises(DataError, match="mnist: two data sets have this name"):
        data_scripts._found()


def test_installed_package_has_the_lists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ROOT / "data_scripts"
    for path in package.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            name = ".".join(path.parent.relative_to(ROOT).parts)
            assert any(path.match(pattern) for pattern in project["package-data"][name])


# Content


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.mark.parametrize("name", WITH_FILES)
def test_standin_is_named_and_repeatable(name: str) -> None:
    first, second = load(name, "standin"), load(name, "standin")
    assert (first.tier, first.official, first.origin) == ("stand-in", False, "stand-in")
    assert first.reason == "the mode is standin"
    assert f"not {first.title} results" in first.note
    assert first.describe().startswith(f"{name}: STAND-IN: ")
    for key in first:
        if isinstance(first[key], pd.DataFrame):
            pd.testing.assert_frame_equal(first[key], second[key])
        else:
            assert same(first[key], second[key]), key
    assert not data_scripts.data_root().exists()


@pytest.mark.parametrize(
    ("name", "train", "test", "side", "top"),
    [
        ("mnist", 1437, 360, 28, 255),
        ("fashion_mnist", 6000, 1000, 28, 255),
        ("digits", 1437, 360, 8, 16),
    ],
)
def test_image_sets(name: str, train: int, test: int, side: int, top: int) -> None:
    loaded = load(name, "standin")
    assert set(loaded.keys()) == set(IDX_FILES)
    for part, count in (("train", train), ("test", test)):
        images, labels = loaded[f"{part}_images"], loaded[f"{part}_labels"]
        assert images.shape == (count, side, side)
        assert labels.shape == (count,)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert (images.min(), images.max()) == (0, top)
        counts = torch.bincount(labels, minlength=10)
        assert len(counts) == 10
        assert counts.min() > 0.8 * count / 10
    assert f"{train:,} + {test:,} images" in loaded.describe()


def test_cifar10_standin_has_the_shape_of_cifar10() -> None:
    loaded = load("cifar10", "standin")
    for part, count in (("train", 2000), ("test", 500)):
        assert loaded[f"{part}_images"].shape == (count, 32, 32, 3)
        assert loaded[f"{part}_images"].dtype == torch.uint8
        assert len(loaded[f"{part}_labels"].unique()) == 10
    assert "2,000 + 500 images" in loaded.describe()


def test_cifar10_is_read_from_its_archive(tmp_path: Path) -> None:
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    archive = tmp_path / "cifar-10-binary.tar.gz"

    def pack(chosen: list[str]) -> None:
        with tarfile.open(archive, "w:gz") as tar:
            for name in reversed(chosen):  # the order in the archive does not matter
                number = names.index(name)
                # red 10, green 20, blue 30; the label is the number of the file
                raw = bytes([number]) + bytes([10] * 1024 + [20] * 1024 + [30] * 1024)
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))

    pack(names)
    content = cifar10._prepare(tmp_path)
    assert content["train_labels"].tolist() == [0, 1, 2, 3, 4]
    assert content["test_labels"].tolist() == [5]
    assert content["train_images"].shape == (5, 32, 32, 3)
    assert content["train_images"][0, 3, 5].tolist() == [10, 20, 30]
    pack(names[1:])
    with pytest.raises(DataError, match=r"lacks \['data_batch_1.bin'\]"):
        cifar10._prepare(tmp_path)
    with pytest.raises(DataError, match="whole records"):
        cifar10.parse(bytes(3072))


def test_digits_of_the_mnist_standin_are_centred_like_mnist() -> None:
    images = load("mnist", "standin")["train_images"]
    border = torch.ones(28, 28, dtype=torch.bool)
    border[4:24, 4:24] = False
    assert images[:, border].max() == 0
    small = load("digits")["train_images"].float() * 255 / 16
    means = images[:, 4:24, 4:24].float().mean(dim=(1, 2))
    torch.testing.assert_close(means, small.mean(dim=(1, 2)), rtol=0.1, atol=2.0)


@pytest.mark.parametrize("name", IMAGES)
def test_image_standin_can_be_learned(name: str) -> None:
    from sklearn.linear_model import RidgeClassifier

    loaded = load(name, "standin")
    train, test = (loaded[f"{part}_images"].flatten(1).numpy() for part in ("train", "test"))
    model = RidgeClassifier(alpha=1e4).fit(train / 255, loaded["train_labels"].numpy())
    assert model.score(test / 255, loaded["test_labels"].numpy()) > 0.5


def test_digits_are_real_in_every_mode() -> None:
    for mode in _core.MODES:
        loaded = load("digits", mode)
        assert (loaded.official, loaded.origin) == (True, "scikit-learn digits")
        assert loaded.describe() == "digits: real data, 1,437 + 360 images"
        assert loaded.note == loaded.reason == ""


def test_california_standin() -> None:
    frame = load("california_housing", "standin").frame
    assert tuple(frame.columns) == california_housing.COLUMNS
    assert frame.shape == (4000, 10)
    assert frame["total_bedrooms"].isna().sum() == 40
    assert frame.drop(columns="total_bedrooms").notna().all(axis=None)
    assert set(frame["ocean_proximity"]) == {
        "<1H OCEAN",
        "INLAND",
        "NEAR OCEAN",
        "NEAR BAY",
        "ISLAND",
    }
    assert frame["median_house_value"].max() == 500_001
    assert 0.01 < (frame["median_house_value"] == 500_001).mean() < 0.1
    assert frame["longitude"].between(-124.35, -114.31).all()
    assert frame["latitude"].between(32.54, 41.95).all()


def test_boston_standin() -> None:
    frame = load("boston_housing", "standin").frame
    assert tuple(frame.columns) == boston_housing.COLUMNS
    assert frame.shape == (506, 14)
    assert frame.notna().all(axis=None)
    assert frame["MEDV"].between(5, 50).all()
    assert set(frame["CHAS"]) == {0, 1}
    assert frame["LSTAT"].corr(frame["MEDV"]) < -0.5 < 0.5 < frame["RM"].corr(frame["MEDV"])
    assert abs(frame["B"].corr(frame["MEDV"])) < 0.15


@pytest.mark.parametrize(("name", "low", "high"), [(TABLES[0], 0.5, 0.75), (TABLES[1], 0.6, 0.85)])
def test_table_standin_is_learnable_but_not_linear(name: str, low: float, high: float) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    frame = pd.get_dummies(load(name, "standin").frame.dropna(), dtype=float)
    target = "median_house_value" if name == TABLES[0] else "MEDV"
    x, y = frame.drop(columns=target).to_numpy(), frame[target].to_numpy()
    cut = len(x) * 3 // 4
    linear = LinearRegression().fit(x[:cut], y[:cut]).score(x[cut:], y[cut:])
    assert low < linear < high
    if name == TABLES[0]:
        trees = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(x[:cut], y[:cut])
        assert trees.score(x[cut:], y[cut:]) > linear + 0.05


def test_synthetic_sets() -> None:
    line, squares = load("line"), load("squares")
    assert line["x"].tolist() == [[1.0], [2.0], [3.0], [4.0]]
    assert line["y"].tolist() == [[3.0], [6.0], [9.0], [12.0]]
    assert squares["x"].tolist() == [[float(i), 1.0] for i in range(10)]
    assert squares["y"].tolist() == [[float(i * i)] for i in range(10)]
    for name in ("moons", "spirals"):
        loaded = load(name, "standin")
        assert loaded["x"].shape == (synthetic.POINTS, 2)
        assert (loaded["x"].dtype, loaded["y"].dtype) == (torch.float32, torch.int64)
        assert torch.bincount(loaded["y"]).tolist() == [500, 500]
        torch.testing.assert_close(loaded["x"], load(name)["x"], rtol=0, atol=0)
        assert loaded.describe() == f"{name}: generated data, 1,000 examples"


def test_wine_standin_can_be_learned() -> None:
    from sklearn.linear_model import LinearRegression

    frame = load("wine_quality", "standin").frame
    assert tuple(frame.columns) == wine_quality.COLUMNS
    assert frame["quality"].between(3, 9).all()
    assert frame["quality"].nunique() >= 5
    assert frame["quality"].dtype == "int64"
    x, y = frame.drop(columns="quality").to_numpy(), frame["quality"].to_numpy()
    assert 0.2 < LinearRegression().fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]) < 0.6
    assert frame["alcohol"].corr(frame["density"]) < -0.3


def test_bike_standin_has_whole_days_with_a_rhythm() -> None:
    frame = load("bike_sharing", "standin").frame
    assert tuple(frame.columns) == bike_sharing.COLUMNS
    assert frame.shape == (17_520, 17)
    assert frame["hr"].tolist() == list(range(24)) * 730
    assert (frame["cnt"] == frame["casual"] + frame["registered"]).all()
    assert set(frame["weathersit"]) == {1, 2, 3, 4}
    by_hour = frame[frame["workingday"] == 1].groupby("hr")["cnt"].mean()
    assert by_hour.idxmax() in (17, 18)
    assert by_hour[8] > by_hour[11] > by_hour[3]


@pytest.mark.parametrize(
    ("name", "rows", "first"),
    [
        ("airline_passengers", 144, "1990-01"),
        ("daily_min_temperatures", 3650, "1981-01-01"),
        ("monthly_sunspots", 309, "1700"),
    ],
)
def test_series_standins(name: str, rows: int, first: str) -> None:
    frame = load(name, "standin").frame
    assert list(frame.columns) == ["date", "value"]
    assert (len(frame), frame["date"].iloc[0]) == (rows, first)
    assert frame["value"].notna().all()
    assert frame["value"].std() > 0


def test_pictures_agree_with_their_encoded_files() -> None:
    from PIL import Image

    def decode(file: torch.Tensor) -> torch.Tensor:
        return photos.to_tensor(Image.open(io.BytesIO(file.numpy().tobytes())))

    dog, cats = load("dog_photo", "standin"), load("three_cats", "standin")
    assert (dog["image"].shape, dog["image"].dtype) == ((3, 720, 1280), torch.uint8)
    assert torch.equal(decode(dog["jpeg"]), dog["image"])
    assert cats["images"].shape == (3, 3, 256, 256)
    assert torch.equal(torch.stack([decode(f) for f in cats["files"]]), cats["images"])
    assert "one picture of 720×1280 pixels" in dog.describe()


def test_photos_are_real_in_every_mode() -> None:
    for mode in _core.MODES:
        loaded = load("photos", mode)
        assert loaded.official
        assert set(loaded) == set(photos.SOURCES)
    assert all(image.ndim == 3 and image.shape[0] == 3 for image in loaded.content.values())
    assert loaded["cat"].shape == (3, 300, 451)
    with pytest.raises(DataError, match=r"unknown photograph\. Valid names: cat, coffee"):
        photos.photo("dog")


def test_text_and_bird_standins() -> None:
    text, bird = load("pride_and_prejudice", "standin"), load("bird_call", "standin")
    assert len(text["text"].split()) > 1500
    assert "words" in text.describe()
    assert (bird["wave"].shape, bird["wave"].dtype) == ((1, 220_500), torch.int16)
    assert bird["wave"].abs().max() > 5000


def test_lung_standin_is_a_series_in_wrong_order() -> None:
    import pydicom

    loaded = load("lung_ct", "standin")
    volume, files = loaded["volume"], loaded["files"]
    assert (volume.shape, volume.dtype) == ((16, 128, 128), torch.int16)
    assert loaded["spacing"][0] == pytest.approx(5.0)
    headers = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    places = [float(header.ImagePositionPatient[2]) for header in headers]
    assert places != sorted(places)
    for index, place in enumerate(sorted(places)):
        array = headers[places.index(place)].pixel_array
        assert torch.equal(volume[index], torch.from_numpy(array.copy()))
    units = volume * loaded["slope"] + loaded["intercept"]
    assert -1100 < units.min() < -800 < 0 < units.max() < 3000


def test_esc10_standin_has_every_kind_in_every_fold() -> None:
    import soundfile

    loaded = load("esc10", "standin")
    assert len(loaded["classes"]) == 10
    pairs = list(zip(loaded["labels"].tolist(), loaded["folds"].tolist(), strict=True))
    assert sorted(pairs) == [(label, fold) for label in range(10) for fold in range(1, 6)]
    samples, rate = soundfile.read(io.BytesIO(loaded["files"][0]))
    assert (samples.shape, rate) == ((220_500,), 44_100)
    assert 0.3 < abs(samples).max() <= 1
    assert loaded["files"][0] != loaded["files"][1]


# Reading of the real formats


def test_manifests_list_the_whole_sets() -> None:
    assert len(REGISTRY["lung_ct"].files) == 99
    files = REGISTRY["esc10"].files
    assert len(files) == 400
    assert [sum(f.name.startswith(f"{n:03d}_") for f in files) for n in range(1, 11)] == [40] * 10
    assert all(" " not in url for file in files for url in file.urls)
    with pytest.raises(DataError, match="the list of files is missing"):
        manifest("no-such.tsv")


def test_prepare_of_small_files(tmp_path: Path) -> None:
    import soundfile

    (tmp_path / "airline-passengers.csv").write_text('"Month","Passengers"\n"1949-01",112\n')
    frame = REGISTRY["airline_passengers"].prepare(tmp_path)["frame"]
    assert frame.to_dict("records") == [{"date": "1949-01", "value": 112}]
    (tmp_path / "winequality-white.csv").write_text('"pH";"quality"\n3;6\n')
    frame = REGISTRY["wine_quality"].prepare(tmp_path)["frame"]
    assert frame.to_dict("records") == [{"pH": 3, "quality": 6}]
    (tmp_path / "1342-0.txt").write_text("\ufeffIt is a truth", encoding="utf-8")
    assert REGISTRY["pride_and_prejudice"].prepare(tmp_path)["text"] == "It is a truth"
    wave = torch.tensor([[0, 1000, -32768]], dtype=torch.int16)
    soundfile.write(tmp_path / "1-100038-A-14.wav", wave[0].numpy(), 44_100, subtype="PCM_16")
    content = REGISTRY["bird_call"].prepare(tmp_path)
    assert torch.equal(content["wave"], wave)
    assert content["rate"] == 44_100


def idx(values: torch.Tensor) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.numpy().tobytes()


def test_read_images(tmp_path: Path) -> None:
    images = torch.arange(3 * 28 * 28).reshape(3, 28, 28).to(torch.uint8)
    labels = torch.tensor([7, 0, 9], dtype=torch.uint8)
    for key, name in IDX_FILES.items():
        (tmp_path / name).write_bytes(idx(images if key.endswith("images") else labels))
    content = read_images(tmp_path)
    assert torch.equal(content["train_images"], images)
    assert content["test_labels"].tolist() == [7, 0, 9]
    assert content["test_labels"].dtype == torch.int64


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x00",
        b"\x00\x00\x08",
        b"\x00\x00\x08\x01\x00\x00\x00\x02?",
        b"\x00\x00\x0d\x01\x00\x00\x00\x00",
        b"\x00\x00\x08\x03\x00",
        b"<html></html>",
    ],
)
def test_bad_idx(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "bad").write_bytes(raw)
    with pytest.raises(DataError, match="bad: not an IDX file"):
        read_idx(tmp_path / "bad")


def test_prepare_of_tables(tmp_path: Path) -> None:
    csv = b"longitude,total_bedrooms,ocean_proximity\n-122.23,129.0,NEAR BAY\n-122.22,,INLAND\n"
    with tarfile.open(tmp_path / "housing.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("housing.csv")
        info.size = len(csv)
        tar.addfile(info, io.BytesIO(csv))
    frame = REGISTRY["california_housing"].prepare(tmp_path)["frame"]
    assert frame["ocean_proximity"].tolist() == ["NEAR BAY", "INLAND"]
    assert frame["total_bedrooms"].isna().tolist() == [False, True]
    row = (
        " 0.00632  18.00   2.310  0  0.5380  6.5750  65.20  4.0900   1  296.0  15.30 396.90   4.98"
    )
    (tmp_path / "housing.data").write_text(f"{row}  24.00\n{row}  21.60")
    frame = REGISTRY["boston_housing"].prepare(tmp_path)["frame"]
    assert frame.shape == (2, 14)
    assert frame["MEDV"].tolist() == [24.0, 21.6]


# Access and settings


def test_wrong_key_lists_the_valid_ones() -> None:
    with pytest.raises(DataError, match=r"no key 'images'\. Valid keys: train_images"):
        load("digits")["images"]


def test_frame_of_something_else() -> None:
    with pytest.raises(DataError, match=r"digits: this data set is not a table\. Use the keys"):
        _ = load("digits").frame


def test_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(
        DataError, match=f"mnits: unknown data set\\. Valid names: {', '.join(sorted(REGISTRY))}"
    ):
        load("mnits")


def test_unknown_mode_lists_the_valid_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "unknown mode 'real'. Valid modes: auto, official, standin"
    with pytest.raises(DataError, match=expected):
        load("mnist", "real")
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match=expected):
        load("mnist")


@pytest.mark.parametrize("mode", ["auto", "official"])
def test_mirror_that_is_no_folder(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_DATA_MIRROR", "no-such-folder")
    with pytest.raises(DataError, match=r"COURSE_DATA_MIRROR: .*no-such-folder is not a folder"):
        load("mnist", mode)


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_scripts.data_root() == tmp_path / "cache"
    monkeypatch.setenv("COURSE_DATA_DIR", "other")
    assert data_scripts.data_root() == ROOT / "other"
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    assert data_scripts.data_root() == ROOT / "data"
    assert data_scripts.mirror_root() is None
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.setattr(_core, "_CHECKOUT", site)
    assert data_scripts.data_root().name == "nn-pytorch-course"
    for stray in (b"[tool.poetry]", b'[project]\nname = "other"\n', b"\xff\xfe"):
        (site / "pyproject.toml").write_bytes(stray)
        assert data_scripts.data_root().name == "nn-pytorch-course"
    (site / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    assert data_scripts.data_root() == site / "data"
    (site / "pyproject.toml").unlink()
    monkeypatch.setenv("COURSE_DATA_DIR", "other")
    assert data_scripts.data_root() == tmp_path / "other"


# What a data set would be now


def test_tiers_follow_cache_mirror_and_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        REGISTRY,
        "tiny",
        data_scripts.DataSet(
            "tiny",
            "t",
            "h",
            "l",
            "c",
            lambda folder: {},
            (
                File("a.txt", (), "0" * 64, 9, "plain/a.txt"),
                File("b.txt", (), "0" * 64, 9, "packed/b.gz", "gz"),
            ),
            standin=StandIn(lambda seed: {}, "", ""),
        ),
    )

    def tier() -> str:
        return data_scripts.tiers(["tiny"])["tiny"]

    cache, mirror = tmp_path / "cache" / "tiny", tmp_path / "mirror"
    assert tier() == "stand-in"
    for name in ("plain/a.txt", "packed/b.gz"):
        (mirror / name).parent.mkdir(parents=True)
        (mirror / name).write_bytes(b"cut off")
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(mirror))
    assert tier() == "stand-in"
    (mirror / "plain/a.txt").write_bytes(b"real data")
    assert tier() == "mirror"
    cache.mkdir(parents=True)
    (cache / "a.txt").write_bytes(b"real data")
    (mirror / "plain/a.txt").unlink()
    assert tier() == "mirror"
    (cache / "b.txt").write_bytes(b"real data")
    assert tier() == "cached"
    (cache / "b.txt").write_bytes(b"cut")
    monkeypatch.delenv("COURSE_DATA_MIRROR")
    assert tier() == "stand-in"
    (cache / "b.txt").write_bytes(b"real data")
    monkeypatch.setenv("COURSE_DATA", "standin")
    monkeypatch.setenv("COURSE_DATA_MIRROR", "no-such-folder")
    assert tier() == "stand-in"


def test_tiers_know_every_set_and_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("tiers must not read a file")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", forbidden)
        tiers = data_scripts.tiers()
    assert list(tiers) == list(REGISTRY)
    assert {name for name, tier in tiers.items() if tier == "stand-in"} == set(WITH_FILES)
    assert {tier for name, tier in tiers.items() if name not in WITH_FILES} == {"generated"}
    with pytest.raises(DataError, match=r"mnits: unknown data set"):
        data_scripts.tiers(["mnits"])
    monkeypatch.setenv("COURSE_DATA_MIRROR", "no-such-folder")
    with pytest.raises(DataError, match="is not a folder"):
        data_scripts.tiers()
