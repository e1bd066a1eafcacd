"""What happens to data when network, disk or another process fails.

A real HTTP server on this machine plays each fault. The rule for all of them: no corrupt file is
used or left under its final name, and the error names file, cause and remedy in one line.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import pytest

import data_scripts
from data_scripts import REGISTRY, DataError, DataSet, File, StandIn, _files, california_housing

ROOT = Path(data_scripts.__file__).parent.parent
CONTENT = bytes(range(256)) * 800  # 204,800 bytes
SHA = hashlib.sha256(CONTENT).hexdigest()
WRONG = CONTENT[:-1] + b"?"
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.paths.append(self.path)
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


class Server(ThreadingHTTPServer):
    """Gives the answers in turn; the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.answers: list[Answer] = [body(CONTENT)]
        self.paths: list[str] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


def body(content: bytes, length: int | None = None, pause: float = 0.0) -> Answer:
    """Answer with `content`; `length` may promise more."""

    def answer(handler: Handler) -> None:
        time.sleep(pause)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def redirect(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def stall(handler: Handler) -> None:
    """Send half of the file, then nothing, until the test ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    handler.server.released.wait(30)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.released.is_set():
        handler.wfile.write(CONTENT)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("COURSE_DATA", "COURSE_DATA_MIRROR", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_files, "BACKOFF", 0.01)
    monkeypatch.setattr(_files, "READ_TIMEOUT", 0.3)
    _files.forget()
    yield
    _files.forget()


Make = Callable[..., DataSet]


@pytest.fixture
def make(server: Server, monkeypatch: pytest.MonkeyPatch) -> Make:
    def build(
        urls: tuple[str, ...] | None = None, files: int = 1, packed: bool = False, **options: object
    ) -> DataSet:
        dataset = DataSet(
            name="toy",
            title="Toy",
            home="",
            licence="",
            citation="",
            prepare=lambda folder: {"bytes": (folder / "0.bin").read_bytes()},
            files=tuple(
                File(
                    f"{i}.bin",
                    urls or (f"{server.url}/{i}",),
                    SHA,
                    len(CONTENT),
                    f"toys/{i}.gz" if packed else f"toys/{i}",
                    "gz" if packed else None,
                )
                for i in range(files)
            ),
            standin=StandIn(lambda seed: {"bytes": b"stand-in"}, "eight bytes", "no toy results"),
            **options,  # type: ignore[arg-type]
        )
        monkeypatch.setitem(REGISTRY, "toy", dataset)
        return dataset

    return build


def folder() -> Path:
    return data_scripts.data_root() / "toy"


def left() -> set[str]:
    """Files in the data set's folder, without the lock."""
    return {path.name for path in folder().glob("*")} - {".lock"} if folder().is_dir() else set()


def fails(*expected: str) -> DataError:
    """Loading fails, leaves nothing, and the one-line error has every expected part."""
    with pytest.raises(DataError) as caught:
        data_scripts.load("toy", "official")
    message = str(caught.value)
    for part in ("toy", *expected):
        assert part in message
    assert "\n" not in message
    assert not left()
    return caught.value


def succeeds(origin: str = "download") -> None:
    loaded = data_scripts.load("toy", "official")
    assert loaded["bytes"] == CONTENT
    assert (loaded.official, loaded.origin) == (True, origin)
    assert left() == {file.name for file in REGISTRY["toy"].files}


# The network


def test_good_download_is_cached(server: Server, make: Make) -> None:
    make(files=3)
    succeeds()
    succeeds("cache")
    assert server.paths == ["/0", "/1", "/2"]


def test_truncated_body(server: Server, make: Make) -> None:
    make()
    kept = CONTENT[: 5 * 16384]  # whole blocks of the download
    server.answers = [body(kept + b"...", length=len(CONTENT))]
    received = hashlib.sha256(kept).hexdigest()
    fails("toy/0.bin", "cut off (81,920 bytes kept)", SHA, received, "COURSE_DATA_MIRROR")
    assert len(server.paths) == _files.ATTEMPTS


def test_truncated_body_without_length(server: Server, make: Make) -> None:
    make()
    server.answers = [body(CONTENT[:5000])]
    fails("toy/0.bin", SHA, hashlib.sha256(CONTENT[:5000]).hexdigest())


def test_wrong_bytes(server: Server, make: Make) -> None:
    make()
    server.answers = [body(WRONG)]
    fails("toy/0.bin", f"expected SHA-256 {SHA}", hashlib.sha256(WRONG).hexdigest(), "fetch toy")
    assert len(server.paths) == _files.ATTEMPTS


def test_wrong_bytes_once(server: Server, make: Make) -> None:
    make()
    server.answers = [body(WRONG), body(CONTENT)]
    succeeds()
    assert len(server.paths) == 2


def test_missing_file_is_asked_for_once(server: Server, make: Make) -> None:
    make()
    server.answers = [status(404)]
    fails("toy/0.bin", "answered 404", "COURSE_DATA=standin")
    assert len(server.paths) == 1


def test_second_address(server: Server, make: Make) -> None:
    make(urls=(f"{server.url}/old", f"{server.url}/new"))
    server.answers = [status(404), body(CONTENT)]
    succeeds()
    assert server.paths == ["/old", "/new"]


def test_server_error_then_success(server: Server, make: Make) -> None:
    make()
    server.answers = [status(500), body(CONTENT)]
    succeeds()


def test_server_error_for_good(server: Server, make: Make) -> None:
    make()
    server.answers = [status(503)]
    fails("answered 503")
    assert len(server.paths) == _files.ATTEMPTS


def test_stall(server: Server, make: Make) -> None:
    make()
    server.answers = [stall]
    start = time.monotonic()
    fails("toy/0.bin", "no data for 0.3 s")
    assert time.monotonic() - start < 3
    server.answers = [stall, body(CONTENT)]
    succeeds()


def test_redirect(server: Server, make: Make) -> None:
    make()
    server.answers = [redirect, body(CONTENT)]
    succeeds()
    assert server.paths == ["/0", "/elsewhere"]


def test_redirect_without_end(server: Server, make: Make) -> None:
    make()
    server.answers = [redirect]
    fails("answered 302")


def test_body_without_end(server: Server, make: Make) -> None:
    make()
    server.answers = [endless]
    fails("the body goes on after")


def test_gzip(server: Server, make: Make) -> None:
    make(packed=True)
    server.answers = [body(gzip.compress(CONTENT))]
    succeeds()


@pytest.mark.parametrize(
    ("packed", "cause"),
    [
        (gzip.compress(CONTENT)[:-20], "damaged gzip"),
        (gzip.compress(CONTENT)[:30] + b"\xff" * 300, "damaged gzip"),
        (gzip.compress(WRONG), hashlib.sha256(WRONG).hexdigest()),
        (gzip.compress(CONTENT * 4), "got"),
        (b"<html>Log in to the hotel's network</html>", "got"),
    ],
    ids=["cut", "broken", "wrong", "bomb", "page"],
)
def test_bad_gzip(server: Server, make: Make, packed: bytes, cause: str) -> None:
    make(packed=True)
    server.answers = [body(packed)]
    fails("toy/0.bin", SHA, cause)


def test_auto_falls_back_and_keeps_the_reason(server: Server, make: Make) -> None:
    make()
    server.answers = [status(404)]
    loaded = data_scripts.load("toy", "auto")
    assert loaded["bytes"] == b"stand-in"
    assert not loaded.official
    assert "toy/0.bin" in loaded.reason
    assert "answered 404" in loaded.reason
    assert loaded.describe() == "toy: STAND-IN: eight bytes, 8 examples; no toy results"


# No network


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_refused_connection(make: Make) -> None:
    make(urls=(f"http://127.0.0.1:{closed_port()}/x",), files=5)
    start = time.monotonic()
    fails("no connection to 127.0.0.1")
    assert time.monotonic() - start < 1


def test_silent_network_costs_two_seconds_a_process(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[str] = []

    def hang(host: str, *_: object, **__: object) -> list[object]:
        lookups.append(host)
        time.sleep(4)
        return []

    monkeypatch.setattr(_files.socket, "getaddrinfo", hang)
    hosts = tuple(f"http://host{i}.invalid/x" for i in range(6))
    make(urls=hosts, files=5)
    start = time.monotonic()
    for _ in range(3):
        assert not data_scripts.load("toy", "auto").official
    assert time.monotonic() - start < 2.1
    assert len(lookups) == len(set(lookups)) <= len(hosts)


def test_proxy_is_probed_in_place_of_the_host(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert _files._reachable("http://nowhere.invalid/x")


def test_standin_touches_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the mode standin must not use network, mirror or cache")

    make()
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(data_scripts, "ensure", forbidden)
    monkeypatch.setenv("COURSE_DATA_MIRROR", "no such folder")
    monkeypatch.setenv("COURSE_DATA", "standin")
    assert data_scripts.load("toy")["bytes"] == b"stand-in"
    assert not data_scripts.data_root().exists()


# Mirror and Debian


def fill_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    path = tmp_path / "mirror" / "toys" / "0"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path / "mirror"))
    return path


def test_mirror(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, CONTENT)
    succeeds("mirror")
    assert not server.paths
    assert path.read_bytes() == CONTENT


def test_corrupt_mirror_file_is_not_used(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, WRONG)
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys/0", hashlib.sha256(WRONG).hexdigest(), "answered 404")
    succeeds()
    assert path.read_bytes() == WRONG


def fake_apt(monkeypatch: pytest.MonkeyPatch, address: str, content: bytes) -> None:
    def command(arguments: list[str], work: Path) -> str:
        if arguments[0] == "dpkg-deb":
            (work / "usr/share").mkdir(parents=True)
            for i in range(2):
                (work / f"usr/share/{i}.gz").write_bytes(gzip.compress(content))
        elif "--print-uris" in arguments:
            return f"'{address}/toys.deb' toys.deb 100 SHA256:0\n"
        else:
            (work / "toys.deb").write_bytes(b"package")
        return ""

    monkeypatch.setattr(_files, "_command", command)
    monkeypatch.setattr(_files.shutil, "which", lambda name: f"/usr/bin/{name}")


def test_debian_package(server: Server, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(files=2, packed=True, debian=("toys", "usr/share"))
    server.answers = [status(404)]
    fake_apt(monkeypatch, server.url, CONTENT)
    succeeds("Debian package")


def test_debian_package_with_wrong_content(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, packed=True, debian=("toys", "usr/share"))
    server.answers = [status(404)]
    fake_apt(monkeypatch, server.url, WRONG)
    fails("answered 404", "Debian package toys", hashlib.sha256(WRONG).hexdigest())


def test_failing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(subprocess.SubprocessError, match=r"failed \(gone\)"):
        _files._command([sys.executable, "-c", "raise SystemExit('gone')"], tmp_path)


# The disk


class FullDisk(io.FileIO):
    """A file that takes `capacity` bytes, then none."""

    capacity = 0

    def write(self, chunk: object) -> int:
        room = self.capacity - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(chunk)[:room])  # type: ignore[call-overload]


def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes]) -> Path:
    """A mirror that keeps the files in one archive."""
    path = tmp_path / "mirror" / "toys.tar.xz"
    path.parent.mkdir()
    with tarfile.open(path, "w:xz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(path.parent))
    return path


def test_archive_of_the_mirror(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, archive="toys.tar.xz")
    pack(tmp_path, monkeypatch, {"toys/0": CONTENT, "other": b"", "toys/1": CONTENT})
    succeeds("mirror")
    assert not server.paths


def test_archive_that_lacks_a_file(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, archive="toys.tar.xz")
    pack(tmp_path, monkeypatch, {"toys/1": CONTENT})
    succeeds("mirror")
    assert server.paths == ["/0"]


@pytest.mark.parametrize("content", [WRONG, CONTENT + b"more", b""])
def test_archive_with_wrong_content(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    make(archive="toys.tar.xz")
    pack(tmp_path, monkeypatch, {"toys/0": content})
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys.tar.xz", "answered 404")
    succeeds()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no archive"])
def test_damaged_archive(
    server: Server,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
) -> None:
    make(archive="toys.tar.xz")
    path = pack(tmp_path, monkeypatch, {"toys/0": CONTENT})
    path.write_bytes(damage(path.read_bytes()))
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys.tar.xz cannot be read", "answered 404")
    succeeds()


# The last block of a download stays in the buffer, so it fails in flush and again in close.
@pytest.mark.parametrize("capacity", [0, 1000, 12 * 16384])
@pytest.mark.parametrize("which", [".raw.part", "0.bin.part"])
def test_full_disk(make: Make, monkeypatch: pytest.MonkeyPatch, which: str, capacity: int) -> None:
    make()

    def create(path: Path) -> io.BufferedWriter:
        if not path.name.endswith(which):
            return path.open("wb")
        disk = FullDisk(path, "w")
        disk.capacity = capacity
        return io.BufferedWriter(disk)

    with monkeypatch.context() as patch:
        patch.setattr(_files, "_create", create)
        fails("toy/0.bin", os.strerror(errno.ENOSPC), "Free space", "COURSE_DATA_DIR")
    succeeds()


def test_gzip_bomb_does_not_fill_the_disk(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(packed=True)
    server.answers = [body(gzip.compress(bytes(100 * len(CONTENT))))]
    written: list[int] = []
    write = _files._Output.write

    def counted(output: _files._Output, chunk: bytes) -> None:
        write(output, chunk)
        written.append(output.size)

    monkeypatch.setattr(_files, "_CHUNK", 1 << 16)
    monkeypatch.setattr(_files._Output, "write", counted)
    fails("expected SHA-256")
    assert max(written) < len(CONTENT) + (1 << 17)


def test_error_at_the_last_moment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "fsync", broken)
        fails(os.strerror(errno.EIO))
    succeeds()


def test_read_only_folder(server: Server, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(_files, "_create", refuse)
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
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(output.strip() for output, _ in outputs) == ["cache", "download"]
    assert server.paths == ["/0"]
    succeeds("cache")


def test_killed_during_download(server: Server, make: Make) -> None:
    make()
    server.answers = [stall]
    process = start_process(server)
    raw = folder() / ".0.bin.raw.part"
    deadline = time.monotonic() + 20
    while not (raw.is_file() and raw.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=10)
    assert left() == {raw.name}
    assert 0 < raw.stat().st_size < len(CONTENT)
    server.answers = [body(CONTENT)]
    succeeds()


def test_leftovers_are_removed(make: Make) -> None:
    make()
    (folder() / ".debian.part").mkdir(parents=True)
    (folder() / ".debian.part" / "toys.deb").write_bytes(b"half")
    (folder() / ".0.bin.part").write_bytes(b"half")
    succeeds()


def test_lock_that_is_never_freed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(_files, "LOCK_SECONDS", 0.1)
    folder().mkdir(parents=True)
    with filelock.FileLock(folder() / ".lock"):
        fails("another process", ".lock")
    succeeds()


# Archives


@pytest.mark.parametrize("name", ["../housing.csv", "/housing.csv", "housing.csv"])
def test_evil_archive(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret")
    (tmp_path / "cache").mkdir()
    info = tarfile.TarInfo(name)
    with tarfile.open(tmp_path / "cache" / "housing.tgz", "w:gz") as tar:
        if name == "housing.csv":
            info.type, info.linkname = tarfile.SYMTYPE, str(secret)
            tar.addfile(info)
        else:
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match=r"housing\.tgz: no plain file 'housing\.csv'"):
        california_housing._prepare(tmp_path / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv", "cache"}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["housing.tgz"]


def test_archive_member_that_is_too_large(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("big")
        info.size = 100
        tar.addfile(info, io.BytesIO(bytes(100)))
    assert _files.read_member(tmp_path / "a.tar", "big") == bytes(100)
    with pytest.raises(DataError, match="at most 99 bytes"):
        _files.read_member(tmp_path / "a.tar", "big", limit=99)
