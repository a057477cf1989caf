"""FIT files of watches, bike computers and health devices: activities, wellness files, and what a strap remembered.

Beats come as ``rr`` (message 78), ``strap`` (132), ``beat_intervals`` (290) and ``raw_bbi`` (372); what the device
worked out itself as series. Positions, texts, the user's profile and serial numbers are never decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary, stream_summaries
from allostat.errors import AllostatError, InputError
from allostat.recording import UNKNOWN_ZONE, Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat_devices.bounded_bytes import read_bounded
from allostat_devices.file_names import has_device_id, has_email, input_file, recording_id, without_device_id
from allostat_devices.fit_beats import HRV, rr_of_activity
from allostat_devices.fit_clock import FitClock
from allostat_devices.fit_container import MAX_BYTES, Part, is_fit, parts_of
from allostat_devices.fit_intervals import BEAT_INTERVALS, RAW_BBI, raw_intervals, stamped_intervals
from allostat_devices.fit_series import (
    DOCUMENTED_ONLY,
    all_series,
    cuff_readings,
    has_timeline,
    snapshot_extras,
    unplaced_monitoring,
)
from allostat_devices.fit_strap import HR, beats_of_strap
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id

_FILE_ID, _USER_PROFILE, _DEVICE_INFO = 0, 3, 23
_SERIAL = 3
_MAKERS = {
    1: "Garmin", 13: "Dynastream", 15: "Dynastream", 23: "Suunto", 32: "Wahoo", 69: "Stages", 70: "Sigma",
    71: "TomTom", 107: "Magene", 115: "iGPSPORT", 123: "Polar", 260: "Zwift", 265: "Strava", 267: "Bryton",
    289: "Hammerhead", 294: "Coros", 310: "Decathlon", 339: "Zepp", 348: "Huawei",
}  # fmt: skip
_FILE_TYPES = {
    1: "device", 2: "settings", 3: "sport", 4: "activity", 5: "workout", 6: "course", 7: "schedules", 9: "weight",
    10: "totals", 11: "goals", 14: "blood pressure", 15: "monitoring", 20: "activity summary", 28: "daily monitoring",
    32: "monitoring", 34: "segment", 35: "segment list", 41: "HRV status", 44: "metrics", 49: "sleep", 68: "HRV status",
}  # fmt: skip


class Fit:
    """Adapter of FIT files."""

    name = "fit"
    title = "FIT (Garmin, Wahoo, Coros and others: activity, monitoring, HRV)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats", "hr", "hrv", "resting_hr", "respiration_rate", "sleep", "blood_pressure")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the header: ``.FIT`` in bytes 8 to 11."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams, device, zone and kinds of identifiers; a FIT file is small enough to be read for it."""
        members = claimed_members(source, _look)
        streams: list[StreamSummary] = []
        identifiers: set[str] = set()
        notices: list[Notice] = []
        device, zone, epoch = Device(), UNKNOWN_ZONE, None
        for member in members:
            name = shown_name(source, member)
            if has_device_id(name):
                identifiers.add("device id in file name")
            if has_email(name):
                identifiers.add("e-mail address in file name")
            parts = _parts(source, member)
            identifiers |= _identifiers(parts)
            for session in _sessions(parts):
                recording = _recording(session, _safe(name), ReadOptions())
                label = "" if len(members) == 1 else f"{recording_id(_stem(name), 'fit')}/"
                streams += stream_summaries(recording, label)
                notices += [n for n in recording.notices if n not in notices]
                device = device if device != Device() else recording.device
                zone = zone if zone.known else recording.timezone
                epoch = epoch or (recording.epoch if recording.beats or recording.series else None)
        if not streams:
            notices.append(Notice("no_heart_data", "holds no heart data", "warning"))
        return Manifest(
            source=_safe(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=not any(n.code == "unverified" for n in notices),
            streams=tuple(streams),
            device=device,
            timezone=zone,
            epoch=epoch or "utc",
            identifiers=tuple(sorted(identifiers)),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each activity or wellness file, also where several are chained in one file.

        Files of a folder or archive that hold no heart data or cannot be read are told as a notice of the last
        recording.

        Raises
        ------
        InputError
            When the only file, or every file, is damaged beyond use or holds no heart data.
        """
        members = claimed_members(source, _look)
        taken: set[str] = set()
        passed_over: list[Notice] = []
        waiting: Recording | None = None
        reason: AllostatError | None = None
        for member in members:
            try:
                found = _recordings(source, member, options)
            except AllostatError as error:
                if len(members) == 1:
                    raise
                reason = error
                name = _safe(shown_name(source, member))
                passed_over.append(Notice("passed_over", error.what, "info", 1, name))
                continue
            for recording in found:
                if waiting is not None:
                    yield waiting
                waiting = with_distinct_id(recording, taken)
        if waiting is None:
            raise reason or InputError("holds no FIT file", where=_safe(source.name))
        yield replace(waiting, notices=(*waiting.notices, *passed_over))


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if is_fit(head):
        return Sniff(0.95, "header of a FIT file")
    return Sniff(0.0, "no '.FIT' in bytes 8 to 11")


def _safe(name: str) -> str:
    return without_device_id(name)


def _stem(name: str) -> str:
    stem = PurePosixPath(name).name.removesuffix(".gz")
    return stem[:-4] if stem.casefold().endswith(".fit") else stem


def _parts(source: Source, member: str) -> tuple[Part, ...]:
    name = _safe(shown_name(source, member))
    return parts_of(read_bounded(source, member, MAX_BYTES, what="a FIT file", where=name), name)


def _sessions(parts: Sequence[Part]) -> list[Part]:
    """Parts that belong together as one: a strap's memory and settings go to the activity in front of them."""
    sessions: list[list[Part]] = []
    for part in parts:
        if not sessions or (has_timeline(part) and any(map(has_timeline, sessions[-1]))):
            sessions.append([part])
        else:
            sessions[-1].append(part)
    return [
        Part(
            tuple(group for part in together for group in part.groups),
            tuple(notice for part in together for notice in part.notices),
            sum(part.records for part in together),
        )
        for together in sessions
    ]


def _recordings(source: Source, member: str, options: ReadOptions) -> list[Recording]:
    """All recordings of one file, those without heart data left out."""
    name = _safe(shown_name(source, member))
    parts = _parts(source, member)
    sessions = _sessions(parts)
    participant = options.participant or participant_of(source, member)
    provenance = Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version)
    found, why = [], set()
    for session in sessions:
        recording = _recording(session, name, replace(options, participant=participant))
        if recording.beats or recording.series or recording.blood_pressure or recording.extras:
            verified = not any(n.code == "unverified" for n in recording.notices)
            found.append(replace(recording, provenance=replace(provenance, verified=verified)))
        else:
            why |= {_file_type(session), *(notice.message for notice in recording.notices)}
    if not found:
        raise InputError("holds no heart data", where=name, found="; ".join(sorted(why)))
    return found


def _file_type(part: Part) -> str:
    number = part[_FILE_ID].numbers(0)
    if not len(number) or math.isnan(number[0]):
        return "a FIT file of no stated type"
    return f"a FIT file of type {_FILE_TYPES.get(int(number[0]), str(int(number[0])))}"


def _recording(part: Part, name: str, options: ReadOptions) -> Recording:
    clock = FitClock(part, options)
    beats = [
        found
        for message, reader in (
            (RAW_BBI, raw_intervals),
            (BEAT_INTERVALS, stamped_intervals),
            (HRV, rr_of_activity),
            (HR, beats_of_strap),
        )
        if len(part[message]) and (found := reader(part, clock, name)) is not None
    ]
    series, told = all_series(part, clock, name)
    unplaced = unplaced_monitoring(part, clock, name)
    readings, of_cuff = cuff_readings(part, clock, name, options.participant or "")
    recording = Recording(
        id=recording_id(_stem(name), "fit"),
        beats={b.name: b.beats for b in beats if len(b.beats)},
        participant=options.participant,
        device=_device(part),
        notices=(*part.notices, *(n for b in beats for n in b.notices), *told, *of_cuff, *unplaced, *_unverified(part)),
        markers=clock.markers(),
        extras=dict(snapshot_extras(part, clock)),
        series=series,
        blood_pressure=readings,
    )
    zone, of_zone = clock.zone(recording.span_ns[0])
    return replace(recording, timezone=zone, notices=(*recording.notices, *of_zone))


def _unverified(part: Part) -> tuple[Notice, ...]:
    kinds = [name for message, name in DOCUMENTED_ONLY.items() if len(part[message])]
    if not kinds:
        return ()
    return (Notice("unverified", f"not verified on a real export: {', '.join(kinds)}"),)


def _device(part: Part) -> Device:
    identity = part[_FILE_ID]
    maker, product = identity.numbers(1), identity.numbers(2)
    if not len(maker) or math.isnan(maker[0]):
        return Device()
    model = None if math.isnan(product[0]) else f"product {int(product[0])}"
    return Device(_MAKERS.get(int(maker[0]), f"manufacturer {int(maker[0])}"), model)


def _identifiers(parts: Sequence[Part]) -> set[str]:
    """Kinds of identifying information in a file; the values are never decoded."""
    found = set()
    for part in parts:
        for group in part.groups:
            layout = group.layout
            if layout.positions:
                found.add("positions")
            if layout.texts:
                found.add("texts")
            if layout.message == _USER_PROFILE:
                found.add("user profile")
            if layout.message in (_FILE_ID, _DEVICE_INFO) and _SERIAL in layout.numbers:
                found.add("serial number")
    return found


ADAPTER = Fit()
