"""Google Health API: JSON lists of data points with heart rate, HRV and daily values.

A point holds one measurement under the name of its type. Samples state their instant in UTC and the offset beside it;
daily values state a date only. Whole numbers come as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from allostat.adapter import Sniff
from allostat.recording import Device
from allostat.source import Source
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.whole_export import BAD_TIME, Gathered, Rows, WholeExport, iso_times, number, read_json

_SAMPLES: dict[str, tuple[tuple[str, str, Rows], ...]] = {
    "heartRate": (("beatsPerMinute", "hr", Rows("hr", "/min")),),
    "heartRateVariability": (
        ("rootMeanSquareOfSuccessiveDifferencesMilliseconds", "rmssd", Rows("hrv", "ms", "rmssd")),
        ("standardDeviationMilliseconds", "sdnn", Rows("hrv", "ms", "sdnn")),
    ),
}
_DAILY: dict[str, tuple[tuple[str, str, Rows], ...]] = {
    "dailyRestingHeartRate": (
        ("beatsPerMinute", "resting_hr", Rows("resting_hr", "/min", context="day", epoch="local")),
    ),
    "dailyHeartRateVariability": (
        ("averageHeartRateVariabilityMilliseconds", "hrv_of_night", Rows("hrv", "ms", "vendor", context="night")),
        (
            "deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds",
            "rmssd_deep_sleep",
            Rows("hrv", "ms", "rmssd", context="night"),
        ),
    ),
    "dailyRespiratoryRate": (
        ("breathsPerMinute", "respiration_rate", Rows("respiration_rate", "/min", context="night")),
    ),
}
"""Fields of each type of point: the key, the name of its series, and what the series is."""
_OFFSET = re.compile(r"(-?\d{1,6})(?:\.0*)?s")
_LARGEST_OFFSET_S = 14 * 3600


class GoogleHealth(WholeExport):
    """Adapter of data points of the Google Health API."""

    name = "google_health"
    title = "Google Health API data points (JSON)"
    streams: tuple[str, ...] = ("hr", "hrv", "resting_hr")
    device = Device(kind="wrist")
    identifiers = ("account and data point ids",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise a list of data points of a type that is read."""
        head = source.head(member)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
            return Sniff(0.0, "not JSON")
        types = [name for name in (*_SAMPLES, *_DAILY) if f'"{name}"'.encode() in head]
        if types and (b'"dataPoints"' in head or b'"physicalTime"' in head):
            return Sniff(0.95, f"data points of {', '.join(types)}")
        return Sniff(0.0, "no data points of the Google Health API")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Samples and daily values; points of other types are passed over."""
        skipped = gathered.of(source, member)
        for place, point in enumerate(_points(read_json(source, member)), 1):
            for name, fields in _SAMPLES.items():
                if isinstance(held := point.get(name), Mapping):
                    _add(gathered, held, fields, place, skipped, _sample_time(held, gathered))
            for name, fields in _DAILY.items():
                if isinstance(held := point.get(name), Mapping):
                    _add(gathered, held, fields, place, skipped, _day(held))


def _points(found: Any) -> Iterator[Mapping[str, Any]]:
    """Points of one answer of the service, of a list of answers, or of a bare list."""
    for answer in found if isinstance(found, list) else [found]:
        if isinstance(answer, Mapping):
            listed = answer.get("dataPoints", [answer])
            yield from (p for p in listed if isinstance(p, Mapping)) if isinstance(listed, list) else ()


def _add(
    gathered: Gathered,
    held: Mapping[str, Any],
    fields: tuple[tuple[str, str, Rows], ...],
    place: int,
    skipped: SkippedRows,
    time_ns: int | None,
) -> None:
    skipped.rows += 1
    if time_ns is None:
        skipped.add("bad_time", place)
        return
    given = [(name, about, number(held.get(key))) for key, name, about in fields if held.get(key) is not None]
    if not any(value > 0 for *_, value in given):
        skipped.add("bad_number", place)
    daily = "date" in held
    for name, about, value in given:
        if value > 0:
            rows = about.fresh()
            times = np.array([time_ns], np.int64)
            if daily:
                times, rows.epoch = gathered.placed(times)
            gathered.add(name, rows, times, [value])


def _sample_time(held: Mapping[str, Any], gathered: Gathered) -> int | None:
    """Instant of a sample in UTC; its offset is noted."""
    stated = held.get("sampleTime")
    if not isinstance(stated, Mapping) or not isinstance(stated.get("physicalTime"), str):
        return None
    try:
        moment = datetime.fromisoformat(stated["physicalTime"])
    except ValueError:
        return None
    if moment.tzinfo is None or not 1990 <= moment.year < 2200:
        return None
    offset = _OFFSET.fullmatch(str(stated.get("utcOffset", "")))
    if offset and abs(int(offset[1])) <= _LARGEST_OFFSET_S:
        gathered.offsets.add(int(offset[1]))
    return round(moment.timestamp() * 1000) * 1_000_000


def _day(held: Mapping[str, Any]) -> int | None:
    """Local midnight of a date, in ns as if it were UTC."""
    date = held.get("date")
    if not isinstance(date, Mapping):
        return None
    year, month, day = (number(date.get(part)) for part in ("year", "month", "day"))
    if not (1990 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    found = int(iso_times([f"{int(year):04d}-{int(month):02d}-{int(day):02d}T00:00"])[0])
    return None if found == BAD_TIME else found


ADAPTER = GoogleHealth()
