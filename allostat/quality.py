"""Signal quality, window by window: what can be trusted, and why the rest cannot.

Sources: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351 (heart rate 40 to 180, no stretch beyond 3 s without a beat,
mean correlation of the beats with their template); Elgendi 2016, 10.3390/bioengineering3040021 (skewness of PPG). The
margin of the beats is this project's own measure (`allostat.kernels.signal_quality`), calibrated on a ladder of noise:
docs/signal_quality.md shows what each threshold gives.
"""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from allostat.beats import new_detector
from allostat.errors import ConfigError, InputError
from allostat.kernels import signal_quality as kernel
from allostat.kernels.peaks import BLOCK_SAMPLES, joined
from allostat.kernels.signal_quality import window_settings
from allostat.polarity import UPRIGHT, Polarity, signal_polarity
from allostat.recording import NS_PER_S, Clock, Signal
from allostat.sampling import Stretch

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

REFERENCES = "10.1109/JBHI.2014.2338351 10.3390/bioengineering3040021"


class QualityReason(IntFlag):
    """Why a window is not accepted; reasons add up."""

    FLAT = 1
    """The signal stands still for `FLAT_S` or longer."""
    SATURATED = 2
    """More than `SATURATED_SHARE` of the samples lie on the converter's limit."""
    NOISE = 4
    """The beats resemble their template too little, or are hardly steeper than what lies between them."""
    MOTION = 8
    """The baseline (ECG) or the pulse (PPG) is far larger than usual in this signal."""
    LEAD_OFF = 16
    """Next to nothing is left of the usual amplitude, or the signal stands still for half of the window."""
    IMPLAUSIBLE = 32
    """Heart rate outside `RATE_BPM`, or no beat for longer than `BEAT_FREE_S`."""
    MISSING = 64
    """More than `MISSING_SHARE` of the samples are missing."""


# Orphanidou et al. 2015.
RATE_BPM = (40.0, 180.0)
BEAT_FREE_S = 3.0
TEMPLATE_CORRELATION = {"ecg": 0.66, "ppg": 0.86}
# Own choice, calibrated on simulated signals and on every other MIT-BIH record, with noise from 24 to -6 dB.
MARGIN = {"ecg": 2.0, "ppg": 1.7}
# A pulse with a high second wave: beats at least so much steeper than it, and than anything else. Calibrated likewise.
SECOND_WAVE_MARGIN = 1.2
MARGIN_APART = 2.5
# Own choice.
FLAT_S = 1.0
SATURATED_SHARE = 0.01
MISSING_SHARE = 0.10
LEAD_OFF_SHARE = 0.10
MOTION_TIMES = 3.0
USUAL_WINDOWS = 180
"""Half an hour of windows of 10 s."""


def signal_quality(signal: Signal, window_s: float = 10.0) -> xr.Dataset:
    """Judge each window of an electrocardiogram or photoplethysmogram.

    Parameters
    ----------
    signal
        Stream of kind ``ecg`` or ``ppg``.
    window_s
        Length of a window in s, at least 5. Windows start at each stretch of the clock, that is after each gap; the
        rest at its end is a window of its own when it is at least half as long, and otherwise belongs to the window
        before it.

    Returns
    -------
    quality
        Dataset along ``window``: ``start_ns`` and ``end_ns`` (int64), ``reasons`` (int16 bit mask, see
        `QualityReason`), ``accepted`` (int8, 1 when there is no reason against it), ``heart_rate`` (1/min),
        ``beat_free`` (longest stretch without a beat, s), ``template_correlation``, ``margin`` (steepness of the least
        steep beat over the steepest place between beats, at most 100), ``margin_apart`` (the same with the usual second
        wave of the pulse taken away; NaN for ECG and where beats do not come evenly), ``skewness`` (of pulses that
        point up, after removal of the baseline; NaN for ECG), ``amplitude`` (median over stretches of 2 s of the range
        after removal of the baseline, in the unit of the signal), ``missing`` (share of samples). NaN where a measure
        is undefined.
        Coordinate ``time``: middle of the window, int64 ns, with attribute ``epoch``.

    Raises
    ------
    InputError
        When the signal is neither ECG nor PPG, or its rate is out of the detectors' range.
    ConfigError
        When the window is shorter than 5 s.

    Notes
    -----
    Amplitudes are judged against the median of the windows up to this one (`UsualAmplitude`): no unit or gain is
    assumed, and a window is judged alike while the signal is still recorded. Deviations from Orphanidou et al.: the
    ratio of the longest to the shortest interval is not used, because real ectopic beats break it; skewness is given,
    not thresholded, because its source recommends it for ranking.
    """
    if signal.kind not in ("ecg", "ppg"):
        raise InputError("quality is judged for ECG and PPG", where=signal.name, found=signal.kind)
    if not window_s >= 5.0:
        raise ConfigError("a quality window is at least 5 s long", found=window_s)
    polarity = signal_polarity(signal) if signal.kind == "ppg" else UPRIGHT
    usual = UsualAmplitude()
    windows: list[WindowMeasures] = []
    for stretch in signal.clock.stretches():
        windows += _stretch_windows(signal, stretch, window_s, polarity)
    reasons = np.array([usual.judged(w, signal.kind) for w in windows], dtype=np.int16)
    return _dataset(signal, windows, reasons, window_s)


@dataclass(frozen=True, slots=True)
class WindowMeasures:
    """Measures of one window; shares of its samples, times in s."""

    start_ns: int
    end_ns: int
    missing: float
    amplitude: float = float("nan")
    baseline_range: float = float("nan")
    still_s: float = float("nan")
    saturated: float = float("nan")
    heart_rate: float = float("nan")
    beat_free: float = float("nan")
    correlation: float = float("nan")
    margin: float = float("nan")
    margin_apart: float = float("nan")
    skewness: float = float("nan")


class UsualAmplitude:
    """Judges windows in their order, each against the usual amplitude of those up to it.

    Usual is the median of the latest windows, up to `USUAL_WINDOWS`, against which nothing else speaks: what is judged
    does not depend on what comes later, and neither an electrode that is off for an hour nor one that dries out over a
    day makes what is good unusual.
    """

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._ordered: list[float] = []

    def judged(self, w: WindowMeasures, kind: str) -> int:
        """Bits of `QualityReason` of the next window of an ``ecg`` or ``ppg``."""
        reasons = _reasons(w, kind)
        if not np.isfinite(w.amplitude):
            return int(reasons)
        if not reasons:
            self._take(w.amplitude)
        usual = self._median()
        if w.amplitude <= LEAD_OFF_SHARE * usual:
            reasons |= QualityReason.LEAD_OFF
        if (w.baseline_range if kind == "ecg" else w.amplitude) > MOTION_TIMES * usual:
            reasons |= QualityReason.MOTION
        return int(reasons)

    def _take(self, amplitude: float) -> None:
        self._latest.append(amplitude)
        bisect.insort(self._ordered, amplitude)
        if len(self._latest) > USUAL_WINDOWS:
            del self._ordered[bisect.bisect_left(self._ordered, self._latest.popleft())]

    def _median(self) -> float:
        n = len(self._ordered)
        return 0.5 * (self._ordered[(n - 1) // 2] + self._ordered[n // 2]) if n else float("nan")


def _reasons(w: WindowMeasures, kind: str) -> QualityReason:
    """What speaks against a window by itself."""
    reasons = QualityReason(0)
    if w.missing > MISSING_SHARE:
        reasons |= QualityReason.MISSING
    if not np.isfinite(w.amplitude):
        return reasons
    if w.still_s >= FLAT_S:
        reasons |= QualityReason.FLAT
    if w.saturated > SATURATED_SHARE:
        reasons |= QualityReason.SATURATED
    if w.still_s >= 0.5 * (w.end_ns - w.start_ns) / NS_PER_S:
        reasons |= QualityReason.LEAD_OFF
    if not RATE_BPM[0] <= w.heart_rate <= RATE_BPM[1] or w.beat_free > BEAT_FREE_S:
        reasons |= QualityReason.IMPLAUSIBLE
    clear = clear_of_noise(w.margin, w.margin_apart, MARGIN[kind])
    if not (w.correlation >= TEMPLATE_CORRELATION[kind] and clear):
        reasons |= QualityReason.NOISE
    return reasons


def clear_of_noise(margin: ArrayLike, margin_apart: ArrayLike, least: float) -> NDArray[np.bool_]:
    """Whether beats are steep enough: than anything between them, or than their second wave and anything else.

    Parameters
    ----------
    margin, margin_apart
        As `signal_quality` gives them; NaN is not clear.
    least
        Least margin. What is asked for where there is a second wave moves with it, from the shipped threshold for PPG.
    """
    share = least / MARGIN["ppg"]
    margins, apart = np.asarray(margin, dtype=np.float64), np.asarray(margin_apart, dtype=np.float64)
    clear: NDArray[np.bool_] = (margins >= least) | (
        (margins >= share * SECOND_WAVE_MARGIN) & (apart >= share * MARGIN_APART)
    )
    return clear


def window_length(window_s: float, rate_hz: float) -> int:
    """Samples of a window."""
    return round(window_s * rate_hz)


def _stretch_windows(signal: Signal, stretch: Stretch, window_s: float, polarity: Polarity) -> list[WindowMeasures]:
    rate = stretch.rate_hz
    length = window_length(window_s, rate)
    edges = list(range(stretch.start, stretch.stop, length))
    if len(edges) > 1 and stretch.stop - edges[-1] < 0.5 * length:
        edges.pop()
    edges.append(stretch.stop)
    peaks = _beats(signal, stretch, polarity)
    settings = window_settings(rate, signal.kind == "ppg")
    ends = np.array(edges)
    starts_ns, ends_ns = window_instants(signal.clock, ends[:-1], ends[1:], rate)
    # A beat beside the window tells what the steep flank at its edge belongs to.
    beside = round(rate)
    from_peak, to_peak = np.searchsorted(peaks, ends[:-1] - beside), np.searchsorted(peaks, ends[1:] + beside)
    windows = []
    for k, (first, last) in enumerate(itertools.pairwise(edges)):
        values = polarity.upright(signal, first, last)
        saturated = None if signal.saturation is None else _saturated_share(signal, first, last)
        span_ns = int(starts_ns[k]), int(ends_ns[k])
        windows.append(measured(values, peaks[from_peak[k] : to_peak[k]] - first, settings, span_ns, saturated))
    return windows


def window_instants(
    clock: Clock, first: NDArray[np.int64], last: NDArray[np.int64], rate_hz: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of windows of the samples from ``first`` to before ``last``."""
    return clock.times_ns(first), clock.times_ns(last - 1) + round(NS_PER_S / rate_hz)


def _beats(signal: Signal, stretch: Stretch, polarity: Polarity) -> NDArray[np.int64]:
    """Samples of the peaks of one stretch."""
    detector = new_detector("ecg" if signal.kind == "ecg" else "ppg", stretch.rate_hz, signal.name)
    found = [
        detector.push(polarity.upright(signal, at, min(at + BLOCK_SAMPLES, stretch.stop)))
        for at in range(stretch.start, stretch.stop, BLOCK_SAMPLES)
    ]
    return joined([*found, detector.flush()]).sample + stretch.start


def measured(
    values: NDArray[np.float64],
    peaks: NDArray[np.int64],
    settings: NDArray[np.float64],
    span_ns: tuple[int, int],
    saturated: float | None = None,
) -> WindowMeasures:
    """Measures of the samples of a window, in which missing ones are bridged in place.

    Parameters
    ----------
    values
        (n,) upright samples, NaN where there is none.
    peaks
        Samples of the beats, counted from the window's first sample; those beside the window, too.
    settings
        `allostat.kernels.signal_quality.window_settings`.
    saturated
        Share of samples on the converter's limits; None where these are not known.
    """
    absent = kernel.bridge(values)
    missing = absent / len(values)
    if len(values) - absent < settings[kernel.RATE]:
        return WindowMeasures(*span_ns, missing)
    m = kernel.measure(values, peaks, settings)
    return WindowMeasures(
        *span_ns,
        missing,
        amplitude=float(m[kernel.AMPLITUDE]),
        baseline_range=float(m[kernel.BASELINE_RANGE]),
        still_s=float(m[kernel.STILL_S]),
        saturated=float(m[kernel.PLATEAUS]) if saturated is None else saturated,
        heart_rate=float(m[kernel.HEART_RATE]),
        beat_free=float(m[kernel.BEAT_FREE_S]),
        correlation=float(m[kernel.CORRELATION]),
        margin=float(m[kernel.MARGIN]),
        margin_apart=float(m[kernel.MARGIN_APART]),
        skewness=float(m[kernel.SKEWNESS]),
    )


def _saturated_share(signal: Signal, first: int, last: int) -> float:
    """Share of samples on the known limits of the converter."""
    raw = signal.samples[first:last]
    low, high = signal.saturation or (-np.inf, np.inf)
    return float(np.mean((raw <= low) | (raw >= high)))


def _dataset(signal: Signal, windows: list[WindowMeasures], reasons: NDArray[np.int16], window_s: float) -> xr.Dataset:
    import xarray as xr

    method = f"windows of {window_s:g} s of stream {signal.name}; see allostat.quality.signal_quality"

    def variable(values: object, dtype: str, long_name: str, units: str, **more: object) -> xr.Variable:
        attributes = {"long_name": long_name, "units": units, "method": method, "references": REFERENCES, **more}
        return xr.Variable("window", np.asarray(values, dtype=dtype), attributes)

    def column(name: str, long_name: str, units: str) -> xr.Variable:
        return variable([getattr(w, name) for w in windows], "f8", long_name, units)

    start = np.array([w.start_ns for w in windows], dtype=np.int64)
    end = np.array([w.end_ns for w in windows], dtype=np.int64)
    masks = np.array([int(reason) for reason in QualityReason], dtype=np.int16)
    meanings = " ".join(str(reason.name).lower() for reason in QualityReason)
    instant = {"units": "ns", "epoch": signal.clock.epoch}
    return xr.Dataset(
        {
            "start_ns": ("window", start, {**instant, "long_name": "start of the window"}),
            "end_ns": ("window", end, {**instant, "long_name": "end of the window"}),
            "reasons": variable(
                reasons, "i2", "reasons against the window", "1", flag_masks=masks, flag_meanings=meanings
            ),
            "accepted": variable(
                reasons == 0,
                "i1",
                "whether the window is accepted",
                "1",
                flag_values=np.array([0, 1], dtype=np.int8),
                flag_meanings="rejected accepted",
            ),
            "heart_rate": column("heart_rate", "heart rate from the mean interval", "1/min"),
            "beat_free": column("beat_free", "longest stretch without a beat", "s"),
            "template_correlation": column("correlation", "mean correlation of the beats with their template", "1"),
            "margin": column("margin", "steepness of the least steep beat over that between beats", "1"),
            "margin_apart": column("margin_apart", "margin with the usual second wave of the pulse taken away", "1"),
            "skewness": column("skewness", "skewness of the pulse wave", "1"),
            "amplitude": column("amplitude", "median range of the wave in 2 s", signal.unit),
            "missing": column("missing", "share of samples that are missing", "1"),
        },
        coords={"time": ("window", start + (end - start) // 2, {**instant, "long_name": "middle of the window"})},
        attrs={"source": signal.kind},
    )
