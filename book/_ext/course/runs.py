"""How each page was run: machine, versions, seconds, date, data and commit."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache

from helpers import machine

from .markdown import seconds

STAND_IN = re.compile(r"^(\w+): STAND-IN: (.*?)(?:; results are not .*)?$", re.M)
REAL = re.compile(r"^(\w+): (?:real data|generated data), (.*)$", re.M)
START = re.compile(r"^\d\d_\w+ · device (?P<device>.+?) · profile (?P<profile>\w+) · data ", re.M)
SHOWN_VERSIONS = ("python", "torch", "torchvision", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """What is known of the run whose outputs a page shows.

    Attributes:
        where: the machine in words.
        date: when it ran, or when the outputs were stored.
        commit: the commit of the page's source, "" if unknown.
        device: cpu or cuda, as the page's first cell says.
        profile: quick or full.
        seconds: how long it took, None for outputs that the notebook stores.
        real: data set -> its size.
        stand_ins: data set -> what stood in for it.
    """

    where: str
    date: str
    commit: str
    device: str
    profile: str
    seconds: float | None
    real: dict[str, str]
    stand_ins: dict[str, str]


def output_text(notebook: Mapping[str, Any]) -> str:
    """Return all text that the cells of a notebook printed."""
    texts = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            texts.append(text if isinstance(text, str) else "".join(text))
    return "\n".join(texts)


def read_run(
    notebook: Mapping[str, Any], *, where: str, date: str, commit: str, time: float | None
) -> Run:
    """Read from a notebook's outputs on what it ran."""
    text = output_text(notebook)
    start = START.search(text)
    return Run(
        where=where,
        date=date,
        commit=commit,
        device=start["device"] if start else "cpu",
        profile=start["profile"] if start else "quick",
        seconds=time,
        real=dict(REAL.findall(text)),
        stand_ins=dict(STAND_IN.findall(text)),
    )


def git(root: Path, *arguments: str) -> str:
    """Return what git answers, or "" where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_of_build(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return the commit that is built, "" if unknown."""
    return (environ.get("GITHUB_SHA") or git(root, "rev-parse", "HEAD"))[:10]


def date_of_build(root: Path) -> str:
    """Return the day of the commit that is built, so that two builds of it are the same."""
    return git(root, "log", "-1", "--format=%cs") or datetime.date.today().isoformat()


def read_runs(root: Path, folder: Path, *, stored: bool) -> dict[str, Run]:
    """Return the run behind each chapter's page.

    Args:
        root: the root of the repository.
        folder: the cache of executed notebooks.
        stored: whether the pages show what the notebooks store.
    """
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    commit = commit_of_build(root)
    if stored or not (folder / "global.db").is_file():
        where = "the outputs that the repository stores, in the fixed setting of its tests"
        day = date_of_build(root)
        days = _dates(root)
        return {
            path.stem: read_run(
                json.loads(path.read_text(encoding="utf-8")),
                where=where,
                date=days.get(path.name, day),
                commit=commit,
                time=None,
            )
            for path in paths
        }
    store = get_cache(folder)
    found = {}
    for record in store.list_cache_records():
        name = Path(record.uri).stem
        if not (root / "notebooks" / f"{name}.ipynb").is_file():
            continue
        found[name] = read_run(
            store.get_cache_bundle(record.pk).nb,
            where=machine.cpu_name(),
            date=record.created.date().isoformat(),
            commit=commit,
            time=record.data.get("execution_seconds"),
        )
    return found


def _dates(root: Path) -> dict[str, str]:
    """Return the day of the last commit of each notebook."""
    day, days = "", {}
    for line in git(root, "log", "--format=@%cs", "--name-only", "--", "notebooks").splitlines():
        if line.startswith("@"):
            day = line[1:]
        elif line:
            days.setdefault(Path(line).name, day)
    return days


def versions() -> str:
    """Return the versions that this build has, in a line."""
    told = machine.report()
    return ", ".join(f"{name} {told[name]}" for name in SHOWN_VERSIONS if name in told)


def banner(run: Run) -> str:
    """Return what stands on top of a page that shows stand-ins, "" if it shows none."""
    if not run.stand_ins:
        return ""
    names = ", ".join(escape(name.replace("_", " ")) for name in run.stand_ins)
    return (
        '<p class="stand-in" role="note"><strong>Stand-in data.</strong> Results and figures on '
        f'this page come from small substitutes for {names}; <a href="#how-this-page-was-run">what '
        "stood in</a>. Results on the real data are in the tables of recorded runs.</p>"
    )


def box(run: Run, status: str) -> str:
    """Return the block "How this page was run" as HTML.

    Args:
        run: the run.
        status: the address of the page with the state of the whole build.
    """
    rows = [("Outputs", f"{run.where}; {run.date}")]
    taken = "" if run.seconds is None else f", {seconds(run.seconds)}"
    rows.append(("Profile", f"{run.profile}, device {run.device}{taken}"))
    rows.append(("Versions", versions()))
    if run.real:
        listed = "; ".join(f"{name} ({size})" for name, size in run.real.items())
        rows.append(("Real data", listed))
    if run.stand_ins:
        listed = "; ".join(f"{name}: {what}" for name, what in run.stand_ins.items())
        rows.append(("Stand-ins", listed))
    if not run.real and not run.stand_ins:
        rows.append(("Data", "no data set"))
    if run.commit:
        rows.append(("Commit", run.commit))
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    return (
        '<section id="how-this-page-was-run" class="run-box"><h2>How this page was run</h2>'
        f'<dl>{lines}</dl><p><a href="{status}">All chapters</a></p></section>'
    )
