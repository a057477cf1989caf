"""Medians of eleven values that slide along a series.

Of seven values the least and the largest are not the median of all eleven. They are dropped, the next value comes in
their place, and so on until one is left. Which values are compared does not depend on them, so that one instruction
works on several windows that follow each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel

WINDOW = 11
_HALF = WINDOW // 2
_BLOCK = 128
ROOM = WINDOW * _BLOCK
"""Length of the working array."""


def _comparisons() -> NDArray[np.int64]:
    """Pairs of values to put in order, one after the other; the value that is left at the end is in the last pair."""
    pairs, kept = [], list(range(_HALF + 2))
    for following in [*range(_HALF + 2, WINDOW), -1]:
        half = len(kept) // 2
        pairs += [(kept[i], kept[-1 - i]) for i in range(half)]
        pairs += [(kept[0], value) for value in kept[1 : len(kept) - half]]
        pairs += [(value, kept[-1]) for value in kept[half:-1]]
        kept = [*kept[1:-1], following]
    return np.array(pairs)


_PAIRS = _comparisons()
_LEFT = int(_PAIRS[-1, 0])
"""Where the median stands at the end: the last pair is that of the middle and the largest of three."""


@lean_inner_kernel
def _of_what_is_there(values: NDArray[np.float64], i: int, held: NDArray[np.float64]) -> float:
    """Median around a value near an end of the series, where the window is shorter."""
    first = max(i - _HALF, 0)
    n = min(i + _HALF + 1, len(values)) - first
    for j in range(n):
        value, k = values[first + j], j
        while k > 0 and held[k - 1] > value:
            held[k] = held[k - 1]
            k -= 1
        held[k] = value
    lower = held[(n - 1) // 2]
    middle: float = lower + (held[n // 2] - lower) * 0.5
    return middle


@lean_inner_kernel
def medians_of_eleven(
    values: NDArray[np.float64], out: NDArray[np.float64], first: int, stop: int, room: NDArray[np.float64]
) -> None:
    """Median of the five values before, the five behind and each value itself; at the ends, of those that are there.

    Parameters
    ----------
    values
        (n,) the series, finite.
    out
        Written in ``first:stop``.
    first, stop
        Places to write.
    room
        (ROOM,) working array.
    """
    whole, end = max(first, _HALF), min(stop, len(values) - _HALF)
    for i in range(first, min(whole, stop)):
        out[i] = _of_what_is_there(values, i, room)
    for block in range(whole, end, _BLOCK):
        steps = min(_BLOCK, end - block)
        for row in range(WINDOW):
            given, copied = values[block - _HALF + row :], room[row * _BLOCK :]
            for k in range(steps):
                copied[k] = given[k]
        for pair in range(len(_PAIRS)):
            less, more = room[_PAIRS[pair, 0] * _BLOCK :], room[_PAIRS[pair, 1] * _BLOCK :]
            for k in range(steps):
                one, other = less[k], more[k]
                less[k] = one if one < other else other
                more[k] = other if one < other else one
        left, written = room[_LEFT * _BLOCK :], out[block:]
        for k in range(steps):
            written[k] = left[k]
    for i in range(max(end, whole, first), stop):
        out[i] = _of_what_is_there(values, i, room)
