"""The runner: every case with its rate, and the limit that this machine sets."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from helpers.machine import code_hash, hardware
from helpers.timing._measure import check_device, measure
from helpers.timing._roofline import bandwidth, peak_flops
from helpers.timing._suite.cases import BYTES, FLOPS, GROUP_CASES, GROUPS, PRECISIONS, Case, Skip
from helpers.timing._tf32 import tf32


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


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


class _Limits:
    """The highest rates of one device: those that are measured for it, or a case's own."""

    def __init__(self, device: torch.device, *, quick: bool) -> None:
        self.device = device
        self.options: dict[str, Any] = {"quick": quick, "repeats": 7, "min_time": 0.05}
        self.options |= {"warmup": 2} if quick else {}
        self.known: dict[str, dict[str, Any]] = {}

    def raise_to(self, name: str, value: float, unit: str) -> None:
        """Keep a rate if none higher is known under this name."""
        if name not in self.known or value > self.known[name]["value"]:
            entry = {"device": str(self.device), "name": name, "value": value, "unit": unit}
            self.known[name] = entry

    def measure(self, name: str) -> None:
        """Measure a peak or the bandwidth when it is first asked for."""
        if name in self.known:
            return
        if name == "bandwidth":
            self.raise_to(name, bandwidth(self.device, **self.options), BYTES)
        elif name.startswith("peak "):
            precision = name.removeprefix("peak ")
            with tf32(precision == "tf32"):
                value = peak_flops(self.device, PRECISIONS[precision], **self.options)
            self.raise_to(name, value, FLOPS)


def _cases(group: str, device: torch.device, quick: bool) -> Iterator[Case | Skip]:
    try:
        yield from GROUP_CASES[group](device, quick)
    except Exception as error:
        yield Skip(group, _first_line(error))


def _measured(case: Case, limits: _Limits, options: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a case, and let it raise its limit; share and limit come later."""
    with case.setting():
        fn, work = case.prepare()
        timing = measure(fn, **{"device": limits.device, **options, **case.options})
    limits.measure(case.limit)
    # From the fastest tenth, as the peaks are: a share is never above 100 %.
    limits.raise_to(case.limit, work / timing.p10, case.unit)
    return {
        **timing.to_dict(),
        "device": str(limits.device),
        "name": case.name,
        "dtype": case.dtype,
        "shape": case.shape,
        "rate": timing.rate(work),
        "unit": case.unit,
        "limit_name": case.limit,
    }


def _share(cases: list[dict[str, Any]], limits: _Limits) -> None:
    """Set the records of one device beside the limits as they are known now."""
    for record in cases:
        if record["device"] == str(limits.device):
            limit = limits.known[record["limit_name"]]["value"]
            record |= {"limit": limit, "share_of_limit": record["rate"] / limit}


def suite(
    which: str | Sequence[str] = "all",
    device: str | torch.device | None = None,
    *,
    quick: bool = False,
    report: Callable[[dict[str, Any]], None] | None = None,
    save: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure the course's benchmarks.

    Groups: ``matmul`` (dtype × size), ``memory`` (bandwidth), ``copies`` (host–device, pageable
    and pinned), ``dispatch`` (launch and call overhead), ``train`` (steps of a convolutional
    network and an MLP: dtype × channels_last × compile × CUDA graph), ``attention`` (math
    against fused) and ``loader`` (throughput). On the CPU "all" takes about a minute. A case
    that fails is listed with its reason, and the others go on.

    Args:
        which: ``"all"``, a group, or several.
        device: ``"cpu"`` or ``"cuda"``; None: the CPU, and CUDA as well if it is there.
        quick: smaller sizes, fewer samples and no compiler, to see that everything works.
        report: called with each record as soon as it is there, e.g. to print it.
        save: called with everything so far, in the form that is returned, after each case,
            e.g. to write it: what was measured is kept if the machine stops.

    Returns:
        ``hardware`` (see :func:`hardware`), ``code`` (a hash of the package's code), ``created``
        (UTC), ``quick``, ``complete``, ``seconds``, ``limits`` (device, name, value, unit),
        ``cases`` and ``skipped`` (device, group, name, reason). A case holds group, name, shape,
        the fields of :meth:`Timing.to_dict`, rate, unit, limit_name, limit and share_of_limit.
        A limit is the highest rate that was measured under its name, the cases' own included,
        in the fastest tenth of samples.

    Raises:
        ValueError: for an unknown group; the message lists the groups.
        RuntimeError: if this machine has no such device.

    Example:
        >>> found = suite("dispatch", "cpu", quick=True)
        >>> sorted(found["cases"][0])[:4]
        ['calls_per_sample', 'device', 'dtype', 'flush_l2']
    """
    groups = _chosen_groups(which)
    if device is None:
        devices = [torch.device("cpu")]
        devices += [check_device("cuda")] if torch.cuda.is_available() else []
    else:
        devices = [check_device(device)]
    started = time.perf_counter()
    options: dict[str, Any] = {"repeats": 11, "min_time": 0.1}
    if quick:
        options = {"repeats": 5, "min_time": 0.02, "warmup": 2}
    cases: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    on_gpu = [where for where in devices if where.type == "cuda"]
    found: dict[str, Any] = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "code": code_hash(),
        "quick": quick,
        "complete": False,
        "seconds": 0.0,
        "limits": [],
        "cases": cases,
        "skipped": skipped,
    }
    with torch.random.fork_rng(devices=on_gpu):
        torch.manual_seed(0)
        earlier: list[dict[str, Any]] = []
        for where in devices:
            limits = _Limits(where, quick=quick)
            for group in groups:
                for case in _cases(group, where, quick):
                    start = {"device": str(where), "group": group, "name": case.name}
                    if isinstance(case, Skip):
                        skipped.append({**start, "reason": case.reason})
                    else:
                        try:
                            record = {"group": group, **_measured(case, limits, options)}
                        except Exception as error:
                            skipped.append({**start, "reason": _first_line(error)})
                        else:
                            cases.append(record)
                            _share(cases, limits)
                            if report is not None:
                                report(record)
                    found["limits"] = [*earlier, *limits.known.values()]
                    found["seconds"] = time.perf_counter() - started
                    if save is not None:
                        save(found)
            earlier = found["limits"]
    # Once more: the clocks of a GPU as they are under work.
    return found | {"hardware": hardware(), "complete": True}
