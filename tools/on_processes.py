"""Run a notebook on several processes: every ``train.fit`` in it trains with all of them.

    torchrun --nproc-per-node=2 tools/on_processes.py notebooks/18_time_series.ipynb
    python tools/on_processes.py notebooks/18_time_series.ipynb --report one.json

The notebook is not changed. Each process runs all cells, without a kernel; what is not ``fit``
they all do alike. Only the first process prints. ``--until`` stops after the cell at that position,
``--report`` writes the histories of all calls of ``fit``, so that one process and two can be
compared. The profile and the data are those of the environment (COURSE_PROFILE, COURSE_DATA).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import train
from tools import inprocess


def recording(fit: Any, histories: list[Any]) -> Any:
    """Return ``fit`` with a note of each history that it returns."""

    @functools.wraps(fit)
    def noted(*arguments: Any, **options: Any) -> Any:
        history = fit(*arguments, **options)
        histories.append([dict(epoch) for epoch in history])
        return history

    return noted


def run(path: Path, until: int | None, quiet: bool) -> list[Any]:
    """Run the cells; return the histories of its calls of ``fit``.

    Raises:
        SystemExit: at the first cell that fails, with its position.
    """
    histories: list[Any] = []
    train.fit = recording(train.fit, histories)
    session = inprocess.Session(path.parent)
    for cell in inprocess.code_cells(path):
        if until is not None and cell.position > until:
            break
        if "remove-cell" in cell.tags:  # installs the package on Colab
            continue
        outcome = session.run(cell.source)
        if not quiet and outcome.text:
            print(outcome.text, end="", flush=True)
        if outcome.error is not None:
            trace = "".join(traceback.format_exception(outcome.error))
            raise SystemExit(f"cell {cell.position} of {path.name} failed:\n{trace}")
    return histories


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--until", type=int, help="position of the last cell to run")
    parser.add_argument("--report", type=Path, help="a file for the histories")
    options = parser.parse_args(arguments)
    report = options.report.resolve() if options.report else None
    first = os.environ.get("RANK", "0") == "0"
    start = time.perf_counter()
    histories = run(options.notebook.resolve(), options.until, quiet=not first)
    if first:
        world = os.environ.get("WORLD_SIZE", "1")
        print(
            f"{options.notebook.stem}: {len(histories)} calls of fit on {world} "
            f"process{'' if world == '1' else 'es'}, {time.perf_counter() - start:.0f} s"
        )
        if report:
            report.write_text(json.dumps(histories), encoding="utf-8")


if __name__ == "__main__":
    main()
