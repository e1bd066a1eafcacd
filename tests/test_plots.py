"""What the drawings show: lines, texts, colours."""

import matplotlib as mpl
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from torch import nn

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
    with pytest.raises(KeyError, match=r"no column 'val_loss'.*'train_loss'"):
        plots.history([{"epoch": 1, "train_loss": 1.0}])
    with pytest.raises(ValueError, match=r"got \(2, 5, 4, 4\)"):
        plots.images(torch.zeros(2, 5, 4, 4))
    with pytest.raises(ValueError, match="at least one picture"):
        plots.images(torch.zeros(0, 4, 4))
    with pytest.raises(ValueError, match="expected 2 titles, one a picture, got 1"):
        plots.images(torch.zeros(2, 4, 4), titles=["a"])
    with pytest.raises(ValueError, match="up to 3"):
        plots.cells(torch.zeros(1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"highlight of shape \(2, 3\), got \(3, 2\)"):
        plots.cells(torch.zeros(2, 3), highlight=torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(KeyError, match="unknown node"):
        plots.graph({"a": (0, 0)}, [("a", "b")])
    with pytest.raises(KeyError, match=r"no kind 'square'.*'operation'"):
        plots.graph({"a": (0, 0)}, [], kinds={"a": "square"})
    with pytest.raises(ValueError, match="same place"):
        plots.graph({"a": (0, 0), "b": (0, 0)}, [("a", "b")])
    with pytest.raises(ValueError, match="at least one node"):
        plots.graph({}, [])


def test_history_draws_each_column_against_its_epochs():
    records = [
        {"epoch": 1, "train_loss": 0.9, "val_loss": 1.1},
        {"epoch": 2, "train_loss": 0.5},
        {"epoch": 3, "train_loss": 0.2, "val_loss": 0.7},
    ]
    _, own = plt.subplots()
    ax = plots.history(records, ax=own, ylabel="MSE (m²)")
    train, val = ax.lines
    assert ax is own
    assert train.get_xydata().tolist() == [[1, 0.9], [2, 0.5], [3, 0.2]]
    assert val.get_xydata().tolist() == [[1, 1.1], [3, 0.7]]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["training loss", "validation loss"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "MSE (m²)")
    assert train.get_color() != val.get_color()


def test_history_takes_other_columns_and_a_logarithmic_axis():
    records = [{"epoch": epoch, "val_top_5": epoch / 9, "lr": 0.1} for epoch in range(1, 4)]
    linear = plots.history(records, ["val_top_5"])
    assert linear.get_yscale() == "linear"
    assert [line.get_label() for line in linear.lines] == ["validation top 5"]
    assert plots.history(records, ["lr"], log=True).get_yscale() == "log"


def written(ax):
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_cells_write_the_values_where_they_belong():
    ax = plots.cells(torch.tensor([[1.5, 2], [3, -4]]))
    expected = {(0.5, 0.5): "1.5", (1.5, 0.5): "2", (0.5, 1.5): "3", (1.5, 1.5): "-4"}
    assert written(ax) == expected
    assert ax.yaxis_inverted()  # the first row on top
    assert ax.get_title() == "shape (2, 2)"
    assert written(plots.cells(torch.tensor(2.0), fmt="{:.2f}")) == {(0.5, 0.5): "2.00"}


def test_cells_show_the_first_layer_in_front_and_fill_the_mask():
    mask = torch.zeros(2, 1, 2, dtype=torch.bool)
    mask[0, 0, 1] = mask[1, 0, 0] = True
    ax = plots.cells(torch.arange(4).view(2, 1, 2), highlight=mask, color=plots.RED)
    assert list(written(ax).values()) == ["0", "1"]
    filled = [to_hex(patch.get_facecolor()).upper() == plots.RED for patch in ax.patches]
    assert filled == [True, False, False, True]  # the layer behind is drawn first
    assert [patch.get_xy() for patch in ax.patches][2] == (0, 0)


def test_images_show_the_values_they_are_given():
    batch = torch.arange(2 * 4 * 6.0).view(2, 1, 4, 6)
    shown = [ax.images[0] for ax in plots.images(batch).axes]
    assert [picture.get_array().tolist() for picture in shown] == batch[:, 0].tolist()
    assert shown[0].cmap.name == "gray"
    colour = torch.rand(1, 3, 4, 6)
    picture = plots.images(colour, titles=["a"]).axes[0]
    assert picture.images[0].get_array().shape == (4, 6, 3)
    assert picture.images[0].get_array()[1, 2].tolist() == colour[0, :, 1, 2].tolist()
    assert picture.get_title() == "a"
    half = plots.images(torch.full((1, 2, 2), 0.5, dtype=torch.bfloat16)).axes[0].images[0]
    assert half.get_array().tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_symmetric_images_have_zero_in_the_middle():
    batch = torch.tensor([[[-1.0, 4.0]], [[0.0, 0.0]]])
    first, blank = (ax.images[0] for ax in plots.images(batch, symmetric=True).axes)
    assert first.get_clim() == (-4, 4)
    assert blank.get_clim() == (-1, 1)
    assert first.cmap.name == "RdBu_r"


def test_graph_draws_edges_between_the_borders_of_their_nodes():
    nodes = {"x": (0, 0), "f": (2, 0)}
    ax = plots.graph(
        nodes, [("x", "f")], kinds={"f": "operation"}, labels={"f": "×"}, backward=[("f", "x", "2")]
    )
    circle, square = (patch for patch in ax.patches if not isinstance(patch, FancyArrowPatch))
    assert isinstance(circle, Circle)
    assert circle.center == (0, 0)
    assert isinstance(square, Rectangle)
    forward, backward = (patch for patch in ax.patches if isinstance(patch, FancyArrowPatch))
    assert forward._posA_posB[0] == pytest.approx((0.34, 0))
    assert forward._posA_posB[1] == pytest.approx((1.66, 0))
    assert (forward.get_linestyle(), backward.get_linestyle()) == ("-", "--")
    assert to_hex(backward.get_edgecolor()).upper() == plots.RED
    assert [text.get_text() for text in ax.texts] == ["2", "x", "×"]


def test_autograd_graph_reads_from_left_to_right():
    w = torch.tensor(2.0, requires_grad=True)
    ax = plots.autograd_graph((w * 3 + w).exp(), {"w": w})
    x = {text.get_text(): text.get_position()[0] for text in ax.texts}
    # w is used by Mul and by Add: it lies one column behind the deeper one.
    assert x["w"] < x["Mul"] < x["Add"] < x["Exp"]
    assert x["Exp"] == pytest.approx(3 * (x["Mul"] - x["w"]))
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 4


def test_autograd_graph_puts_a_leaf_behind_the_deepest_of_its_users():
    w = torch.tensor(2.0, requires_grad=True)
    for output in (w * 2 + w.sin().exp(), w.sin().exp() + w * 2):
        ax = plots.autograd_graph(output, {"w": w})
        x = {text.get_text(): text.get_position()[0] for text in ax.texts}
        assert x["w"] < x["Sin"] < x["Exp"] == x["Mul"] < x["Add"]


def test_autograd_graph_draws_deep_and_entwined_graphs():
    deep = start = torch.ones((), requires_grad=True)
    for _ in range(1200):  # more than Python allows calls within calls
        deep = deep.sin()
    ax = plots.autograd_graph(deep)
    assert len(ax.texts) == 1201
    assert max(ax.figure.get_size_inches()) * 100 < 2**16  # Matplotlib's largest picture
    entwined = start
    for _ in range(60):  # 2 to the 60th ways from the end to the leaf
        entwined = entwined + entwined.sin()
    assert len(plots.autograd_graph(entwined).texts) == 121


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


class Sectors(nn.Module):
    """Class by angle: as many classes as you like."""

    def __init__(self, classes, dtype=torch.float32):
        super().__init__()
        angles = torch.arange(classes) * (2 * torch.pi / classes)
        towards = torch.stack([angles.cos(), angles.sin()])
        self.weight = nn.Parameter(towards.to(dtype))

    def forward(self, x):
        return x @ self.weight


def test_decision_regions_show_the_predicted_class():
    points, target = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    sign = nn.Linear(2, 1)
    with torch.no_grad():
        sign.weight.copy_(torch.tensor([[1.0, 0.0]]))
        sign.bias.zero_()
    shown = plots.decision_regions(sign, points, target, resolution=10).images[0].get_array()
    assert (shown[:, :5] == 0).all()
    assert (shown[:, 5:] == 1).all()
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        plots.decision_regions(sign, torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(ValueError, match="class indices from 0, got -1"):
        plots.decision_regions(sign, points, torch.tensor([-1, 1]))
    flat = nn.Sequential(sign, nn.Flatten(0))
    with pytest.raises(ValueError, match=r"logits of shape \(100, C\).*got \(100,\)"):
        plots.decision_regions(flat, points, target, resolution=10)


def test_decision_regions_lie_where_the_model_sees_them():
    up = Sectors(4)  # right, up, left, down
    points = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-2.0, 0.0], [0.0, -1.0]])
    ax = plots.decision_regions(up, points, torch.arange(4), resolution=11)
    picture = ax.images[0]
    shown = picture.get_array()
    assert picture.origin == "lower"  # row 0 lies at the bottom
    assert (shown[0, 5], shown[-1, 5], shown[5, 0], shown[5, -1]) == (3, 1, 2, 0)
    assert picture.get_extent() == pytest.approx([-2.6, 2.6, -1.3, 1.3])
    for label, drawn in enumerate(ax.collections):
        assert drawn.get_offsets().tolist() == [points[label].tolist()]
        assert to_hex(drawn.get_facecolor()[0]).upper() == plots.COLORS[label]


@pytest.mark.parametrize("classes", [8, 9, 20])
def test_decision_regions_give_each_class_a_colour_of_its_own(classes):
    model = Sectors(classes, torch.float64)  # a model in another precision than the points
    points = model.weight.detach().T.float()
    ax = plots.decision_regions(model, points, torch.arange(classes))
    assert sorted(set(ax.images[0].get_array().ravel().tolist())) == list(range(classes))
    colors = [to_hex(drawn.get_facecolor()[0]) for drawn in ax.collections]
    assert len(set(colors)) == classes
    picture = ax.images[0]
    regions = [to_hex(picture.cmap(picture.norm(label))) for label in range(classes)]
    assert regions == colors


def test_decision_regions_call_in_evaluation_mode_and_give_each_part_its_mode_back():
    frozen, awake = nn.BatchNorm1d(4).eval(), nn.BatchNorm1d(4)
    model = nn.Sequential(nn.Linear(2, 4), frozen, awake, nn.Dropout(), nn.Linear(4, 2))
    points = torch.randn(5, 2, requires_grad=True)
    plots.decision_regions(model, points, torch.tensor([0, 1, 0, 1, 1]), resolution=5)
    assert [part.training for part in model] == [True, False, True, True, True]
    assert awake.num_batches_tracked == 0  # no statistics of the grid


def test_the_house_style_is_set_when_asked_for():
    with mpl.rc_context():
        mpl.rcdefaults()
        plots.use_style()
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == plots.COLORS
        assert mpl.rcParams["image.cmap"] == "gray"
    assert len(set(plots.COLORS)) == 8


def test_images_takes_grey_and_colour():
    assert len(plots.images(torch.rand(5, 8, 8), columns=3).axes) == 6
    assert len(plots.images(torch.rand(2, 3, 8, 8), titles=["a", "b"]).axes) == 2


def test_node_link_draws_each_edge_once_and_classes_in_their_colours():
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    place = {0: (0, 0), 1: (1, 0), 2: (1, 1), 3: (3, 3)}
    ax = plots.node_link(
        edges, 4, positions=place, classes=torch.tensor([0, 1, -1, 1]), ringed=[3], labels=False
    )
    ends = [line.get_xydata().tolist() for line in ax.lines]
    assert ends == [[[0, 0], [1, 0]], [[1, 0], [1, 1]]]
    dots = ax.collections[0]
    assert dots.get_offsets().tolist() == [[0, 0], [1, 0], [1, 1], [3, 3]]
    assert [to_hex(c) for c in dots.get_facecolors()] == [
        plots.BLUE.lower(),
        plots.ORANGE.lower(),
        "#ffffff",
        plots.ORANGE.lower(),
    ]
    widths = dots.get_linewidths()
    assert widths[3] > widths[0] == widths[1] == widths[2]
    with pytest.raises(ValueError, match="outside 0 to 1"):
        plots.node_link(edges, 2)
    with pytest.raises(ValueError, match=r"\(2, E\), got \(4, 2\)"):
        plots.node_link(edges.T, 3)
