"""What many scans need: one voxel size, a safe store, groups, curves with an interval, budgets."""

import hashlib
import itertools
import math
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.testing import assert_close

from helpers import ct


def turned():
    """A direction that is not the identity: rows run upwards, columns to the back."""
    return torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)


# ---------------------------------------------------------------- one voxel size


@pytest.mark.parametrize("spacing", [(2.5, 0.7, 0.9), (0.4, 0.3, 1.0), (1.0, 1.0, 1.0)])
def test_a_linear_field_is_kept_where_it_was(spacing):
    scan = ct.Scan(torch.zeros(30, 40, 20), (5.0, -3.0, 8.0), spacing, turned())
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) for n in scan.hu.shape), indexing="ij"), -1)
    slope = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    field = ct.Scan((scan.to_xyz(grid) @ slope).float(), scan.origin, spacing, turned())
    new = ct.resample(field, 1.0)
    assert new.spacing.tolist() == [1.0, 1.0, 1.0]
    places = torch.stack(torch.meshgrid(*map(torch.arange, new.hu.shape), indexing="ij"), -1)
    assert_close(new.hu, (new.to_xyz(places) @ slope).float(), atol=1e-3, rtol=0)
    for old_mm, mm in zip(scan.size_mm, new.size_mm, strict=True):
        assert old_mm - 2.1 < mm <= old_mm + 1.0


def test_the_same_voxel_size_changes_nothing():
    scan = ct.Scan(torch.randn(4, 5, 6), (1, 2, 3), (2, 2, 2), series="1.2.3")
    new = ct.resample(scan, 2.0)
    assert_close(new.hu, scan.hu)
    assert_close(new.origin, scan.origin)
    assert new.series == "1.2.3"
    with pytest.raises(ValueError, match="mm must be positive"):
        ct.resample(scan, 0.0)


def test_fine_noise_is_averaged_not_picked():
    torch.manual_seed(0)
    scan = ct.Scan(torch.randn(40, 40, 40), (0, 0, 0), (0.5, 0.5, 0.5))
    assert float(ct.resample(scan, 2.0).hu.std()) < 0.2  # 64 voxels of one each: 1/8


def test_balls_are_those_of_their_definition():
    scan = ct.Scan(torch.zeros(12, 14, 16), (3, 4, 5), (2.0, 1.0, 1.5), turned())
    xyz = scan.to_xyz([[5.2, 6.1, 7.7], [0.0, 0.0, 0.0], [11, 13, 15], [30, 30, 30]])
    diameter = torch.tensor([6.0, 3.0, 0.1, 8.0])
    labels = ct.balls(scan, xyz, diameter)
    places = torch.stack(torch.meshgrid(*map(torch.arange, labels.shape), indexing="ij"), -1)
    for k in (0, 1):
        near = (scan.to_xyz(places) - xyz[k]).norm(dim=-1) <= diameter[k] / 2
        near[tuple(scan.to_voxel(xyz[k]).tolist())] = True
        assert torch.equal(labels == k + 1, near)
    assert (labels == 3).nonzero().tolist() == [[11, 13, 15]]  # smaller than a voxel
    assert not (labels == 4).any()  # outside


# ---------------------------------------------------------------- the store


def test_a_file_that_is_there_is_not_made_again(tmp_path):
    store, calls = ct.Store(tmp_path / "cache"), []

    def make():
        calls.append(1)
        return {"x": np.arange(5), "flag": np.array(True)}

    for _ in range(3):
        found = store.get("1.2.3", make, source="a")
        assert found["x"].tolist() == [0, 1, 2, 3, 4]
        assert bool(found["flag"])
        assert set(found) == {"x", "flag"}
    assert len(calls) == 1
    assert (store.made, store.reused) == (1, 2)
    store.get("1.2.3", make, source="b")  # made from something else
    assert len(calls) == 2
    with pytest.raises(ValueError, match="plain file name"):
        store.get("../1.2.3", make)


@pytest.mark.parametrize("damage", ["cut", "empty", "byte", "text"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    store = ct.Store(tmp_path)
    values = np.random.default_rng(0).normal(size=500)
    store.get("a", lambda: {"x": values})
    path, whole = store.path("a"), store.path("a").read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "empty": b"",
            "byte": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            "text": b"no archive at all",
        }[damage]
    )
    again = ct.Store(tmp_path)
    assert np.array_equal(again.get("a", lambda: {"x": values})["x"], values)
    assert again.made == 1
    assert np.array_equal(ct.Store(tmp_path).get("a", dict)["x"], values)


def test_what_was_stopped_leaves_no_file(tmp_path, monkeypatch):
    store = ct.Store(tmp_path)

    def stopped(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", stopped)
        with pytest.raises(KeyboardInterrupt):
            store.get("a", lambda: {"x": np.zeros(3)})
    assert not list(tmp_path.iterdir())
    (tmp_path / ".a.npz.tmp").write_bytes(b"left by a process that was killed")
    assert store.get("a", lambda: {"x": np.ones(3)})["x"].sum() == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_nothing_is_pickled(tmp_path):
    store = ct.Store(tmp_path)
    with pytest.raises(ValueError, match="pickled"):
        store.get("a", lambda: {"x": np.array([{}], dtype=object)})
    np.savez(tmp_path / "b.npz", x=np.array([print], dtype=object), _source=np.array(""))
    assert store.get("b", lambda: {"x": np.zeros(1)})["x"].tolist() == [0]


# ---------------------------------------------------------------- the folder


HEADER = "NDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = {}.raw\n"


def pair(folder, name, size=48):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.mhd").write_text(HEADER.format(name))
    (folder / f"{name}.raw").write_bytes(bytes(size))


def test_a_whole_folder_is_counted(tmp_path):
    pair(tmp_path / "subset0", "1.2.3")
    pair(tmp_path / "subset1", "1.2.4")
    (tmp_path / "annotations.csv").write_text("seriesuid\n")
    found = ct.check_luna16(tmp_path)
    assert found["subsets"] == {"subset0": 1, "subset1": 1}
    assert (found["series"], found["of"]) == (2, 888)
    assert (found["compared"], found["not_compared"]) == ([], ["annotations.csv"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: pair(f, "1.2.3", 20), r"1\.2\.3\.raw has 20 bytes of 48: copied by half"),
        (lambda f: pair(f, "1.2.3", 50), r"1\.2\.3\.raw has 50 bytes of 48"),
        (lambda f: (f / "1.2.3.raw").unlink(), r"1\.2\.3\.mhd has no 1\.2\.3\.raw"),
        (lambda f: (f / "1.2.3.mhd").write_text("NDims = 3\nDimS"), r"1\.2\.3\.mhd is no whole"),
        (lambda f: pair(f / "again", "1.2.3"), r"1\.2\.3 is there twice"),
    ],
)
def test_a_scan_copied_by_half_is_named(tmp_path, damage, words):
    pair(tmp_path / "subset0", "1.2.3")
    pair(tmp_path / "subset0", "1.2.4")
    damage(tmp_path / "subset0")
    with pytest.raises(ValueError, match=words) as error:
        ct.check_luna16(tmp_path)
    assert "1.2.4" not in str(error.value)


def test_archives_are_compared_with_published_sums(tmp_path):
    pair(tmp_path / "subset0", "1.2.3")
    with zipfile.ZipFile(tmp_path / "subset0.zip", "w") as archive:
        archive.write(tmp_path / "subset0" / "1.2.3.raw", "subset0/1.2.3.raw")
    assert ct.check_luna16(tmp_path)["not_compared"] == ["subset0.zip"]
    value = hashlib.md5((tmp_path / "subset0.zip").read_bytes()).hexdigest()
    (tmp_path / "MD5SUMS").write_text(f"{value.upper()}  subset0.zip\n{value} *subset9.zip\n")
    known = {}
    assert ct.check_luna16(tmp_path, known)["compared"] == ["subset0.zip"]
    assert known["subset0.zip"][2] == value
    known["subset0.zip"][2] = "0" * 32  # taken over, not computed again
    with pytest.raises(ValueError, match=r"subset0\.zip has another sum"):
        ct.check_luna16(tmp_path, known)
    (tmp_path / "MD5SUMS").write_text("a line of another form\n")
    with pytest.raises(ValueError, match="MD5SUMS"):
        ct.check_luna16(tmp_path)


def test_published_masks_of_the_lungs_are_no_scans(tmp_path):
    pair(tmp_path / "subset0", "1.2.3")
    pair(tmp_path / "seg-lungs-LUNA16", "1.2.3", 5)
    assert ct.check_luna16(tmp_path)["subsets"] == {"subset0": 1}
    for name in ("annotations.csv", "candidates_V2.csv"):
        (tmp_path / name).write_text("seriesuid\n")
    luna = ct.Luna16(tmp_path)
    assert luna.stamp("1.2.3").split()[1].startswith("48:")


def test_an_archive_that_was_not_unpacked_is_named(tmp_path):
    pair(tmp_path / "subset0", "1.2.3")
    pair(tmp_path / "subset0", "1.2.4")
    with zipfile.ZipFile(tmp_path / "subset0.zip", "w") as archive:
        for path in (tmp_path / "subset0").iterdir():
            archive.write(path, f"subset0/{path.name}")
    for end in (".mhd", ".raw"):
        (tmp_path / "subset0" / f"1.2.4{end}").unlink()
    with pytest.raises(ValueError, match=r"subset0\.zip is not unpacked: 2 of 4 files"):
        ct.check_luna16(tmp_path)
    (tmp_path / "subset0.zip").write_bytes(b"half of an archive")
    with pytest.raises(ValueError, match=r"subset0\.zip is no whole archive"):
        ct.check_luna16(tmp_path)


# ---------------------------------------------------------------- groups and hits


@pytest.mark.parametrize("grouping", ct.GROUPINGS)
def test_groups_are_those_of_scipy(grouping):
    mask = torch.rand(9, 20, 20, generator=torch.Generator().manual_seed(0)) < 0.6
    mask[:2], mask[:, :3] = False, False
    image = mask.numpy()
    cross = ndimage.generate_binary_structure(3, 1)
    if grouping == "eroded, faces":
        flat = cross & np.array([False, True, False])[:, None, None]
        image = ndimage.binary_erosion(image, flat)
    labels, n = ndimage.label(image, np.ones((3, 3, 3)) if grouping == "corners" else cross)
    wanted = np.reshape(ndimage.center_of_mass(image, labels, range(1, n + 1)), (-1, 3))
    found = ct.groups(mask, grouping)
    assert n > 0
    assert_close(found, torch.from_numpy(wanted))
    assert len(ct.groups(torch.zeros_like(mask), grouping)) == 0


def made(nodules, diameter, shape=(20, 30, 30), mm=2.0):
    """A scan with annotated nodules at voxel addresses."""
    scan = ct.Scan(torch.zeros(shape, dtype=torch.uint8), (5, 6, 7), (mm, mm, mm), turned(), "1.2")
    xyz = scan.to_xyz(torch.tensor(nodules, dtype=torch.float64))
    size = torch.tensor(diameter, dtype=torch.float64)
    none = torch.zeros(0, 3, dtype=torch.float64)
    return ct.Prepared(scan, torch.ones(shape).bool(), xyz, size, none, found=True)


def test_a_hit_lies_within_the_radius():
    one = made([[10, 10, 10], [10, 20, 20]], [8.0, 4.0])
    at = one.scan.to_xyz([[10, 10, 12.0], [10, 10, 12.1], [11, 20, 20], [0, 0, 0]])
    assert ct.hits(at, one).tolist() == [
        [True, False],
        [False, False],
        [False, True],
        [False, False],
    ]


def test_a_prepared_scan_comes_back_from_arrays(tmp_path):
    one = made([[10, 10, 10]], [8.0])
    store = ct.Store(tmp_path)
    store.get("1.2", one.arrays)
    back = ct.Prepared.of(ct.Store(tmp_path).get("1.2", dict), "1.2")
    assert back.found
    assert back.scan.series == "1.2"
    for name in ("lungs", "nodules", "diameter", "others"):
        assert_close(getattr(back, name), getattr(one, name))
    assert_close(back.scan.to_xyz([1, 2, 3]), one.scan.to_xyz([1, 2, 3]))
    assert torch.equal(back.labels(), one.labels())


def test_a_scan_is_prepared_around_its_lungs():
    hu = torch.full((30, 80, 80), 40.0)
    hu[6:24, 20:60, 12:34] = -850
    hu[6:24, 20:60, 44:66] = -850
    hu[15, 40, 20] = 400
    scan = ct.Scan(hu, (1, 2, 3), (4, 4, 4), turned(), "1.2.3")
    x, y, z = scan.to_xyz([15, 40, 20]).tolist()
    rows = pd.DataFrame(
        {"kind": ["nodule", "other"], "x": x, "y": y, "z": z, "diameter_mm": [9.0, math.nan]}
    )
    one = ct.prepare(scan, rows, mm=4.0)
    assert one.found
    assert tuple(one.scan.hu.shape) == (18 + 8, 42 + 8, 56 + 8)  # 16 mm, and 4 mm of the wall
    place = one.scan.to_voxel(one.nodules[0])
    assert one.scan.hu[tuple(place)] == 255
    assert one.labels()[tuple(place)] == 1
    assert len(one.others) == 1
    fine = ct.prepare(scan, rows, mm=1.0)  # where the lungs are looked for in every second voxel
    assert fine.lungs.shape == fine.scan.hu.shape
    assert abs(fine.scan.litres(fine.lungs) / one.scan.litres(one.lungs) - 1) < 0.2
    inner = fine.scan.to_voxel(scan.to_xyz([[7, 21, 13], [22, 58, 32], [15, 40, 64]]))
    assert fine.lungs[tuple(inner.T)].all()
    outer = fine.scan.to_voxel(scan.to_xyz([[15, 40, 39], [15, 40, 9]]))  # between, and beside
    assert not fine.lungs[tuple(outer.T)].any()
    nothing = ct.prepare(ct.Scan(torch.full((9, 9, 9), 40.0), (0, 0, 0), (4, 4, 4)), rows, mm=4.0)
    assert not nothing.found
    assert nothing.lungs.all()


class Middle(nn.Module):
    """Logits of the middle slice, so that a shift by a slice or a pixel shows."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        assert x.shape[2] % 4 == x.shape[3] % 4 == 0
        return x[:, [x.shape[1] // 2]] + self.one


def test_segment_keeps_slices_and_pixels_in_place():
    one = made([[1, 1, 1]], [2.0], shape=(7, 9, 10))
    one.scan.hu[3, 4, 5] = 255
    one.lungs[0] = False
    found = ct.segment(Middle(), one, slices=5, multiple=4, batch_size=3)
    assert tuple(found.shape) == (7, 9, 10)
    assert not found[0].any()
    high = torch.tensor(2.75).sigmoid()
    assert (found == round(255 * float(high))).nonzero().tolist() == [[3, 4, 5]]


# ---------------------------------------------------------------- crops and boxes


def test_every_second_crop_shows_a_nodule():
    one = made([[10, 10, 10], [10, 25, 25]], [8.0, 6.0])
    one.scan.hu[one.labels() > 0] = 200
    x, mask = ct.outline_crops(one, count=40, slices=3, width=12, seed=0)
    assert tuple(x.shape) == (40, 3, 12, 12)
    assert tuple(mask.shape) == (40, 1, 12, 12)
    assert mask[1::2].flatten(1).any(1).all()
    assert not mask[::2].flatten(1).any(1).all()
    assert torch.equal(x[:, 1:2] == 200, mask)  # the middle slice is the outlined one
    again = ct.outline_crops(one, count=40, slices=3, width=12, seed=0)
    assert torch.equal(again[0], x)


def test_batches_of_boxes_are_balanced_and_shifted_inside():
    positive = torch.full((5, 8, 8, 8), 100, dtype=torch.uint8)
    negative = torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 8, 8, 8)
    loader = ct.box_loader(positive, negative, size=(6, 6, 6), batch_size=8, seed=0, at_most=99)
    seen = []
    for x, y in loader:
        assert tuple(x.shape[1:]) == (1, 6, 6, 6)
        assert int(y.sum()) == len(y) // 2
        assert torch.equal(y == 1, x[:, 0, 0, 0, 0] == ct.scaled(torch.tensor([100]).byte()))
        seen += x[y == 0][:, 0, 0, 0, 0].tolist()
    assert len(set(seen)) == 40  # every other once
    with pytest.raises(ValueError, match="0 boxes of nodules"):
        ct.box_loader(positive[:0], negative, size=(6, 6, 6), batch_size=8, seed=0, at_most=9)


def test_no_place_of_the_others_is_a_nodule():
    one = made([[10, 10, 10]], [12.0])
    near = one.scan.to_xyz(torch.randint(6, 15, (200, 3)))
    one = one._replace(others=near)
    nodules, others = ct.places(one, near, others=50, seed=0)
    assert not ct.hits(others, one).any()
    assert ct.hits(nodules, one).all()
    assert len(nodules) == 1 + int(ct.hits(near, one).any(1).sum())
    assert len(others) > 50


class Bright(nn.Module):
    """Logits 0 and the brightest voxel of the box."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        top = x.flatten(1).amax(1, keepdim=True)
        return torch.cat([torch.zeros_like(top), top + self.one], 1)


def test_what_the_scan_does_not_show_is_not_looked_at():
    one = made([[10, 10, 10], [-5, 10, 10], [10, 10, 29]], [4.0, 4.0, 4.0])
    one.scan.hu[:] = 255
    assert ct.shown(one.nodules, one).tolist() == [True, False, True]
    score = ct.score_boxes(Bright(), one, one.nodules, (4, 4, 4))
    assert score.tolist() == pytest.approx([2.75, -math.inf, 2.75])
    beside = one.nodules + torch.tensor([0.0, 0, 9])
    nodules, others = ct.places(one._replace(others=beside), beside, others=8, seed=0)
    assert torch.equal(nodules, one.nodules[[0, 2]])
    assert ct.shown(others, one).all()
    traced = ct.trace(one, torch.zeros(one.scan.hu.shape).bool(), one.nodules,
                      lambda xyz: ct.score_boxes(Bright(), one, xyz, (4, 4, 4)))  # fmt: skip
    assert ct.fates([traced], 0.0)["found"] == 2


# ---------------------------------------------------------------- curve, interval, budget


def random_traces(seed, scans=6, ties=False):
    rng = np.random.default_rng(seed)
    out = []
    for k in range(scans):
        n, m = int(rng.integers(0, 5)), int(rng.integers(0, 12))
        score = rng.normal(1, 1, n)
        false = rng.normal(0, 1, m)
        if ties:
            score, false = score.round(), false.round()
        grouped = rng.random(n) < 0.8
        score[~grouped] = -math.inf
        outlined = grouped | (rng.random(n) < 0.5)
        diameter = rng.uniform(3, 20, n)
        out.append(ct.Trace(str(k), diameter, outlined, grouped, score, false))
    return out


@pytest.mark.parametrize(("seed", "ties"), [*itertools.product(range(4), (False, True))])
def test_the_curve_goes_through_every_cut(seed, ties):
    traces = random_traces(seed, ties=ties)
    false, found = ct.free_response(traces)
    assert (np.diff(false) >= 0).all()
    assert (np.diff(found) >= 0).all()
    scores = np.concatenate([*(t.score for t in traces), *(t.false for t in traces)])
    cuts = np.unique(scores[np.isfinite(scores)])
    assert len(false) == len(cuts)  # equal scores are one point
    for cut, x, y in zip(cuts[::-1] - 1e-9, false, found, strict=True):
        assert math.isclose(x, sum((t.false > cut).sum() for t in traces) / len(traces))
        assert math.isclose(y, ct.sensitivity(traces, cut))
    for rate in (0.5, 2.0):
        cut = ct.cut_at(traces, rate)
        assert sum((t.false > cut).sum() for t in traces) <= rate * len(traces)
        assert ct.sensitivity_at((false, found), rate) >= ct.sensitivity(traces, cut)


def test_weights_stand_for_scans_that_are_there_twice():
    traces = random_traces(1)
    weight = np.array([2, 0, 1, 1, 3, 0])
    several = [t for t, n in zip(traces, weight, strict=True) for _ in range(n)]
    one, two = ct.free_response(traces, weight), ct.free_response(several)
    for rate in ct.FROC_RATES:
        assert math.isclose(ct.sensitivity_at(one, rate), ct.sensitivity_at(two, rate))


def test_patients_are_drawn_not_scans():
    found = ct.Trace("a", *[np.ones(1)] * 3, np.array([2.0]), np.zeros(0))
    lost = found._replace(score=np.array([-math.inf]))
    alone = [*[found] * 5, *[lost] * 5]
    low, high = ct.froc_interval(alone, [str(k) for k in range(10)], draws=300)
    assert 0.05 < low[0] < 0.4 < 0.6 < high[0] < 0.95
    low, high = ct.froc_interval(alone, ["a"] * 5 + ["b"] * 5, draws=300)
    assert (low[0], high[0]) == (0.0, 1.0)  # two patients: all or nothing
    with pytest.raises(ValueError, match="10 scans have 1 names"):
        ct.froc_interval(alone, ["a"])
    with pytest.raises(ValueError, match="no nodule"):
        ct.froc_interval([found._replace(score=np.zeros(0))], ["a"])


@pytest.mark.parametrize("seed", range(4))
def test_every_nodule_is_in_one_row(seed):
    traces = random_traces(seed)
    for cut in (-math.inf, 0.0, 1.0, math.inf):
        rows = ct.fates(traces, cut)
        nodules = sum(len(t.score) for t in traces)
        assert tuple(rows) == ct.STAGES
        assert sum(rows.values()) == nodules
        assert math.isclose(rows["found"] / nodules, ct.sensitivity(traces, cut))
        assert rows["missed by segmentation"] == sum(int((~t.outlined).sum()) for t in traces)
        sizes = ct.by_diameter(traces, cut)
        assert sum(row["nodules"] for row in sizes) == nodules
        assert sum(row["found"] for row in sizes) == rows["found"]


def test_a_scan_is_followed_and_a_perfect_stage_gains():
    # Found; lost by grouping (a ring whose middle is not in the ball); missed; refused.
    one = made([[10, 5, 5], [10, 15, 15], [10, 25, 5], [10, 5, 24]], [6.0] * 4)
    mask = torch.zeros(one.scan.hu.shape, dtype=torch.bool)
    mask[10, 5, 5] = mask[10, 5, 24] = mask[3, 20, 20] = True
    mask[10, 15, 15:26] = True  # a long one, joined to a vessel
    at = one.scan.to_xyz(torch.tensor([[10.0, 5, 24]]))

    def score(xyz):
        return torch.where((xyz - at).norm(dim=1) < 1, -5.0, 5.0).double()

    xyz = one.scan.to_xyz(ct.groups(mask, "faces"))
    done = ct.trace(one, mask, xyz, score)
    assert done.outlined.tolist() == [True, True, False, True]
    assert done.grouped.tolist() == [True, False, False, True]
    assert done.score.tolist() == [5, -math.inf, -math.inf, -5]
    assert done.false.tolist() == [5, 5]
    assert list(ct.fates([done], 0.0).values()) == [1, 1, 1, 1]
    gains = {
        stage: ct.sensitivity([ct.with_perfect(stage, one, mask, "faces", score)], 0.0)
        for stage in ("segmentation", "grouping", "classifier")
    }
    assert gains == {"segmentation": 0.75, "grouping": 0.5, "classifier": 0.5}
    grouped = ct.with_perfect("grouping", one, mask, "faces", score)
    assert grouped.false.tolist() == [5, 5]  # the false ones stay, and none is added
    with pytest.raises(ValueError, match="unknown stage"):
        ct.with_perfect("luck", one, mask, "faces", score)
