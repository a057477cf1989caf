"""ECG and PPG show the beats they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from allostat.errors import InputError
from allostat.simulate import CLEAN_ECG, CLEAN_PPG, EcgNoise, PpgNoise, SimulatedSignal, simulate_ecg, simulate_ppg


def parabolic_peaks(signal: SimulatedSignal) -> tuple[np.ndarray, np.ndarray]:
    """Refined maxima next to the true beats, and these beats, in ms."""
    x = signal.samples.astype(float)
    near = [int(b) for b in np.rint(signal.beat_samples) if 4 < b < len(x) - 5]
    true = np.array([b for b in signal.beat_samples if 4 < round(b) < len(x) - 5])
    at = np.array([k - 3 + int(np.argmax(x[k - 3 : k + 4])) for k in near])
    before, here, after = x[at - 1], x[at], x[at + 1]
    refined = at + 0.5 * (before - after) / (before - 2 * here + after)
    return refined / signal.sampling_rate * 1000, true / signal.sampling_rate * 1000


@pytest.mark.parametrize("rate", [130.0, 250.0, 1000.0])
def test_r_peaks_lie_at_the_true_beats(rate: float) -> None:
    found, true = parabolic_peaks(simulate_ecg(120, rate, 3, noise=CLEAN_ECG))
    assert np.abs(found - true).max() < 0.6
    assert abs((found - true).mean()) < 0.3


@pytest.mark.parametrize("rate", [55.0, 64.0, 125.0])
def test_systolic_peaks_lie_at_the_true_beats(rate: float) -> None:
    found, true = parabolic_peaks(simulate_ppg(120, rate, 3, noise=CLEAN_PPG))
    assert np.abs(found - true).max() < 4.0
    assert abs((found - true).mean()) < 1.0


def test_pulse_arrives_a_quarter_of_a_second_after_the_r_peak_with_little_jitter() -> None:
    ppg = simulate_ppg(600, 64, 2)
    delay = ppg.beat_times_s - ppg.heart_beats_s
    assert 0.33 < delay.mean() < 0.42  # arrival 0.24 s, then 0.13 s to the systolic peak
    assert 0.001 < delay.std() < 0.012


def test_ecg_and_ppg_of_one_seed_are_one_heart() -> None:
    ecg, ppg = simulate_ecg(60, 250, 9), simulate_ppg(60, 64, 9)
    shared = np.intersect1d(ecg.beat_times_s, ppg.heart_beats_s)
    assert len(shared) >= len(ecg.beat_times_s) - 2


def test_systole_rises_faster_than_it_falls() -> None:
    slope = np.diff(simulate_ppg(120, 125, 1, noise=CLEAN_PPG).samples.astype(float))
    assert slope.max() > 1.3 * -slope.min()


def test_ectopic_beats_are_early_wide_and_labelled() -> None:
    ecg = simulate_ecg(600, 250, 4, noise=CLEAN_ECG, ectopic_rate=0.03)
    early = np.flatnonzero(ecg.beat_labels == "V")
    assert len(early) / len(ecg.beat_labels) == pytest.approx(0.03, abs=0.01)
    rr = np.diff(ecg.beat_times_s)
    inner = early[(early > 1) & (early < len(rr) - 1)]
    assert (rr[inner - 1] < 0.85 * rr[inner - 2]).all()
    assert (rr[inner] > 1.1 * rr[inner - 2]).all()
    at = np.rint(ecg.beat_samples).astype(int)
    width = int(0.04 * 250)
    normal = [i for i in range(2, len(at) - 2) if ecg.beat_labels[i] == "N"]
    side = np.abs(ecg.samples[at[inner] - width // 2]).mean() / np.abs(ecg.samples[at[inner]]).mean()
    normal_side = np.abs(ecg.samples[at[normal] - width // 2]).mean() / np.abs(ecg.samples[at[normal]]).mean()
    assert side > 3 * normal_side


def test_ectopic_pulse_is_weak() -> None:
    ppg = simulate_ppg(600, 125, 4, noise=CLEAN_PPG, ectopic_rate=0.03)
    height = ppg.samples[np.rint(ppg.beat_samples).astype(int)]
    assert np.median(height[ppg.beat_labels == "V"]) < 0.75 * np.median(height[ppg.beat_labels == "N"])


def test_noise_has_the_stated_size() -> None:
    quiet = simulate_ecg(60, 250, 5, noise=CLEAN_ECG).samples
    white = simulate_ecg(60, 250, 5, noise=EcgNoise(20.0, 0.0, 0.0, 50.0, 0.0)).samples
    assert np.std(white - quiet) == pytest.approx(20.0, rel=0.05)
    mains = simulate_ecg(60, 250, 5, noise=EcgNoise(0.0, 0.0, 30.0, 50.0, 0.0)).samples - quiet
    power = np.abs(np.fft.rfft(mains))
    assert np.fft.rfftfreq(len(mains), 1 / 250)[np.argmax(power)] == pytest.approx(50.0, abs=0.05)


def test_motion_is_inside_its_bursts() -> None:
    quiet = simulate_ppg(300, 64, 6, noise=PpgNoise(0.0, 0.0, 0.0)).samples.astype(float)
    noisy = simulate_ppg(300, 64, 6, noise=PpgNoise(0.0, 0.0, 0.0, bursts_per_min=1.0))
    inside = np.zeros(len(quiet), dtype=bool)
    for start, end in noisy.bursts_s:
        inside[int(start * 64) : int(end * 64) + 1] = True
    assert noisy.bursts_s
    assert (noisy.samples[~inside] == quiet[~inside]).all()
    assert np.std(noisy.samples[inside] - quiet[inside]) > 1000


@pytest.mark.parametrize("make", [simulate_ecg, simulate_ppg])
def test_same_seed_same_bytes(make: object) -> None:
    assert callable(make)
    assert make(20, 130, 1).samples.tobytes() == make(20, 130, 1).samples.tobytes()
    assert make(20, 130, 1).samples.tobytes() != make(20, 130, 2).samples.tobytes()


@pytest.mark.parametrize("make", [simulate_ecg, simulate_ppg])
def test_bad_arguments_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(InputError, match="positive"):
        make(0, 130)
    with pytest.raises(InputError, match="share"):
        make(10, 130, ectopic_rate=0.5)
