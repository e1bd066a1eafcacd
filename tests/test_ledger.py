"""Proved coverage: claims exist, and each chapter that exists delivers the rows it is home of."""

import json
from pathlib import Path

import pytest

from helpers import ledger

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# A kind that needs code: its item can't be delivered by a sentence alone.
NEEDS_CODE = {"listing", "result", "formula", "figure", "data"}


def test_ledger_has_every_item_once():
    items = ledger.items()
    assert len(items) == 1324
    assert {item.source for item in items} == set(ledger.SOURCES)


def test_ledger_reports_a_duplicate(tmp_path):
    path = tmp_path / "ledger.tsv"
    path.write_text("id\tkind\thome\tshow\nK1.c1\tconcept\t02\tx\nK1.c1\tconcept\t02\ty\n")
    with pytest.raises(ValueError, match=r"line 3: id K1.c1 appears twice"):
        ledger.items(path)


def test_every_claimed_id_is_in_the_ledger():
    known = {item.id for item in ledger.items()}
    unknown = {
        item_id: [f"{c.notebook} cell {c.cell}" for c in where]
        for item_id, where in ledger.claims().items()
        if item_id not in known
    }
    assert not unknown


def test_existing_chapters_deliver_every_row_they_are_home_of(capsys):
    chapters = {path.stem[:2] for path in NOTEBOOKS}
    claimed = ledger.claims().keys()
    missing = [
        f"{item.id} (home {item.home}): {item.show}"
        for item in ledger.items()
        if item.home in chapters and item.id not in claimed
    ]
    assert not missing, "\n".join(missing)
    with capsys.disabled():
        done, total = ledger.coverage()
        print(f"\nledger coverage: {done} of {total} items", end="")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_items_that_need_code_are_claimed_by_a_code_cell(path):
    kinds = {item.id: item.kind for item in ledger.items()}
    by_code, by_text = set(), set()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        target = by_code if cell["cell_type"] == "code" else by_text
        target.update(cell["metadata"].get("ledger", []))
    only_text = {i for i in by_text - by_code if kinds[i] in NEEDS_CODE}
    assert not only_text
