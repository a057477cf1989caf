"""Main sleep without a diary: what `allostat.sleep_course` finds in beats, put on the clock, and why there is none.

The estimate needs no hours of the clock, so that it holds for shift workers and where the clock changes. The clock
decides only in recordings too short to tell a night from a quiet evening.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.errors import TimeZoneError
from allostat.recording import NS_PER_S, BeatFlag, Beats, Epoch, TimeZone
from allostat.sleep_course import REFERENCES, SHORTEST_MIN, MainSleep, main_sleeps, minute_courses
from allostat.zones import local_times

if TYPE_CHECKING:
    import xarray as xr

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
NAN = float("nan")

STRETCH_GAP_NS = 12 * HOUR_NS
"""Data further apart are looked at by themselves."""

LEAST_SEPARATION = 1.0
CLEAR_SEPARATION = 2.0
LEAST_FALL = 0.03
"""Sleep lies this many standard deviations from wake, and its heart rate below by this share unless it lies further. In
simulated days, quiet stretches by day reach 0.85 standard deviations and no night is below 1.2; parts of a night reach
1.4, but their heart rates fall by 1 %."""

CERTAIN_SE_MIN = 30.0
"""With a larger standard error of either end a night is marked ``NIGHT_UNCERTAIN``."""

LONG_DAY_H = 16
"""From 16 hours of data around it on, sleep is believed whenever it is."""

LATEST_USUAL_MIDDLE_H = 9.0
"""With less data only sleep whose middle lies between midnight and here is taken for a night: an evening is the lowest
part of a recording that ends before the night does."""

BIN_NS = 5 * MINUTE_NS
NIGHT_BINS, LEAST_BINS = 60, 48
"""5 hours, 4 of which need heart rate."""

LATEST_LOWEST_MIDDLE_H = 7.0

METHOD = (
    "interval of 3 to 14 h that differs most from the 8 h around it in heart rate, its spread and RMSSD (circular "
    "binary segmentation of their discriminant); ends by least squares of ramps"
)
METHOD_LOWEST = "5 hours of lowest mean heart rate"


class NightReason(IntFlag):
    """Why a day has no main sleep."""

    TOO_LITTLE_HEART_RATE = 1
    """Less than 4 hours of heart rate."""
    NO_CLEAR_SLEEP = 2
    """No interval is lower than what lies around it by enough."""
    UNUSUAL_HOURS = 4
    """An interval was found, but of hours that are no night's in a recording too short to show a whole day."""


@dataclass(frozen=True, slots=True)
class HeartRateNight:
    """One main sleep; instants counted as those of the beats, standard errors in minutes.

    ``codes``: ``NIGHT_FROM_HEART_RATE``, ``NIGHT_AT_UNUSUAL_HOURS`` (middle not between midnight and 9 o'clock),
    ``NIGHT_UNCERTAIN`` (a standard error above 30 min), ``NIGHT_START_NOT_SEEN`` and ``NIGHT_END_NOT_SEEN`` (nothing
    was recorded beyond), ``NIGHT_LOWEST_HOURS`` (only the lowest five hours are known).
    """

    start_ns: int
    end_ns: int
    start_se_min: float
    end_se_min: float
    hr_asleep: float
    hr_awake: float
    separation: float
    codes: tuple[str, ...]


class NightlessDay(NamedTuple):
    """A day from noon to noon of the clock without a main sleep; ``number`` counts from 1970-01-01."""

    number: int
    reason: NightReason


class Nights(NamedTuple):
    """Main sleeps in order, and the days that have data and none."""

    found: list[HeartRateNight]
    without: list[NightlessDay]


def sleep_from_heart_rate(beats: Beats | Sequence[Beats], zone: TimeZone) -> xr.Dataset:
    """Main sleep of each day, estimated from the heart rate, with standard errors.

    Parameters
    ----------
    beats
        One or several recordings with one epoch.
    zone
        The participant's time zone.

    Returns
    -------
    Dataset(night)
        In order of time, a row for each main sleep and for each day from noon to noon that has heart rate but none:
        ``sleep_onset`` ``sleep_offset`` (s from the beats' epoch), ``…_clock`` (h of the local clock), ``…_se`` (min),
        ``sleep_duration`` (h, of elapsed time), ``hr_asleep`` ``hr_awake`` (medians; awake: 8 h before and after),
        ``separation`` (standard deviations). NaN where there is no sleep; ``reasons`` then says why (bit mask of
        `NightReason`). Coordinate ``day``: the noon at which the day begins, in days from 1970-01-01 on the clock.
        Attribute ``quality``: the codes of `HeartRateNight`.

    Raises
    ------
    TimeZoneError
        When the zone is unknown, the beats have no date, or recordings have different epochs.

    References
    ----------
    Perez-Pozuelo et al. 2022, 10.1038/s41598-022-11792-7; Olshen et al. 2004, 10.1093/biostatistics/kxh008.

    Notes
    -----
    Lying awake quietly before or after sleep, or in bed with a book, has the heart rate of sleep and is counted as
    sleep. Compared with no polysomnography; errors in simulated recordings are in the validation page.
    """
    import xarray as xr

    recordings = [beats] if isinstance(beats, Beats) else list(beats)
    epoch = epoch_of(recordings)
    nights = heart_rate_nights(recordings, zone)
    days = [*(_noon_day_of(night, zone, epoch) for night in nights.found), *(day.number for day in nights.without)]
    noons = [
        *((n.start_ns + n.end_ns) // 2 for n in nights.found),
        *(d.number * DAY_NS + DAY_NS for d in nights.without),
    ]
    order = np.argsort(np.array(noons, dtype=np.int64), kind="stable")
    empty = len(nights.without)

    def column(values: Iterable[float]) -> NDArray[np.float64]:
        return np.array([*values, *[NAN] * empty], dtype=np.float64)[order]

    ends = {
        "sleep_onset": (np.array([n.start_ns for n in nights.found], np.int64), "falling asleep"),
        "sleep_offset": (np.array([n.end_ns for n in nights.found], np.int64), "waking"),
    }
    rows: dict[str, tuple[NDArray[np.float64], str, str]] = {}
    for name, (at, long_name) in ends.items():
        clock = (local_times(at, zone, epoch) % DAY_NS) / HOUR_NS
        rows[name] = column(at / NS_PER_S), "s", f"{long_name}, from the epoch of the beats"
        rows[f"{name}_clock"] = column(clock), "h", f"{long_name}, hours of the local clock"
    rows |= {
        "sleep_onset_se": (column(n.start_se_min for n in nights.found), "min", "standard error of falling asleep"),
        "sleep_offset_se": (column(n.end_se_min for n in nights.found), "min", "standard error of waking"),
        "sleep_duration": (
            column((n.end_ns - n.start_ns) / HOUR_NS for n in nights.found), "h", "time from falling asleep to waking"),
        "hr_asleep": (column(n.hr_asleep for n in nights.found), "/min", "median heart rate asleep"),
        "hr_awake": (column(n.hr_awake for n in nights.found), "/min", "median heart rate around the sleep"),
        "separation": (column(n.separation for n in nights.found), "1", "distance of sleep from wake in SD"),
    }  # fmt: skip
    data: dict[str, tuple[str, NDArray[np.generic], dict[str, object]]] = {
        name: ("night", values, {"units": units, "long_name": about, "method": METHOD, "references": REFERENCES})
        for name, (values, units, about) in rows.items()
    }
    reasons = np.array([*[0] * len(nights.found), *(int(d.reason) for d in nights.without)], dtype=np.int8)[order]
    data["reasons"] = ("night", reasons, {
        "long_name": "why there is no sleep", "flag_masks": np.array([r.value for r in NightReason], dtype=np.int8),
        "flag_meanings": " ".join(str(r.name) for r in NightReason)})  # fmt: skip
    coords = {
        "day": ("night", np.array(days, dtype=np.int64)[order], {
            "units": "d", "long_name": "noon that the day begins with, since 1970-01-01 on the clock"}),
    }  # fmt: skip
    codes = dict.fromkeys(code for night in nights.found for code in night.codes)
    attrs = {"timezone": zone.name or "local", "timezone_source": zone.source, "epoch": epoch, "method": METHOD,
             "quality": " ".join(codes)}  # fmt: skip
    return xr.Dataset(data, coords, attrs)


def epoch_of(recordings: Sequence[Beats]) -> Epoch:
    """The epoch that recordings share; ``utc`` without any beats.

    Raises
    ------
    TimeZoneError
        When they count time from different epochs.
    """
    epochs = {b.epoch for b in recordings if len(b)}
    if len(epochs) > 1:
        raise TimeZoneError("recordings count time from different epochs", found=sorted(epochs))
    return next(iter(epochs), "utc")


def heart_rate_nights(recordings: Sequence[Beats], zone: TimeZone) -> Nights:
    """Main sleeps of recordings with one epoch, and the days without any.

    Raises
    ------
    TimeZoneError
        As `sleep_from_heart_rate`.
    """
    epoch = epoch_of(recordings)
    recordings = [b for b in recordings if len(b)]
    if not recordings:
        return Nights([], [])
    series = _together(recordings)
    bins = _heart_rate_bins(series, zone, epoch)
    nights, refused = [], set()
    for first, stop in _stretches(series.times_ns):
        part = _Series(series.times_ns[first:stop], series.intervals_ms[first:stop], series.usable[first:stop])
        zero = int(part.times_ns[0]) // MINUTE_NS
        minute = part.times_ns // MINUTE_NS - zero
        for sleep in main_sleeps(minute_courses(minute, part.intervals_ms, part.usable)):
            if not _is_clear(sleep):
                continue
            night = _on_the_clock(sleep, zero, bins, zone, epoch)
            if night is None:
                middle = np.array([round((zero + (sleep.start + sleep.end) / 2) * MINUTE_NS)], np.int64)
                refused.add(int(_noon_days(local_times(middle, zone, epoch))[0]))
            else:
                nights.append(night)
    known = {_noon_day_of(night, zone, epoch) for night in nights}
    without = []
    # Zones differ by whole minutes, so days are told by minutes.
    minutes = series.times_ns // MINUTE_NS
    minutes = minutes[np.flatnonzero(series.usable)]
    minutes = minutes[np.flatnonzero(np.diff(minutes, prepend=minutes[:1] - 1))] * MINUTE_NS
    for day in np.unique(_noon_days(local_times(minutes, zone, epoch))).tolist():
        if day in known:
            continue
        lowest = _lowest_hours(bins, day)
        if lowest is not None:
            nights.append(lowest)
            continue
        count = int((bins.noon_day == day).sum())
        reason = NightReason.TOO_LITTLE_HEART_RATE if count < LEAST_BINS else NightReason.NO_CLEAR_SLEEP
        without.append(NightlessDay(day, NightReason.UNUSUAL_HOURS if day in refused else reason))
    return Nights(sorted(nights, key=lambda n: n.start_ns), without)


class _Series(NamedTuple):
    """Beats of all recordings in order of time."""

    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    usable: NDArray[np.bool_]


class _Bins(NamedTuple):
    """5-minute bins with data."""

    start_ns: NDArray[np.int64]
    hr: NDArray[np.float64]
    noon_day: NDArray[np.int64]
    wall_ns: NDArray[np.int64]


def _together(recordings: Sequence[Beats]) -> _Series:
    if len(recordings) == 1:  # a fortnight of beats is copied when it has to be
        only = recordings[0]
        return _Series(only.times_ns, only.intervals_ms, _usable(only.intervals_ms, only.flags))
    times = np.concatenate([b.times_ns for b in recordings])
    intervals = np.concatenate([b.intervals_ms for b in recordings])
    flags = np.concatenate([b.flags for b in recordings])
    usable = _usable(intervals, flags)
    order = np.argsort(times, kind="stable")
    return _Series(times[order], intervals[order], usable[order])


def _usable(intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]) -> NDArray[np.bool_]:
    good = (flags != BeatFlag.UNUSABLE) & (flags != BeatFlag.OUT_OF_RANGE)
    return np.asarray(np.isfinite(intervals_ms) & (intervals_ms > 0) & good)


def _stretches(times_ns: NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(times_ns) > STRETCH_GAP_NS) + 1).tolist(), len(times_ns)]
    return list(itertools.pairwise(edges))


def _noon_days(wall_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((wall_ns - DAY_NS // 2) // DAY_NS, dtype=np.int64)


def _noon_day_of(night: HeartRateNight, zone: TimeZone, epoch: Epoch) -> int:
    middle = np.array([(night.start_ns + night.end_ns) // 2], dtype=np.int64)
    return int(_noon_days(local_times(middle, zone, epoch))[0])


def _heart_rate_bins(series: _Series, zone: TimeZone, epoch: Epoch) -> _Bins:
    times, intervals = series.times_ns[series.usable], series.intervals_ms[series.usable]
    # The times ascend: each bin begins where its number differs from the one before.
    bins = times // BIN_NS
    begins = np.ones(len(bins), bool)
    begins[1:] = bins[1:] != bins[:-1]
    number, which = bins[begins], np.cumsum(begins) - 1
    del bins, times
    beats = np.bincount(which, minlength=len(number))
    covered_ms = np.bincount(which, weights=intervals, minlength=len(number))
    # A 5-minute bin has a heart rate when half of it is covered by intervals.
    kept = covered_ms >= 150_000
    start = number[kept] * BIN_NS
    wall = local_times(start, zone, epoch)
    return _Bins(start, 60000.0 * beats[kept] / covered_ms[kept], _noon_days(wall), wall)


def _is_clear(sleep: MainSleep) -> bool:
    falls = sleep.hr_asleep <= (1 - LEAST_FALL) * sleep.hr_awake
    enough = LEAST_SEPARATION if falls else CLEAR_SEPARATION
    return sleep.end - sleep.start >= SHORTEST_MIN and sleep.separation >= enough


def _on_the_clock(sleep: MainSleep, zero: int, bins: _Bins, zone: TimeZone, epoch: Epoch) -> HeartRateNight | None:
    """A sleep as instants; None when it is at unusual hours and too little lies around it to believe that."""
    start, end = (round((zero + at) * MINUTE_NS) for at in (sleep.start, sleep.end))
    middle = (start + end) // 2
    hour = int(local_times(np.array([middle], np.int64), zone, epoch)[0]) % DAY_NS / HOUR_NS
    usual = hour <= LATEST_USUAL_MIDDLE_H
    around = np.abs(bins.start_ns - middle) <= DAY_NS // 2
    if not usual and int(around.sum()) * BIN_NS < LONG_DAY_H * HOUR_NS:
        return None
    errors = (sleep.start_se, sleep.end_se)
    marks = {
        "NIGHT_FROM_HEART_RATE": True,
        "NIGHT_AT_UNUSUAL_HOURS": not usual,
        "NIGHT_START_NOT_SEEN": np.isnan(sleep.start_se),
        "NIGHT_END_NOT_SEEN": np.isnan(sleep.end_se),
        "NIGHT_UNCERTAIN": any(error > CERTAIN_SE_MIN for error in errors),
    }
    codes = tuple(code for code, holds in marks.items() if holds)
    return HeartRateNight(start, end, *errors, sleep.hr_asleep, sleep.hr_awake, sleep.separation, codes)


def _lowest_hours(bins: _Bins, day: int) -> HeartRateNight | None:
    """The lowest five hours of a day too short to show when sleep began and ended."""
    inside = bins.noon_day == day
    count = int(inside.sum())
    if not LEAST_BINS <= count < LONG_DAY_H * HOUR_NS // BIN_NS:
        return None
    start, hr, wall = bins.start_ns[inside], bins.hr[inside], bins.wall_ns[inside]
    place = (start - start[0]) // BIN_NS
    best: tuple[float, int, int] | None = None
    for first in range(count):
        stop = int(np.searchsorted(place, place[first] + NIGHT_BINS))
        if stop - first >= LEAST_BINS:
            mean = float(hr[first:stop].mean())
            if best is None or mean < best[0]:
                best = (mean, first, stop)
    if best is None:
        return None
    mean, first, stop = best
    middle_h = ((int(wall[first]) + int(wall[stop - 1]) + BIN_NS) / 2 % DAY_NS) / HOUR_NS
    if middle_h > LATEST_LOWEST_MIDDLE_H:
        return None
    codes = ("NIGHT_FROM_HEART_RATE", "NIGHT_LOWEST_HOURS", "NIGHT_START_NOT_SEEN", "NIGHT_END_NOT_SEEN")
    return HeartRateNight(int(start[first]), int(start[stop - 1]) + BIN_NS, NAN, NAN, mean, NAN, NAN, codes)
