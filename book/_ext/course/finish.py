"""The last hand on the finished pages: what they load, the size of figures, names for readers.

The theme loads Font Awesome as a script and as fonts with all its icons, and the index of the
search, on every page. Here only the icons stay that the site shows, and only the search page
searches. Figures get their size, so that nothing jumps while a page loads.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

from . import loading

CSS_DPI = 100  # a figure of 100 dots per inch is shown dot by dot; one of 200 at half its size
INDEX = r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
ICON_SCRIPT = r"\s*<script defer src=\"[^\"]*fontawesome\.js[^\"]*\"></script>"
# The colours that IPython gives code which a cell shows; the site has its own, for both themes.
COLOURS = re.compile(r"<style>pre \{ line-height: 125%; \}.*?</style>", re.S)
SCRIPT = re.compile(r'<script src="(?![^"]*documentation_options)')
IMAGE = re.compile(r'<img (?![^>]*\bloading=)([^>]*?src="[./]*(_images/[^"]+\.png)"[^>]*?)/?>')
# What screen readers are told wrongly, or not at all -> the right thing.
NAMES = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<summary><span class="toctree-toggle"': (
        '<summary aria-label="Pages below"><span class="toctree-toggle"'
    ),
    ' title="Search" aria-label="Search"': ' title="Search"',
    '<div id="pst-primary-sidebar" class': (
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Contents of the course"'
        " class"
    ),
}
CODE_POINT = re.compile(r'"\\([ef][0-9a-f]{3})"')
ICON_RULE = re.compile(r"[^{}]*\.fa-[a-z0-9-]+:before[^{}]*\{content:\"\\[^{}]*\}")


@functools.cache
def shown_size(path: Path) -> tuple[int, int]:
    """Return the width and height of a figure on the page, in CSS pixels."""
    with Image.open(path) as picture:
        dpi = picture.info.get("dpi", (CSS_DPI, CSS_DPI))[0]
        scale = min(1.0, CSS_DPI / dpi) if dpi > 1.5 * CSS_DPI else 1.0
        return round(picture.width * scale), round(picture.height * scale)


@functools.cache
def is_drawing(path: Path) -> bool:
    """Tell whether a figure is a drawing on white, which may be inverted in the dark.

    A drawing is mostly white and has few dark places; photographs and grids of digits do not.
    """
    with Image.open(path) as picture:
        grey = picture.convert("L").resize((160, 160), Image.Resampling.NEAREST)
    counts = grey.histogram()
    total = sum(counts)
    return sum(counts[250:]) > 0.72 * total and sum(counts[:64]) < 0.06 * total


def finished(html: str, site: Path, *, search: bool = False) -> str:
    """Return a page as it is published.

    Args:
        html: the page as Sphinx wrote it.
        site: the folder of the site, where its figures are.
        search: whether it is the page that searches.
    """
    html = COLOURS.sub("", re.sub(ICON_SCRIPT, "", html))
    if not search:
        html = SCRIPT.sub('<script defer src="', re.sub(INDEX, "", html))
    for wrong, right in NAMES.items():
        html = html.replace(wrong, right)

    def image(match: re.Match[str]) -> str:
        path = site / match[2]
        if not path.is_file() or "width" in match[1]:
            return match[0]
        width, height = shown_size(path)
        kind = ' data-kind="drawing"' if is_drawing(path) else ""
        size = f'width="{width}" height="{height}" loading="lazy" decoding="async"{kind}'
        return f"<img {match[1].strip()} {size} />"

    return IMAGE.sub(image, html)


def icon_points(css: str, names: set[str]) -> set[int]:
    """Return the code points of the icons that the pages and the style sheet itself use."""
    own = set(CODE_POINT.findall(ICON_RULE.sub("", css)))
    rules = re.findall(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}', css)
    named = {point for places, point in rules if names & set(re.findall(r"fa-[a-z0-9-]+", places))}
    return {int(point, 16) for point in own | named}


def reduce_icons(site: Path, names: set[str]) -> None:
    """Leave in the icon fonts what the site shows; without it they have 270 KB."""
    static = site / "_static"
    theme = static / "styles" / "pydata-sphinx-theme.css"
    css = theme.read_text(encoding="utf-8")
    if "icons-solid" in css:
        return
    others = [path.read_text(encoding="utf-8") for path in static.glob("styles/sphinx-book*.css")]
    points = icon_points(css + "".join(others), names)
    for name, font in (("icons-solid", "fa-solid-900"), ("icons-brands", "fa-brands-400")):
        whole = TTFont(static / "vendor" / "fontawesome" / "webfonts" / f"{font}.ttf")
        cutter = subset.Subsetter(subset.Options(drop_tables=["FFTM"]))
        cutter.populate(unicodes=points)
        cutter.subset(whole)
        whole.flavor = "woff"
        whole.save(static / "styles" / f"{name}.woff")
        address = (
            rf'url\([^)]*{font}\.woff2\) format\("woff2"\),?(url\([^)]*\) format\("[a-z]+"\))?'
        )
        css = re.sub(address, f'url({name}.woff) format("woff")', css)
    theme.write_text(ICON_RULE.sub(functools.partial(_keep, names=names), css), encoding="utf-8")


def _keep(match: re.Match[str], names: set[str]) -> str:
    return match[0] if names & set(re.findall(r"fa-[a-z0-9-]+", match[0])) else ""


def finish(site: Path) -> None:
    """Finish every page of a site, once or again."""
    static = site / "_static"
    options = (static / "documentation_options.js").read_text(encoding="utf-8")
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    names = {name for html in pages.values() for name in re.findall(r"fa-[a-z0-9-]+", html)}
    reduce_icons(site, names)
    sheets = next(filter(None, map(loading.sheets_of, pages.values())), [])
    mark = loading.write_sheet(static, sheets)
    for path, before in pages.items():
        after = finished(before, site, search=path.name == "search.html")
        after = loading.without_waiting(loading.with_one_sheet(after, mark), options)
        if after != before:
            path.write_text(after, encoding="utf-8")
