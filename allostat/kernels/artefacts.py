"""Artefact correction of beat times after Lipponen and Tarvainen (2019), 10.1080/03091902.2019.1640306.

Two series decide: the difference between successive intervals, and the distance of an interval from a running
median. Both are divided by a threshold that follows the recording (5.2 quarter ranges of the 91 beats around).

Deviations from the paper, which leaves these open: a window shrinks at the ends of the series; an interval whose
threshold is 0 is undecidable and therefore normal; the first beat, which ends no interval, is given the mean of the
first 90 intervals (and the mean of their differences), so that nothing depends on beats further away than a window;
detection repeats on the corrected beats while the number of artefacts falls.

Nothing but the number of repetitions depends on the whole series, so that `allostat.kernels.artefact_stream` gives the
same bits from chunks once that number is fixed.

Repetitions look again only at beats near those that moved: the class of a beat depends on 51 beats to either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.artefact_classes import (
    EXTRA,
    FAR,
    FEWEST_BEATS,
    MARGIN,
    MISSED,
    NORMAL,
    ROWS,
    WINDOW_BEATS,
    classify,
    fill_intervals,
    working_room,
)
from allostat.kernels.artefact_moves import displace, move
from allostat.kernels.compiled import kernel


def lipponen_tarvainen(times_ms: NDArray[Any]) -> NDArray[np.int8]:
    """Class of each beat after one pass of detection.

    Parameters
    ----------
    times_ms
        (n,) beat times of a stretch without gaps, ascending, in ms (the classes do not depend on the unit).

    Returns
    -------
    classes
        int8 (n,): 0 normal, 1 ectopic, 2 missed (a beat is missing before this one), 3 extra, 4 long or short.

    References
    ----------
    Lipponen and Tarvainen 2019, 10.1080/03091902.2019.1640306.
    """
    times = _as_float(times_ms)
    n = len(times)
    classes = np.zeros(n, np.int8)
    if n >= FEWEST_BEATS:
        table = np.empty((ROWS, n))
        fill_intervals(times, table)
        classify(table, classes, np.zeros(n, np.int8), np.array([[0, n]]), 0, 0, n - 2, working_room())
    return classes


def correct(
    times_ms: NDArray[Any], passes: int | None = None, *, spaced: bool = False
) -> tuple[NDArray[Any], NDArray[np.int8], NDArray[np.int64]]:
    """Correct the artefacts of a stretch without gaps, repeating detection while their number falls.

    Extra beats are deleted first, then a beat is inserted half-way where one was missed, then ectopic and after
    them long or short beats move half-way between their neighbours. The first two beats and the last never move.

    Parameters
    ----------
    times_ms
        (n,) beat times, ascending, in ms. Integer times (sample numbers) stay integers: half-way is rounded down.
    passes
        Detect and correct exactly this many times; None: as long as the number of artefacts falls.
    spaced
        Instead of moving beats half-way between their neighbours, give the intervals of each run of ectopic and long or
        short beats new lengths between those before and after the run. An early beat makes two intervals wrong, and the
        class of the second lies at the beat after it: half-way, that beat moves instead of the early one, and a quarter
        of the error stays.

    Returns
    -------
    times
        (m,) corrected beat times, of the kind of ``times_ms``.
    classes
        int8 (m,): the class in which a beat was found by any pass, or 0. A beat that ends an interval from which an
        extra beat was deleted has class 3; an inserted beat has class 2.
    source_index
        int64 (m,): index of the beat in ``times_ms``; -1 for an inserted one.

    References
    ----------
    Lipponen and Tarvainen 2019, 10.1080/03091902.2019.1640306.
    """
    if passes is not None and passes < 0:
        raise ValueError("a number of passes is not negative")
    whole = np.asarray(times_ms).dtype.kind in "iu"
    times, classes, source = _correct(_as_float(times_ms), whole, -1 if passes is None else passes, spaced)
    return (times.astype(np.int64) if whole else times), classes, source


def _as_float(times_ms: NDArray[Any]) -> NDArray[np.float64]:
    times = np.ascontiguousarray(times_ms, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
        raise ValueError("beat times are one finite, ascending series: split it at gaps first")
    return times


@kernel
def _move_in_place(
    times: NDArray[np.float64], found: NDArray[np.int8], classes: NDArray[np.int8], whole: bool, spaced: bool
) -> NDArray[np.int8]:
    """A pass of correction as `move`, without extra and missed beats. Returns which beats moved."""
    before = times.copy()
    displace(times, found, whole, spaced)
    moved = np.zeros(len(times), np.int8)
    for i in range(len(times)):
        moved[i] = 1 if times[i] != before[i] else 0
        if found[i] != NORMAL and (classes[i] == NORMAL or classes[i] == EXTRA):
            classes[i] = found[i]
    return moved


@kernel
def _carried(
    before: NDArray[np.float64],
    times: NDArray[np.float64],
    place: NDArray[np.int64],
    table: NDArray[np.float64],
    found: NDArray[np.int8],
    main: NDArray[np.int8],
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """What was known of each beat at its new place, and which beats moved, are new or follow one that is gone."""
    n = len(times)
    new_table = np.empty((ROWS, n))
    new_found = np.zeros(n, np.int8)
    new_main = np.zeros(n, np.int8)
    moved = np.zeros(n, np.int8)
    for m in range(n):
        i = place[m]
        follows = 0 if m == 0 else place[m - 1] + 1
        if i < 0 or i != follows or times[m] != before[i]:
            moved[m] = 1
        if i >= 0:
            new_found[m] = found[i]
            new_main[m] = main[i]
    for row in range(2, ROWS):
        for m in range(n):
            new_table[row, m] = table[row, max(place[m], 0)]
    return new_table, new_found, new_main, moved


@kernel
def _near(moved: NDArray[np.int8]) -> NDArray[np.int64]:
    """First beat and the beat after the last of each part with beats that moved, as far as these decide on classes."""
    n = len(moved)
    for i in range(min(n, WINDOW_BEATS + 1)):
        if moved[i] == 1:  # the first beat's interval is a mean of these
            moved[0] = 1
    parts = np.empty((n // (2 * MARGIN) + 1, 2), np.int64)
    found, m = 0, 0
    while m < n:
        if moved[m] == 0:
            m += 1
            continue
        first, last = m, m
        while m < n and m <= last + 2 * MARGIN:
            if moved[m] == 1:
                last = m
            m += 1
        parts[found, 0], parts[found, 1] = max(first - MARGIN, 0), min(last + MARGIN + 1, n)
        found += 1
    return parts[:found].copy()


def _correct(
    given: NDArray[np.float64], whole: bool, passes: int, spaced: bool
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    """``passes`` below 0: while the number of artefacts falls."""
    n = len(given)
    times = given.copy()
    classes = np.zeros(n, np.int8)
    source = np.arange(n)
    if n < FEWEST_BEATS or passes == 0:
        return times, classes, source
    table = np.empty((ROWS, n))
    found = np.zeros(n, np.int8)
    main = np.zeros(n, np.int8)
    fill_intervals(times, table)
    room = working_room()
    classify(table, found, main, np.array([[0, n]]), 0, 0, n - 2, room)
    artefacts = int(np.count_nonzero(found))
    before = artefacts + 1
    done = 0
    while artefacts > 0 and (done < passes or (passes < 0 and artefacts < before)):
        done += 1
        if np.any((found == EXTRA) | (found == MISSED)):
            earlier = times
            times, classes, source, place = move(times, found, classes, source, whole, spaced)
            if done == passes or len(times) < FEWEST_BEATS:
                break
            table, found, main, moved = _carried(earlier, times, place, table, found, main)
        else:
            moved = _move_in_place(times, found, classes, whole, spaced)
            if done == passes:
                break
        fill_intervals(times, table)
        classify(table, found, main, _near(moved), MARGIN - FAR, -1, len(times) - 2, room)
        before, artefacts = artefacts, int(np.count_nonzero(found))
    return times, classes, source
