"""Exercises: solutions and right answers pass, wrong answers are refused with a reason.

tools/exercises.py does the work; CONTRIBUTING.md tells how an exercise and its answers look.
"""

import ast
import io
import json
import re
import tokenize
from pathlib import Path

import pytest

from tools import exercises
from tools.cell_names import names_of

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CARD = re.compile(
    r"^\*\d+ minutes · difficulty [1-5] of 5 · trains: .+\*$",
    flags=re.MULTILINE,
)


def code_lines(source):
    """Return the lines of a piece of code without comments and without empty lines."""
    comments = {
        token.start[0]: token.start[1]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    lines = [
        line[: comments.get(number)].rstrip()
        for number, line in enumerate(source.splitlines(), start=1)
    ]
    return [line for line in lines if line]


def scaffold_problems(cell, solution):
    """Return the lines of an exercise cell that the solution does not have, in this order.

    Places to fill in are free: a line with `...` alone, and `Name = None`.
    """
    rest = iter(code_lines(solution))
    given = [
        line for line in code_lines(cell) if not re.fullmatch(r"(\w+ = )+None|\s*\.\.\.", line)
    ]
    return [line for line in given if line not in rest]


def shape_problems(cells, found):
    """Return what the exercises of a chapter lack in shape: heading, card, help, solution."""
    problems = []
    last = 0
    for exercise in found:
        n, where = exercise.number, f"exercise {exercise.number}"
        question = "\n".join(
            c["source"] for c in cells[last : exercise.cell] if c["cell_type"] == "markdown"
        )
        last = exercise.test + 2  # behind the solution
        wanted = {
            f"the heading '### Exercise {n}: name'": rf"^### Exercise {n}: \S",
            f"the fold 'First idea for exercise {n}'": (
                rf"<details><summary>First idea for exercise {n}</summary>\n\n"
            ),
            f"the fold 'Usual error messages in exercise {n}'": (
                rf"<details><summary>Usual error messages in exercise {n}</summary>\n\n"
            ),
        }
        problems += [
            f"{where}: {name} is missing above its cell"
            for name, pattern in wanted.items()
            if not re.search(pattern, question, flags=re.MULTILINE)
        ]
        if not CARD.search(question):
            problems.append(
                f"{where}: the card '*10 minutes · difficulty 2 of 5 · trains: …*' is missing"
            )
        if not exercise.solution_below:
            problems.append(
                f"{where}: no fold 'Solution of exercise {n}' in the cell below its test"
            )
        (untouched,), (solution,) = exercise.of_kind("untouched"), exercise.of_kind("solution")
        problems += [
            f"{where}: the line {line!r} of its cell is not in the solution"
            for line in scaffold_problems(untouched.source, solution.source)
        ]
    return problems


def answer_problems(found):
    """Return which exercises have too few answers, or two right ones that are the same code."""
    problems = []
    for exercise in found:
        where = f"exercise {exercise.number}"
        right, wrong = exercise.of_kind("right"), exercise.of_kind("wrong")
        if len(wrong) < 2:
            problems.append(
                f"{where}: {len(wrong)} wrong answers, at least two typical ones needed"
            )
        if len(right) < 2:
            problems.append(f"{where}: {len(right)} right answers, at least two needed")
        codes = [ast.dump(ast.parse(a.source)) for a in exercise.of_kind("solution") + right]
        if len(set(codes)) < len(codes):
            problems.append(f"{where}: two right answers are the same code")
    return problems


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_right_answers_pass_and_wrong_ones_are_refused(path):
    """One execution of the chapter for all answers, the solutions and the untouched cells."""
    assert len(exercises.read_chapter(path)[1]) >= 2, "at least two exercises"
    found, _ = exercises.check(path)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_exercises_have_their_shape_and_their_answers(path):
    cells, found = exercises.read_chapter(path)
    problems = shape_problems(cells, found) + answer_problems(found)
    assert not problems, "\n" + "\n".join(problems)


def test_the_answers_name_notebooks():
    names = {path.stem for path in NOTEBOOKS}
    assert {path.stem for path in exercises.ANSWERS.glob("*.py")} <= names


def test_an_untouched_exercise_is_stored_as_not_tried():
    for path in NOTEBOOKS:
        for cell in exercises.read_cells(path):
            if "exercise-test" in exercises.tags(cell):
                text = "".join("".join(output.get("text", "")) for output in cell["outputs"])
                assert "not tried yet" in text, path.stem


# The machinery itself, on a small chapter.

TEST = """
def check(double):
    x = torch.randn(3)
    before = x.clone()
    y = double(x)
    assert isinstance(y, torch.Tensor), f"a tensor is expected, got {type(y).__name__}"
    assert y.allclose(2 * before), "double(x) is not twice as large as x"
    if not x.equal(before):
        return "Exercise 1: your function writes into its input"
    return "Exercise 1: passed"

print(check(double) if double else "Exercise 1: not tried yet")
"""
SOLUTION = """
<details><summary>Solution of exercise 1</summary>

```python
def double(x):
    return 2 * x
```

</details>
"""
RIGHT = "# %% exercise 1, right: a sum\ndouble = lambda x: x + x\n"


def wrong(name, source, says):
    return f"# %% exercise 1, wrong: {name} (must say: {says})\n{source}\n"


def small_chapter(folder, answers="", test=TEST, cell="double = None  # write yours", before=()):
    """Write a chapter with one exercise; return its path."""

    def code(source, *tags):
        return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}

    def text(source):
        return {"cell_type": "markdown", "metadata": {}, "source": source}

    cells = [
        code("import torch\n%precision 4"),
        *map(code, before),
        text("## Exercises"),
        code(cell, "exercise"),
        code(test, "exercise-test"),
        text(SOLUTION),
    ]
    path = folder / "90_small.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (folder / "90_small.py").write_text(answers, encoding="utf-8")
    return path


def test_each_answer_is_judged_by_itself(tmp_path):
    lucky = "def double(x):\n    return 2 * x if torch.initial_seed() == 3 else x"
    answers = [
        RIGHT,
        wrong("refused", "double = lambda x: x", "twice as large"),
        wrong("refused in print", "double = lambda x: x.mul_(2)", "writes into its input"),
        # from here on every answer is a fault of the author
        "# %% exercise 1, right: a list\ndouble = lambda x: (2 * x).tolist()\n",
        "# %% exercise 1, right: binds a name\nfactor = 2\ndouble = lambda x: factor * x[:0]\n",
        "# %% exercise 1, right: wants that name\ndouble = lambda x: factor * x\n",
        wrong("passes", "double = lambda x: x * 2", "twice as large"),
        wrong("passes once", lucky, "twice as large"),
        wrong("other words", "double = lambda x: x", "half as large"),
        wrong("stumbles", "double = lambda: 0", "anything"),
        wrong("no Python", "double = = 2", "anything"),
    ]
    found, _ = exercises.check(small_chapter(tmp_path, "".join(answers)), tmp_path)
    seeds = "seeds 0, 1, 2, 3, 4"
    for line, (answer, complaint) in zip(
        found,
        [
            (f"right: a list ({seeds})", "got list"),
            (f"right: binds a name ({seeds})", "does not pass"),
            ("right: wants that name (seeds 0", "name 'factor' is not defined"),
            (f"wrong: passes ({seeds})", "it passes"),
            ("wrong: passes once (seeds 3)", "it passes"),
            (f"wrong: other words ({seeds})", "does not say 'half as large'"),
            (f"wrong: stumbles ({seeds})", "stumbles instead of refusing: TypeError"),
            ("wrong: no Python (seeds 0)", "stumbles instead of refusing: SyntaxError"),
        ],
        strict=True,
    ):
        assert answer in line
        assert complaint in line


@pytest.mark.parametrize(
    ("error", "message", "text"),
    [
        ("AssertionError", "", ""),
        ("AssertionError", "Tensor-likes are not close!\n\nMismatched elements: 3 / 3", ""),
        ("AssertionError", "wrong", ""),
        ("", "", "no\n"),
    ],
)
def test_a_refusal_that_gives_no_reason_is_none(error, message, text):
    answer = exercises.Answer("wrong", "one", "", "wrong")
    outcome = {"error": error, "message": message, "text": text}
    assert "does not say what is wrong" in exercises.refusal_problem(answer, outcome)
    outcome = {"error": error, "message": message and "the sign is wrong", "text": text}
    if message:
        assert exercises.refusal_problem(answer, outcome) == ""


def test_an_untouched_cell_that_passes_is_found():
    exercise = exercises.Exercise(1, 0, 1, True)
    untouched = exercises.Answer("untouched", "", "double = None")
    outcome = {"error": "", "message": "", "text": "Exercise 1: passed"}
    assert "not tried yet" in exercises.problem(exercise, untouched, outcome)


def test_only_the_cells_that_the_exercises_need_are_executed(tmp_path):
    before = [
        "sizes = [3]\nunused = torch.randn(5)",
        "sizes.append(4)",
        "print(sizes)",
        "def helper(x):\n    return x + bias",
        "bias = 1",
        "for size in sizes:\n    another = size",
    ]
    test = TEST.replace("torch.randn(3)", "helper(torch.randn(sizes[0]))")
    path = small_chapter(tmp_path, test=test, before=before)
    cells, found = exercises.read_chapter(path, tmp_path)
    # the import, sizes, its change, the helper, its bias; then the exercise and its test
    assert exercises.needed_cells(cells, found) == [0, 1, 2, 4, 5, 8, 9]


@pytest.mark.parametrize(
    ("source", "read", "later", "bound"),
    [
        ("x = 1\ny = x + z", {"z"}, set(), {"x", "y"}),
        ("x = x + 1", {"x"}, set(), {"x"}),
        ("x += 1", {"x"}, set(), set()),
        ("for x in rows:\n    y = x", {"rows"}, set(), set()),
        ("for x in x:\n    y = x", {"x"}, set(), set()),
        ("with lock as x:\n    y = x", {"lock"}, set(), {"x", "y"}),
        ("y = [x * k for x in rows]", {"k", "rows"}, set(), {"y"}),
        ("def f(x):\n    y = x\n    y += b\n    return y", set(), {"b"}, {"f"}),
        ("class A(Base):\n    def f(self):\n        return b", {"Base"}, {"b"}, {"A"}),
        ("f = lambda x: x + b", set(), {"b"}, {"f"}),
        ("if flag:\n    x = 1\nx", {"flag", "x"}, set(), set()),
    ],
)
def test_the_names_that_a_cell_takes_from_others(source, read, later, bound):
    names = names_of(source)
    assert (names.read, names.later, names.bound) == (read, later, bound)


def test_a_name_bound_anew_needs_no_cell_above(tmp_path):
    before = ["size = 3", "size = size + 1", "size = 5", "size += 1", "other = size"]
    path = small_chapter(tmp_path, test=f"amount = size\n{TEST}", before=before)
    cells, found = exercises.read_chapter(path, tmp_path)
    assert exercises.needed_cells(cells, found) == [0, 3, 4, 7, 8]


def test_the_whole_chapter_decides_if_the_needed_cells_do_not_suffice(tmp_path):
    before = [
        "settings = {}",
        "def learn(s=settings):\n    s['n'] = 3\n    return 0",
        "result = learn()",
    ]
    test = TEST.replace("torch.randn(3)", "torch.randn(settings['n'])")
    path = small_chapter(tmp_path, test=test, before=before)
    cells, found = exercises.read_chapter(path, tmp_path)
    assert 3 not in exercises.needed_cells(cells, found)
    assert exercises.check(path, tmp_path)[0] == []


def test_a_failing_cell_is_reported(tmp_path):
    path = small_chapter(tmp_path, before=["import sys", "torch.nowhere = sys.nowhere"])
    (line,) = exercises.check(path, tmp_path)[0]
    assert "has no attribute 'nowhere'" in line
    assert "cell 2 fails" in line


@pytest.mark.parametrize(
    "head",
    [
        "# %% exercise one, right: name",
        "# %% exercise 1, left: name",
        "# %% exercise 1, wrong: no words",
        "# %% exercise 1, right: name (must say: words)",
    ],
)
def test_a_malformed_head_is_refused(head):
    with pytest.raises(ValueError, match=r"write '# %% exercise 1, right: name'"):
        exercises.read_answers(f"{head}\nx = 1\n")


def test_answers_to_no_exercise_are_refused(tmp_path):
    path = small_chapter(tmp_path, RIGHT.replace("exercise 1", "exercise 2"))
    with pytest.raises(ValueError, match="answers to exercise 2, but no such exercise"):
        exercises.read_chapter(path, tmp_path)


def test_a_scaffold_occurs_in_the_solution():
    solution = "def f(x):\n    y = x + 1  # one more\n    z = y * 2\n    return z\n"
    scaffold = "def f(x):\n    y = x + 1\n    ...  # here\n    return z\n\n\nf = None  # delete\n"
    assert scaffold_problems(scaffold, solution) == []
    assert scaffold_problems("encode = decode = None  # write both\n", solution) == []
    assert scaffold_problems(scaffold.replace("y = x + 1", "y = x + 2"), solution)
    assert scaffold_problems("    return z\ndef f(x):\n", solution), "in the order of the solution"


def test_shape_and_answers_are_asked_for(tmp_path):
    cells, found = exercises.read_chapter(small_chapter(tmp_path, RIGHT + RIGHT), tmp_path)
    missing = "\n".join(shape_problems(cells, found))
    for part in ("### Exercise 1", "First idea", "Usual error messages", "the card"):
        assert part in missing
    assert answer_problems(found) == [
        "exercise 1: 0 wrong answers, at least two typical ones needed",
        "exercise 1: two right answers are the same code",
    ]
