"""From a signal to beats: clock, gaps, missing samples, uncertainty, and the bench of other methods."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allostat import polarity
from allostat.beats import find_beats
from allostat.errors import ConfigError, InputError
from allostat.kernels.systolic_peak import pulse_asymmetry
from allostat.polarity import signal_polarity
from allostat.recording import Clock, ClockBlock, Signal
from tests.reference import waves

T0 = 1_700_000_000_000_000_000
RATE = 129.87
TIMES = waves.beat_times(60, 0.85, 0.05, np.random.default_rng(1))


def ecg(rate: float = RATE) -> NDArray[np.int16]:
    wave = waves.ecg(TIMES, rate)
    return np.round(1000 * (wave + np.random.default_rng(2).normal(0, 0.01, len(wave)))).astype(np.int16)


def ecg_signal(samples: NDArray[np.generic], clock: Clock | None = None, **about: Any) -> Signal:
    clock = clock or Clock.regular(len(samples), RATE, T0)
    return Signal("ecg", "ecg", samples, clock, "uV", **about)


def test_beats_lie_on_the_effective_clock_below_one_sample() -> None:
    beats = find_beats(ecg_signal(ecg()))
    error_ms = (beats.times_ns - T0) / 1e6 - 1000 * TIMES
    assert len(beats) == len(TIMES)
    assert np.abs(error_ms).max() < 1.5
    assert beats.source == "ecg"
    assert beats.epoch == "utc"
    assert beats.method == "allostat"
    assert np.isnan(beats.intervals_ms[0])
    assert np.allclose(beats.intervals_ms[1:], np.diff(beats.times_ns) / 1e6)
    assert beats.uncertainty_ms is not None
    assert 0.5 < np.std(error_ms) / np.sqrt(np.mean(beats.uncertainty_ms.astype(float) ** 2)) < 2


def test_a_gap_between_blocks_breaks_the_interval_and_nothing_else() -> None:
    samples = ecg()
    cut, lost = 2000, 40_000_000_000
    blocks = (ClockBlock(0, T0, RATE), ClockBlock(cut, T0 + round(cut / RATE * 1e9) + lost, RATE))
    beats = find_beats(ecg_signal(samples, Clock(blocks, len(samples))))
    whole = find_beats(ecg_signal(samples))
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [
        0,
        int(np.sum(whole.times_ns < blocks[1].t0_ns - lost)),
    ]
    assert beats.times_ns[-1] - whole.times_ns[-1] == pytest.approx(lost, abs=2e6)


def test_many_short_losses_break_their_intervals_and_cost_few_beats() -> None:
    samples = ecg()
    kept = np.ones(len(samples), dtype=bool)
    blocks = [ClockBlock(0, T0, RATE)]
    for start in range(700, len(samples) - 400, 700):
        kept[start : start + 40] = False
    starts = np.flatnonzero(kept[1:] & ~kept[:-1]) + 1
    for start in starts.tolist():
        blocks.append(ClockBlock(int(kept[:start].sum()), T0 + round(start / RATE * 1e9), RATE))
    beats = find_beats(ecg_signal(samples[kept], Clock(tuple(blocks), int(kept.sum()))))
    clear = np.array([t for t in TIMES if kept[int(t * RATE) - 25 : int(t * RATE) + 25].all()])
    assert len(waves.matched(clear, (beats.times_ns - T0) / 1e9, 0.02)) == len(clear)
    assert np.isnan(beats.intervals_ms).sum() == 1 + len(starts)


def test_missing_raw_values_break_the_interval_and_are_no_beats() -> None:
    samples = ecg()
    whole = find_beats(ecg_signal(samples))
    samples[1000:1200] = -32768
    beats = find_beats(ecg_signal(samples, missing=-32768))
    assert np.isnan(beats.intervals_ms).sum() == 2
    before, after = beats.times_ns[np.flatnonzero(np.isnan(beats.intervals_ms))[1] - 1 :][:2]
    assert before < T0 + 1000 / RATE * 1e9 < T0 + 1200 / RATE * 1e9 < after
    assert np.isin(np.round(beats.times_ns / 1e7), np.round(whole.times_ns / 1e7)).all()


def test_scale_and_sign_of_the_conversion_do_not_matter() -> None:
    plain = find_beats(ecg_signal(ecg()))
    converted = find_beats(ecg_signal(ecg(), scale=-0.25, offset=512.0))
    assert np.array_equal(plain.times_ns, converted.times_ns)


@pytest.mark.parametrize("sign", [1, -1])
def test_ppg_of_either_polarity_gives_the_systolic_peaks(sign: int) -> None:
    wave = waves.ppg(TIMES, 64.0)
    samples = (sign * np.round(5000 * wave) + 260_000).astype(np.int32)
    beats = find_beats(Signal("ppg", "ppg", samples, Clock.regular(len(samples), 64.0, T0), "1"))
    assert len(beats) == len(TIMES)
    assert np.abs((beats.times_ns - T0) / 1e9 - TIMES).max() < 0.02
    assert beats.source == "ppg"


@pytest.mark.parametrize("sign", [1, -1])
def test_noise_before_and_after_does_not_turn_pulses_upside_down(sign: int) -> None:
    """Two minutes of pulses in an hour and a half of a sensor that nobody wears."""
    rng = np.random.default_rng(9)
    rate = 64.0
    wave = waves.ppg(waves.beat_times(141, 0.85, 0.05, rng), rate)
    noise = 0.2 * np.cumsum(rng.normal(0, 0.1, int(5400 * rate)))
    signal = np.concatenate([noise, noise[-1] + sign * wave, rng.normal(0, 0.05, int(600 * rate))])
    stream = Signal("ppg", "ppg", signal, Clock.regular(len(signal), rate, T0), "1")
    first, last = len(noise), len(noise) + len(wave)
    assert np.array_equal(signal_polarity(stream).upright(stream, first, last), sign * signal[first:last])


@pytest.mark.parametrize("sign", [1, -1])
def test_movement_in_the_first_minutes_turns_no_more_than_the_next_half_hour_upside_down(sign: int) -> None:
    rng = np.random.default_rng(3)
    rate = 64.0
    wave = sign * waves.ppg(waves.beat_times(6000, 0.85, 0.05, rng), rate)
    wave[: int(60 * rate)] *= -1
    polarity = signal_polarity(Signal("ppg", "ppg", wave, Clock.regular(len(wave), rate, T0), "1"))
    assert polarity.signs.tolist() == [-sign, sign]
    assert polarity.starts[1] < 1800 * rate


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 150), st.sampled_from([1, -1]))
def test_the_polarity_of_what_was_recorded_so_far_stands(seconds: int, sign: int) -> None:
    """Up to the last whole piece, the sign of a sample does not depend on what came later."""
    rate = 64.0
    rng = np.random.default_rng(seconds)
    noise = np.cumsum(rng.normal(0, 0.1, int(45 * rate)))
    wave = np.concatenate([noise, noise[-1] + sign * waves.ppg(waves.beat_times(140, 0.85, 0.05, rng), rate)])

    def upright(n: int, stop: int) -> NDArray[np.float64]:
        stream = Signal("ppg", "ppg", wave[:n], Clock.regular(n, rate, T0), "1")
        return signal_polarity(stream).upright(stream, 0, stop)

    known = seconds // 30 * int(30 * rate)
    assert np.array_equal(upright(len(wave), known), upright(int(seconds * rate), known))


def test_the_polarity_of_a_long_signal_is_read_from_few_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = np.tile(-waves.ppg(TIMES, 64.0), 60)
    stream = Signal("ppg", "ppg", signal, Clock.regular(len(signal), 64.0, T0), "1")
    looked: list[int] = []

    def counted(ppg: NDArray[np.float64], rate_hz: float) -> float:
        looked.append(len(ppg))
        return pulse_asymmetry(ppg, rate_hz)

    monkeypatch.setattr(polarity, "pulse_asymmetry", counted)
    assert signal_polarity(stream).signs.tolist() == [-1]
    assert len(looked) <= 2 + len(signal) / (64.0 * polarity.POLARITY_S * polarity.LOOK_AGAIN)


def test_a_signal_without_samples_has_no_beats() -> None:
    assert len(find_beats(ecg_signal(np.empty(0, np.int16), Clock((), 0)))) == 0
    assert len(find_beats(ecg_signal(np.zeros(5000, np.int16)))) == 0


@pytest.mark.parametrize("method", ["neurokit:hamilton2002", "neurokit:neurokit", "neurokit:pantompkins1985"])
def test_other_methods_through_neurokit(method: str) -> None:
    beats = find_beats(ecg_signal(ecg()), method)
    assert beats.method == method
    assert len(waves.matched(TIMES, (beats.times_ns - T0) / 1e9, 0.1)) >= len(TIMES) - 2


def test_other_ppg_methods_through_neurokit() -> None:
    samples = waves.ppg(TIMES, 64.0)
    samples[1000:1100] = np.nan
    beats = find_beats(Signal("ppg", "ppg", samples, Clock.regular(len(samples), 64.0, T0), "1"), "neurokit:elgendi")
    assert len(beats) >= len(TIMES) - 6
    assert np.isnan(beats.intervals_ms).sum() == 2


@pytest.mark.parametrize(
    ("method", "nearest"),
    [("neurokit:hamiltn", "neurokit:hamilton2002"), ("alostat", "allostat"), ("neurokit:elgendi2013", "elgendi2010")],
)
def test_an_unknown_method_names_the_nearest_valid_one(method: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=nearest):
        find_beats(ecg_signal(ecg()), method)


def test_other_streams_and_rates_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"acc_x.*ECG or PPG"):
        find_beats(Signal("acc_x", "acc", np.zeros(10), Clock.regular(10, 50.0), "g"))
    with pytest.raises(InputError, match=r"ecg: a sampling rate between 50 and 2000"):
        find_beats(ecg_signal(np.zeros(100), Clock.regular(100, 10.0)))


def test_empatica_e4_pulses_agree_with_the_intervals_of_the_device(recordings: Callable[[str], Path]) -> None:
    """1635148245_A00204.zip: beats that the device reports are found at one constant lag."""
    with zipfile.ZipFile(recordings("empatica_e4") / "1635148245_A00204.zip") as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        bvp = np.array(archive.read(names["BVP.csv"]).decode().split(), dtype=float)
        rows = archive.read(names["IBI.csv"]).decode().splitlines()[1:]
    device = np.array([float(row.split(",")[0]) for row in rows])
    signal = Signal("bvp", "ppg", bvp[2:], Clock.regular(len(bvp) - 2, bvp[1]), "1")
    found = find_beats(signal).times_ns / 1e9
    hits = max(len(waves.matched(device + lag, found, 0.150)) for lag in (0.22, 0.26, 0.30))
    assert hits / len(device) > 0.985
