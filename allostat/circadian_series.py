"""A series on the clock: settings where published practice differs, values with clock times, hours as they pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from allostat.clocks import solar_times
from allostat.errors import ConfigError, InputError
from allostat.kernels.cosinor import MultiCosinor, multi_cosinor
from allostat.kernels.rest_activity import Centre
from allostat.recording import TimeZone
from allostat.sleep import DAY_NS, HOUR_NS
from allostat.zones import local_times

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from allostat.recording import Epoch

CORNELISSEN = "10.1186/1742-4682-11-16"
LEAST_CLOCK_HOURS = 12
"""A cosinor on values from fewer hours of the clock is marked ``FEW_CLOCK_HOURS``."""

NAN = float("nan")
IntervalMethod = Literal["delta", "ellipse", "bootstrap"]
LARGEST = 1e100
"""Values beyond this are no measurements, and their squares no numbers: they count as missing."""

_QUARTER_NS = 15 * 60 * 1_000_000_000
"""Zones differ from UTC by whole quarters of an hour."""


@dataclass(frozen=True, slots=True)
class CircadianSettings:
    """Where published practice differs.

    Parameters
    ----------
    periods_h
        Periods of the cosinor's components in h, the first of which gives ``amplitude`` and ``acrophase``.
    confidence
        Of the intervals ``…_low`` to ``…_high``.
    intervals
        What the standard errors and intervals of mesor, amplitude and acrophase come from. ``delta``: estimate
        ± t(n - p) standard errors, by the delta method. ``ellipse``: amplitude and acrophase by the circles and
        rays that touch their joint confidence ellipse (Bingham 1982), which is wider, is right for small
        amplitudes too, and has no acrophase where the ellipse covers no rhythm. Both take residuals as
        independent. ``bootstrap``: blocks of ``block_h`` are drawn anew and fitted, estimate ± t(blocks - 1) of
        their standard deviations: right for residuals that are alike within a day
        (`allostat.circadian_intervals`).
    block_h, draws, seed
        Of the bootstrap: hours of a block, from the first midnight on, how many draws, and where the generator begins.
    clock
        ``wall``: the local wall clock, which jumps when it changes. ``solar``: apparent solar time at
        ``longitude_deg``.
    longitude_deg
        Degrees east; for the solar clock only.
    centre
        What IS takes deviations of the daily profile from: the mean of the ``data`` or of the ``profile``.
    extremes
        M10 and L5 of the mean ``profile`` of the day, wrapping over midnight, or the mean of those of single ``days``
        (M10 from midnight to midnight, L5 from noon to noon), which are further apart when their times vary.
    least_hours_per_day
        Calendar days with values in fewer hours are left out of the hourly measures; 0 keeps all.
    """

    periods_h: tuple[float, ...] = (24.0,)
    confidence: float = 0.95
    clock: Literal["wall", "solar"] = "wall"
    longitude_deg: float | None = None
    intervals: IntervalMethod = "delta"
    block_h: float = 24.0
    draws: int = 1000
    seed: int = 0
    centre: Centre = "data"
    extremes: Literal["profile", "days"] = "profile"
    least_hours_per_day: int = 0

    def __post_init__(self) -> None:
        periods = self.periods_h
        if not periods or len(set(periods)) < len(periods) or not all(0 < p < float("inf") for p in periods):
            raise ConfigError("periods_h are different positive numbers of hours", found=periods)
        if not 0 < self.confidence < 1:
            raise ConfigError("confidence lies between 0 and 1", found=self.confidence)
        for name, valid in (
            ("clock", _CLOCKS), ("centre", _CENTRES), ("extremes", _EXTREMES), ("intervals", _INTERVALS),
        ):  # fmt: skip
            if getattr(self, name) not in valid:
                raise ConfigError(f"unknown {name}", found=getattr(self, name), valid=valid)
        if (self.clock == "solar") != (self.longitude_deg is not None):
            raise ConfigError(
                "the solar clock needs longitude_deg, and no other does", found=f"{self.clock}, {self.longitude_deg}"
            )
        if not 0 < self.block_h < float("inf") or self.draws < 100:
            raise ConfigError(
                "a bootstrap has blocks of a positive length and at least 100 draws",
                found=f"{self.block_h} h, {self.draws}",
            )
        if not 0 <= self.least_hours_per_day <= 24:
            raise ConfigError("least_hours_per_day is a number of hours", found=self.least_hours_per_day)


_CLOCKS, _CENTRES, _EXTREMES = ("wall", "solar"), ("data", "profile"), ("profile", "days")
_INTERVALS = get_args(IntervalMethod)
DEFAULTS = CircadianSettings()


class Scalar(NamedTuple):
    """A value with what a reader needs; ``%u`` in the unit stands for that of the series."""

    value: float
    units: str
    long_name: str
    method: str
    references: str = CORNELISSEN
    phase: str = ""

    def attributes(self, unit: str) -> dict[str, object]:
        """Attributes of the variable, for a series of this unit."""
        about = {
            "units": self.units.replace("%u", unit),
            "long_name": self.long_name,
            "method": self.method,
            "references": self.references,
        }
        return {**about, "phase": self.phase} if self.phase else {**about}


Part = tuple[dict[str, Scalar], tuple[str, ...]]
"""Values by name, and reason codes."""


class Points(NamedTuple):
    """Finite values, the instants of their windows' middles, and their wall clock."""

    name: str
    unit: str
    value: NDArray[np.float64]
    at_ns: NDArray[np.int64]
    wall_ns: NDArray[np.int64]
    span_h: float
    epoch: Epoch


def points_of(series: xr.DataArray, zone: TimeZone, settings: CircadianSettings = DEFAULTS) -> Points:
    """Finite values (below `LARGEST`) of a series at the middles of their windows, with the clock.

    Raises
    ------
    InputError
        When the series is not on ``window`` or has no integer coordinate ``time``.
    TimeZoneError
        When the zone is unknown, or the series has no date.
    """
    if series.dims != ("window",) or "time" not in series.coords:
        raise InputError(
            "a circadian series lies on `window` and has the coordinate `time`",
            found=f"dimensions {series.dims}, coordinates {sorted(map(str, series.coords))}",
        )
    start = np.asarray(series["time"].values)
    if start.dtype.kind != "i":
        raise InputError("the coordinate `time` is int64 ns", found=start.dtype)
    epoch: Epoch = series["time"].attrs.get("epoch", "utc")
    # A series in any order is one in order of time.
    order = np.argsort(start, kind="stable")
    series, start = series.isel(window=order), start[order].astype(np.int64)
    value = np.asarray(series.values, dtype=np.float64)
    if "end" in series.coords:
        end = np.asarray(series["end"].values).astype(np.int64)
        at = start + (end - start) // 2
    else:
        # Without ends a value stands at its time, and covers the step to the next one.
        end = start + (int(np.median(np.diff(start))) if len(start) > 1 else 0)
        at = start
    kept = np.abs(value) < LARGEST  # NaN is not
    span_h = float((end[kept].max() - start[kept].min()) / HOUR_NS) if kept.any() else 0.0
    wall = local_times(at, zone, epoch)
    if settings.longitude_deg is not None:
        wall = solar_times(at, settings.longitude_deg, epoch)
    unit = str(series.attrs.get("units", "1"))
    return Points(str(series.name or ""), unit, value[kept], at[kept], wall[kept], span_h, epoch)


class Hours(NamedTuple):
    """Mean of each hour that passed from the first to the last, NaN where there is none, and its place on the clock."""

    mean: NDArray[np.float64]
    clock_hour: NDArray[np.int64]
    day: NDArray[np.int64]
    noon_day: NDArray[np.int64]


NO_HOURS = Hours(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))


def hour_means(points: Points) -> Hours:
    """Hours of the clock in the order in which they pass.

    Where the clock is put back, the hour that comes twice is two hours; where it is put forward, the hours on either
    side are neighbours. So days have 23 or 25 hours when they do.
    """
    hour = points.wall_ns // HOUR_NS
    offset = np.rint((points.wall_ns - points.at_ns) / _QUARTER_NS).astype(np.int64) * _QUARTER_NS
    began = hour * HOUR_NS - offset
    index = np.rint((began - began.min()) / HOUR_NS).astype(np.int64)
    counts = np.bincount(index)
    sums = np.bincount(index, weights=points.value)
    means = np.full(len(counts), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    on_clock = np.zeros(len(counts), np.int64)
    on_clock[index] = hour
    # Hours without values are never looked at, but belong to a day.
    on_clock = np.maximum.accumulate(on_clock)
    return Hours(means, on_clock % 24, on_clock // 24, (on_clock - 12) // 24)


def period_names(settings: CircadianSettings) -> str:
    """Periods as text."""
    return ", ".join(f"{p:g} h" for p in settings.periods_h)


def clock_name(settings: CircadianSettings) -> str:
    """``local clock`` or ``solar clock``."""
    return "local clock" if settings.clock == "wall" else "solar clock"


def clock_hours(points: Points) -> NDArray[np.float64]:
    """Hours on the clock since the first day's midnight; modulo any period that divides 24 h they are clock time."""
    first = int(points.wall_ns.min()) // DAY_NS * DAY_NS if len(points.wall_ns) else 0
    return np.asarray((points.wall_ns - first) / HOUR_NS)


def fitted(points: Points, force: bool, settings: CircadianSettings) -> MultiCosinor:
    """The cosinor; nothing is fitted to less than 24 h unless forced."""
    enough = points.span_h >= 24 or force
    nothing = np.empty(0)
    return multi_cosinor(*((clock_hours(points), points.value) if enough else (nothing, nothing)), settings.periods_h)


def f_tail(f: float, numerator: int, free: int) -> float:
    """Probability of a larger F."""
    from scipy.special import fdtrc

    return float(fdtrc(numerator, free, f)) if free > 0 and f == f else NAN


def bounds(value: float, error: float, free: int, settings: CircadianSettings) -> tuple[float, float]:
    """Confidence interval from a standard error, by Student's t."""
    from scipy.special import stdtrit

    reach = float(stdtrit(free, 0.5 + settings.confidence / 2)) * error if free > 0 else NAN
    return value - reach, value + reach
