"""What the networks compute: each forward pass against its formula, written with functions.

The formulas use a model's weights and nothing else of it. Dropout draws from the same seed on
both sides, so its place and its rate count; batch normalisation is compared with its running
statistics after the pass.
"""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import models
from helpers.models.efficientnet import InvertedResidual


def compare(model, x, formula, *, training=False):
    """Compare a model with its formula, on random input or with the same random masks."""
    model.train(training)
    with torch.no_grad():
        torch.manual_seed(1)
        expected = formula(x)
        torch.manual_seed(1)
        torch.testing.assert_close(model(x), expected)


def conv(x, layer, **options):
    return F.conv2d(x, layer.weight, layer.bias, **options)


def linear(x, layer):
    return F.linear(x, layer.weight, layer.bias)


def batch_norm(x, layer, *, momentum=0.1, eps=1e-5, training=True):
    """Normalise by the batch, and return the running statistics that must follow from it."""
    mean, var = layer.running_mean.clone(), layer.running_var.clone()
    y = F.batch_norm(x, mean, var, layer.weight, layer.bias, training, momentum, eps)
    return y, (mean, var)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("training", [False, True])
def test_lenet_is_tanh_and_mean_pooling(training):
    net = models.LeNet()

    def formula(x):
        x = F.avg_pool2d(torch.tanh(conv(x, net.conv1, padding=2)), 2)
        x = F.avg_pool2d(torch.tanh(conv(x, net.conv2)), 2)
        x = torch.tanh(linear(x.reshape(len(x), 400), net.fc1))
        return linear(torch.tanh(linear(x, net.fc2)), net.fc3)

    compare(net, torch.randn(3, 1, 28, 28), formula, training=training)


@pytest.mark.parametrize("training", [False, True])
def test_mnist_cnn_drops_a_quarter_after_pooling_and_half_before_the_end(training):
    net = models.MnistCNN()

    def formula(x):
        x = F.relu(conv(F.relu(conv(x, net.conv1)), net.conv2))
        x = F.dropout(F.max_pool2d(x, 2), 0.25, training)
        x = F.relu(linear(x.reshape(len(x), 9216), net.fc1))
        return linear(F.dropout(x, 0.5, training), net.fc2)

    compare(net, torch.randn(3, 1, 28, 28), formula, training=training)


@pytest.mark.parametrize("training", [False, True])
def test_cnnnet_is_alexnet(training):
    net = models.CNNNet()
    convs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    linears = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]

    def formula(x):
        x = F.max_pool2d(F.relu(conv(x, convs[0], stride=4, padding=2)), 3, 2)
        x = F.max_pool2d(F.relu(conv(x, convs[1], padding=2)), 3, 2)
        for layer in convs[2:]:
            x = F.relu(conv(x, layer, padding=1))
        x = F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), (6, 6)).flatten(1)
        for layer in linears[:2]:
            x = F.relu(linear(F.dropout(x, 0.5, training), layer))
        return linear(x, linears[2])

    compare(net, torch.randn(1, 3, 127, 127), formula, training=training)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("width", [16, 32])
def test_net_is_tanh_and_max_pooling(width, training):
    net = models.Net(width)

    def formula(x):
        x = F.max_pool2d(torch.tanh(conv(x, net.conv1, padding=1)), 2)
        x = F.max_pool2d(torch.tanh(conv(x, net.conv2, padding=1)), 2)
        return linear(torch.tanh(linear(x.reshape(len(x), width // 2 * 64), net.fc1)), net.fc2)

    compare(net, torch.randn(3, 3, 32, 32), formula, training=training)


@pytest.mark.parametrize("training", [False, True])
def test_net_dropout_drops_whole_channels_after_each_pooling(training):
    net = models.NetDropout()

    def formula(x):
        x = F.max_pool2d(torch.tanh(conv(x, net.conv1, padding=1)), 2)
        x = F.dropout2d(x, 0.4, training)
        x = F.max_pool2d(torch.tanh(conv(x, net.conv2, padding=1)), 2)
        x = F.dropout2d(x, 0.4, training).flatten(1)
        return linear(torch.tanh(linear(x, net.fc1)), net.fc2)

    compare(net, torch.randn(3, 3, 32, 32), formula, training=training)


def test_net_batch_norm_normalises_before_each_tanh():
    net = models.NetBatchNorm()
    x = torch.randn(4, 3, 32, 32)
    after = []

    def formula(x):
        for layer, norm in ((net.conv1, net.norm1), (net.conv2, net.norm2)):
            y, statistics = batch_norm(conv(x, layer, padding=1), norm)
            after.append(statistics)
            x = F.max_pool2d(torch.tanh(y), 2)
        return linear(torch.tanh(linear(x.flatten(1), net.fc1)), net.fc2)

    compare(net, x, formula, training=True)
    for norm, (mean, var) in zip((net.norm1, net.norm2), after, strict=True):
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, var)


def test_net_res_adds_the_second_activation_to_the_third():
    net = models.NetRes(channels=8)

    def formula(x):
        x = F.max_pool2d(F.relu(conv(x, net.conv1, padding=1)), 2)
        x = F.max_pool2d(F.relu(conv(x, net.conv2, padding=1)), 2)
        x = F.max_pool2d(x + F.relu(conv(x, net.conv3, padding=1)), 2)
        return linear(F.relu(linear(x.flatten(1), net.fc1)), net.fc2)

    compare(net, torch.randn(4, 3, 32, 32), formula)
    with pytest.raises(ValueError, match="even number of at least 2, got 7"):
        models.NetRes(channels=7)


def test_res_block_adds_its_input():
    block = models.ResBlock(8)
    nn.init.normal_(block.norm.bias)  # zero at the start, and then a bias nobody adds is not seen

    def formula(x):
        return F.relu(batch_norm(conv(x, block.conv, padding=1), block.norm)[0]) + x

    compare(block, torch.randn(4, 8, 6, 6), formula, training=True)


def test_res_block_starts_as_its_source_says():
    block = models.ResBlock(64)
    assert block.conv.bias is None
    assert block.norm.weight.unique().tolist() == [0.5]
    assert block.norm.bias.unique().tolist() == [0]
    # Kaiming for ReLU: standard deviation sqrt(2 / fan_in), here of 36,864 draws.
    assert block.conv.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_net_res_deep_is_a_chain_of_different_blocks():
    net = models.NetResDeep(channels=8, n_blocks=3)
    assert len({id(block.conv.weight) for block in net.blocks}) == 3

    def formula(x):
        x = F.max_pool2d(F.relu(conv(x, net.conv1, padding=1)), 2)
        for block in net.blocks:
            x = x + F.relu(batch_norm(conv(x, block.conv, padding=1), block.norm)[0])
        return linear(F.relu(linear(F.max_pool2d(x, 2).flatten(1), net.fc1)), net.fc2)

    compare(net, torch.randn(4, 3, 32, 32), formula, training=True)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_mlp_drops_hidden_values_behind_each_activation(dropout, training):
    net = models.MLP((5, 40, 30, 2), activation=nn.Tanh, dropout=dropout)
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]

    def formula(x):
        for layer in linears[:-1]:
            x = torch.tanh(linear(x, layer))
            x = F.dropout(x, dropout, training) if dropout else x
        return linear(x, linears[-1])

    compare(net, torch.randn(6, 5), formula, training=training)


def test_mlp_takes_relu_unless_told_otherwise():
    net = models.MLP((5, 7, 2))
    compare(net, torch.randn(6, 5), lambda x: linear(F.relu(linear(x, net[0])), net[2]))


@pytest.mark.parametrize(("n_out", "stride", "expansion"), [(6, 1, 4), (6, 2, 4), (9, 1, 1)])
def test_inverted_residual_widens_convolves_and_narrows(n_out, stride, expansion):
    block = InvertedResidual(6, n_out, kernel_size=3, stride=stride, expansion=expansion)
    norms = [layer for layer in block.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:  # so that values below 0 and above 6 reach ReLU6
        nn.init.uniform_(norm.weight, 1, 8)
        nn.init.normal_(norm.bias)
    after = {}

    def normalise(x, norm):
        y, after[norm] = batch_norm(x, norm, momentum=0.01, eps=1e-3)
        return y

    def formula(x):
        y = x
        if expansion != 1:
            y = F.relu6(normalise(conv(y, block.expand_conv), block.expand_norm))
        y = F.pad(y, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))  # 8 pixels, "SAME"
        y = conv(y, block.depthwise_conv, stride=stride, groups=6 * expansion)
        y = F.relu6(normalise(y, block.depthwise_norm))
        y = normalise(conv(y, block.project_conv), block.project_norm)
        return x + y if stride == 1 and n_out == 6 else y

    compare(block, torch.randn(4, 6, 8, 8), formula, training=True)
    assert set(after) == set(norms)
    for norm, (mean, var) in after.items():
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, var)


@pytest.mark.parametrize("training", [False, True])
def test_efficientnet_is_stem_blocks_head_and_mean(training):
    net = models.EfficientNetLite0(num_classes=5, dropout=0.4)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 1, 8)  # values above 6 reach ReLU6, too
            nn.init.normal_(layer.bias)

    def normalise(x, norm):
        return batch_norm(x, norm, momentum=0.01, eps=1e-3, training=training)[0]

    def formula(x):
        x = conv(F.pad(x, (0, 1, 0, 1)), net.stem_conv, stride=2)
        x = net.blocks(F.relu6(normalise(x, net.stem_norm)))
        x = F.relu6(normalise(conv(x, net.head_conv), net.head_norm)).mean((2, 3))
        return linear(F.dropout(x, 0.4, training), net.fc)

    compare(net, torch.randn(2, 3, 64, 64), formula, training=training)
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


def test_efficientnet_has_the_stages_of_the_paper():
    net = models.EfficientNetLite0()
    convs = [block.depthwise_conv for block in net.blocks]
    sizes = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    assert [layer.kernel_size[0] for layer in convs] == sizes
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert [layer.stride[0] for layer in convs] == strides
    widths = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
    assert [block.project_conv.out_channels for block in net.blocks] == widths
    assert net.dropout.p == 0.2


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_token_rnn_is_embedding_recurrence_and_head_and_goes_on_from_a_state(kind):
    net = models.TokenRNN(7, embedding=3, hidden=5, cell=kind, layers=2)
    tokens = torch.randint(7, (2, 6))
    outputs, state = net.recurrent(F.embedding(tokens, net.embedding.weight))
    logits, returned = net(tokens)
    torch.testing.assert_close(logits, linear(outputs, net.head))
    torch.testing.assert_close(returned, state)
    first, state = net(tokens[:, :4])
    second, _ = net(tokens[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), logits)


def test_token_rnn_refuses_what_it_cannot_build():
    with pytest.raises(ValueError, match="unknown cell 'lstm'; there are RNN, GRU, LSTM"):
        models.TokenRNN(7, embedding=3, hidden=5, cell="lstm")
    with pytest.raises(ValueError, match="at least two"):
        models.TokenRNN(7, embedding=3, hidden=5, dropout=0.5)
    net = models.TokenRNN(7, embedding=3, hidden=5, layers=2, dropout=0.5)
    assert net.recurrent.dropout == 0.5
