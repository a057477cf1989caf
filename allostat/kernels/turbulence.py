"""Heart rate turbulence: what sinus rhythm does after a ventricular premature beat.

Sources: Schmidt et al. 1999, 10.1016/S0140-6736(98)08428-1; consensus Bauer et al. 2008, 10.1016/j.jacc.2008.07.041.

Around a premature beat lie its coupling interval and the compensatory pause; RR[-2] and RR[-1] are the last sinus
intervals before the coupling interval, RR[1], RR[2] … the first after the pause.

- Turbulence onset TO = ``100 (RR[1] + RR[2] - RR[-2] - RR[-1]) / (RR[-2] + RR[-1])`` in %, the mean of all premature
  beats. Negative is early acceleration.
- Turbulence slope TS: the steepest rise of a regression line through any five intervals in a row among the first 20
  (``after``) of the tachogram that is the average of all premature beats, in ms per interval. TS of each beat by
  itself, averaged, would be larger.

Filter (consensus): a premature beat counts when the five sinus intervals before it and the ``after`` intervals behind
its pause are sinus rhythm: 300 to 2000 ms, no more than 200 ms from the sinus interval before, and no more than 20 %
from the reference, the mean of the five intervals before the premature beat; the coupling interval is at least 20 %
shorter than the reference, the pause at least 20 % longer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

BEFORE = 5
"""Sinus intervals that make the reference interval."""
LINE = 5
"""Intervals of a regression line."""


class Turbulence(NamedTuple):
    """Turbulence onset in %, slope in ms per interval, and the premature beats they rest on."""

    onset: float
    slope: float
    premature_beats: int


def heart_rate_turbulence(
    intervals_ms: NDArray[Any], premature: NDArray[Any] | None = None, *, after: int = 20, least: int = 1
) -> Turbulence:
    """Turbulence onset and slope of all intervals of a recording.

    Parameters
    ----------
    intervals_ms
        (n,) intervals of all beats, premature ones included and not corrected; NaN is a gap.
    premature
        (n,) true where the interval ends at a ventricular premature beat, as annotated. None: every interval that
        passes the filter as a coupling interval; without annotations supraventricular beats with a full pause cannot
        be told apart.
    after
        Sinus intervals after the pause in which the steepest line is looked for: 20, or 15 in some later work.
    least
        Premature beats that are needed; the consensus asks for 5 in clinical use.

    Returns
    -------
    turbulence
        Onset and slope NaN with fewer than ``least`` premature beats that pass the filter.

    Raises
    ------
    ValueError
        When ``premature`` has another length, ``after`` is below 5 or ``least`` below 1.
    """
    intervals = np.ascontiguousarray(intervals_ms, dtype=np.float64)
    marked = np.ones(len(intervals), np.bool_) if premature is None else np.ascontiguousarray(premature, dtype=np.bool_)
    if marked.shape != intervals.shape:
        raise ValueError(f"{len(marked)} marks for {len(intervals)} intervals")
    if after < LINE or least < 1:
        raise ValueError(f"after must be {LINE} or more and least 1 or more, not {after} and {least}")
    onset, tachogram, beats = _average(intervals, marked, after)
    if beats < least:
        return Turbulence(math.nan, math.nan, beats)
    return Turbulence(float(onset), steepest_slope(tachogram), beats)


def steepest_slope(tachogram_ms: NDArray[np.float64]) -> float:
    """Steepest slope of the regression lines through any five values in a row, in ms per interval; may be negative."""
    x = np.arange(LINE) - (LINE - 1) / 2.0
    rows = np.lib.stride_tricks.sliding_window_view(tachogram_ms, LINE)
    return float((rows @ x).max() / (x @ x))


@inner_kernel
def _sinus(interval: float, before: float, reference: float) -> bool:
    """Whether an interval can be one of sinus rhythm after ``before``; false for NaN."""
    return (
        300.0 <= interval <= 2000.0 and abs(interval - before) <= 200.0 and abs(interval - reference) <= 0.2 * reference
    )


@kernel
def _average(
    intervals: NDArray[np.float64], premature: NDArray[np.bool_], after: int
) -> tuple[float, NDArray[np.float64], int]:
    """Mean onset, mean tachogram after the pause, and the number of premature beats."""
    tachogram = np.zeros(after)
    onset, beats = 0.0, 0
    # Interval i is the coupling interval, i + 1 the pause.
    for i in range(BEFORE, len(intervals) - 1 - after):
        if not premature[i]:
            continue
        reference = 0.0
        for k in range(1, BEFORE + 1):
            reference += intervals[i - k]
        reference /= BEFORE
        passes = intervals[i] <= 0.8 * reference and intervals[i + 1] >= 1.2 * reference
        for k in range(BEFORE):
            at = i - BEFORE + k
            passes = passes and _sinus(intervals[at], intervals[at - 1] if k else intervals[at], reference)
        for k in range(after):
            at = i + 2 + k
            passes = passes and _sinus(intervals[at], intervals[at - 1] if k else intervals[at], reference)
        if not passes:
            continue
        before = intervals[i - 2] + intervals[i - 1]
        onset += 100.0 * (intervals[i + 2] + intervals[i + 3] - before) / before
        for k in range(after):
            tachogram[k] += intervals[i + 2 + k]
        beats += 1
    if beats:
        onset /= beats
        for k in range(after):
            tachogram[k] /= beats
    return onset, tachogram, beats
