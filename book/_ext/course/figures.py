"""Figures of the chapters: each gets a number, a caption and an address.

The alternative text of a figure describes the whole picture. Its beginning makes the caption; where
that says too little by itself, the title of the section does. Screen readers get the alternative
text and the number, so they pass over these words.
"""

from __future__ import annotations

import re
from html import escape, unescape

IMAGE = re.compile(r'<img\b[^>]*?\bsrc="[./]*_images/[^"]+"[^>]*>')
HEADING = re.compile(r"<h[1-6]>(?P<title>.*?)</h[1-6]>", re.S)
ALT = re.compile(r'\balt="(?P<words>[^"]*)"')
LINK = re.compile(r'<a class="headerlink".*?</a>| id="[^"]*"', re.S)  # an id stands once on a page
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9(])")
LONGEST = 120  # characters: about a line and a half below a figure
# Words that only place a part of the picture, or say of what kind or how many its parts are.
PARTS = re.compile(
    r"(Left|Right|Above|Below|Top|Bottom|Upper|Lower|For|In|On|From|The (first|left|upper|top))\b"
    r"|\w+( small)? (panels|columns|rows|bars|photographs|diagram)$|.* (upper|lower) row\b"
)


def caption(alt: str) -> str:
    """Return the words below a figure, "" if its alternative text has no beginning that can stand.

    Args:
        alt: the alternative text.

    Example:
        >>> caption("Six digits: a 3 and a 7, each with its label. The 3 is blurred.")
        'Six digits: a 3 and a 7, each with its label.'
        >>> caption("Left: a curve. Right: its slope.")
        ''
    """
    sentence = SENTENCE.split(alt.strip())[0].rstrip(".")
    whole = re.split(r"[:;] ", sentence)[0]
    pieces = whole.split(", ")
    shorter = [", ".join(pieces[:n]) for n in range(1, len(pieces))]
    candidates = [sentence, whole, *(piece for piece in shorter if len(piece) >= LONGEST // 3)]
    for text in candidates:
        if len(text) <= LONGEST and len(text.split()) > 1 and not PARTS.match(text):
            return f"{text}."
    return ""


def title_before(body: str, position: int) -> str:
    """Return the HTML of the last heading before a position, without link and id."""
    titles = [match["title"] for match in HEADING.finditer(body, 0, position)]
    return LINK.sub("", titles[-1]).strip() if titles else ""


def with_captions(body: str, number: int) -> str:
    """Number the figures of a chapter in their order, and set a caption below each.

    Args:
        body: the page's HTML.
        number: the number of the chapter.

    Example:
        >>> page = '<h2>Digits</h2><img alt="Left: a 3." src="../_images/a.png" />'
        >>> print(with_captions(page, 13))
        <h2>Digits</h2><figure id="fig-1" class="cell-figure">
        <img alt="Left: a 3." src="../_images/a.png" />
        <figcaption><p><span class="caption-number">Figure 13.1</span>
        <span class="caption-text" aria-hidden="true">Digits</span>
        <a class="headerlink" href="#fig-1" title="Link to this figure">#</a></p></figcaption>
        </figure>
    """
    pieces: list[str] = []
    last = 0
    for count, image in enumerate(IMAGE.finditer(body), 1):
        found = ALT.search(image[0])
        alt = unescape(found["words"]) if found else ""
        words = escape(caption(alt)) or title_before(body, image.start())
        pieces += [
            body[last : image.start()],
            f'<figure id="fig-{count}" class="cell-figure">\n{image[0]}\n'
            f'<figcaption><p><span class="caption-number">Figure {number}.{count}</span>\n'
            f'<span class="caption-text" aria-hidden="true">{words}</span>\n'
            f'<a class="headerlink" href="#fig-{count}" title="Link to this figure">#</a>'
            "</p></figcaption>\n</figure>",
        ]
        last = image.end()
    return "".join([*pieces, body[last:]])
