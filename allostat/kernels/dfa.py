"""Detrended fluctuation analysis (DFA) of NN intervals.

Source: Peng, Havlin, Stanley and Goldberger 1995, 10.1063/1.166141. The intervals, less their mean, are summed up to a
profile; the profile is cut into boxes of n intervals; a straight line is taken out of each box by least squares; the
fluctuation F(n) is the root mean square of what is left, over all boxes of this size; alpha is the slope of ln F(n)
on ln n over a range of sizes, each size counting once.

What tools do differently, and what is done here
- Sizes: 4 to 16 and 16 to 64 are Peng's, Kubios has 4 to 12 and 13 to 64, NeuroKit2 4 to 11 and 12 to a tenth of the
  beats. They are arguments.
- Boxes follow each other from the first interval on and the rest too short for a box is left out. With ``overlap`` the
  boxes begin every n // 2 intervals, and one that ends with the very last interval is left out, as NeuroKit2 does it.
- A box without any fluctuation counts as 0. NeuroKit2 0.2.13 leaves such boxes out, which makes F of small sizes too
  large and alpha too small when intervals are quantised.
- NaN is a gap: each stretch has its own boxes, and all of them make F.
- A range is used whole: when a size of it fits nowhere, or its F is 0, alpha is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

SHORT = (4, 16)
LONG = (16, 64)
"""Box sizes of alpha 1 and alpha 2, first and last, after Peng et al. 1995."""


def dfa(nn_ms: NDArray[Any], boxes: Iterable[int] = range(SHORT[0], SHORT[1] + 1), *, overlap: bool = False) -> float:
    """Scaling exponent alpha of (n,) intervals in ms over box sizes; NaN is a gap.

    Parameters
    ----------
    nn_ms
        Intervals; NaN is a gap.
    boxes
        Sizes of the boxes in intervals, each 3 or more: at least two different ones.
    overlap
        Whether boxes overlap by half (NeuroKit2) or follow each other.

    Raises
    ------
    ValueError
        When the sizes are too small or too few.
    """
    sizes = _sizes(boxes)
    if len(sizes) < 2:
        raise ValueError("an exponent needs two box sizes or more")
    return float(_alpha(_series(nn_ms), sizes, overlap))


def fluctuations(nn_ms: NDArray[Any], boxes: Iterable[int], *, overlap: bool = False) -> NDArray[np.float64]:
    """F(n) in ms for each box size; NaN where no box of this size fits. Parameters as in `dfa`."""
    return _fluctuations(_series(nn_ms), _sizes(boxes), overlap)


def windowed(
    nn_ms: NDArray[Any],
    first: NDArray[Any],
    stop: NDArray[Any],
    ranges: Sequence[tuple[int, int | None]] = (SHORT, LONG),
    *,
    overlap: bool = False,
) -> NDArray[np.float64]:
    """Exponents of the intervals ``first[k]:stop[k]`` of each window k.

    Parameters
    ----------
    nn_ms
        (n,) intervals in ms; NaN is a gap.
    first, stop
        (w,) windows; they may overlap, each is computed by itself.
    ranges
        First and last box size of each exponent. None as the last is a tenth of the window's beats (intervals and
        one), as in NeuroKit2.
    overlap
        As in `dfa`.

    Returns
    -------
    alpha
        float64 (w, ranges).

    Raises
    ------
    ValueError
        When there is no range, or one is empty or begins below 3.
    """
    if not ranges:
        raise ValueError("no range of box sizes")
    for low, high in ranges:
        if low < 3 or (high is not None and high <= low):
            raise ValueError(f"not a range of box sizes: {low} to {high}")
    return _windowed(
        _series(nn_ms),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
        np.array([[low, high or 0] for low, high in ranges], dtype=np.int64).reshape(-1, 2),
        overlap,
    )


def _series(nn_ms: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(nn_ms, dtype=np.float64)


def _sizes(boxes: Iterable[int]) -> NDArray[np.int64]:
    return _ascending(boxes if isinstance(boxes, range) else tuple(boxes))


@lru_cache(maxsize=64)
def _ascending(boxes: range | tuple[int, ...]) -> NDArray[np.int64]:
    """Box sizes as the kernels take them; kept, because making them takes as long as a third of the analysis."""
    sizes = sorted(set(boxes))
    if not sizes or sizes[0] < 3:
        raise ValueError(f"box sizes must be 3 or more, not {sizes[:1]}")
    return np.array(sizes, dtype=np.int64)


@inner_kernel
def _profile(nn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running sum of the intervals of a stretch less their mean."""
    n = len(nn)
    # Four sums at a time: an addition has to wait for the one before in the same sum.
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, n - 3, 4):
        a += nn[i]
        b += nn[i + 1]
        c += nn[i + 2]
        d += nn[i + 3]
    total = a + b + c + d
    for i in range(n - n % 4, n):
        total += nn[i]
    mean = total / n if n else 0.0
    profile = np.empty(n)
    level = 0.0
    for i in range(n):
        level += nn[i] - mean
        profile[i] = level
    return profile


@inner_kernel
def _extend(profile: NDArray[np.float64], k: int, sums: NDArray[np.float64]) -> None:
    """Take values number k and k + 1 into the sums of the boxes that begin at every value of a stretch.

    Two at a time: storing the sums takes longer than adding.
    """
    one, two = profile[k:], profile[k + 1 :]
    total, moment, squares = sums[0], sums[1], sums[2]
    weight = float(k)
    for at in range(len(two)):
        # From the box's first value on, so that sums of squares do not cancel.
        begin = profile[at]
        value, after = one[at] - begin, two[at] - begin
        total[at] = total[at] + value + after
        moment[at] = moment[at] + weight * value + (weight + 1.0) * after
        squares[at] = squares[at] + value * value + after * after


@kernel
def _rest(total: float, moment: float, squares: float, n: int) -> float:
    """Sum of squares left by the straight line through the n values of a box."""
    slope = moment - 0.5 * (n - 1) * total
    # In brackets what is the same for all boxes of a size: divisions are slow.
    rest = squares - total * total * (1.0 / n) - slope * slope * (12.0 / (n * (n * n - 1.0)))
    # Less than this is rounding: a box of equal intervals has no fluctuation.
    return rest if rest > 1e-13 * squares else 0.0


@inner_kernel
def _box(profile: NDArray[np.float64], begin: int, n: int) -> float:
    """The same from the values themselves, added up in the same order."""
    total, moment, squares = 0.0, 0.0, 0.0
    for k in range(1, n):
        value = profile[begin + k] - profile[begin]
        total += value
        moment += float(k) * value
        squares += value * value
    return _rest(total, moment, squares, n)


@kernel
def _fluctuations(nn: NDArray[np.float64], sizes: NDArray[np.int64], overlap: bool) -> NDArray[np.float64]:
    """F of ascending sizes.

    The sums over a box of n values are those over the box of n - 1 values that begins at the same place, and one
    value more. Done for all places at once this is faster than box by box, although most places begin no box, because
    one instruction works on several neighbouring places. Not when sizes lie far apart: then it is box by box.
    """
    left, boxes = np.zeros(len(sizes)), np.zeros(len(sizes), np.int64)
    begin = 0
    for i in range(len(nn) + 1):
        if i < len(nn) and math.isfinite(nn[i]):
            continue
        stretch = nn[begin:i]
        begin = i + 1
        if len(sizes) == 0 or len(stretch) < sizes[0]:
            continue
        profile = _profile(stretch)
        sums = np.zeros((3, len(stretch)))
        taken = 1
        for j in range(len(sizes)):
            n = sizes[j]
            if n > len(stretch):
                break
            starts = range(0, len(stretch) - n + (not overlap), n // 2 if overlap else n)
            boxes[j] += len(starts)
            rest = 0.0
            if n - taken > 2 * (len(sizes) - j):
                for at in starts:
                    rest += _box(profile, at, n)
            else:
                while taken < n - 1:
                    _extend(profile, taken, sums)
                    taken += 2
                for at in starts:
                    total, moment, squares = sums[0, at], sums[1, at], sums[2, at]
                    if taken < n:
                        value = profile[at + taken] - profile[at]
                        total += value
                        moment += float(taken) * value
                        squares += value * value
                    rest += _rest(total, moment, squares, n)
            left[j] += rest
    for j in range(len(sizes)):
        left[j] = math.sqrt(left[j] / (boxes[j] * sizes[j])) if boxes[j] else math.nan
    return left


@inner_kernel
def _slope(sizes: NDArray[np.int64], fluctuation: NDArray[np.float64], low: int, high: int) -> float:
    """Least-squares slope of ln F on ln n over the sizes from low to high."""
    n, x, y, xx, xy = 0, 0.0, 0.0, 0.0, 0.0
    for j in range(len(sizes)):
        if low <= sizes[j] <= high:
            if not fluctuation[j] > 0.0:
                return math.nan
            # From the first size on: less to cancel.
            size, level = math.log(sizes[j] / low), math.log(fluctuation[j])
            n += 1
            x += size
            y += level
            xx += size * size
            xy += size * level
    spread = n * xx - x * x
    return (n * xy - x * y) / spread if n > 1 else math.nan


@inner_kernel
def _alphas(nn: NDArray[np.float64], ranges: NDArray[np.int64], overlap: bool, alphas: NDArray[np.float64]) -> None:
    beats = 1
    for i in range(len(nn)):
        beats += math.isfinite(nn[i])
    smallest, largest = ranges[0, 0], 0
    for q in range(len(ranges)):
        smallest = min(smallest, ranges[q, 0])
        largest = max(largest, ranges[q, 1] if ranges[q, 1] else beats // 10)
    sizes = np.arange(smallest, max(largest + 1, smallest))
    fluctuation = _fluctuations(nn, sizes, overlap)
    for q in range(len(ranges)):
        high = ranges[q, 1] if ranges[q, 1] else beats // 10
        alphas[q] = _slope(sizes, fluctuation, ranges[q, 0], high)


@kernel
def _windowed(
    nn: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    ranges: NDArray[np.int64],
    overlap: bool,
) -> NDArray[np.float64]:
    out = np.empty((len(first), len(ranges)))
    for k in range(len(first)):
        _alphas(nn[first[k] : stop[k]], ranges, overlap, out[k])
    return out


@kernel
def _alpha(nn: NDArray[np.float64], sizes: NDArray[np.int64], overlap: bool) -> float:
    return _slope(sizes, _fluctuations(nn, sizes, overlap), sizes[0], sizes[-1])
