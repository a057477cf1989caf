"""Statistical distance D_M: how far a profile lies from the centre of a healthy reference, correlations considered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask, require_settings
from allostat.allostatic_load.algorithms.patterns import masked, patterns_of, taken

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel


@dataclass(frozen=True)
class StatisticalDistance:
    """``D = sqrt((z - m)' S^-1 (z - m))``, its logarithm, or D divided by its standard deviation in the reference.

    Model ``covariance``: ``mean`` m (p,), ``covariance`` S (p, p), both of z, and ``sd_d``, the standard deviation of D
    over the reference persons.

    Notes
    -----
    Cohen et al. 2013 introduced the distance for biomarkers; Cohen et al. 2015 (10.1371/journal.pone.0122541) on the
    number of biomarkers and on the reference. By default a person lacks an index when any marker is missing. With
    ``incomplete = "rescale"`` the distance over the markers that are there, by the submatrix of S, is multiplied by
    ``sqrt(p / number there)``: the mean of its square in the reference stays p. (The rescaling is allostat's own.)
    When one component is left out, the submatrix of S serves. It is not monotone in any marker: a value below the
    mean is as far as one above.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """z scores."""
        return "z"

    def model_kind(self, definition: Definition) -> ModelKind:
        """Mean and covariance of z."""
        return "covariance"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) distance on the definition's scale."""
        assert model is not None
        result = np.full(len(u), np.nan)
        solved = _solve(u, counted, definition, model)
        d = solved.distance
        match definition.option("scale"):
            case "ln":
                result[solved.rows] = np.log(np.where(d > 0, d, np.nan))
            case "sd":
                result[solved.rows] = d / float(model.parameters["sd_d"])
            case _:
                result[solved.rows] = d
        return result

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) ``S^-1 (z - m) / D`` on the definition's scale; 0 at the centre."""
        assert model is not None
        slope = np.zeros(u.shape)
        solved = _solve(u, counted, definition, model)
        d = solved.distance
        # d² = factor² (z - m)' S^-1 (z - m), so its derivative is factor² S^-1 (z - m) / d.
        per = solved.factor**2 / np.where(d > 0, d, np.inf)
        match definition.option("scale"):
            case "ln":
                per = per / np.where(d > 0, d, np.inf)
            case "sd":
                per = per / float(model.parameters["sd_d"])
            case _:
                pass
        back = _backward(solved.lower, solved.which, solved.whitened)
        for j in range(u.shape[1]):
            slope[solved.rows, j] = back[j] * per
        return slope


@dataclass(frozen=True)
class _Solved:
    """Rows that have a distance, and the steps to it: ``lower`` by pattern, ``whitened`` (p, rows) = L^-1 (z - m)."""

    rows: NDArray[np.int64]
    which: NDArray[np.int64]
    lower: Floats
    whitened: Floats
    factor: Floats
    distance: Floats


def _solve(u: Floats, counted: Mask, definition: Definition, model: ReferenceModel) -> _Solved:
    require_settings(definition, model, ("shrink",))
    rescale = definition.option("incomplete") == "rescale"
    usable = counted.any(axis=1) if rescale else counted.any(axis=1) & ~np.isnan(u).any(axis=1)
    rows = np.flatnonzero(usable)
    patterns, which = patterns_of(counted[rows])
    lower = _cholesky(masked(model.array("covariance"), patterns))
    whitened = _forward(lower, which, _centred(u[rows], counted[rows], model.array("mean")))
    squares = np.zeros(len(rows))
    for y in whitened:
        squares += y * y
    there = patterns.sum(axis=1)
    factor: Floats = np.sqrt(u.shape[1] / there)[which] if rescale else np.ones(len(rows))
    return _Solved(rows, which, lower, whitened, factor, factor * np.sqrt(squares))


def _cholesky(matrices: Floats) -> Floats:
    return np.linalg.cholesky(matrices).astype(np.float64, copy=False)


def _centred(u: Floats, counted: Mask, mean: Floats) -> Floats:
    """(components, rows) distances from the mean, 0 for what does not count."""
    found: Floats = np.where(counted, u - mean, 0.0)
    return np.ascontiguousarray(found.T)


def _forward(lower: Floats, which: NDArray[np.int64], d: Floats) -> Floats:
    """``L^-1 d``, component after component, so that a person alone and in a cohort get the same bits."""
    y = np.empty_like(d)
    for j in range(len(d)):
        rest = d[j].copy()
        for i in range(j):
            rest -= taken(lower, which, j, i) * y[i]
        y[j] = rest / taken(lower, which, j, j)
    return y


def _backward(lower: Floats, which: NDArray[np.int64], y: Floats) -> Floats:
    """``L'^-1 y``."""
    x = np.empty_like(y)
    for j in range(len(y) - 1, -1, -1):
        rest = y[j].copy()
        for i in range(j + 1, len(y)):
            rest -= taken(lower, which, i, j) * x[i]
        x[j] = rest / taken(lower, which, j, j)
    return x


def ledoit_wolf(x: Floats) -> tuple[Floats, float]:
    """Covariance shrunk towards a multiple of the identity (Ledoit & Wolf 2004, 10.1016/S0047-259X(03)00096-4).

    Parameters
    ----------
    x
        (persons, components).

    Returns
    -------
    ``(1 - a) S + a mu I`` with S of divisor n, mu the mean of its diagonal, and the shrinkage a between 0 and 1.
    """
    n, p = x.shape
    centred = x - x.mean(axis=0)
    s = centred.T @ centred / n
    mu = float(np.trace(s)) / p
    spread = float(((s - mu * np.eye(p)) ** 2).sum())
    # Mean over persons of |x x' - S|², divided by n: the variance of S around the covariance.
    noise = (float(((centred**2).sum(axis=1) ** 2).sum()) / n - float((s**2).sum())) / n
    shrinkage = min(max(noise, 0.0), spread) / spread if spread > 0 else 0.0
    return (1.0 - shrinkage) * s + shrinkage * mu * np.eye(p), shrinkage


def fit_covariance(z: Floats, shrink: str) -> tuple[dict[str, Any], dict[str, str | float | bool]]:
    """Parameters and settings of a ``covariance`` model.

    Parameters
    ----------
    z
        (persons, components) without NaN.
    shrink
        ``never``: S with divisor n - 1; ``always``: Ledoit-Wolf; ``auto``: Ledoit-Wolf with fewer than 10 persons per
        component.

    Raises
    ------
    numpy.linalg.LinAlgError
        S is not positive definite.
    """
    n, p = z.shape
    mean = z.mean(axis=0)
    wanted = shrink == "always" or (shrink == "auto" and n < 10 * p)
    s, shrinkage = ledoit_wolf(z) if wanted else (np.atleast_2d(np.cov(z, rowvar=False, ddof=1)), 0.0)
    lower = _cholesky(s)
    everybody = np.zeros(n, dtype=np.int64)
    y = _forward(lower[None], everybody, _centred(z, np.ones(z.shape, dtype=np.bool_), mean))
    d = np.sqrt((y**2).sum(axis=0))
    spread = float(d.std(ddof=1))
    parameters = {"mean": mean.tolist(), "covariance": s.tolist(), "sd_d": spread if math.isfinite(spread) else 0.0}
    return parameters, {"shrink": shrink, "shrinkage": shrinkage}


DM: Mapping[Algorithm, StatisticalDistance] = {"dm": StatisticalDistance()}
