"""Hand the homework's notebook out, and take the answers out of those that come back.

A notebook is the content of an .ipynb file as plain JSON values. The cells for answers carry the
name of their part in their metadata, ``"homework": "TanhBlock"``, the cell for the report
``"homework": "report"``; editors keep such entries.
"""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import files
from helpers.homework.parts import PARTS

Notebook = dict[str, Any]
REPORT = "report"
HIDDEN = re.compile(
    r"\n*<details>\s*<summary>\s*(?:Solution|Answer)\b[^<]*</summary>.*?</details>", flags=re.S
)


class NotebookError(ValueError):
    """A file that cannot be handed out, merged or graded; the message says why."""


def read(path: Path | str) -> Notebook:
    """Read a notebook.

    Raises:
        NotebookError: if there is no such file, or it is not a notebook of format 4.
    """
    path = Path(path)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise NotebookError(f"{path}: not a notebook, its content is not JSON") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise NotebookError(f"{path}: not a notebook of format 4, it has no list of cells")
    if not all(
        isinstance(c, dict) and {"cell_type", "source"} <= set(c) for c in notebook["cells"]
    ):
        raise NotebookError(f"{path}: damaged, a cell has no type or no source")
    return notebook


def write(notebook: Notebook, path: Path | str, *, force: bool = False) -> None:
    """Write a notebook to a new file, whole or not at all.

    Raises:
        NotebookError: if the file exists, unless ``force`` is set, or the folder does not.
    """
    path = Path(path)
    if path.exists() and not force:
        raise NotebookError(f"{path} exists: choose another name, or overwrite it with --force")
    try:
        files.write_json(path, notebook)
    except OSError as error:
        raise NotebookError(f"{path}: cannot be written ({error.strerror})") from error


def source(cell: dict[str, Any]) -> str:
    """Return the text of a cell, which a file holds as one string or as lines."""
    return "".join(cell["source"])


def _place(cell: dict[str, Any]) -> str | None:
    """Return the part that a cell belongs to, or None."""
    name = cell.get("metadata", {}).get("homework")
    kind = "markdown" if name == REPORT else "code"
    return name if name in (REPORT, *PARTS) and cell["cell_type"] == kind else None


def answers(notebook: Notebook) -> dict[str, str]:
    """Return the source of the answer to each part, and of the report.

    A cell that was split or copied counts whole: its pieces are joined in their order.

    Returns:
        Sources by name; a part whose cell was deleted is missing.

    Example:
        >>> cell = {"cell_type": "code", "metadata": {"homework": "Tanh"}, "source": "Tanh = 1"}
        >>> answers({"cells": [cell]})
        {'Tanh': 'Tanh = 1'}
    """
    found: dict[str, list[str]] = {}
    for cell in notebook["cells"]:
        if (name := _place(cell)) is not None:
            found.setdefault(name, []).append(source(cell))
    return {name: "\n\n".join(pieces) for name, pieces in found.items()}


def blank(sources: Mapping[str, str] | None = None) -> Notebook:
    """Return a notebook with nothing but the cells for answers, empty or filled.

    Args:
        sources: of answers and the report, by name.

    Example:
        >>> len(blank()["cells"]), answers(blank({"Tanh": "Tanh = 1"}))["Tanh"]
        (6, 'Tanh = 1')
    """
    given = {name: f"{name} = None" for name in PARTS} | {REPORT: ""} | dict(sources or {})
    cells = [
        {"cell_type": "code", "metadata": {"homework": name}, "source": text, "outputs": []}
        for name, text in given.items()
    ]
    cells[list(given).index(REPORT)]["cell_type"] = "markdown"
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def is_empty(text: str) -> bool:
    """Tell whether an answer cell is as it was handed out: nothing, or ``Name = None``.

    Example:
        >>> is_empty("Tanh = None  # write your class here instead")
        True
    """
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    return all(
        isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant) and s.value.value is None
        for s in statements
    )


def handout(notebook: Notebook) -> Notebook:
    """Return a copy for the students: without solutions, answers to questions, and outputs.

    Folds of Markdown cells whose titles begin with "Solution" or "Answer" go, cells that held
    nothing else, and cells whose tags hold ``solution``. Code cells keep their source, whatever
    stands in it.

    Raises:
        NotebookError: if a part has no cell, or a cell of code is broken.

    Example:
        >>> text = "Task.\\n\\n<details><summary>Solution</summary>x = 1</details>"
        >>> answers(handout(blank({"report": text})))["report"]
        'Task.'
    """
    handed = copy.deepcopy(notebook)
    handed["cells"] = [
        c for c in handed["cells"] if "solution" not in c.get("metadata", {}).get("tags", [])
    ]
    for cell in handed["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = HIDDEN.sub("", source(cell))
        elif cell["cell_type"] == "code":
            cell["source"], cell["outputs"], cell["execution_count"] = source(cell), [], None
    handed["cells"] = [
        c
        for c in handed["cells"]
        if c["cell_type"] != "markdown" or c["source"].strip() or _place(c) is not None
    ]
    found = answers(handed)
    if missing := [name for name in (*PARTS, REPORT) if name not in found]:
        raise NotebookError(
            f"no cell for {', '.join(missing)}: the homework's notebook marks them in the "
            'metadata, e.g. "homework": "Tanh"'
        )
    if given := [name for name in PARTS if not is_empty(found[name])]:
        raise NotebookError(f"the cell of {', '.join(given)} holds an answer already")
    return handed


def merge(original: Notebook, submitted: Notebook) -> Notebook:
    """Return your original with the answers and the report of a student, and nothing else.

    Raises:
        NotebookError: if the original lacks a cell for an answer that was handed in.
    """
    merged, given = copy.deepcopy(original), answers(submitted)
    places = [(cell, name) for cell in merged["cells"] if (name := _place(cell)) is not None]
    if missing := sorted(set(given) - {name for _, name in places}):
        raise NotebookError(f"the original has no cell for {', '.join(missing)}")
    for cell, name in places:
        cell["source"] = given.pop(name, source(cell))
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return merged
