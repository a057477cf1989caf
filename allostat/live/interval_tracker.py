"""Beat-to-beat intervals of a strap placed in time, with lost beats declared.

A beat's instant is that of the beat before plus the interval between them; where that chain breaks (lost beats, loss of
contact, a new segment) it begins anew from the host's clock, or from the strap's where that tells the last beat.
Without device times lost beats show as a deficit: the intervals fall behind the host's clock and stay behind, while
after a stall of the radio they catch up. Suspicious notifications wait until it is clear which of the two it was.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from allostat.live.drift import DriftFit, MinimumEnvelope
from allostat.live.updates import GapDeclared, Placed, PlacedIntervals
from allostat.strap import IntervalBatch

LOST_BEATS = 1.5
"""Deficit, in median intervals, that beats are lost at when it stays for some seconds."""
SUSPICIOUS, RECOVERED, MEDIAN_LOST = 1.25, 0.9, 1.2
"""A notification comes less than one interval after its last beat. What is further behind is late, or beats are lost;
what is nearer than `RECOVERED` shows that none are. One beat leaves a deficit of one to two intervals, so that it takes
several notifications to tell."""
PATIENCE_NS = 4_000_000_000
"""How long suspicious notifications wait at least for the rest of a stall."""
FEWEST_WAITING, MOST_WAITING = 3, 10
_MEDIAN_OF = 15
_FLOOR_OF = 30
_REPEAT_NS = 250_000_000
_PERIOD_NS = 1_000_000_000
"""Between two notifications, about."""
_NO_MEDIAN_MS = 800.0
_LONGEST_MS = 10_000.0
"""No heart of a person who wears a strap pauses longer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    batch: IntervalBatch
    host_ns: int
    lag_ns: int


class IntervalTracker:
    """Places the intervals of one stream of one strap.

    Parameters
    ----------
    strap, stream
        Which; they are given on.
    """

    def __init__(self, strap: int, stream: Literal["rr", "ppi"]) -> None:
        self.strap, self.stream = strap, stream
        self.received = 0
        self.declared = 0
        self.repeated = 0
        self.impossible = 0
        self._segment = -1
        self._last_ns: int | None = None
        self._open = False
        self._break_reason = "connected"
        self._lags: deque[int] = deque(maxlen=_FLOOR_OF)
        self._valid: deque[float] = deque(maxlen=_MEDIAN_OF)
        self._waiting: list[_Waiting] = []
        self._before: tuple[int, bytes] | None = None
        self._envelope = MinimumEnvelope()
        self._rate_ms = math.nan
        self._unit_ms = 1000 / 1024

    @property
    def end_ns(self) -> int | None:
        """Instant of the last beat."""
        return self._last_ns

    @property
    def clock_fit(self) -> DriftFit | None:
        """Host's clock against the chain of intervals since it last began; None for a stream with device times."""
        return self._envelope.fit()

    def interrupt(self, reason: str) -> list[Placed]:
        """No interval crosses this moment: what waits is placed, and the chain breaks."""
        placed = self._end_waiting()
        if self._open or self._last_ns is None:
            self._break_reason = reason
        self._open = False
        return placed

    def push(self, batch: IntervalBatch, segment: int, host_ns: int, *, device_offset_ns: int | None) -> list[Placed]:
        """Place one notification.

        Parameters
        ----------
        segment
            The strap's present segment; `interrupt` was called when it began.
        host_ns
            Instant of the arrival.
        device_offset_ns
            Instant minus device time; needed when the batch tells the device time of its last beat.
        """
        self._segment = segment
        known = batch.intervals_ms > 0
        if known.any():
            self._unit_ms = float(batch.intervals_ms[known][0] / batch.raw[known][0])
        if math.isfinite(batch.heart_rate_bpm) and batch.heart_rate_bpm > 0:
            self._rate_ms = 60_000.0 / batch.heart_rate_bpm
        if batch.contact is False and batch.last_beat_ns is None:
            # What the strap sends without skin is no beat; how many were missed, the next good one tells.
            return self.interrupt("contact")
        if not len(batch.intervals_ms):
            return []
        if batch.last_beat_ns is not None and device_offset_ns is not None:
            return self._push_timed(batch, batch.last_beat_ns + device_offset_ns)
        return self._push_untimed(batch, host_ns)

    def close(self, now_ns: int, reason: str) -> list[Placed]:
        """Declare the beats that should have come until now, when there was silence for longer than usual."""
        placed = self._end_waiting()
        if self._last_ns is None:
            return placed
        median_ns = self._median_ns()
        silent = (now_ns - self._last_ns - self._floor_ns()) / median_ns
        missing = math.floor(silent)
        if silent > LOST_BEATS + 1_000_000_000 / median_ns:
            placed.append(self._gap(self._last_ns, self._last_ns + round(missing * median_ns), missing, reason))
        self._open = False
        return placed

    # --- without device times

    def _push_untimed(self, batch: IntervalBatch, host_ns: int) -> list[Placed]:
        content = batch.raw.tobytes()
        before, self._before = self._before, (host_ns, content)
        repeats = before is not None and before[1] == content and host_ns - before[0] < _REPEAT_NS
        if repeats and self._behind_ns() < _PERIOD_NS:
            # Nothing was late, so nothing was due: the same notification once more.
            self.repeated += 1
            return []
        if batch.intervals_ms.max(initial=0.0, where=batch.intervals_ms > 0) > _LONGEST_MS:
            self.impossible += 1
            return self.interrupt("impossible")
        median_ns = self._median_ns()
        if not self._open:
            return self._begin(batch, host_ns)
        assert self._last_ns is not None
        sum_ns = self._duration_ns(batch)
        if before is not None and sum_ns > host_ns - min(before[0], self._last_ns) + _PERIOD_NS + 2 * median_ns:
            # More time than has passed since the last notification: these are no beats.
            self.impossible += 1
            return self.interrupt("impossible")
        lag = host_ns - self._last_ns - sum_ns - sum(self._duration_ns(w.batch) for w in self._waiting)
        behind = (lag - self._floor_ns()) / median_ns
        if behind < -LOST_BEATS:
            # The chain has run ahead of the host's clock: intervals in the wrong unit, or counted twice.
            placed = self.interrupt("clock_step")
            return placed + self._begin(batch, host_ns)
        doubt = 0.5 if batch.full else SUSPICIOUS
        if behind <= (RECOVERED if self._waiting else doubt):
            return [*self._release(), *self._go_on(batch, host_ns, lag)]
        self._waiting.append(_Waiting(batch, host_ns, lag))
        if len(self._waiting) < FEWEST_WAITING or host_ns - self._waiting[0].host_ns < PATIENCE_NS:
            return []
        if self._least_behind() > LOST_BEATS:
            return self._settle()
        return self._end_waiting() if len(self._waiting) >= MOST_WAITING else []

    def _behind_ns(self) -> int:
        """How late the last notification was, against the earliest of late."""
        if self._waiting:
            return self._waiting[-1].lag_ns - self._floor_ns()
        return self._lags[-1] - self._floor_ns() if self._lags else 0

    def _least_behind(self) -> float:
        return (min(w.lag_ns for w in self._waiting) - self._floor_ns()) / self._median_ns()

    def _end_waiting(self) -> list[Placed]:
        """Decide by what is known: a deficit that nothing made good is lost beats.

        One or two late notifications tell nothing; if beats are lost, the gap that comes is longer by as much.
        """
        if len(self._waiting) < FEWEST_WAITING:
            return self._release()
        usual = statistics.median(w.lag_ns for w in self._waiting) - self._floor_ns()
        return self._settle() if usual > MEDIAN_LOST * self._median_ns() else self._release()

    def _settle(self) -> list[Placed]:
        """The deficit stayed: beats are lost in front of what waits."""
        waiting, self._waiting = self._waiting, []
        assert self._last_ns is not None
        # Where in its interval a notification comes varies: means of both sides are compared, not their least.
        usual = statistics.fmean(self._lags) if self._lags else 0.0
        deficit = round(max(self._median_ns(), statistics.median(w.lag_ns for w in waiting) - usual))
        missing = max(1, round(deficit / self._median_ns()))
        first = waiting[0]
        start_ns = self._last_ns + deficit
        placed: list[Placed] = [self._gap(self._last_ns, start_ns, missing, "lost")]
        placed += self._chain(first.batch, start_ns, opening=True)
        self._note_lag(first.host_ns, first.lag_ns - deficit)
        for w in waiting[1:]:
            placed += self._go_on(w.batch, w.host_ns, w.lag_ns - deficit)
        return placed

    def _release(self) -> list[Placed]:
        waiting, self._waiting = self._waiting, []
        return [p for w in waiting for p in self._go_on(w.batch, w.host_ns, None)]

    def _go_on(self, batch: IntervalBatch, host_ns: int, lag_ns: int | None) -> list[Placed]:
        assert self._last_ns is not None
        placed = self._chain(batch, self._last_ns, opening=False)
        if lag_ns is not None:
            self._note_lag(host_ns, lag_ns)
        return placed

    def _note_lag(self, host_ns: int, lag_ns: int) -> None:
        self._lags.append(lag_ns)
        self._envelope.push(host_ns, host_ns - lag_ns)

    def _begin(self, batch: IntervalBatch, host_ns: int) -> list[Placed]:
        """The first notification after a break.

        Its last beat lies less than one interval before it was sent, nobody knows where: half an interval is taken. The
        least lateness of the chain, kept in `clock_fit`, tells later by how much that was wrong.
        """
        median_ns = self._median_ns()
        duration_ns = self._duration_ns(batch)
        start_ns = host_ns - round(0.5 * min(median_ns, _PERIOD_NS)) - duration_ns
        placed: list[Placed] = []
        if self._last_ns is None:
            placed += self._chain(batch, start_ns, opening=True)
        elif start_ns - self._last_ns < 0.3 * median_ns:
            # Nothing is missing: the last beat is the one at which these begin. No interval crosses the break.
            placed.append(self._gap(self._last_ns, self._last_ns, 0, self._break_reason))
            placed += self._chain(_without_first(batch), self._last_ns, opening=False)
        else:
            missing = round((start_ns - self._last_ns) / median_ns)
            placed.append(self._gap(self._last_ns, start_ns, missing, self._break_reason))
            placed += self._chain(batch, start_ns, opening=True)
        self._lags.clear()
        self._envelope = MinimumEnvelope()
        assert self._last_ns is not None
        self._note_lag(host_ns, host_ns - self._last_ns)
        self._open = True
        return placed

    # --- with device times

    def _push_timed(self, batch: IntervalBatch, last_ns: int) -> list[Placed]:
        start_ns = last_ns - self._duration_ns(batch)
        if self._last_ns is not None and last_ns <= self._last_ns:
            self.repeated += 1
            return []
        median_ns = self._median_ns()
        if self._open and self._last_ns is not None and abs(start_ns - self._last_ns) <= 0.5 * median_ns:
            # The strap's times place the beats; they shift by less than half a beat, and intervals stay as sent.
            return self._chain(batch, start_ns, opening=False)
        placed: list[Placed] = []
        if self._last_ns is not None:
            start_ns = max(start_ns, self._last_ns + 1)
            missing = max(0, round((start_ns - self._last_ns) / median_ns))
            reason = "lost" if self._open else self._break_reason
            placed.append(self._gap(self._last_ns, start_ns, missing, reason))
        self._open = True
        return placed + self._chain(batch, start_ns, opening=True)

    # --- common

    def _chain(self, batch: IntervalBatch, start_ns: int, *, opening: bool) -> list[Placed]:
        """Beats from ``start_ns`` on; ``opening``: a beat whose interval is not known lies there."""
        spans_ns = self._spans_ns(batch)
        times = start_ns + np.cumsum(spans_ns)
        intervals = batch.intervals_ms
        if opening:
            times = np.concatenate([[start_ns], times])
            intervals = np.concatenate([[np.nan], intervals])
        if self._last_ns is not None and times[0] <= self._last_ns:
            # Only where device times overlap by a fraction of a beat.
            times = np.maximum(times, self._last_ns + 1 + np.arange(len(times)))
        self.received += len(batch.intervals_ms)
        self._valid.extend(float(v) for v in batch.intervals_ms if v > 0)
        self._last_ns = int(times[-1])
        return [
            PlacedIntervals(
                self.strap, self.stream, self._segment, times.astype(np.int64), intervals.astype(np.float64),
                batch.heart_rate_bpm, batch.contact,
            )
        ]  # fmt: skip

    def _spans_ns(self, batch: IntervalBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Length of each interval: an unusable one as it was sent, a missing one the median."""
        spans = batch.intervals_ms
        if np.isnan(spans).any():
            unit_ms = self._unit_ms if self.stream == "rr" else 1.0
            sent = np.where(batch.raw > 0, batch.raw * unit_ms, self._median_ns() * 1e-6)
            spans = np.where(np.isnan(spans), sent, spans)
        found: np.ndarray[tuple[int], np.dtype[np.int64]] = np.maximum(np.rint(spans * 1e6), 1.0).astype(np.int64)
        return found

    def _duration_ns(self, batch: IntervalBatch) -> int:
        return int(self._spans_ns(batch).sum())

    def _median_ns(self) -> float:
        if self._valid:
            return statistics.median(self._valid) * 1e6
        return (self._rate_ms if math.isfinite(self._rate_ms) else _NO_MEDIAN_MS) * 1e6

    def _floor_ns(self) -> int:
        return min(self._lags) if self._lags else 0

    def _gap(self, start_ns: int, end_ns: int, missing: int, reason: str) -> GapDeclared:
        self.declared += missing
        return GapDeclared(self.strap, self.stream, start_ns, end_ns, missing, reason)


def _without_first(batch: IntervalBatch) -> IntervalBatch:
    """The same, its first interval kept as a duration only."""
    intervals = batch.intervals_ms.copy()
    intervals[0] = np.nan
    return replace(batch, intervals_ms=intervals)
