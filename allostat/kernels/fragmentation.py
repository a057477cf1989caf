"""Heart rate fragmentation: how often successive NN intervals change between lengthening and shortening.

Source: Costa, Davis and Goldberger 2017, 10.3389/fphys.2017.00255 (code: 10.13026/0mzj-gn98). With the differences
``d[i] = NN[i + 1] - NN[i]``, an inflection lies between two neighbouring differences whose product is not positive and
that are not equal. Inflections cut the differences into segments.

- PIP: percentage of intervals at an inflection.
- IALS: inverse of the mean segment length, in differences.
- PSS: percentage of intervals in short segments (fewer than three differences).
- PAS: percentage of intervals in alternation segments: four or more changes of direction, one at every interval.

Equal intervals must be equal to the bit: differences of instants in seconds make inflections out of rounding.

NaN is a gap: it ends the last segment before it, and no difference reaches across. All percentages have the number of
finite intervals as divisor. Without a single difference, or without any difference that is not 0, there is nothing to
fragment: NaN.

Deviation of tools: NeuroKit2 0.2.13 gives PSS and PAS as shares of *segments*, and does not count stretches of equal
intervals as segments; `windowed_segment_shares` does the same for its preset.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

MEASURES = ("pip", "ials", "pss", "pas")
"""Columns of `windowed`, in order."""


class Fragmentation(NamedTuple):
    """PIP, PSS and PAS in %, IALS in 1 / differences."""

    pip: float
    ials: float
    pss: float
    pas: float


class SegmentShares(NamedTuple):
    """The four as NeuroKit2 has them: all are shares of 1, PSS and PAS of segments."""

    pip: float
    ials: float
    pss: float
    pas: float


def fragmentation(nn_ms: NDArray[Any]) -> Fragmentation:
    """Fragmentation of (n,) intervals in ms; NaN is a gap."""
    nn = np.asarray(nn_ms)
    row = windowed(nn, np.array([0]), np.array([len(nn)]))[0]
    return Fragmentation(*(float(value) for value in row))


def segment_shares(nn_ms: NDArray[Any]) -> SegmentShares:
    """Fragmentation of (n,) intervals in ms with PSS and PAS as shares of segments (NeuroKit2)."""
    nn = np.asarray(nn_ms)
    row = windowed_segment_shares(nn, np.array([0]), np.array([len(nn)]))[0]
    return SegmentShares(*(float(value) for value in row))


def windowed(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """`MEASURES` of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 4)."""
    return _both(nn_ms, first, stop)[:, :4]


def windowed_segment_shares(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    """`SegmentShares` of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 4)."""
    return _both(nn_ms, first, stop)[:, 4:]


def _both(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
    return _windowed(
        np.ascontiguousarray(nn_ms, dtype=np.float64),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
    )


@inner_kernel
def _fragment(nn: NDArray[np.float64], row: NDArray[np.float64]) -> None:
    """The four measures by beats, then the four by segments."""
    row[:] = math.nan
    intervals, differences, inflections, segments = 0, 0, 0, 0
    in_short, in_alternation = 0, 0
    moving, moved, short, runs, alternating = 0, 0, 0, 0, 0
    # Differences in this segment; segments of one difference in a row; inflections at every interval in a row.
    length, singles, together = 0, 0, 0
    before = 0.0
    for i in range(len(nn) + 1):
        change = math.nan
        if i < len(nn) and math.isfinite(nn[i]):
            intervals += 1
            if i > 0 and math.isfinite(nn[i - 1]):
                change = nn[i] - nn[i - 1]
        ends = length > 0 and math.isnan(change)
        inflection = length > 0 and before * change <= 0.0 and before != change
        if inflection or ends:
            segments += 1
            if length < 3:
                in_short += length
            if length == 1:
                singles += 1
            if length > 1 or ends:
                # Intervals of the alternation: one more than its differences.
                if singles >= 3:
                    in_alternation += singles + 1
                singles = 0
            if before != 0.0:
                moving += 1
                moved += length
                if length < 3:
                    short += 1
            if together > 0 and (length > 1 or ends):
                runs += 1
                if together >= 4:
                    alternating += 1
                together = 0
            if inflection:
                inflections += 1
                together += 1
            length = 0
        if not math.isnan(change):
            differences += 1
            length += 1
            before = change
    if moving == 0:
        return
    row[0] = 100.0 * inflections / intervals
    row[1] = segments / differences
    row[2] = 100.0 * in_short / intervals
    row[3] = 100.0 * in_alternation / intervals
    row[4] = inflections / intervals
    row[5] = moving / moved
    row[6] = short / moving
    if runs > 0:
        row[7] = alternating / runs


@kernel
def _windowed(nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty((len(first), 8))
    for k in range(len(first)):
        _fragment(nn[first[k] : stop[k]], out[k])
    return out
