"""diary.tsv: when each participant woke up and went to bed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from os import PathLike

from allostat.errors import AllostatError, InputError
from allostat.recording import NS_PER_S, Notice
from allostat.tables.instant import Instant, parse_clock, parse_date
from allostat.tables.participants import participant_id
from allostat.tables.reader import Column, Problem, Row, Table, read_table

_COLUMNS = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("date", required=True),
    Column("wake_time", required=True, synonyms=("wake", "awakening", "wakeup_time", "wake_up_time")),
    Column("bed_time", synonyms=("bed", "bedtime", "sleep_time")),
)
_DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class DiaryDay:
    """One day of one participant: awakening on ``date`` and going to bed at its end (often after midnight)."""

    participant: str
    date: date
    wake: Instant | None
    bed: Instant | None = None
    line: int = 0
    extras: Mapping[str, str] = field(default_factory=dict)

    def in_zone(self, zone: str) -> DiaryDay:
        """The same day with its naive local times placed in a zone."""
        return replace(
            self,
            wake=None if self.wake is None else self.wake.in_zone(zone),
            bed=None if self.bed is None else self.bed.in_zone(zone),
        )


@dataclass(frozen=True, slots=True)
class DiaryTable:
    """Usable days, and rows that were not."""

    days: tuple[DiaryDay, ...]
    problems: tuple[Problem, ...] = ()
    notices: tuple[Notice, ...] = ()

    def of(self, participant: str) -> tuple[DiaryDay, ...]:
        """The days of one participant, by date."""
        return tuple(sorted((d for d in self.days if d.participant == participant), key=lambda d: d.date))


def read_diary(path: str | PathLike[str]) -> DiaryTable:
    """Wake and bed times.

    Columns: ``participant_id``, ``date``, ``wake_time``, ``bed_time`` (optional). Times are ISO 8601 with offset, ISO
    8601 without (naive local), or clock times (``07:05``) on ``date``; a bed time whose clock lies before the wake time
    belongs to the following calendar day.

    Raises
    ------
    InputError
        When the file or its header is unusable. Bad rows are problems of their participants instead.
    """
    table = read_table(path, _COLUMNS)
    days: dict[tuple[str, date], DiaryDay] = {}
    problems = []
    for row in table.rows:
        try:
            day = _day(table, row)
            first = days.get((day.participant, day.date))
            if first is not None:
                raise InputError(
                    "two diary rows for one day",
                    where=f"{table.file}, lines {first.line} and {row.line}",
                    found=f"{day.participant}, {day.date}",
                )
            days[day.participant, day.date] = day
        except AllostatError as error:
            problems.append(Problem(table.file, row.line, row.text("participant_id"), error))
    return DiaryTable(tuple(days.values()), tuple(problems), table.notices)


def _day(table: Table, row: Row) -> DiaryDay:
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    who = participant_id(table, row)
    day = parse_date(row.text("date"), where=table.where(row, "date"))
    wake_text, bed_text = row.text("wake_time"), row.text("bed_time")
    wake = parse_clock(wake_text, day, where=table.where(row, "wake_time")) if wake_text else None
    if wake is not None and wake.wall_date != day:
        raise InputError(
            "wake time lies on another day than the row's date",
            where=table.where(row, "wake_time"),
            found=wake_text,
            expected=f"a time on {day}",
        )
    bed = parse_clock(bed_text, day, where=table.where(row, "bed_time")) if bed_text else None
    if bed is not None and wake is not None and bed.epoch == wake.epoch and bed.time_ns <= wake.time_ns:
        if "-" in bed_text:
            raise InputError("bed time is before the wake time", where=table.where(row, "bed_time"), found=bed_text)
        bed = replace(bed, time_ns=bed.time_ns + _DAY_NS)
    return DiaryDay(who, day, wake, bed, row.line, row.extras)
