"""The same file, the same values, through every program that researchers open such files with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from allostat.biomarkers import Person
from allostat.recording import Signal
from allostat.store import CohortTable, ParticipantResult, write_cohort, write_participant
from allostat.store.hdf5_read import NOT_A_VARIABLE
from allostat.store.participant import encode_participant
from allostat.store.tree import Group
from tests.store.results import START_NS, device_beats, ecg, full_result, load, rows

ENGINES = ["h5netcdf", "netcdf4"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("readers") / "sub-001.h5"
    write_participant(full_result(), target)
    return target


def leaves() -> Iterator[tuple[str, Group]]:
    """Groups with variables, with their paths in the file."""
    return ((where, group) for where, group in encode_participant(full_result()).walk() if group.variables)


def text(characters: np.ndarray) -> np.ndarray:
    width = characters.shape[-1]
    return np.char.decode(np.ascontiguousarray(characters).view(f"S{width}")[..., 0], "utf-8")


def test_h5py_sees_every_value_on_named_scales(path: Path) -> None:
    with h5py.File(path) as file:
        for where, group in leaves():
            for name, variable in group.variables.items():
                dataset = file[where][name]
                assert dataset.dtype == variable.data.dtype and dataset[()].tobytes() == variable.data.tobytes()
                assert dataset.attrs["content_sha256"].decode() == variable.content_sha256
                if not dataset.is_scale:
                    found = [Path(axis[0].name).name for axis in dataset.dims]
                    assert found == list(variable.dims)


def test_h5py_attaches_and_detaches_the_scales_as_its_own(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        group = file["hrv/5min"]
        group["rmssd"].dims[0].detach_scale(group["window"])
        group["rmssd"].dims[0].attach_scale(group["window"])
        assert group["rmssd"].dims[0][0] == group["window"]


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_opens_the_tree_with_physical_values(path: Path, engine: str) -> None:
    pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
    signal: Signal = ecg()
    result = full_result()
    with xr.open_datatree(path, engine=engine) as tree:
        samples = tree["recordings/h10/ecg/samples"]
        np.testing.assert_allclose(samples.values, signal.physical(), rtol=1e-12, atol=1e-12)
        assert np.isnan(samples.values[5]) and samples.attrs["units"] == "uV"
        hrv = tree["hrv/5min"].to_dataset()
        np.testing.assert_array_equal(hrv["rmssd"], result.hrv["5min"]["rmssd"])
        assert hrv["rmssd"].attrs["references"] == "10.1161/01.CIR.93.5.1043"
        assert set(hrv.coords) == {"time", "local_h"}
        assert hrv["time"].values[0] == np.datetime64(START_NS, "ns")
        load = tree["allostatic_load/seeman1997"].to_dataset()
        assert load.sel(participant="sub-001", component="rmssd_night")["component_score"].item() == 1.0
        assert list(load["component"].values) == ["rmssd_night", "sbp", "ß-Blocker?"]
        beats = tree["beats/h10/rr"].to_dataset()
        np.testing.assert_array_equal(beats["times_ns"].values.astype(np.int64), result.beats["h10/rr"].times_ns)
        np.testing.assert_array_equal(beats["intervals_ms"], result.beats["h10/rr"].intervals_ms)
        assert beats["extra_accepted"].dtype == bool
        assert list(tree["biomarkers/biomarker"].values) == ["sbp", "rmssd_night", "sbp"]
        assert tree["quality/h10/ecg/accepted"].values.tolist() == [1, 1, 0, 1]
        assert tree.attrs["Conventions"] == "CF-1.11, ACDD-1.3"


def test_netcdf4_sees_every_value_on_named_dimensions(path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        for where, group in leaves():
            inner = file[where]
            for name, variable in group.variables.items():
                stored = inner[name]
                assert stored.dimensions == variable.dims, f"{where}/{name}"
                assert stored.shape == variable.data.shape
                assert np.asarray(stored[...]).tobytes() == variable.data.tobytes(), f"{where}/{name}"
                assert set(stored.ncattrs()) == {*variable.attrs, "content_sha256"}
    with netcdf.Dataset(path) as file:
        assert file["biomarkers"]["quality"][:].tolist() == ["", "NO_NIGHT;SHORT", ""]


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump not installed")
@pytest.mark.parametrize("options", [["-h"], []])
def test_ncdump_prints_it(path: Path, options: list[str]) -> None:
    done = subprocess.run(["ncdump", *options, path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "phony_dim" not in done.stdout
    assert "group: seeman1997" in done.stdout and "double component_score(participant, component) ;" in done.stdout
    assert "short samples(sample) ;" in done.stdout


def test_no_dtype_that_a_reader_stumbles_on(path: Path) -> None:
    def check(_: str, found: object) -> None:
        if isinstance(found, h5py.Dataset):
            bare = str(found.attrs.get("NAME", b"")).startswith(f"b'{NOT_A_VARIABLE}")
            assert bare or found.dtype.str in {"|i1", "<i2", "<i4", "<i8", "|u1", "<f4", "<f8", "|S1"}, found
        attributes = found.attrs if isinstance(found, (h5py.Dataset, h5py.Group)) else {}
        for name, value in attributes.items():
            if name not in ("DIMENSION_LIST", "REFERENCE_LIST"):
                assert np.asarray(value).dtype.kind in "iufS", f"{found}, {name}"

    with h5py.File(path) as file:
        file.visititems(check)


def test_samples_are_raw_chunked_packed_and_checksummed(path: Path) -> None:
    with h5py.File(path) as file:
        samples = file["recordings/h10/ecg/samples"]
        assert samples.dtype == np.int16
        assert 8 * 1024 <= samples.chunks[0] <= 64 * 1024
        assert (samples.compression, samples.compression_opts) == ("gzip", 4)
        assert samples.shuffle and samples.fletcher32
        assert samples.attrs["_FillValue"] == -32768
        assert "sample" in file["recordings/h10/ecg"] and file["recordings/h10/ecg/sample"].id.get_storage_size() == 0


def test_only_utc_is_called_utc(path: Path, tmp_path: Path) -> None:
    for epoch, units in (("utc", "nanoseconds since 1970-01-01"), ("local", "ns"), ("relative", "ns")):
        beats = {"a": replace(device_beats(9), epoch=epoch)}
        write_participant(ParticipantResult("a", Person("a"), {}, beats), tmp_path / "x.h5")
        with xr.open_datatree(tmp_path / "x.h5", engine="h5netcdf") as tree:
            times = tree["beats/a/times_ns"]
            assert times.dtype == (np.dtype("M8[ns]") if epoch == "utc" else np.int64)
            assert times.attrs["epoch"] == epoch
            assert (times.encoding if epoch == "utc" else times.attrs)["units"] == units


@pytest.mark.parametrize("engine", ENGINES)
def test_cohort_opens_as_a_flat_table(tmp_path: Path, engine: str) -> None:
    pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
    write_cohort(CohortTable(rows("sub-001"), {"seeman1997": load("sub-001")}), tmp_path / "cohort.h5")
    with xr.open_dataset(tmp_path / "cohort.h5", group="table", engine=engine) as table:
        frame = table.to_dataframe()
    assert frame["participant"].tolist() == ["sub-001", "sub-001"]
    assert frame["occasion"].tolist() == ["1", "2"]
    assert frame["sbp"].tolist() == [121.5, 119.0]
    assert frame["sbp_n"].tolist() == [3, 2]
    assert frame["rmssd_night_quality"].tolist() == ["NO_NIGHT;SHORT", ""]
