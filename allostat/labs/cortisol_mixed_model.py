"""The linear mixed model of ln cortisol on arrays: likelihood from sums, its maximum, predictions of persons.

The model is y = X b + (u0 + u1 t) of the person + v of the day + e. The day's block of the covariance has a closed-form
inverse and a person's part has rank two, so that the likelihood needs only cross products of each person, which are
made once. Sources: Laird & Ware 1982 (10.2307/2529876) for the model, its (restricted) likelihood and predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CONVERGED_AT = 1e-6
"""A maximum is reached when a further Newton step would lower -2 log likelihood by less than this."""


class Variances(NamedTuple):
    """Variance components: of persons' intercepts and slopes with their covariance, of days, and the residual."""

    intercept: float
    covariance: float
    slope: float
    day: float
    residual: float


class Maximum(NamedTuple):
    """Where the likelihood is highest, and whether it was reached."""

    variances: Variances
    log_likelihood: float
    converged: bool
    steps: int


class Persons(NamedTuple):
    """Predictions of persons, in order of their codes: values with the standard errors of prediction.

    ``reliability`` is the share of the variance between persons' slopes that the person's own data tell.
    """

    intercept: Floats
    intercept_se: Floats
    slope: Floats
    slope_se: Floats
    reliability: Floats


@dataclass(frozen=True)
class Sums:
    """Cross products of (X, y): of each person, and of the day sums of each person by size of the day.

    Parameters
    ----------
    total
        (persons, k, k) with k = columns of X + 1, of all rows of a person.
    by_size
        (sizes, persons, k, k): sum over the person's days of that size of the outer product of the day's column sums.
    sizes, days_of_size
        Samples per day that occur, and how many days have that size.
    n, p, with_day
        Rows, columns of X, and whether days have an effect of their own.
    """

    total: Floats
    by_size: Floats
    sizes: Floats
    days_of_size: Floats
    n: int
    p: int
    with_day: bool


def cross_products(x: Floats, y: Floats, person: Ints, day: Ints, *, with_day: bool) -> Sums:
    """Sums of a design whose first two columns are 1 and the time.

    Parameters
    ----------
    x, y
        (n, p) columns and (n,) outcome.
    person, day
        (n,) codes from 0, ascending; days are numbered through all persons and ascend too.
    """
    both = np.column_stack([x, y])
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    day_starts = np.flatnonzero(np.diff(day, prepend=-1))
    total = np.add.reduceat(both[:, :, None] * both[:, None, :], starts, axis=0)
    columns = np.add.reduceat(both, day_starts, axis=0)
    size_of_day = np.diff(np.append(day_starts, len(y)))
    sizes, which = np.unique(size_of_day, return_inverse=True)
    by_size = np.zeros((len(sizes), *total.shape))
    np.add.at(by_size, (which, person[day_starts]), columns[:, :, None] * columns[:, None, :])
    days = np.bincount(which).astype(np.float64)
    return Sums(total, by_size, sizes.astype(np.float64), days, len(y), x.shape[1], with_day)


class _Solved(NamedTuple):
    """What a set of variance ratios gives: coefficients, their unscaled covariance, and the persons' parts."""

    coefficients: Floats
    covariance: Floats
    residual: float
    minus_two_log_likelihood: float
    shrink: Floats
    crossed: Floats


def _solve(sums: Sums, root: Floats, day_ratio: float, *, restricted: bool) -> _Solved:
    """Generalised least squares and -2 log likelihood for variances in units of the residual variance.

    ``root`` is a lower triangular L with L L' = persons' covariance / residual variance.
    """
    within, day_log_det = _without_persons(sums, day_ratio)
    crossed = within[:, :2, :]
    k = np.eye(2) + root.T @ within[:, :2, :2] @ root
    determinant = k[:, 0, 0] * k[:, 1, 1] - k[:, 0, 1] * k[:, 1, 0]
    inverse = np.empty_like(k)
    inverse[:, 0, 0], inverse[:, 1, 1] = k[:, 1, 1] / determinant, k[:, 0, 0] / determinant
    inverse[:, 0, 1] = inverse[:, 1, 0] = -k[:, 0, 1] / determinant
    shrink = root @ inverse @ root.T
    whole = within.sum(axis=0) - np.einsum("ija,ijk,ikb->ab", crossed, shrink, crossed, optimize=True)
    p = sums.p
    covariance = np.linalg.inv(whole[:p, :p])
    coefficients = covariance @ whole[:p, p]
    freedom = sums.n - p if restricted else sums.n
    residual = float(whole[p, p] - whole[:p, p] @ coefficients) / freedom
    log_det = float(np.log(determinant).sum()) + day_log_det
    value = freedom * (math.log(2.0 * math.pi * residual) + 1.0) + log_det
    if restricted:
        value -= float(np.linalg.slogdet(covariance)[1])
    return _Solved(coefficients, covariance, residual, value, shrink, crossed)


def _without_persons(sums: Sums, day_ratio: float) -> tuple[Floats, float]:
    """Cross products of persons weighted by the inverse covariance of days and residuals, and its log determinant."""
    if not sums.with_day or day_ratio == 0:
        return sums.total, 0.0
    weight = day_ratio / (1.0 + day_ratio * sums.sizes)
    log_det = float(sums.days_of_size @ np.log1p(day_ratio * sums.sizes))
    return sums.total - np.tensordot(weight, sums.by_size, axes=1), log_det


def maximise(sums: Sums, *, restricted: bool = True) -> Maximum:
    """Variances of the highest (restricted) likelihood.

    Notes
    -----
    Quasi-Newton steps on the elements of L and the square root of the day's ratio, which needs no bounds, then Newton
    steps; ``converged`` says whether a further Newton step would change -2 log likelihood by less than
    `CONVERGED_AT`.
    """
    from scipy.optimize import minimize

    def objective(theta: Floats) -> float:
        return _at(sums, theta, restricted=restricted).minus_two_log_likelihood

    def per_sample(theta: Floats) -> float:
        # differences stand above rounding whatever the size of the study
        return objective(theta) / sums.n

    start = np.array([1.0, 0.0, 0.3, 0.5])[: 4 if sums.with_day else 3]
    found = minimize(per_sample, start, method="BFGS", options={"gtol": 1e-5, "maxiter": 200})
    theta, decrease, steps = np.asarray(found.x, dtype=np.float64), math.inf, int(found.nit)
    for _ in range(20):
        theta, decrease = _newton(objective, theta)
        steps += 1
        if decrease < CONVERGED_AT:
            break
    solved = _at(sums, theta, restricted=restricted)
    return Maximum(
        _variances(theta, solved.residual), -solved.minus_two_log_likelihood / 2.0, decrease < CONVERGED_AT, steps
    )


def _at(sums: Sums, theta: Floats, *, restricted: bool) -> _Solved:
    root = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    return _solve(sums, root, float(theta[3]) ** 2 if sums.with_day else 0.0, restricted=restricted)


def _variances(theta: Floats, residual: float) -> Variances:
    a, b, c = (float(v) for v in theta[:3])
    day = float(theta[3]) ** 2 if len(theta) > 3 else 0.0
    return Variances(*(residual * v for v in (a * a, a * b, b * b + c * c, day, 1.0)))


def _newton(objective: Callable[[Floats], float], theta: Floats) -> tuple[Floats, float]:
    """One safeguarded Newton step downwards, and the decrease that the quadratic model promises from there on."""
    here = objective(theta)
    gradient, hessian = derivatives(objective, theta, np.full(len(theta), 1e-4))
    values, vectors = np.linalg.eigh(hessian)
    along = vectors.T @ gradient
    floor = 1e-6 * max(float(np.abs(values).max()), 1e-12)
    step = -vectors @ (along / np.maximum(np.abs(values), floor))
    # a flat direction at the edge of the parameters (a variance of zero) promises nothing
    promised = float(0.5 * (along**2 / np.maximum(np.abs(values), floor)).sum())
    if promised < CONVERGED_AT:
        return theta, promised
    for _ in range(30):
        if objective(theta + step) < here:
            return theta + step, promised
        step = step / 2.0
    return theta, promised


def derivatives(objective: Callable[[Floats], float], at: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Gradient and matrix of second derivatives by central differences of the given widths."""
    n = len(at)
    here = objective(at)
    moves = np.diag(widths)
    up = np.array([objective(at + m) for m in moves])
    down = np.array([objective(at - m) for m in moves])
    hessian = np.diag((up - 2.0 * here + down) / widths**2)
    for i in range(n):
        for j in range(i):
            mixed = (
                objective(at + moves[i] + moves[j]) - up[i] - up[j] + 2.0 * here
                - down[i] - down[j] + objective(at - moves[i] - moves[j])
            )  # fmt: skip
            hessian[i, j] = hessian[j, i] = mixed / (2.0 * widths[i] * widths[j])
    return (up - down) / (2.0 * widths), hessian


def log_likelihood(sums: Sums, variances: Variances, *, restricted: bool = True) -> float:
    """(Restricted) log likelihood at given variances, the residual variance included (not profiled)."""
    solved = _given(sums, variances, restricted=restricted)
    freedom = sums.n - sums.p if restricted else sums.n
    residual = variances.residual
    profiled = freedom * (math.log(2.0 * math.pi * solved.residual) + 1.0)
    actual = freedom * (math.log(2.0 * math.pi * residual) + solved.residual / residual)
    return -(solved.minus_two_log_likelihood - profiled + actual) / 2.0


def _given(sums: Sums, variances: Variances, *, restricted: bool) -> _Solved:
    """The solution for given variances; a covariance of persons that is not positive definite is made just so."""
    scale = variances.residual
    a = math.sqrt(max(variances.intercept / scale, 0.0))
    b = variances.covariance / scale / a if a > 0 else 0.0
    c = math.sqrt(max(variances.slope / scale - b * b, 0.0))
    return _solve(sums, np.array([[a, 0.0], [b, c]]), variances.day / scale, restricted=restricted)


def variance_errors(sums: Sums, variances: Variances, *, restricted: bool = True) -> Floats:
    """Standard errors of the five variances from the observed information; NaN at the edge of the parameters."""
    free = np.array([True, True, True, sums.with_day, True])
    given = np.array(variances)
    errors = np.full(5, math.nan)
    limit = math.sqrt(variances.intercept * variances.slope)
    inside = (
        variances.intercept > 0
        and variances.slope > 0
        and abs(variances.covariance) < 0.999 * limit
        and (variances.day > 1e-6 * variances.residual or not sums.with_day)
    )
    if not inside:
        return errors

    def objective(values: Floats) -> float:
        whole = given.copy()
        whole[free] = values
        return -log_likelihood(sums, Variances(*whole), restricted=restricted)

    widths = 1e-3 * np.where(free, np.abs(given), 1.0)
    widths[1] = 1e-3 * min(limit, limit - abs(variances.covariance))
    _, hessian = derivatives(objective, given[free], widths[free])
    if float(np.linalg.eigvalsh(hessian).min()) > 0:
        errors[free] = np.sqrt(np.diag(np.linalg.inv(hessian)))
    return errors


def fixed_effects(sums: Sums, variances: Variances) -> tuple[Floats, Floats]:
    """Coefficients by generalised least squares and their covariance, for given variances."""
    solved = _given(sums, variances, restricted=True)
    return solved.coefficients, solved.covariance * variances.residual


def predict_persons(sums: Sums, variances: Variances) -> Persons:
    """Best linear unbiased predictions of every person's intercept and slope, for given variances.

    Notes
    -----
    The standard error is that of prediction: the person's own uncertainty and that of the coefficients together.
    """
    solved = _given(sums, variances, restricted=True)
    p = sums.p
    score = solved.crossed[:, :, p] - solved.crossed[:, :, :p] @ solved.coefficients
    deviation = np.einsum("ijk,ik->ij", solved.shrink, score)
    pulled = np.einsum("ija,ijk->ika", solved.crossed[:, :, :p], solved.shrink)
    found = []
    for which in (0, 1):
        contrast = -pulled[:, which, :]
        contrast[:, which] += 1.0
        spread = solved.shrink[:, which, which] + np.einsum(
            "ia,ab,ib->i", contrast, solved.covariance, contrast, optimize=True
        )
        found += [solved.coefficients[which] + deviation[:, which], np.sqrt(variances.residual * spread)]
    own = variances.residual * solved.shrink[:, 1, 1]
    reliability = 1.0 - own / variances.slope if variances.slope > 0 else np.zeros(len(own))
    return Persons(found[0], found[1], found[2], found[3], reliability)
