"""Recorded results as files and as text: one reader, one formatter, for chapters and pages.

A record is a dictionary that :func:`helpers.results.record` wrote. It names the code that
measured: ``code``, a hash of the notebook's code cells, and ``commit``, if one contains this code
and the package as they were. Standard library only, so that a page can be made without torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEY = ("item", "what", "tier", "dataset", "profile", "hardware")
# What a measurement may depend on beside its notebook. The recorded files are written meanwhile.
MEASURING = ("helpers", "data_scripts", "tools", ":(exclude)helpers/recorded")
MOST_NAMES = 5
WHOLE = 1e12  # a whole number from here on is written with an exponent

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """Read one file of records.

    Raises:
        ValueError: if it is no such file, with its name and the remedy.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["records"]
        if not isinstance(found, list) or not all("item" in entry for entry in found):
            raise TypeError("no list of records")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name} is not a file of recorded results: {error!r}; restore it from git"
        ) from None
    return found


def read_all(folder: Path) -> list[Record]:
    """Read the records of all chapters, in the order of the chapters."""
    return [entry for path in sorted(folder.glob("[0-9]*.json")) for entry in read(path)]


def machine(hardware: str) -> str:
    """Return the machine of a record without the number of threads, which is a setting.

    Example:
        >>> machine("AMD EPYC (2 logical cores, 1 thread)")
        'AMD EPYC (2 logical cores)'
    """
    return re.sub(r",? \d+ threads?\b", "", hardware)


def merged(old: Sequence[Record], entry: Record, started: str) -> list[Record]:
    """Return the records of a notebook with a new one among them.

    A run measures its whole notebook. So what an earlier run left for the same profile and
    machine goes: it would stand beside the new value under a text that no cell has any more.

    Args:
        old: the records so far.
        entry: the new record.
        started: when its run began, as ISO 8601 in UTC; earlier dates are earlier runs.
    """

    def stays(other: Record) -> bool:
        same_place = other["profile"] == entry["profile"] and (
            machine(other["hardware"]) == machine(entry["hardware"])
        )
        stale = same_place and other["date"] < started
        return not stale and any(other[name] != entry[name] for name in KEY)

    return sorted([*filter(stays, old), entry], key=lambda e: tuple(str(e[k]) for k in KEY))


# ---------------------------------------------------------------- the code that measured


def code_hash(notebook: Mapping[str, Any]) -> str:
    """Return 12 hex digits for a notebook's code cells: their source only.

    Outputs, text and metadata do not count, nor does the first cell if it is hidden from the
    page: it installs the package on Colab and measures nothing.

    Example:
        >>> cell = {"cell_type": "code", "source": ["1 + ", "1"], "metadata": {}}
        >>> same = {"cell_type": "code", "source": "1 + 1", "metadata": {"tags": ["x"]}}
        >>> code_hash({"cells": [cell]}) == code_hash({"cells": [same]})
        True
    """
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if cells and "remove-cell" in cells[0]["metadata"].get("tags", []):
        del cells[0]
    digest = hashlib.sha256()
    for cell in cells:
        digest.update("".join(cell["source"]).encode() + b"\0")
    return digest.hexdigest()[:12]


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git says, or None without git, without a repository or after an error."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", check=True
        )
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return None
    return done.stdout


def contains(root: Path, commit: str, name: str) -> bool:
    """Tell whether a commit contains a chapter's notebook and belongs to the present history."""
    return (
        _git(root, "cat-file", "-e", f"{commit}:./notebooks/{name}.ipynb") is not None
        and _git(root, "merge-base", "--is-ancestor", commit, "HEAD") is not None
    )


def is_shallow(root: Path) -> bool:
    """Tell whether the history is missing, so that nothing can be said about old commits."""
    return (_git(root, "rev-parse", "--is-shallow-repository") or "true").strip() == "true"


def provenance(root: Path, name: str) -> dict[str, Any]:
    """Return the code that measures now: ``code``, ``commit`` and ``dirty``.

    ``commit`` is empty unless it contains the notebook's code cells, ``helpers/``,
    ``data_scripts/`` and ``tools/`` as they are in the folder; then ``dirty`` names files that
    differ. The notebook counts as it was last saved.

    Args:
        root: the checkout.
        name: the notebook's name without ``.ipynb``.
    """
    found: dict[str, Any] = {"code": "", "commit": "", "dirty": []}
    path = root / "notebooks" / f"{name}.ipynb"
    if path.is_file():
        found["code"] = code_hash(json.loads(path.read_text(encoding="utf-8")))
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *MEASURING)
    if head is None or changed is None:
        return found
    committed = _git(root, "show", f"HEAD:./notebooks/{name}.ipynb")
    names = [line[3:] for line in changed.splitlines()]
    if not found["code"] or committed is None or code_hash(json.loads(committed)) != found["code"]:
        names.append(f"notebooks/{name}.ipynb")
    if names:
        more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        return found | {"dirty": names[:MOST_NAMES] + more}
    return found | {"commit": head.strip()}


# ---------------------------------------------------------------- text


def number(value: float, digits: int = 4) -> str:
    """Format a number: a whole one in full, others with some significant digits.

    Args:
        value: the number; what is at least 1e-4 and less than 1e6 gets no exponent.
        digits: how many significant digits stay.

    Example:
        >>> [number(x) for x in (30000, 23063.0, 0.80744, 0.00012, 1234.56, -98765.4)]
        ['30,000', '23,063', '0.8074', '0.00012', '1,235', '-98,770']
        >>> number(1.2345e-7), number(2.5e9 + 0.5), number(float("nan"))
        ('1.235e-07', '2.5e+09', 'nan')
    """
    size = abs(value)
    if size < WHOLE and value == int(value):
        return f"{int(value):,}"
    if not 1e-4 <= size < 1e6:
        return f"{value:.{digits}g}"
    decimals = digits - 1 - math.floor(math.log10(size))
    text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(text: str, unit: str) -> str:
    """Add a unit, if there is one, to a number."""
    return f"{text} {unit}".strip()


def ours(entry: Record) -> str:
    """Return the measured value, and the lowest and highest over several seeds, as text."""
    if entry["value"] is None:
        return "–"
    text = number(entry["value"])
    if entry["seeds"] > 1:
        text += f" ({number(entry['low'])} to {number(entry['high'])})"
    return with_unit(text, entry["unit"])


def source(entry: Record) -> str:
    """Return the number that the source reports as text, with the band of a reproduction.

    Example:
        >>> source({"source": 0.962, "unit": "s", "band": 0.01})
        '0.962 s ± 0.01'
        >>> source({"source": 23063, "unit": "", "band": 0})
        '23,063 ± 0'
        >>> source({"source": None, "unit": "s", "band": None})
        '–'
    """
    if entry["source"] is None:
        return "–"
    text = with_unit(number(entry["source"], 5), entry["unit"])
    return text if entry["band"] is None else f"{text} ± {number(entry['band'])}"


def data(entry: Record) -> str:
    """Return the data set and its tier as text."""
    return f"{entry['dataset']} ({entry['tier']})" if entry["dataset"] else "–"


def when(entry: Record) -> str:
    """Return the day of a record and the code that measured, as far as they are known.

    Example:
        >>> when({"date": "2026-11-25T10:00:00", "code": "0123456789ab", "commit": ""})
        '2026-11-25, code 0123456789ab without a commit'
    """
    day = entry["date"][:10]
    if entry["commit"]:
        return f"{day}, commit {entry['commit']}"
    if entry.get("code"):
        return f"{day}, code {entry['code']} without a commit"
    return f"{day}, by an earlier version of the code"
