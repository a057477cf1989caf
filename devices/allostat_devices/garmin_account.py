"""Garmin account export: FIT files in archives inside the archive, and JSON of the days.

The service packs everything that devices ever uploaded into ``UploadedFiles_*.zip`` below ``DI_CONNECT`` and packs that
again. The files in them are read as any FIT file, one archive at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import AllostatError, InputError
from allostat.recording import Device, InputFile, Notice, Recording
from allostat.source import HEAD_BYTES, Source
from allostat_devices.file_names import has_email, without_device_id
from allostat_devices.fit import ADAPTER as FIT
from allostat_devices.fit_container import is_fit
from allostat_devices.garmin_connect import ADAPTER as CONNECT
from allostat_devices.members import is_single, participant_of, with_distinct_id
from allostat_devices.nested_zip import MAX_ARCHIVES, is_archive, opened_archive

_UPLOADS = re.compile(r"(^|/)(DI_CONNECT/|uploadedfiles)[^:]*\.zip$", re.IGNORECASE)
_UNVERIFIED = Notice("unverified", "the layout of account exports was not verified on a real one")


class GarminAccount:
    """Adapter of a Garmin account export."""

    name = "garmin_account"
    title = "Garmin account export (DI_CONNECT with archives of FIT files)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("beats", "hr", "hrv", "resting_hr", "blood_pressure")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise archives of uploads inside a folder or archive."""
        if is_single(source):
            return Sniff(0.0, "a single file")
        archives = _archives(source)
        if not archives:
            return Sniff(0.0, "holds no DI_CONNECT with archives of uploads")
        members = (*archives, *CONNECT.sniff(source).members)
        return Sniff(0.97, f"{len(archives)} archives of uploads", members)

    def inspect(self, source: Source) -> Manifest:
        """Number of FIT files in each archive, and what the JSON holds; FIT files are counted, not read."""
        archives = _archives(source)
        streams: list[StreamSummary] = []
        identifiers: set[str] = set()
        for member in archives:
            with opened_archive(source, member) as inner:
                names = [name for name in inner.members if is_fit(inner.head(name, HEAD_BYTES))]
            identifiers |= {"e-mail address in file name"} if any(map(has_email, names)) else set()
            label = without_device_id(PurePosixPath(member).name)
            streams.append(StreamSummary(f"{label}/fit_files", "other", len(names), float("nan"), "1", 0, 0))
        told = Manifest(source.name, self.name, 0.0, False)
        if CONNECT.sniff(source).members:
            told = CONNECT.inspect(source)
        return replace(
            told,
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=(*streams, *told.streams),
            device=Device(manufacturer="Garmin"),
            identifiers=tuple(sorted({*identifiers, *told.identifiers, "serial number"})),
            participant_hint=participant_of(source, archives[0]) if archives else None,
            notices=(_UNVERIFIED, Notice("estimated", "FIT files counted, not read", "info"), *told.notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each activity or wellness file, and for each file of the JSON.

        Archives and files that hold no heart data or cannot be read are told as notices of the last recording.

        Raises
        ------
        InputError
            When there are no archives of uploads, more than `MAX_ARCHIVES`, or nothing in them can be read.
        """
        taken: set[str] = set()
        passed_over: list[Notice] = []
        waiting: Recording | None = None
        for recording in self._found(source, options, passed_over):
            if waiting is not None:
                yield waiting
            waiting = with_distinct_id(recording, taken)
        if waiting is None:
            found = "; ".join(n.message for n in passed_over)
            raise InputError("holds no upload that can be read", where=source.name, found=found or None)
        yield replace(waiting, notices=(*waiting.notices, *passed_over))

    def _found(self, source: Source, options: ReadOptions, passed_over: list[Notice]) -> Iterator[Recording]:
        archives = _archives(source)
        if len(archives) > MAX_ARCHIVES:
            raise InputError("holds too many archives", where=source.name, expected=f"at most {MAX_ARCHIVES}")
        for member in archives:
            label = without_device_id(member)
            known = replace(options, participant=options.participant or participant_of(source, member))
            try:
                with opened_archive(source, member) as inner:
                    for recording in FIT.read(inner, known):
                        yield _placed(recording, source, label)
            except AllostatError as error:
                passed_over.append(Notice("passed_over", error.what, "warning", 1, label))
        if CONNECT.sniff(source).members:
            try:
                yield from CONNECT.read(source, options)
            except AllostatError as error:
                passed_over.append(Notice("passed_over", error.what, "warning", 1, "JSON"))


def _archives(source: Source) -> tuple[str, ...]:
    if is_single(source):
        return ()
    return tuple(m for m in source.members if _UPLOADS.search(m) and is_archive(source, m))


def _placed(recording: Recording, source: Source, archive: str) -> Recording:
    """The recording with the whole way to its file as its provenance."""
    name = without_device_id(source.name)
    inputs = tuple(
        InputFile(name, one.sha256, one.bytes, f"{archive}/{one.member or one.name}")
        for one in recording.provenance.inputs
    )
    return replace(
        recording,
        provenance=replace(recording.provenance, inputs=inputs, verified=False),
        notices=(_UNVERIFIED, *recording.notices),
    )


ADAPTER = GarminAccount()
