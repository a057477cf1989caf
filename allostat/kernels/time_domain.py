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
def _differences(nn: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty(max(len(nn) - 1, 0))
    n = 0
    for i in range(1, len(nn)):
        change = nn[i] - nn[i - 1]
        if np.isfinite(change):
            out[n] = change
            n += 1
    return out[:n]


@kernel
def _measure(nn: NDArray[np.float64], row: NDArray[np.float64]) -> None:
    row[:] = np.nan
    finite = nn[np.isfinite(nn)]
    change = _differences(nn)
    row[0] = len(finite)
    row[1] = len(change)
    if len(finite) == 0:
        return
    mean, sd = _mean_and_sd(finite)
    ordered = np.sort(finite)
    n = len(ordered)
    rate = 0.0
    for i in range(n):
        rate += 60000.0 / finite[i]
    row[2] = mean
    row[3] = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    row[4] = ordered[0]
    row[5] = ordered[n - 1]
    row[6] = sd
    row[12] = 100.0 * sd / mean
    row[14] = 60000.0 / mean
    row[15] = rate / n
    row[16] = 60000.0 / ordered[n - 1]
    row[17] = 60000.0 / ordered[0]
    if len(change) == 0:
        return
    squares = 0.0
    for i in range(len(change)):
        squares += change[i] ** 2
    rms = math.sqrt(squares / len(change))
    row[7] = rms
    # A metronome has no logarithm of its RMSSD: missing, not minus infinity.
    row[8] = math.log(rms) if rms > 0.0 else np.nan
    row[9] = _mean_and_sd(change)[1]
    row[10] = _pnn(nn, 20.0)
    row[11] = _pnn(nn, 50.0)
    row[13] = 100.0 * rms / mean


@kernel
def _windowed(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty((len(first), 18))
    for k in range(len(first)):
        _measure(nn[first[k] : stop[k]], out[k])
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
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


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
