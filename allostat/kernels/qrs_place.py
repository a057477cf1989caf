"""Where a beat lies: the extremum of the unfiltered signal near a hump, below one sample, and how surely.

Samples and the averages of their groups stand in linear buffers: sample j, counted from the first one ever pushed, at
``j - base``, its group at ``(j - base) // group``. A beat is decided on later than all samples that are looked at here
have been seen, except at the very end, and earlier than they are dropped, so that the length of a chunk changes no bit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel
from allostat.kernels.qrs_candidates import DEPTH, TIME
from allostat.kernels.qrs_rule import FOUND

# Positions in the state: settings, in samples but for the reach, which counts groups; then memory.
(GROUP, REACH, SPAN, STRETCH, FAVOUR, APART) = range(24, 30)
(SEEN, BASE, LAST_AT, POLARITY, NOISE) = range(32, 37)

NOISE_SAMPLES = 24
"""Length of each stretch that tells the noise: an even number."""


def prepare(state: NDArray[np.float64]) -> None:
    """Set the memory to what it is before the first sample."""
    state[LAST_AT] = -1e18
    state[POLARITY] = np.nan
    state[NOISE] = np.nan


@lean_inner_kernel
def place_all(
    buffer: NDArray[np.float64],
    level: NDArray[np.float64],
    state: NDArray[np.float64],
    candidates: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Write sample, fraction and standard error of the beats that the rule has found; returns their number.

    A beat without an extremum, or at that of the beat before, is left out.
    """
    n = 0
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
    reach = int(state[REACH])
    centre = (int(time) - int(state[BASE])) // int(state[GROUP])
    first = max(centre - reach, 1)
    last = min(centre + reach, int(state[SEEN]) - 2)
    scale = (reach + 1.0) ** -2
    best = 0.0
    before, here = level[first - 1], level[first]
    for k in range(first, last + 1):
        after = level[k + 1]
        off = k - centre
        best = max(best, abs(after - before) * (1.0 - off * off * scale))
        before, here = here, after
    return best


@lean_inner_kernel
def _place(
    time: float, buffer: NDArray[np.float64], level: NDArray[np.float64], state: NDArray[np.float64]
) -> tuple[float, float]:
    """Position of the extremum of the prevailing polarity and its standard error, which is 0 where there is none.

    Deflections count from the mean around the candidate and weigh less the farther they lie from it, so that the
    T wave of a wide complex does not win.
    """
    reach, base = int(state[REACH]), int(state[BASE])
    centre = (int(time) - base) // int(state[GROUP])
    first = max(centre - reach, 1)
    last = min(centre + reach, int(state[SEEN]) - 2)
    scale = (reach + 1.0) ** -2
    total = 0.0
    weights = 0.0
    for k in range(first, last + 1):
        weight = 1.0 - (k - centre) * (k - centre) * scale
        total += weight * level[k]
        weights += weight
    mean = total / weights if weights > 0.0 else 0.0
    up = 0.0
    down = 0.0
    up_at = down_at = first
    for k in range(first, last + 1):
        deflection = (1.0 - (k - centre) * (k - centre) * scale) * (level[k] - mean)
        if deflection > up:
            up = deflection
            up_at = k
        if deflection < down:
            down = deflection
            down_at = k
    if not up - down > 0.0:
        return time, 0.0
    balance = (up + down) / (up - down)
    if math.isnan(state[POLARITY]):
        state[POLARITY] = balance
    favour = state[FAVOUR] if state[POLARITY] >= 0.0 else -state[FAVOUR]
    state[POLARITY] += 0.1 * (balance - state[POLARITY])
    sign = 1.0 if balance + favour >= 0.0 else -1.0
    noise = _sample_noise(first, buffer, state)
    return _refine(up_at if sign > 0.0 else down_at, max(up, -down), sign, noise, buffer, state)


@lean_inner_kernel
def _sample_noise(group: int, buffer: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Standard deviation of the noise of one sample, from second differences: the middle of three stretches before.

    Stretches with missing samples have no say; without any, the noise is that of the beat before.
    """
    first, stretch = group * int(state[GROUP]), int(state[STRETCH])
    oldest = max(0, -int(state[BASE]))
    lowest = np.inf
    highest = 0.0
    total = 0.0
    n = 0
    for k in range(3):
        start = first - k * stretch - NOISE_SAMPLES
        if start <= oldest:
            break
        even = 0.0
        odd = 0.0
        before, here = buffer[start - 1], buffer[start]
        for j in range(start + 1, start + NOISE_SAMPLES + 1, 2):
            after, beyond = buffer[j], buffer[j + 1]
            bend = before - 2.0 * here + after
            even += bend * bend
            bend = here - 2.0 * after + beyond
            odd += bend * bend
            before, here = after, beyond
        variance = (even + odd) / (6.0 * NOISE_SAMPLES)
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
        smooth = sign * (buffer[j - 1] + 2.0 * buffer[j] + buffer[j + 1])
        if smooth > best:
            best = smooth
            at = j
    if at <= oldest + span:  # none, or the signal only falls away from where it begins
        return 0.0, 0.0
    squares = span * (span + 1.0) * (2.0 * span + 1.0) / 3.0
    fourths = squares * (3.0 * span * span + 3.0 * span - 1.0) / 5.0
    n = 2.0 * span + 1.0
    plain = 0.0
    first = 0.0
    second = 0.0
    middle = buffer[at]
    for k in range(-span, span + 1):
        value = sign * (buffer[at + k] - middle)
        plain += value
        first += k * value
        second += k * k * value
    if plain != plain:
        return 0.0, 0.0
    determinant = n * fourths - squares * squares
    slope = first / squares
    bend = (n * second - squares * plain) / determinant
    furthest = int(state[STRETCH])
    after = 0
    while at + after + 1 < stop and after < furthest and buffer[at + after + 1] == middle:
        after += 1
    ahead = 0
    while at - ahead > oldest and ahead < furthest and buffer[at - ahead - 1] == middle:
        ahead += 1
    width = ahead + after + 1.0
    if bend < 0.0 and width < max(4, span):
        shift = min(max(-slope / (2.0 * bend), -float(span)), float(span))
        # Noise moves the slope at the middle and the bend; a narrow peak is no parabola.
        by_slope = noise / (-2.0 * bend * math.sqrt(squares))
        by_bend = abs(shift) * noise * math.sqrt(n / determinant) / -bend
        misfit = 0.06 * span * span * span * -bend / size
        jitter = math.sqrt(by_slope * by_slope + by_bend * by_bend + misfit * misfit)
        jitter = jitter if jitter < span else float(span)
    else:
        # A clipped top: its middle.
        shift = 0.5 * (after - ahead)
        jitter = width / math.sqrt(12.0)
    return base + at + shift, max(jitter, 0.01)
