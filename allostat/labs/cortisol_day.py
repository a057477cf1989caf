"""Features of one day of cortisol from plain arrays: minutes since waking and nmol/L, both ascending in time.

Sources: Pruessner 2003 (10.1016/S0306-4530(02)00108-7) for the areas; Adam & Kumari 2009
(10.1016/j.psyneuen.2009.06.011) for the slopes; Stalder 2016 (10.1016/j.psyneuen.2015.10.010) for the awakening
response. Missing is NaN with a reason, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.regression import log_linear, ols
from allostat.labs.cortisol_curve import (
    area_ground,
    area_increase,
    area_per_minute,
    half_life_h,
    mean_increase,
    nearest_within,
    peak_increase,
    percent_per_hour,
)
from allostat.labs.cortisol_reasons import OF_SLOPE, DayReason
from allostat.labs.cortisol_rules import CortisolSettings

Floats = NDArray[np.float64]

AWAKENING_RESPONSE_MIN = 60.0
"""Samples later than waking and up to this many minutes after it belong to the awakening response."""
WAKING_SAMPLE_MIN = 15.0
"""The waking sample lies within this many minutes of waking."""
AWAKENING_DELAY_MIN = 5.0
"""The awakening response counts only when its first sample was taken within this many minutes of waking."""
EVENING_H = 8.0
"""A slope needs a sample at least this many hours after waking (the evening sample, anchored on waking)."""
BEDTIME_H = 12.0
"""The level of the evening is that of the last sample, taken at least this many hours after waking."""

DEFAULTS = CortisolSettings()

FEATURES: Mapping[str, tuple[str, str]] = {
    "slope_ln": ("ln(nmol/L)/h", "slope of ln cortisol on hours since waking, awakening response left out"),
    "slope_se": ("ln(nmol/L)/h", "standard error of slope_ln within the day"),
    "intercept_ln": ("ln(nmol/L)", "ln cortisol at waking, from the fit"),
    "slope_raw": ("nmol/L/h", "slope of cortisol on hours since waking"),
    "slope_wb": ("ln(nmol/L)/h", "waking to bedtime slope of ln cortisol"),
    "slope_wb_raw": ("nmol/L/h", "waking to bedtime slope"),
    "slope_pb": ("ln(nmol/L)/h", "peak to bedtime slope of ln cortisol"),
    "percent_per_hour": ("%/h", "change of cortisol per hour"),
    "half_life": ("h", "half-life of cortisol"),
    "aucg": ("nmol/L.min", "area under all samples of the day with respect to ground"),
    "auci": ("nmol/L.min", "area under all samples of the day with respect to the first"),
    "aucg_per_min": ("nmol/L", "area with respect to ground over its time"),
    "mninc": ("nmol/L", "awakening response: mean increase"),
    "car_peak_inc": ("nmol/L", "awakening response: peak increase"),
    "car_aucg": ("nmol/L.min", "awakening response: area with respect to ground"),
    "car_auci": ("nmol/L.min", "awakening response: area with respect to the first sample"),
    "car_aucg_per_min": ("nmol/L", "awakening response: area with respect to ground over its time"),
    "at_waking": ("nmol/L", "cortisol at waking"),
    "at_half_hour": ("nmol/L", "cortisol 30 min after waking"),
    "at_noon": ("nmol/L", "cortisol at 12:00"),
    "at_evening": ("nmol/L", "cortisol at 21:00"),
    "at_bedtime": ("nmol/L", "last sample, 12 h or more after waking"),
}
"""Features of a day with their units and long names."""


@dataclass(frozen=True, slots=True)
class DayFeatures:
    """Features of one day.

    Parameters
    ----------
    values
        By the names of `FEATURES`; NaN when not defined.
    why
        Reasons of the features that are NaN.
    n, n_slope
        Samples with a value; samples that the slope used.
    reasons
        What is known of the day.
    used_in_slope
        Per sample.
    """

    values: Mapping[str, float]
    why: Mapping[str, DayReason]
    n: int
    n_slope: int
    reasons: DayReason
    used_in_slope: NDArray[np.bool_]


def day_features(
    minutes: Floats,
    values: Floats,
    *,
    clock_hours: Floats | None = None,
    awakening_se_min: float = 0.0,
    settings: CortisolSettings = DEFAULTS,
) -> DayFeatures:
    """All features of one day.

    Parameters
    ----------
    minutes
        Minutes since actual waking, ascending; NaN everywhere when the wake time is not known.
    values
        nmol/L, NaN where missing.
    clock_hours
        Local clock of each sample in hours, for the fixed times 12:00 and 21:00; None when it is not known.
    awakening_se_min
        Standard error of the awakening; NaN when it is an estimate of unknown precision.
    settings
        Rules for gaps and tolerances.

    Notes
    -----
    The slope leaves out every sample of the awakening response (0 < t <= 60 min) except the waking sample itself, which
    is the first sample within 15 min of waking. It needs three samples, among them the waking sample and one at least
    8 h after waking. The awakening response needs its first sample within 5 min of waking and two later ones, all
    measured (unless ``allow_gap``), and an awakening known well enough to tell.
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
    usable = in_slope if not reasons & OF_SLOPE else np.zeros(len(values), dtype=bool)
    start, why_not = _response_start(minutes[response], awakening_se_min, settings)
    parts = [
        _slopes(minutes / 60.0, values, usable, reasons & OF_SLOPE),
        _end_to_end(minutes, values, waking, response),
        _areas(minutes, values, settings),
        _awakening_response(minutes[response], values[response], why_not, settings),
        _levels(minutes, values, clock_hours, waking, settings),
    ]
    found = {name: value for part, _ in parts for name, value in part.items()}
    why = {name: reason for _, said in parts for name, reason in said.items()}
    if settings.allow_gap and math.isfinite(found["aucg"]) and not bool(present.all()):
        reasons |= DayReason.GAP_BRIDGED
    reasons |= why_not
    if start and not why_not and not bool(present[response].all()):
        reasons |= DayReason.CAR_VALUE_MISSING
    return DayFeatures(found, why, int(present.sum()), int(usable.sum()), reasons, usable)


_Part = tuple[dict[str, float], dict[str, DayReason]]


def _part(values: dict[str, float], why: DayReason) -> _Part:
    """Values with one reason for all that are NaN."""
    return values, {name: why for name, value in values.items() if math.isnan(value)}


def _timeless(values: Floats, reasons: DayReason) -> DayFeatures:
    """A day whose wake time is not known: nothing that is anchored on waking is defined."""
    n = int((~np.isnan(values)).sum())
    nothing = dict.fromkeys(FEATURES, math.nan)
    why = dict.fromkeys(FEATURES, DayReason.CORTISOL_TIME_MISSING)
    return DayFeatures(nothing, why, n, 0, reasons, np.zeros(len(values), dtype=bool))


def _waking_sample(minutes: Floats) -> int:
    """Index of the waking sample, -1 when there is none."""
    near = np.flatnonzero(np.abs(minutes) <= WAKING_SAMPLE_MIN)
    if not near.size:
        return -1
    at_or_after = near[minutes[near] >= -AWAKENING_DELAY_MIN]
    return int(at_or_after[0] if at_or_after.size else near[-1])


def _slopes(hours: Floats, values: Floats, usable: NDArray[np.bool_], why: DayReason) -> _Part:
    """Lines through all samples but those of the awakening response."""
    fit_ln, fit_raw = log_linear(hours[usable], values[usable]), ols(hours[usable], values[usable])
    found, said = _part(
        {
            "slope_ln": fit_ln.slope,
            "slope_se": fit_ln.slope_se,
            "intercept_ln": fit_ln.intercept,
            "slope_raw": fit_raw.slope,
            "percent_per_hour": percent_per_hour(fit_ln.slope),
        },
        why or DayReason.FEW_SAMPLES,
    )
    found["half_life"] = half_life_h(fit_ln.slope)
    if math.isnan(found["half_life"]):
        said["half_life"] = why or DayReason.NOT_FALLING
    return found, said


def _end_to_end(minutes: Floats, values: Floats, waking: int, response: NDArray[np.bool_]) -> _Part:
    """Slopes between two samples: from waking, or from the peak, to the last sample of the day."""
    bed_value, bed_h, why_bed = _late_sample(minutes, values, EVENING_H)
    wake_value = float(values[waking]) if waking >= 0 else math.nan
    wake_h = float(minutes[waking]) / 60.0 if waking >= 0 else math.nan
    peak_value, peak_h, why_peak = _peak_sample(minutes[response], values[response])
    span = bed_h - wake_h
    from_waking, said = _part(
        {
            "slope_wb": (math.log(bed_value) - math.log(wake_value)) / span,
            "slope_wb_raw": (bed_value - wake_value) / span,
        },
        why_bed | (DayReason.NO_WAKING_SAMPLE if math.isnan(wake_value) else DayReason(0)),
    )
    from_peak, why = _part(
        {"slope_pb": (math.log(bed_value) - math.log(peak_value)) / (bed_h - peak_h)}, why_bed | why_peak
    )
    return from_waking | from_peak, said | why


def _late_sample(minutes: Floats, values: Floats, after_h: float) -> tuple[float, float, DayReason]:
    """Value and hours of the last sample when it is late enough, else NaN and the reason."""
    if not len(minutes) or minutes[-1] < after_h * 60:
        return math.nan, math.nan, DayReason.NO_EVENING_SAMPLE
    value = float(values[-1])
    return value, float(minutes[-1]) / 60.0, DayReason.VALUE_MISSING if math.isnan(value) else DayReason(0)


def _peak_sample(minutes: Floats, values: Floats) -> tuple[float, float, DayReason]:
    """Value and hours of the highest sample of the awakening response; NaN unless it was sampled after waking."""
    if len(values) < 2:
        return math.nan, math.nan, DayReason.CAR_NOT_SAMPLED
    if bool(np.isnan(values).any()):
        return math.nan, math.nan, DayReason.CAR_VALUE_MISSING
    at = int(np.argmax(values))
    return float(values[at]), float(minutes[at]) / 60.0, DayReason(0)


def _areas(minutes: Floats, values: Floats, settings: CortisolSettings) -> _Part:
    gap = settings.allow_gap
    return _part(
        {
            "aucg": area_ground(minutes, values, allow_gap=gap),
            "auci": area_increase(minutes, values, allow_gap=gap),
            "aucg_per_min": area_per_minute(minutes, values, allow_gap=gap),
        },
        DayReason.FEW_SAMPLES if len(values) < 2 else DayReason.VALUE_MISSING,
    )


def _response_start(minutes: Floats, awakening_se_min: float, settings: CortisolSettings) -> tuple[bool, DayReason]:
    """Whether the awakening response was sampled, and why it does not count."""
    if len(minutes) < 3:
        return False, DayReason.CAR_NOT_SAMPLED
    if abs(float(minutes[0])) > AWAKENING_DELAY_MIN:
        return True, DayReason.CAR_START_DELAYED
    certain = awakening_se_min <= settings.largest_awakening_se_min or math.isinf(settings.largest_awakening_se_min)
    return True, DayReason(0) if certain else DayReason.AWAKENING_UNCERTAIN


def _awakening_response(minutes: Floats, values: Floats, why_not: DayReason, settings: CortisolSettings) -> _Part:
    """Increases and areas of a valid awakening response; NaN when it is not valid."""
    if why_not:
        minutes, values = np.empty(0), np.empty(0)
    gap = settings.allow_gap
    return _part(
        {
            "mninc": mean_increase(values, allow_gap=gap),
            "car_peak_inc": peak_increase(values, allow_gap=gap),
            "car_aucg": area_ground(minutes, values, allow_gap=gap),
            "car_auci": area_increase(minutes, values, allow_gap=gap),
            "car_aucg_per_min": area_per_minute(minutes, values, allow_gap=gap),
        },
        why_not or DayReason.CAR_VALUE_MISSING,
    )


def _levels(
    minutes: Floats, values: Floats, clock_hours: Floats | None, waking: int, settings: CortisolSettings
) -> _Part:
    """Concentrations at fixed times: by waking, by the clock, and of the last sample."""
    found: dict[str, float] = {}
    why: dict[str, DayReason] = {}
    wake = waking if waking >= 0 and abs(minutes[waking]) <= settings.waking_tolerance_min else -1
    at = {
        "at_waking": wake,
        "at_half_hour": nearest_within(minutes, 30.0, settings.half_hour_tolerance_min),
    }
    for name, hour in (("at_noon", 12.0), ("at_evening", 21.0)):
        at[name] = -1
        if clock_hours is not None:
            at[name] = nearest_within(clock_hours, hour, settings.clock_tolerance_min / 60.0, period=24.0)
    for name, index in at.items():
        found[name] = float(values[index]) if index >= 0 else math.nan
        if index >= 0:
            why[name] = DayReason.VALUE_MISSING
        else:
            by_clock = name in ("at_noon", "at_evening")
            why[name] = DayReason.CLOCK_UNKNOWN if by_clock and clock_hours is None else DayReason.NO_SAMPLE_AT_TIME
    found["at_bedtime"], _, why["at_bedtime"] = _late_sample(minutes, values, BEDTIME_H)
    return found, {name: reason for name, reason in why.items() if math.isnan(found[name])}
