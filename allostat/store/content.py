"""What participant file and cohort file share: root attributes, reading with hashes compared, verification."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5g
from numpy.typing import NDArray

import allostat
from allostat.errors import StoreError
from allostat.store.hdf5_read import (
    claimed_sha256,
    damage_as_store_error,
    is_dataset,
    link_names,
    read_array,
    read_attributes,
    read_tree,
)
from allostat.store.safety import SCHEMA_VERSION, Content, open_store
from allostat.store.tree import Group, group_sha256, mismatches

_PIECE = 1 << 20


def root_attributes(content: Content, title: str) -> dict[str, str]:
    """Attributes that say what the file is (CF 1.11, ACDD 1.3). No date: the same input gives the same bytes."""
    version = f"allostat {allostat.__version__}"
    return {
        "title": title,
        "summary": "Wearable recordings and laboratory results of allostat, and the allostatic load index from them.",
        "Conventions": "CF-1.11, ACDD-1.3",
        "source": version,
        "creator_name": version,
        "license": "Personal health data. This file gives no right to share or reuse it; that needs the consent of "
        "those it describes.",
        "disclaimer": "For research. Not a medical device, not for diagnosis or treatment.",
        "allostat_file": content,
        "schema_version": str(SCHEMA_VERSION),
    }


def check_written(path: Path, tree: Group) -> None:
    """Read every dataset of a file just written and compare it, and the hash it carries, with what was meant.

    Raises
    ------
    StoreError
        When one differs.
    """
    with damage_as_store_error(path.name), h5py.File(path, "r", locking=False) as file:
        for where, group in tree.walk():
            gid = h5g.open(file.id, where.encode())
            for name, variable in group.variables.items():
                dataset = h5d.open(gid, name.encode())
                stored, meant = read_array(dataset), variable.data
                same = stored.dtype == meant.dtype and stored.shape == meant.shape
                # Equal bytes have equal hashes; comparing them costs a tenth of hashing them again.
                if not same or not _same_bytes(stored, meant) or claimed_sha256(dataset) != variable.content_sha256:
                    raise StoreError("dataset reads back with other content", where=f"{where.rstrip('/')}/{name}")


def _same_bytes(stored: NDArray[Any], meant: NDArray[Any]) -> bool:
    """Whether two arrays of one dtype and shape are equal; piece by piece, because a day of samples is large."""
    first, second = stored.reshape(-1), meant.reshape(-1)
    return all(
        first[at : at + _PIECE].tobytes() == second[at : at + _PIECE].tobytes() for at in range(0, first.size, _PIECE)
    )


def read_groups(file: Any, names: Collection[str], where: str) -> Group:
    """The root and the named top-level groups of an open store file, as far as it has them, all hashes compared.

    Raises
    ------
    StoreError
        When something read is not what its hash says; the message names it.
    """
    root = h5g.open(file.id, b"/")
    with damage_as_store_error(where):
        attrs = read_attributes(root)
        claimed = str(attrs.pop("content_sha256", ""))
        present = [n for n in link_names(root) if not is_dataset(root, n)]
        below = {n: claimed_sha256(h5g.open(root, n.encode())) for n in present}
    if group_sha256(Group(attrs), below) != claimed:
        raise StoreError("content is not what its hash says", where=f"{where}, /")
    groups = {}
    for name in (n for n in present if n in names):
        with damage_as_store_error(where):
            groups[name] = read_tree(h5g.open(root, name.encode()), f"/{name}")
        for path in mismatches(groups[name], f"/{name}"):
            raise StoreError("content is not what its hash says", where=f"{where}, {path}")
    return Group(attrs, {}, groups, claimed)


def verify(path: str | PathLike[str]) -> list[str]:
    """Everything that is wrong with a store file; an empty list when nothing is.

    Every value is read, which compares the fletcher32 checksum of each chunk, and every ``content_sha256`` of
    datasets and groups is computed again.
    """
    where = Path(path).name
    try:
        with open_store(path) as file:
            return list(_problems(h5g.open(file.id, b"/"), where))
    except StoreError as error:
        return [str(error)]


def _problems(root: Any, where: str) -> Iterator[str]:
    try:
        tree = read_tree(root)
    except StoreError as error:
        yield str(error)
        yield from (p for p in _unreadable(root, where, "/") if p != str(error))
    else:
        for path in mismatches(tree):
            yield str(StoreError("content is not what its hash says", where=f"{where}, {path}"))


def _unreadable(gid: Any, where: str, path: str) -> Iterator[str]:
    """Each dataset that cannot be read."""
    for name in link_names(gid):
        here = f"{path.rstrip('/')}/{name}"
        try:
            with damage_as_store_error(f"{where}, {here}"):
                if not is_dataset(gid, name):
                    yield from _unreadable(h5g.open(gid, name.encode()), where, here)
                else:
                    read_array(h5d.open(gid, name.encode()))
        except StoreError as error:
            yield str(error)
