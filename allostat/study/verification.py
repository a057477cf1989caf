"""Rechecking an output folder: every hash that a run stated, of files and of what is inside them, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from allostat.errors import AllostatError, InputError
from allostat.store import verify
from allostat.store.durable import file_sha256
from allostat.store.guard import own_guard
from allostat.store.stored_file import StoredFile
from allostat.study.audit import read_audit
from allostat.study.checksums import FILE_NAME as CHECKSUMS
from allostat.study.checksums import read_checksums
from allostat.study.crate import FILE_NAME, stated_hashes
from allostat.study.inputs import read_tables
from allostat.study.layout import folder_name
from allostat.study.run_record import changes_outside, log_notes, recorded
from allostat.study.table_versions import version_problems
from allostat.study.unfinished import unfinished_work

if TYPE_CHECKING:
    from allostat.study.study import Study

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What rechecking found: problems, and what is worth saying and is none."""

    files: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_output(
    path: str | PathLike[str], told: Told = lambda name: None, *, study: Study | None = None
) -> Verification:
    """Compare every file of an output folder with the hash that the run stated, and look into every store file.

    Parameters
    ----------
    path
        Output folder of `allostat run`.
    told
        Called with each file as it is looked at.
    study
        The study of these results: its audit log and the versions of its tables are checked as well.

    Raises
    ------
    InputError
        The folder has no list of its files (``ro-crate-metadata.json``).
    """
    root = Path(path)
    if not (root / FILE_NAME).is_file():
        raise InputError("no list of files to compare with", where=root.name, expected=f"{FILE_NAME}: run the study")
    stated, problems = stated_by_lists(root)
    problems += unfinished_work(root)
    for name, hashes in stated.items():
        told(name)
        problems += file_problems(root, name, hashes)
    problems += _unlisted(root, set(stated))
    problems += read_audit(root).problems
    wrong, notes = _of_study(study, root) if study is not None else ([], [])
    return Verification(len(stated), (*problems, *wrong), tuple(notes))


def stated_by_lists(root: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Hashes of each file as the crate and the checksums state them, and what is wrong with the lists.

    Raises
    ------
    InputError
        The crate is damaged.
    """
    try:
        stated = {name: {sha} for name, sha in stated_hashes(root).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"list of files is damaged ({error})", where=FILE_NAME) from error
    problems = []
    try:
        for name, sha in read_checksums(root).items():
            stated.setdefault(name, set()).add(sha)
        if (root / CHECKSUMS).exists() and FILE_NAME not in stated:
            problems.append(f"{CHECKSUMS}: does not name {FILE_NAME}")
    except InputError as error:
        problems.append(str(error))
    return stated, problems


def file_problems(root: Path, name: str, hashes: set[str]) -> Iterator[str]:
    """What is wrong with one file of an output folder of which the lists state some hashes (one, when they agree)."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        yield f"{name}: the list names a file outside the folder"
        return
    if not path.is_file():
        yield f"{name}: missing"
        return
    if len(hashes) > 1:
        yield f"{name}: the lists of files state different hashes"
    found = file_sha256(path)
    same = found in hashes
    if not same:
        yield f"{name}: changed since the run"
    if path.suffix == ".h5":
        # The HDF5 library may crash on what is damaged: that is read by another process.
        yield from (f"{name}: {problem}" for problem in (verify(path) if same else own_guard().problems(path)))
        if same and name != "cohort.h5":
            yield from _status(path, found, name)


def _status(path: Path, sha: str, name: str) -> Iterator[str]:
    """What the participant's status says must be what is there, and both must lie in the participant's folder."""
    try:
        status = json.loads(path.with_name("status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{name}: its status.json is unreadable ({error})"
        return
    if status.get("store_sha256") != sha:
        yield f"{name}: its status.json states another hash"
    who = str(StoredFile(path, "participant").attrs["participant"])
    if folder_name(who) != path.parent.name:
        yield f"{name}: is the file of another participant"


def _unlisted(root: Path, listed: set[str]) -> Iterator[str]:
    """Store files that the run did not list: left by another run, or put there."""
    for path in sorted(root.glob("*/*.h5")):
        name = path.relative_to(root).as_posix()
        if name not in listed and not path.name.startswith("."):
            yield f"{name}: is not in the list of the run"


def _of_study(study: Study, root: Path) -> tuple[list[str], list[str]]:
    """Problems and notes of the study's log and tables, by themselves and beside what the last run knew of them."""
    log, kept, names = read_audit(study.path), recorded(root), study.config.input
    tables = [names.participants, names.labs, names.blood_pressure, names.diary]
    problems, notes = version_problems(study.path, log, tables)
    problems = [f"{study.path.name}: {text}" for text in (*log_notes(kept, log), *problems)]
    try:
        hashes = read_tables(study.path, names).hashes
    except AllostatError as error:
        return problems, [*notes, f"tables of the study cannot be read: {error}"]
    notes += [f"{table}: changed outside since the run" for table, _, _ in changes_outside(kept, hashes, log)]
    for table, before in kept.get("tables", {}).items():
        if hashes.get(table, before) != before and not any(n.startswith(f"{table}: changed outside") for n in notes):
            notes.append(f"{table}: newer than the run, by entries of the log")
    return problems, notes
