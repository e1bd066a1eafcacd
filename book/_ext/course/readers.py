"""What a finished chapter gets for its readers: how it was run, and a way to answer back."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import urlencode

from .runs import Run, banner, box

MARK = re.compile(r'<section\b[^>]*?\bid="(?P<id>[^"]+)"[^>]*>|<section\b[^>]*>|</section>')
HEADING = re.compile(r"\s*(?:<span id=[^>]*></span>)*<h(?P<level>[1-6])>(?P<text>.*?)</h\d>", re.S)
TAG = re.compile(r"<[^>]+>")
GLOSSARY = re.compile(r'(?P<start><dl class="[^"]*glossary">)(?P<entries>.*?)</dl>', re.S)
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
    """Fold the entries of a glossary by letter, with an index of the letters in front.

    Example:
        >>> entry = '<dt id="term-a">Adam</dt><dd><p>x</p></dd>'
        >>> print(with_letters(f'<dl class="simple glossary">{entry}</dl>'))
        <nav class="letters" aria-label="Letters"><a href="#letter-A">A</a></nav>
        <details class="letter" id="letter-A"><summary>A <span>Adam</span></summary>
        <dl class="simple glossary">
        <dt id="term-a">Adam</dt><dd><p>x</p></dd>
        </dl></details>
    """
    return GLOSSARY.sub(_folded, body, count=1)


def _folded(glossary: re.Match[str]) -> str:
    groups: dict[str, list[str]] = {}
    for entry in re.split(r"(?<=</dd>)\s*(?=<dt)", glossary["entries"].strip()):
        first = _term(entry)[:1].upper()
        groups.setdefault(first if "A" <= first <= "Z" else "0–9", []).append(entry)
    links = " ".join(f'<a href="#letter-{name[0]}">{name}</a>' for name in groups)
    folds = [f'<nav class="letters" aria-label="Letters">{links}</nav>']
    for name, entries in groups.items():
        ends = dict.fromkeys([_term(entries[0]), _term(entries[-1])])
        folds.append(
            f'<details class="letter" id="letter-{name[0]}"><summary>{name} '
            f"<span>{' – '.join(ends)}</span></summary>\n{glossary['start']}\n"
            + "\n".join(entries)
            + "\n</dl></details>"
        )
    return "\n".join(folds)


def _term(entry: str) -> str:
    """Return the HTML of an entry's first name."""
    match = re.search(r"<dt[^>]*>\s*([^<]+)", entry)
    return match[1].strip() if match else ""


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
