"""A host on this machine that plays each fault, and a data set that is fetched from it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import data_scripts
from data_scripts import REGISTRY, DataError, DataSet

CONTENT = bytes(range(256)) * 800  # 204,800 bytes
SHA = hashlib.sha256(CONTENT).hexdigest()
WRONG = CONTENT[:-1] + b"?"
Answer = Callable[["Handler"], None]
Make = Callable[..., DataSet]
_taken: list[socket.socket] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept open
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.paths.append(self.path)
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def do_CONNECT(self) -> None:
        """Play a proxy that wants a password."""
        self.send_error(407)

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
        self.connections = 0
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, object]:
        self.connections += 1
        return super().get_request()

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
        handler.close_connection = length is not None  # what was promised never comes

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
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.server.released.is_set():
        handler.wfile.write(CONTENT)


def closed_port() -> int:
    """A port that refuses connections: taken, so that no other process gets it, but deaf."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    _taken.append(taken)
    return int(taken.getsockname()[1])


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
        assert part in message, message
    assert "\n" not in message
    assert not left()
    return caught.value


def succeeds(origin: str = "download") -> None:
    loaded = data_scripts.load("toy", "official")
    assert loaded["bytes"] == CONTENT
    assert (loaded.official, loaded.origin) == (True, origin)
    assert left() == {file.name for file in REGISTRY["toy"].files}
