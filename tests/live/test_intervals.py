"""Beats that a strap found itself: placed, none invented, lost ones declared, no interval across a gap."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.live.timeline import StrapTimeline
from allostat.live.updates import GapDeclared, Placed, PlacedIntervals
from allostat.recording import Beats, Device
from allostat.strap import Connected, Disconnected, IntervalBatch, UnitVerdict
from tests.live.producer import HOST_START_NS, heart, heart_rate_notifications, interval_batch

CONNECTED = Connected(Device(), {})


def beats_of(placed: list[Placed]) -> Beats:
    """What the file will hold; `Beats` itself checks that instants ascend."""
    found = [p for p in placed if isinstance(p, PlacedIntervals)]
    times = np.concatenate([p.times_ns for p in found])
    return Beats(times, np.concatenate([p.intervals_ms for p in found]), np.zeros(len(times), np.int8))


def gaps_of(placed: list[Placed]) -> list[GapDeclared]:
    return [p for p in placed if isinstance(p, GapDeclared)]


def connected() -> StrapTimeline:
    timeline = StrapTimeline(0)
    timeline.push([CONNECTED], HOST_START_NS, 0)
    return timeline


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(450.0, 1400.0), st.floats(0.0, 0.04))
def test_jitter_and_stalls_lose_nothing_and_invent_nothing(seed: int, mean_ms: float, stalls: float) -> None:
    raw = heart(seed, 300, mean_ms)
    timeline, placed = connected(), []
    for batch, arrival, _ in heart_rate_notifications(raw, seed=seed, stall_share=stalls):
        placed += timeline.push([batch], arrival, 0)
    placed += timeline.close(arrival)
    beats = beats_of(placed)
    assert not [g for g in gaps_of(placed) if g.reason != "stopped"]
    sent = raw[: timeline.received["rr"]]
    assert len(sent) >= 296
    assert np.array_equal(beats.intervals_ms[1:], sent * (1000 / 1024))
    assert np.isnan(beats.intervals_ms[0])


@pytest.mark.parametrize("mean_ms", [520.0, 760.0, 905.0, 1130.0])
def test_lost_notifications_are_declared(mean_ms: float) -> None:
    wrong = total = 0
    for seed in range(4):
        raw, rng, lost = heart(seed, 900, mean_ms), random.Random(seed), 0
        timeline, placed, since = connected(), [], 0
        for batch, arrival, _ in heart_rate_notifications(raw, seed=seed, stall_share=0.01):
            since += 1
            if since > 60 and len(batch.raw) and rng.random() < 0.02:
                lost, since = lost + len(batch.raw), 0
                continue
            placed += timeline.push([batch], arrival, 0)
        placed += timeline.close(arrival + 10**9)
        declared = sum(g.missing for g in gaps_of(placed) if g.reason == "lost")
        total += lost
        wrong += abs(lost - declared)
        beats = beats_of(placed)
        breaks = int(np.isnan(beats.intervals_ms).sum())
        assert breaks == 1 + sum(g.reason == "lost" for g in gaps_of(placed))
    assert total > 15
    assert wrong <= 0.05 * total


def test_beats_lie_at_their_instants_within_a_notification() -> None:
    raw = heart(3, 400, 830.0)
    timeline, placed, true = connected(), [], []
    for batch, arrival, ends in heart_rate_notifications(raw, seed=3):
        placed += timeline.push([batch], arrival, 0)
        true.append(ends)
    beats = beats_of(placed)
    late = (beats.times_ns[1:] - np.concatenate(true)) / 1e6
    assert late.min() >= 0 and late.max() <= 1100
    assert late.max() - late.min() < 0.01


def test_a_reconnect_and_lost_contact_break_the_chain() -> None:
    raw = heart(1, 200, 800.0)
    timeline, placed = connected(), []
    for i, (batch, arrival, _) in enumerate(heart_rate_notifications(raw, seed=1)):
        if i in (40, 41, 42):
            batch = IntervalBatch("rr", batch.raw, batch.intervals_ms, batch.heart_rate_bpm, False)
        if i == 80:
            timeline.push([Disconnected("link lost")], arrival, 0)
        if 80 <= i < 90:
            if i == 89:
                timeline.push([CONNECTED], arrival, 0)
            continue
        placed += timeline.push([batch], arrival, 0)
    gaps = gaps_of(placed)
    assert [g.reason for g in gaps] == ["contact", "reconnected"]
    # three notifications with about 1.25 beats each, then ten
    assert gaps[0].missing == pytest.approx(4, abs=1)
    assert gaps[1].missing == pytest.approx(12, abs=2)
    beats = beats_of(placed)
    for gap in gaps:
        at = int(np.searchsorted(beats.times_ns, gap.end_ns))
        assert np.isnan(beats.intervals_ms[at])
    assert timeline.received["rr"] + timeline.declared_missing["rr"] == pytest.approx(len(raw), abs=3)


def test_a_notification_that_came_twice_is_one() -> None:
    raw = heart(5, 100, 800.0)
    timeline, placed = connected(), []
    for i, (batch, arrival, _) in enumerate(heart_rate_notifications(raw, seed=5)):
        placed += timeline.push([batch], arrival, 0)
        if i % 10 == 3 and len(batch.raw):
            placed += timeline.push([batch], arrival + 2_000_000, 0)
    beats = beats_of(placed)
    assert np.array_equal(beats.intervals_ms[1:], raw[: len(beats) - 1] * (1000 / 1024))
    assert timeline.malformed["repeated_notification"] >= 7


def test_an_interval_of_zero_keeps_its_place_as_missing() -> None:
    timeline, placed = connected(), []
    for i in range(10):
        raw = np.array([820, 0 if i == 4 else 820])
        placed += timeline.push([interval_batch(raw)], HOST_START_NS + i * 1_601_562_500, 0)
    beats = beats_of(placed)
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [0, 10]
    assert not gaps_of(placed)
    assert timeline.received == {"rr": 20}


def pulse(times_ns: np.ndarray, usable: np.ndarray, device_ns: int | None) -> IntervalBatch:
    raw = np.rint(np.diff(times_ns) / 1e6).astype(np.int64)
    return IntervalBatch("ppi", raw, np.where(usable, raw, np.nan).astype(float), 70.0, True, device_ns, None)


def test_pulse_intervals_with_device_times() -> None:
    beats = HOST_START_NS + np.cumsum(np.full(101, 850_000_000))
    device = beats - HOST_START_NS + 5 * 10**17
    timeline, placed = connected(), []
    for i in range(0, 100, 5):
        if i in (40, 45):
            continue
        usable = np.arange(5) != (2 if i == 20 else -1)
        batch = pulse(beats[i : i + 6], usable, int(device[i + 5]))
        placed += timeline.push([batch], int(beats[i + 5]) + 2_000_000_000, 0)
        if i == 60:
            placed += timeline.push([batch], int(beats[i + 5]) + 2_000_000_001, 0)
    gaps = gaps_of(placed)
    assert [(g.missing, g.reason) for g in gaps] == [(10, "lost")]
    found = beats_of(placed)
    assert timeline.malformed == {"repeated_notification": 1}
    assert np.isnan(found.intervals_ms).sum() == 3
    assert set(np.diff(found.times_ns).tolist()) == {850_000_000, 8_500_000_000}


def test_a_verdict_on_the_unit_breaks_the_chain_once() -> None:
    timeline, placed = connected(), []
    for i in range(20):
        placed += timeline.push([interval_batch(np.array([800]))], HOST_START_NS + i * 800_000_000, 0)
    timeline.push([UnitVerdict(1.0, True, "ms")], HOST_START_NS, 0)
    placed += timeline.push([interval_batch(np.array([800]))], HOST_START_NS + 20 * 800_000_000, 0)
    assert [g.reason for g in gaps_of(placed)] == ["rr_unit"]


def test_the_unit_of_the_whole_session_rescales_what_was_provisional() -> None:
    timeline = StrapTimeline(0, rr_ms_per_unit=1.0)
    timeline.push([CONNECTED], HOST_START_NS, 0)
    placed = []
    for i in range(20):
        placed += timeline.push([interval_batch(np.array([800, 0]))], HOST_START_NS + i * 1_600_000_000, 0)
    intervals = beats_of(placed).intervals_ms
    assert set(intervals[~np.isnan(intervals)].tolist()) == {800.0}
    assert not gaps_of(placed)


def test_intervals_longer_than_the_time_that_passed_are_no_beats() -> None:
    raw = heart(5, 100, 800.0)
    timeline, placed = connected(), []
    for i, (batch, arrival, _) in enumerate(heart_rate_notifications(raw, seed=5)):
        if i in (20, 40):
            strange = np.array([9_000, 65_000]) if i == 20 else np.full(8, 3_000)
            placed += timeline.push([interval_batch(strange)], arrival - 100_000_000, 0)
        placed += timeline.push([batch], arrival, 0)
    beats = beats_of(placed)
    assert timeline.malformed == {"impossible_intervals": 2}
    found = beats.intervals_ms[~np.isnan(beats.intervals_ms)]
    # The first interval after each break is not used: a difference would cross the break.
    assert set(found.tolist()) <= set((raw * (1000 / 1024)).tolist()) and len(found) >= 95
    assert [g.reason for g in gaps_of(placed)] == ["impossible", "impossible"]


def test_pulse_intervals_go_on_after_the_device_clock_was_reset() -> None:
    beats = HOST_START_NS + np.cumsum(np.full(101, 850_000_000))
    timeline, placed = connected(), []
    for i in range(0, 100, 5):
        device_ns = int(beats[i + 5]) - HOST_START_NS + (5 * 10**17 if i < 50 else 10**15)
        batch = pulse(beats[i : i + 6], np.full(5, True), device_ns)
        placed += timeline.push([batch], int(beats[i + 5]) + 2_000_000_000, 0)
    assert timeline.received == {"ppi": 100} and timeline.malformed == {}
    assert [g.reason for g in gaps_of(placed)] == ["clock_step"]
    assert beats_of(placed).times_ns[-1] == beats[-1] + 2_000_000_000
