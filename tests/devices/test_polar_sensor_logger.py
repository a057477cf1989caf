"""Polar Sensor Logger, trap by trap."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError, TimeZoneError
from allostat.recording import BeatFlag, Recording
from allostat.source import Source
from allostat_devices.polar_files import SENSOR_EPOCH_NS, phone_times
from allostat_devices.polar_sensor_logger import ADAPTER

UTC0 = 1_785_117_386_544_000_000  # 2026-07-27T01:56:26.544Z
HOUR = 3600 * 10**9


def iso(ns: int) -> str:
    return str(np.datetime64(int(ns) // 10**6, "ms"))


def ecg_file(
    n: int = 400, zone_h: float = -4, start: int = UTC0, late_ns: int = 220_000_000, rate: float = 130.04
) -> str:
    rows = ["Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"]
    for i in range(n):
        at = start + round(i * 1e9 / rate)
        phone = at + late_ns + round(zone_h * HOUR)
        rows.append(f"{iso(phone)};{at - SENSOR_EPOCH_NS};{i * 1e3 / rate};{-166 + i % 50}")
    return "\n".join(rows) + "\n"


def ppg_file(n: int = 300, zone_h: float = -4, tail: str = ";", late_ns: int = 870_000_000) -> str:
    rows = ["Phone timestamp;sensor timestamp [ns];channel 0;channel 1;channel 2;ambient "]
    for i in range(n):
        at = UTC0 + round(i * 1e9 / 54.75)
        phone = at + late_ns + round(zone_h * HOUR)
        rows.append(f"{iso(phone)};{at - SENSOR_EPOCH_NS};{261545 + i};{278928 - i};293066;-644{tail}")
    return "\n".join(rows) + "\n"


PPI_B = "Phone timestamp;PP-interval [ms];error estimate [ms];blocker;contact;contact;hr [bpm]\n"
PPI_A = (
    "Phone timestamp;sensor timestamp [ns];HR [bpm];"
    "PP-interval [ms];error estimate [ms];blocker;skin contact;skin contact supported\n"
)
PP = [1000, 1010, 990, 1005, 1020, 995, 1000, 1015, 1005, 990]


def read(path: Path, **options: str) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))  # type: ignore[arg-type]
    return recording


def written(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_the_documented_example_decodes_to_its_instant() -> None:
    assert 838_432_586_543_515_816 + SENSOR_EPOCH_NS == 1_785_117_386_543_515_816
    assert phone_times(["2026-07-26T21:56:26.765"])[0] == 1_785_102_986_765_000_000


def test_zone_and_grid_come_from_the_sensor_clock(tmp_path: Path) -> None:
    path = written(tmp_path, {"x_ECG.txt": ecg_file()}) / "x_ECG.txt"
    recording = read(path)
    ecg = recording.ecg
    assert (recording.timezone.name, recording.timezone.source, recording.timezone.weak) == (
        "UTC-04:00",
        "inferred",
        False,
    )
    assert (recording.epoch, ecg.unit, ecg.samples.dtype) == ("utc", "uV", np.dtype(np.int32))
    assert abs(ecg.clock.start_ns - UTC0) < 1000
    assert ecg.clock.rate_hz == pytest.approx(130.04, rel=1e-6)
    assert ecg.clock.blocks[0].nominal_hz == 130.0
    assert ecg.clock.host_offset_ns is not None
    assert abs(ecg.clock.host_offset_ns + 4 * HOUR - 220_000_000) < 2_000_000
    assert not recording.provenance.verified


def test_an_offset_of_zero_is_weak(tmp_path: Path) -> None:
    recording = read(written(tmp_path, {"x_ECG.txt": ecg_file(zone_h=0)}))
    assert recording.timezone.weak
    assert "zone_weak" in {n.code for n in recording.notices}


def test_a_zone_that_fits_is_taken_with_its_source(tmp_path: Path) -> None:
    path = written(tmp_path, {"x_ECG.txt": ecg_file()})
    recording = read(path, timezone="America/New_York", timezone_source="profile")
    assert (recording.timezone.name, recording.timezone.source) == ("America/New_York", "profile")
    assert abs(recording.ecg.clock.start_ns - UTC0) < 1000


def test_a_sensor_clock_in_local_time_is_put_right_by_the_zone(tmp_path: Path) -> None:
    path = written(tmp_path, {"x_ECG.txt": ecg_file(zone_h=0)})
    recording = read(path, timezone="Europe/Vienna")
    assert abs(recording.ecg.clock.start_ns - (UTC0 - 2 * HOUR)) < 1000
    assert "device_clock_local" in {n.code for n in recording.notices}


def test_a_zone_that_contradicts_both_clocks_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, {"x_ECG.txt": ecg_file()})
    recording = read(path, timezone="Asia/Tokyo")
    assert abs(recording.ecg.clock.start_ns - UTC0) < 1000
    assert "zone_conflict" in {n.code for n in recording.notices}
    with pytest.raises(TimeZoneError, match="nearest valid: 'Asia/Tokyo'"):
        read(path, timezone="Asia/Tokio")


def test_an_unset_sensor_clock_leaves_the_zone_unknown_and_time_to_the_phone(tmp_path: Path) -> None:
    years = 3 * 365 * 24
    path = written(tmp_path, {"x_ECG.txt": ecg_file(zone_h=years)})
    recording = read(path)
    assert (recording.timezone.known, recording.epoch) == (False, "local")
    assert abs(recording.ecg.clock.start_ns - (UTC0 + years * HOUR + 220_000_000)) < 2_000_000
    placed = read(path, timezone="UTC+02:00")
    assert placed.epoch == "utc"
    assert recording.ecg.clock.start_ns - placed.ecg.clock.start_ns == 2 * HOUR


def test_streams_are_aligned_on_the_sensor_clock_whatever_their_delay(tmp_path: Path) -> None:
    recording = read(written(tmp_path, {"x_ECG.txt": ecg_file(), "x_PPG.txt": ppg_file()}))
    assert abs(recording.ecg.clock.start_ns - recording.ppg.clock.start_ns) < 1000
    assert list(recording.signals) == ["ecg", "ppg_0", "ppg_1", "ppg_2", "ppg_ambient"]
    assert recording.signals["ppg_ambient"].kind == "other"


@pytest.mark.parametrize("tail", ["", ";", ";;"])
def test_trailing_separators_and_blanks_in_the_header(tmp_path: Path, tail: str) -> None:
    recording = read(written(tmp_path, {"x_PPG.txt": ppg_file(tail=tail)}))
    np.testing.assert_array_equal(recording.ppg.samples, 261_545 + np.arange(300))
    assert recording.ppg.clock.blocks[0].nominal_hz == 55.0


def test_one_channel_variant(tmp_path: Path) -> None:
    rows = [";".join(row.split(";")[:3]) for row in ppg_file(tail="").splitlines()]
    recording = read(written(tmp_path, {"x_PPG.txt": "\n".join(rows)}))
    assert list(recording.signals) == ["ppg_0"]


def test_motion_streams(tmp_path: Path) -> None:
    head = "Phone timestamp;sensor timestamp [ns];X [{u}];Y [{u}];Z [{u}]\n"
    at = [UTC0 + i * 19_340_386 for i in range(100)]
    for name, unit, value, kept in (
        ("acc", "mg", "-777", "m[g]"),
        ("gyro", "dps", "0.42000002", "deg/s"),
        ("magn", "G", "-1.2495", "G"),
    ):
        rows = "".join(f"{iso(t)};{t - SENSOR_EPOCH_NS};{value};0.0;1\n" for t in at)
        recording = read(written(tmp_path / name, {"m.txt": head.format(u=unit) + rows}))
        signal = recording.signals[f"{name}_x"]
        assert (signal.kind, signal.unit) == (name, kept)
        assert signal.physical(0, 1)[0] == pytest.approx(float(value), rel=1e-7)
    assert recording.signals["magn_x"].samples.dtype == np.int32


def test_a_gap_on_the_sensor_clock_is_a_new_block(tmp_path: Path) -> None:
    rows = ecg_file().splitlines()
    del rows[100:180]
    recording = read(written(tmp_path, {"x_ECG.txt": "\n".join(rows)}))
    assert [b.start_index for b in recording.ecg.clock.blocks] == [0, 99]


def pp_rows(stamps: list[int], *, extra: str = "8;0;1;1;60") -> str:
    return "".join(f"{iso(t)};{pp};{extra}\n" for t, pp in zip(stamps, PP, strict=True))


def test_start_stamped_intervals_end_later(tmp_path: Path) -> None:
    starts = UTC0 + np.concatenate([[0], np.cumsum(PP[:-1])]) * 10**6
    recording = read(written(tmp_path, {"x_PPI.txt": PPI_B + pp_rows(list(starts))}))
    beats = recording.beats["ppi"]
    assert recording.epoch == "local"
    np.testing.assert_array_equal(beats.intervals_ms[1:], PP)
    assert beats.times_ns[0] == UTC0
    assert beats.times_ns[1] == UTC0 + PP[0] * 10**6
    assert "start of its interval" in next(n.message for n in recording.notices if n.code == "stamps")


def test_end_stamped_intervals(tmp_path: Path) -> None:
    ends = UTC0 + np.cumsum(PP) * 10**6
    beats = read(written(tmp_path, {"x_PPI.txt": PPI_B + pp_rows(list(ends))})).beats["ppi"]
    np.testing.assert_array_equal(beats.intervals_ms[1:], PP)
    assert beats.times_ns[0] == UTC0


def test_batch_arrival_is_filled_backwards(tmp_path: Path) -> None:
    ends = np.cumsum(PP)
    arrival = UTC0 + np.repeat([ends[4] + 300, ends[9] + 700], 5) * 10**6
    rows = "".join(f"{iso(t)};0;60;{pp};8;0;1;1\n" for t, pp in zip(arrival, PP, strict=True))
    recording = read(written(tmp_path, {"x_PPI.txt": PPI_A + rows}))
    beats = recording.beats["ppi"]
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, *PP[:5], np.nan, *PP[5:]])
    np.testing.assert_array_equal(beats.times_ns[1:6], UTC0 + (ends[:5] + 300) * 10**6)
    assert "batch" in next(n.message for n in recording.notices if n.code == "stamps")


def test_rows_that_break_the_rule_open_a_new_stretch(tmp_path: Path) -> None:
    starts = UTC0 + np.concatenate([[0], np.cumsum(PP[:-1])]) * 10**6
    starts[6:] += 5 * 10**9
    beats = read(written(tmp_path, {"x_PPI.txt": PPI_B + pp_rows(list(starts))})).beats["ppi"]
    assert len(beats.gaps) == 1
    assert len(beats) == len(PP) + 2


def test_quality_marks_flag_beats_and_drop_none(tmp_path: Path) -> None:
    marks = ["8;0;1;1;60", "8;1;1;1;60", "882;0;1;1;60", "8;0;0;1;60", "8;0;0;0;60", "8;0;1;1;0"] + ["8;0;1;1;60"] * 4
    starts = UTC0 + np.concatenate([[0], np.cumsum(PP[:-1])]) * 10**6
    rows = "".join(f"{iso(t)};{pp};{m}\n" for t, pp, m in zip(starts, PP, marks, strict=True))
    beats = read(written(tmp_path, {"x_PPI.txt": PPI_B + rows})).beats["ppi"]
    bad = BeatFlag.UNUSABLE
    assert list(beats.flags) == [0, 0, bad, bad, bad, 0, bad, 0, 0, 0, 0]
    assert int(np.isfinite(beats.intervals_ms).sum()) == len(PP)
    assert beats.uncertainty_ms is not None
    assert beats.uncertainty_ms[3] == 882


def test_strap_intervals_by_arrival(tmp_path: Path) -> None:
    rr = np.array([800 + 20 * (i % 5) for i in range(200)])
    late = UTC0 + (np.ceil(np.cumsum(rr) / 1000) * 1000).astype(np.int64) * 10**6
    rows = "".join(f"{iso(t)};72;{v}\n" for t, v in zip(late, rr, strict=True))
    recording = read(written(tmp_path, {"x_RR.txt": "Phone timestamp;HR [bpm];RR-interval [ms]\n" + rows}))
    beats = recording.beats["rr"]
    np.testing.assert_array_equal(beats.intervals_ms[1:], rr)
    assert beats.gaps == ()


def test_heart_rate_of_zero_is_none(tmp_path: Path) -> None:
    rows = "".join(f"{iso(UTC0 + i * 10**9)};{66 if i % 3 else 0}\n" for i in range(30))
    signal = read(written(tmp_path, {"x_HR.txt": "Phone timestamp;HR [bpm]\n" + rows})).signals["hr"]
    assert np.isnan(signal.physical()[0])
    assert signal.clock.rate_hz == pytest.approx(1.0)


def test_markers_lose_their_trailing_blank_and_share_the_clock(tmp_path: Path) -> None:
    marker = f"Phone timestamp;Marker start/stop\n{iso(UTC0 - 4 * HOUR + 10**9)};MARKER_START \nnever;MARKER_STOP \n"
    recording = read(written(tmp_path, {"x_ECG.txt": ecg_file(), "MARKER.txt": marker}))
    ((at, label),) = [(m.time_ns, m.label) for m in recording.markers]
    assert label == "MARKER_START"
    assert abs(at - (UTC0 + 10**9 - 220_000_000)) < 2_000_000
    assert ("bad_time", 3) in {(n.code, n.first_line) for n in recording.notices}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("x;1;2;3", "bad_time"),
        ("2026-07-26T21:56:26.765;x;0;-166", "bad_time"),
        ("2026-13-26T21:56:26.765;838432586543515816;0;-166", "bad_time"),
        ("2026-07-26T21:56:26.765;838432586543515816;0;nan", "bad_number"),
        ("2026-07-26T21:56:26.765;" + "9" * 400 + ";0;1", "bad_time"),
        ("2026-07-26T21:56", "truncated"),
        ("2026-07-26T21:56:26.765;838432586543515816;0;-166;7", "unsupported"),
    ],
)
def test_bad_rows_are_counted_with_their_line(tmp_path: Path, row: str, code: str) -> None:
    rows = ecg_file().splitlines()
    rows[200] = row
    recording = read(written(tmp_path, {"x_ECG.txt": "\n".join(rows)}))
    assert (code, 1, 201) in {(n.code, n.count, n.first_line) for n in recording.notices}
    assert len(recording.ecg) == 399


def test_a_missing_column_offers_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, {"x_ACC.txt": "Phone timestamp;sensor timestamp [ns];X [mg];Y [m g];Z [mg]\n"})
    with pytest.raises(
        InputError, match=r"x_ACC\.txt, line 1: column is missing.*'y \[mg\]'.*nearest valid: 'y \[m g\]'"
    ):
        read(path)
    other = written(tmp_path / "o", {"x.txt": "Phone timestamp;resp [mV]\n2026-07-26T21:56:26.765;3\n"})
    with pytest.raises(InputError, match="belongs to no stream"):
        read(other)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    head = ecg_file().splitlines()[0]
    for content in (head + "\n", head + "\n" + "2026-07-26T21:56:26.765;838432586543515816;0;nan\n" * 20):
        with pytest.raises(InputError, match="holds no usable row"):
            read(written(tmp_path, {"x_ECG.txt": content}))


def test_the_device_id_in_the_file_name_stays_out(tmp_path: Path) -> None:
    path = written(tmp_path, {"Polar_H10_9C3A21F7_20260726_215626_ECG.txt": ecg_file()})
    manifest = ADAPTER.inspect(Source(path))
    recording = read(path)
    assert manifest.identifiers == ("device id in file name",)
    assert "9C3A21F7" not in repr(manifest) + repr(recording)
    assert recording.device.model == "H10"


def test_two_recordings_in_one_folder_stay_apart(tmp_path: Path) -> None:
    files = {f"Polar_H10_{day}_ECG.txt": ecg_file(start=UTC0 + i * 24 * HOUR) for i, day in enumerate(("mon", "tue"))}
    path = written(tmp_path, files | {"Polar_H10_mon_PPG.txt": ppg_file()})
    recordings = list(ADAPTER.read(Source(path), ReadOptions()))
    assert [sorted(r.signals)[:2] for r in recordings] == [["ecg", "ppg_0"], ["ecg"]]
    assert len({r.id for r in recordings}) == 2


def test_zip_and_shadows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("day/x_ECG.txt", ecg_file())
        archive.writestr("day/._x_ECG.txt", b"\x00\x05\x16\x07")
        archive.writestr("day/readme.txt", "hello")
    source = Source(tmp_path / "z.zip")
    assert ADAPTER.sniff(source).members == ("day/x_ECG.txt",)
    assert len(read(tmp_path / "z.zip").ecg) == 400


def test_real_verity_sense(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("polar_verity_psl"))
    (recording,) = ADAPTER.read(source, ReadOptions())
    counts = {name: len(signal) for name, signal in recording.signals.items()}
    assert counts["ppg_0"] == counts["ppg_ambient"] == 28_143
    assert (counts["acc_x"], counts["gyro_x"], counts["magn_x"], counts["hr"]) == (26_526, 26_457, 25_343, 548)
    assert recording.ppg.clock.rate_hz == pytest.approx(54.75, abs=0.005)
    assert recording.signals["acc_x"].clock.rate_hz == pytest.approx(51.705, abs=0.005)
    assert all(len(s.clock.blocks) == 1 for name, s in recording.signals.items() if name != "hr")
    beats = recording.beats["ppi"]
    assert int(np.isfinite(beats.intervals_ms).sum()) == 442
    assert len(beats.gaps) == 441 - 339
    assert int((beats.flags == BeatFlag.UNUSABLE).sum()) == 39
    assert [m.label for m in recording.markers] == ["MARKER_START", "MARKER_STOP"]
    assert (recording.timezone.name, recording.timezone.weak) == ("UTC+00:00", True)
    assert recording.provenance.verified
    starts = [s.clock.start_ns for name, s in recording.signals.items() if name != "hr"]
    assert max(starts) - min(starts) < 5 * 10**8
    manifest = {s.name: s.n for s in ADAPTER.inspect(source).streams}
    assert manifest == {
        "marker": 2,
        "acc": 26_526,
        "gyro": 26_457,
        "hr": 548,
        "magn": 25_343,
        "ppg": 28_143,
        "ppi": 442,
    }
