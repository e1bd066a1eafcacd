"""Slides of a chapter, from the headings, formulas and figures of its page.

A deck is one HTML file on the site: arrow keys turn the slides, printing gives one a sheet.
"""

from __future__ import annotations

import posixpath
import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from lxml import html
from lxml.etree import _Element as Element

# What a teacher does not show: where the reader works alone, or looks things up.
LEFT_OUT = re.compile(
    r"(Exercises|Recall|(\w+ )?[Qq]uestions\b.*|References|Next.*|From the sources|How this page.*)"
)
MOST_WORDS = 45


def text_of(element: Element) -> str:
    """Return an element's text in one line, without the mark for links at headings."""
    copy = html.fromstring(html.tostring(element, with_tail=False))
    for link in copy.xpath(".//a[contains(@class, 'headerlink')]"):
        link.drop_tree()
    return " ".join(copy.text_content().split())


def first_sentences(paragraph: Element) -> str:
    """Return the start of a paragraph: whole sentences, at least one, up to a number of words."""
    sentences = re.split(r"(?<=[.?!])\s+(?=[A-Z])", text_of(paragraph))
    chosen = sentences[:1]
    for sentence in sentences[1:]:
        if len(" ".join([*chosen, sentence]).split()) > MOST_WORDS:
            break
        chosen.append(sentence)
    return " ".join(chosen)


def slide(title: str, *parts: str) -> str:
    """Return one slide."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def figure(picture: Element, address: str) -> str:
    """Return a figure with its alternative text below it.

    Args:
        picture: the image of the page.
        address: the page, seen from the slides.
    """
    source = picture.get("src", "")
    if not urlsplit(source).scheme:
        source = posixpath.normpath(posixpath.join(posixpath.dirname(address), source))
    alternative = escape(picture.get("alt", ""))
    return (
        f'<figure><img src="{escape(source)}" alt="">'
        f"<figcaption>{alternative}</figcaption></figure>"
    )


def section_slides(section: Element, address: str) -> list[str]:
    """Return the slides of a section: its idea, then one for each figure."""
    title = text_of(section.find("h2"))
    if LEFT_OUT.fullmatch(title):
        return []
    ideas = []
    first = section.find("p")
    if first is not None:
        ideas.append(f"<p>{escape(first_sentences(first))}</p>")
    formula = section.find("div[@class='math notranslate nohighlight']")
    if formula is not None:
        ideas.append(f'<div class="math">{escape(text_of(formula))}</div>')
    below = "".join(f"<li>{escape(text_of(h))}</li>" for h in section.iterfind(".//h3"))
    if below:
        ideas.append(f"<ul>{below}</ul>")
    slides = [slide(title, *ideas)]
    pictures = [p for p in section.iter("img") if not p.get("src", "").startswith("data:")]
    return slides + [slide(title, figure(picture, address)) for picture in pictures]


def deck(page: str, name: str, label: str, course: str) -> str:
    """Return the slides of a chapter.

    Args:
        page: the HTML of its page.
        name: its name, ``05_backpropagation``.
        label: its number and title.
        course: the title of the course.
    """
    article = html.fromstring(page).xpath("//article[contains(@class, 'bd-article')]")[0]
    address = f"../notebooks/{name}.html"
    top = article.find(".//h1")
    promise = top.getnext()
    about = first_sentences(promise) if promise is not None and promise.tag == "p" else ""
    slides = [
        f'<section class="title"><h1>{escape(label)}</h1><p>{escape(about)}</p>'
        f'<p class="small">{escape(course)} · <a href="{address}">the chapter</a></p></section>'
    ]
    for section in article.xpath(".//section[h2]"):
        slides += section_slides(section, address)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(label)}: slides</title>\n"
        '<link rel="stylesheet" href="../_static/slides.css">\n'
        "<script>window.MathJax = {options: {enableMenu: false}};</script>\n"
        '<script defer src="../_static/mathjax/tex-chtml.js"></script>\n'
        '<script defer src="../_static/slides.js"></script>\n</head>\n<body>\n'
        + "\n".join(slides)
        + "\n</body>\n</html>\n"
    )


def write_slides(outdir: Path, labels: dict[str, str], course: str) -> list[Path]:
    """Write the slides of the chapters of a site; return the files.

    Args:
        outdir: the folder of the site.
        labels: chapter name -> number and title.
        course: the title of the course.
    """
    files = []
    for name, label in labels.items():
        page = outdir / "notebooks" / f"{name}.html"
        if page.is_file():
            target = outdir / "slides" / page.name
            target.parent.mkdir(exist_ok=True)
            target.write_text(deck(page.read_text("utf-8"), name, label, course), "utf-8")
            files.append(target)
    return files
