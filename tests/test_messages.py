"""No stored output contains a library's message whole or cut by rule: its words change."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def shows_message(call, caught):
    """Tell whether an argument of the call is the text of an exception or of a warning."""
    for node in ast.walk(call):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "type":
            node.args.clear()  # type(error).__name__ is the kind, not the text
        if isinstance(node, ast.Attribute) and node.attr in {"lineno", "name"}:
            node.value = ast.Constant(0)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
            node.comparators.clear()  # "deprecated" in str(error): true or false
    return any(
        (isinstance(node, ast.Name) and node.id in caught)
        or (isinstance(node, ast.Attribute) and node.attr == "message")
        for node in ast.walk(call)
    )


def printed_messages(source):
    """Return the print calls that show the message of an exception or of a warning."""
    tree = ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", source, flags=re.M))
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    prints = {
        node: {handler.name for handler in handlers if node in ast.walk(handler)}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    }
    texts = {call: ast.unparse(call) for call in prints}
    return [texts[call] for call, caught in prints.items() if shows_message(call, caught)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_prints_a_librarys_message(path):
    found = [
        (number, text)
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"])
        if cell["cell_type"] == "code"
        and "nbval-ignore-output" not in cell["metadata"].get("tags", [])
        for text in printed_messages("".join(cell["source"]))
    ]
    assert found == [], "print the kind, and say in your own words what it means"


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("try:\n    f()\nexcept ValueError as error:\n    print('no:', error)", 1),
        ("try:\n    f()\nexcept ValueError as e:\n    print(str(e).split('.')[0])", 1),
        ("try:\n    f()\nexcept ValueError as e:\n    if x:\n        print(f'{e}')", 1),
        ("print(str(caught[0].message).split(' and ')[0])", 1),
        ("try:\n    f()\nexcept ValueError as error:\n    print(type(error).__name__)", 0),
        ("try:\n    f()\nexcept SyntaxError as error:\n    print('line', error.lineno)", 0),
        ("try:\n    f()\nexcept NameError as error:\n    print(error.name)", 0),
        ("print('deprecated' in str(caught[0].message))", 0),
        ("try:\n    f()\nexcept ValueError:\n    print('refused')", 0),
        ("error = 0.1\nprint(error, 'standard error')", 0),
    ],
)
def test_the_check_notices(source, number):
    assert len(printed_messages(source)) == number
