"""Get the files of a data set: from the cache, the mirror, the official host, Debian.

The rules: a file gets its final name only after its SHA-256 matched, in one step
(`os.replace`). Until then it is a `.part` file that only the holder of the folder's lock
writes; whatever a killed process left is removed by the next holder.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import filelock
import requests

from ._core import DataError, DataSet, File, data_root, mirror_root

with warnings.catch_warnings():
    # pooch imports tqdm's notebook bar, which warns where ipywidgets is missing; no bar is used.
    warnings.simplefilter("ignore")
    import pooch

ATTEMPTS = 3
BACKOFF = 0.5  # seconds before the second attempt, doubled for each further one
CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 20.0  # seconds without a byte
PROBE_SECONDS = 2.0  # for all unreachable hosts of a process together
LOCK_SECONDS = 900.0  # wait for another process that gets the same data
DEBIAN_SECONDS = 600.0
_CHUNK = 1 << 20
_PART = ".part"

_seen: dict[Path, tuple[int, int]] = {}  # verified files: size and time of change
_hosts: dict[tuple[str, int], bool] = {}  # reachable or not
_probe_left = [PROBE_SECONDS]


class _Corrupt(Exception):
    """The bytes that arrived are not the file."""


def forget() -> None:
    """Forget which files were verified and which hosts answered."""
    _seen.clear()
    _hosts.clear()
    _probe_left[0] = PROBE_SECONDS


def ensure(dataset: DataSet) -> str:
    """Have all files of a data set in the cache, verified; return where they came from.

    Returns:
        `"cache"`, `"mirror"`, `"download"` or `"Debian package"`.

    Raises:
        DataError: a file cannot be had or the cache cannot be written.
    """
    folder = data_root() / dataset.name
    if all(_verified(folder / file.name, file) for file in dataset.files):
        return "cache"
    with _writing(dataset.name):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, dataset.name):
        _remove_leftovers(folder)
        unpacked, causes = _from_archive(dataset, folder)
        origins = ["mirror"] * bool(unpacked)
        origins += [_get(dataset, file, folder, causes) for file in dataset.files]
    return next((origin for origin in origins if origin != "cache"), "cache")


def check(dataset: DataSet) -> Iterator[tuple[File, str | None]]:
    """SHA-256 of each cached file of a data set, None for a file that is not cached."""
    for file in dataset.files:
        path = data_root() / dataset.name / file.name
        yield file, pooch.file_hash(str(path)) if path.is_file() else None


def cached(dataset: DataSet) -> bool:
    """Whether all files are cached with the right size (fast: contents are not read)."""
    folder = data_root() / dataset.name
    return all(_has_size(folder / file.name, file.size) for file in dataset.files)


def mirrored(dataset: DataSet) -> bool:
    """Whether the mirror has what the cache lacks (fast: contents are not read).

    Raises:
        DataError: the mirror is no folder.
    """
    root = mirror_root()
    if root is None:
        return False
    if dataset.archive and (root / dataset.archive).is_file():
        return True
    folder = data_root() / dataset.name
    return all(
        _has_size(folder / file.name, file.size)
        or _has_size(root / file.mirror, None if file.unpack else file.size)
        for file in dataset.files
    )


def _has_size(path: Path, size: int | None) -> bool:
    """Whether a file of that size is there; None takes any size."""
    try:
        return path.is_file() and size in (None, path.stat().st_size)
    except OSError:
        return False


def read_member(archive: Path, member: str, limit: int = 1 << 28) -> bytes:
    """Read one file of a tar archive without writing anything to disk.

    Args:
        archive: path of the archive, compressed or not.
        member: exact name of the member; it must be a plain file.
        limit: largest size in bytes that is read.

    Raises:
        DataError: no such plain file, or it is too large.
    """
    with tarfile.open(archive) as tar:
        for info in tar:
            # Links are never followed, so no member can point outside the archive.
            if info.name == member and info.isfile() and info.size <= limit:
                stream = tar.extractfile(info)
                if stream is not None:
                    return stream.read()
    raise DataError(
        archive.name,
        f"no plain file {member!r} of at most {limit:,} bytes in the archive",
        "Remove the archive and fetch it again.",
    )


def _get(dataset: DataSet, file: File, folder: Path, before: Sequence[str]) -> str:
    """Get one file; the caller holds the lock and tells what was tried before."""
    what = f"{dataset.name}/{file.name}"
    final = folder / file.name
    if _verified(final, file):
        return "cache"
    with _writing(what):
        final.unlink(missing_ok=True)
    causes = list(before)
    if _from_mirror(file, what, final, causes):
        return "mirror"
    if _from_urls(file, what, final, causes):
        return "download"
    if dataset.debian and _from_debian(dataset, folder, causes):
        return "Debian package"
    raise DataError(
        what,
        "; ".join(causes),
        f"Check the network and run `python -m data_scripts fetch {dataset.name}`, or set "
        f"COURSE_DATA_MIRROR to a folder that has {dataset.archive or file.mirror}, or set "
        "COURSE_DATA=standin.",
    )


def _from_mirror(file: File, what: str, final: Path, causes: list[str]) -> bool:
    root = mirror_root()
    if root is None or not (root / file.mirror).is_file():
        return False
    try:
        _install(file, what, root / file.mirror, final)
    except _Corrupt as error:
        causes.append(f"the mirror's {file.mirror}: {error}")
    except OSError as error:
        causes.append(f"the mirror's {file.mirror} cannot be read ({error.strerror})")
    else:
        return True
    return False


def _from_archive(dataset: DataSet, folder: Path) -> tuple[int, list[str]]:
    """Install what the mirror's archive has of a data set, in one pass over it.

    Returns:
        How many files were installed, and what was wrong with the archive, if anything.
    """
    root = mirror_root()
    if root is None or not dataset.archive or not (root / dataset.archive).is_file():
        return 0, []
    wanted = {file.mirror: file for file in dataset.files}
    installed, causes = 0, []
    try:
        with tarfile.open(root / dataset.archive) as tar:
            for info in tar:
                file = wanted.get(info.name)
                # Links are never followed, so no member can point outside the archive.
                stream = tar.extractfile(info) if file and info.isfile() else None
                if file and stream and not _verified(folder / file.name, file):
                    _install_member(file, f"{dataset.name}/{file.name}", stream, folder)
                    installed += 1
    except _Corrupt as error:
        causes.append(f"the mirror's {dataset.archive}: {error}")
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        causes.append(f"the mirror's {dataset.archive} cannot be read ({type(error).__name__})")
    return installed, causes


def _install_member(file: File, what: str, stream: IO[bytes], folder: Path) -> None:
    raw = folder / f".{file.name}.raw{_PART}"
    try:
        with _Output(raw, what, limit=file.size) as target:
            while chunk := stream.read(_CHUNK):
                target.write(chunk)
        _install(file, what, raw, folder / file.name)
    finally:
        with suppress(OSError):
            raw.unlink(missing_ok=True)


def _from_urls(file: File, what: str, final: Path, causes: list[str]) -> bool:
    """Try every address, the whole list several times; keep the last cause of each."""
    urls = list(file.urls)
    failed: dict[str, str] = {}
    for attempt in range(ATTEMPTS):
        if attempt and urls:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        for url in tuple(urls):
            if not _reachable(url):
                failed[url] = f"no connection to {urlsplit(url).hostname}"
                urls.remove(url)
                continue
            raw = final.with_name(f".{file.name}.raw{_PART}")
            try:
                _download(url, file, what, raw)
                _install(file, what, raw, final)
                return True
            except _Corrupt as error:
                failed[url] = f"{urlsplit(url).hostname}: {error}"
            except requests.RequestException as error:
                failed[url] = f"{urlsplit(url).hostname}: {_explain(error, file, raw)}"
                status = error.response.status_code if error.response is not None else 500
                if status < 500 and status not in (408, 429):
                    urls.remove(url)  # asking again would not help
            except OSError as error:
                failed[url] = f"{urlsplit(url).hostname}: {error.strerror or type(error).__name__}"
            finally:
                with suppress(OSError):
                    raw.unlink(missing_ok=True)
    causes.extend(failed.values())
    return False


def _from_debian(dataset: DataSet, folder: Path, causes: list[str]) -> bool:
    """Install all files of a data set from its Debian package, where apt is there."""
    if dataset.debian is None or not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    package, inside = dataset.debian
    work = folder / f".debian{_PART}"
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
    try:
        with _writing(dataset.name):
            work.mkdir()
        listed = _command([*apt, "--print-uris", "download", package], work)
        address = re.match(r"'(https?://[^']+)'", listed)
        if address and not _reachable(address[1]):
            causes.append(f"no connection to {urlsplit(address[1]).hostname}")
            return False
        _command([*apt, "download", package], work)
        (archive,) = work.glob("*.deb")
        _command(["dpkg-deb", "-x", archive.name, "."], work)
        for file in dataset.files:
            source = work / inside / Path(file.mirror).name
            _install(file, f"{dataset.name}/{file.name}", source, folder / file.name)
    except (_Corrupt, OSError, ValueError, subprocess.SubprocessError) as error:
        causes.append(f"Debian package {package}: {error}")
        return False
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def _command(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DEBIAN_SECONDS
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise subprocess.SubprocessError(f"{command[0]} failed ({last})")
    return done.stdout


def _download(url: str, file: File, what: str, raw: Path) -> None:
    """Write the body of `url` to `raw`, at most a little more than the file can have."""
    fetch = pooch.HTTPDownloader(
        timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        chunk_size=_CHUNK // 64,
        headers={"Accept-Encoding": "identity"},  # the bytes as stored, not unpacked on the way
    )
    with _Output(raw, what, limit=file.size + file.size // 8 + 4096) as target:
        fetch(url, target, None)


class _Output:
    """A new file that names disk errors and stops a body without end."""

    def __init__(self, path: Path, what: str, limit: int | None = None) -> None:
        self.what = what
        self.limit = limit
        self.size = 0
        with _writing(what):
            self.stream = _create(path)

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.limit is not None and self.size > self.limit:
            raise _Corrupt(f"the body goes on after {self.limit:,} bytes")
        with _writing(self.what):
            self.stream.write(chunk)

    def flush(self) -> None:
        with _writing(self.what):
            self.stream.flush()

    def sync(self) -> None:
        with _writing(self.what):
            self.stream.flush()
            os.fsync(self.stream.fileno())

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *error: object) -> None:
        # After a failed write, closing tries it once more; the first error is the one to report.
        with suppress(OSError):
            self.stream.close()


def _install(file: File, what: str, raw: Path, final: Path) -> None:
    """Unpack `raw`, check it, and move it to its final name in one step."""
    part = final.with_name(f".{final.name}{_PART}")
    digest = hashlib.sha256()
    try:
        with _open_packed(raw, file) as source, _Output(part, what) as target:
            while target.size <= file.size and (chunk := source.read(_CHUNK)):
                digest.update(chunk)
                target.write(chunk)
            target.sync()
        if digest.hexdigest() != file.sha256:
            raise _Corrupt(f"expected SHA-256 {file.sha256}, got {digest.hexdigest()}")
        with _writing(what):
            os.replace(part, final)
            _remember(final)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _Corrupt(_mismatch("damaged gzip file", file, raw)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _mismatch(cause: str, file: File, raw: Path) -> str:
    return f"{cause}, expected SHA-256 {file.sha256}, got {pooch.file_hash(str(raw))} as received"


def _open_packed(raw: Path, file: File) -> IO[bytes]:
    with raw.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    # A host may answer with a plain page; then the SHA-256 tells, not the gzip reader.
    if file.unpack == "gz" and packed:
        return gzip.open(raw, "rb")  # type: ignore[return-value]
    return raw.open("rb")


def _create(path: Path) -> IO[bytes]:
    return path.open("wb")


def _explain(error: requests.RequestException, file: File, raw: Path) -> str:
    if error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no data for {READ_TIMEOUT:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError) and raw.is_file():
        return _mismatch(f"body cut off ({raw.stat().st_size:,} bytes kept)", file, raw)
    return f"the connection broke ({type(error).__name__})"


def _verified(path: Path, file: File) -> bool:
    """Whether the cached file is right; its SHA-256 is computed once a process."""
    try:
        state = path.stat()
        if _seen.get(path) == (state.st_size, state.st_mtime_ns):
            return True
        if state.st_size != file.size or pooch.file_hash(str(path)) != file.sha256:
            return False
        _remember(path)
    except OSError:
        return False
    return True


def _remember(path: Path) -> None:
    state = path.stat()
    _seen[path] = (state.st_size, state.st_mtime_ns)


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(f".*{_PART}"):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """Turn an error of the disk into a DataError."""
    try:
        yield
    except OSError as error:
        remedy = (
            f"Free space on the disk of {data_root()}, or set COURSE_DATA_DIR to another disk."
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else f"Make {data_root()} a writable folder, or set COURSE_DATA_DIR to one."
        )
        cause = f"the data folder cannot be written ({error.strerror or type(error).__name__})"
        raise DataError(what, cause, remedy) from error


@contextmanager
def _locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when its holder dies."""
    lock = filelock.FileLock(folder / ".lock")
    try:
        with _writing(what):
            lock.acquire(timeout=LOCK_SECONDS)
    except DataError as error:
        if isinstance(error.__cause__, filelock.Timeout):
            raise DataError(
                what,
                f"another process has held the data folder's lock for {LOCK_SECONDS:g} s",
                f"Wait for it or end it; if there is none, remove {folder / '.lock'}.",
            ) from error
        raise
    try:
        yield
    finally:
        lock.release()


def _reachable(url: str) -> bool:
    """Whether the host of an address (or the proxy to it) takes connections; asked once.

    All unreachable hosts together cost at most `PROBE_SECONDS`: each one that does not answer
    gets three quarters of what is left.
    """
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    parts = urlsplit(proxy if proxy and "//" in proxy else f"http://{proxy}" if proxy else url)
    key = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if key not in _hosts:
        start = time.monotonic()
        _hosts[key] = _connects(*key, seconds=0.75 * _probe_left[0])
        if not _hosts[key]:
            _probe_left[0] = max(0.0, _probe_left[0] - (time.monotonic() - start))
    return _hosts[key]


def _connects(host: str, port: int, seconds: float) -> bool:
    answered = threading.Event()

    def attempt() -> None:
        with suppress(OSError):
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
