"""Bike sharing in Washington: 730 days, hour by hour, with the weather.

The version of Stevens et al., in which hours without a record are filled in, so that 24 rows make
a day. Two faults are left in the real file: one "day" is glued from 29 and 30 October 2012, and
the filled-in hours have `cnt` 0 while `casual` and `registered` repeat the hour before.
"""

from __future__ import annotations

from pathlib import Path

from .._core import Content, DataSet, File, StandIn

COLUMNS = (
    "instant",
    "dteday",
    "season",
    "yr",
    "mnth",
    "hr",
    "holiday",
    "weekday",
    "workingday",
    "weathersit",
    "temp",
    "atemp",
    "hum",
    "windspeed",
    "casual",
    "registered",
    "cnt",
)


def _prepare(folder: Path) -> Content:
    import pandas as pd

    return {"frame": pd.read_csv(folder / "hour-fixed.csv")}


def make(seed: int, days: int = 730) -> Content:
    """Generated hours with the columns, ranges and rhythms of the real table.

    Rentals rise and fall with the hour (two rush hours on working days, one hump on free days),
    the temperature and the weather.

    Args:
        seed: of the generator.
        days: number of days from 1 January 2011 on.

    Returns:
        `frame`: table with `COLUMNS`, 24 rows a day.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    date = pd.date_range("2011-01-01", periods=days).repeat(24)
    hour = np.tile(np.arange(24), days)
    weekday = (date.day_of_week.to_numpy() + 1) % 7  # 0 is Sunday
    free = rng.random(days) < 0.03
    holiday = free.repeat(24).astype(int)
    working = ((weekday > 0) & (weekday < 6) & (holiday == 0)).astype(int)

    year_wave = -np.cos(2 * np.pi * (date.day_of_year.to_numpy() - 20) / 365)
    day_wave = -np.cos(2 * np.pi * (hour - 3) / 24)
    mood = rng.normal(0, 0.07, days).repeat(24)
    temperature = (0.5 + 0.25 * year_wave + 0.06 * day_wave + mood).clip(0.02, 1)
    weather = rng.choice([1, 2, 3, 4], size=days, p=[0.65, 0.26, 0.08, 0.01]).repeat(24)
    humidity = (0.58 + 0.08 * weather - 0.15 * day_wave + rng.normal(0, 0.1, days).repeat(24)).clip(
        0.08, 1
    )

    def bump(centre: float, width: float) -> np.ndarray:
        return np.exp(-(((hour - centre) / width) ** 2))

    rush = bump(8, 1.3) + 1.2 * bump(17.5, 2) + 0.35 * bump(13, 4)
    leisure = 0.9 * bump(14, 5)
    level = np.where(working == 1, rush, leisure) + 0.03
    factor = (0.35 + 1.1 * temperature) * np.array([1.0, 0.85, 0.5, 0.3])[weather - 1]
    casual = rng.poisson((25 + 75 * (1 - working)) * leisure * factor)
    registered = rng.poisson(330 * level * factor * (1 + 0.5 * (date.year.to_numpy() - 2011)))
    month = date.month.to_numpy()
    columns = (
        np.arange(1, 24 * days + 1),
        date.strftime("%Y-%m-%d"),
        month % 12 // 3 + 1,
        date.year.to_numpy() - 2011,
        month,
        hour,
        holiday,
        weekday,
        working,
        weather,
        temperature.round(2),
        (temperature * 0.93 + 0.01).round(4),
        humidity.round(2),
        rng.gamma(2.5, 0.076, 24 * days).clip(0, 0.85).round(4),
        casual,
        registered,
        casual + registered,
    )
    return {"frame": pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))}


DATASETS = (
    DataSet(
        name="bike_sharing",
        title="Bike sharing",
        home="https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
        licence="CC BY 4.0",
        citation=(
            "Fanaee-T, Gama: Event labeling combining ensemble detectors and background "
            "knowledge, Progress in Artificial Intelligence 2 (2014), "
            "https://doi.org/10.1007/s13748-013-0040-3"
        ),
        prepare=_prepare,
        files=(
            File(
                "hour-fixed.csv",
                (
                    "https://github.com/deep-learning-with-pytorch/dlwpt-code/raw/master/data/"
                    "p1ch4/bike-sharing-dataset/hour-fixed.csv",
                ),
                "ae5b1b828676fb7696ebfd838f105c71cda9c867aa752f75eed6fa6d0eacf991",
                1_148_001,
                "dlwpt/bike-sharing-dataset/hour-fixed.csv",
            ),
        ),
        standin=StandIn(
            make,
            "generated hours with the same seventeen columns",
            "results are not Bike sharing results",
        ),
    ),
)
