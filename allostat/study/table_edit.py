"""Correcting a study's tables: the earlier version is kept, and the audit log says who, when and why."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from allostat.errors import AllostatError, ConfigError, InputError
from allostat.store.durable import file_sha256
from allostat.store.locks import FileLock
from allostat.study.audit import Entry, append_entry, author, read_audit, refuse_broken, stated_reason
from allostat.study.cells import CellTable, Change
from allostat.study.layout import write_atomic
from allostat.study.study import Study
from allostat.study.table_versions import changes_of, keep_version, version_path
from allostat.tables import (
    Column,
    Problem,
    is_message,
    read_blood_pressure,
    read_diary,
    read_labs,
    read_participants,
)

TABLES = ("labs", "blood_pressure", "diary", "participants")
"""The tables that can be edited, by their names in ``study.toml``."""

_HEAD_BYTES = 4096
_PARTICIPANT = Column("participant_id", required=True, synonyms=("participant",))


@dataclass(frozen=True, slots=True)
class Edit:
    """A correction, made or only shown.

    ``entry`` is None when nothing was written.
    """

    table: str
    changes: tuple[Change, ...]
    before: str
    after: str
    entry: Entry | None = None


def table_path(study: Study, table: str) -> Path:
    """Where a table of a study lies.

    Raises
    ------
    InputError
        No such table, or it is not there, or it is a file of laboratory messages.
    """
    if table not in TABLES:
        raise InputError("no such table", found=table, valid=TABLES)
    path = study.path / str(getattr(study.config.input, table))
    if not study.path.is_dir() or not path.is_file():
        raise InputError("the study has no such table", where=study.path.name, found=path.name)
    with path.open("rb") as file:
        message = is_message(file.read(_HEAD_BYTES))
    if message:
        raise InputError(
            "holds laboratory messages, which are corrected where they come from", where=path.name,
            expected="a table; enter the corrected file with --adopt",
        )  # fmt: skip
    return path


def edit_table(
    study: Study,
    table: str,
    *,
    participant: str,
    values: Mapping[str, str],
    why: str,
    by: str | None = None,
    match: Mapping[str, str] | None = None,
    line: int | None = None,
    every: bool = False,
    dry_run: bool = False,
) -> Edit:
    """Change cells of the rows of one participant.

    Parameters
    ----------
    table
        One of `TABLES`.
    values
        New text of cells, by the columns of the table as its header writes them.
    why, by
        For the log; the login name when ``by`` is not given.
    match, line
        Which rows: cells that they have, and the line of the file.
    every
        Whether several rows may be meant.
    dry_run
        Show, and write nothing.

    Raises
    ------
    InputError
        No such row, several without ``every``, a column that is not there, a value that the table's reader refuses
        (its own sentence says why), or an audit log whose chain is broken.
    ConfigError
        No reason, or one that names the participant.

    Notes
    -----
    Written are, in this order, the versions before and after, the log, the table. The same edit after a kill completes
    it.
    """
    path = table_path(study, table)
    if not values:
        raise ConfigError("nothing to change", expected="--set column=value")
    reason, who = stated_reason(why, without=[participant]), author(by)
    with locked_study(study.path):
        cells = CellTable(path, [_PARTICIPANT])
        rows = cells.rows({"participant_id": participant, **(match or {})}, line)
        if not rows:
            people = {cells.cell(row, "participant_id").strip() for row in cells.rows({})}
            if participant not in people:
                raise InputError("no row of this participant", where=path.name, found=participant, valid=people)
            theirs = cells.rows({"participant_id": participant})
            for column, text in (match or {}).items():
                there = {cells.cell(row, column).strip() for row in theirs}
                if text not in there:
                    raise InputError("no such row of this participant", where=f"{path.name}, column {column}",
                                     found=text, valid=there)  # fmt: skip
            said = ", ".join(f"{k} {v}" for k, v in (match or {}).items()) or f"line {line}"
            raise InputError("no such row of this participant", where=path.name, found=said)
        if len(rows) > 1 and not every:
            lines = ", ".join(str(r.line) for r in rows)
            raise InputError(
                f"{len(rows)} rows fit", where=path.name, found=f"lines {lines}",
                expected="one row: --match further cells, or --row with the line, or --all",
            )  # fmt: skip
        content, changes = cells.changed(rows, values)
        before, after = file_sha256(path), sha256(content).hexdigest()
        done = Edit(path.name, tuple(changes), before, after)
        if not changes:
            return done
        _refuse_worse(table, path, content)
        log = read_audit(study.path)
        refuse_broken(log, study.path.name)
        if dry_run:
            return done
        keep_version(path)
        write_atomic(version_path(path, after), content)
        what = {
            "table": path.name, "from": before, "to": after, "lines": sorted({c.line for c in changes}),
            "columns": sorted({c.column for c in changes}),
        }  # fmt: skip
        # A kill after the entry and before the table: the same edit finds its entry there, and only replaces the table.
        entered = changes_of(log, path.name)
        unfinished = bool(entered) and dict(entered[-1].what) == what
        entry = entered[-1] if unfinished else append_entry(study.path, "edit", what, who=who, why=reason)
        write_atomic(path, content)
    return Edit(path.name, tuple(changes), before, after, entry)


def adopt_table(study: Study, table: str, *, why: str, by: str | None = None) -> Entry:
    """Enter a change that was made with another program, as it stands.

    Raises
    ------
    InputError
        No such table, it is the version that was entered last, its reader finds it unusable, or the log is broken.
    """
    if table not in TABLES:
        raise InputError("no such table", found=table, valid=TABLES)
    path = study.path / str(getattr(study.config.input, table))
    if not path.is_file():
        raise InputError("the study has no such table", where=study.path.name, found=path.name)
    people = _participants(study)
    reason, who = stated_reason(why, without=people), author(by)
    with locked_study(study.path):
        _read(table, path)
        changes = changes_of(read_audit(study.path), path.name)
        now = file_sha256(path)
        last = str(changes[-1].what["to"]) if changes else None
        if now == last:
            raise InputError("nothing to enter: this is the version of the last entry", where=path.name,
                             found=f"entry {changes[-1].sequence}")  # fmt: skip
        keep_version(path)
        return append_entry(study.path, "adopted", {"table": path.name, "from": last, "to": now}, who=who, why=reason)


def _participants(study: Study) -> list[str]:
    tables = study.tables()
    return sorted({*tables.persons, *tables.all_participants})


@contextmanager
def locked_study(folder: Path) -> Iterator[None]:
    """Hold the tables and the log of a study; a second edit is refused meanwhile."""
    lock = FileLock(folder / ".audit.lock")
    if not lock.acquire():
        raise ConfigError("somebody else edits this study", where=folder.name, found=lock.holder)
    try:
        yield
    finally:
        lock.release()


def _read(table: str, path: Path) -> Any:
    readers: dict[str, Callable[[Path], Any]] = {
        "labs": read_labs, "blood_pressure": read_blood_pressure, "diary": read_diary,
        "participants": read_participants,
    }  # fmt: skip
    return readers[table](path)


def _refuse_worse(table: str, path: Path, content: bytes) -> None:
    """Refuse content in which the table's reader finds something wrong that was not wrong before."""
    known = _complaints(table, path)
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder) / path.name
        candidate.write_bytes(content)
        for sentence, error in _complaints(table, candidate).items():
            if sentence not in known:
                raise error


def _complaints(table: str, path: Path) -> dict[str, AllostatError]:
    """What the reader of a table finds wrong with it, by its sentence."""
    try:
        problems: tuple[Problem, ...] = getattr(_read(table, path), "problems", ())
    except AllostatError as error:
        return {str(error): error}
    return {str(problem.error): problem.error for problem in problems}
