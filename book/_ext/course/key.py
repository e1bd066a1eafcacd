"""The key of the cache of executed notebooks: all that decides their outputs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import data_scripts

# Variables that change how a build runs but not what it computes.
NOT_IN_KEY = {"COURSE_JOBS", "COURSE_PROGRESS", "COURSE_SITE", "COURSE_STORED"}


def _digest_files(digest: Any, root: Path, paths: Iterable[Path]) -> None:
    for path in sorted(paths):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())


def _installed(root: Path) -> list[str]:
    """Return name==version of everything a notebook's result may depend on."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {Requirement(text).name for text in project["dependencies"]} | {"ipykernel"}
    for extra in project.get("optional-dependencies", {}).values():
        names |= {Requirement(text).name for text in extra if "torch" in text}
    found = []
    for name in sorted(names):
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
    return found


def has_driver() -> bool:
    """Tell whether there is an NVIDIA driver, without importing torch."""
    return Path("/proc/driver/nvidia/version").exists()


def real_data(environ: Mapping[str, str] = os.environ) -> set[str]:
    """Return the data sets that mode auto would find in the cache or in the mirror now.

    In the other modes nothing depends on it: official data is there or an error, and a stand-in
    is always a stand-in.
    """
    if (environ.get("COURSE_DATA") or "auto") != "auto":
        return set()
    return {name for name, tier in data_scripts.tiers().items() if tier in ("cached", "mirror")}


def execution_key(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return a hash of all that decides a notebook's outputs, apart from its own cells.

    That is ``helpers/`` with the recorded results (which notebooks print), ``data_scripts/``, the
    lock file, the ledger, Python, the packages of pyproject.toml, the COURSE_* variables, which
    data sets are there, and whether there is an NVIDIA driver.
    """
    digest = hashlib.sha256()
    for folder in ("helpers", "data_scripts"):
        found = (root / folder).rglob("*")
        # An official run writes results itself: counting them would make its own cache stale.
        if environ.get("COURSE_DATA") == "official":
            found = (path for path in found if path.parent.name != "recorded")
        _digest_files(digest, root, found)
    _digest_files(digest, root, [root / "requirements.lock", root / "book" / "ledger.tsv"])
    settings = [
        f"{name}={value}"
        for name, value in sorted(environ.items())
        if name == "CUDA_VISIBLE_DEVICES" or (name.startswith("COURSE_") and name not in NOT_IN_KEY)
    ]
    machine = [
        platform.python_version(),
        platform.machine(),
        f"nvidia driver: {has_driver()}",
        *(f"{name} is real" for name in sorted(real_data(environ))),
    ]
    digest.update("\n".join([*settings, *machine, *_installed(root)]).encode())
    return digest.hexdigest()[:16]


def cache_path(root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of executed notebooks that fits the present key."""
    return root / "_build" / ".jupyter_cache" / execution_key(root, environ)
