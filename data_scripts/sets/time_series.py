"""Three classic series: airline passengers, daily temperatures, monthly sunspots.

Each is a table with the columns `date` (text, as in the file) and `value`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from .._core import Content, DataSet, File, StandIn

_HOST = "https://raw.githubusercontent.com/jbrownlee/Datasets/master"


def _prepare(name: str, folder: Path) -> Content:
    import pandas as pd

    return {"frame": pd.read_csv(folder / name, names=["date", "value"], header=0)}


def _content(dates: object, values: object) -> Content:
    import pandas as pd

    return {"frame": pd.DataFrame({"date": dates, "value": values})}


def carbon_dioxide(seed: int, months: int = 144) -> Content:
    """Monthly mean carbon dioxide over Mauna Loa (parts per million), as statsmodels carries it.

    Args:
        seed: not used; the series is real.
        months: how many of the last months.
    """
    from statsmodels.datasets import co2

    monthly = co2.load_pandas().data["co2"].resample("MS").mean().interpolate()[-months:]
    return _content(monthly.index.strftime("%Y-%m"), monthly.round(1).to_numpy())


def temperatures(seed: int, days: int = 3650) -> Content:
    """Generated daily minima (°C): a yearly wave, weather that lasts some days, and noise.

    Args:
        seed: of the generator.
        days: number of days from 1 January 1981 on.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    date = pd.date_range("1981-01-01", periods=days)
    weather, noise = np.zeros(days), rng.normal(0, 2.2, days)
    for day in range(1, days):
        weather[day] = 0.65 * weather[day - 1] + noise[day]
    season = 11.2 + 4.2 * np.cos(2 * np.pi * (date.day_of_year.to_numpy() - 25) / 365.25)
    return _content(date.strftime("%Y-%m-%d"), (season + weather).clip(0, 27).round(1))


def yearly_sunspots(seed: int) -> Content:
    """Yearly sunspot numbers from 1700 to 2008, as statsmodels carries them.

    Args:
        seed: not used; the series is real.
    """
    from statsmodels.datasets import sunspots

    table = sunspots.load_pandas().data
    return _content(table["YEAR"].astype(int).astype(str), table["SUNACTIVITY"].to_numpy())


def _series(
    name: str,
    title: str,
    file: tuple[str, str, int],
    citation: str,
    make: Callable[[int], Content],
    what: str,
) -> DataSet:
    csv, sha256, size = file
    return DataSet(
        name=name,
        title=title,
        home="https://github.com/jbrownlee/Datasets",
        licence="published statistics; the repository names no licence",
        citation=citation,
        prepare=partial(_prepare, csv),
        files=(File(csv, (f"{_HOST}/{csv}",), sha256, size, f"timeseries/{csv}"),),
        standin=StandIn(make, what, f"results are not {title} results"),
    )


DATASETS = (
    _series(
        "airline_passengers",
        "Airline passengers",
        (
            "airline-passengers.csv",
            "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
            2_180,
        ),
        "Box, Jenkins: Time series analysis: forecasting and control, Holden-Day (1976), series G",
        carbon_dioxide,
        "statsmodels' monthly carbon dioxide over Mauna Loa",
    ),
    _series(
        "daily_min_temperatures",
        "Daily minimum temperatures",
        (
            "daily-min-temperatures.csv",
            "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
            67_921,
        ),
        "Australian Bureau of Meteorology: daily minimum temperatures in Melbourne, 1981 to 1990",
        temperatures,
        "generated daily temperatures",
    ),
    _series(
        "monthly_sunspots",
        "Monthly sunspots",
        (
            "monthly-sunspots.csv",
            "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
            45_039,
        ),
        "Andrews, Herzberg: Data: a collection of problems from many fields, Springer (1985)",
        yearly_sunspots,
        "statsmodels' yearly sunspot numbers",
    ),
)
