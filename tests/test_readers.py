"""What the site adds for readers: links, runs, feedback, icons, words; on small examples."""

from __future__ import annotations

import base64
import doctest
import io
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageDraw
from sphinx.errors import ExtensionError

from helpers import ledger
from helpers.ledger import Item

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course import crosslinks, figures, finish, landing, loading, readers, runs, wording  # noqa: E402

from tools import build_book, notebook  # noqa: E402

# ---------------------------------------------------------------- the run behind a page


def example(*outputs: str) -> nbformat.NotebookNode:
    cells = [new_code_cell("x", outputs=[new_output("stream", text=text)]) for text in outputs]
    return new_notebook(cells=cells)


START = "05_x · device cuda · profile full · data auto · seed 0\n"


def a_run(*outputs: str, time: float | None = 75.0) -> runs.Run:
    return runs.read_run(
        example(*outputs), where="EPYC", date="2026-01-02", commit="abc", time=time
    )


def test_run_is_read_from_what_the_cells_printed() -> None:
    run = a_run(
        START,
        "mnist: STAND-IN: small digits, 9 images; results are not MNIST results\nmore",
        "iris: real data, 150 rows",
    )
    assert (run.device, run.profile) == ("cuda", "full")
    assert run.stand_ins == {"mnist": "small digits, 9 images"}
    assert run.real == {"iris": "150 rows"}
    text = runs.box(run, "status.html")
    for part in (
        "EPYC; 2026-01-02",
        "full, device cuda, 1.2 min",
        "small digits",
        "torch 2",
        "abc",
    ):
        assert part in text


def test_only_a_page_on_stand_ins_says_so_at_its_top() -> None:
    assert "substitutes for mnist;" in runs.banner(
        a_run("mnist: STAND-IN: digits; results are not x")
    )
    assert runs.banner(a_run("iris: real data, 150 rows")) == ""


def test_stored_outputs_have_the_day_of_their_notebook() -> None:
    found = runs.read_runs(ROOT, ROOT / "no such folder", stored=True)
    assert len(found) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert all(run.seconds is None and len(run.date) == 10 for run in found.values())
    assert found["12_image_classification"].stand_ins


# ---------------------------------------------------------------- feedback

BODY = """<section id="top"><h1>Title<a class="headerlink" href="#top">#</a></h1><p>a</p>
<section id="one"><h2>One &amp; only<a class="headerlink" href="#one">#</a></h2><p>b</p>
<section id="two"><h3>Two</h3><p>c</p></section></section>
</section>"""


def test_each_section_ends_with_a_link_to_the_form() -> None:
    page = readers.chapter_body(
        BODY, a_run(START), chapter="05_x", repository="https://github.com/a/b",
        build={"versions": "torch 2", "commit": "abc"}, status="s.html",
    )  # fmt: skip
    links = [part.partition('"')[0] for part in page.split('feedback"><a href="')[1:]]
    assert len(links) == 2
    assert page.index("b</p>") < page.index(links[0]) < page.index('id="two"')
    fields = parse_qs(urlsplit(links[0].replace("&amp;", "&")).query)
    assert fields["section"] == ["One & only (#one)"]
    assert fields["chapter"] == ["05_x"]
    assert fields["commit"] == ["abc"]
    assert page.count("<section") == page.count("</section>")
    assert page.index("how-this-page-was-run") > page.index("c</p>")


def test_the_form_has_the_fields_that_the_links_fill() -> None:
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / readers.FORM).read_text(encoding="utf-8")
    for name in ("chapter", "section", "versions", "commit"):
        assert f"id: {name}\n" in form


# ---------------------------------------------------------------- terms and corrections


def test_a_term_is_linked_once_and_not_in_code_or_links() -> None:
    terms = {"Learning rate": "The size of a step.", "LSTM": "A cell.", "Head": "Last layers."}
    document = new_document("page")
    text = "A learning rate, two learning rates, an LSTM, no lstm, a head."
    document += nodes.paragraph("", "", nodes.literal("", "LSTM"), nodes.Text(text))
    document += nodes.title("", "LSTM")
    linked = crosslinks.link_terms(
        document, terms, {term: f"g.html#{term}" for term in terms}, crosslinks.pattern_of(terms)
    )
    found = list(document.findall(nodes.reference))
    assert linked == 2
    assert [link.astext() for link in found] == ["learning rate", "LSTM"]
    assert found[0]["reftitle"] == "The size of a step."
    assert document[0].astext() == f"LSTM{text}"


def test_the_glossary_gives_russian_names_and_other_spellings() -> None:
    terms = crosslinks.read_terms(ROOT)
    assert terms["Optimizer"] == terms["оптимизатор"] == terms["Optimiser"]
    assert "notebooks" not in "".join(terms.values())
    latin = [term for term in terms if term[0].isascii()]
    assert len(terms) - len(latin) > 200


def test_the_glossary_is_folded_by_letter() -> None:
    assert doctest.testmod(readers).failed == 0
    names = ["1x", "adam", "Ax", "Bit"]
    entries = [f'<dt id="term-{name}">{name}</dt><dd><p>y</p>\n</dd>' for name in names]
    page = readers.with_letters(f'<dl class="simple glossary">{chr(10).join(entries)}</dl> end')
    assert re.findall(r'<a href="#letter-(.)">', page) == ["0", "A", "B"]
    folds = [part.partition("</details>")[0] for part in page.split("<details")[1:]]
    assert [re.findall(r'id="(letter-.|term-\w+)"', fold) for fold in folds] == [
        ["letter-0", "term-1x"], ["letter-A", "term-adam", "term-Ax"], ["letter-B", "term-Bit"]
    ]  # fmt: skip
    assert "<summary>A <span>adam – Ax</span>" in folds[1]
    assert page.endswith("</dl></details> end")
    assert readers.with_letters("<dl>no glossary</dl>") == "<dl>no glossary</dl>"


CELLS = [
    new_markdown_cell("<details><summary>Correction (K3): a `b`</summary>\n\nb\n\n</details>"),
    new_code_cell("x"),
    new_markdown_cell("Text.\n\n> **Correction (B1).** It is so, and *not* otherwise at all."),
]


def test_a_correction_leads_to_its_rows() -> None:
    known = {
        ("n", "a b"): crosslinks.Rows(("K3.e1", "K3.e2"), ""),
        ("n", "It is so, and not otherwise"): crosslinks.Rows((), "smaller than a row"),
    }
    boxes = crosslinks.errata_of_boxes(CELLS, known, "n")
    assert boxes == [("K3.e1", "K3.e2"), ()]
    body = (
        "<details><summary>Correction (K3): a</summary><p>b</p></details>"
        "<blockquote>\n<div><p><strong>Correction (B1).</strong> c</p></div></blockquote>"
    )
    page = crosslinks.with_row_links(body, boxes, "c.html")
    assert page.index("c.html#K3.e1") < page.index("c.html#K3.e2") < page.index("<p>b</p>")
    assert page.count("row-link") == 1
    with pytest.raises(ExtensionError, match="2 corrections on a page, 1 in its notebook"):
        crosslinks.with_row_links(body, boxes[:1], "c.html")


def test_a_correction_without_a_line_in_the_table_stops_the_build() -> None:
    with pytest.raises(ExtensionError, match="no line for the correction 'a b'"):
        crosslinks.errata_of_boxes(CELLS, {}, "n")


def test_every_correction_box_has_its_rows_or_the_reason_why_it_has_none() -> None:
    known = crosslinks.read_boxes(ROOT)
    claimed = ledger.claims().keys()
    errata = {item.id for item in ledger.items() if item.kind == "erratum"}
    left = set(known)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        boxes = crosslinks.boxes_of(cells)
        text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        assert len(boxes) == len(re.findall(r"Corrections? \([A-Z]\d", text)), path.stem
        for box in boxes:
            where = (path.stem, box.name)
            assert where in known, f"book/boxes.tsv has no line for {where}"
            assert where in left, f"{where} is there twice"
            left.remove(where)
            items, reason = known[where]
            assert bool(items) != bool(reason), f"{where}: rows, or a reason; one of them"
            assert set(items) <= errata & claimed, where
            assert {item[0] for item in items} <= set(box.sources), f"{where}: another source"
    assert left == set(), "lines of boxes that are gone"


# The ledger speaks to authors; the list of corrections, to readers who have not read the source.
TO_AUTHORS = re.compile(
    r"^(?:Correct|Show|Explain|Warn|Qualify|Complete|Supply|Assert|Demonstrate)\b"
    r"|\b[KLTB]\d\.[a-z]\d|\bFigs?\.|\(show it\)|scaled-down"
)


def test_every_correction_says_what_the_source_says_and_what_is_true() -> None:
    words = wording.read_corrections(ROOT)
    errata = [item.id for item in ledger.items() if item.kind == "erratum"]
    assert list(words) == errata, "one line an error, in the order of the ledger"
    for name, pair in words.items():
        for text in pair:
            assert text, name
            assert text == " ".join(text.split()), name
            assert TO_AUTHORS.search(text) is None, f"{name}: {text}"
            assert not text.endswith("."), f"{name}: a cell of a table has no full stop"


@pytest.mark.parametrize(
    ("show", "words"),
    [
        ("Explain the loop -> x^2 <= 1 (scaled-down stand-in allowed)", "The loop → x² ≤ 1"),
        ("Say what an RNN is", "What an RNN is"),
        ("Run both and compare", "Run both and compare"),
    ],
)
def test_topics_are_no_commands(show: str, words: str) -> None:
    assert wording.topic(Item("K1.c1", "concept", "02", show)) == words


# ---------------------------------------------------------------- finished pages


def picture(path: Path, *, dark: bool, dpi: int = 100) -> Path:
    image = Image.new("RGB", (400, 300), "black" if dark else "white")
    ImageDraw.Draw(image).line((0, 0, 400, 300), "blue", 3)
    image.save(path, dpi=(dpi, dpi))
    return path


def test_figures_get_their_size_and_drawings_are_known(tmp_path: Path) -> None:
    (tmp_path / "_images").mkdir()
    picture(tmp_path / "_images" / "a.png", dark=False, dpi=200)
    picture(tmp_path / "_images" / "b.png", dark=True)
    html = '<img alt="x" src="../_images/a.png" /><img alt="y" src="../_images/b.png" />'
    page = finish.finished(html, tmp_path)
    assert 'a.png" width="200" height="150" loading="lazy" decoding="async" data-kind' in page
    assert 'b.png" width="400" height="300" loading="lazy" decoding="async" />' in page
    assert finish.finished(page, tmp_path) == page


def test_pages_do_not_load_what_only_the_search_needs(tmp_path: Path) -> None:
    head = (
        '<script defer src="s/fontawesome.js?x"></script><script src="../searchindex.js"></script>'
        '<script src="_static/documentation_options.js"></script><script src="a.js"></script>'
    )
    page = finish.finished(head, tmp_path)
    assert page == (
        '<script src="_static/documentation_options.js"></script><script defer src="a.js"></script>'
    )
    assert "searchindex" in finish.finished(head, tmp_path, search=True)


def test_only_the_icons_that_are_used_stay() -> None:
    css = '.fa-a:before,.fa-b:before{content:"\\f001"}.fa-c:before{content:"\\f002"}.x{y:"\\f003"}'
    assert finish.icon_points(css, {"fa-b"}) == {0xF001, 0xF003}


def test_executed_figures_have_double_density_and_few_colours() -> None:
    cell = new_code_cell("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])")
    done = notebook.execute(
        ROOT / "notebooks" / "x.ipynb", timeout=120, env=notebook.environment(),
        notebook=new_notebook(cells=[cell]), double=True,
    )  # fmt: skip
    png = notebook.shrink(done.notebook.cells[0].outputs[0].data["image/png"])
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        assert image.mode == "P"
        assert image.info["dpi"][0] > 150
    assert build_book.shrink is notebook.shrink


def test_the_landing_page_counts_and_shows_a_figure(tmp_path: Path) -> None:
    alt = landing.write_figure(ROOT, tmp_path)
    assert alt.startswith(landing.FIGURE[1])
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------- figures


def test_captions_are_numbered_in_the_order_of_the_page() -> None:
    assert doctest.testmod(figures).failed == 0
    image = '<img alt="Left: a &lt; b. Right: c." src="../_images/{}.png" />'
    page = '<h2>A <span id="x"></span>way<a class="headerlink" href="#a">#</a></h2>'
    page += image.format("a") + image.format("b")
    done = figures.with_captions(page + '<img src="../_static/logo.svg" alt="x">', 7)
    assert re.findall(r">Figure ([\d.]+)<", done) == ["7.1", "7.2"]
    assert re.findall(r'<figure id="([^"]+)"', done) == ["fig-1", "fig-2"]
    assert done.count(image.format("a")) == 1, "the alternative text stays as it is"
    assert done.count(">A <span></span>way</span>") == 2, "no id and no link stands twice"


def test_no_caption_is_long_or_only_says_where_a_part_is() -> None:
    words = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            if alt := cell.metadata.get("mystnb", {}).get("image", {}).get("alt"):
                words.append(figures.caption(alt))
    said = [text for text in words if text]
    assert len(said) > 0.75 * len(words)
    assert [text for text in said if len(text) > figures.LONGEST + 1] == []
    assert [text for text in said if text.startswith(("Left", "Right", "Above"))] == []


# ---------------------------------------------------------------- what the pages wait for

HEAD = """<link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
<!-- a -->
<link rel="stylesheet" type="text/css" href="../_static/custom.css?v=2" />
<script src="../_static/documentation_options.js?v=1"></script>
<script data-sd-tabs-x="y" src="../_static/design-tabs.js"></script>
<script>window.MathJax = {"options": {"processHtmlClass": "math|output_area"}}</script>
<script defer="defer" src="../_static/mathjax/tex-chtml.js?v=1"></script>
"""


def test_a_page_waits_for_one_style_sheet(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "theme.css").write_text('@charset "UTF-8";@import "../basic.css";a{}')
    (tmp_path / "basic.css").write_text("b{background:url(file.png)}")
    (tmp_path / "custom.css").write_text('c{background:url("data:x")}')
    files = loading.sheets_of(HEAD)
    assert files == ["styles/theme.css", "custom.css"]
    mark = loading.write_sheet(tmp_path, files)
    css = (tmp_path / loading.SHEET).read_text()
    assert css.index("b{background:url(../file.png)}") < css.index("a{}") < css.index("c{")
    assert "@" not in css
    page = loading.with_one_sheet(HEAD, mark)
    assert re.findall(r'href="([^"]+)"', page) == [f"../_static/styles/site.css?v={mark}"]
    # A later build reads the same sheets again, and only their text changes.
    (tmp_path / "custom.css").write_text("d{}")
    later = loading.write_sheet(tmp_path, loading.sheets_of(page))
    assert later != mark
    assert "d{}" in (tmp_path / loading.SHEET).read_text()
    assert f"?v={later}" in loading.with_one_sheet(page, later)


def test_only_a_page_with_formulas_loads_mathjax() -> None:
    page = loading.without_waiting(HEAD, "const DOCUMENTATION_OPTIONS = {};")
    assert "mathjax/" not in page
    assert "<script>const DOCUMENTATION_OPTIONS = {};</script>" in page
    assert "<script defer data-sd-tabs" in page
    script = '<script defer src="../_static/custom.js">'
    for table, waits in (
        ("", 0),
        ('<table class="table">', 1),
        ('<table class="table cell_output', 0),
    ):
        page = loading.without_waiting(f"{script}{table}", "")
        assert page.count('blocking="render"') == waits
        assert loading.without_waiting(page, "") == page
    for formula in ('<span class="math notranslate">', '<div class="output_area">'):
        page = loading.without_waiting(HEAD + formula, "")
        assert "mathjax/tex-chtml.js" in page
        assert page.count("pageReady") == 1
        assert loading.without_waiting(page, "") == page
