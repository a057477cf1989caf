"""What holds for every algorithm: gradients, one person alone, missing components, the required properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from allostat.allostatic_load import (
    Reference,
    allostatic_load,
    fit_reference,
    load_reference,
    save_reference,
)
from allostat.allostatic_load.algorithms import RULES, rule_of
from allostat.allostatic_load.algorithms.patterns import patterns_of
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.options import Algorithm
from allostat.errors import ConfigError
from tests.allostatic_load.samples import (
    CASES,
    GROUPS,
    IDS,
    NAMES,
    correlated,
    definition_of,
    entries_of,
    model_for,
    outcome_of,
    panel_of_scores,
    reference_for,
    some_rows,
)

every_case = pytest.mark.parametrize(("algorithm", "options"), CASES, ids=IDS)


def test_every_algorithm_id_has_its_rule() -> None:
    assert set(RULES) == set(get_args(Algorithm))


class TestPatterns:
    @pytest.mark.parametrize("p", [1, 5, 16, 17, 70])
    def test_every_row_finds_its_own_pattern(self, p: int) -> None:
        counted = np.random.default_rng(p).random((200, p)) > 0.3
        patterns, which = patterns_of(counted)
        np.testing.assert_array_equal(patterns[which], counted)
        assert len(np.unique(patterns, axis=0)) == len(patterns)

    def test_nobody(self) -> None:
        patterns, which = patterns_of(np.ones((0, 4), dtype=np.bool_))
        assert (len(patterns), len(which)) == (0, 0)


@every_case
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_gradient_is_the_derivative_of_the_index(algorithm: Any, options: Mapping[str, Any], missing: float) -> None:
    definition = definition_of(algorithm, **options)
    model = model_for(definition)
    rule = rule_of(algorithm)
    u, counted = some_rows(definition, 60, 3, missing)
    if options.get("one_sided"):
        u = u + 0.3
    if rule.component_score(definition) == "flag":
        u = u * 0.8 + 0.1
    gradient = rule.gradient(u, counted, definition, model)
    assert np.isfinite(gradient).all()
    assert (gradient[~counted] == 0).all()
    h = 1e-5
    for j in range(u.shape[1]):
        up, down = u.copy(), u.copy()
        up[:, j] += h
        down[:, j] -= h
        difference = (rule.index(up, counted, definition, model) - rule.index(down, counted, definition, model)) / (
            2 * h
        )
        there = counted[:, j] & ~np.isnan(difference)
        np.testing.assert_allclose(gradient[there, j], difference[there], rtol=1e-6, atol=1e-8)


@every_case
def test_6_alone_is_as_in_the_cohort(algorithm: Any, options: Mapping[str, Any]) -> None:
    definition = definition_of(algorithm, **options)
    model, rule = model_for(definition), rule_of(algorithm)
    u, counted = some_rows(definition, 300, 5, 0.15)
    for order in ("C", "F"):
        u, counted = np.array(u, order=order), np.array(counted, order=order)
        index, gradient = rule.index(u, counted, definition, model), rule.gradient(u, counted, definition, model)
        for i in range(0, 300, 19):
            here = slice(i, i + 1)
            np.testing.assert_array_equal(rule.index(u[here], counted[here], definition, model), index[here])
            np.testing.assert_allclose(
                rule.gradient(u[here], counted[here], definition, model), gradient[here], rtol=1e-12, atol=1e-15
            )


@every_case
def test_nothing_there_is_no_index_and_no_rows_are_no_error(algorithm: Any, options: Mapping[str, Any]) -> None:
    definition = definition_of(algorithm, **options)
    model, rule = model_for(definition), rule_of(algorithm)
    u = np.full((3, len(NAMES)), np.nan)
    counted = np.zeros(u.shape, dtype=np.bool_)
    assert np.isnan(rule.index(u, counted, definition, model)).all()
    assert (rule.gradient(u, counted, definition, model) == 0).all()
    assert rule.index(u[:0], counted[:0], definition, model).shape == (0,)
    assert rule.gradient(u[:0], counted[:0], definition, model).shape == (0, len(NAMES))


@every_case
def test_scored_from_a_table_with_a_fitted_reference_that_was_saved(
    algorithm: Any, options: Mapping[str, Any], tmp_path: Path
) -> None:
    definition = definition_of(algorithm, **options)
    save_reference(reference_for(definition), tmp_path / "fitted.json")
    reference = load_reference(tmp_path / "fitted.json")
    panel = panel_of_scores(correlated(40, 8))
    found = allostatic_load(panel, definition, reference)
    index = found["index"].to_numpy()
    assert np.isfinite(index).all()
    assert np.isfinite(found["loo_low"]).all()
    alone = allostatic_load(panel.rows(np.array([17])), definition, reference)
    for name in ("index", "loo_low", "loo_high", "z"):
        np.testing.assert_allclose(alone[name].to_numpy()[0], found[name].to_numpy()[17], rtol=1e-12, atol=1e-14)


@every_case
def test_1_units_do_not_matter(algorithm: Any, options: Mapping[str, Any]) -> None:
    import pandas as pd

    definition = definition_of(algorithm, **options)
    scores = correlated(150, 2)
    panel = panel_of_scores(scores)
    outcome = outcome_of(panel, scores) if algorithm == "logit_weighted" else None
    units = {"hdl": ("mmol/L", "mg/dL", 38.67), "glucose_fasting": ("mmol/L", "mg/dL", 18.0156)}
    found = []
    for other in (False, True):
        columns: dict[str, Any] = {"participant": panel.participants}
        for j, name in enumerate(NAMES):
            from allostat.biomarkers import biomarker_kind
            from allostat.units import conversion_factor

            kind = biomarker_kind(name)
            unit = kind.unit
            if other and name in units:
                unit = next(u for u in units[name][:2] if u != kind.unit)
            columns[f"{name}[{unit}]"] = panel.value[:, j] / conversion_factor(unit, kind.unit, analyte=name)
        frame = pd.DataFrame(columns)
        reference = with_models(fit_reference(frame, name="x", by_sex=False), frame, definition, outcome=outcome)
        found.append(allostatic_load(frame, definition, reference)["index"].to_numpy())
    # Models that are iterated stop a little apart.
    rtol = 1e-6 if algorithm in ("cfa", "irt", "logit_weighted") else 1e-9
    np.testing.assert_allclose(found[0], found[1], rtol=rtol, atol=rtol)


MONOTONE = [
    (a, o)
    for a, o in (
        ("pscore_sum", {"distance": "plain"}),
        ("pscore_sum", {"one_sided": True}),
        ("pscore_sum", {"one_sided": True, "distance": "abs", "total": "mean", "by_system": True}),
        ("irt", {}),
        ("cfa", {}),
        ("pca", {}),
    )
]


@pytest.mark.parametrize(("algorithm", "options"), MONOTONE)
def test_2_monotone_in_every_component_of_a_complete_row(algorithm: Any, options: Mapping[str, Any]) -> None:
    """The models hold here because all markers go together; a negative loading would turn its marker round."""
    definition = definition_of(algorithm, **options)
    model, rule = model_for(definition), rule_of(algorithm)
    u, counted = some_rows(definition, 80, 11)
    before = rule.index(u, counted, definition, model)
    for j in range(u.shape[1]):
        worse = u.copy()
        worse[:, j] = 1.0 if rule.component_score(definition) == "flag" else worse[:, j] + 0.7
        assert (rule.index(worse, counted, definition, model) >= before - 1e-12).all()


@pytest.mark.parametrize(("algorithm", "options"), [("dm", {}), ("pscore_sum", {}), ("mahalanobis_thr", {})])
def test_2_distances_without_a_side_are_not_monotone(algorithm: Any, options: Mapping[str, Any]) -> None:
    definition = definition_of(algorithm, **options)
    model, rule = model_for(definition), rule_of(algorithm)
    counted = np.ones((1, len(NAMES)), dtype=np.bool_)
    far, nearer = np.full((1, len(NAMES)), -2.0), np.full((1, len(NAMES)), -1.0)
    assert rule.index(nearer, counted, definition, model) < rule.index(far, counted, definition, model)


def test_3_doubling_the_markers_of_a_system_leaves_a_pscore_by_system() -> None:
    definition = definition_of("pscore_sum", by_system=True)
    twice = replace(
        definition,
        systems=tuple(
            replace(s, markers=s.markers + tuple(replace(m, name=m.name + "_again") for m in s.markers))
            if k == 2
            else s
            for k, s in enumerate(definition.systems)
        ),
    )
    panel, reference = entries_of()
    one, two = (allostatic_load(panel, d, reference)["index"] for d in (definition, twice))
    np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"total": "mean"}, {"by_system": True}])
def test_7_a_biomarker_nobody_has_changes_nothing(options: Mapping[str, Any]) -> None:
    panel, reference = entries_of()
    plain = definition_of("pscore_sum", *GROUPS, **options)
    more = definition_of("pscore_sum", *GROUPS[:-1], (*GROUPS[-1], "waist"), **options)
    one, two = (allostatic_load(panel, d, reference) for d in (plain, more))
    np.testing.assert_array_equal(one["index"], two["index"])
    assert one["n_inputs"].equals(two["n_inputs"])


def test_a_model_by_sex_serves_its_sex() -> None:
    scores = correlated(300, 4)
    sex = (np.arange(300) % 2).astype(np.int8)
    scores[sex == 1] += 0.8
    panel = panel_of_scores(scores, sex=sex)
    definition = definition_of("dm", strata="sex", shrink="never")
    reference = with_models(fit_reference(panel, name="x"), panel, definition)
    assert [(m.sex, m.n) for m in reference.models] == [("F", 150), ("M", 150)]
    found = allostatic_load(panel, definition, reference, winsorise=True)["index"].to_numpy()
    for code in (0, 1):
        assert float((found[sex == code] ** 2).sum()) == pytest.approx(len(NAMES) * 149, rel=1e-12)


def test_a_reference_without_the_model_says_how_to_get_it() -> None:
    panel, reference = entries_of()
    with pytest.raises(ConfigError, match=r"fit_reference\(..., definition='mine'\)"):
        allostatic_load(panel, definition_of("dm"), reference)


def test_several_models_of_the_same_markers_live_in_one_reference() -> None:
    panel, reference = entries_of()
    kinds = []
    fitted: Reference = reference
    for structure in ("one_factor", "bifactor", "second_order", "one_factor"):
        fitted = with_models(fitted, panel, definition_of("cfa", structure=structure))
        kinds.append(len(fitted.models))
    assert kinds == [1, 2, 3, 3]
    for structure in ("one_factor", "bifactor", "second_order"):
        assert np.isfinite(allostatic_load(panel, definition_of("cfa", structure=structure), fitted)["index"]).all()
