"""What the build makes for teachers, and around a version: questions, slides, texts, feed."""

import csv
import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import yaml
from nbformat import v4

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course import extras, recall, release, slides, teaching, texts  # noqa: E402

ABOVE = """## Recall

Answer first.

1. What is $x<1$?

<details><summary>Answer 1</summary>

Less than [one](02_tensors.ipynb).

```python
a
b
```

</details>

2. And `y`?

<details><summary>Answer</summary>

More.

</details>

## Summary

1. Not a question.
"""
TITLE = """## Questions

<details><summary>1. What is $x<1$?</summary>

Less than one.

</details>
"""
PLAN, CELLS = extras.written(ROOT)
WITH_QUESTIONS = [
    name
    for name, cells in CELLS.items()
    if any(recall.SECTION.fullmatch(title.strip()) for title, _ in recall.sections(cells))
]


# -- questions and exercises ---------------------------------------------------------------------


def test_both_ways_to_write_a_question():
    first, second = recall.cards([ABOVE])
    assert first.question == "What is $x<1$?"
    assert first.answer.startswith("Less than")
    assert (second.question, second.answer) == ("And `y`?", "More.")
    assert [card.question for card in recall.cards([TITLE])] == ["What is $x<1$?"]


def test_cards_are_a_line_each_with_formulas_for_anki():
    chapter = PLAN[0]
    text = recall.card_file([chapter], {chapter.name: recall.cards([ABOVE])})
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = list(csv.reader(lines, dialect="excel-tab"))
    assert [len(row) for row in rows] == [3, 3]
    assert rows[0][0] == r"<p>What is \(x&lt;1\)?</p>"
    assert "Less than one." in rows[0][1]
    assert "a<br>b" in rows[0][1]
    assert rows[0][2] == chapter.name


@pytest.mark.parametrize("name", WITH_QUESTIONS)
def test_a_chapter_with_a_recall_section_gives_its_questions(name):
    assert len(recall.cards(CELLS[name])) >= 5


def test_all_chapters_have_questions_and_those_exercises_that_they_announce():
    assert list(CELLS) == WITH_QUESTIONS
    for name, cells in CELLS.items():
        said = "\n".join(cells)
        assert len(recall.exercises(cells)) == len(re.findall(r"^### Exercise \d", said, re.M)), (
            name
        )


@pytest.mark.parametrize(
    ("said", "minutes"),
    [
        ("About an hour for it; 2 minutes more.", 60),
        ("An hour and a half.", 90),
        ("About 40 minutes of it.", 40),
    ],
)
def test_minutes_of_reading(said, minutes):
    assert recall.reading_minutes([f"**Time and data** {said}"]) == minutes


# -- the page for teachers -----------------------------------------------------------------------


def test_the_weeks_have_every_chapter_once():
    plan = teaching.read_plan(ROOT)
    planned = [number for week in plan["weeks"] for number in week["chapters"]]
    assert planned == sorted(planned) == [chapter.number for chapter in PLAN]
    assert len(plan["weeks"]) == 14


def test_the_page_adds_up_the_exercises_of_a_week():
    two = extras.recall.Exercise("a", 20, 1, "x"), extras.recall.Exercise("b", 40, 3, "y")
    known = {chapter.number: chapter for chapter in PLAN}
    weeks = [{"chapters": [1, 2], "aim": "go"}]
    (row,) = teaching.week_rows(weeks, known, {PLAN[0].name: two}, {PLAN[1].name: 90.0})
    assert row[2:4] == ["2.5 h", "1 h"]
    assert "notebooks/01_getting_started.ipynb" in row[1]


def test_the_commands_for_the_homework_exist(capsys):
    from helpers.homework.__main__ import main

    commands = re.findall(r"helpers\.homework (\w+)", teaching.read_plan(ROOT)["homework"])
    assert sorted(commands) == ["grade", "handout", "merge"]
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0


# -- slides --------------------------------------------------------------------------------------

PAGE = r"""<html><body><article class="bd-article"><section><h1>Blocks: of nets</h1>
<p>One idea. It is short.</p>
<section><h2>A block<a class="headerlink" href="#a">#</a></h2><p>A block has \(x\) &lt; 1.</p>
<div class="math notranslate nohighlight">\[y=x\]</div>
<img src="../_images/f.png" alt="an arrow"><section><h3>Below</h3></section></section>
<section><h2>Exercises</h2><img src="../_images/no.png" alt="no"></section>
</section></article></body></html>"""


def test_slides_have_headings_formulas_and_figures_and_no_exercises():
    text = slides.deck(PAGE, "05_b", "5. Blocks", "The course")
    assert text.count("<section") == 3
    assert '<img src="../_images/f.png"' in text
    for part in ("5. Blocks", "One idea.", r"A block has \(x\) &lt; 1.", r"\[y=x\]", "an arrow"):
        assert part in text
    assert "Below" in text
    assert "no.png" not in text
    assert "http" not in text.replace("http-equiv", "")


# -- plain texts ---------------------------------------------------------------------------------


def test_a_chapter_as_text_has_prose_code_and_outputs():
    figure = v4.new_output("display_data", {"image/png": "AA", "text/plain": "<Figure>"})
    printed = v4.new_output("stream", text="```\n" + "line\n" * 99)
    alt = {"mystnb": {"image": {"alt": "an arrow"}}}
    notebook = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Title"),
            v4.new_code_cell("pip install", metadata={"tags": ["remove-cell"]}),
            v4.new_code_cell("x = 1", outputs=[printed, figure], metadata=alt),
        ]
    )
    text = texts.chapter_text(notebook)
    assert text.startswith("# Title\n\n```python\nx = 1\n```\n\n````\n```\nline\n")
    assert "… 40 more lines\n````" in text
    assert text.endswith("*Figure: an arrow*\n")
    assert "pip" not in text


def test_the_stored_outputs_are_taken_without_a_cache(tmp_path):
    path = ROOT / "notebooks" / "05_backpropagation.ipynb"
    assert texts.executed(path, tmp_path) == nbformat.read(path, as_version=4)


# -- versions ------------------------------------------------------------------------------------


def test_the_changelog_knows_the_version_and_its_day():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    citation = extras.citation(ROOT)
    dated = [e for e in release.entries((ROOT / "CHANGELOG.md").read_text("utf-8")) if e.date]
    assert (dated[0].version, dated[0].date) == (version, str(citation["date-released"]))
    assert all(entry.text for entry in dated)


def test_the_feed_has_what_atom_asks_for_and_no_version_that_is_not_out():
    log = "# Changes\n\n## 2.0\n\n- soon\n\n## 1.0 · 2026-11-21\n\n- a < b\n"
    feed = ElementTree.fromstring(release.atom(log, "T", "https://x.y/z/"))
    name = "{http://www.w3.org/2005/Atom}"
    assert {child.tag for child in feed} >= {name + n for n in ("id", "title", "updated", "author")}
    (entry,) = feed.findall(f"{name}entry")
    assert entry.findtext(f"{name}content") == "- a < b"
    assert entry.findtext(f"{name}updated") == "2026-11-21T00:00:00Z"
    assert entry.findtext(f"{name}id") == "https://x.y/z/#v1.0"


def test_bibtex_is_made_from_the_citation_file():
    text = release.bibtex(yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8")))
    assert text.startswith("@software{")
    assert text.count("{") == text.count("}")
    assert "title   = {{Neural Networks in PyTorch" in text


def test_downloads_are_linked_only_where_they_are():
    citation = extras.citation(ROOT)
    without = release.formats_page(citation, "https://github.com/o/n", "v1", built=False)
    assert "downloads/" not in without
    assert "`make pdf`" in without
    linked = release.formats_page(citation, "https://github.com/o/n", "v1", built=True)
    assert linked.count("../../downloads/course") == 3
    assert "/gh/o/n/v1?" in linked
