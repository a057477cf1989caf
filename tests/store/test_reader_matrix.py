"""Participant, cohort and session files through five readers: values, dimensions, attributes, units, times agree.

Each reader is compared with what was meant (the tree), so all are equal to each other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from allostat.biomarkers import Person
from allostat.recording import Clock, ClockBlock, Device, Marker, Recording, Signal, TimeZone
from allostat.store import CohortTable, ParticipantResult, write_cohort, write_participant
from allostat.store.cohort import encode_cohort, qc_dataset
from allostat.store.hdf5_read import FORMAT_ATTRIBUTES
from allostat.store.participant import encode_participant
from allostat.store.tree import Group, Variable
from tests.store.cdl import dumped, number, unquoted
from tests.store.results import START_NS, device_beats, ecg, full_result, load, rows

Seen = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]
"""By path: dimensions, values (text as a list of texts), attributes; groups have no dimensions and no values."""


def session() -> ParticipantResult:
    """Two straps live: raw samples with gaps and two clocks, intervals, acceleration, markers; unicode in names."""
    acceleration = Signal(
        "acc_x", "acceleration", np.arange(-500, 500, dtype=np.int16),
        Clock((ClockBlock(0, START_NS, 49.87, 50.0), ClockBlock(600, START_NS + 60 * 10**9, 50.02, 50.0)), 1000, "utc",
              host_offset_ns=1_234_567), "mg", 0.244, 0.0,
    )  # fmt: skip
    straps = {
        f"strap {name}": Recording(
            f"strap {name}", {"ecg": replace(ecg(5_000), name="ecg"), "acc_x": acceleration},
            {"rr": device_beats(300)}, "sub-001", TimeZone("Europe/Vienna", "user"),
            Device("Polar", "H10", "3.1.1", "chest strap"), markers=(Marker(START_NS + 7, "Rätsel; Pause"),),
        )
        for name in ("α", "b")
    }  # fmt: skip
    return ParticipantResult("sub-001", Person("sub-001"), straps, {"live": device_beats(50)})


def cohort() -> CohortTable:
    qc = qc_dataset({"sub-001": {"beats": 3.0, "accepted_share": 0.5}, "Zoë-2": {"beats": 4.0}})
    table = rows("sub-001").merged(rows("Zoë-2"))
    return CohortTable(table, {"seeman1997": load("sub-001")}, qc, {"version": "0", "settings": 'a = "b; c"\n'})


KINDS: dict[str, tuple[Callable[[Path], str], Callable[[], Group]]] = {
    "participant": (lambda p: write_participant(full_result(), p), lambda: encode_participant(full_result())),
    "cohort": (lambda p: write_cohort(cohort(), p), lambda: encode_cohort(cohort())),
    "session": (lambda p: write_participant(session(), p), lambda: encode_participant(session())),
}


@pytest.fixture(scope="module", params=list(KINDS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seen]:
    write, encode = KINDS[request.param]
    path = tmp_path_factory.mktemp(request.param) / "file.h5"
    write(path)
    return path, meant(encode())


def meant(tree: Group) -> Seen:
    found: Seen = {}
    for where, group in tree.walk():
        found[where] = ((), None, attributes({**group.attrs, "content_sha256": group.content_sha256}))
        for name, variable in group.variables.items():
            about = attributes({**variable.attrs, "content_sha256": variable.content_sha256})
            found[f"{where.rstrip('/')}/{name}"] = (*content(variable), about)
    return found


def content(variable: Variable) -> tuple[tuple[str, ...], Any]:
    if variable.data.dtype == "S1":
        return variable.dims[:-1], texts(variable.data)
    return variable.dims, variable.data


def texts(characters: np.ndarray) -> list[str]:
    width = characters.shape[-1]
    return [v.decode() for v in np.ascontiguousarray(characters).view(f"S{width}").ravel().tolist()]


def attributes(attrs: Any) -> dict[str, Any]:
    return {str(name): one_attribute(value) for name, value in attrs.items() if name not in FORMAT_ATTRIBUTES}


def one_attribute(value: Any) -> Any:
    """Texts as a list of texts, numbers as a list of numbers: readers differ in what they call a single one."""
    values = value if isinstance(value, (list, tuple)) else np.asarray(value).ravel().tolist()
    plain = [v.decode() if isinstance(v, bytes) else getattr(v, "item", lambda v=v: v)() for v in values]
    return ["NaN" if v != v else v for v in plain]


def by_h5py(path: Path) -> Seen:
    found: Seen = {}

    def note(name: str, one: Any) -> None:
        about = attributes(one.attrs)
        if isinstance(one, h5py.Group):
            found[f"/{name}".rstrip("/") or "/"] = ((), None, about)
        elif not one.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension but not"):
            scale = (Path(one.name).name,)
            dims = scale + tuple("_strlen" for _ in one.shape[1:]) if one.is_scale else tuple(
                Path(axis[0].name).name for axis in one.dims
            )  # fmt: skip
            text = one.dtype == "S1"
            found[f"/{name}"] = (dims[:-1] if text else dims, texts(one[()]) if text else one[()], about)

    with h5py.File(path) as file:
        note("", file)
        file.visititems(note)
    return found


def by_netcdf4(path: Path) -> Seen:
    netcdf = pytest.importorskip("netCDF4")
    found: Seen = {}

    def visit(group: Any, where: str) -> None:
        found[where] = ((), None, attributes({n: group.getncattr(n) for n in group.ncattrs()}))
        for name, one in group.variables.items():
            about = attributes({n: one.getncattr(n) for n in one.ncattrs()})
            text = one.dtype == "S1"
            values = np.asarray(one[...])
            dims = tuple(one.dimensions)
            found[f"{where.rstrip('/')}/{name}"] = (dims[:-1], texts(values), about) if text else (dims, values, about)
        for name, inner in group.groups.items():
            visit(inner, f"{where.rstrip('/')}/{name}")

    with netcdf.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        visit(file, "/")
    return found


def by_ncdump(path: Path) -> Seen:
    if shutil.which("ncdump") is None:
        pytest.skip("ncdump not installed")
    found: Seen = {}
    for where, node in dumped(path).items():
        about = {
            name: one_attribute([unquoted(v) if v.startswith('"') else number(v) for v in values])
            for name, values in node.attrs.items()
        }
        text = bool(node.dims) and node.dims[-1].endswith("_strlen")
        values: Any = None
        if text:
            values = [unquoted(v) for v in node.values]
        elif "content_sha256" in about and (node.dims or node.values):
            fill = about.get("_FillValue", [None])[0]
            values = [fill if v == "_" else number(v) for v in node.values]
        found[where] = (node.dims[:-1] if text else node.dims, values, about)
    return found


def by_xarray(engine: str) -> Callable[[Path], Seen]:
    def read(path: Path) -> Seen:
        pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
        found: Seen = {}
        with xr.open_datatree(
            path, engine=engine, mask_and_scale=False, decode_times=False, decode_coords=False
        ) as tree:
            for node in tree.subtree:
                dataset = node.to_dataset(inherit=False)
                found[node.path] = ((), None, attributes(node.attrs))
                for name, one in dataset.variables.items():
                    told = {k: v for k, v in one.encoding.items() if k == "_Encoding"}
                    if "bool" in (str(one.dtype), str(np.dtype(one.encoding.get("dtype", "i1")))):
                        told["dtype"] = "bool"
                    about = attributes({**told, **one.attrs})
                    values = one.values
                    text = values.dtype.kind in "UO"
                    kept = [str(v) for v in values.ravel().tolist()] if text else values
                    kept = kept.astype(np.int8) if not text and values.dtype == bool else kept
                    found[f"{node.path.rstrip('/')}/{name}"] = (tuple(map(str, one.dims)), kept, about)
        return found

    return read


READERS: dict[str, Callable[[Path], Seen]] = {
    "h5py": by_h5py, "netCDF4": by_netcdf4, "ncdump": by_ncdump, "xarray-h5netcdf": by_xarray("h5netcdf"),
    "xarray-netcdf4": by_xarray("netcdf4"),
}  # fmt: skip


@pytest.mark.parametrize("reader", list(READERS))
def test_every_reader_sees_what_was_meant(written: tuple[Path, Seen], reader: str) -> None:
    path, wanted = written
    seen = READERS[reader](path)
    assert set(seen) == set(wanted)
    for where, (dims, values, attrs) in wanted.items():
        seen_dims, seen_values, seen_attrs = seen[where]
        if reader == "ncdump":
            # Single numbers of any size are printed as they are; the types of attributes are not compared.
            seen_attrs = {k: v for k, v in seen_attrs.items() if k in attrs}
        assert seen_attrs == attrs, f"{where}: {differing(attrs, seen_attrs)}"
        if values is None:
            continue
        assert seen_dims == dims, where
        if isinstance(values, list):
            assert seen_values == values, where
        else:
            array = np.asarray(seen_values, dtype=values.dtype).reshape(values.shape)
            if reader != "ncdump":
                assert np.asarray(seen_values).dtype == values.dtype, where
            np.testing.assert_array_equal(array, values, err_msg=where)


def differing(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {k: (a.get(k), b.get(k)) for k in {*a, *b} if a.get(k) != b.get(k)}


def decoded(path: Path, engine: str) -> Iterator[tuple[str, xr.DataArray]]:
    pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
    with xr.open_datatree(path, engine=engine) as tree:
        for node in tree.subtree:
            for name, array in node.to_dataset(inherit=False).variables.items():
                yield f"{node.path}/{name}", array.load()


def test_both_engines_decode_the_same_times_units_and_physical_values(written: tuple[Path, Seen]) -> None:
    path, wanted = written
    one, other = dict(decoded(path, "h5netcdf")), dict(decoded(path, "netcdf4"))
    assert set(one) == set(other)
    for where, array in one.items():
        assert array.identical(other[where]), where
        dims, values, attrs = wanted[where.replace("//", "/")]
        if attrs.get("units") == ["nanoseconds since 1970-01-01"]:
            assert array.dtype == np.dtype("M8[ns]"), where
            assert array.values.astype(np.int64).tolist() == values.tolist(), where
        elif "scale_factor" in attrs:
            raw = values.astype(np.float64)
            raw[values == attrs.get("_FillValue", [None])[0]] = np.nan
            physical = raw * attrs["scale_factor"][0] + attrs["add_offset"][0]
            np.testing.assert_allclose(array.values, physical, rtol=1e-12, atol=1e-12, err_msg=where)
        assert array.dims == dims
        if "units" in attrs and array.dtype != np.dtype("M8[ns]"):
            assert array.attrs["units"] == attrs["units"][0], where
