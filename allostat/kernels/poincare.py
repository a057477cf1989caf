"""Poincaré plot of successive NN intervals: the axes of its cloud.

Source: Brennan, Palaniswami and Kamen 2001, 10.1109/10.959330. SD1 and SD2 are the standard deviations (divisor
n - 1) of the pairs along the two diagonals; ``sqrt(2 SDNN^2 - SD1^2)`` differs from this SD2 in short series.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel


class Poincare(NamedTuple):
    """Axes of the cloud in ms."""

    sd1: float
    sd2: float


def poincare(nn_ms: NDArray[Any]) -> Poincare:
    """SD1 and SD2 of intervals in ms; NaN is a gap and no pair reaches across it. NaN with fewer than two pairs."""
    sd1, sd2 = _axes(np.ascontiguousarray(nn_ms, dtype=np.float64))
    return Poincare(float(sd1), float(sd2))


def windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """SD1 and SD2 of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 2)."""
    return _windowed(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
    )


@kernel
def _axes(nn: NDArray[np.float64]) -> tuple[float, float]:
    n = 0
    across, along = 0.0, 0.0
    for i in range(1, len(nn)):
        if np.isfinite(nn[i]) and np.isfinite(nn[i - 1]):
            n += 1
            across += nn[i] - nn[i - 1]
            along += nn[i] + nn[i - 1]
    if n < 2:
        return np.nan, np.nan
    across /= n
    along /= n
    squares1, squares2 = 0.0, 0.0
    for i in range(1, len(nn)):
        if np.isfinite(nn[i]) and np.isfinite(nn[i - 1]):
            squares1 += (nn[i] - nn[i - 1] - across) ** 2
            squares2 += (nn[i] + nn[i - 1] - along) ** 2
    return math.sqrt(squares1 / (2.0 * (n - 1))), math.sqrt(squares2 / (2.0 * (n - 1)))


@kernel
def _windowed(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty((len(first), 2))
    for k in range(len(first)):
        out[k, 0], out[k, 1] = _axes(nn[first[k] : stop[k]])
    return out
