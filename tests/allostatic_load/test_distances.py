"""Distances from thresholds and D_M: golden vectors, plain twins, the forms of the formula, shrinkage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import Reference, ReferenceModel, allostatic_load
from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.algorithms.dm import fit_covariance, ledoit_wolf
from allostat.allostatic_load.fitting import fit_entry
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.references import ReferenceEntry
from allostat.allostatic_load.result import IndexStatus
from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError
from allostat.panel import Panel
from tests.allostatic_load.samples import (
    NAMES,
    Floats,
    correlated,
    definition_of,
    entries_of,
    model_for,
    panel_of_scores,
    reference_for,
    some_rows,
)
from tests.reference import index as reference

CARS = ("rmssd_night", "rmssd_rest", "sbp", "dbp")
"""Stand for miles per gallon, horse power (low is risk), weight and quarter-mile time (high is risk)."""


def cars(golden: dict[str, Any]) -> tuple[Floats, Floats]:
    """Cars and their risk-oriented distances from the thresholds in standard deviations."""
    x = np.array(golden["pscore_mtcars"]["data"])
    thresholds = np.array([x[:, 0].max(), x[:, 1].max(), x[:, 2].min(), x[:, 3].min()])
    return x, (x - thresholds) * np.array([-1.0, -1.0, 1.0, 1.0]) / x.std(axis=0, ddof=1)


def everything(u: Floats) -> Any:
    return np.ones(u.shape, dtype=np.bool_)


class TestPscore:
    def index(self, d: Floats, *groups: tuple[str, ...], **options: Any) -> Floats:
        definition = definition_of("pscore_sum", *groups, **options)
        found: Floats = rule_of("pscore_sum").index(d, everything(d), definition, None)
        return found

    def test_golden_root_of_squares(self, golden: dict[str, Any]) -> None:
        _, d = cars(golden)
        found = self.index(d, CARS)
        np.testing.assert_allclose(found[:3], golden["pscore_mtcars"]["sum_square_first3"], rtol=1e-9)
        assert found.mean() == pytest.approx(golden["pscore_mtcars"]["sum_square_mean"], rel=1e-9)

    def test_golden_mean_of_absolute_distances(self, golden: dict[str, Any]) -> None:
        _, d = cars(golden)
        found = self.index(d, CARS, distance="abs", total="mean")
        np.testing.assert_allclose(found[:3], golden["pscore_mtcars"]["abs_mean_first3"], rtol=1e-9)

    def test_golden_by_system(self, golden: dict[str, Any]) -> None:
        _, d = cars(golden)
        found = self.index(d[:, [0, 1, 3, 2]], CARS[:1], CARS[1:], by_system=True)
        np.testing.assert_allclose(found[:3], golden["pscore_mtcars"]["systems_square_sum_first3"], rtol=1e-9)

    def test_golden_from_a_table_and_a_reference(self, golden: dict[str, Any]) -> None:
        """Through thresholds and standard deviations of a reference; plain columns stand for the cars'."""
        names = ("hdl", "albumin", "sbp", "dbp")
        x, expected = cars(golden)
        scale = np.array([0.05, 0.01, 20.0, 4.0])
        kinds = [biomarker_kind(n) for n in names]
        assert {(k.transform, k.direction) for k in kinds} == {("identity", "low"), ("identity", "high")}
        value = x * scale
        panel = Panel(
            tuple(f"c{i:02d}" for i in range(32)), ("1",), names, value, np.full(x.shape, math.nan), everything(x),
            np.full(32, -1, dtype=np.int8), np.full(32, 40.0), np.full(32, "", dtype=np.str_),
        )  # fmt: skip
        entries = tuple(fit_entry(n, value[:, j], None, quantile=0.0) for j, n in enumerate(names))
        best = Reference("best", "1", "", entries, {})
        for options, key in (({}, "sum_square_first3"), ({"distance": "abs", "total": "mean"}, "abs_mean_first3")):
            definition = definition_of("pscore_sum", names, **options)
            found = allostatic_load(panel, definition, best, winsorise=False)["index"].to_numpy()
            np.testing.assert_allclose(found[:3], golden["pscore_mtcars"][key], rtol=1e-9)
        definition = definition_of("mahalanobis_thr", names)
        found = allostatic_load(
            panel, definition, with_models(best, panel, definition, winsorise=False), winsorise=False
        )
        matrix = np.corrcoef(expected, rowvar=False)
        plain = [reference.mahalanobis(one, matrix) for one in expected]
        np.testing.assert_allclose(found["index"], plain, rtol=1e-9)

    @pytest.mark.parametrize("form", ["square", "abs", "plain"])
    @pytest.mark.parametrize("total", ["sum", "mean"])
    @pytest.mark.parametrize("by_system", [False, True])
    def test_every_form_is_its_plain_twin(self, form: str, total: str, *, by_system: bool) -> None:
        definition = definition_of("pscore_sum", distance=form, total=total, by_system=by_system)
        u, counted = some_rows(definition, 60, 1, 0.3)
        found = rule_of("pscore_sum").index(u, counted, definition, None)
        systems = [[j for j, k in enumerate(definition.system_of) if k == s] for s in range(4)] if by_system else None
        plain = [reference.pscore(row, systems, form, mean=total == "mean") for row in u]
        np.testing.assert_allclose(found, plain, rtol=1e-12, atol=1e-14)

    def test_one_sided_leaves_out_the_healthy_side(self) -> None:
        panel, ref = entries_of()
        both, one = (
            allostatic_load(panel, definition_of("pscore_sum", one_sided=o), ref)["index"].to_numpy()
            for o in (False, True)
        )
        assert (one <= both + 1e-12).all()
        assert (one < both - 0.1).any()


class TestMahalanobis:
    def test_all_components_are_the_full_form(self) -> None:
        full, p = definition_of("mahalanobis_thr"), len(NAMES)
        u, counted = some_rows(full, 50, 2)
        model, rule = model_for(full), rule_of("mahalanobis_thr")
        same = rule.index(u, counted, definition_of("mahalanobis_thr", components=p), model)
        np.testing.assert_allclose(rule.index(u, counted, full, model), same, rtol=1e-12)

    @pytest.mark.parametrize("m", [1, 2, 5, 9])
    def test_some_components_are_their_plain_twin(self, m: int) -> None:
        definition = definition_of("mahalanobis_thr", components=m)
        u, counted = some_rows(definition, 50, 3)
        model = model_for(definition)
        assert model is not None
        found = rule_of("mahalanobis_thr").index(u, counted, definition, model)
        plain = [reference.mahalanobis_of_components(row, model.array("correlation"), m) for row in u]
        np.testing.assert_allclose(found, plain, rtol=1e-9)

    def test_correlations_are_those_of_risk_oriented_columns(self) -> None:
        """HDL and triglycerides go apart; their risks go together."""
        panel = panel_of_scores(correlated(400))
        model = model_for(definition_of("mahalanobis_thr"))
        assert model is not None
        hdl, trig = NAMES.index("hdl"), NAMES.index("trig")
        raw = np.corrcoef(panel.value[:, hdl], np.log(panel.value[:, trig]))[0, 1]
        assert raw < 0 < model.array("correlation")[hdl, trig]
        assert model.array("correlation")[hdl, trig] == pytest.approx(-raw, abs=0.03)

    def test_a_missing_marker_is_no_index_with_its_reason(self) -> None:
        definition = definition_of("mahalanobis_thr")
        scores = correlated(3, 9)
        scores[1, 4] = np.nan
        found = allostatic_load(panel_of_scores(scores), definition, reference_for(definition))
        assert found["index_status"].to_numpy().tolist() == [0, int(IndexStatus.INCOMPLETE_FOR_MODEL), 0]
        assert np.isnan(found["index"].to_numpy()).tolist() == [False, True, False]


class TestStatisticalDistance:
    def test_golden(self, golden: dict[str, Any]) -> None:
        x, _ = cars(golden)
        z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
        parameters, about = fit_covariance(z, "never")
        model = ReferenceModel("covariance", CARS, None, 32, parameters, about)
        found = rule_of("dm").index(z, everything(z), definition_of("dm", CARS, shrink="never"), model)
        np.testing.assert_allclose(found[:3], golden["dm_mtcars"]["D_first3"], rtol=1e-9)
        assert found.mean() == pytest.approx(golden["dm_mtcars"]["D_mean"], rel=1e-9)
        assert (found**2).sum() == pytest.approx(golden["dm_mtcars"]["sum_D2"], rel=1e-9)

    def test_squares_of_the_reference_add_up_to_p_times_n_minus_1(self) -> None:
        definition = definition_of("dm", shrink="never")
        panel, _ = entries_of()
        found = allostatic_load(panel, definition, reference_for(definition))["index"].to_numpy()
        assert (found**2).sum() == pytest.approx(len(NAMES) * 399, rel=1e-9)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_4_any_invertible_affine_map_of_the_biomarkers_leaves_it(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        z, someone = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(5, 4))
        turn, shift = rng.normal(size=(4, 4)) + 3 * np.eye(4), rng.normal(size=4)
        if np.linalg.cond(turn) > 100 or np.linalg.cond(np.cov(z, rowvar=False)) > 1e6:
            return
        definition = definition_of("dm", CARS, shrink="never")
        found = []
        for sample, person in ((z, someone), (z @ turn + shift, someone @ turn + shift)):
            parameters, about = fit_covariance(sample, "never")
            model = ReferenceModel("covariance", CARS, None, 60, parameters, about)
            found.append(rule_of("dm").index(person, everything(person), definition, model))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-7)

    def test_scales(self) -> None:
        panel, _ = entries_of()
        by_scale = {
            s: allostatic_load(panel, d := definition_of("dm", scale=s), reference_for(d))["index"].to_numpy()
            for s in ("d", "ln", "sd")
        }
        np.testing.assert_allclose(np.exp(by_scale["ln"]), by_scale["d"], rtol=1e-12)
        assert by_scale["sd"].std(ddof=1) == pytest.approx(1.0, rel=1e-9)
        assert np.corrcoef(by_scale["sd"], by_scale["d"])[0, 1] == pytest.approx(1.0)

    def test_a_missing_marker_is_no_index_unless_rescaling_is_asked_for(self) -> None:
        scores = correlated(400, 0)
        scores[7, 2] = np.nan
        panel = panel_of_scores(scores)
        refuse, rescale = definition_of("dm", shrink="never"), definition_of("dm", shrink="never", incomplete="rescale")
        found = allostatic_load(panel, refuse, reference_for(refuse))
        assert int(found["index_status"][7]) == IndexStatus.INCOMPLETE_FOR_MODEL
        again = allostatic_load(panel, rescale, reference_for(rescale))["index"].to_numpy()
        np.testing.assert_array_equal(np.delete(again, 7), np.delete(found["index"].to_numpy(), 7))
        model = model_for(refuse)
        assert model is not None
        rest = [j for j in range(len(NAMES)) if j != 2]
        z = allostatic_load(panel, rescale, reference_for(rescale))["z"].to_numpy()[7, rest]
        part = reference.mahalanobis(z - model.array("mean")[rest], model.array("covariance")[np.ix_(rest, rest)])
        assert again[7] == pytest.approx(part * math.sqrt(9 / 8), rel=1e-12)

    def test_leaving_one_out_uses_the_submatrix(self) -> None:
        definition = definition_of("dm", shrink="never")
        found = allostatic_load(panel_of_scores(correlated(2, 6)), definition, reference_for(definition))
        model = model_for(definition)
        assert model is not None
        for j in range(len(NAMES)):
            rest = [k for k in range(len(NAMES)) if k != j]
            off = found["z"].to_numpy()[0, rest] - model.array("mean")[rest]
            plain = reference.mahalanobis(off, model.array("covariance")[np.ix_(rest, rest)])
            assert float(found["index_without"][0, j]) == pytest.approx(plain, rel=1e-10)

    def test_a_model_shrunk_otherwise_is_refused(self) -> None:
        fitted = reference_for(definition_of("dm", shrink="never"))
        with pytest.raises(ConfigError, match="another shrink"):
            allostatic_load(entries_of()[0], definition_of("dm", shrink="always"), fitted)

    def test_no_distance_at_the_centre_and_no_logarithm_of_it(self) -> None:
        definition = definition_of("dm", scale="ln", shrink="never")
        model = model_for(definition)
        assert model is not None
        centre = model.array("mean")[None, :]
        assert np.isnan(rule_of("dm").index(centre, everything(centre), definition, model)).all()
        assert (rule_of("dm").gradient(centre, everything(centre), definition, model) == 0).all()


class TestShrinkage:
    @pytest.mark.parametrize(("n", "p"), [(12, 5), (40, 12), (200, 4), (7, 6)])
    def test_agrees_with_scikit_learn(self, n: int, p: int) -> None:
        covariance = pytest.importorskip("sklearn.covariance")
        x = np.random.default_rng(n).normal(size=(n, p)) @ np.random.default_rng(p).normal(size=(p, p))
        oracle = covariance.LedoitWolf().fit(x)
        found, shrinkage = ledoit_wolf(x)
        np.testing.assert_allclose(found, oracle.covariance_, rtol=1e-9, atol=1e-12)
        assert shrinkage == pytest.approx(oracle.shrinkage_, rel=1e-9)

    @pytest.mark.parametrize(("n", "shrunk"), [(89, True), (90, False)])
    def test_auto_shrinks_below_ten_persons_per_marker(self, n: int, *, shrunk: bool) -> None:
        _, about = fit_covariance(correlated(n), "auto")
        assert (float(about["shrinkage"]) > 0) == shrunk


def test_entry_of_a_threshold_alone_gives_no_distance() -> None:
    """A cut-off without a standard deviation is not enough: the component says that it has no reference."""
    kind = biomarker_kind("sbp")
    entry = ReferenceEntry("sbp", kind.unit, kind.transform, kind.direction, kind.context, cut=130.0, operator=">=")
    found = allostatic_load(
        panel_of_scores(correlated(2)), definition_of("pscore_sum", ("sbp",)), Reference("c", "1", "", (entry,), {})
    )
    assert np.isnan(found["index"].to_numpy()).all()
