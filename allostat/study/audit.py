"""The audit log: who changed what, when and why, each entry bound to the one before it by a hash.

An entry is one line of ``audit.jsonl``. It holds no data of participants: what it says of a change are hashes, names of
columns and numbers of lines, so that erasing a person never breaks the chain.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allostat.canonical import canonical_json, sha256_of
from allostat.errors import ConfigError, InputError
from allostat.study.layout import write_atomic
from allostat.study.traces import mentions

FILE_NAME = "audit.jsonl"
FIRST = "0" * 64
"""What the first entry names as the hash of the one before it."""

_FIELDS = {"sequence": int, "time": str, "who": str, "why": str, "kind": str, "what": dict, "previous": str}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Parameters
    ----------
    sequence
        1, 2, 3 …
    time
        UTC, ISO 8601, by the clock of the computer.
    who
        As given, or the login name; empty where allostat found something whose author nobody named.
    kind
        ``edit``, ``adopted``, ``changed outside``, ``erasure``, ``migration``.
    what
        Anything that JSON can hold.
    previous
        Hash of the entry before; `FIRST` for the first.
    """

    sequence: int
    time: str
    who: str
    why: str
    kind: str
    what: Mapping[str, Any]
    previous: str

    @property
    def content(self) -> dict[str, Any]:
        """The entry as JSON holds it, without its hash."""
        return {name: getattr(self, name) for name in _FIELDS}

    @property
    def sha256(self) -> str:
        """Hash over the canonical JSON of everything in the entry."""
        return sha256_of(self.content)

    @property
    def line(self) -> str:
        """The entry as it stands in the file, without the end of the line."""
        return canonical_json({**self.content, "sha256": self.sha256})


@dataclass(frozen=True, slots=True)
class AuditLog:
    """A log as read: the entries up to the first that is not sound, and what is wrong."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def head(self) -> dict[str, Any]:
        """Number of entries and hash of the last: whoever keeps this can tell when the log was cut or written anew."""
        return {"entries": len(self.entries), "sha256": self.entries[-1].sha256 if self.entries else FIRST}

    def begins_with(self, head: Mapping[str, Any]) -> bool:
        """Whether this is the log of an earlier `head`, perhaps with further entries."""
        n = int(head["entries"])
        if n > len(self.entries):
            return False
        return str(head["sha256"]) == (self.entries[n - 1].sha256 if n else FIRST)


def read_audit(folder: Path) -> AuditLog:
    """The log of a folder, its chain checked; an empty one when there is no file."""
    try:
        data = (folder / FILE_NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return AuditLog()
    entries: list[Entry] = []
    for number, raw in enumerate(data.split(b"\n")[:-1], 1):
        problem = _appended(entries, raw)
        if problem is not None:
            return AuditLog(tuple(entries), (f"{FILE_NAME}, line {number}: {problem}",))
    if data and not data.endswith(b"\n"):
        return AuditLog(tuple(entries), (f"{FILE_NAME}, line {len(entries) + 1}: is cut off",))
    return AuditLog(tuple(entries))


def _appended(entries: list[Entry], raw: bytes) -> str | None:
    """Add the entry of a line; what is wrong with it, else None."""
    try:
        said = json.loads(raw)
        fields = {name: said[name] for name in _FIELDS}
        right = all(type(fields[name]) is kind for name, kind in _FIELDS.items())
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        return "is not an entry"
    entry = Entry(**fields)
    # Compared as text: a blank or a further key put in is a change like any other.
    if raw != entry.line.encode():
        return f"entry {entry.sequence} was changed after it was written"
    expected = (len(entries) + 1, entries[-1].sha256 if entries else FIRST)
    if (entry.sequence, entry.previous) != expected:
        return f"entry {entry.sequence} does not follow entry {len(entries)}: one was removed, put in or moved"
    entries.append(entry)
    return None


def append_entry(folder: Path, kind: str, what: Mapping[str, Any], *, who: str, why: str) -> Entry:
    """Enter something; the log is replaced whole, so that a kill leaves it with or without the entry.

    The caller holds the lock of the folder.

    Raises
    ------
    InputError
        The log's chain is broken: nothing is entered.
    DiskError
        It cannot be written.
    """
    log = read_audit(folder)
    refuse_broken(log, folder.name)
    time = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    entry = Entry(len(log.entries) + 1, time, who, why, kind, what, str(log.head["sha256"]))
    write_atomic(folder / FILE_NAME, "".join(f"{one.line}\n" for one in (*log.entries, entry)))
    return entry


def refuse_broken(log: AuditLog, where: str) -> None:
    """Raise `InputError` when the chain of a log is broken: nothing may be entered after that."""
    if log.problems:
        raise InputError(
            "the audit log was changed; nothing is entered", where=where, found=log.problems[0],
            expected="the file as it was: take it from a backup, or move it away to begin a new one",
        )  # fmt: skip


def author(by: str | None) -> str:
    """Who does something: as given, else the login name.

    Raises
    ------
    ConfigError
        Neither is known.
    """
    if by is not None and by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise ConfigError("who does this is not known: this computer tells no login name", expected="--by") from None


def stated_reason(why: str, *, without: Sequence[str] = ()) -> str:
    """A reason for the log.

    Parameters
    ----------
    without
        Identifiers of participants that it may not hold: the log is kept when a person is erased.

    Raises
    ------
    ConfigError
        It is empty, or names one of them.
    """
    text = why.strip()
    if not text:
        raise ConfigError("a reason is needed", expected="--why with a few words")
    for name in without:
        if mentions(text, name):
            raise ConfigError(
                "the reason names a participant; it stays in the audit log even when the person is erased",
                found=name, expected="a reason without the identifier",
            )  # fmt: skip
    return text
