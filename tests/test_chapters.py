"""The lists of chapters in _toc.yml and README.md are made from book/chapters.yml."""

import shutil
from pathlib import Path

import pytest
import yaml

from tools import chapters

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def copy(tmp_path):
    """Return a folder with the plan, both files, and empty notebooks."""
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    for name in ("_toc.yml", "README.md", "book/chapters.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        (tmp_path / "notebooks" / path.name).touch()
    return tmp_path


def test_both_lists_are_up_to_date():
    assert chapters.main(["--check"]) == 0


def test_a_new_chapter_is_listed_in_its_part_and_order(copy, capsys):
    for name in ("12_image_classification", "23_ct_scans"):  # the part of the latter has a colon
        (copy / "notebooks" / f"{name}.ipynb").touch()
    before = (copy / "README.md").read_text()
    assert chapters.main(["--check"], copy) == 1
    assert "_toc.yml, README.md out of date" in capsys.readouterr().err
    assert (copy / "README.md").read_text() == before, "a check writes nothing"
    assert chapters.main([], copy) == 0
    assert chapters.main(["--check"], copy) == 0
    toc = yaml.safe_load((copy / "_toc.yml").read_text(encoding="utf-8"))
    listed = {part["caption"]: [e["file"] for e in part["chapters"]] for part in toc["parts"]}
    images = ["11_homework", "12_image_classification", "13_convolutions", "16_transfer_learning"]
    assert listed["III · Images"] == [f"notebooks/{name}" for name in images[1:]]
    assert listed["VI · A case study: lung nodules in CT"] == ["notebooks/23_ct_scans"]
    assert {"The course", "Evidence", "Reference"} <= listed.keys(), "the rest stays"
    readme = (copy / "README.md").read_text(encoding="utf-8")
    places = [readme.index(f"(notebooks/{name}.ipynb)") for name in images]
    assert places == sorted(places)
    assert readme.startswith(before.partition("<!--")[0])
    assert readme.endswith(before.rpartition("-->")[2])


def test_a_file_without_its_marks_is_named(copy):
    (copy / "README.md").write_text("nothing")
    with pytest.raises(SystemExit, match=r"README\.md: put the list between"):
        chapters.main([], copy)
