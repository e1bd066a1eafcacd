"""What the tests of data faults share: the host, the settings, a small data set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from host import CONTENT, SHA, Make, Server

from data_scripts import REGISTRY, DataSet, File, StandIn, _files, _network


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
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for name in ("COURSE_DATA", "COURSE_DATA_MIRROR", *bundles, *proxies):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_network, "BACKOFF", 0.01)
    monkeypatch.setattr(_network, "READ_TIMEOUT", 0.3)
    _files.forget()
    yield
    _files.forget()


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
