"""Timing: right numbers, right order on the device, and no number without what belongs to it."""

import gc
import json
import os
import statistics
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import benchmark
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from helpers import machine, timing
from helpers.timing import _clock, _measure, _roofline
from helpers.timing._suite import cases, run

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def needs_gpu(test):
    """Mark a test for ``pytest -m gpu``; skip it where there is no CUDA device."""
    why = "needs a CUDA device, and CUDA_VISIBLE_DEVICES that does not hide it"
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason=why)(test))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def busy_wait(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def agree(ours, theirs, tries=12):
    """Tell whether two ways to measure, in turn, agree within 3 % in their least disturbed try.

    Other processes can only make a median larger, so the smallest of several is the best one.
    """
    found = []
    for _ in range(tries):
        found.append((ours(), theirs()))
        a, b = (min(column) for column in zip(*found, strict=True))
        if len(found) >= 3 and abs(a / b - 1) < 0.03:
            return True
    return False


class Clock:
    """A host's clock that only the functions under test move: no other process disturbs it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_clock, "_benchmark_clock", lambda: clock)
    return clock


@pytest.mark.parametrize("seconds", [2e-6, 3e-3, 0.5])
def test_known_duration(clock, seconds):
    timed = timing.measure(clock.work, seconds, repeats=15, min_time=0.1)
    assert timed.samples == pytest.approx([seconds] * 15)
    assert timed.inner == pytest.approx(max(1, 0.1 / 15 / seconds), abs=1)
    theirs = benchmark.Timer(
        "fn(x)", timer=clock, globals={"fn": clock.work, "x": seconds}, num_threads=1
    )
    assert timed.median == pytest.approx(theirs.timeit(timed.inner).mean)


@pytest.mark.parametrize("wait", [busy_wait, time.sleep])
def test_no_sample_is_shorter_than_what_was_done(wait):
    timed = timing.measure(wait, 0.003, repeats=5, min_time=0)
    assert min(timed.samples) >= 0.003


@pytest.mark.parametrize("size", [4, 128])
def test_agrees_with_torch_benchmark(size):
    x = torch.randn(size, size)
    # The same statement as ours: looking up torch.mm in every call would add 6 % at size 4.
    timer = benchmark.Timer("fn(x, x)", globals={"fn": torch.mm, "x": x}, num_threads=1)

    def ratio():
        # As many samples of the same length on both sides, and the least disturbed of each.
        timed = timing.measure(torch.mm, x, x, min_time=0)
        theirs = min(timer.timeit(timed.inner).mean for _ in range(timed.repeats))
        return min(timed.samples) / theirs

    # In one round the frequency of the processor may change between the two: hence the median.
    found = statistics.median(ratio() for _ in range(11))
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) if hasattr(os, "getloadavg") else False
    if busy and abs(found - 1) > 0.03:
        pytest.skip("the machine is too busy for 3 %")
    assert found == pytest.approx(1, abs=0.03)


@needs_gpu
@pytest.mark.parametrize("size", [1024, 4096])
def test_agrees_with_do_bench(size):
    from triton.testing import do_bench

    x = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)

    assert agree(
        lambda: timing.measure(torch.mm, x, x, repeats=100).median,
        lambda: do_bench(lambda: torch.mm(x, x), return_mode="median") / 1e3,
    )


@needs_gpu
def test_graph_replay_runs_the_function():
    x = torch.zeros(1, device="cuda")
    timed = timing.measure(x.add_, 1.0, repeats=5, min_time=0.01, flush_l2=False, graph=True)
    torch.cuda.synchronize()
    assert x.item() >= timed.inner * 5
    assert timed.inner > 1


@needs_gpu
def test_a_function_that_cannot_be_captured_leaves_the_device_usable():
    x = torch.zeros(1, device="cuda")
    before = torch.cuda.current_stream()
    with pytest.raises(RuntimeError):
        timing.measure(x.item, device="cuda", repeats=3, graph=True)
    assert torch.cuda.current_stream() == before
    assert timing.measure(x.add_, 1.0, repeats=3, min_time=0, graph=True).graph


@needs_gpu
def test_peak_memory_is_what_the_call_takes():
    x = torch.zeros(2**20, device="cuda")
    table = timing.compare(
        {name: lambda: (x + 1) * 2 for name in "ab"}, baseline="a", repeats=3, device="cuda"
    )
    assert [timed.peak_bytes for timed in table.timings.values()] == [2 * x.nbytes] * 2


@pytest.mark.parametrize("device", DEVICES)
def test_measure_says_what_it_measured(device):
    x = torch.randn(64, 64, device=device, dtype=torch.bfloat16)
    timed = timing.measure(torch.mm, x, x, repeats=5, min_time=0.01)
    assert timed.device.startswith(device)
    assert timed.dtype == "bfloat16"
    assert timed.threads == 1
    assert timed.repeats >= 5
    assert timed.p10 <= timed.median <= timed.p90
    assert timed.rate(10.0) == 10.0 / timed.median
    assert (timed.peak_bytes is None) == (device == "cpu")
    assert f"torch {torch.__version__}".split("+")[0] in repr(timed)
    assert "bfloat16" in repr(timed)
    record = json.loads(json.dumps(timed.to_dict()))
    assert record["median_s"] == timed.median


def test_a_module_tells_its_device():
    timed = timing.measure(nn.Linear(2, 2).to("cpu").train, repeats=3, min_time=0)
    assert timed.device == "cpu"
    assert timed.dtype is None


def test_percentiles_and_text():
    samples = tuple(i * 1e-3 for i in (11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    timed = timing.Timing(samples, inner=1, device="cpu", threads=1)
    assert timed.median == pytest.approx(6e-3)
    assert timed.p10 == pytest.approx(2e-3)
    assert timed.p90 == pytest.approx(10e-3)
    assert str(timed) == "6.00 ms (2.00–10.00)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.50 s"), (0.0123, "12.3 ms"), (4.56e-4, "456 µs"), (7e-9, "7.00 ns")],
)
def test_format_seconds(seconds, text):
    numbers, unit = timing.format_seconds(seconds)
    assert f"{numbers[0]} {unit}" == text


def test_short_functions_are_called_many_times_a_sample():
    timed = timing.measure(int, repeats=3, min_time=0)
    assert timed.inner * timed.median > _clock.SHORTEST_SAMPLE / 4
    assert timed.inner > 1000


def test_one_disturbed_call_does_not_spoil_the_calibration():
    # Another process takes the CPU away for 20 ms during the first call that is timed.
    calls = []

    def function():
        calls.append(1)
        if len(calls) == 1:
            busy_wait(0.02)

    sampler = _clock.CpuSampler(function, ())
    sampler.calibrate(1e-3)
    assert sampler.inner > 100


def test_warmup_counts_calls():
    calls = []

    def slow():
        calls.append(1)
        busy_wait(0.002)

    timing.measure(slow, warmup=4, repeats=3, min_time=0)
    assert len(calls) == 4 + 3 + 3  # warm-up, calibration, samples


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fn": 3.0}, TypeError, "expected a function, got float"),
        ({"repeats": 2}, ValueError, "repeats must be at least 3"),
        ({"warmup": -1}, ValueError, "warmup must not be negative"),
        ({"min_time": -1.0}, ValueError, "min_time"),
        ({"device": "meta"}, ValueError, "'cpu', 'cuda' and 'mps'"),
        ({"graph": True}, ValueError, "graph=True needs a CUDA device"),
        *(
            []
            if torch.cuda.is_available()
            else [({"device": "cuda"}, RuntimeError, "this machine has no CUDA device")]
        ),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        timing.measure(**{"fn": int, **arguments})


def test_errors_of_the_function_come_through():
    with pytest.raises(ZeroDivisionError):
        timing.measure(lambda: 1 / 0)
    assert gc.isenabled()


# -- compare ---------------------------------------------------------------------------------


def test_compare_interleaves():
    calls = []

    def case(name):
        return lambda: (calls.append(name), busy_wait(0.002))

    cases = {"a": case("a"), "b": case("b"), "c": case("c")}
    timing.compare(cases, baseline="a", warmup=0, repeats=8, min_time=0)
    rounds = [tuple(calls[-24:][i : i + 3]) for i in range(0, 24, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1  # not always the same order


def test_compare_speedup_and_table():
    # The machine gets slower from round to round; each round still has the ratio of two.
    slow, fast = (2.0, 4.0, 20.0), (1.0, 2.0, 10.0)
    table = timing.Comparison(
        {
            "slow": timing.Timing(slow, inner=1, device="cpu", threads=1),
            "1 < 2": timing.Timing(fast, inner=1, device="cpu", threads=1),
        },
        baseline="slow",
    )
    assert table.speedup("1 < 2") == 2.0
    assert table.speedup("slow") == 1.0
    frame = table.frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["median_s", "p10_s", "p90_s", "speed_up"]
    assert frame.loc["1 < 2", "median_s"] == 2.0
    html = table._repr_html_()
    assert "1 &lt; 2" in html
    for text in (html, str(table)):
        assert "2.00×" in text
        assert "torch" in text
        assert "1 thread" in text
        assert "3 rounds" in text


def test_compare_errors():
    with pytest.raises(ValueError, match="baseline 'c' is not one of the cases: \\['a'\\]"):
        timing.compare({"a": int}, baseline="c")
    with pytest.raises(TypeError, match="repeat"):
        timing.compare({"a": int}, baseline="a", repeat=3)


# -- roofline ------------------------------------------------------------------------------------


def test_roofline_limit_and_plot():
    limits = timing.Roofline("cpu", "float32", peak_flops=100.0, bandwidth=10.0, machine={})
    assert limits.ridge == 10.0
    assert limits.limit(2.0) == 20.0
    assert limits.limit(50.0) == 100.0
    with pytest.raises(ValueError, match="must be positive"):
        limits.limit(0.0)
    axes = limits.plot({"mm": (20.0, 80.0)})
    assert "FLOP/B" in axes.get_xlabel()
    assert "FLOP/s" in axes.get_ylabel()
    assert [line.get_label() for line in axes.get_lines()] == ["limit", "mm"]
    assert list(axes.get_lines()[1].get_data()[1]) == [80.0]


@pytest.mark.parametrize(
    ("device", "threads", "title"),
    [
        ("cpu", 1, "Roofline: cpu, float32, 1 thread"),
        ("cpu", 2, "Roofline: cpu, float32, 2 threads"),
        ("cuda:0", 2, "Roofline: cuda:0, float32"),  # the threads of the CPU are not its limit
    ],
)
def test_the_title_of_a_roofline_names_threads_where_they_count(
    monkeypatch, device, threads, title
):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    limits = timing.Roofline(device, "float32", peak_flops=100.0, bandwidth=10.0, machine={})
    assert limits.plot().get_title() == title


@pytest.mark.parametrize("device", DEVICES)
def test_limits_are_above_a_case_and_plausible(device):
    where = _measure.check_device(device)
    options = {"repeats": 3, "min_time": 0.0, "quick": True}
    peak = _roofline.peak_flops(where, torch.float32, **options)
    product, work = _roofline.matrix_product(16, torch.float32, where)
    assert peak > timing.measure(product, device=where, repeats=3).rate(work)
    assert 1e8 < _roofline.bandwidth(where, **options) < 1e14


def test_roofline_needs_a_float_dtype():
    with pytest.raises(ValueError, match="floating-point"):
        timing.roofline("cpu", torch.int64)


# -- the work that a rate is made of --------------------------------------------------------------


class Traffic(TorchDispatchMode):
    """Adds up the bytes of all tensors that an operation reads or writes, each once."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        leaves = torch.utils._pytree.tree_leaves((args, kwargs, result))
        tensors = {t.data_ptr(): t for t in leaves if isinstance(t, torch.Tensor)}
        self.bytes += sum(t.nbytes for t in tensors.values())
        return result


def all_cases(group):
    found = cases.GROUP_CASES[group](torch.device("cpu"), True)
    return [case for case in found if isinstance(case, cases.Case)]


@pytest.mark.parametrize("group", ["matmul", "train", "attention"])
def test_work_is_what_the_flop_counter_counts(group):
    for case in all_cases(group):
        with case.setting():
            fn, work = case.prepare()
        # The counter does not know the fused kernel of the CPU: the same work, by the other way.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            fn()
        assert work == counter.get_total_flops() > 0, case.name


def test_work_of_a_product_and_of_attention():
    # By hand, so that a wrong counter cannot agree with a wrong count.
    _, work = _roofline.matrix_product(3, torch.float32, torch.device("cpu"))
    assert work == 9 * (3 + 3)  # each of 9 results: 3 products, 3 additions (the first to zero)
    _, work = next(case for case in all_cases("attention") if "math" in case.name).prepare()
    scores = 2 * 8 * 128 * 128  # batch, heads, queries, keys; each over a width of 64
    assert work == scores * (2 * 64 + 2 * 64)


def test_bytes_are_those_of_the_arrays(monkeypatch):
    monkeypatch.setattr(cases, "array_bytes", lambda *args, **options: 2**16)
    moved = {}
    for case in all_cases("memory"):
        fn, moved[case.name] = case.prepare()
        with Traffic() as traffic:
            fn()
        small = traffic.bytes - moved[case.name]
        assert 0 <= small <= 8, case.name  # the one number that a sum writes
    assert moved == {"copy": 2 * 2**16, "add": 3 * 2**16, "sum": 2**16}


def test_limits_are_work_over_time(monkeypatch):
    monkeypatch.setattr(_roofline, "array_bytes", lambda *args, **options: 2**16)
    one_second = timing.Timing((0.01,) * 3, inner=1, device="cpu", threads=1)
    monkeypatch.setattr(_roofline, "measure", lambda fn, **options: one_second)
    where = torch.device("cpu")
    assert _roofline.peak_flops(where, torch.float32) == pytest.approx(2 * 2048**3 / 0.01)
    assert _roofline.bandwidth(where) == pytest.approx(3 * 2**16 / 0.01)


def test_a_slow_dtype_is_measured_at_small_sizes(monkeypatch):
    sizes = []

    def measure(fn, **options):
        sizes.append(len(fn.args[0]))
        seconds = 2 * sizes[-1] ** 3 / {128: 4e9, 256: 3.2e9}.get(sizes[-1], 2.8e9)
        return timing.Timing((seconds,) * 3, inner=1, device="cpu", threads=1)

    monkeypatch.setattr(_roofline, "measure", measure)
    assert _roofline.peak_flops(torch.device("cpu"), torch.float16) == pytest.approx(4e9)
    assert sizes == [128, 256, 512]


def test_arrays_are_larger_than_the_caches(monkeypatch):
    cpu = torch.device("cpu")
    for cache, memory, size in (
        (None, None, 2**28),
        (2**25, 2**35, 2**28),
        (2**28, 2**35, 2**30),
        (2**30, 2**35, 2**31),  # a sixteenth of the memory
        (2**30, 2**30, 2**28),
    ):
        monkeypatch.setattr(machine, "cache_bytes", lambda cache=cache: cache)
        monkeypatch.setattr(machine, "memory_bytes", lambda memory=memory: memory)
        assert _roofline.array_bytes(cpu) == size
        assert _roofline.array_bytes(cpu, quick=True) == 2**26


# -- suite ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_suite():
    lines = []
    state = torch.get_rng_state()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = timing.suite("all", quick=True, report=lines.append)
    torch.set_num_threads(before)
    assert torch.equal(torch.get_rng_state(), state)
    assert lines == found["cases"]
    assert found["complete"]
    return json.loads(json.dumps(found))


@pytest.mark.parametrize("group", timing.GROUPS)
def test_suite_group(quick_suite, group):
    cases = [case for case in quick_suite["cases"] if case["group"] == group]
    skipped = [skip for skip in quick_suite["skipped"] if skip["group"] == group]
    assert cases or skipped
    for case in cases:
        assert 0 < case["p10_s"] <= case["median_s"] <= case["p90_s"]
        assert case["dtype"]
        assert case["shape"]
        assert case["samples"] >= 5
        assert case["share_of_limit"] == pytest.approx(case["rate"] / case["limit"])
        assert 0 < case["share_of_limit"] <= 1
        limit = next(
            found
            for found in quick_suite["limits"]
            if (found["device"], found["name"]) == (case["device"], case["limit_name"])
        )
        assert (limit["value"], limit["unit"]) == (case["limit"], case["unit"])
        assert timing.format_record(case).startswith(case["device"])
    assert all(skip["reason"] for skip in skipped)


def test_suite_runs_on_every_device(quick_suite):
    assert {case["device"].split(":")[0] for case in quick_suite["cases"]} == set(DEVICES)
    on_cpu = {c["name"] for c in quick_suite["cases"] if c["device"] == "cpu"}
    assert {"mm", "copy", "conv step", "mlp step", "attention, math", "attention, flash"} <= on_cpu
    skipped = [skip["group"] for skip in quick_suite["skipped"] if skip["device"] == "cpu"]
    assert skipped == ["copies"]


def test_suite_tells_the_machine(quick_suite):
    machine = quick_suite["hardware"]
    assert {"cpu", "torch", "python", "driver", "gpus", "threads", "memory_bytes"} <= set(machine)
    assert bool(machine["gpus"]) == torch.cuda.is_available()


def test_suite_sees_that_a_python_loop_is_slow(quick_suite):
    rate = {case["name"]: case["rate"] for case in quick_suite["cases"]}
    assert rate["sum, vectorised"] > 5 * rate["sum, Python loop"]
    assert rate["empty Python function"] > rate["tiny operation"]


def test_suite_unknown_group():
    with pytest.raises(ValueError, match="unknown group \\['gemm'\\]; choose 'all' or some of mat"):
        timing.suite(["matmul", "gemm"])


def test_a_group_that_fails_takes_no_other_with_it(monkeypatch):
    def broken(device, quick):
        yield cases.Skip("first", "for a reason")
        raise RuntimeError

    monkeypatch.setitem(cases.GROUP_CASES, "memory", broken)
    found = timing.suite(["memory", "dispatch"], "cpu", quick=True)
    assert [skip["reason"] for skip in found["skipped"]] == ["for a reason", "RuntimeError"]
    assert {case["group"] for case in found["cases"]} == {"dispatch"}


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo"])
def test_the_reason_of_a_skip_is_one_line(text):
    expected = "ValueError: one" if text.strip() else "ValueError"
    assert run._first_line(ValueError(text)) == expected


def test_train_steps_train():
    torch.manual_seed(0)
    x, y = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
    model = cases.convnet()
    loss = nn.functional.cross_entropy
    before = loss(model(x), y).item()
    step = cases.train_step(model, x, y, bf16=False, compiled=False)
    for _ in range(20):
        step()
    assert loss(model(x), y).item() < before


def test_command(tmp_path):
    file = tmp_path / "timing.json"
    command = [sys.executable, "-m", "helpers.timing", "--suite", "dispatch", "--quick"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--json", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tiny operation" in done.stdout
    assert {case["group"] for case in json.loads(file.read_text())["cases"]} == {"dispatch"}
    assert [path.name for path in tmp_path.iterdir()] == ["timing.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--suite", "nonsense"], "matmul"), (["--json", "no/such/folder/x.json"], "no folder")],
)
def test_command_errors(arguments, message, capsys):
    from helpers.timing.__main__ import main

    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
