"""Signs that the standard output lacks do not end a program."""

import io
import os
import subprocess
import sys

import pytest

from helpers import console

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


PROGRAMS = {
    "start": "from helpers import env; env.start('x')",
    "load": "from helpers import data; data.load('digits')",
    "timing": (
        "from helpers import timing\n"
        "t = timing.Timing((1e-5,) * 3, 1, 'cpu', 1)\n"
        "print(t, repr(t), timing.Comparison({'a': t}, 'a'))"
    ),
    "suite": (
        "from helpers.timing.__main__ import main\n"
        "main(['--suite', 'dispatch,copies', '--device', 'cpu', '--quick'])"
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_print_into_a_pipe_of_any_encoding(program):
    # One process for all encodings: starting Python and torch is what takes time here.
    code = (
        "import io, sys\n"
        f"for encoding in {ENCODINGS}:\n"
        "    sys.stdout = io.TextIOWrapper(sys.__stdout__.buffer, encoding, write_through=True)\n"
        f"    exec({PROGRAMS[program]!r})\n"
        "    sys.stdout.detach()\n"
    )
    environ = {**os.environ, "COURSE_DATA": "standin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environ)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert len(done.stdout.splitlines()) >= len(ENCODINGS)
