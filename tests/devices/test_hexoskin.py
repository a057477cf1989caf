"""Hexoskin sessions, trap by trap."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.source import Source
from allostat_devices.hexoskin import ADAPTER

START_S = 1_700_000_000


def wave(samples: Any, rate: int = 256, *, channels: int = 1, stated: int | None = None) -> bytes:
    data = np.asarray(samples, "<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * 2, 2, 16)
    length = len(data) if stated is None else stated
    return (
        b"RIFF\0\0\0\0WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"LIST"
        + struct.pack("<I", 4)
        + b"abcd"
        + b"data"
        + struct.pack("<I", length)
        + data
    )


def session(**over: bytes | None) -> dict[str, bytes]:
    files: dict[str, bytes | None] = {
        "ECG_I.wav": wave(2048 + np.arange(512) % 100),
        "RR_interval.csv": b"time [s],RR_interval [s/256]\n0.0,0\n0.8,205\n1.6,205\n5.0,200\n",
        "info.json": json.dumps({"timestamp": START_S * 256, "user": "CANARY1", "devices": ["CANARY2"]}).encode(),
    } | over
    return {name: data for name, data in files.items() if data is not None}


def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def read(path: Path) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    return recording


def test_waves_and_intervals_in_256ths_of_a_second(tmp_path: Path) -> None:
    recording = read(folder(tmp_path, session()))
    ecg, beats = recording.ecg, recording.beats["rr"]
    assert (len(ecg), ecg.clock.rate_hz, ecg.clock.start_ns, ecg.saturation) == (
        512,
        256.0,
        START_S * NS_PER_S,
        (0, 4095),
    )
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, 205 / 0.256, 205 / 0.256, np.nan, 200 / 0.256])
    assert recording.epoch == "utc" and [n.code for n in recording.notices] == ["unverified"]


def test_times_in_ticks_since_1970_are_absolute(tmp_path: Path) -> None:
    table = "".join(f"{START_S * 256 + 205 * (i + 1)},{205 if i else 0}\n" for i in range(5)).encode()
    beats = read(folder(tmp_path, session(**{"RR_interval.csv": table}))).beats["rr"]
    assert beats.times_ns[1] == START_S * NS_PER_S + round(410 / 256 * NS_PER_S)
    np.testing.assert_allclose(beats.intervals_ms[1:], 205 / 0.256)


def test_a_stamp_since_1970_among_relative_ones_is_a_bad_row(tmp_path: Path) -> None:
    rows = b"".join(b"%.4f,%d\n" % (1 + 0.8125 * i, 208) for i in range(20)) + b"438000000000,208\n"
    recording = read(folder(tmp_path, session(**{"RR_interval.csv": rows})))
    assert np.nanmax(recording.beats["rr"].intervals_ms) < 1000
    assert any(n.code == "out_of_range" and n.count == 1 for n in recording.notices)


def test_without_a_start_time_is_relative(tmp_path: Path) -> None:
    recording = read(folder(tmp_path, session(**{"info.json": None})))
    assert (recording.epoch, recording.ecg.clock.start_ns) == ("relative", 0)


def test_archive_and_folder_give_the_same(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, data in session().items():
            archive.writestr(f"record/{name}", data)
    np.testing.assert_array_equal(
        read(tmp_path / "x.zip").ecg.samples, read(folder(tmp_path / "f", session())).ecg.samples
    )
    assert ADAPTER.sniff(Source(tmp_path / "x.zip")).confidence > 0.8


def test_a_short_wave_is_told(tmp_path: Path) -> None:
    recording = read(folder(tmp_path, session(**{"ECG_I.wav": wave(range(100), stated=1024)})))
    assert len(recording.ecg) == 100
    assert [(n.code, n.severity) for n in recording.notices] == [("unverified", "warning"), ("truncated", "error")]


@pytest.mark.parametrize(
    "data", [b"RIFF", wave(range(9), channels=2), wave(range(9), rate=0), b"RIFF\0\0\0\0WAVEdata\0\0\0\0"]
)
def test_waves_of_another_kind_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError):
        read(folder(tmp_path, session(**{"ECG_I.wav": data})))


def test_a_stated_length_larger_than_the_file_asks_for_no_memory(tmp_path: Path) -> None:
    assert len(read(folder(tmp_path, session(**{"ECG_I.wav": wave(range(50), stated=2**32 - 1)}))).ecg) == 50


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    path = folder(tmp_path, session())
    manifest = ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(read(path)) + repr(manifest)
    assert manifest.identifiers == ("user in info.json",)
