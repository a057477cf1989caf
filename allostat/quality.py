"""Signal quality, window by window: what can be trusted, and why the rest cannot.

Sources: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351 (heart rate 40 to 180, no stretch beyond 3 s without a beat,
mean correlation of the beats with their template); Elgendi 2016, 10.3390/bioengineering3040021 (skewness of PPG).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import ConfigError, InputError
from allostat.kernels.peaks import BLOCK_SAMPLES, joined
from allostat.kernels.r_peak import RPeakDetector
from allostat.kernels.systolic_peak import SystolicPeakDetector, pulse_polarity
from allostat.recording import NS_PER_S, ClockBlock, Signal

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

REFERENCES = "10.1109/JBHI.2014.2338351 10.3390/bioengineering3040021"


class QualityReason(IntFlag):
    """Why a window is not accepted; reasons add up."""

    FLAT = 1
    """The signal stands still for `FLAT_S` or longer."""
    SATURATED = 2
    """More than `SATURATED_SHARE` of the samples lie on the converter's limit."""
    NOISE = 4
    """The beats resemble their template too little."""
    MOTION = 8
    """The baseline (ECG) or the pulse (PPG) is far larger than usual in this signal."""
    LEAD_OFF = 16
    """Next to nothing is left of the usual amplitude, or the signal stands still for half of the window."""
    IMPLAUSIBLE = 32
    """Heart rate outside `RATE_BPM`, or no beat for longer than `BEAT_FREE_S`."""
    MISSING = 64
    """More than `MISSING_SHARE` of the samples are missing."""


RATE_BPM = (40.0, 180.0)
BEAT_FREE_S = 3.0
TEMPLATE_CORRELATION = {"ecg": 0.66, "ppg": 0.86}
# The following limits are this project's choice.
FLAT_S = 1.0
SATURATED_SHARE = 0.01
MISSING_SHARE = 0.10
LEAD_OFF_SHARE = 0.10
MOTION_TIMES = 3.0
BASELINE_S = 1.0
POLARITY_S = 120.0


def signal_quality(signal: Signal, window_s: float = 10.0) -> xr.Dataset:
    """Judge each window of an electrocardiogram or photoplethysmogram.

    Parameters
    ----------
    signal
        Stream of kind ``ecg`` or ``ppg``.
    window_s
        Length of a window in s, at least 5. Windows start at each clock block; the rest at a block's end is a window of
        its own when it is at least half as long, and otherwise belongs to the window before it.

    Returns
    -------
    quality
        Dataset along ``window``: ``start_ns`` and ``end_ns`` (int64), ``reasons`` (int16 bit mask, see
        `QualityReason`), ``accepted`` (int8, 1 when there is no reason against it), ``heart_rate`` (1/min),
        ``beat_free`` (longest stretch without a beat, s), ``template_correlation``, ``skewness`` (of pulses that
        point up, after removal of the baseline; NaN for ECG), ``amplitude`` (0.5 to 99.5 % range after removal of
        the baseline, in the unit of the signal), ``missing`` (share of samples). NaN where a measure is undefined.
        Coordinate ``time``: middle of the window, int64 ns, with attribute ``epoch``.

    Raises
    ------
    InputError
        When the signal is neither ECG nor PPG, or its rate is out of the detectors' range.
    ConfigError
        When the window is shorter than 5 s.

    Notes
    -----
    Amplitudes are judged against the median window of the same signal, so that no unit or gain is assumed. Deviations
    from Orphanidou et al.: the ratio of the longest to the shortest interval is not used, because real ectopic beats
    break it; skewness is given, not thresholded, because its source recommends it for ranking.
    """
    if signal.kind not in ("ecg", "ppg"):
        raise InputError("quality is judged for ECG and PPG", where=signal.name, found=signal.kind)
    if not window_s >= 5.0:
        raise ConfigError("a quality window is at least 5 s long", found=window_s)
    windows: list[_Window] = []
    for start, stop, block in signal.clock.spans():
        windows += _block_windows(signal, start, stop, block, window_s)
    usual = float(np.median([w.amplitude for w in windows if np.isfinite(w.amplitude)] or [np.nan]))
    reasons = np.array([_reasons(w, usual, signal.kind) for w in windows], dtype=np.int16)
    return _dataset(signal, windows, reasons, window_s)


@dataclass(frozen=True, slots=True)
class _Window:
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
    skewness: float = float("nan")


def _reasons(w: _Window, usual: float, kind: str) -> int:
    reasons = QualityReason(0)
    if w.missing > MISSING_SHARE:
        reasons |= QualityReason.MISSING
    if not np.isfinite(w.amplitude):
        return int(reasons)
    if w.still_s >= FLAT_S:
        reasons |= QualityReason.FLAT
    if w.saturated > SATURATED_SHARE:
        reasons |= QualityReason.SATURATED
    if w.still_s >= 0.5 * (w.end_ns - w.start_ns) / NS_PER_S or w.amplitude <= LEAD_OFF_SHARE * usual:
        reasons |= QualityReason.LEAD_OFF
    if (w.baseline_range if kind == "ecg" else w.amplitude) > MOTION_TIMES * usual:
        reasons |= QualityReason.MOTION
    if not RATE_BPM[0] <= w.heart_rate <= RATE_BPM[1] or w.beat_free > BEAT_FREE_S:
        reasons |= QualityReason.IMPLAUSIBLE
    if not w.correlation >= TEMPLATE_CORRELATION[kind]:
        reasons |= QualityReason.NOISE
    return int(reasons)


def _block_windows(signal: Signal, start: int, stop: int, block: ClockBlock, window_s: float) -> list[_Window]:
    rate = block.rate_hz
    length = round(window_s * rate)
    edges = list(range(start, stop, length))
    if len(edges) > 1 and stop - edges[-1] < 0.5 * length:
        edges.pop()
    edges.append(stop)
    peaks, sign = _beats(signal, start, stop, rate)
    found = []
    for first, last in itertools.pairwise(edges):
        span = signal.clock.times_ns(np.array([first, last - 1]))
        span_ns = (int(span[0]), int(span[1]) + round(NS_PER_S / rate))
        inside = peaks[(peaks >= first) & (peaks < last)] - first
        found.append(_measure(signal, first, last, rate, inside, sign, span_ns))
    return found


def _beats(signal: Signal, start: int, stop: int, rate: float) -> tuple[NDArray[np.int64], int]:
    """Peaks of one block, and the polarity of its pulses (1 for ECG)."""
    sign = 1
    try:
        detector: RPeakDetector | SystolicPeakDetector
        if signal.kind == "ecg":
            detector = RPeakDetector(rate)
        else:
            detector = SystolicPeakDetector(rate)
            votes = sum(pulse_polarity(part, rate) for part in _parts(signal, start, stop, int(POLARITY_S * rate)))
            sign = -1 if votes < 0 else 1
        found = [detector.push(sign * part) for part in _parts(signal, start, stop, BLOCK_SAMPLES)]
    except ValueError as error:
        raise InputError(str(error), where=signal.name) from error
    return joined([*found, detector.flush()]).sample + start, sign


def _parts(signal: Signal, start: int, stop: int, length: int) -> Iterator[NDArray[np.float64]]:
    for at in range(start, stop, length):
        yield signal.physical(at, min(at + length, stop))


def _measure(
    signal: Signal,
    first: int,
    last: int,
    rate: float,
    peaks: NDArray[np.int64],
    sign: int,
    span_ns: tuple[int, int],
) -> _Window:
    values = sign * signal.physical(first, last)
    present = np.isfinite(values)
    missing = 1.0 - float(present.mean())
    if present.sum() < rate:
        return _Window(*span_ns, missing)
    if missing:
        at = np.arange(len(values))
        values = np.interp(at, at[present], values[present])
    baseline = _moving_mean(values, round(BASELINE_S * rate))
    wave = values - baseline
    low, high = np.quantile(wave, [0.005, 0.995])
    low_base, high_base = np.quantile(baseline, [0.005, 0.995])
    edges = np.concatenate([[0], peaks, [len(values)]]) / rate
    intervals = np.diff(peaks) / rate
    return _Window(
        *span_ns,
        missing,
        amplitude=float(high - low),
        baseline_range=float(high_base - low_base),
        still_s=_longest_run(np.diff(values) == 0.0) / rate,
        saturated=_saturated_share(signal, first, last, rate),
        heart_rate=float(60.0 / np.mean(intervals)) if len(intervals) else float("nan"),
        beat_free=float(np.diff(edges).max()),
        correlation=_template_correlation(wave, peaks),
        skewness=_skewness(wave) if signal.kind == "ppg" else float("nan"),
    )


def _moving_mean(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Centred mean over up to ``length`` samples, fewer at the ends."""
    half = max(1, length // 2)
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    at = np.arange(len(values))
    lo, hi = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    mean: NDArray[np.float64] = (sums[hi] - sums[lo]) / (hi - lo) + values[0]
    return mean


def _longest_run(mask: NDArray[np.bool_]) -> int:
    return max((stop - start for start, stop in _runs(mask)), default=0)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    padded = np.concatenate([[False], mask, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _saturated_share(signal: Signal, first: int, last: int, rate: float) -> float:
    """Share of samples on the converter's limits or, when these are not known, in plateaus at the window's extremes."""
    raw = signal.samples[first:last]
    if signal.saturation is not None:
        low, high = signal.saturation
        return float(np.mean((raw <= low) | (raw >= high)))
    values = signal.physical(first, last)
    if not np.nanmax(values) > np.nanmin(values):
        return 0.0
    shortest = max(3, round(0.02 * rate))
    on_limit = 0
    for limit in (np.nanmin(values), np.nanmax(values)):
        on_limit += sum(stop - start for start, stop in _runs(values == limit) if stop - start >= shortest)
    return on_limit / len(values)


def _template_correlation(wave: NDArray[np.float64], peaks: NDArray[np.int64]) -> float:
    """Mean correlation of the beats, each one median interval long, with their mean; NaN below 3 beats."""
    if len(peaks) < 3:
        return float("nan")
    half = max(2, int(np.median(np.diff(peaks)) // 2))
    whole = peaks[(peaks >= half) & (peaks + half < len(wave))]
    if len(whole) < 3:
        return float("nan")
    beats = wave[whole[:, None] + np.arange(-half, half + 1)]
    beats = beats - beats.mean(axis=1, keepdims=True)
    template = beats.mean(axis=0)
    size = np.sqrt((beats**2).sum(axis=1) * (template**2).sum())
    if not (size > 0).all():
        return float("nan")
    return float(np.mean(beats @ template / size))


def _skewness(wave: NDArray[np.float64]) -> float:
    centred = wave - wave.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5 if variance > 0 else float("nan")


def _dataset(signal: Signal, windows: list[_Window], reasons: NDArray[np.int16], window_s: float) -> xr.Dataset:
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
            "skewness": column("skewness", "skewness of the pulse wave", "1"),
            "amplitude": column("amplitude", "range from 0.5 to 99.5 % of the wave", signal.unit),
            "missing": column("missing", "share of samples that are missing", "1"),
        },
        coords={"time": ("window", start + (end - start) // 2, {**instant, "long_name": "middle of the window"})},
        attrs={"source": signal.kind},
    )
