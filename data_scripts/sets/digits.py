"""scikit-learn's digits: 1,797 handwritten digits, 8×8, values 0 to 16.

The package carries the data, so it is real in every mode. The split is ours: 1,437 + 360,
stratified, fixed.
"""

from __future__ import annotations

from pathlib import Path

from .._core import Content, DataSet
from .._images import split_digits


def _prepare(folder: Path) -> Content:
    return split_digits()


DATASETS = (
    DataSet(
        name="digits",
        title="Digits 8×8",
        home="https://archive.ics.uci.edu/dataset/80",
        licence="CC BY 4.0",
        citation=(
            "Alpaydin, Kaynak: Optical recognition of handwritten digits, UCI (1998), "
            "https://doi.org/10.24432/C50P49"
        ),
        prepare=_prepare,
        bundled="scikit-learn digits",
    ),
)
