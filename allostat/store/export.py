"""allostat's own participant files as exports: the recordings in them can be read like those of any device.

They come from anywhere. Recognising one looks at bytes only; before it is opened here another process has read every
value of it, with limits, so that a file made to crash the HDF5 library crashes that one.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import replace

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import Device, Recording, TimeZone
from allostat.source import Source
from allostat.store.guard import probe
from allostat.store.participant import read_participant
from allostat.store.result import ParticipantResult

_MAGIC = b"\x89HDF\r\n\x1a\n"


class ParticipantFile:
    """Adapter of participant files."""

    name = "participant_file"
    title = "allostat participant file (.h5)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "beats", "series", "blood_pressure", "labs")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise HDF5 that says it is allostat's; whether it is true, opening it tells."""
        if not source.path.is_file() or source.is_zip:
            return Sniff(0.0, "not a single file")
        if source.head()[:8] != _MAGIC:
            return Sniff(0.0, "not HDF5")
        if not _says(source, b"allostat_file"):
            return Sniff(0.1, "HDF5, but no participant file")
        if not _says(source, b"allostat participant "):
            return Sniff(0.1, "a file of allostat, but not of a participant")
        return Sniff(0.95, "a participant file of allostat")

    def inspect(self, source: Source) -> Manifest:
        """All streams; the file is small beside what it was made from."""
        result = _guarded(source)
        streams = []
        for key, recording in result.recordings.items():
            streams += [replace(s, name=f"{key}/{s.name}") for s in stream_summaries(recording)]
        first = next(iter(result.recordings.values()), None)
        return Manifest(
            source=source.name,
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=first.device if first is not None else Device(),
            timezone=first.timezone if first is not None else TimeZone(),
            epoch=first.epoch if first is not None else "relative",
            participant_hint=result.participant,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """The recordings as they were stored.

        Raises
        ------
        InputError
            When the file was written without raw samples.
        StoreError
            When it is damaged, of a newer version, or not safe to read.
        """
        result = _guarded(source)
        if not result.recordings:
            raise InputError("holds no recordings", where=source.name)
        for recording in result.recordings.values():
            zone = recording.timezone
            if options.timezone is not None:
                known = "user" if options.timezone_source == "unknown" else options.timezone_source
                zone = TimeZone(options.timezone, known)
            yield replace(recording, participant=options.participant or recording.participant, timezone=zone)


def _says(source: Source, text: bytes) -> bool:
    """Whether a text stands in a file; what describes a whole file of allostat stands near its end."""
    with source.open() as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.rfind(text) >= 0


def _guarded(source: Source) -> ParticipantResult:
    """The recordings of a file, after another process has read it."""
    with source.open():
        probe(source.path)
    return read_participant(source.path, groups=("recordings",))


ADAPTER = ParticipantFile()
