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
        "margin": margin(values, peaks, rate, pulse),
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


def margin(values: Floats, peaks: NDArray[np.int64], rate: float, pulse: bool) -> float:
    """Steepness of the least steep beat over the steepest place between beats, at most 100."""
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
        return np.nan
    outside = max(steep[free].max(initial=0.0), 0.0)
    return min(float(min(sizes) / outside), 100.0) if outside > 0 else 100.0
