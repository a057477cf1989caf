"""CSV of a Garmin watch logger, trap by trap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording, TimeZone
from allostat.source import Source
from allostat_devices.garmin_logger import ADAPTER


def read(folder: Path, lines: list[str], **options: str) -> Recording:
    (folder / "x.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (recording,) = ADAPTER.read(Source(folder / "x.csv"), ReadOptions(**options))  # type: ignore[arg-type]
    return recording


def beats(n: int, kind: str = "HEART_RATE_VARIABILITY", offset: str = "+02:00", minute: int = 0) -> list[str]:
    return [f"2019-10-16T12:{minute + i // 60:02d}:{i % 60:02d}.041{offset};{kind};1000.0" for i in range(n)]


@pytest.mark.parametrize("kind", ["HEART_RATE_VARIABILITY", "hrv"])
def test_intervals_are_placed_by_their_arrival(tmp_path: Path, kind: str) -> None:
    recording = read(tmp_path, beats(100, kind))
    assert ADAPTER.sniff(Source(tmp_path / "x.csv")).confidence > 0.8
    found = recording.beats["rr"]
    assert len(found) == 101 and len(found.gaps) == 0
    assert abs(found.times_ns[1] - 1_571_220_000_041_000_000) < 10**6
    assert recording.timezone == TimeZone("UTC+02:00", "file")


def test_a_pause_between_rows_is_a_gap(tmp_path: Path) -> None:
    assert len(read(tmp_path, beats(40) + beats(40, minute=20)).beats["rr"].gaps) == 1


def test_a_row_that_cannot_be_read_breaks_the_series_and_is_counted(tmp_path: Path) -> None:
    lines = beats(60)
    lines[20] = lines[20].replace("1000.0", "100.0")
    lines[30] = "2019-10-16T12:00:30.041+02:00;HEART_RATE_VARIABILITY;x"
    lines[40] = "2019-10-16T99:00:30.041+02:00;HEART_RATE_VARIABILITY;1000"
    lines[45] = "2019-10-16T12:00:45.041+02:00;WEATHER;7"
    recording = read(tmp_path, lines)
    assert len(recording.beats["rr"].gaps) == 3
    assert {n.code: (n.count, n.first_line) for n in recording.notices} == {
        "out_of_range": (1, 21), "bad_number": (1, 31), "bad_time": (1, 41), "unsupported": (1, 46),
    }  # fmt: skip


def test_intervals_that_are_all_out_of_range_are_no_recording(tmp_path: Path) -> None:
    rows = [line.rsplit(";", 1)[0] + ";9" for line in beats(3)]
    with pytest.raises(InputError, match=r"holds no usable row.*3 of 3 rows"):
        read(tmp_path, rows)


def test_other_kinds_are_series(tmp_path: Path) -> None:
    lines = [
        "2019-10-16T12:00:00.5+02:00;HEART_RATE;79.0",
        "2019-10-16T12:00:01.5+02:00;hr;0",
        "2019-10-16T12:00:02.0+02:00;STRESS;-2.0",
        "2019-10-16T12:00:03.0+02:00;STEPS;299.0",
        "2019-10-16T12:00:03.0+02:00;steps;299.0",
    ]
    recording = read(tmp_path, lines)
    np.testing.assert_array_equal(recording.series["hr"].values, [79, np.nan])
    assert np.isnan(recording.series["stress"].values).all()
    assert len(recording.series["steps"]) == 1
    assert [n.code for n in recording.notices] == ["duplicate"]


def test_times_without_offset_stay_local_until_a_zone_is_named(tmp_path: Path) -> None:
    naive = read(tmp_path, beats(20, offset=""))
    assert (naive.epoch, naive.timezone) == ("local", TimeZone())
    placed = read(tmp_path, beats(20, offset=""), timezone="Europe/Vienna")
    assert placed.epoch == "utc"
    assert placed.span_ns[0] == naive.span_ns[0] - 2 * 3600 * 10**9


def test_a_day_on_which_the_clocks_change_tells_both_offsets(tmp_path: Path) -> None:
    lines = [f"2019-10-27T02:59:{s:02d}.000+02:00;hrv;1000" for s in range(50, 60)]
    lines += [f"2019-10-27T02:00:{s:02d}.000+01:00;hrv;1000" for s in range(30)]
    recording = read(tmp_path, lines)
    assert len(recording.beats["rr"].gaps) == 0
    assert "zone_changes" in [n.code for n in recording.notices] and recording.timezone.weak


def test_a_zone_that_is_always_zero_is_weak(tmp_path: Path) -> None:
    assert read(tmp_path, beats(20, offset="+00:00")).timezone == TimeZone("UTC+00:00", "file", weak=True)


def test_other_text_is_refused(tmp_path: Path) -> None:
    for content in ("time;hr\n1;2\n", "2019-10-16T12:00:00;WEATHER;7\n", "a;b;c\n" * 20, ""):
        (tmp_path / "x.csv").write_text(content)
        assert ADAPTER.sniff(Source(tmp_path / "x.csv")).confidence == 0
    (tmp_path / "x.csv").write_text("a;b;c\n")
    with pytest.raises(InputError, match="no usable row"):
        list(ADAPTER.read(Source(tmp_path / "x.csv"), ReadOptions()))


def test_a_real_recording(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("empatica_e4/flirt_garmin/data.csv.gz"))
    assert ADAPTER.sniff(source).confidence > 0.8
    (recording,) = ADAPTER.read(source, ReadOptions())
    found = recording.beats["rr"]
    assert np.isfinite(found.intervals_ms).sum() == 14_316
    assert len(recording.series["hr"]) == 8748 and len(recording.series["stress"]) == 2111
    assert recording.timezone == TimeZone("UTC+02:00", "file")
    # the beats go with the watch's own heart rate
    of_beat = np.interp(found.times_ns, recording.series["hr"].times_ns, recording.series["hr"].values)
    assert np.nanmedian(np.abs(60_000 / found.intervals_ms - of_beat)) < 5
    assert recording.provenance.verified and recording.notices == ()
