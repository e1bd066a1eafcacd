"""The names that a cell reads and changes: which cells others need."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator


def outer_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without the bodies of functions: what runs when the cell runs."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from outer_nodes(node)


def root_name(node: ast.AST) -> str | None:
    """Return x for x, x.y, x[0] and x.y().z."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def names_of(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads, and those that it binds or changes in place."""
    tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    changed: set[str | None] = set()
    for node in outer_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            changed.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            changed |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                changed.add(root_name(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            # A call whose value nobody takes is there for its effect: x.append(1), fit(model)
            function = root_name(node.value.func)
            if function not in vars(builtins):  # print
                changed |= {function, *map(root_name, node.value.args)}
    return read, {name for name in changed if name}
