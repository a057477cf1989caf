"""Exact medians of windows that overlap.

Intervals are counted in bins of 1 ms, counts that move along with the windows tell the bin of the median, and only its
members are put in order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel

_BINS = 4096
"""Bins of 1 ms from 0 on; all longer intervals share the last."""

_COUNT, _COUNTED = 32, (1 << 32) - 1
"""Bits of what is known of a bin that count its intervals in the window; above them stands the last one met."""


@lean_inner_kernel
def put_in_order(values: NDArray[np.float64], n: int) -> None:
    """Sort the first n values, in place (Shell 1959, 10.1145/368370.368387)."""
    gap = n
    while gap > 1:
        gap = max(gap * 5 // 11, 1)
        for i in range(gap, n):
            value, k = values[i], i
            while k >= gap and values[k - gap] > value:
                values[k] = values[k - gap]
                k -= gap
            values[k] = value


@lean_inner_kernel
def _members(nn: NDArray[np.float64], before: NDArray[np.int32], last: int, n: int, held: NDArray[np.float64]) -> None:
    """The last n intervals of a bin, in order."""
    i = last
    for k in range(n):
        held[k] = nn[i]
        i = before[i]
    put_in_order(held, n)


def medians(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of the finite intervals ``first[k]:stop[k]`` of each window k, NaN without any: float64 (w,).

    Quick where both ends of the windows move on; a window that begins or ends earlier than the one before is counted
    anew.
    """
    out = np.full(len(first), np.nan)
    bins, before = np.empty(len(nn), np.uint16), np.empty(len(nn), np.int32)
    # No bin holds more than the longest window. Room for the whole series would be given back to the system after each
    # call and taken anew, which took a sixth of the time of all measures of a day.
    held = np.empty(int(np.max(stop - first, initial=0)))
    _medians(nn, first, stop, bins, before, np.zeros(_BINS + 1, np.int64), held, out)
    return out


@lean_kernel
def _medians(
    nn: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    bins: NDArray[np.uint16],
    before: NDArray[np.int32],
    met: NDArray[np.int64],
    held: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill ``out``; the arrays before it are room.

    ``bins`` and ``before``: of each interval its bin, what is not finite in one behind all others, and the interval
    before it in that bin, of those met. ``met``: of each bin the last one met, and how many there are in the window.
    All places are unsigned: there is nothing to count from the end.
    """
    for i in range(len(nn)):
        value = nn[i]
        bins[i] = np.uint16(min(max(value, 0.0), _BINS - 1.0)) if abs(value) < np.inf else np.uint16(_BINS)
    begin, end, at, below = 0, 0, 0, 0
    for k in range(len(first)):
        if first[k] < begin or stop[k] < end or first[k] >= end:
            for i in range(begin, end):
                met[bins[i]] = 0
            begin, end, below = first[k], first[k], 0
        come, links, gone = bins[end : stop[k]], before[end : stop[k]], bins[begin : first[k]]
        for i in range(len(come)):
            place = come[i]
            known = met[place]
            links[i] = known >> _COUNT
            met[place] = ((end + i) << _COUNT) + (known & _COUNTED) + 1
        for i in range(len(gone)):
            met[gone[i]] -= 1
        # By themselves: one instruction compares many.
        for i in range(len(come)):
            below += 1 if come[i] < at else 0
        for i in range(len(gone)):
            below -= 1 if gone[i] < at else 0
        begin, end = first[k], stop[k]
        n = end - begin - (met[_BINS] & _COUNTED)
        if n == 0:
            continue
        rank = (n - 1) // 2
        while below > rank:
            at -= 1
            below -= met[at] & _COUNTED
        while below + (met[at] & _COUNTED) <= rank:
            below += met[at] & _COUNTED
            at += 1
        found = met[at] & _COUNTED
        _members(nn, before, met[at] >> _COUNT, found, held)
        middle = held[rank - below]
        if n % 2 == 0:
            upper = rank - below + 1
            if upper == found:
                longer = at + 1
                while met[longer] & _COUNTED == 0:
                    longer += 1
                _members(nn, before, met[longer] >> _COUNT, met[longer] & _COUNTED, held)
                upper = 0
            middle = 0.5 * (middle + held[upper])
        out[k] = middle
