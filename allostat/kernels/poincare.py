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


ASYMMETRY = (
    "guzik_index", "slope_index", "area_index", "porta_index",
    "sd1d", "sd1a", "sd2d", "sd2a", "sdnnd", "sdnna", "c1d", "c2d", "cd",
)  # fmt: skip
"""Columns of `asymmetry_windowed`, in order."""


def asymmetry_windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """Heart rate asymmetry of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, len(ASYMMETRY)).

    Points of the plot above the line of identity are decelerations (d), those below it accelerations (a).

    - guzik_index, slope_index, area_index: share (in %) of the decelerations in the points' distances from the line,
      their angles to it, and the areas of their sectors; porta_index: share of the accelerations in the number of
      points off the line.
    - sd1d ... sdnna: parts of SD1, SD2 and SDNN in ms, about the line and about the centre; points on the line count
      half to either side. c1d, c2d, cd: share of the decelerations in their squares (that of the accelerations is
      what is missing to 1).

    Sources: Guzik et al. 2006, 10.1515/BMT.2006.054; Porta et al. 2008, 10.1152/ajpregu.00129.2008; Yan et al. 2017,
    10.1186/s12938-017-0402-3 (area index, and the slope index of Karmakar, Khandoker and Palaniswami 2015,
    Physiological Measurement 36, 303); Piskorski and Guzik 2011, 10.1007/s11517-011-0834-z.
    """
    return _asymmetry(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
    )


@kernel
def _asymmetry(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full((len(first), 13), np.nan)
    for w in range(len(first)):
        n, below, above = 0, 0, 0
        centre = 0.0
        for i in range(first[w] + 1, stop[w]):
            if np.isfinite(nn[i] - nn[i - 1]):
                n += 1
                centre += nn[i] + nn[i - 1]
        if n < 2:
            continue
        centre /= n
        # Sums over decelerations, accelerations and points on the line.
        across, angle, area, squares = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
        along = np.zeros(3)
        for i in range(first[w] + 1, stop[w]):
            x, y = nn[i - 1], nn[i]
            if not np.isfinite(y - x):
                continue
            side = 0 if y > x else 1 if y < x else 2
            above += side == 0
            below += side == 1
            turned = abs(0.25 * math.pi - math.atan(y / x))
            across[side] += abs(y - x)
            angle[side] += turned
            area[side] += turned * (x * x + y * y)
            squares[side] += 0.5 * (y - x) ** 2
            along[side] += 0.5 * (x + y - centre) ** 2
        if above + below == 0:
            continue
        row = out[w]
        row[0] = 100.0 * across[0] / (across[0] + across[1])
        row[1] = 100.0 * angle[0] / (angle[0] + angle[1])
        row[2] = 100.0 * area[0] / (area[0] + area[1])
        row[3] = 100.0 * below / (above + below)
        for side in range(2):
            short = squares[side] / (n - 1)
            long = (along[side] + 0.5 * along[2]) / (n - 1)
            row[4 + side], row[6 + side] = math.sqrt(short), math.sqrt(long)
            row[8 + side] = math.sqrt(0.5 * (short + long))
        row[10] = row[4] ** 2 / (row[4] ** 2 + row[5] ** 2)
        row[11] = row[6] ** 2 / (row[6] ** 2 + row[7] ** 2)
        row[12] = row[8] ** 2 / (row[8] ** 2 + row[9] ** 2)
    return out
