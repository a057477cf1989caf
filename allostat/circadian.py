"""The course of a measure over the day: cosinor, hourly profile, night against day, rise of the morning.

Sources: Cornélissen 2014, 10.1186/1742-4682-11-16; van Someren et al. 1999, 10.3109/07420529908998724.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from allostat.errors import InputError
from allostat.kernels.cosinor import cosinor
from allostat.kernels.regression import ols
from allostat.kernels.rest_activity import rest_activity
from allostat.recording import TimeZone
from allostat.sleep import DAY_NS, HOUR_NS
from allostat.sleep import SleepWindow as SleepWindow
from allostat.sleep import sleep_windows as sleep_windows
from allostat.zones import local_times as local_times

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from allostat.recording import Epoch

CORNELISSEN = "10.1186/1742-4682-11-16"
VAN_SOMEREN = "10.3109/07420529908998724"

MORNING_H = 4.0
LEAST_CLOCK_HOURS = 12
"""A cosinor on values from fewer hours of the clock is marked ``FEW_CLOCK_HOURS``."""

_HIGH_AT_REST = ("rmssd", "sdnn", "mean_nn", "median_nn", "pnn", "hf", "sd1")
_HIGH_IN_ACTIVITY = ("hr", "mean_hr", "steps", "activity", "sbp", "dbp")


def circadian(
    series: xr.DataArray, timezone: TimeZone | str, sleep: Sequence[SleepWindow] = (), *, force: bool = False
) -> xr.Dataset:
    """Circadian measures of one windowed variable.

    Parameters
    ----------
    series
        Values on ``window`` with the coordinate ``time`` (int64 ns, attribute ``epoch``) and, when there is one,
        ``end``: a value stands at the middle of its window. ``hrv(...)["hr_of_mean_nn"]`` or ``["ln_rmssd"]``.
    timezone
        Zone of the participant; a string is an IANA name or fixed offset.
    sleep
        Main sleep windows, as `sleep_windows` gives.
    force
        Fit the cosinor and the hourly profile although the series covers less than 24 h.

    Returns
    -------
    Dataset
        Scalars: ``mesor`` ``amplitude`` ``acrophase`` (h of the local clock) with ``…_se``, ``percent_rhythm``, ``f``,
        ``p``; ``interdaily_stability`` (from 48 h on) ``intradaily_variability`` ``m10`` ``m10_onset`` ``l5``
        ``l5_onset`` ``relative_amplitude``; ``night_mean`` ``day_mean`` ``dip`` (1 - night / day; for a series of
        logarithms 1 - exp(night - day)); ``morning_slope`` (per hour since waking, 0 to 4 h, mornings with their own
        level) with ``_se`` and ``_n``. Along ``morning``: ``slope_by_morning``. Attribute ``quality``: codes
        ``SPAN_BELOW_24_H``, ``SPAN_BELOW_48_H``, ``FEW_CLOCK_HOURS``, ``NO_SLEEP_WINDOW``, ``ZONE_WEAK`` and those of
        the sleep windows. What cannot be computed is NaN.

    Raises
    ------
    TimeZoneError
        When the zone is unknown, or the series has no date.
    InputError
        When the series is not on ``window`` or has no coordinate ``time``.

    Notes
    -----
    Standard errors and p assume independent residuals; neighbouring windows are not, so that both are optimistic.
    """
    import xarray as xr

    zone = TimeZone(timezone, "user") if isinstance(timezone, str) else timezone
    points = _points(series, zone)
    codes = dict.fromkeys(code for window in sleep for code in window.quality)
    if zone.weak:
        codes["ZONE_WEAK"] = None
    if not sleep:
        codes["NO_SLEEP_WINDOW"] = None
    values: dict[str, _Scalar] = {}
    for part, more in (
        _rhythm(points, force),
        _hourly(points, force),
        _night_and_day(points, sleep),
        _morning(points, sleep),
    ):
        values |= part
        codes |= dict.fromkeys(more)
    about = {"series": str(series.name or ""), "preset": str(series.attrs.get("preset", ""))}
    data: dict[str, tuple[str | tuple[()], NDArray[np.generic] | float, dict[str, object]]] = {
        name: ((), scalar.value, scalar.attributes(points.unit) | about) for name, scalar in values.items()
    }
    slopes = _slopes(points, sleep)
    data["slope_by_morning"] = ("morning", slopes, {"long_name": "morning slope", "units": f"{points.unit}/h", **about})
    coords = {
        "morning": ("morning", np.arange(len(sleep)), {"long_name": "waking after a sleep window"}),
        "wake": ("morning", np.array([s.end_ns for s in sleep], dtype=np.int64), {
            "units": "ns", "long_name": "waking", "epoch": points.epoch}),
    }  # fmt: skip
    attrs = {
        "variable": about["series"],
        "timezone": zone.name or "local",
        "timezone_source": zone.source,
        "quality": " ".join(codes),
        "n": len(points.value),
        "span_h": points.span_h,
        "method": "24 h cosinor by least squares on the local clock; hourly profile; night against day; morning slope",
    }
    return xr.Dataset(data, coords, attrs)


class _Scalar(NamedTuple):
    """A value with what a reader needs; ``%u`` in the unit stands for that of the series."""

    value: float
    units: str
    long_name: str
    method: str
    references: str = CORNELISSEN
    phase: str = ""

    def attributes(self, unit: str) -> dict[str, object]:
        about = {
            "units": self.units.replace("%u", unit),
            "long_name": self.long_name,
            "method": self.method,
            "references": self.references,
        }
        return {**about, "phase": self.phase} if self.phase else {**about}


class _Points(NamedTuple):
    """Finite values, the instants of their windows' middles, and their wall clock."""

    name: str
    unit: str
    value: NDArray[np.float64]
    at_ns: NDArray[np.int64]
    wall_ns: NDArray[np.int64]
    span_h: float
    epoch: Epoch


def _points(series: xr.DataArray, zone: TimeZone) -> _Points:
    if series.dims != ("window",) or "time" not in series.coords:
        raise InputError(
            "a circadian series lies on `window` and has the coordinate `time`",
            found=f"dimensions {series.dims}, coordinates {sorted(map(str, series.coords))}",
        )
    start = np.asarray(series["time"].values)
    if start.dtype.kind != "i":
        raise InputError("the coordinate `time` is int64 ns", found=start.dtype)
    epoch: Epoch = series["time"].attrs.get("epoch", "utc")
    start = start.astype(np.int64)
    value = np.asarray(series.values, dtype=np.float64)
    if "end" in series.coords:
        end = np.asarray(series["end"].values).astype(np.int64)
        at = start + (end - start) // 2
    else:
        # Without ends a value stands at its time, and covers the step to the next one.
        end = start + (int(np.median(np.diff(start))) if len(start) > 1 else 0)
        at = start
    kept = np.isfinite(value)
    span_h = float((end[kept].max() - start[kept].min()) / HOUR_NS) if kept.any() else 0.0
    wall = local_times(at, zone, epoch)
    unit = str(series.attrs.get("units", "1"))
    return _Points(str(series.name or ""), unit, value[kept], at[kept], wall[kept], span_h, epoch)


_Part = tuple[dict[str, _Scalar], tuple[str, ...]]
_NAN = float("nan")


def _rhythm(points: _Points, force: bool) -> _Part:
    enough = points.span_h >= 24 or force
    t_h = (points.wall_ns % DAY_NS) / HOUR_NS
    fit = cosinor(t_h, points.value) if enough else cosinor(np.empty(0), np.empty(0))
    codes: tuple[str, ...] = () if points.span_h >= 24 else ("SPAN_BELOW_24_H",)
    if enough and len(np.unique(np.floor(t_h))) < LEAST_CLOCK_HOURS:
        codes += ("FEW_CLOCK_HOURS",)
    # With 2 numerator degrees of freedom the tail of the F distribution has this closed form.
    free = fit.n - 3
    p = (1 + 2 * fit.f / free) ** (-free / 2) if free > 0 and fit.f == fit.f else _NAN
    how = "cosinor, period 24 h, least squares"
    return {
        "mesor": _Scalar(fit.mesor, "%u", "mesor", how),
        "mesor_se": _Scalar(fit.mesor_se, "%u", "standard error of the mesor", how),
        "amplitude": _Scalar(fit.amplitude, "%u", "amplitude", how),
        "amplitude_se": _Scalar(fit.amplitude_se, "%u", "standard error of the amplitude", f"{how}, delta method"),
        "acrophase": _Scalar(fit.acrophase_h, "h", "acrophase, hours of the local clock", how),
        "acrophase_se": _Scalar(fit.acrophase_se_h, "h", "standard error of the acrophase", f"{how}, delta method"),
        "percent_rhythm": _Scalar(fit.percent_rhythm, "%", "share of the variance that the cosine explains", how),
        "f": _Scalar(fit.f, "1", "F of the zero-amplitude test", f"{how}, 2 and n - 3 degrees of freedom"),
        "p": _Scalar(float(p), "1", "p of the zero-amplitude test", f"{how}, independent residuals assumed"),
    }, codes


def _hourly(points: _Points, force: bool) -> _Part:
    enough = (points.span_h >= 24 or force) and len(points.value) > 0
    hourly, first = _hour_means(points) if enough else (np.empty(0), 0)
    found = rest_activity(hourly, first_bin=first)
    several_days = points.span_h >= 48
    high, low = _phases(points.name)
    how = "hourly means of the local clock"
    return {
        "interdaily_stability": _Scalar(
            found.interdaily_stability if several_days else _NAN, "1", "interdaily stability (IS)", how, VAN_SOMEREN
        ),
        "intradaily_variability": _Scalar(
            found.intradaily_variability, "1", "intradaily variability (IV)", how, VAN_SOMEREN
        ),
        "m10": _Scalar(found.m10, "%u", "highest mean of 10 hours of the mean day", how, VAN_SOMEREN, high),
        "m10_onset": _Scalar(found.m10_onset, "h", "start of the highest 10 hours", how, VAN_SOMEREN, high),
        "l5": _Scalar(found.l5, "%u", "lowest mean of 5 hours of the mean day", how, VAN_SOMEREN, low),
        "l5_onset": _Scalar(found.l5_onset, "h", "start of the lowest 5 hours", how, VAN_SOMEREN, low),
        "relative_amplitude": _Scalar(
            found.relative_amplitude, "1", "relative amplitude (M10 - L5) / (M10 + L5)", how, VAN_SOMEREN
        ),
    }, () if several_days else ("SPAN_BELOW_48_H",)


def _hour_means(points: _Points) -> tuple[NDArray[np.float64], int]:
    """Mean of each hour of the wall clock from the first to the last, NaN where there is none, and the first's hour."""
    hours = points.wall_ns // HOUR_NS
    first = int(hours.min())
    counts = np.bincount(hours - first)
    sums = np.bincount(hours - first, weights=points.value)
    means = np.full(len(counts), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return means, first % 24


def _phases(name: str) -> tuple[str, str]:
    """Whether the high and the low hours of a series are those of rest or activity."""
    bare = name.removeprefix("ln_")
    if bare.startswith(_HIGH_AT_REST):
        return "rest", "active"
    if bare.startswith(_HIGH_IN_ACTIVITY):
        return "active", "rest"
    return "", ""


def _night_and_day(points: _Points, sleep: Sequence[SleepWindow]) -> _Part:
    asleep = np.zeros(len(points.value), dtype=bool)
    for window in sleep:
        asleep |= (points.at_ns >= window.start_ns) & (points.at_ns < window.end_ns)
    night = float(points.value[asleep].mean()) if asleep.any() else _NAN
    day = float(points.value[~asleep].mean()) if asleep.any() and not asleep.all() else _NAN
    if points.unit.startswith("ln("):
        dip, how = 1 - float(np.exp(night - day)), "1 - exp(night - day)"
    else:
        dip, how = (1 - night / day if day > 0 else _NAN), "1 - night / day"
    return {
        "night_mean": _Scalar(night, "%u", "mean inside the sleep windows", "mean", ""),
        "day_mean": _Scalar(day, "%u", "mean outside the sleep windows", "mean", ""),
        "dip": _Scalar(dip, "1", "night-time dip", how, ""),
    }, ()


def _since_waking(points: _Points, window: SleepWindow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hours = (points.at_ns - window.end_ns) / HOUR_NS
    inside = (hours >= 0) & (hours <= MORNING_H)
    return hours[inside], points.value[inside]


def _slopes(points: _Points, sleep: Sequence[SleepWindow]) -> NDArray[np.float64]:
    found = [ols(*_since_waking(points, window)) for window in sleep]
    return np.array([line.slope if line.n >= 3 else _NAN for line in found])


def _morning(points: _Points, sleep: Sequence[SleepWindow]) -> _Part:
    """One slope for all mornings, each with its own level."""
    n = mornings = 0
    xx = xy = yy = 0.0
    for window in sleep:
        x, y = _since_waking(points, window)
        if len(x) < 2:
            continue
        dx, dy = x - x.mean(), y - y.mean()
        xx, xy, yy = xx + float(dx @ dx), xy + float(dx @ dy), yy + float(dy @ dy)
        n, mornings = n + len(x), mornings + 1
    free = n - mornings - 1
    slope = xy / xx if xx > 0 and free > 0 else _NAN
    error = float(np.sqrt(max(yy - slope * xy, 0.0) / free / xx)) if xx > 0 and free > 0 else _NAN
    how = f"least squares on hours since waking, 0 to {MORNING_H:g} h, a level per morning"
    return {
        "morning_slope": _Scalar(slope, "%u/h", "slope after waking", how, ""),
        "morning_slope_se": _Scalar(error, "%u/h", "standard error of the slope after waking", how, ""),
        "morning_slope_n": _Scalar(float(n), "1", "values after waking", how, ""),
    }, ()
