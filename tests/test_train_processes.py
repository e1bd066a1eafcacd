"""What only separate processes can show: training that is killed, and training on two processes."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from helpers import data, models, train

KILLS = 20
DDP_EPOCHS = 3

# Dropout, a shuffling loader with a generator of its own, a schedule by steps: the result
# depends on every random number generator and on the position in the epoch. The children are
# forked, so that each does not have to import torch again.
KILLED_AGAIN_AND_AGAIN = """
import json, os, random, signal, sys, time
from pathlib import Path

import torch
from torch import nn

from helpers import data, models, train

torch.set_num_threads(1)
folder, kills = Path(sys.argv[1]), int(sys.argv[2])


def run(checkpoint, result):
    torch.manual_seed(0)
    x = torch.randn(480, 8)
    y = (x.sum(dim=1) > 0).long()
    model = models.MLP((8, 32, 2), dropout=0.3)
    generator = torch.Generator().manual_seed(1)
    loader = data.TensorLoader(x, y, batch_size=16, shuffle=True, generator=generator)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 0.05, total_steps=30 * 12)
    history = train.fit(
        model, loader, loader, nn.CrossEntropyLoss(), adam, epochs=12, scheduler=schedule,
        schedule="step", checkpoint=checkpoint, checkpoint_every=1, verbose=0,
    )
    torch.save({"weights": model.state_dict(), "history": list(history)}, result)


def forked(checkpoint, result, wait=None):
    child = os.fork()
    if child == 0:
        run(checkpoint, result)
        os._exit(0)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


killed, steps, in_a_write = folder / "killed.pt", [], 0
for name in ("warm-up", "whole"):  # the first use of an optimiser imports much of torch
    begin = time.perf_counter()
    run(folder / f"{name}.pt", folder / "expected.pt")
    seconds = time.perf_counter() - begin
chance = random.Random(0)
for _ in range(kills):
    wait = chance.uniform(0.01, 0.07) * seconds
    if forked(killed, folder / "early.pt", wait) != signal.SIGKILL:
        break  # it reached the end before it was killed
    in_a_write += any(folder.glob(".killed.pt.*.tmp"))
    if killed.is_file():
        steps.append(torch.load(killed, weights_only=True)["step"])
assert forked(killed, folder / "result.pt") == 0
print(json.dumps({"steps": steps, "in_a_write": in_a_write}))
"""


def test_kill_9_at_random_moments_then_resume_is_bit_exact(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED_AGAIN_AND_AGAIN)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    steps = report["steps"]
    print(f"killed after steps {steps}, {report['in_a_write']} times in a write")
    assert len(set(steps)) > 3, "the kills came too early or too late to test anything"
    assert steps == sorted(steps), "a resumed run lost steps"
    assert report["in_a_write"] > 0, "no kill fell into a write"
    expected = torch.load(tmp_path / "expected.pt", weights_only=True)
    found = torch.load(tmp_path / "result.pt", weights_only=True)
    assert found["history"] == expected["history"]
    for name, weights in expected["weights"].items():
        assert torch.equal(found["weights"][name], weights), name
    assert not list(tmp_path.glob(".killed.pt.*.tmp"))


# Runs in one process and in two; what it writes must be the same.
DISTRIBUTED = """
import json, os, sys, warnings
import torch, torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset
from helpers import data, models, train

torch.set_num_threads(1)
rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
found = {}


def problem(rows=101):  # 101: the last batch has 5 rows, which two processes can't halve
    torch.manual_seed(0)
    x = torch.randn(rows, 8)
    return x, (x.sum(dim=1) > 0).long(), models.MLP((8, 32, 2))


def fit(name, model, loader, loss_fn=None, val=None, verbose=0, lr=0.1, **options):
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    loss_fn = loss_fn or nn.CrossEntropyLoss()
    history = train.fit(model, loader, val, loss_fn, sgd, epochs=3, verbose=verbose, **options)
    weights = sum(p.detach().double().abs().sum().item() for p in model.parameters())
    found[name] = [*history, {"weights": weights}]


class Synced:  # as torchmetrics: compute() talks to all processes
    def reset(self):
        self.n = torch.zeros(1)

    def update(self, out, y):
        self.n += len(y)

    def compute(self):
        if world > 1:
            dist.all_reduce(self.n)
        return self.n


x, y, model = problem()
rows, generator = TensorDataset(x, y), torch.Generator().manual_seed(1)
loader = DataLoader(rows, 16, shuffle=True, generator=generator)
metrics = {"accuracy": train.accuracy, "rows": Synced()}
val = data.TensorLoader(x, y, batch_size=50)
fit("dataloader", model, loader, val=val, verbose=1, metrics=metrics)

x, y, model = problem()
fit("global generator", model, DataLoader(rows, 16, shuffle=True), val=DataLoader(rows, 50))

x, y, model = problem()
generator = torch.Generator().manual_seed(7 * rank)  # the first process decides
loader = data.TensorLoader(x, y, batch_size=16, shuffle=True, generator=generator)
fit("seeded by rank", model, loader, accumulate=2, clip_norm=0.5)

x, y, model = problem()
y[:20] = 0
weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))
loader = data.TensorLoader(x, y, batch_size=16)
fit("class weights", model, loader, weighted, val=loader)

x, y, model = problem()
y[torch.arange(101) % 3 > 0] = -100
y[64:80:2] = -100  # the first process has no label left in this batch
fit("ignored labels", model, loader := data.TensorLoader(x, y, batch_size=16), val=loader)


class TwoHeads(nn.Module):  # one takes no part in the loss
    def __init__(self):
        super().__init__()
        self.used, self.other = nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x, names):
        assert len(names) == len(x) and all(len(name) == 3 for name in names)
        return self.used(x)


x, y, _ = problem()
torch.manual_seed(0)
batches = [((x[s], ["cat"] * len(x[s])), y[s]) for s in (slice(0, 50), slice(50, 101))]
fit("texts, unused parameter", TwoHeads(), batches)

torch.manual_seed(0)
numbers = TensorDataset(torch.arange(64.0)[:, None], torch.zeros(64, dtype=torch.long))
sampler = DistributedSampler(numbers, num_replicas=world, rank=rank, seed=3)
model, seen, passes = nn.Linear(1, 2), [], []
model.register_forward_pre_hook(lambda m, x: seen.extend(x[0].flatten().tolist()))
keep = lambda state: (passes.append(list(seen)), seen.clear())
fit("sampler", model, DataLoader(numbers, 16 // world, sampler=sampler), lr=0.0, callbacks=[keep])
everywhere = [passes]
if world > 1:
    everywhere = [None, None]
    dist.all_gather_object(everywhere, passes)
found["rows of a DistributedSampler"] = [
    {"rows": len({row for one in everywhere for row in one[epoch]})} for epoch in range(3)
]
assert passes[0] != passes[1], "each epoch has its own order"

x, y, _ = problem()
for crash in (None, 10):  # a run that stops in an epoch, and goes on
    class Crash:
        def batch_end(self, state):
            if state.step == crash:
                raise RuntimeError("stopped")
    path = os.path.join(os.path.dirname(sys.argv[1]), f"{world}-{crash}.pt")
    for attempt in ("first", "second") if crash else ("only",):
        torch.manual_seed(0)
        model = models.MLP((8, 16, 2), dropout=0.5)
        loader = DataLoader(rows, 16, shuffle=True)
        try:
            fit("", model, loader, checkpoint=path, checkpoint_every=3,
                callbacks=[Crash()] if attempt == "first" else [])
        except RuntimeError:
            assert attempt == "first"
    found[f"resumed {world} {crash}"] = found.pop("")

if world > 1:
    class Own(IterableDataset):  # other examples in each process
        def __iter__(self):
            yield from ((torch.full((8,), float(rank)), torch.tensor(0)) for _ in range(8))

    class Longer(IterableDataset):  # more examples in one process
        def __iter__(self):
            yield from ((torch.ones(8), torch.tensor(0)) for _ in range(8 + 8 * rank))

    class Alone(Synced):  # tells each process something else
        def compute(self):
            return self.n + 5 * rank

    refusals = []
    for loader, options in (
        (DataLoader(Own(), 4), {}),
        (DataLoader(Longer(), 4), {}),
        ([(x, y)], {"val": [(x, y)], "metrics": {"alone": Alone()}}),
        ([(torch.ones(5, 8, 2), y)], {}),
    ):
        try:
            fit("refused", models.MLP((8, 4, 2)), loader, **options)
        except (RuntimeError, ValueError) as error:
            refusals.append(str(error))
    found["refusals"] = refusals

with open(f"{sys.argv[1]}{rank}.json", "w") as file:
    json.dump(found, file)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "distributed.py"
    script.write_text(DISTRIBUTED)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    output = {}
    for launcher, prefix in (([], "one"), (launch, "two")):
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(folder / prefix)],
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, done.stderr
        output[prefix] = done.stdout
    read = lambda name: json.loads((folder / f"{name}.json").read_text())  # noqa: E731
    return output, read("one0"), read("two0"), read("two1")


def test_two_processes_give_the_result_of_one(runs):
    output, one, first, second = runs
    assert all(text.count("epoch ") == DDP_EPOCHS for text in output.values()), "only rank 0 prints"
    assert first == second
    for name, epochs in one.items():
        if "resumed" not in name:
            for expected, found in zip(epochs, first[name], strict=True):
                assert found == pytest.approx(expected, abs=1e-4), name
    assert one["dataloader"][0]["val_rows"] == 101
    assert [epoch["rows"] for epoch in first["rows of a DistributedSampler"]] == [64] * 3


def test_a_run_of_two_processes_resumes_bit_for_bit(runs):
    _, one, first, _ = runs
    assert first["resumed 2 10"] == first["resumed 2 None"]
    assert one["resumed 1 10"] == one["resumed 1 None"]


def test_what_two_processes_can_not_agree_on_is_refused(runs):
    other, longer, alone, time_first = runs[2]["refusals"]
    assert "drew different batches" in other
    assert "not equally many" in longer
    assert "metric 'alone' differs between the processes" in alone
    assert "its first dimension must count examples" in time_first


def test_a_checkpoint_write_is_small_against_a_step_of_a_real_model(tmp_path):
    model = models.LeNet()
    loader = data.TensorLoader(torch.rand(64, 1, 28, 28), torch.arange(64) % 10, batch_size=64)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "lenet.pt"
    train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, checkpoint=path, verbose=0)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    assert path.stat().st_size < weights + 60_000
