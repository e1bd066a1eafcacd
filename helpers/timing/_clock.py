"""The two clocks: one sample of one function, on the host or on a CUDA device."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import math
import timeit
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

# A sample shorter than this is dominated by the resolution of the clock and of CUDA events.
SHORTEST_SAMPLE = 1e-3
# Below this a call is tried three times to choose the calls a sample: another process that
# interrupts the only try makes the function look long, and the clock's own cost then counts.
LONG_CALL = 0.1
# Writing this much also keeps the GPU busy while the CPU enqueues the launch to be timed.
MIN_FLUSH_BYTES = 256 * 2**20
# More calls than this do not make a CUDA graph's sample any better, only its capture slower.
MAX_GRAPH_CALLS = 1000


class Sampler(Protocol):
    """What takes samples of one function."""

    inner: int
    peak_bytes: int | None

    def warm_call(self) -> None:
        """Do what a sample times, without the clock."""
        ...

    def calibrate(self, seconds: float) -> None:
        """Choose ``inner`` so that a sample takes about ``seconds``."""
        ...

    def sample(self) -> float:
        """Return seconds per call."""
        ...


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


class CpuSampler:
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
        """Call the function once."""
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
        """Return seconds per call, the mean of ``inner`` calls."""
        return self.timer.timeit(self.inner) / self.inner


def event_seconds(launch: Callable[[], object], flush: Tensor | None) -> float:
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


def flush_buffer() -> Tensor:
    """Return a tensor that fills the L2 cache of the current device when it is overwritten."""
    l2_bytes = torch.cuda.get_device_properties().L2_cache_size
    size = max(2 * l2_bytes, MIN_FLUSH_BYTES)
    return torch.empty(size // 4, dtype=torch.int32, device="cuda")


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class CudaSampler:
    """Times on the current CUDA device with events.

    With ``flush`` a sample is one call that finds a cold L2 cache. Without it a sample is
    ``inner`` calls in a row; with ``graph`` these calls are one CUDA graph.

    Making a sampler calls the function twice and reads its peak memory. Make those of all cases
    before any of them starts: a flush buffer or a graph of one would count in the next one's peak.
    """

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.call = functools.partial(fn, *args)
        self.launch: Callable[[], object] = self.call
        self.inner = 1
        self.flush: Tensor | None = None
        self.stream: torch.cuda.Stream | None = None
        # The first call loads modules and makes handles; only the second shows its own memory.
        self.warm_call()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        self.warm_call()
        self.peak_bytes: int | None = torch.cuda.max_memory_allocated() - before

    def start(self, *, flush: Tensor | None, graph: bool) -> None:
        """Get ready to take samples.

        Args:
            flush: the :func:`flush_buffer` to overwrite before a sample, one for all cases.
            graph: capture the calls of a sample in a CUDA graph.

        Raises:
            RuntimeError: (or what the function raises) if it cannot be captured.
        """
        self.flush = flush
        if graph:
            self.stream = torch.cuda.Stream()
            self.launch = self._capture(self.stream, 1)

    def _capture(self, stream: torch.cuda.Stream, calls: int) -> Callable[[], object]:
        before = torch.cuda.current_stream()
        # Capture needs a warmed-up side stream: libraries allocate their workspaces per stream.
        stream.wait_stream(before)
        try:
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.call()
        finally:
            torch.cuda.set_stream(before)
        before.wait_stream(stream)
        captured = torch.cuda.CUDAGraph()
        failure: Exception | None = None
        try:
            # Its own stream would be another one, and of the device of the first capture ever.
            with torch.cuda.graph(captured, stream=stream):
                try:
                    for _ in range(calls):
                        self.call()
                except Exception as error:
                    failure = error
                    raise
        except Exception as error:
            # Closing the capture fails too, which hides the reason and leaves its stream current.
            torch.cuda.set_stream(before)
            failure = failure or error
        if failure is not None:
            raise failure
        # The first replay uploads the graph.
        captured.replay()
        torch.cuda.synchronize()
        return captured.replay

    def _call_in_a_row(self) -> None:
        for _ in range(self.inner):
            self.call()

    def warm_call(self) -> None:
        """Run what a sample times, and wait for it."""
        self.launch()
        torch.cuda.synchronize()

    def calibrate(self, seconds: float) -> None:
        """Choose ``inner`` so that a sample takes about ``seconds``; one call if L2 is flushed."""
        if self.flush is not None:
            return
        taken = min(self.sample() for _ in range(3))
        inner = max(1, math.ceil(seconds / max(taken, 1e-7)))
        if self.stream is None:
            self.inner = inner
            self.launch = self._call_in_a_row
        elif self.inner != min(inner, MAX_GRAPH_CALLS):
            self.inner = min(inner, MAX_GRAPH_CALLS)
            self.launch = self._capture(self.stream, self.inner)

    def flushed_seconds(self) -> float:
        """Return the device time of a sample with its flush."""

        def both() -> None:
            assert self.flush is not None, "only for a sampler that flushes"
            self.flush.zero_()
            self.launch()

        return min(event_seconds(both, None) for _ in range(3))

    def sample(self) -> float:
        """Return seconds per call."""
        with _no_garbage_collection():
            return event_seconds(self.launch, self.flush) / self.inner
