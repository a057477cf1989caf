"""Cortisol: diurnal slope, areas and awakening response per day, and what the person's days offer to waist 2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import UnitError
from allostat.labs.cortisol_day import DayFeatures, DayReason, day_features, half_life_h, percent_per_hour
from allostat.labs.cortisol_samples import CortisolDay, Wake, collect_days
from allostat.tables import LabRow

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DAYS_WANTED = 3
MORNING_NMOL_L: Mapping[str, tuple[float, float]] = {
    "saliva": (5.0, 25.0),
    "serum": (138.0, 690.0),
    "plasma": (138.0, 690.0),
}
"""Where the median of waking samples lies, in nmol/L: the test of a declared unit against its sibling."""

_REFERENCES = "10.1016/j.psyneuen.2009.06.011 10.1016/S0306-4530(02)00108-7 10.1016/j.psyneuen.2015.10.010"
_NMOL_PER_UG_DL = 1e4 / 362.46
_DAY_VARIABLES: Mapping[str, tuple[str, str]] = {
    "slope_ln": ("ln(nmol/L)/h", "slope of ln cortisol on hours since waking, awakening response left out"),
    "slope_se": ("ln(nmol/L)/h", "standard error of slope_ln within the day"),
    "intercept_ln": ("ln(nmol/L)", "ln cortisol at waking, from the fit"),
    "slope_raw": ("nmol/L/h", "slope of cortisol on hours since waking"),
    "slope_wb": ("ln(nmol/L)/h", "waking to bedtime slope of ln cortisol"),
    "slope_wb_raw": ("nmol/L/h", "waking to bedtime slope"),
    "slope_pb": ("ln(nmol/L)/h", "peak to bedtime slope of ln cortisol"),
    "aucg": ("nmol/L.min", "area under all samples of the day with respect to ground"),
    "auci": ("nmol/L.min", "area under all samples of the day with respect to the first"),
    "mninc": ("nmol/L", "awakening response: mean increase"),
    "car_peak_inc": ("nmol/L", "awakening response: peak increase"),
    "car_aucg": ("nmol/L.min", "awakening response: area with respect to ground"),
    "car_auci": ("nmol/L.min", "awakening response: area with respect to the first sample"),
}


def cortisol(
    samples: pd.DataFrame | Sequence[LabRow],
    *,
    wake: Wake = (),
    timezone: str | None = None,
) -> xr.Dataset:
    """Features of each day of cortisol samples, and the person's values offered to waist 2.

    Parameters
    ----------
    samples
        Rows of one participant: `LabRow`, or a DataFrame with ``collected_at``, ``value``, ``unit``, ``specimen`` and,
        optional, ``operator``, ``assay``, ``day``, ``sample``. Units may differ from row to row; each is converted.
    wake
        Actual awakenings: diary days, instants, or a mapping from date to instant. A sample belongs to the last
        awakening before it, within 20 h; without one its day has no features (``CORTISOL_TIME_MISSING``).
    timezone
        Zone in which naive local times are placed.

    Returns
    -------
    xr.Dataset
        Per ``day``: ``slope_ln`` with ``slope_se``, ``slope_raw``, ``slope_wb``, ``slope_pb``, ``percent_per_hour``,
        ``half_life``, ``aucg``, ``auci``, ``mninc``, ``car_peak_inc``, ``n``, ``reasons``. Per ``sample``:
        ``concentration``, ``hours_since_waking``, its day and whether the slope used it. Scalars ``cortisol_slope``,
        ``cortisol_aucg`` and ``cortisol_car``: means over days with their standard errors.

    Raises
    ------
    InputError
        Two assays or two specimens in one series, no samples, a value of 0 or less.
    UnitError
        Values that contradict their declared unit and fit its sibling (``UNIT_SUSPECT``); they are never rescaled.

    Notes
    -----
    Below the limit of detection: LOD/sqrt(2). Saliva above 60 nmol/L: NaN and flagged (a convention). Two samples of
    one instant (duplicate assay) count with their mean.
    """
    days = collect_days(samples, wake, timezone)
    _refuse_suspect_units(days)
    features = [day_features(d.minutes, d.values) for d in days]
    return _dataset(days, features)


def _refuse_suspect_units(days: Sequence[CortisolDay]) -> None:
    """Raise when waking values lie outside of their range as declared and inside of it in the sibling unit.

    Each day is judged by its samples up to 60 min after waking; days without a wake time by their highest sample.
    """
    for day in days:
        if day.specimen not in MORNING_NMOL_L:
            continue
        low, high = MORNING_NMOL_L[day.specimen]
        morning = day.reported[day.minutes <= 60] if day.wake is not None else day.reported
        morning = morning[~np.isnan(morning)]
        if not morning.size:
            continue
        typical = float(np.median(morning)) if day.wake is not None else float(morning.max())
        for unit, sibling, as_sibling in (
            ("nmol/L", "ug/dL", typical * _NMOL_PER_UG_DL),
            ("ug/dL", "nmol/L", typical / _NMOL_PER_UG_DL),
        ):
            if unit in day.units and not low <= typical <= high and low <= as_sibling <= high:
                shown = typical if unit == "nmol/L" else typical / _NMOL_PER_UG_DL
                raise UnitError(
                    f"{day.specimen} cortisol is implausible in {unit} and plausible in {sibling} (UNIT_SUSPECT)",
                    where=day.where,
                    found=f"morning value {shown:.3g} {unit}",
                    expected=f"{low:g} to {high:g} nmol/L at waking; correct the unit column",
                )


def _dataset(days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> xr.Dataset:
    import xarray as xr

    data: dict[str, xr.DataArray] = {}
    for name, (unit, long_name) in _DAY_VARIABLES.items():
        values = np.array([getattr(f, name) for f in features], dtype=np.float64)
        data[name] = _variable("day", values, unit, long_name)
    slopes = data["slope_ln"].to_numpy()
    data["percent_per_hour"] = _variable(
        "day", np.array([percent_per_hour(s) for s in slopes]), "%/h", "change of cortisol per hour"
    )
    data["half_life"] = _variable("day", np.array([half_life_h(s) for s in slopes]), "h", "half-life of cortisol")
    for name, counts, long_name in (
        ("n", [f.n for f in features], "samples with a value"),
        ("n_slope", [f.n_slope for f in features], "samples that the slope used"),
    ):
        data[name] = _variable("day", np.array(counts, dtype=np.int32), "1", long_name)
    reasons = [int(f.reasons | d.reasons) for f, d in zip(features, days, strict=True)]
    data["reasons"] = xr.DataArray(
        np.array(reasons, dtype=np.int16), dims="day", attrs=_mask_attrs("what is known of the day")
    )
    data["wake_hour"] = _variable(
        "day", np.array([math.nan if d.wake is None else d.wake.wall_hour for d in days]), "h", "wake time, local clock"
    )
    data.update(_sample_variables(days, features))
    data.update(_person_variables(days, features))
    coords = {
        "day": ("day", np.arange(1, len(days) + 1, dtype=np.int32), {"long_name": "day of sampling"}),
        "date": ("day", _dates(days), {"units": "days since 1970-01-01", "long_name": "local date"}),
        "sample": ("sample", np.arange(1, len(data["concentration"]) + 1, dtype=np.int32), {"long_name": "sample"}),
    }
    attrs = {
        "specimen": days[0].specimen,
        "assay": days[0].assay,
        "units_found": " ".join(sorted({u for d in days for u in d.units})),
        "references": _REFERENCES,
        "method": "hours since actual waking; slope without samples 0 < t <= 60 min; LOD/sqrt(2)",
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _variable(dim: str, values: NDArray[Any], unit: str, long_name: str) -> xr.DataArray:
    import xarray as xr

    attrs = {"units": unit, "long_name": long_name, "references": _REFERENCES}
    return xr.DataArray(values, dims=dim, attrs=attrs)


def _mask_attrs(long_name: str) -> dict[str, object]:
    masks = np.array([int(r) for r in DayReason], dtype=np.int16)
    return {"long_name": long_name, "flag_masks": masks, "flag_meanings": " ".join(str(r.name) for r in DayReason)}


def _dates(days: Sequence[CortisolDay]) -> NDArray[Any]:
    start = date(1970, 1, 1).toordinal()
    return np.array([math.nan if d.date is None else d.date.toordinal() - start for d in days], dtype=np.float64)


def _sample_variables(days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> dict[str, xr.DataArray]:
    import xarray as xr

    which = np.concatenate([np.full(len(d.values), i + 1, dtype=np.int32) for i, d in enumerate(days)])
    used = np.concatenate([f.used_in_slope for f in features]).astype(np.int8)
    flags = np.concatenate([d.flags for d in days]).astype(np.int16)
    yes_no = {"long_name": "whether the slope used it", "flag_values": np.array([0, 1], np.int8)}
    return {
        "concentration": _variable("sample", np.concatenate([d.values for d in days]), "nmol/L", "cortisol, as used"),
        "reported": _variable("sample", np.concatenate([d.reported for d in days]), "nmol/L", "cortisol, as reported"),
        "hours_since_waking": _variable(
            "sample", np.concatenate([d.minutes for d in days]) / 60.0, "h", "time since actual waking"
        ),
        "sample_day": xr.DataArray(which, dims="sample", attrs={"long_name": "day of the sample"}),
        "used_in_slope": xr.DataArray(used, dims="sample", attrs={**yes_no, "flag_meanings": "left_out used"}),
        "sample_reasons": xr.DataArray(flags, dims="sample", attrs=_mask_attrs("what is known of the sample")),
    }


def _person_variables(days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> dict[str, xr.DataArray]:
    every = DayReason(0)
    for day, one in zip(days, features, strict=True):
        every |= day.reasons | one.reasons
    return {
        "cortisol_slope": _offer(
            [f.slope_ln for f in features], "cortisol_slope", "ln(nmol/L)/h", every, (-0.6, 0.3),
            "mean over days of the slope of ln cortisol on hours since waking",
        ),
        "cortisol_aucg": _offer(
            [math.log(f.aucg) if f.aucg > 0 else math.nan for f in features], "cortisol_aucg", "nmol/L.min", every,
            (10.0, 1e5), "geometric mean over days of the area with respect to ground", exponentiate=True,
        ),
        "cortisol_car": _offer(
            [f.car_peak_inc for f in features], "cortisol_car", "nmol/L", every, (-60.0, 60.0),
            "mean over days of the peak increase after waking",
        ),
    }  # fmt: skip


def _offer(
    per_day: Sequence[float],
    biomarker: str,
    unit: str,
    reasons: DayReason,
    plausible: tuple[float, float],
    method: str,
    *,
    exponentiate: bool = False,
) -> xr.DataArray:
    """A scalar for waist 2: mean over the days that have a value, standard error from their spread."""
    import xarray as xr

    values = np.array([v for v in per_day if not math.isnan(v)])
    mean = float(values.mean()) if values.size else math.nan
    error = float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else math.nan
    value = math.exp(mean) if exponentiate and values.size else mean
    quality = [str(r.name) for r in DayReason if r in reasons and _concerns(r, biomarker)]
    if values.size < DAYS_WANTED:
        quality.insert(0, "FEW_DAYS" if values.size else "NO_VALID_DAY")
    if values.size and not plausible[0] <= value <= plausible[1]:
        value, error = math.nan, math.nan
        quality.insert(0, "IMPLAUSIBLE")
    attrs = {
        "biomarker": biomarker,
        "units": unit,
        "long_name": method,
        "method": method,
        "references": _REFERENCES,
        "standard_error": error,
        "n": int(values.size),
        "coverage": values.size / len(per_day),
        "quality": " ".join(quality),
    }
    return xr.DataArray(value, attrs=attrs)


def _concerns(reason: DayReason, biomarker: str) -> bool:
    """Whether a day's reason says anything about a person's value."""
    of_response = DayReason.CAR_NOT_SAMPLED | DayReason.CAR_START_DELAYED
    of_slope = DayReason.NO_EVENING_SAMPLE | DayReason.FEW_SAMPLES | DayReason.NO_WAKING_SAMPLE
    match biomarker:
        case "cortisol_slope":
            return not reason & of_response
        case "cortisol_car":
            return not reason & of_slope
        case _:
            return not reason & (of_response | of_slope)
