"""Hexoskin sessions (zip or folder): ``ECG_I.wav``, further ``.wav`` waves, ``RR_interval.csv``.

Waves tell no start; ``info.json`` does, in 1/256 s since 1970, as do the times of tables. In ``RR_interval.csv`` each
row is a beat: its time in s since the start (or in 1/256 s since 1970) and its interval in 1/256 s.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    Beats,
    Clock,
    Device,
    Epoch,
    InputFile,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.beat_stamps import RecordedIntervals, joined_by_stamps, place, plausible
from allostat_devices.byte_streams import refuse_too_large
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import is_single, participant_of, with_distinct_id
from allostat_devices.number_columns import Column, floats, read_block
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TICKS_PER_S = 256
_ABSOLUTE = 1e11
"""Larger times are ticks since 1970."""
_HEXOSKIN = Device("Carre Technologies", "Hexoskin", kind="shirt")
_WAVE = re.compile(r"^(ECG_[IV]+|respiration_(?:thoracic|abdominal)|acceleration_[XYZ])\.wav$", re.I)
_BEATS = "rr_interval.csv"


@dataclass(frozen=True, slots=True)
class _Wave:
    """Header of a RIFF wave: channels, rate, and how many bytes of samples follow."""

    rate_hz: int
    bits: int
    bytes_stated: int


class Hexoskin:
    """Adapter of Hexoskin sessions; several sessions in one source are several recordings."""

    name = "hexoskin"
    title = "Hexoskin session (zip or folder)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg", "acc", "other", "beats")
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise the names of the waves and that they are RIFF waves."""
        if is_single(source):
            return Sniff(0.0, "one file; a Hexoskin session is a zip or folder with ECG_I.wav, RR_interval.csv …")
        good: list[str] = []
        for members in _sessions(source).values():
            waves = [m for n, m in members.items() if _WAVE.match(n)]
            if all(source.head(m)[:4] == b"RIFF" for m in waves):
                good += members.values()
        if not good:
            return Sniff(0.0, "holds no ECG_I.wav of a Hexoskin")
        return Sniff(0.9, "wave files named as a Hexoskin's", tuple(sorted(good)))

    def inspect(self, source: Source) -> Manifest:
        """Streams and span of all sessions."""
        streams: list[StreamSummary] = []
        notices: dict[Notice, None] = {}
        epochs: set[Epoch] = set()
        members: list[str] = []
        for files in _sessions(source).values():
            members += files.values()
            start_ns = _start(source, files)
            epochs.add("relative" if start_ns is None else "utc")
            for name, member in files.items():
                if _WAVE.match(name):
                    streams.append(_summary(source, name, member, start_ns or 0))
            notices[_unverified()] = None
        identifiers = ["user in info.json"] if any(m.casefold().endswith("info.json") for m in members) else []
        if any(map(has_device_id, [source.name, *members])):
            identifiers.append("device id in file name")
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_HEXOSKIN,
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=tuple(identifiers),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each session.

        Raises
        ------
        InputError
            When the source holds no session, or a session nothing that can be used.
        """
        sessions = {} if is_single(source) else _sessions(source)
        if not sessions:
            raise InputError("holds no Hexoskin session", where=without_device_id(source.name))
        zone = zone_of_options(options)
        taken: set[str] = set()
        for folder, files in sessions.items():
            yield with_distinct_id(_recording(source, folder, files, options, zone, self), taken)


def _unverified() -> Notice:
    return Notice("unverified", "Hexoskin: not verified on a real export")


def _sessions(source: Source) -> dict[str, dict[str, str]]:
    """Members of each session by the file names that are read."""
    found: dict[str, dict[str, str]] = {}
    for member in source.members:
        path = PurePosixPath(member)
        if _WAVE.match(path.name) or path.name.casefold() in (_BEATS, "info.json"):
            found.setdefault(path.parent.as_posix().removeprefix("."), {})[path.name] = member
    return {f: files for f, files in found.items() if any(_WAVE.match(name) for name in files)}


def _recording(
    source: Source, folder: str, files: dict[str, str], options: ReadOptions, zone: TimeZone, adapter: Hexoskin
) -> Recording:
    notices = [_unverified()]
    inputs: list[InputFile] = []
    signals: dict[str, Signal] = {}
    start_ns = _start(source, files)
    epoch: Epoch = "relative" if start_ns is None else "utc"
    beats: dict[str, Beats] = {}
    for name, member in sorted(files.items()):
        if name.casefold() == "info.json":
            continue
        inputs.append(input_file(source, member))
        if _WAVE.match(name):
            signal = _signal(source, name, member, start_ns or 0, epoch, notices)
            signals |= {} if signal is None else {signal.name: signal}
        else:
            skipped = SkippedRows(without_device_id(member))
            beats |= _beats(source, member, start_ns, skipped)
            notices += skipped.notices()
    if not signals and not beats:
        raise InputError("holds no samples and no beats", where=without_device_id(folder or source.name))
    return Recording(
        id=recording_id(PurePosixPath(folder).name or source.name, "hexoskin"),
        signals=signals,
        beats=beats,
        participant=options.participant or participant_of(source, next(iter(files.values()))),
        timezone=zone,
        device=_HEXOSKIN,
        provenance=Provenance(tuple(inputs), adapter.name, adapter.version, adapter.verified),
        notices=tuple(notices),
    )


def _start(source: Source, files: dict[str, str]) -> int | None:
    member = next((m for n, m in files.items() if n.casefold() == "info.json"), None)
    if member is None:
        return None
    with source.open(member) as stream:
        data = stream.read(1 << 20)
    try:
        told: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    ticks = told.get("timestamp", told.get("start")) if isinstance(told, dict) else None
    if isinstance(ticks, bool) or not isinstance(ticks, (int, float)) or not _ABSOLUTE < ticks < 2e12:
        return None
    return round(ticks * NS_PER_S / _TICKS_PER_S)


def _wave_header(stream: IO[bytes], where: str) -> _Wave:
    """Read up to the first sample."""
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise InputError("is no RIFF wave", where=where)
    rate = bits = 0
    for _ in range(64):
        chunk = stream.read(8)
        if len(chunk) < 8:
            break
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            if not rate:
                break
            return _Wave(rate, bits, size)
        content = stream.read(min(size + size % 2, 1 << 20))
        if name == b"fmt " and len(content) >= 16:
            form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
            if form not in (1, 0xFFFE) or channels != 1 or bits != 16 or not 0 < rate < 100_000:
                found = f"format {form}, {channels} channels, {bits} bits, {rate} Hz"
                raise InputError("kind of wave is not read", where=where, found=found, expected="16-bit, one channel")
    raise InputError("wave has no samples", where=where)


def _stream_of(name: str) -> tuple[str, SampleKind]:
    stem = PurePosixPath(name).stem.casefold()
    if stem.startswith("ecg"):
        return "ecg" if stem == "ecg_i" else stem, "ecg"
    if stem.startswith("acceleration_"):
        return f"acc_{stem[-1]}", "acc"
    return stem, "other"


def _summary(source: Source, name: str, member: str, start_ns: int) -> StreamSummary:
    stream_name, kind = _stream_of(name)
    with source.open(member) as stream:
        wave = _wave_header(stream, without_device_id(member))
    n = min(wave.bytes_stated, source.size(member)) // 2
    return StreamSummary(
        stream_name, kind, n, wave.rate_hz, "1", start_ns, start_ns + round(n / wave.rate_hz * NS_PER_S)
    )


def _signal(
    source: Source, name: str, member: str, start_ns: int, epoch: Epoch, notices: list[Notice]
) -> Signal | None:  # fmt: skip
    where = without_device_id(member)
    with source.open(member) as stream:
        wave = _wave_header(stream, where)
        refuse_too_large(min(wave.bytes_stated, source.size(member)), where)
        data = stream.read(min(wave.bytes_stated, source.size(member)))
    # 0 and -1 stand where the length was not known while recording
    if len(data) < wave.bytes_stated < 0xFFFF0000:
        missing = wave.bytes_stated - len(data)
        message = f"holds {len(data)} of the {wave.bytes_stated} bytes of samples that are stated"
        notices.append(
            Notice("truncated", message, "error" if missing > 0.05 * wave.bytes_stated else "warning", 1, where)
        )
    samples: NDArray[np.int16] = np.frombuffer(data, "<i2", len(data) // 2).astype(np.int16)
    if not len(samples):
        notices.append(Notice("empty", f"{PurePosixPath(where).name} holds no samples", "warning", 1, where))
        return None
    stream_name, kind = _stream_of(name)
    clock = Clock.regular(len(samples), wave.rate_hz, start_ns, nominal_hz=wave.rate_hz, epoch=epoch)
    saturation = (0, 4095) if kind == "ecg" and int(samples.min()) >= 0 and int(samples.max()) <= 4095 else None
    return Signal(stream_name, kind, samples, clock, "1", saturation=saturation)


def _beats(source: Source, member: str, start_ns: int | None, skipped: SkippedRows) -> dict[str, Beats]:
    if why_not_text(source.head(member)):
        return {}
    columns = [Column(0, floats, "bad_time"), Column(1, floats)]
    parts = []
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            named = first == 1 and bool(lines) and not re.match(r"^\s*[-+.\d]", lines[0])
            body = lines[1:] if named else lines
            parts.append(read_block(body, first + named, ",", 2, columns, skipped))
    if not parts:
        return {}
    times, values = (np.concatenate(column) for column in zip(*(block for block, _ in parts), strict=True))
    numbers = np.concatenate([n for _, n in parts])
    # the first row has no interval yet
    kept = ~((values == 0) & (np.arange(len(values)) == 0))
    times, values, numbers = times[kept], values[kept], numbers[kept]
    known = (np.abs(times) < 1e9) | ((times > _ABSOLUTE) & (times < 2e12))
    # a file counts from its start or from 1970, not now this and now that
    absolute = bool(known.any() and times[known][0] > _ABSOLUTE)
    usable = (values > 0) & (values < 1e6) & known & ((times > _ABSOLUTE) == absolute)
    skipped.add("out_of_range", int(numbers[~usable][0]) if not usable.all() else 1, int((~usable).sum()))
    times, values, numbers = times[usable], values[usable], numbers[usable]
    if not len(times):
        return {}
    # seconds would make every interval longer than 5 s
    length_ms = values * (1000.0 / _TICKS_PER_S if float(np.median(values)) > 20 else 1000.0)
    epoch: Epoch = "utc" if absolute or start_ns is not None else "relative"
    if absolute:
        ends = np.rint(times).astype(np.int64) * (NS_PER_S // _TICKS_PER_S)
    else:
        ends = np.rint(times * 1e9).astype(np.int64) + (start_ns or 0)
    keep = usable_stamps(ends, numbers, skipped)
    if keep is not None:
        ends, length_ms, numbers = ends[keep], length_ms[keep], numbers[keep]
    odd = ~plausible(length_ms)
    if odd.any():
        skipped.add("out_of_range", int(numbers[odd][0]), int(odd.sum()))
    joined = joined_by_stamps(ends, length_ms, 2 * 1000.0 / _TICKS_PER_S)
    return {"rr": place(RecordedIntervals(ends, length_ms, joined), epoch=epoch).beats}


ADAPTER = Hexoskin()
