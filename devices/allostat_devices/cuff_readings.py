"""Cuff readings as CSV: Omron exports and omblepy, told by their headers.

The two put systolic and diastolic pressure in opposite order, so columns are found by name alone, and a reading whose
systolic pressure is not above the diastolic refuses the file: its columns are swapped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat.tables import BloodPressureReading, Instant
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import head_lines, open_text, readable, why_not_text
from allostat_devices.zone_inference import zone_of_options

_DEVICE = Device(manufacturer="Omron", kind="cuff")
_UNVERIFIED = Notice("unverified", "this kind of file was not verified on a real export", "info")
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


class CuffReadings:
    """Adapter of cuff readings."""

    name = "cuff_readings"
    title = "Cuff readings (Omron CSV, omblepy)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("blood_pressure",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the columns of either kind."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Number of readings and their span on the local clock."""
        members = claimed_members(source, _look)
        streams = []
        notices: list[Notice] = [_UNVERIFIED]
        for member in members:
            readings, more = _readings(source, member, "")
            notices += more
            at = [r.measured_at.time_ns for r in readings if r.measured_at is not None]
            streams.append(
                StreamSummary("blood_pressure", "blood_pressure", len(readings), math.nan, "mm[Hg]", min(at), max(at))
            )
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            epoch="local",
            identifiers=("free text in columns",),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with cuff readings on the local clock and no streams.

        Raises
        ------
        InputError
            When no row can be used, or systolic and diastolic pressure are swapped.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            name = shown_name(source, member)
            who = options.participant or participant_of(source, member)
            readings, notices = _readings(source, member, who or "")
            recording = Recording(
                id=recording_id(name, "blood_pressure"),
                participant=who,
                timezone=zone,
                device=_DEVICE,
                provenance=Provenance((input_file(source, member),), self.name, self.version, self.verified),
                notices=(_UNVERIFIED, *notices),
                blood_pressure=readings,
            )
            yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    names = _names(head_lines(source, member)[0])
    dialect = _dialect(names)
    if dialect is None:
        return Sniff(0.0, "the header has no columns of cuff readings")
    return Sniff(0.95, f"columns of {dialect.title}")


def _names(line: str) -> list[str]:
    cells = next(csv.reader([line.lstrip("\ufeff")]), [])
    return [cell.split("(")[0].strip().casefold() for cell in cells]


def _dialect(names: list[str]) -> _Dialect | None:
    return next((d for d in _DIALECTS if set(d.columns) <= set(names)), None)


def _readings(source: Source, member: str, who: str) -> tuple[tuple[BloodPressureReading, ...], tuple[Notice, ...]]:
    name = shown_name(source, member)
    skipped = SkippedRows(without_device_id(name))
    found: list[BloodPressureReading] = []
    missing: list[int] = []
    with open_text(source, member) as text:
        names = _names(readable(text.readline()))
        dialect = _dialect(names)
        if dialect is None:
            raise InputError("has no columns of cuff readings", where=f"{name}, line 1")
        for line, cells in enumerate(csv.reader(io.StringIO(text.read())), 2):
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
            try:
                sbp, dbp, pulse = (_number(row[c]) for c in (dialect.sbp, dialect.dbp, dialect.pulse))
            except ValueError:
                skipped.add("bad_number", line)
                continue
            at = _instant(row)
            if at is None:
                skipped.add("bad_time", line)
                continue
            if not (30 <= sbp <= 300 and 15 <= dbp <= 200):
                skipped.add("out_of_range", line)
                continue
            where = f"{name}, line {line}"
            extras = {
                key: value
                for key, value in row.items()
                if value not in ("", "-") and key not in (*dialect.columns, *_FREE_TEXT)
            }
            found.append(BloodPressureReading(who, sbp, dbp, pulse, at, "1", line, where, extras))
    if not found:
        told = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no usable reading", where=name, found=told or None)
    notices = skipped.notices()
    if missing:
        message = "readings without both pressures"
        notices += (Notice("READING_MISSING", message, "warning", len(missing), skipped.file, missing[0]),)
    return tuple(found), notices


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
    except (ValueError, InputError):
        return None


ADAPTER = CuffReadings()
