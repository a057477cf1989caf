"""Phase and amplitude of a rhythm over rolling days."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from allostat.circadian_series import (
    CORNELISSEN,
    DEFAULTS,
    LEAST_CLOCK_HOURS,
    CircadianSettings,
    Points,
    clock_hours,
    clock_name,
    f_tail,
    fitted,
    period_names,
    points_of,
)
from allostat.errors import ConfigError
from allostat.kernels.cosinor import multi_cosinor
from allostat.recording import TimeZone
from allostat.sleep import DAY_NS

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def circadian_course(
    series: xr.DataArray,
    timezone: TimeZone | str,
    days: int = 1,
    step_days: int = 1,
    *,
    settings: CircadianSettings = DEFAULTS,
) -> xr.Dataset:
    """Phase and amplitude over rolling days: a cosinor for each run of calendar days.

    Parameters
    ----------
    series, timezone, settings
        As `circadian`.
    days
        Length of a run in calendar days of the clock, midnight to midnight; a day on which the clock changes has 23 or
        25 hours.
    step_days
        From the first day of a run to that of the next.

    Returns
    -------
    Dataset(day)
        ``mesor`` ``amplitude`` ``acrophase`` with ``…_se``, ``percent_rhythm``, ``p``, ``n`` and ``clock_hours`` (how
        many hours of the clock have values). A run with values in fewer than 12 hours of the clock is NaN.
        ``phase_shift``: difference of the acrophase from that of the whole series, -12 to 12 h (half the period).
        Coordinate ``day``: days from 1970-01-01 to the first of the run, on the clock.

    Raises
    ------
    TimeZoneError, InputError
        As `circadian`.
    ConfigError
        When ``days`` or ``step_days`` is not a positive whole number.
    """
    import xarray as xr

    if days < 1 or step_days < 1 or days != int(days) or step_days != int(step_days):
        raise ConfigError("runs of days are whole numbers from 1 on", found=f"{days}, {step_days}")
    zone = TimeZone(timezone, "user") if isinstance(timezone, str) else timezone
    points = points_of(series, zone, settings)
    number = points.wall_ns // DAY_NS
    last = int(number.max()) - days + 1 if len(number) else -1
    starts = np.arange(int(number.min()), max(last, int(number.min())) + 1, step_days) if len(number) else np.empty(0)
    whole = fitted(points, True, settings).components[0].acrophase_h
    rows = [_run(points, (number >= start) & (number < start + days), whole, settings) for start in starts]
    about = {"references": CORNELISSEN, "series": points.name, "preset": str(series.attrs.get("preset", ""))}
    how = f"cosinor ({period_names(settings)}) of {days} calendar day(s) on the {clock_name(settings)}"
    data = {
        name: ("day", np.array([row[name] for row in rows], dtype=np.float64), {
            "units": units.replace("%u", points.unit), "long_name": long_name, "method": how, **about})
        for name, (units, long_name) in _COURSE.items()
    }  # fmt: skip
    coords = {"day": ("day", starts.astype(np.int64), {"units": "d", "long_name": "day since 1970-01-01 on the clock"})}
    attrs = {
        "variable": points.name, "timezone": zone.name or "local", "timezone_source": zone.source, "days": days,
        "settings": json.dumps(asdict(settings), sort_keys=True), "method": how,
    }  # fmt: skip
    return xr.Dataset(data, coords, attrs)


_COURSE = {
    "mesor": ("%u", "mesor"), "mesor_se": ("%u", "standard error of the mesor"), "amplitude": ("%u", "amplitude"),
    "amplitude_se": ("%u", "standard error of the amplitude"), "acrophase": ("h", "acrophase"),
    "acrophase_se": ("h", "standard error of the acrophase"), "phase_shift": ("h", "acrophase less that of all days"),
    "percent_rhythm": ("%", "share of the variance that the cosinor explains"),
    "p": ("1", "p of the zero-amplitude test"), "n": ("1", "values"),
    "clock_hours": ("1", "hours of the clock with values"),
}  # fmt: skip


def _run(points: Points, inside: NDArray[np.bool_], whole: float, settings: CircadianSettings) -> dict[str, float]:
    hours = clock_hours(points)[inside]
    covered = len(np.unique(np.floor(hours % 24)))
    kept = inside.sum() if covered >= LEAST_CLOCK_HOURS else 0
    fit = multi_cosinor(hours[:kept], points.value[inside][:kept], settings.periods_h)
    main, numerator = fit.components[0], 2 * len(fit.components)
    half = main.period_h / 2
    return {
        "mesor": fit.mesor,
        "mesor_se": fit.mesor_se,
        "amplitude": main.amplitude,
        "amplitude_se": main.amplitude_se,
        "acrophase": main.acrophase_h,
        "acrophase_se": main.acrophase_se_h,
        "phase_shift": float(np.mod(main.acrophase_h - whole + half, 2 * half) - half),
        "percent_rhythm": fit.percent_rhythm,
        "p": f_tail(fit.f, numerator, fit.n - 1 - numerator),
        "n": float(inside.sum()),
        "clock_hours": float(covered),
    }
