"""Awakenings to which cortisol samples are tied: from a diary, from the wearable's sleep, or stated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeAlias

from allostat.errors import InputError
from allostat.recording import NS_PER_S
from allostat.sleep import SleepWindow
from allostat.tables import DiaryDay, Instant, parse_instant

AwakeningSource: TypeAlias = Literal["stated", "diary", "heart_rate"]
InstantLike: TypeAlias = "Instant | datetime | str"
AwakeningLike: TypeAlias = "InstantLike | DiaryDay | SleepWindow | Awakening"
Wake: TypeAlias = "Mapping[date, InstantLike] | Mapping[str, InstantLike] | Iterable[AwakeningLike]"

SOURCES: tuple[AwakeningSource, ...] = ("stated", "diary", "heart_rate")
PRECISE_SE_MIN = 5.0
"""A wearable's awakening goes before the diary's when its standard error is at most this: the delay of the first sample
that the awakening response allows."""
SAME_AWAKENING_MIN = 180.0
"""Awakenings of different sources closer than this are one awakening."""
DISAGREEMENT_MIN = 15.0
"""Diary and wearable further apart than this disagree."""


@dataclass(frozen=True, slots=True)
class Awakening:
    """One awakening.

    Parameters
    ----------
    instant
        When.
    source
        ``diary``, ``heart_rate`` (estimated from the wearable, `allostat.sleep_windows`), or ``stated`` by the caller.
    se_min
        Standard error in min: 0 for what was told, the estimate's own for ``heart_rate``, NaN when it has none.
    other_minus_this_min
        What another source tells of the same awakening, in min from this; NaN without another.
    other_source
        Which one that is.
    """

    instant: Instant
    source: AwakeningSource = "stated"
    se_min: float = 0.0
    other_minus_this_min: float = math.nan
    other_source: str = ""


def awakenings(
    diary: Iterable[DiaryDay] = (),
    sleep: Iterable[SleepWindow] = (),
    stated: Iterable[InstantLike] = (),
    *,
    timezone: str | None = None,
    sleep_epoch: Literal["utc", "local"] = "utc",
    prefer: Literal["precise", "wearable", "diary"] = "precise",
) -> tuple[Awakening, ...]:
    """Awakenings of one participant in order of time, one for each night, with their sources.

    Parameters
    ----------
    diary
        Days with ``wake``.
    sleep
        Main sleeps of the wearable; each ends with an awakening. To compare the wearable with a diary, make them
        without the diary: `allostat.sleep_windows` gives the diary's own nights where it is told of any.
    stated
        Instants known otherwise; they go before all others.
    timezone
        Zone in which naive local times are placed.
    sleep_epoch
        What the instants of ``sleep`` count from: the ``epoch`` of the beats.
    prefer
        Where diary and wearable tell of the same awakening: ``precise``, the wearable when its standard error is at
        most 5 min and else the diary; or always the one named.

    Returns
    -------
    tuple of Awakening
        The one that is used of each, with what the other source told.

    Notes
    -----
    Objective awakening times are asked for by Stalder et al. 2016 (10.1016/j.psyneuen.2015.10.010). An awakening that
    was seen by no source is not made up.
    """
    told = [Awakening(as_instant(moment)) for moment in stated]
    told += [Awakening(day.wake, "diary") for day in diary if day.wake is not None]
    told += [_of_window(window, sleep_epoch) for window in sleep]
    return merged(told, timezone=timezone, prefer=prefer)


def of_wake(wake: Wake, *, timezone: str | None = None) -> tuple[Awakening, ...]:
    """Awakenings from every form in which callers give them."""
    entries = wake.values() if isinstance(wake, Mapping) else wake
    told: list[Awakening] = []
    for entry in entries:
        match entry:
            case Awakening():
                told.append(entry)
            case SleepWindow():
                told.append(_of_window(entry, "utc"))
            case DiaryDay():
                if entry.wake is not None:
                    told.append(Awakening(entry.wake, "diary"))
            case _:
                told.append(Awakening(as_instant(entry)))
    return merged(told, timezone=timezone)


def as_instant(value: InstantLike) -> Instant:
    """An instant from an ISO text, a datetime (or pandas Timestamp) or an instant."""
    match value:
        case Instant():
            return value
        case datetime():
            return Instant.of(value)
        case str():
            return parse_instant(value)
    raise InputError("not an instant", found=f"{value!r}", expected="ISO text, datetime or Instant")


def _of_window(window: SleepWindow, epoch: Literal["utc", "local"]) -> Awakening:
    instant = Instant(window.end_ns, epoch)
    if window.source == "heart_rate":
        return Awakening(instant, "heart_rate", window.end_se_min)
    return Awakening(instant, "diary" if window.source == "diary" else "stated")


def merged(
    told: Sequence[Awakening],
    *,
    timezone: str | None = None,
    prefer: Literal["precise", "wearable", "diary"] = "precise",
) -> tuple[Awakening, ...]:
    """One awakening for each night from those of all sources, in order of time; see `awakenings`."""
    if prefer not in ("precise", "wearable", "diary"):
        raise InputError("unknown preference", found=prefer, valid=["precise", "wearable", "diary"])
    if timezone is not None:
        told = [replace(one, instant=one.instant.in_zone(timezone)) for one in told]
    kept: list[Awakening] = []
    for one in sorted(told, key=lambda a: (_rank(a, prefer), a.instant.time_ns)):
        others = [i for i, known in enumerate(kept) if known.source != one.source and _same(known, one)]
        if not others:
            kept.append(one)
            continue
        at = min(others, key=lambda i: abs(_minutes_from(kept[i].instant, one.instant)))
        if not kept[at].other_source:
            kept[at] = replace(
                kept[at], other_source=one.source, other_minus_this_min=_minutes_from(kept[at].instant, one.instant)
            )
    return tuple(sorted(kept, key=lambda a: a.instant.time_ns))


def _rank(one: Awakening, prefer: str) -> int:
    """Order in which sources are believed; the lowest first."""
    if one.source == "stated":
        return 0
    if one.source == "diary":
        return 1 if prefer == "diary" else 2
    precise = one.se_min <= PRECISE_SE_MIN
    return 1 if prefer == "wearable" or (prefer == "precise" and precise) else 3


def _same(a: Awakening, b: Awakening) -> bool:
    same_clock = a.instant.epoch == b.instant.epoch
    return same_clock and abs(_minutes_from(a.instant, b.instant)) <= SAME_AWAKENING_MIN


def _minutes_from(start: Instant, end: Instant) -> float:
    return (end.time_ns - start.time_ns) / (60 * NS_PER_S)
