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


CELLS = {
    "start": "import warnings, torch\nfrom helpers import env, timing\nrun = env.start('x')",
    "right": "x = torch.ones(2, device=run.device)\nassert x.cpu().numpy().sum() == 2",
    "model there": "model = torch.nn.Linear(2, 1).to(run.device)\nmodel(x)",
    "inputs forgotten": "model(torch.ones(1, 2))",
    "after an error": "assert model(x).item() is not None",
    "numpy there": "x.numpy()",
    "timing": "assert timing.measure(torch.neg, x, min_time=0.01, device=run.device).median > 0",
    "future": "warnings.warn('old, will change', FutureWarning)",
    "deprecation": "warnings.warn('old', DeprecationWarning)",
    "as a user's": "warnings.warn('This is deprecated')",
    "something else": "warnings.warn('careful')",
    "caught": "with warnings.catch_warnings(record=True, action='always') as caught:\n"
    "    warnings.warn('old', FutureWarning)\nassert caught",
    "filter": "warnings.filterwarnings('ignore')",
    "after a filter": "warnings.warn('old', FutureWarning)",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Run a chapter of these cells; return errors and warnings by the name of the cell."""
    folder = tmp_path_factory.mktemp("chapter")
    path = folder / "chapter.ipynb"
    cells = [{"cell_type": "code", "source": [s], "metadata": {}} for s in CELLS.values()]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    content = chapters.ran(path, folder)
    names = dict(enumerate(CELLS))
    return (
        {names[e["cell"]]: e["error"] for e in content["errors"]},
        {names[w["cell"]]: w["message"] for w in content["warnings"]},
    )


def test_mixed_devices_are_found_and_right_cells_pass(report):
    errors, _ = report
    assert errors.keys() == {"inputs forgotten", "numpy there"}
    assert "found at least two devices, sim:0 and cpu" in errors["inputs forgotten"]
    assert "Use Tensor.cpu()" in errors["numpy there"]


def test_deprecations_are_heard_unless_the_chapter_catches_them(report):
    _, warnings = report
    assert warnings == {
        "future": "old, will change",
        "deprecation": "old",
        "as a user's": "This is deprecated",
        "after a filter": "old",
    }


def test_what_is_allowed_names_a_row_that_the_chapter_claims_or_a_reason():
    with (chapters.ROOT / "book" / "ledger.tsv").open(encoding="utf-8") as file:
        rows = {row[0] for row in csv.reader(file, delimiter="\t")}
    claims = {path.stem: path.read_text(encoding="utf-8") for path in chapters.NOTEBOOKS}
    for entry in chapters.ALLOWED:
        assert entry["chapter"] in {"any", *claims}, entry
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
