"""A folder with LUNA16: 888 scans as .mhd and .raw pairs, and the lists of places.

The course does not fetch it: its home, Zenodo (records 3723295 and 4121926, 120 GB together),
publishes MD5 sums, and the course uses nothing before its SHA-256 matched. Whoever has the files
sets COURSE_LUNA16 to their folder. LUNA16 is licensed CC BY 4.0. `tools/luna16.py` runs the chain
of the chapters on it.

What was copied by half is found before it is used: :func:`check_luna16`.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from helpers.ct.scan import Scan, read_mhd

__all__ = ["Luna16", "check_luna16", "pair_fault"]

_ANNOTATIONS, _CANDIDATES = "annotations.csv", "candidates_V2.csv"
_SUMS = "MD5SUMS"
_ALL = 888
_BYTES = {  # the types of a MetaImage whose size does not depend on the machine
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    "MET_DOUBLE": 8,
}


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
        self._paths = {path.stem: path for path in _headers(self.folder)}
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

    def stamp(self, series: str) -> str:
        """Name the state of a scan's files: sizes and times, which change when they are replaced.

        Args:
            series: one of ``series``.

        Raises:
            KeyError: for a series that is not there.
        """
        files = [self._paths[series], _raw(self._paths[series])]
        return " ".join(f"{s.st_size}:{s.st_mtime_ns}" for s in (file.stat() for file in files))

    def published(self, series: str) -> Any:
        """Published candidates of a series, those that are nodules included.

        Args:
            series: one of ``series``.

        Returns:
            A table with the columns ``coordX``, ``coordY``, ``coordZ`` in mm and ``class``.
        """
        rows = self._candidates[self._candidates.seriesuid == series]
        return rows.drop(columns="seriesuid").reset_index(drop=True)

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


def _headers(folder: Path) -> list[Path]:
    """The scans' headers; LUNA16's own masks of the lungs have the names of the series, too."""
    found = sorted(folder.rglob("*.mhd"))
    return [p for p in found if not p.relative_to(folder).parts[0].startswith("seg-lungs")]


def _header(path: Path) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in path.read_text("ascii").splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _raw(path: Path) -> Path:
    return path.with_name(_header(path).get("ElementDataFile", ""))


def pair_fault(path: str | Path) -> str:
    """Say what is wrong with a pair ``NAME.mhd`` and ``NAME.raw``, without reading the voxels.

    Args:
        path: the ``.mhd`` file.

    Returns:
        An empty text if the ``.raw`` file has the size that the header promises.

    Example:
        >>> pair_fault("subset0/1.2.3.mhd")  # doctest: +SKIP
        '1.2.3.raw has 1000 bytes of 4096: it was copied by half'
    """
    path = Path(path)
    try:
        header = _header(path)
        sizes = [int(n) for n in header["DimSize"].split()]
        if header.get("CompressedData", "False").lower() == "true":
            wanted = int(header["CompressedDataSize"])
        else:
            wanted = math.prod(sizes) * _BYTES[header["ElementType"]]
        raw = path.with_name(header["ElementDataFile"])
    except (KeyError, ValueError) as error:
        return f"{path.name} is no whole header ({type(error).__name__}: {error})"
    if not raw.is_file():
        return f"{path.name} has no {raw.name}"
    found = raw.stat().st_size
    return "" if found == wanted else f"{raw.name} has {found} bytes of {wanted}: copied by half"


def _md5(path: Path, known: MutableMapping[str, list[Any]]) -> str:
    """The sum of a file; one that was computed before for the same size and time is taken over."""
    state = [path.stat().st_size, path.stat().st_mtime_ns]
    if known.get(path.name, [])[:2] != state:
        with path.open("rb") as file:
            known[path.name] = [*state, hashlib.file_digest(file, "md5").hexdigest()]
    return str(known[path.name][2])


def check_luna16(
    folder: str | Path, known: MutableMapping[str, list[Any]] | None = None
) -> dict[str, Any]:
    """Look whether a LUNA16 folder is whole, as far as it is there.

    Each ``.mhd`` must have a ``.raw`` of the size that it promises. Archives and lists are compared
    with the sums that Zenodo publishes, if you put them into the file ``MD5SUMS`` (lines as
    ``md5sum`` writes them: sum, two spaces, name). What an archive holds must have been unpacked.

    Args:
        folder: see :class:`Luna16`.
        known: sums computed before, by name, with size and time; new ones are added.

    Returns:
        ``series`` (how many), ``of`` (888), ``subsets`` (series by folder), ``compared`` and
        ``not_compared`` (names of files with and without a published sum).

    Raises:
        ValueError: naming what is damaged, copied by half, or not unpacked.

    Example:
        >>> check_luna16("/data/luna16")["subsets"]  # doctest: +SKIP
        {'subset0': 89, 'subset1': 89}
    """
    folder, known, faults = Path(folder), {} if known is None else known, []
    headers = _headers(folder)
    faults += [fault for path in headers if (fault := pair_fault(path))]
    twice = [name for name, n in Counter(path.stem for path in headers).items() if n > 1]
    faults += [f"{name} is there twice" for name in twice]
    sums: dict[str, str] = {}
    if (folder / _SUMS).is_file():
        lines = (folder / _SUMS).read_text("utf-8").split("\n")
        pairs = [line.split() for line in lines if line.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{_SUMS}: each line has a sum and a name, as md5sum writes them")
        sums = {name.removeprefix("*"): value.lower() for value, name in pairs}
    lists = [folder / name for name in (_ANNOTATIONS, _CANDIDATES)]
    files = [*sorted(folder.glob("subset*.zip")), *filter(Path.is_file, lists)]
    for path in files:
        if path.name in sums and _md5(path, known) != sums[path.name]:
            faults.append(f"{path.name} has another sum than the published one")
        elif path.suffix == ".zip":
            faults += _not_unpacked(path)
    if faults:
        more = f", and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ValueError(f"the LUNA16 folder is damaged: {'; '.join(faults[:5])}{more}")
    return {
        "series": len(headers),
        "of": _ALL,
        "subsets": dict(Counter(path.parent.name for path in headers)),
        "compared": [path.name for path in files if path.name in sums],
        "not_compared": [path.name for path in files if path.name not in sums],
    }


def _not_unpacked(path: Path) -> list[str]:
    """What an archive holds that does not lie beside it in the same size."""
    there = {file.name: file.stat().st_size for file in path.parent.rglob("*.*")}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
    except zipfile.BadZipFile:
        return [f"{path.name} is no whole archive"]
    missing = [one for one in members if there.get(Path(one.filename).name) != one.file_size]
    if missing:
        return [f"{path.name} is not unpacked: {len(missing)} of {len(members)} files are missing"]
    return []
