"""Build the book: execute all notebooks in parallel, then the site with warnings as errors.

Run it from anywhere: ``python tools/build_book.py``. Executed notebooks are kept in a
jupyter-cache that Jupyter Book reads, so that nothing is executed twice. The cache's folder is
named by a hash of helpers/, data_scripts/ and the environment (see book/_ext/course.py).

``COURSE_JOBS`` sets how many notebooks run at the same time; the default is the number of cores.
A notebook with ``"course": {"alone": true}`` in its metadata runs after the others, by itself:
the chapters that measure time need this. ``_build/reports`` gets a file for each that failed.

A failing notebook ends the build, unless you ask for ``--keep-going``: then its page shows the
stored outputs, and says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import nbformat
import yaml
from joblib import cpu_count
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]

import course  # noqa: E402 - it lies in the folder that the line above adds

from helpers import files  # noqa: E402
from tools.notebook import FULL_TIMEOUT, Outcome, environment, execute, read, shrink  # noqa: E402

KEPT_CACHES = 2
SHOWN = "What you see are its stored outputs: quick profile, CPU, stand-in data."
FAILED = f"This chapter failed on the machine that built this page. {SHOWN}"
LEFT = f"This chapter was not executed for this page. {SHOWN}"


def jobs() -> int:
    """Return how many notebooks may run at the same time."""
    value = os.environ.get("COURSE_JOBS", "")
    if not value:
        return cpu_count()  # which knows the limit of a container
    if not value.isdigit() or int(value) < 1:
        raise SystemExit(f"COURSE_JOBS={value!r} is not a number of jobs; use 1, 2, 3 …")
    return int(value)


def kernel_environment(threads: int) -> dict[str, str]:
    """Return the environment of a kernel; a number of threads that the user has set wins.

    Args:
        threads: how many threads one kernel may use, so that all together fit the cores.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    return environment(**{name: os.environ.get(name, str(threads)) for name in names})


def cell_timeout(quick: int, environ: Mapping[str, str] = os.environ) -> int:
    """Return the seconds that a cell may take.

    Args:
        quick: the limit of the quick profile; the full one trains for longer.
        environ: the variables that choose the profile.
    """
    default = "full" if course.has_driver() else "quick"
    full = (environ.get("COURSE_PROFILE") or default) == "full"
    return max(quick, FULL_TIMEOUT) if full else quick


def is_cached(cache: JupyterCacheBase, notebook: nbformat.NotebookNode) -> bool:
    """Tell whether the cache holds this notebook: the same code cells with the same metadata."""
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def keep(cache: JupyterCacheBase, outcome: Outcome) -> None:
    """Put an executed notebook into the cache, its figures with fewer colours."""
    for cell in outcome.notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = shrink(png)
    data = {"execution_seconds": outcome.seconds}
    bundle = CacheBundleIn(outcome.notebook, str(outcome.path), data=data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


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


def notebooks() -> list[Path]:
    """Return all notebooks of the book."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


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
        keep(cache, outcome)

    cores = cpu_count()
    for group, width in ((stale, min(jobs(), len(stale))), (alone, 1)):
        if not group:
            continue
        with ThreadPoolExecutor(width) as pool:
            threads = max(1, cores // width)
            env = kernel_environment(threads)
            futures = [
                pool.submit(execute, path, timeout=timeout, env=env, double=True) for path in group
            ]
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


def shows_stand_in(notebook: nbformat.NotebookNode, names: Iterable[str]) -> bool:
    """Tell whether an output says that one of these data sets was a stand-in."""
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    return any(f"{name}: STAND-IN" in text for name in names for text in texts)


def follow_data(folder: Path, came: set[str]) -> Path:
    """Give a cache the key of the data that is there now, and return its new folder.

    Notebooks download what they need, which changes the key. Those that ran before a data set
    came and show its stand-in leave the cache.

    Args:
        folder: the cache.
        came: data sets that came while the notebooks ran.
    """
    now = course.cache_path(ROOT)
    if now == folder:
        return folder
    shutil.rmtree(now, ignore_errors=True)
    folder.rename(now)
    cache = get_cache(now)
    for record in cache.list_cache_records():
        if shows_stand_in(cache.get_cache_bundle(record.pk).nb, came):
            cache.remove_cache(record.pk)
    return now


def build_site(root: Path, output: Path, *, stored: bool = False) -> int:
    """Run Jupyter Book with warnings as errors and return its exit status.

    Args:
        root: the root of the repository.
        output: the folder that gets ``_build/html``.
        stored: show the outputs that the notebooks store, in place of executed ones.

    After a failure Sphinx's memory of the pages is deleted: it would take a page that it has read
    as good and keep silent about its warnings the next time.
    """
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    options = ["build", ".", "-n", "-W", "--keep-going", "--path-output", str(output)]
    env = {**os.environ, "COURSE_STORED": "1"} if stored else None
    status = subprocess.run([*command, *options], cwd=root, env=env, check=False).returncode
    if status:
        shutil.rmtree(output / "_build" / ".doctrees", ignore_errors=True)
    return status


def noted(notebook: nbformat.NotebookNode, note: str) -> nbformat.NotebookNode:
    """Return a notebook with a note as the first output that a reader sees."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", []):
            data = {"text/markdown": f"> **Note.** {note}"}
            cell.outputs.insert(0, nbformat.v4.new_output("display_data", data))
            break
    return notebook


@contextmanager
def stored_in_place(cache: JupyterCacheBase, notes: Mapping[Path, str]) -> Iterator[None]:
    """Let the cache hold the stored outputs of some notebooks while the site is built.

    Args:
        cache: the cache that Jupyter Book reads.
        notes: notebook -> what its page says about it.
    """
    for path, note in notes.items():
        bundle = CacheBundleIn(noted(read(path), note), str(path))
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    try:
        yield
    finally:
        for path in notes:
            cache.remove_cache(cache.match_cache_notebook(read(path)).pk)


def execute_all(output: Path, only: Collection[str] = ()) -> list[Path]:
    """Execute what is stale, write a report for each failure, and return those that failed.

    Args:
        output: the folder that gets ``_build/reports``.
        only: the names of the notebooks to execute; none means all.
    """
    reports = output / "_build" / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    timeout = cell_timeout(config["execute"]["timeout"])
    paths = [path for path in notebooks() if not only or path.stem in only]
    folder = course.cache_path(ROOT)
    prune(folder.parent, folder)
    before = course.real_data()
    failures = execute_stale(paths, get_cache(folder), timeout)
    if came := course.real_data() - before:
        print(f"downloaded meanwhile: {', '.join(sorted(came))}", flush=True)
        folder = follow_data(folder, came)
        failures = failures or execute_stale(paths, get_cache(folder), timeout)
    for failure in failures:
        report = f"{failure.path.relative_to(ROOT)} failed in {failure.error}"
        print(f"\n{'=' * 72}\n{report}")
        files.write_text(reports / f"{failure.path.stem}.txt", f"{report}\n")
    return [failure.path for failure in failures]


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute, build, and print where the site is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="the folder that gets _build/html (default: the root of the repository)",
    )
    parser.add_argument(
        "--stored", action="store_true", help="execute nothing, show the stored outputs"
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="show the stored outputs of what fails"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="show the stored outputs of others"
    )
    options = parser.parse_args(arguments)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    failed = [] if options.stored else execute_all(output, options.only)
    if failed and not options.keep_going:
        names = ", ".join(path.stem for path in failed)
        print(f"\nThe book was not built: {names} failed.", file=sys.stderr)
        return 1
    notes = dict.fromkeys(failed, FAILED)
    if options.only:
        notes |= {path: LEFT for path in notebooks() if path.stem not in options.only}
    if notes:
        with stored_in_place(get_cache(course.cache_path(ROOT)), notes):
            status = build_site(ROOT, output)
        # Else Sphinx would not read these pages again when their notebooks have been executed.
        shutil.rmtree(output / "_build" / ".doctrees", ignore_errors=True)
    else:
        status = build_site(ROOT, output, stored=options.stored)
    index = output / "_build" / "html" / "index.html"
    if status or not index.is_file():
        print("\nThe site was not built; the warnings above say why.", file=sys.stderr)
        return 1
    print(f"\nThe book is ready after {time.perf_counter() - start:.0f} s: {index}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
