"""Write the lists of chapters in _toc.yml and README.md from book/chapters.yml, their one home.

    python tools/chapters.py            # write
    python tools/chapters.py --check    # fail if a list is out of date

A chapter is listed when its notebook exists. Only what stands between the marks is written.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]

from course.plan import Chapter, chapters  # noqa: E402 - the line above lets it be found

from helpers import files  # noqa: E402

MARKS = {
    "_toc.yml": ("  # made by tools/chapters.py\n", "  # end\n"),
    "README.md": ("<!-- made by tools/chapters.py -->\n", "<!-- end -->\n"),
}


def parts(plan: list[Chapter]) -> list[tuple[str, list[Chapter]]]:
    """Return the parts of the course with those chapters that exist."""
    existing = (chapter for chapter in plan if chapter.exists)
    return [(part, list(group)) for part, group in groupby(existing, lambda one: one.part)]


def quoted(text: str) -> str:
    """Return a string of YAML."""
    return json.dumps(text, ensure_ascii=False)


def toc(plan: list[Chapter]) -> str:
    """Return the chapters' part of the table of contents."""
    lines = []
    for part, members in parts(plan):
        lines += [f"  - caption: {quoted(part)}", "    chapters:"]
        for chapter in members:
            entry = f"file: notebooks/{chapter.name}, title: {quoted(chapter.label)}"
            lines.append(f"      - {{{entry}}}")
    return "\n".join(lines) + "\n"


def readme(plan: list[Chapter]) -> str:
    """Return the table of the README."""
    rows = ["| part | chapters that exist |", "|---|---|"]
    for part, members in parts(plan):
        links = [f"[{c.name[:2]} {c.title}](notebooks/{c.name}.ipynb)" for c in members]
        rows.append(f"| {part} | {' · '.join(links)} |")
    return "\n" + "\n".join(rows) + "\n\n"


def texts(root: Path) -> dict[Path, str]:
    """Return both files as they should be.

    Raises:
        SystemExit: if a file has lost its marks.
    """
    plan = chapters(root)
    wanted = {}
    for name, block in (("_toc.yml", toc(plan)), ("README.md", readme(plan))):
        text = (root / name).read_text(encoding="utf-8")
        start, end = MARKS[name]
        before, found, rest = text.partition(start)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise SystemExit(
                f"{name}: put the list between the lines {start.strip()!r} and {end!r}"
            )
        wanted[root / name] = before + start + block + end + after
    return wanted


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run the command."""
    changed = {p: text for p, text in texts(root).items() if p.read_text(encoding="utf-8") != text}
    if "--check" in arguments and changed:
        names = ", ".join(path.name for path in changed)
        print(f"{names} out of date: run python tools/chapters.py", file=sys.stderr)
        return 1
    for path, text in changed.items():
        files.write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
