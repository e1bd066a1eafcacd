"""Every chapter runs on the pretend accelerator and is warned of no deprecation.

`make accelerator` runs this. A chapter is a process of its own (tests/run_chapter.py), in the
quick profile. What it may be warned of stands in tests/warnings_allowed.toml. The name keeps this
file out of `make test`: together the chapters compute for some minutes.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALLOWED = tomllib.loads((ROOT / "tests" / "warnings_allowed.toml").read_text(encoding="utf-8"))[
    "allowed"
]


def ran(notebook, folder):
    """Run one chapter and return its report."""
    report = folder / "report.json"
    done = subprocess.run(
        [sys.executable, "tests/run_chapter.py", str(notebook), str(report)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    assert report.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(report.read_text(encoding="utf-8"))


def unknown(warnings, chapter):
    """Return the warnings that no entry of the list allows to a chapter."""
    allowed = [entry["message"] for entry in ALLOWED if entry["chapter"] in (chapter, "any")]
    return [w for w in warnings if not any(re.search(a, w["message"]) for a in allowed)]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter(notebook, tmp_path):
    report = ran(notebook, tmp_path)
    errors = [f"cell {e['cell']}: {e['error']}\n{e['trace'][-2000:]}" for e in report["errors"]]
    assert not errors, "the chapter fails on the accelerator:\n" + "\n".join(errors)
    found = unknown(report["warnings"], notebook.stem)
    lines = [
        f"cell {w['cell']}: {w['category']}: {w['message'][:300]} ({w['where']})" for w in found
    ]
    assert not found, "deprecations that tests/warnings_allowed.toml lacks:\n" + "\n".join(lines)
