"""EDF, EDF+, BDF and Faros files, trap by trap."""

from __future__ import annotations

import gzip
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.waveforms import EdfTrack, write_edf, write_faros_export
from allostat.source import Source
from allostat_devices.edf import ADAPTER
from allostat_devices.edf_annotations import shown_label
from allostat_devices.edf_header import parse_header

START = datetime(2024, 3, 4, 22, 15, 7)  # noqa: DTZ001
START_NS = int(START.replace(tzinfo=UTC).timestamp()) * NS_PER_S
FULL = (-32768, 32767)


def ramp(n: int, label: str = "ECG", per_record: int = 10, **over: Any) -> EdfTrack:
    about: dict[str, Any] = {"unit": "uV", "physical_limits": ("-3276.8", "3276.7"), "digital_limits": FULL} | over
    return EdfTrack(label, np.arange(n) % 5000 - 2500, per_record, **about)


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def changed(path: Path, at: int, text: str, width: int) -> Path:
    raw = bytearray(path.read_bytes())
    raw[at : at + width] = text.encode("latin-1").ljust(width)[:width]
    path.write_bytes(raw)
    return path


def written(tmp_path: Path, tracks: list[EdfTrack] | None = None, name: str = "x.edf", **about: Any) -> Path:
    write_edf(tmp_path / name, tracks or [ramp(200)], START, **about)
    return tmp_path / name


def codes(recording: Recording) -> set[str]:
    return {notice.code for notice in recording.notices}


def test_digital_integers_are_kept_and_scaled_lazily(tmp_path: Path) -> None:
    ecg = read(written(tmp_path)).signals["ecg"]
    assert ecg.samples.dtype == np.int16 and ecg.unit == "uV" and ecg.kind == "ecg"
    np.testing.assert_array_equal(ecg.samples, np.arange(200) - 2500)
    np.testing.assert_allclose(ecg.physical(), (np.arange(200) - 2500) * 0.1, atol=1e-9)
    assert (ecg.clock.rate_hz, ecg.clock.start_ns, ecg.clock.epoch) == (10.0, START_NS, "local")


def test_the_zone_is_the_callers_because_the_file_tells_none(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert not read(path).timezone.known
    recording = read(path, timezone="Europe/Vienna")
    assert recording.epoch == "utc"
    assert recording.signals["ecg"].clock.start_ns == START_NS - 3600 * NS_PER_S


@pytest.mark.parametrize(("day", "hours"), [("2024-03-30", 23), ("2024-10-26", 25)])
def test_a_night_with_a_clock_change_has_23_or_25_hours(tmp_path: Path, day: str, hours: int) -> None:
    start = datetime.fromisoformat(day + "T12:00:00")
    write_edf(tmp_path / "x.edf", [ramp(hours * 60, per_record=1)], start, record_s=60)
    recording = read(tmp_path / "x.edf", timezone="Europe/Vienna")
    end = datetime.fromtimestamp(recording.span_ns[1] / NS_PER_S, allostat.zones.zone_info("Europe/Vienna"))
    assert (end.hour, end.day) == (12, start.day + 1)


def test_a_record_count_of_minus_one_is_counted_from_the_length(tmp_path: Path) -> None:
    recording = read(changed(written(tmp_path), 236, "-1", 8))
    assert len(recording.signals["ecg"]) == 200
    assert codes(recording) == {"header"}


def test_a_wrong_header_length_is_told_and_the_samples_stay_in_place(tmp_path: Path) -> None:
    recording = read(changed(written(tmp_path), 184, "256", 8))
    np.testing.assert_array_equal(recording.signals["ecg"].samples, np.arange(200) - 2500)
    assert codes(recording) == {"header"}


def test_an_incomplete_last_record_is_left_out_and_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    recording = read(path)
    assert len(recording.signals["ecg"]) == 190
    (notice,) = recording.notices
    assert (notice.code, notice.count) == ("truncated", 1)


def test_each_signal_has_its_own_rate(tmp_path: Path) -> None:
    tracks = [ramp(200), ramp(20, "Accelerometer_X", 1, unit="mg"), ramp(800, "SpO2", 40, unit="%")]
    recording = read(written(tmp_path, tracks))
    assert {n: (len(s), s.clock.rate_hz) for n, s in recording.signals.items()} == {
        "ecg": (200, 10.0), "acc_x": (20, 1.0), "spo2": (800, 40.0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"), [("uV", "uV"), ("µV", "uV"), ("mV", "mV"), ("", "1"), ("wug", "{wug}"), ("bpm", "/min")]
)
def test_unit_texts(tmp_path: Path, text: str, code: str) -> None:
    assert read(written(tmp_path, [ramp(20, unit=text)])).signals["ecg"].unit == code
    latin = written(tmp_path, [ramp(20)])
    changed(latin, 256 + 16 + 80, text, 8)
    assert read(latin).signals["ecg"].unit == code


@pytest.mark.parametrize(
    "limits", [{"digital_limits": (5, 5)}, {"physical_limits": ("0", "0")}, {"physical_limits": ("a", "b")}]
)
def test_limits_that_define_no_scale_leave_raw_integers(tmp_path: Path, limits: dict[str, Any]) -> None:
    recording = read(written(tmp_path, [ramp(20, **limits)]))
    ecg = recording.signals["ecg"]
    assert (ecg.scale, ecg.offset, ecg.unit) == (1.0, 0.0, "1")
    assert codes(recording) == {"no_scale"}


def test_a_negative_gain_turns_the_signal(tmp_path: Path) -> None:
    ecg = read(written(tmp_path, [ramp(20, physical_limits=("3276.7", "-3276.8"))])).signals["ecg"]
    assert ecg.physical()[0] == pytest.approx(-(-2500 * 0.1) - 0.1)


@pytest.mark.parametrize(
    ("date", "year"),
    [("01.02.85", 1985), ("01.02.99", 1999), ("01.02.00", 2000), ("01.02.84", 2084), ("01.02.24", 2024)],
)
def test_two_digit_years_from_85_on_are_of_the_last_century(tmp_path: Path, date: str, year: int) -> None:
    path = changed(written(tmp_path, recording=""), 168, date, 8)
    stamp = read(path).signals["ecg"].clock.start_ns
    assert datetime.fromtimestamp(stamp / NS_PER_S, UTC).year == year


def test_the_year_of_the_recording_text_wins_over_two_digits(tmp_path: Path) -> None:
    path = changed(written(tmp_path, recording="Startdate 01-FEB-2085 X X X"), 168, "01.02.85", 8)
    stamp = read(path).signals["ecg"].clock.start_ns
    assert datetime.fromtimestamp(stamp / NS_PER_S, UTC).year == 2085


@pytest.mark.parametrize(
    ("date", "recording"), [("01.01.85", ""), ("01.01.85", "Startdate X X X X"), ("XX.XX.XX", ""), ("31.02.20", "")]
)
def test_a_hidden_start_date_makes_time_relative(tmp_path: Path, date: str, recording: str) -> None:
    found = read(changed(written(tmp_path, recording=recording), 168, date, 8), timezone="Europe/Vienna")
    assert (found.epoch, found.signals["ecg"].clock.start_ns) == ("relative", 0)


def test_the_onset_of_each_record_is_the_gap_table_of_a_file_with_holes(tmp_path: Path) -> None:
    onsets = [0.25, 1.25, 2.25, 10.25, 11.25]
    recording = read(written(tmp_path, [ramp(50)], variant="EDF+D", onsets_s=onsets))
    clock = recording.signals["ecg"].clock
    assert [b.start_index for b in clock.blocks] == [0, 30]
    assert clock.start_ns == START_NS + NS_PER_S // 4
    (gap,) = clock.gaps
    assert (gap.end_ns - gap.start_ns) / NS_PER_S == 7.0
    assert "unverified" in codes(recording) and not recording.provenance.verified


def test_records_that_overlap_or_run_backwards_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, [ramp(60)], variant="EDF+D", onsets_s=[0, 1, 1.5, 2, 1000, 3])
    recording = read(path)
    assert [b.t0_ns - START_NS for b in recording.signals["ecg"].clock.blocks] == [0]
    np.testing.assert_array_equal(recording.signals["ecg"].samples + 2500, [*range(20), *range(30, 40), *range(50, 60)])
    (notice,) = [n for n in recording.notices if n.code == "bad_time"]
    assert notice.count == 2


def test_a_record_without_a_stamp_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, [ramp(30)], variant="EDF+D", onsets_s=[0, 1, 2])
    raw = path.read_bytes().replace(b"+1\x14\x14", b"?1\x14\x14")
    path.write_bytes(raw)
    assert [b.start_index for b in read(path).signals["ecg"].clock.blocks] == [0, 10]


def test_the_stamp_of_the_first_record_holds_the_fraction_of_a_second(tmp_path: Path) -> None:
    path = written(tmp_path, [ramp(30)], variant="EDF+C", onsets_s=[0.394531, 1.394531, 2.394531])
    assert read(path).signals["ecg"].clock.start_ns == START_NS + 394_531_000


def test_annotations_are_markers_and_free_text_is_not_kept(tmp_path: Path) -> None:
    marks = [(1.5, "Lights off"), (2.0, "Sleep stage W"), (2.5, "ask Mr CANARY")]
    recording = read(written(tmp_path, [ramp(50)], variant="EDF+C", annotations=marks))
    assert [(m.time_ns - START_NS, m.label) for m in recording.markers] == [
        (15 * 10**8, "Lights off"), (2 * 10**9, "Sleep stage W"), (25 * 10**8, "annotation"),
    ]  # fmt: skip
    assert codes(recording) == {"free_text"}
    assert shown_label("Lights off@@EEG F4-A1") == "Lights off"
    assert shown_label("eventful story") == "annotation"


def test_bdf_has_24_bits(tmp_path: Path) -> None:
    values = np.array([-(1 << 23), -1, 0, 1, (1 << 23) - 1, -8_000_000, 70_000, -70_000, 5, 6])
    track = EdfTrack("EKG", values, 5, "uV", ("-8388608", "8388607"), (-(1 << 23), (1 << 23) - 1))
    ecg = read(written(tmp_path, [track], "x.bdf", variant="BDF")).signals["ecg_ekg"]
    assert ecg.samples.dtype == np.int32
    np.testing.assert_array_equal(ecg.samples, values)
    np.testing.assert_allclose(ecg.physical(), values, atol=1e-6)


def test_a_faros_tells_its_zone_and_hides_its_serial(tmp_path: Path) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 7, 4, 22, 0), 0.02, "Europe/Vienna")  # noqa: DTZ001
    recording = read(write_faros_export(worn, tmp_path))
    assert (recording.timezone.name, recording.timezone.source) == ("UTC+02:00", "file")
    assert recording.device.model == "Faros180" and recording.device.firmware == "3.5.1"
    assert recording.epoch == "utc"
    assert list(recording.signals) == ["ecg", "acc_x", "acc_y", "acc_z", "marker", "hrv"]
    np.testing.assert_array_equal(recording.ecg.samples, worn.ecg(250.0).samples[: len(recording.ecg)])
    assert recording.ecg.clock.start_ns == worn.start_ns
    assert [m.label for m in recording.markers] == ["marker"]
    hrv = recording.signals["hrv"]
    assert np.isnan(hrv.physical()[0]) and hrv.missing == 0 and not recording.beats
    named = read(tmp_path / "sub-001_faros.EDF", timezone="America/New_York")
    assert named.timezone.source == "user" and "zone_differs" in codes(named)
    assert "zone_differs" not in codes(read(tmp_path / "sub-001_faros.EDF", timezone="Europe/Berlin"))


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    patient = "CANARY1 F 02-MAY-1951 CANARY2_Jane"
    text = "Startdate 04-MAR-2024 CANARY3 CANARY4 SW=3.5.1_SER=CANARY5_DEVTYPE=Faros180_TZ=+0100"
    path = written(
        tmp_path, [ramp(20)], variant="EDF+C", patient=patient, recording=text, annotations=[(0.5, "CANARY6")]
    )
    recording, manifest = read(path), ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(recording) + repr(manifest) + str(recording.extras)
    assert recording.extras == {"age_years": 72, "sex": "F"}
    assert "1951" not in repr(recording)
    assert set(manifest.identifiers) == {
        "patient text in header", "birth date in header", "recording text in header", "serial number in header",
    }  # fmt: skip


def test_ages_above_89_are_one_group(tmp_path: Path) -> None:
    path = written(tmp_path, patient="X M 01-JAN-1920 X")
    assert read(path).extras["age_years"] == 90


def test_packed_and_archived_files_give_the_same(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "y.edf.gz").write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "sub-007/night.edf")
    for other in ("y.edf.gz", "z.zip"):
        np.testing.assert_array_equal(read(tmp_path / other).ecg.samples, read(path).ecg.samples)
    assert read(tmp_path / "z.zip").participant == "sub-007"


@pytest.mark.parametrize(
    ("at", "text", "width"),
    [
        (252, "0", 4),
        (252, "-3", 4),
        (244, "0", 8),
        (244, "nan", 8),
        (256 + 16 + 80 + 5 * 8 + 80, "-1", 8),
        (256 + 16 + 80 + 5 * 8 + 80, "1e14", 8),
    ],
)
def test_headers_without_a_way_to_the_samples_are_refused(tmp_path: Path, at: int, text: str, width: int) -> None:
    with pytest.raises(InputError):
        read(changed(written(tmp_path), at, text, width))


def test_more_records_than_the_file_holds_are_told_and_take_no_memory(tmp_path: Path) -> None:
    recording = read(changed(written(tmp_path), 236, "99999999", 8))
    assert len(recording.signals["ecg"]) == 200
    assert [(n.code, n.severity) for n in recording.notices] == [("truncated", "error")]


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    path = changed(written(tmp_path), 236, "-1", 8)
    with path.open("r+b") as file:
        file.truncate(10 << 30)
    with pytest.raises(InputError, match="holes"):
        read(path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_writing_and_reading_are_inverse(tmp_path: Path, data: st.DataObject) -> None:
    rates = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
    count = data.draw(st.integers(1, 9))
    variant = data.draw(st.sampled_from(["EDF", "EDF+C", "EDF+D", "BDF"]))
    half = 1 << (23 if variant == "BDF" else 15)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    tracks = [
        EdfTrack(f"s{i}", rng.integers(-half, half, rate * count), rate, "uV", ("-100", "100"), (-half, half - 1))
        for i, rate in enumerate(rates)
    ]
    recording = read(written(tmp_path, tracks, variant=variant))
    for i, track in enumerate(tracks):
        np.testing.assert_array_equal(recording.signals[f"s{i}"].samples, track.digital)


def _edfio(path: Path) -> Any:
    from edfio import read_bdf, read_edf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_bdf(path) if path.suffix == ".bdf" else read_edf(path)


@pytest.mark.parametrize(
    "name",
    [
        "EDFmontage0.edf",
        "pyedflib/test_subsecond.edf",
        "pyedflib/test_utf8.edf",
        "pyedflib/test_generator_datarec_generator_2.bdf",
    ],
)
def test_real_files_as_edfio_reads_them(recordings: Callable[[str], Path], name: str) -> None:
    pytest.importorskip("edfio")
    path = recordings("edf_ecg") / name
    theirs, ours = _edfio(path), read(path)
    assert len(theirs.signals) == len(ours.signals)
    for signal, own in zip(theirs.signals, ours.signals.values(), strict=True):
        np.testing.assert_array_equal(own.samples, signal.digital)
        np.testing.assert_allclose(own.physical(0, 2000), signal.data[:2000], atol=1e-9 * np.abs(signal.data).max())
        assert own.clock.rate_hz == pytest.approx(signal.sampling_frequency)
    started = datetime.fromtimestamp(ours.span_ns[0] / NS_PER_S, UTC)
    assert abs((started.replace(tzinfo=None) - theirs.startdatetime).total_seconds()) < 2e-6
    assert len(ours.markers) == len(theirs.annotations)
    if theirs.annotations:
        onsets = [(m.time_ns - ours.span_ns[0]) / NS_PER_S for m in ours.markers]
        np.testing.assert_allclose(onsets, [a.onset for a in theirs.annotations], atol=2e-6)


def test_a_real_montage_of_mixed_rates(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("edf_ecg") / "EDFmontage0.edf")
    assert sorted({s.clock.rate_hz for s in recording.signals.values()}) == [25.0, 50.0, 100.0, 200.0]
    assert {s.duration_s for s in recording.signals.values()} == {900.0}
    assert ADAPTER.sniff(Source(recordings("edf_ecg") / "EDFmontage0.edf")).confidence > 0.9


def test_a_real_file_of_annotations_alone(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("wfdb_samples") / "test_edfann.edf")
    assert len(recording.markers) == 856 and recording.markers[0].label == "Sleep stage W"
    assert recording.epoch == "relative"


def test_damaged_headers_name_the_field() -> None:
    head = b"0".ljust(8) + b" " * 176 + b"512".ljust(8) + b" " * 44 + b"1".ljust(8) + b"1".ljust(8) + b"x".ljust(4)
    with pytest.raises(InputError, match="number of signals"):
        parse_header(head, "x.edf")
