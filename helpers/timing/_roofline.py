"""The two limits of a machine: arithmetic and memory bandwidth, measured, not from a datasheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from helpers.timing._measure import Timing, check_device, hardware, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A square product that takes longer than this is large enough; the next size is not tried.
LONG_PRODUCT = 0.1


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
        axes.set_title(f"Roofline: {self.device}, {self.dtype}, {torch.get_num_threads()} threads")
        axes.legend()
        return axes


def matmul_timing(size: int, dtype: torch.dtype, device: torch.device, **options: Any) -> Timing:
    """Time the product of two square matrices of random numbers, into an existing result."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    # Not the operator: a result allocated in every call would be timed as well.
    return measure(lambda: torch.mm(a, b, out=out), device=device, **options)


def memory_cases(device: torch.device, *, bytes_an_array: int) -> Iterator[tuple[str, int, Any]]:
    """Yield name, bytes moved and function of copy, add and sum over float32 arrays."""
    a, b = (torch.randn(bytes_an_array // 4, device=device) for _ in range(2))
    out = torch.empty_like(a)
    yield "copy", 2 * bytes_an_array, lambda: out.copy_(a)
    yield "add", 3 * bytes_an_array, lambda: torch.add(a, b, out=out)
    yield "sum", bytes_an_array, lambda: torch.sum(a)


def array_bytes(device: torch.device, *, quick: bool = False) -> int:
    """Return the size of an array that no cache of the device holds."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return min(2**30, free // 8) // 4 * 4
    return 2 ** (26 if quick else 28)


def peak_flops(
    device: torch.device, dtype: torch.dtype, *, quick: bool = False, **options: Any
) -> float:
    """Return FLOP/s of the fastest square matrix product, from its fastest tenth of samples."""
    sizes = (2048, 4096, 8192) if device.type == "cuda" else (512, 1024, 2048)
    best = 0.0
    for size in sizes[: 2 if quick else 3]:
        timing = matmul_timing(size, dtype, device, **options)
        best = max(best, 2 * size**3 / timing.p10)
        if timing.median > LONG_PRODUCT:
            break
    return best


def bandwidth(device: torch.device, *, quick: bool = False, **options: Any) -> float:
    """Return B/s of the fastest of copy, add and sum, from its fastest tenth of samples."""
    size = array_bytes(device, quick=quick)
    return max(
        moved / measure(fn, device=device, **options).p10
        for _, moved, fn in memory_cases(device, bytes_an_array=size)
    )


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
        machine=hardware(),
    )
