"""Damaged and crafted participant files, for `tools.fuzz_adapters`.

Random bytes hardly get into such a file: checksums and hashes stop them. So most cases change the tree of a sound
file (attributes, arrays, dimensions, names, groups that are missing or stand elsewhere) and write it with hashes that
fit, as somebody would who means to; some have HDF5's own traps added behind that; the others have bytes changed.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from allostat.errors import AllostatError
from allostat.simulate import EXPORTS, Worn
from allostat.store import open_store, probe, read_participant, share_of, verify
from allostat.store.hdf5_read import read_tree
from allostat.store.hdf5_write import write_tree
from allostat.store.participant import read_summary
from allostat.store.stored_file import StoredFile
from allostat.store.tree import Attribute, Group, Variable
from allostat.study import Study

TEXTS = (
    "",
    "nan",
    "-1",
    "1e999",
    "[]",
    "{}",
    "null",
    "[[[[",
    "x" * 70_000,
    "\x00",
    "utc",
    "0",
    '{"a": {"b": []}}',
    "ä\ud7ff",
)
DTYPES = ("<i1", "<i2", "<i4", "<i8", "<u8", "<f4", "<f8", "S1")
LARGEST_ARRAY = 1 << 21
READ_BY_NAME = frozenset({"recordings", "beats", "measured", "biomarkers"})
"""Groups whose variables are known by name; in the others any dataset may stand."""
PART = 0.15
"""How likely a group of the file is in a case."""

Member = TypeVar("Member", Group, Variable)


def write_participant_file(worn: Worn, folder: Path) -> Path:
    """The file that a study makes of minutes of ECG and of laboratory values."""
    raw = folder / "study" / "raw" / worn.person.id
    raw.mkdir(parents=True)
    for name in ("polar-ecg-logger", "fhir", "omron"):
        EXPORTS[name](worn, raw)
    Study(folder / "study").run(folder / "out", jobs=1)
    return min((folder / "out").rglob("sub-*.h5"))


def crafted(sound: Path, target: Path, rng: random.Random) -> None:
    """Write another file than parts of ``sound``, of which every hash fits what it holds."""
    part = tree = part_of(_tree_of(sound), rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = _changed(tree, rng)
    target.unlink(missing_ok=True)
    try:
        write_tree(target, tree)
    except (AllostatError, OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError, OverflowError):
        # the writer refuses most trees that are none; then one trap of HDF5 is all that is wrong
        target.unlink(missing_ok=True)
        write_tree(target, part)
        _trapped(target, rng)
        return
    if rng.random() < 0.1:
        _trapped(target, rng)


def damaged(sound: Path, target: Path, rng: random.Random, mutated: Callable[[bytes, random.Random], bytes]) -> None:
    """Write parts of ``sound`` with bytes changed."""
    target.unlink(missing_ok=True)
    write_tree(target, part_of(_tree_of(sound), rng))
    target.write_bytes(mutated(target.read_bytes(), rng))


def open_everything(path: Path) -> None:
    """Whatever allostat reads of a participant file, after another process has looked at it as for any adapter."""
    try:
        probe(path)
    except AllostatError:
        return
    for read in readers(path).values():
        with suppress(AllostatError):
            read()


def readers(path: Path) -> dict[str, Callable[[], object]]:
    """All ways to read one participant file."""
    return {
        "whole": lambda: read_participant(path),
        "part": lambda: read_participant(path, groups=("beats", "hrv")),
        "summary": lambda: read_summary(path),
        "share": lambda: share_of(path, indices=True),
        "verify": lambda: verify(path),
        "datasets": lambda: _look_into(path),
    }


def _look_into(path: Path) -> None:
    stored = StoredFile(path)
    for group in stored.groups:
        stored.dataset(group).load()
    json.dumps(stored.provenance)


@cache
def _tree_of(sound: Path) -> Group:
    with open_store(sound) as file:
        return read_tree(h5py.h5g.open(file.id, b"/"))


def part_of(tree: Group, rng: random.Random) -> Group:
    """Some groups of a participant file, as a participant with fewer data has them.

    To read a file takes as long as it has objects, and most of them are variables that are read like their neighbours.
    So each case has a few, by chance others than the case before; what is read by name keeps all its variables.
    """
    kept = {name for name in tree.groups if rng.random() < PART} or {rng.choice(sorted(tree.groups))}
    groups = {name: _handful(tree.groups[name], rng, name in READ_BY_NAME) for name in tree.groups if name in kept}
    if "beats" in groups:  # they name those that they were corrected from
        groups["recordings"] = tree.groups["recordings"]
    return Group(tree.attrs, tree.variables, groups)


def _handful(group: Group, rng: random.Random, every_variable: bool) -> Group:
    """One or two of the groups below; of the variables some, with those that their dimensions are named by, or all."""
    inner, names = sorted(group.groups), sorted(group.variables)
    some = rng.sample(inner, min(len(inner), rng.choice((1, 1, 2))))
    chosen = set(names if every_variable else rng.sample(names, min(len(names), rng.choice((1, 2, 4)))))
    chosen |= {dim for name in chosen for dim in group.variables[name].dims}
    return Group(
        group.attrs,
        {name: variable for name, variable in group.variables.items() if name in chosen},
        {name: _handful(below, rng, every_variable) for name, below in group.groups.items() if name in some},
    )


def _changed(tree: Group, rng: random.Random) -> Group:
    """The tree with one change somewhere, the nearer to the root the likelier."""
    if tree.groups and rng.random() < 0.75:
        others: tuple[str, ...] = ("a/b", "recordings", "%2F", "ä")
        return Group(tree.attrs, tree.variables, _one_changed(tree.groups, rng, 12, others, _changed))
    if tree.variables and rng.random() < 0.6:
        others = ("time", "value", "")
        return Group(tree.attrs, _one_changed(tree.variables, rng, 8, others, _changed_variable), tree.groups)
    return Group(_changed_attributes(tree.attrs, rng), tree.variables, tree.groups)


def _one_changed(
    members: Mapping[str, Member],
    rng: random.Random,
    one_in: int,
    others: Sequence[str],
    changed: Callable[[Member, random.Random], Member],
) -> dict[str, Member]:
    """Each one time in ``one_in``: one is gone, has another name (longer, or of ``others``) or is its neighbour's twin.

    Else it is changed.
    """
    name = rng.choice(sorted(members))
    inside = dict(members)
    match rng.randrange(one_in):
        case 0:
            del inside[name]
        case 1:
            inside[rng.choice((name + "x", *others))] = inside.pop(name)
        case 2:
            inside[name] = inside[rng.choice(sorted(inside))]
        case _:
            inside[name] = changed(inside[name], rng)
    return inside


def _changed_variable(variable: Variable, rng: random.Random) -> Variable:
    data = np.asarray(variable.data)
    match rng.randrange(7):
        case 0:
            return replace(variable, attrs=_changed_attributes(variable.attrs, rng))
        case 1:
            with np.errstate(all="ignore"):
                kind = rng.choice(DTYPES)
                raw = data.reshape(-1).view(np.uint8)
                size = np.dtype(kind).itemsize
                return replace(
                    variable, data=raw[: raw.size // size * size].view(kind), dims=variable.dims[:1] or ("x",)
                )
        case 2:
            return replace(
                variable,
                data=data[: rng.choice((0, 1, max(len(data) - 1, 0)))] if data.ndim else data[None],
                dims=variable.dims or ("x",),
            )
        case 3:
            return replace(variable, dims=tuple(rng.choice(("time", "window", "sample", d)) for d in variable.dims))
        case 4 if data.ndim and 0 < data.nbytes < LARGEST_ARRAY // 2:
            return replace(variable, data=np.concatenate([data, data]))
        case 5 if data.size:
            return replace(variable, data=data[::-1].copy() if data.ndim else data)
        case _:
            if not data.size:
                return variable
            changed = data.copy().reshape(-1)
            at = [rng.randrange(changed.size) for _ in range(rng.choice((1, 1, 5)))]
            for i in at:
                changed[i] = _extreme(changed.dtype, rng)
            return replace(variable, data=changed.reshape(data.shape))


def _extreme(dtype: np.dtype[Any], rng: random.Random) -> Any:
    if dtype.kind == "f":
        return rng.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, np.finfo(dtype).max, np.finfo(dtype).tiny))
    if dtype.kind in "iu":
        return rng.choice((np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1))
    return rng.choice((b"", b"\xff", b"\x01", b"9"))


def _changed_attributes(attrs: Any, rng: random.Random) -> dict[str, Attribute]:
    changed: dict[str, Attribute] = dict(attrs)
    if not changed:
        return {"units": rng.choice(TEXTS)}
    name = rng.choice(sorted(changed))
    value = changed[name]
    match rng.randrange(8):
        case 0:
            del changed[name]
        case 1:
            changed[name] = rng.choice(TEXTS)
        case 2:
            changed[name] = np.array(rng.choice((np.nan, np.inf, -1, 2**62, 0.0)))
        case 3:
            changed[name] = np.array([1, 2, 3]) if rng.random() < 0.5 else ("a", "b")
        case 4 if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf":
            array = value.copy().reshape(-1)
            array[rng.randrange(array.size)] = _extreme(array.dtype, rng)
            changed[name] = array.reshape(value.shape)
        case 5 if isinstance(value, str) and value[:1] in "[{":
            changed[name] = _changed_json_text(value, rng)
        case _ if isinstance(value, str) and value:
            at = rng.randrange(len(value))
            changed[name] = value[:at] + rng.choice(TEXTS)[:9] + value[at + rng.randrange(3) :]
        case _:
            changed[name] = rng.choice(TEXTS)
    return changed


def _changed_json_text(text: str, rng: random.Random) -> str:
    try:
        parsed = json.loads(text)
    except ValueError:  # an earlier change of the same case
        return rng.choice(TEXTS)
    return json.dumps(_changed_json(parsed, rng))


def _changed_json(value: Any, rng: random.Random) -> Any:
    """One place in parsed JSON made something else."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: _changed_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], _changed_json(value[at], rng), *value[at + 1 :]]
    return rng.choice((None, [], {}, "", "x", -1, 1e308, True, [[]], {"a": 1}, "9" * 400))


def _trapped(path: Path, rng: random.Random) -> None:
    """Add one thing of HDF5 that no file of allostat has."""
    with h5py.File(path, "r+") as file:
        groups: list[Any] = [file]
        file.visititems(lambda _, found: groups.append(found) if isinstance(found, h5py.Group) else None)
        place = rng.choice(groups)
        match rng.randrange(8):
            case 0:
                place["trap"] = h5py.ExternalLink("/etc/hostname", "/")
            case 1:
                place["trap"] = h5py.SoftLink(rng.choice(("/nowhere", "/recordings", "/")))
            case 2:
                place["trap"] = file
            case 3:
                place.create_dataset("trap", (1 << 40,), "f8", chunks=(1 << 20,))
            case 4:
                place.create_dataset("trap", (4,), h5py.string_dtype())
            case 5:
                place.create_dataset("trap", (4,), "f2")
            case 6:
                place.attrs["trap"] = h5py.Empty("f4")
            case _:
                place.attrs.create("trap", np.zeros(rng.choice((0, 5000)), [("a", "i4"), ("b", "f8")]))


if __name__ == "__main__":
    open_everything(Path(sys.argv[1]))
