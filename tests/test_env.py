"""The environment of a run: one line, one seed, one device."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from helpers import env


def test_start_prints_one_line_and_seeds(capsys):
    run = env.start("00_test", seed=5)
    first = torch.rand(3)
    assert capsys.readouterr().out.splitlines() == [
        "00_test · device cpu · profile quick · data standin · seed 5"
    ]
    assert run.pick(quick=1, full=2) == 1
    assert torch.equal(first, torch.rand(3, generator=env.start("00_test", seed=5).generator))
    assert torch.get_num_threads() == 1


def test_seed_everything_seeds_three_libraries():
    import random

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    env.seed_everything(3)
    first = draw()
    env.seed_everything(3)
    assert draw() == first
    env.seed_everything(4)
    assert draw() != first
    with pytest.raises(ValueError, match="seed must lie in"):
        env.seed_everything(-1)


def test_unknown_settings_list_the_valid_ones(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "fast")
    with pytest.raises(ValueError, match=r"COURSE_PROFILE='fast'.*quick.*full"):
        env.profile()
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(RuntimeError, match=r"auto.*official.*standin"):
        env.data_mode()


def test_pick_device_names_a_missing_accelerator():
    assert env.pick_device("cpu").type == "cpu"
    if not torch.backends.mps.is_available():
        with pytest.raises(RuntimeError, match="no mps"):
            env.pick_device("mps")


def test_report_has_versions_and_hardware():
    report = env.report()
    assert str(torch.__version__).startswith(report["torch"])
    assert all(isinstance(v, str) and v for v in report.values())


def test_importing_helpers_does_nothing():
    code = (
        "import torch, random\n"
        "state, threads = torch.get_rng_state(), torch.get_num_threads()\n"
        "import matplotlib\n"
        "style = dict(matplotlib.rcParams)\n"
        "import importlib, pkgutil, helpers\n"
        "for file in pkgutil.walk_packages(helpers.__path__, 'helpers.'):\n"
        "    if not file.name.endswith('__main__'):\n"
        "        importlib.import_module(file.name)\n"
        "assert torch.equal(state, torch.get_rng_state())\n"
        "assert threads == torch.get_num_threads()\n"
        "assert style == dict(matplotlib.rcParams)\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_environment_is_hermetic():
    assert os.environ["COURSE_DATA"] == "standin"
    assert env.is_hermetic()


def test_deterministic_kernels_are_asked_for_only_when_wanted(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = torch.are_deterministic_algorithms_enabled()
    try:
        env.seed_everything(0)
        assert torch.are_deterministic_algorithms_enabled() == before
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
        env.seed_everything(0, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(before)
