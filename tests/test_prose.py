"""Numbers in the text of the chapters stand in an output, in code or in a ledger row."""

import json
import tomllib
from pathlib import Path

import pytest

from helpers import ledger
from tools import prose_numbers

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FILE = tomllib.loads((ROOT / "tests" / "numbers_in_prose.toml").read_text(encoding="utf-8"))
ALLOWED = FILE["explained"]


@pytest.fixture(scope="module")
def rows():
    return {item.id: item.show for item in ledger.items()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_numbers_in_the_text_stand_somewhere(path, rows):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found, allowed = prose_numbers.unsupported(cells, rows), ALLOWED.get(path.stem, {})
    new = {text: f"cells {where}" for text, where in found.items() if text not in allowed}
    assert not new, "print these numbers in a cell, or give a reason in numbers_in_prose.toml"
    needless = [text for text in allowed if text not in found]
    assert not needless, f"take them off numbers_in_prose.toml: {needless}"


def test_the_list_of_exceptions_is_short_and_has_reasons():
    stems = {path.stem for path in NOTEBOOKS}
    assert set(FILE) == {"explained"}
    assert stems >= set(ALLOWED)
    for stem, entries in ALLOWED.items():
        for text, reason in entries.items():
            assert len(reason.split()) >= 4, f"{stem}: {text} needs a reason"


# The matcher on small examples.


def chapter(markdown, code="", output="", html="", row=""):
    """Return the cells of a chapter with one text, and its ledger."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": output},
        {"output_type": "display_data", "data": {"text/html": html}},
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": markdown},
        {"cell_type": "code", "metadata": {"ledger": ["X1"]}, "source": code, "outputs": outputs},
    ]
    return cells, {"X1": row, "X2": "not claimed: 7.7"}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("an accuracy of 0.83", "accuracy 0.8268"),
        ("an accuracy of 83 %", "accuracy 0.8268"),
        ("an accuracy of 82.7 percent", "accuracy 0.8268"),
        ("a quarter, 0.25", "25 %"),
        ("25 % of them", "25% of them"),
        ("25% of them", "share 25.3"),
        ("from 0.8 to 0.9", "0.81 0.88"),
        ("from 0.8–0.9", "0.81 0.88"),
        ("it falls by −0.42", "change -0.4192"),
        ("the change is 0.42", "change -0.4192"),
        ("0.50", "0.5"),
        ("1.2 million parameters", "1,199,882 parameters"),
        ("57,012,034.5 in all", "57012034.5"),
        ("about 1.5e-3 at the end", "0.00149"),
        ("0.0015", "1.5e-03"),
        ("**0.7**, _0.8_ and (0.9)", "0.7, 0.8; 0.9"),
        ("it ends at 0.7.", "[0.7]"),
        ("| model | 0.7 |", "0.7"),
    ],
)
def test_a_printed_number_supports_its_rounding(text, output):
    assert prose_numbers.unsupported(*chapter(text, output=output)) == {}
    assert prose_numbers.unsupported(*chapter(text)), "without the output it stands nowhere"


@pytest.mark.parametrize(
    ("text", "output", "named"),
    [
        ("0.84", "accuracy 0.8268", "0.84"),
        ("0.826", "accuracy 0.83", "0.826"),
        ("84 %", "accuracy 0.8268", "84 %"),
        ("25 %", "25 images", "25 %"),
        ("a change of -0.42", "change 0.42", "-0.42"),
        ("1.3 million", "1,199,882", "1.3 million"),
        ("2.5", "version 1.2.5 or 12.5", "2.5"),
        ("0.5", "x0.5y7 v10.5", "0.5"),
        ("7.7", "", "7.7"),
    ],
)
def test_another_number_does_not_support_it(text, output, named):
    assert prose_numbers.unsupported(*chapter(text, output=output)) == {named: [0]}


@pytest.mark.parametrize(
    "text",
    [
        "`lr=0.3` in code, ``0.4`` too",
        "```python\nx = 0.3\n```",
        "a formula $x=0.3$ and $$y=0.4$$",
        "[text](https://example.org/0.3) and https://example.org/1.5",
        "[doi:10.1038/323533a0](x), [arXiv:1502.05767](x), arXiv:1502.1",
        "section 5.9, Figure 2.4, sections 3.1 and 3.2",
        "version 2.14.1, K6.l4, 28x28, v2.5",
        "3 of 10 examples, 1,000 times",
        '<img width="0.5">',
    ],
)
def test_code_formulas_links_and_names_are_no_prose(text):
    assert prose_numbers.prose_numbers(text) == []


def test_code_tables_and_claimed_rows_support_a_number_as_it_stands():
    assert prose_numbers.unsupported(*chapter("0.3", code="lr = 0.3")) == {}
    assert prose_numbers.unsupported(*chapter("0.3", code="lr = 0.31")) == {"0.3": [0]}
    assert prose_numbers.unsupported(*chapter("0.31", html="<td>0.312</td>")) == {}
    assert prose_numbers.unsupported(*chapter("0.31", html="<td x='0.31'></td>")) == {"0.31": [0]}
    assert prose_numbers.unsupported(*chapter("0.31", row="reports 0.31")) == {}
    assert prose_numbers.unsupported(*chapter("costs \\$0.31 or \\$0.32")) == {
        "0.31": [0],
        "0.32": [0],
    }


def test_a_wrong_edit_of_a_chapter_is_noticed(rows):
    """Chapter 06 says 0.1402 twice, as it prints it."""
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith("06"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = "".join(cell["source"]).replace("0.1402", "0.1502")
    assert "0.1502" in prose_numbers.unsupported(cells, rows)
