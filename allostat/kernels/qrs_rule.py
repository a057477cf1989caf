"""Which humps of the QRS envelope are beats: an adaptive threshold with memory.

The front end gives a few candidates a second, each with a time, a size and a slope. This rule keeps the last `DEPTH` of
them and decides on one as soon as nothing within the refractory time can outdo it. The ideas are those of Pan and
Tompkins (1985), 10.1109/TBME.1985.325532, and Hamilton and Tompkins (1986), 10.1109/TBME.1986.325695: running levels
of beats and of what is no beat, a T-wave test by slope, and a look back with a lower threshold when a beat is overdue.
Deviations: sizes are amplitudes, not energies; the noise level is that of the candidates of the last two seconds; late
T waves are told by size and slope; levels are learned anew when nothing was found for long.

Settings and all that changes stand in one float64 array, the state: every array handed from one compiled function to
another costs two atomic operations, which took half of the detector's time while there were eight. Times count in
samples from the first one ever pushed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

DEPTH = 64
"""Candidates remembered, a power of two. At most about ten a second arise, so this covers the longest look back."""
ROWS = DEPTH - 1

# Columns of a candidate; beats stand behind the `DEPTH` rows of candidates.
TIME, SIZE, SLOPE, STATUS = range(4)
COLUMNS = 4

WAITING, REJECTED, BEAT = 0.0, 1.0, 2.0

# Positions in the state: settings (times in samples), then memory. Those of the front end and the placement come first.
(
    REFRACTORY,
    TWAVE_WINDOW,
    TWAVE_SLOPE,
    LATE_WINDOW,
    LATE_SLOPE,
    LATE_SIZE,
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
    PATIENCE,
    HORIZON,
) = range(40, 59)
(LEVEL, INTERVAL, LAST_TIME, LAST_SLOPE, DEADLINE) = range(60, 65)
(SERIAL, PENDING, LEARNED, BEATS, FOUND) = range(65, 70)
STATE = 70

SMALL = 0.1
"""Candidates below this share of the level cannot be beats while beats keep coming."""


def prepare(state: NDArray[np.float64]) -> None:
    """Set the rule's memory to what it is before the first sample."""
    state[INTERVAL] = state[TYPICAL_INTERVAL]
    state[LAST_TIME] = -1e18
    state[PENDING] = -1
    state[DEADLINE] = np.inf


@kernel
def offer(state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Take the candidate that the front end wrote at row ``state[SERIAL] & ROWS``."""
    serial = int(state[SERIAL])
    row = serial & ROWS
    candidates[row, STATUS] = WAITING
    state[SERIAL] = serial + 1
    time = candidates[row, TIME]
    if state[LEARNED] == 0.0:
        if serial == 0:
            state[DEADLINE] = time + state[LEARNING]
        if serial == DEPTH - 1:
            learn(state, candidates)
    elif candidates[row, SIZE] < SMALL * state[LEVEL] and time - state[LAST_TIME] < 0.7 * state[RELEARN]:
        candidates[row, STATUS] = REJECTED
    else:
        _queue(serial, state, candidates)


@kernel
def learn(state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Set the first level from the candidates so far, then decide on them."""
    state[LEARNED] = 1.0
    state[DEADLINE] = np.inf
    n = int(state[SERIAL])
    state[LEVEL] = _typical_size(max(0, n - DEPTH), n, candidates)
    for serial in range(n):
        _queue(serial, state, candidates)


@kernel
def settle(state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Do what is due at the deadline: decide on the pending candidate, or end the learning."""
    serial = int(state[PENDING])
    if state[LEARNED] == 0.0:
        learn(state, candidates)
    elif serial >= 0:
        state[PENDING] = -1.0
        state[DEADLINE] = np.inf
        _decide(serial, state, candidates)


@kernel
def _typical_size(first: int, stop: int, candidates: NDArray[np.float64]) -> float:
    """Median size of the candidates at least 0.4 times as large as the largest."""
    largest = 0.0
    for serial in range(first, stop):
        largest = max(largest, candidates[serial & ROWS, SIZE])
    sizes = np.zeros(DEPTH)
    n = 0
    for serial in range(first, stop):
        size = candidates[serial & ROWS, SIZE]
        if size >= 0.4 * largest:
            sizes[n] = size
            n += 1
    if n == 0:
        return 0.0
    ordered = np.sort(sizes[:n])
    return float(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]))


@kernel
def _queue(serial: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Of candidates closer than the refractory time the largest stays; the one before it is decided on."""
    new = serial & ROWS
    pending = int(state[PENDING])
    if pending >= 0:
        old = pending & ROWS
        if candidates[new, TIME] - candidates[old, TIME] < state[REFRACTORY]:
            if candidates[new, SIZE] <= candidates[old, SIZE]:
                candidates[new, STATUS] = REJECTED
                return
            candidates[old, STATUS] = REJECTED
        else:
            _decide(pending, state, candidates)
    state[PENDING] = serial
    state[DEADLINE] = candidates[new, TIME] + state[REFRACTORY] + state[PATIENCE]


@kernel
def _decide(serial: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    row = serial & ROWS
    time = candidates[row, TIME]
    oldest = max(0, int(state[SERIAL]) - DEPTH)
    if state[BEATS] > 0.0 and time - state[LAST_TIME] > state[RELEARN]:
        _relearn(serial, oldest, state, candidates)
    noise = _noise(serial, oldest, state, candidates)
    fits = _is_beat(row, noise, state, candidates)

    floor = max(state[OVERDUE_THRESHOLD] * state[LEVEL], min(state[NOISE_FACTOR] * noise, 0.6 * state[LEVEL]))
    reserve = state[REFRACTORY] if fits else 0.0
    while state[BEATS] > 0.0 and time - state[LAST_TIME] > state[OVERDUE] * state[INTERVAL]:
        best = -1
        size = floor
        for other in range(oldest, serial):
            r = other & ROWS
            if (
                candidates[r, STATUS] == REJECTED
                and candidates[r, SIZE] > size
                and candidates[r, TIME] - state[LAST_TIME] > state[OVERDUE_DISTANCE]
                and reserve < time - candidates[r, TIME] < state[HORIZON]
            ):
                best = r
                size = candidates[r, SIZE]
        if best < 0:
            break
        _accept(best, 0.5, state, candidates)

    elapsed = time - state[LAST_TIME]
    if fits and elapsed >= state[REFRACTORY]:
        if state[BEATS] > 0.0 and elapsed < 2.5 * state[TYPICAL_INTERVAL]:
            bounded = min(max(elapsed, 0.6 * state[INTERVAL]), 1.5 * state[INTERVAL])
            state[INTERVAL] += 0.125 * (bounded - state[INTERVAL])
        _accept(row, 1.0, state, candidates)
    else:
        candidates[row, STATUS] = REJECTED


@kernel
def _is_beat(row: int, noise: float, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> bool:
    size, level = candidates[row, SIZE], state[LEVEL]
    if size <= max(state[THRESHOLD] * level, min(state[NOISE_FACTOR] * noise, 0.8 * level)):
        return False
    elapsed = candidates[row, TIME] - state[LAST_TIME]
    steepness = candidates[row, SLOPE] / state[LAST_SLOPE] if state[LAST_SLOPE] > 0.0 else 1.0
    if elapsed < state[TWAVE_WINDOW]:
        return bool(steepness >= state[TWAVE_SLOPE])
    # A late T wave is small as well; wide premature beats, which are as flat, are not.
    return bool(elapsed >= state[LATE_WINDOW] or size >= state[LATE_SIZE] * level or steepness >= state[LATE_SLOPE])


@kernel
def _noise(serial: int, oldest: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> float:
    """Mean size of the candidates of the last two seconds that were no beats; 0 when there were fewer than two."""
    earliest = candidates[serial & ROWS, TIME] - state[NOISE_WINDOW]
    total = 0.0
    n = 0
    for other in range(serial - 1, oldest - 1, -1):
        r = other & ROWS
        if candidates[r, TIME] <= earliest:
            break
        if candidates[r, STATUS] == REJECTED:
            total += candidates[r, SIZE]
            n += 1
    return total / n if n >= 2 else 0.0


@kernel
def _relearn(serial: int, oldest: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Lower the level to the recent candidates when they stand out from the noise as beats do."""
    time = candidates[serial & ROWS, TIME]
    first = oldest
    while first < serial and time - candidates[first & ROWS, TIME] > state[RELEARN]:
        first += 1
    typical = _typical_size(first, serial + 1, candidates)
    rest = 0.0
    n = 0
    for other in range(first, serial + 1):
        size = candidates[other & ROWS, SIZE]
        if size < 0.4 * typical:
            rest += size
            n += 1
    if typical < state[LEVEL] and n > 0 and typical * n > 4.0 * rest:
        state[LEVEL] = typical


@kernel
def _accept(row: int, weight: float, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Update the levels, and write the beat behind the candidates."""
    size = candidates[row, SIZE]
    candidates[row, STATUS] = BEAT
    state[LEVEL] += weight * state[ADAPTATION] * (min(size, state[GROWTH] * state[LEVEL]) - state[LEVEL])
    state[LAST_TIME] = candidates[row, TIME]
    state[LAST_SLOPE] = candidates[row, SLOPE]
    state[BEATS] += 1.0
    found = DEPTH + int(state[FOUND])
    state[FOUND] += 1.0
    for column in range(COLUMNS):
        candidates[found, column] = candidates[row, column]
