"""Sampling clocks out of time stamps: effective rates, blocks and gaps.

A nominal rate is never trusted: straps of one model differ by 0.1 %. The rate of a block is the median slope over
half its length, which a few late or wrong stamps do not move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.recording import NS_PER_S, Clock, ClockBlock, Epoch
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP_STEPS = 1.5
"""A step longer than this many sample periods is a gap."""
_FEW = 16
"""Blocks shorter than this take the rate of the whole stream."""
_PIECE = 1 << 16


def usable_stamps(
    times_ns: NDArray[np.int64], lines: NDArray[np.int64], skipped: SkippedRows
) -> NDArray[np.bool_] | None:
    """Which rows have a time after all rows before them; None when all have.

    A single stamp far ahead of its neighbours is left out itself instead of everything behind it. Repeated times
    are counted as ``duplicate``, times that run backwards as ``bad_time``.

    Parameters
    ----------
    times_ns
        int64 (n,), as the rows stand in the file.
    lines
        Line of each row, for the count.
    """
    if len(times_ns) < 2 or bool((times_ns[1:] > times_ns[:-1]).all()):
        return None
    keep = np.ones(len(times_ns), dtype=bool)
    spikes = _lone_spikes(times_ns)
    keep[spikes] = False
    _count(skipped, "bad_time", lines[spikes])
    rest = np.flatnonzero(keep)
    stamps = times_ns[rest]
    latest = np.maximum.accumulate(stamps)
    before = np.concatenate([[stamps[0] - 1], latest[:-1]])
    equal, backward = rest[stamps == before], rest[stamps < before]
    keep[equal] = False
    keep[backward] = False
    _count(skipped, "duplicate", lines[equal])
    _count(skipped, "bad_time", lines[backward])
    return keep


def _count(skipped: SkippedRows, code: str, lines: NDArray[np.int64]) -> None:
    if len(lines):
        skipped.add("duplicate" if code == "duplicate" else "bad_time", int(lines.min()), len(lines))


def _lone_spikes(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    before, here, after = times_ns[:-2], times_ns[1:-1], times_ns[2:]
    return (np.flatnonzero((here > after) & (after > before)) + 1).astype(np.int64)


def clock_of(
    times_ns: NDArray[np.int64],
    *,
    nominal_hz: float = math.nan,
    epoch: Epoch = "utc",
    host_offset_ns: int | None = None,
    where: str | None = None,
) -> Clock:
    """The sampling clock of ascending time stamps.

    Parameters
    ----------
    times_ns
        int64 (n,), strictly ascending.
    nominal_hz
        The vendor's rate, kept beside the estimate; needed only when there is a single stamp.
    host_offset_ns
        Host clock minus device clock at the start.

    Returns
    -------
    Clock
        A new block begins where the step exceeds 1.5 sample periods.

    Raises
    ------
    InputError
        When a single stamp leaves no rate to estimate and the vendor states none.
    """
    n = len(times_ns)
    if n == 0:
        return Clock((), 0, epoch, host_offset_ns)
    if n == 1:
        if not nominal_hz > 0:
            raise InputError("one sample alone has no sampling rate", where=where, expected="at least two rows")
        return Clock((ClockBlock(0, int(times_ns[0]), nominal_hz, nominal_hz),), 1, epoch, host_offset_ns)
    steps = np.diff(times_ns)
    usual = median_of(steps.copy())
    starts = np.concatenate([[0], np.flatnonzero(steps > GAP_STEPS * usual) + 1]).astype(np.int64)
    stops = np.concatenate([starts[1:], [n]])
    longest = int(np.argmax(stops - starts))
    whole = _stream_rate(times_ns[starts[longest] : stops[longest]], usual)
    blocks = tuple(
        _block(times_ns[first:stop], int(first), whole, nominal_hz, own_rate=i != longest)
        for i, (first, stop) in enumerate(zip(starts, stops, strict=True))
    )
    return Clock(blocks, n, epoch, host_offset_ns)


def _stream_rate(longest_run_ns: NDArray[np.int64], usual_step: float) -> float:
    return _slope_rate(longest_run_ns) if len(longest_run_ns) >= _FEW else NS_PER_S / usual_step


def _slope_rate(times_ns: NDArray[np.int64]) -> float:
    half = len(times_ns) // 2
    return NS_PER_S * half / median_of(times_ns[half:] - times_ns[: len(times_ns) - half])


def _block(
    times_ns: NDArray[np.int64], start_index: int, stream_rate: float, nominal_hz: float, *, own_rate: bool
) -> ClockBlock:
    # the rate of the stream is that of its longest block
    rate = _slope_rate(times_ns) if own_rate and len(times_ns) >= _FEW else stream_rate
    first = int(times_ns[0])
    late = np.empty(len(times_ns))
    for begin in range(0, len(late), _PIECE):
        # piece by piece, because new memory for each step of so long an array takes longer than the steps
        piece = times_ns[begin : begin + _PIECE]
        late[begin : begin + _PIECE] = (piece - first) - np.arange(begin, begin + len(piece)) * (NS_PER_S / rate)
    return ClockBlock(start_index, first + round(median_of(late)), rate, nominal_hz)


def median_of(values: NDArray[np.int64] | NDArray[np.float64]) -> float:
    """``np.median`` of finite numbers, whose order is lost, in less than half of its time.

    NumPy selects both middle values and, of floats, the largest one besides. Here the upper middle value is selected,
    and the lower one is the largest of those before it.
    """
    middle = len(values) // 2
    values.partition(middle)
    upper = values[middle]
    return float(upper) if len(values) % 2 else float(np.mean([values[:middle].max(), upper]))
