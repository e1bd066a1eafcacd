"""The parts of the homework that a machine measures: points, what counts, probe and judge."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from helpers.homework import judges, probes


@dataclass(frozen=True)
class Part:
    """One part of the assignment.

    Attributes:
        number: of the exercise in the chapter.
        points: for an answer without fault; a fault costs all of them.
        counts: what is looked at, in words.
        probe: tries an answer out, ``probe(answer, seed)``, and returns notes.
        judge: reads the notes, ``judge(notes, seed)``, and yields the faults.
    """

    number: int
    points: int
    counts: str
    probe: Callable[[Any, int], probes.Notes]
    judge: Callable[[probes.Notes, int], Iterator[str]]


PARTS = {
    "TanhBlock": Part(
        1,
        15,
        "values to full precision, z = ±1000, near zero; gradient; exponentials only; no autograd",
        probes.probe_tanh_block,
        judges.tanh_block,
    ),
    "Tanh": Part(
        2,
        20,
        "an autograd Function of one's own; the values of part 1; first and second derivative",
        probes.probe_tanh,
        judges.tanh,
    ),
    "GaussianNoise": Part(
        3,
        15,
        "normal, of strength sigma, independent; not in place, not clipped; off in evaluation",
        probes.probe_noise,
        judges.noise,
    ),
    "RandomMove": Part(
        4,
        20,
        "each image by itself, uniform angle and shifts, rotated first; background; evaluation",
        probes.probe_move,
        judges.move,
    ),
    "augmented_loaders": Part(
        5,
        10,
        "test set untouched; new copies in each pass; order from the seed; batches and len",
        probes.probe_loaders,
        judges.loaders,
    ),
}


def find(name: str) -> Part:
    """Return a part by its name.

    Raises:
        ValueError: for an unknown name; the message lists the valid ones.
    """
    if name not in PARTS:
        raise ValueError(f"there is no part {name!r}; the parts are {', '.join(PARTS)}")
    return PARTS[name]


def check(name: str, answer: Any, seed: int | None = None) -> str:
    """Try an answer out in this process, for the one who writes it.

    Args:
        name: of the part, e.g. ``"TanhBlock"``.
        answer: the class or function, or None.
        seed: of the random numbers that it is tried with; None draws one, from Python's
            ``random``, so that torch's random numbers stay what they were.

    Returns:
        ``"Exercise 1: passed"``, or ``"Exercise 1: not tried yet"`` for None.

    Raises:
        AssertionError: if the answer is wrong; the message names every fault.
        ValueError: for an unknown part.

    Example:
        >>> check("TanhBlock", None)
        'Exercise 1: not tried yet'
    """
    part = find(name)
    if answer is None:
        return f"Exercise {part.number}: not tried yet"
    seed = random.randrange(2**31) if seed is None else seed
    try:
        faults = list(dict.fromkeys(part.judge(part.probe(answer, seed), seed)))
    except probes.Refused as refused:
        raise AssertionError(str(refused)) from None
    if faults:
        raise AssertionError("; ".join(faults))
    return f"Exercise {part.number}: passed"
