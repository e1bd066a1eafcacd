"""The course's own Sphinx extension.

It does three things before Sphinx reads a page:

- points MyST-NB at the cache of executed notebooks that belongs to the present state of
  ``helpers/``, ``data_scripts/`` and the environment (:func:`cache_path`);
- writes the generated pages into ``book/generated/`` (:func:`generate`), each only if its text
  changed, so that an unchanged page is not built again;
- copies MathJax from an installed package into the site, so that no page needs a CDN.

Every page is a function from data to text that a test can call.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import yaml
from jupyter_cache import get_cache
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.mdit_to_docutils.base import compute_unique_slug, default_slugify
from packaging.requirements import Requirement
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

    from helpers.ledger import Claim, Item

# Variables that change how a build runs but not what it computes.
NOT_IN_KEY = {"COURSE_JOBS", "COURSE_SITE"}
MATHJAX_PACKAGE = "sphinx-mathjax-offline"
# Of MathJax only what our pages can ask for: TeX input, CHTML output, fonts, accessibility.
MATHJAX_PARTS = (
    "tex-chtml.js",
    "a11y/*",
    "input/tex/extensions/*",
    "output/chtml/fonts/**/*",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)
ESCAPED = re.compile(r"([\\`*_{}\[\]<>|$~#])")
KIND_NAMES = {
    "concept": "idea",
    "data": "data set",
    "erratum": "correction",
    "figure": "figure",
    "formula": "formula",
    "listing": "program",
    "question": "question",
    "result": "result",
}
SOURCE_TITLES = {
    "K": "the textbook",
    "B": "the O'Reilly book",
    "T": "the notes",
    "L": "the lecture",
}


# ---------------------------------------------------------------- the key of the cache


def _digest_files(digest: Any, root: Path, paths: Iterable[Path]) -> None:
    for path in sorted(paths):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())


def _installed(root: Path) -> list[str]:
    """Return name==version of everything a notebook's result may depend on."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {Requirement(text).name for text in project["dependencies"]} | {"ipykernel"}
    for extra in project.get("optional-dependencies", {}).values():
        names |= {Requirement(text).name for text in extra if "torch" in text}
    found = []
    for name in sorted(names):
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
    return found


def execution_key(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return a hash of all that decides a notebook's outputs, apart from its own cells.

    That is ``helpers/`` with the recorded results (which notebooks print), ``data_scripts/``, the
    lock file, the ledger, Python, the packages of pyproject.toml, the COURSE_* variables and
    whether there is an NVIDIA driver.
    """
    digest = hashlib.sha256()
    for folder in ("helpers", "data_scripts"):
        found = (root / folder).rglob("*")
        # An official run writes results itself: counting them would make its own cache stale.
        if environ.get("COURSE_DATA") == "official":
            found = (path for path in found if path.parent.name != "recorded")
        _digest_files(digest, root, found)
    _digest_files(digest, root, [root / "requirements.lock", root / "book" / "ledger.tsv"])
    settings = [
        f"{name}={value}"
        for name, value in sorted(environ.items())
        if name == "CUDA_VISIBLE_DEVICES" or (name.startswith("COURSE_") and name not in NOT_IN_KEY)
    ]
    machine = [
        platform.python_version(),
        platform.machine(),
        f"nvidia driver: {Path('/proc/driver/nvidia/version').exists()}",
    ]
    digest.update("\n".join([*settings, *machine, *_installed(root)]).encode())
    return digest.hexdigest()[:16]


def cache_path(root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of executed notebooks that fits the present key."""
    return root / "_build" / ".jupyter_cache" / execution_key(root, environ)


# ---------------------------------------------------------------- chapters and their headings


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
    return notebook


def read_notebooks(root: Path) -> dict[str, Notebook]:
    """Read every notebook of the course."""
    return {p.stem: read_notebook(p) for p in sorted((root / "notebooks").glob("*.ipynb"))}


# ---------------------------------------------------------------- text


def escape(text: str) -> str:
    """Make text safe inside a Markdown table: every sign stands for itself."""
    return re.sub(ESCAPED, r"\\\1", " ".join(str(text).split()))


def item_text(item: Item) -> str:
    """Return what an item teaches, without the remark meant for authors."""
    return escape(re.sub(r"\s*\(scaled-down stand-in allowed\)\s*$", "", item.show))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Return a Markdown table. ``align`` has one letter a column: l, r or c."""
    marks = {"l": ":--", "r": "--:", "c": ":-:"}
    rule = [marks[letter] for letter in align.ljust(len(header), "l")]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def chapter_link(chapter: Chapter, prefix: str, heading: Heading | None = None) -> str:
    """Return a link to a chapter, or to a heading in it; plain text if it is not written yet."""
    if not chapter.exists:
        return f"{chapter.label} (planned)"
    target = f"{prefix}notebooks/{chapter.name}.ipynb"
    if heading is None or not heading.slug:
        return f"[{escape(chapter.label)}]({target})"
    return f"[{chapter.number} › {escape(heading.text)}]({target}#{heading.slug})"


def number(value: float) -> str:
    """Format a measured number with four significant digits."""
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3e}"


def seconds(value: float) -> str:
    """Format a duration with a fitting unit."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s" if value < 60 else f"{value / 60:.1f} min"


# ---------------------------------------------------------------- pages


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


def source_map_pages(course: Course) -> dict[str, str]:
    """Return the overview of the source map and one page a source."""
    done, total = _claimed(course)
    pages = {}
    overview = []
    for letter, title in course.sources.items():
        own = [item for item in course.items if item.source == letter]
        own_done = sum(item.id in course.claims for item in own)
        page = f"source_map_{letter.lower()}"
        overview.append(
            [
                f"[{letter}: {SOURCE_TITLES[letter]}]({page}.md)",
                escape(title),
                f"{own_done} of {len(own)}",
            ]
        )
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in own:
            groups[item.id.split(".")[0]].append(item)
        text = [
            f"# Source map {letter}: {SOURCE_TITLES[letter]}\n",
            f"{escape(title)}.\n",
            f"The course delivers **{own_done} of {len(own)}** items of this source so far.\n",
        ]
        for group, members in groups.items():
            rows = [
                [
                    f'<span id="{item.id}">{item.id}</span>',
                    KIND_NAMES[item.kind],
                    item_text(item),
                    course.places(item, "../../"),
                ]
                for item in members
            ]
            text.append(f"## {group}\n")
            text.append(table(["Item", "Kind", "What the course shows", "Where"], rows))
        pages[page] = "\n".join(text)
    kinds = [
        [KIND_NAMES[kind], *(str(n) for n in _claimed(course, kind))]
        for kind in sorted({item.kind for item in course.items})
    ]
    pages["source_map"] = "\n".join(
        [
            "# Source map\n",
            f"The course delivers **{done} of {total}** items of its four sources so far. "
            "An item is an idea, a formula, a program, a data set, a reported result, a figure, "
            "a question or an error. It counts when a cell of a chapter does what the item says, "
            "and a test checks that the cell is there.\n",
            table(["Source", "Work", "Delivered"], overview, "llr"),
            "## By kind\n",
            table(["Kind", "Delivered", "All"], kinds, "lrr"),
        ]
    )
    return pages


def corrections_page(course: Course) -> str:
    """Return the page of all corrections that chapters carry out, grouped by chapter."""
    errata = {item.id: item for item in course.items if item.kind == "erratum"}
    done, total = _claimed(course, "erratum")
    by_chapter: dict[str, list[str]] = defaultdict(list)
    for item_id, claims in course.claims.items():
        for claim in claims:
            if item_id in errata and item_id not in by_chapter[claim.notebook]:
                by_chapter[claim.notebook].append(item_id)
    text = [
        "# Corrections\n",
        "The sources contain errors that a learner would trip over: programs that fail, unfair "
        "timings, leaks of test data, functions that no longer exist. A chapter shows each one "
        f"failing, then puts it right. **{done} of {total}** corrections are in the chapters "
        "so far.\n",
    ]
    order = list(errata)
    for chapter in course.chapters:
        found = sorted(by_chapter.get(chapter.name, []), key=order.index)
        if not found or not chapter.exists:
            continue
        count = "1 correction" if len(found) == 1 else f"{len(found)} corrections"
        text.append(f"## {escape(chapter.label)}\n")
        text.append(f"{count} in {chapter_link(chapter, '../../')}.\n")
        rows = []
        for item_id in found:
            here = next(c for c in course.claims[item_id] if c.notebook == chapter.name)
            heading = course.notebooks[chapter.name].headings[here.cell]
            rows.append(
                [item_id, item_text(errata[item_id]), chapter_link(chapter, "../../", heading)]
            )
        text.append(table(["Item", "Correction", "Where"], rows))
    return "\n".join(text)


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read the recorded results, ``helpers/recorded/<notebook>.json``."""
    records: list[dict[str, Any]] = []
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            records += json.loads(path.read_text(encoding="utf-8"))["records"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ExtensionError(
                f"{path.name} is not a file of recorded results: {error}"
            ) from None
    return records


def _record_row(record: Mapping[str, Any]) -> list[str]:
    unit = escape(record.get("unit") or "")
    measured = record["value"] is not None
    ours = number(record["value"]) if measured else "–"
    if record.get("seeds", 1) > 1:
        ours += f" ({number(record['low'])} to {number(record['high'])})"
    claimed = record.get("source")
    source = "–" if claimed is None else f"{claimed:.5g} {unit}".strip()
    if record.get("band") is not None:
        source += f" ± {number(record['band'])}"
    data = f"{record['dataset']} ({record['tier']})" if record.get("dataset") else "no data set"
    versions = ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())
    verdict = f"**{escape(record['verdict'])}**"
    if record.get("reason"):
        verdict += f": {escape(record['reason'])}"
    repeats = record.get("seeds", 1)
    when = f"{record['date']}, commit {record['commit']}"
    how = [
        f"{data}, profile {record['profile']}, {'1 seed' if repeats == 1 else f'{repeats} seeds'}",
        f"{record['hardware']}; {versions}",
    ]
    return [
        escape(record["what"]),
        source,
        f"{ours} {unit}".strip() if measured else ours,
        verdict,
        "<br>".join(map(escape, [*(how if measured else []), when])),
    ]


def replication_page(course: Course, records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of what the sources report beside what we measured."""
    by_item: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        by_item[record["item"]].append(record)
    results = [item for item in course.items if item.kind == "result"]
    measured = [item for item in results if any(r["value"] is not None for r in by_item[item.id])]
    beyond = sum(bool(by_item[item.id]) for item in results) - len(measured)
    text = [
        "# Replication\n",
        f"The sources report {len(results)} results. **{len(measured)}** of them have been "
        "measured again so far, with the data, seeds, hardware and versions named below; "
        f"{beyond} cannot be measured here, and the table says what it would take. "
        "*Reproduced* means that our value lies within the stated band of the source's. "
        "Every number on this page comes from a file that a run wrote.\n",
    ]
    header = ["Quantity", "Source", "Ours", "Verdict", "How"]
    for letter, title in course.sources.items():
        own = [item for item in results if item.source == letter]
        if not own:
            continue
        text.append(f"## {letter}: {SOURCE_TITLES[letter]}\n")
        text.append(f"{escape(title)}.\n")
        for item in own:
            if by_item[item.id]:
                text.append(f"### {item.id}\n")
                text.append(f"{item_text(item)} ({course.places(item, '../../', ', ')})\n")
                text.append(table(header, map(_record_row, by_item[item.id]), "lrrll"))
        missing = [item for item in own if not by_item[item.id]]
        if missing:
            rows = [[i.id, item_text(i), course.places(i, "../../")] for i in missing]
            text.append(f"### Not measured yet ({letter})\n")
            text.append(table(["Item", "What the source reports", "Where"], rows))
    return "\n".join(text)


def rate_text(value: float, unit: str) -> str:
    """Return a rate with a prefix that keeps the number short: 165.8 GFLOP/s."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def loop_tables(content: Mapping[str, Any]) -> str:
    """Return the comparison of training loops, ``helpers/recorded/loop_cpu.json``."""
    text = [
        "## The training loop beside others\n",
        "Cost of one training step on the CPU, one thread, and its ratio to a hand-written loop. "
        "All loops train the same model from the same weights, in turn, in one process; the ratio "
        "is taken within a round. Median, with the 10th to the 90th percentile.\n",
        f"Machine: {escape(content['hardware']['cpu'])}. "
        f"Versions: {escape(', '.join(f'{k} {v}' for k, v in content['versions'].items()))}.\n",
    ]
    workloads: dict[str, list[list[str]]] = defaultdict(list)
    for row in content["rows"]:
        time, ratio = row["seconds_a_step"], row["ratio"]
        workloads[row["workload"]].append(
            [
                escape(row["loop"]),
                seconds(time["median"]),
                f"{seconds(time['p10'])} to {seconds(time['p90'])}",
                f"{ratio['median']:.3f}",
                f"{ratio['p10']:.3f} to {ratio['p90']:.3f}",
            ]
        )
    header = ["Loop", "A step", "10 % to 90 %", "Ratio", "10 % to 90 %"]
    for workload, rows in workloads.items():
        text.append(f"### {escape(workload)}\n")
        text.append(table(header, rows, "lrrrr"))
    return "\n".join(text)


def benchmarks_page(
    files: Mapping[str, Mapping[str, Any]], loop: Mapping[str, Any] | None = None
) -> str:
    """Return the tables of ``helpers/recorded/bench_*.json``, and of the loop comparison."""
    text = [
        "# Benchmarks\n",
        "Times of the same work on each machine that ran the timing suite. A time is the median "
        "of many runs after a warm-up; the spread is the 10th to the 90th percentile. "
        "*Share of the limit* compares the rate with the highest rate measured on that machine.\n",
    ]
    if not files:
        text.append(
            "No benchmark has been recorded yet. To record one, run "
            "`python -m helpers.timing --suite all --json helpers/recorded/bench_NAME.json` "
            "and build the book again.\n"
        )
    header = [
        "Case",
        "Device",
        "Type",
        "Shape",
        "Median",
        "10 % to 90 %",
        "Rate",
        "Share of the limit",
    ]
    for name, content in files.items():
        machine = {k: v for k, v in content.get("hardware", {}).items() if v not in (None, [])}
        gpu = machine.get("accelerator", "none")
        title = machine.get("cpu", name) if gpu == "none" else gpu
        text.append(f"## {escape(title)}\n")
        if machine:
            rows = [[escape(k), escape(v)] for k, v in machine.items()]
            text.append(table(["Machine", ""], rows))
        groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for case in content.get("cases", []):
            groups[case.get("group", "Other")].append(case)
        for group, cases in groups.items():
            rows = []
            for case in cases:
                spread = "–"
                if case.get("p10_s") is not None and case.get("p90_s") is not None:
                    spread = f"{seconds(case['p10_s'])} to {seconds(case['p90_s'])}"
                rate, share = case.get("rate"), case.get("share_of_limit")
                rows.append(
                    [
                        escape(case["name"]),
                        escape(case.get("device") or "–"),
                        escape(case.get("dtype") or "–"),
                        escape(case.get("shape") or "–"),
                        seconds(case["median_s"]),
                        spread,
                        "–" if rate is None else escape(rate_text(rate, case.get("unit", ""))),
                        "–" if share is None else f"{share:.0%}".replace("%", " %"),
                    ]
                )
            text.append(f"### {escape(group)} ({escape(name)})\n")
            text.append(table(header, rows, "llllrrrr"))
    if loop:
        text.append(loop_tables(loop))
    return "\n".join(text)


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


def code_spans(text: str) -> str:
    """Escape text but keep ``code`` between backquotes as code."""
    parts = re.split(r"(?::\w+:)?`+([^`]+)`+", text)  # :class:`Net` is code as well
    text = "".join(f"`{p}`" if i % 2 else re.sub(ESCAPED, r"\\\1", p) for i, p in enumerate(parts))
    return " ".join(text.split())


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
                    rf"\bmodels\.{model.name}\b|\b{model.name}\(|import .*\b{model.name}\b",
                    course.notebooks[chapter.name].text,
                )
            ]
            rows.append(
                [f"`{model.name}`", code_spans(model.summary), model.parameters, "<br>".join(users)]
            )
        text.append(f"## `helpers.models.{module}`\n")
        text.append(table(["Class", "What it is", "Parameters", "Chapters"], rows, "llrl"))
    return "\n".join(text)


def status_page(course: Course, run_times: Mapping[str, tuple[float, str]], where: str) -> str:
    """Return the page of run times and versions of this build.

    Args:
        course: the course.
        run_times: notebook name -> (seconds, date) from the cache.
        where: profile and data mode in words.
    """
    rows = []
    for chapter in course.chapters:
        if chapter.exists:
            time, date = run_times.get(chapter.name, (None, ""))
            taken = "not executed" if time is None else seconds(time)
            rows.append([chapter_link(chapter, "../../"), taken, date])
    versions = [[f"`{package}`", escape(version)] for package, version in _version_rows()]
    return "\n".join(
        [
            "# Status of this build\n",
            f"{where}\n",
            table(["Chapter", "Run time", "Executed"], rows, "lrl"),
            "## Versions\n",
            table(["Package", "Version"], versions),
        ]
    )


def _version_rows() -> list[tuple[str, str]]:
    rows = [("python", platform.python_version())]
    for package in ("torch", "torchvision", "numpy", "pandas", "scikit-learn", "matplotlib",
                    "jupyter-book", "sphinx"):  # fmt: skip
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((package, "not installed"))
    return rows


def chapters_table(course: Course) -> str:
    """Return the table of parts and chapters that the landing page includes."""
    text = []
    parts: dict[str, list[Chapter]] = defaultdict(list)
    for chapter in course.chapters:
        parts[chapter.part].append(chapter)
    for part, members in parts.items():
        rows = []
        for chapter in members:
            title = escape(chapter.title)
            if chapter.exists:
                title = f"**[{title}](../notebooks/{chapter.name}.ipynb)**"
            else:
                title += " {bdg-secondary-line}`planned`"
            rows.append([str(chapter.number), title, escape(chapter.about)])
        text.append(f"### {escape(part)}\n")
        text.append(
            ":::{div} chapter-table\n\n" + table(["", "Chapter", ""], rows, "rll") + ":::\n"
        )
    return "\n".join(text)


def cached_runs(root: Path, folder: Path) -> dict[str, tuple[float, str]]:
    """Return run time and date of each notebook that the cache holds in its present form."""
    found: dict[str, tuple[float, str]] = {}
    if not (folder / "global.db").is_file():
        return found
    store = get_cache(folder)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        try:
            record = store.match_cache_notebook(notebook)
        except KeyError:
            continue
        time = record.data.get("execution_seconds")
        if time is not None:
            found[path.stem] = (time, record.created.date().isoformat())
    return found


# ---------------------------------------------------------------- the build


def write_if_changed(path: Path, text: str) -> bool:
    """Write a file unless it has this text already; return whether it was written."""
    text = text.rstrip() + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def load_course(root: Path) -> Course:
    """Read the ledger, the notebooks and the plan."""
    from helpers import ledger

    return Course(
        chapters=chapters(root),
        items=ledger.items(root / "book" / "ledger.tsv"),
        claims=ledger.claims(root / "notebooks"),
        notebooks=read_notebooks(root),
        sources=ledger.SOURCES,
    )


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
    pages = {
        **source_map_pages(course),
        "corrections": corrections_page(course),
        "replication": replication_page(course, read_records(results)),
        "benchmarks": benchmarks_page(benches, loop),
        "model_index": model_index_page(course, read_models(root / "helpers" / "models")),
        "status": status_page(
            course, cached_runs(root, folder), f"Profile: {profile}. Data mode: {data}."
        ),
        "chapters": chapters_table(course),
    }
    target = root / "book" / "generated"
    return [name for name, text in pages.items() if write_if_changed(target / f"{name}.md", text)]


@cache
def mathjax_folder() -> Path:
    """Return the folder of MathJax in the installed package.

    Raises:
        ExtensionError: if the package is missing.
    """
    try:
        package = importlib.metadata.distribution(MATHJAX_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ExtensionError(
            f"the package {MATHJAX_PACKAGE} is missing; install the book's environment "
            "with `make setup` or `pip install -e .[book]`"
        ) from None
    return Path(str(package.locate_file(f"{MATHJAX_PACKAGE}/static/mathjax")))


def copy_mathjax(target: Path) -> None:
    """Copy the parts of MathJax that the site uses, once."""
    origin = mathjax_folder()
    for pattern in MATHJAX_PARTS:
        for path in origin.glob(pattern):
            copy = target / path.relative_to(origin)
            if path.is_file() and not copy.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


def _on_config(app: Sphinx, config: Config) -> None:
    root = Path(app.srcdir)
    if not config.nb_execution_cache_path:
        config.nb_execution_cache_path = str(cache_path(root))
    repository = config.html_theme_options["repository_url"]
    folder = repository.rstrip("/").rpartition("/")[2]
    clone = f"```bash\ngit clone {repository}\ncd {folder}\nmake book\n```"
    config.myst_substitutions = {
        **config.myst_substitutions,
        "repository_link": f"[the repository]({repository})",
        "clone_commands": clone,
    }
    # Before sphinx_external_toc looks for the files of the table of contents.
    generate(root, Path(config.nb_execution_cache_path))


def _on_builder(app: Sphinx) -> None:
    if app.builder.format == "html":
        copy_mathjax(Path(app.outdir) / "_static" / "mathjax")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    # A checkout that was never installed still finds its own helpers.
    if app.srcdir not in map(Path, sys.path):
        sys.path.insert(0, str(app.srcdir))
    app.connect("config-inited", _on_config, priority=100)
    app.connect("builder-inited", _on_builder)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
