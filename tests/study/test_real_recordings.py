"""A study folder made of real recordings of every format, with made-up laboratory rows."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
import xarray as xr

from allostat.store import verify
from allostat.study import Study
from tests.study.conftest import LABS_HEADER, lab_row

Find = Callable[[str], Path]


@pytest.fixture(scope="module")
def real_study(recordings: Find, tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("real") / "study"
    inputs = {
        "h10": [recordings("polar_h10_ecglogger") / "polar_h10.csv.gz"],
        "mit101": sorted(recordings("mitdb").glob("101.*")),
        "mit119": sorted(recordings("mitdb").glob("119.*")),
        "e4": [recordings("empatica_e4") / "1635148245_A00204.zip"],
        "verity": sorted(recordings("polar_verity_psl").glob("*.txt")),
        "elite": sorted(recordings("elite_hrv").glob("2017*.txt"))[:1],
        "nsr": [recordings("rr24h") / "normal" / "nsr002_rr_secs.txt.gz"],
    }
    for who, files in inputs.items():
        folder = study / "raw" / who
        folder.mkdir(parents=True)
        for file in files:
            if not file.name.startswith("LICENSE"):
                shutil.copy(file, folder / file.name)
    people = "participant_id\tsex\tage\ttimezone\n"
    labs = LABS_HEADER
    for i, who in enumerate(inputs):
        people += f"{who}\t{'FM'[i % 2]}\t{30 + 4 * i}\tEurope/Vienna\n"
        labs += lab_row(who, value=str(0.6 + 0.7 * i))
        labs += lab_row(who, "sbp", str(112 + 5 * i), "mmHg") + lab_row(who, "dbp", str(70 + 3 * i), "mmHg")
    (study / "participants.tsv").write_text(people)
    (study / "labs.tsv").write_text(labs)
    return study


def test_a_study_of_real_recordings_runs_and_opens_everywhere(real_study: Path, tmp_path: Path) -> None:
    result = Study(real_study).run(tmp_path / "out")
    assert result.all_good, result.outcomes
    assert result.plan.unmatched_raw == ()
    assert len(result.outcomes) == 7
    for outcome in result.outcomes:
        path = result.layout.store(outcome.participant)
        assert verify(path) == []
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            assert tree["allostatic_load/system"].dataset["index"].size == 1
        with h5py.File(path) as file:
            assert "recordings" in file
        if shutil.which("ncdump"):
            dumped = subprocess.run(["ncdump", "-h", path], capture_output=True, text=True, check=True)
            assert "group: biomarkers" in dumped.stdout
    scored = xr.open_datatree(tmp_path / "out" / "cohort.h5", engine="h5netcdf")
    with scored:
        index = scored["allostatic_load/system"].dataset
        values = dict(zip(index["participant"].values.tolist(), index["index"].values.tolist(), strict=True))
    # Eight minutes at rest, blood pressure and hs-CRP: three of four systems, enough for an index.
    assert math.isfinite(values["verity"])
    # Ten minutes at rest with too many premature beats for a value; half an hour that is neither rest nor night.
    assert math.isnan(values["h10"])
    assert math.isnan(values["mit101"])
