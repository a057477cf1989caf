"""Laboratory messages of one participant: FHIR resources in JSON, HL7 version 2 result messages.

A file that holds several participants is a table of the study (``labs`` in study.toml), not an export of one person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat.tables import (
    BloodPressureTable,
    Instant,
    LabTable,
    Table,
    blood_pressure_table,
    is_message,
    lab_table,
    message_of_text,
)
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.text_lines import open_text, whole_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

_IDENTIFIERS = ("patient key in messages", "names and record numbers in messages")
_UNVERIFIED = Notice("unverified", "this kind of file was not verified on a real export", "info")


class LabMessages:
    """Adapter of laboratory messages."""

    name = "lab_messages"
    title = "Laboratory messages (FHIR, HL7 v2)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("labs", "blood_pressure")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise FHIR resources and HL7 message headers."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Number of values and cuff readings."""
        members = claimed_members(source, _look)
        streams = []
        for member in members:
            labs, pressures, _ = _tables(source, member, None)
            for kind, instants in (
                ("labs", [r.collected_at for r in labs.rows]),
                ("blood_pressure", [r.measured_at for r in pressures.readings]),
            ):
                if instants:
                    first, last = _span(instants)
                    streams.append(StreamSummary(kind, kind, len(instants), float("nan"), "", first, last))
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            identifiers=_IDENTIFIERS,
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(_UNVERIFIED,),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with laboratory values and cuff readings and no streams.

        Raises
        ------
        InputError
            When a file is damaged, holds a value that cannot be used, or several participants.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            name = shown_name(source, member)
            who = options.participant or participant_of(source, member)
            labs, pressures, people = _tables(source, member, who)
            if len(people) > 1:
                raise InputError(
                    "holds several participants",
                    where=name,
                    found=len(people),
                    expected="one; name the file as labs or blood_pressure in study.toml",
                )
            problems = [str(p.error) for p in (*labs.problems, *pressures.problems)]
            if problems:
                raise InputError(
                    f"{len(problems)} value(s) that cannot be used: " + " | ".join(problems[:5]), where=name
                )
            recording = Recording(
                id=recording_id(name, "labs"),
                participant=who,
                timezone=zone,
                device=Device(kind="laboratory"),
                provenance=Provenance((input_file(source, member),), self.name, self.version, self.verified),
                notices=(_UNVERIFIED, *labs.notices, *pressures.notices),
                blood_pressure=pressures.readings,
                labs=labs.rows,
            )
            yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    if not is_message(head):
        return Sniff(0.0, "neither FHIR resources in JSON nor an HL7 message header")
    return Sniff(0.9, "HL7 version 2 messages" if head.lstrip()[:1] not in b"{[" else "FHIR resources")


def _tables(source: Source, member: str, who: str | None) -> tuple[LabTable, BloodPressureTable, set[str]]:
    """Values, cuff readings, and the patient keys among them; ``who`` stands in their place when it is given."""
    name = shown_name(source, member)
    with open_text(source, member) as text:
        content = whole_text(text, name)
    message = message_of_text(content, source.head(member), name)
    keys = {row.cells["participant_id"] for row in (*message.labs.rows, *message.pressures.rows)}
    labs, pressures = _filed(message.labs, who), _filed(replace(message.pressures, notices=()), who)
    return lab_table(labs), blood_pressure_table(pressures), keys


def _filed(table: Table, who: str | None) -> Table:
    if who is None:
        return table
    return replace(table, rows=tuple(replace(r, cells={**r.cells, "participant_id": who}) for r in table.rows))


def _span(instants: list[Instant | None]) -> tuple[int, int]:
    known = [i.time_ns for i in instants if i is not None]
    return (min(known), max(known)) if known else (0, 0)


ADAPTER = LabMessages()
