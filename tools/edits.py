"""Small wrong edits of code, and the checks that each could reach, for tools/mutate.py."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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


def short(node: ast.AST, width: int = 60) -> str:
    """Return the code of a node, on one line and cut."""
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
                what = f"{short(node)}  ->  {short(variant)}"
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


def checks_in(statement: ast.AST) -> list[ast.AST]:
    """Return the checks in a statement."""
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
            found |= {f"{position}:{c.lineno}:{c.col_offset}" for c in checks_in(statement)}
            if not is_check(statement):
                tainted |= _changed_by(statement)
    return found, last
