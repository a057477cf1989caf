"""What `inspect` says of a source whose files are recordings of their own: looks at each of them, joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from allostat.adapter import Adapter, Manifest, StreamSummary
from allostat.recording import UNKNOWN_ZONE, Device, Epoch, Notice, TimeZone
from allostat.source import Source
from allostat_devices.file_names import has_device_id, without_device_id
from allostat_devices.members import participant_of, shown_name


@dataclass(frozen=True)
class FileLook:
    """What one file holds, found without reading all of it."""

    streams: Sequence[StreamSummary]
    epoch: Epoch
    notices: Sequence[Notice] = ()
    identifiers: Sequence[str] = ()
    """Kinds of identifying information in the file."""
    timezone: TimeZone = UNKNOWN_ZONE
    device: Device = field(default_factory=Device)


def manifest_of_files(
    adapter: Adapter, source: Source, members: Sequence[str], look: Callable[[str], FileLook]
) -> Manifest:
    """The manifest of all files that an adapter claims.

    Streams carry the file's name in front where there are several files. Zone and epoch are told where all files agree.
    """
    streams: list[StreamSummary] = []
    notices: list[Notice] = []
    looks = [look(member) for member in members]
    for member, found in zip(members, looks, strict=True):
        name = without_device_id(shown_name(source, member))
        prefix = f"{PurePosixPath(name).stem}/" if len(members) > 1 else ""
        streams += [replace(summary, name=prefix + summary.name) for summary in found.streams]
        notices += [notice for notice in found.notices if notice not in notices]
    kinds = dict.fromkeys(kind for found in looks for kind in found.identifiers)
    if any(map(has_device_id, [source.name, *members])):
        kinds["device id in file name"] = None
    zones, epochs = {found.timezone for found in looks}, {found.epoch for found in looks}
    devices = [found.device for found in looks if found.device != Device()]
    return Manifest(
        source=without_device_id(source.name),
        adapter=adapter.name,
        confidence=adapter.sniff(source).confidence,
        verified=adapter.verified and not any(n.code == "unverified" for n in notices),
        streams=tuple(streams),
        device=devices[-1] if devices else Device(),
        timezone=zones.pop() if len(zones) == 1 else UNKNOWN_ZONE,
        epoch=epochs.pop() if len(epochs) == 1 else "relative",
        identifiers=tuple(kinds),
        participant_hint=participant_of(source, members[0]) if members else None,
        notices=tuple(notices),
    )
