"""EDF, EDF+ (continuous and with holes) and BDF files, those of Bittium Faros recorders among them.

Digital integers are kept as they are, with the scale that the header gives them. The start is wall-clock time: the
file tells no zone, except that a Faros writes its offset into the recording text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    Device,
    Epoch,
    Marker,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
    TimeZone,
)
from allostat.samples import Samples, blocks_of, extremes
from allostat.source import Source
from allostat_devices.byte_streams import byte_count
from allostat_devices.edf_annotations import annotation_texts, shown_label
from allostat_devices.edf_header import FIXED_BYTES, EdfHeader, EdfSignal, parse_header, why_no_edf
from allostat_devices.edf_records import (
    Placement,
    Records,
    by_record,
    complete_records,
    kept_records,
    place_records,
    read_records,
    signal_clock,
)
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import placed_start, zone_to_use
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.zone_inference import fixed_offset_name, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FAROS_MARKER, _FAROS_HRV = "marker", "hrv"


class Edf:
    """Adapter of EDF, EDF+ and BDF files."""

    name = "edf"
    title = "EDF, EDF+ or BDF file (Bittium Faros among them)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "acc", "eda", "temp", "hr", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the version field and the numbers of the header."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span as the headers state them and the lengths of the files allow."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file: a signal for each of its signals, annotations as markers.

        Raises
        ------
        InputError
            When a header cannot be read or a file holds no complete record.
        """
        named = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, named, self), taken)


def _looked_at(source: Source, member: str) -> FileLook:
    header = _header(source, member)
    zone = _told_zone(header)
    start_ns, epoch = placed_start(header.start_local_ns, zone)
    count, _ = complete_records(header, byte_count(source, member))
    notices = _header_notices(header, without_device_id(shown_name(source, member)))
    streams = _summaries(header, count, start_ns)
    return FileLook(streams, epoch, notices, header.identifiers, zone, _device(header))


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_no_edf(head)
    if reason:
        return Sniff(0.0 if reason.startswith("does not begin") else 0.3, reason)
    variant = "BDF" if head[:1] == b"\xff" else "EDF"
    return Sniff(0.97, f"version field and header numbers of {variant}")


def _header(source: Source, member: str) -> EdfHeader:
    name = without_device_id(shown_name(source, member))
    with source.open(member) as stream:
        fixed = stream.read(FIXED_BYTES)
        reason = why_no_edf(fixed)
        if reason:
            raise InputError(reason, where=name)
        return parse_header(fixed + stream.read(FIXED_BYTES * 9999), name)


def _recording(source: Source, member: str, options: ReadOptions, named: TimeZone, adapter: Edf) -> Recording:
    header = _header(source, member)
    name = without_device_id(shown_name(source, member))
    notices = _header_notices(header, name)
    zone, differs = zone_to_use(named, _told_zone(header), header.start_local_ns)
    start_ns, epoch = placed_start(header.start_local_ns, zone)
    records = _records(source, member, header, name, notices, options)
    skipped = SkippedRows(name)
    placement = place_records(header, records, skipped)
    signals, markers = _signals(header, records, placement, start_ns, epoch, notices)
    markers += _annotation_markers(header, records, start_ns, skipped, notices, name)
    if not any(len(signal) for signal in signals.values()) and not markers:
        found = "; ".join(n.message for n in (*skipped.notices(), *notices))
        raise InputError("holds no samples and no annotations", where=name, found=found or None)
    about = {"age_years": header.age_years, "sex": header.sex}
    return Recording(
        id=recording_id(PurePosixPath(name.removesuffix(".gz")).stem, "edf"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_device(header),
        provenance=Provenance(
            (input_file(source, member),),
            adapter.name,
            adapter.version,
            not any(n.code == "unverified" for n in notices),
        ),
        notices=(*skipped.notices(), *notices, *differs),
        markers=tuple(sorted(markers, key=lambda m: m.time_ns)),
        extras={key: value for key, value in about.items() if value is not None},
    )


def _records(
    source: Source, member: str, header: EdfHeader, name: str, notices: list[Notice], options: ReadOptions
) -> Records:
    count, rest = complete_records(header, byte_count(source, member))
    if count == 0:
        raise InputError("holds no complete record", where=name, found=f"{rest} bytes behind the header")
    with source.open(member) as stream:
        stream.read(header.bytes)
        records = read_records(stream, header, count, name, options.spools)
    wanted = header.stated_records if header.stated_records >= 0 else records.count
    if rest or records.count < wanted:
        missing = max(wanted - records.count, 1 if rest else 0)
        message = f"holds {records.count} complete records" + (f" of the {wanted} that are stated" if wanted else "")
        if rest:
            message += f"; the last one ends after {rest} of {header.record_bytes} bytes and is left out"
        severe = missing > 0.05 * max(wanted, 1)
        notices.append(Notice("truncated", message, "error" if severe else "warning", missing, name))
    return records


def _told_zone(header: EdfHeader) -> TimeZone:
    if header.faros is None or header.faros.offset_minutes is None:
        return UNKNOWN_ZONE
    return TimeZone(fixed_offset_name(header.faros.offset_minutes * 60 * NS_PER_S), "file")


def _device(header: EdfHeader) -> Device:
    if header.faros is None:
        return Device()
    return Device("Bittium", header.faros.model, header.faros.firmware, "holter")


def _header_notices(header: EdfHeader, name: str) -> list[Notice]:
    notices = [Notice("header", f"header {what}", "warning", 1, name) for what in header.odd]
    if header.stated_records < 0:
        notices.append(Notice("header", "number of records is not stated: counted from the length", "info", 1, name))
    unseen = [what for what, is_it in (("Faros", header.faros is not None), ("EDF+D", header.variant == "D")) if is_it]
    if unseen:
        notices.append(Notice("unverified", f"not verified on a real export: {', '.join(unseen)}", file=name))
    return notices


def _kind(signal: EdfSignal) -> SampleKind:
    return kind_of_label(signal.label, signal.unit)


def _summaries(header: EdfHeader, count: int, start_ns: int) -> list[StreamSummary]:
    found: dict[str, StreamSummary] = {}
    for signal in header.signals:
        if signal.is_annotation or not signal.samples_per_record:
            continue
        kind = _kind(signal)
        name = distinct_name(stream_name(signal.label, kind), found)
        rate = signal.samples_per_record / header.record_s
        end_ns = start_ns + round(count * header.record_s * NS_PER_S)
        found[name] = StreamSummary(
            name, kind, count * signal.samples_per_record, rate, unit_code(signal.unit), start_ns, end_ns
        )
    return list(found.values())


def _signals(
    header: EdfHeader, records: Records, placement: Placement, start_ns: int, epoch: Epoch, notices: list[Notice]
) -> tuple[dict[str, Signal], list[Marker]]:
    signals: dict[str, Signal] = {}
    markers: list[Marker] = []
    for signal, samples in zip(header.signals, records.samples, strict=True):
        if signal.is_annotation or not signal.samples_per_record:
            continue
        if placement.keep is not None and not placement.keep.all():
            samples = kept_records(samples, records.count, placement.keep)
        kind = _kind(signal)
        name = distinct_name(stream_name(signal.label, kind), signals)
        made = _signal(name, kind, signal, samples, header, placement, start_ns, epoch, notices)
        signals[name] = made
        if header.faros is not None and signal.label.casefold() == _FAROS_MARKER:
            pressed = made.clock.times_ns(_nonzero(samples))
            markers += [Marker(int(at), "marker") for at in pressed]
    return signals, markers


def _nonzero(samples: Samples) -> NDArray[np.int64]:
    """Numbers of the samples that are not 0."""
    found = [np.empty(0, np.int64)]
    at = 0
    for block in blocks_of(samples):
        found.append(np.flatnonzero(block) + at)
        at += len(block)
    return np.concatenate(found)


def _signal(
    name: str,
    kind: SampleKind,
    signal: EdfSignal,
    samples: Samples,
    header: EdfHeader,
    placement: Placement,
    start_ns: int,
    epoch: Epoch,
    notices: list[Notice],
) -> Signal:
    calibration = signal.calibration
    if calibration is None:
        message = f"{name}: digital or physical limits define no scale, raw integers are kept without unit"
        notices.append(Notice("no_scale", message))
    scale, offset = calibration or (1.0, 0.0)
    # between beats a Faros writes 0 into the stream of RR intervals
    no_beat = header.faros is not None and signal.label.casefold() == _FAROS_HRV and offset == 0.0
    return Signal(
        name,
        kind,
        samples,
        signal_clock(signal, header, placement, len(samples), start_ns, epoch),
        "1" if calibration is None else unit_code(signal.unit),
        scale,
        offset,
        0 if no_beat else None,
        _saturation(signal, samples, header.sample_bytes),
    )


def _saturation(signal: EdfSignal, samples: Samples, sample_bytes: int) -> tuple[int, int] | None:
    """Limits of the converter; the whole range of the storage says nothing of the converter."""
    low, high = sorted(signal.digital)
    full = 1 << (8 * sample_bytes - 1)
    if low == high or (low <= 1 - full and high >= full - 1):
        return None
    found = extremes(samples)
    return (low, high) if found is not None and low <= found[0] and found[1] <= high else None


def _annotation_markers(
    header: EdfHeader, records: Records, start_ns: int, skipped: SkippedRows, notices: list[Notice], name: str
) -> list[Marker]:
    markers: list[Marker] = []
    free = 0
    for signal, block in zip(header.signals, records.samples, strict=True):
        if not signal.is_annotation:
            continue
        for part in by_record(block, records.count):
            found, bad = annotation_texts(part)
            skipped.add("bad_time", 1, bad)
            for annotation in found:
                label = shown_label(annotation.text)
                free += label != annotation.text.strip()
                markers.append(Marker(start_ns + round(annotation.onset_s * NS_PER_S), label))
    if free:
        message = "free text of annotations is not kept: it may name persons"
        notices.append(Notice("free_text", message, "info", free, name))
    return markers


ADAPTER = Edf()
