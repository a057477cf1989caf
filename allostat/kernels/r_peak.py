"""R peaks of an electrocardiogram in one pass, with bounded memory, the same bits for any chunking.

Front end (`qrs_front`): the signal, brought near 125 samples a second by averaging whole groups of samples and to half
of that by a half-band filter, passes a band of 6 to 18 Hz. The squared output plus its squared, scaled slope is an
envelope that does not ripple; low-passed at 8 Hz it has one hump per QRS complex. A hump that rises and falls by half
its value is a candidate. `qrs_rule` decides which candidates are beats. A beat lies at the extremum of the *unfiltered*
signal near the hump (`qrs_place`), so no filter shifts it, refined below one sample by a least-squares parabola; its
standard error follows from the noise before the beat and the curvature at the peak.

Sources: Pan and Tompkins 1985, 10.1109/TBME.1985.325532; Hamilton and Tompkins 1986, 10.1109/TBME.1986.325695; band
of QRS energy: Elgendi, Jonkman and De Boer 2010, "Frequency bands effects on QRS detection", BIOSIGNALS
2010:428-431. Deviations: envelope by energy and slope instead of a moving window integral; either polarity;
position on the raw signal.
"""

from __future__ import annotations

import functools
import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import biquad, qrs_candidates, qrs_front, qrs_place, qrs_rule
from allostat.kernels.peaks import PeakBatch, batch, checked_rate, checked_samples, joined, parabola

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 50.0, 2000.0
WORKING_RATE_HZ = 125.0
BAND_HZ = (6.0, 18.0)
ENVELOPE_HZ = 8.0
HALVED_LOW_HZ = 20.0
"""Upper corner of the band at half rate: the half-band filter has taken a tenth off at 18 Hz."""
HALVED_FROM_HZ = 100.0
"""Groups that follow each other more slowly are not halved: what is left must hold the band."""
DELAY_S = 0.065
"""From a QRS complex to the hump of its envelope, measured over narrow and wide complexes."""
HALVED_DELAY_S = 0.095
"""The same at half rate."""
REACH_S = 0.15
"""The extremum is looked for this far to either side of the complex."""
HORIZON_S = 5.0
"""Beats are looked for this far back, and must stand out over this time after noise."""
MEMORY_S = 7.5
"""Samples are kept this long: the look back, broad humps, the wait for a decision, and the noise before a beat."""
CHUNK_SAMPLES = 32_768
"""Samples brought into the detector at a time: few enough to stay in a processor's own cache, enough that the 18 µs
that a call costs do not count."""
STRETCH = 560
"""Values of the envelope that each step of the detector takes on before the next step; not a whole page of memory, or a
processor takes what is read from one row for what was just written to another."""
NOTHING = batch(np.empty((0, 3)))


@functools.lru_cache(maxsize=16)
def _prepared(rate: float) -> NDArray[np.float64]:
    """State of a detector that has seen no sample."""
    group = max(1, int(rate / WORKING_RATE_HZ + 0.5))
    step = 2 if rate / group >= HALVED_FROM_HZ else 1
    working = rate / group / step
    reach = round(REACH_S * rate / group)
    s = np.zeros(qrs_place.WEIGHTS + 2 * reach + 1)
    high = biquad.highpass(working, BAND_HZ[0])
    low = biquad.lowpass(working, BAND_HZ[1] if step == 1 else HALVED_LOW_HZ)
    envelope = biquad.lowpass(working, ENVELOPE_HZ, biquad.CRITICAL)
    # The gain of the envelope, 2 b0, as well: there is nothing but squares in between.
    s[qrs_front.STEP] = step
    s[qrs_front.BAND_GAIN] = high[0] * low[0] * math.sqrt(2.0 * envelope[0])
    s[qrs_front.HIGH_1], s[qrs_front.HIGH_2] = high[3:]
    s[qrs_front.LOW_1], s[qrs_front.LOW_2] = low[3:]
    s[qrs_front.SLOPE_SCALE] = working / (2.0 * math.pi * math.sqrt(BAND_HZ[0] * BAND_HZ[1]))
    s[qrs_front.ENVELOPE_1], s[qrs_front.ENVELOPE_2] = envelope[3:]
    s[qrs_front.DELAY] = (DELAY_S if step == 1 else HALVED_DELAY_S) * rate
    s[qrs_place.GROUP] = group
    s[qrs_place.REACH] = reach
    s[qrs_place.WEIGHTS :] = 1.0 - (np.arange(-reach, reach + 1.0) / (reach + 1.0)) ** 2
    s[qrs_place.WEIGHT] = float(np.sum(s[qrs_place.WEIGHTS :]))
    span = max(1, round(0.0065 * rate))
    s[qrs_place.SPAN] = span
    s[[qrs_place.BY_SLOPE, qrs_place.BY_BEND, qrs_place.BY_SIZE]] = parabola(span)
    s[qrs_place.STRETCH] = round(0.09 * rate)
    s[qrs_place.FAVOUR] = 0.10
    s[qrs_candidates.SECOND] = rate
    s[qrs_candidates.REFRACTORY] = 0.25 * rate
    s[qrs_rule.TWAVE_WINDOW] = 0.36 * rate
    s[qrs_rule.TWAVE_SLOPE] = 0.5
    s[qrs_rule.LATE_WINDOW] = 0.5 * rate
    s[qrs_rule.LATE_SLOPE] = 0.3
    s[qrs_rule.LATE_SIZE] = 0.7
    s[qrs_rule.THRESHOLD] = 0.35
    s[qrs_rule.NOISE_FACTOR] = 1.5
    s[qrs_rule.NOISE_WINDOW] = 2.0 * rate
    s[qrs_rule.ADAPTATION] = 0.2
    s[qrs_rule.GROWTH] = 1.6
    s[qrs_rule.OVERDUE] = 1.66
    s[qrs_rule.OVERDUE_THRESHOLD] = 0.2
    s[qrs_rule.OVERDUE_DISTANCE] = 0.36 * rate
    s[qrs_rule.LEARNING] = 2.5 * rate
    s[qrs_rule.RELEARN] = 3.0 * rate
    s[qrs_rule.TYPICAL_INTERVAL] = 0.8 * rate
    s[qrs_rule.PATIENCE] = 0.30 * rate
    s[qrs_rule.HORIZON] = s[qrs_rule.WINDOW] = HORIZON_S * rate
    s[qrs_place.APART] = 0.5 * s[qrs_candidates.REFRACTORY]
    s[qrs_front.MISSING] = 1.0
    qrs_place.prepare(s)
    qrs_rule.prepare(s)
    return s


class RPeakDetector:
    """A detector that is fed as samples arrive, with bounded memory and the same bits for any chunking.

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
    when it was only found by looking back for an overdue beat, and after 2.5 s for the first ones. While the signal is
    noise in which beats do not stand out nothing is a peak; those after it are given out up to 5 s late.
    """

    def __init__(self, sampling_rate: float) -> None:
        self._state = _prepared(checked_rate(sampling_rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)).copy()
        self._group = int(self._state[qrs_place.GROUP])
        self._unit = self._group * int(self._state[qrs_front.STEP])
        lead = qrs_front.LEAD * self._group
        self._kept = math.ceil(MEMORY_S * sampling_rate) + lead
        capacity = self._kept + self._unit + CHUNK_SAMPLES
        self._buffer = np.zeros(capacity)
        self._level = np.zeros(capacity // self._group)
        self._wave = np.zeros((4, STRETCH + qrs_front.LEAD))
        self._state[qrs_place.BASE] = -lead
        self._state[qrs_place.SEEN] = qrs_front.LEAD
        self._filled = lead
        most = qrs_candidates.DEPTH + int(2 * CHUNK_SAMPLES / self._state[qrs_candidates.REFRACTORY]) + 2
        self._candidates = np.zeros((qrs_candidates.DEPTH + most, qrs_candidates.COLUMNS))
        self._found = np.zeros((most, 3))
        self._decided = (self._state, self._candidates, self._found)

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
        values = checked_samples(samples)
        if len(values) <= CHUNK_SAMPLES:
            return self._peaks(values)
        return joined([self._peaks(values[at : at + CHUNK_SAMPLES]) for at in range(0, len(values), CHUNK_SAMPLES)])

    def _peaks(self, values: NDArray[np.generic]) -> PeakBatch:
        n = self._advance(values)
        return batch(self._found[:n]) if n else NOTHING

    def _advance(self, values: NDArray[np.generic]) -> int:
        """Take at most `CHUNK_SAMPLES` samples; the number of beats that now stand in ``_found``."""
        filled = self._filled + len(values)
        if filled > len(self._buffer):
            first = (self._filled - self._kept) // self._unit * self._unit
            groups = first // self._group
            kept = self._filled - first
            self._buffer[:kept] = self._buffer[first : self._filled]
            whole = kept // self._group
            self._level[:whole] = self._level[groups : groups + whole]
            self._state[qrs_place.BASE] += first
            self._state[qrs_place.SEEN] -= groups
            self._filled = kept
            filled -= first
        self._buffer[self._filled : filled] = values
        self._filled = filled
        return int(qrs_front.advance(filled, self._buffer, self._level, self._wave, *self._decided))

    def flush(self) -> PeakBatch:
        """Say that no more samples follow; returns the last peaks."""
        n = qrs_front.finish(self._buffer, self._level, *self._decided)
        return batch(self._found[:n])

    @property
    def certain_before(self) -> int:
        """All peaks before this sample have been given out, counted from the first sample ever pushed.

        A candidate that comes or waits may lead to earlier ones in a look back, but never to before the last beat. When
        beats stand out again, the last one is taken to lie a usual interval before the first of them.
        """
        s = self._state
        if s[qrs_rule.LEARNED] == 0.0:
            return 0
        seen = s[qrs_place.BASE] + s[qrs_place.SEEN] * s[qrs_place.GROUP]
        earliest = (s[qrs_front.EXTREME_AT] if s[qrs_front.RISING] == 1.0 else seen) - s[qrs_front.DELAY]
        pending = int(s[qrs_rule.PENDING])
        if pending >= 0:
            earliest = min(earliest, self._candidates[pending & qrs_candidates.ROWS, qrs_candidates.TIME])
        back = s[qrs_rule.HORIZON] + s[qrs_rule.TYPICAL_INTERVAL] - s[qrs_rule.OVERDUE_DISTANCE]
        time = max(earliest - back, s[qrs_rule.LAST_TIME] + s[qrs_candidates.REFRACTORY])
        place = time - (s[qrs_place.REACH] + 3.0) * s[qrs_place.GROUP] - s[qrs_place.SPAN]
        return max(math.floor(float(max(place, s[qrs_place.LAST_AT] + s[qrs_place.APART]) + 0.5)), 0)

    @classmethod
    def over(cls, signal: ArrayLike, sampling_rate: float) -> tuple[Self, PeakBatch]:
        """A detector that has seen all of ``signal``, and its peaks."""
        detector = cls(sampling_rate)
        return detector, joined([detector.push(signal), detector.flush()])


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
    detector = RPeakDetector(sampling_rate)
    values = checked_samples(ecg)
    # Of each chunk the samples alone are kept: days of peaks stay small beside the signal.
    found = []
    for at in range(0, len(values), CHUNK_SAMPLES):
        n = detector._advance(values[at : at + CHUNK_SAMPLES])
        found.append(detector._found[:n, 0].astype(np.int64))
    return np.concatenate([*found, detector.flush().sample])
