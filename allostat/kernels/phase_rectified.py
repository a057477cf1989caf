"""Deceleration and acceleration capacity: phase-rectified signal averaging (PRSA) of NN intervals.

Sources: Bauer et al. 2006, 10.1016/S0140-6736(06)68735-7 (capacities); Bauer et al. 2006,
10.1016/j.physa.2005.08.080 (averaging). Every lengthening (DC) or shortening (AC) is an anchor; the intervals around
all anchors are averaged into X, and a capacity is the contrast of one wavelet across the anchor.

With T intervals averaged before an anchor is looked for, and wavelet scale s, anchor i lengthens when
``mean(NN[i], …, NN[i + T - 1]) > mean(NN[i - T], …, NN[i - 1])``; the capacity is
``(X[0] + … + X[s - 1] - X[-1] - … - X[-s]) / (2 s)``. Published for DC are T = 1
and s = 2. Changes larger than ``limit`` are no anchors (artefacts); the published limit is 5 %, some tools use 20 %.

Equal intervals must be equal to the bit: differences of instants in seconds turn a rest into anchors of 1e-13 s.

NaN is a gap: an anchor counts only when all intervals of its contrast and of its change are finite.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

MEASURES = ("dc", "ac", "dc_anchors", "ac_anchors")
"""Columns of `windowed`, in order: capacities in ms and what they rest on."""


class Capacity(NamedTuple):
    """Capacity in ms and the number of its anchors."""

    capacity: float
    anchors: int


def deceleration_capacity(
    nn_ms: NDArray[Any], *, limit: float = 0.05, averaged: int = 1, scale: int = 2, around: int = 0
) -> Capacity:
    """Deceleration capacity (DC) of (n,) intervals in ms, as a rule positive.

    Parameters
    ----------
    nn_ms
        Intervals; NaN is a gap.
    limit
        Largest relative change at an anchor.
    averaged
        T, number of intervals that are averaged on either side of an anchor.
    scale
        s, number of intervals on either side of the contrast.
    around
        Intervals of the series that must lie before and after an anchor, whatever the contrast needs: the segments
        that are averaged for a plot have this half length, and some tools skip anchors without a whole one.

    Returns
    -------
    capacity
        NaN without an anchor.

    Raises
    ------
    ValueError
        When a parameter is not positive.
    """
    row = _row(nn_ms, limit, averaged, scale, around)
    return Capacity(float(row[0]), int(row[2]))


def acceleration_capacity(
    nn_ms: NDArray[Any], *, limit: float = 0.05, averaged: int = 1, scale: int = 2, around: int = 0
) -> Capacity:
    """Acceleration capacity (AC), as a rule negative; parameters as in `deceleration_capacity`."""
    row = _row(nn_ms, limit, averaged, scale, around)
    return Capacity(float(row[1]), int(row[3]))


def windowed(
    nn_ms: NDArray[Any],
    first: NDArray[Any],
    stop: NDArray[Any],
    *,
    limit: float = 0.05,
    averaged: int = 1,
    scale: int = 2,
    around: int = 0,
) -> NDArray[np.float64]:
    """`MEASURES` of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 4).

    No contrast reaches beyond its window. Parameters as in `deceleration_capacity`.
    """
    if not (limit > 0.0 and averaged >= 1 and scale >= 1 and around >= 0):
        raise ValueError(f"limit {limit}, averaged {averaged}, scale {scale} and around {around} must be positive")
    return _windowed(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
        float(limit),
        averaged,
        scale,
        around,
    )


def _row(nn_ms: NDArray[Any], limit: float, averaged: int, scale: int, around: int) -> NDArray[np.float64]:
    nn = np.asarray(nn_ms)
    whole = np.array([0]), np.array([len(nn)])
    return windowed(nn, *whole, limit=limit, averaged=averaged, scale=scale, around=around).reshape(-1)


@inner_kernel
def _capacities(
    nn: NDArray[np.float64], limit: float, averaged: int, scale: int, around: int, row: NDArray[np.float64]
) -> None:
    reach = max(averaged, scale)
    sums, anchors = np.zeros(2), np.zeros(2, np.int64)
    for i in range(max(reach, around), len(nn) - max(reach - 1, around)):
        earlier, later, contrast = 0.0, 0.0, 0.0
        for k in range(averaged):
            earlier += nn[i - 1 - k]
            later += nn[i + k]
        if not (math.isfinite(earlier) and math.isfinite(later) and earlier > 0.0):
            continue
        change = later - earlier
        if change == 0.0 or abs(change) > limit * earlier:
            continue
        for k in range(scale):
            contrast += nn[i + k] - nn[i - 1 - k]
        if math.isfinite(contrast):
            side = 0 if change > 0.0 else 1
            sums[side] += contrast
            anchors[side] += 1
    for side in range(2):
        row[side] = sums[side] / (2.0 * scale * anchors[side]) if anchors[side] else math.nan
        row[2 + side] = anchors[side]


@kernel
def _windowed(
    nn: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    limit: float,
    averaged: int,
    scale: int,
    around: int,
) -> NDArray[np.float64]:
    out = np.empty((len(first), 4))
    for k in range(len(first)):
        _capacities(nn[first[k] : stop[k]], limit, averaged, scale, around, out[k])
    return out
