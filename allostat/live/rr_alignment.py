"""Where a strap's own RR intervals lie on its ECG: intervals come without times, R peaks with the device's clock.

The beats of an interval chain are moved as a whole until they meet R peaks. All differences between beats and nearby
peaks are counted; the right shift repeats beat after beat, while wrong ones (by one beat, by two) scatter as the
intervals vary. A heart that beats like a clock leaves the answer open, and so does this.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH_NS = 2_500_000_000
"""Beats are told up to about a second late; the first notification of a connection may add a stall."""
WINDOW_BEATS = 256
"""Beats that get one shift: sums of rounded intervals wander slowly from the clock."""
FEWEST_BEATS = 16
_BIN_NS = 8_000_000
_CLOSE_NS = 40_000_000
LEAST_CONTRAST = 1.5
"""The best shift has so many times the matches of the next one elsewhere."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """One stretch of beats on the ECG.

    Attributes
    ----------
    start_ns, end_ns
        First and last beat, as they are stored.
    shift_ms
        What is added to their instants to lie on R peaks; NaN when no shift stands out.
    spread_ms
        Median distance from the R peaks after the shift.
    matched
        Share of the beats that meet an R peak.
    """

    start_ns: int
    end_ns: int
    shift_ms: float
    spread_ms: float
    matched: float


def align_intervals(
    times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64], peaks_ns: NDArray[np.int64]
) -> list[Alignment]:
    """Shifts between a strap's own beats and the R peaks of its ECG.

    Parameters
    ----------
    times_ns, intervals_ms
        Beats as stored; a NaN interval begins a chain.
    peaks_ns
        int64, ascending: R peaks of the same strap.

    Returns
    -------
    list of Alignment
        One per stretch of at most `WINDOW_BEATS`; chains that are too short have none.
    """
    edges = np.flatnonzero(np.isnan(intervals_ms))
    bounds = np.unique(np.concatenate([[0], edges, [len(times_ns)]]))
    found = []
    for first, stop in itertools.pairwise(bounds.tolist()):
        pieces = max(1, -(-(stop - first) // WINDOW_BEATS))
        for beats in np.array_split(times_ns[first:stop], pieces):
            if len(beats) >= FEWEST_BEATS:
                found.append(_align(beats, peaks_ns))
    return found


def _align(beats: NDArray[np.int64], peaks: NDArray[np.int64]) -> Alignment:
    unknown = Alignment(int(beats[0]), int(beats[-1]), float("nan"), float("nan"), 0.0)
    low = np.searchsorted(peaks, beats - REACH_NS)
    high = np.searchsorted(peaks, beats + REACH_NS)
    most = int((high - low).max())
    if not most:
        return unknown
    near = low[:, None] + np.arange(most)
    inside = near < high[:, None]
    differences = (peaks[np.minimum(near, len(peaks) - 1)] - beats[:, None])[inside]
    counts = np.bincount((differences + REACH_NS) // _BIN_NS, minlength=2 * REACH_NS // _BIN_NS + 2)
    # Two bins together: a shift may lie on the edge between them.
    pairs = counts[:-1] + counts[1:]
    best = int(np.argmax(pairs))
    elsewhere = np.concatenate([pairs[: max(0, best - 12)], pairs[best + 13 :]])
    if pairs[best] < LEAST_CONTRAST * max(1, int(elsewhere.max(initial=0))):
        return unknown
    centre = (best + 1) * _BIN_NS - REACH_NS
    shift = float(np.median(differences[np.abs(differences - centre) <= _CLOSE_NS]))
    close = np.abs(differences - shift) <= _CLOSE_NS
    spread = float(np.median(np.abs(differences[close] - shift)))
    return Alignment(
        int(beats[0]), int(beats[-1]), shift * 1e-6, spread * 1e-6, min(1.0, float(close.sum()) / len(beats))
    )  # fmt: skip
