"""Heart rate variability in windows: settings, the series that is measured, and the measuring.

Arrays in, arrays out; `allostat.hrv` gives the results their names, units and sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allostat.errors import ConfigError
from allostat.kernels import poincare, spectrum, time_domain
from allostat.recording import NS_PER_S, BeatFlag, Beats


@dataclass(frozen=True, slots=True)
class Band:
    """A frequency band; ``shortest_s`` is the shortest gap-free stretch from which its power is given."""

    name: str
    low_hz: float
    high_hz: float
    shortest_s: float


@dataclass(frozen=True, slots=True)
class Preset:
    """Every setting of an HRV analysis.

    Parameters
    ----------
    name
        As users call it.
    references
        DOIs.
    series
        What time-domain and Poincaré measures are taken from: ``raw`` intervals, or ``detrended`` ones (smoothness
        priors on the even series, brought back to the beats). Mean interval and heart rates are always raw.
    resampling_hz
        Rate of the even series (cubic spline, not-a-knot ends).
    smoothing
        Lambda of the smoothness priors; used where something is detrended by them.
    spectrum_detrend
        ``linear`` or ``constant`` per Welch window, or ``smoothness_priors`` of the whole stretch.
    window_s
        Longest Welch window (Hann, half overlapping); 256 s. A shorter stretch is one window, filled with zeros.
    bands
        Frequency bands.
    shortest_s
        Windows below this length give no values.
    short_s
        Windows below this length are marked ultra-short.
    least_valid_share, most_corrected_share
        Windows outside these give no values.
    """

    name: str
    references: tuple[str, ...]
    series: Literal["raw", "detrended"]
    spectrum_detrend: Literal["linear", "constant", "smoothness_priors"]
    smoothing: float
    bands: tuple[Band, ...]
    resampling_hz: float = 4.0
    window_s: float = 256.0
    shortest_s: float = 30.0
    short_s: float = 294.0
    """Below this a window is ultra-short: 5 min less the 2 % that lie before the first and after the last beat."""
    least_valid_share: float = 0.8
    most_corrected_share: float = 0.1


_BANDS = (Band("vlf", 0.0, 0.04, 240.0), Band("lf", 0.04, 0.15, 120.0), Band("hf", 0.15, 0.4, 60.0))

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("taskforce1996", ("10.1161/01.CIR.93.5.1043",), "raw", "linear", 0.0, _BANDS),
        Preset(
            "kubios",
            ("10.1016/j.cmpb.2013.07.024", "10.1109/10.979357"),
            "detrended",
            "smoothness_priors",
            256.0,
            _BANDS,
        ),
    )
}
"""Presets by name."""


def preset_of(preset: str | Preset) -> Preset:
    """A preset by name; a `Preset` passes.

    Raises
    ------
    ConfigError
        When there is none of this name.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ConfigError("unknown HRV preset", found=preset, valid=PRESETS)
    return PRESETS[preset]


class Reason(IntFlag):
    """Why a window has no values, or what to know of them."""

    TOO_SHORT = 1
    """Shorter than the preset allows, or the recording ends inside it: no values."""
    TOO_FEW_VALID = 2
    """NN intervals cover too little of it: no values."""
    TOO_MANY_CORRECTED = 4
    """Too many of its beats were corrected: no values."""
    NO_SPECTRUM = 8
    """A band's power is missing: no gap-free stretch is long enough."""
    ULTRA_SHORT = 16
    """Shorter than 5 minutes; values are given."""


REJECTED = Reason.TOO_SHORT | Reason.TOO_FEW_VALID | Reason.TOO_MANY_CORRECTED


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
    covered_s
        Time covered by NN intervals from the first beat to this one.
    """

    ends_ns: NDArray[np.int64]
    nn_ms: NDArray[np.float64]
    corrected_ms: NDArray[np.float64]
    corrected: NDArray[np.bool_]
    covered_s: NDArray[np.float64]


_ARTEFACTS = (BeatFlag.ECTOPIC, BeatFlag.MISSED, BeatFlag.EXTRA, BeatFlag.LONG_SHORT)
_UNUSABLE = (BeatFlag.UNUSABLE, BeatFlag.OUT_OF_RANGE)
_INTERVAL_ONLY = (BeatFlag.NORMAL, BeatFlag.EXTRA, BeatFlag.OUT_OF_RANGE)
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
    usable = np.isfinite(beats.intervals_ms) & ~np.isin(beats.flags, _UNUSABLE)
    corrected_ms = np.where(usable, beats.intervals_ms, np.nan)
    normal = usable.copy()
    if drop_artefacts:
        normal &= beats.flags == BeatFlag.NORMAL
        normal[1:] &= np.isin(beats.flags[:-1], _INTERVAL_ONLY)
    seconds = np.zeros(len(beats))
    seconds[1:] = np.where(normal[1:], np.diff(beats.times_ns) / NS_PER_S, 0.0)
    nn = np.where(normal, beats.intervals_ms, np.nan)
    return IntervalSeries(beats.times_ns, nn, corrected_ms, np.isin(beats.flags, _ARTEFACTS), np.cumsum(seconds))


@dataclass(frozen=True, slots=True)
class WindowValues:
    """Values by name, and what decides on them; arrays of one element per window."""

    values: dict[str, NDArray[np.float64]]
    valid_share: NDArray[np.float64]
    corrected_share: NDArray[np.float64]
    reasons: NDArray[np.int16]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Windows that are not rejected."""
        return np.asarray((self.reasons & int(REJECTED)) == 0)


def measure(
    series: IntervalSeries, starts_ns: NDArray[np.int64], ends_ns: NDArray[np.int64], preset: Preset
) -> WindowValues:
    """Measure windows; an interval belongs to the window [start, end) in which it ends.

    Differences are taken between intervals that both end inside the window. A preset without bands has no spectra.
    """
    first = np.searchsorted(series.ends_ns, starts_ns)
    stop = np.searchsorted(series.ends_ns, ends_ns)
    valid_share = _valid_share(series, starts_ns, ends_ns)
    corrected_share = _corrected_share(series, first, stop)
    reasons = _reasons(series, starts_ns, ends_ns, preset, valid_share, corrected_share)
    rejected = (reasons & int(REJECTED)) != 0
    values = _interval_measures(series, first, stop, preset, rejected)
    if preset.bands:
        powers = _spectra(series, first, stop, preset, rejected)
        missing = np.isnan(np.column_stack([powers[band.name] for band in preset.bands])).any(axis=1)
        reasons[missing & ~rejected] |= np.int16(Reason.NO_SPECTRUM)
        values |= powers
    return WindowValues(values, valid_share, corrected_share, reasons)


def _valid_share(
    series: IntervalSeries, starts_ns: NDArray[np.int64], ends_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    if not len(series.ends_ns):
        return np.zeros(len(starts_ns))
    # Seconds from the first beat: ns since 1970 are too large for float64.
    zero = series.ends_ns[0]
    at = (series.ends_ns - zero) / NS_PER_S
    begin, end = (starts_ns - zero) / NS_PER_S, (ends_ns - zero) / NS_PER_S
    covered = np.interp(end, at, series.covered_s) - np.interp(begin, at, series.covered_s)
    share: NDArray[np.float64] = np.clip(covered / (end - begin), 0.0, 1.0)
    return share


def _corrected_share(series: IntervalSeries, first: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
    counted = np.concatenate([[0], np.cumsum(series.corrected)])
    n = stop - first
    share = np.full(len(first), np.nan)
    share[n > 0] = (counted[stop] - counted[first])[n > 0] / n[n > 0]
    return share


def _reasons(
    series: IntervalSeries,
    starts_ns: NDArray[np.int64],
    ends_ns: NDArray[np.int64],
    preset: Preset,
    valid_share: NDArray[np.float64],
    corrected_share: NDArray[np.float64],
) -> NDArray[np.int16]:
    reasons = np.zeros(len(starts_ns), dtype=np.int16)
    length_s = (ends_ns - starts_ns) / NS_PER_S
    last = series.ends_ns[-1] if len(series.ends_ns) else np.iinfo(np.int64).min
    reasons[(length_s < preset.shortest_s) | (ends_ns > last + 1)] |= np.int16(Reason.TOO_SHORT)
    reasons[valid_share < preset.least_valid_share] |= np.int16(Reason.TOO_FEW_VALID)
    reasons[corrected_share > preset.most_corrected_share] |= np.int16(Reason.TOO_MANY_CORRECTED)
    reasons[length_s < preset.short_s] |= np.int16(Reason.ULTRA_SHORT)
    return reasons


_OF_THE_MEAN = (
    "mean_nn", "median_nn", "min_nn", "max_nn", "hr_of_mean_nn", "mean_hr_of_beats", "min_hr", "max_hr",
)  # fmt: skip
_COUNTS = ("n_intervals", "n_differences")


def _interval_measures(
    series: IntervalSeries,
    first: NDArray[np.intp],
    stop: NDArray[np.intp],
    preset: Preset,
    rejected: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    raw = _table(series.nn_ms, first, stop)
    whole = _table(series.corrected_ms, first, stop)
    table = dict(raw)
    if preset.series == "detrended":
        table |= _detrended_table(series, first, stop, preset, rejected)
        table |= {name: raw[name] for name in (*_OF_THE_MEAN, *_COUNTS)}
        table["cvnn"] = 100.0 * table["sdnn"] / raw["mean_nn"]
        table["cv_rmssd"] = 100.0 * table["rmssd"] / raw["mean_nn"]
    table["rmssd_interpolated"] = whole["rmssd"]
    table["sdnn_interpolated"] = whole["sdnn"]
    for name, values in table.items():
        if name not in _COUNTS:
            values[rejected] = np.nan
    return table


def _table(
    nn_ms: NDArray[np.float64], first: NDArray[np.intp], stop: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    rows = np.column_stack([time_domain.windowed(nn_ms, first, stop), poincare.windowed(nn_ms, first, stop)])
    return {name: rows[:, k].copy() for k, name in enumerate((*time_domain.MEASURES, "sd1", "sd2"))}


def _detrended_table(
    series: IntervalSeries,
    first: NDArray[np.intp],
    stop: NDArray[np.intp],
    preset: Preset,
    rejected: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """The table of each window's detrended intervals, laid end to end."""
    parts: list[NDArray[np.float64]] = []
    for a, b in zip(first, stop, strict=True):
        detrended = np.full(b - a, np.nan)
        for lo, hi in _stretches(series.corrected_ms, int(a), int(b)):
            if hi - lo >= 4 and not rejected[len(parts)]:
                detrended[lo - a : hi - a] = _detrended(series, lo, hi, preset)[0]
        parts.append(np.where(np.isnan(series.nn_ms[a:b]), np.nan, detrended))
    ends = np.cumsum([len(p) for p in parts])
    return _table(np.concatenate(parts), np.concatenate([[0], ends[:-1]]), ends)


def _detrended(
    series: IntervalSeries, first: int, stop: int, preset: Preset
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A stretch without its trend, at its beats and on the even grid."""
    at_s = (series.ends_ns[first:stop] - series.ends_ns[first]) / NS_PER_S
    even = spectrum.even_series(at_s, series.corrected_ms[first:stop], preset.resampling_hz)
    if len(even) < 4:
        return np.full(stop - first, np.nan), np.empty(0)
    even = even - spectrum.smoothness_priors_trend(even, preset.smoothing)
    return spectrum.cubic_spline(np.arange(len(even)) / preset.resampling_hz, even, at_s), even


def _stretches(intervals_ms: NDArray[np.float64], first: int, stop: int) -> list[tuple[int, int]]:
    """Runs of finite intervals inside [first, stop)."""
    finite = np.isfinite(intervals_ms[first:stop])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8))) + first
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _spectra(
    series: IntervalSeries,
    first: NDArray[np.intp],
    stop: NDArray[np.intp],
    preset: Preset,
    rejected: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    powers = {name: np.full(len(first), np.nan) for name in (*(b.name for b in preset.bands), "spectrum_s")}
    for k in np.flatnonzero(~rejected):
        found = _spectrum(series, int(first[k]), int(stop[k]), preset)
        if found is None:
            continue
        frequencies, density, stretch_s, used_s = found
        powers["spectrum_s"][k] = used_s
        for band in preset.bands:
            if stretch_s >= band.shortest_s:
                powers[band.name][k] = spectrum.band_power(frequencies, density, band.low_hz, band.high_hz)
    powers["total_power"] = sum((powers[band.name] for band in preset.bands), np.zeros(len(first)))
    high = powers["hf"]
    ratio = np.full(len(first), np.nan)
    np.divide(powers["lf"], high, out=ratio, where=high > 0)
    powers["lf_hf"] = ratio
    return powers


def _spectrum(
    series: IntervalSeries, first: int, stop: int, preset: Preset
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float] | None:
    """Density of a window, the length of its longest stretch and the time that the Welch windows cover, in s.

    Welch windows never reach across a gap. All have the length that the longest stretch allows; each stretch that
    holds at least one such window takes part.
    """
    rate = preset.resampling_hz
    evens = []
    for lo, hi in _stretches(series.corrected_ms, first, stop):
        if hi - lo < 4:
            continue
        if preset.spectrum_detrend == "smoothness_priors":
            evens.append(_detrended(series, lo, hi, preset)[1])
        else:
            at_s = (series.ends_ns[lo:hi] - series.ends_ns[lo]) / NS_PER_S
            evens.append(spectrum.even_series(at_s, series.corrected_ms[lo:hi], rate))
    longest = max((len(even) for even in evens), default=0)
    whole = round(preset.window_s * rate)
    length = min(longest, whole)
    if longest / rate < min(band.shortest_s for band in preset.bands):
        return None
    detrend = "constant" if preset.spectrum_detrend == "smoothness_priors" else preset.spectrum_detrend
    segments = np.concatenate([spectrum.welch_segments(even, length, detrend=detrend) for even in evens])
    frequencies, density = spectrum.welch_density(segments, rate, whole)
    hop = length - length // 2
    used = sum((len(even) - length) // hop * hop + length for even in evens if len(even) >= length)
    return frequencies, density, longest / rate, used / rate
