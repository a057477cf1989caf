"""Cosinor: a cosine of known period fitted to values in time by least squares.

Source: Cornélissen 2014, 10.1186/1742-4682-11-16. Standard errors of amplitude and acrophase by the delta method.
"""

from __future__ import annotations

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
    """
    t, values = np.asarray(t_h, dtype=np.float64), np.asarray(y, dtype=np.float64)
    keep = np.isfinite(t) & np.isfinite(values)
    t, values = t[keep], values[keep]
    n, nan = len(t), float("nan")
    nothing = Cosinor(nan, nan, nan, nan, nan, nan, nan, nan, nan, n)
    if n < 3:
        return nothing
    # Whole periods are taken off first: the cosine of a large angle loses digits, and shifts by days change nothing.
    angle = 2 * np.pi * np.mod(t, period_h) / period_h
    design = np.column_stack([np.ones(n), np.cos(angle), np.sin(angle)])
    q, r = np.linalg.qr(design)
    if float(np.min(np.abs(np.diag(r)))) < 1e-9 * np.sqrt(n):
        return nothing
    mesor, beta, gamma = (float(c) for c in np.linalg.solve(r, q.T @ values))
    amplitude = float(np.hypot(beta, gamma))
    rest = values - design @ np.array([mesor, beta, gamma])
    centred = values - values.mean()
    unexplained, total = float(rest @ rest), float(centred @ centred)
    # What is left of a perfect fit is rounding, whose size says nothing.
    if unexplained < n * (1e-13 * float(np.max(np.abs(values)))) ** 2:
        unexplained = 0.0
    flat = total <= n * (1e-13 * float(np.max(np.abs(values)))) ** 2
    acrophase = nan if flat else float(np.mod(np.arctan2(gamma, beta) * period_h / (2 * np.pi), period_h))
    rhythm = nan if flat else 100.0 * (1.0 - unexplained / total)
    if n == 3:
        return Cosinor(mesor, amplitude, acrophase, nan, nan, nan, rhythm, nan, nan, n)
    variance = unexplained / (n - 3)
    inverse = np.linalg.inv(r)
    covariance = variance * (inverse @ inverse.T)
    mesor_se = float(np.sqrt(covariance[0, 0]))
    amplitude_se = acrophase_se = f = nan
    if not flat:
        along = np.array([0.0, beta, gamma]) / amplitude
        across = np.array([0.0, -gamma, beta]) / amplitude**2
        amplitude_se = float(np.sqrt(along @ covariance @ along))
        acrophase_se = float(np.sqrt(across @ covariance @ across)) * period_h / (2 * np.pi)
        f = ((total - unexplained) / 2) / variance if variance > 0 else float("inf")
    residual_sd = float(np.sqrt(variance))
    return Cosinor(mesor, amplitude, acrophase, mesor_se, amplitude_se, acrophase_se, rhythm, f, residual_sd, n)
