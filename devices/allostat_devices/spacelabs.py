"""Spacelabs ``.abp``: blood pressure through day and night.

Rows have a clock time and no date: the day goes up when the clock goes back, so a hole of more than a day cannot be
seen. Rows marked ``EB`` are failed readings whose numbers mean nothing.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta

from allostat.adapter import Sniff
from allostat.errors import InputError
from allostat.recording import Device, Notice
from allostat.source import Source
from allostat.tables import BloodPressureReading, Instant
from allostat_devices.cuff_files import CuffFiles, is_measurable
from allostat_devices.members import shown_name
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import open_text, readable, why_not_text

_DATE_LINE, _FIRST_ROW = 18, 52
_MOST_LINES = 100_000
_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_ROW = re.compile(r'\s*(\d{1,2}),\s*(\d{1,2}),\s*(-?\d+),\s*(-?\d+),\s*(-?\d+),\s*(-?\d+),\s*"?([A-Za-z]*)"?.*')
_FAILED = "EB"
_CLOCK_CHANGE_MIN = 60
"""A clock that goes back by no more stands for the end of summer time: a hole of 23 h between readings is unlikely."""
_NO_DATES = Notice(
    "no_dates",
    "rows have no date: a day begins when the clock goes back, and a hole of more than 24 h cannot be seen",
    "info",
)


class Spacelabs(CuffFiles):
    """Adapter of ambulatory blood pressure."""

    name = "spacelabs"
    title = "Spacelabs 24-hour blood pressure (.abp)"
    device = Device(manufacturer="Spacelabs", kind="ambulatory blood pressure")
    identifiers = ("subject in header", "birth date and physician in the last line")
    always = (_NO_DATES,)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the date in line 18 and rows of readings from line 52."""
        head = source.head(member)
        reason = why_not_text(head)
        if reason:
            return Sniff(0.0, reason)
        lines = head.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(lines) < _FIRST_ROW or not _DATE.fullmatch(lines[_DATE_LINE - 1].strip()):
            return Sniff(0.0, "no date in line 18 with rows from line 52")
        if not _ROW.fullmatch(lines[_FIRST_ROW - 1]):
            return Sniff(0.2, "a date in line 18, but line 52 is no reading")
        return Sniff(0.9, "date in line 18, readings from line 52")

    def fill(
        self, source: Source, member: str, who: str, skipped: SkippedRows
    ) -> tuple[list[BloodPressureReading], list[Notice]]:
        """Readings of one file, each day beginning where the clock goes back."""
        name = shown_name(source, member)
        lines = _lines(source, member)
        if len(lines) < _FIRST_ROW:
            raise InputError("ends before its first reading", where=name, found=f"{len(lines)} lines")
        day = _date(lines[_DATE_LINE - 1], f"{name}, line {_DATE_LINE}")
        found: list[BloodPressureReading] = []
        failed: list[int] = []
        set_back: list[int] = []
        before = -1
        for number, line in enumerate(lines[_FIRST_ROW - 1 :], _FIRST_ROW):
            if not line.strip() or line.lstrip().startswith("<"):
                continue
            skipped.rows += 1
            match = _ROW.fullmatch(line)
            if not match:
                skipped.add("bad_number", number)
                continue
            hour, minute, sbp, dbp, mean, pulse = (int(text) for text in match.groups()[:6])
            clock = hour * 60 + minute
            if hour > 23 or minute > 59:
                skipped.add("bad_time", number)
                continue
            if before - clock > _CLOCK_CHANGE_MIN:
                day += timedelta(days=1)
            elif clock < before:
                set_back.append(number)
            before = clock
            if match.group(7).upper() == _FAILED:
                failed.append(number)
                continue
            if not is_measurable(sbp, dbp) or sbp <= dbp:
                skipped.add("out_of_range", number)
                continue
            at = Instant.of(datetime(day.year, day.month, day.day, hour, minute))  # noqa: DTZ001
            extras = {"map": str(mean)} | ({"mark": match.group(7)} if match.group(7) else {})
            rate = float(pulse) if pulse > 0 else math.nan
            where = f"{name}, line {number}"
            found.append(BloodPressureReading(who, sbp, dbp, rate, at, "1", number, where, extras, "ambulatory"))
        notices = []
        if set_back:
            message = "the clock went back by an hour at most: taken for the end of summer time, not for another day"
            notices.append(Notice("clock_set_back", message, "warning", len(set_back), skipped.file, set_back[0]))
        if failed:
            message = "failed readings (EB): their numbers mean nothing"
            notices.append(Notice("READING_FAILED", message, "info", len(failed), skipped.file, failed[0]))
        return found, notices


def _lines(source: Source, member: str) -> list[str]:
    lines = []
    with open_text(source, member) as text:
        for line in text:
            lines.append(readable(line.rstrip("\n")))
            if len(lines) > _MOST_LINES:
                raise InputError("holds more lines than a recorder writes", where=shown_name(source, member))
    return lines


def _date(text: str, where: str) -> date:
    match = _DATE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        raise InputError("not a date", where=where, found=text.strip()[:40], expected="dd.mm.yyyy") from None


ADAPTER = Spacelabs()
