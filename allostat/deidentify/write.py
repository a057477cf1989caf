"""A study without what identifies, laid out like any study: tables, and one file of recordings for each participant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from allostat.biomarkers import Person
from allostat.deidentify.key import StudyKey
from allostat.deidentify.strip import Identity, strip_day, strip_lab, strip_person, strip_pressure, strip_recording
from allostat.errors import AllostatError, ConfigError
from allostat.recording import Recording
from allostat.store import ParticipantResult, write_participant
from allostat.study import Study
from allostat.study.config import FILE_NAME, InputSection, StudySection
from allostat.study.inputs import StudyTables
from allostat.study.layout import write_atomic
from allostat.study.plan import ParticipantPlan
from allostat.study.stages import ingest
from allostat.tables import BloodPressureReading, DiaryDay, Instant, LabRow

RECORDINGS = "recordings.h5"


@dataclass(frozen=True)
class Deidentified:
    """What was done: pseudonyms of the participants written, and why others were not."""

    written: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    """Participant as the study knows them, and the reason."""
    unread: tuple[str, ...] = ()
    """Files that no format recognises: they are not copied."""


def deidentify(study: Study, output: Path, key: StudyKey) -> Deidentified:
    """Write a copy of a study without what identifies its participants.

    Parameters
    ----------
    output
        New or empty folder. It gets ``study.toml``, the tables, and ``raw/<pseudonym>/recordings.h5``.
    key
        The same key gives the same pseudonyms and shifts again.

    Raises
    ------
    ConfigError
        When the output folder holds something, or lies inside the study's exports.

    Notes
    -----
    A waveform is itself biometric: this supports de-identification, it does not prove anonymity.
    """
    if output.exists() and any(output.iterdir()):
        raise ConfigError("the output folder is not empty", where=output.name, expected="a new or empty folder")
    if study.raw is not None and output.resolve().is_relative_to(study.raw.resolve()):
        raise ConfigError("the output folder lies inside the exports", where=output.name)
    tables = study.tables()
    plan = study.plan(tables)
    people: list[tuple[Person, str]] = []
    done: list[Identity] = []
    failed = []
    for one in plan.participants:
        who = Identity.of(one.participant, key)
        if any(who.pseudonym == other.pseudonym for other in done):
            raise ConfigError("two participants have one pseudonym: use another key")
        try:
            zone = _write_recordings(one, who, output)
        except AllostatError as error:
            failed.append((one.participant, str(error)))
            continue
        done.append(who)
        people.append((strip_person(one.person, who), zone))
    _write_tables(output, people, tables, done)
    config = replace(study.config, study=StudySection(), input=InputSection())
    write_atomic(output / FILE_NAME, config.toml())
    unread = [u.name for one in plan.participants for u in one.unread] + list(plan.unmatched_raw)
    return Deidentified(tuple(who.pseudonym for who in done), tuple(failed), tuple(unread))


def _write_recordings(plan: ParticipantPlan, who: Identity, output: Path) -> str:
    """Write a participant's recordings; the zone on which they agree, empty otherwise."""
    recordings: dict[str, Recording] = {}
    for number, recording in enumerate(ingest(plan)[0].values(), 1):
        stripped = strip_recording(recording, who, number)
        recordings[stripped.id] = stripped
    if not recordings:
        return ""
    folder = output / "raw" / who.pseudonym
    folder.mkdir(parents=True)
    result = ParticipantResult(who.pseudonym, Person(who.pseudonym), recordings)
    write_participant(result, folder / RECORDINGS)
    zones = {r.timezone.name for r in recordings.values() if r.timezone.name}
    return zones.pop() if len(zones) == 1 else ""


def _write_tables(
    output: Path, people: Sequence[tuple[Person, str]], tables: StudyTables, done: Iterable[Identity]
) -> None:
    by_name = {who.participant: who for who in done}
    labs = [strip_lab(r, by_name[r.participant]) for r in tables.labs if r.participant in by_name]
    pressures = [strip_pressure(r, by_name[r.participant]) for r in tables.blood_pressure if r.participant in by_name]
    days = [strip_day(d, by_name[d.participant]) for d in tables.diary if d.participant in by_name]
    columns = "participant_id sex age timezone group medications pregnant smoker oral_contraceptive"
    _write(output / "participants.tsv", columns, map(_person_row, people))
    if labs:
        columns = "participant_id analyte value unit specimen collected_at operator assay occasion day sample"
        _write(output / "labs.tsv", columns, map(_lab_row, labs))
    if pressures:
        columns = "participant_id measured_at sbp dbp pulse occasion setting"
        _write(output / "blood_pressure.tsv", columns, map(_pressure_row, pressures))
    if days:
        _write(output / "diary.tsv", "participant_id date wake_time bed_time", map(_day_row, days))


def _write(path: Path, columns: str, rows: Iterable[Sequence[str]]) -> None:
    names = columns.split()
    lines = ["\t".join(names)] + ["\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "\n".join(lines) + "\n")


def _person_row(item: tuple[Person, str]) -> list[str]:
    person, zone = item
    age = "" if person.age_years is None else f"{person.age_years:g}"
    medications = ";".join(person.medications)
    facts = (person.pregnant, person.smoker, person.oral_contraceptive)
    known = ["" if fact is None else "yes" if fact else "no" for fact in facts]
    return [person.participant, person.sex or "", age, zone, person.group or "", medications, *known]


def _lab_row(row: LabRow) -> list[str]:
    value = "missing" if math.isnan(row.value) else repr(row.value)
    when = _iso(row.collected_at)
    about = [row.operator, row.assay, row.occasion, row.day, row.sample]
    return [row.participant, row.analyte, value, row.unit, row.specimen, when, *about]


def _pressure_row(row: BloodPressureReading) -> list[str]:
    pulse = "" if math.isnan(row.pulse) else f"{row.pulse:g}"
    return [row.participant, _iso(row.measured_at), f"{row.sbp:g}", f"{row.dbp:g}", pulse, row.occasion, row.setting]


def _day_row(day: DiaryDay) -> list[str]:
    return [day.participant, day.date.isoformat(), _iso(day.wake), _iso(day.bed)]


def _iso(instant: Instant | None) -> str:
    if instant is None:
        return ""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant.time_ns // 1000)
    if instant.epoch == "local":
        return moment.replace(tzinfo=None).isoformat()
    offset = timezone(timedelta(seconds=instant.utc_offset_s or 0))
    return moment.astimezone(offset).isoformat()
