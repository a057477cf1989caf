"""Files of older schema versions are read as if they were of this one, are not touched by that, and can be migrated.

``schema_1/`` holds files that the version before rules and measured values wrote: a treated participant whose blood
pressure has 10 and 5 mmHg added.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from allostat.biomarkers import BiomarkerTable
from allostat.errors import NewerSchemaError, StoreError
from allostat.store import (
    SCHEMA_VERSION,
    durable,
    read_cohort,
    read_participant,
    schema_steps,
    verify,
    write_participant,
)
from allostat.store.migration import migrate_file, schema_of, whole_tree
from allostat.store.participant import read_summary
from allostat.store.schema_steps import brought_up
from allostat.store.stored_file import StoredFile
from tests.store.results import assert_same, full_result

OLD = Path(__file__).parent / "schema_1"
FILES = ("sub-001.h5", "cohort.h5")


@pytest.fixture(params=FILES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD / request.param, tmp_path))


def table_of(path: Path) -> BiomarkerTable:
    return (read_cohort(path) if path.name == "cohort.h5" else read_participant(path)).biomarkers


def check_content(table: BiomarkerTable) -> None:
    sbp, dbp, crp, rmssd = table.rows
    assert (sbp.value, sbp.measured, sbp.adjustment) == (141.5, 131.5, "antihypertensive: +10 mm[Hg]")
    assert (dbp.value, dbp.measured, dbp.adjustment) == (89.0, 84.0, "antihypertensive: +5 mm[Hg]")
    assert math.isnan(crp.value) and math.isnan(crp.raw_value) and crp.adjustment == ""
    assert (rmssd.value, rmssd.measured, rmssd.adjustment) == (33.25, 33.25, "")
    assert sbp.quality == ("TREATED_PLUS_10",) and sbp.standard_error == 1.25 and sbp.n == 2
    assert table.rules["antihypertensive"] == "adjust" and table.rules["statin"] == "none"
    assert table.persons["sub-001"].medications == ("ramipril",)


def test_older_file_is_read_as_one_of_this_version_and_stays_as_it_is(old: Path) -> None:
    before = old.read_bytes()
    assert schema_of(old) == 1
    check_content(table_of(old))
    assert verify(old) == []
    stored = StoredFile(old)
    raw = stored.dataset("/biomarkers")["raw_value"]
    assert raw.values[:2].tolist() == [131.5, 84.0]
    assert stored.dataset("/allostatic_load/system")["index"].item() == 2.0
    assert "raw_value" in stored.tree()["/biomarkers"]
    if old.name == "sub-001.h5":
        check_content(read_summary(old)[0].biomarkers)
        assert read_participant(old, groups=["beats"]).beats["strap_rr"].intervals_ms[-3:].tolist() == [810, 790, 805]
    assert old.read_bytes() == before


def test_migrated_file_holds_the_same_in_this_layout(old: Path) -> None:
    read = table_of(old)
    before = durable.file_sha256(old)
    done = migrate_file(old)
    assert (done.before, done.after, done.before_sha256) == (1, SCHEMA_VERSION, before)
    assert done.after_sha256 == durable.file_sha256(old)
    assert schema_of(old) == SCHEMA_VERSION and verify(old) == []
    check_content(table_of(old))
    assert table_of(old).rules == read.rules
    assert [repr(r) for r in table_of(old).rows] == [repr(r) for r in read.rows]
    with h5py.File(old) as file:
        assert file.attrs["history"] == b"brought from schema version 1 to 2"
        assert file.attrs["source"].startswith(b"allostat ")
    with xr.open_datatree(old, engine="h5netcdf") as tree:
        assert tree["biomarkers"]["raw_value"].values[:2].tolist() == [131.5, 84.0]
    again = migrate_file(old)
    assert again.before_sha256 == again.after_sha256 == done.after_sha256


def test_participant_is_otherwise_the_same_after_migration(tmp_path: Path) -> None:
    path = Path(shutil.copy(OLD / "sub-001.h5", tmp_path))
    before = read_participant(path)
    migrate_file(path)
    assert_same(read_participant(path), before)


def test_tables_that_name_their_rules_under_the_old_number_stay(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    result = full_result()
    ruled = BiomarkerTable(result.biomarkers.rows, result.biomarkers.persons, {"statin": "exclude"})
    write_participant(replace(result, biomarkers=ruled), path)
    tree = whole_tree(path)
    older = brought_up(replace(tree, attrs={**tree.attrs, "schema_version": "1"}), path.name)
    assert older.groups["biomarkers"].content_sha256 == tree.groups["biomarkers"].content_sha256


def test_steps_are_taken_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    steps = {n: lambda tree, n=n: taken.append(n) or tree for n in (1, 2, 3)}
    tree = replace(whole_tree(OLD / "cohort.h5"), attrs={"schema_version": "1"})
    monkeypatch.setattr(schema_steps, "STEPS", steps)
    monkeypatch.setattr(schema_steps, "SCHEMA_VERSION", 4)
    assert brought_up(tree, "x").attrs["schema_version"] == "4" and taken == [1, 2, 3]
    monkeypatch.setattr(schema_steps, "STEPS", {2: steps[2], 3: steps[3]})
    with pytest.raises(StoreError, match=r"x: is of a schema version that this allostat cannot bring up.*2 to 4"):
        brought_up(tree, "x")


def test_every_step_leads_to_the_next_version_up_to_this_one() -> None:
    assert sorted(schema_steps.STEPS) == list(range(1, SCHEMA_VERSION))


def test_damaged_newer_and_refused_files_are_left_alone(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = old.read_bytes()
    with h5py.File(old, "r+") as file:
        file["biomarkers/value"][0] = 99.0
    damaged = old.read_bytes()
    with pytest.raises(StoreError, match="not what its hash says"):
        migrate_file(old)
    assert old.read_bytes() == damaged
    with h5py.File(old, "r+") as file:
        del file.attrs["schema_version"]
        file.attrs["schema_version"] = np.bytes_(b"99")
    with pytest.raises(NewerSchemaError, match="update allostat"):
        migrate_file(old)
    old.write_bytes(sound)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "fsync_file", full)
    with pytest.raises(StoreError, match="No space left"):
        migrate_file(old)
    assert old.read_bytes() == sound and [p.name for p in old.parent.iterdir()] == [old.name]
