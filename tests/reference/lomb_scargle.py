"""Scargle's periodogram as a density, by its sums."""

from __future__ import annotations

import math


def lomb_scargle(times_s, values, step_hz, count):
    pairs = [(t, x) for t, x in zip(times_s, values, strict=True) if math.isfinite(x)]
    mean = math.fsum(x for _, x in pairs) / len(pairs)
    spacing = (pairs[-1][0] - pairs[0][0]) / (len(pairs) - 1)
    density = []
    for k in range(1, count + 1):
        w = 2 * math.pi * step_hz * k
        double = [(math.sin(2 * w * t), math.cos(2 * w * t)) for t, _ in pairs]
        shift = math.atan2(math.fsum(s for s, _ in double), math.fsum(c for _, c in double)) / (2 * w)
        phases = [w * (t - shift) for t, _ in pairs]
        power = 0.0
        for wave in (math.cos, math.sin):
            norm = math.fsum(wave(p) ** 2 for p in phases)
            if norm > 1e-9 * len(pairs):
                power += math.fsum((x - mean) * wave(p) for p, (_, x) in zip(phases, pairs, strict=True)) ** 2 / norm
        density.append(power * spacing)
    return density
