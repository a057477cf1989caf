"""What a session's recording tells of its straps: where each stream has data, what is missing and why, its clocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.recording import NS_PER_S, Beats, Recording, ValueSeries

if TYPE_CHECKING:
    import xarray as xr

GAPS, SEGMENTS = "_gaps", "clock_segments"
JOINED_NS = NS_PER_S // 100
"""Stretches of a signal closer than this are one on a page: a clock block ends wherever the rate is estimated anew."""
SHORT_WINDOW, LONG_WINDOW = "1min", "5min"


@dataclass(frozen=True, slots=True)
class DeclaredGap:
    """A stretch that did not arrive."""

    start_ns: int
    end_ns: int
    missing: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClockSegmentFacts:
    """One clock segment of a strap; NaN where the host's clock could not be fitted."""

    number: int
    start_ns: int
    reason: str
    drift_ppm: float
    spread_ms: float


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream: what arrived and where it lies."""

    name: str
    received: int
    missing: int
    spans: tuple[tuple[int, int], ...]
    gaps: tuple[DeclaredGap, ...]

    @property
    def missing_percent(self) -> float:
        """Share that did not arrive; NaN when nothing was expected."""
        expected = self.received + self.missing
        return 100.0 * self.missing / expected if expected else float("nan")


@dataclass(frozen=True, eq=False, slots=True)
class StrapFacts:
    """One strap of a session.

    Attributes
    ----------
    beats
        Corrected beats from which the course is drawn; None when there are too few.
    beats_of
        The stream that they come from, in words.
    windows
        HRV by length of window.
    """

    participant: str
    label: str
    recording: Recording
    streams: tuple[StreamFacts, ...]
    segments: tuple[ClockSegmentFacts, ...]
    beats: Beats | None
    beats_of: str
    windows: dict[str, xr.Dataset]

    @property
    def title(self) -> str:
        """Participant, and the strap when that says more."""
        return self.participant if self.label == self.participant else f"{self.participant}, {self.label}"

    def count(self, name: str) -> int:
        """A count that the session kept beside the streams; 0 when it kept none."""
        value = self.recording.extras.get(name, 0)
        return int(value) if isinstance(value, int) else 0

    @property
    def malformed(self) -> dict[str, int]:
        """Notifications that could not be read, by reason."""
        found = self.recording.extras.get("malformed")
        return {str(k): int(v) for k, v in found.items()} if isinstance(found, dict) else {}


def strap_facts(recording: Recording) -> StrapFacts:
    """Everything that the page says of one strap, with its beats corrected and measured in windows."""
    beats, beats_of = _beats(recording)
    return StrapFacts(
        recording.participant or "",
        str(recording.extras.get("label") or recording.id),
        recording,
        _streams(recording),
        _segments(recording),
        beats,
        beats_of,
        _windows(beats),
    )


def _streams(recording: Recording) -> tuple[StreamFacts, ...]:
    received, missing = _counts(recording, "received"), _counts(recording, "declared_missing")
    names = list(dict.fromkeys([*received, *_signal_streams(recording), *recording.beats]))
    found = []
    for name in names:
        gaps = _gaps(recording, name)
        told = received.get(name)
        count = told if told is not None else _held(recording, name)
        lost = missing.get(name, sum(g.missing for g in gaps))
        found.append(StreamFacts(name, count, lost, _spans(recording, name, gaps), gaps))
    return tuple(found)


def _counts(recording: Recording, name: str) -> dict[str, int]:
    found = recording.extras.get(name)
    return {str(k): int(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _signal_streams(recording: Recording) -> list[str]:
    """Streams of signals: the channels of one stream share the beginning of their names."""
    return sorted({name.split("_")[0] for name in recording.signals})


def _channel(recording: Recording, stream: str) -> Any:
    return next((s for name, s in recording.signals.items() if name == stream or name.startswith(f"{stream}_")), None)


def _held(recording: Recording, stream: str) -> int:
    if stream in recording.beats:
        return len(recording.beats[stream])
    signal = _channel(recording, stream)
    return 0 if signal is None else len(signal)


def _spans(recording: Recording, stream: str, gaps: Sequence[DeclaredGap]) -> tuple[tuple[int, int], ...]:
    """Where the stream has data, as instants."""
    signal = _channel(recording, stream)
    if signal is not None:
        parts = [
            (b.t0_ns, b.t0_ns + round((stop - first) * NS_PER_S / b.rate_hz)) for first, stop, b in signal.clock.spans()
        ]
        return _joined(parts)
    beats = recording.beats.get(stream)
    if beats is None or not len(beats):
        return ()
    known = np.isfinite(beats.intervals_ms)
    ends = beats.times_ns[known]
    starts = ends - np.rint(beats.intervals_ms[known] * 1e6).astype(np.int64)
    parts = list(zip(starts.tolist(), ends.tolist(), strict=True))
    return _joined(parts)


def _joined(parts: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[list[int]] = []
    for start, end in sorted(parts):
        if found and start - found[-1][1] <= JOINED_NS:
            found[-1][1] = max(end, found[-1][1])
        else:
            found.append([start, end])
    return tuple((a, b) for a, b in found)


def _gaps(recording: Recording, stream: str) -> tuple[DeclaredGap, ...]:
    series = recording.series.get(f"{stream}{GAPS}")
    if series is None or series.ends_ns is None:
        return ()
    reasons = _reasons(recording, series)
    rows = zip(series.times_ns.tolist(), series.ends_ns.tolist(), series.values.tolist(), reasons, strict=True)
    return tuple(DeclaredGap(a, b, 0 if np.isnan(n) else int(n), reason) for a, b, n, reason in rows)


def _segments(recording: Recording) -> tuple[ClockSegmentFacts, ...]:
    series = recording.series.get(SEGMENTS)
    if series is None:
        return ()
    n = len(series)
    nothing = np.full(n, np.nan)
    drift = np.asarray(series.extras.get("drift_ppm", nothing), np.float64).tolist()
    spread = np.asarray(series.extras.get("spread_ms", nothing), np.float64).tolist()
    rows = zip(
        series.values.tolist(), series.times_ns.tolist(), _reasons(recording, series), drift, spread, strict=True
    )
    return tuple(ClockSegmentFacts(int(number), *rest) for number, *rest in rows)


def _reasons(recording: Recording, series: ValueSeries) -> list[str]:
    """Words of a column of reasons, by the list of words that the recording holds beside it."""
    words = [str(w) for w in recording.extras.get("gap_reasons") or ()]
    codes = series.extras.get("reason")
    if codes is None:
        return ["not stated"] * len(series)
    return [words[c] if 0 <= c < len(words) else f"reason {c}" for c in np.asarray(codes).tolist()]


def _beats(recording: Recording) -> tuple[Beats | None, str]:
    """Intervals that the strap sent where it sent enough, else beats found in its ECG or PPG; corrected."""
    from allostat.beats import correct_beats, find_beats

    for name in ("rr", "ppi"):
        beats = recording.beats.get(name)
        if beats is not None and np.isfinite(beats.intervals_ms).sum() >= 10:
            return correct_beats(beats), f"{name.upper()} intervals of the strap"
    for signal in recording.signals.values():
        if signal.kind in ("ecg", "ppg") and len(signal) > 10 * signal.clock.rate_hz:
            found = find_beats(signal)
            if np.isfinite(found.intervals_ms).sum() >= 10:
                return correct_beats(found), f"beats found in the {signal.kind.upper()}"
    return None, ""


def _windows(beats: Beats | None) -> dict[str, xr.Dataset]:
    from allostat.hrv import hrv

    if beats is None:
        return {}
    span_ns = int(beats.times_ns[-1] - beats.times_ns[0])
    lengths = {SHORT_WINDOW: 60, LONG_WINDOW: 300}
    return {
        name: hrv(beats, window=float(seconds), step=60.0, measures="standard")
        for name, seconds in lengths.items()
        if span_ns >= seconds * NS_PER_S
    }


def session_span(straps: Sequence[StrapFacts]) -> tuple[int, int]:
    """First and last instant of all straps; (0, 0) without any data."""
    spans = list(itertools.chain.from_iterable(s.spans for strap in straps for s in strap.streams))
    return (min(a for a, _ in spans), max(b for _, b in spans)) if spans else (0, 0)
