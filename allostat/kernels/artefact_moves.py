"""Correction of beats that have a class, after Lipponen and Tarvainen (2019), 10.1080/03091902.2019.1640306.

What differs from the paper is told in `allostat.kernels.artefacts`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.artefact_classes import ECTOPIC, EXTRA, LONG_SHORT, MISSED, NORMAL
from allostat.kernels.compiled import inner_kernel, kernel


@inner_kernel
def _half_way(earlier: float, later: float, whole: bool) -> float:
    middle = earlier + (later - earlier) / 2.0
    return np.floor(middle) if whole else middle


@inner_kernel
def _centre(times: NDArray[np.float64], found: NDArray[np.int8], whole: bool) -> None:
    """Move ectopic and then long or short beats half-way between where their neighbours were, in place."""
    for kind in (ECTOPIC, LONG_SHORT):
        before = 0.0
        for i in range(1, len(times) - 1):
            here = times[i]
            if i > 1 and found[i] == kind:
                times[i] = _half_way(before, times[i + 1], whole)
            before = here


@inner_kernel
def _space(times: NDArray[np.float64], found: NDArray[np.int8], whole: bool) -> None:
    """Give the intervals of each run of ectopic and long or short beats new lengths, in place.

    The run as a whole keeps its length; inside it intervals go evenly from the one before to the one after the run. The
    interval before an ectopic beat's belongs to the run: both are wrong when the beat between them came early, which is
    then given the class too.
    """
    n = len(times)
    i = 2
    while i < n - 1:
        if found[i] == NORMAL and found[i + 1] != ECTOPIC:
            i += 1
            continue
        first = i
        i += 1
        while i < n - 1 and found[i] != NORMAL:
            i += 1
        last = i - 1
        if last == first:
            if i > n - 2:
                break
            last = i
            i += 1
        count = last - first + 1
        before = times[first - 1] - times[first - 2]
        after = times[last + 1] - times[last] if last + 1 < n else before
        start, end = times[first - 1], times[last]
        share = 0.0
        for k in range(1, count):
            share += before + (after - before) * k / (count + 1)
            middle = start + (end - start) * share / (count * (before + after) / 2.0)
            middle = np.floor(middle) if whole else middle
            if found[first + k - 1] == NORMAL and times[first + k - 1] != middle:
                found[first + k - 1] = ECTOPIC
            times[first + k - 1] = middle


@inner_kernel
def displace(times: NDArray[np.float64], found: NDArray[np.int8], whole: bool, spaced: bool) -> None:
    """Move ectopic and long or short beats, in place: half-way between their neighbours, or evenly in runs."""
    if spaced:
        _space(times, found, whole)
    else:
        _centre(times, found, whole)


@kernel
def move(
    times: NDArray[np.float64],
    found: NDArray[np.int8],
    classes: NDArray[np.int8],
    source: NDArray[np.int64],
    whole: bool,
    spaced: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
    """One pass of correction.

    Parameters
    ----------
    times, found
        Beats and what this pass found them to be.
    classes, source
        Classes of earlier passes, which stand where a beat was corrected, and indices in the original series.
    whole
        Whether new times are rounded down to whole numbers.
    spaced
        Whether intervals of a run are spaced evenly, instead of moving each beat half-way between its neighbours.

    Returns
    -------
    times, classes, source
        Corrected.
    place
        Index in ``times`` of each beat given back; of an inserted beat -1 - the index of the beat after it.
    """
    n = len(times)
    room = n
    for i in range(n):
        if found[i] == MISSED:
            room += 1
    new_times = np.empty(room)
    new_found = np.zeros(room, np.int8)
    new_classes = np.zeros(room, np.int8)
    new_source = np.empty(room, np.int64)
    place = np.empty(room, np.int64)
    m = 0
    shortened = False
    for i in range(n):
        if found[i] == EXTRA:
            shortened = True
            continue
        # A beat is inserted between two others, and never before the third beat.
        if found[i] == MISSED and m > 1:
            new_times[m] = _half_way(new_times[m - 1], times[i], whole)
            new_classes[m] = MISSED
            new_source[m] = -1
            place[m] = -1 - i
            m += 1
        new_times[m] = times[i]
        new_source[m] = source[i]
        new_classes[m] = classes[i]
        place[m] = i
        if found[i] == ECTOPIC or found[i] == LONG_SHORT:
            new_found[m] = found[i]
        if shortened and new_classes[m] == NORMAL:
            new_classes[m] = EXTRA
        shortened = False
        m += 1
    new_times = new_times[:m]
    displace(new_times, new_found, whole, spaced)
    for k in range(m):
        if new_found[k] != NORMAL and (new_classes[k] == NORMAL or new_classes[k] == EXTRA):
            new_classes[k] = new_found[k]
    return new_times, new_classes[:m].copy(), new_source[:m].copy(), place[:m].copy()
