"""Live beats, quality and HRV equal those of the recorded file to the last bit, whatever the notifications."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat.live.analysis import LiveAnalysis
from allostat.live.updates import BeatsFound, GapDeclared, HrvWindow, PlacedSamples, QualityWindow, SegmentBegun
from allostat.recording import ClockBlock
from tests.live.streams import T0, Piece, analysed, assert_equals_batch, placed_intervals, placed_signal, regular
from tests.reference import mitbih, waves

RATE = 130.0
TIMES = waves.beat_times(220, 0.8, 0.05, np.random.default_rng(1))
GAPS_S = (0.1, 0.6, 4.0, 9.9, 10.1, 75.0, -0.02)


def ecg(rate_hz: float = RATE, noise: float = 20.0) -> NDArray[np.int32]:
    wave = 1000 * waves.ecg(TIMES, rate_hz)
    return np.round(wave + np.random.default_rng(2).normal(0, noise, len(wave))).astype(np.int32)


def ppg(rate_hz: float = 55.0) -> NDArray[np.int32]:
    wave = 5000 * waves.ppg(TIMES, rate_hz)
    return np.round(wave + np.random.default_rng(3).normal(0, 20, len(wave))).astype(np.int32)


ECG, PPG = ecg(), ppg()


def chunkings(rate_hz: float) -> st.SearchStrategy[list[Piece]]:
    """Notifications of any size, in blocks whose rate is estimated anew, with gaps of all kinds between some."""
    joint_s = st.one_of(st.floats(-0.49, 0.49).map(lambda share: share / rate_hz), st.sampled_from(GAPS_S))
    piece = st.builds(
        lambda size, samples, gap_s, rate: Piece((size,) * max(samples // size, 1), gap_s, rate),
        st.sampled_from([1, 7, 36, 73, 200, 1500]),
        st.integers(1, 5000),
        joint_s,
        st.floats(0.98 * rate_hz, 1.02 * rate_hz),
    )
    return st.lists(piece, max_size=8).map(lambda pieces: pieces + regular(30_000, rate_hz))


@settings(max_examples=15, deadline=None)
@given(chunkings(RATE))
def test_ecg_in_any_notifications(pieces: list[Piece]) -> None:
    assert_equals_batch(placed_signal(ECG, pieces, scale=0.5))


@settings(max_examples=15, deadline=None)
@given(chunkings(55.0), st.sampled_from([1, -1]))
def test_ppg_of_either_polarity_in_any_notifications(pieces: list[Piece], sign: int) -> None:
    assert_equals_batch(placed_signal(sign * PPG, pieces, kind="ppg"))


_ODD = st.tuples(st.integers(1, 447), st.sampled_from(["early", "missed", "extra", "unknown", "lost"]))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.lists(_ODD, max_size=25), st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_intervals_of_a_strap_in_any_batches(seed: int, odd: list[tuple[int, str]], sizes: list[int]) -> None:
    """With ectopic, missed and extra beats, intervals that the strap did not know, and such that are none."""
    rr = 850 + 30 * np.sin(np.arange(450) / 4) + np.random.default_rng(seed).normal(0, 8, 450)
    for at, what in odd:
        first, second = rr[at : at + 2]
        new = {
            "early": (0.6 * first, 1.4 * second),
            "missed": (2 * first, second),
            "extra": (0.4 * first, 0.6 * first),
            "lost": (50_000.0, second),
        }
        rr[at : at + 2] = new.get(what, (np.nan, second))
    rr[0] = np.nan
    assert_equals_batch(placed_intervals(rr, sizes * 450))


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["ecg", "ppg"]), st.integers(0, 10**6), st.sampled_from(["white", "walk", "still", "steps"]))
def test_signals_without_a_heart(kind: str, seed: int, what: str) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 300, 12_000)
    raw = {"white": raw, "walk": np.cumsum(raw), "still": 0 * raw, "steps": 500 * (raw > 500)}[what]
    pieces = [Piece((73,) * 40, 0.0, RATE), Piece((19,) * 99, 3.0, RATE), Piece((73,) * 200, 0.001, RATE)]
    assert_equals_batch(placed_signal(raw.astype(np.int32), pieces, kind=kind))


@pytest.mark.parametrize("name", ["101", "207", "223"])
def test_mitbih_with_losses(recordings: Callable[[str], Path], name: str) -> None:
    """Ten minutes of a normal rhythm, of flutter with bundle branch block, and of frequent ectopy."""
    raw = mitbih.read(recordings("mitdb"), name).signals[:216_000, 0].astype(np.int32)
    rng = np.random.default_rng(int(name))
    pieces = [
        Piece((int(rng.integers(20, 300)),) * int(rng.integers(1, 80)), float(rng.choice([0, 1e-4, 0.2, 3, 20])), 360.0)
        for _ in range(60)
    ]
    updates = assert_equals_batch(placed_signal(raw, pieces))
    assert sum(len(u.times_ns) for u in updates if isinstance(u, BeatsFound)) > 400


def test_finger_pulses_with_losses(recordings: Callable[[str], Path]) -> None:
    with gzip.open(recordings("bidmc") / "bidmc_05_Signals.csv.gz", "rt") as file:
        rows = csv.reader(file)
        column = [title.strip() for title in next(rows)].index("PLETH")
        raw = np.array([round(-10_000 * float(row[column])) for row in rows], dtype=np.int32)
    pieces = [Piece((43,) * 120, gap, 125.0 + gap) for gap in (0.0, 0.2, 0.0, 5.0, 0.001, 12.0)] + regular(
        60_000, 125.3
    )
    updates = assert_equals_batch(placed_signal(raw, pieces, kind="ppg"))
    assert sum(len(u.times_ns) for u in updates if isinstance(u, BeatsFound)) > 500


def test_straps_and_streams_do_not_disturb_each_other() -> None:
    rr = np.concatenate([[np.nan], 1000 * np.diff(TIMES)])
    one = placed_signal(ECG, regular(len(ECG), RATE), strap=0)
    two = placed_signal(ECG[500:], regular(len(ECG) - 500, RATE, 19), strap=1)
    pulse = placed_signal(PPG, regular(len(PPG), 55.0, 36), strap=1, kind="ppg")
    beats = placed_intervals(rr, [2] * len(rr), strap=0)
    mixed = [v for values in zip(one, two, pulse, beats, strict=False) for v in values]
    mixed += [v for values in (one, two, pulse, beats) for v in values[min(map(len, (one, two, pulse, beats))) :]]
    for strap in (0, 1):
        assert_equals_batch(mixed, strap)


def test_provisional_windows_come_with_the_first_beat_behind_them() -> None:
    analysis = LiveAnalysis()
    seen: set[tuple[int, float]] = set()
    for value in placed_signal(ECG, regular(len(ECG), RATE, 7)):
        assert isinstance(value, PlacedSamples)
        now_ns = value.block.end_ns(value.first_index + len(value.raw))
        for update in analysis.push(value):
            if isinstance(update, HrvWindow) and update.provisional:
                assert now_ns - update.end_ns < 2.5e9
                assert (update.end_ns, update.window_s) not in seen
                seen.add((update.end_ns, update.window_s))
    assert len({end for end, _ in seen}) > 20
    assert {window_s for _, window_s in seen} == {60.0, 120.0}


def test_provisional_and_final_values_are_the_same_without_artefacts() -> None:
    windows = [u for u in analysed(placed_signal(ECG, regular(len(ECG), RATE))) if isinstance(u, HrvWindow)]
    early = {(u.end_ns, u.window_s): u.values["rmssd"] for u in windows if u.provisional}
    final = {(u.end_ns, u.window_s): u for u in windows if not u.provisional}
    assert len(final) > 30
    assert {k: u.values["rmssd"] for k, u in final.items()} == {k: early[k] for k in final}
    assert all(math.isfinite(u.values["dfa_alpha1"]) for u in final.values())
    assert all(u.artefact_percent == 0.0 and 40 < u.values["hr_of_mean_nn"] < 100 for u in final.values())


def test_a_lead_that_falls_off_is_told_while_it_is_off() -> None:
    raw = ECG.copy()
    raw[6000:9000] = 0
    windows = [u for u in analysed(placed_signal(raw, regular(len(raw), RATE))) if isinstance(u, QualityWindow)]
    off = [u for u in windows if u.end_ns - T0 > 57e9 and u.start_ns - T0 < 59e9]
    assert all("lead_off" in u.reasons and not u.accepted for u in off)
    assert windows[0].accepted and windows[-1].accepted


def test_other_values_and_rates_out_of_range_are_passed_over() -> None:
    analysis = LiveAnalysis()
    block = ClockBlock(0, T0, 10.0, 10.0)
    raw = np.zeros((100, 1), dtype=np.int32)
    about = (("x",), "1", 1.0, 0, 0, raw)
    assert analysis.push(PlacedSamples(0, "acc", "acc", *about, block)) == []
    assert analysis.push(PlacedSamples(0, "ecg", "ecg", *about, block)) == []
    assert analysis.push(PlacedSamples(0, "ppg", "ppg", ("x",), "1", 1.0, 0, 0, raw[:0], block)) == []
    assert analysis.push(GapDeclared(0, "ecg", T0, T0 + 1, 3, "lost")) == []
    assert analysis.push(SegmentBegun(0, 1, T0, "reconnected")) == []
    # The strap is asked for another rate after all.
    values = placed_signal(ECG[:4000], regular(4000, RATE))
    moved = [
        PlacedSamples(
            0, "ecg", "ecg", ("ecg",), "uV", 1.0, 1, v.first_index + 100, v.raw, ClockBlock(100, T0 + 10**12, RATE)
        )
        for v in values
        if isinstance(v, PlacedSamples)
    ]
    assert sum(isinstance(u, BeatsFound) for v in moved for u in analysis.push(v)) > 20
    analysis.finish()
    assert analysis.finish() == []


def test_a_strap_that_is_silent_for_days_costs_no_more_than_its_beats() -> None:
    rr = np.full(400, 800.0)
    rr[[0, 200]] = np.nan
    first, *rest = placed_intervals(rr, [200, 200])
    (second,) = rest
    second = type(second)(0, "rr", 1, second.times_ns + 30 * 86_400 * 10**9, second.intervals_ms, math.nan, None)  # type: ignore
    windows = [u for u in analysed([first, second]) if isinstance(u, HrvWindow) and not u.provisional]
    assert 50 < len(windows) < 200


@pytest.mark.parametrize("size", [100, 430, 1200])
def test_hours_of_beats_at_once(size: int) -> None:
    """As a replay may hand them over: stretches begin and are corrected within one batch."""
    rr = 850 + 30 * np.sin(np.arange(1200) / 4)
    rr[[0, 90, 91, 420, 700]] = np.nan
    assert_equals_batch(placed_intervals(rr, [size] * 12))
    whole = np.concatenate([ECG] * 3)
    assert_equals_batch(placed_signal(whole, [Piece((100,), 0.0, RATE), Piece((60_000,) * 2, 30.0, RATE)]))


def test_memory_does_not_grow_with_time() -> None:
    """What is held after half an hour of ECG with intervals is what was held after 15 minutes."""
    import pickle

    analysis = LiveAnalysis()
    rr = np.concatenate([[np.nan], 1000 * np.diff(TIMES)])
    sizes = []
    samples, beats, start_ns = len(ECG), len(rr), T0
    for turn in range(10):
        block = ClockBlock(turn * samples, start_ns, RATE)
        for at in range(0, samples, 365):
            part = ECG[at : at + 365, None]
            analysis.push(PlacedSamples(0, "ecg", "ecg", ("ecg",), "uV", 1.0, 0, turn * samples + at, part, block))
        start_ns = block.end_ns((turn + 1) * samples)
        for value in placed_intervals(rr, [50] * (beats // 50)):
            value.times_ns[:] += turn * 200 * 10**9  # type: ignore[union-attr]
            analysis.push(value)
        sizes.append(len(pickle.dumps(analysis)))
    assert sizes[-1] < 1.05 * sizes[4]
    assert sizes[-1] < 4_000_000
