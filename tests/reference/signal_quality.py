"""Slow twin of the measures of a window: NumPy on the whole window, a beat at a time."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def measures(values: Floats, peaks: NDArray[np.int64], rate: float, pulse: bool) -> dict[str, float]:
    """Measures of one window by name; NaN where undefined."""
    n = len(values)
    half = max(1, round(0.5 * rate))
    baseline = np.array([np.mean(values[max(i - half, 0) : i + half + 1]) for i in range(n)])
    wave = values - baseline
    inside = peaks[(peaks >= 0) & (peaks < n)]
    stretch = max(1, round(2.0 * rate))
    parts = [wave[i : i + stretch] for i in range(0, n - stretch + 1, stretch)] or [wave]
    runs = [(value, len(list(run))) for value, run in groupby(values.tolist())]
    extremes = (values.min(), values.max())
    shortest = max(3, round(0.02 * rate))
    on_limit = sum(length for value, length in runs if value in extremes and length >= shortest)
    centred = wave - wave.mean()
    spread = float(np.mean(centred**2))
    correlations = likeness(wave, inside)
    return {
        "amplitude": float(np.median([np.ptp(part) for part in parts])),
        "baseline_range": float(np.ptp(baseline)),
        "still_s": (max(length for _, length in runs) - 1) / rate,
        "plateaus": on_limit / n if extremes[0] < extremes[1] else 0.0,
        "heart_rate": float(60.0 * rate / np.mean(np.diff(inside))) if len(inside) > 1 else np.nan,
        "beat_free_s": float(np.diff([0, *inside, n]).max()) / rate,
        "correlation": float(np.mean(correlations)) if correlations else np.nan,
        "least_correlation": min(correlations) if correlations else np.nan,
        "margin": margin(values, peaks, rate, pulse)[0],
        "margin_apart": margin(values, peaks, rate, pulse)[1],
        "skewness": float(np.mean(centred**3)) / spread**1.5 if pulse and spread > 0 else np.nan,
        "n_beats": float(len(inside)),
    }


def likeness(wave: Floats, peaks: NDArray[np.int64]) -> list[float]:
    """Correlation of each whole beat with the mean of all; empty below 3."""
    if len(peaks) < 3:
        return []
    half = max(2, int(np.median(np.diff(peaks))) // 2)
    beats = [wave[p - half : p + half + 1] for p in peaks if p >= half and p + half < len(wave)]
    if len(beats) < 3:
        return []
    template = np.mean([beat - beat.mean() for beat in beats], axis=0)
    if not np.any(template) or any(np.ptp(beat) == 0 for beat in beats):
        return []
    return [float(np.corrcoef(beat, template)[0, 1]) for beat in beats]


def margin(values: Floats, peaks: NDArray[np.int64], rate: float, pulse: bool) -> tuple[float, float]:
    """Steepness of the least steep beat over the steepest place between beats, as it is and without the second wave."""
    seconds = (0.08, 0.25, 0.05, 0.35, 0.15) if pulse else (0.02, 0.08, 0.08, 0.12, 0.14)
    width, before, after, clear_before, clear_after = (round(s * rate) for s in seconds)
    width = max(1, width)
    n = len(values)
    steep = np.zeros(n)
    for i in range(width, n - width):
        rise = values[i : i + width].sum() - values[i - width : i].sum()
        steep[i] = rise if pulse else abs(rise)
    free = np.ones(n, dtype=bool)
    for p in peaks:
        free[max(p - clear_before, 0) : max(p + clear_after + 1, 0)] = False
    whole = [p for p in peaks if p - before >= width and p + after < n - width]
    sizes = [max(steep[p - before : p + after + 1].max(), 0.0) for p in whole]
    if len(sizes) < 2:
        return np.nan, np.nan

    def over(rest: Floats) -> float:
        outside = max(rest[free].max(initial=0.0), 0.0)
        return min(float(min(sizes) / outside), 100.0) if outside > 0 else 100.0

    gaps = np.diff(peaks)
    if not pulse or len(gaps) < 2 or gaps.min() < 0.6 * np.median(gaps) or gaps.max() > 1.6 * np.median(gaps):
        return over(steep), np.nan
    return over(steep), over(steep - second_wave(steep, peaks, rate, clear_after))


def second_wave(steep: Floats, peaks: NDArray[np.int64], rate: float, clear_after: int) -> Floats:
    """At each sample, the steepness usual at its lag behind the last beat, or somewhat sooner or later."""
    n = len(steep)
    lags = range(clear_after + 1, int(min(round(0.45 * rate), 0.5 * np.median(np.diff(peaks)))) + 1)
    whole = [p for p in peaks if p >= 0 and p + lags.stop - 1 < n]
    usual = np.zeros(n)
    if len(whole) < 3:
        return usual
    median = {lag: float(np.median([steep[p + lag] for p in whole])) for lag in lags}
    jitter = max(1, round(0.03 * rate))
    for i in range(n):
        lag = i - max((p for p in peaks if p <= i), default=n)
        if lag in median:
            usual[i] = max(0.0, *(median[near] for near in range(lag - jitter, lag + jitter + 1) if near in median))
    return usual
