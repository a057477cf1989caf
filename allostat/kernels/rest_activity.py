"""Non-parametric circadian measures of an hourly series.

Source: van Someren et al. 1999, 10.3109/07420529908998724. Deviations, for hours without a value (NaN): they
are left out of every sum; each hour of the day counts in IS by its number of values, which equals the published
formula when none is missing and keeps IS at or below 1; differences are taken only between neighbouring hours that both
have a value.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Centre = Literal["data", "profile"]


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


def rest_activity(
    values: NDArray[Any],
    first_bin: int = 0,
    bins_per_day: int = 24,
    *,
    clock_bins: NDArray[np.integer[Any]] | None = None,
    centre: Centre = "data",
) -> RestActivity:
    """IS, IV, M10, L5 and RA.

    Parameters
    ----------
    values
        (n,) one value per bin, in order, NaN where there is none.
    first_bin
        Bin of the clock day in which ``values[0]`` lies.
    bins_per_day
        Bins per day; M10 and L5 span 10/24 and 5/24 of them.
    clock_bins
        (n,) bin of the clock day of each value, where the clock does not run evenly: on the days when it changes, an
        hour of the clock is passed over or comes twice. ``first_bin`` does not count then.
    centre
        What deviations of the daily profile are taken from in IS: the mean of the ``data`` (van Someren) or of the
        ``profile``, where every hour of the day counts alike. They differ only when hours are missing.

    Returns
    -------
    RestActivity
        NaN where a bin of the day has no value at all (M10, L5, RA) or the series does not vary (IS, IV).

    Raises
    ------
    ValueError
        When there are not five bins per day, a clock bin lies outside the day, or ``centre`` is unknown.
    """
    x = np.asarray(values, dtype=np.float64)
    if bins_per_day < 5 or centre not in ("data", "profile"):
        raise ValueError("a day has at least five bins, and deviations are from the data or the profile")
    bins = _clock_bins(len(x), first_bin, bins_per_day, clock_bins)
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
            if centre == "data":
                stability = float(counts[seen] @ (profile - mean) ** 2) / total
            else:
                stability = n * float(np.mean((profile - profile.mean()) ** 2)) / total
            if len(change):
                variability = n * float(change @ change) / (len(change) * total)
    if not np.all(counts > 0):
        return RestActivity(stability, variability, nan, nan, nan, nan, nan)
    profile = sums / counts
    low, low_onset = _extreme(profile, 5 * bins_per_day // 24, lowest=True)
    high, high_onset = _extreme(profile, 10 * bins_per_day // 24, lowest=False)
    return RestActivity(stability, variability, high, high_onset, low, low_onset, _relative(high, low))


def _relative(high: float, low: float) -> float:
    return (high - low) / (high + low) if high + low != 0 else float("nan")


def _clock_bins(
    n: int, first_bin: int, bins_per_day: int, clock_bins: NDArray[np.integer[Any]] | None
) -> NDArray[np.int64]:
    if clock_bins is None:
        return ((np.arange(n) + first_bin) % bins_per_day).astype(np.int64)
    bins = np.asarray(clock_bins)
    if bins.shape != (n,) or bins.dtype.kind not in "iu" or np.any((bins < 0) | (bins >= bins_per_day)):
        raise ValueError("each value has a bin of the clock day, counted from 0")
    return bins.astype(np.int64)


class DailyExtremes(NamedTuple):
    """M10 and L5 found in each day by itself and averaged over days; onsets are circular means of clock bins."""

    m10: float
    m10_onset: float
    l5: float
    l5_onset: float
    relative_amplitude: float
    days: int


def daily_extremes(
    values: NDArray[Any], days: NDArray[np.integer[Any]], clock_bins: NDArray[np.integer[Any]], bins_per_day: int = 24
) -> DailyExtremes:
    """M10 and L5 of each day, averaged.

    Parameters
    ----------
    values
        (n,) one value per bin, in order, NaN where there is none.
    days
        (n,) number of the day of each value; a stretch of hours does not reach from one day into the next, so that days
        from noon to noon are the right ones for L5 of activity and days from midnight for M10.
    clock_bins
        (n,) bin of the clock day of each value.

    Returns
    -------
    DailyExtremes
        Days count that have values in two thirds of their bins and both stretches without a missing one (half a day at
        an end of the series has its own lowest hours, which are no night's); NaN when there is none.
    """
    x = np.asarray(values, dtype=np.float64)
    bins = _clock_bins(len(x), 0, bins_per_day, clock_bins)
    low_width, high_width = 5 * bins_per_day // 24, 10 * bins_per_day // 24
    found = []
    for day in np.unique(days):
        inside = np.flatnonzero(np.asarray(days) == day)
        if 3 * np.isfinite(x[inside]).sum() < 2 * bins_per_day:
            continue
        low = _stretch(x[inside], low_width, lowest=True)
        high = _stretch(x[inside], high_width, lowest=False)
        if low is not None and high is not None:
            found.append((high[0], bins[inside[high[1]]], low[0], bins[inside[low[1]]]))
    nan = float("nan")
    if not found:
        return DailyExtremes(nan, nan, nan, nan, nan, 0)
    high_mean, low_mean = float(np.mean([f[0] for f in found])), float(np.mean([f[2] for f in found]))
    return DailyExtremes(
        high_mean,
        _circular_mean(np.array([f[1] for f in found]), bins_per_day),
        low_mean,
        _circular_mean(np.array([f[3] for f in found]), bins_per_day),
        _relative(high_mean, low_mean),
        len(found),
    )


def _stretch(x: NDArray[np.float64], width: int, *, lowest: bool) -> tuple[float, int] | None:
    """Lowest or highest mean over ``width`` neighbours that all have a value, and where it begins."""
    if len(x) < width:
        return None
    means = np.lib.stride_tricks.sliding_window_view(x, width).mean(axis=1)
    if not np.any(np.isfinite(means)):
        return None
    at = int(np.nanargmin(means) if lowest else np.nanargmax(means))
    return float(means[at]), at


def _circular_mean(bins: NDArray[np.int64], bins_per_day: int) -> float:
    angle = 2 * np.pi * bins / bins_per_day
    mean = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())
    return float(np.mod(mean * bins_per_day / (2 * np.pi), bins_per_day))


def _extreme(profile: NDArray[np.float64], width: int, *, lowest: bool) -> tuple[float, float]:
    """Lowest or highest mean over ``width`` bins, wrapping over midnight, and its first bin."""
    wrapped = np.concatenate([profile, profile[: width - 1]])
    means = np.lib.stride_tricks.sliding_window_view(wrapped, width).mean(axis=1)
    best = float(means.min() if lowest else means.max())
    ties = np.flatnonzero(np.abs(means - best) <= 1e-12 * max(abs(best), 1e-300))
    return best, float(ties[0] if lowest else ties[-1])
