"""BIOPAC AcqKnowledge files through bioread."""

from __future__ import annotations

import builtins
import logging
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.simulate import Worn, simulate_participant, simulate_worn
from allostat.simulate.exports.research_devices import write_biopac_export
from allostat.source import Source
from allostat_devices.biopac import ADAPTER

pytest.importorskip("bioread")


@pytest.fixture(scope="module")
def worn() -> Worn:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    return simulate_worn(simulate_participant("sub-001", 3), start, 0.005, "Europe/Vienna")


def read(path: Path) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    return recording


def test_integers_keep_the_scale_of_their_channel(worn: Worn, tmp_path: Path) -> None:
    recording = read(write_biopac_export(worn, tmp_path))
    ecg = recording.ecg
    assert (ecg.samples.dtype, ecg.unit, ecg.clock.rate_hz, ecg.clock.epoch) == (np.int16, "mV", 500.0, "relative")
    np.testing.assert_allclose(ecg.physical() * 1000, worn.ecg(500.0).samples, atol=1e-6)
    assert [n.code for n in recording.notices] == ["unverified"] and not recording.provenance.verified
    assert ADAPTER.inspect(Source(tmp_path / "sub-001.acq")).streams[0].n == len(ecg)


def test_names_of_channels_are_not_kept_when_they_mean_no_signal(worn: Worn, tmp_path: Path) -> None:
    path = write_biopac_export(worn, tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ECG\0\0\0\0", b"CANARY1"))
    manifest = ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(read(path)) + repr(manifest).upper()
    assert list(read(path).signals) == ["channel_1"]


@pytest.mark.parametrize("cut", [20, 100, 250, 400, 9000])
def test_truncated_files_are_refused(worn: Worn, tmp_path: Path, cut: int) -> None:
    path = write_biopac_export(worn, tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError):
        read(path)


def test_a_count_larger_than_the_file_asks_for_no_memory(worn: Worn, tmp_path: Path) -> None:
    path = write_biopac_export(worn, tmp_path)
    raw = path.read_bytes()
    n = struct.pack("<i", len(worn.ecg(500.0).samples))
    path.write_bytes(raw.replace(n, struct.pack("<i", 2**31 - 1), 1))
    with pytest.raises(InputError, match="truncated"):
        read(path)


def test_without_bioread_the_error_names_the_extra(
    worn: Worn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_biopac_export(worn, tmp_path)
    with caplog.at_level(logging.DEBUG):
        read(path)
    assert not caplog.records
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("bioread"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"allostat-load\[biopac\]"):
        read(path)


def test_sniffing_needs_numbers_and_name(worn: Worn, tmp_path: Path) -> None:
    path = write_biopac_export(worn, tmp_path)
    other = path.rename(tmp_path / "x.bin")
    assert ADAPTER.sniff(Source(other)).confidence < 0.5
    (tmp_path / "y.acq").write_bytes(b"not a recording at all")
    assert ADAPTER.sniff(Source(tmp_path / "y.acq")).confidence == 0


def test_a_number_of_markers_without_end_does_not_hang(worn: Worn, tmp_path: Path) -> None:
    path = write_biopac_export(worn, tmp_path)
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<ii", 8, 2**31 - 1) + bytes(4000))
    try:
        assert len(read(path).ecg) > 0
    except InputError as error:
        assert "headers" in str(error) or "samples" in str(error)
