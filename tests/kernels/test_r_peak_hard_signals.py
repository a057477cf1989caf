"""R peaks where recordings are hard: simulated, so that every beat is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat.kernels import PeakBatch, RPeakDetector
from allostat.kernels.peaks import joined
from allostat.simulate import EcgNoise, simulate_ecg
from tests.reference import waves

Floats = NDArray[np.float64]
RATES = [50.0, 130.0, 500.0, 2000.0]


def found_at(signal: NDArray[np.generic], rate: float) -> Floats:
    """Instants in s."""
    peaks = RPeakDetector.over(signal, rate)[1]
    return (peaks.sample + peaks.fraction) / rate


def missed_and_extra(times: Floats, found: Floats, within_s: float = 0.05) -> tuple[int, int]:
    """Beats not found and peaks without a beat; the learning of the first second and the open end are left out."""
    pairs = waves.matched(times, found, within_s)
    whole = (times > 1.0) & (times < times[-1] - 0.3)
    inside = (found > 1.0) & (found < times[-1] - 0.3)
    missed = whole.sum() - np.isin(np.flatnonzero(whole), pairs[:, 0]).sum()
    return int(missed), int(inside.sum() - np.isin(np.flatnonzero(inside), pairs[:, 1]).sum())


def clean(rate: float, seed: int = 1, n_beats: int = 60) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    times = waves.beat_times(n_beats, 0.8, 0.05, rng)
    signal = waves.ecg(times, rate)
    return signal + rng.normal(0, 0.01, len(signal)), times


@pytest.mark.parametrize("rate", RATES)
def test_a_person_at_rest_at_any_rate(rate: float) -> None:
    simulated = simulate_ecg(60.0, rate, seed=3)
    found = found_at(simulated.samples, rate)
    assert missed_and_extra(simulated.beat_times_s, found) == (0, 0)
    pairs = waves.matched(simulated.beat_times_s, found, 0.05)
    error_ms = 1000 * (found[pairs[:, 1]] - simulated.beat_times_s[pairs[:, 0]])
    assert np.mean(np.abs(error_ms)) < max(1.0, 150 / rate)


@pytest.mark.parametrize("rate", RATES)
def test_ventricular_beats_are_beats(rate: float) -> None:
    simulated = simulate_ecg(120.0, rate, seed=5, ectopic_rate=0.12)
    assert (simulated.beat_labels == "V").sum() > 8
    missed, extra = missed_and_extra(simulated.beat_times_s, found_at(simulated.samples, rate), 0.08)
    assert missed <= 1
    assert extra <= 1


@pytest.mark.parametrize("rate", [130.0, 500.0])
def test_irregular_beats_of_fibrillation(rate: float) -> None:
    rng = np.random.default_rng(7)
    times = 0.6 + np.cumsum(rng.uniform(0.38, 1.15, 120))
    signal = waves.ecg(times, rate)
    t = np.arange(len(signal)) / rate
    signal += 0.05 * np.sin(2 * np.pi * 6.0 * t + 3 * np.sin(0.7 * t)) + rng.normal(0, 0.01, len(t))
    assert missed_and_extra(times, found_at(signal, rate)) == (0, 0)


@pytest.mark.parametrize("rate", RATES)
def test_baseline_wander_five_times_the_beats(rate: float) -> None:
    signal, times = clean(rate)
    t = np.arange(len(signal)) / rate
    wander = 5.0 * np.sin(2 * np.pi * 0.1 * t) + 2.0 * np.sin(2 * np.pi * 0.35 * t + 1.0)
    assert missed_and_extra(times, found_at(signal + wander, rate)) == (0, 0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sign", [1, -1])
def test_saturation_cuts_off_the_tops(rate: float, sign: int) -> None:
    signal, times = clean(rate)
    assert missed_and_extra(times, found_at(sign * np.minimum(signal, 0.6), rate)) == (0, 0)


@pytest.mark.parametrize("rate", [250.0, 500.0, 2000.0])
def test_pacing_spikes_before_the_beats_are_no_beats_of_their_own(rate: float) -> None:
    signal, times = clean(rate)
    for at in times - 0.16:
        signal[int(at * rate) : int(at * rate) + max(1, round(0.002 * rate))] += 2.0
    found = found_at(signal, rate)
    assert missed_and_extra(times, found, 0.2) == (0, 0)


@pytest.mark.parametrize("factor", [0.15, 0.4, 3.0, 8.0])
def test_an_amplitude_step_costs_a_few_beats_at_most(factor: float) -> None:
    signal, times = clean(250.0, n_beats=80)
    signal[int(30.0 * 250) :] *= factor
    missed, extra = missed_and_extra(times, found_at(signal, 250.0))
    assert missed <= 6
    assert extra <= 1
    late = times[times > 37.0]
    assert missed_and_extra(late, found_at(signal, 250.0)[np.searchsorted(found_at(signal, 250.0), 36.7) :])[0] == 0


def test_motion_costs_little_outside_the_bursts() -> None:
    simulated = simulate_ecg(300.0, 130.0, seed=9, noise=EcgNoise(bursts_per_min=1.0, burst_uv=800.0))
    found = found_at(simulated.samples, 130.0)

    def away(at: Floats) -> Floats:
        near = np.zeros(len(at), dtype=bool)
        for start, stop in simulated.bursts_s:
            near |= (at > start - 1.0) & (at < stop + 3.0)
        return at[~near]

    assert len(simulated.bursts_s) > 2
    beats = away(simulated.beat_times_s)
    pairs = waves.matched(beats, found, 0.05)
    assert len(beats) - len(pairs) <= 2
    assert len(away(found)) - len(waves.matched(away(found), simulated.beat_times_s, 0.05)) <= 2


def test_a_recording_that_begins_on_a_slope_has_no_beat_there() -> None:
    signal, times = clean(250.0)
    cut = int((times[2] + 0.02) * 250.0)
    assert found_at(signal[cut:], 250.0)[0] > 0.3


@settings(max_examples=30, deadline=None)
@given(data=st.data(), rate=st.sampled_from([50.0, 130.0, 250.0, 360.0, 2000.0]))
def test_anything_at_all_in_any_cutting_gives_ordered_peaks_and_the_same_bits(data: st.DataObject, rate: float) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    signal = waves.ecg(waves.beat_times(8, 0.8, 0.1, rng), rate) * data.draw(st.sampled_from([1e-12, 1.0, 1e9]))
    for _ in range(data.draw(st.integers(0, 6))):
        start = int(rng.integers(len(signal)))
        value = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e305, -1e101, 1e90, 5e-324]))
        signal[start : start + int(rng.integers(1, int(rate)))] = value
    whole = RPeakDetector.over(signal, rate)[1]
    detector = RPeakDetector(rate)
    cuts = np.unique(rng.integers(0, len(signal), 12))
    parts = joined([*map(detector.push, np.split(signal, cuts)), detector.flush()])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, parts, strict=True))
    assert (np.diff(whole.sample) > 0).all()
    assert ((whole.sample >= 0) & (whole.sample < len(signal))).all()
    assert np.isfinite(whole.fraction).all()
    assert not np.isnan(signal[whole.sample]).any()


def test_chunks_longer_than_the_buffer_give_the_same_bits_as_packets() -> None:
    """Two minutes at 500 Hz: the buffer is moved several times, at other places for other packets."""
    simulated = simulate_ecg(120.0, 500.0, seed=2)

    def by(size: int) -> PeakBatch:
        detector = RPeakDetector(500.0)
        parts = [detector.push(simulated.samples[at : at + size]) for at in range(0, len(simulated.samples), size)]
        return joined([*parts, detector.flush()])

    whole = by(len(simulated.samples))
    for size in (73, 997, 20_000):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, by(size), strict=True))


def test_hours_of_raw_integers_are_never_held_as_floats() -> None:
    ecg = np.tile(simulate_ecg(60.0, 250.0, seed=4).samples.astype(np.int16), 120)
    RPeakDetector.over(ecg[:1000], 250.0)
    tracemalloc.start()
    RPeakDetector.over(ecg, 250.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
