"""Straight lines by ordinary least squares, with standard errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Line(NamedTuple):
    """``y = intercept + slope * x`` by least squares.

    Standard errors are the classical ones with n - 2 degrees of freedom; NaN with two points, all NaN with fewer
    than two different x.
    """

    slope: float
    intercept: float
    slope_se: float
    intercept_se: float
    residual_sd: float
    r_squared: float
    n: int


def ols(x: NDArray[Any], y: NDArray[Any]) -> Line:
    """Least-squares line through the points whose x and y are finite.

    Parameters
    ----------
    x, y
        (n,) values of any unit; the slope is in y's unit per x's unit.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    keep = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[keep], ys[keep]
    n, nan = len(xs), float("nan")
    if n < 2 or float(np.ptp(xs)) == 0.0:
        return Line(nan, nan, nan, nan, nan, nan, n)
    mean_x, mean_y = float(xs.mean()), float(ys.mean())
    dx, dy = xs - mean_x, ys - mean_y
    spread = float(dx @ dx)
    slope = float(dx @ dy) / spread
    intercept = mean_y - slope * mean_x
    rest = dy - slope * dx
    unexplained, total = float(rest @ rest), float(dy @ dy)
    r_squared = 1.0 - unexplained / total if total > 0 else nan
    if n == 2:
        return Line(slope, intercept, nan, nan, nan, r_squared, n)
    residual_sd = float(np.sqrt(unexplained / (n - 2)))
    slope_se = residual_sd / float(np.sqrt(spread))
    intercept_se = residual_sd * float(np.sqrt(1.0 / n + mean_x**2 / spread))
    return Line(slope, intercept, slope_se, intercept_se, residual_sd, r_squared, n)


def log_linear(x: NDArray[Any], y: NDArray[Any]) -> Line:
    """Least-squares line of ln y on x; points whose y is not positive are left out and do not count in ``n``."""
    values = np.asarray(y, dtype=np.float64)
    positive = values > 0
    logs = np.full(values.shape, np.nan)
    logs[positive] = np.log(values[positive])
    return ols(x, logs)
