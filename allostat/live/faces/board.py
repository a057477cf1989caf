"""What a session looks like now, within bounds: the one picture from which dashboard and web page are drawn.

A `Board` takes updates as they come and costs the session microseconds; faces read it at their own pace. Everything
it holds is bounded, so that a session of days takes no more memory than one of minutes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat.live.faces.ring import Ring
from allostat.live.updates import (
    BeatsFound,
    GapDeclared,
    HrvWindow,
    MarkerSet,
    PlacedIntervals,
    PlacedSamples,
    QualityWindow,
    SegmentBegun,
    SessionState,
    StrapState,
    Update,
)
from allostat.sampling import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRACE_CHUNKS = 128
"""Pieces of signal kept per strap: 71 s of a Polar H10's ECG, whose notifications hold 0.56 s."""
INTERVALS = 400
LOG_LINES = 500
DRAWN_HZ = 200.0
"""Highest rate at which a trace is kept; faster signals are thinned for drawing."""
STREAM_ORDER = ("ecg", "rr", "ppg", "ppi")
"""Which stream's HRV is shown when several have one: the first that is there."""

LogKind = Literal["phase", "gap", "segment", "marker", "quality", "malformed", "session"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that happened."""

    time_ns: int
    strap: int | None
    label: str
    kind: LogKind
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class TracePiece:
    """Samples of one channel, evenly spaced, for drawing.

    Attributes
    ----------
    raw
        int32 (n,); ``raw * scale`` is in ``unit``.
    """

    stream: str
    t0_ns: int
    rate_hz: float
    raw: NDArray[np.int32]
    scale: float
    unit: str

    @property
    def end_ns(self) -> int:
        """Instant at which the last sample's period ends."""
        return self.t0_ns + round(len(self.raw) * NS_PER_S / self.rate_hz)


@dataclass(slots=True)
class StrapPicture:
    """One strap on the board. ``version`` grows with every change of what is not a ring."""

    strap: int
    state: StrapState | None = None
    label: str = ""
    """What faces call it: who wears it, and which strap it is where somebody wears several."""
    version: int = 0
    hrv: dict[tuple[str, float], HrvWindow] = field(default_factory=dict)
    quality: QualityWindow | None = None
    trace: Ring[TracePiece] = field(default_factory=lambda: Ring(TRACE_CHUNKS))
    intervals: Ring[tuple[int, float]] = field(default_factory=lambda: Ring(INTERVALS))
    """Instant of the beat and the interval that ends there, ms."""
    interval_source: str = ""
    trace_stream: str = ""
    gaps: int = 0

    def measure(self, name: str, window_s: float) -> float:
        """A measure of the latest window of this length; NaN before there is one."""
        window = self.latest_hrv(window_s)
        return float("nan") if window is None else float(window.values.get(name, float("nan")))

    def latest_hrv(self, window_s: float) -> HrvWindow | None:
        """The latest window of this length, of the first stream in `STREAM_ORDER` that has one."""
        found = [w for (_, length), w in self.hrv.items() if length == window_s]
        rank = {stream: place for place, stream in enumerate(STREAM_ORDER)}
        return min(found, key=lambda w: rank.get(w.stream, len(rank)), default=None)

    @property
    def received(self) -> int:
        """Samples and beats that arrived."""
        return 0 if self.state is None else sum(self.state.received.values())

    @property
    def missing_percent(self) -> float:
        """Share of the worst stream that did not arrive; NaN before anything was expected."""
        if self.state is None:
            return float("nan")
        shares = [
            100.0 * lost / (lost + self.state.received.get(stream, 0))
            for stream, lost in self.state.declared_missing.items()
            if lost
        ]
        if shares:
            return max(shares)
        return 0.0 if self.received else float("nan")


class Board:
    """The picture of a session. A `LiveSink` whose readers come when they like."""

    def __init__(self) -> None:
        self.straps: dict[int, StrapPicture] = {}
        self.session: SessionState | None = None
        self.session_version = 0
        self.now_ns = 0
        self.at_rest_ns = 0
        """Last instant at which everything written was known to be on the disk."""
        self.log: Ring[LogLine] = Ring(LOG_LINES)
        self.markers = 0
        self.ended = False
        self._early: list[LogLine] = []
        """Events from before the session's time is known, or of straps of which nothing has been told yet."""

    def offer(self, update: Update) -> None:
        """Take one update."""
        match update:
            case PlacedSamples():
                self._samples(update)
            case PlacedIntervals():
                self._intervals(update.strap, update.stream, update.times_ns, update.intervals_ms)
            case BeatsFound():
                self._intervals(update.strap, update.stream, update.times_ns, update.intervals_ms)
            case StrapState():
                self._state(update)
            case HrvWindow():
                self._hrv(update)
            case QualityWindow():
                self._quality(update)
            case GapDeclared():
                self._gap(update)
            case SegmentBegun():
                self._say(update.time_ns, update.strap, "segment", f"new clock segment: {update.reason}")
            case MarkerSet():
                self.markers += 1
                self._say(update.time_ns, None, "marker", f"{update.label} ({update.source})")
            case SessionState():
                self._session(update)

    async def close(self) -> None:
        """The session ended."""
        self._tell_early()
        self.ended = True
        self.session_version += 1

    def note(self, text: str) -> None:
        """Put a sentence of the program itself among the events."""
        self._say(self.now_ns, None, "session", text)

    @property
    def unsynced_bytes(self) -> int:
        """Bytes that a power cut would lose now."""
        return 0 if self.session is None else max(0, self.session.journal_bytes - self.session.journal_synced_bytes)

    @property
    def unsynced_s(self) -> float:
        """For how long something has been waiting for the disk."""
        if not self.unsynced_bytes or self.session is None:
            return 0.0
        return max(0.0, (self.session.now_ns - self.at_rest_ns) / NS_PER_S)

    @property
    def elapsed_s(self) -> float:
        """Length of the session so far."""
        return 0.0 if self.session is None else max(0.0, (self.now_ns - self.session.started_ns) / NS_PER_S)

    def ordered(self) -> list[StrapPicture]:
        """All straps by number."""
        return [self.straps[number] for number in sorted(self.straps)]

    def _picture(self, strap: int) -> StrapPicture:
        if strap not in self.straps:
            self.straps[strap] = StrapPicture(strap, label=f"strap {strap + 1}")
        return self.straps[strap]

    def _say(self, time_ns: int, strap: int | None, kind: LogKind, text: str) -> None:
        label = "" if strap is None else self._picture(strap).label
        line = LogLine(time_ns, strap, label, kind, text)
        unnamed = strap is not None and self.straps[strap].state is None
        if (time_ns and not unnamed) or len(self._early) >= LOG_LINES:
            self.log.add(line)
        else:
            self._early.append(line)

    def _tell_early(self) -> None:
        early, self._early = self._early, []
        for line in early:
            label = line.label if line.strap is None else self.straps[line.strap].label
            self.log.add(replace(line, time_ns=line.time_ns or self.now_ns, label=label))

    def _samples(self, update: PlacedSamples) -> None:
        if update.kind not in ("ecg", "ppg") or not len(update.raw):
            return
        picture = self._picture(update.strap)
        if picture.trace_stream != update.stream and (update.kind == "ecg" or not picture.trace_stream):
            picture.trace_stream = update.stream
        if picture.trace_stream != update.stream:
            return
        piece = trace_piece(update)
        picture.trace.add(piece)
        self.now_ns = max(self.now_ns, piece.end_ns)

    def _intervals(
        self, strap: int, stream: str, times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64]
    ) -> None:
        """Intervals of the strap itself are shown where it sends any; else those of the project's detectors."""
        picture = self._picture(strap)
        if picture.interval_source != stream and (stream in ("rr", "ppi") or not picture.interval_source):
            picture.interval_source = stream
            picture.intervals.items.clear()
        if picture.interval_source != stream:
            return
        for time_ns, interval_ms in zip(times_ns.tolist(), intervals_ms.tolist(), strict=True):
            if not math.isnan(interval_ms):
                picture.intervals.add((time_ns, interval_ms))
            self.now_ns = max(self.now_ns, time_ns)

    def _state(self, state: StrapState) -> None:
        picture = self._picture(state.strap)
        before, picture.state = picture.state, state
        picture.version += 1
        if before is None or (before.label, before.participant) != (state.label, state.participant):
            self._name()
        if before is None or before.phase != state.phase or (state.message and before.message != state.message):
            self._say(
                self.now_ns, state.strap, "phase", f"{state.phase}: {state.message}" if state.message else state.phase
            )
        grown = _growth({} if before is None else before.malformed, state.malformed)
        if grown:
            self._say(self.now_ns, state.strap, "malformed", f"malformed: {grown}")

    def _hrv(self, window: HrvWindow) -> None:
        """The newest window is shown, provisional at first; final ones come minutes later and change only itself."""
        picture = self._picture(window.strap)
        key = window.stream, window.window_s
        if key not in picture.hrv or window.end_ns >= picture.hrv[key].end_ns:
            picture.hrv[key] = window
            picture.version += 1

    def _name(self) -> None:
        """Name every strap by its wearer; of somebody who wears several, or of nobody, by what the strap is called."""
        states = [p.state for p in self.straps.values() if p.state is not None]
        wearers = Counter(state.participant for state in states)
        for picture in self.straps.values():
            if picture.state is None:
                continue
            who, what = picture.state.participant, picture.state.label
            if who and (wearers[who] == 1 or who == what):
                picture.label = who
            else:
                picture.label = f"{who} {what}".strip()
            picture.version += 1

    def _quality(self, window: QualityWindow) -> None:
        picture = self._picture(window.strap)
        before, picture.quality = picture.quality, window
        picture.version += 1
        if window.accepted != (before is None or before.accepted):
            words = (
                "accepted again" if window.accepted else "rejected: " + (", ".join(window.reasons) or "no reason given")
            )
            self._say(window.end_ns, window.strap, "quality", f"{window.stream} {words}")

    def _gap(self, gap: GapDeclared) -> None:
        picture = self._picture(gap.strap)
        picture.gaps += 1
        picture.version += 1
        what = "beats" if gap.stream in ("rr", "ppi") else "samples"
        span_s = (gap.end_ns - gap.start_ns) / NS_PER_S
        self._say(
            gap.end_ns,
            gap.strap,
            "gap",
            f"{gap.stream}: {gap.missing} {what} missing over {span_s:.2f} s, {gap.reason}",
        )

    def _session(self, state: SessionState) -> None:
        before, self.session = self.session, state
        self.session_version += 1
        self.now_ns = max(self.now_ns, state.now_ns)
        self._tell_early()
        synced_before = 0 if before is None else before.journal_synced_bytes
        if state.journal_synced_bytes > synced_before or state.journal_synced_bytes >= state.journal_bytes:
            self.at_rest_ns = state.now_ns
        if state.message and (before is None or before.message != state.message):
            self._say(state.now_ns, None, "session", state.message)
        if state.journal_lost > (0 if before is None else before.journal_lost):
            self._say(state.now_ns, None, "session", f"the disk refused {state.journal_lost} records so far")


def trace_piece(update: PlacedSamples) -> TracePiece:
    """First channel of a packet for drawing: signals above `DRAWN_HZ` keep the most outlying of every few samples."""
    block, raw = update.block, update.raw[:, 0]
    t0_ns = block.t0_ns + round((update.first_index - block.start_index) * NS_PER_S / block.rate_hz)
    every = math.ceil(block.rate_hz / DRAWN_HZ)
    if every == 1:
        return TracePiece(update.stream, t0_ns, block.rate_hz, raw, update.scale, update.unit)
    groups = raw[: len(raw) // every * every].reshape(-1, every)
    if not len(groups):
        groups = raw[None, :]
    outlying = np.abs(groups - np.median(raw)).argmax(axis=1)
    kept = groups[np.arange(len(groups)), outlying]
    return TracePiece(update.stream, t0_ns, block.rate_hz / every, kept, update.scale, update.unit)


def _growth(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    grown = {code: count - before.get(code, 0) for code, count in after.items() if count > before.get(code, 0)}
    return ", ".join(f"{code} +{count}" for code, count in sorted(grown.items()))
