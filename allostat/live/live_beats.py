"""Beats of a signal while it is recorded: as `allostat.find_beats` finds them in the file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat.beats import carries_on, missing_between, new_detector
from allostat.live.live_clock import LiveClock
from allostat.sampling import Stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat.kernels.peaks import PeakBatch
    from allostat.kernels.r_peak import RPeakDetector
    from allostat.kernels.systolic_peak import SystolicPeakDetector


@dataclass(frozen=True, slots=True, eq=False)
class NewBeats:
    """Beats that became certain, in order; arrays of one length."""

    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    uncertainty_ms: NDArray[np.float32]


class SignalBeats:
    """Beats of one ECG or of one upright PPG, stretch by stretch of its clock.

    A detector follows over gaps of up to 10 s, as in `allostat.find_beats`; after a longer one it starts anew and its
    last beats come out.
    """

    def __init__(self, kind: Literal["ecg", "ppg"], clock: LiveClock, where: str) -> None:
        self._kind: Literal["ecg", "ppg"] = kind
        self._clock = clock
        self._where = where
        self._detector: RPeakDetector | SystolicPeakDetector | None = None
        self._rate_hz = float("nan")
        self._fed = 0
        self._stretches: deque[tuple[int, int]] = deque()
        """First sample of each stretch, and how many samples more the detector has been fed than that."""
        self._end_ns = 0
        self._ahead_ns = np.iinfo(np.int64).min
        self._last: tuple[int, int] | None = None
        """Instant of the last beat, and first sample of its stretch."""

    def begin(self, stretch: Stretch) -> NewBeats | None:
        """A stretch begins, of which ``stop`` and ``end_ns`` are not known yet."""
        found: NewBeats | None = None
        if self._detector is not None and carries_on(self._end_ns, self._rate_hz, stretch):
            lost = missing_between(self._end_ns, stretch)
            found = self._beats(self._detector.push(np.full(lost, np.nan)))
            self._fed += lost
        else:
            found = self.flush()
            self._detector = new_detector(self._kind, stretch.rate_hz, self._where)
            self._rate_hz = stretch.rate_hz
            self._fed = 0
            self._stretches.clear()
        self._stretches.append((stretch.start, self._fed - stretch.start))
        return found

    def push(self, values: NDArray[np.float64]) -> NewBeats | None:
        """The next samples of the stretch."""
        assert self._detector is not None
        self._fed += len(values)
        return self._beats(self._detector.push(values))

    def end(self, end_ns: int) -> None:
        """The stretch has ended; its last beats may wait for what follows."""
        self._end_ns = end_ns

    def flush(self) -> NewBeats | None:
        """The detector has come to its end."""
        if self._detector is None:
            return None
        found = self._beats(self._detector.flush())
        self._detector = None
        return found

    def _beats(self, peaks: PeakBatch) -> NewBeats | None:
        rows = []
        for sample, fraction, jitter in zip(*(column.tolist() for column in peaks), strict=True):
            # Ascending: the next stretch has begun when a peak lies in it.
            while len(self._stretches) > 1 and sample - self._stretches[1][1] >= self._stretches[1][0]:
                self._stretches.popleft()
            start, shift = self._stretches[0]
            row = self._beat(start, max(sample - shift + fraction, start), jitter)
            if row is not None:
                rows.append(row)
        if not rows:
            return None
        times, intervals, uncertainty = zip(*rows, strict=True)
        return NewBeats(
            np.array(times, dtype=np.int64),
            np.array(intervals, dtype=np.float64),
            np.array(uncertainty, dtype=np.float64).astype(np.float32),
        )

    def _beat(self, start: int, position: float, jitter: float) -> tuple[int, float, float] | None:
        time = self._clock.time_ns(position)
        # Blocks of a corrected clock may overlap by milliseconds: a beat inside the overlap is seen twice.
        if time <= self._ahead_ns:
            return None
        self._ahead_ns = time
        interval = float("nan")
        if self._last is not None and self._last[1] == start:
            interval = (time - self._last[0]) / 1e6
        self._last = time, start
        return time, interval, 1000.0 * jitter / self._clock.block_at(position).rate_hz
