"""Distances from the thresholds, in standard deviations: joined one by one, or with their correlations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask
from allostat.allostatic_load.algorithms.linear import Linear
from allostat.allostatic_load.algorithms.patterns import patterns_of, taken

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel


@dataclass(frozen=True)
class PscoreSum:
    """Root of the sum of squared distances, or the sum of absolute or plain ones, or means in place of sums.

    Notes
    -----
    With ``by_system`` the transformed distances are averaged inside each system before the systems are joined; the root
    of squares is taken last. Components that do not count take no part: a sum over a partial panel is a sum over fewer
    distances (the result says ``PARTIAL_PANEL``), a mean is comparable.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """Distances from the threshold."""
        return "distance"

    def model_kind(self, definition: Definition) -> None:
        """No model: cuts and standard deviations are enough."""
        return

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) joined distances."""
        form = definition.option("distance")
        distances = u * u if form == "square" else np.abs(u) if form == "abs" else u
        total = _joining(definition).index(distances, counted, definition, None)
        return np.sqrt(total) if form == "square" else total

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) derivative; 0 at the threshold itself, where the root has none."""
        weights = _joining(definition).gradient(u, counted, definition, None)
        known = np.where(counted, u, 0.0)
        match definition.option("distance"):
            case "square":
                total = self.index(u, counted, definition, model)
                return weights * known / np.where(total > 0, total, 1.0)[:, None]
            case "abs":
                return weights * np.sign(known)
            case _:
                return weights


def _joining(definition: Definition) -> Linear:
    if definition.option("by_system"):
        return Linear("distance", "systems")
    return Linear("distance", "mean" if definition.option("total") == "mean" else "sum")


@dataclass(frozen=True)
class MahalanobisThreshold:
    """``sqrt(d' R^-1 d)`` of the distances d, or its part along the first principal components of R.

    Model ``correlation``: ``correlation``, the matrix R (components, components) of the risk-oriented, transformed
    values of the reference persons.

    Notes
    -----
    With m components of eigenvalues l and eigenvectors v it is the root of ``sum (d' v_k)^2 / l_k`` over the m largest;
    m = 0 or m = p is the full form. A person lacks an index when any marker is missing. When one component is left
    out, the submatrix of R serves.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """Distances from the threshold."""
        return "distance"

    def model_kind(self, definition: Definition) -> ModelKind:
        """The correlations."""
        return "correlation"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) distance."""
        result = np.full(len(u), np.nan)
        along = _along_components(u, counted, definition, model)
        result[along.rows] = along.length
        return result

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) ``R^-1 d`` divided by the distance; 0 at the thresholds themselves."""
        slope = np.zeros(u.shape)
        along = _along_components(u, counted, definition, model)
        length = np.where(along.length > 0, along.length, 1.0)
        for j in range(u.shape[1]):
            part = np.zeros(len(along.rows))
            for k, y in enumerate(along.projected):
                part += taken(along.whitening, along.which, k, j) * y
            slope[along.rows, j] = part / length
        return slope


@dataclass(frozen=True)
class _Along:
    """Rows that have a distance, their parts along the principal components (components, rows), and their length."""

    rows: NDArray[np.int64]
    which: NDArray[np.int64]
    whitening: Floats
    projected: Floats
    length: Floats


def _along_components(u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> _Along:
    assert model is not None
    rows = np.flatnonzero(~np.isnan(u).any(axis=1) & counted.any(axis=1))
    patterns, which = patterns_of(counted[rows])
    whitening = _whitening(model.array("correlation"), patterns, int(definition.option("components")))
    d = np.ascontiguousarray(np.where(counted[rows], u[rows], 0.0).T)
    projected = np.zeros((whitening.shape[1], len(rows)))
    squares = np.zeros(len(rows))
    for k in range(len(projected)):
        for j in range(len(d)):
            projected[k] += taken(whitening, which, k, j) * d[j]
        squares += projected[k] ** 2
    return _Along(rows, which, whitening, projected, np.sqrt(squares))


def _whitening(correlation: Floats, patterns: Mask, components: int) -> Floats:
    """(patterns, m, p) rows ``v_k / sqrt(l_k)`` of the submatrix of each pattern, largest eigenvalue first, then 0."""
    p = len(correlation)
    found = np.zeros((len(patterns), min(components or p, p), p))
    for i, pattern in enumerate(patterns):
        here = np.flatnonzero(pattern)
        values, vectors = np.linalg.eigh(correlation[np.ix_(here, here)])
        m = min(components or len(here), len(here))
        found[i, :m, here] = (vectors[:, ::-1] / np.sqrt(values[::-1]))[:, :m]
    return found


DISTANCE: Mapping[Algorithm, PscoreSum | MahalanobisThreshold] = {
    "pscore_sum": PscoreSum(),
    "mahalanobis_thr": MahalanobisThreshold(),
}
