"""Several processes for a notebook: what travels, what is refused, and that none outlives it."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest
import torch

from helpers import scale
from helpers.scale import shipping

ROOT = Path(__file__).parents[1]


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
    if dist.get_rank() == 0:
        dist.barrier()

def opaque():
    return object()

found = {}
team = scale.Team(2, grace_s=200)  # a loaded machine's process is slow, not stuck
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
found["pids"] = [answer["pid"] for answer in team.run(total, torch.ones(2))]
found["pids"].append(team._launcher.pid)
print(json.dumps(found), flush=True)
team.run(stuck, timeout=1000)  # until the program is killed
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a program with a team found; it is killed while one process waits in a barrier."""
    script = tmp_path_factory.mktemp("team") / "script.py"
    script.write_text(TEAM)
    with script.with_suffix(".txt").open("w+") as errors:
        parent = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        try:
            assert parent.stdout is not None
            line = parent.stdout.readline()
            errors.seek(0)
            assert line, errors.read()
            time.sleep(1)  # by then one of them is in the barrier
        finally:
            parent.kill()
            parent.wait()
    return json.loads(line)


def test_functions_and_what_they_use_travel(found):
    assert found["sum"] == [[4.5, 4.5], [4.5, 4.5]]
    assert found["later"] == [45.0, 45.0]


def test_an_error_names_its_process_and_the_team_lives_on(found):
    assert "process 1: ValueError: only here" in found["fail"]
    assert 'raise ValueError("only here")' in found["fail"]  # the line of its source
    assert "a object can't travel" in found["opaque"]
    assert found["lives on"] == [45.0, 45.0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_no_process_outlives_a_killed_notebook(found):
    end = time.monotonic() + 300
    while time.monotonic() < end and any(map(alive, found["pids"])):
        time.sleep(0.1)
    assert not any(map(alive, found["pids"]))


@pytest.fixture
def stub(tmp_path):
    """A team whose processes are played by the test: it holds the other ends."""
    team = scale.Team.__new__(scale.Team)
    ends = [Pipe() for _ in range(2)]
    team.processes, team.grace_s = 2, 300.0
    team._connections = [ours for ours, _ in ends]
    team._log = tmp_path / "log.txt"
    team._folder = tempfile.TemporaryDirectory()
    team._launcher = subprocess.Popen([sys.executable, "-c", "pass"])
    yield team, [theirs for _, theirs in ends]
    team.close()


def test_a_process_that_waits_for_a_failed_one_is_ended(stub):
    team, ends = stub
    team.grace_s = 0.1
    ends[1].send_bytes(shipping.pack({"error": "ValueError: alone", "trace": "line 1"}))
    with pytest.raises(scale.TeamError, match="process 1: ValueError: alone; process 0 waited"):
        team.run(textwrap.dedent, "")
    with pytest.raises(scale.TeamError, match="start a new Team"):
        team.run(textwrap.dedent, "")
    assert team._launcher.poll() is not None


def test_no_answer_in_time_is_told(stub):
    team, ends = stub
    ends[1].send_bytes(shipping.pack({"result": 1}))
    with pytest.raises(scale.TeamError, match=r"no answer from process 0 within 0\.1 s"):
        team.run(textwrap.dedent, "", timeout=0.1)


def test_a_dead_process_is_told(stub):
    team, ends = stub
    for end in ends:
        end.close()
    with pytest.raises(scale.TeamError, match="died"):
        team.run(textwrap.dedent, "")


def test_late_answers_are_not_those_of_the_next_function(stub, monkeypatch):
    team, _ = stub

    def interrupt(end):
        raise KeyboardInterrupt

    monkeypatch.setattr(team, "_collect", interrupt)
    with pytest.raises(KeyboardInterrupt):
        team.run(textwrap.dedent, "")
    with pytest.raises(scale.TeamError, match="start a new Team"):
        team.run(textwrap.dedent, "")


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
    "more = train.fit(model, loader, None, nn.CrossEntropyLoss(), sgd, epochs=1, verbose=0)\n"
    "assert len(history) == 2",
    "raise SystemError('behind --until')",
]


def test_a_notebook_on_two_processes_equals_one(tmp_path):
    notebook = tmp_path / "small.ipynb"
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in CELLS
    ]
    notebook.write_text(json.dumps({"cells": cells}))
    report = tmp_path / "report.json"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = ["tools/on_processes.py", notebook, "--until", "3", "--report", report]
    done = subprocess.run(
        [sys.executable, *torchrun, *map(str, program)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 calls of fit on 2 processes," in done.stdout
    assert done.stdout.count("epoch   2") == 1  # the first process prints
    together = json.loads(report.read_text())
    names = {}
    for source in CELLS[:-1]:  # one process: this one
        exec(source, names)
    alone = [names["history"], names["more"]]
    assert [len(history) for history in together] == [2, 1]
    for one, two in zip(alone, together, strict=True):
        for epoch, same in zip(one, two, strict=True):
            assert same == pytest.approx(dict(epoch), rel=1e-4)
