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
    """Equal-tailed interval of a count: smallest counts whose cumulative probability reaches both tails.

    ``p`` as in `poisson_binomial`.
    """
    low, high = count_intervals(p[None, :], np.ones((1, len(p)), dtype=np.bool_), level)
    return float(low[0]), float(high[0])


def count_intervals(p: Floats, counted: NDArray[np.bool_], level: float = 0.95) -> tuple[Floats, Floats]:
    """`count_interval` of many rows at once.

    Parameters
    ----------
    p
        (rows, components) probabilities; only those of ``counted`` are used.
    """
    rows, n = p.shape
    pmf = np.zeros((n + 1, rows))
    pmf[0] = 1.0
    for j in range(n):
        one = np.where(counted[:, j], p[:, j], 0.0)
        other = 1.0 - one
        for k in range(j + 1, 0, -1):
            pmf[k] = pmf[k] * other + pmf[k - 1] * one
        pmf[0] *= other
    cumulative = np.cumsum(pmf, axis=0)
    tail = (1.0 - level) / 2.0
    # Rounding in the sum must not push the upper end past the last possible count.
    last = counted.sum(axis=1)
    low = (cumulative < tail + 1e-12).sum(axis=0)
    high = (cumulative < 1.0 - tail - 1e-12).sum(axis=0)
    return np.minimum(low, last).astype(np.float64), np.minimum(high, last).astype(np.float64)


def standard_error(gradient: Floats, errors: Floats) -> Floats:
    """Delta-method standard error, rows at once: sqrt(sum g^2 se^2); components without error (NaN) add nothing.

    ``gradient`` and ``errors`` are (rows, components); errors of components are independent. NaN where no component
    has a standard error.
    """
    known = ~np.isnan(errors) & (gradient != 0)
    variance = np.zeros(len(gradient))
    # One component after the other, so that a person alone and inside a cohort get the same bits.
    for j in range(gradient.shape[1]):
        variance += np.where(known[:, j], (gradient[:, j] * np.where(known[:, j], errors[:, j], 0.0)) ** 2, 0.0)
    result: Floats = np.where(known.any(axis=1), np.sqrt(variance), np.nan)
    return result
