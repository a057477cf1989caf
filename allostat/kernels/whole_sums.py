"""Sums over windows that overlap, each the same to the last bit as over its intervals alone.

A sum of rounded numbers depends on the order of its terms, so that windows could not share parts of theirs. Here each
term is taken apart into two whole numbers: of units of 2^-10 ms, and of much smaller ones for what is left. Whole
numbers add up without rounding, in any order. So the series is summed once, from each place where a window begins or
ends to the next, and a window is the difference of two totals: a total may overflow, but the difference is right
wherever the sum over the window itself would not have overflowed.

Nothing of the intervals, their heart rates and their differences is lost, and up to 2^-43 ms² of a square.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inlined_kernel, lean_inner_kernel, lean_kernel

LEAST, BOUND = 16.0, 4096.0
"""Intervals in ms from the one to below the other are summed; all others are counted only."""

MOST = 1 << 17
"""Sums over so many intervals do not overflow."""

_UNITS, _PARTS, _SQUARE_PARTS = 2.0**10, 2.0**50, 2.0**42
"""How many of the larger units make 1 ms, how many of the smaller ones, and of those in which it is counted how much
larger a square is than that of the whole larger units (in ms²)."""

N, SUMMED, NN, NN_PART, NN2, NN2_PART, RATE, RATE_PART = range(8)
"""Finite intervals, those that are summed; sums of these, of their squares and of their heart rates."""

M, OVER20, OVER50, STEP, STEP_PART, STEP2, STEP2_PART = range(8, 15)
"""Differences between neighbours, those of more than 20 and 50 ms; sums of the differences and of their squares."""

SUMS, _AFTER = 15, 22
"""Columns of all totals, and after those the totals of differences again, with the one that ends at the place."""


@inlined_kernel
def _taken_apart(value: float) -> tuple[int, int, int, int]:
    """A value in units and parts of them, and so its square."""
    near = np.rint(value * _UNITS)
    rest = value - near / _UNITS
    square_rest = (2.0 / _UNITS * near + rest) * rest
    return int(near), int(rest * _PARTS), int(near * near), int(np.rint(square_rest * _SQUARE_PARTS))


@lean_inner_kernel
def _add_intervals(nn: NDArray[np.float64], total: NDArray[np.int64]) -> None:
    # Straight through, so that one instruction works on several intervals.
    n = summed = whole = part = square = square_part = rate = rate_part = 0
    for i in range(len(nn)):
        value = nn[i]
        n += 1 if abs(value) < np.inf else 0
        there = (value >= LEAST) & (value < BOUND)
        summed += 1 if there else 0
        # Not `/`, which looks for a zero first.
        per_minute = np.true_divide(60000.0, value if there else np.inf)
        value = value if there else 0.0
        apart = _taken_apart(value)
        whole, part, square, square_part = whole + apart[0], part + apart[1], square + apart[2], square_part + apart[3]
        near = np.rint(per_minute * _UNITS)
        rate += int(near)
        rate_part += int((per_minute - near / _UNITS) * _PARTS)
    total[N] += n
    total[SUMMED] += summed
    total[NN] += whole
    total[NN_PART] += part
    total[NN2] += square
    total[NN2_PART] += square_part
    total[RATE] += rate
    total[RATE_PART] += rate_part


@lean_inner_kernel
def _add_differences(later: NDArray[np.float64], earlier: NDArray[np.float64], total: NDArray[np.int64]) -> None:
    m = over20 = over50 = whole = part = square = square_part = 0
    for i in range(len(later)):
        change = later[i] - earlier[i]
        step = abs(change)
        m += 1 if step < np.inf else 0
        over20 += 1 if (step > 20.0) & (step < np.inf) else 0
        over50 += 1 if (step > 50.0) & (step < np.inf) else 0
        change = change if step < BOUND else 0.0
        apart = _taken_apart(change)
        whole, part, square, square_part = whole + apart[0], part + apart[1], square + apart[2], square_part + apart[3]
    total[M] += m
    total[OVER20] += over20
    total[OVER50] += over50
    total[STEP] += whole
    total[STEP_PART] += part
    total[STEP2] += square
    total[STEP2_PART] += square_part


_SIGN = (1 << 63) - 1
"""All bits of a number but its sign. Numbers below zero grow with their bits the wrong way round."""


@lean_inner_kernel
def _ends(nn: NDArray[np.float64], bits: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    """Shortest and longest finite interval, as whole numbers in the same order, of which many are compared at once."""
    low, high = ends[0], ends[1]
    for i in range(len(nn)):
        place = bits[i] ^ ((bits[i] >> 63) & _SIGN)
        there = abs(nn[i]) < np.inf
        low = min(low, place if there else _SIGN)
        high = max(high, place if there else -_SIGN)
    ends[0], ends[1] = low, high


@lean_inner_kernel
def _places(
    marked: NDArray[np.uint8],
    eight: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    number: NDArray[np.int32],
    places: NDArray[np.int64],
) -> int:
    """Where windows begin or end, in order, the end of the series last, and the number of each; returns how many.

    ``eight``: what is marked, eight at a time.
    """
    count = 0
    for k in range(len(first)):
        marked[first[k]] = marked[stop[k]] = 1
    marked[len(number) - 1] = 1
    for j in range(len(eight)):
        if eight[j] == 0:
            continue
        for i in range(8 * j, 8 * j + 8):
            if marked[i] != 0:
                number[i] = count
                places[count] = i
                count += 1
    return count


def totals(
    nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Totals of the series up to each place where a window begins or ends.

    Returns
    -------
    number
        (n + 1,) row of each such place in the following; undefined for all others.
    totals
        Up to the place, that place not included; for `over`.
    ends
        From the place to the next one, for `shortest_longest`.
    """
    n, most = len(nn), min(2 * len(first), len(nn)) + 1
    marked, number, places = np.zeros(n // 8 * 8 + 8, np.uint8), np.empty(n + 1, np.int32), np.empty(most, np.int64)
    table, ends = np.empty((most, _AFTER), np.int64), np.empty((most, 2), np.int64)
    total = np.zeros(SUMS, np.int64)
    _totals(nn, nn.view(np.int64), first, stop, marked, marked.view(np.int64), number, places, total, table, ends)
    return number, table, ends


@lean_kernel
def _totals(
    nn: NDArray[np.float64],
    bits: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    marked: NDArray[np.uint8],
    eight: NDArray[np.int64],
    number: NDArray[np.int32],
    places: NDArray[np.int64],
    total: NDArray[np.int64],
    table: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """Fill ``number``, ``table`` and ``ends``; all arrays after ``stop`` are room."""
    count = _places(marked, eight, first, stop, number, places)
    for k in range(count - 1):
        begin, end = places[k], places[k + 1]
        for i in range(SUMS):
            table[k, i] = total[i]
        # The difference that ends at the place, then those behind it: one place that calls, for each is compiled.
        for step in range(2):
            later = begin if step == 0 else begin + 1
            until = later + 1 if step == 0 else end
            if later > 0:
                _add_differences(nn[later:until], nn[later - 1 : until - 1], total)
            if step == 0:
                for i in range(M, SUMS):
                    table[k, i + SUMS - M] = total[i]
        _add_intervals(nn[begin:end], total)
        ends[k, 0], ends[k, 1] = _SIGN, -_SIGN
        _ends(nn[begin:end], bits[begin:end], ends[k])
    for i in range(SUMS):
        table[count - 1, i] = total[i]


@lean_inner_kernel
def over(begin: NDArray[np.int64], end: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    """Sums over the window between two rows of `totals`, the difference that ends at its first interval left out."""
    for i in range(M):
        sums[i] = end[i] - begin[i]
    for i in range(M, SUMS):
        sums[i] = end[i] - begin[i + SUMS - M]


@lean_inner_kernel
def shortest_longest(ends: NDArray[np.int64], bits: NDArray[np.int64]) -> None:
    """Bits of the shortest and of the longest finite interval of successive rows of `totals`, written to ``bits``."""
    low, high = _SIGN, -_SIGN
    for k in range(len(ends)):
        low, high = min(low, ends[k, 0]), max(high, ends[k, 1])
    bits[0], bits[1] = low ^ ((low >> 63) & _SIGN), high ^ ((high >> 63) & _SIGN)


@lean_inner_kernel
def in_units(whole: int, part: int) -> float:
    """A sum in ms (or of heart rates, per minute)."""
    return whole / _UNITS + part / _PARTS


@lean_inner_kernel
def squares_about_zero(square: int, square_part: int) -> float:
    """Sum of squares in ms²."""
    return square / (_UNITS * _UNITS) + square_part / _SQUARE_PARTS


@lean_inner_kernel
def squares_about_mean(n: float, whole: int, part: int, square: int, square_part: int) -> float:
    """Sum of the squares of the distances from the mean in ms², taken from a whole number of units close to it."""
    near = int(np.rint(whole / n))
    count = int(n)
    squares = squares_about_zero(square - 2 * near * whole + count * near * near, square_part)
    squares -= 2.0 * (near / _UNITS) * (part / _PARTS)
    off = in_units(whole - count * near, part)
    return squares - off * off / n
