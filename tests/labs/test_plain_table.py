"""Plain tables without recordings: biomarkers in either form, or laboratory rows; bad input is refused or missing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from allostat.errors import InputError, UnitError
from allostat.labs.plain_table import read_plain_table
from allostat.medication_rules import MedicationRules
from allostat.study.output_tables import long_rows, write_tsv

WIDE = (
    "participant_id\tsex\tmedications\tsmoker\tsbp[mmHg]\tdbp[mmHg]\tchol_total[mg/dL]\thdl[mmol/L]\ths_crp[mg/dL]\t"
    "standard_error[sbp]\tstandard_error[hs_crp]\n"
    "a\tF\tramipril\tno\t120\t80\t200\t1.3\t<0.02\t2\t0.3\n"
    "b\tM\t\tyes\t130\t85\t210\t1.1\t1.4\t\t\n"
)
LABS = (
    "participant_id\tsex\tage\tanalyte\tvalue\tunit\tspecimen\tcollected_at\tlod\tassay\n"
    "a\tF\t40\ths_crp\tND\tmg/L\tserum\t2024-03-01T08:00\t0.2\tX\n"
    "a\tF\t40\thba1c\t48\tmmol/mol\tblood\t2024-03-01T08:00\t\t\n"
    "b\tM\t50\ths_crp\t1.2\tmg/L\tserum\t2024-03-01T08:00\t\tY\n"
    "c\tM\t60\thdl\t1.2\tmg/dL\tserum\t2024-03-01T08:00\t\t\n"
)


def write(folder: Path, text: str, name: str = "table.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_wide_table_with_errors_limits_rules_and_derived_biomarkers(tmp_path: Path) -> None:
    table = read_plain_table(write(tmp_path, WIDE)).biomarkers
    sbp, crp, ratio = (table.get("a", name) for name in ("sbp", "hs_crp", "chol_hdl_ratio"))
    assert sbp is not None
    assert crp is not None
    assert ratio is not None
    assert (sbp.value, sbp.measured, sbp.standard_error) == (130.0, 120.0, 2.0)
    assert (crp.value, crp.standard_error, crp.quality) == (pytest.approx(0.2 / math.sqrt(2)), 0.3, ("BELOW_LOD",))
    assert "reported <0.02 mg/dL" in crp.provenance
    assert ratio.value == pytest.approx(3.98, abs=0.01)
    acute = table.get("b", "hs_crp")
    assert acute is not None
    assert (acute.missing, acute.measured, acute.quality) == (True, pytest.approx(14.0), ("CRP_ACUTE",))
    assert table.persons["b"].smoker is True
    assert table.rules["antihypertensive"] == "adjust"


def test_rules_can_be_chosen(tmp_path: Path) -> None:
    found = read_plain_table(
        write(tmp_path, WIDE), medication=MedicationRules(antihypertensive="none"), acute="winsorise"
    ).biomarkers
    assert found.get("a", "sbp").value == 120.0  # type: ignore[union-attr]
    assert found.get("b", "hs_crp").value == 10.0  # type: ignore[union-attr]


def test_what_a_study_wrote_reads_back_and_is_not_adjusted_twice(tmp_path: Path) -> None:
    first = read_plain_table(write(tmp_path, WIDE)).biomarkers
    columns, rows = long_rows(first)
    write_tsv(tmp_path / "biomarkers_long.tsv", columns, rows)
    people = write(tmp_path, "participant_id\tsex\tmedications\na\tF\tramipril\nb\tM\t\n", "participants.tsv")
    again = read_plain_table(tmp_path / "biomarkers_long.tsv", participants=people).biomarkers
    for row in first.rows:
        other = again.get(row.participant, row.biomarker)
        assert other is not None
        assert other.value == pytest.approx(row.value, nan_ok=True)
        assert other.measured == pytest.approx(row.measured, nan_ok=True)
        assert set(other.quality) == set(row.quality)


def test_laboratory_rows_without_any_wearable(tmp_path: Path) -> None:
    plain = read_plain_table(write(tmp_path, LABS, "labs.tsv"))
    table = plain.biomarkers
    assert table.get("a", "hs_crp").value == pytest.approx(0.2 / math.sqrt(2))  # type: ignore[union-attr]
    assert table.get("a", "hba1c").value == pytest.approx(6.54, abs=0.01)  # type: ignore[union-attr]
    assert (table.persons["a"].sex, table.persons["b"].age_years) == ("F", 50.0)
    codes = [n.code for n in plain.notices]
    assert "SEVERAL_ASSAYS" in codes
    assert "EXTRA_COLUMNS" not in codes
    assert plain.problems is not None
    assert "UNIT_SUSPECT" in plain.problems["c"][0]
    assert "c" not in table.persons


def test_participants_overrule_the_table(tmp_path: Path) -> None:
    people = write(tmp_path, "participant_id\tsex\tage\na\tF\t41\n", "participants.tsv")
    found = read_plain_table(write(tmp_path, LABS, "labs.tsv"), participants=people).biomarkers
    assert (found.persons["a"].age_years, found.persons["b"].age_years) == (41.0, 50.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("participant_id\tchol_total[mg/dL]\na\t5.2\n", "line 2, column chol_total.*UNIT_SUSPECT.*as mmol/L"),
        ("participant_id\tsbp[mmHg]\na\t1200\n", "UNIT_SUSPECT"),
        ("participant_id\tsbp[mmHg]\na\t0\n", "UNIT_SUSPECT"),
        ("participant_id\tcholesterl[mg/dL]\na\t200\n", "unknown biomarker"),
        ("participant_id\thba1c[mmol/L]\na\t40\n", "cannot be expressed"),
        ("participant_id\ths_crp[nmol/L]\na\t10\n", "cannot be expressed"),
        ("participant_id\thdl[mg]\na\t40\n", "unknown unit"),
        ("participant_id\thdl[mg/dL]\thdl_cholesterol[mmol/L]\na\t40\t1\n", "two columns of one biomarker"),
        ("participant_id\thdl[mg/dL]\tstandard_error[ldl]\na\t40\t1\n", "that has no column"),
        ("participant_id\thdl[mg/dL]\tstandard_error[hdl]\na\t40\t-1\n", "not negative"),
        ("participant_id\tsmoker\thdl[mg/dL]\na\tsometimes\t40\n", "neither yes nor no"),
        (
            "participant_id\tanalyte\tvalue\tunit\na\thdl\t1.2\tmg/dL\n",
            "nothing in the table can be used.*UNIT_SUSPECT",
        ),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_plain_table(write(tmp_path, text))


def test_an_implausible_value_can_be_taken_as_missing_and_never_as_zero(tmp_path: Path) -> None:
    text = "participant_id\tsbp[mmHg]\thdl[mg/dL]\na\t1200\t50\n"
    found = read_plain_table(write(tmp_path, text), implausible="missing").biomarkers
    row = found.get("a", "sbp")
    assert row is not None
    assert (row.missing, row.quality) == (True, ("UNIT_SUSPECT",))
    assert "reported 1200" in row.provenance
    with pytest.raises(UnitError):
        read_plain_table(write(tmp_path, text))


def test_mixed_assays_of_one_person_fail_that_person_only(tmp_path: Path) -> None:
    text = (
        "participant_id\tanalyte\tvalue\tunit\tassay\n"
        "a\til6\t1\tpg/mL\tX\na\til6\t2\tpg/mL\tY\nb\til6\t2\tpg/mL\tY\n"
    )  # fmt: skip
    plain = read_plain_table(write(tmp_path, text))
    assert plain.problems is not None
    assert "several assays" in plain.problems["a"][0]
    assert [r.participant for r in plain.biomarkers.rows] == ["b"]


def test_medians_of_a_real_survey_are_plausible(recordings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import pandas as pd

    frame = pd.read_csv(recordings("nhanes3") / "nhanes3.csv.gz").head(1000)
    columns = {
        "sbp": "sbp[mmHg]", "dbp": "dbp[mmHg]", "crp": "hs_crp[mg/dL]", "hdl": "hdl[mg/dL]",
        "totchol": "chol_total[mg/dL]", "albumin": "albumin[g/dL]",
    }  # fmt: skip
    wide = frame[list(columns)].rename(columns=columns)
    wide.insert(0, "participant_id", [f"p{i}" for i in range(len(wide))])
    wide.to_csv(tmp_path / "survey.tsv", sep="\t", index=False, na_rep="n/a")
    found = read_plain_table(tmp_path / "survey.tsv", implausible="missing").biomarkers
    crp = [r for r in found.rows if r.biomarker == "hs_crp"]
    assert sum(r.measured == pytest.approx(2.1) for r in crp) > 0.5 * len(crp)
    assert all(r.value <= 10 for r in crp if not r.missing)
    assert all("DERIVED" in r.quality for r in found.rows if r.biomarker in ("pulse_pressure", "chol_hdl_ratio"))
