"""Units: golden conversions, refusals, round trips."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allostat.errors import UnitError
from allostat.units import conversion_factor, measures, ucum


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
