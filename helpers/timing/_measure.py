"""The clock: samples of one function, or of several in turn."""

from __future__ import annotations

import contextlib
import functools
import gc
import html
import logging
import math
import os
import random
import statistics
import subprocess
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from helpers import env

# A sample shorter than this is dominated by the resolution of the clock and of CUDA events.
SHORTEST_SAMPLE = 1e-3
# Below this a call is tried three times to choose the calls a sample: another process that
# interrupts the only try makes the function look long, and the clock's own cost then counts.
LONG_CALL = 0.1
# Warm-up ends when two medians of three samples agree this well, or after MAX_WARMUP seconds.
STABLE_WITHIN = 0.02
MIN_WARMUP = 0.05
MAX_WARMUP = 1.0
# Writing this much also keeps the GPU busy while the CPU enqueues the launch to be timed.
MIN_FLUSH_BYTES = 256 * 2**20
# More calls than this do not make a CUDA graph's sample any better, only its capture slower.
MAX_GRAPH_CALLS = 1000

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def format_seconds(*seconds: float) -> tuple[list[str], str]:
    """Write times with three digits in the unit that suits the first of them.

    Returns:
        The numbers as text, and the unit.

    Example:
        >>> format_seconds(0.00123, 0.0012)
        (['1.23', '1.20'], 'ms')
    """
    scale, unit = next(((s, u) for s, u in UNITS if seconds[0] >= s), UNITS[-1])
    first = max(seconds[0] / scale, 1e-3)
    digits = max(0, 2 - math.floor(math.log10(first)))
    return [f"{value / scale:.{digits}f}" for value in seconds], unit


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one function: one number a sample, with what it was measured on.

    A sample is the mean of ``inner`` calls that follow each other, so the percentiles describe
    samples, not single calls.

    Attributes:
        samples: seconds per call, in the order measured.
        inner: calls in one sample.
        device: ``"cpu"``, ``"cuda:0"``, …
        threads: CPU threads that PyTorch may use.
        dtype: of the first tensor argument, None if no argument is a tensor.
        peak_bytes: the most device memory PyTorch held during one call, everything alive
            included; CUDA only, else None.
    """

    samples: tuple[float, ...] = field(repr=False)
    inner: int
    device: str
    threads: int
    dtype: str | None = None
    peak_bytes: int | None = None

    @property
    def repeats(self) -> int:
        """The number of samples."""
        return len(self.samples)

    @property
    def median(self) -> float:
        """The median, in seconds per call."""
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        """The 10th percentile, in seconds per call."""
        return statistics.quantiles(self.samples, n=10, method="inclusive")[0]

    @property
    def p90(self) -> float:
        """The 90th percentile, in seconds per call."""
        return statistics.quantiles(self.samples, n=10, method="inclusive")[8]

    def rate(self, work: float) -> float:
        """Return ``work`` per second at the median, e.g. FLOP/s or B/s.

        Args:
            work: what one call does, in any unit: floating-point operations, bytes, rows.
        """
        return work / self.median

    def __str__(self) -> str:
        (median, p10, p90), unit = format_seconds(self.median, self.p10, self.p90)
        return f"{median} {unit} ({p10}–{p90})"

    def __repr__(self) -> str:
        parts = [
            f"{self}, 10th–90th percentile of {self.repeats} samples of {self.inner} calls",
            _machine(self.device, self.threads),
        ]
        if self.dtype is not None:
            parts.append(self.dtype)
        if self.peak_bytes is not None:
            parts.append(f"peak {self.peak_bytes / 2**20:,.1f} MiB")
        return " · ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers ready for JSON, times in seconds."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "median_s": self.median,
            "p10_s": self.p10,
            "p90_s": self.p90,
            "samples": self.repeats,
            "calls_per_sample": self.inner,
            "threads": self.threads,
            "peak_bytes": self.peak_bytes,
        }


@dataclass(frozen=True)
class Comparison:
    """Several functions, measured in turn. A notebook shows it as a table.

    Attributes:
        timings: name of the case -> its :class:`Timing`.
        baseline: the case that the speed-ups refer to.
    """

    timings: dict[str, Timing]
    baseline: str

    def speedup(self, name: str) -> float:
        """Return how many times faster than the baseline a case is.

        This is the median over rounds of the ratio within a round, so that a drift of the
        machine, which hits all cases of a round alike, cancels.
        """
        pairs = zip(self.timings[self.baseline].samples, self.timings[name].samples, strict=True)
        return statistics.median(base / mine for base, mine in pairs)

    def frame(self) -> pd.DataFrame:
        """Return a table with one row a case: median_s, p10_s, p90_s, speed_up, peak_bytes."""
        rows = {
            name: {
                "median_s": timing.median,
                "p10_s": timing.p10,
                "p90_s": timing.p90,
                "speed_up": self.speedup(name),
                "peak_bytes": timing.peak_bytes,
            }
            for name, timing in self.timings.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "case"
        return frame if frame["peak_bytes"].notna().any() else frame.drop(columns="peak_bytes")

    def _shown(self) -> pd.DataFrame:
        rows = {
            name: {
                "time (p10–p90)": str(timing),
                "speed-up": f"{self.speedup(name):.2f}×",
                **(
                    {"peak": f"{timing.peak_bytes / 2**20:,.1f} MiB"}
                    if timing.peak_bytes is not None
                    else {}
                ),
            }
            for name, timing in self.timings.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def _caption(self) -> str:
        base = self.timings[self.baseline]
        where = _machine(base.device, base.threads)
        dtypes = sorted({t.dtype for t in self.timings.values() if t.dtype is not None})
        return " · ".join([f"baseline: {self.baseline}", f"{base.repeats} rounds", where, *dtypes])

    def __str__(self) -> str:
        return f"{self._shown().to_string()}\n{self._caption()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self._shown().to_html()}<p>{html.escape(self._caption())}</p>"


@functools.cache
def _driver() -> str:
    """Return the NVIDIA driver's version, "unknown" if nvidia-smi does not answer."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n", 1)[0].strip()


def _memory_bytes() -> int | None:
    """Return the size of main memory, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def hardware() -> dict[str, Any]:
    """Return what a number was measured on: CPU, memory, GPU, driver, versions, threads.

    Returns:
        The versions and names of :func:`helpers.env.report`, and: ``threads``,
        ``memory_bytes``, ``gpus`` (a list of name, memory_bytes, l2_bytes,
        multiprocessors, capability; empty without CUDA), ``driver`` (None without CUDA).

    Example:
        >>> hardware()["threads"] == torch.get_num_threads()
        True
    """
    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            gpus.append(
                {
                    "name": found.name,
                    "memory_bytes": found.total_memory,
                    "l2_bytes": found.L2_cache_size,
                    "multiprocessors": found.multi_processor_count,
                    "capability": f"{found.major}.{found.minor}",
                }
            )
    return {
        **env.report(),
        "threads": torch.get_num_threads(),
        "memory_bytes": _memory_bytes(),
        "gpus": gpus,
        "driver": _driver() if gpus else None,
    }


@functools.cache
def _machine(device: str, threads: int) -> str:
    """Name the machine in a few words, for the captions of tables."""
    report = env.report()
    where = (
        f"{torch.cuda.get_device_name(device)}, driver {_driver()}, CUDA {report['CUDA']}"
        if device.startswith("cuda")
        else f"{report['cpu'].split(' (')[0]}, {threads} thread{'s' * (threads != 1)}"
    )
    return f"{where} · torch {report['torch']}"


def check_device(device: str | torch.device) -> torch.device:
    """Return the device, with its index if it is a GPU.

    Raises:
        ValueError: if the device is none of CPU, CUDA and MPS.
        RuntimeError: if this machine has no such device.
    """
    chosen = torch.device(device)
    if chosen.type == "cpu":
        return chosen
    if chosen.type == "mps":
        # Timed on the host: the clock of torch.utils.benchmark waits for the device.
        return env.pick_device("mps")
    if chosen.type != "cuda":
        raise ValueError(f"timing knows the devices 'cpu', 'cuda' and 'mps', got {str(chosen)!r}")
    if not torch.cuda.is_available():
        raise RuntimeError("device 'cuda' was asked for, but this machine has no CUDA device")
    index = torch.cuda.current_device() if chosen.index is None else chosen.index
    if index >= torch.cuda.device_count():
        raise RuntimeError(f"this machine has no device cuda:{index}")
    return torch.device("cuda", index)


def _find_device(fn: Callable[..., Any], args: tuple[Any, ...]) -> torch.device:
    """Return the device of the first tensor among the arguments and the parameters of ``fn``."""
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    if not tensors and isinstance(fn, nn.Module):
        tensors = list(fn.parameters())
    return tensors[0].device if tensors else torch.device("cpu")


class _Sampler(Protocol):
    inner: int
    peak_bytes: int | None

    def warm_call(self) -> None: ...

    def calibrate(self, seconds: float) -> None: ...

    def sample(self) -> float: ...


@functools.cache
def _benchmark_clock() -> Callable[[], float]:
    """Return ``torch.utils.benchmark.timer``, imported without its log line.

    The import looks for CUDA's compiler, and writes a dated warning to the notebook of a machine
    that has the compiler but no GPU.
    """
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils import benchmark
    finally:
        logger.setLevel(level)
    return benchmark.timer


class _CpuSampler:
    """Times on the host, with the loop and the clock of ``torch.utils.benchmark.Timer``.

    The loop is ``timeit.Timer``'s, with the garbage collector off. The clock is
    ``benchmark.timer``: on a machine with an accelerator it waits for the device before it is
    read, so a function that turns out to use the GPU is still timed to its end.
    """

    peak_bytes: int | None = None

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        names = {f"argument{i}": arg for i, arg in enumerate(args)}
        self.inner = 1
        self.call = functools.partial(fn, *args)
        self.timer = timeit.Timer(
            f"fn({', '.join(names)})", timer=_benchmark_clock(), globals={"fn": fn, **names}
        )

    def warm_call(self) -> None:
        self.call()

    def calibrate(self, seconds: float) -> None:
        """Choose ``inner`` so that a sample takes about ``seconds``."""
        inner = 1
        while (taken := self._shortest(inner)) < seconds / 4:
            inner *= 4
        self.inner = max(1, math.ceil(seconds * inner / taken))

    def _shortest(self, inner: int) -> float:
        taken = self.timer.timeit(inner)
        if taken < LONG_CALL:
            taken = min(taken, *self.timer.repeat(2, inner))
        return taken

    def sample(self) -> float:
        return self.timer.timeit(self.inner) / self.inner


def _event_seconds(launch: Callable[[], object], flush: Tensor | None) -> float:
    """Return the device time of one launch, between an event before and an event after it.

    ``flush`` is overwritten first, which drives the inputs of ``launch`` out of the L2 cache.
    """
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    if flush is not None:
        flush.zero_()
    start.record()
    launch()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3


class _CudaSampler:
    """Times on the device with CUDA events.

    With ``flush`` a sample is one call that finds a cold L2 cache. Without it a sample is
    ``inner`` calls in a row; with ``graph`` these calls are one CUDA graph.
    """

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], *, flush_l2: bool, graph: bool
    ) -> None:
        self.call = functools.partial(fn, *args)
        self.graph = graph
        self.inner = 1
        # The first call loads modules and makes handles; only the second shows its own memory.
        self.warm_call()
        torch.cuda.reset_peak_memory_stats()
        self.warm_call()
        self.peak_bytes: int | None = torch.cuda.max_memory_allocated()
        self.flush: Tensor | None = None
        if flush_l2:
            l2_bytes = torch.cuda.get_device_properties().L2_cache_size
            size = max(2 * l2_bytes, MIN_FLUSH_BYTES)
            self.flush = torch.empty(size // 4, dtype=torch.int32, device="cuda")
        self.launch: Callable[[], object] = self._capture(1) if graph else self.call

    def _capture(self, calls: int) -> Callable[[], object]:
        # Capture needs a warmed-up side stream: libraries allocate their workspaces per stream.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.call()
        torch.cuda.current_stream().wait_stream(stream)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            for _ in range(calls):
                self.call()
        return captured.replay

    def _call_in_a_row(self) -> None:
        for _ in range(self.inner):
            self.call()

    def warm_call(self) -> None:
        self.call()
        torch.cuda.synchronize()

    def calibrate(self, seconds: float) -> None:
        """Choose ``inner`` so that a sample takes about ``seconds``; one call if L2 is flushed."""
        if self.flush is not None:
            return
        taken = min(self.sample() for _ in range(3))
        inner = max(1, math.ceil(seconds / max(taken, 1e-7)))
        if not self.graph:
            self.inner = inner
            self.launch = self._call_in_a_row
        elif self.inner != min(inner, MAX_GRAPH_CALLS):
            self.inner = min(inner, MAX_GRAPH_CALLS)
            self.launch = self._capture(self.inner)

    def sample(self) -> float:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return _event_seconds(self.launch, self.flush) / self.inner
        finally:
            if collecting:
                gc.enable()


def _warm_up(sampler: _Sampler, warmup: int | None, seconds: float) -> None:
    """Call the function ``warmup`` times; None: until two medians of three samples agree."""
    if warmup is not None:
        for _ in range(warmup):
            sampler.warm_call()
        sampler.calibrate(seconds)
        return
    sampler.warm_call()
    sampler.calibrate(SHORTEST_SAMPLE)
    start = time.perf_counter()
    previous = math.inf
    while (elapsed := time.perf_counter() - start) < MAX_WARMUP:
        current = statistics.median(sampler.sample() for _ in range(3))
        if elapsed > MIN_WARMUP and abs(current - previous) <= STABLE_WITHIN * current:
            break
        previous = current
    sampler.calibrate(seconds)


def _measure_all(
    cases: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]],
    *,
    warmup: int | None = None,
    repeats: int = 30,
    min_time: float = 0.2,
    device: str | torch.device | None = None,
    flush_l2: bool = True,
    graph: bool = False,
) -> dict[str, Timing]:
    """Measure functions with their arguments, one sample of each in every round."""
    for name, (fn, _) in cases.items():
        if not callable(fn):
            hint = "; pass the function itself, not its result: measure(f, x), not measure(f(x))"
            raise TypeError(f"{name}: expected a function, got {type(fn).__name__}{hint}")
    if repeats < 3:
        raise ValueError(f"repeats must be at least 3 to give percentiles, got {repeats}")
    if warmup is not None and warmup < 0:
        raise ValueError(f"warmup must not be negative, got {warmup}")
    if not 0 <= min_time < math.inf:
        raise ValueError(f"min_time is a number of seconds from 0, got {min_time}")
    fn, args = next(iter(cases.values()))
    where = check_device(_find_device(fn, args) if device is None else device)
    on_gpu = where.type == "cuda"
    if graph and not on_gpu:
        raise ValueError("graph=True needs a CUDA device: pass device='cuda'")

    seconds = max(SHORTEST_SAMPLE, min_time / repeats)
    with torch.cuda.device(where) if on_gpu else contextlib.nullcontext():
        samplers: dict[str, _Sampler] = {}
        for name, (fn, args) in cases.items():
            samplers[name] = (
                _CudaSampler(fn, args, flush_l2=flush_l2, graph=graph)
                if on_gpu
                else _CpuSampler(fn, args)
            )
            _warm_up(samplers[name], warmup, seconds)
        samples: dict[str, list[float]] = {name: [] for name in cases}
        # A new order every round: no case always follows the same neighbour.
        order = list(cases)
        shuffle = random.Random(0).shuffle
        for _ in range(repeats):
            shuffle(order)
            for name in order:
                samples[name].append(samplers[name].sample())
    return {
        name: Timing(
            samples=tuple(samples[name]),
            inner=samplers[name].inner,
            device=str(where),
            threads=torch.get_num_threads(),
            dtype=next(
                (str(a.dtype).removeprefix("torch.") for a in args if isinstance(a, Tensor)), None
            ),
            peak_bytes=samplers[name].peak_bytes,
        )
        for name, (_, args) in cases.items()
    }


def measure(
    fn: Callable[..., Any],
    *args: Any,
    warmup: int | None = None,
    repeats: int = 30,
    min_time: float = 0.2,
    device: str | torch.device | None = None,
    flush_l2: bool = True,
    graph: bool = False,
) -> Timing:
    """Measure the time of ``fn(*args)``.

    On the CPU the loop and the clock are those of ``torch.utils.benchmark``. On CUDA the time
    lies between two events on the device's current stream, and each sample starts with a cold
    L2 cache, as in ``triton.testing.do_bench``. Warm-up ends when the running median is stable.

    Args:
        fn: the function.
        args: its arguments.
        warmup: calls before the first sample; None: until two medians in a row agree within
            2 %, for one second at most.
        repeats: samples, at least 3.
        min_time: seconds to measure in all; short functions are called several times a sample.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; None: where the first tensor argument (or
            parameter, if ``fn`` is a module) lies, else the CPU. Pass ``"cuda"`` for a function
            that takes its GPU tensors from outside; the CPU's clock would add the launch.
        flush_l2: CUDA only: overwrite the L2 cache before every sample, one call a sample. With
            False, a sample is many calls in a row over warm caches.
        graph: CUDA only: capture the calls of a sample in a CUDA graph and time its replay, which
            leaves out the CPU's launches. ``fn`` must be capturable: no synchronisation, fixed
            shapes.

    Raises:
        TypeError: if ``fn`` is not callable.
        ValueError: if an option is out of range, or ``graph`` is asked for on the CPU.
        RuntimeError: if this machine has no such device.

    Example:
        >>> x = torch.randn(256, 256)
        >>> timing = measure(torch.matmul, x, x, repeats=5, min_time=0.01)
        >>> timing.rate(2 * 256**3) > 0  # floating-point operations per second
        True
    """
    timings = _measure_all(
        {"fn": (fn, args)},
        warmup=warmup,
        repeats=repeats,
        min_time=min_time,
        device=device,
        flush_l2=flush_l2,
        graph=graph,
    )
    return timings["fn"]


def compare(cases: Mapping[str, Callable[[], Any]], *, baseline: str, **options: Any) -> Comparison:
    """Measure several functions in turn, one sample of each a round, in random order.

    Args:
        cases: what to show -> a function without arguments.
        baseline: the case that the speed-ups refer to.
        options: the options of :func:`measure`, the same for all cases.

    Raises:
        ValueError: if there is no case, or ``baseline`` is not one of them.
        TypeError: for an option that :func:`measure` does not have.

    Example:
        >>> x = torch.randn(64, 64)
        >>> cases = {"x @ x": lambda: x @ x, "einsum": lambda: torch.einsum("ij,jk->ik", x, x)}
        >>> table = compare(cases, baseline="x @ x", repeats=5, min_time=0.01)
        >>> table.speedup("x @ x")
        1.0
    """
    if baseline not in cases:
        raise ValueError(f"baseline {baseline!r} is not one of the cases: {list(cases)}")
    timings = _measure_all({name: (fn, ()) for name, fn in cases.items()}, **options)
    return Comparison(timings, baseline)
