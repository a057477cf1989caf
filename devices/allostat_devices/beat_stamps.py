"""Beats out of recorded intervals: plain series, stamped starts or ends, and stamps of arrival.

An interval ends at its beat. A stretch of intervals that follow each other without a break begins with a beat of its
own, whose interval is NaN, so k stretches of n intervals together are n + k beats and no difference crosses a break.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.recording import BeatFlag, Beats, BeatSource, Epoch

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAUSIBLE_MS = (200.0, 3000.0)
"""Intervals outside are NaN: no beat of a resting or exercising adult."""
LONGEST_MS = 86_400_000.0
"""A number above one day is no interval and no start offset either."""
_NS_PER_MS = 1_000_000
_APART_NS = _NS_PER_MS
"""Where stamps overlap, the next stretch begins this long after the last one's end."""
_WINDOW = 30
_FEW = 10
_ANCHOR_BEATS = 256
_EARLY = 0.1
"""Quantile of the lateness that stands for an undelayed arrival: the least alone is one lucky packet."""


@dataclass(frozen=True)
class RecordedIntervals:
    """Intervals as a device gave them, each with the instant of its end.

    Parameters
    ----------
    end_ns
        int64 (n,).
    length_ms
        float64 (n,), positive: the recorded length, also where it is implausible.
    joined
        bool (n,): whether the interval begins where the one before ended.
    flags
        int8 (n,) of `BeatFlag`; None for all normal.
    uncertainty_ms
        float32 (n,) or None.
    extras
        Further arrays (n,).
    """

    end_ns: NDArray[np.int64]
    length_ms: NDArray[np.float64]
    joined: NDArray[np.bool_]
    flags: NDArray[np.int8] | None = None
    uncertainty_ms: NDArray[np.float32] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """Beats, and what their placing had to leave out or move."""

    beats: Beats
    implausible: int = 0
    """Intervals outside the plausible range, now NaN."""
    moved: int = 0
    """Stretches whose stamps overlapped the stretch before and that were moved behind it."""


def plausible(length_ms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which intervals lie in the plausible range of 200 to 3000 ms."""
    return np.asarray((length_ms >= PLAUSIBLE_MS[0]) & (length_ms <= PLAUSIBLE_MS[1]))


def place(
    recorded: RecordedIntervals, *, epoch: Epoch, source: BeatSource = "device", method: str = "as recorded"
) -> Placed:
    """Beats of recorded intervals.

    Where a stretch would begin before the one before it has ended, it moves as a whole until 1 ms after that end;
    recorded lengths stay as they are.
    """
    n = len(recorded.end_ns)
    good = plausible(recorded.length_ms)
    flags = np.zeros(n, np.int8) if recorded.flags is None else recorded.flags.astype(np.int8)
    flags = np.where(good, flags, np.int8(BeatFlag.OUT_OF_RANGE)).astype(np.int8)
    joined = recorded.joined.astype(bool).copy()
    if n:
        joined[0] = False
    ends, starts, moved = _without_overlap(recorded.end_ns, recorded.length_ms, joined)
    new = ~joined
    # position of interval i among the beats: one beat per interval before it, and one start per stretch so far
    at = np.arange(n) + np.cumsum(new)
    total = n + int(new.sum())
    times = np.zeros(total, np.int64)
    times[at] = ends
    times[at[new] - 1] = starts[new]
    intervals = np.full(total, np.nan)
    intervals[at] = np.where(good, recorded.length_ms, np.nan)
    all_flags = np.zeros(total, np.int8)
    all_flags[at] = flags
    uncertainty = None
    if recorded.uncertainty_ms is not None:
        uncertainty = np.full(total, np.nan, np.float32)
        uncertainty[at] = recorded.uncertainty_ms
        uncertainty[at[new] - 1] = recorded.uncertainty_ms[new]
    extras = {name: _spread(values, at, at[new] - 1, new, total) for name, values in recorded.extras.items()}
    beats = Beats(times, intervals, all_flags, source, epoch, method, uncertainty, extras)
    return Placed(beats, int(n - good.sum()), moved)


@dataclass(frozen=True, slots=True)
class MarkedBeats:
    """Instants as somebody marked them, with what is known of each.

    Parameters
    ----------
    times_ns
        int64 (n,), strictly ascending.
    usable
        bool (n,): False for a mark that stands for a stretch without usable beats.
    broken
        bool (n,): whether marks were lost right before.
    ectopic
        bool (n,).
    """

    times_ns: NDArray[np.int64]
    usable: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    ectopic: NDArray[np.bool_]


def beats_between(marked: MarkedBeats, *, source: BeatSource, epoch: Epoch, method: str) -> tuple[Beats, int | None]:
    """Beats whose intervals are the times between instants that follow each other without a break.

    Returns
    -------
    beats, first
        ``first`` is the index among the marks of the first implausible interval, which are all NaN and flagged; None
        when there is none.
    """
    breaks = marked.broken.copy()
    breaks[1:] |= ~marked.usable[:-1]
    breaks |= ~marked.usable
    intervals = np.concatenate([[np.nan], np.diff(marked.times_ns) / 1e6])
    intervals[breaks] = np.nan
    out = np.isfinite(intervals) & ~plausible(intervals)
    flags = np.where(marked.ectopic, np.int8(BeatFlag.ECTOPIC), np.int8(BeatFlag.NORMAL)).astype(np.int8)
    flags[out] = BeatFlag.OUT_OF_RANGE
    intervals[out] = np.nan
    use = marked.usable
    beats = Beats(marked.times_ns[use], intervals[use], flags[use], source, epoch, method)
    return beats, int(np.flatnonzero(out)[0]) if out.any() else None


def _spread(
    values: NDArray[Any], at: NDArray[np.int64], start_at: NDArray[np.int64], new: NDArray[np.bool_], total: int
) -> NDArray[Any]:
    spread = np.zeros(total, values.dtype)
    spread[at] = values
    spread[start_at] = values[new]
    return spread


def _without_overlap(
    end_ns: NDArray[np.int64], length_ms: NDArray[np.float64], joined: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Ends and starts after moving stretches that overlap; joined ends that do not ascend are refused."""
    ends = end_ns.astype(np.int64).copy()
    lengths = np.rint(length_ms * _NS_PER_MS).astype(np.int64)
    firsts = np.flatnonzero(~joined)
    stops = np.append(firsts[1:], len(ends)) if len(firsts) else firsts
    moved, last = 0, None
    for first, stop in zip(firsts, stops, strict=True):
        start = int(ends[first] - lengths[first])
        if last is not None and start <= last:
            ends[first:stop] += last + _APART_NS - start
            moved += 1
        last = int(ends[stop - 1])
    return ends, ends - lengths, moved


def chained(
    length_ms: NDArray[np.float64],
    *,
    start_ns: int = 0,
    broken: NDArray[np.bool_] | None = None,
    where: str | None = None,
) -> RecordedIntervals:
    """A plain series: each interval begins where the one before ended.

    Parameters
    ----------
    length_ms
        float64 (n,), positive.
    broken
        bool (n,): rows were lost right before the interval. Time then advances by the series' median, because the
        lost length is not known, and the interval begins a new stretch.

    Raises
    ------
    InputError
        When the series is longer than a hundred years.
    """
    n = len(length_ms)
    lost = np.zeros(n, bool) if broken is None else broken.astype(bool).copy()
    if n:
        lost[0] = False
    good = length_ms[plausible(length_ms)]
    pause = float(np.median(good)) if len(good) else 1000.0
    elapsed = np.cumsum(length_ms + np.where(lost, pause, 0.0))
    if n and elapsed[-1] > 100 * 366 * LONGEST_MS:
        raise InputError("intervals add up to more than a hundred years", where=where, found=float(elapsed[-1]))
    ends = int(start_ns) + np.rint(elapsed * _NS_PER_MS).astype(np.int64)
    return RecordedIntervals(ends, length_ms, ~lost)


def joined_by_stamps(
    end_ns: NDArray[np.int64], length_ms: NDArray[np.float64], tolerance_ms: float
) -> NDArray[np.bool_]:
    """Which intervals begin, within the tolerance, where the one before ended, by the stamps of their ends."""
    joined = np.zeros(len(end_ns), bool)
    if len(end_ns) > 1:
        joined[1:] = np.abs(np.diff(end_ns) / _NS_PER_MS - length_ms[1:]) <= tolerance_ms
    return joined


def by_arrival(
    arrival_ns: NDArray[np.int64], length_ms: NDArray[np.float64], broken: NDArray[np.bool_] | None = None
) -> RecordedIntervals:
    """Intervals of which only the arrival at the host is known, in packets of one or several.

    Each interval has ended before it arrived, and packets are late by different amounts, up to 2 s in a strap's log.
    So beats follow the sum of the intervals, laid against the earliest tenth of arrivals in every 256 beats; that also
    takes out the drift between both clocks. Beats were lost where both the earliest arrival and the lower quartile of
    the 30 beats after a point lie more than half an interval behind those of the 30 beats before it.

    Parameters
    ----------
    arrival_ns
        int64 (n,), not descending.
    length_ms
        float64 (n,), positive.
    broken
        Places at which rows are known to be lost.
    """
    late = arrival_ns / _NS_PER_MS - np.cumsum(length_ms)
    lost = np.zeros(len(length_ms), bool)
    lost[losses(late, length_ms)] = True
    return laid_along_sum(arrival_ns, length_ms, lost if broken is None else lost | broken)


def laid_along_sum(
    arrival_ns: NDArray[np.int64], length_ms: NDArray[np.float64], broken: NDArray[np.bool_]
) -> RecordedIntervals:
    """Intervals as `by_arrival` lays them, where it is known between which of them beats were lost."""
    n = len(length_ms)
    if not n:
        return RecordedIntervals(np.empty(0, np.int64), np.empty(0), np.empty(0, bool))
    elapsed = np.cumsum(length_ms)
    late = arrival_ns / _NS_PER_MS - elapsed
    firsts = np.union1d(np.flatnonzero(broken), [0]).astype(np.int64)
    ends = np.zeros(n, np.int64)
    for first, stop in zip(firsts, np.append(firsts[1:], n), strict=True):
        run = slice(int(first), int(stop))
        ends[run] = np.rint((elapsed[run] + _anchor(late[run])) * _NS_PER_MS).astype(np.int64)
    joined = np.ones(n, bool)
    joined[firsts] = False
    return RecordedIntervals(ends, length_ms, joined)


def losses(late_ms: NDArray[np.float64], length_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Intervals before which beats were lost, by how late each interval arrived after the sum of all before it."""
    n = len(late_ms)
    if n < 4:
        return np.empty(0, np.int64)
    good = length_ms[plausible(length_ms)]
    limit = np.full(n, 0.5 * float(np.median(good)) if len(good) else 500.0)
    beside = np.minimum(np.arange(n), n - np.arange(n))
    # few beats on one side tell their level badly
    limit = np.where(beside < _FEW, np.maximum(limit, PLAUSIBLE_MS[1]), limit)
    step = np.diff(late_ms, prepend=late_ms[0])
    padding = np.full(_WINDOW, np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([padding, late_ms, padding]), _WINDOW)
    least = windows.min(axis=1)
    candidates = np.flatnonzero(_jump(least[:n], least[_WINDOW : _WINDOW + n]) > limit)
    # few beats pass the first test, and only they need the quartile
    before, after = _lower_quartile(windows[candidates]), _lower_quartile(windows[candidates + _WINDOW])
    candidates = candidates[_jump(before, after) > limit[candidates]]
    losses: list[int] = []
    for group in np.split(candidates, np.flatnonzero(np.diff(candidates) > _WINDOW) + 1):
        if len(group):
            losses.append(int(group[np.argmax(step[group])]))
    return np.array(losses, np.int64)


def _jump(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level of the lateness from a beat on minus that before it; 0 where one side has no beats."""
    both = np.isfinite(before) & np.isfinite(after)
    jump = np.zeros(len(before))
    jump[both] = after[both] - before[both]
    return jump


def _lower_quartile(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower quartile of each row's finite values, one of these values; infinite for a row that has none."""
    ordered = np.sort(windows, axis=1)
    held = np.isfinite(ordered).sum(axis=1)
    return np.asarray(ordered[np.arange(len(ordered)), np.maximum(held - 1, 0) // 4])


def _anchor(late_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(late_ms)
    if n < 2 * _ANCHOR_BEATS:
        return np.full(n, np.quantile(late_ms, _EARLY))
    edges = np.linspace(0, n, n // _ANCHOR_BEATS + 1).astype(np.int64)
    sizes = np.diff(edges)
    lowest = np.empty(len(sizes))
    # blocks differ by one beat at most: all of one size at once
    for size in np.unique(sizes):
        of_size = sizes == size
        lowest[of_size] = np.quantile(late_ms[edges[:-1][of_size, None] + np.arange(size)], _EARLY, axis=1)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    return np.asarray(np.interp(np.arange(n), middles, lowest))
