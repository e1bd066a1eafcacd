"""Execute notebooks in the hermetic mode and store their outputs in place.

    python tools/outputs.py notebooks/05_backpropagation.ipynb    # or none: all
    python tools/outputs.py --check                               # execute, compare, write nothing
    python tools/outputs.py --record                              # measure with official data

The stored outputs in git are those of the regression run: quick profile, stand-in data, CPU.
With ``--record`` the profile is that of COURSE_PROFILE, the data is official, and the notebooks
themselves write helpers/recorded/*.json; their files stay as they are. The executed notebooks go
into the book's cache: a `make book` with the same settings shows this run and executes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.cache.main import JupyterCacheBase

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]

import course  # noqa: E402 - it lies in a folder that the line above adds

from helpers import files  # noqa: E402
from tools import build_book  # noqa: E402
from tools import notebook as runner  # noqa: E402
from tools.hermetic import HERMETIC  # noqa: E402

RECORD = {"COURSE_DATA": "official", "COURSE_PROGRESS": "0"}
TIMEOUT = 600
CACHE_LOCK = threading.Lock()  # it writes its folder in several steps


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Keep the file stable: ids from the source, no execution times, no editor metadata."""
    join_streams(notebook)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = runner.shrink(output.data["image/png"])
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python"}}
    for name in ("course", "execution"):  # how the book build treats the notebook; its time limit
        if name in notebook.metadata:
            metadata[name] = notebook.metadata[name]
    notebook.metadata = nbformat.from_dict(metadata)


def strip(notebook: nbformat.NotebookNode) -> None:
    """Remove stored outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def join_streams(notebook: nbformat.NotebookNode) -> None:
    """Join neighbouring pieces of a stream: where the kernel cuts it depends on the load."""
    for cell in notebook.cells:
        joined: list[nbformat.NotebookNode] = []
        for output in cell.get("outputs", []):
            last = joined[-1] if joined else {}
            if output.output_type == "stream" and last.get("name") == output.name:
                last["text"] += output.text
            else:
                joined.append(output)
        if "outputs" in cell:
            cell.outputs = joined


def signature(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text outputs of the cells whose output must not change."""
    texts = []
    join_streams(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code" or "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            texts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return texts


def run(path: Path, *, check: bool, cache: JupyterCacheBase | None = None) -> tuple[bool, str]:
    """Execute one notebook; return whether all is well, and a line about it.

    Args:
        path: the notebook.
        check: compare its outputs with the stored ones instead of storing them.
        cache: the book's cache for a run that records; it gets the executed notebook.
    """
    record = cache is not None
    try:
        notebook = runner.read(path)
    except SystemExit as error:  # the others go on
        return False, str(error)
    before = signature(notebook)
    strip(notebook)
    outcome = runner.execute(
        path,
        timeout=runner.FULL_TIMEOUT if record else TIMEOUT,
        env=runner.environment(**(RECORD if record else HERMETIC)),
        notebook=notebook,
    )
    if outcome.error:
        return False, f"{path.name}: FAILED in {outcome.error}"
    line = f"{path.name}: {outcome.seconds:.1f} s"
    if cache is not None:
        with CACHE_LOCK:
            build_book.keep(cache, outcome)
        return True, f"{line}, results recorded"
    same = signature(notebook) == before
    if check:
        return same, f"{line}, {'same outputs' if same else 'outputs DIFFER from the stored ones'}"
    normalise(notebook)
    files.write_text(path, nbformat.writes(notebook) + "\n")
    size = path.stat().st_size / 1024
    return True, f"{line}, {size:.0f} KB, {'same outputs' if same else 'outputs changed'}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 if a notebook failed or differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    kind.add_argument("--record", action="store_true", help="official data; write results only")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks executed at the same time")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    cache = get_cache(course.cache_path(ROOT, os.environ | RECORD)) if options.record else None
    good = True
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run, path, check=options.check, cache=cache) for path in paths]
        for job in jobs:
            fine, line = job.result()
            good = good and fine
            print(line, file=sys.stdout if fine else sys.stderr, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
