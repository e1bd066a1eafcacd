"""A book of which a chapter fails: built without it only if asked, and the page says so."""

from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat import v4

from tools import build_book

ROOT = Path(__file__).parents[1]


@pytest.fixture
def notebook(tmp_path):
    stored = [v4.new_output("stream", text="stored\n")]
    cells = [
        v4.new_code_cell("%pip install x", metadata={"tags": ["remove-cell"]}),
        v4.new_code_cell("1 / 0", outputs=stored),
    ]
    path = tmp_path / "01_a.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_the_page_shows_stored_outputs_and_says_so_while_it_is_built(notebook, tmp_path):
    cache = get_cache(tmp_path / "cache")
    before = notebook.read_bytes()
    read = nbformat.read(notebook, as_version=4)
    with build_book.stored_in_place(cache, {notebook: "It failed."}):
        assert build_book.is_cached(cache, read)
        _, merged = cache.merge_match_into_notebook(read)
        note, stored = merged.cells[1].outputs
        assert note.data["text/markdown"] == "> **Note.** It failed."
        assert stored.text == "stored\n"
        assert merged.cells[0].outputs == []
    assert not build_book.is_cached(cache, read), "the next build must execute it"
    assert notebook.read_bytes() == before


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Run the command with a failing chapter; return its exit status and what was built."""
    failed = [ROOT / "notebooks" / "05_backpropagation.ipynb"]
    built = []

    def build_site(root, output, *, stored=False):
        cached = get_cache(tmp_path / "cache").list_cache_records()
        built.append(sorted(Path(record.uri).stem for record in cached))
        index = output / "_build" / "html" / "index.html"
        index.parent.mkdir(parents=True)
        index.write_text("")
        return 0

    monkeypatch.setattr(build_book, "execute_all", lambda output, only=(): failed)
    monkeypatch.setattr(build_book, "build_site", build_site)
    monkeypatch.setattr(build_book.course, "cache_path", lambda root: tmp_path / "cache")
    return lambda *options: (build_book.main(["--output", str(tmp_path), *options]), built)


def test_a_failing_chapter_ends_the_build(build, capsys):
    assert build() == (1, [])
    assert "05_backpropagation failed" in capsys.readouterr().err


def test_the_others_are_built_if_asked(build):
    assert build("--keep-going") == (0, [["05_backpropagation"]])


def test_chapters_that_are_not_asked_for_show_what_is_stored(build):
    names = {path.stem for path in build_book.notebooks()}
    status, (shown,) = build("--keep-going", "--only", "05_backpropagation", "04_autograd")
    assert status == 0
    assert set(shown) == names - {"04_autograd"}
