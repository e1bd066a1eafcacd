"""California housing: 20,640 districts of the 1990 census with 10 columns.

The version of the book *Hands-On Machine Learning*: 207 values of `total_bedrooms` are
missing and `ocean_proximity` is a category, so a learner has something to clean.
"""

from __future__ import annotations

import io
from pathlib import Path

from .._archives import read_member
from .._core import Content, DataSet, File, StandIn

COLUMNS = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
    "median_house_value",
    "ocean_proximity",
)


def _prepare(folder: Path) -> Content:
    import pandas as pd

    return {"frame": pd.read_csv(io.BytesIO(read_member(folder / "housing.tgz", "housing.csv")))}


def make(seed: int, rows: int = 4000) -> Content:
    """Generated districts with the columns, ranges and faults of the real table.

    Prices depend on income, on the distance to the coast and on that to two cities, and are
    capped at 500,001 dollars.

    Args:
        seed: of the generator.
        rows: number of districts.

    Returns:
        `frame`: table with `COLUMNS`.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    # Where people live: Los Angeles, San Francisco, San Diego, the central valley, anywhere.
    centres = np.array(
        [[-118.2, 34.0, 0.4], [-122.1, 37.7, 0.4], [-117.1, 32.9, 0.3], [-120.2, 37.2, 1.3]]
    )
    place = centres[rng.choice(4, size=rows, p=[0.4, 0.25, 0.1, 0.25])]
    latitude = (place[:, 1] + rng.normal(0, 1, rows) * place[:, 2]).clip(32.54, 41.95)
    coast = -117.2 - 0.95 * (latitude - 32.5)  # a straight coast, in degrees of longitude
    longitude = place[:, 0] + rng.normal(0, 1, rows) * place[:, 2]
    longitude = np.where(longitude < coast, 2 * coast - longitude, longitude).clip(-124.35, -114.31)
    inland = longitude - coast
    to_los_angeles = np.hypot(longitude + 118.3, latitude - 34.1)
    to_bay = np.hypot(longitude + 122.3, latitude - 37.7)

    income = rng.lognormal(1.25, 0.45, rows).clip(0.5, 15.0)
    age = rng.gamma(5.0, 5.8, rows).clip(1, 52).round()
    households = rng.lognormal(6.0, 0.7, rows).clip(1, 6082).round()
    people = rng.lognormal(1.05, 0.22, rows).clip(1, 10)
    rooms = (4.2 + 0.35 * (income - 3.9) + rng.normal(0, 0.7, rows)).clip(1, 20)
    value = 45_000 + 22_000 * income
    value *= 1 + 1.5 * np.exp(-inland / 0.25) + 1.2 * np.exp(-to_bay / 0.4)
    value *= 1 + 1.2 * np.exp(-to_los_angeles / 0.3)
    value *= (1 + 0.004 * (age - 29)) * (1 - 0.12 * (people - 2.9)).clip(0.5, 1.2)
    value *= rng.lognormal(0, 0.2, rows)

    kind = np.select(
        [to_bay < 0.5, inland < 0.15, inland < 0.9],
        ["NEAR BAY", "NEAR OCEAN", "<1H OCEAN"],
        "INLAND",
    )
    kind[rng.choice(rows, size=max(1, rows // 1000), replace=False)] = "ISLAND"
    bedrooms = (households * rng.normal(1.08, 0.05, rows).clip(0.9, 1.3)).round()
    bedrooms[rng.choice(rows, size=rows // 100, replace=False)] = np.nan
    columns = (
        longitude.round(2),
        latitude.round(2),
        age,
        (households * rooms).round(),
        bedrooms,
        (households * people).round(),
        households,
        income.round(4),
        value.clip(14_999, 500_001).round(),
        kind,
    )
    return {"frame": pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))}


DATASETS = (
    DataSet(
        name="california_housing",
        title="California housing",
        home="https://github.com/ageron/handson-ml2/tree/master/datasets/housing",
        licence="public domain (1990 US census)",
        citation=(
            "Pace, Barry: Sparse spatial autoregressions, Statistics & Probability Letters 33 "
            "(1997), https://doi.org/10.1016/S0167-7152(96)00140-X"
        ),
        prepare=_prepare,
        files=(
            File(
                "housing.tgz",
                ("https://github.com/ageron/handson-ml2/raw/master/datasets/housing/housing.tgz",),
                "d4cd501af90475f09b814c7447c7701f59bf28e8cf1180205ae5ace9737a0109",
                409_488,
                "housing/housing.tgz",
            ),
        ),
        standin=StandIn(
            make,
            "generated districts with the same ten columns",
            "results are not California housing results",
        ),
    ),
)
