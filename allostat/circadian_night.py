"""Night against day: means, dip and its class, and the rise of the morning.

Classes of the dip: of blood pressure by Fagard 2009, 10.1586/erc.09.35 (whose bounds those of Kario et al. 2019,
10.1111/jch.13652, are); of heart rate by Ben-Dov et al. 2007, 10.1001/archinte.167.19.2116. How many readings a blood
pressure needs: O'Brien et al. 2013, 10.1097/HJH.0b013e328363e964.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from allostat.circadian_series import NAN, Part, Points, Scalar
from allostat.kernels.regression import ols
from allostat.sleep import HOUR_NS, SleepWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

MORNING_H = 4.0
PRESSURE_SOURCES = "10.1586/erc.09.35 10.1111/jch.13652"
RATE_SOURCES = "10.1001/archinte.167.19.2116"
LEAST_READINGS = {"night": 7, "day": 20}
"""Blood pressures below these numbers are marked ``FEW_READINGS``."""

LARGEST_LOGARITHM = 100.0

_PRESSURES = ("sbp", "dbp", "map", "systolic", "diastolic", "blood_pressure")
_RATES = ("hr", "mean_hr", "median_hr", "heart_rate", "pulse")


class DipClass(IntEnum):
    """How far a measure falls from day to night.

    Of blood pressure all four; of heart rate only dipper and non-dipper are defined, a rise counting as non-dipper.
    Other series have no class.
    """

    NOT_CLASSIFIED = 0
    REVERSE_DIPPER = 1
    """Blood pressure rises: dip below 0."""
    NON_DIPPER = 2
    """Falls by less than 10 %."""
    DIPPER = 3
    """Falls by 10 % or more, blood pressure by less than 20 %."""
    EXTREME_DIPPER = 4
    """Blood pressure falls by 20 % or more."""


def dip_class(dip: float, name: str) -> DipClass:
    """Class of a dip (a share, as `night_and_day` has it) of the series of this name."""
    # 1 - 90 / 100 is a rounding error below 0.1.
    dip = round(dip, 12)
    if not np.isfinite(dip):
        return DipClass.NOT_CLASSIFIED
    if name.startswith(_RATES):
        return DipClass.DIPPER if dip >= 0.1 else DipClass.NON_DIPPER
    if not name.startswith(_PRESSURES):
        return DipClass.NOT_CLASSIFIED
    bounds = ((0.2, DipClass.EXTREME_DIPPER), (0.1, DipClass.DIPPER), (0.0, DipClass.NON_DIPPER))
    return next((found for least, found in bounds if dip >= least), DipClass.REVERSE_DIPPER)


def dip_class_attributes(name: str) -> dict[str, object]:
    """Attributes of the variable ``dip_class``."""
    pressure = name.startswith(_PRESSURES)
    classified = pressure or name.startswith(_RATES)
    bounds = "below 0, 0 to 10 %, 10 to 20 %, 20 % and more" if pressure else "below 10 %, 10 % and more"
    return {
        "long_name": "class of the night-time dip",
        "method": f"dip {bounds}" if classified else "no classes are defined for this measure",
        "references": (PRESSURE_SOURCES if pressure else RATE_SOURCES) if classified else "",
        "flag_values": np.array([c.value for c in DipClass], dtype=np.int8),
        "flag_meanings": " ".join(c.name.lower() for c in DipClass),
    }


def night_and_day(points: Points, sleep: Sequence[SleepWindow]) -> Part:
    """Means inside and outside the sleep windows, and how they compare."""
    asleep = np.zeros(len(points.value), dtype=bool)
    for window in sleep:
        asleep |= (points.at_ns >= window.start_ns) & (points.at_ns < window.end_ns)
    night = float(points.value[asleep].mean()) if asleep.any() else NAN
    day = float(points.value[~asleep].mean()) if asleep.any() and not asleep.all() else NAN
    if points.unit.startswith("ln("):
        share = _exp(night - day)
        dip, how = 1 - share, "1 - exp(night - day)"
    else:
        dip, how = (1 - night / day if day > 0 else NAN), "1 - night / day"
    ratio = _exp(day - night) if points.unit.startswith("ln(") else (day / night if night > 0 else NAN)
    n_night, n_day = (float(asleep.sum()), float((~asleep).sum())) if sleep else (NAN, NAN)
    few = points.name.startswith(_PRESSURES) and (n_night < LEAST_READINGS["night"] or n_day < LEAST_READINGS["day"])
    codes = ("FEW_READINGS",) if few else ()
    return {
        "night_n": Scalar(n_night, "1", "values inside the sleep windows", "count", ""),
        "day_n": Scalar(n_day, "1", "values outside the sleep windows", "count", ""),
        "day_night_ratio": Scalar(
            ratio, "1", "day to night ratio", "exp(day - night)" if points.unit.startswith("ln(") else "day / night", ""
        ),
        "night_mean": Scalar(night, "%u", "mean inside the sleep windows", "mean", ""),
        "day_mean": Scalar(day, "%u", "mean outside the sleep windows", "mean", ""),
        "dip": Scalar(dip, "1", "night-time dip", how, ""),
    }, codes


def _exp(logarithm: float) -> float:
    """NaN where a series of logarithms holds numbers that are none."""
    return float(np.exp(logarithm)) if abs(logarithm) < LARGEST_LOGARITHM else NAN


def _since_waking(points: Points, window: SleepWindow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hours = (points.at_ns - window.end_ns) / HOUR_NS
    inside = (hours >= 0) & (hours <= MORNING_H)
    return hours[inside], points.value[inside]


def slopes(points: Points, sleep: Sequence[SleepWindow]) -> NDArray[np.float64]:
    """Slope after each waking."""
    found = [ols(*_since_waking(points, window)) for window in sleep]
    return np.array([line.slope if line.n >= 3 else NAN for line in found])


def morning(points: Points, sleep: Sequence[SleepWindow]) -> Part:
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
    slope = xy / xx if xx > 0 and free > 0 else NAN
    error = float(np.sqrt(max(yy - slope * xy, 0.0) / free / xx)) if xx > 0 and free > 0 else NAN
    how = f"least squares on hours since waking, 0 to {MORNING_H:g} h, a level per morning"
    return {
        "morning_slope": Scalar(slope, "%u/h", "slope after waking", how, ""),
        "morning_slope_se": Scalar(error, "%u/h", "standard error of the slope after waking", how, ""),
        "morning_slope_n": Scalar(float(n), "1", "values after waking", how, ""),
    }, ()
