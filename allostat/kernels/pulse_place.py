"""Where a pulse lies: its systolic peak in the unfiltered signal, below one sample, and how surely.

The peak is the first top or shoulder after the steepest rise, not the highest point: a second wave may outgrow the
first from one pulse to the next, and would move the peak. Samples stand in a linear buffer: sample j, counted from the
first one ever pushed, at ``j - base``. A pulse is placed with what had been seen when it was decided on, so that the
length of a chunk changes no bit.

In inner loops places are unsigned: of a signed one numba asks each time whether it counts from the end, which cost more
than what is computed there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from allostat.kernels.compiled import inlined_kernel, lean_inner_kernel
from allostat.kernels.pulse_rule import FOUND, LANES, N_FOUND, PULSE, REFRACTORY, ROOM

# Positions in the state: settings, then memory.
(SPAN, PLATEAU, CLIMB, BY_SLOPE, BY_BEND, BY_SIZE) = range(28, 34)
(BASE, LAST_AT) = range(34, 36)
REACH = 58

# Of each pulse found: where its top may be (the rule writes the time of the upstroke) and the last place where it could
# be (the rule writes how many samples had been seen), then what becomes known of it.
(TOP, NEWEST, BEND, SHIFT, REST, NOISE) = range(6)
NOWHERE = -1.0
"""For the last place, of a pulse without a top."""

NOISE_SAMPLES = 5 * LANES
"""The noise of a sample is read from this many before the top of a pulse."""
HUGE = 1e100
"""Values beyond are taken for missing: they would never fade from the filter."""
SHOULDER = 0.3
"""The top is reached where the signal rises by no more than this share of its steepest rise."""
LEAST_JITTER = 0.01
"""Smallest standard error given, in samples."""


@lean_inner_kernel
def place_all(n: int, buffer: NDArray[np.float64], state: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    """Write sample, fraction and standard error of the pulses that the rule has found behind ``n`` earlier ones.

    ``n`` and what is returned count peaks. Left out are pulses with missing samples around the top, those whose top is
    that of the pulse before, and those decided on so late that their samples may be forgotten. A place in the buffer
    and a position below one sample are kept apart until the end: where in the buffer the top stands must not show in a
    rounding.
    """
    base, span, climb = state[BASE], int(state[SPAN]), int(state[CLIMB])
    weights = state[BY_SLOPE], state[BY_BEND], state[BY_SIZE]
    stop = FOUND + PULSE * int(state[N_FOUND])
    # Each step for all pulses before the next step: what a step computes of one pulse waits for itself, not for that
    # of the next one, and few steps of several pulses fit into what a processor has in hand.
    for place in range(FOUND, stop, PULSE):
        row = uint64(place)
        newest = int(state[row + NEWEST] - base) - 1 - span
        remembered = state[row + NEWEST] - state[row + TOP] <= state[REACH]
        top = _top(int(state[row + TOP] - base), newest, span, climb, buffer)
        state[row + TOP] = top if top <= newest else span
        state[row + NEWEST] = newest if (top <= newest) & remembered else NOWHERE
    # The parabola is moved to its own vertex; where it is there already, it is moved by nothing.
    for place in range(FOUND, stop, PULSE):
        row = uint64(place)
        top = int(state[row + TOP])
        known, bend, shift = _vertex(top, span, weights, buffer)
        state[row + TOP] = top + _step(top, shift, span, state[row + NEWEST])
    for place in range(FOUND, stop, PULSE):
        row = uint64(place)
        top = int(state[row + TOP])
        known, bend, shift = _vertex(top, span, weights, buffer)
        step = _step(top, shift, span, state[row + NEWEST])
        state[row + TOP] = top + step
        state[row + NEWEST] = state[row + NEWEST] if known else NOWHERE
        state[row + BEND], state[row + SHIFT], state[row + REST] = bend, shift, shift - step
    for place in range(FOUND, stop, PULSE):
        row = uint64(place)
        state[row + NOISE] = _noise(int(state[row + TOP]), span, buffer, state)
    for place in range(FOUND, stop, PULSE):
        row = uint64(place)
        if state[row + NEWEST] == NOWHERE:
            continue
        top, bend = int(state[row + TOP]), state[row + BEND]
        rest, jitter = 0.0, float(span)
        if bend < 0.0:
            shift = state[row + SHIFT]
            spread = math.sqrt(0.25 * weights[0] + shift * shift * weights[1])
            rest, jitter = state[row + REST], -math.sqrt(state[row + NOISE]) * spread / bend
        if (buffer[uint64(top + 1)] == buffer[uint64(top)]) | (buffer[uint64(top - 1)] == buffer[uint64(top)]):
            before, after = _plateau(top, int(state[PLATEAU]), int(state[row + NEWEST]) + 1 + span, buffer)
            if before + after + 1 >= max(4, span):
                rest = 0.5 * (after - before)
                jitter = (before + after + 1) / math.sqrt(12.0)
        at = base + top + rest
        if at - state[LAST_AT] >= 0.5 * state[REFRACTORY]:
            state[LAST_AT] = at
            sample, peak = np.floor(at + 0.5), uint64(n)
            found[peak, 0], found[peak, 1], found[peak, 2] = sample, at - sample, max(jitter, LEAST_JITTER)
            n += 1
    state[N_FOUND] = 0.0
    return n


@inlined_kernel
def _top(start: int, newest: int, span: int, climb: int, buffer: NDArray[np.float64]) -> int:
    """Place of the first top or shoulder after ``start``; beyond ``newest`` when it starts there.

    A shoulder counts as a top, or a second wave that outgrows the first would move the peak from pulse to pulse.
    """
    top = max(start, span)
    last = min(top + climb, newest)
    fastest = 0.0
    while top < last:
        rise = buffer[uint64(top + span)] - buffer[uint64(top - span)]
        if not rise > SHOULDER * fastest:
            break
        fastest = max(fastest, rise)
        top += 1
    return top


@inlined_kernel
def _vertex(
    top: int, span: int, weights: tuple[float, float, float], buffer: NDArray[np.float64]
) -> tuple[bool, float, float]:
    """Parabola through the samples around a place: whether none is missing, its bend, and how far its vertex is away.

    The vertex is taken no farther away than the samples reach, and of a parabola that has no top is here.
    """
    middle = buffer[uint64(top)]
    plain = first = second = away = 0.0
    for k in range(1, span + 1):
        after = buffer[uint64(top + k)] - middle
        ahead = buffer[uint64(top - k)] - middle
        away += 1.0
        plain += after + ahead
        first += away * (after - ahead)
        second += away * away * (after + ahead)
    by_slope, by_bend, by_size = weights
    known = abs(plain) < HUGE
    bend = by_bend * second - by_size * plain
    round_top = known & (bend < 0.0)
    # Not `/`, which looks for a zero first.
    far = np.true_divide(-0.5 * by_slope * (first if round_top else 0.0), bend if round_top else -1.0)
    return known, bend, min(max(far, -float(span)), float(span))


@inlined_kernel
def _step(top: int, shift: float, span: int, newest: float) -> float:
    """Samples from a place to the vertex, none when samples around that are not known."""
    step = np.floor(shift + 0.5)
    return step if (span <= top + step) & (top + step <= newest) else 0.0


@lean_inner_kernel
def _plateau(at: int, most: int, known: int, buffer: NDArray[np.float64]) -> tuple[int, int]:
    """How many samples before and after ``at`` have its value."""
    after = 0
    while after < most and at + after + 1 < known and buffer[at + after + 1] == buffer[at]:
        after += 1
    before = 0
    while before < most and at - before > 0 and buffer[at - before - 1] == buffer[at]:
        before += 1
    return before, after


@inlined_kernel
def _noise(top: int, oldest: int, buffer: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Variance of the noise of one sample, from the third differences of the samples before the top."""
    first = top - NOISE_SAMPLES
    if first >= oldest + 2:
        # Four sums that do not wait for each other, and that one instruction adds to: their number is none that a
        # compiler knows, or it would write out each of them.
        sums = state[ROOM : ROOM + LANES]
        for lane in range(len(sums)):
            k = uint64(first - 2) + uint64(lane)
            total = _square(k, buffer) + _square(k + uint64(LANES), buffer)
            total += _square(k + uint64(2 * LANES), buffer)
            total += _square(k + uint64(3 * LANES), buffer)
            total += _square(k + uint64(4 * LANES), buffer)
            sums[lane] = total
        total = (sums[0] + sums[1]) + (sums[2] + sums[3])
        if total < HUGE:
            return float(total / (20.0 * NOISE_SAMPLES))
    return _noise_beside_gaps(top, max(first, oldest + 2), buffer)


@inlined_kernel
def _square(k: uint64, buffer: NDArray[np.float64]) -> float:
    """Square of a third difference."""
    third = buffer[k + uint64(3)] - buffer[k] + 3.0 * (buffer[k + uint64(1)] - buffer[k + uint64(2)])
    return float(third * third)


@lean_inner_kernel
def _noise_beside_gaps(top: int, first: int, buffer: NDArray[np.float64]) -> float:
    """The same from the third differences without a missing sample; 0 without any."""
    total = 0.0
    n = 0
    for j in range(first + 1, top + 1):
        third = buffer[j] - buffer[j - 3] + 3.0 * (buffer[j - 2] - buffer[j - 1])
        if abs(third) < HUGE:
            total += third * third
            n += 1
    return total / (20.0 * n) if n > 0 else 0.0
