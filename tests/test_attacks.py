"""Attacks: sizes, limits, directions, and what they refuse."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import attacks, models


@pytest.fixture
def case():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3)).eval()
    return model, torch.rand(40, 3, 2, 2), torch.randint(3, (40,))


ATTACKS = {
    "fgsm": attacks.fgsm,
    "linf": lambda *a, **k: attacks.pgd(*a, norm="linf", steps=10, **k),
    "l2": lambda *a, **k: attacks.pgd(*a, norm="l2", steps=10, **k),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("targeted", [False, True])
def test_the_change_keeps_its_size_its_limits_and_its_direction(case, name, targeted):
    model, x, labels = case
    before = x.clone()
    moved = ATTACKS[name](model, x, labels, eps=0.3, targeted=targeted)
    assert torch.equal(x, before)
    assert not x.requires_grad  # the caller's tensor is left as it was
    assert not moved.requires_grad
    assert moved.min() >= 0
    assert moved.max() <= 1
    change = (moved - x).flatten(1)
    size = change.norm(dim=1) if name == "l2" else change.abs().amax(dim=1)
    assert size.max() <= 0.3 + 1e-5
    assert size.mean() > 0.2
    loss = [F.cross_entropy(model(z), labels).item() for z in (x, moved)]
    assert (loss[1] < loss[0] - 0.01) if targeted else (loss[1] > loss[0] + 0.01)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", ATTACKS)
def test_no_size_no_change(case, name):
    model, x, labels = case
    torch.testing.assert_close(ATTACKS[name](model, x, labels, eps=0.0), x)


def test_many_steps_do_more_than_one(case):
    model, x, labels = case
    one = attacks.fgsm(model, x, labels, eps=0.3)
    many = attacks.pgd(model, x, labels, eps=0.3, steps=40)
    assert F.cross_entropy(model(many), labels) >= F.cross_entropy(model(one), labels) - 1e-4


def test_one_step_of_l2_goes_along_the_gradient(case):
    model, x, labels = case
    x = 0.4 + 0.2 * x  # the limits are far away
    leaf = x.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels, reduction="sum"), leaf)
    moved = attacks.pgd(model, x, labels, eps=0.1, norm="l2", steps=1, step_size=0.1)
    cosine = F.cosine_similarity((moved - x).flatten(1), grad.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(len(x)), atol=1e-3, rtol=0)


def test_a_random_start_lies_in_the_ball_and_repeats(case):
    model, x, labels = case
    draws = [
        attacks.pgd(
            model, x, labels, eps=0.2, steps=1, step_size=1e-9, norm="l2",
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    size = (draws[0] - x).flatten(1).norm(dim=1)
    assert size.max() <= 0.2 + 1e-5
    assert (size < 0.19).float().mean() > 0.8  # inside, not on the surface


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": -0.1}, "eps is a size"),
        ({"x": torch.full((40, 3, 2, 2), -0.5)}, "leave the range 0 to 1"),
        ({"norm": "l1"}, '"linf" or "l2"'),
        ({"steps": 0}, "at least one step"),
    ],
)
def test_what_is_refused(case, change, message):
    model, x, labels = case
    options = {"x": x, "eps": 0.1} | change
    with pytest.raises(ValueError, match=message):
        attacks.pgd(model, options.pop("x"), labels, **options)


def test_a_model_in_training_mode_is_refused(case):
    model, x, labels = case
    with pytest.raises(ValueError, match=r"model\.eval"):
        attacks.fgsm(model.train(), x, labels, eps=0.1)


def test_parallel_networks_are_independent_and_equal_single_ones():
    torch.manual_seed(0)
    many = models.ParallelMLP((4, 5, 3), members=3)
    x = torch.randn(3, 7, 4)
    out = many(x)
    for k in range(3):
        hidden = F.relu(x[k] @ many.weights[0][k] + many.biases[0][k])
        torch.testing.assert_close(out[k], hidden @ many.weights[1][k] + many.biases[1][k])
    out[1].sum().backward()
    assert many.weights[0].grad[1].any()
    assert not many.weights[0].grad[[0, 2]].any()


@pytest.mark.parametrize(
    ("side", "options", "expected"),
    [(572, {"depth": 5}, 388), (64, {"depth": 3, "padding": True}, 64)],
)
def test_the_u_net_has_the_published_sizes(side, options, expected):
    with torch.device("meta"):
        net = models.UNet(1, 2, channels=2, **options)
        assert net(torch.zeros(1, 1, side, side)).shape == (1, 2, expected, expected)


def test_the_u_net_copies_the_maps_across():
    torch.manual_seed(0)
    nets = []
    for skips in (True, False):
        torch.manual_seed(0)
        nets.append(models.UNet(1, 2, channels=4, depth=2, padding=True, skips=skips))
    assert models.count_parameters(nets[0]) == models.count_parameters(nets[1])
    for net, changes in zip(nets, (True, False), strict=True):
        kept = {}
        net.up[0].register_forward_pre_hook(lambda _, args, kept=kept: kept.update(x=args[0]))
        net(torch.rand(1, 1, 8, 8))
        assert bool(kept["x"][:, :4].any()) is changes
        assert kept["x"][:, 4:].any()
