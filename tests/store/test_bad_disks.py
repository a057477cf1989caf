"""Full and read-only disks, clocks that jump back, files of newer versions: a clear error, and nothing is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from allostat.errors import DiskError, NewerSchemaError, StoreError
from allostat.store import (
    SCHEMA_VERSION,
    CohortTable,
    durable,
    hdf5_write,
    read_cohort,
    verify,
    write_cohort,
    write_participant,
)
from allostat.store.journal import JournalWriter, RecordKind, read_session
from tests.store.results import full_result

ROOT = Path(__file__).parents[2]
OLD = replace(full_result(), notices=())

LIMITED = """
import os, resource, sys
from pathlib import Path
from tests.store.results import full_result
from allostat.errors import DiskError
from allostat.store import CohortTable, hdf5_write, write_cohort, write_participant

path, content, in_memory = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
hdf5_write.IN_MEMORY_BYTES = in_memory
result = full_result()
cohort = CohortTable(result.biomarkers, {}, None, {"settings": "x" * 9000})
write = (lambda: write_participant(result, path)) if content == "participant" else (lambda: write_cohort(cohort, path))
size = path.stat().st_size
for limit in (0, 700, size // 2, size - 5):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write()
    except DiskError as error:
        print(error.__cause__ is not None and "cannot be written" in str(error), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if not in_memory:
        break
if in_memory:
    write()
    print("written", flush=True)
else:
    # HDF5 cannot close the file that was refused.
    os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to stand for a full disk")
@pytest.mark.parametrize("content", ["participant", "cohort"])
def test_a_disk_that_takes_no_more_bytes_leaves_the_old_file_and_a_process_that_can_write_again(
    tmp_path: Path, content: str
) -> None:
    """The limit on the size of files makes the system itself refuse bytes, below the HDF5 library, as a full disk."""
    path = tmp_path / "a.h5"
    if content == "participant":
        write_participant(OLD, path)
    else:
        write_cohort(CohortTable(OLD.biomarkers, {}, None, {"settings": "y" * 9000}), path)
    done = _limited(path, content, hdf5_write.IN_MEMORY_BYTES)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["True"] * 4 + ["written"]
    assert verify(path) == []
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to stand for a full disk")
def test_a_file_too_large_for_memory_meets_a_full_disk_with_the_same_error(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_participant(OLD, path)
    before = path.read_bytes()
    assert _limited(path, "participant", 0).stdout.split() == ["True"]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _limited(path: Path, content: str, in_memory: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), content, str(in_memory)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_small_and_large_files_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_participant(OLD, tmp_path / "memory.h5")
    monkeypatch.setattr(hdf5_write, "IN_MEMORY_BYTES", 0)
    write_participant(OLD, tmp_path / "disk.h5")
    with h5py.File(tmp_path / "memory.h5") as one, h5py.File(tmp_path / "disk.h5") as other:
        assert one.attrs["content_sha256"] == other.attrs["content_sha256"]
    assert verify(tmp_path / "memory.h5") == verify(tmp_path / "disk.h5") == []


def _read_only(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("content", ["participant", "cohort"])
def test_a_disk_that_became_read_only_is_told_though_it_refuses_even_cleaning_up(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    write_participant(OLD, path) if content == "participant" else write_cohort(CohortTable(), path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        # Linux looks whether the disk is read-only before it looks whether the file to remove is there.
        patch.setattr(Path, "unlink", _read_only)
        patch.setattr(Path, "open", _read_only)
        patch.setattr(os, "replace", _read_only)
        with pytest.raises(DiskError, match=r"a\.h5: cannot be written \(.*[Rr]ead-only"):
            write_participant(full_result(), path) if content == "participant" else write_cohort(CohortTable(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(DiskError, match="cannot be written"):
            write_participant(OLD, tmp_path / "a.h5")
        with pytest.raises(DiskError, match="cannot be made"):
            durable.make_folder(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_and_a_file_that_cannot_be_removed_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="deep: folder cannot be made"):
        durable.make_folder(tmp_path / "file" / "deep")
    durable.remove_files(tmp_path / "file", tmp_path / "absent")
    (tmp_path / "file").mkdir()
    with pytest.raises(DiskError, match="file: cannot be removed"):
        durable.remove_files(tmp_path / "file")


def newer(path: Path) -> bytes:
    """Make a file one of a newer schema."""
    with h5py.File(path, "r+") as file:
        del file.attrs["schema_version"]
        file.attrs["schema_version"] = np.bytes_(str(SCHEMA_VERSION + 1).encode())
    return path.read_bytes()


def test_a_file_of_a_newer_version_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    path, cohort = tmp_path / "sub-001.h5", tmp_path / "cohort.h5"
    write_participant(OLD, path)
    write_cohort(CohortTable(), cohort)
    before = newer(path), newer(cohort)
    with pytest.raises(NewerSchemaError, match=r"sub-001\.h5: .*is not replaced: update allostat"):
        write_participant(OLD, path)
    with pytest.raises(NewerSchemaError, match=r"cohort\.h5: .*is not replaced"):
        write_cohort(CohortTable(), cohort)
    with pytest.raises(NewerSchemaError, match="update allostat to read it"):
        read_cohort(cohort)
    assert (path.read_bytes(), cohort.read_bytes()) == before


@pytest.mark.parametrize("content", [b"", b"noise" * 100])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sub-001.h5").write_bytes(content)
    write_participant(OLD, tmp_path / "sub-001.h5")
    assert verify(tmp_path / "sub-001.h5") == []


def test_a_clock_that_jumps_back_changes_no_file_and_loses_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_participant(OLD, tmp_path / "a.h5")
    now = time.time_ns()
    with JournalWriter(tmp_path, "s", {}, rotate_bytes=400) as writer:
        for i in range(20):
            wall = now - i * 3_600_000_000_000
            monkeypatch.setattr(time, "time_ns", lambda wall=wall: wall)
            monkeypatch.setattr(time, "time", lambda wall=wall: wall / 1e9)
            writer.append(RecordKind.NOTE, 0, b"x" * 100, monotonic_ns=i, wall_ns=time.time_ns())
    records, ends = read_session(tmp_path, "s")
    assert [(r.monotonic_ns, r.wall_ns) for r in records] == [(i, now - i * 3_600_000_000_000) for i in range(20)]
    assert {end.reason for _, end in ends} == {"end"}
    assert write_participant(OLD, tmp_path / "a.h5") == first


def test_disk_and_schema_errors_are_store_errors() -> None:
    assert issubclass(DiskError, StoreError)
    assert issubclass(NewerSchemaError, StoreError)
