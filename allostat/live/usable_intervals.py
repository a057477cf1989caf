"""Which intervals of a strap are measured: one rule for the live analysis, the file, and a recording read back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.recording import BeatFlag


def usable_intervals(intervals_ms: NDArray[np.float64], opening: bool) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Intervals of a strap with NaN for those that are not positive, and flags of their beats.

    A beat without an interval is `BeatFlag.UNUSABLE`, so that the interval behind it is not measured either: where it
    lies is not sure. The beat with which a stream opens has none, and nothing is wrong with it.

    Parameters
    ----------
    intervals_ms
        As placed in time; NaN where the strap sent none.
    opening
        The first of them opens the stream.
    """
    intervals = np.where(intervals_ms > 0, intervals_ms, np.nan)
    unusable = np.isnan(intervals)
    unusable[:1] &= not opening
    flags = np.where(unusable, np.int8(BeatFlag.UNUSABLE), np.int8(BeatFlag.NORMAL))
    return intervals, flags.astype(np.int8)
