"""What is taken from mirrors and archives: whole, in place, and nothing but the right files."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from host import CONTENT, SHA, WRONG, Make, Server, body, fails, folder, status, succeeds

import data_scripts
from data_scripts import REGISTRY, Archive, DataError, _archives, _disk
from data_scripts.sets import california_housing


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


def test_mirror_is_used_in_place(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, CONTENT)
    succeeds("mirror")
    assert (folder() / "0.bin").samefile(path)
    monkeypatch.setattr(_disk, "sha256_of", None)  # the file was hashed where it lies
    succeeds("cache")


def test_mirror_that_goes_away_or_changes(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, CONTENT)
    succeeds("mirror")
    path.write_bytes(WRONG)
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys/0", "answered 404")
    assert path.read_bytes() == WRONG
    path.write_bytes(CONTENT)
    succeeds("mirror")
    path.unlink()
    assert data_scripts.tiers(["toy"]) == {"toy": "stand-in"}
    succeeds()
    assert not path.exists()


def test_mirror_is_copied_where_links_are_not_possible(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a required privilege is not held by the client")

    make()
    path = fill_mirror(tmp_path, monkeypatch, CONTENT)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    succeeds("mirror")
    assert not (folder() / "0.bin").samefile(path)


def test_packed_file_of_the_mirror(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(packed=True)
    path = fill_mirror(tmp_path, monkeypatch, gzip.compress(CONTENT))
    path.rename(path.with_suffix(".gz"))
    succeeds("mirror")
    assert not (folder() / "0.bin").is_symlink()


def test_mirror_that_must_not_be_read(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, CONTENT)
    opened = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    succeeds()


def test_corrupt_mirror_file_is_not_used(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    path = fill_mirror(tmp_path, monkeypatch, WRONG)
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys/0", hashlib.sha256(WRONG).hexdigest(), "answered 404")
    succeeds()
    assert path.read_bytes() == WRONG


# Archives


def make_archive(path: Path, contents: dict[str, bytes]) -> Path:
    """A zip or tar, by the end of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in contents.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, f"w:{path.suffix[1:].removeprefix('tar')}") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes]) -> Path:
    """A mirror that keeps the files in one archive."""
    path = make_archive(tmp_path / "mirror" / "toys.tar.xz", contents)
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(path.parent))
    return path


def official(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch, archive: Path) -> None:
    """A data set whose one file only an archive of the host has, as the member toys-1/a."""
    dataset = make()
    file = dataclasses.replace(dataset.files[0], urls=(), member="toys-1/a")
    packed = Archive("packs/toys.zip", (f"{server.url}/toys",), archive.stat().st_size)
    monkeypatch.setitem(
        REGISTRY, "toy", dataclasses.replace(dataset, files=(file,), archives=(packed,))
    )
    server.answers = [body(archive.read_bytes())]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_official_archive(
    server: Server, make: Make, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / f"toys.{kind}", {"toys-1/a": CONTENT, "other": b"?"})
    official(make, server, monkeypatch, archive)
    succeeds()
    assert server.paths == ["/toys"]
    assert data_scripts.tiers(["toy"]) == {"toy": "cached"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"toys-1/a": WRONG}, f"127.0.0.1: expected SHA-256 {SHA}"),
        ({"toys-1/a": CONTENT * 9}, "127.0.0.1: the body goes on after 204,800 bytes"),
        ({"../toys-1/a": CONTENT, "/toys-1/a": CONTENT, "a": CONTENT}, "no address, archive or"),
    ],
    ids=["wrong", "bomb", "names"],
)
def test_official_archive_without_the_file(
    server: Server,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    content: dict[str, bytes],
    cause: str,
) -> None:
    official(make, server, monkeypatch, make_archive(tmp_path / f"toys.{kind}", content))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    fails("toy/0.bin", cause)
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert after - before == {folder() / ".lock"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_official_archive_that_arrives_damaged(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    archive = make_archive(tmp_path / f"toys.{kind}", {"toys-1/a": CONTENT})
    official(make, server, monkeypatch, archive)
    whole = archive.read_bytes()
    broken = whole[:100] + bytes(len(whole) - 100)
    server.answers = [body(broken), body(whole[:400], length=len(whole)), body(whole)]
    succeeds()
    assert len(server.paths) == 3
    (folder() / "0.bin").unlink()
    server.answers = [body(broken)]
    fails("toy/0.bin", "127.0.0.1: damaged archive")
    server.answers = [body(whole + bytes(len(whole)))]
    fails("the body goes on after")


def test_official_archive_of_the_mirror_comes_first(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "mirror" / "packs" / "toys.zip", {"toys-1/a": CONTENT})
    official(make, server, monkeypatch, archive)
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path / "mirror"))
    assert data_scripts.tiers(["toy"]) == {"toy": "mirror"}
    succeeds("mirror")
    assert not server.paths


def test_archive_of_the_mirror(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, archives=(Archive("toys.tar.xz"),))
    pack(tmp_path, monkeypatch, {"toys/0": CONTENT, "other": b"", "toys/1": CONTENT})
    succeeds("mirror")
    assert not server.paths


def test_archive_that_has_a_file_twice(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, archives=(Archive("toys.tar"),))
    with tarfile.open(tmp_path / "toys.tar", "w") as tar:
        for name in ("toys/0", "toys/0", "toys/1"):
            info = tarfile.TarInfo(name)
            info.size = len(CONTENT)
            tar.addfile(info, io.BytesIO(CONTENT))
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(tmp_path))
    succeeds("mirror")


def test_archive_that_lacks_a_file(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(files=2, archives=(Archive("toys.tar.xz"),))
    pack(tmp_path, monkeypatch, {"toys/1": CONTENT})
    succeeds("mirror")
    assert server.paths == ["/0"]


@pytest.mark.parametrize("content", [WRONG, CONTENT + b"more", b""])
def test_archive_with_wrong_content(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    make(archives=(Archive("toys.tar.xz"),))
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
    make(archives=(Archive("toys.tar.xz"),))
    path = pack(tmp_path, monkeypatch, {"toys/0": CONTENT})
    path.write_bytes(damage(path.read_bytes()))
    server.answers = [status(404), body(CONTENT)]
    fails("the mirror's toys.tar.xz: damaged archive", "answered 404")
    succeeds()


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


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_member_that_is_too_large(tmp_path: Path, kind: str) -> None:
    archive = make_archive(tmp_path / f"a.{kind}", {"big": bytes(100)})
    assert _archives.read_member(archive, "big") == bytes(100)
    with pytest.raises(DataError, match="at most 99 bytes"):
        _archives.read_member(archive, "big", limit=99)


def test_name_that_is_no_text(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "toys.zip", {"é": b"", "toys-1/a": CONTENT})
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xff"))
    official(make, server, monkeypatch, archive)
    fails("127.0.0.1: damaged archive (UnicodeDecodeError)")


def test_links_and_secrets_of_archives_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)
    path = make_archive(tmp_path / "a.zip", {"folder/": b"", "secret": b"?"})
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # set the bit "encrypted"
        raw[raw.rfind(mark) + offset] |= 1
    path.write_bytes(raw)
    for name in ("a.tar", "a.zip"):
        assert not list(_archives.members(tmp_path / name, lambda member: True))
