"""Electrocardiograms and photoplethysmograms with known peaks, drawn as sums of bells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def beat_times(n_beats: int, rr_s: float, spread_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Times in s with RR intervals that wander around ``rr_s`` as breathing makes them."""
    phase = rng.uniform(0, 2 * np.pi)
    rr = rr_s + spread_s * np.sin(2 * np.pi * 0.25 * rr_s * np.arange(n_beats) + phase)
    rr += rng.normal(0, 0.2 * spread_s, n_beats)
    return 0.6 + np.cumsum(rr) - rr[0]


def _bells(
    times: NDArray[np.float64], rate: float, n: int, shape: tuple[tuple[float, float, float], ...]
) -> NDArray[np.float64]:
    t = np.arange(n) / rate
    wave = np.zeros(n)
    for height, at, width in shape:
        for centre in times + at:
            lo, hi = np.searchsorted(t, [centre - 5 * width, centre + 5 * width])
            wave[lo:hi] += height * np.exp(-0.5 * ((t[lo:hi] - centre) / width) ** 2)
    return wave


def ecg(times: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Millivolt-like ECG whose R peaks lie at ``times`` (s): P, QRS and T waves, symmetric around R."""
    shape = ((0.12, -0.16, 0.022), (1.2, 0.0, 0.011), (-0.15, -0.03, 0.008), (-0.15, 0.03, 0.008), (0.28, 0.26, 0.045))
    return _bells(times, rate, int((times[-1] + 1.0) * rate), shape)


def ppg(times: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Pulse wave whose systolic peaks lie at ``times`` (s), each with a dicrotic wave."""
    shape = ((1.0, 0.0, 0.075), (0.35, 0.30, 0.10))
    return _bells(times, rate, int((times[-1] + 1.0) * rate), shape)


def matched(truth: NDArray[np.float64], found: NDArray[np.float64], within: float) -> NDArray[np.int64]:
    """Pairs (i, j) of events at most ``within`` apart, one to one, nearest first; both series ascend."""
    pairs: list[tuple[float, int, int]] = []
    for i, t in enumerate(truth):
        lo, hi = np.searchsorted(found, [t - within, t + within], side="left")
        pairs += [
            (abs(found[j] - t), i, int(j)) for j in range(lo, min(hi + 1, len(found))) if abs(found[j] - t) <= within
        ]
    used_i: set[int] = set()
    used_j: set[int] = set()
    kept = []
    for _, i, j in sorted(pairs):
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            kept.append((i, j))
    return np.array(sorted(kept), dtype=np.int64).reshape(-1, 2)
