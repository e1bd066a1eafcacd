"""What the files of a package offer, found instead of listed."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any


def exports(package: str, path: Iterable[str]) -> dict[str, Any]:
    """Import the files of a package and collect the names in their ``__all__``.

    Files whose name begins with an underscore are the package's own.

    Args:
        package: the package's name, ``__name__`` in its ``__init__``.
        path: its folders, ``__path__``.

    Raises:
        ImportError: for a file without ``__all__``, or a name that two files offer.

    Example:
        >>> import helpers.plots
        >>> exports("helpers.plots", helpers.plots.__path__)["SKY"]
        '#56B4E9'
    """
    found: dict[str, Any] = {}
    homes: dict[str, str] = {}
    for file in pkgutil.iter_modules(path):
        if file.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{file.name}")
        if not hasattr(module, "__all__"):
            raise ImportError(
                f"{module.__name__} has no __all__: list the names that it offers to readers"
            )
        for name in module.__all__:
            if name in found:
                raise ImportError(f"{homes[name]} and {module.__name__} both offer {name}")
            found[name], homes[name] = getattr(module, name), module.__name__
    return found
