"""Samples and models that the tests of algorithms share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load import Definition, Marker, Reference, ReferenceModel, System, fit_reference
from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.fitting_models import with_models
from allostat.biomarkers import biomarker_kind
from allostat.panel import Panel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

GROUPS = (("sbp", "dbp"), ("rmssd_rest", "hr_rest"), ("hba1c", "glucose_fasting", "bmi"), ("hdl", "trig"))
NAMES = tuple(b for g in GROUPS for b in g)

CASES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("pscore_sum", {}),
    ("pscore_sum", {"distance": "abs", "total": "mean"}),
    ("pscore_sum", {"distance": "plain"}),
    ("pscore_sum", {"distance": "square", "by_system": True}),
    ("pscore_sum", {"distance": "abs", "by_system": True, "total": "mean", "one_sided": True}),
    ("mahalanobis_thr", {}),
    ("mahalanobis_thr", {"components": 3, "one_sided": True}),
    ("dm", {}),
    ("dm", {"scale": "ln", "shrink": "always"}),
    ("dm", {"scale": "sd", "shrink": "never", "incomplete": "rescale"}),
    ("pca", {}),
    ("pca", {"components": 3}),
    ("cfa", {}),
    ("cfa", {"structure": "second_order"}),
    ("cfa", {"structure": "bifactor", "scale": "first_marker"}),
    ("irt", {}),
    ("logit_weighted", {}),
    ("logit_weighted", {"score": "flag"}),
)
"""Every algorithm that is not linear, with its variants."""
IDS = tuple(" ".join((a, *(f"{k}={v}" for k, v in o.items()))) for a, o in CASES)


def definition_of(algorithm: Any, *groups: tuple[str, ...], strata: Any = "pooled", **options: Any) -> Definition:
    systems = tuple(System(f"k{i}", tuple(Marker(b, (b,)) for b in g)) for i, g in enumerate(groups or GROUPS))
    return Definition(
        "mine",
        "1",
        "mine",
        "",
        "",
        algorithm,
        systems,
        "none",
        options=options,
        strata=strata,
        min_share_of_systems=0.0,
    )


def panel_of_scores(
    scores: Floats, names: tuple[str, ...] = NAMES, sex: NDArray[np.int8] | None = None, prefix: str = "s"
) -> Panel:
    """Plausible values of biomarkers whose risk-oriented scores are ``scores`` (rows, biomarkers)."""
    value = np.empty(scores.shape)
    for j, name in enumerate(names):
        kind = biomarker_kind(name)
        sign = 1.0 if kind.direction == "high" else -1.0
        low, high = kind.plausible_low, kind.plausible_high
        if kind.transform == "ln":
            low, high = math.log(low), math.log(high)
        f = (low + high) / 2 + sign * scores[:, j] * (high - low) / 20
        value[:, j] = np.exp(f) if kind.transform == "ln" else f
    rows = len(scores)
    return Panel(
        participants=tuple(f"{prefix}{i:05d}" for i in range(rows)),
        occasions=("1",),
        biomarkers=names,
        value=value,
        standard_error=np.full(scores.shape, math.nan),
        present=~np.isnan(value),
        sex=np.full(rows, -1, dtype=np.int8) if sex is None else sex,
        age_years=np.full(rows, 40.0),
        groups=np.full(rows, "", dtype=np.str_),
    )


def correlated(n: int, seed: int = 0) -> Floats:
    """(n, 9) scores with a general factor, factors of systems and noise of their own."""
    rng = np.random.default_rng(seed)
    member = [k for k, g in enumerate(GROUPS) for _ in g]
    general, special = rng.normal(size=n), rng.normal(size=(n, len(GROUPS)))
    loading = np.array([0.6, 0.5, 0.45, 0.55, 0.6, 0.5, 0.55, 0.4, 0.6])
    return loading * general[:, None] + 0.5 * special[:, member] + 0.6 * rng.normal(size=(n, len(NAMES)))


def outcome_of(panel: Panel, scores: Floats, seed: int = 0) -> dict[str, float]:
    """0 or 1 by participant, more often 1 where scores are high."""
    chance = 1.0 / (1.0 + np.exp(-(scores[:, [0, 4, 8]].sum(axis=1) - 0.5)))
    drawn = np.random.default_rng(seed).random(len(scores)) < chance
    return {p: float(d) for p, d in zip(panel.participants, drawn.tolist(), strict=True)}


@cache
def entries_of(seed: int = 0) -> tuple[Panel, Reference]:
    panel = panel_of_scores(correlated(400, seed))
    return panel, fit_reference(panel, name="sample", by_sex=False)


def reference_for(definition: Definition, seed: int = 0) -> Reference:
    panel, reference = entries_of(seed)
    outcome = outcome_of(panel, correlated(400, seed)) if definition.algorithm == "logit_weighted" else None
    return with_models(reference, panel, definition, outcome=outcome)


def model_for(definition: Definition) -> ReferenceModel | None:
    kind = rule_of(definition.algorithm).model_kind(definition)
    if kind is None:
        return None
    return reference_for(definition).model(kind, tuple(m.name for m in definition.markers), None)


def some_rows(definition: Definition, n: int, seed: int, missing: float = 0.0) -> tuple[Floats, Mask]:
    """Component scores of the kind that the definition is made of, some of them missing."""
    rng = np.random.default_rng(seed)
    u = correlated(n, seed)
    if rule_of(definition.algorithm).component_score(definition) == "flag":
        u = (u > 0.7).astype(np.float64)
    elif "one_sided" in definition.options:
        u = np.maximum(u, 0.0)
    u[rng.random(u.shape) < missing] = np.nan
    return u, ~np.isnan(u)
