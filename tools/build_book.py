"""Build the book: execute all notebooks in parallel, then the site with warnings as errors.

Run it from anywhere: ``python tools/build_book.py``. Executed notebooks are kept in a
jupyter-cache that Jupyter Book reads, so that nothing is executed twice. The cache's folder is
named by a hash of helpers/, data_scripts/ and the environment (see book/_ext/course.py).

``COURSE_JOBS`` sets how many notebooks run at the same time; the default is the number of cores.
A notebook with ``"course": {"alone": true}`` in its metadata runs after the others, by itself:
the chapters that measure time need this.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import joblib
import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course  # noqa: E402 - it lies in the folder that the line above adds

KEPT_CACHES = 2
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """What came of executing one notebook."""

    path: Path
    notebook: nbformat.NotebookNode
    seconds: float
    error: str = ""


def jobs() -> int:
    """Return how many notebooks may run at the same time."""
    value = os.environ.get("COURSE_JOBS", "")
    if not value:
        return joblib.cpu_count()  # knows the limits of a container
    if not value.isdigit() or int(value) < 1:
        raise SystemExit(f"COURSE_JOBS={value!r} is not a number of jobs; use 1, 2, 3 …")
    return int(value)


def kernel_environment(threads: int) -> dict[str, str]:
    """Return the environment of a kernel; what the user has set wins.

    Args:
        threads: how many threads one kernel may use, so that all together fit the cores.
    """
    defaults = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    own = {**defaults, **os.environ}
    own["PYTHONPATH"] = defaults["PYTHONPATH"]
    return own


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or stop with one line that says which file is broken."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise SystemExit(f"{path.name} is not a notebook; restore it from git: {reason}") from None


def describe(error: Exception, notebook: nbformat.NotebookNode, log: str) -> str:
    """Return the report of a failure: which cell, its code, the traceback."""
    if isinstance(error, DeadKernelError):
        return f"the kernel died; its last words:\n{log[-3000:]}"
    failed = [
        (index, cell)
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
        and any(output.output_type == "error" for output in cell.get("outputs", []))
        and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    where = f"cell {failed[-1][0]}\n" if failed else ""
    return where + str(error)


def execute(path: Path, timeout: int, threads: int) -> Outcome:
    """Execute one notebook on a fresh kernel in its own folder."""
    notebook = read(path)
    timeout = notebook.metadata.get("execution", {}).get("timeout", timeout)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,  # times in the metadata would change the key in the cache
        resources={"metadata": {"path": str(path.parent)}},
    )
    error = ""
    start = time.perf_counter()
    # A kernel's own messages go to a file: they are of interest only if it dies.
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            client.execute(env=kernel_environment(threads), stderr=log)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as problem:
            log.seek(0)
            error = describe(problem, notebook, log.read())
    return Outcome(path, notebook, time.perf_counter() - start, error)


def is_cached(cache: JupyterCacheBase, notebook: nbformat.NotebookNode) -> bool:
    """Tell whether the cache holds this notebook: the same code cells with the same metadata."""
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def report_stderr(outcome: Outcome) -> None:
    """Name the cells that wrote to stderr: the pages do not show it."""
    for index, cell in enumerate(outcome.notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                first = output.text.strip().partition("\n")[0]
                print(f"  note: {outcome.path.stem}, cell {index} wrote to stderr: {first}")


def known_times(caches: Path) -> dict[str, float]:
    """Return how long each notebook took the last time, under any key."""
    times: dict[str, float] = {}
    for folder in sorted(caches.glob("*/global.db"), key=lambda p: p.stat().st_mtime):
        for record in get_cache(folder.parent).list_cache_records():
            times[Path(record.uri).stem] = record.data.get("execution_seconds", 0.0)
    return times


def execute_stale(paths: list[Path], cache: JupyterCacheBase, timeout: int) -> list[Outcome]:
    """Execute every notebook that the cache does not hold; return the failures."""
    stale: list[Path] = []
    alone: list[Path] = []
    for path in paths:
        notebook = read(path)
        if not is_cached(cache, notebook):
            by_itself = notebook.metadata.get("course", {}).get("alone", False)
            (alone if by_itself else stale).append(path)
    print(f"{len(paths)} notebooks, {len(stale) + len(alone)} to execute", flush=True)
    # The longest first, so that no long one is left for the end.
    times = known_times(cache.path.parent)
    stale.sort(key=lambda path: -times.get(path.stem, float("inf")))

    failures = []

    def finish(outcome: Outcome) -> None:
        name = f"  {outcome.path.stem:<28} {outcome.seconds:7.1f} s"
        if outcome.error:
            print(f"{name}  FAILED", flush=True)
            failures.append(outcome)
            return
        print(name, flush=True)
        report_stderr(outcome)
        cache.cache_notebook_bundle(
            CacheBundleIn(
                outcome.notebook, str(outcome.path), data={"execution_seconds": outcome.seconds}
            ),
            check_validity=False,
            overwrite=True,
        )

    cores = joblib.cpu_count()
    for group, width in ((stale, min(jobs(), len(stale))), (alone, 1)):
        if not group:
            continue
        with ThreadPoolExecutor(width) as pool:
            threads = max(1, cores // width)
            futures = [pool.submit(execute, path, timeout, threads) for path in group]
            for future in as_completed(futures):
                finish(future.result())
    return failures


def prune(caches: Path, current: Path) -> None:
    """Delete the caches of old keys, all but the latest ones."""
    current.mkdir(parents=True, exist_ok=True)
    os.utime(current)
    folders = sorted((p for p in caches.iterdir() if p.is_dir()), key=lambda p: -p.stat().st_mtime)
    for folder in folders[KEPT_CACHES:]:
        shutil.rmtree(folder)


def build_site(root: Path, output: Path) -> int:
    """Run Jupyter Book with warnings as errors and return its exit status.

    Args:
        root: the root of the repository.
        output: the folder that gets ``_build/html``.

    After a failure Sphinx's memory of the pages is deleted: it would take a page that it has read
    as good and keep silent about its warnings the next time.
    """
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    options = ["build", ".", "-n", "-W", "--keep-going", "--path-output", str(output)]
    status = subprocess.run([*command, *options], cwd=root, check=False).returncode
    if status:
        shutil.rmtree(output / "_build" / ".doctrees", ignore_errors=True)
    return status


def main() -> int:
    """Execute, build, and print where the site is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="the folder that gets _build/html (default: the root of the repository)",
    )
    output = parser.parse_args().output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    folder = course.cache_path(ROOT)
    prune(folder.parent, folder)
    failures = execute_stale(
        sorted((ROOT / "notebooks").glob("*.ipynb")),
        get_cache(folder),
        config["execute"]["timeout"],
    )
    for failure in failures:
        report = failure.error if sys.stdout.isatty() else ANSI.sub("", failure.error)
        print(f"\n{'=' * 72}\n{failure.path.relative_to(ROOT)} failed in {report}")
    if failures:
        names = ", ".join(failure.path.stem for failure in failures)
        print(f"\nThe book was not built: {names} failed.", file=sys.stderr)
        return 1
    status = build_site(ROOT, output)
    index = output / "_build" / "html" / "index.html"
    if status or not index.is_file():
        print("\nThe site was not built; the warnings above say why.", file=sys.stderr)
        return 1
    print(f"\nThe book is ready after {time.perf_counter() - start:.0f} s: {index}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
