"""The tables of a study, read once and handed out participant by participant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from allostat.biomarkers import Person
from allostat.recording import Notice, Recording
from allostat.study.config import InputSection
from allostat.study.table_versions import stated_versions
from allostat.tables import (
    BloodPressureReading,
    DiaryDay,
    LabRow,
    Problem,
    read_blood_pressure,
    read_diary,
    read_labs,
    read_participants,
    unmatched,
)


@dataclass(frozen=True)
class ParticipantRows:
    """One participant's rows of all tables."""

    labs: tuple[LabRow, ...] = ()
    blood_pressure: tuple[BloodPressureReading, ...] = ()
    diary: tuple[DiaryDay, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the participant's own rows, by field name, of the tables that have some."""
    names: Mapping[str, str] = field(default_factory=dict)
    """File name of each table."""

    def joined(self, recordings: Iterable[Recording]) -> ParticipantRows:
        """The same with the laboratory values and cuff readings that recordings brought along."""
        brought = list(recordings)
        return replace(
            self,
            labs=self.labs + tuple(row for r in brought for row in r.labs),
            blood_pressure=self.blood_pressure + tuple(row for r in brought for row in r.blood_pressure),
        )


@dataclass(frozen=True)
class StudyTables:
    """All tables of a study that are there."""

    persons: Mapping[str, Person] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)
    labs: tuple[LabRow, ...] = ()
    blood_pressure: tuple[BloodPressureReading, ...] = ()
    diary: tuple[DiaryDay, ...] = ()
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each participant the rows that cannot be used, as sentences; under '' those of nobody."""
    notices: tuple[Notice, ...] = ()
    has_participants: bool = False
    hashes: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each table that was read, by file name."""
    names: Mapping[str, str] = field(default_factory=dict)
    """File name of each table that was read, by field name."""
    versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For tables that the study's audit log speaks of: version and entry, see `stated_versions`."""

    @cached_property
    def all_participants(self) -> tuple[str, ...]:
        """Identifiers that occur in any table of results."""
        found = {r.participant for r in self.labs} | {r.participant for r in self.blood_pressure}
        return tuple(sorted(found | {p for p in self.problems if p}))

    def rows_of(self, participant: str) -> ParticipantRows:
        """All rows of one participant."""
        labs, pressure, diary = self._by_participant
        days = sorted(diary.get(participant, ()), key=lambda d: d.date)
        own = ParticipantRows(labs.get(participant, ()), pressure.get(participant, ()), tuple(days), names=self.names)
        tables = {"labs": own.labs, "blood_pressure": own.blood_pressure, "diary": own.diary}
        return replace(own, hashes={name: _rows_sha256(rows) for name, rows in tables.items() if rows})

    @cached_property
    def _by_participant(self) -> tuple[_Rows[LabRow], _Rows[BloodPressureReading], _Rows[DiaryDay]]:
        """Rows of each table by participant: looking through all rows for each of thousands takes minutes."""
        return _grouped(self.labs), _grouped(self.blood_pressure), _grouped(self.diary)

    def has_rows(self, participant: str) -> bool:
        """Whether a participant has laboratory or blood pressure rows, usable or not."""
        return participant in self._having_rows

    @cached_property
    def _having_rows(self) -> frozenset[str]:
        return frozenset(self.all_participants)

    def unmatched(self, persons: Mapping[str, Person]) -> dict[str, tuple[str, ...]]:
        """For each table the identifiers that ``persons`` does not hold."""
        found = {
            "labs": {r.participant for r in self.labs},
            "blood_pressure": {r.participant for r in self.blood_pressure},
            "diary": {d.participant for d in self.diary},
            "rows with problems": set(self.problems) - {""},
        }
        return {table: unmatched(persons, names)[1] for table, names in found.items()}


def read_tables(folder: Path | None, names: InputSection) -> StudyTables:
    """Read the tables of a study folder; a table that is not there is empty.

    Raises
    ------
    InputError
        When a table's header or encoding is unusable, or participants.tsv is wrong anywhere. Bad rows of the other
        tables are problems of their participants.
    """
    if folder is None:
        return StudyTables()
    paths = {key: folder / getattr(names, key) for key in ("participants", "labs", "blood_pressure", "diary")}
    there = {key: path for key, path in paths.items() if path.is_file()}
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there.values()}
    people = read_participants(there["participants"]) if "participants" in there else None
    labs = read_labs(there["labs"]) if "labs" in there else None
    pressure = read_blood_pressure(there["blood_pressure"]) if "blood_pressure" in there else None
    diary = read_diary(there["diary"]) if "diary" in there else None
    found = [table for table in (people, labs, pressure, diary) if table is not None]
    problems = [p for table in (labs, pressure, diary) if table is not None for p in table.problems]
    listed = people.participants if people is not None else ()
    return StudyTables(
        persons={p.participant_id: p.person() for p in listed},
        timezones={p.participant_id: p.timezone for p in listed if p.timezone},
        labs=labs.rows if labs is not None else (),
        blood_pressure=pressure.readings if pressure is not None else (),
        diary=diary.days if diary is not None else (),
        problems=_by_participant(problems),
        notices=tuple(notice for table in found for notice in table.notices),
        has_participants=people is not None,
        hashes=hashes,
        names={key: path.name for key, path in there.items()},
        versions=stated_versions(folder, hashes),
    )


_Row = TypeVar("_Row", LabRow, BloodPressureReading, DiaryDay)
_Rows = Mapping[str, tuple[_Row, ...]]


def _grouped(rows: Iterable[_Row]) -> _Rows[_Row]:
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        grouped.setdefault(row.participant, []).append(row)
    return {participant: tuple(own) for participant, own in grouped.items()}


def _rows_sha256(rows: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(repr, rows)).encode("utf-8", "surrogatepass")).hexdigest()


def _by_participant(problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for problem in problems:
        grouped.setdefault(problem.participant, []).append(str(problem.error))
    return {participant: tuple(sentences) for participant, sentences in grouped.items()}
