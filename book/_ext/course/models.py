"""The index of the networks in ``helpers.models``."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .markdown import code_spans, table
from .plan import Course, chapter_link


@dataclass(frozen=True)
class Model:
    """A public class of ``helpers.models``."""

    module: str
    name: str
    summary: str
    parameters: str


def read_models(folder: Path) -> list[Model]:
    """Read the public classes of ``helpers/models`` from their source, without importing torch."""
    found = []
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            doc = ast.get_docstring(node) or ""
            first = doc.partition("\n\n")[0]
            count = re.search(r"(\d[\d,]*)\s+parameters", first)
            found.append(Model(path.stem, node.name, first, count.group(1) if count else ""))
    return found


def model_index_page(course: Course, models: Sequence[Model]) -> str:
    """Return the list of all models with the chapters that use them."""
    text = [
        "# Model index\n",
        "Every network in `helpers.models`. Models return logits, or a raw value in regression. "
        "A test checks each parameter count.\n",
    ]
    modules: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        modules[model.module].append(model)
    for module, members in modules.items():
        rows = []
        for model in members:
            users = [
                chapter_link(chapter, "../../")
                for chapter in course.chapters
                if chapter.exists
                and re.search(
                    rf"\bmodels\.{model.name}\b|from helpers\.models import .*\b{model.name}\b",
                    course.notebooks[chapter.name].text,
                )
            ]
            rows.append(
                [f"`{model.name}`", code_spans(model.summary), model.parameters, "<br>".join(users)]
            )
        text.append(f"## `helpers.models.{module}`\n")
        text.append(table(["Class", "What it is", "Parameters", "Chapters"], rows, "llrl"))
    return "\n".join(text)
