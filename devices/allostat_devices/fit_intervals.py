"""Stamped messages of intervals in FIT: ``beat_intervals`` (290) and ``raw_bbi`` (372) of health files.

The public profile does not say whether the stamp of a message belongs to its first or to its last beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import BeatFlag, Notice
from allostat_devices.beat_stamps import LONGEST_MS, RecordedIntervals, place, plausible
from allostat_devices.fit_beats import FoundBeats, count, moved, no_beats, refuse_many
from allostat_devices.fit_clock import FitClock
from allostat_devices.fit_container import Part
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEAT_INTERVALS, RAW_BBI = 290, 372
_STAMP_MS, _INTERVALS = 0, 1
_LENGTH, _SURE, _GAP = 0x3FFF, 0x4000, 0x8000
_NS_PER_MS = 1_000_000
_TOLERANCE_MS = 20.0
"""Steps of two messages' stamps agree with their intervals within this."""
_CLEARLY_MS = 3.0
"""By so much one reading of the stamps must fit better than the next, in the median over messages."""

_READINGS = ("the last beat", "the beginning of the first interval", "the first beat")


@dataclass(frozen=True)
class _Stamped:
    """Intervals of all messages of a kind: flat, with the message of each."""

    stamps_ns: NDArray[np.int64]
    """Of each message."""
    message: NDArray[np.int64]
    length_ms: NDArray[np.float64]
    gap: NDArray[np.bool_]
    """Stretches without beats instead of intervals."""
    flags: NDArray[np.int8]


def stamped_intervals(part: Part, clock: FitClock, file: str) -> FoundBeats | None:
    """Message 290 as beats ``beat_intervals``: intervals in ms."""
    refuse_many(part[BEAT_INTERVALS], _INTERVALS, file)
    rows, lengths = part[BEAT_INTERVALS].arrays(_INTERVALS)
    gap, flags = np.zeros(len(rows), bool), np.zeros(len(rows), np.int8)
    return _beats("beat_intervals", BEAT_INTERVALS, (rows, lengths, gap, flags), part, clock, file)


def raw_intervals(part: Part, clock: FitClock, file: str) -> FoundBeats | None:
    """Message 372 as beats ``raw_bbi``: 14 bits of ms, a bit for high confidence, and a bit for a gap.

    Intervals of low confidence are flagged unusable; a gap passes time and is no interval.
    """
    refuse_many(part[RAW_BBI], _INTERVALS, file)
    rows, words = part[RAW_BBI].arrays(_INTERVALS)
    whole = words.astype(np.int64)
    gap = (whole & _GAP) != 0
    unsure = ~gap & ((whole & _SURE) == 0)
    flags = np.where(unsure, BeatFlag.UNUSABLE, BeatFlag.NORMAL).astype(np.int8)
    return _beats("raw_bbi", RAW_BBI, (rows, (whole & _LENGTH).astype(np.float64), gap, flags), part, clock, file)


def _beats(
    name: str,
    message: int,
    given: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int8]],
    part: Part,
    clock: FitClock,
    file: str,
) -> FoundBeats | None:
    rows, lengths, gap, flags = given
    if not len(rows):
        return None
    skipped = SkippedRows(file, rows=len(rows))
    stamps = clock.stamps(message)
    usable = clock.usable(stamps)[rows]
    count(skipped, "bad_time", ~usable)
    empty = usable & (lengths <= 0)
    count(skipped, "out_of_range", empty | (usable & ~gap & (lengths > 0) & ~plausible(lengths)))
    keep = usable & ~empty
    if not (keep & ~gap).any():
        return FoundBeats(name, no_beats(clock.epoch), skipped.notices())
    times = clock.times_ns(stamps, part[message].numbers(_STAMP_MS))
    order = np.flatnonzero(keep)
    order = order[np.argsort(times[rows[order]], kind="stable")]
    begins = np.diff(rows[order], prepend=-1) != 0
    stamped = _Stamped(times[rows[order]][begins], np.cumsum(begins) - 1, lengths[order], gap[order], flags[order])
    notices = list(skipped.notices())
    reading = _reading_of_stamps(stamped)
    recorded = _recorded(stamped, reading)
    if reading is None:
        n = len(recorded.length_ms)
        told = f"{name}: the file does not tell which beat a stamp belongs to; instants may be off by a message's beats"
        notices.append(Notice("stamp_undecided", told, "warning", n, file))
    else:
        notices.append(Notice("stamp_decided", f"{name}: stamps are those of {_READINGS[reading]}", "info", 1, file))
    placed = place(recorded, epoch=clock.epoch, method=f"FIT {name}")
    return FoundBeats(name, placed.beats, (*notices, *moved(placed, file)))


def _sums(stamped: _Stamped) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each message: all of its time, its first interval, and of each interval the time since its message began."""
    n = len(stamped.stamps_ns)
    total = np.bincount(stamped.message, stamped.length_ms, n).astype(np.float64)
    begins = np.searchsorted(stamped.message, np.arange(n))
    elapsed = np.cumsum(stamped.length_ms)
    since = elapsed - (elapsed[begins] - stamped.length_ms[begins])[stamped.message]
    return total, stamped.length_ms[begins], since


def _reading_of_stamps(stamped: _Stamped) -> int | None:
    """Which of `_READINGS` lets messages go on from each other; None when none or more than one does."""
    total, first, _ = _sums(stamped)
    if len(total) < 2:
        return None
    step = np.diff(stamped.stamps_ns) / _NS_PER_MS
    expected = (total[1:], total[:-1], total[:-1] - first[:-1] + first[1:])
    misfit = [float(np.median(np.abs(step - e))) for e in expected]
    best = int(np.argmin(misfit))
    next_best = min(m for i, m in enumerate(misfit) if i != best)
    clear = next_best >= max(2 * misfit[best], misfit[best] + _CLEARLY_MS)
    return best if clear and misfit[best] <= _TOLERANCE_MS else None


def _recorded(stamped: _Stamped, reading: int | None) -> RecordedIntervals:
    """Intervals with the instants of their ends; without a reading the stamp is taken for the last beat."""
    total, first, since = _sums(stamped)
    shift = (-total, np.zeros(len(total)), -first)[reading or 0]
    begin_ns = stamped.stamps_ns + np.rint(shift * _NS_PER_MS).astype(np.int64)
    ends = begin_ns[stamped.message] + np.rint(since * _NS_PER_MS).astype(np.int64)
    starts = ends - np.rint(stamped.length_ms * _NS_PER_MS).astype(np.int64)
    joined = np.zeros(len(ends), bool)
    joined[1:] = (np.abs(starts[1:] - ends[:-1]) <= _TOLERANCE_MS * _NS_PER_MS) & ~stamped.gap[:-1]
    joined[1:] &= ends[1:] > ends[:-1]
    if reading is None:
        joined[1:] &= stamped.message[1:] == stamped.message[:-1]
    beat = ~stamped.gap & (stamped.length_ms < LONGEST_MS)
    uncertainty = None
    if reading is None:
        uncertainty = np.maximum(total[stamped.message], stamped.length_ms)[beat].astype(np.float32)
    return RecordedIntervals(ends[beat], stamped.length_ms[beat], joined[beat], stamped.flags[beat], uncertainty)
