"""Arrays on disk that were written whole or not at all, and that run no code when they are read."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Store"]


class Store:
    """A folder with one ``.npz`` file a key; what is there is read, what is not is made.

    A file is written under another name and renamed when it is whole. One that is damaged all the
    same (its checksums do not fit), or that was made from another source, is made anew. Nothing is
    pickled.

    Args:
        folder: made when the first file is written. One process at a time may write.

    Attributes:
        made: how many were made since the store was opened.
        reused: how many were read.

    Example:
        >>> import tempfile
        >>> store = Store(tempfile.mkdtemp())
        >>> store.get("1.2.3", lambda: {"x": np.arange(3)})["x"].tolist()
        [0, 1, 2]
        >>> store.get("1.2.3", lambda: {"x": np.zeros(9)})["x"].tolist()
        [0, 1, 2]
        >>> store.made, store.reused
        (1, 1)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.made = self.reused = 0

    def path(self, key: str) -> Path:
        """Return the file of a key.

        Raises:
            ValueError: for a key that is no plain file name.
        """
        if not key or Path(key).name != key or key.startswith("."):
            raise ValueError(f"a key is a plain file name, got {key!r}")
        return self.folder / f"{key}.npz"

    def get(
        self, key: str, make: Callable[[], Mapping[str, np.ndarray]], *, source: str = ""
    ) -> dict[str, np.ndarray]:
        """Read the arrays of a key, or make and keep them.

        Args:
            key: e.g. the name of a series.
            make: returns arrays by name; called only if they are not there.
            source: names what they are made from; another one than before makes them anew.

        Raises:
            OSError: if the folder can't be written; nothing is left behind.
        """
        path = self.path(key)
        found = self._read(path, source)
        if found is not None:
            self.reused += 1
            return found
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in make().items()}
        if any(value.dtype.hasobject for value in arrays.values()):
            raise ValueError(f"{key}: arrays of objects would have to be pickled")
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with temporary.open("wb") as file:
                np.savez_compressed(file, _source=np.array(source), **arrays)
                file.flush()
                os.fsync(file.fileno())  # a rename must not overtake what it names
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self.made += 1
        return arrays

    @staticmethod
    def _read(path: Path, source: str) -> dict[str, np.ndarray] | None:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
            return None
        return arrays if str(arrays.pop("_source", None)) == source else None
