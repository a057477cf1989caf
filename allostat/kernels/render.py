"""Waves on a sampling grid: electrocardiogram and photoplethysmogram as sums of Gaussian bumps, one set per beat."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

Floats = NDArray[np.float64]

_REACH = 4.5
"""A bump is drawn out to this many standard deviations; beyond, it is below 5e-5 of its height."""


@kernel
def add_bumps(samples: Floats, sampling_rate: float, centre_s: Floats, width_s: Floats, height: Floats) -> None:
    """Add a Gaussian bump per entry to ``samples`` in place; the grid begins at 0 s.

    Parameters
    ----------
    samples
        float64 (n,), added to.
    centre_s, width_s, height
        Centre, standard deviation (both s) and height of each bump, one length.
    """
    n = len(samples)
    for j in range(len(centre_s)):
        if height[j] == 0.0:
            continue
        first = max(math.ceil((centre_s[j] - _REACH * width_s[j]) * sampling_rate), 0)
        last = min(math.floor((centre_s[j] + _REACH * width_s[j]) * sampling_rate), n - 1)
        scale = 1.0 / (sampling_rate * width_s[j])
        shift = centre_s[j] * sampling_rate
        for i in range(first, last + 1):
            z = (i - shift) * scale
            samples[i] += height[j] * math.exp(-0.5 * z * z)


@kernel
def bump_maxima(nominal_s: Floats, window_s: float, centre_s: Floats, width_s: Floats, height: Floats) -> Floats:
    """Instants near ``nominal_s`` at which the sum of bumps is greatest, found on the continuous curve.

    Parameters
    ----------
    nominal_s
        Where to look, ascending.
    window_s
        Half width of the search.
    centre_s, width_s, height
        The bumps of `add_bumps`, as arrays of shape (beats, bumps per beat); beat j's bumps belong to
        ``nominal_s[j]``, and those of the two beats on either side are taken into account.

    Notes
    -----
    Ternary search, 40 steps: the curve has one maximum inside the window for the pulse shapes used here.
    """
    beats, per_beat = centre_s.shape
    out = np.empty(len(nominal_s))
    for j in range(len(nominal_s)):
        low = nominal_s[j] - window_s
        high = nominal_s[j] + window_s
        from_beat = max(j - 2, 0)
        to_beat = min(j + 3, beats)
        for _ in range(40):
            third = (high - low) / 3.0
            left = low + third
            right = high - third
            at_left = 0.0
            at_right = 0.0
            for b in range(from_beat, to_beat):
                for k in range(per_beat):
                    z = (left - centre_s[b, k]) / width_s[b, k]
                    at_left += height[b, k] * math.exp(-0.5 * z * z)
                    z = (right - centre_s[b, k]) / width_s[b, k]
                    at_right += height[b, k] * math.exp(-0.5 * z * z)
            if at_left < at_right:
                low = left
            else:
                high = right
        out[j] = 0.5 * (low + high)
    return out
