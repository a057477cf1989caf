"""A session from the first byte to the participants' files."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import allostat
from allostat.errors import ConfigError, StoreError
from allostat.live.finalise import finalise_session, finished_session
from allostat.live.recovery import recover_sessions
from allostat.live.session import Session, SessionResult
from allostat.live.session_straps import SessionStrap, straps_in_file
from allostat.live.updates import GapDeclared, MarkerSet, PlacedSamples, SessionState, StrapState, Update
from allostat.recording import TimeZone
from allostat.store import read_participant, verify
from allostat.store.journal import read_session
from allostat.store.locks import FileLock
from allostat.strap import EventSink, RecordKind
from allostat_devices.virtual.jumping_loop import run_fast
from tests.live.wire import WireDecoder, WireLink, found, intervals, samples, steady

VIENNA = TimeZone("Europe/Vienna", "user")


class Kept:
    """A face that keeps what it is offered."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.closed = False

    def offer(self, update: Update) -> None:
        self.updates.append(update)

    async def close(self) -> None:
        self.closed = True

    def of(self, kind: type) -> list[Any]:
        return [u for u in self.updates if isinstance(u, kind)]


class LoopTime:
    """Both clocks follow the running loop."""

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)

    def wall_ns(self) -> int:
        return 1_760_000_000_000_000_000 + self.monotonic_ns()


def straps(*participants: str) -> list[SessionStrap]:
    return [SessionStrap(found(i), who) for i, who in enumerate(participants)]


def recorded(
    folder: Path, link: WireLink, who: Iterable[str] = ("P1",), seconds: float = 0.0, **about: Any
) -> tuple[SessionResult, Kept, Session]:
    """A session that is stopped when its straps have played."""

    async def run() -> tuple[SessionResult, Kept, Session]:
        face = Kept()
        session = Session(folder, "s1", straps(*who), link, [face], clock=LoopTime(), timezone=VIENNA, **about)

        async def stop() -> None:
            await asyncio.sleep(seconds)
            session.mark("baseline", "key")
            session.stop()

        stopping = asyncio.ensure_future(stop())
        result = await session.run()
        await stopping
        return result, face, session

    return run_fast(run())


async def timed(sink: EventSink, number: int) -> None:
    await steady(sink, number, 40, real=True)


def test_what_straps_send_comes_into_one_file_per_participant(tmp_path: Path) -> None:
    link = WireLink(timed)
    result, face, _ = recorded(tmp_path, link, ("P1", "P2", "P1"), 24.0)
    assert sorted(link.stopped) == ["0", "1", "2"]
    assert result.problem == "" and result.finished is not None and face.closed
    assert {p: f.name for p, f in result.finished.files.items()} == {"P1": "P1_s1.h5", "P2": "P2_s1.h5"}
    for path in result.finished.files.values():
        assert verify(path) == []
    one = read_participant(tmp_path / "P1_s1.h5")
    assert list(one.recordings) == ["wire_h10", "wire_h10_2"]
    recording = one.recordings["wire_h10"]
    ecg = recording.ecg
    assert ecg.samples.dtype == np.int16 and len(ecg) == 40 * 73
    assert np.array_equal(ecg.samples, np.arange(40 * 73))
    assert ecg.clock.rate_hz == pytest.approx(130.0) and not [g for g in ecg.clock.gaps if g.end_ns - g.start_ns > 1e6]
    assert len(recording.beats["rr"]) == 21 and recording.beats["rr"].intervals_ms[1] == 1150 * 1000 / 1024
    assert recording.device.model == "Wire 1" and recording.timezone == VIENNA
    assert [m.label for m in recording.markers] == ["baseline"]
    assert recording.extras["stream_settings"] == {"ecg": {"rate": 130}}
    assert [i["name"] for i in one.provenance["inputs"]] == ["s1.0001.journal"]
    segments = recording.series["clock_segments"]
    assert len(segments) == 1 and segments.extras["has_device_clock"].tolist() == [1]
    assert not any("ABCDE" in p.read_bytes().decode("latin-1") for p in tmp_path.iterdir())


def test_a_finished_file_is_read_like_any_export(tmp_path: Path) -> None:
    recorded(tmp_path, WireLink(timed), ("P1",), 24.0)
    recording = allostat.read(tmp_path / "P1_s1.h5")
    assert len(recording.ecg) == 40 * 73 and recording.participant == "P1"


def test_live_updates_are_what_the_file_holds(tmp_path: Path) -> None:
    _, face, _ = recorded(tmp_path, WireLink(timed), ("P1",), 24.0)
    placed = face.of(PlacedSamples)
    clock = allostat.read(tmp_path / "P1_s1.h5").ecg.clock
    blocks = list(dict.fromkeys(p.block for p in placed))
    assert tuple(blocks) == clock.blocks
    states = face.of(StrapState)
    assert states[-1].received == {"ecg": 40 * 73, "rr": 20}
    assert {"starting", "streaming"} <= {s.phase for s in states} | {"starting"}
    assert states[-1].label == "Wire H10"
    assert len(face.of(SessionState)) >= 24
    assert [m.label for m in face.of(MarkerSet)] == ["baseline"]
    assert face.of(SessionState)[-1].journal_bytes > 0


def copied(folder: Path, to: Path) -> Path:
    """The journals of a session in another folder."""
    to.mkdir()
    for path in folder.glob("*.journal"):
        shutil.copy(path, to)
    return to


def test_recovery_gives_the_bytes_of_a_clean_stop(tmp_path: Path) -> None:
    result, _, _ = recorded(tmp_path / "a", WireLink(timed), ("P1", "P2"), 24.0)
    other = copied(tmp_path / "a", tmp_path / "b")
    (recovery,) = recover_sessions(other, WireDecoder)
    assert recovery.finished is not None and result.finished is not None
    assert recovery.finished.sha256 == result.finished.sha256
    assert recover_sessions(other, WireDecoder) == ()
    (other / "P2_s1.h5").unlink()
    (again,) = recover_sessions(other, WireDecoder)
    assert again.finished is not None and again.finished.sha256 == result.finished.sha256


KILLED = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from allostat.live.session import Session
    from tests.live.test_session import straps
    from tests.live.wire import WireLink, steady

    async def play(sink, number):
        def told(kind, data):
            sink(kind, data)
            os.write(1, b".")
        await steady(told, number, 10_000)

    asyncio.run(Session(Path(sys.argv[1]), "s1", straps("P1", "P2"), WireLink(play)).run())
""")


def test_a_killed_session_loses_no_record_and_is_recovered(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )  # fmt: skip
    assert child.stdout is not None
    told = len(child.stdout.read(500))
    child.send_signal(signal.SIGKILL)
    told += len(child.stdout.read())
    child.stdout.close()
    child.wait()
    records, _ = read_session(folder, "s1")
    kept = sum(r.kind in (RecordKind.PMD_DATA, RecordKind.HEART_RATE) for r in records)
    assert kept >= told >= 500
    other = copied(folder, tmp_path / "again")
    hashes = []
    for place in (folder, other):
        (recovery,) = recover_sessions(place, WireDecoder)
        assert recovery.finished is not None, recovery.problem
        hashes.append(recovery.finished.sha256)
    assert hashes[0] == hashes[1] and len(hashes[0]) == 2
    result = read_participant(folder / "P1_s1.h5")
    assert len(result.recordings["wire_h10"].ecg) > 0
    assert "live_not_stopped" in {n.code for n in result.notices}


def test_the_next_session_recovers_what_a_crash_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "a", WireLink(timed), ("P1",), 24.0)
    folder = copied(tmp_path / "a", tmp_path / "b")
    for path in folder.glob("s1.*.journal"):
        path.rename(folder / path.name.replace("s1", "earlier"))
    link = WireLink(timed)
    monkeypatch.setattr("allostat.live.links.links", lambda: {"wire": link})
    recorded(folder, link, ("P1",), 24.0)
    assert (folder / "P1_earlier.h5").is_file() and (folder / "P1_s1.h5").is_file()


def test_two_processes_never_finalise_the_same_session(tmp_path: Path) -> None:
    recorded(tmp_path / "a", WireLink(timed), ("P1",), 24.0)
    folder = copied(tmp_path / "a", tmp_path / "b")
    other = FileLock(folder / "s1.lock")
    assert other.acquire()
    assert recover_sessions(folder, WireDecoder) == ()
    with pytest.raises(StoreError, match="in use"):
        finalise_session(folder, "s1", WireDecoder)
    other.release()
    assert finalise_session(folder, "s1", WireDecoder) == finished_session(folder, "s1")


def test_a_full_disk_costs_records_but_not_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [False]
    write = os.write

    def refusing(descriptor: int, data: bytes) -> int:
        if full[0] and len(data) > 25:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    async def play(sink: EventSink, number: int) -> None:
        for i in range(30):
            full[0] = 10 <= i < 15
            sink(RecordKind.PMD_DATA, samples(i * 73, 73, 10**15 + round((i + 1) * 73e9 / 130)))
            await asyncio.sleep(73 / 130)

    monkeypatch.setattr("allostat.store.journal.os.write", refusing)
    result, face, _ = recorded(tmp_path, WireLink(play), ("P1",), 20.0)
    assert result.journal_lost == 5
    assert any("space" in s.message for s in face.of(SessionState))
    assert sum(len(p.raw) for p in face.of(PlacedSamples)) == 30 * 73
    stored = read_participant(tmp_path / "P1_s1.h5")
    assert [(n.code, n.count) for n in stored.notices] == [("live_disk_full", 5)]
    gaps = stored.recordings["wire_h10"].series["ecg_gaps"]
    reasons = [stored.recordings["wire_h10"].extras["gap_reasons"][code] for code in gaps.extras["reason"]]
    assert gaps.values[0] == 5 * 73 and reasons == ["lost", "stopped"]


class Slow:
    """An analysis that keeps the loop busy."""

    def __init__(self, session_queue: int) -> None:
        self.pushed = 0

    def push(self, placed: Any) -> Iterable[Update]:
        self.pushed += 1
        return ()

    def close(self) -> Iterable[Update]:
        return ()


def test_what_the_live_view_cannot_follow_is_counted_declared_and_recorded(tmp_path: Path) -> None:
    async def burst(sink: EventSink, number: int) -> None:
        for i in range(20):
            sink(RecordKind.PMD_DATA, samples(i * 73, 73, 10**15 + round((i + 1) * 73e9 / 130)))
            await asyncio.sleep(73 / 130)
        for i in range(20, 60):
            sink(RecordKind.PMD_DATA, samples(i * 73, 73, 10**15 + round((i + 1) * 73e9 / 130)))
        await asyncio.sleep(23.0)
        sink(RecordKind.PMD_DATA, samples(60 * 73, 73, 10**15 + round(61 * 73e9 / 130)))

    result, face, _ = recorded(tmp_path, WireLink(burst), ("P1",), 40.0, queue_records=10)
    assert result.not_analysed == 30
    assert sum(len(p.raw) for p in face.of(PlacedSamples)) == 31 * 73
    gaps = [(g.missing, g.reason) for g in face.of(GapDeclared) if g.missing and g.reason != "stopped"]
    assert gaps == [(30 * 73, "not analysed")]
    assert "30 notifications" in face.of(SessionState)[-1].message
    assert len(allostat.read(tmp_path / "P1_s1.h5").ecg) == 61 * 73


def test_a_failing_face_or_analysis_costs_the_recording_nothing(tmp_path: Path) -> None:
    class Broken(Kept):
        def offer(self, update: Update) -> None:
            raise RuntimeError("screen is gone")

    class Wrong(Slow):
        def push(self, placed: Any) -> Iterable[Update]:
            raise ValueError("no such window")

    async def run() -> tuple[SessionResult, Kept]:
        good = Kept()
        session = Session(tmp_path, "s1", straps("P1"), WireLink(timed), [Broken(), good], Wrong(0), LoopTime())
        asyncio.get_running_loop().call_later(24.0, session.stop)
        return await session.run(), good

    result, good = run_fast(run())
    assert result.finished is not None
    message = good.of(SessionState)[-1].message
    assert "screen is gone" in message and "no such window" in message
    assert len(allostat.read(tmp_path / "P1_s1.h5").ecg) == 40 * 73


def test_cancelling_ends_as_cleanly_as_stopping(tmp_path: Path) -> None:
    async def run() -> None:
        session = Session(tmp_path, "s1", straps("P1"), WireLink(timed), clock=LoopTime())
        task = asyncio.ensure_future(session.run())
        await asyncio.sleep(24.0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run_fast(run())
    records, _ = read_session(tmp_path, "s1")
    codes = [json.loads(r.data)["code"] for r in records if r.kind == RecordKind.NOTE]
    assert codes == ["session_begun", "session_stopping", "session_stopped"]
    assert finished_session(tmp_path, "s1") is not None


def test_one_strap_that_cannot_be_followed_costs_the_others_nothing(tmp_path: Path) -> None:
    from allostat.errors import DeviceError

    class Partly(WireLink):
        async def follow(self, strap: Any, sink: EventSink, options: Any, *, backend: Any = None) -> None:
            if strap.identity == "1":
                raise DeviceError("no permission to use Bluetooth")
            await super().follow(strap, sink, options, backend=backend)

    result, face, _ = recorded(tmp_path, Partly(timed), ("P1", "P2"), 24.0)
    assert result.finished is not None and list(result.finished.files) == ["P1"]
    last = [s for s in face.of(StrapState) if s.strap == 1][-1]
    assert (last.phase, last.message) == ("stopped", "no permission to use Bluetooth")


def test_garbage_is_counted_and_stored_as_a_notice(tmp_path: Path) -> None:
    async def play(sink: EventSink, number: int) -> None:
        sink(RecordKind.PMD_DATA, b"xyz")
        sink(RecordKind.HEART_RATE, b"x")
        await timed(sink, number)

    recorded(tmp_path, WireLink(play), ("P1",), 24.0)
    notices = read_participant(tmp_path / "P1_s1.h5").recordings["wire_h10"].notices
    assert [(n.code, n.count) for n in notices if n.severity == "warning"] == [("live_length", 2)]


def test_labels_hold_no_serial_number() -> None:
    labels = [s.label for s in straps_in_file(straps("P1", "P1"))]
    assert labels == ["Wire H10", "Wire H10"]
    with pytest.raises(ConfigError, match="participant"):
        straps_in_file(straps(" "))
    with pytest.raises(ConfigError, match="twice"):
        straps_in_file([*straps("P1"), *straps("P2")])


def test_a_thousand_markers_fit(tmp_path: Path) -> None:
    async def run() -> SessionResult:
        session = Session(tmp_path, "s1", straps("P1"), WireLink(timed), clock=LoopTime())

        async def mark() -> None:
            for i in range(1000):
                await asyncio.sleep(0.02)
                session.mark(f"stimulus {i}", "lsl")
            session.stop()

        marking = asyncio.ensure_future(mark())
        result = await session.run()
        await marking
        return result

    result = run_fast(run())
    assert result.problem == ""
    assert len(read_participant(tmp_path / "P1_s1.h5").recordings["wire_h10"].markers) == 1000


def test_intervals_alone_make_a_file(tmp_path: Path) -> None:
    async def play(sink: EventSink, number: int) -> None:
        for _ in range(30):
            sink(RecordKind.HEART_RATE, intervals(1024))
            await asyncio.sleep(1.0)

    recorded(tmp_path, WireLink(play), ("P1",), 31.0)
    recording = allostat.read(tmp_path / "P1_s1.h5")
    assert len(recording.beats["rr"]) == 31 and not recording.signals
    assert recording.series["hr"].values.tolist() == [60.0] * 30
