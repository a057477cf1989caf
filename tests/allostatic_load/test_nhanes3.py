"""The NHANES III reference: made again from the recordings, ties and detection limit told, prevalence plausible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from allostat.allostatic_load import fit_reference, load_reference
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, Sex, biomarker_kind
from tools import build_nhanes3_reference as tool

DOCS = Path(__file__).parents[2] / "docs"
SHIPPED = load_reference(tool.NAME)


def entry(biomarker: str, sex: Sex | None, age: float | None = None) -> tool.ReferenceEntry:
    found = SHIPPED.entry(biomarker, sex, age)
    assert found is not None
    return found


def test_the_shipped_reference_is_made_from_the_recordings(recordings: Callable[[str], Path]) -> None:
    assert tool.build(recordings("nhanes3").parent).sha256 == SHIPPED.sha256


@pytest.mark.parametrize("biomarker", [b for b in tool.SOURCES if b != "hs_crp"])
def test_inclusive_cuts_flag_a_quarter_and_the_ties(biomarker: str) -> None:
    for sex in (None, *get_args(Sex)):
        one = entry(biomarker, sex)
        assert one.prevalence is not None
        # creatinine, on its coarse grid, goes furthest
        assert 0.25 <= one.prevalence < 0.33, (sex, one.prevalence)
        assert one.operator == (">=" if one.direction == "high" else "<=")
        assert one.at_limit is None
        assert one.n > 3000
    for age in range(20, 90, 10):
        for sex in get_args(Sex):
            band = entry(biomarker, sex, age + 5.0)
            assert (band.age_low, band.n >= 100) == (age, True)
            most = 0.5 if biomarker == "creatinine" else 0.35
            assert 0.25 <= (band.prevalence or 0) < most, (age, sex)


def test_the_unit_of_every_cut_is_that_of_its_biomarker() -> None:
    for one in SHIPPED.entries:
        kind = biomarker_kind(one.biomarker)
        assert one.unit == kind.unit
        assert one.cut is not None
        assert kind.plausible_low < one.cut < kind.plausible_high
    assert entry("trig", "M").cut == pytest.approx(182 / 88.54, rel=0.01)
    assert entry("pulse_pressure", "F").cut == 61
    assert entry("hba1c", "F").cut == 5.7
    assert not {"insulin", "glucose_fasting", "hr_rest"} & set(SHIPPED.biomarkers)


def test_crp_is_strict_because_its_cut_is_the_detection_limit() -> None:
    men = entry("hs_crp", "M")
    assert (men.operator, men.cut) == (">", 2.1)
    assert men.at_limit == pytest.approx(0.762, abs=0.001)
    assert men.prevalence == pytest.approx(1 - men.at_limit, abs=1e-9)
    young = entry("hs_crp", "M", 25.0)
    assert young.prevalence == pytest.approx(0.136, abs=0.001)
    for one in SHIPPED.entries:
        if one.biomarker == "hs_crp":
            assert one.at_limit is not None
            assert 0.5 < one.at_limit < 0.9
            assert one.mean is not None and one.mean < np.log(3)


def test_two_thirds_of_crp_tie_on_the_limit_and_an_inclusive_cut_flags_all_men(
    recordings: Callable[[str], Path],
) -> None:
    people = tool.read_people(recordings("nhanes3").parent)
    every = tool.pd.read_csv(recordings("nhanes3") / "nhanes3.csv.gz").crp.dropna()
    assert (int((every == 0.21).sum()), len(every)) == (10389, 15807)
    men = tool.values_of(people[people.gender == 1], "hs_crp").dropna()
    rows = tuple(Biomarker(str(i), "hs_crp", v, "mg/L") for i, v in men.items())
    persons = {str(i): Person(str(i), "M") for i in men.index}
    for comparison, share in (("inclusive", 1.0), ("strict", 0.238)):
        found = fit_reference(BiomarkerTable(rows, persons), name="x", by_sex=False, operators=comparison).entries[0]
        assert found.prevalence == pytest.approx(share, abs=0.001)


def test_pulse_is_the_difference_of_the_pressures(recordings: Callable[[str], Path]) -> None:
    people = tool.read_people(recordings("nhanes3").parent)
    apart = (people.sbp - people.dbp - people.pulse).dropna()
    assert len(apart) > 16_000
    assert float(apart.abs().max()) == 0


def test_the_young_and_healthy_are_inside_all_clinical_ranges(recordings: Callable[[str], Path]) -> None:
    people = tool.read_people(recordings("nhanes3").parent)
    chosen = {sex: tool.young_and_healthy(people, sex) for sex in get_args(Sex)}
    assert {sex: len(found) for sex, found in chosen.items()} == {"F": 314, "M": 215}
    for sex, found in chosen.items():
        assert found.shape[1] == 12
        assert not found.isna().any().any()
        assert found.alp.between(*tool.RANGES["alp"][sex]).all()
        # mg/L: nobody lies below 2, the detection limit is 2.1
        assert found.hs_crp.min() >= 2.1 and found.hs_crp.max() < 20
        assert found.sbp.max() < 120 and found.chol_total.max() < 200


def test_the_guide_shows_the_cuts_of_the_shipped_reference() -> None:
    assert tool.cut_table(SHIPPED) in (DOCS / "norms.md").read_text(encoding="utf-8")
    assert any("survey weights" in note for note in SHIPPED.notes)
    assert any("left out: dbp 1, chol_hdl_ratio 1, uric_acid 1" in note for note in SHIPPED.notes)
