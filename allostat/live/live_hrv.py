"""HRV while beats come: windows as `allostat.hrv` gives them for the corrected beats of the recorded file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.correction import correct_beats, long_as_gaps
from allostat.hrv_presets import PRESETS, Preset
from allostat.hrv_series import IntervalSeries, interval_series
from allostat.hrv_windows import Reason, measure
from allostat.live.live_correction import NO_BEATS, Corrected, LiveCorrection
from allostat.recording import NS_PER_S, Beats

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = (
    "rmssd", "ln_rmssd", "sdnn", "pnn50", "mean_nn", "hr_of_mean_nn", "min_hr", "max_hr", "sd1", "sd2", "dfa_alpha1",
    "n_intervals",
)  # fmt: skip
"""Variables of `allostat.hrv` that a live window has, besides ``valid_share`` and ``irregular_share``."""

CONTEXT_BEATS = 120
"""Beats before a provisional window by which its artefacts are told: the correction looks at 91 around each."""


@dataclass(frozen=True, slots=True)
class MeasuredWindow:
    """HRV of one window; ``artefact_percent`` is NaN without beats."""

    start_ns: int
    end_ns: int
    window_s: float
    values: dict[str, float]
    artefact_percent: float
    reasons: tuple[str, ...]
    provisional: bool


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """Windows of some lengths, that begin every ``step_s`` from the first beat on."""

    lengths_s: tuple[float, ...] = (60.0, 120.0)
    step_s: float = 5.0

    @property
    def step_ns(self) -> int:
        """Distance of the windows' starts."""
        return round(self.step_s * NS_PER_S)

    @property
    def lengths_ns(self) -> tuple[int, ...]:
        """Lengths of the windows."""
        return tuple(round(length * NS_PER_S) for length in self.lengths_s)


GRID = WindowGrid()
"""60 and 120 s, every 5 s."""


class _FinalSeries:
    """Corrected beats that windows to come still need, and the two before them, by which their intervals are judged."""

    def __init__(self) -> None:
        self._beats = NO_BEATS

    @property
    def last_ns(self) -> int | None:
        """Instant of the last beat; None without any."""
        return int(self._beats.times_ns[-1]) if len(self._beats) else None

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """Instants of the beats held."""
        return self._beats.times_ns

    def extend(self, beats: Corrected) -> None:
        """Take the next beats."""
        self._beats = self._beats.then(beats)

    def forget(self, oldest_ns: int) -> None:
        """Let go of beats that no window from an instant on needs."""
        first = int(np.searchsorted(self._beats.times_ns, oldest_ns)) - 2
        if first > 0:
            self._beats = self._beats.since(first)

    def series(self, followed_by_ns: int | None = None) -> IntervalSeries:
        """What is measured; a beat that may follow after a gap tells that the recording does not end before it."""
        beats = self._beats
        if followed_by_ns is not None:
            normal = np.zeros(1, np.int8)
            beats = beats.then(Corrected(np.array([followed_by_ns]), np.full(1, np.nan), normal, normal))
        columns = beats.times_ns, beats.intervals_ms, beats.flags
        return interval_series(Beats(*columns, extras={"irregular": beats.irregular}))


class _Due:
    """The windows of a grid that come to their end one after another."""

    def __init__(self, grid: WindowGrid) -> None:
        self._grid = grid
        self._next = [0] * len(grid.lengths_s)
        self._start_ns: int | None = None

    def comes(self, certain_ns: int) -> bool:
        """Whether a window ends until an instant."""
        if self._start_ns is None:
            return True
        ends = (n * self._grid.step_ns + w for n, w in zip(self._next, self._grid.lengths_ns, strict=True))
        return min(ends) <= certain_ns - self._start_ns

    def oldest_ns(self) -> int | None:
        """Start of the first window that has not come to its end; None before the first beat."""
        return None if self._start_ns is None else self._start_ns + self._grid.step_ns * min(self._next)

    def until(self, times_ns: NDArray[np.int64], certain_ns: int) -> list[tuple[int, int, float]]:
        """Start, end and length of the windows that end until an instant and have a beat of the ascending ones inside.

        The first beat of all is where the grid begins.
        """
        if self._start_ns is None:
            if not len(times_ns):
                return []
            self._start_ns = int(times_ns[0])
        found: list[tuple[int, int, float]] = []
        step = self._grid.step_ns
        for k, width in enumerate(self._grid.lengths_ns):
            stop = max((certain_ns - self._start_ns - width) // step + 1, self._next[k])
            if stop > self._next[k]:
                starts = self._start_ns + step * _with_beats(
                    times_ns - self._start_ns, self._next[k], stop, width, step
                )
                found += [(start, start + width, self._grid.lengths_s[k]) for start in starts.tolist()]
                self._next[k] = stop
        return sorted(found, key=lambda window: window[1])


def _with_beats(since_ns: NDArray[np.int64], first: int, stop: int, width: int, step: int) -> NDArray[np.int64]:
    """Numbers of the windows ``first:stop`` in which there are beats: after hours without any there are thousands."""
    # A beat lies in the windows that begin after it less the width, and up to it.
    low = np.maximum((since_ns - width) // step + 1, first)
    high = np.minimum(since_ns // step + 1, stop)
    some = high > low
    if not some.any():
        return np.empty(0, dtype=np.int64)
    runs = [np.arange(a, b) for a, b in _merged(low[some], high[some])]
    return np.concatenate(runs).astype(np.int64)


def _merged(low: NDArray[np.int64], high: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges that follow or overlap as one; both ends ascend."""
    new = np.concatenate([[True], low[1:] > high[:-1]])
    starts = np.flatnonzero(new)
    return list(zip(low[starts].tolist(), high[np.append(starts[1:], len(low)) - 1].tolist(), strict=True))


class LiveHrv:
    """HRV windows of one stream of beats.

    Each window comes twice: provisionally with the first beat behind it, and for good once its beats are corrected for
    good. Windows without a beat do not come.
    """

    def __init__(self, grid: WindowGrid = GRID, preset: Preset = PRESETS["taskforce1996"]) -> None:
        self._grid = grid
        self._preset = preset
        self._correction = LiveCorrection()
        self._final = _FinalSeries()
        self._final_due, self._early_due = _Due(grid), _Due(grid)
        self._recent: deque[tuple[int, float, int]] = deque()
        self._lengths_given: set[float] = set()

    def push(
        self, times_ns: NDArray[np.int64], intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]
    ) -> list[MeasuredWindow]:
        """Take the next beats as found, in ascending order; columns as those of `allostat.Beats`."""
        if not len(times_ns):
            return []
        intervals_ms, flags = long_as_gaps(intervals_ms, flags)
        windows: list[MeasuredWindow] = []
        for corrected in self._correction.push(times_ns, intervals_ms, flags):
            self._final.extend(corrected)
        broken = np.flatnonzero(np.isnan(intervals_ms))
        # All beats before a gap are corrected; those behind it lie behind it.
        windows += self._finals(int(times_ns[broken[-1]]) if len(broken) else None)
        self._recent.extend(zip(times_ns.tolist(), intervals_ms.tolist(), flags.tolist(), strict=True))
        windows += self._early()
        return windows

    def finish(self) -> list[MeasuredWindow]:
        """No more beats follow: gives the windows that are complete, or the only one that is not."""
        for corrected in self._correction.end():
            self._final.extend(corrected)
        windows = self._finals(None)
        start_ns = self._final_due.oldest_ns()
        if start_ns is not None:
            # A recording shorter than a window still has one.
            lone = [
                (start_ns, start_ns + w, s) for w, s in zip(self._grid.lengths_ns, self._grid.lengths_s, strict=True)
            ]
            windows += self._measured(self._final.series(), [w for w in lone if w[2] not in self._lengths_given], False)
        return windows

    def _finals(self, begun_ns: int | None) -> list[MeasuredWindow]:
        """Windows whose beats are corrected for good; ``begun_ns``: where the stretch that now comes began."""
        certain = self._final.last_ns
        if certain is None:
            return []
        if begun_ns is not None and begun_ns <= certain:
            begun_ns = None  # so many beats at once that some of the new stretch are corrected already
        certain = certain if begun_ns is None else begun_ns
        if not self._final_due.comes(certain):
            return []
        series = self._final.series(begun_ns)
        windows = self._final_due.until(self._final.times_ns, certain)
        found = self._measured(series, windows, False)
        oldest = self._final_due.oldest_ns()
        if oldest is not None:
            self._final.forget(oldest)
        return found

    def _early(self) -> list[MeasuredWindow]:
        if not self._early_due.comes(self._recent[-1][0]):
            return []
        times = np.array([beat[0] for beat in self._recent], dtype=np.int64)
        due = self._early_due.until(times, int(times[-1]))
        if not due:
            return []
        first = max(int(np.searchsorted(times, min(start for start, _, _ in due))) - CONTEXT_BEATS, 0)
        for _ in range(first):
            self._recent.popleft()
        _, intervals, flags = zip(*self._recent, strict=True)
        beats = Beats(times[first:], np.array(intervals, dtype=np.float64), np.array(flags, dtype=np.int8))
        return self._measured(interval_series(correct_beats(beats)), due, True)

    def _measured(
        self, series: IntervalSeries, due: list[tuple[int, int, float]], provisional: bool
    ) -> list[MeasuredWindow]:
        if not due:
            return []
        starts, ends = (np.array(column, dtype=np.int64) for column in list(zip(*due, strict=True))[:2])
        found = measure(series, starts, ends, self._preset, "brief")
        columns = {name: found.values[name].tolist() for name in NAMES}
        columns["valid_share"] = found.valid_share.tolist()
        columns["irregular_share"] = found.irregular_share.tolist()
        artefacts = (100.0 * found.corrected_share).tolist()
        if not provisional:
            self._lengths_given |= {length for _, _, length in due}
        return [
            MeasuredWindow(
                start,
                end,
                length,
                {name: column[k] for name, column in columns.items()},
                artefacts[k],
                reason_names(int(found.reasons[k])),
                provisional,
            )
            for k, (start, end, length) in enumerate(due)
        ]


def reason_names(reasons: int) -> tuple[str, ...]:
    """Names of the bits of `allostat.hrv_windows.Reason`."""
    return tuple(str(reason.name) for reason in Reason if reasons & reason)
