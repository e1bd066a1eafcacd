"""The process that runs one answer. The grader starts this file; nothing imports it.

It writes down what the answer did (:mod:`helpers.homework.probes`) and judges nothing. The model
solution, programs and network connections are closed to the answer; see
:mod:`helpers.homework.grading` for what that is worth.
"""

from __future__ import annotations

import importlib.util
import json
import linecache
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

CLOSED = "the model solution is closed to answers: write your own"
STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile"}
STARTS |= {"os.system", "pty.spawn", "subprocess.Popen"}
HERE = Path(__file__).resolve().parent


class ClosedModules:
    """An import hook that refuses the homework's own modules."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse, or leave it to the next hook."""
        if name == "helpers.homework" or name.startswith("helpers.homework."):
            raise ImportError(CLOSED)


def close_doors() -> None:
    """Close the model solution, other programs and the network; an audit hook can't be removed."""

    def audit(event: str, args: tuple) -> None:
        if event == "open" and isinstance(args[0], str | bytes):
            if Path(os.path.realpath(os.fsdecode(args[0]))).is_relative_to(HERE):
                raise PermissionError(CLOSED)
        elif event in STARTS or event == "socket.connect":
            raise PermissionError("an answer starts no programs and opens no connections")

    sys.meta_path.insert(0, ClosedModules())
    sys.addaudithook(audit)


def load_probes() -> Any:
    """Load the probes under a name of their own, so that the package stays closed."""
    spec = importlib.util.spec_from_file_location("_probes", HERE / "probes.py")
    assert spec is not None
    assert spec.loader is not None
    probes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probes)
    return probes


def words(error: BaseException, part: str) -> str:
    """Return an error as one line, with its line in the answer."""
    text = " ".join(str(error).split())
    if type(error).__name__ not in ("Refused", "AssertionError") or not text:
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    lines = [
        entry.lineno
        for entry in traceback.extract_tb(error.__traceback__)
        if entry.filename == f"<{part}>"
    ]
    if isinstance(error, SyntaxError) and error.filename == f"<{part}>":
        lines = [error.lineno]
    return f"{text} (line {lines[-1]} of the answer)" if lines else text


def run_cell(part: str, source: str, names: dict[str, Any]) -> None:
    """Execute the source of one answer cell."""
    file = f"<{part}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), names)  # that is the purpose of this process


def try_out(task: dict, folder: Path, say: Any) -> None:
    """Run the cells of a task, then the probe once a seed; leave the notes in ``folder``."""
    from safetensors.torch import save_file

    probes, part = load_probes(), task["part"]
    probe, tensor = getattr(probes, task["probe"]), probes.Tensor
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    names = vars(module)
    exec(task["prelude"], names)
    with probes.reporting_relatives(load="tanh" in task["probe"]):
        close_doors()
        for name, source in task["earlier"]:
            say("stage", f"cell of {name}")
            try:
                run_cell(name, source, names)
            except Exception:  # graded there; here it only may help
                continue
        say("stage", "own cell")
        run_cell(part, task["source"], names)
        answer = names.get(part)
        if answer is None:
            raise probes.Refused(f"the cell does not define {part}")
        for number, seed in enumerate(task["seeds"]):
            notes = probe(answer, seed)
            tensors = {k: v for k, v in notes.items() if isinstance(v, tensor)}
            plain = {k: v for k, v in notes.items() if not isinstance(v, tensor)}
            save_file(tensors, folder / f"{number}.safetensors", {"plain": json.dumps(plain)})


def main(folder: Path) -> None:
    """Do the task in ``folder``; the last line of ``said`` tells how it ended."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    sys.path[:] = task["paths"]
    with (folder / "said").open("w", encoding="utf-8") as said:

        def say(what: str, text: str) -> None:
            said.write(json.dumps([what, text[:300]]) + "\n")
            said.flush()

        say("stage", "start")
        try:
            try_out(task, folder, say)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are answers, too
            say("error", words(error, task["part"]))
        else:
            say("done", "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # all is written; threads that an answer left must not keep the process
