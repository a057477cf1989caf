"""Which candidates are beats: an adaptive threshold with memory, shared by the R-peak and the systolic-peak detector.

A detector's front end turns samples into candidates, a few a second, each with a size (what the threshold looks at)
and a slope (what tells a QRS complex from a T wave). This rule keeps the last `DEPTH` of them and decides on one as
soon as nothing within the refractory time can outdo it. The ideas are those of Pan and Tompkins (1985),
10.1109/TBME.1985.325532, and Hamilton and Tompkins (1986), 10.1109/TBME.1986.325695: running levels of beats and of
what is no beat, a T-wave test by slope, and a look back with a lower threshold when a beat is overdue. Deviations:
sizes are amplitudes, not energies; the noise level is that of the candidates of the last two seconds; levels are
learned anew when nothing was found for long.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

DEPTH = 64
"""Candidates remembered. At most about ten a second arise, so this covers the longest look back."""

# Columns of a candidate. A detector's front end writes all but STATUS; ALT_* is the extremum of the other polarity.
TIME, SIZE, SLOPE, STATUS, UP_AT, UP_SIZE, UP_JITTER, DOWN_AT, DOWN_SIZE, DOWN_JITTER = range(10)
COLUMNS = 10

WAITING, REJECTED, BEAT = 0.0, 1.0, 2.0

# Levels: the rule's memory in float64.
(LEVEL, INTERVAL, LAST_TIME, LAST_AT, LAST_SLOPE, POLARITY, LEARN_UNTIL) = range(7)
LEVELS = 7

# Counters: the rule's memory in int64.
SERIAL, PENDING, LEARNED, BEATS = range(4)
COUNTERS = 4

# Settings; times in samples.
(
    REFRACTORY,
    TWAVE_WINDOW,
    TWAVE_SLOPE,
    THRESHOLD,
    NOISE_FACTOR,
    NOISE_WINDOW,
    ADAPTATION,
    GROWTH,
    OVERDUE,
    OVERDUE_THRESHOLD,
    OVERDUE_DISTANCE,
    LEARNING,
    RELEARN,
    TYPICAL_INTERVAL,
    POLARITY_WEIGHT,
    PATIENCE,
) = range(16)
SETTINGS = 16

SMALL = 0.1
"""Candidates below this share of the level cannot be beats while beats keep coming."""


def fresh(settings: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Empty candidates, levels and counters."""
    levels = np.zeros(LEVELS)
    levels[INTERVAL] = settings[TYPICAL_INTERVAL]
    levels[LAST_TIME] = -1e18
    levels[LAST_AT] = -1e18
    counters = np.zeros(COUNTERS, dtype=np.int64)
    counters[PENDING] = -1
    return np.zeros((DEPTH, COLUMNS)), levels, counters


@kernel
def offer(
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    """Take the candidate that the front end wrote at row ``counters[SERIAL] % DEPTH``; returns the new ``n_out``."""
    serial = counters[SERIAL]
    row = serial % DEPTH
    candidates[row, STATUS] = WAITING
    counters[SERIAL] = serial + 1
    if counters[LEARNED] == 0:
        if serial == 0:
            levels[LEARN_UNTIL] = candidates[row, TIME] + settings[LEARNING]
        if candidates[row, TIME] < levels[LEARN_UNTIL] and serial < DEPTH - 1:
            return n_out
        return learn(candidates, levels, counters, settings, out, n_out)
    return _queue(serial, candidates, levels, counters, settings, out, n_out)


@kernel
def is_small(size: float, time: float, levels: NDArray[np.float64], counters: NDArray[np.int64], rest: float) -> bool:
    """Whether a candidate need not be looked at closely: far too small, and a beat lies less than ``rest`` back."""
    return bool(counters[LEARNED] == 1 and size < SMALL * levels[LEVEL] and time - levels[LAST_TIME] < rest)


@kernel
def pass_over(candidates: NDArray[np.float64], counters: NDArray[np.int64]) -> None:
    """Remember the candidate that the front end wrote as noise only."""
    row = counters[SERIAL] % DEPTH
    candidates[row, STATUS] = REJECTED
    candidates[row, UP_SIZE] = 0.0
    candidates[row, DOWN_SIZE] = 0.0
    counters[SERIAL] += 1


@kernel
def deadline(candidates: NDArray[np.float64], counters: NDArray[np.int64], settings: NDArray[np.float64]) -> float:
    """Sample at which the pending candidate is decided on at the latest; infinite when there is none."""
    if counters[PENDING] < 0:
        return np.inf
    return float(candidates[counters[PENDING] % DEPTH, TIME] + settings[REFRACTORY] + settings[PATIENCE])


@kernel
def learn(
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    """Set the first level from the candidates so far, then decide on them; returns the new ``n_out``."""
    counters[LEARNED] = 1
    n = counters[SERIAL]
    levels[LEVEL] = _typical_size(candidates, 0, n)
    for serial in range(n):
        n_out = _queue(serial, candidates, levels, counters, settings, out, n_out)
    return n_out


@kernel
def settle(
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    """Decide on the pending candidate, if there is one; returns the new ``n_out``."""
    serial = counters[PENDING]
    if serial < 0:
        return n_out
    counters[PENDING] = -1
    return _decide(serial, candidates, levels, counters, settings, out, n_out)


@kernel
def _typical_size(candidates: NDArray[np.float64], first: int, stop: int) -> float:
    """Median size of the candidates at least 0.4 times as large as the largest."""
    largest = 0.0
    for serial in range(first, stop):
        largest = max(largest, candidates[serial % DEPTH, SIZE])
    sizes = np.zeros(DEPTH)
    n = 0
    for serial in range(first, stop):
        size = candidates[serial % DEPTH, SIZE]
        if size >= 0.4 * largest:
            sizes[n] = size
            n += 1
    if n == 0:
        return 0.0
    ordered = np.sort(sizes[:n])
    return float(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]))


@kernel
def _queue(
    serial: int,
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    """Of candidates closer than the refractory time the largest stays; the one before it is decided on."""
    new = serial % DEPTH
    pending = counters[PENDING]
    if pending >= 0:
        old = pending % DEPTH
        if candidates[new, TIME] - candidates[old, TIME] < settings[REFRACTORY]:
            if candidates[new, SIZE] > candidates[old, SIZE]:
                candidates[old, STATUS] = REJECTED
                counters[PENDING] = serial
            else:
                candidates[new, STATUS] = REJECTED
            return n_out
        n_out = _decide(pending, candidates, levels, counters, settings, out, n_out)
    counters[PENDING] = serial
    return n_out


@kernel
def _decide(
    serial: int,
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    row = serial % DEPTH
    time = candidates[row, TIME]
    oldest = max(0, counters[SERIAL] - DEPTH)
    if counters[BEATS] > 0 and time - levels[LAST_TIME] > settings[RELEARN]:
        _relearn(serial, oldest, candidates, levels, settings)
    noise = _noise(serial, oldest, candidates, settings)
    fits = _is_beat(row, noise, candidates, levels, settings)

    floor = max(settings[OVERDUE_THRESHOLD] * levels[LEVEL], min(settings[NOISE_FACTOR] * noise, 0.6 * levels[LEVEL]))
    reserve = settings[REFRACTORY] if fits else 0.0
    while counters[BEATS] > 0 and time - levels[LAST_TIME] > settings[OVERDUE] * levels[INTERVAL]:
        best = -1
        size = floor
        for other in range(oldest, serial):
            r = other % DEPTH
            if (
                candidates[r, STATUS] == REJECTED
                and candidates[r, SIZE] > size
                and candidates[r, UP_SIZE] + candidates[r, DOWN_SIZE] > 0.0
                and candidates[r, TIME] - levels[LAST_TIME] > settings[OVERDUE_DISTANCE]
                and time - candidates[r, TIME] > reserve
            ):
                best = r
                size = candidates[r, SIZE]
        if best < 0:
            break
        n_out = _accept(best, 0.5, candidates, levels, counters, settings, out, n_out)

    if fits and time - levels[LAST_TIME] >= settings[REFRACTORY]:
        elapsed = time - levels[LAST_TIME]
        if counters[BEATS] > 0 and elapsed < 2.5 * settings[TYPICAL_INTERVAL]:
            bounded = min(max(elapsed, 0.6 * levels[INTERVAL]), 1.5 * levels[INTERVAL])
            levels[INTERVAL] += 0.125 * (bounded - levels[INTERVAL])
        return _accept(row, 1.0, candidates, levels, counters, settings, out, n_out)
    candidates[row, STATUS] = REJECTED
    return n_out


@kernel
def _is_beat(
    row: int,
    noise: float,
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    settings: NDArray[np.float64],
) -> bool:
    level = levels[LEVEL]
    size = candidates[row, SIZE]
    if size <= max(settings[THRESHOLD] * level, min(settings[NOISE_FACTOR] * noise, 0.8 * level)):
        return False
    elapsed = candidates[row, TIME] - levels[LAST_TIME]
    if elapsed < settings[TWAVE_WINDOW]:
        return bool(candidates[row, SLOPE] >= settings[TWAVE_SLOPE] * levels[LAST_SLOPE])
    return True


@kernel
def _noise(serial: int, oldest: int, candidates: NDArray[np.float64], settings: NDArray[np.float64]) -> float:
    """Mean size of the candidates of the last two seconds that were no beats; 0 when there were fewer than two."""
    time = candidates[serial % DEPTH, TIME]
    total = 0.0
    n = 0
    for other in range(oldest, serial):
        r = other % DEPTH
        if candidates[r, STATUS] == REJECTED and time - candidates[r, TIME] < settings[NOISE_WINDOW]:
            total += candidates[r, SIZE]
            n += 1
    return total / n if n >= 2 else 0.0


@kernel
def _relearn(
    serial: int,
    oldest: int,
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    settings: NDArray[np.float64],
) -> None:
    """Lower the level to the recent candidates when they stand out from the noise as beats do."""
    time = candidates[serial % DEPTH, TIME]
    first = oldest
    while first < serial and time - candidates[first % DEPTH, TIME] > settings[RELEARN]:
        first += 1
    typical = _typical_size(candidates, first, serial + 1)
    rest = 0.0
    n = 0
    for other in range(first, serial + 1):
        size = candidates[other % DEPTH, SIZE]
        if size < 0.4 * typical:
            rest += size
            n += 1
    if typical < levels[LEVEL] and n > 0 and typical * n > 4.0 * rest:
        levels[LEVEL] = typical


@kernel
def _accept(
    row: int,
    weight: float,
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    settings: NDArray[np.float64],
    out: NDArray[np.float64],
    n_out: int,
) -> int:
    """Place the beat at the extremum of the prevailing polarity, update the levels, and give it out."""
    up, down = candidates[row, UP_SIZE], candidates[row, DOWN_SIZE]
    candidates[row, STATUS] = BEAT
    balance = (up - down) / (up + down) if up + down > 0.0 else 0.0
    if counters[BEATS] == 0:
        levels[POLARITY] = balance
    favour = settings[POLARITY_WEIGHT] if levels[POLARITY] >= 0.0 else -settings[POLARITY_WEIGHT]
    if up * (1.0 + favour) >= down * (1.0 - favour):
        at, jitter = candidates[row, UP_AT], candidates[row, UP_JITTER]
    else:
        at, jitter = candidates[row, DOWN_AT], candidates[row, DOWN_JITTER]
    levels[POLARITY] += 0.1 * (balance - levels[POLARITY])
    levels[LEVEL] += (
        weight * settings[ADAPTATION] * (min(candidates[row, SIZE], settings[GROWTH] * levels[LEVEL]) - levels[LEVEL])
    )
    levels[LAST_TIME] = candidates[row, TIME]
    levels[LAST_SLOPE] = candidates[row, SLOPE]
    counters[BEATS] += 1
    if at - levels[LAST_AT] < 0.5 * settings[REFRACTORY]:
        return n_out
    levels[LAST_AT] = at
    nearest = np.floor(at + 0.5)
    out[n_out, 0] = nearest
    out[n_out, 1] = at - nearest
    out[n_out, 2] = jitter
    return n_out + 1
