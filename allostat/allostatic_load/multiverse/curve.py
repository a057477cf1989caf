"""The specification curve: one model of the outcome for every specification (Simonsohn, Simmons & Nelson 2020,
10.1038/s41562-020-0912-z)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

Model = Literal["linear", "logistic"]

PERSONS_PER_TERM = 10
"""A model with fewer persons (logistic: fewer events or non-events) per term is not fitted. A convention."""
Z_95 = 1.959963984540054
COLLINEAR_SHARE = 1e-9
"""A score of whose variance the covariates leave less than this share has no effect of its own."""
_STEPS = 50
_SEPARATED = 30.0
"""A log-odds beyond this speaks of separation: the estimate does not exist."""


class EffectStatus(IntEnum):
    """Why a specification has an effect or not."""

    OK = 0
    TOO_FEW_PERSONS = 1
    SCORE_CONSTANT = 2
    OUTCOME_CONSTANT = 3
    COLLINEAR = 4
    NOT_CONVERGED = 5


@dataclass(frozen=True)
class Outcome:
    """The outcome and the covariates of every participant.

    Parameters
    ----------
    name
        Column that it came from.
    model
        ``linear``: least squares; ``logistic``: maximum likelihood, the outcome is 0 or 1.
    y
        (participants,), NaN unknown.
    covariates
        (participants, terms), NaN unknown.
    terms
        Names of the columns of ``covariates``.
    """

    name: str
    model: Model
    y: Floats
    covariates: Floats
    terms: tuple[str, ...]

    @property
    def known(self) -> Mask:
        """Who has the outcome and all covariates."""
        there: Mask = ~np.isnan(self.y) & ~np.isnan(self.covariates).any(axis=1)
        return there


@dataclass(frozen=True)
class Effects:
    """Effect of the index per standard deviation, (specifications,) each; NaN with a reason in ``status``."""

    effect: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    n: NDArray[np.int64]
    status: NDArray[np.int8]


def fitted_effects(scores: Floats, outcome: Outcome) -> Effects:
    """The same model for every specification.

    Parameters
    ----------
    scores
        (specifications, participants), NaN where not scored. Each specification is standardised over the persons that
        its model uses.

    Notes
    -----
    Linear: ordinary least squares with the t distribution. Logistic: maximum likelihood, Wald interval.
    """
    from scipy.special import stdtrit

    count = len(scores)
    estimate, se, p = (np.full(count, math.nan) for _ in range(3))
    width = np.full(count, Z_95)
    used = np.zeros(count, dtype=np.int64)
    status = np.zeros(count, dtype=np.int8)
    for at, rows in patterns(~np.isnan(scores) & outcome.known):
        y, c = outcome.y[at], outcome.covariates[at]
        used[rows] = len(at)
        reason = _unfit(y, c, outcome.model)
        if reason != EffectStatus.OK:
            status[rows] = reason
            continue
        basis = spanned(c)
        width[rows] = stdtrit(len(at) - basis.shape[1] - 1, 0.975) if outcome.model == "linear" else Z_95
        for row in rows.tolist():
            x = scores[row, at]
            if np.ptp(x) <= 1e-12 * np.abs(x).max():
                status[row] = EffectStatus.SCORE_CONSTANT
                continue
            fit = _least_squares if outcome.model == "linear" else _logistic
            estimate[row], se[row], p[row], status[row] = fit(standardised(x), y, basis)
    return Effects(estimate, se, estimate - width * se, estimate + width * se, p, used, status)


def patterns(used: Mask) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Distinct sets of persons and the specifications that use each, both as numbers."""
    rows: dict[bytes, list[int]] = {}
    for number, mask in enumerate(used):
        rows.setdefault(np.packbits(mask).tobytes(), []).append(number)
    return [(np.flatnonzero(used[numbers[0]]), np.array(numbers, dtype=np.int64)) for numbers in rows.values()]


def _unfit(y: Floats, c: Floats, model: Model) -> EffectStatus:
    """Why a model cannot be fitted to these persons."""
    if not len(y):
        return EffectStatus.TOO_FEW_PERSONS
    if np.ptp(y) == 0:
        return EffectStatus.OUTCOME_CONSTANT
    fewest = len(y) if model == "linear" else int(min((y == 1).sum(), (y == 0).sum()))
    return EffectStatus.TOO_FEW_PERSONS if fewest < PERSONS_PER_TERM * (c.shape[1] + 1) else EffectStatus.OK


def spanned(c: Floats) -> Floats:
    """Orthonormal columns that span the constant and the covariates (persons, terms)."""
    centred = c - c.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    varied = length > 1e-9 * np.maximum(np.sqrt((c**2).sum(axis=0)), 1e-300)
    u, s, _ = np.linalg.svd(centred[:, varied] / length[varied], full_matrices=False)
    constant = np.full((len(c), 1), 1.0 / math.sqrt(len(c)))
    return np.concatenate([constant, u[:, s > 1e-9]], axis=1)


def standardised(x: Floats) -> Floats:
    """Mean 0 and standard deviation (n - 1) 1."""
    result: Floats = (x - x.mean()) / x.std(ddof=1)
    return result


def _least_squares(z: Floats, y: Floats, basis: Floats) -> tuple[float, float, float, int]:
    """Effect, standard error and p value, covariates swept out first (Frisch & Waugh 1933)."""
    from scipy.special import stdtr

    rest = z - basis @ (basis.T @ z)
    own = float(rest @ rest)
    if own < COLLINEAR_SHARE * len(z):
        return math.nan, math.nan, math.nan, EffectStatus.COLLINEAR
    unexplained = y - basis @ (basis.T @ y)
    effect = float(rest @ unexplained) / own
    left = unexplained - effect * rest
    freedom = len(z) - basis.shape[1] - 1
    se = math.sqrt(float(left @ left) / freedom / own)
    p = float(2.0 * stdtr(freedom, -abs(effect / se))) if se > 0 else 0.0
    return effect, se, p, EffectStatus.OK


def _logistic(z: Floats, y: Floats, basis: Floats) -> tuple[float, float, float, int]:
    """Log-odds per standard deviation by Newton's method, its standard error and Wald p value."""
    from scipy.special import ndtr

    rest = z - basis @ (basis.T @ z)
    if float(rest @ rest) < COLLINEAR_SHARE * len(z):
        return math.nan, math.nan, math.nan, EffectStatus.COLLINEAR
    design = np.concatenate([rest[:, None], basis * math.sqrt(len(z))], axis=1)
    beta, information = logistic_fit(design, y)
    if information is None:
        return math.nan, math.nan, math.nan, EffectStatus.NOT_CONVERGED
    se = math.sqrt(float(np.linalg.inv(information)[0, 0]))
    return float(beta[0]), se, float(2.0 * ndtr(-abs(beta[0] / se))), EffectStatus.OK


def logistic_fit(design: Floats, y: Floats) -> tuple[Floats, Floats | None]:
    """Coefficients of a logistic model and their information; None where there is no maximum (separation)."""
    from scipy.special import expit

    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        fitted = expit(design @ beta)
        information = design.T @ (design * (fitted * (1.0 - fitted))[:, None])
        step = np.linalg.solve(information, design.T @ (y - fitted))
        beta += step
        if np.abs(beta).max() > _SEPARATED:
            break
        if np.abs(step).max() < 1e-10:
            return beta, information
    return beta, None
