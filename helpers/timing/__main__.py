"""``python -m helpers.timing --suite all --json FILE``: run the benchmarks of the course."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from helpers.console import say
from helpers.files import write_json
from helpers.timing import GROUPS, format_record, suite


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m helpers.timing", description=__doc__)
    parser.add_argument(
        "--suite",
        default="all",
        metavar="GROUP[,GROUP...]",
        help=f"'all' (default) or some of: {', '.join(GROUPS)}",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results here, case by case"
    )
    parser.add_argument("--device", help="'cpu' or 'cuda'; default: both, as far as there")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    options = parser.parse_args(arguments)
    # Now, not after minutes of measurement.
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {str(options.json.parent)!r}")

    def save(found: dict[str, Any]) -> None:
        if options.json is not None:
            write_json(options.json, found)

    try:
        found = suite(
            options.suite.split(","),
            options.device,
            quick=options.quick,
            report=lambda record: say(format_record(record), flush=True),
            save=save,
        )
        save(found)
    except (ValueError, RuntimeError, OSError) as error:
        parser.error(str(error))
    for skip in found["skipped"]:
        say(f"not measured: {skip['device']} {skip['group']}, {skip['name']}: {skip['reason']}")
    machine = found["hardware"]
    names = [machine["cpu"], *(gpu["name"] for gpu in machine["gpus"])]
    if machine["driver"]:
        names.append(f"driver {machine['driver']}, CUDA {machine['CUDA']}")
    say(" · ".join([*names, f"torch {machine['torch']}", f"{found['seconds']:.0f} s"]))
    if options.json is not None:
        say(f"written to {options.json}")


if __name__ == "__main__":
    main()
