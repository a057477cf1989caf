"""ECG logger CSV of a Polar H10: ``time,ecg,hr,rr`` with time in Unix ns, ECG in mV and the strap's own RR.

Time is written as the text of a binary float (``1.71492060000602e+18``) on a grid of 10 µs and is read by decimal
arithmetic. The strap sends RR intervals in packets of heart-rate notifications: the row tells when a packet
arrived, not when the beats were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import Beats, Device, Notice, Provenance, Recording, Signal
from allostat.source import Source
from allostat_devices.beat_stamps import Placed, by_arrival, place
from allostat_devices.clock_blocks import clock_of, usable_stamps
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.number_columns import (
    Column,
    exact_integers,
    floats_or_missing,
    lossless_integers,
    read_table,
)
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, open_table, readable, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = ("time", "ecg", "hr", "rr")
_NOMINAL_HZ = 130.0
_MISSING = int(np.iinfo(np.int32).min)
_DEVICE = Device(manufacturer="Polar", model="H10", kind="chest strap")


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    places: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Rows:
    time_ns: NDArray[np.int64]
    ecg_mv: NDArray[np.float64]
    rr_ms: NDArray[np.float64]
    lines: NDArray[np.int64]


class PolarEcgLogger:
    """Adapter of the ECG logger CSV (also gzip-compressed)."""

    name = "polar_ecg_logger"
    title = "ECG logger CSV (Polar H10)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "beats")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the header ``time,ecg,hr,rr`` above rows whose time is in Unix ns."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams, span and rate from the first and last lines and the number of lines."""
        streams: list[StreamSummary] = []
        members = claimed_members(source, _look)
        for member in members:
            streams += _summaries(source, member)
        names = [shown_name(source, member) for member in members]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            identifiers=("device id in file name",) if any(map(has_device_id, names)) else (),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(Notice("estimated", "rows counted, not parsed; beats are counted by reading", "info"),),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the signal ``ecg`` and, when the strap's RR are there, the beats ``rr``.

        Raises
        ------
        InputError
            When a column is missing or no row can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            name = shown_name(source, member)
            skipped = SkippedRows(without_device_id(name))
            rows = _in_order(_read_rows(source, member, skipped), skipped)
            if not len(rows.time_ns) or np.isnan(rows.ecg_mv).all():
                found = "; ".join(n.message for n in skipped.notices())
                raise InputError("holds no usable row", where=name, found=found or None)
            notices: list[Notice] = []
            ecg = _ecg(rows, name)
            beats = _beats(rows, skipped, notices)
            recording = Recording(
                id=recording_id(name, "ecg"),
                signals={"ecg": ecg},
                beats=beats,
                participant=options.participant or participant_of(source, member),
                timezone=zone,
                device=_DEVICE,
                provenance=Provenance((input_file(source, member),), self.name, self.version, self.verified),
                notices=(*skipped.notices(), *notices),
            )
            yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    lines = head_lines(source, member)
    names = _field_names(lines[0])
    for separator in ";\t":
        if {"time", "ecg"} <= set(_field_names(lines[0].replace(separator, ","))) - set(names):
            return Sniff(0.2, f"columns time and ecg, but separated by {separator!r} instead of ','")
    if "time" not in names or "ecg" not in names:
        return Sniff(0.0, f"the header has no columns time and ecg: {lines[0][:60]!r}")
    if not {"hr", "rr"} & set(names):
        return Sniff(0.3, "columns time and ecg, but neither hr nor rr")
    place_of_time = names.index("time")
    for line in lines[1:]:
        cells = line.split(",")
        if len(cells) > place_of_time and _is_unix_ns(cells[place_of_time]):
            return Sniff(0.95, "header time,ecg,hr,rr and time in Unix ns")
    return Sniff(0.4, "columns time, ecg, hr, rr, but no row begins with a time in Unix ns")


def _summaries(source: Source, member: str) -> list[StreamSummary]:
    lines = head_lines(source, member)
    header = _header(lines[0], shown_name(source, member))
    count, last = count_lines(source, member)
    first_ns, last_ns = _edge_time(lines[1:], header), _edge_time(reversed(last), header)
    n = max(count - 1, 0)
    span_s = (last_ns - first_ns) / 1e9
    rate = (n - 1) / span_s if n > 1 and span_s > 0 else math.nan
    streams = [StreamSummary("ecg", "ecg", n, rate, "mV", first_ns, last_ns)]
    if "rr" in header.places:
        streams.append(StreamSummary("rr", "beats", 0, math.nan, "ms", first_ns, last_ns))
    return streams


def _field_names(line: str) -> list[str]:
    return [name.strip().strip('"').casefold() for name in line.split(",")]


def _is_unix_ns(cell: str) -> bool:
    try:
        return "_" not in cell and 1e17 < float(cell) < 9e18
    except ValueError:
        return False


def _header(line: str, where: str) -> _Header:
    names = _field_names(line)
    for name in ("time", "ecg"):
        if name not in names:
            raise InputError("column is missing", where=f"{where}, line 1", found=line[:80], expected=f"column {name}")
    return _Header(len(names), {name: names.index(name) for name in _NAMES if name in names})


def _edge_time(lines: Iterable[str], header: _Header) -> int:
    for line in lines:
        cells = line.split(",")
        if len(cells) >= header.width and _is_unix_ns(cells[header.places["time"]]):
            return int(exact_integers([cells[header.places["time"]]])[0])
    return 0


def _read_rows(source: Source, member: str, skipped: SkippedRows) -> _Rows:
    with open_table(source, member) as (first_line, blocks):
        header = _header(readable(first_line), shown_name(source, member))
        columns = [
            Column(header.places["time"], exact_integers, "bad_time"),
            Column(header.places["ecg"], floats_or_missing),
        ]
        if "rr" in header.places:
            columns.append(Column(header.places["rr"], floats_or_missing))
        (time, ecg, *rest), lines = read_table(blocks, ",", header.width, columns, skipped)
    return _Rows(time, ecg, rest[0] if rest else np.full(len(time), np.nan), lines)


def _in_order(rows: _Rows, skipped: SkippedRows) -> _Rows:
    keep = usable_stamps(rows.time_ns, rows.lines, skipped)
    if keep is None:
        return rows
    return _Rows(rows.time_ns[keep], rows.ecg_mv[keep], rows.rr_ms[keep], rows.lines[keep])


def _ecg(rows: _Rows, where: str) -> Signal:
    clock = clock_of(rows.time_ns, nominal_hz=_NOMINAL_HZ, where=where)
    whole = lossless_integers(rows.ecg_mv, _MISSING)
    if whole is None:
        return Signal("ecg", "ecg", rows.ecg_mv, clock, "mV")
    samples, scale = whole
    return Signal("ecg", "ecg", samples, clock, "mV", scale, missing=_MISSING)


def _beats(rows: _Rows, skipped: SkippedRows, notices: list[Notice]) -> dict[str, Beats]:
    at = np.flatnonzero(~np.isnan(rows.rr_ms))
    usable = at[(rows.rr_ms[at] > 0) & (rows.rr_ms[at] < 60_000)]
    unusable = np.setdiff1d(at, usable)
    if len(unusable):
        skipped.add("out_of_range", int(rows.lines[unusable[0]]), len(unusable))
    if not len(usable):
        return {}
    # a break stands before the first usable interval after one that was left out
    broken = np.isin(np.arange(len(usable)), np.searchsorted(usable, unusable))
    placed: Placed = place(by_arrival(rows.time_ns[usable], rows.rr_ms[usable], broken), epoch="utc")
    if placed.implausible:
        implausible = (rows.rr_ms[usable] < 200) | (rows.rr_ms[usable] > 3000)
        skipped.add("out_of_range", int(rows.lines[usable[implausible][0]]), placed.implausible)
    notices.append(
        Notice(
            "arrival_times",
            "RR intervals carry the time of their packet's arrival: beats are placed by their sum and the earliest "
            "arrivals, later than the true beats by the shortest transmission time",
            "info",
            len(usable),
        )
    )
    return {"rr": placed.beats}


ADAPTER = PolarEcgLogger()
