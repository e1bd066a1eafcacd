"""White wine quality: 4,898 wines, eleven measurements, a score by tasters."""

from __future__ import annotations

from pathlib import Path

from .._core import Content, DataSet, File, StandIn

COLUMNS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
    "quality",
)


def _prepare(folder: Path) -> Content:
    import pandas as pd

    return {"frame": pd.read_csv(folder / "winequality-white.csv", sep=";")}


def make(seed: int, rows: int = 1500) -> Content:
    """Generated wines with the columns, ranges and units of the real table.

    The score depends on alcohol, volatile acidity and sulphur dioxide, and on noise.

    Args:
        seed: of the generator.
        rows: number of wines.

    Returns:
        `frame`: table with `COLUMNS`.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    alcohol = rng.gamma(4.0, 0.62, rows).clip(0, 6) + 8.0
    sugar = rng.lognormal(1.4, 0.9, rows).clip(0.6, 65.8)
    acidity = rng.normal(6.85, 0.85, rows).clip(3.8, 14.2)
    volatile = rng.lognormal(-1.33, 0.33, rows).clip(0.08, 1.1)
    total = (rng.normal(138, 40, rows) + 2.0 * (sugar - 6)).clip(9, 440)
    free = (total * rng.normal(0.255, 0.08, rows)).clip(2, 289)
    density = 0.9936 + 0.00045 * (sugar - 6) - 0.00105 * (alcohol - 10.5)
    score = 5.9 + 0.35 * (alcohol - 10.5) - 1.8 * (volatile - 0.28)
    score -= 0.002 * (total - 138)
    score += rng.normal(0, 0.62, rows)
    columns = (
        acidity.round(1),
        volatile.round(2),
        rng.normal(0.33, 0.12, rows).clip(0, 1.66).round(2),
        sugar.round(1),
        rng.lognormal(-3.14, 0.3, rows).clip(0.009, 0.346).round(3),
        free.round(),
        total.round(),
        (density + rng.normal(0, 0.0006, rows)).round(5),
        (3.19 - 0.06 * (acidity - 6.85) + rng.normal(0, 0.13, rows)).clip(2.72, 3.82).round(2),
        rng.lognormal(-0.74, 0.22, rows).clip(0.22, 1.08).round(2),
        alcohol.round(1),
        score.round().clip(3, 9).astype(int),
    )
    return {"frame": pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))}


DATASETS = (
    DataSet(
        name="wine_quality",
        title="White wine quality",
        home="https://archive.ics.uci.edu/dataset/186/wine+quality",
        licence="CC BY 4.0",
        citation=(
            "Cortez, Cerdeira, Almeida, Matos, Reis: Modeling wine preferences by data mining from "
            "physicochemical properties, Decision Support Systems 47 (2009), "
            "https://doi.org/10.1016/j.dss.2009.05.016"
        ),
        prepare=_prepare,
        files=(
            File(
                "winequality-white.csv",
                (
                    "https://github.com/deep-learning-with-pytorch/dlwpt-code/raw/master/data/"
                    "p1ch4/tabular-wine/winequality-white.csv",
                    "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/"
                    "winequality-white.csv",
                ),
                "76c3f809815c17c07212622f776311faeb31e87610d52c26d87d6e361b169836",
                264_426,
                "dlwpt/tabular-wine/winequality-white.csv",
            ),
        ),
        standin=StandIn(
            make,
            "generated wines with the same twelve columns",
            "results are not White wine quality results",
        ),
    ),
)
