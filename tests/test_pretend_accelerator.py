"""The pretend accelerator, and what runs a chapter on it, tried on notebooks of a few lines."""

import csv
import json
import os
import re
import subprocess
import sys

import chapters_on_accelerator as chapters
import pytest


def test_what_it_refuses_and_what_it_computes():
    # In a process of its own: the device stays registered, and other tests must not see it.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            "tests/pretend_accelerator_cases.py",
        ],
        cwd=chapters.ROOT,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")},
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 90


def chapter(folder, *cells):
    """Run a chapter of these cells, after one that starts it, and return the report."""
    sources = ["import warnings, torch\nfrom helpers import env\nrun = env.start('x')", *cells]
    path = folder / "chapter.ipynb"
    notebook = {"cells": [{"cell_type": "code", "source": [s], "metadata": {}} for s in sources]}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return chapters.ran(path, folder)


def test_a_forgotten_move_to_the_device_is_found(tmp_path):
    report = chapter(
        tmp_path,
        "model = torch.nn.Linear(2, 1).to(run.device)",
        "model(torch.ones(1, 2, device=run.device))",
        "model(torch.ones(1, 2))",
        "never_reached",
    )
    (error,) = report["errors"]
    assert error["cell"] == 3
    assert "found at least two devices, sim:0 and cpu" in error["error"]


def test_numpy_of_the_device_is_found_and_a_right_chapter_passes(tmp_path):
    right = ["x = torch.ones(2, device=run.device)", "assert x.cpu().numpy().sum() == 2"]
    assert chapter(tmp_path, *right) == {"errors": [], "warnings": []}
    (error,) = chapter(tmp_path, *right, "x.numpy()")["errors"]
    assert "Use Tensor.cpu()" in error["error"]


def test_times_are_measured_on_the_host(tmp_path):
    cell = (
        "from helpers import timing\n"
        "x = torch.ones(2, device=run.device)\n"
        "assert timing.measure(torch.neg, x, min_time=0.01, device=run.device).median > 0"
    )
    assert chapter(tmp_path, cell)["errors"] == []


@pytest.mark.parametrize(
    ("cell", "heard"),
    [
        ("warnings.warn('old name', FutureWarning)", ["old name"]),
        ("warnings.warn('old name', DeprecationWarning)", ["old name"]),
        ("warnings.warn('this is deprecated')", ["this is deprecated"]),
        ("warnings.filterwarnings('ignore')\nprint()", []),
        ("warnings.warn('something else')", []),
        (
            "with warnings.catch_warnings(record=True, action='always') as caught:\n"
            "    warnings.warn('old name', FutureWarning)\n"
            "assert caught",
            [],
        ),
    ],
)
def test_deprecations_are_collected_unless_the_chapter_catches_them(tmp_path, cell, heard):
    warnings = chapter(tmp_path, cell)["warnings"]
    assert [w["message"] for w in warnings] == heard
    assert all(w["cell"] == 1 for w in warnings)


def test_a_filter_of_one_cell_does_not_silence_the_next(tmp_path):
    cells = ("warnings.filterwarnings('ignore')", "warnings.warn('old name', FutureWarning)")
    assert [w["cell"] for w in chapter(tmp_path, *cells)["warnings"]] == [2]


def test_what_is_allowed_names_a_row_that_the_chapter_claims_or_a_reason():
    with (chapters.ROOT / "book" / "ledger.tsv").open(encoding="utf-8") as file:
        rows = {row[0] for row in csv.reader(file, delimiter="\t")}
    claims = {path.stem: path.read_text(encoding="utf-8") for path in chapters.NOTEBOOKS}
    for entry in chapters.ALLOWED:
        assert entry["chapter"] in claims, entry
        if "row" in entry:
            assert entry["row"] in rows, entry
            assert f'"{entry["row"]}"' in claims[entry["chapter"]], entry
        else:
            assert len(entry["reason"].split()) > 5, entry


def test_only_the_chapter_that_an_entry_names_may_be_warned():
    (entry,) = (e for e in chapters.ALLOWED if e.get("row") == "T2.e8")
    warning = {"message": entry["message"] + " since torchvision 0.29"}
    assert chapters.unknown([warning], entry["chapter"]) == []
    assert chapters.unknown([warning], "04_autograd") == [warning]
