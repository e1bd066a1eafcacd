"""The names that a cell reads and changes: which cells others need."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# What the compiler calls the tables of names of comprehensions: they run at once.
COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Statements that bind a name without a node of its own in the tree.
NAMING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def outer_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without the bodies of functions: what runs when the cell runs."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, FUNCTIONS):
            yield from outer_nodes(node)


def root_name(node: ast.AST) -> str | None:
    """Return x for x, x.y, x[0] and x.y().z."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def reads_of(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the names that a statement takes from the notebook: at once, and in functions later.

    The locals of functions are in neither.
    """
    table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    at_once = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    if isinstance(statement, ast.For):  # its variable is bound before its body reads it
        variables = stored_names(statement.target)
        at_once -= variables - {n.id for n in ast.walk(statement.iter) if isinstance(n, ast.Name)}
    at_once |= {n.id for n in _augmented(statement) if isinstance(n, ast.Name)}
    later: set[str] = set()
    tables = [(child, at_once) for child in table.get_children()]
    while tables:
        table, found = tables.pop()
        symbols = table.get_symbols()
        if table.get_type() == "function" and table.get_name() not in COMPREHENSIONS:
            found = later
        found |= {s.get_name() for s in symbols if s.is_global() and s.is_referenced()}
        tables += [(child, found) for child in table.get_children()]
    return at_once, later


def _augmented(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield what += and its like change: the old value is read, too."""
    inside = [] if isinstance(statement, FUNCTIONS) else outer_nodes(statement)
    for node in [statement, *inside]:
        if isinstance(node, ast.AugAssign):
            yield node.target


def stored_names(target: ast.expr) -> set[str]:
    """Return the names that an assignment to this binds: a and b of a, (b, c.d)."""
    names = (node for node in ast.walk(target) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def bound_by(statement: ast.stmt) -> set[str]:
    """Return the names that a statement is sure to have bound when it is done."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {statement.name}
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
        case ast.Assign(targets=targets):
            return set().union(*map(stored_names, targets))
        case ast.AnnAssign(target=target, value=value) if value is not None:
            return stored_names(target)
        case _:
            return set()


def in_order(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what is executed for certain, one by one; a with block is opened up."""
    for statement in statements:
        if isinstance(statement, ast.With):
            for item in statement.items:
                yield (
                    ast.Assign([item.optional_vars], item.context_expr, lineno=statement.lineno)
                    if item.optional_vars
                    else ast.Expr(item.context_expr)
                )
            yield from in_order(statement.body)
        else:
            yield statement


def parse(source: str) -> ast.Module:
    """Parse a cell, its magics left out."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def imported_names(source: str) -> set[str]:
    """Return the names that a cell imports."""
    imports = (n for n in outer_nodes(parse(source)) if isinstance(n, ast.Import | ast.ImportFrom))
    return {name for statement in imports for name in bound_by(statement)}


@dataclass
class Names:
    """What a cell does with names.

    Attributes:
        read: names that it takes from the cells above it when it runs.
        later: names that its functions take when they are called.
        bound: names that are new when it is done, whatever they were before.
        changed: names that it binds or whose objects it changes in place, perhaps.
    """

    read: set[str]
    later: set[str]
    bound: set[str]
    changed: set[str]


def names_of(source: str, imported: Collection[str] = ()) -> Names:
    """Return what a cell does with names.

    Args:
        source: the cell.
        imported: names that stand for modules and what is in them: a call does not change them.
    """
    tree = parse(source)
    read: set[str] = set()
    later: set[str] = set()
    bound: set[str] = set()
    for statement in in_order(tree.body):
        at_once, in_functions = reads_of(statement)
        read |= at_once - bound
        later |= in_functions
        bound |= bound_by(statement)
    changed: set[str | None] = set()
    for node in outer_nodes(tree):
        if isinstance(node, NAMING):
            changed |= bound_by(node)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                changed.add(root_name(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            # A call whose value nobody takes is there for its effect: x.append(1), fit(model)
            function = root_name(node.value.func)
            if function not in vars(builtins):  # print
                arguments = {function, *map(root_name, node.value.args)}
                changed |= arguments - set(imported) - set(vars(builtins))
    return Names(read, later, bound, {name for name in changed if name})
