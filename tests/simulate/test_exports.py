"""Written exports look like the real ones, and the adapters read back what was simulated."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.simulate import (
    EcgNoise,
    PpgNoise,
    SimulatedSignal,
    random_stream,
    simulate_ecg,
    simulate_participant,
    simulate_ppg,
    simulate_rest,
    write_e4_zip,
    write_elite_hrv,
    write_hrv_logger_rr,
    write_plain_rr,
    write_polar_ecg_logger,
    write_polar_sensor_logger,
    write_selfloops,
)
from allostat.simulate.exports.rr_text import whole_ms_intervals

ZONE = "Europe/Vienna"
START = 1_772_463_900 * NS_PER_S  # 2026-03-02 16:05 in Vienna
PERSON = replace(simulate_participant("sub-001", 1), hr_rest=68.0, rmssd_rest=35.0)


@pytest.fixture(scope="module")
def beats_ns() -> np.ndarray:
    return simulate_rest(PERSON, 1800, start_ns=START).times_ns


@pytest.fixture(scope="module")
def ecg() -> SimulatedSignal:
    return simulate_ecg(60, 130.03, 3, noise=EcgNoise())


@pytest.fixture(scope="module")
def ppg() -> SimulatedSignal:
    return simulate_ppg(90, 55.0, 3, noise=PpgNoise())


def kept(recording: Recording, stream: str = "rr") -> np.ndarray:
    intervals = recording.beats[stream].intervals_ms
    return intervals[~np.isnan(intervals)]


def test_hrv_logger_rows_look_like_the_apps(tmp_path: Path, beats_ns: np.ndarray) -> None:
    write_hrv_logger_rr(tmp_path / "a.csv", beats_ns, ZONE)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    ends, lengths = whole_ms_intervals(beats_ns)
    assert lines[0] == "date,rr,since start"
    assert lines[1] == f"2026-03-02 16:05:00 +0100,{lengths[0]},0"
    assert lines[2].endswith(f",{lengths[1]},{lengths[1]}")
    assert lines[-1].endswith(f",{ends[-1] - ends[0]}")


def test_hrv_logger_is_read_back(tmp_path: Path, beats_ns: np.ndarray) -> None:
    gap = (int(beats_ns[400]) + 1, int(beats_ns[800]) + 1)
    write_hrv_logger_rr(tmp_path / "2026-03-02_RR_sub-001.csv.gz", beats_ns, ZONE, gaps=[gap])
    recording = allostat.read(tmp_path / "2026-03-02_RR_sub-001.csv.gz")
    beats = recording.beats["rr"]
    _, lengths = whole_ms_intervals(beats_ns, [gap])
    assert beats.epoch == "utc"
    assert recording.timezone.name == "UTC+01:00"
    np.testing.assert_array_equal(kept(recording), lengths)
    assert len(beats.gaps) == 1
    assert abs(beats.gaps[0].start_ns - gap[0]) < 2 * NS_PER_S
    assert abs(beats.gaps[0].end_ns - gap[1]) < 2 * NS_PER_S
    assert abs(int(beats.times_ns[0]) - int(beats_ns[0])) < 1.2 * NS_PER_S


def test_elite_hrv_is_read_back(tmp_path: Path, beats_ns: np.ndarray) -> None:
    path = write_elite_hrv(tmp_path, beats_ns, ZONE)
    assert path.name == "2026-03-02 16-05-00.txt"
    recording = allostat.read(path, timezone=ZONE)
    np.testing.assert_array_equal(kept(recording), whole_ms_intervals(beats_ns)[1])


def test_selfloops_is_read_back(tmp_path: Path, beats_ns: np.ndarray) -> None:
    write_selfloops(tmp_path / "selfloops.txt", beats_ns, ZONE)
    assert (tmp_path / "selfloops.txt").read_text().startswith("02 March 2026 16:05:00\nTime (ms),HR (bpm),R-R (ms)\n")
    recording = allostat.read(tmp_path / "selfloops.txt", timezone=ZONE)
    np.testing.assert_array_equal(kept(recording), whole_ms_intervals(beats_ns)[1])


def test_plain_rr_is_read_back(tmp_path: Path, beats_ns: np.ndarray) -> None:
    intervals = np.diff(beats_ns) / 1e6
    write_plain_rr(tmp_path / "rr.txt", intervals)
    np.testing.assert_allclose(kept(allostat.read(tmp_path / "rr.txt")), intervals, atol=0.0005)


def test_ecg_logger_is_read_back(tmp_path: Path, ecg: SimulatedSignal) -> None:
    write_polar_ecg_logger(tmp_path / "polar_h10.csv", ecg, START)
    recording = allostat.read(tmp_path / "polar_h10.csv", timezone=ZONE)
    signal = recording.ecg
    assert signal.unit == "mV"
    np.testing.assert_allclose(signal.physical(), ecg.samples / 1000, atol=1e-9)
    assert signal.clock.rate_hz == pytest.approx(130.03, rel=1e-4)
    assert abs(signal.clock.start_ns - START) < 20_000_000
    lengths = np.rint(np.diff(ecg.beat_times_s) * 1000)
    found = kept(recording)
    np.testing.assert_array_equal(found, lengths[: len(found)])
    assert len(found) >= len(lengths) - 3


def test_ecg_logger_rows_look_like_the_apps(tmp_path: Path, ecg: SimulatedSignal) -> None:
    write_polar_ecg_logger(tmp_path / "a.csv", ecg, START)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "time,ecg,hr,rr"
    time, value, hr, rr = lines[2].split(",")
    assert time == repr(float(time))
    assert value == repr(float(value))
    assert (hr, rr) == ("", "")
    assert sum(not line.endswith(",,") for line in lines[1:]) > 50


@pytest.mark.parametrize("name", ["polar_sensor_logger", "polar_sensor_logger.zip"])
def test_polar_sensor_logger_is_read_back(
    tmp_path: Path, ecg: SimulatedSignal, ppg: SimulatedSignal, name: str
) -> None:
    acc = np.tile(np.array([-20, 990, 60]), (500, 1))
    write_polar_sensor_logger(tmp_path / name, START, ZONE, ecg=ecg, ppg=ppg, acc_mg=acc)
    found = list(allostat.read_all(tmp_path / name))
    with_ecg = next(r for r in found if any(s.kind == "ecg" for s in r.signals.values()))
    with_ppg = next(r for r in found if any(s.kind == "ppg" for s in r.signals.values()))
    scale = {"uV": 1.0, "mV": 1000.0}[with_ecg.ecg.unit]
    np.testing.assert_allclose(with_ecg.ecg.physical() * scale, ecg.samples, atol=1e-6)
    assert with_ecg.ecg.clock.rate_hz == pytest.approx(130.03, rel=1e-5)
    assert abs(with_ecg.ecg.clock.start_ns - START) < 1_000_000
    assert with_ecg.epoch == "utc"
    assert with_ecg.timezone.name is not None
    assert len(with_ppg.ppg) == len(ppg.samples)
    moved = with_ppg.ppg.physical() - with_ppg.ppg.physical().mean()
    assert np.corrcoef(moved, -ppg.samples)[0, 1] > 0.999  # light intensity: systole is downwards
    ppi = kept(with_ppg, next(iter(with_ppg.beats)))
    true = np.diff(np.rint(ppg.beat_times_s[ppg.beat_times_s > 25] * 1000))
    assert len(np.intersect1d(ppi, true)) >= 0.9 * len(np.unique(true))


def test_e4_is_read_back(tmp_path: Path) -> None:
    bvp = simulate_ppg(120, 64, 3)
    write_e4_zip(tmp_path / "e4.zip", bvp, START // NS_PER_S, random_stream(1, "e4"))
    recording = allostat.read(tmp_path / "e4.zip")
    assert recording.ppg.clock.rate_hz == 64
    assert recording.ppg.clock.start_ns == START
    assert np.corrcoef(recording.ppg.physical(), bvp.samples)[0, 1] > 0.999
    beats = recording.beats["ibi"]
    off = np.abs((beats.times_ns[:, None] - START) / NS_PER_S - bvp.beat_times_s).min(axis=1)
    assert off.max() <= 0.5 / 64 + 1e-6
    assert len(beats) > 60


def test_e4_has_only_64_hz(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="64 Hz"):
        write_e4_zip(tmp_path / "e4.zip", simulate_ppg(10, 60, 3), 0, random_stream(1, "e4"))


def test_archives_carry_no_clock(tmp_path: Path, ecg: SimulatedSignal) -> None:
    for name in ("a.zip", "b.zip"):
        write_polar_sensor_logger(tmp_path / name, START, ZONE, ecg=ecg)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO((tmp_path / "a.zip").read_bytes())) as archive:
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in archive.infolist())


def test_acceleration_needs_three_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="three columns"):
        write_polar_sensor_logger(tmp_path / "a", START, ZONE, acc_mg=np.zeros((5, 2), dtype=np.int64))
