"""Residuals of ln RMSSD for age and sex, and published cut-offs with their contexts."""

from __future__ import annotations

import csv
import math
from importlib import resources

import pytest

from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import InputError
from allostat.norms import NormContextError, adjusted, clinical_cuts, judge, load_norm, with_residuals

WOMAN = Person("s1", "F", 50.0)


def rest(value=30.0, **about):
    return Biomarker("s1", "rmssd_rest", value, "ms", context="rest_5min", provenance="median of 3", **about)


def test_a_residual_is_the_distance_of_the_logarithm_from_the_norm():
    found = adjusted(rest(standard_error=0.08, n=3, coverage=0.9), WOMAN)
    cell = load_norm("voss2015").cell("rmssd_rest", 50.0, "F")
    assert found.biomarker == "rmssd_rest_residual"
    assert found.value == pytest.approx(math.log(30) - cell.mu, rel=1e-12)
    assert (found.unit, found.standard_error, found.n, found.coverage) == ("1", 0.08, 3, 0.9)
    assert found.provenance.startswith("median of 3; residual of ln against norm voss2015")
    assert load_norm("voss2015").sha256[:12] in found.provenance
    assert "women, 45 to 54 years" in found.provenance


@pytest.mark.parametrize(
    "row, person, code",
    [(rest(), Person("s1", None, 50.0), "SEX_MISSING"), (rest(), Person("s1", "F", 80.0), "AGE_OUTSIDE_NORM"),
     (rest(math.nan, quality=("TOO_SHORT",)), WOMAN, "VALUE_MISSING"),
     (rest(quality=("SENSOR_PPG",)), WOMAN, "SENSOR_DIFFERS")],
)  # fmt: skip
def test_what_cannot_be_adjusted_is_missing_with_the_reason(row, person, code):
    found = adjusted(row, person)
    assert found.missing
    assert math.isnan(found.standard_error)
    assert code in found.quality
    assert set(row.quality) <= set(found.quality)


def test_other_contexts_and_measures_are_not_adjusted():
    with pytest.raises(NormContextError, match=r"'night'.*rest_5min"):
        adjusted(Biomarker("s1", "rmssd_night", 30.0, "ms", context="night"), WOMAN)
    with pytest.raises(InputError, match="no adjusted form"):
        adjusted(Biomarker("s1", "hr_rest", 60.0, "/min", context="rest_5min"), WOMAN)


def test_a_table_keeps_its_rows_and_gains_residuals():
    rows = (rest(), Biomarker("s1", "rmssd_night", 30.0, "ms", context="night"), Biomarker("s2", "sbp", 120, "mm[Hg]"))
    table = with_residuals(BiomarkerTable(rows, {"s1": WOMAN}))
    assert [r.biomarker for r in table.rows] == ["rmssd_rest", "rmssd_night", "sbp", "rmssd_rest_residual"]
    assert table.persons == {"s1": WOMAN}


def test_cut_offs_are_those_of_the_table_of_cut_offs():
    text = resources.files("allostat_data").joinpath("cutoffs", "cutoffs.csv").read_text("utf-8")
    listed = {r["biomarker"]: float(r["cutoff"]) for r in csv.DictReader(text.splitlines())}
    first = {c.biomarker: c.cut for c in reversed(clinical_cuts())}
    assert first == {name: listed[name] for name in ("rmssd_night", "rmssd_day", "sdnn_24h")}
    assert {(c.biomarker, c.context) for c in clinical_cuts()} == {
        ("rmssd_night", "night"), ("rmssd_day", "day"), ("sdnn_24h", "24h"),
    }  # fmt: skip


@pytest.mark.parametrize("value, risk, near", [(24.9, True, False), (25, True, True), (28.99, True, True),
                                               (29, False, True), (33, False, True), (33.1, False, False)])  # fmt: skip
def test_the_cut_off_of_the_night_has_a_margin(value, risk, near):
    found = judge(value, "rmssd_night")
    assert (found.high_risk, found.within_margin) == (risk, near)
    assert found.cut.references == ("10.3390/jcm8111940",)


def test_a_cut_off_of_the_day_does_not_judge_a_rest():
    with pytest.raises(InputError, match="no published cut-off"):
        judge(30, "rmssd_rest")
    with pytest.raises(NormContextError, match=r"'rest_5min'.*day"):
        judge(30, "rmssd_day", context="rest_5min")


def test_the_probability_of_high_risk_follows_the_standard_error():
    assert judge(29, "rmssd_night", standard_error=0.1).probability == pytest.approx(0.5)
    assert judge(29 * math.exp(-0.1), "rmssd_night", standard_error=0.1).probability == pytest.approx(
        0.841345, abs=1e-6
    )
    assert math.isnan(judge(29, "rmssd_night").probability)
    missing = judge(math.nan, "rmssd_night")
    assert missing.high_risk is None


def test_a_named_cut_off_can_be_chosen_and_says_when_it_is_a_convention():
    assert judge(70, "sdnn_24h").high_risk
    low = judge(70, "sdnn_24h", name="taskforce1996")
    assert not low.high_risk
    assert not low.cut.verified
    with pytest.raises(InputError, match="no published cut-off"):
        judge(70, "sdnn_24h", name="jarczok2019")
