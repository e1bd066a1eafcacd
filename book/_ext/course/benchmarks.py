"""The page of timings: machines, and training loops beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from .markdown import escape, rate_text, seconds, table


def loop_tables(content: Mapping[str, Any]) -> str:
    """Return the comparison of training loops, ``helpers/recorded/loop_cpu.json``."""
    text = [
        "## The training loop beside others\n",
        "Cost of one training step on the CPU, one thread, and its ratio to a hand-written loop. "
        "All loops train the same model from the same weights, in turn, in one process; the ratio "
        "is taken within a round. Median, with the 10th to the 90th percentile.\n",
        f"Machine: {escape(content['hardware']['cpu'])}. "
        f"Versions: {escape(', '.join(f'{k} {v}' for k, v in content['versions'].items()))}.\n",
    ]
    workloads: dict[str, list[list[str]]] = defaultdict(list)
    for row in content["rows"]:
        time, ratio = row["seconds_a_step"], row["ratio"]
        workloads[row["workload"]].append(
            [
                escape(row["loop"]),
                seconds(time["median"]),
                f"{seconds(time['p10'])} to {seconds(time['p90'])}",
                f"{ratio['median']:.3f}",
                f"{ratio['p10']:.3f} to {ratio['p90']:.3f}",
            ]
        )
    header = ["Loop", "A step", "10 % to 90 %", "Ratio", "10 % to 90 %"]
    for workload, rows in workloads.items():
        text.append(f"### {escape(workload)}\n")
        text.append(table(header, rows, "lrrrr"))
    return "\n".join(text)


def benchmarks_page(
    files: Mapping[str, Mapping[str, Any]], loop: Mapping[str, Any] | None = None
) -> str:
    """Return the tables of ``helpers/recorded/bench_*.json``, and of the loop comparison."""
    text = [
        "# Benchmarks\n",
        "Times of the same work on each machine that ran the timing suite. A time is the median "
        "of many runs after a warm-up; the spread is the 10th to the 90th percentile. "
        "*Share of the limit* compares the rate with the highest rate measured on that machine.\n",
    ]
    if not files:
        text.append(
            "No benchmark has been recorded yet. To record one, run "
            "`python -m helpers.timing --suite all --json helpers/recorded/bench_NAME.json` "
            "and build the book again.\n"
        )
    header = [
        "Case",
        "Device",
        "Type",
        "Shape",
        "Median",
        "10 % to 90 %",
        "Rate",
        "Share of the limit",
    ]
    for name, content in files.items():
        machine = {k: v for k, v in content.get("hardware", {}).items() if v not in (None, [])}
        gpu = machine.get("accelerator", "none")
        title = machine.get("cpu", name) if gpu == "none" else gpu
        text.append(f"## {escape(title)}\n")
        if machine:
            rows = [[escape(k), escape(v)] for k, v in machine.items()]
            text.append(table(["Machine", ""], rows))
        groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for case in content.get("cases", []):
            groups[case.get("group", "Other")].append(case)
        for group, cases in groups.items():
            rows = []
            for case in cases:
                spread = "–"
                if case.get("p10_s") is not None and case.get("p90_s") is not None:
                    spread = f"{seconds(case['p10_s'])} to {seconds(case['p90_s'])}"
                rate, share = case.get("rate"), case.get("share_of_limit")
                rows.append(
                    [
                        escape(case["name"]),
                        escape(case.get("device") or "–"),
                        escape(case.get("dtype") or "–"),
                        escape(case.get("shape") or "–"),
                        seconds(case["median_s"]),
                        spread,
                        "–" if rate is None else escape(rate_text(rate, case.get("unit", ""))),
                        "–" if share is None else f"{share:.0%}".replace("%", " %"),
                    ]
                )
            text.append(f"### {escape(group)} ({escape(name)})\n")
            text.append(table(header, rows, "llllrrrr"))
    if loop:
        text.append(loop_tables(loop))
    return "\n".join(text)
