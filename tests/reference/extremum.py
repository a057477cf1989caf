"""Slow twin of the extremum below one sample, and what belongs to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tests.reference.beat_rule import Extremum

Floats = NDArray[np.float64]


def smoothed(values: Floats, rate: float, corner: float) -> Floats:
    """Critically damped: the same first-order section twice."""
    b, a = signal.butter(1, min(corner, 0.45 * rate), fs=rate)
    return signal.lfilter(b, a, signal.lfilter(b, a, values))


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
