"""From samples to humps of the QRS envelope: whole groups averaged, a band, its energy and slope, an envelope.

Short loops over a stretch at a time, so that a compiler keeps their numbers in registers and a processor what passes
between them in its nearest cache: groups to levels, levels to envelope, envelope to humps. A step is one level, or two
where levels come fast enough for an envelope at half their rate: what is recursive or full of decisions costs most. The
numerator of the band-pass, a high-pass and a low-pass section together, is 1 - 2 z^-2 + z^-4 but for a factor, so only
the poles are left to recursion. Places are unsigned where `qrs_place` says why.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from allostat.kernels import qrs_place, qrs_rule
from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.qrs_candidates import ROWS, SIZE, SLOPE, TIME
from allostat.kernels.qrs_place import BASE, GROUP, SEEN
from allostat.kernels.qrs_rule import DEADLINE, SERIAL

LEAD = 4
"""Values before the first one that the filters without memory of their own output look back at."""
HALF_0, HALF_1, HALF_3 = 0.5, 0.28125, -0.03125
"""Half-band filter: weights of the level in the middle, of those beside it and of the third ones to either side. They
are those of the cubic through the four levels around a missing one, halved."""

# Positions in the state: settings, then memory. Those of the placement and the rule lie behind.
(BAND_GAIN, HIGH_1, HIGH_2, LOW_1, LOW_2, SLOPE_SCALE, ENVELOPE_1, ENVELOPE_2, DELAY, STEP) = range(10)
(H1, H2, L1, L2, E1, E2, ENERGY, EXTREME, EXTREME_AT, RISING, HELD, OFFSET, MISSING) = range(10, 23)

HUGE = 1e100
"""Values beyond are taken for missing: their energy would never fade from the filters."""
TINY = 1e-150
"""Added to the band: without a signal the filters would fade to denormal numbers, which are slow."""

SLOPED = 0.15
"""Candidates below this share of the level get no slope: none of them becomes a beat, not even in the look back."""

PROMINENCE = 1.4
"""A hump rises by this factor before its top and falls by it after."""


@lean_kernel
def advance(
    filled: int,
    buffer: NDArray[np.float64],
    level: NDArray[np.float64],
    wave: NDArray[np.float64],
    state: NDArray[np.float64],
    candidates: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Run the whole steps that the buffer holds and the detector has not seen; returns the number of beats found.

    ``level`` (n,): averages of the groups of the buffer; ``wave`` (4, m): what is made of a stretch of them, of which
    the first values of each row are those before it.
    """
    group, step = int(state[GROUP]), int(state[STEP])
    first, stop = int(state[SEEN]), filled // (group * step) * step
    n_found = 0
    while first < stop:
        end = min(first + (wave.shape[1] - LEAD) * step, stop)
        _average(first, end, buffer, level, state)
        _envelope(first, end, level, wave, state)
        _humps(first, end, level, wave[3], state, candidates)
        if state[qrs_rule.FOUND] > 0.0:  # while what lies around them is near at hand
            n_found = qrs_place.place_all(n_found, buffer, level, state, candidates, found)
        first = end
    return n_found


@lean_kernel
def _average(
    first: int, stop: int, buffer: NDArray[np.float64], level: NDArray[np.float64], state: NDArray[np.float64]
) -> None:
    """Mean of each group; missing samples hold the last value, and what follows them goes on from there."""
    group = int(state[GROUP])
    share = 1.0 / group
    held, offset, missing = state[HELD], state[OFFSET], state[MISSING] == 1.0
    # Views that start at 0, and counts instead of conditions, let these loops be vectorised.
    samples, means = buffer[first * group : stop * group], level[first:stop]
    if group == 2:
        for k in range(len(means)):
            means[k] = (samples[2 * k] + samples[2 * k + 1]) * share - offset
    else:
        for k in range(len(means)):
            total = samples[k * group]
            for j in range(1, group):
                total += samples[k * group + j]
            means[k] = total * share - offset
    strange = 0
    for k in range(len(means)):
        strange += 0 if abs(means[k]) < HUGE else 1
    if strange == 0 and not missing:
        state[HELD] = samples[len(samples) - 1] - offset
        return
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
                    # A step would look like a beat.
                    offset = samples[j] - held
                    missing = False
                held = samples[j] - offset
            else:
                missing = True
                samples[j] = np.nan
            total += held
        means[k] = total * share
    state[HELD], state[OFFSET], state[MISSING] = held, offset, 1.0 if missing else 0.0


@lean_inner_kernel
def _envelope(
    first: int, stop: int, level: NDArray[np.float64], wave: NDArray[np.float64], state: NDArray[np.float64]
) -> None:
    """Energy of the band and of its slope, smoothed, into ``wave[1]``: one value for each step."""
    gain, high_1, high_2 = state[BAND_GAIN], state[HIGH_1], state[HIGH_2]
    low_1, low_2, slope_scale = state[LOW_1], state[LOW_2], state[SLOPE_SCALE]
    envelope_1, envelope_2 = state[ENVELOPE_1], state[ENVELOPE_2]
    h1, h2, l1, l2 = state[H1], state[H2], state[L1], state[L2]
    e1, e2, earlier = state[E1], state[E2], state[ENERGY]
    n = (stop - first) // int(state[STEP])
    even, odd, half, out = wave[0], wave[1], wave[2], wave[3]
    near = level[first:stop]
    if state[STEP] == 1.0:
        for k in range(n):
            half[LEAD + k] = near[k]
    else:
        for k in range(n):
            even[LEAD + k] = near[2 * k]
            odd[LEAD + k] = near[2 * k + 1]
        for k in range(n):
            half[LEAD + k] = HALF_0 * odd[LEAD + k - 2] + (
                HALF_1 * (even[LEAD + k - 2] + even[LEAD + k - 1]) + HALF_3 * (even[LEAD + k - 3] + even[LEAD + k])
            )
    for k in range(n):
        out[k] = gain * (half[LEAD + k] - 2.0 * half[LEAD + k - 2] + half[LEAD + k - 4]) + TINY
    for row in range(3):
        for k in range(LEAD):
            wave[row, k] = wave[row, n + k]
    for k in range(n):
        h = (out[k] - high_2 * h2) - high_1 * h1
        h2 = h1
        h1 = h
        z = (h - low_2 * l2) - low_1 * l1
        slope = (z - l1) * slope_scale
        l2 = l1
        l1 = z
        energy = z * z + slope * slope
        v = ((energy + earlier) - envelope_2 * e2) - envelope_1 * e1
        earlier = energy
        e2 = e1
        e1 = v
        out[k] = v
    state[H1], state[H2], state[L1], state[L2] = h1, h2, l1, l2
    state[E1], state[E2], state[ENERGY] = e1, e2, earlier


@lean_inner_kernel
def _humps(
    first: int,
    stop: int,
    level: NDArray[np.float64],
    envelope: NDArray[np.float64],
    state: NDArray[np.float64],
    candidates: NDArray[np.float64],
) -> None:
    """Offer each hump of the envelope to the rule."""
    base, group, step = int(state[BASE]), int(state[GROUP]), int(state[STEP])
    extreme, rising = state[EXTREME], state[RISING] == 1.0
    stride = group * step
    before_first = base + first * group
    extreme_at = (int(state[EXTREME_AT]) - before_first) // stride
    n = (stop - first) // step
    k = 0
    while k < n:
        # Short loops with one way out each: what a processor does not foresee costs more than all they compute.
        if not rising:
            while k < n and envelope[uint64(k)] <= PROMINENCE * extreme:
                extreme = min(extreme, envelope[uint64(k)])
                k += 1
            if k == n:
                break
            rising = True
            extreme = envelope[uint64(k)]
            extreme_at = k
            k += 1
        over = False
        while k < n and not over:
            v = envelope[uint64(k)]
            extreme_at = k if v > extreme else extreme_at
            extreme = max(extreme, v)
            over = v * PROMINENCE < extreme
            k += 1
        if over:
            state[SEEN] = first + k * step
            if before_first + k * stride >= state[DEADLINE]:
                qrs_rule.settle(state, candidates)
            row = int(state[SERIAL]) & ROWS
            size = math.sqrt(extreme)
            candidates[row, TIME] = before_first + extreme_at * stride - state[DELAY]
            candidates[row, SIZE] = size
            candidates[row, SLOPE] = 0.0
            if size > SLOPED * state[qrs_rule.LEVEL]:
                candidates[row, SLOPE] = qrs_place.steepest(candidates[row, TIME], level, state)
            qrs_rule.offer(state, candidates)
            rising = False
            extreme = envelope[k - 1]
    if before_first + n * stride >= state[DEADLINE]:
        qrs_rule.settle(state, candidates)
    state[EXTREME], state[RISING] = extreme, 1.0 if rising else 0.0
    state[EXTREME_AT] = before_first + extreme_at * stride
    state[SEEN] = stop


@lean_kernel
def finish(
    buffer: NDArray[np.float64],
    level: NDArray[np.float64],
    state: NDArray[np.float64],
    candidates: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Decide on what is left; returns the number of beats found."""
    if state[qrs_rule.LEARNED] == 0.0:
        qrs_rule.learn(state, candidates)
    qrs_rule.settle(state, candidates)
    return qrs_place.place_all(0, buffer, level, state, candidates, found)
