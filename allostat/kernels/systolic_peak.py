"""Systolic peaks of a photoplethysmogram in one pass, with bounded memory, the same bits for any chunking.

Front end: the signal, brought to 30 to 60 samples a second by averaging whole groups of samples, is low-passed at
7 Hz; every stretch over which it then rises is an upstroke. Its size is the geometric mean of its rise and of its
steepest slope. `pulse_rule` decides which upstrokes are pulses. Only these are looked at closely: the systolic peak is
the first top or shoulder of the unfiltered signal after the steepest rise, refined below one sample by a least-squares
parabola. Not the highest: a second top may outgrow the first from one pulse to the next.

Sources: upstrokes as segments between extrema, Karlen, Ansermino and Dumont 2012, 10.1109/EMBC.2012.6346628 (there
with fixed steps, here by relative height); slope as feature, Zong et al. 2003, 10.1109/CIC.2003.1291140;
upper edge of the band, Elgendi et al. 2013, 10.1371/journal.pone.0076585 (8 Hz).
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import biquad, pulse_rule
from allostat.kernels.compiled import kernel
from allostat.kernels.peaks import BLOCK_SAMPLES, PeakBatch, batch, blocks, checked_rate, joined
from allostat.kernels.pulse_rule import DEADLINE, DEPTH, FOUND, REFRACTORY

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 20.0, 2000.0
WORKING_RATE_HZ = 30.0
CORNER_HZ = 7.0
BESSEL = math.sqrt(1.0 / 3.0)
"""Quality factor of a second-order section of maximally flat delay."""
HIGHEST_HZ = 8.0
OVER = 0.08
"""An upstroke is over when the signal has fallen by this share of its rise."""
SPAN_S = 0.03
"""The parabola spans this much to either side of the top."""
SHOULDER = 0.3
"""The top is reached where the signal rises by no more than this share of its steepest rise."""
CLIMB_S = 0.30
"""The top comes at most this long after the steepest rise."""
PLATEAU_S = 0.25
"""A clipped top is followed this far to either side."""
CLIMBS = 2
"""The parabola is moved to its own vertex at most so often."""
MEMORY_S = 5.0
"""Samples remembered: enough for the longest look back."""
LEAST_JITTER = 0.01
"""Smallest standard error given, in samples."""
NOISE_SAMPLES = 20
"""The noise of a sample is read from this many before the top."""

# Positions in the float and integer state and in the geometry of the front end.
(L1, L2, BEFORE, SUM, HELD, OFFSET, BASE, HIGH, STEEPEST, LAST_AT) = range(10)
(INDEX, COUNT, MISSING, RISING, STEEPEST_AT) = range(5)
(GROUP, SPAN, PLATEAU, CLIMB) = range(4)
_NONE = batch(np.empty((0, 3)))


class SystolicPeakDetector:
    """A detector that is fed as samples arrive, with bounded memory and the same bits for any chunking.

    Parameters
    ----------
    sampling_rate
        Sampling rate in Hz, 20 to 2000.

    Raises
    ------
    ValueError
        When the rate lies outside.

    Notes
    -----
    The pulse must rise with blood volume; `pulse_polarity` tells whether it does. Any unit and any offset will do. NaN
    and infinite samples are missing; the signal is continued flat over them and no peak is placed there. A peak is
    given out at most 1 s after it happened, later when it was only found by looking back for an overdue pulse, and
    after 3 s for the first ones.
    """

    def __init__(self, sampling_rate: float) -> None:
        rate = checked_rate(sampling_rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
        group = max(1, int(rate / WORKING_RATE_HZ))
        working = rate / group
        section = biquad.lowpass(working, CORNER_HZ, BESSEL)
        # From between two groups to the sample after the later one; the section's delay is the one at low frequency.
        delay = 0.5 + group + rate / (BESSEL * 2.0 * math.pi * CORNER_HZ)
        span = max(1, round(SPAN_S * rate))
        self._constants = np.concatenate([section, [0.15 * working, delay], _parabola(span)])
        self._geometry = np.array([group, span, max(4, round(PLATEAU_S * rate)), round(CLIMB_S * rate)], dtype=np.int64)
        self._rule = pulse_rule.fresh(rate)
        self._floats = np.zeros(10)
        self._floats[LAST_AT] = -1e18
        self._integers = np.zeros(5, dtype=np.int64)
        self._integers[MISSING] = 1
        self._ring = np.full(1 << math.ceil(math.log2(MEMORY_S * rate)), np.nan)
        self._found = np.zeros((DEPTH + 2 + int(BLOCK_SAMPLES / self._rule[REFRACTORY]), 3))

    def push(self, samples: ArrayLike) -> PeakBatch:
        """Feed the next samples, any number; returns the peaks that became certain.

        Parameters
        ----------
        samples
            (n,) integers or floats; NaN where there is none.

        Raises
        ------
        ValueError
            When the samples are not one-dimensional real numbers.
        """
        return joined([self._run(block, False) for block in blocks(samples)] or [_NONE])

    def flush(self) -> PeakBatch:
        """Say that no more samples follow; returns the last peaks."""
        return self._run(np.empty(0), True)

    def _run(self, block: NDArray[np.float64], last: bool) -> PeakBatch:
        n = _advance(
            block,
            last,
            self._constants,
            self._geometry,
            self._floats,
            self._integers,
            self._ring,
            self._rule,
            self._found,
        )
        return batch(self._found[:n]) if n else _NONE

    @classmethod
    def over(cls, signal: ArrayLike, sampling_rate: float) -> tuple[Self, PeakBatch]:
        """A detector that has seen all of ``signal``, and its peaks."""
        detector = cls(sampling_rate)
        return detector, joined([detector.push(signal), detector.flush()])


def _parabola(span: int) -> NDArray[np.float64]:
    """Least squares over ``2 span + 1`` samples: weight of the first moment in the slope at the middle, and weights of
    the second moment and of the sum in the bend.
    """
    k = np.arange(-span, span + 1.0)
    n, squares, fourths = len(k), float(np.sum(k**2)), float(np.sum(k**4))
    determinant = n * fourths - squares**2
    return np.array([1.0 / squares, n / determinant, squares / determinant])


def systolic_peaks(ppg: ArrayLike, sampling_rate: float) -> NDArray[np.int64]:
    """Sample indices of the systolic peaks of a photoplethysmogram.

    Parameters
    ----------
    ppg
        (n,) samples that rise with blood volume, in any unit, raw integers or floats; NaN where a sample is missing.
    sampling_rate
        Sampling rate in Hz, 20 to 2000.

    Returns
    -------
    peaks
        int64 (m,), ascending.

    Raises
    ------
    ValueError
        When the samples are not one-dimensional real numbers or the rate is out of range.

    References
    ----------
    See the module `allostat.kernels.systolic_peak`, which lists sources and deviations.
    """
    return SystolicPeakDetector.over(ppg, sampling_rate)[1].sample


def pulse_polarity(ppg: ArrayLike, sampling_rate: float) -> int:
    """1 when pulses point up, as blood volume does, and -1 when they point down.

    Raw counts of a reflective sensor fall when blood volume rises. An upright pulse rises faster than it falls, and its
    top is narrower than its valley: slope and wave are skewed to the right (wave: Elgendi 2016,
    10.3390/bioengineering3040021). Sensors that filter their output break one of the two, so the sum decides, in which
    the wave counts half. Values beyond five times the median size are clipped so that motion does not decide.

    Parameters
    ----------
    ppg
        (n,) samples; NaN where a sample is missing.
    sampling_rate
        Sampling rate in Hz.

    Returns
    -------
    1 or -1; 1 when the signal does not tell.
    """
    values = np.concatenate([np.empty(0), *blocks(ppg)])
    values = values[np.isfinite(values)]
    group = max(1, int(sampling_rate / WORKING_RATE_HZ))
    if group > 1 and len(values):
        values = np.diff(np.cumsum(values - values[0])[::group]) / group
    width = max(1, round(sampling_rate / group / (2.0 * HIGHEST_HZ)))
    slow = round(sampling_rate / group)
    if len(values) < 2 * slow + width + 3:
        return 1
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    smooth = (sums[width:] - sums[:-width]) / width
    baseline = (sums[slow:] - sums[:-slow]) / slow
    middle = slow // 2 - width // 2
    wave = smooth[middle : middle + len(baseline)] - baseline
    return -1 if _skewness(np.diff(smooth)) + 0.5 * _skewness(wave) < 0.0 else 1


def _skewness(values: NDArray[np.float64]) -> float:
    """Skewness after clipping; 0 when all values are one."""
    bound = 5.0 * float(np.median(np.abs(values)))
    clipped = np.clip(values, -bound, bound)
    centred = clipped - clipped.mean()
    squares = centred * centred
    variance = float(squares.mean())
    return float(squares @ centred) / len(values) / variance**1.5 if variance > 0.0 else 0.0


@kernel
def _advance(
    block: NDArray[np.float64],
    last: bool,
    constants: NDArray[np.float64],
    geometry: NDArray[np.int64],
    floats: NDArray[np.float64],
    integers: NDArray[np.int64],
    ring: NDArray[np.float64],
    rule: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Run the block through the detector, and decide on the rest when it is the last; returns the number of peaks."""
    b0, b1, b2, a1, a2 = constants[0], constants[1], constants[2], constants[3], constants[4]
    slope_scale, delay = constants[5], constants[6]
    group = geometry[GROUP]
    l1, l2, before, total = floats[L1], floats[L2], floats[BEFORE], floats[SUM]
    held, offset, base = floats[HELD], floats[OFFSET], floats[BASE]
    high, steepest = floats[HIGH], floats[STEEPEST]
    index, count, missing = integers[INDEX], integers[COUNT], integers[MISSING]
    rising, steepest_at = integers[RISING], integers[STEEPEST_AT]
    share = 1.0 / group
    deadline = rule[DEADLINE]
    mask = len(ring) - 1
    n_found = 0
    i = 0
    n = len(block)

    while i < n:
        # A whole group without missing samples, or sample by sample: the same sums in the same order.
        whole = count == 0 and missing == 0 and i + group <= n
        if whole:
            for k in range(group):
                value = block[i + k] - offset
                ring[(index + k) & mask] = value
                total += value
            whole = total - total == 0.0
            if whole:
                held = value
                i += group
                index += group
            else:
                total = 0.0
        if not whole:
            value = block[i]
            if value - value == 0.0:
                if missing:
                    # Go on from the level held over the gap: a step would look like a pulse.
                    offset = value - held
                    missing = 0
                held = value - offset
                ring[index & mask] = held
            else:
                missing = 1
                ring[index & mask] = np.nan
            i += 1
            index += 1
            total += held
            count += 1
            if count < group:
                continue
            count = 0

        u = total * share
        total = 0.0
        z = b0 * u + l1
        l1 = b1 * u + l2 - a1 * z
        l2 = b2 * u - a2 * z
        slope = z - before
        before = z
        if not 1e-200 < abs(z) + abs(l1) < 1e200:
            # Denormal numbers are slow, and infinity never fades: after that, begin anew at the next sample.
            if not abs(z) + abs(l1) < 1.0:
                missing = 1
                held = base = 0.0
                rising = 0
            l1 = l2 = before = z = 0.0

        if index >= deadline:
            for j in range(pulse_rule.settle(rule)):
                n_found = _place(
                    rule[FOUND + j], rule[REFRACTORY], index, constants, geometry, ring, floats, found, n_found
                )
            deadline = rule[DEADLINE]
        if rising:
            if slope > steepest:
                steepest = slope
                steepest_at = index
            if z > high:
                high = z
            elif high - z > OVER * (high - base):
                size = math.sqrt((high - base) * steepest * slope_scale)
                time = steepest_at - delay
                if not pulse_rule.is_small(size, time, rule):
                    for j in range(pulse_rule.offer(time, size, high, high - base, rule)):
                        n_found = _place(
                            rule[FOUND + j], rule[REFRACTORY], index, constants, geometry, ring, floats, found, n_found
                        )
                    deadline = rule[DEADLINE]
                rising = 0
                base = z
        elif z > base:
            rising = 1
            high = z
            steepest = slope
            steepest_at = index
        else:
            base = z

    floats[L1], floats[L2], floats[BEFORE], floats[SUM] = l1, l2, before, total
    floats[HELD], floats[OFFSET], floats[BASE] = held, offset, base
    floats[HIGH], floats[STEEPEST] = high, steepest
    integers[INDEX], integers[COUNT], integers[MISSING] = index, count, missing
    integers[RISING], integers[STEEPEST_AT] = rising, steepest_at
    while last and rule[DEADLINE] < np.inf:
        for j in range(pulse_rule.settle(rule)):
            n_found = _place(
                rule[FOUND + j], rule[REFRACTORY], index, constants, geometry, ring, floats, found, n_found
            )
    return n_found


@kernel
def _place(
    time: float,
    refractory: float,
    index: int,
    constants: NDArray[np.float64],
    geometry: NDArray[np.int64],
    ring: NDArray[np.float64],
    floats: NDArray[np.float64],
    found: NDArray[np.float64],
    n_found: int,
) -> int:
    """Write position and standard error of the first top after the steepest rise at ``time``.

    Nothing is written where samples are missing around the top, and where the top is that of the pulse before.
    """
    by_slope, by_bend, by_size = constants[7], constants[8], constants[9]
    span = geometry[SPAN]
    mask = len(ring) - 1
    oldest = max(index - len(ring), 0) + span
    newest = index - 1 - span
    start = max(int(time), oldest)
    # A shoulder counts as a top, or a second wave that outgrows the first would move the peak from pulse to pulse.
    last = min(start + geometry[CLIMB], newest)
    top_at = start
    fastest = 0.0
    while top_at < last:
        rise = ring[(top_at + span) & mask] - ring[(top_at - span) & mask]
        if not rise > SHOULDER * fastest:
            break
        fastest = max(fastest, rise)
        top_at += 1
    if not oldest <= top_at <= newest:
        return n_found
    bend = shift = 0.0
    for _ in range(CLIMBS):
        middle = ring[top_at & mask]
        plain = 0.0
        first = 0.0
        second = 0.0
        for k in range(1, span + 1):
            after = ring[(top_at + k) & mask] - middle
            ahead = ring[(top_at - k) & mask] - middle
            plain += after + ahead
            first += k * (after - ahead)
            second += k * k * (after + ahead)
        bend = by_bend * second - by_size * plain
        if not bend < 0.0:
            break
        shift = min(max(-0.5 * by_slope * first / bend, -float(span)), float(span))
        step = math.floor(shift + 0.5)
        if step == 0 or not oldest <= top_at + step <= newest:
            break
        top_at += step
    if bend != bend or top_at + shift - floats[LAST_AT] < 0.5 * refractory:
        return n_found
    jitter = float(span)
    if bend < 0.0:
        jitter = -_noise(top_at, oldest, ring) * math.sqrt(0.25 * by_slope + shift * shift * by_bend) / bend
    else:
        shift = 0.0
    if ring[(top_at + 1) & mask] == ring[top_at & mask] or ring[(top_at - 1) & mask] == ring[top_at & mask]:
        before, after = _plateau(top_at, geometry[PLATEAU], oldest, index, ring)
        if before + after + 1 >= max(4, span):
            shift = 0.5 * (after - before)
            jitter = (before + after + 1) / math.sqrt(12.0)
    floats[LAST_AT] = top_at + shift
    nearest = math.floor(top_at + shift + 0.5)
    found[n_found, 0] = nearest
    found[n_found, 1] = top_at + shift - nearest
    found[n_found, 2] = max(jitter, LEAST_JITTER)
    return n_found + 1


@kernel
def _plateau(at: int, most: int, oldest: int, index: int, ring: NDArray[np.float64]) -> tuple[int, int]:
    """How many samples before and after ``at`` have its value."""
    mask = len(ring) - 1
    after = 0
    while after < most and at + after + 1 < index and ring[(at + after + 1) & mask] == ring[at & mask]:
        after += 1
    before = 0
    while before < most and at - before > oldest and ring[(at - before - 1) & mask] == ring[at & mask]:
        before += 1
    return before, after


@kernel
def _noise(top_at: int, oldest: int, ring: NDArray[np.float64]) -> float:
    """Standard deviation of the noise of one sample, from the third differences of the samples before the top."""
    mask = len(ring) - 1
    first = max(top_at - NOISE_SAMPLES, oldest + 2)
    a, b, c = ring[(first - 2) & mask], ring[(first - 1) & mask], ring[first & mask]
    total = 0.0
    n = 0
    for j in range(first + 1, top_at + 1):
        d = ring[j & mask]
        third = d - a + 3.0 * (b - c)
        a, b, c = b, c, d
        if third == third:
            total += third * third
            n += 1
    return math.sqrt(total / (20.0 * n)) if n > 0 else 0.0
