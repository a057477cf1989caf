"""Damaged and crafted participant files, for `tools.fuzz_adapters`.

Random bytes hardly get into such a file: checksums and hashes stop them. So most cases change the tree of a sound
file (attributes, arrays, dimensions, names, groups that are missing or stand elsewhere) and write it with hashes that
fit, as somebody would who means to; some have HDF5's own traps added behind that; the others have bytes changed.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

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


def write_participant_file(worn: Worn, folder: Path) -> Path:
    """The file that a study makes of minutes of ECG and of laboratory values."""
    raw = folder / "study" / "raw" / worn.person.id
    raw.mkdir(parents=True)
    for name in ("polar-ecg-logger", "fhir", "omron"):
        EXPORTS[name](worn, raw)
    Study(folder / "study").run(folder / "out", jobs=1)
    return min((folder / "out").rglob("sub-*.h5"))


def crafted(sound: Path, target: Path, rng: random.Random) -> None:
    """Write another file than ``sound``, of which every hash fits what it holds."""
    tree = _tree_of(sound)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = _changed(tree, rng)
    target.unlink(missing_ok=True)
    try:
        write_tree(target, tree)
    except (AllostatError, OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError, OverflowError):
        # the writer refuses most trees that are none; then one trap of HDF5 is all that is wrong
        target.unlink(missing_ok=True)
        target.write_bytes(sound.read_bytes())
        _trapped(target, rng)
        return
    if rng.random() < 0.1:
        _trapped(target, rng)


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


def _changed(tree: Group, rng: random.Random) -> Group:
    """The tree with one change somewhere, the nearer to the root the likelier."""
    if tree.groups and rng.random() < 0.75:
        name = rng.choice(sorted(tree.groups))
        inner = dict(tree.groups)
        match rng.randrange(12):
            case 0:
                del inner[name]
            case 1:
                inner[rng.choice((name + "x", "a/b", "recordings", "%2F", "ä"))] = inner.pop(name)
            case 2:
                inner[name] = inner[rng.choice(sorted(inner))]
            case _:
                inner[name] = _changed(inner[name], rng)
        return Group(tree.attrs, tree.variables, inner)
    if tree.variables and rng.random() < 0.6:
        name = rng.choice(sorted(tree.variables))
        inside = dict(tree.variables)
        match rng.randrange(8):
            case 0:
                del inside[name]
            case 1:
                inside[rng.choice((name + "x", "time", "value", ""))] = inside.pop(name)
            case 2:
                inside[name] = inside[rng.choice(sorted(inside))]
            case _:
                inside[name] = _changed_variable(inside[name], rng)
        return Group(tree.attrs, inside, tree.groups)
    return Group(_changed_attributes(tree.attrs, rng), tree.variables, tree.groups)


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
            changed[name] = json.dumps(_changed_json(json.loads(value), rng))
        case _ if isinstance(value, str) and value:
            at = rng.randrange(len(value))
            changed[name] = value[:at] + rng.choice(TEXTS)[:9] + value[at + rng.randrange(3) :]
        case _:
            changed[name] = rng.choice(TEXTS)
    return changed


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
