"""The command line of the data sets, without network."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_data_scripts import settings  # noqa: F401  (an empty cache, no mirror, no network)

import data_scripts
from data_scripts import REGISTRY, File, StandIn, _disk, _files
from data_scripts.__main__ import main

ROOT = Path(data_scripts.__file__).parent.parent


@pytest.fixture
def mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A registry with one small set that the mirror has and one that nobody has."""
    content = b"some data"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "small").write_bytes(content)
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path / "mirror"))
    for name in list(REGISTRY):
        monkeypatch.delitem(REGISTRY, name)
    for name, sha256 in (("small", hashlib.sha256(content).hexdigest()), ("gone", "0" * 64)):
        file = File(f"{name}.bin", (), sha256, len(content), name)
        dataset = data_scripts.DataSet(
            name,
            name.title(),
            "home",
            "CC0",
            "citation",
            lambda folder: {},
            (file,),
            standin=StandIn(lambda seed: {"x": [seed]}, "a number", "no results"),
        )
        monkeypatch.setitem(REGISTRY, name, dataset)
    return content


def test_fetch_list_and_verify(
    mirrored: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    assert re.search(r"small +Small +0\.00 MB +CC0 +no\n", capsys.readouterr().out)
    assert main(["fetch", "small"]) == 0
    assert capsys.readouterr().out == "small: ready (mirror)\n"
    assert main(["list"]) == 0
    assert re.search(r"small .* yes\n", capsys.readouterr().out)
    assert main(["verify"]) == 0
    assert "1 cached files are right, 0 are wrong" in capsys.readouterr().out
    (tmp_path / "cache" / "small" / "small.bin").unlink()  # a link to the mirror
    (tmp_path / "cache" / "small" / "small.bin").write_bytes(b"SOME DATA")
    assert main(["verify"]) == 1
    error = capsys.readouterr().err
    assert hashlib.sha256(mirrored).hexdigest() in error
    assert hashlib.sha256(b"SOME DATA").hexdigest() in error
    assert "fetch small" in error
    assert main(["fetch", "small"]) == 0
    assert main(["verify"]) == 0


def test_verify_names_a_file_that_must_not_be_read(
    mirrored: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert main(["fetch", "small"]) == 0
    monkeypatch.setattr(_disk, "sha256_of", refuse)
    assert main(["verify"]) == 1
    assert "small/small.bin: expected SHA-256" in (error := capsys.readouterr().err)
    assert "got nothing (Permission denied)" in error


def test_fetch_all_goes_on_after_a_failure(
    mirrored: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in reversed(list(REGISTRY)):  # the one that fails comes first
        REGISTRY[name] = REGISTRY.pop(name)
    assert main(["fetch", "--all"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "small: ready (mirror)\n"
    assert captured.err.startswith("error: gone/gone.bin: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "small", "--all"], ["fetch", "x"]])
def test_wrong_names_list_the_valid_ones(
    mirrored: bytes, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.endswith("Valid names: gone, small.\n")


def test_fetch_obeys_the_mode_standin(
    mirrored: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURSE_DATA", "standin")
    assert main(["fetch", "small"]) == 1
    assert "standin forbids fetching" in capsys.readouterr().err


def test_program_has_no_traceback_and_starts_without_torch() -> None:
    program = "import runpy, sys; runpy.run_module('data_scripts', run_name='__main__')"
    guard = "import sys; sys.modules['torch'] = sys.modules['pandas'] = None; "
    command = [sys.executable, "-c", guard + program, "fetch", "nope"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COURSE_DATA": ""}
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: nope: unknown data set. Valid names: ")
    assert done.stderr.count("\n") == 1


def test_import_is_cheap() -> None:
    heavy = ["torch", "pandas", "numpy", "sklearn", "requests", "pooch", "filelock", "tqdm"]
    program = (
        "import sys, data_scripts; data_scripts.tiers(); data_scripts._files.cached; "
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1250", "cp932", "gbk"])
def test_output_in_any_encoding(
    mirrored: bytes, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    strange = dataclasses.replace(REGISTRY["small"], title="Sm\N{INFINITY}ll… ×")
    monkeypatch.setitem(REGISTRY, "small", strange)
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["list"]) == 0
    output.flush()
    assert b"small" in output.buffer.getvalue()


def test_interrupted_fetch_ends_in_one_line(
    mirrored: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_files, "_collect", interrupt)
    assert main(["fetch", "small"]) == 130
    assert capsys.readouterr().err.startswith("interrupted: ")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "COURSE_DATA_MIRROR" in capsys.readouterr().out
