"""Recall questions and exercise cards of the chapters, as they stand in the notebooks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from .plan import Chapter

# The section with questions; "Questions of the textbook" and the like are another matter.
SECTION = re.compile(r"(Recall|Questions to recall|(\w+ )?[Qq]uestions)\s*")
FOLD = r"<details[^>]*>\s*<summary>\s*{}\s*</summary>\s*(?P<answer>.*?)\s*</details>"
# A chapter writes the question above the fold, or as its title.
ABOVE = re.compile(r"^\d+\. (?P<question>.+?)\n\s*" + FOLD.format("[^\n]*?"), re.M | re.S)
TITLE = re.compile(FOLD.format(r"\d+\. (?P<question>[^\n]+?)"), re.S)
EXERCISE = re.compile(
    r"^### Exercise \d+: (?P<name>.+)\n\s*\n\*(?P<minutes>\d+) minutes · "
    r"difficulty (?P<difficulty>\d) of 5 · trains: (?P<trains>.+?)\*\s*$",
    re.M,
)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)\s]*\)")


@dataclass(frozen=True)
class Card:
    """A recall question with its answer, both Markdown."""

    question: str
    answer: str


@dataclass(frozen=True)
class Exercise:
    """The card of an exercise."""

    name: str
    minutes: int
    difficulty: int
    trains: str


def markdown_cells(path: Path) -> list[str]:
    """Return the Markdown cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def sections(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield title and text of each section of the second level."""
    parts = re.split(r"^## +(.+)$", "\n\n".join(texts), flags=re.M)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def cards(texts: Iterable[str]) -> list[Card]:
    """Return the recall questions of a chapter, given its Markdown cells."""
    found = []
    for title, text in sections(texts):
        if SECTION.fullmatch(title.strip()):
            matches = [*TITLE.finditer(text)] or [*ABOVE.finditer(text)]
            found += [Card(" ".join(m["question"].split()), m["answer"]) for m in matches]
    return found


def exercises(texts: Iterable[str]) -> list[Exercise]:
    """Return the exercises of a chapter, given its Markdown cells."""
    matches = EXERCISE.finditer("\n\n".join(texts))
    return [Exercise(m["name"], int(m["minutes"]), int(m["difficulty"]), m["trains"])
            for m in matches]  # fmt: skip


def recall_sheet(chapters: Iterable[Chapter], found: Mapping[str, list[Card]]) -> str:
    """Return the page with all questions: without answers, to print and hand out."""
    lines = [
        "# Recall sheet\n",
        "The recall questions of all chapters, for paper. The answers stand at the end of each "
        "chapter, and on the back of the cards: "
        '<a href="../../cards.tsv" download>cards.tsv</a> is a file that Anki imports '
        "(*File*, *Import*), with formulas, a tag for each chapter, and nothing else to set.\n",
    ]
    for chapter in chapters:
        if found.get(chapter.name):
            lines.append(f"## {chapter.label}\n")
            lines += [f"1. {plain_links(card.question)}" for card in found[chapter.name]]
            lines.append("")
    return "\n".join(lines)


def plain_links(text: str) -> str:
    """Replace links into the course by their words."""
    return LINK.sub(r"\1", text)


def as_html(text: str) -> str:
    r"""Return Markdown as HTML in one line, formulas as ``\(…\)``, which Anki sets itself."""
    parser = (
        MarkdownIt("commonmark")
        .enable("table")
        .use(dollarmath_plugin, renderer=lambda content, options: _escaped(content))
    )
    parser.add_render_rule("math_inline", lambda _, tokens, i, *rest: _math(tokens[i], "()"))
    parser.add_render_rule("math_block", lambda _, tokens, i, *rest: _math(tokens[i], "[]"))
    html = parser.render(plain_links(text)).strip()
    # A file of cards has a card a line; in code a line must still end.
    inside = re.sub(r"<pre>.*?</pre>", lambda m: m[0].replace("\n", "<br>"), html, flags=re.S)
    return " ".join(inside.split("\n"))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _math(token, marks: str) -> str:
    text = " ".join(_escaped(token.content).split())
    return rf"\{marks[0]}{text}\{marks[1]}"


def card_file(chapters: Iterable[Chapter], found: Mapping[str, list[Card]]) -> str:
    """Return the file of cards that Anki imports: front, back, tag."""
    text = io.StringIO()
    text.write("#separator:tab\n#html:true\n#tags column:3\n#deck:Neural Networks in PyTorch\n")
    table = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    for chapter in chapters:
        for card in found.get(chapter.name, []):
            table.writerow([as_html(card.question), as_html(card.answer), chapter.name])
    return text.getvalue()


def reading_minutes(texts: Iterable[str]) -> float:
    """Return the minutes of reading that a chapter names; 60 if it names none."""
    match = re.search(r"\*\*Time and data\*\*(.*?)[.;]", "\n\n".join(texts), re.S)
    said = match[1].lower() if match else ""
    if "hour and a half" in said:
        return 90.0
    if minutes := re.search(r"(\d+) minutes", said):
        return float(minutes[1])
    return 60.0
