"""Time-domain measures of NN intervals.

Every function takes intervals in ms, one-dimensional, in the order of the beats. NaN is a gap (or an interval that is
not normal-to-normal): it counts in no measure, and a difference is taken only between two neighbours that are both
finite. Where too few intervals are left the result is NaN.

Sources: Task Force 1996, 10.1161/01.CIR.93.5.1043; Shaffer and Ginsberg 2017, 10.3389/fpubh.2017.00258. Standard
deviations have the divisor n - 1; pNNx is a share of the differences, not of the intervals.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

MEASURES = (
    "n_intervals", "n_differences", "mean_nn", "median_nn", "min_nn", "max_nn", "sdnn", "rmssd", "ln_rmssd", "sdsd",
    "pnn20", "pnn50", "cvnn", "cv_rmssd", "hr_of_mean_nn", "mean_hr_of_beats", "min_hr", "max_hr",
)  # fmt: skip
"""Columns of `windowed`, in order."""


def windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """All `MEASURES` in many windows.

    Parameters
    ----------
    nn_ms
        (n,) intervals in ms; NaN is a gap.
    first, stop
        (w,) the intervals ``first[k]:stop[k]`` form window k. Windows may overlap; each is computed by itself, so a
        window has the same bits whatever stands around it.

    Returns
    -------
    values
        float64 (w, len(MEASURES)).
    """
    return _windowed(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
    )


def time_domain(nn_ms: NDArray[Any]) -> dict[str, float]:
    """All `MEASURES` of one series of intervals in ms, by name."""
    nn = np.asarray(nn_ms)
    row = windowed(nn, np.array([0]), np.array([len(nn)]))[0]
    return {name: float(value) for name, value in zip(MEASURES, row, strict=True)}


def mean_nn(nn_ms: NDArray[Any]) -> float:
    """Mean interval in ms."""
    return time_domain(nn_ms)["mean_nn"]


def sdnn(nn_ms: NDArray[Any]) -> float:
    """Standard deviation of the intervals in ms, divisor n - 1."""
    return time_domain(nn_ms)["sdnn"]


def rmssd(nn_ms: NDArray[Any]) -> float:
    """Root mean square of the differences of neighbouring intervals in ms."""
    return time_domain(nn_ms)["rmssd"]


def sdsd(nn_ms: NDArray[Any]) -> float:
    """Standard deviation of the differences of neighbouring intervals in ms, divisor one less than their number."""
    return time_domain(nn_ms)["sdsd"]


def pnn(nn_ms: NDArray[Any], threshold_ms: float) -> float:
    """Percentage of differences of neighbouring intervals larger than ``threshold_ms``."""
    return float(_pnn(np.ascontiguousarray(nn_ms, dtype=np.float64), float(threshold_ms)))


@kernel
def _pnn(nn: NDArray[np.float64], threshold: float) -> float:
    n, above = 0, 0
    for i in range(1, len(nn)):
        change = nn[i] - nn[i - 1]
        if np.isfinite(change):
            n += 1
            if abs(change) > threshold:
                above += 1
    return 100.0 * above / n if n else np.nan


@kernel
def _mean_and_sd(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of finite values, in two passes: no cancellation."""
    n = len(values)
    if n == 0:
        return np.nan, np.nan
    total = 0.0
    for i in range(n):
        total += values[i]
    mean = total / n
    if n == 1:
        return mean, np.nan
    squares = 0.0
    for i in range(n):
        squares += (values[i] - mean) ** 2
    return mean, math.sqrt(squares / (n - 1))


@kernel
def _total(values: NDArray[np.float64]) -> float:
    """Sum in four lanes, so that one addition need not wait for the one before it."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(values) - len(values) % 4
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(whole, len(values)):
        a += values[i]
    return (a + b) + (c + d)


@kernel
def _squares(values: NDArray[np.float64], centre: float) -> float:
    """Sum of squared distances from a centre, in four lanes."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(values) - len(values) % 4
    for i in range(0, whole, 4):
        a += (values[i] - centre) ** 2
        b += (values[i + 1] - centre) ** 2
        c += (values[i + 2] - centre) ** 2
        d += (values[i + 3] - centre) ** 2
    for i in range(whole, len(values)):
        a += (values[i] - centre) ** 2
    return (a + b) + (c + d)


@kernel
def _extremes(values: NDArray[np.float64]) -> tuple[float, float]:
    """Smallest and largest of finite values, in four lanes."""
    low0, low1, low2, low3 = values[0], values[0], values[0], values[0]
    high0, high1, high2, high3 = low0, low0, low0, low0
    whole = len(values) - len(values) % 4
    for i in range(0, whole, 4):
        v0, v1, v2, v3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        low0, high0 = v0 if v0 < low0 else low0, v0 if v0 > high0 else high0
        low1, high1 = v1 if v1 < low1 else low1, v1 if v1 > high1 else high1
        low2, high2 = v2 if v2 < low2 else low2, v2 if v2 > high2 else high2
        low3, high3 = v3 if v3 < low3 else low3, v3 if v3 > high3 else high3
    for i in range(whole, len(values)):
        low0, high0 = min(low0, values[i]), max(high0, values[i])
    return min(min(low0, low1), min(low2, low3)), max(max(high0, high1), max(high2, high3))


@kernel
def _per_minute(interval: float) -> float:
    """Heart rate of an interval in ms; NaN for none."""
    return 60000.0 / interval if interval != 0.0 else np.nan


_BINS = 4096
"""Bins of 1 ms above the shortest interval in which the median is looked for; all longer ones share the last."""


@kernel
def _bins(nn: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of each interval, ascending with its length; -1 for none."""
    lowest = np.inf
    for i in range(len(nn)):
        if np.isfinite(nn[i]) and nn[i] < lowest:
            lowest = nn[i]
    bins = np.full(len(nn), -1, np.int64)
    for i in range(len(nn)):
        if np.isfinite(nn[i]):
            bins[i] = int(min(nn[i] - lowest, _BINS - 1.0))
    return bins


@kernel
def _medians(
    nn: NDArray[np.float64], bins: NDArray[np.int64], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Median of each window, exact: the bin that holds it is found by counts that move along with the windows."""
    out = np.full(len(first), np.nan)
    counts = np.zeros(_BINS, np.int64)
    begin, end, n, at, below = 0, 0, 0, 0, 0
    for k in range(len(first)):
        if first[k] >= end or stop[k] <= begin:
            for i in range(begin, end):
                if bins[i] >= 0:
                    counts[bins[i]] = 0
            begin, end, n, at, below = first[k], first[k], 0, 0, 0
        # Beats that come in (+1) and go (-1) at either end of the window.
        for change in range(4):
            low, high, sign = end, stop[k], 1
            if change == 1:
                low, high, sign = first[k], begin, 1
            elif change == 2:
                low, high, sign = stop[k], end, -1
            elif change == 3:
                low, high, sign = begin, first[k], -1
            for i in range(low, high):
                if bins[i] >= 0:
                    counts[bins[i]] += sign
                    n += sign
                    if bins[i] < at:
                        below += sign
        begin, end = first[k], max(stop[k], first[k])
        if n == 0:
            continue
        rank = (n - 1) // 2
        while below > rank:
            at -= 1
            below -= counts[at]
        while below + counts[at] <= rank:
            below += counts[at]
            at += 1
        held = np.empty(counts[at])
        found, above = 0, np.inf
        for i in range(begin, end):
            if bins[i] == at:
                held[found] = nn[i]
                found += 1
        held.sort()
        middle = held[rank - below]
        if n % 2 == 0:
            if rank - below + 1 < found:
                above = held[rank - below + 1]
            else:
                for i in range(begin, end):
                    if bins[i] > at and nn[i] < above:
                        above = nn[i]
            middle = 0.5 * (middle + above)
        out[k] = middle
    return out


@kernel
def _windowed(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full((len(first), 18), np.nan)
    size = len(nn)
    # Of each interval: the difference to the one before it, its heart rate, and counts up to it.
    change, rate = np.full(size, np.nan), np.empty(size)
    counts = np.zeros((size + 1, 4), np.int64)
    for i in range(size):
        rate[i] = _per_minute(nn[i])
        if i > 0:
            change[i] = nn[i] - nn[i - 1]
        counts[i + 1, 0] = counts[i, 0] + np.isfinite(nn[i])
        counts[i + 1, 1] = counts[i, 1] + np.isfinite(change[i])
        counts[i + 1, 2] = counts[i, 2] + (abs(change[i]) > 20.0 and np.isfinite(change[i]))
        counts[i + 1, 3] = counts[i, 3] + (abs(change[i]) > 50.0 and np.isfinite(change[i]))
    medians = _medians(nn, _bins(nn), first, stop)
    for k in range(len(first)):
        a, b = first[k], max(stop[k], first[k])
        n = counts[b, 0] - counts[a, 0]
        row = out[k]
        row[0], row[1] = n, counts[b, 1] - counts[min(a + 1, b), 1]
        if n == 0:
            continue
        values, steps, rates = nn[a:b], change[a + 1 : b], rate[a:b]
        if n < b - a:
            steps, rates = steps[np.isfinite(steps)], rates[np.isfinite(values)]
            values = values[np.isfinite(values)]
        mean = _total(values) / n
        row[2], row[3] = mean, medians[k]
        row[4], row[5] = _extremes(values)
        if n > 1:
            row[6] = math.sqrt(_squares(values, mean) / (n - 1))
        row[15] = _total(rates) / n
        row[16], row[17] = _per_minute(row[5]), _per_minute(row[4])
        row[14] = _per_minute(mean)
        row[12] = row[6] * row[14] / 600.0
        m = len(steps)
        if m == 0:
            continue
        rms = math.sqrt(_squares(steps, 0.0) / m)
        row[7] = rms
        # A metronome has no logarithm of its RMSSD: missing, not minus infinity.
        row[8] = math.log(rms) if rms > 0.0 else np.nan
        if m > 1:
            row[9] = math.sqrt(_squares(steps, _total(steps) / m) / (m - 1))
        row[10] = 100.0 * (counts[b, 2] - counts[a + 1, 2]) / m
        row[11] = 100.0 * (counts[b, 3] - counts[a + 1, 3]) / m
        row[13] = rms * row[14] / 600.0
    return out


DISTRIBUTION = ("prc20_nn", "prc80_nn", "iqr_nn", "mad_nn", "skewness_nn", "kurtosis_nn")
"""Columns of `distribution_windowed`, in order."""


def distribution_windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """How the intervals ``first[k]:stop[k]`` of each window are distributed: float64 (w, len(DISTRIBUTION)).

    Quantiles in ms (Hyndman and Fan's type 7); the median absolute
    deviation times 1.4826; skewness and kurtosis from moments with the divisor n (3 for a normal distribution).
    """
    return _distributions(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
    )


@kernel
def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@kernel
def _distributions(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full((len(first), 6), np.nan)
    for w in range(len(first)):
        part = nn[first[w] : stop[w]]
        finite = part[np.isfinite(part)]
        if len(finite) == 0:
            continue
        ordered = np.sort(finite)
        out[w, 0] = _quantile(ordered, 0.2)
        out[w, 1] = _quantile(ordered, 0.8)
        out[w, 2] = _quantile(ordered, 0.75) - _quantile(ordered, 0.25)
        out[w, 3] = 1.4826 * _quantile(np.sort(np.abs(ordered - _quantile(ordered, 0.5))), 0.5)
        off = finite - _mean_and_sd(finite)[0]
        variance = np.mean(off * off)
        if variance > 0.0:
            out[w, 4] = np.mean(off * off * off) / variance**1.5
            out[w, 5] = np.mean(off * off * off * off) / variance**2
    return out
