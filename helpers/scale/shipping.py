"""What travels between a notebook and its processes: code as text, values as tensors' files."""

from __future__ import annotations

import ast
import dis
import io
import linecache
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_map


def pack(value: Any) -> bytes:
    """Return a value as bytes: tensors, numbers, texts, None, and lists and dicts of them.

    Tensors go to the CPU. No code travels with values: :func:`unpack` runs nothing.

    Raises:
        TypeError: for anything else.

    Example:
        >>> unpack(pack({"loss": 0.5, "order": [1, 2]}))
        {'loss': 0.5, 'order': [1, 2]}
    """
    packed = io.BytesIO()
    torch.save(tree_map(_portable, value), packed)
    return packed.getvalue()


def unpack(packed: bytes, device: str = "cpu") -> Any:
    """Return the value that :func:`pack` made bytes of, its tensors on a device.

    Example:
        >>> unpack(pack([None, True]))
        [None, True]
    """
    return torch.load(io.BytesIO(packed), weights_only=True, map_location=device)


def _portable(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        # A view would bring the whole storage, a parameter its gradient's history.
        return value.detach().cpu().clone()
    if value is None or isinstance(value, bool | int | float | str | torch.Size):
        return value
    raise TypeError(
        f"a {type(value).__name__} can't travel between processes; give and return tensors, "
        "numbers, texts, and lists and dicts of them (a NumPy array: torch.from_numpy)"
    )


def definitions(function: types.FunctionType) -> tuple[list[str], dict[str, Any]]:
    """Return what a process needs to run a function of a notebook.

    Returns:
        Pieces of source, in order, the function last; and values by name.

    Raises:
        TypeError: for a function without source, or one that uses what can't travel.

    Example:
        >>> import math
        >>> pieces, values = definitions(textwrap.dedent)  # a function of a module
        >>> pieces, values
        (['from textwrap import dedent as dedent'], {})
    """
    pieces: dict[str, str] = {}
    values: dict[str, Any] = {}
    _collect(function.__name__, function, pieces, values)
    return list(pieces.values()), values


def _collect(name: str, thing: Any, pieces: dict[str, str], values: dict[str, Any]) -> None:
    """Add what ``name`` stands for, after what it needs itself."""
    if name in pieces or name in values:
        return
    if isinstance(thing, types.ModuleType):
        pieces[name] = (
            f"import {thing.__name__} as {name}"
            if "." not in thing.__name__
            else ("from {} import {} as {}".format(*thing.__name__.rpartition(".")[::2], name))
        )
        return
    if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType):
        module = thing.__module__
        if not module:
            raise TypeError(f"the function uses {name}: call it by its module, as in torch.relu")
        if isinstance(thing, types.BuiltinFunctionType) or module != "__main__":
            pieces[name] = f"from {module} import {thing.__qualname__} as {name}"
            return
        pieces[name] = ""  # a function may call itself
        codes = list(_codes(thing))
        spaces = thing.__globals__ if isinstance(thing, types.FunctionType) else _globals(thing)
        for used in sorted({n for code in codes for n in _names(code)} | _bases(thing)):
            if used in spaces:
                _collect(used, spaces[used], pieces, values)
        del pieces[name]
        pieces[name] = source_of(thing)
        return
    _portable_tree(name, thing)
    values[name] = thing


def _portable_tree(name: str, value: Any) -> None:
    try:
        tree_map(_portable, value)
    except TypeError as error:
        raise TypeError(f"the function uses {name}: {error}") from None


def _codes(thing: Any) -> Iterator[types.CodeType]:
    if isinstance(thing, types.FunctionType):
        yield thing.__code__
        return
    for member in vars(thing).values():
        member = getattr(member, "__func__", member)  # of a staticmethod or classmethod
        if isinstance(member, types.FunctionType):
            yield member.__code__


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the global names that code reads, also in the functions and classes inside it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _bases(thing: Any) -> set[str]:
    """Return the names that stand in a class's head."""
    if not isinstance(thing, type):
        return set()
    head = ast.parse(source_of(thing)).body[0]
    assert isinstance(head, ast.ClassDef)
    heads = [node for base in head.bases for node in ast.walk(base)]
    return {node.id for node in heads if isinstance(node, ast.Name)}


def _globals(thing: type) -> dict[str, Any]:
    for member in vars(thing).values():
        member = getattr(member, "__func__", member)
        if isinstance(member, types.FunctionType):
            return member.__globals__
    return {}


def source_of(thing: Any) -> str:
    """Return the source of a function or a class, also of one that a notebook's cell defines.

    Raises:
        TypeError: if it has none.
    """
    code = next(_codes(thing), None)
    lines = linecache.getlines(code.co_filename) if code else []
    text = "".join(lines)
    kinds = (ast.ClassDef,) if isinstance(thing, type) else (ast.FunctionDef,)
    for node in ast.walk(ast.parse(text)) if text else ():
        if isinstance(node, kinds) and node.name == thing.__name__:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if code and first <= code.co_firstlineno <= (node.end_lineno or 0):
                return textwrap.dedent("".join(lines[first - 1 : node.end_lineno]))
    raise TypeError(
        f"{thing.__name__} has no source to send: write it with def or class in a cell "
        "(a lambda, and a function of a prompt, have none)"
    )
