"""Systolic peaks of a photoplethysmogram in one pass, with bounded memory, the same bits for any chunking.

Front end: the signal, brought near 60 samples a second by averaging whole groups of samples, is low-passed at 8 Hz;
the square of its rising slope, low-passed at 3 Hz, has one hump per pulse upstroke (the slope sum of Zong, Moody
and Jiang 2003, 10.1109/CIC.2003.1291140, as a running filter). `beat_rule` decides which humps are pulses. The
systolic peak is the first top of the unfiltered signal after the steepest rise, refined below one sample by a
least-squares parabola.

Band and refractory time follow Elgendi et al. 2013, 10.1371/journal.pone.0076585 (0.5 to 8 Hz). Deviations: slope sum
instead of two moving averages of the squared signal, which does not miss pulses whose size changes quickly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import beat_rule, biquad, extremum
from allostat.kernels.beat_rule import DEPTH, DOWN_AT, SERIAL, SIZE, SLOPE, TIME, UP_AT, UP_SIZE
from allostat.kernels.compiled import kernel
from allostat.kernels.peak_detector import FrontEnd, PeakDetector
from allostat.kernels.peaks import blocks, checked_rate

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 20.0, 1000.0
WORKING_RATE_HZ = 60.0
HIGHEST_HZ = 8.0
ENVELOPE_HZ = 3.0
DELAY_S = 0.13
"""From the steepest rise of a pulse to the hump of its slope sum: the delay of the filters above, measured."""
REACH_S = 0.20
"""The steepest rise is looked for this far to either side."""
CLIMB_S = 0.40
"""The top comes at most this long after the steepest rise."""
PROMINENCE = 1.5

# Positions in the float and integer state of the front end.
(L1, L2, E1, E2, BEFORE, EXTREME, SUM, HELD, OFFSET) = range(9)
(INDEX, COUNT, RISING, EXTREME_AT, MISSING) = range(5)


def _settings(rate: float) -> NDArray[np.float64]:
    s = np.zeros(beat_rule.SETTINGS)
    s[beat_rule.REFRACTORY] = 0.30 * rate
    s[beat_rule.TWAVE_WINDOW] = 0.50 * rate
    s[beat_rule.TWAVE_SLOPE] = 0.5
    s[beat_rule.THRESHOLD] = 0.35
    s[beat_rule.NOISE_FACTOR] = 1.5
    s[beat_rule.NOISE_WINDOW] = 3.0 * rate
    s[beat_rule.ADAPTATION] = 0.15
    s[beat_rule.GROWTH] = 1.6
    s[beat_rule.OVERDUE] = 1.66
    s[beat_rule.OVERDUE_THRESHOLD] = 0.2
    s[beat_rule.OVERDUE_DISTANCE] = 0.40 * rate
    s[beat_rule.LEARNING] = 3.0 * rate
    s[beat_rule.RELEARN] = 3.0 * rate
    s[beat_rule.TYPICAL_INTERVAL] = 0.8 * rate
    s[beat_rule.PATIENCE] = 0.40 * rate
    s[beat_rule.POLARITY_WEIGHT] = 1.0
    return s


class SystolicPeakDetector(PeakDetector):
    """A detector that is fed as samples arrive.

    Parameters
    ----------
    sampling_rate
        Sampling rate in Hz, 20 to 1000.

    Raises
    ------
    ValueError
        When the rate lies outside.

    Notes
    -----
    The pulse must rise with blood volume; `pulse_polarity` tells whether it does. Any unit and any offset will do. NaN
    and infinite samples are missing; the signal is continued flat over them and no peak is placed there.
    """

    @staticmethod
    def front_end(sampling_rate: float) -> FrontEnd:
        """Filters and lengths for a sampling rate in Hz."""
        rate = checked_rate(sampling_rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
        group = max(1, int(rate / WORKING_RATE_HZ + 0.25))
        working = rate / group
        sections = np.concatenate(
            [biquad.lowpass(working, HIGHEST_HZ), biquad.lowpass(working, ENVELOPE_HZ, biquad.CRITICAL)]
        )
        geometry = np.array(
            [
                group,
                round(REACH_S * rate),
                max(1, round(0.03 * rate)),
                round(0.12 * rate),
                round(CLIMB_S * rate),
                round(rate),
            ],
            dtype=np.int64,
        )
        integers = np.zeros(5, dtype=np.int64)
        integers[MISSING] = 1
        ring = np.zeros(1 << math.ceil(math.log2(3.0 * rate)))
        shape = np.array([working, PROMINENCE, DELAY_S * rate])
        return FrontEnd(_advance, sections, geometry, shape, _settings(rate), np.zeros(9), integers, ring)


def systolic_peaks(ppg: ArrayLike, sampling_rate: float) -> NDArray[np.int64]:
    """Sample indices of the systolic peaks of a photoplethysmogram.

    Parameters
    ----------
    ppg
        (n,) samples that rise with blood volume, in any unit, raw integers or floats; NaN where a sample is missing.
    sampling_rate
        Sampling rate in Hz, 20 to 1000.

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
    the wave counts half. Values beyond five times the median size are
    clipped so that motion does not decide.

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
    width = max(1, round(sampling_rate / (2.0 * HIGHEST_HZ)))
    slow = round(sampling_rate)
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
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5 if variance > 0.0 else 0.0


@kernel
def _advance(
    block: NDArray[np.float64],
    sections: NDArray[np.float64],
    geometry: NDArray[np.int64],
    shape: NDArray[np.float64],
    settings: NDArray[np.float64],
    floats: NDArray[np.float64],
    integers: NDArray[np.int64],
    ring: NDArray[np.float64],
    candidates: NDArray[np.float64],
    levels: NDArray[np.float64],
    counters: NDArray[np.int64],
    found: NDArray[np.float64],
) -> int:
    """Run the block through the detector; peaks go to ``found``, their number is returned."""
    lb0, lb1, lb2, la1, la2 = sections[0], sections[1], sections[2], sections[3], sections[4]
    eb0, eb1, eb2, ea1, ea2 = sections[5], sections[6], sections[7], sections[8], sections[9]
    group = geometry[0]
    slope_scale, prominence, delay = shape[0], shape[1], shape[2]
    l1, l2, e1, e2, before = floats[L1], floats[L2], floats[E1], floats[E2], floats[BEFORE]
    extreme, total, held, offset = floats[EXTREME], floats[SUM], floats[HELD], floats[OFFSET]
    index, count, rising = integers[INDEX], integers[COUNT], integers[RISING]
    extreme_at, missing = integers[EXTREME_AT], integers[MISSING]
    mask = len(ring) - 1
    n_found = 0
    rest = 0.7 * settings[beat_rule.RELEARN]
    deadline = beat_rule.deadline(candidates, counters, settings)

    for i in range(len(block)):
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
        index += 1
        total += held
        count += 1
        if count < group:
            continue

        u = total / group
        total = 0.0
        count = 0
        z = lb0 * u + l1
        l1 = lb1 * u - la1 * z + l2
        l2 = lb2 * u - la2 * z
        slope = (z - before) * slope_scale
        before = z
        energy = slope * slope if slope > 0.0 else 0.0
        v = eb0 * energy + e1
        e1 = eb1 * energy - ea1 * v + e2
        e2 = eb2 * energy - ea2 * v
        if not 1e-200 < v < 1e200:
            # Denormal numbers are slow, and infinity never fades.
            e1 = e2 = v = 0.0
            if not abs(z) < 1e200:
                l1 = l2 = before = 0.0

        if index >= deadline:
            n_found = beat_rule.settle(candidates, levels, counters, settings, found, n_found)
            deadline = np.inf
        if rising == 0:
            if v < extreme:
                extreme = v
            elif v > prominence * extreme:
                rising = 1
                extreme = v
                extreme_at = index
        elif v > extreme:
            extreme = v
            extreme_at = index
        elif v * prominence < extreme:
            row = counters[SERIAL] % DEPTH
            candidates[row, TIME] = extreme_at - group - delay
            candidates[row, SIZE] = math.sqrt(extreme)
            if beat_rule.is_small(candidates[row, SIZE], candidates[row, TIME], levels, counters, rest):
                beat_rule.pass_over(candidates, counters)
            else:
                _place(row, index, geometry, ring, candidates)
                n_found = beat_rule.offer(candidates, levels, counters, settings, found, n_found)
                deadline = beat_rule.deadline(candidates, counters, settings)
            rising = 0
            extreme = v

    floats[L1], floats[L2], floats[E1], floats[E2], floats[BEFORE] = l1, l2, e1, e2, before
    floats[EXTREME], floats[SUM], floats[HELD], floats[OFFSET] = extreme, total, held, offset
    integers[INDEX], integers[COUNT], integers[RISING] = index, count, rising
    integers[EXTREME_AT], integers[MISSING] = extreme_at, missing
    return n_found


@kernel
def _place(
    row: int,
    index: int,
    geometry: NDArray[np.int64],
    ring: NDArray[np.float64],
    candidates: NDArray[np.float64],
) -> None:
    """The first top after the steepest rise near a candidate, and its height above the mean of the second before.

    The height tells a pulse from a dicrotic wave, which may rise as steeply but from a lower place.
    """
    group, reach, span, step, climb, past = geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5]
    mask = len(ring) - 1
    centre = int(candidates[row, TIME])
    oldest = max(index - len(ring), 0)
    first = max(centre - reach, oldest + span)
    last = min(centre + reach, index - 1 - span)
    steepest = 0.0
    steepest_at = min(max(centre, first), last)
    for j in range(first, last + 1, group):
        rise = ring[(j + span) & mask] - ring[(j - span) & mask]
        if rise > steepest:
            steepest = rise
            steepest_at = j
    # Groups of samples, as in the front end, so that the noise of single samples makes no tops.
    top_at = steepest_at
    top = -1e300
    for j in range(steepest_at, min(steepest_at + climb, index - 1 - span) - group + 2, group):
        value = 0.0
        for k in range(j, j + group):
            value += ring[k & mask]
        if value > top:
            top = value
            top_at = j + group // 2
        elif j - top_at > 2 * span:
            break
    total = 0.0
    n = 0
    for j in range(max(top_at - past, oldest), top_at, group):
        value = ring[j & mask]
        if value == value:
            total += value
            n += 1
    height = top / group - total / n if n > 0 else 0.0
    noise = extremum.sample_noise(first, step, index, ring)
    candidates[row, SLOPE] = height
    extremum.refine(row, UP_AT, top_at, steepest, 1.0, noise, index, span, ring, candidates)
    candidates[row, DOWN_AT : DOWN_AT + 3] = candidates[row, UP_AT : UP_AT + 3]
    if candidates[row, UP_SIZE] == 0.0:
        candidates[row, SIZE] = 0.0
