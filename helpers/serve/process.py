"""Start a server as a process of its own, wait until it is healthy, and make sure that it ends."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

__all__ = ["Server", "ServerFailed"]


class ServerFailed(RuntimeError):
    """The server ended, or was not healthy in time; the message ends with its last log lines."""


def _end(process: subprocess.Popen[bytes], log: IO[bytes], seconds: float = 5.0) -> None:
    """Close the child's input, so that it leaves; kill it if it does not. Safe to call twice."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.close()


class Server:
    """A server on a free port of 127.0.0.1, for the length of a ``with`` block.

    It ends with the block, when the block raises, when the object is collected, when this
    process exits, and, because its input is a pipe of this process, when this process is killed.

    Args:
        kind: ``"fastapi"``, ``"flask"`` or ``"grpc"``.
        weights: path of the weights, becomes ``CATFISH_MODEL_LOCATION``.
        settings: further environment variables, e.g. ``CATFISH_BATCH="16"``.
        deadline_s: seconds until it must be healthy.
        command: the program, for tests; None takes :mod:`helpers.serve.child`.

    Raises:
        ServerFailed: it ended by itself, or was not healthy in time. Nothing is left running.

    Example:
        >>> with Server("fastapi", "catfish.safetensors") as server:  # doctest: +SKIP
        ...     status, told = server.ask("GET", "/health")
    """

    def __init__(
        self,
        kind: str,
        weights: Path | str,
        settings: dict[str, str] | None = None,
        *,
        deadline_s: float = 300.0,
        command: list[str] | None = None,
    ) -> None:
        self.kind = kind
        self._log = tempfile.TemporaryFile(prefix="catfish-log-")  # noqa: SIM115 - as long as we
        environment = {
            **os.environ,
            "CATFISH_MODEL_LOCATION": str(weights),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ).rstrip(os.pathsep),
            **(settings or {}),
        }
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "helpers.serve.child", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        self._finalizer = weakref.finalize(self, _end, self.process, self._log)
        until = time.monotonic() + deadline_s
        try:
            self.port = self._read_port(until)
            self._await_health(until)
        except BaseException:  # an interrupt, too, must not leave the child behind
            self.close()
            raise

    def _fail(self, what: str) -> ServerFailed:
        last = self.log_lines()[-3:]
        return ServerFailed("\n".join([f"the {self.kind} server {what}", *last]))

    def _read_port(self, until: float) -> int:
        assert self.process.stdout is not None
        told = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not told.endswith(b"\n"):
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise self._fail("did not name its port in time")
                piece = os.read(self.process.stdout.fileno(), 100)
                if not piece:
                    self.process.wait(timeout=10)
                    raise self._fail(f"ended with status {self.process.returncode}")
                told += piece
        return int(told.split()[1])

    def _await_health(self, until: float) -> None:
        while self.kind != "grpc":  # that one announces its port when it answers already
            left = until - time.monotonic()
            if left <= 0:
                raise self._fail("was not healthy in time")
            try:
                if self.ask("GET", "/health", timeout=min(left, 5.0))[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            if self.process.poll() is not None:
                raise self._fail(f"ended with status {self.process.returncode}")

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 120.0,
    ) -> tuple[int, Any]:
        """Send one HTTP request; returns the status and the body, decoded if it is JSON.

        A body in pieces is sent without a declared length.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
            if response.getheader("Content-Type", "").startswith("application/json"):
                return response.status, json.loads(content)
            return response.status, content.decode()
        finally:
            connection.close()

    def predict(self, content: bytes, kind: str = "image/jpeg") -> tuple[int, Any]:
        """Upload a picture to ``/predict``."""
        return self.ask("POST", "/predict", content, {"Content-Type": kind})

    def log_lines(self) -> list[str]:
        """Return what the server has written so far, line by line."""
        if self._log.closed:
            return []
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace").splitlines()

    def log(self) -> list[dict[str, Any]]:
        """Return the log lines that are JSON."""
        return [json.loads(line) for line in self.log_lines() if line.startswith("{")]

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        self._finalizer()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
