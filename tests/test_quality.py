"""Signal quality: each reason is given for the symptom that it names, and a clean signal is accepted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from allostat.errors import ConfigError, InputError
from allostat.quality import (
    MARGIN,
    TEMPLATE_CORRELATION,
    QualityReason,
    UsualAmplitude,
    WindowMeasures,
    clear_of_noise,
    signal_quality,
)
from allostat.recording import Clock, ClockBlock, Signal
from benchmarks import accuracy, quality_ladder
from benchmarks.quality_ladder import Kind
from tests.reference import mitbih, noise, waves

RATE = 100.0
TIMES = waves.beat_times(75, 0.82, 0.03, np.random.default_rng(4))
N = 6000


def ecg() -> NDArray[np.float64]:
    return waves.ecg(TIMES, RATE)[:N] + np.random.default_rng(5).normal(0, 0.01, N)


def ppg() -> NDArray[np.float64]:
    return waves.ppg(TIMES, RATE)[:N] + np.random.default_rng(6).normal(0, 0.01, N)


def judged(samples: NDArray[Any], kind: Kind = "ecg", **about: Any) -> list[QualityReason]:
    signal = Signal(kind, kind, samples, Clock.regular(len(samples), RATE), "mV", **about)
    return [QualityReason(int(r)) for r in signal_quality(signal)["reasons"].values]


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_a_clean_signal_is_accepted_throughout(kind: Kind) -> None:
    assert judged(ecg() if kind == "ecg" else ppg(), kind) == [QualityReason(0)] * 6


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_noise_without_beats_is_noise(kind: Kind) -> None:
    samples = ecg() if kind == "ecg" else ppg()
    samples[2000:3000] = np.random.default_rng(7).normal(0, 0.4, 1000)
    reasons = judged(samples, kind)
    assert QualityReason.NOISE in reasons[2]
    assert not any(reasons[i] for i in (0, 1, 4, 5))


def test_a_lead_that_fell_off_is_flat_lead_off_and_implausible() -> None:
    samples = ecg()
    samples[2000:3000] = 0.3
    reasons = judged(samples)[2]
    assert QualityReason.FLAT | QualityReason.LEAD_OFF | QualityReason.IMPLAUSIBLE in reasons


def test_what_is_usual_is_told_by_the_good_windows_before() -> None:
    """An electrode that was off in the beginning, and an amplitude that fades, do not make what is good unusual."""
    samples = np.concatenate([0.02 * np.random.default_rng(1).normal(0, 1, 3000), ecg()])
    reasons = judged(samples)
    assert all(reasons[:3])
    assert reasons[3:] == [QualityReason(0)] * 6
    usual = UsualAmplitude()
    good = WindowMeasures(0, 10**10, 0.0, 1.0, 0.1, 0.0, 0.0, 60.0, 1.0, 0.99, 5.0)
    fading = [replace(good, amplitude=0.99**k) for k in range(400)]
    assert [usual.judged(w, "ppg") for w in fading] == [0] * 400
    assert usual.judged(replace(good, amplitude=0.05 * fading[-1].amplitude), "ppg") == QualityReason.LEAD_OFF
    assert usual.judged(replace(good, amplitude=1.0), "ppg") == QualityReason.MOTION


def test_a_window_is_judged_by_what_came_up_to_it() -> None:
    samples = np.concatenate([ecg(), 20 * ecg(), 0.02 * ecg(), ecg()])
    whole = judged(samples)
    for n in (7500, 12_500, 20_500):
        assert judged(samples[:n])[: n // 1000 - 1] == whole[: n // 1000 - 1]


def test_a_standstill_of_two_seconds_is_flat_and_not_lead_off() -> None:
    samples = ecg()
    samples[2300:2500] = samples[2300]
    reasons = judged(samples)[2]
    assert QualityReason.FLAT in reasons
    assert QualityReason.LEAD_OFF not in reasons


def test_clipping_at_known_limits_is_saturation() -> None:
    samples = ecg()
    raw = np.round(samples * 1000).astype(np.int16)
    raw[2000:3000] = np.clip(raw[2000:3000], -200, 150)
    reasons = judged(raw, scale=0.001, saturation=(-32768, 150))
    assert QualityReason.SATURATED in reasons[2]


def test_clipping_at_unknown_limits_is_seen_as_plateaus() -> None:
    samples = ppg()
    samples[2000:3000] = np.minimum(samples[2000:3000], 0.6)
    reasons = judged(samples, "ppg")
    assert [QualityReason.SATURATED in r for r in reasons] == [False, False, True, False, False, False]


def test_a_swinging_baseline_is_motion() -> None:
    samples = ecg()
    samples[2000:3000] += 8 * np.sin(2 * np.pi * 0.2 * np.arange(1000) / RATE)
    assert QualityReason.MOTION in judged(samples)[2]


def test_missing_samples_are_missing_and_nothing_else_is_claimed_of_an_empty_window() -> None:
    samples = ecg()
    samples[2000:3000] = np.nan
    assert judged(samples)[2] == QualityReason.MISSING


@pytest.mark.parametrize(("kind", "least_coverage"), [("ecg", 0.5), ("ppg", 0.5)])
def test_the_beats_of_accepted_windows_are_right_on_a_ladder_of_noise(kind: Kind, least_coverage: float) -> None:
    """F1 of at least 99.9 % over all kinds of noise from 24 to -6 dB; the whole ladder: benchmarks.quality_ladder."""
    windows = [
        w
        for seed, material in enumerate(quality_ladder.simulated(kind, 4, 180.0))
        for w in quality_ladder.rungs(material, noise.ECG_KINDS if kind == "ecg" else noise.PPG_KINDS, seed)
    ]
    coverage, f1, _ = quality_ladder.summary(windows, TEMPLATE_CORRELATION[kind], MARGIN[kind])
    assert coverage > least_coverage
    assert f1 >= 0.999


def test_the_noise_stress_test_is_accepted_but_for_few_windows(recordings: Callable[[str], Path]) -> None:
    """Record 118e24: no beat of its accepted windows is wrong, and they are nearly all."""
    folder = recordings("nstdb")
    samples = np.fromfile(folder / "118e24.dat", "<i2").reshape(-1, 2)[:, 0].astype(np.float64)
    at, codes = mitbih.annotations((folder / "118e24.atr").read_bytes())
    beats = at[np.isin(codes, list(mitbih.BEAT_CODES))].astype(np.float64)
    material = quality_ladder.Material("118e24", "ecg", True, samples, beats, 360.0, 1.0)
    windows = [quality_ladder.judged(material, samples, "none", quality_ladder.CLEAN_DB)]
    coverage, f1, _ = quality_ladder.summary(windows, TEMPLATE_CORRELATION["ecg"], MARGIN["ecg"])
    assert coverage > 0.95
    assert f1 >= 0.999


def test_pulses_of_accepted_windows_are_the_beats_of_the_heart(recordings: Callable[[str], Path]) -> None:
    """BIDMC against the ECG beside the PPG: F1 of at least 99 % in accepted windows, which are most."""
    measured = accuracy.systolic_peak_accuracy(recordings("bidmc"), "allostat")
    assert measured["f1"] >= 0.989
    assert measured["f1_accepted"] >= 0.995
    assert measured["coverage"] >= 0.85


def test_inverted_ppg_counts_have_the_skewness_of_the_upright_wave() -> None:
    clock = Clock.regular(N, RATE)
    upright = signal_quality(Signal("ppg", "ppg", ppg(), clock, "1"))["skewness"].values
    inverted = signal_quality(Signal("ppg", "ppg", -ppg(), clock, "1"))["skewness"].values
    assert np.allclose(upright, inverted, rtol=1e-9)
    assert (upright > 0).all()


def test_windows_follow_the_blocks_of_the_clock() -> None:
    blocks = (ClockBlock(0, 0, RATE), ClockBlock(2500, 100_000_000_000, RATE), ClockBlock(4200, 200_000_000_000, RATE))
    quality = signal_quality(Signal("ecg", "ecg", ecg(), Clock(blocks, N, "utc"), "mV"))
    seconds = ((quality["end_ns"] - quality["start_ns"]).values / 1e9).round(6).tolist()
    assert seconds == [10, 10, 5, 10, 7, 10, 8]
    assert quality["start_ns"].values[3] == 100_000_000_000
    assert quality["time"].attrs["epoch"] == "utc"


def test_the_bit_mask_says_what_its_bits_mean() -> None:
    quality = signal_quality(Signal("ecg", "ecg", ecg(), Clock.regular(N, RATE), "mV"))
    assert quality["reasons"].attrs["flag_masks"].tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert quality["reasons"].attrs["flag_meanings"] == "flat saturated noise motion lead_off implausible missing"
    assert {str(v.dtype) for v in quality.data_vars.values()} == {"int64", "int16", "int8", "float64"}


def test_an_empty_signal_has_no_windows() -> None:
    assert signal_quality(Signal("ecg", "ecg", np.empty(0), Clock((), 0), "mV")).sizes["window"] == 0


def test_other_streams_and_short_windows_are_refused() -> None:
    acc = Signal("acc", "acc", np.zeros(100), Clock.regular(100, RATE), "g")
    with pytest.raises(InputError, match="ECG and PPG"):
        signal_quality(acc)
    with pytest.raises(ConfigError, match="at least 5 s"):
        signal_quality(Signal("ecg", "ecg", ecg(), Clock.regular(N, RATE), "mV"), 1.0)


@pytest.mark.parametrize(("margin", "apart", "clear"), [(1.7, np.nan, True), (1.2, 2.5, True), (1.19, 9.0, False)])
def test_beats_stand_clear_of_everything_or_of_their_second_wave_and_the_rest(
    margin: float, apart: float, clear: bool
) -> None:
    assert clear_of_noise(margin, apart, MARGIN["ppg"]) == clear
    assert not clear_of_noise(margin, 2.49, 1.71)


def test_a_finger_pulse_with_a_high_second_wave_is_accepted(recordings: Callable[[str], Path]) -> None:
    """HeartPy's example of 25 s at 100 Hz: its margin is below that for PPG, its beats are right."""
    samples = np.loadtxt(recordings("heartpy_examples") / "data.csv", skiprows=1)
    quality = signal_quality(Signal("ppg", "ppg", samples, Clock.regular(len(samples), 100.0), "1"))
    assert quality["accepted"].values.tolist() == [1, 1]
    assert (quality["margin"].values < MARGIN["ppg"]).all()


def test_windows_accepted_for_their_second_wave_have_right_beats() -> None:
    """Pulses of the half on which no threshold was chosen: beats where the margin alone says noise."""
    other_half = list(quality_ladder.second_waves())[1::2]
    hits = wrong = 0
    for material, kind, db in itertools.product(other_half, noise.PPG_KINDS, (24.0, 18.0)):
        rng = np.random.default_rng(int(db))
        noisy = noise.at_ratio(material.samples, material.height, kind, db, material.rate, rng)
        windows = quality_ladder.judged(material, noisy, kind, db)
        chosen = windows.accepted(TEMPLATE_CORRELATION["ppg"], MARGIN["ppg"]) & (windows.margin < MARGIN["ppg"])
        hits += int(windows.hits[chosen].sum())
        wrong += int((windows.missed + windows.extra)[chosen].sum())
    assert hits > 300
    assert wrong == 0
