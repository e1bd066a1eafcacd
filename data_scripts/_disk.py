"""Files on the disk: written once, checked on the way, renamed when right; locks and stamps.

The rules: a file gets its final name only after its SHA-256 matched, in one step
(`os.replace`). Until then it is a `.part` file that only the holder of the folder's lock
writes; whatever a killed process left is removed by the next holder.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ._core import DataError, DataSet, File, data_root

CHUNK = 1 << 20
PART = ".part"
ALIVE = f".alive{PART}"
LOCK_SECONDS = 300.0  # wait for another process that shows no sign of life
BAR_SECONDS = 2.0  # without a bar: nothing is shown for what is over by then
BEAT_SECONDS = 1.0  # between two signs of life
STAMP_BYTES = 1 << 28  # a data set of this size is not hashed again in every process
_STAMPS = ".verified.json"
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)

_State = tuple[int, ...]
_seen: dict[Path, tuple[str, _State]] = {}  # verified files: SHA-256 and state


class Corrupt(Exception):
    """The bytes that arrived are not the file."""


def mismatch(cause: str, file: File, digest: str) -> str:
    """Text for content that is not the file's."""
    return f"{cause}{', ' if cause else ''}expected SHA-256 {file.sha256}, got {digest}"


# Progress


class Progress:
    """A bar on the terminal for what takes long, and a sign of life for waiting processes.

    Args:
        name: name of the data set.
        folder: gets a file whose time of change is the sign of life.
    """

    def __init__(self, name: str, folder: Path) -> None:
        from tqdm import tqdm

        self.alive = folder / ALIVE
        self.next_beat = 0.0
        self.bar: Any = tqdm(
            desc=name,
            total=0,
            unit="B",
            unit_scale=True,
            delay=BAR_SECONDS,
            leave=False,
            # None: only on a terminal.
            disable=True if os.environ.get("COURSE_PROGRESS") == "0" else None,
        )

    def update(self, count: int) -> None:
        """Tell that `count` further bytes are done."""
        self.bar.update(count)
        self.beat(count)

    def beat(self, count: int) -> None:
        """Give a sign of life, without progress that a bar would show."""
        now = time.monotonic()
        if now >= self.next_beat:
            self.next_beat = now + BEAT_SECONDS
            with suppress(OSError):
                self.alive.touch()

    def expect(self, count: int) -> None:
        """Tell that there are `count` bytes more to come."""
        self.bar.total += count

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take back what was counted within, if it fails."""
        before = self.bar.n
        try:
            yield
        except BaseException:
            self.bar.n = before
            raise

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()


# Writing


@contextmanager
def writing(what: str) -> Iterator[None]:
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


class Output:
    """A new file that hashes what it gets, names disk errors and stops a body without end."""

    def __init__(self, path: Path, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        self.size = 0
        self._hash = hashlib.sha256()
        with writing(what):
            self.stream = _create(path)

    @property
    def digest(self) -> str:
        """SHA-256 of what was written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)
        if self.size > self.limit:
            raise Corrupt(f"the body goes on after {self.limit:,} bytes")
        with writing(self.what):
            self.stream.write(chunk)

    def flush(self) -> None:
        with writing(self.what):
            self.stream.flush()

    def finish(self) -> None:
        """Have everything on the disk: some file systems tell only now that it is full."""
        self.flush()
        with writing(self.what):
            try:
                os.fsync(self.stream.fileno())
            except OSError as error:
                if error.errno not in _NO_SYNC:  # some network folders know no fsync
                    raise
            self.stream.close()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *error: object) -> None:
        # After a failed write, closing tries it once more; the first error is the one to report.
        with suppress(OSError):
            self.stream.close()


def _create(path: Path) -> IO[bytes]:
    return path.open("wb")


def check_writable(path: Path, what: str) -> None:
    """Make an empty file: a folder that cannot be written is known before a download."""
    with writing(what):
        _create(path).close()


def part_of(final: Path) -> Path:
    """Name that a file has until it is right."""
    return final.with_name(f".{final.name}{PART}")


def save(stream: IO[bytes], path: Path, what: str, limit: int, progress: Progress) -> None:
    """Write a stream to a file as it comes.

    Raises:
        Corrupt: it has more than `limit` bytes.
    """
    with Output(path, what, limit) as target:
        _copy(stream, target, progress)
        target.flush()


def install(file: File, what: str, stream: IO[bytes], final: Path, progress: Progress) -> None:
    """Write a stream, unpacked, to the final name of a file, if it is the file.

    Raises:
        Corrupt: it is not.
        OSError: the stream cannot be read further; the `.part` file has what came.
    """
    part = part_of(final)
    try:
        with Output(part, what, file.size) as target:
            try:
                _copy(_unpacked(stream, file), target, progress)
            except Corrupt as error:
                raise Corrupt(mismatch(str(error), file, target.digest)) from error
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                if file.unpack is None:  # then an archive around the file is damaged
                    raise
                raise Corrupt(mismatch("damaged gzip file", file, target.digest)) from error
            if target.digest != file.sha256:
                raise Corrupt(mismatch("", file, target.digest))
            target.finish()
    except Corrupt:
        with suppress(OSError):
            part.unlink()
        raise
    with writing(what):
        os.replace(part, final)
        _seen[final] = (file.sha256, _state(final))


def _copy(stream: IO[bytes], target: Output, progress: Progress) -> None:
    while chunk := stream.read1(CHUNK):  # type: ignore[attr-defined]
        target.write(chunk)
        progress.update(len(chunk))


def _unpacked(stream: IO[bytes], file: File) -> IO[bytes]:
    # A host may answer with a plain page; then the SHA-256 tells, not the gzip reader.
    if file.unpack == "gz" and stream.peek(2)[:2] == b"\x1f\x8b":  # type: ignore[attr-defined]
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    return stream


def link(file: File, target: Path, final: Path) -> bool:
    """Use a verified file where it lies: make `final` a link to it, if the file system can."""
    part = part_of(final)
    try:
        part.symlink_to(target.resolve())
        os.replace(part, final)
        _seen[final] = (file.sha256, _state(final))
    except (OSError, NotImplementedError):
        return False
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove what a failed or killed attempt left; for the holder of the lock only."""
    for path in folder.glob(f".*{PART}"):
        with suppress(OSError):
            path.unlink()


# Verification


def sha256_of(path: Path, beat: Callable[[int], None] = lambda count: None) -> str:
    """SHA-256 of a file; `beat` is told the number of bytes of each piece."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            beat(len(chunk))
    return digest.hexdigest()


def verified(path: Path, file: File, beat: Callable[[int], None] = lambda count: None) -> bool:
    """Whether a file is right; its SHA-256 is computed once a process."""
    try:
        state = _state(path)
        if _seen.get(path) == (file.sha256, state):
            return True
        if path.stat().st_size != file.size or sha256_of(path, beat) != file.sha256:
            return False
    except OSError:
        return False
    _seen[path] = (file.sha256, state)
    return True


def _state(path: Path) -> _State:
    state = path.stat()
    # The time of change of the entry itself (ctime) cannot be set back, as that of the content can.
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def forget() -> None:
    """Forget which files were verified."""
    _seen.clear()


def read_stamps(dataset: DataSet, folder: Path) -> None:
    """Take over what another process verified, for files that did not change since."""
    if dataset.size < STAMP_BYTES:
        return
    # Whatever is wrong with the stamps, the files are then hashed.
    with suppress(OSError, ValueError, AttributeError):
        stamps = json.loads((folder / _STAMPS).read_bytes())
        for file in dataset.files:
            path = folder / file.name
            if path.exists() and stamps.get(file.name) == [file.sha256, *(state := _state(path))]:
                _seen[path] = (file.sha256, state)


def write_stamps(dataset: DataSet, folder: Path) -> None:
    """Tell later processes which files are verified; nothing happens where this cannot be."""
    if dataset.size < STAMP_BYTES:
        return
    known = ((file.name, _seen.get(folder / file.name)) for file in dataset.files)
    text = json.dumps({name: [seen[0], *seen[1]] for name, seen in known if seen}).encode()
    part = folder / f"{_STAMPS}.{os.getpid()}{PART}"
    with suppress(OSError):
        if not (folder / _STAMPS).is_file() or (folder / _STAMPS).read_bytes() != text:
            part.write_bytes(text)
            os.replace(part, folder / _STAMPS)


# Other processes


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when its holder dies.

    Another holder is waited for as long as it gives a sign of life (`Progress`).
    """
    import filelock

    lock = filelock.FileLock(folder / ".lock")
    last, since, told = 0, time.monotonic(), False
    with writing(what):
        while not lock.is_locked:
            try:
                lock.acquire(timeout=min(LOCK_SECONDS, BEAT_SECONDS))
            except filelock.Timeout:
                if not told and sys.stderr.isatty():
                    print(f"{what}: another process is getting it; waiting", file=sys.stderr)
                    told = True
                with suppress(OSError):
                    if (beat := (folder / ALIVE).stat().st_mtime_ns) != last:
                        last, since = beat, time.monotonic()
                if time.monotonic() - since >= LOCK_SECONDS:
                    raise DataError(
                        what,
                        "another process holds the data folder's lock and has shown no progress "
                        f"for {LOCK_SECONDS:g} s",
                        f"Wait for it or end it; if there is none, remove {folder / '.lock'}.",
                    ) from None
            except NotImplementedError as error:
                raise DataError(
                    what,
                    "the file system of the data folder has no locks",
                    "Set COURSE_DATA_DIR to a folder on another disk.",
                ) from error
    try:
        yield
    finally:
        lock.release()
