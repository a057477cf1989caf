"""Beats out of the rows of an interval list: what its time column means, and where lines were lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.recording import Beats, Epoch, Notice, TimeZone
from allostat_devices.beat_stamps import (
    LONGEST_MS,
    RecordedIntervals,
    by_arrival,
    chained,
    joined_by_stamps,
    place,
    plausible,
)
from allostat_devices.number_columns import LARGEST
from allostat_devices.rr_layout import Layout, parse_stamp
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.zone_inference import local_to_utc, utc_offset_ns, zone_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NS_PER_MS = 1_000_000
_ENOUGH_JOINED = 0.5
"""Share of rows whose times fit the intervals from which a time column counts as stamps of beats."""


@dataclass
class IntervalRows:
    """Intervals as written, with the line of each, and where lines were lost."""

    values: list[float] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A time column as instants of one epoch, in ns; ``local`` still as wall clock."""

    ns: NDArray[np.int64]
    epoch: Epoch
    offset_s: int | None


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a file's start: wall clock in ns as if it were UTC, and the zone that the caller named."""

    local_ns: int | None
    zone: TimeZone
    where: str

    def placed(self, ns: NDArray[np.int64], epoch: Epoch) -> tuple[NDArray[np.int64], Epoch]:
        """Times of an epoch brought as near to UTC as start and zone allow."""
        zone = None if self.zone.name is None else zone_named(self.zone.name)
        if epoch == "local" and zone is not None:
            return local_to_utc(ns, zone), "utc"
        if epoch == "relative" and self.local_ns is not None:
            offset = 0 if zone is None else utc_offset_ns(self.local_ns, zone)
            return ns + (self.local_ns - offset), "local" if zone is None else "utc"
        return ns, epoch


def collect(rows: IntervalRows, lines: list[str], first_line: int, layout: Layout, skipped: SkippedRows) -> None:
    """Append the intervals of some lines; a line that cannot be read breaks the series."""
    broken = False
    for number, raw in enumerate(lines, start=first_line):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        skipped.rows += 1
        fields = line.split(layout.separator) if layout.separator else line.split()
        try:
            cells = fields if layout.rr_column is None else [fields[layout.rr_column]]
            numbers = [_number(cell, layout.decimal_comma) for cell in cells if cell.strip() or len(cells) == 1]
            time = "" if layout.time_column is None else fields[layout.time_column].strip()
            _refuse_surplus(fields, layout)
        except IndexError:
            skipped.add("truncated", number)
            broken = True
            continue
        except ValueError:
            skipped.add("bad_number", number)
            broken = True
            continue
        for value in numbers:
            rows.values.append(value)
            rows.times.append(time)
            rows.lines.append(number)
            rows.broken.append(broken)
            broken = False


def _refuse_surplus(fields: list[str], layout: Layout) -> None:
    # one interval a line: a second word makes the line junk, an empty field at its end does not
    if layout.rr_column == 0 and layout.time_column is None and not layout.header:
        for cell in fields[1:]:
            if cell.strip():
                _number(cell, layout.decimal_comma)


def _number(cell: str, comma: bool) -> float:
    text = cell.strip().strip('"')
    if "_" in text:
        raise ValueError("underscore in a number")
    value = float(text.replace(",", ".") if comma else text)
    if not abs(value) <= LARGEST:
        raise ValueError("not a finite number of a measurement")
    return value


def time_column(rows: IntervalRows, layout: Layout, to_ms: float, skipped: SkippedRows) -> TimeColumn | None:
    """The time column as ns; None when it is a mere row number. Rows whose time cannot be read are taken out.

    Relative times are in s or ms, whichever makes their steps more like the intervals.
    """
    try:
        numbers = np.array([_number(cell, layout.decimal_comma) for cell in rows.times])
    except ValueError:
        return _clock_times(rows, skipped)
    steps = np.diff(numbers)
    if not len(steps) or bool(np.all(steps == 1)):
        return None
    median = float(np.median(np.abs(numbers)))
    if 1e11 < median < 1e13:
        return TimeColumn(_ns(numbers, 1e6), "utc", None)
    if 1e8 < median < 1e10:
        return TimeColumn(_ns(numbers, 1e9), "utc", None)
    step, length_ms = float(np.median(np.abs(steps))), float(np.median(np.abs(rows.values))) * to_ms
    if median > 1e10 or step <= 0 or length_ms <= 0:
        return None
    in_seconds = abs(math.log(step * 1000.0 / length_ms)) < abs(math.log(step / length_ms))
    return TimeColumn(_ns(numbers, 1e9 if in_seconds else 1e6), "relative", None)


def _ns(numbers: NDArray[np.float64], unit_ns: float) -> NDArray[np.int64]:
    return np.rint(np.clip(numbers * unit_ns, -4e18, 4e18)).astype(np.int64)


def _clock_times(rows: IntervalRows, skipped: SkippedRows) -> TimeColumn | None:
    stamps, kept = [], []
    for i, cell in enumerate(rows.times):
        try:
            stamps.append(parse_stamp(cell))
            kept.append(i)
        except (ValueError, OverflowError):
            skipped.add("bad_time", rows.lines[i])
    lost = np.ones(len(rows.times), bool)
    lost[kept] = False
    for i in np.flatnonzero(lost)[::-1]:
        if i + 1 < len(rows.broken):
            rows.broken[i + 1] = True
        del rows.values[i], rows.times[i], rows.lines[i], rows.broken[i]
    if not stamps:
        return None
    offset = stamps[0].offset_s
    ns = np.array([stamp.ns for stamp in stamps], np.int64)
    return TimeColumn(ns, "local" if offset is None else "utc", offset)


def beats_of_rows(
    rows: IntervalRows, to_ms: float, times: TimeColumn | None, start: Start, skipped: SkippedRows
) -> tuple[Beats, list[Notice]]:
    """Beats of the rows of one file.

    Parameters
    ----------
    to_ms
        Factor from the unit of the intervals to ms.
    times
        Their time column, if there is one.
    start
        What the file or its name tells of the start, and the zone.
    skipped
        Counts intervals outside the plausible range and times that run backwards.

    Raises
    ------
    InputError
        When no interval is left.
    """
    if not rows.values:
        raise InputError("holds no row with a time that can be read", where=start.where)
    length_ms = np.array(rows.values) * to_ms
    lines = np.array(rows.lines)
    usable = (length_ms > 0) & (length_ms <= LONGEST_MS)
    odd = lines[~(usable & plausible(length_ms))]
    if len(odd):
        skipped.add("out_of_range", int(odd[0]), len(odd))
    if not usable.any():
        raise InputError("holds no interval above zero", where=start.where)
    broken = _carried_breaks(np.array(rows.broken), usable)
    length_ms, lines = length_ms[usable], lines[usable]
    notices: list[Notice] = []
    if times is None:
        recorded = chained(length_ms, broken=broken, where=start.where)
        ends, epoch = start.placed(recorded.end_ns, "relative")
        recorded = replace(recorded, end_ns=ends)
    else:
        stamps, epoch = start.placed(times.ns[usable], times.epoch)
        recorded = _stamped(stamps, length_ms, broken, lines, skipped, notices)
    placed = place(recorded, epoch=epoch)
    if placed.moved:
        message = f"{placed.moved} stretches overlapped the stretch before and were moved behind it"
        notices.append(Notice("overlap", message, "warning", placed.moved))
    return placed.beats, notices


def _carried_breaks(broken: NDArray[np.bool_], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Breaks before the usable intervals: a run of unusable rows passes its break on to the next usable one."""
    after = broken | np.concatenate([[False], ~usable[:-1]])
    firsts = np.concatenate([[0], np.flatnonzero(usable)[:-1] + 1])
    return np.asarray(np.maximum.reduceat(after, firsts), dtype=bool)


def _tolerance(stamps_ns: NDArray[np.int64]) -> float:
    """2 ms, or what the stamps resolve when they are coarser."""
    grain = int(np.gcd.reduce(np.abs(np.diff(stamps_ns)))) if len(stamps_ns) > 1 else 0
    return max(2.0, min(grain / _NS_PER_MS, 20.0))


def _ends(stamps_ns: NDArray[np.int64], length_ms: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Ends of the intervals when the stamps are ends or starts of them; None when they are arrivals."""
    if len(stamps_ns) < 2:
        return stamps_ns
    steps = np.diff(stamps_ns) / _NS_PER_MS
    tolerance = _tolerance(stamps_ns)
    as_ends = float(np.mean(np.abs(steps - length_ms[1:]) <= tolerance))
    as_starts = float(np.mean(np.abs(steps - length_ms[:-1]) <= tolerance))
    if max(as_ends, as_starts) < _ENOUGH_JOINED:
        return None
    if as_ends >= as_starts:
        return stamps_ns
    return stamps_ns + np.rint(length_ms * _NS_PER_MS).astype(np.int64)


def _stamped(
    stamps_ns: NDArray[np.int64],
    length_ms: NDArray[np.float64],
    broken: NDArray[np.bool_],
    lines: NDArray[np.int64],
    skipped: SkippedRows,
    notices: list[Notice],
) -> RecordedIntervals:
    ends = _ends(stamps_ns, length_ms)
    arrival = ends is None
    stamps = stamps_ns if ends is None else ends
    latest = np.maximum.accumulate(stamps)
    keep = np.ones(len(stamps), bool)
    # arrivals may repeat, ends may not
    keep[1:] = stamps[1:] >= latest[:-1] if arrival else stamps[1:] > latest[:-1]
    if not keep.all():
        skipped.add("bad_time", int(lines[~keep][0]), int((~keep).sum()))
    stamps, lengths = stamps[keep], length_ms[keep]
    if arrival:
        message = "times are those of arrival: beats follow the sum of the intervals and the earliest arrivals"
        notices.append(Notice("arrival_times", message, "info", len(stamps)))
        return by_arrival(stamps, lengths, broken[keep])
    return RecordedIntervals(stamps, lengths, joined_by_stamps(stamps, lengths, _tolerance(stamps)))
