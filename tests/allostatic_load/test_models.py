"""Principal components, factor models, item response, outcome weights: what is fitted, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from allostat.allostatic_load import ReferenceModel, allostatic_load, cross_fitted_scores, fit_reference, with_models
from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.algorithms.factor import fit_general_factor
from allostat.allostatic_load.algorithms.factor_fit import fit_factor_model
from allostat.allostatic_load.algorithms.irt import expected_a_posteriori, fit_item_response
from allostat.allostatic_load.algorithms.weighted import logistic_regression
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel
from tests.allostatic_load.samples import (
    NAMES,
    Floats,
    correlated,
    definition_of,
    entries_of,
    model_for,
    outcome_of,
    panel_of_scores,
    reference_for,
    some_rows,
)
from tests.reference import index as reference

SYSTEMS = (0, 0, 1, 1, 2, 2, 2, 3, 3)
FOUR = ("a", "b", "c", "d")


def fitted(algorithm: str, **options: Any) -> ReferenceModel:
    model = model_for(definition_of(algorithm, **options))
    assert model is not None
    return model


class TestPrincipalComponents:
    def test_loadings_are_the_eigenvectors_of_the_correlations_with_their_sum_above_zero(self) -> None:
        panel, ref = entries_of()
        z = allostatic_load(panel, definition_of("zsum"), ref)["z"].to_numpy()
        model = fitted("pca")
        loadings, values = model.array("loadings"), model.array("eigenvalues")
        correlation = np.corrcoef(z, rowvar=False)
        np.testing.assert_allclose(correlation @ loadings.T, loadings.T * values, atol=1e-10)
        np.testing.assert_allclose(loadings @ loadings.T, np.eye(len(NAMES)), atol=1e-12)
        assert (loadings.sum(axis=1) > 0).all()
        assert (np.diff(values) < 0).all()
        assert values.sum() == pytest.approx(len(NAMES))
        found = allostatic_load(panel, definition_of("pca", components=2), reference_for(definition_of("pca")))["index"]
        np.testing.assert_allclose(found, z @ loadings[:2].sum(axis=0), rtol=1e-10, atol=1e-12)

    def test_more_components_than_markers_are_refused(self) -> None:
        definition = definition_of("pca", components=10)
        with pytest.raises(ConfigError, match="1 to 9"):
            allostatic_load(entries_of()[0], definition, reference_for(definition))


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [("pca", {}), ("cfa", {}), ("cfa", {"structure": "bifactor"}), ("logit_weighted", {})],
)
def test_missing_markers_are_predicted_from_the_others(algorithm: str, options: dict[str, Any]) -> None:
    definition = definition_of(algorithm, **options)
    model, rule = fitted(algorithm, **options), rule_of(definition.algorithm)
    u, counted = some_rows(definition, 80, 4, 0.35)
    found = rule.index(u, counted, definition, model)
    if algorithm == "pca":
        weights, start = model.array("loadings")[0], float(model.array("loadings")[0] @ model.array("mean"))
    else:
        weights = model.array("weights")
        start = float(weights @ model.array("mean")) if algorithm == "logit_weighted" else 0.0
    plain = [start + reference.predicted(row, weights, model.array("mean"), model.array("covariance")) for row in u]
    np.testing.assert_allclose(found, plain, rtol=1e-9, atol=1e-12)


class TestFactorModels:
    def test_golden_one_factor(self, golden: dict[str, Any]) -> None:
        x, disp = np.array(golden["pscore_mtcars"]["data"]), np.array(golden["onefactor_mtcars"]["disp"])
        columns = np.column_stack([-x[:, 0], -x[:, 1], x[:, 2], disp])
        best = columns.min(axis=0)
        d = (columns - best) / columns.std(axis=0, ddof=1)
        parameters, about = fit_general_factor(d, "one_factor", (0,) * 4, FOUR, where="cars")
        general = np.array(parameters["general"])
        np.testing.assert_allclose(general / general[0], golden["onefactor_mtcars"]["loadings"], atol=5e-4)
        model = ReferenceModel("one_factor", FOUR, None, 32, parameters, about)
        definition = definition_of("cfa", ("sbp", "dbp", "hr_rest", "bmi"), scale="first_marker")
        found = rule_of("cfa").index(d, np.ones(d.shape, dtype=np.bool_), definition, model)
        np.testing.assert_allclose(found[:3], golden["onefactor_mtcars"]["scores_first3"], atol=2e-7)

    @pytest.mark.parametrize("structure", ["one_factor", "second_order", "bifactor"])
    def test_a_known_structure_is_found_again(self, structure: str) -> None:
        truth = np.array([0.7, 0.6, 0.5, 0.6, 0.7, 0.4, 0.5, 0.6, 0.8])
        special = {"one_factor": 0.0, "second_order": 0.0, "bifactor": 0.4}[structure]
        member = np.array(SYSTEMS)
        same = (member[:, None] == member).astype(np.float64)
        if structure == "second_order":
            loading, gamma = truth, np.array([0.8, 0.7, 0.9, 0.6])
            between = np.outer(gamma, gamma)
            np.fill_diagonal(between, 1.0)
            r = np.outer(loading, loading) * between[np.ix_(member, member)]
            general = loading * gamma[member]
        else:
            r, general = np.outer(truth, truth) + special**2 * same, truth
        np.fill_diagonal(r, 1.0)
        fit = fit_factor_model(r, 500, structure, SYSTEMS)
        np.testing.assert_allclose(np.abs(fit.general), general, atol=1e-6)
        assert (fit.chi2, fit.cfi, fit.rmsea) == (pytest.approx(0.0, abs=1e-8), 1.0, 0.0)
        assert fit.srmr < 1e-7
        assert fit.df == {"one_factor": 27, "second_order": 23, "bifactor": 21}[structure]

    @pytest.mark.parametrize("structure", ["one_factor", "second_order", "bifactor"])
    def test_the_minimum_is_that_of_a_general_optimiser(self, structure: str) -> None:
        """Derivatives that are off, or a start that misleads, would leave a higher minimum."""
        from scipy.optimize import minimize

        from allostat.allostatic_load.algorithms.factor_fit import _structure

        r = np.corrcoef(correlated(300, 12), rowvar=False)
        fit = fit_factor_model(r, 300, structure, SYSTEMS)
        model = _structure(r, structure, np.array(SYSTEMS), "test")

        def value(theta: Floats) -> float:
            sigma, _ = model.implied(theta)
            sign, log_det = np.linalg.slogdet(sigma)
            if sign <= 0:
                return 1e6
            return float(log_det + np.trace(r @ np.linalg.inv(sigma)) - np.linalg.slogdet(r)[1] - len(r))

        bounds = list(zip(model.low, model.high, strict=True))
        other = minimize(value, model.start, method="L-BFGS-B", bounds=bounds, options={"maxfun": 20000}).fun
        assert fit.chi2 / 300 <= other + 1e-9
        assert fit.chi2 / 300 == pytest.approx(other, abs=1e-5)
        assert fit.starts_agreeing >= 4

    def test_derivatives_of_the_implied_correlations(self) -> None:
        from allostat.allostatic_load.algorithms.factor_fit import _structure

        r = np.corrcoef(correlated(200, 3), rowvar=False)
        for structure in ("one_factor", "second_order", "bifactor"):
            for systems in (SYSTEMS, (0, 1, 1, 2, 2, 2, 2, 3, 3)):
                model = _structure(r, structure, np.array(systems), "test")
                theta, h = model.start * 0.9 + 0.01, 1e-6
                _, slopes = model.implied(theta)
                for a in range(len(theta)):
                    step = np.zeros(len(theta))
                    step[a] = h
                    difference = (model.implied(theta + step)[0] - model.implied(theta - step)[0]) / (2 * h)
                    np.testing.assert_allclose(slopes[a], difference, atol=1e-8)

    def test_fit_indices_tell_the_right_structure_from_the_wrong_one(self) -> None:
        wrong, right = fitted("cfa"), fitted("cfa", structure="bifactor")
        assert float(wrong.settings["cfi"]) < 0.9 < float(right.settings["cfi"])
        assert float(wrong.settings["rmsea"]) > 0.08 > float(right.settings["rmsea"])
        assert float(wrong.settings["srmr"]) > float(right.settings["srmr"])

    def test_a_model_of_other_systems_is_refused(self) -> None:
        regrouped = definition_of("cfa", NAMES[:3], NAMES[3:6], NAMES[6:], structure="bifactor")
        with pytest.raises(ConfigError, match="markers in other systems"):
            allostatic_load(entries_of()[0], regrouped, reference_for(definition_of("cfa", structure="bifactor")))

    def test_scores_do_not_depend_on_units_of_z(self) -> None:
        z = correlated(200, 1)
        stretch = np.linspace(0.5, 3.0, len(NAMES))
        every = np.ones(z.shape, dtype=np.bool_)
        found = []
        for sample in (z, z * stretch):
            parameters, about = fit_general_factor(sample, "one_factor", SYSTEMS, NAMES, where="x")
            model = ReferenceModel("one_factor", NAMES, None, 200, parameters, about)
            found.append(rule_of("cfa").index(sample, every, definition_of("cfa"), model))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize(
        ("structure", "systems", "says"),
        [
            ("one_factor", (0, 0), "3 markers or more"),
            ("second_order", (0, 0, 0, 1, 1, 1), "3 systems or more"),
            ("bifactor", (0, 0, 0, 0), "more parameters"),
            ("bifactor", (0, 0, 0, 0, 0, 0, 0, 0, 0), "not identified|did not converge"),
        ],
    )
    def test_models_that_the_markers_cannot_carry_are_refused(
        self, structure: str, systems: tuple[int, ...], says: str
    ) -> None:
        r = np.corrcoef(correlated(300, 2)[:, : len(systems)], rowvar=False)
        with pytest.raises(InputError, match=says):
            fit_factor_model(r, 300, structure, systems)

    def test_a_uniqueness_on_its_bound_is_named(self) -> None:
        """The first marker correlates more with the others than they allow: its loading would have to exceed 1."""
        r = np.full((4, 4), 0.5)
        r[0] = r[:, 0] = 0.8
        np.fill_diagonal(r, 1.0)
        fit = fit_factor_model(r, 100, "one_factor", (0,) * 4)
        assert fit.heywood == (0,)
        exact = np.linalg.cholesky(r) @ np.linalg.pinv(
            np.linalg.cholesky(np.cov(z := correlated(60)[:, :4], rowvar=False))
        )
        _, about = fit_general_factor(z @ exact.T, "one_factor", (0,) * 4, FOUR, where="x")
        assert about["heywood"] == "a"


class TestItemResponse:
    SLOPE, INTERCEPT = np.array([1.0, 1.5, 0.8, 2.0, 1.2, 0.5]), np.array([-1.0, -1.5, -0.5, -2.0, -1.0, -1.2])

    def simulated(self, n: int, seed: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(seed)
        t = rng.normal(size=n)
        chance = 1 / (1 + np.exp(-(t[:, None] * self.SLOPE + self.INTERCEPT)))
        return t, (rng.random(chance.shape) < chance).astype(np.float64)

    def model(self) -> ReferenceModel:
        parameters = {"slope": self.SLOPE.tolist(), "intercept": self.INTERCEPT.tolist()}
        return ReferenceModel("irt", ("a", "b", "c", "d", "e", "f"), None, 0, parameters)

    def test_parameters_are_recovered_from_simulated_flags(self) -> None:
        _, flags = self.simulated(20000, 1)
        parameters, about = fit_item_response(flags, tuple("abcdef"), where="x")
        np.testing.assert_allclose(parameters["slope"], self.SLOPE, atol=0.12)
        np.testing.assert_allclose(parameters["intercept"], self.INTERCEPT, atol=0.08)
        np.testing.assert_allclose(parameters["difficulty"], -self.INTERCEPT / self.SLOPE, atol=0.25)
        assert about["converged"] is True

    def test_the_likelihood_is_at_its_maximum(self) -> None:
        from allostat.allostatic_load.algorithms.irt import _expectation

        _, flags = self.simulated(800, 2)
        parameters, about = fit_item_response(flags, tuple("abcdef"), where="x")
        patterns, count = np.unique(flags, axis=0, return_counts=True)
        best = np.array([parameters["slope"], parameters["intercept"]])
        assert _expectation(patterns, count, best)[2] == pytest.approx(float(about["log_likelihood"]), rel=1e-9)
        rng = np.random.default_rng(0)
        for _ in range(20):
            assert _expectation(patterns, count, best + rng.normal(0, 0.02, best.shape))[2] < float(
                about["log_likelihood"]
            )

    def test_expected_load_and_its_error_are_those_of_a_fine_sum(self) -> None:
        _, flags = self.simulated(40, 3)
        flags[np.random.default_rng(1).random(flags.shape) < 0.3] = np.nan
        counted = ~np.isnan(flags)
        mean, sd = expected_a_posteriori(flags, counted, self.model())
        for i, row in enumerate(flags):
            plain = reference.expected_load(row, self.SLOPE, self.INTERCEPT)
            assert (mean[i], sd[i]) == (pytest.approx(plain[0], abs=1e-6), pytest.approx(plain[1], abs=1e-6))

    def test_the_posterior_error_is_honest(self) -> None:
        t, flags = self.simulated(5000, 4)
        mean, sd = expected_a_posteriori(flags, np.ones(flags.shape, dtype=np.bool_), self.model())
        assert float((((t - mean) / sd) ** 2).mean()) == pytest.approx(1.0, abs=0.06)

    def test_fewer_flags_leave_more_doubt(self) -> None:
        flags = np.ones((1, 6))
        all_of_them = np.ones((1, 6), dtype=np.bool_)
        half = np.array([[True, True, True, False, False, False]])
        mean, sd = expected_a_posteriori(flags, all_of_them, self.model())
        fewer_mean, fewer_sd = expected_a_posteriori(flags, half, self.model())
        assert fewer_sd > sd
        assert 0 < fewer_mean < mean

    def test_flags_that_nobody_has_are_refused(self) -> None:
        _, flags = self.simulated(200, 5)
        flags[:, 2] = 0
        with pytest.raises(InputError, match="nobody or in everybody; found 'c'"):
            fit_item_response(flags, tuple("abcdef"), where="x")

    def test_the_same_flag_twice_is_refused(self) -> None:
        _, flags = self.simulated(400, 6)
        with pytest.raises(InputError, match=r"determined by the others.*found 'a, b'"):
            fit_item_response(np.column_stack([flags[:, 0], flags[:, 0], flags[:, 3:]]), tuple("abcde"), where="x")


class TestOutcomeWeights:
    def test_log_odds_agree_with_statsmodels(self) -> None:
        models = pytest.importorskip("statsmodels.api")
        x = correlated(400, 3)
        y = np.array(list(outcome_of(panel_of_scores(x), x).values()))
        oracle = models.Logit(y, models.add_constant(x)).fit(disp=0, tol=1e-12).params
        intercept, weights = logistic_regression(x, y, where="x")
        np.testing.assert_allclose([intercept, *weights], oracle, rtol=1e-6)

    def test_a_marker_that_separates_is_refused(self) -> None:
        x = correlated(200, 4)
        with pytest.raises(InputError, match="no maximum"):
            logistic_regression(x, (x[:, 0] > 0.3).astype(np.float64), where="x")

    def test_one_outcome_only_is_refused(self) -> None:
        with pytest.raises(InputError, match="with and without the outcome"):
            logistic_regression(correlated(50), np.ones(50), where="x")

    def test_weights_that_know_the_person_flatter_and_cross_fitted_ones_do_not(self) -> None:
        """The outcome is noise: no score can predict it, but weights fitted on the same persons seem to."""
        definition = definition_of("logit_weighted")
        in_sample, crossed = [], []
        for seed in range(4):
            panel = panel_of_scores(correlated(150, seed))
            noise = np.random.default_rng(100 + seed).random(150) < 0.4
            outcome = {p: float(d) for p, d in zip(panel.participants, noise.tolist(), strict=True)}
            ref = with_models(fit_reference(panel, name="x", by_sex=False), panel, definition, outcome=outcome)
            in_sample.append(auc(allostatic_load(panel, definition, ref)["index"].to_numpy(), noise))
            crossed.append(auc(cross_fitted_scores(panel, definition, outcome, folds=5, seed=1).to_numpy(), noise))
        assert np.mean(in_sample) > 0.6
        assert np.mean(crossed) < 0.55

    def test_cross_fitted_scores_still_see_an_outcome_that_is_there(self) -> None:
        scores = correlated(300, 8)
        panel = panel_of_scores(scores)
        outcome = outcome_of(panel, scores)
        found = cross_fitted_scores(panel, definition_of("logit_weighted"), outcome, folds=5)
        assert auc(found.to_numpy(), np.array(list(outcome.values())) == 1) > 0.7
        again = cross_fitted_scores(panel, definition_of("logit_weighted"), outcome, folds=5)
        np.testing.assert_array_equal(found, again)
        assert sorted(set(found["fold"].to_numpy().tolist())) == [0, 1, 2, 3, 4]

    def test_a_person_does_not_change_the_weights_of_their_own_score(self) -> None:
        scores = correlated(120, 8)
        panel, ref = panel_of_scores(scores), entries_of()[1]
        outcome = outcome_of(panel, scores)
        first = panel.participants[0]
        one = cross_fitted_scores(panel, definition_of("logit_weighted"), outcome, reference=ref, folds=4)
        without = {k: v for k, v in outcome.items() if k != first}
        fold = one["fold"].to_numpy()
        others = panel.rows(fold != fold[0])
        model = with_models(ref, others, definition_of("logit_weighted"), outcome=without)
        alone = allostatic_load(panel.rows(np.array([0])), definition_of("logit_weighted"), model)["index"]
        assert float(alone[0]) == float(one[0])

    def test_what_cross_fitting_refuses(self) -> None:
        panel = panel_of_scores(correlated(60, 1))
        few = {p: float(i < 3) for i, p in enumerate(panel.participants)}
        with pytest.raises(InputError, match="outcome 1 than folds"):
            cross_fitted_scores(panel, definition_of("logit_weighted"), few)
        with pytest.raises(ConfigError, match="2 folds or more"):
            cross_fitted_scores(panel, definition_of("logit_weighted"), few, folds=1)
        with pytest.raises(ConfigError, match="expected logit_weighted"):
            cross_fitted_scores(panel, definition_of("pca"), few)

    def test_weights_of_another_outcome_are_refused(self) -> None:
        scores = correlated(400, 0)
        panel, ref = entries_of()
        definition = definition_of("logit_weighted", outcome="diabetes")
        model = with_models(ref, panel, definition, outcome=outcome_of(panel, scores))
        assert np.isfinite(allostatic_load(panel, definition, model)["index"]).all()
        with pytest.raises(ConfigError, match="another outcome"):
            allostatic_load(panel, definition_of("logit_weighted", outcome="death"), model)


def auc(score: Floats, with_outcome: Any) -> float:
    a, b = score[with_outcome], score[~with_outcome]
    return float((a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean())


class TestFitting:
    def test_complete_persons_are_counted(self) -> None:
        scores = correlated(300, 1)
        scores[:40, 3] = np.nan
        panel = panel_of_scores(scores)
        model = with_models(entries_of()[1], panel, definition_of("pca")).models[0]
        assert (model.n, model.settings["n_left_out"]) == (260, 40.0)
        assert model.markers == NAMES

    def test_too_few_persons(self) -> None:
        scores = correlated(30, 1)
        scores[:21, 3] = np.nan
        with pytest.raises(InputError, match=r"9 of 30 persons; hr_rest is missing in 21'; expected more than 9"):
            with_models(entries_of()[1], panel_of_scores(scores), definition_of("dm"))

    def test_few_persons_are_noted(self) -> None:
        found = with_models(entries_of()[1], panel_of_scores(correlated(80, 1)), definition_of("pca"))
        assert "pca model, both sexes: only 80 persons for 9 markers" in found.notes

    def test_markers_that_determine_each_other_are_named(self) -> None:
        scores = correlated(200, 1)
        scores = np.clip(scores, -2, 2)
        scores[:, 1] = scores[:, 0]
        panel = panel_of_scores(scores)
        ref = fit_reference(panel, name="x", by_sex=False)
        with pytest.raises(InputError, match="singular; found 'sbp, dbp'"):
            with_models(ref, panel, definition_of("dm"))

    def test_a_marker_without_spread_is_named(self) -> None:
        scores = correlated(100, 1)
        scores[:, 2] = 0.0
        with pytest.raises(InputError, match="no spread in the sample; found 'rmssd_rest'"):
            with_models(entries_of()[1], panel_of_scores(scores), definition_of("pca"))

    def test_fit_reference_fits_the_models_of_a_definition(self) -> None:
        panel = panel_of_scores(correlated(200, 1))
        definition = definition_of("dm")
        found = fit_reference(panel, name="x", by_sex=False, definition=definition)
        expected = with_models(fit_reference(panel, name="x", by_sex=False), panel, definition)
        assert found.sha256 == expected.sha256
        assert fit_reference(panel, name="x", by_sex=False, definition=definition_of("zsum")).models == ()

    def test_outcomes_where_none_belong_and_the_other_way_round(self) -> None:
        panel, ref = entries_of()
        with pytest.raises(ConfigError, match="need an outcome"):
            with_models(ref, panel, definition_of("logit_weighted"))
        with pytest.raises(ConfigError, match="only weights by outcome"):
            with_models(ref, panel, definition_of("pca"), outcome={"s00000": 1.0})
        with pytest.raises(InputError, match="0 or 1"):
            with_models(ref, panel, definition_of("logit_weighted"), outcome={"s00000": 2.0})

    def test_several_occasions_need_a_choice(self) -> None:
        panel, ref = entries_of()
        rows = len(panel.participants) // 2
        twice = Panel(
            panel.participants[:rows], ("1", "2"), panel.biomarkers, panel.value, panel.standard_error, panel.present,
            panel.sex, panel.age_years, panel.groups,
        )  # fmt: skip
        with pytest.raises(InputError, match="several occasions"):
            with_models(ref, twice, definition_of("pca"))
        model = with_models(ref, twice, definition_of("pca"), occasion="2").models[0]
        assert model.n == rows

    def test_a_model_for_each_sex_needs_sexes(self) -> None:
        panel, ref = entries_of()
        with pytest.raises(InputError, match="no person of the sample has a sex"):
            with_models(ref, panel, definition_of("dm", strata="sex"))

    def test_models_hold_plain_finite_numbers(self) -> None:
        for algorithm, options in (("dm", {}), ("pca", {}), ("irt", {}), ("cfa", {"structure": "second_order"})):
            for values in fitted(algorithm, **options).parameters.values():
                assert np.isfinite(np.array(values)).all()
            assert all(
                isinstance(v, str | bool) or math.isfinite(v) for v in fitted(algorithm, **options).settings.values()
            )
