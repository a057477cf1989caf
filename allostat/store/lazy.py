"""Datasets of a store file whose values are read when they are used, and compared with their hashes then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from h5py import h5d, h5g
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from allostat.errors import StoreError
from allostat.store.hdf5_read import Skeleton, damage_as_store_error, read_array, read_skeleton
from allostat.store.tree import Attribute, Variable, array_sha256
from allostat.store.values import decode_attributes, decode_variable

WHOLE_BYTES = 64 * 2**20
"""Arrays up to this size are read whole and compared with their hash; of larger ones only the wanted part is read,
which compares the checksum of each chunk."""


class StoredArray(BackendArray):
    """One variable of a finished store file. The file is opened for each read: thousands of them stay closed.

    Parameters
    ----------
    path
        The store file.
    group, skeleton
        Where in it, and what is known of the variable without its values.
    """

    def __init__(self, path: Path, group: str, skeleton: Skeleton) -> None:
        self._path, self._group, self._skeleton = path, group, skeleton
        self._identity = _identity(path)
        stored = skeleton.shape
        self.text = "_Encoding" in skeleton.attrs
        self.shape = stored[:-1] if self.text else stored
        kept = np.dtype(np.bool_) if skeleton.attrs.get("dtype") == "bool" else skeleton.dtype
        self.dtype = np.dtype(f"<U{stored[-1]}") if self.text else kept

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )
        return result

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        skeleton = self._skeleton
        where = f"{self._path.name}, {self._group.rstrip('/')}/{skeleton.name}"
        with damage_as_store_error(where):
            # What was looked at for links and storage elsewhere when it was opened must be what is read now.
            if _identity(self._path) != self._identity:
                raise StoreError("file was changed since it was opened", where=where)
        with damage_as_store_error(where), h5py.File(self._path, "r", locking=False) as file:
            dataset = h5d.open(h5g.open(file.id, self._group.encode()), skeleton.name.encode())
            if tuple(dataset.shape) != skeleton.shape:
                raise StoreError("file was changed since it was opened", where=where)
            whole = self.text or skeleton.dtype.itemsize * math.prod(skeleton.shape) <= WHOLE_BYTES
            stored = read_array(dataset) if whole else h5py.Dataset(dataset)[key]
        if whole and array_sha256(stored) != skeleton.claimed_sha256:
            raise StoreError("content is not what its hash says", where=where)
        with damage_as_store_error(where):
            _, values, _ = decode_variable(Variable(skeleton.dims, np.asarray(stored), skeleton.attrs))
            if self.text:
                values = values.astype(self.dtype)
            return np.asarray(values[key] if whole else values)


def _identity(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def lazy_dataset(path: Path, file: Any, group: str) -> xr.Dataset:
    """The dataset of a leaf group of an open store file; coordinates of dimensions are read, the rest when used.

    Raises
    ------
    StoreError
        No such group, or the file is damaged.
    """
    where = f"{path.name}, {group}"
    with damage_as_store_error(where):
        gid = h5g.open(file.id, group.encode())
        attrs, skeletons = read_skeleton(gid)
    with damage_as_store_error(where):
        return _dataset(path, group, attrs, skeletons)


def _dataset(path: Path, group: str, attrs: Mapping[str, Attribute], skeletons: Sequence[Skeleton]) -> xr.Dataset:
    named = set(str(attrs.get("coordinates", "")).split())
    parts: dict[str, xr.Variable] = {}
    for skeleton in skeletons:
        about = decode_attributes(skeleton.attrs)
        named |= set(str(about.pop("coordinates", "")).split())
        array = StoredArray(path, group, skeleton)
        dims = skeleton.dims[:-1] if array.text else skeleton.dims
        for name in ("_Encoding", "calendar"):
            about.pop(name, None)
        if about.get("dtype") == "bool":
            del about["dtype"]
        if str(about.get("units", "")).startswith("nanoseconds since") and about.get("epoch") == "utc":
            about["units"] = "ns"
        parts[skeleton.name] = xr.Variable(dims, indexing.LazilyIndexedArray(array), about)
    named |= {name for name, variable in parts.items() if variable.dims == (name,)}
    return xr.Dataset(
        {n: v for n, v in parts.items() if n not in named},
        coords={n: v for n, v in parts.items() if n in named},
        attrs=decode_attributes({k: v for k, v in attrs.items() if k not in ("coordinates", "allostat_name")}),
    )
