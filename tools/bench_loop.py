"""Cost of a training step under several loops: ``make bench``, or ``python tools/bench_loop.py``.

Every competitor trains the same model from the same weights on the same data, batch size 32, with
SGD, on one CPU thread, in this one process. Three workloads: an MLP so small that the loop itself
is what costs, LeNet, and a residual network.

How an epoch is timed. Every loader writes down the time whenever a pass over it starts. A run
trains ``EPOCHS`` epochs; its time a step is the time from the start of the second epoch to the
start of the last one, over the steps between. So set-up and the first epoch, in which libraries
allocate and compile, are left out, and everything that a framework does in and between epochs is
in. The same hook serves all competitors, and none needs a callback of its own.

How competitors are compared. In each round every competitor runs once, in a new random order.
The ratio to the hand-written loop is taken within a round, where a drift of the machine hits all
alike; the table gives its median over the rounds, with 10th and 90th percentile.

That all do the same work is checked, not assumed: in a run in float64 before the measurement, every
competitor that draws its batches from the same ``DataLoader`` must end with the hand-written loop's
weights. ``TensorLoader`` draws its own order and is exempt.

The hand-written loop sums ``loss.item()``, as most hand-written loops do. Frameworks are set to
quiet: no logger, checkpoint, progress bar or validation.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import importlib
import importlib.metadata
import importlib.util
import logging
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import files, models, timing
from helpers.data import TensorLoader

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a command finds the package it stands in
from tools.competitors import (  # noqa: E402
    BASELINE,
    BATCH,
    COMPETITORS,
    EPOCHS,
    LEARNING_RATE,
    MODULES,
    Competitor,
    Task,
)


@dataclass(frozen=True)
class Workload:
    """A model and the shape of its data."""

    name: str
    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rows: int

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return -(-self.rows // BATCH)


# No multiple of the batch size: there, a RandomSampler draws once more when it is asked for a batch
# after the last one. Lightning does not ask, and would get another order from the second epoch on.
WORKLOADS = (
    Workload("tiny MLP 64-32-10", lambda: models.MLP([64, 32, 10]), (64,), 2_000),
    Workload("LeNet 1×28×28", models.LeNet, (1, 28, 28), 950),
    Workload("ResNet 3×32×32", lambda: models.NetResDeep(16, 3, 10), (3, 32, 32), 250),
)


class StampedDataLoader(DataLoader):
    """A DataLoader that notes when each pass over it starts."""

    stamps: list[float]

    def __iter__(self) -> Any:
        """Note the time, then start a pass."""
        self.stamps.append(time.perf_counter())
        return super().__iter__()


class StampedTensorLoader(TensorLoader):
    """A TensorLoader that notes when each pass over it starts."""

    stamps: list[float]

    def batches(self, skip: int = 0) -> Iterator[Any]:
        """Note the time, then start a pass."""
        self.stamps.append(time.perf_counter())
        return super().batches(skip)


def missing_packages() -> list[str]:
    """Return the frameworks that are not installed."""
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module) is None]


def make_task(
    workload: Workload, competitor: Competitor, dtype: torch.dtype = torch.float32
) -> Task:
    """Make the same start for every competitor: weights, data, order of the batches."""
    torch.manual_seed(0)
    model = workload.model().to(dtype)
    x = torch.randn(workload.rows, *workload.shape, dtype=dtype)
    y = torch.randint(10, (workload.rows,))
    generator = torch.Generator().manual_seed(0)
    options: dict[str, Any] = {"batch_size": BATCH, "shuffle": True, "generator": generator}
    dataset = TensorDataset(x, y)
    loader: Any = (
        StampedTensorLoader(x, y, **options)
        if competitor.tensor_loader
        else StampedDataLoader(dataset, **options)
    )
    loader.stamps = []
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    return Task(model, optimizer, loader, dataset, loader.stamps)


def seconds_a_step(task: Task, competitor: Competitor) -> float:
    """Run one competitor once and return its seconds a step.

    Raises:
        RuntimeError: if the competitor did not make exactly ``EPOCHS`` passes over its loader.
    """
    gc.collect()
    competitor.run(task)
    if len(task.stamps) != EPOCHS:
        raise RuntimeError(f"expected {EPOCHS} passes over the loader, saw {len(task.stamps)}")
    return (task.stamps[-1] - task.stamps[1]) / ((EPOCHS - 2) * len(task.loader))


def check_same_work(workload: Workload, names: list[str]) -> None:
    """Train once with each competitor and compare the weights with the hand-written loop's.

    In float64: in float32 the CPU's kernels round differently when a tensor lies elsewhere in
    memory, and a residual network magnifies that within an epoch.

    Raises:
        RuntimeError: if a competitor that gets the same batches ends with other weights.
    """
    reference = None
    for name in names:
        if COMPETITORS[name].tensor_loader:
            continue
        task = make_task(workload, COMPETITORS[name], torch.float64)
        COMPETITORS[name].run(task)
        weights = nn.utils.parameters_to_vector(task.model.parameters()).detach()
        if reference is None:
            reference = weights  # the hand-written loop is the first
        elif not torch.allclose(weights, reference, rtol=1e-5, atol=1e-7):
            raise RuntimeError(
                f"{workload.name}: {name} ends with other weights than the {BASELINE} loop, "
                f"by up to {float((weights - reference).abs().max()):.1e}"
            )


def spread(values: list[float]) -> dict[str, float]:
    """Return median, 10th and 90th percentile."""
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return {"median": statistics.median(values), "p10": tenths[0], "p90": tenths[8]}


def bench(workload: Workload, names: list[str], rounds: int) -> list[dict[str, Any]]:
    """Measure all competitors on one workload."""
    check_same_work(workload, names)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    order = list(names)
    shuffle = random.Random(0).shuffle
    for number in range(rounds + 1):
        shuffle(order)
        for name in order:
            task = make_task(workload, COMPETITORS[name])
            taken = seconds_a_step(task, COMPETITORS[name])
            if number > 0:  # the first round warms up
                seconds[name].append(taken)
    rows = []
    for name in names:
        ratios = [a / b for a, b in zip(seconds[name], seconds[BASELINE], strict=True)]
        rows.append(
            {
                "workload": workload.name,
                "loop": name,
                "seconds_a_step": spread(seconds[name]),
                "ratio": spread(ratios),
                "rounds": rounds,
                "steps_a_round": (EPOCHS - 2) * workload.steps,
            }
        )
    return rows


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print the table of one workload."""
    first = rows[0]
    print(f"\n{first['workload']}: {first['rounds']} rounds of {first['steps_a_round']} steps")
    print(f"  {'loop':<20}{'µs a step (p10–p90)':<28}ratio (p10–p90)")
    for row in rows:
        time_, ratio = row["seconds_a_step"], row["ratio"]
        micro = [f"{time_[key] * 1e6:.0f}" for key in ("median", "p10", "p90")]
        times = f"{micro[0]} ({micro[1]}–{micro[2]})"
        text = f"{ratio['median']:.3f} ({ratio['p10']:.3f}–{ratio['p90']:.3f})"
        print(f"  {row['loop']:<20}{times:<28}{text}", flush=True)


@contextlib.contextmanager
def quiet(missing: list[str]) -> Iterator[None]:
    """Silence the frameworks: they report their settings at every start."""
    if "lightning" not in missing:
        importlib.import_module("lightning")  # which sets the level of its loggers
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare the cost of training loops.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds a workload (default 15)")
    parser.add_argument("--workload", help="only workloads whose name contains this text")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds must be at least 3, got {options.rounds}")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {str(options.json.parent)!r}")
    wanted = [w for w in WORKLOADS if (options.workload or "").lower() in w.name.lower()]
    if not wanted:
        parser.error(f"--workload: choose from {[w.name for w in WORKLOADS]}")

    missing = missing_packages()
    names = [name for name, found in COMPETITORS.items() if found.package not in missing]
    absent = [name for name in COMPETITORS if name not in names]
    if absent:
        print(f"not installed: {', '.join(absent)}; pip install {' '.join(missing)}")
    # One thread: with more, two competitors differ by how the system places the threads.
    torch.set_num_threads(1)
    machine = timing.hardware()
    versions = {p: importlib.metadata.version(p) for p in MODULES if p not in missing}
    listed = [f"{package} {version}" for package, version in versions.items()]
    print(" · ".join([machine["cpu"], f"torch {machine['torch']}", *listed]))
    rows = []
    with quiet(missing):
        for workload in wanted:
            found = bench(workload, names, options.rounds)
            print_rows(found)
            rows += found
    if options.json is not None:
        result = {
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "hardware": machine,
            "versions": versions,
            "settings": {
                "batch_size": BATCH,
                "optimizer": f"SGD, lr {LEARNING_RATE}",
                "dtype": "float32",
                "device": "cpu",
            },
            "not_installed": absent,
            "rows": rows,
        }
        files.write_json(options.json, result)
        print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
