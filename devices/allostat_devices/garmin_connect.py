"""Garmin Connect JSON: a night's HRV with its five-minute readings, and the day's heart rate of the health service.

Everything in it was worked out by the vendor, so it becomes series, never beats. The zone is local time minus GMT of
the same reading, or the stated offset.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    Context,
    Device,
    HrvMetric,
    Notice,
    Provenance,
    Recording,
    SeriesKind,
    TimeZone,
    ValueSeries,
)
from allostat.source import Source
from allostat_devices.bounded_bytes import read_bounded
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.file_names import has_device_id, has_email, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import why_not_text
from allostat_devices.zone_inference import LARGEST_OFFSET_NS, QUARTER_NS, fixed_offset_name, zone_of_options

MAX_BYTES = 32 << 20
"""A year of daily summaries; JSON takes ten times its size in memory."""
_UNIX_START = datetime(1970, 1, 1, tzinfo=UTC)
_DEVICE = Device(manufacturer="Garmin", kind="wrist")
_UNVERIFIED = Notice("unverified", "Garmin Connect JSON: not verified on a real export")
_KEYS = re.compile(
    rb'"(hrvSummary|hrvReadings|timeOffsetHeartRateSamples|startTimeInSeconds|startTimeOffsetInSeconds)"\s*:'
)
_LISTS = ("dailies", "hrv", "summaries", "hrvSummaries", "data")
"""Keys under which files of several summaries keep them."""
_PERSONAL = {
    "userProfilePk": "user id",
    "userId": "user id",
    "userAccessToken": "access token",
    "summaryId": "record id",
}
_BASELINE = {"low_upper": "lowUpper", "balanced_low": "balancedLow", "balanced_upper": "balancedUpper"}
_STATUS = {"NONE": 0, "POOR": 1, "LOW": 2, "UNBALANCED": 3, "BALANCED": 4}


@dataclass(frozen=True)
class _What:
    kind: SeriesKind
    unit: str
    metric: HrvMetric | None = None
    window_s: float = math.nan
    context: Context = "unknown"


_SERIES: dict[str, _What] = {
    "hr": _What("hr", "/min"),
    "resting_hr": _What("resting_hr", "/min", context="day"),
    "rmssd": _What("hrv", "ms", "rmssd", 300.0, "night"),
    "rmssd_night": _What("hrv", "ms", "rmssd", math.nan, "night"),
    "rmssd_night_high": _What("hrv", "ms", "rmssd", 300.0, "night"),
    "rmssd_week": _What("hrv", "ms", "rmssd", math.nan, "night"),
}
_NIGHTLY = {"lastNightAvg": "rmssd_night", "lastNight5MinHigh": "rmssd_night_high", "weeklyAvg": "rmssd_week"}


@dataclass
class _Found:
    """Values of one zone as they are read: by series, start, end, value, and columns beside it."""

    rows: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    extras: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of a night, by its start: baseline and status."""

    def add(self, name: str, start_ns: int, end_ns: int, value: float) -> None:
        self.rows.setdefault(name, []).append((start_ns, end_ns, value))


class GarminConnect:
    """Adapter of Garmin Connect JSON."""

    name = "garmin_connect"
    title = "Garmin Connect JSON (HRV status, daily heart rate)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("hr", "hrv", "resting_hr")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise JSON with the keys of HRV or daily summaries near its beginning."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and zones; the files are small enough to be read for it."""
        members = claimed_members(source, _look)
        streams, notices, identifiers = [], [_UNVERIFIED], set[str]()
        zone = UNKNOWN_ZONE
        for member in members:
            name = shown_name(source, member)
            head = source.head(member, 1 << 20)
            identifiers |= {f"{kind} in a field" for key, kind in _PERSONAL.items() if f'"{key}"'.encode() in head}
            identifiers |= {"e-mail address in file name"} if has_email(name) else set()
            identifiers |= {"device id in file name"} if has_device_id(name) else set()
            for recording in _recordings(source, member, ReadOptions()):
                label = "" if len(members) == 1 else f"{recording_id(_stem(name), 'garmin')}/"
                zone = zone if zone.known else recording.timezone
                notices += [n for n in recording.notices if n not in notices]
                streams += stream_summaries(recording, label)
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            timezone=zone,
            identifiers=tuple(sorted(identifiers)),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file and offset from UTC in it.

        Raises
        ------
        InputError
            When a file is no JSON, is too large, or holds no value that can be placed in time.
        """
        members = claimed_members(source, _look)
        if not members:
            raise InputError("holds no Garmin Connect JSON", where=without_device_id(source.name))
        taken: set[str] = set()
        for member in members:
            for recording in _recordings(source, member, options):
                yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return Sniff(0.0, "no JSON")
    keys = {match.decode() for match in _KEYS.findall(head)}
    if keys & {"hrvSummary", "hrvReadings", "timeOffsetHeartRateSamples"}:
        return Sniff(0.95, f"JSON with {min(keys)}")
    if {"startTimeOffsetInSeconds", "startTimeInSeconds"} <= keys:
        return Sniff(0.7, "JSON of summaries with startTimeInSeconds and startTimeOffsetInSeconds")
    return Sniff(0.0, "JSON without the keys of Garmin's HRV or daily summaries")


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".json")


def _recordings(source: Source, member: str, options: ReadOptions) -> list[Recording]:
    shown = without_device_id(shown_name(source, member))
    skipped = SkippedRows(shown)
    notices: list[Notice] = [_UNVERIFIED]
    by_offset: dict[int | None, _Found] = {}
    for number, summary in enumerate(_summaries(_parsed(source, member, shown)), start=1):
        _read_summary(summary, number, by_offset, skipped, notices)
    notices += skipped.notices()
    provenance = Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version, ADAPTER.verified)
    named = zone_of_options(options)
    recordings = []
    for offset, found in by_offset.items():
        repeated = SkippedRows(shown)
        series = {name: _series(name, rows, found, repeated) for name, rows in found.rows.items()}
        zone = named
        if not named.known and offset is not None:
            # an offset of zero is also what a service writes that knows none
            zone = TimeZone(fixed_offset_name(offset), "file", weak=offset == 0)
        recordings.append(
            Recording(
                id=recording_id(_stem(shown_name(source, member)), "garmin"),
                participant=options.participant or participant_of(source, member),
                timezone=zone,
                device=_DEVICE,
                provenance=provenance,
                notices=(*notices, *repeated.notices()),
                series=series,
            )
        )
    if not recordings:
        told = "; ".join(n.message for n in notices[1:])
        raise InputError("holds no value that can be placed in time", where=shown, found=told or None)
    return recordings


def _parsed(source: Source, member: str, shown: str) -> Any:
    data = read_bounded(source, member, MAX_BYTES, what="a JSON export", where=shown)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # the text of the error may hold a piece of the file
        raise InputError(f"is no valid JSON ({type(error).__name__})", where=shown) from error


def _summaries(parsed: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that may be a summary: the whole, the elements of a list, or of a list under a known key."""
    if isinstance(parsed, list):
        yield from (one for one in parsed if isinstance(one, dict))
        return
    if not isinstance(parsed, dict):
        return
    lists = [parsed[key] for key in _LISTS if isinstance(parsed.get(key), list)]
    if lists and "hrvReadings" not in parsed and "timeOffsetHeartRateSamples" not in parsed:
        for some in lists:
            yield from (one for one in some if isinstance(one, dict))
        return
    yield parsed


def _read_summary(
    summary: Mapping[str, Any],
    number: int,
    by_offset: dict[int | None, _Found],
    skipped: SkippedRows,
    notices: list[Notice],
) -> None:
    if "hrvSummary" in summary or "hrvReadings" in summary:
        _read_night(summary, number, by_offset, skipped, notices)
    elif "startTimeInSeconds" in summary:
        _read_day(summary, number, by_offset, skipped)
    else:
        skipped.rows += 1
        skipped.add("unsupported", number)


def _read_night(
    night: Mapping[str, Any],
    number: int,
    by_offset: dict[int | None, _Found],
    skipped: SkippedRows,
    notices: list[Notice],
) -> None:
    given = night.get("hrvReadings")
    readings: list[tuple[int, float]] = []
    offsets: list[int] = []
    for reading in given if isinstance(given, list) else []:
        skipped.rows += 1
        gmt = _instant(reading.get("readingTimeGMT")) if isinstance(reading, dict) else None
        if gmt is None:
            skipped.add("bad_time", number)
            continue
        local = _instant(reading.get("readingTimeLocal"))
        offset = None if local is None else _as_offset(local - gmt)
        offsets += [] if offset is None else [offset]
        value = _measured(reading.get("hrvValue"))
        if math.isnan(value):
            skipped.add("bad_number", number)
            continue
        readings.append((gmt, value))
    for pair in (("startTimestampLocal", "startTimestampGMT"), ("endTimestampLocal", "endTimestampGMT")):
        local, gmt = (_instant(night.get(key)) for key in pair)
        offset = None if local is None or gmt is None else _as_offset(local - gmt)
        offsets += [] if offset is None else [offset]
    if len(set(offsets)) > 1:
        told = ", ".join(dict.fromkeys(map(fixed_offset_name, offsets)))
        notices.append(Notice("zone_changes", f"one night tells several offsets: {told}; the first is used"))
    found = by_offset.setdefault(offsets[0] if offsets else None, _Found())
    for time, value in readings:
        found.add("rmssd", time, time, value)
    summary = night.get("hrvSummary")
    if isinstance(summary, dict):
        _read_night_summary(night, summary, number, readings, found, skipped)
    if not found.rows:
        by_offset.pop(offsets[0] if offsets else None)


def _read_night_summary(
    night: Mapping[str, Any],
    summary: Mapping[str, Any],
    number: int,
    readings: Sequence[tuple[int, float]],
    found: _Found,
    skipped: SkippedRows,
) -> None:
    """Averages of the night, at its start: the stated one, that of the first reading, or when the summary was made."""
    skipped.rows += 1
    created = _instant(summary.get("createTimeStamp"))
    times = [time for time, _ in readings]
    start = _instant(night.get("startTimestampGMT")) or (min(times) if times else created)
    end = _instant(night.get("endTimestampGMT")) or (max(times) if times else created)
    if start is None or end is None or end < start:
        skipped.add("bad_time", number)
        return
    for key, name in _NIGHTLY.items():
        value = _measured(summary.get(key))
        if not math.isnan(value):
            found.add(name, start, end, value)
    baseline = summary.get("baseline")
    columns = {
        f"baseline_{key}": _measured(baseline.get(name))
        for key, name in (
            ("low_upper", "lowUpper"),
            ("balanced_low", "balancedLow"),
            ("balanced_upper", "balancedUpper"),
        )
        if isinstance(baseline, dict)
    }
    status = summary.get("status")
    if isinstance(status, str) and status.upper() in _STATUS:
        columns["status"] = float(_STATUS[status.upper()])
    found.extras[str(start)] = columns


def _read_day(day: Mapping[str, Any], number: int, by_offset: dict[int | None, _Found], skipped: SkippedRows) -> None:
    """A summary of the health service: values by seconds since its start."""
    skipped.rows += 1
    start_s = _measured(day.get("startTimeInSeconds"))
    offset_s = _measured(day.get("startTimeOffsetInSeconds"), least=-1e6)
    if not 0 < start_s < 4_102_444_800:
        skipped.add("bad_time", number)
        return
    start = round(start_s) * NS_PER_S
    offset = None if math.isnan(offset_s) else _as_offset(round(offset_s) * NS_PER_S)
    found = by_offset.setdefault(offset, _Found())
    for key, name in (("timeOffsetHeartRateSamples", "hr"), ("hrvValues", "rmssd")):
        samples = day.get(key)
        for since, value in samples.items() if isinstance(samples, dict) else ():
            skipped.rows += 1
            seconds = _whole(since)
            if seconds is None:
                skipped.add("bad_time", number)
                continue
            measured = _measured(value, least=1.0)
            if math.isnan(measured):
                skipped.add("bad_number", number)
                continue
            time = start + seconds * NS_PER_S
            found.add(name, time, time, measured)
    length = _measured(day.get("durationInSeconds"))
    end = start + (0 if not 0 <= length <= 172_800 else round(length)) * NS_PER_S
    for key, name in (("restingHeartRateInBeatsPerMinute", "resting_hr"), *_NIGHTLY.items()):
        value = _measured(day.get(key), least=1.0)
        if not math.isnan(value):
            found.add(name, start, end, value)
    if not found.rows:
        by_offset.pop(offset)


def _series(name: str, rows: list[tuple[int, int, float]], found: _Found, repeated: SkippedRows) -> ValueSeries:
    what = _SERIES[name]
    rows = sorted(rows)
    times = np.array([row[0] for row in rows], np.int64)
    repeated.rows += len(rows)
    keep = usable_stamps(times, np.arange(1, len(rows) + 1), repeated)
    kept = rows if keep is None else [row for row, good in zip(rows, keep, strict=True) if good]
    starts = np.array([row[0] for row in kept], np.int64)
    ends = np.array([row[1] for row in kept], np.int64)
    extras: dict[str, Any] = {}
    if name == "rmssd_night":
        columns = dict.fromkeys(key for row in kept for key in found.extras.get(str(row[0]), {}))
        extras = {
            key: np.array([found.extras.get(str(row[0]), {}).get(key, math.nan) for row in kept]) for key in columns
        }
    return ValueSeries(
        name,
        what.kind,
        starts,
        np.array([row[2] for row in kept], np.float64),
        what.unit,
        ends_ns=ends if bool((ends > starts).any()) else None,
        metric=what.metric,
        window_s=what.window_s,
        context=what.context,
        extras=extras,
    )


def _instant(text: object) -> int | None:
    """A naive date and time as ns since 1970 of its own clock; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not 1990 <= moment.year <= 2200:
        return None
    return (moment.replace(tzinfo=UTC) - _UNIX_START) // timedelta(microseconds=1) * 1000


def _as_offset(difference_ns: int) -> int | None:
    rounded = round(difference_ns / QUARTER_NS) * QUARTER_NS
    if abs(difference_ns - rounded) > 60 * NS_PER_S or abs(rounded) > LARGEST_OFFSET_NS:
        return None
    return rounded


def _measured(value: object, least: float = 0.0) -> float:
    """A JSON number as float; NaN when it is none, not finite or below ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) and least <= number <= 1e10 else math.nan


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


ADAPTER = GarminConnect()
