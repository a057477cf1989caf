"""Everything of one strap placed in time: what its decoder gave, record by record, becomes `Placed` values.

Deterministic: the same records give the same values, live, in a replay, and when the session is finalised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from allostat.live.device_clock import STEP_NS, ClockSegment, DeviceClock
from allostat.live.interval_tracker import IntervalTracker
from allostat.live.sample_tracker import SampleTracker, is_rate
from allostat.live.updates import Placed, SegmentBegun
from allostat.recording import Device
from allostat.strap import (
    AdvertisedHeartRate,
    BatteryLevel,
    Connected,
    Decoded,
    Disconnected,
    IntervalBatch,
    Malformation,
    SampleBlock,
    StreamStarted,
    StreamStopped,
    UnitVerdict,
)

STANDARD_MS_PER_UNIT = 1000 / 1024
"""Of RR intervals, as the Heart Rate Service has them."""
LATEST_BEATS_NS = 120_000_000_000
"""Pulse intervals come in batches, the first after about 25 s; what is older is another clock's."""
LATEST_DEVICE_NS = 1 << 62
"""The year 2116: what a device clock says beyond is no time."""


class StrapTimeline:
    """Segments, streams and counts of one strap.

    Parameters
    ----------
    strap
        Its number within the session.
    rr_ms_per_unit
        What its RR intervals count in, when that is known from the whole session; None: as the decoder says by then.

    Attributes
    ----------
    malformed
        What could not be read or was not wanted, counted by reason.
    rr_ms_per_unit
        What the decoder says that the strap's RR intervals count in.
    """

    def __init__(self, strap: int, *, rr_ms_per_unit: float | None = None) -> None:
        self.strap = strap
        self.malformed: Counter[str] = Counter()
        self.device = Device()
        self.facts: dict[str, Any] = {}
        self.settings: dict[str, Mapping[str, Any]] = {}
        self.connected = False
        self.connections = 0
        self.heart_rate_bpm = float("nan")
        self.contact: bool | None = None
        self.battery_percent: int | None = None
        self.battery_first_percent: int | None = None
        self.rr_ms_per_unit = STANDARD_MS_PER_UNIT
        self.rr_unit_message = ""
        self._known_rr_ms_per_unit = rr_ms_per_unit
        self._clock = DeviceClock()
        self._samples: dict[str, SampleTracker] = {}
        self._intervals: dict[str, IntervalTracker] = {}
        self._segment = -1
        self._due_reason: str | None = "connected"
        self._reason = "lost"
        self._wall_step_ns = 0
        self._entered: set[str] = set()
        self._ended: set[str] = set()
        self._skipped: Counter[str] = Counter()

    # --- what is known

    @property
    def received(self) -> dict[str, int]:
        """Samples and beats that came, by stream."""
        return {name: tracker.received for name, tracker in self._trackers()}

    @property
    def declared_missing(self) -> dict[str, int]:
        """Samples and beats that were declared missing, by stream."""
        return {name: tracker.declared for name, tracker in self._trackers()}

    @property
    def segments(self) -> tuple[ClockSegment, ...]:
        """Clock segments so far."""
        return self._clock.segments

    @property
    def interval_trackers(self) -> Mapping[str, IntervalTracker]:
        """By stream."""
        return self._intervals

    def _trackers(self) -> list[tuple[str, SampleTracker | IntervalTracker]]:
        return [*self._samples.items(), *self._intervals.items()]

    # --- what comes

    def push(self, decoded: list[Decoded], host_ns: int, wall_step_ns: int) -> list[Placed]:
        """Place what a decoder made of one record.

        Parameters
        ----------
        host_ns
            Instant of the arrival, by the host's monotonic clock.
        wall_step_ns
            By how much the wall clock differed from it then; kept with the segments that begin.
        """
        self._wall_step_ns = wall_step_ns
        placed: list[Placed] = []
        for value in decoded:
            match value:
                case SampleBlock():
                    placed += self._push_samples(value, host_ns)
                case IntervalBatch():
                    placed += self._push_intervals(value, host_ns)
                case Malformation(code=code, count=count):
                    self.malformed[code] += count
                case UnitVerdict():
                    placed += self._judge_unit(value)
                case Connected(device=device, facts=facts):
                    self.device, self.facts = device, {**self.facts, **facts}
                    self.connected = True
                    self.connections += 1
                    self._break("connected" if self.connections == 1 else "reconnected")
                case Disconnected():
                    self.connected = False
                    self._break("reconnected")
                case StreamStarted(stream=stream, settings=settings):
                    self.settings[stream] = dict(settings)
                    if stream in self._entered:
                        self._break("restarted")
                case StreamStopped(stream=stream, asked=True):
                    placed += self._close_stream(stream, host_ns, "stopped")
                    self._ended.add(stream)
                case StreamStopped():
                    pass
                case BatteryLevel(percent=percent):
                    self.battery_percent = percent
                    if self.battery_first_percent is None:
                        self.battery_first_percent = percent
                case AdvertisedHeartRate(bpm=bpm, contact=contact):
                    self.heart_rate_bpm, self.contact = bpm, contact
        return placed

    def skipped(self) -> None:
        """Records of this strap were not processed live: gaps that follow from it are called ``not analysed``."""
        self._skipped = Counter({name: 1 for name, _ in self._trackers()})

    def close(self, host_ns: int) -> list[Placed]:
        """Close the books: declare what every stream still owes."""
        placed: list[Placed] = []
        for stream in [s for s, _ in self._trackers() if s not in self._ended]:
            placed += self._close_stream(stream, host_ns, "stopped" if self.connected else "disconnected")
        return placed

    def _close_stream(self, stream: str, host_ns: int, reason: str) -> list[Placed]:
        latest_ns = self._clock.latest_ns(host_ns) if self.connected else None
        if (samples := self._samples.get(stream)) is not None:
            if self.connected and latest_ns is None:
                return samples.flush()
            return samples.close(latest_ns, host_ns, reason)
        if (intervals := self._intervals.get(stream)) is not None:
            return intervals.close(host_ns, reason)
        return []

    # --- segments

    def _break(self, reason: str) -> None:
        """A new segment begins with the next thing that has a place in time."""
        if self._due_reason is None or self._due_reason == "restarted":
            self._due_reason = reason

    def _enter_segment(self, host_ns: int, start_ns: int) -> list[Placed]:
        """Begin the segment that is due."""
        if self._due_reason is None:
            return []
        reason, self._due_reason = self._due_reason, None
        placed: list[Placed] = []
        for samples in self._samples.values():
            placed += samples.flush()
        for intervals in self._intervals.values():
            placed += intervals.interrupt(reason)
        self._entered.clear()
        self._reason = reason
        # No segment begins before what the one before held.
        ends = [t.end_ns for _, t in self._trackers() if t.end_ns is not None]
        segment = self._clock.begin_segment(reason, max([start_ns, *ends]), self._wall_step_ns)
        self._segment = segment.number
        return [*placed, SegmentBegun(self.strap, segment.number, segment.start_ns, reason)]

    # --- streams

    def _push_samples(self, block: SampleBlock, host_ns: int) -> list[Placed]:
        if not is_rate(block.nominal_hz):
            self.malformed["no_rate"] += 1
            return []
        if self._impossible(block.last_sample_ns):
            block = replace(block, last_sample_ns=None)
        tracker = self._samples.get(block.stream)
        if tracker is None:
            tracker = self._samples[block.stream] = SampleTracker(self.strap, block.stream)
        fresh = self._due_reason in ("connected", "reconnected", "clock_step")
        device_ns = block.last_sample_ns
        if not fresh:
            verdict = tracker.judge(block)
            if verdict in ("repeated", "late"):
                self.malformed[f"{verdict}_notification"] += 1
                return []
            jumped = device_ns is not None and self._clock.ran_ahead(host_ns, device_ns)
            if verdict == "step" or jumped:
                self._break("clock_step")
        span_ns = round((len(block.raw) + block.missing) * 1e9 / block.nominal_hz)
        placed = self._enter_segment(host_ns, host_ns - span_ns)
        runs_on = device_ns is not None and self._clock.runs_on(host_ns, device_ns)
        # A stream without device times is placed by the host alone.
        offset_ns = 0 if device_ns is None else self._clock.offset(host_ns, device_ns)
        first_in_segment = block.stream not in self._entered
        self._entered.add(block.stream)
        self._ended.discard(block.stream)
        reason = self._reason if first_in_segment else "lost"
        if self._skipped.pop(block.stream, 0):
            reason = "not analysed"
        placed += tracker.push(block, self._segment, offset_ns, host_ns, reason=reason, runs_on=runs_on)
        if device_ns is not None:
            self._clock.observe(host_ns, device_ns)
        return placed

    def _impossible(self, device_ns: int | None) -> bool:
        """Whether a device time is none that a clock has; counted then."""
        found = device_ns is not None and not 0 <= device_ns < LATEST_DEVICE_NS
        if found:
            self.malformed["impossible_time"] += 1
        return found

    def _push_intervals(self, batch: IntervalBatch, host_ns: int) -> list[Placed]:
        if self._known_rr_ms_per_unit is not None and batch.stream == "rr":
            batch = _rescaled(batch, self._known_rr_ms_per_unit)
        if self._impossible(batch.last_beat_ns):
            batch = replace(batch, last_beat_ns=None)
        tracker = self._intervals.get(batch.stream)
        if tracker is None:
            tracker = self._intervals[batch.stream] = IntervalTracker(self.strap, batch.stream)
        self.heart_rate_bpm, self.contact = batch.heart_rate_bpm, batch.contact
        if not len(batch.intervals_ms):
            return tracker.push(batch, self._segment, host_ns, device_offset_ns=None)
        if self._strange_time(batch, host_ns):
            if self._samples:
                # The streams of samples know the clock: this is no notification of that strap.
                self.malformed["impossible_time"] += 1
                return []
            self._break("clock_step")
        placed: list[Placed] = []
        if self._due_reason is not None:
            placed = self._enter_segment(host_ns, host_ns - round(float(np.nansum(batch.intervals_ms)) * 1e6))
        self._entered.add(batch.stream)
        self._ended.discard(batch.stream)
        offset_ns = None if batch.last_beat_ns is None else self._clock.offset(host_ns, batch.last_beat_ns)
        if batch.last_beat_ns is not None and not self._samples:
            # Beats arrive seconds after they happened: they tell the clock only where nothing better does.
            self._clock.observe(host_ns, batch.last_beat_ns)
        self._skipped.pop(batch.stream, 0)
        repeated, impossible = tracker.repeated, tracker.impossible
        placed += tracker.push(batch, self._segment, host_ns, device_offset_ns=offset_ns)
        if tracker.repeated > repeated:
            self.malformed["repeated_notification"] += 1
        if tracker.impossible > impossible:
            self.malformed["impossible_intervals"] += 1
        return placed

    def _strange_time(self, batch: IntervalBatch, host_ns: int) -> bool:
        """Whether a batch tells a time at which its last beat cannot have been."""
        if batch.last_beat_ns is None or self._due_reason in ("connected", "reconnected", "clock_step"):
            return False
        ahead_ns = batch.last_beat_ns + self._clock.offset(host_ns, batch.last_beat_ns) - host_ns
        return not -LATEST_BEATS_NS <= ahead_ns <= STEP_NS

    def _judge_unit(self, verdict: UnitVerdict) -> list[Placed]:
        changed = verdict.ms_per_unit != self.rr_ms_per_unit
        self.rr_ms_per_unit = verdict.ms_per_unit
        if verdict.message is not None:
            self.rr_unit_message = verdict.message
        tracker = self._intervals.get("rr")
        if not changed or self._known_rr_ms_per_unit is not None or tracker is None:
            return []
        return tracker.interrupt("rr_unit")


def _rescaled(batch: IntervalBatch, ms_per_unit: float) -> IntervalBatch:
    intervals = np.where(batch.raw > 0, batch.raw * ms_per_unit, np.nan)
    return IntervalBatch(
        batch.stream, batch.raw, intervals, batch.heart_rate_bpm, batch.contact, batch.last_beat_ns, batch.error_ms,
        batch.energy_kj, batch.full,
    )  # fmt: skip
