"""Cuff readings as CSV: Omron exports and omblepy, told by their headers.

The two put systolic and diastolic pressure in opposite order, so columns are found by name alone, and a reading whose
systolic pressure is not above the diastolic refuses the file: its columns are swapped.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from datetime import datetime

from allostat.adapter import Sniff
from allostat.errors import InputError
from allostat.recording import Device, Notice
from allostat.source import Source
from allostat.tables import BloodPressureReading, Instant
from allostat_devices.cuff_files import CuffFiles, is_measurable
from allostat_devices.members import shown_name
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import head_lines, open_text, readable, whole_text, why_not_text

_FREE_TEXT = ("notes", "symptoms", "consumed")
_MONTH_NAMES = (
    "jan jän gen ene janv",
    "feb fév févr",
    "mar mär mrz mars",
    "apr avr abr",
    "may mai mag mei",
    "jun juin giu",
    "jul juil lug",
    "aug août ago",
    "sep sept set",
    "oct okt ott",
    "nov",
    "dec dez déc dic",
)
"""English, German, French, Italian, Spanish and Dutch, without the point."""
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Columns of one kind of file: each name in small letters without its unit."""

    title: str
    columns: tuple[str, ...]
    sbp: str
    dbp: str
    pulse: str


_DIALECTS = (
    _Dialect("Omron", ("date", "time", "systolic", "diastolic", "pulse"), "systolic", "diastolic", "pulse"),
    _Dialect("omblepy", ("datetime", "dia", "sys", "bpm"), "sys", "dia", "bpm"),
)


class CuffReadings(CuffFiles):
    """Adapter of cuff readings."""

    name = "cuff_readings"
    title = "Cuff readings (Omron CSV, omblepy)"
    device = Device(manufacturer="Omron", kind="cuff")
    identifiers = ("free text in columns",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the columns of either kind."""
        reason = why_not_text(source.head(member))
        if reason:
            return Sniff(0.0, reason)
        dialect = _dialect(_names(head_lines(source, member)[0]))
        if dialect is None:
            return Sniff(0.0, "the header has no columns of cuff readings")
        return Sniff(0.95, f"columns of {dialect.title}")

    def fill(
        self, source: Source, member: str, who: str, skipped: SkippedRows
    ) -> tuple[list[BloodPressureReading], list[Notice]]:
        """Readings of one file; swapped columns refuse it."""
        name = shown_name(source, member)
        found: list[BloodPressureReading] = []
        missing: list[int] = []
        with open_text(source, member) as text:
            names = _names(readable(text.readline()))
            dialect = _dialect(names)
            if dialect is None:
                raise InputError("has no columns of cuff readings", where=f"{name}, line 1")
            for line, cells in enumerate(csv.reader(io.StringIO(whole_text(text, name))), 2):
                if not any(c.strip() for c in cells):
                    continue
                skipped.rows += 1
                row = dict(zip(names, (readable(c).strip() for c in cells), strict=False))
                if len(cells) < len(dialect.columns) or not {dialect.sbp, dialect.dbp} <= row.keys():
                    skipped.add("truncated", line)
                    continue
                if row[dialect.sbp] in ("-", "") or row[dialect.dbp] in ("-", ""):
                    missing.append(line)
                    continue
                reading = _reading(row, dialect, who, name, line, skipped)
                if reading is not None:
                    found.append(reading)
        message = "readings without both pressures"
        notices = (
            [Notice("READING_MISSING", message, "warning", len(missing), skipped.file, missing[0])] if missing else []
        )
        return found, notices


def _reading(
    row: dict[str, str], dialect: _Dialect, who: str, name: str, line: int, skipped: SkippedRows
) -> BloodPressureReading | None:
    try:
        sbp, dbp, pulse = (_number(row[c]) for c in (dialect.sbp, dialect.dbp, dialect.pulse))
    except ValueError:
        skipped.add("bad_number", line)
        return None
    at = _instant(row)
    if at is None:
        skipped.add("bad_time", line)
        return None
    if not is_measurable(sbp, dbp):
        skipped.add("out_of_range", line)
        return None
    extras = {k: v for k, v in row.items() if v not in ("", "-") and k not in (*dialect.columns, *_FREE_TEXT)}
    return BloodPressureReading(who, sbp, dbp, pulse, at, "1", line, f"{name}, line {line}", extras)


def _names(line: str) -> list[str]:
    cells = next(csv.reader([line.lstrip("\ufeff")]), [])
    return [cell.split("(")[0].strip().casefold() for cell in cells]


def _dialect(names: list[str]) -> _Dialect | None:
    return next((d for d in _DIALECTS if set(d.columns) <= set(names)), None)


def _number(cell: str) -> float:
    if cell in ("-", ""):
        return math.nan
    if "_" in cell or not math.isfinite(float(cell)):
        raise ValueError
    return float(cell)


def _instant(row: dict[str, str]) -> Instant | None:
    """Local time of a row; None when it cannot be read."""
    try:
        if "datetime" in row:
            return Instant.of(datetime.fromisoformat(row["datetime"]).replace(tzinfo=None))
        month, day, year = row["date"].replace(",", " ").split()
        number = _MONTHS.get(month.casefold().rstrip("."))
        if number is None and month.rstrip(".").isdigit():
            number, day = _MONTHS.get(day.casefold().rstrip(".")), month.rstrip(".")
        if number is None:
            return None
        clock = datetime.strptime(row["time"], "%H:%M").time()  # noqa: DTZ007 (a wall clock has no zone)
        return Instant.of(datetime(int(year), number, int(day), clock.hour, clock.minute))  # noqa: DTZ001
    except (ValueError, OverflowError, InputError):
        return None


ADAPTER = CuffReadings()
