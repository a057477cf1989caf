"""A multivariate normal sample with missing values: its parameters, and draws of what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _patterns(known: Mask) -> Iterator[tuple[Mask, NDArray[np.int64]]]:
    """Each pattern of observed variables with the rows that have it."""
    packed = np.ascontiguousarray(np.packbits(known, axis=1))
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inverse.ravel(), minlength=len(first)))
    for k, end in enumerate(ends.tolist()):
        start = ends[k - 1] if k else 0
        yield known[first[k]], order[start:end]


def expectation_maximisation(
    data: Floats, *, ridge: float = 0.0, tolerance: float = 1e-5, steps: int = 2000
) -> tuple[Floats, Floats]:
    """Maximum likelihood mean and covariance of a multivariate normal sample with holes (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    data
        (n, p), NaN missing, on comparable scales.
    ridge
        Weight of a prior of unit variances and no correlation, as a share of n.
    tolerance
        Largest change of any parameter in the last step.

    Raises
    ------
    InputError
        No convergence, or a covariance that is singular.
    """
    n, p = data.shape
    known = ~np.isnan(data)
    filled = np.where(known, data, 0.0)
    mean = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    spread = np.where(known, data - mean, 0.0)
    covariance = np.diag((spread**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    patterns = [(seen, data[rows][:, seen]) for seen, rows in _patterns(known)]
    for _ in range(steps):
        total, products = np.zeros(p), np.zeros((p, p))
        for seen, x in patterns:
            full, extra = _expected(x, seen, mean, covariance)
            total += full.sum(axis=0)
            products += full.T @ full
            products[np.ix_(~seen, ~seen)] += len(x) * extra
        new_mean = total / n
        new = products / n - np.outer(new_mean, new_mean)
        new = (new + ridge * np.eye(p)) / (1.0 + ridge)
        change = max(float(np.abs(new - covariance).max()), float(np.abs(new_mean - mean).max()))
        mean, covariance = new_mean, (new + new.T) / 2.0
        if change < tolerance:
            if float(np.linalg.eigvalsh(covariance).min()) < 1e-8:
                raise InputError("markers are collinear: impute fewer of them", expected="fewer markers, or ridge=0.01")
            return mean, covariance
    raise InputError(
        f"the imputation model did not settle in {steps} steps: the sample hardly determines it",
        expected="fewer markers, more persons, or ridge=0.01",
    )


def _expected(x: Floats, seen: Mask, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Rows of one pattern with their expected missing values, and the covariance of what is missing."""
    full = np.empty((len(x), len(mean)))
    full[:, seen] = x
    if seen.all():
        return full, np.zeros((0, 0))
    coefficients, left = _regression(seen, covariance)
    full[:, ~seen] = mean[~seen] + (x - mean[seen]) @ coefficients
    return full, left


def _regression(seen: Mask, covariance: Floats) -> tuple[Floats, Floats]:
    """Regression of missing variables on observed ones: coefficients (observed, missing) and residual covariance."""
    missing = covariance[np.ix_(~seen, ~seen)]
    if not seen.any():
        return np.zeros((0, len(missing))), missing
    across = covariance[np.ix_(seen, ~seen)]
    try:
        coefficients = np.asarray(np.linalg.solve(covariance[np.ix_(seen, seen)], across), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "markers are collinear: impute fewer of them", expected="fewer markers, or ridge=0.01"
        ) from error
    left: Floats = missing - across.T @ coefficients
    return coefficients, left


def conditional_draws(data: Floats, mean: Floats, covariance: Floats, noise: Floats) -> Floats:
    """Rows with their missing values drawn from the normal distribution given the observed ones.

    ``noise`` (rows, variables) are independent standard normal numbers; those of the missing variables are used.
    """
    known = ~np.isnan(data)
    drawn = data.copy()
    for seen, rows in _patterns(known) if len(data) else ():
        if seen.all():
            continue
        coefficients, left = _regression(seen, covariance)
        values, vectors = np.linalg.eigh(left)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        here = data[rows][:, seen] - mean[seen]
        expected = _product(here, coefficients) + mean[~seen]
        drawn[np.ix_(rows, ~seen)] = expected + _product(noise[rows][:, ~seen], root.T)
    return drawn


def _product(rows: Floats, matrix: Floats) -> Floats:
    """Matrix product term by term, so that a person alone and inside a cohort get the same bits."""
    total = np.zeros((len(rows), matrix.shape[1]))
    for i in range(matrix.shape[0]):
        total += rows[:, i, None] * matrix[i]
    return total
