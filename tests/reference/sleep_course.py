"""The interval statistic and the ramps of `allostat.sleep_course`, one at a time."""

from __future__ import annotations

import numpy as np

from allostat.sleep_course import COARSE_MIN, LEAST_AWAKE_MIN, LEAST_COVERED, LONGEST_RAMP_MIN, REACH_MIN


def statistic(score, start, stop):
    """Student's t without its standard deviation: minutes inside against those around; -inf where too few are known."""
    inside, before = score[start:stop], score[max(start - REACH_MIN, 0) : start]
    after = score[stop : stop + REACH_MIN]
    a, b = inside[np.isfinite(inside)], np.concatenate([before, after])
    b = b[np.isfinite(b)]
    steps = -(-(stop - start) // COARSE_MIN)
    if len(a) < LEAST_COVERED * steps * COARSE_MIN or len(b) < LEAST_AWAKE_MIN:
        return -np.inf
    return (b.mean() - a.mean()) / np.sqrt(1 / len(a) + 1 / len(b))


def best_interval(score, shortest, longest):
    """The interval of the largest statistic, of all that begin and end at whole steps."""
    size = len(score) // COARSE_MIN
    return max(
        (statistic(score, a * COARSE_MIN, b * COARSE_MIN), a * COARSE_MIN, b * COARSE_MIN)
        for a in range(size)
        for b in range(a + shortest // COARSE_MIN, min(a + longest // COARSE_MIN, size) + 1)
    )


def ramp(values, falling, step):
    """The best ramp by one regression each: begin and end."""
    at = np.flatnonzero(np.isfinite(values)) + 0.5
    y = values[np.isfinite(values)]
    best = (np.inf, 0.0, 0.0)
    grid = np.arange(0, len(values) + 1, step)
    for begin in grid:
        for end in grid[(grid >= begin) & (grid - begin <= LONGEST_RAMP_MIN)]:
            shape = np.clip((at - begin) / max(end - begin, 1e-9), 0.0, 1.0)
            if np.ptp(shape) == 0:
                continue
            design = np.column_stack([np.ones(len(y)), shape])
            found, *_ = np.linalg.lstsq(design, y, rcond=None)
            if bool(found[1] < 0) != falling:
                continue
            rest = y - design @ found
            best = min(best, (float(rest @ rest), float(begin), float(end)))
    return best[1:]


def ramp_sums(at, off, begin, end):
    """Of one ramp: sum of squares of its values less their mean, and of their products with a series."""
    shape = np.array([1.0 if t >= end else 0.0 if t <= begin else (t - begin) / (end - begin) for t in at])
    return float(np.sum((shape - shape.mean()) ** 2)), float(np.sum((shape - shape.mean()) * (off - off.mean())))
