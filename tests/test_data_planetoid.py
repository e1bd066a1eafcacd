"""Cora and CiteSeer: the reader that runs no code, the order of the test papers, the stand-in."""

from __future__ import annotations

import io
import os
import pickle
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from data_scripts import REGISTRY, DataError, load
from data_scripts.sets.planetoid import read_pickle

WORDS, CLASSES, KNOWN, TRAIN = 6, 3, 520, 3
ORDER = [523, 520, 524, 521]  # 522 is missing: a paper of which nothing is known


def _write(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Write a made data set in the form of Planetoid; return what its files hold."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(CLASSES, dtype=np.int32)
    held = {
        "allx": (rng.random((KNOWN, WORDS)) < 0.3).astype(np.float32),
        "ally": one_hot[rng.integers(CLASSES, size=KNOWN)],
        "tx": (rng.random((len(ORDER), WORDS)) < 0.5).astype(np.float32),
        "ty": one_hot[[2, 1, 0, 2]],
    }
    held |= {"x": held["allx"][:TRAIN], "y": held["ally"][:TRAIN]}
    graph: dict[int, list[int]] = defaultdict(list)
    graph |= {0: [1, 1, 0, 523], 1: [0], 523: [0], 524: [2]}  # double, a loop, one direction
    for part, array in held.items():
        content = csr_matrix(array) if part.endswith("x") else array
        (folder / f"ind.{name}.{part}").write_bytes(pickle.dumps(content, protocol=3))
    (folder / f"ind.{name}.graph").write_bytes(pickle.dumps(graph, protocol=3))
    (folder / f"ind.{name}.test.index").write_text("\n".join(map(str, ORDER)) + "\n")
    return held


def test_test_papers_stand_where_the_index_says(tmp_path: Path) -> None:
    held = _write(tmp_path, "citeseer")
    content = REGISTRY["citeseer"].prepare(tmp_path)
    assert content["x"].shape == (525, WORDS)
    for row, node in enumerate(ORDER):
        assert content["x"][node].tolist() == held["tx"][row].tolist()
        assert content["y"][node] == held["ty"][row].argmax()
    assert content["x"][522].sum() == 0
    assert content["x"][:KNOWN].numpy().tolist() == held["allx"].tolist()
    assert content["y"][:KNOWN].tolist() == held["ally"].argmax(axis=1).tolist()
    assert content["train_mask"].nonzero().flatten().tolist() == [0, 1, 2]
    assert content["val_mask"].nonzero().flatten().tolist() == list(range(3, 503))
    assert content["test_mask"].nonzero().flatten().tolist() == sorted(ORDER)
    edges = [tuple(pair) for pair in content["edge_index"].T.tolist()]
    assert edges == [(0, 1), (0, 523), (1, 0), (2, 524), (523, 0), (524, 2)]


class _Forged:
    def __init__(self, call: object, *args: object) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> tuple:
        return self.call, self.args


@pytest.mark.parametrize(
    "call", [(os.system, "true"), (eval, "1 + 1"), (partial, print), (getattr, [], "append")]
)
def test_a_pickle_that_names_a_function_is_refused(call: tuple, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which no data need"):
        read_pickle(io.BytesIO(pickle.dumps({0: [_Forged(*call)]}, protocol=3)), "a file")
    _write(tmp_path, "cora")
    (tmp_path / "ind.cora.ally").write_bytes(pickle.dumps(_Forged(*call), protocol=3))
    with pytest.raises(DataError, match=r"ind\.cora\.ally: no pickle of plain arrays"):
        REGISTRY["cora"].prepare(tmp_path)


def test_numbers_come_back_as_they_were() -> None:
    held = {
        "big": np.arange(6, dtype=">i2").reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "lists": {0: [1, 2], 1: []},
        "rows": csr_matrix(np.eye(3, dtype=np.float32)),
    }
    read = read_pickle(io.BytesIO(pickle.dumps(held, protocol=3)), "a file")
    for key in ("big", "columns"):
        assert read[key].dtype == held[key].dtype
        assert read[key].tolist() == held[key].tolist()
    assert read["lists"] == held["lists"]
    assert read["rows"].toarray().tolist() == held["rows"].toarray().tolist()


def test_memory_that_is_not_the_files_is_never_read() -> None:
    outside = csr_matrix(np.eye(3, dtype=np.float32))
    outside.indices[0] = 1_000_000  # `toarray` would write there
    for forged in (
        _Forged(np.ndarray, (1,), np.dtype("O"), b"\x41" * 8),  # an object at any address
        np.array([[], {}], dtype=object),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f4")]),
        np.array(["text"]),
        outside,
    ):
        with pytest.raises(DataError, match="a file: no pickle of plain arrays"):
            read_pickle(io.BytesIO(pickle.dumps({0: [forged]}, protocol=3)), "a file")


def test_a_pickle_that_was_cut_anywhere_raises_nothing_but_data_error() -> None:
    held = {"a": np.arange(6), "m": csr_matrix(np.eye(3, dtype=np.float32)), "g": {0: [1, 2]}}
    whole = pickle.dumps(held, protocol=3)
    for length in range(len(whole)):
        with pytest.raises(DataError, match="a file: no pickle of plain arrays"):
            read_pickle(io.BytesIO(whole[:length]), "a file")


def test_a_damaged_pickle_is_named() -> None:
    whole = pickle.dumps([1, 2, 3], protocol=3)
    for broken in (b"", whole[:-3], b"no pickle"):
        with pytest.raises(DataError, match="a file: no pickle"):
            read_pickle(io.BytesIO(broken), "a file")


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    held = _write(tmp_path, "cora")
    shorter = csr_matrix(held["allx"][:-1])
    (tmp_path / "ind.cora.allx").write_bytes(pickle.dumps(shorter, protocol=3))
    with pytest.raises(DataError, match=r"ind\.cora\.allx"):
        REGISTRY["cora"].prepare(tmp_path)


@pytest.mark.filterwarnings("ignore")  # of the import, about torch.jit
def test_standin_is_the_karate_club_of_the_library() -> None:
    from torch_geometric.datasets import KarateClub

    club, content = KarateClub()[0], load("cora", "standin")
    for key in ("x", "y", "edge_index", "train_mask"):
        assert torch.equal(club[key], content[key]), key
    parts = [content[f"{part}_mask"] for part in ("train", "val", "test")]
    assert [int(part.sum()) for part in parts] == [4, 10, 20]
    assert torch.stack(parts).sum(dim=0).tolist() == [1] * 34
