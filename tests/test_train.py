"""The training loop: equal to a loop by hand, exact after a resume, clear about mistakes."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import data, models, train
from helpers.train.checkpoint import CheckpointError, safe_load


def problem(seed=0, rows=100):
    """Return features, targets and a fresh classifier."""
    torch.manual_seed(seed)
    x = torch.randn(rows, 8)
    y = (x[:, 0] * x[:, 1] > 0).long()
    return x, y, models.MLP((8, 16, 2))


def by_hand(model, loader, optimizer, epochs, val=None):
    """Train with the loop of chapter 08 and return the losses."""
    losses, val_losses = [], []
    loss_fn = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        total = count = 0
        for inputs, target in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), target)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
            count += len(target)
        losses.append(total / count)
        if val is not None:
            model.eval()
            with torch.inference_mode():
                val_losses.append(loss_fn(model(val[0]), val[1]).item())
    return losses, val_losses


def make_optimizer(model, name="adam"):
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=0.01)
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_fit_equals_a_loop_by_hand(fast, name):
    def loader():
        generator = torch.Generator().manual_seed(3)
        if fast:
            return data.TensorLoader(x, y, batch_size=16, shuffle=True, generator=generator)
        return DataLoader(TensorDataset(x, y), 16, shuffle=True, generator=generator)

    x, y, model = problem()
    expected, expected_val = by_hand(model, loader(), make_optimizer(model, name), 3, (x, y))
    x, y, model = problem()
    history = train.fit(
        model,
        loader(),
        data.TensorLoader(x, y, batch_size=30),
        nn.CrossEntropyLoss(),
        make_optimizer(model, name),
        epochs=3,
        metrics={"accuracy": train.accuracy},
        verbose=0,
    )
    torch.testing.assert_close(history.column("train_loss"), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(history.column("val_loss"), expected_val, rtol=0, atol=1e-6)
    assert history[-1]["epoch"] == 3
    right = (model(x).argmax(1) == y).sum().item()
    assert history[-1]["val_accuracy"] == pytest.approx(right / len(y))


def test_losses_are_weighted_by_examples():
    x, y, model = problem(rows=33)  # batches of 32 and 1
    loader = data.TensorLoader(x, y, batch_size=32)
    whole = nn.functional.cross_entropy(model(x), y).item()
    assert train.evaluate(model, loader, nn.CrossEntropyLoss())["loss"] == pytest.approx(whole)
    sgd = torch.optim.SGD(model.parameters(), lr=0.0)
    history = train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, verbose=0)
    assert history[0]["train_loss"] == pytest.approx(whole)


@pytest.mark.parametrize("rows", [64, 80])  # 80: the last group of batches is smaller
def test_accumulated_batches_equal_one_large_batch(rows):
    results = []
    for batch_size, accumulate in ((32, 1), (8, 4)):
        x, y, model = problem(rows=rows)
        loader = data.TensorLoader(x, y, batch_size=batch_size)
        sgd = make_optimizer(model, "sgd")
        history = train.fit(
            model,
            loader,
            None,
            nn.CrossEntropyLoss(),
            sgd,
            epochs=3,
            accumulate=accumulate,
            verbose=0,
        )
        results.append((history.column("train_loss"), list(model.parameters())))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1])


def test_clipping_bounds_the_step():
    x, y, model = problem()
    before = [p.detach().clone() for p in model.parameters()]
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = data.TensorLoader(x, y, batch_size=len(x))
    train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, clip_norm=1e-3, verbose=0)
    moved = torch.cat(
        [(p - q).flatten() for p, q in zip(model.parameters(), before, strict=True)]
    ).norm()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns(precision):
    x, y, model = problem()
    loader = data.TensorLoader(x, y, batch_size=20)
    history = train.fit(
        model,
        loader,
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=20,
        precision=precision,
        verbose=0,
    )
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_schedulers_per_epoch_and_per_step():
    for per, expected in (("epoch", [1.0, 0.5, 0.25]), ("step", [1.0, 0.5**5, 0.5**10])):
        x, y, model = problem()
        sgd = torch.optim.SGD(model.parameters(), lr=1.0)
        scheduler = torch.optim.lr_scheduler.StepLR(sgd, step_size=1, gamma=0.5)
        history = train.fit(
            model,
            data.TensorLoader(x, y, batch_size=20),
            None,
            nn.CrossEntropyLoss(),
            sgd,
            epochs=3,
            scheduler=scheduler,
            schedule=per,
            verbose=0,
        )
        assert history.column("lr") == pytest.approx(expected)


def test_plateau_scheduler_watches_the_validation_loss():
    x, y, model = problem()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=0, threshold=0.5)
    loader = data.TensorLoader(x, y, batch_size=50)
    history = train.fit(
        model,
        loader,
        loader,
        nn.CrossEntropyLoss(),
        sgd,
        epochs=3,
        scheduler=scheduler,
        verbose=0,
    )
    assert history.column("lr") == pytest.approx([1e-3, 1e-3, 1e-4])


def test_early_stopping_restores_the_best_weights():
    x, y, model = problem()
    loader = data.TensorLoader(x, y, batch_size=50)
    stopper = train.EarlyStopping(patience=2)
    values = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    weights = []

    def fake(state):
        state.logs["val_loss"] = next(values)
        weights.append(model[0].weight.detach().clone())

    history = train.fit(
        model,
        loader,
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=5,
        callbacks=[fake],
        early_stopping=stopper,
        verbose=0,
    )
    assert len(history) == 4
    assert stopper.best_epoch == 2
    assert torch.equal(model[0].weight, weights[1])


def test_callbacks_see_three_events_and_can_stop():
    x, y, model = problem()
    seen = []

    class Recorder:
        def epoch_start(self, state):
            seen.append(("start", state.epoch))

        def batch_end(self, state):
            seen.append(("batch", state.step, state.loss.ndim))

        def epoch_end(self, state):
            seen.append(("end", state.epoch, state.logs["train_loss"] > 0))

    def stop_after_two(state):
        state.stop = state.epoch == 2

    history = train.fit(
        model,
        data.TensorLoader(x, y, batch_size=50),
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=9,
        callbacks=[Recorder(), stop_after_two],
        verbose=0,
    )
    assert len(history) == 2
    assert seen == [
        ("start", 1), ("batch", 1, 0), ("batch", 2, 0), ("end", 1, True),
        ("start", 2), ("batch", 3, 0), ("batch", 4, 0), ("end", 2, True),
    ]  # fmt: skip


def test_ctrl_c_keeps_the_history(capsys):
    x, y, model = problem()

    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    class Late:
        batch_end = staticmethod(interrupt)

    history = train.fit(
        model,
        data.TensorLoader(x, y, batch_size=50),
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=9,
        callbacks=[Late()],
        verbose=0,
    )
    assert history.interrupted
    assert len(history) == 2
    assert "interrupted in epoch 3" in capsys.readouterr().out


class StopHere(Exception):
    """Stands for a crash at a chosen batch."""


def crash_at(step):
    class Crash:
        def batch_end(self, state):
            if state.step == step:
                raise StopHere

    return Crash()


def train_with_dropout(path, loader_kind, crash=None, resume=True):
    """One run whose result depends on every random number generator."""
    torch.manual_seed(0)
    x = torch.randn(90, 8)
    y = (x.sum(dim=1) > 0).long()
    model = models.MLP((8, 16, 2), dropout=0.5)
    generator = torch.Generator().manual_seed(1)

    def noisy(inputs, target):
        return inputs + 0.1 * torch.randn_like(inputs), target

    if loader_kind == "dataloader":
        loader = DataLoader(TensorDataset(x, y), 16, shuffle=True, generator=generator)
    elif loader_kind == "dataloader, global generator":
        loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
    else:
        loader = data.TensorLoader(
            x,
            y,
            batch_size=16,
            shuffle=True,
            generator=generator,
            transform=noisy if loader_kind == "transform" else None,
        )
    adam = make_optimizer(model)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(adam, 0.05, total_steps=6 * 4)
    history = train.fit(
        model,
        loader,
        data.TensorLoader(x, y, batch_size=90),
        nn.CrossEntropyLoss(),
        adam,
        epochs=4,
        scheduler=scheduler,
        schedule="step",
        checkpoint=path,
        checkpoint_every=2,
        callbacks=[crash_at(crash)] if crash else [lambda state: None],
        early_stopping=train.EarlyStopping(patience=4),
        resume=resume,
        verbose=0,
    )
    return model.state_dict(), list(history)


@pytest.mark.parametrize("step", [1, 4, 6, 7, 15, 24])
@pytest.mark.parametrize(
    "loader_kind", ["dataloader", "dataloader, global generator", "tensors", "transform"]
)
def test_resume_is_bit_exact(tmp_path, step, loader_kind):
    expected = train_with_dropout(tmp_path / "whole.pt", loader_kind)
    path = tmp_path / "part.pt"
    with pytest.raises(StopHere):
        train_with_dropout(path, loader_kind, crash=step)
    torch.randn(17)  # the resumed process is in another random state
    weights, history = train_with_dropout(path, loader_kind)
    assert [p.name for p in path.parent.glob("part*")] == ["part.pt"], "it started anew"
    assert history == expected[1]
    for name, value in expected[0].items():
        assert torch.equal(weights[name], value), name


class Fading(nn.Module):
    """A network whose noise fades with a count of steps that its state_dict does not have."""

    def __init__(self):
        super().__init__()
        self.layers = models.MLP((8, 16, 2))
        self.register_buffer("steps", torch.tensor(0.0), persistent=False)
        self.register_buffer("last", None, persistent=False)

    def forward(self, x):
        self.steps += 1
        x = x + torch.randn_like(x) / self.steps
        if self.last is not None:
            x = x + self.last
        self.last = x.detach().mean(dim=0)
        return self.layers(x)


@pytest.mark.parametrize("step", [2, 3])
def test_buffers_outside_the_state_dict_go_on_too(tmp_path, step):
    def run(path, **options):
        torch.manual_seed(0)
        model = Fading()
        return fit_small(model, path, checkpoint_every=1, **options), model

    expected, whole = run(tmp_path / "whole.pt")
    with pytest.raises(StopHere):
        run(tmp_path / "part.pt", callbacks=[crash_at(step)])
    history, model = run(tmp_path / "part.pt", callbacks=[lambda state: None])
    assert list(history) == list(expected)
    assert model.steps == whole.steps == 4
    assert torch.equal(model.last, whole.last)


def test_a_finished_run_is_loaded_and_not_trained_again(tmp_path):
    path = tmp_path / "run.pt"
    first = train_with_dropout(path, "tensors")
    stamp = path.stat().st_mtime_ns
    second = train_with_dropout(path, "tensors")
    assert second[1] == first[1]
    assert path.stat().st_mtime_ns == stamp
    assert all(torch.equal(first[0][k], second[0][k]) for k in first[0])


def fit_small(model, path, **options):
    x, y, _ = problem()
    loader = data.TensorLoader(x, y, batch_size=50)
    return train.fit(
        model,
        loader,
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=2,
        checkpoint=path,
        verbose=0,
        **options,
    )


def test_a_broken_checkpoint_is_reported_and_not_used(tmp_path):
    path = tmp_path / "run.pt"
    fit_small(models.MLP((8, 16, 2)), path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"run\.pt can't be read.*delete it"):
        fit_small(models.MLP((8, 16, 2)), path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit_small(models.MLP((8, 16, 2)), path)
    with pytest.raises(CheckpointError, match=r"does not fit the model.*resume=False"):
        fit_small(models.MLP((8, 7, 2)), path)
    assert len(fit_small(models.MLP((8, 7, 2)), path, resume=False)) == 2


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    model = models.MLP((8, 16, 2))
    train.save_checkpoint(path, model, epoch=1)
    before = path.read_bytes()

    def no_space(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", no_space)
    with pytest.raises(CheckpointError, match=r"No space left.*free some space"):
        train.save_checkpoint(path, model, epoch=2)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_with_code_is_refused(tmp_path):
    path = tmp_path / "bad.pt"
    torch.save({"model": nn.Linear(2, 2)}, path)  # a whole object, not a state_dict
    with pytest.raises(CheckpointError, match=r"bad\.pt can't be read"):
        safe_load(path)


def test_save_and_load_checkpoint(tmp_path):
    path = tmp_path / "deep" / "model.pt"
    model, other = models.MLP((8, 16, 2)), models.MLP((8, 16, 2))
    adam, other_adam = make_optimizer(model), make_optimizer(other)
    model(torch.zeros(1, 8)).sum().backward()
    adam.step()
    train.save_checkpoint(path, model, adam, epoch=3, note="kept")
    assert train.load_checkpoint(path, other, other_adam) == {"epoch": 3, "note": "kept"}
    assert torch.equal(model[0].weight, other[0].weight)
    assert other_adam.state_dict()["state"][0]["step"] == 1
    with pytest.raises(CheckpointError, match="no checkpoint missing"):
        train.load_checkpoint(tmp_path / "missing.pt", model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"schedule": "batch"}, "schedule must be 'epoch' or 'step'"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"clip_norm": -1.0}, "clip_norm must be positive"),
    ],
)
def test_contradictory_options_are_refused(options, message):
    x, y, model = problem()
    loader = data.TensorLoader(x, y, batch_size=50)
    with pytest.raises(ValueError, match=message):
        train.fit(
            model,
            loader,
            None,
            nn.CrossEntropyLoss(),
            make_optimizer(model),
            **({"epochs": 1} | options),
        )


def test_mistakes_with_batches_and_losses_are_named():
    x, y, model = problem()
    adam, loss_fn = make_optimizer(model), nn.CrossEntropyLoss()
    with pytest.raises(ValueError, match="pair"):
        train.fit(model, [x], None, loss_fn, adam, epochs=1)
    with pytest.raises(ValueError, match="length 3"):
        train.fit(model, [(x, x, y)], None, loss_fn, adam, epochs=1)
    with pytest.raises(ValueError, match="loader is empty"):
        train.fit(model, [], None, loss_fn, adam, epochs=1)
    with pytest.raises(ValueError, match="reduction='mean'"):
        train.fit(model, [(x, y)], None, nn.CrossEntropyLoss(reduction="none"), adam, epochs=1)
    with pytest.raises(ValueError, match="nothing to evaluate"):
        train.evaluate(model, [], loss_fn)
    with pytest.raises(ValueError, match=r"EarlyStopping watches 'val_loss'.*pass val_loader"):
        train.fit(
            model, [(x, y)], None, loss_fn, adam, epochs=1, early_stopping=train.EarlyStopping()
        )


def test_several_inputs_and_dicts_reach_the_model():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, a, b):
            return self.layer(a) + b

    model = Two()
    a, b, y = torch.randn(10, 2), torch.randn(10, 1), torch.randn(10, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    history = train.fit(model, [((a, b), y)], None, nn.MSELoss(), sgd, epochs=30, verbose=0)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_evaluate_restores_the_mode_and_takes_torchmetrics_like_objects():
    class MaxError:
        def reset(self):
            self.value = 0.0

        def update(self, outputs, target):
            self.value = max(self.value, (outputs - target).abs().max().item())

        def compute(self):
            return self.value

    model = nn.Linear(1, 1).train()
    x = torch.linspace(0, 1, 10).unsqueeze(1)
    y = model(x).detach()
    y[7] += 5
    result = train.evaluate(
        model, data.TensorLoader(x, y, batch_size=3), nn.MSELoss(), metrics={"max": MaxError()}
    )
    assert model.training
    assert result["max"] == pytest.approx(5)
    assert result["loss"] == pytest.approx(25 / 10)


def test_history_columns_and_json(tmp_path):
    history = train.History([{"epoch": 1, "a": 2.0}, {"epoch": 2, "a": 1.0, "b": 0.0}])
    assert history.column("a") == [2.0, 1.0]
    assert history.best("a")["epoch"] == 2
    assert history.best("a", "max")["epoch"] == 1
    with pytest.raises(KeyError, match="no column 'b' in every epoch"):
        history.column("b")
    history.to_json(tmp_path / "h.json")
    assert train.History.from_json(tmp_path / "h.json") == history
    assert history.frame()["epoch"].tolist() == [1, 2]


def test_lr_range_test_finds_the_edge_and_leaves_no_trace():
    x, y, model = problem()
    sgd = torch.optim.SGD(model.parameters(), lr=0.123)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    loader = data.TensorLoader(x, y, batch_size=50)
    table = train.lr_range_test(
        model, loader, nn.CrossEntropyLoss(), sgd, min_lr=1e-4, max_lr=1e4, steps=80
    )
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert sgd.param_groups[0]["lr"] == 0.123
    assert len(table) < 80  # it diverged and was cut short
    assert table["loss"].min() < table["loss"].iloc[0]
    assert math.isclose(table["lr"].iloc[0], 1e-4)


def test_param_groups_cover_each_parameter_once():
    model = models.CNNNet()
    groups = train.param_groups(model, {"features": 1e-4, "classifier": 1e-3})
    assert [g["lr"] for g in groups] == [1e-4, 1e-3]
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    with pytest.raises(ValueError, match="fits no trainable parameter"):
        train.param_groups(model, {"head": 1e-3}, default=1e-4)
    with pytest.raises(ValueError, match="no prefix fits"):
        train.param_groups(model, {"features": 1e-4})


def test_the_ensemble_of_models_is_here_too():  # tests/test_models.py tests it
    assert train.Ensemble is models.Ensemble


def test_predict_takes_tensors_and_loaders():
    x, y, model = problem()
    direct = model(x).detach()
    torch.testing.assert_close(train.predict(model, x, batch_size=7), direct)
    loader = data.TensorLoader(x, y, batch_size=9)
    torch.testing.assert_close(train.predict(model, loader), direct)


def test_tensorboard_writes_the_history(tmp_path):
    x, y, model = problem()
    train.fit(
        model,
        data.TensorLoader(x, y, batch_size=50),
        None,
        nn.CrossEntropyLoss(),
        make_optimizer(model),
        epochs=2,
        callbacks=[train.TensorBoard(tmp_path)],
        verbose=0,
    )
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [e.step for e in events.Scalars("train_loss")] == [1, 2]


def test_verbose_prints_one_line_an_epoch(capsys):
    x, y, model = problem()
    loader = data.TensorLoader(x, y, batch_size=50)
    train.fit(
        model, loader, loader, nn.CrossEntropyLoss(), make_optimizer(model), epochs=4, verbose=2
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines] == ["epoch   2:", "epoch   4:"]
    assert "val_loss" in lines[0]
