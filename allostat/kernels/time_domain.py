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


_N, _CENTRE, _OFF, _OFF2, _RATE, _LOW, _HIGH, _M, _STEP, _STEP2, _OVER20, _OVER50 = range(12)
"""What is known of a window: number of intervals, the first of them, sum of their distances from it and of the squares
of these, sum of heart rates, shortest and longest; number of differences, their sum, that of their squares, how many
exceed 20 and 50 ms."""


@inner_kernel
def _add_up(nn: NDArray[np.float64], first: int, stop: int, sums: NDArray[np.float64]) -> None:
    """The above of the intervals ``first:stop``."""
    n, m, over20, over50 = 0, 0, 0, 0
    centre, off, off2, rates, step, step2, low, high = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.inf, -np.inf
    before = np.nan
    for i in range(first, stop):
        value = nn[i]
        change = value - before
        before = value
        if not abs(value) < np.inf:
            continue
        centre = value if n == 0 else centre
        n += 1
        far = value - centre
        off += far
        off2 += far * far
        rates += _per_minute(value)
        low = value if value < low else low
        high = value if value > high else high
        if abs(change) < np.inf:
            m += 1
            step += change
            step2 += change * change
            over20 += abs(change) > 20.0
            over50 += abs(change) > 50.0
    sums[_N], sums[_CENTRE], sums[_OFF], sums[_OFF2], sums[_RATE] = n, centre, off, off2, rates
    sums[_LOW], sums[_HIGH] = low, high
    sums[_M], sums[_STEP], sums[_STEP2], sums[_OVER20], sums[_OVER50] = m, step, step2, over20, over50


_LEFT = 0.01
"""Where less than this share of a sum of squares is left without the mean, it is taken from the values again."""


@kernel
def _windowed(
    nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64], medians: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Measures of the intervals ``first[k]:stop[k]`` of each window."""
    out = np.full((len(first), 18), np.nan)
    whole = np.empty(12)
    for k in range(len(first)):
        _add_up(nn, first[k], stop[k], whole)
        n, m, row = whole[_N], whole[_M], out[k]
        row[0], row[1] = n, m
        if n == 0.0:
            continue
        mean = whole[_CENTRE] + whole[_OFF] / n
        row[2], row[3], row[4], row[5] = mean, medians[k], whole[_LOW], whole[_HIGH]
        if n > 1.0:
            squares = whole[_OFF2] - whole[_OFF] * whole[_OFF] / n
            much = squares > _LEFT * whole[_OFF2]
            row[6] = math.sqrt(squares / (n - 1.0)) if much else _deviation(nn, first[k], stop[k], 0)
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
            row[9] = math.sqrt(squares / (m - 1.0)) if much else _deviation(nn, first[k], stop[k], 1)
        row[10] = 100.0 * whole[_OVER20] / m
        row[11] = 100.0 * whole[_OVER50] / m
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
