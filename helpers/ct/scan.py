"""A CT volume that knows where it lies in the patient, and two ways to read one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["Scan", "read_dicom", "read_mhd", "slice_positions"]

Points = Tensor | Sequence[float] | Sequence[Sequence[float]]


def _float64(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT volume with its geometry.

    Voxels are named by index, row and column, (I, R, C), the order of the tensor. Places in the
    patient are named by (X, Y, Z) in millimetres: +X to the patient's left, +Y to the back, +Z
    to the head (LPS, the axes of DICOM). With the voxel's address reversed to (C, R, I), its
    centre lies at ``direction @ (spacing * address) + origin``.

    Args:
        hu: Hounsfield units, float ``(D, H, W)``.
        origin: ``(3,)``, X, Y, Z of the centre of voxel (0, 0, 0) in mm.
        spacing: ``(3,)``, mm between slices, rows and columns: the order of ``hu.shape``.
        direction: ``(3, 3)``; its columns are the directions in the patient in which the column,
            the row and the slice number grow.
        series: the name of the series, its SeriesInstanceUID.

    Raises:
        ValueError: for a volume without three dimensions, a spacing that is not positive, or a
            direction whose columns are not perpendicular unit vectors.

    Example:
        >>> scan = Scan(torch.zeros(4, 6, 8), (10, 20, 30), (2.5, 1.125, 1.125))
        >>> scan.to_xyz([1, 0, 2])
        tensor([12.2500, 20.0000, 32.5000], dtype=torch.float64)
        >>> scan.to_voxel([12.4, 19.8, 32.0])
        tensor([1, 0, 2])
    """

    hu: Tensor
    origin: Tensor
    spacing: Tensor
    direction: Tensor = field(default_factory=lambda: torch.eye(3, dtype=torch.float64))
    series: str = ""

    def __post_init__(self) -> None:
        for name, shape in (("origin", (3,)), ("spacing", (3,)), ("direction", (3, 3))):
            value = _float64(getattr(self, name))
            if value.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")
            object.__setattr__(self, name, value)
        if self.hu.ndim != 3:
            raise ValueError(f"a scan has slices, rows and columns, got {tuple(self.hu.shape)}")
        if not (self.spacing > 0).all():
            raise ValueError(f"spacing must be positive, got {self.spacing.tolist()}")
        square = self.direction.T @ self.direction
        if (square - torch.eye(3, dtype=torch.float64)).abs().max() > 1e-3:
            raise ValueError("the columns of direction must be perpendicular unit vectors")

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Extent in mm along slices, rows and columns."""
        depth, height, width = (_float64(self.hu.shape) * self.spacing).tolist()
        return depth, height, width

    def to_xyz(self, irc: Points) -> Tensor:
        """Places in mm of voxel addresses, which need not be whole numbers.

        Args:
            irc: ``(..., 3)``.

        Returns:
            ``(..., 3)``, float64.
        """
        steps = (_float64(irc) * self.spacing).flip(-1)  # mm along columns, rows, slices
        return steps @ self.direction.T + self.origin

    def to_irc(self, xyz: Points) -> Tensor:
        """Addresses of places, not rounded: the inverse of :meth:`to_xyz`.

        Args:
            xyz: ``(..., 3)`` in mm.

        Returns:
            ``(..., 3)``, float64.
        """
        steps = (_float64(xyz) - self.origin) @ torch.linalg.inv(self.direction).T
        return steps.flip(-1) / self.spacing

    def to_voxel(self, xyz: Points) -> Tensor:
        """The voxels in which places lie: :meth:`to_irc`, rounded.

        Args:
            xyz: ``(..., 3)`` in mm.

        Returns:
            ``(..., 3)``, int64; it may lie outside the volume. On the border between two voxels
            the one with the even number is taken, as ``torch.round`` does.
        """
        return self.to_irc(xyz).round().long()

    def part(self, *slices: slice) -> Scan:
        """Cut out a part of the volume; every voxel keeps its place in mm.

        Args:
            slices: for slices, rows and columns; those left out are kept whole. A step thins the
                volume: ``scan.part(slice(None), slice(None, None, 2), slice(None, None, 2))``.

        Raises:
            ValueError: for a step below 1.
        """
        full = (*slices, *[slice(None)] * (3 - len(slices)))
        ranges = [one.indices(n) for one, n in zip(full, self.hu.shape, strict=True)]
        steps = [step for _, _, step in ranges]
        if min(steps) < 1:
            raise ValueError(f"steps must be at least 1, got {steps}: turn the volume otherwise")
        return Scan(
            self.hu[full],
            self.to_xyz([start for start, _, _ in ranges]),
            self.spacing * _float64(steps),
            self.direction,
            self.series,
        )

    def litres(self, mask: Tensor) -> float:
        """Volume of the marked voxels in litres.

        Args:
            mask: bool ``(D, H, W)``.
        """
        return float(mask.sum()) * float(self.spacing.prod()) / 1e6


def _headers(files: Iterable[bytes | str | Path]) -> list[Any]:
    import pydicom

    return [pydicom.dcmread(io.BytesIO(f) if isinstance(f, bytes) else f) for f in files]


def _axes(header: Any) -> Tensor:
    """Directions of growing column, row and slice number, as columns of a matrix."""
    across, down = _float64([float(v) for v in header.ImageOrientationPatient]).view(2, 3)
    return torch.stack([across, down, torch.linalg.cross(across, down)], dim=1)


def slice_positions(files: Iterable[bytes | str | Path]) -> Tensor:
    """Where the slices lie along their common normal, in the order of the files.

    Args:
        files: DICOM files of one series, as bytes or paths.

    Returns:
        ``(D,)``, mm.

    Example:
        >>> slice_positions(loaded["files"])  # doctest: +SKIP
    """
    headers = _headers(files)
    normal = _axes(headers[0])[:, 2]
    places = _float64([[float(v) for v in header.ImagePositionPatient] for header in headers])
    return places @ normal


def read_dicom(files: Iterable[bytes | str | Path]) -> Scan:
    """Read one series of DICOM files, in any order.

    Slices are ordered by their places along the normal of the pictures, whose distances are the
    spacing: neither the number of a slice nor its thickness says where it lies. Each file is
    rescaled with its own slope and intercept.

    Args:
        files: the files of one series, as bytes or paths.

    Raises:
        ValueError: for less than two slices, files of several series, files that do not say
            how to rescale, distances between slices that differ by more than a hundredth (a
            slice is missing, or there twice), or slices that are shifted sideways (a tilted
            gantry).

    Example:
        >>> from data_scripts import load
        >>> scan = read_dicom(load("lung_ct", "standin")["files"])
        >>> tuple(scan.hu.shape), scan.spacing.tolist()
        ((24, 128, 128), [8.0, 2.8, 2.8])
    """
    import numpy as np
    from pydicom.pixels import apply_rescale

    headers = _headers(files)
    if len(headers) < 2:
        raise ValueError(f"a scan needs at least two slices, got {len(headers)}")
    for what in ("SeriesInstanceUID", "ImageOrientationPatient", "PixelSpacing"):
        values = {str(header.get(what)) for header in headers}
        if len(values) > 1:
            raise ValueError(f"the files have {len(values)} values of {what}: not one series")
    for header in headers:
        if "ModalityLUTSequence" not in header and not (
            "RescaleSlope" in header and "RescaleIntercept" in header
        ):
            raise ValueError("a file has no rescale slope and intercept: Hounsfield units unknown")
    direction = _axes(headers[0])
    places = _float64([[float(v) for v in header.ImagePositionPatient] for header in headers])
    along = places @ direction[:, 2]
    order = along.argsort()
    gaps = along[order].diff()
    gap = gaps.median()
    if gap <= 0 or (gaps - gap).abs().max() > 0.01 * gap:
        found = sorted({round(one, 2) for one in gaps.tolist()})
        raise ValueError(f"the slices are not evenly spaced, gaps of {found} mm")
    sideways = (places - places[order[0]]) @ direction[:, :2]
    if sideways.abs().max() > 0.1:
        raise ValueError("the slices are shifted sideways: the gantry was tilted")
    volume = np.stack(
        [apply_rescale(headers[k].pixel_array, headers[k]).astype(np.float32) for k in order]
    )
    rows, columns = (float(v) for v in headers[0].PixelSpacing)
    return Scan(
        torch.from_numpy(volume),
        places[order[0]],
        _float64([float(gap), rows, columns]),
        direction,
        str(headers[0].SeriesInstanceUID),
    )


def read_mhd(path: str | Path) -> Scan:
    """Read a pair of files ``NAME.mhd`` (text) and ``NAME.raw`` (voxels) with SimpleITK.

    The values are taken as Hounsfield units, as in LUNA16. The series is the name of the file.

    Args:
        path: the ``.mhd`` file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it holds no volume of three dimensions.

    Example:
        >>> read_mhd("subset0/1.2.3.mhd").hu.shape  # doctest: +SKIP
    """
    import SimpleITK

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path.name} in {path.parent.name}")
    image = SimpleITK.ReadImage(str(path))
    if image.GetDimension() != 3:
        raise ValueError(f"{path.name} has {image.GetDimension()} dimensions, expected 3")
    return Scan(
        torch.from_numpy(SimpleITK.GetArrayFromImage(image)).float(),
        _float64(image.GetOrigin()),
        _float64(image.GetSpacing()[::-1]),  # SimpleITK counts columns first
        _float64(image.GetDirection()).view(3, 3),
        path.stem,
    )
