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
from numpy import uint64
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel

Floats = NDArray[np.float64]

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
    count = sizes.shape[1]
    if count < 2:
        raise ValueError("an exponent needs two box sizes or more")
    nn = np.ascontiguousarray(nn_ms, np.float64)
    return _alpha(nn, sizes, overlap, _rows(len(nn), count))


def fluctuations(nn_ms: NDArray[Any], boxes: Iterable[int], *, overlap: bool = False) -> NDArray[np.float64]:
    """F(n) in ms for each box size; NaN where no box of this size fits. Parameters as in `dfa`."""
    sizes = _sizes(boxes)
    count = sizes.shape[1]
    nn = np.ascontiguousarray(nn_ms, np.float64)
    rows = _rows(len(nn), count)
    _alpha(nn, sizes, overlap, rows)
    return np.sqrt(rows[0, :count])


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
    nn = np.ascontiguousarray(nn_ms, np.float64)
    lo, hi = np.ascontiguousarray(first, np.int64), np.ascontiguousarray(stop, np.int64)
    # Places that count from the end may mean a window of any length.
    counted = len(lo) > 0 and min(lo.min(), hi.min()) >= 0
    longest = min(len(nn), max(0, int((hi - lo).max()))) if counted else len(nn)
    smallest = min(low for low, _ in ranges)
    sizes = _sizes(range(smallest, max(smallest, *(high or (longest + 1) // 10 for _, high in ranges)) + 1))
    out = np.empty((len(lo), len(ranges)))
    bounds = np.array([[low, high or 0] for low, high in ranges], np.int64)
    _windowed(nn, lo, hi, bounds, overlap, sizes, _rows(longest, sizes.shape[1]), out)
    return out


def _rows(intervals: int, sizes: int) -> Floats:
    """Room for the kernels: what each size leaves and its number of boxes, the profile, and three sums at each place.

    Rows do not stand whole pages (of 512 values) apart, where a cache would keep few of them.
    """
    return np.empty((6, (intervals + sizes | 511) + 17))


def _sizes(boxes: Iterable[int]) -> Floats:
    return _ascending(boxes if isinstance(boxes, range) else tuple(boxes))


@lru_cache(maxsize=64)
def _ascending(boxes: range | tuple[int, ...]) -> Floats:
    """Box sizes as the kernels take them; kept, because making them takes longer than the analysis.

    Rows: the sizes, what the squares of the sum and of the slope are multiplied with in a box, and the logarithm of
    the size in units of the smallest, so that less cancels.
    """
    sizes = sorted(set(boxes))
    if not sizes or sizes[0] < 3:
        raise ValueError(f"box sizes must be 3 or more, not {sizes[:1]}")
    factors = [(n, 1.0 / n, 12.0 / (n * (n * n - 1.0)), math.log(n / sizes[0])) for n in sizes]
    return np.array(factors, np.float64).T.copy()


@lean_inner_kernel
def _total(nn: Floats) -> float:
    """Sum, four at a time: an addition has to wait for the one before in the same sum."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    fours = len(nn) // 4
    for i in range(fours):
        at = uint64(4 * i)
        a += nn[at]
        b += nn[at + uint64(1)]
        c += nn[at + uint64(2)]
        d += nn[at + uint64(3)]
    total = a + b + c + d
    for i in range(4 * fours, len(nn)):
        total += nn[uint64(i)]
    return total


@lean_inner_kernel
def _sum_up(nn: Floats, mean: float, profile: Floats) -> None:
    """Running sum of the intervals of a stretch less their mean.

    Four at a time: only one addition of four waits for those before.
    """
    level = 0.0
    fours = len(nn) // 4
    for i in range(fours):
        at = uint64(4 * i)
        a, b = nn[at] - mean, nn[at + uint64(1)] - mean
        c, d = nn[at + uint64(2)] - mean, nn[at + uint64(3)] - mean
        b += a
        d += c
        profile[at] = level + a
        profile[at + uint64(1)] = level + b
        profile[at + uint64(2)] = level + (b + c)
        level += b + d
        profile[at + uint64(3)] = level
    for i in range(4 * fours, len(nn)):
        level += nn[uint64(i)] - mean
        profile[uint64(i)] = level


@lean_inner_kernel
def _extend(profile: Floats, k: int, total: Floats, climb: Floats, squares: Floats) -> None:
    """Take values number k and k + 1 into the sums of the boxes that begin at every value of a stretch.

    The sums are of the values, of what that sum was after each value, and of squares. Two values at a time: storing
    the sums takes longer than adding.
    """
    one, two = profile[k:], profile[k + 1 :]
    if k == 1:
        for at in range(len(two)):
            begin = profile[at]
            value, after = one[at] - begin, two[at] - begin
            total[at] = value + after
            climb[at] = value + (value + after)
            squares[at] = value * value + after * after
        return
    for at in range(len(two)):
        # From the box's first value on, so that sums of squares do not cancel.
        begin = profile[at]
        value, after = one[at] - begin, two[at] - begin
        middle = total[at] + value
        end = middle + after
        total[at] = end
        climb[at] = climb[at] + middle + end
        squares[at] = squares[at] + value * value + after * after


@lean_inner_kernel
def _rest(total: float, climb: float, squares: float, half: float, by_total: float, by_slope: float) -> float:
    """Sum of squares left by the straight line through the n values of a box; ``half`` is (n + 1) / 2."""
    slope = half * total - climb
    rest = squares - total * total * by_total - slope * slope * by_slope
    # Less than this is rounding: a box of equal intervals has no fluctuation.
    return rest if rest > 1e-13 * squares else 0.0


@lean_inner_kernel
def _boxes(rows: Floats, taken: int, n: int, step: int, count: int, by_total: float, by_slope: float) -> float:
    """Sum of squares left in the boxes of n values, of which the sums hold those before number ``taken``."""
    profile, total, climb, squares = rows[2], rows[3], rows[4], rows[5]
    half = 0.5 * (n + 1)
    rest = 0.0
    at, stride = uint64(0), uint64(step)
    if taken == n:
        for _ in range(count):
            rest += _rest(total[at], climb[at], squares[at], half, by_total, by_slope)
            at += stride
        return rest
    last = profile[taken:]
    for _ in range(count):
        value = last[at] - profile[at]
        end = total[at] + value
        rest += _rest(end, climb[at] + end, squares[at] + value * value, half, by_total, by_slope)
        at += stride
    return rest


@lean_inner_kernel
def _boxes_alone(profile: Floats, n: int, step: int, count: int, by_total: float, by_slope: float) -> float:
    """The same from the values themselves, added up in the same order."""
    rest = 0.0
    for box in range(count):
        values = profile[box * step : box * step + n]
        total, climb, squares = 0.0, 0.0, 0.0
        for k in range(1, len(values)):
            value = values[k] - values[0]
            total += value
            climb += total
            squares += value * value
        rest += _rest(total, climb, squares, 0.5 * (n + 1), by_total, by_slope)
    return rest


@lean_inner_kernel
def _stretch(nn: Floats, sizes: Floats, count: int, overlap: bool, rows: Floats) -> None:
    """Add what is left in the boxes of a stretch, and how many there are, for each of the first ``count`` sizes.

    The sums over a box of n values are those over the box of n - 1 values that begins at the same place, and one
    value more. Done for all places at once this is faster than box by box, although most places begin no box, because
    one instruction works on several neighbouring places. Not when sizes lie far apart: then it is box by box.
    """
    length = len(nn)
    if length < sizes[0, 0]:
        return
    left, boxes, profile = rows[0], rows[1], rows[2, :length]
    _sum_up(nn, _total(nn) / length, profile)
    taken = 1
    for j in range(count):
        n = int(sizes[0, j])
        if n > length:
            break
        step = n // 2 if overlap else n
        number = (length - n + (not overlap) + step - 1) // step
        boxes[j] += number
        if n - taken > 2 * (count - j):
            left[j] += _boxes_alone(profile, n, step, number, sizes[1, j], sizes[2, j])
        else:
            while taken < n - 1:
                _extend(profile, taken, rows[3], rows[4], rows[5])
                taken += 2
            left[j] += _boxes(rows, taken, n, step, number, sizes[1, j], sizes[2, j])


@lean_inner_kernel
def _count_finite(nn: Floats) -> int:
    finite = 0
    for i in range(len(nn)):
        finite += math.isfinite(nn[i])
    return finite


@lean_inner_kernel
def _mean_squares(nn: Floats, finite: int, sizes: Floats, count: int, overlap: bool, rows: Floats) -> None:
    """Squares of F of the first ``count`` of ascending sizes, to the first row; NaN where no box fits."""
    left, boxes = rows[0], rows[1]
    for j in range(count):
        left[j], boxes[j] = 0.0, 0.0
    begin = 0
    for i in range(len(nn) if finite == len(nn) else 0, len(nn) + 1):
        if i < len(nn) and math.isfinite(nn[i]):
            continue
        _stretch(nn[begin:i], sizes, count, overlap, rows)
        begin = i + 1
    for j in range(count):
        left[j] = left[j] / (boxes[j] * sizes[0, j]) if boxes[j] > 0.0 else math.nan


@lean_inner_kernel
def _slope(sizes: Floats, count: int, mean_squares: Floats, low: float, high: float) -> float:
    """Least-squares slope of ln F on ln n over the sizes from low to high."""
    n, x, y, xx, xy = 0.0, 0.0, 0.0, 0.0, 0.0
    origin = 0.0
    for j in range(count):
        if low <= sizes[0, j] <= high:
            if not mean_squares[j] > 0.0:
                return math.nan
            if n == 0.0:
                origin = sizes[3, j]
            # From the first size on: less to cancel.
            size, level = sizes[3, j] - origin, 0.5 * math.log(mean_squares[j])
            n += 1.0
            x += size
            y += level
            xx += size * size
            xy += size * level
    spread = n * xx - x * x
    return (n * xy - x * y) / spread if n > 1.0 else math.nan


@lean_kernel
def _windowed(
    nn: Floats,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    ranges: NDArray[np.int64],
    overlap: bool,
    sizes: Floats,
    rows: Floats,
    out: Floats,
) -> None:
    for k in range(len(first)):
        window = nn[first[k] : stop[k]]
        finite = _count_finite(window)
        beats = finite + 1
        largest = 0
        for q in range(len(ranges)):
            largest = max(largest, ranges[q, 1] if ranges[q, 1] else beats // 10)
        count = min(max(largest + 1 - int(sizes[0, 0]), 0), sizes.shape[1])
        _mean_squares(window, finite, sizes, count, overlap, rows)
        for q in range(len(ranges)):
            high = ranges[q, 1] if ranges[q, 1] else beats // 10
            out[k, q] = _slope(sizes, count, rows[0], float(ranges[q, 0]), float(high))


@lean_kernel
def _alpha(nn: Floats, sizes: Floats, overlap: bool, rows: Floats) -> float:
    """Exponent over all sizes; the squares of F are left in the first row."""
    count = sizes.shape[1]
    _mean_squares(nn, _count_finite(nn), sizes, count, overlap, rows)
    return _slope(sizes, count, rows[0], sizes[0, 0], sizes[0, count - 1])
