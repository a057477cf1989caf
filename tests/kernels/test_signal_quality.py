"""Measures of a window: as the slow twin gives them, and what the margin says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat.kernels import r_peaks
from allostat.kernels import signal_quality as kernel
from benchmarks.quality_ladder import second_waves
from tests.reference import signal_quality as reference
from tests.reference import waves

NAMES = (
    "amplitude", "baseline_range", "still_s", "plateaus", "heart_rate", "beat_free_s", "correlation",
    "least_correlation", "margin", "skewness", "n_beats", "margin_apart",
)  # fmt: skip


def window(seed: int, rate: float, pulse: bool, noise: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Ten seconds from the middle of a signal, and its beats from one second before to one second after."""
    rng = np.random.default_rng(seed)
    times = waves.beat_times(18, 0.8, 0.05, rng)
    samples = (waves.ppg if pulse else waves.ecg)(times, rate)
    samples += rng.normal(0, noise, len(samples)) + 0.3 * np.sin(np.arange(len(samples)) / rate)
    first, n = round(2 * rate), round(10 * rate)
    peaks = np.round(times * rate).astype(np.int64) - first
    return samples[first : first + n], peaks[(peaks >= -rate) & (peaks < n + rate)]


def measured(values: NDArray[np.float64], peaks: NDArray[np.int64], rate: float, pulse: bool) -> dict[str, float]:
    found = kernel.measure(values, peaks, kernel.window_settings(rate, pulse))
    return dict(zip(NAMES, found.tolist(), strict=True))


def same(values: NDArray[np.float64], peaks: NDArray[np.int64], rate: float, pulse: bool) -> None:
    twin = reference.measures(values, peaks, rate, pulse)
    assert measured(values, peaks, rate, pulse) == pytest.approx(twin, rel=1e-7, abs=1e-9, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([25.0, 64.0, 130.0, 250.0]),
    pulse=st.booleans(),
    noise=st.sampled_from([0.0, 0.02, 0.3]),
    kept=st.integers(0, 18),
)
def test_the_slow_twin_measures_the_same(seed: int, rate: float, pulse: bool, noise: float, kept: int) -> None:
    values, peaks = window(seed, rate, pulse, noise)
    values = np.clip(values, -1.0, 0.8)
    same(values, peaks[:kept], rate, pulse)


@pytest.mark.parametrize("pulse", [True, False])
@pytest.mark.parametrize("values", [np.zeros(500), np.ones(2), np.arange(40.0)])
def test_a_window_without_beats_or_shape_has_no_likeness_and_no_margin(
    values: NDArray[np.float64], pulse: bool
) -> None:
    same(values, np.empty(0, dtype=np.int64), 50.0, pulse)
    found = measured(values, np.empty(0, dtype=np.int64), 50.0, pulse)
    assert np.isnan([found["heart_rate"], found["correlation"], found["margin"]]).all()
    assert found["beat_free_s"] == len(values) / 50.0


def test_a_missed_beat_and_a_false_one_bring_the_margin_to_one_or_below() -> None:
    values, peaks = window(3, 130.0, False, 0.01)
    assert measured(values, peaks, 130.0, False)["margin"] > 2.0
    assert measured(values, np.delete(peaks, 6), 130.0, False)["margin"] <= 1.1
    false = np.sort(np.append(peaks, (peaks[5] + peaks[6]) // 2))
    assert measured(values, false, 130.0, False)["margin"] < 1.0


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6, -1.0])
def test_gain_and_offset_change_no_ratio(gain: float) -> None:
    values, peaks = window(4, 130.0, False, 0.02)
    plain, other = measured(values, peaks, 130.0, False), measured(gain * values + 7.0 * gain, peaks, 130.0, False)
    for name in ("correlation", "margin", "margin_apart", "heart_rate", "beat_free_s", "still_s"):
        assert other[name] == pytest.approx(plain[name], rel=1e-6, nan_ok=True)


def test_missing_samples_are_bridged_by_straight_lines() -> None:
    values = np.array([np.nan, 1.0, np.nan, np.nan, 4.0, np.inf])
    assert kernel.bridge(values) == 4
    assert values.tolist() == [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    nothing = np.full(3, np.nan)
    assert kernel.bridge(nothing) == 3


def test_an_ecg_of_known_beats_keeps_its_margin_when_the_detector_finds_them() -> None:
    times = waves.beat_times(20, 0.8, 0.05, np.random.default_rng(1))
    samples = waves.ecg(times, 250.0)
    found = r_peaks(samples, 250.0)
    assert measured(samples, found, 250.0, False)["margin"] > 2.0


def pulses_with_a_second_wave() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Ten seconds of even pulses, each followed by a wave that rises nearly as steeply."""
    material = next(second_waves(1, 1))
    first, n = round(90 * material.rate), round(10 * material.rate)
    peaks = np.round(material.beats).astype(np.int64) - first
    return material.samples[first : first + n], peaks[(peaks >= -material.rate) & (peaks < n + material.rate)]


def test_a_second_wave_behind_each_pulse_is_no_missed_beat() -> None:
    values, peaks = pulses_with_a_second_wave()
    same(values, peaks, 64.0, True)
    found = measured(values, peaks, 64.0, True)
    assert 1.0 < found["margin"] < 1.7
    assert found["margin_apart"] > 2.5


def test_a_missed_pulse_and_a_second_wave_taken_for_one_are_not_made_good() -> None:
    values, peaks = pulses_with_a_second_wave()
    missed = measured(values, np.delete(peaks, 5), 64.0, True)
    false = measured(values, np.insert(peaks, 6, peaks[5] + round(0.34 * 64.0)), 64.0, True)
    assert np.isnan([missed["margin_apart"], false["margin_apart"]]).all()
    assert missed["margin"] < 1.1
    assert false["margin"] < 1.1


def test_a_wave_that_comes_once_is_not_usual() -> None:
    values, peaks = pulses_with_a_second_wave()
    at = np.arange(len(values)) - peaks[5] - 0.6 * 64.0
    values = values + 400.0 * np.exp(-0.5 * (at / 4.0) ** 2)
    same(values, peaks, 64.0, True)
    assert measured(values, peaks, 64.0, True)["margin_apart"] < 2.0
