"""Which upstrokes of a photoplethysmogram are pulses: an adaptive threshold with memory.

An upstroke is four numbers: when it was steepest, its size, how high the crest is, its rise. A level of pulses and one
of what is no pulse follow the signal, in the manner of Pan and Tompkins (1985), 10.1109/TBME.1985.325532; the look back
for an overdue pulse is theirs too. A dicrotic wave is told from a pulse by its crest, which stands lower than that of
the pulse before it by three tenths of that pulse's rise. All settings are own choices: BIDMC recordings of odd number
served to choose them, those of even number to check them.

The rule's memory is one array, `fresh` makes it: passing several costs as much as the rule itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

DEPTH = 32
"""Upstrokes remembered that were no pulses; a power of two."""

# Settings, times in samples, ...
(REFRACTORY, DICROTIC_WINDOW, LEARNING, RELEARN, TYPICAL_INTERVAL, OVERDUE_DISTANCE, PATIENCE) = range(7)
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
# ... levels, the pending upstroke, ...
(LEVEL, NOISE, INTERVAL, LAST_TIME, LAST_CREST, LAST_RISE, DEADLINE, LEARNED, PULSES) = range(7, 16)
(PENDING_TIME, PENDING_SIZE, PENDING_CREST, PENDING_RISE, COUNT, N_FOUND) = range(16, 22)
# ... upstrokes remembered, four numbers each, and times of upstrokes that became pulses during one call.
STROKES = 22
FOUND = STROKES + 4 * DEPTH
LENGTH = FOUND + 2 * DEPTH


def fresh(rate: float) -> NDArray[np.float64]:
    """An empty memory for a sampling rate in Hz."""
    m = np.zeros(LENGTH)
    m[REFRACTORY] = 0.30 * rate
    m[DICROTIC_WINDOW] = 0.55 * rate
    m[LEARNING] = 3.0 * rate
    m[RELEARN] = 2.0 * rate
    m[TYPICAL_INTERVAL] = m[INTERVAL] = 0.8 * rate
    m[OVERDUE_DISTANCE] = 0.35 * rate
    m[PATIENCE] = 0.40 * rate
    m[LAST_TIME] = -1e18
    m[DEADLINE] = np.inf
    return m


@kernel
def is_small(size: float, time: float, m: NDArray[np.float64]) -> bool:
    """Whether an upstroke need not be offered: too small for a pulse, while pulses keep coming."""
    return bool(size < OVERDUE_THRESHOLD * m[LEVEL] and time - m[LAST_TIME] < 0.7 * m[RELEARN])


@kernel
def offer(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> int:
    """Take an upstroke; returns how many upstrokes became pulses, whose times begin at ``m[FOUND]``."""
    m[N_FOUND] = 0.0
    if m[LEARNED] == 0.0:
        if m[COUNT] == 0.0:
            m[DEADLINE] = time + m[LEARNING]
        _remember(time, size, crest, rise, m)
        if m[COUNT] >= DEPTH:
            _learn(m)
    else:
        _queue(time, size, crest, rise, m)
    return int(m[N_FOUND])


@kernel
def settle(m: NDArray[np.float64]) -> int:
    """Decide on what waits: on the first upstrokes together, later on the pending one.

    To be called when the signal has come to ``m[DEADLINE]``, and at its end until that is infinite. Returns how many
    upstrokes became pulses, whose times begin at ``m[FOUND]``.
    """
    m[N_FOUND] = 0.0
    m[DEADLINE] = np.inf
    if m[LEARNED] == 0.0:
        _learn(m)
    elif m[PENDING_SIZE] > 0.0:
        _decide(m)
        m[PENDING_SIZE] = 0.0
    return int(m[N_FOUND])


@kernel
def _learn(m: NDArray[np.float64]) -> None:
    """Set the first level from the upstrokes so far, then decide on them."""
    m[LEARNED] = 1.0
    n = int(m[COUNT])
    first = m[STROKES:FOUND].copy()
    m[LEVEL] = _typical_size(-np.inf, 0.0, m)
    m[COUNT] = 0.0
    m[DEADLINE] = np.inf
    for k in range(n):
        _queue(first[4 * k], first[4 * k + 1], first[4 * k + 2], first[4 * k + 3], m)


@kernel
def _remember(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    at = STROKES + 4 * (int(m[COUNT]) & (DEPTH - 1))
    m[COUNT] += 1.0
    m[at], m[at + 1], m[at + 2], m[at + 3] = time, size, crest, rise


@kernel
def _reject(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    _remember(time, size, crest, rise, m)
    m[NOISE] += NOISE_GAIN * (size - m[NOISE])


@kernel
def _queue(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    """Of upstrokes closer than the refractory time the largest stays; the one before it is decided on."""
    if m[PENDING_SIZE] > 0.0:
        if time - m[PENDING_TIME] >= m[REFRACTORY]:
            _decide(m)
        elif size > m[PENDING_SIZE]:
            _reject(m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE], m)
        else:
            _reject(time, size, crest, rise, m)
            return
    m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE] = time, size, crest, rise
    m[DEADLINE] = time + m[REFRACTORY] + m[PATIENCE]


@kernel
def _decide(m: NDArray[np.float64]) -> None:
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
        _look_back(time, m[REFRACTORY] if fits else 0.0, m)
        elapsed = time - m[LAST_TIME]
    if not fits or elapsed < m[REFRACTORY]:
        _reject(time, size, crest, rise, m)
        return
    if known and elapsed < 2.5 * m[TYPICAL_INTERVAL]:
        m[INTERVAL] += 0.125 * (min(max(elapsed, 0.6 * m[INTERVAL]), 1.5 * m[INTERVAL]) - m[INTERVAL])
    _accept(time, size, crest, rise, ADAPTATION, m)


@kernel
def _accept(time: float, size: float, crest: float, rise: float, adaptation: float, m: NDArray[np.float64]) -> None:
    """Update the levels with a pulse and give out its time."""
    m[LEVEL] += adaptation * (min(size, GROWTH * m[LEVEL]) - m[LEVEL])
    m[NOISE] *= NOISE_FADE
    m[LAST_TIME], m[LAST_CREST], m[LAST_RISE] = time, crest, rise
    m[PULSES] += 1.0
    m[FOUND + int(m[N_FOUND])] = time
    m[N_FOUND] += 1.0


@kernel
def _look_back(time: float, reserve: float, m: NDArray[np.float64]) -> None:
    """Make pulses of the largest remembered upstrokes, as long as one is overdue."""
    floor = max(OVERDUE_THRESHOLD * m[LEVEL], min(NOISE_FACTOR * m[NOISE], 0.6 * m[LEVEL]))
    while time - m[LAST_TIME] > OVERDUE * m[INTERVAL]:
        best = -1
        size = floor
        for at in range(STROKES, STROKES + 4 * min(int(m[COUNT]), DEPTH), 4):
            if m[at + 1] > size and m[at] - m[LAST_TIME] > m[OVERDUE_DISTANCE] and time - m[at] > reserve:
                best = at
                size = m[at + 1]
        if best < 0:
            return
        _accept(m[best], size, m[best + 2], m[best + 3], 0.5 * ADAPTATION, m)


@kernel
def _typical_size(since: float, size: float, m: NDArray[np.float64]) -> float:
    """Median size of the upstrokes remembered ``since`` and of one more, of those 0.4 times as large as the largest."""
    sizes = np.zeros(DEPTH + 1)
    sizes[0] = size
    n = 1
    for at in range(STROKES, STROKES + 4 * min(int(m[COUNT]), DEPTH), 4):
        if m[at] >= since:
            sizes[n] = m[at + 1]
            n += 1
    ordered = np.sort(sizes[:n])
    low = 0
    while ordered[low] < 0.4 * ordered[n - 1]:
        low += 1
    return float(0.5 * (ordered[(low + n - 1) // 2] + ordered[(low + n) // 2]))


@kernel
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
