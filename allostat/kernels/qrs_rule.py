"""Which humps of the QRS envelope are beats: an adaptive threshold with memory.

The front end gives a few candidates a second, each with a time, a size and a slope. This rule keeps the last of them
and decides on one as soon as nothing within the refractory time can outdo it. The ideas are those of Pan and Tompkins
(1985), 10.1109/TBME.1985.325532, and Hamilton and Tompkins (1986), 10.1109/TBME.1986.325695: running levels of beats
and of what is no beat, a T-wave test by slope, and a look back with a lower threshold when a beat is overdue.
Deviations: sizes are amplitudes, not energies; the noise level is that of the candidates of the last two seconds; late
T waves are told by size and slope; while beats do not stand out from what is around them (`qrs_candidates`), in the
beginning, after a pause or later, nothing is a beat. Once they do, those of the last seconds are decided on anew.

Settings and all that changes stand in one float64 array, the state: every array handed from one compiled function to
another costs two atomic operations, which took half of the detector's time while there were eight. Times count in
samples from the first one ever pushed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels import qrs_candidates
from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.qrs_candidates import (
    BEAT,
    COLUMNS,
    DEPTH,
    REFRACTORY,
    REJECTED,
    ROWS,
    SECOND,
    SIZE,
    SLOPE,
    STATUS,
    TIME,
    WAITING,
)

# Positions in the state: settings (times in samples), then memory. Those of the front end and the placement come first.
(
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
    WINDOW,
) = range(40, 59)
(LEVEL, INTERVAL, LAST_TIME, LAST_SLOPE, DEADLINE) = range(60, 65)
(SERIAL, PENDING, LEARNED, BEATS, FOUND) = range(65, 70)
(CLUTTER, UNREST, LAST_INTERVAL, LOST, LOST_AT) = range(70, 75)

SMALL = 0.1
"""Candidates below this share of the level cannot be beats while beats keep coming."""

WATCHED = 8.0
"""Beats over which clutter and unrest are averaged."""
CLUTTERED = 1.4
"""Mean clutter above which, when they are irregular too, beats are none."""
RESTLESS = 0.15
"""Mean change from one interval to the next, relative to it, above which beats are irregular."""
RETURNED = 0.8
"""Clutter assumed when beats have come back: if it was noise again, few beats are needed to see it."""
LOOK_BACK_CLUTTER = 1.8
"""A beat is not looked for in more clutter."""
FEW = 3
"""Of so few candidates in the whole time of learning nobody can say whether beats stand out."""
SILENT_CLUTTER = 1.0
"""Clutter, in terms of the level, above which a stretch without beats is noise and no quiet."""


def prepare(state: NDArray[np.float64]) -> None:
    """Set the rule's memory to what it is before the first sample."""
    state[INTERVAL] = state[TYPICAL_INTERVAL]
    state[LAST_TIME] = -1e18
    state[PENDING] = -1
    state[DEADLINE] = np.inf


@lean_kernel
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
    elif state[LOST] == 1.0:
        candidates[row, STATUS] = REJECTED
        if time - state[LOST_AT] >= state[RELEARN]:
            _find_again(serial, state, candidates)
    elif candidates[row, SIZE] < SMALL * state[LEVEL] and time - state[LAST_TIME] < 0.7 * state[RELEARN]:
        candidates[row, STATUS] = REJECTED
    else:
        _queue(serial, state, candidates)


@lean_inner_kernel
def learn(state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Set the first level from the candidates so far, then decide on them, or wait until beats stand out."""
    state[LEARNED] = 1.0
    state[DEADLINE] = np.inf
    n = int(state[SERIAL])
    if n == 0:
        return
    span = candidates[(n - 1) & ROWS, TIME] - candidates[0, TIME] + state[PATIENCE]
    state[LEVEL] = qrs_candidates.size_of_clear_beats(0, n, span, 1, state, candidates)
    if state[LEVEL] == 0.0 and n <= FEW:
        state[LEVEL] = qrs_candidates.typical_size(0, n, state, candidates)
    if state[LEVEL] > 0.0:
        _queue_all(0, n, state, candidates)
    else:
        _lose(candidates[0, TIME], state)
        for row in range(n):
            candidates[row, STATUS] = REJECTED


@lean_inner_kernel
def settle(state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Do what is due at the deadline: decide on the pending candidate, or end the learning."""
    serial = int(state[PENDING])
    if state[LEARNED] == 0.0:
        learn(state, candidates)
    elif serial >= 0:
        state[PENDING] = -1.0
        state[DEADLINE] = np.inf
        _decide(serial, state, candidates)


@lean_inner_kernel
def _lose(time: float, state: NDArray[np.float64]) -> None:
    """From now on nothing is a beat until beats stand out."""
    state[LOST] = 1.0
    state[LOST_AT] = time
    state[LEVEL] = 0.0
    state[PENDING] = -1.0
    state[DEADLINE] = np.inf


@lean_inner_kernel
def _find_again(serial: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Decide anew on the candidates of the last seconds when beats stand out among them."""
    time = candidates[serial & ROWS, TIME]
    span = min(state[WINDOW], time - state[LOST_AT])
    first = serial
    largest = 0.0
    while first > 0 and serial - first < DEPTH - 1 and time - candidates[(first - 1) & ROWS, TIME] <= span:
        first -= 1
        largest = max(largest, candidates[first & ROWS, SIZE])
    if candidates[serial & ROWS, SIZE] < 0.4 * largest:
        return
    typical = qrs_candidates.size_of_clear_beats(first, serial + 1, span, 3, state, candidates)
    if typical > 0.0:
        state[LOST] = 0.0
        state[LEVEL] = typical
        state[CLUTTER] = RETURNED
        state[INTERVAL] = state[TYPICAL_INTERVAL]
        state[LAST_TIME] = max(state[LAST_TIME], candidates[first & ROWS, TIME] - state[INTERVAL])
        _queue_all(first, serial + 1, state, candidates)


@lean_inner_kernel
def _queue_all(first: int, stop: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    for serial in range(first, stop):
        candidates[serial & ROWS, STATUS] = WAITING
    for serial in range(first, stop):
        if state[LOST] == 1.0:
            candidates[serial & ROWS, STATUS] = REJECTED
        else:
            _queue(serial, state, candidates)


@lean_inner_kernel
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
            if state[LOST] == 1.0:
                candidates[new, STATUS] = REJECTED
                return
    state[PENDING] = serial
    state[DEADLINE] = candidates[new, TIME] + state[REFRACTORY] + state[PATIENCE]


@lean_inner_kernel
def _decide(serial: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    row = serial & ROWS
    time = candidates[row, TIME]
    oldest = max(0, int(state[SERIAL]) - DEPTH)
    if state[BEATS] > 0.0 and time - state[LAST_TIME] > state[RELEARN]:
        _relearn(serial, oldest, state, candidates)
        if state[LOST] == 1.0:
            candidates[row, STATUS] = REJECTED
            return
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
        with_itself = qrs_candidates.clutter(serial, state[LAST_TIME], time, size, state, candidates)
        if with_itself > LOOK_BACK_CLUTTER + state[SECOND] / (time - state[LAST_TIME]):
            break
        _accept(best, 0.5, state, candidates)

    elapsed = time - state[LAST_TIME]
    if fits and elapsed >= state[REFRACTORY]:
        if state[BEATS] > 0.0 and elapsed < 2.5 * state[TYPICAL_INTERVAL]:
            bounded = min(max(elapsed, 0.6 * state[INTERVAL]), 1.5 * state[INTERVAL])
            state[INTERVAL] += 0.125 * (bounded - state[INTERVAL])
        _accept(row, 1.0, state, candidates)
        if state[CLUTTER] > CLUTTERED and state[UNREST] > RESTLESS:
            _lose(time, state)
    else:
        candidates[row, STATUS] = REJECTED


@lean_inner_kernel
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


@lean_kernel
def _noise(serial: int, oldest: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> float:
    """Mean size of the candidates of the last two seconds that were no beats; 0 when there were fewer than two."""
    earliest = candidates[serial & ROWS, TIME] - state[NOISE_WINDOW]
    total = 0.0
    n = 0
    for other in range(serial - 1, oldest - 1, -1):
        r = other & ROWS
        if candidates[r, TIME] <= earliest:
            break
        # Without a condition, which a processor would have to foresee.
        rejected = candidates[r, STATUS] == REJECTED
        total += candidates[r, SIZE] if rejected else 0.0
        n += 1 if rejected else 0
    return total / n if n >= 2 else 0.0


@lean_inner_kernel
def _relearn(serial: int, oldest: int, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """After a long time without beats: lower the level when smaller beats stand out, or say that there is but noise."""
    time = candidates[serial & ROWS, TIME]
    start = max(state[LAST_TIME], time - state[WINDOW])
    first = serial
    while first > oldest and candidates[(first - 1) & ROWS, TIME] > start:
        first -= 1
    typical = qrs_candidates.size_of_clear_beats(first, serial + 1, time - start, 2, state, candidates)
    if 0.0 < typical < state[LEVEL]:
        state[LEVEL] = typical
    elif qrs_candidates.clutter(serial, start, time, state[LEVEL], state, candidates) > SILENT_CLUTTER:
        _lose(time, state)


@lean_inner_kernel
def _accept(row: int, weight: float, state: NDArray[np.float64], candidates: NDArray[np.float64]) -> None:
    """Update the levels, and write the beat behind the candidates."""
    time, size = candidates[row, TIME], candidates[row, SIZE]
    elapsed = time - state[LAST_TIME]
    if state[BEATS] > 0.0 and elapsed < state[HORIZON]:
        around = qrs_candidates.clutter(int(state[SERIAL]), state[LAST_TIME], time, size, state, candidates)
        state[CLUTTER] += (min(around, 5.0) - state[CLUTTER]) / WATCHED
        change = abs(elapsed - state[LAST_INTERVAL]) / elapsed
        state[UNREST] += (min(change, 1.0) - state[UNREST]) / WATCHED
        state[LAST_INTERVAL] = elapsed
    candidates[row, STATUS] = BEAT
    state[LEVEL] += weight * state[ADAPTATION] * (min(size, state[GROWTH] * state[LEVEL]) - state[LEVEL])
    state[LAST_TIME] = time
    state[LAST_SLOPE] = candidates[row, SLOPE]
    state[BEATS] += 1.0
    found = DEPTH + int(state[FOUND])
    state[FOUND] += 1.0
    for column in range(COLUMNS):
        candidates[found, column] = candidates[row, column]
