"""Missing markers imputed: Rubin's rules by hand, unbiased where complete cases are not, nothing from nowhere."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import (
    Definition,
    Marker,
    Reference,
    ReferenceEntry,
    System,
    allostatic_load,
    fit_imputation,
    impute,
    imputed_allostatic_load,
    pool,
)
from allostat.allostatic_load.components import Note
from allostat.allostatic_load.normal_with_holes import SampleWithHoles, conditional_draws, expectation_maximisation
from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel

NAMES = ("hdl", "hs_crp", "sbp")
MEAN = np.array([50.0, 0.4, 125.0])
SD = np.array([11.0, 0.9, 15.0])
CORRELATION = np.array([[1.0, -0.5, -0.3], [-0.5, 1.0, 0.7], [-0.3, 0.7, 1.0]])


def people(n: int, seed: int = 0, se: float = math.nan) -> Panel:
    """Correlated markers that rise with age and differ by sex."""
    rng = np.random.default_rng(seed)
    age, sex = rng.uniform(25, 65, n), rng.integers(0, 2, n)
    f = rng.standard_normal((n, 3)) @ np.linalg.cholesky(CORRELATION).T
    f += np.outer((age - 45) / 12, [-0.1, 0.2, 0.5]) + np.outer(sex - 0.5, [-0.6, 0.1, 0.4])
    f = MEAN + SD * f
    value = np.stack([f[:, 0], np.exp(f[:, 1]), f[:, 2]], axis=1)
    return Panel(
        tuple(f"p{i:05d}" for i in range(n)), ("1",), NAMES, value, np.tile(se * SD, (n, 1)), ~np.isnan(value),
        sex.astype(np.int8), age, np.full(n, ""),
    )  # fmt: skip


def with_holes(panel: Panel, seed: int = 1) -> Panel:
    """CRP missing at random given pressure: the higher the pressure, the likelier CRP was not taken."""
    rng = np.random.default_rng(seed)
    pressure = (panel.value[:, 2] - MEAN[2]) / SD[2]
    gone = rng.uniform(size=len(pressure)) < 1 / (1 + np.exp(-1.8 * pressure))
    value = panel.value.copy()
    value[gone, 1] = np.nan
    return replace(panel, value=value, present=~np.isnan(value))


def reference() -> Reference:
    entries = []
    for j, name in enumerate(NAMES):
        kind = biomarker_kind(name)
        entries.append(
            ReferenceEntry(
                name, kind.unit, kind.transform, kind.direction, kind.context, n=1000, mean=MEAN[j], sd=SD[j]
            )
        )
    return Reference("normal", "1", "", tuple(entries), {})


def definition(**more: Any) -> Definition:
    systems = tuple(System(n, (Marker(n, (n,)),)) for n in NAMES)
    return Definition("mine", "1", "mine", "", "", "zmean", systems, "none", **{"strata": "pooled", **more})


class TestRubin:
    def test_by_hand(self) -> None:
        """Three estimates 1, 2, 6 with variances 1, 2, 3: between 7, total 2 + 4/3 * 7."""
        found = pool([1.0, 2.0, 6.0], [1.0, 2.0, 3.0])
        assert (float(found.estimate), float(found.within), float(found.between)) == (3.0, 2.0, 7.0)
        total = 2 + 4 / 3 * 7
        assert float(found.total) == pytest.approx(total, rel=1e-15)
        df = 2 * (1 + 2 / (4 / 3 * 7)) ** 2
        assert float(found.df) == pytest.approx(df, rel=1e-15)
        r = 4 / 3 * 7 / 2
        assert float(found.missing_information) == pytest.approx((r + 2 / (df + 3)) / (r + 1), rel=1e-14)
        from scipy.stats import t

        half = t.ppf(0.975, df) * math.sqrt(total)
        assert (float(found.low), float(found.high)) == pytest.approx((3 - half, 3 + half), rel=1e-12)
        assert float(found.se) == math.sqrt(total)

    def test_small_samples_by_hand(self) -> None:
        """Barnard and Rubin: never more degrees of freedom than the complete data had."""
        found = pool([1.0, 2.0, 6.0], [1.0, 2.0, 3.0], complete_df=20)
        total = 2 + 4 / 3 * 7
        old, observed = 2 * (1 + 2 / (4 / 3 * 7)) ** 2, 21 / 23 * 20 * (1 - 4 / 3 * 7 / total)
        assert float(found.df) == pytest.approx(old * observed / (old + observed), rel=1e-14)
        assert float(pool([1.0, 1.0], [1.0, 1.0], complete_df=20).df) == pytest.approx(21 / 23 * 20, rel=1e-14)

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 4)), min_size=2, max_size=30),
        st.floats(-3, 3),
        st.floats(0.1, 5),
    )
    def test_shift_and_scale_travel_through(self, sets: list[tuple[float, float]], shift: float, scale: float) -> None:
        q, u = (np.array(c) for c in zip(*sets, strict=True))
        a, b = pool(q, u), pool(scale * q + shift, scale**2 * u)
        assert float(b.estimate) == pytest.approx(scale * float(a.estimate) + shift, abs=1e-9)
        assert float(b.se) == pytest.approx(scale * float(a.se), rel=1e-9)
        assert 0 <= float(a.missing_information) <= 1
        assert float(a.total) >= float(a.within) - 1e-12

    def test_data_sets_that_agree_lose_nothing(self) -> None:
        found = pool(np.full((5, 2), 3.0), np.full((5, 2), 4.0))
        assert np.isinf(found.df).all()
        np.testing.assert_array_equal(found.missing_information, 0.0)
        np.testing.assert_allclose(found.high, 3 + 1.959963984540054 * 2, rtol=1e-7)

    def test_nothing_but_imputation_is_uncertain(self) -> None:
        found = pool([[1.0], [3.0]], [[0.0], [0.0]])
        assert float(found.df[0]) == 1.0
        assert float(found.missing_information[0]) == 1.0

    def test_missing_stays_missing(self) -> None:
        found = pool([[1.0, math.nan], [2.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])
        for values in (found.estimate, found.se, found.df, found.low, found.missing_information):
            assert np.isnan(values).tolist() == [False, True]

    def test_what_cannot_be_pooled_is_refused(self) -> None:
        with pytest.raises(InputError, match="two data sets"):
            pool([1.0], [1.0])
        with pytest.raises(InputError, match="other shape"):
            pool([1.0, 2.0], [1.0])
        with pytest.raises(InputError, match="below zero"):
            pool([1.0, 2.0], [1.0, -1.0])


class TestModel:
    def test_without_holes_the_parameters_are_those_of_the_sample(self) -> None:
        data = np.random.default_rng(0).normal(size=(50, 3))
        mean, covariance = expectation_maximisation(SampleWithHoles(data))
        np.testing.assert_allclose(mean, data.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(covariance, np.cov(data.T, ddof=0), atol=1e-12)

    def test_two_variables_one_with_holes_have_a_closed_form(self) -> None:
        """Anderson 1957: the mean of y is its regression on x taken at the mean of all x."""
        rng = np.random.default_rng(1)
        x = rng.normal(size=400)
        y = 0.8 * x + rng.normal(size=400)
        data = np.stack([x, np.where(x > 0.2, np.nan, y)], axis=1)
        mean, covariance = expectation_maximisation(SampleWithHoles(data), tolerance=1e-12)
        there = ~np.isnan(data[:, 1])
        slope, intercept = np.polyfit(x[there], y[there], 1)
        assert mean[1] == pytest.approx(intercept + slope * x.mean(), abs=1e-8)
        assert covariance[0, 1] / covariance[0, 0] == pytest.approx(slope, abs=1e-8)

    def test_draws_follow_the_conditional_distribution(self) -> None:
        covariance = np.array([[1.0, 0.6], [0.6, 1.0]])
        data = np.tile([2.0, np.nan], (40_000, 1))
        noise = np.random.default_rng(2).standard_normal(data.shape)
        drawn = conditional_draws(data, np.array([0.0, 1.0]), covariance, noise)
        np.testing.assert_array_equal(drawn[:, 0], 2.0)
        assert drawn[:, 1].mean() == pytest.approx(1 + 0.6 * 2, abs=0.02)
        assert drawn[:, 1].std() == pytest.approx(0.8, abs=0.01)

    def test_samples_that_cannot_carry_a_model_are_refused(self) -> None:
        panel = people(60)
        with pytest.raises(InputError, match="what nobody has is never imputed"):
            fit_imputation(panel, fitted_on="study", biomarkers=["sbp", "dbp"])
        with pytest.raises(InputError, match="too few persons"):
            fit_imputation(panel.rows(np.arange(8)), fitted_on="study")
        apart = panel.value.copy()
        apart[:30, 1], apart[30:, 2] = np.nan, np.nan
        with pytest.raises(InputError, match="hs_crp and sbp"):
            fit_imputation(replace(panel, value=apart), fitted_on="study")
        assert fit_imputation(replace(panel, value=apart), fitted_on="study", ridge=0.05, imputations=2).n == 60
        constant = panel.value.copy()
        constant[:, 0] = 50.0
        with pytest.raises(InputError, match="without spread"):
            fit_imputation(replace(panel, value=constant), fitted_on="study")
        twice = panel.value.copy()
        twice[:, 0] = twice[:, 2] / 2
        with pytest.raises(InputError, match="collinear"):
            fit_imputation(replace(panel, value=twice), fitted_on="study")
        with pytest.raises(ConfigError, match="two data sets"):
            fit_imputation(panel, fitted_on="study", imputations=1)


class TestImputation:
    def test_unbiased_where_complete_cases_are_not(self) -> None:
        """Mean index with CRP missing the likelier the higher the pressure, over 20 studies of 300 persons."""
        truth = float(allostatic_load(people(100_000, 99), definition(), reference(), winsorise=False)["index"].mean())
        complete, imputed, covered = [], [], 0
        for seed in range(20):
            holes = with_holes(people(300, seed), seed + 1000)
            strict = definition(min_share_of_systems=1.0)
            complete.append(float(allostatic_load(holes, strict, reference(), winsorise=False)["index"].mean()))
            model = fit_imputation(holes, fitted_on="study", imputations=4, seed=seed)
            found = imputed_allostatic_load(impute(holes, model), definition(), reference(), winsorise=False)
            index = found["imputed_index"].to_numpy()
            group = pool(index.mean(axis=1), index.var(axis=1, ddof=1) / index.shape[1])
            imputed.append(float(group.estimate))
            covered += bool(group.low <= truth <= group.high)
        spread = np.std(imputed) / math.sqrt(20)
        assert abs(np.mean(imputed) - truth) < 3 * spread
        assert np.mean(complete) - truth < -0.2
        assert 0.8 <= covered / 20 <= 1.0

    def test_intervals_of_persons_cover_their_true_index(self) -> None:
        whole = people(3000, 7)
        holes = with_holes(whole)
        model = fit_imputation(holes, fitted_on="study", seed=3)
        found = imputed_allostatic_load(impute(holes, model), definition(), reference(), winsorise=False)
        true = allostatic_load(whole, definition(), reference(), winsorise=False)["index"]
        some = found["n_imputed"] == 1
        inside = ((found["ci_low"] <= true) & (true <= found["ci_high"]))[some]
        assert 0.93 <= float(inside.mean()) <= 0.97
        assert np.isnan(found["index_se"][~some]).all()
        np.testing.assert_array_equal(found["index"][~some], true[~some])

    def test_measurement_error_and_imputation_add_up(self) -> None:
        holes = with_holes(people(400, 8, se=0.2))
        model = fit_imputation(holes, fitted_on="study")
        found = imputed_allostatic_load(impute(holes, model), definition(), reference(), winsorise=False)
        some = (found["n_imputed"] == 1).to_numpy()
        se = found["index_se"].to_numpy()
        np.testing.assert_allclose(se[~some], 0.2 / math.sqrt(3), rtol=1e-9)
        within = math.sqrt(2 * 0.2**2) / 3
        between = found["imputed_index"].to_numpy().var(axis=0, ddof=1)
        np.testing.assert_allclose(se[some], np.sqrt(within**2 + 1.05 * between[some]), rtol=1e-9)
        assert (found["missing_information"].to_numpy()[some] > 0.2).all()
        assert (found["missing_information"].to_numpy()[~some] == 0).all()
        notes = found["index_notes"].to_numpy()
        assert ((notes & Note.IMPUTED) > 0).tolist() == some.tolist()

    def test_a_person_alone_has_the_imputations_of_the_cohort(self) -> None:
        model = fit_imputation(people(300, 5), fitted_on="reference", imputations=5)
        holes = with_holes(people(40, 6))
        cohort = impute(holes, model)
        i = int(np.flatnonzero(np.isnan(holes.value[:, 1]))[0])
        alone = impute(holes.rows(np.array([i])), model, biomarkers=NAMES)
        for a, b in zip(alone.panels, cohort.panels, strict=True):
            np.testing.assert_array_equal(a.value[0], b.value[i])

    def test_observed_values_stay_and_how_much_was_imputed_is_said(self) -> None:
        holes = with_holes(people(200, 5))
        model = fit_imputation(holes, fitted_on="study", imputations=3)
        found = impute(holes, model)
        gone = np.isnan(holes.value)
        np.testing.assert_array_equal(found.imputed, gone)
        for panel in found.panels:
            np.testing.assert_array_equal(panel.value[~gone], holes.value[~gone])
            assert not np.isnan(panel.value).any()
        assert found.share == {"hdl": 0.0, "hs_crp": pytest.approx(gone[:, 1].mean()), "sbp": 0.0}
        scores = imputed_allostatic_load(found, definition(), reference())
        assert scores.attrs["imputation_model"] == "study"
        assert scores.attrs["imputed_share"] == f"hs_crp {gone[:, 1].mean():.3f}"
        assert scores.attrs["imputations"] == 3

    def test_what_nobody_has_is_not_imputed_unless_asked_for(self) -> None:
        model = fit_imputation(people(300, 5), fitted_on="reference", imputations=3)
        value = people(30, 6).value.copy()
        value[:, 1] = np.nan
        lacking = replace(people(30, 6), value=value)
        assert all(np.isnan(p.value[:, 1]).all() for p in impute(lacking, model).panels)
        asked = impute(lacking, model, biomarkers=["hs_crp"], most_missing=1.0)
        assert all((p.value[:, 1] > 0).all() for p in asked.panels)
        with pytest.raises(ConfigError, match="does not know"):
            impute(lacking, model, biomarkers=["dbp"])

    def test_persons_with_too_little_stay_as_they_are(self) -> None:
        panel = people(100, 5)
        value = panel.value.copy()
        value[3, 1:], value[4, 1], value[5] = np.nan, np.nan, np.nan
        holes = replace(panel, value=value)
        model = fit_imputation(holes, fitted_on="study", imputations=2)
        found = impute(holes, model)
        assert found.left == ("p00003",)
        assert np.isnan(found.panels[0].value[3, 1:]).all()
        assert not np.isnan(found.panels[0].value[4]).any()
        assert np.isnan(found.panels[0].value[5]).all()
        assert impute(holes, model, most_missing=0.9).left == ()

    def test_a_model_of_the_same_persons_is_no_reference(self) -> None:
        holes = with_holes(people(100, 5))
        model = fit_imputation(holes, fitted_on="reference", imputations=2)
        with pytest.raises(ConfigError, match="these persons themselves"):
            impute(holes, model)

    def test_sex_and_age_may_be_unknown(self) -> None:
        holes = with_holes(people(200, 5))
        sex, age = holes.sex.copy(), holes.age_years.copy()
        sex[:20], age[10:30] = -1, np.nan
        some = replace(holes, sex=sex, age_years=age)
        model = fit_imputation(some, fitted_on="study", imputations=2)
        assert model.variables == (*NAMES, "sex", "age")
        assert not np.isnan(impute(some, model).panels[0].value).any()
        nobody = replace(holes, sex=np.full(200, -1, dtype=np.int8), age_years=np.full(200, 40.0))
        assert fit_imputation(nobody, fitted_on="study", imputations=2).variables == NAMES

    def test_one_marker_with_holes_is_its_regression(self) -> None:
        """With holes in one marker only, its expected mean is the regression on the others, sex and age."""
        holes = with_holes(people(400, 11))
        model = fit_imputation(holes, fitted_on="study", imputations=40)
        own = np.mean([np.log(p.value[:, 1]).mean() for p in impute(holes, model).panels])
        crp = np.log(holes.value[:, 1])
        there = ~np.isnan(crp)
        x = np.column_stack([np.ones(400), holes.value[:, 0], holes.value[:, 2], holes.sex, holes.age_years])
        coefficients = np.linalg.lstsq(x[there], crp[there], rcond=None)[0]
        assert own == pytest.approx(np.where(there, crp, x @ coefficients).mean(), abs=0.025)
