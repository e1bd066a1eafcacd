"""Command line: list, fetch and verify the data sets of the course."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from . import REGISTRY, DataError, current_mode, data_root, get
from ._files import cached, check, ensure

_EPILOG = """\
variables:
  COURSE_DATA         auto | official | standin (standin forbids fetch)
  COURSE_DATA_DIR     folder of the cache
  COURSE_DATA_MIRROR  folder with copies of the files, tried before the network
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts",
        description="List, fetch and verify the data sets of the course.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "list", help="show every data set: name, title, size, licence, cached or not"
    )
    fetch = commands.add_parser("fetch", help="put data sets into the cache")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="name of a data set (see list)")
    fetch.add_argument("--all", action="store_true", help="fetch every data set")
    commands.add_parser("verify", help="compare the SHA-256 of all cached files")
    return parser


def _list() -> int:
    rows = [("name", "title", "size", "licence", "cached")]
    for dataset in REGISTRY.values():
        size = f"{dataset.size / 1e6:.2f} MB" if dataset.files else "-"
        state = dataset.bundled or ("yes" if cached(dataset) else "no")
        rows.append((dataset.name, dataset.title, size, dataset.licence, state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0


def _fetch(names: Sequence[str], everything: bool) -> int:
    if everything == bool(names):
        raise DataError(
            "fetch", "give names or --all", f"Valid names: {', '.join(sorted(REGISTRY))}."
        )
    if current_mode() == "standin":
        raise DataError("COURSE_DATA", "the mode standin forbids fetching", "Unset the variable.")
    chosen = [get(name) for name in names] or list(REGISTRY.values())
    from ._network import Network

    failures = 0
    with Network() as network:
        for dataset in chosen:
            try:
                origin = ensure(dataset, network=network) if dataset.files else dataset.bundled
                print(f"{dataset.name}: ready ({origin})", flush=True)
            except DataError as error:
                failures += 1
                print(f"error: {error}", file=sys.stderr, flush=True)
    return 1 if failures else 0


def _verify() -> int:
    good = bad = 0
    for dataset in REGISTRY.values():
        for file, actual in check(dataset):
            if actual == file.sha256:
                good += 1
            elif actual is not None:
                bad += 1
                print(
                    f"error: {dataset.name}/{file.name}: expected SHA-256 {file.sha256}, got "
                    f"{actual}. Run `python -m data_scripts fetch {dataset.name}`.",
                    file=sys.stderr,
                )
    print(f"{good} cached files are right, {bad} are wrong ({data_root()})")
    return 1 if bad else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (0 right, 1 failed, 2 wrong usage)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a sign that the terminal lacks is no failure
    options = _parser().parse_args(arguments)
    try:
        if options.command == "list":
            return _list()
        if options.command == "fetch":
            return _fetch(options.names, options.all)
        return _verify()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what is ready is kept, the rest is removed", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
