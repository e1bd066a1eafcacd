"""The generated pages of the book, its table of contents, and the tool that executes notebooks."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from jupyter_cache import get_cache
from markdown_it import MarkdownIt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.errors import ExtensionError

import data_scripts
from helpers import ledger
from helpers.ledger import Claim, Item

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course  # noqa: E402 - it lies in the folder that the line above adds
from course import (  # noqa: E402  # noqa: E402
    benchmarks,
    key,
    markdown,
    mathjax,
    models,
    pages,
    plan,
    replication,
    sources,
    status,
)

from tools import build_book, notebook  # noqa: E402

# ---------------------------------------------------------------- table of contents and plan


def listed_notebooks() -> list[dict[str, str]]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    return [entry for entry in entries if entry["file"].startswith("notebooks/")]


def test_toc_lists_exactly_the_notebooks_in_order() -> None:
    files = [Path(entry["file"]).name for entry in listed_notebooks()]
    assert files == [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def test_toc_agrees_with_the_plan() -> None:
    planned = {chapter.name: chapter for chapter in plan.chapters(ROOT)}
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        for entry in part["chapters"]:
            if entry["file"].startswith("notebooks/"):
                chapter = planned[Path(entry["file"]).name]
                assert (entry["title"], part["caption"]) == (chapter.label, chapter.part)


def test_plan_has_32_numbered_chapters_and_every_source_chapter() -> None:
    planned = plan.chapters(ROOT)
    assert [chapter.number for chapter in planned] == list(range(1, 33))
    lines = (ROOT / "book" / "ledger.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert {source for chapter in planned for source in chapter.sources} == {
        line.split(".")[0] for line in lines
    }


def test_repository_address_is_only_in_the_configuration() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address = config["repository"]["url"].removeprefix("https://")
    found = [*ROOT.glob("book/*.md"), *ROOT.glob("book/_*/**/*.*"), ROOT / "_toc.yml"]
    assert [p.name for p in found if address.encode() in p.read_bytes()] == []


# ---------------------------------------------------------------- the key of the cache


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["numpy>=1"]\n')
    for name in (
        "helpers/a.py",
        "data_scripts/b.py",
        "helpers/recorded/01.json",
        "requirements.lock",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    return tmp_path


@pytest.mark.parametrize(
    "changed",
    [
        "helpers/a.py",
        "helpers/models/new.py",
        "data_scripts/b.py",
        "requirements.lock",
        "helpers/recorded/01.json",
    ],
)
def test_key_follows_the_files_that_notebooks_use(tree: Path, changed: str) -> None:
    before = course.execution_key(tree, {})
    assert before == course.execution_key(tree, {})
    (tree / changed).parent.mkdir(exist_ok=True)
    (tree / changed).write_text("2")
    assert course.execution_key(tree, {}) != before


def test_key_follows_settings_but_not_the_number_of_jobs(tree: Path) -> None:
    keys = {
        course.execution_key(tree, {}),
        course.execution_key(tree, {"COURSE_PROFILE": "full"}),
        course.execution_key(tree, {"COURSE_DATA": "standin"}),
        course.execution_key(tree, {"CUDA_VISIBLE_DEVICES": ""}),
    }
    assert len(keys) == 4
    assert course.execution_key(tree, {"COURSE_JOBS": "3", "HOME": "x"}) in keys


def test_key_follows_versions(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = course.execution_key(tree, {})
    monkeypatch.setattr(key.importlib.metadata, "version", lambda name: "99")
    assert course.execution_key(tree, {}) != before


def test_key_ignores_compiled_files_and_what_an_official_run_writes(tree: Path) -> None:
    official = {"COURSE_DATA": "official"}
    before = course.execution_key(tree, {}), course.execution_key(tree, official)
    (tree / "helpers" / "__pycache__").mkdir()
    (tree / "helpers" / "__pycache__" / "a.pyc").write_text("x")
    assert course.execution_key(tree, {}) == before[0]
    (tree / "helpers" / "recorded" / "01.json").write_text("2")
    assert course.execution_key(tree, official) == before[1]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data set with one file, and the path of the file in an empty cache."""
    body = b"real data"
    file = data_scripts.File("a.txt", (), hashlib.sha256(body).hexdigest(), len(body), "a.txt")
    made = data_scripts.DataSet(
        "tiny", "t", "h", "l", "c",
        lambda folder: {"text": (folder / "a.txt").read_text()},
        (file,), standin=data_scripts.StandIn(lambda seed: {"text": "made up"}, "text", "none"),
    )  # fmt: skip
    monkeypatch.setitem(data_scripts.REGISTRY, "tiny", made)
    for name, value in {"": "auto", "_DIR": str(tmp_path / "data"), "_MIRROR": ""}.items():
        monkeypatch.setenv(f"COURSE_DATA{name}", value)
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    return tmp_path / "data" / "tiny" / "a.txt"


def test_key_follows_the_data_that_is_there(
    tree: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed() -> list[str]:  # in these modes the data that is there changes no output
        return [course.execution_key(tree, {"COURSE_DATA": m}) for m in ("official", "standin")]

    without, others = course.execution_key(tree, {}), fixed()
    assert "tiny" not in course.real_data({})
    tiny.write_bytes(b"real data")  # as `python -m data_scripts fetch tiny` does
    with_data = course.execution_key(tree, {})
    assert with_data != without
    assert "tiny" in course.real_data({"COURSE_DATA": "auto"})
    assert others == fixed()
    tiny.rename(tmp_path / "a.txt")
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path))
    assert course.execution_key(tree, {}) == with_data, "a mirror has the same content"


def test_data_that_came_meanwhile_makes_only_its_stand_ins_stale(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "cache_path", lambda root: tmp_path / "caches" / "new")
    folder = tmp_path / "caches" / "old"
    store = get_cache(folder)
    texts = ["tiny: STAND-IN: text, 1 row; none", "tiny: real data", "other: STAND-IN: x"]
    for number, text in enumerate(texts):
        cell = new_code_cell(f"{number}", outputs=[new_output("stream", text=f"a\n{text}\n")])
        bundle = build_book.CacheBundleIn(new_notebook(cells=[cell]), f"{number}_a.ipynb")
        store.cache_notebook_bundle(bundle, check_validity=False)
    moved = build_book.follow_data(folder, {"tiny"})
    assert moved == tmp_path / "caches" / "new"
    assert not folder.exists()
    left = [record.uri for record in get_cache(moved).list_cache_records()]
    assert sorted(left) == ["1_a.ipynb", "2_a.ipynb"]
    assert build_book.follow_data(moved, set()) == moved


# ---------------------------------------------------------------- pages


def chapter(name: str, title: str, *, exists: bool) -> Any:
    return plan.Chapter(name, title, "about", ("K1",), "I", exists)


@pytest.fixture
def example() -> Any:
    """A course with one written chapter and one planned one."""
    items = [
        Item("K1.c1", "concept", "02", "Show a|b, *c* and x_i <tag> $5 `d`"),
        Item("K1.e1", "erratum", "02", "Correct the timing (scaled-down stand-in allowed)"),
        Item("K1.e2", "erratum", "03", "Correct the rest"),
        Item("K1.r1", "result", "02", "Report 0.5"),
        Item("B1.r1", "result", "03", "Report 7"),
    ]
    headings = [None, plan.Heading("Strides", "strides"), plan.Heading("With x", "")]
    written = plan.Notebook("02_tensors", "model = models.MLP(3)\nthe word Net", headings)
    return plan.Course(
        chapters=[
            chapter("02_tensors", "Tensors", exists=True),
            chapter("03_data", "Data", exists=False),
        ],
        items=items,
        claims={
            "K1.c1": [Claim("02_tensors", 0)],
            "K1.e1": [Claim("02_tensors", 1), Claim("02_tensors", 2)],
        },
        notebooks={"02_tensors": written},
        sources={"K": "Textbook", "B": "Book"},
    )


def table_cells(markdown: str) -> list[str]:
    """Return the text of every cell of the tables in a page, as a reader sees it."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    cells = []
    for before, token in itertools.pairwise(tokens):
        if before.type == "td_open":
            shown = (c.content for c in token.children or [] if c.type in ("text", "code_inline"))
            cells.append("".join(shown))
    return cells


def test_source_map_counts_and_links(example: Any) -> None:
    found = sources.source_map_pages(example)
    assert set(found) == {"source_map", "source_map_k", "source_map_b"}
    assert "**2 of 5** items" in found["source_map"]
    assert "| idea | 1 | 1 |" in found["source_map"]
    assert "[the textbook (K)](source_map_k.md)" in found["source_map"]
    textbook = found["source_map_k"]
    assert "**2 of 4** items" in textbook
    assert "[2. Tensors](../../notebooks/02_tensors.ipynb)" in textbook
    assert "[2 › Strides](../../notebooks/02_tensors.ipynb#strides)" in textbook
    assert "planned: chapter 3" in textbook
    assert "stand-in allowed" not in textbook


def test_text_of_an_item_is_shown_sign_by_sign(example: Any) -> None:
    cells = table_cells(sources.source_map_pages(example)["source_map_k"])
    assert any(
        "A|b, *c* and x_i <tag> $5 d" in cell or cell.startswith("a|b, *c*") for cell in cells
    )


def test_corrections_are_counted_once_and_grouped(example: Any) -> None:
    page = sources.corrections_page(example, {"K1.e1": ("A clock is -> enough", "It is <= 2")})
    assert "**1 of 2** corrections" in page
    assert "<summary>1 correction</summary>" in page
    assert page.count('id="K1.e1"') == 1
    assert "| A clock is → enough " in page, "what the source says stands beside the truth"
    assert "| It is ≤ 2 |" in page
    assert "K1.e2" not in page


def record(**changes: Any) -> dict[str, Any]:
    return {
        "item": "K1.r1", "what": "accuracy", "value": 0.512345, "low": 0.5, "high": 0.52,
        "unit": "", "source": 0.5, "band": 0.02, "verdict": "reproduced", "reason": "",
        "tier": "official", "dataset": "mnist", "profile": "full", "hardware": "H200",
        "versions": {"torch": "2.14"}, "seeds": 3, "date": "2025-01-01",
        "commit": "abc", "code": "123",
    } | changes  # fmt: skip


def test_replication_shows_measured_and_missing_results(example: Any) -> None:
    page = replication.replication_page(example, [record()], {})
    assert "report 2 results. **1** of them" in page
    row = "| accuracy | 0.5 ± 0.02 | 0.5123 (0.5 to 0.52) | **reproduced** |"
    assert row in page.replace("\u00a0", " ")
    assert "mnist (official); profile full, 3 seeds; H200; torch 2.14; 2025-01-01" in page
    assert "| the textbook | 1 | 0 | 1 | 0 | 0 | 0 | 0 |" in page
    assert "| the O'Reilly book | 1 | 0 | 0 | 0 | 0 | 0 | 1 |" in page
    assert page.count("Not measured yet.") == 1


def test_replication_gives_the_reason_of_a_refutation(example: Any) -> None:
    changed = record(verdict="refuted", reason="leak of test data", seeds=1, band=None, source=None)
    page = replication.replication_page(example, [changed], {})
    row = "| – | 0.5123 | **refuted**: leak of test data |"
    assert row in page.replace("\u00a0", " ").replace(" (0.5 to 0.52)", "")


def test_replication_says_what_can_not_be_measured(example: Any) -> None:
    empty = {"value": None, "low": None, "high": None, "seeds": 0, "band": None}
    verdict = {"verdict": "not measurable here", "reason": "it would need the prices of 2019"}
    beyond = record(**empty, **verdict)
    page = replication.replication_page(example, [beyond], {})
    assert "report 2 results. **0** of them" in page
    assert "1 cannot be measured here" in page
    assert "| 0.5 | – | **not measurable here**: it would need the prices of 2019 |" in page


def test_a_result_with_several_numbers_is_counted_once(example: Any) -> None:
    pair = [record(), record(verdict="refuted"), record(verdict="measured")]
    page = replication.replication_page(example, pair, {})
    assert "| the textbook | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in page


def test_replication_says_what_a_cell_compares_in_every_build(example: Any) -> None:
    shown = {
        "K1.r1": replication.Shown("compared", "the shape (1, 2)"),
        "B1.r1": replication.Shown("quoted", "people would have to look"),
    }
    page = replication.replication_page(example, [], shown)
    assert "Compared in every build: the shape (1, 2); the build fails if it differs." in page
    assert "Quoted, not measured: people would have to look." in page
    assert "**1** more are no measurement" in page
    assert "| the textbook | 1 | 0 | 0 | 0 | 0 | 1 | 0 |" in page
    assert "| the O'Reilly book | 1 | 0 | 0 | 0 | 1 | 0 | 0 |" in page
    assert "Not measured yet." not in page
    measured = replication.replication_page(example, [record()], shown)
    assert "Compared in every build: the shape" not in measured, "a record says more"


def test_a_cell_compares_what_the_page_says_is_compared_in_every_build() -> None:
    shown = replication.read_shown(ROOT)
    kinds = {item.id: item.kind for item in ledger.items()}
    for name, (how, words) in shown.items():
        assert kinds.get(name) == "result", name
        assert how in ("compared", "quoted"), name
        assert words, name
        code = ""
        for claim in ledger.claims()[name]:
            path = ROOT / "notebooks" / f"{claim.notebook}.ipynb"
            cell = json.loads(path.read_text(encoding="utf-8"))["cells"][claim.cell]
            if cell["cell_type"] == "code":
                code += "".join(cell["source"]) + "\n"
        assert code, f"{name}: no code cell claims it"
        compares = re.search(r"^\s*(?:assert|raise)\b|\.assert_close\(", code, re.M)
        assert how == "quoted" or compares, f"{name}: its cells compare nothing"


def test_broken_results_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "02_tensors.json").write_text("{")
    with pytest.raises(ExtensionError, match=r"02_tensors\.json is not a file of recorded"):
        replication.read_records(tmp_path)


def test_benchmarks_page() -> None:
    assert "No benchmark has been recorded yet" in benchmarks.benchmarks_page({})
    case = {"group": "matmul", "name": "mm", "device": "cuda", "dtype": "fp32", "shape": "64×64",
            "median_s": 2.13e-4, "p10_s": 2e-4, "p90_s": 3e-4,
            "rate": 64.02e12, "unit": "FLOP/s", "share_of_limit": 0.87}  # fmt: skip
    spread = {"median": 2e-4, "p10": 1e-4, "p90": 3e-4}
    ratio = {"median": 1.015, "p10": 0.99, "p90": 1.02}
    loop = {"hardware": {"cpu": "CPU X"}, "versions": {"torch": "2.14.1"}, "rows": [
        {"workload": "tiny", "loop": "fit", "seconds_a_step": spread, "ratio": ratio}]}  # fmt: skip
    suite = {"hardware": {"accelerator": "H200", "driver": None}, "cases": [case]}
    page = benchmarks.benchmarks_page({"a": suite}, loop)
    assert "## H200" in page
    assert "| fit | 200 µs | 100 µs to 300 µs | 1.015 | 0.990 to 1.020 |" in page
    assert "| mm | cuda | fp32 | 64×64 | 213 µs | 200 µs to 300 µs | 64.02 TFLOP/s | 87 % |" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(3e-8, "30 ns"), (2.5e-6, "2.5 µs"), (0.012, "12 ms"), (1.5, "1.5 s"), (90, "1.5 min")],
)
def test_durations(value: float, text: str) -> None:
    assert markdown.seconds(value) == text


def test_model_index_reads_classes_and_finds_users(tmp_path: Path, example: Any) -> None:
    (tmp_path / "mlp.py").write_text(
        'class MLP:\n    """Like :class:`Net`, 1,234 parameters.\n\n    More, 5 parameters."""\n'
        "class _Hidden:\n    pass\nclass Net:\n    pass\n"
    )
    found = models.read_models(tmp_path)
    assert [(model.name, model.parameters) for model in found] == [("MLP", "1,234"), ("Net", "")]
    page = models.model_index_page(example, found)
    assert "| `MLP` | Like `Net`, 1,234 parameters. | 1,234 | [2. Tensors]" in page
    assert "| `Net` |  |  |  |" in page  # the word Net in a sentence is not the class
    own = "class Net(models.MLP):\n    pass\nnet = Net()\nimport Net"
    example.notebooks["02_tensors"].text = own  # a class of the chapter's own
    assert "| `Net` |  |  |  |" in models.model_index_page(example, found)
    example.notebooks["02_tensors"].text = "from helpers.models import MLP, Net"
    assert "| `Net` |  |  | [2. Tensors]" in models.model_index_page(example, found)


def test_status_page_lists_run_times(example: Any) -> None:
    page = status.status_page(example, {"02_tensors": (12.3, "2025-01-01")}, "Profile: quick.")
    assert "| 12.3 s | 2025-01-01 |" in page
    assert "Data" not in page.partition("## Versions")[0]
    assert "not executed" in status.status_page(example, {}, "")


def test_landing_table_marks_planned_chapters(example: Any) -> None:
    page = status.chapters_table(example)
    assert "**[Tensors](../notebooks/02_tensors.ipynb)**" in page
    assert "Data {bdg-secondary-line}`planned`" in page


def test_headings_get_the_anchors_that_myst_gives(tmp_path: Path) -> None:
    cells = [
        new_markdown_cell("# Title\n\ntext"),
        new_code_cell("1"),
        new_markdown_cell("## A `view`, again\n\n```python\n# no heading\n```"),
        new_markdown_cell("## A `view`, again"),
        new_markdown_cell("## With $x$"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "02_tensors.ipynb")
    found = plan.read_notebook(tmp_path / "02_tensors.ipynb").headings
    assert found[1] is None
    assert [heading.slug for heading in found[2:]] == ["a-view-again", "a-view-again-1", ""]


def test_unchanged_pages_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    assert pages.write_if_changed(path, "a\n\n")
    os.utime(path, (1, 1))
    assert not pages.write_if_changed(path, "a")
    assert path.stat().st_mtime == 1
    assert pages.write_if_changed(path, "b")


def test_mathjax_is_copied_with_its_fonts(tmp_path: Path) -> None:
    mathjax.copy_mathjax(tmp_path)
    assert (tmp_path / "tex-chtml.js").stat().st_size > 500_000
    assert len(list(tmp_path.glob("output/chtml/fonts/woff-v2/*.woff"))) > 10


def test_missing_mathjax_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathjax, "MATHJAX_PACKAGE", "no-such-package")
    mathjax.mathjax_folder.cache_clear()
    with pytest.raises(ExtensionError, match="make setup"):
        mathjax.mathjax_folder()
    mathjax.mathjax_folder.cache_clear()


# ---------------------------------------------------------------- executing notebooks


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty cache of executed notebooks."""
    return get_cache(tmp_path / "caches" / "key")


def write_notebook(path: Path, *sources: str, **metadata: Any) -> Path:
    cells = [new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(new_notebook(cells=cells, metadata={**kernel, **metadata}), path)
    return path


def test_notebooks_are_executed_once_in_their_own_folder(
    tmp_path: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_notebook(tmp_path / "01_a.ipynb", "import os\nopen('made', 'w').close()", "1 + 1")
    second = write_notebook(
        tmp_path / "02_b.ipynb",
        "import sys\nprint('careful', file=sys.stderr)",
        course={"alone": 1},
    )
    assert build_book.execute_stale([first, second], store, timeout=600) == []
    assert (tmp_path / "made").is_file()
    printed = capsys.readouterr().out
    assert "2 notebooks, 2 to execute" in printed
    assert "note: 02_b, cell 0 wrote to stderr: careful" in printed
    _, merged = store.merge_match_into_notebook(nbformat.read(first, 4))
    assert merged.cells[1].outputs[0].data["text/plain"] == "2"
    assert build_book.execute_stale([first, second], store, timeout=600) == []
    assert "2 notebooks, 0 to execute" in capsys.readouterr().out


def test_failures_name_the_cell_and_are_not_cached(tmp_path: Path, store: Any) -> None:
    bad = write_notebook(tmp_path / "01_bad.ipynb", "x = 1", "x / 0")
    dead = write_notebook(tmp_path / "02_dead.ipynb", "import os\nos._exit(1)")
    limit = {"timeout": 3}  # its own: on a busy machine the others may take longer
    slow = write_notebook(
        tmp_path / "03_slow.ipynb", "import time\ntime.sleep(600)", execution=limit
    )
    found = build_book.execute_stale([bad, dead, slow], store, timeout=600)
    errors = {outcome.path.stem: outcome.error for outcome in found}
    assert set(errors) == {"01_bad", "02_dead", "03_slow"}
    assert errors["01_bad"].startswith("cell 1\n")
    assert "x / 0" in errors["01_bad"]
    assert "ZeroDivisionError" in errors["01_bad"]
    assert "the kernel died" in errors["02_dead"]
    assert "timed out" in errors["03_slow"]
    assert store.list_cache_records() == []


def test_changed_code_or_tags_make_a_notebook_stale(store: Any) -> None:
    cells = new_notebook(cells=[new_code_cell("1")])
    assert not build_book.is_cached(store, cells)
    store.cache_notebook_bundle(build_book.CacheBundleIn(cells, "a"), check_validity=False)
    assert build_book.is_cached(store, cells)
    cells.cells.append(new_markdown_cell("only words"))
    assert build_book.is_cached(store, cells)
    cells.cells[0].metadata["tags"] = ["remove-cell"]
    assert not build_book.is_cached(store, cells)


def test_broken_notebook_stops_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "01_a.ipynb").write_text("{")
    with pytest.raises(SystemExit, match=r"01_a\.ipynb is not a notebook"):
        notebook.read(tmp_path / "01_a.ipynb")


def test_only_the_latest_caches_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    build_book.prune(tmp_path, tmp_path / "d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]


def test_a_failed_build_forgets_what_it_read(tmp_path: Path) -> None:
    memory = tmp_path / "_build" / ".doctrees"
    memory.mkdir(parents=True)
    assert build_book.build_site(tmp_path, tmp_path) != 0  # there is no book in this folder
    assert not memory.exists()


def test_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_JOBS", "3")
    assert build_book.jobs() == 3
    monkeypatch.setenv("COURSE_JOBS", "many")
    with pytest.raises(SystemExit, match="COURSE_JOBS='many'"):
        build_book.jobs()


def test_cells_of_the_full_profile_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_book.cell_timeout(1800, {"COURSE_PROFILE": "quick"}) == 1800
    assert build_book.cell_timeout(1800, {"COURSE_PROFILE": "full"}) == notebook.FULL_TIMEOUT
    assert build_book.cell_timeout(9999, {"COURSE_PROFILE": "full"}) == 9999
    for driver, expected in ((True, notebook.FULL_TIMEOUT), (False, 1800)):
        monkeypatch.setattr(course, "has_driver", lambda found=driver: found)
        assert build_book.cell_timeout(1800, {}) == expected


def test_figures_are_drawn_into_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")  # a test or a shell may have set it
    assert build_book.kernel_environment(2)["MPLBACKEND"].endswith("backend_inline")


def test_kernels_share_the_cores_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert build_book.kernel_environment(2)["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert build_book.kernel_environment(2)["OMP_NUM_THREADS"] == "5"


def test_run_times_come_from_the_cache(tmp_path: Path, store: Any) -> None:
    (tmp_path / "notebooks").mkdir()
    path = write_notebook(tmp_path / "notebooks" / "01_a.ipynb", "1 + 1")
    assert status.cached_runs(tmp_path, store.path) == {}
    bundle = build_book.CacheBundleIn(
        nbformat.read(path, 4), str(path), data={"execution_seconds": 4.0}
    )
    store.cache_notebook_bundle(bundle, check_validity=False)
    assert status.cached_runs(tmp_path, store.path)["01_a"][0] == 4.0
    path.write_text(json.dumps(json.loads(path.read_text())).replace("1 + 1", "1 + 2"))
    assert status.cached_runs(tmp_path, store.path) == {}
