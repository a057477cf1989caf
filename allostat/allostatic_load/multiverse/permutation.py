"""Is the whole specification curve more than chance? The outcome is dealt out again at random, many times.

All specifications get the same deal, so that their likeness to each other is kept (Simonsohn, Simmons & Nelson 2020,
10.1038/s41562-020-0912-z). What is dealt is the outcome's residual from the covariates (Freedman & Lane 1983,
10.1080/07350015.1983.10509354): exact without covariates, approximate with them. A logistic model is not fitted anew: its
effect is the first step of Newton's method from the model without the index, which is linear in the outcome.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.multiverse.curve import (
    COLLINEAR_SHARE,
    Z_95,
    Effects,
    EffectStatus,
    Outcome,
    logistic_fit,
    patterns,
    spanned,
    standardised,
)

Floats = NDArray[np.float64]

_AT_ONCE = 100
"""Deals that are held in memory together."""


@dataclass(frozen=True)
class Permutations:
    """What the curve looks like when the outcome is dealt out at random.

    Parameters
    ----------
    median
        (permutations,) median effect over specifications.
    p_median
        Share of permutations (with the data themselves as one of them) whose median lies at least as far from 0.
    p_significant
        Share whose number of significant specifications of one sign is at least as large.
    """

    median: Floats
    observed_median: float
    p_median: float
    p_significant: float


@dataclass(frozen=True)
class _Linearised:
    """Effects of all specifications as linear functions of the outcome's residual.

    ``effect = slope @ residual`` with ``slope`` (specifications, persons); ``own`` is the information of each effect,
    ``groups`` the specifications that use the same persons with what the residuals are swept of.
    """

    slope: Floats
    own: Floats
    groups: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]
    residual: Floats
    weight: Floats


def permuted_curve(scores: Floats, outcome: Outcome, effects: Effects, *, permutations: int, seed: int) -> Permutations:
    """The curve under random outcomes.

    Parameters
    ----------
    scores
        (specifications, participants) as for `fitted_effects`, whose result ``effects`` is.
    """
    fitted = np.flatnonzero(effects.status == EffectStatus.OK)
    persons = np.flatnonzero(outcome.known)
    if not len(fitted) or not permutations:
        return Permutations(np.full(permutations, math.nan), math.nan, math.nan, math.nan)
    linear = _linearised(scores[np.ix_(fitted, persons)], outcome, persons)
    median, count = _curve(linear, linear.residual[:, None], outcome)
    rng = np.random.default_rng(seed)
    medians, counts = np.empty(permutations), np.empty(permutations)
    for start in range(0, permutations, _AT_ONCE):
        stop = min(start + _AT_ONCE, permutations)
        dealt = np.stack([rng.permutation(linear.residual) for _ in range(start, stop)], axis=1)
        medians[start:stop], counts[start:stop] = _curve(linear, dealt, outcome)
    # Rounding must not tell a deal that repeats the data from the data.
    least = abs(median[0]) * (1.0 - 1e-12)
    return Permutations(
        medians,
        float(median[0]),
        float((1 + (np.abs(medians) >= least).sum()) / (permutations + 1)),
        float((1 + (counts >= count[0]).sum()) / (permutations + 1)),
    )


def _linearised(scores: Floats, outcome: Outcome, persons: NDArray[np.int64]) -> _Linearised:
    y, c = outcome.y[persons], outcome.covariates[persons]
    basis = spanned(c)
    if outcome.model == "linear":
        residual, weight = y - basis @ (basis.T @ y), np.ones(len(y))
    else:
        from scipy.special import expit

        scale = math.sqrt(len(y))
        beta, _ = logistic_fit(basis * scale, y)
        fitted = expit(basis * scale @ beta)
        residual, weight = y - fitted, fitted * (1.0 - fitted)
    slope, own = np.zeros(scores.shape), np.zeros(len(scores))
    groups = []
    for at, rows in patterns(~np.isnan(scores)):
        root = np.sqrt(weight[at])
        within, _ = np.linalg.qr(spanned(c[at]) * root[:, None])
        z = np.stack([standardised(scores[row, at]) for row in rows]) * root
        rest = z - (z @ within) @ within.T
        own[rows] = np.maximum((rest**2).sum(axis=1), COLLINEAR_SHARE)
        slope[np.ix_(rows, at)] = rest / root / own[rows, None]
        groups.append((at, rows, within))
    return _Linearised(slope, own, groups, residual, weight)


def _curve(linear: _Linearised, residuals: Floats, outcome: Outcome) -> tuple[Floats, Floats]:
    """Median effect and largest number of significant effects of one sign, for each column of residuals."""
    effect = linear.slope @ residuals
    error = np.broadcast_to(1.0 / np.sqrt(linear.own)[:, None], effect.shape)
    width = np.full(len(effect), Z_95)
    if outcome.model == "linear":
        from scipy.special import stdtrit

        error = np.empty(effect.shape)
        for at, rows, within in linear.groups:
            here = residuals[at]
            swept = (here**2).sum(axis=0) - ((within.T @ here) ** 2).sum(axis=0)
            freedom = len(at) - within.shape[1] - 1
            left = np.maximum(swept - effect[rows] ** 2 * linear.own[rows, None], 0.0)
            error[rows] = np.sqrt(left / freedom / linear.own[rows, None])
            width[rows] = stdtrit(freedom, 0.975)
    beyond = np.abs(effect) > width[:, None] * error
    count = np.maximum((beyond & (effect > 0)).sum(axis=0), (beyond & (effect < 0)).sum(axis=0))
    return np.median(effect, axis=0), count.astype(np.float64)
