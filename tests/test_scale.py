"""Several processes for a notebook: what travels, what is refused, and that none outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from helpers import scale
from helpers.scale import shipping

ROOT = Path(__file__).parents[1]


def run_script(tmp_path, source, *arguments, timeout=240):
    script = tmp_path / "script.py"
    script.write_text(source)
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


# A program takes the notebook's place: its functions are those of __main__, too.
TEAM = """
import json, os, sys, time
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from helpers import scale

FACTOR = 3.0

class Base(nn.Module):
    def forward(self, x):
        return FACTOR * x

class Net(Base):
    @staticmethod
    def half(x):
        return F.relu(x) / 2
    def forward(self, x):
        return self.half(super().forward(x))

def inner(x):
    return Net()(x)

def total(x):
    mine = inner(x) * (dist.get_rank() + 1)
    dist.all_reduce(mine)
    return {"sum": mine, "pid": os.getpid()}

def fail():
    if dist.get_rank() == 1:
        raise ValueError("only here")
    return 1

def stuck():
    if dist.get_rank() == 1:
        raise ValueError("left the others alone")
    dist.barrier()

def sleeps():
    time.sleep(1000)

def opaque():
    return object()

found = {}
team = scale.Team(2)
first, second = team.run(total, torch.ones(2))
found["sum"] = [first["sum"].tolist(), second["sum"].tolist()]
FACTOR = 30.0  # the notebook's value of now counts
found["later"] = team.run(total, torch.ones(2))[0]["sum"].tolist()
for function in (fail, opaque):
    try:
        team.run(function)
    except scale.TeamError as error:
        found[function.__name__] = str(error)
found["lives on"] = team.run(total, torch.ones(2))[0]["sum"].tolist()
for function, options in ((stuck, {}), (sleeps, {"timeout": 1})):
    if function is sleeps:
        team = scale.Team(2)
    begin = time.monotonic()
    try:
        team.run(function, **options)
    except scale.TeamError as error:
        found[function.__name__] = str(error)
    found[function.__name__ + " s"] = time.monotonic() - begin
try:
    team.run(total, torch.ones(2))
except scale.TeamError as error:
    found["ended"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    done = run_script(tmp_path_factory.mktemp("team"), TEAM)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_functions_and_what_they_use_travel(found):
    assert found["sum"] == [[4.5, 4.5], [4.5, 4.5]]
    assert found["later"] == [45.0, 45.0]


def test_an_error_names_its_process_and_the_team_lives_on(found):
    assert "process 1: ValueError: only here" in found["fail"]
    assert 'raise ValueError("only here")' in found["fail"]  # the line of its source
    assert "a object can't travel" in found["opaque"]
    assert found["lives on"] == [45.0, 45.0]


def test_a_process_that_waits_for_a_failed_one_is_ended(found):
    assert "left the others alone" in found["stuck"]
    assert "process 0 waited for it" in found["stuck"]
    assert "no answer from process 0 within 1 s" in found["sleeps"]
    assert max(found["stuck s"], found["sleeps s"]) < 60
    assert "start a new Team" in found["ended"]


KILLED = """
import os, sys, time, torch.distributed as dist
from helpers import scale

def who():
    return os.getpid()

def stuck():
    if dist.get_rank() == 0:
        dist.barrier()

team = scale.Team(2)
print(*team.run(who), team._launcher.pid, flush=True)
team.run(stuck, timeout=1000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_no_process_outlives_a_killed_notebook(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 3
    time.sleep(1)  # one of them is in the barrier by now
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 60
    while time.monotonic() < end and any(map(alive, pids)):
        time.sleep(0.1)
    assert not any(map(alive, pids))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_only_values_travel():
    value = {"a": [torch.ones(2), 1, None], "b": "text"}
    back = shipping.unpack(shipping.pack(value))
    assert torch.equal(back["a"][0], torch.ones(2))
    assert back["a"][1:] == [1, None]
    view = torch.zeros(10_000)[:2]
    assert len(shipping.pack(view)) < 5_000, "a view brings its whole storage"
    with pytest.raises(TypeError, match="can't travel"):
        shipping.pack({1, 2})


def test_a_lambda_is_refused_with_a_remedy():
    with pytest.raises(TypeError, match="has no source"):
        shipping.source_of(lambda: 1)


def test_state_bytes_counts_each_kind():
    model = torch.nn.Linear(9, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert scale.state_bytes(model, sgd) == {"parameters": 40, "gradients": 0, "optimizer": 0}
    model(torch.ones(2, 9)).sum().backward()
    sgd.step()
    assert scale.state_bytes(model, sgd) == {"parameters": 40, "gradients": 40, "optimizer": 40}


CELLS = [
    "import torch\nfrom torch import nn\nfrom helpers import data, env, models, train\n"
    "run = env.start('08_training_process', seed=0)",
    "x = torch.randn(101, 6)\ny = (x.sum(dim=1) > 0).long()\nmodel = models.MLP((6, 16, 2))\n"
    "loader = data.TensorLoader(x, y, batch_size=16, shuffle=True)\n"
    "sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)",
    "history = train.fit(model, loader, loader, nn.CrossEntropyLoss(), sgd, epochs=2)",
    "train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, verbose=0)\n"
    "assert len(history) == 2",
    "raise SystemError('behind --until')",
]


def test_a_notebook_on_two_processes_equals_one(tmp_path):
    notebook = tmp_path / "small.ipynb"
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in CELLS
    ]
    notebook.write_text(json.dumps({"cells": cells}))
    program = ["tools/on_processes.py", str(notebook), "--until", "3", "--report"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    reports, texts = [], []
    for launcher in ([], torchrun):
        report = tmp_path / f"{len(launcher)}.json"
        done = subprocess.run(
            [sys.executable, *launcher, *program, str(report)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        texts.append(done.stdout)
        reports.append(json.loads(report.read_text()))
    assert "2 calls of fit on 1 process," in texts[0]
    assert "2 calls of fit on 2 processes," in texts[1]
    assert texts[1].count("epoch   2") == 1  # the first process prints
    assert [len(history) for history in reports[1]] == [2, 1]
    for one, two in zip(*reports, strict=True):
        for alone, together in zip(one, two, strict=True):
            assert together == pytest.approx(alone, rel=1e-4)
