"""MNIST: 60,000 + 10,000 handwritten digits, 28×28 grey values."""

from __future__ import annotations

from .._core import DataSet, File, StandIn
from .._images import enlarged_digits, read_images

_HOST = "https://ossci-datasets.s3.amazonaws.com/mnist"


def _file(name: str, size: int, sha256: str) -> File:
    return File(name, (f"{_HOST}/{name}.gz",), sha256, size, f"mnist/{name}.gz", "gz")


DATASETS = (
    DataSet(
        name="mnist",
        title="MNIST",
        home="https://yann.lecun.org/exdb/mnist/",
        licence="CC BY-SA 3.0",
        citation=(
            "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
            "recognition, Proc. IEEE 86 (1998), https://doi.org/10.1109/5.726791"
        ),
        prepare=read_images,
        files=(
            _file(
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            _file(
                "train-labels-idx1-ubyte",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            _file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            _file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        standin=StandIn(
            enlarged_digits,
            "scikit-learn digits enlarged to 28×28",
            "results are not MNIST results",
        ),
    ),
)
