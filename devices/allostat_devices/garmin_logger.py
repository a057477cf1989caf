"""CSV of a Garmin watch logger without header: ``date and time;kind;value``, one value a row as it arrived.

Intervals stand under ``HEART_RATE_VARIABILITY`` (or ``hrv``), in ms, at the time of their arrival; the other kinds are
values that the watch worked out itself.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    UNKNOWN_ZONE,
    Beats,
    Device,
    Epoch,
    Notice,
    Provenance,
    Recording,
    SeriesKind,
    TimeZone,
    ValueSeries,
)
from allostat.source import Source
from allostat_devices.beat_stamps import PLAUSIBLE_MS, RecordedIntervals, by_arrival, place, plausible
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.number_columns import LARGEST
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import fixed_offset_name, local_to_utc, zone_named, zone_of_options

_INTERVALS = "heart_rate_variability"
_SHORT = {"hrv": _INTERVALS, "hr": "heart_rate"}
_KINDS: dict[str, tuple[str, SeriesKind, str, float]] = {
    "heart_rate": ("hr", "hr", "/min", 1.0),
    "stress": ("stress", "other", "1", 0.0),
    "steps": ("steps", "other", "1", 0.0),
    "calories": ("calories", "other", "kcal", 0.0),
    "ascent": ("ascent", "other", "m", 0.0),
    "intensity_minutes": ("intensity_minutes", "other", "min", 0.0),
    "respiration": ("respiration_rate", "respiration_rate", "/min", 0.1),
}
"""Name of the series, its kind and unit, and the least value that is one."""
_UNIX_START = datetime(1970, 1, 1, tzinfo=UTC)
_DEVICE = Device(manufacturer="Garmin", kind="wrist")


@dataclass
class _Column:
    """Instants and values of one kind as they are read."""

    times_us: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    broken: array[int] = field(default_factory=lambda: array("b"))


@dataclass
class _Rows:
    columns: dict[str, _Column] = field(default_factory=dict)
    offsets_s: dict[int, int] = field(default_factory=dict)
    """Number of rows by their offset from UTC."""
    naive: int = 0


class GarminLogger:
    """Adapter of the watch logger's CSV."""

    name = "garmin_logger"
    title = "Garmin watch logger (time;kind;value)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats", "hr")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise rows of three fields whose first is a date and whose second a known kind."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Kinds seen in the first lines, span by first and last line."""
        members = claimed_members(source, _look)
        streams: list[StreamSummary] = []
        zone, epoch = UNKNOWN_ZONE, "utc"
        names = [shown_name(source, member) for member in members]
        for member, name in zip(members, names, strict=True):
            lines = head_lines(source, member, 16_384)
            count, tail = count_lines(source, member)
            stamps = [parsed for line in (*lines[:1], *tail[-1:]) if (parsed := _parsed(line)) is not None]
            kinds = dict.fromkeys(parsed[2] for line in lines if (parsed := _parsed(line)) is not None)
            first, last = (stamps[0][0] * 1000, stamps[-1][0] * 1000) if stamps else (0, 0)
            label = "" if len(members) == 1 else f"{recording_id(name, 'garmin')}/"
            for kind in kinds:
                told = ("rr", "beats", "ms", 0.0) if kind == _INTERVALS else _KINDS[kind]
                streams.append(StreamSummary(f"{label}{told[0]}", told[1], count, math.nan, told[2], first, last))
            if stamps and stamps[0][1] is not None:
                zone = zone if zone.known else _fixed(stamps[0][1])
            elif stamps:
                epoch = "local"
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            timezone=zone,
            epoch="local" if epoch == "local" else "utc",
            identifiers=("device id in file name",) if any(map(has_device_id, names)) else (),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(Notice("estimated", "rows of all kinds counted together, not parsed", "info"),),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file: beats ``rr`` and a series of each other kind.

        Raises
        ------
        InputError
            When a file holds no usable row.
        """
        members = claimed_members(source, _look)
        if not members:
            raise InputError("holds no file of the watch logger", where=without_device_id(source.name))
        taken: set[str] = set()
        for member in members:
            yield with_distinct_id(_recording(source, member, options), taken)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    lines = [line for line in head_lines(source, member) if line.strip()][:50]
    known = sum(_parsed(line) is not None for line in lines)
    if not known or known < 0.5 * len(lines):
        return Sniff(0.0, "rows are not 'date and time;kind;value' of a known kind")
    return Sniff(0.9, "rows of date and time, kind and value")


def _parsed(line: str) -> tuple[int, int | None, str, float] | None:
    """Microseconds of the stamp (UTC when it has an offset, else wall clock), offset in s, kind, value."""
    cells = line.split(";")
    if len(cells) != 3:
        return None
    kind = _kind(cells[1])
    if kind is None:
        return None
    try:
        return (*_stamp(cells[0]), kind, _number(cells[2]))
    except (ValueError, OverflowError):
        return None


def _kind(text: str) -> str | None:
    """The kind of a row by its long name; None when it is not known."""
    folded = text.strip().casefold()
    kind = _SHORT.get(folded, folded)
    return kind if kind in _KINDS or kind == _INTERVALS else None


def _stamp(text: str) -> tuple[int, int | None]:
    moment = datetime.fromisoformat(text.strip())
    offset = moment.utcoffset()
    if not 1990 <= moment.year <= 2200:
        raise ValueError("implausible year")
    if offset is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _UNIX_START) // timedelta(microseconds=1), None if offset is None else round(
        offset.total_seconds()
    )


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not abs(value) <= LARGEST:
        raise ValueError("not a finite number of a measurement")
    return value


def _collect(source: Source, member: str, skipped: SkippedRows) -> _Rows:
    rows = _Rows()
    broken = False
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            for number, line in enumerate(lines, start=first):
                if not line.strip():
                    continue
                skipped.rows += 1
                cells = line.split(";")
                if len(cells) < 3:
                    skipped.add("truncated", number)
                    broken = True
                    continue
                kind = _kind(cells[1]) if len(cells) == 3 else None
                if kind is None:
                    skipped.add("unsupported", number)
                    continue
                try:
                    time_us, offset_s = _stamp(cells[0])
                except (ValueError, OverflowError):
                    skipped.add("bad_time", number)
                    broken |= kind == _INTERVALS
                    continue
                try:
                    value = _number(cells[2])
                except ValueError:
                    skipped.add("bad_number", number)
                    broken |= kind == _INTERVALS
                    continue
                if offset_s is None:
                    rows.naive += 1
                else:
                    rows.offsets_s[offset_s] = rows.offsets_s.get(offset_s, 0) + 1
                column = rows.columns.setdefault(kind, _Column())
                column.times_us.append(time_us)
                column.values.append(value)
                column.lines.append(number)
                column.broken.append(broken and kind == _INTERVALS)
                broken = broken and kind != _INTERVALS
    return rows


def _recording(source: Source, member: str, options: ReadOptions) -> Recording:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    rows = _collect(source, member, skipped)
    if not rows.columns:
        told = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no usable row", where=name, found=told or None)
    zone, of_zone = _zone(rows, options)
    epoch: Epoch = "utc" if not rows.naive or zone.known else "local"
    beats: dict[str, Beats] = {}
    series: dict[str, ValueSeries] = {}
    for kind, column in rows.columns.items():
        times = np.frombuffer(column.times_us, np.int64) * 1000
        if rows.naive and zone.name is not None:
            times = local_to_utc(times, zone_named(zone.name))
        values, lines = np.frombuffer(column.values, np.float64), np.frombuffer(column.lines, np.int64)
        if kind == _INTERVALS:
            found = _beats(times, values, lines, np.frombuffer(column.broken, np.int8) != 0, epoch, skipped)
            beats |= {"rr": found} if len(found) else {}
        else:
            what = _KINDS[kind]
            series[what[0]] = _series(what, times, values, lines, epoch, skipped)
    if not beats and not series:
        told = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no usable row", where=name, found=told or None)
    return Recording(
        id=recording_id(shown_name(source, member), "garmin"),
        beats=beats,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_DEVICE,
        provenance=Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version, ADAPTER.verified),
        notices=(*skipped.notices(), *of_zone),
        series=series,
    )


def _zone(rows: _Rows, options: ReadOptions) -> tuple[TimeZone, tuple[Notice, ...]]:
    named = zone_of_options(options)
    notices: tuple[Notice, ...] = ()
    if rows.naive and rows.offsets_s:
        told = f"{rows.naive} times have no offset where others have one"
        notices = (Notice("mixed_times", told, "warning", rows.naive),)
    if named.known or not rows.offsets_s:
        return named, notices
    offsets = list(rows.offsets_s)
    zone = _fixed(offsets[0])
    if len(offsets) > 1:
        told = ", ".join(fixed_offset_name(o * 1_000_000_000) for o in offsets[:5])
        notices = (*notices, Notice("zone_changes", f"rows tell several offsets: {told}; the first is used"))
        zone = TimeZone(zone.name, "file", weak=True)
    return zone, notices


def _fixed(offset_s: int) -> TimeZone:
    # an app that always writes +00:00 looks the same as a participant in UTC
    return TimeZone(fixed_offset_name(offset_s * 1_000_000_000), "file", weak=offset_s == 0)


def _beats(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    lines: NDArray[np.int64],
    broken: NDArray[np.bool_],
    epoch: Epoch,
    skipped: SkippedRows,
) -> Beats:
    """Beats by the arrival of their intervals; rows out of range or behind an earlier one break the series."""
    good = plausible(values)
    late = times >= np.maximum.accumulate(times)
    skipped.add("out_of_range", int(lines[int(np.argmin(good))]), int((~good).sum()))
    skipped.add("bad_time", int(lines[int(np.argmin(late))]), int((~late).sum()))
    keep = np.flatnonzero(good & late)
    breaks = broken.copy()
    breaks[1:] |= ~(good & late)[:-1]
    lost = np.diff(np.cumsum(breaks)[keep], prepend=0) > 0
    arrival, lengths = times[keep], values[keep]
    step_ms = np.diff(arrival, prepend=arrival[:1]) / 1e6
    # no watch sends as late as that: beats are missing
    recorded = by_arrival(arrival, lengths, lost | (step_ms - lengths > PLAUSIBLE_MS[1]))
    joined = recorded.joined & (np.diff(recorded.end_ns, prepend=recorded.end_ns[:1] - 1) > 0)
    return place(RecordedIntervals(recorded.end_ns, lengths, joined), epoch=epoch, method="by arrival").beats


def _series(
    told: tuple[str, SeriesKind, str, float],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    lines: NDArray[np.int64],
    epoch: Epoch,
    skipped: SkippedRows,
) -> ValueSeries:
    name, kind, unit, least = told
    keep = usable_stamps(times, lines, skipped)
    if keep is not None:
        times, values = times[keep], values[keep]
    return ValueSeries(name, kind, times.copy(), np.where(values >= least, values, np.nan), unit, epoch)


ADAPTER = GarminLogger()
