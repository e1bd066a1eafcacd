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
import copy
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a command finds the package it stands in
from tools import inprocess  # noqa: E402
from tools.hermetic import HERMETIC  # noqa: E402

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
RENAMED = {"mean": "sum", "max": "min", "argmax": "argmin", "zeros": "ones", "sin": "cos"}
RENAMED |= {new: old for old, new in RENAMED.items()}
# Methods that may be forgotten; called on a name they could also be functions of a module.
DROPPED = {"abs", "clone", "detach", "exp", "item", "log", "mean", "sqrt", "sum"}
# What draws or prints decides nothing: its numbers are sizes and places.
SHOWN = {"print", "display", "plt", "plots", "ax", "axes", "axis", "fig", "figure", "results"}
LEFT_ALONE = {"remove-cell", "exercise", "exercise-test"}


# --- checks ---------------------------------------------------------------------------------------


def is_check(node: ast.AST) -> bool:
    """Tell whether a statement is an assert, or a call of a function named assert_…."""
    if isinstance(node, ast.Assert):
        return True
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    func = node.value.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return name.startswith("assert_")


class _Recorder(ast.NodeTransformer):
    """Lets a check that fails be recorded, and the cell go on: so each is judged by itself."""

    def __init__(self, position: int) -> None:
        self.position = position

    def visit(self, node: ast.AST) -> Any:
        if not is_check(node):
            return self.generic_visit(node)
        key = f"{self.position}:{node.lineno}:{node.col_offset}"
        wrapped = ast.parse(
            f"try:\n    __reached__({key!r})\nexcept AssertionError:\n    __failed__({key!r})"
        ).body[0]
        wrapped.body.append(node)
        return wrapped


def recording(tree: ast.Module, position: int) -> str:
    """Return the source of a cell that reports which of its checks were reached and failed."""
    return ast.unparse(ast.fix_missing_locations(_Recorder(position).visit(copy.deepcopy(tree))))


# --- edits ----------------------------------------------------------------------------------------


@dataclass
class Edit:
    """One wrong edit of a cell: where, what, the tree after it, and what came of it."""

    position: int
    line: int
    what: str
    tree: ast.Module
    statement: int  # index of the edited top-level statement
    noticed: str = ""
    text_changed: bool = False
    seen_by: set[str] = field(default_factory=set)


def _base(call: ast.Call) -> str:
    """Return the name that a chain of calls and attributes begins with."""
    node: ast.AST = call
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def shown_names(tree: ast.Module) -> set[str]:
    """Return the names that print or draw, those bound to new axes and figures included."""
    shown = set(SHOWN)
    for node in ast.walk(tree):
        made = node.value if isinstance(node, ast.Assign) else None
        if isinstance(made, ast.Call) and _base(made) in {"plt", "figure", "fig"}:
            shown |= set().union(*(_names(target) for target in node.targets))
    return shown


def _is_shown(node: ast.AST, shown: set[str]) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and _base(call) in shown


def _places(node: ast.AST, shown: set[str]) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield (parent, field, index, node) for all that may be edited."""
    for name, value in ast.iter_fields(node):
        many = isinstance(value, list)
        for index, child in enumerate(value if many else [value]):
            if not isinstance(child, ast.AST) or is_check(child) or _is_shown(child, shown):
                continue
            if isinstance(child, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
                continue
            yield node, name, index if many else None, child
            yield from _places(child, shown)


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand wrongly in the place of a node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in SWAPPED:
        yield _with(node, op=SWAPPED[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield _with(node, ops=[SWAPPED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        yield ast.Constant(_another(node.value))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()
    if isinstance(node, ast.Call):
        func = node.func
        if len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
            yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
        if isinstance(func, ast.Attribute):
            droppable = not isinstance(func.value, ast.Name) or func.attr in DROPPED
            if droppable and not (node.args or node.keywords):
                yield func.value
            if func.attr in RENAMED:
                yield _with(node, func=_with(func, attr=RENAMED[func.attr]))


def _with(node: ast.AST, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _another(value: bool | int | float) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value * 2 if value else 1.0


def _short(node: ast.AST, width: int = 60) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def edits_of(tree: ast.Module, position: int, limit: int) -> list[Edit]:
    """Return at most ``limit`` edits of a cell, the same ones in each run."""
    edits = []
    shown = shown_names(tree)
    for statement, top in enumerate(tree.body):
        holder = ast.Module([top], [])
        for parent, name, index, node in _places(holder, shown):
            for variant in _variants(node):
                ast.copy_location(variant, node)
                value = getattr(parent, name)
                if index is None:
                    setattr(parent, name, variant)
                else:
                    value[index] = variant
                changed = copy.deepcopy(holder.body[0])
                if index is None:
                    setattr(parent, name, value)
                else:
                    value[index] = node
                body = [*tree.body[:statement], changed, *tree.body[statement + 1 :]]
                what = f"{_short(node)}  ->  {_short(variant)}"
                line = getattr(node, "lineno", top.lineno)
                edits.append(Edit(position, line, what, ast.Module(body, []), statement))
    if len(edits) > limit:
        chosen = random.Random(position).sample(range(len(edits)), limit)
        edits = [edits[i] for i in sorted(chosen)]
    return edits


# --- which checks an edit could reach -------------------------------------------------------------


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | {
        n.name for n in ast.walk(node) if isinstance(n, (ast.FunctionDef, ast.ClassDef))
    }


def _used_by(statement: ast.AST) -> set[str]:
    nodes = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    if isinstance(statement, ast.Assign):
        return {n.id for n in nodes if isinstance(n.ctx, ast.Load)}
    return {n.id for n in nodes}


def _changed_by(statement: ast.AST) -> set[str]:
    """Return the names that a statement binds, and those whose objects its calls may change."""
    changed = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            changed.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            changed.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            changed |= set().union(*(_names(t) for t in targets))
        elif isinstance(node, ast.Expr):
            changed |= _names(node)
    return changed


def _checks_in(statement: ast.AST) -> list[ast.AST]:
    return [n for n in ast.walk(statement) if is_check(n)]


def reach(edit: Edit, cells: list[tuple[int, ast.Module]]) -> tuple[set[str], int]:
    """Return the checks that an edit could reach, and the index of the last cell it flows into.

    Args:
        edit: an edit of the first cell.
        cells: position and tree of that cell and of those after it.
    """
    tainted: set[str] = set()
    found: set[str] = set()
    last = 0
    for index, (position, tree) in enumerate(cells):
        for number, statement in enumerate(tree.body):
            edited = index == 0 and number == edit.statement
            if not edited and not _used_by(statement) & tainted:
                if isinstance(statement, ast.Assign):  # bound anew, to what the edit left alone
                    tainted -= {t.id for t in statement.targets if isinstance(t, ast.Name)}
                continue
            last = index
            found |= {f"{position}:{c.lineno}:{c.col_offset}" for c in _checks_in(statement)}
            if not is_check(statement):
                tainted |= _changed_by(statement)
    return found, last


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
        f"{position}:{check.lineno}:{check.col_offset}": _short(check, 90)
        for position, tree in chapter.trees.items()
        for check in _checks_in(tree)
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
