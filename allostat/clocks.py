"""Clocks besides the wall clock: the sun's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError, TimeZoneError
from allostat.recording import NS_PER_S, Epoch

DAY_NS = 86_400 * NS_PER_S
J2000_NS = 946_728_000 * NS_PER_S
"""2000-01-01 12:00 UTC."""


def solar_times(times_ns: NDArray[np.integer[Any]], longitude_deg: float, epoch: Epoch = "utc") -> NDArray[np.int64]:
    """Apparent solar time: ns of a clock that shows 12 when the sun stands highest.

    No summer time and no width of a zone: the clock of a person's light, where the wall clock is that of their day.

    Parameters
    ----------
    times_ns
        Instants, any shape.
    longitude_deg
        Degrees east of Greenwich, -180 to 180.
    epoch
        What the instants count from; only ``utc`` will do.

    Returns
    -------
    solar_ns
        int64, shape of ``times_ns``; ``solar_ns % 86_400_000_000_000`` is the clock time.

    Raises
    ------
    TimeZoneError
        When the instants are not UTC.
    InputError
        When the longitude is none.

    Notes
    -----
    The sun's place follows the low-precision formulas of The Astronomical Almanac (page C5): the equation of time is
    right within a few seconds between 1950 and 2050.
    """
    if epoch != "utc":
        raise TimeZoneError("solar time needs instants in UTC", found=epoch)
    if not -180.0 <= longitude_deg <= 180.0:
        raise InputError("a longitude is a number of degrees east", found=longitude_deg, expected="-180 to 180")
    times = np.asarray(times_ns, dtype=np.int64)
    offset_s = 240.0 * longitude_deg + 60.0 * equation_of_time_min(times)
    shift: NDArray[np.int64] = np.rint(offset_s * NS_PER_S).astype(np.int64)
    return times + shift


def equation_of_time_min(times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Apparent minus mean solar time in minutes: about -14 in mid-February, 16 in early November."""
    days = (np.asarray(times_ns, dtype=np.int64) - J2000_NS) / DAY_NS
    mean_longitude = np.mod(280.460 + 0.9856474 * days, 360.0)
    anomaly = np.deg2rad(np.mod(357.528 + 0.9856003 * days, 360.0))
    ecliptic = np.deg2rad(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    ascension = np.rad2deg(np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic)))
    minutes: NDArray[np.float64] = 4.0 * (np.mod(mean_longitude - ascension + 180.0, 360.0) - 180.0)
    return minutes
