"""Reading of archives, member by member; nothing is ever written under a name from an archive."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ._core import DataError

# What a damaged archive raises, when it is opened or while a member is read.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,  # names that are no text
    NotImplementedError,  # a compression that zipfile does not know
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the wanted plain files of an archive one after the other, in one pass.

    Links are never followed, so no member can point outside the archive.

    Args:
        path: a zip, or a tar in any compression.
        wanted: whether a name is wanted.

    Returns:
        Name and stream of each; a stream must be read before the next one is asked for.
    """
    with path.open("rb") as stream:
        is_zip = stream.read(4) == b"PK\x03\x04"
    if is_zip:
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                encrypted = entry.flag_bits & 1
                if wanted(entry.filename) and not entry.is_dir() and not encrypted:
                    with packed.open(entry) as member:
                        yield entry.filename, member
        return
    with tarfile.open(path) as tar:
        for info in tar:
            opened = tar.extractfile(info) if wanted(info.name) and info.isfile() else None
            if opened is not None:
                yield info.name, opened


def read_member(archive: Path, member: str, limit: int = 1 << 28) -> bytes:
    """Read one file of an archive without writing anything to disk.

    Args:
        archive: path of the archive, a zip or a tar.
        member: exact name of the member; it must be a plain file.
        limit: largest size in bytes that is read.

    Raises:
        DataError: no such plain file, or it is too large.
    """
    for _, stream in members(archive, lambda name: name == member):
        # The header may lie about the size, so one byte more is asked for.
        if len(content := stream.read(limit + 1)) <= limit:
            return content
    raise DataError(
        archive.name,
        f"no plain file {member!r} of at most {limit:,} bytes in the archive",
        "Remove the archive and fetch it again.",
    )
