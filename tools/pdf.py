"""Print the book: one PDF of a built site, with contents, page numbers and bookmarks.

    make pdf                                             # from _build/html to _build/course.pdf
    python tools/pdf.py --only 05_backpropagation        # some chapters
    python tools/pdf.py --site FOLDER --output FILE

A browser sets the formulas with the site's own MathJax and prints once; then the page of each
heading is known, goes into the contents, and the browser prints again. Needed: Chromium (`make
test` gets it, too). Debian's fonts-noto-core and fonts-jetbrains-mono make the letters better.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import address, browser  # noqa: E402 - the line above lets them be found
from tools.book_pages import (  # noqa: E402
    AUTHOR,
    SUBTITLE,
    TITLE,
    Page,
    code_style,
    headings,
    read,
)

if TYPE_CHECKING:
    from pypdf import PdfReader

STYLE = ROOT / "book" / "_static" / "print.css"
PATIENCE = 1_800_000  # milliseconds: a whole book on a slow machine
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
# As Sphinx's pages do: only what is marked as mathematics is set.
MATHJAX = """
window.MathJax = {
  options: {ignoreHtmlClass: ".*", processHtmlClass: "math", enableMenu: false,
            enableAssistiveMml: false}
};
"""
# A page may leave pictures for later.
LOADED = """
() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => null);
}))
"""
SHIFTED = {"h1": "h2", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6"}


def day(root: Path = ROOT) -> str:
    """Return the day of what is printed: of the version in CITATION.cff."""
    import yaml

    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    released = citation["date-released"]
    assert isinstance(released, datetime.date)
    return f"version {citation['version']}, {released.isoformat()}"


def cover(root: Path = ROOT) -> str:
    """Return the first page."""
    repository = address.built_from(root)[0]
    small = [
        f"{AUTHOR}, {day(root)}",
        "Text and figures: CC BY 4.0. Code: MIT. The sources are cited where they are used.",
        f"The chapters are notebooks that run: {repository}",
        f"Evidence (source maps, corrections, replication): {address.pages_address(repository)}",
    ]
    lines = "<br>".join(map(escape, small))
    return (
        f'<section class="cover"><h1>{TITLE}</h1><p class="subtitle">{SUBTITLE}</p>'
        f'<p class="small">{lines}</p></section>'
    )


def toc(pages: Sequence[Page]) -> str:
    """Return the contents; the numbers come later, into the empty spans."""

    def line(kind: str, target: str, text: str) -> str:
        number = '<span class="number"></span>'
        return f'<a class="of-{kind}" href="#{target}"><span>{escape(text)}</span>{number}</a>'

    lines = []
    for part, members in groupby(pages, lambda page: page.part):
        lines.append(f'<p class="of-part">{escape(part)}</p>')
        for page in members:
            lines.append(line("page", page.key, page.label))
            if page.name.startswith("notebooks/"):
                lines += [line("section", *heading) for heading in headings(page)]
    entries = "\n".join(lines)
    return f'<section class="toc"><h1>Contents</h1><div class="entries">{entries}</div></section>'


def running_heads(pages: Sequence[Page]) -> str:
    """Return a page style for each page of the book, with its title at the top."""
    rules = []
    for page in pages:
        title = page.label.replace("\\", "\\\\").replace('"', '\\"')
        font = 'font: 8.5pt "Noto Sans", "DejaVu Sans", sans-serif; color: #555'
        rules.append(f'@page {page.key} {{ @top-right {{ content: "{title}"; {font} }} }}')
        rules.append(f"#{page.key} {{ page: {page.key} }}")
    return "\n".join(rules)


def document(pages: Sequence[Page], site: Path, root: Path = ROOT) -> str:
    """Return the whole book as one page of HTML."""
    body = [cover(root), toc(pages)]
    for part, members in groupby(pages, lambda page: page.part):
        group = list(members)
        lines = "".join(f"<p>{escape(page.label)}</p>" for page in group)
        body.append(f'<section class="part"><h1>{escape(part)}</h1>{lines}</section>')
        for page in group:
            for heading in list(page.article.iter(*SHIFTED)):  # below the title of the part
                if heading.tag == "h1":
                    heading.set("class", "chapter")
                heading.tag = SHIFTED[heading.tag]
            body.append(etree.tostring(page.article, method="html", encoding="unicode"))
    mathjax = (site / "_static" / "mathjax" / "tex-chtml.js").resolve().as_uri()
    style = f"{code_style()}\n{STYLE.read_text(encoding='utf-8')}\n{running_heads(pages)}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f"<style>{style}</style><script>{MATHJAX}</script>"
        f'<script src="{mathjax}"></script></head><body>{"".join(body)}</body></html>'
    )


@contextmanager
def opened(file: Path) -> Iterator:
    """Open a page in a browser, with its formulas set and its pictures there.

    Raises:
        SystemExit: if there is no browser, or a picture is missing.
    """
    from playwright.sync_api import sync_playwright

    path = browser.find()
    if path is None:
        raise SystemExit("no browser: install chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            page = started.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(file.resolve().as_uri(), timeout=PATIENCE)
            page.evaluate("() => window.MathJax?.startup?.promise")
            page.evaluate(LOADED)
            broken = page.evaluate(
                "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
            )
            wrong = page.evaluate(
                "[...document.querySelectorAll('mjx-merror')].map(e => e.textContent)"
            )
            if broken or wrong:
                raise SystemExit(f"can't be shown: {', '.join([*broken, *wrong])[:2000]}")
            yield page
        finally:
            started.close()


NUMBERS = """
(numbers) => {
  for (const link of document.querySelectorAll('.toc a')) {
    const number = numbers[link.getAttribute('href').slice(1)];
    if (number) link.querySelector('.number').textContent = number;
  }
}
"""


# The text of print.css is 168 mm wide. What is wider is made smaller; it returns what is not.
WIDTH = 635  # CSS pixels
FIT = """
(width) => {
  const over = (e) => e.getBoundingClientRect().right - width - 2;
  const all = [...document.querySelectorAll('.page :is(table, mjx-container[display])')];
  for (const e of all.filter((e) => over(e) > 0)) {
    const box = e.getBoundingClientRect();
    e.style.zoom = (width - box.left) / box.width;
  }
  return [...document.querySelectorAll('.page :is(table, mjx-container, img, pre, p)')]
    .filter((e) => over(e) > 0 || (e.tagName === 'PRE' && e.scrollWidth > e.clientWidth + 2))
    .map((e) => e.closest('.page').id + ': ' + (e.textContent || e.src).trim().slice(0, 60));
}
"""


def page_numbers(reader: PdfReader) -> dict[str, int]:
    """Return the page, from 1, of each place that a link inside a PDF leads to."""
    indexes = {page.indirect_reference.idnum: number for number, page in enumerate(reader.pages, 1)}
    return {
        name.lstrip("/"): indexes[destination.page.idnum]
        for name, destination in reader.named_destinations.items()
    }


def finish(draft: Path, output: Path, pages: Sequence[Page], numbers: Mapping[str, int]) -> int:
    """Write a printed file with bookmarks and what it is; return how many sheets it has."""
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=draft)
    above = {}
    for page in pages:
        sheet = numbers[page.key] - 1
        if page.part not in above:
            above[page.part] = writer.add_outline_item(title=page.part, page_number=sheet - 1)
        parent = writer.add_outline_item(
            title=page.label, page_number=sheet, parent=above[page.part]
        )
        if page.name.startswith("notebooks/"):
            for anchor, text in headings(page, ("h3",)):  # h2 on the site
                writer.add_outline_item(title=text, page_number=numbers[anchor] - 1, parent=parent)
    writer.add_metadata({"/Title": f"{TITLE}: {SUBTITLE.lower()}", "/Author": AUTHOR,
                         "/Creator": "tools/pdf.py"})  # fmt: skip
    writer.page_mode = "/UseOutlines"
    writer.write(output)
    return len(writer.pages)


def write(pages: Sequence[Page], site: Path, output: Path) -> int:
    """Print pages into a PDF and return how many sheets it has.

    Args:
        pages: what to print, from :func:`tools.book_pages.read`.
        site: the folder of the site, for MathJax.
        output: the PDF.
    """
    from pypdf import PdfReader

    output.parent.mkdir(parents=True, exist_ok=True)
    source = output.with_suffix(".html")
    source.write_text(document(pages, site), encoding="utf-8")
    draft = output.with_suffix(".draft.pdf")
    with opened(source) as page:
        page.set_viewport_size({"width": WIDTH, "height": 900})
        page.emulate_media(media="print")
        if wide := page.evaluate(FIT, WIDTH):
            raise SystemExit(f"wider than the paper: {'; '.join(wide)}")

        def numbers() -> dict[str, int]:
            # Tags would make the file five times as large; for screen readers there is the EPUB.
            page.pdf(path=draft, prefer_css_page_size=True, print_background=True, tagged=False)
            return page_numbers(PdfReader(draft))

        first = numbers()
        page.evaluate(NUMBERS, first)
        second = numbers()
    if second != first:
        raise SystemExit("the contents moved the pages that they name")
    sheets = finish(draft, output, pages, second)
    for file in (draft, source):
        file.unlink()
    return sheets


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "course.pdf")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="some pages")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    sheets = write(read(options.site, options.only), options.site, options.output)
    size = options.output.stat().st_size / 2**20
    seconds = time.perf_counter() - start
    print(f"{options.output}: {sheets} pages, {size:.1f} MB, after {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
