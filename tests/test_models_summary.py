"""Tables of layers: the rows of any model add up to its total, and looking changes nothing."""

import re
import sys

import pytest
import torch
from torch import nn

from helpers import models


def numbers(text):
    """Return the parameters of the rows and the total."""
    *rows, total = [int(n.replace(",", "")) for n in re.findall(r" ([\d,]+)$", text, re.M)]
    return rows, total


def test_summarize_agrees_with_the_count_and_restores_the_mode():
    model = models.MnistCNN().train()
    text = models.summarize(model, torch.zeros(1, 1, 28, 28))
    assert "(1, 64, 24, 24)" in text
    assert text.splitlines()[-1].split() == ["total", "1,199,882"]
    assert model.training


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, 2))
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        return self.head(x @ self.w)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(4, 2)

    def forward(self, x, *, z):
        return {"sum": self.a(x) + self.b(z), "parts": [x, None]}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(self.embed(x))


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 2)

    def forward(self, x):
        state = None
        for step in x:
            state = self.cell(step, state)
        return state


shared = nn.Linear(4, 4)
any_size = nn.Conv2d(1, 1, 3)
MODELS = {
    "one layer": (nn.Linear(3, 2), torch.zeros(1, 3)),
    "by hand": (ByHand(), torch.zeros(1, 3)),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.zeros(1, 3, 8)),
    "shared": (nn.Sequential(shared, nn.ReLU(), shared), torch.zeros(1, 4)),
    "two shapes": (nn.Sequential(any_size, any_size), torch.zeros(1, 1, 9, 9)),
    "tied": (Tied(), torch.zeros(1, 3, dtype=torch.long)),
    "dictionary": (Two(), {"x": torch.zeros(1, 3), "z": torch.zeros(1, 4)}),
    "several": (nn.MultiheadAttention(8, 2), (torch.zeros(3, 1, 8),) * 3),
    "cell": (Cell(), torch.zeros(50, 1, 3)),
    "lazy": (nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d()), torch.zeros(2, 4)),
    "no layer": (nn.Identity(), torch.zeros(1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_rows_add_up_to_the_total(name):
    model, example = MODELS[name]
    text = models.summarize(model, example)
    rows, total = numbers(text)
    assert sum(rows) == total == models.count_parameters(model)
    assert len({len(line) for line in text.splitlines()}) == 1  # columns stay columns
    assert not any(module._forward_hooks for module in model.modules())


def summary_of(name):
    return [line.split(maxsplit=2) for line in models.summarize(*MODELS[name]).splitlines()[1:-1]]


def test_rows_name_what_the_layers_return():
    assert summary_of("one layer") == [["(model)", "Linear", "(1, 2)                 8"]]
    assert summary_of("dictionary")[0] == ["a", "Linear", "(1, 2)                 8"]
    lstm = models.summarize(nn.LSTM(10, 20, 2), torch.zeros(5, 3, 10))
    assert "((5, 3, 20), ((2, 3, 20), (2, 3, 20)))" in lstm
    (row,) = summary_of("cell")
    assert row[2].startswith("((1, 2), (1, 2)) ×50 ")
    assert "{'sum': (1, 2), 'parts': [(1, 3), None]}" in whole_model(Two(), MODELS["dictionary"][1])


def whole_model(model, example):
    model.own = nn.Parameter(torch.zeros(1))  # so that the model itself has a row
    return models.summarize(model, example)


def test_layers_and_parameters_used_twice_are_counted_once():
    first, _ = summary_of("shared")
    assert first[2].split() == ["(1,", "4)", "×2", "20"]
    first, second = summary_of("two shapes")
    assert (first[2].split()[-1], second[2].split()[-1]) == ("10", "shared")
    embed, out = summary_of("tied")
    assert (embed[2].split()[-1], out[2].split()[-1]) == ("20", "shared")


def test_parameters_outside_of_layers_have_a_row():
    head, own = summary_of("by hand")
    assert (head[0], own[0], own[2].split()[-1]) == ("head", "(model)", "6")
    # Attention reads the weights of its projection without calling it.
    assert summary_of("several")[-1][0] == "out_proj"
    assert summary_of("several")[-1][2].split() == ["–", "72"]


def test_lazy_layers_train_after_a_summary():
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"0\.weight belongs to a lazy layer.*run a batch"):
        models.count_parameters(model)
    models.summarize(model, torch.ones(6, 4))
    model(torch.ones(6, 4)).sum().backward()
    assert model[0].weight.grad is not None


def test_what_a_model_keeps_from_the_summarys_call_can_be_trained_with():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.steps = nn.Linear(1, 1), None

        def forward(self, x):
            self.steps = torch.arange(len(x)) + 1.0 if self.steps is None else self.steps
            return self.scale(x) * self.steps[:, None]

    model = Keeps()
    models.summarize(model, torch.ones(2, 1))
    model(torch.ones(2, 1)).sum().backward()
    assert model.scale.weight.grad.item() == 3


def test_a_frozen_part_keeps_its_mode_and_a_failing_model_keeps_no_hook():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    model[1].eval()
    models.summarize(model, torch.zeros(2, 4))
    assert [part.training for part in model] == [True, False, True]
    with pytest.raises(RuntimeError):
        models.summarize(model, torch.zeros(2, 3))
    assert [part.training for part in model] == [True, False, True]
    assert not any(part._forward_hooks for part in model)


def test_source_shows_the_definition():
    assert models.source(models.LeNet).data.startswith("class LeNet(nn.Module):")


def test_source_names_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # as where it is not installed
    with pytest.raises(ModuleNotFoundError, match="pip install ipython"):
        models.source(models.LeNet)
