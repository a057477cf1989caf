"""Areas, increases and rates of one course of cortisol, from plain arrays in order of time.

Sources: Pruessner 2003 (10.1016/S0306-4530(02)00108-7) for the areas. Missing is NaN, never 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bridged(minutes: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The course without its missing inner samples; a missing first or last sample stays."""
    keep = ~np.isnan(values)
    if len(keep):
        keep[[0, -1]] = True
    return minutes[keep], values[keep]


def area_ground(minutes: Floats, values: Floats, *, allow_gap: bool = False) -> float:
    """Area under the curve with respect to ground, trapezoids; NaN with fewer than two samples or a missing one.

    ``allow_gap``: the trapezoid passes over missing samples inside; a missing first or last sample is still NaN.
    """
    if allow_gap:
        minutes, values = bridged(minutes, values)
    if len(values) < 2 or bool(np.isnan(values).any()):
        return math.nan
    return float(np.sum((values[1:] + values[:-1]) / 2.0 * np.diff(minutes)))


def area_increase(minutes: Floats, values: Floats, *, allow_gap: bool = False) -> float:
    """Area with respect to the first sample, `area_ground` less its rectangle; may be negative, never clipped."""
    ground = area_ground(minutes, values, allow_gap=allow_gap)
    return ground - float(values[0]) * float(minutes[-1] - minutes[0]) if len(values) > 1 else math.nan


def area_per_minute(minutes: Floats, values: Floats, *, allow_gap: bool = False) -> float:
    """`area_ground` over the time between the first and the last sample: the mean level, in the unit of the values."""
    ground = area_ground(minutes, values, allow_gap=allow_gap)
    span = float(minutes[-1] - minutes[0]) if len(minutes) else 0.0
    return ground / span if span > 0 else math.nan


def mean_increase(values: Floats, *, allow_gap: bool = False) -> float:
    """Mean of all samples after the first, minus the first; NaN with a missing one.

    ``allow_gap``: missing samples after the first are left out.
    """
    later = _later(values, allow_gap=allow_gap)
    return float(later.mean() - values[0]) if later.size else math.nan


def peak_increase(values: Floats, *, allow_gap: bool = False) -> float:
    """Highest sample after the first, minus the first; NaN with a missing one (``allow_gap`` as `mean_increase`)."""
    later = _later(values, allow_gap=allow_gap)
    return float(later.max() - values[0]) if later.size else math.nan


def _later(values: Floats, *, allow_gap: bool) -> Floats:
    """Samples after the first; none when a value is missing that the rule asks for."""
    if len(values) < 2 or math.isnan(float(values[0])):
        return np.empty(0)
    later = values[1:]
    gaps = np.isnan(later)
    if bool(gaps.any()) and not allow_gap:
        return np.empty(0)
    return later[~gaps]


def percent_per_hour(slope_ln: float) -> float:
    """Change per hour in % that a slope of ln concentration means."""
    return 100.0 * (math.exp(slope_ln) - 1.0)


def half_life_h(slope_ln: float) -> float:
    """Half-life in h of a falling slope of ln concentration; NaN when it does not fall."""
    return math.log(2.0) / -slope_ln if slope_ln < 0 else math.nan


def nearest_within(at: Floats, target: float, tolerance: float, *, period: float = math.inf) -> int:
    """Index of the point nearest to a target, -1 when none is within the tolerance; the earlier of two equally near.

    ``period``: distances go around, as on a clock of 24 h.
    """
    if not len(at):
        return -1
    away = np.abs(at - target)
    if math.isfinite(period):
        away = np.minimum(away % period, period - away % period)
    if bool(np.isnan(away).all()):
        return -1
    best = int(np.nanargmin(away))
    return best if away[best] <= tolerance else -1
