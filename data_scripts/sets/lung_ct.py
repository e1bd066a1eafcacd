"""One CT scan of a chest: 99 DICOM files, 512×512 pixels, of the CPTAC-LSCC collection.

The names of the files say nothing about the place of a slice in the body: their headers do.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._core import Archive, Content, DataSet, File, StandIn
from .._manifests import manifest

if TYPE_CHECKING:
    import numpy as np

_SERIES = "2-LUNG 3.0  B70f-04083"
_HOST = (
    "https://github.com/deep-learning-with-pytorch/dlwpt-code/raw/master/data/p1ch4/"
    f"volumetric-dicom/{quote(_SERIES)}"
)


def _read(files: list[bytes]) -> Content:
    """Read a series: slices in the order of their positions, from the feet to the head.

    Args:
        files: contents of the DICOM files, in any order.

    Returns:
        `volume`: int16 tensor (D, H, W) of the stored values; `slope` and `intercept`: floats,
        Hounsfield units are stored value × slope + intercept; `spacing`: millimetres between
        slices, rows and columns; `files`: the contents as they came.
    """
    import numpy as np
    import pydicom
    import torch

    slices = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    first, second = (float(one.ImagePositionPatient[2]) for one in slices[:2])
    rows, columns = map(float, slices[0].PixelSpacing)
    stored = np.stack([one.pixel_array for one in slices]).astype(np.int16)
    return {
        "volume": torch.from_numpy(stored),
        "slope": float(slices[0].RescaleSlope),
        "intercept": float(slices[0].RescaleIntercept),
        "spacing": (second - first, rows, columns),
        "files": files,
    }


def _prepare(folder: Path) -> Content:
    return _read([(folder / file.name).read_bytes() for file in _FILES])


def make(seed: int, count: int = 24) -> Content:
    """A generated chest in DICOM files, with the header of the CT slice that pydicom carries.

    Args:
        seed: of the generator: vessels, noise, and the order of the files.
        count: number of slices, 8 mm apart.

    Returns:
        The keys of the real set; each slice has 128×128 pixels of 2.8 mm.
    """
    import numpy as np
    import pydicom
    from pydicom.data import get_testdata_file

    source = get_testdata_file("CT_small.dcm")
    assert isinstance(source, str)
    dataset = pydicom.dcmread(source)
    rng = np.random.default_rng(seed)
    depth, side = 8.0, 2.8  # mm
    chest = _chest(rng, (count, 128, 128), (depth, side, side))
    stored = (chest - float(dataset.RescaleIntercept)) / float(dataset.RescaleSlope)
    dataset.SliceThickness, dataset.PixelSpacing = depth, [side, side]
    files = []
    for index, pixels in enumerate(stored.round().astype("<i2")):
        dataset.PixelData = pixels.tobytes()
        dataset.ImagePositionPatient = [-177.8, -177.8, round(-75.7 + depth * index, 1)]
        dataset.InstanceNumber = count - index
        file = io.BytesIO()
        dataset.save_as(file)
        files.append(file.getvalue())
    return _read([files[index] for index in rng.permutation(count)])


def _chest(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Hounsfield units of a chest made of ellipses: skin fat, muscle, lungs, heart, bones.

    Args:
        rng: draws the vessels of the lungs and the noise.
        shape: slices from the feet to the head, rows from front to back, columns.
        spacing: millimetres between slices, rows and columns.

    Returns:
        Float array of this shape, from -1024 on.
    """
    import numpy as np

    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, spacing, strict=True)),
        indexing="ij",
    )

    def ball(
        cx: float, cy: float, rx: float, ry: float, cz: float = 0, rz: float = 0
    ) -> np.ndarray:
        """Distance from a centre in units of the radii; without `rz` a cylinder."""
        flat = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
        return np.sqrt(flat + ((z - cz) / rz) ** 2 if rz else flat)

    hu = np.full(shape, -1000.0)
    body = ball(0, 0, 160, 112)
    hu[body < 1] = -100  # fat under the skin
    hu[body < 0.9] = 50  # muscle
    hu[(body > 0.8) & (body < 0.86) & (np.sin(z / 5 + np.abs(x) / 25) > 0.2)] = 450  # ribs
    lungs = np.minimum(ball(-68, -5, 54, 78, -30, 125), ball(68, -5, 54, 78, -30, 125)) < 1
    lungs &= z > -70 + 40 * np.cos(x / 45) * np.cos(y / 60)  # the diaphragm
    hu[lungs] = -850
    blobs = rng.normal(0, 1, shape)
    for axis in (0, 1, 1, 2, 2):
        blobs = blobs + np.roll(blobs, 1, axis)
    hu[lungs & (blobs > 1.7 * blobs.std())] = 20  # vessels
    hu[ball(18, -32, 52, 42, -40, 62) < 1] = 45  # heart
    spine, disc = ball(0, 72, 20, 18), np.sin(z / 5.5) > 0.85
    hu[spine < 1] = np.where(disc, 90, np.where(spine < 0.85, 220, 750))[spine < 1]
    hu[ball(0, 96, 9, 8) < 1] = 15  # spinal canal
    hu[(ball(0, 30, 9, 9) < 1) & (z > 10)] = -1000  # windpipe
    hu[(np.abs(y - 124) < 5) & (np.abs(x) < 150)] = -400  # the table
    return (hu + rng.normal(0, 5, shape)).clip(-1024)


_FILES = tuple(
    File(name, (f"{_HOST}/{name}",), sha256, size, f"{_SERIES}/{name}")
    for name, size, sha256 in manifest("lung_ct.tsv")
)

DATASETS = (
    DataSet(
        name="lung_ct",
        title="Lung CT",
        home="https://www.cancerimagingarchive.net/collection/cptac-lscc/",
        licence="CC BY 3.0",
        citation=(
            "National Cancer Institute CPTAC: CPTAC-LSCC collection, The Cancer Imaging Archive "
            "(2018), https://doi.org/10.7937/K9/TCIA.2018.6EMUB5L2"
        ),
        prepare=_prepare,
        files=_FILES,
        standin=StandIn(
            make,
            "a generated chest of ellipses",
            "results are not Lung CT results",
        ),
        archives=(Archive("lung-ct-dicom.tar.xz"),),
        extent=lambda content: "{} slices of {}×{} pixels".format(*content["volume"].shape),
    ),
)
