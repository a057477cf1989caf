"""WFDB records (MIT-BIH and kin): ``.hea`` headers, signal files, beat annotations.

A source is a header file (its signal and annotation files lie beside it) or a folder or archive of records; each
record becomes one recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import AllostatError, InputError
from allostat.recording import (
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
from allostat_devices.file_names import input_file, participant_hint, recording_id
from allostat_devices.members import is_single, with_distinct_id
from allostat_devices.text_lines import head_lines, open_text, why_not_text
from allostat_devices.wfdb_annotations import AnnotatedBeats, beats_of, parse_annotations
from allostat_devices.wfdb_header import Header, SignalLine, looks_like_header, parse_header
from allostat_devices.wfdb_samples import BITS, MISSING, checksum, decode
from allostat_devices.zone_inference import utc_offset_ns, zone_named, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

ANNOTATORS = ("atr", "ecg", "qrs")
"""Endings of annotation files that hold beats, in the order of preference."""

_ECG_LEADS = re.compile(
    r"^(ecg\b.*|ekg\b.*|lead.*|i{1,3}|av[rlf]|v\d?r?|m?cl\d?|ml?i{1,3}|mv\d?|ml\d|v[xyz]|cm\d|cc\d|cb\d|d\d)$", re.I
)
_UCUM = {
    "mv": "mV", "uv": "uV", "v": "V", "mmhg": "mm[Hg]", "bpm": "/min", "pm": "/min", "nu": "1", "adu": "1", "%": "%",
    "ohm": "Ohm", "degc": "Cel", "g": "g", "mg": "mg", "a.u.": "1", "l": "L", "l/min": "L/min", "us": "uS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record's files lie: a source and the folder inside it."""

    source: Source
    folder: str
    member: str | None

    def file(self, name: str) -> tuple[Source, str | None] | None:
        """A file beside the header; None when there is none. Names with a folder in them are not followed."""
        if not name or PurePosixPath(name).name != name or name in (".", ".."):
            return None
        if is_single(self.source):
            path = self.source.path.with_name(name)
            return (Source(path), None) if path.is_file() else None
        member = f"{self.folder}/{name}" if self.folder else name
        return (self.source, member) if member in self.source.members else None


class Wfdb:
    """Adapter of WFDB records."""

    name = "wfdb"
    title = "WFDB record (.hea with .dat and .atr)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "other", "beats")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise header files by their record line and signal lines."""
        if is_single(source):
            reason = _why_no_header(source, None)
            if reason and source.name.casefold().endswith((".dat", ".atr")):
                return Sniff(0.0, f"{reason}; for a WFDB record give its .hea file or its folder")
            return Sniff(0.0, reason) if reason else Sniff(0.95, "record line and signal lines of a WFDB header")
        places = _places(source)
        if not places:
            return Sniff(0.0, "holds no WFDB header (.hea)")
        claimed = {member for place in places for member in _files_of(place)}
        return Sniff(0.95, f"{len(places)} WFDB headers", tuple(sorted(claimed)))

    def inspect(self, source: Source) -> Manifest:
        """Streams of all records as their headers state them, and the signal files that are missing or too short."""
        streams: list[StreamSummary] = []
        notices: list[Notice] = []
        comments = False
        places = _places(source)
        epochs: set[Epoch] = set()
        for place in places:
            header = _header(place)
            comments |= header.has_comments
            if header.segments:
                notices.append(Notice("unsupported", f"{header.name} has several segments", "error"))
                continue
            epochs.add("relative" if header.start_local_ns is None else "local")
            prefix = f"{header.name}/" if len(places) > 1 else ""
            streams += [_summary(header, line, prefix) for line in header.signals]
            notices += _file_notices(place, header)
            streams += [_annotation_summary(place, header, prefix, e) for e in _annotators(place, header.name)]
        return Manifest(
            source=source.name,
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=("free text in header comments",) if comments else (),
            participant_hint=participant_hint(source.name),
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each record: a signal for each lead, and the beats of each annotation file.

        Records that cannot be read do not keep the others from being read: the errors are raised together at the end.

        Raises
        ------
        InputError
            When a header, signal file or annotation file is damaged, missing or of a kind that is not read.
        """
        zone = zone_of_options(options)
        places = _places(source)
        if not places:
            raise InputError("holds no WFDB header", where=source.name, expected="a .hea file")
        failures: list[AllostatError] = []
        taken: set[str] = set()
        for place in places:
            try:
                recording = _record(place, options, zone, self)
            except AllostatError as error:
                failures.append(error)
                continue
            yield with_distinct_id(recording, taken)
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise InputError(
                f"{len(failures)} of {len(places)} records cannot be read: " + " | ".join(map(str, failures[:20])),
                where=source.name,
            )


def _why_no_header(source: Source, member: str | None) -> str | None:
    reason = why_not_text(source.head(member))
    return reason or looks_like_header(head_lines(source, member))


def _places(source: Source) -> list[_Place]:
    if is_single(source):
        return [_Place(source, "", None)]
    headers = [m for m in source.members if m.casefold().endswith(".hea")]
    good = [m for m in headers if _why_no_header(source, m) is None]
    return [_Place(source, PurePosixPath(m).parent.as_posix().removeprefix("."), m) for m in good]


def _header(place: _Place) -> Header:
    with open_text(place.source, place.member) as text:
        content = text.read(1 << 20)
    return parse_header(content, place.member or place.source.name)


def _files_of(place: _Place) -> list[str]:
    members = [place.member or ""]
    try:
        header = _header(place)
    except InputError:
        return members
    names = [line.file for line in header.signals] + [f"{header.name}.{e}" for e in ANNOTATORS]
    found = (place.file(name) for name in dict.fromkeys(names))
    return members + [f[1] for f in found if f is not None and f[1] is not None]


def _annotators(place: _Place, record: str) -> list[str]:
    return [ending for ending in ANNOTATORS if place.file(f"{record}.{ending}") is not None]


def _summary(header: Header, line: SignalLine, prefix: str) -> StreamSummary:
    start = header.start_local_ns or 0
    rate = header.rate_hz * line.samples_per_frame
    n = (header.n_frames or 0) * line.samples_per_frame
    kind = _kind(line)
    name = prefix + _name(line, kind)
    return StreamSummary(name, kind, n, rate, _ucum(line.unit), start, start + round(n / rate * 1e9))


def _file_notices(place: _Place, header: Header) -> list[Notice]:
    """The signal files that are not there, or are too short for what the header states."""
    notices: list[Notice] = []
    for name in dict.fromkeys(line.file for line in header.signals):
        lines = [line for line in header.signals if line.file == name]
        found = place.file(name)
        if found is None:
            notices.append(Notice("missing_file", f"signal file {name} is not there", "error", len(lines), name))
            continue
        bits = BITS.get(lines[0].format)
        if bits is None or header.n_frames is None:
            continue
        wanted = header.n_frames * sum(line.samples_per_frame for line in lines) * bits // 8
        there = found[0].size(found[1]) - lines[0].byte_offset
        if there < wanted:
            message = f"signal file {name} holds {max(there, 0)} of the {wanted} bytes that the header states"
            notices.append(Notice("truncated", message, "error" if there < 0.95 * wanted else "warning", 1, name))
    return notices


def _annotation_summary(place: _Place, header: Header, prefix: str, ending: str) -> StreamSummary:
    found = place.file(f"{header.name}.{ending}")
    start = header.start_local_ns or 0
    if found is None:
        return StreamSummary(prefix + ending, "beats", 0, float("nan"), "ms", start, start)
    marks = parse_annotations(found[0].read_bytes(found[1]), f"{header.name}.{ending}")
    beats = beats_of(marks)
    last = int(beats.sample[-1]) if len(beats.sample) else 0
    end = start + round(last / (marks.rate_hz or header.rate_hz) * 1e9)
    return StreamSummary(prefix + ending, "beats", len(beats.sample), float("nan"), "ms", start, end)


def _record(place: _Place, options: ReadOptions, zone: TimeZone, adapter: Wfdb) -> Recording:
    header = _header(place)
    where = place.member or place.source.name
    if header.segments:
        raise InputError("records of several segments are not read: give the segments' headers", where=where)
    notices: list[Notice] = []
    inputs = [input_file(place.source, place.member)]
    start_ns, epoch = _start(header, options, zone)
    signals = _signals(place, header, start_ns, epoch, notices, inputs)
    beats: dict[str, Beats] = {}
    for ending in _annotators(place, header.name):
        found = place.file(f"{header.name}.{ending}")
        if found is not None:
            inputs.append(input_file(*found))
            beats[ending] = _beats(found, header, ending, start_ns, epoch, notices)
    if not signals and not beats:
        missing = [n.file for n in notices if n.code == "missing_file" and n.file]
        near = [] if is_single(place.source) else [PurePosixPath(m).name for m in place.source.members]
        if missing:
            raise InputError("signal file is missing", where=where, found=missing[0], valid=near)
        raise InputError("record holds neither signals nor annotations", where=where)
    return Recording(
        id=recording_id(header.name, "record"),
        signals=signals,
        beats=beats,
        participant=options.participant or participant_hint(header.name) or participant_hint(place.source.name),
        timezone=zone,
        device=Device(kind="holter" if any(s.kind == "ecg" for s in signals.values()) else None),
        provenance=Provenance(tuple(inputs), adapter.name, adapter.version, adapter.verified),
        notices=tuple(notices),
    )


def _start(header: Header, options: ReadOptions, zone: TimeZone) -> tuple[int, Epoch]:
    if header.start_local_ns is None:
        return 0, "relative"
    if zone.name is None:
        return header.start_local_ns, "local"
    return header.start_local_ns - utc_offset_ns(header.start_local_ns, zone_named(zone.name)), "utc"


def _signals(
    place: _Place, header: Header, start_ns: int, epoch: Epoch, notices: list[Notice], inputs: list[InputFile]
) -> dict[str, Signal]:
    signals: dict[str, Signal] = {}
    groups: dict[str, list[SignalLine]] = {}
    for line in header.signals:
        groups.setdefault(line.file, []).append(line)
    for name, lines in groups.items():
        found = place.file(name)
        if found is None:
            notices.append(Notice("missing_file", f"signal file {name} is not there", "error", len(lines), name))
            continue
        inputs.append(input_file(*found))
        frames = _frames(found, header, lines, notices)
        column = 0
        for line in lines:
            samples = frames[:, column : column + line.samples_per_frame].reshape(-1)
            column += line.samples_per_frame
            signal = _signal(header, line, np.ascontiguousarray(samples), start_ns, epoch, notices)
            signals[_unique(signal.name, signals)] = signal
    return {name: _renamed(signal, name) for name, signal in signals.items()}


def _frames(
    found: tuple[Source, str | None], header: Header, lines: list[SignalLine], notices: list[Notice]
) -> NDArray[Any]:
    """Samples of one signal file, one row for each frame."""
    name, storage = lines[0].file, lines[0].format
    if any(line.format != storage for line in lines) or storage not in MISSING:
        raise InputError(
            "storage format is not read",
            where=name,
            found=", ".join(str(line.format) for line in lines),
            expected="one of " + ", ".join(map(str, sorted(MISSING))),
        )
    samples = decode(found[0].read_bytes(found[1])[lines[0].byte_offset :], storage)
    width = sum(line.samples_per_frame for line in lines)
    available = len(samples) // width
    wanted = available if header.n_frames is None else header.n_frames
    # format 212 pads an odd number of samples, so one more than stated is no surplus
    if wanted > available:
        notices.append(
            Notice(
                "truncated",
                f"{name} holds {available} of the {wanted} frames that the header states",
                "error" if available < 0.95 * wanted else "warning",
                wanted - available,
                name,
            )
        )
    count = min(wanted, available)
    if count == 0:
        raise InputError("signal file holds no samples", where=name)
    return samples[: count * width].reshape(count, width)


def _signal(
    header: Header, line: SignalLine, samples: NDArray[Any], start_ns: int, epoch: Epoch, notices: list[Notice]
) -> Signal:
    whole = header.n_frames is not None and len(samples) == header.n_frames * line.samples_per_frame
    if whole and line.checksum is not None and checksum(samples) != line.checksum % 65536:
        message = f"checksum of {line.description or line.file} is {checksum(samples)}, the header states another"
        notices.append(Notice("checksum", message, "error", 1, line.file))
    if not line.calibrated:
        message = f"{line.description or line.file} states no gain: 200 units per {line.unit} assumed"
        notices.append(Notice("uncalibrated", message, "warning", 1, line.file))
    if line.gain < 0:
        message = f"{line.description or line.file} has a negative gain: the signal is turned over"
        notices.append(Notice("negative_gain", message, "info", 1, line.file))
    rate = header.rate_hz * line.samples_per_frame
    # a skewed signal was sampled that many frames before the frame it is stored in
    shifted = start_ns - round(line.skew / header.rate_hz * 1e9)
    clock = Clock.regular(len(samples), rate, shifted, nominal_hz=rate, epoch=epoch)
    kind = _kind(line)
    return Signal(
        _name(line, kind),
        kind,
        samples,
        clock,
        _ucum(line.unit),
        1.0 / line.gain,
        float(line.baseline),
        MISSING[line.format],
        _saturation(line, samples),
    )


def _saturation(line: SignalLine, samples: NDArray[Any]) -> tuple[int, int] | None:
    if not 0 < line.resolution_bits <= 31:
        return None
    half = 1 << (line.resolution_bits - 1)
    low, high = line.adc_zero - half, line.adc_zero + half - 1
    valid = samples[samples != MISSING[line.format]]
    # some headers copy resolution and zero from another record; their samples lie outside
    return (low, high) if len(valid) and low <= int(valid.min()) and int(valid.max()) <= high else None


def _kind(line: SignalLine) -> SampleKind:
    name = line.description.casefold()
    if "pleth" in name or "ppg" in name or name == "bvp":
        return "ppg"
    if _ECG_LEADS.match(name) or (not name and line.unit.casefold() in ("mv", "uv")):
        return "ecg"
    if name in ("hr", "pulse"):
        return "hr"
    return "other"


def _name(line: SignalLine, kind: SampleKind) -> str:
    clean = re.sub(r"[^a-z0-9]+", "_", line.description.casefold()).strip("_")
    if not clean:
        return kind
    return clean if kind == "other" or clean.startswith(kind) else f"{kind}_{clean}"


def _unique(name: str, taken: dict[str, Signal]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def _renamed(signal: Signal, name: str) -> Signal:
    if signal.name == name:
        return signal
    return Signal(
        name, signal.kind, signal.samples, signal.clock, signal.unit, signal.scale, signal.offset, signal.missing,
        signal.saturation,
    )  # fmt: skip


def _ucum(unit: str) -> str:
    known = _UCUM.get(unit.casefold())
    return known or "{" + re.sub(r"[^\x21-\x7a]", "", unit) + "}"


def _beats(
    found: tuple[Source, str | None], header: Header, ending: str, start_ns: int, epoch: Epoch, notices: list[Notice]
) -> Beats:
    file = f"{header.name}.{ending}"
    marks = parse_annotations(found[0].read_bytes(found[1]), file)
    if marks.truncated:
        notices.append(Notice("truncated", f"{file} ends without its end mark", "warning", 1, file))
    beats: AnnotatedBeats = beats_of(marks)
    if beats.repeated:
        message = f"{beats.repeated} beat marks do not come after the one before"
        notices.append(Notice("duplicate", message, "warning", beats.repeated, file))
    others = len(marks.code) - len(beats.code) - beats.repeated
    if others:
        notices.append(
            Notice("no_beat", f"{others} marks of rhythm, noise or comment are no beats", "info", others, file)
        )
    times = start_ns + np.rint(beats.sample * (1e9 / (marks.rate_hz or header.rate_hz))).astype(np.int64)
    intervals = np.full(len(times), np.nan)
    intervals[1:] = np.diff(times) / 1e6
    intervals[beats.broken] = np.nan
    return Beats(
        times, intervals, beats.flags, "ecg", epoch, f"annotation {ending}", extras={"annotation_code": beats.code}
    )


ADAPTER = Wfdb()
