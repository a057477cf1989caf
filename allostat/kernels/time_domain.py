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

from allostat.kernels.compiled import inner_kernel, kernel
from allostat.kernels.running_medians import medians, put_in_order

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
        (w,) the intervals ``first[k]:stop[k]`` form window k. Windows may overlap; each has the values that it has by
        itself, to the last bit.

    Returns
    -------
    values
        float64 (w, len(MEASURES)).
    """
    nn = np.ascontiguousarray(nn_ms, dtype=np.float64)
    begin = np.ascontiguousarray(first, dtype=np.int64)
    end = np.maximum(begin, np.ascontiguousarray(stop, dtype=np.int64))
    return _windowed(nn, begin, end, medians(nn, begin, end))


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
def _deviation(nn: NDArray[np.float64], first: int, stop: int, lag: int) -> float:
    """Standard deviation (n - 1) of intervals, or of differences over ``lag``, in two passes: no cancellation.

    All are taken from the first of them, so that equal ones leave nothing.
    """
    n, origin, mean, squares = 0, 0.0, 0.0, 0.0
    for step in range(2):
        for i in range(first + lag, stop):
            value = nn[i] - nn[i - 1] if lag else nn[i]
            if not abs(value) < np.inf:
                continue
            if step == 1:
                squares += (value - origin - mean) ** 2
            else:
                origin = value if n == 0 else origin
                mean += value - origin
                n += 1
        mean = mean / n if step == 0 else mean
    return math.sqrt(squares / (n - 1))


@inner_kernel
def _per_minute(interval: float) -> float:
    """Heart rate of an interval in ms; NaN for none."""
    return 60000.0 / interval if interval != 0.0 else np.nan


_VALUE, _RATE_OF, _CHANGE = range(3)
"""What an interval adds: itself, its heart rate, its difference from the one before. Where it has none, NaN for itself
and 0 for the others."""

_N, _M, _OVER20, _OVER50 = range(4)
"""What is counted before an interval: intervals, differences, how many of these exceed 20 and 50 ms."""

_CENTRE, _OFF, _OFF2, _RATE, _LOW, _HIGH, _STEP, _STEP2 = range(8)
"""What is known of a window besides: the first interval, sum of the distances from it and of the squares of these, sum
of heart rates, shortest and longest; sum of the differences and of their squares."""


@inner_kernel
def _by_itself(nn: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What each interval adds to any window that holds it, and what is counted before it."""
    adds, counts = np.empty((3, len(nn))), np.empty((len(nn) + 1, 4), np.int64)
    before = np.nan
    n = m = over20 = over50 = 0
    for i in range(len(nn)):
        value = nn[i]
        change = value - before
        before = value
        step = abs(change)
        there, known = abs(value) < np.inf, step < np.inf
        adds[_VALUE, i] = value if there else np.nan
        adds[_RATE_OF, i] = _per_minute(value) if there else 0.0
        adds[_CHANGE, i] = change if known else 0.0
        counts[i, _N], counts[i, _M], counts[i, _OVER20], counts[i, _OVER50] = n, m, over20, over50
        n += there
        m += known
        over20 += known and step > 20.0
        over50 += known and step > 50.0
    last = counts[len(nn)]
    last[_N], last[_M], last[_OVER20], last[_OVER50] = n, m, over20, over50
    return adds, counts


@inner_kernel
def _add_up(adds: NDArray[np.float64], first: int, stop: int, sums: NDArray[np.float64]) -> None:
    """What is known of the intervals ``first:stop``, in four sums each that do not wait for each other."""
    value, rate, steps = adds[_VALUE, first:stop], adds[_RATE_OF, first:stop], adds[_CHANGE, first + 1 : stop]
    n, start = len(value), 0
    while start < n - 1 and value[start] != value[start]:
        start += 1
    centre = value[start]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = 0.0
    low0 = low1 = high0 = high1 = centre
    whole = n - n % 4
    for i in range(0, whole, 4):
        v0, v1, v2, v3 = value[i], value[i + 1], value[i + 2], value[i + 3]
        # NaN is less than nothing, and more than nothing.
        low0, low1 = v0 if v0 < low0 else low0, v1 if v1 < low1 else low1
        low0, low1 = v2 if v2 < low0 else low0, v3 if v3 < low1 else low1
        high0, high1 = v0 if v0 > high0 else high0, v1 if v1 > high1 else high1
        high0, high1 = v2 if v2 > high0 else high0, v3 if v3 > high1 else high1
        f0, f1 = v0 - centre if v0 == v0 else 0.0, v1 - centre if v1 == v1 else 0.0
        f2, f3 = v2 - centre if v2 == v2 else 0.0, v3 - centre if v3 == v3 else 0.0
        a0, a1, a2, a3 = a0 + f0, a1 + f1, a2 + f2, a3 + f3
        b0, b1, b2, b3 = b0 + f0 * f0, b1 + f1 * f1, b2 + f2 * f2, b3 + f3 * f3
        c0, c1, c2, c3 = c0 + rate[i], c1 + rate[i + 1], c2 + rate[i + 2], c3 + rate[i + 3]
    for i in range(whole, n):
        v0 = value[i]
        low0, high0 = v0 if v0 < low0 else low0, v0 if v0 > high0 else high0
        f0 = v0 - centre if v0 == v0 else 0.0
        a0, b0, c0 = a0 + f0, b0 + f0 * f0, c0 + rate[i]
    sums[_CENTRE], sums[_OFF], sums[_OFF2] = centre, (a0 + a1) + (a2 + a3), (b0 + b1) + (b2 + b3)
    sums[_RATE], sums[_LOW], sums[_HIGH] = (c0 + c1) + (c2 + c3), min(low0, low1), max(high0, high1)
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
    # Without the difference that ends at the first interval: it begins in another window.
    n = len(steps)
    whole = n - n % 4
    for i in range(0, whole, 4):
        f0, f1, f2, f3 = steps[i], steps[i + 1], steps[i + 2], steps[i + 3]
        a0, a1, a2, a3 = a0 + f0, a1 + f1, a2 + f2, a3 + f3
        b0, b1, b2, b3 = b0 + f0 * f0, b1 + f1 * f1, b2 + f2 * f2, b3 + f3 * f3
    for i in range(whole, n):
        a0, b0 = a0 + steps[i], b0 + steps[i] * steps[i]
    sums[_STEP], sums[_STEP2] = (a0 + a1) + (a2 + a3), (b0 + b1) + (b2 + b3)


_LEFT = 0.01
"""Where less than this share of a sum of squares is left without the mean, it is taken from the values again."""


@kernel
def _windowed(
    nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64], medians: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Measures of the intervals ``first[k]:stop[k]`` of each window."""
    out = np.full((len(first), 18), np.nan)
    whole = np.empty(8)
    adds, counts = _by_itself(nn)
    for k in range(len(first)):
        begin, end, row = first[k], stop[k], out[k]
        n, within = float(counts[end, _N] - counts[begin, _N]), min(begin + 1, end)
        m = float(counts[end, _M] - counts[within, _M])
        row[0], row[1] = n, m
        if n == 0.0:
            continue
        _add_up(adds, begin, end, whole)
        mean = whole[_CENTRE] + whole[_OFF] / n
        row[2], row[3], row[4], row[5] = mean, medians[k], whole[_LOW], whole[_HIGH]
        if n > 1.0:
            squares = whole[_OFF2] - whole[_OFF] * whole[_OFF] / n
            much = squares > _LEFT * whole[_OFF2]
            row[6] = math.sqrt(squares / (n - 1.0)) if much else _deviation(nn, begin, end, 0)
        row[15] = whole[_RATE] / n
        row[16], row[17] = _per_minute(row[5]), _per_minute(row[4])
        row[14] = _per_minute(mean)
        row[12] = row[6] * row[14] / 600.0
        if m == 0.0:
            continue
        rms = math.sqrt(whole[_STEP2] / m)
        row[7] = rms
        # A metronome has no logarithm of its RMSSD: missing, not minus infinity.
        row[8] = math.log(rms) if rms > 0.0 else np.nan
        if m > 1.0:
            squares = whole[_STEP2] - whole[_STEP] * whole[_STEP] / m
            much = squares > _LEFT * whole[_STEP2]
            row[9] = math.sqrt(squares / (m - 1.0)) if much else _deviation(nn, begin, end, 1)
        row[10] = 100.0 * (counts[end, _OVER20] - counts[within, _OVER20]) / m
        row[11] = 100.0 * (counts[end, _OVER50] - counts[within, _OVER50]) / m
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


@inner_kernel
def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@inner_kernel
def _distance_from_middle(ordered: NDArray[np.float64], middle: float) -> float:
    """Median of the distances from a value among n ordered ones: they grow to either side of it."""
    n = len(ordered)
    right = 0
    while right < n and ordered[right] < middle:
        right += 1
    left, near, far = right - 1, 0.0, 0.0
    for _ in range(n // 2 + 1):
        near = far
        if right == n or (left >= 0 and middle - ordered[left] < ordered[right] - middle):
            far = middle - ordered[left]
            left -= 1
        else:
            far = ordered[right] - middle
            right += 1
    return far if n % 2 else 0.5 * (near + far)


@kernel
def _distributions(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out, held = np.full((len(first), 6), np.nan), np.empty(len(nn))
    for w in range(len(first)):
        n, mean = 0, 0.0
        for i in range(first[w], stop[w]):
            if math.isfinite(nn[i]):
                held[n] = nn[i]
                mean += nn[i]
                n += 1
        if n == 0:
            continue
        put_in_order(held, n)
        ordered = held[:n]
        out[w, 0] = _quantile(ordered, 0.2)
        out[w, 1] = _quantile(ordered, 0.8)
        out[w, 2] = _quantile(ordered, 0.75) - _quantile(ordered, 0.25)
        out[w, 3] = 1.4826 * _distance_from_middle(ordered, _quantile(ordered, 0.5))
        mean /= n
        second, third, fourth = 0.0, 0.0, 0.0
        for i in range(n):
            off = ordered[i] - mean
            second += off * off
            third += off * off * off
            fourth += off * off * off * off
        if second > 0.0:
            variance = second / n
            out[w, 4] = third / n / variance**1.5
            out[w, 5] = fourth / n / variance**2
    return out
