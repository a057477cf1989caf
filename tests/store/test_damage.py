"""A flipped bit is found, or it changed nothing that any reader sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from allostat.errors import StoreError
from allostat.recording import Recording
from allostat.store import ParticipantResult, read_participant, verify, write_participant
from allostat.store.hdf5_read import read_tree
from allostat.store.tree import Group
from tests.store.results import device_beats, ecg, full_result, hrv

FLIPS = 200


def small() -> ParticipantResult:
    result = full_result()
    recording = Recording("h10", {"ecg": ecg(8_000)}, {"rr": device_beats(1_100)})
    return replace(
        result,
        recordings={"h10": recording},
        beats={},
        hrv={"5min": hrv()},
        circadian=None,
        allostatic_load={},
        quality={},
    )


def test_every_bit_flip_that_changes_content_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(small(), path)
    sound = path.read_bytes()
    with h5py.File(path) as file:
        root: Group = read_tree(h5py.h5g.open(file.id, b"/"))
    rng = np.random.default_rng(20240607)
    found = 0
    for byte, bit in zip(rng.integers(0, len(sound), FLIPS).tolist(), rng.integers(0, 8, FLIPS).tolist(), strict=True):
        raw = bytearray(sound)
        raw[byte] ^= 1 << bit
        path.write_bytes(raw)
        if verify(path):
            found += 1
            continue
        with h5py.File(path) as file:
            seen = read_tree(h5py.h5g.open(file.id, b"/"))
        assert seen.content_sha256 == root.content_sha256, f"byte {byte}, bit {bit}"
    assert found >= 0.9 * FLIPS


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    with h5py.File(path) as file:
        chunks = {
            n: file[n].id.get_chunk_info(0).byte_offset for n in ("beats/h10/rr/times_ns", "recordings/h10/ecg/samples")
        }
    raw = bytearray(path.read_bytes())
    for offset in chunks.values():
        raw[offset + 5] ^= 16
    path.write_bytes(raw)
    problems = "\n".join(verify(path))
    for name in chunks:
        assert name in problems
    with pytest.raises(StoreError, match="recordings/h10/ecg/samples"):
        read_participant(path)
    assert len(read_participant(path, groups=["biomarkers"]).biomarkers.rows) == 3


def test_content_that_was_edited_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        file["biomarkers/value"][0] = 99.0
    assert any("/biomarkers/value" in problem for problem in verify(path))
    with pytest.raises(StoreError, match="/biomarkers/value"):
        read_participant(path)
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        file["hrv/5min/rmssd"].attrs["units"] = np.bytes_(b"s ")
    assert any(problem.startswith("sub-001.h5, /hrv/5min:") for problem in verify(path))
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        file.attrs["participant"] = np.bytes_(b"sub-002")
    with pytest.raises(StoreError, match="hash"):
        read_participant(path)
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        del file["labs"]
    with pytest.raises(StoreError, match="hash"):
        read_participant(path)
