"""The CUDA clock and the suite on a pretended device: order, memory, capture, failures."""

import json

import pytest
import torch
from fake_cuda import BANDWIDTH, KERNEL, LAUNCH, UPLOAD, pretend_cuda

from helpers import machine, timing
from helpers.timing import _clock, _roofline
from helpers.timing.__main__ import main

MIB = 2**20
FEW = {"device": "cuda", "warmup": 1, "repeats": 5, "min_time": 0.0}


@pytest.fixture
def cuda(monkeypatch):
    with pretend_cuda(monkeypatch) as device:
        yield device


def add_and_double(x):
    return lambda: (x + 1) * 2


# -- a sample ---------------------------------------------------------------------------------


def test_a_sample_leaves_the_flush_out(cuda):
    x = torch.zeros(4, device="cuda")
    timed = timing.measure(lambda: x + 1, **FEW)
    assert timed.median == pytest.approx(KERNEL)
    assert timed.inner == 1  # only one call a flush is cold
    # Warm-up has launched one call without a flush; every sample is a flush and a call.
    names = [name for name, _, _ in cuda.log]
    assert names[-10:] == ["flush", "aten.add.Tensor"] * 5


def test_calls_in_a_row_without_flush(cuda):
    cuda.seconds = lambda func, result: 0.01
    x = torch.zeros(4, device="cuda")
    timed = timing.measure(lambda: x + 1, **FEW | {"min_time": 0.2}, flush_l2=False)
    assert timed.inner == 4
    assert timed.median == pytest.approx(0.01, rel=0.01)
    assert "flush" not in [name for name, _, _ in cuda.log]


def test_short_kernels_get_as_many_samples_as_min_time_allows(cuda):
    # One flush of 256 MiB and a kernel take 1.9 ms: 0.2 s are 108 samples, not 5.
    x = torch.zeros(4, device="cuda")
    timed = timing.measure(lambda: x + 1, **FEW | {"min_time": 0.2})
    flush = _clock.MIN_FLUSH_BYTES / cuda.bandwidth
    assert timed.repeats * (flush + KERNEL) == pytest.approx(0.2, rel=0.2)


def test_min_time_of_a_comparison_is_shared(cuda):
    # A case of 0.1 s beside a short one: the long one is not sampled a hundred times.
    cuda.seconds = lambda func, result: 0.1 if func is torch.ops.aten.mul.Tensor else KERNEL
    x = torch.zeros(4, device="cuda")
    cases = {"long": lambda: x * 2, "short": lambda: x + 1}
    table = timing.compare(cases, baseline="long", **FEW | {"min_time": 1.0})
    assert {timed.repeats for timed in table.timings.values()} == {20}


# -- memory -----------------------------------------------------------------------------------


def test_peak_is_what_the_call_itself_takes(cuda):
    kept = torch.zeros(100 * MIB // 4, device="cuda")
    x = torch.zeros(MIB // 4, device="cuda")
    cases = {name: add_and_double(x) for name in "abcd"}
    table = timing.compare(cases, baseline="a", **FEW)
    assert [timed.peak_bytes for timed in table.timings.values()] == [2 * MIB] * 4
    graphs = timing.compare(cases, baseline="a", **FEW, flush_l2=False, graph=True)
    assert [timed.peak_bytes for timed in graphs.timings.values()] == [2 * MIB] * 4
    assert kept.nbytes == 100 * MIB


def test_one_flush_buffer_for_all_cases(cuda):
    x = torch.zeros(4, device="cuda")
    cuda.limit = 2 * _clock.MIN_FLUSH_BYTES - MIB
    timing.compare({name: add_and_double(x) for name in "abcd"}, baseline="a", **FEW)


# -- graphs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
def test_capture_is_on_a_warmed_up_stream_of_the_right_device(cuda, device):
    first = torch.zeros(4, device="cuda")
    graph = {"flush_l2": False, "graph": True}
    timing.measure(lambda: first + 1, **FEW, **graph)  # an earlier capture, on cuda:0
    cuda.log.clear()
    timing.measure(lambda: first + 1, **FEW | {"device": device}, **graph)
    warmed = set()
    captured = [stream for _, stream, capturing in cuda.log if capturing]
    assert captured
    for _, stream, capturing in cuda.log:
        if capturing:
            assert stream in warmed
            assert stream.device_index == int(device[-1])
        else:
            warmed.add(stream)


def test_the_first_replay_is_not_a_sample(cuda):
    x = torch.zeros(4, device="cuda")
    for options in ({}, {"warmup": 0}, {"flush_l2": True}, {"flush_l2": True, "warmup": 0}):
        timed = timing.measure(lambda: x + 1, **FEW | {"flush_l2": False, "graph": True} | options)
        assert max(timed.samples) == pytest.approx(timed.median)
        assert timed.median < UPLOAD / 10


def test_warm_up_replays_the_graph(cuda):
    x = torch.zeros(4, device="cuda")
    timing.measure(lambda: x + 1, **FEW | {"warmup": 7}, graph=True)
    assert [name for name, _, _ in cuda.log].count("replay") == 1 + 7 + 3 + 5


class MineError(Exception):
    pass


def test_a_failed_capture_tells_its_own_reason_and_gives_the_stream_back(cuda):
    before = torch.cuda.current_stream()
    x = torch.zeros(4, device="cuda")

    def synchronises():
        torch.cuda.synchronize()
        return x + 1

    def mine():
        if cuda.capturing is not None:
            cuda.broken = True
            raise MineError("not here")
        return x + 1

    graph = {"flush_l2": False, "graph": True}
    with pytest.raises(RuntimeError, match="operation not permitted when stream is capturing"):
        timing.measure(synchronises, **FEW, **graph)
    assert torch.cuda.current_stream() is before
    with pytest.raises(MineError, match="not here"):
        timing.measure(mine, **FEW, **graph)
    assert torch.cuda.current_stream() is before
    timing.measure(lambda: x + 1, **FEW, **graph)


def test_a_failure_while_the_side_stream_warms_up_gives_the_stream_back(cuda):
    before = torch.cuda.current_stream()

    def only_there():
        if torch.cuda.current_stream() is not before:
            raise MineError("a stream that I do not know")

    with pytest.raises(MineError):
        timing.measure(only_there, **FEW, graph=True)
    assert torch.cuda.current_stream() is before


# -- what was measured is recorded ------------------------------------------------------------


def test_a_timing_says_how_it_was_measured(cuda):
    x = torch.zeros(4, device="cuda")
    timed = timing.measure(lambda: x + 1, **FEW)
    assert (timed.flush_l2, timed.graph) == (True, False)
    assert "cold L2 cache" in repr(timed)
    replayed = timing.measure(lambda: x + 1, **FEW, flush_l2=False, graph=True)
    record = json.loads(json.dumps(replayed.to_dict()))
    assert (record["flush_l2"], record["graph"]) == (False, True)
    assert "warm L2 cache · CUDA graph" in repr(replayed)
    table = timing.compare({"a": lambda: x + 1}, baseline="a", **FEW)
    assert "cold L2 cache" in table._repr_html_()


def test_tf32_is_read_from_either_kind_of_switch(cuda, precision_switches):
    x = torch.zeros(4, device="cuda")

    def found():
        return timing.measure(lambda: x + 1, **FEW).tf32

    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.allow_tf32 = False
    assert found() == ()
    torch.set_float32_matmul_precision("high")
    assert found() == ("matmul",)
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    assert found() == ("conv",)
    cuda.capability = (7, 5)  # the switch is there, the unit is not
    assert found() == ()


def test_hardware_tells_libraries_and_clocks(cuda, monkeypatch):
    told = {"uuid": "GPU-1234", "driver": "610.2", "clock_mhz": "1830", "max_clock_mhz": "1980"}
    other = told | {"uuid": "GPU-99", "clock_mhz": "1"}
    monkeypatch.setattr(machine, "_smi", lambda: [other, told | {"power_limit_w": "[N/A]"}])
    found = timing.hardware()
    assert {"cuDNN", "cuBLAS", "Triton", "driver", "cache_bytes"} <= set(found)
    gpu = found["gpus"][0]
    assert (gpu["clock_mhz"], gpu["max_clock_mhz"], gpu["power_limit_w"]) == (1830, 1980, None)
    assert gpu["capability"] == "9.0"


# -- the suite --------------------------------------------------------------------------------


@pytest.fixture
def precision_switches():
    """Leave the process's precision as it was found, new switches and old."""
    backends = torch.backends
    parts = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    before = [part.fp32_precision for part in parts]
    yield parts
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = True
    for part, value in zip(parts, before, strict=True):
        part.fp32_precision = value


@pytest.fixture
def one_network(monkeypatch):
    """Train the smaller network only: each of its cases costs many calls."""
    from helpers.timing._suite import cases

    train = cases.GROUP_CASES["train"]

    def few(device, quick):
        return (case for case in train(device, quick) if case.name.startswith("mlp"))

    monkeypatch.setitem(cases.GROUP_CASES, "train", few)


def run(*groups, **options):
    return timing.suite(list(groups), "cuda", quick=True, **options)


def test_every_group_runs_on_cuda(cuda, one_network):
    found = run("all")
    assert {case["group"] for case in found["cases"]} == set(timing.GROUPS)
    # The thread that pins memory asks the real driver.
    assert {skip["name"] for skip in found["skipped"]} <= {
        "DataLoader, shuffled, 0 workers, pinned"
    }
    assert found["complete"]
    assert all(0 < case["share_of_limit"] <= 1 for case in found["cases"])
    conditions = {(case["group"], case["flush_l2"], case["graph"]) for case in found["cases"]}
    assert ("matmul", True, False) in conditions
    assert ("train", False, True) in conditions
    assert not any(group == "train" and flush for group, flush, _ in conditions)


@pytest.mark.parametrize("bandwidth", [BANDWIDTH, BANDWIDTH / 5])
def test_launches_count_in_a_training_step_on_every_card(cuda, one_network, bandwidth):
    cuda.bandwidth = bandwidth
    found = {case["name"]: case for case in run("train")["cases"] if case["dtype"] == "float32"}
    eager, graph = found["mlp step"], found["mlp step, graph"]
    kernels = graph["median_s"] / KERNEL  # a graph is its kernels in a row
    assert eager["median_s"] == pytest.approx(kernels * LAUNCH, rel=0.1)


def test_one_failing_operation_takes_no_other_case_with_it(cuda, one_network):
    def refuse(func, result):
        if result.dtype == torch.bfloat16:
            raise RuntimeError  # without a text
        if func is torch.ops.aten.mm.out and result.shape[0] == 2048:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate")

    cuda.refuse = refuse
    found = run("matmul", "train", "attention", "dispatch")
    cases = {(case["group"], case["dtype"]) for case in found["cases"]}
    expected = {("matmul", "float32"), ("train", "float32"), ("attention", "float32")}
    assert expected | {("matmul", "tf32"), ("dispatch", "float32")} <= cases
    reasons = {skip["reason"] for skip in found["skipped"]}
    assert reasons == {"RuntimeError", "OutOfMemoryError: CUDA out of memory. Tried"}


def test_a_full_device_skips_everything_and_ends_well(cuda):
    cuda.limit = 1
    found = run("matmul", "memory", "copies", "dispatch", "train", "attention")
    assert found["cases"] == []
    assert all("out of memory" in skip["reason"] for skip in found["skipped"])


def test_older_cards_have_no_tf32_and_no_bfloat16(cuda):
    cuda.capability = (7, 5)
    found = run("matmul", "train", "attention")
    assert {case["dtype"] for case in found["cases"]} == {"float32", "float16"}
    assert {limit["name"] for limit in found["limits"]} == {"peak float32", "peak float16"}
    assert all("compute capability 8.0" in skip["reason"] for skip in found["skipped"])
    skipped = {(skip["group"], skip["name"].split(", ")[-1]) for skip in found["skipped"]}
    assert {("matmul", "tf32"), ("train", "bfloat16"), ("attention", "bfloat16")} <= skipped


def test_no_share_is_above_its_limit_where_small_products_are_fastest(cuda):
    # A dtype without fast arithmetic: a tenth of the rate at each next size, long at once.
    rates = {1024: 1e10, 2048: 1e9}

    def seconds(func, result):
        size = result.shape[0] if result.ndim else 1
        return 2 * size**3 / rates.get(size, 1e8) if func is torch.ops.aten.mm.out else KERNEL

    cuda.seconds = seconds
    found = run("matmul")
    assert all(case["share_of_limit"] <= 1 for case in found["cases"])
    assert [case["limit"] for case in found["cases"]] == [pytest.approx(1e10)] * 8


def test_a_case_raises_its_limit_for_those_before_it(cuda, monkeypatch):
    from helpers.timing._suite import run as runner

    monkeypatch.setattr(runner, "peak_flops", lambda *args, **options: 1.0)
    cases = run("matmul")["cases"]
    for precision in ("float32", "tf32"):
        rates = [case["rate"] for case in cases if case["dtype"] == precision]
        limits = [case["limit"] for case in cases if case["dtype"] == precision]
        assert limits == [pytest.approx(max(rates))] * 2


@pytest.mark.parametrize("switch", ["newer", "for all", "older"])
def test_the_suite_takes_and_keeps_either_kind_of_precision_switch(
    cuda, precision_switches, switch
):
    used = []

    def seconds(func, result):
        if func is torch.ops.aten.mm.out:
            used.append((torch.backends.cuda.matmul.fp32_precision == "tf32", result.dtype))
        return KERNEL

    cuda.seconds = seconds
    if switch == "newer":
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    elif switch == "older":
        torch.set_float32_matmul_precision("medium")
    else:
        torch.backends.fp32_precision = "tf32"
    try:
        before = [part.fp32_precision for part in precision_switches]
        found = run("matmul")
        assert [part.fp32_precision for part in precision_switches] == before
        if switch == "older":
            assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.backends.fp32_precision = "none"
    assert found["skipped"] == []
    assert {dtype for on, dtype in used if on} == {torch.float32}
    states = {case["dtype"]: "matmul" in case["tf32"] for case in found["cases"]}
    assert (states["float32"], states["tf32"]) == (False, True)


def test_the_peak_survives_a_size_that_does_not_fit(cuda):
    cuda.limit = 4 * 3 * 2048**2 + _clock.MIN_FLUSH_BYTES + MIB
    where = torch.device("cuda", 0)
    options = {"warmup": 1, "repeats": 3, "min_time": 0.0}
    found = _roofline.peak_flops(where, torch.float32, **options)
    assert found == pytest.approx(2 * 2048**3 / KERNEL)
    cuda.limit = 1
    with pytest.raises(torch.OutOfMemoryError):
        _roofline.peak_flops(where, torch.float32, **options)


def test_the_suite_hands_out_what_it_has(cuda):
    seen = []
    found = run("memory", save=lambda so_far: seen.append(json.loads(json.dumps(so_far))))
    assert [len(so_far["cases"]) for so_far in seen] == [1, 2, 3]
    assert not any(so_far["complete"] for so_far in seen)
    assert set(seen[0]) == set(found)
    assert seen[0]["limits"][0]["name"] == "bandwidth"
    assert found["code"] == machine.code_hash()


def test_the_command_keeps_what_was_measured_before_it_was_stopped(cuda, tmp_path, monkeypatch):
    from helpers.timing import __main__ as command

    lines = []

    def stop_at_the_third(line, flush=False):
        lines.append(line)
        if len(lines) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "say", stop_at_the_third)
    file = tmp_path / "bench.json"
    with pytest.raises(KeyboardInterrupt):
        main(["--suite", "matmul", "--device", "cuda", "--quick", "--json", str(file)])
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert len(kept["cases"]) == 2
    assert not kept["complete"]
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_only_the_measured_devices_random_state_is_kept(cuda, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device=None: asked.append(str(device)))
    timing.suite("dispatch", "cpu", quick=True)
    assert asked == []
    run("dispatch")
    assert asked == ["cuda:0"]
