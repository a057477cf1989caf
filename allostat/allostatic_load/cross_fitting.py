"""Scores weighted by an outcome within one sample, each person by weights that were fitted without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.definitions import Definition, load_definition
from allostat.allostatic_load.fitting import fit_reference
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.references import Reference
from allostat.allostatic_load.scoring import allostatic_load
from allostat.biomarkers import BiomarkerTable
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel, panel_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr


def cross_fitted_scores(
    table: BiomarkerTable | Panel | pd.DataFrame,
    definition: str | Path | Definition,
    outcome: Mapping[str, float],
    *,
    reference: Reference | None = None,
    folds: int = 10,
    seed: int = 0,
    winsorise: bool = True,
) -> xr.DataArray:
    """Index of every participant with weights fitted on the other folds.

    Weights that were fitted on the persons they score predict the outcome too well; these do not know the person.

    Parameters
    ----------
    table
        The sample on one occasion, in any of the forms of `allostatic_load`.
    definition
        One whose weights come from an outcome (``logit_weighted``).
    outcome
        0 or 1 by participant. Persons without one are scored, by the weights of all folds but one, and fit nothing.
    reference
        Cuts and moments; None: fitted in each turn on the persons that the weights are fitted on.
    folds
        Parts of the sample, each with its share of persons with the outcome.
    seed
        Of the draw of the folds.

    Returns
    -------
    xr.DataArray
        ``participant``; NaN where the index is; ``fold`` as a coordinate; settings as attributes.

    Raises
    ------
    ConfigError
        A definition without such weights, or fewer than 2 folds.
    InputError
        As `with_models`; several occasions; fewer persons with or without the outcome than folds.
    """
    import xarray as xr

    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    if rule_of(chosen.algorithm).model_kind(chosen) != "logit":
        raise ConfigError("cross-fitting is for weights by outcome", found=chosen.algorithm, expected="logit_weighted")
    panel = panel_of(table)
    if len(panel.occasions) > 1:
        raise InputError("cross-fitted scores are of one occasion", found=", ".join(panel.occasions))
    y = np.array([outcome.get(p, np.nan) for p in panel.participants], dtype=np.float64)
    fold = _folds(y, folds, seed)
    score = np.full(len(y), np.nan)
    for k in range(folds):
        inside, others = fold == k, panel.rows((fold != k) & ~np.isnan(y))
        compared = reference or fit_reference(
            others, name="other folds", by_sex=chosen.strata != "pooled", quantile=chosen.quantile or 0.75
        )
        fitted = with_models(compared, others, chosen, outcome=outcome, winsorise=winsorise)
        scored = allostatic_load(panel.rows(inside), chosen, fitted, winsorise=winsorise)
        score[inside] = scored["index"].to_numpy()
    return xr.DataArray(
        score,
        dims="participant",
        coords={"participant": list(panel.participants), "fold": ("participant", fold)},
        name="index",
        attrs={
            "long_name": f"{chosen.title}, cross-fitted",
            "units": "1",
            "method": f"{chosen.algorithm}, weights of each person fitted without their fold",
            "references": chosen.doi,
            "definition_sha256": chosen.sha256,
            "reference_sha256": reference.sha256 if reference else "fitted in each turn",
            "folds": folds,
            "seed": seed,
        },
    )


def _folds(y: NDArray[np.float64], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each person, drawn within those with, without and with unknown outcome."""
    if folds < 2:
        raise ConfigError("cross-fitting needs 2 folds or more", found=folds)
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(y), dtype=np.int64)
    for value in (1.0, 0.0):
        if int((y == value).sum()) < folds:
            raise InputError(
                f"fewer persons with outcome {value:g} than folds", found=int((y == value).sum()),
                expected=f"{folds} or more",
            )  # fmt: skip
    for group in (y == 1, y == 0, np.isnan(y)):
        size = int(group.sum())
        fold[group] = rng.permutation(np.arange(size) % folds)
    return fold
