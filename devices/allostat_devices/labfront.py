"""Labfront downloads: beat-to-beat intervals of Garmin watches, ``<participant>/garmin-device-bbi/*.csv``.

A few lines about project and participant stand above the header. The time of a row is that of its beat, so a step of
time that is not the interval is a gap.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError, TimeZoneError
from allostat.recording import NS_PER_S, UNKNOWN_ZONE, Device, Notice, Provenance, Recording, TimeZone
from allostat.source import Source
from allostat_devices.beat_stamps import RecordedIntervals, joined_by_stamps, place, plausible
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.file_names import has_device_id, has_email, input_file, recording_id, without_device_id
from allostat_devices.members import (
    claimed_members,
    is_single,
    participant_of,
    shown_name,
    sniff_members,
    with_distinct_id,
)
from allostat_devices.number_columns import Column, exact_integers, floats, floats_or_missing, read_block
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, readable_lines, why_not_text
from allostat_devices.zone_inference import LARGEST_OFFSET_NS, fixed_offset_name, zone_named, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TIME, _INTERVAL, _ISO, _ZONE, _OFFSET = "unixtimestampinms", "bbi", "isodate", "timezone", "timezoneoffsetinms"
_PREAMBLE_LINES = 20
_HEAD = 16_384
_NS_PER_MS = 1_000_000
_TOLERANCE_MS = 1.0
_PERSONAL = re.compile(r"name|mail|phone|birth|address|user|participant|subject|serial|id$", re.IGNORECASE)
"""Columns of this kind are never read."""
_YEARS_MS = (0, 4_102_444_800_000)
"""1970 to 2100."""


@dataclass(frozen=True)
class _Header:
    """Where the table begins and what its columns are."""

    line: int
    """1-based."""
    names: tuple[str, ...]

    def column(self, name: str) -> int | None:
        folded = [n.casefold() for n in self.names]
        return folded.index(name) if name in folded else None


class Labfront:
    """Adapter of Labfront's Garmin intervals."""

    name = "labfront"
    title = "Labfront (Garmin beat-to-beat intervals, CSV)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise the header with ``unixTimestampInMs`` and ``bbi`` below the lines in front of it."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Rows by the number of lines, span and zone by first and last lines."""
        members = claimed_members(source, _look)
        groups = _participants(source, members)
        streams, identifiers, zones = [], set[str](), []
        for folder, files in groups.items():
            rows, first, last = 0, 0, 0
            for member in files:
                header, lines = _header(source, member)
                count, tail = count_lines(source, member)
                rows += max(count - header.line, 0)
                times = [t for line in (*lines[:1], *tail[-1:]) if (t := _time_of(line, header)) is not None]
                if times:
                    first, last = min(times[0], first or times[0]), max(times[-1], last)
                zones += [z for line in lines[:1] if (z := _zone_of(line, header)).known]
                identifiers |= _identifiers(source, member)
            label = "bbi" if len(groups) == 1 else f"{recording_id(folder, 'participant')}/bbi"
            streams.append(StreamSummary(label, "beats", rows, float("nan"), "ms", first, last))
        if any(has_email(m) for m in (source.name, *members)):
            identifiers.add("e-mail address in file name")
        if any(has_device_id(m) for m in (source.name, *members)):
            identifiers.add("device id in file name")
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            timezone=zones[0] if zones else UNKNOWN_ZONE,
            identifiers=tuple(sorted(identifiers)),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(Notice("estimated", "rows counted, not parsed", "info"), _UNVERIFIED),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each participant's folder, with the beats ``bbi`` of all of its files.

        Raises
        ------
        InputError
            When the source holds no such file, or none of a participant's files has a usable row.
        """
        members = claimed_members(source, _look)
        if not members:
            raise InputError("holds no Labfront file of intervals", where=without_device_id(source.name))
        groups = _participants(source, members)
        taken: set[str] = set()
        for folder, files in groups.items():
            recording = _recording(source, folder, files, options, alone=len(groups) == 1)
            yield with_distinct_id(recording, taken)


_DEVICE = Device(manufacturer="Garmin", kind="wrist")
_UNVERIFIED = Notice("unverified", "Labfront intervals: not verified on a real export")


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    header = _header_in(head_lines(source, member))
    if header is None:
        return Sniff(0.0, "no header with unixTimestampInMs")
    if header.column(_INTERVAL) is None:
        return Sniff(0.1, "a Labfront table without the column bbi")
    return Sniff(0.95, f"header of Labfront intervals in line {header.line}")


def _header_in(lines: Sequence[str]) -> _Header | None:
    for number, line in enumerate(lines[:_PREAMBLE_LINES], start=1):
        names = tuple(cell.strip().strip('"') for cell in line.split(","))
        if _TIME in (name.casefold() for name in names):
            return _Header(number, names)
    return None


def _header(source: Source, member: str) -> tuple[_Header, list[str]]:
    """The header and the complete lines behind it near the beginning of the file."""
    lines = head_lines(source, member, _HEAD)
    header = _header_in(lines)
    if header is None or header.column(_INTERVAL) is None:
        where = without_device_id(shown_name(source, member))
        raise InputError("has no header with unixTimestampInMs and bbi", where=where)
    return header, lines[header.line :]


def _participants(source: Source, members: Sequence[str]) -> dict[str, list[str]]:
    """Files of each participant: the folder above ``garmin-device-bbi``, or the folder of the file."""
    if is_single(source):
        return {source.name: list(members)}
    groups: dict[str, list[str]] = {}
    for member in members:
        folder = PurePosixPath(member).parent
        folder = folder.parent if folder.name.casefold().startswith("garmin-") else folder
        groups.setdefault(folder.as_posix().removeprefix("."), []).append(member)
    return groups


def _recording(source: Source, folder: str, files: list[str], options: ReadOptions, *, alone: bool) -> Recording:
    parts, notices, zones = [], [_UNVERIFIED], []
    for member in files:
        shown = without_device_id(shown_name(source, member))
        skipped = SkippedRows(shown)
        part, found = _rows(source, member, skipped)
        parts.append(part)
        zones += found
        notices += skipped.notices()
    together = _together(parts)
    if not len(together.end_ns):
        told = "; ".join(n.message for n in notices[1:])
        raise InputError("holds no intervals", where=without_device_id(folder or source.name), found=told or None)
    repeated = SkippedRows(without_device_id(folder or source.name), rows=len(together.end_ns))
    keep = usable_stamps(together.end_ns, np.arange(1, len(together.end_ns) + 1), repeated)
    if keep is not None:
        together = _chosen(together, np.flatnonzero(keep))
    joined = joined_by_stamps(together.end_ns, together.length_ms, _TOLERANCE_MS)
    placed = place(replace(together, joined=joined), epoch="utc", method="Garmin BBI")
    implausible = int((~plausible(together.length_ms)).sum())
    repeated.add("out_of_range", 1 + int(np.argmin(plausible(together.length_ms))), implausible)
    notices += repeated.notices()
    zone = zone_of_options(options)
    if not zone.known:
        zone, of_zone = _one_zone(zones)
        notices += of_zone
    participant = participant_of(source, files[0])
    if alone:
        participant = options.participant or participant
    elif participant is None:
        message = "the archive holds several participants; their folders do not name them in a safe form"
        notices.append(Notice("participant_unknown", message))
    inputs = tuple(input_file(source, member) for member in files)
    return Recording(
        id=recording_id(participant or source.name, "labfront"),
        beats={"bbi": placed.beats},
        participant=participant,
        timezone=zone,
        device=_DEVICE,
        provenance=Provenance(inputs, ADAPTER.name, ADAPTER.version, ADAPTER.verified),
        notices=tuple(notices),
    )


def _rows(source: Source, member: str, skipped: SkippedRows) -> tuple[RecordedIntervals, list[TimeZone]]:
    """Intervals of one file in its order, and the zones that its rows tell."""
    header, head = _header(source, member)
    time, interval = header.column(_TIME), header.column(_INTERVAL)
    assert time is not None and interval is not None
    extras = _numeric_extras(header, head)
    columns = [Column(time, exact_integers, "bad_time"), Column(interval, floats)]
    columns += [Column(index, floats_or_missing) for index in extras.values()]
    blocks: list[list[NDArray[np.float64]]] = []
    zones: list[TimeZone] = []
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            begin = max(header.line + 1 - first, 0)
            rows = _unquoted(readable_lines(lines[begin:]))
            found, numbers = read_block(rows, first + begin, ",", len(header.names), columns, skipped)
            inside = (found[0] > _YEARS_MS[0]) & (found[0] < _YEARS_MS[1])
            if not inside.all():
                skipped.add("bad_time", int(numbers[~inside][0]), int((~inside).sum()))
            usable = inside & (found[1] > 0) & (found[1] < 86_400_000)
            lost = inside & ~usable
            if lost.any():
                skipped.add("out_of_range", int(numbers[lost][0]), int(lost.sum()))
            blocks.append([column[usable] for column in found])
            filled = [row for row in (*rows[:1], *rows[-1:]) if row.strip()]
            zones += [zone for row in filled if (zone := _zone_of(row, header)).known]
    joined = [np.concatenate(parts) for parts in zip(*blocks, strict=True)] or [np.empty(0)] * (2 + len(extras))
    n = len(joined[0])
    recorded = RecordedIntervals(
        joined[0].astype(np.int64) * _NS_PER_MS,
        joined[1].astype(np.float64),
        np.zeros(n, bool),
        extras=dict(zip(extras, joined[2:], strict=True)),
    )
    return recorded, zones


def _unquoted(lines: list[str]) -> list[str]:
    if not any('"' in line for line in lines):
        return lines
    return [",".join(cell.replace(",", " ") for cell in next(csv.reader([line]), [])) for line in lines]


def _numeric_extras(header: _Header, head: Sequence[str]) -> dict[str, int]:
    """Further columns that hold numbers in the first row and tell nothing of the person."""
    known = {_TIME, _INTERVAL, _ISO, _ZONE, _OFFSET}
    first = next((line.split(",") for line in head if line.strip()), [])
    found: dict[str, int] = {}
    for index, name in enumerate(header.names):
        if name.casefold() in known or _PERSONAL.search(name) or index >= len(first):
            continue
        try:
            floats([first[index]])
        except ValueError:
            continue
        found.setdefault(name, index)
    return found


def _together(parts: list[RecordedIntervals]) -> RecordedIntervals:
    """Intervals of all files in the order of their beats; extras that all files have."""
    names = set.intersection(*(set(part.extras) for part in parts))
    end_ns = np.concatenate([part.end_ns for part in parts])
    order = np.argsort(end_ns, kind="stable")
    return RecordedIntervals(
        end_ns[order],
        np.concatenate([part.length_ms for part in parts])[order],
        np.zeros(len(order), bool),
        extras={name: np.concatenate([part.extras[name] for part in parts])[order] for name in sorted(names)},
    )


def _chosen(recorded: RecordedIntervals, rows: NDArray[np.intp]) -> RecordedIntervals:
    return RecordedIntervals(
        recorded.end_ns[rows],
        recorded.length_ms[rows],
        recorded.joined[rows],
        extras={name: values[rows] for name, values in recorded.extras.items()},
    )


def _time_of(line: str, header: _Header) -> int | None:
    cells = line.split(",")
    index = header.column(_TIME)
    if index is None or index >= len(cells):
        return None
    try:
        ms = int(exact_integers([cells[index].strip().strip('"')])[0])
    except (ValueError, ArithmeticError):
        return None
    return ms * _NS_PER_MS if _YEARS_MS[0] < ms < _YEARS_MS[1] else None


def _zone_of(line: str, header: _Header) -> TimeZone:
    """The zone in a row: by name, by its offset, or by its local date with offset."""
    cells = dict(
        zip((n.casefold() for n in header.names), (c.strip().strip('"') for c in line.split(",")), strict=False)
    )
    name = cells.get(_ZONE, "")
    if name:
        try:
            zone_named(name)
        except TimeZoneError:
            name = ""
        else:
            return TimeZone(name, "file")
    offset = _offset_ns(cells.get(_OFFSET, ""), cells.get(_ISO, ""))
    if offset is None:
        return UNKNOWN_ZONE
    # a date that always ends in Z looks the same as a participant in UTC
    return TimeZone(fixed_offset_name(offset), "file", weak=offset == 0)


def _offset_ns(offset_ms: str, iso: str) -> int | None:
    try:
        if offset_ms:
            offset = int(offset_ms) * _NS_PER_MS
        else:
            moment = datetime.fromisoformat(iso)
            told = moment.utcoffset()
            if told is None:
                return None
            offset = round(told.total_seconds()) * NS_PER_S
    except ValueError:
        return None
    return offset if abs(offset) <= LARGEST_OFFSET_NS else None


def _one_zone(zones: list[TimeZone]) -> tuple[TimeZone, tuple[Notice, ...]]:
    names = list(dict.fromkeys(zone.name for zone in zones if zone.name))
    if not names:
        return UNKNOWN_ZONE, ()
    if len(names) == 1:
        return zones[0], ()
    told = ", ".join(names[:5])
    return replace(zones[0], weak=True), (
        Notice("zone_changes", f"rows tell several zones: {told}; the first is used"),
    )


def _identifiers(source: Source, member: str) -> set[str]:
    """Kinds of identifying information in the lines above the table and in its columns."""
    lines = head_lines(source, member, _HEAD)
    header = _header_in(lines)
    above = " ".join(lines[: header.line if header else 0]).casefold()
    kinds = {"mail": "e-mail address", "name": "name", "participantid": "participant id", "userid": "user id"}
    return {f"{kind} in header" for word, kind in kinds.items() if word in above}


ADAPTER = Labfront()
