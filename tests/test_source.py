"""Sources: files, folders and archives opened with limits."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat import source as rooms
from allostat.errors import AllostatError, InputError
from allostat.source import Source


def zipped(path: Path, members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_missing_file_names_the_nearest_sibling(tmp_path: Path) -> None:
    (tmp_path / "polar_h10.csv").write_bytes(b"x")
    with pytest.raises(InputError, match=r"nearest valid: 'polar_h10\.csv'"):
        Source(tmp_path / "polar_h1.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        Source(tmp_path / "pipe")


def test_a_single_file_is_its_only_member(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello")
    source = Source(path)
    assert source.members == ("a.txt",)
    assert source.read_bytes() == source.head() == b"hello"
    assert source.size() == 5
    assert source.sha256() == hashlib.sha256(b"hello").hexdigest()


def test_gzip_is_unpacked_by_content_and_hashed_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"data", mtime=0))
    source = Source(path)
    assert source.members == ("a.csv",)
    assert source.read_bytes() == b"data"
    assert source.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_gzip_inside_a_folder_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"data", mtime=0))
    source = Source(tmp_path)
    assert source.members == ("a.csv.gz",)
    assert source.read_bytes("a.csv.gz") == b"data"
    assert source.sha256("a.csv.gz") == hashlib.sha256((tmp_path / "a.csv.gz").read_bytes()).hexdigest()


def test_folder_members_are_sorted_without_shadows_and_links(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", "._a.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    assert Source(tmp_path).members == ("a.txt", "b.txt", "sub/c.txt")


def test_a_folder_can_be_seen_in_part(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(name.encode())
    source = Source(tmp_path, only=("b.txt",))
    assert source.members == ("b.txt",)
    assert source.read_bytes() == b"b.txt"
    with pytest.raises(InputError, match="no such member"):
        source.read_bytes("a.txt")


def test_zip_paths_that_leave_the_archive_are_no_members(tmp_path: Path) -> None:
    names = ["ok/a.txt", "../evil.txt", "/etc/passwd", "x/../../y", "C:/win.txt", "__MACOSX/a.txt", "ok/._a.txt"]
    source = Source(zipped(tmp_path / "z.zip", dict.fromkeys(names, b"x")))
    assert source.members == ("ok/a.txt",)
    for name in names[1:]:
        with pytest.raises(InputError, match="no such member"):
            source.read_bytes(name)
    assert not (tmp_path / "evil.txt").exists()


def test_a_symbolic_link_in_a_zip_is_read_as_the_bytes_it_holds(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert Source(tmp_path / "z.zip").read_bytes() == b"/etc/passwd"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_member_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.txt", b"1")
        archive.writestr("a.txt", b"2")
    with pytest.raises(InputError, match="same member twice"):
        _ = Source(tmp_path / "z.zip").members


def test_zip_bomb_is_refused_by_its_declared_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "RATIO_FLOOR_BYTES", 1 << 16)
    source = Source(zipped(tmp_path / "bomb.zip", {"zeros.csv": bytes(1 << 20)}))
    with pytest.raises(InputError, match="decompression bomb"):
        source.head("zeros.csv")


def test_gzip_bomb_is_refused_while_streaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "RATIO_FLOOR_BYTES", 1 << 16)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    source = Source(tmp_path / "bomb.gz")
    assert source.head() == bytes(rooms.HEAD_BYTES)
    with pytest.raises(InputError, match="decompression bomb"):
        source.read_bytes()


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MAX_MEMBERS", 3)
    with pytest.raises(InputError, match="more than 3 members"):
        _ = Source(zipped(tmp_path / "z.zip", {f"{i}.txt": b"x" for i in range(4)})).members


def test_a_nested_zip_stays_one_member(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.txt": b"x"}).read_bytes()
    source = Source(zipped(tmp_path / "outer.zip", {"inner.zip": inner}))
    assert source.members == ("inner.zip",)
    assert source.read_bytes() == inner


def test_truncated_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"a.txt": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="damaged zip archive"):
        _ = Source(path).members


def test_a_damaged_member_is_refused_while_reading(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"a.txt": b"0123456789" * 1000})
    data = bytearray(path.read_bytes())
    data[40:50] = b"\xff" * 10
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be decompressed"):
        Source(path).read_bytes()


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(os.urandom(5000))[:2000])
    with pytest.raises(InputError, match="cannot be decompressed"):
        Source(tmp_path / "a.gz").read_bytes()


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"0123456789" * 1000))
    data[12:20] = b"\xff" * 8
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(InputError, match="cannot be decompressed"):
        Source(tmp_path / "a.gz").read_bytes()


def test_several_members_must_be_named(tmp_path: Path) -> None:
    source = Source(zipped(tmp_path / "z.zip", {"a": b"1", "b": b"2"}))
    with pytest.raises(InputError, match="name one"):
        source.head()
    with pytest.raises(InputError, match="nearest valid"):
        source.head("A")
    assert source.size("b") == 1
    assert source.sha256("b") == hashlib.sha256(b"2").hexdigest()


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"a.txt": b"x"})
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        _ = Source(path).members


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_archives_raise_nothing_but_allostat_errors(tmp_path: Path, data: st.DataObject) -> None:
    pristine = zipped(tmp_path / "good.zip", {"a.csv": b"1,2,3\n" * 50, "b/c.txt": b"hello"}).read_bytes()
    raw = bytearray(pristine)
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(4, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "bad.zip"
    path.write_bytes(raw[: data.draw(st.integers(10, len(raw)))])
    try:
        source = Source(path)
        for member in source.members:
            source.head(member)
            source.sha256(member)
    except AllostatError:
        pass
