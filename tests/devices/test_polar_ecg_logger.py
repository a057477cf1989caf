"""ECG logger CSV, trap by trap."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.number_columns import exact_integers
from allostat_devices.polar_ecg_logger import ADAPTER

T0 = 1_714_920_600_006_020_000
STEP = 7_682_800


def csv(n: int = 400, rate_step: int = STEP) -> list[str]:
    """Rows of ``n`` samples with an RR interval in each packet of 73."""
    rows = ["time,ecg,hr,rr"]
    for i in range(n):
        beat = ",72,800" if i % 73 == 0 else ",,"
        rows.append(f"{float(T0 + i * rate_step)!r},{round(np.sin(i / 9), 3)}{beat}")
    return rows


def read(path: Path, rows: list[str] | bytes, **options: str) -> Recording:
    path.write_bytes(rows if isinstance(rows, bytes) else ("\n".join(rows) + "\n").encode())
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))  # type: ignore[arg-type]
    return recording


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "polar.csv"


def test_time_text_is_read_as_an_exact_decimal() -> None:
    assert exact_integers(["1.71492060000602e+18"])[0] == 1_714_920_600_006_020_000
    assert int(float("1.71492060000602e+18")) != 1_714_920_600_006_020_000


@settings(max_examples=50, deadline=None)
@given(st.integers(10**17, 9 * 10**18))
def test_any_integer_survives_scientific_notation(value: int) -> None:
    digits = str(value)
    assert exact_integers([f"{digits[0]}.{digits[1:]}e+{len(digits) - 1}"])[0] == value


def test_samples_are_integers_in_microvolt_and_lose_nothing(path: Path) -> None:
    recording = read(path, csv())
    ecg = recording.ecg
    assert (ecg.samples.dtype, ecg.unit, ecg.scale) == (np.dtype(np.int32), "mV", 1e-3)
    np.testing.assert_allclose(ecg.physical(), np.round(np.sin(np.arange(400) / 9), 3), atol=1e-12)
    assert ecg.clock.epoch == "utc"
    assert abs(ecg.clock.start_ns - T0) < STEP // 10


def test_float_noise_of_the_writer_is_no_resolution(path: Path) -> None:
    rows = csv()
    rows[5] = rows[5].split(",")[0] + ",-0.07200000000000001,,"
    assert read(path, rows).ecg.samples[4] == -72


def test_the_true_rate_is_estimated(path: Path) -> None:
    clock = read(path, csv(2000)).ecg.clock
    assert clock.rate_hz == pytest.approx(1e9 / STEP, rel=1e-6)
    assert clock.blocks[0].nominal_hz == 130.0


def test_a_gap_in_time_begins_a_new_block(path: Path) -> None:
    rows = csv()
    del rows[100:160]
    recording = read(path, rows)
    assert [b.start_index for b in recording.ecg.clock.blocks] == [0, 99]


def test_device_intervals_are_beats_and_not_samples(path: Path) -> None:
    beats = read(path, csv(73 * 12)).beats["rr"]
    assert int(np.isfinite(beats.intervals_ms).sum()) == 12
    assert beats.source == "device"


def test_without_intervals_there_are_no_beats(path: Path) -> None:
    rows = [row.replace(",72,800", ",,") for row in csv()]
    assert dict(read(path, rows).beats) == {}


def test_zero_and_implausible_intervals_are_counted(path: Path) -> None:
    rows = csv(73 * 12)
    rows[1] = rows[1].replace(",72,800", ",72,0")
    rows[74] = rows[74].replace(",72,800", ",72,60000")
    rows[147] = rows[147].replace(",72,800", ",72,150")
    recording = read(path, rows)
    (notice,) = [n for n in recording.notices if n.code == "out_of_range"]
    assert (notice.count, notice.first_line) == (3, 2)
    assert int(np.isfinite(recording.beats["rr"].intervals_ms).sum()) == 9


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("noon,0.1,,", "bad_time"),
        ("nan,0.1,,", "bad_time"),
        ("1e400,0.1,,", "bad_time"),
        ("1e4294967296,0.1,,", "bad_time"),
        ("1_714e15,0.1,,", "bad_time"),
        ("1.7149206e+18,zero,,", "bad_number"),
        ("1.7149206e+18,nan,,", "bad_number"),
        ("1.7149206e+18,inf,,", "bad_number"),
        ("1.7149206e+18,0.1,,x", "bad_number"),
        ("1.7149206e+18,0.1", "truncated"),
        ("1.7149206e+18,0.1,,,,9", "unsupported"),
        ("\x001.7e+18,0.1,,", "bad_time"),
    ],
)
def test_bad_rows_are_counted_with_their_line(path: Path, row: str, code: str) -> None:
    rows = csv()
    rows[200] = row
    recording = read(path, rows)
    (notice,) = [n for n in recording.notices if n.severity != "info"]
    assert (notice.code, notice.count, notice.first_line, notice.severity) == (code, 1, 201, "warning")
    assert len(recording.ecg) == 399


def test_many_bad_rows_raise_the_severity(path: Path) -> None:
    rows = csv()
    rows[100:150] = ["x,y,z,w"] * 50
    (notice,) = [n for n in read(path, rows).notices if n.code == "bad_time"]
    assert (notice.severity, notice.count, notice.first_line) == ("error", 50, 101)


def test_repeated_and_backward_times(path: Path) -> None:
    rows = csv()
    rows[50] = rows[49]
    rows[60] = rows[10]
    codes = {n.code: n.first_line for n in read(path, rows).notices}
    assert codes["duplicate"] == 51
    assert codes["bad_time"] == 61


def test_a_missing_sample_is_nan_and_not_zero(path: Path) -> None:
    rows = csv()
    rows[10] = rows[10].split(",")[0] + ",,,"
    physical = read(path, rows).ecg.physical()
    assert np.isnan(physical[9])
    assert int(np.isnan(physical).sum()) == 1


def test_an_empty_or_nan_column_is_refused(path: Path) -> None:
    for filling in ("", "nan"):
        rows = ["time,ecg,hr,rr", *(f"{row.split(',')[0]},{filling},," for row in csv()[1:])]
        with pytest.raises(InputError, match="holds no usable row"):
            read(path, rows)


def test_a_missing_column_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"polar\.csv, line 1: column is missing.*expected column ecg"):
        read(path, ["time,ekg,hr,rr", "1.7149206e+18,0.1,,"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x00", "binary"),
        (b"a,b\n1,2\n", "no columns time and ecg"),
        (b"time;ecg;hr;rr\n1.7149206e+18;0.1;;\n", "separated by ';' instead of ','"),
        (b"time,ecg,hr,rr\n0.01,0.1,,\n", "no row begins with a time in Unix ns"),
    ],
)
def test_sniffing_says_why_not(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    sniff = ADAPTER.sniff(Source(path))
    assert sniff.confidence < 0.5
    assert reason in sniff.reason


def test_columns_are_found_by_name(path: Path) -> None:
    rows = csv()
    turned = [",".join(reversed(row.split(","))) for row in rows]
    np.testing.assert_array_equal(read(path, turned).ecg.samples, read(path, rows).ecg.samples)


def test_encodings_and_line_ends(path: Path) -> None:
    plain = read(path, csv())
    for raw in (
        "\r\n".join(csv()).encode(),
        b"\xef\xbb\xbf" + "\n".join(csv()).encode(),
        "\n".join(csv()).encode("utf-16"),
    ):
        np.testing.assert_array_equal(read(path, raw).ecg.samples, plain.ecg.samples)


def test_a_zone_comes_from_the_options_only(path: Path) -> None:
    assert not read(path, csv()).timezone.known
    assert read(path, csv(), timezone="Europe/Vienna").timezone.name == "Europe/Vienna"


def test_gzip_in_a_folder_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "sub-03_ecg.csv.gz").write_bytes(gzip.compress("\n".join(csv()).encode()))
    (tmp_path / "notes.txt").write_text("hello")
    source = Source(tmp_path)
    assert ADAPTER.sniff(source).members == ("sub-03_ecg.csv.gz",)
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert (recording.id, recording.participant) == ("sub-03_ecg", "sub-03")


def test_real_h10(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("polar_h10_ecglogger") / "polar_h10.csv.gz")
    manifest = ADAPTER.inspect(source)
    (recording,) = ADAPTER.read(source, ReadOptions())
    ecg, beats = recording.ecg, recording.beats["rr"]
    assert manifest.streams[0].n == len(ecg) == 78_096
    assert ecg.duration_s == pytest.approx(600.0, abs=0.01)
    assert ecg.clock.rate_hz == pytest.approx(130.16, abs=0.005)
    assert manifest.streams[0].rate_hz == pytest.approx(130.16, abs=0.005)
    assert len(ecg.clock.blocks) == 1
    assert (ecg.samples.dtype, int(ecg.samples.min()), int(ecg.samples.max())) == (np.dtype(np.int32), -1173, 1744)
    assert int(np.isfinite(beats.intervals_ms).sum()) == 798
    assert beats.gaps == ()
    assert float(np.nansum(beats.intervals_ms)) == 599_448
    assert [n for n in recording.notices if n.severity != "info"] == []
