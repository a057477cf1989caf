"""The plan of a study: which export belongs to whom, before anything is read in full.

An export belongs to the participant whose identifier is the name of its folder below ``raw`` or the beginning of
its file name. Files that no adapter recognises, and identifiers without a counterpart, are listed in both directions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat.biomarkers import Person
from allostat.errors import AllostatError
from allostat.reading import SURE_ENOUGH, verdicts, why_none
from allostat.recording import Notice
from allostat.source import Source
from allostat.store.durable import file_sha256

if TYPE_CHECKING:
    from allostat.study.inputs import StudyTables

_ARCHIVES = (".zip",)
_BEGINNING = 4096
_LABELLED = re.compile(r"(sub-[A-Za-z0-9]+)_")
"""A file name that tells its participant, as BIDS has it."""

OwnerOf = Callable[[Path], str | None]


@dataclass(frozen=True)
class Export:
    """One export as an adapter will read it: a file, an archive, or some members of a folder."""

    path: Path
    adapter: str
    confidence: float
    members: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    """Members that hold nobody's data, as the adapter says."""

    @cached_property
    def source(self) -> Source:
        """The source, restricted to the members that the adapter claims. It hashes each file once."""
        return Source(self.path, self.members or None)

    def __getstate__(self) -> dict[str, Any]:
        # Another process looks for itself: what was found here may have changed since.
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def name(self) -> str:
        """Name for people: of the file, or of the folder with the files that belong to the export."""
        if not self.members:
            return self.path.name
        files = self.members[0] if len(self.members) == 1 else f"{len(self.members)} files"
        return f"{self.path.name}/{files}"

    @property
    def size_bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.files)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of each file of the export, taken once."""
        source = self.source
        if source.is_zip:
            return {self.path.name: file_sha256(self.path)}
        return {member: source.sha256(member) for member in source.members}

    @property
    def own_files(self) -> list[Path]:
        """Files with somebody's data: neither empty ones nor those that only describe others."""
        described = {self.path / name for name in self.descriptions}
        return [file for file in self.files if file not in described and file.stat().st_size]

    @property
    def own_hashes(self) -> dict[str, str]:
        """sha256 of those files."""
        if not self.members:
            return self.hashes
        own = {file.relative_to(self.path).as_posix() for file in self.own_files}
        return {name: digest for name, digest in self.hashes.items() if name in own}

    @property
    def files(self) -> list[Path]:
        """The files as they lie on disk."""
        return [self.path / member for member in self.members] or [self.path]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that no adapter recognises, and why."""

    path: Path
    reason: str

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name


@dataclass(frozen=True)
class ParticipantPlan:
    """Everything that one participant's results are made from."""

    participant: str
    person: Person
    timezone: str | None
    exports: tuple[Export, ...] = ()
    unread: tuple[Unread, ...] = ()
    problems: tuple[str, ...] = ()
    """Why the participant cannot be processed: rows that cannot be used, files that somebody else holds too."""

    @property
    def size_bytes(self) -> int:
        """Size of the participant's exports: what the time to process them goes by."""
        return sum(export.size_bytes for export in self.exports)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The files that are not read, as notices."""
        return tuple(Notice("UNREAD_FILE", f"{u.name}: {u.reason}", file=u.name) for u in self.unread)


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    participants: tuple[ParticipantPlan, ...]
    unmatched_raw: tuple[str, ...] = ()
    """Files or folders below ``raw`` that belong to nobody in participants.tsv."""
    without_raw: tuple[str, ...] = ()
    """Participants without any recording."""
    unmatched_tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each table the identifiers that participants.tsv does not know."""
    assumptions: tuple[str, ...] = ()


def find_exports(raw: Path, owner_of: OwnerOf) -> list[tuple[str | None, Export | Unread]]:
    """Every export below a folder (or the one file that ``raw`` is) with its owner, and the files that are none.

    Files are grouped by owner before a folder is offered to the adapters, so that files of two persons never become one
    export. Symbolic links are not followed.
    """
    if raw.is_file():
        return [(owner_of(raw), _single(raw))]
    found: list[tuple[str | None, Export | Unread]] = []
    for directory in _folders(raw):
        groups: dict[str | None, list[Path]] = {}
        for path in sorted(p for p in directory.iterdir() if p.is_file() and not p.is_symlink()):
            groups.setdefault(owner_of(path), []).append(path)
        for who, paths in groups.items():
            found += [(who, item) for item in _exports_among(directory, paths)]
    return found


def _exports_among(directory: Path, paths: list[Path]) -> Iterator[Export | Unread]:
    """The exports that files of one folder and one owner make up."""
    yield from (Unread(p, "shadow file of another system") for p in paths if p.name.startswith("._"))
    left = [p for p in paths if not p.name.startswith(".") and p.name != "Thumbs.db"]
    loose = tuple(p.name for p in left if not _is_archive(p) and p.stat().st_size)
    # an empty file may be part of an export, like the list of buttons that nobody pressed
    empty = tuple(p.name for p in left if not p.stat().st_size)
    claimed: set[str] = set()
    while len(loose) > 1:
        best = verdicts(Source(directory, loose + empty))[0]
        members = best.sniff.members or loose
        if best.sniff.confidence < SURE_ENOUGH or not set(members) & set(loose) or set(members) - {*loose, *empty}:
            break
        yield Export(directory, best.adapter.name, best.sniff.confidence, members, best.sniff.descriptions)
        claimed |= set(members)
        loose = tuple(name for name in loose if name not in claimed)
        empty = tuple(name for name in empty if name not in claimed)
    for path in left:
        if path.name not in claimed:
            yield _single(path)


def _single(path: Path) -> Export | Unread:
    if path.stat().st_size == 0:
        return Unread(path, "the file is empty")
    try:
        said = verdicts(Source(path))
    except AllostatError as error:
        return Unread(path, str(error))
    best = said[0]
    if best.sniff.confidence >= SURE_ENOUGH:
        if len(best.sniff.members) > 1 and path.name in best.sniff.members:
            sniff = best.sniff
            return Export(path.parent, best.adapter.name, sniff.confidence, sniff.members, sniff.descriptions)
        return Export(path, best.adapter.name, best.sniff.confidence)
    return Unread(path, why_none(said))


def _folders(folder: Path) -> Iterator[Path]:
    yield folder
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink() and child.name != "__MACOSX" and not child.name.startswith("."):
            yield from _folders(child)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() in _ARCHIVES


def owner(name: str, participants: Mapping[str, Person]) -> str | None:
    """The participant to whom a file or folder name belongs: the longest identifier that it equals or begins with."""
    if name in participants:
        return name
    # Looked up, not searched: with thousands of participants that is the difference between seconds and minutes.
    ends = (i for i in range(len(name) - 1, 0, -1) if not name[i].isalnum())
    return next((name[:i] for i in ends if name[:i] in participants), None)


def make_plan(raw: Path | None, tables: StudyTables, *, timezone: str | None, known: bool) -> Plan:
    """Match exports, tables and participants.

    Parameters
    ----------
    raw
        Folder of exports; None when there is none.
    tables
        The study's tables as read.
    timezone
        Zone of participants who state none.
    known
        Whether participants.tsv names the participants. When False each folder, or loose file, below ``raw`` is one.
    """
    if known:
        persons = dict(tables.persons)
        found = find_exports(raw, lambda path: _known_owner(path, raw, persons)) if raw is not None else []
        assumptions: tuple[str, ...] = ()
    else:
        found = find_exports(raw, _assumed_owner(raw)) if raw is not None else []
        names = sorted({who for who, item in found if who and isinstance(item, Export)} | set(tables.all_participants))
        persons = {name: Person(name) for name in names}
        assumptions = (
            "no participants.tsv: each folder, or loose file, of exports is taken as one participant; files named "
            "sub-X_… belong to sub-X",
        )
    exports: dict[str, list[Export]] = {p: [] for p in persons}
    unread: dict[str, list[Unread]] = {p: [] for p in persons}
    unmatched: list[str] = []
    for who, item in found:
        if who not in persons:
            reason = f" ({item.reason})" if isinstance(item, Unread) else ""
            unmatched.append(_relative(item.path, raw) + reason)
        elif isinstance(item, Export):
            exports[who].append(item)
        else:
            unread[who].append(item)
    plans = [
        ParticipantPlan(
            name,
            person,
            tables.timezones.get(name) or timezone,
            tuple(exports[name]),
            tuple(unread[name]),
            tuple(tables.problems.get(name, ())),
        )
        for name, person in sorted(persons.items())
    ]
    return Plan(
        tuple(plans),
        tuple(unmatched),
        tuple(p.participant for p in plans if not p.exports),
        {k: v for k, v in tables.unmatched(persons).items() if v},
        assumptions,
    )


def _assumed_owner(raw: Path) -> OwnerOf:
    """Owner of a file when nobody is named: its first folder below ``raw``, or its own name.

    A loose file whose name begins with ``sub-X_``, as BIDS has it and live sessions write it, belongs to ``sub-X``.
    When the files directly in ``raw`` are together one session of one device, all of them belong to ``raw``.
    """
    if raw.is_file():
        return lambda path: _named_in(path.name)
    loose = tuple(p.name for p in raw.iterdir() if p.is_file() and not p.is_symlink() and not p.name.startswith("."))
    session: tuple[str, ...] = ()
    if len(loose) > 1:
        best = verdicts(Source(raw, loose))[0]
        if best.sniff.confidence >= SURE_ENOUGH and best.adapter.folder_is_session:
            session = best.sniff.members or loose

    def owner_of(path: Path) -> str:
        parts = path.relative_to(raw).parts
        if len(parts) > 1:
            return parts[0]
        return raw.name if path.name in session else _named_in(path.name)

    return owner_of


def _known_owner(path: Path, raw: Path, persons: Mapping[str, Person]) -> str | None:
    parts = path.relative_to(raw).parts or (path.name,)
    return next((who for part in parts if (who := owner(part, persons)) is not None), None)


def _named_in(name: str) -> str:
    """Who a loose file belongs to by its name alone."""
    labelled = _LABELLED.match(name)
    return labelled[1] if labelled else _stem(name)


def _stem(name: str) -> str:
    stem = name.removesuffix(".gz")
    return stem.rsplit(".", 1)[0] if "." in stem[1:] else stem


def _relative(path: Path, raw: Path | None) -> str:
    return path.relative_to(raw).as_posix() if raw is not None and path != raw else path.name


def _beginning(file: Path) -> tuple[int, bytes]:
    """Size of a file and a hash of how it begins: files that differ in it are different."""
    with file.open("rb") as stream:
        return file.stat().st_size, hashlib.sha256(stream.read(_BEGINNING)).digest()


def with_shared_files_told(plan: Plan) -> Plan:
    """The plan in which participants who hold the same file, byte for byte, have that as a problem.

    A header, a sidecar or an empty list of events may well be the same for all (`Export.own_files`).
    One of the two holds somebody else's data; which one cannot be known, so neither is processed.
    """
    alike: dict[tuple[int, bytes], set[str]] = {}
    for item in plan.participants:
        for export in item.exports:
            for file in export.own_files:
                alike.setdefault(_beginning(file), set()).add(item.participant)
    # Hashing everything takes a tenth of a run; only those who hold files that begin alike need it.
    suspected = {who for held in alike.values() if len(held) > 1 for who in held}
    holders: dict[str, list[tuple[str, str]]] = {}
    for item in plan.participants:
        for export in item.exports if item.participant in suspected else ():
            for member, digest in export.own_hashes.items():
                holders.setdefault(digest, []).append((item.participant, member))
    problems: dict[str, list[str]] = {}
    for held in holders.values():
        if len({who for who, _ in held}) > 1:
            places = ", ".join(f"{who}: {member}" for who, member in held)
            for who in {who for who, _ in held}:
                problems.setdefault(who, []).append(f"the same file belongs to several participants ({places})")
    changed = [replace(p, problems=(*p.problems, *problems.get(p.participant, ()))) for p in plan.participants]
    return replace(plan, participants=tuple(changed))
