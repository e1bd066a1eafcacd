"""The finished site, page by page in headless Chromium.

tools/build_book.py builds the site first, from the outputs that the notebooks store, and into a
folder of its own, so that it does not replace the book of `make book`. To check a finished site
instead, the one to be published for example: ``COURSE_SITE=_build/html pytest tests/test_site.py``.
"""

from __future__ import annotations

import functools
import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tools.address import built_from
from tools.browser import find
from tools.pdf import LOADED

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "_build" / "test"
PHONE: ViewportSize = {"width": 390, "height": 844}
# Milliseconds for any one step: no test may fail because the machine is busy.
PATIENCE = 300_000
# No GPU, no sandbox (as root), nothing in a container's small /dev/shm, no calls of its own.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def toc_files() -> list[str]:
    """Return every page of the table of contents, in its order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for entry in node:
                yield from walk(entry)
        elif isinstance(node, dict):
            yield from ([node["file"]] if "file" in node else [])
            for key in ("parts", "chapters", "sections", "entries"):
                yield from walk(node.get(key, []))

    return [toc["root"], *walk(toc)]


PAGES = toc_files()
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


@pytest.fixture(scope="session")
def site() -> Path:
    """Return the folder of the site; build it once for all workers of pytest-xdist."""
    if given := os.environ.get("COURSE_SITE"):
        folder = Path(given).resolve()
        assert (folder / "index.html").is_file(), f"COURSE_SITE={given}: there is no index.html"
        return folder
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process {os.getpid()}")
    mark = OUTPUT / "tested_by"
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with FileLock(mark.with_suffix(".lock")):
        if not mark.is_file() or mark.read_text(encoding="utf-8") != run:
            command = [sys.executable, str(ROOT / "tools" / "build_book.py")]
            done = subprocess.run(
                [*command, "--stored", "--output", str(OUTPUT)],
                capture_output=True,
                text=True,
                check=False,
            )
            output = done.stdout + done.stderr
            assert done.returncode == 0, f"the book does not build:\n{output[-6000:]}"
            mark.write_text(run, encoding="utf-8")
    return OUTPUT / "_build" / "html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="session")
def base(site: Path) -> Iterator[str]:
    """Serve the site on this machine and return its address."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the browser of this machine."""
    path = find()
    if path is None:
        pytest.fail(
            "the site tests need Chromium or Chrome; install it with your package manager "
            "(apt install chromium) or with `python -m playwright install chromium`",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=list(FLAGS), timeout=PATIENCE
        )
        yield started
        started.close()


def new_page(context: BrowserContext) -> Page:
    """Return a page that waits as long as a busy machine takes."""
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@dataclass
class Visit:
    """A page and all that went wrong while it loaded."""

    page: Page
    problems: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)

    def watch(self, home: str) -> None:
        """Note errors in the console, failed requests and requests to other servers."""

        def on_request(url: str) -> None:
            address = urlsplit(url)
            if address.scheme not in ("data", "blob") and not url.startswith(home):
                self.problems.append(f"request to a third party: {url}")

        self.page.on("request", lambda request: on_request(request.url))
        self.page.on("request", lambda request: self.loaded.add(urlsplit(request.url).path))
        self.page.on("requestfailed", lambda r: self.problems.append(f"failed: {r.url}"))
        self.page.on(
            "response",
            lambda r: self.problems.append(f"{r.status}: {r.url}") if r.status >= 400 else None,
        )
        self.page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        self.page.on(
            "console",
            lambda m: self.problems.append(f"console: {m.text}") if m.type == "error" else None,
        )

    def open(self, url: str) -> Page:
        """Load a page and wait until its mathematics is set."""
        self.page.goto(url, wait_until="networkidle")
        self.page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
        return self.page


@pytest.fixture
def visit(browser: Browser, base: str) -> Iterator[Visit]:
    """Return a fresh, watched page on the served site."""
    context = browser.new_context()
    found = Visit(new_page(context))
    found.watch(base)
    yield found
    context.close()


def check_images(page: Page) -> None:
    # Those below the first screen wait until a reader comes near.
    page.eval_on_selector_all("img", "all => all.forEach(one => { one.loading = 'eager'; })")
    page.wait_for_function("() => [...document.images].every(one => one.complete)")
    images = page.eval_on_selector_all(
        "img",
        """images => images.map(image => ({
             source: image.getAttribute('src'), loaded: image.complete && image.naturalWidth > 0,
             alt: image.getAttribute('alt'), content: image.closest('article') !== null}))""",
    )
    for image in images:
        assert image["loaded"], f"the image {image['source']} did not load"
        assert image["alt"] is not None, f"the image {image['source']} has no alt attribute"
        assert image["alt"].strip() or not image["content"], f"{image['source']}: empty alt text"


def check_mathematics(page: Page) -> None:
    # Text that MathJax is to set: what Sphinx marks as math, and LaTeX in the outputs of cells.
    formulas = page.locator("article .math").count()
    missing = page.eval_on_selector_all(
        "article .math",
        "all => all.filter(one => !one.querySelector('mjx-container')).map(o => o.textContent)",
    )
    assert not missing, f"{len(missing)} of {formulas} formulas are not set: {missing[:3]}"
    wrong = page.eval_on_selector_all(
        # MathJax sets an unknown macro in red instead of reporting it.
        "mjx-merror, [data-mjx-error], mjx-mtext[style*='red']",
        "all => all.map(one => one.getAttribute('data-mjx-error') || one.textContent)",
    )
    assert not wrong, f"MathJax could not read: {wrong}"


def check_width(page: Page) -> None:
    page.set_viewport_size(PHONE)
    # Two frames later the page has its new layout.
    page.evaluate("() => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")
    wide = page.evaluate(
        """() => {
          const root = document.documentElement;
          if (root.scrollWidth <= root.clientWidth + 1) return [];
          const all = [...document.querySelectorAll('main *')];
          return all.filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
            .slice(0, 5).map(e => e.tagName + '.' + e.className + ': '
                                  + e.textContent.trim().slice(0, 60)).concat(['page']);
        }"""
    )
    assert not wide, f"the page scrolls sideways on a phone because of {wide}"


AXE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def check_accessible(page: Page) -> None:
    """Let axe look at a page in both themes, with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # The shadow at the side of wide code is a picture, in front of which axe tells no contrast.
    # axe scrolls to each text and asks what lies over it: nothing may move or stay in place then.
    page.add_style_tag(
        content="* {background-image: none !important; transition: none !important;"
        " animation: none !important; scroll-behavior: auto !important;"
        " content-visibility: visible !important}"
        ".bd-header, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article,"
        " .header-article, .letters {position: static !important}"
        "#pst-back-to-top {display: none !important}"
    )
    page.evaluate(LOADED)
    # Code has thousands of pieces in a dozen colours: two of each kind are enough.
    page.evaluate(
        """() => { const seen = {};
             for (const one of document.querySelectorAll('pre span')) {
               seen[one.className] = (seen[one.className] || 0) + 1;
               if (seen[one.className] > 2) one.replaceWith(...one.childNodes); }
             document.querySelectorAll('pre').forEach(one => one.normalize());
             document.querySelectorAll('mjx-container').forEach(one => one.remove()); }"""
    )
    contrast = {"type": "rule", "values": ["color-contrast"]}  # the rest is the same in the dark
    for theme, rules in (("light", AXE), ("dark", contrast)):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
        for _ in range(4):  # while a page still moves, a bar may lie over the text: look again
            serious = [
                (rule["id"], len(rule["nodes"]), rule["nodes"][0]["failureSummary"][:300])
                for rule in Axe().run(page, options=options).response["violations"]
                if rule["impact"] in ("serious", "critical")
            ]
            if not serious:
                break
            page.wait_for_timeout(1000)
        assert serious == [], theme


def check_weight(page: Page, loaded: set[str], site: Path) -> None:
    """A page with all its figures is below 1 MB, compressed as a server sends it."""
    images = page.eval_on_selector_all("article img", "all => all.map(one => one.src)")
    paths = {site / path.lstrip("/") for path in loaded | {urlsplit(one).path for one in images}}
    text = {".html", ".css", ".js", ".svg"}
    sizes = {
        path.name: len(gzip.compress(path.read_bytes()))
        if path.suffix in text
        else path.stat().st_size
        for path in paths
        if path.is_file()
    }
    assert sum(sizes.values()) < 1_000_000, sorted(sizes.items(), key=lambda one: -one[1])[:5]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(name: str, visit: Visit, base: str, site: Path) -> None:
    page = visit.open(f"{base}/{name}.html")
    assert page.locator("article h1").count() == 1
    assert page.locator("article h1").inner_text().strip(" #\n")
    assert len(page.locator("meta[name=description]").get_attribute("content") or "") > 20
    check_weight(page, visit.loaded, site)
    check_mathematics(page)
    check_width(page)
    screens = page.evaluate("document.documentElement.scrollHeight") / PHONE["height"]
    is_list = name.startswith(("book/generated/", "book/glossary"))
    assert not is_list or screens <= 20, f"{screens:.0f} screens"
    page.set_viewport_size({"width": 1280, "height": 900})
    check_images(page)
    check_accessible(page)
    assert visit.problems == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_has_its_buttons(name: str, visit: Visit, base: str) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address, tag = built_from(ROOT)
    page = visit.open(f"{base}/{name}.html")
    colab = page.locator('a[href^="https://colab.research.google.com"]').first
    place = f"{urlsplit(address).path}/blob/{tag or config['repository']['branch']}"
    assert colab.get_attribute("href") == (
        f"https://colab.research.google.com/github{place}/{name}.ipynb"
    )
    download = page.locator("a.btn-download-source-button").first.get_attribute("href")
    assert download is not None
    assert download.endswith(".ipynb")
    answer = page.request.get(f"{base}/{name.rpartition('/')[0]}/{download}")
    assert answer.ok
    assert answer.json()["cells"], "the downloaded notebook is empty"
    assert page.locator("a.left-prev").count() == 1
    assert page.locator("a.right-next").count() == 1


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_figure_of_a_chapter_has_a_number_to_link_to(name: str, site: Path) -> None:
    html = read(site, name)
    numbers = re.findall(r'<span class="caption-number">Figure ([\d.]+)</span>', html)
    count = len(re.findall(r'<img [^>]*src="[./]*_images/', html))
    assert count, "a chapter draws something"
    chapter = int(name.rpartition("/")[2][:2])
    assert numbers == [f"{chapter}.{n}" for n in range(1, count + 1)]
    ids = re.findall(r'<figure id="(fig-\d+)"', html)
    assert ids == [f"fig-{n}" for n in range(1, count + 1)]
    assert re.findall(r'class="headerlink" href="#(fig-\d+)"', html) == ids


def test_start_address_leads_to_the_landing_page(visit: Visit, base: str) -> None:
    page = visit.page
    page.goto(f"{base}/index.html")
    page.wait_for_url(f"{base}/{PAGES[0]}.html")
    assert "Neural Networks in PyTorch" in page.locator("article h1").inner_text()
    assert visit.problems == []


def test_one_screen_of_the_landing_page_shows_where_to_begin(visit: Visit, base: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1440, "height": 900})
    visit.open(f"{base}/{PAGES[0]}.html")
    for selector, count in (("h1", 1), (".hero .sd-btn", 2), (".hero img", 1), (".sd-card", 3)):
        boxes = [one.bounding_box() for one in page.locator(f"article {selector}").all()]
        ends = [box["y"] + box["height"] for box in boxes if box]
        assert len(ends) == count
        assert max(ends) <= 900, selector
    tops = [one.bounding_box() for one in page.locator(".hero .sd-btn").all()]
    assert len({box["y"] for box in tops if box}) == 1, "the buttons stand side by side"
    assert visit.problems == []


def found_pages(page: Page) -> list[str]:
    page.wait_for_selector("#search-results ul.search li a")
    page.wait_for_function(
        "() => /finished|found/i.test(document.querySelector('#search-results').textContent)"
    )
    return page.eval_on_selector_all(
        "#search-results ul.search li > a", "all => all.map(one => one.getAttribute('href'))"
    )


def test_search_goes_to_the_section_and_marks_the_words(visit: Visit, base: str) -> None:
    page = visit.open(f"{base}/search.html?q=saddle+ridge")
    assert any("10_gradient_descent" in link for link in found_pages(page))
    page.locator('#search-results a[href*="10_gradient_descent"]').first.click()
    page.wait_for_selector("article .highlighted")
    page.wait_for_function("() => scrollY > 500")
    seen = page.evaluate(
        """() => [...document.querySelectorAll('article .highlighted')].filter(one => {
             const box = one.getBoundingClientRect();
             return box.top > 0 && box.bottom < innerHeight; }).length"""
    )
    assert seen, "no marked word is on the screen"


@pytest.mark.parametrize("words", ["обратное распространение", "optimizer", "Batch normalization"])
def test_search_finds_terms_in_russian_and_other_spellings(
    words: str, visit: Visit, base: str
) -> None:
    page = visit.open(f"{base}/search.html?q={words}")
    assert any("book/glossary.html#term" in link for link in found_pages(page))


def test_letters_and_links_open_the_folds_of_the_glossary(visit: Visit, base: str) -> None:
    page = visit.open(f"{base}/book/glossary.html#term-Pooling")
    term = page.locator("#term-Pooling")
    assert term.is_visible(), "a link to a term opens its letter"
    assert page.locator("details.letter[open]").count() == 1
    for _ in range(2):  # also when the reader has closed it again
        page.locator('.letters a[href="#letter-A"]').click()
        page.wait_for_selector("details#letter-A[open]")
        page.locator("details#letter-A > summary").click()
        page.wait_for_selector("details#letter-A:not([open])")
    assert page.locator("details.letter dt").count() > 500
    assert visit.problems == []


def test_reader_of_a_chapter(visit: Visit, base: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1280, "height": 900})
    visit.open(f"{base}/notebooks/10_gradient_descent.html")
    # 88 columns of code are seen, and what goes on has a sign.
    width, shadow = page.eval_on_selector(
        "div.cell_input pre",
        """one => { const rule = document.createElement('span');
             rule.textContent = 'x'.repeat(88); rule.style.display = 'inline-block';
             one.append(rule); const style = getComputedStyle(one);
             const room = one.clientWidth - 2 * parseFloat(style.paddingLeft);
             const found = [rule.offsetWidth <= room, style.backgroundAttachment];
             rule.remove(); return found; }""",
    )
    assert width
    assert "local" in shadow
    assert "scroll" in shadow
    # Formulas are no stops of the Tab key; what is one shows its focus.
    assert page.locator("mjx-container[tabindex='0']").count() == 0
    page.keyboard.press("Tab")
    for selector in (".sidebar-toggle:visible", ".article-header-buttons button", "a.term"):
        page.locator(selector).first.focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    term = page.locator("a.term").first
    assert "glossary.html#term" in (term.get_attribute("href") or "")
    assert len(term.get_attribute("title") or "") > 20
    row = page.locator(".row-link a").first.get_attribute("href") or ""
    assert page.request.get(f"{base}/notebooks/{row}").ok
    assert page.locator("#how-this-page-was-run dt").count() >= 4
    assert "issues/new?template=feedback.yml" in (
        page.locator(".feedback a").first.get_attribute("href") or ""
    )
    page.locator("div.cell_output img").first.click()
    assert page.locator("dialog.lightbox img").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("dialog.lightbox").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("article details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("article details:not([open])").count() > 0
    assert visit.problems == []


def test_every_link_to_a_row_of_the_corrections_finds_it(site: Path) -> None:
    rows = set(re.findall(r'id="(\w+\.e\d+)"', read(site, "book/generated/corrections")))
    for name in CHAPTERS:
        links = set(re.findall(r'corrections\.html#([\w.]+)"', read(site, name)))
        assert links <= rows, name
    assert len(rows) > 300


def test_rows_of_a_table_are_cards_on_a_phone(visit: Visit, base: str) -> None:
    visit.page.set_viewport_size(PHONE)
    page = visit.open(f"{base}/book/generated/corrections.html#K1.e9")
    row = page.locator('tr:has([id="K1.e9"])')
    assert row.is_visible(), "the fold around a row opens for a link to it"
    label = "getComputedStyle(one.cells[1], '::before').content"
    assert page.locator("tr:has(:target)").evaluate(f"one => {label}").startswith('"In fact')


def test_site_has_a_map_and_a_page_for_wrong_addresses(site: Path) -> None:
    addresses = (site / "sitemap.xml").read_text(encoding="utf-8")
    assert [name for name in PAGES if f"/{name}.html</loc>" not in addresses] == []
    lost = read(site, "404")
    assert "This page does not exist" in lost
    assert 'href="/' in lost, "a page for any folder needs addresses from the root"
    assert '"og:image" content="https://' in read(site, PAGES[0])


def read(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_search_finds_autograd(visit: Visit, base: str) -> None:
    page = visit.open(f"{base}/{PAGES[0]}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("autograd")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=autograd*")
    assert any("04_autograd" in link for link in found_pages(page))
    assert visit.problems == []


def test_dark_mode_switches_and_stays(visit: Visit, base: str) -> None:
    page = visit.open(f"{base}/{CHAPTERS[0]}.html")

    def look() -> tuple[str | None, str]:
        theme = page.locator("html").get_attribute("data-theme")
        return theme, page.evaluate("getComputedStyle(document.body).backgroundColor")

    seen = {look()}
    for _ in range(2):  # the button goes round: automatic, light, dark
        page.locator("button.theme-switch-button:visible").first.click()
        seen.add(look())
    assert {theme for theme, _ in seen} == {"light", "dark"}
    assert len({background for _, background in seen}) == 2
    chosen = look()
    page.reload()
    assert look() == chosen
    assert visit.problems == []


@pytest.mark.parametrize("name", [PAGES[0], *CHAPTERS[:2]])
def test_page_works_from_a_folder(name: str, site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True)
    visit = Visit(new_page(context))
    visit.watch(site.as_uri())
    page = visit.open((site / f"{name}.html").as_uri())
    check_images(page)
    check_mathematics(page)
    assert visit.problems == []
    context.close()


def test_search_works_from_a_folder(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True)
    visit = Visit(new_page(context))
    visit.watch(site.as_uri())
    page = visit.open((site / "search.html").as_uri() + "?q=autograd")
    assert any("04_autograd" in link for link in found_pages(page))
    assert visit.problems == []
    context.close()
