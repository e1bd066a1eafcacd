"""Tools that tell a wrong model from a right one."""

import pytest
import torch
from torch import nn

from helpers import debug, models


def test_overfit_batch_tells_a_right_model_from_a_wrong_one():
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randint(3, (16,))
    good = debug.overfit_batch(models.MLP((4, 64, 3)), (x, y), nn.CrossEntropyLoss(), lr=0.02)
    assert good[-1] < 0.02 * good[0]

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = models.MLP((4, 64, 3))
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.layer(x).detach() * self.scale

    bad = debug.overfit_batch(Cut(), (x, y), nn.CrossEntropyLoss(), lr=0.02)
    assert bad[-1] > 0.3 * bad[0]


def test_grad_report_names_problems():
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    model["frozen"] = nn.Linear(1, 1).requires_grad_(False)
    model["used"](torch.ones(1, 2)).sum().backward()
    model["used"].bias.grad[0] = float("inf")
    report = debug.grad_report(model).set_index("parameter")["problem"]
    assert report.to_dict() == {
        "used.weight": "", "used.bias": "not finite",
        "unused.weight": "no gradient", "unused.bias": "no gradient",
        "frozen.weight": "frozen", "frozen.bias": "frozen",
    }  # fmt: skip


def test_activation_recorder_leaves_no_hook():
    model = models.LeNet()
    with debug.ActivationRecorder(model, ["conv1"]) as seen:
        model(torch.zeros(2, 1, 28, 28))
    assert seen.outputs["conv1"].shape == (2, 6, 28, 28)
    assert not model.conv1._forward_hooks
    with pytest.raises(KeyError, match="no layer 'conv9'"):
        debug.ActivationRecorder(model, ["conv9"])


def test_grad_report_tells_zero_from_missing_and_compares_norms():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
        model[1].weight.zero_()  # so that nothing reaches the first layer
    model(torch.tensor([[1.0, 1.0]])).sum().backward()
    report = debug.grad_report(model).set_index("parameter")
    assert report["problem"].to_dict() == {"0.weight": "all zero", "1.weight": "", "1.bias": ""}
    assert report["shape"].tolist() == [(2, 2), (1, 2), (1,)]
    assert report.loc["0.weight", "weight norm"] == 5
    assert report.loc["1.weight", "grad norm"] == 5  # the outputs (3, 4) of the first layer
    bias = report.loc["1.bias"]
    assert bias["grad / weight"] == pytest.approx(1 / bias["weight norm"])


def test_activation_recorder_keeps_every_layer_without_parts():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 1)))
    x = torch.randn(5, 3)
    with debug.ActivationRecorder(model) as seen:
        y = model(x)
    assert list(seen.outputs) == ["0", "1.0", "1.1"]
    torch.testing.assert_close(seen.outputs["1.0"], model[0](x).relu())
    torch.testing.assert_close(seen.outputs["1.1"], y)
