"""Which upstrokes of a photoplethysmogram are pulses: an adaptive threshold with memory.

An upstroke is four numbers: when it was steepest, its size, how high the crest is, its rise. A level of pulses and one
of what is no pulse follow the signal, in the manner of Pan and Tompkins (1985), 10.1109/TBME.1985.325532; the look back
for an overdue pulse is theirs too. A dicrotic wave is told from a pulse by its crest, which stands lower than that of
the pulse before it by three tenths of that pulse's rise. All settings are own choices: BIDMC recordings of odd number
served to choose them, those of even number to check them.

All memory of the detector is one array of numbers, `fresh` makes it: a kernel pays for each array that it is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel_in_place

DEPTH = 32
"""Upstrokes remembered that were no pulses; a power of two."""

THRESHOLD = 0.30
"""A pulse is larger than this share of the level of pulses,"""
NOISE_FACTOR = 1.25
"""and this many times the level of what is no pulse."""
NOISE_GAIN = 0.2
NOISE_FADE = 0.85
"""Every pulse lowers the level of what is no pulse to this share."""
ADAPTATION = 0.15
GROWTH = 1.6
"""A single pulse counts as no larger than this many times the level."""
OVERDUE = 1.5
"""A pulse is overdue after this many usual intervals."""
OVERDUE_THRESHOLD = 0.1
DICROTIC_DROP = 0.3
HORIZON_S = 4.0
"""Overdue pulses are looked for this far back."""

# Positions in the state: settings, times in samples, ...
(REFRACTORY, DICROTIC_WINDOW, LEARNING, RELEARN, TYPICAL_INTERVAL, OVERDUE_DISTANCE, PATIENCE, HORIZON) = range(8)
# ... levels, the pending upstroke, ...
(LEVEL, NOISE, INTERVAL, LAST_TIME, LAST_CREST, LAST_RISE, DEADLINE, LEARNED, PULSES) = range(8, 17)
(PENDING_TIME, PENDING_SIZE, PENDING_CREST, PENDING_RISE, COUNT, N_FOUND) = range(17, 23)
# ... the numbers of `pulse_front` and `pulse_place`, upstrokes remembered, four numbers each, and, to the end, the
# pulses found in a chunk: time, and how many samples had been seen when it was decided on.
OTHERS = 23
STROKES = 64
FOUND = STROKES + 4 * DEPTH


def fresh(rate: float, most: int) -> NDArray[np.float64]:
    """State for a sampling rate in Hz before the first upstroke, with room for so many pulses found in a chunk."""
    m = np.zeros(FOUND + 2 * most)
    m[REFRACTORY] = 0.30 * rate
    m[DICROTIC_WINDOW] = 0.55 * rate
    m[LEARNING] = 3.0 * rate
    m[RELEARN] = 2.0 * rate
    m[TYPICAL_INTERVAL] = m[INTERVAL] = 0.8 * rate
    m[OVERDUE_DISTANCE] = 0.35 * rate
    m[PATIENCE] = 0.40 * rate
    m[HORIZON] = HORIZON_S * rate
    m[LAST_TIME] = -1e18
    m[DEADLINE] = np.inf
    return m


@kernel_in_place
def offer(time: float, size: float, crest: float, rise: float, seen: float, m: NDArray[np.float64]) -> None:
    """Take an upstroke, when ``seen`` samples have been seen; what became a pulse stands behind ``m[FOUND]``."""
    if m[LEARNED] == 0.0:
        if m[COUNT] == 0.0:
            m[DEADLINE] = time + m[LEARNING]
        _remember(time, size, crest, rise, m)
        if m[COUNT] >= DEPTH:
            _learn(seen, m)
    elif size >= OVERDUE_THRESHOLD * m[LEVEL] or time - m[LAST_TIME] >= 0.7 * m[RELEARN]:
        # Smaller ones are no pulses while pulses keep coming, and need not be looked at.
        _queue(time, size, crest, rise, seen, m)


@kernel_in_place
def settle(seen: float, m: NDArray[np.float64]) -> None:
    """Decide on what waits: on the first upstrokes together, later on the pending one.

    To be called when the signal has come to ``m[DEADLINE]``, and at its end until that is infinite.
    """
    m[DEADLINE] = np.inf
    if m[LEARNED] == 0.0:
        _learn(seen, m)
    elif m[PENDING_SIZE] > 0.0:
        _decide(seen, m)
        m[PENDING_SIZE] = 0.0


@kernel_in_place
def _learn(seen: float, m: NDArray[np.float64]) -> None:
    """Set the first level from the upstrokes so far, then decide on them."""
    m[LEARNED] = 1.0
    n = int(m[COUNT])
    m[LEVEL] = _typical_size(-np.inf, 0.0, m)
    m[COUNT] = 0.0
    m[DEADLINE] = np.inf
    for at in range(STROKES, STROKES + 4 * n, 4):
        # What is remembered meanwhile overwrites only what has been queued.
        _queue(m[at], m[at + 1], m[at + 2], m[at + 3], seen, m)


@kernel_in_place
def _remember(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    at = STROKES + 4 * (int(m[COUNT]) & (DEPTH - 1))
    m[COUNT] += 1.0
    m[at], m[at + 1], m[at + 2], m[at + 3] = time, size, crest, rise


@kernel_in_place
def _reject(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    _remember(time, size, crest, rise, m)
    m[NOISE] += NOISE_GAIN * (size - m[NOISE])


@kernel_in_place
def _queue(time: float, size: float, crest: float, rise: float, seen: float, m: NDArray[np.float64]) -> None:
    """Of upstrokes closer than the refractory time the largest stays; the one before it is decided on."""
    if m[PENDING_SIZE] > 0.0:
        if time - m[PENDING_TIME] >= m[REFRACTORY]:
            _decide(seen, m)
        elif size > m[PENDING_SIZE]:
            _reject(m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE], m)
        else:
            _reject(time, size, crest, rise, m)
            return
    m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE] = time, size, crest, rise
    m[DEADLINE] = time + m[REFRACTORY] + m[PATIENCE]


@kernel_in_place
def _decide(seen: float, m: NDArray[np.float64]) -> None:
    """Decide on the pending upstroke, after a look back when a pulse is overdue."""
    time, size, crest, rise = m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE]
    elapsed = time - m[LAST_TIME]
    known = m[PULSES] > 0.0
    if known and elapsed > m[RELEARN]:
        _relearn(m)
    fits = size > max(THRESHOLD * m[LEVEL], min(NOISE_FACTOR * m[NOISE], 0.8 * m[LEVEL]))
    if fits and elapsed < m[DICROTIC_WINDOW]:
        fits = crest > m[LAST_CREST] - DICROTIC_DROP * m[LAST_RISE]
    if known and elapsed > OVERDUE * m[INTERVAL]:
        _look_back(time, m[REFRACTORY] if fits else 0.0, seen, m)
        elapsed = time - m[LAST_TIME]
    if not fits or elapsed < m[REFRACTORY]:
        _reject(time, size, crest, rise, m)
        return
    if known and elapsed < 2.5 * m[TYPICAL_INTERVAL]:
        m[INTERVAL] += 0.125 * (min(max(elapsed, 0.6 * m[INTERVAL]), 1.5 * m[INTERVAL]) - m[INTERVAL])
    _accept(time, size, crest, rise, ADAPTATION, seen, m)


@kernel_in_place
def _accept(
    time: float, size: float, crest: float, rise: float, adaptation: float, seen: float, m: NDArray[np.float64]
) -> None:
    """Update the levels with a pulse and give out its time."""
    m[LEVEL] += adaptation * (min(size, GROWTH * m[LEVEL]) - m[LEVEL])
    m[NOISE] *= NOISE_FADE
    m[LAST_TIME], m[LAST_CREST], m[LAST_RISE] = time, crest, rise
    m[PULSES] += 1.0
    at = FOUND + 2 * int(m[N_FOUND])
    m[at], m[at + 1] = time, seen
    m[N_FOUND] += 1.0


@kernel_in_place
def _look_back(time: float, reserve: float, seen: float, m: NDArray[np.float64]) -> None:
    """Make pulses of the largest remembered upstrokes, as long as one is overdue."""
    floor = max(OVERDUE_THRESHOLD * m[LEVEL], min(NOISE_FACTOR * m[NOISE], 0.6 * m[LEVEL]))
    stop = STROKES + 4 * min(int(m[COUNT]), DEPTH)
    while time - m[LAST_TIME] > OVERDUE * m[INTERVAL]:
        earliest = max(m[LAST_TIME] + m[OVERDUE_DISTANCE], time - m[HORIZON])
        best = -1
        size = floor
        for at in range(STROKES, stop, 4):
            if m[at + 1] > size and m[at] > earliest and time - m[at] > reserve:
                best = at
                size = m[at + 1]
        if best < 0:
            return
        _accept(m[best], size, m[best + 2], m[best + 3], 0.5 * ADAPTATION, seen, m)


@kernel_in_place
def _typical_size(since: float, size: float, m: NDArray[np.float64]) -> float:
    """Median size of the upstrokes remembered ``since`` and of one more, of those 0.4 times as large as the largest."""
    stop = STROKES + 4 * min(int(m[COUNT]), DEPTH)
    least = size
    for at in range(STROKES, stop, 4):
        if m[at] >= since:
            least = max(least, m[at + 1])
    least *= 0.4
    n = 0
    for at in range(STROKES, stop, 4):
        n += 1 if m[at] >= since and m[at + 1] >= least else 0
    n += 1 if size >= least else 0
    low = high = size
    for at in range(STROKES, stop + 4, 4):
        one = size if at == stop else m[at + 1]
        if one < least or (at < stop and m[at] < since):
            continue
        # How many are smaller, and not larger, tells which places this one takes in ascending order.
        smaller = 0
        not_larger = 0
        for other_at in range(STROKES, stop + 4, 4):
            other = size if other_at == stop else m[other_at + 1]
            if other >= least and (other_at == stop or m[other_at] >= since):
                smaller += 1 if other < one else 0
                not_larger += 1 if other <= one else 0
        if smaller <= (n - 1) // 2 < not_larger:
            low = one
        if smaller <= n // 2 < not_larger:
            high = one
    return 0.5 * (low + high)


@kernel_in_place
def _relearn(m: NDArray[np.float64]) -> None:
    """Lower the level to the recent upstrokes when they stand out from the rest as pulses do."""
    since = m[PENDING_TIME] - m[RELEARN]
    typical = _typical_size(since, m[PENDING_SIZE], m)
    rest = 0.0
    n = 0
    for at in range(STROKES, STROKES + 4 * min(int(m[COUNT]), DEPTH), 4):
        if m[at] >= since and m[at + 1] < 0.4 * typical:
            rest += m[at + 1]
            n += 1
    if typical < m[LEVEL] and n > 0 and typical * n > 4.0 * rest:
        m[LEVEL] = typical
        m[NOISE] = min(m[NOISE], rest / n)
