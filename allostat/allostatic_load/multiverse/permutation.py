"""Is the whole specification curve more than chance? The outcome is dealt out again at random, many times.

All specifications get the same deal, so that their likeness to each other is kept (Simonsohn, Simmons & Nelson 2020,
10.1038/s41562-020-0912-z). What is dealt is the outcome's residual from the covariates (Freedman & Lane 1983,
10.1080/07350015.1983.10509354): exact without covariates, approximate with them. A logistic model is not fitted anew:
its effect is the first step of Newton's method from the model without the index, which is linear in the outcome.
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

    ``effect = slope @ residual`` with ``slope`` (specifications, persons); ``own`` is the information of each effect.
    ``group`` numbers the set of persons that each specification uses: ``used`` (groups, persons), and ``swept``, the
    orthonormal rows that each group's residuals are swept of, ``width`` of them per group (filled up with zeros).
    ``freedom`` is that of each group's model.
    """

    slope: Floats
    own: Floats
    group: NDArray[np.int64]
    used: Floats
    swept: Floats
    freedom: Floats
    residual: Floats


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
    residual, weight = _without_index(y, c, outcome)
    slope, own = np.zeros(scores.shape), np.zeros(len(scores))
    group = np.zeros(len(scores), dtype=np.int64)
    sets = patterns(~np.isnan(scores))
    width = c.shape[1] + 1
    used, swept = np.zeros((len(sets), len(y))), np.zeros((len(sets) * width, len(y)))
    freedom = np.zeros(len(sets))
    for number, (at, rows) in enumerate(sets):
        root = np.sqrt(weight[at])
        within, _ = np.linalg.qr(spanned(c[at]) * root[:, None])
        z = np.stack([standardised(scores[row, at]) for row in rows]) * root
        rest = z - (z @ within) @ within.T
        own[rows] = np.maximum((rest**2).sum(axis=1), COLLINEAR_SHARE)
        slope[np.ix_(rows, at)] = rest / root / own[rows, None]
        group[rows], used[number, at], freedom[number] = number, 1.0, len(at) - within.shape[1] - 1
        swept[number * width : number * width + within.shape[1], at] = within.T
    return _Linearised(slope, own, group, used, swept, freedom, residual)


def _without_index(y: Floats, c: Floats, outcome: Outcome) -> tuple[Floats, Floats]:
    """Residual of the model without the index, and the weight of each person in it."""
    basis = spanned(c)
    if outcome.model == "linear":
        return y - basis @ (basis.T @ y), np.ones(len(y))
    from scipy.special import expit

    scaled = basis * math.sqrt(len(y))
    beta, _ = logistic_fit(scaled, y)
    fitted = expit(scaled @ beta)
    return y - fitted, fitted * (1.0 - fitted)


def _curve(linear: _Linearised, residuals: Floats, outcome: Outcome) -> tuple[Floats, Floats]:
    """Median effect and largest number of significant effects of one sign, for each column of residuals."""
    effect = linear.slope @ residuals
    if outcome.model == "logistic":
        beyond = effect**2 * linear.own[:, None] > Z_95**2
    else:
        from scipy.special import stdtrit

        groups = len(linear.used)
        explained = (linear.swept @ residuals).reshape(groups, -1, residuals.shape[1])
        left = (linear.used @ residuals**2 - (explained**2).sum(axis=1))[linear.group]
        # t = effect / se, with se^2 = (left - effect^2 own) / freedom / own.
        fitted = effect**2 * linear.own[:, None]
        limit = stdtrit(linear.freedom, 0.975)[linear.group, None] ** 2
        beyond = fitted * linear.freedom[linear.group, None] > limit * np.maximum(left - fitted, 0.0)
    count = np.maximum((beyond & (effect > 0)).sum(axis=0), (beyond & (effect < 0)).sum(axis=0))
    return np.median(effect, axis=0), count.astype(np.float64)
