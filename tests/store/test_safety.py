"""What a file from anywhere may not do: point elsewhere, declare more than it holds, load code, pretend to be ours."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from allostat.errors import StoreError
from allostat.store import (
    SCHEMA_VERSION,
    guard,
    open_hdf5,
    open_store,
    probe,
    read_cohort,
    read_participant,
    verify,
    write_participant,
)
from tests.store.results import full_result


def external_link(file: h5py.File) -> None:
    file["g"] = h5py.ExternalLink("/etc/hostname.h5", "/x")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("g/x", (4,), "i1", external=[("/etc/hostname", 0, 4)])


def virtual_dataset(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "i1")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


def dangling_link(file: h5py.File) -> None:
    file["g"] = h5py.SoftLink("/nowhere/at/all")


def circling_link(file: h5py.File) -> None:
    file["a"] = h5py.SoftLink("/b")
    file["b"] = h5py.SoftLink("/a")


def foreign_filter(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(9), compression="lzf")


def lossy_filter(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(9), scaleoffset=4)


def terabytes(file: h5py.File) -> None:
    file.create_dataset("x", (10**12,), "f8", chunks=(1024,), compression="gzip")


def unallocated(file: h5py.File) -> None:
    file.create_dataset("x", (10**8,), "f8")


def huge_chunk(file: h5py.File) -> None:
    file.create_dataset("x", (10**8,), "f8", chunks=(10**8,), compression="gzip")


def half_float(file: h5py.File) -> None:
    file["x"] = np.zeros(3, np.float16)


def compound(file: h5py.File) -> None:
    file["x"] = np.zeros(3, [("a", "i4")])


def boolean(file: h5py.File) -> None:
    file["x"] = np.zeros(3, bool)


def variable_length(file: h5py.File) -> None:
    file.create_dataset("x", (3,), h5py.vlen_dtype(np.int32))


def text_of_variable_length(file: h5py.File) -> None:
    file.create_dataset("x", (3,), h5py.string_dtype())


def references(file: h5py.File) -> None:
    file.create_dataset("x", (3,), h5py.ref_dtype)


def opaque(file: h5py.File) -> None:
    file["x"] = np.zeros(3, np.dtype("V8"))


def named_type(file: h5py.File) -> None:
    file["x"] = np.dtype("i4")


def compound_attribute(file: h5py.File) -> None:
    file.attrs["x"] = np.zeros(3, [("a", "i4")])


def many_texts(file: h5py.File) -> None:
    file.attrs["x"] = ["a"] * 2000


def endless_scales(file: h5py.File) -> None:
    file["x"] = np.zeros(3)
    file["x"].attrs["DIMENSION_LIST"] = np.zeros(100)


def deep(file: h5py.File) -> None:
    file.create_group("/".join("a" * 50))


CASES: list[tuple[Callable[[h5py.File], None], str, str]] = [
    (external_link, "external link", "/g"),
    (external_storage, "external storage", "/g/x"),
    (virtual_dataset, "virtual dataset", "/x"),
    (dangling_link, "soft link", "/g"),
    (circling_link, "soft link", "/a"),
    (foreign_filter, "32000 lzf", "/x"),
    (lossy_filter, "found '6 ", "/x"),
    (terabytes, "absurd size", "/x"),
    (unallocated, "absurd size", "/x"),
    (huge_chunk, "chunk of absurd size", "/x"),
    (half_float, "float of 2 bytes", "/x"),
    (compound, "compound", "/x"),
    (boolean, "enum", "/x"),
    (variable_length, "variable length", "/x"),
    (text_of_variable_length, "text of variable length", "/x"),
    (references, "reference", "/x"),
    (opaque, "opaque", "/x"),
    (named_type, "neither group nor dataset", "/x"),
    (compound_attribute, "compound", "/, attribute x"),
    (many_texts, "too many texts", "/, attribute x"),
    (endless_scales, "more dimension scales", "/x"),
    (deep, "nested too deeply", "/a/a"),
]


@pytest.mark.parametrize(("make", "what", "where"), CASES, ids=[c[0].__name__ for c in CASES])
def test_unsafe_file_is_refused_by_name(
    tmp_path: Path, make: Callable[[h5py.File], None], what: str, where: str
) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(StoreError) as caught, open_hdf5(path):
        pass
    assert what in str(caught.value) and f"foreign.h5, {where}" in str(caught.value)
    assert len(verify(path)) == 1


def test_link_hidden_in_a_part_that_is_not_read_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    for parent, link, words in (
        ("hrv", h5py.ExternalLink("/etc/x.h5", "/"), "external link"),
        ("hrv", h5py.SoftLink("/quality"), "soft link"),
        ("/", h5py.SoftLink("/quality"), "soft link"),
    ):
        write_participant(full_result(), path)
        with h5py.File(path, "r+") as file:
            file[parent]["odd"] = link
        with pytest.raises(StoreError, match=words):
            read_participant(path)
        if parent != "/":
            assert read_participant(path, groups=["biomarkers"]).biomarkers.rows


def test_harmless_foreign_file_opens(tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a/x", data=np.arange(100_000), compression="gzip", shuffle=True)
        file["again"] = h5py.SoftLink("/a/x")
        file["a/up"] = file["/"]
        file["name"] = np.array([b"ab", b"c"])
        file["a"].attrs["who"] = "text of variable length"
    with open_hdf5(path) as file:
        assert file["again"][5] == 5
    probe(path)


def test_file_that_is_not_ours_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    with pytest.raises(StoreError, match="not a file that allostat wrote"), open_store(path):
        pass
    path.write_bytes(b"not HDF5 at all")
    with pytest.raises(StoreError, match="damaged or cannot be accessed"), open_store(path):
        pass
    with pytest.raises(StoreError, match="no such file"):
        read_participant(tmp_path / "absent.h5")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (str(SCHEMA_VERSION + 1), "newer allostat: update"),
        ("0", "never existed"),
        ("one", "not a file"),
        (None, "not a file"),
    ],
)
def test_schema_version_is_checked_first(tmp_path: Path, version: str | None, words: str) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        del file.attrs["schema_version"]
        if version is not None:
            file.attrs["schema_version"] = np.bytes_(version.encode())
    with pytest.raises(StoreError, match=words):
        read_participant(path)


def test_participant_file_is_not_read_as_cohort(tmp_path: Path) -> None:
    write_participant(full_result(), tmp_path / "sub-001.h5")
    with pytest.raises(StoreError, match="another kind"):
        read_cohort(tmp_path / "sub-001.h5")


def test_probe_gives_the_reason_of_the_child(tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        half_float(file)
    with pytest.raises(StoreError, match="float of 2 bytes"):
        probe(path)


def test_probe_survives_what_kills_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    with guard.Guard() as reader:
        assert reader.problems(path, "values") == []
        with monkeypatch.context() as patch:
            patch.setattr(guard, "_COMMAND", (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), 11)"))
            reader.close()
            assert "crashes or needs too much" in reader.problems(path)[0]
        assert "not a file that allostat wrote" in reader.problems(path)[0]


def test_probe_stops_what_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    monkeypatch.setattr(guard, "_COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    monkeypatch.setattr(guard, "WAIT_FACTOR", 0.005)
    with guard.Guard() as reader:
        assert "takes too" in reader.problems(path)[0] or "needs too much" in reader.problems(path)[0]


def test_probe_meets_a_heap_of_scale_references_in_which_the_library_looks_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    raw = bytearray(path.read_bytes())
    heaps = [at.start() for at in re.finditer(b"GCOL", bytes(raw))]
    assert heaps
    for heap in heaps:
        raw[heap + 16 : heap + 32] = bytes(16)  # free space of no bytes: what follows it is itself
    path.write_bytes(raw)
    monkeypatch.setattr(guard, "CPU_S", 1)
    with pytest.raises(StoreError):
        probe(path)


def test_length_in_a_superblock_larger_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    raw = bytearray(path.read_bytes())
    raw[28:36] = struct.pack("<Q", 2**60)
    path.write_bytes(raw)
    with pytest.raises(StoreError):
        read_participant(path)
    path.write_bytes(path.read_bytes()[: len(raw) // 2])
    with pytest.raises(StoreError):
        read_participant(path)
