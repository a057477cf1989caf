"""Detrended fluctuation analysis, box by box, each line fitted by numpy.polyfit."""

from __future__ import annotations

import math

import numpy as np


def stretches(nn):
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(nn), [False]]).astype(int))).reshape(-1, 2)
    return [np.asarray(nn)[a:b] for a, b in edges]


def box_starts(n, size, overlap):
    return range(0, n - size, size // 2) if overlap else range(0, n - size + 1, size)


def fluctuation(nn, size, overlap=False):
    variances = []
    for stretch in stretches(nn):
        profile = np.cumsum(stretch - stretch.mean())
        for start in box_starts(len(stretch), size, overlap):
            box = profile[start : start + size]
            line = np.polyval(np.polyfit(np.arange(size), box, 1), np.arange(size))
            variances.append(np.mean((box - line) ** 2))
    return math.sqrt(np.mean(variances)) if variances else math.nan


def alpha(nn, sizes, overlap=False):
    values = [fluctuation(nn, size, overlap) for size in sizes]
    if not all(value > 0 for value in values):
        return math.nan
    return float(np.polyfit(np.log(list(sizes)), np.log(values), 1)[0])
