"""Plain tables for people who have no recordings: biomarkers, or the laboratory's own rows, with rules applied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TypeVar

from allostat.acute_rule import AcuteOption
from allostat.biomarker_rows import as_measured, rule_notices, ruled
from allostat.biomarkers import BiomarkerTable, Person
from allostat.derived_biomarkers import with_derived
from allostat.errors import AllostatError, InputError
from allostat.labs import lab_biomarkers
from allostat.labs.draws import LodRule
from allostat.medication_rules import MedicationRules
from allostat.recording import Notice
from allostat.tables import (
    DiaryDay,
    LabRow,
    LabTable,
    Row,
    Table,
    read_biomarker_table,
    read_blood_pressure,
    read_diary,
    read_labs,
    read_participants,
    read_table,
)
from allostat.tables.biomarker_table import Implausible
from allostat.tables.blood_pressure import BloodPressureReading, BloodPressureTable
from allostat.tables.exchange import read_message
from allostat.tables.persons import PERSON_COLUMNS, person_of, same_person

_Item = TypeVar("_Item", LabRow, BloodPressureReading, DiaryDay)


@dataclass(frozen=True)
class PlainTable:
    """What a plain table gives.

    Parameters
    ----------
    biomarkers
        All rows, derived biomarkers among them, under the rules that ``biomarkers.rules`` names.
    notices
        What the reader should know of the table.
    problems
        By participant what is wrong with their rows; these participants are not in ``biomarkers``.
    """

    biomarkers: BiomarkerTable
    notices: tuple[Notice, ...] = ()
    problems: Mapping[str, tuple[str, ...]] | None = None


def read_plain_table(
    path: str | PathLike[str],
    *,
    participants: str | PathLike[str] | None = None,
    diary: str | PathLike[str] | None = None,
    blood_pressure: str | PathLike[str] | None = None,
    medication: MedicationRules | None = None,
    acute: AcuteOption = "exclude",
    lod: LodRule = "sqrt2",
    implausible: Implausible = "refuse",
    besides: Collection[str] = (),
) -> PlainTable:
    """Biomarkers of a table of biomarkers or of laboratory results, without any recording.

    Parameters
    ----------
    path
        A table as `read_biomarker_table` reads it, or laboratory rows as `read_labs` reads them (labs.tsv, FHIR, HL7):
        those have a column ``analyte``.
    participants
        participants.tsv: sex, age, medications, time zones. It overrides what the table itself says of a person.
    diary, blood_pressure
        diary.tsv (awakenings, for the cortisol slope) and blood_pressure.tsv, used with laboratory rows.
    medication, acute
        Rules, see `MedicationRules` and `apply_acute_rule`.
    lod
        See `further_analyte`; for laboratory rows.
    implausible
        See `read_biomarker_table`; a laboratory row that is implausible is always a problem of its participant.
    besides
        See `read_biomarker_table`.

    Raises
    ------
    InputError
        The table cannot be used, or nobody in it can.
    """
    listed = read_participants(participants).by_id() if participants is not None else {}
    people = {name: p.person() for name, p in listed.items()}
    if not _holds_lab_rows(path):
        table = read_biomarker_table(path, implausible=implausible, besides=besides)
        known = {name: people.get(name, person) for name, person in table.persons.items()}
        # A table that a study wrote holds adjusted values beside the measured ones.
        measured = as_measured(BiomarkerTable(table.rows, known))
        found = ruled(with_derived(measured), medication=medication, acute=acute)
        return PlainTable(found, rule_notices(found), {})
    labs = read_labs(path)
    pressures = blood_pressure if blood_pressure is not None else path if read_message(path) is not None else None
    return _from_labs(
        _without_used_columns(labs),
        {**_persons_of(labs), **people},
        {name: p.timezone for name, p in listed.items() if p.timezone},
        read_diary(diary).days if diary is not None else (),
        read_blood_pressure(pressures) if pressures is not None else BloodPressureTable(()),
        medication,
        acute,
        lod,
    )


def _holds_lab_rows(path: str | PathLike[str]) -> bool:
    if read_message(path) is not None:
        return True
    names = {name.strip().casefold() for name in read_table(path, (), extras_notice=False).columns}
    return bool({"analyte", "loinc"} & names) and "value" in names


def _without_used_columns(labs: LabTable) -> LabTable:
    """The table without the notice on further columns when all of them describe persons."""
    described = {alias for c in PERSON_COLUMNS for alias in (c.name, *c.synonyms)}
    if any(name.casefold() not in described for row in labs.rows[:1] for name in row.extras):
        return labs
    return replace(labs, notices=tuple(n for n in labs.notices if n.code != "EXTRA_COLUMNS"))


def _persons_of(labs: LabTable) -> dict[str, Person]:
    """Persons as columns of the laboratory table describe them; the same in every row that names them."""
    persons: dict[str, Person] = {}
    columns = {alias: c.name for c in PERSON_COLUMNS for alias in (c.name, *c.synonyms)}
    for row in labs.rows:
        cells = {columns[k.casefold()]: v for k, v in row.extras.items() if k.casefold() in columns}
        cells["participant_id"] = row.participant
        place = Row(row.line, cells)
        person = person_of(Table(row.file, (), ()), place, place.text)
        if not same_person(persons.setdefault(row.participant, person), person):
            raise InputError("two rows describe one participant differently", where=row.where, found=row.participant)
    return persons


def _from_labs(
    labs: LabTable,
    people: Mapping[str, Person],
    zones: Mapping[str, str],
    diary: Sequence[DiaryDay],
    pressures: BloodPressureTable,
    medication: MedicationRules | None,
    acute: AcuteOption,
    lod: LodRule,
) -> PlainTable:
    problems: dict[str, tuple[str, ...]] = {}
    for problem in (*labs.problems, *pressures.problems):
        problems[problem.participant] = (*problems.get(problem.participant, ()), str(problem.error))
    tables, notices = list[BiomarkerTable](), [*labs.notices, *pressures.notices]
    rows, readings, days = _by_participant(labs.rows), _by_participant(pressures.readings), _by_participant(diary)
    for who in dict.fromkeys((*rows, *readings)):
        if who in problems:
            continue
        try:
            found, told = _one_person(
                rows.get(who, []), readings.get(who, []), people.get(who, Person(who)), zones.get(who),
                days.get(who, []), lod,
            )  # fmt: skip
        except AllostatError as error:
            problems[who] = (str(error),)
            continue
        tables.append(found)
        notices += [replace(n, message=f"{who}: {n.message}") for n in told]
    table = BiomarkerTable().merged(*tables)
    if not table.rows:
        first = next(iter(problems.values()), ("it holds no analyte that is a biomarker",))[0]
        raise InputError(f"nothing in the table can be used: {first}")
    done = ruled(table, medication=medication, acute=acute)
    return PlainTable(done, (*notices, *rule_notices(done)), problems)


def _by_participant(items: Sequence[_Item]) -> dict[str, list[_Item]]:
    grouped: dict[str, list[_Item]] = {}
    for item in items:
        grouped.setdefault(item.participant, []).append(item)
    return grouped


def _one_person(
    rows: Sequence[LabRow],
    readings: Sequence[BloodPressureReading],
    person: Person,
    zone: str | None,
    diary: Sequence[DiaryDay],
    lod: LodRule,
) -> tuple[BiomarkerTable, list[Notice]]:
    """Biomarkers of one person on all occasions."""
    table, notices = BiomarkerTable(), list[Notice]()
    for occasion in sorted({r.occasion for r in rows} | {r.occasion for r in readings}):
        found, _, told = lab_biomarkers(
            rows, person, wake=diary, readings=readings, timezone=zone, occasion=occasion, lod=lod
        )
        table = table.merged(found)
        notices += told
    return table, notices
