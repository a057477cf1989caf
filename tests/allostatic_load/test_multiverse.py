"""The multiverse: equal to single scores, sorted out with reasons, agreement, decomposition, curve."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from allostat.allostatic_load import allostatic_load, fit_reference, multiverse
from allostat.allostatic_load.multiverse import grid_from, grid_names, load_grid
from allostat.allostatic_load.multiverse.agreement import rank_agreement, score_codes
from allostat.allostatic_load.multiverse.analysis import _scored
from allostat.allostatic_load.multiverse.ruled_panels import RuledPanels, columns_of
from allostat.allostatic_load.multiverse.sample_references import SampleReferences
from allostat.allostatic_load.multiverse.scores import Scorer
from allostat.allostatic_load.multiverse.specifications import planned
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel

NAMES = ("cortisol_slope", "dbp", "hs_crp", "rmssd_night", "rmssd_rest", "sbp")


def sample(n: int = 150, seed: int = 1, missing: float = 0.05) -> Panel:
    rng = np.random.default_rng(seed)
    load = rng.normal(size=n)
    z = 0.6 * load[:, None] + 0.8 * rng.normal(size=(n, 6))
    value = np.column_stack([
        -0.12 + 0.04 * z[:, 0], 78 + 9 * z[:, 1], np.exp(0.6 + 0.9 * z[:, 2]),
        np.exp(3.4 - 0.4 * z[:, 3]), np.exp(3.3 - 0.4 * z[:, 4]), 126 + 14 * z[:, 5],
    ])  # fmt: skip
    value[:, 0] = np.clip(value[:, 0], -0.5, 0.2)
    value[: n // 30 + 1, 2] = 15.0
    value[rng.random(value.shape) < missing] = math.nan
    return Panel(
        tuple(f"p{i:04d}" for i in range(n)), ("1",), NAMES, value, np.full(value.shape, math.nan),
        ~np.isnan(value), rng.integers(0, 2, n).astype(np.int8), rng.uniform(20, 70, n), np.full(n, ""),
        treated={"antihypertensive": rng.random(n) < 0.25},
    )  # fmt: skip


def persons_of(panel: Panel, effect: float = 0.0, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=len(panel.participants)) + effect * np.nan_to_num((panel.value[:, 5] - 126) / 14)
    return pd.DataFrame({
        "participant": panel.participants, "fatigue": y, "ill": (y > 0.3).astype(int),
        "clinic": rng.choice(["a", "b", "c"], len(y)), "flat": 1.0,
    })  # fmt: skip


SMALL = {
    "id": "small",
    "choices": {
        "definition": ["system", "count_sex", "zpos"],
        "cuts": ["reference", "sample", "sample_sex_age", "clinical"],
        "quantile_type": [7, 2],
        "operator": ["inclusive", "strict"],
        "winsorise": ["1/99", "off"],
        "crp": ["exclude", "keep", "winsorise"],
        "medication": ["adjust", "none", "risk", "exclude"],
        "missing": ["by_rule", "complete"],
        "hrv": ["as_defined", "night", "rest_5min"],
    },
    "definitions": {"zpos": {"base": "system", "algorithm": "zpos"}},
}


def grid_of(**choices):
    return grid_from({"id": "own", "choices": choices})


FEW = grid_of(cuts=["sample", "sample_sex"], winsorise=["1/99", "off"], missing=["by_rule", "complete"])

# scores


def test_every_score_equals_the_index_computed_alone() -> None:
    panel = sample(90)
    grid = grid_from(SMALL)
    frozen = fit_reference(sample(200, seed=9), name="other", age_bands=[(20, 44), (45, 70)])
    ruled = RuledPanels.of(panel, None)
    scored = _scored(planned(grid, ruled), ruled, frozen, grid, 60, 0)
    scorer = Scorer(ruled, frozen, SampleReferences(grid.age_bands), grid.default)
    rng = np.random.default_rng(0)
    for number in rng.choice(len(scored.specifications), 25, replace=False):
        one = scorer.single(scored.specifications[number])
        alone = allostatic_load(one.panel, one.definition, one.reference, winsorise=one.winsorise)
        np.testing.assert_allclose(scored.scores[number], alone["index"].values, rtol=1e-12, atol=1e-12)
        assert scored.references[number] == alone.attrs["reference_sha256"]


@pytest.mark.parametrize("algorithm", ["dm", "pca", "pscore_sum", "mahalanobis_thr", "tail_weighted"])
def test_fitted_models_are_fitted_on_the_sample_and_score_as_alone(algorithm: str) -> None:
    panel = sample(120, missing=0.0)
    content = {
        "id": "models",
        "choices": {"definition": ["own"], "cuts": ["sample", "sample_sex"], "winsorise": ["1/99", "off"]},
        "definitions": {"own": {"markers": list(NAMES), "algorithm": algorithm}},
    }
    grid = grid_from(content)
    ruled = RuledPanels.of(panel, None)
    scored = _scored(planned(grid, ruled), ruled, None, grid)
    scorer = Scorer(ruled, None, SampleReferences(grid.age_bands), grid.default)
    assert scored.specifications
    for row, specification in zip(scored.scores, scored.specifications, strict=True):
        one = scorer.single(specification)
        alone = allostatic_load(one.panel, one.definition, one.reference, winsorise=one.winsorise)
        np.testing.assert_allclose(row, alone["index"].values, rtol=1e-12, atol=1e-12)


def test_a_sample_reference_equals_the_one_that_is_fitted_by_name() -> None:
    panel = sample(120, missing=0.0)
    grid = grid_of(cuts=["sample_sex"], quantile_type=[6], winsorise=["3sd"])
    ruled = RuledPanels.of(panel, None)
    scorer = Scorer(ruled, None, SampleReferences(grid.age_bands), grid.default)
    one = scorer.single(planned(grid, ruled).specifications[0])
    fitted = fit_reference(one.panel, name="sample", quantile_type=6, winsor="3sd")
    assert set(one.reference.entries) <= set(fitted.entries)


def test_persons_without_biomarkers_stay_nan() -> None:
    panel = sample(60)
    panel.value[7] = math.nan
    result = multiverse(panel, grid=grid_of(definition=["system", "count_sex"], cuts=["sample", "sample_sex"]))
    assert np.isnan(result["score"].values[:, 7]).all()
    assert (result["n_scored"].values < 60).all()


def test_a_person_is_scored_alone_as_in_the_cohort_with_a_frozen_reference() -> None:
    panel, frozen = sample(40), fit_reference(sample(200, seed=5), name="other")
    grid = grid_of(definition=["system", "count_sex"], crp=["exclude", "keep"])
    whole = multiverse(panel, grid=grid, reference=frozen)
    keep = np.zeros(40, dtype=bool)
    keep[3] = True
    alone = multiverse(panel.rows(keep), grid=grid, reference=frozen)
    levels = {tuple(str(alone[f"choice_{n}"].values[i]) for n in ("definition",)): i for i in range(len(alone.score))}
    for (definition,), i in levels.items():
        at = np.flatnonzero(whole["choice_definition"].values == definition)[0]
        assert alone["score"].values[i, 0] == whole["score"].values[at, 3] or math.isnan(alone["score"].values[i, 0])


# rules


def test_treatment_as_risk_flags_the_treated_and_constants_are_added_once() -> None:
    panel = sample(100, missing=0.0)
    treated = panel.treated["antihypertensive"]
    ruled = RuledPanels.of(panel, None)
    sbp = panel.column_of["sbp"]
    assert np.array_equal(ruled.panel("exclude", "none").value[:, sbp], panel.value[:, sbp])
    assert np.array_equal(ruled.panel("exclude", "adjust").value[treated, sbp], panel.value[treated, sbp] + 10.0)
    assert np.isnan(ruled.panel("exclude", "exclude").value[treated, sbp]).all()
    result = allostatic_load(ruled.panel("keep", "risk"), "count_sex", fit_reference(panel, name="r"))
    flags = result["flag"].sel(component=["sbp", "dbp"]).values
    assert (flags[treated] == 1).all()
    assert not (flags[~treated] == 1).all()


def test_acute_crp_is_judged_draw_by_draw_where_draws_are_known() -> None:
    rows = [
        Biomarker("a", "hs_crp", 2.0, "mg/L", repeats=(2.0, 40.0), raw_value=math.sqrt(80.0)),
        Biomarker("b", "hs_crp", 3.0, "mg/L"),
    ]
    ruled = RuledPanels.of(BiomarkerTable(tuple(rows), {"a": Person("a"), "b": Person("b")}), None)
    at = ruled.measured.column_of["hs_crp"]
    assert ruled.panel("exclude", "none").value[:, at].tolist() == pytest.approx([2.0, 3.0])
    assert ruled.panel("keep", "none").value[:, at].tolist() == pytest.approx([math.sqrt(80.0), 3.0])
    assert ruled.panel("winsorise", "none").value[:, at].tolist() == pytest.approx([math.sqrt(20.0), 3.0])


def test_a_panel_under_rules_is_refused() -> None:
    panel = sample(40)
    ruled = dataclasses.replace(panel, codes={"TREATED_PLUS_10": np.zeros(panel.value.shape, dtype=bool)})
    with pytest.raises(InputError, match="under rules already"):
        multiverse(ruled)


# sorting out


def test_specifications_and_removals_add_up_to_the_combinations() -> None:
    result = multiverse(sample(), grid=grid_from(SMALL), limit=50)
    assert result.attrs["n_specifications"] == 50
    removed = json.loads(result.attrs["removed"])
    assert result.attrs["n_specifications"] + sum(removed.values()) == result.attrs["n_combinations"] == 3456 * 2
    assert "published cut-offs have no mean and spread, so no z score" in removed
    assert any("not drawn" in reason for reason in removed)


def test_levels_that_change_nothing_are_left_out() -> None:
    panel = sample(80, missing=0.0)
    panel.value[:, 2] = np.minimum(panel.value[:, 2], 9.0)
    untreated = dataclasses.replace(panel, treated={})
    grid = grid_of(cuts=["sample"], crp=["exclude", "keep", "winsorise"], medication=["adjust", "none"])
    result = multiverse(untreated, grid=grid)
    assert result.attrs["n_specifications"] == 1
    assert set(result["choice_crp"].values) == {"not applicable"}
    assert result.attrs["default_specification"] == 1


def test_equal_definitions_under_equal_cuts_count_once() -> None:
    result = multiverse(sample(), grid=grid_of(definition=["count_sex", "seeman1997"], cuts=["sample", "sample_sex"]))
    assert result.attrs["n_specifications"] == 2
    assert any("same definition" in reason for reason in json.loads(result.attrs["removed"]))


def test_unknown_sex_and_age_leave_strata_out() -> None:
    panel = sample()
    nobody = dataclasses.replace(panel, sex=np.full(150, -1, dtype=np.int8), age_years=np.full(150, math.nan))
    result = multiverse(nobody, grid=grid_of(cuts=["sample", "sample_sex", "sample_sex_age"]))
    assert set(result["choice_cuts"].values) == {"sample"}


def test_a_removed_default_is_told_and_nothing_is_marked() -> None:
    # The reference that the definition names has neither the cortisol slope nor RMSSD at night.
    panel = columns_of(sample(), ("cortisol_slope", "rmssd_night", "sbp", "dbp"))
    result = multiverse(panel, grid=grid_of(definition=["system"], cuts=["reference", "sample"]))
    assert result.attrs["default_specification"] == 0
    assert int(result["is_default"].sum()) == 0
    assert json.loads(result.attrs["default"])["cuts"] == "reference"
    assert list(json.loads(result.attrs["removed"])) == ["nobody has enough biomarkers that the reference covers"]


def test_nobody_scored_at_all_is_an_error_with_reasons() -> None:
    panel = sample(20)
    empty = dataclasses.replace(panel, value=np.full(panel.value.shape, math.nan))
    with pytest.raises(InputError, match="no specification of the grid scores anybody"):
        multiverse(empty)


def test_a_grid_leaves_out_what_it_says() -> None:
    content = {
        "id": "own",
        "choices": {"cuts": ["sample", "sample_sex"], "winsorise": ["1/99", "off"]},
        "remove": [{"when": {"cuts": "sample", "winsorise": ["off"]}, "reason": "never done"}],
    }
    result = multiverse(sample(), grid=grid_from(content))
    assert result.attrs["n_specifications"] == 3
    assert json.loads(result.attrs["removed"]) == {"never done": 1}


# grids


@pytest.mark.parametrize("name", grid_names())
def test_shipped_grids_load_and_hold_their_default(name: str) -> None:
    grid = load_grid(name)
    assert all(grid.default[choice] in levels for choice, levels in grid.levels.items())
    assert len(grid.sha256) == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"id": "x", "choises": {}}, "choices"),
        ({"id": "x", "choices": {"definitions": ["system"]}}, "definition"),
        ({"id": "x", "choices": {"cuts": ["sampel"]}}, "sample"),
        ({"id": "x", "choices": {"cuts": []}}, "list of levels"),
        ({"id": "x", "choices": {"cuts": ["sample", "sample"]}}, "twice"),
        ({"id": "x", "choices": {"definition": ["systen"]}}, "system"),
        ({"id": "x", "choices": {"cuts": ["sample"]}, "default": {"cuts": "clinical"}}, "not among the levels"),
        ({"id": "x", "choices": {"definition": ["m"]}, "definitions": {"m": {"markers": ["spb"]}}}, "sbp"),
        ({"id": "x", "choices": {"definition": ["m"]}, "definitions": {"m": {}}}, "either 'base' or 'markers'"),
        ({"id": "x", "age_bands": [[40, 20]]}, "age bands"),
        ({"id": "x", "remove": [{"when": {"cuts": "clinical"}, "reason": "r"}]}, "no such level"),
        ({}, "'id'"),
    ],
)  # fmt: skip
def test_a_broken_grid_says_what_is_wrong(content, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        grid_from(content)


def test_a_grid_file_names_definitions_beside_it(tmp_path) -> None:
    (tmp_path / "own.toml").write_text('id = "own"\n[choices]\ndefinition = ["system"]\ncuts = ["sample"]\n')
    assert load_grid(tmp_path / "own.toml").n_combinations == 1
    with pytest.raises(ConfigError, match="default"):
        load_grid("defualt")
    with pytest.raises(ConfigError, match="no such grid file"):
        load_grid(tmp_path / "none.toml")


# agreement


def test_agreement_is_spearmans_over_the_persons_that_both_score() -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(size=(5, 60)), 1)
    scores[1] = scores[0]
    scores[2, :20] = math.nan
    scores[3, rng.random(60) < 0.3] = math.nan
    scores[4] = 1.0
    found = rank_agreement(score_codes(scores))
    assert found.rho[0, 1] == pytest.approx(1.0, abs=1e-12)
    assert np.isnan(found.rho[4]).all()
    for a in range(4):
        for b in range(4):
            both = ~np.isnan(scores[a]) & ~np.isnan(scores[b])
            assert found.n[a, b] == both.sum()
            assert found.rho[a, b] == pytest.approx(spearmanr(scores[a, both], scores[b, both]).statistic, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 25), st.integers(1, 6))
def test_agreement_is_symmetric_and_within_bounds(seed: int, n: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (count, n)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = math.nan
    found = rank_agreement(score_codes(scores))
    np.testing.assert_array_equal(found.rho, found.rho.T)
    assert np.nanmax(np.abs(found.rho), initial=0.0) <= 1.0


# the whole


def test_a_grid_of_one_specification() -> None:
    result = multiverse(
        sample(), "fatigue", persons=persons_of(sample()), grid=grid_of(cuts=["sample"]), permutations=9
    )
    assert result.sizes["specification"] == 1
    assert result["rank_correlation"].values.tolist() == [[1.0]]
    assert math.isnan(float(result["score_share"].sel(choice="residual")))
    assert np.isfinite(result["effect"].values).all()


def test_the_same_seed_gives_the_same_result_and_another_one_another() -> None:
    panel = sample()
    settings_ = {"persons": persons_of(panel), "grid": FEW, "limit": 5, "permutations": 20}
    a, b, c = (multiverse(panel, "fatigue", seed=s, **settings_) for s in (3, 3, 4))
    assert a.identical(b)
    assert not np.array_equal(a["permuted_median"].values, c["permuted_median"].values)


def test_result_can_be_written_and_describes_itself(tmp_path) -> None:
    panel = sample()
    result = multiverse(panel, "fatigue", persons=persons_of(panel), grid=FEW, permutations=20)
    result.to_netcdf(tmp_path / "multiverse.nc", engine="h5netcdf")
    assert "specifications of" in result.attrs["description"]
    assert json.loads(result.attrs["grid"])["id"] == "own"
    assert result["score"].attrs["units"] == "1"


def test_a_data_frame_holds_biomarkers_outcome_and_covariates() -> None:
    panel = dataclasses.replace(sample(), treated={})
    frame = pd.DataFrame(panel.value, columns=["cortisol_slope[ln(nmol/L)/h]", "dbp[mm[Hg]]", "hs_crp[mg/L]",
                                               "rmssd_night[ms]", "rmssd_rest[ms]", "sbp[mm[Hg]]"])  # fmt: skip
    frame = pd.concat([persons_of(panel), frame], axis=1).assign(
        sex=np.where(panel.sex == 0, "F", "M"), age=panel.age_years
    )
    grid = grid_of(cuts=["sample", "sample_sex"])
    told = multiverse(frame, "fatigue", covariates=["age", "sex", "clinic"], grid=grid, permutations=0)
    apart = multiverse(
        panel, "fatigue", covariates=["age", "sex", "clinic"], persons=persons_of(panel), grid=grid, permutations=0
    )
    np.testing.assert_allclose(told["effect"], apart["effect"], rtol=1e-10)
    assert told.attrs["covariates"] == "age, sex=M, clinic=b, clinic=c"


def test_several_occasions_want_one_named() -> None:
    panel = sample(40)
    two = dataclasses.replace(
        panel, occasions=("1", "2"), value=np.repeat(panel.value, 2, axis=0),
        standard_error=np.repeat(panel.standard_error, 2, axis=0), present=np.repeat(panel.present, 2, axis=0),
        sex=np.repeat(panel.sex, 2), age_years=np.repeat(panel.age_years, 2), groups=np.repeat(panel.groups, 2),
        treated={},
    )  # fmt: skip
    with pytest.raises(InputError, match="several occasions"):
        multiverse(two)
    result = multiverse(two, occasion="2", grid=grid_of(cuts=["sample"]))
    assert result.attrs["occasion"] == "2"
    assert result.sizes["participant"] == 40
