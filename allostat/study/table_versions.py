"""Versions of a study's tables: earlier ones kept by content, and whether a change was entered in the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from allostat.store.durable import file_sha256
from allostat.study.audit import AuditLog, Entry, read_audit
from allostat.study.layout import write_atomic

FOLDER = "versions"
CHANGES = ("edit", "adopted")
"""Kinds of entries that lead a table from one version to another."""


def version_path(table: Path, sha256: str) -> Path:
    """Where a version of a table is kept: ``versions/labs.<sha256>.tsv`` beside it."""
    return table.parent / FOLDER / f"{table.stem}.{sha256}{table.suffix}"


def keep_version(table: Path) -> str:
    """Keep a table as it is now; its sha256. Content that is kept already is left alone."""
    sha256 = file_sha256(table)
    place = version_path(table, sha256)
    if not place.is_file() or file_sha256(place) != sha256:
        write_atomic(place, table.read_bytes())
    return sha256


def changes_of(log: AuditLog | Iterable[Entry], table: str) -> list[Entry]:
    """Entries that changed one table, in their order."""
    entries = log.entries if isinstance(log, AuditLog) else log
    return [e for e in entries if e.kind in CHANGES and e.what.get("table") == table]


def stated_versions(folder: Path, hashes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """For each table that the audit log of a study speaks of: its version, and the entry that made it.

    Parameters
    ----------
    folder
        The study.
    hashes
        sha256 of each table by its name.

    Returns
    -------
    dict
        ``version`` (sha256), and ``entry`` and ``entry_sha256``; without these two when the table is none that an entry
        made: it was changed with another program.
    """
    log = read_audit(folder)
    found: dict[str, dict[str, Any]] = {}
    for table, sha256 in hashes.items():
        changes = changes_of(log, table)
        if not changes:
            continue
        made = [e for e in changes if e.what["to"] == sha256]
        entry = {"entry": made[-1].sequence, "entry_sha256": made[-1].sha256} if made else {}
        found[table] = {"version": sha256, **entry}
    return found


def leads(log: AuditLog, table: str, start: str, end: str) -> bool:
    """Whether entries, one after the other, lead a table from one version to another."""
    at = start
    for entry in changes_of(log, table):
        if entry.what["from"] == at:
            at = entry.what["to"]
    return at == end


def version_problems(folder: Path, log: AuditLog, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is wrong with the versions that a study keeps, and what is worth saying of its tables.

    Parameters
    ----------
    names
        The tables, relative to the study.

    Returns
    -------
    problems, notes
        Versions that are damaged, or that no entry names (a sign that entries are lacking); changes that no entry
        tells of, versions that are no longer kept.
    """
    problems: list[str] = []
    notes: list[str] = []
    for name in names:
        table = folder / name
        changes = changes_of(log, table.name)
        known = {str(e.what[end]) for e in changes for end in ("from", "to")}
        kept = sorted((table.parent / FOLDER).glob(f"{table.stem}.*{table.suffix}"))
        for path in kept:
            sha256 = path.name.removeprefix(f"{table.stem}.").removesuffix(table.suffix)
            if file_sha256(path) != sha256:
                problems.append(f"{FOLDER}/{path.name}: is not what its name says")
            elif sha256 not in known:
                problems.append(f"{FOLDER}/{path.name}: is a version of {table.name} that no entry of the log names")
        gone = [sha for sha in sorted(known) if not version_path(table, sha).is_file()]
        notes += [f"{table.name}: version {sha[:12]} is not kept any more" for sha in gone]
        for before, after in pairwise(changes):
            if before.what["to"] != after.what["from"]:
                notes.append(f"{table.name}: changed outside between entries {before.sequence} and {after.sequence}")
        if changes and table.is_file() and file_sha256(table) != changes[-1].what["to"]:
            notes.append(f"{table.name}: changed outside since entry {changes[-1].sequence}")
    return problems, notes
