"""XDF files of the Lab Streaming Layer, trap by trap."""

from __future__ import annotations

import builtins
import logging
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.simulate.exports.containers import XdfStream, write_xdf
from allostat.source import Source
from allostat_devices.xdf import ADAPTER
from allostat_devices.xdf_chunks import scan_chunks

pyxdf = pytest.importorskip("pyxdf")
BEGUN = "2025-01-31T10:21:17+0100"
BEGUN_NS = int(datetime(2025, 1, 31, 9, 21, 17, tzinfo=UTC).timestamp()) * NS_PER_S


def ecg(
    n: int = 1300, *, rate: float = 129.83, at: float = 50.0, offsets: Any = ((50.0, 0.0), (55.0, 0.0)), **info: str
) -> XdfStream:
    values = (np.arange(n) % 300).astype(np.int16)[:, None]
    about = {"name": "ECG", "type": "ECG"} | info
    return XdfStream(about, ("ECG",), ("microvolts",), 130.0, at + np.arange(n) / rate, values, offsets)


def written(tmp_path: Path, *streams: XdfStream, begun: str | None = None) -> Path:
    write_xdf(tmp_path / "x.xdf", streams or (ecg(),), begun)
    return tmp_path / "x.xdf"


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def codes(recording: Recording) -> list[str]:
    return [notice.code for notice in recording.notices]


def test_the_nominal_rate_is_fiction_and_integers_stay(tmp_path: Path) -> None:
    signal = read(written(tmp_path)).ecg
    assert signal.samples.dtype == np.int16 and signal.unit == "uV" and signal.name == "ecg"
    (block,) = signal.clock.blocks
    assert block.rate_hz == pytest.approx(129.83, rel=1e-6) and block.nominal_hz == 130.0
    assert (signal.clock.epoch, signal.clock.start_ns) == ("relative", 0)


def test_clock_offsets_correct_the_stamps(tmp_path: Path) -> None:
    # a clock that runs 1e-4 too fast: what it calls 1 s is a little less
    drifting = tuple((1050.0 + t, -1000.0 - 1e-4 * t) for t in range(0, 11, 2))
    signal = read(written(tmp_path, ecg(at=1050.0, rate=130.0, offsets=drifting))).ecg
    assert signal.clock.rate_hz == pytest.approx(130.0 / (1 - 1e-4), rel=1e-7)


def test_two_streams_share_one_time(tmp_path: Path) -> None:
    events = XdfStream({"name": "E", "type": "Markers"}, ("",), ("",), 0.0, np.array([51.0, 52.5]), ["rest", "task"])
    recording = read(written(tmp_path, ecg(), events))
    assert [(m.time_ns, m.label) for m in recording.markers] == [(NS_PER_S, "rest"), (5 * NS_PER_S // 2, "task")]


@pytest.mark.parametrize(("hole_s", "blocks"), [(0.7, 2), (3.0, 2), (60.0, 2), (0.2, 1)])
def test_a_hole_of_half_a_second_or_more_is_a_gap(tmp_path: Path, hole_s: float, blocks: int) -> None:
    stamps = 50.0 + np.arange(1300) / 130.0 + np.where(np.arange(1300) >= 700, hole_s, 0.0)
    stream = XdfStream({"name": "E", "type": "ECG"}, ("ECG",), ("uV",), 130.0, stamps, np.zeros((1300, 1), np.float32))
    clock = read(written(tmp_path, stream)).ecg.clock
    assert len(clock.blocks) == blocks
    if blocks == 2:
        (gap,) = clock.gaps
        assert (gap.end_ns - gap.start_ns) / NS_PER_S == pytest.approx(hole_s, abs=0.02)


def test_a_clock_reset_inside_a_file_is_followed(tmp_path: Path) -> None:
    before, after = 1000.0 + np.arange(0, 1300) / 130.0, 5.0 + np.arange(0, 1300) / 130.0
    offsets = [(1000.0 + t, -950.0) for t in range(10)] + [(5.0 + t, 55.0) for t in range(10)]
    stream = XdfStream(
        {"name": "E", "type": "ECG"}, ("ECG",), ("uV",), 130.0, np.concatenate([before, after]),
        np.arange(2600, dtype=np.float32)[:, None], offsets,
    )  # fmt: skip
    path = tmp_path / "x.xdf"
    write_xdf(path, [stream], None)
    raw = path.read_bytes()
    assert len(scan_chunks(raw, "x").streams) == 1
    clock = read(path).ecg.clock
    assert len(clock.blocks) == 2 and clock.blocks[1].t0_ns > clock.blocks[0].t0_ns
    assert clock.end_ns / NS_PER_S == pytest.approx(20.0, abs=0.1)


def test_a_truncated_last_chunk_costs_that_chunk_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - 900])
    recording = read(path)
    assert 1300 - 3 * 64 <= len(recording.ecg) < 1300
    assert codes(recording)[0] == "truncated"
    assert "truncated" in [n.code for n in ADAPTER.inspect(Source(path)).notices]


def test_the_date_in_the_header_places_the_streams(tmp_path: Path) -> None:
    recording = read(written(tmp_path, begun=BEGUN))
    assert (recording.epoch, recording.timezone.name, recording.timezone.source) == ("utc", "UTC+01:00", "file")
    assert recording.ecg.clock.start_ns == BEGUN_NS
    assert codes(recording) == ["anchored"]
    named = read(tmp_path / "x.xdf", timezone="America/New_York")
    assert named.timezone.source == "user" and "zone_differs" in codes(named)
    assert read(written(tmp_path, begun=BEGUN.replace("+0100", ""))).epoch == "relative"


def test_empty_streams_are_told(tmp_path: Path) -> None:
    assert codes(read(written(tmp_path, ecg(), ecg(0)))) == ["empty"]
    with pytest.raises(InputError, match="no samples"):
        read(written(tmp_path, ecg(0)))


def test_values_at_odd_instants_are_a_series(tmp_path: Path) -> None:
    odd = XdfStream(
        {"name": "H", "type": "HR"},
        ("hr",),
        ("bpm",),
        0.0,
        np.array([51.0, 52.5, 52.5]),
        np.array([[60], [61], [62]], np.float32),
    )
    recording = read(written(tmp_path, ecg(), odd))
    assert recording.series["hr"].values.tolist() == [60, 61] and recording.series["hr"].unit == "/min"
    assert codes(recording) == ["duplicate"]


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    info = {"source_id": "CANARY1", "hostname": "CANARY2", "uid": "CANARY3", "session_id": "CANARY4", "name": "CANARY5"}
    path = written(tmp_path, ecg(**info))
    assert "CANARY" not in repr(read(path)) + repr(ADAPTER.inspect(Source(path)))


def test_the_library_says_nothing_on_the_screen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(written(tmp_path))
    assert not [r for r in caplog.records if r.name == "pyxdf"]


def test_without_pyxdf_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pyxdf":
            raise ImportError(name)
        return real(name, *rest, **more)

    path = written(tmp_path)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"allostat-load\[xdf\]"):
        read(path)
    assert ADAPTER.inspect(Source(path)).streams[0].n == 1300


def chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


@pytest.mark.parametrize("count", [10**9, 4096 * 4096])
def test_a_count_of_channels_or_samples_larger_than_the_file_asks_for_no_memory(count: int) -> None:
    fields = {"type": "E", "channel_count": count, "channel_format": "int8", "nominal_srate": 1}
    head = "<info>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</info>"
    many = b"XDF:" + chunk(2, struct.pack("<I", 1) + head.encode())
    with pytest.raises(InputError, match="no sound stream"):
        scan_chunks(many, "x")
    few = b"XDF:" + chunk(2, struct.pack("<I", 1) + head.replace(str(count), "1").encode())
    samples = chunk(3, struct.pack("<I", 1) + b"\x08" + struct.pack("<Q", count) + bytes(40))
    assert scan_chunks(few + samples, "x").damaged == 1


def test_declarations_of_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><info><channel_count>1</channel_count></info>'
    with pytest.raises(InputError, match="no sound stream"):
        scan_chunks(b"XDF:" + chunk(2, struct.pack("<I", 1) + bomb), "x")


@pytest.mark.parametrize("name", ["clock_resets", "empty_streams", "minimal"])
def test_real_files_as_pyxdf_reads_them(recordings: Callable[[str], Path], name: str) -> None:
    path = recordings("xdf") / f"{name}.xdf"
    theirs, _ = pyxdf.load_xdf(path)
    ours = read(path)
    numbers = [s for s in theirs if len(s["time_stamps"]) and not isinstance(s["time_series"], list)]
    texts = [s for s in theirs if isinstance(s["time_series"], list)]
    assert len(ours.markers) == sum(len(s["time_stamps"]) for s in texts)
    signals = list(ours.signals.values())
    assert len(signals) == sum(s["time_series"].shape[1] for s in numbers)
    for stream in numbers:
        columns = [signals.pop(0) for _ in range(stream["time_series"].shape[1])]
        np.testing.assert_array_equal(np.stack([c.samples for c in columns], axis=1), stream["time_series"])
        stamps = columns[0].clock.times_ns(np.arange(len(columns[0]))) / NS_PER_S
        difference = stamps - stream["time_stamps"]
        assert np.ptp(difference) < 2e-6


def test_a_real_clock_reset_leaves_a_gap(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("xdf") / "clock_resets.xdf")
    clock = recording.signals["eeg_channel"].clock
    assert [b.start_index for b in clock.blocks] == [0, 12_876]
    (gap,) = clock.gaps
    assert (gap.end_ns - gap.start_ns) / NS_PER_S == pytest.approx(273.5, abs=0.4)
    assert all(b.rate_hz == pytest.approx(92.9, abs=2.0) and b.nominal_hz == 100.0 for b in clock.blocks)


def test_stamps_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    stream = XdfStream(
        {"name": "E", "type": "ECG"}, ("ECG",), ("uV",), 130.0, np.full(50, np.nan), np.zeros((50, 1), np.float32)
    )
    with pytest.raises(InputError):
        read(written(tmp_path, stream))
