"""Slow twin of the systolic-peak detector: whole arrays, filters designed by SciPy, plain Python decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tests.reference import r_peak
from tests.reference.beat_rule import Candidate, Rule, Settings

Floats = NDArray[np.float64]
SETTINGS = Settings(
    refractory=0.30,
    twave_window=0.50,
    noise_window=3.0,
    adaptation=0.15,
    overdue_distance=0.40,
    learning=3.0,
    polarity_weight=1.0,
    patience=0.40,
)


def systolic_peaks(ppg: NDArray[Any], rate: float) -> Floats:
    """(n, 3): position, size and standard error of each systolic peak."""
    held = r_peak.without_gaps(np.asarray(ppg, dtype=float))
    kept = np.where(np.isfinite(ppg), held, np.nan)
    group = max(1, int(rate / 60.0 + 0.25))
    working = rate / group
    low = signal.lfilter(*signal.butter(2, min(8.0, 0.45 * working), "low", fs=working), r_peak.averaged(held, group))
    slope = np.diff(low, prepend=0.0) * working
    slope_sum = r_peak.smoothed(np.maximum(slope, 0.0) ** 2, working, 3.0)

    span, memory = max(1, round(0.03 * rate)), 1 << int(np.ceil(np.log2(3.0 * rate)))
    candidates = []
    for top, height, sure in r_peak.humps(slope_sum, 1.5):
        known = kept[: (sure + 1) * group]
        candidates.append(placed(known, top * group - 0.13 * rate, float(np.sqrt(height)), rate, span, memory, group))
    beats = Rule(SETTINGS, rate).beats(candidates)
    return np.array([[b.at, b.size, b.jitter] for b in beats]).reshape(-1, 3)


def placed(known: Floats, time: float, size: float, rate: float, span: int, memory: int, group: int) -> Candidate:
    """The first top after the steepest rise near ``time`` in the samples known so far."""
    n, centre = len(known), int(time)
    oldest = max(n - memory, 0)
    first = max(centre - round(0.20 * rate), oldest + span)
    last = min(centre + round(0.20 * rate), n - 1 - span)
    rises = {j: known[j + span] - known[j - span] for j in range(first, last + 1, group)}
    steepest = max([0.0, *(rise for rise in rises.values() if np.isfinite(rise))])
    start = min(max(centre, first), last)
    if steepest > 0:
        start = next(j for j, rise in rises.items() if rise == steepest)
    top, height = start, -np.inf
    for j in range(start, min(start + round(0.40 * rate), n - 1 - span) - group + 2, group):
        mean = known[j : j + group].mean()
        if mean > height:
            top, height = j + group // 2, mean
        elif j - top > 2 * span:
            break
    before = known[max(top - round(rate), oldest) : top : group]
    before = before[np.isfinite(before)]
    above = height - before.mean() if len(before) else 0.0
    noise = r_peak.sample_noise(known, first, round(0.12 * rate), memory)
    peak = r_peak.refined(known, top, steepest, 1, noise, span, memory)
    usable = size if peak.size > 0 else 0.0
    return Candidate(time, usable, float(above), peak, replace(peak), hump=size, sure_at=n)
