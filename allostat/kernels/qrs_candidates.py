"""The humps of the QRS envelope remembered last, and whether beats stand out among them.

Every threshold that follows the signal follows noise too once an electrode is off: nothing in the size of one hump
tells that it is none of a heart. What tells is the company it keeps. Its *clutter* is the sum of the sizes of the
humps around it in its own size, per second: beats of MIT-BIH records have 0.1 to 0.6, with large P waves in noise 1.5;
the largest humps of white, brown or muscle noise have 2 to 3, whatever its strength, for noise has as many humps of
middling size as of any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel

DEPTH = 64
"""Candidates remembered, a power of two. At most about ten a second arise, so this covers the longest look back."""
ROWS = DEPTH - 1

# Columns of a candidate; beats stand behind the `DEPTH` rows of candidates.
TIME, SIZE, SLOPE, STATUS = range(4)
COLUMNS = 4

WAITING, REJECTED, BEAT = 0.0, 1.0, 2.0

# Positions in the state: settings; then room to sort in, and for what `qrs_place` computes around a beat, at most 57
# groups. All others come before.
(SECOND, REFRACTORY) = range(75, 77)
ROOM = 80
STATE = ROOM + DEPTH

ALIKE = 0.6
"""Humps above this share of the typical size count as beats when it is asked whether beats stand out."""
CLEAR = 0.7
"""Clutter below which beats stand out; one window of 5 s in 3,000 of noise has less, and 97 % of those of MIT-BIH."""
REGULAR = 1.25
"""Beats whose longest interval is at most this many times the shortest may have `REGULAR_CLUTTER` instead."""
REGULAR_CLUTTER = 1.3
REGULAR_BEATS = 4
EVEN = 1.12
"""More beats that are so even may have `EVEN_CLUTTER`, as of a second hump in each complex as large as the first."""
EVEN_CLUTTER = 2.0


@lean_inner_kernel
def typical_size(first: int, stop: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> float:
    """Median size of the candidates at least 0.4 times as large as the largest; 0 without any."""
    largest = 0.0
    for serial in range(first, stop):
        largest = max(largest, candidates[serial & ROWS, SIZE])
    n = 0
    for serial in range(first, stop):
        size = candidates[serial & ROWS, SIZE]
        if size >= 0.4 * largest:
            at = ROOM + n
            while at > ROOM and state[at - 1] > size:
                state[at] = state[at - 1]
                at -= 1
            state[at] = size
            n += 1
    return float(0.5 * (state[ROOM + (n - 1) // 2] + state[ROOM + n // 2])) if n > 0 else 0.0


@lean_inner_kernel
def size_of_clear_beats(
    first: int, stop: int, span: float, least: int, state: NDArray[np.float64], candidates: NDArray[np.float64]
) -> float:
    """Typical size of the beats among the candidates from ``first`` to ``stop``; 0 when none stand out.

    ``span``: time in samples over which the candidates spread; ``least``: beats needed.
    """
    typical = typical_size(first, stop, state, candidates)
    beats = 0
    rest = 0.0
    largest = 0.0
    at = -1e18
    shortest = np.inf
    longest = 0.0
    for serial in range(first, stop):
        time, size = candidates[serial & ROWS, TIME], candidates[serial & ROWS, SIZE]
        interval = time - at
        if size < ALIKE * typical:
            rest += size
        elif interval < state[REFRACTORY]:
            # Two humps of one complex, as a pacing spike and the QRS after it: the larger is the beat.
            rest += min(size, largest)
            largest = max(size, largest)
        else:
            if beats > 0:
                shortest = min(shortest, interval)
                longest = max(longest, interval)
            beats += 1
            largest = size
            at = time
    allowed = CLEAR
    if beats >= REGULAR_BEATS and longest < REGULAR * shortest:
        allowed = REGULAR_CLUTTER
        if beats > REGULAR_BEATS and longest < EVEN * shortest:
            allowed = EVEN_CLUTTER
    return typical if beats >= least and rest * state[SECOND] < allowed * typical * span else 0.0


@lean_inner_kernel
def clutter(
    stop: int, after: float, before: float, size: float, state: NDArray[np.float64], candidates: NDArray[np.float64]
) -> float:
    """Sizes of the candidates before number ``stop`` and between two times, in ``size``, per second."""
    total = 0.0
    for serial in range(stop - 1, max(0, stop - DEPTH) - 1, -1):
        row = serial & ROWS
        if candidates[row, TIME] <= after:
            break
        if candidates[row, TIME] < before:
            total += candidates[row, SIZE]
    return float(total * state[SECOND] / (size * (before - after)))
