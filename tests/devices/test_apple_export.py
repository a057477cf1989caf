"""How export.xml may be written, and whole exports against the truth of their twins and against real tables."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.errors import InputError
from allostat.recording import TimeZone
from allostat.simulate import Worn, simulate_participant, simulate_worn
from allostat.simulate.exports.apple import AppleHabits, hrv_minutes, write_apple_xml, write_apple_zip
from allostat_devices import apple_records
from allostat_devices.apple_records import read_export
from tests.devices.apple_documents import AT, QUANTITY, UNTIL, codes, document, hrv, read_all, read_one, record

LAUGHS = '<!ENTITY a "lol"><!ENTITY b "' + "&a;" * 50 + '"><!ENTITY c "' + "&b;" * 50 + '">'


def test_a_document_type_that_is_not_closed_and_control_characters_do_not_matter(tmp_path: Path) -> None:
    doctype = "<!DOCTYPE HealthData [\n<!ATTLIST Record\n  type CDATA #REQUIRED\n<!ELEMENT HeartRate EMPTY>\n]>"
    content = document(record("HeartRate", "60"), "\x0b<Other \x0b/>\x00", doctype=doctype)
    (recording,) = read_all(tmp_path, content)
    assert len(recording.series["hr"]) == 1


def test_records_in_the_document_type_or_in_comments_are_none(tmp_path: Path) -> None:
    fake = record("HeartRate", "200").strip()
    content = document(
        f"<!-- {fake} -->", record("HeartRate", "60"), doctype=f"<!DOCTYPE HealthData [<!ENTITY x '{fake}'>]>"
    )
    (recording,) = read_all(tmp_path, content)
    assert recording.series["hr"].values.tolist() == [60.0]


def test_no_entity_is_expanded(tmp_path: Path) -> None:
    (recording,) = read_all(
        tmp_path,
        document(
            record("HeartRate", "&c;"), record("HeartRate", "60", UNTIL), doctype=f"<!DOCTYPE HealthData [{LAUGHS}]>"
        ),
    )
    assert recording.series["hr"].values.tolist() == [60.0] and "bad_number" in codes(recording)


def test_attribute_names_of_old_exports_with_blanks(tmp_path: Path) -> None:
    part = record("HeartRate", "60").replace("startDate", "start Date").replace("sourceName", "source Name")
    assert read_one(tmp_path, part).series["hr"].values.tolist() == [60.0]


def test_attributes_in_any_order_and_in_single_quotes(tmp_path: Path) -> None:
    part = f"<Record value='60' endDate='{AT}' unit='count/min' startDate='{AT}' type='{QUANTITY}HeartRate'/>"
    recording = read_one(tmp_path, part)
    assert (recording.id, len(recording.series["hr"])) == ("app_1", 1)


@pytest.mark.parametrize("size", [1 << 10, (1 << 10) + 8, (1 << 10) + 16, 1 << 11])
def test_records_cut_by_the_boundary_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    times = [f"20:14:{s:02d}.00" for s in range(40)]
    content = document(
        *[record("HeartRate", str(50 + i), f"2024-03-04 20:{i:02d}:00 +0100") for i in range(40)], hrv(times)
    )
    (whole,) = read_all(tmp_path, content)
    monkeypatch.setattr(apple_records, "BLOCK_BYTES", size)
    monkeypatch.setattr(apple_records, "_MAX_ROWS", 7)
    (cut,) = read_all(tmp_path, content)
    np.testing.assert_array_equal(cut.series["hr"].values, whole.series["hr"].values)
    np.testing.assert_array_equal(cut.beats["ibi"].intervals_ms, whole.beats["ibi"].intervals_ms)
    assert cut.provenance.inputs == whole.provenance.inputs


def test_a_last_record_without_its_end_is_told(tmp_path: Path) -> None:
    content = document(record("HeartRate", "60"), record("HeartRate", "70", UNTIL))
    (recording,) = read_all(tmp_path, content[: content.rindex(b'value="70') + 7])
    assert recording.series["hr"].values.tolist() == [60.0]
    (notice,) = [n for n in recording.notices if n.code == "truncated"]
    assert notice.first_line == 6 and "incomplete" in codes(recording)


def test_sixteen_mib_without_markup_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no markup for 16 MiB"):
        read_all(tmp_path, document() + bytes(40 << 20))


def test_rows_that_cannot_be_used_are_counted_by_reason_with_their_line(tmp_path: Path) -> None:
    bad = [
        record("HeartRate", "60"),
        record("HeartRate", "x", "2024-03-04 20:15:00 +0100"),
        record("HeartRate", "nan", "2024-03-04 20:16:00 +0100"),
        record("HeartRate", "700", "2024-03-04 20:17:00 +0100"),
        record("HeartRate", "60", "yesterday"),
        record("HeartRate", "60", "2024-03-04 20:18:00 +0100", unit="count/s"),
        record("HeartRate", "61"),
        record("HeartRate", "60", "2024-03-04 20:18:00 +0100", "2024-03-04 20:17:00 +0100"),
    ]
    recording = read_one(tmp_path, *bad)
    told = {n.code: (n.count, n.first_line) for n in recording.notices if n.first_line}
    assert told == {
        "bad_number": (2, 6),
        "out_of_range": (1, 8),
        "bad_time": (2, 9),
        "unsupported": (1, 10),
        "duplicate": (1, 11),
    }
    assert all(n.severity == "error" for n in recording.notices if n.first_line)


@pytest.fixture(scope="module")
def worn() -> Worn:
    # the night in which the clocks of Vienna go forward
    return simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 30, 21, 0), 9, "Europe/Vienna")  # noqa: DTZ001


@pytest.mark.parametrize(
    "habits", [AppleHabits(), AppleHabits(hrv_s=1200, export_zone="Asia/Kathmandu", twelve_hours=True)]
)
def test_what_a_watch_wrote_is_read_back(tmp_path: Path, worn: Worn, habits: AppleHabits) -> None:
    path = write_apple_zip(worn, tmp_path / "export.zip", habits)
    found = {r.id: r for r in allostat.read_all(path)}
    minutes = hrv_minutes(worn, habits)
    beats = found["watch"].beats["ibi"]
    np.testing.assert_array_equal(beats.times_ns, np.concatenate([b for _, b in minutes]))
    truth = np.concatenate([np.diff(b, prepend=b[0]) / 1e6 for _, b in minutes])
    truth[truth == 0] = np.nan
    kept = ~np.isnan(beats.intervals_ms)
    np.testing.assert_allclose(beats.intervals_ms[kept], truth[kept])
    assert np.isnan(beats.intervals_ms).sum() <= len(minutes) + 0.01 * len(truth)
    ends, rates = worn.heart_rate(habits.heart_rate_s)
    np.testing.assert_array_equal(found["watch"].series["hr"].times_ns, ends[~np.isnan(rates)])
    np.testing.assert_allclose(found["watch"].series["hr"].values, rates[~np.isnan(rates)], atol=0.5)
    assert found["watch"].series["sdnn"].values == pytest.approx(
        [np.std(np.diff(b) / 1e6, ddof=1) for _, b in minutes], abs=1e-4
    )
    assert found["watch"].timezone == TimeZone("CET", "inferred", weak=True)
    readings = worn.blood_pressure(2)
    assert [r.sbp for r in found["app_1"].blood_pressure] == [float(r.value) for r in readings[::2]]
    assert {"watch", "app_1", "phone", "ecg_2024-03-31"} == set(found)


def test_the_zone_named_by_sleep_records_wins_in_a_twin(tmp_path: Path, worn: Worn) -> None:
    with (tmp_path / "export.xml").open("wb") as stream:
        write_apple_xml(worn, stream, replace(AppleHabits(), tells_zone=True))
    zones = {r.timezone for r in allostat.read_all(tmp_path / "export.xml")}
    assert zones == {TimeZone("Europe/Vienna", "file")}


def test_reading_a_plain_and_a_compressed_export_gives_the_same(tmp_path: Path) -> None:
    content = document(record("HeartRate", "60"), hrv(["20:14:01.00"]))
    (plain,) = read_all(tmp_path, content)
    (packed,) = read_all(tmp_path / "export.xml.gz", gzip.compress(content))
    assert packed.series["hr"].values.tolist() == plain.series["hr"].values.tolist()
    assert packed.provenance.inputs[0].sha256 != plain.provenance.inputs[0].sha256


def test_a_real_container_gives_the_values_of_its_tables(recordings: Callable[[str], Path]) -> None:
    folder = recordings("apple_health") / "export_tdda"
    types = ("StepCount", "DistanceWalkingRunning")
    with (folder / "export6s3sample.xml").open("rb") as stream:
        export = read_export(stream, "export.xml", wanted=tuple(QUANTITY + t for t in types))
    assert export.complete and export.cut == 0
    assert export.counts == {QUANTITY + "StepCount": 10, QUANTITY + "DistanceWalkingRunning": 5}
    for kind, name in enumerate(types):
        with (folder / f"{name}.csv").open(newline="") as text:
            rows = list(csv.DictReader(text))
        mine = export.kind == kind
        assert export.value[mine].tolist() == [float(row["value"]) for row in rows]
        starts = [datetime.strptime(row["startDate"], "%Y-%m-%d %H:%M:%S %z").astimezone(UTC) for row in rows]
        assert export.start_s[mine].tolist() == [round(s.timestamp()) for s in starts]
        assert {export.unit_texts[i] for i in export.unit[mine]} == {row["unit"] for row in rows}


def test_a_real_export_without_heart_data_is_recognised(recordings: Callable[[str], Path]) -> None:
    manifest = allostat.inspect(recordings("apple_health") / "export_tdda")
    assert manifest.adapter == "apple_health" and "birth date and sex" in manifest.identifiers
    assert any("10 StepCount" in n.message for n in manifest.notices)
