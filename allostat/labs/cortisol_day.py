"""Features of one day of cortisol from plain arrays: minutes since waking and nmol/L, both ascending in time.

Sources: Pruessner 2003 (10.1016/S0306-4530(02)00108-7) for the areas; Adam & Kumari 2009
(10.1016/j.psyneuen.2009.06.011) for the slopes; Stalder 2016 (10.1016/j.psyneuen.2015.10.010) for the awakening
response. Missing is NaN with a reason, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.regression import log_linear, ols

Floats = NDArray[np.float64]

AWAKENING_RESPONSE_MIN = 60.0
"""Samples later than waking and up to this many minutes after it belong to the awakening response."""
WAKING_SAMPLE_MIN = 15.0
"""The waking sample lies within this many minutes of waking."""
AWAKENING_DELAY_MIN = 5.0
"""The awakening response counts only when its first sample was taken within this many minutes of waking."""
EVENING_H = 8.0
"""A slope needs a sample at least this many hours after waking (the evening sample, anchored on waking)."""


class DayReason(IntFlag):
    """What is known of a day; a feature that is NaN has its reason here."""

    CORTISOL_TIME_MISSING = 1
    NO_WAKING_SAMPLE = 2
    NO_EVENING_SAMPLE = 4
    FEW_SAMPLES = 8
    CAR_NOT_SAMPLED = 16
    CAR_START_DELAYED = 32
    VALUE_MISSING = 64
    ABOVE_60_NMOL_L = 128
    BELOW_LOD = 256
    DUPLICATE_ASSAY = 512
    EARLY_AWAKENING = 1024
    SAMPLE_BEFORE_WAKING = 2048
    ABOVE_ASSAY_RANGE = 4096


@dataclass(frozen=True, slots=True)
class DayFeatures:
    """Features of one day. Slopes per h, areas in nmol/L.min, increases in nmol/L; NaN when not defined."""

    slope_ln: float
    slope_se: float
    intercept_ln: float
    slope_raw: float
    slope_wb: float
    slope_wb_raw: float
    slope_pb: float
    aucg: float
    auci: float
    mninc: float
    car_peak_inc: float
    car_aucg: float
    car_auci: float
    n: int
    n_slope: int
    reasons: DayReason
    used_in_slope: NDArray[np.bool_]


def area_ground(minutes: Floats, values: Floats) -> float:
    """Area under the curve with respect to ground, trapezoids; NaN with fewer than two samples or any missing one."""
    if len(values) < 2 or bool(np.isnan(values).any()):
        return math.nan
    return float(np.sum((values[1:] + values[:-1]) / 2.0 * np.diff(minutes)))


def area_increase(minutes: Floats, values: Floats) -> float:
    """Area with respect to the first sample, `area_ground` less its rectangle; may be negative, never clipped."""
    ground = area_ground(minutes, values)
    return ground - float(values[0]) * float(minutes[-1] - minutes[0]) if len(values) > 1 else math.nan


def mean_increase(values: Floats) -> float:
    """Mean of all samples after the first, minus the first."""
    if len(values) < 2 or bool(np.isnan(values).any()):
        return math.nan
    return float(values[1:].mean() - values[0])


def peak_increase(values: Floats) -> float:
    """Highest sample after the first, minus the first."""
    if len(values) < 2 or bool(np.isnan(values).any()):
        return math.nan
    return float(values[1:].max() - values[0])


def percent_per_hour(slope_ln: float) -> float:
    """Change per hour in % that a slope of ln concentration means."""
    return 100.0 * (math.exp(slope_ln) - 1.0)


def half_life_h(slope_ln: float) -> float:
    """Half-life in h of a falling slope of ln concentration; NaN when it does not fall."""
    return math.log(2.0) / -slope_ln if slope_ln < 0 else math.nan


def day_features(minutes: Floats, values: Floats) -> DayFeatures:
    """All features of one day.

    Parameters
    ----------
    minutes
        Minutes since actual waking, ascending; NaN everywhere when the wake time is not known.
    values
        nmol/L, NaN where missing.

    Notes
    -----
    The slope leaves out every sample of the awakening response (0 < t <= 60 min) except the waking sample itself, which
    is the first sample within 15 min of waking. It needs three samples, among them the waking sample and one at least
    8 h after waking. The awakening response needs its first sample within 5 min of waking and two later ones, all
    measured.
    """
    reasons = DayReason(0)
    present = ~np.isnan(values)
    if not bool(present.all()):
        reasons |= DayReason.VALUE_MISSING
    if bool(np.isnan(minutes).any()):
        return _timeless(values, reasons | DayReason.CORTISOL_TIME_MISSING)
    waking = _waking_sample(minutes)
    if bool((minutes < -AWAKENING_DELAY_MIN).any()):
        reasons |= DayReason.SAMPLE_BEFORE_WAKING

    response = (minutes <= AWAKENING_RESPONSE_MIN) & (minutes > -WAKING_SAMPLE_MIN)
    in_slope = present & ((minutes > AWAKENING_RESPONSE_MIN) | (np.arange(len(minutes)) == waking))
    if waking < 0 or not bool(present[waking]):
        reasons |= DayReason.NO_WAKING_SAMPLE
    if not bool((in_slope & (minutes >= EVENING_H * 60)).any()):
        reasons |= DayReason.NO_EVENING_SAMPLE
    if int(in_slope.sum()) < 3:
        reasons |= DayReason.FEW_SAMPLES
    blocking = DayReason.NO_WAKING_SAMPLE | DayReason.NO_EVENING_SAMPLE | DayReason.FEW_SAMPLES
    usable = in_slope if not reasons & blocking else np.zeros(len(values), dtype=bool)
    hours = minutes[usable] / 60.0
    fit_ln, fit_raw = log_linear(hours, values[usable]), ols(hours, values[usable])

    wake_value = float(values[waking]) if waking >= 0 else math.nan
    wake_h = float(minutes[waking]) / 60.0 if waking >= 0 else math.nan
    bed_value, bed_h = _bed_sample(minutes, values)
    span = bed_h - wake_h
    peak_value, peak_h = _peak_sample(minutes[response], values[response])

    car, why = _awakening_response(minutes[response], values[response])
    return DayFeatures(
        slope_ln=fit_ln.slope,
        slope_se=fit_ln.slope_se,
        intercept_ln=fit_ln.intercept,
        slope_raw=fit_raw.slope,
        slope_wb=(math.log(bed_value) - math.log(wake_value)) / span,
        slope_wb_raw=(bed_value - wake_value) / span,
        slope_pb=(math.log(bed_value) - math.log(peak_value)) / (bed_h - peak_h),
        aucg=area_ground(minutes, values),
        auci=area_increase(minutes, values),
        mninc=mean_increase(car[1]),
        car_peak_inc=peak_increase(car[1]),
        car_aucg=area_ground(*car),
        car_auci=area_increase(*car),
        n=int(present.sum()),
        n_slope=int(usable.sum()),
        reasons=reasons | why,
        used_in_slope=usable,
    )


def _timeless(values: Floats, reasons: DayReason) -> DayFeatures:
    """A day whose wake time is not known: nothing that is anchored on waking is defined."""
    nan = math.nan
    n = int((~np.isnan(values)).sum())
    unused = np.zeros(len(values), dtype=bool)
    return DayFeatures(nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, n, 0, reasons, unused)


def _waking_sample(minutes: Floats) -> int:
    """Index of the waking sample, -1 when there is none."""
    near = np.flatnonzero(np.abs(minutes) <= WAKING_SAMPLE_MIN)
    if not near.size:
        return -1
    at_or_after = near[minutes[near] >= -AWAKENING_DELAY_MIN]
    return int(at_or_after[0] if at_or_after.size else near[-1])


def _bed_sample(minutes: Floats, values: Floats) -> tuple[float, float]:
    """Value and hours of the last sample, when it is an evening sample."""
    if not len(minutes) or minutes[-1] < EVENING_H * 60:
        return math.nan, math.nan
    return float(values[-1]), float(minutes[-1]) / 60.0


def _peak_sample(minutes: Floats, values: Floats) -> tuple[float, float]:
    """Value and hours of the highest sample of the awakening response; NaN unless it was sampled after waking."""
    if len(values) < 2 or bool(np.isnan(values).any()):
        return math.nan, math.nan
    at = int(np.argmax(values))
    return float(values[at]), float(minutes[at]) / 60.0


def _awakening_response(minutes: Floats, values: Floats) -> tuple[tuple[Floats, Floats], DayReason]:
    """Samples of a valid awakening response (empty when it is not valid) and the reason."""
    nothing = (np.empty(0), np.empty(0))
    if len(values) < 3:
        return nothing, DayReason.CAR_NOT_SAMPLED
    if abs(float(minutes[0])) > AWAKENING_DELAY_MIN:
        return nothing, DayReason.CAR_START_DELAYED
    return (minutes, values), DayReason(0)
