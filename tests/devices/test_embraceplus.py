"""EmbracePlus Avro files, trap by trap."""

from __future__ import annotations

import builtins
import json
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, BeatFlag, Recording
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.empatica import write_embraceplus, write_embraceplus_export
from allostat.source import Source
from allostat_devices.avro_records import avro_records
from allostat_devices.embraceplus import ADAPTER

pytest.importorskip("fastavro")
START = 1_694_798_477 * NS_PER_S


def written(folder: Path, at_s: int = 0, name: str = "a", seconds: int = 60, **about: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    start = START + at_s * NS_PER_S
    path = folder / f"{name}_{start // NS_PER_S}.avro"
    wave = np.sin(np.arange(64 * seconds) / 10) + at_s
    settings = {
        "bvp": wave,
        "acc": np.tile([[0, 2048, -2048]], (64 * seconds, 1)),
        "peaks_ns": start + np.arange(seconds) * NS_PER_S,
    } | about
    write_embraceplus(path, start, settings.pop("offset_s", -18000), **settings)
    return path


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def codes(recording: Recording) -> list[str]:
    return [notice.code for notice in recording.notices]


def test_streams_start_rate_and_declared_offset(tmp_path: Path) -> None:
    recording = read(written(tmp_path, rate_hz=63.99))
    assert list(recording.signals) == ["ppg", "acc_x", "acc_y", "acc_z", "eda", "temp", "steps"]
    assert (recording.timezone.name, recording.timezone.source) == ("UTC-05:00", "file")
    clock = recording.ppg.clock
    assert (clock.start_ns, clock.epoch, clock.blocks[0].nominal_hz) == (START, "utc", 64.0)
    assert clock.rate_hz == pytest.approx(63.99, rel=1e-7)
    assert [m.time_ns for m in recording.markers] == [START + 5 * NS_PER_S]
    assert recording.provenance.verified and recording.notices == ()


@pytest.mark.parametrize("version", [(6, 3, 0), (6, 4, 9), (6, 5, 0), (7, 0, 0)])
def test_the_scale_of_acceleration_before_and_from_schema_6_5(tmp_path: Path, version: tuple[int, int, int]) -> None:
    recording = read(written(tmp_path, version=version))
    for axis, expected in zip("xyz", (0.0, 1.0, -1.0), strict=True):
        signal = recording.signals[f"acc_{axis}"]
        assert signal.samples.dtype == np.int32 and signal.unit == "[g]"
        np.testing.assert_allclose(signal.physical(), expected, atol=1e-12)
    assert codes(recording) == (["unverified"] if version >= (6, 5, 0) else [])
    assert recording.provenance.verified == (version < (6, 5, 0))


def test_files_may_arrive_unordered_and_what_lies_between_is_a_gap(tmp_path: Path) -> None:
    written(tmp_path, 300, "b")
    written(tmp_path, 0, "z")
    written(tmp_path, 60, "m")
    recording = read(tmp_path)
    clock = recording.ppg.clock
    assert [(b.t0_ns - START) // NS_PER_S for b in clock.blocks] == [0, 60, 300]
    assert [g.end_ns - g.start_ns for g in clock.gaps] == [180 * NS_PER_S]
    beats = recording.beats["systolic_peaks"]
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [0, 120]
    assert np.nanmax(beats.intervals_ms) == 1000.0


def test_intervals_that_no_heart_makes_are_missing(tmp_path: Path) -> None:
    peaks = START + (np.array([0, 1, 2, 2.1, 3, 9, 10]) * NS_PER_S).astype(np.int64)
    beats = read(written(tmp_path, peaks_ns=peaks)).beats["systolic_peaks"]
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, 1000, 1000, np.nan, 900, np.nan, 1000])
    assert beats.flags.tolist() == [0, 0, 0, BeatFlag.OUT_OF_RANGE, 0, BeatFlag.OUT_OF_RANGE, 0]


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path, 0, "a")
    (tmp_path / "copy_1694798477.avro").write_bytes(path.read_bytes())
    recording = read(tmp_path)
    assert len(recording.ppg) == 60 * 64 and codes(recording) == ["duplicate"]


def test_two_wristbands_in_one_folder_are_two_recordings(tmp_path: Path) -> None:
    written(tmp_path, 0, "a", serial="S1")
    written(tmp_path, 0, "b", serial="S2")
    recordings = list(ADAPTER.read(Source(tmp_path), ReadOptions()))
    assert len({r.id for r in recordings}) == 2


def test_a_damaged_file_among_others_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, 0, "a")
    whole = path.read_bytes()
    (tmp_path / "b_1694798600.avro").write_bytes(whole[:-40])
    recording = read(tmp_path)
    assert codes(recording) == ["damaged_file"] and len(recording.ppg) == 60 * 64
    path.write_bytes(whole[:-40])
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path)


def test_an_empty_stream_has_rate_0_and_is_no_stream(tmp_path: Path) -> None:
    assert "gyro_x" not in read(written(tmp_path)).signals


def test_another_offset_in_a_later_file_is_told(tmp_path: Path) -> None:
    written(tmp_path, 0, "a", offset_s=3600)
    written(tmp_path, 100, "b", offset_s=7200)
    recording = read(tmp_path)
    assert recording.timezone.name == "UTC+01:00" and codes(recording) == ["zone_changes"]
    assert not ADAPTER.inspect(Source(tmp_path)).timezone.known


def test_an_offset_of_0_is_weak_and_the_caller_wins(tmp_path: Path) -> None:
    path = written(tmp_path, offset_s=0)
    assert read(path).timezone.weak
    named = read(path, timezone="Europe/Vienna")
    assert (named.timezone.name, codes(named)) == ("Europe/Vienna", ["zone_differs"])


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    path = written(tmp_path, 0, "1-1-CANARY1", participant="CANARY2", serial="CANARY3")
    recording, manifest = read(path), ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(recording) + repr(manifest)
    with pytest.raises(InputError) as error:
        path.write_bytes(path.read_bytes()[:-9])
        read(path)
    assert "CANARY" not in str(error.value)
    assert len(manifest.identifiers) == 3


def test_a_clock_change_inside_a_session_moves_nothing(tmp_path: Path) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 31, 1, 58), 0.08, "Europe/Vienna")  # noqa: DTZ001
    recording = read(write_embraceplus_export(worn, tmp_path))
    peaks = worn.start_ns + np.rint(worn.ppg(64.0).beat_times_s * NS_PER_S).astype(np.int64)
    assert np.isin(recording.beats["systolic_peaks"].times_ns, peaks).all()
    assert [g.end_ns - g.start_ns for g in recording.ppg.clock.gaps] == [3 * NS_PER_S]
    assert codes(recording) == ["zone_changes"]


def container(schema: Any, block: bytes, count: int, codec: str = "deflate") -> bytes:
    def number(value: int) -> bytes:
        value, out = (value << 1) ^ (value >> 63), b""
        while value > 0x7F:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])

    def text(value: bytes) -> bytes:
        return number(len(value)) + value

    if codec == "deflate":
        block = zlib.compress(block, 9)[2:-4]
    meta = text(b"avro.schema") + text(json.dumps(schema).encode()) + text(b"avro.codec") + text(codec.encode())
    return b"Obj\x01" + number(2) + meta + number(0) + bytes(16) + number(count) + text(block) + bytes(16)


def test_hostile_containers_are_refused() -> None:
    session = {"type": "record", "name": "S", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}
    with pytest.raises(InputError, match="without content"):
        avro_records(container(session, b"\xfe\xff\xff\xff\xff\x0f\0", 1), "x")
    fine = {"type": "record", "name": "S", "fields": [{"name": "a", "type": "bytes"}]}
    with pytest.raises(InputError, match="unpacks"):
        avro_records(container(fine, bytes(40 << 20), 1), "x")
    with pytest.raises(InputError, match="codec"):
        avro_records(container(fine, b"", 0, "snappy"), "x")
    with pytest.raises(InputError, match="damaged"):
        avro_records(container(fine, b"\x02a", 10**9), "x")
    nested: Any = "int"
    for _ in range(100):
        nested = {"type": "array", "items": nested}
    with pytest.raises(InputError, match="deeply"):
        avro_records(container(nested, b"", 0), "x")


def test_without_fastavro_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "fastavro":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"allostat-load\[avro\]"):
        read(path)


def test_a_real_file_of_schema_6_3(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("empatica_embraceplus") / "test_file.avro")
    assert len(recording.beats["systolic_peaks"]) == 416
    assert len(recording.ppg) == 22_016 and recording.ppg.clock.rate_hz == 64.0
    acc = recording.signals["acc_z"]
    assert len(acc) == 22_208 and acc.clock.rate_hz == pytest.approx(64.0023, abs=1e-4)
    assert (acc.scale, acc.offset, acc.unit) == (16 / 32768, 0.0, "[g]")
    gravity = np.median(np.sqrt(sum(recording.signals[f"acc_{a}"].physical() ** 2 for a in "xyz")))
    assert gravity == pytest.approx(1.0, abs=0.03)
    assert recording.timezone.name == "UTC-05:00"
    span = recording.ppg.clock
    peaks = recording.beats["systolic_peaks"].times_ns
    assert span.start_ns - NS_PER_S < peaks[0] and peaks[-1] < span.end_ns + NS_PER_S


def test_peaks_of_a_real_file_lie_at_the_turn_of_its_pulse_waves(recordings: Callable[[str], Path]) -> None:
    # worn well only for a minute, in which systole points downwards
    recording = read(recordings("empatica_embraceplus") / "test_file.avro")
    seconds = (recording.beats["systolic_peaks"].times_ns - recording.ppg.clock.start_ns) / NS_PER_S
    inside = seconds[(seconds > 141) & (seconds < 199)]
    centres = np.rint(inside * recording.ppg.clock.rate_hz).astype(np.int64)
    waves = recording.ppg.samples[centres[:, None] + np.arange(-32, 33)]
    waves = (waves - waves.mean(axis=1, keepdims=True)) / waves.std(axis=1, keepdims=True)
    typical = np.median(waves, axis=0)
    assert abs(int(np.argmin(typical)) - 32) / 64 < 0.05 and typical.min() < -1.1
