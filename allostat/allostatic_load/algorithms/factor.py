"""Factor scores of the general factor behind the markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask
from allostat.allostatic_load.algorithms.factor_fit import fit_factor_model
from allostat.allostatic_load.algorithms.projection import projected, projection_weights
from allostat.errors import ConfigError

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel


@dataclass(frozen=True)
class FactorScore:
    """Regression (Thurstone) score ``c' S^-1 (z - m)`` of the general factor, which has variance 1.

    Models ``one_factor``, ``second_order``, ``bifactor``: ``mean`` m (p,) of z; ``general`` c (p,), the covariance of
    each z with the general factor; ``covariance`` S (p, p) that the model implies; ``weights`` S^-1 c (p,);
    ``uniquenesses`` (p,) on the scale of z; with ``bifactor`` also ``specific`` (p,) loadings on the factor of the
    marker's system; with ``second_order`` also ``first_order`` (p,) loadings and the (systems,) loadings
    ``second_order`` of the systems in the order of the definition. Fit indices are among the settings.

    Notes
    -----
    With the option ``scale = "first_marker"`` the score is multiplied by the first marker's loading: the model in which
    that loading is fixed to 1. With markers missing it is the expectation of the factor given the markers that are
    there, under the model. Allostatic load is a formative construct, for which no common cause of the markers is
    claimed (Crook & Booth 2017): never the default.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """z scores."""
        return "z"

    def model_kind(self, definition: Definition) -> ModelKind:
        """The structure of the definition."""
        match definition.option("structure"):
            case "second_order":
                return "second_order"
            case "bifactor":
                return "bifactor"
            case _:
                return "one_factor"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) factor score."""
        assert model is not None
        return projected(u, counted, _weights(definition, model), model.array("mean"), model.array("covariance"))

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) weights."""
        assert model is not None
        return projection_weights(_weights(definition, model), model.array("covariance"), counted)


def _weights(definition: Definition, model: ReferenceModel) -> Floats:
    if model.settings.get("systems", "") != _systems(model.kind, definition.system_of):
        raise ConfigError(
            f"the reference's {model.kind} model was fitted with its markers in other systems",
            where=f"definition {definition.id}", found=model.settings.get("systems", ""),
            expected=_systems(model.kind, definition.system_of),
        )  # fmt: skip
    scale = float(model.array("general")[0]) if definition.option("scale") == "first_marker" else 1.0
    return scale * model.array("weights")


def _systems(structure: str, system_of: Sequence[int]) -> str:
    """The number of each marker's system, where the structure depends on it."""
    return "" if structure == "one_factor" else " ".join(str(k) for k in system_of)


def fit_general_factor(
    z: Floats, structure: str, system_of: Sequence[int], markers: tuple[str, ...], *, where: str
) -> tuple[dict[str, Any], dict[str, str | float | bool]]:
    """Parameters and settings of a factor model from (persons, components) z; errors as `fit_factor_model`."""
    n = len(z)
    mean, sd = z.mean(axis=0), z.std(axis=0, ddof=1)
    correlation: Floats = np.atleast_2d(np.corrcoef(z, rowvar=False))
    fit = fit_factor_model(correlation, n, structure, system_of, where=where)
    sign = -1.0 if fit.general.sum() < 0 else 1.0
    general, covariance = sign * fit.general * sd, fit.implied * np.outer(sd, sd)
    on_scale = {"uniquenesses": sd**2, "specific": sd, "first_order": sd}
    parameters = {
        "mean": mean.tolist(),
        "general": general.tolist(),
        "covariance": covariance.tolist(),
        "weights": np.linalg.solve(covariance, general).tolist(),
        **{k: (v * on_scale.get(k, 1.0)).tolist() for k, v in fit.parameters.items() if k != "general"},
    }
    settings: dict[str, str | float | bool] = {
        "systems": _systems(structure, system_of),
        "chi2": fit.chi2,
        "df": float(fit.df),
        "cfi": fit.cfi,
        "rmsea": fit.rmsea,
        "srmr": fit.srmr,
        "converged": True,
        "gradient": fit.gradient,
        "starts": float(fit.starts),
        "starts_agreeing": float(fit.starts_agreeing),
        "heywood": ", ".join(markers[j] for j in fit.heywood),
    }
    return parameters, settings


FACTOR: Mapping[Algorithm, FactorScore] = {"cfa": FactorScore()}
