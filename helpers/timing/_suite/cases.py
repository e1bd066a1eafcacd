"""The cases of the course's benchmarks, group by group.

A group yields descriptions only. What a case computes on is made when it is its turn, so that one
that fails (memory, a missing operation) does not take the others with it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from helpers import models
from helpers.timing._roofline import (
    MEMORY_OPERATIONS,
    array_bytes,
    matrix_product,
    memory_operation,
    product_sizes,
)
from helpers.timing._tf32 import NEEDED, supports, tf32

FLOPS, BYTES, CALLS, ELEMENTS, ROWS = "FLOP/s", "B/s", "calls/s", "elements/s", "rows/s"

# The names of the precisions and the dtype that each computes with.
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "tf32": torch.float32,
}

# A function without arguments, and what one call of it does in the case's unit times seconds.
Job = tuple[Callable[[], Any], float]


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name, dtype, shape: what the table shows.
        unit: of the rate.
        limit: name of the limit that the rate is compared with.
        prepare: makes the :data:`Job`, in ``setting``; may raise.
        setting: the context in which it is prepared and measured.
        options: for :func:`measure`.
    """

    name: str
    dtype: str
    shape: str
    unit: str
    limit: str
    prepare: Callable[[], Job]
    setting: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skip:
    """A case that this machine cannot run, and why."""

    name: str
    reason: str


Cases = Iterator[Case | Skip]


def _missing(label: str, precision: str, device: torch.device) -> Skip | None:
    """Return why the device cannot compute in this precision, None if it can."""
    if supports(precision, device):
        return None
    return Skip(f"{label}, {precision}", f"this device has no {precision}: it needs {NEEDED}")


def _precisions(device: torch.device) -> list[str]:
    return [name for name in PRECISIONS if name != "tf32" or device.type == "cuda"]


def _matmul(device: torch.device, quick: bool) -> Cases:
    for name in _precisions(device):
        if missing := _missing("mm", name, device):
            yield missing
            continue
        for size in product_sizes(device, quick=quick):
            if device.type == "cpu" and name == "float16" and size > 256:
                continue  # most CPUs have no float16 arithmetic: seconds a product, same rate
            yield Case(
                "mm",
                name,
                f"{size}×{size}",
                FLOPS,
                f"peak {name}",
                functools.partial(matrix_product, size, PRECISIONS[name], device),
                functools.partial(tf32, name == "tf32"),
            )


def _memory(device: torch.device, quick: bool) -> Cases:
    size = array_bytes(device, quick=quick)
    shape = f"{size / 2**20:.0f} MiB"
    for name in MEMORY_OPERATIONS:
        prepare = functools.partial(memory_operation, name, device, bytes_an_array=size)
        yield Case(name, "float32", shape, BYTES, "bandwidth", prepare)


def _copies(device: torch.device, quick: bool) -> Cases:
    if device.type != "cuda":
        yield Skip("host–device copies", "needs a CUDA device")
        return
    size = 2 ** (24 if quick else 28)

    def copy(way: str, pinned: bool) -> Job:
        on_device = torch.empty(size, dtype=torch.uint8, device=device)
        on_host = torch.zeros(size, dtype=torch.uint8, pin_memory=pinned)
        target, source = (on_device, on_host) if way == "to device" else (on_host, on_device)
        return functools.partial(target.copy_, source, non_blocking=pinned), size

    for pinned, way in product((True, False), ("to device", "to host")):
        yield Case(
            f"{'pinned' if pinned else 'pageable'} {way}",
            "uint8",
            f"{size / 2**20:.0f} MiB",
            BYTES,
            f"link {way}",
            functools.partial(copy, way, pinned),
            options={"flush_l2": False},
        )


def _dispatch(device: torch.device, quick: bool) -> Cases:
    def tiny() -> Job:
        return functools.partial(torch.zeros(1, device=device).add_, 1.0), 1

    in_a_row = {"flush_l2": False}
    if device.type == "cuda":
        graph = {"flush_l2": False, "graph": True}
        label = "tiny kernel, CUDA graph"
        yield Case(label, "float32", "1", CALLS, "graph", tiny, options=graph)
        label = "tiny kernel, one launch each"
        yield Case(label, "float32", "1", CALLS, "graph", tiny, options=in_a_row)
        return

    def empty() -> None:
        return None

    yield Case("empty Python function", "–", "–", CALLS, "call", lambda: (empty, 1))
    yield Case("tiny operation", "float32", "1", CALLS, "call", tiny)
    count = 10_000
    values = torch.arange(count, dtype=torch.float32)
    numbers = values.tolist()

    def loop() -> float:
        total = 0.0
        for number in numbers:
            total += number
        return total

    vector = functools.partial(torch.sum, values)
    shape = f"{count:,}"
    yield Case("sum, vectorised", "float32", shape, ELEMENTS, "sum", lambda: (vector, count))
    yield Case("sum, Python loop", "float64", shape, ELEMENTS, "sum", lambda: (loop, count))


def convnet() -> nn.Module:
    """Return a small convolutional network for 3×32×32 pictures and ten classes."""
    layers: list[nn.Module] = []
    for channels, width in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10))


def train_step(
    model: nn.Module, x: Tensor, y: Tensor, *, bf16: bool, compiled: bool
) -> Callable[[], None]:
    """Return one step of training: gradients off, forward, loss, backward, SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    forward = torch.compile(model) if compiled else model
    device_type = x.device.type

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device_type, torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()

    return step


def _training(
    shape: tuple[int, ...], device: torch.device, *, bf16: bool, channels_last: bool, compiled: bool
) -> Job:
    """Return a step on a batch of this shape, compiled already, and its operations."""
    torch.manual_seed(0)
    x = torch.randn(shape).to(device)
    model = (convnet() if len(shape) == 4 else models.MLP([shape[1], 512, 512, 10])).to(device)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (len(x),), device=device)
    step = train_step(model, x, y, bf16=bf16, compiled=False)
    with FlopCounterMode(display=False) as counter:
        step()
    if compiled:
        torch.compiler.reset()
        step = train_step(model, x, y, bf16=bf16, compiled=True)
        step()
    return step, counter.get_total_flops()


def _train(device: torch.device, quick: bool) -> Cases:
    gpu = device.type == "cuda"
    shapes = {"conv": (512 if gpu else 32, 3, 32, 32), "mlp": (4096 if gpu else 128, 784)}
    for name, dtype, channels_last, compiled, graph in product(
        shapes,
        ("float32", "tf32", "bfloat16") if gpu else ("float32", "bfloat16"),
        (False, True),
        (False, True),
        (False, True) if gpu else (False,),
    ):
        # Off the GPU one compiled case a network: each costs a run of the C++ compiler.
        one_is_enough = compiled and not gpu and (dtype, channels_last) != ("float32", False)
        if one_is_enough or (quick and compiled) or (name == "mlp" and channels_last):
            continue
        words = [f"{name} step"]
        words += ["channels_last"] * channels_last + ["compile"] * compiled + ["graph"] * graph
        label = ", ".join(words)
        if missing := _missing(label, dtype, device):
            yield missing
            continue
        yield Case(
            label,
            dtype,
            "×".join(str(n) for n in shapes[name]),
            FLOPS,
            f"peak {dtype}",
            functools.partial(
                _training,
                shapes[name],
                device,
                bf16=dtype == "bfloat16",
                channels_last=channels_last,
                compiled=compiled,
            ),
            functools.partial(tf32, dtype == "tf32"),
            # Behind a flush an unknown part of the many launches would be hidden.
            {"graph": graph, "flush_l2": False},
        )


def _attention(device: torch.device, quick: bool) -> Cases:
    gpu = device.type == "cuda"
    batch, heads, length, width = (8, 16, 2048, 64) if gpu else (2, 8, 512, 64)
    if quick:
        length //= 4
    backends = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION}
    if gpu:
        backends["memory-efficient"] = SDPBackend.EFFICIENT_ATTENTION
        backends["cuDNN"] = SDPBackend.CUDNN_ATTENTION
    size = (batch, heads, length, width)

    def attention(dtype: torch.dtype) -> Job:
        q, k, v = (torch.randn(size, device=device).to(dtype) for _ in range(3))
        # Two matrix products, each 2·length²·width operations a head.
        work = 4 * batch * heads * length**2 * width
        return functools.partial(F.scaled_dot_product_attention, q, k, v), work

    @contextlib.contextmanager
    def only(backend: SDPBackend) -> Iterator[None]:
        with tf32(False), sdpa_kernel(backend):
            yield

    for dtype, (name, backend) in product(("float32", "bfloat16"), backends.items()):
        label = f"attention, {name}"
        yield _missing(label, dtype, device) or Case(
            label,
            dtype,
            "×".join(str(n) for n in size),
            FLOPS,
            f"peak {dtype}",
            functools.partial(attention, PRECISIONS[dtype]),
            functools.partial(only, backend),
        )


def _loader(device: torch.device, quick: bool) -> Cases:
    from helpers.data import TensorLoader

    rows, width, batch_size = (2_000 if quick else 20_000), 64, 64
    x, y = torch.randn(rows, width), torch.randint(10, (rows,))
    shape = f"{rows:,}×{width}, batch {batch_size}"
    gpu = device.type == "cuda"

    def epoch(batches: Callable[[], Any]) -> None:
        for batch_x, batch_y in batches():
            if gpu:
                batch_x.to(device, non_blocking=True)
                batch_y.to(device, non_blocking=True)
        if gpu:
            torch.cuda.synchronize(device)

    def slices() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, rows, batch_size):
            yield x[start : start + batch_size], y[start : start + batch_size]

    def shuffled(workers: int, pinned: bool) -> Any:
        return DataLoader(
            TensorDataset(x, y),
            batch_size=batch_size,
            shuffle=True,
            num_workers=workers,
            pin_memory=pinned,
            persistent_workers=workers > 0,
        )

    def case(name: str, make: Callable[[], Any]) -> Case:
        def prepare() -> Job:
            loader = make()
            return functools.partial(epoch, loader if callable(loader) else lambda: loader), rows

        # An epoch is the host's work: time it with the host's clock.
        return Case(name, "float32", shape, ROWS, "slices", prepare, options={"device": "cpu"})

    yield case("slices in order", lambda: slices)
    tensor_loader = functools.partial(TensorLoader, x, y, batch_size=batch_size, shuffle=True)
    yield case("TensorLoader, shuffled", tensor_loader)
    for workers, pinned in product((0,) if quick else (0, 2), (False, True) if gpu else (False,)):
        label = f"DataLoader, shuffled, {workers} workers" + ", pinned" * pinned
        yield case(label, functools.partial(shuffled, workers, pinned))


GROUP_CASES: dict[str, Callable[[torch.device, bool], Cases]] = {
    "matmul": _matmul,
    "memory": _memory,
    "copies": _copies,
    "dispatch": _dispatch,
    "train": _train,
    "attention": _attention,
    "loader": _loader,
}
GROUPS = tuple(GROUP_CASES)
