"""Execute a notebook on a fresh kernel: for the book, the stored outputs, the records, the tests.

    from tools import notebook
    outcome = notebook.execute(path, timeout=600, env=notebook.environment(COURSE_DATA="standin"))
    outcome.error        # empty, or a report: which cell, its code, the traceback

A failure of any kind is part of the outcome, so that one notebook does not end a run over many.
"""

from __future__ import annotations

import base64
import io
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FULL_TIMEOUT = 7200  # seconds a cell, where chapters train at the sources' own sizes
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """What came of executing one notebook."""

    path: Path
    notebook: nbformat.NotebookNode
    seconds: float
    error: str = ""


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or stop with one line that says which file is broken."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise SystemExit(f"{path.name} is not a notebook; restore it from git: {reason}") from None


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a kernel: that of this process with ``settings`` put over it.

    The kernel finds this checkout's packages and draws into the notebook, whatever this process
    was told about figures.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **settings,
    }


def describe(error: Exception, notebook: nbformat.NotebookNode, log: str) -> str:
    """Return the report of a failure: which cell, its code, the traceback."""
    if isinstance(error, DeadKernelError):
        return f"the kernel died; its last words:\n{log[-3000:]}"
    failed = [
        (index, cell)
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
        and any(output.output_type == "error" for output in cell.get("outputs", []))
        and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    where = f"cell {failed[-1][0]}\n" if failed else ""
    return where + ANSI.sub("", str(error))


def shrink(png: str) -> str:
    """Reduce a base64 PNG to 128 colours: drawings look the same at a third of the size."""
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    dpi = picture.info.get("dpi", (100, 100))
    # Only a figure of double density must say so; the others stay as they were stored.
    kept = {"dpi": dpi} if dpi[0] > 150 else {}
    small = io.BytesIO()
    reduced = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(small, "PNG", optimize=True, **kept)
    return base64.b64encode(small.getvalue()).decode()


def execute(
    path: Path,
    *,
    timeout: int,
    env: Mapping[str, str],
    notebook: nbformat.NotebookNode | None = None,
    double: bool = False,
) -> Outcome:
    """Execute one notebook in its own folder.

    Args:
        path: its file, which stays as it is.
        timeout: seconds a cell; ``metadata.execution.timeout`` of the notebook goes before it.
        env: the environment of the kernel, from :func:`environment`.
        notebook: cells to execute in place of the file's.
        double: whether figures get twice the pixels each way, for screens that have them.
    """
    notebook = read(path) if notebook is None else notebook
    client = NotebookClient(
        notebook,
        timeout=notebook.metadata.get("execution", {}).get("timeout", timeout),
        record_timing=False,  # times in the metadata would change the key in the cache
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--InlineBackend.figure_formats=retina"] if double else [],
    )
    error = ""
    start = time.perf_counter()
    # A kernel's own messages go to a file: they are of interest only if it dies.
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            client.execute(env=dict(env), stderr=log)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as problem:
            log.seek(0)
            error = describe(problem, notebook, log.read())
    return Outcome(path, notebook, time.perf_counter() - start, error)
