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

from allostat.kernels.compiled import kernel

NORMAL = 0
ECTOPIC = 1
MISSED = 2
EXTRA = 3
LONG_SHORT = 4

ALPHA = 5.2
WINDOW_BEATS = 91
MEDIAN_BEATS = 11
C1 = 0.13
C2 = 0.17
FEWEST_BEATS = 4
"""With fewer beats there are not two differences to compare, and all beats are normal."""


ROWS = 6
"""Rows of the working table, one column per beat: interval, difference of intervals, that difference over its
threshold, running median, weighted distance from it, and the threshold of that distance."""

_FROM, _TO = (0, 1, 4), (3, 2, 5)
"""Rows of the table that windows slide over, and rows that they fill: medians, then both thresholds."""

REACH = 51
"""The class of a beat depends on this many beats before and after it: the threshold of the next beat's distance is
taken from 45 distances on either side, each from 5 intervals on either side."""

FAR = 7
"""A beat that moves changes the running medians of 5 beats to either side, and the differences of the next two."""

MARGIN = REACH + 3
"""A beat that moves changes the differences of the two beats after it, which count for the beat before."""


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
        classify(table, classes, np.zeros(n, np.int8), 0, n, 0, 0, n - 2)
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
def _quantile(ordered: NDArray[np.float64], n: int, share: float) -> float:
    place = share * (n - 1)
    below = int(place)
    value: float = ordered[below]
    if below + 1 < n:
        value += (ordered[below + 1] - value) * (place - below)
    return value


@kernel
def _insert(ordered: NDArray[np.float64], n: int, value: float) -> None:
    at = n
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value


@kernel
def _delete(ordered: NDArray[np.float64], n: int, value: float) -> None:
    at = 0
    while ordered[at] < value:
        at += 1
    for k in range(at, n - 1):
        ordered[k] = ordered[k + 1]


@kernel
def _running(
    values: NDArray[np.float64], window: int, spread: bool, out: NDArray[np.float64], first: int, stop: int
) -> None:
    """Threshold from the quarter range of sizes (``spread``), or median, of the centred window around each value.

    Written to ``out[first:stop]``. A window shrinks at the ends of ``values``. A threshold of 0 is NaN.
    """
    n = len(values)
    now, then = np.zeros(window + 1), np.zeros(window + 1)
    half = window // 2
    filled = 0
    for i in range(max(first - half, 0), min(first + half + 1, n)):
        _insert(now, filled, abs(values[i]) if spread else values[i])
        filled += 1
    for i in range(first, stop):
        entering, leaving = i + half, i - half - 1
        if i > first and entering < n and leaving >= 0:
            enters, leaves = values[entering], values[leaving]
            if spread:
                enters, leaves = abs(enters), abs(leaves)
            # Every element is chosen among neighbours without a branch: half the time of shifting those in between.
            if enters > leaves:
                now[window] = np.inf
                for k in range(window):
                    here, after = now[k], now[k + 1]
                    moved = after if after < enters else enters
                    moved = moved if here < enters else here
                    then[k] = here if here < leaves else moved
            else:
                then[0] = enters if enters <= now[0] else now[0]
                for k in range(1, window):
                    prior, here = now[k - 1], now[k]
                    moved = prior if prior > enters else enters
                    moved = moved if here > enters else here
                    then[k] = here if here > leaves else moved
            now, then = then, now
        elif i > first and entering < n:
            _insert(now, filled, abs(values[entering]) if spread else values[entering])
            filled += 1
        elif i > first and leaving >= 0:
            _delete(now, filled, abs(values[leaving]) if spread else values[leaving])
            filled -= 1
        if spread:
            wide = _quantile(now, filled, 0.75) - _quantile(now, filled, 0.25)
            out[i] = ALPHA * (wide / 2.0) if wide > 0.0 else np.nan
        else:
            out[i] = _quantile(now, filled, 0.5)


@kernel
def _mean_of_first(values: NDArray[np.float64]) -> float:
    """Mean of the values of the first window, the one that does not exist left out."""
    n = min(len(values), WINDOW_BEATS)
    total = 0.0
    for i in range(1, n):
        total += values[i]
    return total / (n - 1)


@kernel
def fill_intervals(times: NDArray[np.float64], table: NDArray[np.float64]) -> None:
    """Fill the first two rows of the working table."""
    rr, difference = table[0], table[1]
    for i in range(1, len(times)):
        rr[i] = times[i] - times[i - 1]
    rr[0] = _mean_of_first(rr)
    for i in range(1, len(times)):
        difference[i] = rr[i] - rr[i - 1]
    difference[0] = _mean_of_first(difference)


@kernel
def classify(
    table: NDArray[np.float64],
    classes: NDArray[np.int8],
    main: NDArray[np.int8],
    first: int,
    stop: int,
    margin: int,
    start: int,
    last: int,
) -> int:
    """Classes of the beats of a stretch, in place.

    Parameters
    ----------
    table
        (ROWS, n) with the first two rows filled; the others are filled in columns ``first:stop``, and have to be right
        around them.
    classes
        Written from ``start`` on.
    main
        1 where the walk over the beats stood, 0 where a beat was examined beside the one before it; written like
        ``classes``.
    first, stop
        Columns to fill. Running medians are left as they are in the first and last ``margin`` of them.
    start, last
        The walk begins at ``start`` and ends at ``last`` (n - 2 at the end of a series), or as soon as it meets, past
        ``stop``, a step of the walk before this one.

    Returns
    -------
    int
        Where the walk ended.
    """
    n = len(classes)
    rr, difference, change, median, distance = table[0], table[1], table[2], table[3], table[4]
    inner_first, inner_stop = first + margin if first > 0 else 0, stop - margin if stop < n else n
    # One place that calls for all three windows: each place costs seconds when kernels are compiled.
    for step in range(3):
        size = MEDIAN_BEATS if step == 0 else WINDOW_BEATS
        begin, end = (inner_first, inner_stop) if step == 0 else (first, stop)
        _running(table[_FROM[step]], size, step > 0, table[_TO[step]], begin, end)
        if step == 0:
            for i in range(begin, end):
                distance[i] = rr[i] - median[i]
                if distance[i] < 0.0:
                    distance[i] *= 2.0
    for i in range(first, stop):
        change[i] = difference[i] / change[i]

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


@kernel
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


@kernel
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


@kernel
def _half_way(earlier: float, later: float, whole: bool) -> float:
    middle = earlier + (later - earlier) / 2.0
    return np.floor(middle) if whole else middle


@kernel
def _centre(times: NDArray[np.float64], found: NDArray[np.int8], whole: bool) -> None:
    """Move ectopic and then long or short beats half-way between where their neighbours were, in place."""
    for kind in (ECTOPIC, LONG_SHORT):
        before = 0.0
        for i in range(1, len(times) - 1):
            here = times[i]
            if i > 1 and found[i] == kind:
                times[i] = _half_way(before, times[i + 1], whole)
            before = here


@kernel
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


@kernel
def _displace(times: NDArray[np.float64], found: NDArray[np.int8], whole: bool, spaced: bool) -> None:
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
    _displace(new_times, new_found, whole, spaced)
    for k in range(m):
        if new_found[k] != NORMAL and (new_classes[k] == NORMAL or new_classes[k] == EXTRA):
            new_classes[k] = new_found[k]
    return new_times, new_classes[:m].copy(), new_source[:m].copy(), place[:m].copy()


@kernel
def _move_in_place(
    times: NDArray[np.float64], found: NDArray[np.int8], classes: NDArray[np.int8], whole: bool, spaced: bool
) -> NDArray[np.int8]:
    """A pass of correction as `move`, without extra and missed beats. Returns which beats moved."""
    before = times.copy()
    _displace(times, found, whole, spaced)
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
def _classify_near(
    moved: NDArray[np.int8],
    times: NDArray[np.float64],
    table: NDArray[np.float64],
    found: NDArray[np.int8],
    main: NDArray[np.int8],
) -> None:
    """Classes of the beats near those that moved, in place; what is known of the others stands."""
    n = len(times)
    fill_intervals(times, table)
    for i in range(min(n, WINDOW_BEATS + 1)):
        if moved[i] == 1:  # the first beat's interval is a mean of these
            moved[0] = 1
    m = 0
    while m < n:
        if moved[m] == 0:
            m += 1
            continue
        first, last = m, m
        while m < n and m <= last + 2 * MARGIN:
            if moved[m] == 1:
                last = m
            m += 1
        first, stop = max(first - MARGIN, 0), min(last + MARGIN + 1, n)
        start = min(first, n - 2)
        while start > 0 and main[start] == 0:
            start -= 1
        classify(table, found, main, first, stop, MARGIN - FAR, start, n - 2)


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
    classify(table, found, main, 0, n, 0, 0, n - 2)
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
        _classify_near(moved, times, table, found, main)
        before, artefacts = artefacts, int(np.count_nonzero(found))
    return times, classes, source
