"""Where a beat lies: the extremum of the unfiltered signal near a hump, below one sample, and how surely.

Samples and the averages of their groups stand in linear buffers: sample j, counted from the first one ever pushed, at
``j - base``, its group at ``(j - base) // group``. A beat is decided on later than all samples that are looked at here
have been seen, except at the very end, and earlier than they are dropped, so that the length of a chunk changes no bit.

In inner loops places are unsigned: of a signed one numba asks each time whether it counts from the end, which cost more
than what is computed there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel
from allostat.kernels.qrs_candidates import DEPTH, ROOM, STATE, TIME
from allostat.kernels.qrs_rule import FOUND

# Positions in the state: settings, in samples but for the reach, which counts groups; then memory.
(GROUP, REACH, SPAN, STRETCH, FAVOUR, APART, BY_SLOPE) = range(24, 31)
(SEEN, BASE, LAST_AT, POLARITY, NOISE, BY_BEND, BY_SIZE, WEIGHT) = range(32, 40)

NOISE_SAMPLES = 24
"""Length of each stretch that tells the noise: an even number."""
WEIGHTS = STATE
"""Where the weights of the groups around a beat begin in the state, behind all else."""


def prepare(state: NDArray[np.float64]) -> None:
    """Set the memory to what it is before the first sample."""
    state[LAST_AT] = -1e18
    state[POLARITY] = np.nan
    state[NOISE] = np.nan


@lean_inner_kernel
def place_all(
    n: int,
    buffer: NDArray[np.float64],
    level: NDArray[np.float64],
    state: NDArray[np.float64],
    candidates: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Write sample, fraction and standard error of the beats that the rule has found behind ``n`` earlier ones.

    Returns the number of all. A beat without an extremum, or at that of the beat before, is left out.
    """
    for row in range(DEPTH, DEPTH + int(state[FOUND])):
        at, jitter = _place(candidates[row, TIME], buffer, level, state)
        if jitter > 0.0 and at - state[LAST_AT] >= state[APART]:
            state[LAST_AT] = at
            found[n, 0] = np.floor(at + 0.5)
            found[n, 1] = at - found[n, 0]
            found[n, 2] = jitter
            n += 1
    state[FOUND] = 0.0
    return n


@lean_inner_kernel
def steepest(time: float, level: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Largest rise or fall of the signal near ``time`` over two groups; it weighs less the farther it lies."""
    first, last, weigh = _around(time, state)
    near, weights = level[first - 1 : last + 2], state[weigh : weigh + last + 1 - first]
    n = len(weights)
    # Four searches that do not wait for each other.
    b0 = b1 = b2 = b3 = 0.0
    for k in range(0, n - 3, 4):
        b0 = max(b0, abs(near[uint64(k + 2)] - near[uint64(k)]) * weights[uint64(k)])
        b1 = max(b1, abs(near[uint64(k + 3)] - near[uint64(k + 1)]) * weights[uint64(k + 1)])
        b2 = max(b2, abs(near[uint64(k + 4)] - near[uint64(k + 2)]) * weights[uint64(k + 2)])
        b3 = max(b3, abs(near[uint64(k + 5)] - near[uint64(k + 3)]) * weights[uint64(k + 3)])
    for k in range(n - n % 4, n):
        b0 = max(b0, abs(near[uint64(k + 2)] - near[uint64(k)]) * weights[uint64(k)])
    return max(max(b0, b1), max(b2, b3))


@lean_inner_kernel
def _around(time: float, state: NDArray[np.float64]) -> tuple[int, int, int]:
    """First and last group around ``time`` that have known neighbours, and where the weight of the first one stands."""
    reach = int(state[REACH])
    # As numbers with a fraction, which are divided several times faster than integers.
    centre = math.floor((int(time) - state[BASE]) / state[GROUP])
    first = max(centre - reach, 1)
    return first, max(min(centre + reach, int(state[SEEN]) - 2), first - 1), WEIGHTS + first - (centre - reach)


@lean_inner_kernel
def _place(
    time: float, buffer: NDArray[np.float64], level: NDArray[np.float64], state: NDArray[np.float64]
) -> tuple[float, float]:
    """Position of the extremum of the prevailing polarity and its standard error, which is 0 where there is none.

    Deflections count from the mean around the candidate and weigh less the farther they lie from it, so that the
    T wave of a wide complex does not win.
    """
    first, last, weigh = _around(time, state)
    near, weights = level[first : last + 1], state[weigh : weigh + last + 1 - first]
    n = len(weights)
    # Four sums, and four searches, that do not wait for each other.
    s0 = s1 = s2 = s3 = 0.0
    for k in range(0, n - 3, 4):
        s0 += weights[uint64(k)] * near[uint64(k)]
        s1 += weights[uint64(k + 1)] * near[uint64(k + 1)]
        s2 += weights[uint64(k + 2)] * near[uint64(k + 2)]
        s3 += weights[uint64(k + 3)] * near[uint64(k + 3)]
    for k in range(n - n % 4, n):
        s0 += weights[uint64(k)] * near[uint64(k)]
    total = state[WEIGHT]
    if n < 2 * int(state[REACH]) + 1:
        total = 0.0
        for k in range(n):
            total += weights[k]
    mean = ((s0 + s1) + (s2 + s3)) / total if n > 0 else 0.0
    # Stored before they are searched: computing them so is done four at a time.
    heights = state[ROOM : ROOM + n]
    for k in range(n):
        heights[k] = weights[k] * (near[k] - mean)
    u0 = u1 = u2 = u3 = d0 = d1 = d2 = d3 = 0.0
    for k in range(0, n - 3, 4):
        t0, t1 = heights[uint64(k)], heights[uint64(k + 1)]
        t2, t3 = heights[uint64(k + 2)], heights[uint64(k + 3)]
        u0, u1, u2, u3 = max(u0, t0), max(u1, t1), max(u2, t2), max(u3, t3)
        d0, d1, d2, d3 = min(d0, t0), min(d1, t1), min(d2, t2), min(d3, t3)
    for k in range(n - n % 4, n):
        u0, d0 = max(u0, heights[uint64(k)]), min(d0, heights[uint64(k)])
    up, down = max(max(u0, u1), max(u2, u3)), min(min(d0, d1), min(d2, d3))
    if not up - down > 0.0:
        return time, 0.0
    balance = (up + down) / (up - down)
    if math.isnan(state[POLARITY]):
        state[POLARITY] = balance
    favour = state[FAVOUR] if state[POLARITY] >= 0.0 else -state[FAVOUR]
    state[POLARITY] += 0.1 * (balance - state[POLARITY])
    sign = 1.0 if balance + favour >= 0.0 else -1.0
    top = up if sign > 0.0 else down
    at = 0
    while at < n - 1 and heights[uint64(at)] != top:
        at += 1
    noise = _sample_noise(first, buffer, state)
    return _refine(first + at, max(up, -down), sign, noise, buffer, state)


@lean_inner_kernel
def _sample_noise(group: int, buffer: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Standard deviation of the noise of one sample, from second differences: the middle of three stretches before.

    Stretches with missing samples have no say; without any, the noise is that of the beat before.
    """
    first, stretch = group * int(state[GROUP]), int(state[STRETCH])
    oldest = max(0, -int(state[BASE]))
    squares = state[ROOM : ROOM + NOISE_SAMPLES]
    lowest = np.inf
    highest = 0.0
    total = 0.0
    n = 0
    for k in range(3):
        start = first - k * stretch - NOISE_SAMPLES
        if start <= oldest:
            break
        near = buffer[start - 1 : start + NOISE_SAMPLES + 1]
        for j in range(len(squares)):
            difference = near[j] - 2.0 * near[uint64(j + 1)] + near[uint64(j + 2)]
            squares[j] = difference * difference
        s0 = s1 = s2 = s3 = 0.0
        for j in range(0, NOISE_SAMPLES, 4):
            s0 += squares[j]
            s1 += squares[j + 1]
            s2 += squares[j + 2]
            s3 += squares[j + 3]
        variance = ((s0 + s1) + (s2 + s3)) * (1.0 / (6.0 * NOISE_SAMPLES))
        if variance == variance:
            lowest, highest = min(lowest, variance), max(highest, variance)
            total += variance
            n += 1
    if n == 3:
        state[NOISE] = math.sqrt(max(total - lowest - highest, 0.0))
    elif n > 0:
        state[NOISE] = math.sqrt(total / n)
    return float(state[NOISE])


@lean_inner_kernel
def _refine(
    near: int, size: float, sign: float, noise: float, buffer: NDArray[np.float64], state: NDArray[np.float64]
) -> tuple[float, float]:
    """Position and standard error of the extremum in a group or beside it.

    Vertex of a parabola fitted to 2 span + 1 samples around the smoothed extremum; the standard error is 0 where one
    of them is missing.
    """
    group, span, base = int(state[GROUP]), int(state[SPAN]), int(state[BASE])
    oldest, stop = max(0, -base), int(state[SEEN]) * group
    at = -1
    best = -np.inf
    for j in range(max((near - 1) * group, oldest + span), min((near + 2) * group, stop - span)):
        smooth = sign * (buffer[uint64(j - 1)] + 2.0 * buffer[uint64(j)] + buffer[uint64(j + 1)])
        at = j if smooth > best else at
        best = smooth if smooth > best else best
    if at <= oldest + span:  # none, or the signal only falls away from where it begins
        return 0.0, 0.0
    plain = 0.0
    first = 0.0
    second = 0.0
    middle = buffer[uint64(at)]
    for k in range(1, span + 1):
        right, left = buffer[uint64(at + k)] - middle, buffer[uint64(at - k)] - middle
        plain += right + left
        first += k * (right - left)
        second += k * k * (right + left)
    if plain != plain:
        return 0.0, 0.0
    slope = sign * state[BY_SLOPE] * first
    bend = sign * (state[BY_BEND] * second - state[BY_SIZE] * plain)
    furthest = int(state[STRETCH])
    after = ahead = 0
    while at + after + 1 < stop and after < furthest and buffer[at + after + 1] == middle:
        after += 1
    while at - ahead > oldest and ahead < furthest and buffer[at - ahead - 1] == middle:
        ahead += 1
    width = ahead + after + 1.0
    if bend < 0.0 and width < max(4, span):
        shift = min(max(-slope / (2.0 * bend), -float(span)), float(span))
        # Noise moves the slope at the middle and the bend; a narrow peak is no parabola.
        spread = noise * noise * (0.25 * state[BY_SLOPE] + shift * shift * state[BY_BEND])
        misfit = 0.06 * span * span * span * bend / size
        jitter = math.sqrt(spread / (bend * bend) + misfit * misfit)
        jitter = jitter if jitter < span else float(span)
    else:
        # A clipped top: its middle.
        shift = 0.5 * (after - ahead)
        jitter = width / math.sqrt(12.0)
    return base + at + shift, max(jitter, 0.01)
