"""Shimmer Consensys CSV, trap by trap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.shimmer import ADAPTER

START_MS = 1_595_933_810_034


def text(n: int = 300, *, rate: float = 256.0, device: str = "Shimmer_40AC", sep: str = ";", hole: int = 0) -> str:
    names = ["Timestamp_Unix", "ECG_LL-RA_24BIT", "Accel_LN_X", "GSR_Skin_Conductance"]
    lines = [
        f'"sep={sep}"',
        sep.join(f"{device}_{n}_CAL" for n in names) + sep,
        sep.join(["ms", "mV", "m/(s^2)", "uS"]) + sep,
    ]
    for i in range(n):
        at = START_MS + i * 1000 / rate + (5000 if hole and i >= hole else 0)
        power = f"{at:.15e}".replace("e+", "E")
        lines.append(sep.join([power, str(i / 1000), "9.81", "0.5"]) + sep)
    return "\n".join(lines) + "\n"


def written(tmp_path: Path, content: str, name: str = "x_Session1_Shimmer_40AC_Calibrated_SD.csv") -> Path:
    (tmp_path / name).write_text(content)
    return tmp_path / name


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


@pytest.mark.parametrize("sep", [";", ",", "\t"])
def test_names_units_times_and_the_separator_at_the_end(tmp_path: Path, sep: str) -> None:
    recording = read(written(tmp_path, text(sep=sep)))
    assert {n: (s.kind, s.unit) for n, s in recording.signals.items()} == {
        "ecg_ll_ra_24bit": ("ecg", "mV"), "acc_x": ("acc", "m/s2"), "eda_gsr_skin_conductance": ("eda", "uS"),
    }  # fmt: skip
    clock = recording.ecg.clock
    assert abs(clock.start_ns - START_MS * 10**6) < 1_000_000 and clock.epoch == "utc"
    assert clock.rate_hz == pytest.approx(256.0, rel=1e-6) and len(clock.blocks) == 1
    np.testing.assert_array_equal(recording.ecg.samples, np.arange(300))
    assert recording.ecg.scale == 1e-3
    assert [n.code for n in recording.notices] == ["unverified"]


def test_a_hole_is_a_gap(tmp_path: Path) -> None:
    clock = read(written(tmp_path, text(hole=100))).ecg.clock
    assert [b.start_index for b in clock.blocks] == [0, 100]


def test_times_since_the_start_of_the_device_are_relative(tmp_path: Path) -> None:
    content = text().replace("Timestamp_Unix", "Timestamp")
    lines = content.split("\n")
    lines[3:] = [f"{i * 1000 / 256 + 77};0.1;0.2;0.3;" for i in range(300)]
    recording = read(written(tmp_path, "\n".join(lines)))
    assert (recording.epoch, recording.ecg.clock.start_ns) == ("relative", 0)


def test_bad_rows_are_counted_with_their_first_line(tmp_path: Path) -> None:
    lines = text().split("\n")
    lines[10] = "junk;0.1;0.1;0.1;"
    lines[20] = lines[19]
    recording = read(written(tmp_path, "\n".join(lines)))
    assert {n.code: n.first_line for n in recording.notices[1:]} == {"bad_time": 11, "duplicate": 21}


def test_each_device_of_a_file_is_a_recording(tmp_path: Path) -> None:
    one, two = text(50).split("\n"), text(50, device="Shimmer_53B1").split("\n")
    both = [one[0], *(a + b for a, b in zip(one[1:], two[1:], strict=True))]
    recordings = list(ADAPTER.read(Source(written(tmp_path, "\n".join(both))), ReadOptions()))
    assert [list(r.signals) for r in recordings] == [list(recordings[0].signals)] * 2
    assert len({r.id for r in recordings}) == 2


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    path = written(tmp_path, text(device="CANARY_Shimmer_C0DE"), "night_Shimmer_C0DE.csv")
    recording, manifest = read(path), ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(recording) + repr(manifest) and "C0DE" not in recording.id
    assert "device id in column names" in manifest.identifiers


def test_a_header_without_time_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, text().replace("ms;", "mm;"))
    with pytest.raises(InputError, match="time in ms"):
        read(path)
    assert ADAPTER.sniff(Source(path)).confidence < 0.5
