"""Waveform text with a header: OpenSignals and BioSPPy, trap by trap."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat import find_beats
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.source import Source
from allostat_devices.signal_text import ADAPTER

START_NS = int(datetime(2018, 5, 28, 16, 16, 11, 455_000, UTC).timestamp() * 1000) * 1_000_000


def header(**over: Any) -> str:
    about = {
        "sensor": ["RAW", "ECGBIT"], "device name": "02:00:00:00:00:03", "column": ["nSeq", "I1", "A2", "A3"],
        "time": "16:16:11.455", "comments": "", "device connection": "", "firmware version": 1281,
        "device": "bitalino_rev", "sampling rate": 100, "label": ["A2", "A3"], "resolution": [4, 1, 10, 10],
        "date": "2018-5-28",
    } | over  # fmt: skip
    return f"# OpenSignals Text File Format\n# {json.dumps({'02:00:00:00:00:03': about})}\n# EndOfHeader\n"


def rows(n: int = 200, lost: dict[int, int] | None = None) -> str:
    count, out = 0, []
    for i in range(n):
        count += (lost or {}).get(i, 0)
        out.append(f"{count % 16}\t0\t{i % 4}\t{512 + i % 50}\t\n")
        count += 1
    return "".join(out)


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "x.txt").write_text(text)
    return tmp_path / "x.txt"


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def test_columns_rate_start_and_scale_of_the_ecg_sensor(tmp_path: Path) -> None:
    recording = read(written(tmp_path, header() + rows()))
    assert list(recording.signals) == ["i1", "a2", "ecg"]
    ecg = recording.ecg
    assert (ecg.unit, ecg.saturation, ecg.clock.rate_hz) == ("mV", (0, 1023), 100.0)
    assert (ecg.clock.start_ns, ecg.clock.epoch) == (START_NS, "local")
    # ECG in V = (counts / 1024 - 1/2) * 3.3 / 1100
    assert ecg.physical(40, 41)[0] == pytest.approx((552 / 1024 - 0.5) * 3.3 / 1100 * 1000)
    assert recording.device.model == "bitalino_rev" and recording.notices == ()


def test_a_zone_makes_the_wall_clock_start_utc(tmp_path: Path) -> None:
    path = written(tmp_path, header() + rows())
    assert read(path, timezone="Europe/Lisbon").ecg.clock.start_ns == START_NS - 3600 * NS_PER_S
    assert read(written(tmp_path, header(date="") + rows())).epoch == "relative"


def test_samples_that_the_packet_counter_misses_are_a_gap(tmp_path: Path) -> None:
    recording = read(written(tmp_path, header() + rows(200, {60: 5, 150: 3})))
    clock = recording.ecg.clock
    assert [b.start_index for b in clock.blocks] == [0, 60, 150]
    assert [(g.end_ns - g.start_ns) / 1e7 for g in clock.gaps] == [5.0, 3.0]
    (notice,) = recording.notices
    assert (notice.code, notice.count) == ("lost_samples", 8)


def test_a_bad_row_is_a_missing_sample_and_shifts_nothing(tmp_path: Path) -> None:
    lines = rows().split("\n")
    lines[50] = "junk\t0\t0\t0\t"
    lines[60] = "12\t0"
    recording = read(written(tmp_path, header() + "\n".join(lines)))
    assert np.flatnonzero(np.isnan(recording.ecg.physical())).tolist() == [50, 60]
    assert len(recording.ecg) == 200 and len(recording.ecg.clock.blocks) == 1
    assert {n.code: n.first_line for n in recording.notices} == {"bad_number": 54, "truncated": 64}


@pytest.mark.parametrize(
    "over",
    [{"sampling rate": 0}, {"sampling rate": "x"}, {"column": ["nSeq"]}, {"column": None}, {"sampling rate": 1e99}],
)
def test_headers_without_rate_or_columns_are_refused(tmp_path: Path, over: dict[str, Any]) -> None:
    path = written(tmp_path, header(**over) + rows())
    with pytest.raises(InputError):
        read(path)
    assert ADAPTER.sniff(Source(path)).confidence < 0.5


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    path = written(
        tmp_path, header(comments="CANARY1", **{"device name": "CANARY2", "device connection": "CANARY3"}) + rows()
    )
    path.write_text(path.read_text().replace('"02:00:00:00:00:03": {', '"CANARY4": {'))
    manifest = ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(read(path)) + repr(manifest)
    assert manifest.identifiers == ("device address in header",)


def biosppy(rate: str = "1000.00", labels: str = "ECG", units: str = "") -> str:
    more = f"# Units:= {units}\n" if units else ""
    return f"# Simple Text Format\n# Sampling Rate (Hz):= {rate}\n# Resolution:= 12\n{more}# Labels:= {labels}\n"


def test_settings_of_biosppy(tmp_path: Path) -> None:
    recording = read(written(tmp_path, biosppy() + "2044.0\n2046.0\n2043.0\n"))
    ecg = recording.ecg
    assert (ecg.samples.tolist(), ecg.unit, ecg.clock.rate_hz) == ([2044, 2046, 2043], "1", 1000.0)
    assert (recording.epoch, ecg.saturation) == ("relative", (0, 4095))
    acc = read(written(tmp_path, biosppy("100", "acc_x\tacc_y", "m/s^2") + "0.25\t-0.5\n0.5\t1.25\n"))
    assert acc.signals["acc_y"].physical().tolist() == [-0.5, 1.25] and acc.signals["acc_x"].unit == "m/s2"


@pytest.mark.parametrize("rate", ["0", "x", "-5", "nan", ""])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(InputError):
        read(written(tmp_path, biosppy(rate) + "1\n2\n"))


def test_comments_without_a_rate_are_not_claimed(tmp_path: Path) -> None:
    assert ADAPTER.sniff(Source(written(tmp_path, "# my RR\n800\n810\n"))).confidence < 0.5


@pytest.mark.parametrize(
    ("name", "n", "rate", "bpm"), [("OSmontage1A", 24_480, 100, 76.9), ("OSmontage1J", 22_410, 100, 83.3)]
)
def test_real_open_signals_files(recordings: Callable[[str], Path], name: str, n: int, rate: int, bpm: float) -> None:
    recording = read(recordings("edf_ecg") / "opensignals" / f"{name}.txt")
    assert len(recording.ecg) == n and recording.ecg.clock.rate_hz == rate and recording.notices == ()
    # the rates are those of plain maxima above half the usual height
    beats = find_beats(recording.ecg)
    assert 60e3 / np.nanmedian(beats.intervals_ms) == pytest.approx(bpm, abs=1)


@pytest.mark.parametrize(("name", "n"), [("ecg", 15_000), ("ppg", 20_000), ("eda", 150_000), ("resp", 60_000)])
def test_real_biosppy_files(recordings: Callable[[str], Path], name: str, n: int) -> None:
    (signal,) = read(recordings("biosppy_signals") / f"{name}.txt").signals.values()
    assert len(signal) == n and signal.clock.rate_hz == 1000.0
    text = np.loadtxt(recordings("biosppy_signals") / f"{name}.txt")
    np.testing.assert_allclose(signal.physical(), text)


def test_a_real_open_signals_ecg_at_1000_hz(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("rr_dialects") / "pyhrv" / "SampleECG.txt")
    assert len(recording.ecg) == 22_350 and recording.ecg.clock.blocks[0].rate_hz == 1000.0
    assert len(find_beats(recording.ecg)) > 20
