"""Signs that the standard output lacks do not end a program."""

import io
import sys

import pytest
import torch
from torch import nn

from helpers import console, data, env, timing, train
from helpers.timing import __main__ as command

# Japan, China, Central Europe, old Linux, the C locale.
ENCODINGS = ["cp932", "gbk", "cp1250", "latin-1", "ascii"]


def output(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_sign_of_the_course_can_be_printed(encoding, monkeypatch):
    stream = output(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    console.say("10 µs (9–11) · 2.00× … → ≤ σ 漢", flush=True)
    text = stream.buffer.getvalue().decode(encoding)
    assert text.startswith("10 ")
    assert text.endswith("\n")
    if encoding == "ascii":
        assert text.rstrip() == "10 us (9-11) | 2.00x ... -> <= ? ?"


def test_nothing_changes_where_the_signs_are_there(monkeypatch):
    text = "10 µs (9–11) · 2.00× σ 漢"
    assert console.printable(text, "utf-8") == text
    for stream in (io.StringIO(), output("utf-8"), None):
        monkeypatch.setattr(sys, "stdout", stream)
        assert console.printable(text) == text
    assert console.printable(text, "no such encoding") == text


def start():
    env.start("x")


def load():
    data.load("digits")


def times():
    timed = timing.Timing((1e-5,) * 3, 1, "cpu", 1)
    print(timed, repr(timed), timing.Comparison({"a": timed}, "a"))


def benchmarks():
    command.main(["--suite", "dispatch,copies", "--device", "cpu", "--quick"])


def command_help():
    with pytest.raises(SystemExit):
        command.main(["--help"])


def training():
    x, y = torch.randn(4, 2), torch.zeros(4, dtype=torch.long)
    model = nn.Linear(2, 2)
    loader = data.TensorLoader(x, y, batch_size=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    metrics = {"σ × µ": train.accuracy}
    loss_fn = nn.functional.cross_entropy
    train.fit(model, loader, loader, loss_fn, optimizer, epochs=1, metrics=metrics)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("program", [start, load, times, benchmarks, command_help, training])
def test_programs_print_into_a_pipe_of_any_encoding(program, encoding, monkeypatch):
    stream = output(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    program()
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding).strip()
