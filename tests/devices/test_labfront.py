"""Labfront intervals, trap by trap."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import BeatFlag, Recording, TimeZone
from allostat.source import Source
from allostat_devices.labfront import ADAPTER

T0 = 1_700_000_000_000
PREAMBLE = [
    "projectId,projectName,participantId,participantName,participantEmail",
    "p1,Project CANARY1,x1,CANARY2 Name,canary3@example.org",
    "",
    "garmin-device-bbi",
    "",
]
HEADER = "timezone,unixTimestampInMs,isoDate,bbi"


def rows(intervals: list[int], start: int = T0, zone: str = "Europe/Rome") -> list[str]:
    ends = start + np.cumsum(intervals)
    return [f"{zone},{ms},2023-11-14T23:13:20.000+01:00,{bbi}" for ms, bbi in zip(ends, intervals, strict=True)]


def text(lines: list[str], preamble: list[str] = PREAMBLE, header: str = HEADER) -> str:
    return "\n".join([*preamble, header, *lines]) + "\n"


def read_all(path: Path, **options: str) -> list[Recording]:
    return list(ADAPTER.read(Source(path), ReadOptions(**options)))  # type: ignore[arg-type]


def read(folder: Path, content: str, **options: str) -> Recording:
    (folder / "x.csv").write_text(content, encoding="utf-8")
    (recording,) = read_all(folder / "x.csv", **options)
    return recording


@pytest.mark.parametrize("lines", [0, 5, 6, 9])
def test_the_header_is_found_below_any_number_of_lines(tmp_path: Path, lines: int) -> None:
    recording = read(tmp_path, text(rows([800, 810, 820]), [*PREAMBLE, *[""] * 4][:lines]))
    assert ADAPTER.sniff(Source(tmp_path / "x.csv")).confidence > 0.9
    np.testing.assert_array_equal(recording.beats["bbi"].intervals_ms, [np.nan, 800, 810, 820])
    assert recording.beats["bbi"].times_ns.tolist() == [(T0 + ms) * 10**6 for ms in (0, 800, 1610, 2430)]


def test_a_step_of_time_that_is_not_the_interval_is_a_gap(tmp_path: Path) -> None:
    beats = read(tmp_path, text([*rows([800, 810]), *rows([820, 830], T0 + 60_000)])).beats["bbi"]
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 800, 810, np.nan, 820, 830])
    one_off = text([f"UTC,{T0 + 800},x,800", f"UTC,{T0 + 1612},x,810", f"UTC,{T0 + 2424},x,811"])
    beats = read(tmp_path, one_off).beats["bbi"]
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 800, np.nan, 810, 811])


def test_rows_that_cannot_be_read_are_counted_with_their_first_line(tmp_path: Path) -> None:
    good = rows([800, 810, 820, 830])
    bad = [good[0], "Europe/Rome,x,x,800", "Europe/Rome,1,2", f"UTC,{T0 + 9000},x,nan", "UTC,-5,x,800", *good[1:]]
    recording = read(tmp_path, text(bad))
    counted = {n.code: (n.count, n.first_line) for n in recording.notices if n.first_line}
    assert counted == {"bad_time": (2, 8), "truncated": (1, 9), "bad_number": (1, 10)}
    assert np.isfinite(recording.beats["bbi"].intervals_ms).sum() == 4


def test_implausible_intervals_are_missing(tmp_path: Path) -> None:
    beats = read(tmp_path, text(rows([800, 100, 3500, 0, 820]))).beats["bbi"]
    assert beats.flags.tolist() == [0, 0, BeatFlag.OUT_OF_RANGE, BeatFlag.OUT_OF_RANGE, 0]
    assert np.isnan(beats.intervals_ms[2:4]).all()


@pytest.mark.parametrize(
    ("header", "row", "zone"),
    [
        (HEADER, "Europe/Rome,{},2023-11-14T23:13:20.000+01:00,800", TimeZone("Europe/Rome", "file")),
        (HEADER, "Mars/Base,{},2023-11-14T23:13:20.000+01:00,800", TimeZone("UTC+01:00", "file")),
        ("unixTimestampInMs,isoDate,bbi", "{},2023-11-14T22:13:20.000Z,800", TimeZone("UTC+00:00", "file", weak=True)),
        ("unixTimestampInMs,isoDate,bbi", "{},2023-11-14T22:13:20.000,800", TimeZone()),
        ("timezoneOffsetInMs,unixTimestampInMs,isoDate,bbi", "-14400000,{},x,800", TimeZone("UTC-04:00", "file")),
    ],
)
def test_the_zone_is_the_named_one_or_the_offset_of_the_row(
    tmp_path: Path, header: str, row: str, zone: TimeZone
) -> None:
    recording = read(tmp_path, text([row.format(T0), row.format(T0 + 800)], header=header))
    assert (recording.timezone, recording.epoch) == (zone, "utc")
    assert read(tmp_path, text([row.format(T0)], header=header), timezone="Asia/Tokyo").timezone.source == "user"


def test_a_day_on_which_the_clocks_change_keeps_its_instants(tmp_path: Path) -> None:
    # 2023-10-29 01:00 UTC: summer time ends in Rome
    start = 1_698_541_200_000 - 1600
    recording = read(tmp_path, text(rows([800] * 4, start)))
    assert recording.beats["bbi"].times_ns.tolist() == [(start + 800 * i) * 10**6 for i in range(5)]
    assert recording.timezone.name == "Europe/Rome"


def test_travel_is_told(tmp_path: Path) -> None:
    recording = read(tmp_path, text([*rows([800]), *rows([800], T0 + 10**8, "Asia/Tokyo")]))
    assert recording.timezone == TimeZone("Europe/Rome", "file", weak=True)
    assert "zone_changes" in [n.code for n in recording.notices]


def test_a_folder_a_participant_in_a_zip_and_files_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P01_a/garmin-device-bbi/000001.csv", text(rows([820, 830], T0 + 1610)))
        archive.writestr("P01_a/garmin-device-bbi/000000.csv", text(rows([800, 810])))
        archive.writestr("P01_a/garmin-device-bbi/000002.csv", text(rows([820, 830], T0 + 1610)))
        archive.writestr("P02_b/garmin-device-bbi/000000.csv", text(rows([700])))
        archive.writestr("P02_b/garmin-device-steps/000000.csv", "timezone,unixTimestampInMs,isoDate,steps\n")
    first, second = read_all(path)
    assert (first.participant, second.participant) == ("P01", "P02")
    np.testing.assert_array_equal(first.beats["bbi"].intervals_ms, [np.nan, 800, 810, 820, 830])
    assert {n.code: n.count for n in first.notices if n.code == "duplicate"} == {"duplicate": 2}
    assert len(first.provenance.inputs) == 3
    assert [s.name for s in ADAPTER.inspect(Source(path)).streams] == ["P01_a/bbi", "P02_b/bbi"]


def test_participants_without_a_safe_name_are_told(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("Ann", "Bob"):
            archive.writestr(f"{name}/garmin-device-bbi/0.csv", text(rows([800, 810])))
    found = read_all(path, participant="P09")
    assert [r.participant for r in found] == [None, None]
    assert all("participant_unknown" in [n.code for n in r.notices] for r in found)
    assert len({r.id for r in found}) == 2


def test_names_and_addresses_are_dropped_and_other_numbers_kept(tmp_path: Path) -> None:
    header = "timezone,unixTimestampInMs,isoDate,bbi,confidence,userId,firstName,email,deviceType"
    row = 'Europe/Rome,{},2023-11-14T23:13:20.000+01:00,800,{},4242424242,"CANARY4, Dr",canary5@example.org,venu'
    content = text([row.format(T0 + 800 * i, i) for i in range(3)], header=header)
    recording = read(tmp_path, content)
    np.testing.assert_array_equal(recording.beats["bbi"].extras["confidence"], [0, 0, 1, 2])
    assert list(recording.beats["bbi"].extras) == ["confidence"]
    manifest = ADAPTER.inspect(Source(tmp_path / "x.csv"))
    shown = repr(recording) + repr(manifest)
    assert not any(canary in shown for canary in ("CANARY", "canary", "4242424242", "example.org"))
    assert "e-mail address in header" in manifest.identifiers and "name in header" in manifest.identifiers


def test_what_is_not_verified_says_so_and_other_tables_are_refused(tmp_path: Path) -> None:
    recording = read(tmp_path, text(rows([800])))
    assert recording.notices[0].code == "unverified" and not recording.provenance.verified
    (tmp_path / "x.csv").write_text(text([], header="timezone,unixTimestampInMs,isoDate,steps"))
    assert ADAPTER.sniff(Source(tmp_path / "x.csv")).confidence < 0.5
    with pytest.raises(InputError, match="no header"):
        read_all(tmp_path / "x.csv")
    with pytest.raises(InputError, match="no intervals"):
        read(tmp_path, text([]))
