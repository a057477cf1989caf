"""FHIR and HL7: codes, units, specimens and times are read; identifiers are not; contradictions are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import AllostatError, InputError, UnitError
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.laboratory import write_fhir_export, write_hl7_export
from allostat.source import Source
from allostat.tables import read_blood_pressure, read_labs
from allostat_devices.lab_messages import ADAPTER

HL7_HEAD = "MSH|^~\\&|LAB|S|A|S|20240304||ORU^R01|1|P|2.5\rPID|1||sub-001||CANARY^N||19700101|F\r"


def observation(**changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "30522-7", "display": "CRP high sensitivity"}]},
        "subject": {"reference": "Patient/sub-001", "display": "CANARY-NAME"},
        "performer": [{"display": "CANARY-DOCTOR"}],
        "note": [{"text": "CANARY-NOTE"}],
        "identifier": [{"value": "CANARY-ACCESSION"}],
        "effectiveDateTime": "2024-03-04T08:10:00+01:00",
        "valueQuantity": {"value": 2.8, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"},
    } | changed


def fhir(tmp_path: Path, *resources: dict[str, Any]) -> Path:
    path = tmp_path / "labs.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}))
    return path


def hl7(tmp_path: Path, *segments: str) -> Path:
    path = tmp_path / "labs.hl7"
    path.write_text(HL7_HEAD + "\r".join(segments) + "\r", newline="")
    return path


def coded(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": display}]}


@pytest.mark.parametrize("write", [write_fhir_export, write_hl7_export])
def test_what_was_written_is_what_is_read(write: Any, tmp_path: Path) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 1), datetime(2024, 3, 4, 20, 0), 30, "Europe/Vienna")  # noqa: DTZ001
    (recording,) = ADAPTER.read(Source(write(worn, tmp_path)), ReadOptions(participant="P9"))
    truth = worn.laboratory()
    assert len(recording.labs) == len(truth)
    for row, true in zip(recording.labs, truth, strict=True):
        assert (row.participant, row.analyte, row.specimen) == ("P9", true.analyte, true.specimen)
        assert row.value == float(true.value.lstrip("<")) and row.operator == ("<" if "<" in true.value else "")
        assert row.collected_at is not None
        assert row.collected_at.time_ns // 1_000_000_000 == int(true.collected_at.timestamp())
        assert row.collected_at.utc_offset_s == 3600
    if write is write_fhir_export:
        pairs = [(float(s.value), float(d.value)) for s, d in zip(*[iter(worn.blood_pressure())] * 2, strict=True)]
        assert [(r.sbp, r.dbp) for r in recording.blood_pressure] == pairs


def test_names_notes_and_numbers_of_the_laboratory_appear_nowhere(tmp_path: Path) -> None:
    source = Source(fhir(tmp_path, observation()))
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert "CANARY" not in repr((recording, ADAPTER.inspect(source)))
    source = Source(
        hl7(tmp_path, "OBR|1|A|CANARY|X|||202403040810", "OBX|1|NM|30522-7^hs^LN||2|mg/L|||||F", "NTE|1||CANARY")
    )
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert recording.labs[0].value == 2.0
    assert "CANARY" not in repr((recording, ADAPTER.inspect(source)))


def test_a_study_reads_the_same_files_as_its_lab_table(tmp_path: Path) -> None:
    other = observation(subject={"reference": "Patient/sub-002"})
    labs = read_labs(fhir(tmp_path, observation(), other))
    assert [(r.participant, r.analyte, r.value, r.unit) for r in labs.rows] == [
        ("sub-001", "hs_crp", 2.8, "mg/L"), ("sub-002", "hs_crp", 2.8, "mg/L"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="several participants"):
        list(ADAPTER.read(Source(tmp_path / "labs.json"), ReadOptions(participant="sub-001")))


def test_newline_delimited_resources_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labs.ndjson"
    path.write_text("\n".join(json.dumps(observation(valueQuantity=v)) for v in (
        {"value": 1.5, "unit": "mg/L"}, {"value": 0.2, "comparator": "<", "unit": "mg/L"},
    )))  # fmt: skip
    rows = read_labs(path).rows
    assert [(r.value, r.operator) for r in rows] == [(1.5, ""), (0.2, "<")]


def test_a_missing_value_keeps_its_reason_and_is_never_zero(tmp_path: Path) -> None:
    absent = observation(dataAbsentReason={"text": "insufficient volume"})
    del absent["valueQuantity"]
    (row,) = read_labs(fhir(tmp_path, absent)).rows
    assert row.value != row.value and "insufficient volume" in row.missing_reason
    (row,) = read_labs(hl7(tmp_path, "OBX|1|NM|30522-7^hs^LN||haemolysed|mg/L|||||F")).rows
    assert row.value != row.value and row.missing_reason == "haemolysed"
    (row,) = read_labs(hl7(tmp_path, "OBX|1|NM|30522-7^hs^LN||3|mg/L|||||X")).rows
    assert row.value != row.value


@pytest.mark.parametrize(
    ("code", "display", "unit", "error"),
    [
        ("2142-8", "Cortisol in saliva", "nmol/L", UnitError),
        ("14715-7", "Cortisol", "nmol/L", InputError),
        ("14675-3", "Cortisol serum PM", "nmol/L", InputError),
        ("80404-7", "RMSSD", "ms", InputError),
        ("1988-5", "CRP high sensitivity", "mg/L", InputError),
    ],
)
def test_a_code_that_contradicts_its_label_or_unit_is_refused(
    tmp_path: Path, code: str, display: str, unit: str, error: type[AllostatError]
) -> None:
    quantity = {"value": 5.0, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    path = fhir(tmp_path, observation(code=coded(code, display), valueQuantity=quantity))
    try:
        problems = read_labs(path).problems
    except error:
        return
    assert len(problems) == 1 and isinstance(problems[0].error, error)


def test_a_withdrawn_result_is_counted_and_not_read(tmp_path: Path) -> None:
    table = read_labs(fhir(tmp_path, observation(status="entered-in-error"), observation()))
    assert len(table.rows) == 1 and "WITHDRAWN" in {n.code for n in table.notices}
    table = read_labs(hl7(tmp_path, "OBX|1|NM|30522-7^^LN||3|mg/L|||||D"))
    assert not table.rows and "WITHDRAWN" in {n.code for n in table.notices}


def test_a_correction_replaces_the_first_result(tmp_path: Path) -> None:
    first, second = (
        f"OBX|{n}|NM|30522-7^^LN||{value}|mg/L|||||{status}" for n, value, status in ((1, 30, "F"), (2, 3, "C"))
    )
    table = read_labs(hl7(tmp_path, "OBR|1|||P|||202403040810", first, second))
    assert [r.value for r in table.rows] == [3.0] and "CORRECTED" in {n.code for n in table.notices}


def test_hl7_separators_are_those_of_the_message(tmp_path: Path) -> None:
    path = tmp_path / "x.hl7"
    path.write_text(
        "MSH#*~!$#LAB\nPID#1##sub-001\nOBR#1###P###20240304081000+0100\n"
        "SPM#1###SAL*saliva\nOBX#1#NM#51844-9*Cortisol !T! x*LN##12.5#nmol/L#####F\n"
    )
    (row,) = read_labs(path).rows
    assert (row.value, row.specimen, row.unit) == (12.5, "saliva", "nmol/L")
    assert row.collected_at is not None and row.collected_at.utc_offset_s == 3600


def test_a_value_with_comparator_and_a_local_first_code(tmp_path: Path) -> None:
    (row,) = read_labs(hl7(tmp_path, "OBX|1|SN|CRP^CRP^L^30522-7^hs-CRP^LN||<^0.2|mg/L|||||F")).rows
    assert (row.analyte, row.value, row.operator) == ("hs_crp", 0.2, "<")


def test_cuff_readings_in_messages_are_pairs(tmp_path: Path) -> None:
    def part(code: str, value: float, unit: str = "mm[Hg]") -> dict[str, Any]:
        quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": unit}
        return {"code": coded(code, ""), "valueQuantity": quantity}

    panel = observation(code=coded("85354-9", "BP panel"), component=[part("8462-4", 81), part("8480-6", 122)])
    del panel["valueQuantity"]
    (reading,) = read_blood_pressure(fhir(tmp_path, panel)).readings
    assert (reading.sbp, reading.dbp) == (122.0, 81.0)
    panel["component"] = [part("8462-4", 11, "kPa"), part("8480-6", 16, "kPa")]
    with pytest.raises(InputError, match="unit of sbp"):
        read_blood_pressure(fhir(tmp_path, panel))
    path = hl7(
        tmp_path,
        "OBR|1|||BP|||202403040810",
        "OBX|1|NM|8480-6^^LN||122|mm[Hg]|||||F",
        "OBX|2|NM|8462-4^^LN||81|mm[Hg]|||||F",
    )
    (reading,) = read_blood_pressure(path).readings
    assert (reading.sbp, reading.dbp) == (122.0, 81.0)
    assert not read_labs(path).rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"resourceType": "Bund',
        '{"resourceType": "Patient"',
        "[" * 5000 + '"resourceType"',
        "MSH|^",
        "MSH||||||",
    ],
)
def test_damaged_messages_are_input_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError):
        list(ADAPTER.read(Source(tmp_path / "x.json"), ReadOptions(participant="a")))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), at=st.integers(0, 2999), byte=st.integers(0, 255), kind=st.booleans())
def test_cut_and_changed_files_give_rows_or_an_allostat_error(
    tmp_path: Path, cut: int, at: int, byte: int, kind: bool
) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 1), datetime(2024, 3, 4, 20, 0), 0.05, "Europe/Vienna")  # noqa: DTZ001
    path = (write_fhir_export if kind else write_hl7_export)(replace(worn, sleep=()), tmp_path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(bytes(data[: max(cut, len(data) - cut)]))
    try:
        list(ADAPTER.read(Source(path), ReadOptions(participant="a")))
        ADAPTER.inspect(Source(path))
    except AllostatError:
        pass
