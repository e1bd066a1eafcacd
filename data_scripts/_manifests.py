"""Lists of files that lie beside the data sets."""

from __future__ import annotations

import csv
import io
from importlib import resources

from ._core import DataError


def manifest(name: str) -> list[tuple[str, int, str]]:
    """Read a list of files that lies beside the data sets.

    Args:
        name: file name, e.g. `"esc10.tsv"`: name, size in bytes and SHA-256 of each file.

    Returns:
        One tuple (name, size, SHA-256) a file, in the order of the list.

    Raises:
        DataError: the list is not there, because the package was installed incompletely.
    """
    path = resources.files("data_scripts.sets") / name
    if not path.is_file():
        raise DataError(name, "the list of files is missing", "Install the course's package again.")
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t")
    return [(row["name"], int(row["bytes"]), row["sha256"]) for row in rows]
