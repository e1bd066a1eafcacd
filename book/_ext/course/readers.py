"""What a finished chapter gets for its readers: how it was run, and a way to answer back."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import urlencode

from .runs import Run, banner, box

MARK = re.compile(r'<section\b[^>]*?\bid="(?P<id>[^"]+)"[^>]*>|<section\b[^>]*>|</section>')
HEADING = re.compile(r"\s*(?:<span id=[^>]*></span>)*<h(?P<level>[1-6])>(?P<text>.*?)</h\d>", re.S)
TAG = re.compile(r"<[^>]+>")
FORM = "feedback.yml"  # .github/ISSUE_TEMPLATE


def heading_text(html: str) -> str:
    """Return the words of a heading without the sign that links to it."""
    return unescape(TAG.sub("", re.sub(r'<a class="headerlink".*?</a>', "", html))).strip()


def form_address(repository: str, **fields: str) -> str:
    """Return the address of the issue form with its fields filled in."""
    title = f"{fields['chapter']}: {fields['section']}"
    query = urlencode({"template": FORM, "title": title, **fields})
    return f"{repository.rstrip('/')}/issues/new?{query}"


def with_feedback(body: str, chapter: str, repository: str, build: dict[str, str]) -> str:
    """Put "unclear? wrong?" at the end of the own text of each section of a page.

    Args:
        body: the page's HTML.
        chapter: what to call the page.
        repository: the address of the repository.
        build: versions and commit, fields of the form.
    """
    pieces: list[str] = []
    stack: list[str] = []  # the link that a section still owes, "" when it has it
    last = 0

    def pay(position: int) -> None:
        nonlocal last
        if stack and stack[-1]:
            pieces.append(body[last:position] + stack[-1])
            stack[-1], last = "", position

    for match in MARK.finditer(body):
        pay(match.start())
        if match[0].startswith("</"):
            if stack:
                stack.pop()
            continue
        heading = HEADING.match(body, match.end())
        if heading is None or match["id"] is None or heading["level"] == "1":
            stack.append("")
            continue
        section = heading_text(heading["text"])
        fields = {"chapter": chapter, "section": f"{section} (#{match['id']})", **build}
        address = escape(form_address(repository, **fields))
        stack.append(
            f'<p class="feedback"><a href="{address}" rel="nofollow">unclear? wrong?'
            f'<span class="visually-hidden"> Report it: {escape(section)}</span></a></p>\n'
        )
    return "".join([*pieces, body[last:]])


def with_letters(body: str) -> str:
    """Put an index of letters in front of a glossary, each leading to its first term."""
    first: dict[str, str] = {}
    for anchor, term in re.findall(r'<dt id="(term-[^"]+)">\s*([^<]+)', body):
        letter = term.strip()[0].upper()
        if "A" <= letter <= "Z":
            first.setdefault(letter, anchor)
    links = " ".join(f'<a href="#{anchor}">{letter}</a>' for letter, anchor in first.items())
    index = f'<nav class="letters" aria-label="Letters">{links}</nav>'
    return re.sub(r'(?=<dl class="[^"]*glossary)', index, body, count=1)


def chapter_body(
    body: str, run: Run | None, *, chapter: str, repository: str, build: dict[str, str], status: str
) -> str:
    """Return the HTML of a chapter with its banner, its links for feedback and its last block."""
    body = with_feedback(body, chapter, repository, build)
    if run is None:
        return body
    head, title, rest = body.partition("</h1>")
    inside, end, after = rest.rpartition("</section>")
    return f"{head}{title}{banner(run)}{inside}{box(run, status)}{end}{after}"
