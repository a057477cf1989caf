"""How often intervals alternate by a lot: the sign of ectopy so frequent that correction cannot see it.

The thresholds of Lipponen and Tarvainen follow the quartiles of the differences around. An early beat makes three large
differences. When every twelfth beat or more is early, more than a quarter of the differences are such, the upper
quartile is one of theirs, and ectopic beats pass as normal (bigeminy, quadrigeminy; atrial fibrillation does the same).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_BEATS = 91
LARGE_CHANGE = 0.15
"""A change counts as large from this share of the two intervals' mean on: an early beat shortens its interval by more,
breathing rarely changes one interval against the next by as much."""

LIMIT = 1.0 / 6.0
"""Two alternations for each early beat, one early beat in twelve."""


def alternating_share(rr: NDArray[Any], window_beats: int = WINDOW_BEATS) -> NDArray[np.float64]:
    """Share of large changes that the next change answers in the other direction, in a window around each interval.

    Parameters
    ----------
    rr
        (n,) intervals of any unit; NaN where there is none, changes beside which are left out.
    window_beats
        Length of the window, which shrinks at the ends.

    Returns
    -------
    share
        float64 (n,): 0 to 1; NaN where no two changes lie in the window.
    """
    if window_beats < 1:
        raise ValueError("a window has at least one beat")
    x = np.asarray(rr, dtype=np.float64)
    n = len(x)
    if n == 0:
        return np.empty(0)
    x = np.where(np.isfinite(x) & (x > 0), x, np.nan)
    change = np.full(n, np.nan)
    change[1:] = (x[1:] - x[:-1]) / (0.5 * (x[1:] + x[:-1]))
    after = np.append(change[1:], np.nan)
    known = np.isfinite(change) & np.isfinite(after)
    large = np.minimum(np.abs(change), np.abs(after)) > LARGE_CHANGE
    answered = known & large & (change * after < 0)
    half = window_beats // 2
    first, stop = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)
    total = np.concatenate([[0], np.cumsum(known)])
    hits = np.concatenate([[0], np.cumsum(answered)])
    among = total[stop] - total[first]
    share = np.full(n, np.nan)
    np.divide(hits[stop] - hits[first], among, out=share, where=among > 0)
    return share
