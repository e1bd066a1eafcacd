"""Run the code cells of a notebook in this process, by IPython, without a kernel.

A child process that does so starts faster than a kernel, can be forked between two cells, and sees
every warning. Not for stored outputs: those come from a kernel (tools/outputs.py).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A code cell: its position among all cells of the notebook, its source and its tags."""

    position: int
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What running a cell gave: the error or None, and the text that it printed or displayed."""

    error: BaseException | None
    text: str


def code_cells(path: Path) -> list[Cell]:
    """Return the code cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        Cell(position, "".join(cell["source"]), tuple(cell["metadata"].get("tags", ())))
        for position, cell in enumerate(cells)
        if cell["cell_type"] == "code"
    ]


class Session:
    """An IPython shell that runs cells one after another in the folder of the notebooks.

    There is one a process. Its figures are drawn, not shown, and closed after each cell.
    """

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("MPLBACKEND", "agg")
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self._home = tempfile.TemporaryDirectory()  # else IPython makes ~/.ipython
        self.shell = InteractiveShell.instance(
            config=Config({"HistoryManager": {"enabled": False}}), ipython_dir=self._home.name
        )
        formatter = self.shell.display_formatter
        formatter.active_types = formatter.format_types  # pictures and HTML are made, too
        os.chdir(folder)

    @property
    def names(self) -> dict[str, Any]:
        """The variables of the notebook."""
        return self.shell.user_ns

    def run(self, source: str) -> Outcome:
        """Run the source of one cell."""
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            result = self.shell.run_cell(source, store_history=True)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, KeyboardInterrupt):
            raise error
        return Outcome(error, captured.stdout)
