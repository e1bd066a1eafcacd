"""tools/outputs.py stores, compares and records; tools/notebook.py executes for all tools."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from tools import browser, build_book, outputs
from tools import notebook as runner
from tools.hermetic import HERMETIC

ROOT = Path(__file__).resolve().parents[1]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write(path, *sources, **metadata):
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL, **metadata}), path)
    return path


def texts(path):
    return outputs.signature(nbformat.read(path, as_version=4))


# -- storing and comparing -----------------------------------------------------------------------


def test_outputs_are_stored_then_compared(tmp_path, capsys):
    path = write(tmp_path / "01_a.ipynb", "print('one')", "2 + 2")
    assert outputs.main([str(path)]) == 0
    assert "outputs changed" in capsys.readouterr().out
    assert texts(path) == ["one\n", "4"]
    stored = path.read_bytes()
    assert outputs.main(["--check", str(path)]) == 0
    assert "same outputs" in capsys.readouterr().out
    changed = json.loads(stored)
    changed["cells"][1]["outputs"][0]["data"]["text/plain"] = "5"
    path.write_text(json.dumps(changed))
    before = path.read_bytes()
    assert outputs.main(["--check", str(path)]) == 1
    assert "01_a.ipynb" in (said := capsys.readouterr().err)
    assert "DIFFER" in said
    assert path.read_bytes() == before, "a check writes nothing"


def test_one_failure_does_not_lose_the_others(tmp_path, capsys):
    slow = "import time\ntime.sleep(600)"
    limit = {"timeout": 3}
    paths = [
        write(tmp_path / "01_raises.ipynb", "1 / 0"),
        write(tmp_path / "02_dies.ipynb", "import os\nos._exit(1)"),
        write(tmp_path / "03_hangs.ipynb", slow, execution=limit),
        tmp_path / "04_broken.ipynb",
        write(tmp_path / "05_good.ipynb", "print('fine')"),
    ]
    paths[3].write_text("{")
    before = {path: path.read_bytes() for path in paths[:4]}
    assert outputs.main(["--jobs", "2", *map(str, paths)]) == 1
    said = capsys.readouterr()
    for name, reason in (
        ("01_raises", "ZeroDivisionError"),
        ("02_dies", "the kernel died"),
        ("03_hangs", "timed out"),
        ("04_broken", "is not a notebook"),
    ):
        assert f"{name}.ipynb" in said.err
        assert reason in said.err
    assert "05_good.ipynb" in said.out
    assert texts(paths[4]) == ["fine\n"]
    assert {path: path.read_bytes() for path in paths[:4]} == before


@pytest.mark.parametrize("record", [False, True])
def test_settings_of_the_kernel(tmp_path, monkeypatch, record):
    names = [*HERMETIC, "MPLBACKEND", "SOMETHING"]
    path = write(tmp_path / "01_a.ipynb", f"import os\n[os.environ.get(n) for n in {names}]")
    # Whatever this process was told: the stored outputs have one origin.
    own = {"COURSE_PROFILE": "full", "COURSE_DATA": "auto", "MPLBACKEND": "agg", "SOMETHING": "own"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    seen = {}

    def execute(path, *, timeout, env, notebook):
        seen.update(env, timeout=timeout)
        return runner.Outcome(path, notebook, 0.0)

    monkeypatch.setattr(runner, "execute", execute)
    before = path.read_bytes()
    cache = get_cache(tmp_path / "cache") if record else None
    fine, line = outputs.run(path, check=False, cache=cache)
    assert fine
    assert seen["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"
    assert seen["SOMETHING"] == "own"
    assert os.environ["COURSE_PROFILE"] == "full", "the process itself stays as it was"
    if record:
        assert (seen["COURSE_DATA"], seen["COURSE_PROFILE"]) == ("official", "full")
        assert seen["timeout"] > outputs.TIMEOUT
        assert "results recorded" in line
        assert path.read_bytes() == before, "a recording run leaves the notebook alone"
        assert build_book.is_cached(cache, nbformat.read(path, as_version=4)), "the book shows it"
    else:
        assert {name: seen[name] for name in HERMETIC} == HERMETIC


# -- the stored form -----------------------------------------------------------------------------


def test_normal_form_is_stable_and_keeps_what_the_build_reads():
    cells = [new_code_cell("1"), new_code_cell("1"), new_code_cell("2")]
    cells[0].metadata["execution"] = {"iopub.status.busy": "today"}
    metadata = {
        "kernelspec": {"name": "my-env", "display_name": "mine"},
        "language_info": {"name": "python", "version": "3.11.7"},
        "course": {"alone": True},
        "execution": {"timeout": 5000},
        "vscode": {"x": 1},
    }
    notebook = new_notebook(cells=cells, metadata=metadata)
    outputs.normalise(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == 3
    assert ids[1] == f"{ids[0]}-2"
    assert "execution" not in notebook.cells[0].metadata
    assert notebook.metadata == {
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
        "course": {"alone": True},
        "execution": {"timeout": 5000},
    }
    nbformat.validate(notebook)
    once = nbformat.writes(notebook)
    outputs.normalise(notebook)
    assert nbformat.writes(notebook) == once


def test_pieces_of_a_stream_are_one_output():
    def stream(name, text):
        return new_output("stream", name=name, text=text)

    whole = new_code_cell("x", outputs=[stream("stdout", "ab"), stream("stderr", "c")])
    pieces = [stream("stdout", "a"), stream("stdout", "b"), stream("stderr", "c")]
    cut = new_code_cell("x", outputs=pieces)
    signatures = [outputs.signature(new_notebook(cells=[cell])) for cell in (whole, cut)]
    assert signatures == [["ab", "c"], ["ab", "c"]]


def test_cells_that_may_change_are_not_compared():
    free = new_code_cell("x", outputs=[new_output("stream", text="1.5 s")])
    free.metadata["tags"] = ["nbval-ignore-output"]
    assert outputs.signature(new_notebook(cells=[free])) == []


def test_pictures_shrink_and_look_the_same():
    picture = np.random.default_rng(0).normal(0, 3, (128, 128, 3))
    picture += np.linspace(20, 230, 128)[:, None]
    file = io.BytesIO()
    Image.fromarray(picture.round().astype(np.uint8)).save(file, "PNG")
    small = base64.b64decode(runner.shrink(base64.b64encode(file.getvalue()).decode()))
    assert len(small) < len(file.getvalue()) / 2
    again = np.asarray(Image.open(io.BytesIO(small)).convert("RGB")).astype(float)
    assert again.shape == picture.shape
    assert np.abs(again - picture).mean() < 5


# -- one home for the settings -------------------------------------------------------------------


def test_importing_the_settings_changes_nothing():
    program = (
        "import os; before = dict(os.environ); import tools.hermetic; "
        "assert dict(os.environ) == before; import sys; "
        "assert not {'torch', 'nbclient'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_tests_themselves_run_with_these_settings():
    assert HERMETIC.keys() <= os.environ.keys()
    assert HERMETIC["COURSE_DATA"] == "standin"


def test_a_kernel_draws_into_the_notebook_and_finds_this_checkout(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    found = runner.environment(COURSE_DATA="standin")
    assert found["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"
    assert found["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "elsewhere"]
    assert found["COURSE_DATA"] == "standin"
    assert runner.environment(MPLBACKEND="agg")["MPLBACKEND"] == "agg"


# -- a browser for the site test -----------------------------------------------------------------


def test_a_command_that_does_not_start_is_no_browser(tmp_path, monkeypatch):
    def command(name, text):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    stub = command("stub", "echo install the snap; exit 1")  # Ubuntu's chromium-browser
    real = command("real", "echo Chromium 141")
    found = [stub, str(tmp_path / "absent"), real]
    monkeypatch.setattr(browser, "candidates", lambda: iter(found))
    assert browser.find() == real
    found.pop()
    assert browser.find() is None
