"""From samples to upstrokes of the pulse wave: whole groups averaged, a low-pass, every stretch over which it rises.

Short loops over a stretch, each short enough for a compiler to keep its numbers in registers. Places are unsigned where
`pulse_place` says why.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from allostat.kernels import pulse_place, pulse_rule
from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.pulse_place import BASE, HUGE
from allostat.kernels.pulse_rule import DEADLINE

# Positions in the state: settings, then memory.
(GROUP, SLOPE_SCALE, DELAY, GAIN_0, GAIN_1, GAIN_2, GAIN_3, POLE_2, POLE_3) = range(36, 45)
(SEEN, Z1, Z2, Z3, LAST, LOWEST, HIGH, STEEPEST, STEEPEST_AT, RISING, HELD, OFFSET, MISSING) = range(45, 58)

# Rows of a stretch: means of groups, of which the first are remembered; filtered ones; and, of each upstroke, after how
# many groups it was steepest, how steep, its crest, its rise, and after how many groups it was over.
(MEANS, SMOOTH, STEEPEST_AFTER, STEEPNESS, CREST, RISE, OVER_AFTER) = range(7)
ROWS = 7

OVER = 0.08
"""An upstroke is over when the signal has fallen by this share of its rise."""
LEAD = 3
"""Means before the first group that the filter looks back at."""
TINY = 1e-150
"""Added to the signal: without one the filter would fade to denormal numbers, which are slow."""


@lean_kernel
def advance(
    filled: int,
    buffer: NDArray[np.float64],
    wave: NDArray[np.float64],
    state: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Run the whole groups that the buffer holds and the detector has not seen; returns the number of peaks found.

    ``wave`` (`ROWS`, n): means of groups, of which the first `LEAD` are remembered from one call to the next.
    """
    group = int(state[GROUP])
    left = filled // group - int(state[SEEN])
    n_found = 0
    while left > 0:
        n = min(left, wave.shape[1] - LEAD)
        first = int(state[SEEN]) * group
        samples, means = buffer[first : first + n * group], wave[MEANS, LEAD : LEAD + n]
        if state[MISSING] == 1.0 or not _average(samples, means, state):
            _average_over_gaps(samples, means, state)
        _smooth(n, wave[MEANS], wave[SMOOTH], state)
        _offer(n, _upstrokes(n, wave, state), wave, state)
        state[SEEN] += n
        n_found = pulse_place.place_all(n_found, buffer, state, found)
        left -= n
    return n_found


@lean_kernel
def finish(filled: int, buffer: NDArray[np.float64], state: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    """Decide on what is left; returns the number of peaks found."""
    while state[DEADLINE] < np.inf:
        pulse_rule.settle(state[BASE] + filled, state)
    return pulse_place.place_all(0, buffer, state, found)


@lean_kernel
def _average(samples: NDArray[np.float64], means: NDArray[np.float64], state: NDArray[np.float64]) -> bool:
    """Mean of each group; whether no sample is missing or huge."""
    group = int(state[GROUP])
    share = 1.0 / group
    offset = state[OFFSET]
    strange = 0
    # Counts instead of conditions let these loops be vectorised.
    if group == 2:
        for k in range(len(means)):
            means[k] = (samples[2 * k] + samples[2 * k + 1]) * share - offset
    elif group == 4:
        for k in range(len(means)):
            means[k] = (
                ((samples[4 * k] + samples[4 * k + 1]) + samples[4 * k + 2]) + samples[4 * k + 3]
            ) * share - offset
    else:
        for k in range(len(means)):
            total = samples[k * group]
            for j in range(1, group):
                total += samples[k * group + j]
            means[k] = total * share - offset
    for k in range(len(means)):
        strange += 0 if abs(means[k]) < HUGE else 1
    state[HELD] = samples[len(samples) - 1] - offset if strange == 0 else state[HELD]
    return strange == 0


@lean_inner_kernel
def _average_over_gaps(samples: NDArray[np.float64], means: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    """Mean of each group; missing samples hold the last value, and what follows them goes on from there."""
    group = int(state[GROUP])
    share = 1.0 / group
    held, offset, missing = state[HELD], state[OFFSET], state[MISSING] == 1.0
    for k in range(len(means)):
        total = samples[k * group]
        for j in range(1, group):
            total += samples[k * group + j]
        means[k] = total * share - offset
        if not missing and abs(means[k]) < HUGE:
            held = samples[(k + 1) * group - 1] - offset
            continue
        total = 0.0
        for j in range(k * group, (k + 1) * group):
            if abs(samples[j]) < HUGE:
                if missing:
                    # A step would look like a pulse.
                    offset = samples[j] - held
                    missing = False
                held = samples[j] - offset
            else:
                missing = True
            total += held
        means[k] = total * share
    state[HELD], state[OFFSET], state[MISSING] = held, offset, 1.0 if missing else 0.0


@lean_kernel
def _smooth(n: int, means: NDArray[np.float64], smooth: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    """Low-pass of ``n`` means, which begin at the fourth: the first three are those before them."""
    gain_0, gain_1, gain_2, gain_3 = state[GAIN_0], state[GAIN_1], state[GAIN_2], state[GAIN_3]
    pole_2, pole_3 = state[POLE_2], state[POLE_3]
    z1, z2, z3 = state[Z1], state[Z2], state[Z3]
    for k in range(n):
        smooth[k] = (gain_0 * means[k + 3] + gain_1 * means[k + 2]) + (gain_2 * means[k + 1] + gain_3 * means[k]) + TINY
    for k in range(n):
        z = (smooth[k] - pole_3 * z3) - pole_2 * z2
        z3 = z2
        z2 = z1
        z1 = z
        smooth[k] = z
    state[Z1], state[Z2], state[Z3] = z1, z2, z3
    for k in range(3):
        means[k] = means[n + k]


@lean_inner_kernel
def _upstrokes(n: int, wave: NDArray[np.float64], state: NDArray[np.float64]) -> int:
    """Write each stretch over which the signal rises to the rows of ``wave``; returns how many were over."""
    before_first = state[BASE] + state[SEEN] * state[GROUP]
    lowest, high, steepest = state[LOWEST], state[HIGH], state[STEEPEST]
    steepest_at = int((state[STEEPEST_AT] - before_first) / state[GROUP])
    rising, z = state[RISING] == 1.0, state[LAST]
    k = count = 0
    while k < n:
        if not rising:
            while k < n and wave[SMOOTH, uint64(k)] <= lowest:
                lowest = wave[SMOOTH, uint64(k)]
                k += 1
            z = high = lowest
            steepest = 0.0
            rising = k < n
        # Short loops with one way out each: what a processor does not foresee costs more than all they compute.
        over = False
        while k < n and not over:
            slope = wave[SMOOTH, uint64(k)] - z
            z = wave[SMOOTH, uint64(k)]
            k += 1
            steepest_at = k if slope > steepest else steepest_at
            steepest = max(steepest, slope)
            high = max(high, z)
            over = high - z > OVER * (high - lowest)
        if over:
            i = uint64(count)
            wave[STEEPEST_AFTER, i], wave[STEEPNESS, i], wave[OVER_AFTER, i] = steepest_at, steepest, k
            wave[CREST, i], wave[RISE, i] = high, high - lowest
            count += 1
            rising = False
            lowest = z
    state[LOWEST], state[HIGH], state[STEEPEST] = lowest, high, steepest
    state[STEEPEST_AT] = before_first + steepest_at * state[GROUP]
    state[RISING], state[LAST] = 1.0 if rising else 0.0, z
    return count


@lean_inner_kernel
def _offer(n: int, count: int, wave: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    """Offer the upstrokes of the last ``n`` groups to the rule, with what had been seen when each was over."""
    group = state[GROUP]
    before_first = state[BASE] + state[SEEN] * group
    offered = 0.0
    for k in range(count + 1):
        i = uint64(k)
        seen = before_first + (wave[OVER_AFTER, i] if k < count else float(n)) * group
        while seen >= state[DEADLINE]:
            # An upstroke that went on for long is offered after its deadline.
            pulse_rule.settle(max(_tick(state), offered), state)
        offered = seen
        if k < count:
            size = math.sqrt(wave[RISE, i] * wave[STEEPNESS, i] * state[SLOPE_SCALE])
            time = before_first + wave[STEEPEST_AFTER, i] * group - state[DELAY]
            pulse_rule.offer(time, size, wave[CREST, i], wave[RISE, i], seen, state)


@lean_inner_kernel
def _tick(state: NDArray[np.float64]) -> float:
    """Samples seen at the end of the group at which the deadline passes."""
    return float(math.ceil(state[DEADLINE] / state[GROUP]) * state[GROUP])
