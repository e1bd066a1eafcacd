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
        timeout=180,
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


DISTRIBUTED = """
import json, os, sys, torch
from torch import nn
from helpers import data, models, train

torch.set_num_threads(1)
histories = {}
for kind in ("dataloader", "tensors"):
    torch.manual_seed(0)
    x = torch.randn(101, 8)  # 101: the last batch has 5 rows, which two processes can't halve
    y = (x.sum(dim=1) > 0).long()
    model = models.MLP((8, 32, 2))
    generator = torch.Generator().manual_seed(1)
    if kind == "dataloader":
        rows = torch.utils.data.TensorDataset(x, y)
        loader = torch.utils.data.DataLoader(rows, 16, shuffle=True, generator=generator)
    else:
        loader = data.TensorLoader(x, y, batch_size=16, shuffle=True, generator=generator)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    histories[kind] = train.fit(
        model, loader, data.TensorLoader(x, y, batch_size=50), nn.CrossEntropyLoss(), sgd,
        epochs=3, metrics={"accuracy": train.accuracy},
    )
with open(sys.argv[1] + os.environ.get("RANK", "0") + ".json", "w") as file:
    json.dump(histories, file)
"""


def test_two_processes_give_the_result_of_one(tmp_path):
    script = tmp_path / "distributed.py"
    script.write_text(DISTRIBUTED)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for launcher, prefix in (([], "one"), (launch, "two")):
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(tmp_path / prefix)],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("epoch ") == 2 * DDP_EPOCHS, "only the first process prints"
    one = json.loads((tmp_path / "one0.json").read_text())
    first, second = (json.loads((tmp_path / f"two{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    for kind, epochs in one.items():
        for expected, found in zip(epochs, first[kind], strict=True):
            assert found == pytest.approx(expected, abs=1e-5)


def test_a_checkpoint_write_is_small_against_a_step_of_a_real_model(tmp_path):
    model = models.LeNet()
    loader = data.TensorLoader(torch.rand(64, 1, 28, 28), torch.arange(64) % 10, batch_size=64)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "lenet.pt"
    train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, checkpoint=path, verbose=0)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    assert path.stat().st_size < weights + 60_000
