"""Blood pressure: means, first reading, pulse, readings from laboratory rows."""

from __future__ import annotations

import math

import pytest

from allostat.errors import InputError
from allostat.labs import blood_pressure, readings_from_labs, resting_pulse
from allostat.medications import taken
from allostat.tables import BloodPressureReading, LabRow, parse_instant


def readings(*pairs: tuple[float, float]) -> list[BloodPressureReading]:
    return [
        BloodPressureReading("s1", s, d, measured_at=parse_instant(f"2024-03-01T08:{i:02d}"))
        for i, (s, d) in enumerate(pairs)
    ]


def test_first_of_three_readings_is_dropped() -> None:
    sbp, dbp = blood_pressure(readings((150, 95), (120, 80), (124, 82)))
    assert (sbp.value, dbp.value) == (122, 81)
    assert (sbp.n, sbp.standard_error) == (2, pytest.approx(2.0))


def test_first_in_time_not_in_the_file_is_dropped() -> None:
    sbp, _ = blood_pressure(readings((150, 95), (120, 80), (124, 82))[::-1])
    assert sbp.value == 122


def test_two_readings_both_count() -> None:
    assert blood_pressure(readings((120, 80), (130, 84)))[0].value == 125


def test_single_reading_is_flagged_and_has_no_error() -> None:
    sbp, dbp = blood_pressure(readings((120, 80)))
    assert sbp.quality == dbp.quality == ("SINGLE_READING",)
    assert math.isnan(sbp.standard_error)


def test_readings_that_count_are_kept_in_order_of_time() -> None:
    sbp, dbp = blood_pressure(readings((150, 95), (120, 80), (124, 82)))
    assert (sbp.repeats, dbp.repeats) == ((120.0, 124.0), (80.0, 82.0))


def test_pulse_of_the_same_readings() -> None:
    found = [BloodPressureReading("s1", 120, 80, pulse) for pulse in (90.0, 60.0, math.nan, 64.0)]
    row = resting_pulse(found)
    assert row is not None
    assert (row.value, row.n, row.context) == (62.0, 2, "cuff")
    assert resting_pulse(found[2:3]) is None


def test_a_pulse_that_no_heart_has_is_left_out_not_averaged() -> None:
    row = resting_pulse([BloodPressureReading("s1", 120, 80, 0.0), BloodPressureReading("s1", 120, 80, 60.0)])
    assert row is not None
    assert (row.value, row.quality) == (60.0, ("PULSE_FAILED", "SINGLE_READING"))


def test_ambulatory_readings_are_refused_as_resting() -> None:
    with pytest.raises(InputError, match="not a resting reading"):
        blood_pressure([BloodPressureReading("s1", 120, 80, setting="ambulatory")])


@pytest.mark.parametrize(
    "drug", ["ramipril", "Losartan 50mg", "metoprolol", "amlodipine", "C09AA05", "beta-blocker", "diuretics"]
)
def test_antihypertensives_are_recognised(drug: str) -> None:
    assert taken((drug,), "antihypertensive") == (drug,)


def test_kilopascals_are_converted() -> None:
    (found,) = readings_from_labs([lab("sbp", 16.0, 0, "kPa"), lab("dbp", 10.0, 0, "kPa")])
    assert (found.sbp, found.dbp) == (pytest.approx(120.0, abs=0.1), pytest.approx(75.0, abs=0.1))


@pytest.mark.parametrize("drug", ["atorvastatin 20 mg", "C10AA05", "statins"])
def test_statins_are_recognised(drug: str) -> None:
    assert taken((drug,), "statin") == (drug,)


@pytest.mark.parametrize("drug", ["ibuprofen", "N02BE01", "vitamin C", "sertraline"])
def test_other_drugs_are_not(drug: str) -> None:
    assert taken((drug,), "antihypertensive") == ()


@pytest.mark.parametrize(("sbp", "dbp"), [(80, 120), (100, 100)])
def test_systolic_not_above_diastolic_is_refused(sbp: float, dbp: float) -> None:
    with pytest.raises(InputError, match="not above diastolic"):
        BloodPressureReading("s1", sbp, dbp)


def lab(analyte: str, value: float, minute: int, unit: str = "mm[Hg]") -> LabRow:
    return LabRow("s1", analyte, value, unit, collected_at=parse_instant(f"2024-03-01T08:{minute:02d}"))


def test_laboratory_rows_pair_by_their_time() -> None:
    found = readings_from_labs([lab("sbp", 120, 0), lab("sbp", 124, 5), lab("dbp", 80, 0), lab("dbp", 82, 5)])
    assert [(r.sbp, r.dbp) for r in found] == [(120, 80), (124, 82)]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([lab("sbp", 120, 0)], "without its other half"),
        ([lab("sbp", 120, 0), lab("sbp", 121, 0), lab("dbp", 80, 0)], "two values"),
        ([lab("sbp", 16, 0, "%"), lab("dbp", 10, 0, "%")], "cannot be expressed in mm"),
    ],
)
def test_what_does_not_pair_is_refused(rows: list[LabRow], says: str) -> None:
    with pytest.raises(InputError, match=says):
        readings_from_labs(rows)
