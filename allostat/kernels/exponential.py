"""Exponential return to a level: ``y = level + excess * exp(-t / tau)`` by least squares.

For a given time constant the rest is a straight line in ``exp(-t / tau)``, so that only tau is searched for: on a
logarithmic grid over its bounds, then by golden section around the best. No starting values, and no minimum is missed
that is wider than the grid's steps of 3 %.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.regression import ols

GRID_STEP = 1.03
GOLDEN = 0.5 * (5**0.5 - 1)


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
    grid = np.exp(np.linspace(np.log(shortest), np.log(longest), _steps(shortest, longest)))
    unexplained = [_unexplained(ts, ys, tau) for tau in grid]
    best = int(np.argmin(unexplained))
    if not np.isfinite(unexplained[best]):
        return nothing
    bounded = best in (0, len(grid) - 1)
    tau = float(grid[best]) if bounded else _golden(ts, ys, float(grid[best - 1]), float(grid[best + 1]))
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


def _unexplained(t: NDArray[np.float64], y: NDArray[np.float64], tau: float) -> float:
    decay = np.exp(-t / tau)
    # Where all terms are nearly alike the line through them is rounding.
    if float(np.ptp(decay)) < 1e-9:
        return float("inf")
    line = ols(decay, y)
    rest = y - line.intercept - line.slope * decay
    return float(rest @ rest)


def _golden(t: NDArray[np.float64], y: NDArray[np.float64], low: float, high: float) -> float:
    a, b = np.log(low), np.log(high)
    c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    at_c, at_d = _unexplained(t, y, float(np.exp(c))), _unexplained(t, y, float(np.exp(d)))
    while b - a > 1e-9:
        if at_c <= at_d:
            b, d, at_d = d, c, at_c
            c = b - GOLDEN * (b - a)
            at_c = _unexplained(t, y, float(np.exp(c)))
        else:
            a, c, at_c = c, d, at_d
            d = a + GOLDEN * (b - a)
            at_d = _unexplained(t, y, float(np.exp(d)))
    return float(np.exp(0.5 * (a + b)))
