"""Power spectrum of an even interval series: Welch's periodogram, band power; single series and many windows at once.

Sources: Task Force 1996, 10.1161/01.CIR.93.5.1043; Welch 1967, 10.1109/TAU.1967.1161901. Every density is one-sided and
absolute: ms^2/Hz of intervals in ms, so that its area is the variance.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel
from allostat.kernels.even_series import Stretches
from allostat.kernels.even_series import cubic_spline as cubic_spline
from allostat.kernels.even_series import even_series as even_series
from allostat.kernels.even_series import smoothness_priors_trend as smoothness_priors_trend

Floats = NDArray[np.float64]

_AT_ONCE = 64
"""Segments that are transformed together: they stay in the cache of the processor."""


@lru_cache(maxsize=64)
def hann(n: int) -> Floats:
    """Periodic Hann window of n samples; read-only, because it is kept."""
    weights: Floats = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    weights.flags.writeable = False
    return weights


@inner_kernel
def _taper_segment(segment: Floats, taper: Floats, degree: int, out: Floats) -> None:
    """A segment as it is (degree -1), without its mean (0) or its straight line (1), times the taper."""
    n = len(taper)
    centre = (n - 1) / 2.0
    moment = n * (float(n) * n - 1.0) / 12.0
    mean, slope = 0.0, 0.0
    if degree >= 0:
        for i in range(n):
            mean += segment[i]
        mean /= n
    if degree == 1 and n > 1:
        for i in range(n):
            slope += (i - centre) * (segment[i] - mean)
        slope /= moment
    for i in range(n):
        out[i] = (segment[i] - mean - slope * (i - centre)) * taper[i]


@kernel
def _tapered_segments(series: Floats, taper: Floats, hop: int, degree: int) -> Floats:
    """Overlapping segments of a series, each detrended and times the taper."""
    n = len(taper)
    count = (len(series) - n) // hop + 1 if len(series) >= n else 0
    out = np.empty((max(count, 0), n))
    for k in range(count):
        _taper_segment(series[k * hop : k * hop + n], taper, degree, out[k])
    return out


def welch_segments(series: NDArray[Any], length: int, *, detrend: str = "linear") -> Floats:
    """Half-overlapping Hann-weighted segments of ``length`` samples: float64 (segments, length).

    Each loses its straight line (``linear``), its mean (``constant``) or nothing (``none``).
    """
    values = np.ascontiguousarray(series, dtype=np.float64)
    degree = {"none": -1, "constant": 0, "linear": 1}[detrend]
    # A copy: for an array that is not to be written, the kernels would be compiled once more.
    return _tapered_segments(values, hann(length).copy(), max(length - length // 2, 1), degree)


def welch_density(segments: Floats, rate_hz: float, n_fft: int) -> tuple[Floats, Floats]:
    """Mean one-sided power density of weighted segments.

    Parameters
    ----------
    segments
        (k, length) from `welch_segments`; several series may be stacked.
    rate_hz
        Sampling rate.
    n_fft
        Length of the transform, at least ``length``; the rest is filled with zeros.

    Returns
    -------
    frequencies_hz, density
        float64 (n_fft // 2 + 1,); density in the square of the series' unit per Hz.
    """
    length = segments.shape[1]
    power = np.abs(np.fft.rfft(segments, n_fft, axis=1)) ** 2
    density: Floats = power.mean(axis=0) / (rate_hz * float(np.sum(hann(length) ** 2)))
    density[1 : None if n_fft % 2 else -1] *= 2.0
    frequencies: Floats = np.arange(n_fft // 2 + 1, dtype=np.float64) * (rate_hz / n_fft)
    return frequencies, density


def welch(
    series: NDArray[Any], rate_hz: float, *, window_s: float = 256.0, n_fft: int | None = None, detrend: str = "linear"
) -> tuple[Floats, Floats]:
    """Welch's periodogram: Hann windows of at most ``window_s``, half overlapping, each detrended.

    Parameters
    ----------
    series
        (n,) even samples without NaN.
    rate_hz
        Sampling rate.
    window_s
        Longest window; a shorter series is one window.
    n_fft
        Length of the transform; the window's when None.
    detrend
        ``linear`` or ``constant``, per window.

    Returns
    -------
    frequencies_hz, density
        Density in the square of the series' unit per Hz; samples after the last whole window are not used.

    References
    ----------
    Welch 1967, 10.1109/TAU.1967.1161901.
    """
    length = min(len(series), round(window_s * rate_hz))
    if length < 1:
        raise ValueError("a spectrum needs samples")
    return welch_density(welch_segments(series, length, detrend=detrend), rate_hz, n_fft or length)


def band_power(frequencies_hz: NDArray[Any], density: NDArray[Any], low_hz: float, high_hz: float) -> float:
    """Power between two frequencies: trapezoids, the density interpolated linearly at both band edges.

    Returns
    -------
    power
        In the density's unit times Hz. NaN when the band reaches outside the frequencies.
    """
    f = np.asarray(frequencies_hz, dtype=np.float64)
    if not (f[0] <= low_hz < high_hz <= f[-1]):
        return float("nan")
    inside = f[(f > low_hz) & (f < high_hz)]
    corners = np.concatenate([[low_hz], inside, [high_hz]])
    return float(np.trapezoid(np.interp(corners, f, density), corners))


def band_powers(density: Floats, step_hz: float, bands: NDArray[Any]) -> Floats:
    """`band_power` of many spectra whose frequencies are 0, ``step_hz``, ...

    Parameters
    ----------
    density
        (w, f) spectra.
    step_hz
        Distance of their frequencies.
    bands
        (b, 2) lower and upper edges in Hz.

    Returns
    -------
    powers
        float64 (w, b); NaN when a band reaches beyond the last frequency or the spectrum is NaN.
    """
    edges = np.ascontiguousarray(bands, dtype=np.float64) / step_hz
    return _band_powers(np.ascontiguousarray(density, dtype=np.float64), float(step_hz), edges)


@kernel
def _band_powers(density: Floats, step: float, edges: Floats) -> Floats:
    """Edges in steps; the density between two frequencies is a straight line."""
    out = np.empty((len(density), len(edges)))
    last = density.shape[1] - 1
    for b in range(len(edges)):
        low, high = edges[b, 0], edges[b, 1]
        known = 0.0 <= low < high <= last
        for w in range(len(density)):
            power = 0.0 if known else np.nan
            for k in range(int(low) if known else 0, min(int(high) + 1, last) if known else 0):
                begin, end = max(low - k, 0.0), min(high - k, 1.0)
                rise = density[w, k + 1] - density[w, k]
                power += (end - begin) * (density[w, k] + 0.5 * (begin + end) * rise)
            out[w, b] = power * step
    return out


class WelchWindows(NamedTuple):
    """Welch spectra of windows.

    Parameters
    ----------
    density
        (w, f) on the frequencies 0, rate / n_fft, ...; NaN where a window has no sample.
    longest
        (w,) samples of each window's longest stretch.
    used
        (w,) samples that Welch segments cover, overlaps counted once.
    """

    density: Floats
    longest: NDArray[np.int64]
    used: NDArray[np.int64]


def welch_windows(
    stretches: Stretches, window: NDArray[np.int64], count: int, rate_hz: float, whole: int, *, linear: bool
) -> WelchWindows:
    """Welch spectra of many windows, each of which may have several gap-free stretches.

    Segments never reach across a gap. Those of a window all have the length that its longest stretch allows, at most
    ``whole``; each stretch that holds at least one of them takes part. Transforms have the length ``whole``.

    Parameters
    ----------
    stretches
        Even series.
    window
        (s,) ascending: which window each stretch belongs to.
    count
        Number of windows w.
    rate_hz
        Rate of the even series.
    whole
        Longest segment in samples.
    linear
        Whether each segment loses its straight line, or else its mean.
    """
    lengths = np.diff(stretches.edges)
    longest = np.zeros(count, dtype=np.int64)
    np.maximum.at(longest, window, lengths)
    length = np.minimum(longest, whole)[window]
    hop = np.maximum(length - length // 2, 1)
    segments = np.where((lengths >= length) & (length > 0), (lengths - length) // hop + 1, 0)
    used = np.zeros(count, dtype=np.int64)
    np.add.at(used, window, np.where(segments > 0, (segments - 1) * hop + length, 0))
    stretch = np.repeat(np.arange(len(lengths)), segments)
    nth = np.arange(len(stretch)) - np.repeat(np.cumsum(segments) - segments, segments)
    begin = stretches.edges[stretch] + nth * hop[stretch]
    density = np.zeros((count, whole // 2 + 1))
    for at in range(0, len(stretch), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        rows, energy = _weighted(stretches.values, begin[part], length[stretch[part]], whole, int(linear))
        _gather(np.fft.rfft(rows, axis=1), energy * rate_hz, window[stretch[part]], density)
    taken = np.bincount(window, segments, count)
    density[:, 1 : None if whole % 2 else -1] *= 2.0
    density /= np.where(taken > 0, taken, np.nan)[:, None]
    return WelchWindows(density, longest, used)


@kernel
def _weighted(
    series: Floats, begin: NDArray[np.int64], length: NDArray[np.int64], whole: int, degree: int
) -> tuple[Floats, Floats]:
    """Detrended, Hann-weighted segments filled with zeros, and the sum of squares of each one's weights."""
    rows, energy = np.zeros((len(begin), whole)), np.empty(len(begin))
    taper, squares = np.empty(0), 0.0
    for k in range(len(begin)):
        n = length[k]
        if len(taper) != n:
            taper, squares = np.empty(n), 0.0
            for i in range(n):
                taper[i] = 0.5 - 0.5 * math.cos(2.0 * math.pi * i / n)
                squares += taper[i] * taper[i]
        energy[k] = squares
        _taper_segment(series[begin[k] : begin[k] + n], taper, degree, rows[k])
    return rows, energy


@kernel
def _gather(spectra: NDArray[np.complex128], scale: Floats, window: NDArray[np.int64], density: Floats) -> None:
    for k in range(len(spectra)):
        for f in range(spectra.shape[1]):
            value = spectra[k, f]
            density[window[k], f] += (value.real * value.real + value.imag * value.imag) / scale[k]
