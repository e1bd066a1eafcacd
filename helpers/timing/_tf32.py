"""TensorFloat-32: whether the device has it, whether it is on, and a way to switch it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

# Compute capability from which on CUDA devices have TF32 and bfloat16 arithmetic.
NEEDED = "compute capability 8.0"


def supports(precision: str, device: torch.device) -> bool:
    """Tell whether the device computes in this precision itself, not under another name.

    Older CUDA devices take float32 in the place of TF32, and emulate bfloat16.

    Args:
        precision: ``"float32"``, ``"float16"``, ``"bfloat16"`` or ``"tf32"``.
        device: where.

    Example:
        >>> supports("tf32", torch.device("cpu")), supports("bfloat16", torch.device("cpu"))
        (False, True)
    """
    if device.type != "cuda":
        return precision != "tf32"
    with torch.cuda.device(device):
        if precision == "tf32":
            return torch.cuda.is_tf32_supported()
        if precision == "bfloat16":
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def _switches() -> tuple[Any, Any, Any]:
    """Return what has the newer switches: matrix products, convolutions, recurrent layers."""
    cudnn: Any = torch.backends.cudnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn


def tf32_in_use() -> tuple[str, ...]:
    """Return which float32 operations of the current CUDA device round their inputs to TF32.

    Read from the newer switches (``fp32_precision``): they tell what is so whichever kind was
    used to set it; the older raise an error after the newer were used.
    """
    if not torch.cuda.is_tf32_supported():
        return ()
    matmul, conv, _ = _switches()
    modes = {"matmul": matmul.fp32_precision, "conv": conv.fp32_precision}
    return tuple(name for name, mode in modes.items() if mode == "tf32")


@contextlib.contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Let float32 matrix products and convolutions on CUDA round their inputs to TF32, or not.

    Set by both kinds of switches: ``torch.compile`` in torch 2.11 still reads the older ones, and
    only the newer (``fp32_precision``) overrule a setting for all backends. Both kinds are put
    back: a caller may have used either.

    Args:
        on: whether to round.

    Example:
        >>> with tf32(False):
        ...     product = torch.ones(2, 2) @ torch.ones(2, 2)
    """
    if not torch.cuda.is_available():
        yield
        return
    cudnn = torch.backends.cudnn
    newer = [(part, part.fp32_precision) for part in _switches()]
    matmul_before: str | None = None
    cudnn_before: bool | None = None
    # Raises after the newer switches were used: then the newer are all there is to put back.
    with contextlib.suppress(RuntimeError):
        matmul_before = torch.get_float32_matmul_precision()
    with contextlib.suppress(RuntimeError):
        cudnn_before = cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if on else "highest")
    cudnn.allow_tf32 = on
    for part, _ in newer:
        part.fp32_precision = "tf32" if on else "ieee"
    try:
        yield
    finally:
        if matmul_before is not None:
            torch.set_float32_matmul_precision(matmul_before)
        if cudnn_before is not None:
            cudnn.allow_tf32 = cudnn_before
        for part, precision in newer:
            part.fp32_precision = precision
