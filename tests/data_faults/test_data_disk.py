"""What happens to data when the disk or another process fails."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import pwd
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import filelock
import pooch
import pytest
from host import (
    CONTENT,
    SHA,
    WRONG,
    Make,
    Server,
    body,
    fails,
    folder,
    left,
    stall,
    status,
    succeeds,
)

import data_scripts
from data_scripts import REGISTRY, Archive, DataError, _core, _disk, _files
from data_scripts.__main__ import main

ROOT = Path(data_scripts.__file__).parent.parent


# The disk


class FullDisk(io.FileIO):
    """A file that takes `capacity` bytes, then none."""

    capacity = 0

    def write(self, chunk: object) -> int:
        room = self.capacity - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(chunk)[:room])  # type: ignore[call-overload]


# The last block of a download stays in the buffer, so it fails in flush and again in close.
@pytest.mark.parametrize("blocks", [0, 0.1, -1])
@pytest.mark.parametrize("which", [".archive.part", ".0.bin.part"])
def test_full_disk(
    server: Server,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    blocks: float,
) -> None:
    size = len(CONTENT)
    if which == ".archive.part":
        with zipfile.ZipFile(tmp_path / "toys.zip", "w") as packed:  # not compressed
            packed.writestr("toys/0", CONTENT)
            packed.writestr("padding", bytes(9000))
        size = (tmp_path / "toys.zip").stat().st_size
        archive = Archive("toys.zip", (f"{server.url}/toys.zip",), size)
        dataset = make(archives=(archive,))
        file = dataclasses.replace(dataset.files[0], urls=())
        monkeypatch.setitem(REGISTRY, "toy", dataclasses.replace(dataset, files=(file,)))
        server.answers = [body((tmp_path / "toys.zip").read_bytes())]
    else:
        make()

    def create(path: Path) -> io.BufferedWriter:
        if path.name != which:
            return path.open("wb")
        disk = FullDisk(path, "w")
        disk.capacity = int(16384 * (blocks if blocks >= 0 else size // 16384))
        return io.BufferedWriter(disk)

    with monkeypatch.context() as patch:
        patch.setattr(_disk, "_create", create)
        fails(os.strerror(errno.ENOSPC), "Free space", "COURSE_DATA_DIR")
    succeeds()


def test_quota_that_shows_when_the_file_is_closed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Remote(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    make()
    with monkeypatch.context() as patch:
        patch.setattr(_disk, "check_writable", lambda path, what: None)
        patch.setattr(_disk, "_create", lambda path: io.BufferedWriter(Remote(path, "w")))
        fails("toy/0.bin", os.strerror(errno.EDQUOT), "Free space")
    succeeds()


def test_gzip_bomb_does_not_fill_the_disk(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(packed=True)
    server.answers = [body(gzip.compress(bytes(100 * len(CONTENT))))]
    written: list[int] = []
    write = _disk.Output.write

    def counted(output: _disk.Output, chunk: bytes) -> None:
        write(output, chunk)
        written.append(output.size)

    monkeypatch.setattr(_disk, "CHUNK", 1 << 16)
    monkeypatch.setattr(_disk.Output, "write", counted)
    fails("expected SHA-256")
    assert max(written) < len(CONTENT) + (1 << 17)


def test_error_at_the_last_moment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(_disk.os, "fsync", broken)
        fails(os.strerror(errno.EIO))
    succeeds()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_folder_without_fsync(make: Make, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def unknown(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(_disk.os, "fsync", unknown)
    make()
    succeeds()


def test_user_without_home_or_working_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(*_: object) -> None:
        raise KeyError("uid not found")

    def nowhere() -> None:
        raise FileNotFoundError

    make()
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(Path, "cwd", nowhere)
    monkeypatch.setattr(_core, "_CHECKOUT", tmp_path / "site-packages")
    for value in ("", "~/data", "data"):
        monkeypatch.setenv("COURSE_DATA_DIR", value)
        with pytest.raises(DataError, match="COURSE_DATA_DIR"):
            data_scripts.load("toy", "official")
        assert data_scripts.load("toy", "auto")["bytes"] == b"stand-in"
        assert data_scripts.load("line", "official").official
        assert data_scripts.tiers(["toy"]) == {"toy": "stand-in"}
    assert main(["list"]) == 0
    assert "Toy" in capsys.readouterr().out


def test_cache_folder_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    monkeypatch.setattr(_core, "_CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setattr(pooch, "os_cache", lambda project: Path("~/.cache") / project)
    with pytest.raises(DataError, match="no home folder"):
        data_scripts.data_root()


def test_read_only_folder(server: Server, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(_disk, "_create", refuse)
        fails("toy/0.bin", os.strerror(errno.EROFS), "COURSE_DATA_DIR")
        assert not data_scripts.load("toy", "auto").official
    assert not server.paths


def test_file_in_place_of_the_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file"))
    fails("cannot be written", "COURSE_DATA_DIR")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_cached_data_needs_no_write(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    succeeds()
    _files.forget()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    succeeds("cache")


@pytest.mark.parametrize("damage", [WRONG, CONTENT[:100], b""], ids=["changed", "cut", "empty"])
def test_corrupt_cached_file_is_replaced(server: Server, make: Make, damage: bytes) -> None:
    make()
    succeeds()
    (folder() / "0.bin").write_bytes(damage)
    server.answers = [status(404)]
    fails("answered 404")
    server.answers = [body(CONTENT)]
    succeeds()


def test_damage_of_equal_size_is_seen_by_the_next_process(make: Make) -> None:
    make()
    succeeds()
    path = folder() / "0.bin"
    before = path.stat()
    path.write_bytes(WRONG)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    _files.forget()
    succeeds()
    assert path.read_bytes() == CONTENT


def count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are hashed from now on."""
    hashed: list[str] = []
    sha256_of = _disk.sha256_of

    def counted(path: Path, *options: object) -> str:
        hashed.append(path.name)
        return sha256_of(path, *options)  # type: ignore[arg-type]

    monkeypatch.setattr(_disk, "sha256_of", counted)
    return hashed


def test_small_files_are_hashed_once_a_process(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    succeeds()
    hashed = count_hashes(monkeypatch)
    for _ in range(2):
        _files.forget()
        succeeds("cache")
        succeeds("cache")
    assert hashed == ["0.bin", "0.bin"]


def test_large_files_are_hashed_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_disk, "STAMP_BYTES", len(CONTENT))
    make()
    hashed = count_hashes(monkeypatch)
    for _ in range(3):
        data_scripts.load("toy", "official")
        _files.forget()
    assert hashed == []
    path = folder() / "0.bin"
    before = path.stat()
    path.write_bytes(WRONG)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data_scripts.load("toy", "official")["bytes"] == CONTENT
    assert hashed


@pytest.mark.parametrize("stamps", ["", "[1]", "{}", '{"0.bin": ["0", 1, 2, 3, 4]}', "\xff"])
def test_damaged_stamps_are_not_believed(
    make: Make, monkeypatch: pytest.MonkeyPatch, stamps: str
) -> None:
    monkeypatch.setattr(_disk, "STAMP_BYTES", len(CONTENT))
    make()
    data_scripts.load("toy", "official")
    (folder() / ".verified.json").write_text(stamps, encoding="latin-1")
    _files.forget()
    hashed = count_hashes(monkeypatch)
    assert data_scripts.load("toy", "official").origin == "cache"
    assert hashed == ["0.bin"]


def test_set_that_changes_under_its_name_is_verified_anew(server: Server, make: Make) -> None:
    dataset = make()
    succeeds()
    other = dataclasses.replace(dataset.files[0], sha256=hashlib.sha256(WRONG).hexdigest())
    REGISTRY["toy"] = dataclasses.replace(dataset, files=(other,))
    server.answers = [body(WRONG)]
    assert data_scripts.load("toy", "official")["bytes"] == WRONG


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "setting", "shown"), [(True, "1", True), (True, "0", False), (False, "1", False)]
)
def test_progress_is_for_who_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, setting: str, shown: bool
) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COURSE_PROGRESS", setting)
    monkeypatch.setattr(_disk, "BAR_SECONDS", 0)
    with _disk.Progress("toy", tmp_path) as progress:
        progress.expect(1000)
        progress.update(500)
        progress.bar.refresh()
    assert ("toy: " in stderr.getvalue()) == shown
    assert (tmp_path / _disk.ALIVE).is_file()


def test_failed_attempt_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COURSE_PROGRESS", "1")
    with _disk.Progress("toy", tmp_path) as progress:
        progress.expect(1000)
        progress.update(100)
        with suppress(ValueError), progress.attempt():
            progress.update(500)
            raise ValueError
        assert progress.bar.n == 100


# Other processes

FETCH = """
import sys
from data_scripts import File, DataSet, StandIn, _files
url, sha, size = sys.argv[1:]
standin = StandIn(lambda seed: {}, "", "")
file = File("0.bin", (url,), sha, int(size), "toys/0")
toy = DataSet("toy", "", "", "", "", lambda folder: {}, (file,), standin=standin)
print(_files.ensure(toy))
"""


def start_process(server: Server) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, f"{server.url}/0", SHA, str(len(CONTENT))]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_at_once(server: Server, make: Make) -> None:
    make()
    server.answers = [body(CONTENT, pause=0.5)]
    processes = [start_process(server) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(output.strip() for output, _ in outputs) == ["cache", "download"]
    assert server.paths == ["/0"]
    succeeds("cache")


def test_killed_during_download(server: Server, make: Make) -> None:
    make()
    server.answers = [stall]
    process = start_process(server)
    raw = folder() / ".0.bin.part"
    deadline = time.monotonic() + 300
    while not (raw.is_file() and raw.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=300)
    assert left() == {raw.name, _disk.ALIVE}
    assert 0 < raw.stat().st_size < len(CONTENT)
    server.answers = [body(CONTENT)]
    succeeds()


def test_leftovers_are_removed(make: Make) -> None:
    make()
    folder().mkdir(parents=True)
    (folder() / ".archive.part").write_bytes(b"half")
    (folder() / ".0.bin.part").write_bytes(b"half")
    succeeds()


def test_lock_that_is_never_freed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(_disk, "LOCK_SECONDS", 0.1)
    folder().mkdir(parents=True)
    with filelock.FileLock(folder() / ".lock"):
        fails("another process", ".lock")
    succeeds()


def hold_the_lock(monkeypatch: pytest.MonkeyPatch, alive: bool) -> None:
    """Another process holds the lock for ten rounds of waiting of 100 s each."""
    acquire, rounds = filelock.FileLock.acquire, [0]

    def slow(lock: filelock.FileLock, timeout: float) -> object:
        rounds[0] += 1
        if rounds[0] > 10:
            return acquire(lock, timeout)
        if alive:
            (folder() / _disk.ALIVE).touch()
            os.utime(folder() / _disk.ALIVE, (rounds[0], rounds[0]))
        raise filelock.Timeout(str(folder() / ".lock"))

    class Clock:
        def monotonic(self) -> float:
            return 100.0 * rounds[0]

    monkeypatch.setattr(_disk, "time", Clock())
    monkeypatch.setattr(filelock.FileLock, "acquire", slow)


def test_process_that_makes_progress_is_waited_for(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    hold_the_lock(monkeypatch, alive=True)
    succeeds()
    assert capsys.readouterr().err == ""


def test_process_that_makes_no_progress_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    hold_the_lock(monkeypatch, alive=False)
    fails("another process holds", "no progress for 300 s", ".lock")


def test_waiting_is_told_on_a_terminal(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    hold_the_lock(monkeypatch, alive=True)
    monkeypatch.setattr(sys, "stderr", Terminal())
    succeeds()
    assert sys.stderr.getvalue().count("toy: another process is getting it; waiting") == 1


def test_folder_without_locks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    make()
    monkeypatch.setattr(filelock.FileLock, "acquire", unknown)
    fails("toy", "no locks", "COURSE_DATA_DIR")
    assert not data_scripts.load("toy", "auto").official
