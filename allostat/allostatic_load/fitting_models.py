"""Fitting the models that some definitions need, on the reference persons: a step of its own, as all fitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.algorithms.dm import fit_covariance
from allostat.allostatic_load.algorithms.factor import fit_general_factor
from allostat.allostatic_load.algorithms.irt import fit_item_response
from allostat.allostatic_load.algorithms.pca import fit_principal_components
from allostat.allostatic_load.algorithms.weighted import fit_log_odds
from allostat.allostatic_load.components import Components, components
from allostat.allostatic_load.definitions import Definition, load_definition
from allostat.allostatic_load.references import ModelKind, Reference, ReferenceModel
from allostat.allostatic_load.scoring import component_scores
from allostat.biomarkers import BiomarkerTable, Sex
from allostat.errors import ConfigError, InputError
from allostat.panel import SEXES, Panel, panel_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Settings = dict[str, str | float | bool]

PERSONS_PER_MARKER = 10
"""Fewer than this are noted in the reference."""
_SINGULAR = 1e-10
"""Smallest eigenvalue of a correlation matrix that still counts as above 0."""


def with_models(
    reference: Reference,
    table: BiomarkerTable | Panel | pd.DataFrame,
    definition: str | Path | Definition,
    *,
    outcome: Mapping[str, float] | None = None,
    occasion: str | None = None,
    winsorise: bool = True,
) -> Reference:
    """The reference with the models that a definition needs, fitted on a sample.

    Parameters
    ----------
    reference
        Its entries (cuts, moments, winsor limits) score the sample before the model is fitted; they stay as they are.
    table
        The sample, in any of the forms of `allostatic_load`; persons with all markers of the definition are used.
    definition
        As for `allostatic_load`. With ``strata = "pooled"`` one model is fitted, else one for each sex of the sample.
    outcome
        0 or 1 by participant, for weights by outcome (``logit_weighted``); persons without one are left out.
    occasion
        The occasion to fit on; needed when the table has several.
    winsorise
        As for `allostatic_load`; must be the same when scoring.

    Returns
    -------
    Reference
        With one `ReferenceModel` for each stratum, in place of an earlier one of the same kind, markers and sex. A
        definition that needs no model gives the reference back.

    Raises
    ------
    ConfigError
        No such definition; an outcome where none is used, or none where it is.
    InputError
        No more persons with all markers than markers, markers without spread or that determine each other, a model that
        does not converge, several occasions and none chosen.

    Notes
    -----
    ``settings`` of each model holds what was asked of the fit, ``winsorised``, ``n_left_out`` (persons of the stratum
    with a marker missing) and what the fit reports (shrinkage, fit indices, iterations). Fewer than 10 persons per
    marker are noted in the reference.
    """
    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    rule = rule_of(chosen.algorithm)
    kind = rule.model_kind(chosen)
    if (outcome is not None) != (kind == "logit"):
        raise ConfigError(
            "only weights by outcome use an outcome" if kind != "logit" else "weights by outcome need an outcome",
            where=f"definition {chosen.id}", found=chosen.algorithm,
        )  # fmt: skip
    if kind is None:
        return reference
    panel = panel_of(table)
    at = _rows_of_occasion(panel, occasion)
    scored = components(panel, chosen, reference, winsorise=winsorise)
    measured = _fitted_on(scored, chosen, reference, kind)[at]
    y = _outcomes(panel, outcome)[at]
    sexes: tuple[Sex | None, ...] = (None,) if chosen.strata == "pooled" else SEXES
    models: list[ReferenceModel] = []
    for sex in sexes:
        stratum = np.ones(len(at), dtype=np.bool_) if sex is None else panel.sex[at] == SEXES.index(sex)
        if not stratum.any():
            continue
        models.append(_fit(measured[stratum], y[stratum], sex, chosen, kind, winsorise=winsorise))
    if not models:
        raise InputError("no person of the sample has a sex: a model for each sex needs it", where=chosen.id)
    fitted = {(m.kind, m.markers, m.sex) for m in models}
    kept = tuple(m for m in reference.models if (m.kind, m.markers, m.sex) not in fitted)
    notes = tuple(
        f"{m.kind} model, {m.sex or 'both sexes'}: only {m.n} persons for {len(m.markers)} markers"
        for m in models
        if m.n < PERSONS_PER_MARKER * len(m.markers)
    )
    new = tuple(n for n in notes if n not in reference.notes)
    return replace(reference, models=(*kept, *models), notes=(*reference.notes, *new))


def _rows_of_occasion(panel: Panel, occasion: str | None) -> NDArray[np.int64]:
    if occasion is None and len(panel.occasions) > 1:
        raise InputError("several occasions: name the one to fit on", found=", ".join(panel.occasions))
    chosen = occasion or panel.occasions[0]
    if chosen not in panel.occasions:
        raise InputError("no such occasion", found=chosen, valid=panel.occasions)
    per = len(panel.occasions)
    return np.arange(len(panel.participants)) * per + panel.occasions.index(chosen)


def _fitted_on(scored: Components, definition: Definition, reference: Reference, kind: ModelKind) -> Floats:
    """What the model describes (rows, components), NaN where missing."""
    if kind != "correlation":
        u = component_scores(scored, definition, rule_of(definition.algorithm).component_score(definition))
        return np.where(scored.available, u, np.nan)
    # The distance from the threshold before it is made one-sided is the oriented value but for a constant and a factor.
    return np.where(scored.available, scored.distance, np.nan)


def _outcomes(panel: Panel, outcome: Mapping[str, float] | None) -> Floats:
    if outcome is None:
        return np.zeros(len(panel.value))
    known = np.array([outcome.get(p, np.nan) for p in panel.participants], dtype=np.float64)
    strange = ~np.isnan(known) & (known != 0) & (known != 1)
    if strange.any():
        who = panel.participants[int(np.flatnonzero(strange)[0])]
        raise InputError("an outcome is 0 or 1", where=f"participant {who}", found=known[strange][0])
    return np.repeat(known, len(panel.occasions))


def _fit(
    u: Floats, y: Floats, sex: Sex | None, definition: Definition, kind: ModelKind, *, winsorise: bool
) -> ReferenceModel:
    """The model of one stratum."""
    markers = tuple(m.name for m in definition.markers)
    where = f"definition {definition.id}, {sex or 'both sexes'}"
    complete = ~np.isnan(u).any(axis=1) & ~np.isnan(y)
    sample, n = u[complete], int(complete.sum())
    if n <= len(markers):
        raise InputError(
            "too few persons with all markers to fit a model", where=where, found=_short_of(u, markers, n),
            expected=f"more than {len(markers)}",
        )  # fmt: skip
    _check_spread(sample, markers, where)
    parameters, settings = _fit_kind(kind, sample, y[complete], definition, markers, where)
    about: Settings = {"winsorised": winsorise, "n_left_out": float(len(u) - n), **settings}
    return ReferenceModel(kind, markers, sex, n, parameters, about)


def _fit_kind(
    kind: ModelKind, u: Floats, y: Floats, definition: Definition, markers: tuple[str, ...], where: str
) -> tuple[dict[str, Any], Settings]:
    match kind:
        case "covariance":
            return fit_covariance(u, str(definition.option("shrink")))
        case "correlation":
            return {"correlation": np.atleast_2d(np.corrcoef(u, rowvar=False)).tolist()}, {}
        case "pca":
            return fit_principal_components(u)
        case "irt":
            return fit_item_response(u, markers, where=where)
        case "logit":
            outcome, score = str(definition.option("outcome")), str(definition.option("score"))
            return fit_log_odds(u, y, outcome, score, where=where)
        case "one_factor" | "second_order" | "bifactor":
            return fit_general_factor(u, kind, definition.system_of, markers, where=where)


def _short_of(u: Floats, markers: tuple[str, ...], n: int) -> str:
    missing = np.isnan(u).sum(axis=0)
    worst = int(missing.argmax())
    return f"{n} of {len(u)} persons; {markers[worst]} is missing in {int(missing[worst])}"


def _check_spread(u: Floats, markers: tuple[str, ...], where: str) -> None:
    """Raise `InputError` that names markers without spread, or markers that are linear functions of each other."""
    flat = [m for m, spread in zip(markers, np.ptp(u, axis=0).tolist(), strict=True) if not spread > 0]
    if flat:
        raise InputError("markers have no spread in the sample", where=where, found=", ".join(flat))
    values, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(u, rowvar=False)))
    if values[0] < _SINGULAR:
        together = [m for m, v in zip(markers, np.abs(vectors[:, 0]).tolist(), strict=True) if v > 1e-3]
        raise InputError(
            "markers determine each other: their covariance matrix is singular", where=where,
            found=", ".join(together), expected="leave one of them out",
        )  # fmt: skip
