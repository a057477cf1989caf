"""Ambulatory blood pressure: awake and asleep by the person's sleep, else by the clock; enough readings or none."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from allostat.biomarkers import Person
from allostat.errors import InputError
from allostat.labs import ambulatory_pressure, lab_biomarkers
from allostat.tables import BloodPressureReading, Instant

START = datetime.fromisoformat("2024-03-01T09:00+01:00")


def day(n: int = 72, every_min: int = 20) -> list[BloodPressureReading]:
    """24 hours from 9 h: 130/80 awake, 110/65 from 23 to 7 h."""
    readings = []
    for i in range(n):
        at = START + timedelta(minutes=every_min * i)
        asleep = at.hour >= 23 or at.hour < 7
        sbp, dbp = (110.0, 65.0) if asleep else (130.0, 80.0)
        readings.append(BloodPressureReading("s1", sbp, dbp, measured_at=Instant.of(at), setting="ambulatory"))
    return readings


def sleep() -> list[tuple[int, int]]:
    night = START.replace(hour=23)
    return [(Instant.of(night).time_ns, Instant.of(night + timedelta(hours=8)).time_ns)]


def test_awake_and_asleep_by_the_persons_sleep() -> None:
    found = {r.biomarker: r for r in ambulatory_pressure(day(), sleep=sleep())}
    assert (found["sbp_awake"].value, found["dbp_awake"].value) == (130.0, 80.0)
    assert (found["sbp_asleep"].value, found["sbp_asleep"].n) == (110.0, 24)
    assert found["sbp_24h"].value == pytest.approx((130 * 48 + 110 * 24) / 72)
    assert all(r.quality == () for r in found.values())
    assert {r.context for r in found.values()} == {"ambulatory_24h", "ambulatory_awake", "ambulatory_asleep"}


def test_without_sleep_the_clock_decides_and_a_code_says_so() -> None:
    found = {r.biomarker: r for r in ambulatory_pressure(day())}
    assert found["sbp_asleep"].n == 15
    assert found["sbp_asleep"].quality == found["sbp_awake"].quality == ("AWAKE_BY_CLOCK",)
    assert found["sbp_24h"].quality == ()


def test_too_few_readings_give_no_mean() -> None:
    found = {r.biomarker: r for r in ambulatory_pressure(day(45), sleep=sleep())}
    assert found["sbp_awake"].value == 130.0
    assert found["sbp_asleep"].missing
    assert found["sbp_asleep"].quality == found["sbp_24h"].quality == ("FEW_READINGS",)


def test_resting_readings_are_refused() -> None:
    with pytest.raises(InputError, match="not an ambulatory reading"):
        ambulatory_pressure([BloodPressureReading("s1", 120, 80)])


def test_the_nocturnal_dip_follows_and_resting_pressure_stays_apart() -> None:
    resting = BloodPressureReading("s1", 140, 90)
    table, _, _ = lab_biomarkers((), Person("s1"), readings=[*day(), resting], sleep=sleep())
    assert table.get("s1", "sbp_dip").value == pytest.approx(1 - 110 / 130)  # type: ignore[union-attr]
    assert table.get("s1", "sbp").value == 140.0  # type: ignore[union-attr]
