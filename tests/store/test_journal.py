"""The live journal: nothing that was appended is lost by a kill; before the last sync nothing by a power cut."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import StoreError
from allostat.store import journal
from allostat.store.journal import (
    JournalReader,
    JournalWriter,
    Record,
    RecordKind,
    being_recorded,
    read_session,
    session_parts,
    sessions,
)

PAGE = 4096


def write(folder: Path, data: list[bytes], **settings_: Any) -> Path:
    with JournalWriter(folder, "s", {"straps": ["a"]}, **settings_) as writer:
        for i, one in enumerate(data):
            writer.append(RecordKind.HEART_RATE, i % 3, one, monotonic_ns=i, wall_ns=10 * i)
        return writer.path


def read(path: Path) -> tuple[list[Record], journal.JournalEnd]:
    reader = JournalReader(path)
    records = list(reader)
    assert reader.end is not None
    return records, reader.end


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: list[bytes]) -> None:
    path = write(tmp_path_factory.mktemp("j"), data)
    records, end = read(path)
    assert records == [Record(1, i % 3, i, 10 * i, d) for i, d in enumerate(data)]
    assert (end.records, end.dropped_bytes, end.reason) == (len(data), 0, "end")
    header = JournalReader(path).header
    assert (header["straps"], header["session"], header["part"], header["format_version"]) == (["a"], "s", 1, 1)


def test_every_prefix_gives_the_records_that_are_whole(tmp_path: Path) -> None:
    path = write(tmp_path, [bytes([i]) * (7 * i) for i in range(12)])
    whole, content = read(path)[0], path.read_bytes()
    start = JournalReader(path)._start
    seen = set()
    for cut in range(start, len(content) + 1):
        path.write_bytes(content[:cut])
        records, end = read(path)
        assert records == whole[: len(records)]
        assert end.good_bytes + end.dropped_bytes == cut
        assert (end.reason == "end") == (end.dropped_bytes == 0)
        seen.add(len(records))
    assert seen == set(range(13))
    for cut in range(start):
        path.write_bytes(content[:cut])
        with pytest.raises(StoreError):
            JournalReader(path)


def test_one_flipped_bit_ends_the_journal_there_and_invents_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, [b"abc" * 9] * 30)
    whole, content = read(path)[0], path.read_bytes()
    start = JournalReader(path)._start
    rng = random.Random(3)
    for _ in range(300):
        at, bit = rng.randrange(start, len(content)), rng.randrange(8)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        records, end = read(path)
        assert records == whole[: len(records)]
        assert len(records) == (at - start) // ((len(content) - start) // 30)
        assert end.dropped_bytes > 0


def test_zeros_and_noise_behind_the_end_are_no_records(tmp_path: Path) -> None:
    path = write(tmp_path, [b"x"] * 3)
    content = path.read_bytes()
    for tail in (bytes(5000), random.Random(1).randbytes(5000), b"\xff" * 40):
        path.write_bytes(content + tail)
        records, end = read(path)
        assert len(records) == 3
        assert (end.dropped_bytes, end.good_bytes) == (len(tail), len(content))


def test_a_power_cut_spares_all_before_the_last_sync(tmp_path: Path) -> None:
    """Of what was written after the last sync any pages may be missing, and the file may end anywhere."""
    rng = random.Random(5)
    for trial in range(60):
        folder = tmp_path / str(trial)
        with JournalWriter(folder, "s", {}, sync_interval_s=3600.0) as writer:
            for i in range(rng.randrange(1, 60)):
                writer.append(RecordKind.PMD_DATA, 0, rng.randbytes(rng.randrange(400)), monotonic_ns=i, wall_ns=i)
            before = writer.size
            if trial % 2:
                writer.sync()
                before = writer.size
            synced = writer.synced
            for i in range(rng.randrange(60)):
                writer.append(RecordKind.PMD_DATA, 0, rng.randbytes(rng.randrange(400)), monotonic_ns=-i, wall_ns=i)
            path = writer.path
        assert synced == before or not trial % 2
        whole, content = read(path)[0], bytearray(path.read_bytes())
        for page in range(synced - synced % PAGE, len(content), PAGE):
            if rng.random() < 0.5:
                gone = slice(max(page, synced), min(page + PAGE, len(content)))
                content[gone] = bytes(gone.stop - gone.start)
        path.write_bytes(content[: rng.randrange(synced, len(content) + 1)])
        records, end = read(path)
        assert records == whole[: len(records)]
        assert end.good_bytes >= synced


KILLED = """
import sys, os
from allostat.store.journal import JournalWriter, RecordKind
with JournalWriter(sys.argv[1], "s", {}, rotate_bytes=int(sys.argv[2])) as writer:
    i = 0
    while True:
        writer.append(RecordKind.PMD_DATA, 0, i.to_bytes(8, "little") * 25, monotonic_ns=i, wall_ns=i)
        i += 1
        os.write(1, i.to_bytes(8, "little"))
"""


@pytest.mark.parametrize("trial", range(4))
def test_a_kill_loses_no_record_that_was_appended(tmp_path: Path, trial: int) -> None:
    rng = random.Random(trial)
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(40_000)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    acknowledged = 0
    wanted = rng.randrange(1, 3000)
    while acknowledged < wanted:
        acknowledged = int.from_bytes(child.stdout.read(8), "little")
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    if len(rest) >= 8:
        acknowledged = int.from_bytes(rest[len(rest) // 8 * 8 - 8 : len(rest) // 8 * 8], "little")
    records, ends = read_session(tmp_path, "s")
    numbers = [r.monotonic_ns for r in records]
    assert numbers == list(range(len(numbers)))
    assert acknowledged <= len(numbers) <= acknowledged + 1
    assert len(ends) == len(session_parts(tmp_path, "s"))
    assert not being_recorded(tmp_path, "s")


def test_parts_follow_each_other_and_carry_the_header(tmp_path: Path) -> None:
    write(tmp_path, [b"x" * 100] * 50, rotate_bytes=1000)
    parts = session_parts(tmp_path, "s")
    assert len(parts) > 4
    assert [JournalReader(p).header["part"] for p in parts] == list(range(1, len(parts) + 1))
    records, ends = read_session(tmp_path, "s")
    assert [r.monotonic_ns for r in records] == list(range(50))
    assert [e.reason for _, e in ends] == ["end"] * len(parts)


def test_a_part_cut_in_its_header_holds_no_records_and_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, [b"x" * 100] * 50, rotate_bytes=1000)
    last = session_parts(tmp_path, "s")[-1]
    last.write_bytes(last.read_bytes()[:11])
    records, ends = read_session(tmp_path, "s")
    assert len(list(records)) > 30
    assert ends[-1][1] == journal.JournalEnd(0, 0, 11, "cut off")


class _Disk:
    """`os.write` on a disk with room for so many bytes."""

    def __init__(self, room: int, real: Callable[[int, bytes], int]) -> None:
        self.room, self.real = room, real

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.real(descriptor, data[: self.room])
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", [0, 1, 7, 40, 130])
def test_a_full_disk_takes_no_half_record_and_recording_goes_on(
    tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalWriter(tmp_path, "s", {}) as writer:
        writer.append(RecordKind.NOTE, 0, b"before", monotonic_ns=0, wall_ns=0)
        disk = _Disk(room, os.write)
        monkeypatch.setattr(os, "write", disk.write)
        failed = 0
        for i in range(1, 10):
            try:
                writer.append(RecordKind.NOTE, 0, b"while full", monotonic_ns=i, wall_ns=0)
            except StoreError as error:
                failed += 1
                assert "not written" in str(error)
        disk.room = 10_000
        writer.append(RecordKind.NOTE, 0, b"after", monotonic_ns=99, wall_ns=0)
        path = writer.path
    records, end = read(path)
    assert [r.monotonic_ns for r in records] == [0, *range(1, 10 - failed), 99]
    assert (end.dropped_bytes, failed) == (0, 9 - room // 37)


def test_a_part_that_could_not_be_made_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JournalWriter(tmp_path, "s", {}, rotate_bytes=1000) as writer:
        writer.append(RecordKind.NOTE, 0, b"x" * 1000, monotonic_ns=0, wall_ns=0)
        disk = _Disk(0, os.write)
        monkeypatch.setattr(os, "write", disk.write)
        with pytest.raises(StoreError):
            writer.append(RecordKind.NOTE, 0, b"lost", monotonic_ns=1, wall_ns=0)
        disk.room = 10_000
        writer.append(RecordKind.NOTE, 0, b"after", monotonic_ns=2, wall_ns=0)
    records, _ = read_session(tmp_path, "s")
    assert [r.monotonic_ns for r in records] == [0, 2]
    assert len(session_parts(tmp_path, "s")) == 2


def test_a_failed_sync_is_told_once_and_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JournalWriter(tmp_path, "s", {}) as writer:
        real = os.fsync

        def failing(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(StoreError, match="disk refused"):
            writer.sync()
        monkeypatch.setattr(os, "fsync", real)
        writer.append(RecordKind.NOTE, 0, b"x", monotonic_ns=0, wall_ns=0)
        writer.sync()
        assert writer.synced == writer.size


def test_two_recordings_of_one_session_are_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "s", {}):
        with pytest.raises(StoreError, match="exists already"):
            JournalWriter(tmp_path, "s", {})
        assert being_recorded(tmp_path, "s")
        other = JournalWriter(tmp_path, "other", {})
        other.close()
    assert not being_recorded(tmp_path, "s")
    assert sessions(tmp_path) == ("other", "s")
    with pytest.raises(StoreError, match="nearest valid"):
        read_session(tmp_path, "othr")


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "s", {})
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.append(RecordKind.NOTE, 0, b"", monotonic_ns=0, wall_ns=0)


def test_too_long_a_record_is_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "s", {}) as writer, pytest.raises(StoreError, match="too long"):
        writer.append(RecordKind.NOTE, 0, bytes(70_000), monotonic_ns=0, wall_ns=0)


@pytest.mark.parametrize("content", [b"", b"ALSTJN1\n", b"\x89HDF\r\n\x1a\n" + bytes(100), b"ALSTJN1\n" + bytes(100)])
def test_other_files_are_no_journals(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.0001.journal"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.0001\.journal"):
        JournalReader(path)


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FORMAT_VERSION", 2)
    path = write(tmp_path, [b"x"])
    monkeypatch.setattr(journal, "FORMAT_VERSION", 1)
    with pytest.raises(StoreError, match="newer format"):
        JournalReader(path)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="journal folder cannot be made"):
        JournalWriter(tmp_path / "file" / "sub", "s", {})
