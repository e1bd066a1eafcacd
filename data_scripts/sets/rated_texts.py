"""Short texts that twenty people rated each, from -4 (very negative) to 4 (very positive).

The ground truth of VADER: tweets, film and product reviews, editorials. Beside them `toy_tweets`:
texts made by rule, in a file of the form of Sentiment140.
"""

from __future__ import annotations

import csv
import io
import random
from functools import partial
from pathlib import Path

from .._core import Content, DataSet, File, StandIn
from .._made_texts import made_texts

_HOME = "https://github.com/cjhutto/vaderSentiment"
_HOST = (
    "https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/additional_resources/"
    "hutto_ICWSM_2014"
)
_CITATION = (
    "Hutto, Gilbert: VADER: a parsimonious rule-based model for sentiment analysis of social media "
    "text, ICWSM 2014, https://doi.org/10.1609/icwsm.v8i1.14550"
)


def _prepare(name: str, folder: Path) -> Content:
    import pandas as pd

    text = (folder / name).read_bytes().decode("latin-1")
    rows = [line.rstrip("\r").split("\t", 2) for line in text.split("\n") if line.strip()]
    frame = pd.DataFrame(rows, columns=["id", "rating", "text"])
    return {"frame": frame.astype({"rating": float})}


def make(offset: int, seed: int) -> Content:
    """Texts made by rule, rated by imagined people, in the columns of the real table.

    Args:
        offset: another one for each kind of text.
        seed: of the generator.

    Returns:
        `frame`: table with the columns `id`, `rating` and `text`.
    """
    import pandas as pd

    texts, ratings = zip(*made_texts(seed + offset), strict=True)
    ids = [str(i + 1) for i in range(len(texts))]
    return {"frame": pd.DataFrame({"id": ids, "rating": ratings, "text": texts})}


def _date(number: int) -> str:
    minutes = 22 * 60 + 19 + number
    clock = f"{minutes // 60 % 24:02}:{minutes % 60:02}:{number * 7 % 60:02}"
    return f"Apr {6 + minutes // 1440:02} {clock} PDT 2009"


def _table(texts: list[tuple[str, float]], rng: random.Random, neutral: bool) -> bytes:
    """Write texts as Sentiment140 does: six columns, no header, sorted by label, Latin-1."""
    rows = []
    for number, (text, rating) in enumerate(texts):
        label = 0 if rating < -0.5 else 4 if rating > 0.5 else 2
        if label == 2 and not neutral:
            label = 0 if rating < 0 else 4  # an emoticon was set although nobody would know why
        user = f"{rng.choice(('sun', 'rain', 'cat', 'tea', 'bike'))}_{rng.randrange(1000):03}"
        rows.append((label, 1_467_810_000 + 17 * number, _date(number), "NO_QUERY", user, text))
    rows.sort(key=lambda row: row[0])
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("latin-1")


def toy_tweets(seed: int = 0, rows: int = 2000) -> Content:
    """Make two files in the form of Sentiment140, of texts made by rule.

    Args:
        seed: of the generator.
        rows: of the file for training; as many negative as positive ones are kept.

    Returns:
        `train_csv`: bytes with the labels 0 and 4, in equal numbers; `test_csv`: bytes with the
        labels 0, 2 and 4. Both are Latin-1 without a header, sorted by label.

    Raises:
        ValueError: for fewer than ten rows.
    """
    if rows < 10:
        raise ValueError(f"toy_tweets needs at least 10 rows, got {rows}")
    rng = random.Random(seed)
    texts = made_texts(seed + 100, rows)
    bad = [pair for pair in texts if pair[1] < 0]
    good = [pair for pair in texts if pair[1] >= 0]
    count = min(len(bad), len(good))
    balanced = [pair for both in zip(bad[:count], good[:count], strict=True) for pair in both]
    return {
        "train_csv": _table(balanced, rng, neutral=False),
        "test_csv": _table(made_texts(seed + 200, max(10, rows // 5)), rng, neutral=True),
    }


def _rated(name: str, title: str, kind: str, file: tuple[str, str, int], offset: int) -> DataSet:
    path, sha256, size = file
    return DataSet(
        name=name,
        title=title,
        home=_HOME,
        licence="MIT",
        citation=_CITATION,
        prepare=partial(_prepare, path),
        files=(File(path, (f"{_HOST}/{path}",), sha256, size, f"vader/{path}"),),
        standin=StandIn(
            partial(make, offset),
            f"short texts made by rule, in place of {kind}",
            f"results are not {title} results",
        ),
    )


DATASETS = (
    _rated(
        "rated_tweets",
        "rated tweets",
        "tweets",
        (
            "tweets_GroundTruth.txt",
            "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
            389_886,
        ),
        0,
    ),
    _rated(
        "rated_film_reviews",
        "rated film reviews",
        "sentences of film reviews",
        (
            "movieReviewSnippets_GroundTruth.txt",
            "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
            1_383_098,
        ),
        1,
    ),
    _rated(
        "rated_product_reviews",
        "rated product reviews",
        "sentences of product reviews",
        (
            "amazonReviewSnippets_GroundTruth.txt",
            "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
            373_157,
        ),
        2,
    ),
    _rated(
        "rated_editorials",
        "rated editorials",
        "sentences of editorials",
        (
            "nytEditorialSnippets_GroundTruth.txt",
            "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
            607_629,
        ),
        3,
    ),
    DataSet(
        name="toy_tweets",
        title="toy tweets",
        home="http://help.sentiment140.com/for-students",
        licence="same as the course",
        citation=(
            "texts made by rule; the form of the file after Go, Bhayani, Huang: Twitter sentiment "
            "classification using distant supervision, Stanford 2009"
        ),
        prepare=lambda folder: toy_tweets(),
        bundled="generated",
        extent=lambda content: f"{len(content['train_csv'].splitlines()):,} lines for training",
    ),
)
