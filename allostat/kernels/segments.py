"""SDANN and SDNN index: spread between and within segments of 5 minutes.

Source: Task Force 1996, 10.1161/01.CIR.93.5.1043. Segments follow each other from the start on; an interval belongs to
the segment in which it ends, an end at a boundary to the segment that begins there.

- SDANN: standard deviation (divisor n - 1) of the segments' mean intervals.
- SDNN index: mean of the segments' standard deviations (divisor n - 1).

A segment counts when its NN intervals cover a large enough share of its time, so that a segment of a few beats beside
a gap, or the rest at the end of a recording, does not weigh as much as a whole one. Tools differ: NeuroKit2 0.2.13
drops the last interval of each segment and counts a rest that is longer than half a segment.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel


class LongTerm(NamedTuple):
    """SDANN and SDNN index in ms, and the number of segments they rest on."""

    sdann: float
    sdnn_index: float
    segments: int


def long_term(
    nn_ms: NDArray[Any],
    ends_s: NDArray[Any],
    *,
    start_s: float | None = None,
    segment_s: float = 300.0,
    least_share: float = 0.8,
) -> LongTerm:
    """SDANN and SDNN index.

    Parameters
    ----------
    nn_ms
        (n,) intervals; NaN is a gap.
    ends_s
        (n,) instants at which the intervals end, ascending, in seconds from any zero near them.
    start_s
        Where the first segment begins; the end of the first element (the first beat of a recording) when None.
    segment_s
        Length of a segment.
    least_share
        Share of a segment's time that its NN intervals must cover.

    Returns
    -------
    long_term
        NaN when fewer than two segments count.

    Raises
    ------
    ValueError
        When the lengths differ, the instants do not ascend, or a setting is out of range.
    """
    nn = np.ascontiguousarray(nn_ms, dtype=np.float64)
    ends = np.ascontiguousarray(ends_s, dtype=np.float64)
    if nn.shape != ends.shape:
        raise ValueError(f"{len(ends)} instants for {len(nn)} intervals")
    if not (0.0 < segment_s < math.inf and 0.0 <= least_share <= 1.0):
        raise ValueError(f"segment of {segment_s} s or share of {least_share} out of range")
    if len(ends) and not (np.isfinite(ends).all() and (np.diff(ends) >= 0.0).all()):
        raise ValueError("instants must ascend")
    start = float(ends[0] if len(ends) else 0.0) if start_s is None else float(start_s)
    sdann, sdnn_index, n = _long_term(nn, ends, start, float(segment_s), float(least_share))
    return LongTerm(float(sdann), float(sdnn_index), int(n))


@kernel
def _long_term(
    nn: NDArray[np.float64], ends: NDArray[np.float64], start: float, segment: float, least_share: float
) -> tuple[float, float, int]:
    means = np.empty(len(nn))
    n, spread, with_spread = 0, 0.0, 0
    i = 0
    while i < len(nn) and ends[i] < start:
        i += 1
    while i < len(nn):
        number = math.floor((ends[i] - start) / segment)
        begin, beats, total = i, 0, 0.0
        while i < len(nn) and math.floor((ends[i] - start) / segment) == number:
            if math.isfinite(nn[i]):
                beats += 1
                total += nn[i]
            i += 1
        if beats == 0 or total < 1000.0 * segment * least_share:
            continue
        mean, squares = total / beats, 0.0
        for k in range(begin, i):
            if math.isfinite(nn[k]):
                squares += (nn[k] - mean) ** 2
        means[n] = mean
        n += 1
        if beats > 1:
            spread += math.sqrt(squares / (beats - 1))
            with_spread += 1
    if n < 2:
        return math.nan, math.nan, n
    mean, squares = 0.0, 0.0
    for k in range(n):
        mean += means[k] / n
    for k in range(n):
        squares += (means[k] - mean) ** 2
    return math.sqrt(squares / (n - 1)), spread / with_spread if with_spread else math.nan, n
