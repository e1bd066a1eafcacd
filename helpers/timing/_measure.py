"""The two functions that measure: one function, or several in turn."""

from __future__ import annotations

import contextlib
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from helpers import env
from helpers.timing._clock import (
    SHORTEST_SAMPLE,
    CpuSampler,
    CudaSampler,
    Sampler,
    flush_buffer,
)
from helpers.timing._tf32 import tf32_in_use
from helpers.timing._types import Comparison, Timing

# Warm-up ends when two medians of three samples agree this well, or after MAX_WARMUP seconds.
STABLE_WITHIN = 0.02
MIN_WARMUP = 0.05
MAX_WARMUP = 1.0

_Cases = Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]


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


def _warm_up(sampler: Sampler, warmup: int | None, seconds: float) -> None:
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


def _check_options(cases: _Cases, repeats: int, warmup: int | None, min_time: float) -> None:
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


def _rounds(samplers: Mapping[str, Sampler], repeats: int, min_time: float) -> int:
    """Return the number of rounds: more than ``repeats`` where a sample is one short call."""
    costs = [
        sampler.flushed_seconds()
        for sampler in samplers.values()
        if isinstance(sampler, CudaSampler) and sampler.flush is not None
    ]
    return max(repeats, math.ceil(len(costs) * min_time / sum(costs))) if costs else repeats


def _measure_all(
    cases: _Cases,
    *,
    warmup: int | None = None,
    repeats: int = 30,
    min_time: float = 0.2,
    device: str | torch.device | None = None,
    flush_l2: bool = True,
    graph: bool = False,
) -> dict[str, Timing]:
    """Measure functions with their arguments, one sample of each in every round."""
    _check_options(cases, repeats, warmup, min_time)
    fn, args = next(iter(cases.values()))
    where = check_device(_find_device(fn, args) if device is None else device)
    on_gpu = where.type == "cuda"
    if graph and not on_gpu:
        raise ValueError("graph=True needs a CUDA device: pass device='cuda'")

    seconds = max(SHORTEST_SAMPLE, min_time / repeats)
    with torch.cuda.device(where) if on_gpu else contextlib.nullcontext():
        samplers: dict[str, Sampler]
        if on_gpu:
            on_device = {name: CudaSampler(fn, args) for name, (fn, args) in cases.items()}
            flush = flush_buffer() if flush_l2 else None
            for sampler in on_device.values():
                sampler.start(flush=flush, graph=graph)
            samplers = {**on_device}
        else:
            samplers = {name: CpuSampler(fn, args) for name, (fn, args) in cases.items()}
        for name in cases:
            _warm_up(samplers[name], warmup, seconds)
        samples: dict[str, list[float]] = {name: [] for name in cases}
        # A new order every round: no case always follows the same neighbour.
        order = list(cases)
        shuffle = random.Random(0).shuffle
        for _ in range(_rounds(samplers, repeats, min_time)):
            shuffle(order)
            for name in order:
                samples[name].append(samplers[name].sample())
        tf32 = tf32_in_use() if on_gpu else None
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
            flush_l2=flush_l2 if on_gpu else None,
            graph=graph if on_gpu else None,
            tf32=tf32,
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

    On CUDA, three questions have three answers. How long does a kernel take: the default. Its
    launch is hidden, because the device is still busy with overwriting its cache. How long does
    a step of many kernels take, launches included: ``flush_l2=False``. (Behind a flush a part
    of its launches would be hidden, how many depends on the card.) How long do its kernels
    take without launches: ``graph=True``.

    Args:
        fn: the function.
        args: its arguments.
        warmup: calls before the first sample; None: until two medians in a row agree within
            2 %, for one second at most.
        repeats: samples, at least 3; there are more if samples of one call do not fill
            ``min_time`` (CUDA with ``flush_l2``).
        min_time: seconds to measure in all; short functions are called several times a sample.
            Where a sample is one call, there are more samples, and the flushes count as well.
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
        options: the options of :func:`measure`, the same for all cases. ``min_time`` is the mean
            over the cases.

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
