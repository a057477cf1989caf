"""Withings data export: ``raw_hr_hr.csv`` and ``bp.csv``.

Heart rates are arrays of durations and values that follow each other from a start with its offset. Comments and the
location file are never read; ECG (``signal.csv``) has not been seen and is not read.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from allostat.adapter import Sniff
from allostat.errors import InputError
from allostat.recording import Device, Notice
from allostat.source import Source
from allostat.tables import BloodPressureReading, Instant
from allostat_devices.members import shown_name
from allostat_devices.text_lines import head_lines, open_text, readable, why_not_text
from allostat_devices.whole_export import Gathered, Rows, WholeExport, number

_NS = 1_000_000_000
_HR, _BP = ("start", "duration", "value"), ("date", "heart rate", "systolic", "diastolic")
_LONGEST = 100_000


class Withings(WholeExport):
    """Adapter of Withings exports."""

    name = "withings"
    title = "Withings data export (heart rate, blood pressure)"
    streams: tuple[str, ...] = ("hr", "blood_pressure")
    device = Device(manufacturer="Withings", kind="wrist")
    identifiers = ("free text in comments",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the columns; ``start,duration,value`` alone could be anything, so the values must be arrays."""
        head = source.head(member)
        reason = why_not_text(head)
        if reason:
            return Sniff(0.0, reason)
        lines = head_lines(source, member)
        names = tuple(_names(lines[0]))
        if set(_BP) <= set(names):
            return Sniff(0.9, "columns of Withings blood pressure")
        if (
            names[:3] == _HR
            and "hr" in member.rsplit("/", 1)[-1].casefold()
            and any("[" in line for line in lines[1:3])
        ):
            return Sniff(0.9, "arrays of heart rates")
        return Sniff(0.0, "no columns of heart rate or blood pressure")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Heart rates or cuff readings of one file."""
        names = _names(head_lines(source, member)[0])
        if set(_BP) <= set(names):
            _pressures(gathered, source, member)
        else:
            _rates(gathered, source, member)


def _names(line: str) -> list[str]:
    return [cell.strip().casefold() for cell in next(csv.reader([line.lstrip("\ufeff")]), [])]


def _rows(source: Source, member: str) -> Iterator[tuple[int, dict[str, str]]]:
    with open_text(source, member) as text:
        names = _names(readable(text.readline()))
        for line, cells in enumerate(csv.reader(text), 2):
            if any(cells):
                yield line, dict(zip(names, (readable(c).strip() for c in cells), strict=False))


def _array(text: str) -> list[float] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [number(v) for v in found] if isinstance(found, list) and len(found) <= _LONGEST else None


def _rates(gathered: Gathered, source: Source, member: str) -> None:
    skipped = gathered.of(source, member)
    for line, row in _rows(source, member):
        skipped.rows += 1
        durations, values = _array(row.get("duration", "")), _array(row.get("value", ""))
        if durations is None or values is None:
            skipped.add("bad_number", line)
            continue
        if len(durations) != len(values) or not durations or not all(0 <= d <= 86_400 for d in durations):
            skipped.add("truncated", line)
            continue
        try:
            start = datetime.fromisoformat(row.get("start", ""))
        except ValueError:
            start = None
        offset = start.utcoffset() if start is not None else None
        if start is None or offset is None or not 1990 <= start.year < 2200:
            skipped.add("bad_time", line)
            continue
        gathered.offsets.add(round(offset.total_seconds()))
        ends = round(start.timestamp()) * _NS + np.rint(np.cumsum(durations) * _NS).astype(np.int64)
        begins = np.concatenate([[round(start.timestamp()) * _NS], ends[:-1]])
        rate = np.array(values)
        good = (rate > 20) & (rate < 260)
        if not good.all():
            skipped.add("out_of_range", line, int((~good).sum()))
        gathered.add("hr", Rows("hr", "/min", context="day"), begins[good], rate[good], ends[good])


def _pressures(gathered: Gathered, source: Source, member: str) -> None:
    skipped = gathered.of(source, member)
    name = shown_name(source, member)
    for line, row in _rows(source, member):
        skipped.rows += 1
        sbp, dbp, pulse = (number(row.get(key, "")) for key in ("systolic", "diastolic", "heart rate"))
        try:
            at = Instant.of(datetime.fromisoformat(row.get("date", "")))
        except (ValueError, InputError):
            skipped.add("bad_time", line)
            continue
        if math.isnan(sbp) or math.isnan(dbp):
            skipped.add("bad_number", line)
            continue
        if not (30 <= sbp <= 300 and 15 <= dbp <= 200):
            skipped.add("out_of_range", line)
            continue
        reading = BloodPressureReading(
            "", sbp, dbp, pulse if pulse > 0 else math.nan, at, "1", line, f"{name}, line {line}"
        )
        gathered.blood_pressure.append(reading)
    if gathered.blood_pressure and not any(n.code == "local_times" for n in gathered.notices):
        message = "blood pressure carries naive times: they are kept as local"
        gathered.notices.append(Notice("local_times", message, "info"))


ADAPTER = Withings()
