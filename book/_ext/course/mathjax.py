"""MathJax from an installed package, so that no page needs a CDN."""

from __future__ import annotations

import importlib.metadata
import shutil
from functools import cache
from pathlib import Path

from sphinx.errors import ExtensionError

MATHJAX_PACKAGE = "sphinx-mathjax-offline"
# Of MathJax only what our pages can ask for: TeX input, CHTML output, fonts, accessibility.
MATHJAX_PARTS = (
    "tex-chtml.js",
    "a11y/*",
    "input/tex/extensions/*",
    "output/chtml/fonts/**/*",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)


@cache
def mathjax_folder() -> Path:
    """Return the folder of MathJax in the installed package.

    Raises:
        ExtensionError: if the package is missing.
    """
    try:
        package = importlib.metadata.distribution(MATHJAX_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ExtensionError(
            f"the package {MATHJAX_PACKAGE} is missing; install the book's environment "
            "with `make setup` or `pip install -e .[book]`"
        ) from None
    return Path(str(package.locate_file(f"{MATHJAX_PACKAGE}/static/mathjax")))


def copy_mathjax(target: Path) -> None:
    """Copy the parts of MathJax that the site uses, once."""
    origin = mathjax_folder()
    for pattern in MATHJAX_PARTS:
        for path in origin.glob(pattern):
            copy = target / path.relative_to(origin)
            if path.is_file() and not copy.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
