"""Exports of summaries: small files that are looked at by reading them, many members being one session."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import (
    UNKNOWN_ZONE,
    Context,
    Device,
    Epoch,
    HrvMetric,
    Notice,
    Provenance,
    Recording,
    SeriesKind,
    TimeZone,
    ValueSeries,
)
from allostat.source import Source
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.zone_inference import fixed_offset_name, local_to_utc, zone_named, zone_of_options

MAX_JSON_BYTES = 64 << 20
"""Summaries are small; a larger file is none."""
UNVERIFIED = Notice("unverified", "this kind of file was not verified on a real export", "info")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})|UTC|UTCZ|Z")
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?")
_NS = 1_000_000_000


class WholeExport(ABC):
    """Adapter of an export whose members together are one recording of summaries."""

    name: str
    title: str
    version: str = "1"
    verified: bool = False
    streams: tuple[str, ...] = ("series",)
    folder_is_session: bool = True
    device: Device = Device()
    identifiers: tuple[str, ...] = ()
    """Kinds of identifiers that such exports hold."""

    @abstractmethod
    def look(self, source: Source, member: str) -> Sniff:
        """Judge one member by its first bytes and its name."""

    @abstractmethod
    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Add what one member holds."""

    def sniff(self, source: Source) -> Sniff:
        """Recognise members by content."""
        return sniff_members(source, self.look)

    def inspect(self, source: Source) -> Manifest:
        """All series; such exports are small enough to be read for it."""
        recording = next(self.read(source, ReadOptions()))
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(stream_summaries(recording)),
            device=self.device,
            timezone=recording.timezone,
            epoch=recording.epoch,
            identifiers=self.identifiers,
            participant_hint=recording.participant,
            notices=recording.notices,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording of all members.

        Raises
        ------
        InputError
            When a member is damaged or none holds a value.
        """
        members = claimed_members(source, self.look)
        gathered = Gathered(zone_of_options(options))
        for member in members:
            self.fill(gathered, source, member)
        series, pressures = gathered.series(), tuple(gathered.blood_pressure)
        notices = gathered.told()
        if not any(len(s) for s in series.values()) and not pressures:
            found = "; ".join(n.message for n in notices)
            raise InputError("holds no value that can be used", where=source.name, found=found or None)
        who = options.participant or (participant_of(source, members[0]) if members else None)
        yield Recording(
            id=recording_id(source.name, self.name),
            participant=who,
            timezone=gathered.zone,
            device=self.device,
            provenance=Provenance(
                tuple(input_file(source, m) for m in members), self.name, self.version, self.verified
            ),
            notices=(*(() if self.verified else (UNVERIFIED,)), *notices),
            series=series,
            blood_pressure=tuple(replace(r, participant=who or r.participant) for r in pressures),
        )


@dataclass
class Rows:
    """Values of one series as they come, in any order."""

    kind: SeriesKind
    unit: str
    metric: HrvMetric | None = None
    window_s: float = float("nan")
    context: Context = "unknown"
    epoch: Epoch = "utc"
    times: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)
    extras: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def fresh(self) -> Rows:
        """The same description without values."""
        return Rows(self.kind, self.unit, self.metric, self.window_s, self.context, self.epoch)


@dataclass
class Gathered:
    """What the members of an export add up to."""

    asked: TimeZone
    """The zone that the caller named."""
    offsets: set[int] = field(default_factory=set)
    """Offsets from UTC, in s, that the file states."""
    rows: dict[str, Rows] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    blood_pressure: list[Any] = field(default_factory=list)
    skipped: dict[str, SkippedRows] = field(default_factory=dict)

    def of(self, source: Source, member: str) -> SkippedRows:
        """Counter of a member's unusable rows."""
        name = without_device_id(shown_name(source, member))
        return self.skipped.setdefault(name, SkippedRows(name))

    def placed(self, local_ns: NDArray[np.int64]) -> tuple[NDArray[np.int64], Epoch]:
        """Naive local times of one list in UTC where the caller named the zone, else as they are."""
        if not self.asked.known:
            return local_ns, "local"
        assert self.asked.name is not None
        return local_to_utc(local_ns, zone_named(self.asked.name)), "utc"

    def add(
        self,
        name: str,
        rows: Rows,
        times_ns: NDArray[np.int64] | list[int],
        values: NDArray[np.float64] | list[float],
        ends_ns: NDArray[np.int64] | list[int] | None = None,
        **extras: NDArray[Any],
    ) -> None:
        """Add values to the series ``name``, which ``rows`` describes when it is new."""
        if not len(times_ns):
            return
        kept = self.rows.setdefault(name, rows)
        kept.times.append(np.asarray(times_ns, np.int64))
        kept.values.append(np.asarray(values, np.float64))
        if ends_ns is not None:
            kept.ends.append(np.asarray(ends_ns, np.int64))
        for key, column in extras.items():
            kept.extras.setdefault(key, []).append(column)

    def series(self) -> dict[str, ValueSeries]:
        """The series in order of time; of values at one instant the first stays, the others are counted."""
        found = {}
        for name, rows in self.rows.items():
            times = np.concatenate(rows.times)
            order = np.argsort(times, kind="stable")
            first = np.concatenate([[True], np.diff(times[order]) > 0])
            repeated = int((~first).sum())
            if repeated:
                message = f"series {name}: values that repeat an instant: the first counts"
                self.notices.append(Notice("duplicate", message, "warning", repeated))
            keep = order[first]
            ends = np.concatenate(rows.ends)[keep] if rows.ends else None
            extras = {k: np.concatenate(v)[keep] for k, v in rows.extras.items()}
            about = (rows.metric, rows.window_s, rows.context, extras)
            values = np.concatenate(rows.values)[keep]
            found[name] = ValueSeries(name, rows.kind, times[keep], values, rows.unit, rows.epoch, ends, *about)
        return found

    @property
    def zone(self) -> TimeZone:
        """The caller's zone, else the one offset that the file states; unknown when it states several or none."""
        if self.asked.known or len(self.offsets) != 1:
            return self.asked if self.asked.known else UNKNOWN_ZONE
        return TimeZone(fixed_offset_name(next(iter(self.offsets)) * _NS), "file")

    def told(self) -> tuple[Notice, ...]:
        """All notices."""
        found = [n for counter in self.skipped.values() for n in counter.notices()] + self.notices
        if len(self.offsets) > 1 and not self.asked.known:
            message = f"the offset from UTC changes inside the export ({len(self.offsets)} offsets): name the zone"
            found.append(Notice("zone_changes", message))
        return tuple(found)


def read_json(source: Source, member: str) -> Any:
    """A member as JSON.

    Raises
    ------
    InputError
        When it is larger than a summary is, or no JSON.
    """
    name = shown_name(source, member)
    with source.open(member) as stream:
        data = stream.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise InputError("is larger than an export of summaries", where=name, found=f"over {MAX_JSON_BYTES} bytes")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({str(error)[:80]})", where=name) from error


def number(value: object) -> float:
    """A finite number of JSON or text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return float("nan")
    try:
        found = float(value) if "_" not in str(value) else float("nan")
    except (ValueError, OverflowError):
        return float("nan")
    return found if np.isfinite(found) else float("nan")


def iso_times(texts: Iterable[str]) -> NDArray[np.int64]:
    """Naive ISO times in ns, as if they were UTC; `BAD_TIME` where a text is none or states an offset."""
    listed = [text if _NAIVE.fullmatch(text) else "NaT" for text in texts]
    try:
        return np.array(listed, "datetime64[ns]").astype(np.int64) if listed else np.zeros(0, np.int64)
    except (ValueError, OverflowError):
        return np.array([_iso_time(t) for t in listed], np.int64)


def _iso_time(text: str) -> int:
    try:
        return int(np.datetime64(text, "ns").astype(np.int64))
    except (ValueError, OverflowError):
        return BAD_TIME


BAD_TIME = int(np.iinfo(np.int64).min)
"""What `iso_times` gives for a text that is no time."""


def usable_times(times_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which times can be those of a person's data: 1990 to 2200."""
    low, high = (int(np.datetime64(day, "ns").astype(np.int64)) for day in ("1990-01-01", "2200-01-01"))
    return np.asarray((times_ns >= low) & (times_ns < high))


def offset_seconds(text: str) -> int | None:
    """Offset from UTC in s that a text such as ``UTC-04:00``, ``UTC+0200``, ``+01:00`` or ``UTCZ`` states."""
    match = _OFFSET.fullmatch(text.strip())
    if not match:
        return None
    if match[1] is None:
        return 0
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return (-seconds if match[1] == "-" else seconds) if seconds <= 14 * 3600 else None
