"""Shimmer Consensys CSV: ``sep=``, a row of names, a row of units, then samples with Unix time in ms.

Column names begin with the name of the device, which holds its id; it is left out. The columns of each device in a
file become a recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    Clock,
    Device,
    Epoch,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.clock_blocks import clock_of, usable_stamps
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.number_columns import Column, floats, floats_or_missing, lossless_integers, read_block
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = int(np.iinfo(np.int32).min)
_HEAD_BYTES = 1 << 16
_SEPARATORS = {";": ";", ",": ",", "\t": "\t", "\\t": "\t", "tab": "\t"}
_DEVICE = re.compile(r"^(?P<device>.*?Shimmer_[0-9A-Za-z]+)_(?P<rest>.+)$")
_ENDING = re.compile(r"_(CAL|RAW|UNCAL)$", re.I)
_CLOCKS = ("Timestamp_Unix", "TimestampSync_Unix", "Timestamp_SyncUnix", "System_Timestamp", "Timestamp")
"""In order of preference."""
_ABSOLUTE_MS = 1e11
"""Smaller times count from the start of the device."""
_SHIMMER = Device("Shimmer", "Shimmer3")


@dataclass(frozen=True, slots=True)
class _Columns:
    """One device's columns in a file."""

    time: int
    samples: tuple[tuple[int, str, SampleKind, str], ...]
    """Place, stream name, kind and unit."""


@dataclass(frozen=True, slots=True)
class _Header:
    separator: str
    lines: int
    width: int
    devices: tuple[_Columns, ...]


class Shimmer:
    """Adapter of Consensys CSV files."""

    name = "shimmer"
    title = "Shimmer Consensys CSV"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg", "ppg", "acc", "gyro", "magn", "eda", "temp", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise column names that begin with a Shimmer's name and end in CAL or RAW."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams, span and rate from the first and last rows and the number of lines."""
        streams: list[StreamSummary] = []
        members = claimed_members(source, _look)
        epochs: set[Epoch] = set()
        for member in members:
            header = _header(source, member)
            count, last = count_lines(source, member)
            n = max(count - header.lines, 0)
            head = head_lines(source, member, _HEAD_BYTES)[header.lines :]
            for columns in header.devices:
                first_ns, last_ns = _edge(head, header, columns), _edge(last[::-1], header, columns)
                rate = (n - 1) * 1e9 / (last_ns - first_ns) if last_ns > first_ns else float("nan")
                streams += [StreamSummary(s, k, n, rate, u, first_ns, last_ns) for _, s, k, u in columns.samples]
                epochs.add("utc" if first_ns > _ABSOLUTE_MS * 1e6 else "relative")
        identifiers = ["device id in column names"] if members else []
        if any(map(has_device_id, [source.name, *members])):
            identifiers.append("device id in file name")
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_SHIMMER,
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=tuple(identifiers),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(_unverified(),),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each device of each file.

        Raises
        ------
        InputError
            When the header names no time or no row can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            header = _header(source, member)
            for columns in header.devices:
                yield with_distinct_id(_recording(source, member, header, columns, options, zone, self), taken)


def _unverified() -> Notice:
    return Notice("unverified", "Shimmer Consensys: not verified on a real export")


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    lines = head_lines(source, member)
    if not any("Shimmer" in line for line in lines[:2]):
        return Sniff(0.0, "no column names of a Shimmer in the first two lines")
    try:
        header = _header(source, member)
    except InputError as error:
        return Sniff(0.3, str(error))
    return Sniff(0.95, f"{sum(len(d.samples) for d in header.devices)} columns of a Shimmer")


def _header(source: Source, member: str) -> _Header:
    where = without_device_id(shown_name(source, member))
    lines = head_lines(source, member, _HEAD_BYTES)
    told = re.match(r'^"?sep=(.{1,3}?)"?\s*$', lines[0]) if lines else None
    body = lines[1:] if told else lines
    if len(body) < 2:
        raise InputError("holds no names and units", where=where)
    separator = _SEPARATORS.get(told[1], told[1]) if told else max("\t;,", key=body[0].count)
    names = [cell.strip().strip('"') for cell in body[0].split(separator)]
    while names and not names[-1]:
        names.pop()
    units = [cell.strip().strip('"') for cell in body[1].split(separator)] + [""] * len(names)
    devices: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        found = _DEVICE.match(name)
        if found:
            devices.setdefault(found["device"], []).append(i)
    made = tuple(c for places in devices.values() if (c := _columns(places, names, units)) is not None)
    if not made:
        raise InputError("no Shimmer column of time in ms", where=where, found=", ".join(_plain(n) for n in names[:6]))
    return _Header(separator, (1 if told else 0) + 2, len(names), made)


def _plain(name: str) -> str:
    found = _DEVICE.match(name)
    return _ENDING.sub("", found["rest"] if found else name)


def _columns(places: list[int], names: list[str], units: list[str]) -> _Columns | None:
    plain = {i: _plain(names[i]) for i in places}
    in_ms = [i for i in places if units[i].casefold() == "ms"]
    time = next((i for clock in _CLOCKS for i in in_ms if plain[i].casefold() == clock.casefold()), None)
    if time is None:
        return None
    samples: list[tuple[int, str, SampleKind, str]] = []
    for i in places:
        if i == time or "timestamp" in plain[i].casefold():
            continue
        kind = _kind(plain[i])
        name = distinct_name(stream_name(_axis(plain[i]), kind), [s[1] for s in samples])
        samples.append((i, name, kind, unit_code(units[i])))
    return _Columns(time, tuple(samples)) if samples else None


def _kind(name: str) -> SampleKind:
    folded = name.casefold()
    if "ibi" in folded or "tohr" in folded or "heart" in folded:
        # derived by the software, and held from one beat to the next
        return "other"
    if folded.startswith(("accel", "low_noise_accel", "wide_range_accel")):
        return "acc"
    for start, kind in (("gyro", "gyro"), ("mag", "magn"), ("gsr", "eda"), ("ppg", "ppg"), ("ecg", "ecg")):
        if folded.startswith(start):
            return kind  # type: ignore[return-value]
    return "ecg" if folded.startswith("exg") else kind_of_label(name)


def _axis(name: str) -> str:
    """``Accel_LN_X`` as ``acc_ln_x``."""
    found = re.match(r"(accel|gyro|mag)[a-z]*_?", name, re.I)
    short = {"a": "acc_", "g": "gyro_", "m": "magn_"}
    return short[found[0][0].casefold()] + name[found.end() :] if found else name


def _edge(lines: list[str], header: _Header, columns: _Columns) -> int:
    for line in lines:
        cells = line.split(header.separator)
        try:
            return int(_as_ns(np.array([float(cells[columns.time])]))[0])
        except (ValueError, IndexError, OverflowError):
            continue
    return 0


def _as_ns(time_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Float ms as ns; whole ms exactly."""
    whole = np.floor(time_ms)
    if not (np.abs(whole) < 9e12).all():
        raise ValueError("not a time in ms")
    return whole.astype(np.int64) * 1_000_000 + np.rint((time_ms - whole) * 1e6).astype(np.int64)


def _recording(
    source: Source,
    member: str,
    header: _Header,
    columns: _Columns,
    options: ReadOptions,
    zone: TimeZone,
    adapter: Shimmer,
) -> Recording:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    time_ms, values, lines = _values(source, member, header, columns, skipped)
    usable = np.abs(time_ms) < 9e12
    skipped.add("bad_time", int(lines[~usable][0]) if not usable.all() else 1, int((~usable).sum()))
    times = _as_ns(time_ms[usable])
    values, lines = [v[usable] for v in values], lines[usable]
    keep = usable_stamps(times, lines, skipped)
    if keep is not None:
        times, values = times[keep], [v[keep] for v in values]
    if not len(times):
        found = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no usable row", where=name, found=found or None)
    epoch: Epoch = "utc" if times[0] > _ABSOLUTE_MS * 1e6 else "relative"
    if epoch == "relative":
        times = times - times[0]
    clock = clock_of(times, epoch=epoch, where=name)
    signals = {
        stream: _signal(stream, kind, unit, column, clock)
        for (_, stream, kind, unit), column in zip(columns.samples, values, strict=True)
    }
    return Recording(
        id=recording_id(re.sub(r"_?Shimmer_[0-9A-Za-z]+", "", name), "shimmer"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_SHIMMER,
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=(_unverified(), *skipped.notices()),
    )


def _values(
    source: Source, member: str, header: _Header, columns: _Columns, skipped: SkippedRows
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]], NDArray[np.int64]]:
    wanted = [Column(columns.time, floats, "bad_time")]
    wanted += [Column(i, floats_or_missing) for i, *_ in columns.samples]
    parts = []
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            body = lines[header.lines :] if first == 1 else lines
            begin = first + (len(lines) - len(body))
            parts.append(read_block(body, begin, header.separator, header.width, wanted, skipped))
    if not parts:
        return np.empty(0), [np.empty(0) for _ in columns.samples], np.empty(0, np.int64)
    time, *values = [np.concatenate(column) for column in zip(*(block for block, _ in parts), strict=True)]
    return time, values, np.concatenate([numbers for _, numbers in parts])


def _signal(name: str, kind: SampleKind, unit: str, values: NDArray[np.float64], clock: Clock) -> Signal:
    whole = lossless_integers(values, _MISSING)
    if whole is None:
        return Signal(name, kind, values, clock, unit)
    integers, scale = whole
    return Signal(name, kind, integers, clock, unit, scale, missing=_MISSING)


ADAPTER = Shimmer()
