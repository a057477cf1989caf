"""The course of a measure over the day: cosinor, hourly profile, night against day, rise of the morning.

Sources: Bingham et al. 1982 (Chronobiologia 9, 397-439); Cornélissen 2014, 10.1186/1742-4682-11-16; van Someren et al.
1999, 10.3109/07420529908998724.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from allostat.circadian_course import circadian_course as circadian_course
from allostat.circadian_intervals import Interval, cosinor_intervals
from allostat.circadian_night import DipClass as DipClass
from allostat.circadian_night import dip_class, dip_class_attributes, morning, night_and_day, slopes
from allostat.circadian_series import (
    CORNELISSEN,
    DEFAULTS,
    LEAST_CLOCK_HOURS,
    NAN,
    NO_HOURS,
    Part,
    Points,
    Scalar,
    clock_name,
    f_tail,
    fitted,
    hour_means,
    period_names,
    points_of,
)
from allostat.circadian_series import CircadianSettings as CircadianSettings
from allostat.kernels.cosinor import MultiCosinor
from allostat.kernels.rest_activity import daily_extremes, rest_activity
from allostat.recording import TimeZone
from allostat.sleep import DAY_NS, HOUR_NS
from allostat.sleep import SleepWindow as SleepWindow
from allostat.sleep import sleep_windows as sleep_windows
from allostat.sleep_course import REFERENCES
from allostat.zones import local_times as local_times

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

VAN_SOMEREN = "10.3109/07420529908998724"

_HIGH_AT_REST = ("rmssd", "sdnn", "mean_nn", "median_nn", "pnn", "hf", "sd1")
_HIGH_IN_ACTIVITY = ("hr", "mean_hr", "steps", "activity", "sbp", "dbp")


def circadian(
    series: xr.DataArray,
    timezone: TimeZone | str,
    sleep: Sequence[SleepWindow] = (),
    *,
    force: bool = False,
    settings: CircadianSettings = DEFAULTS,
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
    settings
        Where published practice differs.

    Returns
    -------
    Dataset
        Scalars: ``mesor`` ``amplitude`` ``acrophase`` (h of the local clock) with ``…_se``, ``…_low``,
        ``…_high``, ``percent_rhythm``, ``f``, ``p``; ``orthophase`` ``bathyphase`` ``magnitude`` of the fitted
        curve; along ``component`` each cosine's ``component_amplitude`` … ``component_p``;
        ``interdaily_stability`` (from 48 h on) ``intradaily_variability`` ``m10`` ``m10_onset`` ``l5``
        ``l5_onset`` ``relative_amplitude``; ``night_mean`` ``day_mean`` with ``night_n`` ``day_n``, ``dip`` (1
        - night / day; for a series of logarithms 1 - exp(night - day)) with ``dip_class`` (`DipClass`, int8),
        ``day_night_ratio``; ``morning_slope`` (per hour since waking, 0 to 4 h, mornings with their own level)
        with ``_se`` and ``_n``. Along ``morning``: ``slope_by_morning``. Attribute ``quality``: codes
        ``NO_VALUES``, ``CONSTANT``, ``SPAN_BELOW_24_H``, ``SPAN_BELOW_48_H``, ``FEW_CLOCK_HOURS``,
        ``NO_SLEEP_WINDOW``, ``FEW_READINGS`` (blood pressure), ``ZONE_WEAK``, those of
        `allostat.circadian_intervals` and of the sleep windows. What cannot be computed is NaN.

    Raises
    ------
    TimeZoneError
        When the zone is unknown, or the series has no date.
    InputError
        When the series is not on ``window`` or has no coordinate ``time``.

    Notes
    -----
    p, and standard errors unless the settings ask for the bootstrap, assume independent residuals; neighbouring windows
    are not, so that both are optimistic.
    """
    import xarray as xr

    zone = TimeZone(timezone, "user") if isinstance(timezone, str) else timezone
    points = points_of(series, zone, settings)
    codes = dict.fromkeys(code for window in sleep for code in window.quality)
    if not len(points.value):
        codes["NO_VALUES"] = None
    elif np.ptp(points.value) == 0:
        codes["CONSTANT"] = None
    if zone.weak:
        codes["ZONE_WEAK"] = None
    if not sleep:
        codes["NO_SLEEP_WINDOW"] = None
    values: dict[str, Scalar] = {}
    fit = fitted(points, force, settings)
    for part, more in (
        _rhythm(points, fit, force, settings),
        _hourly(points, force, settings),
        night_and_day(points, sleep),
        morning(points, sleep),
    ):
        values |= part
        codes |= dict.fromkeys(more)
    about = {"series": str(series.name or ""), "preset": str(series.attrs.get("preset", ""))}
    data: dict[str, tuple[str | tuple[()], NDArray[np.generic] | np.generic | float, dict[str, object]]] = {
        name: ((), scalar.value, scalar.attributes(points.unit) | about) for name, scalar in values.items()
    }
    data |= _components(fit, points.unit, about)
    kind = np.int8(dip_class(values["dip"].value, points.name))
    data["dip_class"] = ((), kind, dip_class_attributes(points.name) | about)
    by_morning = slopes(points, sleep)
    data["slope_by_morning"] = (
        "morning",
        by_morning,
        {"long_name": "morning slope", "units": f"{points.unit}/h", **about},
    )
    coords = {
        "component": ("component", np.arange(len(fit.components)), {"long_name": "component of the cosinor"}),
        "period": ("component", np.array([c.period_h for c in fit.components]), {
            "units": "h", "long_name": "period"}),
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
        "clock": settings.clock,
        "settings": json.dumps(asdict(settings), sort_keys=True),
        "method": f"cosinor ({period_names(settings)}) by least squares on the {clock_name(settings)}; hourly profile; "
        f"night against day; morning slope{_of_sleep(sleep)}",
        "references": REFERENCES if any(window.source == "heart_rate" for window in sleep) else "",
    }
    return xr.Dataset(data, coords, attrs)


def _of_sleep(sleep: Sequence[SleepWindow]) -> str:
    """Where the sleep windows come from, to be said of what rests on them."""
    ways = dict.fromkeys(f"heart rate, {w.method}" if w.source == "heart_rate" else w.source for w in sleep)
    return f"; sleep: {' / '.join(ways)}" if ways else ""


def _rhythm(points: Points, fit: MultiCosinor, force: bool, settings: CircadianSettings) -> Part:
    enough = points.span_h >= 24 or force
    codes: tuple[str, ...] = () if points.span_h >= 24 else ("SPAN_BELOW_24_H",)
    if enough and len(np.unique((points.wall_ns % DAY_NS) // HOUR_NS)) < LEAST_CLOCK_HOURS:
        codes += ("FEW_CLOCK_HOURS",)
    main = fit.components[0]
    numerator = 2 * len(fit.components)
    free = fit.n - 1 - numerator
    how = f"cosinor, period {period_names(settings)}, least squares"
    where = clock_name(settings)
    values = {
        "percent_rhythm": Scalar(fit.percent_rhythm, "%", "share of the variance that the cosinor explains", how),
        "f": Scalar(fit.f, "1", "F of the zero-amplitude test", f"{how}, {numerator} and {free} degrees of freedom"),
        "p": Scalar(
            f_tail(fit.f, numerator, free), "1", "p of the zero-amplitude test",
            f"{how}, independent residuals assumed",
        ),
        "orthophase": Scalar(fit.orthophase_h, "h", f"highest value of the fitted curve, hours of the {where}", how),
        "bathyphase": Scalar(fit.bathyphase_h, "h", f"lowest value of the fitted curve, hours of the {where}", how),
        "magnitude": Scalar(fit.magnitude, "%u", "half the range of the fitted curve", how),
    }  # fmt: skip
    found = cosinor_intervals(points, fit, settings)
    share = f"{100 * settings.confidence:g} % confidence interval"
    for name, value, unit, long_name in (
        ("mesor", fit.mesor, "%u", "mesor"),
        ("amplitude", main.amplitude, "%u", "amplitude"),
        ("acrophase", main.acrophase_h, "h", f"acrophase, hours of the {where}"),
    ):
        interval: Interval = getattr(found, name)
        by, sources = f"{how}; {interval.method}", interval.references
        values |= {
            name: Scalar(value, unit, long_name, how),
            f"{name}_se": Scalar(interval.se, unit, f"standard error of the {name}", by, sources),
            f"{name}_low": Scalar(interval.low, unit, f"lower end of the {share} of the {name}", by, sources),
            f"{name}_high": Scalar(
                interval.high, unit, f"upper end of the {share} of the {name}, not taken modulo", by, sources),
        }  # fmt: skip
    return values, codes + found.codes


def _components(
    fit: MultiCosinor, unit: str, about: dict[str, str]
) -> dict[str, tuple[str | tuple[()], NDArray[np.generic] | float, dict[str, object]]]:
    free = fit.n - 1 - 2 * len(fit.components)
    columns = {
        "component_amplitude": ([c.amplitude for c in fit.components], unit, "amplitude"),
        "component_amplitude_se": ([c.amplitude_se for c in fit.components], unit, "standard error of the amplitude"),
        "component_acrophase": ([c.acrophase_h for c in fit.components], "h", "acrophase, modulo the period"),
        "component_acrophase_se": (
            [c.acrophase_se_h for c in fit.components], "h", "standard error of the acrophase"),
        "component_p": (
            [f_tail(c.f, 2, free) for c in fit.components], "1", "p of the component's zero-amplitude test"),
    }  # fmt: skip
    how = "least squares, delta method; F of both coefficients with their covariance, independent residuals assumed"
    return {
        name: ("component", np.array(values), {
            "units": units, "long_name": long_name, "method": how, "references": CORNELISSEN, **about})
        for name, (values, units, long_name) in columns.items()
    }  # fmt: skip


def _hourly(points: Points, force: bool, settings: CircadianSettings) -> Part:
    enough = (points.span_h >= 24 or force) and len(points.value) > 0
    hours = hour_means(points) if enough else NO_HOURS
    kept = hours.mean.copy()
    for day in np.unique(hours.day):
        inside = hours.day == day
        if np.isfinite(kept[inside]).sum() < settings.least_hours_per_day:
            kept[inside] = np.nan
    found = rest_activity(kept, clock_bins=hours.clock_hour, centre=settings.centre)
    if settings.extremes == "days":
        by_day = daily_extremes(kept, hours.day, hours.clock_hour)
        by_night = daily_extremes(kept, hours.noon_day, hours.clock_hour)
        wide = by_day.m10 + by_night.l5
        found = found._replace(
            m10=by_day.m10, m10_onset=by_day.m10_onset, l5=by_night.l5, l5_onset=by_night.l5_onset,
            relative_amplitude=(by_day.m10 - by_night.l5) / wide if wide != 0 else NAN,
        )  # fmt: skip
    several_days = points.span_h >= 48
    high, low = _phases(points.name)
    of = "mean day" if settings.extremes == "profile" else "single days, averaged"
    how = f"hourly means of the {clock_name(settings)}, {of}"
    return {
        "interdaily_stability": Scalar(
            found.interdaily_stability if several_days else NAN, "1", "interdaily stability (IS)", how, VAN_SOMEREN
        ),
        "intradaily_variability": Scalar(
            found.intradaily_variability, "1", "intradaily variability (IV)", how, VAN_SOMEREN
        ),
        "m10": Scalar(found.m10, "%u", "highest mean of 10 hours of the mean day", how, VAN_SOMEREN, high),
        "m10_onset": Scalar(found.m10_onset, "h", "start of the highest 10 hours", how, VAN_SOMEREN, high),
        "l5": Scalar(found.l5, "%u", "lowest mean of 5 hours of the mean day", how, VAN_SOMEREN, low),
        "l5_onset": Scalar(found.l5_onset, "h", "start of the lowest 5 hours", how, VAN_SOMEREN, low),
        "relative_amplitude": Scalar(
            found.relative_amplitude, "1", "relative amplitude (M10 - L5) / (M10 + L5)", how, VAN_SOMEREN
        ),
    }, () if several_days else ("SPAN_BELOW_48_H",)


def _phases(name: str) -> tuple[str, str]:
    """Whether the high and the low hours of a series are those of rest or activity."""
    bare = name.removeprefix("ln_")
    if bare.startswith(_HIGH_AT_REST):
        return "rest", "active"
    if bare.startswith(_HIGH_IN_ACTIVITY):
        return "active", "rest"
    return "", ""
