"""Classes of beats after Lipponen and Tarvainen (2019), 10.1080/03091902.2019.1640306: one pass of detection.

What differs from the paper is told in `allostat.kernels.artefacts`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.running_eleven import ROOM as MEDIAN_ROOM
from allostat.kernels.running_eleven import medians_of_eleven
from allostat.kernels.running_quartiles import ROOM as QUARTILE_ROOM
from allostat.kernels.running_quartiles import quarter_ranges

NORMAL = 0
ECTOPIC = 1
MISSED = 2
EXTRA = 3
LONG_SHORT = 4

ALPHA = 5.2
WINDOW_BEATS = 91
C1 = 0.13
C2 = 0.17
FEWEST_BEATS = 4
"""With fewer beats there are not two differences to compare, and all beats are normal."""

ROWS = 6
"""Rows of the working table, one column per beat: interval, difference of intervals, that difference over its
threshold, running median, weighted distance from it, and the threshold of that distance."""

REACH = 51
"""The class of a beat depends on this many beats before and after it: the threshold of the next beat's distance is
taken from 45 distances on either side, each from 5 intervals on either side."""

FAR = 7
"""A beat that moves changes the running medians of 5 beats to either side, and the differences of the next two."""

MARGIN = REACH + 3
"""A beat that moves changes the differences of the two beats after it, which count for the beat before."""


def working_room() -> NDArray[np.float64]:
    """Array that `classify` works in: lean kernels make none."""
    return np.empty(max(MEDIAN_ROOM, QUARTILE_ROOM))


@lean_inner_kernel
def _mean_of_first(values: NDArray[np.float64]) -> float:
    """Mean of the values of the first window, the one that does not exist left out."""
    n = min(len(values), WINDOW_BEATS)
    total = 0.0
    for i in range(1, n):
        total += values[i]
    return total / (n - 1)


@lean_kernel
def fill_intervals(times: NDArray[np.float64], table: NDArray[np.float64]) -> None:
    """Fill the first two rows of the working table."""
    rr, difference = table[0], table[1]
    for i in range(1, len(times)):
        rr[i] = times[i] - times[i - 1]
    rr[0] = _mean_of_first(rr)
    for i in range(1, len(times)):
        difference[i] = rr[i] - rr[i - 1]
    difference[0] = _mean_of_first(difference)


@lean_inner_kernel
def _classify_part(
    table: NDArray[np.float64],
    classes: NDArray[np.int8],
    main: NDArray[np.int8],
    first: int,
    stop: int,
    margin: int,
    start: int,
    last: int,
    room: NDArray[np.float64],
) -> int:
    """`classify` in the columns ``first:stop``."""
    n = len(classes)
    rr, difference, change, median, distance, limit = table[0], table[1], table[2], table[3], table[4], table[5]
    inner_first, inner_stop = first + margin if first > 0 else 0, stop - margin if stop < n else n
    medians_of_eleven(rr, median, inner_first, inner_stop, room)
    for i in range(inner_first, inner_stop):
        distance[i] = rr[i] - median[i]
        if distance[i] < 0.0:
            distance[i] *= 2.0
    # One place that calls for both windows: each place costs when kernels are compiled.
    for step in range(2):
        quarter_ranges(table[1 + 3 * step], WINDOW_BEATS, table[2 + 3 * step], first, stop, room)
    for i in range(first, stop):
        # A threshold of 0 decides nothing.
        change[i] = difference[i] / (ALPHA * (change[i] / 2.0)) if change[i] > 0.0 else np.nan
        limit[i] = ALPHA * (limit[i] / 2.0) if limit[i] > 0.0 else np.nan

    i = start
    while i < last:
        if i >= stop and main[i] == 1:
            return i
        pair = False
        classes[i] = NORMAL
        if abs(change[i]) > 1.0:
            if _ectopic(change, i):
                classes[i] = ECTOPIC
            else:
                classes[i] = _misplaced(table, i)
                pair = abs(change[i + 1]) < abs(change[i + 2])
        main[i] = 1
        i += 1
        if pair:
            classes[i] = _misplaced(table, i)
            main[i] = 0
            i += 1
    if last == n - 2:
        for k in range(i, n):
            classes[k] = NORMAL
            main[k] = 0
    return i


@lean_inner_kernel
def _ectopic(change: NDArray[np.float64], i: int) -> bool:
    """A change that its neighbours answer in the other direction; the series is mirrored at its ends."""
    before = change[i - 1] if i > 0 else change[1]
    after = change[i + 1]
    answered: bool = False
    if change[i] > 1.0:
        bound = -C1 * change[i] - C2
        answered = before < bound and after < bound
    if change[i] < -1.0:
        bound = -C1 * change[i] + C2
        answered = before > bound and after > bound
    return answered


@lean_inner_kernel
def _misplaced(table: NDArray[np.float64], j: int) -> int:
    rr, change, median, distance, limit = table[0], table[2], table[3], table[4], table[5]
    n = len(rr)
    one = change[j + 1]
    two = change[j + 2] if j + 2 < n else change[n - 2]
    decidable = not (np.isnan(one) or np.isnan(two))
    long = decidable and change[j] > 1.0 and (one < -1.0 or two < -1.0)
    short = decidable and change[j] < -1.0 and (one > 1.0 or two > 1.0)
    if not (long or short or abs(distance[j] / limit[j]) > 3.0):
        return NORMAL
    if short and abs(rr[j] + rr[j + 1] - median[j]) < limit[j]:
        return EXTRA
    if long and abs(rr[j] / 2.0 - median[j]) < limit[j]:
        return MISSED
    return LONG_SHORT


@lean_kernel
def classify(
    table: NDArray[np.float64],
    classes: NDArray[np.int8],
    main: NDArray[np.int8],
    parts: NDArray[np.int64],
    margin: int,
    start: int,
    last: int,
    room: NDArray[np.float64],
) -> int:
    """Classes of the beats of parts of a stretch, in place.

    Parameters
    ----------
    table
        (ROWS, n) with the first two rows filled; the others are filled in the parts, and have to be right around them.
    classes
        Written from where the walk begins.
    main
        1 where the walk over the beats stood, 0 where a beat was examined beside the one before it; written like
        ``classes``.
    parts
        (m, 2) first column to fill of each part and the one after the last. Running medians are left as they are in
        the first and last ``margin`` of a part.
    start, last
        The walk begins at ``start``, or below 0 at the last of its steps that is not past the part's beginning. It ends
        at ``last`` (n - 2 at the end of a series), or as soon as it meets, past the part, a step of the walk before
        this one.
    room
        From `working_room`.

    Returns
    -------
    int
        Where the walk ended.
    """
    end = 0
    for part in range(len(parts)):
        first, stop = parts[part, 0], parts[part, 1]
        begin = start
        if start < 0:
            begin = min(first, last)
            while begin > 0 and main[begin] == 0:
                begin -= 1
        end = _classify_part(table, classes, main, first, stop, margin, begin, last, room)
    return end
