"""All laboratory rows of a participant at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from allostat.biomarker_rows import biomarkers
from allostat.biomarkers import Person
from allostat.errors import InputError
from allostat.labs import lab_biomarkers
from allostat.tables import BloodPressureReading, LabRow, read_diary, read_labs

LABS = """participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at\toperator\tassay
s1\tcortisol\t14\tnmol/L\tsaliva\t2024-03-01T07:02\t\tA
s1\tcortisol\t7\tnmol/L\tsaliva\t2024-03-01T11:00\t\tA
s1\tcortisol\t0.145\tug/dL\tsaliva\t2024-03-01T17:00\t\tA
s1\tcortisol\t<1\tnmol/L\tsaliva\t2024-03-01T22:30\t\tA
s1\ths_crp\t<0.2\tmg/L\tserum\t2024-03-01T08:00\t\t
s1\tsbp\t120\tmmHg\t\t2024-03-01T08:00\t\t
s1\tdbp\t80\tmmHg\t\t2024-03-01T08:00\t\t
s1\thdl\t1.4\tmmol/L\tserum\t2024-03-01T08:00\t\t
s1\tsodium\t140\tmmol/L\tserum\t2024-03-01T08:00\t\t
"""


@pytest.fixture
def rows(tmp_path: Path) -> tuple[LabRow, ...]:
    path = tmp_path / "labs.tsv"
    path.write_text(LABS)
    return read_labs(path).of("s1")


@pytest.fixture
def wake(tmp_path: Path):  # type: ignore[no-untyped-def]
    path = tmp_path / "diary.tsv"
    path.write_text("participant_id\tdate\twake_time\ns1\t2024-03-01\t07:00\n")
    return read_diary(path).of("s1")


def test_everything_becomes_a_row(rows, wake) -> None:  # type: ignore[no-untyped-def]
    table, dataset, notices = lab_biomarkers(rows, Person("s1", "F"), wake=wake, timezone="Europe/Vienna")
    names = {r.biomarker for r in table.rows}
    levels = {"cortisol_aucg", "cortisol_aucg_day", "cortisol_waking", "cortisol_evening"}
    own = {"cortisol_slope", "cortisol_car", "hs_crp", "sbp", "dbp", "hdl", "pulse_pressure"}
    assert names == own | levels
    assert table.get("s1", "hdl").value == pytest.approx(54.1, abs=0.1)  # type: ignore[union-attr]
    assert {"sbp", "hs_crp", "cortisol_slope", "slope_ln"} <= set(dataset.data_vars)
    assert "MIXED_UNITS" in {n.code for n in notices}


def test_both_sources_of_blood_pressure_join(rows) -> None:  # type: ignore[no-untyped-def]
    more = [BloodPressureReading("s1", 130, 84)]
    table, _, _ = lab_biomarkers(rows, Person("s1", "F"), readings=more)
    assert table.get("s1", "sbp").value == 125  # type: ignore[union-attr]


def test_corticosteroids_exclude_cortisol(rows, wake) -> None:  # type: ignore[no-untyped-def]
    person = Person("s1", "F", medications=("prednisolone",))
    labs, dataset, _ = lab_biomarkers(rows, person, wake=wake)
    row = biomarkers("s1", labs=labs, person=person).get("s1", "cortisol_slope")
    assert row is not None
    assert row.missing
    assert row.quality[0] == "CORTICOSTEROID"
    assert row.measured == labs.get("s1", "cortisol_slope").value  # type: ignore[union-attr]
    assert math.isfinite(float(dataset["slope_ln"][0]))


def test_rows_of_another_participant_are_refused(rows) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="another participant"):
        lab_biomarkers(rows, Person("s2"))


def test_no_rows_give_an_empty_table() -> None:
    table, dataset, notices = lab_biomarkers((), Person("s1"))
    assert (table.rows, len(dataset), notices) == ((), 0, ())


def test_other_occasions_are_left_alone(rows) -> None:  # type: ignore[no-untyped-def]
    table, _, _ = lab_biomarkers(rows, Person("s1"), occasion="followup")
    assert table.rows == ()
