"""One strap's clock: the segments in which it ran undisturbed, and its place against the host's clock.

All sample streams of a strap share it. Within a segment an instant is device time plus one offset; the drift against
the host is fitted beside it and moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from allostat.live.drift import FEWEST_WINDOWS, DriftFit, MinimumEnvelope

STEP_NS = 2_000_000_000
"""A device clock that leaves the host's by more has been set."""


@dataclass(frozen=True, slots=True)
class ClockSegment:
    """A stretch of one connection and one device clock.

    Attributes
    ----------
    number
        From 0, within the strap.
    reason
        Why it began: ``connected``, ``reconnected``, ``restarted``, ``clock_step``.
    start_ns
        Instant of its first sample or beat.
    offset_ns
        Instant minus device time of all its samples; None without a device clock.
    wall_step_ns
        How far the host's wall clock had been stepped since the session began.
    fit
        Drift against the host's clock, over all segments between which the device clock ran on.
    """

    number: int
    reason: str
    start_ns: int
    wall_step_ns: int
    offset_ns: int | None = None
    fit: DriftFit | None = None


class DeviceClock:
    """Offset of the present segment, and the fit of the device clock's present run."""

    def __init__(self) -> None:
        self._envelope = MinimumEnvelope()
        self._offset_ns: int | None = None
        self._anchor_anew = True
        self._segments: list[ClockSegment] = []
        self._run_start = 0

    @property
    def segments(self) -> tuple[ClockSegment, ...]:
        """All segments so far; those of the present run with the fit as it is now."""
        fit = self._envelope.fit()
        running = [replace(s, fit=fit) for s in self._segments[self._run_start :]]
        return (*self._segments[: self._run_start], *running)

    def begin_segment(self, reason: str, start_ns: int, wall_step_ns: int) -> ClockSegment:
        """A new segment. One that began with a connection or a clock step finds its offset anew."""
        segment = ClockSegment(len(self._segments), reason, start_ns, wall_step_ns)
        self._segments.append(segment)
        if reason != "restarted":
            self._anchor_anew = True
        elif self._offset_ns is not None:
            self._segments[-1] = replace(segment, offset_ns=self._offset_ns)
        return segment

    def runs_on(self, host_ns: int, device_ns: int) -> bool:
        """Whether a device time fits the clock as known from before."""
        floor = self._envelope.floor_ns
        return floor is not None and abs(host_ns - device_ns - floor) <= STEP_NS

    def ran_ahead(self, host_ns: int, device_ns: int) -> bool:
        """Whether the device clock jumped forward: nothing arrives before it was sent."""
        floor = self._envelope.floor_ns
        return floor is not None and host_ns - device_ns < floor - STEP_NS

    def offset(self, host_ns: int, device_ns: int) -> int:
        """Instant minus device time in the present segment, which a first device time settles.

        On a clock that runs on from an earlier connection it is the fitted difference, so that a late first
        notification moves nothing; else the difference at this notification.
        """
        if self._anchor_anew:
            self._anchor_anew = False
            if self.runs_on(host_ns, device_ns):
                fit = self._envelope.fit()
                floor = self._envelope.floor_ns
                assert fit is not None and floor is not None
                self._offset_ns = fit.offset_at(host_ns) if fit.windows >= FEWEST_WINDOWS else floor
            else:
                self._end_run()
                self._offset_ns = host_ns - device_ns
            if self._segments:
                self._segments[-1] = replace(self._segments[-1], offset_ns=self._offset_ns)
        assert self._offset_ns is not None
        return self._offset_ns

    def _end_run(self) -> None:
        fit = self._envelope.fit()
        present = max(0, len(self._segments) - 1)
        for i in range(self._run_start, present):
            self._segments[i] = replace(self._segments[i], fit=fit)
        self._run_start = present
        self._envelope = MinimumEnvelope()

    def observe(self, host_ns: int, device_ns: int) -> None:
        """Take an arrival into the fit."""
        self._envelope.push(host_ns, device_ns)

    def latest_ns(self, host_ns: int) -> int | None:
        """Instant of the newest sample that could have arrived by now, by the least latency seen."""
        floor = self._envelope.floor_ns
        if floor is None or self._offset_ns is None:
            return None
        return host_ns - floor + self._offset_ns
