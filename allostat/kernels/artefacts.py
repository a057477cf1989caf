"""Artefact correction of beat times after Lipponen and Tarvainen (2019), 10.1080/03091902.2019.1640306.

Two series decide: the difference between successive intervals, and the distance of an interval from a running
median. Both are divided by a threshold that follows the recording (5.2 quarter ranges of the 91 beats around).

Deviations from the paper, which leaves these open: a window shrinks at the ends of the series; an interval whose
threshold is 0 is undecidable and therefore normal; detection repeats on the corrected beats while the number of
artefacts falls.
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
    return _classify(_as_float(times_ms))


def correct(times_ms: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int8], NDArray[np.int64]]:
    """Correct the artefacts of a stretch without gaps, repeating detection while their number falls.

    Extra beats are deleted first, then a beat is inserted half-way where one was missed, then ectopic and after
    them long or short beats move half-way between their neighbours. The first two beats and the last never move.

    Parameters
    ----------
    times_ms
        (n,) beat times, ascending, in ms. Integer times (sample numbers) stay integers: half-way is rounded down.

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
    whole = np.asarray(times_ms).dtype.kind in "iu"
    times, classes, source = _correct(_as_float(times_ms), whole)
    return (times.astype(np.int64) if whole else times), classes, source


def _as_float(times_ms: NDArray[Any]) -> NDArray[np.float64]:
    times = np.ascontiguousarray(times_ms, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
        raise ValueError("beat times are one finite, ascending series: split it at gaps first")
    return times


@kernel
def _position(ordered: NDArray[np.float64], n: int, value: float) -> int:
    """First place in ``ordered[:n]`` whose value is not below ``value``."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _replace(ordered: NDArray[np.float64], n: int, old: float, new: float) -> None:
    """Swap one value of a sorted window for another; the values between their places move by one."""
    at = _position(ordered, n, old)
    if new > old:
        while at + 1 < n and ordered[at + 1] < new:
            ordered[at] = ordered[at + 1]
            at += 1
    else:
        while at > 0 and ordered[at - 1] > new:
            ordered[at] = ordered[at - 1]
            at -= 1
    ordered[at] = new


@kernel
def _insert(ordered: NDArray[np.float64], n: int, value: float) -> None:
    at = n
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value


@kernel
def _delete(ordered: NDArray[np.float64], n: int, value: float) -> None:
    for at in range(_position(ordered, n, value), n - 1):
        ordered[at] = ordered[at + 1]


@kernel
def _quantile(ordered: NDArray[np.float64], n: int, share: float) -> float:
    place = share * (n - 1)
    below = int(place)
    value: float = ordered[below]
    if below + 1 < n:
        value += (ordered[below + 1] - value) * (place - below)
    return value


@kernel
def _running(values: NDArray[np.float64], window: int, spread: bool) -> NDArray[np.float64]:
    """Quarter range (``spread``) or median of the centred window around each value, shrinking at the ends."""
    n = len(values)
    out = np.empty(n)
    ordered = np.empty(window + 1)
    half = window // 2
    filled = 0
    for i in range(min(half, n)):
        _insert(ordered, filled, values[i])
        filled += 1
    for i in range(n):
        enters, leaves = i + half, i - half - 1
        if enters < n and leaves >= 0:
            _replace(ordered, filled, values[leaves], values[enters])
        elif enters < n:
            _insert(ordered, filled, values[enters])
            filled += 1
        elif leaves >= 0:
            _delete(ordered, filled, values[leaves])
            filled -= 1
        if spread:
            out[i] = (_quantile(ordered, filled, 0.75) - _quantile(ordered, filled, 0.25)) / 2.0
        else:
            out[i] = _quantile(ordered, filled, 0.5)
    return out


@kernel
def _threshold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = ALPHA * _running(np.abs(values), WINDOW_BEATS, True)
    for i in range(len(spread)):
        if spread[i] == 0.0:
            spread[i] = np.nan
    return spread


@kernel
def _mean_of_others(values: NDArray[np.float64]) -> float:
    total = 0.0
    for i in range(1, len(values)):
        total += values[i]
    return total / (len(values) - 1)


@kernel
def _classify(times: NDArray[np.float64]) -> NDArray[np.int8]:
    n = len(times)
    classes = np.zeros(n, np.int8)
    if n < FEWEST_BEATS:
        return classes
    rr = np.empty(n)
    rr[1:] = times[1:] - times[:-1]
    rr[0] = _mean_of_others(rr)
    change = np.empty(n)
    change[1:] = rr[1:] - rr[:-1]
    change[0] = _mean_of_others(change)
    change /= _threshold(change)
    median = _running(rr, MEDIAN_BEATS, False)
    distance = rr - median
    for i in range(n):
        if distance[i] < 0.0:
            distance[i] *= 2.0
    limit = _threshold(distance)
    distance /= limit

    i = 0
    while i < n - 2:
        if abs(change[i]) <= 1.0:
            i += 1
            continue
        if _ectopic(change, i):
            classes[i] = ECTOPIC
            i += 1
            continue
        examined = 2 if abs(change[i + 1]) < abs(change[i + 2]) else 1
        for j in range(i, i + examined):
            found = _misplaced(rr, change, distance, median, limit, j)
            if found != NORMAL:
                classes[j] = found
        i += examined
    return classes


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
def _misplaced(
    rr: NDArray[np.float64],
    change: NDArray[np.float64],
    distance: NDArray[np.float64],
    median: NDArray[np.float64],
    limit: NDArray[np.float64],
    j: int,
) -> int:
    n = len(rr)
    one = change[j + 1]
    two = change[j + 2] if j + 2 < n else change[n - 2]
    decidable = not (np.isnan(one) or np.isnan(two))
    long = decidable and change[j] > 1.0 and (one < -1.0 or two < -1.0)
    short = decidable and change[j] < -1.0 and (one > 1.0 or two > 1.0)
    if not (long or short or abs(distance[j]) > 3.0):
        return NORMAL
    if short and abs(rr[j] + rr[j + 1] - median[j]) < limit[j]:
        return EXTRA
    if long and abs(rr[j] / 2.0 - median[j]) < limit[j]:
        return MISSED
    return LONG_SHORT


@kernel
def _count(classes: NDArray[np.int8]) -> int:
    found = 0
    for i in range(len(classes)):
        if classes[i] != NORMAL:
            found += 1
    return found


@kernel
def _half_way(earlier: float, later: float, whole: bool) -> float:
    middle = earlier + (later - earlier) / 2.0
    return np.floor(middle) if whole else middle


@kernel
def _apply(
    times: NDArray[np.float64],
    found: NDArray[np.int8],
    classes: NDArray[np.int8],
    source: NDArray[np.int64],
    whole: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    """One pass of correction. ``classes`` are those of earlier passes, which stand where a beat was corrected."""
    n = len(times)
    room = n
    for i in range(n):
        if found[i] == MISSED:
            room += 1
    new_times = np.empty(room)
    new_found = np.zeros(room, np.int8)
    new_classes = np.zeros(room, np.int8)
    new_source = np.empty(room, np.int64)
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
            m += 1
        new_times[m] = times[i]
        new_source[m] = source[i]
        new_classes[m] = classes[i]
        if found[i] == ECTOPIC or found[i] == LONG_SHORT:
            new_found[m] = found[i]
            if new_classes[m] == NORMAL or new_classes[m] == EXTRA:
                new_classes[m] = found[i]
        if shortened and new_classes[m] == NORMAL:
            new_classes[m] = EXTRA
        shortened = False
        m += 1
    new_times = new_times[:m]
    for kind in (ECTOPIC, LONG_SHORT):
        before = new_times.copy()
        for i in range(2, m - 1):
            if new_found[i] == kind:
                new_times[i] = _half_way(before[i - 1], before[i + 1], whole)
    return new_times, new_classes[:m].copy(), new_source[:m].copy()


@kernel
def _correct(
    times: NDArray[np.float64], whole: bool
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    classes = np.zeros(len(times), np.int8)
    source = np.arange(len(times))
    found = _classify(times)
    artefacts = _count(found)
    before = artefacts + 1
    while 0 < artefacts < before:
        times, classes, source = _apply(times, found, classes, source, whole)
        before = artefacts
        found = _classify(times)
        artefacts = _count(found)
    return times, classes, source
