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


def make(seed: int, count: int = 16) -> Content:
    """A small series made from the one CT slice that pydicom carries.

    The slice is shrunk towards both ends, as a body is, so that order and shape can be seen.

    Args:
        seed: of the generator, which shuffles the files.
        count: number of slices.

    Returns:
        The keys of the real set; each slice has 128×128 pixels.
    """
    import numpy as np
    import pydicom
    from pydicom.data import get_testdata_file

    source = get_testdata_file("CT_small.dcm")
    assert isinstance(source, str)
    dataset = pydicom.dcmread(source)
    original = dataset.pixel_array
    files = []
    for index in range(count):
        far = abs(index - (count - 1) / 2) / (count / 2)  # 0 in the middle, 1 beyond the ends
        dataset.PixelData = _shrunk(original, 1 - 0.4 * far).astype("<i2").tobytes()
        dataset.ImagePositionPatient[2] = -75.7 + float(dataset.SliceThickness) * index
        dataset.InstanceNumber = count - index
        file = io.BytesIO()
        dataset.save_as(file)
        files.append(file.getvalue())
    order = np.random.default_rng(seed).permutation(count)
    return _read([files[index] for index in order])


def _shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """Shrink a square picture about its middle; what lies outside gets its lowest value."""
    import numpy as np

    side = len(image)
    middle = (side - 1) / 2
    from_ = np.rint((np.arange(side) - middle) / scale + middle).astype(int)
    inside = (from_ >= 0) & (from_ < side)
    result = np.full_like(image, image.min())
    result[np.ix_(inside, inside)] = image[np.ix_(from_[inside], from_[inside])]
    return result


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
            "a series made from the one CT slice that pydicom carries",
            "results are not Lung CT results",
        ),
        archives=(Archive("lung-ct-dicom.tar.xz"),),
        extent=lambda content: "{} slices of {}×{} pixels".format(*content["volume"].shape),
    ),
)
