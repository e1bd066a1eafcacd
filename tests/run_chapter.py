"""Run one chapter on the pretend accelerator, in this process, and write a report.

    python tests/run_chapter.py notebooks/05_backpropagation.ipynb report.json [--device cpu]

The report: ``errors`` (cell, code, error, traceback) and ``warnings`` (cell, category, message,
where), the deprecations that were warned of. It ends at the first cell that raises.
tests/test_chapters.py calls it, once a chapter, and judges the report.
"""

import argparse
import json
import os
import re
import sys
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # beside this folder, where the pretend accelerator is
from tools import inprocess  # noqa: E402
from tools.hermetic import HERMETIC  # noqa: E402

os.environ.update(HERMETIC)


class Deprecations:
    """Collects what warns of a deprecation, whatever module it comes from.

    PyTorch says some of it as a plain UserWarning.
    """

    def __init__(self):
        self.found = []
        self.cell = None

    def listen(self, cell):
        """Hear everything from here on, also where an import has changed the filters."""
        self.cell = cell
        warnings.simplefilter("always")
        warnings.showwarning = self._heard

    def _heard(self, message, category, filename, lineno, file=None, line=None):
        if issubclass(category, (DeprecationWarning, FutureWarning)) or re.search(
            "deprecat", str(message), flags=re.I
        ):
            where = re.sub(r".*/(site-packages|lib/python3\.\d+)/", "", filename)
            entry = {
                "cell": self.cell,
                "category": category.__name__,
                "message": str(message),
                "where": f"{where}:{lineno}",
            }
            if entry not in self.found:
                self.found.append(entry)


def on_pretend_accelerator():
    """Let `env.pick_device` give the pretend accelerator, in the quick profile too.

    `helpers.timing` has a clock for CPU, CUDA and MPS. Here its clock for the CPU is right.
    """
    import pretend_accelerator
    import torch

    from helpers import env
    from helpers.timing import _measure

    device = pretend_accelerator.install()
    env.pick_device = lambda prefer="auto": device
    check = _measure.check_device

    def check_device(asked):
        return torch.device("cpu") if pretend_accelerator.is_sim(asked) else check(asked)

    for name, module in list(sys.modules.items()):
        if name.startswith("helpers.timing") and hasattr(module, "check_device"):
            module.check_device = check_device


def run(path, device):
    """Return the report on one chapter."""
    heard = Deprecations()
    heard.listen(None)
    if device == "sim":
        on_pretend_accelerator()
    session = inprocess.Session(path.parent)
    errors = []
    for cell in inprocess.code_cells(path):
        heard.listen(cell.position)
        error = session.run(cell.source).error
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            errors.append(
                {"cell": cell.position, "code": cell.source, "error": repr(error), "trace": trace}
            )
            if not os.environ.get("GOON"):
                break
    return {"errors": errors, "warnings": heard.found}


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--device", choices=("sim", "cpu"), default="sim")
    options = parser.parse_args()
    report = options.report.resolve()
    content = run(options.notebook.resolve(), options.device)
    report.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
