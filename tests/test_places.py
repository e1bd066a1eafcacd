"""The files with which Codespaces and Binder open the course name what exists."""

import json
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])


def test_codespaces():
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    image, _, version = content["image"].partition(":")
    assert image == "mcr.microsoft.com/devcontainers/python"
    assert version in PYTHONS
    (target,) = content["postCreateCommand"].removeprefix("make ").split()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\n{target}: " in makefile
    assert "VENV ?= .venv\n" in makefile  # where the editor looks for Python
    path = content["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert path.endswith("/.venv/bin/python")


def test_binder():
    folder = ROOT / "binder"  # which goes before the environment.yml in the root
    version = (folder / "runtime.txt").read_text(encoding="utf-8").strip()
    assert version.removeprefix("python-") in PYTHONS
    lines = [
        line
        for line in (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines.pop() == "."  # the package of the course, from the root
    assert [Requirement(line).name for line in lines] == ["jupyterlab"]
    start = folder / "start"
    assert start.stat().st_mode & 0o100, "Binder runs it"
    assert start.read_text(encoding="utf-8").endswith('exec "$@"\n')
