"""Types, settings and errors that every data script shares."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, KeysView
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Content = dict[str, Any]
MODES = ("auto", "official", "standin")
_CHECKOUT = Path(__file__).resolve().parent.parent


class DataError(RuntimeError):
    """Data could not be had. One line: what, cause, remedy.

    Args:
        what: the file or setting in question, without a machine's path.
        cause: what went wrong, without a machine's path.
        remedy: one or two sentences that tell what to do.
    """

    def __init__(self, what: str, cause: str, remedy: str) -> None:
        super().__init__(f"{what}: {cause}. {remedy}")
        self.what = what
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Args:
        name: its name in the cache, after unpacking.
        urls: official addresses, tried in order; none for a file that only an archive has.
        sha256: SHA-256 of the cached content, so after unpacking. The same content comes in
            different gzip wrappers from different hosts.
        size: size of the cached content in bytes.
        mirror: its path below `COURSE_DATA_MIRROR`.
        unpack: `"gz"` when the hosts and the mirror keep it as gzip.
        member: its path inside the data set's archives; `mirror` if empty.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    mirror: str
    unpack: Literal["gz"] | None = None
    member: str = ""


@dataclass(frozen=True)
class Archive:
    """A zip or tar archive (tar in any compression) that has files of a data set.

    It has no SHA-256 of its own, because hosts pack the same files anew: each file that is taken
    out must match its own.

    Args:
        mirror: its path below `COURSE_DATA_MIRROR`.
        urls: official addresses, tried in order; none if only mirrors pack the files together.
        size: its size in bytes; a download may have an eighth more.
    """

    mirror: str
    urls: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class StandIn:
    """What takes the place of a data set that cannot be had.

    Args:
        make: makes the content from a seed.
        what: what it is ("scikit-learn digits enlarged to 28×28").
        effect: what it does to results ("results are not MNIST results").
    """

    make: Callable[[int], Content]
    what: str
    effect: str


@dataclass(frozen=True)
class DataSet:
    """A data set: where it comes from, how it is read, what stands in for it.

    Args:
        name: the name that `load` takes.
        title: the name that people use.
        home: the page of the data set.
        licence: its licence, as its home states it.
        citation: the publication to cite.
        prepare: reads the content from the folder with the cached files.
        files: the files; none when a package carries the data or code generates it.
        bundled: where data without files comes from ("scikit-learn digits", "generated").
        standin: needed when there are files.
        archives: archives that have files. A file with addresses of its own is fetched from
            there; the others are taken out of the archives.
        extent: size of the content in words ("99 slices of 512×512"); by default rows and
            columns of a table, numbers of images, or the length of the first value.
        copy: the name of a data set with the same examples in a worse quality, which is taken,
            under its own name, where the files can't be had.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    prepare: Callable[[Path], Content]
    files: tuple[File, ...] = ()
    bundled: str = ""
    standin: StandIn | None = None
    archives: tuple[Archive, ...] = ()
    extent: Callable[[Content], str] | None = None
    copy: str = ""

    @property
    def size(self) -> int:
        """Size of the cached files in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Loaded:
    """A data set in memory, with its provenance.

    Attributes:
        name: name of the data set.
        title: the name that people use.
        tier: `"official"` or `"stand-in"`.
        origin: where it came from: `"cache"`, `"mirror"`, `"download"`, `"stand-in"`, or
            the package that carries it.
        content: the data by key.
        note: what the stand-in is and what it does to results; empty for official data.
        reason: why the data is not official; empty for official data.
        extent: size of the content in words; empty for the default of `describe`.

    Example:
        >>> from data_scripts import load
        >>> loaded = load("digits")
        >>> loaded["train_images"].shape
        torch.Size([1437, 8, 8])
    """

    name: str
    title: str
    tier: Literal["official", "stand-in"]
    origin: str
    content: Content
    note: str = ""
    reason: str = ""
    extent: str = ""

    @property
    def official(self) -> bool:
        """True for the data set itself, False for a stand-in."""
        return self.tier == "official"

    def __getitem__(self, key: str) -> Any:
        if key not in self.content:
            raise DataError(self.name, f"no key {key!r}", f"Valid keys: {', '.join(self.content)}.")
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def keys(self) -> KeysView[str]:
        """Keys of the content."""
        return self.content.keys()

    @property
    def frame(self) -> pd.DataFrame:
        """The table, one row an example.

        Raises:
            DataError: the data set is not a table.
        """
        if "frame" not in self.content:
            raise DataError(
                self.name,
                "this data set is not a table",
                f"Use the keys {', '.join(self.content)}.",
            )
        table: pd.DataFrame = self.content["frame"]
        return table

    def describe(self) -> str:
        """One line on provenance, the same on every machine: no path, no time, no host."""
        if self.extent:
            size = self.extent
        elif "frame" in self.content:
            rows, columns = self.frame.shape
            size = f"{rows:,} rows × {columns} columns"
        elif "train_images" in self.content:
            size = f"{len(self['train_images']):,} + {len(self['test_images']):,} images"
        else:
            size = f"{len(next(iter(self.content.values()))):,} examples"
        if not self.official:
            what, _, effect = self.note.partition("; ")
            return f"{self.name}: STAND-IN: {what}, {size}; {effect}"
        if self.origin == "generated":
            return f"{self.name}: generated data, {size}"
        return f"{self.name}: real data, {size}"


def current_mode(mode: str | None = None) -> str:
    """Mode to use: the argument, else `COURSE_DATA`, else `"auto"`.

    Raises:
        DataError: the mode is unknown.
    """
    chosen = mode or os.environ.get("COURSE_DATA") or "auto"
    if chosen not in MODES:
        raise DataError(
            "COURSE_DATA", f"unknown mode {chosen!r}", f"Valid modes: {', '.join(MODES)}."
        )
    return chosen


def _in_checkout() -> bool:
    """Whether the package lies in its repository; a stray pyproject.toml beside it says no."""
    try:
        project = (_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(r'^name = "nn-pytorch-course"$', project, flags=re.MULTILINE) is not None


def _folder(variable: str) -> Path | None:
    """Folder that a variable names. A relative path counts from the root of a checkout.

    A notebook runs in its own folder, `make` in the root; both must mean the same folder.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        folder = Path(value).expanduser()
        if folder.is_absolute():
            return folder
        return (_CHECKOUT if _in_checkout() else Path.cwd()) / folder
    except (RuntimeError, OSError) as error:  # no home folder, or no working directory
        raise DataError(
            variable, f"{value} means no folder here", "Set it to an absolute path."
        ) from error


def data_root() -> Path:
    """Folder of the cache: `COURSE_DATA_DIR`, else `data/` in a checkout, else the user's cache.

    Raises:
        DataError: the user has no home folder, or the variable cannot be resolved without one.
    """
    if chosen := _folder("COURSE_DATA_DIR"):
        return chosen
    if _in_checkout():
        return _CHECKOUT / "data"
    import pooch

    with suppress(RuntimeError):
        cache = Path(pooch.os_cache("nn-pytorch-course"))
        if cache.is_absolute():  # without a home folder it is "~/.cache" below the working one
            return cache
    raise DataError(
        "the data folder", "the user has no home folder", "Set COURSE_DATA_DIR to a folder."
    )


def mirror_root() -> Path | None:
    """Folder of the local mirror, `COURSE_DATA_MIRROR`, or None.

    Raises:
        DataError: the variable names something that is not a folder.
    """
    root = _folder("COURSE_DATA_MIRROR")
    if root is not None and not os.path.isdir(root):
        raise DataError(
            "COURSE_DATA_MIRROR", f"{root} is not a folder", "Correct or unset the variable."
        )
    return root
