"""References: quantile types, frozen and hashed, strata, what ships."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import fit_reference, load_reference, reference_names, sample_quantile, save_reference
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import ConfigError, InputError

METHODS = {2: "averaged_inverted_cdf", 6: "weibull", 7: "linear", 8: "median_unbiased"}


def sample(n: int, *, biomarker: str = "sbp", unit: str = "mm[Hg]", seed: int = 0) -> BiomarkerTable:
    values = np.random.default_rng(seed).normal(120, 12, n)
    rows = tuple(Biomarker(f"s{i}", biomarker, float(v), unit) for i, v in enumerate(values))
    return BiomarkerTable(rows, {f"s{i}": Person(f"s{i}", "F" if i % 2 else "M") for i in range(n)})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40),
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]),
    st.sampled_from(sorted(METHODS)),
)
def test_quantiles_agree_with_numpy(values: list[float], p: float, quantile_type: int) -> None:
    x = np.array(values)
    expected = float(np.quantile(x, p, method=METHODS[quantile_type]))  # type: ignore[call-overload]
    assert sample_quantile(x, p, quantile_type) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_unknown_quantile_type() -> None:
    with pytest.raises(ConfigError, match="2, 6, 7 or 8"):
        sample_quantile(np.array([1.0]), 0.5, 5)


def test_written_and_read_again_is_the_same_with_the_same_hash(tmp_path: Path) -> None:
    reference = fit_reference(sample(80), name="mine")
    save_reference(reference, tmp_path / "mine.json")
    again = load_reference(tmp_path / "mine.json")
    assert again.sha256 == reference.sha256
    assert again.entry("sbp", "F", None) == reference.entry("sbp", "F", None)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    save_reference(fit_reference(sample(80), name="mine"), path)
    content = json.loads(path.read_text())
    content["reference"]["entries"][0]["cut"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="was changed"):
        load_reference(path)


@pytest.mark.parametrize(("key", "value"), [("unit", "mmol/L"), ("direction", "low"), ("context", "24h"), ("sd", 0.0)])
def test_entries_that_contradict_their_biomarker_are_refused(tmp_path: Path, key: str, value: Any) -> None:
    reference = fit_reference(sample(80), name="mine")
    bad = replace(reference, entries=(replace(reference.entries[0], **{key: value}),))
    save_reference(bad, tmp_path / "mine.json")
    with pytest.raises(ConfigError, match=r"mine\.json"):
        load_reference(tmp_path / "mine.json")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"sha256": "x", "reference": {"format": "other"}}', '{"sha256":1,"reference":3}']
)
def test_other_json_is_no_reference(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.json"):
        load_reference(path)


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"nearest valid: 'published-2026\.1'"):
        load_reference("publshed-2026.1")


def test_small_strata_are_noted_and_empty_ones_refused() -> None:
    assert any("only 25 persons" in n for n in fit_reference(sample(50), name="x").notes)
    men = BiomarkerTable(sample(40).rows, {f"s{i}": Person(f"s{i}", "M") for i in range(40)})
    with pytest.raises(InputError, match="stratum of the reference is empty"):
        fit_reference(men, name="x")
    assert fit_reference(men, name="x", sexes=("M",)).entry("sbp", "M", None) is not None
    assert fit_reference(men, name="x", by_sex=False).entry("sbp", None, None) is not None


def test_no_spread_is_refused() -> None:
    rows = tuple(Biomarker(f"s{i}", "sbp", 120.0, "mm[Hg]") for i in range(40))
    with pytest.raises(InputError, match="no spread"):
        fit_reference(BiomarkerTable(rows, {}), name="x", by_sex=False)


def test_several_occasions_need_a_choice() -> None:
    rows = tuple(Biomarker(f"s{i}", "sbp", 110.0 + i, "mm[Hg]", occasion=o) for i in range(5) for o in ("a", "b"))
    table = BiomarkerTable(rows, {})
    with pytest.raises(InputError, match="several occasions"):
        fit_reference(table, name="x", by_sex=False)
    assert fit_reference(table, name="x", by_sex=False, occasion="a").entries[0].n == 5


def test_achieved_prevalence_stands_beside_the_nominal_one() -> None:
    values = [2.1] * 66 + [3.0 + i for i in range(5)] + [2.1] * 5
    rows = tuple(Biomarker(f"s{i}", "hs_crp", v, "mg/L") for i, v in enumerate(values))
    tied = fit_reference(BiomarkerTable(rows, {}), name="x", by_sex=False).entries[0]
    assert tied.prevalence == 1.0
    strict = fit_reference(BiomarkerTable(rows, {}), name="x", by_sex=False, operators="strict").entries[0]
    assert strict.prevalence == pytest.approx(5 / 76)


class TestShipped:
    def test_all_load_and_their_hashes_fit(self) -> None:
        assert {"published-2026.1", "simulated-2026.1", "clinical-2026.1", "macarthur-2026.1"} <= set(reference_names())
        for name in reference_names():
            assert load_reference(name).name == name

    def test_resting_rmssd_has_the_log_normal_moments_of_voss(self) -> None:
        entry = load_reference("published-2026.1").entry("rmssd_rest", "M", 30.0)
        assert entry is not None
        assert (entry.age_low, entry.age_high, entry.n) == (25, 34, 330)
        assert entry.mean == pytest.approx(3.4775, abs=5e-5)
        assert entry.sd == pytest.approx(0.4724, abs=5e-5)
        assert entry.cut == pytest.approx(23.5, abs=0.06)

    def test_age_bands_hold_whole_years_and_outside_all_ages_apply(self) -> None:
        reference = load_reference("published-2026.1")
        assert reference.entry("rmssd_rest", "F", 34.9) == reference.entry("rmssd_rest", "F", 25.0)
        assert reference.entry("rmssd_rest", "F", 80.0).age_low is None  # type: ignore[union-attr]
        assert reference.entry("rmssd_rest", "F", None).n == 782  # type: ignore[union-attr]

    def test_the_crp_assay_is_declared(self) -> None:
        reference = load_reference("published-2026.1")
        assert any("not a high-sensitivity assay" in n for n in reference.notes)
        entry = reference.entry("hs_crp", "M", None)
        assert entry is not None
        assert entry.at_limit is not None
        assert entry.at_limit > 0.6
        assert entry.prevalence == pytest.approx(0.25, abs=0.03)

    def test_no_reference_claims_what_it_has_not(self) -> None:
        assert not {"cortisol_slope", "rmssd_night"} & set(load_reference("published-2026.1").biomarkers)

    def test_population_quantiles_agree_with_the_recordings(self, recordings: Callable[[str], Path]) -> None:
        import pandas as pd

        people = pd.read_csv(recordings("nhanes3") / "nhanes3.csv.gz")
        men = people[people.age.between(25, 74) & (people.pregnant != 1) & (people.gender == 1)]
        entry = load_reference("published-2026.1").entry("sbp", "M", None)
        assert entry is not None
        assert entry.cut == pytest.approx(float(men.sbp.quantile(0.75)))
        assert entry.mean == pytest.approx(float(men.sbp.mean()), rel=1e-12)

    def test_most_nhanes3_crp_sits_on_the_detection_limit(self, recordings: Callable[[str], Path]) -> None:
        import pandas as pd

        crp = pd.read_csv(recordings("nhanes3") / "nhanes3.csv.gz").crp.dropna().to_numpy() * 10
        assert (int((crp < 2.1 + 1e-9).sum()), len(crp)) == (10389, 15807)
        rows = tuple(Biomarker(f"s{i}", "hs_crp", float(v), "mg/L") for i, v in enumerate(crp))
        entry = fit_reference(BiomarkerTable(rows, {}), name="x", by_sex=False).entries[0]
        assert entry.prevalence is not None
        assert entry.prevalence > 0.25
        assert math.isclose(entry.cut or 0, 4.4, rel_tol=1e-9)
