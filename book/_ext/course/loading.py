"""What the pages wait for: one style sheet, no script in the way, formulas a few at a time.

The theme and the extensions bring ten style sheets, one after another by ``@import``. Here they are
one. A page without formulas does not load MathJax; one with formulas sets them in small groups, so
that a reader can scroll and press meanwhile.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path

SHEET = "styles/site.css"
LINK = re.compile(
    r'\s*<link (?:rel="stylesheet" type="text/css" )?href="(?P<up>[^"]*)_static/'
    r'(?P<file>[^"?]+\.css)(?:\?[^"]*)?"(?: rel="stylesheet")? />'
)
IMPORT = re.compile(r'@import "(?P<file>[^"]+)";')
PARTS = re.compile(r"/\* (?P<files>.*?) \*/")
ADDRESS = re.compile(r"url\((?![\"']?(?:data:|#))(?P<file>[^)\"']+)\)")
OPTIONS = re.compile(r'<script src="[^"]*_static/documentation_options\.js[^"]*"></script>')
TABS = re.compile(r"<script (?=data-sd-tabs)")
FORMULA = re.compile(r'class="[^"]*(?<![\w-])(?:math|output_area|(?:tex2jax|mathjax)_process)[ "]')
MATHJAX = re.compile(
    r"\s*<script>window\.MathJax = (?P<settings>\{.*?\})</script>"
    r'\s*<script defer="defer" src="[^"]*mathjax/[^"]*"></script>'
)
OWN_SCRIPT = re.compile(r'<script defer (?=src="[^"]*_static/custom\.js)')
# MathJax's own way is one long task: a phone answers to nothing for seconds. It takes the elements
# in the order of the page, so the first screen comes first.
IN_GROUPS = """
MathJax.startup = {pageReady: async () => {
  const all = [...document.querySelectorAll(".math")];
  for (let i = 0; i < all.length; i += 12) {
    await MathJax.typesetPromise(all.slice(i, i + 12));
    await new Promise((go) => setTimeout(go));
  }
}};
"""


def read_sheet(static: Path, file: str) -> str:
    """Return a style sheet with what it imports, its addresses as seen from ``styles/``."""
    folder = posixpath.dirname(file)

    def place(name: str) -> str:
        return posixpath.normpath(posixpath.join(folder, name.strip()))

    css = (static / file).read_text(encoding="utf-8").replace('@charset "UTF-8";', "")
    css = ADDRESS.sub(lambda m: f"url({posixpath.relpath(place(m['file']), 'styles')})", css)
    return IMPORT.sub(lambda m: read_sheet(static, place(m["file"])), css)


def write_sheet(static: Path, files: list[str]) -> str:
    """Write the one style sheet and return a mark of its content.

    Args:
        static: the folder ``_static`` of the site.
        files: the sheets in their order; none means those of the last time.
    """
    target = static / SHEET
    if not files and target.is_file():
        match = PARTS.match(target.read_text(encoding="utf-8"))
        files = match["files"].split() if match else []
    css = "\n".join([f"/* {' '.join(files)} */", *(read_sheet(static, file) for file in files)])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(css, encoding="utf-8")
    return hashlib.sha256(css.encode()).hexdigest()[:10]


def sheets_of(html: str) -> list[str]:
    """Return the style sheets that a page links to, the one of :func:`write_sheet` left out."""
    return [match["file"] for match in LINK.finditer(html) if match["file"] != SHEET]


def with_one_sheet(html: str, mark: str) -> str:
    """Let a page link to the one style sheet.

    Args:
        html: the page.
        mark: what changes with the content of the sheet, for the caches of browsers.
    """
    first = LINK.search(html)
    if first is None:
        return html
    address = f"{first['up']}_static/{SHEET}?v={mark}"
    link = f'\n<link rel="stylesheet" type="text/css" href="{address}" />'
    return html[: first.start()] + link + LINK.sub("", html[first.start() :])


def without_waiting(html: str, options: str) -> str:
    """Return a page whose scripts wait for nobody, with MathJax only where formulas are.

    Args:
        html: the page.
        options: the text of ``documentation_options.js``, which is small and stands in the page.
    """
    html = OPTIONS.sub(lambda _: f"<script>{options}</script>", html)
    html = TABS.sub("<script defer ", html)
    if '<table class="table' in html and "cell_output" not in html:
        # A list whose rows become cards on a phone: after the first paint all of it would jump.
        html = OWN_SCRIPT.sub('<script defer blocking="render" ', html)
    match = MATHJAX.search(html)
    if match is None or "pageReady" in html:
        return html
    if not FORMULA.search(html):
        return html[: match.start()] + html[match.end() :]
    end = match.start("settings") + len(match["settings"])
    return html[:end] + ";" + IN_GROUPS + html[end:]
