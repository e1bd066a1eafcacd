"""The finished site, page by page in headless Chromium.

tools/build_book.py builds the site first, from the outputs that the notebooks store, and into a
folder of its own, so that it does not replace the book of `make book`. To check a finished site
instead, the one to be published for example: ``COURSE_SITE=_build/html pytest tests/test_site.py``.
"""

from __future__ import annotations

import functools
import os
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
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tools.address import built_from
from tools.browser import find

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

    def watch(self, home: str) -> None:
        """Note errors in the console, failed requests and requests to other servers."""

        def on_request(url: str) -> None:
            address = urlsplit(url)
            if address.scheme not in ("data", "blob") and not url.startswith(home):
                self.problems.append(f"request to a third party: {url}")

        self.page.on("request", lambda request: on_request(request.url))
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


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(name: str, visit: Visit, base: str) -> None:
    page = visit.open(f"{base}/{name}.html")
    assert page.locator("article h1").count() == 1
    assert page.locator("article h1").inner_text().strip(" #\n")
    check_images(page)
    check_mathematics(page)
    check_width(page)
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


def test_start_address_leads_to_the_landing_page(visit: Visit, base: str) -> None:
    page = visit.page
    page.goto(f"{base}/index.html")
    page.wait_for_url(f"{base}/{PAGES[0]}.html")
    assert "Neural Networks in PyTorch" in page.locator("article h1").inner_text()
    assert visit.problems == []


def found_pages(page: Page) -> list[str]:
    page.wait_for_selector("#search-results ul.search li a")
    page.wait_for_function(
        "() => /finished|found/i.test(document.querySelector('#search-results').textContent)"
    )
    return page.eval_on_selector_all(
        "#search-results ul.search li > a", "all => all.map(one => one.getAttribute('href'))"
    )


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
