"""Clocks of a FIT file: time stamps of every kind, the local offset that a file proves, and pauses of the timer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, UNKNOWN_ZONE, Epoch, Marker, Notice, TimeZone
from allostat_devices.fit_container import TIMESTAMP, Part
from allostat_devices.zone_inference import (
    LARGEST_OFFSET_NS,
    QUARTER_NS,
    fixed_offset_name,
    local_to_utc,
    utc_offset_ns,
    zone_named,
    zone_of_options,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORD, EVENT, ACTIVITY, MONITORING, MONITORING_INFO, DEVICE_SETTINGS = 20, 21, 34, 55, 103, 2
FIT_EPOCH_S = 631_065_600
"""1989-12-31 00:00 UTC, from which FIT counts."""
SYSTEM_TIME = 0x1000_0000
"""Smaller stamps count from when the device was switched on."""
NO_STAMP = -1
MAX_EVENTS = 100_000
"""Nobody stops a timer more often in the months that a file may hold."""
_TIMER, _USER_MARKER = 0, 32
_STARTS, _STOPS = (0,), (1, 4, 8, 9)
_TIMESTAMP_16 = 26


def rolled(full: NDArray[np.float64], low: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """Full stamps of a sequence in which some give only their lowest bits.

    Parameters
    ----------
    full
        float64 (n,): the whole stamp, NaN where it is not given.
    low
        float64 (n,): the lowest ``bits`` bits, NaN where they are not given.

    Returns
    -------
    stamps
        int64 (n,). Low bits never run backwards: a smaller number is one turn later. `NO_STAMP` before the first full
        stamp and where neither is given.
    """
    mask = (1 << bits) - 1
    given = np.flatnonzero(~np.isnan(full) | ~np.isnan(low))
    stamps = np.full(len(full), NO_STAMP, np.int64)
    if not len(given):
        return stamps
    is_full = ~np.isnan(full[given])
    whole = np.where(is_full, full[given], 0).astype(np.int64)
    last_bits = np.where(is_full, whole & mask, np.where(is_full, 0, low[given])).astype(np.int64)
    step = np.zeros(len(given), np.int64)
    step[1:] = (last_bits[1:] - last_bits[:-1]) & mask
    step[is_full] = 0
    since = np.cumsum(step)
    reference = np.maximum.accumulate(np.where(is_full, np.arange(len(given)), -1))
    stamps[given] = np.where(reference >= 0, whole[reference] + since - since[reference], NO_STAMP)
    return stamps


class FitClock:
    """Time stamps of one session's messages as instants.

    Parameters
    ----------
    part
        All messages of the session.
    options
        The zone that the caller names wins over what the file tells.
    """

    def __init__(self, part: Part, options: ReadOptions) -> None:
        self._part = part
        self._named = zone_of_options(options)

    def stamps(self, message: int) -> NDArray[np.int64]:
        """FIT seconds of each message in the order of the file; `NO_STAMP` where it has none."""
        messages = self._part[message]
        if message == MONITORING:
            return self._monitoring
        full = messages.numbers(TIMESTAMP)
        found = np.where(np.isnan(full), NO_STAMP, full).astype(np.int64)
        if self._compressed is None:
            return found
        offsets, stamps = self._compressed
        at = np.searchsorted(offsets, messages.offsets)
        at = np.minimum(at, len(offsets) - 1)
        known = offsets[at] == messages.offsets
        return np.where((found == NO_STAMP) & known, stamps[at], found)

    @cached_property
    def _compressed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Positions and stamps of all messages that have one; None when no message has a compressed header."""
        heads = [g.data[g.offsets] for g in self._part.groups]
        if not any(bool((h & 0x80).any()) for h in heads):
            return None
        offsets, full, low = [], [], []
        for group, head in zip(self._part.groups, heads, strict=True):
            offsets.append(group.offsets)
            whole = group.values(TIMESTAMP)
            full.append(whole[:, 0] if whole.shape[1] else np.full(len(group.offsets), np.nan))
            low.append(np.where(head & 0x80, head & 0x1F, np.nan))
        at = np.concatenate(offsets)
        order = np.argsort(at)
        return at[order], rolled(np.concatenate(full)[order], np.concatenate(low)[order], 5)

    @cached_property
    def _monitoring(self) -> NDArray[np.int64]:
        """Stamps of monitoring messages, whose 16 bits follow the last full stamp of a wellness message."""
        both = [self._part[MONITORING_INFO], self._part[MONITORING]]
        offsets = np.concatenate([m.offsets for m in both])
        order = np.argsort(offsets)
        full = np.concatenate([m.numbers(TIMESTAMP) for m in both])[order]
        low = np.concatenate([np.full(len(both[0]), np.nan), both[1].numbers(_TIMESTAMP_16)])[order]
        of_monitoring = (order >= len(both[0])).nonzero()[0]
        return rolled(full, low, 16)[of_monitoring]

    @cached_property
    def _counts_from_power_up(self) -> bool:
        """Whether all stamps are system time."""
        for group in self._part.groups:
            found = group.values(TIMESTAMP)
            if found.size and bool(np.any(found[:, 0] >= SYSTEM_TIME)):
                return False
        return any(g.layout.slot(TIMESTAMP) is not None for g in self._part.groups)

    @cached_property
    def _wall_shift_s(self) -> int | None:
        """Local wall clock minus system time, where the stamps are system time and the activity tells both."""
        if not self._counts_from_power_up:
            return None
        stamps, local = self._local_times(ACTIVITY, 5)
        told = np.flatnonzero((stamps < SYSTEM_TIME) & (local >= SYSTEM_TIME))
        return int(local[told[0]] - stamps[told[0]]) if len(told) else None

    def _local_times(self, message: int, field: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Stamps and local times of the messages that have both."""
        stamps, local = self.stamps(message), self._part[message].numbers(field)
        both = (stamps != NO_STAMP) & ~np.isnan(local)
        return stamps[both], local[both].astype(np.int64)

    @cached_property
    def epoch(self) -> Epoch:
        """``utc``; ``local`` or ``relative`` when the device's clock was never set."""
        if not self._counts_from_power_up:
            return "utc"
        if self._wall_shift_s is None:
            return "relative"
        return "utc" if self._named.known else "local"

    def usable(self, stamps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which stamps can be placed in the epoch of the session."""
        if self._counts_from_power_up:
            return np.asarray((stamps >= 0) & (stamps < SYSTEM_TIME))
        return np.asarray((stamps >= SYSTEM_TIME) & (stamps < 1 << 32))

    def times_ns(self, stamps: NDArray[np.int64], ms: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
        """Instants of stamps in FIT seconds, with further ms where they are known; only `usable` ones mean anything."""
        seconds = stamps + (FIT_EPOCH_S if not self._counts_from_power_up else 0)
        if self._wall_shift_s is not None:
            seconds = seconds + self._wall_shift_s + FIT_EPOCH_S
        times: NDArray[np.int64] = seconds * NS_PER_S
        if ms is not None:
            times = times + np.where(np.isnan(ms), 0, ms).astype(np.int64) * 1_000_000
        if self._wall_shift_s is not None and self._named.name is not None:
            return local_to_utc(times, zone_named(self._named.name))
        return times

    @cached_property
    def proven(self) -> tuple[TimeZone, tuple[Notice, ...]]:
        """The zone that the file tells, and what is odd about it."""
        if self._counts_from_power_up:
            return UNKNOWN_ZONE, ()
        found: list[int] = []
        odd = 0
        for message, number in ((ACTIVITY, 5), (MONITORING_INFO, 0)):
            stamps, local = self._local_times(message, number)
            for difference in dict.fromkeys((local - stamps).tolist()):
                offset = _quarters(difference)
                found += [] if offset is None else [offset]
                odd += offset is None
        notices: list[Notice] = []
        if odd:
            notices.append(Notice("local_time", "local times that are no offset from UTC are not used", "info", odd))
        device = self._device_offset()
        if not found:
            zone = UNKNOWN_ZONE if device is None else TimeZone(fixed_offset_name(device), "device")
            return zone, tuple(notices)
        offsets, first = set(found), found[0]
        if len(offsets) > 1:
            told = ", ".join(fixed_offset_name(o) for o in sorted(offsets))
            notices.append(Notice("zone_changes", f"the file tells several offsets: {told}; the first is used"))
        if device is not None and device not in offsets:
            said, written = fixed_offset_name(device), fixed_offset_name(first)
            notices.append(Notice("zone_differs", f"the device's settings say {said}, its local times {written}"))
        # a device that writes UTC for local time looks the same as a participant in UTC
        return TimeZone(fixed_offset_name(first), "file", weak=first == 0 or len(offsets) > 1), tuple(notices)

    def _device_offset(self) -> int | None:
        """Offset in the device's settings: ``time_offset`` is an int32 although it is declared unsigned."""
        settings = self._part[DEVICE_SETTINGS]
        active = settings.numbers(0)
        active_zone = 0 if not len(active) or np.isnan(active[0]) else int(active[0])
        _, offsets = settings.arrays(2)
        _, quarters = settings.arrays(5)
        seconds = offsets.astype(np.uint32).astype(np.int32)
        if active_zone < len(seconds) and seconds[active_zone]:
            return _quarters(int(seconds[active_zone]))
        if active_zone < len(quarters) and quarters[active_zone]:
            return _quarters(int(quarters[active_zone]) * 900)
        # 0 is also what a device writes that keeps its zone elsewhere
        return None

    def zone(self, first_ns: int) -> tuple[TimeZone, tuple[Notice, ...]]:
        """The zone of the recording that begins at an instant, and notices."""
        proven, notices = self.proven
        if not self._named.known:
            return proven, notices
        assert self._named.name is not None
        if proven.name is not None and not proven.weak and self.epoch == "utc":
            local = first_ns + utc_offset_ns(0, zone_named(proven.name))
            if utc_offset_ns(local, zone_named(self._named.name)) != utc_offset_ns(0, zone_named(proven.name)):
                message = f"the file proves {proven.name} where {self._named.name} was named; the named zone is used"
                notices = (*notices, Notice("zone_differs", message))
        return self._named, notices

    @cached_property
    def timer(self) -> Timer:
        """Starts and stops of the activity timer."""
        events = self._part[EVENT]
        stamps = self.stamps(EVENT)
        kind, action = events.numbers(0), events.numbers(1)
        known = self.usable(stamps) & (kind == _TIMER)
        starts, stops = known & np.isin(action, _STARTS), known & np.isin(action, _STOPS)
        at = np.flatnonzero(starts | stops)
        if len(at) > MAX_EVENTS:
            raise InputError("holds too many timer events", found=len(at), expected=f"at most {MAX_EVENTS}")
        return Timer(events.offsets[at], stamps[at], stops[at])

    def markers(self) -> tuple[Marker, ...]:
        """Starts and stops of the timer, and marks that the person set."""
        found = [
            Marker(int(time), "timer stop" if stop else "timer start")
            for time, stop in zip(self.times_ns(self.timer.stamps), self.timer.stops, strict=True)
        ]
        stamps = self.stamps(EVENT)
        marked = self.usable(stamps) & (self._part[EVENT].numbers(0) == _USER_MARKER)
        found += [Marker(int(time), "marker") for time in self.times_ns(stamps[marked][:MAX_EVENTS])]
        return tuple(sorted(found, key=lambda marker: marker.time_ns))

    @cached_property
    def activity_span(self) -> tuple[int, int] | None:
        """First and last stamp of records and timer events; None when there is neither."""
        records = self.stamps(RECORD)
        stamps = np.concatenate([records[self.usable(records)], self.timer.stamps])
        return (int(stamps.min()), int(stamps.max())) if len(stamps) else None


@dataclass(frozen=True)
class Timer:
    """Timer events: where they stand in the file, when they were, and whether each is a stop."""

    offsets: NDArray[np.int64]
    stamps: NDArray[np.int64]
    stops: NDArray[np.bool_]


def _quarters(offset_s: int) -> int | None:
    """An offset in ns, rounded to a quarter of an hour; None when it is no offset of a zone."""
    rounded = round(offset_s * NS_PER_S / QUARTER_NS) * QUARTER_NS
    if abs(offset_s * NS_PER_S - rounded) > 120 * NS_PER_S or abs(rounded) > LARGEST_OFFSET_NS:
        return None
    return int(rounded)
