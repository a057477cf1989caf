"""Spectrum of an interval series by scipy: the independent version of the kernel."""

from __future__ import annotations

import numpy as np
from scipy import interpolate, signal, sparse
from scipy.sparse.linalg import spsolve


def cubic_spline(x, y, at):
    return interpolate.CubicSpline(x, y, bc_type="not-a-knot")(at)


def welch(series, rate_hz, window_s=256.0, n_fft=None, detrend="linear"):
    length = min(len(series), round(window_s * rate_hz))
    return signal.welch(
        series, rate_hz, "hann", nperseg=length, noverlap=length // 2, nfft=n_fft, detrend=detrend, axis=0
    )


def band_power(frequencies, density, low, high):
    fine = np.unique(np.concatenate([frequencies[(frequencies >= low) & (frequencies <= high)], [low, high]]))
    heights = np.interp(fine, frequencies, density)
    return sum((b - a) * (p + q) / 2 for a, b, p, q in zip(fine, fine[1:], heights, heights[1:], strict=False))


def smoothness_priors_trend(series, smoothing):
    n = len(series)
    d2 = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))
    return spsolve(sparse.csc_matrix(sparse.eye(n) + smoothing**2 * d2.T @ d2), np.asarray(series, dtype=float))
