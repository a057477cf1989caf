"""A tree written as a new HDF5 file that is also valid netCDF-4.

Low-level calls of h5py: they are several times faster than the comfortable ones for many small variables, and only
they reach creation properties such as fill time, object times and the place of attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5r, h5s, h5t
from numpy.typing import NDArray

from allostat.errors import StoreError
from allostat.samples import Samples, SpooledSamples, blocks_of
from allostat.store.hdf5_read import NOT_A_VARIABLE, REFERENCES
from allostat.store.tree import Attribute, Group, Variable

GZIP_LEVEL = 4
CHUNK_SAMPLES = 32_768
COMPACT_BYTES = 8_192
"""Smaller arrays lie inside their object header, whose checksum covers them; larger ones in compressed chunks."""

IN_MEMORY_BYTES = 64 * 2**20
"""Trees up to this size are made in memory first."""

_FILE: dict[str, Any] = {"libver": ("v110", "v110"), "track_order": True}
_BACK_REFERENCE = np.dtype([("dataset", h5py.ref_dtype), ("dimension", np.int32)])


def write_tree(path: Path, tree: Group) -> None:
    """Write ``tree`` to a new file; the same tree gives the same bytes.

    Raises
    ------
    OSError, StoreError
        When the file exists or cannot be written.
    """
    if _size(tree) <= IN_MEMORY_BYTES:
        # HDF5 keeps a file whose last bytes a full disk refused, fails the next file for it and crashes at the end of
        # the process. A file made in memory meets the disk in one plain write.
        with h5py.File(path, "w", driver="core", backing_store=False, **_FILE) as file:
            _write_group(file.id, tree, _DimensionIds())
            file.flush()
            image = file.id.get_file_image()
        with path.open("xb") as plain:
            plain.write(image)
        return
    try:
        with h5py.File(path, "x", locking=False, **_FILE) as file:
            _write_group(file.id, tree, _DimensionIds())
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _size(tree: Group) -> int:
    return sum(variable.data.nbytes for _, group in tree.walk() for variable in group.variables.values())


class _DimensionIds:
    """Numbers the dimensions of a file from 0 on, as netCDF-4 asks."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        self._next += 1
        return self._next - 1


def _write_group(gid: Any, group: Group, ids: _DimensionIds) -> None:
    for name, value in group.attrs.items():
        _write_attribute(gid, name, value)
    _write_attribute(gid, "content_sha256", group.content_sha256)
    scales = {dim: group.variables[dim] for dim in group.sizes if dim in group.variables}
    for dim, scale in scales.items():
        if scale.dims[0] != dim:
            raise StoreError("variable is named like a dimension that is not its own first", found=dim)
    dimension_ids = {dim: ids.take() for dim in group.sizes}
    opened: dict[str, Any] = {}
    for dim, size in group.sizes.items():
        if dim not in scales:
            opened[dim] = _write_bare_dimension(gid, dim, size, dimension_ids[dim])
    for name, variable in group.variables.items():
        opened[name] = _write_variable(gid, name, variable)
        if name in scales:
            _write_scale_attributes(opened[name], name, dimension_ids[name])
    references = {name: h5r.create(gid, name.encode(), h5r.OBJECT) for name in opened}
    _attach(group, opened, references, dimension_ids)
    for name, inner in group.groups.items():
        _write_group(h5g.create(gid, name.encode(), _link_names(), _group_properties()), inner, ids)


def _write_variable(gid: Any, name: str, variable: Variable) -> Any:
    data = variable.data
    space = h5s.create_simple(data.shape) if data.ndim else h5s.create(h5s.SCALAR)
    chunks = _chunks(data)
    properties = _chunked(chunks, variable.compress) if chunks else _unchunked(data.nbytes <= COMPACT_BYTES)
    dataset = h5d.create(gid, name.encode(), _file_type(data.dtype), space, properties, _link_names())
    if isinstance(data, SpooledSamples):
        _write_blocks(dataset, data)
    elif data.size:
        dataset.write(h5s.ALL, h5s.ALL, data, mtype=_file_type(data.dtype))
    for key, value in variable.attrs.items():
        _write_attribute(dataset, key, value)
    _write_attribute(dataset, "content_sha256", variable.content_sha256)
    return dataset


def _write_blocks(dataset: Any, samples: SpooledSamples) -> None:
    """Whole chunks at a time, each of them once."""
    place = h5s.create_simple(samples.shape)
    at = 0
    for block in blocks_of(samples, 8 * CHUNK_SAMPLES):
        place.select_hyperslab((at,), block.shape)
        dataset.write(h5s.create_simple(block.shape), place, block, mtype=_file_type(block.dtype))
        at += len(block)


def _write_bare_dimension(gid: Any, name: str, size: int, dimension_id: int) -> Any:
    """A dimension without coordinate values: a scale to which nothing is ever written, so it takes no space."""
    dataset = h5d.create(gid, name.encode(), h5t.IEEE_F32BE, h5s.create_simple((size,)), _unchunked(False),
                         _link_names())  # fmt: skip
    _write_scale_attributes(dataset, f"{NOT_A_VARIABLE}{size:10d}", dimension_id)
    return dataset


def _write_scale_attributes(dataset: Any, name: str, dimension_id: int) -> None:
    # H5DSis_scale, and with it netCDF-C, wants these two as text that a NUL ends.
    for key, text in (("CLASS", "DIMENSION_SCALE"), ("NAME", name)):
        raw = np.array(text.encode(), dtype=f"S{len(text) + 1}")
        _write_typed(dataset, key, raw, _ended_text_type(len(text) + 1))
    _write_attribute(dataset, "_Netcdf4Dimid", np.array(dimension_id, np.int32))


def _attach(group: Group, opened: Mapping[str, Any], references: Mapping[str, Any], ids: Mapping[str, int]) -> None:
    """Say on every variable which scales its axes have, and on every scale which axes it serves.

    Written whole instead of by ``H5DSattach_scale``, which rewrites the growing list at every call. A text
    coordinate is two-dimensional and itself a scale; netCDF-4 names its dimensions by ``_Netcdf4Coordinates``.
    """
    served: dict[str, list[tuple[Any, int]]] = {}
    for name, variable in group.variables.items():
        if not variable.dims:
            continue
        if name in group.sizes:
            if variable.data.ndim > 1:
                _write_attribute(
                    opened[name], "_Netcdf4Coordinates", np.array([ids[d] for d in variable.dims], np.int32)
                )
            continue
        attached = np.empty(len(variable.dims), dtype=REFERENCES)
        for axis, dim in enumerate(variable.dims):
            attached[axis] = np.array([references[dim]], dtype=h5py.ref_dtype)
            served.setdefault(dim, []).append((references[name], axis))
        _write_references(opened[name], "DIMENSION_LIST", attached)
    for dim, axes in served.items():
        _write_references(opened[dim], "REFERENCE_LIST", np.array(axes, dtype=_BACK_REFERENCE))


def _write_references(oid: Any, name: str, value: NDArray[Any]) -> None:
    attribute = h5a.create(oid, name.encode(), h5t.py_create(value.dtype, logical=True), h5s.create_simple(value.shape))
    attribute.write(value, mtype=h5t.py_create(value.dtype))


def _write_attribute(oid: Any, name: str, value: Attribute) -> None:
    # Text of fixed length stays in the object header, under its checksum; of variable length it would lie in the
    # global heap, which has none.
    if isinstance(value, str):
        raw = np.array(value.encode(), dtype=f"S{len(value.encode()) or 1}")
        _write_typed(oid, name, raw, _text_type(raw.dtype.itemsize))
    elif isinstance(value, tuple):
        raws = np.array([v.encode() for v in value])
        _write_typed(oid, name, raws, _text_type(raws.dtype.itemsize))
    else:
        _write_typed(oid, name, value, _file_type(value.dtype))


def _write_typed(oid: Any, name: str, value: NDArray[Any], kind: Any) -> None:
    space = h5s.create_simple(value.shape) if value.ndim else _scalar()
    h5a.create(oid, name.encode(), kind, space).write(value, mtype=kind)


def _chunks(data: Samples) -> tuple[int, ...] | None:
    if data.nbytes <= COMPACT_BYTES:
        return None
    inner = int(np.prod(data.shape[1:]))
    return (min(data.shape[0], max(1, CHUNK_SAMPLES // inner)), *data.shape[1:])


def _no_times(properties: Any) -> Any:
    properties.set_obj_track_times(False)
    properties.set_attr_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    # All attributes in the object header, whatever their number: faster, and the checksum covers them.
    properties.set_attr_phase_change(65_535, 0)
    # Every value is written, so nothing is filled first; fill values would cost time and space.
    return properties


@lru_cache(maxsize=64)
def _chunked(chunks: tuple[int, ...], compress: bool) -> Any:
    properties = _no_times(h5p.create(h5p.DATASET_CREATE))
    properties.set_chunk(chunks)
    if compress:
        properties.set_shuffle()
        properties.set_deflate(GZIP_LEVEL)
    properties.set_fletcher32()
    properties.set_fill_time(h5d.FILL_TIME_NEVER)
    return properties


@lru_cache(maxsize=2)
def _unchunked(compact: bool) -> Any:
    properties = _no_times(h5p.create(h5p.DATASET_CREATE))
    properties.set_layout(h5d.COMPACT if compact else h5d.CONTIGUOUS)
    properties.set_fill_time(h5d.FILL_TIME_NEVER)
    return properties


@lru_cache(maxsize=1)
def _group_properties() -> Any:
    properties = _no_times(h5p.create(h5p.GROUP_CREATE))
    properties.set_link_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    return properties


@lru_cache(maxsize=1)
def _link_names() -> Any:
    properties = h5p.create(h5p.LINK_CREATE)
    properties.set_char_encoding(h5t.CSET_UTF8)
    return properties


@lru_cache(maxsize=1)
def _scalar() -> Any:
    return h5s.create(h5s.SCALAR)


@lru_cache(maxsize=1024)
def _text_type(size: int) -> Any:
    kind = h5t.C_S1.copy()
    kind.set_size(size)
    kind.set_cset(h5t.CSET_UTF8)
    kind.set_strpad(h5t.STR_NULLPAD)
    return kind


@lru_cache(maxsize=64)
def _ended_text_type(size: int) -> Any:
    kind = h5t.C_S1.copy()
    kind.set_size(size)
    kind.set_strpad(h5t.STR_NULLTERM)
    return kind


@lru_cache(maxsize=64)
def _file_type(dtype: np.dtype[Any]) -> Any:
    return _text_type(1) if dtype.kind == "S" else h5t.py_create(dtype)
