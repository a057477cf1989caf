"""What adapters of files of cuff readings share: one recording a file, readings on the local clock, no streams."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat.tables import BloodPressureReading
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.whole_export import UNVERIFIED
from allostat_devices.zone_inference import zone_of_options

LEAST_MMHG, MOST_MMHG = (30.0, 15.0), (300.0, 200.0)
"""What a cuff can measure: systolic, diastolic."""


class CuffFiles(ABC):
    """Adapter of files of cuff readings."""

    name: str
    title: str
    version: str = "1"
    verified: bool = False
    streams: tuple[str, ...] = ("blood_pressure",)
    folder_is_session: bool = False
    device: Device = Device()
    identifiers: tuple[str, ...] = ()
    always: tuple[Notice, ...] = ()
    """What has to be said of every such file."""

    @abstractmethod
    def look(self, source: Source, member: str) -> Sniff:
        """Judge one member by its first bytes."""

    @abstractmethod
    def fill(
        self, source: Source, member: str, who: str, skipped: SkippedRows
    ) -> tuple[list[BloodPressureReading], list[Notice]]:
        """Readings of one member, what else has to be said of it, and, counted, the rows that were left out."""

    def sniff(self, source: Source) -> Sniff:
        """Recognise members by content."""
        return sniff_members(source, self.look)

    def inspect(self, source: Source) -> Manifest:
        """Number of readings and their span on the local clock, by reading: such files are small."""
        found = list(self.read(source, ReadOptions()))
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(s for recording in found for s in stream_summaries(recording)),
            device=self.device,
            epoch="local",
            identifiers=self.identifiers,
            participant_hint=found[0].participant,
            notices=tuple(dict.fromkeys(n for recording in found for n in recording.notices)),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file.

        Raises
        ------
        InputError
            When a file is damaged or no row can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, self.look):
            name = shown_name(source, member)
            who = options.participant or participant_of(source, member)
            skipped = SkippedRows(without_device_id(name))
            readings, notices = self.fill(source, member, who or "", skipped)
            if not readings:
                told = "; ".join(n.message for n in (*skipped.notices(), *notices))
                raise InputError("holds no usable reading", where=name, found=told or None)
            recording = Recording(
                id=recording_id(name.removesuffix(".abp"), "blood_pressure"),
                participant=who,
                timezone=zone,
                device=self.device,
                provenance=Provenance((input_file(source, member),), self.name, self.version, self.verified),
                notices=(UNVERIFIED, *self.always, *skipped.notices(), *notices),
                blood_pressure=tuple(readings),
            )
            yield with_distinct_id(recording, taken)


def is_measurable(sbp: float, dbp: float) -> bool:
    """Whether a cuff can have measured two pressures in mmHg."""
    return LEAST_MMHG[0] <= sbp <= MOST_MMHG[0] and LEAST_MMHG[1] <= dbp <= MOST_MMHG[1]
