"""Which upstrokes of a photoplethysmogram are pulses: an adaptive threshold with memory.

An upstroke is four numbers: when it was steepest, its size, how high the crest is, its rise. A level of pulses and one
of what is no pulse follow the signal, in the manner of Pan and Tompkins (1985), 10.1109/TBME.1985.325532; the look back
for an overdue pulse is theirs too. A dicrotic wave is told from a pulse by its crest, which stands lower than that of
the pulse before it by three tenths of that pulse's rise. All settings are own choices: BIDMC recordings of odd number
served to choose them, those of even number to check them.

Noise is not to be followed down. A level is lowered, after a pause, only to upstrokes that come as pulses do: alike,
evenly spaced, with little between them. What was taken for pulses but does not come like that for long is lost, and
nothing is given out until pulses are found again.

All memory of the detector is one array of numbers, `fresh` makes it: a kernel pays for each array that it is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inlined_kernel, lean_inner_kernel

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
EVENLY = 0.3
"""A pulse comes as usual when its interval differs by less than this share,"""
QUIET = 0.3
"""and what is no pulse is smaller than this share of the level;"""
CLEAN = 0.16
"""or when that is smaller than this share, as between pulses that come irregularly."""
TRUST_GAIN = 0.15
LEAST_TRUST = 0.2
"""The pulses are lost when the share of usual ones falls below this,"""
PROBATION = 0.58
"""or this after they were found again,"""
DEMAND_GAIN = 0.02
"""until pulse by pulse the demand has come down."""
REGAINED = 0.6
RUN = 6
"""So many pulses in a row are pulses found again,"""
ALIKE = 1.5
"""when their sizes differ from the last by less than this factor"""
EVEN, UNEVEN, VERY_UNEVEN = 1.15, 1.4, 2.0
"""and what is between them is on average smaller than a share of their size that depends on the ratio of the longest
interval to the shortest."""
MUCH_BETWEEN, LITTLE_BETWEEN, LEAST_BETWEEN = 0.3, 0.2, 0.07
HORIZON_S = 4.0
"""Overdue pulses are looked for this far back,"""
FADED_S = 4.0
"""and no more when for this long none was as large as a pulse should be."""

# Positions in the state: settings, times in samples, ...
(REFRACTORY, DICROTIC_WINDOW, LEARNING, RELEARN, TYPICAL_INTERVAL, OVERDUE_DISTANCE, PATIENCE, HORIZON, FADED) = range(
    9
)
# ... levels, the pending upstroke, ...
(LEVEL, NOISE, INTERVAL, LAST_TIME, LAST_CREST, LAST_RISE, DEADLINE, LEARNED, PULSES) = range(9, 18)
(PENDING_TIME, PENDING_SIZE, PENDING_CREST, PENDING_RISE, COUNT, N_FOUND, LAST_FIT, TRUST, LOST, DEMAND) = range(18, 28)
# ... the numbers of `pulse_front` and `pulse_place`, room for sums that the latter takes, upstrokes remembered, four
# numbers each, and, to the end, the pulses found in a chunk: time, how many samples had been seen when it was decided
# on, and room for what `pulse_place` finds of it.
ROOM = 64
LANES = 4
"""Sums that one instruction takes at once."""
STROKES = ROOM + LANES
FOUND = STROKES + 4 * DEPTH
PULSE = 8
"""Numbers of a pulse found; a power of two leads a processor to them the quickest."""


def fresh(rate: float, most: int) -> NDArray[np.float64]:
    """State for a sampling rate in Hz before the first upstroke, with room for so many pulses found in a chunk."""
    m = np.zeros(FOUND + PULSE * most)
    m[REFRACTORY] = 0.30 * rate
    m[DICROTIC_WINDOW] = 0.55 * rate
    m[LEARNING] = 3.0 * rate
    m[RELEARN] = 2.0 * rate
    m[TYPICAL_INTERVAL] = m[INTERVAL] = 0.8 * rate
    m[OVERDUE_DISTANCE] = 0.35 * rate
    m[PATIENCE] = 0.40 * rate
    m[HORIZON] = HORIZON_S * rate
    m[FADED] = FADED_S * rate
    m[TRUST] = 1.0
    m[DEMAND] = LEAST_TRUST
    m[LAST_TIME] = -1e18
    m[DEADLINE] = np.inf
    return m


@inlined_kernel
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


@inlined_kernel
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


@lean_inner_kernel
def _learn(seen: float, m: NDArray[np.float64]) -> None:
    """Set the first level from the upstrokes so far, then decide on them."""
    m[LEARNED] = 1.0
    n = int(m[COUNT])
    m[LEVEL] = _typical_size(m)
    m[COUNT] = 0.0
    m[DEADLINE] = np.inf
    for at in range(STROKES, STROKES + 4 * n, 4):
        # What is remembered meanwhile overwrites only what has been queued.
        _queue(m[at], m[at + 1], m[at + 2], m[at + 3], seen, m)


@inlined_kernel
def _remember(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    at = STROKES + 4 * (int(m[COUNT]) & (DEPTH - 1))
    m[COUNT] += 1.0
    m[at], m[at + 1], m[at + 2], m[at + 3] = time, size, crest, rise


@inlined_kernel
def _reject(time: float, size: float, crest: float, rise: float, m: NDArray[np.float64]) -> None:
    _remember(time, size, crest, rise, m)
    m[NOISE] += NOISE_GAIN * (size - m[NOISE])


@inlined_kernel
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


@lean_inner_kernel
def _decide(seen: float, m: NDArray[np.float64]) -> None:
    """Decide on the pending upstroke, after a look back when a pulse is overdue."""
    time, size, crest, rise = m[PENDING_TIME], m[PENDING_SIZE], m[PENDING_CREST], m[PENDING_RISE]
    elapsed = time - m[LAST_TIME]
    known = m[PULSES] > 0.0
    if m[LOST] == 1.0 or (known and elapsed > m[RELEARN]):
        _find_again(seen, m)
        elapsed = time - m[LAST_TIME]
        if m[LOST] == 1.0:
            _reject(time, size, crest, rise, m)
            return
    fits = size > max(THRESHOLD * m[LEVEL], min(NOISE_FACTOR * m[NOISE], 0.8 * m[LEVEL]))
    if fits and elapsed < m[DICROTIC_WINDOW]:
        fits = crest > m[LAST_CREST] - DICROTIC_DROP * m[LAST_RISE]
    if known and elapsed > OVERDUE * m[INTERVAL] and time - m[LAST_FIT] < m[FADED]:
        _look_back(time, m[REFRACTORY] if fits else 0.0, seen, m)
        elapsed = time - m[LAST_TIME]
    if not fits or elapsed < m[REFRACTORY]:
        _reject(time, size, crest, rise, m)
        return
    if known and elapsed < 2.5 * m[TYPICAL_INTERVAL]:
        even = abs(elapsed - m[INTERVAL]) < EVENLY * m[INTERVAL]
        usual = m[NOISE] < (QUIET if even else CLEAN) * m[LEVEL]
        m[TRUST] += TRUST_GAIN * ((1.0 if usual else 0.0) - m[TRUST])
        m[DEMAND] += DEMAND_GAIN * (LEAST_TRUST - m[DEMAND])
        m[INTERVAL] += 0.125 * (min(max(elapsed, 0.6 * m[INTERVAL]), 1.5 * m[INTERVAL]) - m[INTERVAL])
    m[LAST_FIT] = time
    _accept(time, size, crest, rise, ADAPTATION, seen, m)
    m[LOST] = 1.0 if m[TRUST] < m[DEMAND] else 0.0


@lean_inner_kernel
def _find_again(seen: float, m: NDArray[np.float64]) -> None:
    """Make pulses of the latest upstrokes when they come as pulses do, and learn the levels anew.

    They are alike in size, evenly spaced, and there is little between them. Noise rarely is that for long.
    """
    stop = STROKES + 4 * min(int(m[COUNT]), DEPTH)
    least, most = m[PENDING_SIZE] / ALIKE, m[PENDING_SIZE] * ALIKE
    first = m[PENDING_TIME]
    shortest, longest = 2.0 * m[TYPICAL_INTERVAL], m[REFRACTORY]
    total = m[PENDING_SIZE]
    for _ in range(RUN - 1):
        before = _neighbour(first, least, -1.0, m)
        if before < 0 or m[before + 1] > most:
            return
        shortest, longest = min(shortest, first - m[before]), max(longest, first - m[before])
        if longest > VERY_UNEVEN * shortest:
            return
        first = m[before]
        total += m[before + 1]
    rest = 0.0
    n_rest = 0
    for at in range(STROKES, stop, 4):
        if m[at] > first and m[at + 1] <= least:
            rest += m[at + 1]
            n_rest += 1
    rest = rest / n_rest if n_rest > 0 else 0.0
    level = total / RUN
    unevenness = longest / shortest
    bound = MUCH_BETWEEN if unevenness < EVEN else LITTLE_BETWEEN if unevenness < UNEVEN else LEAST_BETWEEN
    if rest > bound * level:
        return
    m[LEVEL] = level
    m[NOISE] = min(m[NOISE], rest)
    m[INTERVAL] = (m[PENDING_TIME] - first) / (RUN - 1)
    m[LOST] = 0.0
    m[TRUST], m[DEMAND] = REGAINED, PROBATION
    m[LAST_FIT] = m[PENDING_TIME]
    at = _neighbour(max(first - 1.0, m[LAST_TIME] + m[REFRACTORY]), least, 1.0, m)
    while at >= 0 and m[at] < m[PENDING_TIME]:
        _accept(m[at], m[at + 1], m[at + 2], m[at + 3], 0.0, seen, m)
        at = _neighbour(m[at], least, 1.0, m)


@lean_inner_kernel
def _neighbour(time: float, least: float, direction: float, m: NDArray[np.float64]) -> int:
    """Where the next remembered upstroke after (1) or before (-1) a time stands that is so large; -1 without one."""
    best = -1
    nearest = np.inf
    for at in range(STROKES, STROKES + 4 * min(int(m[COUNT]), DEPTH), 4):
        away = direction * (m[at] - time)
        if 0.0 < away < nearest and m[at + 1] > least:
            best = at
            nearest = away
    return best


@inlined_kernel
def _accept(
    time: float, size: float, crest: float, rise: float, adaptation: float, seen: float, m: NDArray[np.float64]
) -> None:
    """Update the levels with a pulse and give out its time."""
    m[LEVEL] += adaptation * (min(size, GROWTH * m[LEVEL]) - m[LEVEL])
    m[NOISE] *= NOISE_FADE
    m[LAST_TIME], m[LAST_CREST], m[LAST_RISE] = time, crest, rise
    m[PULSES] += 1.0
    at = FOUND + PULSE * int(m[N_FOUND])
    m[at], m[at + 1] = time, seen
    m[N_FOUND] += 1.0


@lean_inner_kernel
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


@lean_inner_kernel
def _typical_size(m: NDArray[np.float64]) -> float:
    """Median size of the upstrokes remembered that are 0.4 times as large as the largest."""
    stop = STROKES + 4 * min(int(m[COUNT]), DEPTH)
    least = 0.0
    for at in range(STROKES, stop, 4):
        least = max(least, m[at + 1])
    least *= 0.4
    n = 0
    for at in range(STROKES, stop, 4):
        n += 1 if m[at + 1] >= least else 0
    low = high = 0.0
    for at in range(STROKES, stop, 4):
        # How many are smaller, and not larger, tells which places this one takes in ascending order.
        smaller = 0
        not_larger = 0
        for other in range(STROKES, stop, 4):
            if m[other + 1] >= least:
                smaller += 1 if m[other + 1] < m[at + 1] else 0
                not_larger += 1 if m[other + 1] <= m[at + 1] else 0
        if smaller <= (n - 1) // 2 < not_larger:
            low = m[at + 1]
        if smaller <= n // 2 < not_larger:
            high = m[at + 1]
    return 0.5 * (low + high)
