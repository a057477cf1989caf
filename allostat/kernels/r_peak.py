"""R peaks of an electrocardiogram in one pass, with bounded memory, the same bits for any chunking.

Front end: the signal, brought near 180 samples a second by averaging whole groups of samples, passes a band of 6 to
18 Hz (two second-order Butterworth sections). The squared output plus its squared, scaled slope is an envelope that
does not ripple; low-passed at 8 Hz it has one hump per QRS complex. A hump that rises and falls by half its value
is a candidate. `beat_rule` decides which candidates are beats. A beat lies at the extremum of the *unfiltered*
signal near the hump, so no filter shifts it, refined below one sample by a least-squares parabola.

Sources: Pan and Tompkins 1985, 10.1109/TBME.1985.325532; Hamilton and Tompkins 1986, 10.1109/TBME.1986.325695; band
of QRS energy: Elgendi, Jonkman and De Boer 2010, "Frequency bands effects on QRS detection", BIOSIGNALS
2010:428-431. Deviations: envelope by energy and slope instead of a moving window integral; either polarity;
position on the raw signal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import beat_rule, biquad, extremum
from allostat.kernels.beat_rule import DEPTH, DOWN_AT, DOWN_SIZE, SERIAL, SIZE, SLOPE, TIME, UP_AT, UP_SIZE
from allostat.kernels.compiled import kernel
from allostat.kernels.peak_detector import FrontEnd, PeakDetector
from allostat.kernels.peaks import checked_rate

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 50.0, 2000.0
WORKING_RATE_HZ = 180.0
BAND_HZ = (6.0, 18.0)
ENVELOPE_HZ = 8.0
DELAY_S = 0.065
"""From a QRS complex to the hump of its envelope, measured over narrow and wide complexes."""
REACH_S = 0.15
"""The extremum is looked for this far to either side of the complex."""
PROMINENCE = 1.5

# Positions in the float and integer state of the front end.
(H1, H2, L1, L2, E1, E2, BEFORE, EXTREME, SUM, HELD, OFFSET) = range(11)
(INDEX, COUNT, RISING, EXTREME_AT, MISSING) = range(5)


def _settings(rate: float) -> NDArray[np.float64]:
    s = np.zeros(beat_rule.SETTINGS)
    s[beat_rule.REFRACTORY] = 0.25 * rate
    s[beat_rule.TWAVE_WINDOW] = 0.36 * rate
    s[beat_rule.TWAVE_SLOPE] = 0.5
    s[beat_rule.THRESHOLD] = 0.35
    s[beat_rule.NOISE_FACTOR] = 1.5
    s[beat_rule.NOISE_WINDOW] = 2.0 * rate
    s[beat_rule.ADAPTATION] = 0.12
    s[beat_rule.GROWTH] = 1.6
    s[beat_rule.OVERDUE] = 1.66
    s[beat_rule.OVERDUE_THRESHOLD] = 0.2
    s[beat_rule.OVERDUE_DISTANCE] = 0.36 * rate
    s[beat_rule.LEARNING] = 2.5 * rate
    s[beat_rule.RELEARN] = 3.0 * rate
    s[beat_rule.TYPICAL_INTERVAL] = 0.8 * rate
    s[beat_rule.PATIENCE] = 0.30 * rate
    s[beat_rule.POLARITY_WEIGHT] = 0.10
    return s


class RPeakDetector(PeakDetector):
    """A detector that is fed as samples arrive.

    Parameters
    ----------
    sampling_rate
        Sampling rate in Hz, 50 to 2000.

    Raises
    ------
    ValueError
        When the rate lies outside.

    Notes
    -----
    Any unit and any offset will do: thresholds follow the signal. NaN and infinite samples are missing; the signal is
    continued flat over them and no peak is placed there. A peak is given out at most 0.6 s after it happened, later
    when it was only found by looking back for an overdue beat, and after 2.5 s for the first ones.
    """

    @staticmethod
    def front_end(sampling_rate: float) -> FrontEnd:
        """Filters and lengths for a sampling rate in Hz."""
        rate = checked_rate(sampling_rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
        group = max(1, int(rate / WORKING_RATE_HZ + 0.25))
        working = rate / group
        sections = np.concatenate(
            [
                biquad.highpass(working, BAND_HZ[0]),
                biquad.lowpass(working, BAND_HZ[1]),
                biquad.lowpass(working, ENVELOPE_HZ, biquad.CRITICAL),
            ]
        )
        centre = 2.0 * math.pi * math.sqrt(BAND_HZ[0] * BAND_HZ[1])
        geometry = np.array(
            [group, round(REACH_S * rate), max(1, round(0.0065 * rate)), round(0.09 * rate)], dtype=np.int64
        )
        integers = np.zeros(5, dtype=np.int64)
        integers[MISSING] = 1
        ring = np.zeros(1 << math.ceil(math.log2(2.0 * rate)))
        shape = np.array([working / centre, PROMINENCE, DELAY_S * rate])
        return FrontEnd(_advance, sections, geometry, shape, _settings(rate), np.zeros(11), integers, ring)


def r_peaks(ecg: ArrayLike, sampling_rate: float) -> NDArray[np.int64]:
    """Sample indices of the R peaks of an electrocardiogram.

    Parameters
    ----------
    ecg
        (n,) samples of one lead in any unit, of either polarity, raw integers or floats; NaN where a sample is missing.
    sampling_rate
        Sampling rate in Hz, 50 to 2000.

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
    See the module `allostat.kernels.r_peak`, which lists sources and deviations.
    """
    return RPeakDetector.over(ecg, sampling_rate)[1].sample


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
    hb0, hb1, hb2, ha1, ha2 = sections[0], sections[1], sections[2], sections[3], sections[4]
    lb0, lb1, lb2, la1, la2 = sections[5], sections[6], sections[7], sections[8], sections[9]
    eb0, eb1, eb2, ea1, ea2 = sections[10], sections[11], sections[12], sections[13], sections[14]
    group = geometry[0]
    slope_scale, prominence, delay = shape[0], shape[1], shape[2]
    h1, h2, l1, l2 = floats[H1], floats[H2], floats[L1], floats[L2]
    e1, e2, before = floats[E1], floats[E2], floats[BEFORE]
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
                # Go on from the level held over the gap: a step would look like a beat.
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
        y = hb0 * u + h1
        h1 = hb1 * u - ha1 * y + h2
        h2 = hb2 * u - ha2 * y
        z = lb0 * y + l1
        l1 = lb1 * y - la1 * z + l2
        l2 = lb2 * y - la2 * z
        slope = (z - before) * slope_scale
        before = z
        energy = z * z + slope * slope
        v = eb0 * energy + e1
        e1 = eb1 * energy - ea1 * v + e2
        e2 = eb2 * energy - ea2 * v
        if not 1e-200 < v < 1e200:
            # Nothing left of the signal (denormal numbers are slow), or too much of it (infinity never fades).
            h1 = h2 = l1 = l2 = e1 = e2 = before = v = 0.0

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

    floats[H1], floats[H2], floats[L1], floats[L2] = h1, h2, l1, l2
    floats[E1], floats[E2], floats[BEFORE] = e1, e2, before
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
    """Both extrema of the unfiltered signal near a candidate, and its steepest slope.

    Deflections count from the mean around the candidate and weigh less the farther they lie from it, so that the
    T wave of a wide complex does not win.
    """
    reach, span = geometry[1], geometry[2]
    mask = len(ring) - 1
    centre = int(candidates[row, TIME])
    first = max(centre - reach, index - len(ring) + span, span)
    last = min(centre + reach, index - 1 - span)
    scale = 1.0 / ((reach + 1.0) * (reach + 1.0))
    total = 0.0
    weights = 0.0
    steepest = 0.0
    for j in range(first, last + 1):
        weight = 1.0 - (j - centre) * (j - centre) * scale
        value = ring[j & mask]
        if value == value:
            total += weight * value
            weights += weight
        rise = (
            ring[(j + span) & mask]
            + ring[(j + span - 1) & mask]
            - ring[(j - span) & mask]
            - ring[(j - span + 1) & mask]
        )
        if abs(rise) * weight > steepest:
            steepest = abs(rise) * weight
    mean = total / weights if weights > 0.0 else 0.0
    up = 0.0
    down = 0.0
    up_at = min(max(centre, first), last)
    down_at = up_at
    for j in range(first, last + 1):
        weight = 1.0 - (j - centre) * (j - centre) * scale
        smooth = 0.25 * (ring[(j - 1) & mask] + 2.0 * ring[j & mask] + ring[(j + 1) & mask]) - mean
        deflection = weight * smooth
        if deflection > up:
            up = deflection
            up_at = j
        if -deflection > down:
            down = -deflection
            down_at = j
    candidates[row, SLOPE] = steepest
    noise = extremum.sample_noise(first, geometry[3], index, ring)
    extremum.refine(row, UP_AT, up_at, up, 1.0, noise, index, span, ring, candidates)
    extremum.refine(row, DOWN_AT, down_at, down, -1.0, noise, index, span, ring, candidates)
    if candidates[row, UP_SIZE] + candidates[row, DOWN_SIZE] == 0.0:
        candidates[row, SIZE] = 0.0
