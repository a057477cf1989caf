"""Principal components of the z scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask
from allostat.allostatic_load.algorithms.projection import projected, projection_weights
from allostat.errors import ConfigError

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel


@dataclass(frozen=True)
class PrincipalComponents:
    """Sum over the first k principal components of ``sum_j loading_j z_j``.

    Model ``pca``: ``loadings`` (p, p), a row of unit length for each component of the correlation matrix of z, largest
    first, each with the sign that makes the sum of its loadings positive; ``eigenvalues`` (p,); ``mean`` (p,) and
    ``covariance`` (p, p) of z.

    Notes
    -----
    With markers missing it is the best linear prediction from the markers that are there (see `projection_weights`).
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """z scores."""
        return "z"

    def model_kind(self, definition: Definition) -> ModelKind:
        """Loadings."""
        return "pca"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) sum of component scores."""
        assert model is not None
        weights, mean = _weights(definition, model), model.array("mean")
        return float(weights @ mean) + projected(u, counted, weights, mean, model.array("covariance"))

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) weights."""
        assert model is not None
        return projection_weights(_weights(definition, model), model.array("covariance"), counted)


def _weights(definition: Definition, model: ReferenceModel) -> Floats:
    loadings = model.array("loadings")
    k = int(definition.option("components"))
    if k > len(loadings):
        raise ConfigError(
            "more principal components than markers", where=f"definition {definition.id}", found=k,
            expected=f"1 to {len(loadings)}",
        )  # fmt: skip
    total: Floats = loadings[:k].sum(axis=0)
    return total


def fit_principal_components(z: Floats) -> tuple[dict[str, Any], dict[str, str | float | bool]]:
    """Parameters and settings of a ``pca`` model from (persons, components) z without NaN."""
    correlation = np.corrcoef(z, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(correlation))
    loadings = vectors[:, ::-1].T
    signs = np.where(loadings.sum(axis=1) < 0, -1.0, 1.0)
    parameters = {
        "loadings": (loadings * signs[:, None]).tolist(),
        "eigenvalues": values[::-1].tolist(),
        "mean": z.mean(axis=0).tolist(),
        "covariance": np.atleast_2d(np.cov(z, rowvar=False, ddof=1)).tolist(),
    }
    return parameters, {"explained": float(values[-1] / values.sum())}


PCA: Mapping[Algorithm, PrincipalComponents] = {"pca": PrincipalComponents()}
