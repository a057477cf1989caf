"""Beat trains: calibration, rhythms, sleep, determinism."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from allostat.errors import InputError, TimeZoneError
from allostat.recording import NS_PER_S
from allostat.simulate import (
    SimulatedParticipant,
    SimulatedRR,
    Sleep,
    Spread,
    simulate_participant,
    simulate_rest,
    simulate_rr,
    sleep_schedule,
)

ZONE = "Europe/Vienna"
CALM = Spread(ln_rmssd_night=0, hr_night=0, ln_rmssd_rest=0, hr_rest=0)
START = int(datetime(2026, 3, 2, 17, tzinfo=UTC).timestamp()) * NS_PER_S


def person(**truth: float) -> SimulatedParticipant:
    return replace(simulate_participant("sub-001", 7), **truth)  # type: ignore[arg-type]


def days(who: SimulatedParticipant, nights: int = 3, seed: int = 0, spread: Spread = CALM) -> SimulatedRR:
    sleep = sleep_schedule(who, date(2026, 3, 2), nights, ZONE, seed)
    return simulate_rr(who, START, nights * 86400.0 - 6 * 3600, ZONE, sleep, seed=seed, spread=spread)


def window_rmssd(train: SimulatedRR, window: Sleep) -> np.ndarray:
    lo, hi = np.searchsorted(train.times_ns, [window.bed_ns, window.wake_ns])
    times, intervals = train.times_s[lo : hi - 1], np.diff(train.times_s[lo:hi]) * 1000
    which = ((times - times[0]) // 300).astype(int)
    return np.array([np.sqrt(np.mean(np.diff(intervals[which == k]) ** 2)) for k in range(which.max())])


@pytest.mark.parametrize("rmssd", [12.0, 35.0, 85.0])
def test_night_rmssd_and_heart_rate_are_the_participants(rmssd: float) -> None:
    who = person(rmssd_night=rmssd, hr_night=56.0)
    found, rates = [], []
    for seed in range(3):
        train = days(who, 2, seed)
        for window in train.sleep:
            found.append(window_rmssd(train, window).mean())
            lo, hi = np.searchsorted(train.times_ns, [window.bed_ns, window.wake_ns])
            rates.append((hi - lo - 1) / (train.times_s[hi - 1] - train.times_s[lo]) * 60)
    assert np.mean(found) == pytest.approx(rmssd, rel=0.03)
    assert np.mean(rates) == pytest.approx(56.0, abs=0.5)


@pytest.mark.parametrize("rmssd", [10.0, 28.0, 70.0])
def test_resting_rmssd_and_heart_rate_are_the_participants(rmssd: float) -> None:
    who = person(rmssd_rest=rmssd, hr_rest=68.0)
    trains = [simulate_rest(who, 300, seed=s, spread=CALM).intervals_ms for s in range(25)]
    assert np.mean([np.sqrt(np.mean(np.diff(rr) ** 2)) for rr in trains]) == pytest.approx(rmssd, rel=0.03)
    assert np.mean([60000 / rr.mean() for rr in trains]) == pytest.approx(68.0, abs=0.7)


def test_nights_and_visits_vary_as_much_as_stated() -> None:
    who, spread = person(rmssd_night=40.0, rmssd_rest=30.0), Spread()
    nights = [
        np.log(window_rmssd(train, train.sleep[0]).mean()) for train in (days(who, 1, s, spread) for s in range(30))
    ]
    assert np.std(nights) == pytest.approx(spread.ln_rmssd_night, rel=0.35)
    visits = [np.log(np.sqrt(np.mean(np.diff(simulate_rest(who, 300, visit=v).intervals_ms) ** 2))) for v in range(60)]
    assert np.std(visits) == pytest.approx(spread.ln_rmssd_rest, rel=0.35)


def spectrum(train: SimulatedRR, lo_s: float, hi_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean periodogram of 128 s pieces of RR at 4 Hz, in ms^2/Hz."""
    grid = np.arange(lo_s, hi_s, 0.25)
    rr = np.interp(grid, train.times_s[1:], train.intervals_ms)
    pieces = rr[: len(rr) // 512 * 512].reshape(-1, 512)
    pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * np.hanning(512)
    power = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).mean(axis=0) * 2 / (4 * (np.hanning(512) ** 2).sum())
    return np.fft.rfftfreq(512, 0.25), power


@pytest.mark.parametrize("breath", [0.20, 0.25, 0.30])
def test_respiratory_peak_lies_where_breathing_was_set(breath: float) -> None:
    train = simulate_rest(person(rmssd_rest=40.0), 1800, spread=CALM, respiration_hz=breath)
    f, power = spectrum(train, 0, 1780)
    high = (f >= 0.15) & (f <= 0.4)
    assert f[high][np.argmax(power[high])] == pytest.approx(breath, abs=0.02)


def test_baroreflex_peak_and_one_over_f_below_it() -> None:
    train = simulate_rest(person(rmssd_rest=40.0, respiration_hz=0.28), 7200, spread=CALM)
    f, power = spectrum(train, 0, 7180)
    low = (f >= 0.04) & (f <= 0.15)
    assert f[low][np.argmax(power[low])] == pytest.approx(0.1, abs=0.015)
    between = power[(f > 0.14) & (f < 0.2)].mean()
    slowest = power[(f > 0.007) & (f < 0.02)].mean()
    assert slowest > 5 * between


def test_sleep_slows_the_heart_slows_breathing_and_raises_rmssd() -> None:
    who = person(rmssd_night=45.0, rmssd_rest=30.0, hr_night=55.0, hr_rest=66.0)
    train = days(who, 2)
    asleep = train.asleep[1:]
    assert np.median(train.intervals_ms[asleep]) > np.median(train.intervals_ms[~asleep]) + 80
    differences = np.abs(np.diff(train.intervals_ms))
    assert np.median(differences[asleep[1:]]) > 1.2 * np.median(differences[~asleep[1:]])


def test_heart_rate_is_highest_in_the_afternoon() -> None:
    who = person()
    train = simulate_rr(who, START - 17 * 3600 * NS_PER_S, 12 * 86400.0, ZONE, (), seed=5, spread=CALM)
    local_hour = (train.times_s[1:] / 3600 + 1) % 24
    by_hour = [60000 / train.intervals_ms[(local_hour // 3).astype(int) == k].mean() for k in range(8)]
    assert np.argmax(by_hour) in (3, 4, 5, 6)
    assert max(by_hour) - min(by_hour) > 2


def test_beats_ascend_and_stay_physiological() -> None:
    train = days(person(rmssd_night=110.0))
    assert (np.diff(train.times_s) > 0.27).all()
    assert (np.diff(train.times_s) < 2.3).all()
    beats = train.beats()
    assert beats.source == "simulated"
    assert beats.epoch == "utc"
    np.testing.assert_allclose(beats.intervals_ms[1:], train.intervals_ms, atol=1e-5)


def test_same_seed_same_bytes() -> None:
    first, second = days(person(), 1, 4), days(person(), 1, 4)
    assert first.times_s.tobytes() == second.times_s.tobytes()
    assert days(person(), 1, 5).times_s.tobytes() != first.times_s.tobytes()


def test_schedule_keeps_to_nights_and_length_across_the_clock_change() -> None:
    windows = sleep_schedule(person(), date(2026, 3, 25), 7, ZONE, 3)
    hours = np.array([(w.wake_ns - w.bed_ns) / NS_PER_S / 3600 for w in windows])
    assert ((hours >= 6) & (hours <= 9)).all()
    assert all(b.bed_ns > a.wake_ns for a, b in itertools.pairwise(windows))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="positive number of seconds"):
        simulate_rr(person(), START, 0.0, ZONE)
    with pytest.raises(InputError, match="positive number of seconds"):
        simulate_rest(person(), float("nan"))
    with pytest.raises(InputError, match="do not overlap"):
        simulate_rr(person(), START, 600.0, ZONE, [Sleep(5, 9), Sleep(8, 12)])
    with pytest.raises(TimeZoneError, match="unknown time zone"):
        simulate_rr(person(), START, 600.0, "Europe/Wien")
