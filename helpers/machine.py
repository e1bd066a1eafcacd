"""The machine that a number comes from: the one report of versions and hardware.

:func:`helpers.env.report` shows the part that a bug report needs; :func:`helpers.timing.hardware`
is all of it. Nothing here starts CUDA before it is asked for a GPU's properties.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

REPORTED_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scikit-learn", "matplotlib")

# What nvidia-smi is asked for, under the names of the report.
SMI_FIELDS = {
    "uuid": "uuid",
    "driver": "driver_version",
    "clock_mhz": "clocks.sm",
    "max_clock_mhz": "clocks.max.sm",
    "power_limit_w": "power.limit",
}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Return the name of the processor as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def report() -> dict[str, str]:
    """Return versions and hardware as text.

    Example:
        >>> "torch" in report() and "cpu" in report()
        True
    """
    if torch.cuda.is_available():
        accelerator = torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        accelerator = "Apple MPS"
    else:
        accelerator = "none"
    threads = "1 thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    return {
        "python": platform.python_version(),
        **{package: _version(package) or "not installed" for package in REPORTED_PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": f"{cpu_name()} ({os.cpu_count()} logical cores, {threads})",
        "accelerator": accelerator,
        "CUDA": str(torch.version.cuda) if torch.cuda.is_available() else "not used",
    }


def memory_bytes() -> int | None:
    """Return the size of main memory, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _size(text: str) -> int:
    """Read a size as Linux writes it, e.g. ``32768K``."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(text.rstrip("KMG")) * units.get(text[-1], 1)


def cache_bytes(system: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """Return the size of the CPU's last-level caches together, None where nobody tells.

    The kernel lists the caches it knows by the cores that share them; inside a virtual machine
    the processor itself (``sysconf``) may tell of more. The larger of the two counts.
    """
    found: dict[int, dict[str, int]] = {}
    for index in system.glob("cpu[0-9]*/cache/index[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            level, size, cores = (
                (index / name).read_text(encoding="ascii").strip()
                for name in ("level", "size", "shared_cpu_list")
            )
            found.setdefault(int(level), {})[cores] = _size(size)
    total = sum(found[max(found)].values()) if found else 0
    with contextlib.suppress(AttributeError, ValueError, OSError):
        total = max(total, os.sysconf("SC_LEVEL3_CACHE_SIZE"))
    return total or None


def _smi() -> list[dict[str, str]]:
    """Return what nvidia-smi tells of each GPU; an empty list if it does not answer."""
    command = ["nvidia-smi", f"--query-gpu={','.join(SMI_FIELDS.values())}"]
    command.append("--format=csv,noheader,nounits")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    return [dict(zip(SMI_FIELDS, row, strict=True)) for row in rows if len(row) == len(SMI_FIELDS)]


@functools.cache
def driver() -> str:
    """Return the version of NVIDIA's driver, "unknown" if nvidia-smi does not answer."""
    found = _smi()
    return found[0]["driver"] if found else "unknown"


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:  # "[N/A]"
        return None


def _gpu(index: int, told: list[dict[str, str]]) -> dict[str, Any]:
    found = torch.cuda.get_device_properties(index)
    # nvidia-smi counts the devices in another order than CUDA: only the uuid is the same.
    uuid = str(getattr(found, "uuid", "unknown"))
    smi = next((row for row in told if row["uuid"].removeprefix("GPU-") == uuid), {})
    return {
        "name": found.name,
        "memory_bytes": found.total_memory,
        "l2_bytes": found.L2_cache_size,
        "multiprocessors": found.multi_processor_count,
        "capability": f"{found.major}.{found.minor}",
        "clock_mhz": _number(smi.get("clock_mhz")),
        "max_clock_mhz": _number(smi.get("max_clock_mhz")),
        "power_limit_w": _number(smi.get("power_limit_w")),
    }


def _cublas() -> str | None:
    """Return the version of cuBLAS, which pip brings for each major version of CUDA."""
    major = (torch.version.cuda or "").split(".")[0]
    return _version("nvidia-cublas") or _version(f"nvidia-cublas-cu{major}")


def hardware() -> dict[str, Any]:
    """Return what a number was measured on: CPU, memory, GPU, driver, libraries, threads.

    Returns:
        The versions and names of :func:`helpers.env.report`, and: ``threads``,
        ``memory_bytes``, ``cache_bytes`` (of the CPU's last level), ``gpus`` (a list of name,
        memory_bytes, l2_bytes, multiprocessors, capability, clock_mhz, max_clock_mhz,
        power_limit_w; empty without CUDA), ``driver``, ``cuDNN``, ``cuBLAS`` and ``Triton``
        (versions; None without CUDA). What the system does not tell is None.

    Example:
        >>> hardware()["threads"] == torch.get_num_threads()
        True
    """
    on_cuda = torch.cuda.is_available()
    told = _smi() if on_cuda else []
    return {
        **report(),
        "threads": torch.get_num_threads(),
        "memory_bytes": memory_bytes(),
        "cache_bytes": cache_bytes(),
        "gpus": [_gpu(i, told) for i in range(torch.cuda.device_count())] if on_cuda else [],
        "driver": driver() if on_cuda else None,
        "cuDNN": torch.backends.cudnn.version() if on_cuda else None,
        "cuBLAS": _cublas() if on_cuda else None,
        "Triton": _version("triton") if on_cuda else None,
    }


@functools.cache
def summary(device: str, threads: int) -> str:
    """Name the machine in a few words, for the caption of a table.

    Example:
        >>> summary("cpu", 2).split(" · ")[0].endswith("2 threads")
        True
    """
    found = report()
    where = (
        f"{torch.cuda.get_device_name(device)}, driver {driver()}, CUDA {found['CUDA']}"
        if device.startswith("cuda")
        else f"{found['cpu'].split(' (')[0]}, {threads} thread{'s' * (threads != 1)}"
    )
    return f"{where} · torch {found['torch']}"


def code_hash(root: Path | None = None) -> str:
    """Return 12 digits that name the code of ``helpers``, with or without a checkout.

    They are the start of the SHA-256 over name and text of each of its Python files.

    Args:
        root: another folder; None: the package's own.

    Example:
        >>> len(code_hash())
        12
    """
    root = Path(__file__).parent if root is None else root
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")  # the same under either kind of line end
        digest.update(f"{path.relative_to(root).as_posix()}\0{text}\0".encode())
    return digest.hexdigest()[:12]
