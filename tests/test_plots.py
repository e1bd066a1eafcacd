"""What the drawings show: lines, texts, colours."""

import pytest
import torch

from helpers import plots


def test_autograd_graph_draws_each_function_and_leaf_once():
    x, y, z = (torch.tensor(v, requires_grad=True) for v in (1.0, 2.0, 3.0))
    ax = plots.autograd_graph((x + y) * (y - z), {"x": x, "y": y, "z": z})
    assert sorted(t.get_text() for t in ax.texts) == ["Add", "Mul", "Sub", "x", "y", "z"]
    with pytest.raises(ValueError, match="no grad_fn"):
        plots.autograd_graph(torch.ones(1))


def test_storage_drawing_shows_view_and_storage():
    figure = plots.storage(torch.arange(8).view(4, 2).t())
    top, bottom = figure.axes
    assert [t.get_text() for t in top.texts] == ["0", "2", "4", "6", "1", "3", "5", "7"]
    assert [t.get_text() for t in bottom.texts[::2]] == [str(i) for i in range(8)]
    with pytest.raises(ValueError, match="1-D and 2-D"):
        plots.storage(torch.zeros(2, 2, 2))


def test_plots_name_mistakes():
    with pytest.raises(KeyError, match="no column 'val_loss'"):
        plots.history([{"epoch": 1, "train_loss": 1.0}])
    with pytest.raises(ValueError, match=r"got \(2, 5, 4, 4\)"):
        plots.images(torch.zeros(2, 5, 4, 4))
    with pytest.raises(ValueError, match="up to 3"):
        plots.cells(torch.zeros(1, 1, 1, 1))
    with pytest.raises(KeyError, match="unknown node"):
        plots.graph({"a": (0, 0)}, [("a", "b")])


def test_network_draws_each_weight_once():
    ax = plots.network((3, 4, 2), labels=[["a", "b", "c"], None, None], titles=("in", "h", "out"))
    assert len(ax.lines) == 3 * 4 + 4 * 2
    assert len(ax.patches) == 9
    assert [text.get_text() for text in ax.texts].count("⋮") == 0
    wide = plots.network((784, 2), max_units=6)
    assert len(wide.patches) == 8
    assert [text.get_text() for text in wide.texts] == ["⋮"]
    with pytest.raises(ValueError, match="at least two"):
        plots.network((3,))
    with pytest.raises(ValueError, match="one entry for each of 2 layers"):
        plots.network((3, 1), titles=("only one",))


def test_decision_regions_show_the_predicted_class():
    points, target = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    sign = torch.nn.Linear(2, 1)
    with torch.no_grad():
        sign.weight.copy_(torch.tensor([[1.0, 0.0]]))
        sign.bias.zero_()
    sign.train()
    shown = plots.decision_regions(sign, points, target, resolution=10).images[0].get_array()
    assert (shown[:, :5] == 0).all()
    assert (shown[:, 5:] == 1).all()
    assert sign.training
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        plots.decision_regions(sign, torch.zeros(4, 3), torch.zeros(4))


def test_images_takes_grey_and_colour():
    assert len(plots.images(torch.rand(5, 8, 8), columns=3).axes) == 6
    assert len(plots.images(torch.rand(2, 3, 8, 8), titles=["a", "b"]).axes) == 2
