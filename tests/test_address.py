"""The address of the repository: one home, its copies, and where a site takes it from."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from tools import address

ROOT = Path(__file__).parents[1]
HOME = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
NEW = "https://github.com/someone/my.course"


@pytest.fixture
def tree(tmp_path):
    """A copy of the files that contain the address, in a git repository without a remote."""
    (tmp_path / "notebooks").mkdir()
    names = ["_config.yml", "README.md", "CITATION.cff", "pyproject.toml"]
    for name in [*names, "notebooks/01_getting_started.ipynb", "notebooks/02_tensors.ipynb"]:
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def change(root, new):
    for path, text in address.different(root, new).items():
        path.write_text(text, encoding="utf-8")


# -- the copies ----------------------------------------------------------------------------------


def test_the_copies_are_those_of_the_configuration():
    assert [path.name for path in address.different(ROOT)] == []
    assert address.configured() == HOME


def test_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"/v{version}.zip" in address.install_cell()


def test_a_new_address_reaches_every_copy_and_comes_back(tree):
    before = {path: path.read_bytes() for path in tree.rglob("*.*") if path.is_file()}
    change(tree, NEW)
    left = [path.name for path in before if HOME.encode() in path.read_bytes()]
    assert left == []
    readme = (tree / "README.md").read_text()
    assert f"git clone {NEW}\ncd my.course\n" in readme
    assert yaml.safe_load((tree / "CITATION.cff").read_text())["repository-code"] == NEW
    for path in tree.glob("notebooks/*.ipynb"):
        sources = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
        assert sum(f"{NEW}/archive/refs/tags/v" in source for source in sources) == 1
    assert address.different(tree) == {}
    change(tree, HOME)
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_version_is_a_new_tag(tree):
    path = tree / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "', 'version = "9.', 1))
    assert {p.suffix for p in address.different(tree)} == {".ipynb"}
    change(tree, HOME)
    assert "/tags/v9." in (tree / "notebooks" / "02_tensors.ipynb").read_text()


@pytest.mark.parametrize("url", ["git@github.com:a/b.git", "https://github.com/a", "a/b"])
def test_an_address_of_another_form_is_refused(url):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "address.py", "--check", url],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is not like https://github.com/OWNER/NAME" in done.stderr


def test_ci_names_the_command(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/my.course")
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    command = [sys.executable, ROOT / "tools" / "address.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, "a fork of a contributor stays green"
    assert done.stdout.startswith("::warning::")
    assert done.stdout.rstrip().endswith(f"run make address URL={NEW}")


# -- where a site is built from --------------------------------------------------------------------


def test_a_site_built_on_github_is_of_that_repository_and_tag(tree):
    here = {"GITHUB_REPOSITORY": "someone/my.course", "GITHUB_REF_NAME": "main"}
    assert address.built_from(tree, here) == (NEW, "")
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v0.1.0"}
    assert address.built_from(tree, here | tag) == (NEW, "v0.1.0")
    own = {"GITHUB_SERVER_URL": "https://git.example.org"}
    assert address.built_from(tree, here | own)[0] == "https://git.example.org/someone/my.course"


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/someone/my.course.git", NEW),
        ("https://github.com/someone/my.course/", NEW),
        ("https://user:secret@github.com/someone/my.course", NEW),
        ("git@github.com:someone/my.course.git", NEW),
        ("ssh://git@github.com/someone/my.course.git", NEW),
        ("https://git.example.org/someone/my.course", HOME),
        ("../elsewhere", HOME),
        (None, HOME),
    ],
)
def test_elsewhere_the_remote_tells(tree, remote, expected):
    if remote:
        subprocess.run(["git", "remote", "add", "origin", remote], cwd=tree, check=True)
    assert address.built_from(tree, {}) == (expected, "")


def test_the_buttons_follow(tree, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/my.course")
    monkeypatch.setenv("GITHUB_REF_TYPE", "tag")
    monkeypatch.setenv("GITHUB_REF_NAME", "v0.1.0")
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    config = SimpleNamespace(
        html_theme_options={"repository_url": HOME, "repository_branch": "main"}
    )
    listeners = []
    app = SimpleNamespace(
        srcdir=tree, connect=lambda event, f, priority: listeners.append((event, f))
    )
    address.setup(app)
    ((event, listener),) = listeners
    assert event == "config-inited"
    listener(app, config)
    assert config.html_theme_options == {
        "repository_url": NEW,
        "repository_branch": "v0.1.0",
    }
    loaded = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]
    assert loaded["local_extensions"]["tools.address"] == "."
    assert "tools.address" in loaded["config"]["extensions"]


# -- the cell that installs ------------------------------------------------------------------------


def run_install_cell(monkeypatch, *, before, after):
    """Run the cell where the course is installed or not, before and after pip ran."""
    calls = []

    def pip(name, line):
        assert name == "pip"
        calls.append(line)

    def distributions(**wanted):
        assert wanted == {"name": "nn-pytorch-course"}
        return iter(["the course"] if (after if calls else before) else [])

    def version(name):
        if not (after if calls else before):
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1.0"

    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
    monkeypatch.setattr(importlib.metadata, "version", version)
    code = TransformerManager().transform_cell(address.install_cell())
    exec(code, {"get_ipython": lambda: SimpleNamespace(run_line_magic=pip)})
    return calls


def test_the_cell_does_nothing_where_the_course_is_installed(monkeypatch, capsys):
    assert run_install_cell(monkeypatch, before=True, after=True) == []
    assert capsys.readouterr().out == ""


def test_the_cell_installs_the_tag_and_prints_the_version(monkeypatch, capsys):
    (line,) = run_install_cell(monkeypatch, before=False, after=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert line == f"install -q {HOME}/archive/refs/tags/v{version}.zip"
    assert capsys.readouterr().out == "nn-pytorch-course 0.1.0\n"


def test_the_cell_that_reaches_nothing_says_what_to_do(monkeypatch):
    with pytest.raises(RuntimeError, match="use a clone, or upload the wheel") as caught:
        run_install_cell(monkeypatch, before=False, after=False)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__
