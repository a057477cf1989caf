"""An electrode that is off, or not yet on, gives noise: no beats are to be found in it, and those after it are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from allostat.benchmarking import inputs
from allostat.kernels import RPeakDetector, r_peaks
from allostat.kernels.peaks import joined
from tests.reference import r_peak as reference
from tests.reference import waves

Floats = NDArray[np.float64]
BEAT_HEIGHT = 1.2
BEATS_S = 60.0
NOISE_S = 300.0


def beats(rate: float, seconds: float = BEATS_S, seed: int = 1) -> tuple[Floats, Floats]:
    """Signal and beats up to half a second before its end."""
    rng = np.random.default_rng(seed)
    times = waves.beat_times(int(seconds / 0.75), 0.8, 0.05, rng)
    signal = waves.ecg(times, rate)[: int(seconds * rate)]
    return signal + rng.normal(0, 0.01, len(signal)), times[times < seconds - 0.5]


def noise(kind: str, share: float, rate: float, seconds: float = NOISE_S, seed: int = 2) -> Floats:
    """Noise whose standard deviation is that share of the height of a beat; brown noise wanders by it in 1 s."""
    white = np.random.default_rng(seed).normal(0, 1, int(seconds * rate))
    match kind:
        case "brown":
            drawn = np.cumsum(white) / np.sqrt(rate)
        case "muscle":
            drawn = np.convolve(white, [1, -1], "same") / np.sqrt(2)
        case _:
            drawn = white
    return BEAT_HEIGHT * share * drawn


def found_between(found: Floats, start_s: float, stop_s: float) -> Floats:
    return found[(found > start_s) & (found < stop_s)]


@pytest.mark.parametrize("rate", [125.0, 250.0, 360.0, 500.0, 1000.0])
def test_an_electrode_that_falls_off_gives_less_than_one_beat_a_minute(rate: float) -> None:
    false = 0
    drawn = [(kind, share) for kind in ("white", "brown", "muscle") for share in (0.02, 0.05, 0.2)]
    for seed, (kind, share) in enumerate(drawn):
        signal = np.concatenate([beats(rate)[0], noise(kind, share, rate, seed=seed)])
        false += len(found_between(r_peaks(signal, rate) / rate, BEATS_S + 1, BEATS_S + NOISE_S))
    assert false < len(drawn) * NOISE_S / 60


@pytest.mark.parametrize("rate", [125.0, 360.0, 1000.0])
@pytest.mark.parametrize("kind", ["white", "brown", "muscle"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_noise_as_large_as_the_beats_is_taken_for_beats_for_some_seconds_only(
    rate: float, kind: str, share: float
) -> None:
    signal = np.concatenate([beats(rate)[0], noise(kind, share, rate)])
    found = found_between(r_peaks(signal, rate) / rate, BEATS_S + 1, BEATS_S + NOISE_S)
    assert len(found) <= 25


@pytest.mark.parametrize("rate", [125.0, 360.0, 1000.0])
@pytest.mark.parametrize("kind", ["white", "brown", "muscle"])
@pytest.mark.parametrize(("share", "gain"), [(0.05, 1.0), (0.2, 5.0), (0.02, 0.2)])
def test_noise_before_the_first_beat_gives_none_and_the_beats_are_found(
    rate: float, kind: str, share: float, gain: float
) -> None:
    ecg, times = beats(rate)
    found = r_peaks(np.concatenate([noise(kind, share, rate, 120.0), gain * ecg]), rate) / rate
    assert len(found_between(found, 0.0, 119.5)) <= 4
    late = times[times > 5.0] + 120.0
    assert len(waves.matched(late, found, 0.05)) == len(late)
    assert len(found_between(found, 125.0, 180.0)) <= len(late) + 1


@pytest.mark.parametrize("rate", [125.0, 360.0, 1000.0])
@pytest.mark.parametrize("kind", ["white", "brown", "muscle"])
@pytest.mark.parametrize("gain", [0.2, 1.0, 5.0])
def test_beats_after_long_noise_are_found_within_seconds(rate: float, kind: str, gain: float) -> None:
    ecg, times = beats(rate)
    found = r_peaks(np.concatenate([ecg, noise(kind, 0.03, rate), gain * ecg]), rate) / rate
    late = times[times > 5.0] + BEATS_S + NOISE_S
    assert len(waves.matched(late, found, 0.05)) == len(late)
    assert len(found_between(found, late[0] - 0.3, late[-1] + 0.3)) == len(late)


def test_noise_from_beginning_to_end_gives_nothing() -> None:
    assert len(r_peaks(noise("white", 1.0, 250.0, 600.0), 250.0)) <= 10


def test_beats_that_come_back_are_given_out_while_they_are_still_remembered() -> None:
    """In packets and as a whole: the same bits, and the beats of the seconds before it was sure of them as well."""
    rate = 250.0
    ecg, times = beats(rate, 30.0)
    signal = np.concatenate([ecg, noise("white", 0.3, rate, 60.0), 0.5 * ecg, noise("muscle", 1.0, rate, 30.0), ecg])
    whole = RPeakDetector.over(signal, rate)[1]
    detector = RPeakDetector(rate)
    parts = joined([*map(detector.push, np.split(signal, range(31, len(signal), 31))), detector.flush()])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, parts, strict=True))
    back = times[times > 1.0] + 90.0
    assert len(waves.matched(back, whole.sample / rate, 0.05)) >= len(back) - 1


@pytest.mark.parametrize("kind", ["white", "brown", "muscle"])
def test_the_twin_agrees_on_noise_and_on_what_comes_after(kind: str) -> None:
    ecg, _ = beats(250.0, 15.0)
    signal = np.concatenate([noise(kind, 0.1, 250.0, 15.0), ecg, noise(kind, 0.5, 250.0, 30.0), 0.3 * ecg])
    peaks = RPeakDetector.over(signal, 250.0)[1]
    assert len(peaks.sample) > 25
    assert np.allclose(peaks.sample + peaks.fraction, reference.r_peaks(signal, 250.0)[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [130.0, 250.0])
def test_the_synthetic_ecg_of_the_benchmarks_has_beats_to_its_end_and_all_are_found(rate: float) -> None:
    times = inputs.beat_instants_s(30.0)
    assert 30 * 60 - 2.0 < times[-1] < 30 * 60
    found = r_peaks(inputs.synthetic_ecg(30.0, rate), rate) / rate
    assert len(found) == len(times)
    assert np.abs(found - times).max() < 1.5 / rate


def test_beats_of_two_humps_each_are_no_noise() -> None:
    """A P wave as steep as the QRS, 0.15 s before it: half the humps are none of beats, yet none is missed."""
    rate = 125.0
    times = waves.beat_times(100, 0.8, 0.02, np.random.default_rng(4))
    signal = waves.ecg(times, rate)
    early = waves.ecg(times - 0.16, rate)
    signal[: len(early)] += 0.9 * early
    found = r_peaks(signal, rate) / rate
    assert len(found) == len(times)
    assert len(waves.matched(times, found, 0.2)) == len(times)
