"""The contract of an adapter: how a family of exports is recognised, looked at and read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from allostat.recording import UNKNOWN_ZONE, Device, Epoch, Notice, Recording, TimeZone, ZoneSource

if TYPE_CHECKING:
    from allostat.source import Source


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream as `inspect` sees it."""

    name: str
    kind: str
    n: int
    rate_hz: float
    unit: str
    start_ns: int
    end_ns: int
    gaps: int = 0


@dataclass(frozen=True)
class Manifest:
    """What an export holds, found without reading all of it."""

    source: str
    adapter: str
    confidence: float
    verified: bool
    streams: tuple[StreamSummary, ...] = ()
    device: Device = field(default_factory=Device)
    timezone: TimeZone = UNKNOWN_ZONE
    epoch: Epoch = "utc"
    identifiers: tuple[str, ...] = ()
    """Kinds of identifying information present (``name in header``, ``device id in file name``), never the values."""
    participant_hint: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller may say of an export that the file itself does not."""

    participant: str | None = None
    timezone: str | None = None
    timezone_source: ZoneSource = "user"
    unit: str | None = None
    spool_above: int | None = None
    """Bytes of samples of one file beyond which they go to a temporary file; None: they stand in memory."""

    def spools(self, sample_bytes: int) -> bool:
        """Whether the samples of a file go to a temporary file (`allostat.samples`)."""
        return self.spool_above is not None and sample_bytes > self.spool_above


@dataclass(frozen=True, slots=True)
class Sniff:
    """How sure an adapter is (0 to 1) that a source is its own, and why.

    ``members`` names the members of a folder or archive that belong to it; empty means all of them. Of a single file it
    may name that file and those beside it without which it is not read. ``descriptions`` are those members that hold no
    data of anybody and may be the same in the exports of two persons: headers, sidecars, a device's general notes.
    """

    confidence: float
    reason: str
    members: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()


@runtime_checkable
class Adapter(Protocol):
    """One family of exports. Registered under the entry-point group ``allostat.adapters``."""

    name: str
    """Short name, as the entry point."""
    title: str
    """What a person calls the format."""
    version: str
    verified: bool
    """Whether it was verified on a real recording."""
    streams: tuple[str, ...]
    """Kinds of streams it can give: ``ecg``, ``ppg``, ``beats`` …"""
    folder_is_session: bool
    """Whether the files that it claims in a folder are streams of one session (not one recording each)."""

    def sniff(self, source: Source) -> Sniff:
        """Look at the first 4 KiB and the member names; never trust the extension alone."""
        ...

    def inspect(self, source: Source) -> Manifest:
        """Cheap look at what is in the source."""
        ...

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """Read all recordings of the source, in bounded memory beyond the arrays returned."""
        ...


def stream_summaries(recording: Recording, prefix: str = "") -> list[StreamSummary]:
    """Every stream of a recording as `inspect` shows it, with ``prefix`` before its name."""
    nan = float("nan")
    found = [
        StreamSummary(
            name, s.kind, len(s), s.clock.rate_hz, s.unit, s.clock.start_ns, s.clock.end_ns, len(s.clock.gaps)
        )
        for name, s in recording.signals.items()
    ]
    found += [
        StreamSummary(name, "beats", len(b), nan, "ms", int(b.times_ns[0]), int(b.times_ns[-1]), len(b.gaps))
        for name, b in recording.beats.items()
        if len(b)
    ]
    found += [
        StreamSummary(
            name, s.kind, len(s), nan, s.unit, int(s.times_ns[0]),
            int(s.times_ns[-1] if s.ends_ns is None else s.ends_ns.max()),
        )
        for name, s in recording.series.items()
        if len(s)
    ]  # fmt: skip
    for name, unit, instants in (
        ("blood_pressure", "mm[Hg]", [r.measured_at for r in recording.blood_pressure]),
        ("labs", "", [r.collected_at for r in recording.labs]),
    ):
        known = [i.time_ns for i in instants if i is not None]
        if instants:
            span = (min(known), max(known)) if known else (0, 0)
            found.append(StreamSummary(name, name, len(instants), nan, unit, *span))
    return [replace(summary, name=prefix + summary.name) for summary in found]
