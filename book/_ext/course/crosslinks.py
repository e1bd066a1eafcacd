"""Links from the chapters: terms to the glossary, corrections to their rows.

Notebooks are plain Markdown and cannot say ``{term}``; the site finds the terms itself. Which rows
a correction box belongs to is written in ``book/boxes.tsv``: the cells beside a box claim more
rows than the box is about.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from docutils import nodes
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ENTRY = re.compile(r"^(?P<terms>(?:\S.*\n)+)(?P<text>(?:[ ]{2}.+\n?)+)", re.M)
# Where a term is no running text, or links already.
SKIPPED = (
    nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math,
    nodes.math_block, nodes.raw, nodes.comment, nodes.thead, nodes.emphasis,
)  # fmt: skip
# Terms that are everyday words as well: a link at their first use would mislead.
EVERYDAY = {
    "attention", "channel", "control", "core", "depth", "device", "entry point", "exposure",
    "feature", "filter", "floor", "fold", "gain", "gate", "graph", "hash", "head", "hook",
    "image", "implant", "index", "kernel", "label", "layer", "leaf", "link", "loop", "mask",
    "median", "message", "model", "module", "node", "noise", "patch", "path", "pipeline",
    "precision", "prompt", "query", "range", "rank", "recall", "row", "sample", "scan", "seed",
    "series", "shape", "signal", "slice", "stage", "state", "step", "stride", "table", "target",
    "task", "test", "token", "tool", "trace", "unit", "view", "weight", "window",
}  # fmt: skip
# A box in a fold has a title; one in a block quote begins with its text.
BOX = re.compile(
    r"^(?:<details><summary>Corrections? \((?P<fold>[^)]*)\):? ?(?P<title>.*?)</summary>"
    r"|> \*\*Corrections? \((?P<quote>[^)]*)\)\.\*\* (?P<text>.*))",
    re.M,
)
NAME_WORDS = 6  # of its text, which name a box without a title


class Box(NamedTuple):
    """A correction box of a chapter."""

    name: str  # its title, or the first words of its text
    sources: str  # as it names them: "K1, B1"


class Rows(NamedTuple):
    """What ``book/boxes.tsv`` says of a box."""

    items: tuple[str, ...]  # the rows of the list of corrections that it carries out
    reason: str  # why there is no row, else ""


def glossary(text: str) -> dict[str, str]:
    """Return term -> definition of ``book/glossary.md``, other spellings included."""
    inside = text.partition(":sorted:\n")[2].partition("\n```")[0] + "\n"
    found = {}
    for match in ENTRY.finditer(inside):
        words = " ".join(match["text"].split())
        words = re.sub(r"\s*\[[^]]*\]\([^)]*\)\.?", "", words)  # the link to the chapter
        words = re.sub(r"[`*]", "", words)
        for term in match["terms"].strip().splitlines():
            found[term.strip()] = words
    return found


def pattern_of(terms: Iterable[str]) -> re.Pattern[str]:
    """Return what finds a term in running text, the longest first, with or without a plural s."""
    chosen = [
        term
        for term in terms
        if term.lower() not in EVERYDAY and re.match(r"[A-Za-z0-9]", term) and len(term) > 2
    ]
    ordered = sorted(chosen, key=len, reverse=True)
    alternatives = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in ordered)
    return re.compile(rf"(?<![\w-])(?P<term>{alternatives})(?:s|es)?(?![\w-])", re.I)


def link_terms(
    document: nodes.document,
    terms: Mapping[str, str],
    addresses: Mapping[str, str],
    pattern: re.Pattern[str],
) -> int:
    """Link each term to the glossary where a page first uses it; return how many were linked."""
    known = {" ".join(term.lower().split()): term for term in addresses}
    used: set[str] = set()
    for text in list(document.findall(nodes.Text)):
        parent: Any = text.parent
        while parent is not None and not isinstance(parent, SKIPPED):
            parent = parent.parent
        if parent is not None:
            continue
        pieces: list[nodes.Node] = []
        last = 0
        for match in pattern.finditer(text):
            term = known.get(" ".join(match["term"].lower().split()))
            # An abbreviation must be written as in the glossary: RNN, but not "adam" for Adam.
            if term is None or (term[1:] != term[1:].lower() and term not in match[0]):
                continue
            if addresses[term] in used:
                continue
            used.add(addresses[term])
            if match.start() > last:
                pieces.append(nodes.Text(text[last : match.start()]))
            link = nodes.reference("", match[0], refuri=addresses[term], internal=True)
            link["classes"].append("term")
            link["reftitle"] = terms[term]
            pieces.append(link)
            last = match.end()
        if pieces:
            if last < len(text):
                pieces.append(nodes.Text(text[last:]))
            text.parent.replace(text, pieces)
    return len(used)


def boxes_of(cells: Iterable[Mapping[str, Any]]) -> list[Box]:
    """Return the correction boxes of a notebook in their order.

    Example:
        >>> boxes_of([{"cell_type": "markdown", "source": "> **Correction (K1).** It is 2."}])
        [Box(name='It is 2.', sources='K1')]
    """
    found = []
    for cell in cells:
        if cell["cell_type"] != "markdown":
            continue
        for match in BOX.finditer("".join(cell["source"])):
            words = re.sub(r"<[^>]*>|[`*]", "", match["title"] or match["text"]).split()
            short = words if match["title"] else words[:NAME_WORDS]
            found.append(Box(" ".join(short), match["fold"] or match["quote"]))
    return found


def read_boxes(root: Path) -> dict[tuple[str, str], Rows]:
    """Return (chapter, box) -> its rows, from ``book/boxes.tsv``.

    Example:
        >>> read_boxes(Path("."))["01_getting_started", "which cards work"].items
        ('B1.e1',)
    """
    with (root / "book" / "boxes.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {
            (row["chapter"], row["box"]): Rows(tuple(row["rows"].split()), row["reason"])
            for row in rows
        }


def errata_of_boxes(
    cells: Iterable[Mapping[str, Any]], known: Mapping[tuple[str, str], Rows], chapter: str
) -> list[tuple[str, ...]]:
    """Return, for each correction box of a chapter in its order, the items that it corrects.

    Raises:
        ExtensionError: for a box that ``book/boxes.tsv`` does not have.
    """
    boxes = boxes_of(cells)
    lost = [box.name for box in boxes if (chapter, box.name) not in known]
    if lost:
        raise ExtensionError(
            f"{chapter}: book/boxes.tsv has no line for the correction {lost[0]!r}; "
            "give its rows, or the reason why it has none"
        )
    return [known[chapter, box.name].items for box in boxes]


def row_links(items: Iterable[str], page: str) -> str:
    """Return the line of links from a correction to its rows."""
    links = ", ".join(f'<a href="{page}#{item}">{item}</a>' for item in items)
    return f'<p class="row-link">In the list of corrections: {links}</p>' if links else ""


def with_row_links(body: str, boxes: Sequence[Iterable[str]], page: str) -> str:
    """Put links into the correction boxes of a page, which come in the order of the notebook.

    Raises:
        ExtensionError: if the page has another number of boxes, so that links would be misplaced.
    """
    start = re.compile(
        r"<details[^>]*><summary>Corrections? \([^)]*\).*?</summary>"
        r"|<blockquote>\s*<div>\s*<p><strong>Corrections? \([^)]*\).*?</p>",
        re.S,
    )
    found = len(start.findall(body))
    if found != len(boxes):
        raise ExtensionError(f"{found} corrections on a page, {len(boxes)} in its notebook")
    left = iter(boxes)
    return start.sub(lambda match: match[0] + row_links(next(left), page), body)


def term_addresses(app: Sphinx, docname: str) -> dict[str, str]:
    """Return term -> address of its entry, as seen from a page."""
    builder = app.builder
    found = {}
    for term, _, kind, page, anchor, _ in app.env.get_domain("std").get_objects():
        if kind == "term" and page == "book/glossary":
            found[term] = f"{builder.get_relative_uri(docname, page)}#{anchor}"
    return found


def read_terms(root: Path) -> dict[str, str]:
    """Return the terms of the course's glossary."""
    return glossary((root / "book" / "glossary.md").read_text(encoding="utf-8"))
