"""The cohort file: a flat table, rebuilt from participant files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from allostat.biomarkers import BiomarkerTable, Person
from allostat.errors import StoreError
from allostat.store import CohortTable, collate, read_cohort, verify, write_cohort, write_participant
from tests.store.results import assert_same, full_result, load, rows


def write_three(folder: Path) -> list[Path]:
    paths = []
    for who in ("sub-003", "sub-001", "sub-ä"):
        paths.append(folder / f"{who}.h5")
        write_participant(full_result(who), paths[-1])
    return paths


def test_cohort_is_rebuilt_from_participant_files_and_comes_back(tmp_path: Path) -> None:
    cohort = collate(write_three(tmp_path), provenance={"settings": {"preset": "x"}})
    assert cohort.biomarkers.keys == tuple((w, o) for w in ("sub-001", "sub-003", "sub-ä") for o in ("1", "2"))
    assert cohort.biomarkers.persons["sub-ä"].medications == ("statin", "β-blocker")
    index = cohort.allostatic_load["seeman1997"]
    assert index["participant"].values.tolist() == ["sub-003", "sub-001", "sub-ä"]
    assert index["component_score"].shape == (3, 3)
    assert index["allostatic_load"].attrs["units"] == "1" and index.attrs == {"definition": "seeman1997"}
    assert cohort.qc is not None
    assert cohort.qc["recordings"].values.tolist() == [2, 2, 2]
    assert cohort.qc["accepted_share"].values.tolist() == [0.75] * 3
    assert cohort.qc["biomarkers"].values.tolist() == [2, 2, 2]
    assert (cohort.qc["errors"].values.tolist(), cohort.qc["warnings"].values.tolist()) == ([1, 1, 1], [1, 1, 1])
    digest = write_cohort(cohort, tmp_path / "cohort.h5")
    back = read_cohort(tmp_path / "cohort.h5")
    assert_same(cohort, back)
    assert write_cohort(back, tmp_path / "again.h5") == digest
    assert verify(tmp_path / "cohort.h5") == []


def test_empty_cohort_comes_back(tmp_path: Path) -> None:
    write_cohort(CohortTable(), tmp_path / "cohort.h5")
    assert_same(CohortTable(), read_cohort(tmp_path / "cohort.h5"))


def test_participants_without_rows_stay_in_the_table(tmp_path: Path) -> None:
    people = {"b": Person("b", "M", 30.0), "a": Person("a")}
    cohort = CohortTable(BiomarkerTable(rows("a").rows, people))
    write_cohort(cohort, tmp_path / "cohort.h5")
    with xr.open_dataset(tmp_path / "cohort.h5", group="table", engine="h5netcdf") as table:
        assert table["participant"].values.tolist() == ["a", "a", "b"]
        assert np.isnan(table["sbp"].values[2]) and table["sbp_n"].values[2] == 0
    assert_same(cohort, read_cohort(tmp_path / "cohort.h5"))


def test_index_of_a_single_participant_without_dimension_is_joined(tmp_path: Path) -> None:
    for who in ("a", "b"):
        result = replace(full_result(who), allostatic_load={"x": load(who).isel(participant=0)})
        write_participant(result, tmp_path / f"{who}.h5")
    index = collate([tmp_path / "b.h5", tmp_path / "a.h5"]).allostatic_load["x"]
    assert index["participant"].values.tolist() == ["b", "a"]
    assert index["component_score"].dims == ("participant", "component")


def test_two_files_of_one_participant_are_refused(tmp_path: Path) -> None:
    write_participant(full_result(), tmp_path / "a.h5")
    write_participant(full_result(), tmp_path / "b.h5")
    with pytest.raises(StoreError, match="two files"):
        collate([tmp_path / "a.h5", tmp_path / "b.h5"])


def test_indices_of_different_form_are_refused(tmp_path: Path) -> None:
    write_participant(full_result("a"), tmp_path / "a.h5")
    for odd in (
        load("b").assign_coords(component=["x", "y", "z"]),
        load("b").drop_vars("allostatic_load"),
        load("b").isel(component=[0, 1]),
    ):
        write_participant(replace(full_result("b"), allostatic_load={"seeman1997": odd}), tmp_path / "b.h5")
        with pytest.raises(StoreError, match="seeman1997"):
            collate([tmp_path / "a.h5", tmp_path / "b.h5"])


def test_participant_without_index_is_left_out_of_it(tmp_path: Path) -> None:
    write_participant(full_result("a"), tmp_path / "a.h5")
    write_participant(replace(full_result("b"), allostatic_load={}), tmp_path / "b.h5")
    cohort = collate([tmp_path / "a.h5", tmp_path / "b.h5"])
    assert cohort.allostatic_load["system"]["participant"].values.tolist() == ["a"]
    assert cohort.qc is not None and cohort.qc.sizes["participant"] == 2
