"""Which figures changed? Compare them by what the eye sees, not by bytes.

    python tools/figures.py --since v0.1.0               # stored figures: that commit, and now
    python tools/figures.py --run notebooks/05_backpropagation.ipynb   # stored, and executed anew
    python tools/figures.py --run --page figures.html    # all, with a page of pairs

A test compares the texts of outputs (nbval); for a picture it has only bytes, which change with a
version of Matplotlib. Here each figure gets a difference hash: 16 × 16 signs, whether a piece of it
is brighter than the next. More than 5 % of other signs means that somebody should look.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import notebook as runner  # noqa: E402 - the line above lets it be found
from tools.hermetic import HERMETIC  # noqa: E402

SIDE = 16
LIMIT = 0.05
NEAR = 3  # of 255: pieces that differ less are equally bright


@dataclass(frozen=True)
class Figure:
    """A figure of a notebook, as base64 of a PNG; ``place`` is its cell's source and a number."""

    place: tuple[str, int]
    cell: int
    png: str


@dataclass(frozen=True)
class Change:
    """A figure that is new, gone, or another one: then ``distance`` says how different."""

    chapter: str
    cell: int
    distance: float | None
    before: str
    after: str

    def __str__(self) -> str:
        """Return a line about it."""
        what = f"{self.distance:.0%} of the signs differ" if self.distance is not None else (
            "gone" if self.before else "new"
        )  # fmt: skip
        return f"{self.chapter}, cell {self.cell}: {what}"


def signs(png: str) -> np.ndarray:
    """Return the difference hash of a figure: -1, 0 or 1 for each of 16 × 16 places."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    grey = Image.alpha_composite(white, picture).convert("L")
    small = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.BOX), dtype=int)
    step = np.diff(small, axis=1)
    return np.sign(step) * (abs(step) > NEAR)


def distance(before: str, after: str) -> float:
    """Return which share of the signs of two figures differs: 0 for what looks the same."""
    return float(np.mean(signs(before) != signs(after)))


def figures(notebook: nbformat.NotebookNode) -> Iterator[Figure]:
    """Yield the figures of a notebook."""
    for index, cell in enumerate(notebook.cells):
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        for number, output in enumerate(pictures):
            yield Figure((cell.source, number), index, output.data["image/png"])


def compare(
    chapter: str, before: nbformat.NotebookNode, after: nbformat.NotebookNode, limit: float = LIMIT
) -> list[Change]:
    """Return the figures that changed between two versions of a notebook.

    A figure is the same one if its cell has the same source; else cells of the same number of
    figures are compared in their order.

    Args:
        chapter: its name.
        before: the notebook as it was.
        after: the notebook as it is.
        limit: the share of signs that may differ.
    """
    old, new = list(figures(before)), list(figures(after))
    known = {figure.place: figure for figure in old}
    pairs = [(known.pop(figure.place, None), figure) for figure in new]
    left = list(known.values())
    changes = []
    for earlier, figure in pairs:
        earlier = earlier or (left.pop(0) if left else None)
        if earlier is None:
            changes.append(Change(chapter, figure.cell, None, "", figure.png))
            continue
        share = distance(earlier.png, figure.png)
        if share > limit:
            changes.append(Change(chapter, figure.cell, share, earlier.png, figure.png))
    return changes + [Change(chapter, gone.cell, None, gone.png, "") for gone in left]


def at_commit(commit: str, path: Path) -> nbformat.NotebookNode:
    """Return a notebook as a commit has it; without cells where it has none."""
    name = path.resolve().relative_to(ROOT).as_posix()
    done = subprocess.run(["git", "show", f"{commit}:{name}"], cwd=ROOT, capture_output=True)
    if done.returncode:
        return nbformat.v4.new_notebook()
    return nbformat.reads(done.stdout.decode(), as_version=4)


def executed(path: Path) -> nbformat.NotebookNode:
    """Execute a notebook as the stored outputs were made.

    Raises:
        SystemExit: if it fails.
    """
    outcome = runner.execute(path, timeout=600, env=runner.environment(**HERMETIC))
    if outcome.error:
        raise SystemExit(f"{path.stem} failed in {outcome.error}")
    return outcome.notebook


def page(changes: Sequence[Change]) -> str:
    """Return a page that shows each change as a pair."""

    def picture(png: str) -> str:
        return f'<td><img src="data:image/png;base64,{png}" alt=""></td>' if png else "<td>–</td>"

    rows = "".join(
        f"<tr><th colspan=2>{escape(str(change))}</th></tr>"
        f"<tr>{picture(change.before)}{picture(change.after)}</tr>"
        for change in changes
    )
    style = "td{width:50%} img{max-width:100%} th{text-align:left;padding-top:2em}"
    return (
        f'<!doctype html><meta charset="utf-8"><title>Changed figures</title><style>{style}</style>'
        f"<h1>{len(changes)} changed figures</h1><table>{rows}</table>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 if a figure changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--since", metavar="COMMIT", help="compare with the figures of a commit")
    kind.add_argument("--run", action="store_true", help="execute, and compare with what is stored")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page of pairs")
    options = parser.parse_args(arguments)
    changes = []
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        stored = runner.read(path)
        old, new = (
            (stored, executed(path)) if options.run else (at_commit(options.since, path), stored)
        )
        changes += compare(path.stem, old, new)
    for change in changes:
        print(change)
    if options.page:
        options.page.write_text(page(changes), encoding="utf-8")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
