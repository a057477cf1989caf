"""The two searches for a main sleep: an interval unlike what lies around it, and the ramps at its ends.

Definitions and sources: `allostat.sleep_course`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_kernel

Floats = NDArray[np.float64]


def best_from_each_start(
    counts: NDArray[Any], sums: NDArray[Any], per_step: int, lengths: tuple[int, int], reach: int,
    least_covered: float, least_around: int,
) -> tuple[Floats, NDArray[np.int64]]:  # fmt: skip
    """The interval of steps that lies furthest below its surroundings, of those that begin at each step.

    Parameters
    ----------
    counts, sums
        (n,) of each step: how many values it has, and their sum.
    per_step
        How many values a step has when none is missing.
    lengths
        Shortest and longest interval, in steps.
    reach
        Steps before and after an interval that it is compared with, as far as there are any.
    least_covered
        Share of its values that an interval needs.
    least_around
        Values that its surroundings need.

    Returns
    -------
    statistic
        float64 (n,): difference of the means over ``sqrt(1 / inside + 1 / around)``, Student's t but for the standard
        deviation; minus infinity where no interval has enough values.
    length
        int64 (n,): steps of the interval, the shortest one of several that are equal; 0 without.

    Raises
    ------
    ValueError
        When counts and sums differ in number, or lengths and reach are no numbers of steps.
    """
    steps, (shortest, longest) = len(counts), lengths
    if len(sums) != steps or shortest < 1 or reach < 0:
        raise ValueError("each step has a count and a sum; intervals last a step or more")
    best, length = np.full(steps, -np.inf), np.zeros(steps, np.int64)
    # Totals up to each step, kept beyond either end so that surroundings may reach there.
    totals = np.zeros((2, steps + 1))
    np.cumsum(counts, out=totals[0, 1:])
    np.cumsum(sums, out=totals[1, 1:])
    _best(np.pad(totals, ((0, 0), (reach, reach)), "edge"), shortest, min(longest, steps), reach,
          float(least_covered), float(per_step), float(least_around), best, length)  # fmt: skip
    return best, length


@lean_kernel
def _best(
    totals: Floats,
    shortest: int,
    longest: int,
    reach: int,
    least_covered: float,
    per_step: float,
    least_around: float,
    best: Floats,
    length: NDArray[np.int64],
) -> None:
    """`best_from_each_start`; straight through, so that one instruction works on several starts."""
    counts, sums = totals[0], totals[1]
    for size in range(shortest, longest + 1):
        least, starts = least_covered * size * per_step, len(best) - size + 1
        # Totals where the surroundings begin, the interval begins and ends, and the surroundings end, from each start.
        begin, end, beyond = reach, reach + size, 2 * reach + size
        n0, n1 = counts[:starts], counts[begin : begin + starts]
        n2, n3 = counts[end : end + starts], counts[beyond : beyond + starts]
        s0, s1 = sums[:starts], sums[begin : begin + starts]
        s2, s3 = sums[end : end + starts], sums[beyond : beyond + starts]
        for i in range(starts):
            inside, total = n2[i] - n1[i], s2[i] - s1[i]
            around, rest = n3[i] - n0[i] - inside, s3[i] - s0[i] - total
            # Not `/`, which looks for a zero first.
            fall = np.divide(rest, around) - np.divide(total, inside)
            found = fall * np.sqrt(np.divide(inside * around, inside + around))
            better = (inside >= least) & (around >= least_around) & (found > best[i])
            best[i] = found if better else best[i]
            length[i] = size if better else length[i]


def ramps(at: NDArray[Any], off: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> tuple[Floats, Floats]:
    """Ramps from 0 to 1 against a series: the sums that least squares need of each.

    Parameters
    ----------
    at
        (n,) ascending instants.
    off
        (n,) values less their mean.
    begin, end
        (m,) where each ramp leaves 0 and reaches 1; one that ends where it begins is 1 from there on.

    Returns
    -------
    size, along
        float64 (m,): sum of squares of the ramp's values less their mean, and of their products with ``off``.

    Raises
    ------
    ValueError
        When there are no values, or a ramp ends before it begins.
    """
    t, y = np.ascontiguousarray(at, dtype=np.float64), np.ascontiguousarray(off, dtype=np.float64)
    first, last = np.ascontiguousarray(begin, dtype=np.float64), np.ascontiguousarray(end, dtype=np.float64)
    if not len(t) or len(t) != len(y) or not np.all(first <= last):
        raise ValueError("ramps begin before they end, in a series of instants and values")
    totals = np.concatenate([[0.0], np.cumsum(y)])
    size, along = np.empty((2, len(first)))
    _ramps(t, y, totals, first, last, np.searchsorted(t, first), np.searchsorted(t, last), size, along)
    return size, along


@lean_kernel
def _ramps(
    at: Floats,
    off: Floats,
    totals: Floats,
    begin: Floats,
    end: Floats,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    size: Floats,
    along: Floats,
) -> None:
    """`ramps`, where ``first`` and ``last`` are the first instants not before the begin and the end of each."""
    n = len(at)
    for k in range(len(begin)):
        # Less 1 where most values are 1: a small sum of squares is no difference of large ones then.
        base = 1.0 if n - last[k] > first[k] else 0.0
        before, behind = -base, 1.0 - base
        total = before * first[k] + behind * (n - last[k])
        squares = before * before * first[k] + behind * behind * (n - last[k])
        product = before * totals[first[k]] + behind * (totals[n] - totals[last[k]])
        slope = 1.0 / (end[k] - begin[k]) if end[k] > begin[k] else 0.0
        for i in range(first[k], last[k]):
            value = (at[i] - begin[k]) * slope - base
            total += value
            squares += value * value
            product += value * off[i]
        size[k] = squares - total * total / n
        along[k] = product
