"""What a live session measures: beats, quality and HRV of every strap, equal to those of the recorded file.

The rules of `allostat.find_beats`, `allostat.signal_quality`, `allostat.correct_beats` and `allostat.hrv` look no
further ahead than they say, so the same values come out here, to the last bit, only later. How much later:

====================================  ==============================================================================
beats of ECG                          0.5 s behind the R peak (at most 0.6 s; 2.5 s at the start; 5 s when beats come
                                      back out of noise)
beats of PPG                          0.6 s (at most 1 s); in the first half minute or more, until the polarity of the
                                      pulses is known, up to 30 s more
quality of a window of 10 s           5 s behind its end, or at the end of its stretch; up to 6.2 s (ECG) or 17 s (PPG)
                                      while there is no beat
HRV, provisional                      with the first beat behind the window
HRV, final                            some 54 beats for each of the three passes of the correction: 2 minutes, or
                                      when a gap ends the stretch of beats
====================================  ==============================================================================

Samples themselves arrive in notifications, which wait up to 0.56 s in a strap. A gap ends a stretch when what follows
it arrives, or with `LiveAnalysis.finish`. docs/live_analysis.md holds what was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat.errors import InputError
from allostat.live.live_beats import NewBeats, SignalBeats
from allostat.live.live_clock import LiveClock
from allostat.live.live_hrv import GRID, LiveHrv, MeasuredWindow, WindowGrid
from allostat.live.live_polarity import Upright
from allostat.live.live_quality import NAMES, JudgedWindow, SignalQuality
from allostat.live.updates import (
    BeatsFound,
    HrvWindow,
    Placed,
    PlacedIntervals,
    PlacedSamples,
    QualityWindow,
    Update,
)
from allostat.live.usable_intervals import usable_intervals
from allostat.sampling import Stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray


AT_ONCE_S = 0.25
"""Samples of short notifications are gathered for so long: each of them alone would cost as much as all together.
A beat is certain only half a second after it or later, and what is found does not depend on it."""


class LiveAnalysis:
    """Turns the placed values of a session into beats, quality and HRV.

    Of each strap every ECG and every PPG is followed (of several channels the first, as a study takes it), and the
    intervals that the strap found itself. Streams do not know of each other. Memory does not grow with time.

    Parameters
    ----------
    grid
        Lengths and distance of the HRV windows.
    """

    def __init__(self, grid: WindowGrid = GRID) -> None:
        self._grid = grid
        self._signals: dict[tuple[int, str], _SignalStream] = {}
        self._intervals: dict[tuple[int, str], _IntervalStream] = {}

    def push(self, placed: Placed) -> list[Update]:
        """Take the next placed value of any strap; gives what became certain, and provisional HRV."""
        match placed:
            case PlacedSamples(kind="ecg" | "ppg"):
                key = placed.strap, placed.stream
                if key not in self._signals:
                    kind: Literal["ecg", "ppg"] = "ecg" if placed.kind == "ecg" else "ppg"
                    self._signals[key] = _SignalStream(*key, kind, self._grid)
                return self._signals[key].push(placed)
            case PlacedIntervals():
                key = placed.strap, placed.stream
                if key not in self._intervals:
                    self._intervals[key] = _IntervalStream(*key, self._grid)
                return self._intervals[key].push(placed)
        return []

    def finish(self) -> list[Update]:
        """No more values follow: gives all that is left."""
        streams: list[_SignalStream | _IntervalStream] = [*self._signals.values(), *self._intervals.values()]
        updates = [update for stream in streams for update in stream.finish()]
        self._signals.clear()
        self._intervals.clear()
        return updates

    def close(self) -> list[Update]:
        """The same, as a session calls it."""
        return self.finish()


class _IntervalStream:
    """HRV of the intervals that a strap found itself."""

    def __init__(self, strap: int, stream: str, grid: WindowGrid) -> None:
        self._hrv = _HrvUpdates(strap, stream, grid)
        self._opening = True

    def push(self, placed: PlacedIntervals) -> list[Update]:
        intervals, flags = usable_intervals(placed.intervals_ms, self._opening)
        self._opening = self._opening and not len(intervals)
        return self._hrv.push(placed.times_ns, intervals, flags)

    def finish(self) -> list[Update]:
        return self._hrv.finish()


class _HrvUpdates:
    """HRV windows of a stream of beats, as updates."""

    def __init__(self, strap: int, stream: str, grid: WindowGrid) -> None:
        self._strap = strap
        self._stream = stream
        self._hrv = LiveHrv(grid)

    def push(
        self, times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]
    ) -> list[Update]:
        return self._updates(self._hrv.push(times_ns, intervals_ms, flags))

    def finish(self) -> list[Update]:
        return self._updates(self._hrv.finish())

    def _updates(self, windows: list[MeasuredWindow]) -> list[Update]:
        return [
            HrvWindow(
                self._strap,
                self._stream,
                window.start_ns,
                window.end_ns,
                window.window_s,
                window.values,
                window.artefact_percent,
                window.reasons,
                window.provisional,
            )
            for window in windows
        ]


class _SignalStream:
    """One ECG or PPG of one strap: its clock, its beats, its quality, and the HRV of its beats."""

    def __init__(self, strap: int, stream: str, kind: Literal["ecg", "ppg"], grid: WindowGrid) -> None:
        self._strap = strap
        self._stream = stream
        self._clock = LiveClock()
        self._upright = Upright() if kind == "ppg" else None
        self._beats = SignalBeats(kind, self._clock, stream)
        self._quality = SignalQuality(kind, self._clock, stream)
        self._hrv = _HrvUpdates(strap, stream, grid)
        self._readable = False
        """Whether the detectors can work at the rate of the present stretch."""
        self._waiting: list[NDArray[np.float64]] = []
        self._waiting_samples = 0

    def push(self, placed: PlacedSamples) -> list[Update]:
        updates: list[Update] = []
        n = len(placed.raw)
        if not n:
            return updates
        end_ns = self._clock.last.end_ns(self._clock.stop) if self._clock.stop else 0
        if self._clock.extend(placed.block, placed.first_index + n):
            updates += self._end(end_ns)
            updates += self._begin(placed.block.start_index, placed.block.t0_ns, placed.block.rate_hz)
        self._waiting.append(placed.raw[:, 0].astype(np.float64) * placed.scale)
        self._waiting_samples += n
        if self._waiting_samples >= AT_ONCE_S * placed.block.rate_hz:
            updates += self._take_waiting()
        return updates

    def _take_waiting(self) -> list[Update]:
        if not self._waiting:
            return []
        values = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting.clear()
        self._waiting_samples = 0
        parts = [values] if self._upright is None else self._upright.push(values)
        return [update for part in parts for update in self._take(part)]

    def _begin(self, start: int, t0_ns: int, rate_hz: float) -> list[Update]:
        stretch = Stretch(start, start, t0_ns, t0_ns, rate_hz)
        if self._upright is not None:
            self._upright.begin(rate_hz)
        self._readable = True
        try:
            found = self._beats.begin(stretch)
            self._quality.begin(stretch)
        except InputError:
            self._readable = False
            return []
        return self._found(found)

    def _take(self, values: NDArray[np.float64]) -> list[Update]:
        if not self._readable:
            return []
        return self._found(self._beats.push(values)) + self._judged(self._quality.push(values))

    def _end(self, end_ns: int) -> list[Update]:
        updates = self._take_waiting()
        for part in [] if self._upright is None else self._upright.end():
            updates += self._take(part)
        if self._readable:
            self._beats.end(end_ns)
            updates += self._judged(self._quality.end())
        return updates

    def finish(self) -> list[Update]:
        if not self._clock.stop:
            return []
        updates = self._end(self._clock.last.end_ns(self._clock.stop))
        updates += self._found(self._beats.flush())
        return updates + self._hrv.finish()

    def _found(self, beats: NewBeats | None) -> list[Update]:
        if beats is None:
            return []
        found = BeatsFound(self._strap, self._stream, beats.times_ns, beats.intervals_ms, beats.uncertainty_ms)
        normal = np.zeros(len(beats.times_ns), dtype=np.int8)
        return [found, *self._hrv.push(beats.times_ns, beats.intervals_ms, normal)]

    def _judged(self, windows: list[JudgedWindow]) -> list[Update]:
        return [
            QualityWindow(
                self._strap,
                self._stream,
                window.measures.start_ns,
                window.measures.end_ns,
                window.reasons == 0,
                window.reason_names,
                {name: getattr(window.measures, measure) for name, measure in NAMES.items()},
            )
            for window in windows
        ]
