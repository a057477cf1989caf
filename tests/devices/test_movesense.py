"""Movesense JSON, trap by trap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.movesense import ADAPTER


def packets(n: int = 40, *, rate: float = 125.3, late: dict[int, int] | None = None) -> list[dict[str, Any]]:
    at, out = 90_000.0, []
    for i in range(n):
        at += (late or {}).get(i, 0)
        out.append({"Samples": list(range(16 * i, 16 * i + 16)), "Timestamp": round(at)})
        at += 16 * 1000 / rate
    return out


def document(**over: Any) -> dict[str, Any]:
    return {
        "Meas": {"ECG": packets()},
        "Algo": {"ECGRR": [{"RR": 742, "SNR": 16, "Timestamp": 91_000 + 742 * i} for i in range(6)]},
    } | over


def written(tmp_path: Path, content: Any) -> Path:
    (tmp_path / "x.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return tmp_path / "x.json"


def read(path: Path) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    return recording


def test_time_counts_from_the_start_of_the_device_and_the_rate_is_that_of_the_stamps(tmp_path: Path) -> None:
    recording = read(written(tmp_path, document()))
    ecg = recording.ecg
    np.testing.assert_array_equal(ecg.samples, np.arange(640))
    assert (ecg.clock.epoch, ecg.clock.start_ns) == ("relative", 0)
    assert ecg.clock.rate_hz == pytest.approx(125.3, abs=0.05)
    np.testing.assert_allclose(recording.beats["rr"].intervals_ms[1:], 742)
    assert [n.code for n in recording.notices] == ["unverified"]
    assert ADAPTER.sniff(Source(tmp_path / "x.json")).confidence > 0.9


def test_notifications_one_in_each_line(tmp_path: Path) -> None:
    lines = [json.dumps({"Uri": "/Meas/ECG/125", "Body": packet}) for packet in packets()]
    lines.insert(20, '{"Uri": "/Meas/ECG/125", "Bo')
    recording = read(written(tmp_path, "\n".join(lines)))
    assert len(recording.ecg) == 640 and recording.ecg.clock.blocks[0].nominal_hz == 125.0
    assert [n.code for n in recording.notices] == ["unverified", "bad_time"]


def test_a_late_packet_begins_a_block_and_a_repeated_one_is_left_out(tmp_path: Path) -> None:
    sent = packets(late={20: 3000})
    sent.insert(10, sent[9])
    recording = read(written(tmp_path, document(Meas={"ECG": sent})))
    assert [b.start_index for b in recording.ecg.clock.blocks] == [0, 320]
    assert [n.count for n in recording.notices if n.code == "bad_time"] == [1]


def test_acceleration_is_three_streams(tmp_path: Path) -> None:
    acc = [{"Timestamp": 90_000 + 80 * i, "ArrayAcc": [{"x": 0.1, "y": i, "z": 9.8}] * 4} for i in range(10)]
    recording = read(written(tmp_path, {"Meas": {"Acc": acc}}))
    assert list(recording.signals) == ["acc_x", "acc_y", "acc_z"]
    assert recording.signals["acc_y"].samples[4] == 1 and recording.signals["acc_x"].clock.rate_hz == pytest.approx(50)


@pytest.mark.parametrize("bad", [None, [], ["x"], [1e99], [True], {"a": 1}])
def test_packets_without_numbers_are_counted(tmp_path: Path, bad: Any) -> None:
    sent = packets()
    sent[3]["Samples"] = bad
    recording = read(written(tmp_path, document(Meas={"ECG": sent})))
    assert [n.count for n in recording.notices if n.code == "bad_time"] == [1]


def test_without_packets_the_file_is_refused(tmp_path: Path) -> None:
    for content in ("{}", "[", '{"Meas": {"ECG": []}}', "[" * 5000):
        with pytest.raises(InputError):
            read(written(tmp_path, content))
