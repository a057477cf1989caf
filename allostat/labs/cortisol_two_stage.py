"""Persons' own least-squares lines, and their shrinkage in two stages: for when a mixed model does not converge.

Source of the variance between persons: DerSimonian & Laird 1986 (10.1016/0197-2456(86)90046-2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.labs.cortisol_mixed_model import Persons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Lines(NamedTuple):
    """Line of each person by least squares, with the standard errors that a common residual variance gives.

    NaN where a person has fewer than two different times; ``slope`` also with fewer than three samples.
    """

    level: Floats
    level_se: Floats
    slope: Floats
    slope_se: Floats
    residual_variance: float


class Shrunk(NamedTuple):
    """Means of the persons' lines, variances between persons, and the shrunk lines."""

    mean_level: float
    mean_level_se: float
    mean_slope: float
    mean_slope_se: float
    variance_level: float
    variance_slope: float
    persons: Persons


def person_lines(person: Ints, hours: Floats, ln_cortisol: Floats, persons: int) -> Lines:
    """Each person's line through all samples of all days.

    Parameters
    ----------
    person
        (n,) numbers from 0 to ``persons`` - 1.
    hours, ln_cortisol
        (n,) h since waking, and ln nmol/L.
    """

    def total(values: Floats) -> Floats:
        return np.bincount(person, weights=values, minlength=persons).astype(np.float64)

    n = total(np.ones(len(hours)))
    safe = np.maximum(n, 1.0)
    mean_t, mean_y = total(hours) / safe, total(ln_cortisol) / safe
    dt, dy = hours - mean_t[person], ln_cortisol - mean_y[person]
    spread = total(dt * dt)
    defined = (n >= 3) & (spread > 1e-9)
    below = np.where(defined, spread, math.nan)
    slope = total(dt * dy) / below
    level = mean_y - slope * mean_t
    rest = total(dy * dy) - slope**2 * spread
    free = float((n[defined] - 2.0).sum())
    residual = float(np.maximum(rest[defined], 0.0).sum()) / free if free > 0 else math.nan
    return Lines(
        level, np.sqrt(residual * (1.0 / safe + mean_t**2 / below)), slope, np.sqrt(residual / below), residual
    )


def shrink_lines(lines: Lines) -> Shrunk:
    """Lines pulled towards their mean by the share of error in their variance; a person without one gets the mean."""
    slope, slope_se, mean_slope, mean_slope_se, between_slope = _shrink(lines.slope, lines.slope_se)
    level, level_se, mean_level, mean_level_se, between_level = _shrink(lines.level, lines.level_se)
    if between_slope > 0:
        share = between_slope / (between_slope + np.where(np.isnan(lines.slope_se), math.inf, lines.slope_se) ** 2)
    else:
        share = np.zeros(len(slope))
    return Shrunk(
        mean_level, mean_level_se, mean_slope, mean_slope_se, between_level, between_slope,
        Persons(level, level_se, slope, slope_se, share),
    )  # fmt: skip


def _shrink(values: Floats, errors: Floats) -> tuple[Floats, Floats, float, float, float]:
    """Shrunk values with standard errors of prediction, their mean with its standard error, the variance between."""
    known = np.isfinite(values) & (errors > 0)
    given, squared = values[known], errors[known] ** 2
    weight = 1.0 / squared
    mean = float(weight @ given / weight.sum())
    excess = float(weight @ (given - mean) ** 2) - (len(given) - 1.0)
    between = max(excess / float(weight.sum() - (weight**2).sum() / weight.sum()), 0.0)
    weight = 1.0 / (squared + between)
    mean = float(weight @ given / weight.sum())
    mean_se = 1.0 / math.sqrt(float(weight.sum()))
    share = np.zeros(len(values))
    share[known] = between / (between + squared)
    pulled = mean + share * (np.where(known, values, mean) - mean)
    prediction = np.sqrt(between * (1.0 - share) + (1.0 - share) ** 2 * mean_se**2)
    return pulled, prediction, mean, mean_se, between
