"""The LUNA16 run from end to end, on a tiny folder of the same form with made-up chests."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import torch

from helpers import ct
from helpers.ct import learning
from tools import luna16, luna16_stages

SERIES = [f"1.2.{k}" for k in range(8)]
HEALTHY = ("1.2.3", "1.2.6")  # without a nodule, the first also without a candidate
# As small as it gets: the numbers that come out mean nothing.
SMALL = """
    --quick --mm 8 --fractions 0.5 0.25 0.25 --crop 16 --crops 32 --unet-channels 6 --unet-depth 2
    --unet-epochs 8 --candidates 30 --epochs 6 --pairs 96 --draws 40 --others 8
"""
SMALL = shlex.split(SMALL)


def chest(seed):
    """Lungs in a body, (24, 48, 48) voxels of 8×6.5×6.5 mm, and a table of its drawn nodules."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 48, 48)), indexing="ij")
    hu = np.where((x / 0.9) ** 2 + (y / 0.75) ** 2 < 1, 40.0, -1000.0)
    for side in (-1, 1):
        lung = ((x - 0.42 * side) / 0.32) ** 2 + (y / 0.5) ** 2 + (z / 0.9) ** 2 < 1
        hu[lung] = -850
    for row, column in np.array([[22, 14], [27, 34]]) + rng.integers(-1, 2, (2, 2)):  # vessels
        hu[6:18, row : row + 2, column : column + 2] = 60
    hu = torch.from_numpy(hu + rng.normal(0, 20, hu.shape)).float()
    scan = ct.Scan(hu, rng.uniform(-200, 0, 3), (8.0, 6.5, 6.5), series=SERIES[seed])
    mask, sizes = ct.lung_mask(scan), (18.0, 26.0)
    done = ct.implant(
        scan, mask, seed=seed, count=4, diameter_mm=sizes, contrast_hu=(880.0,), look_alikes=0
    )
    return (scan, done.table[:0]) if scan.series in HEALTHY else (done.scan, done.table)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder as LUNA16's, with two subsets."""
    folder = tmp_path_factory.mktemp("luna16")
    nodules, candidates = [], []
    for k, series in enumerate(SERIES):
        scan, table = chest(k)
        image = SimpleITK.GetImageFromArray(scan.hu.short().numpy())
        image.SetOrigin(scan.origin.tolist())
        image.SetSpacing(scan.spacing.flip(0).tolist())
        place = folder / f"subset{k % 2}"
        place.mkdir(exist_ok=True)
        SimpleITK.WriteImage(image, str(place / f"{series}.mhd"))
        lung = ct.lung_mask(scan).nonzero()
        none = scan.to_xyz(lung[:: len(lung) // 15]).tolist() if series != HEALTHY[0] else []
        for x, y, z, mm in table[["x", "y", "z", "diameter_mm"]].to_numpy():
            nodules.append((series, x, y, z, mm))
            candidates.append((series, x + 1, y - 1, z, 1))
        candidates += [(series, *place, 0) for place in none]
    names = ["seriesuid", "coordX", "coordY", "coordZ"]
    table = pd.DataFrame(nodules, columns=[*names, "diameter_mm"])
    table.to_csv(folder / "annotations.csv", index=False)
    table = pd.DataFrame(candidates, columns=[*names, "class"])
    table.to_csv(folder / "candidates_V2.csv", index=False)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy that a test may damage; times are kept."""
    return Path(shutil.copytree(original, tmp_path / "luna16"))


@pytest.fixture
def reads(monkeypatch):
    """The series that were read, one after another."""
    seen, read = [], ct.Luna16.scan

    def counted(self, series):
        seen.append(series)
        return read(self, series)

    monkeypatch.setattr(ct.Luna16, "scan", counted)
    return seen


def run(folder, work, *more):
    """Run the command; return its exit status and what it wrote."""
    out = work.parent / f"{work.name}.json"
    status = luna16.main(
        ["--folder", str(folder), "--work", str(work), "--out", str(out), *SMALL, *more]
    )
    return status, json.loads(out.read_text()) if out.exists() else None


@pytest.fixture(scope="module")
def finished(original, tmp_path_factory):
    """A whole run: its folder of work and its results."""
    work = tmp_path_factory.mktemp("run") / "work"
    status, found = run(original, work, "--leak")
    assert status == 0
    return work, found


def test_it_ends_with_results(finished):
    _, found = finished
    assert found["data"]["series"] == found["data"]["used"] == len(SERIES)
    assert found["data"]["subsets"] == {"subset0": 4, "subset1": 4}
    assert found["data"]["licence"] == "CC BY 4.0"
    assert found["data"]["no_lungs_found"] == []
    assert found["data"]["nodules"] == 4 * (len(SERIES) - len(HEALTHY))
    assert {"torch", "cpu", "accelerator"} <= set(found["machine"])
    chain = found["chain"]
    assert chain["test"]["sensitivity"] > 0.4  # the drawings are large and bright
    assert chain["validation"]["false_alarms_a_scan"] <= found["settings"]["false_alarms"]
    for froc in (chain["froc"], found["published_candidates"]["froc"]):
        assert froc["sensitivity"] == sorted(froc["sensitivity"])
        assert froc["mean"]["value"] == pytest.approx(np.mean(froc["sensitivity"]))
        assert all(map(float.__le__, froc["low"], froc["high"]))
        assert "over 2 series, each taken for a patient" in froc["interval"]
    assert found["published_candidates"]["reachable"] == 1.0
    for rows in chain["by_diameter_at_false_alarms_a_scan"].values():
        assert sum(row["nodules"] for row in rows) == 4
    assert set(found["leak"]) == {"held_boxes", "by_series", "by_candidate"}
    assert "no statement about patients" in found["note"].replace("\n", " ")


def test_nodules_where_nobody_looks_are_counted(original, finished):
    """A drawing at the wall may be no part of the mask of the lungs: then it cannot be found."""
    work, found = finished
    off = 0
    table = pd.read_csv(original / "annotations.csv")
    for path in work.glob("scans-*/*.npz"):
        scan = np.load(path)
        for row in table[table.seriesuid == path.stem].itertuples():
            place = np.array([row.coordZ, row.coordY, row.coordX]) - scan["origin"][::-1]
            i, r, c = np.rint(place / scan["spacing"]).astype(int)
            off += not scan["lungs"][i, r, c]
    assert found["data"]["nodules_off_the_lungs"] == off


def test_the_rows_of_the_error_budget_add_up(finished):
    budget, test = finished[1]["chain"]["error_budget"], finished[1]["chain"]["test"]
    assert sum(budget["rows"].values()) == budget["nodules"] == 4
    assert budget["rows"]["found"] == pytest.approx(4 * test["sensitivity"])
    refused = budget["rows"]["refused by the classifier"] / budget["nodules"]
    assert budget["gain_if_perfect"]["classifier"] == pytest.approx(refused)


def test_a_budget_that_loses_a_nodule_is_refused(monkeypatch):
    one = ct.Trace("1", *[np.ones(2)] * 4, np.zeros(0))
    counted = ct.fates
    monkeypatch.setattr(ct, "fates", lambda *args: {**counted(*args), "lost by grouping": -1})
    with pytest.raises(RuntimeError, match="do not add up"):
        luna16.error_budget(None, None, [one], 0.0)


def test_each_series_is_in_one_part(finished):
    work, found = finished
    content = json.loads((work / "split.json").read_text())
    parts = {part: {series for series, _, _ in rows} for part, rows in content.items()}
    assert {part: len(names) for part, names in parts.items()} == {
        "train": 4,
        "validation": 2,
        "test": 2,
    }
    assert set.union(*parts.values()) == set(SERIES)
    assert sum(map(len, parts.values())) == len(SERIES)
    assert found["split"]["sha256"] == (work / "split.sha256").read_text().strip()
    made = ct.series_split(SERIES, seed=0, fractions=(0.5, 0.25, 0.25))
    assert found["split"]["sha256"] == made.sha256


def opened(folder, work):
    """A run on what a finished one left, with its models and its choices."""
    settings = luna16.settings_of(luna16.parsed(["--folder", str(folder), *SMALL]))
    return luna16_stages.Run(folder, work, settings, device=torch.device("cpu"))


def test_candidates_of_a_series_are_in_one_part(original, finished):
    work, _ = finished
    run = opened(original, work)
    run.prepare()
    run.outline()
    run.calibrate()
    (folder,) = work.glob("boxes-*")
    there = {path.stem: np.load(path)["nodules"] for path in folder.glob("*.npz")}
    assert set(there) == {*run.parts["train"], *run.parts["validation"]}  # and none of the test
    for part in ("train", "validation"):
        nodules, others = run.boxes(part)
        own = np.concatenate([there[series] for series in run.parts[part]])
        assert np.array_equal(nodules.numpy(), own)
        assert len(others) > 0
    (folder,) = work.glob("crops-*")
    assert {path.stem for path in folder.glob("*.npz")} == set(there)


def test_all_series_of_a_patient_are_in_one_part():
    names = [f"1.2.{k}" for k in range(40)]
    patient = {name: str(k // 2) for k, name in enumerate(names)}
    settings = luna16_stages.Settings(fractions=(0.5, 0.3, 0.2))
    split = luna16_stages.split_for(names, patient, settings)
    assert [len(split.blocks[part]) for part in ("train", "validation", "test")] == [20, 12, 8]
    for k in range(20):
        assert split.part(names[2 * k], 0) == split.part(names[2 * k + 1], 0)


def test_patients_come_from_a_table(original, tmp_path, capsys):
    table = tmp_path / "patients.csv"
    rows = [f"{name},{k // 2}" for k, name in enumerate(SERIES)]
    table.write_text("\n".join(["seriesuid,patient", *rows]))
    patient = luna16.names_of_patients(table)
    settings = luna16.settings_of(luna16.parsed(SMALL))
    work = tmp_path / "work"
    work.mkdir()
    made = luna16.Run(original, work, settings, device=torch.device("cpu"), patient=patient)
    assert len(set(made.patients("test"))) == 1
    assert len(made.parts["test"]) == 2
    table.write_text("series,patient\n1.2.0,1\n")
    assert run(original, work, "--patients", str(table))[0] == 1
    assert "columns seriesuid and patient" in capsys.readouterr().err


def test_a_second_run_reads_no_scan(original, finished, reads):
    work, found = finished
    status, again = run(original, work, "--leak")
    assert status == 0
    assert reads == []
    for name in ("chain", "outlines", "published_candidates", "leak", "split"):
        assert again[name] == found[name], name
    assert {stage["made"] for stage in again["stages"].values() if "made" in stage} == {0}


def test_a_scan_that_was_replaced_is_read_again(folder, tmp_path, reads):
    work = tmp_path / "work"
    work.mkdir()
    opened(folder, work).prepare()
    assert reads == SERIES
    path = folder / "subset1" / f"{SERIES[3]}.raw"
    path.write_bytes(path.read_bytes())  # the same size, a new time
    opened(folder, work).prepare()
    assert reads == [*SERIES, SERIES[3]]


def test_an_interrupted_run_goes_on(original, finished, tmp_path, monkeypatch, reads):
    """Stopped while scans are read, in training, and between outlines: nothing is done twice."""
    work = tmp_path / "work"

    def stop_at(place, name, call):
        """Stop at one call of a function, once."""
        function, calls = getattr(place, name), []

        def counted(*args, **options):
            calls.append(1)
            if len(calls) == call:
                raise KeyboardInterrupt
            return function(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(place, name, counted)
            with pytest.raises(KeyboardInterrupt):
                run(original, work)
        return len(calls)

    stop_at(ct, "prepare", 4)
    assert reads == SERIES[:4]  # the fourth was read, but nothing was kept of it
    assert sorted(path.stem for path in work.glob("scans-*/*.npz")) == SERIES[:3]
    stop_at(learning, "scaled", 40)
    assert reads == [*SERIES[:4], *SERIES[3:]]
    assert list(work.glob("unet-*.pt"))
    stop_at(ct, "segment", 3)
    assert len(list(work.glob("outlines-*/*.npz"))) == 2
    left, segment = [], ct.segment
    monkeypatch.setattr(ct, "segment", lambda *a, **k: left.append(1) or segment(*a, **k))
    status, found = run(original, work)
    assert status == 0
    assert len(left) == len(SERIES) - 2
    assert len(reads) == len(SERIES) + 1
    for name in ("chain", "outlines", "published_candidates"):
        assert found[name] == finished[1][name], name  # as if it had never been stopped


def test_a_truncated_scan_is_refused_by_name(folder, tmp_path, capsys, reads):
    path = folder / "subset0" / f"{SERIES[2]}.raw"
    path.write_bytes(path.read_bytes()[:-100])
    status, found = run(folder, tmp_path / "work")
    assert (status, found, reads) == (1, None, [])
    message = capsys.readouterr().err
    assert f"{SERIES[2]}.raw has {path.stat().st_size} bytes" in message
    assert "copied by half" in message


def test_a_split_that_does_not_fit_is_refused(original, folder, tmp_path, capsys):
    work = tmp_path / "work"
    work.mkdir()
    opened(original, work)
    assert run(original, work, "--seed", "1")[0] == 1
    assert "split.json does not fit" in capsys.readouterr().err
    text = (work / "split.json").read_text()
    (work / "split.json").write_text(text.replace("1.2.7", "1.2.9"))
    assert run(original, work)[0] == 1
    assert "another split than expected" in capsys.readouterr().err
    (work / "split.json").write_text(text)
    for end in (".mhd", ".raw"):
        (folder / "subset1" / f"{SERIES[1]}{end}").unlink()
    assert run(folder, work)[0] == 1
    assert "it divides other series" in capsys.readouterr().err
    (work / "split.sha256").unlink()
    assert run(original, work)[0] == 1
    assert "split.sha256 is missing" in capsys.readouterr().err


ON_AN_ACCELERATOR = """
import sys
sys.path.insert(0, "tests")
import run_chapter
run_chapter.on_pretend_accelerator()
from tools import luna16
sys.exit(luna16.main(sys.argv[1:]))
"""


def test_it_runs_on_an_accelerator(original, tmp_path):
    """On a device that refuses CPU tensors, in a process of its own: it stays registered."""
    out = tmp_path / "results.json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", ON_AN_ACCELERATOR, "--folder", str(original)),
            *("--work", str(tmp_path / "work"), "--out", str(out), *SMALL),
            *("--unet-epochs", "1", "--epochs", "1", "--crops", "8"),
        ],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(out.read_text())["device"].startswith("sim")


def test_one_run_at_a_time(original, tmp_path, capsys):
    work = tmp_path / "work"
    work.mkdir()
    with luna16.FileLock(work / ".lock"):
        assert run(original, work)[0] == 1
    assert "another run" in capsys.readouterr().err


def test_what_is_missing_is_said(original, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("COURSE_LUNA16", raising=False)
    assert luna16.main(["--quick"]) == 1
    assert "COURSE_LUNA16" in capsys.readouterr().err
    out = tmp_path / "missing" / "results.json"
    assert luna16.main(["--folder", str(original), "--out", str(out)]) == 1
    assert "no folder for results.json" in capsys.readouterr().err
    status = luna16.main(["--folder", str(original), "--work", str(tmp_path), "--device", "cuda"])
    assert status == 1
    assert "this machine has no cuda" in capsys.readouterr().err
