"""Correction of artefacts in beats: stretch by stretch, with the original kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.errors import ConfigError, InputError
from allostat.kernels.artefact_stream import ArtefactCorrector
from allostat.kernels.artefacts import correct as correct_whole
from allostat.kernels.irregularity import LIMIT, WINDOW_BEATS, alternating_share
from allostat.recording import BeatFlag, Beats

CORRECTIONS = ("lipponen2019", "lipponen2019_spaced")
"""Names of the methods of `correct_beats`."""

PASSES = 3
"""How often artefacts are looked for and corrected. To go on while their number falls, as the source does, would make
the first beat of a day depend on the last; more passes correct what such a rule leaves alone. Against it a third of 22
MIT-BIH records stay as they are, to the last beat; elsewhere up to 2 % of the beats differ, and 4 to 9 % in bigeminy
and flutter."""


LONGEST_MS = 6000.0
"""An interval that is longer has not one beat too few: it is two of 3 s, the longest that readers take for one. More
than one missed beat is not inserted, so that it is a gap."""


def correct_beats(beats: Beats, method: str = "lipponen2019") -> Beats:
    """Correct artefacts: extra beats go, missed beats are inserted, ectopic and misplaced ones move.

    Each stretch between gaps (an interval that is NaN, unusable, out of range or longer than `LONGEST_MS`) is corrected
    by itself, in `PASSES` passes. An interval longer than that becomes NaN, out of range. Intervals between two beats
    that stay where they are keep their value to the last bit.

    Parameters
    ----------
    beats
        As found or as recorded.
    method
        ``lipponen2019``: each ectopic or misplaced beat moves half-way between its neighbours. An early beat leaves a
        quarter of its error behind, because the beat after it carries the class and moves with it.
        ``lipponen2019_spaced``: the same detection, but the intervals of each run of such beats get new lengths between
        those before and after the run. Use it where the corrected series itself is measured (spectra,
        ``…_interpolated``) and there are ectopic beats.

    Returns
    -------
    Beats
        ``original`` holds ``beats``. ``flags`` tells what was done: `BeatFlag.MISSED` marks an inserted beat,
        `BeatFlag.EXTRA` one whose interval lost an extra beat, `BeatFlag.ECTOPIC` and `BeatFlag.LONG_SHORT` moved ones
        (or one of the first two or the last of a stretch, which never move); other flags stay. ``uncertainty_ms`` is
        NaN for inserted and moved beats. ``extras`` holds two arrays: ``source_index``, the beat's index in
        ``original``, -1 for an inserted one; ``irregular`` (int8), 1 where more than a sixth of the 91 intervals around
        alternate by a lot as recorded (`allostat.kernels.irregularity`). So it is in bigeminy, quadrigeminy and atrial
        fibrillation: the thresholds follow the ectopic beats, which then pass as normal, and variability measured there
        is not that of the sinus rhythm.

    Raises
    ------
    ConfigError
        When the method is unknown.
    InputError
        When the beats were corrected before, or a finite interval is not positive.

    References
    ----------
    Lipponen and Tarvainen 2019, 10.1080/03091902.2019.1640306. Deviation: the number of passes is fixed, so that what
    is done to a beat depends on the 54 beats to either side for each pass, and `allostat.live` does the same.
    """
    if method not in CORRECTIONS:
        raise ConfigError("unknown correction method", found=method, valid=CORRECTIONS)
    if beats.original is not None:
        raise InputError("beats were corrected before: correct their .original", found=beats.method)
    wrong = np.flatnonzero(beats.intervals_ms <= 0)
    if len(wrong):
        at = int(wrong[0])
        raise InputError("an interval is not positive", where=f"beat {at}", found=float(beats.intervals_ms[at]))
    spaced = method == "lipponen2019_spaced"
    intervals, flags = long_as_gaps(beats.intervals_ms, beats.flags)
    apart = replace(beats, intervals_ms=intervals, flags=flags)
    pieces = [_corrected(apart, first, stop, spaced) for first, stop in stretches(apart)] or [_NOTHING]
    times, corrected, told, source, moved, irregular = _joined(pieces)
    uncertainty = None
    if beats.uncertainty_ms is not None:
        uncertainty = np.full(len(times), np.nan, dtype=np.float32)
        uncertainty[~moved] = beats.uncertainty_ms[source[~moved]]
    return replace(
        beats,
        times_ns=times,
        intervals_ms=corrected,
        flags=told,
        method=f"{beats.method} + {method}",
        uncertainty_ms=uncertainty,
        extras={"source_index": source, "irregular": irregular},
        original=beats,
    )


def long_as_gaps(
    intervals_ms: NDArray[np.float64], flags: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Intervals with NaN for those that are longer than `LONGEST_MS`, and flags that say so.

    Those that the device declared unusable stay. Without long intervals both are given back as they are.
    """
    long = (intervals_ms > LONGEST_MS) & (flags != BeatFlag.UNUSABLE)
    if not long.any():
        return intervals_ms, flags
    return np.where(long, np.nan, intervals_ms), np.where(long, np.int8(BeatFlag.OUT_OF_RANGE), flags).astype(np.int8)


def stretches(beats: Beats) -> list[tuple[int, int]]:
    """First beat and the beat after the last of each stretch whose intervals, but for the first, are all usable."""
    if not len(beats):
        return []
    unusable = (beats.flags == BeatFlag.UNUSABLE) | (beats.flags == BeatFlag.OUT_OF_RANGE)
    starts = np.flatnonzero(~np.isfinite(beats.intervals_ms) | unusable)
    edges = np.unique(np.concatenate([[0], starts, [len(beats)]]))
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]


LONG_BEATS = 300_000
"""Stretches of more beats are corrected as a stream: the same beats, in a tenth of the memory."""
_CHUNK_BEATS = 1 << 17


class _Piece(NamedTuple):
    """A corrected stretch; ``moved`` holds for inserted beats too."""

    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    flags: NDArray[np.int8]
    source_index: NDArray[np.int64]
    moved: NDArray[np.bool_]
    irregular: NDArray[np.int8]


_NOTHING = _Piece(
    np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64), np.empty(0, np.bool_),
    np.empty(0, np.int8),
)  # fmt: skip


def _corrected(beats: Beats, first: int, stop: int, spaced: bool) -> _Piece:
    times, intervals = beats.times_ns[first:stop], beats.intervals_ms[first:stop]
    correct = _streamed if stop - first > LONG_BEATS else partial(correct_whole, passes=PASSES)
    # The intervals decide, not the instants: a device's own intervals are finer than the time stamps beside them.
    elapsed = np.concatenate([[0.0], np.cumsum(intervals[1:])])
    new_elapsed, classes, source = correct(elapsed, spaced=spaced)
    inserted = source < 0
    moved = inserted | (new_elapsed != elapsed[source])
    new_times = moved_times(new_elapsed, source, moved, elapsed, times, int(times[0]))
    del elapsed
    # In place: a fortnight of beats is large.
    new_elapsed[1:] -= new_elapsed[:-1].copy()
    new_elapsed[:1] = intervals[:1]
    new_intervals = new_elapsed
    untouched = ~moved
    untouched[1:] &= ~moved[:-1] & (np.diff(source) == 1)
    new_intervals[untouched] = intervals[source[untouched]]
    flags = told_flags(classes, np.where(inserted, np.int8(BeatFlag.NORMAL), beats.flags[first:stop][source]))
    # An inserted beat is as the one before it.
    irregular = marked_irregular(intervals, True)[np.maximum.accumulate(source)]
    source[~inserted] += first
    return _Piece(new_times, new_intervals, flags, source, moved, irregular)


def moved_times(
    places: NDArray[np.float64],
    source: NDArray[np.int64],
    moved: NDArray[np.bool_],
    elapsed_ms: NDArray[np.float64],
    times_ns: NDArray[np.int64],
    t0_ns: int,
) -> NDArray[np.int64]:
    """Instants of corrected beats: those of the found ones, between which the ``moved`` ones are interpolated.

    Parameters
    ----------
    places, source, moved
        Of the corrected beats: place on the scale of ``elapsed_ms``, the found beat that each was, and which are
        elsewhere now.
    elapsed_ms, times_ns
        Of the found beats; ``t0_ns`` is the instant of the first one of their stretch.
    """
    found: NDArray[np.int64] = times_ns[source]
    if moved.any():
        offsets = np.interp(places[moved], elapsed_ms, (times_ns - t0_ns).astype(np.float64))
        found[moved] = t0_ns + np.rint(offsets).astype(np.int64)
    return found


def told_flags(classes: NDArray[np.int8], flags: NDArray[np.int8]) -> NDArray[np.int8]:
    """Flags of corrected beats: their classes, where they have one and the device did not say otherwise."""
    told = (classes != 0) & (flags != BeatFlag.UNUSABLE) & (flags != BeatFlag.OUT_OF_RANGE)
    return np.where(told, classes, flags).astype(np.int8)


def marked_irregular(intervals_ms: NDArray[np.float64], whole: bool) -> NDArray[np.int8]:
    """1 for each found beat that lies among beats that alternated.

    Parameters
    ----------
    intervals_ms
        (n,) intervals of a stretch; the first one, that ends at its first beat, does not count.
    whole
        Whether they begin with the stretch. Without, the first 46 have no say.
    """
    alone = np.concatenate([[np.nan], intervals_ms[1:]]) if whole else intervals_ms
    return _alternates(alone)


def _joined(pieces: list[_Piece]) -> _Piece:
    """All pieces as one; a single one as it is, for a fortnight without a gap is large."""
    return pieces[0] if len(pieces) == 1 else _Piece(*(np.concatenate(part) for part in zip(*pieces, strict=True)))


def _streamed(
    elapsed: NDArray[np.float64], *, spaced: bool
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
    """What `allostat.kernels.artefacts.correct` gives, from chunks."""
    corrector = ArtefactCorrector(PASSES, spaced=spaced)
    parts = [*(corrector.push(chunk) for chunk in _chunks(elapsed)), corrector.flush()]
    return (
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.source_index for part in parts]),
    )


def _chunks(elapsed: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for at in range(0, len(elapsed), _CHUNK_BEATS):
        yield elapsed[at : at + _CHUNK_BEATS]


def _alternates(intervals_ms: NDArray[np.float64]) -> NDArray[np.int8]:
    """Whether each interval lies among those that alternated: chunk by chunk, with all that decides beside each."""
    n = len(intervals_ms)
    marked = np.zeros(n, np.int8)
    for at in range(0, n, _CHUNK_BEATS):
        low, stop = max(at - WINDOW_BEATS, 0), min(at + _CHUNK_BEATS, n)
        share = alternating_share(intervals_ms[low : stop + WINDOW_BEATS])
        marked[at:stop] = np.nan_to_num(share[at - low : stop - low]) > LIMIT
    return marked
