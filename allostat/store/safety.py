"""Opening HDF5 files that may come from anywhere.

HDF5 can point at other files, declare terabytes in a kilobyte and load filter plugins. Everything is looked at
before a single value is read: links, storage, filters, dtypes, sizes. A file that crashes the HDF5 library itself is
caught by `guard.probe`, which looks at it in a child process with limits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5t, h5z

from allostat.errors import NewerSchemaError, StoreError
from allostat.store.hdf5_read import (
    FORMAT_ATTRIBUTES,
    NOT_A_VARIABLE,
    damage_as_store_error,
    read_attribute,
    scale_references,
)

SCHEMA_VERSION = 2
"""Layout of the files that this version writes and the newest that it reads; `schema_steps` tells the versions."""

MAX_OBJECTS = 100_000
MAX_DEPTH = 32
MAX_DATASET_BYTES = 8 * 2**30
MAX_CHUNK_BYTES = 64 * 2**20
RATIO_FLOOR_BYTES = 16 * 2**20
MAX_RATIO = 1_100
"""deflate cannot compress better than 1032 : 1."""

MAX_RANK = 32
MAX_TEXTS = 1_024
"""Texts of variable length in one attribute: each may point at the same megabyte."""

Content = Literal["participant", "cohort"]

_FILTERS = {h5z.FILTER_DEFLATE: "deflate", h5z.FILTER_SHUFFLE: "shuffle", h5z.FILTER_FLETCHER32: "fletcher32"}
_CLASSES = {
    h5t.TIME: "time", h5t.BITFIELD: "bit field", h5t.OPAQUE: "opaque", h5t.COMPOUND: "compound",
    h5t.REFERENCE: "reference", h5t.ENUM: "enum", h5t.VLEN: "variable length", h5t.ARRAY: "array",
}  # fmt: skip


@contextmanager
def open_hdf5(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open any HDF5 file for reading when nothing in it can disclose other files, load code or exhaust memory.

    Raises
    ------
    StoreError
        Names the object and what is refused: external link or storage, virtual dataset, link that leads nowhere,
        filter other than deflate, shuffle and fletcher32, dtype other than integer, float32, float64 and text,
        absurd size; or the file is damaged or no HDF5.
    """
    where = Path(path).name
    with _opened(path) as file:
        with damage_as_store_error(where):
            _Inspection(where, attributes=True, own=False).inspect(file.id)
        yield file


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[h5py.File]:
    where = Path(path).name
    if not Path(path).is_file():
        raise StoreError("no such file", where=where)
    with damage_as_store_error(where):
        # Locking would need write permission on some shared file systems; a finished file never changes.
        file = h5py.File(path, "r", locking=False)
    with file:
        yield file


@contextmanager
def open_groups(path: str | PathLike[str], content: Content | None, groups: Collection[str]) -> Iterator[h5py.File]:
    """Like `open_store`, but only the named top-level groups are looked at, so only they may be read.

    For `hdf5_read` alone, which itself refuses attributes of other kinds than allostat writes: looking at every
    attribute of a file takes longer than reading what the cohort table needs of it.
    """
    where = Path(path).name
    with _opened(path) as file:
        with damage_as_store_error(where):
            _Inspection(where, attributes=False, own=True).inspect(file.id, groups)
        _check_schema(file.id, where, content)
        yield file


@contextmanager
def open_group(path: str | PathLike[str], content: Content | None, place: str) -> Iterator[h5py.File]:
    """Like `open_groups` for one group at any depth: only what lies in it may be read."""
    where = Path(path).name
    with _opened(path) as file:
        with damage_as_store_error(where):
            _Inspection(where, attributes=False, own=True).inspect_group(file.id, place)
        _check_schema(file.id, where, content)
        yield file


@contextmanager
def open_store(path: str | PathLike[str], content: Content | None = None) -> Iterator[h5py.File]:
    """Open a file that allostat wrote; also `open_hdf5`'s checks.

    Each object has one name in such a file: a second link to a group is a circle, or a tree that grows twofold with
    each level.

    Parameters
    ----------
    content
        What the file must hold; None for either.

    Raises
    ------
    StoreError
        Also when it has a soft link or two links to one object, is no allostat file, holds the other content, or is
        of a newer schema.
    """
    where = Path(path).name
    with _opened(path) as file:
        with damage_as_store_error(where):
            _Inspection(where, attributes=True, own=True).inspect(file.id)
        _check_schema(file.id, where, content)
        yield file


def refuse_to_replace_newer(path: Path) -> None:
    """Keep a file that a newer version wrote from being replaced; any other, also a damaged one, may be.

    Raises
    ------
    NewerSchemaError
        The file is there and of a newer schema.
    """
    if not path.is_file():
        return
    try:
        with open_groups(path, None, ()):
            pass
    except NewerSchemaError as error:
        raise NewerSchemaError(
            "was written by a newer allostat and is not replaced: update allostat, or write to another folder",
            where=path.name, found=error.found, expected=error.expected,
        ) from error  # fmt: skip
    except StoreError:
        # Damaged or foreign under a name that allostat gives: writing anew is the remedy.
        return


def _check_schema(root: Any, where: str, content: Content | None) -> None:
    with damage_as_store_error(where):
        said = {
            name: str(read_attribute(h5a.open(root, name.encode()))) if h5a.exists(root, name.encode()) else None
            for name in ("allostat_file", "schema_version")
        }
    version = said["schema_version"]
    if said["allostat_file"] not in ("participant", "cohort") or version is None or not version.isdecimal():
        raise StoreError("is not a file that allostat wrote", where=where, found=f"schema_version {version}",
                         expected="root attributes allostat_file and schema_version")  # fmt: skip
    if int(version) > SCHEMA_VERSION:
        raise NewerSchemaError("was written by a newer allostat: update allostat to read it", where=where,
                               found=f"schema version {version}", expected=f"at most {SCHEMA_VERSION}")  # fmt: skip
    if int(version) < 1:
        raise StoreError("is of a schema version that never existed", where=where, found=version)
    if content is not None and said["allostat_file"] != content:
        raise StoreError("is another kind of allostat file", where=where, found=said["allostat_file"], expected=content)


class _Inspection:
    """One pass over all objects of a file, or of some of its top-level groups, through links in the file only.

    Of ``own`` files, which allostat wrote, each object has one link and that is hard. Seen in part, any other file
    might also hide an external link to which a soft one leads.
    """

    def __init__(self, where: str, *, attributes: bool, own: bool) -> None:
        self._file = where
        self._with_attributes = attributes
        self._own = own
        self._seen: set[int] = set()
        self._soft: list[tuple[Any, str, str]] = []

    def inspect(self, root: Any, groups: Collection[str] | None = None) -> None:
        self._seen.add(h5o.get_info(root).addr)
        self._group(root, "/", 0, groups)
        for gid, name, path in self._soft:
            # No external link is left at this point, so a soft link that resolves stays in the file.
            try:
                inside = h5o.get_info(gid, name.encode()).addr in self._seen
            except (KeyError, RuntimeError, OSError, ValueError):
                inside = False
            if not inside:
                self._refuse("soft link leads nowhere", path)

    def inspect_group(self, root: Any, place: str) -> None:
        """Look at one group and the links that lead to it."""
        gid, here = root, ""
        for name in place.strip("/").split("/"):
            here = f"{here}/{name}"
            if gid.links.get_info(name.encode()).type != h5l.TYPE_HARD:
                self._refuse("link that is not hard", here)
            gid = h5g.open(gid, name.encode())
        self._seen.add(h5o.get_info(gid).addr)
        self._group(gid, here, 0)

    def _refuse(self, what: str, path: str, found: object = None, expected: str | None = None) -> None:
        raise StoreError(f"refused: {what}", where=f"{self._file}, {path}", found=found, expected=expected)

    def _group(self, gid: Any, path: str, depth: int, only: Collection[str] | None = None) -> None:
        if depth > MAX_DEPTH:
            self._refuse("groups nested too deeply", path, expected=f"at most {MAX_DEPTH}")
        self._attributes(gid, path)
        links: list[tuple[bytes, Any]] = []

        def note(name: bytes, info: Any) -> None:
            links.append((name, info.type))

        gid.links.iterate(note, info=True)
        for raw, kind in links:
            name = raw.decode()
            here = f"{path.rstrip('/')}/{name}"
            if kind == h5l.TYPE_EXTERNAL:
                self._refuse("external link", here)
            elif kind == h5l.TYPE_SOFT:
                if self._own:
                    self._refuse("soft link", here)
                self._soft.append((gid, name, here))
            elif kind != h5l.TYPE_HARD:
                self._refuse("link of an unknown kind", here, found=kind)
            elif only is None or name in only:
                self._object(gid, name, here, depth)

    def _object(self, gid: Any, name: str, path: str, depth: int) -> None:
        info = h5o.get_info(gid, name.encode())
        if info.addr in self._seen:
            if self._own:
                self._refuse("second link to one object", path)
            return
        self._seen.add(info.addr)
        if len(self._seen) > MAX_OBJECTS:
            self._refuse("too many objects", path, expected=f"at most {MAX_OBJECTS}")
        if info.type == h5o.TYPE_GROUP:
            self._group(h5g.open(gid, name.encode()), path, depth + 1)
        elif info.type == h5o.TYPE_DATASET:
            dataset = h5d.open(gid, name.encode())
            self._dataset(dataset, path)
            self._attributes(dataset, path)
        else:
            self._refuse("neither group nor dataset", path)

    def _dataset(self, dataset: Any, path: str) -> None:
        properties = dataset.get_create_plist()
        if properties.get_external_count():
            self._refuse("external storage", path, found=properties.get_external(0)[0])
        layout = properties.get_layout()
        if layout == h5d.VIRTUAL:
            self._refuse("virtual dataset", path)
        for index in range(properties.get_nfilters()):
            code, _, _, label = properties.get_filter(index)
            if code not in _FILTERS:
                self._refuse("filter", path, found=f"{code} {label.decode(errors='replace')}".strip(),
                             expected=", ".join(_FILTERS.values()))  # fmt: skip
        kind = dataset.get_type()
        self._dtype(kind, path)
        size = kind.get_size()
        if layout == h5d.CHUNKED and size * math.prod(properties.get_chunk()) > MAX_CHUNK_BYTES:
            self._refuse("chunk of absurd size", path, found=f"chunks {properties.get_chunk()} of {size} bytes")
        if not _is_bare_dimension(dataset):
            self._size(dataset, size * math.prod(dataset.shape or (1,)), path)

    def _size(self, dataset: Any, declared: int, path: str) -> None:
        stored = dataset.get_storage_size()
        if declared > MAX_DATASET_BYTES or (declared > RATIO_FLOOR_BYTES and declared > MAX_RATIO * max(stored, 1)):
            self._refuse(
                "absurd size",
                path,
                found=f"{declared} bytes declared, {stored} stored",
                expected=f"at most {MAX_DATASET_BYTES} bytes and {MAX_RATIO} times what is stored",
            )

    def _dtype(self, kind: Any, path: str) -> None:
        code = kind.get_class()
        if code in _CLASSES or (code == h5t.STRING and kind.is_variable_str()):
            self._refuse("dtype", path, found=_CLASSES.get(code, "text of variable length"),
                         expected="integers, float32, float64 or text of fixed length")  # fmt: skip
        if code == h5t.FLOAT and kind.get_size() not in (4, 8):
            self._refuse("dtype", path, found=f"float of {kind.get_size()} bytes", expected="float32 or float64")

    def _attributes(self, oid: Any, path: str) -> None:
        if not self._with_attributes:
            return
        for index in range(h5a.get_num_attrs(oid)):
            attribute = h5a.open(oid, index=index)
            name = attribute.name.decode()
            if name in FORMAT_ATTRIBUTES:
                if name == "DIMENSION_LIST" and math.prod(attribute.shape or (1,)) > MAX_RANK:
                    self._refuse("more dimension scales than dimensions", path)
                continue
            kind, here = attribute.get_type(), f"{path}, attribute {name}"
            if kind.get_class() == h5t.STRING and kind.is_variable_str():
                if math.prod(attribute.shape or (1,)) > MAX_TEXTS:
                    self._refuse("too many texts", here, expected=f"at most {MAX_TEXTS}")
            else:
                self._dtype(kind, here)


def _is_bare_dimension(dataset: Any) -> bool:
    """Whether it is the scale of a dimension without coordinate values: its length is declared, nothing is stored."""
    if not h5a.exists(dataset, b"NAME") or not h5a.exists(dataset, b"CLASS"):
        return False
    return str(read_attribute(h5a.open(dataset, b"NAME"))).startswith(NOT_A_VARIABLE)


def read_every_value(path: str | PathLike[str]) -> None:
    """Read every dataset once and forget it; `StoreError` when something in the file is refused or damaged.

    The references to scales are read as well: they lie in a heap of their own, in which HDF5 may look for ever when it
    is damaged.
    """
    with open_hdf5(path) as file, damage_as_store_error(Path(path).name):

        def read(_: str, found: object) -> None:
            if isinstance(found, h5py.Dataset) and not _is_bare_dimension(found.id):
                found[()]
                if h5a.exists(found.id, b"DIMENSION_LIST"):
                    scale_references(found.id)

        file.visititems(read)
