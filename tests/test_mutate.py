"""The mutation tool: it finds the check that cannot fail and the edit that nothing notices."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.edits import edits_of, reach

ROOT = Path(__file__).parents[1]


def run(folder, *cells, options=()):
    """Run the tool on a notebook with these code cells, and return its report."""
    notebook = {
        "cells": [
            {"cell_type": "code", "source": [source], "metadata": {}, "outputs": []}
            for source in cells
        ]
    }
    path = folder / "tiny.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "tools/mutate.py", str(path), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def lists(report):
    """Return the two lists of a report."""
    never, unnoticed = report.split("Checks that never failed")[1].split("Edits that nothing")
    return never.splitlines()[1:], unnoticed.splitlines()[1:]


def edits(source, limit=1000):
    return [e.what for e in edits_of(ast.parse(source), 0, limit)]


def test_a_check_that_cannot_fail_is_listed_and_a_good_one_is_not(tmp_path):
    never, _ = lists(run(tmp_path, "x = 2 * 3", "assert x == x\nassert x == 6"))
    assert [line for line in never if line] == ["  cell   1, line  1  (  3) assert x == x"]


def test_an_edit_that_nothing_notices_is_listed_with_what_became_of_the_text(tmp_path):
    report = run(tmp_path, "x = 2 + 3\ny = x * 7\nz = x * 9", "assert x == 5", "print(y)")
    _, unnoticed = lists(report)
    assert any("T x * 7  ->  x / 7" in line for line in unnoticed)
    assert any("  x * 9  ->  x / 9" in line for line in unnoticed)
    assert not any("2 + 3" in line for line in unnoticed)


def test_a_second_check_of_a_cell_is_judged_though_the_first_fails(tmp_path):
    never, _ = lists(run(tmp_path, "x = 2 + 3", "assert x == 5\nassert x < 6"))
    assert not any(never)


def test_an_infinite_loop_is_ended_and_counts_as_noticed(tmp_path):
    cell = "n = 8\nwhile n > 0:\n    n -= 4"
    report = run(tmp_path, cell, "assert n == 0", options=("--seconds", "3"))
    assert "time-out" in report.splitlines()[0]
    assert not any("n -= 4" in line for line in lists(report)[1])


def test_the_chapter_itself_must_pass(tmp_path):
    with pytest.raises(AssertionError, match="the chapter itself does not pass: 0:2"):
        run(tmp_path, "x = 1\nassert x == 2")


def test_only_the_cells_asked_for_are_edited(tmp_path):
    report = run(tmp_path, "x = 1 + 1", "y = x + 5", "assert y == 7", options=("--cells", "1"))
    assert re.match(r"2 edits;", report)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("a = b + c", "b + c -> b - c"),
        ("a = b < c", "b < c -> b > c"),
        ("a = 0.5", "0.5 -> 1.0"),
        ("a = f(b, c)", "f(b, c) -> f(c, b)"),
        ("optimizer.zero_grad()", "optimizer.zero_grad() -> pass"),
        ("a = b.detach()", "b.detach() -> b"),
        ("a = (b - c).mean()", "(b - c).mean() -> b - c"),
        ("a = b.mean(dim=1)", "b.mean(dim=1) -> b.sum(dim=1)"),
        ("a = -b", "-b -> b"),
        ("a += b", "a += b -> a -= b"),
        ("a = b and c", "b and c -> b or c"),
    ],
)
def test_each_kind_of_edit_is_made(source, wrong):
    assert wrong in [" ".join(what.split()) for what in edits(source)]


def test_checks_drawings_and_imports_are_left_alone():
    source = "import a\nassert b == 1\nplt.plot(1 + 1)\nax.set(x=2)\nprint(3)\nassert_close(4, 5)"
    source += "\nfigure, (left, right) = plt.subplots(1, 2)\nleft.plot(3 * x)"
    assert edits(source) == []


def test_the_limit_keeps_the_same_edits_in_each_run():
    source = "a = 1 + 2 * 3 - 4 / 5"
    assert len(edits(source)) > 5
    assert len(edits(source, 5)) == 5
    assert edits(source, 5) == edits(source, 5)


def test_an_edit_is_seen_only_by_checks_that_it_flows_into():
    cells = [ast.parse("a = 1\nb = 2"), ast.parse("c = a + 1\nassert b == 2\nassert c == 2")]
    edit = next(e for e in edits_of(cells[0], 0, 10) if e.line == 1)
    assert reach(edit, list(enumerate(cells))) == ({"1:3:0"}, 1)


def test_an_edit_does_not_flow_through_a_name_that_is_bound_anew():
    cells = [ast.parse("a = 1"), ast.parse("a = 7\nassert a == 7")]
    (edit,) = edits_of(cells[0], 0, 10)
    assert reach(edit, list(enumerate(cells))) == (set(), 0)
