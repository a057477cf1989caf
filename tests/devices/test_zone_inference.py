"""Time zones named, read and inferred."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import TimeZoneError
from allostat.zones import zone_info
from allostat_devices.zone_inference import (
    fixed_offset_name,
    infer_offset,
    local_to_utc,
    zone_of_options,
)

HOUR = 3600 * 10**9


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def test_phone_minus_sensor_rounds_to_a_quarter_of_an_hour() -> None:
    found = infer_offset(-4 * HOUR + 220_000_000)
    assert found is not None
    assert (found.zone.name, found.zone.source, found.weak) == ("UTC-04:00", "inferred", False)
    nepal = infer_offset(5 * HOUR + 45 * 60 * 10**9 + 3 * 10**9)
    assert nepal is not None
    assert nepal.zone.name == "UTC+05:45"


def test_an_offset_of_zero_is_weak_evidence() -> None:
    found = infer_offset(2_150_000_000)
    assert found is not None
    assert found.zone.weak


def test_more_than_fourteen_hours_tell_no_zone() -> None:
    assert infer_offset(14 * HOUR + 1) is None
    assert infer_offset(-4 * 365 * 24 * HOUR) is None


def test_the_nearest_zone_is_offered() -> None:
    with pytest.raises(TimeZoneError, match="nearest valid: 'Europe/Vienna'"):
        zone_of_options(ReadOptions(timezone="Europe/Viena"))


def test_the_source_of_a_named_zone_is_kept() -> None:
    assert zone_of_options(ReadOptions(timezone="UTC", timezone_source="profile")).source == "profile"
    assert not zone_of_options(ReadOptions()).known


def test_offset_names() -> None:
    assert [fixed_offset_name(h * HOUR) for h in (0, -4, 5.5)] == ["UTC+00:00", "UTC-04:00", "UTC+05:30"]


def test_clock_change_in_spring_is_followed() -> None:
    local = np.array([ns("2024-03-31T01:59:59"), ns("2024-03-31T03:00:00")])
    assert np.diff(local_to_utc(local, zone_info("Europe/Vienna"))) == 10**9


def test_the_hour_that_occurs_twice_is_followed_in_autumn() -> None:
    local = [ns("2024-10-27T02:30:00"), ns("2024-10-27T02:59:59"), ns("2024-10-27T02:00:00"), ns("2024-10-27T02:30:00")]
    utc = local_to_utc(np.array(local), zone_info("Europe/Vienna"))
    assert np.all(np.diff(utc) > 0)
    assert utc[3] - utc[0] == HOUR
