"""The specification curve, its permutation test and the shares of the choices."""

from __future__ import annotations

import importlib
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import multiverse
from allostat.allostatic_load.multiverse import grid_from
from allostat.allostatic_load.multiverse.curve import EffectStatus, Outcome, fitted_effects
from allostat.allostatic_load.multiverse.decomposition import RESIDUAL, score_shares, variance_shares
from allostat.allostatic_load.multiverse.outcomes import outcome_of
from allostat.allostatic_load.multiverse.permutation import permuted_curve
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel

N = 120


def scores_and(seed: int = 1, n: int = N, specifications: int = 6, effect: float = 0.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    scores = truth + rng.normal(size=(specifications, n))
    scores[1, rng.random(n) < 0.2] = math.nan
    covariates = rng.normal(size=(n, 2))
    covariates[:3, 0] = math.nan
    y = effect * truth + 0.5 * np.nan_to_num(covariates[:, 1]) + rng.normal(size=n)
    y[5] = math.nan
    return scores, y, covariates


def outcome(y, covariates=None, model="linear") -> Outcome:
    matrix = np.zeros((len(y), 0)) if covariates is None else covariates
    return Outcome("y", model, y, matrix, tuple(f"c{i}" for i in range(matrix.shape[1])))


# effects


def test_linear_effects_equal_statsmodels() -> None:
    sm = importlib.import_module("statsmodels.api")
    scores, y, c = scores_and(effect=0.3)
    found = fitted_effects(scores, outcome(y, c))
    for i, row in enumerate(scores):
        here = ~np.isnan(row) & ~np.isnan(y) & ~np.isnan(c).any(axis=1)
        x = (row[here] - row[here].mean()) / row[here].std(ddof=1)
        fit = sm.OLS(y[here], sm.add_constant(np.column_stack([x, c[here]]))).fit()
        assert found.n[i] == here.sum()
        np.testing.assert_allclose(
            [found.effect[i], found.se[i], found.p[i]], [fit.params[1], fit.bse[1], fit.pvalues[1]]
        )
        np.testing.assert_allclose([found.ci_low[i], found.ci_high[i]], fit.conf_int()[1], rtol=1e-9)


def test_logistic_effects_equal_statsmodels() -> None:
    sm = importlib.import_module("statsmodels.api")
    scores, y, c = scores_and(effect=0.6)
    binary = np.where(np.isnan(y), math.nan, y > 0.2)
    found = fitted_effects(scores, outcome(binary, c, "logistic"))
    for i, row in enumerate(scores):
        here = ~np.isnan(row) & ~np.isnan(binary) & ~np.isnan(c).any(axis=1)
        x = (row[here] - row[here].mean()) / row[here].std(ddof=1)
        fit = sm.Logit(binary[here], sm.add_constant(np.column_stack([x, c[here]]))).fit(disp=0, tol=1e-12)
        np.testing.assert_allclose(
            [found.effect[i], found.se[i], found.p[i]], [fit.params[1], fit.bse[1], fit.pvalues[1]], rtol=1e-6
        )


def test_models_that_cannot_be_fitted_are_nan_with_a_reason() -> None:
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=60), rng.normal(size=60)
    few = np.where(np.arange(60) < 12, x, math.nan)
    found = fitted_effects(np.array([x, few, np.full(60, 2.0), np.full(60, math.nan)]), outcome(y, x[:, None] * 3 + 1))
    assert [EffectStatus(s) for s in found.status] == [
        EffectStatus.COLLINEAR, EffectStatus.TOO_FEW_PERSONS, EffectStatus.SCORE_CONSTANT, EffectStatus.TOO_FEW_PERSONS,
    ]  # fmt: skip
    assert np.isnan(found.effect).all()
    separated = fitted_effects(x[None], outcome((x > 0).astype(float), model="logistic"))
    assert separated.status[0] == EffectStatus.NOT_CONVERGED
    same = np.where(np.arange(60) < 30, 1.0, y)
    constant = fitted_effects(np.where(np.arange(60) < 30, x, math.nan)[None], outcome(same))
    assert constant.status[0] == EffectStatus.OUTCOME_CONSTANT


# permutations


def test_the_median_of_the_data_is_the_median_effect() -> None:
    scores, y, c = scores_and(effect=0.4)
    effects = fitted_effects(scores, outcome(y, c))
    found = permuted_curve(scores, outcome(y, c), effects, permutations=99, seed=1)
    assert found.observed_median == pytest.approx(float(np.median(effects.effect)), rel=1e-10)
    assert found.p_median == pytest.approx(0.01)
    assert found.p_significant == pytest.approx(0.01)


def test_a_permutation_equals_the_models_fitted_anew() -> None:
    scores, y, _ = scores_and(n=60)
    y[5] = 0.1
    effects = fitted_effects(scores, outcome(y))
    found = permuted_curve(scores, outcome(y), effects, permutations=3, seed=7)
    rng = np.random.default_rng(7)
    for k in range(3):
        dealt = rng.permutation(y - y.mean())
        again = fitted_effects(scores, outcome(dealt))
        assert found.median[k] == pytest.approx(float(np.median(again.effect)), rel=1e-9)


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_p_of_the_median_is_uniform_when_nothing_is_there(model: str) -> None:
    p = []
    for seed in range(120):
        scores, y, c = scores_and(seed, n=60, specifications=3)
        # The outcome depends on a covariate, not on the index.
        told = outcome(y if model == "linear" else np.where(np.isnan(y), math.nan, y > 0), c[:, 1:], model)
        effects = fitted_effects(scores, told)
        p.append(permuted_curve(scores, told, effects, permutations=49, seed=seed).p_median)
    for level in (0.1, 0.3, 0.5, 0.8):
        share = np.mean(np.array(p) <= level)
        assert abs(share - level) < 3.0 * math.sqrt(level * (1 - level) / len(p))


def test_no_permutations_and_no_effects_give_nan() -> None:
    scores, y, c = scores_and()
    effects = fitted_effects(scores, outcome(y, c))
    assert math.isnan(permuted_curve(scores, outcome(y, c), effects, permutations=0, seed=0).p_median)
    none = np.full(scores.shape, math.nan)
    found = permuted_curve(none, outcome(y, c), fitted_effects(none, outcome(y, c)), permutations=5, seed=0)
    assert math.isnan(found.p_median)
    assert len(found.median) == 5


# shares


def balanced() -> list[dict[str, str]]:
    return [dict(zip("abc", cell, strict=True)) for cell in itertools.product("xy", "xyz", "xy")]


def test_shares_in_a_balanced_design_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(4)
    levels = balanced()
    values = rng.normal(size=(len(levels), 5))
    found = variance_shares(levels, values)
    expected = dict.fromkeys("abc", 0.0)
    for person in values.T:
        total = ((person - person.mean()) ** 2).sum()
        for name in "abc":
            told = np.array([one[name] for one in levels])
            between = sum((told == v).sum() * (person[told == v].mean() - person.mean()) ** 2 for v in set(told))
            expected[name] += between / total / 5
    for name in "abc":
        assert found[name] == pytest.approx(expected[name], rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_shares_add_up_to_one_in_any_design(seed: int, kept: float) -> None:
    rng = np.random.default_rng(seed)
    levels = [one for one in balanced() if rng.random() < kept]
    for one in levels:
        if one["a"] == "x":
            one["c"] = "not applicable"
    values = rng.normal(size=(len(levels), 4))
    found = variance_shares(levels, values)
    if len(levels) < 2:
        return
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-9)
    assert min(found.values()) >= 0.0


def test_a_choice_that_moves_everything_has_all_of_the_variance() -> None:
    levels = balanced()
    person = np.array([1.0 if one["b"] == "z" else 0.0 for one in levels])
    found = variance_shares(levels, person[:, None])
    assert found["b"] == pytest.approx(1.0)
    assert found[RESIDUAL] == pytest.approx(0.0, abs=1e-9)


def test_a_nested_choice_takes_nothing_from_the_one_it_is_nested_in() -> None:
    levels = [
        {"kind": "count", "operator": "strict"}, {"kind": "count", "operator": "inclusive"},
        {"kind": "z", "operator": "not applicable"},
    ]  # fmt: skip
    found = variance_shares(levels, np.array([[1.0], [1.0], [5.0]]))
    assert found["kind"] == pytest.approx(1.0)
    assert found["operator"] == pytest.approx(0.0, abs=1e-12)


def test_shares_are_nan_without_variance_and_without_persons_in_common() -> None:
    levels = balanced()
    assert all(math.isnan(v) for v in variance_shares(levels, np.ones((len(levels), 3))).values())
    apart = np.full((2, 4), math.nan)
    apart[0, :2] = apart[1, 2:] = 0.5
    found = score_shares(levels[:2], apart)
    assert found.participants == 0
    assert all(math.isnan(v) for v in found.of.values())


# outcomes


def panel(n: int = 40) -> Panel:
    rng = np.random.default_rng(1)
    value = rng.normal([126, 78, 26, 55], [14, 9, 3, 10], (n, 4))
    return Panel(
        tuple(f"p{i:02d}" for i in range(n)), ("1",), ("sbp", "dbp", "bmi", "hdl"), value,
        np.full(value.shape, math.nan),
        np.ones(value.shape, dtype=bool), rng.integers(0, 2, n).astype(np.int8), rng.uniform(20, 70, n), np.full(n, ""),
    )  # fmt: skip


def persons(n: int = 40, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    basis = {"participant_id": [f"p{i:02d}" for i in range(n)], "y": rng.normal(size=n)}
    return pd.DataFrame({**basis, **columns})


@pytest.mark.parametrize(
    ("columns", "name", "covariates", "message"),
    [
        ({}, "fatige", (), "no such column"),
        ({}, "y", ("agee",), "nearest valid: 'age'"),
        ({"y": 1.0}, "y", (), "the same for everybody"),
        ({"y": [1.0, 2.0] + [math.nan] * 38}, "y", (), "too few participants"),
        ({"y": ["a", "b", "c", "d"] * 10}, "y", (), "one of two texts"),
        ({"y": [math.inf] + [1.0] * 39}, "y", (), "finite"),
        ({"participant_id": ["p00"] * 40}, "y", (), "twice"),
        ({"participant_id": [f"q{i}" for i in range(40)]}, "y", (), "no participant"),
    ],
)
def test_a_bad_outcome_says_what_is_wrong(columns, name: str, covariates, message: str) -> None:
    with pytest.raises(InputError, match=message):
        outcome_of(panel(), persons(**columns), name, covariates, "auto")


def test_outcomes_of_two_values_are_logistic_and_texts_are_told_apart() -> None:
    told = outcome_of(panel(), persons(ill=["no", "yes", None, "no"] * 10), "ill", ("age", "sex"), "auto")
    assert told.model == "logistic"
    assert told.y[:4].tolist()[:2] == [0.0, 1.0]
    assert math.isnan(told.y[2])
    assert told.terms == ("age", "sex=M")
    assert outcome_of(panel(), persons(ill=[1, 2] * 20), "ill", (), "auto").y.tolist()[:2] == [0.0, 1.0]
    with pytest.raises(InputError, match="two values"):
        outcome_of(panel(), persons(), "y", (), "logistic")


def test_an_outcome_without_persons_and_unknown_settings_are_refused() -> None:
    grid = grid_from({"id": "g", "choices": {"definition": ["m"], "cuts": ["sample"]},
                      "definitions": {"m": {"markers": ["sbp", "dbp", "bmi", "hdl"]}}})  # fmt: skip
    with pytest.raises(InputError, match="needs the persons"):
        multiverse(panel(), "y", grid=grid)
    with pytest.raises(ConfigError, match="linear"):
        multiverse(panel(), "y", persons=persons(), grid=grid, model="liner")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="0 or more"):
        multiverse(panel(), grid=grid, permutations=-1)
    result = multiverse(panel(), "y", persons=persons(), grid=grid, permutations=9)
    assert result.attrs["n_effects"] == 1
