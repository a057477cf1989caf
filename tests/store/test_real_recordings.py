"""Real exports through the store: what the adapters give comes back to the last bit and opens elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from allostat.biomarkers import Person
from allostat.reading import read_all
from allostat.store import ParticipantResult, read_participant, verify, write_participant
from tests.store.results import assert_same

EXPORTS = {
    "mitdb": "101.hea",
    "polar_h10_ecglogger": "polar_h10.csv.gz",
    "empatica_e4": "*.zip",
    "rr24h": "nsr002_rr_secs.txt.gz",
}


@pytest.mark.parametrize("name", EXPORTS)
def test_real_recording_comes_back_and_opens_as_a_tree(
    tmp_path: Path, recordings: Callable[[str], Path], name: str
) -> None:
    source = sorted(recordings(name).rglob(EXPORTS[name]))[0]
    found = {r.id: r for r in read_all(source, participant="sub-001", timezone="Europe/Vienna")}
    result = ParticipantResult("sub-001", Person("sub-001"), found)
    path = tmp_path / "sub-001.h5"
    digest = write_participant(result, path)
    assert_same(found, read_participant(path).recordings)
    assert verify(path) == []
    assert write_participant(result, path) == digest
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        for key, recording in found.items():
            for stream, signal in recording.signals.items():
                samples = tree["recordings"][key][stream]["samples"].values
                np.testing.assert_allclose(samples[:5000], signal.physical(0, 5000), rtol=1e-6, atol=1e-9)
