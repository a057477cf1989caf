"""participants.tsv: who takes part, sex, age, time zone, group, medications."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike

from allostat.biomarkers import Person, Sex
from allostat.errors import InputError
from allostat.recording import Notice
from allostat.tables.instant import zone_info
from allostat.tables.reader import Column, Row, Table, number, read_table

_COLUMNS = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("sex"),
    Column("age", synonyms=("age_years",)),
    Column("timezone", synonyms=("time_zone",)),
    Column("group"),
    Column("medications", synonyms=("medication",)),
    Column("pregnant", synonyms=("pregnancy",)),
    Column("smoker", synonyms=("smoking",)),
    Column("oral_contraceptive", synonyms=("oral_contraceptives",)),
)
_FACTS = {
    "yes": True, "y": True, "true": True, "1": True, "current": True,
    "no": False, "n": False, "false": False, "0": False, "never": False, "former": False, "ex": False,
}  # fmt: skip
"""Yes and no; the usual words for smoking among them."""
_SEXES: Mapping[str, Sex] = {"f": "F", "female": "F", "m": "M", "male": "M"}


@dataclass(frozen=True, slots=True)
class Participant:
    """One row of participants.tsv."""

    participant_id: str
    sex: Sex | None = None
    age_years: float | None = None
    timezone: str | None = None
    group: str | None = None
    medications: tuple[str, ...] = ()
    line: int = 0
    extras: Mapping[str, str] = field(default_factory=dict)
    pregnant: bool | None = None
    smoker: bool | None = None
    oral_contraceptive: bool | None = None

    def person(self) -> Person:
        """What waist 2 knows of the participant."""
        return Person(
            self.participant_id, self.sex, self.age_years, self.group, self.medications, self.pregnant, self.smoker,
            self.oral_contraceptive,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParticipantTable:
    """All participants of a study, in the order of the file."""

    participants: tuple[Participant, ...]
    notices: tuple[Notice, ...] = ()

    def by_id(self) -> dict[str, Participant]:
        """Participants by identifier."""
        return {p.participant_id: p for p in self.participants}


def read_participants(path: str | PathLike[str]) -> ParticipantTable:
    """Participants of a study.

    Columns: ``participant_id`` (always text: ``007`` stays ``007``), ``sex`` (F or M), ``age`` (years), ``timezone``
    (IANA), ``group``, ``medications`` (names or ATC codes separated by ``;``), ``pregnant``, ``smoker``,
    ``oral_contraceptive`` (yes or no); all but the first are optional, others are kept.

    Raises
    ------
    InputError
        An identifier missing or twice (both lines are named), a sex, age, time zone, or yes or no that is none.
    """
    table = read_table(path, _COLUMNS)
    found: dict[str, Participant] = {}
    for row in table.rows:
        one = _participant(table, row)
        if one.participant_id in found:
            first = found[one.participant_id].line
            raise InputError(
                "participant_id occurs twice",
                where=f"{table.file}, lines {first} and {row.line}",
                found=one.participant_id,
                expected="one row per participant",
            )
        found[one.participant_id] = one
    if not found:
        raise InputError("table holds no participants", where=table.file)
    without_sex = [p for p in found.values() if p.sex is None]
    notices = table.notices
    if without_sex:
        message = "participants without sex: sex-specific references do not apply to them"
        notices += (Notice("SEX_MISSING", message, "warning", len(without_sex), table.file, without_sex[0].line),)
    return ParticipantTable(tuple(found.values()), notices)


def unmatched(listed: Iterable[str], found: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Identifiers that are listed but not found, and found but not listed, each sorted."""
    here, there = set(listed), set(found)
    return tuple(sorted(here - there)), tuple(sorted(there - here))


def participant_id(table: Table, row: Row) -> str:
    """The identifier of a row, always text.

    Raises
    ------
    InputError
        When it is missing or cannot name a folder.
    """
    text = row.text("participant_id")
    where = table.where(row, "participant_id")
    if not text:
        raise InputError("participant_id is missing", where=where)
    if text in (".", "..") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in text):
        raise InputError("participant_id cannot name a folder", where=where, found=text)
    return text


def parse_sex(text: str, *, where: str) -> Sex | None:
    """F or M from the usual spellings; None for an empty cell.

    Raises
    ------
    InputError
        Anything else.
    """
    if not text:
        return None
    sex = _SEXES.get(text.casefold())
    if sex is None:
        raise InputError("unknown sex", where=where, found=text, expected="F or M, or nothing when it is not known")
    return sex


def parse_age(text: str, *, where: str) -> float | None:
    """An age in years from 0 to 120; None for an empty cell."""
    age = number(text, where=where)
    if math.isnan(age):
        return None
    if not 0 <= age <= 120:
        raise InputError("implausible age", where=where, found=text, expected="0 to 120 years")
    return age


def parse_fact(text: str, *, where: str) -> bool | None:
    """Yes or no from the usual spellings; None for an empty cell.

    Raises
    ------
    InputError
        Anything else.
    """
    if not text:
        return None
    fact = _FACTS.get(text.casefold())
    if fact is None:
        raise InputError("neither yes nor no", where=where, found=text, expected="yes or no, or nothing when not known")
    return fact


def parse_medications(text: str) -> tuple[str, ...]:
    """Medications separated by ``;``."""
    return tuple(m.strip() for m in text.split(";") if m.strip())


def _participant(table: Table, row: Row) -> Participant:
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    zone = row.text("timezone")
    if zone:
        zone_info(zone, where=table.where(row, "timezone"))
    return Participant(
        participant_id=participant_id(table, row),
        sex=parse_sex(row.text("sex"), where=table.where(row, "sex")),
        age_years=parse_age(row.text("age"), where=table.where(row, "age")),
        timezone=zone or None,
        group=row.text("group") or None,
        medications=parse_medications(row.text("medications")),
        line=row.line,
        extras=row.extras,
        pregnant=parse_fact(row.text("pregnant"), where=table.where(row, "pregnant")),
        smoker=parse_fact(row.text("smoker"), where=table.where(row, "smoker")),
        oral_contraceptive=parse_fact(row.text("oral_contraceptive"), where=table.where(row, "oral_contraceptive")),
    )
