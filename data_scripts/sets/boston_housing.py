"""Boston housing: 506 districts, 13 features and the median price. Not for teaching.

scikit-learn withdrew the set in version 1.2. Its column B is a transformed share of Black
residents, put there on the assumption that segregation raises prices, and the study behind
the set (the effect of clean air on prices) does not support what the set is used for. The
course keeps it for one purpose: to check numbers that the sources report on it. Models are
taught on California housing.
"""

from __future__ import annotations

from pathlib import Path

from .._core import Content, DataSet, File, StandIn

COLUMNS = (
    "CRIM",
    "ZN",
    "INDUS",
    "CHAS",
    "NOX",
    "RM",
    "AGE",
    "DIS",
    "RAD",
    "TAX",
    "PTRATIO",
    "B",
    "LSTAT",
    "MEDV",
)


def _prepare(folder: Path) -> Content:
    import pandas as pd

    return {"frame": pd.read_csv(folder / "housing.data", sep=r"\s+", names=list(COLUMNS))}


def make(seed: int, rows: int = 506) -> Content:
    """Generated districts with the columns and ranges of the real table.

    Two hidden factors (how urban, how poor) correlate the features. Column B is noise and has
    no effect on the price.

    Args:
        seed: of the generator.
        rows: number of districts.

    Returns:
        `frame`: table with `COLUMNS`; MEDV is 5 to 50 (thousand dollars).
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)

    def noise(scale: float) -> np.ndarray:
        return rng.normal(0, scale, rows)

    urban = noise(1)
    poor = 0.6 * urban + noise(0.8)
    river = (rng.random(rows) < 0.07).astype(int)
    rooms = (6.28 - 0.4 * poor + noise(0.5)).clip(3.5, 8.8)
    status = (12.6 * np.exp(0.45 * poor + noise(0.25)) * 0.85).clip(1.7, 38)
    pupils = (18.5 + 0.8 * urban + noise(1.9)).clip(12.6, 22)
    price = 41 - 8.5 * np.log(status) + 5 * np.maximum(rooms - 6.3, 0) ** 1.5
    price += 2 * (rooms - 6.3) - 0.7 * (pupils - 18.5) + 3 * river + noise(3)
    columns = (
        np.exp(-1.0 + 1.8 * urban + noise(0.8)).clip(0.006, 89).round(5),
        (12.5 * (np.exp(-urban + noise(0.5)) - 0.9)).clip(0, 100).round(1),
        (11.1 + 5.5 * urban + noise(3)).clip(0.5, 27.7).round(2),
        river,
        (0.555 + 0.095 * urban + noise(0.04)).clip(0.385, 0.871).round(4),
        rooms.round(3),
        (68.6 + 20 * urban + noise(17)).clip(2.9, 100).round(1),
        np.exp(1.2 - 0.45 * urban + noise(0.25)).clip(1.1, 12.1).round(4),
        (9.5 + 6 * urban + noise(4)).clip(1, 24).round().astype(int),
        (408 + 120 * urban + noise(80)).clip(187, 711).round(),
        pupils.round(1),
        (396.9 - rng.exponential(40, rows)).clip(0.3, 396.9).round(2),
        status.round(2),
        price.clip(5, 50).round(1),
    )
    return {"frame": pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))}


DATASETS = (
    DataSet(
        name="boston_housing",
        title="Boston housing",
        home="https://lib.stat.cmu.edu/datasets/boston",
        licence="none stated (StatLib)",
        citation=(
            "Harrison, Rubinfeld: Hedonic housing prices and the demand for clean air, J. "
            "Environmental Economics and Management 5 (1978), "
            "https://doi.org/10.1016/0095-0696(78)90006-2"
        ),
        prepare=_prepare,
        files=(
            File(
                "housing.data",
                ("https://archive.ics.uci.edu/ml/machine-learning-databases/housing/housing.data",),
                "e3e36f7b9e5435f9eb8320e106aebad00031fefa3064527da0c71dec59e49b76",
                49_081,
                "housing/housing.data",
            ),
        ),
        standin=StandIn(
            make,
            "generated districts with the same fourteen columns",
            "results are not Boston housing results",
        ),
    ),
)
