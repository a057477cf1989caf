"""What breathing does to the heart beat's traces, and the breathing rate in them.

Breathing changes three things of each beat: its amplitude, the level it stands on, and the interval before it
(respiratory sinus arrhythmia). Each makes a series on the beats; a spectrum of each is scaled to the same total, and
the highest peak of their mean, weighted by how clear each one's peak is, is the rate.

Sources: Charlton et al. 2016, 10.1088/0967-3334/37/4/610 (the three modulations and what is done with them); Karlen et
al. 2013, 10.1109/TBME.2013.2246160 (fusion, and their disagreement as a measure of doubt). Deviation: spectra are
fused, not rates, so that a modulation without a clear peak does not count against those that have one.

Between a series on an even grid and its spectrum all is linear: trend, mean, taper and waves make one matrix for all
windows of one length (`_spectrum`). Its waves are even or odd about the middle of the window, so that halves of the
series are added and subtracted first. Windows that overlap share no more than the matrix: outliers are set back, and
trends end, in each by itself.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel
from allostat.kernels.running_medians import put_in_order

Floats = NDArray[np.float64]

MODULATIONS = ("amplitude", "baseline", "interval")
RESAMPLED_HZ = 4.0
GRID_HZ = 0.005
NEAR_HZ = 0.04
"""Power this close to a peak belongs to it: the width of a Hann window's peak of one minute."""

TREND_S = 12.0
"""What changes more slowly is no breathing, and is taken off before the spectrum."""

BEYOND_S = 2.0
"""Beats so far outside a window still say what the series is at its ends."""

LONGEST_GAP_S = 3.0
LEAST_COVERED = 0.8
"""Share of a window that gaps no longer than this have to cover."""

OUTLIER = 4.0
"""Values further than this many robust standard deviations from the median are set back to there."""


class Modulations(NamedTuple):
    """Series on the beats; NaN where a beat has none.

    ``amplitude`` and ``baseline`` in the signal's unit, ``interval`` in samples.
    """

    amplitude: NDArray[np.float64]
    baseline: NDArray[np.float64]
    interval: NDArray[np.float64]


class Breathing(NamedTuple):
    """Breathing rate of a window.

    Parameters
    ----------
    rate_hz
        Rate; NaN without a peak inside the band.
    se_hz
        Its uncertainty: root mean square of the modulations' own rates around it, each weighted by the share of power
        near its own peak, and half a step of the grid. NaN when fewer than two modulations have a peak.
    power_share
        Share of the fused spectrum's power within 0.04 Hz of the peak, 0 to 1.
    rates_hz
        (3,) the modulations' own rates, in the order of `MODULATIONS`.
    """

    rate_hz: float
    se_hz: float
    power_share: float
    rates_hz: NDArray[np.float64]


def modulations(samples: NDArray[Any], peaks: NDArray[Any]) -> Modulations:
    """Amplitude, level and interval of each beat.

    Parameters
    ----------
    samples
        (n,) ECG or PPG; NaN where there is none.
    peaks
        (m,) ascending places of R or systolic peaks in samples, fractional.

    Returns
    -------
    Modulations
        Of each beat: how far its peak lies from the furthest sample since the beat before (the lowest one, when peaks
        point up), the mean of all samples since then, and their number. The first beat has none.

    Raises
    ------
    ValueError
        When peaks do not ascend inside the samples.
    """
    x, at = np.ascontiguousarray(samples, dtype=np.float64), np.asarray(peaks, dtype=np.float64)
    m = len(at)
    if m and (not np.all(np.isfinite(at)) or np.any(np.diff(at) <= 0) or at[0] < 0 or at[-1] > len(x) - 1):
        raise ValueError("peaks ascend inside the samples")
    found = Modulations(np.full(m, np.nan), np.full(m, np.nan), np.full(m, np.nan))
    found.interval[1:] = np.diff(at)
    _beats(x, np.rint(at).astype(np.int64), found.amplitude, found.baseline)
    return found


@lean_kernel
def _beats(x: Floats, peaks: NDArray[np.int64], amplitude: Floats, baseline: Floats) -> None:
    for i in range(1, len(peaks)):
        top = x[peaks[i]]
        lowest, highest, total = top, top, 0.0
        for k in range(peaks[i - 1], peaks[i] + 1):
            value = x[k]
            total += value
            lowest, highest = min(lowest, value), max(highest, value)
        baseline[i] = total / (peaks[i] + 1 - peaks[i - 1])
        # A comparison with NaN is false: the sum tells whether there is one.
        if not np.isnan(total):
            amplitude[i] = max(top - lowest, highest - top)


def breathing(
    at_s: NDArray[Any], series: tuple[NDArray[Any], ...], start_s: float, stop_s: float, band_hz: tuple[float, float]
) -> Breathing:
    """Breathing rate of one window.

    Parameters
    ----------
    at_s
        (m,) ascending instants of the beats in s.
    series
        Up to three series on the beats, as `modulations` gives; NaN where a beat has no value.
    start_s, stop_s
        The window.
    band_hz
        Lowest and highest rate looked for; never above half the heart rate, beyond which beats cannot show breathing.

    Returns
    -------
    Breathing
        NaN where no series covers four fifths of the window or varies.

    Raises
    ------
    ValueError
        When window or band are empty, there are more than three series, or times do not ascend.
    """
    found = windowed(at_s, series, np.array([start_s]), stop_s - start_s, band_hz)
    rates = found.rates_hz[0, : len(series)]
    return Breathing(float(found.rate_hz[0]), float(found.se_hz[0]), float(found.power_share[0]), rates)


class BreathingRates(NamedTuple):
    """`Breathing` of many windows: (w,) each, and (w, 3) the modulations' own rates."""

    rate_hz: Floats
    se_hz: Floats
    power_share: Floats
    rates_hz: Floats


def windowed(
    at_s: NDArray[Any],
    series: tuple[NDArray[Any], ...],
    starts_s: NDArray[Any],
    length_s: float,
    band_hz: tuple[float, float],
) -> BreathingRates:
    """`breathing` in windows of one length that begin at ``starts_s``, (w,); each as if it were the only one."""
    at, starts = np.ascontiguousarray(at_s, dtype=np.float64), np.ascontiguousarray(starts_s, dtype=np.float64)
    low, high = band_hz
    ends = np.isfinite(starts).all() and 0 < length_s < np.inf
    if not ends or not 0 < low < high < np.inf or np.any(np.diff(at) <= 0) or len(series) > len(MODULATIONS):
        raise ValueError("a window and a band are not empty, and beats ascend; there are up to three series")
    stops = starts + length_s
    samples = int(length_s * RESAMPLED_HZ)
    out = np.full((len(starts), 2 * _SHARES), np.nan)
    if samples > _half_trend():
        knots, heights = np.empty((2, 4, len(at)))
        places = np.zeros((len(starts), 8), np.int64)
        for k, values in enumerate(series):
            known = np.isfinite(values)
            n = int(known.sum())
            knots[k, :n], heights[k, :n] = at[known], np.asarray(values, dtype=np.float64)[known]
            places[:, 2 * k] = np.searchsorted(knots[k, :n], starts - BEYOND_S)
            places[:, 2 * k + 1] = np.searchsorted(knots[k, :n], stops + BEYOND_S)
        heights[3, :-1] = np.diff(at)
        places[:, 6] = np.searchsorted(at, starts)
        places[:, 7] = np.maximum(np.searchsorted(at, stops) - 1, places[:, 6])
        spectrum = _spectrum((float(low), float(high)), samples)
        most = int(np.max(places[:, 1::2] - places[:, ::2], initial=0))
        folded, waves = np.zeros((2, 3, spectrum.shape[1])), np.empty((2, 4, spectrum.shape[2]))
        _windowed(knots, heights, starts, stops, places, samples, _first_bin(low), float(high), spectrum,
                  np.empty(most), folded, waves, out)  # fmt: skip
    rates, rate, weights = out[:, :3], out[:, 3], np.nan_to_num(out[:, _SHARES:-1])
    return BreathingRates(rate, _apart(rate, rates, weights), out[:, -1], rates)


def _apart(rate: Floats, rates: Floats, weights: Floats) -> Floats:
    """Distance of rates from the one of all, weighted, and half a step of the grid; NaN with fewer than two."""
    known = weights > 0
    squares = np.where(known, weights * (np.where(known, rates, 0.0) - rate[:, None]) ** 2, 0.0)
    total = np.where(known.sum(axis=1) > 1, weights.sum(axis=1), np.nan)
    apart: Floats = np.sqrt(squares.sum(axis=1) / total + (GRID_HZ / 2) ** 2)
    return apart


def _half_trend() -> int:
    return int(TREND_S * RESAMPLED_HZ) // 2


def _first_bin(low_hz: float) -> int:
    """One step beyond the band on either side, so that a peak at its edge can be told from a slope."""
    return math.floor(low_hz / GRID_HZ) - 1


@lru_cache(maxsize=1)
def _spectrum(band_hz: tuple[float, float], n: int) -> Floats:
    """Matrices from a series of n even values to the cosines and sines of its spectrum: (2, half of n, frequencies).

    A row is multiplied with the sum, or the difference, of two values as far before and behind the middle. What is done
    to the series is done to the waves instead, each step transposed and the last one first.
    """
    frequency = np.arange(_first_bin(band_hz[0]), math.ceil(band_hz[1] / GRID_HZ) + 2) * GRID_HZ
    from_middle = (np.arange(n) - (n - 1) / 2) / RESAMPLED_HZ
    angle = 2 * np.pi * np.outer(frequency, from_middle)
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * np.hanning(n + 2)[1:-1]
    waves -= waves.mean(axis=1, keepdims=True)
    half = _half_trend()
    bell = np.hanning(2 * half + 3)[1:-1]
    bell /= bell.sum()
    for wave in waves:
        spread = np.convolve(wave, bell)
        # Beyond its ends the series is mirrored.
        slow = spread[half : half + n].copy()
        slow[1 : half + 1] += spread[:half][::-1]
        slow[n - 1 - half : n - 1] += spread[half + n :][::-1]
        wave -= slow
    middle = (n + 1) // 2
    out = np.zeros((2, -(-middle // 4) * 4, len(frequency)))
    out[:, :middle] = waves.reshape(2, len(frequency), n)[:, :, :middle].transpose(0, 2, 1)
    return out


_SHARES = 4
"""Columns of what `_windowed` gives: rates of three series and of all of them; from here on, their shares of power."""


@lean_kernel
def _windowed(
    knots: Floats,
    heights: Floats,
    starts: Floats,
    stops: Floats,
    places: NDArray[np.int64],
    samples: int,
    first: int,
    high_hz: float,
    spectrum: Floats,
    ordered: Floats,
    folded: Floats,
    waves: Floats,
    out: Floats,
) -> None:
    """All of each window, written to ``out``, in which all is NaN before.

    ``places``: of each window the known values of each series in and close to it, then the distances of the beats
    inside, which are the fourth row of ``heights``. ``first``: number of the first frequency.
    """
    for w in range(len(starts)):
        count = 0
        for k in range(4):
            begin, n = places[w, 2 * k], places[w, 2 * k + 1] - places[w, 2 * k]
            values, plus, minus = heights[k, begin : begin + n], folded[0, k % 3], folded[1, k % 3]
            # One place that calls, for the series and the distances of beats: each place is compiled by itself.
            for i in range(n):
                ordered[i] = values[i]
            put_in_order(ordered, n)
            if k == 3:
                if n >= 3:
                    count = math.ceil(min(high_hz, 0.5 / _middle(ordered, n)) / GRID_HZ) + 2 - first
            elif not _fold(knots[k, begin : begin + n], values, starts[w], stops[w], samples, ordered, plus, minus):
                plus[:] = 0.0
                minus[:] = 0.0
        if count < 5:
            continue
        for part in range(2):
            _add_waves(folded[part], spectrum[part], count, waves[part])
        _fuse(waves[0], waves[1], count, first, out[w])


@lean_inner_kernel
def _middle(ordered: Floats, n: int) -> float:
    """Median of the first n values, which ascend."""
    middle: float = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    return middle


@lean_inner_kernel
def _deviation(ordered: Floats, n: int, middle: float) -> float:
    """Median distance from the median: distances grow from the middle of what ascends, so both sides are merged."""
    left, right, before, last = n // 2 - 1, n // 2, 0.0, 0.0
    for _ in range(n // 2 + 1):
        before = last
        if right >= n or (left >= 0 and middle - ordered[left] <= ordered[right] - middle):
            last = middle - ordered[left]
            left -= 1
        else:
            last = ordered[right] - middle
            right += 1
    return last if n % 2 else 0.5 * (before + last)


@lean_inner_kernel
def _fold(
    t: Floats, heights: Floats, start: float, stop: float, samples: int, ordered: Floats, plus: Floats, minus: Floats
) -> bool:
    """A series on an even grid, its second half added to the first and subtracted from it, each mirrored.

    ``ordered``: its values, ascending. False when it covers too little or does not vary.
    """
    n = len(t)
    if n < 4:
        return False
    covered, before = 0.0, start
    for i in range(n + 1):
        place = min(max(t[i], start), stop) if i < n else stop
        covered += place - before if place - before <= LONGEST_GAP_S else 0.0
        before = place
    if covered < LEAST_COVERED * (stop - start):
        return False
    middle = _middle(ordered, n)
    spread = 1.4826 * _deviation(ordered, n, middle)
    if not spread > 1e-12 * abs(middle):
        return False
    low, high = middle - OUTLIER * spread, middle + OUTLIER * spread
    half = (samples + 1) // 2
    k, left, right, slope = -1, 0.0, min(max(heights[0], low), high), 0.0
    for i in range(samples):
        at = start + i / RESAMPLED_HZ
        while k < n - 1 and at >= t[k + 1]:
            k += 1
            left = right
            right = min(max(heights[k + 1], low), high) if k < n - 1 else left
            slope = (right - left) / (t[k + 1] - t[k]) if k < n - 1 else 0.0
        value = (right if k < 0 else slope * (at - t[k]) + left) - middle
        if i < half:
            plus[i] = minus[i] = value
        else:
            plus[samples - 1 - i] += value
            minus[samples - 1 - i] -= value
    return True


@lean_inner_kernel
def _add_waves(series: Floats, rows: Floats, count: int, sums: Floats) -> None:
    """Sums over rows (values, frequencies) times the values of each of three series.

    Four rows at a time, for which each sum is read and written once; frequencies lie side by side, so that one
    instruction works on several.
    """
    one, two, three = sums[0], sums[1], sums[2]
    for f in range(count):
        one[f] = two[f] = three[f] = 0.0
    for k in range(0, len(rows), 4):
        row0, row1, row2, row3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        a0, a1, a2, a3 = series[0, k], series[0, k + 1], series[0, k + 2], series[0, k + 3]
        b0, b1, b2, b3 = series[1, k], series[1, k + 1], series[1, k + 2], series[1, k + 3]
        c0, c1, c2, c3 = series[2, k], series[2, k + 1], series[2, k + 2], series[2, k + 3]
        for f in range(count):
            one[f] += (row0[f] * a0 + row1[f] * a1) + (row2[f] * a2 + row3[f] * a3)
            two[f] += (row0[f] * b0 + row1[f] * b1) + (row2[f] * b2 + row3[f] * b3)
            three[f] += (row0[f] * c0 + row1[f] * c1) + (row2[f] * c2 + row3[f] * c3)


@lean_inner_kernel
def _fuse(cosines: Floats, sines: Floats, count: int, first: int, row: Floats) -> None:
    """Rates of three spectra and of their mean weighted by their shares of power, for which there is a fourth row.

    A rate is the place of the highest peak inside the grid, by a parabola.
    """
    for f in range(count):
        cosines[3, f] = sines[3, f] = 0.0
    for k in range(4):
        power, sine, fused, total, top = cosines[k], sines[k], cosines[3], 0.0, 0
        for f in range(count):
            if k < 3:
                power[f] = power[f] * power[f] + sine[f] * sine[f]
            total += power[f]
        for f in range(1, count - 1):
            if power[f] > power[f - 1] and power[f] >= power[f + 1] and (top == 0 or power[f] > power[top]):
                top = f
        place, near = (first + top) * GRID_HZ, 0.0
        for f in range(count):
            near += power[f] if abs((first + f) * GRID_HZ - place) <= NEAR_HZ else 0.0
        if not 0.0 < total < np.inf:
            continue
        share = near / total if top > 0 else 0.0
        if top > 0:
            left, right = power[top - 1], power[top + 1]
            row[k] = place + 0.5 * (left - right) / (left - 2.0 * power[top] + right) * GRID_HZ
        row[_SHARES + k] = share
        if k < 3:
            scale = share / total
            for f in range(count):
                fused[f] += scale * power[f]
