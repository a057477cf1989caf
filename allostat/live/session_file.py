"""One person's share of a session as a participant file: signals, beats, gaps, clock segments, markers, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import allostat
from allostat.biomarkers import Person
from allostat.live.device_clock import ClockSegment
from allostat.live.session_straps import SessionHeader, StrapInFile
from allostat.live.spool import SpooledBeats, SpooledGaps, StrapSpool
from allostat.live.timeline import StrapTimeline
from allostat.recording import (
    Beats,
    Clock,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    ValueSeries,
)

if TYPE_CHECKING:
    from allostat.store.result import ParticipantResult

ADAPTER_VERSION = "1"
GAP_REASONS = (
    "lost", "truncated", "jump", "connected", "reconnected", "restarted", "clock_step", "disconnected", "stopped",
    "contact", "rr_unit", "impossible", "not analysed", "other",
)  # fmt: skip
"""What the column ``reason`` of gaps and segments counts."""
_BEAT_METHODS = {"rr": "RR intervals of the strap", "ppi": "pulse intervals of the strap"}


@dataclass(frozen=True)
class SessionContent:
    """What all files of a session share.

    Attributes
    ----------
    name, header
        Of the session.
    inputs
        Parts of the journal with their hashes.
    markers
        Of the whole session.
    notices
        What everybody who reads a file must know: bytes that the journal's end lost, a disk that was full.
    """

    name: str
    header: SessionHeader
    inputs: tuple[InputFile, ...]
    markers: tuple[Marker, ...]
    notices: tuple[Notice, ...]


def participant_result(
    participant: str, content: SessionContent, straps: Sequence[tuple[StrapInFile, StrapTimeline, StrapSpool]]
) -> ParticipantResult:
    """What is written of one participant.

    Parameters
    ----------
    straps
        Those that the participant wears: what they are called, what is known of them, and what was placed.
    """
    from allostat.store.result import ParticipantResult

    recordings: dict[str, Recording] = {}
    for about, timeline, spool in straps:
        recording = _recording(participant, content, about, timeline, spool)
        if recording is not None:
            recordings[recording.id] = recording
    provenance = {
        "session": content.name,
        "inputs": [{"name": i.name, "sha256": i.sha256, "bytes": i.bytes} for i in content.inputs],
        "version": f"allostat {allostat.__version__}",
    }
    return ParticipantResult(
        participant, Person(participant), recordings, provenance=provenance, notices=content.notices
    )


def _recording(
    participant: str, content: SessionContent, about: StrapInFile, timeline: StrapTimeline, spool: StrapSpool
) -> Recording | None:
    offsets = [s.offset_ns for s in timeline.segments if s.offset_ns is not None]
    signals: dict[str, Signal] = {}
    for spooled in spool.signals.values():
        clock = Clock(tuple(spooled.blocks), spooled.count, "utc", _int64(offsets[0]) if offsets else None)
        for label, samples in spooled.channels():
            signals[label] = Signal(label, spooled.kind, samples, clock, spooled.unit, spooled.scale)
    beats = {stream: _beats(stream, spooled) for stream, spooled in spool.beats.items()}
    series = {f"{stream}_gaps": _gaps(stream, gaps) for stream, gaps in spool.gaps.items()}
    for stream, found in spool.beats.items():
        if len(found.rates_bpm):
            name = "hr" if stream == "rr" else f"{stream}_hr"
            series[name] = _heart_rate(name, found)
    if not signals and not beats:
        return None
    if "rr" in beats and (ecg := next((s for s in signals.values() if s.kind == "ecg"), None)) is not None:
        alignment = _alignment(beats["rr"], ecg)
        series |= {} if alignment is None else {"rr_alignment": alignment}
    if timeline.segments:
        series["clock_segments"] = _segments(timeline.segments)
    return Recording(
        id=about.recording,
        signals=signals,
        beats=beats,
        participant=participant,
        timezone=content.header.timezone,
        device=timeline.device,
        provenance=Provenance(
            content.inputs, f"live:{content.header.link}", ADAPTER_VERSION, False,
            {"session": content.name, **{k: str(v) for k, v in content.header.settings.items()}},
        ),
        notices=_notices(timeline),
        markers=content.markers,
        extras=_extras(about, timeline),
        series=series,
    )  # fmt: skip


def _beats(stream: str, spooled: SpooledBeats) -> Beats:
    return Beats(
        np.frombuffer(spooled.times_ns, np.int64),
        np.frombuffer(spooled.intervals_ms, np.float64),
        np.frombuffer(spooled.flags, np.int8),
        "device",
        "utc",
        _BEAT_METHODS.get(stream, "as recorded"),
    )


def _heart_rate(name: str, spooled: SpooledBeats) -> ValueSeries:
    times = np.frombuffer(spooled.rate_times_ns, np.int64)
    return ValueSeries(name, "hr", times, np.frombuffer(spooled.rates_bpm, np.float64), "/min")


def _alignment(beats: Beats, ecg: Signal) -> ValueSeries | None:
    """Where the strap's own beats lie on its ECG; their instants stay as they were live."""
    from allostat.beats import find_beats
    from allostat.live.rr_alignment import align_intervals

    found = align_intervals(beats.times_ns, beats.intervals_ms, find_beats(ecg).times_ns)
    if not found:
        return None
    return ValueSeries(
        "rr_alignment",
        "other",
        np.array([a.start_ns for a in found], np.int64),
        np.array([a.shift_ms for a in found], np.float64),
        "ms",
        ends_ns=np.array([a.end_ns for a in found], np.int64),
        extras={
            "spread_ms": np.array([a.spread_ms for a in found], np.float64),
            "matched": np.array([a.matched for a in found], np.float64),
        },
    )


def _gaps(stream: str, gaps: SpooledGaps) -> ValueSeries:
    return ValueSeries(
        f"{stream}_gaps",
        "other",
        np.frombuffer(gaps.starts_ns, np.int64),
        np.frombuffer(gaps.missing, np.int64).astype(np.float64),
        "1",
        ends_ns=np.frombuffer(gaps.ends_ns, np.int64),
        extras={"reason": _reason_codes(gaps.reasons)},
    )


def _reason_codes(reasons: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int8]]:
    codes = {reason: i for i, reason in enumerate(GAP_REASONS)}
    return np.array([codes.get(reason, len(GAP_REASONS) - 1) for reason in reasons], np.int8)


def _int64(value: int) -> int:
    """Device times are any 64 bit, in the file differences of them have 64 with a sign."""
    return max(-(2**63), min(2**63 - 1, value))


def _segments(segments: Sequence[ClockSegment]) -> ValueSeries:
    """One row per clock segment; ``host_ns = instant + drift`` of it moves any instant to the host's clock later."""
    fits = [s.fit for s in segments]
    offsets = [s.offset_ns for s in segments]
    starts = np.maximum.accumulate(np.array([s.start_ns for s in segments], np.int64))
    starts += np.arange(len(starts)) - np.searchsorted(starts, starts)
    columns: dict[str, np.ndarray[Any, Any]] = {
        "reason": _reason_codes([s.reason for s in segments]),
        "device_offset_ns": np.array([0 if o is None else _int64(o) for o in offsets], np.int64),
        "has_device_clock": np.array([o is not None for o in offsets], np.int8),
        "wall_step_ns": np.array([s.wall_step_ns for s in segments], np.int64),
        "fit_origin_ns": np.array([0 if f is None else f.origin_ns for f in fits], np.int64),
        "fit_offset_ns": np.array([0 if f is None else _int64(f.offset_ns) for f in fits], np.int64),
        "drift_ppm": np.array([np.nan if f is None else f.drift_ppm for f in fits], np.float64),
        "spread_ms": np.array([np.nan if f is None else f.spread_ms for f in fits], np.float64),
        "windows": np.array([0 if f is None else f.windows for f in fits], np.int64),
    }
    numbers = np.array([s.number for s in segments], np.float64)
    return ValueSeries("clock_segments", "other", starts, numbers, "1", extras=columns)


def _notices(timeline: StrapTimeline) -> tuple[Notice, ...]:
    found = []
    for code, count in sorted(timeline.malformed.items()):
        found.append(Notice(f"live_{code}", "notifications that could not be used, in whole or in part", count=count))
    missing = {k: v for k, v in timeline.declared_missing.items() if v}
    for stream, count in sorted(missing.items()):
        came = timeline.received.get(stream, 0)
        found.append(Notice(f"live_missing_{stream}", f"missing; {came} came", "info", count))
    if timeline.rr_unit_message:
        found.append(Notice("live_rr_unit", timeline.rr_unit_message))
    return tuple(found)


def _extras(about: StrapInFile, timeline: StrapTimeline) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "label": about.label,
        "stream_settings": {stream: _plain(settings) for stream, settings in timeline.settings.items()},
        "received": timeline.received,
        "declared_missing": timeline.declared_missing,
        "malformed": dict(sorted(timeline.malformed.items())),
        "connections": timeline.connections,
        "gap_reasons": list(GAP_REASONS),
        "uncertainty": "Instants contain the least latency of the radio link, about 30 ms: nothing here can tell it.",
    }
    if timeline.battery_percent is not None:
        extras["battery_percent"] = {"first": timeline.battery_first_percent, "last": timeline.battery_percent}
    for stream, tracker in timeline.interval_trackers.items():
        fit = tracker.clock_fit
        if fit is not None and fit.windows > 2:
            extras[f"{stream}_clock"] = {
                "late_ms": fit.offset_ns * 1e-6, "drift_ppm": fit.drift_ppm, "spread_ms": fit.spread_ms,
                "windows": fit.windows,
            }  # fmt: skip
    return extras


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, int | float | str | bool) or v is None else str(v) for k, v in settings.items()}
