"""Pages for teachers, on formats and on versions, and the files that stand beside the pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools import address

from . import addresses, recall, release, slides, teaching, texts
from .plan import Chapter, chapters

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TITLE = "Neural Networks in PyTorch: the executable course"
ABOUT = (
    "32 chapters, each an executable notebook, from the first tensor to training on several "
    "devices: claims that run, errors of sources put right, reported numbers measured again."
)


def citation(root: Path) -> dict[str, Any]:
    """Read CITATION.cff."""
    content = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def written(root: Path) -> tuple[list[Chapter], dict[str, list[str]]]:
    """Return the plan, and the Markdown cells of the chapters that exist."""
    plan = chapters(root)
    cells = {
        chapter.name: recall.markdown_cells(root / "notebooks" / f"{chapter.name}.ipynb")
        for chapter in plan
        if chapter.exists
    }
    return plan, cells


def extra_pages(root: Path) -> dict[str, str]:
    """Return the generated pages of this module: name -> Markdown.

    ``COURSE_DOWNLOADS=1`` lets the page on formats link to what ``make downloads`` adds to the
    site afterwards.
    """
    plan, cells = written(root)
    cards = {name: recall.cards(texts) for name, texts in cells.items()}
    repository, tag = address.built_from(root)
    built = os.environ.get("COURSE_DOWNLOADS", "") not in ("", "0")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    return {
        "teaching": teaching.teaching_page(
            teaching.read_plan(root),
            plan,
            {name: recall.exercises(texts) for name, texts in cells.items()},
            cards,
            {name: recall.reading_minutes(texts) for name, texts in cells.items()},
        ),
        "recall": recall.recall_sheet(plan, cards),
        "formats": release.formats_page(citation(root), repository, tag or "main", built),
        "changelog": release.changelog_page(changelog),
    }


def write_files(root: Path, outdir: Path, cache: Path | None) -> None:
    """Write what stands beside the pages of a site: cards, slides, texts, feed.

    Args:
        root: the root of the repository.
        outdir: the folder of the site.
        cache: the cache of executed notebooks, or None for the stored outputs.
    """
    plan, cells = written(root)
    cards = {name: recall.cards(texts) for name, texts in cells.items()}
    (outdir / "cards.tsv").write_text(recall.card_file(plan, cards), encoding="utf-8")
    labels = {chapter.name: chapter.label for chapter in plan if chapter.exists}
    slides.write_slides(outdir, labels, TITLE.partition(":")[0])
    texts.write_texts(root, outdir, cache, {"title": TITLE, "description": ABOUT}, plan)
    site = address.pages_address(address.built_from(root)[0])
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    feed = release.atom(changelog, TITLE, site)
    (outdir / "feed.xml").write_text(feed, encoding="utf-8")
    addresses.write_redirects(root, outdir)


def on_finished(app: Sphinx, error: Exception | None) -> None:
    """Write the files when the pages are there (Sphinx calls this)."""
    if error is None and app.builder.format == "html":
        stored = os.environ.get("COURSE_STORED")
        cache = None if stored else Path(app.config.nb_execution_cache_path)
        write_files(Path(app.srcdir), Path(app.outdir), cache)
