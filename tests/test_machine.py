"""The machine report: versions, caches, the answer of nvidia-smi, the hash of the code."""

import subprocess

import pytest
import torch

from helpers import env, machine, timing


def test_one_report():
    report = env.report()
    assert report == machine.report()
    assert timing.hardware().items() >= report.items()
    assert list(report) == [
        "python",
        *machine.REPORTED_PACKAGES,
        "platform",
        "cpu",
        "accelerator",
        "CUDA",
    ]


def cache(folder, core, index, level, size, cores):
    place = folder / f"cpu{core}" / "cache" / f"index{index}"
    place.mkdir(parents=True)
    for name, text in (("level", level), ("size", size), ("shared_cpu_list", cores)):
        (place / name).write_text(f"{text}\n")


def test_caches_of_the_last_level_are_added_up(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 0, raising=False)
    assert machine.cache_bytes(tmp_path) is None
    for core in range(4):
        cache(tmp_path, core, 2, 2, "512K", core)
        cache(tmp_path, core, 3, 3, "32M", "0-1" if core < 2 else "2-3")  # two, shared
    (tmp_path / "cpu5" / "cache" / "index3").mkdir(parents=True)  # tells nothing
    assert machine.cache_bytes(tmp_path) == 2 * 32 * 2**20
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 2**28, raising=False)
    assert machine.cache_bytes(tmp_path) == 2**28

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(machine.os, "sysconf", unknown, raising=False)
    assert machine.cache_bytes(tmp_path) == 2 * 32 * 2**20


def test_nvidia_smi_is_read_by_its_fields(monkeypatch):
    text = "GPU-1, 610.2, 1830, 1980, 700.00\nGPU-2, 610.2, [N/A], 1980, 700.00\nno such line\n"
    done = subprocess.CompletedProcess([], 0, stdout=text)
    monkeypatch.setattr(machine.subprocess, "run", lambda *args, **options: done)
    first, second = machine._smi()
    assert (first["driver"], first["power_limit_w"]) == ("610.2", "700.00")
    assert machine._number(second["clock_mhz"]) is None
    assert machine._number(first["clock_mhz"]) == 1830


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("smi", 10)])
def test_no_nvidia_smi_is_no_error(monkeypatch, error):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(machine.subprocess, "run", fail)
    assert machine._smi() == []
    machine.driver.cache_clear()
    assert machine.driver() == "unknown"
    machine.driver.cache_clear()


def test_hardware_without_cuda_says_so():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    found = timing.hardware()
    assert found["gpus"] == []
    assert {found[name] for name in ("driver", "cuDNN", "cuBLAS", "Triton")} == {None}


def test_the_hash_names_the_code(tmp_path):
    (tmp_path / "part").mkdir()
    file = tmp_path / "part" / "a.py"
    file.write_bytes(b"x = 1\n")
    first = machine.code_hash(tmp_path)
    file.write_bytes(b"x = 1\r\n")
    assert machine.code_hash(tmp_path) == first  # as git writes it on Windows
    file.write_bytes(b"x = 2\n")
    assert machine.code_hash(tmp_path) != first
    file.rename(tmp_path / "b.py")
    assert machine.code_hash(tmp_path) != first
    assert machine.code_hash() == machine.code_hash()
