"""Google Health API: numbers as text, instants in UTC with their offset, daily values by date."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.google_health import ADAPTER


@pytest.fixture(scope="module")
def worn() -> Worn:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    return simulate_worn(simulate_participant("sub-001", 3), start, 0.2, "Europe/Vienna")


def sample(kind: str, time: Any, offset: Any = "3600s", **held: Any) -> dict[str, Any]:
    return {kind: {"sampleTime": {"physicalTime": time, "utcOffset": offset}, **held}}


def daily(kind: str, day: int, **held: Any) -> dict[str, Any]:
    return {kind: {"date": {"year": 2024, "month": 3, "day": day}, **held}}


def read(tmp_path: Path, points: list[Any], **options: str) -> Recording:
    path = tmp_path / "points.json"
    path.write_text(json.dumps({"dataPoints": points}))
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def test_the_values_written_are_the_values_read(tmp_path: Path, worn: Worn) -> None:
    path = EXPORTS["google-health"](worn, tmp_path)
    recording = allostat.read(path)
    times, rate = worn.heart_rate(30.0)
    known = np.isfinite(rate)
    np.testing.assert_array_equal(recording.series["hr"].values, np.rint(rate[known]))
    np.testing.assert_allclose(recording.series["hr"].times_ns, times[known], atol=1_000_000)
    rmssd = worn.rmssd(300.0)[1]
    np.testing.assert_allclose(recording.series["rmssd"].values, rmssd[np.isfinite(rmssd)], atol=0.006)
    assert recording.series["rmssd"].metric == "rmssd"
    assert (recording.timezone.name, recording.timezone.source) == ("UTC+01:00", "file")
    assert "canary" not in repr(recording) + repr(allostat.inspect(path))
    assert {n.code for n in recording.notices} == {"unverified"}


def test_a_day_is_local_until_the_zone_is_named(tmp_path: Path) -> None:
    points = [daily("dailyRestingHeartRate", 31, beatsPerMinute="58")]
    assert read(tmp_path, points).series["resting_hr"].epoch == "local"
    placed = read(tmp_path, points, timezone="Europe/Vienna").series["resting_hr"]
    assert placed.epoch == "utc"
    # the clock changes later in that night: midnight still has the offset of winter
    assert placed.times_ns[0] == np.datetime64("2024-03-30T23:00", "ns").astype(np.int64)


def test_daily_hrv_is_a_vendors_value_beside_rmssd_of_deep_sleep(tmp_path: Path) -> None:
    key = "deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds"
    held = {"averageHeartRateVariabilityMilliseconds": 41, key: 47}
    found = read(tmp_path, [daily("dailyHeartRateVariability", 3, **held)], timezone="Europe/Vienna").series
    assert (found["hrv_of_night"].metric, found["hrv_of_night"].values.tolist()) == ("vendor", [41.0])
    assert (found["rmssd_deep_sleep"].metric, found["rmssd_deep_sleep"].values.tolist()) == ("rmssd", [47.0])


def test_two_offsets_leave_the_zone_unknown(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [
            sample("heartRate", "2024-03-04T08:00:00Z", beatsPerMinute="61"),
            sample("heartRate", "2024-04-04T08:00:00Z", "7200s", beatsPerMinute="62"),
        ],
    )
    assert not found.timezone.known and "zone_changes" in {n.code for n in found.notices}


def test_points_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    points = [
        sample("heartRate", "2024-03-04T08:00:00Z", beatsPerMinute="61"),
        sample("heartRate", "2024-03-04T08:00:30", beatsPerMinute="61"),
        sample("heartRate", None, beatsPerMinute="61"),
        sample("heartRate", "2024-03-04T08:01:00Z", beatsPerMinute="0"),
        sample("heartRate", "2024-03-04T08:02:00Z", beatsPerMinute="1_0"),
        daily("dailyRestingHeartRate", 77, beatsPerMinute="58"),
        {"steps": {"count": "5"}}, 7, None,
    ]  # fmt: skip
    recording = read(tmp_path, points)
    assert recording.series["hr"].values.tolist() == [61.0]
    counted = {n.code: n.count for n in recording.notices}
    assert counted["bad_time"] == 3 and counted["bad_number"] == 2


def test_a_bare_list_and_a_list_of_answers_are_read_too(tmp_path: Path) -> None:
    one = sample("heartRate", "2024-03-04T08:00:00Z", beatsPerMinute="61")
    for document in ([one], [{"dataPoints": [one]}]):
        (tmp_path / "x.json").write_text(json.dumps(document))
        (recording,) = ADAPTER.read(Source(tmp_path / "x.json"), ReadOptions())
        assert recording.series["hr"].values.tolist() == [61.0]


def test_nothing_of_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no value"):
        read(tmp_path, [sample("heartRate", "2024-03-04T08:00:00Z", beatsPerMinute=None)])
