"""ECG files of Apple Watches: header dialects, regions, rates, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError, UnitError
from allostat.recording import Recording, TimeZone
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.apple import write_apple_export
from allostat.source import Source
from allostat_devices.apple_ecg import ADAPTER

HEAD = (
    'Name,CANARY-NAME\nDate of Birth,"1 Jan CANARY-BIRTH"\nRecorded Date,2026-08-26 18:15:35 +0100\n'
    'Classification,Sinus Rhythm\nSymptoms,CANARY-SYMPTOM\nSoftware Version,1.90\nDevice,"Watch7,11"\n'
    "Sample Rate,512 hertz\n\n\nLead,Lead I\nUnit,µV\n\n"
)
GERMAN = (
    'Name,CANARY-NAME\nGeburtsdatum,"01.01.1990 CANARY"\nAufgezeichnet am,2026-08-26 18:15:35 +0200\n'
    'Klassifizierung,Sinusrhythmus\nSymptome,CANARY\nSoftwareversion,2.0\nGerät,"Watch6,2"\n'
    "Messrate,511,562\u00a0Hertz\n\n\nAbleitung,Ableitung I\nEinheit,μV\n\n"
)
VALUES = "-265.868\n-271.819\n12\n0.5\n"


def read(folder: Path, text: str, name: str = "ecg_2026-08-26.csv", **options: str) -> Recording:
    (folder / name).write_bytes(text.encode())
    (found,) = ADAPTER.read(Source(folder / name), ReadOptions(**options))
    return found


def test_values_time_rate_and_device(tmp_path: Path) -> None:
    recording = read(tmp_path, HEAD + VALUES)
    ecg = recording.ecg
    np.testing.assert_allclose(ecg.physical(), [-265.868, -271.819, 12.0, 0.5])
    assert ecg.samples.dtype == np.int32 and ecg.unit == "uV"
    assert ecg.clock.start_ns == round(datetime.fromisoformat("2026-08-26T17:15:35+00:00").timestamp()) * 10**9
    assert (recording.device.model, recording.device.firmware) == ("Watch7,11", "1.90")
    assert recording.extras["classification"] == "Sinus Rhythm" and recording.provenance.verified


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("512 hertz", 512.0),
        ("512 Hertz", 512.0),
        ("512Hz", 512.0),
        ("513.625 hertz", 513.625),
        ("511,422 hertz", 511.422),
        ('"511,562\u00a0Hertz"', 511.562),
        ("512\u202fгерц", 512.0),
        ("512 赫兹", 512.0),
    ],
)
def test_nominal_and_effective_rate_are_kept_apart(tmp_path: Path, written: str, rate: float) -> None:
    recording = read(tmp_path, HEAD.replace("512 hertz", written) + VALUES)
    (block,) = recording.ecg.clock.blocks
    assert (block.rate_hz, block.nominal_hz) == (rate, 512.0)
    assert any(n.code == "nominal_rate" for n in recording.notices) == (rate == 512.0)


def test_an_average_heart_rate_is_no_sampling_rate(tmp_path: Path) -> None:
    text = HEAD.replace("Sample Rate", "Average Heart Rate,121 bpm\nSample Rate")
    assert read(tmp_path, text + VALUES).ecg.clock.rate_hz == 512.0


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        HEAD.replace("\n\n\n", "\n,\n,\n").replace("µV\n\n", "µV\n,\n"),
        HEAD.replace("Name,CANARY-NAME", "Name"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", ",\n", ",\r\n"])
def test_both_header_dialects_and_trailing_commas(tmp_path: Path, head: str, ending: str) -> None:
    text = head.replace("\n", "\r\n" if "\r" in ending else "\n") + VALUES.replace("\n", ending)
    np.testing.assert_allclose(read(tmp_path, text).ecg.physical(), [-265.868, -271.819, 12.0, 0.5])


def test_translated_keys_and_decimal_commas(tmp_path: Path) -> None:
    recording = read(tmp_path, GERMAN + "-265,868\n-271,819,\n12\n1.012,5\n")
    np.testing.assert_allclose(recording.ecg.physical(), [-265.868, -271.819, 12.0, 1012.5])
    assert recording.ecg.clock.blocks[0].rate_hz == 511.562 and recording.device.model == "Watch6,2"
    assert recording.extras["classification"] == "Sinusrhythmus"


@pytest.mark.parametrize(("unit", "ucum"), [("\u00b5V", "uV"), ("\u03bcV", "uV"), ("uV", "uV"), ("mV", "mV")])
def test_both_letters_for_micro(tmp_path: Path, unit: str, ucum: str) -> None:
    assert read(tmp_path, HEAD.replace("µV", unit) + VALUES).ecg.unit == ucum


def test_latin_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_bytes((HEAD + VALUES).encode("latin-1"))
    assert allostat.read(tmp_path / "e.csv").ecg.unit == "uV"


def test_a_bad_value_is_a_missing_sample_and_shifts_nothing(tmp_path: Path) -> None:
    recording = read(tmp_path, HEAD + "1.5\nx\n\n1.2.3\n2.5\n3.5\n\n\n")
    np.testing.assert_allclose(recording.ecg.physical(), [1.5, np.nan, np.nan, np.nan, 2.5, 3.5])
    (notice,) = [n for n in recording.notices if n.code == "bad_number"]
    assert (notice.count, notice.first_line, notice.severity) == (3, 15, "error")


def test_the_offset_of_the_phone_is_weak_and_the_zone_of_the_caller_wins(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + VALUES).timezone == TimeZone("UTC+01:00", "file", weak=True)
    told = read(tmp_path, HEAD + VALUES, timezone="Europe/Dublin")
    assert told.timezone == TimeZone("Europe/Dublin", "user")


@pytest.mark.parametrize(
    ("date", "epoch"),
    [
        ("2026-08-26 18:15:35", "local"),
        ("xxxx-06-25 16:22:07 +1100", "relative"),
        ("2026-13-26 18:15:35 +0100", "relative"),
    ],
)
def test_dates_that_tell_less(tmp_path: Path, date: str, epoch: str) -> None:
    recording = read(tmp_path, HEAD.replace("2026-08-26 18:15:35 +0100", date) + VALUES)
    assert recording.epoch == epoch and not recording.timezone.known
    assert ("bad_time" in {n.code for n in recording.notices}) == (epoch == "relative")


def test_a_local_date_becomes_utc_in_the_zone_of_the_caller(tmp_path: Path) -> None:
    text = HEAD.replace(" +0100", "") + VALUES
    recording = read(tmp_path, text, timezone="Europe/Vienna")
    assert recording.epoch == "utc"
    assert (
        recording.ecg.clock.start_ns == round(datetime.fromisoformat("2026-08-26T16:15:35+00:00").timestamp()) * 10**9
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (HEAD.replace("µV", "counts") + VALUES, UnitError, "unit"),
        (HEAD.replace("512 hertz", "fast") + VALUES, InputError, "sampling rate"),
        (HEAD.replace("512 hertz", "9999 hertz") + VALUES, InputError, "implausible"),
        ("1\n2\n3\n", InputError, "header"),
        (HEAD, InputError, "header"),
        ("", InputError, "empty"),
    ],
)
def test_refused_with_a_reason(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, text)
    assert ADAPTER.sniff(Source(tmp_path / "ecg_2026-08-26.csv")).confidence < 0.5


def test_nothing_that_identifies_a_person_is_kept(tmp_path: Path) -> None:
    for text in (HEAD, GERMAN):
        recording = read(tmp_path, text + VALUES)
        manifest = ADAPTER.inspect(Source(tmp_path / "ecg_2026-08-26.csv"))
        assert "CANARY" not in repr(recording) + repr(manifest)
        assert manifest.identifiers == ("name and birth date in header",)


def test_the_beats_of_a_twin_are_found_in_its_ecg(tmp_path: Path) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.1, "Europe/Vienna")  # noqa: DTZ001
    *_, recording = allostat.read_all(write_apple_export(worn, tmp_path))
    found = allostat.find_beats(recording.ecg).times_ns
    clock = recording.ecg.clock
    inside = worn.beats_ns[(worn.beats_ns > clock.start_ns + 10**9) & (worn.beats_ns < clock.end_ns - 10**9)]
    nearest = np.abs(found[:, None] - inside[None, :]).min(axis=0)
    assert len(inside) > 20 and (nearest < 10_000_000).all()


def test_real_files(recordings: Callable[[str], Path]) -> None:
    folder = recordings("apple_health")
    first, second = allostat.read_all(folder / "ecg_watch5")
    assert (len(first.ecg), len(second.ecg)) == (15409, 13360)
    assert [r.ecg.clock.blocks[0].rate_hz for r in (first, second)] == [513.625, 512.508]
    assert first.timezone == TimeZone("UTC+08:00", "file", weak=True) and first.device.model == "Watch5,1"
    assert first.ecg.physical()[:3] == pytest.approx([27.648, 26.053, 24.462])
    assert first.ecg.clock.start_ns == round(datetime.fromisoformat("2021-12-17T04:58:58+00:00").timestamp()) * 10**9
    (other,) = allostat.read_all(folder / "ecg_watch6")
    assert (len(other.ecg), other.epoch, other.device.model) == (15360, "relative", "Watch6,2")
    assert other.ecg.physical()[-1] == pytest.approx(other.ecg.samples[-1] / 1000)
    for recording in (first, second, other):
        intervals = allostat.find_beats(recording.ecg).intervals_ms[1:]
        assert 500 < np.median(intervals) < 1100 and np.ptp(intervals) < 0.5 * np.median(intervals)
        assert recording.extras["classification"] == "Sinus Rhythm"
