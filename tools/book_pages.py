"""The pages of a built site as clean pieces of HTML, for the formats that are no site.

tools/pdf.py and tools/epub.py read the site that `make book` (or ``build_book.py --stored``) has
made: the same sources and the same outputs. Here a page becomes an article without buttons and
links of the theme, answers and folded code open, ids and links such that all pages fit together.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import yaml
from lxml import html
from lxml.etree import _Element as Element

from tools.address import built_from, pages_address

ROOT = Path(__file__).resolve().parents[1]
TITLE = "Neural Networks in PyTorch"
SUBTITLE = "The executable course"
AUTHOR = "The contributors of the course"
# Pages that are no reading matter: tables to search in, which are many and stay on the site.
LEFT_OUT = ("book/generated/",)
LISTS = ("parts", "chapters", "sections", "entries")
# What only a screen can use: these tags, and what has one of these classes.
DROPPED_TAGS = {"button", "script", "style", "link", "meta", "iframe", "canvas", "form", "dialog"}
DROPPED_TAGS |= {"nav", "audio", "video"}
DROPPED = {"headerlink", "toctree-wrapper", "no-print", "d-print-none", "visually-hidden"}
DROPPED |= {"feedback", "row-link", "only-dark"}
# Attributes that HTML 5 has dropped, and handlers.
OLD_ATTRIBUTES = ("align", "valign", "border", "scoped", "bgcolor", "cellpadding", "cellspacing")


@dataclass
class Page:
    """A page of the book.

    ``article`` has the ids ``key--id``, and itself ``key``. A link into the book is ``#key--id``.
    """

    name: str
    label: str
    part: str
    article: Element

    @property
    def key(self) -> str:
        """The start of every id of this page."""
        return key_of(self.name)


def key_of(name: str) -> str:
    """Return what the ids of a page begin with: no digit, which XML would not allow."""
    return "p-" + posixpath.basename(name)


def contents(root: Path = ROOT) -> Iterator[tuple[str, str, str]]:
    """Yield name, title if one is given, and part of each page that belongs into a book."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: Any, part: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(node, list):
            for entry in node:
                yield from walk(entry, part)
        elif isinstance(node, dict):
            part = node.get("caption", part)
            if "file" in node:
                yield node["file"], node.get("title", ""), part
            for name in LISTS:
                yield from walk(node.get(name, []), part)

    for name, title, part in walk(toc["parts"], ""):
        if not name.startswith(LEFT_OUT):
            yield name, title, part


def read(site: Path, only: Collection[str] = (), root: Path = ROOT) -> list[Page]:
    """Read the pages of a site in the order of the table of contents.

    Args:
        site: the folder with ``index.html``.
        only: names such as ``05_backpropagation``; none means the whole book.
        root: the root of the repository.

    Raises:
        SystemExit: if the site lacks a page.
    """
    wanted = [entry for entry in contents(root) if not only or posixpath.basename(entry[0]) in only]
    missing = [name for name, _, _ in wanted if not (site / f"{name}.html").is_file()]
    if missing or not wanted:
        what = ", ".join(missing) or f"any of {', '.join(only)}"
        raise SystemExit(f"{site} lacks {what}: build the site first, with `make book`")
    names = {name for name, _, _ in wanted}
    online = pages_address(built_from(root)[0])
    pages = []
    for name, title, part in wanted:
        tree = html.parse(str(site / f"{name}.html"))
        (article,) = tree.xpath("//article[contains(@class, 'bd-article')]")
        clean(article)
        connect(article, name, names, site, online)
        heading = article.find(".//h1")
        number = re.match(r"\d+\. ", title)
        if number and not text_of(heading).startswith(number[0]):
            heading.text = number[0] + (heading.text or "").lstrip()
        pages.append(Page(name, title or text_of(heading), part, article))
    drop_dead_links(pages)
    return pages


def text_of(element: Element) -> str:
    """Return the text of an element in one line."""
    return " ".join("".join(element.itertext()).split())


def clean(article: Element) -> None:
    """Take out what only a screen can use, and open what is folded."""
    for player in list(article.iter("audio", "video")):
        note = html.fragment_fromstring("<em class='sound'>(to be heard on the site)</em>")
        player.addprevious(note)
    for element in list(article.iter()):
        if element.tag in DROPPED_TAGS or DROPPED & set(element.get("class", "").split()):
            element.drop_tree()
    for details in list(article.iter("details")):
        summary = details.find("summary")
        if "letter" in details.get("class", "").split():  # of the glossary
            details.remove(summary)
            details.drop_tag()
            continue
        folded = "hide" in details.get("class", "").split()  # code that the site folds
        details.attrib.clear()
        details.tag = "div"
        details.set("class", "side-code" if folded else "answer")
        if summary is not None and folded:
            summary.drop_tree()
        elif summary is not None:
            summary.tag = "div"
            summary.set("class", "answer-title")
    for quote in article.iter("blockquote"):
        if text_of(quote).startswith("Correction"):
            quote.set("class", "correction")
    for element in list(article.iter()):
        if not isinstance(element.tag, str):  # a comment
            element.drop_tree()
            continue
        for name in list(element.attrib):
            if name == "aria-hidden":  # words of a caption that the alternative text has, too
                continue
            if name in OLD_ATTRIBUTES or name.startswith(("on", "aria-", "data-", "loading")):
                del element.attrib[name]


def connect(article: Element, name: str, names: Collection[str], site: Path, online: str) -> None:
    """Give a page's ids its key, and let links and pictures lead to where they are.

    Args:
        article: the content of the page.
        name: the page.
        names: the pages of the book; a link to another page of the site leads online.
        site: the folder of the site.
        online: the address of the published site.
    """
    key = key_of(name)
    article.tag = "section"
    for element in article.iter():
        if "id" in element.attrib:
            element.set("id", f"{key}--{element.get('id')}")
    article.set("id", key)
    article.set("class", "page")
    for link in article.iter("a"):
        target = link.get("href")
        if target is None or urlsplit(target).scheme:
            continue
        path, fragment = urldefrag(target)
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path)))
        goal = posixpath.splitext(goal)[0] if path else name
        fragment = unquote(fragment)
        if goal in names:
            link.set("href", f"#{key_of(goal)}" + (f"--{fragment}" if fragment else ""))
        else:
            link.set("href", urljoin(urljoin(online, f"{name}.html"), target))
    for picture in article.iter("img"):
        source = picture.get("src", "")
        if source and not urlsplit(source).scheme:
            path = (site / posixpath.dirname(name) / unquote(source)).resolve()
            picture.set("src", path.as_uri())


def drop_dead_links(pages: Sequence[Page]) -> None:
    """Let a link to an id that no page has lead to its page: some ids are made by scripts."""
    ids = {e.get("id") for page in pages for e in page.article.iter() if e.get("id")}
    for page in pages:
        for link in page.article.iter("a"):
            target = link.get("href", "")
            if target.startswith("#") and target[1:] not in ids:
                link.set("href", target.partition("--")[0])


def headings(page: Page, levels: Sequence[str] = ("h2",)) -> list[tuple[str, str]]:
    """Return id and text of a page's headings: the id of the section that a heading opens."""
    found = []
    for heading in page.article.iter(*levels):
        section = heading.getparent()
        anchor = heading.get("id") or (section.get("id") if section is not None else None)
        if anchor:
            found.append((anchor, heading_text(heading)))
    return found


def heading_text(heading: Element) -> str:
    r"""Return a heading's text; of a formula its signs: no ``\(`` and ``\)``."""
    return re.sub(r"\\[()]", "", text_of(heading))


def code_style() -> str:
    """Return the style sheet for coloured code, the light one of the site."""
    from pygments.formatters import HtmlFormatter

    css: str = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    return "\n".join(line for line in css.splitlines() if "background" not in line)
