"""Non-parametric circadian measures of an hourly series.

Source: van Someren et al. 1999, 10.3109/07420529908998724. Deviations, for hours without a value (NaN): they
are left out of every sum; each hour of the day counts in IS by its number of values, which equals the published
formula when none is missing and keeps IS at or below 1; differences are taken only between neighbouring hours that both
have a value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class RestActivity(NamedTuple):
    """Interdaily stability, intradaily variability, most and least active hours and their relative amplitude.

    Onsets are bins of the clock day. Ties: the lowest hours take the earliest onset, the highest the latest.
    """

    interdaily_stability: float
    intradaily_variability: float
    m10: float
    m10_onset: float
    l5: float
    l5_onset: float
    relative_amplitude: float


def rest_activity(values: NDArray[Any], first_bin: int = 0, bins_per_day: int = 24) -> RestActivity:
    """IS, IV, M10, L5 and RA.

    Parameters
    ----------
    values
        (n,) one value per bin, in order, NaN where there is none.
    first_bin
        Bin of the clock day in which ``values[0]`` lies.
    bins_per_day
        Bins per day; M10 and L5 span 10/24 and 5/24 of them.

    Returns
    -------
    RestActivity
        NaN where a bin of the day has no value at all (M10, L5, RA) or the series does not vary (IS, IV).
    """
    x = np.asarray(values, dtype=np.float64)
    bins = (np.arange(len(x)) + first_bin) % bins_per_day
    has = np.isfinite(x)
    n, nan = int(has.sum()), float("nan")
    counts = np.bincount(bins[has], minlength=bins_per_day)
    sums = np.bincount(bins[has], weights=x[has], minlength=bins_per_day)
    stability = variability = nan
    if n > 1:
        mean = float(x[has].mean())
        total = float(np.sum((x[has] - mean) ** 2))
        change = np.diff(x)
        change = change[np.isfinite(change)]
        seen = counts > 0
        # A rounding residue of a constant series is no variation.
        if total > n * (1e-13 * abs(mean)) ** 2 and total > 0:
            profile = sums[seen] / counts[seen]
            stability = float(counts[seen] @ (profile - mean) ** 2) / total
            if len(change):
                variability = n * float(change @ change) / (len(change) * total)
    if not np.all(counts > 0):
        return RestActivity(stability, variability, nan, nan, nan, nan, nan)
    profile = sums / counts
    low, low_onset = _extreme(profile, 5 * bins_per_day // 24, lowest=True)
    high, high_onset = _extreme(profile, 10 * bins_per_day // 24, lowest=False)
    amplitude = (high - low) / (high + low) if high + low != 0 else nan
    return RestActivity(stability, variability, high, high_onset, low, low_onset, amplitude)


def _extreme(profile: NDArray[np.float64], width: int, *, lowest: bool) -> tuple[float, float]:
    """Lowest or highest mean over ``width`` bins, wrapping over midnight, and its first bin."""
    wrapped = np.concatenate([profile, profile[: width - 1]])
    means = np.array([wrapped[i : i + width].mean() for i in range(len(profile))])
    best = float(means.min() if lowest else means.max())
    ties = np.flatnonzero(np.abs(means - best) <= 1e-12 * max(abs(best), 1e-300))
    return best, float(ties[0] if lowest else ties[-1])
