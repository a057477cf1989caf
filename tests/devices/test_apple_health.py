"""What an Apple Health export gives: values, sources and cuff readings, and nothing that identifies a person."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import TimeZone
from allostat.source import Source
from allostat_devices.apple_health import ADAPTER
from tests.devices.apple_documents import AT, UNTIL, codes, document, hrv, read_all, read_one, record, utc_ns, watch


def test_heart_rate_keeps_its_motion_context(tmp_path: Path) -> None:
    context = '<MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="{}"/>'
    parts = [
        record("HeartRate", "72", "2024-03-04 20:14:00 +0100", inside=context.format(1)),
        record("HeartRate", "93.5", "2024-03-04 20:14:05 +0100", inside=context.format(2)),
        record("HeartRate", "61", "2024-03-04 20:14:10 +0100"),
    ]
    recording = read_one(tmp_path, *parts)
    series = recording.series["hr"]
    assert (recording.id, series.kind, series.unit, series.ends_ns) == ("watch", "hr", "/min", None)
    assert series.values.tolist() == [72.0, 93.5, 61.0]
    assert series.extras["motion_context"].tolist() == [1, 2, -1]
    assert series.times_ns[0] == utc_ns("2024-03-04T19:14:00+00:00")
    assert "unverified" in codes(recording) and not recording.provenance.verified


def test_resting_heart_rate_spans_its_day(tmp_path: Path) -> None:
    day = record("RestingHeartRate", "54", "2024-03-04 00:00:00 +0100", "2024-03-04 23:50:00 +0100")
    series = read_one(tmp_path, day).series["resting_hr"]
    assert series.ends_ns is not None and int(series.ends_ns[0] - series.times_ns[0]) == 85_800 * 10**9
    assert (series.kind, series.context) == ("resting_hr", "day")


def test_the_sdnn_of_the_vendor_stays_a_summary_with_its_window(tmp_path: Path) -> None:
    series = read_one(tmp_path, record("HeartRateVariabilitySDNN", "41.2345678901234567", AT, UNTIL)).series["sdnn"]
    assert (series.kind, series.metric, series.unit, series.window_s) == ("hrv", "sdnn", "ms", 60.0)
    assert series.values[0] == pytest.approx(41.2345678901234567, rel=1e-15)


def test_sleep_stages_and_time_in_bed_are_two_series(tmp_path: Path) -> None:
    stages = ["InBed", "AsleepCore", "AsleepDeep", "AsleepREM", "Awake", "Asleep", "AsleepUnspecified", "AsleepDeeper"]
    parts = [
        record(
            "HKCategoryTypeIdentifierSleepAnalysis",
            "HKCategoryValueSleepAnalysis" + stage,
            f"2024-03-04 0{i}:00:00 +0100",
            f"2024-03-04 0{i + 1}:00:00 +0100",
        )
        for i, stage in enumerate(stages)
    ]
    recording = read_one(tmp_path, *parts)
    assert recording.series["sleep"].values.tolist() == [3, 4, 5, 2, 1, 1]
    assert recording.series["in_bed"].values.tolist() == [0]
    (unknown,) = [n for n in recording.notices if n.code == "unsupported"]
    assert (unknown.count, unknown.first_line) == (1, 12)


def test_types_that_are_not_read_are_counted(tmp_path: Path) -> None:
    recording = read_one(tmp_path, record("HeartRate", "60"), *[record("StepCount", "9")] * 3)
    (notice,) = [n for n in recording.notices if n.code == "not_read"]
    assert notice.count == 3 and "3 StepCount" in notice.message


# ---- sources -------------------------------------------------------------------------------------------------------

PHONE = (
    ' sourceName="Anna\u2019s iPhone" device="&lt;&lt;HKDevice: 0x1&gt;, name:iPhone, manufacturer:Apple Inc., '
    'model:iPhone, hardware:iPhone14,5, software:17.1&gt;"'
)
STRAP = (
    ' sourceName="HRV App" device="&lt;&lt;HKDevice: 0x2&gt;, name:Polar H10 9C4F7A21, '
    'manufacturer:Polar Electro Oy, model:H10, hardware:39044024.11&gt;"'
)


def test_the_same_minute_from_watch_phone_and_app_is_kept_apart(tmp_path: Path) -> None:
    parts = [
        record("HeartRate", v, source=s)
        for v, s in (("60", watch()), ("61", PHONE), ("62", STRAP), ("63", ' sourceName="B"'))
    ]
    found = {r.id: r for r in read_all(tmp_path, document(*parts))}
    assert {name: r.series["hr"].values.tolist() for name, r in found.items()} == {
        "watch": [60.0], "phone": [61.0], "app_1": [62.0], "app_2": [63.0],
    }  # fmt: skip
    assert found["watch"].device.model == "Watch6,2" and found["watch"].device.firmware == "10.1"
    assert found["app_1"].device.manufacturer == "Polar" and found["app_1"].device.model is None


def test_the_pointer_of_a_device_makes_no_new_source(tmp_path: Path) -> None:
    parts = [record("HeartRate", "60", f"2024-03-04 20:{i:02d}:00 +0100", source=watch(f"{i:02x}")) for i in range(30)]
    assert len(read_one(tmp_path, *parts).series["hr"]) == 30


def test_a_new_version_is_the_same_watch_and_new_hardware_another(tmp_path: Path) -> None:
    newer = watch().replace("software:10.1", "software:10.2")
    other = watch().replace("Watch6,2", "Watch7,1")
    bare = ' sourceName="Apple\u00a0Watch"'
    parts = [
        record("HeartRate", "60", f"2024-03-04 20:1{i}:00 +0100", source=s)
        for i, s in enumerate((watch(), newer, bare))
    ]
    assert len(read_one(tmp_path, *parts).series["hr"]) == 3
    found = read_all(tmp_path, document(*parts, record("HeartRate", "70", source=other)))
    assert [r.id for r in found] == ["watch", "watch_2", "watch_3"]
    assert [r.device.model for r in found] == ["Watch6,2", None, "Watch7,1"]


# ---- blood pressure ------------------------------------------------------------------------------------------------


def pressure(systolic: str, diastolic: str, at: str = AT) -> str:
    return record("BloodPressureSystolic", systolic, at) + record("BloodPressureDiastolic", diastolic, at)


def correlation(inside: str, at: str = AT) -> str:
    head = f'<Correlation type="HKCorrelationTypeIdentifierBloodPressure"{watch()} startDate="{at}" endDate="{at}">'
    return f"{head}{inside}</Correlation>"


def test_a_reading_and_its_correlation_are_one(tmp_path: Path) -> None:
    recording = read_one(tmp_path, pressure("128", "81"), correlation(pressure("128", "81")), participant="sub-001")
    (reading,) = recording.blood_pressure
    assert (reading.participant, reading.sbp, reading.dbp) == ("sub-001", 128.0, 81.0)
    assert reading.measured_at is not None and reading.measured_at.time_ns == utc_ns("2024-03-04T19:14:00+00:00")
    assert not codes(recording) & {"duplicate", "truncated"}


def test_readings_of_one_minute_are_paired_by_their_correlations(tmp_path: Path) -> None:
    first, second = pressure("128", "81"), pressure("122", "79")
    inside = correlation(first) + correlation(
        record("BloodPressureDiastolic", "79") + record("BloodPressureSystolic", "122")
    )
    recording = read_one(tmp_path, first, second, inside)
    assert [(r.sbp, r.dbp) for r in recording.blood_pressure] == [(128, 81), (122, 79)]


def test_readings_without_a_correlation_are_paired_by_time(tmp_path: Path) -> None:
    recording = read_one(tmp_path, pressure("128", "81"), record("BloodPressureSystolic", "130", UNTIL))
    assert [(r.sbp, r.dbp) for r in recording.blood_pressure] == [(128, 81)]
    assert "truncated" in codes(recording)


def test_an_impossible_reading_is_counted_and_another_unit_refused(tmp_path: Path) -> None:
    parts = [pressure("60", "90"), pressure("120", "80", UNTIL), record("BloodPressureSystolic", "16", unit="kPa")]
    recording = read_one(tmp_path, *parts)
    assert len(recording.blood_pressure) == 1 and {"out_of_range", "unsupported"} <= codes(recording)


# ---- archives, identifiers -----------------------------------------------------------------------------------------


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


ECG = (
    'Name,CANARY-ECG-NAME\nDate of Birth,"1 Jan 1990 CANARY-BIRTH"\nRecorded Date,2024-03-04 21:14:00 +0200\n'
    'Classification,Sinus Rhythm\nSymptoms,CANARY-SYMPTOM\nSoftware Version,1.90\nDevice,"Watch6,2"\n'
    "Sample Rate,511.5 hertz\n\n\nLead,Lead I\nUnit,\u00b5V\n\n1.5\n2.5\n"
).encode()


def test_translated_names_are_found_by_content_and_the_cda_is_not_the_export(tmp_path: Path) -> None:
    members = {
        "apple_health_export/Exportieren.xml": document(hrv(["20:14:01.00"])),
        "apple_health_export/export_cda.xml": b"<ClinicalDocument><Record/></ClinicalDocument>",
        "apple_health_export/elektrokardiogramme/ekg_2024-03-04.csv": ECG,
        "apple_health_export/workout-routes/route.gpx": b"<gpx/>",
    }
    source = Source(archive(tmp_path / "Export.zip", members))
    sniff = ADAPTER.sniff(source)
    assert sniff.confidence > 0.9 and len(sniff.members) == 2
    found = list(ADAPTER.read(source, ReadOptions()))
    assert [r.id for r in found] == ["watch", "ekg_2024-03-04"]
    assert found[1].ecg.clock.rate_hz == 511.5 and found[1].provenance.verified
    # the ECG takes the zone of the person, not the one in which the phone printed its date
    assert found[1].timezone == TimeZone("UTC+01:00", "inferred")
    assert {"routes (GPS)", "names of devices and sources"} <= set(ADAPTER.inspect(source).identifiers)


def test_nothing_that_identifies_a_person_is_kept(tmp_path: Path) -> None:
    device = (
        "&lt;&lt;HKDevice: 0xCANARY0&gt;, name:CANARY-DEVICE, manufacturer:CANARY-MAKER, model:CANARY-MODEL, "
        "hardware:CANARY-HW, software:CANARY-SW, localIdentifier:CANARY-ID&gt;"
    )
    named = f' sourceName="CANARY-SOURCE" sourceVersion="CANARY-VERSION" device="{device}"'
    parts = [
        '<Me HKCharacteristicTypeIdentifierDateOfBirth="CANARY-DOB" cardioFitnessMedicationsUse="CANARY-DRUG"/>',
        record("HeartRate", "60", source=named, inside='<MetadataEntry key="CANARY-KEY" value="CANARY-NOTE"/>'),
        record("HeartRate", "CANARY-VALUE", UNTIL, source=' sourceName="CANARY-SOURCE"', unit="CANARY-UNIT"),
        hrv(["20:14:01.00"], more='<MetadataEntry key="HKTimeZone" value="CANARY/Zone"/>'),
        '<Record type="HKQuantityTypeIdentifierCANARY TYPE" value="1"/>',
        '<ClinicalRecord identifier="CANARY-CLINICAL"/>',
        '<Workout sourceName="CANARY-W"><WorkoutRoute sourceName="CANARY-R"/></Workout>',
        record("HKCategoryTypeIdentifierSleepAnalysis", "CANARY-SLEEP"),
    ]
    path = archive(tmp_path / "export.zip", {"a/export.xml": document(*parts), "a/ecg.csv": ECG})
    manifest = ADAPTER.inspect(Source(path))
    found = list(ADAPTER.read(Source(path), ReadOptions()))
    assert "CANARY" not in repr(manifest) + repr(found)
    assert {"birth date and sex", "clinical records", "routes (GPS)", "name and birth date in an ECG"} <= set(
        manifest.identifiers
    )


def test_an_export_without_heart_data_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 StepCount"):
        read_all(tmp_path, document(*[record("StepCount", "9")] * 2))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<ClinicalDocument/>", "HealthData"),
        (b"ab\x00" * 40, "NUL"),
        ("<HealthData>".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_sniffing_says_why_not(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "export.xml").write_bytes(content)
    sniff = ADAPTER.sniff(Source(tmp_path / "export.xml"))
    assert sniff.confidence == 0 and reason in sniff.reason


def test_the_manifest_counts_what_reading_gives(tmp_path: Path) -> None:
    content = document(record("HeartRate", "60"), hrv(["20:14:01.00", "20:14:02.00"]), pressure("128", "81"))
    (tmp_path / "export.xml").write_bytes(content)
    manifest = allostat.inspect(tmp_path / "export.xml")
    assert {s.name: s.n for s in manifest.streams} == {"ibi": 2, "hr": 1, "sdnn": 1, "blood_pressure": 1}
    assert manifest.timezone == TimeZone("UTC+01:00", "inferred") and not manifest.verified
