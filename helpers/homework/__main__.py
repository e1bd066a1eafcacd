"""Hand out, merge and grade the homework.

python -m helpers.homework handout notebooks/11_homework.ipynb handed_out.ipynb
python -m helpers.homework merge notebooks/11_homework.ipynb submitted.ipynb merged.ipynb
python -m helpers.homework grade submitted.ipynb another.ipynb --seeds 17 42 --json grades.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import files
from helpers.homework import grading, notebooks


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.homework",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    out = commands.add_parser("handout", help="write a copy without solutions and outputs")
    out.add_argument("original", type=Path)
    merge = commands.add_parser("merge", help="write your original with a student's answers")
    merge.add_argument("original", type=Path)
    merge.add_argument("submitted", type=Path)
    for command in (out, merge):
        command.add_argument("target", type=Path, help="a new file")
        command.add_argument("--force", action="store_true", help="overwrite the target")
    grade = commands.add_parser("grade", help="print points and reasons for each submission")
    grade.add_argument("submitted", type=Path, nargs="+")
    grade.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="better secret ones")
    grade.add_argument("--limit", type=float, default=60.0, help="seconds for each part")
    grade.add_argument("--json", type=Path, help="write all results to this file as well")
    return parser


def _write(notebook: notebooks.Notebook, options: argparse.Namespace) -> None:
    sources = [options.original, getattr(options, "submitted", options.original)]
    if options.target.exists() and any(options.target.samefile(path) for path in sources):
        raise notebooks.NotebookError(f"{options.target} is what is read: choose another target")
    notebooks.write(notebook, options.target, force=options.force)
    print(f"written: {options.target}")


def _grade(options: argparse.Namespace) -> int:
    results, unreadable = {}, 0
    for path in options.submitted:
        try:
            notebook = notebooks.read(path)
        except notebooks.NotebookError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        result = grading.grade(notebook, seeds=options.seeds, limit=options.limit)
        results[str(path)] = result
        print(f"== {path}\n{grading.describe(result)}")
    if options.json:
        files.write_json(options.json, results)
    return 1 if unreadable else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "grade":
            return _grade(options)
        original = notebooks.read(options.original)
        if options.command == "handout":
            _write(notebooks.handout(original), options)
        else:
            _write(notebooks.merge(original, notebooks.read(options.submitted)), options)
    except (notebooks.NotebookError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
