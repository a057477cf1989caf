"""Uncertainty of an index from the standard errors of its components (independent unless said otherwise)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z_95 = 1.959963984540054


def poisson_binomial(p: Floats) -> Floats:
    """Distribution of the number of successes of independent trials.

    Parameters
    ----------
    p
        (n,) probabilities without NaN.

    Returns
    -------
    (n + 1,) probabilities of 0, 1, ... n successes, by the exact recursion over trials.
    """
    pmf = np.zeros(len(p) + 1)
    pmf[0] = 1.0
    for i, one in enumerate(p):
        pmf[1 : i + 2] = pmf[1 : i + 2] * (1.0 - one) + pmf[: i + 1] * one
        pmf[0] *= 1.0 - one
    return pmf


def count_interval(p: Floats, level: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of a count: smallest counts whose cumulative probability reaches both tails."""
    cumulative = np.cumsum(poisson_binomial(p))
    tail = (1.0 - level) / 2.0
    # Rounding in the sum must not push the upper end past the last possible count.
    low = int(np.searchsorted(cumulative, tail + 1e-12))
    high = int(np.searchsorted(cumulative, 1.0 - tail - 1e-12))
    return float(min(low, len(p))), float(min(high, len(p)))


def linear_standard_error(weights: Floats, errors: Floats) -> Floats:
    """Standard error of weighted sums, rows at once: sqrt(sum w^2 se^2); components without error (NaN) add nothing.

    NaN where no component has a standard error.
    """
    known = ~np.isnan(errors) & (weights != 0)
    variance = np.zeros(len(weights))
    # One component after the other, so that a person alone and inside a cohort get the same bits.
    for j in range(weights.shape[1]):
        variance += np.where(known[:, j], (weights[:, j] * np.where(known[:, j], errors[:, j], 0.0)) ** 2, 0.0)
    result: Floats = np.where(known.any(axis=1), np.sqrt(variance), np.nan)
    return result
