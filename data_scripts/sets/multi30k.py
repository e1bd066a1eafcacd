"""Multi30k: captions of photographs in English and German, 29,000 + 1,014 + 1,000 pairs.

The stand-in is English and Russian, from the catalogues in which Django keeps the texts of its
pages: about 600 short pairs.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from .._core import Content, DataSet, File, StandIn

_HOST = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
# Line breaks, mark-up and places to fill in are of no use in a lesson on translation.
_UNWANTED = re.compile(r"[\n<>%{}]|https?:")
Pairs = list[tuple[str, str]]


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [line.strip() for line in text.removesuffix("\n").split("\n")]


def _prepare(folder: Path) -> Content:
    content: Content = {
        part: list(zip(_lines(folder / f"{name}.en"), _lines(folder / f"{name}.de"), strict=True))
        for part, name in _PARTS.items()
    }
    return {**content, "languages": ("English", "German")}


def read_catalogue(path: Path) -> Pairs:
    """Read a compiled gettext catalogue (`.mo`) as pairs of a message and its translation.

    Of a message with several plural forms the first one is taken; what tells equal messages
    apart, their context, is cut off.

    Example:
        >>> import django
        >>> folder = Path(django.__file__).parent / "contrib/sites/locale/ru/LC_MESSAGES"
        >>> ("domain name", "доменное имя") in read_catalogue(folder / "django.mo")
        True
    """
    import gettext

    with path.open("rb") as file:
        found = vars(gettext.GNUTranslations(file))["_catalog"]
    pairs = []
    for key, translation in found.items():
        message, form = key if isinstance(key, tuple) else (key, 0)
        if message and form == 0:
            pairs.append((message.split("\x04")[-1], translation))
    return pairs


def catalogues() -> Pairs:
    """English messages of Django with their Russian translations, each message once.

    They come in the order of the catalogues, so neighbours are often about one subject. Messages
    with line breaks, mark-up, addresses or places to fill in are left out, and those that are
    translated by themselves.
    """
    import django

    pairs: dict[str, tuple[str, str]] = {}
    root = Path(django.__file__).parent
    for path in sorted(root.glob("**/locale/ru/LC_MESSAGES/*.mo")):
        for message, translation in sorted(read_catalogue(path)):
            source, target = " ".join(message.split()), " ".join(translation.split())
            usable = source and target and not _UNWANTED.search(message + translation)
            if usable and source != target:
                pairs.setdefault(source.casefold(), (source, target))
    return list(pairs.values())


def standin(seed: int) -> Content:
    """Django's pairs in three parts, about 80 : 10 : 10; each source sentence is in one part."""
    pairs = catalogues()
    drawn = random.Random(seed).sample(range(len(pairs)), len(pairs) // 5)
    val, test = set(drawn[::2]), set(drawn[1::2])
    return {
        "train": [pair for i, pair in enumerate(pairs) if i not in val | test],
        "val": [pairs[i] for i in sorted(val)],
        "test": [pairs[i] for i in sorted(test)],
        "languages": ("English", "Russian"),
    }


def _file(name: str, size: int, sha256: str) -> File:
    return File(name, (f"{_HOST}/{name}.gz",), sha256, size, f"multi30k/{name}.gz", "gz")


DATASETS = (
    DataSet(
        name="multi30k",
        title="Multi30k",
        home="https://github.com/multi30k/dataset",
        licence="the captions: CC BY-NC-SA 4.0; research use",
        citation=(
            "Elliott, Frank, Sima'an, Specia: Multi30K: multilingual English-German image "
            "descriptions, 5th Workshop on Vision and Language 2016, "
            "https://doi.org/10.18653/v1/W16-3210"
        ),
        prepare=_prepare,
        files=(
            _file(
                "train.en",
                1_801_238,
                "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            ),
            _file(
                "train.de",
                2_110_398,
                "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
            ),
            _file(
                "val.en",
                63_297,
                "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            ),
            _file(
                "val.de",
                75_981,
                "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
            ),
            _file(
                "test_2016_flickr.en",
                62_076,
                "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
            ),
            _file(
                "test_2016_flickr.de",
                70_649,
                "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
            ),
        ),
        standin=StandIn(
            standin,
            "English-Russian pairs from Django's catalogues, in place of English-German captions",
            "results are not Multi30k results",
        ),
        extent=lambda content: (
            " + ".join(f"{len(content[part]):,}" for part in ("train", "val", "test")) + " pairs"
        ),
    ),
)
