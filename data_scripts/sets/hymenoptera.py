"""Ants and bees: 397 photographs of two classes, for training and for validation.

The set of PyTorch's tutorial on transfer learning. Its archive has one file more, a picture of
the words "image not found", which lies among the ants: whoever reads the folder has to find it.

Content: `files`, a list of encoded pictures (bytes); `names`, such as
`"train/ants/0013035.jpg"`, in the order of the files; `classes`, the two names.
"""

from __future__ import annotations

from pathlib import Path

from .._core import Archive, Content, DataSet, File, StandIn
from .._manifests import manifest

CLASSES = ("ants", "bees")


def _content(names: list[str], files: list[bytes]) -> Content:
    return {"files": files, "names": names, "classes": list(CLASSES)}


def _prepare(folder: Path) -> Content:
    files = [(folder / file.name).read_bytes() for file in _FILES]
    return _content([file.member.partition("/")[2] for file in _FILES], files)


def make(seed: int) -> Content:
    """Drawn ants and bees on photographs, in the numbers of the real set.

    Args:
        seed: of the generator.
    """
    import numpy as np

    from .._drawings import insect, no_picture

    rng = np.random.default_rng(seed)
    names, files = [], []
    counts = {"train": (123, 121), "val": (70, 83)}
    for part, numbers in counts.items():
        for kind, count in zip(CLASSES, numbers, strict=True):
            for index in range(count):
                names.append(f"{part}/{kind}/{index:03d}.jpg")
                files.append(insect(kind, rng))
    names.append("train/ants/imageNotFound.gif")
    files.append(no_picture())
    return _content(names, files)


_FILES = tuple(
    File(
        name.replace("/", "_"),
        (),
        sha256,
        size,
        f"hymenoptera/{name}",
        member=f"hymenoptera_data/{name}",
    )
    for name, size, sha256 in manifest("hymenoptera.tsv")
)

DATASETS = (
    DataSet(
        name="hymenoptera",
        title="Hymenoptera",
        home="https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html",
        licence="photographs of ImageNet, each under its author's licence; research and teaching",
        citation=(
            "Chilamkurthy: Transfer learning for computer vision, PyTorch tutorial (2017); "
            "Deng et al.: ImageNet: a large-scale hierarchical image database, CVPR (2009), "
            "https://doi.org/10.1109/CVPR.2009.5206848"
        ),
        prepare=_prepare,
        files=_FILES,
        standin=StandIn(
            make,
            "drawn ants and bees on photographs of scikit-image and scikit-learn",
            "results are not Hymenoptera results",
        ),
        archives=(
            Archive(
                "hymenoptera_data.zip",
                ("https://download.pytorch.org/tutorial/hymenoptera_data.zip",),
                47_286_322,
            ),
        ),
        extent=lambda content: f"{len(content['files'])} picture files",
    ),
)
