"""Spooled samples lie in the store as arrays do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from allostat.biomarkers import Person
from allostat.errors import StoreError
from allostat.recording import Clock, Recording, Signal
from allostat.samples import SampleWriter, SpooledSamples
from allostat.store import ParticipantResult, hdf5_write, read_participant, verify, write_participant

VALUES = np.random.default_rng(1).integers(-900, 900, 3 * 32_768 * 8 + 77).astype(np.int16)


def result(spooled: bool) -> ParticipantResult:
    writer = SampleWriter(np.int16, len(VALUES), spooled=spooled)
    writer.append(VALUES)
    samples = writer.finish()
    assert isinstance(samples, SpooledSamples) is spooled
    signal = Signal("ecg", "ecg", samples, Clock.regular(len(VALUES), 250.0), "uV", 2.0, 1.0, -32768)
    return ParticipantResult("a", Person("a"), {"r": Recording("r", {"ecg": signal})})


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_the_file_holds_the_same(in_memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_write, "IN_MEMORY_BYTES", in_memory)
    digests = [write_participant(result(True), tmp_path / f"{i}.h5") for i in range(2)]
    assert digests[0] == digests[1]
    write_participant(result(False), tmp_path / "array.h5")
    assert verify(tmp_path / "0.h5") == []
    trees = [read_participant(tmp_path / name).recordings["r"].signals["ecg"] for name in ("0.h5", "array.h5")]
    for signal in trees:
        np.testing.assert_array_equal(signal.samples, VALUES)
    assert (trees[0].scale, repr(trees[0].clock)) == (trees[1].scale, repr(trees[1].clock))
    # chunks are written in the same order, so even the bytes are the same
    assert (tmp_path / "0.h5").read_bytes() == (tmp_path / "array.h5").read_bytes()


def test_what_does_not_read_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(dataset: object, samples: SpooledSamples) -> None:
        dataset.write(  # type: ignore[attr-defined]
            hdf5_write.h5s.ALL, hdf5_write.h5s.ALL, np.where(np.arange(len(samples)) == 300_000, 1, samples[:])
        )

    monkeypatch.setattr(hdf5_write, "_write_blocks", wrong)
    with pytest.raises(StoreError, match="other content"):
        write_participant(result(True), tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())
