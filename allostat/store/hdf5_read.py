"""A store file read back into a tree. Only what `hdf5_write` writes is understood; anything else is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py import h5, h5a, h5d, h5g, h5l, h5o, h5r, h5s, h5t
from numpy.typing import NDArray

from allostat.errors import InputError, StoreError
from allostat.samples import BLOCK_SAMPLES
from allostat.store.tree import Attribute, Group, Variable

NOT_A_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""How netCDF-4 marks the scale of a dimension that has no coordinate values."""

REFERENCES = h5py.vlen_dtype(h5py.ref_dtype)
FORMAT_ATTRIBUTES = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
)
"""Attributes that tie axes to dimension scales."""

_DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError, OverflowError, MemoryError, IndexError)


@contextmanager
def damage_as_store_error(where: str) -> Iterator[None]:
    """Turn what h5py, or a type of the waists, raises on damaged or foreign content into `StoreError`."""
    try:
        yield
    except InputError as error:
        raise StoreError(f"content is not valid ({error})", where=where) from error
    except _DAMAGE as error:
        raise StoreError(f"file is damaged or cannot be accessed ({error})", where=where) from error


def read_tree(gid: Any, path: str = "/") -> Group:
    """The tree below a group, with the hashes that the file claims for it.

    Raises
    ------
    StoreError
        Names the dataset that is damaged.
    """
    inner = {}
    variables = {}
    with damage_as_store_error(path):
        attrs, claimed = _attributes_and_hash(gid)
        names = link_names(gid)
        datasets = {n: h5d.open(gid, n.encode()) for n in names if is_dataset(gid, n)}
        scales = _Scales(datasets)
    for name in names:
        here = f"{path.rstrip('/')}/{name}"
        with damage_as_store_error(here):
            if name not in datasets:
                inner[name] = read_tree(h5g.open(gid, name.encode()), here)
            elif name not in scales.bare:
                variables[name] = _read_variable(datasets[name], name, scales)
    return Group(attrs, variables, inner, claimed)


@dataclass(frozen=True)
class Skeleton:
    """A stored variable without its values."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Attribute]
    claimed_sha256: str


def read_skeleton(gid: Any) -> tuple[dict[str, Attribute], list[Skeleton]]:
    """Attributes of a leaf group, and its variables without their values."""
    attrs, _ = _attributes_and_hash(gid)
    datasets = {n: h5d.open(gid, n.encode()) for n in link_names(gid) if is_dataset(gid, n)}
    scales = _Scales(datasets)
    found = []
    for name, dataset in datasets.items():
        if name not in scales.bare:
            about, claimed = _attributes_and_hash(dataset)
            dims = _dimensions(dataset, name, scales)
            found.append(Skeleton(name, dims, tuple(dataset.shape), dataset.dtype, about, claimed))
    return attrs, found


def _attributes_and_hash(oid: Any) -> tuple[dict[str, Attribute], str]:
    attrs = read_attributes(oid)
    return attrs, str(attrs.pop("content_sha256", ""))


def link_names(gid: Any) -> list[str]:
    """Names in a group, in creation order when the file keeps it; `StoreError` at a link that leads elsewhere."""
    names: list[str] = []
    elsewhere: list[str] = []

    def note(name: bytes, info: Any) -> None:
        # What is raised in here h5py loses.
        (names if info.type == h5l.TYPE_HARD else elsewhere).append(name.decode())

    tracked = gid.get_create_plist().get_link_creation_order()
    gid.links.iterate(note, idx_type=h5.INDEX_CRT_ORDER if tracked else h5.INDEX_NAME, info=True)
    if elsewhere:
        raise StoreError("refused: link that is not hard", found=elsewhere[0])
    return names


class _Scales:
    """The dimension scales of one group: their names by object address and by netCDF dimension id."""

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        self.by_address: dict[int, str] = {}
        self.by_id: dict[int, str] = {}
        self.bare: dict[str, int] = {}
        for name, dataset in datasets.items():
            if not h5a.exists(dataset, b"CLASS"):
                continue
            self.by_address[h5o.get_info(dataset).addr] = name
            if h5a.exists(dataset, b"_Netcdf4Dimid"):
                self.by_id[int(read_attribute(h5a.open(dataset, b"_Netcdf4Dimid")))] = name  # type: ignore[arg-type]
            if str(read_attribute(h5a.open(dataset, b"NAME"))).startswith(NOT_A_VARIABLE):
                self.bare[name] = dataset.shape[0]


def _read_variable(dataset: Any, name: str, scales: _Scales) -> Variable:
    attrs, claimed = _attributes_and_hash(dataset)
    return Variable(_dimensions(dataset, name, scales), read_array(dataset), attrs, claimed_sha256=claimed)


def _dimensions(dataset: Any, name: str, scales: _Scales) -> tuple[str, ...]:
    if not dataset.shape:
        return ()
    if h5a.exists(dataset, b"CLASS"):
        if len(dataset.shape) == 1:
            return (name,)
        ids = read_attribute(h5a.open(dataset, b"_Netcdf4Coordinates"))
        return tuple(scales.by_id[int(i)] for i in ids)
    lists = scale_references(dataset)
    if lists.shape != (len(dataset.shape),):
        raise StoreError("dataset has not one scale per axis", where=name, found=lists.shape)
    return tuple(scales.by_address[h5o.get_info(h5r.dereference(entry[0], dataset)).addr] for entry in lists)


def scale_references(dataset: Any) -> NDArray[Any]:
    """The references to the scales of each axis, as ``DIMENSION_LIST`` has them."""
    attribute = h5a.open(dataset, b"DIMENSION_LIST")
    lists = np.empty(attribute.shape, dtype=REFERENCES)
    attribute.read(lists, mtype=h5t.py_create(REFERENCES))
    return lists


def is_dataset(gid: Any, name: str) -> bool:
    """Whether the object of that name in a group is a dataset."""
    kind: int = h5o.get_info(gid, name.encode()).type
    return bool(kind == h5o.TYPE_DATASET)


def read_array(dataset: Any) -> NDArray[Any]:
    """All values of a dataset in its stored dtype."""
    values = np.empty(dataset.shape, dtype=dataset.dtype)
    if values.size:
        kind = dataset.get_type() if values.dtype.kind == "S" else None
        dataset.read(h5s.ALL, h5s.ALL, values, mtype=kind)
    return values


def read_blocks(dataset: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """The values of a one-dimensional dataset, a few chunks at a time, each part with where it begins."""
    length = dataset.shape[0]
    kind = dataset.get_type() if dataset.dtype.kind == "S" else None
    place = h5s.create_simple((length,))
    for at in range(0, length, BLOCK_SAMPLES):
        values = np.empty(min(BLOCK_SAMPLES, length - at), dtype=dataset.dtype)
        place.select_hyperslab((at,), values.shape)
        dataset.read(h5s.create_simple(values.shape), place, values, mtype=kind)
        yield at, values


def read_attributes(oid: Any) -> dict[str, Attribute]:
    """Attributes of a group or dataset, without those by which the format ties axes to scales."""
    found: dict[str, Attribute] = {}
    tracked = oid.get_create_plist().get_attr_creation_order()
    order = h5.INDEX_CRT_ORDER if tracked else h5.INDEX_NAME
    names: list[bytes] = []
    # Names in one pass: opening by position makes HDF5 sort all attributes anew each time.
    h5a.iterate(oid, lambda name: names.append(name), index_type=order)
    for name in names:
        if name.decode() not in FORMAT_ATTRIBUTES:
            found[name.decode()] = read_attribute(h5a.open(oid, name))
    return found


def read_attribute(attribute: Any) -> Attribute:
    """One attribute: text, several texts or numbers; `StoreError` when it is anything else."""
    # Asking the type itself instead of attribute.dtype halves the time, and a file has thousands of attributes.
    kind = attribute.get_type()
    code = kind.get_class()
    if code == h5t.STRING and not kind.is_variable_str():
        texts = np.empty(attribute.shape, dtype=f"S{kind.get_size()}")
        attribute.read(texts, mtype=kind)
        return texts.item().decode() if not texts.ndim else tuple(v.decode() for v in texts.tolist())
    if code not in (h5t.INTEGER, h5t.FLOAT):
        raise StoreError("attribute of a kind that allostat does not write", found=attribute.name.decode())
    numbers = np.empty(attribute.shape, dtype=kind.dtype)
    attribute.read(numbers, mtype=kind)
    return numbers


def claimed_sha256(oid: Any) -> str:
    """The hash that a group or dataset carries; empty when it carries none."""
    if not h5a.exists(oid, b"content_sha256"):
        return ""
    return str(read_attribute(h5a.open(oid, b"content_sha256")))
