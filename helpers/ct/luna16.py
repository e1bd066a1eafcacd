"""A folder with LUNA16: 888 scans as .mhd and .raw pairs, and the lists of places.

The course does not fetch it: its home, Zenodo (records 3723295 and 4121926, 120 GB together),
publishes MD5 sums, and the course uses nothing before its SHA-256 matched. Whoever has the files
sets COURSE_LUNA16 to their folder. LUNA16 is licensed CC BY 4.0.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from helpers.ct.scan import Scan, read_mhd

__all__ = ["Luna16"]

_ANNOTATIONS, _CANDIDATES = "annotations.csv", "candidates_V2.csv"


class Luna16:
    """The scans and candidates of a LUNA16 folder.

    Args:
        folder: holds ``annotations.csv``, ``candidates_V2.csv`` and, at any depth, the pairs
            ``SERIES.mhd`` and ``SERIES.raw``; default: the variable COURSE_LUNA16.

    Attributes:
        series: the names of the series that are there, sorted; candidates of others are left out.

    Raises:
        FileNotFoundError: if no folder is named, or a list or all scans are missing.

    Example:
        >>> luna = Luna16("/data/luna16")  # doctest: +SKIP
        >>> scan = luna.scan(luna.series[0])  # doctest: +SKIP
        >>> luna.table(scan).kind.value_counts()  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        import pandas as pd

        where = folder or os.environ.get("COURSE_LUNA16")
        if not where:
            raise FileNotFoundError("set COURSE_LUNA16 to the folder with the LUNA16 files")
        self.folder = Path(where)
        for name in (_ANNOTATIONS, _CANDIDATES):
            if not (self.folder / name).is_file():
                raise FileNotFoundError(f"the LUNA16 folder has no {name}")
        self._paths = {path.stem: path for path in sorted(self.folder.rglob("*.mhd"))}
        if not self._paths:
            raise FileNotFoundError("the LUNA16 folder has no .mhd files")
        self.series = tuple(sorted(self._paths))
        self._nodules = pd.read_csv(self.folder / _ANNOTATIONS)
        self._candidates = pd.read_csv(self.folder / _CANDIDATES)

    def scan(self, series: str) -> Scan:
        """Read a scan.

        Args:
            series: one of ``series``.

        Raises:
            KeyError: for a series that is not there.
        """
        return read_mhd(self._paths[series])

    def table(self, scan: Scan) -> Any:
        """Annotated nodules and candidates of a scan, as :class:`helpers.ct.Implants` lists them.

        Candidates of class 1 are left out: they are the annotated nodules once more, with other
        centres. Places outside the volume are left out too.

        Args:
            scan: what :meth:`scan` returned.

        Returns:
            A table with the columns ``id``, ``kind`` ("nodule", or "other" for a candidate that
            is none), ``x``, ``y``, ``z``, ``i``, ``r``, ``c``, ``diameter_mm``, ``contrast_hu``
            (NaN), ``series``.
        """
        import pandas as pd
        import torch

        nodules = self._nodules[self._nodules.seriesuid == scan.series].assign(kind="nodule")
        others = self._candidates[self._candidates.seriesuid == scan.series]
        others = others[others["class"] == 0].assign(kind="other", diameter_mm=float("nan"))
        rows = pd.concat([nodules, others], ignore_index=True)
        xyz = rows[["coordX", "coordY", "coordZ"]].to_numpy(dtype=float).reshape(-1, 3)
        irc = scan.to_voxel(torch.from_numpy(xyz.copy()))
        inside = ((irc >= 0) & (irc < torch.tensor(scan.hu.shape))).all(1).numpy()
        table = pd.DataFrame({"id": 0, "kind": rows.kind})
        table[["x", "y", "z"]] = xyz
        table[["i", "r", "c"]] = irc.numpy()
        table = table.assign(
            diameter_mm=rows.diameter_mm, contrast_hu=float("nan"), series=scan.series
        )[inside].reset_index(drop=True)
        marked = table.kind == "nodule"
        table.loc[marked, "id"] = range(1, int(marked.sum()) + 1)
        return table
