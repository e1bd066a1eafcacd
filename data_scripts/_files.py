"""Get the files of a data set: from the cache, the mirror, the official hosts."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from . import _archives, _disk
from ._core import Archive, DataError, DataSet, File, data_root, mirror_root
from ._disk import Corrupt, Progress, verified

if TYPE_CHECKING:
    from ._network import Network


def forget() -> None:
    """Forget which files were verified and which hosts answered."""
    from . import _network

    _disk.forget()
    _network.forget()


def ensure(dataset: DataSet, *, probe: bool = False, network: Network | None = None) -> str:
    """Have all files of a data set in the cache, verified; return where they came from.

    A file that the mirror keeps as it is is linked to, not copied.

    Args:
        dataset: the data set.
        probe: give the network up after two seconds without an answer (mode auto).
        network: the session to use for several data sets; None opens one.

    Returns:
        `"cache"`, `"mirror"` or `"download"`.

    Raises:
        DataError: a file cannot be had or the cache cannot be written.
    """
    folder = data_root() / dataset.name
    _disk.read_stamps(dataset, folder)
    origin = "cache"
    if not all(verified(folder / file.name, file) for file in dataset.files):
        with _disk.writing(dataset.name):
            folder.mkdir(parents=True, exist_ok=True)
        with _disk.locked(folder, dataset.name):
            _disk.remove_leftovers(folder)
            try:
                origin = _collect(dataset, folder, probe, network)
            finally:
                _disk.remove_leftovers(folder)
    _disk.write_stamps(dataset, folder)
    return origin


def check(dataset: DataSet) -> Iterator[tuple[File, str | None]]:
    """SHA-256 of each cached file of a data set, None for a file that is not cached.

    For a file that cannot be read it is the reason.
    """
    for file in dataset.files:
        path = data_root() / dataset.name / file.name
        try:
            yield file, _disk.sha256_of(path) if os.path.isfile(path) else None
        except OSError as error:
            yield file, f"nothing ({error.strerror})"


def cached(dataset: DataSet) -> bool:
    """Whether all files are cached with the right size (fast: contents are not read)."""
    try:
        folder = data_root() / dataset.name
    except DataError:
        return False
    return all(_has_size(folder / file.name, file.size) for file in dataset.files)


def mirrored(dataset: DataSet) -> bool:
    """Whether the mirror has what the cache lacks (fast: contents are not read).

    Raises:
        DataError: the mirror is no folder.
    """
    root = mirror_root()
    if root is None:
        return False
    try:
        folder = data_root() / dataset.name
    except DataError:
        return False
    if any(os.path.isfile(root / archive.mirror) for archive in dataset.archives):
        return True
    return all(
        _has_size(folder / file.name, file.size)
        or _has_size(root / file.mirror, None if file.unpack else file.size)
        for file in dataset.files
    )


def _has_size(path: Path, size: int | None) -> bool:
    """Whether a file of that size is there; None takes any size."""
    return os.path.isfile(path) and size in (None, os.path.getsize(path))


def _collect(dataset: DataSet, folder: Path, probe: bool, network: Network | None) -> str:
    """Get what the cache lacks; the caller holds the lock."""
    with Progress(dataset.name, folder) as progress:
        missing = [f for f in dataset.files if not verified(folder / f.name, f, progress.beat)]
        if not missing:
            return "cache"
        progress.expect(sum(file.size for file in missing))
        job = _Job(dataset, folder, missing, progress)
        job.remove_wrong_files()
        job.use_mirror()
        if not job.missing:
            return "mirror"
        from ._network import Network

        with nullcontext(network) if network else Network(probe) as session:
            job.download(session)
    return "mirror" if job.mirrored else "download"


class _Job:
    """Getting the files that the cache lacks.

    Args:
        dataset: the data set.
        folder: its folder in the cache.
        missing: its files that are not there.
        progress: is told how many bytes are done.
    """

    def __init__(
        self, dataset: DataSet, folder: Path, missing: list[File], progress: Progress
    ) -> None:
        self.dataset = dataset
        self.folder = folder
        self.missing = {file.name: file for file in missing}
        self.progress = progress
        self.mirrored = False
        self.causes: list[str] = []  # what was wrong with archives
        self.causes_of: dict[str, list[str]] = {name: [] for name in self.missing}

    def what(self, source: File | Archive) -> str:
        name = source.name if isinstance(source, File) else source.mirror
        return f"{self.dataset.name}/{name}"

    def install(self, file: File, stream: IO[bytes]) -> None:
        final = self.folder / file.name
        with self.progress.attempt():
            _disk.install(file, self.what(file), stream, final, self.progress)
        del self.missing[file.name]

    def remove_wrong_files(self) -> None:
        for file in self.missing.values():
            with _disk.writing(self.what(file)):
                (self.folder / file.name).unlink(missing_ok=True)

    # The mirror

    def use_mirror(self) -> None:
        root = mirror_root()
        if root is None:
            return
        before = len(self.missing)
        for archive in self.dataset.archives:
            if self.missing and os.path.isfile(root / archive.mirror):
                try:
                    self.take_members(root / archive.mirror)
                except Corrupt as error:
                    self.causes.append(f"the mirror's {archive.mirror}: {error}")
        for file in list(self.missing.values()):
            if os.path.isfile(root / file.mirror):
                self.take_from_mirror(root / file.mirror, file)
        self.mirrored = len(self.missing) < before

    def take_from_mirror(self, path: Path, file: File) -> None:
        final = self.folder / file.name
        as_it_is = file.unpack is None and verified(path, file, self.progress.update)
        try:
            if as_it_is and _disk.link(file, path, final):
                del self.missing[file.name]
                return
            with path.open("rb") as stream:
                self.install(file, stream)
        except Corrupt as error:
            self.causes_of[file.name].append(f"the mirror's {file.mirror}: {error}")
        except OSError as error:
            cause = f"the mirror's {file.mirror} cannot be read ({error.strerror})"
            self.causes_of[file.name].append(cause)

    def take_members(self, path: Path) -> None:
        """Install what an archive has of the missing files, in one pass over it.

        Raises:
            Corrupt: the archive is damaged, or a member is not the file.
        """
        wanted = {file.member or file.mirror: file for file in self.missing.values()}
        try:
            for name, stream in _archives.members(path, wanted.__contains__):
                if (file := wanted[name]).name in self.missing:
                    self.install(file, stream)
                if not self.missing:
                    break
        except _archives.DAMAGED as error:
            raise Corrupt(f"damaged archive ({type(error).__name__})") from error

    # The official hosts

    def download(self, network: Network) -> None:
        """Download what is missing.

        Raises:
            DataError: a file cannot be had.
        """
        for file in list(self.missing.values()):
            part = _disk.part_of(self.folder / file.name)
            if file.urls and not self.fetch(network, file, part, partial(self.install, file)):
                self.give_up(file)
        for archive in self.dataset.archives:
            if self.missing and archive.urls:
                self.fetch_archive(network, archive)
        for file in self.missing.values():
            self.give_up(file)

    def fetch_archive(self, network: Network, archive: Archive) -> None:
        part = self.folder / f".archive{_disk.PART}"
        limit = archive.size + archive.size // 8

        def use(stream: IO[bytes]) -> None:
            with self.progress.attempt():
                _disk.save(stream, part, self.what(archive), limit, self.progress)
            self.take_members(part)

        self.progress.expect(archive.size)
        self.fetch(network, archive, part, use)
        with suppress(OSError):
            part.unlink()

    def fetch(
        self,
        network: Network,
        source: File | Archive,
        part: Path,
        use: Callable[[IO[bytes]], None],
    ) -> bool:
        """Try the addresses in turn; keep the last cause of each."""
        causes = self.causes_of[source.name] if isinstance(source, File) else self.causes
        _disk.check_writable(part, self.what(source))
        for url in source.urls:
            try:
                network.get(url, use)
                return True
            except Corrupt as error:
                causes.append(f"{urlsplit(url).hostname}: {error}")
            except OSError as error:
                causes.append(f"{urlsplit(url).hostname}: {_explain(error, source, part)}")
        return False

    def give_up(self, file: File) -> None:
        causes = self.causes + self.causes_of[file.name] or ["no address, archive or mirror has it"]
        places = " or ".join([*(archive.mirror for archive in self.dataset.archives), file.mirror])
        raise DataError(
            self.what(file),
            "; ".join(causes),
            f"When that is mended, run `python -m data_scripts fetch {self.dataset.name}`, or set "
            f"COURSE_DATA_MIRROR to a folder that has {places}, or set COURSE_DATA=standin.",
        )


def _explain(error: OSError, source: File | Archive, part: Path) -> str:
    """Say why a download failed, and what to do where the general advice would not help.

    Args:
        error: what requests raised.
        source: what was asked for.
        part: the file with what arrived, if anything did.
    """
    import requests
    from requests import exceptions

    from ._network import CONNECT_TIMEOUT, READ_TIMEOUT

    response = getattr(error, "response", None)
    if response is not None and response.status_code != 407:
        return f"answered {response.status_code} {response.reason}".rstrip()
    text, innermost = f"{error}", _innermost(error)
    reason = getattr(innermost, "strerror", None) or str(innermost)
    # of an https address the proxy's answer is in the text only, behind addresses and ports
    refused = "Tunnel connection failed: 407" in text
    if response is not None or (refused and isinstance(error, exceptions.ProxyError)):
        return (
            "the proxy asks for a name and password (407): set HTTPS_PROXY to "
            "http://NAME:PASSWORD@HOST:PORT"
        )
    if isinstance(error, exceptions.InvalidURL):  # its text may have the proxy's password
        return "the address of the proxy cannot be read: correct or unset HTTP_PROXY, HTTPS_PROXY"
    if isinstance(error, exceptions.ProxyError):
        return f"the proxy cannot be used ({reason}): correct or unset HTTPS_PROXY"
    if "SOCKS" in text:
        return "the proxy is a SOCKS proxy, which needs a package: run `pip install PySocks`"
    if isinstance(error, exceptions.SSLError):
        return _explain_ssl(reason)
    if isinstance(error, exceptions.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return f"no data for {READ_TIMEOUT:g} s"
    if isinstance(error, exceptions.ChunkedEncodingError) and part.is_file():
        cause = f"body cut off ({part.stat().st_size:,} bytes kept)"
        if isinstance(source, File):
            return _disk.mismatch(cause, source, _disk.sha256_of(part))
        return cause
    if isinstance(innermost, socket.gaierror) or "resolve" in text:
        return (
            f"its name is not found ({reason}): check the network and the name server (DNS); "
            "behind a proxy set HTTPS_PROXY"
        )
    if isinstance(error, requests.ConnectionError):
        return f"no connection ({reason})"
    if isinstance(error, requests.RequestException):
        return f"the connection broke ({type(error).__name__})"
    if "certificate" in text:  # requests names the path, which is in the variable anyway
        return "the file named by REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is missing: correct it"
    return reason


def _explain_ssl(reason: str) -> str:
    if not re.search("certificate", reason, flags=re.IGNORECASE):
        return f"the encrypted connection failed ({reason}): a proxy or filter may break it"
    detail = re.sub(r".*verify failed: | *\(_ssl\.c.*", "", reason)
    if re.search("expired|not yet valid", detail):
        return f"its certificate does not hold today ({detail}): check the computer's clock"
    return (
        f"its certificate is not trusted ({detail}): where a proxy opens encrypted connections, "
        "set REQUESTS_CA_BUNDLE to the file with its certificate"
    )


def _innermost(error: BaseException) -> BaseException:
    """The error that the libraries wrapped, without their addresses and passwords."""
    inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    found = next((one for one in inner if isinstance(one, BaseException)), None)
    return _innermost(found) if found else error
