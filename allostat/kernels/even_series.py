"""Intervals on an even grid: cubic spline, smoothness priors, single series and many stretches at once.

Sources: Task Force 1996, 10.1161/01.CIR.93.5.1043; smoothness priors: Tarvainen, Ranta-aho and Karjalainen 2002,
10.1109/10.979357.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

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
    out = np.empty(len(at))
    _evaluate(knots, values, np.ascontiguousarray(at, dtype=np.float64), out)
    return out


@inner_kernel
def _slopes(x: Floats, y: Floats) -> Floats:
    """First derivative at each knot: a tridiagonal system, solved by elimination."""
    n = len(x)
    h, secant, slope = np.empty(n - 1), np.empty(n - 1), np.empty(n)
    for i in range(n - 1):
        h[i] = x[i + 1] - x[i]
        secant[i] = (y[i + 1] - y[i]) / h[i]
    if n == 2:
        slope[0], slope[1] = secant[0], secant[0]
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
def _evaluate(x: Floats, y: Floats, at: Floats, out: Floats) -> None:
    """Write the spline's values at ``at`` into ``out``."""
    slope = _slopes(x, y)
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


class Stretches(NamedTuple):
    """Even series of several gap-free stretches, end to end: stretch k is ``values[edges[k]:edges[k + 1]]``."""

    values: Floats
    edges: NDArray[np.int64]


def even_stretches(
    ends_ns: NDArray[np.int64], values: Floats, first: NDArray[np.int64], stop: NDArray[np.int64], rate_hz: float
) -> Stretches:
    """`even_series` of the stretches ``first[k]:stop[k]``, each from its own first beat on.

    Parameters
    ----------
    ends_ns
        (n,) ascending instants in ns.
    values
        (n,) what belongs to them, finite inside the stretches.
    first, stop
        (s,) stretches of two or more beats; they may overlap.
    rate_hz
        Grid rate.
    """
    seconds = (ends_ns[stop - 1] - ends_ns[first]) / 1e9
    samples = np.floor(seconds * rate_hz * (1 + 1e-12)).astype(np.int64) + 1
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(samples)])
    even = np.empty(int(edges[-1]))
    _fill_even(ends_ns, values, first, stop, float(rate_hz), edges, even)
    return Stretches(even, edges)


@kernel
def _fill_even(
    ends: NDArray[np.int64],
    values: Floats,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    rate: float,
    edges: NDArray[np.int64],
    even: Floats,
) -> None:
    for k in range(len(first)):
        t = _seconds(ends, first[k], stop[k])
        grid = _grid(edges[k + 1] - edges[k], rate)
        _evaluate(t, values[first[k] : stop[k]], grid, even[edges[k] : edges[k + 1]])


@kernel
def _grid(n: int, rate: float) -> Floats:
    """The first n instants of an even grid."""
    t = np.empty(n)
    for i in range(n):
        t[i] = i / rate
    return t


@kernel
def _seconds(ends: NDArray[np.int64], first: int, stop: int) -> Floats:
    t = np.empty(stop - first)
    for i in range(first, stop):
        t[i - first] = (ends[i] - ends[first]) / 1e9
    return t


def without_trend(stretches: Stretches, smoothing: float) -> Stretches:
    """Each stretch without its `smoothness_priors_trend`; below four samples nothing is left but NaN."""
    out = stretches.values.copy()
    _remove_trends(out, stretches.edges, float(smoothing))
    return Stretches(out, stretches.edges)


@kernel
def _remove_trends(even: Floats, edges: NDArray[np.int64], smoothing: float) -> None:
    for k in range(len(edges) - 1):
        part = even[edges[k] : edges[k + 1]]
        short = len(part) < 4
        trend = part if short else _smooth(part, smoothing)
        for i in range(len(part)):
            part[i] = np.nan if short else part[i] - trend[i]


def at_beats(
    stretches: Stretches,
    ends_ns: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    rate_hz: float,
    places: NDArray[np.int64],
    out: Floats,
) -> None:
    """Bring even series back to the beats from which `even_stretches` made them (cubic spline).

    Parameters
    ----------
    stretches, ends_ns, first, stop, rate_hz
        As in `even_stretches`.
    places
        (s,) where in ``out`` the values of each stretch begin.
    out
        Takes the values at the beats.
    """
    _fill_beats(stretches.values, stretches.edges, ends_ns, first, stop, float(rate_hz), places, out)


@kernel
def _fill_beats(
    even: Floats,
    edges: NDArray[np.int64],
    ends: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    rate: float,
    places: NDArray[np.int64],
    out: Floats,
) -> None:
    for k in range(len(first)):
        y = even[edges[k] : edges[k + 1]]
        here = out[places[k] : places[k] + stop[k] - first[k]]
        if len(y) < 4 or np.isnan(y[0]):
            for i in range(len(here)):
                here[i] = np.nan
        else:
            _evaluate(_grid(len(y), rate), y, _seconds(ends, first[k], stop[k]), here)
