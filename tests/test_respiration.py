"""Breathing rate from beats: simulated truth, bad input, real recordings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.beats import find_beats
from allostat.errors import ConfigError, InputError
from allostat.kernels.respiration import breathing, modulations, windowed
from allostat.recording import Beats, Clock, Signal
from allostat.respiration import respiration_rate
from tests.reference import respiration as reference

BAND = (0.1, 0.6)


def breathing_beats(rate_hz, seconds=60.0, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.normal(0.85, 0.01, int(seconds / 0.8)))
    at = at[at < seconds]
    wave = np.sin(2 * np.pi * rate_hz * at)
    return at, tuple(wave + noise * rng.normal(size=len(at)) for _ in range(3))


@pytest.mark.parametrize("per_min", [7, 10, 15, 20, 26])
def test_a_known_rate_is_found(per_min):
    at, series = breathing_beats(per_min / 60)
    found = breathing(at, series, 0.0, 60.0, BAND)
    assert found.rate_hz * 60 == pytest.approx(per_min, abs=0.5)
    assert found.power_share > 0.6
    assert found.se_hz * 60 < 1


@settings(max_examples=12, deadline=None)
@given(st.floats(0.12, 0.45), st.integers(0, 1000), st.floats(0, 2), st.sampled_from([60.0, 59.8, 32.25]))
def test_rates_and_their_doubt_equal_the_slow_twin(rate, seed, noise, length):
    at, series = breathing_beats(rate, seed=seed, noise=noise)
    found = breathing(at, series, 0.0, length, BAND)
    want_rate, want_se, want_share, want_rates = reference.breathing(at, series, 0.0, length, BAND)
    assert found.rate_hz == pytest.approx(want_rate, rel=1e-9, nan_ok=True)
    assert found.se_hz == pytest.approx(want_se, rel=1e-9, nan_ok=True)
    assert found.power_share == pytest.approx(want_share, rel=1e-9)
    assert found.rates_hz == pytest.approx(want_rates, rel=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 200), st.floats(1.0, 90.0), st.sampled_from([20.0, 60.0, 77.3]))
def test_a_window_among_others_is_the_same_to_the_last_bit_as_alone(seed, n, step, length):
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.gamma(20, 0.04, n))
    series = tuple(np.where(rng.random(n) < rng.random(), np.nan, rng.standard_normal(n)) for _ in range(3))
    starts = rng.permutation(np.arange(-30.0, 150.0, step))
    together = windowed(at, series, starts, length, BAND)
    for k, start in enumerate(starts):
        alone = windowed(at, series, np.array([start]), length, BAND)
        for one, many in zip(alone, together, strict=True):
            assert np.array_equal(one[0], many[k], equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 60), st.booleans())
def test_modulations_equal_the_slow_twin(seed, n, holed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(1000)
    if holed:
        x[rng.integers(1000, size=3)] = np.nan
    peaks = np.sort(rng.choice(1998, n, replace=False)) / 2
    found = modulations(x, peaks)
    want = np.array(reference.modulations(x, peaks))
    assert found.amplitude[1:] == pytest.approx(want[:, 0], rel=1e-12, nan_ok=True)
    assert found.baseline[1:] == pytest.approx(want[:, 1], rel=1e-9, abs=1e-15, nan_ok=True)


def test_rate_does_not_depend_on_scale_or_level_and_one_modulation_suffices():
    at, (a, b, c) = breathing_beats(0.25)
    found = breathing(at, (a, b, c), 0.0, 60.0, BAND)
    scaled = breathing(at, (1000 * a + 5, 0.01 * b - 3, c), 0.0, 60.0, BAND)
    assert scaled.rate_hz == pytest.approx(found.rate_hz, rel=1e-9)
    alone = breathing(at, (a, np.full(len(a), np.nan), np.ones(len(a))), 0.0, 60.0, BAND)
    assert alone.rate_hz * 60 == pytest.approx(15, abs=0.5)
    assert np.isnan(alone.se_hz)


def test_noise_without_breathing_is_unclear():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        at = np.arange(0, 60, 0.8)
        shares.append(breathing(at, tuple(rng.normal(size=len(at)) for _ in range(3)), 0.0, 60.0, BAND).power_share)
    assert np.median(shares) < 0.45


@pytest.mark.parametrize("n", [0, 1, 3, 10])
def test_few_beats_give_nothing(n):
    at = np.arange(n) * 0.8
    found = breathing(at, (at, at, at), 0.0, 60.0, BAND)
    assert np.isnan(found.rate_hz)
    for bad in (np.full(80, np.nan), np.full(80, np.inf), np.ones(80)):
        assert np.isnan(breathing(np.arange(80) * 0.75, (bad, bad, bad), 0.0, 60.0, BAND).rate_hz)


def test_kernels_refuse_what_makes_no_sense():
    at = np.arange(80) * 0.75
    for window, band in (((60.0, 0.0), BAND), ((0.0, 60.0), (0.5, 0.1)), ((0.0, 60.0), (0.0, 0.5))):
        with pytest.raises(ValueError, match="window"):
            breathing(at, (at,), *window, band)
    with pytest.raises(ValueError, match="ascend"):
        breathing(at[::-1], (at,), 0.0, 60.0, BAND)
    with pytest.raises(ValueError, match="three"):
        breathing(at, (at,) * 4, 0.0, 60.0, BAND)
    for peaks in ([3.0, 2.0], [-1.0], [12.0], [np.nan]):
        with pytest.raises(ValueError, match="peaks"):
            modulations(np.zeros(10), np.array(peaks))


def test_modulations_of_a_drawn_wave():
    x = np.array([0.0, 5.0, 1.0, -1.0, 2.0, 6.0, 0.0])
    found = modulations(x, np.array([1.0, 5.0]))
    assert np.isnan(found.amplitude[0])
    assert found.amplitude[1] == 7
    assert found.baseline[1] == pytest.approx(np.mean([5, 1, -1, 2, 6]))
    assert found.interval[1] == 4
    assert len(modulations(x, np.empty(0)).amplitude) == 0
    assert modulations(-x, np.array([1.0, 5.0])).amplitude[1] == 7


def ppg(seconds=150, rate=50.0, breath_hz=0.25):
    at = np.arange(0.5, seconds - 1, 0.8)
    at = at + 0.03 * np.sin(2 * np.pi * breath_hz * at)
    t = np.arange(0, seconds, 1 / rate)
    x = 0.4 * np.sin(2 * np.pi * breath_hz * t)
    for beat in at:
        near = np.abs(t - beat) < 1
        height = 1 + 0.2 * np.sin(2 * np.pi * breath_hz * beat)
        x[near] += height * np.exp(-0.5 * ((t[near] - beat) / 0.09) ** 2)
    return Signal("ppg", "ppg", x, Clock.regular(len(x), rate), "1")


def test_rate_of_a_pulse_wave_in_windows():
    signal = ppg()
    found = respiration_rate(signal, find_beats(signal))
    assert found.sizes["window"] == 10
    assert found.respiration_rate.values == pytest.approx(np.full(10, 15.0), abs=0.6)
    assert found.accepted.values.all()
    assert found.reasons.values.dtype == np.int8
    assert found.time.attrs["epoch"] == "utc"
    assert found.respiration_rate.attrs["units"] == "/min"


def test_blocks_of_samples_change_no_bit(monkeypatch):
    signal = ppg()
    beats = find_beats(signal)
    whole = respiration_rate(signal, beats)
    for block in (1, 37, 1000):
        monkeypatch.setattr("allostat.respiration.BLOCK", block)
        assert respiration_rate(signal, beats).equals(whole)


def test_numbers_too_large_to_square_give_no_rate_and_no_warning():
    at, (a, b, c) = breathing_beats(0.25)
    assert np.isnan(breathing(at, (1e200 * a, 1e200 * b, 1e200 * c), 0.0, 60.0, BAND).rate_hz)
    assert breathing(at, (1e200 * a, b, c), 0.0, 60.0, BAND).rate_hz * 60 == pytest.approx(15, abs=0.5)


def test_short_and_empty_signals_have_no_windows_and_gaps_no_rate():
    short = ppg(30)
    assert respiration_rate(short, find_beats(short)).sizes["window"] == 0
    signal = ppg()
    none = respiration_rate(signal, Beats.from_times(np.empty(0, np.int64)))
    assert np.isnan(none.respiration_rate.values).all()
    assert set(none.reasons.values.tolist()) == {1}
    samples = signal.samples.copy()
    samples[1000:5000] = np.nan
    holed = Signal("ppg", "ppg", samples, signal.clock, "1")
    found = respiration_rate(holed, find_beats(holed))
    assert np.isnan(found.respiration_rate.values[3])


def test_wrong_arguments_are_refused():
    signal = ppg(60)
    beats = find_beats(signal)
    other = Signal("acc", "acc", signal.samples, signal.clock, "1")
    with pytest.raises(InputError, match="ECG or PPG"):
        respiration_rate(other, beats)
    with pytest.raises(InputError, match="epochs"):
        respiration_rate(signal, Beats.from_intervals([800.0] * 5))
    for wrong in ({"window_s": 5.0}, {"step_s": 0.0}, {"band_hz": (0.5, 0.1)}, {"accepted_share": 2.0}):
        with pytest.raises(ConfigError):
            respiration_rate(signal, beats, **wrong)


def test_breaths_of_intensive_care_patients_are_found(recordings):
    """Floors of the first six recordings, in windows on which both annotators agree."""
    from benchmarks.respiration import respiration_accuracy

    of = {
        (one["signal"], one["contender"]): one for one in respiration_accuracy(recordings("bidmc"), 1, 6, only_own=True)
    }
    assert of["ppg", "allostat"]["mae_accepted"] < 1.5
    assert of["ppg", "allostat"]["coverage"] > 0.3
