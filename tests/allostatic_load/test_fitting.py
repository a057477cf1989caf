"""Fitting references: strata, weights, tails, limits, what is recorded, and who is compared with themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allostat.allostatic_load import (
    Marker,
    System,
    allostatic_load,
    bootstrap_reference,
    fit_reference,
    load_definition,
    load_reference,
    reference_difference,
    reference_uncertainty,
    save_reference,
)
from allostat.allostatic_load.components import Note
from allostat.allostatic_load.reference_sample import weighted_moments
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel

N = 400


def frame(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(25, 65, n).astype(float)
    return pd.DataFrame(
        {
            "participant": [f"p{i:04d}" for i in range(n)],
            "sex": np.where(np.arange(n) % 2, "F", "M"),
            "age": age,
            "sbp[mm[Hg]]": 100 + 0.5 * age + rng.normal(0, 12, n),
            "hdl[mg/dL]": np.clip(rng.normal(50, 10, n), 20, 90),
            "hs_crp[mg/L]": np.exp(rng.normal(0.3, 0.8, n)),
        }
    )


def two_systems() -> Any:
    base = load_definition("system")
    systems = (
        System("bp", (Marker("sbp", ("sbp",)),)),
        System("other", (Marker("hdl", ("hdl",)), Marker("crp", ("hs_crp",)))),
    )
    return replace(base, systems=systems, require_one_of=(), strata="sex")


class TestStrata:
    def test_pooled_by_sex_and_by_sex_and_age(self) -> None:
        reference = fit_reference(frame(), name="x", age_bands=[(25, 44), (45, 64)])
        found = [(e.sex, e.age_low, e.age_high) for e in reference.entries if e.biomarker == "sbp"]
        bands = [(s, lo, hi) for s in ("F", "M") for lo, hi in ((25, 44), (45, 64))]
        assert found == [(None, None, None), ("F", None, None), ("M", None, None), *bands]
        people = frame()
        inside = people[(people.sex == "F") & (people.age >= 25) & (people.age < 45)]["sbp[mm[Hg]]"]
        entry = reference.entry("sbp", "F", 44.9)
        assert entry is not None
        assert entry.n == len(inside)
        assert entry.cut == pytest.approx(float(inside.quantile(0.75)), rel=1e-12)

    def test_bands_serve_the_scores_of_their_ages(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x", age_bands=[(25, 44), (45, 64)])
        by_band = replace(two_systems(), strata="sex_age")
        scores = allostatic_load(people, by_band, reference)
        young = people["age"].to_numpy() < 45
        sbp = scores["z"].sel(component="sbp").to_numpy()
        # Inside its band nobody is high for age alone.
        assert abs(sbp[young].mean()) < 0.05
        assert abs(sbp[~young].mean()) < 0.05

    @pytest.mark.parametrize("bands", [[(25, 44), (44, 64)], [(44, 25)], [(25.5, 30)]])
    def test_bands_that_overlap_or_run_backwards_are_refused(self, bands: Any) -> None:
        with pytest.raises(ConfigError, match="age band"):
            fit_reference(frame(), name="x", age_bands=bands)

    def test_bands_need_sexes_and_persons(self) -> None:
        with pytest.raises(ConfigError, match="by_sex"):
            fit_reference(frame(), name="x", by_sex=False, age_bands=[(25, 44)])
        with pytest.raises(InputError, match="age 80 to 90: a stratum of the reference is empty"):
            fit_reference(frame(), name="x", age_bands=[(80, 90)])

    def test_what_few_persons_are_is_settable(self) -> None:
        assert not fit_reference(frame(), name="x").notes
        assert any("fewer than 300" in n for n in fit_reference(frame(), name="x", few_persons=300).notes)


class TestWeights:
    def test_equal_weights_are_no_weights(self) -> None:
        people = frame()
        for quantile_type in (2, 6, 7, 8):
            plain = fit_reference(people, name="x", quantile_type=quantile_type)
            same = fit_reference(
                people, name="x", quantile_type=quantile_type, weights=dict.fromkeys(people["participant"], 2.5)
            )
            for a, b in zip(plain.entries, same.entries, strict=True):
                assert b.n_effective == pytest.approx(a.n, rel=1e-12)
                for field in ("mean", "sd", "cut", "winsor_low", "winsor_high", "prevalence"):
                    assert getattr(b, field) == pytest.approx(getattr(a, field), rel=1e-12, abs=1e-12)

    def test_weight_zero_is_not_in_the_sample(self) -> None:
        people = frame()
        weights = pd.Series(np.arange(N) % 3 > 0, index=people["participant"]).astype(float)
        some = people[np.arange(N) % 3 > 0]
        a, b = fit_reference(people, name="x", weights=weights), fit_reference(some, name="x")
        assert [e.n for e in a.entries] == [e.n for e in b.entries]
        assert (a.sample_n, a.sample_sha256) == (b.sample_n, b.sample_sha256)
        assert [e.cut for e in a.entries] == pytest.approx([e.cut for e in b.entries], rel=1e-12)

    def test_moments_by_hand(self) -> None:
        f, w = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0])
        mean, sd = weighted_moments(f, w)
        assert mean == 2.25
        total = (1.25**2 + 2 * 0.25**2 + 1.75**2) / (4 - 6 / 4)
        assert sd == pytest.approx(math.sqrt(total), rel=1e-15)

    def test_effective_number_is_recorded(self) -> None:
        people = frame()
        weights = np.where(np.arange(N) % 2, 1.0, 3.0)
        reference = fit_reference(people, name="x", weights=dict(zip(people["participant"], weights, strict=True)))
        entry = reference.entry("sbp", None, None)
        assert entry is not None
        assert entry.n == N
        assert entry.n_effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
        assert "survey weights" in reference.rules["weights"]

    def test_arrays_go_with_panels_only(self) -> None:
        people = frame()
        weights = np.ones(N)
        with pytest.raises(ConfigError, match="by participant"):
            fit_reference(people, name="x", weights=weights)
        assert fit_reference(Panel.from_frame(people), name="x", weights=weights).sample_n == N

    @pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
    def test_bad_weights_are_refused_with_the_participant(self, bad: float) -> None:
        weights = {f"p{i:04d}": 1.0 for i in range(N)} | {"p0007": bad}
        with pytest.raises(InputError, match="p0007"):
            fit_reference(frame(), name="x", weights=weights)

    def test_a_participant_without_weight_is_refused(self) -> None:
        with pytest.raises(InputError, match="1 participants have no weight; found 'p0399'"):
            fit_reference(frame(), name="x", weights={f"p{i:04d}": 1.0 for i in range(N - 1)})


class TestCuts:
    def test_two_tails_have_the_opposite_quantile(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x", by_sex=False, quantile=0.9, tails={"sbp": "two", "hdl": "two"})
        sbp, hdl = people["sbp[mm[Hg]]"], people["hdl[mg/dL]"]
        entry = reference.entry("sbp", None, None)
        assert entry is not None
        assert entry.cut == pytest.approx(float(sbp.quantile(0.9)), rel=1e-12)
        assert entry.other_cut == pytest.approx(float(sbp.quantile(0.1)), rel=1e-12)
        assert entry.prevalence == pytest.approx(0.2, abs=0.01)
        low = reference.entry("hdl", None, None)
        assert low is not None
        assert low.cut == pytest.approx(float(hdl.quantile(0.1)), rel=1e-12)
        assert low.other_cut == pytest.approx(float(hdl.quantile(0.9)), rel=1e-12)
        one = reference.entry("hs_crp", None, None)
        assert one is not None
        assert one.other_cut is None
        assert reference.rules["tails"] == "one; hdl: two; sbp: two"

    def test_limits_of_winsorising(self) -> None:
        people = frame()
        logs = np.log(people["hs_crp[mg/L]"].to_numpy())
        expected = {
            "1/99": np.quantile(logs, [0.01, 0.99]),
            "0.5/99.5": np.quantile(logs, [0.005, 0.995]),
            "3sd": logs.mean() + np.array([-3, 3]) * logs.std(ddof=1),
        }
        for winsor, limits in expected.items():
            entry = fit_reference(people, name="x", winsor=winsor).entry("hs_crp", None, None)  # type: ignore[arg-type]
            assert entry is not None
            assert (entry.winsor_low, entry.winsor_high) == pytest.approx(tuple(limits), rel=1e-9)
        off = fit_reference(people, name="x", winsor="off").entry("hs_crp", None, None)
        assert off is not None
        assert (off.winsor_low, off.winsor_high) == (None, None)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"winsor": "2/98"}, {"quantile": 1.1}, {"operators": "loose"}, {"operators": {"spb": "strict"}},
            {"tails": "both"}, {"tails": "two", "quantile": 0.4}, {"quantile_type": 5},
        ],
    )  # fmt: skip
    def test_wrong_settings_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError):
            fit_reference(frame(), name="x", **wrong)

    def test_rules_are_recorded_and_the_users_own_win(self) -> None:
        reference = fit_reference(
            frame(), name="x", quantile_type=2, operators={"sbp": "strict"}, rules={"missing": "as told", "assay": "A"}
        )
        assert reference.rules["quantile"] == "0.75 of the risk-oriented value, Hyndman-Fan type 2"
        assert reference.rules["operator"] == "inclusive; sbp: strict"
        assert (reference.rules["missing"], reference.rules["assay"]) == ("as told", "A")

    def test_values_at_the_detection_limit_are_counted_and_named(self) -> None:
        people = frame()
        people["hs_crp[mg/L]"] = np.maximum(people["hs_crp[mg/L]"], 3.0)
        panel = Panel.from_frame(people)
        at_limit = panel.value[:, panel.column_of["hs_crp"]] == 3.0
        mask = np.zeros(panel.value.shape, dtype=bool)
        mask[:, panel.column_of["hs_crp"]] = at_limit
        reference = fit_reference(replace(panel, codes={"BELOW_LOD": mask}), name="x", by_sex=False)
        entry = reference.entry("hs_crp", None, None)
        assert entry is not None
        assert entry.at_limit == pytest.approx(at_limit.mean())
        assert entry.cut == 3.0
        assert entry.prevalence == 1.0
        assert reference.notes == (
            "hs_crp, both sexes: the cut flags 100.0% of the reference, nominal 25.0%; "
            f"{at_limit.mean():.1%} at the detection limit",
        )
        strict = fit_reference(replace(panel, codes={"BELOW_LOD": mask}), name="x", by_sex=False, operators="strict")
        assert strict.notes[0].startswith("hs_crp, both sexes: the cut flags 18.5% of the reference, nominal 25.0%")
        sbp = reference.entry("sbp", None, None)
        assert sbp is not None
        assert sbp.at_limit is None


class TestOwnSample:
    def test_a_sample_compared_with_itself_is_told(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x")
        own = allostatic_load(people, two_systems(), reference)
        assert own.attrs["sample_is_reference"] == 1
        assert (own["index_notes"].to_numpy() & Note.SAMPLE_IS_REFERENCE).all()
        assert "SAMPLE_IS_REFERENCE" in own["index_notes"].attrs["flag_meanings"]

    def test_others_are_not(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x")
        others = people.assign(participant=[f"q{i}" for i in range(N)])
        for table in (people.iloc[:1], people.iloc[1:], others):
            found = allostatic_load(table, two_systems(), reference)
            assert found.attrs["sample_is_reference"] == 0
            assert not (found["index_notes"].to_numpy() & Note.SAMPLE_IS_REFERENCE).any()

    def test_persons_without_any_value_do_not_hide_it(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x")
        empty = pd.DataFrame({"participant": ["z"], "sex": ["F"], "age": [40.0]})
        table = pd.concat([people.sample(frac=1.0, random_state=1), empty])
        assert allostatic_load(table, two_systems(), reference).attrs["sample_is_reference"] == 1

    def test_the_hash_is_of_the_set_and_travels_with_the_file(self, tmp_path: Path) -> None:
        reference = fit_reference(frame(), name="x")
        shuffled = fit_reference(frame().sample(frac=1.0, random_state=3), name="x")
        assert shuffled.sample_sha256 == reference.sample_sha256
        save_reference(reference, tmp_path / "x.json")
        assert load_reference(tmp_path / "x.json").sample_sha256 == reference.sample_sha256
        assert "p0000" not in (tmp_path / "x.json").read_text()

    def test_references_made_before_keep_their_hash(self) -> None:
        assert load_reference("simulated-2026.1").sample_n == 0


class TestDifference:
    def test_equal_references_do_not_differ(self) -> None:
        a, b = fit_reference(frame(), name="x"), fit_reference(frame(), name="x")
        found = reference_difference(a, b)
        assert found.same
        assert (found.rules, found.entries, found.only_first, found.only_second) == ({}, (), (), ())
        assert len(found.frame()) == 0

    def test_what_differs_is_named(self) -> None:
        a = fit_reference(frame(), name="a")
        b = fit_reference(frame(seed=1), name="b", quantile_type=2, sexes=("F",), age_bands=[(25, 44)])
        found = reference_difference(a, b)
        assert not found.same
        assert found.same_persons
        assert found.sample_n == (N, N)
        assert set(found.rules) == {"quantile"}
        assert found.only_first == ("hdl, M", "hs_crp, M", "sbp, M")
        assert found.only_second[0] == "hdl, F, age 25 to 44"
        cuts = found.frame().query("field == 'cut' and biomarker == 'hdl' and sex.isna()").iloc[0]
        assert cuts["second"] != cuts["first"]
        # Low HDL is risk: a lower cut flags fewer persons.
        assert bool(cuts["cut_shift_sd"] > 0) is bool(cuts["second"] < cuts["first"])


class TestBootstrap:
    def test_the_interval_of_a_cut_is_as_wide_as_theory_says(self) -> None:
        """Asymptotic standard error of a quantile: sqrt(p (1 - p) / n) / density."""
        people = frame(2000)
        people["sbp[mm[Hg]]"] = np.random.default_rng(5).normal(120, 12, 2000)
        reference = fit_reference(people, name="x", by_sex=False, biomarkers=["sbp"])
        found = bootstrap_reference(people, reference, resamples=400, seed=1)
        entry = found.reference.entries[0]
        density = 0.31777657 / 12  # normal density at its P75
        wanted = 2 * 1.96 * math.sqrt(0.75 * 0.25 / 2000) / density
        assert entry.cut_low is not None
        assert entry.cut_high is not None
        assert entry.cut_high - entry.cut_low == pytest.approx(wanted, rel=0.2)
        assert entry.cut == reference.entries[0].cut
        assert "400 resamples" in found.reference.rules["cut_interval"]
        again = bootstrap_reference(people, reference, resamples=400, seed=1)
        assert again.reference.sha256 == found.reference.sha256

    def test_effect_on_scores(self) -> None:
        people = frame()
        weights = {p: 1.0 + i % 3 for i, p in enumerate(people["participant"])}
        reference = fit_reference(people, name="x", weights=weights, operators={"sbp": "strict"}, tails={"sbp": "two"})
        found = bootstrap_reference(people, reference, weights=weights, resamples=100)
        effect = reference_uncertainty(people.iloc[:40], two_systems(), found)
        assert (effect["reference_low"] <= effect["index"]).mean() > 0.9
        assert (effect["reference_high"] >= effect["index"]).mean() > 0.9
        # Mean of three z scores against 200 of the own sex: about sd / sqrt(200) each.
        assert 0.02 < float(effect["reference_se"].median()) < 0.12

    def test_models_are_fitted_again_too(self) -> None:
        people = frame(200)
        pca = replace(two_systems(), algorithm="pca", options={})
        reference = fit_reference(people, name="x", definition=pca)
        found = bootstrap_reference(people, reference, definition=pca, resamples=100)
        effect = reference_uncertainty(people.iloc[:20], pca, found)
        assert (effect["reference_se"] > 0).all()
        with pytest.raises(ConfigError, match="no pca model"):
            reference_uncertainty(people, pca, bootstrap_reference(people, reference, resamples=100))

    def test_other_persons_values_or_weights_are_refused(self) -> None:
        people = frame()
        reference = fit_reference(people, name="x")
        with pytest.raises(InputError, match="other persons"):
            bootstrap_reference(people.iloc[1:], reference)
        with pytest.raises(InputError, match="other values or weights"):
            bootstrap_reference(frame(seed=4), reference)
        with pytest.raises(ConfigError, match="not fitted on a sample"):
            bootstrap_reference(people, load_reference("clinical-2026.1"))
        with pytest.raises(ConfigError, match="100 or more"):
            bootstrap_reference(people, reference, resamples=10)
