"""Further analytes: limits of detection, several draws, one assay, one specimen, units."""

from __future__ import annotations

import math
from typing import Any

import pytest

from allostat.biomarkers import Person
from allostat.errors import InputError, UnitError
from allostat.labs import further_analyte, lab_biomarkers
from allostat.labs.draws import AboveRule, LodRule
from allostat.tables import LabRow, parse_instant


def draw(analyte: str, value: float, unit: str, **more: Any) -> LabRow:
    return LabRow("s1", analyte, value, unit, **more)


def test_ln_biomarkers_average_geometrically_with_the_error_of_the_logarithm() -> None:
    row = further_analyte([draw("il6", 1.0, "pg/mL"), draw("il6", 4.0, "pg/mL")])
    assert (row.value, row.standard_error) == (pytest.approx(2.0), pytest.approx(math.log(2.0)))
    assert row.provenance.startswith("geometric mean of 2 of 2 draws")


def test_others_average_arithmetically() -> None:
    row = further_analyte([draw("hdl", 50.0, "mg/dL"), draw("hdl", 60.0, "mg/dL")])
    assert (row.value, row.standard_error, row.repeats) == (55.0, pytest.approx(5.0), (50.0, 60.0))


@pytest.mark.parametrize(("lod", "value"), [("sqrt2", 0.2 / math.sqrt(2)), ("half", 0.1), ("missing", math.nan)])
def test_below_detection(lod: LodRule, value: float) -> None:
    row = further_analyte([draw("il6", 0.2, "pg/mL", operator="<")], lod=lod)
    assert row.value == pytest.approx(value, nan_ok=True)
    assert row.quality == ("BELOW_LOD",)
    assert "reported <0.2 pg/mL" in row.provenance


@pytest.mark.parametrize(("above", "value"), [("missing", math.nan), ("limit", 300.0)])
def test_above_the_range_of_the_assay(above: AboveRule, value: float) -> None:
    row = further_analyte([draw("il6", 300.0, "pg/mL", operator=">")], above=above)
    assert row.value == pytest.approx(value, nan_ok=True)
    assert row.quality == ("ABOVE_ASSAY_RANGE",)
    assert "reported >300 pg/mL" in row.provenance


def test_a_missing_draw_leaves_its_reason_and_counts_in_the_coverage() -> None:
    row = further_analyte([draw("hdl", math.nan, "", missing_reason="haemolysed"), draw("hdl", 50.0, "mg/dL")])
    assert (row.value, row.n, row.coverage, row.quality) == (50.0, 1, 0.5, ("VALUE_MISSING",))


def test_assays_and_specimens_are_not_mixed() -> None:
    with pytest.raises(InputError, match="il6 of several assays"):
        further_analyte([draw("il6", 1.0, "pg/mL", assay="A"), draw("il6", 2.0, "pg/mL", assay="B")])
    with pytest.raises(InputError, match="il6 of several specimens"):
        further_analyte([draw("il6", 1.0, "pg/mL", specimen="serum"), draw("il6", 2.0, "pg/mL", specimen="plasma")])
    with pytest.raises(InputError, match="not measured in this specimen"):
        further_analyte([draw("dheas", 5.0, "ug/dL", specimen="saliva")])


def test_one_assay_can_be_chosen() -> None:
    rows = [draw("il6", 1.0, "pg/mL", assay="A"), draw("il6", 2.0, "pg/mL", assay="B")]
    table, _, notices = lab_biomarkers(rows, Person("s1"), assays={"il6": "B"})
    assert table.get("s1", "il6").value == pytest.approx(2.0)  # type: ignore[union-attr]
    assert [n.code for n in notices] == ["OTHER_ASSAY_UNUSED"]


def test_the_declared_unit_is_named_when_its_value_is_implausible() -> None:
    with pytest.raises(UnitError, match=r"found '5.2 mg/dL'.*as mmol/L it would be plausible"):
        further_analyte([draw("chol_total", 5.2, "mg/dL")])
    with pytest.raises(UnitError, match=r"found '200 mmol/L'.*as mg/dL it would be plausible"):
        further_analyte([draw("chol_total", 200.0, "mmol/L")])


def test_a_unit_of_something_else_is_refused() -> None:
    with pytest.raises(UnitError, match="cannot be expressed"):
        further_analyte([draw("hba1c", 40.0, "mg/dL")])


def test_urea_becomes_urea_nitrogen() -> None:
    table, _, _ = lab_biomarkers([draw("urea", 5.0, "mmol/L", specimen="serum")], Person("s1"))
    assert table.get("s1", "bun").value == pytest.approx(14.0, rel=1e-3)  # type: ignore[union-attr]


def test_hba1c_in_ifcc_units() -> None:
    assert further_analyte([draw("hba1c", 48.0, "mmol/mol")]).value == pytest.approx(6.54, abs=0.01)


def cortisol(value: float, unit: str, specimen: str, hour: int = 8) -> LabRow:
    return draw("cortisol", value, unit, specimen=specimen, collected_at=parse_instant(f"2024-03-01T{hour:02d}:00"))


def test_cortisol_of_hair_and_urine_are_biomarkers_of_their_own() -> None:
    rows = [cortisol(12.0, "pg/mg", "hair"), cortisol(20.0, "ug/g{creat}", "urine")]
    table, _, notices = lab_biomarkers(rows, Person("s1"))
    assert {r.biomarker: r.value for r in table.rows} == pytest.approx({"cortisol_hair": 12.0, "cortisol_urine": 20.0})
    assert notices == ()


def test_urine_without_creatinine_is_not_used_and_a_notice_says_so() -> None:
    table, _, notices = lab_biomarkers([cortisol(20.0, "ug/L", "urine")], Person("s1"))
    assert table.rows == ()
    assert [n.code for n in notices] == ["CORTISOL_SPECIMEN_UNUSED"]


def test_morning_serum_beside_saliva_is_a_biomarker_of_its_own() -> None:
    saliva = [cortisol(v, "nmol/L", "saliva", h) for h, v in ((7, 14.0), (12, 6.0), (22, 2.0))]
    table, _, _ = lab_biomarkers([*saliva, cortisol(400.0, "nmol/L", "serum")], Person("s1"))
    assert table.get("s1", "cortisol_serum").value == pytest.approx(400.0)  # type: ignore[union-attr]
    evening, _, notices = lab_biomarkers([*saliva, cortisol(200.0, "nmol/L", "serum", 18)], Person("s1"))
    assert evening.get("s1", "cortisol_serum") is None
    assert "CORTISOL_SPECIMEN_UNUSED" in {n.code for n in notices}


def test_an_analyte_in_a_strange_specimen_is_left_out_with_a_notice() -> None:
    rows = [draw("dheas", 5.0, "ng/mL", specimen="saliva"), draw("dheas", 150.0, "ug/dL", specimen="serum")]
    table, _, notices = lab_biomarkers(rows, Person("s1"))
    assert table.get("s1", "dheas").value == pytest.approx(150.0)  # type: ignore[union-attr]
    assert "SPECIMEN_UNUSED" in {n.code for n in notices}


def test_derived_biomarkers_come_with_the_laboratory_rows() -> None:
    rows = [
        draw("weight", 72.0, "kg"), draw("height", 1.8, "m"), draw("chol_total", 200.0, "mg/dL"),
        draw("hdl", 1.293, "mmol/L"),
    ]  # fmt: skip
    table, dataset, notices = lab_biomarkers(rows, Person("s1"))
    assert table.get("s1", "bmi").value == pytest.approx(22.2, abs=0.1)  # type: ignore[union-attr]
    assert table.get("s1", "chol_hdl_ratio").value == pytest.approx(4.0, abs=0.01)  # type: ignore[union-attr]
    assert {"bmi", "chol_hdl_ratio"} <= set(dataset.data_vars)
    assert notices == ()
