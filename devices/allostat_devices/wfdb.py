"""WFDB records (MIT-BIH and kin): ``.hea`` headers, signal files, beat annotations.

A source is a header file (its signal and annotation files lie beside it) or a folder or archive of records; each
record becomes one recording. So does an annotation file without a header when its first note states its time
resolution; any other one is refused with the header to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import AllostatError, InputError
from allostat.recording import (
    Beats,
    Device,
    Epoch,
    InputFile,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.bounded_bytes import read_bounded
from allostat_devices.file_names import input_file, participant_hint, recording_id
from allostat_devices.members import CLAIM, is_single, with_distinct_id
from allostat_devices.naive_start import placed_start
from allostat_devices.signal_labels import kind_of_label, stream_name, unit_code
from allostat_devices.text_lines import head_lines, open_text, why_not_text
from allostat_devices.wfdb_annotations import (
    AnnotatedBeats,
    Annotations,
    beats_of,
    look_like_beats,
    parse_annotations,
    wanted_header,
)
from allostat_devices.wfdb_header import Header, SignalLine, looks_like_header, parse_header
from allostat_devices.wfdb_samples import BITS
from allostat_devices.wfdb_signals import Segment, joined_segments, signals_of
from allostat_devices.zone_inference import zone_of_options

ANNOTATORS = ("atr", "ecg", "qrs")
"""Endings of annotation files that hold beats, in the order of preference."""
_LARGEST_ANNOTATIONS = 64 << 20
"""Bytes; a month of beats takes a tenth of it."""
_NEAR = 0.45
"""Confidence of annotations that could be read with a header: too little to claim them, enough to be heard."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record's files lie: a source and the folder inside it."""

    source: Source
    folder: str
    member: str | None

    @property
    def lone(self) -> str | None:
        """Ending of an annotation file that stands in for the header; None for a header."""
        return _ending(self.member or self.source.name)

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
    version = "2"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "other", "beats")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise header files by their record line and signal lines."""
        if is_single(source):
            reason = _why_no_header(source, None)
            if reason and (alone := _alone(source, source.members[0])) is not None:
                return alone
            if reason and source.name.casefold().endswith((".dat", ".atr")):
                return Sniff(0.0, f"{reason}; for a WFDB record give its .hea file or its folder")
            return Sniff(0.0, reason) if reason else Sniff(0.95, "record line and signal lines of a WFDB header")
        places = _places(source)
        if not places:
            near = next((found for m in source.members if (found := _alone(source, m)) is not None), None)
            return near or Sniff(0.0, "holds no WFDB header (.hea)")
        claimed = {member for place in places for member in _files_of(place)}
        headers = tuple(sorted(member for member in claimed if member.casefold().endswith(".hea")))
        return Sniff(0.95, f"{len(places)} WFDB headers", tuple(sorted(claimed)), headers)

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
            epochs.add("relative" if header.start_local_ns is None else "local")
            prefix = f"{header.name}/" if len(places) > 1 else ""
            streams += _segment_summaries(place, header, prefix) if header.parts else []
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


def beats_name(annotator: str) -> str:
    """Name of the stream of an annotation file's beats: the ending ``ecg`` alone would seem to name a wave."""
    return f"beats_{annotator}"


def _ending(name: str) -> str | None:
    ending = name.rpartition(".")[2]
    return ending if ending in ANNOTATORS else None


def _alone(source: Source, member: str) -> Sniff | None:
    """What is said of an annotation file that has no header beside it; None for any other file."""
    name = source.name if is_single(source) else member
    if _ending(name) is None or why_not_text(source.head(member)) is None:
        return None
    header = f"{name.rpartition('.')[0]}.hea"
    if source.path.with_name(header).exists() if is_single(source) else header in source.members:
        return None
    marks = look_like_beats(source.head(member))
    if marks is None:
        return None
    if marks.rate_hz:
        return Sniff(0.9, f"beats of an annotation that states {marks.rate_hz:g} ticks per second")
    return Sniff(_NEAR, wanted_header(PurePosixPath(name).name))


def _why_no_header(source: Source, member: str | None) -> str | None:
    reason = why_not_text(source.head(member))
    return reason or looks_like_header(head_lines(source, member))


def _places(source: Source) -> list[_Place]:
    if is_single(source):
        return [_Place(source, "", None)]
    headers = [m for m in source.members if m.casefold().endswith(".hea")]
    places = [_place(source, m) for m in headers if _why_no_header(source, m) is None]
    segments = {name for place in places for name in _segments_of(place)}
    records = [place for place in places if place.member not in segments]
    claimed = {member for place in records for member in _files_of(place)}
    loose = [m for m in source.members if _ending(m) and m not in claimed]
    return records + [
        _place(source, m) for m in loose if (a := _alone(source, m)) is not None and a.confidence >= CLAIM
    ]


def _place(source: Source, member: str) -> _Place:
    return _Place(source, PurePosixPath(member).parent.as_posix().removeprefix("."), member)


def _segments_of(place: _Place) -> Iterator[str]:
    """Members that hold the headers of a record's segments: they are no records of their own."""
    if b"/" not in place.source.head(place.member).split(b"\n")[0]:
        return
    try:
        parts = _header(place).parts
    except InputError:
        return
    found = (place.file(f"{part.name}.hea") for part in parts if not part.is_gap)
    yield from (f[1] for f in found if f is not None and f[1] is not None)


def _header(place: _Place) -> Header:
    if place.lone is not None:
        return _header_of_marks(place)
    with open_text(place.source, place.member) as text:
        content = text.read(1 << 20)
    return parse_header(content, place.member or place.source.name)


def _header_of_marks(place: _Place) -> Header:
    """What an annotation file tells in place of a header."""
    name = PurePosixPath(place.member or place.source.name).name
    rate = _annotations((place.source, place.member), name).rate_hz
    if rate is None:
        raise InputError(wanted_header(name), where=name)
    return Header(name.rpartition(".")[0], 0, rate, None, None, (), has_comments=False)


def _files_of(place: _Place) -> list[str]:
    members = [place.member or ""]
    if place.lone is not None:
        return members
    try:
        header = _header(place)
    except InputError:
        return members
    names = [line.file for line in header.signals] + [f"{header.name}.{e}" for e in ANNOTATORS]
    if header.parts:
        members += _segments_of(place)
        try:
            inner = [h for _, _, h in _segment_headers(place, header) if h is not None]
        except InputError:
            return members
        names += [line.file for h in inner for line in h.signals]
    found = (place.file(name) for name in dict.fromkeys(names))
    return members + [f[1] for f in found if f is not None and f[1] is not None]


def _segment_headers(place: _Place, header: Header) -> Iterator[tuple[int, int, Header | None]]:
    """First frame, length and header of each segment; None for a gap and for a header that is not there.

    Raises
    ------
    InputError
        When a segment has segments itself.
    """
    first = 0
    for part in header.parts:
        found = None if part.is_gap else place.file(f"{part.name}.hea")
        inner = None if found is None else _header(_Place(found[0], place.folder, found[1]))
        if inner is not None and inner.parts:
            raise InputError("a segment has segments itself", where=f"{header.name}, {part.name}")
        yield first, part.n_frames, inner
        first += part.n_frames


def _segment_summaries(place: _Place, header: Header, prefix: str) -> list[StreamSummary]:
    found: dict[str, StreamSummary] = {}
    for first, n_frames, inner in _segment_headers(place, header):
        if inner is None or not n_frames:
            continue
        for line in inner.signals:
            one = _summary(replace(inner, start_local_ns=None, n_frames=n_frames), line, prefix)
            start = (header.start_local_ns or 0) + round(first / header.rate_hz * 1e9)
            end = start + one.end_ns
            before = found.get(one.name)
            if before is None:
                found[one.name] = replace(one, start_ns=start, end_ns=end)
            else:
                gaps = before.gaps + (start > before.end_ns + 1)
                found[one.name] = replace(before, n=before.n + one.n, end_ns=end, gaps=gaps)
    return list(found.values())


def _segmented(
    place: _Place, header: Header, start_ns: int, epoch: Epoch, notices: list[Notice], inputs: list[InputFile]
) -> dict[str, Signal]:
    """Signals of a record of several segments; a missing segment is a gap and told."""
    segments: list[Segment] = []
    for part, (first, n_frames, inner) in zip(header.parts, _segment_headers(place, header), strict=True):
        if part.is_gap or not n_frames:
            continue
        if inner is None:
            notices.append(Notice("missing_file", f"segment {part.name} is not there", "error", 1, f"{part.name}.hea"))
            continue
        begin = start_ns + round(first / header.rate_hz * 1e9)
        limited = replace(inner, n_frames=min(inner.n_frames or n_frames, n_frames))
        signals = signals_of(place.file, limited, begin, epoch, notices, inputs)
        segments.append(Segment(part.name, signals))
    return joined_segments(segments, notices)


def _annotators(place: _Place, record: str) -> list[str]:
    if place.lone is not None:
        return [place.lone]
    return [ending for ending in ANNOTATORS if place.file(f"{record}.{ending}") is not None]


def _summary(header: Header, line: SignalLine, prefix: str) -> StreamSummary:
    start = header.start_local_ns or 0
    rate = header.rate_hz * line.samples_per_frame
    n = (header.n_frames or 0) * line.samples_per_frame
    kind = kind_of_label(line.description, line.unit)
    name = prefix + stream_name(line.description, kind)
    return StreamSummary(name, kind, n, rate, unit_code(line.unit), start, start + round(n / rate * 1e9))


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
        wanted = int(header.n_frames * sum(line.samples_per_frame for line in lines) * bits) // 8
        there = found[0].size(found[1]) - lines[0].byte_offset
        if there < wanted:
            message = f"signal file {name} holds {max(there, 0)} of the {wanted} bytes that the header states"
            notices.append(Notice("truncated", message, "error" if there < 0.95 * wanted else "warning", 1, name))
    return notices


def _annotations(found: tuple[Source, str | None], file: str) -> Annotations:
    source, member = found
    return parse_annotations(
        read_bounded(source, member or source.members[0], _LARGEST_ANNOTATIONS, what="annotations", where=file), file
    )


def _annotation_summary(place: _Place, header: Header, prefix: str, ending: str) -> StreamSummary:
    found = place.file(f"{header.name}.{ending}")
    start = header.start_local_ns or 0
    if found is None:
        return StreamSummary(prefix + beats_name(ending), "beats", 0, float("nan"), "ms", start, start)
    marks = _annotations(found, f"{header.name}.{ending}")
    beats = beats_of(marks)
    last = int(beats.sample[-1]) if len(beats.sample) else 0
    end = start + round(last / (marks.rate_hz or header.rate_hz) * 1e9)
    return StreamSummary(prefix + beats_name(ending), "beats", len(beats.sample), float("nan"), "ms", start, end)


def _record(place: _Place, options: ReadOptions, zone: TimeZone, adapter: Wfdb) -> Recording:
    header = _header(place)
    where = place.member or place.source.name
    notices: list[Notice] = []
    inputs = [input_file(place.source, place.member)]
    start_ns, epoch = placed_start(header.start_local_ns, zone)
    if header.parts:
        signals = _segmented(place, header, start_ns, epoch, notices, inputs)
    else:
        signals = signals_of(place.file, header, start_ns, epoch, notices, inputs, options.spools)
    beats: dict[str, Beats] = {}
    for ending in _annotators(place, header.name):
        found = place.file(f"{header.name}.{ending}")
        if found is not None:
            inputs += [] if place.lone else [input_file(*found)]
            beats[beats_name(ending)] = _beats(found, header, ending, start_ns, epoch, notices)
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


def _beats(
    found: tuple[Source, str | None], header: Header, ending: str, start_ns: int, epoch: Epoch, notices: list[Notice]
) -> Beats:
    file = f"{header.name}.{ending}"
    marks = _annotations(found, file)
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
