"""Heart rate fragmentation from explicit lists of inflections, segments and alternations (Costa et al. 2017)."""

from __future__ import annotations

import math

import numpy as np

from tests.reference.dfa import stretches


def fragmentation(nn):
    n = inflections = differences = 0
    segments, alternations, changes = [], [], []
    for stretch in stretches(nn):
        n += len(stretch)
        change = np.diff(stretch)
        if len(change) == 0:
            continue
        changes += list(change)
        inflection = (change[:-1] * change[1:] <= 0) & (change[:-1] != change[1:])
        length = np.diff(np.flatnonzero([True, *inflection, True]))
        alternation = np.diff(np.flatnonzero([True, *(length > 1), True]))
        inflections += int(inflection.sum())
        differences += len(change)
        segments += list(length)
        alternations += list(alternation)
    if not any(changes):
        return (math.nan,) * 4
    return (
        100 * inflections / n,
        1 / np.mean(segments),
        100 * sum(x for x in segments if x < 3) / n,
        100 * sum(a for a in alternations if a >= 4) / n,
    )
