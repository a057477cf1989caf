"""What a live session tells its faces and its analysis: placed samples, gaps, beats, measures, states.

A tracker makes `Placed` values of what a strap's decoder gave; the analysis turns those into beats, quality and
HRV; faces take any `Update`. Instants are ns Unix time. The same values come out when the journal is replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from allostat.recording import SampleKind
from allostat.sampling import ClockBlock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSamples:
    """Samples with their place in time.

    Attributes
    ----------
    strap
        Number of the strap within the session.
    stream, kind, labels, unit, scale
        As `allostat.strap.SampleBlock`.
    segment
        Clock segment. What follows the samples goes by the gaps of the clock, as it will on the recorded file: a
        segment begins at least half a sample beside the end of the one before.
    first_index
        Index of the first sample within the stream, counted over the session.
    raw
        int32 (samples, channels).
    block
        The clock block in which these samples lie, as the recorded file will hold it; its ``start_index`` is
        ``first_index`` when it begins here.
    """

    strap: int
    stream: str
    kind: SampleKind
    labels: tuple[str, ...]
    unit: str
    scale: float
    segment: int
    first_index: int
    raw: NDArray[np.int32]
    block: ClockBlock


@dataclass(frozen=True, slots=True, eq=False)
class PlacedIntervals:
    """Beats that the strap found itself.

    Attributes
    ----------
    times_ns
        int64 (n,), strictly ascending over the stream.
    intervals_ms
        float64 (n,): NaN for the first beat of a segment, across a gap, and where the strap had none.
    """

    strap: int
    stream: Literal["rr", "ppi"]
    segment: int
    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    heart_rate_bpm: float
    contact: bool | None


@dataclass(frozen=True, slots=True)
class GapDeclared:
    """A stretch of a stream that did not arrive, with the samples or beats that it must have held."""

    strap: int
    stream: str
    start_ns: int
    end_ns: int
    missing: int
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentBegun:
    """A new clock segment of a strap: no interval crosses it."""

    strap: int
    segment: int
    time_ns: int
    reason: str


Placed = PlacedSamples | PlacedIntervals | GapDeclared | SegmentBegun


@dataclass(frozen=True, slots=True, eq=False)
class BeatsFound:
    """Beats that the project's detectors found in a signal, as they became certain: before any correction.

    Attributes
    ----------
    uncertainty_ms
        float32 (n,): standard error of each instant.
    """

    strap: int
    stream: str
    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    uncertainty_ms: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """Signal quality of one window that is complete: values and reasons by the names of `allostat.signal_quality`."""

    strap: int
    stream: str
    start_ns: int
    end_ns: int
    accepted: bool
    reasons: tuple[str, ...]
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HrvWindow:
    """HRV of one window that is complete: names and units as `allostat.hrv` gives them.

    Attributes
    ----------
    artefact_percent
        Share of the window's beats that were corrected; NaN without beats.
    reasons
        Names of `allostat.hrv_windows.Reason`: why values are missing, or what to know of them.
    provisional
        True as soon as a beat behind the window is known: its artefacts were corrected without the minutes that follow.
        The same window comes again with False once nothing can change it: it then equals that of the recorded file.
    """

    strap: int
    stream: str
    start_ns: int
    end_ns: int
    window_s: float
    values: Mapping[str, float]
    artefact_percent: float
    reasons: tuple[str, ...] = ()
    provisional: bool = False


StrapPhase = Literal["searching", "connecting", "starting", "streaming", "silent", "lost", "stopped"]


@dataclass(frozen=True, slots=True)
class StrapState:
    """One strap as a face shows it.

    Attributes
    ----------
    label
        What people call it (participant, or the name that it advertises): never its address or serial number.
    received, declared_missing, malformed
        By stream (samples or beats), and by reason.
    latency_ms
        Median and 99th percentile from arrival to the end of processing over the last minute.
    """

    strap: int
    label: str
    participant: str
    phase: StrapPhase
    message: str = ""
    heart_rate_bpm: float = float("nan")
    contact: bool | None = None
    battery_percent: int | None = None
    rssi_dbm: int | None = None
    model: str | None = None
    reconnects: int = 0
    received: Mapping[str, int] = field(default_factory=dict)
    declared_missing: Mapping[str, int] = field(default_factory=dict)
    malformed: Mapping[str, int] = field(default_factory=dict)
    latency_ms: tuple[float, float] = (float("nan"), float("nan"))


MarkerSource = Literal["key", "http", "lsl", "program"]


@dataclass(frozen=True, slots=True)
class MarkerSet:
    """An event that somebody marked."""

    time_ns: int
    label: str
    source: MarkerSource


@dataclass(frozen=True, slots=True)
class SessionState:
    """The session as a whole: what is at risk, and what is at rest."""

    name: str
    started_ns: int
    now_ns: int
    journal_bytes: int
    journal_synced_bytes: int
    journal_lost: int = 0
    """Records that the disk refused; the session goes on and says so."""
    message: str = ""


Update = Placed | BeatsFound | QualityWindow | HrvWindow | StrapState | MarkerSet | SessionState


class LiveSink(Protocol):
    """A face: dashboard, web page, LSL outlet, report.

    `offer` is called on the session's event loop, returns at once and never raises; a slow face drops its own
    updates, counts them, and costs the journal nothing.
    """

    def offer(self, update: Update) -> None:
        """Take one update."""
        ...

    async def close(self) -> None:
        """The session ended; everything offered has been."""
        ...


class LiveAnalysis(Protocol):
    """Beats, quality and HRV of what is placed, as it is placed.

    The same placed values in the same order give the same updates, however they are spread over calls.
    """

    def push(self, placed: Placed) -> Iterable[Update]:
        """What became certain with one placed value."""
        ...

    def close(self) -> Iterable[Update]:
        """The session ended: what only waited for more."""
        ...
