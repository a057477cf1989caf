"""The series that heart rate variability is measured on: NN intervals, their gap-free stretches, what is detrended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.hrv_presets import Preset
from allostat.kernels import even_series
from allostat.kernels.even_series import Stretches
from allostat.recording import NS_PER_S, BeatFlag, Beats

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_LEAST = 4
"""Beats, and samples of the even series, that a stretch needs: as many as a cubic has coefficients."""


@dataclass(frozen=True, slots=True)
class IntervalSeries:
    """What is measured, one element per beat.

    Parameters
    ----------
    ends_ns
        Instant at which the interval ends.
    nn_ms
        Normal-to-normal intervals; NaN elsewhere.
    corrected_ms
        The corrected series without its gaps closed; NaN at gaps and unusable intervals.
    corrected
        Whether the beat was corrected.
    covered_ns
        Time covered by NN intervals from the first beat to this one.
    irregular
        1 where the beat lies in a rhythm too irregular to correct (`allostat.correct_beats`), 0 elsewhere; NaN where
        that is not known because the beats were not corrected.
    recorded_ends_ns, recorded_ms
        The usable intervals of all beats as they were before any correction, premature ones included.
    """

    ends_ns: Indices
    nn_ms: Floats
    corrected_ms: Floats
    corrected: NDArray[np.bool_]
    covered_ns: Indices
    irregular: Floats | NDArray[np.int8]
    recorded_ends_ns: Indices
    recorded_ms: Floats


def _among(*flags: BeatFlag) -> NDArray[np.bool_]:
    """Whether each of the 256 values of a flag is one of these: ten times faster to look up than `numpy.isin`."""
    return np.isin(np.arange(256), [int(flag) for flag in flags])


_ARTEFACTS = _among(BeatFlag.ECTOPIC, BeatFlag.MISSED, BeatFlag.EXTRA, BeatFlag.LONG_SHORT)
_UNUSABLE = _among(BeatFlag.UNUSABLE, BeatFlag.OUT_OF_RANGE)
_INTERVAL_ONLY = _among(BeatFlag.NORMAL, BeatFlag.EXTRA, BeatFlag.OUT_OF_RANGE)
"""Flags that say nothing against the beat itself, so that the interval after it may be normal."""


def interval_series(beats: Beats, *, drop_artefacts: bool = True) -> IntervalSeries:
    """The series of a recording.

    Parameters
    ----------
    beats
        Corrected or as recorded.
    drop_artefacts
        Whether intervals that touch an artefact count as NN. They never reach ``corrected_ms``'s gaps.
    """
    flags = beats.flags.view(np.uint8)
    usable = np.isfinite(beats.intervals_ms) & ~_UNUSABLE[flags]
    # Not copied where nothing changes: arrays of a fortnight of beats are large.
    corrected_ms = _without(beats.intervals_ms, ~usable)
    normal = usable.copy()
    if drop_artefacts:
        normal &= beats.flags == BeatFlag.NORMAL
        normal[1:] &= _INTERVAL_ONLY[flags[:-1]]
    covered_ns = np.zeros(len(beats), dtype=np.int64)
    np.subtract(beats.times_ns[1:], beats.times_ns[:-1], out=covered_ns[1:], where=normal[1:])
    np.cumsum(covered_ns, out=covered_ns)
    nn = np.where(normal, beats.intervals_ms, np.nan)
    irregular = beats.extras.get("irregular")
    recorded = beats if beats.original is None else beats.original
    return IntervalSeries(
        ends_ns=beats.times_ns,
        nn_ms=nn,
        corrected_ms=corrected_ms,
        corrected=_ARTEFACTS[flags],
        covered_ns=covered_ns,
        irregular=np.full(len(beats), np.nan) if irregular is None else irregular,
        recorded_ends_ns=recorded.times_ns,
        recorded_ms=_without(recorded.intervals_ms, _UNUSABLE[recorded.flags.view(np.uint8)]),
    )


def _without(intervals_ms: Floats, unusable: NDArray[np.bool_]) -> Floats:
    """The intervals with NaN for unusable ones; the same array where these are NaN already."""
    return np.where(unusable, np.nan, intervals_ms) if np.any(unusable & ~np.isnan(intervals_ms)) else intervals_ms


@dataclass(frozen=True, slots=True)
class EvenWindows:
    """The even series of every gap-free stretch of some windows.

    Parameters
    ----------
    window
        (s,) ascending: which window each stretch belongs to.
    first, stop
        (s,) its beats.
    even
        Its even series, without the smoothness-priors trend where the preset asks for that.
    """

    window: Indices
    first: Indices
    stop: Indices
    even: Stretches


def gap_free(values: Floats, first: Indices, stop: Indices) -> tuple[Indices, Indices, Indices]:
    """Runs of finite values inside the windows ``first[k]:stop[k]``: window, first and stop of each, by window."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    begins, ends = edges[::2], edges[1::2]
    # Runs that end after the window's first beat and begin before its last.
    from_run = np.searchsorted(ends, first, side="right")
    runs = np.maximum(np.searchsorted(begins, stop, side="left") - from_run, 0)
    window = np.repeat(np.arange(len(first), dtype=np.int64), runs)
    run = np.arange(len(window)) - np.repeat(np.cumsum(runs) - runs - from_run, runs)
    return window, np.maximum(begins[run], first[window]), np.minimum(ends[run], stop[window])


def even_windows(
    series: IntervalSeries, first: Indices, stop: Indices, preset: Preset, *, detrended: bool
) -> EvenWindows:
    """Even series of windows; a window without beats (``stop <= first``) has none."""
    window, lo, hi = gap_free(series.corrected_ms, first, np.maximum(first, stop))
    enough = hi - lo >= _LEAST
    window, lo, hi = window[enough], lo[enough], hi[enough]
    seconds = (series.ends_ns[hi - 1] - series.ends_ns[lo]) / NS_PER_S
    enough = seconds * preset.resampling_hz >= _LEAST - 1
    window, lo, hi = window[enough], lo[enough], hi[enough]
    if preset.spline == "cubic":
        even = even_series.even_stretches(series.ends_ns, series.corrected_ms, lo, hi, preset.resampling_hz)
    else:
        even = _quadratic_stretches(series, lo, hi, preset.resampling_hz)
    if detrended:
        even = even_series.without_trend(even, preset.smoothing)
    return EvenWindows(window, lo, hi, even)


def _quadratic_stretches(series: IntervalSeries, first: Indices, stop: Indices, rate_hz: float) -> Stretches:
    """Stretches by quadratic splines with knots halfway between the beats; the last sample may lie past the last beat
    and then has its value, as NeuroKit2 has it."""
    from scipy.interpolate import make_interp_spline

    parts = []
    for lo, hi in zip(first, stop, strict=True):
        at_s = (series.ends_ns[lo:hi] - series.ends_ns[lo]) / NS_PER_S
        nn = series.corrected_ms[lo:hi]
        grid = np.arange(0.0, at_s[-1] + 1 / rate_hz, 1 / rate_hz)
        parts.append(np.where(grid > at_s[-1], nn[-1], make_interp_spline(at_s, nn, k=2)(grid)))
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(part) for part in parts], dtype=np.int64)])
    return Stretches(np.concatenate([*parts, np.empty(0)]), edges)


def detrended_intervals(
    series: IntervalSeries, first: Indices, stop: Indices, windows: EvenWindows, preset: Preset
) -> tuple[Floats, Indices, Indices]:
    """The detrended NN intervals of each window, laid end to end: values, and where each window begins and stops."""
    ends = np.cumsum(stop - first)
    begins = ends - (stop - first)
    out = np.full(int(ends[-1]) if len(ends) else 0, np.nan)
    places = begins[windows.window] + windows.first - first[windows.window]
    even_series.at_beats(windows.even, series.ends_ns, windows.first, windows.stop, preset.resampling_hz, places, out)
    beat = np.repeat(first - begins, stop - first) + np.arange(len(out))
    out[np.isnan(series.nn_ms[beat])] = np.nan
    return out, begins, ends


def with_mean(detrended: tuple[Floats, Indices, Indices], mean_nn: Floats) -> tuple[Floats, Indices, Indices]:
    """Detrended intervals about each window's mean interval instead of about zero."""
    values, begins, ends = detrended
    return values + np.repeat(mean_nn, ends - begins), begins, ends
