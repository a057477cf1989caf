"""Beats out of a strap's memory in FIT message 132: event times of 1/1024 s, most of them as their lowest 12 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import BeatFlag, Beats, Notice
from allostat_devices.beat_stamps import plausible
from allostat_devices.fit_beats import FoundBeats, count, no_beats, refuse_many
from allostat_devices.fit_clock import NO_STAMP, FitClock, rolled
from allostat_devices.fit_container import Part
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

HR = 132
_FRACTION, _TIME_256, _FILTERED_BPM, _EVENT_TIME, _EVENT_TIME_12 = 0, 1, 6, 9, 10
_TICKS_PER_S = 1024
_UNSTEADY = 20
"""Beats after a start of the strap that are not to be trusted: it has not found the rhythm yet."""
_PAUSE_NS = 10_000_000_000
_CLOCKS_AGREE_NS = 1_000_000_000


def beats_of_strap(part: Part, clock: FitClock, file: str) -> FoundBeats | None:
    """Beats of message 132 as ``strap``; None when there are none.

    A message with a stamp ties event times to the clock. Beats outside the activity are clipped, repeated times (the
    filling of a last message) left out, and neither these nor a pause of the timer are bridged. The first beats after
    the strap began, and those whose time is repeated, are flagged unusable.

    Raises
    ------
    InputError
        More beats than a device writes.
    """
    for number in (_EVENT_TIME, _EVENT_TIME_12, _FILTERED_BPM):
        refuse_many(part[HR], number, file)
    rows, ticks = _event_ticks(part)
    if not len(ticks):
        return None
    skipped = SkippedRows(file, rows=len(ticks))
    times, placed = _instants(part, clock, rows, ticks)
    count(skipped, "bad_time", ~placed)
    inside = placed & ~_outside(clock, times)
    outside = placed & ~inside
    latest = np.maximum.accumulate(np.where(inside, times, np.iinfo(np.int64).min))
    later = np.ones(len(times), bool)
    later[1:] = times[1:] > latest[:-1]
    repeated = inside & ~later
    count(skipped, "duplicate", repeated)
    told = _clipped(outside, file)
    keep = np.flatnonzero(inside & later)
    if not len(keep):
        return FoundBeats("strap", no_beats(clock.epoch), (*skipped.notices(), *told))
    breaks = np.zeros(len(keep), bool)
    breaks[1:] = np.diff(keep) > 1
    breaks |= _behind(clock.times_ns(clock.timer.stamps), times[keep])
    unusable = _unsteady(times, placed)
    unusable[:-1] |= repeated[1:]
    beats = Beats.from_times(times[keep], breaks=breaks, source="device", epoch=clock.epoch, method="FIT hr")
    given = ~np.isnan(beats.intervals_ms)
    wild = given & ~plausible(beats.intervals_ms)
    count(skipped, "out_of_range", wild)
    flags = np.where(unusable[keep], BeatFlag.UNUSABLE, np.where(wild, BeatFlag.OUT_OF_RANGE, BeatFlag.NORMAL))
    bpm = _bpm_of_each(part, rows)
    beats = replace(
        beats,
        intervals_ms=np.where(wild, np.nan, beats.intervals_ms),
        flags=flags.astype(np.int8),
        extras={} if bpm is None else {"filtered_bpm": bpm[keep]},
    )
    return FoundBeats("strap", beats, (*skipped.notices(), *told, *_flagged(unusable[keep], file)))


def _clipped(outside: NDArray[np.bool_], file: str) -> tuple[Notice, ...]:
    n = int(outside.sum())
    if not n:
        return ()
    message = f"{n} of {len(outside)} beats in the strap's memory lie before or after the activity and are left out"
    return (Notice("clipped", message, "warning", n, file, int(np.argmax(outside)) + 1),)


def _flagged(unusable: NDArray[np.bool_], file: str) -> tuple[Notice, ...]:
    n = int(unusable.sum())
    if not n:
        return ()
    message = f"{n} beats at starts of the strap or with a repeated time are flagged unusable"
    return (Notice("unusable", message, "info", n, file),)


def _event_ticks(part: Part) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Message and running event time of each beat, `NO_STAMP` before the first whole event time."""
    whole_rows, whole = part[HR].arrays(_EVENT_TIME)
    packed_rows, packed = _unpacked(*part[HR].bytes_of(_EVENT_TIME_12))
    rows = np.concatenate([whole_rows, packed_rows])
    # the whole times of a message come before its packed ones
    order = np.lexsort((np.arange(len(rows)), np.arange(len(rows)) >= len(whole_rows), rows))
    full = np.concatenate([whole, np.full(len(packed), np.nan)])[order]
    low = np.concatenate([np.full(len(whole), np.nan), packed])[order]
    return rows[order], rolled(full, low, 12)


def _unpacked(rows: NDArray[np.int64], octets: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Two numbers of 12 bits out of every three bytes of a message, little end first."""
    if not len(rows):
        return rows, octets
    whole = octets.astype(np.int64)
    first_of_row = np.searchsorted(rows, rows, side="left")
    length = np.searchsorted(rows, rows, side="right") - first_of_row
    within = np.arange(len(rows)) - first_of_row
    at = np.flatnonzero((within % 3 == 0) & (within + 3 <= length))
    low = whole[at] | (whole[at + 1] & 0x0F) << 8
    high = whole[at + 1] >> 4 | whole[at + 2] << 4
    return np.repeat(rows[at], 2), np.stack([low, high], axis=1).ravel().astype(np.float64)


def _instants(
    part: Part, clock: FitClock, rows: NDArray[np.int64], ticks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Instants of event times, and which have one: none before the first message with a stamp.

    A later stamp goes on with the clock of the one before as long as the two agree within a second.
    """
    messages = part[HR]
    stamps = clock.stamps(HR)
    fraction = messages.numbers(_FRACTION) / 32768
    fraction = np.nan_to_num(np.where(np.isnan(fraction), messages.numbers(_TIME_256) / 256, fraction))
    whole = messages.numbers(_EVENT_TIME)
    tied = np.flatnonzero(clock.usable(stamps) & ~np.isnan(whole))
    if not len(tied):
        return np.zeros(len(ticks), np.int64), np.zeros(len(ticks), bool)
    ns = clock.times_ns(stamps[tied]) + np.rint(fraction[tied] * 1e9).astype(np.int64)
    zero_ns = ns - _as_ns(whole[tied].astype(np.int64))
    begins = np.ones(len(tied), bool)
    begins[1:] = np.abs(np.diff(zero_ns)) > _CLOCKS_AGREE_NS
    zero_ns = zero_ns[np.maximum.accumulate(np.where(begins, np.arange(len(tied)), 0))]
    which = np.searchsorted(tied, rows, side="right") - 1
    return zero_ns[np.maximum(which, 0)] + _as_ns(ticks), (which >= 0) & (ticks != NO_STAMP)


def _as_ns(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(ticks * 1_000_000_000 // _TICKS_PER_S, dtype=np.int64)


def _outside(clock: FitClock, times: NDArray[np.int64]) -> NDArray[np.bool_]:
    span = clock.activity_span
    if span is None:
        return np.zeros(len(times), bool)
    first, last = clock.times_ns(np.array(span, np.int64))
    return np.asarray((times < first) | (times > last))


def _behind(events: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which beats are the first after an event."""
    passed = np.searchsorted(np.sort(events), times, side="right")
    return np.asarray(np.diff(passed, prepend=passed[:1]) > 0)


def _unsteady(times: NDArray[np.int64], placed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which beats are among the first after the strap began, or began again after a pause."""
    began = np.ones(len(times), bool)
    began[1:] = (np.diff(times) > _PAUSE_NS) | (placed[1:] & ~placed[:-1])
    index = np.arange(len(times))
    return np.asarray(index - np.maximum.accumulate(np.where(began, index, 0)) < _UNSTEADY)


def _bpm_of_each(part: Part, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The strap's own heart rate beside each beat; None when messages hold other numbers of rates than of beats."""
    rate_rows, rates = part[HR].arrays(_FILTERED_BPM)
    return rates if np.array_equal(rate_rows, rows) else None
