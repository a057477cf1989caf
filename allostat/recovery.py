"""Return to baseline after a stressor: exponential fit, time until back in the baseline's band, fall in a minute.

The series is any measure in windows (`allostat.hrv`) or heart rate; what counts as stressor and baseline are given, not
guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from allostat.errors import ConfigError, InputError
from allostat.kernels.exponential import ExponentialReturn, exponential_return
from allostat.recording import NS_PER_S

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

SUSTAINED_S = 60.0
COLE = "10.1056/NEJM199910283411804"
"""Heart-rate recovery in the first minute after exercise: Cole et al. 1999."""

LARGEST = 1e100
"""Values beyond this are no measurements, and their squares no numbers: they count as missing."""

_HEART_RATES = ("hr", "mean_hr", "heart_rate")
NEAREST_S = 15.0
"""A value for an instant is interpolated between values this close on both sides."""


def recovery(
    series: xr.DataArray,
    baseline: tuple[int, int],
    stressor_end: int,
    until: int | None = None,
    *,
    sustained_s: float = SUSTAINED_S,
    band_sd: float = 1.0,
) -> xr.Dataset:
    """How a measure returns to its baseline after a stressor.

    Parameters
    ----------
    series
        Values on ``window`` with the coordinate ``time`` (int64 ns) and, when there is one, ``end``: a value stands at
        the middle of its window.
    baseline
        Start and end (ns, as ``time``) of the rest before the stressor.
    stressor_end
        Instant (ns) at which recovery begins.
    until
        Instant (ns) at which it is no longer looked at; None: the end of the series.
    sustained_s
        Being back counts when values stay inside the band for this long.
    band_sd
        Half width of the band around the baseline's mean, in standard deviations of the baseline's values.

    Returns
    -------
    Dataset
        Scalars. Baseline: ``baseline_mean`` ``baseline_sd`` ``baseline_n``. Fit of level + excess · exp(-t / tau):
        ``level`` ``excess`` ``tau`` (s) ``half_life`` (s) with ``…_se``, ``fit_r_squared``, ``fit_n``.
        ``time_to_band``: s until values enter the band and stay for ``sustained_s``; NaN with ``censored`` 1 when they
        do not before the series ends ``observed`` s after the stressor (use both in a survival analysis; ``observed``
        is no time of recovery). ``change_60s``: value at the end of the stressor less that 60 s later; ``hrr60`` is the
        same for a heart rate, else NaN. Attribute ``quality``: ``FEW_BASELINE_VALUES`` ``NO_FIT``
        ``TAU_BEYOND_SERIES`` (the time constant is at a bound of its search and no estimate; it and its errors are NaN)
        ``NOT_BACK`` ``NO_FIRST_MINUTE``.

    Raises
    ------
    InputError
        When the series is not on ``window``, or its times do not ascend.
    ConfigError
        When baseline, stressor and end are not in this order, or a setting is not positive.

    Notes
    -----
    Standard errors assume independent residuals; values of overlapping windows are not. Values missing for longer than
    ``sustained_s`` break a stay in the band.

    References
    ----------
    Heart-rate recovery: Cole et al. 1999, 10.1056/NEJM199910283411804.
    """
    import xarray as xr

    at, value = _values(series)
    last = int(at[-1]) if until is None and len(at) else (until if until is not None else stressor_end)
    if not baseline[0] < baseline[1] <= stressor_end <= max(last, stressor_end):
        raise ConfigError("a baseline ends before recovery begins", found=f"{baseline}, {stressor_end}, {last}")
    if not sustained_s > 0 or not band_sd > 0 or (until is not None and until <= stressor_end):
        raise ConfigError("durations and widths are positive", found=f"{sustained_s} s, {band_sd} SD, until {until}")
    resting = value[(at >= baseline[0]) & (at < baseline[1]) & np.isfinite(value)]
    mean = float(resting.mean()) if len(resting) else float("nan")
    sd = float(resting.std(ddof=1)) if len(resting) > 1 else float("nan")
    after = (at >= stressor_end) & (at <= last) & np.isfinite(value)
    seconds, recovering = (at[after] - stressor_end) / NS_PER_S, value[after]
    fit, codes = _fit(seconds, recovering)
    if len(resting) < 2:
        codes.append("FEW_BASELINE_VALUES")
    back_s = _time_to_band(seconds, recovering, mean, band_sd * sd, sustained_s)
    if not np.isfinite(back_s):
        codes.append("NOT_BACK")
    first_minute = _at(at, value, stressor_end) - _at(at, value, stressor_end + 60 * NS_PER_S)
    if not np.isfinite(first_minute):
        codes.append("NO_FIRST_MINUTE")
    name, unit = str(series.name or ""), str(series.attrs.get("units", "1"))
    is_rate = name.startswith(_HEART_RATES)
    observed = float(seconds[-1]) if len(seconds) else float("nan")
    numbers = _scalars(fit) | {
        "baseline_mean": _Scalar(mean, "%u", "mean of the baseline", "mean"),
        "baseline_sd": _Scalar(sd, "%u", "standard deviation of the baseline", "divisor n-1"),
        "baseline_n": _Scalar(float(len(resting)), "1", "values of the baseline", "count"),
        "time_to_band": _Scalar(
            back_s, "s", "time to be back in the baseline's band",
            f"first value from which on values stay within {band_sd:g} SD of the baseline for {sustained_s:g} s"),
        "observed": _Scalar(observed, "s", "time observed after the stressor", "last value"),
        "change_60s": _Scalar(
            first_minute, "%u", "fall in the first 60 s", "value at the end of the stressor less 60 s later"),
        "hrr60": _Scalar(
            first_minute if is_rate else float("nan"), "/min", "heart-rate recovery in 60 s",
            "heart rate at the end of the stressor less 60 s later", COLE),
    }  # fmt: skip
    about = {"series": name, "preset": str(series.attrs.get("preset", ""))}
    data: dict[str, tuple[tuple[()], float | np.int8, dict[str, object]]] = {
        key: ((), one.value, {
            "units": one.units.replace("%u", unit), "long_name": one.long_name, "method": one.method,
            "references": one.references, **about})
        for key, one in numbers.items()
    }  # fmt: skip
    censored = np.int8(0 if np.isfinite(back_s) else 1)
    data["censored"] = ((), censored, {"units": "1", "long_name": "whether the return was not seen", "method": ""})
    return xr.Dataset(data, attrs={"variable": name, "quality": " ".join(codes), "n": len(seconds)})


class _Scalar(NamedTuple):
    value: float
    units: str
    long_name: str
    method: str
    references: str = ""


def _values(series: xr.DataArray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if series.dims != ("window",) or "time" not in series.coords:
        raise InputError(
            "a series lies on `window` and has the coordinate `time`",
            found=f"dimensions {series.dims}, coordinates {sorted(map(str, series.coords))}",
        )
    start = np.asarray(series["time"].values)
    if start.dtype.kind != "i":
        raise InputError("the coordinate `time` is int64 ns", found=start.dtype)
    at = start.astype(np.int64)
    if "end" in series.coords:
        at = at + (np.asarray(series["end"].values).astype(np.int64) - at) // 2
    if np.any(np.diff(at) <= 0):
        raise InputError("times ascend", where=str(series.name or "series"))
    values = np.asarray(series.values, dtype=np.float64)
    return at, np.where(np.abs(values) < LARGEST, values, np.nan)


def _fit(seconds: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[ExponentialReturn, list[str]]:
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    span = float(seconds[-1] - seconds[0]) if len(seconds) > 1 else 1.0
    fit = exponential_return(seconds, values, step / 2, max(3 * span, 2 * step))
    if not np.isfinite(fit.tau):
        return fit, ["NO_FIT"]
    if fit.at_bound:
        nan = float("nan")
        return fit._replace(tau=nan, level=nan, excess=nan), ["TAU_BEYOND_SERIES"]
    return fit, []


def _scalars(fit: ExponentialReturn) -> dict[str, _Scalar]:
    how, half = "least squares of level + excess exp(-t / tau), tau bounded", float(np.log(2))
    return {
        "level": _Scalar(fit.level, "%u", "level that the series returns to", how),
        "level_se": _Scalar(fit.level_se, "%u", "standard error of the level", how),
        "excess": _Scalar(fit.excess, "%u", "distance from the level at the end of the stressor", how),
        "excess_se": _Scalar(fit.excess_se, "%u", "standard error of the distance", how),
        "tau": _Scalar(fit.tau, "s", "time constant", how),
        "tau_se": _Scalar(fit.tau_se, "s", "standard error of the time constant", how),
        "half_life": _Scalar(fit.tau * half, "s", "half-life", "tau ln 2"),
        "half_life_se": _Scalar(fit.tau_se * half, "s", "standard error of the half-life", "tau ln 2"),
        "fit_r_squared": _Scalar(fit.r_squared, "1", "share of the variance that the fit explains", how),
        "fit_n": _Scalar(float(fit.n), "1", "values of the fit", "count"),
    }


def _time_to_band(
    seconds: NDArray[np.float64], values: NDArray[np.float64], mean: float, half_width: float, sustained_s: float
) -> float:
    """Seconds to the first value that begins a stay in the band; a stay that the series cuts short does not count."""
    begun = float("nan")
    before = float("nan")
    for second, value in zip(seconds, values, strict=True):
        if not abs(value - mean) <= half_width:
            begun = float("nan")
        elif not second - before <= sustained_s or not np.isfinite(begun):
            begun = float(second)
        if second - begun >= sustained_s:
            return begun
        before = float(second)
    return float("nan")


def _at(at: NDArray[np.int64], values: NDArray[np.float64], instant: int) -> float:
    """Value at an instant, between the two around it; NaN when one is further away than `NEAREST_S`."""
    known = np.isfinite(values)
    times, heights = (at[known] - instant) / NS_PER_S, values[known]
    i = int(np.searchsorted(times, 0.0))
    if i < len(times) and times[i] == 0:
        return float(heights[i])
    if i == 0 or i == len(times) or -times[i - 1] > NEAREST_S or times[i] > NEAREST_S:
        return float("nan")
    return float(np.interp(0.0, times[i - 1 : i + 1], heights[i - 1 : i + 1]))
