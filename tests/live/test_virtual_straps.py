"""Whole sessions over virtual straps that misbehave: every sample that they took came, or is declared missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.live.analysis import LiveAnalysis
from allostat.live.host_clock import LoopClock
from allostat.live.live_hrv import GRID
from allostat.live.session import Session, SessionResult
from allostat.live.session_straps import SessionStrap
from allostat.live.updates import (
    BeatsFound,
    GapDeclared,
    HrvWindow,
    PlacedSamples,
    QualityWindow,
    SegmentBegun,
    StrapState,
)
from allostat.recording import TimeZone
from allostat.store import read_participant, verify
from allostat.strap import FollowOptions, FoundStrap
from allostat_devices.ble.link import LINK
from allostat_devices.virtual.device_faults import ClockReset
from allostat_devices.virtual.fault_script import At, Script, random_script
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import Body, polar_h10, verity_sense
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.radio_faults import Disconnect, Drop
from allostat_devices.virtual.strap import VirtualStrap
from tests.live.streams import _assert_hrv, _assert_signal
from tests.live.test_session import Kept

START = 1_760_000_000_000_000_000


def recorded(
    folder: Path,
    straps: list[VirtualStrap],
    seconds: float,
    who: list[str],
    streams: tuple[str, ...] = ("ecg",),
    analysis: LiveAnalysis | None = None,
) -> tuple[SessionResult, Kept]:
    async def run() -> tuple[SessionResult, Kept]:
        radio = VirtualRadio(straps, wall_ns=lambda: START)
        radio.begin()
        face = Kept()
        wearers = [
            SessionStrap(FoundStrap(s.address, s.advertisement.name, frozenset({"heart_rate", "polar_pmd"})), p)
            for s, p in zip(straps, who, strict=True)
        ]
        loop = asyncio.get_running_loop()
        session = Session(
            folder, "s1", wearers, LINK, [face], analysis, clock=LoopClock(loop, START), options=FollowOptions(streams),
            backend=radio, timezone=TimeZone("UTC", "user"),
        )  # fmt: skip
        loop.call_later(seconds, session.stop)
        return await session.run(), face

    return run_fast(run())


@pytest.mark.parametrize("seed", [0, 2])
def test_books_balance_under_random_faults(tmp_path: Path, seed: int) -> None:
    strap = polar_h10(seed + 1, Body(rate_ratio=1.0012, drift_ppm=20.0))
    strap.follow(random_script(seed, 270, 15))
    result, face = recorded(tmp_path, [strap], 300.0, ["P1"])
    assert result.finished is not None, result.problem
    placed = [p for p in face.of(PlacedSamples) if p.stream == "ecg"]
    gaps = [g for g in face.of(GapDeclared) if g.stream == "ecg"]
    segments = len(face.of(SegmentBegun))
    came, declared = sum(len(p.raw) for p in placed), sum(g.missing for g in gaps)
    runs = strap.truth.of(0)
    taken = sum(r.taken for r in runs)
    assert came <= sum(r.framed for r in runs)
    assert declared >= taken - came - 73
    recording = allostat.read(tmp_path / "P1_s1.h5")
    clock = recording.ecg.clock
    end = max(clock.end_ns, *(g.end_ns for g in gaps)) if gaps else clock.end_ns
    covered = (end - clock.start_ns) * 1e-9 * runs[0].rate_hz
    assert abs(covered - came - declared) <= 2 * segments
    assert tuple(dict.fromkeys(p.block for p in placed)) == clock.blocks
    assert verify(tmp_path / "P1_s1.h5") == []
    rr = recording.beats["rr"]
    assert rr.times_ns[-1] <= START + 301e9
    # What the strap formed as intervals, as far as it came: none invented, none changed.
    formed = set((np.array(strap.truth.beats.raw) * (1000 / 1024)).tolist())
    assert set(rr.intervals_ms[~np.isnan(rr.intervals_ms)].tolist()) <= formed
    last = face.of(StrapState)[-1]
    assert last.received["ecg"] == came and last.declared_missing["ecg"] == declared


def test_a_clock_that_falls_back_to_2019_begins_a_segment(tmp_path: Path) -> None:
    strap = polar_h10(1)
    strap.follow(Script((At(60, ClockReset()), At(120, Disconnect()))))
    _, face = recorded(tmp_path, [strap], 180.0, ["P1"])
    assert [s.reason for s in face.of(SegmentBegun)] == ["connected", "clock_step", "reconnected"]
    recording = allostat.read(tmp_path / "P1_s1.h5")
    segments = recording.series["clock_segments"]
    offsets = segments.extras["device_offset_ns"]
    assert abs(offsets[1] - offsets[0]) > 5 * 365 * 86_400e9 and abs(offsets[2] - offsets[1]) < 1e9
    # Instants follow the host all the same.
    assert 0 <= recording.ecg.clock.start_ns - START < 10e9
    assert recording.ecg.clock.end_ns - START == pytest.approx(180e9, abs=2e9)


def test_ecg_ppg_and_intervals_of_two_straps_of_one_person_lie_side_by_side(tmp_path: Path) -> None:
    straps = [polar_h10(1), verity_sense(1)]
    _, _ = recorded(tmp_path, straps, 90.0, ["P1", "P1"], ("ecg", "ppg", "ppi"))
    result = read_participant(tmp_path / "P1_s1.h5")
    streams = {key: {*r.signals, *r.beats} for key, r in result.recordings.items()}
    assert len(streams) == 2
    h10, verity = streams.values()
    assert {"ecg", "rr"} <= h10 and {"ppg_0", "ppg_1", "ppg_2", "ppi"} <= verity
    starts = [s.clock.start_ns for r in result.recordings.values() for s in r.signals.values()]
    assert max(starts) - min(starts) < 5e9
    for recording in result.recordings.values():
        for beats in recording.beats.values():
            assert (np.diff(beats.times_ns) > 0).all()


def test_the_drift_of_a_session_is_found_within_a_millisecond(tmp_path: Path) -> None:
    strap = polar_h10(1, Body(drift_ppm=20.0), keep_truth=False)
    recorded(tmp_path, [strap], 600.0, ["P1"])
    segments = allostat.read(tmp_path / "P1_s1.h5").series["clock_segments"]
    # A device that runs fast falls behind less: host minus device shrinks.
    assert segments.extras["drift_ppm"].tolist() == pytest.approx([-20.0], abs=2.0)
    assert segments.extras["spread_ms"][0] < 1.0


def test_live_beats_and_hrv_are_those_of_the_recorded_file(tmp_path: Path) -> None:
    strap = polar_h10(2, Body(rate_ratio=1.0004))
    strap.follow(Script((At(70, Disconnect()), At(150, Drop(2)))))
    _, face = recorded(tmp_path, [strap], 240.0, ["P1"], analysis=LiveAnalysis())
    recording = allostat.read(tmp_path / "P1_s1.h5")
    assert len([b for b in face.of(BeatsFound) if b.stream == "ecg"]) > 50
    kinds = (BeatsFound, QualityWindow, HrvWindow)
    ecg = [u for u in face.updates if isinstance(u, kinds) and u.stream == "ecg"]
    _assert_signal(recording, "ecg", ecg, GRID)
    _assert_hrv(recording.beats["rr"], [u for u in face.of(HrvWindow) if u.stream == "rr"], GRID)
