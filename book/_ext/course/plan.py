"""The plan of the course, its notebooks with their headings, and who delivers what."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.mdit_to_docutils.base import compute_unique_slug, default_slugify

from helpers import ledger
from helpers.ledger import Claim, Item

from .markdown import escape


@dataclass(frozen=True)
class Chapter:
    """A chapter of the plan, written or not."""

    name: str
    title: str
    about: str
    sources: tuple[str, ...]
    part: str
    exists: bool

    @property
    def number(self) -> int:
        """The chapter's number."""
        return int(self.name[:2])

    @property
    def label(self) -> str:
        """Number and title, as in the table of contents."""
        return f"{self.number}. {self.title}"


def chapters(root: Path) -> list[Chapter]:
    """Read ``book/chapters.yml``; a chapter exists if its notebook does."""
    plan = yaml.safe_load((root / "book" / "chapters.yml").read_text(encoding="utf-8"))
    return [
        Chapter(
            name=entry["name"],
            title=entry["title"],
            about=entry["about"],
            sources=tuple(entry["sources"]),
            part=part["part"],
            exists=(root / "notebooks" / f"{entry['name']}.ipynb").is_file(),
        )
        for part in plan
        for entry in part["chapters"]
    ]


@dataclass(frozen=True)
class Heading:
    """A heading of a notebook, as MyST will link it. ``slug`` is empty where we cannot know it."""

    text: str
    slug: str


@dataclass
class Notebook:
    """What the generated pages need to know about a notebook."""

    name: str
    text: str = ""
    headings: list[Heading | None] = field(default_factory=list)  # one a cell: the nearest one
    anchors: set[str] = field(default_factory=set)  # what a link may lead to


def read_notebook(path: Path) -> Notebook:
    """Read a notebook's text and, for each cell, the nearest heading at or before it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parser = MarkdownIt("commonmark").use(dollarmath_plugin)
    notebook = Notebook(path.stem)
    slugs: set[str] = set()
    nearest: Heading | None = None
    texts = []
    for cell in cells:
        source = "".join(cell["source"])
        texts.append(source)
        if cell["cell_type"] == "markdown":
            for node in SyntaxTreeNode(parser.parse(source)).walk():
                if node.type != "heading" or node.tag not in ("h1", "h2", "h3"):
                    continue
                pieces = node.children[0].children
                known = [piece for piece in pieces if piece.type in ("text", "code_inline")]
                text = "".join(piece.content for piece in known)
                slug = compute_unique_slug(node, slugs, default_slugify)
                slugs.add(slug)
                if node.tag != "h1":
                    nearest = Heading(text, slug if len(known) == len(pieces) else "")
        notebook.headings.append(nearest)
    notebook.text = "\n".join(texts)
    notebook.anchors = slugs
    return notebook


def read_notebooks(root: Path) -> dict[str, Notebook]:
    """Read every notebook of the course."""
    return {p.stem: read_notebook(p) for p in sorted((root / "notebooks").glob("*.ipynb"))}


def chapter_link(chapter: Chapter, prefix: str, heading: Heading | None = None) -> str:
    """Return a link to a chapter, or to a heading in it; plain text if it is not written yet."""
    if not chapter.exists:
        return f"{chapter.label} (planned)"
    target = f"{prefix}notebooks/{chapter.name}.ipynb"
    if heading is None or not heading.slug:
        return f"[{escape(chapter.label)}]({target})"
    return f"[{chapter.number} › {escape(heading.text)}]({target}#{heading.slug})"


@dataclass
class Course:
    """Everything that the generated pages are made from."""

    chapters: list[Chapter]
    items: list[Item]
    claims: dict[str, list[Claim]]
    notebooks: dict[str, Notebook]
    sources: dict[str, str]

    def chapter(self, name: str) -> Chapter | None:
        """Return the chapter of a notebook."""
        return next((c for c in self.chapters if c.name == name), None)

    def places(self, item: Item, prefix: str, between: str = "<br>", most: int = 4) -> str:
        """Return links to the places that deliver an item, or the chapter that is to do so."""
        links: list[str] = []
        for claim in self.claims.get(item.id, []):
            chapter = self.chapter(claim.notebook)
            if chapter is None:
                continue
            link = chapter_link(
                chapter, prefix, self.notebooks[claim.notebook].headings[claim.cell]
            )
            if link not in links:
                links.append(link)
        if links:
            return between.join(links[:most])
        home = next((c for c in self.chapters if c.name[:2] == item.home), None)
        return f"planned: chapter {home.number}" if home else "planned"


def _claimed(course: Course, kind: str | None = None) -> tuple[int, int]:
    chosen = [item for item in course.items if kind in (None, item.kind)]
    return sum(item.id in course.claims for item in chosen), len(chosen)


def load_course(root: Path) -> Course:
    """Read the ledger, the notebooks and the plan."""
    return Course(
        chapters=chapters(root),
        items=ledger.items(root / "book" / "ledger.tsv"),
        claims=ledger.claims(root / "notebooks"),
        notebooks=read_notebooks(root),
        sources=ledger.SOURCES,
    )
