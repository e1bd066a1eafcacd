"""What happens to data when the network fails.

A real HTTP server on this machine plays each fault. The rule for all of them: no corrupt file is
used or left under its final name, and the error names file, cause and remedy in one line.
"""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest
from host import (
    CONTENT,
    SHA,
    WRONG,
    Handler,
    Make,
    Server,
    body,
    closed_port,
    endless,
    fails,
    folder,
    redirect,
    stall,
    status,
    succeeds,
)
from requests import exceptions
from urllib3.util import connection

import data_scripts
from data_scripts import DataError, File, _files, _network

# The network


def test_good_download_is_cached(server: Server, make: Make) -> None:
    make(files=3)
    succeeds()
    succeeds("cache")
    assert server.paths == ["/0", "/1", "/2"]
    assert server.connections == 1


def test_bytes_are_asked_for_as_they_are_stored(server: Server, make: Make) -> None:
    headers: list[str | None] = []

    def answer(handler: Handler) -> None:
        headers.append(handler.headers["Accept-Encoding"])
        body(CONTENT)(handler)

    make()
    server.answers = [answer]
    succeeds()
    assert headers == ["identity"]


def test_truncated_body(server: Server, make: Make) -> None:
    make()
    kept = CONTENT[: 5 * 16384]  # whole blocks of the download
    server.answers = [body(kept + b"...", length=len(CONTENT))]
    received = hashlib.sha256(kept).hexdigest()
    fails("toy/0.bin", "cut off (81,920 bytes kept)", SHA, received, "COURSE_DATA_MIRROR")
    assert len(server.paths) == _network.ATTEMPTS


def test_truncated_body_without_length(server: Server, make: Make) -> None:
    make()
    server.answers = [body(CONTENT[:5000])]
    fails("toy/0.bin", SHA, hashlib.sha256(CONTENT[:5000]).hexdigest())


def test_wrong_bytes(server: Server, make: Make) -> None:
    make()
    server.answers = [body(WRONG)]
    fails("toy/0.bin", f"expected SHA-256 {SHA}", hashlib.sha256(WRONG).hexdigest(), "fetch toy")
    assert len(server.paths) == _network.ATTEMPTS


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
    assert len(server.paths) == _network.ATTEMPTS


def test_host_that_asks_for_an_hour_is_not_waited_for(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(handler: Handler) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", "3600")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    pauses: list[float] = []
    make()
    server.answers = [busy, body(CONTENT)]
    monkeypatch.setattr(time, "sleep", pauses.append)
    succeeds()
    assert sum(pauses) < 10


def test_stall(server: Server, make: Make) -> None:
    make()
    server.answers = [stall]
    fails("toy/0.bin", "no data for 0.3 s")
    assert len(server.paths) == _network.ATTEMPTS
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


def test_refused_connection(make: Make) -> None:
    make(urls=(f"http://127.0.0.1:{closed_port()}/x",), files=5)
    fails("127.0.0.1: no connection (Connection refused)")


def test_host_without_answer_is_given_up_for_all_files(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    connect = connection.create_connection

    def counted(address: tuple[str, int], *options: object, **more: object) -> socket.socket:
        tried.append(address)
        return connect(address, *options, **more)

    monkeypatch.setattr(connection, "create_connection", counted)
    dead = tuple(f"http://127.0.0.1:{closed_port()}/{i}" for i in range(3))
    dataset = make(urls=dead, files=3)
    with _network.Network() as network:
        for _ in range(2):
            with pytest.raises(DataError, match=r"no connection .*no connection .*no connection"):
                _files.ensure(dataset, network=network)
    assert len(tried) == _network.ATTEMPTS
    with pytest.raises(DataError, match="no connection"):  # a later call asks anew
        _files.ensure(dataset)
    assert len(tried) == 2 * _network.ATTEMPTS


def test_slow_name_lookup_delays_a_fetch_and_ends_auto(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    lookup = socket.getaddrinfo

    def slow(*arguments: object, **options: object) -> object:
        time.sleep(0.5)
        return lookup(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(_network, "PROBE_SECONDS", 0.05)
    _files.forget()
    loaded = data_scripts.load("toy", "auto")
    assert not loaded.official
    assert "no connection within 0.05 s" in loaded.reason
    assert "python -m data_scripts fetch" in loaded.reason
    succeeds()


def test_explicit_fetch_does_not_probe(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(url: str) -> bool:
        raise AssertionError("only mode auto asks first")

    monkeypatch.setattr(_network, "reachable", forbidden)
    dataset = make()
    succeeds()
    (folder() / "0.bin").unlink()
    assert _files.ensure(dataset) == "download"


class Clock:
    """A time that passes only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_silent_network_costs_two_seconds(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked, granted = Clock(), [], []

    def silent(host: str, port: int, seconds: float) -> bool:
        asked.append(host)
        granted.append(seconds)
        clock.now += seconds
        return False

    monkeypatch.setattr(_network, "time", clock)
    monkeypatch.setattr(_network, "_connects", silent)
    _files.forget()
    make(urls=tuple(f"http://host{i}.invalid/x" for i in range(6)), files=5)
    for _ in range(3):
        assert not data_scripts.load("toy", "auto").official
    assert clock.now - 1000 <= 2.0
    assert asked == [f"host{i}.invalid" for i in range(6)]
    assert granted[0] > 1
    assert min(granted) > 0


def test_name_lookup_that_never_ends_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60) and [])
    assert not _network._connects("host.invalid", 80, seconds=0.05)
    assert not released.is_set()
    released.set()


def test_network_that_comes_back_is_found_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, up = Clock(), [False]
    monkeypatch.setattr(_network, "time", clock)
    monkeypatch.setattr(_network, "_connects", lambda host, port, seconds: up[0])
    _files.forget()
    make()
    assert not data_scripts.load("toy", "auto").official
    up[0] = True
    assert not data_scripts.load("toy", "auto").official
    clock.now += _network.PROBE_MEMORY + 1
    assert data_scripts.load("toy", "auto").official


def test_proxy_is_probed_in_place_of_the_host(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert _network.reachable("http://nowhere.invalid/x")


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


# Causes and remedies


def test_proxy_that_wants_a_password(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [status(407)]
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", server.url)
        make(urls=(f"{scheme}://nowhere.invalid/x",))
        error = fails("nowhere.invalid: the proxy asks for a name and password (407)")
        assert "HTTPS_PROXY" in error.cause


@pytest.mark.parametrize("path", ["x", "407", "a/48407.zip"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_is_gone(
    make: Make, monkeypatch: pytest.MonkeyPatch, scheme: str, path: str
) -> None:
    """Digits of an address or a port are not taken for the proxy's answer."""
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{closed_port()}")
    make(urls=(f"{scheme}://nowhere.invalid/{path}",))
    fails("the proxy cannot be used (Connection refused): correct or unset HTTPS_PROXY")


@pytest.mark.parametrize("address", ["http://me:secret@host:port", "http://[::1", "http://"])
def test_address_of_a_proxy_that_is_none(
    make: Make, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    make(urls=("http://nowhere.invalid/x",))
    error = fails("the address of the proxy cannot be read: correct or unset HTTP_PROXY")
    assert "secret" not in str(error)
    loaded = data_scripts.load("toy", "auto")
    assert not loaded.official
    assert "secret" not in loaded.reason


def test_name_that_is_not_found(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    make(urls=("http://nowhere.invalid/x",))
    fails("nowhere.invalid: its name is not found (Name or service not known)", "DNS")


def test_answer_that_is_not_encrypted(server: Server, make: Make) -> None:
    make(urls=(server.url.replace("http", "https"),))
    fails("127.0.0.1: the encrypted connection failed", "a proxy or filter may break it")


def test_missing_certificate_file(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    make(urls=(server.url.replace("http", "https"),))
    fails("the file named by REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is missing")


VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {} (_ssl.c:1006)"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            exceptions.SSLError(VERIFY.format("unable to get local issuer certificate")),
            "its certificate is not trusted (unable to get local issuer certificate): where a "
            "proxy opens encrypted connections, set REQUESTS_CA_BUNDLE",
        ),
        (
            exceptions.SSLError(VERIFY.format("certificate has expired")),
            "its certificate does not hold today (certificate has expired): check the computer's "
            "clock",
        ),
        (
            exceptions.ProxyError("Cannot connect", OSError("Tunnel connection failed: 407 No")),
            "the proxy asks for a name and password (407)",
        ),
        (
            exceptions.ProxyError("Cannot connect", OSError("Tunnel connection failed: 403 No")),
            "the proxy cannot be used (Tunnel connection failed: 403 No)",
        ),
        (
            exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
            "run `pip install PySocks`",
        ),
        (exceptions.ConnectTimeout(), "no connection within 5 s"),
        (exceptions.ContentDecodingError(), "the connection broke (ContentDecodingError)"),
    ],
)
def test_causes_that_no_test_here_can_play(error: OSError, expected: str, tmp_path: Path) -> None:
    file = File("a", (), "", 1, "a")
    assert expected in _files._explain(error, file, tmp_path / "none")
