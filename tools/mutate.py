"""Try small wrong edits of a chapter's code, and list what its checks do not notice.

    python tools/mutate.py notebooks/05_backpropagation.ipynb
    python tools/mutate.py notebooks/04_autograd.ipynb --cells 20-35 --limit 20

For the second reader, not a gate. The chapter runs once; before each code cell the process is
forked, once for each edit of that cell, and the child runs the edited cell and those after it that
the edit flows into, name by name (at most ``--ahead`` cells). A check is an `assert` or a call of a
function `assert_…`. Two lists come out:

1. checks that failed for none of the edits they could see (those that flow into the check): name a
   wrong program that such a check refuses;
2. edits that nothing noticed: no check failed, nothing was raised. Whether the printed text changed
   is said, for the comparison of stored outputs notices that.

Not every edit makes a program wrong: a larger sample size or another seed may be as good. It needs
`os.fork` (Linux, macOS).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a command finds the package it stands in
from tools import inprocess  # noqa: E402
from tools.edits import Edit, checks_in, edits_of, reach, recording, short  # noqa: E402
from tools.hermetic import HERMETIC  # noqa: E402

LEFT_ALONE = {"remove-cell", "exercise", "exercise-test"}


# --- running --------------------------------------------------------------------------------------


class Chapter:
    """A notebook in this process, whose cells can be tried in forked children."""

    def __init__(self, path: Path, seconds: float | None) -> None:
        self.cells = inprocess.code_cells(path.resolve())
        self.trees: dict[int, ast.Module] = {}
        for cell in self.cells:
            if not LEFT_ALONE & set(cell.tags):
                try:
                    self.trees[cell.position] = ast.parse(cell.source)
                except SyntaxError:  # a magic command
                    continue
        self.session = inprocess.Session(path.resolve().parent)
        self.seconds = seconds
        self.reached: set[str] = set()
        self.failed: set[str] = set()
        self.session.names["__reached__"] = self.reached.add
        self.session.names["__failed__"] = self.failed.add
        self.folder = tempfile.TemporaryDirectory()
        self.texts: dict[str, str] = {}
        self.took: dict[str, float] = {}

    def source(self, cell: inprocess.Cell) -> str:
        """Return a cell's source with its checks recorded."""
        tree = self.trees.get(cell.position)
        return cell.source if tree is None else recording(tree, cell.position)

    def fork(self, sources: dict[int, str]) -> tuple[int, Path]:
        """Run sources, by position, in a child; return its process id and its report's path."""
        handle, name = tempfile.mkstemp(dir=self.folder.name)
        os.close(handle)
        pid = os.fork()
        if pid:
            return pid, Path(name)
        try:
            os.setsid()
            self._child(sources, Path(name))
        finally:
            os._exit(0)

    def _child(self, sources: dict[int, str], report: Path) -> None:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        self.reached.clear()
        self.failed.clear()
        error, texts, took = "", {}, {}
        for position, source in sources.items():
            start = time.perf_counter()
            outcome = self.session.run(source)
            texts[position] = outcome.text
            took[position] = time.perf_counter() - start
            if outcome.error is not None:
                error = f"{type(outcome.error).__name__} in cell {position}: {outcome.error}"
                break
        content = {
            "error": error.split("\n")[0],
            "failed": sorted(self.failed),
            "reached": sorted(self.reached),
            "texts": texts,
            "took": took,
        }
        report.write_text(json.dumps(content), encoding="utf-8")

    def baseline(self) -> list[str]:
        """Run the whole chapter once in a child: texts, seconds, and the checks it reaches."""
        pid, report = self.fork({cell.position: self.source(cell) for cell in self.cells})
        os.waitpid(pid, 0)
        content = json.loads(report.read_text(encoding="utf-8") or "{}")
        problem = content.get("error", "the process died") or ", ".join(content["failed"])
        if problem:
            raise SystemExit(f"the chapter itself does not pass: {problem}")
        self.texts, self.took = content["texts"], content["took"]
        return content["reached"]

    def try_edits(self, index: int, edits: list[Edit], ahead: int, jobs: int) -> None:
        """Try the edits of the next cell to run, at most ``jobs`` at the same time."""
        waiting, running = list(edits), {}
        while waiting or running:
            while waiting and len(running) < jobs:
                edit = waiting.pop(0)
                sources, limit = self._sources(index, edit, ahead)
                pid, report = self.fork(sources)
                running[pid] = (edit, report, time.monotonic() + limit)
            time.sleep(0.005)
            for pid, (edit, report, deadline) in list(running.items()):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self._judge(edit, report)
                elif time.monotonic() > deadline:
                    os.killpg(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    edit.noticed = "time-out"
                    report.unlink()
                else:
                    continue
                del running[pid]

    def _sources(self, index: int, edit: Edit, ahead: int) -> tuple[dict[int, str], float]:
        window = self.cells[index : index + ahead + 1]
        trees = [(c.position, self.trees.get(c.position, ast.Module([], []))) for c in window]
        edit.seen_by, last = reach(edit, trees)
        sources = {cell.position: self.source(cell) for cell in window[: last + 1]}
        sources[edit.position] = recording(edit.tree, edit.position)
        usual = sum(self.took[str(position)] for position in sources)
        return sources, self.seconds if self.seconds is not None else 10 + 5 * usual

    def _judge(self, edit: Edit, report: Path) -> None:
        content = json.loads(report.read_text(encoding="utf-8") or "{}")
        report.unlink()
        edit.seen_by &= set(content.get("reached", ()))
        self.failed.update(content.get("failed", ()))
        if not content:
            edit.noticed = "the process died"
        elif content["failed"]:
            edit.noticed = f"check {content['failed'][0]}"
        else:
            edit.noticed = content["error"]
        loose = {str(c.position) for c in self.cells if "nbval-ignore-output" in c.tags}
        edit.text_changed = any(
            self.texts[position] != text
            for position, text in content.get("texts", {}).items()
            if position not in loose
        )


def parse_cells(text: str) -> set[int]:
    """Return the positions that ``"3,7-9"`` names."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen |= set(range(int(first), int(last or first) + 1))
    return chosen


def report(chapter: Chapter, reached: list[str], edits: list[Edit]) -> str:
    """Return the two lists as text."""
    sources = {
        f"{position}:{check.lineno}:{check.col_offset}": short(check, 90)
        for position, tree in chapter.trees.items()
        for check in checks_in(tree)
    }
    seen = {key: sum(key in edit.seen_by for edit in edits) for key in reached}
    never = [key for key in sources if seen.get(key) and key not in chapter.failed]
    unseen = [key for key in sources if not seen.get(key)]
    unnoticed = [edit for edit in edits if not edit.noticed]
    silent = sum(not edit.text_changed for edit in unnoticed)
    how = Counter(edit.noticed.split()[0] for edit in edits if edit.noticed)
    lines = [
        f"{len(edits)} edits; noticed by a check {how.pop('check', 0)}, by an error "
        f"{sum(how.values())} ({', '.join(f'{kind} {n}' for kind, n in how.most_common())}), "
        f"not noticed {len(unnoticed)} ({silent} of them change no printed text either)",
        f"{len(sources)} checks; {len(never)} failed for none of the edits they could see, "
        f"{len(unseen)} could see none",
        "",
        "Checks that never failed (edits they could see)",
        *(_line(key, f"({seen[key]:3}) {sources[key]}") for key in never),
        "",
        "Edits that nothing noticed (T: the printed text changed)",
        *(_line(f"{e.position}:{e.line}", f"{' T'[e.text_changed]} {e.what}") for e in unnoticed),
    ]
    return "\n".join(lines)


def _line(key: str, text: str) -> str:
    position, line = key.split(":")[:2]
    return f"  cell {position:>3}, line {line:>2}  {text}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--cells", type=parse_cells, help="positions to edit, like 3,7-9")
    parser.add_argument("--limit", type=int, default=12, help="edits a cell, at most")
    parser.add_argument("--ahead", type=int, default=3, help="cells after the edited one to run")
    parser.add_argument("--seconds", type=float, help="limit an edit; default from the usual time")
    parser.add_argument("--jobs", type=int, default=2, help="edits tried at the same time")
    options = parser.parse_args()
    os.environ.update(HERMETIC)
    chapter = Chapter(options.notebook, options.seconds)
    reached = chapter.baseline()
    edits: list[Edit] = []
    with contextlib.suppress(KeyboardInterrupt):  # then the lists hold what was tried so far
        for index, cell in enumerate(chapter.cells):
            tree = chapter.trees.get(cell.position)
            if tree is not None and (options.cells is None or cell.position in options.cells):
                found = edits_of(tree, cell.position, options.limit)
                chapter.try_edits(index, found, options.ahead, options.jobs)
                edits += found
            chapter.session.run(cell.source)
    print(report(chapter, reached, edits))
    return 0


if __name__ == "__main__":
    sys.exit(main())
