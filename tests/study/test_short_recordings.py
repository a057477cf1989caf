"""Recordings that are too short for a value at rest say so and what is needed; a 10-second ECG has its own value."""

from __future__ import annotations

from pathlib import Path

import pytest

from allostat.recording import Beats, BeatSource, Recording
from allostat.store import read_participant
from allostat.study import Study
from allostat.study.config import StudyConfig
from allostat.study.overlap import Series
from allostat.study.purposes import night_and_rest, short_series, shortness
from tests.study.inline import stay_in_this_process

CONFIG = StudyConfig()


def series(name: str, seconds: float, source: BeatSource = "ecg", start_s: float = 0.0) -> Series:
    intervals = [800.0 + 20.0 * (i % 3) for i in range(int(seconds / 0.82))]
    beats = Beats.from_intervals(intervals, start_ns=int(start_s * 1e9), epoch="utc", source=source)
    return Series(name, Recording(name, beats={"ecg": beats}), beats)


def test_ecgs_of_thirty_seconds_are_no_rest_and_say_why() -> None:
    found = [series("a", 30), series("b", 28, start_s=3600)]
    person = night_and_rest([], found, (), CONFIG)
    assert person.rmssd_rest.isnull() and person.rmssd_rest.attrs["quality"] == "NO_REST_RECORDING TOO_SHORT"
    assert person.hr_rest.attrs["quality"] == "NO_REST_RECORDING TOO_SHORT"
    (notice,) = shortness(short_series(found, CONFIG), CONFIG)
    assert (notice.code, notice.count, notice.severity) == ("REST_TOO_SHORT", 2, "info")
    assert notice.message == (
        "too short for values at rest: a of 29 s and 1 shorter; needed are 120 s (rest_min_s in study.toml)"
    )


def test_a_rest_beside_a_short_recording_counts() -> None:
    person = night_and_rest([], [series("short", 30), series("rest", 300, start_s=60)], (), CONFIG)
    assert float(person.rmssd_rest) > 0 and "TOO_SHORT" not in person.rmssd_rest.attrs["quality"]


def test_nothing_recorded_is_not_too_short() -> None:
    assert night_and_rest([], [], (), CONFIG).rmssd_rest.attrs["quality"] == "NO_REST_RECORDING"
    assert shortness([], CONFIG) == ()


def test_ten_second_ecgs_have_a_value_of_their_own() -> None:
    found = [series("a", 11), series("b", 11, start_s=60), series("again", 11, start_s=60)]
    person = night_and_rest([], found, (), CONFIG)
    assert float(person.rmssd_10s) > 0 and person.rmssd_10s.attrs["n"] == 2
    assert person.rmssd_10s.attrs["context"] == "ecg_10s"
    assert person.rmssd_rest.attrs["quality"] == "NO_REST_RECORDING"
    assert shortness(short_series(found, CONFIG), CONFIG) == ()
    assert "rmssd_10s" not in night_and_rest([], [series("pulse", 11, "ppg")], (), CONFIG)


def test_a_thirty_second_recording_of_a_study_is_told_on_the_page_and_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_in_this_process(monkeypatch)
    raw = tmp_path / "study" / "raw" / "A1"
    raw.mkdir(parents=True)
    (raw / "rr.txt").write_text("".join(f"{800 + 20 * (i % 3)}\n" for i in range(36)))
    Study(tmp_path / "study").run(tmp_path / "out", jobs=1)
    result = read_participant(tmp_path / "out" / "sub-A1" / "sub-A1.h5")
    (row,) = (r for r in result.biomarkers.rows if r.biomarker == "rmssd_rest")
    assert row.missing and row.quality == ("NO_REST_RECORDING", "TOO_SHORT")
    assert "needed are 120 s" in next(n.message for n in result.notices if n.code == "REST_TOO_SHORT")
    page = (tmp_path / "out" / "sub-A1" / "report.html").read_text()
    assert "from the first beat to the last; needed are 30 s" in page and "needed are 120 s" in page
    assert "NO_REST_RECORDING;TOO_SHORT" in (tmp_path / "out" / "biomarkers_long.tsv").read_text()
