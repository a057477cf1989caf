"""Units: golden conversions, refusals, round trips."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allostat.biomarkers import biomarker_kinds
from allostat.errors import UnitError
from allostat.units import conversion_factor, converted, converted_error, measures, ucum


def test_cortisol_conversions_are_the_golden_ones(golden: dict[str, Any]) -> None:
    expected = golden["units"]
    assert conversion_factor("ug/dL", "nmol/L", analyte="cortisol") == pytest.approx(
        expected["nmolL_per_ugdL"], rel=1e-8
    )
    assert conversion_factor("nmol/L", "ug/dL", analyte="cortisol") == pytest.approx(
        expected["ugdL_per_nmolL"], rel=1e-9
    )
    assert conversion_factor("nmol/L", "ng/mL", analyte="cortisol") == pytest.approx(
        expected["ngmL_per_nmolL"], rel=1e-9
    )


def test_crp_in_mg_per_dl_is_ten_times_mg_per_l() -> None:
    assert conversion_factor("mg/dL", "mg/L") == pytest.approx(10.0)
    assert conversion_factor("ug/mL", "mg/L") == pytest.approx(1.0)


def test_crp_in_moles_is_refused() -> None:
    with pytest.raises(UnitError, match="cannot be expressed"):
        conversion_factor("nmol/L", "mg/L", analyte="hs_crp")


def test_hdl_in_mmol() -> None:
    assert conversion_factor("mg/dL", "mmol/L", analyte="hdl") == pytest.approx(0.02586, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "code"), [("µg/dL", "ug/dL"), ("μg/dl", "ug/dL"), ("mmHg", "mm[Hg]"), (" NMOL/L ", "nmol/L")]
)
def test_spellings(text: str, code: str) -> None:
    assert ucum(text) == code


@pytest.mark.parametrize(("text", "says"), [("", "unit is missing"), ("nmol", "unknown unit")])
def test_no_unit_is_ever_guessed(text: str, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        ucum(text, where="labs.tsv, line 3")


@given(
    st.sampled_from(["nmol/L", "ug/dL", "ng/mL", "mg/L", "umol/L", "pg/mL"]),
    st.sampled_from(["nmol/L", "ug/dL", "ng/mL", "mg/L", "umol/L", "pg/mL"]),
)
def test_there_and_back_is_one(unit: str, to: str) -> None:
    there, back = (conversion_factor(a, b, analyte="cortisol") for a, b in ((unit, to), (to, unit)))
    assert there * back == pytest.approx(1.0, rel=1e-12)


def test_mass_and_amount() -> None:
    assert (measures("ug/dL"), measures("nmol/L"), measures("ms")) == ("mass", "amount", "")


def test_hba1c_follows_the_master_equation_both_ways() -> None:
    assert converted(48.0, "mmol/mol", "%", analyte="hba1c") == pytest.approx(6.54, abs=0.005)
    assert converted(6.5, "%", "mmol/mol", analyte="hba1c") == pytest.approx(47.5, abs=0.05)
    assert converted_error(10.0, "mmol/mol", "%", analyte="hba1c") == pytest.approx(0.9148)
    with pytest.raises(UnitError, match="cannot be expressed"):
        conversion_factor("mmol/mol", "%", analyte="hba1c")
    with pytest.raises(UnitError, match="cannot be expressed"):
        conversion_factor("1", "%", analyte="hba1c")


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "to", "expected"),
    [
        ("glucose_fasting", 100.0, "mg/dL", "mmol/L", 5.55),
        ("trig", 150.0, "mg/dL", "mmol/L", 1.694),
        ("chol_total", 200.0, "mg/dL", "mmol/L", 5.17),
        ("creatinine", 1.0, "mg/dL", "umol/L", 88.4),
        ("uric_acid", 6.0, "mg/dL", "umol/L", 356.9),
        ("bun", 5.0, "mmol/L", "mg/dL", 14.0),
        ("urea", 30.0, "mg/dL", "mmol/L", 5.0),
        ("dheas", 100.0, "ug/dL", "umol/L", 2.714),
        ("insulin", 10.0, "u[IU]/mL", "pmol/L", 60.0),
        ("insulin", 10.0, "m[IU]/L", "u[IU]/mL", 10.0),
        ("alp", 1.0, "ukat/L", "U/L", 60.0),
        ("sbp", 16.0, "kPa", "mm[Hg]", 120.01),
        ("wbc", 5000.0, "/uL", "10*9/L", 5.0),
        ("wbc", 5.0, "10*3/uL", "10*9/L", 5.0),
        ("lymphocytes", 0.3, "1", "%", 30.0),
        ("fibrinogen", 3.5, "g/L", "mg/dL", 350.0),
        ("cortisol_hair", 10.0, "pg/mg", "pmol/mg", 0.02759),
        ("cortisol_urine", 20.0, "ug/g{creat}", "nmol/mmol{creat}", 6.242),
        ("peak_flow", 8.0, "L/s", "L/min", 480.0),
        ("height", 70.0, "[in_i]", "cm", 177.8),
        ("weight", 150.0, "[lb_av]", "kg", 68.04),
    ],
)  # fmt: skip
def test_laboratory_conversions(analyte: str, value: float, unit: str, to: str, expected: float) -> None:
    assert converted(value, unit, to, analyte=analyte) == pytest.approx(expected, rel=1e-3)


@given(st.sampled_from(sorted(biomarker_kinds())), st.floats(0.01, 1000.0), st.data())
def test_every_unit_of_a_biomarker_converts_there_and_back(name: str, value: float, data: st.DataObject) -> None:
    kind = biomarker_kinds()[name]
    unit = data.draw(st.sampled_from((kind.unit, *kind.other_units)))
    there = converted(value, kind.unit, unit, analyte=name)
    assert converted(there, unit, kind.unit, analyte=name) == pytest.approx(value, rel=1e-12, abs=1e-12)
    assert converted_error(
        converted_error(value, kind.unit, unit, analyte=name), unit, kind.unit, analyte=name
    ) == pytest.approx(value, rel=1e-12)


def test_nan_stays_nan() -> None:
    assert converted(math.nan, "mg/dL", "mg/L") != converted(math.nan, "mg/dL", "mg/L")
