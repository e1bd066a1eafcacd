"""Data sets of the course: official source, SHA-256, stand-in.

    from data_scripts import load
    loaded = load("mnist")            # mode from COURSE_DATA: auto, official or standin
    print(loaded.describe())
    images = loaded["train_images"]   # uint8 (N, 28, 28)

From a shell: `python -m data_scripts list`, `fetch NAME…`, `fetch --all`, `verify`.

Where a file is looked for, in this order: the cache (`COURSE_DATA_DIR`; else `data/` in a
checkout, the user's cache elsewhere), the mirror (`COURSE_DATA_MIRROR`), the official
addresses. Whatever its origin, a file is used only when its SHA-256 is right. What the mirror
keeps as it is is linked to, not copied. A relative folder in a variable counts from the root of
the checkout.

To add a data set, put a module into `sets/`; it is found by itself, and
`tests/test_data_scripts.py` tests it:

1. It has a tuple `DATASETS` of one or more `DataSet`. Take `sets/california_housing.py` as a
   model for a table, `sets/mnist.py` for pictures, `sets/esc10.py` for many files, which a
   `.tsv` beside the module lists. Import torch, pandas and scikit-learn inside functions:
   `import data_scripts` must stay fast.
2. Give each `File` the official https addresses, the size and the SHA-256 of its content
   *after* unpacking (`gzip -dc FILE | sha256sum`), and compare with a checksum that the source
   publishes. State licence and citation. If the source packs its files into an archive (zip,
   tar), name it in `archives` and leave the addresses of the files empty. Where an archive has
   so many members that nobody lists them, make the archive the file and read it in `prepare`.
3. Write `prepare(folder)`, which reads the cached files and returns a dict. Never unpickle what
   the SHA-256 does not cover; read archives with `read_member` of `_archives`.
4. Give a `StandIn`: real data from a package wherever one exists, generated otherwise. Say in
   `what` what it is and in `effect` what it does to results. It uses neither network nor cache.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from . import sets
from ._core import (
    Archive,
    Content,
    DataError,
    DataSet,
    File,
    Loaded,
    StandIn,
    current_mode,
    data_root,
    mirror_root,
)
from ._files import cached, ensure, mirrored

__all__ = [
    "REGISTRY",
    "Archive",
    "DataError",
    "DataSet",
    "File",
    "Loaded",
    "StandIn",
    "current_mode",
    "data_root",
    "get",
    "load",
    "mirror_root",
    "tiers",
]

_SEED = 0  # of every stand-in


def _found() -> dict[str, DataSet]:
    """Every data set of the modules in `sets/`, by name."""
    found: dict[str, DataSet] = {}
    for module in pkgutil.iter_modules(sets.__path__):
        for dataset in importlib.import_module(f"{sets.__name__}.{module.name}").DATASETS:
            if dataset.name in found:
                raise DataError(dataset.name, "two data sets have this name", "Rename one.")
            found[dataset.name] = dataset
    return dict(sorted(found.items()))


REGISTRY: dict[str, DataSet] = _found()


def get(name: str) -> DataSet:
    """Data set of that name.

    Raises:
        DataError: the name is unknown.
    """
    if name not in REGISTRY:
        raise DataError(name, "unknown data set", f"Valid names: {', '.join(sorted(REGISTRY))}.")
    return REGISTRY[name]


def load(name: str, mode: str | None = None) -> Loaded:
    """Load a data set, or its stand-in.

    Args:
        name: a key of `REGISTRY`.
        mode: `"auto"` (the real data if it can be had, else the stand-in), `"official"` (the
            real data or an error), `"standin"` (neither network, mirror nor cache is used);
            None takes `COURSE_DATA`, else auto.

    Returns:
        The content with its provenance. Data that a package carries and generated data are
        official in every mode. A data set that can't be had is replaced by its `copy`, if the
        cache or the mirror has one; the name then says so.

    Raises:
        DataError: the name or mode is unknown, the mirror is no folder, or in mode official the
            data cannot be had.

    Example:
        >>> load("digits").describe()
        'digits: real data, 1,437 + 360 images'
    """
    dataset = get(name)
    chosen = current_mode(mode)
    if dataset.standin is None:  # nothing is read, so a machine without a data folder will do
        return _loaded(dataset, dataset.bundled, dataset.prepare(Path()))
    reason = "the mode is standin"
    if chosen != "standin":
        mirror_root()  # a wrong setting is an error in auto mode too, not a reason to fall back
        try:
            origin = ensure(dataset, probe=chosen == "auto")
        except DataError as error:
            if dataset.copy and _at_hand(get(dataset.copy)):
                return load(dataset.copy, chosen)
            if chosen == "official":
                raise
            reason = f"{error.what}: {error.cause}"
        else:
            return _loaded(dataset, origin, dataset.prepare(data_root() / name))
    return _loaded(dataset, "stand-in", dataset.standin.make(_SEED), reason)


def tiers(names: Iterable[str] | None = None) -> dict[str, str]:
    """Tell what each data set would be now, without a download: a few milliseconds, no network.

    Existence and size of the files decide; their SHA-256 is compared when they are loaded.
    Loading turns `"mirror"` into `"cached"`, with the same content: a key of a cache should
    take both for one.

    Args:
        names: keys of `REGISTRY`; None takes all.

    Returns:
        For each name `"cached"` (the cache has its files), `"mirror"` (the mirror has those that
        the cache lacks), `"stand-in"` (neither has them, or the mode is standin), or
        `"generated"` (nothing to fetch: code makes it, or an installed package carries it).
        A `copy` that would take a data set's place has an entry of its own.

    Raises:
        DataError: a name or the mode is unknown, or the mirror is no folder.

    Example:
        >>> tiers(["digits", "moons"])
        {'digits': 'generated', 'moons': 'generated'}
    """
    return {name: _tier(get(name)) for name in (REGISTRY if names is None else names)}


def _tier(dataset: DataSet) -> str:
    if dataset.standin is None:
        return "generated"
    if current_mode() == "standin":
        return "stand-in"
    return _at_hand(dataset) or "stand-in"


def _at_hand(dataset: DataSet) -> str:
    """Where the files are without a download: `"cached"`, `"mirror"`, or nowhere."""
    if cached(dataset):
        return "cached"
    return "mirror" if mirrored(dataset) else ""


def _loaded(dataset: DataSet, origin: str, content: Content, reason: str = "") -> Loaded:
    standin = dataset.standin if origin == "stand-in" else None
    return Loaded(
        dataset.name,
        dataset.title,
        "stand-in" if standin else "official",
        origin,
        content,
        note=f"{standin.what}; {standin.effect}" if standin else "",
        reason=reason,
        extent=dataset.extent(content) if dataset.extent else "",
    )
