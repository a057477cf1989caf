"""Waveforms as plain text under a header that names rate and columns: OpenSignals (BITalino, biosignalsplux), BioSPPy.

OpenSignals puts one JSON object into a comment line, with an entry for each device; BioSPPy writes one setting in each
comment line. Columns are separated by tabs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    Clock,
    ClockBlock,
    Device,
    Epoch,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Severity,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import placed_start
from allostat_devices.number_columns import Column, floats, lossless_integers, read_block
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = int(np.iinfo(np.int32).min)
_HEAD_BYTES = 1 << 16
_OPEN_SIGNALS = "# OpenSignals Text File Format"
_SETTING = re.compile(r"^#\s*(?P<name>[A-Za-z ]+?)\s*(?:\([^)]*\))?\s*:=\s*(?P<value>.*)$")
_BITALINO_ECG_MV = 3.3 / 1100 * 1000
"""Range of the BITalino ECG sensor in mV: supply voltage by gain."""
_SENSORS: dict[str, SampleKind] = {
    "ecg": "ecg", "ecgbit": "ecg", "bvp": "ppg", "ppg": "ppg", "ppgbit": "ppg", "eda": "eda", "edabit": "eda",
    "temp": "temp", "tmp": "temp", "acc": "acc", "xyz": "acc",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Track:
    """One column of samples."""

    column: int
    name: str
    kind: SampleKind
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    saturation: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    dialect: str
    lines: int
    width: int
    rate_hz: float
    start_local_ns: int | None
    tracks: tuple[_Track, ...]
    counter: tuple[int, int] | None = None
    """Column of the packet counter, and after how many packets it begins anew."""
    device: Device = field(default_factory=Device)
    identifiers: tuple[str, ...] = ()


class SignalText:
    """Adapter of waveform text with a header."""

    name = "signal_text"
    title = "waveform text with a header (OpenSignals, BioSPPy)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "eda", "acc", "temp", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the header of comment lines by its rate and columns."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams from the header, and the number of lines."""
        streams: list[StreamSummary] = []
        identifiers: dict[str, None] = {}
        epochs: set[Epoch] = set()
        devices: set[Device] = set()
        members = claimed_members(source, _look)
        for member in members:
            name = without_device_id(shown_name(source, member))
            header = _header(source, member)
            n = max(count_lines(source, member)[0] - header.lines, 0)
            start = header.start_local_ns or 0
            end = start + round(n / header.rate_hz * NS_PER_S)
            prefix = f"{PurePosixPath(name).stem}/" if len(members) > 1 else ""
            streams += [
                StreamSummary(prefix + t.name, t.kind, n, header.rate_hz, t.unit, start, end) for t in header.tracks
            ]
            identifiers |= dict.fromkeys(header.identifiers)
            epochs.add("relative" if header.start_local_ns is None else "local")
            devices.add(header.device)
        if any(map(has_device_id, [source.name, *members])):
            identifiers["device id in file name"] = None
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=devices.pop() if len(devices) == 1 else Device(),
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=tuple(identifiers),
            participant_hint=participant_of(source, members[0]) if members else None,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with one signal for each column of samples.

        Raises
        ------
        InputError
            When the header names no rate or no columns, or no row can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, zone, self), taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    if not head.lstrip(b"\xef\xbb\xbf").startswith(b"#"):
        return Sniff(0.0, "does not begin with a comment line that names a rate")
    try:
        header = _header(source, member)
    except InputError as error:
        return Sniff(0.2, str(error))
    return Sniff(0.95, f"{header.dialect} header: {len(header.tracks)} columns at {header.rate_hz:g} Hz")


def _header(source: Source, member: str) -> _Header:
    where = without_device_id(shown_name(source, member))
    lines = head_lines(source, member, _HEAD_BYTES)
    comments = [line for line in lines if line.startswith("#")]
    first = next((line for line in lines[len(comments) :] if line.strip()), "")
    width = len(first.rstrip("\t ").split("\t"))
    if lines and lines[0].startswith(_OPEN_SIGNALS):
        return _open_signals(comments, width, where)
    return _biosppy(comments, width, where)


def _open_signals(comments: Sequence[str], width: int, where: str) -> _Header:
    text = next((line[1:].strip() for line in comments if line[1:].strip().startswith("{")), None)
    try:
        devices = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise InputError(f"header line is no JSON ({error})", where=f"{where}, line 2") from error
    entries = [d for d in devices.values() if isinstance(d, dict)] if isinstance(devices, dict) else []
    if not entries:
        raise InputError("header names no device", where=f"{where}, line 2")
    tracks: list[_Track] = []
    names: list[str] = []
    counter = None
    at = 0
    for entry in entries:
        columns = [str(c) for c in _listed(entry, "column")]
        if counter is None and "nSeq" in columns:
            counter = (at + columns.index("nSeq"), 1 << _bits(entry, columns.index("nSeq"), 4))
        for track in _device_tracks(entry, columns, at, names):
            tracks.append(track)
            names.append(track.name)
        at += len(columns)
    rates = {_positive(entry.get("sampling rate")) for entry in entries}
    if len(rates) != 1 or math.isnan(rate := rates.pop()):
        raise InputError("header names no one sampling rate", where=f"{where}, line 2")
    if not tracks or at != width:
        raise InputError("header and rows differ in columns", where=where, found=width, expected=f"{at} columns")
    first = entries[0]
    firmware = str(first.get("firmware version", ""))[:12]
    model = re.sub(r"[^A-Za-z0-9_]", "", str(first.get("device", "")))[:24]
    return _Header(
        "OpenSignals", len(comments), width, rate, _start(first), tuple(tracks), counter,
        Device("PLUX", model or None, firmware or None), ("device address in header",),
    )  # fmt: skip


def _device_tracks(entry: dict[str, Any], columns: Sequence[str], at: int, taken: Sequence[str]) -> Iterator[_Track]:
    labels = [str(label) for label in _listed(entry, "label")]
    sensors = dict(zip(labels, map(str, _listed(entry, "sensor")), strict=False))
    bitalino = str(entry.get("device", "")).startswith("bitalino")
    named = list(taken)
    for i, column in enumerate(columns):
        if column == "nSeq":
            continue
        sensor = sensors.get(column, "").casefold()
        kind = _SENSORS.get(sensor, "other")
        plain = column if kind == "other" else kind
        if sensor not in ("", "raw", kind) and kind == "other":
            plain = f"{sensor}_{column}"
        name = distinct_name(stream_name(plain, kind), named)
        named.append(name)
        bits = _bits(entry, i, 0)
        limits = (0, (1 << bits) - 1) if 1 < bits <= 24 else None
        if bitalino and kind == "ecg" and limits:
            scale = _BITALINO_ECG_MV / (1 << bits)
            yield _Track(at + i, name, kind, "mV", scale, float(1 << (bits - 1)), limits)
        else:
            yield _Track(at + i, name, kind, "1", saturation=limits)


def _listed(entry: dict[str, Any], name: str) -> list[Any]:
    found = entry.get(name)
    return found if isinstance(found, list) else []


def _bits(entry: dict[str, Any], column: int, default: int) -> int:
    listed = _listed(entry, "resolution")
    bits = listed[column] if column < len(listed) else default
    return bits if isinstance(bits, int) and 1 <= bits <= 24 else default


def _positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if 0 < number < 1e7 else math.nan


def _start(entry: dict[str, Any]) -> int | None:
    day = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", str(entry.get("date", "")))
    clock = re.fullmatch(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?", str(entry.get("time", "")))
    if not day or not clock or not 1970 <= int(day[1]) < 2200:
        return None
    hour, minute, second = (int(clock[i]) for i in (1, 2, 3))
    try:
        midnight = int(np.datetime64(f"{day[1]}-{int(day[2]):02d}-{int(day[3]):02d}", "s").astype(np.int64))
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int(((clock[4] or "") + "0" * 9)[:9])
    return (midnight + hour * 3600 + minute * 60 + second) * NS_PER_S + fraction


def _biosppy(comments: Sequence[str], width: int, where: str) -> _Header:
    settings = {m["name"].strip().casefold(): m["value"].strip() for line in comments if (m := _SETTING.match(line))}
    rate = _positive(settings.get("sampling rate"))
    if math.isnan(rate):
        raise InputError("header names no sampling rate", where=where, expected="# Sampling Rate (Hz):= 1000.00")
    labels = settings.get("labels", "").split("\t") if settings.get("labels") else [""] * width
    if len(labels) != width:
        raise InputError(
            "header and rows differ in columns", where=where, found=width, expected=f"{len(labels)} columns"
        )
    bits = settings.get("resolution", "")
    limits = (0, (1 << int(bits)) - 1) if re.fullmatch(r"\d{1,2}", bits) and 1 < int(bits) <= 24 else None
    unit = unit_code(settings.get("units", ""))
    tracks: list[_Track] = []
    for i, label in enumerate(labels):
        kind = kind_of_label(label) if label.strip() else "other"
        name = distinct_name(stream_name(label.strip() or "signal", kind), [t.name for t in tracks])
        tracks.append(_Track(i, name, kind, unit, saturation=limits if unit == "1" else None))
    return _Header("BioSPPy", len(comments), width, rate, None, tuple(tracks))


def _recording(source: Source, member: str, options: ReadOptions, zone: TimeZone, adapter: SignalText) -> Recording:
    name = without_device_id(shown_name(source, member))
    header = _header(source, member)
    skipped = SkippedRows(name)
    values, rows, n, counts = _values(source, member, header, skipped)
    if not len(rows):
        found = "; ".join(notice.message for notice in skipped.notices())
        raise InputError("holds no usable row", where=name, found=found or None)
    start_ns, epoch = placed_start(header.start_local_ns, zone)
    signals: dict[str, Signal] = {}
    notices: list[Notice] = []
    clock = _clock(header, rows, n, counts, start_ns, epoch, notices)
    for i, track in enumerate(header.tracks):
        samples = np.full(n, np.nan)
        samples[rows] = values[i]
        signals[track.name] = _signal(track, samples, clock)
    return Recording(
        id=recording_id(name, "signals"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=header.device,
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=(*skipped.notices(), *notices),
    )


def _values(
    source: Source, member: str, header: _Header, skipped: SkippedRows
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], int, NDArray[np.float64] | None]:
    """Columns of the tracks, the sample that each row is, the number of samples, and the packet counter.

    A bad row is a missing sample and shifts nothing.
    """
    wanted = [track.column for track in header.tracks]
    if header.counter is not None:
        wanted.append(header.counter[0])
    columns = [Column(i, floats) for i in wanted]
    parts: list[tuple[list[NDArray[Any]], NDArray[np.int64]]] = []
    last = header.lines
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            body = lines[header.lines :] if first == 1 else lines
            begin = first + (len(lines) - len(body))
            parts.append(read_block(body, begin, "\t", header.width, columns, skipped))
            filled = next((i for i in range(len(body), 0, -1) if body[i - 1].strip()), 0)
            last = max(last, begin + filled - 1) if filled else last
    if not parts:
        return [], np.empty(0, np.int64), 0, None
    together = [np.concatenate(column) for column in zip(*(block for block, _ in parts), strict=True)]
    rows = np.concatenate([numbers for _, numbers in parts]) - header.lines - 1
    counts = together.pop() if header.counter is not None else None
    return together, rows, last - header.lines, counts


def _clock(
    header: _Header,
    rows: NDArray[np.int64],
    n: int,
    counts: NDArray[np.float64] | None,
    start_ns: int,
    epoch: Epoch,
    notices: list[Notice],
) -> Clock:
    """A clock whose blocks begin where the packet counter says that samples were lost on the way."""
    rate = header.rate_hz
    if counts is None or header.counter is None or len(rows) < 2:
        return Clock.regular(n, rate, start_ns, nominal_hz=rate, epoch=epoch)
    lost = np.mod(np.diff(counts) - np.diff(rows), header.counter[1])
    # a counter that stands or jumps all the time counts something else
    if np.mean(lost != 0) > 0.05:
        return Clock.regular(n, rate, start_ns, nominal_hz=rate, epoch=epoch)
    at = np.flatnonzero(lost) + 1
    if len(at):
        count = int(lost.sum())
        message = f"{count} samples were lost between device and computer, by the packet counter"
        severity: Severity = "error" if count > 0.05 * n else "warning"
        notices.append(Notice("lost_samples", message, severity, count, None, int(rows[at[0]]) + header.lines + 1))
    shift = np.cumsum(lost[at - 1])
    firsts, shifts = [0, *rows[at].tolist()], [0.0, *shift.tolist()]
    blocks = tuple(
        ClockBlock(first, start_ns + round((first + extra) / rate * NS_PER_S), rate, rate)
        for first, extra in zip(firsts, shifts, strict=True)
    )
    return Clock(blocks, n, epoch)


def _signal(track: _Track, samples: NDArray[np.float64], clock: Clock) -> Signal:
    whole = lossless_integers(samples, _MISSING)
    if whole is None:
        return Signal(track.name, track.kind, samples, clock, track.unit, track.scale, track.offset)
    integers, scale = whole
    saturation = track.saturation if scale == 1.0 else None
    scale, offset = track.scale * scale, track.offset / scale
    return Signal(track.name, track.kind, integers, clock, track.unit, scale, offset, _MISSING, saturation)


ADAPTER = SignalText()
