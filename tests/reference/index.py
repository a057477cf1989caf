"""Indices of one person at a time, by the formula and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pscore(d: Floats, systems: list[list[int]] | None, form: str, *, mean: bool) -> float:
    """Distances that are not NaN: transformed, averaged inside systems when there are any, joined."""
    change = {"square": lambda x: x * x, "abs": abs, "plain": lambda x: x}[form]
    groups = systems or [[j] for j in range(len(d))]
    parts = []
    for group in groups:
        inside = [change(float(d[j])) for j in group if not np.isnan(d[j])]
        if inside:
            parts.append(sum(inside) / len(inside))
    total = sum(parts) / len(parts) if mean else sum(parts)
    return float(np.sqrt(total)) if form == "square" else float(total)


def mahalanobis(d: Floats, matrix: Floats) -> float:
    """``sqrt(d' M^-1 d)`` with the inverse written out."""
    return float(np.sqrt(d @ np.linalg.inv(matrix) @ d))


def mahalanobis_of_components(d: Floats, matrix: Floats, m: int) -> float:
    """Along the m largest principal components of a matrix."""
    values, vectors = np.linalg.eig(matrix)
    order = np.argsort(values)[::-1][:m]
    return float(np.sqrt(sum((d @ vectors[:, k]) ** 2 / values[k] for k in order)))


def predicted(u: Floats, weights: Floats, mean: Floats, covariance: Floats) -> float:
    """``sum w_j (u_j - mean_j)`` with each missing u_j at its expectation given the others."""
    o, m = np.flatnonzero(~np.isnan(u)), np.flatnonzero(np.isnan(u))
    filled = u - mean
    inverse = np.linalg.inv(covariance[np.ix_(o, o)])
    filled[m] = covariance[np.ix_(m, o)] @ inverse @ filled[o]
    return float(weights @ filled)


def expected_load(flags: Floats, slope: Floats, intercept: Floats) -> tuple[float, float]:
    """Mean and standard deviation of the latent load by a fine sum over its density."""
    t = np.linspace(-9, 9, 20001)
    density = np.exp(-0.5 * t * t)
    for u, a, c in zip(flags, slope, intercept, strict=True):
        if not np.isnan(u):
            p = 1.0 / (1.0 + np.exp(-(a * t + c)))
            density = density * p**u * (1 - p) ** (1 - u)
    density /= density.sum()
    mean = float((density * t).sum())
    return mean, float(np.sqrt((density * (t - mean) ** 2).sum()))
