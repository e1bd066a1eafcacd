"""Which recorded results were measured by another version of the code than today's?

    python tools/records.py            # a line a chapter
    python tools/records.py --mend     # empty each commit that does not contain its notebook

A record names a hash of its notebook's code cells. Where today's hash is another one, the chapter
should be recorded again. A commit goes missing from the history when a branch is squashed or
rebased: --mend then takes its name out of the records, which never point to what is not there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers import files, records  # noqa: E402 - the line above lets a bare checkout find them

STATES = ("today's code", "other code", "unknown code")


def state(entry: records.Record, today: str) -> str:
    """Return by which version of its notebook's code a record was measured."""
    if not entry.get("code"):
        return STATES[2]
    return STATES[0] if entry["code"] == today else STATES[1]


def listing(root: Path, folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Yield each chapter's name and how many of its records are in which state."""
    for path in sorted(folder.glob("[0-9]*.json")):
        notebook = root / "notebooks" / path.with_suffix(".ipynb").name
        today = ""
        if notebook.is_file():
            today = records.code_hash(json.loads(notebook.read_text(encoding="utf-8")))
        yield path.stem, Counter(state(entry, today) for entry in records.read(path))


def mend(root: Path, folder: Path) -> int:
    """Empty each commit that does not contain its notebook; return how many there were.

    Raises:
        SystemExit: in a shallow clone, where every old commit is missing.
    """
    if records.is_shallow(root):
        raise SystemExit("the history is missing; get it with `git fetch --unshallow`")
    emptied = 0
    for path in sorted(folder.glob("[0-9]*.json")):
        entries = records.read(path)
        wrong = [
            entry
            for entry in entries
            if entry["commit"] and not records.contains(root, entry["commit"], path.stem)
        ]
        for entry in wrong:
            entry["commit"] = ""
        if wrong:
            files.write_json(path, {"records": entries})
        emptied += len(wrong)
    return emptied


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mend", action="store_true", help="take missing commits out")
    options = parser.parse_args()
    folder = ROOT / "helpers" / "recorded"
    if options.mend:
        print(f"{mend(ROOT, folder)} records named a commit that does not contain their notebook")
    print(f"{'records measured by':<28}" + "".join(f"{name:>14}" for name in STATES))
    again = []
    for name, count in listing(ROOT, folder):
        print(f"{name:<28}" + "".join(f"{count[name]:>14}" for name in STATES))
        if count.total() > count[STATES[0]]:
            again.append(name)
    if again:
        print(f"record again with tools/outputs.py --record: {', '.join(again)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
