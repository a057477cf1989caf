"""allostat's own participant files as exports: the recordings in them can be read like those of any device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError, StoreError
from allostat.recording import Device, Recording, TimeZone
from allostat.source import Source
from allostat.store.participant import read_participant

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
        """Recognise HDF5; whether it is allostat's, opening it tells."""
        if not source.path.is_file() or source.is_zip:
            return Sniff(0.0, "not a single file")
        if source.head()[:8] != _MAGIC:
            return Sniff(0.0, "not HDF5")
        try:
            read_participant(source.path, groups=())
        except StoreError as error:
            return Sniff(0.1, f"HDF5, but no participant file ({error})")
        return Sniff(0.95, "a participant file of allostat")

    def inspect(self, source: Source) -> Manifest:
        """All streams; the file is small beside what it was made from."""
        result = read_participant(source.path, groups=("recordings",))
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
            When it is damaged.
        """
        result = read_participant(source.path, groups=("recordings",))
        if not result.recordings:
            raise InputError("holds no recordings", where=source.name)
        for recording in result.recordings.values():
            zone = recording.timezone
            if options.timezone is not None:
                known = "user" if options.timezone_source == "unknown" else options.timezone_source
                zone = TimeZone(options.timezone, known)
            yield replace(recording, participant=options.participant or recording.participant, timezone=zone)


ADAPTER = ParticipantFile()
