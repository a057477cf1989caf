"""Beat trains of a simulated participant: days and nights, or a few minutes at rest.

Heart rate follows sleep, the time of day and bouts of activity; beat-to-beat variability follows sleep (RMSSD rises),
sleep cycles of about 95 min and activity (RMSSD falls). Breathing, the 0.1 Hz baroreflex rhythm and 1/f fluctuations
share the RMSSD out among themselves (`allostat.kernels.beat_train`). Inside a sleep window the expected mean heart
rate and mean RMSSD are the participant's ``hr_night`` and ``rmssd_night``, up to the variability from night to night.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.beat_train import N_NORMALS, beat_train, ornstein_uhlenbeck
from allostat.recording import NS_PER_S, Beats
from allostat.simulate.measurement import SPREAD, Spread
from allostat.simulate.physiology import SimulatedParticipant
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

Floats = NDArray[np.float64]

STEP_S = 5.0
"""Spacing of the slow courses."""
WHITE_SHARE = 0.04
BAROREFLEX_SHARE_AWAKE = 0.22
BAROREFLEX_SHARE_ASLEEP = 0.12
FALLING_ASLEEP_S = 1500.0
"""The course turns from waking to sleeping values over this time, ending when the sleep window begins."""
WAKING_UP_S = 300.0
SLEEP_CYCLE_S = 5700.0


@dataclass(frozen=True, slots=True)
class Sleep:
    """One main sleep: falling asleep and waking, UTC."""

    bed_ns: int
    wake_ns: int


@dataclass(frozen=True)
class SimulatedRR:
    """A beat train with the truth about it.

    Parameters
    ----------
    start_ns
        Instant of time 0, UTC.
    times_s
        float64 (n,): beat instants in s since the start.
    asleep
        bool (n,): whether a beat lies in a sleep window.
    sleep
        The sleep windows.
    """

    start_ns: int
    times_s: Floats
    asleep: NDArray[np.bool_]
    sleep: tuple[Sleep, ...] = ()

    @property
    def intervals_ms(self) -> Floats:
        """Intervals between successive beats, one fewer than beats."""
        return np.diff(self.times_s) * 1000.0

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """Beat instants, UTC."""
        offset: NDArray[np.int64] = np.rint(self.times_s * NS_PER_S).astype(np.int64)
        return self.start_ns + offset

    def beats(self) -> Beats:
        """As waist 1 knows them."""
        return Beats.from_times(self.times_ns, source="simulated", method="simulated")


def instant_ns(moment: datetime) -> int:
    """UTC nanoseconds of an aware datetime."""
    return round(moment.timestamp()) * NS_PER_S


def sleep_schedule(
    participant: SimulatedParticipant, first_evening: date, nights: int, timezone: str, seed: int = 0
) -> tuple[Sleep, ...]:
    """Main sleeps on successive nights, 6 to 9 h long, from about 23:00 local time, differing between persons.

    Parameters
    ----------
    first_evening
        Local date of the first bedtime (its evening).
    nights
        How many.
    timezone
        IANA zone; a night across a clock change keeps its length.
    """
    zone = zone_info(timezone)
    own = random_stream(seed, participant.id, "chronotype").standard_normal(2)
    found = []
    for night in range(nights):
        shift = random_stream(seed, participant.id, "sleep", night).standard_normal(2)
        evening = datetime.combine(first_evening + timedelta(days=night), datetime.min.time(), zone)
        bed = evening + timedelta(hours=23)
        bed_ns = instant_ns(bed) + _minutes_ns(40 * own[0] + 15 * shift[0], 90)
        hours = float(np.clip(7.6 + 0.5 * own[1] + 0.4 * shift[1], 6.0, 9.0))
        found.append(Sleep(bed_ns, bed_ns + round(hours * 60) * 60 * NS_PER_S))
    return tuple(found)


def simulate_rr(
    participant: SimulatedParticipant,
    start_ns: int,
    duration_s: float,
    timezone: str,
    sleep_windows: Sequence[Sleep] = (),
    *,
    seed: int = 0,
    spread: Spread = SPREAD,
    respiration_hz: float | None = None,
) -> SimulatedRR:
    """Beats of hours or days.

    Parameters
    ----------
    start_ns
        Start, UTC nanoseconds.
    duration_s
        Length in s, positive.
    timezone
        IANA zone of the participant: heart rate has a circadian course of local time.
    sleep_windows
        Main sleeps, ascending (`sleep_schedule`); outside them the participant is awake.
    seed
        The same seed, participant and arguments give the same beats.
    spread
        Variability from night to night and day to day; ``Spread(ln_rmssd_night=0, hr_night=0, ...)`` takes it out.
    respiration_hz
        Breathing rate awake instead of the participant's.

    Raises
    ------
    InputError
        When the duration is not positive or sleeps overlap.
    TimeZoneError
        When the zone is unknown.
    """
    if not duration_s > 0 or not math.isfinite(duration_s):
        raise InputError("a simulation lasts a positive number of seconds", found=duration_s)
    if any(w.wake_ns <= w.bed_ns for w in sleep_windows) or any(
        b.bed_ns < a.wake_ns for a, b in itertools.pairwise(sleep_windows)
    ):
        raise InputError("sleep windows ascend and do not overlap", found=sleep_windows)
    rng = random_stream(seed, participant.id, "rr", start_ns)
    n = math.ceil(duration_s / STEP_S) + 1
    clock_s: Floats = np.arange(n, dtype=np.float64) * STEP_S
    asleep = _sleep_depth(clock_s, start_ns, sleep_windows)
    activity = _activity(n, 1.0 - asleep, rng)

    hour = _local_hour(start_ns, clock_s, timezone)
    circadian = 2.5 * np.cos(2 * np.pi * (hour - 15.0) / 24.0)
    day_hr = participant.hr_rest + spread.hr_rest * 0.5 * rng.standard_normal() + circadian + activity
    day_hr += 1.5 * ornstein_uhlenbeck(rng.standard_normal(n), STEP_S, 600.0)
    day_rmssd = (
        participant.rmssd_rest * 0.85 * np.exp(0.5 * spread.ln_rmssd_rest * rng.standard_normal() - activity / 30)
    )
    day_rmssd = day_rmssd * np.exp(0.15 * ornstein_uhlenbeck(rng.standard_normal(n), STEP_S, 900.0))
    night_hr, night_rmssd = _night_courses(participant, clock_s, start_ns, sleep_windows, seed, spread, rng)

    hr = np.clip((1 - asleep) * day_hr + asleep * night_hr, 35.0, 185.0)
    rmssd = np.maximum((1 - asleep) * day_rmssd + asleep * night_rmssd, 2.0)
    breath = respiration_hz or participant.respiration_hz
    wander = ornstein_uhlenbeck(rng.standard_normal(n), STEP_S, 60.0)
    awake_hz = breath + 0.012 * wander + 0.0015 * activity
    respiration = np.clip((1 - asleep) * awake_hz + asleep * (0.9 * breath + 0.006 * wander), 0.1, 0.6)
    baro = (1 - asleep) * BAROREFLEX_SHARE_AWAKE + asleep * BAROREFLEX_SHARE_ASLEEP
    times = _train(duration_s, hr, rmssd, respiration, baro, rng)

    in_sleep = np.zeros(len(times), dtype=bool)
    for window in sleep_windows:
        lo, hi = np.searchsorted(times, [(window.bed_ns - start_ns) / NS_PER_S, (window.wake_ns - start_ns) / NS_PER_S])
        in_sleep[lo:hi] = True
    return SimulatedRR(start_ns, times, in_sleep, tuple(sleep_windows))


def simulate_rest(
    participant: SimulatedParticipant,
    duration_s: float = 300.0,
    *,
    start_ns: int = 0,
    seed: int = 0,
    visit: int = 1,
    spread: Spread = SPREAD,
    respiration_hz: float | None = None,
) -> SimulatedRR:
    """Beats of a seated rest with expected RMSSD ``rmssd_rest`` and heart rate ``hr_rest``, varying between visits.

    Parameters
    ----------
    visit
        Number of the visit; each has its own deviation.
    """
    if not duration_s > 0 or not math.isfinite(duration_s):
        raise InputError("a simulation lasts a positive number of seconds", found=duration_s)
    rng = random_stream(seed, participant.id, "rest", visit)
    shift = rng.standard_normal(2)
    n = math.ceil(duration_s / STEP_S) + 1
    rate = participant.hr_rest + spread.hr_rest * shift[0]
    hr = np.clip(rate + 0.8 * ornstein_uhlenbeck(rng.standard_normal(n), STEP_S, 120.0), 35.0, 185.0)
    rmssd = np.full(n, max(participant.rmssd_rest * math.exp(spread.ln_rmssd_rest * shift[1]), 2.0))
    breath = respiration_hz or participant.respiration_hz
    respiration = np.clip(breath + 0.008 * ornstein_uhlenbeck(rng.standard_normal(n), STEP_S, 60.0), 0.1, 0.6)
    times = _train(duration_s, hr, rmssd, respiration, np.full(n, BAROREFLEX_SHARE_AWAKE), rng)
    return SimulatedRR(start_ns, times, np.zeros(len(times), dtype=bool))


def _train(
    duration_s: float, hr: Floats, rmssd: Floats, respiration: Floats, baro: Floats, rng: np.random.Generator
) -> Floats:
    """Beats of the courses; room for beats is doubled in the rare case that it does not last."""
    room = int(duration_s * float(hr.mean()) / 60.0 * 1.05) + 64
    normals = rng.standard_normal((room, N_NORMALS), dtype=np.float32)
    while True:
        times, used = beat_train(duration_s, STEP_S, hr, rmssd, respiration, baro, WHITE_SHARE, normals)
        if used < len(normals):
            return np.asarray(times)
        normals = np.concatenate([normals, rng.standard_normal(normals.shape, dtype=np.float32)])


def _sleep_depth(clock_s: Floats, start_ns: int, windows: Sequence[Sleep]) -> Floats:
    """0 awake, 1 asleep: smooth steps end at bedtime and begin at waking, so that the window is all sleep."""
    depth = np.zeros(len(clock_s))
    for window in windows:
        bed, wake = (window.bed_ns - start_ns) / NS_PER_S, (window.wake_ns - start_ns) / NS_PER_S
        into = _smooth_step((clock_s - bed + FALLING_ASLEEP_S) / FALLING_ASLEEP_S)
        out = _smooth_step((clock_s - wake) / WAKING_UP_S)
        depth = np.maximum(depth, into * (1 - out))
    return depth


def _smooth_step(x: Floats) -> Floats:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _activity(n: int, awake: Floats, rng: np.random.Generator) -> Floats:
    """Heart rate above rest in bouts of 3 to 40 min, about three every two hours awake."""
    course = np.zeros(n)
    bouts = int(rng.poisson(n * STEP_S / 3600.0 * 1.5))
    for at, length_s, height in zip(
        rng.integers(0, n, bouts), rng.uniform(180, 2400, bouts), rng.gamma(2.0, 8.0, bouts), strict=True
    ):
        stop = min(at + int(length_s / STEP_S), n)
        course[at:stop] = np.maximum(course[at:stop], min(height, 60.0))
    lag = math.exp(-STEP_S / 45.0)
    kernel = (1 - lag) * lag ** np.arange(80)
    smooth: Floats = np.convolve(course * awake, kernel)[:n]
    return smooth * awake


def _local_hour(start_ns: int, clock_s: Floats, timezone: str) -> Floats:
    """Local clock hour along the grid; the offset is looked up every quarter of an hour."""
    zone = zone_info(timezone)
    every = round(900 / STEP_S)
    coarse = [
        datetime.fromtimestamp(start_ns / NS_PER_S + float(s), zone).utcoffset() or timedelta()
        for s in clock_s[::every]
    ]
    offset = np.repeat([c.total_seconds() for c in coarse], every)[: len(clock_s)]
    hour: Floats = ((start_ns / NS_PER_S + clock_s + offset) % 86400) / 3600
    return hour


def _night_courses(
    participant: SimulatedParticipant,
    clock_s: Floats,
    start_ns: int,
    windows: Sequence[Sleep],
    seed: int,
    spread: Spread,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Heart rate and RMSSD asleep; in each window their means are the participant's, up to the night's deviation."""
    hr = np.full(len(clock_s), participant.hr_night)
    rmssd = np.full(len(clock_s), participant.rmssd_night)
    slow = ornstein_uhlenbeck(rng.standard_normal(len(clock_s)), STEP_S, 1200.0)
    for window in windows:
        night = random_stream(seed, participant.id, "night", window.bed_ns)
        shift = night.standard_normal(2)
        turn = night.uniform(0, 2 * np.pi)
        bed, wake = (window.bed_ns - start_ns) / NS_PER_S, (window.wake_ns - start_ns) / NS_PER_S
        near = (clock_s >= bed - 2 * FALLING_ASLEEP_S) & (clock_s <= wake + 2 * WAKING_UP_S)
        inside = (clock_s >= bed) & (clock_s <= wake)
        if not near.any():
            continue
        through = np.clip((clock_s[near] - bed) / (wake - bed), 0.0, 1.0)
        cycle = np.cos(2 * np.pi * clock_s[near] / SLEEP_CYCLE_S + turn)
        fall = 5.0 * (through - 0.65) ** 2 - 1.0
        hr_course = fall - 1.2 * cycle + 0.8 * slow[near]
        ln_course = 0.12 * cycle + 0.08 * slow[near] - 0.04 * fall
        within = inside[near]
        if within.any():
            hr_course = hr_course - hr_course[within].mean()
            ln_course = ln_course - math.log(float(np.exp(ln_course[within]).mean()))
        hr[near] = participant.hr_night + spread.hr_night * shift[0] + hr_course
        rmssd[near] = participant.rmssd_night * np.exp(spread.ln_rmssd_night * shift[1] + ln_course)
    return hr, rmssd


def _minutes_ns(minutes: float, limit: float) -> int:
    return round(float(np.clip(minutes, -limit, limit))) * 60 * NS_PER_S
