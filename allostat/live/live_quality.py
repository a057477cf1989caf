"""Signal quality while a signal is recorded: windows as `allostat.signal_quality` gives them for the file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat.beats import new_detector
from allostat.kernels.signal_quality import window_settings
from allostat.live.live_clock import LiveClock
from allostat.quality import QualityReason, UsualAmplitude, WindowMeasures, measured, window_length
from allostat.recording import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat.kernels.r_peak import RPeakDetector
    from allostat.kernels.systolic_peak import SystolicPeakDetector
    from allostat.sampling import Stretch

LONGEST_WAIT_S = 60.0
"""A window waits no longer for beats: no detector remembers samples for so long, so it could not place any."""

NAMES = {
    "heart_rate": "heart_rate", "beat_free": "beat_free", "template_correlation": "correlation", "margin": "margin",
    "margin_apart": "margin_apart", "skewness": "skewness", "amplitude": "amplitude", "missing": "missing",
}  # fmt: skip
"""Variables of `allostat.signal_quality`, and the measure that each holds."""


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window: its measures and the bits of `allostat.quality.QualityReason`."""

    measures: WindowMeasures
    reasons: int

    @property
    def reason_names(self) -> tuple[str, ...]:
        """As the attribute ``flag_meanings`` of `allostat.signal_quality` has them."""
        return tuple(str(reason.name).lower() for reason in QualityReason if self.reasons & reason)


class SignalQuality:
    """Windows of one ECG or one upright PPG, stretch by stretch of its clock.

    A window is given out once half a window more has come, because a shorter rest of a stretch belongs to it, and once
    no beat up to a second behind it is still to come.
    """

    def __init__(self, kind: Literal["ecg", "ppg"], clock: LiveClock, where: str, window_s: float = 10.0) -> None:
        self._kind: Literal["ecg", "ppg"] = kind
        self._clock = clock
        self._where = where
        self._window_s = window_s
        self._usual = UsualAmplitude()
        self._detector: RPeakDetector | SystolicPeakDetector | None = None
        self._peaks: list[int] = []
        self._values: deque[NDArray[np.float64]] = deque()

    def begin(self, stretch: Stretch) -> None:
        """A stretch begins, of which ``stop`` and ``end_ns`` are not known yet."""
        self._detector = new_detector(self._kind, stretch.rate_hz, self._where)
        self._settings = window_settings(stretch.rate_hz, self._kind == "ppg")
        self._length = window_length(self._window_s, stretch.rate_hz)
        self._rate_hz = stretch.rate_hz
        self._start = self._first = self._stop = stretch.start
        self._peaks = []
        self._values.clear()

    def push(self, values: NDArray[np.float64]) -> list[JudgedWindow]:
        """The next samples of the stretch; gives the windows that are complete."""
        assert self._detector is not None
        self._values.append(values)
        self._stop += len(values)
        self._peaks += (self._detector.push(values).sample + self._start).tolist()
        ready: list[JudgedWindow] = []
        while self._stop - (self._first + self._length) >= 0.5 * self._length:
            last = self._first + self._length
            certain = max(
                self._detector.certain_before + self._start, self._stop - round(LONGEST_WAIT_S * self._rate_hz)
            )
            if certain < last + round(self._rate_hz):
                break
            ready.append(self._window(last))
        return ready

    def end(self) -> list[JudgedWindow]:
        """The stretch has ended; gives its last windows."""
        if self._detector is None:
            return []
        self._peaks += (self._detector.flush().sample + self._start).tolist()
        self._detector = None
        ready: list[JudgedWindow] = []
        while self._first < self._stop:
            last = self._first + self._length
            ready.append(self._window(last if self._stop - last >= 0.5 * self._length else self._stop))
        return ready

    def _window(self, last: int) -> JudgedWindow:
        """The window from the first sample held to before ``last``, whose samples are let go."""
        first, beside = self._first, round(self._rate_hz)
        values = np.concatenate(list(self._values))
        rest = values[last - first :]
        self._values.clear()
        if len(rest):
            self._values.append(rest)
        self._first = last
        peaks = np.array(self._peaks, dtype=np.int64)
        near = peaks[np.searchsorted(peaks, first - beside) : np.searchsorted(peaks, last + beside)]
        self._peaks = [peak for peak in self._peaks if peak >= last - beside]
        end_ns = self._clock.time_ns(last - 1) + round(NS_PER_S / self._rate_hz)
        span_ns = self._clock.time_ns(first), end_ns
        found = measured(values[: last - first].copy(), near - first, self._settings, span_ns)
        return JudgedWindow(found, self._usual.judged(found, self._kind))
