"""Both detectors know up to where all their peaks have been given out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat.kernels.peaks import joined
from allostat.kernels.r_peak import RPeakDetector
from allostat.kernels.systolic_peak import SystolicPeakDetector
from tests.reference import waves

RATES = {RPeakDetector: 130.0, SystolicPeakDetector: 55.0}
Detector = type[RPeakDetector] | type[SystolicPeakDetector]


@st.composite
def signals(draw: st.DrawFn, rate: float, ppg: bool) -> NDArray[np.float64]:
    """Beats, pauses, noise, steps, missing samples and steady swings in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    parts = []
    for what, seconds in draw(st.lists(st.tuples(st.integers(0, 5), st.integers(2, 20)), min_size=1, max_size=6)):
        n = int(seconds * rate)
        beats = waves.beat_times(seconds, draw(st.floats(0.4, 1.6)), 0.05, rng)
        wave = (waves.ppg(beats, rate) if ppg else waves.ecg(beats, rate))[:n]
        swing = np.sin(2 * np.pi * draw(st.sampled_from([0.3, 1.5, 9.0])) * np.arange(n) / rate)
        noise, still = rng.normal(0, draw(st.floats(0.01, 2.0)), n), np.zeros(n)
        parts.append((wave, noise, still, still + draw(st.floats(-5, 5)), np.full(n, np.nan), swing)[what])
    whole = np.concatenate(parts)
    return whole + rng.normal(0, 0.01, len(whole))


@pytest.mark.parametrize("detector", RATES)
@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 400))
def test_no_peak_comes_before_what_is_certain(detector: Detector, data: st.DataObject, size: int) -> None:
    rate = RATES[detector]
    signal = data.draw(signals(rate, detector is SystolicPeakDetector))
    found = detector(rate)
    certain = 0
    for at in range(0, len(signal), size):
        peaks = found.push(signal[at : at + size])
        assert (peaks.sample >= certain).all()
        assert found.certain_before >= certain
        assert found.certain_before <= at + size
        certain = found.certain_before
    assert (found.flush().sample >= certain).all()


@pytest.mark.parametrize(("detector", "late_s"), [(RPeakDetector, 1.7), (SystolicPeakDetector, 2.0)])
def test_with_regular_beats_certainty_is_one_beat_behind(detector: Detector, late_s: float) -> None:
    rate = RATES[detector]
    beats = waves.beat_times(60, 0.85, 0.03, np.random.default_rng(1))
    signal = waves.ppg(beats, rate) if detector is SystolicPeakDetector else waves.ecg(beats, rate)
    found = detector(rate)
    for at in range(0, len(signal), 7):
        found.push(signal[at : at + 7])
        if at > 10 * rate:
            assert at + 7 - found.certain_before < late_s * rate


@pytest.mark.parametrize(("detector", "late_s"), [(RPeakDetector, 6.0), (SystolicPeakDetector, 18.0)])
def test_without_beats_certainty_goes_on(detector: Detector, late_s: float) -> None:
    rate = RATES[detector]
    found = detector(rate)
    found.push(np.random.default_rng(2).normal(0, 1, int(120 * rate)))
    assert 120 * rate - found.certain_before < late_s * rate


@pytest.mark.parametrize("detector", RATES)
@pytest.mark.parametrize("size", [6, 1000, 20_000])
def test_half_an_hour_in_pieces_gives_the_same_bits(detector: Detector, size: int) -> None:
    """Long enough for samples to leave the detector's memory: where a beat then stands there shows in no rounding."""
    rate = 125.0
    rng = np.random.default_rng(3)
    beats = waves.beat_times(2200, 0.8, 0.05, rng)
    signal = waves.ppg(beats, rate) if detector is SystolicPeakDetector else waves.ecg(beats, rate)
    signal = signal + rng.normal(0, 0.01, len(signal))
    whole = detector.over(signal, rate)[1]
    found = detector(rate)
    parts = [found.push(signal[at : at + size]) for at in range(0, len(signal), size)]
    for one, other in zip(whole, joined([*parts, found.flush()]), strict=True):
        np.testing.assert_array_equal(one, other)


def damaged(rng: np.random.Generator) -> tuple[Detector, float, NDArray[np.float64]]:
    """Detector, rate, and a signal at its worst: long flats, limits, motion, other gains."""
    pulse = rng.random() < 0.5
    rate = float(rng.choice([25, 40, 64, 100, 130, 176, 250, 360, 500] if pulse else [50, 100, 130, 250, 360, 500]))
    beats = waves.beat_times(int(rng.integers(5, 120)), float(rng.uniform(0.4, 2.2)), 0.08, rng)
    x = waves.ppg(beats, rate) if pulse else waves.ecg(beats, rate)
    x = x + rng.normal(0, float(rng.choice([0, 0.01, 0.1, 0.5])), len(x))
    for _ in range(int(rng.integers(0, 6))):
        start = int(rng.integers(0, len(x)))
        stop = min(len(x), start + int(rng.exponential(15) * rate))
        n = stop - start
        match int(rng.integers(0, 8)):
            case 0:
                x[start:stop] = np.nan
            case 1:
                x[start:stop] = x[start]
            case 2:
                x[start:stop] = x.max() if np.isfinite(x).any() else 1.0
            case 3:
                x[start:stop] += np.linspace(0, rng.normal(0, 20), n)
            case 4:
                with np.errstate(invalid="ignore"):
                    x[start:stop] *= rng.choice([0, 0.05, 0.3, 5, 1e3])
            case 5:
                x[start:] += rng.normal(0, 10)
            case 6:
                x[start:stop] += rng.normal(0, 3, n)
            case _:
                x[start:stop] = np.inf
    if rng.random() < 0.4:
        x = np.clip(x, -0.4 * rng.random(), 0.8 * rng.random() + 0.01)
    return SystolicPeakDetector if pulse else RPeakDetector, rate, x


@pytest.mark.parametrize("seeds", [range(150), (1204, 2114, 3013, 3231, 6072, 6639)])
def test_damaged_signals_give_the_same_bits_in_pieces_and_nothing_before_what_is_certain(seeds: Iterable[int]) -> None:
    for seed in seeds:
        rng = np.random.default_rng([1, seed])
        detector, rate, signal = damaged(rng)
        whole = detector.over(signal, rate)[1]
        for sizes in (rng.integers(1, 80, 5), rng.integers(100, 5000, 4)):
            found, at, batches = detector(rate), 0, []
            while at < len(signal):
                size = int(sizes[len(batches) % len(sizes)])
                certain = found.certain_before
                batches.append(found.push(signal[at : at + size]))
                assert (batches[-1].sample >= certain).all(), (seed, detector)
                at += size
            parts = joined([*batches, found.flush()])
            assert all(a.tobytes() == b.tobytes() for a, b in zip(parts, whole, strict=True)), (seed, detector)
