"""Writing the generated pages, each only if its text changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from . import extras
from .benchmarks import benchmarks_page
from .landing import figure_page, fractions_page, write_figure
from .models import model_index_page, read_models
from .plan import load_course
from .replication import read_records, read_shown, replication_page
from .runs import date_of_build
from .sources import corrections_page, source_map_pages
from .status import cached_runs, chapters_table, status_page
from .wording import read_corrections


def write_if_changed(path: Path, text: str) -> bool:
    """Write a file unless it has this text already; return whether it was written."""
    text = text.rstrip() + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def generate(root: Path, folder: Path) -> list[str]:
    """Write all generated pages.

    Args:
        root: the root of the repository.
        folder: the cache of executed notebooks, for the run times.

    Returns:
        The names of the pages whose text changed.
    """
    course = load_course(root)
    results = root / "helpers" / "recorded"
    benches = {
        path.stem.removeprefix("bench_"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(results.glob("bench_*.json"))
    }
    loop_file = results / "loop_cpu.json"
    loop = json.loads(loop_file.read_text(encoding="utf-8")) if loop_file.is_file() else None
    profile = os.environ.get("COURSE_PROFILE") or "chosen by the machine"
    data = os.environ.get("COURSE_DATA") or "auto"
    records = read_records(results)
    target = root / "book" / "generated"
    pages = {
        **extras.extra_pages(root),
        **source_map_pages(course),
        "corrections": corrections_page(course, read_corrections(root)),
        "replication": replication_page(course, records, read_shown(root)),
        "benchmarks": benchmarks_page(benches, loop),
        "model_index": model_index_page(course, read_models(root / "helpers" / "models")),
        "status": status_page(
            course, cached_runs(root, folder), f"Profile: {profile}. Data mode: {data}."
        ),
        "chapters": chapters_table(course),
        "figure": figure_page(course, write_figure(root, target)),
        "fractions": fractions_page(course, records, date_of_build(root)),
    }
    return [name for name, text in pages.items() if write_if_changed(target / f"{name}.md", text)]
