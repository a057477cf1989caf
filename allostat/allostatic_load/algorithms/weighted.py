"""Weights that predict an outcome: log-odds of a logistic regression on the component scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask, require_settings
from allostat.allostatic_load.algorithms.projection import projected, projection_weights
from allostat.errors import ConfigError, InputError

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel

_ITERATIONS = 50
_LARGEST = 15.0
"""Log-odds per unit beyond which a weight counts as infinite: the component separates the outcome."""


@dataclass(frozen=True)
class LogitWeighted:
    """``sum_j w_j u_j`` with the log-odds w of an outcome.

    Model ``logit``: ``weights`` (p,), ``intercept``, ``mean`` (p,) and ``covariance`` (p, p) of the component scores.

    Notes
    -----
    Scores of the persons that the weights were fitted on predict the outcome better than they would anybody else's: use
    a reference of other people, or `allostat.allostatic_load.cross_fitted_scores` within one sample. With markers
    missing it is the best linear prediction from the markers that are there (see `projection_weights`).
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """The definition's option ``score``."""
        return "flag" if definition.option("score") == "flag" else "z"

    def model_kind(self, definition: Definition) -> ModelKind:
        """Log-odds weights."""
        return "logit"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) weighted sum."""
        assert model is not None
        _check(definition, model)
        weights, mean = model.array("weights"), model.array("mean")
        return float(weights @ mean) + projected(u, counted, weights, mean, model.array("covariance"))

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) weights."""
        assert model is not None
        return projection_weights(model.array("weights"), model.array("covariance"), counted)


def _check(definition: Definition, model: ReferenceModel) -> None:
    require_settings(definition, model, ("score",))
    wanted, found = definition.option("outcome"), model.settings.get("outcome")
    if wanted not in ("", found):
        raise ConfigError(
            "the reference's weights were fitted for another outcome", where=f"definition {definition.id}",
            found=found, expected=str(wanted),
        )  # fmt: skip


def logistic_regression(x: Floats, y: Floats, *, where: str) -> tuple[float, Floats]:
    """Intercept and weights by maximum likelihood (Newton's method).

    Parameters
    ----------
    x
        (persons, components).
    y
        (persons,) 0 or 1.

    Raises
    ------
    InputError
        One outcome only, or components that separate the outcomes, so that no weights are the most likely.
    """
    if not (0 < y.sum() < len(y)):
        raise InputError("weights need persons with and without the outcome", where=where, found=f"{y.mean():.0%} with")
    design = np.column_stack([np.ones(len(x)), x])
    scale = np.concatenate([[1.0], np.maximum(x.std(axis=0), 1e-12)])
    beta = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        p = 0.5 * (1.0 + np.tanh(0.5 * (design @ beta)))
        information = design.T @ (design * (p * (1.0 - p))[:, None])
        step = np.linalg.lstsq(information, design.T @ (y - p), rcond=None)[0]
        beta = beta + step
        if np.abs(beta[1:] * scale[1:]).max(initial=0.0) > _LARGEST:
            break
        if np.abs(step * scale).max() < 1e-10:
            return float(beta[0]), beta[1:]
    raise InputError(
        "the components separate persons with the outcome from those without: the log-odds have no maximum",
        where=where, found=f"{len(y)} persons, {int(y.sum())} with it", expected="more persons or fewer markers",
    )  # fmt: skip


def fit_log_odds(
    u: Floats, y: Floats, outcome: str, score: str, *, where: str
) -> tuple[dict[str, Any], dict[str, str | float | bool]]:
    """Parameters and settings of a ``logit`` model; arguments and errors as `logistic_regression`."""
    intercept, weights = logistic_regression(u, y, where=where)
    parameters = {
        "weights": weights.tolist(),
        "intercept": intercept,
        "mean": u.mean(axis=0).tolist(),
        "covariance": np.atleast_2d(np.cov(u, rowvar=False, ddof=1)).tolist(),
    }
    return parameters, {"outcome": outcome, "score": score, "n_with_outcome": float(y.sum())}


WEIGHTED: Mapping[Algorithm, LogitWeighted] = {"logit_weighted": LogitWeighted()}
