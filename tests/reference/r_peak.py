"""Slow twin of the R-peak detector: whole arrays, filters designed by SciPy, plain Python decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tests.reference.beat_rule import Candidate, Extremum, Rule, Settings

Floats = NDArray[np.float64]
SETTINGS = Settings(
    refractory=0.25,
    twave_window=0.36,
    noise_window=2.0,
    adaptation=0.12,
    overdue_distance=0.36,
    learning=2.5,
    polarity_weight=0.10,
    patience=0.30,
)


def r_peaks(ecg: NDArray[Any], rate: float) -> Floats:
    """(n, 3): position, its nearest sample's fraction folded in, size and standard error of each R peak."""
    held = without_gaps(np.asarray(ecg, dtype=float))
    kept = np.where(np.isfinite(ecg), held, np.nan)
    group = max(1, int(rate / 180.0 + 0.25))
    working = rate / group
    low = averaged(held, group)
    banded = low
    for kind, corner in (("high", 6.0), ("low", 18.0)):
        banded = signal.lfilter(*signal.butter(2, min(corner, 0.45 * working), kind, fs=working), banded)
    slope = np.diff(banded, prepend=0.0) * working / (2 * np.pi * np.sqrt(6.0 * 18.0))
    envelope = smoothed(banded**2 + slope**2, working, 8.0)

    reach, span, step = round(0.15 * rate), max(1, round(0.0065 * rate)), round(0.09 * rate)
    memory = 1 << int(np.ceil(np.log2(2.0 * rate)))
    candidates = []
    for top, height, sure in humps(envelope, 1.5):
        known = (sure + 1) * group
        time = top * group - 0.065 * rate
        candidates.append(placed(kept[:known], time, float(np.sqrt(height)), reach, span, step, memory))
    beats = Rule(SETTINGS, rate).beats(candidates)
    return np.array([[b.at, b.size, b.jitter] for b in beats]).reshape(-1, 3)


def without_gaps(values: Floats) -> Floats:
    """Missing samples hold the last value, and what follows them goes on from there; the first sample is 0."""
    held = np.zeros(len(values))
    level, offset, missing = 0.0, 0.0, True
    for i, value in enumerate(values):
        if np.isfinite(value):
            if missing:
                offset = value - level
            level = value - offset
        missing = not np.isfinite(value)
        held[i] = level
    return held


def averaged(values: Floats, group: int) -> Floats:
    whole = len(values) // group * group
    return values[:whole].reshape(-1, group).sum(axis=1) / group


def smoothed(values: Floats, rate: float, corner: float) -> Floats:
    """Critically damped: the same first-order section twice."""
    b, a = signal.butter(1, min(corner, 0.45 * rate), fs=rate)
    return signal.lfilter(b, a, signal.lfilter(b, a, values))


def humps(envelope: Floats, prominence: float) -> list[tuple[int, float, int]]:
    """Place and height of each hump, and the sample at which it had fallen far enough to be sure of it."""
    found = []
    rising, extreme, at = False, 0.0, 0
    for n, v in enumerate(envelope):
        if not rising:
            extreme = min(extreme, v)
            if v > prominence * extreme:
                rising, extreme, at = True, v, n
        elif v > extreme:
            extreme, at = v, n
        elif v * prominence < extreme:
            found.append((at, float(extreme), n))
            rising, extreme = False, v
    return found


def placed(known: Floats, time: float, size: float, reach: int, span: int, step: int, memory: int) -> Candidate:
    """Both extrema near ``time`` in the samples known so far."""
    n = len(known)
    centre = int(time)
    first = max(centre - reach, n - memory + span, span)
    last = min(centre + reach, n - 1 - span)
    j = np.arange(first, last + 1)
    weight = 1 - ((j - centre) / (reach + 1)) ** 2
    there = j[np.isfinite(known[j])]
    weight_there = 1 - ((there - centre) / (reach + 1)) ** 2
    mean = np.sum(weight_there * known[there]) / np.sum(weight_there) if len(there) else 0.0
    steep = np.abs(known[j + span] + known[j + span - 1] - known[j - span] - known[j - span + 1]) * weight
    smooth = 0.25 * (known[j - 1] + 2 * known[j] + known[np.minimum(j + 1, n - 1)])
    deflection = np.nan_to_num(weight * (smooth - mean), nan=0.0)
    noise = sample_noise(known, first, step, memory)
    middle = min(max(centre, first), last)
    extrema = []
    for sign in (1, -1):
        best = int(np.argmax(sign * deflection)) if len(j) else 0
        height = max(0.0, sign * deflection[best]) if len(j) else 0.0
        extrema.append(refined(known, int(j[best]) if height > 0 else middle, height, sign, noise, span, memory))
    usable = extrema[0].size + extrema[1].size > 0
    steepest = float(np.nan_to_num(steep, nan=0.0).max(initial=0.0))
    return Candidate(time, size if usable else 0.0, steepest, *extrema, hump=size, sure_at=n)


def sample_noise(known: Floats, first: int, step: int, memory: int) -> float:
    variances = []
    for k in range(3):
        stop = first - k * step
        start = max(stop - 32, 1, len(known) - memory + 1)
        if stop - start < 16:
            break
        bends = known[start - 1 : stop - 1] - 2 * known[start:stop] + known[start + 1 : stop + 1]
        bends = bends[np.isfinite(bends)]
        variances.append(float(np.mean(bends**2)) / 6 if len(bends) else 0.0)
    return float(np.sqrt(np.median(variances))) if variances else 0.0


def refined(known: Floats, at: int, size: float, sign: int, noise: float, span: int, memory: int) -> Extremum:
    """Vertex of the parabola fitted by least squares, and its standard error."""
    k = np.arange(-span, span + 1)
    design = np.vander(k, 3, increasing=True).astype(float)
    around = sign * (known[at + k] - known[at])
    if not np.isfinite(around).all():
        return Extremum(at, 0.0, 1 / np.sqrt(12))
    _, slope, bend = np.linalg.lstsq(design, around, rcond=None)[0]
    after = ahead = 0
    while at + after + 1 < len(known) and after < memory // 8 and known[at + after + 1] == known[at]:
        after += 1
    while at - ahead > 0 and ahead < memory // 8 and known[at - ahead - 1] == known[at]:
        ahead += 1
    width = ahead + after + 1
    if bend < -1e-12 * max(np.abs(around).max(), 1e-300) and width < max(4, span):
        covariance = np.linalg.inv(design.T @ design)
        shift = float(np.clip(-slope / (2 * bend), -span, span))
        by_slope = noise * np.sqrt(covariance[1, 1]) / (2 * abs(bend))
        by_bend = abs(shift) * noise * np.sqrt(covariance[2, 2]) / abs(bend)
        misfit = 0.06 * span**3 * abs(bend) / size if size > 0 else 0.0
        jitter = min(float(np.sqrt(by_slope**2 + by_bend**2 + misfit**2)), float(span))
        return Extremum(at + shift, size, max(jitter, 0.01))
    return Extremum(at + 0.5 * (after - ahead), size, max(width / np.sqrt(12), 0.01))
