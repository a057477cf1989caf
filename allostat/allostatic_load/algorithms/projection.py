"""Weighted sums of correlated components: what is missing is predicted from what is there."""

from __future__ import annotations

import numpy as np

from allostat.allostatic_load.algorithms.base import Floats, Mask, weighted_sum
from allostat.allostatic_load.algorithms.patterns import masked, patterns_of


def projection_weights(weights: Floats, covariance: Floats, counted: Mask) -> Floats:
    """Weights of the components that count in the prediction of ``sum w_j u_j`` from them.

    For o the components that count and m the others, the best linear prediction (the conditional expectation when the
    components are normal) is ``w_o' u_o + w_m' E[u_m | u_o]``, so the weights of o are ``w_o + S_oo^-1 S_om w_m``.

    Parameters
    ----------
    weights
        (components,) of a complete row.
    covariance
        (components, components) of the reference.
    counted
        (rows, components).

    Returns
    -------
    (rows, components), 0 for what does not count; rows where nothing counts are all 0.
    """
    patterns, which = patterns_of(counted)
    missing = np.where(patterns, 0.0, weights)
    right = np.zeros(patterns.shape)
    # Term by term and not as a product of matrices: a person alone and in a cohort get the same bits.
    for j in range(len(weights)):
        right += missing[:, j, None] * covariance[j]
    right = np.where(patterns, right, 0.0)
    shifted = np.linalg.solve(masked(covariance, patterns), right[:, :, None])[:, :, 0]
    by_pattern = np.where(patterns, weights + shifted, 0.0)
    found: Floats = by_pattern[which]
    return found


def projected(u: Floats, counted: Mask, weights: Floats, mean: Floats, covariance: Floats) -> Floats:
    """(rows,) predicted ``sum w_j (u_j - mean_j)``; NaN where nothing counts. Arguments as `projection_weights`."""
    result = weighted_sum(projection_weights(weights, covariance, counted), u - mean)
    return np.where(counted.any(axis=1), result, np.nan)
