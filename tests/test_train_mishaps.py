"""Users' mishaps, after public reports: each was once a silent wrong result of the loop."""

import functools
import math
import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset

from helpers import data, debug, models, train
from helpers.train.batch import rows, shard
from helpers.train.checkpoint import atomic_save, plain, safe_load
from helpers.train.options import _data
from helpers.train.weights import RunningMean


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def separable(count=100):
    x = torch.randn(count, 4)
    return x, (x[:, 0] > 0).long()


# -- modes -----------------------------------------------------------------------------------------


def test_every_part_keeps_its_own_mode():
    x, y = separable(40)
    loader, loss_fn = data.TensorLoader(x, y, batch_size=20), nn.CrossEntropyLoss()
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    calls = {
        "evaluate": lambda: train.evaluate(model, loader, loss_fn),
        "predict": lambda: train.predict(model, x),
        "summarize": lambda: models.summarize(model, x),
        "lr_range_test": lambda: train.lr_range_test(model, loader, loss_fn, sgd(model), steps=3),
    }
    for name, call in calls.items():
        for training in (True, False):
            model.train(training)
            model[1].eval()
            call()
            assert [m.training for m in model] == [training, False, training, training], name


def test_evaluate_and_predict_compute_in_evaluation_mode():
    x, y = separable()
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9), nn.Linear(4, 2)).train()
    expected = F.cross_entropy(model.eval()(x), y).item()
    model.train()
    assert train.evaluate(model, [(x, y)], nn.CrossEntropyLoss())["loss"] == pytest.approx(expected)
    assert torch.equal(train.predict(model, x), model.eval()(x))


def test_fit_trains_a_model_that_came_in_evaluation_mode_and_a_callback_may_freeze_batch_norm():
    class Freeze:
        def epoch_start(self, state):
            state.model[1].eval()

    x, y = separable()
    for callbacks, frozen in (([], False), ([Freeze()], True)):
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
        before = model[1].running_mean.clone()
        loader = data.TensorLoader(x, y, batch_size=50)
        train.fit(
            model, loader, loader, nn.CrossEntropyLoss(), sgd(model),
            epochs=2, callbacks=callbacks, verbose=0,
        )  # fmt: skip
        assert torch.equal(before, model[1].running_mean) == frozen
        assert model[0].training


@pytest.mark.parametrize("dry_run", [train.predict, models.summarize])
def test_lazy_layers_train_after_a_dry_run(dry_run):
    x, y = torch.ones(6, 4), torch.arange(6) % 3
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    dry_run(model, x)
    history = train.fit(
        model, [(x, y)], None, nn.CrossEntropyLoss(), sgd(model), epochs=2, verbose=0
    )
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_what_a_metric_keeps_from_evaluate_can_be_changed_in_training():
    class Keeps:
        def reset(self):
            self.total = None

        def update(self, outputs, target):
            self.total = outputs.sum() if self.total is None else self.total + outputs.sum()

        def compute(self):
            return self.total

    metric, model = Keeps(), nn.Linear(4, 2)
    train.evaluate(model, [separable()], nn.CrossEntropyLoss(), metrics={"sum": metric})
    metric.total.add_((model.weight * metric.total).sum().detach())
    (model.weight.sum() * metric.total).backward()  # an inference tensor would raise
    assert model.weight.grad is not None


# -- objects that are used twice -------------------------------------------------------------------


def test_one_stopper_serves_several_runs():
    x, y = separable()
    loader, stopper = data.TensorLoader(x, y, batch_size=50), train.EarlyStopping(patience=3)
    for lr in (0.1, 0.01):
        model = nn.Linear(4, 2)
        history = train.fit(
            model, loader, loader, nn.CrossEntropyLoss(), sgd(model, lr),
            epochs=4, early_stopping=stopper, verbose=0,
        )  # fmt: skip
        now = train.evaluate(model, loader, nn.CrossEntropyLoss())["loss"]
        assert now == pytest.approx(min(history.column("val_loss")))


@pytest.mark.parametrize(
    ("values", "options", "best_epoch", "epochs"),
    [
        ([math.nan, 5.0, 4.0, 3.0], {}, 4, 4),  # a first value that is no number is not the best
        ([math.nan] * 5, {}, 0, 2),
        ([0.1, 0.5, 0.4, 0.3], {"mode": "max"}, 2, 4),
        ([1.0, 0.95, 0.91, 0.5], {"min_delta": 0.2}, 1, 3),
        ([1.0, 0.5, 0.5], {"min_delta": 0.5}, 1, 3),  # as much as min_delta is not more
    ],
)
def test_what_counts_as_an_improvement(values, options, best_epoch, epochs):
    x, y = separable()
    model, left = nn.Linear(4, 2), iter(values)
    stopper = train.EarlyStopping("quality", patience=2, **({"mode": "min"} | options))

    def measure(state):
        state.logs["quality"] = next(left)

    history = train.fit(
        model, [(x, y)], None, nn.CrossEntropyLoss(), sgd(model),
        epochs=len(values), callbacks=[measure], early_stopping=stopper, verbose=0,
    )  # fmt: skip
    assert (stopper.best_epoch, len(history)) == (best_epoch, epochs)


def test_a_stopper_among_the_callbacks_restores_its_best_weights_too():
    x, y = separable()
    model, left, weights = nn.Linear(4, 2), iter([1.0, 2.0, 3.0]), []

    def measure(state):
        state.logs["quality"] = next(left)
        weights.append(model.weight.detach().clone())

    stopper = train.EarlyStopping("quality", patience=9, mode="min")
    train.fit(
        model, [(x, y)], None, nn.CrossEntropyLoss(), sgd(model),
        epochs=3, callbacks=[measure, stopper], verbose=0,
    )  # fmt: skip
    assert torch.equal(model.weight, weights[0])


def test_an_iterator_is_refused_for_more_than_one_epoch():
    model, batch = nn.Linear(4, 2), separable()
    options = {"verbose": 0}
    with pytest.raises(ValueError, match="used up after one epoch"):
        train.fit(
            model, iter([batch]), None, nn.CrossEntropyLoss(), sgd(model), epochs=2, **options
        )
    train.fit(model, iter([batch]), None, nn.CrossEntropyLoss(), sgd(model), epochs=1, **options)


# -- containers ------------------------------------------------------------------------------------


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x):
        return self.a(x), self.b(x)


@pytest.mark.parametrize("pack", [tuple, list, lambda parts: dict(zip("ab", parts, strict=True))])
def test_examples_are_counted_whatever_holds_the_target(pack):
    x, first, second = torch.randn(10, 4), torch.zeros(10, 1), torch.zeros(10, 1)
    first[8:] = 10.0

    def loss_fn(outputs, target):
        parts = target.values() if isinstance(target, dict) else target
        return sum(F.mse_loss(o, t) for o, t in zip(outputs, parts, strict=True))

    model = Two()
    batches = [(x[s], pack((first[s], second[s]))) for s in (slice(0, 8), slice(8, 10))]
    expected = loss_fn(model(x), (first, second)).item()
    assert train.evaluate(model, batches, loss_fn)["loss"] == pytest.approx(expected)


def test_lengths_beside_joined_labels_do_not_mislead_the_count():
    labels, lengths = torch.zeros(7), torch.tensor([3, 2, 2])
    assert rows((torch.zeros(3, 50, 8), (labels, lengths, lengths))) == 3
    assert rows(([torch.zeros(3, 4, 4), torch.zeros(1, 4, 4)], [{"box": 1}, {"box": 2}])) == 2
    with pytest.raises(ValueError, match="can't count"):
        rows((object(), object()))


def test_packed_sequences_named_tuples_and_dicts_reach_the_model():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(2, 1)

        def forward(self, packed):
            return self.gru(packed)[1][0]

    class Named(nn.Module):
        def forward(self, left, right):
            return left - right

    pair = namedtuple("pair", "left right")(torch.full((2, 1), 3.0), torch.ones(2, 1))
    packed = pack_sequence([torch.ones(5, 2), torch.ones(3, 2)])
    target = torch.zeros(2, 1)
    for model, inputs, expected in (
        (Last(), packed, None),
        (Named(), pair, 4.0),
        (Named(), {"right": pair.right, "left": pair.left}, 4.0),
    ):
        loss = train.evaluate(model, [(inputs, target)], nn.MSELoss())["loss"]
        assert expected is None or loss == expected


def test_shares_of_a_batch_are_whole_and_disjoint():
    packed = pack_sequence([torch.full((n, 1), float(n)) for n in (5, 4, 2)])
    batch = (
        {"x": torch.arange(3.0), "text": ["cat", "dog", "owl"], "packed": packed},
        (torch.arange(3), torch.arange(6).reshape(3, 2)),
    )
    parts = [shard(batch, rank, 2) for rank in (0, 1)]
    assert [total for _, total in parts] == [3, 3]
    (first, _), (second, _) = parts
    assert first[0]["x"].tolist() == [0.0, 2.0]
    assert (first[0]["text"], second[0]["text"]) == (["cat", "owl"], ["dog"])
    assert first[0]["packed"].data.unique().tolist() == [2.0, 5.0]
    assert second[0]["packed"].data.tolist() == [[4.0]] * 4
    assert second[1][1].tolist() == [[2, 3]]
    assert shard((torch.arange(2.0), torch.arange(2)), 2, 3)[0][0].tolist() == [0.0], (
        "no row is left"
    )
    pictures = ([torch.zeros(3, 4, 4), torch.ones(3, 5, 4)], [{"n": 1}, {"n": 2}])
    assert shard(pictures, 1, 2)[0][1] == [{"n": 2}]
    with pytest.raises(ValueError, match=r"shape \(5, 2, 1\) in a batch of 2 examples"):
        shard((torch.zeros(5, 2, 1), torch.zeros(2)), 0, 2)  # time first
    with pytest.raises(ValueError, match="examples or inputs"):
        shard(([torch.zeros(2, 4)] * 2, torch.zeros(2)), 0, 2)


@pytest.mark.parametrize("nested", [False, True])
def test_tensors_are_moved_wherever_they_are(nested):
    batch = {"x": torch.ones(2), "names": ["a", "b"]}
    moved = train.to_device([batch, (batch["x"],)] if nested else batch, "meta")
    inner = moved[0] if nested else moved
    assert inner["x"].device.type == "meta"
    assert inner["names"] == ["a", "b"]
    assert not nested or moved[1][0].device.type == "meta"
    loader = data.TensorLoader(torch.ones(2), batch_size=2, device="meta")
    assert next(iter(loader))[0].device.type == "meta"


@pytest.mark.parametrize(
    "target", [torch.tensor([1, 0, 1, 1]), torch.tensor([[1.0], [0], [1], [1]])]
)
def test_accuracy_of_one_logit(target):
    logits = torch.tensor([[3.0], [-2.0], [5.0], [-4.0]])
    assert train.accuracy(logits, target).item() == 0.75
    assert train.accuracy(logits.flatten(), target.flatten()).item() == 0.75


def test_accuracy_refuses_what_has_no_classes_and_counts_nan_as_wrong():
    assert train.accuracy(torch.tensor([[math.nan, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])) == 0.5
    with pytest.raises(ValueError, match=r"soft labels.*several labels"):
        train.accuracy(torch.zeros(3, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="complex"):
        train.accuracy(torch.zeros(3, 4, dtype=torch.complex64), torch.zeros(3))
    with pytest.raises(ValueError, match=r"class -100.*ignore_index"):
        train.accuracy(torch.zeros(3, 4), torch.tensor([0, 1, -100]))


# -- views -----------------------------------------------------------------------------------------


def test_models_that_work_in_place_do_not_reach_the_data():
    class Scale(nn.Module):
        def forward(self, x):
            return x.div_(255)

    x, y = torch.rand(40, 4) * 255, torch.randint(2, (40,))
    kept, model = x.clone(), nn.Sequential(Scale(), nn.Linear(4, 2))
    loader = data.TensorLoader(x, y, batch_size=20)
    train.evaluate(model, loader, nn.CrossEntropyLoss())
    train.predict(model, x)
    for inputs, _ in data.TensorLoader(x, y, batch_size=20, transform=lambda a, b: (a.mul_(0), b)):
        assert not inputs.any()
    assert torch.equal(x, kept)


# -- what a loss averaged over ---------------------------------------------------------------------

CLASS_WEIGHTS = torch.tensor([1.0, 20.0])


@pytest.mark.parametrize(
    "loss_fn",
    [
        nn.CrossEntropyLoss(weight=CLASS_WEIGHTS),
        functools.partial(F.cross_entropy, weight=CLASS_WEIGHTS),
        nn.CrossEntropyLoss(),  # with labels of -100
        nn.CrossEntropyLoss(ignore_index=0),
        functools.partial(F.cross_entropy, ignore_index=0),
        F.cross_entropy,
        lambda outputs, target: (F.cross_entropy(outputs, target), (target != -100).sum()),
    ],
)
def test_the_loss_does_not_depend_on_the_batch_size(loss_fn):
    x, y = separable(200)
    y[:3] = 1
    y[torch.randperm(200)[:60]] = 0
    if getattr(loss_fn, "ignore_index", -100) != 0 and "ignore_index=0" not in repr(loss_fn):
        y[150:] = -100
    model = nn.Linear(4, 2)
    expected = loss_fn(model(x), y)
    expected = (expected[0] if isinstance(expected, tuple) else expected).item()
    for size in (200, 70, 10, 1):
        loader = data.TensorLoader(x, y, batch_size=size)
        assert train.evaluate(model, loader, loss_fn)["loss"] == pytest.approx(expected, rel=1e-5)
        still = train.fit(model, loader, None, loss_fn, sgd(model, 0.0), epochs=1, verbose=0)
        if size > 1:  # the mean over one ignored label is NaN, and so is its gradient
            assert still[0]["train_loss"] == pytest.approx(expected, rel=1e-5)
        model.weight.data.nan_to_num_()


@pytest.mark.parametrize("kind", ["class weights", "tokens", "elements", "rows"])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_accumulated_batches_equal_one_large_batch(kind, clip):
    x, y = separable(90)
    loss_fn = nn.CrossEntropyLoss()
    if kind == "class weights":
        loss_fn = nn.CrossEntropyLoss(weight=CLASS_WEIGHTS)
    elif kind == "tokens":
        y[torch.randperm(90)[:50]] = -100
    elif kind == "elements":
        y, loss_fn = torch.randn(90, 2), nn.MSELoss()
    found = []
    for size, accumulate in ((90, 1), (40, 3), (7, 99)):
        torch.manual_seed(1)
        model = nn.Linear(4, 2)
        optimizer = sgd(model, momentum=0.9)
        train.fit(
            model, data.TensorLoader(x, y, batch_size=size), None, loss_fn, optimizer,
            epochs=3, accumulate=accumulate, clip_norm=clip, verbose=0,
        )  # fmt: skip
        found.append(model.weight.detach())
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert torch.allclose(found[0], found[2], atol=1e-5)


def test_a_sum_is_refused_as_a_loss():
    model = nn.Linear(4, 2)
    with pytest.raises(ValueError, match="reduction='sum'"):
        train.evaluate(model, [separable()], nn.CrossEntropyLoss(reduction="sum"))
    loss_fn = nn.CrossEntropyLoss()
    train.evaluate(model, [separable()], loss_fn)
    loss_fn.reduction = "sum"
    with pytest.raises(ValueError, match="reduction='sum'"):
        train.evaluate(model, [separable()], loss_fn)


def test_running_mean_leaves_out_what_has_no_weight():
    mean = RunningMean()
    for loss, weight in ((2.0, 3), (math.nan, 0), (6.0, torch.tensor(1.0))):
        mean.add(loss, weight)
    assert mean.result() == 3.0
    assert math.isnan(RunningMean().result())
    on_device = RunningMean()
    for i in range(200):  # tensors, as from an accelerator, joined in several pieces
        on_device.add(torch.tensor(float(i)), i)
        assert len(on_device._losses) < 64, "a long epoch must not keep every loss"
    assert on_device.result() == pytest.approx(sum(i * i for i in range(200)) / sum(range(200)))


# -- loaders ---------------------------------------------------------------------------------------


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((torch.ones(4), torch.tensor(i % 2)) for i in range(10))


@pytest.mark.parametrize("options", [{}, {"progress": True}, {"accumulate": 2}])
def test_a_loader_without_a_length_trains(options):
    model, steps = nn.Linear(4, 2), []
    optimizer = sgd(model)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    loader = DataLoader(Stream(), 4)  # three batches
    train.fit(model, loader, None, nn.CrossEntropyLoss(), optimizer, epochs=1, verbose=0, **options)
    assert len(steps) == (2 if "accumulate" in options else 3)


def test_a_length_that_lies_does_not_end_in_nan():
    class Longer(list):
        def __len__(self):
            return 1

    x, y = separable(40)
    model = nn.Linear(4, 2)
    batches = Longer(data.TensorLoader(x, y, batch_size=8))
    train.fit(
        model, batches, None, nn.CrossEntropyLoss(), sgd(model), epochs=1, accumulate=2, verbose=0
    )
    assert model.weight.isfinite().all()


# -- optimisers and schedulers ---------------------------------------------------------------------


def test_optimisers_that_do_not_fit_are_refused():
    x, y = separable()
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    arguments = {"epochs": 1, "verbose": 0}
    loss_fn = nn.CrossEntropyLoss()
    with pytest.raises(ValueError, match="holds no parameter of this model"):
        train.fit(model, [(x, y)], None, loss_fn, sgd(other), **arguments)
    with pytest.raises(ValueError, match=r"LBFGS.*closure"):
        train.fit(
            model, [(x, y)], None, loss_fn, torch.optim.LBFGS(model.parameters()), **arguments
        )
    with pytest.raises(TypeError, match="keep"):
        train.fit(model, [(x, y)], None, loss_fn, [sgd(model)], **arguments)
    with pytest.raises(ValueError, match="holds no parameter of this model"):
        train.lr_range_test(model, [(x, y)], loss_fn, sgd(other))


def test_clipping_looks_at_the_optimisers_own_parameters():
    def head_after(frozen):
        torch.manual_seed(0)
        x, y = separable()
        model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        model[0].requires_grad_(not frozen)
        optimizer = torch.optim.SGD(model[2].parameters(), lr=1.0)
        train.fit(
            model, [(x, y)], None, nn.CrossEntropyLoss(), optimizer,
            epochs=20, clip_norm=0.05, verbose=0,
        )  # fmt: skip
        return model[2].weight

    # The body's gradients are never cleared: they must not use up the norm.
    assert torch.equal(head_after(frozen=False), head_after(frozen=True))


def test_plateau_watches_the_column_it_is_told():
    x, y = separable()
    loader, loss_fn = data.TensorLoader(x, y, batch_size=50), nn.CrossEntropyLoss()
    rates = {}
    for mode, monitor in (("min", "val_loss"), ("max", "val_accuracy")):
        model = nn.Linear(4, 2)
        optimizer = sgd(model, 0.5)
        history = train.fit(
            model, loader, loader, loss_fn, optimizer, epochs=5, monitor=monitor,
            scheduler=ReduceLROnPlateau(optimizer, mode, patience=0),
            metrics={"accuracy": lambda out, target: torch.tensor(0.5)}, verbose=0,
        )  # fmt: skip
        rates[monitor] = history.column("lr")
    assert rates["val_loss"] == [0.5] * 5, "the loss improves in every epoch"
    assert rates["val_accuracy"][-1] < 0.5


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("max", {}, "wait for val_loss to grow"),
        ("min", {"schedule": "step"}, "works by epochs"),
        ("min", {"val": False}, "needs validation data"),
        ("max", {"monitor": "val_f1"}, "an epoch has"),
    ],
)
def test_what_no_epoch_will_have_is_refused_before_training(mode, options, message):
    model, batch = nn.Linear(4, 2), separable()
    before = model.weight.clone()
    optimizer = sgd(model)
    loader = [batch] if options.pop("val", True) else None
    with pytest.raises(ValueError, match=message):
        train.fit(
            model, [batch], loader, nn.CrossEntropyLoss(), optimizer,
            epochs=1, scheduler=ReduceLROnPlateau(optimizer, mode), **options,
        )  # fmt: skip
    assert torch.equal(before, model.weight)


@pytest.mark.parametrize("case", ["accumulate", "fp16"])
def test_a_schedule_by_steps_takes_as_many_steps_as_the_optimiser(case):
    x, y = separable(64)
    model, steps = nn.Linear(4, 2), []
    optimizer = sgd(model)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    schedule = OneCycleLR(optimizer, 1.0, total_steps=8)
    options = {"precision": "fp16"} if case == "fp16" else {"accumulate": 3}
    scale = 100 if case == "fp16" else 1  # overflows: the first steps are left out

    def loss_fn(outputs, target):
        return scale * F.cross_entropy(outputs.float(), target)

    train.fit(
        model, data.TensorLoader(x, y, batch_size=8), None, loss_fn, optimizer,
        epochs=1, scheduler=schedule, schedule="step", verbose=0, **options,
    )  # fmt: skip
    assert schedule.last_epoch == len(steps)
    assert len(steps) == 3 if case == "accumulate" else len(steps) < 8


def test_half_precision_unscales_before_it_clips_and_computes_in_half():
    seen = []
    x, y = separable(64)

    def loss_fn(outputs, target):
        seen.append(outputs.dtype)
        return F.cross_entropy(outputs.float(), target)

    moved = {}
    for precision in ("fp32", "fp16"):
        torch.manual_seed(2)
        model = nn.Linear(4, 2)
        before = model.weight.detach().clone()
        train.fit(
            model, [(x, y)], [(x, y)], loss_fn, sgd(model, 1.0),
            epochs=4, clip_norm=0.01, precision=precision, verbose=0,
        )  # fmt: skip
        moved[precision] = (model.weight - before).norm().item()
    assert seen[-2:] == [torch.float16] * 2, "in training and in evaluation"
    assert moved["fp16"] == pytest.approx(moved["fp32"], rel=0.05)


def test_each_group_keeps_its_rate():
    x, y = separable()
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(train.param_groups(model, {"0": 1e-3, "1": 1e-1}))
    history = train.fit(
        model, [(x, y)], None, nn.CrossEntropyLoss(), optimizer, epochs=1, verbose=0
    )
    assert (history[0]["lr"], history[0]["lr/1"]) == (1e-3, 1e-1)
    rates = []
    optimizer.register_step_pre_hook(lambda o, *_: rates.append([g["lr"] for g in o.param_groups]))
    train.lr_range_test(model, [(x, y)], nn.CrossEntropyLoss(), optimizer, steps=3, max_lr=1e-2)
    assert [b / a for a, b in rates] == pytest.approx([100.0] * 3)
    assert [g["lr"] for g in optimizer.param_groups] == [1e-3, 1e-1]


def test_lr_range_test_leaves_no_trace():
    x, y = separable()
    generator = torch.Generator().manual_seed(0)
    loader = data.TensorLoader(x, y, batch_size=10, shuffle=True, generator=generator)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2))
    model[0].weight.grad = torch.ones(4, 4)
    before = (generator.get_state(), torch.get_rng_state(), random.getstate())
    weight = model[0].weight.detach().clone()
    train.lr_range_test(model, loader, nn.CrossEntropyLoss(), sgd(model), steps=5)
    assert torch.equal(generator.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert random.getstate() == before[2]
    assert torch.equal(model[0].weight, weight)
    assert torch.equal(model[0].weight.grad, torch.ones(4, 4))
    assert model[2].weight.grad is None


def test_weights_pass_between_a_model_and_its_compiled_form(tmp_path):
    x, y = separable()
    compiled = torch.compile(nn.Linear(4, 2), backend="eager")
    stop = train.EarlyStopping("val_loss", patience=1, restore_best=True)
    train.fit(
        compiled, [(x, y)], [(x, y)], nn.CrossEntropyLoss(), sgd(compiled),
        epochs=2, callbacks=[stop], checkpoint=tmp_path / "run.pt", verbose=0,
    )  # fmt: skip
    train.save_checkpoint(tmp_path / "model.pt", compiled)
    assert list(stop.best_weights) == ["weight", "bias"]
    for name in ("run.pt", "model.pt"):
        for model in (nn.Linear(4, 2), torch.compile(nn.Linear(4, 2), backend="eager")):
            train.load_checkpoint(tmp_path / name, model)
            assert torch.equal(model.weight, compiled.weight)


# -- steps of the caller's -------------------------------------------------------------------------


class Detector(nn.Module):
    """As torchvision's detectors: losses in training mode, boxes in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, images, targets=None):
        boxes = [self.layer(image.mean(dim=(1, 2))[:1].expand(4)) for image in images]
        if not self.training:
            return boxes
        return {"box": sum(F.l1_loss(b, t["box"]) for b, t in zip(boxes, targets, strict=True))}


def test_a_model_that_returns_its_own_loss():
    def step(model, batch, loss_fn):
        images, targets = batch
        if model.training:
            return train.Step(sum(model(images, targets).values()) / len(images), len(images))
        return train.Step(None, len(images), model(images), targets)

    def distance(boxes, targets):
        return sum(F.l1_loss(b, t["box"]) for b, t in zip(boxes, targets, strict=True)) / len(boxes)

    images = [torch.rand(3, 4, 5), torch.rand(3, 5, 4)]
    batch = (images, [{"box": torch.ones(4)}, {"box": torch.zeros(4)}])
    model = Detector()
    history = train.fit(
        model, [batch], [batch], None, sgd(model), epochs=3,
        step=step, metrics={"distance": distance}, verbose=0,
    )  # fmt: skip
    assert "val_loss" not in history[0]
    assert history[2]["val_distance"] < history[0]["val_distance"]
    assert debug.overfit_batch(model, batch, None, steps=3, step=step)[0] > 0
    assert len(train.lr_range_test(model, [batch], None, sgd(model), steps=3, step=step)) == 3


def gan(path, crash=None):
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 4), nn.Linear(4, 1)
    second = torch.optim.Adam(critic.parameters(), lr=0.05)
    first = torch.optim.Adam(generator.parameters(), lr=0.05)

    def step(model, batch, loss_fn):
        made = model(torch.randn(len(batch), 2))
        second.zero_grad()
        (F.softplus(-critic(batch)).mean() + F.softplus(critic(made.detach())).mean()).backward()
        second.step()
        return train.Step(F.softplus(-critic(made)).mean(), rows=len(batch))

    class Crash:
        def batch_end(self, state):
            if state.step == crash:
                raise KeyboardInterrupt

    batches = list(torch.randn(6, 8, 4))
    history = train.fit(
        generator, batches, None, None, first, epochs=3, step=step, verbose=0,
        checkpoint=path, checkpoint_every=1, callbacks=[Crash()],
        keep={"critic": critic, "its optimiser": second},
    )  # fmt: skip
    return [*generator.parameters(), *critic.parameters()], list(history)


def test_two_optimisers_in_a_step_of_the_callers_survive_a_stop(tmp_path):
    expected = gan(tmp_path / "whole.pt")
    gan(tmp_path / "part.pt", crash=9)
    found = gan(tmp_path / "part.pt")
    assert found[1] == expected[1]
    assert all(torch.equal(a, b) for a, b in zip(found[0], expected[0], strict=True))


def test_metrics_of_several_numbers():
    class Both:
        def reset(self):
            self.seen = 0

        def update(self, outputs, target):
            self.seen += len(target)

        def compute(self):
            return {"rows": self.seen, "half": torch.tensor(self.seen / 2)}

        def to(self, device):
            self.device = device

    metric, batch = Both(), separable(8)
    found = train.evaluate(
        nn.Linear(4, 2), [batch], nn.CrossEntropyLoss(), metrics={"both": metric, "z": lambda *_: 1}
    )
    assert list(found) == ["loss", "both_rows", "both_half", "z"]
    assert (found["both_rows"], found["both_half"]) == (8.0, 4.0)
    assert metric.device == torch.device("cpu")
    with pytest.raises(ValueError, match=r"metric 'each' gives \(2,\) values"):
        train.evaluate(
            nn.Linear(4, 2), [batch], nn.CrossEntropyLoss(),
            metrics={"each": lambda out, y: torch.ones(2)},
        )  # fmt: skip


# -- checkpoints -----------------------------------------------------------------------------------


def run(path, lr=0.5, epochs=4, schedule=CosineAnnealingLR, size=50, say=0, loss=None, **options):
    torch.manual_seed(3)
    x, y = separable()
    model = nn.Linear(4, 2)
    optimizer = sgd(model, lr, momentum=0.9)
    scheduler = schedule(optimizer, epochs) if schedule else None
    loader = data.TensorLoader(x, y, batch_size=size)
    return train.fit(
        model, loader, loader, loss or nn.CrossEntropyLoss(), optimizer,
        epochs=epochs, scheduler=scheduler, checkpoint=path, verbose=say, **options,
    )  # fmt: skip


def test_another_setting_starts_anew_and_keeps_the_old_file(tmp_path, capsys):
    path = tmp_path / "run.pt"
    run(path)
    history = run(path, lr=0.001, epochs=2)
    said = capsys.readouterr().out
    assert "lr 0.5 there, 0.001 here" in said
    assert "scheduler T_max 4 there, 2 here" in said
    assert (len(history), history[0]["lr"]) == (2, 0.001)
    kept = [p for p in tmp_path.iterdir() if p != path]
    assert [p.name in said for p in kept] == [True]
    assert len(safe_load(kept[0])["history"]) == 4
    longer = run(path, epochs=8).column("lr")
    assert longer == sorted(longer, reverse=True)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"size": 20}, "batch size 50 there, 20 here"),
        ({"clip_norm": 1.0}, "clip_norm None there, 1 here"),
        ({"accumulate": 2}, "accumulate 1 there, 2 here"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "label_smoothing 0 there, 0.1 here"),
        (
            {"loss": nn.CrossEntropyLoss(weight=CLASS_WEIGHTS)},
            "loss weight None there, [1.0, 20.0]",
        ),
        ({"precision": "bf16"}, "precision fp32 there, bf16 here"),
        ({"schedule": StepLR}, "scheduler CosineAnnealingLR there, StepLR here"),
        ({"early_stopping": train.EarlyStopping()}, "EarlyStopping here"),
    ],
)
def test_the_setting_that_differs_is_named(tmp_path, capsys, options, name):
    run(tmp_path / "run.pt")
    run(tmp_path / "run.pt", **options)
    assert name in capsys.readouterr().out


def fold(values, chosen):
    return Subset(TensorDataset(values, torch.arange(len(values)) % 2), chosen)


def test_another_split_of_the_same_size_is_another_run(tmp_path, capsys):
    values = torch.arange(24.0).reshape(6, 4)
    sets = {
        "first": fold(values, [0, 1, 2]),
        "second": fold(values, [3, 4, 5]),
        "scaled": fold(values / 10, [0, 1, 2]),
        "whole": TensorDataset(values[:3], torch.arange(3) % 2),
        "pair": ConcatDataset([fold(values, [0]), fold(values, [1, 2])]),
    }
    names = {
        name: _data(dataset) for name, dataset in sets.items()
    }  # equal rows under another wrapper count as another set
    assert len(set(names.values())) == len(sets)
    assert names["first"] == _data(fold(values.clone(), [0, 1, 2]))
    for name in ("first", "first", "second"):
        model = nn.Linear(4, 2)
        loader = DataLoader(sets[name], batch_size=3)
        train.fit(
            model, loader, None, nn.CrossEntropyLoss(), sgd(model, 0.1),
            epochs=1, checkpoint=tmp_path / "run.pt", verbose=0,
        )  # fmt: skip
        said = capsys.readouterr().out
        assert ("data set Subset" in said) == (name == "second")


def test_the_data_are_described_once_a_run_and_not_at_each_checkpoint(tmp_path):
    described = []

    class Rows(TensorDataset):
        def __getitem__(self, index):
            return tuple(t[index] for t in vars(self)["kept"])

        @property
        def tensors(self):
            described.append(1)
            return vars(self)["kept"]

        @tensors.setter
        def tensors(self, tensors):
            self.kept = tensors

        def __len__(self):
            return len(self.kept[0])

    readings = []
    for epochs in (1, 4):
        described.clear()
        model = nn.Linear(4, 2)
        train.fit(
            model, DataLoader(Rows(torch.randn(6, 4), torch.arange(6) % 2), batch_size=3), None,
            nn.CrossEntropyLoss(), sgd(model), epochs=epochs, checkpoint_every=1,
            checkpoint=tmp_path / f"{epochs}.pt", verbose=0,
        )  # fmt: skip
        readings.append(len(described))
    assert readings[0] == readings[1] > 0


def test_tensors_of_any_kind_have_a_name():
    kinds = [torch.zeros(3, dtype=d) for d in (torch.bool, torch.bfloat16, torch.complex64)]
    kinds += [torch.zeros(0, 4), torch.zeros(3, 2).to_sparse(), torch.zeros(3, 0)]
    assert all(_data(TensorDataset(t)).startswith("TensorDataset") for t in kinds)


def test_a_run_that_goes_on_says_what_is_new(tmp_path, capsys):
    path = tmp_path / "run.pt"
    run(path, epochs=2, schedule=None)
    history = run(path, epochs=4, schedule=None, say=1)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "run.pt: goes on after epoch 2; new: epochs 4 instead of 2"
    assert list(history) == list(run(None, epochs=4, schedule=None))
    run(path, epochs=4, schedule=None, say=1)
    assert capsys.readouterr().out == "run.pt: ended after epoch 4\n"


def test_a_run_without_checkpoint_is_the_same(tmp_path):
    assert list(run(tmp_path / "run.pt")) == list(run(None))


def test_more_patience_goes_on(tmp_path):
    worse = lambda state: state.logs.update(quality=float(state.epoch))  # noqa: E731
    lengths = []
    for patience in (1, 3):
        stopper = train.EarlyStopping("quality", patience=patience, mode="min")
        history = run(
            tmp_path / "run.pt", epochs=9, schedule=None, callbacks=[worse], early_stopping=stopper
        )
        lengths.append(len(history))
    assert lengths == [2, 4]


def test_an_optimiser_whose_rate_has_moved_is_still_the_same_run(tmp_path, capsys):
    x, y = separable()
    model = nn.Linear(4, 2)
    optimizer = sgd(model)
    scheduler = MultiStepLR(optimizer, [1, 2])
    for _ in range(2):  # a notebook cell run twice
        history = train.fit(
            model, [(x, y)], None, nn.CrossEntropyLoss(), optimizer, epochs=3,
            scheduler=scheduler, checkpoint=tmp_path / "run.pt", verbose=1,
        )  # fmt: skip
    assert "ended after epoch 3" in capsys.readouterr().out
    assert len(history) == 3


def test_a_refused_checkpoint_changes_nothing(tmp_path):
    path = tmp_path / "run.pt"
    run(path)
    content = safe_load(path)
    content["optimizer"]["param_groups"].append(content["optimizer"]["param_groups"][0])
    atomic_save(content, path)
    torch.manual_seed(3)
    x, y = separable()  # the data of that run
    torch.manual_seed(5)
    model = nn.Linear(4, 2)
    optimizer = sgd(model, 0.5, momentum=0.9)
    scheduler = CosineAnnealingLR(optimizer, 4)
    before, state = model.weight.clone(), torch.get_rng_state()
    with pytest.raises(train.CheckpointError, match=r"does not fit the optimiser.*resume=False"):
        train.fit(
            model, data.TensorLoader(x, y, batch_size=50), None, nn.CrossEntropyLoss(), optimizer,
            epochs=4, scheduler=scheduler, checkpoint=path, verbose=0,
        )  # fmt: skip
    assert torch.equal(model.weight, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not optimizer.state_dict()["state"]
    with pytest.raises(train.CheckpointError, match=r"run\.pt does not fit the optimiser"):
        train.load_checkpoint(path, model, optimizer)
    assert torch.equal(model.weight, before)


def test_the_message_names_what_does_not_fit(tmp_path):
    train.save_checkpoint(tmp_path / "a.pt", nn.Linear(4, 2))
    with pytest.raises(train.CheckpointError, match=r"size mismatch for weight") as raised:
        train.load_checkpoint(tmp_path / "a.pt", nn.Linear(4, 3))
    assert "resume=False" not in str(raised.value), "load_checkpoint has no such option"
    torch.save(torch.ones(2), tmp_path / "b.pt")
    with pytest.raises(train.CheckpointError, match=r"b\.pt holds a Tensor"):
        train.load_checkpoint(tmp_path / "b.pt", nn.Linear(4, 3))


def test_numpy_numbers_are_written_as_plain_ones(tmp_path):
    for epochs in (2, 3):
        history = run(
            tmp_path / "run.pt", lr=np.logspace(-2, -1, 2)[0], schedule=None, epochs=epochs
        )
    assert len(history) == 3
    train.save_checkpoint(tmp_path / "m.pt", nn.Linear(1, 1), score=np.float32(0.5), n=np.int64(3))
    assert train.load_checkpoint(tmp_path / "m.pt", nn.Linear(1, 1)) == {"score": 0.5, "n": 3}


def test_what_could_not_be_read_again_is_refused_when_written(tmp_path):
    with pytest.raises(train.CheckpointError, match=r"content\['meta'\]\['when'\] is a PosixPath"):
        train.save_checkpoint(tmp_path / "m.pt", nn.Linear(1, 1), when=tmp_path)
    assert not list(tmp_path.iterdir())
    assert plain([True, np.str_("a"), (1, {2.0: None})]) == [True, "a", (1, {2.0: None})]


@pytest.mark.parametrize(
    "make",
    [
        lambda o: OneCycleLR(o, 0.1, total_steps=9),
        lambda o: LambdaLR(o, lambda epoch: 0.5**epoch),
        lambda o: MultiStepLR(o, [1, 2]),
        lambda o: ReduceLROnPlateau(o),
        lambda o: torch.optim.lr_scheduler.SequentialLR(o, [StepLR(o, 1), StepLR(o, 2)], [1]),
    ],
    ids=["OneCycle", "Lambda", "MultiStep", "Plateau", "Sequential"],
)
def test_every_scheduler_survives_a_checkpoint(tmp_path, make):
    x, y = separable()
    rates = []
    for path, epochs in ((None, (4,)), (tmp_path / "run.pt", (2, 4))):
        for last in epochs:
            torch.manual_seed(1)
            model = nn.Linear(4, 2)
            optimizer = sgd(model)
            history = train.fit(
                model, [(x, y)], [(x, y)], nn.CrossEntropyLoss(), optimizer,
                epochs=last, scheduler=make(optimizer), checkpoint=path, verbose=0,
            )  # fmt: skip
        rates.append(list(history))
    assert rates[0] == rates[1]


def noisy_run(path, crash=None):
    """A run whose inputs come from Python's and NumPy's generators."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    x, y = separable(40)
    model, stopper = nn.Linear(4, 2), train.EarlyStopping(patience=2, min_delta=1.0)

    def noise(inputs, target):
        return inputs + random.random() + np.random.rand(), target  # noqa: NPY002

    class Crash:
        def batch_end(self, state):
            if state.step == crash:
                raise KeyboardInterrupt

    loader = data.TensorLoader(x, y, batch_size=10, transform=noise)
    history = train.fit(
        model, loader, loader, nn.CrossEntropyLoss(), sgd(model), epochs=6, checkpoint=path,
        checkpoint_every=1, callbacks=[Crash()], early_stopping=stopper, precision="fp16",
        verbose=0,
    )  # fmt: skip
    return list(history), stopper.best_epoch


@pytest.mark.parametrize("crash", [3, 5, 10])
def test_every_generator_the_scaler_and_the_callbacks_go_on(tmp_path, crash):
    expected = noisy_run(tmp_path / "whole.pt")
    assert expected[1] == 1, "the stopper ends the run: its state matters"
    noisy_run(tmp_path / "part.pt", crash)
    assert noisy_run(tmp_path / "part.pt") == expected


def test_frozen_parts_stay_frozen_in_a_resumed_epoch(tmp_path):
    class FreezeThenCrash:
        def __init__(self, crash):
            self.crash = crash

        def epoch_start(self, state):
            state.model[1].eval()
            state.model[0].requires_grad_(state.epoch > 1)

        def batch_end(self, state):
            if state.step == self.crash:
                raise KeyboardInterrupt

    def weights(path, crash=None):
        torch.manual_seed(0)
        x, y = separable(40)
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        train.fit(
            model, data.TensorLoader(x, y, batch_size=10), None, nn.CrossEntropyLoss(), sgd(model),
            epochs=2, checkpoint=path, checkpoint_every=1, callbacks=[FreezeThenCrash(crash)],
            verbose=0,
        )  # fmt: skip
        return model.state_dict()

    expected = weights(tmp_path / "whole.pt")
    weights(tmp_path / "part.pt", crash=3)
    found = weights(tmp_path / "part.pt")
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_checkpoints_are_written_every_so_many_optimiser_steps(tmp_path, monkeypatch):
    from helpers.train import resume

    written = []
    monkeypatch.setattr(
        resume, "atomic_save", lambda content, path: written.append(content["updates"])
    )
    x, y = separable(50)
    model = nn.Linear(4, 2)
    options = {"accumulate": 4, "checkpoint": tmp_path / "run.pt", "verbose": 0}
    loader = data.TensorLoader(x, y, batch_size=10)  # 5 batches: 2 steps an epoch
    train.fit(
        model, loader, None, nn.CrossEntropyLoss(), sgd(model),
        epochs=3, checkpoint_every=3, **options,
    )  # fmt: skip
    assert written == [2, 3, 4, 6], "after steps 3 and at the ends of epochs"
    for wrong in (0, -1, 2.5):
        with pytest.raises(ValueError, match="checkpoint_every must be"):
            train.fit(
                model, loader, None, nn.CrossEntropyLoss(), sgd(model),
                epochs=1, checkpoint_every=wrong, **options,
            )  # fmt: skip
    with pytest.raises(ValueError, match="pass checkpoint"):
        train.fit(
            model, loader, None, nn.CrossEntropyLoss(), sgd(model), epochs=1, checkpoint_every=2
        )


def test_what_could_not_go_on_bit_for_bit_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    run(path)
    content = safe_load(path)
    for field, value, message in (
        ("device", "cuda", "written with device cuda, this run has cpu"),
        ("each process", content["each process"] * 2, "written with processes 2, this run has 1"),
    ):
        atomic_save(content | {field: value}, path)
        with pytest.raises(train.CheckpointError, match=message):
            run(path)
    states = content["each process"][0]
    more = states | {"random": states["random"] | {"loaders": [torch.get_rng_state()]}}
    atomic_save(content | {"each process": [more]}, path)
    with pytest.raises(train.CheckpointError, match="written with 1 generators"):
        run(path)
    loader = DataLoader(TensorDataset(*separable()), 10, num_workers=1, persistent_workers=True)
    model = nn.Linear(4, 2)
    with pytest.raises(ValueError, match="persistent_workers=False"):
        train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd(model), epochs=1, checkpoint=path)


def test_a_living_process_keeps_its_half_written_file(tmp_path):
    import os
    import socket
    import subprocess
    import sys

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    living = tmp_path / f".run.pt.{socket.gethostname()}-{os.getppid()}.tmp"
    dead = tmp_path / f".run.pt.{socket.gethostname()}-{gone.pid}.tmp"
    for file in (living, dead):
        file.touch()
    atomic_save({}, tmp_path / "run.pt")
    assert living.exists()
    assert not dead.exists()


def test_a_file_system_without_fsync_still_keeps_checkpoints(tmp_path, monkeypatch):
    import errno
    import os

    def refuse(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    atomic_save({"epoch": 1}, tmp_path / "run.pt")
    assert safe_load(tmp_path / "run.pt") == {"epoch": 1}


# -- what a second reader found --------------------------------------------------------------------


def test_milestones_that_lie_ahead_survive_a_checkpoint(tmp_path):
    x, y = separable()
    for last in (1, 5):
        model = nn.Linear(4, 2)
        optimizer = sgd(model, 1.0)
        history = train.fit(
            model, [(x, y)], None, nn.CrossEntropyLoss(), optimizer, epochs=last,
            scheduler=MultiStepLR(optimizer, [2, 4]), checkpoint=tmp_path / "run.pt", verbose=0,
        )  # fmt: skip
    assert history.column("lr") == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])


def test_a_batch_in_which_nothing_counts_changes_nothing():
    x, y = separable(30)
    y[10:20] = -100

    def masked(outputs, target):
        kept = target != -100
        each = F.cross_entropy(outputs, target.clamp(min=0), reduction="none")
        return (each * kept).sum() / kept.sum(), kept.sum()

    weights = []
    for loss_fn in (masked, nn.CrossEntropyLoss()):
        for size, accumulate in ((30, 1), (10, 3)):
            torch.manual_seed(1)
            model = nn.Linear(4, 2)
            loader = data.TensorLoader(x, y, batch_size=size)
            train.fit(
                model, loader, None, loss_fn, sgd(model),
                epochs=2, accumulate=accumulate, verbose=0,
            )  # fmt: skip
            weights.append(model.weight.detach())
    assert all(torch.allclose(w, weights[0], atol=1e-6) for w in weights)


def test_a_loss_with_parameters_is_saved_and_measured_in_evaluation_mode(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.drop = nn.Parameter(torch.ones(())), nn.Dropout(0.5)

        def forward(self, outputs, target):
            return F.cross_entropy(self.drop(outputs), target) * self.scale.exp() - self.scale

    x, y = separable()

    def history(path, *epochs):
        for last in epochs:
            torch.manual_seed(2)
            model, loss_fn = nn.Linear(4, 2), Scaled()
            optimizer = torch.optim.SGD([*model.parameters(), loss_fn.scale], lr=0.1)
            found = train.fit(
                model, [(x, y)], [(x, y)], loss_fn, optimizer,
                epochs=last, checkpoint=path, verbose=0,
            )  # fmt: skip
        values = {train.evaluate(model, [(x, y)], loss_fn)["loss"] for _ in range(3)}
        assert len(values) == 1
        return list(found)

    assert history(tmp_path / "run.pt", 3, 6) == history(None, 6)


def test_more_settings_that_make_another_run(tmp_path, capsys):
    path = tmp_path / "run.pt"
    x, y = separable()

    def fit(dropout=0.1, trained=True, shuffle=False, delta=1.0, period=4, keep=None):
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(dropout), nn.Linear(4, 2))
        model[0].requires_grad_(trained)
        optimizer = sgd(model)
        parts = [LambdaLR(optimizer, lambda e: 0.5**e), CosineAnnealingLR(optimizer, period)]
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [1])
        loss_fn = functools.partial(F.huber_loss, delta=delta)
        target = F.one_hot(y, 2).float()
        loader = data.TensorLoader(x, target, batch_size=50, shuffle=shuffle)
        train.fit(
            model, loader, None, loss_fn, optimizer, epochs=1, scheduler=scheduler,
            checkpoint=path, keep=keep, verbose=0,
        )  # fmt: skip
        return capsys.readouterr().out

    assert fit() == ""
    assert fit() == ""
    for options, name in (
        ({"dropout": 0.9}, "layers of the model"),
        ({"trained": False}, "trainable parameters"),
        ({"shuffle": True}, "order False there, True here"),
        ({"delta": 9.0}, "'delta': '9'"),
        ({"period": 40}, "scheduler 2 T_max 4 there, 40 here"),
        ({"keep": {"more": nn.Linear(1, 1)}}, "keep  there, more here"),
    ):
        assert name in fit(**options), name
        fit()


def test_files_that_are_put_aside_never_replace_each_other(tmp_path):
    for lr, epochs in ((0.1, 5), (0.2, 1), (0.1, 1), (0.2, 1)):
        path = tmp_path / "run.pt"
        if lr == 0.1 and epochs == 1:
            path.rename(tmp_path / "elsewhere.pt")
        run(path, lr=lr, epochs=epochs, schedule=None)
    lengths = sorted(len(safe_load(p)["history"]) for p in tmp_path.iterdir())
    assert lengths == [1, 1, 1, 5]


def test_the_same_cell_after_ctrl_c_goes_on(tmp_path, capsys):
    x, y = separable()
    model = nn.Linear(4, 2)
    optimizer = sgd(model)
    schedule = OneCycleLR(optimizer, 0.5, total_steps=20)
    interrupt = [7]

    class Stop:
        def batch_end(self, state):
            if state.step in interrupt:
                interrupt.clear()
                raise KeyboardInterrupt

    loader = data.TensorLoader(x, y, batch_size=50)
    for _ in range(2):
        history = train.fit(
            model, loader, None, nn.CrossEntropyLoss(), optimizer, epochs=10, scheduler=schedule,
            schedule="step", checkpoint=tmp_path / "run.pt", callbacks=[Stop()],
        )  # fmt: skip
    assert "goes on after epoch 3" in capsys.readouterr().out
    assert len(history) == 10
    assert schedule.last_epoch == 20


def test_an_epoch_that_was_begun_is_ended_although_somebody_asked_to_stop(tmp_path):
    def history(path, crash=None):
        class Stopper:
            def batch_end(self, state):
                state.stop = state.stop or state.step >= 2
                if state.step == crash:
                    raise KeyboardInterrupt

        options = {"callbacks": [Stopper()], "checkpoint_every": 1}
        return list(run(path, size=20, schedule=None, **options))

    expected = history(tmp_path / "whole.pt")
    history(tmp_path / "part.pt", crash=4)
    assert history(tmp_path / "part.pt") == expected
    assert len(expected) == 1


def test_versions_of_modules_are_kept(tmp_path):
    class Versioned(nn.Linear):
        _version = 7

        def _load_from_state_dict(self, state_dict, prefix, metadata, *arguments):
            assert metadata["version"] == 7
            super()._load_from_state_dict(state_dict, prefix, metadata, *arguments)

    model = Versioned(4, 2)
    train.save_checkpoint(tmp_path / "m.pt", model)
    train.load_checkpoint(tmp_path / "m.pt", model)
    train.fit(
        model, [separable()], [separable()], nn.CrossEntropyLoss(), sgd(model),
        epochs=1, early_stopping=train.EarlyStopping(), verbose=0,
    )  # fmt: skip


def test_states_of_other_optimisers_are_refused(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    adam = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    adam.step()
    train.save_checkpoint(tmp_path / "adam.pt", model, adam)
    with pytest.raises(train.CheckpointError, match="holds the state of Adam, not SGD"):
        train.load_checkpoint(tmp_path / "adam.pt", model, sgd(model))
    turned = torch.optim.Adam(reversed(list(model.parameters())))
    with pytest.raises(train.CheckpointError, match=r"exp_avg has shape \(4, 4\)"):
        train.load_checkpoint(tmp_path / "adam.pt", model, turned)
    assert not turned.state_dict()["state"]


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "m.pt"
    train.save_checkpoint(path, nn.Linear(64, 64))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(train.CheckpointError, match="is damaged"):
        safe_load(path)


def test_hidden_random_numbers_are_refused_beside_a_checkpoint(tmp_path):
    x, y = separable()
    generator = torch.Generator().manual_seed(0)

    def noise(inputs, target):
        return inputs + torch.randn(inputs.shape, generator=generator), target

    class Sampler(torch.utils.data.Sampler):
        def __init__(self):
            self.chance = random.Random(0)

        def __iter__(self):
            return iter(self.chance.sample(range(100), 100))

        def __len__(self):
            return 100

    model = nn.Linear(4, 2)
    for loader in (
        data.TensorLoader(x, y, batch_size=50, transform=noise),
        DataLoader(TensorDataset(x, y), 50, sampler=Sampler()),
    ):
        arguments = (model, loader, None, nn.CrossEntropyLoss(), sgd(model))
        train.fit(*arguments, epochs=1, verbose=0)
        with pytest.raises(ValueError, match="random numbers of its own"):
            train.fit(*arguments, epochs=1, checkpoint=tmp_path / "run.pt")


class Misspelt:
    def on_epoch_end(self, state): ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": StepLR(sgd(nn.Linear(4, 2)), 1)}, "made for another optimiser"),
        ({"callbacks": [Misspelt()]}, "Misspelt is no function and has none of the methods"),
        ({"val": iter([1])}, "used up after one epoch"),
        ({"step": lambda model, batch, loss_fn: model(batch[0]).mean()}, "must return a Step"),
        ({"clip_norm": math.nan}, "clip_norm must be positive"),
    ],
)
def test_mistakes_are_named_before_the_model_changes(options, message):
    x, y = separable()
    model = nn.Linear(4, 2)
    before, val = model.weight.clone(), options.get("val")
    others = {name: value for name, value in options.items() if name != "val"}
    with pytest.raises((ValueError, TypeError), match=message):
        train.fit(model, [(x, y)], val, F.cross_entropy, sgd(model), epochs=2, verbose=0, **others)
    assert torch.equal(model.weight, before)


def test_more_mistakes_are_named():
    x, y = separable()
    with pytest.raises(ValueError, match="may not be called 'loss'"):
        train.evaluate(nn.Linear(4, 2), [(x, y)], F.cross_entropy, metrics={"loss": train.accuracy})
    for wrong in ({"monitor": "val_accuracy"}, {"monitor": "val_loss", "mode": "max"}):
        with pytest.raises(ValueError, match="grow"):
            train.EarlyStopping(**wrong)
    lazy = nn.LazyLinear(2)
    with pytest.raises(ValueError, match="call the model once"):
        train.lr_range_test(lazy, [(x, y)], nn.CrossEntropyLoss(), sgd(lazy))
    with pytest.raises(TypeError, match=r"takes tensors, got \['ndarray'\]"):
        data.TensorLoader(np.zeros(3), batch_size=1)


def test_losses_of_every_shape_are_weighted_by_what_they_averaged_over():
    class Mine(nn.CrossEntropyLoss):
        pass

    soft, length = torch.rand(10, 3, 4).softmax(dim=1), [4, 1]
    parts = [(torch.randn(5, 3, n), soft[i * 5 : i * 5 + 5, :, :n]) for i, n in enumerate(length)]
    total = sum(F.cross_entropy(x, y, reduction="sum") for x, y in parts)
    found = train.evaluate(nn.Identity(), parts, nn.CrossEntropyLoss())["loss"]
    assert found == pytest.approx(total.item() / 25)
    hard = [(torch.randn(5, 3, n), torch.randint(3, (5, n))) for n in length]
    total = sum(F.cross_entropy(x, y, reduction="sum") for x, y in hard)
    assert train.evaluate(nn.Identity(), hard, Mine())["loss"] == pytest.approx(total.item() / 25)
    # batchmean divides by the rows, however wide they are.
    loss_fn = nn.KLDivLoss(reduction="batchmean")
    sets = [(torch.rand(2, n).log(), torch.rand(2, n)) for n in (5, 1)]
    found = train.evaluate(nn.Identity(), sets, loss_fn)["loss"]
    assert found == pytest.approx(sum(loss_fn(*s).item() for s in sets) / 2)


def test_a_loader_that_fills_the_same_target_again_is_measured_rightly():
    x, y = separable(40)
    y[:15] = -100

    class Again:
        def __iter__(self):
            target = torch.empty(10, dtype=torch.long)
            for i in range(4):
                target.copy_(y[10 * i : 10 * i + 10])
                yield x[10 * i : 10 * i + 10], target

    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    losses = [F.cross_entropy(model(x[s]), y[s]).item() for s in (slice(10, 20), slice(20, 40))]
    expected = (losses[0] * 5 + losses[1] * 20) / 25
    assert train.evaluate(model, Again(), F.cross_entropy)["loss"] == pytest.approx(expected)


def test_names_of_classes_and_empty_batches_do_not_mislead_the_count():
    x, y = separable(8)
    target = {"y": y, "classes": ["a", "b", "c"]}
    assert rows((x, target)) == 8
    assert shard((x, target), 1, 2)[0][1]["classes"] == ["a", "b", "c"]
    two = [{"x": torch.ones(3), "n": 1}, {"x": torch.zeros(3), "n": 2}]
    assert shard(two, 1, 2) == ([two[1]], 2)
    found = train.evaluate(
        nn.Linear(4, 2), [(x, y), (x[:0], y[:0])], F.cross_entropy,
        metrics={"accuracy": train.accuracy},
    )  # fmt: skip
    assert math.isfinite(found["accuracy"])


def test_recorded_activations_are_copies():
    x = torch.randn(5, 4)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
    with debug.ActivationRecorder(model) as seen:
        model(x)
    assert seen.outputs["0"].min() < 0
    with debug.ActivationRecorder(model, []) as seen:
        model(x)
    assert seen.outputs == {}


def test_a_module_with_its_own_train_is_switched_back():
    class Merging(nn.Module):
        merged = False

        def train(self, mode=True):
            self.merged = not mode
            return super().train(mode)

        def forward(self, x):
            return x

    model = nn.Sequential(Merging(), nn.BatchNorm1d(4)).train()
    model[1].eval()
    train.predict(model, torch.ones(2, 4))
    assert not model[0].merged
    assert [m.training for m in model] == [True, False]


def test_the_best_epoch_is_a_number():
    history = train.History([{"epoch": 1, "a": math.nan}, {"epoch": 2, "a": 1.0}])
    assert history.best("a")["epoch"] == history.best("a", "max")["epoch"] == 2
    assert list(train.History().frame()) == ["epoch"]


def test_metrics_see_no_graph():
    seen = []
    train.evaluate(
        nn.Linear(4, 2), [separable()], F.cross_entropy,
        metrics={"graph": lambda outputs, target: seen.append(outputs.requires_grad) or 0.0},
    )  # fmt: skip
    assert seen == [False]


def test_steps_are_counted_on_when_a_run_goes_on_twice(tmp_path):
    seen = []

    class Watch:
        def __init__(self, crash):
            self.crash = crash

        def batch_end(self, state):
            seen.append(state.step)
            if state.step == self.crash:
                raise KeyboardInterrupt

    for crash in (3, 6, None):
        # The rate falls: a file that forgot how it began would be taken for another run.
        run(tmp_path / "run.pt", schedule=StepLR, checkpoint_every=1, callbacks=[Watch(crash)])
    # What was done when it stopped is not in the file: that batch is trained on again.
    assert seen == [1, 2, 3, 3, 4, 5, 6, 6, 7, 8]
    assert safe_load(tmp_path / "run.pt")["updates"] == 8
    assert len(list(tmp_path.iterdir())) == 1


def test_the_longest_prefix_decides_the_rate():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    groups = train.param_groups(model, {"0": 1e-3, "0.1": 1e-1})
    assert [(len(g["params"]), g["lr"]) for g in groups] == [(2, 1e-3), (2, 1e-1)]


def test_a_place_that_can_not_be_written_is_found_before_training(tmp_path):
    (tmp_path / "folder").mkdir()
    model = nn.Linear(4, 2)
    before = model.weight.clone()
    for path in (tmp_path / "folder", tmp_path / "folder" / "file" / "run.pt"):
        (tmp_path / "folder" / "file").touch()
        with pytest.raises(train.CheckpointError, match="can't be written"):
            train.fit(
                model, [separable()], None, F.cross_entropy, sgd(model), epochs=1, checkpoint=path
            )
    assert torch.equal(model.weight, before)


def test_a_loader_that_became_shorter_is_named(tmp_path):
    class Shrinks:
        left = 5

        def __len__(self):
            return 5

        def __iter__(self):
            yield from [separable(10)] * self.left

    class Stop:
        def batch_end(self, state):
            if state.step == 4:
                raise KeyboardInterrupt

    loader, model = Shrinks(), nn.Linear(4, 2)
    options = {"epochs": 1, "checkpoint": tmp_path / "run.pt", "checkpoint_every": 1, "verbose": 0}
    optimizer = sgd(model)
    train.fit(model, loader, None, F.cross_entropy, optimizer, callbacks=[Stop()], **options)
    loader.left = 2
    with pytest.raises(train.CheckpointError, match="the loader has fewer now"):
        train.fit(model, loader, None, F.cross_entropy, optimizer, **options)


def test_a_callback_may_log_a_text(capsys):
    model = nn.Linear(4, 2)
    train.fit(
        model, [separable()], None, F.cross_entropy, sgd(model), epochs=1,
        callbacks=[lambda state: state.logs.update(note="fine")],
    )  # fmt: skip
    assert "note fine" in capsys.readouterr().out
