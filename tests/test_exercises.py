"""Every solution passes its own test; an empty answer does not."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
CODE = re.compile(r"```python\n(.*?)```", flags=re.S)


def with_solutions(path):
    """Return the notebook with each exercise cell replaced by the solution above it."""
    notebook = nbformat.read(path, as_version=4)
    replaced, solution = 0, None
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            blocks = CODE.findall(cell.source)
            solution = blocks[-1] if blocks else solution
        elif "exercise" in tags:
            assert solution is not None, "an exercise without a solution above it"
            cell.source, solution = solution, None
            replaced += 1
    return notebook, replaced


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_solutions_pass(path):
    notebook, replaced = with_solutions(path)
    assert replaced >= 2
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}})
    client.extra_arguments = ["--IPKernelApp.log_level=40"]
    os.environ["MPLBACKEND"] = "agg"  # the figures are not looked at here
    client.execute()
    checks = [c for c in notebook.cells if "exercise-test" in c.metadata.get("tags", [])]
    assert len(checks) == replaced
    for number, cell in enumerate(checks, start=1):
        text = "".join(o.get("text", "") for o in cell.outputs)
        assert re.search(r"Exercise \d+: passed", text), f"exercise {number}: {text!r}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_an_untouched_exercise_does_not_pass(path):
    checks = [
        "".join("".join(o.get("text", "")) for o in cell["outputs"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "exercise-test" in cell["metadata"].get("tags", [])
    ]
    assert checks
    assert all("not tried yet" in text for text in checks)
