"""The CT chapters share one split: none of them makes its own, but for cells that show the mistake.

A cell that shows what another split does says so in its metadata, ``"course": {"split":
"demonstration"}``, or claims the row of the source's own listing.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from helpers import ct

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("2[3-6]_*.ipynb"))
MAKERS = {
    "GroupKFold",
    "GroupShuffleSplit",
    "KFold",
    "LeaveOneGroupOut",
    "LeavePGroupsOut",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "ShuffleSplit",
    "Split",
    "StratifiedGroupKFold",
    "StratifiedKFold",
    "StratifiedShuffleSplit",
    "SubsetRandomSampler",
    "block_split",
    "cross_val_predict",
    "cross_val_score",
    "random_split",
    "series_split",
    "train_test_split",
}
LISTINGS = {"T4.l6"}  # the source's own loader, with every tenth candidate held back
PART = re.compile(r"(^|_)(train|training|val|valid|validation|test|held)(_|$)", re.IGNORECASE)
USES = {"slices", "frames", "rows", "indices", "index", "blocks", "parts", "series", "at", "scans"}


def by_hand(value):
    """Tell whether an expression is a choice of numbers written down: a list, a range, a slice."""
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return len(value.elts) > 1 and all(
            isinstance(one, ast.Constant) and type(one.value) is int for one in value.elts
        )
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):  # order[:60]
        if not {"order", *USES} & set(re.split(r"\W|_", ast.unparse(value.value).lower())):
            return False
        ends = (value.slice.lower, value.slice.upper, value.slice.step)
        known = [one for one in ends if one is not None]
        return bool(known) and all(isinstance(one, ast.Constant) for one in known)
    if isinstance(value, ast.Call) and ast.unparse(value.func) in {
        "list",
        "set",
        "sorted",
        "tuple",
    }:
        return len(value.args) == 1 and by_hand(value.args[0])
    return (
        isinstance(value, ast.Call)
        and ast.unparse(value.func) in {"range", "slice", "torch.arange", "np.arange"}
        and bool(value.args)
        and all(isinstance(one, ast.Constant) for one in value.args)
    )


def of_slices(name):
    """Tell whether a name speaks of the slices of a part: train, val_slices, TEST_ROWS."""
    words = name.lower().split("_")
    return bool(PART.search(name)) and (
        len(words) == 1 or bool(USES & set(words)) or all(PART.search(word) for word in words)
    )


def assigned(node):
    """Pairs of a name and the value that it is given; a key counts as a name: split["train"]."""
    if isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "dict":
        return [(key.arg, key.value) for key in node.keywords if key.arg]
    else:
        return []
    for target, value in list(pairs):
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        if both and len(target.elts) == len(value.elts):
            pairs += zip(target.elts, value.elts, strict=True)
    named = [(target.id, value) for target, value in pairs if isinstance(target, ast.Name)]
    keys = [(target.slice, value) for target, value in pairs if isinstance(target, ast.Subscript)]
    return named + [(str(k.value), value) for k, value in keys if isinstance(k, ast.Constant)]


def breaches(source):
    """Return what in a cell makes a split."""
    found = []
    for node in ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M))):
        if isinstance(node, ast.ImportFrom):  # whatever it is called afterwards
            own = node.module in {"helpers.data", "helpers.ct"}
            found += [a.name for a in node.names if a.asname and a.name in MAKERS]
            found += [a.name for a in node.names if own and a.name == "split"]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in MAKERS or ast.unparse(node.func) in {"data.split", "helpers.data.split"}:
                found.append(ast.unparse(node.func))
            found += [key.arg for key in node.keywords if key.arg in {"val_stride", "test_size"}]
        found += [
            f"{name} = {ast.unparse(value)}"
            for name, value in assigned(node)
            if of_slices(name) and by_hand(value)
        ]
        if isinstance(node, ast.Dict) and len(node.keys) > 1:
            keys = [k.value for k in node.keys if isinstance(k, ast.Constant)]
            parts = [isinstance(k, str) and bool(PART.fullmatch(k)) for k in keys]
            if parts and all(parts) and any(by_hand(value) for value in node.values):
                found.append(ast.unparse(node))
    return found


def cells(path):
    """Return the sources of the code cells that must not make a split."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        meta = cell["metadata"]
        shown = meta.get("course", {}).get("split") == "demonstration"
        if cell["cell_type"] == "code" and not shown and not LISTINGS & set(meta.get("ledger", [])):
            yield "".join(cell["source"])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_chapter_makes_a_split_of_its_own(path):
    sources = list(cells(path))
    assert [one for source in sources for one in breaches(source)] == []
    assert any("ct.course_split()" in source for source in sources), "read the course's split"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_few_cells_are_demonstrations(path):
    shown = [
        cell
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["metadata"].get("course", {}).get("split") == "demonstration"
    ]
    assert len(shown) <= 5, "the mark is for cells that show the mistake"


@pytest.mark.parametrize(
    "source",
    [
        "from sklearn.model_selection import train_test_split\na, b = train_test_split(x)",
        "kept, held = torch.utils.data.random_split(boxes, [0.8, 0.2])",
        "folds = KFold(5).split(x)",
        "split = ct.block_split(area, series=scan.series, gap=2)",
        "one, two = data.split(len(x), (0.8, 0.2), seed=0)",
        "split = ct.Split({'train': (ct.Block(scan.series, 0, 40),)})",
        "train_slices = range(0, 47)",
        "VALIDATION = slice(52, 64)",
        "test_rows = [3, 7, 11]",
        "AT = {'train': range(0, 9), 'validation': range(12, 15)}",
        "loader = LunaDataset(val_stride=10)",
        "from sklearn.model_selection import train_test_split as halves\na, b = halves(x)",
        "from helpers.data import split\none, two = split(len(x), (0.8, 0.2), seed=0)",
        "train_slices, test_slices = range(0, 60), range(60, 99)",
        "train_slices: list = [1, 2, 3]",
        "train_slices, test_slices = order[:60], order[60:]",
        "validation_slices = slices[::10]",
        "AT = dict(train=range(0, 9), test=range(9, 20))",
        "AT['train'] = range(0, 9)",
        "test_slices = list(range(60, 99))",
        "folds = RepeatedKFold()",
    ],
)
def test_a_planted_breach_is_found(source):
    assert breaches(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "split = ct.course_split()",
        "AT = {p: [i for i, n in enumerate(PART) if n == p] for p in ('train', 'test')}",
        "train_seeds = (0, 1, 2)",
        "parts = {'train': 0.6, 'test': 0.4}",
        "validated = [trace(v) for v in VERSIONS['validation']]",
        "words = text.split(',')",
        "train_losses, test_losses = [], []",
        "test_slices = version.slices",
        "train_x = stack[rows]",
        "test = x[:5]",
    ],
)
def test_what_is_no_split_passes(source):
    assert breaches(source) == []


def test_a_breach_in_a_notebook_is_found(tmp_path):
    path = tmp_path / "26_bad.ipynb"
    planted = {"cell_type": "code", "metadata": {}, "source": ["train_slices = range(0, 60)\n"]}
    shown = planted | {"metadata": {"course": {"split": "demonstration"}}}
    path.write_text(json.dumps({"cells": [planted, shown]}))
    assert [one for source in cells(path) for one in breaches(source)] == [
        "train_slices = range(0, 60)"
    ]


def test_the_file_is_the_one_that_the_code_names():
    assert ct.course_split().sha256.startswith("b5ad329b0f77")


def test_the_table_of_parts_is_true():
    (path,) = (ROOT / "notebooks").glob("26_*.ipynb")
    text = "\n".join("".join(c["source"]) for c in json.loads(path.read_text())["cells"])
    table = [line for line in text.splitlines() if re.match(r"\| 2[3-6] ", line)]
    assert [line[2:4] for line in table] == ["23", "24", "25", "26"]
    for notebook in CHAPTERS:
        (line,) = [one for one in table if one[2:4] == notebook.name[:2]]
        used = {
            node.value
            for source in cells(notebook)
            for node in ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)))
            if isinstance(node, ast.Constant) and node.value in ("train", "validation", "test")
        }
        for part, entry in zip(
            ("train", "validation", "test"), line.strip("| ").split("|")[1:], strict=True
        ):
            assert (entry.strip() != "–") == (part in used), (notebook.name, part)
