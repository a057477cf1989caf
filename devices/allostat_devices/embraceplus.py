"""Empatica EmbracePlus: Avro files of at most half an hour, many of which make one session of a wristband.

Stamps are UTC and the offset of local time is declared. Each file starts its own clock block: what lies between files
is a gap, however short. Systolic peaks are the device's; intervals across a gap are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    BeatFlag,
    Beats,
    Clock,
    ClockBlock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.avro_records import LARGEST_BYTES, MAGIC, avro_records
from allostat_devices.beat_stamps import plausible
from allostat_devices.file_names import input_file, participant_hint, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import zone_to_use
from allostat_devices.zone_inference import LARGEST_OFFSET_NS, fixed_offset_name, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMED_FILE = re.compile(r"^(?P<who>.+)_(?P<start>\d{9,11})\.avro(?:\.gz)?$", re.I)
_NEXT_SCALE = (6, 5)
"""Schema from which the scale of acceleration is a factor instead of two pairs of limits."""
_LATEST_S = 7_258_118_400
"""Stamps from the year 2200 on are damaged."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """Where a stream lies in a file, and what it is."""

    name: str
    kind: SampleKind
    part: str
    column: str
    unit: str
    nominal_hz: float
    whole: bool = False


_STREAMS = (
    _Stream("ppg", "ppg", "bvp", "values", "nW", 64.0),
    _Stream("acc_x", "acc", "accelerometer", "x", "[g]", 64.0, True),
    _Stream("acc_y", "acc", "accelerometer", "y", "[g]", 64.0, True),
    _Stream("acc_z", "acc", "accelerometer", "z", "[g]", 64.0, True),
    _Stream("gyro_x", "gyro", "gyroscope", "x", "rad/s", 64.0, True),
    _Stream("gyro_y", "gyro", "gyroscope", "y", "rad/s", 64.0, True),
    _Stream("gyro_z", "gyro", "gyroscope", "z", "rad/s", 64.0, True),
    _Stream("eda", "eda", "eda", "values", "uS", 4.0),
    _Stream("temp", "temp", "temperature", "values", "Cel", 1.0),
    _Stream("steps", "other", "steps", "values", "1", 0.2, True),
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one file holds of one stream."""

    start_ns: int
    rate_hz: float
    samples: NDArray[Any]
    scale: float
    offset: float
    unit: str

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(len(self.samples) / self.rate_hz * NS_PER_S)


@dataclass
class _File:
    """One file, without what identifies."""

    member: str
    label: str
    wearer: tuple[str, str]
    """Whose and which wristband, to keep two persons' files apart; never shown."""
    offset_s: int
    version: tuple[int, ...]
    firmware: str
    pieces: dict[str, _Piece] = field(default_factory=dict)
    peaks_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    tags_ns: list[int] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    identifiers: tuple[str, ...] = ()

    @property
    def start_ns(self) -> int:
        """Earliest sample or peak."""
        starts = [piece.start_ns for piece in self.pieces.values()]
        return min([*starts, *self.peaks_ns[:1].tolist(), *self.tags_ns[:1]], default=0)


class EmbracePlus:
    """Adapter of EmbracePlus Avro files; all files of one wristband in a source are one recording."""

    name = "embraceplus"
    title = "Empatica EmbracePlus (Avro files)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ppg", "beats", "acc", "gyro", "eda", "temp", "other")
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise Avro containers whose schema is Empatica's."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span of all files together."""
        members = claimed_members(source, _look)
        files, damaged = _files(source)
        streams: dict[str, StreamSummary] = {}
        for found in sorted(files, key=lambda f: f.start_ns):
            for name, summary in _summaries(found):
                streams[name] = _together(streams.get(name), summary)
        offsets = {f.offset_s for f in files}
        return Manifest(
            source=_shown(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified and not any(n.code == "unverified" for f in files for n in f.notices),
            streams=tuple(streams.values()),
            device=_device(files),
            timezone=_told_zone(offsets.pop()) if len(offsets) == 1 else UNKNOWN_ZONE,
            identifiers=tuple(dict.fromkeys(kind for f in files for kind in f.identifiers)),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(*(n for f in files for n in f.notices), *damaged),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each wristband: signals, the device's beats ``systolic_peaks``, tags as markers.

        Raises
        ------
        InputError
            When a file is damaged, holds nothing, or fastavro is not installed (extra ``avro``).
        """
        wearers: dict[tuple[str, ...], list[_File]] = {}
        found, damaged = _files(source)
        for file in found:
            wearers.setdefault(file.wearer, []).append(file)
        taken: set[str] = set()
        for files in wearers.values():
            files.sort(key=lambda f: (f.start_ns, f.label))
            yield with_distinct_id(_recording(source, files, options, damaged, self), taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if not head.startswith(MAGIC):
        return Sniff(0.0, "is no Avro container file")
    if b"empatica.format.avro" not in head:
        return Sniff(0.2, "an Avro file, but its schema is not Empatica's")
    return Sniff(0.97, "Avro container with Empatica's schema")


def _shown(name: str) -> str:
    """A file name without its participant part, unless that is written in a safe pattern."""
    path = PurePosixPath(name)
    found = _NAMED_FILE.match(path.name)
    if not found or participant_hint(path.name):
        return without_device_id(name)
    return without_device_id(str(path.with_name(f"participant_{found['start']}.avro")))


def _files(source: Source) -> tuple[list[_File], list[Notice]]:
    """All files that can be read, and a notice for each of the others.

    Raises
    ------
    InputError
        When there is none that can be read.
    """
    files: list[_File] = []
    damaged: list[Notice] = []
    first: InputError | None = None
    for member in claimed_members(source, _look):
        try:
            files.append(_file(source, member))
        except InputError as error:
            first = first or error
            label = _shown(shown_name(source, member))
            damaged.append(Notice("damaged_file", str(error), "error", 1, label))
    if not files:
        raise first or InputError("holds no EmbracePlus file", where=_shown(source.name))
    return files, damaged


def _file(source: Source, member: str) -> _File:
    label = _shown(shown_name(source, member))
    with source.open(member) as stream:
        data = stream.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise InputError("is too large for a file of half an hour", where=label, found=f"more than {LARGEST_BYTES}")
    records = avro_records(data, label)
    if len(records) != 1:
        raise InputError("holds other than one session", where=label, found=len(records))
    session = records[0]
    raw = _part(session, "rawData")
    enrollment = _part(session, "enrollment")
    version = _version(_part(session, "schemaVersion"))
    file = _File(
        member=member,
        label=label,
        wearer=(str(enrollment.get("participantID", "")), str(session.get("deviceSn", ""))),
        offset_s=_integer(session.get("timezone")) or 0,
        version=version,
        firmware=".".join(map(str, _version(_part(session, "fwVersion")))),
        identifiers=_identifiers(enrollment, session, shown_name(source, member)),
    )
    if version[:2] >= _NEXT_SCALE:
        file.notices.append(Notice("unverified", f"schema {_dotted(version)}: not verified on a real export"))
    for kind in _STREAMS:
        piece = _piece(kind, _part(raw, kind.part), file)
        if piece is not None:
            file.pieces[kind.name] = piece
    file.peaks_ns = _stamps(_part(raw, "systolicPeaks").get("peaksTimeNanos"), 1, file)
    file.tags_ns = _stamps(_part(raw, "tags").get("tagsTimeMicros"), 1000, file).tolist()
    return file


def _identifiers(enrollment: Mapping[str, Any], session: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = []
    if any(enrollment.values()):
        found.append("participant, site and study in header")
    if session.get("deviceSn"):
        found.append("device serial number in header")
    if _NAMED_FILE.match(PurePosixPath(name).name):
        found.append("participant in file name")
    return tuple(found)


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)
    return float(value) if good else float("nan")


def _version(record: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(_integer(record.get(part)) or 0 for part in ("major", "minor", "patch"))


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _piece(stream: _Stream, part: Mapping[str, Any], file: _File) -> _Piece | None:
    values = part.get(stream.column)
    if not isinstance(values, list) or not values:
        return None
    start_us, rate = _integer(part.get("timestampStart")), _number(part.get("samplingFrequency"))
    if start_us is None or not 0 < start_us < _LATEST_S * 10**6 or not 1e-3 < rate < 1e5:
        message = f"{stream.name}: {len(values)} samples without a usable start or rate are left out"
        file.notices.append(Notice("bad_time", message, "error", len(values), file.label))
        return None
    try:
        samples = np.asarray(values, dtype=np.int32 if stream.whole else np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"samples of {stream.name} are no numbers ({error})", where=file.label) from error
    scale, offset, unit = 1.0, 0.0, stream.unit
    if stream.kind in ("acc", "gyro"):
        found = _calibration(_part(part, "imuParams"))
        if found is None:
            message = f"{stream.name}: no usable scale, raw integers are kept without unit"
            file.notices.append(Notice("no_scale", message, "warning", 1, file.label))
            unit = "1"
        scale, offset = found or (1.0, 0.0)
    return _Piece(start_us * 1000, rate, samples, scale, offset, unit)


def _calibration(params: Mapping[str, Any]) -> tuple[float, float] | None:
    """Scale and offset: a factor from schema 6.5.0 on, before that the limits of values and of counts."""
    factor = _number(params.get("conversionFactor"))
    if np.isfinite(factor) and factor != 0:
        return factor, 0.0
    low, high = _number(params.get("physicalMin")), _number(params.get("physicalMax"))
    first, last = _number(params.get("digitalMin")), _number(params.get("digitalMax"))
    if not np.isfinite([low, high, first, last]).all() or low == high or first == last:
        return None
    scale = (high - low) / (last - first)
    return scale, first - low / scale


def _stamps(values: Any, unit_ns: int, file: _File) -> NDArray[np.int64]:
    """Instants in ns, ascending; implausible and repeated ones are left out and counted."""
    if not isinstance(values, list):
        return np.empty(0, np.int64)
    good = [v * unit_ns for v in values if _integer(v) is not None and 0 < v * unit_ns < _LATEST_S * NS_PER_S]
    found = np.unique(np.array(good, np.int64))
    if len(found) < len(values):
        lost = len(values) - len(found)
        file.notices.append(
            Notice("bad_time", f"{lost} instants are impossible or repeated", "warning", lost, file.label)
        )
    return found


def _summaries(file: _File) -> Iterator[tuple[str, StreamSummary]]:
    for stream in _STREAMS:
        if piece := file.pieces.get(stream.name):
            yield stream.name, StreamSummary(
                stream.name, stream.kind, len(piece.samples), piece.rate_hz, piece.unit, piece.start_ns, piece.end_ns
            )  # fmt: skip
    if len(file.peaks_ns):
        first, last = int(file.peaks_ns[0]), int(file.peaks_ns[-1])
        yield (
            "systolic_peaks",
            StreamSummary("systolic_peaks", "beats", len(file.peaks_ns), float("nan"), "ms", first, last),
        )


def _together(before: StreamSummary | None, after: StreamSummary) -> StreamSummary:
    if before is None:
        return after
    end = max(before.end_ns, after.end_ns)
    return replace(before, n=before.n + after.n, end_ns=end, gaps=before.gaps + (after.kind != "beats"))


def _told_zone(offset_s: int) -> TimeZone:
    if abs(offset_s) * NS_PER_S > LARGEST_OFFSET_NS:
        return UNKNOWN_ZONE
    # 0 is also what stands there when nobody set it
    return TimeZone(fixed_offset_name(offset_s * NS_PER_S), "file", weak=offset_s == 0)


def _device(files: Sequence[_File]) -> Device:
    firmware = {f.firmware for f in files}
    return Device("Empatica", "EmbracePlus", firmware.pop() if len(firmware) == 1 else None, "wrist")


def _recording(
    source: Source, files: list[_File], options: ReadOptions, damaged: Sequence[Notice], adapter: EmbracePlus
) -> Recording:
    notices: list[Notice] = list(damaged)
    used = _without_repeats(files, notices)
    signals = {s.name: made for s in _STREAMS if (made := _signal(s, used, notices)) is not None}
    beats = _beats(used, signals, notices)
    if not signals and not beats:
        raise InputError("holds no usable stream", where=files[0].label)
    offsets = list(dict.fromkeys(f.offset_s for f in used))
    start_ns = used[0].start_ns
    told = _told_zone(offsets[0])
    zone, differs = zone_to_use(zone_of_options(options), told, start_ns + offsets[0] * NS_PER_S)
    if len(offsets) > 1:
        message = f"files declare {len(offsets)} offsets from UTC: the first, {told.name}, is used"
        notices.append(Notice("zone_changes", message, "warning", len(offsets)))
    unseen = any(n.code == "unverified" for f in used for n in f.notices)
    told_once = dict.fromkeys(n for f in used for n in f.notices)
    return Recording(
        id=f"embraceplus_{start_ns // NS_PER_S}",
        signals=signals,
        beats=beats,
        participant=options.participant or participant_of(source, files[0].member),
        timezone=zone,
        device=_device(used),
        provenance=Provenance(
            tuple(_input(source, f) for f in files), adapter.name, adapter.version, adapter.verified and not unseen
        ),
        notices=(*told_once, *notices, *differs),
        markers=tuple(Marker(at, "tag") for f in used for at in f.tags_ns),
        extras={"schema_version": _dotted(used[0].version)},
    )


def _input(source: Source, file: _File) -> InputFile:
    found = input_file(source, file.member)
    member = None if found.member is None else file.label
    return replace(found, name=_shown(source.name), member=member)


def _without_repeats(files: list[_File], notices: list[Notice]) -> list[_File]:
    """Files in order of time; a file that lies inside the time of the one before is a copy and left out."""
    kept: list[_File] = []
    for file in files:
        copies = [o for o in kept if o.start_ns == file.start_ns and set(o.pieces) == set(file.pieces)]
        if any(all(np.array_equal(o.pieces[n].samples, p.samples) for n, p in file.pieces.items()) for o in copies):
            notices.append(Notice("duplicate", "repeats another file and is left out", "warning", 1, file.label))
        else:
            kept.append(file)
    return kept


def _signal(stream: _Stream, files: Sequence[_File], notices: list[Notice]) -> Signal | None:
    pieces: list[_Piece] = []
    for file in sorted(files, key=lambda f: f.pieces[stream.name].start_ns if stream.name in f.pieces else 0):
        piece = file.pieces.get(stream.name)
        if piece is None:
            continue
        if pieces and piece.start_ns < pieces[-1].end_ns - NS_PER_S:
            message = f"{stream.name} begins before the file before has ended and is left out"
            notices.append(Notice("bad_time", message, "error", len(piece.samples), file.label))
            continue
        pieces.append(piece)
    if not pieces:
        return None
    starts = np.cumsum([0, *(len(piece.samples) for piece in pieces)])
    blocks = tuple(
        ClockBlock(int(at), piece.start_ns, piece.rate_hz, stream.nominal_hz)
        for at, piece in zip(starts[:-1], pieces, strict=True)
    )
    clock = Clock(blocks, int(starts[-1]))
    first = pieces[0]
    if any((p.scale, p.offset, p.unit) != (first.scale, first.offset, first.unit) for p in pieces):
        physical = np.concatenate([((p.samples - p.offset) * p.scale).astype(np.float32) for p in pieces])
        notices.append(Notice("scale", f"{stream.name}: files differ in scale, values are kept as floats", "info"))
        return Signal(stream.name, stream.kind, physical, clock, first.unit)
    samples = np.concatenate([p.samples for p in pieces])
    return Signal(stream.name, stream.kind, samples, clock, first.unit, first.scale, first.offset)


def _beats(files: Sequence[_File], signals: Mapping[str, Signal], notices: list[Notice]) -> dict[str, Beats]:
    peaks = np.unique(np.concatenate([f.peaks_ns for f in files]))
    if not len(peaks):
        return {}
    breaks = np.zeros(len(peaks), bool)
    if "ppg" in signals:
        period_ns = NS_PER_S / signals["ppg"].clock.rate_hz
        for gap in signals["ppg"].clock.gaps:
            at = int(np.searchsorted(peaks, gap.start_ns))
            if gap.end_ns - gap.start_ns > 1.5 * period_ns and at < len(peaks):
                breaks[at] = True
    beats = Beats.from_times(peaks, breaks=breaks, source="device", method="systolic peaks of the device")
    odd = ~np.isnan(beats.intervals_ms) & ~plausible(beats.intervals_ms)
    if odd.any():
        message = f"{int(odd.sum())} of {len(peaks)} intervals between peaks are not between 200 and 3000 ms"
        notices.append(Notice("out_of_range", message, "warning", int(odd.sum())))
    intervals = np.where(odd, np.nan, beats.intervals_ms)
    flags = np.where(odd, np.int8(BeatFlag.OUT_OF_RANGE), beats.flags).astype(np.int8)
    return {"systolic_peaks": replace(beats, intervals_ms=intervals, flags=flags)}


ADAPTER = EmbracePlus()
