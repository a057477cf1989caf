"""VNS Analyse: seconds under German headings, the list as recorded, notes never read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError, UnitError
from allostat.recording import Recording
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.vns_analyse import ADAPTER

RAW, CORRECTED = "RR-Intervalle - Rohwerte (Nicht aktiv)", "RR-Intervalle - Korrigierte Werte (Aktiv)"
HEAD = "VNS Analyse\nName\tcanary person\nHerzfrequenz\t61\n\n"
NAME = "31.03.2024 01.30 Ruhe 0h 05min.txt"
ROWS = "".join(f"0.{800 + 7 * (i % 9)}\t\n" for i in range(60))


def read(tmp_path: Path, text: str, name: str = NAME, encoding: str = "utf-8", **options: str) -> Recording:
    (tmp_path / name).write_text(text, encoding=encoding, newline="")
    (recording,) = ADAPTER.read(Source(tmp_path / name), ReadOptions(**options))
    return recording


def codes(recording: Recording) -> set[str]:
    return {n.code for n in recording.notices}


def test_the_beats_written_are_the_beats_read(tmp_path: Path) -> None:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    worn = simulate_worn(simulate_participant("sub-001", 3), start, 0.05, "Europe/Vienna")
    path = EXPORTS["vns-analyse"](worn, tmp_path)
    recording = allostat.read(path, timezone="Europe/Vienna")
    np.testing.assert_allclose(recording.beats["rr"].intervals_ms[1:], np.diff(worn.beats_ns) / 1e6, atol=1.01)
    assert abs(recording.beats["rr"].times_ns[0] - worn.beats_ns[0]) < 60e9
    assert "canary" not in repr(recording) + repr(allostat.inspect(path))
    assert {"unverified", "start_in_name", "notes_left_out"} <= codes(recording)


@pytest.mark.parametrize("change", [lambda t: t, lambda t: t.replace(".", ","), lambda t: t.replace("\n", "\r\n")])
def test_points_commas_and_line_ends(tmp_path: Path, change: object) -> None:
    recording = read(tmp_path, HEAD + RAW + "\n" + change(ROWS))  # type: ignore[operator]
    assert recording.beats["rr"].intervals_ms[1:4].tolist() == [800.0, 807.0, 814.0]
    assert recording.epoch == "local" and len(recording.beats["rr"]) == 61


def test_the_list_as_recorded_counts_and_the_corrected_one_stands_in(tmp_path: Path) -> None:
    corrected = ROWS.replace("0.8", "0.9")
    both = read(tmp_path, HEAD + RAW + "\n" + ROWS + CORRECTED + "\n" + corrected)
    assert both.beats["rr"].intervals_ms[1] == 800.0 and len(both.beats["rr"]) == 61
    alone = read(tmp_path, HEAD + CORRECTED + "\n" + corrected)
    assert alone.beats["rr"].intervals_ms[1] == 900.0 and "corrected_by_app" in codes(alone)


def test_a_line_of_junk_breaks_the_series_and_is_counted(tmp_path: Path) -> None:
    rows = ROWS.splitlines(keepends=True)
    recording = read(tmp_path, HEAD + RAW + "\n" + "".join([*rows[:20], "xx\n", *rows[20:]]))
    assert [(n.code, n.count) for n in recording.notices if n.code == "bad_number"] == [("bad_number", 1)]
    assert np.isnan(recording.beats["rr"].intervals_ms[1:]).sum() == 1


def test_a_start_offset_before_the_first_beat_is_a_gap(tmp_path: Path) -> None:
    recording = read(tmp_path, HEAD + RAW + "\n225.797\t\n" + ROWS)
    assert "out_of_range" in codes(recording)
    assert np.nanmax(recording.beats["rr"].intervals_ms) < 1000


def test_milliseconds_and_empty_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="seconds"):
        read(tmp_path, HEAD + RAW + "\n" + "812\n" * 30)
    with pytest.raises(InputError, match="holds no RR intervals"):
        read(tmp_path, HEAD + RAW + "\n")


def test_latin_text_is_read_and_a_name_without_date_leaves_time_relative(tmp_path: Path) -> None:
    text = HEAD + "Größe\t180\n" + RAW + "\n" + ROWS
    recording = read(tmp_path, text, "messung.txt", "latin-1")
    assert recording.epoch == "relative" and "start_in_name" not in codes(recording)


def test_the_hour_of_the_clock_change_is_placed_by_the_zone(tmp_path: Path) -> None:
    recording = read(tmp_path, HEAD + RAW + "\n" + ROWS, timezone="Europe/Vienna")
    assert recording.epoch == "utc"
    assert recording.beats["rr"].times_ns[0] == np.datetime64("2024-03-31T00:30", "ns").astype(np.int64)


def test_binary_files_whose_first_bytes_look_like_text_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(b"\x20\x41" * 3000 + b"\0" * 4000)
    assert ADAPTER.sniff(Source(tmp_path / "x.dat")).confidence == 0
