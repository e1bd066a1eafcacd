"""Grade a submission from its answers alone, each part in a process of its own.

What stands in the answer cells is taken, nothing else of the notebook. For each part a fresh
Python process executes the answer, tries it out and leaves notes, tensors and plain JSON, behind;
this process, which never runs a line of a student's code, compares the notes with the right
values and gives the points. So an answer that replaces ``torch.testing.assert_close``, a check or
the table of points changes nothing, and an answer that fails, hangs or kills its process costs
its own points only. In that process the model solution cannot be imported or opened, programs and
connections are refused, and the environment holds none of your variables.

What this does not defend against: it is no sandbox. An answer can read and write the files that
you can, and one written to attack the grader can forge its notes or undo the refusals from
inside. It cannot tell a copied solution from an own one, and the tanh of a library that it does
not know from exponentials. Grade in a container without network, with seeds that nobody knows,
and read the answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from helpers.homework.notebooks import REPORT, Notebook, answers, is_empty
from helpers.homework.parts import PARTS
from helpers.homework.probes import Notes

# What the chapter's first cell imports, as far as an answer may need it.
PRELUDE = """\
import copy, json, math, time
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from helpers import data
"""
REPORT_POINTS = {"comparison": 8, "ablation": 6, "reasoning": 6}
START_LIMIT = 300.0  # seconds for importing torch: generous, no fault of the answer
EARLIER = "cell of"  # how the stage is called in which another part's cell runs
LARGEST_NOTES = 2**28  # bytes
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), folder)
    course = {"COURSE_PROFILE": "quick", "COURSE_DATA": "standin", "COURSE_DATA_DIR": folder}
    return kept | folders | course | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def _said(folder: Path) -> list[list[str]]:
    """Return what the process said so far: pairs of a kind and a text."""
    try:
        lines = (folder / "said").read_text(encoding="utf-8", errors="replace").splitlines()
        return [[str(part) for part in json.loads(line)][:2] for line in lines]
    except (OSError, ValueError, TypeError):  # not there yet, or a line half written
        return []


def _kill(process: subprocess.Popen) -> None:
    """End a process and what it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _wait(process: subprocess.Popen, folder: Path, limit: float) -> str:
    """Wait for the end; return the stage in which the time ran out, or an empty string.

    The own cell and its probe have ``limit`` seconds, each earlier cell, which only defines
    things, a quarter of it; the start has its own limit.
    """
    began = changed = time.monotonic()
    stage = "start"
    while process.poll() is None:
        now, said = time.monotonic(), _said(folder)
        if said and said[-1][0] != "stage":
            break  # it is done
        stages = [text for _, text in said]
        if stages and stages[-1] != stage:
            stage, changed = stages[-1], now
        allowed = START_LIMIT if stage == "start" else limit
        allowed = limit / 4 if stage.startswith(EARLIER) else allowed
        if now - changed > allowed or now - began > START_LIMIT + limit * (len(PARTS) + 1):
            _kill(process)
            return stage
        time.sleep(0.02)
    _kill(process)  # what it started may still run
    return ""


def _read_notes(folder: Path, number: int) -> Notes:
    path = folder / f"{number}.safetensors"
    if path.stat().st_size > LARGEST_NOTES:
        raise ValueError("too large")
    with safe_open(path, framework="pt") as file:
        notes: Notes = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return notes | json.loads(file.metadata()["plain"])


def _judge(name: str, folder: Path, seeds: Sequence[int]) -> list[str]:
    """Return the faults for the first seed that has some."""
    for number, seed in enumerate(seeds):
        try:
            faults = list(dict.fromkeys(PARTS[name].judge(_read_notes(folder, number), seed)))
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
            return [f"what the answer gave cannot be judged ({type(error).__name__})"]
        if faults:
            return faults
    return []


def _try_out(
    name: str, sources: dict[str, str], earlier: list[str], seeds: Sequence[int], limit: float
) -> tuple[str, list[str]]:
    """Run the answer to one part in a process of its own; return a verdict and its reasons."""
    with tempfile.TemporaryDirectory(prefix="homework-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        task = {
            "part": name,
            "probe": PARTS[name].probe.__name__,
            "source": sources[name],
            "earlier": [(other, sources[other]) for other in earlier],
            "prelude": PRELUDE,
            "seeds": list(seeds),
            "paths": [str(Path(path).resolve()) for path in sys.path],
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        child = Path(__file__).with_name("_child.py")
        process = subprocess.Popen(
            [sys.executable, "-I", str(child), place],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place,
            env=_environment(place),
            start_new_session=True,
        )
        stage = _wait(process, folder, limit)
        if stage.startswith(EARLIER):  # another part's cell hangs: this one goes without
            return _try_out(name, sources, [], seeds, limit)
        if stage:
            return "stopped", [f"not finished within {limit:g} seconds"]
        said = _said(folder)
        kind, text = said[-1] if said else ("", "")
        if kind == "error":
            return "refused", [text]
        if kind != "done":
            if earlier and kind == "stage" and text.startswith(EARLIER):
                return _try_out(name, sources, [], seeds, limit)
            return "refused", [f"the answer ended its process (exit status {process.returncode})"]
        faults = _judge(name, folder, seeds)
        return ("refused", faults) if faults else ("passed", [])


def _plain(source: str) -> str:
    """Return a cell without its notebook commands (``%timeit``, ``!ls``), which are no Python."""
    try:
        compile(source, "<answer>", "exec")
    except (SyntaxError, ValueError):
        lines = source.splitlines()
        return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    return source


def grade(
    notebook: Notebook, *, seeds: Sequence[int] = (0, 1), limit: float = 60.0, workers: int = 2
) -> dict[str, Any]:
    """Grade the answers of a notebook; see the head of this file for how, and how far to trust it.

    The answer to a part runs after the cells of the earlier parts, as in the notebook, so that it
    can use what they define; what is needed beside that must stand in its own cell.

    Args:
        notebook: what was handed in, as :func:`helpers.homework.notebooks.read` gives it.
        seeds: each answer is tried with each of them; choose some that nobody knows.
        limit: seconds for the answer to one part.
        workers: processes at the same time.

    Returns:
        Plain values, ready for JSON: ``points``, ``of``, and ``parts``, one dictionary a part
        with ``part``, ``points``, ``of``, ``verdict`` (``passed``, ``refused``, ``stopped``,
        ``not tried`` or ``no cell``), ``reasons`` and ``counts``; and ``report``, the text that a
        person reads.

    Raises:
        ValueError: without seeds, or for a limit that is not positive.

    Example:
        >>> result = grade({"cells": []})
        >>> result["points"], result["of"], result["parts"][0]["verdict"]
        (0, 80, 'no cell')
    """
    if not seeds or limit <= 0:
        raise ValueError(f"grading needs a seed and a positive limit, got {seeds} and {limit}")
    found = {name: _plain(text) for name, text in answers(notebook).items()}
    tried = [name for name in PARTS if name in found and not is_empty(found[name])]
    with ThreadPoolExecutor(workers) as pool:
        jobs = {
            name: pool.submit(_try_out, name, found, tried[:place], seeds, limit)
            for place, name in enumerate(tried)
        }
        rows = []
        for name, part in PARTS.items():
            verdict = "not tried" if name in found else "no cell"
            reasons: list[str] = []
            if name in jobs:
                verdict, reasons = jobs[name].result()
            points = part.points if verdict == "passed" else 0
            row = {"part": name, "points": points, "of": part.points, "verdict": verdict}
            rows.append(row | {"reasons": reasons, "counts": part.counts})
    return {
        "points": sum(row["points"] for row in rows),
        "of": sum(row["of"] for row in rows),
        "parts": rows,
        "report": answers(notebook).get(REPORT, ""),
    }


def describe(result: dict[str, Any]) -> str:
    """Return what :func:`grade` found as text: points, and the reason of each loss in words.

    Example:
        >>> print(describe(grade({"cells": []})).splitlines()[-2])
        measured by machine: 0 of 80 points
    """
    lines = []
    for row in result["parts"]:
        lines.append(f"{row['part']:18}{row['points']:3} of {row['of']}  {row['verdict']}")
        lines += [f"      - {reason}" for reason in row["reasons"]]
        if row["points"] < row["of"]:
            lines.append(f"      what counts: {row['counts']}")
    words = len(result["report"].split())
    rubric = ", ".join(f"{name} {points}" for name, points in REPORT_POINTS.items())
    lines.append(f"measured by machine: {result['points']} of {result['of']} points")
    lines.append(
        f"read by a person: {sum(REPORT_POINTS.values())} points ({rubric}); {words} words"
    )
    return "\n".join(lines)
