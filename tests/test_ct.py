"""CT scans: geometry, physics, implants with a known truth, one split."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK
import torch
from torch.testing import assert_close

from data_scripts import load
from helpers import ct

SERIES = "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"


@pytest.fixture(scope="module")
def files():
    return load("lung_ct", "standin")["files"]


@pytest.fixture(scope="module")
def scan(files):
    return ct.read_dicom(files)


@pytest.fixture(scope="module")
def mask(scan):
    return ct.lung_mask(scan)


@pytest.fixture(scope="module")
def implants(scan, mask):
    return ct.implant(scan, mask, seed=3, count=24)


def changed(file, **notes):
    """The same slice with other notes in its header."""
    header, out = pydicom.dcmread(io.BytesIO(file)), io.BytesIO()
    for keyword, value in notes.items():
        setattr(header, keyword, value)
    header.save_as(out)
    return out.getvalue()


def without(file, keyword):
    """The same slice with a header that does not say this."""
    header, out = pydicom.dcmread(io.BytesIO(file)), io.BytesIO()
    delattr(header, keyword)
    header.save_as(out)
    return out.getvalue()


def rotation(seed):
    """A random rotation, with a reflection for every second seed."""
    q, r = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )
    q = q * r.diagonal().sign()
    return q * (torch.linalg.det(q).sign() if seed % 2 else -torch.linalg.det(q).sign())


@pytest.mark.parametrize("seed", range(12))
def test_places_agree_with_simpleitk(seed):
    direction = rotation(seed)
    if torch.linalg.det(direction) < 0:  # SimpleITK takes both
        direction = -direction
    rng = np.random.default_rng(seed)
    spacing, origin = rng.uniform(0.4, 8, 3), rng.uniform(-300, 300, 3)
    scan = ct.Scan(torch.zeros(5, 6, 7), origin, spacing, direction)
    image = SimpleITK.Image([7, 6, 5], SimpleITK.sitkInt16)
    image.SetOrigin(origin.tolist())
    image.SetSpacing(spacing[::-1].tolist())
    image.SetDirection(direction.flatten().tolist())
    address = rng.integers(0, 5, (10, 3))
    theirs = [image.TransformIndexToPhysicalPoint(a[::-1].tolist()) for a in address]
    assert_close(scan.to_xyz(address), torch.tensor(theirs, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(12))
def test_places_and_back(seed):
    rng = np.random.default_rng(seed)
    scan = ct.Scan(
        torch.zeros(5, 6, 7), rng.uniform(-300, 300, 3), rng.uniform(0.4, 8, 3), rotation(seed)
    )
    irc = rng.uniform(-5, 20, (2, 7, 3))
    assert_close(scan.to_irc(scan.to_xyz(irc)), torch.from_numpy(irc))
    whole = torch.from_numpy(irc).round()
    nearby = scan.to_xyz(whole + torch.from_numpy(rng.uniform(-0.49, 0.49, (2, 7, 3))))
    assert torch.equal(scan.to_voxel(nearby), whole.long())


def test_a_part_keeps_its_places(scan):
    turned = replace(scan, direction=rotation(1))
    part = turned.part(slice(3, 20, 2), slice(10, None), slice(None, None, 3))
    assert_close(part.to_xyz([2, 5, 7]), turned.to_xyz([3 + 2 * 2, 10 + 5, 3 * 7]))
    assert part.hu[2, 5, 7] == turned.hu[7, 15, 21]
    with pytest.raises(ValueError, match="at least 1"):
        scan.part(slice(None, None, -1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"spacing": (1, 0, 1)}, "positive"),
        ({"direction": torch.ones(3, 3)}, "perpendicular"),
        ({"origin": (1, 2)}, "origin must have shape"),
        ({"hu": torch.zeros(2, 2)}, "slices, rows and columns"),
    ],
)
def test_no_scan_without_geometry(scan, wrong, words):
    with pytest.raises(ValueError, match=words):
        replace(scan, **wrong)


def test_dicom_is_ordered_by_place(files, scan):
    loaded = load("lung_ct", "standin")
    assert torch.equal(scan.hu, loaded["volume"] * loaded["slope"] + loaded["intercept"])
    assert torch.equal(ct.read_dicom(files[::-1]).hu, scan.hu)
    assert_close(scan.origin, torch.tensor([-177.8, -177.8, -75.7], dtype=torch.float64))
    positions = ct.slice_positions(files)
    assert not all(finding.ok for finding in ct.check_positions(positions))
    assert all(finding.ok for finding in ct.check_positions(positions.sort().values))
    assert not all(f.ok for f in ct.check_positions(positions.sort(descending=True).values))


def test_spacing_is_measured_not_read(files):
    """Slices 8 mm apart may be 5 mm thick; rows and columns may lie at different distances."""
    other = [changed(f, SliceThickness=5.0, PixelSpacing=[2.0, 3.0]) for f in files]
    assert ct.read_dicom(other).spacing.tolist() == [8.0, 2.0, 3.0]


def test_dicom_in_an_oblique_plane(files):
    """Positions along the normal order the slices, whatever the axes of the patient."""
    turn = rotation(1)
    ordered = sorted(files, key=lambda f: pydicom.dcmread(io.BytesIO(f)).ImagePositionPatient[2])
    oblique = []
    for k, file in enumerate(ordered):
        place = (turn[:, 2] * 8.0 * k).tolist()
        plane = [*turn[:, 0].tolist(), *turn[:, 1].tolist()]
        oblique.append(
            changed(
                file,
                ImagePositionPatient=[f"{v:.10f}" for v in place],
                ImageOrientationPatient=[f"{v:.10f}" for v in plane],
            )
        )
    scan = ct.read_dicom(oblique[::-1])
    assert_close(scan.direction, turn, atol=1e-6, rtol=0)
    assert_close(scan.to_xyz([5, 0, 0]), turn[:, 2] * 40, atol=1e-5, rtol=0)


def test_each_file_has_its_own_scale(files, scan):
    lowest = min(range(len(files)), key=lambda k: ct.slice_positions(files)[k])
    own = list(files)
    own[lowest] = changed(files[lowest], RescaleIntercept=-1000, RescaleSlope=2)
    stored = scan.hu[0] + 1024
    assert_close(ct.read_dicom(own).hu[0], stored * 2 - 1000)
    assert torch.equal(ct.read_dicom(own).hu[1:], scan.hu[1:])


def test_accidents_with_folders_are_refused(files):
    ordered = [files[k] for k in ct.slice_positions(files).argsort()]
    with pytest.raises(ValueError, match="not evenly spaced"):
        ct.read_dicom(ordered[:3] + ordered[4:])
    with pytest.raises(ValueError, match="not evenly spaced"):
        ct.read_dicom([*ordered, ordered[5]])
    with pytest.raises(ValueError, match="not one series"):
        ct.read_dicom([changed(files[0], SeriesInstanceUID="1.2.3"), *files[1:]])
    with pytest.raises(ValueError, match="at least two"):
        ct.read_dicom(files[:1])
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        with pytest.raises(ValueError, match="Hounsfield units unknown"):
            ct.read_dicom([*ordered[:-1], without(ordered[-1], keyword)])
    tilted = [changed(f, ImagePositionPatient=[0, 2.0 * k, 8.0 * k]) for k, f in enumerate(ordered)]
    with pytest.raises(ValueError, match="tilted"):
        ct.read_dicom(tilted)


def write_pair(scan, folder):
    image = SimpleITK.GetImageFromArray(scan.hu.short().numpy())
    image.SetOrigin(scan.origin.tolist())
    image.SetSpacing(scan.spacing.flip(0).tolist())
    image.SetDirection(scan.direction.flatten().tolist())
    SimpleITK.WriteImage(image, str(folder / f"{scan.series}.mhd"))


def test_a_pair_of_files_comes_back(scan, tmp_path):
    turned = replace(scan, direction=rotation(1), spacing=(2.5, 1.0, 2.0), series="1.2.3")
    write_pair(turned, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.2.3.mhd", "1.2.3.raw"]
    back = ct.read_mhd(tmp_path / "1.2.3.mhd")
    assert torch.equal(back.hu, turned.hu)
    assert back.series == "1.2.3"
    for name in ("origin", "spacing", "direction"):
        assert_close(getattr(back, name), getattr(turned, name), atol=1e-5, rtol=0)
    with pytest.raises(FileNotFoundError):
        ct.read_mhd(tmp_path / "1.2.4.mhd")


def wrong_ways(scan):
    order = torch.arange(len(scan.hu))
    order[10], order[11] = 11, 10
    return {
        "no intercept": (replace(scan, hu=scan.hu + 1024), "tissue"),
        "half the slope": (replace(scan, hu=scan.hu / 2), "air"),
        "two slices swapped": (replace(scan, hu=scan.hu[order]), "step to next"),
        "spacing reversed": (replace(scan, spacing=scan.spacing.flip(0)), "side to side"),
        "left for right": (replace(scan, hu=scan.hu.flip(2)), "left lung"),
        "front for back": (replace(scan, hu=scan.hu.flip(1)), "spine"),
        "rows for columns": (replace(scan, hu=scan.hu.transpose(1, 2)), "spine"),
        "thickness for spacing": (replace(scan, spacing=(3.0, 2.8, 2.8)), "litres"),
    }


def test_a_good_scan_passes_every_check(scan, mask):
    found = ct.check(scan, mask)
    assert len(found) == 10
    assert all(finding.ok for finding in found), "\n".join(map(str, found))


@pytest.mark.parametrize(
    "way", list(wrong_ways(ct.Scan(torch.zeros(12, 4, 4), (0,) * 3, (1,) * 3)))
)
def test_physics_finds_a_wrong_loader(scan, way):
    wrong, where = wrong_ways(scan)[way]
    failed = [f.what for f in ct.check(wrong, ct.lung_mask(wrong)) if not f.ok]
    assert any(where in what for what in failed), failed


def test_a_turned_tensor_with_its_direction_is_no_mistake(scan):
    """Only the geometry counts: the same patient in an array that runs the other way."""
    flipped = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    last = [0, scan.hu.shape[1] - 1, scan.hu.shape[2] - 1]
    turned = replace(scan, hu=scan.hu.flip(1, 2), origin=scan.to_xyz(last), direction=flipped)
    assert all(f.ok for f in ct.check(turned, ct.lung_mask(turned)))


def test_lungs_hold_their_vessels_and_nothing_else(scan, mask):
    inside = scan.hu[mask]
    assert 2 < scan.litres(mask) < 4
    assert (inside > -400).float().mean() > 0.02  # vessels
    assert (inside < -400).float().mean() > 0.85
    assert not mask[:, 0].any()
    assert not mask[(scan.hu > 300)].any()  # no bone


def test_a_crop_is_what_lies_there(scan):
    box = ct.crop(scan.hu, (5, 60, 70), (4, 6, 8))
    assert torch.equal(box, scan.hu[3:7, 57:63, 66:74])
    corner = ct.crop(scan.hu, (23, 0, 127), (3, 4, 5))
    assert torch.equal(corner[:2, 2:, :3], scan.hu[22:, :2, 125:])
    assert (corner[2] == ct.AIR).all()
    assert (corner[:, :2] == ct.AIR).all()
    box.zero_()  # a copy, not a window on the scan
    assert scan.hu[3:7, 57:63, 66:74].any()
    with pytest.raises(ValueError, match="outside"):
        ct.crop(scan.hu, (24, 0, 0), (2, 2, 2))


def test_nodules_are_where_the_table_says(scan, mask, implants):
    altered, labels, table = implants
    nodules = table[table.kind == "nodule"]
    difference = altered.hu - scan.hu
    assert difference.min() >= 0
    assert nodules.id.tolist() == list(range(1, 25)) == labels.unique()[1:].tolist()
    for row in nodules.itertuples():
        voxels = (labels == row.id).nonzero()
        assert mask[labels == row.id].all()
        center = altered.to_xyz(voxels).mean(0)
        place = torch.tensor([row.x, row.y, row.z], dtype=torch.float64)
        assert (center - place).norm() < scan.spacing.max()
        assert altered.to_voxel(place).tolist() == [row.i, row.r, row.c]
        reach = (altered.to_xyz(voxels) - place).norm(dim=1).max()
        assert reach < row.diameter_mm / 2 * 1.3 + 5  # half a diagonal of a voxel
        assert difference[labels == row.id].max() <= row.contrast_hu + 1e-3


def test_a_nodule_has_its_volume():
    hu = torch.full((40, 80, 80), -850.0)
    empty = ct.Scan(hu, (0, 0, 0), (2.0, 1.0, 1.0))
    everywhere = torch.ones(hu.shape, dtype=torch.bool)
    ratios = []
    for seed in range(6):
        done = ct.implant(
            empty, everywhere, seed=seed, count=1, diameter_mm=[10], contrast_hu=[500]
        )
        mm3 = float((done.scan.hu - hu).sum()) / 500 * 2
        ratios.append(mm3 / (torch.pi / 6 * 10**3))
    assert all(0.6 < ratio < 1.6 for ratio in ratios)  # irregular
    assert 0.85 < sum(ratios) / 6 < 1.2


def test_a_crowd_keeps_apart_and_inside():
    """Nothing but the mask and the other nodules limits the places: no vessel, no wall."""
    scan = ct.Scan(torch.full((40, 60, 60), -850.0), (0, 0, 0), (2.0, 1.0, 1.0))
    mask = torch.zeros(scan.hu.shape, dtype=torch.bool)
    mask[10:30, 15:45, 15:45] = True
    done = ct.implant(scan, mask, seed=0, count=12, diameter_mm=[6.0])
    assert not (done.scan.hu - scan.hu)[~mask].gt(30).any()
    assert (done.scan.hu > scan.hu)[done.labels > 0].all()  # nor wipes out its rim
    xyz = torch.tensor(done.table[["x", "y", "z"]].values)
    assert torch.cdist(xyz, xyz).fill_diagonal_(100).min() > 6 * 1.3
    assert (done.labels.flatten().bincount()[1:] > 30).all()  # none hides another


def test_a_nodule_lies_around_its_place():
    scan = ct.Scan(torch.full((20, 30, 30), -850.0), (0, 0, 0), (4.0, 2.0, 2.0))
    everywhere = torch.ones(scan.hu.shape, dtype=torch.bool)
    offsets = []
    for seed in range(30):
        done = ct.implant(scan, everywhere, seed=seed, count=1, diameter_mm=[9])
        weight = done.scan.hu - scan.hu
        voxels = weight.nonzero()
        places = scan.to_xyz(voxels) * weight[tuple(voxels.T)][:, None]
        row = done.table.iloc[0]
        offsets.append(places.sum(0) / weight.sum() - torch.tensor([row.x, row.y, row.z]))
    assert torch.stack(offsets).mean(0).abs().max() < 0.3  # mm; half a voxel would be 1 or 2


def test_implants_depend_on_the_seed_alone(scan, mask, implants):
    again = ct.implant(scan, mask, seed=3, count=24)
    assert torch.equal(again.scan.hu, implants.scan.hu)
    assert torch.equal(again.labels, implants.labels)
    pd.testing.assert_frame_equal(again.table, implants.table)
    other = ct.implant(scan, mask, seed=4, count=24)
    assert not torch.equal(other.labels, implants.labels)
    assert ct.implant(scan, mask, seed=3, count=2, look_alikes=7).table.kind.tolist() == [
        *["nodule"] * 2,
        *["vessel"] * 7,
    ]


def test_look_alikes_are_bright_places_of_the_scan_itself(scan, mask, implants):
    altered, labels, table = implants
    spots = table[table.kind == "vessel"]
    assert len(spots) > 50
    address = torch.tensor(spots[["i", "r", "c"]].values)
    assert mask[tuple(address.T)].all()
    assert (scan.hu[tuple(address.T)] > -650).float().mean() > 0.9
    assert torch.equal(altered.hu[tuple(address.T)], scan.hu[tuple(address.T)])
    assert not labels[tuple(address.T)].any()


def test_no_room_is_said(scan, mask):
    with pytest.raises(ValueError, match="room for 0 of 2"):
        ct.implant(scan, torch.zeros_like(mask), seed=0, count=2)
    with pytest.raises(ValueError, match="room for"):
        ct.implant(scan, mask, seed=0, count=9, diameter_mm=[90])


def test_no_nodule_reaches_across_the_gap_of_the_split(scan):
    split = ct.course_split()
    largest = max(ct.diameters(scan)) * 1.3  # with its rim
    blocks = [split.slices(name, SERIES)[0] for name in ("train", "validation", "test")]
    for one, two in itertools.pairwise(blocks):
        assert (two.start - one.stop) * float(scan.spacing[0]) > largest
    assert blocks[-1].stop == len(scan.hu)
    assert all(len(part) == 2 for part in split.blocks.values())  # the real scan, the stand-in


def test_the_split_is_the_one_its_maker_made(scan, mask):
    made = ct.block_split(mask.sum((1, 2)), series=SERIES, gap=2)
    for name in made.blocks:
        assert made.slices(name, SERIES) == ct.course_split().slices(name, SERIES)


def test_another_split_is_refused(tmp_path):
    split = ct.block_split(torch.ones(99), series="1.2.3", gap=5)
    sha256 = split.write(tmp_path / "split.json")
    assert ct.read_split(tmp_path / "split.json", sha256) == split
    text = (tmp_path / "split.json").read_text()
    (tmp_path / "split.json").write_text(text.replace("99", "98"))
    with pytest.raises(ValueError, match="another split"):
        ct.read_split(tmp_path / "split.json", sha256)


def test_parts_of_a_table(implants):
    split = ct.course_split()
    parts = split.parts(implants.table)
    assert set(parts) == {"train", "validation", "test", "gap"}
    for part, index in zip(parts, implants.table.i, strict=True):
        inside = [p for p in split.blocks if index in range(24)[split.slices(p, SERIES)[0]]]
        assert inside == ([] if part == "gap" else [part])
    with pytest.raises(ValueError, match="in no part"):
        split.part("1.2.3", 0)


def test_a_series_is_in_one_part():
    names = [f"1.2.{k}" for k in range(50)]
    split = ct.series_split(names * 3, seed=0)
    found = [split.part(name, 7) for name in names]
    assert {part: found.count(part) for part in set(found)} == {
        "train": 40,
        "validation": 5,
        "test": 5,
    }
    assert split.sha256 == ct.series_split(names[::-1], seed=0).sha256
    assert split.sha256 != ct.series_split(names, seed=1).sha256


def test_a_folder_of_luna16(scan, tmp_path, monkeypatch):
    direction = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    small = ct.Scan(scan.hu[:6, :20, :20], (5.0, 6.0, -70.0), (2.5, 1.0, 1.0), direction, "1.2.3")
    (tmp_path / "subset0").mkdir()
    write_pair(small, tmp_path / "subset0")
    x, y, z = small.to_xyz([2, 3, 4]).tolist()
    (tmp_path / "annotations.csv").write_text(
        f"seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,{x},{y},{z},5.5\n9.9,0,0,0,4\n"
    )
    (tmp_path / "candidates_V2.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,class\n"
        f"1.2.3,{x},{y},{z},1\n1.2.3,{x - 5},{y},{z},0\n1.2.3,900,0,0,0\n9.9,0,0,0,0\n"
    )
    monkeypatch.setenv("COURSE_LUNA16", str(tmp_path))
    luna = ct.Luna16()
    assert luna.series == ("1.2.3",)
    table = luna.table(luna.scan("1.2.3"))
    assert table.kind.tolist() == ["nodule", "other"]
    assert table[["i", "r", "c"]].values.tolist() == [[2, 3, 4], [2, 3, 9]]
    assert table.id.tolist() == [1, 0]
    assert table.diameter_mm[0] == 5.5
    monkeypatch.delenv("COURSE_LUNA16")
    with pytest.raises(FileNotFoundError, match="COURSE_LUNA16"):
        ct.Luna16()
    (tmp_path / "annotations.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"annotations\.csv"):
        ct.Luna16(tmp_path)
