"""Maximum-likelihood factor models of a correlation matrix: one factor, second-order, bifactor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms.base import Floats
from allostat.errors import InputError

SMALLEST_UNIQUENESS = 0.005
"""Lower bound of a uniqueness as a share of its marker's variance; a model that rests on it is a Heywood case."""
_LARGEST_GAMMA = math.sqrt(1.0 - SMALLEST_UNIQUENESS)
_STARTS = 5
_ITERATIONS = 500
_SEED = 20260101


@dataclass(frozen=True)
class Structure:
    """Implied correlations and their derivatives as a function of parameters.

    ``implied(theta)`` gives the (p, p) matrix and (parameters, p, p) derivatives; ``general(theta)`` the (p,)
    covariance of each marker with the general factor, whose variance is 1; ``start`` one set of starting values;
    ``low`` and ``high`` the bounds; ``split(theta)`` the parameters by name.
    """

    implied: Callable[[Floats], tuple[Floats, Floats]]
    general: Callable[[Floats], Floats]
    split: Callable[[Floats], dict[str, Floats]]
    start: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class FactorFit:
    """A fitted factor model, markers in units of their standard deviation.

    ``chi2`` has ``df`` degrees of freedom; ``gradient`` is the largest derivative at a parameter that is not on its
    bound; ``starts_agreeing`` of ``starts`` reached the same minimum; ``heywood`` holds the numbers of the markers
    whose uniqueness is on its bound.
    """

    general: Floats
    implied: Floats
    parameters: dict[str, Floats]
    chi2: float
    df: int
    cfi: float
    rmsea: float
    srmr: float
    gradient: float
    starts_agreeing: int
    heywood: tuple[int, ...]
    starts: int = _STARTS


def fit_factor_model(
    correlation: Floats, n: int, structure: str, system_of: Sequence[int], *, where: str = "factor model"
) -> FactorFit:
    """Minimise ``ln|S| + tr(R S^-1) - ln|R| - p`` over the parameters of S (normal-theory maximum likelihood).

    Parameters
    ----------
    correlation
        R, (p, p), positive definite.
    n
        Persons behind it: chi-squared is n times the minimum.
    structure
        ``one_factor``; ``second_order``: one factor for each system and one behind these; ``bifactor``: a general
        factor, and one for each system with two markers or more (with two, equal loadings), all uncorrelated.
    system_of
        (p,) number of each marker's system.

    Raises
    ------
    InputError
        A model with more parameters than correlations or that the data do not identify; no convergence.

    Notes
    -----
    Several starts, each by damped Fisher scoring within bounds. CFI, RMSEA and SRMR as usual: against
    the model of no correlations, with n in the denominator, and over the lower triangle with the diagonal.
    """
    p = len(correlation)
    model = _structure(correlation, structure, np.asarray(system_of), where)
    df = p * (p + 1) // 2 - len(model.start)
    if df < 0:
        raise InputError(
            "factor model has more parameters than there are correlations", where=where, found=len(model.start),
            expected=f"no more than {p * (p + 1) // 2}: more markers, or a simpler structure",
        )  # fmt: skip
    rng = np.random.default_rng(_SEED)
    found: list[tuple[float, Floats, float]] = []
    for k in range(_STARTS):
        noise = rng.uniform(-0.3, 0.3, len(model.start)) if k else 0.0
        found.append(_minimise(correlation, model, np.clip(model.start + noise, model.low, model.high)))
    converged = [one for one in found if one[2] < 1e-6]
    if not converged:
        raise InputError(
            "factor model did not converge", where=where, found=f"gradient {min(one[2] for one in found):.2g}",
            expected="fewer or other markers, more persons, or a simpler structure",
        )  # fmt: skip
    best = min(converged, key=lambda one: one[0])
    _check_identified(model, best[1], where)
    general = model.general(best[1])
    implied, _ = model.implied(best[1])
    parameters = model.split(best[1])
    unique = parameters["uniquenesses"]
    chi2, df0 = n * max(best[0], 0.0), p * (p - 1) // 2
    excess, excess0 = max(chi2 - df, 0.0), max(-n * float(np.linalg.slogdet(correlation)[1]) - df0, 0.0)
    residual = (correlation - implied)[np.tril_indices(p)]
    return FactorFit(
        general=general,
        implied=implied,
        parameters=parameters,
        chi2=chi2,
        df=df,
        cfi=1.0 - excess / max(excess, excess0) if max(excess, excess0) > 0 else 1.0,
        rmsea=math.sqrt(excess / (df * n)) if df else 0.0,
        srmr=float(np.sqrt((residual**2).mean())),
        gradient=best[2],
        starts_agreeing=sum(one[0] < best[0] + 1e-8 for one in converged),
        heywood=tuple(np.flatnonzero((unique > 0) & (unique <= SMALLEST_UNIQUENESS * (1 + 1e-9))).tolist()),
    )


def _discrepancy(r: Floats, model: Structure, theta: Floats) -> tuple[float, Floats, Floats]:
    """Value, gradient and expected second derivatives; infinity where the implied matrix is not positive definite."""
    sigma, derivatives = model.implied(theta)
    try:
        lower = np.linalg.cholesky(sigma)
    except np.linalg.LinAlgError:
        return math.inf, np.zeros(len(theta)), np.eye(len(theta))
    inverse = np.linalg.inv(lower)
    inverse = inverse.T @ inverse
    value = 2.0 * np.log(np.diag(lower)).sum() + (r * inverse).sum() - np.linalg.slogdet(r)[1] - len(r)
    slope = inverse @ (sigma - r) @ inverse
    gradient = np.einsum("ij,aij->a", slope, derivatives)
    half = inverse @ derivatives
    information = np.einsum("aij,bji->ab", half, half)
    return float(value), gradient, information


def _minimise(r: Floats, model: Structure, start: Floats) -> tuple[float, Floats, float]:
    """Minimum, parameters, and the largest derivative at a parameter that may still move.

    Fisher scoring with Levenberg's damping; parameters that their derivative presses against a bound stay there.
    """
    theta, damping = start, 1e-2
    value, gradient, information = _discrepancy(r, model, theta)
    for _ in range(_ITERATIONS):
        free = _free(model, theta, gradient)
        steepest = float(np.abs(gradient[free]).max(initial=0.0))
        if steepest < 1e-12 or damping > 1e8:
            break
        moved = theta + _step(model, theta, gradient, information, free, damping)
        tried = _discrepancy(r, model, moved)
        # Next to the minimum rounding hides that the value falls; the derivative still tells.
        level = abs(tried[0] - value) <= 1e-13 * (1.0 + abs(value))
        if tried[0] < value and not level:
            better = True
        else:
            still_free = _free(model, moved, tried[1])
            better = level and float(np.abs(tried[1][still_free]).max(initial=0.0)) < steepest
        if better:
            theta, (value, gradient, information) = moved, tried
            damping = max(damping * 0.1, 1e-12)
        else:
            damping *= 10.0
    free = _free(model, theta, gradient)
    return value, theta, float(np.abs(gradient[free]).max(initial=0.0))


def _step(
    model: Structure, theta: Floats, gradient: Floats, information: Floats, free: NDArray[np.bool_], damping: float
) -> Floats:
    """Minimum of the quadratic approximation over the free parameters; those that would leave stop at their bound."""
    damped = information + damping * np.diag(np.diag(information) + 0.1)
    step, inside = np.zeros(len(theta)), free.copy()
    while inside.any():
        right = -gradient[inside] - damped[np.ix_(inside, ~inside)] @ step[~inside]
        step[inside] = np.linalg.solve(damped[np.ix_(inside, inside)], right)
        beyond = inside & ((theta + step < model.low) | (theta + step > model.high))
        if not beyond.any():
            break
        step[beyond] = np.clip(theta + step, model.low, model.high)[beyond] - theta[beyond]
        inside &= ~beyond
    result: Floats = np.clip(theta + step, model.low, model.high) - theta
    return result


def _free(model: Structure, theta: Floats, gradient: Floats) -> NDArray[np.bool_]:
    """Parameters that are not held at a bound by their gradient."""
    low = (theta <= model.low + 1e-12) & (gradient > 0)
    high = (theta >= model.high - 1e-12) & (gradient < 0)
    result: NDArray[np.bool_] = ~(low | high)
    return result


def _check_identified(model: Structure, theta: Floats, where: str) -> None:
    """The implied correlations must change in a direction of its own with every parameter."""
    _, derivatives = model.implied(theta)
    values = np.linalg.svd(derivatives.reshape(len(theta), -1), compute_uv=False)
    if values[-1] < 1e-6 * values[0]:
        raise InputError(
            "factor model is not identified by these markers", where=where, found=f"{len(theta)} parameters",
            expected="three markers that correlate in each factor, or a simpler structure",
        )  # fmt: skip


def _structure(r: Floats, name: str, system_of: NDArray[np.int64], where: str) -> Structure:
    if len(r) < 3:
        raise InputError("a factor model needs 3 markers or more", where=where, found=len(r))
    match name:
        case "second_order":
            return _second_order(r, system_of, where)
        case "bifactor":
            return _bifactor(r, system_of)
        case _:
            return _bifactor(r, np.arange(len(r)))


def _starting_loadings(r: Floats) -> tuple[Floats, Floats]:
    """Loadings of one principal factor and uniquenesses."""
    unique = np.clip((1.0 - 0.5 / len(r)) / np.diag(np.linalg.inv(r)), SMALLEST_UNIQUENESS, 0.95)
    values, vectors = np.linalg.eigh(r - np.diag(unique))
    loading = vectors[:, -1] * math.sqrt(max(values[-1], 0.1))
    return (-loading if loading.sum() < 0 else loading), unique


def _bifactor(r: Floats, system_of: NDArray[np.int64]) -> Structure:
    """General factor and one factor for each system of two markers or more; without such systems, one factor."""
    p = len(r)
    specific = np.full(p, -1)
    used = 0
    groups = []
    for k in np.unique(system_of):
        here = np.flatnonzero(system_of == k)
        if len(here) < 2:
            continue
        groups.append(here)
        # Two loadings on a factor of their own are not identified one by one: they are equal.
        specific[here] = used if len(here) == 2 else used + np.arange(len(here))
        used = int(specific.max()) + 1
    loading, unique = _starting_loadings(r)
    inside = specific >= 0
    onto = np.zeros((used, p))
    onto[specific[inside], np.flatnonzero(inside)] = 1.0
    same = np.zeros((p, p))
    for here in groups:
        same[np.ix_(here, here)] = 1.0

    def implied(theta: Floats) -> tuple[Floats, Floats]:
        general, special, psi = theta[:p], theta[p : p + used] @ onto, theta[p + used :]
        sigma = np.outer(general, general) + same * np.outer(special, special) + np.diag(psi)
        each = np.eye(p)
        outer = each[:, :, None] * general[None, None, :]
        within = onto[:, :, None] * special[None, None, :] * same
        diagonal = each[:, :, None] * each[:, None, :]
        return sigma, np.concatenate([outer + outer.swapaxes(1, 2), within + within.swapaxes(1, 2), diagonal])

    def split(theta: Floats) -> dict[str, Floats]:
        parts = {"general": theta[:p], "uniquenesses": theta[p + used :]}
        return {**parts, "specific": theta[p : p + used] @ onto} if used else parts

    return Structure(
        implied=implied,
        general=lambda theta: theta[:p],
        split=split,
        start=np.concatenate([loading * (0.9 if used else 1.0), np.full(used, 0.3), unique]),
        low=np.concatenate([np.full(p + used, -2.0), np.full(p, SMALLEST_UNIQUENESS)]),
        high=np.concatenate([np.full(p + used, 2.0), np.full(p, 2.0)]),
    )


def _second_order(r: Floats, system_of: NDArray[np.int64], where: str) -> Structure:
    """A factor of variance 1 for each system, correlated through one general factor.

    The factor of a system with one marker is that marker: its uniqueness is 0.
    """
    p = len(r)
    systems, member = np.unique(system_of, return_inverse=True)
    k = len(systems)
    if k < 3:
        raise InputError("a second-order factor needs 3 systems or more", where=where, found=k)
    several = np.flatnonzero(np.bincount(member)[member] > 1)
    q = len(several)
    indicator = (member[:, None] == np.arange(k)).astype(np.float64)
    loading, unique = _starting_loadings(r)

    def implied(theta: Floats) -> tuple[Floats, Floats]:
        l, gamma, psi = theta[:p], theta[p : p + k], theta[p + k :]  # noqa: E741
        between = np.outer(gamma, gamma)
        np.fill_diagonal(between, 1.0)
        spread = indicator @ between @ indicator.T
        sigma = np.outer(l, l) * spread
        sigma[several, several] += psi
        each = np.eye(p)
        by_loading = each[:, :, None] * (l * spread)[:, None, :]
        slopes = np.zeros((k, k, k))
        for a in range(k):
            slopes[a, a, :] = slopes[a, :, a] = gamma
            slopes[a, a, a] = 0.0
        by_gamma = np.outer(l, l) * (indicator @ slopes @ indicator.T)
        by_psi = each[several][:, :, None] * each[several][:, None, :]
        return sigma, np.concatenate([by_loading + by_loading.swapaxes(1, 2), by_gamma, by_psi])

    def split(theta: Floats) -> dict[str, Floats]:
        psi = np.zeros(p)
        psi[several] = theta[p + k :]
        return {"first_order": theta[:p], "second_order": theta[p : p + k], "uniquenesses": psi}

    start = np.where(np.isin(np.arange(p), several), np.sqrt(1.0 - unique[np.arange(p)]), 1.0)
    sign = np.where(loading < 0, -1.0, 1.0)
    return Structure(
        implied=implied,
        general=lambda theta: theta[:p] * theta[p : p + k][member],
        split=split,
        start=np.concatenate([start * sign, np.full(k, 0.6), unique[several]]),
        low=np.concatenate([np.full(p, -2.0), np.full(k, -_LARGEST_GAMMA), np.full(q, SMALLEST_UNIQUENESS)]),
        high=np.concatenate([np.full(p, 2.0), np.full(k, _LARGEST_GAMMA), np.full(q, 2.0)]),
    )
