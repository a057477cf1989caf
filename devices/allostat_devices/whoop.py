"""Whoop account export: ``physiological_cycles.csv`` and ``sleeps.csv``, one row a cycle or sleep.

Times are naive with a column for the offset; both times of a row use that row's offset. HRV is RMSSD by the vendor's
word. Journal entries and the profile are never read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np

from allostat.adapter import Sniff
from allostat.recording import Device
from allostat.source import Source
from allostat_devices.text_lines import head_lines, open_text, readable, why_not_text
from allostat_devices.whole_export import (
    BAD_TIME,
    Gathered,
    Rows,
    WholeExport,
    iso_times,
    number,
    offset_seconds,
    usable_times,
)

_NS = 1_000_000_000
_CLOCK = ("cycle start time", "cycle timezone")
_CYCLE, _NAP = "heart rate variability (ms)", "nap"
_NIGHTLY = {
    "resting heart rate (bpm)": ("resting_hr", Rows("resting_hr", "/min", context="night")),
    _CYCLE: ("rmssd", Rows("hrv", "ms", "rmssd", context="night")),
    "respiratory rate (rpm)": ("respiration_rate", Rows("respiration_rate", "/min", context="night")),
    "average hr (bpm)": ("mean_hr", Rows("hr", "/min", context="day")),
}


class Whoop(WholeExport):
    """Adapter of Whoop exports."""

    name = "whoop"
    title = "Whoop account export (cycles and sleeps)"
    verified = True
    streams: tuple[str, ...] = ("hrv", "hr", "sleep")
    device = Device(manufacturer="Whoop", kind="wrist")
    identifiers = ("free text in journal entries",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise the columns."""
        head = source.head(member)
        reason = why_not_text(head)
        if reason:
            return Sniff(0.0, reason)
        names = _names(head_lines(source, member)[0])
        if not set(_CLOCK) <= set(names):
            return Sniff(0.0, "the header has no cycle start time with its time zone")
        if _CYCLE in names or _NAP in names:
            return Sniff(0.95, "columns of cycles or sleeps")
        return Sniff(0.2, "Whoop columns, but neither cycles nor sleeps")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Nightly values of cycles; sleep of ``sleeps.csv``, of cycles where there is none."""
        skipped = gathered.of(source, member)
        for line, row in _rows(source, member):
            skipped.rows += 1
            offset = offset_seconds(row.get("cycle timezone", ""))
            texts = [row.get(name, "") for name in ("cycle start time", "sleep onset", "wake onset", "cycle end time")]
            if offset is None:
                skipped.add("bad_time", line)
                continue
            local = [int(iso_times([t])[0]) if t else BAD_TIME for t in texts]
            start, onset, wake, end = (t - offset * _NS if usable_times(np.array([t]))[0] else None for t in local)
            if start is None:
                skipped.add("bad_time", line)
                continue
            gathered.offsets.add(offset)
            night = (onset, wake) if onset is not None and wake is not None and wake > onset else (start, start)
            for column, (name, about) in _NIGHTLY.items():
                value = number(row.get(column, ""))
                if np.isfinite(value) and _NAP not in row:
                    day = about.context == "day"
                    span = (start, end if end is not None and end > start else start) if day else night
                    offsets = np.array([offset], np.int64)
                    gathered.add(name, about.fresh(), [span[0]], [value], [span[1]], utc_offset_s=offsets)
            if night[1] > night[0]:
                nap = row.get(_NAP, "").casefold() == "true"
                key = "sleep" if _NAP in row else "sleep_of_cycles"
                flag, offsets = np.array([nap], np.int8), np.array([offset], np.int64)
                about = Rows("sleep", "1")
                gathered.add(key, about, [night[0]], [1.0], [night[1]], nap=flag, utc_offset_s=offsets)
        if "sleep" in gathered.rows:
            gathered.rows.pop("sleep_of_cycles", None)


def _names(line: str) -> list[str]:
    return [cell.strip().casefold() for cell in next(csv.reader([line.lstrip("\ufeff")]), [])]


def _rows(source: Source, member: str) -> Iterator[tuple[int, dict[str, str]]]:
    with open_text(source, member) as text:
        names = _names(readable(text.readline()))
        for line, cells in enumerate(csv.reader(text), 2):
            if any(cells):
                yield line, dict(zip(names, (readable(c).strip() for c in cells), strict=False))


ADAPTER = Whoop()
