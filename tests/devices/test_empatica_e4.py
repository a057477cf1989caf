"""Empatica E4 sessions, trap by trap."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import BeatFlag, Recording
from allostat.source import Source
from allostat_devices.empatica_e4 import ADAPTER

START = 1_635_148_245


def session(seconds: int = 10) -> dict[str, str]:
    acc = "".join("-21,4,60\n" for _ in range(32 * seconds))
    return {
        "BVP.csv": f"{START}.00\n64.000000\n" + "".join(f"{np.sin(i / 10):.2f}\n" for i in range(64 * seconds)),
        "EDA.csv": f"{START}.000000\n4.000000\n" + "".join(f"{0.3 + i * 1e-6:.6f}\n" for i in range(4 * seconds)),
        "TEMP.csv": f"{START}.000000\n4.000000\n" + "32.13\n" * (4 * seconds),
        "ACC.csv": ", ".join([f"{START}.000000"] * 3) + "\n" + ", ".join(["32.000000"] * 3) + "\n" + acc,
        "HR.csv": f"{START + 10}.000000\n1.000000\n" + "63.73\n" * seconds,
        "IBI.csv": f"{START}.000000, IBI\n145.63,0.900\n146.521,0.891\n151.73,1.063\n",
        "tags.csv": f"{START + 2}.30\n{START + 5}.25\n",
        "info.txt": ".csv files in this archive are in the following format:\n",
    }


def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def zipped(tmp_path: Path, files: dict[str, str], name: str = "1635148245_A00204.zip") -> Path:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return tmp_path / name


def read(path: Path, **options: str) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))  # type: ignore[arg-type]
    return recording


@pytest.mark.parametrize("top", ["", "session/", "a/b/"])
def test_zip_and_folder_with_and_without_a_top_folder(tmp_path: Path, top: str) -> None:
    files = {top + name: content for name, content in session().items()}
    path = folder(tmp_path / "f", files)
    archive = zipped(tmp_path, files)
    for source in (Source(path), Source(archive)):
        assert ADAPTER.sniff(source).confidence > 0.9
        assert set(ADAPTER.sniff(source).members) == set(files)
    by_folder, by_zip = read(path), read(archive)
    assert list(by_folder.signals) == list(by_zip.signals)
    np.testing.assert_array_equal(by_folder.ppg.samples, by_zip.ppg.samples)


def test_signals_keep_their_integers_start_and_rate(tmp_path: Path) -> None:
    recording = read(folder(tmp_path, session()))
    ppg, eda, acc = recording.ppg, recording.signals["eda"], recording.signals["acc_z"]
    assert (ppg.samples.dtype, ppg.scale, ppg.clock.rate_hz) == (np.dtype(np.int32), 0.01, 64.0)
    assert (eda.unit, eda.scale) == ("uS", 1e-6)
    assert (acc.unit, acc.scale, acc.physical(0, 1)[0]) == ("[g]", 1 / 64, 60 / 64)
    assert ppg.clock.start_ns == START * 10**9
    assert recording.signals["hr"].clock.start_ns == (START + 10) * 10**9
    assert (recording.epoch, recording.timezone.known, recording.device.model) == ("utc", False, "E4")


def test_an_interval_ends_at_its_time_and_a_hole_is_a_gap(tmp_path: Path) -> None:
    beats = read(folder(tmp_path, session())).beats["ibi"]
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, 900, 891, np.nan, 1063])
    seconds = (beats.times_ns - START * 10**9) / 1e9
    np.testing.assert_allclose(seconds, [144.73, 145.63, 146.521, 150.667, 151.73])


@pytest.mark.parametrize(("step", "joined"), [(1 / 64, True), (1.1 / 64, False), (-1 / 64, True), (-1.1 / 64, False)])
def test_one_tick_of_the_pulse_signal_still_joins(tmp_path: Path, step: float, joined: bool) -> None:
    files = session()
    files["IBI.csv"] = f"{START}.0, IBI\n10.0,0.8\n{10.8 + step:.9f},0.8\n"
    assert (len(read(folder(tmp_path, files)).beats["ibi"].gaps) == 0) == joined


def test_tags_are_markers_and_may_be_missing(tmp_path: Path) -> None:
    recording = read(folder(tmp_path, session()))
    assert [m.time_ns for m in recording.markers] == [(START + 2) * 10**9 + 3 * 10**8, (START + 5) * 10**9 + 25 * 10**7]
    (tmp_path / "tags.csv").write_text("")
    assert read(tmp_path).markers == ()
    assert read(tmp_path).notices == ()


def test_streams_may_end_at_different_times(tmp_path: Path) -> None:
    files = session() | {"HR.csv": f"{START + 10}.0\n1.0\n60.0\n"}
    recording = read(folder(tmp_path, files))
    assert len(recording.signals["hr"]) == 1
    assert len(recording.ppg) == 640


def test_a_session_without_pulse_signal_is_read(tmp_path: Path) -> None:
    files = session()
    del files["BVP.csv"]
    recording = read(folder(tmp_path, files))
    with pytest.raises(InputError, match="holds no PPG"):
        _ = recording.ppg
    assert len(recording.beats["ibi"]) == 5


def test_a_bad_row_is_a_missing_sample_and_shifts_nothing(tmp_path: Path) -> None:
    files = session()
    lines = files["BVP.csv"].split("\n")
    lines[101] = "junk"
    lines[102] = "nan"
    lines[103] = ""
    files["BVP.csv"] = "\n".join(lines)
    recording = read(folder(tmp_path, files))
    physical = recording.ppg.physical()
    assert len(physical) == 640
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(physical)), [99, 100, 101])
    assert physical[102] == pytest.approx(round(np.sin(10.2), 2))
    (notice,) = recording.notices
    assert (notice.code, notice.count, notice.first_line, notice.severity) == ("bad_number", 2, 102, "warning")


def test_implausible_and_backward_intervals_are_counted(tmp_path: Path) -> None:
    files = session()
    files["IBI.csv"] = f"{START}.0, IBI\n10.0,0.8\n10.1,0.1\n9.0,0.8\n12.0,0.9\n13.0,-1\n"
    recording = read(folder(tmp_path, files))
    found = {n.code: (n.count, n.first_line) for n in recording.notices}
    assert found == {"out_of_range": (2, 3), "bad_time": (1, 4)}
    beats = recording.beats["ibi"]
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, 800, np.nan, np.nan, 900])
    assert list(beats.flags) == [0, 0, BeatFlag.OUT_OF_RANGE, 0, 0]


def test_several_sessions_are_several_recordings(tmp_path: Path) -> None:
    files = {f"{day}/{name}": content for day in ("mon", "tue") for name, content in session().items()}
    recordings = list(ADAPTER.read(Source(zipped(tmp_path, files)), ReadOptions()))
    assert [r.id for r in recordings] == ["mon", "tue"]


def test_the_device_serial_stays_out(tmp_path: Path) -> None:
    path = zipped(tmp_path, session())
    manifest = ADAPTER.inspect(Source(path))
    assert manifest.identifiers == ("device id in file name",)
    recording = read(path)
    assert "A00204" not in repr(manifest)
    assert "A00204" not in repr(recording)
    assert len(recording.provenance.inputs[0].sha256) == 64


def test_participant_of_a_folder(tmp_path: Path) -> None:
    assert read(folder(tmp_path / "sub-012", session())).participant == "sub-012"
    assert read(tmp_path / "sub-012", participant="x", timezone="UTC").participant == "x"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("BVP.csv", "hello\nworld\n", r"BVP\.csv, lines 1 and 2"),
        ("BVP.csv", f"{START}.0\n", "does not begin with a start and a rate"),
        ("BVP.csv", f"{START}.0\n0\n1\n", "implausible"),
        ("BVP.csv", f"{START}.0\nnan\n1\n", "implausible"),
        ("ACC.csv", f"{START}.0\n32.0\n1,2,3\n", "3 columns"),
        ("IBI.csv", "hello, IBI\n1,2\n", r"IBI\.csv, line 1"),
        ("EDA.csv", "\x00\x00\x00", "binary"),
    ],
)
def test_a_damaged_file_names_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = folder(tmp_path, session() | {name: content})
    with pytest.raises(InputError, match=message):
        read(path)


def test_empty_files_are_told(tmp_path: Path) -> None:
    files = session() | {"EDA.csv": "", "TEMP.csv": f"{START}.0\n4.0\n"}
    recording = read(folder(tmp_path, files))
    assert sorted(n.message for n in recording.notices) == ["EDA.csv holds no samples", "TEMP.csv holds no samples"]


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    path = folder(tmp_path, {"BVP.csv": f"{START}.0\n64.0\n" + "nan\n" * 50})
    with pytest.raises(InputError, match=r"holds no usable stream.*50 of 50 rows"):
        read(path)
    with pytest.raises(InputError, match="holds no E4 session"):
        read(folder(tmp_path / "other", {"a.txt": "x"}))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.txt": "x"}, "holds none of BVP.csv"),
        ({"BVP.csv": "1,2\n3,4\n"}, "does not begin"),
        ({"BVP.csv": ""}, "empty"),
    ],
)
def test_sniffing_says_why_not(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    sniff = ADAPTER.sniff(Source(folder(tmp_path, files)))
    assert sniff.confidence < 0.5
    assert reason in sniff.reason


def test_real_zip(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("empatica_e4") / "1635148245_A00204.zip")
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert len(recording.ppg) == 215_732
    beats = recording.beats["ibi"]
    assert int(np.isfinite(beats.intervals_ms).sum()) == 2258
    assert len(beats.gaps) == 2257 - 2181
    assert len(recording.markers) == 10
    assert recording.notices == ()
    counts = {s.name: s.n for s in ADAPTER.inspect(source).streams}
    assert counts == {name: len(s) for name, s in recording.signals.items()} | {"ibi": 2258}


def test_real_folder(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("empatica_e4") / "flirt_session")
    assert {name: len(s) for name, s in recording.signals.items()} == {
        "acc_x": 9998, "acc_y": 9998, "acc_z": 9998, "ppg": 9998, "eda": 9998, "hr": 4998, "temp": 4998,
    }  # fmt: skip
    assert int(np.isfinite(recording.beats["ibi"].intervals_ms).sum()) == 4999
    assert recording.markers == ()
    assert recording.signals["hr"].clock.start_ns - recording.ppg.clock.start_ns == 10 * 10**9
