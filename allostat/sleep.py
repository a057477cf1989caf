"""Main sleep windows: from a diary, else from the course of the heart rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from allostat.errors import TimeZoneError
from allostat.recording import Beats, Epoch, TimeZone
from allostat.sleep_heart_rate import DAY_NS as DAY_NS
from allostat.sleep_heart_rate import HOUR_NS as HOUR_NS
from allostat.sleep_heart_rate import METHOD, METHOD_LOWEST, NAN, HeartRateNight, epoch_of, heart_rate_nights
from allostat.sleep_heart_rate import NightReason as NightReason
from allostat.sleep_heart_rate import sleep_from_heart_rate as sleep_from_heart_rate
from allostat.zones import local_times

LONGEST_NIGHT_NS = 18 * HOUR_NS
SHORTEST_NIGHT_NS = HOUR_NS
HALF_DAY_NS = DAY_NS // 2


@dataclass(frozen=True, slots=True)
class SleepWindow:
    """One main sleep period.

    Parameters
    ----------
    start_ns, end_ns
        Falling asleep and waking, instants counted as those of the beats.
    source
        ``diary``, or ``heart_rate``: estimated (`sleep_from_heart_rate`).
    quality
        Reason codes: ``NIGHT_FROM_HEART_RATE``, ``NIGHT_AT_UNUSUAL_HOURS`` and the others of
        `allostat.sleep_heart_rate.HeartRateNight`.
    start_se_min, end_se_min
        Standard errors of an estimate in min; NaN for a diary, and where an end was not seen.
    separation
        Distance of sleep from wake in standard deviations of the course; NaN for a diary.
    method
        How it was estimated.
    """

    start_ns: int
    end_ns: int
    source: Literal["diary", "heart_rate", "user"]
    quality: tuple[str, ...] = ()
    start_se_min: float = NAN
    end_se_min: float = NAN
    separation: float = NAN
    method: str = ""


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

    A diary night reaches from going to bed to the next waking, 1 to 18 hours later. Where the diary tells of none
    within half a day, sleep is estimated from the heart rate (`sleep_from_heart_rate`, which also says why a day has
    none) and marked ``NIGHT_FROM_HEART_RATE``.

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
    epoch = epoch_of(recordings)
    found = [_window(night) for night in heart_rate_nights(recordings, zone).found]
    told = [w for w in _diary_windows(diary, zone, epoch) if _holds_beats(recordings, w)]
    new = [w for w in found if not any(_same_night(w, known) for known in told)]
    return sorted([*told, *new], key=lambda w: w.start_ns)


def _window(night: HeartRateNight) -> SleepWindow:
    method = METHOD_LOWEST if "NIGHT_LOWEST_HOURS" in night.codes else METHOD
    return SleepWindow(
        night.start_ns, night.end_ns, "heart_rate", night.codes, night.start_se_min, night.end_se_min, night.separation,
        method,
    )  # fmt: skip


def _same_night(a: SleepWindow, b: SleepWindow) -> bool:
    overlap = min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns)
    return overlap > 0 or abs((a.start_ns + a.end_ns) // 2 - (b.start_ns + b.end_ns) // 2) < HALF_DAY_NS


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
