"""blood_pressure.tsv: cuff readings, one per row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal

from allostat.errors import AllostatError, InputError
from allostat.recording import Notice
from allostat.tables.exchange import read_message
from allostat.tables.instant import Instant, parse_instant
from allostat.tables.participants import participant_id
from allostat.tables.reader import Column, Problem, Row, Table, number, read_table

_COLUMNS = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("measured_at", synonyms=("datetime", "measured", "collected_at")),
    Column("sbp", required=True, synonyms=("sys", "systolic", "systolic_(mmhg)")),
    Column("dbp", required=True, synonyms=("dia", "diastolic", "diastolic_(mmhg)")),
    Column("pulse", synonyms=("bpm", "pulse_(bpm)")),
    Column("occasion"),
    Column("setting"),
)
_SETTINGS: Mapping[str, Literal["", "ambulatory"]] = {
    "": "",
    "resting": "",
    "office": "",
    "home": "",
    "ambulatory": "ambulatory",
}


@dataclass(frozen=True, slots=True)
class BloodPressureReading:
    """One cuff reading in mmHg; the pulse in /min, NaN when the device gave none.

    ``setting`` is ``ambulatory`` for readings that a recorder took through day and night: they are no resting pressure
    and are never averaged into one. It is empty for all others.

    Raises
    ------
    InputError
        When the systolic pressure is not above the diastolic (columns swapped, or a failed reading), or either is
        outside of what a cuff can measure.
    """

    participant: str
    sbp: float
    dbp: float
    pulse: float = math.nan
    measured_at: Instant | None = None
    occasion: str = "1"
    line: int = 0
    where: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)
    setting: Literal["", "ambulatory"] = ""

    def __post_init__(self) -> None:
        where = self.where or f"participant {self.participant}, blood pressure"
        if not (30 <= self.sbp <= 300 and 15 <= self.dbp <= 200):
            raise InputError(
                "implausible blood pressure in mmHg (UNIT_SUSPECT)",
                where=where,
                found=f"{self.sbp:g}/{self.dbp:g}",
                expected="30 to 300 over 15 to 200 mmHg",
            )
        if self.sbp <= self.dbp:
            raise InputError(
                "systolic pressure is not above diastolic",
                where=where,
                found=f"{self.sbp:g}/{self.dbp:g}",
                expected="systolic / diastolic",
            )


@dataclass(frozen=True, slots=True)
class BloodPressureTable:
    """Usable readings, and rows that were not."""

    readings: tuple[BloodPressureReading, ...]
    problems: tuple[Problem, ...] = ()
    notices: tuple[Notice, ...] = ()

    def of(self, participant: str) -> tuple[BloodPressureReading, ...]:
        """The readings of one participant, in the order of the file."""
        return tuple(r for r in self.readings if r.participant == participant)


def read_blood_pressure(path: str | PathLike[str]) -> BloodPressureTable:
    """Cuff readings.

    Columns: ``participant_id``, ``sbp``, ``dbp`` (mmHg) and, optional, ``measured_at``, ``pulse``, ``occasion``,
    ``setting`` (``ambulatory`` for a recorder worn day and night; nothing or ``resting`` else). A row without both
    pressures is a failed reading: skipped and counted.

    Raises
    ------
    InputError
        When the file or its header is unusable. Bad rows are problems of their participants instead.

    Notes
    -----
    FHIR (JSON) and HL7 version 2 files, told by their content, are read as well.
    """
    message = read_message(path)
    return blood_pressure_table(message.pressures if message else read_table(path, _COLUMNS))


def blood_pressure_table(table: Table) -> BloodPressureTable:
    """Checked cuff readings of a table's rows; bad rows are problems."""
    readings, problems, failed = [], [], []
    for row in table.rows:
        try:
            reading = _reading(table, row)
        except AllostatError as error:
            problems.append(Problem(table.file, row.line, row.text("participant_id"), error))
            continue
        if reading is None:
            failed.append(row.line)
        else:
            readings.append(reading)
    notices = table.notices
    if failed:
        notices += (
            Notice("READING_MISSING", "rows without both pressures", "warning", len(failed), table.file, failed[0]),
        )
    return BloodPressureTable(tuple(readings), tuple(problems), notices)


def _reading(table: Table, row: Row) -> BloodPressureReading | None:
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    who = participant_id(table, row)
    sbp = number(row.text("sbp"), where=table.where(row, "sbp"))
    dbp = number(row.text("dbp"), where=table.where(row, "dbp"))
    pulse = number(row.text("pulse"), where=table.where(row, "pulse"))
    when = row.text("measured_at")
    measured = parse_instant(when, where=table.where(row, "measured_at")) if when else None
    setting = row.text("setting").casefold()
    if setting not in _SETTINGS:
        raise InputError(
            "unknown setting", where=table.where(row, "setting"), found=setting, valid=set(_SETTINGS) - {""}
        )
    if math.isnan(sbp) or math.isnan(dbp):
        return None
    return BloodPressureReading(
        who, sbp, dbp, pulse, measured, row.text("occasion") or "1", row.line, table.where(row), row.extras,
        _SETTINGS[setting],
    )  # fmt: skip
