"""Second-order filter sections in closed form, so that no kernel needs a filter-design library.

Source: bilinear transform with frequency pre-warping of the second-order analogue prototypes, as tabulated in
Bristow-Johnson R (1994), "Cookbook formulae for audio equalizer biquad filter coefficients" (W3C note, 2021).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BUTTERWORTH = math.sqrt(0.5)
"""Quality factor of a second-order Butterworth section (maximally flat)."""

CRITICAL = 0.5
"""Quality factor of a critically damped section (no overshoot)."""


def _normalised(b0: float, b1: float, b2: float, a0: float, a1: float, a2: float) -> NDArray[np.float64]:
    return np.array([b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0])


def _warped(rate_hz: float, corner_hz: float, quality: float) -> tuple[float, float]:
    corner = min(corner_hz, 0.45 * rate_hz)
    w = 2.0 * math.pi * corner / rate_hz
    return math.cos(w), math.sin(w) / (2.0 * quality)


def lowpass(rate_hz: float, corner_hz: float, quality: float = BUTTERWORTH) -> NDArray[np.float64]:
    """Coefficients ``b0 b1 b2 a1 a2`` of a low-pass section.

    Parameters
    ----------
    rate_hz, corner_hz
        Sampling rate and corner frequency in Hz; a corner above 0.45 of the rate is moved down to it.
    quality
        Quality factor of the section.

    Returns
    -------
    float64 (5,), for ``y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]``.
    """
    c, alpha = _warped(rate_hz, corner_hz, quality)
    return _normalised((1 - c) / 2, 1 - c, (1 - c) / 2, 1 + alpha, -2 * c, 1 - alpha)


def highpass(rate_hz: float, corner_hz: float, quality: float = BUTTERWORTH) -> NDArray[np.float64]:
    """Coefficients ``b0 b1 b2 a1 a2`` of a high-pass section; parameters as in `lowpass`."""
    c, alpha = _warped(rate_hz, corner_hz, quality)
    return _normalised((1 + c) / 2, -(1 + c), (1 + c) / 2, 1 + alpha, -2 * c, 1 - alpha)
