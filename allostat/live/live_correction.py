"""Correction of beats while they come: as `allostat.correct_beats` corrects those of the recorded file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.correction import PASSES, marked_irregular, moved_times, told_flags
from allostat.kernels.artefact_stream import ArtefactCorrector, CorrectedBeats
from allostat.recording import BeatFlag

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 8
"""Beats are handed to the corrector so many at a time: it gives them out minutes later, and calls cost the same."""
AROUND = 64
"""Beats remembered before the last one given out: half a window of `allostat.kernels.irregularity`, and those between
which a beat may move."""


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Corrected beats, in order; columns as those of `allostat.Beats` that were corrected."""

    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    flags: NDArray[np.int8]
    irregular: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.times_ns)

    def then(self, later: Corrected) -> Corrected:
        """These and later ones."""
        return Corrected(
            np.concatenate([self.times_ns, later.times_ns]),
            np.concatenate([self.intervals_ms, later.intervals_ms]),
            np.concatenate([self.flags, later.flags]),
            np.concatenate([self.irregular, later.irregular]),
        )

    def since(self, first: int) -> Corrected:
        """Those from number ``first`` on."""
        return Corrected(self.times_ns[first:], self.intervals_ms[first:], self.flags[first:], self.irregular[first:])


NO_BEATS = Corrected(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8), np.empty(0, np.int8))


class LiveCorrection:
    """Corrects the beats of a stream, stretch by stretch: a beat whose interval is NaN begins a new one.

    A beat is given out when nothing that comes can change it: some 54 beats later for each pass of the correction, or
    at the end of its stretch.
    """

    def __init__(self) -> None:
        self._corrector = ArtefactCorrector(PASSES)
        self._times = np.empty(0, dtype=np.int64)
        self._intervals = np.empty(0)
        self._elapsed = np.empty(0)
        self._flags = np.empty(0, dtype=np.int8)
        self._base = 0
        """Number, within the stretch, of the first beat remembered."""
        self._waiting = 0
        """Beats at the end that the corrector was not given yet."""
        self._begin()

    def _begin(self) -> None:
        self._times, self._intervals, self._elapsed = self._times[:0], self._intervals[:0], self._elapsed[:0]
        self._flags = self._flags[:0]
        self._base = self._waiting = 0
        self._t0_ns = 0
        self._source = -1
        """Number of the last beat given out that was found,"""
        self._place = float("nan")
        """and where the last one of all lies now;"""
        self._stood = False
        """whether it is a beat that was found and did not move, right behind which the next may keep its interval."""
        self._given = False

    def push(
        self, times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]
    ) -> list[Corrected]:
        """Take the next beats as found; gives those that are decided. An unusable beat has no interval."""
        ready: list[Corrected] = []
        edges = [0, *np.flatnonzero(np.isnan(intervals_ms)).tolist(), len(times_ns)]
        for first, stop in itertools.pairwise(edges):
            if stop == first:
                continue
            if np.isnan(intervals_ms[first]):
                ready += self.end()
            ready += self._push(times_ns[first:stop], intervals_ms[first:stop], flags[first:stop])
        return ready

    def _push(
        self, times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]
    ) -> list[Corrected]:
        if len(self._times):
            elapsed = np.cumsum(np.concatenate([self._elapsed[-1:], intervals_ms]))[1:]
        else:
            self._t0_ns = int(times_ns[0])
            elapsed = np.concatenate([[0.0], np.cumsum(intervals_ms[1:])])
        self._times = np.concatenate([self._times, times_ns])
        self._intervals = np.concatenate([self._intervals, intervals_ms])
        self._elapsed = np.concatenate([self._elapsed, elapsed])
        self._flags = np.concatenate([self._flags, flags])
        self._waiting += len(times_ns)
        if self._waiting < AT_ONCE:
            return []
        return self._given_out(self._corrector.push(self._handed()))

    def _handed(self) -> NDArray[np.float64]:
        handed = self._elapsed[len(self._elapsed) - self._waiting :]
        self._waiting = 0
        return handed

    def end(self) -> list[Corrected]:
        """The stretch has ended; gives all that is left of it."""
        if not len(self._times):
            return []
        ready = self._given_out(self._corrector.push(self._handed()))
        ready += self._given_out(self._corrector.flush())
        self._begin()
        return ready

    def _given_out(self, beats: CorrectedBeats) -> list[Corrected]:
        place, classes, source = beats
        n = len(place)
        if not n:
            return []
        local = np.where(source < 0, 0, source - self._base)
        moved = (source < 0) | (place != self._elapsed[local])
        times = moved_times(place, local, moved, self._elapsed, self._times, self._t0_ns)
        intervals = np.diff(place, prepend=self._place)
        before = np.concatenate([[self._source if self._stood else -2], np.where(moved, -2, source)[:-1]])
        untouched = ~moved & (source - before == 1)
        if not self._given:
            # The interval that ends at the first beat belongs to nothing before it.
            untouched[0] = not moved[0]
            intervals[0] = self._intervals[0]
        intervals[untouched] = self._intervals[local[untouched]]
        last = np.maximum.accumulate(np.concatenate([[self._source], source]))[1:]
        irregular = marked_irregular(self._intervals, self._base == 0)[np.maximum(last - self._base, 0)]
        told = told_flags(classes, np.where(source < 0, np.int8(BeatFlag.NORMAL), self._flags[local]).astype(np.int8))
        self._given, self._source, self._place = True, int(last[-1]), float(place[-1])
        self._stood = not bool(moved[-1])
        self._forget()
        return [Corrected(times, intervals, told, irregular)]

    def _forget(self) -> None:
        gone = self._source - AROUND - self._base
        if gone >= AROUND:
            self._times = self._times[gone:]
            self._intervals = self._intervals[gone:]
            self._elapsed = self._elapsed[gone:]
            self._flags = self._flags[gone:]
            self._base += gone
