"""The two limits of a machine: arithmetic and memory bandwidth, measured, not from a datasheet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from helpers import machine
from helpers.timing._measure import check_device, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A product that would take longer than this is not tried.
LONG_PRODUCT = 0.5

MEMORY_OPERATIONS = ("copy", "add", "sum")


@dataclass(frozen=True)
class Roofline:
    """What one machine can do at best in one dtype.

    Attributes:
        device: ``"cpu"``, ``"cuda:0"``, …
        dtype: of the matrix product, e.g. ``"float32"``.
        peak_flops: FLOP/s of the fastest matrix product.
        bandwidth: B/s of the fastest of copy, add and sum over arrays larger than the caches,
            each operand's bytes counted once.
        machine: :func:`helpers.timing.hardware` at the time.
    """

    device: str
    dtype: str
    peak_flops: float
    bandwidth: float
    machine: dict[str, Any] = field(repr=False)

    @property
    def ridge(self) -> float:
        """The arithmetic intensity in FLOP/B from which arithmetic is the limit."""
        return self.peak_flops / self.bandwidth

    def limit(self, intensity: float) -> float:
        """Return the FLOP/s that a function of this intensity (FLOP/B) can reach.

        Raises:
            ValueError: if ``intensity`` is not positive.
        """
        if not intensity > 0:
            raise ValueError(f"intensity must be positive, got {intensity}")
        return min(self.peak_flops, intensity * self.bandwidth)

    def plot(
        self, points: Mapping[str, tuple[float, float]] | None = None, *, ax: Axes | None = None
    ) -> Axes:
        """Draw the limit and measured points on logarithmic axes.

        Args:
            points: name -> (intensity in FLOP/B, measured FLOP/s).
            ax: where to draw; None makes a new figure.
        """
        import matplotlib.pyplot as plt

        from helpers import plots

        points = points or {}
        axes = plt.subplots()[1] if ax is None else ax
        ends = [self.ridge / 100, self.ridge, self.ridge * 100]
        ends += [intensity for intensity, _ in points.values()]
        ends.sort()
        axes.loglog(ends, [self.limit(end) for end in ends], color=plots.COLORS[-1], label="limit")
        for (name, (intensity, flops)), color in zip(
            points.items(), plots.COLORS[:-1] * len(points), strict=False
        ):
            axes.loglog([intensity], [flops], "o", color=color, label=name)
        axes.set_xlabel("arithmetic intensity (FLOP/B)")
        axes.set_ylabel("rate (FLOP/s)")
        title = f"Roofline: {self.device}, {self.dtype}"
        if self.device == "cpu":
            threads = torch.get_num_threads()
            title += f", {threads} thread" + "s" * (threads != 1)
        axes.set_title(title)
        axes.legend()
        return axes


def product_sizes(device: torch.device, *, quick: bool = False) -> tuple[int, ...]:
    """Return sizes of square matrices, small at first for a dtype that has no fast arithmetic."""
    if device.type == "cuda":
        return (1024, 2048) if quick else (1024, 2048, 4096, 8192)
    return (128, 256, 512) if quick else (128, 256, 512, 1024, 2048)


def matrix_product(
    size: int, dtype: torch.dtype, device: torch.device
) -> tuple[Callable[[], Any], int]:
    """Return the product of two square matrices of random numbers, and its operations.

    A product of size :math:`n` takes :math:`n^3` multiplications and as many additions.
    """
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    # Not the operator: a result allocated in every call would be timed as well.
    return functools.partial(torch.mm, a, b, out=torch.empty_like(a)), 2 * size**3


def memory_operation(
    name: str, device: torch.device, *, bytes_an_array: int
) -> tuple[Callable[[], Any], int]:
    """Return one of :data:`MEMORY_OPERATIONS` over float32 arrays, and the bytes it moves.

    Counted are the arrays read and the array written, each once.
    """
    a = torch.randn(bytes_an_array // 4, device=device)
    if name == "sum":
        return functools.partial(torch.sum, a), a.nbytes
    out = torch.empty_like(a)
    if name == "copy":
        return functools.partial(out.copy_, a), a.nbytes + out.nbytes
    b = torch.randn_like(a)
    return functools.partial(torch.add, a, b, out=out), a.nbytes + b.nbytes + out.nbytes


def array_bytes(device: torch.device, *, quick: bool = False) -> int:
    """Return the size of an array of which no cache holds a noticeable part.

    On the CPU it is four times the last-level caches together, the rule of the STREAM benchmark
    (McCalpin 1995), at least 256 MiB and at most a sixteenth of main memory. On CUDA it is 1 GiB,
    eight times and more the L2 cache of today's cards, at most an eighth of the free memory. With
    ``quick`` it is 64 MiB, which some server processors do hold.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return min(2**30, free // 8) // 4 * 4
    if quick:
        return 2**26
    wanted = max(2**28, 4 * (machine.cache_bytes() or 0))
    memory = machine.memory_bytes()
    return (wanted if memory is None else min(wanted, max(2**28, memory // 16))) // 4 * 4


def peak_flops(
    device: torch.device, dtype: torch.dtype, *, quick: bool = False, **options: Any
) -> float:
    """Return FLOP/s of the fastest square matrix product, from its fastest tenth of samples.

    The sizes grow until the next product would take too long or too much memory.
    """
    best = 0.0
    for size in product_sizes(device, quick=quick):
        try:
            product, work = matrix_product(size, dtype, device)
            timing = measure(product, device=device, **options)
        except torch.OutOfMemoryError:
            if best:
                break
            raise
        best = max(best, work / timing.p10)
        if 8 * timing.median > LONG_PRODUCT:
            break
    return best


def bandwidth(device: torch.device, *, quick: bool = False, **options: Any) -> float:
    """Return B/s of the fastest of copy, add and sum, from its fastest tenth of samples."""
    size = array_bytes(device, quick=quick)
    best = 0.0
    for name in MEMORY_OPERATIONS:
        operation, moved = memory_operation(name, device, bytes_an_array=size)
        best = max(best, moved / measure(operation, device=device, **options).p10)
    return best


def roofline(
    device: str | torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Roofline:
    """Measure the peak rate of a matrix product and the memory bandwidth. Takes seconds.

    The peak is that of the mode which is on: for float32 on CUDA it is the TF32 rate after
    ``torch.set_float32_matmul_precision("high")``.

    Args:
        device: ``"cpu"`` or ``"cuda"``; None: CUDA if it is there.
        dtype: a floating-point dtype.

    Raises:
        ValueError: if ``dtype`` is not a floating-point dtype.
        RuntimeError: if this machine has no such device.

    Example:
        >>> limits = roofline("cpu")  # doctest: +SKIP
        >>> limits.limit(intensity=0.25)  # doctest: +SKIP
    """
    if not dtype.is_floating_point:
        raise ValueError(f"roofline needs a floating-point dtype, got {dtype}")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where = check_device(device)
    return Roofline(
        device=str(where),
        dtype=str(dtype).removeprefix("torch."),
        peak_flops=peak_flops(where, dtype, repeats=10),
        bandwidth=bandwidth(where, repeats=10),
        machine=machine.hardware(),
    )
