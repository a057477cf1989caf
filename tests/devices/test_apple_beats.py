"""Beats inside Apple's HRV records: clock times of every region, their zone, and which beats follow each other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from allostat.recording import BeatFlag, TimeZone
from tests.devices.apple_documents import AT, UNTIL, beats_in, codes, hrv, read_one, record, utc_ns, watch


def test_the_interval_is_the_difference_of_times_and_ends_at_its_beat(tmp_path: Path) -> None:
    beats = beats_in(tmp_path, hrv(["20:14:01.00", "20:14:01.98", "20:14:03.00"], bpm=[61, 61, 59]))
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, 980.0, 1020.0])
    assert beats.times_ns[0] == utc_ns("2024-03-04T19:14:01+00:00")
    assert beats.source == "ppg" and beats.extras["bpm"].tolist() == [61, 61, 59]


def test_the_grid_of_ten_ms_is_stated(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00", "20:14:02.00"]))
    (notice,) = [n for n in recording.notices if n.code == "time_grid"]
    assert "50 ms²" in notice.message
    uncertainty = recording.beats["ibi"].uncertainty_ms
    assert uncertainty is not None and uncertainty[0] == pytest.approx(10 / math.sqrt(12))


def test_beats_that_contradict_their_rate_do_not_follow_each_other(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00", "20:14:02.00", "20:14:04.00", "20:14:05.00"]))
    assert np.isnan(recording.beats["ibi"].intervals_ms).tolist() == [True, False, True, False]
    assert "not_consecutive" in codes(recording)


@pytest.mark.parametrize(
    ("last", "joined"),
    [("20:14:02.24", True), ("20:14:02.27", False), ("20:14:01.76", True), ("20:14:01.74", False)],
)
def test_a_quarter_of_the_expected_interval_is_the_limit(tmp_path: Path, last: str, joined: bool) -> None:
    beats = beats_in(tmp_path, hrv(["20:14:01.00", last]))
    assert np.isfinite(beats.intervals_ms[1]) == joined


def test_no_interval_crosses_from_record_to_record(tmp_path: Path) -> None:
    second = hrv(["20:15:00.50", "20:15:01.50"], "2024-03-04 20:15:00 +0100", "2024-03-04 20:16:00 +0100")
    beats = beats_in(tmp_path, second, hrv(["20:14:58.50", "20:14:59.50"]))
    assert np.isnan(beats.intervals_ms).tolist() == [True, False, True, False]
    assert len(beats.gaps) == 1


@pytest.mark.parametrize(
    "times",
    [
        ["20:14:07.68", "20:14:08.68"],
        ["20:14:07,68", "20:14:08,68"],
        ["8:14:07.68 PM", "8:14:08.68 PM"],
        ["8:14:07,68\u202fPM", "8:14:08,68\u202fPM"],
        ["8:14:07.68\u00a0pm", "8:14:08.68\u00a0pm"],
        ["8:14:07.68&#8239;PM", "8:14:08.68&#x202F;PM"],
    ],
)
def test_clock_times_of_every_region(tmp_path: Path, times: list[str]) -> None:
    beats = beats_in(tmp_path, hrv(times))
    assert beats.times_ns.tolist() == [utc_ns("2024-03-04T19:14:07.680+00:00"), utc_ns("2024-03-04T19:14:08.680+00:00")]


def test_a_full_hour_is_not_mistaken(tmp_path: Path) -> None:
    start, end = "2024-03-04 07:59:59 +0100", "2024-03-04 08:01:00 +0100"
    beats = beats_in(tmp_path, hrv(["8:00:00.00 AM", "8:00:01.00 AM"], start, end))
    assert beats.times_ns[0] == utc_ns("2024-03-04T07:00:00+00:00")


def test_beats_across_midnight(tmp_path: Path) -> None:
    start, end = "2024-03-04 23:59:30 +0100", "2024-03-05 00:00:30 +0100"
    beats = beats_in(tmp_path, hrv(["23:59:59.50", "0:00:00.50", "00:00:01.50"], start, end))
    np.testing.assert_allclose(beats.intervals_ms[1:], 1000.0)


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        # Europe/Vienna, spring: 01:59:59 is followed by 03:00:00
        ("2024-03-31 01:59:30 +0100", "2024-03-31 03:00:30 +0200", ["01:59:59.50", "03:00:00.50", "03:00:01.50"]),
        # autumn: 02:59:59 is followed by 02:00:00
        ("2024-10-27 02:59:30 +0200", "2024-10-27 02:00:30 +0100", ["02:59:59.50", "02:00:00.50", "02:00:01.50"]),
    ],
)
def test_beats_across_a_change_of_the_clock(tmp_path: Path, start: str, end: str, times: list[str]) -> None:
    beats = beats_in(tmp_path, hrv(times, start, end))
    np.testing.assert_allclose(beats.intervals_ms[1:], 1000.0)


def test_a_beat_outside_of_its_record_is_left_out_and_breaks_the_series(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00", "20:22:00.00", "20:14:02.00", "20:14:03.00", "bad"]))
    assert np.isnan(recording.beats["ibi"].intervals_ms).tolist() == [True, True, False]
    (lost,) = [n for n in recording.notices if n.code == "bad_time"]
    assert (lost.count, lost.first_line) == (2, 7)


def test_beats_of_a_record_that_lasts_too_long_are_not_guessed(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00", "20:14:02.00"], AT, "2024-03-04 20:40:00 +0100"))
    assert not recording.beats and "bad_time" in codes(recording) and recording.series["sdnn"].values[0] == 41.25


def test_a_record_that_stands_twice_gives_its_beats_once(tmp_path: Path) -> None:
    part = hrv(["20:14:01.00", "20:14:02.00"])
    recording = read_one(tmp_path, part, part)
    assert len(recording.beats["ibi"]) == 2 and len(recording.series["sdnn"]) == 1
    assert "duplicate" in codes(recording)


def test_an_implausible_interval_is_missing_and_flagged(tmp_path: Path) -> None:
    beats = beats_in(tmp_path, hrv(["20:14:01.00", "20:14:01.15", "20:14:02.15"], bpm=[60, 400, 60]))
    assert beats.flags.tolist() == [0, BeatFlag.OUT_OF_RANGE, 0]


# ---- time zone -----------------------------------------------------------------------------------------------------


def test_the_zone_is_told_by_the_first_beat_and_not_by_the_printed_offset(tmp_path: Path) -> None:
    part = hrv(["6:14:48.94 PM", "6:14:49.58 PM"], "2017-11-22 19:14:47 -0400", "2017-11-22 19:15:52 -0400", [95, 94])
    recording = read_one(tmp_path, part)
    assert recording.timezone == TimeZone("UTC-05:00", "inferred")
    assert recording.beats["ibi"].times_ns[0] == utc_ns("2017-11-22T23:14:48.940+00:00")
    assert recording.series["sdnn"].extras["utc_offset_s"].tolist() == [-18_000]


@pytest.mark.parametrize(
    ("clock", "name"), [("01:00:01.00", "UTC+05:45"), ("04:45:01.00", "UTC+09:30"), ("10:00:01.00", "UTC-09:15")]
)
def test_offsets_of_odd_quarters(tmp_path: Path, clock: str, name: str) -> None:
    part = hrv([clock], "2024-03-04 20:15:00 +0100", "2024-03-04 20:16:00 +0100")
    assert read_one(tmp_path, part).timezone == TimeZone(name, "inferred")


@pytest.mark.parametrize(("printed", "name"), [("+1300", "UTC+13:00"), ("-1100", "UTC-11:00")])
def test_an_offset_that_stands_for_two_days_is_the_one_near_the_printed(
    tmp_path: Path, printed: str, name: str
) -> None:
    part = hrv(["20:14:01.00"], f"2024-03-04 20:14:00 {printed}", f"2024-03-04 20:15:00 {printed}")
    assert read_one(tmp_path, part).timezone.name == name


def test_a_zone_that_records_name_wins(tmp_path: Path) -> None:
    told = '<MetadataEntry key="HKTimeZone" value="Europe&#47;Vienna"/>'
    recording = read_one(tmp_path, hrv(["20:14:01.00"], more=told))
    assert recording.timezone == TimeZone("Europe/Vienna", "file")


def test_a_workout_tells_the_zone_too(tmp_path: Path) -> None:
    workout = f'<Workout workoutActivityType="x"{watch()} startDate="{AT}" endDate="{UNTIL}">'
    workout += '<MetadataEntry key="HKTimeZone" value="Asia/Tokyo"/></Workout>\n'
    assert read_one(tmp_path, workout, record("HeartRate", "60")).timezone == TimeZone("Asia/Tokyo", "file")


def test_a_zone_that_does_not_exist_is_told_and_not_taken(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00"], more='<MetadataEntry key="HKTimeZone" value="../etc/x"/>'))
    assert recording.timezone == TimeZone("UTC+01:00", "inferred") and "unsupported" in codes(recording)


def test_the_zone_of_the_caller_wins_and_a_difference_is_told(tmp_path: Path) -> None:
    recording = read_one(tmp_path, hrv(["20:14:01.00"]), timezone="America/New_York")
    assert recording.timezone == TimeZone("America/New_York", "user") and "zone_differs" in codes(recording)
    assert "zone_differs" not in codes(read_one(tmp_path, hrv(["20:14:01.00"]), timezone="Europe/Vienna"))


def test_without_beats_the_zone_stays_unknown(tmp_path: Path) -> None:
    recording = read_one(tmp_path, record("HeartRate", "60"))
    assert not recording.timezone.known and "zone_unknown" in codes(recording)


def test_offsets_that_change_as_clocks_do_give_their_rule(tmp_path: Path) -> None:
    summer = hrv(["20:14:01.00"], "2024-07-04 19:14:00 +0100", "2024-07-04 19:15:00 +0100")
    recording = read_one(tmp_path, hrv(["20:14:01.00"]), summer)
    assert recording.timezone == TimeZone("CET", "inferred", weak=True) and "zone_changes" in codes(recording)


def test_a_journey_leaves_the_offset_found_most_often(tmp_path: Path) -> None:
    days = [hrv(["20:14:01.00"], f"2024-03-0{d} 20:14:00 +0100", f"2024-03-0{d} 20:15:00 +0100") for d in (4, 5)]
    away = hrv(["05:14:01.00"], "2024-03-06 20:14:00 +0100", "2024-03-06 20:15:00 +0100")
    recording = read_one(tmp_path, *days, away)
    assert recording.timezone == TimeZone("UTC+01:00", "inferred", weak=True)
    (notice,) = [n for n in recording.notices if n.code == "zone_changes"]
    assert notice.count == 1 and notice.severity == "warning"
