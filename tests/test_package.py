"""What the installed package carries."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers import models

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder with the content of the wheel, as pip would unpack it."""
    # A copy of the sources: a build writes into the folder that it builds.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, source)
    for name in ("helpers", "data_scripts"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(source)], cwd=source, check=True, capture_output=True
    )
    (wheel,) = source.glob("*.whl")
    target = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_the_wheel_has_every_file_of_the_packages(installed):
    for name in ("helpers", "data_scripts"):
        inside = {p.relative_to(ROOT) for p in (ROOT / name).rglob("*") if p.is_file()}
        missing = [
            str(path)
            for path in inside
            if path.suffix in {".py", ".json", ".tsv"} and not (installed / path).is_file()
        ]
        assert not missing


def test_recorded_results_show_without_a_checkout(installed):
    program = (
        "import json; from helpers import env, results; assert env.checkout_root() is None; "
        "print(json.dumps([results.__file__, len(results.load()), len(results.table('K7.r2'))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installed,  # first on the path of ``python -c``
        check=True,
        capture_output=True,
        text=True,
    )
    file, entries, rows = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed)
    recorded = [json.loads(p.read_text()) for p in (ROOT / "helpers/recorded").glob("[0-9]*.json")]
    assert entries == sum(len(content["records"]) for content in recorded) > 0
    assert rows > 0


def test_an_official_run_leaves_an_installed_package_alone(installed):
    before = {path: path.read_bytes() for path in installed.rglob("*.json")}
    program = (
        "import os; os.environ['COURSE_DATA'] = 'official'; from helpers import env, results; "
        "run = env.start('07_first_networks'); results.record('K7.r2', 'x', 1.0, run=run)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=installed, check=True)
    assert {path: path.read_bytes() for path in installed.rglob("*.json")} == before


def test_source_says_that_it_needs_ipython(monkeypatch):
    assert "class MLP" in models.source(models.MLP).data
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ModuleNotFoundError, match="pip install ipython"):
        models.source(models.MLP)
