"""The page for teachers: a plan for a term, what it asks of students, slides, cards, homework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .markdown import escape, table
from .plan import Chapter, chapter_link
from .recall import Card, Exercise

PREFIX = "../../"


def read_plan(root: Path) -> dict[str, Any]:
    """Read ``book/teaching.yml``: what no notebook can know."""
    content = yaml.safe_load((root / "book" / "teaching.yml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def hours(minutes: float) -> str:
    """Return minutes as hours, to a quarter."""
    return f"{round(minutes / 15) / 4:g} h"


def week_rows(
    weeks: Sequence[Mapping[str, Any]],
    chapters: Mapping[int, Chapter],
    exercises: Mapping[str, Sequence[Exercise]],
    reading: Mapping[str, float],
) -> list[list[str]]:
    """Return a row for each week: chapters, hours of reading and exercises, what to aim at."""
    rows = []
    for number, week in enumerate(weeks, 1):
        members = [chapters[n] for n in week["chapters"]]
        at_home = sum(e.minutes for c in members for e in exercises.get(c.name, ()))
        reads = sum(reading.get(c.name, 60.0) for c in members)
        links = "<br>".join(chapter_link(chapter, PREFIX) for chapter in members)
        rows.append([str(number), links, hours(reads), hours(at_home), escape(week["aim"])])
    return rows


def exercise_rows(
    chapters: Iterable[Chapter],
    exercises: Mapping[str, Sequence[Exercise]],
    cards: Mapping[str, Sequence[Card]],
    slides: set[str],
) -> list[list[str]]:
    """Return a row for each chapter: what there is to work with."""
    rows = []
    for chapter in chapters:
        if not chapter.exists:
            continue
        own = exercises.get(chapter.name, ())
        levels = sorted(e.difficulty for e in own)
        spread = f"{levels[0]} to {levels[-1]}" if own else "–"
        deck = f'<a href="../../slides/{chapter.name}.html">open</a>'
        rows.append(
            [
                chapter_link(chapter, PREFIX),
                str(len(own)),
                f"{sum(e.minutes for e in own)} min",
                spread,
                str(len(cards.get(chapter.name, ()))),
                deck if chapter.name in slides else "",
            ]
        )
    return rows


def entry_questions(questions: Sequence[Mapping[str, str]]) -> str:
    """Return the questions for the first hour, answers folded."""
    lines = []
    for number, entry in enumerate(questions, 1):
        lines.append(f"{number}. {entry['question'].strip()}\n")
        lines.append(f"<details><summary>Answer {number}</summary>\n")
        lines.append(
            f"{entry['answer'].strip()} *If not: {entry['remedy'].strip()}*\n\n</details>\n"
        )
    return "\n".join(lines)


def teaching_page(
    plan: Mapping[str, Any],
    chapters: Sequence[Chapter],
    exercises: Mapping[str, Sequence[Exercise]],
    cards: Mapping[str, Sequence[Card]],
    reading: Mapping[str, float],
) -> str:
    """Return the page for teachers.

    Args:
        plan: the content of ``book/teaching.yml``.
        chapters: the chapters of the course.
        exercises: chapter name -> its exercises.
        cards: chapter name -> its recall questions.
        reading: chapter name -> minutes of reading that the chapter names itself.
    """
    known = {chapter.number: chapter for chapter in chapters}
    weeks = week_rows(plan["weeks"], known, exercises, reading)
    slides = {chapter.name for chapter in chapters if chapter.exists}
    learners = [[escape(one["who"]), escape(one["way"])] for one in plan["learners"]]
    self_test = [[escape(line), "☐", "☐", "☐", "☐"] for line in plan["self_test"]]
    return "\n".join(
        [
            "# For teachers\n",
            "Everything on this page is made from the notebooks when the site is built: minutes "
            "and difficulty stand in the chapters.\n",
            f"## A plan for {len(plan['weeks'])} weeks\n",
            "Two meetings of 90 minutes a week: one to talk through the chapters' claims with the "
            "slides and a run of the experiment, guesses first; one to work on exercises. Reading "
            "is the time that the chapters name, exercises the sum of their cards.\n",
            table(["Week", "Chapters", "Reading", "Exercises", "Aim"], weeks, "rlrrl"),
            "A shorter course leaves out the case study and the last part. No room needs a GPU or "
            "a network: the quick profile runs on a laptop, and a mirror on a USB stick replaces "
            "the downloads ([How to use this course](../how_to_use.md)).\n",
            "## Who comes\n",
            table(["Learner", "Way through the course"], learners),
            "## Entry questions\n",
            "By show of hands or on paper before week 1. Mark one box a line; nobody is graded.\n",
            table(
                [
                    "Can you …",
                    "I know it",
                    "I would look it up",
                    "I would ask",
                    "I do not understand the question",
                ],
                self_test,
                "lcccc",
            ),
            "And to work out, ten minutes:\n",
            entry_questions(plan["entry_questions"]),
            "## Material by chapter\n",
            "Slides are made from headings, formulas and figures: arrow keys turn them, printing "
            "gives one a sheet. Figures are files of the site under CC BY 4.0: save them from the "
            "page. The questions of all chapters are a [sheet](recall.md) and a file of cards, "
            '<a href="../../cards.tsv" download>cards.tsv</a>.\n',
            table(
                ["Chapter", "Exercises", "Together", "Difficulty", "Questions", "Slides"],
                exercise_rows(chapters, exercises, cards, slides),
                "lrrlrl",
            ),
            "## Hand out and grade\n",
            plan["homework"].strip() + "\n",
        ]
    )
