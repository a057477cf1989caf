"""Omron, omblepy and Spacelabs readings: columns by name, missing stays missing, failed readings are never used."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.biomarkers import Person
from allostat.errors import AllostatError, InputError
from allostat.labs import lab_biomarkers
from allostat.recording import Recording
from allostat.simulate import Worn, simulate_participant, simulate_worn
from allostat.simulate.exports.cuffs import write_omblepy_export, write_omron_export, write_spacelabs_export
from allostat.source import Source
from allostat.tables import BloodPressureReading
from allostat_devices.cuff_readings import ADAPTER as CUFFS
from allostat_devices.spacelabs import ADAPTER as SPACELABS

OMRON = "Date,Time,Systolic (mmHg),Diastolic (mmHg),Pulse (bpm),Symptoms,Consumed,TruRead,Notes\n"


def worn(hours: float = 30.0) -> Worn:
    return simulate_worn(simulate_participant("sub-001", 1), datetime(2024, 3, 30, 20, 0), hours, "Europe/Vienna")  # noqa: DTZ001


def read(path: Path, adapter: Any = CUFFS) -> Recording:
    (recording,) = adapter.read(Source(path), ReadOptions(participant="sub-001", timezone="Europe/Vienna"))
    return recording


def local(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 10**9, UTC).replace(tzinfo=None)


def instant_ns(reading: BloodPressureReading) -> int:
    assert reading.measured_at is not None
    return reading.measured_at.time_ns


@pytest.mark.parametrize("write", [write_omron_export, write_omblepy_export])
def test_what_was_written_is_what_is_read(write: Any, tmp_path: Path) -> None:
    truth = worn()
    readings = read(write(truth, tmp_path)).blood_pressure
    rows = truth.blood_pressure()
    assert [(r.sbp, r.dbp) for r in readings] == [
        (float(s.value), float(d.value)) for s, d in zip(rows[::2], rows[1::2], strict=True)
    ]
    assert all(r.measured_at is not None and r.measured_at.epoch == "local" for r in readings)
    assert local(instant_ns(readings[0])) == rows[0].collected_at.replace(tzinfo=None)


def test_a_dash_is_missing_and_free_text_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(
        OMRON + "Jan 12 2025,08:15,128,82,-,CANARY,CANARY,yes,CANARY\nJan 12 2025,08:17,-,82,70,-,-,-,-\n"
        "Mrz 3 2025,08:17,121,80,70,-,-,-,-\n12. Dez. 2025,08:17,120,80,70,-,-,-,-\n"
    )
    recording = read(path)
    first, second, third = recording.blood_pressure
    assert first.pulse != first.pulse and first.extras == {"truread": "yes"}
    assert local(instant_ns(second)) == datetime(2025, 3, 3, 8, 17)  # noqa: DTZ001
    assert local(instant_ns(third)) == datetime(2025, 12, 12, 8, 17)  # noqa: DTZ001
    assert "READING_MISSING" in {n.code for n in recording.notices}
    assert "CANARY" not in repr((recording, CUFFS.inspect(Source(path))))


def test_diastolic_pressure_that_stands_first_is_not_taken_for_systolic(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("datetime,dia,sys,bpm,mov,ihb\n2025-01-12 08:15:00,82,128,70,0,1\n")
    (reading,) = read(path).blood_pressure
    assert (reading.sbp, reading.dbp, reading.extras) == (128.0, 82.0, {"mov": "0", "ihb": "1"})
    path.write_text("datetime,dia,sys,bpm,mov,ihb\n2025-01-12 08:15:00,128,82,70,0,1\n")
    with pytest.raises(InputError, match="systolic pressure is not above diastolic"):
        read(path)


def test_rows_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(
        OMRON + "Jan 12 2025,08:15,128,82,60,-,-,-,-\nJan 12 2025,25:15,128,82,60,-,-,-,-\n"
        "Jan 12 2025,08:15,x,82,60,-,-,-,-\n"
        "Jan 12 2025,08:15,900,82,60,-,-,-,-\nJan 12\nFoo 12 2025,08:15,128,82,60,-,-,-,-\n"
    )  # fmt: skip
    counts = {n.code: (n.count, n.first_line) for n in read(path).notices if n.first_line}
    assert counts == {
        "bad_time": (2, 3), "bad_number": (1, 4), "out_of_range": (1, 5), "truncated": (1, 6)
    }  # fmt: skip


@pytest.mark.parametrize("year", ["9" * 400, "99999999999", "0", "-1"])
def test_a_year_that_no_calendar_has_is_a_bad_time(tmp_path: Path, year: str) -> None:
    path = tmp_path / "o.csv"
    path.write_text(OMRON + f"Jan 12 2025,08:15,128,82,60,-,-,-,-\nJan 12 {year},08:15,128,82,60,-,-,-,-\n")
    assert {n.code: n.count for n in read(path).notices if n.first_line} == {"bad_time": 1}


def test_ambulatory_readings_follow_the_clock_over_midnight_and_leave_failed_ones_out(tmp_path: Path) -> None:
    truth = worn()
    path = write_spacelabs_export(truth, tmp_path)
    recording = read(path, SPACELABS)
    lines = [line for line in path.read_text("latin-1").splitlines()[51:] if not line.startswith("<")]
    assert len(recording.blood_pressure) == sum('"EB"' not in line for line in lines)
    instants = [instant_ns(r) for r in recording.blood_pressure]
    assert local(instants[0]) == datetime(2024, 3, 30, 20, 0)  # noqa: DTZ001
    assert local(instants[-1]).date() == datetime(2024, 4, 1).date()  # noqa: DTZ001
    assert all(b > a for a, b in itertools.pairwise(instants))
    assert all(r.setting == "ambulatory" and "map" in r.extras for r in recording.blood_pressure)
    assert "Canary" not in repr((recording, SPACELABS.inspect(Source(path))))
    assert {"READING_FAILED", "no_dates"} <= {n.code for n in recording.notices}


def test_the_end_of_summer_time_is_no_new_day(tmp_path: Path) -> None:
    autumn = simulate_worn(simulate_participant("sub-001", 1), datetime(2024, 10, 26, 20, 0), 30, "Europe/Vienna")  # noqa: DTZ001
    recording = read(write_spacelabs_export(autumn, tmp_path), SPACELABS)
    last = recording.blood_pressure[-1].measured_at
    assert last is not None and local(last.time_ns).date() == datetime(2024, 10, 28).date()  # noqa: DTZ001
    assert "clock_set_back" in {n.code for n in recording.notices}


def test_ambulatory_readings_are_no_resting_pressure(tmp_path: Path) -> None:
    readings = read(write_spacelabs_export(worn(), tmp_path), SPACELABS).blood_pressure
    table, _, _ = lab_biomarkers((), Person("sub-001"), readings=readings, timezone="Europe/Vienna", occasion="1")
    assert table.rows
    assert {r.context for r in table.rows} == {"ambulatory_24h", "ambulatory_awake", "ambulatory_asleep"}
    assert not {"sbp", "dbp", "pulse_pressure"} & {r.biomarker for r in table.rows}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 4000), at=st.integers(0, 4000), junk=st.binary(max_size=6), which=st.integers(0, 2))
def test_cut_and_changed_files_give_readings_or_an_allostat_error(
    tmp_path: Path, cut: int, at: int, junk: bytes, which: int
) -> None:
    write: Any = (write_omron_export, write_omblepy_export, write_spacelabs_export)[which]
    path = write(worn(3.0), tmp_path)
    data = path.read_bytes()
    path.write_bytes((data[: at % len(data)] + junk + data[at % len(data) + len(junk) :])[: max(1, len(data) - cut)])
    adapter: Any = SPACELABS if which == 2 else CUFFS
    try:
        read(path, adapter)
        adapter.inspect(Source(path))
    except AllostatError:
        pass
