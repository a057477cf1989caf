"""Exact medians of windows that overlap.

Intervals are counted in bins of 1 ms, counts that move along with the windows tell the bin of the median, and only its
members are put in order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

_BINS = 4096
"""Bins of 1 ms from 0 on; all longer intervals share the last."""


@inner_kernel
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


@inner_kernel
def _members(nn: NDArray[np.float64], after: NDArray[np.int32], head: int, n: int, held: NDArray[np.float64]) -> None:
    """The n intervals of a bin that are in the window, in order."""
    i = head
    for k in range(n):
        held[k] = nn[i]
        i = after[i]
    put_in_order(held, n)


@kernel
def medians(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of the finite intervals ``first[k]:stop[k]`` of each window k, NaN without any: float64 (w,)."""
    out = np.full(len(first), np.nan)
    # Of each interval: its bin (-1 for none) and the next interval in it. Of each bin: the first one in the window, or
    # the next to come, and how many there are.
    bins, after = np.empty(len(nn), np.int16), np.empty(len(nn), np.int32)
    counts, heads = np.zeros(_BINS, np.int64), np.full(_BINS, len(nn), np.int32)
    for i in range(len(nn) - 1, -1, -1):
        value = nn[i]
        if abs(value) < np.inf:
            place = int(min(max(value, 0.0), _BINS - 1.0))
            bins[i] = place
            after[i] = heads[place]
            heads[place] = i
        else:
            bins[i] = -1
    held = np.empty(len(nn))
    begin, end, n, at, below = 0, 0, 0, 0, 0
    for k in range(len(first)):
        if first[k] >= end or stop[k] <= begin:
            for place in range(_BINS):
                counts[place], heads[place] = 0, len(nn)
            begin, end, n, below = first[k], first[k], 0, 0
            at = max(int(bins[begin]), 0) if begin < len(nn) else 0
        # Beats that come in (+1) and go (-1) at either end of the window.
        for change in range(4):
            low, high, sign = end, stop[k], 1
            if change == 1:
                low, high, sign = first[k], begin, 1
            elif change == 2:
                low, high, sign = stop[k], end, -1
            elif change == 3:
                low, high, sign = begin, first[k], -1
            for i in range(low, high):
                place = bins[i]
                if place < 0:
                    continue
                if sign > 0:
                    heads[place] = min(heads[place], i)
                else:
                    heads[place] = after[i] if heads[place] == i else heads[place]
                counts[place] += sign
                n += sign
                below += sign if place < at else 0
        begin, end = first[k], stop[k]
        if n == 0:
            continue
        rank = (n - 1) // 2
        while below > rank:
            at -= 1
            below -= counts[at]
        while below + counts[at] <= rank:
            below += counts[at]
            at += 1
        found = counts[at]
        _members(nn, after, heads[at], found, held)
        middle = held[rank - below]
        if n % 2 == 0:
            upper = rank - below + 1
            if upper == found:
                longer = at + 1
                while counts[longer] == 0:
                    longer += 1
                _members(nn, after, heads[longer], counts[longer], held)
                upper = 0
            middle = 0.5 * (middle + held[upper])
        out[k] = middle
    return out
