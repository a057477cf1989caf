"""Reliability of repeated measurements: intraclass correlation, Spearman-Brown, standard error of measurement.

Repeats are days of cortisol, nights of heart rate variability, cuff visits, or members of a clinic: anything that comes
in groups. Sources: Shrout & Fleiss 1979 (10.1037/0033-2909.86.2.420) for ICC(1), McGraw & Wong 1996
(10.1037/1082-989X.1.1.30) for its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.errors import InputError

Floats = NDArray[np.float64]

_NAN = math.nan


@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """ICC(1) by one-way analysis of variance.

    Parameters
    ----------
    icc
        Of a single measurement, ICC(1). A negative estimate is reported as it is, never clipped.
    icc_mean
        Of the mean of a group's measurements, ICC(1,k) with k = ``k0``.
    low, high
        Interval of ``icc`` from the F distribution (exact for groups of equal size).
    ms_between, ms_within
        Mean squares.
    groups, n
        Groups and measurements with a value.
    k0
        Measurements per group; for unequal groups (N - sum k_i^2 / N) / (m - 1).
    reason
        Why ``icc`` is NaN: ``FEW_GROUPS``, ``NO_REPEATS`` or ``NO_VARIATION``; else empty.
    """

    icc: float
    icc_mean: float
    low: float
    high: float
    ms_between: float
    ms_within: float
    groups: int
    n: int
    k0: float
    reason: str = ""

    @property
    def sd(self) -> float:
        """Standard deviation of a single measurement between and within groups together, from the mean squares."""
        return math.sqrt(max(self.ms_within + (self.ms_between - self.ms_within) / self.k0, 0.0))

    @property
    def sem(self) -> float:
        """Standard error of measurement of a single measurement, sd * sqrt(1 - ICC): the spread within groups."""
        return standard_error_of_measurement(self.sd, self.icc)


class VarianceComponents(NamedTuple):
    """One-way random effects: variance between groups and within them, and between / (between + within)."""

    between: float
    within: float
    icc: float


class _Groups(NamedTuple):
    """Size, mean and sum of squares about the mean of each group."""

    size: Floats
    mean: Floats
    square: Floats


def intraclass_correlation(
    values: ArrayLike, groups: ArrayLike | NDArray[Any], *, confidence: float = 0.95
) -> IntraclassCorrelation:
    """ICC(1) of measurements in groups, with its interval.

    Parameters
    ----------
    values
        (n,) measurements; NaN ones are left out.
    groups
        (n,) label of each measurement's group: participant, clinic, batch.
    confidence
        Of the interval.

    Raises
    ------
    InputError
        Lengths differ, an infinite value, or a confidence outside of 0 to 1.

    Notes
    -----
    ICC(1) = (MSB - MSW) / (MSB + (k - 1) MSW), ICC(1,k) = (MSB - MSW) / MSB. With unequal groups k is ``k0`` and the
    interval is approximate.
    """
    if not 0 < confidence < 1:
        raise InputError("a confidence lies between 0 and 1", found=confidence)
    found = _grouped(values, groups)
    m, total = len(found.size), float(found.size.sum())
    if m < 2:
        return _nothing(m, total, "FEW_GROUPS")
    if total <= m:
        return _nothing(m, total, "NO_REPEATS")
    one = np.ones((1, m))
    icc, between, within, k0 = (float(part[0]) for part in _anova(found, one))
    if math.isnan(icc):
        return _nothing(m, total, "NO_VARIATION")
    low, high = _f_interval(between, within, k0, m, total, confidence)
    mean = (between - within) / between if between > 0 else -math.inf
    return IntraclassCorrelation(icc, mean, low, high, between, within, m, int(total), k0)


def bootstrap_icc(
    values: ArrayLike,
    groups: ArrayLike | NDArray[Any],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of ICC(1) from groups drawn whole with replacement; NaN when ICC(1) is not defined.

    Parameters
    ----------
    values, groups
        As for `intraclass_correlation`.
    resamples, seed
        Number of draws, and the seed that makes them repeatable.
    """
    if resamples < 1:
        raise InputError("a bootstrap needs resamples", found=resamples, expected="1 or more")
    if math.isnan(intraclass_correlation(values, groups, confidence=confidence).icc):
        return _NAN, _NAN
    found = _grouped(values, groups)
    m = len(found.size)
    drawn = np.random.default_rng(seed).multinomial(m, np.full(m, 1.0 / m), size=resamples).astype(np.float64)
    icc = _anova(found, drawn)[0]
    defined = icc[np.isfinite(icc)]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def variance_components(
    values: ArrayLike, groups: ArrayLike | NDArray[Any], *, method: Literal["reml", "ml"] = "reml"
) -> VarianceComponents:
    """Variance between and within groups by (restricted) maximum likelihood; a variance is never negative.

    Parameters
    ----------
    values, groups
        As for `intraclass_correlation`; NaN components under the same conditions.

    Notes
    -----
    The likelihood is profiled to the ratio of the variances, whose derivative is solved for zero.
    """
    if method not in ("reml", "ml"):
        raise InputError("unknown method", found=method, valid=["reml", "ml"])
    found = _grouped(values, groups)
    m, total = len(found.size), float(found.size.sum())
    if m < 2 or total <= m or not (found.square.sum() > 0 or np.ptp(found.mean) > 0):
        return VarianceComponents(_NAN, _NAN, _NAN)
    freedom = total - 1.0 if method == "reml" else total

    def parts(ratio: float) -> tuple[Floats, float, Floats]:
        weight = found.size / (1.0 + found.size * ratio)
        away = (found.mean - weight @ found.mean / weight.sum()) ** 2
        return weight, float(found.square.sum() + weight @ away), away

    def derivative(ratio: float) -> float:
        weight, rest, away = parts(ratio)
        of_rest = -freedom * float(weight**2 @ away) / rest
        restricted = float((weight**2).sum() / weight.sum()) if method == "reml" else 0.0
        return of_rest + float(weight.sum()) - restricted

    if not found.square.sum() > 0:
        between = float(found.mean.var(ddof=1 if method == "reml" else 0))
        return VarianceComponents(between, 0.0, 1.0)
    ratio = 0.0 if derivative(0.0) >= 0 else _zero_above(derivative)
    within = parts(ratio)[1] / freedom
    return VarianceComponents(ratio * within, within, ratio / (1.0 + ratio))


def _zero_above(derivative: Any) -> float:
    """The zero of a function that is negative at 0 and positive far out."""
    from scipy.optimize import brentq

    top = 1.0
    while derivative(top) < 0:
        top *= 4.0
    return float(brentq(derivative, 0.0, top, xtol=1e-14, rtol=1e-14))


def spearman_brown(icc: float, repeats: float) -> float:
    """Reliability of the mean of ``repeats`` measurements, k * icc / (1 + (k - 1) * icc).

    NaN when the denominator is not positive (a strongly negative ICC).
    """
    below = 1.0 + (repeats - 1.0) * icc
    return repeats * icc / below if below > 0 else _NAN


def repeats_for(icc: float, reliability: float) -> float:
    """Smallest whole number of measurements whose mean has the reliability wanted; NaN when the ICC is not positive.

    Raises
    ------
    InputError
        A reliability outside of 0 to 1.
    """
    if not 0 < reliability < 1:
        raise InputError("a reliability lies between 0 and 1", found=reliability)
    if not icc > 0:
        return _NAN
    exact = reliability * (1.0 - icc) / (icc * (1.0 - reliability))
    return float(max(1, math.ceil(exact * (1.0 - 1e-12))))


def standard_error_of_measurement(sd: float, icc: float) -> float:
    """sd * sqrt(1 - icc), in the unit of ``sd``."""
    return sd * math.sqrt(1.0 - icc) if icc <= 1.0 else _NAN


def smallest_real_difference(sem: float) -> float:
    """Difference between two measurements that 95 % of unchanged persons stay below, 1.96 * sqrt(2) * sem."""
    return 1.96 * math.sqrt(2.0) * sem


def _grouped(values: ArrayLike, groups: ArrayLike | NDArray[Any]) -> _Groups:
    given, labels = np.asarray(values, dtype=np.float64), np.asarray(groups)
    if given.ndim != 1 or labels.shape != given.shape:
        raise InputError(
            "values and groups are one-dimensional and equally long", found=f"{given.shape} and {labels.shape}"
        )
    if bool(np.isinf(given).any()):
        raise InputError("an infinite measurement")
    keep = ~np.isnan(given)
    given, labels = given[keep], labels[keep]
    _, at = np.unique(labels, return_inverse=True)
    size: Floats = np.bincount(at).astype(np.float64)
    mean: Floats = np.bincount(at, weights=given).astype(np.float64) / np.maximum(size, 1.0)
    square: Floats = np.bincount(at, weights=(given - mean[at]) ** 2).astype(np.float64)
    return _Groups(size, mean, square)


def _anova(groups: _Groups, times: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """ICC(1), mean squares and k0 for each row of ``times`` (how often each group counts)."""
    centre = float(groups.size @ groups.mean / groups.size.sum())
    mean = groups.mean - centre
    m, total = times.sum(axis=1), times @ groups.size
    grand = times @ (groups.size * mean) / total
    between = np.maximum(times @ (groups.size * mean**2) - total * grand**2, 0.0) / (m - 1.0)
    free = total - m
    within = np.divide(times @ groups.square, free, out=np.full(len(free), _NAN), where=free > 0)
    k0 = (total - times @ groups.size**2 / total) / (m - 1.0)
    below = between + (k0 - 1.0) * within
    icc = np.divide(between - within, below, out=np.full(len(below), _NAN), where=below > 0)
    return icc, between, within, k0


def _f_interval(
    between: float, within: float, k: float, m: int, total: float, confidence: float
) -> tuple[float, float]:
    from scipy.special import fdtri

    if within <= 0:
        return 1.0, 1.0
    tail = 1.0 - (1.0 - confidence) / 2.0
    ratio, free = between / within, total - m
    low = ratio / float(fdtri(m - 1, free, tail))
    high = ratio * float(fdtri(free, m - 1, tail))
    return (low - 1.0) / (low + k - 1.0), (high - 1.0) / (high + k - 1.0)


def _nothing(groups: int, n: float, reason: str) -> IntraclassCorrelation:
    return IntraclassCorrelation(_NAN, _NAN, _NAN, _NAN, _NAN, _NAN, groups, int(n), _NAN, reason)
