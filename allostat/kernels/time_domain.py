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

from allostat.kernels.compiled import kernel, lean_inner_kernel, lean_kernel
from allostat.kernels.running_medians import medians, put_in_order
from allostat.kernels.whole_sums import (
    MOST,
    NN,
    NN2,
    NN2_PART,
    NN_PART,
    OVER20,
    OVER50,
    RATE,
    RATE_PART,
    STEP,
    STEP2,
    STEP2_PART,
    STEP_PART,
    SUMMED,
    SUMS,
    M,
    N,
    in_units,
    over,
    shortest_longest,
    squares_about_mean,
    squares_about_zero,
    totals,
)

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
    begin = np.minimum(np.maximum(np.asarray(first, dtype=np.int64), 0), len(nn))
    end = np.minimum(np.maximum(np.asarray(stop, dtype=np.int64), begin), len(nn))
    out = np.full((len(begin), len(MEASURES)), np.nan)
    sums, alone, extremes = np.empty(SUMS, np.int64), np.empty(3), np.empty(2)
    shared = totals(nn, begin, end)
    _windowed(nn, begin, end, medians(nn, begin, end), *shared, sums, alone, extremes, extremes.view(np.int64), out)
    return out


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


@lean_kernel
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


@lean_inner_kernel
def _per_minute(interval: float) -> float:
    """Heart rate of an interval in ms; NaN for none."""
    return 60000.0 / interval if interval != 0.0 else np.nan


_MEAN, _RATE, _STEPS2 = range(3)
"""What `_one_by_one` finds: mean interval, sum of heart rates, sum of the squares of the differences."""


@lean_inner_kernel
def _one_by_one(nn: NDArray[np.float64], first: int, stop: int, found: NDArray[np.float64]) -> None:
    """Sums over the intervals of one window in their order; the mean is taken from the first of them."""
    n, origin, mean, rate, steps2, before = 0, 0.0, 0.0, 0.0, 0.0, np.nan
    for i in range(first, stop):
        value, change = nn[i], nn[i] - before
        before = value
        if abs(change) < np.inf:
            steps2 += change * change
        if abs(value) < np.inf:
            origin = value if n == 0 else origin
            mean += value - origin
            rate += _per_minute(value)
            n += 1
    found[_MEAN], found[_RATE], found[_STEPS2] = origin + mean / max(n, 1), rate, steps2


_SHARED = 1.0
"""From this mean square in ms² on, shared sums tell a deviation; below it is taken from the intervals again."""


@lean_kernel
def _windowed(
    nn: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    medians: NDArray[np.float64],
    row_of: NDArray[np.int32],
    table: NDArray[np.int64],
    ends: NDArray[np.int64],
    sums: NDArray[np.int64],
    alone: NDArray[np.float64],
    extremes: NDArray[np.float64],
    bits: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Measures of the intervals ``first[k]:stop[k]`` of each window, from the totals of the series, into ``out``.

    The arrays between ``ends`` and ``out`` are room, ``bits`` those of ``extremes``.
    """
    for k in range(len(first)):
        row, begin, end = out[k], first[k], stop[k]
        over(table[row_of[begin]], table[row_of[end]], sums)
        n, m = float(sums[N]), float(sums[M]) if end > begin else 0.0
        row[0], row[1] = n, m
        if n == 0.0:
            continue
        shortest_longest(ends[row_of[begin] : row_of[end]], bits)
        # What is not summed, or too much for it, decides for the window that holds it and for no other.
        shared = sums[SUMMED] == sums[N] and sums[N] <= MOST
        mean, rate = in_units(sums[NN], sums[NN_PART]) / n, in_units(sums[RATE], sums[RATE_PART])
        steps2 = squares_about_zero(sums[STEP2], sums[STEP2_PART])
        if not shared or steps2 < _SHARED * m:
            _one_by_one(nn, begin, end, alone)
            steps2 = alone[_STEPS2]
            if not shared:
                mean, rate = alone[_MEAN], alone[_RATE]
        row[2], row[3], row[4], row[5] = mean, medians[k], extremes[0], extremes[1]
        if n > 1.0:
            squares = squares_about_mean(n, sums[NN], sums[NN_PART], sums[NN2], sums[NN2_PART]) if shared else 0.0
            much = squares >= _SHARED * n
            row[6] = math.sqrt(squares / (n - 1.0)) if much else _deviation(nn, begin, end, 0)
        row[15] = rate / n
        row[16], row[17] = _per_minute(row[5]), _per_minute(row[4])
        row[14] = _per_minute(mean)
        row[12] = row[6] * row[14] / 600.0
        if m == 0.0:
            continue
        rms = math.sqrt(steps2 / m)
        row[7] = rms
        # A metronome has no logarithm of its RMSSD: missing, not minus infinity.
        row[8] = math.log(rms) if rms > 0.0 else np.nan
        if m > 1.0:
            squares = (
                squares_about_mean(m, sums[STEP], sums[STEP_PART], sums[STEP2], sums[STEP2_PART]) if shared else 0.0
            )
            much = squares >= _SHARED * m
            row[9] = math.sqrt(squares / (m - 1.0)) if much else _deviation(nn, begin, end, 1)
        row[10] = 100.0 * sums[OVER20] / m
        row[11] = 100.0 * sums[OVER50] / m
        row[13] = rms * row[14] / 600.0


DISTRIBUTION = ("prc20_nn", "prc80_nn", "iqr_nn", "mad_nn", "skewness_nn", "kurtosis_nn")
"""Columns of `distribution_windowed`, in order."""


def distribution_windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """How the intervals ``first[k]:stop[k]`` of each window are distributed: float64 (w, len(DISTRIBUTION)).

    Quantiles in ms (Hyndman and Fan's type 7); the median absolute
    deviation times 1.4826; skewness and kurtosis from moments with the divisor n (3 for a normal distribution).
    """
    nn = np.ascontiguousarray(nn_ms, dtype=np.float64)
    begin, end = np.ascontiguousarray(first, dtype=np.int64), np.ascontiguousarray(stop, dtype=np.int64)
    out = np.full((len(begin), len(DISTRIBUTION)), np.nan)
    _distributions(nn, begin, end, np.empty(len(nn)), out)
    return out


@lean_inner_kernel
def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@lean_inner_kernel
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


@lean_kernel
def _distributions(
    nn: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    held: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Measures of each window into ``out``; ``held`` is room for its intervals."""
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
