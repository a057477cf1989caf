"""Cosinor: cosines of known periods fitted to values in time by least squares.

Sources: Bingham et al. 1982 (Chronobiologia 9, 397-439); Cornélissen 2014, 10.1186/1742-4682-11-16. Standard errors of
amplitude and acrophase by the delta method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Cosinor(NamedTuple):
    """``y = mesor + amplitude * cos(2 pi (t - acrophase_h) / period)``.

    ``percent_rhythm`` is 100 R²; ``f`` has 2 and n - 3 degrees of freedom. NaN where too few points (or places
    within the period) determine a value; ``acrophase_h`` is NaN without amplitude.
    """

    mesor: float
    amplitude: float
    acrophase_h: float
    mesor_se: float
    amplitude_se: float
    acrophase_se_h: float
    percent_rhythm: float
    f: float
    residual_sd: float
    n: int


class Component(NamedTuple):
    """One cosine of a fit with several; ``f`` (2 and n - 1 - 2k degrees of freedom) tests its amplitude against zero.

    The test weighs both coefficients with their joint covariance, the other components kept in the model.
    """

    period_h: float
    amplitude: float
    acrophase_h: float
    amplitude_se: float
    acrophase_se_h: float
    f: float


class MultiCosinor(NamedTuple):
    """``y = mesor + sum of amplitude * cos(2 pi (t - acrophase_h) / period)`` over k components.

    ``f`` tests all amplitudes against zero, with 2k and n - 1 - 2k degrees of freedom. ``orthophase_h`` and
    ``bathyphase_h`` are the places of the highest and the lowest value of the fitted curve within the longest period,
    ``magnitude`` half the distance between those values (Cornélissen 2014); NaN when the periods do not divide the
    longest one.
    """

    mesor: float
    mesor_se: float
    components: tuple[Component, ...]
    percent_rhythm: float
    f: float
    residual_sd: float
    orthophase_h: float
    bathyphase_h: float
    magnitude: float
    n: int


def cosinor(t_h: NDArray[Any], y: NDArray[Any], period_h: float = 24.0) -> Cosinor:
    """Fit one cosine to the points whose time and value are finite.

    Parameters
    ----------
    t_h
        (n,) times in h; the acrophase counts from 0 of this axis, modulo the period.
    y
        (n,) values.
    period_h
        Period in h.

    Raises
    ------
    ValueError
        When the period is not positive, or times and values differ in length.
    """
    fit, _ = _fitted(t_h, y, (period_h,))
    one = fit.components[0]
    return Cosinor(
        fit.mesor, one.amplitude, one.acrophase_h, fit.mesor_se, one.amplitude_se, one.acrophase_se_h,
        fit.percent_rhythm, fit.f, fit.residual_sd, fit.n,
    )  # fmt: skip


def multi_cosinor(t_h: NDArray[Any], y: NDArray[Any], periods_h: Sequence[float] = (24.0, 12.0)) -> MultiCosinor:
    """Fit several cosines at once to the points whose time and value are finite.

    Parameters
    ----------
    t_h
        (n,) times in h; acrophases count from 0 of this axis, each modulo its period.
    y
        (n,) values.
    periods_h
        Different positive periods in h.

    Raises
    ------
    ValueError
        When periods are not positive and different, or times and values differ in length.
    """
    fit, found = _fitted(t_h, y, periods_h)
    if found is None:
        return fit
    high, low, magnitude = _shape([one.period_h for one in fit.components], found)
    return fit._replace(orthophase_h=high, bathyphase_h=low, magnitude=magnitude)


def _fitted(
    t_h: NDArray[Any], y: NDArray[Any], periods_h: Sequence[float]
) -> tuple[MultiCosinor, NDArray[np.float64] | None]:
    """A fit without its highest and lowest place, and its coefficients; None where it has no such places."""
    periods = [float(p) for p in periods_h]
    if not periods or len(set(periods)) < len(periods) or not all(0 < p < np.inf for p in periods):
        raise ValueError("periods are different positive numbers of hours")
    t, values = np.asarray(t_h, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if t.ndim != 1 or t.shape != values.shape:
        raise ValueError("times and values are two series of one length")
    keep = np.isfinite(t) & np.isfinite(values)
    t, values = t[keep], values[keep]
    n, size, nan = len(t), 1 + 2 * len(periods), float("nan")
    missing = tuple(Component(p, nan, nan, nan, nan, nan) for p in periods)
    nothing = MultiCosinor(nan, nan, missing, nan, nan, nan, nan, nan, nan, n)
    if n < size:
        return nothing, None
    design = np.ones((n, size))
    for k, period in enumerate(periods):
        # Whole periods are taken off first: the cosine of a large angle loses digits, and whole periods change nothing.
        angle = 2 * np.pi * np.mod(t, period) / period
        design[:, 1 + 2 * k], design[:, 2 + 2 * k] = np.cos(angle), np.sin(angle)
    q, r = np.linalg.qr(design)
    if float(np.min(np.abs(np.diag(r)))) < 1e-9 * np.sqrt(n):
        return nothing, None
    found = np.linalg.solve(r, q.T @ values)
    rest = values - design @ found
    centred = values - values.mean()
    unexplained, total = float(rest @ rest), float(centred @ centred)
    # What is left of a perfect fit is rounding, whose size says nothing.
    rounding = n * (1e-13 * float(np.max(np.abs(values)))) ** 2
    if unexplained < rounding:
        unexplained = 0.0
    flat = total <= rounding
    rhythm = nan if flat else 100.0 * (1.0 - unexplained / total)
    free = n - size
    variance = unexplained / free if free > 0 else nan
    inverse = np.linalg.inv(r)
    covariance = variance * (inverse @ inverse.T)
    parts = tuple(_component(p, found, covariance, k, flat) for k, p in enumerate(periods))
    f = nan
    if not flat and free > 0:
        f = ((total - unexplained) / (size - 1)) / variance if variance > 0 else float("inf")
    residual_sd = float(np.sqrt(variance))
    mesor_se = float(np.sqrt(covariance[0, 0]))
    fit = MultiCosinor(float(found[0]), mesor_se, parts, rhythm, f, residual_sd, nan, nan, nan, n)
    return fit, None if flat else found


def _component(
    period: float, found: NDArray[np.float64], covariance: NDArray[np.float64], k: int, flat: bool
) -> Component:
    nan = float("nan")
    beta, gamma = float(found[1 + 2 * k]), float(found[2 + 2 * k])
    amplitude = float(np.hypot(beta, gamma))
    if flat or amplitude == 0:
        return Component(period, amplitude, nan, nan, nan, nan)
    acrophase = float(np.mod(np.arctan2(gamma, beta) * period / (2 * np.pi), period))
    block = covariance[1 + 2 * k : 3 + 2 * k, 1 + 2 * k : 3 + 2 * k]
    if not np.all(np.isfinite(block)):
        return Component(period, amplitude, acrophase, nan, nan, nan)
    along = np.array([beta, gamma]) / amplitude
    across = np.array([-gamma, beta]) / amplitude**2
    amplitude_se = float(np.sqrt(along @ block @ along))
    acrophase_se = float(np.sqrt(across @ block @ across)) * period / (2 * np.pi)
    both = np.array([beta, gamma])
    f = float(both @ np.linalg.solve(block, both)) / 2 if amplitude_se > 0 else float("inf")
    return Component(period, amplitude, acrophase, amplitude_se, acrophase_se, f)


STEPS_PER_PERIOD = 8640
"""The extremes of a curve are looked for in steps of a 24-h period's 10 s, then placed by a parabola."""


def _shape(periods: list[float], found: NDArray[np.float64]) -> tuple[float, float, float]:
    longest = max(periods)
    if any(abs(longest / p - round(longest / p)) > 1e-9 for p in periods):
        return float("nan"), float("nan"), float("nan")
    step = longest / STEPS_PER_PERIOD
    at = np.arange(STEPS_PER_PERIOD) * step
    curve = np.zeros(STEPS_PER_PERIOD)
    for k, period in enumerate(periods):
        angle = 2 * np.pi * at / period
        curve += found[1 + 2 * k] * np.cos(angle) + found[2 + 2 * k] * np.sin(angle)
    (high, highest), (low, lowest) = _vertex(curve), _vertex(-curve)
    return float(np.mod(high * step, longest)), float(np.mod(low * step, longest)), (highest + lowest) / 2


def _vertex(curve: NDArray[np.float64]) -> tuple[float, float]:
    """Place and height of the highest point of a closed curve, by the parabola through its highest samples."""
    i = int(np.argmax(curve))
    left, top, right = float(curve[i - 1]), float(curve[i]), float(curve[(i + 1) % len(curve)])
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return i + shift, top - 0.25 * (left - right) * shift
