"""The project's own files agree with each other."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked():
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def texts():
    for path in tracked():
        if path.suffix in {".py", ".md", ".yml", ".yaml", ".toml", ".cff", ".txt", ".lock", ".css"}:
            yield path, path.read_text(encoding="utf-8")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements):
    return {
        re.match(r"[A-Za-z0-9_.-]+", r).group(0).lower().replace("_", "-") for r in requirements
    }


def test_environment_yml_is_made_from_pyproject():
    done = subprocess.run(
        [sys.executable, "tools/environment.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_lock_file_covers_pyproject_and_keeps_to_the_pins():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    versions = dict(
        re.match(r"([^=\s]+)==([^\s;]+)", line).groups() for line in lock if "==" in line
    )
    needed = set(project()["dependencies"])
    for extra in ("book", "test", "serve"):
        needed |= set(project()["optional-dependencies"][extra])
    needed.discard("nn-pytorch-course[serve]")  # the extra itself, which is covered above
    assert names(needed) <= {name.lower().replace("_", "-") for name in versions}
    for pin in (ROOT / "tools" / "pins.txt").read_text(encoding="utf-8").splitlines():
        if "==" in pin:
            name, version = pin.split("==")
            assert versions[name] == version
    assert not any("://" in line for line in lock), "a lock file without addresses of hosts"


def test_the_packages_dependencies_have_lower_bounds_only():
    for requirement in project()["dependencies"]:
        assert "==" not in requirement
        assert ">=" in requirement
        assert "<" not in requirement


def test_commands_named_in_the_texts_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        used = set(re.findall(r"(?:^|`|\s)make ([a-z]+)\b(?=`|\s|$)", (ROOT / name).read_text()))
        commands = used & (
            targets | {"setup", "book", "test", "bench", "record", "outputs", "lock"}
        )
        assert commands <= targets, name
        assert {"test", "book"} <= used, name
    for name in ("README.md", "CONTRIBUTING.md"):
        for path in re.findall(
            r"`((?:tools|tests|book|helpers|data_scripts)/[\w./]+)`", (ROOT / name).read_text()
        ):
            if "NN_" not in path and "generated" not in path:
                assert (ROOT / path).exists(), f"{name} names {path}"


def test_every_existing_chapter_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{path.name})" in readme


def test_links_of_the_markdown_files_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", (ROOT / name).read_text(encoding="utf-8")):
            if "://" not in target:
                assert (ROOT / target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_no_open_ends(word):
    allowed = {"CONTRIBUTING.md", "test_project.py"}
    found = [path.name for path, text in texts() if re.search(rf"\b{word}\b", text)]
    assert set(found) <= allowed


def test_no_path_of_a_machine():
    found = [
        path.name
        for path, text in texts()
        if path.name not in {"test_project.py", "test_notebooks.py"}
        and re.search(r"(?<![\w.])/(root|home|Users)/\w", text)
    ]
    assert not found


@pytest.mark.parametrize("folder", ["helpers", "data_scripts", "tools", "book/_ext"])
def test_no_file_is_too_long_to_be_read_in_one_go(folder):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert lengths
    assert not {path: lines for path, lines in lengths.items() if lines > 400}
