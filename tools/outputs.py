"""Execute notebooks in the hermetic mode and store their outputs in place.

    python tools/outputs.py notebooks/05_backpropagation.ipynb    # or none: all
    python tools/outputs.py --check                               # execute, compare, write nothing
    python tools/outputs.py --record                              # measure with official data


The stored outputs in git are those of the regression run: quick profile, stand-in data, CPU.
With ``--record`` the profile is that of COURSE_PROFILE, the data is official, and the only thing
written is helpers/recorded/*.json, by the notebooks themselves.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
HERMETIC = {
    "COURSE_PROFILE": "quick",
    "COURSE_DATA": "standin",
    "CUDA_VISIBLE_DEVICES": "",
    "COURSE_PROGRESS": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


RECORD = {"COURSE_DATA": "official", "COURSE_PROGRESS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


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
                output.data["image/png"] = shrink(output.data["image/png"])
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python"}}
    if "course" in notebook.metadata:  # how the book build treats the notebook
        metadata["course"] = notebook.metadata["course"]
    notebook.metadata = nbformat.from_dict(metadata)


def shrink(png: str) -> str:
    """Reduce a base64 PNG to 128 colours: drawings look the same at a third of the size."""
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    small = io.BytesIO()
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


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


def execute(path: Path, *, check: bool, record: bool) -> str:
    """Execute one notebook; return one line about it, or raise CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    before = signature(notebook)
    strip(notebook)
    start = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=7200 if record else 600,
        kernel_name="python3",
        resources={"metadata": {"path": path.parent}},
    )
    # Newer kernels warn about unencrypted TCP on this machine's own loopback: errors only.
    client.extra_arguments = ["--IPKernelApp.log_level=40"]
    client.execute()
    seconds = time.perf_counter() - start
    same = signature(notebook) == before
    if record:
        return f"{path.name}: {seconds:.1f} s, results recorded"
    if not check:
        normalise(notebook)
        nbformat.write(notebook, path)
    if check and not same:
        raise AssertionError(f"{path.name}: outputs differ from the stored ones")
    size = path.stat().st_size / 1024
    note = "same outputs" if same else "outputs changed"
    return f"{path.name}: {seconds:.1f} s, {size:.0f} KB, {note}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--record", action="store_true", help="official data; write results only")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks executed at the same time")
    options = parser.parse_args()
    os.environ.update(RECORD if options.record else HERMETIC)
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = {
            path: pool.submit(execute, path, check=options.check, record=options.record)
            for path in paths
        }
        for path, job in jobs.items():
            try:
                print(job.result())
            except (CellExecutionError, AssertionError) as error:
                failed = True
                print(f"{path.name}: FAILED\n{error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
