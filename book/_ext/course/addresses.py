"""Addresses of pages that were published once and must go on working.

``book/addresses.tsv`` has a line for each: the address, and where it leads now if the page has
moved. The build writes a small page that leads there. tests/test_addresses.py tests the list.
"""

from __future__ import annotations

import posixpath
from html import escape
from pathlib import Path

HEADER = "# address\tmoved to"


def read(root: Path) -> dict[str, str]:
    """Return address -> where it leads now, or "" if the page is still there.

    Raises:
        ValueError: if an address stands there twice.
    """
    found: dict[str, str] = {}
    for line in (root / "book" / "addresses.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            address, _, target = line.partition("\t")
            if address in found:
                raise ValueError(f"{address} stands in book/addresses.tsv twice")
            found[address] = target
    return found


def redirect(address: str, target: str) -> str:
    """Return the page at an old address: it leads on, with and without scripts.

    A fragment that the visitor came with goes along.
    """
    way = escape(posixpath.relpath(target, posixpath.dirname(address) or "."))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Moved</title>'
        f'<link rel="canonical" href="{way}">'
        f'<meta http-equiv="refresh" content="1; url={way}">'
        f'<script>location.replace("{way}" + location.hash)</script></head>'
        f'<body><p>This page has moved: <a href="{way}">go there</a>.</p></body></html>\n'
    )


def write_redirects(root: Path, outdir: Path) -> None:
    """Write a page for each address that has moved."""
    for address, target in read(root).items():
        if target:
            path = outdir / address
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(redirect(address, target), encoding="utf-8")
