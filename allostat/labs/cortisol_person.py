"""What a person's days of cortisol offer to waist 2: means over days with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from allostat.biomarkers import biomarker_kind
from allostat.labs.cortisol_day import DayFeatures
from allostat.labs.cortisol_reasons import OF_RESPONSE, OF_SLOPE, DayReason, names
from allostat.labs.cortisol_samples import CortisolDay

if TYPE_CHECKING:
    import xarray as xr

DAYS_WANTED = 3
REFERENCES = "10.1016/j.psyneuen.2009.06.011 10.1016/S0306-4530(02)00108-7 10.1016/j.psyneuen.2015.10.010"


class _Offer(NamedTuple):
    """Where a biomarker comes from: a feature of days, how days are averaged, and reasons that do not concern it."""

    feature: str
    geometric: bool
    method: str
    not_concerned: DayReason
    whole_days: bool = False


_OFFERS: Mapping[str, _Offer] = {
    "cortisol_slope": _Offer(
        "slope_ln", False, "mean over days of the slope of ln cortisol on hours since waking", OF_RESPONSE
    ),
    "cortisol_aucg": _Offer(
        "aucg", True, "geometric mean over days of the area with respect to ground", OF_RESPONSE | OF_SLOPE
    ),
    "cortisol_car": _Offer("car_peak_inc", False, "mean over days of the peak increase after waking", OF_SLOPE),
    "cortisol_aucg_day": _Offer(
        "aucg", True, "geometric mean over days from waking to evening of the area with respect to ground",
        OF_RESPONSE | DayReason.FEW_SAMPLES, True,
    ),
    "cortisol_waking": _Offer(
        "at_waking", True, "geometric mean over days of the sample at waking",
        OF_RESPONSE | DayReason.NO_EVENING_SAMPLE | DayReason.FEW_SAMPLES,
    ),
    "cortisol_evening": _Offer(
        "at_bedtime", True, "geometric mean over days of the last sample, 12 h or more after waking",
        OF_RESPONSE | DayReason.NO_WAKING_SAMPLE | DayReason.FEW_SAMPLES,
    ),
}  # fmt: skip


def person_variables(days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> dict[str, xr.DataArray]:
    """Scalars offered to waist 2, by their names."""
    return {name: _offer(name, offer, days, features) for name, offer in _OFFERS.items()}


def _offer(name: str, offer: _Offer, days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> xr.DataArray:
    """Mean over the days that have a value, standard error (on the scale of the mean) from their spread."""
    import xarray as xr

    kind = biomarker_kind(name)
    ends = DayReason.NO_EVENING_SAMPLE | DayReason.NO_WAKING_SAMPLE
    usable = [f.values[offer.feature] for f in features if not (offer.whole_days and f.reasons & ends)]
    present = np.array([v for v in usable if not math.isnan(v)])
    scaled = np.log(present) if offer.geometric else present
    mean = float(scaled.mean()) if scaled.size else math.nan
    error = float(scaled.std(ddof=1) / math.sqrt(scaled.size)) if scaled.size > 1 else math.nan
    value = math.exp(mean) if offer.geometric and scaled.size else mean
    reasons = DayReason(0)
    for day, one in zip(days, features, strict=True):
        reasons |= day.reasons | one.reasons
    quality = list(names(reasons & ~offer.not_concerned))
    if scaled.size < DAYS_WANTED:
        quality.insert(0, "FEW_DAYS" if scaled.size else "NO_VALID_DAY")
    if scaled.size and not kind.plausible_low <= value <= kind.plausible_high:
        value, error = math.nan, math.nan
        quality.insert(0, "IMPLAUSIBLE")
    attrs = {
        "biomarker": name,
        "units": kind.unit,
        "long_name": offer.method,
        "method": offer.method,
        "references": REFERENCES,
        "standard_error": error,
        "n": int(scaled.size),
        "coverage": scaled.size / len(features),
        "quality": " ".join(quality),
    }
    return xr.DataArray(value, attrs=attrs)
