"""The course's benchmarks: every case with its rate, and the limit that this machine sets."""

from __future__ import annotations

import contextlib
import datetime
import functools
import time
from collections.abc import Callable, Iterator, Sequence
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
from helpers.timing._measure import check_device, format_seconds, hardware, measure
from helpers.timing._roofline import (
    array_bytes,
    bandwidth,
    memory_cases,
    peak_flops,
)

FLOPS, BYTES, CALLS, ELEMENTS, ROWS = "FLOP/s", "B/s", "calls/s", "elements/s", "rows/s"


@dataclass(frozen=True)
class _Case:
    """One thing to measure.

    Attributes:
        name, dtype, shape: what the table shows.
        work: what one call does, in ``unit`` times seconds.
        limit: name of the limit that the rate is compared with.
        sets: name of the limit that this case's own rate sets, for the cases after it.
        options: for :func:`measure`.
    """

    name: str
    dtype: str
    shape: str
    work: float
    unit: str
    limit: str
    fn: Callable[[], Any]
    sets: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Skip:
    """A case that this machine cannot run, and why."""

    name: str
    reason: str


_Cases = Iterator[_Case | _Skip]


@contextlib.contextmanager
def _tf32(on: bool) -> Iterator[None]:
    """Let float32 matrix products and convolutions on CUDA round their inputs to TF32, or not.

    The older switches, because ``torch.compile`` in torch 2.11 still reads them.
    """
    if not torch.cuda.is_available():
        yield
        return
    matmul, conv = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = conv


def _precisions(device: torch.device) -> list[tuple[str, torch.dtype]]:
    """Return the names and dtypes of the matrix products to measure."""
    names = [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)]
    return [*names, ("tf32", torch.float32)] if device.type == "cuda" else names


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"


def _matmul(device: torch.device, quick: bool) -> _Cases:
    sizes = (1024, 2048, 4096, 8192) if device.type == "cuda" else (128, 256, 512, 1024, 2048)
    for (name, dtype), size in product(_precisions(device), sizes[: 2 if quick else None]):
        if device.type == "cpu" and dtype == torch.float16 and size > 256:
            continue  # most CPUs have no float16 arithmetic: seconds a product, same rate
        with _tf32(name == "tf32"):
            a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            out = torch.empty_like(a)
            mm = functools.partial(torch.mm, a, b, out=out)
            yield _Case("mm", name, f"{size}×{size}", 2 * size**3, FLOPS, f"peak {name}", mm)


def _memory(device: torch.device, quick: bool) -> _Cases:
    size = array_bytes(device, quick=quick)
    for name, moved, fn in memory_cases(device, bytes_an_array=size):
        yield _Case(name, "float32", f"{size / 2**20:.0f} MiB", moved, BYTES, "bandwidth", fn)


def _copies(device: torch.device, quick: bool) -> _Cases:
    if device.type != "cuda":
        yield _Skip("host–device copies", "needs a CUDA device")
        return
    size = 2 ** (24 if quick else 28)
    on_device = torch.empty(size, dtype=torch.uint8, device=device)
    # Pinned first: it sets the limit of its direction.
    for pinned in (True, False):
        on_host = torch.zeros(size, dtype=torch.uint8, pin_memory=pinned)
        kind = "pinned" if pinned else "pageable"
        for way, source, target in (
            ("to device", on_host, on_device),
            ("to host", on_device, on_host),
        ):
            yield _Case(
                f"{kind} {way}",
                "uint8",
                f"{size / 2**20:.0f} MiB",
                size,
                BYTES,
                f"link {way}",
                functools.partial(target.copy_, source, non_blocking=pinned),
                sets=f"link {way}" if pinned else "",
                options={"flush_l2": False},
            )


def _dispatch(device: torch.device, quick: bool) -> _Cases:
    one = torch.zeros(1, device=device)
    add = functools.partial(one.add_, 1.0)
    in_a_row = {"flush_l2": False}
    if device.type == "cuda":
        graph = {"flush_l2": False, "graph": True}
        label = "tiny kernel, CUDA graph"
        yield _Case(label, "float32", "1", 1, CALLS, "graph", add, sets="graph", options=graph)
        label = "tiny kernel, one launch each"
        yield _Case(label, "float32", "1", 1, CALLS, "graph", add, options=in_a_row)
        return

    def empty() -> None:
        return None

    yield _Case("empty Python function", "–", "–", 1, CALLS, "call", empty, sets="call")
    yield _Case("tiny operation", "float32", "1", 1, CALLS, "call", add)
    count = 10_000
    values = torch.arange(count, dtype=torch.float32)
    numbers = values.tolist()

    def loop() -> float:
        total = 0.0
        for number in numbers:
            total += number
        return total

    shape = f"{count:,}"
    vector = functools.partial(torch.sum, values)
    yield _Case("sum, vectorised", "float32", shape, count, ELEMENTS, "sum", vector, sets="sum")
    yield _Case("sum, Python loop", "float64", shape, count, ELEMENTS, "sum", loop)


def _convnet() -> nn.Module:
    layers: list[nn.Module] = []
    for channels, width in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10))


def _train_step(
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


def _train(device: torch.device, quick: bool) -> _Cases:
    gpu = device.type == "cuda"
    batch = {"conv": 512 if gpu else 32, "mlp": 4096 if gpu else 128}
    for name, dtype, channels_last, compiled, graph in product(
        ("conv", "mlp"),
        ("float32", "tf32", "bfloat16") if gpu else ("float32", "bfloat16"),
        (False, True),
        (False, True),
        (False, True) if gpu else (False,),
    ):
        # Off the GPU one compiled case a network: each costs a run of the C++ compiler.
        one_is_enough = compiled and not gpu and (dtype, channels_last) != ("float32", False)
        if one_is_enough or (quick and compiled) or (name == "mlp" and channels_last):
            continue
        torch.manual_seed(0)
        if name == "conv":
            model, x = _convnet(), torch.randn(batch[name], 3, 32, 32)
        else:
            model, x = models.MLP([784, 512, 512, 10]), torch.randn(batch[name], 784)
        model, x = model.to(device), x.to(device)
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
            x = x.contiguous(memory_format=torch.channels_last)
        y = torch.randint(10, (len(x),), device=device)
        words = [f"{name} step"]
        words += ["channels_last"] * channels_last + ["compile"] * compiled + ["graph"] * graph
        label = ", ".join(words)
        with _tf32(dtype == "tf32"):
            eager = _train_step(model, x, y, bf16=dtype == "bfloat16", compiled=False)
            with FlopCounterMode(display=False) as counter:
                eager()
            step = eager
            if compiled:
                torch.compiler.reset()
                step = _train_step(model, x, y, bf16=dtype == "bfloat16", compiled=True)
                try:
                    step()
                except RuntimeError as error:
                    yield _Skip(f"{label}, {dtype}", _first_line(error))
                    continue
            shape = "×".join(str(n) for n in x.shape)
            work = counter.get_total_flops()
            options = {"graph": graph, "flush_l2": True}
            yield _Case(label, dtype, shape, work, FLOPS, f"peak {dtype}", step, options=options)


def _attention(device: torch.device, quick: bool) -> _Cases:
    gpu = device.type == "cuda"
    batch, heads, length, width = (8, 16, 2048, 64) if gpu else (2, 8, 512, 64)
    if quick:
        length //= 4
    backends = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION}
    if gpu:
        backends["memory-efficient"] = SDPBackend.EFFICIENT_ATTENTION
        backends["cuDNN"] = SDPBackend.CUDNN_ATTENTION
    # Two matrix products, each 2·length²·width operations a head.
    work = 4 * batch * heads * length**2 * width
    shape = f"{batch}×{heads}×{length}×{width}"
    for (dtype, kind), (name, backend) in product(_precisions(device)[:2], backends.items()):
        q, k, v = (torch.randn(batch, heads, length, width, device=device) for _ in range(3))
        q, k, v = q.to(kind), k.to(kind), v.to(kind)

        def attend(q: Tensor = q, k: Tensor = k, v: Tensor = v) -> Tensor:
            return F.scaled_dot_product_attention(q, k, v)

        label = f"attention, {name}"
        with _tf32(False), sdpa_kernel(backend):
            try:
                attend()
            except RuntimeError as error:
                yield _Skip(f"{label}, {dtype}", _first_line(error))
                continue
            yield _Case(label, dtype, shape, work, FLOPS, f"peak {dtype}", attend)


def _loader(device: torch.device, quick: bool) -> _Cases:
    from helpers.data import TensorLoader

    rows, width, batch_size = (2_000 if quick else 20_000), 64, 64
    x, y = torch.randn(rows, width), torch.randint(10, (rows,))
    shape = f"{rows:,}×{width}, batch {batch_size}"
    gpu = device.type == "cuda"

    def epoch(loader: Any) -> None:
        for batch_x, batch_y in loader:
            if gpu:
                batch_x.to(device, non_blocking=True)
                batch_y.to(device, non_blocking=True)
        if gpu:
            torch.cuda.synchronize(device)

    def slices() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, rows, batch_size):
            yield x[start : start + batch_size], y[start : start + batch_size]

    def case(name: str, fn: Callable[[], None], sets: str = "") -> _Case:
        # An epoch is the host's work: time it with the host's clock.
        return _Case(
            name, "float32", shape, rows, ROWS, "slices", fn, sets, options={"device": "cpu"}
        )

    yield case("slices in order", lambda: epoch(slices()), sets="slices")
    tensor_loader = TensorLoader(x, y, batch_size=batch_size, shuffle=True)
    yield case("TensorLoader, shuffled", functools.partial(epoch, tensor_loader))
    dataset = TensorDataset(x, y)
    for workers, pinned in product((0,) if quick else (0, 2), (False, True) if gpu else (False,)):
        loader = DataLoader(
            dataset,
            batch_size=batch_size,
            shuffle=True,
            num_workers=workers,
            pin_memory=pinned,
            persistent_workers=workers > 0,
        )
        label = f"DataLoader, shuffled, {workers} workers" + ", pinned" * pinned
        yield case(label, functools.partial(epoch, loader))


_GROUPS: dict[str, Callable[[torch.device, bool], _Cases]] = {
    "matmul": _matmul,
    "memory": _memory,
    "copies": _copies,
    "dispatch": _dispatch,
    "train": _train,
    "attention": _attention,
    "loader": _loader,
}
GROUPS = tuple(_GROUPS)


def _chosen_groups(which: str | Sequence[str]) -> list[str]:
    asked = [which] if isinstance(which, str) else list(which)
    unknown = [name for name in asked if name not in (*GROUPS, "all")]
    if unknown or not asked:
        raise ValueError(
            f"unknown group {unknown}; choose 'all' or some of {', '.join(GROUPS)}"
            if unknown
            else f"no group chosen; choose 'all' or some of {', '.join(GROUPS)}"
        )
    return list(GROUPS) if "all" in asked else [name for name in GROUPS if name in asked]


class _Limits:
    """What this machine can do at best; each limit is measured when it is first asked for."""

    def __init__(self, device: torch.device, *, quick: bool) -> None:
        self.device = device
        self.quick = quick
        self.known: dict[str, dict[str, Any]] = {}

    def set(self, name: str, value: float, unit: str) -> None:
        """Keep a limit."""
        entry = {"device": str(self.device), "name": name, "value": value, "unit": unit}
        self.known[name] = entry

    def get(self, name: str) -> float:
        """Return a limit, measured now if it is a peak or the bandwidth."""
        if name not in self.known:
            options: dict[str, Any] = {"quick": self.quick, "repeats": 7, "min_time": 0.05}
            options |= {"warmup": 2} if self.quick else {}
            if name == "bandwidth":
                self.set(name, bandwidth(self.device, **options), BYTES)
            else:
                precision = name.removeprefix("peak ")
                dtype = dict(_precisions(self.device))[precision]
                with _tf32(precision == "tf32"):
                    self.set(name, peak_flops(self.device, dtype, **options), FLOPS)
        return self.known[name]["value"]


def suite(
    which: str | Sequence[str] = "all",
    device: str | torch.device | None = None,
    *,
    quick: bool = False,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure the course's benchmarks.

    Groups: ``matmul`` (dtype × size), ``memory`` (bandwidth), ``copies`` (host–device, pageable
    and pinned), ``dispatch`` (launch and call overhead), ``train`` (steps of a convolutional
    network and an MLP: dtype × channels_last × compile × CUDA graph), ``attention`` (math
    against fused) and ``loader`` (throughput). On the CPU "all" takes about a minute.

    Args:
        which: ``"all"``, a group, or several.
        device: ``"cpu"`` or ``"cuda"``; None: the CPU, and CUDA as well if it is there.
        quick: smaller sizes, fewer samples and no compiler, to see that everything works.
        report: called with each record as soon as it is there, e.g. to print it.

    Returns:
        ``hardware`` (see :func:`hardware`), ``created`` (UTC), ``quick``, ``seconds``, ``limits``
        (device, name, value, unit), ``cases`` and ``skipped`` (device, group, name, reason).
        A case holds group, name, shape, the fields of :meth:`Timing.to_dict`, rate, unit,
        limit_name, limit and share_of_limit.

    Raises:
        ValueError: for an unknown group; the message lists the groups.
        RuntimeError: if this machine has no such device.

    Example:
        >>> found = suite("dispatch", "cpu", quick=True)
        >>> sorted(found["cases"][0])[:4]
        ['calls_per_sample', 'device', 'dtype', 'group']
    """
    groups = _chosen_groups(which)
    if device is None:
        devices = [torch.device("cpu")]
        devices += [check_device("cuda")] if torch.cuda.is_available() else []
    else:
        devices = [check_device(device)]
    started = time.perf_counter()
    base = {"repeats": 5, "min_time": 0.02, "warmup": 2} if quick else {"repeats": 11}
    cases: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    limits: list[dict[str, Any]] = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for where in devices:
            found = _Limits(where, quick=quick)
            for group in groups:
                for case in _GROUPS[group](where, quick):
                    start = {"device": str(where), "group": group, "name": case.name}
                    if isinstance(case, _Skip):
                        skipped.append({**start, "reason": case.reason})
                        continue
                    try:
                        options = {"min_time": 0.1, "device": where, **base, **case.options}
                        timing = measure(case.fn, **options)
                    except RuntimeError as error:
                        skipped.append({**start, "reason": _first_line(error)})
                        continue
                    rate = timing.rate(case.work)
                    if case.sets:
                        found.set(case.sets, rate, case.unit)
                    limit = found.get(case.limit)
                    record = {
                        **timing.to_dict(),
                        **start,
                        "dtype": case.dtype,
                        "shape": case.shape,
                        "rate": rate,
                        "unit": case.unit,
                        "limit_name": case.limit,
                        "limit": limit,
                        "share_of_limit": rate / limit,
                    }
                    cases.append(record)
                    if report is not None:
                        report(record)
            limits += found.known.values()
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "quick": quick,
        "seconds": time.perf_counter() - started,
        "limits": limits,
        "cases": cases,
        "skipped": skipped,
    }


def format_rate(value: float, unit: str) -> str:
    """Write a rate with three digits and a prefix.

    Example:
        >>> format_rate(2.03e11, "FLOP/s")
        '203 GFLOP/s'
    """
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def format_record(record: dict[str, Any]) -> str:
    """Write a case of :func:`suite` as one line of a table."""
    (median, p10, p90), unit = format_seconds(record["median_s"], record["p10_s"], record["p90_s"])
    return (
        f"{record['device']:<7}{record['group']:<10}{record['name']:<38}{record['dtype']:<9}"
        f"{record['shape']:<22}{median + ' ' + unit:>9} {'(' + p10 + '–' + p90 + ')':<14}"
        f"{format_rate(record['rate'], record['unit']):>17}"
        f"{record['share_of_limit']:>8.1%} of {record['limit_name']}"
    )
