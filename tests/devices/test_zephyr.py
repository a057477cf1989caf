"""Zephyr BioHarness CSV, trap by trap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, BeatFlag, Recording
from allostat.source import Source
from allostat_devices.zephyr import ADAPTER, stamps

START = datetime(2023, 4, 3, 10, 15, 27, 428_000, UTC)
START_NS = 1_680_516_927_428 * 1_000_000


def stamp(ms: int) -> str:
    return datetime.fromtimestamp((START_NS // 10**6 + ms) / 1000, UTC).strftime("%d/%m/%Y %H:%M:%S.%f")[:-3]


def held(lengths_ms: list[int], *, seconds: bool = True, first_ms: int = 2000) -> str:
    ends = first_ms + np.concatenate([[0], np.cumsum(lengths_ms[1:])])
    lines = ["Timestamp,BR,RtoR"]
    for at in range(0, int(ends[-1]) + 2000, 56):
        k = int(np.searchsorted(ends, at, side="right")) - 1
        value = 0.0 if k < 0 else lengths_ms[k] * (1 if k % 2 else -1) / (1000 if seconds else 1)
        lines.append(f"{stamp(at)},1000,{value:g}")
    return "\n".join(lines) + "\n"


def written(tmp_path: Path, text: str, name: str = "Record_1_BR_RR.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


LENGTHS = [11_000, 800, 810, 790, 800, 800, 820, 805, 795, 800]


@pytest.mark.parametrize("seconds", [True, False])
def test_a_beat_is_a_change_of_sign_and_not_a_row(tmp_path: Path, seconds: bool) -> None:
    beats = read(written(tmp_path, held(LENGTHS, seconds=seconds))).beats["rr"]
    np.testing.assert_allclose(beats.intervals_ms[1:], LENGTHS[1:])
    first_end = (beats.times_ns[1] - START_NS) / 1e6
    assert 2800 <= first_end <= 2800 + 56


def test_an_interval_that_is_held_twice_as_long_as_usual_is_told(tmp_path: Path) -> None:
    lengths = [*LENGTHS, 4200, 800, 810]
    recording = read(written(tmp_path, held(lengths)))
    beats = recording.beats["rr"]
    assert beats.flags[10] == BeatFlag.OUT_OF_RANGE and np.isnan(beats.intervals_ms[10])
    assert [n.code for n in recording.notices] == ["out_of_range"]


def test_dates_are_day_first_and_naive(tmp_path: Path) -> None:
    assert stamps(["03/04/2023 10:15:27.428"]).tolist() == [START_NS]
    path = written(tmp_path, held(LENGTHS))
    assert (read(path).epoch, read(path).signals["breathing"].clock.start_ns) == ("local", START_NS)
    placed = read(path, timezone="Europe/Lisbon")
    assert placed.signals["breathing"].clock.start_ns == START_NS - 3600 * NS_PER_S
    with pytest.raises(ValueError, match="not a time"):
        stamps(["31/02/20x3 10:15:27.428"])


def test_the_summary_is_a_series_and_0_and_the_empty_value_are_missing(tmp_path: Path) -> None:
    rows = "".join(f"{stamp(i * 1000)},{60 + i if i else 0},10.0,-3276.8,5,0.1,7\n" for i in range(5))
    recording = read(written(tmp_path, "Timestamp,HR,BR,Temp,Posture,Activity,Other\n" + rows, "x_General.csv"))
    assert recording.series["hr"].values.tolist()[1:] == [61, 62, 63, 64]
    assert np.isnan(recording.series["hr"].values[0]) and np.isnan(recording.series["skin_temperature"].values).all()
    assert recording.series["other"].values.tolist() == [7] * 5
    assert recording.series["respiration_rate"].kind == "respiration_rate"


def test_waves_are_counts_and_not_verified(tmp_path: Path) -> None:
    rows = "".join(f"{stamp(i * 4)},{2000 + i}\n" for i in range(500))
    recording = read(written(tmp_path, "Time,EcgWaveform\n" + rows, "x_ECG.csv"))
    assert (recording.ecg.samples[0], recording.ecg.unit, recording.ecg.clock.rate_hz) == (2000, "1", 250.0)
    assert [n.code for n in recording.notices] == ["unverified"] and not recording.provenance.verified


def test_files_whose_names_begin_alike_are_one_session(tmp_path: Path) -> None:
    written(tmp_path, held(LENGTHS), "Record_1_BR_RR.csv")
    written(tmp_path, held(LENGTHS), "Record_2_BR_RR.csv")
    written(tmp_path, "Time,EcgWaveform\n" + "".join(f"{stamp(i * 4)},{i}\n" for i in range(50)), "Record_1_ECG.csv")
    recordings = list(ADAPTER.read(Source(tmp_path), ReadOptions()))
    assert [(r.id, sorted(r.signals), sorted(r.beats)) for r in recordings] == [
        ("Record_1", ["breathing", "ecg"], ["rr"]), ("Record_2", ["breathing"], ["rr"]),
    ]  # fmt: skip


def test_a_change_of_the_clock_inside_a_recording_moves_nothing(tmp_path: Path) -> None:
    text = held(LENGTHS)
    for at in range(0, 20_000, 56):
        night = datetime(2024, 3, 31, 1, 59, 55, tzinfo=UTC).timestamp() + at / 1000
        text = text.replace(stamp(at), datetime.fromtimestamp(night, UTC).strftime("%d/%m/%Y %H:%M:%S.%f")[:-3])
    beats = read(written(tmp_path, text), timezone="Europe/Vienna").beats["rr"]
    np.testing.assert_allclose(beats.intervals_ms[1:], LENGTHS[1:])


def test_rows_without_a_beat_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read(written(tmp_path, "Timestamp,BR,RtoR\njunk,1,0\n"))


def test_a_real_session(recordings: Callable[[str], Path]) -> None:
    folder = recordings("zephyr_bioharness")
    recording = read(folder / "Record_2_2023_04_03-10_15_27_BR_RR.csv")
    beats = recording.beats["rr"]
    assert len(beats) == 102 and recording.signals["breathing"].clock.rate_hz == pytest.approx(17.857, abs=1e-3)
    general = read(folder / "sample_general.csv")
    heart_rate = float(np.nanmedian(general.series["hr"].values))
    assert np.nanmedian(60e3 / beats.intervals_ms) == pytest.approx(heart_rate, abs=7)
    assert np.isnan(general.series["skin_temperature"].values).all() and recording.provenance.verified
