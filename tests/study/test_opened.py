"""Opened results: the same values as read whole, read late, compared with their hashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import allostat
from allostat.allostatic_load import allostatic_load
from allostat.errors import InputError, StoreError
from allostat.recording import Beats
from allostat.simulate import simulate_biomarker_table
from allostat.store import (
    CohortTable,
    ParticipantResult,
    read_cohort,
    read_participant,
    write_cohort,
    write_participant,
)
from allostat.store.stored_file import StoredFile
from allostat.study.layout import OutputLayout

NAMES = ("sub-001", "sub-002", "b/c")


def windows(n: int, seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    return xr.Dataset(
        {
            "rmssd": ("window", rng.normal(40, 5, n), {"units": "ms"}),
            "reason": ("window", np.array(["ok", "few"] * n)[:n]),
            "used": ("window", rng.random(n) > 0.5),
        },
        coords={"start": ("window", np.arange(n) * 10**9, {"units": "ns", "epoch": "utc"})},
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    table = simulate_biomarker_table(3, 1)
    people = dict(zip(table.persons, NAMES, strict=True))
    layout = OutputLayout(root)
    tables = []
    for i, (old, new) in enumerate(people.items()):
        from dataclasses import replace

        person = replace(table.persons[old], participant=new)
        rows = tuple(replace(r, participant=new) for r in table.rows if r.participant == old)
        mine = type(table)(rows, {new: person})
        tables.append(mine)
        result = ParticipantResult(
            new,
            person,
            beats={"rr": Beats.from_intervals([800.0 + i] * 5)},
            hrv={"5min": windows(3 + i, i), "person": xr.Dataset({"rmssd_night": ((), 30.0 + i, {"units": "ms"})})},
            biomarkers=mine,
            allostatic_load={"system": allostatic_load(mine, "system", "simulated-2026.1")},
        )
        layout.folder(new).mkdir()
        write_participant(result, layout.store(new))
    everybody = type(table)().merged(*tables)
    load = {"system": allostatic_load(everybody, "system", "simulated-2026.1")}
    write_cohort(CohortTable(everybody, load, provenance={"version": "x"}), root / "cohort.h5")
    return root


def test_cohort_tables_are_those_of_reading_whole(out: Path) -> None:
    opened, whole = allostat.open_study(out), read_cohort(out / "cohort.h5")
    assert opened.participants == tuple(whole.biomarkers.persons)
    assert set(opened) == set(NAMES)
    assert "sub-001" in opened
    assert opened.allostatic_load["system"].load().identical(whole.allostatic_load["system"])
    column = opened.table["sbp"]
    found = dict(zip(opened.table["participant"].values.tolist(), column.values.tolist(), strict=True))
    assert found == {r.participant: r.value for r in whole.biomarkers.rows if r.biomarker == "sbp"}
    assert opened.qc is None
    assert opened.provenance == {"version": "x"}
    assert "3 participants" in repr(opened)
    assert "indices: system" in opened._repr_html_()


@pytest.mark.parametrize("who", NAMES)
def test_a_participants_groups_are_those_of_reading_whole(out: Path, who: str) -> None:
    file = allostat.open_study(out)[who]
    whole = read_participant(file.path)
    assert file.attrs["participant"] == who
    for name, dataset in whole.hrv.items():
        assert file.dataset(f"/hrv/{name}").load().identical(dataset)
    assert file.dataset("/beats/rr")["intervals_ms"].values[1:].tolist() == [800.0 + NAMES.index(who)] * 5
    assert allostat.open_study(out).result(who).hrv["5min"].identical(whole.hrv["5min"])
    tree = file.tree()
    assert {n.path for n in tree.leaves} == set(file.groups)


def test_parts_are_read_by_position(out: Path) -> None:
    dataset = allostat.open_study(out)["sub-002"].dataset("hrv/5min")
    whole = windows(4, 1)
    for key in (slice(1, 3), slice(None, None, 2), 2, np.array([3, 0]), slice(3, None, -1)):
        for name in ("rmssd", "reason", "used", "start"):
            np.testing.assert_array_equal(dataset[name][key].values, whole[name][key].values)


def test_participants_are_stacked_through_dask(out: Path) -> None:
    opened = allostat.open_study(out)
    person = opened.stack("/hrv/person")
    assert person["rmssd_night"].dims == ("participant",)
    assert person["rmssd_night"].values.tolist() == [30.0, 31.0, 32.0]
    assert person["rmssd_night"].chunks is not None
    series = opened.stack("/hrv/5min", ["rmssd", "reason"], participants=["b/c", "sub-001"])
    expected = np.concatenate([windows(5, 2)["rmssd"].values, windows(3, 0)["rmssd"].values])
    np.testing.assert_array_equal(series["rmssd"].values, expected)
    assert series["window_participant"].values.tolist() == ["b/c"] * 5 + ["sub-001"] * 3
    assert series["reason"].values.tolist() == ["ok", "few", "ok", "few", "ok", "ok", "few", "ok"]


def test_wrong_names_offer_the_nearest(out: Path, tmp_path: Path) -> None:
    opened = allostat.open_study(out)
    with pytest.raises(InputError, match="nearest valid: 'sub-001'"):
        opened["sub-01"]
    with pytest.raises(StoreError, match="nearest valid: '/hrv/5min'"):
        opened["sub-001"].dataset("/hrv/5mins")
    with pytest.raises(InputError, match="nobody has"):
        opened.stack("/hrv/night")
    with pytest.raises(InputError, match="no such variable"):
        opened.stack("/hrv/5min", ["rmsd"])
    with pytest.raises(InputError, match=r"cohort\.h5"):
        allostat.open_study(tmp_path)
    with pytest.raises(InputError, match="no results of a study"):
        allostat.open_study(tmp_path / "nowhere")


def test_damage_is_seen_when_the_values_are_used(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    content = bytearray((out / "sub-001" / "sub-001.h5").read_bytes())
    needle = windows(3, 0)["rmssd"].values.tobytes()
    at = content.find(needle)
    assert at > 0
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError):
        StoredFile(path).dataset("/hrv/5min")["rmssd"].load()


@pytest.mark.parametrize("kind", ["external", "soft"])
def test_a_link_to_elsewhere_is_refused(out: Path, tmp_path: Path, kind: str) -> None:
    import h5py

    path = tmp_path / "x.h5"
    path.write_bytes((out / "sub-001" / "sub-001.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file.move("/hrv/5min", "/hrv/moved")
        target = str(out / "sub-002" / "sub-002.h5")
        file["/hrv/5min"] = (
            h5py.ExternalLink(target, "/hrv/5min") if kind == "external" else h5py.SoftLink("/hrv/moved")
        )
    with pytest.raises(StoreError, match="refused"):
        from allostat.store.safety import open_group

        with open_group(path, "participant", "/hrv/5min"):
            pass
