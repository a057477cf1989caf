"""Lomb-Scargle spectrum: power of unevenly sampled intervals, without resampling.

Sources: Lomb 1976, 10.1007/BF00648343; Scargle 1982, 10.1086/160554. The sums over samples come from a non-uniform
fast Fourier transform: each sample is spread by a Gaussian over 25 points of an even grid (Greengard and Lee 2004,
10.1137/S003614450343200X), which leaves an error near 1e-12 of the largest sum. Frequencies are therefore whole
multiples of a step.

The transform is the one of constant geometry (Pease 1968, 10.1145/321450.321457): every pass takes values that lie a
quarter of the grid apart and puts the results side by side, so that one instruction works on several neighbours.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel

Floats = NDArray[np.float64]

_REACH = 12
"""Points of the grid on either side over which a sample is spread."""


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
    size = 4 * grid.turns.shape[2]
    grids, work, sums = np.empty((2, size + 2 * _REACH)), np.empty((4, size)), np.empty((4, count))
    out = np.empty((len(lo), count))
    _densities(t, x, lo, hi, step_hz, *grid, grids, work, sums, out)
    return out


class _Grid(NamedTuple):
    """An even grid for a number of frequencies; its size is a power of two, four or more per period of the highest."""

    falls: Floats
    """What the Gaussian that suits the size and the highest frequency has fallen to, by distance in points."""
    steepness: float
    """Minus the logarithm of the Gaussian at the distance of one point."""
    sharpen: Floats
    """What each frequency has to be multiplied with because samples were spread."""
    turns: Floats
    """Cosine and sine of the turns of each pass of the transform, (passes, 6, a quarter of the size)."""
    places: NDArray[np.int64]
    """(2, frequencies): where the transform leaves each frequency and the negative one."""


@lru_cache(maxsize=16)
def _grid(count: int) -> _Grid:
    size = max(1 << math.ceil(math.log2(4 * (count + 1))), 64)
    modes = 2.0 * (count + 1)
    ratio = size / modes
    width = math.pi * _REACH / (modes * modes * ratio * (ratio - 0.5))
    # The width is twice the variance (radians squared) of the Gaussian.
    steepness = (2.0 * math.pi / size) ** 2 / (4.0 * width)
    falls = np.exp(-steepness * np.arange(_REACH + 1.0) ** 2)
    frequencies = np.arange(1, count + 1)
    sharpen = math.sqrt(math.pi / width) / size * np.exp(width * frequencies**2.0)
    passes = math.ceil(math.log2(size) / 2)
    at, done = np.arange(size // 4), 1
    turns = np.zeros((passes, 6, size // 4))
    places = np.zeros((2, count), np.int64)
    left = np.stack([frequencies, size - frequencies])
    for number in range(passes):
        fold = 4 if size // done % 4 == 0 else 2
        for j in range(1, fold):
            angle = 2.0 * math.pi * j * (at // done * done) / size
            turns[number, 2 * j - 2], turns[number, 2 * j - 1] = np.cos(angle), -np.sin(angle)
        places = places * fold + left % fold
        left //= fold
        done *= fold
    return _Grid(falls, steepness, sharpen, turns, places)


@lean_inner_kernel
def _series(small: float, y: float) -> tuple[float, float, float]:
    """Exponential of a number, and hyperbolic cosine and sine of another, by their power series.

    For numbers up to 0.07 and 0.27, which is all that grids give: to the last bit but one, quicker than for any number.
    """
    exponential = 1.0 + small * (
        1.0
        + small
        * (1 / 2 + small * (1 / 6 + small * (1 / 24 + small * (1 / 120 + small * (1 / 720 + small * (1 / 5040))))))
    )
    z = y * y
    even = 1.0 + z * (1 / 2 + z * (1 / 24 + z * (1 / 720 + z * (1 / 40320 + z * (1 / 3628800)))))
    odd = y * (1.0 + z * (1 / 6 + z * (1 / 120 + z * (1 / 5040 + z * (1 / 362880 + z * (1 / 39916800))))))
    return exponential, even, odd


@lean_inner_kernel
def _lay(spot: Floats, falls: Floats, height: float, ratio: float, inverse: float) -> None:
    """Add a Gaussian to the points around its peak: from one point to the next it changes by a ratio, which falls.

    Four points on either side at a time, because a product has to wait for the one before.
    """
    spot[_REACH] += height
    ratio2, inverse2 = ratio * ratio, inverse * inverse
    ratio4, inverse4 = ratio2 * ratio2, inverse2 * inverse2
    a, b, c, d = height * ratio, height * ratio2, height * (ratio2 * ratio), height * ratio4
    e, f, g, h = height * inverse, height * inverse2, height * (inverse2 * inverse), height * inverse4
    for k in range(1, _REACH, 4):
        spot[_REACH + k] += a * falls[k]
        spot[_REACH + k + 1] += b * falls[k + 1]
        spot[_REACH + k + 2] += c * falls[k + 2]
        spot[_REACH + k + 3] += d * falls[k + 3]
        spot[_REACH - k] += e * falls[k]
        spot[_REACH - k - 1] += f * falls[k + 1]
        spot[_REACH - k - 2] += g * falls[k + 2]
        spot[_REACH - k - 3] += h * falls[k + 3]
        a, b, c, d = a * ratio4, b * ratio4, c * ratio4, d * ratio4
        e, f, g, h = e * inverse4, f * inverse4, g * inverse4, h * inverse4


@lean_inner_kernel
def _spread(
    t: Floats, x: Floats, step: float, mean: float, scale: float, falls: Floats, a: float, grids: Floats
) -> None:
    """Lay the samples of a window on two grids: values without their mean, and ones at twice the pace.

    The second gives the sums at the doubled frequencies, which is all that the periodogram asks of the instants. A
    sample lies there at twice the distance from a point of the grid, or at that and one point more or less: its
    Gaussian follows from the one on the first grid.
    """
    size = grids.shape[1] - 2 * _REACH
    values, ones = grids[0], grids[1]
    fall2, rise2, fall = falls[1] * falls[1], 1.0 / (falls[1] * falls[1]), falls[1]
    for i in range(len(t)):
        if not np.isfinite(x[i]):
            continue
        turns = (t[i] - t[0]) * step
        place = (turns - math.floor(turns)) * size
        cell = int(place + 0.5)
        share = place - cell
        cell &= size - 1
        weight, even, odd = _series(-a * share * share, 2.0 * a * share)
        ratio, inverse = even + odd, even - odd
        _lay(values[cell : cell + 2 * _REACH + 1], falls, weight * (x[i] - mean) * scale, ratio, inverse)
        weight *= weight
        weight, ratio, inverse, double = weight * weight, ratio * ratio, inverse * inverse, 2 * cell
        if share > 0.25:
            double += 1
            weight, ratio, inverse = weight * ratio * fall, ratio * fall2, inverse * rise2
        elif share < -0.25:
            double -= 1
            weight, ratio, inverse = weight * inverse * fall, ratio * rise2, inverse * fall2
        double &= size - 1
        _lay(ones[double : double + 2 * _REACH + 1], falls, weight, ratio, inverse)
    # What was laid beyond an end belongs to the other end.
    for k in range(2):
        grid = grids[k]
        for i in range(_REACH):
            grid[size + i] += grid[i]
            grid[_REACH + i] += grid[size + _REACH + i]


@lean_inner_kernel
def _fourfold(re: Floats, im: Floats, turns: Floats, to_re: Floats, to_im: Floats) -> None:
    """A pass of the transform with sums over four values each."""
    q = len(re) // 4
    re0, re1, re2, re3 = re[:q], re[q : 2 * q], re[2 * q : 3 * q], re[3 * q :]
    im0, im1, im2, im3 = im[:q], im[q : 2 * q], im[2 * q : 3 * q], im[3 * q :]
    c1, s1, c2, s2, c3, s3 = turns[0], turns[1], turns[2], turns[3], turns[4], turns[5]
    for r in range(q):
        a_re, a_im, b_re, b_im = re0[r] + re2[r], im0[r] + im2[r], re1[r] + re3[r], im1[r] + im3[r]
        c_re, c_im, d_re, d_im = re0[r] - re2[r], im0[r] - im2[r], re1[r] - re3[r], im1[r] - im3[r]
        one_re, one_im, two_re, two_im = c_re + d_im, c_im - d_re, a_re - b_re, a_im - b_im
        three_re, three_im = c_re - d_im, c_im + d_re
        to_re[4 * r] = a_re + b_re
        to_re[4 * r + 1] = one_re * c1[r] - one_im * s1[r]
        to_re[4 * r + 2] = two_re * c2[r] - two_im * s2[r]
        to_re[4 * r + 3] = three_re * c3[r] - three_im * s3[r]
        to_im[4 * r] = a_im + b_im
        to_im[4 * r + 1] = one_re * s1[r] + one_im * c1[r]
        to_im[4 * r + 2] = two_re * s2[r] + two_im * c2[r]
        to_im[4 * r + 3] = three_re * s3[r] + three_im * c3[r]


@lean_inner_kernel
def _twofold(re: Floats, im: Floats, to_re: Floats, to_im: Floats) -> None:
    """The last pass where the size is no power of four: sums over two values, without turns."""
    q = len(re) // 2
    re0, re1, im0, im1 = re[:q], re[q:], im[:q], im[q:]
    for r in range(q):
        to_re[2 * r] = re0[r] + re1[r]
        to_re[2 * r + 1] = re0[r] - re1[r]
        to_im[2 * r] = im0[r] + im1[r]
        to_im[2 * r + 1] = im0[r] - im1[r]


@lean_inner_kernel
def _transform(re: Floats, im: Floats, turns: Floats, work: Floats) -> int:
    """Discrete Fourier transform of (size,) complex values, by way of the rows of ``work``, (4, size).

    Tells in which row the real part is; the imaginary part is in the next one. The order is that of `_grid`'s places.
    """
    at, done = 0, 1
    for number in range(len(turns)):
        to = 2 - at if number else 0
        if len(re) // done % 4 == 0:
            done *= 4
            if number:
                _fourfold(work[at], work[at + 1], turns[number], work[to], work[to + 1])
            else:
                _fourfold(re, im, turns[number], work[to], work[to + 1])
        else:
            _twofold(work[at], work[at + 1], work[to], work[to + 1])
        at = to
    return at


@lean_inner_kernel
def _sums(re: Floats, im: Floats, places: NDArray[np.int64], sharpen: Floats, sums: Floats) -> None:
    """(4, frequencies) cosine and sine sums of the values, and of the ones, from the transform of both in one."""
    ones, others = places[0], places[1]
    cosine, sine, cosine2, sine2 = sums[0], sums[1], sums[2], sums[3]
    for k in range(len(sharpen)):
        one, other, half = ones[k], others[k], 0.5 * sharpen[k]
        # The transform turns the other way round than the phase: its imaginary part is minus the sine sum.
        cosine[k], sine[k] = (re[one] + re[other]) * half, (im[other] - im[one]) * half
        cosine2[k], sine2[k] = (im[one] + im[other]) * half, (re[one] - re[other]) * half


@lean_inner_kernel
def _powers(sums: Floats, n: float, spacing: float, out: Floats) -> None:
    """Density at each frequency.

    Divided is as by `numpy`, because what could raise an error cannot be done for several frequencies at a time.
    """
    cosines, sines, cosines2, sines2 = sums[0], sums[1], sums[2], sums[3]
    for k in range(len(out)):
        cosine, sine, cosine2, sine2 = cosines[k], sines[k], cosines2[k], sines2[k]
        length = math.sqrt(cosine2 * cosine2 + sine2 * sine2)
        # Squares of the sums over cosine and sine shifted by half the angle of (cosine2, sine2), which makes them
        # orthogonal. Without a length every shift does.
        both = cosine * cosine + sine * sine
        apart = (cosine * cosine - sine * sine) * cosine2 + 2.0 * cosine * sine * sine2
        apart = np.divide(apart, length if length > 0.0 else 1.0)
        power = np.divide(both + apart, n + length)
        # All samples on the zeros of the sine: nothing is known of that half.
        known = n - length > 1e-9 * n
        odd = both - apart if known and both > apart else 0.0
        power += np.divide(odd, n - length if known else 1.0)
        out[k] = power * spacing


@lean_kernel
def _densities(
    t: Floats,
    x: Floats,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    step: float,
    falls: Floats,
    steepness: float,
    sharpen: Floats,
    turns: Floats,
    places: NDArray[np.int64],
    grids: Floats,
    work: Floats,
    sums: Floats,
    out: Floats,
) -> None:
    """Scargle's periodogram of each window from its sums, as a density.

    Both grids are transformed as one of complex numbers, for which the values are brought to the size of ones.
    """
    size = work.shape[1]
    for w in range(len(first)):
        n, begin, end, mean = 0, 0.0, 0.0, 0.0
        for i in range(first[w], stop[w]):
            if np.isfinite(x[i]):
                begin = t[i] if n == 0 else begin
                end = t[i]
                n += 1
                mean += x[i]
        if n < 2 or not end > begin:
            out[w] = np.nan
            continue
        mean /= n
        largest = 0.0
        for i in range(first[w], stop[w]):
            if np.isfinite(x[i]) and abs(x[i] - mean) > largest:
                largest = abs(x[i] - mean)
        if largest * largest == 0.0:
            out[w] = 0.0
            continue
        grids[:] = 0.0
        _spread(t[first[w] : stop[w]], x[first[w] : stop[w]], step, mean, 1.0 / largest, falls, steepness, grids)
        at = _transform(grids[0, _REACH : size + _REACH], grids[1, _REACH : size + _REACH], turns, work)
        spacing = (end - begin) / (n - 1) * largest * largest
        _sums(work[at], work[at + 1], places, sharpen, sums)
        _powers(sums, float(n), spacing, out[w])
