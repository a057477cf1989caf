"""RR intervals on the R peaks of the same strap's ECG."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.live.host_clock import LoopClock
from allostat.live.rr_alignment import align_intervals
from allostat.live.session import Session
from allostat.live.session_straps import SessionStrap
from allostat.strap import FoundStrap
from allostat_devices.ble.link import LINK
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.radio import VirtualRadio

START = 1_760_000_000_000_000_000


def peaks(seed: int, count: int, variation_ms: float = 40.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return START + np.cumsum(np.rint((850 + variation_ms * rng.standard_normal(count)) * 1e6)).astype(np.int64)


@pytest.mark.parametrize("late_ms", [-120.0, 35.0, 870.0, 1900.0])
def test_the_shift_is_found_with_missed_and_extra_peaks(late_ms: float) -> None:
    true = peaks(1, 600)
    beats = true + round(late_ms * 1e6) + np.random.default_rng(2).integers(-500_000, 500_000, 600)
    seen = np.sort(np.concatenate([np.delete(true, slice(5, 600, 17)), true[100:130] + 333_000_000]))
    intervals = np.diff(beats, prepend=0) / 1e6
    intervals[[0, 200]] = np.nan
    found = align_intervals(beats, intervals, seen)
    assert [round(a.shift_ms + late_ms) for a in found] == [0] * len(found) and len(found) == 3
    assert all(a.matched > 0.9 and a.spread_ms < 1 for a in found)


def test_a_heart_like_a_clock_leaves_the_shift_open() -> None:
    true = peaks(3, 200, 0.0)
    (found,) = align_intervals(true + 10**9, np.append(np.nan, np.diff(true) / 1e6), true)
    assert np.isnan(found.shift_ms)
    (nothing,) = align_intervals(true, np.append(np.nan, np.diff(true) / 1e6), true[:0])
    assert np.isnan(nothing.shift_ms)


def test_a_session_stores_where_the_intervals_lie_on_the_ecg(tmp_path: Path) -> None:
    strap = polar_h10(1)
    radio = VirtualRadio([strap], wall_ns=lambda: START)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        radio.begin()
        found = FoundStrap(strap.address, "Polar H10 00000001", frozenset({"heart_rate", "polar_pmd"}))
        clock = LoopClock(loop, START)
        session = Session(tmp_path, "s1", [SessionStrap(found, "P1")], LINK, clock=clock, backend=radio)
        began = loop.time()
        loop.call_later(120.0, session.stop)
        await session.run()
        return began

    began = run_fast(run())
    recording = allostat.read(tmp_path / "P1_s1.h5")
    alignment = recording.series["rr_alignment"]
    assert len(alignment) == 1 and alignment.unit == "ms"
    assert alignment.extras["matched"][0] > 0.95 and alignment.extras["spread_ms"][0] < 4.0
    # The strap's beats, moved by the shift, are where the heart beat, but for the first notification's delay of ECG.
    moved = recording.beats["rr"].times_ns + round(alignment.values[0] * 1e6)
    truth = START + np.rint((np.array(strap.truth.beats.ended_s) - began) * 1e9).astype(np.int64)
    nearest = np.abs(moved[1:, None] - truth[None, :]).min(axis=1)
    assert np.median(nearest) < 60e6
