"""Systolic peaks of a photoplethysmogram in one pass, with bounded memory, the same bits for any chunking.

Front end (`pulse_front`): the signal, brought to 30 to 60 samples a second by averaging whole groups of samples, is
low-passed at 7 Hz; every stretch over which it then rises is an upstroke. Its size is the geometric mean of its rise
and of its steepest slope. `pulse_rule` decides which upstrokes are pulses. Only these are looked at closely
(`pulse_place`): the systolic peak is the first top or shoulder of the unfiltered signal after the steepest rise,
refined below one sample by a least-squares parabola.

Sources: upstrokes as segments between extrema, Karlen, Ansermino and Dumont 2012, 10.1109/EMBC.2012.6346628 (there
with fixed steps, here by relative height); slope as feature, Zong et al. 2003, 10.1109/CIC.2003.1291140;
upper edge of the band, Elgendi et al. 2013, 10.1371/journal.pone.0076585 (8 Hz).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import biquad, pulse_front, pulse_place, pulse_rule
from allostat.kernels.peaks import PeakBatch, batch, blocks, checked_rate, checked_samples, joined, parabola

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 20.0, 2000.0
WORKING_RATE_HZ = 30.0
CORNER_HZ = 7.0
BESSEL = math.sqrt(1.0 / 3.0)
"""Quality factor of a second-order section of maximally flat delay."""
HIGHEST_HZ = 8.0
SPAN_S = 0.03
"""The parabola spans this much to either side of the top."""
CLIMB_S = 0.30
"""The top comes at most this long after the steepest rise."""
PLATEAU_S = 0.25
"""A clipped top is followed this far to either side."""
LOOK_BACK_S = 18.0
"""A pulse is placed when it is decided on no later than this after its steepest rise: the longest look back of the
rule, and the wait for its decision. An upstroke onto a level at which a converter stays may be over much later."""
MEMORY_S = LOOK_BACK_S + 2.0
"""Samples are kept this long: those before a pulse tell its noise."""
CHUNK_SAMPLES = 32_768
"""Samples brought into the detector at a time: few enough to stay in a processor's own cache, enough that what a call
costs does not count."""
PIECE_GROUPS = 1 << 18
"""Groups taken at a time from a long array that lies there as float64."""
STRETCH_GROUPS = 560
"""Groups that each step of the detector takes on before the next step; as `r_peak.STRETCH`, not a whole page."""
NOTHING = batch(np.empty((0, 3)))


@functools.lru_cache(maxsize=16)
def _prepared(rate: float) -> NDArray[np.float64]:
    """State of a detector that has seen no sample."""
    group = max(1, int(rate / WORKING_RATE_HZ))
    section = biquad.lowpass(rate / group, CORNER_HZ, BESSEL)
    s = pulse_rule.fresh(rate, int(2 * STRETCH_GROUPS * group / (0.30 * rate)) + 2 * pulse_rule.DEPTH)
    s[pulse_front.GROUP] = group
    # The section twice in a row, but for the pole that cancels: an output waits for the last but one, not for the last.
    s[pulse_front.GAIN_0 : pulse_front.GAIN_3 + 1] = np.convolve(section[:3], [1.0, -section[3]])
    s[pulse_front.POLE_2] = section[4] - section[3] ** 2
    s[pulse_front.POLE_3] = -section[3] * section[4]
    s[pulse_front.SLOPE_SCALE] = 0.15 * rate / group
    # From between two groups to the sample after the later one; the section's delay is the one at low frequency.
    s[pulse_front.DELAY] = 0.5 + group + rate / (BESSEL * 2.0 * math.pi * CORNER_HZ)
    s[pulse_front.MISSING] = 1.0
    span = max(1, round(SPAN_S * rate))
    s[pulse_place.SPAN] = span
    s[pulse_place.PLATEAU] = max(4, round(PLATEAU_S * rate))
    s[pulse_place.CLIMB] = round(CLIMB_S * rate)
    s[[pulse_place.BY_SLOPE, pulse_place.BY_BEND, pulse_place.BY_SIZE]] = parabola(span)
    s[pulse_place.LAST_AT] = -1e18
    s[pulse_place.REACH] = LOOK_BACK_S * rate
    return s


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
    after 3 s for the first ones. Values beyond 1e100 are missing, too. After a fall of the
    amplitude to less than a third, or after noise as large as pulses, six pulses in a row are awaited before they are
    given out together.
    """

    def __init__(self, sampling_rate: float) -> None:
        rate = checked_rate(sampling_rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
        self._state = _prepared(rate).copy()
        self._group = int(self._state[pulse_front.GROUP])
        self._apart = 0.5 * self._state[pulse_rule.REFRACTORY]
        self._kept = math.ceil(MEMORY_S * rate / self._group) * self._group
        self._buffer = np.empty(self._kept + self._group + CHUNK_SAMPLES)
        self._wave = np.zeros((pulse_front.ROWS, STRETCH_GROUPS + pulse_front.LEAD))
        self._found = self._room(CHUNK_SAMPLES)
        self._filled = 0

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
        return joined([batch(rows) if len(rows) else NOTHING for rows in self._rows(checked_samples(samples))])

    def _rows(self, values: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
        """Sample, fraction and jitter of the peaks that become certain; each array holds until the next one."""
        if len(values) > 4 * self._kept and values.dtype == np.float64 and values.flags.carray:
            yield from self._read(values)
        else:
            for at in range(0, max(len(values), 1), CHUNK_SAMPLES):
                yield self._copy(values[at : at + CHUNK_SAMPLES])

    def _copy(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Take a chunk into the buffer, behind what is remembered there."""
        if self._filled + len(values) > len(self._buffer):
            self._remember(self._buffer[: self._filled])
        filled = self._filled + len(values)
        self._buffer[self._filled : filled] = values
        self._filled = filled
        return self._peaks(filled, self._buffer, self._found)

    def _read(self, values: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Take many samples from where they lie, once as many of them as are remembered have come into the buffer."""
        kept, state = self._kept, self._state
        head = kept + (-self._filled) % self._group
        yield self._copy(values[:head])
        for start in range(head, len(values), PIECE_GROUPS * self._group):
            piece = values[start - kept : start + PIECE_GROUPS * self._group]
            state[pulse_place.BASE] += self._filled - kept
            state[pulse_front.SEEN] = kept // self._group
            yield self._peaks(len(piece), piece, self._room(len(piece)))
            self._filled = len(piece)
        self._remember(piece)

    def _remember(self, samples: NDArray[np.float64]) -> None:
        """Bring the end of the samples to the beginning of the buffer."""
        groups = max(int(self._state[pulse_front.SEEN]) - self._kept // self._group, 0)
        end = samples[groups * self._group :]
        self._buffer[: len(end)] = end
        self._filled = len(end)
        self._state[pulse_place.BASE] += groups * self._group
        self._state[pulse_front.SEEN] -= groups

    def _peaks(self, filled: int, samples: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        return found[: pulse_front.advance(filled, samples, self._wave, self._state, found)]

    def _room(self, n_samples: int) -> NDArray[np.float64]:
        """Room for all peaks that so many samples can bring."""
        return np.empty((int(n_samples / self._apart) + 2 * pulse_rule.DEPTH, 3))

    def flush(self) -> PeakBatch:
        """Say that no more samples follow; returns the last peaks."""
        return batch(self._last())

    def _last(self) -> NDArray[np.float64]:
        return self._found[: pulse_front.finish(self._filled, self._buffer, self._state, self._found)]

    @property
    def certain_before(self) -> int:
        """All peaks before this sample have been given out, counted from the first sample ever pushed.

        An upstroke that comes or waits may lead to earlier ones when pulses are found again, but never to before the
        last pulse.
        """
        s = self._state
        if s[pulse_rule.LEARNED] == 0.0:
            return 0
        seen = s[pulse_place.BASE] + s[pulse_front.SEEN] * s[pulse_front.GROUP]
        earliest = (s[pulse_front.STEEPEST_AT] if s[pulse_front.RISING] == 1.0 else seen) - s[pulse_front.DELAY]
        if s[pulse_rule.PENDING_SIZE] > 0.0:
            earliest = min(earliest, s[pulse_rule.PENDING_TIME])
        longest = 2.0 * pulse_rule.VERY_UNEVEN * s[pulse_rule.TYPICAL_INTERVAL]
        back = max((pulse_rule.RUN - 1) * longest, s[pulse_rule.HORIZON])
        time = max(earliest - back, s[pulse_rule.LAST_TIME] + s[pulse_rule.REFRACTORY], seen - s[pulse_place.REACH])
        place = time - 1.0 - 3.0 * s[pulse_place.SPAN] - s[pulse_place.PLATEAU]
        return max(math.floor(float(max(place, s[pulse_place.LAST_AT] + self._apart) + 0.5)), 0)

    @classmethod
    def over(cls, signal: ArrayLike, sampling_rate: float) -> tuple[Self, PeakBatch]:
        """A detector that has seen all of ``signal``, and its peaks."""
        detector = cls(sampling_rate)
        return detector, joined([detector.push(signal), detector.flush()])


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
    detector = SystolicPeakDetector(sampling_rate)
    # Of each stretch the samples alone are kept: what is not asked for takes a tenth of the time.
    found = [rows[:, 0].astype(np.int64) for rows in detector._rows(checked_samples(ppg))]
    return np.concatenate([*found, detector._last()[:, 0].astype(np.int64)])


def pulse_polarity(ppg: ArrayLike, sampling_rate: float) -> int:
    """1 when pulses point up, as blood volume does, and -1 when they point down.

    Parameters
    ----------
    ppg
        (n,) samples; NaN where a sample is missing.
    sampling_rate
        Sampling rate in Hz.

    Returns
    -------
    1 or -1, the sign of `pulse_asymmetry`; 1 when the signal does not tell.
    """
    return -1 if pulse_asymmetry(ppg, sampling_rate) < 0.0 else 1


def pulse_asymmetry(ppg: ArrayLike, sampling_rate: float) -> float:
    """How clearly pulses point up (positive) or down (negative); near 0 for noise.

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
    Skewness of the slope and half of that of the wave; 0 when the signal is too short to tell.
    """
    values = np.concatenate([np.empty(0), *blocks(ppg)])
    values = values[np.isfinite(values)]
    group = max(1, int(sampling_rate / WORKING_RATE_HZ))
    if group > 1 and len(values):
        values = np.diff(np.cumsum(values - values[0])[::group]) / group
    width = max(1, round(sampling_rate / group / (2.0 * HIGHEST_HZ)))
    slow = round(sampling_rate / group)
    if len(values) < 2 * slow + width + 3:
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    smooth = (sums[width:] - sums[:-width]) / width
    baseline = (sums[slow:] - sums[:-slow]) / slow
    middle = slow // 2 - width // 2
    wave = smooth[middle : middle + len(baseline)] - baseline
    return _skewness(np.diff(smooth)) + 0.5 * _skewness(wave)


def _skewness(values: NDArray[np.float64]) -> float:
    """Skewness after clipping; 0 when all values are one."""
    bound = 5.0 * float(np.median(np.abs(values)))
    clipped = np.clip(values, -bound, bound)
    centred = clipped - clipped.mean()
    squares = centred * centred
    variance = float(squares.mean())
    return float(squares @ centred) / len(values) / variance**1.5 if variance > 0.0 else 0.0
