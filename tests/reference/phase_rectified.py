"""Deceleration and acceleration capacity from the averaged segments around all anchors (T = 1)."""

from __future__ import annotations

import numpy as np


def capacity(nn, sign, limit=0.05, scale=2):
    segments = []
    for i in range(scale, len(nn) - scale + 1):
        around = nn[i - scale : i + scale]
        change = nn[i] - nn[i - 1]
        if np.isfinite(around).all() and sign * change > 0 and abs(change) <= limit * nn[i - 1]:
            segments.append(around)
    if not segments:
        return np.nan, 0
    x = np.mean(segments, axis=0)
    return (x[scale:].sum() - x[:scale].sum()) / (2 * scale), len(segments)
