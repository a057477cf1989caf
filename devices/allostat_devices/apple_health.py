"""Apple Health export: ``export.zip``, its unpacked folder, or ``export.xml`` alone.

Phone, watch and apps are kept apart as recordings of their own. Heart rates, HRV and sleep are what they worked out
themselves; beats inside HRV records are beats. Names of people, devices and sources are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary, stream_summaries
from allostat.errors import InputError
from allostat.recording import UNKNOWN_ZONE, Beats, Device, InputFile, Notice, Provenance, Recording, TimeZone
from allostat.source import Source
from allostat_devices.apple_beats import (
    PlacedBeats,
    beats_of,
    inferred_zone,
    offsets_that_differ,
    placed_beats,
    told_zone,
)
from allostat_devices.apple_ecg import looks_like_ecg, read_ecg
from allostat_devices.apple_records import KEYS, AppleExport, is_export, line_of, read_export
from allostat_devices.apple_sources import AppleSource, sources_of
from allostat_devices.apple_values import readings_of, series_of
from allostat_devices.file_names import has_device_id, input_file, without_device_id
from allostat_devices.members import CLAIM, is_single, participant_of, shown_name, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import why_not_text
from allostat_devices.zone_inference import zone_of_options

_XML = re.compile(r"\.xml(\.gz)?$", re.IGNORECASE)
_CSV = re.compile(r"\.csv(\.gz)?$", re.IGNORECASE)
_UNVERIFIED = Notice("unverified", "heart data of an Apple Health export.xml: not verified on a real export")


class AppleHealth:
    """Adapter of exports of the Health app."""

    name = "apple_health"
    title = "Apple Health export (zip, folder or export.xml)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = (
        "beats",
        "hr",
        "resting_hr",
        "hrv",
        "respiration_rate",
        "sleep",
        "blood_pressure",
        "ecg",
    )
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise the document type or root element ``HealthData``; names are translated and tell nothing."""
        if is_single(source):
            return _look(source, source.members[0])
        exports, others = _members(source)
        if not exports:
            return Sniff(0.0, f"none of {len(source.members)} files is an XML file with the root HealthData")
        return Sniff(0.97, "an XML file with the root HealthData", (*exports, *others))

    def inspect(self, source: Source) -> Manifest:
        """Sources, streams and zone. The whole file is scanned, because types stand in it in no order."""
        exports, ecgs = _members(source)
        streams: list[StreamSummary] = []
        identifiers: list[str] = []
        notices: list[Notice] = []
        recordings: list[Recording] = []
        for member in exports:
            export = _read(source, member, hashed=False)
            found = _recordings(source, member, export, ReadOptions())
            recordings += found.recordings
            notices += found.notices
            identifiers += _identifiers(export)
        for recording in recordings:
            streams += stream_summaries(recording, f"{recording.id} " if len(recordings) > 1 else "")
            notices += recording.notices
        for member in ecgs:
            ecg = read_ecg(source, member, ReadOptions())
            streams += stream_summaries(ecg, f"{ecg.id} ")
            identifiers.append("name and birth date in an ECG")
        folders = {part.casefold() for member in source.members for part in PurePosixPath(member).parts}
        identifiers += ["routes (GPS)"] if "workout-routes" in folders else []
        identifiers += ["clinical records"] if "clinical-records" in folders else []
        identifiers += ["device id in file name"] if has_device_id(source.name) else []
        known = [r.timezone for r in recordings if r.timezone.known]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=recordings[0].device if recordings else Device(),
            timezone=known[0] if known else UNKNOWN_ZONE,
            identifiers=tuple(dict.fromkeys(identifiers)),
            participant_hint=participant_of(source, exports[0]) if exports else None,
            notices=tuple(dict.fromkeys(notices)),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each source (``watch``, ``phone``, ``app_1`` …), and one for each ECG.

        Raises
        ------
        InputError
            When there is no export, or nothing in it is read here.
        """
        zone_of_options(options)
        exports, ecgs = _members(source)
        if not exports:
            raise InputError("holds no Apple Health export", where=source.name, expected="XML with the root HealthData")
        taken: set[str] = set()
        zone = UNKNOWN_ZONE
        for member in exports:
            found = _recordings(source, member, _read(source, member, hashed=True), options)
            if not found.recordings and not ecgs:
                raise InputError(
                    "holds nothing that is read here",
                    where=shown_name(source, member),
                    found="; ".join(n.message for n in found.notices) or None,
                    expected="heart rate, HRV, sleep or blood pressure",
                )
            zone = found.zone
            for recording in found.recordings:
                yield with_distinct_id(recording, taken)
        for member in ecgs:
            yield with_distinct_id(read_ecg(source, member, options, zone), taken)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one ``export.xml`` gave."""

    recordings: tuple[Recording, ...]
    zone: TimeZone
    notices: tuple[Notice, ...]
    """Those of the file; the first recording has them too."""


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    if not is_export(head):
        return Sniff(0.0, "no document type or root HealthData")
    return Sniff(0.97, "XML with the root HealthData")


def _members(source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Exports and ECG files of a source; a single file is an export, whatever it holds."""
    if is_single(source):
        return source.members, ()
    exports = tuple(m for m in source.members if _XML.search(m) and _look(source, m).confidence >= CLAIM)
    ecgs = tuple(m for m in source.members if _CSV.search(m) and looks_like_ecg(source, m).confidence >= CLAIM)
    return exports, ecgs if exports else ()


def _read(source: Source, member: str, *, hashed: bool) -> AppleExport:
    with source.open(member) as stream:
        return read_export(stream, without_device_id(shown_name(source, member)), hashed=hashed)


def _input(source: Source, member: str, export: AppleExport) -> InputFile:
    """Provenance with the hash found while reading, unless the file is compressed on disk."""
    if not export.sha256 or export.bytes != source.size(member):
        return input_file(source, member)
    inside = None if is_single(source) else without_device_id(member)
    return InputFile(without_device_id(source.name), export.sha256, export.bytes, inside)


def _recordings(source: Source, member: str, export: AppleExport, options: ReadOptions) -> _Read:
    file = without_device_id(shown_name(source, member))
    participant = options.participant or participant_of(source, member)
    writers, writer_of = sources_of(export)
    placed = placed_beats(export)
    zone, told = _zone(export, placed, options)
    notices = [*_file_notices(source, member, export, file), *told]
    provenance = None
    found: list[Recording] = []
    for number, writer in enumerate(writers):
        skipped = SkippedRows(file)
        recording = _of_writer(export, writer, writer_of == number, placed, participant, skipped)
        skips = _with_lines(source, member, skipped).notices()
        if not (recording.series or recording.beats or recording.blood_pressure):
            notices += skips
            continue
        if provenance is None:
            inputs = (_input(source, member, export),) if export.sha256 else ()
            provenance = Provenance(inputs, AppleHealth.name, AppleHealth.version, AppleHealth.verified)
        pressure = recording.blood_pressure
        if zone.name is not None:
            pressure = tuple(
                replace(r, measured_at=r.measured_at and r.measured_at.in_zone(zone.name)) for r in pressure
            )
        found.append(
            replace(
                recording,
                blood_pressure=pressure,
                participant=participant,
                timezone=zone,
                provenance=provenance,
                notices=(_UNVERIFIED, *skips, *recording.notices),
            )
        )
    if found:
        found[0] = replace(found[0], notices=(*found[0].notices, *notices))
    return _Read(tuple(found), zone, tuple(notices))


def _of_writer(
    export: AppleExport,
    writer: AppleSource,
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]],
    placed: PlacedBeats,
    participant: str | None,
    skipped: SkippedRows,
) -> Recording:
    mine = placed.of(chosen)
    skipped.rows = int(chosen.sum()) + len(mine.record) + len(mine.lost_at)
    notices: list[Notice] = []
    beats: dict[str, Beats] = {}
    series = series_of(export, chosen, placed.offset_s, skipped)
    if len(mine.record) or len(mine.lost_at):
        placed_here = beats_of(mine, export.start_s, skipped, "ppg" if writer.is_watch else "device", notices)
        beats = {"ibi": placed_here} if len(placed_here) else {}
    pressure = readings_of(export, chosen, participant or "", skipped.file, skipped)
    return Recording(
        id=writer.id, beats=beats, series=series, device=writer.device, notices=tuple(notices), blood_pressure=pressure
    )


def _zone(export: AppleExport, placed: PlacedBeats, options: ReadOptions) -> tuple[TimeZone, list[Notice]]:
    """The caller's zone, else the one that records name, else what the beats tell."""
    records = sorted(placed.offset_s)
    starts = export.start_s[records].tolist()
    offsets = [placed.offset_s[i] for i in records]
    zone, notices = told_zone(export)
    if not zone.known:
        zone, more = inferred_zone(starts, offsets)
        notices += more
    asked = zone_of_options(options)
    if asked.known:
        zone, notices = asked, []
    if zone.name is None:
        message = "no zone: record dates are printed in the zone where the phone exported, and no record tells another"
        return zone, [Notice("zone_unknown", message, "info")]
    differ = offsets_that_differ(starts, offsets, zone.name) if zone.source != "inferred" else 0
    if differ:
        message = f"{differ} of {len(offsets)} HRV records have beats whose clock is not that of {zone.name}"
        notices.append(Notice("zone_differs", message, "warning", differ))
    return zone, notices


def _file_notices(source: Source, member: str, export: AppleExport, file: str) -> list[Notice]:
    skipped = SkippedRows(file, sum(export.counts.values()))
    if export.cut:
        skipped.add("truncated", export.first_cut, export.cut)
    notices = list(_with_lines(source, member, skipped).notices())
    if not export.complete:
        notices.append(Notice("incomplete", "the file ends before its root element does", "error", file=file))
    unnamed = int((export.source == -2).sum() + (export.device == -2).sum())
    if unnamed:
        message = "records of more sources than are told apart: the last of them are taken together"
        notices.append(Notice("many_sources", message, "warning", unnamed, file))
    others = {name: n for name, n in export.counts.items() if name not in KEYS}
    if others:
        most = sorted(others.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{n} {name.removeprefix('HKQuantityTypeIdentifier')}" for name, n in most[:5])
        message = f"records of {len(others)} types are not read: {shown}{' …' if len(most) > 5 else ''}"
        notices.append(Notice("not_read", message, "info", sum(others.values()), file))
    return notices


def _with_lines(source: Source, member: str, skipped: SkippedRows) -> SkippedRows:
    """Places in bytes, by which rows were counted, turned into lines; the file is looked at again only then."""
    for code, at in skipped.first_lines.items():
        with source.open(member) as stream:
            skipped.first_lines[code] = line_of(stream, at)
    return skipped


def _identifiers(export: AppleExport) -> list[str]:
    found = ["names of devices and sources"] if export.counts else []
    found += ["birth date and sex"] if export.elements["Me"] else []
    found += ["clinical records"] if export.elements["ClinicalRecord"] else []
    found += ["routes (GPS)"] if export.elements["WorkoutRoute"] else []
    return found


ADAPTER = AppleHealth()
