"""A multivariate normal sample with missing values: its parameters, and draws of what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SINGULAR = 1e-8
"""Lowest eigenvalue of the covariance of variables of unit variance that still counts as no collinearity."""


@dataclass(frozen=True)
class SampleWithHoles:
    """A sample (n, p) with NaN where missing, sorted by what is observed."""

    data: Floats

    @cached_property
    def patterns(self) -> tuple[tuple[Mask, NDArray[np.int64]], ...]:
        """Each pattern of observed variables with its rows."""
        return tuple(_patterns(~np.isnan(self.data)))

    def sums(self, times: Floats | None = None) -> tuple[Mask, Floats, Floats, Floats]:
        """Patterns (k, p), persons (k,), sums (k, p) and sums of products (k, p, p); ``times`` rows stand in it."""
        often = np.ones(len(self.data)) if times is None else times
        filled = np.nan_to_num(self.data)
        seen = np.stack([s for s, _ in self.patterns])
        size = np.array([often[rows].sum() for _, rows in self.patterns])
        total = np.stack([often[rows] @ filled[rows] for _, rows in self.patterns])
        products = np.stack([(filled[rows] * often[rows, None]).T @ filled[rows] for _, rows in self.patterns])
        return seen, size, total, products


def expectation_maximisation(
    sample: SampleWithHoles,
    times: Floats | None = None,
    *,
    start: tuple[Floats, Floats] | None = None,
    ridge: float = 0.0,
    tolerance: float = 1e-5,
    steps: int = 2000,
) -> tuple[Floats, Floats]:
    """Maximum likelihood mean and covariance of a multivariate normal sample with holes (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    sample
        (n, p) on comparable scales.
    times
        (n,) how often each row stands in the sample (a bootstrap sample); None: once.
    start
        Mean and covariance to begin with; None: those of the values that are there, without correlation.
    ridge
        Weight of a prior of unit variances and no correlation, as a share of n.
    tolerance
        Largest change of any parameter in the last step.

    Raises
    ------
    InputError
        No convergence, or a covariance that is singular.
    """
    seen, size, total, products = sample.sums(times)
    here = seen.astype(np.float64)
    pairs = here[:, :, None] * here[:, None, :]
    gone = (1.0 - here)[:, :, None] * (1.0 - here)[:, None, :]
    n, p = float(size.sum()), here.shape[1]
    mean, covariance = _available(size, here, total, products) if start is None else start
    for _ in range(steps):
        if float(np.linalg.eigvalsh(covariance).min()) < _SINGULAR:
            raise InputError("markers are collinear: impute fewer of them", expected="fewer markers, or ridge=0.01")
        # Regression of all variables on the observed ones of each pattern, the identity for these themselves.
        inverse = np.linalg.inv(np.where(pairs > 0, covariance, np.eye(p))) * pairs
        across = inverse @ covariance
        regression = np.where(seen[:, None, :], np.eye(p), across)
        left = (covariance - covariance @ across) * gone
        centre = here * mean
        shifted = total - size[:, None] * centre
        about = products - total[:, :, None] * centre[:, None, :] - centre[:, :, None] * shifted[:, None, :]
        change = np.einsum("ki,kij->j", shifted, regression) / n
        spread = (np.swapaxes(regression, 1, 2) @ about @ regression + size[:, None, None] * left).sum(axis=0) / n
        spread -= np.outer(change, change)
        spread = (spread + ridge * np.eye(p)) / (1.0 + ridge)
        spread = (spread + spread.T) / 2.0
        moved = max(float(np.abs(spread - covariance).max()), float(np.abs(change).max()))
        mean, covariance = mean + change, spread
        if moved < tolerance:
            return mean, covariance
    raise InputError(
        f"the imputation model did not settle in {steps} steps: the sample hardly determines it",
        expected="fewer markers, more persons, or ridge=0.01",
    )


def _available(size: Floats, here: Floats, total: Floats, products: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each variable from the values that are there."""
    count = np.maximum(size @ here, 1.0)
    mean = total.sum(axis=0) / count
    squares = np.diagonal(products.sum(axis=0)) / count
    return mean, np.diag(np.maximum(squares - mean**2, _SINGULAR))


def _patterns(known: Mask) -> Iterator[tuple[Mask, NDArray[np.int64]]]:
    """Each pattern of observed variables with the rows that have it."""
    packed = np.ascontiguousarray(np.packbits(known, axis=1))
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inverse.ravel(), minlength=len(first)))
    for k, end in enumerate(ends.tolist()):
        start = ends[k - 1] if k else 0
        yield known[first[k]], order[start:end]


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
