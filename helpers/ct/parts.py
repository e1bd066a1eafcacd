"""One split for a whole pipeline: made once, written down, and recognised by its hash.

With many patients the unit is the patient. With one scan it is a block of neighbouring slices:
single slices would put two pictures of one vessel, 3 mm apart, into training and test. Between
the blocks lies a gap that no nodule bridges. Blocks of one patient are no substitute for
patients: what is measured with them holds for this patient.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from helpers.files import write_text

__all__ = ["Block", "Split", "block_split", "course_split", "read_split", "series_split"]

PARTS = ("train", "validation", "test")
_COURSE = Path(__file__).with_name("course_split.json")
_COURSE_SHA256 = "b5ad329b0f772f90693dd3c17767a13bbf281f89849405e29b8bb087667c3a50"


class Block(NamedTuple):
    """Slices ``start`` to ``stop`` (not included) of a series; to its end if ``stop`` is None.

    Example:
        >>> Block("1.2.3")
        Block(series='1.2.3', start=0, stop=None)
    """

    series: str
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Split:
    """Which slices of which series belong to training, validation and test.

    Args:
        blocks: for each part its blocks.

    Raises:
        ValueError: for two blocks that overlap, or an empty one.

    Example:
        >>> split = Split({"train": (Block("1.2.3", 0, 50),), "test": (Block("1.2.3", 55, 99),)})
        >>> split.part("1.2.3", 52), split.part("1.2.3", 55)
        ('gap', 'test')
        >>> Split({"train": (Block("1.2.3", 0, 50),), "test": (Block("1.2.3", 49, 99),)})
        Traceback (most recent call last):
            ...
        ValueError: train and test overlap in series 1.2.3
    """

    blocks: dict[str, tuple[Block, ...]]

    def __post_init__(self) -> None:
        every = [(name, *block) for name, blocks in self.blocks.items() for block in blocks]
        for k, (name, series, start, stop) in enumerate(every):
            if stop is not None and not 0 <= start < stop:
                raise ValueError(f"{name} has an empty block: {start} to {stop}")
            for other, its_series, its_start, its_stop in every[:k]:
                apart = (stop is not None and stop <= its_start) or (
                    its_stop is not None and its_stop <= start
                )
                if series == its_series and not apart:
                    raise ValueError(f"{other} and {name} overlap in series {series}")

    @property
    def sha256(self) -> str:
        """Hash of the blocks; the order of series within a part does not matter."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        content = {
            name: sorted([b.series, b.start, b.stop] for b in blocks)
            for name, blocks in self.blocks.items()
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def part(self, series: str, index: int) -> str:
        """Name of the part that has a slice; ``"gap"`` if none has it.

        Args:
            series: name of the series.
            index: number of the slice.

        Raises:
            ValueError: for a series that is in no part.
        """
        known = False
        for name, blocks in self.blocks.items():
            for block in blocks:
                known = known or block.series == series
                end = float("inf") if block.stop is None else block.stop
                if block.series == series and block.start <= index < end:
                    return name
        if not known:
            raise ValueError(f"series {series} is in no part of this split")
        return "gap"

    def parts(self, table: Any) -> list[str]:
        """Name of the part of each row of a table with the columns ``series`` and ``i``.

        Args:
            table: as :class:`helpers.ct.Implants` has it.
        """
        return [self.part(s, int(i)) for s, i in zip(table["series"], table["i"], strict=True)]

    def slices(self, part: str, series: str) -> list[slice]:
        """Slices of a series that belong to a part.

        Args:
            part: e.g. ``"train"``.
            series: name of the series.

        Raises:
            KeyError: for a part that the split does not have.
        """
        return [slice(b.start, b.stop) for b in self.blocks[part] if b.series == series]

    def write(self, path: str | Path) -> str:
        """Write the split to a file.

        Args:
            path: a ``.json`` file.

        Returns:
            Its hash, to be kept elsewhere, for :func:`read_split`.
        """
        write_text(Path(path), self._text())
        return self.sha256


def read_split(path: str | Path, sha256: str) -> Split:
    """Read a split, and refuse one that is not the expected one.

    Args:
        path: what :meth:`Split.write` wrote.
        sha256: what it returned.

    Raises:
        ValueError: for another split: results with it cannot be compared with earlier ones.

    Example:
        >>> read_split("split.json", sha256)  # doctest: +SKIP
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    split = Split({name: tuple(Block(*one) for one in blocks) for name, blocks in content.items()})
    if split.sha256 != sha256:
        raise ValueError(
            f"{Path(path).name} holds another split than expected ({split.sha256[:12]}, not "
            f"{sha256[:12]}): results would not be comparable"
        )
    return split


def block_split(
    weights: Tensor,
    *,
    series: str,
    gap: int,
    fractions: Sequence[float] = (0.45, 0.3, 0.25),
) -> Split:
    """Divide one scan into three blocks of neighbouring slices with gaps between them.

    Args:
        weights: ``(D,)``, what is to be divided, e.g. the area of the lungs in each slice.
        series: name of the series.
        gap: slices that are left out at each border; thicker than the largest nodule.
        fractions: of the weights, for training, validation and test, before the gaps are cut.

    Raises:
        ValueError: if the fractions do not add up to 1, or nothing is left of a part.

    Example:
        >>> split = block_split(torch.ones(24), series="1.2.3", gap=2)
        >>> [split.slices(name, "1.2.3") for name in ("train", "validation", "test")]
        [[slice(0, 10, None)], [slice(12, 17, None)], [slice(19, 24, None)]]
    """
    if abs(sum(fractions) - 1) > 1e-9 or len(fractions) != len(PARTS):
        raise ValueError(f"three fractions must add up to 1, got {tuple(fractions)}")
    total = weights.double().cumsum(0)
    limits = torch.tensor([fractions[0], fractions[0] + fractions[1]]).double() * total[-1]
    first, second = (int(k) + 1 for k in torch.searchsorted(total, limits - 1e-9))
    starts = (0, first - gap // 2 + gap, second - gap // 2 + gap)
    stops = (first - gap // 2, second - gap // 2, len(weights))
    return Split(
        {
            name: (Block(series, start, stop),)
            for name, start, stop in zip(PARTS, starts, stops, strict=True)
        }
    )


def series_split(
    series: Sequence[str], *, seed: int, fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> Split:
    """Divide many scans at random; all slices of a series go to one part.

    If a patient has several series, give names of patients and translate them yourself.

    Args:
        series: names; the order and repetitions do not matter.
        seed: the same seed gives the same split.
        fractions: of the series, for training, validation and test.

    Raises:
        ValueError: if a part would be empty.

    Example:
        >>> split = series_split([f"1.2.{k}" for k in range(10)], seed=0)
        >>> [len(split.blocks[name]) for name in ("train", "validation", "test")]
        [8, 1, 1]
    """
    from helpers.data import split as random_split

    names = sorted(set(series))
    order = random_split(len(names), fractions, seed=seed)
    return Split(
        {
            name: tuple(Block(names[k]) for k in torch.as_tensor(rows).tolist())
            for name, rows in zip(PARTS, order, strict=True)
        }
    )


def course_split() -> Split:
    """Return the split of the course's scan, real and stand-in, for chapters 24 to 26.

    Made by :func:`block_split` with the area of the lungs and a gap of 15 mm (real) or 16 mm
    (stand-in). Nobody makes another one.

    Example:
        >>> sorted(course_split().blocks)
        ['test', 'train', 'validation']
    """
    return read_split(_COURSE, _COURSE_SHA256)
