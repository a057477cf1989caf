"""Garmin Connect JSON, trap by trap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording, TimeZone
from allostat.source import Source
from allostat_devices import garmin_connect
from allostat_devices.garmin_connect import ADAPTER

NIGHT: dict[str, Any] = {
    "userProfilePk": 777888999,
    "hrvSummary": {
        "calendarDate": "2024-03-05", "weeklyAvg": 53, "lastNightAvg": 56, "lastNight5MinHigh": 72,
        "baseline": {"lowUpper": 47, "balancedLow": 49, "balancedUpper": 66, "markerValue": 0.5},
        "status": "BALANCED", "feedbackPhrase": "CANARY", "createTimeStamp": "2024-03-05T05:40:24.187",
    },
    "hrvReadings": [
        {"hrvValue": 47, "readingTimeGMT": "2024-03-04T22:30:37.0", "readingTimeLocal": "2024-03-04T23:30:37.0"},
        {"hrvValue": 53, "readingTimeGMT": "2024-03-04T22:35:37.0", "readingTimeLocal": "2024-03-04T23:35:37.0"},
    ],
    "startTimestampGMT": "2024-03-04T22:27:28.0",
    "endTimestampGMT": "2024-03-05T05:35:37.0",
}  # fmt: skip
DAY: dict[str, Any] = {
    "userId": "CANARY", "summaryId": "x1-CANARY", "calendarDate": "2024-03-05", "startTimeInSeconds": 1_709_593_200,
    "startTimeOffsetInSeconds": 3600, "durationInSeconds": 86_400, "restingHeartRateInBeatsPerMinute": 51,
    "timeOffsetHeartRateSamples": {"0": 65, "15": 66, "30": 0, "-5": 60, "45": None, "60": 64},
}  # fmt: skip
NS = 10**9


def read_all(folder: Path, content: object, **options: str) -> list[Recording]:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "x.json").write_text(text, encoding="utf-8")
    return list(ADAPTER.read(Source(folder / "x.json"), ReadOptions(**options)))  # type: ignore[arg-type]


def codes(recording: Recording) -> dict[str, int]:
    return {n.code: n.count for n in recording.notices}


def test_a_nights_readings_and_summary(tmp_path: Path) -> None:
    (recording,) = read_all(tmp_path, NIGHT)
    assert ADAPTER.sniff(Source(tmp_path / "x.json")).confidence > 0.9
    readings = recording.series["rmssd"]
    assert (readings.kind, readings.metric, readings.window_s, readings.context) == ("hrv", "rmssd", 300, "night")
    assert readings.values.tolist() == [47, 53]
    assert np.diff(readings.times_ns).tolist() == [300 * NS]
    night = recording.series["rmssd_night"]
    assert night.ends_ns is not None
    assert (night.values[0], int(night.ends_ns[0] - night.times_ns[0])) == (56, (7 * 3600 + 8 * 60 + 9) * NS)
    assert {k: v.tolist() for k, v in night.extras.items()} == {
        "baseline_low_upper": [47], "baseline_balanced_low": [49], "baseline_balanced_upper": [66], "status": [4],
    }  # fmt: skip
    assert recording.series["rmssd_night_high"].values.tolist() == [72]
    assert recording.series["rmssd_week"].values.tolist() == [53]
    assert recording.timezone == TimeZone("UTC+01:00", "file") and recording.epoch == "utc"
    assert not recording.beats


def test_a_summary_without_readings_stands_when_it_was_made(tmp_path: Path) -> None:
    (recording,) = read_all(tmp_path, {"hrvSummary": NIGHT["hrvSummary"], "hrvReadings": []})
    assert recording.series["rmssd_night"].times_ns.tolist() == [1_709_617_224_187 * 10**6]
    assert recording.timezone == TimeZone()


def test_the_days_heart_rate_by_seconds_since_its_start(tmp_path: Path) -> None:
    (recording,) = read_all(tmp_path, DAY)
    rate = recording.series["hr"]
    assert ((rate.times_ns - DAY["startTimeInSeconds"] * NS) // NS).tolist() == [0, 15, 60]
    assert rate.values.tolist() == [65, 66, 64]
    assert recording.series["resting_hr"].values.tolist() == [51]
    assert recording.timezone == TimeZone("UTC+01:00", "file")
    assert codes(recording) == {"unverified": 1, "bad_number": 2, "bad_time": 1}


def test_readings_of_the_health_service(tmp_path: Path) -> None:
    summary = {"startTimeInSeconds": 1_709_593_200, "startTimeOffsetInSeconds": -14_400, "lastNightAvg": 44}
    (recording,) = read_all(tmp_path, {"hrv": [summary | {"hrvValues": {"300": 40, "0": 42}}]})
    assert recording.series["rmssd"].values.tolist() == [42, 40]
    assert recording.series["rmssd_night"].values.tolist() == [44]
    assert recording.timezone.name == "UTC-04:00"


def test_days_of_another_offset_are_another_recording(tmp_path: Path) -> None:
    summer = DAY | {"startTimeInSeconds": 1_711_922_400, "startTimeOffsetInSeconds": 7200}
    winter, later = read_all(tmp_path, [DAY, NIGHT, summer])
    assert [winter.timezone.name, later.timezone.name] == ["UTC+01:00", "UTC+02:00"]
    assert set(winter.series) == {"hr", "resting_hr", "rmssd", "rmssd_night", "rmssd_night_high", "rmssd_week"}
    assert winter.id != later.id
    named = read_all(tmp_path, [DAY, summer], timezone="Europe/Vienna")
    assert {r.timezone.name for r in named} == {"Europe/Vienna"}


def test_a_night_on_which_the_clocks_change_tells_both_offsets(tmp_path: Path) -> None:
    readings = [
        {"hrvValue": 40, "readingTimeGMT": "2024-03-31T00:58:00.0", "readingTimeLocal": "2024-03-31T01:58:00.0"},
        {"hrvValue": 41, "readingTimeGMT": "2024-03-31T01:03:00.0", "readingTimeLocal": "2024-03-31T03:03:00.0"},
    ]
    (recording,) = read_all(tmp_path, {"hrvReadings": readings})
    assert np.diff(recording.series["rmssd"].times_ns).tolist() == [300 * NS]
    assert "zone_changes" in codes(recording)


def test_the_same_night_twice_is_counted(tmp_path: Path) -> None:
    (recording,) = read_all(tmp_path, [NIGHT, NIGHT])
    assert codes(recording)["duplicate"] == 5
    assert recording.series["rmssd"].values.tolist() == [47, 53]


def test_nothing_that_names_a_person_is_given_on(tmp_path: Path) -> None:
    (recording,) = read_all(tmp_path, [NIGHT, DAY])
    manifest = ADAPTER.inspect(Source(tmp_path / "x.json"))
    shown = repr(recording) + repr(manifest)
    assert "CANARY" not in shown and "777888999" not in shown
    assert manifest.identifiers == ("record id in a field", "user id in a field")
    with pytest.raises(InputError) as caught:
        read_all(tmp_path, '{"hrvSummary": "CANARY')
    assert "CANARY" not in str(caught.value)
    assert recording.notices[0].code == "unverified" and not recording.provenance.verified


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"hrvReadings": [', "no valid JSON"),
        ('{"hrvReadings": ' + "[" * 100_000, "no valid JSON"),
        ('{"hrvReadings": [], "x": "\ud800"}', "no value"),
        ('{"hrvReadings": [1, null, {"readingTimeGMT": 3}]}', "no value"),
        ('{"hrvReadings": {"a": 1}, "hrvSummary": [1]}', "no value"),
        ('{"startTimeInSeconds": 1e400, "startTimeOffsetInSeconds": 1, "timeOffsetHeartRateSamples": []}', "no value"),
        ('{"startTimeInSeconds": -1, "startTimeOffsetInSeconds": NaN}', "no value"),
        ('[{"startTimeInSeconds": ' + "9" * 400 + ', "startTimeOffsetInSeconds": 0}]', "no value"),
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=match if "\ud800" not in text else "JSON"):
        list(ADAPTER.read(Source(tmp_path / "x.json"), ReadOptions()))


def test_other_files_are_no_garmin_json(tmp_path: Path) -> None:
    for text in ("{}", "[1, 2]", '{"a": "hrvSummary"}', "hrvSummary", '{"startTimeInSeconds": 1}'):
        (tmp_path / "x.json").write_text(text)
        assert ADAPTER.sniff(Source(tmp_path / "x.json")).confidence == 0


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garmin_connect, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="too large"):
        read_all(tmp_path, NIGHT)
