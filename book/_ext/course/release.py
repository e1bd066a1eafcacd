"""What belongs to a version: how to cite it, what changed, and a feed of the changes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

ATOM = "http://www.w3.org/2005/Atom"
HEADING = re.compile(
    r"^## (?:\[?v?(?P<version>[\w.]+)\]?)(?: · (?P<date>\d{4}-\d\d-\d\d))?\s*$", re.M
)


@dataclass(frozen=True)
class Entry:
    """A version in CHANGELOG.md; one without a date is not out yet."""

    version: str
    date: str
    text: str


def entries(changelog: str) -> list[Entry]:
    """Return the versions of a changelog, in its order."""
    found = list(HEADING.finditer(changelog))
    ends = [match.start() for match in found[1:]] + [len(changelog)]
    return [
        Entry(match["version"], match["date"] or "", changelog[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]


def bibtex(citation: Mapping[str, Any]) -> str:
    """Return the citation file as BibTeX."""
    released = citation["date-released"]
    names = [
        f"{{{a['name']}}}" if "name" in a else f"{a['family-names']}, {a['given-names']}"
        for a in citation["authors"]
    ]
    fields = {
        "title": f"{{{citation['title']}}}",
        "author": " and ".join(names),
        "year": str(released.year),
        "month": str(released.month),
        "version": str(citation["version"]),
        "url": citation["repository-code"],
    }
    if "doi" in citation:
        fields["doi"] = citation["doi"]
    lines = ",\n".join(f"  {name:<8}= {{{value}}}" for name, value in fields.items())
    return f"@software{{nn_pytorch_course,\n{lines}\n}}"


def atom(changelog: str, title: str, site: str) -> str:
    """Return the feed of the versions that are out.

    Args:
        changelog: CHANGELOG.md.
        title: the title of the course.
        site: the address of the site, with a slash at its end.
    """
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")

    def add(
        parent: ElementTree.Element, tag: str, text: str = "", **attributes: str
    ) -> ElementTree.Element:
        element = ElementTree.SubElement(parent, f"{{{ATOM}}}{tag}", attributes)
        element.text = text or None
        return element

    out = [entry for entry in entries(changelog) if entry.date]
    page = f"{site}book/generated/changelog.html"
    add(feed, "title", title)
    add(feed, "id", site)
    add(feed, "link", rel="self", href=f"{site}feed.xml")
    add(feed, "link", rel="alternate", href=page)
    add(add(feed, "author"), "name", "The contributors of the course")
    newest = max((entry.date for entry in out), default="1970-01-01")
    add(feed, "updated", f"{newest}T00:00:00Z")
    for entry in out:
        item = add(feed, "entry")
        add(item, "title", f"Version {entry.version}")
        add(item, "id", f"{site}#v{entry.version}")
        add(item, "link", rel="alternate", href=page)
        add(item, "updated", f"{entry.date}T00:00:00Z")
        add(item, "content", entry.text, type="text")
    ElementTree.indent(feed)
    return ElementTree.tostring(feed, encoding="unicode", xml_declaration=True) + "\n"


def changelog_page(changelog: str) -> str:
    """Return the page of the changes."""
    note = 'New versions also come as a feed: <a href="../../feed.xml">feed.xml</a> (Atom).\n'
    first, _, rest = changelog.partition("\n")
    return f"{first}\n\n{note}\n{rest.strip()}\n"


def formats_page(citation: Mapping[str, Any], repository: str, branch: str, built: bool) -> str:
    """Return the page on what readers can take along, where they can run it, and how to cite it.

    Args:
        citation: CITATION.cff.
        repository: its address.
        branch: the branch or tag that the places to run a chapter open.
        built: whether this site has the downloads (``make downloads``).
    """
    released: datetime.date = citation["date-released"]
    owner = repository.removeprefix("https://github.com/")
    rows = [
        ("course.pdf", "PDF", "A4, with contents, page numbers and bookmarks; answers are open"),
        ("course.epub", "EPUB", "for e-readers; formulas are MathML"),
        ("course-site.zip", "The site", "unpack it and open `index.html`: it needs no network"),
    ]
    made = [
        f"| {f'<a href={chr(34)}../../downloads/{file}{chr(34)}>{name}</a>' if built else name} | {what} |"  # noqa: E501
        for file, name, what in rows
    ]
    note = "" if built else (
        "This copy of the site comes without them. `make pdf`, `make epub` and `make zip` make "
        "them from a built book.\n"
    )  # fmt: skip
    places = [
        ("Colab", "the button at the top of each chapter opens it there"),
        (f"[Codespaces](https://codespaces.new/{owner})",
         "an editor with the environment of the book (`.devcontainer`)"),
        (f"[Binder](https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/notebooks)",
         "JupyterLab, without an account; small machines, so keep to the quick profile"),
    ]  # fmt: skip
    return "\n".join(
        [
            "# Take it along, run it, cite it\n",
            "## Formats\n",
            "| Format | What it is |\n|:--|:--|",
            *made,
            '| <a href="../../llms.txt">Plain text</a> | a Markdown file for each chapter, listed '
            "in `llms.txt`, for language models and for searching |",
            '| <a href="../../cards.tsv" download>Cards</a> | the recall questions, for Anki |\n',
            note,
            "All are made from the same notebooks and show the same outputs as this site.\n",
            "## Places to run\n",
            *(f"- **{name}**: {what}." for name, what in places),
            "- **Your machine**: [How to use this course](../how_to_use.md).\n",
            "## Cite\n",
            f"Version {citation['version']} of {released.isoformat()}:\n",
            f"```bibtex\n{bibtex(citation)}\n```\n",
            "If a chapter follows one of its sources, please cite it as well: the chapter's "
            "references name it, and `CITATION.cff` in the repository lists all four.\n",
        ]
    )
