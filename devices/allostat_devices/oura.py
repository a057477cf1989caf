"""Oura API v2 ``sleep`` documents in JSON: nights with heart rate and RMSSD every five minutes.

The day of a document is the day of waking. The device's RMSSD is filed as RMSSD, never as SDNN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Sniff
from allostat.recording import Device
from allostat.source import Source
from allostat_devices.whole_export import Gathered, Rows, WholeExport, number, read_json

_NS = 1_000_000_000
_MOST = 100_000


class Oura(WholeExport):
    """Adapter of Oura sleep documents."""

    name = "oura"
    title = "Oura sleep documents (API v2 JSON)"
    streams: tuple[str, ...] = ("hrv", "hr", "sleep")
    device = Device(manufacturer="Oura", kind="ring")
    identifiers = ("document ids",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the keys of a sleep document."""
        head = source.head(member)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
            return Sniff(0.0, "not JSON")
        wanted = sum(key in head for key in (b'"bedtime_start"', b'"average_hrv"', b'"lowest_heart_rate"'))
        if wanted == 3:
            return Sniff(0.95, "keys of Oura sleep documents")
        return Sniff(0.0, "no keys of Oura sleep documents")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Five-minute courses, nightly summaries and sleep windows of each document."""
        skipped = gathered.of(source, member)
        for place, document in enumerate(_documents(read_json(source, member)), 1):
            skipped.rows += 1
            start, end = _moment(document.get("bedtime_start")), _moment(document.get("bedtime_end"))
            if start is None:
                skipped.add("bad_time", place)
                continue
            offset = start.utcoffset()
            if offset is not None:
                gathered.offsets.add(round(offset.total_seconds()))
            begin = _ns(start)
            finish = _ns(end) if end is not None and end > start else begin
            for key, name, about in (
                ("hrv", "rmssd", Rows("hrv", "ms", "rmssd", 300.0, "night")),
                ("heart_rate", "hr", Rows("hr", "/min", window_s=300.0, context="night")),
            ):
                times, values, window_s = _course(document.get(key))
                if len(times):
                    about.window_s = window_s
                    gathered.add(name, about, times, values)
                elif isinstance(document.get(key), Mapping):
                    skipped.add("bad_number", place)
            for key, name, about in (
                ("average_hrv", "rmssd_of_night", Rows("hrv", "ms", "rmssd", context="night")),
                ("lowest_heart_rate", "resting_hr", Rows("resting_hr", "/min", context="night")),
                ("average_breath", "respiration_rate", Rows("respiration_rate", "/min", context="night")),
            ):
                value = number(document.get(key))
                if math.isfinite(value) and value > 0:
                    gathered.add(name, about, [begin], [value], [finish])
            if finish > begin:
                main = np.array([document.get("type") in (None, "long_sleep")], np.int8)
                gathered.add("sleep", Rows("sleep", "1"), [begin], [1.0], [finish], main_sleep=main)


def _documents(found: Any) -> Iterator[Mapping[str, Any]]:
    listed = found.get("data", [found]) if isinstance(found, Mapping) else found
    yield from (d for d in listed if isinstance(d, Mapping)) if isinstance(listed, list) else ()


def _course(found: Any) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Instants, values (NaN for null: the grid stays) and the interval in s of a course."""
    none = np.zeros(0, np.int64), np.zeros(0), math.nan
    if not isinstance(found, Mapping):
        return none
    start, interval, items = _moment(found.get("timestamp")), number(found.get("interval")), found.get("items")
    if start is None or not (1 <= interval <= 3600) or not isinstance(items, list) or len(items) > _MOST:
        return none
    step = np.arange(len(items)) * interval * _NS
    values = np.array([number(item) for item in items])
    values[values <= 0] = np.nan
    return _ns(start) + np.rint(step).astype(np.int64), values, interval


def _moment(text: object) -> datetime | None:
    """An ISO time with its offset; None without one, because instants are not guessed."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1990 <= moment.year < 2200 else None


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1000) * 1_000_000


ADAPTER = Oura()
