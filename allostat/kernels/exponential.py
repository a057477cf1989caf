"""Exponential return to a level: ``y = level + excess * exp(-t / tau)`` by least squares.

For a given time constant the rest is a straight line in ``exp(-t / tau)``, so that only tau is searched for: on a
logarithmic grid over its bounds, then by golden section around the best. No starting values, and no minimum is missed
that is wider than the grid's steps of 3 %.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel
from allostat.kernels.regression import ols

GRID_STEP = 1.03
GOLDEN = 0.5 * (5**0.5 - 1)
_NARROW = 1e-9
"""The search ends when the logarithm of the time constant is known to this."""


class ExponentialReturn(NamedTuple):
    """Least-squares fit; standard errors from the linearised model with n - 3 degrees of freedom.

    ``at_bound`` is 1 when the best time constant is a bound of the search: the series then does not tell it, and
    errors are NaN. All NaN with fewer than 4 points, or when the values do not vary.
    """

    level: float
    excess: float
    tau: float
    level_se: float
    excess_se: float
    tau_se: float
    residual_sd: float
    r_squared: float
    at_bound: int
    n: int


def exponential_return(t: NDArray[Any], y: NDArray[Any], shortest: float, longest: float) -> ExponentialReturn:
    """Fit the points whose time and value are finite.

    Parameters
    ----------
    t
        (n,) times since the start, any unit.
    y
        (n,) values.
    shortest, longest
        Bounds of the time constant, in the unit of ``t``.

    Raises
    ------
    ValueError
        When the bounds are not positive and ascending, or times and values differ in length.
    """
    if not 0 < shortest < longest < np.inf:
        raise ValueError("bounds of a time constant are positive and ascend")
    ts, ys = np.asarray(t, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if ts.ndim != 1 or ts.shape != ys.shape:
        raise ValueError("times and values are two series of one length")
    keep = np.isfinite(ts) & np.isfinite(ys)
    ts, ys = ts[keep], ys[keep]
    n, nan = len(ts), float("nan")
    nothing = ExponentialReturn(nan, nan, nan, nan, nan, nan, nan, nan, 0, n)
    if n < 4 or float(np.ptp(ys)) <= 1e-12 * float(np.max(np.abs(ys))):
        return nothing
    tau, bounded = _best(ts, ys - ys.mean(), np.linspace(np.log(shortest), np.log(longest), _steps(shortest, longest)))
    if not np.isfinite(tau):
        return nothing
    decay = np.exp(-ts / tau)
    line = ols(decay, ys)
    rest = ys - line.intercept - line.slope * decay
    residual_sd = float(np.sqrt(rest @ rest / (n - 3)))
    total = float(np.sum((ys - ys.mean()) ** 2))
    errors = (nan, nan, nan)
    if not bounded:
        slopes = np.column_stack([np.ones(n), decay, line.slope * ts / tau**2 * decay])
        r = np.linalg.qr(slopes, mode="r")
        if float(np.min(np.abs(np.diag(r)))) > 1e-12 * float(np.max(np.abs(r))):
            inverse = np.linalg.inv(r)
            spread = residual_sd * np.sqrt(np.sum(inverse**2, axis=1))
            errors = (float(spread[0]), float(spread[1]), float(spread[2]))
    r_squared = 1.0 - float(rest @ rest) / total
    return ExponentialReturn(line.intercept, line.slope, tau, *errors, residual_sd, r_squared, int(bounded), n)


def _steps(shortest: float, longest: float) -> int:
    return max(int(np.ceil(np.log(longest / shortest) / np.log(GRID_STEP))) + 1, 3)


@kernel
def _best(t: NDArray[np.float64], off: NDArray[np.float64], grid: NDArray[np.float64]) -> tuple[float, bool]:
    """Time constant of the least rest, NaN when none leaves a number; and whether it is a bound of the search.

    ``off`` are values less their mean; the grid ascends and holds logarithms of time constants.
    """
    decay = np.empty(len(t))
    # One place that calls, for the grid and then for golden section (two points inside the bracket, then one each
    # time): each place is compiled by itself.
    best, least, low, high = 0, np.inf, 0.0, 0.0
    inner, outer, at_inner, at_outer = 0.0, 0.0, np.inf, np.inf
    step = 0
    while step < len(grid) + 2 or high - low > _NARROW:
        if step < len(grid):
            place = grid[step]
        elif step == len(grid):
            if best == 0 or best == len(grid) - 1 or not least < np.inf:
                return np.exp(grid[best]) if least < np.inf else np.nan, True
            low, high = grid[best - 1], grid[best + 1]
            inner, outer = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
            place = inner
        elif step == len(grid) + 1:
            place = outer
        elif at_inner <= at_outer:
            high, outer, at_outer, at_inner = outer, inner, at_inner, np.nan
            place = inner = high - GOLDEN * (high - low)
        else:
            low, inner, at_inner, at_outer = inner, outer, at_outer, np.nan
            place = outer = low + GOLDEN * (high - low)
        rest = _unexplained(t, off, np.exp(place), decay)
        if step < len(grid):
            if rest < least:
                best, least = step, rest
        elif step == len(grid) or np.isnan(at_inner):
            at_inner = rest
        else:
            at_outer = rest
        step += 1
    return np.exp(0.5 * (low + high)), False


@inner_kernel
def _unexplained(t: NDArray[np.float64], off: NDArray[np.float64], tau: float, decay: NDArray[np.float64]) -> float:
    """Sum of squares that the line through the terms leaves; ``off`` are values less their mean."""
    n, rate, mean, least, most = len(t), -1.0 / tau, 0.0, np.inf, -np.inf
    for i in range(n):
        decay[i] = np.exp(t[i] * rate)
        mean += decay[i]
        least, most = min(least, decay[i]), max(most, decay[i])
    # Where all terms are nearly alike the line through them is rounding.
    if not 1e-9 <= most - least < np.inf:
        return np.inf
    mean /= n
    spread, along, rest = 0.0, 0.0, 0.0
    for i in range(n):
        spread += (decay[i] - mean) ** 2
        along += (decay[i] - mean) * off[i]
    slope = along / spread
    for i in range(n):
        rest += (off[i] - slope * (decay[i] - mean)) ** 2
    return rest
