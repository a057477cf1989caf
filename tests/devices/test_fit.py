"""FIT files besides their beats: clocks, zones, series, cuff readings, chained files, identifiers."""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import AllostatError, InputError, TimeZoneError
from allostat.recording import TimeZone
from allostat.simulate.exports.fit_file import FIT_EPOCH_S, FitField
from allostat.source import Source
from allostat.store.values import encode_json
from allostat_devices.fit import ADAPTER
from allostat_devices.fit_clock import NO_STAMP, rolled
from allostat_devices.fit_container import parts_of
from tests.devices.fit_builder import STAMP, START, START_NS, Session, codes, read, read_all

NAN = float("nan")


def seconds(times_ns: np.ndarray) -> list[float]:
    return ((times_ns - START_NS) / 1e9).tolist()


# stamps


def test_low_bits_follow_the_last_full_stamp_and_turn_over() -> None:
    full = np.array([NAN, 0x1001F, NAN, NAN, NAN, 0x20000, NAN])
    low = np.array([3, NAN, 0x1F, 2, 1, NAN, 7])
    assert rolled(full, low, 5).tolist() == [
        NO_STAMP, 0x1001F, 0x1001F, 0x10022, 0x10041, 0x20000, 0x20007,
    ]  # fmt: skip
    assert rolled(np.empty(0), np.empty(0), 16).tolist() == []


def test_compressed_headers_go_on_from_the_last_stamp_of_any_message(tmp_path: Path) -> None:
    session = Session()
    session.timer(10, 0)  # START + 10 has 10 in its lowest five bits
    session.define(1, 20, (FitField(3, "uint8"),))
    low = (START + 10) & 31
    for i, step in enumerate((0, 1, 5, 31)):
        low = (low + step) & 31
        session.write(1, {3: 60 + i}, seconds_of_32=low)
    series = read(tmp_path, session.finished()).series["hr"]
    assert seconds(series.times_ns) == [10, 11, 16, 47]
    assert series.values.tolist() == [60, 61, 62, 63]


def monitoring(session: Session, rows: list[tuple[int, int]]) -> None:
    session.message(55, (FitField(26, "uint16"), FitField(27, "uint8")), *({26: t & 0xFFFF, 27: r} for t, r in rows))


def test_sixteen_bits_of_monitoring_turn_over(tmp_path: Path) -> None:
    session = Session()
    session.message(103, (STAMP, FitField(0, "uint32")), {253: START, 0: START - 21_600})
    steps = [60, 40_000, 80_000, 120_000]
    monitoring(session, [(START + s, 50 + i) for i, s in enumerate(steps)])
    recording = read(tmp_path, session.finished())
    assert seconds(recording.series["hr"].times_ns) == steps
    assert recording.timezone == TimeZone("UTC-06:00", "file")


def test_sixteen_bits_before_any_full_stamp_are_skipped_and_counted(tmp_path: Path) -> None:
    session = Session()
    monitoring(session, [(START + 1, 50), (START + 2, 51)])
    session.message(103, (STAMP, FitField(0, "uint32")), {253: START + 10, 0: START + 10})
    monitoring(session, [(START + 20, 52)])
    recording = read(tmp_path, session.finished())
    assert seconds(recording.series["hr"].times_ns) == [20]
    assert [n.count for n in recording.notices if n.code == "bad_time"] == [2, 2]


def test_a_device_whose_clock_was_never_set(tmp_path: Path) -> None:
    def data(offset: int | None) -> bytes:
        session = Session()
        session.message(20, (STAMP, FitField(3, "uint8")), {253: 1000, 3: 60}, {253: 1001, 3: 61})
        local = {} if offset is None else {5: START + 3600}
        session.message(34, (STAMP, FitField(5, "uint32")), {253: 1002} | local)
        return session.finished()

    assert read(tmp_path, data(None)).epoch == "relative"
    local = read(tmp_path, data(1))
    assert local.epoch == "local" and seconds(local.series["hr"].times_ns) == [3598, 3599]
    assert local.timezone == TimeZone()
    utc = read(tmp_path, data(1), timezone="Europe/Vienna")  # summer: two hours ahead
    assert utc.epoch == "utc" and seconds(utc.series["hr"].times_ns) == [3598 - 7200, 3599 - 7200]


def test_stamps_that_repeat_or_run_backwards_are_counted(tmp_path: Path) -> None:
    session = Session()
    for second in (0, 1, 1, 2, 3, 1, 2, 4):
        session.record(second)
    recording = read(tmp_path, session.finished())
    assert seconds(recording.series["hr"].times_ns) == [0, 1, 2, 3, 4]
    assert {n.code: n.count for n in recording.notices} == {"duplicate": 1, "bad_time": 2}


# zones


def zone_of(session: Session, tmp_path: Path) -> TimeZone:
    session.record(0)
    return read(tmp_path, session.finished()).timezone


@pytest.mark.parametrize(
    ("offset", "zone"),
    [
        (-21_600, TimeZone("UTC-06:00", "file")), (20_700, TimeZone("UTC+05:45", "file")),
        (7201, TimeZone("UTC+02:00", "file")), (0, TimeZone("UTC+00:00", "file", weak=True)),
        (None, TimeZone()), (500, TimeZone()), (-START, TimeZone()),
    ],
)  # fmt: skip
def test_the_zone_is_local_time_minus_stamp_of_the_activity(tmp_path: Path, offset: int | None, zone: TimeZone) -> None:
    session = Session()
    session.activity(0, offset)
    assert zone_of(session, tmp_path) == zone


def settings_of(session: Session, offset: int, quarters: int = 0) -> None:
    session.message(
        2, (FitField(0, "uint8"), FitField(2, "uint32", 2), FitField(5, "sint8", 2)),
        {0: 0, 2: [offset % 2**32, 0], 5: [quarters, 0]},
    )  # fmt: skip


def test_the_time_offset_of_the_settings_is_signed(tmp_path: Path) -> None:
    session = Session()
    settings_of(session, 4_294_945_696)
    assert zone_of(session, tmp_path) == TimeZone("UTC-06:00", "device")


def test_quarters_of_an_hour_in_the_settings(tmp_path: Path) -> None:
    session = Session()
    settings_of(session, 0, quarters=-14)
    assert zone_of(session, tmp_path) == TimeZone("UTC-03:30", "device")


def test_settings_that_say_nothing_or_another_zone(tmp_path: Path) -> None:
    session = Session()
    settings_of(session, 0)
    assert zone_of(session, tmp_path) == TimeZone()
    session = Session()
    settings_of(session, 3600)
    session.activity(0, 7200)
    session.record(0)
    recording = read(tmp_path, session.finished())
    assert recording.timezone == TimeZone("UTC+02:00", "file") and "zone_differs" in codes(recording)


def test_the_callers_zone_wins_and_a_contradiction_is_told(tmp_path: Path) -> None:
    session = Session()
    session.activity(0, 7200)
    session.record(0)
    same = read(tmp_path, session.finished(), timezone="Europe/Vienna")
    assert same.timezone == TimeZone("Europe/Vienna", "user") and "zone_differs" not in codes(same)
    other = read(tmp_path, session.finished(), timezone="America/New_York")
    assert other.timezone.name == "America/New_York" and "zone_differs" in codes(other)
    with pytest.raises(TimeZoneError):
        read(tmp_path, session.finished(), timezone="Europe/Wien")


def test_a_day_on_which_the_clocks_change_tells_both_offsets(tmp_path: Path) -> None:
    session = Session()
    fields = (STAMP, FitField(0, "uint32"))
    session.message(103, fields, {253: START, 0: START + 3600})
    monitoring(session, [(START + 60, 50)])
    session.message(103, fields, {253: START + 7200, 0: START + 7200 + 7200})
    monitoring(session, [(START + 7260, 51)])
    recording = read(tmp_path, session.finished())
    assert seconds(recording.series["hr"].times_ns) == [60, 7260]
    assert recording.timezone == TimeZone("UTC+01:00", "file", weak=True) and "zone_changes" in codes(recording)


# series


def test_heart_rate_zero_is_missing_and_what_moves_stays_beside_it(tmp_path: Path) -> None:
    session = Session()
    fields = (STAMP, FitField(3, "uint8"), FitField(4, "uint8"), FitField(73, "uint32"))
    session.message(20, fields, *({253: START + i, 3: 70 * (i % 2), 4: 80, 73: 2500} for i in range(4)))
    series = read(tmp_path, session.finished()).series["hr"]
    np.testing.assert_array_equal(series.values, [NAN, 70, NAN, 70])
    assert (series.kind, series.unit) == ("hr", "/min")
    assert {name: column[0] for name, column in series.extras.items()} == {
        "cadence_per_min": 80, "enhanced_speed_m_per_s": 2.5,
    }  # fmt: skip


def test_a_heart_rate_that_is_always_zero_is_none(tmp_path: Path) -> None:
    session = Session()
    session.record(0, 0)
    with pytest.raises(InputError, match=r"holds no heart data.*says that there is none"):
        read(tmp_path, session.finished())


def test_summaries_of_a_health_file(tmp_path: Path) -> None:
    session = Session()
    session.file_id(32)
    hrv = tuple(FitField(i, "uint16") for i in range(6))
    session.message(
        370, (STAMP, *hrv, FitField(6, "enum")), {253: START, 0: 6400, 1: 5120, 2: 9600, 3: 30, 4: 40, 5: 50, 6: 4}
    )
    session.message(371, (STAMP, FitField(0, "uint16")), {253: START, 0: 5376}, {253: START + 300})
    session.message(211, (STAMP, FitField(0, "uint8"), FitField(1, "uint8")), {253: START, 0: 52, 1: 50})
    session.message(297, (STAMP, FitField(0, "sint16")), {253: START, 0: 1450}, {253: START + 60, 0: -100})
    session.message(275, (STAMP, FitField(0, "enum")), {253: START, 0: 2}, {253: START + 60, 0: 4})
    stress = (FitField(0, "sint16"), FitField(1, "uint32"))
    session.message(227, stress, {0: 25, 1: START}, {0: -2, 1: START + 180})
    recording = read(tmp_path, session.finished())
    shown = {name: (s.kind, s.unit, s.metric, s.context, s.values.tolist()) for name, s in recording.series.items()}
    assert shown.pop("respiration_rate")[4] == [14.5, pytest.approx(NAN, nan_ok=True)]
    assert shown.pop("stress")[4] == [25, pytest.approx(NAN, nan_ok=True)]
    assert shown == {
        "resting_hr": ("resting_hr", "/min", None, "unknown", [50]),
        "resting_hr_7_days": ("resting_hr", "/min", None, "unknown", [52]),
        "rmssd": ("hrv", "ms", "rmssd", "night", [42]),
        "rmssd_night": ("hrv", "ms", "rmssd", "night", [40]),
        "rmssd_night_high": ("hrv", "ms", "rmssd", "night", [75]),
        "rmssd_week": ("hrv", "ms", "rmssd", "night", [50]),
        "sleep": ("sleep", "1", None, "unknown", [3, 5]),
    }
    assert recording.series["rmssd"].window_s == 300
    assert recording.series["rmssd_night"].extras["status"].tolist() == [4]
    (notice,) = [n for n in recording.notices if n.code == "unverified"]
    assert "hrv_value" in notice.message and not recording.provenance.verified


def test_movement_of_a_health_file_is_context(tmp_path: Path) -> None:
    session = Session()
    fields = (STAMP, FitField(3, "uint32"), FitField(24, "byte"))
    session.message(
        55, fields,
        {253: START, 3: 20, 24: 6 | 2 << 5}, {253: START, 3: 30, 24: 1 | 3 << 5}, {253: START + 60, 24: 8},
    )  # fmt: skip
    series = read(tmp_path, session.finished()).series["intensity"]
    assert (seconds(series.times_ns), series.values.tolist()) == ([0, 60], [3, 0])
    assert series.extras["activity_type"].tolist() == [1, 8]
    np.testing.assert_array_equal(series.extras["cycles"], [15, NAN])


def test_a_health_snapshot_is_kept_as_extras(tmp_path: Path) -> None:
    session = Session()
    rows = ({253: START + i, 0: 1, 2: [60 + i, 61]} for i in range(2))
    session.message(308, (STAMP, FitField(0, "uint16"), FitField(2, "uint8", 4)), *rows)
    recording = read(tmp_path, session.finished())
    found = recording.extras["hsa_heart_rate"]
    assert encode_json(recording.extras, "x")
    assert found["heart_rate_per_min"].tolist() == [60, 61, 61, 61]
    assert found["heart_rate_per_min_row"].tolist() == [0, 0, 1, 1]


def test_cuff_readings(tmp_path: Path) -> None:
    session = Session()
    session.activity(0, 3600)
    fields = (STAMP, *(FitField(i, "uint16") for i in (0, 1, 2)), FitField(6, "uint8"), FitField(8, "enum"))
    session.message(
        51,
        fields,
        {253: START, 0: 121, 1: 79, 2: 93, 6: 61, 8: 0},
        {253: START + 60, 0: 131, 1: 85, 8: 4},
        {253: START + 120, 0: 121, 1: 79, 8: 2},
        {253: START + 180, 0: 79, 1: 121},
        {253: START + 240, 0: 121},
    )
    recording = read(tmp_path, session.finished(), participant="P01")
    first, second = recording.blood_pressure
    assert (first.participant, first.sbp, first.dbp, first.pulse) == ("P01", 121, 79, 61)
    assert first.measured_at is not None
    assert (first.measured_at.time_ns, first.measured_at.utc_offset_s) == (START_NS, 3600)
    assert first.extras == {"mean_arterial_pressure": "93"} and second.extras == {"status": "irregular heart rate"}
    assert [n.count for n in recording.notices if n.code == "out_of_range"] == [3]


# files


def test_two_chained_activities_are_two_recordings(tmp_path: Path) -> None:
    first, second, empty = Session(), Session(), Session()
    first.record(0)
    second.record(100)
    empty.file_id(2)
    found = read_all(tmp_path, first.finished() + second.finished() + empty.finished())
    assert [r.id for r in found] == ["x", "x_2"]
    assert [seconds(r.series["hr"].times_ns) for r in found] == [[0], [100]]


def test_a_folder_tells_which_of_its_files_hold_nothing(tmp_path: Path) -> None:
    good, bare = Session(), Session()
    good.record(0)
    bare.file_id(2)
    for name, data in (("a.fit", bare.finished()), ("b.FIT", good.finished()), ("c.fit", bare.finished())):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("x")
    source = Source(tmp_path)
    assert ADAPTER.sniff(source).members == ("a.fit", "b.FIT", "c.fit")
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert [n.file for n in recording.notices if n.code == "passed_over"] == ["a.fit", "c.fit"]
    (tmp_path / "b.FIT").unlink()
    with pytest.raises(InputError, match=r"no heart data.*settings"):
        list(ADAPTER.read(Source(tmp_path), ReadOptions()))


def test_a_zip_and_a_gzip_file_are_read_like_the_file(tmp_path: Path) -> None:
    session = Session()
    session.record(0)
    (tmp_path / "x.fit.gz").write_bytes(gzip.compress(session.finished()))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("P07/x.fit", session.finished())
    for name in ("x.fit.gz", "x.zip"):
        source = Source(tmp_path / name)
        assert ADAPTER.sniff(source).confidence > 0.9
        (recording,) = ADAPTER.read(source, ReadOptions())
        assert recording.id == "x" and recording.series["hr"].values.tolist() == [60]
    assert recording.participant == "P07"


def test_nothing_that_names_a_person_or_device_is_given_on(tmp_path: Path) -> None:
    session = Session()
    fields = (FitField(0, "enum"), FitField(1, "uint16"), FitField(3, "uint32z"), FitField(8, "string", 16))
    session.message(0, fields, {0: 4, 1: 1, 3: 777_888_999, 8: b"CANARYPRODUCT"})
    session.message(3, (FitField(0, "string", 16), FitField(2, "uint8")), {0: b"CANARYNAME", 2: 199})
    session.message(23, (STAMP, FitField(3, "uint32z"), FitField(27, "string", 16)), {3: 666_555_444, 27: b"CANARYDEV"})
    position = (STAMP, FitField(0, "sint32"), FitField(1, "sint32"), FitField(3, "uint8"))
    session.message(20, position, {253: START, 0: 555_666_777, 1: 444_333_222, 3: 60})
    session.hrv(800, 810)
    data = session.finished()
    name = "canary.person@example.org_1234.fit"
    (recording,) = read_all(tmp_path, data, name)
    manifest = ADAPTER.inspect(Source(tmp_path / name))
    shown = repr(recording) + repr(manifest) + repr(parts_of(data, "x"))
    for canary in ("CANARY", "canary", "example.org", "777888999", "666555444", "555666777", "444333222"):
        assert canary not in shown
    assert manifest.identifiers == (
        "e-mail address in file name", "positions", "serial number", "texts", "user profile",
    )  # fmt: skip
    with pytest.raises(AllostatError) as caught:
        read_all(tmp_path, data[:40], name)
    assert "canary" not in str(caught.value)


def test_inspect_says_what_read_gives(tmp_path: Path) -> None:
    session = Session()
    session.file_id()
    for second in range(10):
        session.record(second)
        session.hrv(1000)
    session.activity(10, 3600)
    recording = read(tmp_path, session.finished())
    manifest = ADAPTER.inspect(Source(tmp_path / "x.fit"))
    assert [(s.name, s.kind, s.n) for s in manifest.streams] == [("rr", "beats", 11), ("hr", "hr", 10)]
    assert (manifest.timezone, manifest.device, manifest.epoch) == (recording.timezone, recording.device, "utc")
    assert manifest.device.manufacturer == "Garmin" and manifest.verified
    bare = Session()
    bare.file_id(2)
    (tmp_path / "y.fit").write_bytes(bare.finished())
    assert [n.code for n in ADAPTER.inspect(Source(tmp_path / "y.fit")).notices] == ["no_heart_data"]


# real files


def real_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix.casefold() == ".fit")


@pytest.mark.parametrize(("folder", "files", "with_heart_data"), [("fit_fitparse", 42, 21), ("fit_garmin_sdk", 32, 20)])
def test_every_real_file_is_read_or_says_why_not(
    recordings: Callable[[str], Path], folder: str, files: int, with_heart_data: int
) -> None:
    found = real_files(recordings(folder))
    read_files = 0
    for path in found:
        source = Source(path)
        assert ADAPTER.sniff(source).confidence > 0.9
        ADAPTER.inspect(source)
        try:
            for recording in ADAPTER.read(source, ReadOptions()):
                assert recording.series or recording.beats
                assert recording.epoch in ("utc", "local")
            read_files += 1
        except InputError as error:
            assert "holds no heart data" in str(error)
    assert (len(found), read_files) == (files, with_heart_data)


def test_a_real_truncated_file_gives_all_complete_records(recordings: Callable[[str], Path]) -> None:
    (part,) = parts_of(recordings("fit_fitparse/nick.fit").read_bytes(), "x")
    assert len(part[20]) == 14_391
    assert {n.code for n in part.notices} == {"crc", "damaged"}


def test_monitoring_of_a_real_file(recordings: Callable[[str], Path]) -> None:
    (recording,) = ADAPTER.read(Source(recordings("fit_fitparse/MonitoringFile.fit")), ReadOptions())
    times = recording.series["intensity"].times_ns
    assert len(times) == 335  # of 337 messages, two share their stamps
    assert "cycles" in recording.series["intensity"].extras
    # local midnight to midnight
    assert (times[-1] / 1e9 - FIT_EPOCH_S) % 86_400 == 6 * 3600
    assert recording.timezone == TimeZone("UTC-06:00", "file")


_COMPARED = {
    "record": (20, {"timestamp": 253, "heart_rate": 3, "cadence": 4, "power": 7, "temperature": 13}),
    "event": (21, {"timestamp": 253, "event": 0, "event_type": 1}),
    "activity": (34, {"timestamp": 253, "local_timestamp": 5}),
    "hrv": (78, {"time": 0}),
    "monitoring": (55, {"timestamp": 253, "timestamp_16": 26}),
    "monitoring_info": (103, {"timestamp": 253, "local_timestamp": 0}),
    "hr": (132, {"timestamp": 253, "filtered_bpm": 6}),
}


_INVALID = {
    "power": "65535", "time": "65535", "timestamp_16": "65535", "temperature": "127", "timestamp": "4294967295",
    "local_timestamp": "4294967295",
}  # fmt: skip


def test_fields_are_those_that_the_makers_decoder_gives(recordings: Callable[[str], Path]) -> None:
    csv.field_size_limit(10**7)
    compared = 0
    for table in sorted(recordings("fit_garmin_sdk").rglob("*.csv.gz")):
        fit = table.with_name(table.name.removesuffix(".csv.gz") + ".fit")
        expected: dict[tuple[str, str], list[float]] = {}
        with gzip.open(table, "rt", encoding="utf-8-sig", newline="") as text:
            for row in csv.reader(text):
                if row[:1] != ["Data"] or row[2] not in _COMPARED:
                    continue
                for name, value in zip(row[3:-1:3], row[4::3], strict=False):
                    if name in _COMPARED[row[2]][1]:
                        # the table shows some invalid values as numbers
                        invalid = _INVALID.get(name, "255")
                        cells = [float(c) for c in value.split("|") if c not in ("", invalid)]
                        expected.setdefault((row[2], name), []).extend(cells)
        parts = parts_of(fit.read_bytes(), "x")
        for (message, name), values in expected.items():
            number, fields = _COMPARED[message]
            own = np.concatenate([part[number].arrays(fields[name])[1] for part in parts])
            own = own / 1000 if message == "hrv" else own
            np.testing.assert_allclose(
                own[: len(values)], values, rtol=1e-12, err_msg=f"{table.name}: {message}.{name}"
            )
            assert len(own) == len(values)
            compared += len(values)
    assert compared > 100_000
