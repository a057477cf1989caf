"""Files whose hashes fit what they hold, and that hold what no result is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from allostat.errors import StoreError
from allostat.store import open_store, read_participant, verify, write_participant
from allostat.store.hdf5_read import read_tree
from allostat.store.hdf5_write import write_tree
from allostat.store.stored_file import StoredFile
from allostat.store.streams import decode_notices
from allostat.store.tree import Group, Variable
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


def circle_of_soft_links(file: h5py.File) -> None:
    file["hrv/again"] = h5py.SoftLink("/hrv")


def circle_of_hard_links(file: h5py.File) -> None:
    file["hrv/again"] = file["hrv"]


def circle_through_the_root(file: h5py.File) -> None:
    file["hrv/again"] = file["/"]


def twofold_at_each_level(file: h5py.File) -> None:
    below = file["hrv"].create_group("last")
    for level in range(30):
        above = file["hrv"].create_group(f"level{level}")
        above["a"] = above["b"] = below
        below = above


def link_to_another_file(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("secret.h5"), "w") as other:
        other.create_group("inside").attrs["allostat_name"] = "secret"
    file["hrv/again"] = h5py.ExternalLink("secret.h5", "/")


@pytest.mark.parametrize(
    "make",
    [
        circle_of_soft_links,
        circle_of_hard_links,
        circle_through_the_root,
        twofold_at_each_level,
        link_to_another_file,
    ],
)
def test_groups_that_lead_in_circles_or_elsewhere_are_refused_at_once(
    tmp_path: Path, make: Callable[[h5py.File], None]
) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        make(file)
    problems = verify(path)
    assert len(problems) == 1 and "link" in problems[0]
    for look in (
        lambda: read_participant(path),
        lambda: StoredFile(path).groups,
        lambda: StoredFile(path).dataset("/biomarkers"),
        lambda: StoredFile(path).tree(),
    ):
        with pytest.raises(StoreError, match="link"):
            look()
    assert read_participant(path, groups=["biomarkers"]).biomarkers.rows


def test_file_without_provenance_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path)
    with h5py.File(path, "r+") as file:
        del file.attrs["provenance"]
    with pytest.raises(StoreError, match="provenance"):
        StoredFile(path).provenance  # noqa: B018 (looking is what fails)


@pytest.mark.parametrize("content", ["signal", "beats", "series"])
def test_stream_whose_epoch_is_numbers_is_refused(tmp_path: Path, content: str) -> None:
    sound, crafted = tmp_path / "sub-001.h5", tmp_path / "crafted.h5"
    write_participant(full_result(), sound)
    with open_store(sound) as file:
        tree = read_tree(h5py.h5g.open(file.id, b"/"))
    recordings = {}
    changed = 0
    for key, recording in tree.groups["recordings"].groups.items():
        streams = {}
        for name, stream in recording.groups.items():
            wrong = stream.attrs.get("content") == content
            changed += wrong
            streams[name] = stream.with_attributes({"epoch": np.array([1, 2, 3])}) if wrong else stream
        recordings[key] = Group(recording.attrs, recording.variables, streams)
    assert changed
    inside = Group(tree.groups["recordings"].attrs, {}, recordings)
    write_tree(crafted, Group(tree.attrs, tree.variables, dict(tree.groups) | {"recordings": inside}))
    with pytest.raises(StoreError, match="attribute is no text"):
        read_participant(crafted)


@pytest.mark.parametrize("text", ['["x"]', "{}", '"x"', "3"])
def test_notices_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(StoreError, match="no list of objects"):
        decode_notices(text, "sub-001.h5")


def test_codes_stored_as_numbers_are_refused(tmp_path: Path) -> None:
    sound, crafted = tmp_path / "sub-001.h5", tmp_path / "crafted.h5"
    write_participant(full_result(), sound)
    with open_store(sound) as file:
        tree = read_tree(h5py.h5g.open(file.id, b"/"))
    table = tree.groups["biomarkers"]
    codes = table.variables["quality"]
    numbers = Variable(("row",), np.full(len(codes.data), 1.5))
    inside = dict(table.variables) | {"quality": numbers}
    write_tree(
        crafted, Group(tree.attrs, tree.variables, dict(tree.groups) | {"biomarkers": replace(table, variables=inside)})
    )
    with pytest.raises(StoreError, match="codes is not text"):
        read_participant(crafted)
