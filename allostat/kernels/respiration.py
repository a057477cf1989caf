"""What breathing does to the heart beat's traces, and the breathing rate in them.

Breathing changes three things of each beat: its amplitude, the level it stands on, and the interval before it
(respiratory sinus arrhythmia). Each makes a series on the beats; a spectrum of each is scaled to the same total, and
the highest peak of their mean, weighted by how clear each one's peak is, is the rate.

Sources: Charlton et al. 2016, 10.1088/0967-3334/37/4/610 (the three modulations and what is done with them); Karlen et
al. 2013, 10.1109/TBME.2013.2246160 (fusion, and their disagreement as a measure of doubt). Deviation: spectra are
fused, not rates, so that a modulation without a clear peak does not count against those that have one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MODULATIONS = ("amplitude", "baseline", "interval")
RESAMPLED_HZ = 4.0
GRID_HZ = 0.005
NEAR_HZ = 0.04
"""Power this close to a peak belongs to it: the width of a Hann window's peak of one minute."""

TREND_S = 12.0
"""What changes more slowly is no breathing, and is taken off before the spectrum."""


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
    x, at = np.asarray(samples, dtype=np.float64), np.asarray(peaks, dtype=np.float64)
    m = len(at)
    if m and (not np.all(np.isfinite(at)) or np.any(np.diff(at) <= 0) or at[0] < 0 or at[-1] > len(x) - 1):
        raise ValueError("peaks ascend inside the samples")
    amplitude, baseline, interval = np.full(m, np.nan), np.full(m, np.nan), np.full(m, np.nan)
    interval[1:] = np.diff(at)
    whole = np.rint(at).astype(np.int64)
    for i in range(1, m):
        between = x[whole[i - 1] : whole[i] + 1]
        amplitude[i] = max(x[whole[i]] - between.min(), between.max() - x[whole[i]])
        baseline[i] = between.mean()
    return Modulations(amplitude, baseline, interval)


def breathing(
    at_s: NDArray[Any], series: tuple[NDArray[Any], ...], start_s: float, stop_s: float, band_hz: tuple[float, float]
) -> Breathing:
    """Breathing rate of one window.

    Parameters
    ----------
    at_s
        (m,) ascending instants of the beats in s.
    series
        Series on the beats, as `modulations` gives; NaN where a beat has no value.
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
        When window or band are empty, or times do not ascend.
    """
    at = np.asarray(at_s, dtype=np.float64)
    low, high = band_hz
    if not start_s < stop_s < np.inf or not 0 < low < high < np.inf or np.any(np.diff(at) <= 0):
        raise ValueError("a window and a band are not empty, and beats ascend")
    inside = (at >= start_s) & (at < stop_s)
    rates, weights = np.full(len(series), np.nan), np.zeros(len(series))
    nothing = Breathing(float("nan"), float("nan"), float("nan"), rates)
    if inside.sum() < 4:
        return nothing
    high = min(high, 0.5 / float(np.median(np.diff(at[inside]))))
    # One step beyond the band on either side, so that a peak at its edge can be told from a slope.
    grid = np.arange(np.floor(low / GRID_HZ) - 1, np.ceil(high / GRID_HZ) + 2) * GRID_HZ
    if len(grid) < 5:
        return nothing
    turn = _turn((float(band_hz[0]), float(band_hz[1])), int((stop_s - start_s) * RESAMPLED_HZ))[: len(grid)]
    fused = np.zeros(len(grid))
    for k, values in enumerate(series):
        course = _course(at, np.asarray(values, dtype=np.float64), start_s, stop_s)
        if course is None:
            continue
        # Not by `@`: the threads of a linear-algebra library cost more here than they do.
        power = np.abs(np.einsum("ij,j->i", turn, course)) ** 2
        power /= power.sum()
        rates[k], weights[k] = _highest(grid, power)
        fused += weights[k] * power
    if not np.any(weights > 0):
        return nothing
    rate, share = _highest(grid, fused / fused.sum())
    known = np.isfinite(rates)
    se = float("nan")
    if known.sum() > 1 and np.isfinite(rate):
        spread = float(np.sum(weights[known] * (rates[known] - rate) ** 2) / weights[known].sum())
        se = float(np.sqrt(spread + (GRID_HZ / 2) ** 2))
    return Breathing(rate, se, share, rates)


@lru_cache(maxsize=1)
def _turn(band_hz: tuple[float, float], n: int) -> NDArray[np.complex128]:
    """Waves of the frequencies of a band and one step beyond it, which all windows of a recording share."""
    low, high = band_hz
    grid = np.arange(np.floor(low / GRID_HZ) - 1, np.ceil(high / GRID_HZ) + 2) * GRID_HZ
    turn: NDArray[np.complex128] = np.exp(-2j * np.pi / RESAMPLED_HZ * np.outer(grid, np.arange(n)))
    return turn


LEAST_COVERED = 0.8
OUTLIER = 4.0
"""Values further than this many robust standard deviations from the median are set back to there."""


def _course(
    at: NDArray[np.float64], values: NDArray[np.float64], start_s: float, stop_s: float
) -> NDArray[np.float64] | None:
    """A series on an even grid, trend off, under a Hann window; None when it covers too little or is constant."""
    near = np.isfinite(values) & (at >= start_s - 2.0) & (at < stop_s + 2.0)
    t, v = at[near], values[near]
    if len(t) < 4:
        return None
    step = np.diff(np.clip(t, start_s, stop_s), prepend=start_s, append=stop_s)
    if step[step <= 3.0].sum() < LEAST_COVERED * (stop_s - start_s):
        return None
    middle = float(np.median(v))
    spread = 1.4826 * float(np.median(np.abs(v - middle)))
    if not spread > 1e-12 * abs(middle):
        return None
    v = np.clip(v, middle - OUTLIER * spread, middle + OUTLIER * spread)
    n = int((stop_s - start_s) * RESAMPLED_HZ)
    even = np.interp(start_s + np.arange(n) / RESAMPLED_HZ, t, v)
    half = int(TREND_S * RESAMPLED_HZ) // 2
    if half >= n:
        return None
    kernel = np.hanning(2 * half + 3)[1:-1]
    course = even - np.convolve(np.pad(even, half, mode="reflect"), kernel / kernel.sum(), "valid")
    shaped: NDArray[np.float64] = (course - course.mean()) * np.hanning(n + 2)[1:-1]
    return shaped if np.any(shaped != 0) else None


def _highest(grid: NDArray[np.float64], power: NDArray[np.float64]) -> tuple[float, float]:
    """Place of the highest peak inside the grid, by a parabola, and the share of power near it; without, NaN and 0."""
    inner = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    if not len(inner):
        return float("nan"), 0.0
    i = int(inner[np.argmax(power[inner])])
    left, top, right = float(power[i - 1]), float(power[i]), float(power[i + 1])
    shift = 0.5 * (left - right) / (left - 2 * top + right)
    near = np.abs(grid - grid[i]) <= NEAR_HZ
    return float(grid[i] + shift * GRID_HZ), float(power[near].sum() / power.sum())
