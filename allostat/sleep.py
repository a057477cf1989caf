"""Main sleep windows: from a diary, else from the lowest hours of the heart rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from allostat.errors import TimeZoneError
from allostat.recording import NS_PER_S, BeatFlag, Beats, Epoch, TimeZone
from allostat.zones import local_times

BIN_NS = 300 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
NIGHT_BINS = 60
LEAST_BINS = 48
"""4 of the 5 hours need heart rate."""

LEAST_COVERED_S = 150.0
"""A 5-minute bin has a heart rate when half of it is covered by intervals."""

LONG_DAY_BINS = 192
"""From 16 hours of data on, a day shows its lowest hours whenever they are."""

LATEST_USUAL_MIDDLE_H = 9.0
"""With less data only lowest hours whose middle lies between midnight and here are taken for a night: an evening is
the lowest part of a recording that ends before the night does."""

LONGEST_NIGHT_NS = 18 * HOUR_NS
SHORTEST_NIGHT_NS = HOUR_NS


@dataclass(frozen=True, slots=True)
class SleepWindow:
    """One main sleep period.

    Parameters
    ----------
    start_ns, end_ns
        Falling asleep and waking, instants counted as those of the beats.
    source
        ``diary``, or ``heart_rate``: the 5 hours of lowest mean heart rate, whose end is not the time of waking.
    quality
        Reason codes: ``NIGHT_FROM_HEART_RATE``, ``NIGHT_AT_UNUSUAL_HOURS``.
    """

    start_ns: int
    end_ns: int
    source: Literal["diary", "heart_rate", "user"]
    quality: tuple[str, ...] = ()


class DiaryInstant(Protocol):
    """A point in time, as `allostat.tables.instant.Instant`."""

    @property
    def time_ns(self) -> int:
        """Since 1970-01-01."""

    @property
    def epoch(self) -> Literal["utc", "local"]:
        """What it counts from."""

    @property
    def wall_ns(self) -> int | None:
        """The local wall clock, when it is known."""

    def in_zone(self, zone: str) -> DiaryInstant:
        """This instant as UTC."""


class DiaryDay(Protocol):
    """One day of a diary, as `allostat.tables.diary.DiaryDay`."""

    @property
    def wake(self) -> DiaryInstant | None:
        """Waking on this day."""

    @property
    def bed(self) -> DiaryInstant | None:
        """Going to bed at its end."""


def sleep_windows(beats: Beats | Sequence[Beats], zone: TimeZone, diary: Iterable[DiaryDay] = ()) -> list[SleepWindow]:
    """Main sleep windows during recordings.

    A diary night reaches from going to bed to the next waking, 1 to 18 hours later. For a noon-to-noon day without
    one, the 5 hours of lowest mean heart rate (5-minute bins, at least 4 hours of them with data) are taken and marked
    ``NIGHT_FROM_HEART_RATE``. A day with less than 16 hours of data has no night unless those hours have their middle
    between 0 and 9 o'clock; longer days whose middle lies elsewhere are marked ``NIGHT_AT_UNUSUAL_HOURS``.

    Parameters
    ----------
    beats
        One or several recordings with one epoch.
    zone
        The participant's time zone.
    diary
        Days with bed and wake instants.

    Returns
    -------
    list of SleepWindow
        In order; only windows in which there are beats.

    Raises
    ------
    TimeZoneError
        When the zone is unknown or the beats have no date.
    """
    recordings = [b for b in ([beats] if isinstance(beats, Beats) else beats) if len(b)]
    if not recordings:
        return []
    epochs = {b.epoch for b in recordings}
    if len(epochs) > 1:
        raise TimeZoneError("recordings count time from different epochs", found=sorted(epochs))
    epoch = recordings[0].epoch
    bins = _heart_rate_bins(recordings, zone, epoch)
    told = [w for w in _diary_windows(diary, zone, epoch) if _holds_beats(recordings, w)]
    middles = np.array([(w.start_ns + w.end_ns) // 2 for w in told], dtype=np.int64)
    known = set(_noon_days(local_times(middles, zone, epoch)).tolist())
    found = [_lowest_hours(bins, int(day)) for day in np.unique(bins.noon_day) if int(day) not in known]
    return sorted([*told, *(w for w in found if w is not None)], key=lambda w: w.start_ns)


class _Bins(NamedTuple):
    """5-minute bins with data."""

    start_ns: NDArray[np.int64]
    hr: NDArray[np.float64]
    noon_day: NDArray[np.int64]
    wall_ns: NDArray[np.int64]


def _noon_days(wall_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((wall_ns - DAY_NS // 2) // DAY_NS, dtype=np.int64)


def _heart_rate_bins(recordings: list[Beats], zone: TimeZone, epoch: Epoch) -> _Bins:
    times = np.concatenate([b.times_ns for b in recordings])
    intervals = np.concatenate([b.intervals_ms for b in recordings])
    flags = np.concatenate([b.flags for b in recordings])
    usable = np.isfinite(intervals) & (flags != BeatFlag.UNUSABLE) & (flags != BeatFlag.OUT_OF_RANGE)
    number, which = np.unique(times[usable] // BIN_NS, return_inverse=True)
    beats = np.bincount(which, minlength=len(number))
    covered_ms = np.bincount(which, weights=intervals[usable], minlength=len(number))
    kept = covered_ms >= 1000 * LEAST_COVERED_S
    start = number[kept] * BIN_NS
    wall = local_times(start, zone, epoch)
    return _Bins(start, 60000.0 * beats[kept] / covered_ms[kept], _noon_days(wall), wall)


def _lowest_hours(bins: _Bins, day: int) -> SleepWindow | None:
    inside = bins.noon_day == day
    count = int(inside.sum())
    if count < LEAST_BINS:
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
    _, first, stop = best
    middle_h = ((int(wall[first]) + int(wall[stop - 1]) + BIN_NS) / 2 % DAY_NS) / HOUR_NS
    usual = middle_h <= LATEST_USUAL_MIDDLE_H
    if not usual and count < LONG_DAY_BINS:
        return None
    codes = ("NIGHT_FROM_HEART_RATE",) if usual else ("NIGHT_FROM_HEART_RATE", "NIGHT_AT_UNUSUAL_HOURS")
    return SleepWindow(int(start[first]), int(start[stop - 1]) + BIN_NS, "heart_rate", codes)


def _diary_windows(diary: Iterable[DiaryDay], zone: TimeZone, epoch: Epoch) -> list[SleepWindow]:
    days = list(diary)
    beds = sorted(_as_epoch(d.bed, zone, epoch) for d in days if d.bed is not None)
    wakes = sorted(_as_epoch(d.wake, zone, epoch) for d in days if d.wake is not None)
    windows = []
    for bed in beds:
        wake = next((w for w in wakes if SHORTEST_NIGHT_NS <= w - bed <= LONGEST_NIGHT_NS), None)
        if wake is not None:
            windows.append(SleepWindow(bed, wake, "diary"))
    return windows


def _as_epoch(instant: DiaryInstant, zone: TimeZone, epoch: Epoch) -> int:
    """The instant counted as the beats are."""
    if instant.epoch == epoch:
        return instant.time_ns
    if epoch == "local":
        if instant.wall_ns is not None:
            return instant.wall_ns
        return int(local_times(np.array([instant.time_ns]), zone)[0])
    if zone.name is None or epoch == "relative":
        raise TimeZoneError(
            "a diary's clock time cannot be placed beside the beats", found=f"zone {zone.name}, {epoch}"
        )
    return instant.in_zone(zone.name).time_ns


def _holds_beats(recordings: list[Beats], window: SleepWindow) -> bool:
    for beats in recordings:
        lo, hi = np.searchsorted(beats.times_ns, [window.start_ns, window.end_ns])
        if hi > lo:
            return True
    return False
