"""Clocks: blocks that join are one stretch, in which beats, windows and intervals run through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.beats import find_beats
from allostat.export.stretches import signal_stretches
from allostat.quality import signal_quality
from allostat.recording import Clock, ClockBlock, Signal
from allostat.respiration import respiration_rate
from tests.reference import waves

RATE = 130.0
T0 = 1_700_000_000_000_000_000
TIMES = waves.beat_times(80, 0.85, 0.05, np.random.default_rng(1))
ECG = np.round(1000 * waves.ecg(TIMES, RATE)).astype(np.int32)


def chopped(n: int, cuts: list[int], joints: list[float]) -> Clock:
    """A clock of ``n`` samples whose blocks begin at cuts, each some share of a sample off where the last one ended."""
    blocks = [ClockBlock(0, T0, RATE)]
    for cut, joint in zip(cuts, joints, strict=True):
        blocks.append(ClockBlock(cut, blocks[-1].end_ns(cut) + round(joint * 1e9 / RATE), RATE))
    return Clock(tuple(blocks), n)


@pytest.mark.parametrize("joint", [0.49, -0.49, 0.0])
def test_a_joint_below_half_a_sample_is_no_gap(joint: float) -> None:
    clock = chopped(1000, [400], [joint])
    (stretch,) = clock.stretches()
    assert (stretch.start, stretch.stop, stretch.t0_ns, stretch.end_ns) == (0, 1000, T0, clock.end_ns)
    assert clock.gaps == ()


@pytest.mark.parametrize("joint", [0.51, -0.51, 300.0])
def test_a_longer_joint_is_a_gap(joint: float) -> None:
    clock = chopped(1000, [400], [joint])
    (gap,) = clock.gaps
    assert [(s.start, s.stop) for s in clock.stretches()] == [(0, 400), (400, 1000)]
    assert gap.end_ns - gap.start_ns == round(joint * 1e9 / RATE)


def test_an_empty_clock_has_neither() -> None:
    assert list(Clock((), 0).stretches()) == [] and Clock((), 0).gaps == ()
    assert np.isnan(Clock((), 0).samples_at(np.array([5]))).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.floats(-0.7, 40.0)), max_size=12))
def test_positions_lead_to_instants_and_back(pieces: list[tuple[int, float]]) -> None:
    cuts = np.cumsum([n for n, _ in pieces]).tolist()
    clock = chopped(sum(n for n, _ in pieces) + 50, cuts, [joint for _, joint in pieces])
    samples = np.arange(clock.n_samples)
    times = clock.times_ns(samples)
    first = np.concatenate([[True], times[1:] > np.maximum.accumulate(times)[:-1]])
    back = clock.samples_at(times)
    # Where blocks overlap an instant belongs to the later one.
    clear = first & (np.minimum.accumulate(times[::-1])[::-1] == times)
    ascending = [b.t0_ns for b in clock.blocks] == sorted(b.t0_ns for b in clock.blocks)
    if ascending and all(joint >= 0 for _, joint in pieces):
        np.testing.assert_allclose(back[clear], samples[clear], atol=0.5)
    between = [g.start_ns + (g.end_ns - g.start_ns) // 2 for g in clock.gaps if g.end_ns - g.start_ns > 2e9 / RATE]
    if ascending and between:
        assert np.isnan(clock.samples_at(np.array(between))).all()


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_thousands_of_blocks_that_join_change_nothing(kind: str) -> None:
    wave = waves.ecg(TIMES, RATE) if kind == "ecg" else -waves.ppg(TIMES, RATE)
    samples = np.round(1000 * wave).astype(np.int32)
    n = len(samples)
    whole = Signal(kind, kind, samples, Clock.regular(n, RATE, T0), "uV")  # type: ignore[arg-type]
    cuts = list(range(7, n - 7, 7))
    many = replace(whole, clock=chopped(n, cuts, [0.0] * len(cuts)))
    one, other = find_beats(whole), find_beats(many)
    # Each block begins at a whole ns.
    assert np.abs(one.times_ns - other.times_ns).max() < 5 * len(cuts)
    assert np.array_equal(np.isnan(one.intervals_ms), np.isnan(other.intervals_ms))
    same = signal_quality(whole).drop_vars(["start_ns", "end_ns", "time"])
    assert same.equals(signal_quality(many).drop_vars(["start_ns", "end_ns", "time"]))
    breaths, others = (respiration_rate(s, b)["respiration_rate"].values for s, b in ((whole, one), (many, other)))
    np.testing.assert_allclose(breaths, others, rtol=1e-3)
    assert [(s.first, s.stop) for s in signal_stretches(many)] == [(0, n)]


def test_a_rate_that_is_estimated_anew_breaks_no_interval_and_moves_the_beats() -> None:
    n = len(ECG)
    blocks = [ClockBlock(0, T0, 130.0, 130.0)]
    for at in range(73, n, 73):
        blocks.append(ClockBlock(at, blocks[-1].end_ns(at), 130.0 + 1.6 * min(at / 3000, 1.0), 130.0))
    beats = find_beats(Signal("ecg", "ecg", ECG, Clock(tuple(blocks), n), "uV"))
    assert len(beats) == len(TIMES)
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [0]
    assert np.median(beats.intervals_ms[-20:] / (1000 * np.diff(TIMES)[-20:])) == pytest.approx(130 / 131.6, abs=1e-3)
