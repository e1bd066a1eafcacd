"""What a training run leaves behind: plain numbers, one dict an epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from helpers.files import write_json


class History(list[dict[str, float]]):
    """A list of dicts of floats, one an epoch: ``{"epoch": 1, "train_loss": ..., ...}``.

    Example:
        >>> history = History([{"epoch": 1, "val_loss": 2.0}, {"epoch": 2, "val_loss": 1.0}])
        >>> history.column("val_loss"), history.best("val_loss")["epoch"]
        ([2.0, 1.0], 2)
    """

    def __init__(self, records: Iterable[dict[str, float]] = ()) -> None:
        super().__init__(records)
        self.interrupted = False

    def column(self, name: str) -> list[float]:
        """Return one value an epoch.

        Raises:
            KeyError: if an epoch lacks the column; the message lists the columns there are.
        """
        known = sorted({key for record in self for key in record})
        if any(name not in record for record in self) or name not in known:
            raise KeyError(f"no column {name!r} in every epoch; the history has {known}")
        return [record[name] for record in self]

    def best(self, name: str, mode: str = "min") -> dict[str, float]:
        """Return the epoch with the lowest (``"min"``) or highest (``"max"``) number."""
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        self.column(name)
        sign = 1.0 if mode == "min" else -1.0
        return min(self, key=lambda r: math.inf if math.isnan(r[name]) else sign * r[name])

    def frame(self) -> pd.DataFrame:
        """Return the history as a table, one row an epoch."""
        table = pd.DataFrame(list(self), columns=None if self else ["epoch"])
        return table.astype({"epoch": int})

    def to_json(self, path: Path | str) -> None:
        """Write the records as JSON."""
        write_json(path, list(self))

    @classmethod
    def from_json(cls, path: Path | str) -> History:
        """Read what :meth:`to_json` wrote."""
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))
