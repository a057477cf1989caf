"""Files whose hashes fit what they hold, and that hold what no result is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from allostat.errors import StoreError
from allostat.store import open_store, write_participant
from allostat.store.hdf5_read import read_tree
from allostat.store.hdf5_write import write_tree
from allostat.store.stored_file import StoredFile
from allostat.store.tree import Group
from tests.store.results import full_result


def test_columns_of_two_lengths_on_one_dimension_are_refused_when_looked_into(tmp_path: Path) -> None:
    sound, crafted = tmp_path / "sub-001.h5", tmp_path / "crafted.h5"
    write_participant(full_result(), sound)
    with open_store(sound) as file:
        tree = read_tree(h5py.h5g.open(file.id, b"/"))
    table = tree.groups["biomarkers"]
    name, column = next((n, v) for n, v in table.variables.items() if v.dims == ("row",) and len(v.data) > 1)
    shorter = replace(column, data=np.asarray(column.data)[:-1], dims=("row",))
    inside = {n: shorter if n == name else v for n, v in table.variables.items()}
    groups = dict(tree.groups) | {"biomarkers": Group(table.attrs, inside, table.groups)}
    write_tree(crafted, Group(tree.attrs, tree.variables, groups))
    stored = StoredFile(crafted)
    with pytest.raises(StoreError, match="conflicting sizes"):
        stored.dataset("/biomarkers")
    with pytest.raises(StoreError):
        stored.tree()
