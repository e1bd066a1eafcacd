"""Splits, the loader of whole tensors, and loading with one line of provenance."""

import math
from time import perf_counter

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import data


def test_split_is_disjoint_complete_and_reproducible():
    parts = data.split(101, (0.6, 0.2, 0.2), seed=1)
    assert sorted(torch.cat(parts).tolist()) == list(range(101))
    again = data.split(101, (0.6, 0.2, 0.2), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))
    rows = TensorDataset(torch.arange(10))
    assert [len(p) for p in data.split(rows, (0.5, 0.5), seed=0)] == [5, 5]
    with pytest.raises(ValueError, match="add up to 1"):
        data.split(10, (0.5, 0.4), seed=0)
    with pytest.raises(ValueError, match="non-empty"):
        data.split(3, (0.9, 0.1), seed=0)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("drop_last", [False, True])
def test_tensor_loader_hands_out_each_row_once(rows, drop_last):
    x = torch.arange(rows)
    loader = data.TensorLoader(x, x * 2, batch_size=8, shuffle=True, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader) == (rows // 8 if drop_last else math.ceil(rows / 8))
    seen = torch.cat([a for a, _ in batches]) if batches else torch.empty(0)
    assert all(torch.equal(b, a * 2) for a, b in batches)
    assert len(seen.unique()) == len(seen) == (rows - rows % 8 if drop_last else rows)
    assert rows < 64 or seen.tolist() != list(range(len(seen)))


def test_tensor_loader_order_and_skip(monkeypatch):
    monkeypatch.setattr(data, "_PIECE_BATCHES", 3)  # so that several pieces are gathered
    x = torch.arange(100)

    def loader():
        generator = torch.Generator().manual_seed(0)
        return data.TensorLoader(x, batch_size=8, shuffle=True, generator=generator)

    whole = [b[0] for b in loader()]
    for skip in (0, 1, 5, 12, 13):
        rest = [b[0] for b in loader().batches(skip=skip)]
        assert len(rest) == 13 - skip
        assert all(torch.equal(a, b) for a, b in zip(whole[skip:], rest, strict=True))
    in_order = data.TensorLoader(x, batch_size=8)
    assert torch.equal(torch.cat([b[0] for b in in_order]), x)


def test_tensor_loader_transform_and_mistakes():
    x, y = torch.zeros(5, 2), torch.arange(5)
    loader = data.TensorLoader(x, y, batch_size=2, transform=lambda a, b: (a + 1, b))
    assert all(bool((a == 1).all()) for a, _ in loader)
    with pytest.raises(ValueError, match=r"same length, got \[5, 4\]"):
        data.TensorLoader(x, y[:4], batch_size=2)
    with pytest.raises(ValueError, match="batch_size"):
        data.TensorLoader(x, y, batch_size=0)
    with pytest.raises(ValueError, match="at least one tensor"):
        data.TensorLoader(batch_size=2)


def test_tensor_loader_is_five_times_as_fast_as_a_dataloader():
    x, y = torch.randn(2000, 64), torch.randint(10, (2000,))
    loaders = {
        "slow": DataLoader(TensorDataset(x, y), 32, shuffle=True),
        "fast": data.TensorLoader(x, y, batch_size=32, shuffle=True),
    }
    best = dict.fromkeys(loaders, math.inf)
    # In turn, and for as long as a busy machine needs to give each one undisturbed round.
    for _ in range(100):
        for name, loader in loaders.items():
            start = perf_counter()
            for _batch in loader:
                pass
            best[name] = min(best[name], perf_counter() - start)
        if best["slow"] > 5 * best["fast"]:
            break
    assert best["slow"] > 5 * best["fast"]


def test_make_loaders_shuffles_training_and_nothing_else():
    rows = TensorDataset(torch.arange(100))

    def orders(seed):
        pair = data.make_loaders(rows, rows, batch_size=8, seed=seed)
        return [torch.cat([batch for (batch,) in loader]).tolist() for loader in pair]

    train, val = orders(seed=1)
    assert val == list(range(100))
    assert train != val
    assert sorted(train) == val
    assert orders(seed=1)[0] == train != orders(seed=2)[0]


def test_load_prints_where_the_data_came_from(capsys):
    loaded = data.load("mnist")
    line = capsys.readouterr().out
    assert line.startswith("mnist: STAND-IN")
    assert line.count("\n") == 1
    assert loaded["train_images"].dtype == torch.uint8
