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

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.pulse_rule import FOUND, N_FOUND, NOISE_SAMPLES, REFRACTORY, ROOM

# Positions in the state: settings, then memory.
(SPAN, PLATEAU, CLIMB, BY_SLOPE, BY_BEND, BY_SIZE) = range(28, 34)
(BASE, LAST_AT) = range(34, 36)

HUGE = 1e100
"""Values beyond are taken for missing: they would never fade from the filter."""
SHOULDER = 0.3
"""The top is reached where the signal rises by no more than this share of its steepest rise."""
CLIMBS = 2
"""The parabola is moved to its own vertex at most so often."""
LEAST_JITTER = 0.01
"""Smallest standard error given, in samples."""


@lean_inner_kernel
def place_all(n: int, buffer: NDArray[np.float64], state: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    """Write sample, fraction and standard error of the pulses that the rule has found behind ``n`` earlier ones.

    Returns the number of all. Left out are pulses with missing samples around the top, and those whose top is that of
    the pulse before.
    """
    base = state[BASE]
    for row in range(FOUND, FOUND + 2 * int(state[N_FOUND]), 2):
        at, jitter = _place(int(state[row] - base), int(state[row + 1] - base), buffer, state)
        if jitter >= 0.0 and at - state[LAST_AT] >= 0.5 * state[REFRACTORY]:
            state[LAST_AT] = at
            found[n, 0] = np.floor(at + 0.5)
            found[n, 1] = at - found[n, 0]
            found[n, 2] = max(jitter, LEAST_JITTER)
            n += 1
    state[N_FOUND] = 0.0
    return n


@lean_inner_kernel
def _place(start: int, known: int, buffer: NDArray[np.float64], state: NDArray[np.float64]) -> tuple[float, float]:
    """Position of the first top after ``start`` and its standard error, which is -1 where there is none.

    ``start`` is a place in the buffer, of which ``known`` samples had been seen; the position counts from the first
    sample ever pushed. Whole numbers are added first: where in the buffer the top stands must not show in a rounding.
    """
    span = int(state[SPAN])
    newest = known - 1 - span
    # A shoulder counts as a top, or a second wave that outgrows the first would move the peak from pulse to pulse.
    top = max(start, span)
    last = min(top + int(state[CLIMB]), newest)
    fastest = 0.0
    while top < last:
        rise = buffer[uint64(top + span)] - buffer[uint64(top - span)]
        if not rise > SHOULDER * fastest:
            break
        fastest = max(fastest, rise)
        top += 1
    if top > newest:
        return 0.0, -1.0
    bend = shift = rest = 0.0
    for _ in range(CLIMBS):
        middle = buffer[uint64(top)]
        plain = 0.0
        first = 0.0
        second = 0.0
        for k in range(1, span + 1):
            after = buffer[uint64(top + k)] - middle
            ahead = buffer[uint64(top - k)] - middle
            plain += after + ahead
            first += k * (after - ahead)
            second += k * k * (after + ahead)
        if not abs(plain) < HUGE:
            return 0.0, -1.0
        bend = state[BY_BEND] * second - state[BY_SIZE] * plain
        if not bend < 0.0:
            break
        shift = min(max(-0.5 * state[BY_SLOPE] * first / bend, -float(span)), float(span))
        rest = shift
        step = math.floor(shift + 0.5)
        if step == 0 or not span <= top + step <= newest:
            break
        top += step
        rest = shift - step
    jitter = float(span)
    if bend < 0.0:
        spread = math.sqrt(0.25 * state[BY_SLOPE] + shift * shift * state[BY_BEND])
        jitter = -_noise(top, span, buffer, state) * spread / bend
    else:
        rest = 0.0
    if buffer[top + 1] == buffer[top] or buffer[top - 1] == buffer[top]:
        before, after = _plateau(top, int(state[PLATEAU]), known, buffer)
        if before + after + 1 >= max(4, span):
            rest = 0.5 * (after - before)
            jitter = (before + after + 1) / math.sqrt(12.0)
    return state[BASE] + top + rest, jitter


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


@lean_kernel
def _noise(top: int, oldest: int, buffer: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Standard deviation of the noise of one sample, from the third differences of the samples before the top."""
    first = top - NOISE_SAMPLES
    if first >= oldest + 2:
        near, squares = buffer[first - 2 : top + 1], state[ROOM : ROOM + NOISE_SAMPLES]
        for j in range(len(squares)):
            third = near[uint64(j + 3)] - near[j] + 3.0 * (near[uint64(j + 1)] - near[uint64(j + 2)])
            squares[j] = third * third
        # Four sums that do not wait for each other.
        s0 = s1 = s2 = s3 = 0.0
        for j in range(0, NOISE_SAMPLES, 4):
            s0 += squares[j]
            s1 += squares[j + 1]
            s2 += squares[j + 2]
            s3 += squares[j + 3]
        total = (s0 + s1) + (s2 + s3)
        if total < HUGE:
            return math.sqrt(total / (20.0 * NOISE_SAMPLES))
    total = 0.0
    n = 0
    for j in range(max(first, oldest + 2) + 1, top + 1):
        third = buffer[j] - buffer[j - 3] + 3.0 * (buffer[j - 2] - buffer[j - 1])
        if abs(third) < HUGE:
            total += third * third
            n += 1
    return math.sqrt(total / (20.0 * n)) if n > 0 else 0.0
