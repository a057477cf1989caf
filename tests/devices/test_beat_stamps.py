"""Beats out of recorded intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.recording import BeatFlag
from allostat_devices.beat_stamps import RecordedIntervals, by_arrival, chained, joined_by_stamps, place

MS = 1_000_000


def rr_series(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.rint(850 + 40 * np.sin(np.arange(n) / 6) + rng.normal(0, 25, n))


def test_n_intervals_are_n_plus_one_beats() -> None:
    beats = place(chained(np.array([800.0, 810.0, 790.0])), epoch="relative").beats
    np.testing.assert_array_equal(beats.times_ns, np.array([0, 800, 1610, 2400]) * MS)
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 800, 810, 790])


def test_an_implausible_interval_keeps_its_time_and_becomes_nan() -> None:
    placed = place(chained(np.array([225_797.0, 700.0, 180.0, 710.0])), epoch="relative")
    beats = placed.beats
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, np.nan, 700, np.nan, 710])
    assert beats.times_ns[1] == 225_797 * MS
    assert list(beats.flags) == [0, BeatFlag.OUT_OF_RANGE, 0, BeatFlag.OUT_OF_RANGE, 0]
    assert placed.implausible == 2


def test_a_break_keeps_both_intervals_and_no_difference() -> None:
    recorded = chained(np.array([800.0, 800.0, 900.0, 900.0]), broken=np.array([False, False, True, False]))
    beats = place(recorded, epoch="relative").beats
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 800, 800, np.nan, 900, 900])
    assert len(beats.gaps) == 1


def test_stretches_that_overlap_are_moved_behind_each_other() -> None:
    ends = np.array([1000, 2000, 2700, 3500]) * MS
    lengths = np.array([1000.0, 1000.0, 900.0, 800.0])
    joined = joined_by_stamps(ends, lengths, 2.0)
    placed = place(RecordedIntervals(ends, lengths, joined), epoch="utc")
    assert placed.moved == 1
    assert np.all(np.diff(placed.beats.times_ns) > 0)
    np.testing.assert_array_equal(placed.beats.intervals_ms, [np.nan, 1000, 1000, np.nan, 900, 800])


def test_flags_uncertainty_and_extras_follow_their_intervals() -> None:
    recorded = RecordedIntervals(
        np.array([1000, 3000]) * MS,
        np.array([1000.0, 1000.0]),
        np.array([False, False]),
        np.array([0, BeatFlag.UNUSABLE], np.int8),
        np.array([5, 300], np.float32),
        {"row": np.array([7, 8])},
    )
    beats = place(recorded, epoch="utc").beats
    assert list(beats.flags) == [0, 0, 0, BeatFlag.UNUSABLE]
    assert beats.uncertainty_ms is not None
    assert list(beats.uncertainty_ms) == [5, 5, 300, 300]
    assert list(beats.extras["row"]) == [7, 7, 8, 8]


def arrivals(rr: np.ndarray, lost: slice | None = None, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times of arrival of intervals in packets about once a second, up to 1 s late; true ends; intervals received."""
    true = np.cumsum(rr)
    late = np.ceil(true / 1000.0) * 1000.0 + np.random.default_rng(seed).uniform(0, 300, len(rr))
    late = np.maximum.accumulate(late)
    keep = np.ones(len(rr), bool)
    if lost is not None:
        keep[lost] = False
    return np.rint(late[keep] * MS).astype(np.int64), true[keep], rr[keep]


def test_packets_of_intervals_are_one_stretch_in_the_order_of_their_sum() -> None:
    arrival, true, rr = arrivals(rr_series(600))
    beats = place(by_arrival(arrival, rr), epoch="utc").beats
    assert beats.gaps == ()
    late = beats.times_ns[1:] / MS - true
    assert np.ptp(late) < 250
    assert np.abs(late).max() < 600


@pytest.mark.parametrize("lost", [slice(300, 301), slice(300, 304), slice(200, 260)])
def test_lost_beats_leave_a_gap_where_they_are(lost: slice) -> None:
    arrival, true, rr = arrivals(rr_series(600), lost)
    recorded = by_arrival(arrival, rr)
    breaks = np.flatnonzero(~recorded.joined)
    assert len(breaks) == 2
    assert abs(int(breaks[1]) - lost.start) <= 6
    assert np.abs(recorded.end_ns / MS - true).max() < 900


def test_drift_between_both_clocks_is_followed() -> None:
    rr = rr_series(20_000)
    arrival, _, _ = arrivals(rr * 1.0005)
    recorded = by_arrival(arrival, rr)
    assert recorded.joined.sum() == len(rr) - 1
    assert np.abs(recorded.end_ns / MS - np.cumsum(rr * 1.0005)).max() < 700


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1.0, 5000.0), min_size=1, max_size=80),
    st.integers(0, 2**31),
)
def test_beats_always_ascend_and_no_interval_is_invented(rr: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = np.array(rr)
    ends = np.cumsum(np.rint(lengths * rng.choice([0.2, 1.0, 3.0], len(rr)) * MS)).astype(np.int64)
    beats = place(RecordedIntervals(ends, lengths, joined_by_stamps(ends, lengths, 2.0)), epoch="utc").beats
    told = beats.intervals_ms[np.isfinite(beats.intervals_ms)]
    np.testing.assert_array_equal(told, lengths[(lengths >= 200) & (lengths <= 3000)])
    late = place(by_arrival(ends, lengths), epoch="utc").beats
    assert np.isfinite(late.intervals_ms).sum() == len(told)


def test_no_intervals_are_no_beats() -> None:
    none = by_arrival(np.empty(0, np.int64), np.empty(0), np.empty(0, bool))
    assert len(place(none, epoch="utc").beats) == 0
