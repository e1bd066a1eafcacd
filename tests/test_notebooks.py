"""Hygiene of the notebooks: anatomy, portable Markdown, stored outputs, nothing dangerous."""

import ast
import json
import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tools.address import install_cell

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course import plan  # noqa: E402 - it lies in the folder that the line above adds

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIMIT_KB = 450
LIMIT_LINES = 40

FORBIDDEN = {
    r"weights_only\s*=\s*False": "loads code from a file",
    r"pickle\.loads?\(": "runs code from a file",
    r"allow_pickle\s*=\s*True": "runs code from a file",
    r"^\s*except\s*:": "hides every error",
    r"os\.system\(|shell\s*=\s*True": "runs a shell",
    r"/home/|/root/|/Users/|[A-Z]:\\\\": "an absolute path",
    r"\bplt\.show\(": "is not needed in a notebook",
    r"torch\.set_default_device|torch\.set_default_tensor_type": "changes a global default",
}
# What a source gets wrong can need the very line that is forbidden: to show that loading runs code,
# a cell loads a file that it has written itself. Only cells that claim such a row may.
ALLOWED_FOR_ROW = {r"weights_only\s*=\s*False": {"L5.e10", "B8.e6"}}
# MyST directives and roles work on the site only, not in Colab or on GitHub.
NOT_PORTABLE = {
    r"^\s*(:::|```)\s*\{": "a MyST directive",
    r"\{(ref|numref|cite|doc|term|eq|math|glue|kbd)[:a-z]*\}`": "a MyST role",
    r"^\s*\$\$\s*\(": "a labelled equation",
    r"\\\[|\\\(": "LaTeX brackets; use dollars",
}

# The book build runs such a notebook by itself: beside others its times mean nothing.
MEASURES_TIME = re.compile(
    r"\btiming\.\w|\bperf_counter\b|^\s*%+time|\bTimer\(", flags=re.MULTILINE
)


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def code_cells(path):
    return [c for c in cells(path) if c["cell_type"] == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def path(request):
    return request.param


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_anatomy(path):
    text = [source(c) for c in cells(path) if c["cell_type"] == "markdown"]
    assert text[0].startswith("# ")
    assert len(text[0].split()) > 12, "the title cell makes a promise"
    for part in ("**You will**", "**You need**", "**Time and data**"):
        assert part in text[1], f"the second cell has {part}"
    whole = "\n".join(text)
    titles = re.findall(r"^#{1,6} .*", re.sub(r"```.*?```", "", whole, flags=re.S), flags=re.M)
    assert sum(t.startswith("# ") for t in titles) == 1, "exactly one title"
    for heading in ("## Common mistakes", "## Exercises", "## Summary", "## Next"):
        assert heading in titles, f"section {heading!r} is missing"
    levels = [len(t.split()[0]) for t in titles]
    assert all(b <= a + 1 for a, b in pairwise(levels)), "a level is skipped"


def test_start_cell(path):
    starts = [source(c) for c in code_cells(path) if "env.start(" in source(c)]
    assert len(starts) == 1
    assert f'env.start("{path.stem}", seed=' in starts[0]
    colab = code_cells(path)[0]
    assert "remove-cell" in colab["metadata"]["tags"]
    assert source(colab) == install_cell(), "make address writes this cell"
    assert not colab["outputs"]


def test_cells_are_short_and_have_ids_of_their_own(path):
    too_long = {
        number: len(source(c).splitlines())
        for number, c in enumerate(cells(path))
        if c["cell_type"] == "code" and len(source(c).splitlines()) > LIMIT_LINES
    }
    assert not too_long
    assert len({c["id"] for c in cells(path)}) == len(cells(path))


def forbidden_in(cell):
    rows = cell["metadata"].get("ledger", [])
    return [
        f"{why}: {match.group(0)}"
        for pattern, why in FORBIDDEN.items()
        if not ALLOWED_FOR_ROW.get(pattern, set()) & set(rows)
        for match in re.finditer(pattern, source(cell), flags=re.M)
    ]


def test_nothing_dangerous_and_nothing_global(path):
    found = {n: forbidden_in(c) for n, c in enumerate(cells(path)) if c["cell_type"] == "code"}
    assert not {number: lines for number, lines in found.items() if lines}


def test_the_exception_holds_for_its_row_and_its_line_only():
    line, other = "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)"
    row, another = {"ledger": ["T2.e3", "L5.e10"]}, {"ledger": ["T2.e3"]}
    assert not forbidden_in({"metadata": row, "source": [line]})
    assert forbidden_in({"metadata": row, "source": [other]})
    assert forbidden_in({"metadata": another, "source": [line]})
    assert forbidden_in({"metadata": {}, "source": [line]})


def test_code_parses_and_does_not_test_for_device_or_profile(path):
    for cell in code_cells(path):
        text = re.sub(r"^(\s*)%.*$", r"\1pass", source(cell), flags=re.M)
        tree = ast.parse(text)
        asked = [
            ast.unparse(node.test)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "run.profile" in ast.unparse(node.test)
        ]
        assert not asked, f"use run.pick instead of {asked}"


def test_markdown_is_portable(path):
    found = [
        f"cell {number}: {why}: {match.group(0)!r}"
        for number, cell in enumerate(cells(path))
        if cell["cell_type"] == "markdown"
        for pattern, why in NOT_PORTABLE.items()
        for match in re.finditer(pattern, source(cell), flags=re.M)
    ]
    assert not found


def test_links_between_chapters_lead_somewhere(path):
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", source(cell)):
                if not target.startswith(("http:", "https:")):
                    assert (path.parent / target).exists(), target


@cache  # many links lead to one notebook
def anchors(path):
    return plan.read_notebook(path).anchors


def missing_headings(path):
    """The links of a notebook to headings that are not there, or too deep for an anchor."""
    text = "\n".join(source(c) for c in cells(path) if c["cell_type"] == "markdown")
    return [
        f"{target}#{anchor}"
        for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text)
        if not target or target.endswith(".ipynb")
        if anchor not in anchors(path.parent / target if target else path)
    ]


def test_links_to_headings_lead_somewhere(path):
    assert not missing_headings(path)


def test_a_link_to_no_heading_is_found(tmp_path):
    text = "# A\n\n#### Deep\n\n## B c\n\n[1](#b-c) [2](#deep) [3](x.ipynb#b-c) [4](x.ipynb#d)"
    cell = {"cell_type": "markdown", "source": [text], "metadata": {}}
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert missing_headings(tmp_path / "x.ipynb") == ["#deep", "x.ipynb#d"]


def test_details_blocks_are_closed(path):
    text = "\n".join(source(c) for c in cells(path) if c["cell_type"] == "markdown")
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")


def test_outputs_are_stored_small_and_clean(path):
    assert path.stat().st_size <= LIMIT_KB * 1024
    counts = [c["execution_count"] for c in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "executed top to bottom on a fresh kernel"
    for number, cell in enumerate(cells(path)):
        for output in cell.get("outputs", []):
            where = f"cell {number}"
            assert output["output_type"] != "error", where
            assert output.get("name") != "stderr", f"{where} writes to stderr"
            text = "".join(output.get("text", []))
            text += "".join(output.get("data", {}).get("text/plain", []))
            assert not re.search(r"/home/|/root/|/Users/|/tmp/|site-packages", text), where
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), where
            if "text/html" not in output.get("data", {}):  # else the page shows a table instead
                assert len(text) < 6000, f"{where} prints too much"


def test_figures_have_alternative_text(path):
    for number, cell in enumerate(cells(path)):
        images = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        if images:
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 20, f"cell {number} draws without alternative text"
            assert len(images) == 1, f"cell {number} draws {len(images)} figures"


def test_no_number_with_a_timing_is_compared(path):
    for number, cell in enumerate(cells(path)):
        if cell["cell_type"] != "code" or "nbval-ignore-output" in cell["metadata"].get("tags", []):
            continue
        for output in cell.get("outputs", []):
            text = "".join(output.get("text", []))
            unit = re.search(r"\d\s?(ms|µs|us|ns|GFLOP/s|TFLOP/s|GB/s)\b", text)
            assert not unit, f"cell {number} prints {unit.group(0)!r}: tag it nbval-ignore-output"


def test_a_notebook_that_measures_time_runs_alone(path):
    clocks = [m.group(0) for c in code_cells(path) if (m := MEASURES_TIME.search(source(c)))]
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    alone = metadata.get("course", {}).get("alone", False)
    assert alone == bool(clocks), (
        f"uses {clocks}: set 'course': {{'alone': true}} in the notebook's metadata"
        if clocks
        else "measures no time: it need not run alone"
    )
