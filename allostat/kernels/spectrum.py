"""Spectrum of an interval series: cubic spline, detrending, Welch's periodogram, band power.

Sources: Task Force 1996, 10.1161/01.CIR.93.5.1043; Welch 1967, 10.1109/TAU.1967.1161901; smoothness priors: Tarvainen,
Ranta-aho and Karjalainen 2002, 10.1109/10.979357.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

Floats = NDArray[np.float64]


def cubic_spline(x: NDArray[Any], y: NDArray[Any], at: NDArray[Any]) -> Floats:
    """Interpolating cubic spline with not-a-knot ends (parabola through three points, line through two).

    Parameters
    ----------
    x, y
        (n,) knots, ascending, and their values; n >= 2.
    at
        (m,) ascending places. Outside the knots the outermost cubics continue.

    Returns
    -------
    values
        float64 (m,).
    """
    if len(x) < 2:
        raise ValueError("a spline needs two knots")
    knots = np.ascontiguousarray(x, dtype=np.float64)
    values = np.ascontiguousarray(y, dtype=np.float64)
    return _evaluate(knots, values, _slopes(knots, values), np.ascontiguousarray(at, dtype=np.float64))


@kernel
def _slopes(x: Floats, y: Floats) -> Floats:
    """First derivative at each knot: a tridiagonal system, solved by elimination."""
    n = len(x)
    h = x[1:] - x[:-1]
    secant = (y[1:] - y[:-1]) / h
    slope = np.empty(n)
    if n == 2:
        slope[:] = secant[0]
        return slope
    if n == 3:
        bend = (secant[1] - secant[0]) / (h[0] + h[1])
        slope[0] = secant[0] - bend * h[0]
        slope[1] = secant[0] + bend * h[0]
        slope[2] = secant[1] + bend * h[1]
        return slope
    upper = np.empty(n)
    span = h[0] + h[1]
    upper[0] = span / h[1]
    slope[0] = ((h[0] + 2.0 * span) * h[1] * secant[0] + h[0] ** 2 * secant[1]) / (span * h[1])
    for i in range(1, n - 1):
        pivot = 2.0 * (h[i - 1] + h[i]) - h[i] * upper[i - 1]
        upper[i] = h[i - 1] / pivot
        right = 3.0 * (h[i] * secant[i - 1] + h[i - 1] * secant[i])
        slope[i] = (right - h[i] * slope[i - 1]) / pivot
    span = h[n - 2] + h[n - 3]
    right = (h[n - 2] ** 2 * secant[n - 3] + (2.0 * span + h[n - 2]) * h[n - 3] * secant[n - 2]) / span
    slope[n - 1] = (right - span * slope[n - 2]) / (h[n - 3] - span * upper[n - 2])
    for i in range(n - 2, -1, -1):
        slope[i] -= upper[i] * slope[i + 1]
    return slope


@kernel
def _evaluate(x: Floats, y: Floats, slope: Floats, at: Floats) -> Floats:
    out = np.empty(len(at))
    k = 0
    for i in range(len(at)):
        while k < len(x) - 2 and at[i] >= x[k + 1]:
            k += 1
        h = x[k + 1] - x[k]
        secant = (y[k + 1] - y[k]) / h
        s = at[i] - x[k]
        cubic = (slope[k] + slope[k + 1] - 2.0 * secant) / h**2
        square = (3.0 * secant - 2.0 * slope[k] - slope[k + 1]) / h
        out[i] = y[k] + s * (slope[k] + s * (square + s * cubic))
    return out


def even_series(times_s: NDArray[Any], nn_ms: NDArray[Any], rate_hz: float) -> Floats:
    """Intervals of a gap-free stretch on an even grid of ``rate_hz`` from the first to the last beat time.

    Parameters
    ----------
    times_s
        (n,) ascending instants at which the intervals end, in s.
    nn_ms
        (n,) the intervals.
    rate_hz
        Grid rate; 4 Hz is the usual one.
    """
    t = np.ascontiguousarray(times_s, dtype=np.float64)
    samples = int(np.floor((t[-1] - t[0]) * rate_hz * (1 + 1e-12))) + 1
    return cubic_spline(t - t[0], nn_ms, np.arange(samples) / rate_hz)


@lru_cache(maxsize=64)
def hann(n: int) -> Floats:
    """Periodic Hann window of n samples; read-only, because it is kept."""
    weights: Floats = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    weights.flags.writeable = False
    return weights


@kernel
def _tapered_segments(series: Floats, taper: Floats, hop: int, linear: bool) -> Floats:
    """Overlapping segments of a series, each without its mean or its straight line, times the taper."""
    n = len(taper)
    count = (len(series) - n) // hop + 1 if len(series) >= n else 0
    out = np.empty((max(count, 0), n))
    centre = (n - 1) / 2.0
    moment = n * (float(n) * n - 1.0) / 12.0
    for k in range(count):
        segment = series[k * hop : k * hop + n]
        mean = 0.0
        for i in range(n):
            mean += segment[i]
        mean /= n
        slope = 0.0
        if linear and n > 1:
            for i in range(n):
                slope += (i - centre) * (segment[i] - mean)
            slope /= moment
        for i in range(n):
            out[k, i] = (segment[i] - mean - slope * (i - centre)) * taper[i]
    return out


def welch_segments(series: NDArray[Any], length: int, *, detrend: str = "linear") -> Floats:
    """Half-overlapping Hann-weighted segments of ``length`` samples: float64 (segments, length)."""
    values = np.ascontiguousarray(series, dtype=np.float64)
    return _tapered_segments(values, hann(length), max(length - length // 2, 1), detrend == "linear")


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


def smoothness_priors_trend(series: NDArray[Any], smoothing: float) -> Floats:
    """Trend of an even series: ``(I + smoothing^2 D'D)^-1 series`` with second differences D.

    Parameters
    ----------
    series
        (n,) even samples, n >= 3.
    smoothing
        Regularisation (lambda): the larger, the smoother the trend.

    References
    ----------
    Tarvainen, Ranta-aho and Karjalainen 2002, 10.1109/10.979357.
    """
    values = np.ascontiguousarray(series, dtype=np.float64)
    if len(values) < 3:
        raise ValueError("second differences need three samples")
    return _smooth(values, float(smoothing))


@kernel
def _smooth(z: Floats, smoothing: float) -> Floats:
    """Solve the symmetric five-diagonal system by an LDL' decomposition."""
    n = len(z)
    weight = smoothing * smoothing
    diagonal, first, second = np.ones(n), np.zeros(n), np.zeros(n)
    for k in range(n - 2):
        diagonal[k] += weight
        diagonal[k + 1] += 4.0 * weight
        diagonal[k + 2] += weight
        first[k] -= 2.0 * weight
        first[k + 1] -= 2.0 * weight
        second[k] += weight
    d, low1, low2 = np.empty(n), np.zeros(n), np.zeros(n)
    out = z.copy()
    for i in range(n):
        pivot = diagonal[i]
        if i >= 1:
            pivot -= low1[i - 1] * low1[i - 1] * d[i - 1]
            out[i] -= low1[i - 1] * out[i - 1]
        if i >= 2:
            pivot -= low2[i - 2] * low2[i - 2] * d[i - 2]
            out[i] -= low2[i - 2] * out[i - 2]
        d[i] = pivot
        if i + 1 < n:
            below = first[i]
            if i >= 1:
                below -= low1[i - 1] * low2[i - 1] * d[i - 1]
            low1[i] = below / pivot
        if i + 2 < n:
            low2[i] = second[i] / pivot
    for i in range(n):
        out[i] /= d[i]
    for i in range(n - 2, -1, -1):
        out[i] -= low1[i] * out[i + 1]
        if i + 2 < n:
            out[i] -= low2[i] * out[i + 2]
    return out
