"""Store files of older schema versions, written anew in the layout of this one."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from h5py import h5a, h5g

from allostat.errors import StoreError
from allostat.store.content import check_written
from allostat.store.durable import file_sha256, replace_file
from allostat.store.hdf5_read import read_attribute, read_tree
from allostat.store.hdf5_write import write_tree
from allostat.store.safety import SCHEMA_VERSION, open_groups, open_store
from allostat.store.schema_steps import brought_up
from allostat.store.tree import Group, mismatches


@dataclass(frozen=True, slots=True)
class Migrated:
    """A file before and after: versions and sha256."""

    before: int
    after: int
    before_sha256: str
    after_sha256: str


def schema_of(path: str | PathLike[str]) -> int:
    """Schema version of a store file.

    Raises
    ------
    StoreError
        It is none, is damaged, or is newer than this version (`NewerSchemaError`).
    """
    with open_groups(path, None, ()) as file:
        return int(str(read_attribute(h5a.open(file.id, b"schema_version"))))


def migrate_file(path: str | PathLike[str]) -> Migrated:
    """Write a file anew in the layout of this version, whole or not at all; one of this version is left alone.

    Raises
    ------
    StoreError
        The file is damaged (some content is not what its hash says): it is left alone then. Newer than this version
        (`NewerSchemaError`), of a version without a way here, or the disk refuses (`DiskError`).
    """
    target = Path(path)
    before, digest = schema_of(target), file_sha256(target)
    if before == SCHEMA_VERSION:
        return Migrated(before, before, digest, digest)
    tree = brought_up(whole_tree(target), target.name)
    written = replace_file(target, lambda p: write_tree(p, tree), lambda p: check_written(p, tree))
    return Migrated(before, SCHEMA_VERSION, digest, written)


def whole_tree(path: Path) -> Group:
    """Everything in a store file, every hash compared, as its own schema version lays it out."""
    with open_store(path) as file:
        tree = read_tree(h5g.open(file.id, b"/"))
    for place in mismatches(tree):
        raise StoreError("content is not what its hash says", where=f"{path.name}, {place}")
    return tree
