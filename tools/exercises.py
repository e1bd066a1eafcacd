"""Try right and wrong answers on the exercises of a chapter.

    python tools/exercises.py notebooks/05_backpropagation.ipynb    # or none: all

The answers stand in tests/answers/NN_name.py, one below the other:

    # %% exercise 1, right: from the half angle
    Sigmoid = ...

    # %% exercise 1, wrong: forgets the chain rule (must say: the gradient is wrong)
    Sigmoid = ...

Each answer is put in the place of its exercise cell and tested with several seeds (once, if the
test draws nothing or seeds itself), and so are the solution in the notebook and the untouched
cell. A right answer passes every time. A wrong one is
refused every time, by an AssertionError or a printed text that says what is wrong.

The cells that the exercises need are executed once, in one process a chapter; names are restored
after every answer. An object that a test changes in place stays changed: let tests make their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import inprocess  # noqa: E402 - the line above lets a bare checkout find it
from tools.cell_names import imported_names, names_of  # noqa: E402
from tools.hermetic import HERMETIC  # noqa: E402

ANSWERS = ROOT / "tests" / "answers"
SEEDS = (0, 1, 2, 3, 4)
FENCED = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
SOLUTION = r"<details><summary>Solution of exercise {}</summary>(.*?)</details>"
HEAD = re.compile(
    r"# %% exercise (?P<number>\d+), (?P<kind>right|wrong): (?P<name>.+?)"
    r"(?: \(must say: (?P<says>.+)\))?"
)
# What torch.testing.assert_close says by itself: how far off, but not what is wrong.
ONLY_NUMBERS = re.compile(r"(Tensor-likes|Scalars) are not (close|equal)!")
FEWEST_WORDS = 4


@dataclass
class Answer:
    """An answer to an exercise: its kind (solution, untouched, right, wrong), name and code."""

    kind: str
    name: str
    source: str
    says: str = ""  # words that the refusal of a wrong answer must contain

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}" if self.name else self.kind


@dataclass
class Exercise:
    """An exercise: where its cells are, and what is tried on it."""

    number: int
    cell: int
    test: int
    solution_below: bool  # behind the test, as it should be, and not in front of the cell
    answers: list[Answer] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Answer]:
        """Return the answers of one kind."""
        return [answer for answer in self.answers if answer.kind == kind]


def read_cells(path: Path) -> list[dict]:
    """Return the cells of a notebook, each with its source as one text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def tags(cell: dict) -> list[str]:
    """Return the tags of a cell."""
    return cell["metadata"].get("tags", [])


def read_answers(text: str, name: str = "answers") -> dict[int, list[Answer]]:
    """Read an answers file: exercise number -> answers.

    Raises:
        ValueError: for a head line that does not have the form above.
    """
    found: dict[int, list[Answer]] = {}
    for piece in re.split(r"^(?=# %%)", text, flags=re.MULTILINE)[1:]:
        head, _, source = piece.partition("\n")
        match = HEAD.fullmatch(head.rstrip())
        if match is None or (match["kind"] == "wrong") != bool(match["says"]):
            raise ValueError(
                f"{name}: write '# %% exercise 1, right: name' or "
                f"'# %% exercise 1, wrong: name (must say: words)', not {head!r}"
            )
        answer = Answer(match["kind"], match["name"], source.strip() + "\n", match["says"] or "")
        found.setdefault(int(match["number"]), []).append(answer)
    return found


def read_exercises(cells: list[dict], answers: dict[int, list[Answer]]) -> list[Exercise]:
    """Find the exercises of a chapter, with their solutions and answers.

    Raises:
        ValueError: for an exercise without a test or a solution, and for answers to no exercise.
    """
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    found: list[Exercise] = []
    for index, after in zip(code, [*code[1:], -1], strict=True):
        if "exercise" not in tags(cells[index]):
            continue
        number = len(found) + 1
        if "exercise-test" not in tags(cells[after]):
            raise ValueError(f"exercise {number}: its test must be the next code cell")
        below = cells[after + 1]["source"] if after + 1 < len(cells) else ""
        match = re.search(SOLUTION.format(number), below, flags=re.DOTALL)
        last = found[-1].test if found else 0
        above = "\n".join(c["source"] for c in cells[last:index] if c["cell_type"] == "markdown")
        blocks = FENCED.findall(match[1] if match else above)
        if not blocks:
            raise ValueError(f"exercise {number}: no solution with a fenced block of Python")
        tried = [
            Answer("untouched", "", cells[index]["source"]),
            Answer("solution", "", blocks[-1]),
            *answers.get(number, []),
        ]
        found.append(Exercise(number, index, after, match is not None, tried))
    unknown = sorted(set(answers) - {exercise.number for exercise in found})
    if unknown:
        raise ValueError(f"there are answers to exercise {unknown[0]}, but no such exercise")
    return found


def read_chapter(path: Path, answers: Path = ANSWERS) -> tuple[list[dict], list[Exercise]]:
    """Read the cells and the exercises of a notebook, with the answers file of its name."""
    cells = read_cells(path)
    file = answers / f"{path.stem}.py"
    given = read_answers(file.read_text(encoding="utf-8"), file.name) if file.exists() else {}
    try:
        return cells, read_exercises(cells, given)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def needed_cells(cells: list[dict], exercises: list[Exercise]) -> list[int]:
    """Return the code cells without which the exercises, answers and tests have no meaning.

    A cell needs those above it that bind a name it reads or change its object, back to the one
    that binds it anew. What a function reads is taken from all cells: it may be called later.
    """
    own = {exercise.cell for exercise in exercises} | {exercise.test for exercise in exercises}
    end = max(own)
    code = {
        index: cell["source"]
        for index, cell in enumerate(cells[:end])
        if cell["cell_type"] == "code" and index not in own
    }
    imported = set().union(*map(imported_names, code.values()))
    others = {index: names_of(source, imported) for index, source in code.items()}
    wanted: list[tuple[str, int]] = []
    for exercise in exercises:
        for source in [cells[exercise.test]["source"], *(a.source for a in exercise.answers)]:
            with contextlib.suppress(SyntaxError):  # found when it is tried
                names = names_of(source, imported)
                wanted += [(name, exercise.cell) for name in names.read]
                wanted += [(name, end) for name in names.later]
    needed: set[int] = set()
    seen = set()
    while wanted:
        name, reader = item = wanted.pop()
        if item in seen:
            continue
        seen.add(item)
        for index in sorted((i for i in others if i < reader), reverse=True):
            names = others[index]
            if name not in names.changed:
                continue
            if index not in needed:
                needed.add(index)
                wanted += [(read, index) for read in names.read]
                wanted += [(read, end) for read in names.later]
            if name in names.bound and reader < end:
                break
    return sorted(needed | own)


def random_state() -> tuple:
    """Return the state of the generators that draw when no other is named."""
    import numpy as np
    import torch

    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is asked for
    return random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist()


def attempt(session: inprocess.Session, answer: str, test: str) -> dict:
    """Run an answer and the test; names are afterwards what they were before."""
    before = dict(session.names)
    outcome = session.run(answer)
    if outcome.error is None:
        outcome = session.run(test)
    session.names.clear()
    session.names.update(before)
    if outcome.error is None:
        return {"text": outcome.text, "error": "", "message": ""}
    return {"text": "", "error": type(outcome.error).__name__, "message": str(outcome.error)}


def attempts(session: inprocess.Session, answer: str, test: str) -> list[dict]:
    """Run an answer and the test with each seed, or once if nothing depends on the seed."""
    from helpers import env

    outcomes = []
    for seed in SEEDS:
        env.seed_everything(seed)
        before = random_state()
        outcomes.append({"seed": seed, **attempt(session, answer, test)})
        if random_state() == before or "torch.manual_seed(" in test:
            break
    return outcomes


def execute(path: Path, answers: Path, *, whole: bool) -> list[list[list[dict]]]:
    """Execute a chapter and try all answers; in this process, which is then good for nothing else.

    Args:
        path: the notebook.
        answers: the folder of answers.
        whole: execute all cells above the last test, not only the needed ones.

    Returns:
        For each exercise, for each of its answers: what came out with each seed.

    Raises:
        RuntimeError: for a cell that fails.
    """
    cells, exercises = read_chapter(path, answers)
    by_cell = {exercise.cell: exercise for exercise in exercises}
    last = max(exercise.test for exercise in exercises)
    if whole:
        order = [i for i in range(last + 1) if cells[i]["cell_type"] == "code"]
    else:
        order = needed_cells(cells, exercises)
    session, outcomes = inprocess.Session(path.parent), []
    # A coloured traceback with the source around each line takes longer than most answers.
    session.shell.InteractiveTB.set_mode("Minimal")
    for index in order:
        exercise = by_cell.get(index)
        if exercise is not None:
            test = cells[exercise.test]["source"]
            outcomes.append([attempts(session, a.source, test) for a in exercise.answers])
        outcome = session.run(cells[index]["source"])
        if outcome.error is not None:
            raise RuntimeError(f"cell {index} fails") from outcome.error
    return outcomes


def run_apart(
    path: Path, answers: Path = ANSWERS, *, whole: bool = False
) -> tuple[list[list[list[dict]]], float]:
    """Run :func:`execute` in a process of its own; return its outcomes and the CPU seconds.

    Raises:
        RuntimeError: if a cell outside of the exercises fails, with the end of its traceback.
    """
    environment = {**HERMETIC, **os.environ, "MPLBACKEND": "agg", "PYTHONPATH": python_path()}
    options = ["--child", "--answers", str(answers), *(["--whole"] if whole else [])]
    done = subprocess.run(
        [sys.executable, __file__, str(path.resolve()), *options],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        raise RuntimeError(f"{path.name}: {done.stderr.strip()[-1500:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result["outcomes"], result["seconds"]


def python_path() -> str:
    """Return PYTHONPATH with this checkout in front."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def refusal_problem(answer: Answer, outcome: dict) -> str:
    """Return what is wrong with the refusal of a wrong answer, or an empty text."""
    said = outcome["message"] or outcome["text"].strip()
    if outcome["error"] not in ("", "AssertionError"):
        return f"the test stumbles instead of refusing: {outcome['error']}: {said[:200]}"
    if len(said.split()) < FEWEST_WORDS or ONLY_NUMBERS.match(said):
        return f"the refusal does not say what is wrong: {said[:200]!r}"
    if answer.says.lower() not in said.lower():
        return f"the refusal does not say {answer.says!r}: {said[:200]!r}"
    return ""


def problem(exercise: Exercise, answer: Answer, outcome: dict) -> str:
    """Return what is wrong with the outcome of an answer, or an empty text."""
    passed = re.search(rf"\bExercise {exercise.number}: passed", outcome["text"])
    said = f"{outcome['error']} {outcome['message']} {outcome['text']}".strip()
    if answer.kind == "untouched":
        words = f"Exercise {exercise.number}: not tried yet"
        return "" if words in outcome["text"] else f"does not say {words!r}: {said[:200]!r}"
    if answer.kind == "wrong":
        return "it passes" if passed else refusal_problem(answer, outcome)
    return "" if passed else f"does not pass: {said[:400]!r}"


def problems(exercises: list[Exercise], outcomes: list[list[list[dict]]]) -> list[str]:
    """Return one line for each answer that does not fare as it should."""
    found = []
    for exercise, tried in zip(exercises, outcomes, strict=True):
        for answer, runs in zip(exercise.answers, tried, strict=True):
            bad = {run["seed"]: text for run in runs if (text := problem(exercise, answer, run))}
            if bad:
                seeds = ", ".join(map(str, bad))
                where = f"exercise {exercise.number}, {answer} (seeds {seeds})"
                found.append(f"{where}: {next(iter(bad.values()))}")
    return found


def check(path: Path, answers: Path = ANSWERS) -> tuple[list[str], float]:
    """Try all answers of a chapter; return the problems and the CPU seconds.

    Should anything be wrong with only the needed cells, the whole chapter decides.
    """
    _, exercises = read_chapter(path, answers)
    seconds = 0.0
    found: list[str] = []
    for whole in (False, True):
        try:
            outcomes, used = run_apart(path, answers, whole=whole)
        except RuntimeError as error:
            found = [str(error)]
            continue
        seconds += used
        found = problems(exercises, outcomes)
        if not found:
            break
    return found, seconds


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--answers", type=Path, default=ANSWERS, help="the folder of answers")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        outcomes = execute(options.notebooks[0], options.answers, whole=options.whole)
        print("\n" + json.dumps({"outcomes": outcomes, "seconds": sum(os.times()[:4])}))
        return 0
    failed = False
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        found, seconds = check(path, options.answers)
        count = sum(len(exercise.answers) for exercise in read_chapter(path, options.answers)[1])
        print(
            f"{path.name}: {count} answers, {seconds:.1f} s of CPU, {len(found)} problems",
            flush=True,
        )
        for line in found:
            print(f"  {line}")
        failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
