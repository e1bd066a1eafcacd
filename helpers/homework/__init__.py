"""The homework: its parts, the checks, the grader, and the model solution.

Set and tested in notebooks/11_homework.ipynb. Teachers: ``python -m helpers.homework --help``.
"""

from helpers.homework import notebooks
from helpers.homework.grading import REPORT_POINTS, describe, grade
from helpers.homework.notebooks import NotebookError, answers, handout, merge
from helpers.homework.parts import PARTS, Part, check
from helpers.homework.solution import (
    GaussianNoise,
    RandomMove,
    Tanh,
    TanhBlock,
    TanhFunction,
    augmented_loaders,
    move,
    stable_tanh,
)

__all__ = [
    "PARTS",
    "REPORT_POINTS",
    "GaussianNoise",
    "NotebookError",
    "Part",
    "RandomMove",
    "Tanh",
    "TanhBlock",
    "TanhFunction",
    "answers",
    "augmented_loaders",
    "check",
    "describe",
    "grade",
    "handout",
    "merge",
    "move",
    "notebooks",
    "stable_tanh",
]
