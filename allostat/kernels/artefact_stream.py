"""Artefact correction of beats as they come: the same bits for any chunking as from the whole stretch.

A beat is given out once all that decides on it is known: 91 beats at the start of a stretch, then 54 beats (about 45 s)
behind the last one for every pass. What is kept is bounded by the length of a chunk and a few windows.

`allostat.kernels.artefacts.correct` repeats its passes while the number of artefacts of the *whole* series falls, which
nobody knows before its end. A stream therefore makes a fixed number of passes, one behind the other, and its result is
that of ``correct(times, passes=...)``; where the whole series took as many, it is that of ``correct(times)``.

Where intervals are spaced, all beats of a run of artefacts move together: they are given out once three normal beats
have followed.

Source: Lipponen and Tarvainen 2019, 10.1080/03091902.2019.1640306; deviations as in `allostat.kernels.artefacts`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.artefact_classes import (
    EXTRA,
    FEWEST_BEATS,
    MARGIN,
    NORMAL,
    REACH,
    ROWS,
    WINDOW_BEATS,
    classify,
    fill_intervals,
    working_room,
)
from allostat.kernels.artefact_moves import move

SETTLED_AFTER = 3
"""Beats (deleted ones not counted) on either side of a beat that decide where it moves."""

NORMAL_AFTER = 3
"""Normal beats in a row after which nothing depends on the run before, where runs are spaced: the first may close that
run, and the third may begin the next one."""


class CorrectedBeats(NamedTuple):
    """Beats given out by a stream.

    Parameters
    ----------
    times
        float64 (n,): corrected times, in the unit of what was pushed.
    classes
        int8 (n,): class in which any pass found the beat, as from `allostat.kernels.artefacts.correct`.
    source_index
        int64 (n,): number of the beat since the start of the stretch; -1 for an inserted one.
    """

    times: NDArray[np.float64]
    classes: NDArray[np.int8]
    source_index: NDArray[np.int64]


class ArtefactCorrector:
    """Lipponen and Tarvainen's correction with state.

    Parameters
    ----------
    passes
        How often artefacts are looked for and corrected, at least once.
    spaced
        As in `allostat.kernels.artefacts.correct`: ``lipponen2019_spaced`` of `allostat.correct_beats`.

    Raises
    ------
    ValueError
        When there is no pass.

    Examples
    --------
    >>> corrector = ArtefactCorrector()
    >>> len(corrector.push([0.0, 800.0, 1610.0]).times), len(corrector.flush().times)
    (0, 3)
    """

    def __init__(self, passes: int = 1, *, spaced: bool = False) -> None:
        if passes < 1:
            raise ValueError("a stream needs at least one pass")
        self._passes = [_Pass(spaced) for _ in range(passes)]
        self._begin()

    @property
    def artefacts(self) -> tuple[int, ...]:
        """How many artefacts each pass found, all beats ever given out together."""
        return tuple(one.artefacts for one in self._passes)

    def _begin(self) -> None:
        self._pushed = 0
        self._last = -np.inf

    def push(self, times_ms: NDArray[Any] | list[float]) -> CorrectedBeats:
        """Take the next beats of a stretch without gaps, and give out those that are decided.

        Raises
        ------
        ValueError
            When the times are not finite or do not ascend.
        """
        times = np.array(times_ms, dtype=np.float64)
        steps = np.diff(times, prepend=self._last) if times.ndim == 1 else np.zeros(1)
        if not np.all(np.isfinite(times)) or not np.all(steps > 0):
            raise ValueError("beat times are one finite, ascending series: flush at gaps first")
        n = len(times)
        if n:
            self._last = float(times[-1])
        source = np.arange(self._pushed, self._pushed + n)
        self._pushed += n
        return self._through(CorrectedBeats(times, np.zeros(n, np.int8), source), final=False)

    def flush(self) -> CorrectedBeats:
        """End the stretch: give out all that is left. The next beat begins a new stretch."""
        rest = self._through(_NO_BEATS, final=True)
        self._begin()
        return rest

    def _through(self, beats: CorrectedBeats, *, final: bool) -> CorrectedBeats:
        for one in self._passes:
            beats = one.push(beats, final=final)
        return beats


_NO_BEATS = CorrectedBeats(np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64))


class _Pass:
    """One pass over a stretch.

    ``_held`` are the beats kept, ``_found`` their classes in this pass as far as ``_walked``; those before ``_given``
    were given out.
    """

    def __init__(self, spaced: bool) -> None:
        self._spaced = spaced
        self.artefacts = 0
        self._begin()

    def _begin(self) -> None:
        self._held = _NO_BEATS
        self._found = np.empty(0, np.int8)
        self._walked = 0
        self._given = 0
        self._at_start = True

    def push(self, beats: CorrectedBeats, *, final: bool) -> CorrectedBeats:
        if len(beats.times):
            held = self._held
            self._held = CorrectedBeats(
                np.concatenate([held.times, beats.times]),
                np.concatenate([held.classes, beats.classes]),
                np.concatenate([held.source_index, beats.source_index]),
            )
            self._found = np.concatenate([self._found, np.zeros(len(beats.times), np.int8)])
        elif not final:
            return _NO_BEATS
        n = len(self._held.times)
        if self._at_start and n < WINDOW_BEATS and not final:
            return _NO_BEATS
        self._walk(n, final)
        ready = self._given_out(n, final)
        if final:
            self._begin()
        else:
            self._forget()
        return ready

    def _walk(self, n: int, final: bool) -> None:
        if n < FEWEST_BEATS:
            self._walked = n
            return
        last = n - 2 if final else n - REACH
        if last > self._walked:
            # Not np.empty: a NaN left in memory would upset the order of the windows that slide over it.
            table = np.zeros((ROWS, n))
            fill_intervals(self._held.times, table)
            first = max(self._walked - MARGIN, 0)
            self._walked = classify(
                table, self._found, np.zeros(n, np.int8), np.array([[first, n]]), 0, self._walked, last, working_room()
            )
        if final:
            self._walked = n

    def _given_out(self, n: int, final: bool) -> CorrectedBeats:
        stop = n if final else self._settled()
        if stop <= self._given:
            return _NO_BEATS
        first, known = self._needed(), n if final else self._walked
        times, classes, source, place = move(
            self._held.times[first:known],
            self._found[first:known],
            self._held.classes[first:known],
            self._held.source_index[first:known],
            False,
            self._spaced,
        )
        self.artefacts += int(np.count_nonzero(self._found[self._given : stop]))
        belongs = np.where(place < 0, -1 - place, place) + first
        ready = (belongs >= self._given) & (belongs < stop)
        self._given = stop
        return CorrectedBeats(times[ready], classes[ready], source[ready])

    def _settled(self) -> int:
        """The beat before which all places are decided, as far as the walk came."""
        if not self._spaced:
            return self._before(self._walked)
        normal = self._found[: self._walked] == NORMAL
        three = np.flatnonzero(normal[2:] & normal[1:-1] & normal[:-2])
        return int(three[-1]) + NORMAL_AFTER - 1 if len(three) else 0

    def _needed(self) -> int:
        """The first beat that decides where those not given out yet move."""
        if not self._spaced:
            return self._before(self._given)
        return max(self._given - (NORMAL_AFTER - 1), 0)

    def _before(self, index: int) -> int:
        """The place with `SETTLED_AFTER` beats up to ``index``, deleted ones not counted; 0 when there are fewer."""
        kept = np.flatnonzero(self._found[:index] != EXTRA)
        return int(kept[-SETTLED_AFTER]) if len(kept) >= SETTLED_AFTER else 0

    def _forget(self) -> None:
        needed = min(self._walked - 2 * MARGIN, self._needed())
        if needed <= 0:
            return
        held = self._held
        self._held = CorrectedBeats(held.times[needed:], held.classes[needed:], held.source_index[needed:])
        self._found = self._found[needed:]
        self._walked -= needed
        self._given -= needed
        self._at_start = False
