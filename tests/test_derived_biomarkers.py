"""Biomarkers computed from others: values, errors, provenance, and when they are not computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allostat.biomarkers import Biomarker, BiomarkerTable, biomarker_kind, biomarker_kinds
from allostat.derived_biomarkers import FORMULAS, with_derived
from allostat.errors import InputError, UnitError
from allostat.labs import blood_pressure
from allostat.medication_rules import apply_medication_rules
from allostat.tables import BloodPressureReading

INPUTS = {
    "sbp": 120.0, "dbp": 80.0, "chol_total": 200.0, "hdl": 50.0, "weight": 72.0, "height": 180.0, "waist": 90.0,
    "hip": 100.0, "glucose_fasting": 5.0, "insulin": 9.0, "sbp_asleep": 108.0, "sbp_awake": 120.0,
}  # fmt: skip


def rows(values: dict[str, float], **more: object) -> tuple[Biomarker, ...]:
    return tuple(
        Biomarker("a", name, value, biomarker_kind(name).unit, context=biomarker_kind(name).context, **more)  # type: ignore[arg-type]
        for name, value in values.items()
    )


def test_values_and_provenance() -> None:
    table = with_derived(BiomarkerTable(rows(INPUTS)))
    found = {r.biomarker: r for r in table.rows if "DERIVED" in r.quality}
    assert {name: r.value for name, r in found.items()} == pytest.approx(
        {
            "pulse_pressure": 40.0, "chol_hdl_ratio": 4.0, "bmi": 72 / 1.8**2, "whr": 0.9, "whtr": 0.5, "homa_ir": 2.0,
            "sbp_dip": 0.1,
        }
    )  # fmt: skip
    assert found["bmi"].provenance == "weight / height^2, kg and m: weight 72 kg, height 180 cm"


def test_every_formula_in_words_has_one_in_code() -> None:
    assert {k.name for k in biomarker_kinds().values() if k.formula} == set(FORMULAS)


def test_what_is_measured_is_not_derived_and_what_lacks_an_input_neither() -> None:
    table = with_derived(BiomarkerTable(rows({"weight": 72.0, "height": 180.0, "bmi": 23.0, "sbp": 120.0})))
    assert [r.biomarker for r in table.rows] == ["weight", "height", "bmi", "sbp"]


def test_a_missing_input_gives_no_row() -> None:
    table = with_derived(BiomarkerTable(rows({"sbp": 120.0, "dbp": math.nan})))
    assert table.get("a", "pulse_pressure") is None


def test_quality_of_the_inputs_travels_along() -> None:
    table = with_derived(BiomarkerTable(rows({"glucose_fasting": 5.0, "insulin": 0.5}, quality=("BELOW_LOD",))))
    assert table.get("a", "homa_ir").quality == ("DERIVED", "BELOW_LOD")  # type: ignore[union-attr]


def test_errors_agree_with_simulation() -> None:
    errors = {"chol_total": 10.0, "hdl": 2.0, "glucose_fasting": 0.05, "insulin": 0.1}
    inputs = tuple(
        Biomarker("a", n, INPUTS[n], biomarker_kind(n).unit, standard_error=se, n=3) for n, se in errors.items()
    )
    table = with_derived(BiomarkerTable(inputs))
    rng = np.random.default_rng(1)
    x = {
        n: rng.normal(INPUTS[n], se, 40_000)
        if biomarker_kind(n).transform == "identity"
        else INPUTS[n] * np.exp(rng.normal(0, se, 40_000))
        for n, se in errors.items()
    }
    ratio, homa = table.get("a", "chol_hdl_ratio"), table.get("a", "homa_ir")
    assert ratio is not None
    assert homa is not None
    assert ratio.standard_error == pytest.approx(np.std(x["chol_total"] / x["hdl"]), rel=0.03)
    assert homa.standard_error == pytest.approx(math.hypot(0.05, 0.1), rel=1e-6)


def test_an_unknown_error_stays_unknown() -> None:
    table = with_derived(BiomarkerTable(rows({"weight": 72.0, "height": 180.0})))
    assert math.isnan(table.get("a", "bmi").standard_error)  # type: ignore[union-attr]


def test_pulse_pressure_has_the_error_of_its_readings_not_of_independent_pressures() -> None:
    readings = [BloodPressureReading("a", s, d) for s, d in ((150, 95), (120, 80), (130, 90), (125, 85))]
    table = with_derived(BiomarkerTable(tuple(blood_pressure(readings))))
    row = table.get("a", "pulse_pressure")
    assert row is not None
    assert (row.value, row.standard_error, row.repeats) == (40.0, 0.0, (40.0, 40.0, 40.0))


def test_an_input_in_a_wrong_unit_shows_in_what_is_derived() -> None:
    with pytest.raises(UnitError, match="UNIT_SUSPECT"):
        with_derived(BiomarkerTable(rows({"weight": 350.0, "height": 90.0})))


def test_rules_come_after_deriving() -> None:
    with pytest.raises(InputError, match="before rules"):
        with_derived(apply_medication_rules(BiomarkerTable(rows(INPUTS))))
