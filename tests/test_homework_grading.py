"""The homework's tool: hand out, answer, merge, grade; the grader reads answers only."""

import ast
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import homework
from helpers.homework import grading, notebooks
from helpers.homework.__main__ import main

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "11_homework.ipynb"
PATIENT = 300.0  # seconds: the limit must not decide on a busy machine

# One right answer to each part, with nothing of the model solution.
RIGHT = {
    "TanhBlock": """
def stable(z):
    t = torch.expm1(-2 * z.abs())
    return torch.copysign(-t / (2 + t), z)

class TanhBlock:
    def forward(self, z):
        self.y = stable(z)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)
""",
    "Tanh": """
class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = stable(z)  # of the cell before
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - ctx.saved_tensors[0] ** 2)

class Tanh(nn.Module):
    def forward(self, z):
        return Function.apply(z)

torch.testing.assert_close(Tanh()(torch.ones(2)), torch.tanh(torch.ones(2)))  # my own test
""",
    "GaussianNoise": """
%matplotlib inline
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, x):
        return x + self.sigma * torch.randn_like(x) if self.training else x
""",
    "RandomMove": """
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        u = 2 * torch.rand(len(images), 3, device=images.device) - 1
        a = u[:, 0] * math.radians(self.degrees)
        x, y = (2 * self.translate * u[:, 1:]).T
        cos, sin = a.cos(), a.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill
""",
    "augmented_loaders": """
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    def change(images, labels):
        return augment(images), labels

    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train, batch_size=batch_size, shuffle=True, generator=order, transform=change
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )
""",
}
POINTS = {name: part.points for name, part in homework.PARTS.items()}


def graded(sources, **options):
    """Grade answers; return the result and, by part, its row."""
    options = {"seeds": (0,), "limit": PATIENT} | options
    result = homework.grade(notebooks.blank(sources), **options)
    return result, {row["part"]: row for row in result["parts"]}


# -- the whole way -------------------------------------------------------------------------------


def test_hand_out_answer_merge_and_grade_the_real_notebook(tmp_path, capsys):
    before = NOTEBOOK.read_bytes()
    handed_out, submitted = tmp_path / "handed_out.ipynb", tmp_path / "submitted.ipynb"
    assert main(["handout", str(NOTEBOOK), str(handed_out)]) == 0

    student = json.loads(handed_out.read_text(encoding="utf-8"))
    for cell in student["cells"]:
        name = cell["metadata"].get("homework")
        if name == "report":
            cell["source"] = "My report of five words."
        elif name:
            cell["source"] = RIGHT[name].splitlines(keepends=True)
        elif "exercise-test" in cell["metadata"].get("tags", []):
            cell["source"] = "print('Exercise 1: passed')"  # a student may edit what he likes
    del student["cells"][-3:]
    submitted.write_text(json.dumps(student), encoding="utf-8")

    merged, results = tmp_path / "merged.ipynb", tmp_path / "grades.json"
    assert main(["merge", str(NOTEBOOK), str(submitted), str(merged)]) == 0
    found = homework.answers(notebooks.read(merged))
    assert found == RIGHT | {"report": "My report of five words."}
    texts = [notebooks.source(c) for c in notebooks.read(merged)["cells"]]
    assert "print('Exercise 1: passed')" not in texts
    assert len(texts) == len(json.loads(before)["cells"])

    options = ["--seeds", "5", "6", "--limit", str(PATIENT), "--json", str(results)]
    assert main(["grade", str(merged), *options]) == 0
    shown = capsys.readouterr().out
    assert "measured by machine: 80 of 80 points" in shown
    assert "5 words" in shown
    (result,) = json.loads(results.read_text(encoding="utf-8")).values()
    assert {row["part"]: row["points"] for row in result["parts"]} == POINTS
    assert NOTEBOOK.read_bytes() == before


def test_what_is_handed_out_is_python_without_solutions_and_outputs():
    handed_out = homework.handout(notebooks.read(NOTEBOOK))
    for cell in handed_out["cells"]:
        text = notebooks.source(cell)
        if cell["cell_type"] == "code":
            ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", text, flags=re.M))
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        assert not re.search(r"<summary>\s*(Solution|Answer)", text)
        assert "SHOW_SOLUTION" not in text
    sources = homework.answers(handed_out)
    assert set(sources) == {*homework.PARTS, "report"}
    assert all(notebooks.is_empty(sources[name]) for name in homework.PARTS)


def test_code_with_folds_in_its_strings_is_handed_out_as_it_is():
    notebook = notebooks.blank({"report": "Report"})
    text = 'fold = "<details><summary>Solution</summary>x</details>"'
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": text, "outputs": []})
    hint = "A <details><summary>First idea</summary>x</details> B"
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": hint})
    fold = "<details><summary>Solution of exercise 2</summary>\n\nx\n\n</details>"
    notebook["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": fold})
    given = copy.deepcopy(notebook)
    assert len(homework.handout(notebook)["cells"]) == len(notebook["cells"]) - 1
    assert [c["source"] for c in homework.handout(notebook)["cells"][-2:]] == [text, hint]
    assert notebook == given, "the notebook that is given stays as it is"


def test_the_rubric_of_the_chapter_is_that_of_the_grader():
    text = next(
        t for t in map(notebooks.source, notebooks.read(NOTEBOOK)["cells"]) if "## Rubric" in t
    )
    rows = [line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("|")]
    points = [int(row[-1]) for row in rows if row[-1].strip().isdigit()]
    assert points == [*POINTS.values(), *homework.REPORT_POINTS.values()]
    assert sum(points) == 100
    plain = text.replace("`", "")
    for name, part in homework.PARTS.items():
        assert f"{part.number} {name}" in plain
        assert part.counts.split("; ")[-1].split("=")[0] in plain


# -- what an answer can't do -----------------------------------------------------------------------

IDENTITY = """
class TanhBlock:
    def forward(self, z):
        return z
    def backward(self, grad_y):
        return grad_y
"""
TRICKS = {
    "subclass": "from helpers import homework\nclass TanhBlock(homework.TanhBlock): pass",
    "importlib": "import importlib\n"
    "TanhBlock = getattr(importlib.import_module('helpers.homework.solution'), 'TanhBlock')",
    "source": "import helpers, pathlib\n"
    "home = pathlib.Path(helpers.__file__).parent / 'homework' / 'solution.py'\n"
    "exec(home.read_text())",
    "program": "import subprocess, sys\n"
    "out = subprocess.run([sys.executable, '-c', 'print(1)'])\n" + RIGHT["TanhBlock"],
    "no check": "import builtins\n"
    "torch.testing.assert_close = lambda *a, **k: None\n"
    "torch.equal = torch.allclose = lambda *a, **k: True\n"
    "check_tanh_block = builtins.check = lambda *a, **k: 'Exercise 1: passed'\n"
    "PARTS = {'TanhBlock': 100}" + IDENTITY,
    "always equal": """
class Always(torch.Tensor):
    def __eq__(self, other):
        return True
class TanhBlock:
    def forward(self, z):
        return z.as_subclass(Always)
    def backward(self, grad_y):
        return grad_y.as_subclass(Always)
""",
    "tanh of numpy": "from numpy import tanh\n"
    + RIGHT["TanhBlock"].replace("y = stable(z)", "y = torch.from_numpy(tanh(z.numpy()))"),
    "system exit": "raise SystemExit",
    "no class": "TanhBlock = 3",
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_brings_no_points(name):
    result, rows = graded({"TanhBlock": TRICKS[name]})
    assert result["points"] == 0
    assert rows["TanhBlock"]["verdict"] == "refused"
    assert rows["TanhBlock"]["reasons"]
    if name in ("subclass", "importlib", "source"):
        assert "the model solution is closed" in rows["TanhBlock"]["reasons"][0]


def test_a_part_that_hangs_costs_its_own_points_only():
    hangs = "import time\ntime.sleep(3600)"
    _, rows = graded({"TanhBlock": hangs}, limit=1.0)
    assert rows["TanhBlock"]["verdict"] == "stopped"
    assert "1 seconds" in rows["TanhBlock"]["reasons"][0]
    sources = {"TanhBlock": hangs, "Tanh": RIGHT["TanhBlock"] + RIGHT["Tanh"]}
    found = grading._try_out("Tanh", sources, ["TanhBlock"], [0], limit=40.0)
    assert found == ("passed", [])


def test_a_part_that_dies_costs_its_own_points_only():
    dies = "import os\nos.kill(os.getpid(), 9)"
    result, rows = graded(RIGHT | {"TanhBlock": "1 / 0", "Tanh": "", "GaussianNoise": dies})
    assert rows["GaussianNoise"]["verdict"] == "refused"
    assert "ended its process" in rows["GaussianNoise"]["reasons"][0]
    assert "ZeroDivisionError" in rows["TanhBlock"]["reasons"][0]
    assert rows["Tanh"]["verdict"] == "not tried"
    assert result["points"] == POINTS["RandomMove"] + POINTS["augmented_loaders"]


def test_an_error_is_told_with_its_line_and_a_missing_cell_is_named():
    sources = {"TanhBlock": "x = 1\ny = helper(x)", "Tanh": "class Tanh(:\n    pass"}
    notebook = notebooks.blank(sources)
    del notebook["cells"][2]  # GaussianNoise
    result = homework.grade(notebook, seeds=(0,), limit=PATIENT)
    rows = {row["part"]: row for row in result["parts"]}
    assert rows["TanhBlock"]["reasons"] == [
        "NameError: name 'helper' is not defined (line 2 of the answer)"
    ]
    assert "SyntaxError" in rows["Tanh"]["reasons"][0]
    assert "(line 1 of the answer)" in rows["Tanh"]["reasons"][0]
    verdicts = [row["verdict"] for row in result["parts"]]
    assert verdicts == ["refused", "refused", "no cell", "not tried", "not tried"]
    text = homework.describe(result)
    assert "NameError" in text
    assert homework.PARTS["RandomMove"].counts in text


def test_the_environment_of_an_answer_holds_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "secret")
    assert "MY_TOKEN" not in grading._environment("/nowhere")
    assert "secret" not in grading._environment("/nowhere").values()


def test_forged_notes_are_refused_not_believed(tmp_path):
    (tmp_path / "0.safetensors").write_bytes(b"no safetensors")
    (fault,) = grading._judge("Tanh", tmp_path, [0])
    assert "cannot be judged" in fault
    (fault,) = grading._judge("Tanh", tmp_path / "nowhere", [0])
    assert "cannot be judged" in fault


# -- cells -----------------------------------------------------------------------------------------


def test_a_cell_that_was_split_counts_whole():
    notebook = notebooks.blank({"Tanh": "a = 1"})
    second = copy.deepcopy(notebook["cells"][1])
    second["source"] = ["Tanh = a\n", "b = 2"]
    notebook["cells"].insert(3, second)
    assert homework.answers(notebook)["Tanh"] == "a = 1\n\nTanh = a\nb = 2"


def test_merge_takes_answers_and_nothing_else():
    ours = notebooks.blank()
    ours["cells"].append({"cell_type": "code", "metadata": {}, "source": "ours", "outputs": []})
    theirs = notebooks.blank({"Tanh": "Tanh = 1", "report": "words"})
    theirs["cells"].append({"cell_type": "code", "metadata": {}, "source": "theirs"})
    merged = homework.merge(ours, theirs)
    assert homework.answers(merged) == homework.answers(theirs)
    assert merged["cells"][-1]["source"] == "ours"
    assert homework.answers(ours)["Tanh"] == "Tanh = None"
    del ours["cells"][1]
    with pytest.raises(homework.NotebookError, match="no cell for Tanh"):
        homework.merge(ours, theirs)


def test_handing_out_refuses_what_is_not_the_homework():
    with pytest.raises(homework.NotebookError, match=r"no cell for TanhBlock.*report"):
        homework.handout({"cells": []})
    with pytest.raises(homework.NotebookError, match="Tanh holds an answer"):
        homework.handout(notebooks.blank({"Tanh": "Tanh = 1"}))


# -- the command -----------------------------------------------------------------------------------


def test_the_command_never_overwrites_what_it_should_not(tmp_path, capsys):
    original, target = tmp_path / "original.ipynb", tmp_path / "target.ipynb"
    notebooks.write(notebooks.blank(), original)
    before = original.read_bytes()
    target.write_text("a student's work", encoding="utf-8")
    assert main(["handout", str(original), str(target)]) == 1
    assert "--force" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "a student's work"
    assert main(["handout", str(original), str(original), "--force"]) == 1
    assert "choose another target" in capsys.readouterr().err
    assert main(["merge", str(target), str(original), str(target), "--force"]) == 1
    assert original.read_bytes() == before
    assert main(["handout", str(original), str(target), "--force"]) == 0
    assert set(homework.answers(notebooks.read(target))) == {*homework.PARTS, "report"}
    assert main(["handout", str(original), str(tmp_path / "none" / "x.ipynb")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("no JSON", "not JSON"),
        ('{"worksheets": []}', "no list of cells"),
        ('{"cells": [{"source": "x"}]}', "damaged"),
        ("[1]", "no list of cells"),
    ],
)
def test_an_unreadable_submission_is_named_and_the_next_is_graded(tmp_path, capsys, content, said):
    bad, good = tmp_path / "bad.ipynb", tmp_path / "good.ipynb"
    if content is not None:
        bad.write_text(content, encoding="utf-8")
    notebooks.write(notebooks.blank(), good)
    assert main(["grade", str(bad), str(good)]) == 1
    shown = capsys.readouterr()
    assert re.fullmatch(rf"error: .*bad\.ipynb: .*{said}.*\n", shown.err)
    assert "measured by machine: 0 of 80 points" in shown.out


def test_the_command_line_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "helpers.homework", "grade", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "--seeds" in done.stdout


def test_grading_needs_seeds_and_time():
    with pytest.raises(ValueError, match="a seed and a positive limit"):
        homework.grade({"cells": []}, seeds=())
    with pytest.raises(ValueError, match="a seed and a positive limit"):
        homework.grade({"cells": []}, limit=0)


@pytest.mark.parametrize("module", ["solution", "parts", "notebooks", "grading"])
def test_docstring_examples_run(module):
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module(f"helpers.homework.{module}"))
    assert result.attempted
    assert result.failed == 0
