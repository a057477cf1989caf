"""RR intervals of an activity in FIT message 78, and what the readers of beats in FIT share.

The intervals have no time of their own: they stand behind the record whose second they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.recording import Beats, Epoch, Notice
from allostat_devices.beat_stamps import (
    PLAUSIBLE_MS,
    Placed,
    RecordedIntervals,
    chained,
    laid_along_sum,
    losses,
    place,
    plausible,
)
from allostat_devices.fit_clock import RECORD, FitClock
from allostat_devices.fit_container import Messages, Part
from allostat_devices.skipped_rows import SkipCode, SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

HRV = 78
MAX_ELEMENTS = 4_000_000
"""Weeks of beats; a file that has room for more is crafted."""
_NS_PER_MS = 1_000_000
_WITHIN = 0.9
"""The first interval of a run ended at any time within its own length, or within the second of the record when that is
shorter. Beats are laid along the earliest tenth of the stamps, which lies by this share of it before the end."""


@dataclass(frozen=True)
class FoundBeats:
    """Beats of one kind of message, and what has to be said of them."""

    name: str
    beats: Beats
    notices: tuple[Notice, ...] = ()


def rr_of_activity(part: Part, clock: FitClock, file: str) -> FoundBeats | None:
    """RR intervals of message 78 as beats ``rr``; None when there are none.

    Inside the run between two records (or timer events) they add up from its stamp, and each record anchors anew. The
    times found so follow the steps of the records; the beats are then laid along the sum of the intervals as
    `by_arrival` does for any stream that comes in packets. Instants are as good as whole seconds and the delay of
    transmission allow, about a second. Intervals out of range and events of the timer break the series.

    Raises
    ------
    InputError
        More beats than a device writes.
    """
    refuse_many(part[HRV], 0, file)
    rows, lengths = part[HRV].arrays(0)
    if not len(lengths):
        return None
    skipped = SkippedRows(file, rows=len(lengths))
    bad = ~plausible(lengths)
    count(skipped, "out_of_range", bad)
    at = part[HRV].offsets[rows]
    pauses = np.searchsorted(clock.timer.offsets, at, side="right")
    breaks = np.zeros(len(lengths), bool)
    breaks[1:] = bad[:-1] | (np.diff(pauses) > 0)
    kept = np.flatnonzero(~bad)
    # an interval that is left out takes the breaks in front of it to the next one that is kept
    broken = np.diff(np.cumsum(breaks)[kept], prepend=0) > 0
    at, lengths = at[kept], lengths[kept]
    if not len(lengths):
        return FoundBeats("rr", no_beats(clock.epoch), skipped.notices())
    anchor_at, anchor_s = _anchors(part, clock)
    epoch: Epoch = clock.epoch
    if len(anchor_s):
        run = np.searchsorted(anchor_at, at, side="right")
        began = clock.times_ns(anchor_s)[np.maximum(run - 1, 0)]
        recorded = _in_runs(began, run, lengths, broken)
    else:
        recorded, epoch = chained(lengths, broken=broken, where=file), "relative"
    placed = place(recorded, epoch=epoch, method="FIT hrv")
    return FoundBeats("rr", placed.beats, (*skipped.notices(), *moved(placed, file)))


def _anchors(part: Part, clock: FitClock) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and stamps of records and timer events in the order of the file; those that run backwards left out."""
    stamps = clock.stamps(RECORD)
    usable = clock.usable(stamps)
    at = np.concatenate([part[RECORD].offsets[usable], clock.timer.offsets])
    seconds = np.concatenate([stamps[usable], clock.timer.stamps])
    order = np.argsort(at)
    at, seconds = at[order], seconds[order]
    forward = seconds >= np.maximum.accumulate(seconds)
    return at[forward], seconds[forward]


def _in_runs(
    began: NDArray[np.int64], run: NDArray[np.int64], lengths: NDArray[np.float64], broken: NDArray[np.bool_]
) -> RecordedIntervals:
    """Intervals of runs between stamps, placed in time.

    Beats are lost where the stamps of 30 runs lie behind the sum of the intervals by more than half an interval; within
    a run there is no evidence of losses.
    """
    elapsed = np.cumsum(lengths)
    first_of_run = np.searchsorted(run, run, side="left")
    until_ms = _WITHIN * np.minimum(lengths[first_of_run], 1000.0)
    within_ms = elapsed - elapsed[first_of_run] + until_ms
    stamps = began + np.rint(within_ms * _NS_PER_MS).astype(np.int64)
    firsts = np.unique(first_of_run)
    lost = broken | jumps(stamps, lengths)
    lost[firsts[losses(stamps[firsts] / _NS_PER_MS - elapsed[firsts], lengths[firsts])]] = True
    recorded = laid_along_sum(stamps, lengths, lost)
    ascending = np.ones(len(lengths), bool)
    ascending[1:] = np.diff(recorded.end_ns) > 0
    return RecordedIntervals(recorded.end_ns, lengths, recorded.joined & ascending)


def jumps(arrival_ns: NDArray[np.int64], length_ms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which intervals arrived so much later or earlier than the one before that no delay of a strap explains it."""
    late = np.zeros(len(length_ms))
    late[1:] = np.diff(arrival_ns) / _NS_PER_MS - length_ms[1:]
    return np.asarray(np.abs(late) > PLAUSIBLE_MS[1])


def refuse_many(messages: Messages, field: int, file: str) -> None:
    """`InputError` when messages have room for more beats than a device writes; nothing is decoded for it."""
    if messages.elements(field) > MAX_ELEMENTS:
        found = messages.elements(field)
        raise InputError("holds too many beats", where=file, found=found, expected=f"at most {MAX_ELEMENTS}")


def count(skipped: SkippedRows, code: SkipCode, rows: NDArray[np.bool_]) -> None:
    """Count the marked rows, the first of them as the line."""
    skipped.add(code, int(np.argmax(rows)) + 1 if len(rows) else 1, int(rows.sum()))


def no_beats(epoch: Epoch) -> Beats:
    """A series without beats."""
    return Beats(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8), "device", epoch)


def moved(placed: Placed, file: str) -> tuple[Notice, ...]:
    """What has to be said of stretches whose stamps overlapped."""
    if not placed.moved:
        return ()
    message = f"{placed.moved} stretches of intervals overlap the one before and were moved behind it"
    return (Notice("overlap", message, "info", placed.moved, file),)
