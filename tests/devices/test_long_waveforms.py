"""Waveform files read into a temporary file hold what they hold in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.recording import Recording
from allostat.samples import SpooledSamples
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.waveforms import (
    write_bdf_export,
    write_edf_export,
    write_edf_with_holes_export,
    write_faros_export,
)
from allostat.source import Source
from allostat_devices import edf, edf_records, wfdb, wfdb_signals
from tests.devices.wfdb_files import packed

EDF_WRITERS = {
    "edf": write_edf_export, "holes": write_edf_with_holes_export, "bdf": write_bdf_export, "faros": write_faros_export,
}  # fmt: skip


def read(adapter: object, path: Path, spool_above: int | None) -> Recording:
    (found,) = adapter.read(Source(path), ReadOptions(spool_above=spool_above))  # type: ignore[attr-defined]
    return found


def assert_same(whole: Recording, spooled: Recording) -> None:
    assert whole.signals and list(whole.signals) == list(spooled.signals)
    for name, signal in whole.signals.items():
        other = spooled.signals[name]
        assert isinstance(signal.samples, np.ndarray) and isinstance(other.samples, SpooledSamples)
        np.testing.assert_array_equal(np.asarray(other.samples), signal.samples)
        assert replace(other, samples=signal.samples).samples is signal.samples
        for field in ("kind", "clock", "unit", "scale", "offset", "missing", "saturation"):
            assert getattr(other, field) == getattr(signal, field)
    assert (whole.notices, whole.markers, whole.provenance) == (spooled.notices, spooled.markers, spooled.provenance)


@pytest.mark.parametrize("kind", EDF_WRITERS)
def test_edf(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worn = simulate_worn(simulate_participant("P1", 3), datetime(2024, 3, 4, 20, 0), 0.05, "Europe/Vienna")  # noqa: DTZ001
    path = EDF_WRITERS[kind](worn, tmp_path)
    monkeypatch.setattr(edf_records, "BLOCK_BYTES", 5000)
    assert_same(read(edf.ADAPTER, path, None), read(edf.ADAPTER, path, 0))


@pytest.mark.parametrize("storage", [8, 16, 24, 32, 61, 80, 160, 212, 310, 311])
def test_wfdb_in_parts_is_wfdb_at_once(storage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = np.random.default_rng(storage).integers(-9, 10, 2 * 701)
    data = packed(steps, storage) if storage != 8 else steps.astype(np.int8).tobytes()
    (tmp_path / "a.dat").write_bytes(data)
    lines = [f"a.dat {storage} 200 12 0 5 0 0 {lead}" for lead in ("I", "II")]
    (tmp_path / "a.hea").write_text("\n".join(["a 2 250 701", *lines]) + "\n")
    whole = read(wfdb.ADAPTER, tmp_path / "a.hea", None)
    # an odd number of frames, so that a part ends inside of one
    monkeypatch.setattr(wfdb_signals, "BLOCK_BYTES", 36)
    assert_same(whole, read(wfdb.ADAPTER, tmp_path / "a.hea", 0))
    if storage != 8:
        np.testing.assert_array_equal(whole.signals["i"].samples if "i" in whole.signals else steps[::2], steps[::2])
