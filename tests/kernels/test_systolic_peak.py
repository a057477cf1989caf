"""Systolic peaks: what the seam promises, and agreement with the heart on real recordings."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat.kernels import PeakBatch, SystolicPeakDetector, r_peaks, systolic_peaks
from allostat.kernels.peaks import joined
from allostat.kernels.systolic_peak import pulse_polarity
from tests.reference import systolic_peak as reference
from tests.reference import waves

RATE = 64.0


@cache
def noisy_ppg(seed: int = 1, rate: float = RATE, n_beats: int = 45) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signal and times of the systolic peaks: wandering baseline, noise, a stretch without samples."""
    rng = np.random.default_rng(seed)
    times = waves.beat_times(n_beats, 0.85, 0.05, rng)
    signal = waves.ppg(times, rate)
    t = np.arange(len(signal)) / rate
    signal += 0.5 * np.sin(2 * np.pi * 0.2 * t) + rng.normal(0, 0.01, len(t))
    signal[int(20.1 * rate) : int(21.9 * rate)] = np.nan
    return signal, times


def in_chunks(signal: NDArray[np.float64], sizes: list[int]) -> PeakBatch:
    detector = SystolicPeakDetector(RATE)
    batches, at, k = [], 0, 0
    while at < len(signal):
        batches.append(detector.push(signal[at : at + sizes[k % len(sizes)]]))
        at += sizes[k % len(sizes)]
        k += 1
    return joined([*batches, detector.flush()])


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=12).filter(any), seed=st.integers(0, 3))
def test_any_cutting_gives_the_same_bits(sizes: list[int], seed: int) -> None:
    signal, _ = noisy_ppg(seed)
    parts, whole = in_chunks(signal, sizes), in_chunks(signal, [len(signal)])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(parts, whole, strict=True))


@pytest.mark.parametrize("flat_s", [13.0, 25.0, 70.0])
def test_a_converter_that_stays_at_its_limit_for_long_gives_the_same_bits_in_chunks(flat_s: float) -> None:
    # an upstroke onto the limit is over only when the signal comes down again: its samples are forgotten by then
    signal, _ = noisy_ppg(2, n_beats=40)
    at = int(12.3 * RATE)
    clipped = np.clip(np.concatenate([signal[:at], np.full(int(flat_s * RATE), 9.0), signal[at:]]), -0.4, 0.4)
    whole = in_chunks(clipped, [len(clipped)])
    slow = reference.systolic_peaks(clipped, RATE)
    assert 20 < len(whole.sample) == len(slow)
    np.testing.assert_allclose(whole.sample + whole.fraction, slow[:, 0], atol=1e-6)
    for sizes in ([1], [7, 300], [640], [2000]):
        parts = in_chunks(clipped, sizes)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(parts, whole, strict=True))
    certain = SystolicPeakDetector(RATE)
    given_out: list[int] = []
    for start in range(0, len(clipped), 64):
        before = certain.certain_before
        found = certain.push(clipped[start : start + 64]).sample.tolist()
        assert all(place >= before for place in found)
        given_out += found
    assert certain.certain_before > len(clipped) - 60 * RATE


def test_one_sample_at_a_time_gives_the_same_bits() -> None:
    signal, _ = noisy_ppg()
    parts, whole = in_chunks(signal, [1]), in_chunks(signal, [len(signal)])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(parts, whole, strict=True))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000), rate=st.sampled_from([25.0, 64.0, 125.0, 250.0]), noise=st.sampled_from([0.002, 0.1])
)
def test_the_slow_twin_finds_the_same_peaks(seed: int, rate: float, noise: float) -> None:
    rng = np.random.default_rng(seed)
    signal = waves.ppg(waves.beat_times(12, 0.8, 0.1, rng), rate)
    signal += rng.normal(0, noise, len(signal))
    signal[int(5 * rate) : int(5.5 * rate)] = np.nan
    peaks = SystolicPeakDetector.over(signal, rate)[1]
    twin = reference.systolic_peaks(signal, rate)
    assert len(peaks.sample) == len(twin)
    assert np.allclose(peaks.sample + peaks.fraction, twin[:, 0], rtol=0, atol=1e-6)
    assert np.allclose(peaks.jitter, twin[:, 1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("rate", [20.0, 22.0, 25.0, 28.0, 44.0, 64.0, 100.0, 125.0, 135.0, 176.0, 500.0, 1000.0])
def test_every_pulse_is_found_at_any_rate(rate: float) -> None:
    rng = np.random.default_rng(3)
    times = waves.beat_times(45, 0.85, 0.05, rng)
    signal = waves.ppg(times, rate)
    signal += 0.5 * np.sin(np.arange(len(signal)) / rate) + rng.normal(0, 0.005, len(signal))
    peaks = SystolicPeakDetector.over(signal, rate)[1]
    assert len(peaks.sample) == len(times)
    error_ms = 1000 * ((peaks.sample + peaks.fraction) / rate - times)
    # The dicrotic wave and the baseline move the top itself by a few ms.
    assert np.abs(error_ms - np.median(error_ms)).max() < 25
    assert abs(np.median(error_ms)) < 10


@pytest.mark.parametrize("factor", [1e-6, 1e6, 200.0])
def test_gain_and_offset_do_not_matter(factor: float) -> None:
    signal, _ = noisy_ppg()
    assert np.array_equal(systolic_peaks(factor * signal, RATE), systolic_peaks(signal, RATE))
    assert np.array_equal(systolic_peaks(signal + 4096.0, RATE), systolic_peaks(signal, RATE))


def test_missing_samples_hold_no_peak() -> None:
    signal, times = noisy_ppg()
    missing = np.isnan(signal)
    peaks = systolic_peaks(signal, RATE)
    assert not missing[peaks].any()
    clear = np.array([t for t in times if not 19.8 < t < 22.3])
    assert len(waves.matched(clear, peaks / RATE, 0.08)) == len(clear)


def test_a_large_dicrotic_wave_is_no_pulse() -> None:
    times = waves.beat_times(40, 1.0, 0.03, np.random.default_rng(8))
    signal = waves.ppg(times, RATE) + 0.25 * waves.ppg(times + 0.32, RATE)[: int((times[-1] + 1) * RATE)]
    assert len(systolic_peaks(signal, RATE)) == len(times)


def matched_share(signal: NDArray[np.float64], times: NDArray[np.float64], rate: float = RATE) -> tuple[float, float]:
    """Sensitivity and precision at 80 ms."""
    found = systolic_peaks(signal, rate) / rate
    hits = len(waves.matched(times, found, 0.08))
    return hits / len(times), hits / max(len(found), 1)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_a_step_of_the_amplitude_costs_few_pulses(factor: float) -> None:
    times = waves.beat_times(120, 0.85, 0.05, np.random.default_rng(2))
    signal = waves.ppg(times, RATE)
    signal[len(signal) // 2 :] *= factor
    signal += np.random.default_rng(3).normal(0, 0.01 * min(1.0, factor), len(signal))
    sensitivity, precision = matched_share(signal, times)
    assert sensitivity > 0.95
    assert precision > 0.98


def test_a_burst_of_motion_does_not_blind_the_detector_after_it() -> None:
    rng = np.random.default_rng(5)
    times = waves.beat_times(120, 0.85, 0.05, rng)
    signal = waves.ppg(times, RATE) + rng.normal(0, 0.01, int((times[-1] + 1) * RATE))
    lo, hi = int(40 * RATE), int(45 * RATE)
    signal[lo:hi] += 10 * np.cumsum(rng.normal(0, 0.3, hi - lo)) / np.sqrt(RATE)
    signal[hi:] += signal[hi - 1] - signal[hi]
    after = times[times > 50.0]
    found = systolic_peaks(signal, RATE) / RATE
    assert len(waves.matched(after, found[found > 49.5], 0.08)) >= len(after) - 1


def taken_off(rate: float, brown: bool, share: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """100 s of pulses, ten minutes of noise of a share of their height, pulses a fifth as high; times of these."""
    rng = np.random.default_rng(seed)
    n = int(600 * rate)
    noise = rng.normal(0, 1.0, n)
    if brown:
        noise = np.cumsum(noise)
        noise /= np.std(noise[int(rate) :] - noise[: -int(rate)])
    pulses = waves.ppg(waves.beat_times(120, 0.85, 0.05, rng), rate)[: int(100 * rate)]
    times = waves.beat_times(60, 0.85, 0.05, rng)
    back = share * noise[-1] + 0.2 * waves.ppg(times, rate)
    signal = np.concatenate([pulses + rng.normal(0, 0.01, len(pulses)), share * noise, back])
    signal[-len(back) :] += rng.normal(0, 0.002, len(back))
    return signal, times + (len(pulses) + n) / rate


@pytest.mark.parametrize(
    ("rate", "brown", "share"), [(64.0, False, 0.05), (64.0, True, 0.1), (125.0, False, 0.2), (500.0, True, 0.05)]
)
def test_noise_after_the_sensor_was_taken_off_is_no_pulse_and_pulses_are_found_again(
    rate: float, brown: bool, share: float
) -> None:
    signal, after = taken_off(rate, brown, share)
    found = systolic_peaks(signal, rate) / rate
    invented = np.sum((found > 101.0) & (found < after[0] - 0.3))
    assert invented <= 60  # in ten minutes, measured 0 to 40; following the noise down gives a thousand
    late = after[after > after[0] + 5.0]
    assert len(waves.matched(late, found, 0.08)) >= len(late) - 1


def test_irregular_pulses_are_not_lost() -> None:
    rng = np.random.default_rng(1)
    times = 0.6 + np.cumsum(np.clip(rng.normal(0.75, 0.18, 400), 0.4, 1.6))
    signal = waves.ppg(times, RATE)
    signal += rng.normal(0, 0.01, len(signal))
    sensitivity, precision = matched_share(signal, times)
    assert sensitivity > 0.93
    assert precision > 0.97


def test_whole_numbers_and_strided_samples_give_the_same_peaks() -> None:
    signal = np.round(1000 * np.nan_to_num(noisy_ppg()[0]))
    twice = np.repeat(signal, 2)[::2]
    read_only = signal.copy()
    read_only.flags.writeable = False
    expected = systolic_peaks(signal, RATE)
    for other in (signal.astype(np.int16), signal.astype(np.float32), twice, read_only):
        assert np.array_equal(systolic_peaks(other, RATE), expected)


def test_the_signal_is_only_read() -> None:
    signal = noisy_ppg()[0].copy()
    signal[700:705] = 1e200
    before = signal.copy()
    systolic_peaks(signal, RATE)
    assert np.array_equal(signal, before, equal_nan=True)


def test_clipped_tops_are_placed_at_their_middle_and_say_so() -> None:
    times = waves.beat_times(40, 0.85, 0.0, np.random.default_rng(2))
    signal = np.minimum(waves.ppg(times, RATE), 0.6)
    peaks = SystolicPeakDetector.over(signal, RATE)[1]
    assert len(peaks.sample) == len(times)
    error = peaks.sample + peaks.fraction - times * RATE
    assert np.abs(error).max() < 2.0
    assert (peaks.jitter > 1.0).all()


@pytest.mark.parametrize(("rate", "noise"), [(64.0, 0.01), (125.0, 0.02), (64.0, 0.05)])
def test_the_stated_error_is_the_error(rate: float, noise: float) -> None:
    rng = np.random.default_rng(6)
    times = waves.beat_times(300, 0.85, 0.05, rng)
    clean = waves.ppg(times, rate)
    reference_peaks = SystolicPeakDetector.over(clean, rate)[1]
    peaks = SystolicPeakDetector.over(clean + rng.normal(0, noise, len(clean)), rate)[1]
    at, still = peaks.sample + peaks.fraction, reference_peaks.sample + reference_peaks.fraction
    pairs = waves.matched(still, at, 0.1 * rate)
    assert len(pairs) > 0.99 * len(times)
    score = (at[pairs[:, 1]] - still[pairs[:, 0]]) / peaks.jitter[pairs[:, 1]]
    assert 0.5 < 1.4826 * np.median(np.abs(score)) < 2.0


def test_a_parabola_moved_twice_is_counted_from_where_it_was_fitted() -> None:
    """One fit more would have come to rest there; a sample beside it 6 % of these pulses were off."""
    rng = np.random.default_rng(6)
    times = waves.beat_times(1500, 0.85, 0.05, rng)
    clean = waves.ppg(times, RATE)
    peaks = SystolicPeakDetector.over(clean + rng.normal(0, 0.03, len(clean)), RATE)[1]
    at = peaks.sample + peaks.fraction
    pairs = waves.matched(times * RATE, at, 0.15 * RATE)
    error = at[pairs[:, 1]] - times[pairs[:, 0]] * RATE
    assert len(pairs) == len(times)
    assert np.mean(np.abs(error - np.median(error)) > 1.0) < 0.01
    assert np.std(error) < 0.35


def test_memory_does_not_grow_with_the_signal() -> None:
    detector = SystolicPeakDetector(RATE)
    before = {name: getattr(value, "nbytes", 0) for name, value in vars(detector).items()}
    signal, _ = noisy_ppg()
    for _ in range(20):
        detector.push(signal)
    assert {name: getattr(value, "nbytes", 0) for name, value in vars(detector).items()} == before
    assert sum(before.values()) < 1_000_000


def test_numbers_too_large_or_too_small_do_no_harm() -> None:
    signal, times = noisy_ppg()
    signal = np.concatenate([np.full(50, 1e308), np.full(50, -1e308), np.zeros(200_000), signal])
    found = systolic_peaks(signal, RATE)
    assert np.abs(len(found[found > 200_200]) - len(times)) <= 6


@pytest.mark.parametrize("signal", [np.empty(0), np.zeros(5000), np.full(5000, np.nan), np.ones(1)])
def test_no_signal_gives_no_peaks(signal: NDArray[np.float64]) -> None:
    assert len(systolic_peaks(signal, RATE)) == 0


def test_polarity_is_told_from_the_steeper_side() -> None:
    times = waves.beat_times(45, 0.85, 0.05, np.random.default_rng(3))
    signal = waves.ppg(times, 100.0) + 0.3 * waves.ppg(times + 0.15, 100.0)[: int((times[-1] + 1) * 100)]
    signal[500:600] = np.nan
    assert pulse_polarity(signal, 100.0) == 1
    assert pulse_polarity(-signal, 100.0) == -1
    assert pulse_polarity(np.full(10, np.nan), 100.0) == 1


def test_wrong_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="between 20 and 2000"):
        systolic_peaks(np.zeros(10), 10.0)


@pytest.mark.parametrize(
    ("number", "floor"), [("07", 0.999), ("08", 0.998), ("15", 0.999), ("18", 0.999), ("01", 0.98)]
)
def test_bidmc_pulses_follow_the_r_peaks(recordings: Callable[[str], Path], number: str, floor: float) -> None:
    """F1 within 150 ms of the R peaks of the ECG beside it, after removal of the pulse arrival time."""
    with gzip.open(recordings("bidmc") / f"bidmc_{number}_Signals.csv.gz", "rt") as file:
        names = [name.strip() for name in file.readline().split(",")]
        columns = [names.index("PLETH"), names.index("II")]
        ppg, ecg = np.loadtxt(file, delimiter=",", usecols=columns, unpack=True)
    beats, pulses = r_peaks(ecg, 125.0) / 125.0, systolic_peaks(ppg, 125.0) / 125.0
    hits = max(len(waves.matched(beats + lag, pulses, 0.150)) for lag in np.arange(0.0, 0.8, 0.04))
    assert 2 * hits / (len(beats) + len(pulses)) >= floor


def test_finger_ppg_example(recordings: Callable[[str], Path]) -> None:
    """heartpy_examples/data.csv, 100 Hz: the intervals of its pulses lie in one narrow band."""
    signal = np.loadtxt(recordings("heartpy_examples") / "data.csv", skiprows=1)
    intervals = np.diff(systolic_peaks(signal, 100.0)) / 100.0
    assert len(intervals) > 20
    assert intervals.max() / intervals.min() < 1.8
