"""Fused breathing rate, one frequency and one beat at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np


def course(at, values, start, stop):
    pairs = [(t, v) for t, v in zip(at, values, strict=True) if start - 2 <= t < stop + 2 and math.isfinite(v)]
    times, heights = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    middle = np.median(heights)
    spread = 1.4826 * np.median(np.abs(heights - middle))
    heights = np.array([min(max(h, middle - 4 * spread), middle + 4 * spread) for h in heights])
    n = int((stop - start) * 4)
    even = np.array([np.interp(start + k / 4, times, heights) for k in range(n)])
    half = 24
    bell = [0.5 - 0.5 * math.cos(2 * math.pi * (k + 1) / (2 * half + 2)) for k in range(2 * half + 1)]
    mirrored = np.concatenate([even[half:0:-1], even, even[-2 : -half - 2 : -1]])
    slow = np.array([np.dot(bell, mirrored[k : k + 2 * half + 1]) / sum(bell) for k in range(n)])
    left = even - slow
    window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * (k + 1) / (n + 1)) for k in range(n)])
    return (left - left.mean()) * window


def peak(grid, power):
    best = None
    for i in range(1, len(grid) - 1):
        if power[i] > power[i - 1] and power[i] >= power[i + 1] and (best is None or power[i] > power[best]):
            best = i
    if best is None:
        return math.nan, 0.0
    a, b, c = power[best - 1], power[best], power[best + 1]
    share = sum(p for f, p in zip(grid, power, strict=True) if abs(f - grid[best]) <= 0.04) / sum(power)
    return grid[best] + 0.005 * 0.5 * (a - c) / (a - 2 * b + c), share


def modulations(x, peaks):
    """Amplitude and level of each beat but the first."""
    found = []
    for a, b in itertools.pairwise(round(float(p)) for p in peaks):
        between = [float(v) for v in x[a : b + 1]]
        if any(math.isnan(v) for v in between):
            found.append((math.nan, math.nan))
        else:
            found.append((max(x[b] - min(between), max(between) - x[b]), math.fsum(between) / len(between)))
    return found


def breathing(at, series, start, stop, band):
    inside = at[(at >= start) & (at < stop)]
    high = min(band[1], 0.5 / np.median(np.diff(inside)))
    grid = np.arange(math.floor(band[0] / 0.005) - 1, math.ceil(high / 0.005) + 2) * 0.005
    fused, own, weights = np.zeros(len(grid)), [], []
    for values in series:
        x = course(at, values, start, stop)
        power = np.array([
            sum(v * math.cos(2 * math.pi * f * k / 4) for k, v in enumerate(x)) ** 2
            + sum(v * math.sin(2 * math.pi * f * k / 4) for k, v in enumerate(x)) ** 2
            for f in grid
        ])  # fmt: skip
        power /= power.sum()
        rate, share = peak(grid, power)
        fused += share * power
        own.append(rate)
        weights.append(share)
    rate, share = peak(grid, fused / fused.sum())
    known = [k for k in range(len(own)) if weights[k] > 0]
    square = sum(weights[k] * (own[k] - rate) ** 2 for k in known) / sum(weights[k] for k in known)
    return rate, math.sqrt(square + 0.0025**2), share, own
