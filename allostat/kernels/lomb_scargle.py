"""Lomb-Scargle spectrum: power of unevenly sampled intervals, without resampling.

Sources: Lomb 1976, 10.1007/BF00648343; Scargle 1982, 10.1086/160554. The sums over samples come from a non-uniform
fast Fourier transform: each sample is spread by a Gaussian over 25 points of an even grid (Greengard and Lee 2004,
10.1137/S003614450343200X), which leaves an error near 1e-12 of the largest sum. Frequencies are therefore whole
multiples of a step.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

Floats = NDArray[np.float64]

_REACH = 12
"""Points of the grid on either side over which a sample is spread."""

_AT_ONCE = 64
"""Windows transformed together: their grids stay in the cache of the processor."""


def lomb_scargle(times_s: NDArray[Any], values: NDArray[Any], step_hz: float, count: int) -> Floats:
    """One-sided power density at ``step_hz`` times 1, 2, ... ``count``.

    Parameters
    ----------
    times_s
        (n,) ascending instants in s.
    values
        (n,) finite values; their mean is taken out.
    step_hz, count
        Distance of the frequencies and how many.

    Returns
    -------
    density
        float64 (count,), the square of the values' unit per Hz: Scargle's periodogram (his equation 10 without the
        factor 1/2) times the mean distance of the samples. So a sine of amplitude A has the area A^2 / 2, as in the
        spectra of `allostat.kernels.spectrum`. NaN with fewer than two samples.

    Raises
    ------
    ValueError
        When the step is not positive or no frequency is asked for.
    """
    n = len(times_s)
    density: Floats = windowed(times_s, values, np.array([0]), np.array([n]), step_hz, count)[0]
    return density


def windowed(
    times_s: NDArray[Any], values: NDArray[Any], first: NDArray[Any], stop: NDArray[Any], step_hz: float, count: int
) -> Floats:
    """`lomb_scargle` of the samples ``first[k]:stop[k]`` of each window k: float64 (w, count).

    Samples whose value is NaN are left out: unevenness is what the method is for.
    """
    if not (step_hz > 0 and math.isfinite(step_hz)) or count < 1:
        raise ValueError("a spectrum needs a positive step and at least one frequency")
    t = np.ascontiguousarray(times_s, dtype=np.float64)
    x = np.ascontiguousarray(values, dtype=np.float64)
    lo, hi = np.ascontiguousarray(first, dtype=np.int64), np.ascontiguousarray(stop, dtype=np.int64)
    grid = _grid(count)
    out = np.empty((len(lo), count))
    for at in range(0, len(lo), _AT_ONCE):
        begin, end = lo[at : at + _AT_ONCE], hi[at : at + _AT_ONCE]
        grids = np.zeros((len(begin), 2, grid.size))
        _spread(t, x, begin, end, step_hz, grid.width, grids)
        _densities(t, x, begin, end, np.fft.rfft(grids, axis=2), grid.sharpen, out[at : at + _AT_ONCE])
    return out


class _Grid(NamedTuple):
    """An even grid for a number of frequencies."""

    size: int
    """Points: a power of two, at least four per period of the highest frequency."""
    width: float
    """Twice the variance (radians squared) of the Gaussian that suits the size and the highest frequency."""
    sharpen: Floats
    """What each frequency has to be multiplied with because samples were spread."""


@lru_cache(maxsize=16)
def _grid(count: int) -> _Grid:
    size = max(1 << math.ceil(math.log2(4 * (count + 1))), 64)
    modes = 2.0 * (count + 1)
    ratio = size / modes
    width = math.pi * _REACH / (modes * modes * ratio * (ratio - 0.5))
    return _Grid(size, width, math.sqrt(math.pi / width) / size * np.exp(width * np.arange(1.0, count + 1.0) ** 2))


@kernel
def _spread(
    t: Floats, x: Floats, first: NDArray[np.int64], stop: NDArray[np.int64], step: float, tau: float, grids: Floats
) -> None:
    """Lay the samples of each window on two grids: values without their mean, and ones at twice the pace.

    The second gives the sums at the doubled frequencies, which is all that the periodogram asks of the instants. A
    sample lies there at twice the distance from a point of the grid, or at that less one point: its Gaussian follows
    from the one on the first grid.
    """
    size = grids.shape[2]
    mask = size - 1
    spacing = 2.0 * math.pi / size
    falls = np.empty(_REACH + 1)
    for k in range(_REACH + 1):
        falls[k] = math.exp(-((k * spacing) ** 2) / (4.0 * tau))
    for w in range(len(first)):
        n, mean = 0, 0.0
        for i in range(first[w], stop[w]):
            if np.isfinite(x[i]):
                n += 1
                mean += x[i]
        if n == 0:
            continue
        mean /= n
        for i in range(first[w], stop[w]):
            if not np.isfinite(x[i]):
                continue
            turns = (t[i] - t[first[w]]) * step
            place = (turns - math.floor(turns)) * size
            cell = int(place)
            share = place - cell
            weight = math.exp(-((share * spacing) ** 2) / (4.0 * tau))
            ratio = math.exp(share * spacing * spacing / (2.0 * tau))
            for which in range(2):
                grid = grids[w, which]
                if which == 0:
                    right = weight * (x[i] - mean)
                else:
                    ratio *= ratio
                    right = weight * weight * weight * weight
                    cell = 2 * cell & mask
                    if share >= 0.5:
                        cell += 1
                        right *= ratio * falls[1]
                        ratio *= falls[1] * falls[1]
                left, inverse = right, 1.0 / ratio
                grid[cell & mask] += right
                for k in range(1, _REACH + 1):
                    right *= ratio
                    left *= inverse
                    grid[(cell + k) & mask] += right * falls[k]
                    grid[(cell - k) & mask] += left * falls[k]


@kernel
def _densities(
    t: Floats,
    x: Floats,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    sums: NDArray[np.complex128],
    sharpen: Floats,
    out: Floats,
) -> None:
    """Scargle's periodogram of each window from its sums, as a density."""
    count = out.shape[1]
    for w in range(len(first)):
        n, begin, end = 0, 0.0, 0.0
        for i in range(first[w], stop[w]):
            if np.isfinite(x[i]):
                begin = t[i] if n == 0 else begin
                end = t[i]
                n += 1
        if n < 2 or not end > begin:
            for k in range(count):
                out[w, k] = np.nan
            continue
        spacing = (end - begin) / (n - 1)
        for k in range(count):
            # The transform turns the other way round than the phase: its imaginary part is minus the sine sum.
            cosine, sine = sums[w, 0, k + 1].real * sharpen[k], -sums[w, 0, k + 1].imag * sharpen[k]
            cosine2, sine2 = sums[w, 1, k + 1].real * sharpen[k], -sums[w, 1, k + 1].imag * sharpen[k]
            length = math.sqrt(cosine2 * cosine2 + sine2 * sine2)
            # Half the angle of (cosine2, sine2): the shift that makes sine and cosine orthogonal.
            if length == 0.0:
                c, s = 1.0, 0.0
            elif cosine2 >= 0.0:
                c = math.sqrt(0.5 * (1.0 + cosine2 / length))
                s = sine2 / (2.0 * length * c)
            else:
                s = math.sqrt(0.5 * (1.0 - cosine2 / length))
                c = sine2 / (2.0 * length * s)
            even, odd = cosine * c + sine * s, sine * c - cosine * s
            power = 2.0 * even * even / (n + length)
            # All samples on the zeros of the sine: nothing is known of that half.
            if n - length > 1e-9 * n:
                power += 2.0 * odd * odd / (n - length)
            out[w, k] = power * spacing
