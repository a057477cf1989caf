"""Samsung Health CSV export: heart rate, and HRV out of the binning files beside ``com.samsung.health.hrv``.

Line 1 is a type name with a version, line 2 the header. ``start_time`` is UTC text and ``time_offset`` the offset of
the local clock. Some columns carry the type name as a prefix. ECG files are named and not read: the unit of their
samples is not confirmed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

import numpy as np

from allostat.adapter import Sniff
from allostat.recording import Device, Notice
from allostat.source import Source
from allostat_devices.text_lines import head_lines, open_text, readable, why_not_text
from allostat_devices.whole_export import (
    Gathered,
    Rows,
    WholeExport,
    iso_times,
    number,
    offset_seconds,
    read_json,
    usable_times,
)

_NS_PER_MS = 1_000_000
_HR, _HRV, _ECG = "heart_rate", "com.samsung.health.hrv", "com.samsung.health.ecg"
_BINS = ".binning_data.json"
_NO_ECG = Notice("unsupported", "ECG files are not read: the unit of their samples is not confirmed", "warning")


class SamsungHealth(WholeExport):
    """Adapter of Samsung Health exports."""

    name = "samsung_health"
    title = "Samsung Health (CSV export)"
    streams: tuple[str, ...] = ("hr", "hrv")
    device = Device(manufacturer="Samsung", kind="wrist")
    identifiers = ("device and data ids in columns and file names",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the type line of a table, or a binning file in the folder of HRV."""
        head = source.head(member)
        reason = why_not_text(head)
        if reason:
            return Sniff(0.0, reason)
        if member.endswith(_BINS):
            ours = b'"rmssd"' in head and b'"sdnn"' in head and b'"start_time"' in head
            return Sniff(0.9, "bins of HRV") if ours else Sniff(0.0, "bins of something else than HRV")
        first = head_lines(source, member)[0].lstrip("\ufeff").split(",")
        if not first[0].startswith("com.samsung."):
            return Sniff(0.0, "no type of Samsung Health in line 1")
        if _kind(first[0]) is None:
            return Sniff(0.2, f"{first[0]} is not read")
        return Sniff(0.95, f"{first[0]} in line 1")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Heart rates of a table; bins of HRV; offsets of both tables."""
        skipped = gathered.of(source, member)
        if member.endswith(_BINS):
            _bins(gathered, source, member)
            return
        kind, rows = _table(source, member)
        if kind == _ECG:
            gathered.notices.append(_NO_ECG)
            return
        for line, row in rows:
            skipped.rows += 1
            start = int(iso_times([row.get("start_time", "").replace(" ", "T") or "none"])[0])
            if not usable_times(np.array([start]))[0]:
                skipped.add("bad_time", line)
                continue
            offset = offset_seconds(row.get("time_offset", ""))
            if offset is not None:
                gathered.offsets.add(offset)
            if kind != _HR:
                continue
            rate = number(row.get("heart_rate", ""))
            if not 20 < rate < 260:
                skipped.add("out_of_range", line)
                continue
            end = int(iso_times([row.get("end_time", "").replace(" ", "T") or "none"])[0])
            stop = end if usable_times(np.array([end]))[0] and end >= start else start
            gathered.add("hr", Rows("hr", "/min", context="day"), [start], [rate], [stop])


def _kind(type_name: str) -> str | None:
    if type_name.endswith(_HR):
        return _HR
    return next((k for k in (_HRV, _ECG) if type_name.startswith(k)), None)


def _table(source: Source, member: str) -> tuple[str | None, Iterator[tuple[int, Mapping[str, str]]]]:
    with open_text(source, member) as text:
        kind = _kind(readable(text.readline()).lstrip("\ufeff").split(",")[0].strip())
        names = [name.strip().rsplit(".", 1)[-1] for name in readable(text.readline()).split(",")]
        rows = [
            (line, dict(zip(names, (readable(c).strip() for c in cells), strict=False)))
            for line, cells in enumerate(csv.reader(text), 3)
            if any(cells)
        ]
    return kind, iter(rows)


def _bins(gathered: Gathered, source: Source, member: str) -> None:
    skipped = gathered.of(source, member)
    found = read_json(source, member)
    items = [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
    for place, item in enumerate(items, 1):
        skipped.rows += 1
        start_ms, end_ms = number(item.get("start_time")), number(item.get("end_time"))
        if not (6e11 < start_ms < 7e12):
            skipped.add("bad_time", place)
            continue
        start = round(start_ms) * _NS_PER_MS
        end = round(end_ms) * _NS_PER_MS if start_ms <= end_ms < 7e12 else start
        for metric in ("rmssd", "sdnn"):
            value = number(item.get(metric))
            if 0 < value < 1000:
                about = Rows("hrv", "ms", "rmssd" if metric == "rmssd" else "sdnn")
                gathered.add(metric, about, [start], [value], [end])
            else:
                skipped.add("out_of_range", place)


ADAPTER = SamsungHealth()
