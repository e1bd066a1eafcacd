"""What the pretend accelerator must refuse and must compute, as CUDA does.

The device stays registered for the rest of a process, so pytest does not collect this file by
itself: tests/test_pretend_accelerator.py runs it in a process of its own.
"""

import copy
import io

import numpy as np
import pretend_accelerator
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from helpers import data, env, train

DEVICE = pretend_accelerator.install()
MIXED = "Expected all tensors to be on the same device"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def there(*shape):
    return torch.randn(*shape).to(DEVICE)


HERE = torch.ones(3, 4)
FIRST = torch.tensor([0])
CLASSES = torch.tensor([0, 1, 2])


def assign(target, index, value):
    target[index] = value


# --- what it refuses ------------------------------------------------------------------------------

REFUSED = {
    "operands": lambda: there(3, 4) + HERE,
    "operands, the other way": lambda: HERE * there(3, 4),
    "a number there, a tensor here": lambda: HERE + there(3, 4).sum(),
    "in place, here": lambda: HERE.clone().add_(there(3, 4)),
    "in place, a number here": lambda: torch.tensor(1.0).add_(there(1).sum()),
    "a list of losses": lambda: torch.stack([torch.tensor(1.0), there(1).sum()]),
    "concatenation": lambda: torch.cat([there(3, 4), HERE]),
    "matrix product": lambda: there(3, 4) @ HERE.T,
    "condition": lambda: torch.where(there(3, 4) > 0, there(3, 4), HERE),
    "mask": lambda: there(3, 4).masked_fill(HERE > 0, 1.0),
    "equality": lambda: torch.equal(there(3, 4), HERE),
    "out=": lambda: torch.add(there(3, 4), there(3, 4), out=HERE.clone()),
    "index_select": lambda: there(3, 4).index_select(0, FIRST),
    "gather": lambda: there(3, 4).gather(1, torch.zeros(3, 1, dtype=torch.long)),
    "scatter": lambda: there(3, 4).scatter_add(0, CLASSES[:, None], there(3, 4)),
    "embedding": lambda: nn.Embedding(5, 2).to(DEVICE)(FIRST),
    "assigned values": lambda: assign(there(3, 4), FIRST, torch.ones(4)),
    "loss": lambda: F.cross_entropy(there(3, 4), CLASSES),
    "loss of a regression": lambda: F.mse_loss(there(3, 4), HERE),
    "class weights": lambda: F.cross_entropy(there(3, 4), CLASSES.to(DEVICE), torch.ones(4)),
    "weights left here": lambda: nn.Linear(4, 2)(there(3, 4)),
    "inputs left here": lambda: nn.Linear(4, 2).to(DEVICE)(HERE),
    "convolution": lambda: nn.Conv1d(3, 2, 2)(there(3, 4)),
    "batch norm": lambda: nn.BatchNorm1d(4)(there(3, 4)),
    "layer norm": lambda: nn.LayerNorm(4)(there(3, 4)),
    "LSTM": lambda: nn.LSTM(4, 2)(there(3, 4)),
    "GRU": lambda: nn.GRU(4, 2).to(DEVICE)(HERE),
    "attention": lambda: nn.MultiheadAttention(4, 2)(*[there(3, 4)] * 3),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
def test_tensors_of_two_devices_are_refused(name, mode):
    with mode(), pytest.raises(RuntimeError, match=MIXED):
        REFUSED[name]()


def test_indices_there_are_refused_by_a_tensor_here():
    with pytest.raises(RuntimeError, match=MIXED):
        HERE[FIRST.to(DEVICE)]


def test_a_gradient_of_the_other_device_is_refused():
    with pytest.raises(RuntimeError, match="device type"):
        nn.Parameter(HERE.clone()).grad = there(3, 4)


@pytest.mark.parametrize("convert", [lambda t: t.numpy(), np.asarray, np.array, plt.plot])
def test_numpy_is_refused(convert):
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu\(\)"):
        convert(there(3))


def test_assert_close_compares_devices():
    with pytest.raises(AssertionError, match="device"):
        torch.testing.assert_close(HERE.to(DEVICE), HERE)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.randn(2, device=DEVICE, generator=torch.Generator()),
        lambda: torch.empty(2, device=DEVICE).normal_(generator=torch.Generator()),
        lambda: torch.randn(2, generator=torch.Generator(DEVICE)),
        lambda: torch.randperm(2, generator=torch.Generator(device=DEVICE)),
        lambda: next(iter(DataLoader(CLASSES, shuffle=True, generator=torch.Generator(DEVICE)))),
    ],
)
def test_a_generator_of_the_wrong_kind_is_refused(draw):
    with pytest.raises(RuntimeError, match=r"Expected a '\w+' device type for generator"):
        draw()


def test_pinning_there_is_refused():
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        there(2).pin_memory()


# --- what it takes, as CUDA -----------------------------------------------------------------------


def test_zero_dimensional_tensors_and_indices_may_lie_here():
    tensor = HERE.to(DEVICE)
    assert (tensor * torch.tensor(2.0)).sum().item() == 24
    assert tensor[FIRST].device == tensor[HERE > 0].device == DEVICE
    assign(tensor, FIRST, torch.tensor(5.0))
    assign(tensor, 1, torch.tensor([1.0, 2.0, 3.0, 4.0]))  # a copy, which may cross
    assert tensor.tolist() == [[5.0] * 4, [1.0, 2.0, 3.0, 4.0], [1.0] * 4]


def test_factories_and_copies():
    assert torch.tensor([1.0], device=DEVICE, requires_grad=True).requires_grad
    assert torch.as_tensor([1.0], device=DEVICE).device == DEVICE
    assert torch.randn(3, device="sim", dtype=torch.float64).dtype == torch.float64
    assert torch.zeros_like(HERE, device=DEVICE).device == DEVICE
    assert torch.zeros_like(there(2), device="cpu").device.type == "cpu"
    assert there(2).new_tensor([1]).device == DEVICE
    with torch.device(DEVICE):
        assert nn.Linear(2, 2).weight.device == DEVICE
    back = there(2).half().to("cpu", torch.float32, non_blocking=True)
    assert back.dtype == torch.float32
    assert type(back) is torch.Tensor
    assert HERE.clone().copy_(HERE.to(DEVICE) * 2).sum() == 24
    assert (torch.arange(3, device=DEVICE) * 2.5).dtype == torch.float32
    assert f"{HERE.to(DEVICE).sum():.1f}" == "12.0"
    assert repr(HERE.to(DEVICE)[0]) == "tensor([1., 1., 1., 1.], device='sim:0')"
    assert torch.isnan(there(2)).any().item() is False


def test_a_generator_of_the_device_repeats_its_numbers():
    generator = torch.Generator(DEVICE)
    assert generator.device == DEVICE
    assert isinstance(generator, torch.Generator)
    draws = [torch.rand(3, device=DEVICE, generator=generator.manual_seed(1)) for _ in range(2)]
    assert torch.equal(*draws)
    assert torch.rand(3, generator=torch.Generator().manual_seed(1)).tolist() == draws[0].tolist()


def test_views_share_memory_and_writes_to_them_have_gradients():
    leaf = torch.zeros(4, device=DEVICE, requires_grad=True)
    changed = leaf * 1
    changed[1:3] = torch.ones(2, device=DEVICE)
    changed.sum().backward()
    assert leaf.grad.tolist() == [1, 0, 0, 1]
    base = torch.zeros(2, 3, device=DEVICE)
    view = base[1:]
    assert view._is_view()
    assert view.untyped_storage().data_ptr() == base.data_ptr() != view.data_ptr()
    view.fill_(5)
    assert base.t_().shape == (3, 2)
    assert base.tolist() == [[0, 5]] * 3
    with torch.no_grad():
        leaf.data = torch.ones(4, device=DEVICE)
    assert leaf.tolist() == [1, 1, 1, 1]
    grown = torch.empty(0, device=DEVICE)
    assert torch.add(base, 1, out=grown) is grown
    assert grown.shape == base.shape


# --- what it computes: the same as the CPU --------------------------------------------------------


def recurrent(cell):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = cell(6, 5, 2, batch_first=True, bidirectional=True)

        def forward(self, inputs):
            return self.net(inputs.flatten(2))[0]

    return Last()


def packed(cell):
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = cell(6, 5)

        def forward(self, inputs):
            sequences = nn.utils.rnn.pack_sequence([inputs[0], inputs[1, :2]])
            return self.net(sequences)[0].data

    return Packed()


def stepped(cell):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(6, 5)

        def forward(self, inputs):
            state = None
            for step in inputs.unbind(1):
                state = self.cell(step, state)
            return state[0] if isinstance(state, tuple) else state

    return Steps()


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Transformer(6, 2, 1, 1, 8, dropout=0, batch_first=True)

    def forward(self, inputs):
        mask = nn.Transformer.generate_square_subsequent_mask(3, device=inputs.device)
        padding = torch.zeros(len(inputs), 4, dtype=torch.bool, device=inputs.device)
        padding[0, 2:] = True
        return self.net(inputs, inputs[:, :3], tgt_mask=mask, src_key_padding_mask=padding)


def convnet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 2, 2, stride=2),
        nn.GroupNorm(1, 2),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


WORDS = torch.tensor([[1, 2, 0], [4, 3, 0]])
MODELS = {
    "convolutions": (convnet, lambda: torch.randn(5, 1, 6, 6)),
    "embedding": (lambda: nn.Embedding(5, 3, padding_idx=0), lambda: WORDS),
    "bag of words": (lambda: nn.EmbeddingBag(5, 3), lambda: WORDS),
    "RNN": (lambda: recurrent(nn.RNN), lambda: torch.randn(2, 4, 6)),
    "LSTM": (lambda: recurrent(nn.LSTM), lambda: torch.randn(2, 4, 6)),
    "GRU": (lambda: recurrent(nn.GRU), lambda: torch.randn(2, 4, 6)),
    "LSTM, packed": (lambda: packed(nn.LSTM), lambda: torch.randn(2, 4, 6)),
    "GRU, packed": (lambda: packed(nn.GRU), lambda: torch.randn(2, 4, 6)),
    "LSTMCell": (lambda: stepped(nn.LSTMCell), lambda: torch.randn(2, 4, 6)),
    "GRUCell": (lambda: stepped(nn.GRUCell), lambda: torch.randn(2, 4, 6)),
    "encoder layer": (
        lambda: nn.TransformerEncoderLayer(6, 2, 8, dropout=0, batch_first=True),
        lambda: torch.randn(2, 4, 6),
    ),
    "Transformer": (Translator, lambda: torch.randn(2, 4, 6)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_and_gradients_are_those_of_the_cpu(name):
    make, draw = MODELS[name]
    model, inputs = make(), draw()
    with torch.no_grad():
        model(inputs)  # lazy layers learn their sizes
    other = copy.deepcopy(model).to(DEVICE)
    expected, found = model(inputs), other(inputs.to(DEVICE))
    torch.testing.assert_close(found.cpu(), expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(its.grad.cpu(), mine.grad)
    model.eval()
    other.eval()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(other(inputs.to(DEVICE)).cpu(), model(inputs))


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "Adam, fused": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
    "AdamW, one by one": lambda p: torch.optim.AdamW(p, lr=0.1, foreach=False),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_schedulers_and_clipping(name):
    inputs, target = torch.randn(8, 4), torch.randint(3, (8,))

    def trained(device):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        optimizer = OPTIMIZERS[name](model.parameters())
        model.to(device)  # after the optimiser took the parameters: they stay the same objects
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs.to(device)), target.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            return loss

        for _ in range(4):
            optimizer.step(closure)
            scheduler.step()
        return [p.detach().cpu() for p in model.parameters()]

    torch.testing.assert_close(trained(DEVICE), trained("cpu"))


def test_saving_keeps_the_device_and_map_location_chooses_it():
    model = nn.Linear(2, 2).to(DEVICE)

    def loaded(saved, **options):
        file = io.BytesIO()
        torch.save(saved, file)
        file.seek(0)
        return torch.load(file, weights_only=True, **options)

    for where, expected in (
        ({}, "sim"),
        ({"map_location": "cpu"}, "cpu"),
        ({"map_location": DEVICE}, "sim"),
        ({"map_location": "sim:0"}, "sim"),
        ({"map_location": {"sim:0": "cpu"}}, "cpu"),
    ):
        weight = loaded(model.state_dict(), **where)["weight"]
        assert weight.device.type == expected
        assert torch.equal(weight.cpu(), model.weight.cpu())
    assert loaded(HERE).device.type == "cpu"
    assert loaded(HERE, map_location=DEVICE).device == DEVICE
    optimizer = torch.optim.Adam(model.parameters())
    model(there(1, 2)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(loaded(optimizer.state_dict(), map_location="cpu"))
    optimizer.step()  # the moments went back to where the parameters are


def test_deep_copies_are_parameters_of_their_own():
    model = nn.Linear(2, 2).to(DEVICE)
    other = copy.deepcopy(model)
    assert isinstance(other.weight, nn.Parameter)
    assert other.weight.data_ptr() != model.weight.data_ptr()
    assert torch.equal(other.weight, model.weight)


def test_autocast_lowers_products_and_keeps_losses_in_float32():
    model, inputs = nn.Linear(4, 3).to(DEVICE), there(3, 4)
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        logits = model(inputs)
        assert logits.dtype == torch.bfloat16
        assert logits.softmax(1).dtype == torch.float32
        assert torch.cat([logits, inputs[:, :3]]).dtype == torch.float32
        loss = F.cross_entropy(logits, CLASSES.to(DEVICE))
    assert loss.dtype == torch.float32
    loss.backward()
    assert model.weight.grad.dtype == torch.float32
    with torch.autocast(DEVICE.type, enabled=False):
        assert model(inputs).dtype == torch.float32


def test_loss_scaling():
    model = nn.Linear(4, 3).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(DEVICE.type, init_scale=8.0)
    with torch.autocast(DEVICE.type, dtype=torch.float16):
        loss = model(there(2, 4)).float().sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.testing.assert_close(model.bias.grad.cpu(), torch.full((3,), 2.0))
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 8.0


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_with_pinned_memory(workers):
    loader = DataLoader(TensorDataset(torch.arange(4.0)), 2, pin_memory=True, num_workers=workers)
    batches = [batch for (batch,) in loader]
    assert all(batch.is_pinned() for batch in batches)
    moved = torch.cat([batch.to(DEVICE, non_blocking=True) for batch in batches])
    assert moved.tolist() == [0, 1, 2, 3]


def test_checkpointed_activations_repeat_their_dropout():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).to(DEVICE)
    inputs = there(3, 4).requires_grad_()
    out = checkpoint(model, inputs, use_reentrant=False)
    (gradient,) = torch.autograd.grad(out.sum(), inputs)
    kept = (out != 0).float()
    torch.testing.assert_close(gradient, 2 * kept @ model[0].weight)


def test_functional_transforms_and_sparse_matrices():
    rows = there(3, 4)
    slopes = torch.func.vmap(torch.func.grad(lambda row: (row**2).sum()))(rows)
    torch.testing.assert_close(slopes, 2 * rows)
    wide = torch.randn(3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradcheck(torch.sin, wide)
    matrix = torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
    product = torch.sparse.mm(matrix.to(DEVICE), torch.eye(2, device=DEVICE))
    assert product.tolist() == [[0, 2], [3, 0]]


def test_the_training_loop_of_the_course():
    inputs = torch.randn(64, 4)
    target = (inputs[:, 0] > 0).long()

    def trained(device):
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        loader = data.TensorLoader(
            inputs, target, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(0)
        )
        adam = torch.optim.Adam(model.parameters(), lr=0.1)
        loss_fn = nn.CrossEntropyLoss()
        train.fit(model, loader, loader, loss_fn, adam, epochs=3, device=device, progress=False)
        found = train.evaluate(model, loader, loss_fn, device=device)
        return found, train.predict(model, inputs[:5], device=device)

    (found, predicted), (expected, wanted) = trained(DEVICE), trained("cpu")
    assert found == pytest.approx(expected)
    torch.testing.assert_close(predicted, wanted)


def test_the_search_for_a_rate_brings_the_model_home():
    model = nn.Linear(4, 2)
    model.weight.grad = torch.ones(2, 4)
    weight, sgd = model.weight.detach().clone(), torch.optim.SGD(model.parameters(), lr=0.1)
    batch = (torch.randn(8, 4), torch.zeros(8, dtype=torch.long))
    loss_fn = nn.CrossEntropyLoss()
    assert len(train.lr_range_test(model, [batch], loss_fn, sgd, steps=3, device=DEVICE)) == 3
    assert model.weight.device.type == model.weight.grad.device.type == "cpu"
    assert torch.equal(model.weight, weight)


def test_work_on_the_cpu_can_be_compiled_and_exported():
    model = nn.Linear(4, 2)
    torch.testing.assert_close(torch.compile(model, backend="eager")(HERE), model(HERE))
    exported = torch.export.export(model, (HERE,)).module()
    torch.testing.assert_close(exported(HERE), model(HERE))


def test_the_quick_profile_takes_the_cpu_unless_told():
    assert env.pick_device("cpu").type == "cpu"


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_load_a_state(kind):
    layer, other = kind(4, 2).to(DEVICE), kind(4, 2)
    layer.load_state_dict(other.state_dict())
    x = torch.randn(3, 4)
    with torch.no_grad():
        torch.testing.assert_close(layer(x.to(DEVICE))[0].cpu(), other(x)[0])
    layer(x.to(DEVICE))[0].sum().backward()
    assert layer.weight_ih_l0.grad is not None


def test_lists_are_indices():
    x = torch.arange(12.0).view(3, 4)
    there = x.to(DEVICE)
    for index in ([0, 2], [True, False, True], (slice(None), [3, 1]), ([0, 1], [2, 3])):
        torch.testing.assert_close(there[index].cpu(), x[index])
        changed, expected = there.clone(), x.clone()
        changed[index] = expected[index] = -1.0
        torch.testing.assert_close(changed.cpu(), expected)
    weight = torch.ones(3, device=DEVICE, requires_grad=True)
    weight[[0, 2]].sum().backward()
    assert weight.grad.tolist() == [1, 0, 1]
