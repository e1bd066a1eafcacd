"""The network: one session for many files, and the question whether there is a network at all."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ._disk import Corrupt

ATTEMPTS = 3
BACKOFF = 0.5  # seconds, doubled for each further attempt
CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 20.0  # seconds without a byte
PROBE_SECONDS = 2.0  # in mode auto, for all unreachable hosts together
PROBE_MEMORY = 60.0  # seconds after which mode auto asks again
_BLOCK = 1 << 14


class Network:
    """Downloads over one session; a host that cannot be reached is given up for all files.

    Args:
        probe: ask first, in two seconds at most, whether a host answers (mode auto). Without it
            a slow network has the time-outs above, and a name lookup all the time it takes.
    """

    def __init__(self, probe: bool = False) -> None:
        self.probe = probe
        self.given_up: dict[str, requests.ConnectionError] = {}
        self.session = requests.Session()
        # The bytes as stored, not packed anew on the way.
        self.session.headers["Accept-Encoding"] = "identity"
        retry = Retry(
            total=ATTEMPTS - 1,
            backoff_factor=BACKOFF,
            status_forcelist=(408, 429, 500, 502, 503, 504),
            raise_on_status=False,
            respect_retry_after_header=False,  # a host may ask for hours
        )
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def get(self, url: str, use: Callable[[IO[bytes]], None]) -> None:
        """Hand the body of an address to `use`, again if it arrives damaged.

        Raises:
            Corrupt: `use` refused the body each time.
            OSError: no answer, an answer other than the file, or a body that broke off.
        """
        host = urlsplit(url).hostname or ""
        if host in self.given_up:
            raise self.given_up[host]
        if self.probe and not reachable(url):
            raise OSError(
                f"no connection within {PROBE_SECONDS:g} s (on a slow network use "
                "`python -m data_scripts fetch`, which waits longer)"
            )
        for attempt in range(ATTEMPTS):
            with self._answer(url, host) as response:
                try:
                    blocks = response.iter_content(_BLOCK)
                    return use(io.BufferedReader(_Body(blocks), _BLOCK))
                except (Corrupt, OSError):
                    if attempt == ATTEMPTS - 1:
                        raise
            time.sleep(BACKOFF * 2**attempt)

    def _answer(self, url: str, host: str) -> requests.Response:
        try:
            response = self.session.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
        except requests.ConnectionError as error:
            self.given_up[host] = error
            raise
        response.raise_for_status()
        return response


class _Body(io.RawIOBase):
    """The blocks of a body as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.rest = self.rest or next(self.blocks, b"")
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


class _Probe:
    """What is known of hosts, and the seconds left to ask further ones."""

    def __init__(self) -> None:
        self.hosts: dict[tuple[str, int], bool] = {}
        self.left = PROBE_SECONDS
        self.since = time.monotonic()


_probe = [_Probe()]


def forget() -> None:
    """Forget which hosts answered."""
    _probe[0] = _Probe()


def reachable(url: str) -> bool:
    """Whether the host of an address (or the proxy to it) takes connections.

    It is asked once a minute. All unreachable hosts together cost at most `PROBE_SECONDS`: each
    one that does not answer gets three quarters of what is left.
    """
    if time.monotonic() - _probe[0].since > PROBE_MEMORY:
        forget()
    probe = _probe[0]
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    address = proxy if proxy and "//" in proxy else f"http://{proxy}" if proxy else url
    try:
        parts = urlsplit(address)
        port = {"https": 443, "http": 80}.get(parts.scheme, 1080)
        key = (parts.hostname or "", parts.port or port)
    except ValueError:  # a proxy's address that is none: the request says so
        return True
    if key not in probe.hosts:
        start = time.monotonic()
        probe.hosts[key] = _connects(*key, seconds=0.75 * probe.left)
        if not probe.hosts[key]:
            probe.left = max(0.0, probe.left - (time.monotonic() - start))
    return probe.hosts[key]


def _connects(host: str, port: int, seconds: float) -> bool:
    answered = threading.Event()

    def attempt() -> None:
        with suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # IPv4 first: where IPv6 leads nowhere it does so silently.
            for family, kind, protocol, _, address in sorted(
                found, key=lambda entry: entry[0] != socket.AF_INET
            ):
                with suppress(OSError), socket.socket(family, kind, protocol) as connection:
                    connection.settimeout(seconds)
                    connection.connect(address)
                    answered.set()
                    return

    # In a thread of its own because a name lookup knows no timeout.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
