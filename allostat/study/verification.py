"""Rechecking an output folder: every hash that a run stated, of files and of what is inside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from allostat.errors import InputError
from allostat.store import verify
from allostat.store.durable import file_sha256
from allostat.study.crate import FILE_NAME, stated_hashes

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What rechecking found."""

    files: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_output(path: str | PathLike[str], told: Told = lambda name: None) -> Verification:
    """Compare every file of an output folder with the hash that the run stated, and look into every store file.

    Parameters
    ----------
    path
        Output folder of `allostat run`.
    told
        Called with each file as it is looked at.

    Raises
    ------
    InputError
        The folder has no list of its files (``ro-crate-metadata.json``), or that is unreadable.
    """
    root = Path(path)
    if not (root / FILE_NAME).is_file():
        raise InputError("no list of files to compare with", where=root.name, expected=f"{FILE_NAME}: run the study")
    try:
        stated = stated_hashes(root)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"list of files is damaged ({error})", where=FILE_NAME) from error
    problems = [problem for name, sha in stated.items() for problem in _of_file(root, name, sha, told)]
    problems += _unlisted(root, set(stated))
    return Verification(len(stated), tuple(problems))


def _of_file(root: Path, name: str, sha: str, told: Told) -> Iterator[str]:
    told(name)
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        yield f"{name}: the list names a file outside the folder"
        return
    if not path.is_file():
        yield f"{name}: missing"
        return
    same = file_sha256(path) == sha
    if not same:
        yield f"{name}: changed since the run"
    if path.suffix == ".h5":
        yield from (f"{name}: {problem}" for problem in verify(path))
        if same and name != "cohort.h5":
            yield from _status(path, sha, name)


def _status(path: Path, sha: str, name: str) -> Iterator[str]:
    """What the participant's status says must be what is there."""
    try:
        status = json.loads(path.with_name("status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{name}: its status.json is unreadable ({error})"
        return
    if status.get("store_sha256") != sha:
        yield f"{name}: its status.json states another hash"


def _unlisted(root: Path, listed: set[str]) -> Iterator[str]:
    """Store files that the run did not list: left by another run, or put there."""
    for path in sorted(root.glob("*/*.h5")):
        name = path.relative_to(root).as_posix()
        if name not in listed and not path.name.startswith("."):
            yield f"{name}: is not in the list of the run"
