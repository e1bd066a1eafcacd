"""The ledger: everything the four sources teach, and the cells that deliver it.

``book/ledger.tsv`` has one line an item: id, kind, proposed home chapter, what to show. A cell
claims the items it delivers in its metadata: ``"ledger": ["K6.l4", "K6.e2"]``.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SOURCES = {
    "K": "Gafarov, Gilemzyanov: Neural Networks in PyTorch (Kazan Federal University, 2024)",
    "L": "Neural Networks in Machine Learning, lecture 2 (slides)",
    "T": "Techniques of working with PyTorch (notes on Stevens, Antiga, Viehmann, 2020)",
    "B": "Pointer: Programming PyTorch for Deep Learning (O'Reilly, 2019)",
}
SOURCE_NAMES = {
    "K": "the textbook",
    "L": "the lecture",
    "T": "the notes",
    "B": "the O'Reilly book",
}
# Kind of an item -> what pages call it.
KINDS = {
    "concept": "idea",
    "data": "data set",
    "erratum": "correction",
    "figure": "figure",
    "formula": "formula",
    "listing": "program",
    "question": "question",
    "result": "result",
}


@dataclass(frozen=True)
class Item:
    """One thing that a source teaches."""

    id: str
    kind: str
    home: str
    show: str

    @property
    def source(self) -> str:
        """The letter of the source: K, L, T or B."""
        return self.id[0]


@dataclass(frozen=True)
class Claim:
    """A cell that delivers an item."""

    notebook: str
    cell: int


def _root() -> Path:
    from helpers import env  # here, since it imports torch, which the book's pages can do without

    root = env.checkout_root()
    if root is None:
        raise FileNotFoundError(
            "the ledger is part of the course's repository, not of the installed package; "
            "clone the repository and install it with `pip install -e .`"
        )
    return root


def items(path: Path | None = None) -> list[Item]:
    """Read the ledger.

    Args:
        path: the table; default ``book/ledger.tsv`` of the checkout.

    Raises:
        ValueError: for a duplicate id or an unknown kind, with its line number.

    Example:
        >>> len(items())
        1324
    """
    path = path or _root() / "book" / "ledger.tsv"
    found: dict[str, Item] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(rows, start=2):
            item = Item(row["id"], row["kind"], row["home"], row["show"])
            if item.id in found:
                raise ValueError(f"{path.name} line {number}: id {item.id} appears twice")
            if item.kind not in KINDS:
                raise ValueError(f"{path.name} line {number}: unknown kind {item.kind!r}")
            found[item.id] = item
    return list(found.values())


def claims(folder: Path | None = None) -> dict[str, list[Claim]]:
    """Collect which cells claim which items.

    Args:
        folder: the folder of notebooks; default ``notebooks/`` of the checkout.

    Returns:
        Item id -> claims, in the order of notebooks and cells. Ids are not checked here.
    """
    folder = folder or _root() / "notebooks"
    found: dict[str, list[Claim]] = defaultdict(list)
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for index, cell in enumerate(notebook["cells"]):
            for item_id in cell["metadata"].get("ledger", []):
                found[item_id].append(Claim(path.stem, index))
    return dict(found)


def coverage(folder: Path | None = None) -> tuple[int, int]:
    """Return how many ledger items are claimed, and how many there are."""
    known = {item.id for item in items()}
    return len(known & claims(folder).keys()), len(known)
