"""Scoring: golden counts and z means, required properties, missing rule, uncertainty, published anchors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import (
    Definition,
    Marker,
    Reference,
    System,
    allostatic_load,
    combine_scores,
    fit_reference,
    load_definition,
    load_reference,
)
from allostat.allostatic_load.components import ComponentStatus, Note
from allostat.allostatic_load.uncertainty import count_interval, poisson_binomial
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.simulate import simulate_biomarker_table

SIMULATED = "simulated-2026.1"
TOY = {"sbp": "sbp", "crp_mgL": "hs_crp", "rmssd": "rmssd_rest"}


def row(participant: str, name: str, value: float, **more: Any) -> Biomarker:
    kind = biomarker_kind(name)
    return Biomarker(participant, name, value, kind.unit, context=kind.context, **more)


def table_of(values: Mapping[str, Mapping[str, float]], sex: Any = "F", **more: Any) -> BiomarkerTable:
    rows = tuple(row(p, b, v, **more) for p, entry in values.items() for b, v in entry.items())
    return BiomarkerTable(rows, {p: Person(p, sex, 40.0) for p in values})


def definition_of(algorithm: Any, *groups: tuple[str, ...], **more: Any) -> Definition:
    systems = tuple(System(f"k{i}", tuple(Marker(b, (b,)) for b in g)) for i, g in enumerate(groups))
    return Definition(
        "mine",
        "1",
        "mine",
        "",
        "",
        algorithm,
        systems,
        "none",
        **{"strata": "pooled", "min_share_of_systems": 0.0, **more},
    )


def toy(golden: dict[str, Any]) -> BiomarkerTable:
    data = golden["count_toy"]["data"]
    rows = [row(f"s{i:02d}", TOY[k], float(v)) for k, column in data.items() for i, v in enumerate(column)]
    return BiomarkerTable(tuple(rows), {f"s{i:02d}": Person(f"s{i:02d}") for i in range(10)})


class TestGolden:
    @pytest.mark.parametrize("quantile_type", [7, 2])
    @pytest.mark.parametrize("operator", ["inclusive", "strict"])
    def test_count_of_high_risk_quartiles(self, golden: dict[str, Any], quantile_type: int, operator: Any) -> None:
        expected = golden["count_toy"][f"type{quantile_type}_{operator}"]
        table = toy(golden)
        reference = fit_reference(table, name="toy", by_sex=False, quantile_type=quantile_type, operators=operator)
        cuts = {e.biomarker: e.cut for e in reference.entries}
        assert cuts == pytest.approx({TOY[k]: v for k, v in expected["cuts"].items()}, rel=1e-9)
        found = allostatic_load(table, definition_of("count", ("sbp",), ("hs_crp",), ("rmssd_rest",)), reference)
        assert found["index"].to_numpy().tolist() == expected["scores"]

    def test_the_definition_may_overrule_the_operator(self, golden: dict[str, Any]) -> None:
        table = toy(golden)
        reference = fit_reference(table, name="toy", by_sex=False)
        strict = definition_of("count", ("sbp",), ("hs_crp",), ("rmssd_rest",), operator="strict")
        assert (
            allostatic_load(table, strict, reference)["index"].to_numpy().tolist()
            == golden["count_toy"]["type7_strict"]["scores"]
        )

    @pytest.mark.parametrize("algorithm", ["zmean", "zsum", "zpos"])
    def test_z_scores(self, golden: dict[str, Any], algorithm: str) -> None:
        table = toy(golden)
        fitted = fit_reference(table, name="toy", by_sex=False)
        reference = replace(fitted, entries=tuple(self._untransformed(table, e) for e in fitted.entries))
        plain = {e.biomarker: e for e in reference.entries}
        definition = definition_of(algorithm, ("sbp",), ("hs_crp",), ("rmssd_rest",))
        found = self._raw_index(table, definition, plain, algorithm)
        np.testing.assert_allclose(found, golden["zmean_toy"][algorithm], rtol=1e-9, atol=1e-12)

    @staticmethod
    def _untransformed(table: BiomarkerTable, entry: Any) -> Any:
        values = np.array([r.value for r in table.rows if r.biomarker == entry.biomarker])
        return replace(entry, mean=float(values.mean()), sd=float(values.std(ddof=1)))

    @staticmethod
    def _raw_index(table: BiomarkerTable, definition: Definition, entries: Any, algorithm: str) -> Any:
        """The golden vector has no transform; a column of sbp stands for each biomarker's raw z."""
        sign = {"sbp": 1.0, "hs_crp": 1.0, "rmssd_rest": -1.0}
        names = {"sbp": "sbp", "hs_crp": "dbp", "rmssd_rest": "hr_rest"}
        rows, fixed = [], []
        for r in table.rows:
            z = sign[r.biomarker] * (r.value - entries[r.biomarker].mean) / entries[r.biomarker].sd
            rows.append(row(r.participant, names[r.biomarker], 100.0 + 10.0 * z))
        for name in names.values():
            kind = biomarker_kind(name)
            values = np.array([r.value for r in rows if r.biomarker == name])
            base = fit_reference(BiomarkerTable(tuple(rows), {}), name="x", by_sex=False, biomarkers=[name]).entries[0]
            assert kind.transform == "identity"
            fixed.append(replace(base, mean=float(values.mean()), sd=float(values.std(ddof=1))))
        reference = Reference("raw", "1", "", tuple(fixed), {})
        swapped = definition_of(algorithm, ("sbp",), ("dbp",), ("hr_rest",))
        people = {p: Person(p) for p in table.persons}
        return allostatic_load(BiomarkerTable(tuple(rows), people), swapped, reference, winsorise=False)["index"]


values_of_person = st.fixed_dictionaries(
    {
        "sbp": st.floats(90, 190),
        "dbp": st.floats(50, 110),
        "hs_crp": st.floats(0.05, 9.9),
        "rmssd_night": st.floats(5, 150),
        "cortisol_slope": st.floats(-0.3, 0.1),
    }
)


class TestProperties:
    @settings(max_examples=30, deadline=None)
    @given(
        values_of_person,
        st.sampled_from(sorted({"sbp", "dbp", "hs_crp", "rmssd_night", "cortisol_slope"})),
        st.floats(0.01, 0.3),
    )
    def test_2_monotone_in_every_biomarker(self, values: dict[str, float], which: str, step: float) -> None:
        kind = biomarker_kind(which)
        up = values[which] + step * abs(values[which]) * (1 if kind.direction == "high" else -1)
        worse = {**values, which: min(max(up, kind.plausible_low), kind.plausible_high)}
        for definition in ("system", "count_sex", "seeman1997"):
            found = allostatic_load(table_of({"a": values, "b": worse}), definition, SIMULATED)["index"].to_numpy()
            assert found[1] >= found[0] - 1e-12

    @settings(max_examples=20, deadline=None)
    @given(st.floats(0.1, 5.0))
    def test_1_units_do_not_matter_when_the_reference_is_fitted_in_them(self, factor: float) -> None:
        """CRP values scaled with their sample: the same scores."""
        rng = np.random.default_rng(1)
        crp = np.exp(rng.normal(0.0, 0.7, 40))
        scores = []
        for scale in (1.0, factor):
            rows = tuple(row(f"s{i:02d}", "hs_crp", float(v * scale)) for i, v in enumerate(crp))
            table = BiomarkerTable(rows, {})
            reference = fit_reference(table, name="x", by_sex=False)
            scores.append(
                [
                    allostatic_load(table, definition_of(a, ("hs_crp",)), reference)["index"].to_numpy()
                    for a in ("system", "count")
                ]
            )
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9, atol=1e-9)

    def test_3_doubling_the_markers_of_a_system_changes_nothing(self) -> None:
        table = simulate_biomarker_table(30, 5)
        plain = load_definition("system")
        doubled = tuple(
            replace(s, markers=s.markers + tuple(replace(m, name=m.name + "_again") for m in s.markers))
            if s.name == "blood_pressure"
            else s
            for s in plain.systems
        )
        one = allostatic_load(table, plain, SIMULATED)["index"].to_numpy()
        two = allostatic_load(table, replace(plain, systems=doubled), SIMULATED)["index"].to_numpy()
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)

    def test_3_a_marker_more_in_one_system_leaves_the_weight_of_others(self) -> None:
        values = {"sbp": 120.0, "dbp": 80.0, "hs_crp": 2.0, "rmssd_night": 40.0, "hr_night": 60.0}
        narrow = definition_of("system", ("sbp", "dbp"), ("hs_crp",), ("rmssd_night",))
        wide = definition_of("system", ("sbp", "dbp"), ("hs_crp",), ("rmssd_night", "hr_night"))
        worse = {**values, "hs_crp": 4.0}
        change = [
            np.diff(allostatic_load(table_of({"a": values, "b": worse}), d, SIMULATED)["index"].to_numpy())[0]
            for d in (narrow, wide)
        ]
        assert change[0] == pytest.approx(change[1], rel=1e-12)

    @pytest.mark.parametrize("definition", ["system", "count_sex", "seeman1997", "clinical"])
    def test_6_alone_is_as_in_the_cohort(self, definition: str) -> None:
        table = simulate_biomarker_table(25, 9)
        reference = None if definition == "clinical" else SIMULATED
        cohort = allostatic_load(table, definition, reference)
        for who in list(table.persons)[:6]:
            alone = BiomarkerTable(tuple(r for r in table.rows if r.participant == who), {who: table.persons[who]})
            one, inside = allostatic_load(alone, definition, reference), cohort.sel(participant=[who])
            for name in ("index", "index_se", "ci_low", "ci_high", "z", "loo_low", "system_score"):
                np.testing.assert_allclose(one[name], inside[name], rtol=1e-12, atol=1e-14, err_msg=name)

    @pytest.mark.parametrize("algorithm", ["system", "count", "zmean", "zsum", "zpos"])
    def test_7_a_biomarker_nobody_has_changes_nothing(self, algorithm: str) -> None:
        table = simulate_biomarker_table(20, 2)
        without = definition_of(algorithm, ("sbp", "dbp"), ("hs_crp",))
        with_it = definition_of(algorithm, ("sbp", "dbp", "waist"), ("hs_crp",))
        names = ("index", "index_se", "ci_low", "ci_high")
        one, two = (allostatic_load(table, d, SIMULATED) for d in (without, with_it))
        for name in names:
            np.testing.assert_array_equal(one[name], two[name])
        assert two["n_inputs"].equals(one["n_inputs"])


class TestMissing:
    FULL: Mapping[str, float] = {"sbp": 120, "dbp": 80, "hs_crp": 2, "rmssd_night": 40, "cortisol_slope": -0.12}

    def score(self, **changed: float | None) -> xr.Dataset:
        values = {k: v for k, v in {**self.FULL, **changed}.items() if v is not None}
        return allostatic_load(table_of({"a": values}), "system", SIMULATED).isel(participant=0)

    def test_complete(self) -> None:
        assert math.isfinite(float(self.score()["index"]))

    def test_half_of_a_system_is_enough(self) -> None:
        found = self.score(dbp=None)
        assert math.isfinite(float(found["index"]))
        assert int(found["n_systems"]) == 4

    def test_three_of_four_systems_are_enough_with_hrv_and_a_lab_value(self) -> None:
        found = self.score(cortisol_slope=None)
        assert math.isfinite(float(found["index"]))
        assert Note.PARTIAL_PANEL in Note(int(found["index_notes"]))

    def test_two_systems_are_not(self) -> None:
        found = self.score(cortisol_slope=None, hs_crp=None)
        assert math.isnan(float(found["index"]))
        assert int(found["index_status"]) == 1

    def test_without_hrv_and_heart_rate_there_is_no_index(self) -> None:
        assert math.isnan(float(self.score(rmssd_night=None)["index"]))

    def test_resting_heart_rate_may_stand_for_the_required_autonomic_value(self) -> None:
        assert math.isfinite(float(self.score(rmssd_night=None, hr_rest=60.0)["index"]))

    def test_nan_is_never_zero(self) -> None:
        found = self.score(hs_crp=math.nan)
        at = list(found["component"].to_numpy()).index("hs_crp")
        assert int(found["flag"][at]) == -1
        assert int(found["component_status"][at]) == ComponentStatus.MISSING_VALUE
        others = float(self.score()["system_score"][:3].mean())
        assert float(found["index"]) == pytest.approx(others, rel=1e-12)

    def test_the_other_context_stands_in_only_when_the_first_is_missing(self) -> None:
        both = self.score(rmssd_rest=20.0)
        assert float(both["value"].sel(component="rmssd")) == 40.0
        rest = self.score(rmssd_night=None, rmssd_rest=20.0)
        assert float(rest["value"].sel(component="rmssd")) == 20.0
        meanings = rest["biomarker_used"].attrs["flag_meanings"].split()
        values = rest["biomarker_used"].attrs["flag_values"].tolist()
        assert meanings[values.index(int(rest["biomarker_used"].sel(component="rmssd")))] == "rmssd_rest"

    def test_what_the_reference_does_not_cover_says_so(self) -> None:
        found = allostatic_load(table_of({"a": self.FULL}), "system").isel(participant=0)
        status = dict(
            zip(found["component"].to_numpy().tolist(), found["component_status"].to_numpy().tolist(), strict=True)
        )
        assert status["cortisol_slope"] == status["rmssd"] == ComponentStatus.NO_REFERENCE
        assert math.isnan(float(found["index"]))

    def test_without_sex_a_sex_specific_index_is_missing_and_a_pooled_one_is_not(self) -> None:
        table = table_of({"a": self.FULL}, sex=None)
        found = allostatic_load(table, "system", SIMULATED)
        assert math.isnan(float(found["index"][0]))
        assert set(found["component_status"].to_numpy().ravel().tolist()) == {int(ComponentStatus.SEX_UNKNOWN)}
        assert math.isfinite(float(allostatic_load(table, "seeman1997", SIMULATED)["index"][0]))

    def test_a_participant_without_rows_is_kept(self) -> None:
        table = BiomarkerTable(table_of({"a": self.FULL}).rows, {"a": Person("a", "F"), "b": Person("b", "M")})
        found = allostatic_load(table, "system", SIMULATED)
        assert found["participant"].to_numpy().tolist() == ["a", "b"]
        assert np.isnan(found["index"].to_numpy()).tolist() == [False, True]

    def test_count_over_a_partial_panel_has_its_denominator(self) -> None:
        values = {**self.FULL, "sbp": 180.0}
        del values["cortisol_slope"]
        found = allostatic_load(table_of({"a": values}), "count_sex", SIMULATED).isel(participant=0)
        assert (int(found["n_inputs"]), float(found["proportion"])) == (4, pytest.approx(float(found["count"]) / 4))


class TestUncertainty:
    def test_linear_index_propagates_standard_errors(self) -> None:
        values = {"sbp": 120.0, "dbp": 80.0, "hs_crp": 2.0, "rmssd_night": 40.0, "cortisol_slope": -0.12}
        errors = {"sbp": 3.0, "dbp": 2.0, "hs_crp": 0.3, "rmssd_night": 0.1, "cortisol_slope": 0.02}
        rows = tuple(row("a", b, v, standard_error=errors[b]) for b, v in values.items())
        found = allostatic_load(BiomarkerTable(rows, {"a": Person("a", "F")}), "system", SIMULATED).isel(participant=0)
        reference = load_reference(SIMULATED)
        weight = {"sbp": 1 / 8, "dbp": 1 / 8, "hs_crp": 1 / 4, "rmssd_night": 1 / 4, "cortisol_slope": 1 / 4}
        variance = sum((weight[b] * errors[b] / reference.entry(b, "F", None).sd) ** 2 for b in values)  # type: ignore[union-attr,operator]
        assert float(found["index_se"]) == pytest.approx(math.sqrt(variance), rel=1e-12)
        assert float(found["ci_high"] - found["index"]) == pytest.approx(
            1.959963984540054 * math.sqrt(variance), rel=1e-9
        )

    def test_unknown_errors_leave_a_lower_bound_that_says_so(self) -> None:
        rows = tuple(
            row("a", b, v, standard_error=0.2 if b == "hs_crp" else math.nan) for b, v in TestMissing.FULL.items()
        )
        found = allostatic_load(BiomarkerTable(rows, {"a": Person("a", "F")}), "system", SIMULATED).isel(participant=0)
        assert (int(found["n_with_se"]), math.isfinite(float(found["index_se"]))) == (1, True)
        assert Note.PARTIAL_SE in Note(int(found["index_notes"]))

    def test_no_errors_at_all_give_no_standard_error(self) -> None:
        found = allostatic_load(table_of({"a": TestMissing.FULL}), "system", SIMULATED)
        assert math.isnan(float(found["index_se"][0]))

    def test_flag_probability_is_a_half_at_the_cut(self) -> None:
        cut = load_reference(SIMULATED).entry("hs_crp", "F", None).cut  # type: ignore[union-attr]
        values = {**TestMissing.FULL, "hs_crp": cut}
        found = allostatic_load(table_of({"a": values}, standard_error=0.3), "count_sex", SIMULATED).isel(participant=0)
        assert float(found["p_flag"].sel(component="hs_crp")) == pytest.approx(0.5, abs=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
    def test_poisson_binomial_has_its_mean_and_variance(self, p: list[float]) -> None:
        pmf, q = poisson_binomial(np.array(p)), np.array(p)
        k = np.arange(len(pmf))
        assert pmf.sum() == pytest.approx(1.0, rel=1e-12)
        assert float(k @ pmf) == pytest.approx(q.sum(), rel=1e-9, abs=1e-12)
        assert float((k - q.sum()) ** 2 @ pmf) == pytest.approx((q * (1 - q)).sum(), rel=1e-6, abs=1e-9)
        low, high = count_interval(q)
        assert 0 <= low <= high <= len(p)

    def test_certain_flags_have_a_point_interval(self) -> None:
        assert count_interval(np.array([1.0, 0.0, 1.0])) == (2.0, 2.0)

    def test_leaving_out_a_component_gives_the_range(self) -> None:
        found = allostatic_load(simulate_biomarker_table(10, 4), "system", SIMULATED)
        without = found["index_without"].to_numpy()
        np.testing.assert_allclose(found["loo_low"], np.nanmin(without, axis=1))
        np.testing.assert_allclose(found["loo_high"], np.nanmax(without, axis=1))


class TestSettings:
    def test_winsorising_limits_z_and_is_noted(self) -> None:
        values = {**TestMissing.FULL, "sbp": 250.0}
        limited, free = (
            allostatic_load(table_of({"a": values}), "system", SIMULATED, winsorise=w) for w in (True, False)
        )
        assert float(limited["z"].sel(component="sbp")[0]) < 3 < float(free["z"].sel(component="sbp")[0])
        assert Note.WINSORISED in Note(int(limited["index_notes"][0]))

    def test_beta_blocker_is_noted_on_the_autonomic_component(self) -> None:
        table = BiomarkerTable(
            table_of({"a": TestMissing.FULL}).rows, {"a": Person("a", "F", 40.0, medications=("bisoprolol",))}
        )
        found = allostatic_load(table, "system", SIMULATED)
        assert Note.BETA_BLOCKER in Note(int(found["component_notes"].sel(component="rmssd")[0]))
        assert Note.BETA_BLOCKER not in Note(int(found["component_notes"].sel(component="sbp")[0]))

    def test_age_outside_of_the_bands_is_noted(self) -> None:
        rows = (row("a", "rmssd_rest", 25.0), row("a", "sbp", 120.0), row("a", "dbp", 80.0), row("a", "hs_crp", 1.0))
        for age, noted in ((40.0, False), (85.0, True), (None, True)):
            found = allostatic_load(BiomarkerTable(rows, {"a": Person("a", "F", age)}), "system")
            assert (Note.AGE_OUTSIDE_REFERENCE in Note(int(found["index_notes"][0]))) is noted
            assert math.isfinite(float(found["index"][0]))

    def test_another_quantile_than_the_definitions_is_refused(self) -> None:
        table = simulate_biomarker_table(60, 1)
        reference = fit_reference(table, name="x", quantile=0.9)
        with pytest.raises(ConfigError, match="another quantile"):
            allostatic_load(table, "count_sex", reference)

    def test_hashes_travel_and_scores_of_different_references_do_not_merge(self) -> None:
        table = simulate_biomarker_table(60, 1)
        one = allostatic_load(table, "system", SIMULATED)
        assert one.attrs["reference_sha256"] == load_reference(SIMULATED).sha256
        other = allostatic_load(table, "system", fit_reference(table, name="x"))
        with pytest.raises(InputError, match="not comparable"):
            combine_scores([one, other])
        both = combine_scores([one.isel(participant=[0]), one.isel(participant=[1])])
        np.testing.assert_array_equal(both["index"], one["index"][:2])

    def test_occasions_become_a_dimension(self) -> None:
        rows = tuple(row("a", b, v, occasion=o) for o in ("1", "2") for b, v in TestMissing.FULL.items())
        rows += tuple(row("b", b, v) for b, v in TestMissing.FULL.items())
        found = allostatic_load(BiomarkerTable(rows, {p: Person(p, "F") for p in "ab"}), "system", SIMULATED)
        assert found["index"].dims == ("participant", "occasion")
        assert np.isnan(found["index"].to_numpy()).tolist() == [[False, False], [False, True]]

    def test_an_empty_table_is_refused(self) -> None:
        with pytest.raises(InputError, match="nobody to score"):
            allostatic_load(BiomarkerTable())

    def test_the_index_follows_the_simulated_load(self) -> None:
        from scipy.stats import spearmanr

        from allostat.simulate import simulate_population

        people = simulate_population(200, 77)
        table = simulate_biomarker_table(200, 77)
        found = allostatic_load(table, "system", SIMULATED).sel(participant=[p.id for p in people])
        keep = ~np.isnan(found["index"].to_numpy())
        truth = np.array([p.load for p in people])
        assert spearmanr(truth[keep], found["index"].to_numpy()[keep]).statistic >= 0.9


MACARTHUR = {
    "sbp": 148, "dbp": 83, "whr": 0.94, "chol_hdl_ratio": 5.9, "hba1c": 7.1, "cortisol_urine": 25.7,
    "norepinephrine_urine": 48, "epinephrine_urine": 5, "hdl": 37, "dheas": 35,
}  # fmt: skip


@pytest.mark.parametrize("which", sorted(MACARTHUR))
def test_macarthur_truth_table_is_strict_on_each_item(which: str) -> None:
    risk = 1 if biomarker_kind(which).direction == "high" else -1
    healthy = {b: c * (0.9 if biomarker_kind(b).direction == "high" else 1.1) for b, c in MACARTHUR.items()}
    people = {
        "below": {**healthy, which: MACARTHUR[which] * (1 - 0.001 * risk)},
        "at": {**healthy, which: float(MACARTHUR[which])},
        "beyond": {**healthy, which: MACARTHUR[which] * (1 + 0.001 * risk)},
    }
    found = allostatic_load(table_of(people, sex=None), "macarthur")["index"]
    assert {p: float(found.sel(participant=p)) for p in people} == {"below": 0, "at": 0, "beyond": 1}


def test_macarthur_score_runs_from_0_to_10() -> None:
    worst = {b: c * (1.1 if biomarker_kind(b).direction == "high" else 0.9) for b, c in MACARTHUR.items()}
    assert float(allostatic_load(table_of({"a": worst}), "macarthur")["index"][0]) == 10


def test_swan_baseline_score_is_reproduced_for_every_woman(recordings: Callable[[str], Path]) -> None:
    import pandas as pd

    women = pd.read_csv(recordings("swan_al_visit0") / "swan_visit0.csv.gz")
    columns = {
        "sbp": ("SYSBP10", 1.0), "dbp": ("DIABP10", 1.0), "whr": ("WHRATIO0", 1.0), "bmi": ("BMI0", 1.0),
        "dheas": ("DHAS0", 1.0), "chol_total": ("CHOLRES0", 1.0), "glucose_fasting": ("GLUCRES0", 1 / 18.0156),
        "hdl": ("HDLRESU0", 1.0), "trig": ("TRIGRES0", 1 / 88.54), "hs_crp": ("CRPRESU0", 1.0),
    }  # fmt: skip
    rows = []
    for i, woman in enumerate(women.to_dict("records")):
        rows += [row(f"w{i:04d}", b, float(woman[c]) * f) for b, (c, f) in columns.items()]
    table = BiomarkerTable(tuple(rows), {f"w{i:04d}": Person(f"w{i:04d}", "F") for i in range(len(women))})
    reference = fit_reference(table, name="swan", sexes=("F",), operators={"sbp": "strict"})
    found = allostatic_load(table, definition_of("count", tuple(columns), strata="sex"), reference)["index"].to_numpy()
    assert len(found) == 2320
    assert float(np.mean(found == women["alscore0"].to_numpy())) == 1.0
    assert float(found.mean()) == pytest.approx(2.622, abs=5e-4)
