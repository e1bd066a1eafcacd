"""Write what a maintainer should look at once a month, as one Markdown text.

    python tools/audit.py warnings calls age               # some sections, or none: all
    python tools/audit.py --links lychee/out.md --output audit.md

warnings: deprecations that the chapters are warned of with the PyTorch that is installed, but for
those that tests/warnings_allowed.toml names. calls: calls that can run a stranger's code, but for
those of tests/calls_allowed.toml. age: chapters and records that nobody has touched for a year.
links: what a link checker found. .github/workflows/audit.yml puts all of it into one issue.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import inprocess  # noqa: E402 - the line above lets it be found

SECTIONS = ("warnings", "calls", "age", "links")
OLD = 365  # days
UNSAFE = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "os.system": "gives text to a shell",
    "pickle.load": "runs what a file says",
    "pickle.loads": "runs what bytes say",
    "torch.hub.load": "runs a repository's code",
    "torch.load": "runs what a file says, unless weights_only is true",
    "yaml.load": "makes any object",
}


def dotted(node: ast.expr) -> str:
    """Return a name such as ``torch.hub.load``, or "" for what is no plain name."""
    if isinstance(node, ast.Attribute):
        above = dotted(node.value)
        return f"{above}.{node.attr}" if above else ""
    return node.id if isinstance(node, ast.Name) else ""


def unsafe(call: ast.Call) -> str:
    """Return why a call is unsafe, or ""."""
    name = dotted(call.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if options.get("shell") == "True":
        return "gives text to a shell"
    if options.get("verify") == "False":
        return "trusts any server"
    if name == "torch.load" and options.get("weights_only", "True") == "True":
        return ""  # the default since torch 2.6
    if name == "torch.hub.load" and options.get("source") == "'local'":
        return ""  # a folder that is already here
    if name in ("eval", "exec") and call.args and isinstance(call.args[0], ast.Constant):
        return ""
    return UNSAFE.get(name, "")


def unsafe_calls(sources: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield place, call and reason for each unsafe call.

    Args:
        sources: pairs of a place and its code.
    """
    for place, source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and (why := unsafe(node)):
                yield place, ast.unparse(node)[:90], why


def plain(source: str) -> str:
    """Return a cell without what only IPython reads."""
    if source.startswith("%%"):
        return ""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


def code(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield place and code of the notebooks' cells and of the package's files."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in inprocess.code_cells(path):
            yield f"{path.stem}, cell {cell.position}", plain(cell.source)
    for folder in ("helpers", "data_scripts", "tools", "book/_ext"):
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def allowed(root: Path, name: str) -> list[dict[str, str]]:
    """Return the entries of a list of what is allowed."""
    entries: list[dict[str, str]] = tomllib.loads((root / "tests" / name).read_text("utf-8"))[
        "allowed"
    ]
    return entries


def calls_section(root: Path = ROOT) -> list[str]:
    """Return a line for each unsafe call that no list allows."""
    entries = allowed(root, "calls_allowed.toml")
    return [
        f"- {place}: `{call}` {why}"
        for place, call, why in unsafe_calls(code(root))
        if not any(place.startswith(entry["place"]) and entry["call"] in call for entry in entries)
    ]


def warnings_section(root: Path = ROOT) -> list[str]:
    """Run each chapter on the CPU; return a line for each deprecation that no list allows."""
    entries = allowed(root, "warnings_allowed.toml")
    lines = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [sys.executable, "tests/run_chapter.py", str(path), str(report)]
            done = subprocess.run([*command, "--device", "cpu"], cwd=root, capture_output=True)
            if not report.is_file():
                lines.append(f"- {path.stem} did not run: exit status {done.returncode}")
                continue
            content = json.loads(report.read_text(encoding="utf-8"))
        lines += chapter_lines(path.stem, content, entries)
    return lines


def chapter_lines(
    name: str, report: Mapping[str, list[Mapping[str, str]]], entries: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return what a chapter's report says that no list allows."""
    messages = [e["message"] for e in entries if e["chapter"] in (name, "any")]
    lines = [
        f"- {name}, cell {error['cell']} fails: {error['error']}" for error in report["errors"]
    ]
    for warning in report["warnings"]:
        if not any(re.search(message, warning["message"]) for message in messages):
            text = " ".join(warning["message"].split())[:200]
            lines.append(f"- {name}, cell {warning['cell']}: {warning['category']}: {text}")
    return lines


def last_change(root: Path, path: Path) -> datetime.date | None:
    """Return the day of the last commit that changed a file."""
    command = ["git", "log", "-1", "--format=%cs", "--", str(path.relative_to(root))]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return datetime.date.fromisoformat(done.stdout.strip()) if done.stdout.strip() else None


def age_section(root: Path = ROOT, today: datetime.date | None = None) -> list[str]:
    """Return a line for each chapter and each file of records that is older than a year."""
    today = today or datetime.datetime.now(datetime.UTC).date()
    lines = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        day = last_change(root, path)
        if day is not None and (today - day).days > OLD:
            lines.append(f"- {path.stem}: last changed on {day}; read it again")
    for path in sorted((root / "helpers" / "recorded").glob("[0-9]*.json")):
        dates = [entry["date"][:10] for entry in json.loads(path.read_text("utf-8"))["records"]]
        if dates and (today - datetime.date.fromisoformat(max(dates))).days > OLD:
            lines.append(f"- {path.stem}: last measured on {max(dates)}; record it again")
    return lines


def links_section(report: Path | None) -> list[str]:
    """Return what the link checker wrote, if it found something."""
    if report is None:
        return ["- not checked: name the report with --links"]
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    return [line for line in text.splitlines() if re.match(r"[*-] \[(?!200)", line)]


def audit(chosen: Sequence[str], links: Path | None, root: Path = ROOT) -> str:
    """Return the sections as Markdown; empty ones are named in one line, as what is well."""
    makers = {
        "warnings": warnings_section,
        "calls": calls_section,
        "age": age_section,
    }
    well, parts = [], []
    for name in chosen:
        lines = links_section(links) if name == "links" else makers[name](root)
        if lines:
            parts.append(f"## {name.capitalize()}\n\n" + "\n".join(lines) + "\n")
        else:
            well.append(name)
    if well:
        parts.append(f"Nothing to say about: {', '.join(well)}.\n")
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 if there is something to look at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--links", type=Path, metavar="FILE", help="the report of lychee")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: print it")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    text = audit(options.sections or SECTIONS, options.links)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 1 if "## " in text else 0


if __name__ == "__main__":
    sys.exit(main())
