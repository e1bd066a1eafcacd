"""Cora and CiteSeer: papers, the words in them, and which paper cites which.

Content: `x`: float32 (N, F), 1 where a word of the list occurs in the paper; `edge_index`: int64
(2, E), each citation in both directions, without self-loops, sorted; `y`: int64 (N,), the field;
`train_mask`, `val_mask`, `test_mask`: bool (N,), the public split: 20 papers a class, 500, 1,000.

The files are pickles of Python 2. A pickle is a program, so they are read only after their
SHA-256 matched, and by an unpickler that knows arrays of numbers, sparse matrices, lists and
dictionaries, makes them itself, and refuses every other name. Order and split are those of PyTorch
Geometric's `Planetoid`: the rows of the test part lie in the order of `test.index`. Fifteen test
papers of CiteSeer have no words, no citations and no label; as there they get zeros, and the label
0.
"""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .._core import Content, DataError, DataSet, File, StandIn

if TYPE_CHECKING:
    import numpy as np

_HOST = "https://github.com/kimiyoung/planetoid/raw/master/data"
_VALIDATION = 500
# The four communities that a method based on modularity finds in Zachary's club, with the one
# labelled member of each: those of PyTorch Geometric's `KarateClub`.
_KARATE_Y = "1111333101311100310101002200200200"
_KARATE_TRAIN = (0, 4, 8, 24)


# What a file of numbers may hold. Others, above all Python objects ("O"), are memory addresses.
_CODES = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


class _Code:
    """Takes the place of `numpy.dtype` in a pickle: the code of a plain number, and its order."""

    def __init__(self, code: str, *_flags: object) -> None:
        if code not in _CODES:
            raise pickle.UnpicklingError(f"it names the numbers {code!r}, which no data need")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if len(state) < 5 or state[1] not in "<>=|" or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("it has numbers with parts, which no data need")
        self.order = state[1]


class _Array:
    """Takes the place of an array: its numbers are copied out of the bytes, within bounds."""

    def __init__(self, *_start: object) -> None: ...

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        import numpy as np

        _, shape, code, by_columns, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        numbers = np.frombuffer(raw, np.dtype(code.order + code.code))
        self.plain = numbers.reshape(shape, order="F" if by_columns else "C").copy()


class _Sparse:
    """Takes the place of a sparse matrix: it is made anew, and its indices are checked."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        from scipy.sparse import csr_matrix

        parts = tuple(state[part].plain for part in ("data", "indices", "indptr"))
        self.plain = csr_matrix(parts, shape=state["_shape"])
        self.plain.check_format(full_check=True)


def _plain(held: Any) -> Any:
    """Arrays and sparse matrices in the place of what stood for them."""
    if isinstance(held, (_Array, _Sparse)):
        return held.plain
    if isinstance(held, list):
        return [_plain(part) for part in held]
    if isinstance(held, dict):
        return {key: _plain(part) for key, part in held.items()}
    return held


class _ArraysOnly(pickle.Unpickler):
    """Reads arrays, sparse matrices, lists and dictionaries, and runs nothing else.

    NumPy's own functions for pickles are not called: given forged arguments they make arrays over
    memory that is none of theirs.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle may name; Python 2 called `builtins` `__builtin__`."""
        import collections

        allowed: dict[tuple[str, str], Any] = {
            ("collections", "defaultdict"): collections.defaultdict
        }
        for builtins in ("builtins", "__builtin__"):
            allowed |= {(builtins, "list"): list, (builtins, "dict"): dict}
        for core in ("numpy.core", "numpy._core"):
            allowed[f"{core}.multiarray", "_reconstruct"] = _Array
        for sparse in ("scipy.sparse.csr", "scipy.sparse._csr"):
            allowed[sparse, "csr_matrix"] = _Sparse
        allowed |= {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Code}
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no data need")
        return allowed[module, name]


def read_pickle(stream: IO[bytes], what: str) -> Any:
    """Read a pickle of arrays of numbers, sparse matrices, lists and dictionaries, and no other.

    Args:
        stream: an open binary file.
        what: its name, for the error.

    Returns:
        The object; text of Python 2 is read as Latin-1.

    Raises:
        DataError: it names anything else, for instance a function to call, or is damaged.

    Example:
        >>> import io, pickle
        >>> read_pickle(io.BytesIO(pickle.dumps({0: [1, 2]})), "a graph")
        {0: [1, 2]}
    """
    try:
        return _plain(_ArraysOnly(stream, encoding="latin1").load())
    except Exception as error:  # a damaged pickle may raise nearly anything
        cause = str(error) or type(error).__name__
        raise DataError(what, f"no pickle of plain arrays: {cause}", "Fetch it again.") from error


def _edges(graph: dict[int, list[int]]) -> np.ndarray:
    """Both directions of all edges, int64 (2, E), each once, without self-loops, sorted."""
    import numpy as np

    pairs = {(u, v) for u, ends in graph.items() for v in ends if u != v}
    both = sorted(pairs | {(v, u) for u, v in pairs})
    return np.array(both, dtype=np.int64).T


def _prepare(folder: Path, name: str) -> Content:
    import numpy as np

    def read(part: str) -> Any:
        with open(folder / f"ind.{name}.{part}", "rb") as stream:
            return read_pickle(stream, f"ind.{name}.{part}")

    order = np.loadtxt(folder / f"ind.{name}.test.index", dtype=np.int64)
    # The rows of tx belong to the papers of test.index, one by one; what is missing stays zero.
    first, known = int(order.min()), read("allx")
    count = int(order.max()) + 1
    if first != known.shape[0]:
        raise DataError(f"ind.{name}.allx", "its rows do not fit test.index", "Fetch it again.")
    x = np.zeros((count, known.shape[1]), dtype=np.float32)
    one_hot = np.zeros((count, read("y").shape[1]))
    x[:first], one_hot[:first] = known.toarray(), read("ally")
    x[order], one_hot[order] = read("tx").toarray(), read("ty")
    train = len(read("y"))
    parts = (range(train), range(train, train + _VALIDATION), order)
    return _content(x, _edges(read("graph")), one_hot.argmax(axis=1), parts)


def _content(x: np.ndarray, edges: np.ndarray, y: np.ndarray, parts: Any) -> Content:
    import torch

    content: Content = {
        "x": torch.from_numpy(x),
        "edge_index": torch.from_numpy(edges),
        "y": torch.from_numpy(y).long(),
    }
    for part, rows in zip(("train", "val", "test"), parts, strict=True):
        mask = torch.zeros(len(y), dtype=torch.bool)
        mask[torch.as_tensor(list(rows))] = True
        content[f"{part}_mask"] = mask
    return content


def make(seed: int) -> Content:
    """Zachary's karate club: 34 members, who meets whom outside of the club, 4 communities.

    Graph, labels and the four training nodes are those of PyTorch Geometric's `KarateClub`; there
    are no features, so `x` is the identity. Ten of the others are for validation, 20 for the test.

    Args:
        seed: draws the validation nodes.
    """
    import networkx as nx
    import numpy as np

    club = nx.karate_club_graph()
    y = np.array([int(label) for label in _KARATE_Y])
    rest = [node for node in range(len(y)) if node not in _KARATE_TRAIN]
    rest = np.random.default_rng(seed).permutation(rest).tolist()
    edges = _edges({node: list(club[node]) for node in club})
    return _content(
        np.eye(len(y), dtype=np.float32), edges, y, (_KARATE_TRAIN, rest[:10], rest[10:])
    )


def _extent(content: Content) -> str:
    nodes, features = content["x"].shape
    entries = content["edge_index"].shape[1]
    return f"{nodes:,} nodes × {features:,} features, {entries:,} edge entries"


def _planetoid(name: str, title: str, files: dict[str, tuple[str, int]]) -> DataSet:
    return DataSet(
        name=name,
        title=title,
        home="https://github.com/kimiyoung/planetoid",
        licence="MIT (the repository); the collectors of the papers state none",
        citation=(
            "Sen et al.: Collective classification in network data, AI Magazine 29 (2008); the "
            "split after Yang, Cohen, Salakhutdinov: Revisiting semi-supervised learning with "
            "graph embeddings, ICML 2016, https://arxiv.org/abs/1603.08861"
        ),
        prepare=partial(_prepare, name=name),
        files=tuple(
            File(file, (f"{_HOST}/{file}",), sha256, size, f"planetoid/{file}")
            for file, (sha256, size) in files.items()
        ),
        standin=StandIn(
            make,
            "Zachary's karate club with 4 communities",
            f"results are not {title} results",
        ),
        extent=_extent,
    )


DATASETS = (
    _planetoid(
        "cora",
        "Cora",
        {
            "ind.cora.allx": (
                "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                257_305,
            ),
            "ind.cora.ally": (
                "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                47_959,
            ),
            "ind.cora.graph": (
                "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                59_847,
            ),
            "ind.cora.test.index": (
                "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
                5_000,
            ),
            "ind.cora.tx": (
                "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                148_025,
            ),
            "ind.cora.ty": (
                "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                28_135,
            ),
            "ind.cora.x": (
                "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                22_119,
            ),
            "ind.cora.y": (
                "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                4_054,
            ),
        },
    ),
    _planetoid(
        "citeseer",
        "CiteSeer",
        {
            "ind.citeseer.allx": (
                "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                595_021,
            ),
            "ind.citeseer.ally": (
                "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
                55_623,
            ),
            "ind.citeseer.graph": (
                "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                61_987,
            ),
            "ind.citeseer.test.index": (
                "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
                5_000,
            ),
            "ind.citeseer.tx": (
                "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
                260_321,
            ),
            "ind.citeseer.ty": (
                "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
                24_135,
            ),
            "ind.citeseer.x": (
                "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
                31_087,
            ),
            "ind.citeseer.y": (
                "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
                3_014,
            ),
        },
    ),
)
