"""Geometric measures of NN intervals: triangular index and TINN.

Source: Task Force 1996, 10.1161/01.CIR.93.5.1043. Both look at the histogram of the intervals, as a rule with bins of
1/128 s = 7.8125 ms that begin at 0: an interval of exactly k bins lies in bin k.

- Triangular index (HTI): number of intervals over the number in the fullest bin.
- TINN: width in ms of the base of the triangle that fits the histogram best by least squares, where the triangle's
  peak is the fullest bin (the first of them) and everything outside the triangle counts as 0. The corners lie at bins;
  they may lie beyond the shortest and longest interval.

Both depend on the bin, and mean little in less than 20 minutes.

Deviations of NeuroKit2 0.2.13: its last bin takes up an interval of exactly its upper edge, so that in intervals of
whole bins the longest are counted with the second longest. Its TINN tries only one left corner, the bin after the
shortest interval, leaves out the error outside the triangle, and is 0 when the least error is above 2**14.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

BIN_MS = 1000.0 / 128.0
"""Width of a bin that makes values of different recordings comparable."""
LARGEST_MS = 60_000.0
"""Intervals above this are no intervals; they are refused instead of making a histogram of any size."""
MEASURES = ("triangular_index", "tinn")
"""Columns of `windowed`, in order."""


class Geometry(NamedTuple):
    """Triangular index (1) and TINN in ms."""

    triangular_index: float
    tinn: float


def geometry(nn_ms: NDArray[Any], bin_ms: float = BIN_MS) -> Geometry:
    """Triangular index and TINN of (n,) intervals in ms.

    Parameters
    ----------
    nn_ms
        Intervals; NaN (a gap) is not counted.
    bin_ms
        Width of a bin.

    Returns
    -------
    geometry
        NaN when no interval is finite; TINN is also NaN when all intervals lie in one bin.

    Raises
    ------
    ValueError
        When the bin is not positive, or a finite interval is negative or longer than a minute.
    """
    nn = np.asarray(nn_ms)
    row = windowed(nn, np.array([0]), np.array([len(nn)]), bin_ms)[0]
    return Geometry(float(row[0]), float(row[1]))


def triangular_index(nn_ms: NDArray[Any], bin_ms: float = BIN_MS) -> float:
    """Triangular index; see `geometry`."""
    return geometry(nn_ms, bin_ms).triangular_index


def tinn(nn_ms: NDArray[Any], bin_ms: float = BIN_MS) -> float:
    """TINN in ms; see `geometry`."""
    return geometry(nn_ms, bin_ms).tinn


def windowed(
    nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any], bin_ms: float = BIN_MS
) -> NDArray[np.float64]:
    """`MEASURES` of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 2). Errors as in `geometry`."""
    if not 0.0 < bin_ms < math.inf:
        raise ValueError(f"width of a bin must be a positive number of ms, not {bin_ms}")
    nn = np.ascontiguousarray(nn_ms, dtype=np.float64)
    finite = nn[np.isfinite(nn)]
    if len(finite) and not (finite.min() >= 0.0 and finite.max() <= LARGEST_MS):
        raise ValueError(f"intervals must be 0 to {LARGEST_MS:g} ms, not {finite.min()} to {finite.max()}")
    bins = np.full(len(nn), -1, np.int64)
    bins[np.isfinite(nn)] = np.floor(finite / bin_ms)
    starts, ends = np.ascontiguousarray(first, dtype=np.int64), np.ascontiguousarray(stop, dtype=np.int64)
    out = _windowed(bins, starts, ends)
    out[:, 1] *= bin_ms
    return out


@inner_kernel
def _base(counts: NDArray[np.int64], peak: int, step: int) -> int:
    """Bins from the peak to the corner of the best triangle in one direction; 1 is a triangle of the peak alone.

    The error of one side does not depend on the other. Without the part that all widths have in common it is
    ``-2 sum(count * side) + sum(side^2)``, where ``side = height (1 - k / width)`` k bins from the peak. The best width
    lies below ``sqrt(3) (extent + 1)`` even if all bins are as full as the peak.
    """
    extent = len(counts) - 1 - peak if step > 0 else peak
    height = float(counts[peak])
    best, least = 1, 0.0
    inside, moment = 0, 0
    for width in range(2, 2 * extent + 3):
        k = width - 1
        if k <= extent:
            inside += counts[peak + step * k]
            moment += k * counts[peak + step * k]
        error = height * k * (2 * width - 1) / (6.0 * width) - 2.0 * (inside - moment / width)
        if error < least:
            best, least = width, error
    return best


@kernel
def _windowed(bins: NDArray[np.int64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    """HTI, and TINN in bins; -1 is no interval."""
    out = np.full((len(first), 2), math.nan)
    for w in range(len(first)):
        inside = bins[first[w] : stop[w]]
        n, low, high = 0, 0, -1
        for i in range(len(inside)):
            if inside[i] >= 0:
                low = min(low, inside[i]) if n else inside[i]
                high = max(high, inside[i])
                n += 1
        if n == 0:
            continue
        counts = np.zeros(high - low + 1, np.int64)
        peak = 0
        for i in range(len(inside)):
            if inside[i] >= 0:
                counts[inside[i] - low] += 1
        for k in range(len(counts)):
            if counts[k] > counts[peak]:
                peak = k
        out[w, 0] = n / counts[peak]
        if high > low:
            out[w, 1] = _base(counts, peak, 1) + _base(counts, peak, -1)
    return out
