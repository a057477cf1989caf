"""Cortisol: diurnal slope, areas and awakening response per day, and what the person's days offer to waist 2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.awakenings import SOURCES, Wake
from allostat.labs.cortisol_day import DEFAULTS, FEATURES, DayFeatures, day_features
from allostat.labs.cortisol_person import REFERENCES, person_variables
from allostat.labs.cortisol_reasons import DayReason, names
from allostat.labs.cortisol_rules import CortisolSettings
from allostat.labs.cortisol_samples import CortisolDay, collect_days
from allostat.labs.cortisol_units import refuse_suspect_unit
from allostat.tables import LabRow

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

RESPONDER_NMOL_L: Mapping[str, float] = {"car_responder": 1.5, "car_responder_strict": 2.5}
"""Peak increase from which on an awakening response counts as one: Miller 2013 and Wuest 2000 (both not verified)."""


def cortisol(
    samples: pd.DataFrame | Sequence[LabRow],
    *,
    wake: Wake = (),
    timezone: str | None = None,
    settings: CortisolSettings = DEFAULTS,
) -> xr.Dataset:
    """Features of each day of cortisol samples, and the person's values offered to waist 2.

    Parameters
    ----------
    samples
        Rows of one participant: `LabRow`, or a DataFrame with ``collected_at``, ``value``, ``unit``, ``specimen`` and,
        optional, ``operator``, ``assay``, ``day``, ``sample``. Units may differ from row to row; each is converted.
    wake
        Actual awakenings: diary days, sleep windows of the wearable, instants, a mapping from date to instant, or what
        `allostat.labs.awakenings` makes of several sources. A sample belongs to the last awakening before it, within
        20 h; without one its day has no features (``CORTISOL_TIME_MISSING``).
    timezone
        Zone in which naive local times are placed.
    settings
        Rules for gaps, outliers, assays and tolerances; the defaults are conservative.

    Returns
    -------
    xr.Dataset
        Per ``day``: ``slope_ln`` with ``slope_se``, ``slope_raw``, ``slope_wb``, ``slope_wb_raw``, ``slope_pb``,
        ``percent_per_hour``, ``half_life``, ``aucg``, ``auci``, ``aucg_per_min``, of the awakening response ``mninc``,
        ``car_peak_inc``, ``car_responder`` (1.5 nmol/L), ``car_responder_strict`` (2.5 nmol/L), ``car_aucg``,
        ``car_auci``; at fixed times ``at_waking``, ``at_half_hour``, ``at_noon``, ``at_evening``, ``at_bedtime``;
        ``n``, ``reasons``, ``wake_hour``, ``awakening_source`` with ``awakening_se``. ``feature_reasons`` (day,
        feature) says why a feature is NaN; `why` spells it out. Per ``sample``: ``concentration``, ``reported``,
        ``hours_since_waking``, its day and whether the slope used it. Scalars ``cortisol_slope``, ``cortisol_aucg``,
        ``cortisol_car``, ``cortisol_aucg_day`` (days from waking to evening only), ``cortisol_waking`` and
        ``cortisol_evening``: means over days with their standard errors.

    Raises
    ------
    InputError
        Two assays (without a calibration) or two specimens in one series, no samples, a value of 0 or less.
    UnitError
        Values that contradict their declared unit and fit its sibling (``UNIT_SUSPECT``); they are never rescaled.

    Notes
    -----
    Below the limit of detection: LOD/sqrt(2). Saliva above 60 nmol/L: NaN and flagged (a convention). Two samples of
    one instant (duplicate assay) count with their mean. 12:00 and 21:00 are hours of the local clock and mean little in
    shift work; all else is anchored on the awakening.
    """
    days = collect_days(samples, wake, timezone, settings)
    _refuse_suspect_units(days)
    return _dataset(days, [_features(day, settings) for day in days], settings)


def why(dataset: xr.Dataset, feature: str, day: int = 0) -> tuple[str, ...]:
    """Reason codes of a feature that is NaN on a day (counted from 0) of a `cortisol` result; empty when it is not."""
    meanings = str(dataset["feature"].attrs["flag_meanings"]).split()
    if feature not in meanings:
        raise InputError("unknown feature of a cortisol day", found=feature, valid=meanings)
    return names(int(dataset["feature_reasons"][day, meanings.index(feature)]))


def _features(day: CortisolDay, settings: CortisolSettings) -> DayFeatures:
    clock = None if bool(np.isnan(day.clock_hours).all()) else day.clock_hours
    error = 0.0 if day.awakening is None else day.awakening.se_min
    return day_features(day.minutes, day.values, clock_hours=clock, awakening_se_min=error, settings=settings)


def _refuse_suspect_units(days: Sequence[CortisolDay]) -> None:
    """Each day is judged by its samples up to 60 min after waking; days without a wake time by their highest sample."""
    for day in days:
        morning = day.reported[day.minutes <= 60] if day.wake is not None else day.reported
        morning = morning[~np.isnan(morning)]
        if morning.size:
            typical = float(np.median(morning)) if day.wake is not None else float(morning.max())
            refuse_suspect_unit(day.specimen, day.units, typical, where=day.where)


def _dataset(days: Sequence[CortisolDay], features: Sequence[DayFeatures], settings: CortisolSettings) -> xr.Dataset:
    import xarray as xr

    data: dict[str, xr.DataArray] = {}
    for name, (unit, long_name) in FEATURES.items():
        data[name] = _variable("day", np.array([f.values[name] for f in features]), unit, long_name)
    for name, minutes in (
        ("at_waking", settings.waking_tolerance_min),
        ("at_half_hour", settings.half_hour_tolerance_min),
        ("at_noon", settings.clock_tolerance_min),
        ("at_evening", settings.clock_tolerance_min),
    ):
        data[name].attrs["tolerance_min"] = minutes
    data |= {name: _responder(features, limit) for name, limit in RESPONDER_NMOL_L.items()}
    for name, counts, long_name in (
        ("n", [f.n for f in features], "samples with a value"),
        ("n_slope", [f.n_slope for f in features], "samples that the slope used"),
    ):
        data[name] = _variable("day", np.array(counts, dtype=np.int32), "1", long_name)
    reasons = [int(f.reasons | d.reasons) for f, d in zip(features, days, strict=True)]
    data["reasons"] = xr.DataArray(
        np.array(reasons, dtype=np.int32), dims="day", attrs=_mask_attrs("what is known of the day")
    )
    why_not = [[int(f.why.get(name, DayReason(0))) for name in FEATURES] for f in features]
    data["feature_reasons"] = xr.DataArray(
        np.array(why_not, dtype=np.int32), dims=("day", "feature"), attrs=_mask_attrs("why a feature of the day is NaN")
    )
    data |= _awakening_variables(days)
    data.update(_sample_variables(days, features))
    data.update(person_variables(days, features))
    coords = {
        "day": ("day", np.arange(1, len(days) + 1, dtype=np.int32), {"long_name": "day of sampling"}),
        "date": ("day", _dates(days), {"units": "days since 1970-01-01", "long_name": "local date"}),
        "sample": ("sample", np.arange(1, len(data["concentration"]) + 1, dtype=np.int32), {"long_name": "sample"}),
        "feature": ("feature", np.arange(len(FEATURES), dtype=np.int8), _feature_attrs()),
    }
    attrs = {
        "specimen": days[0].specimen,
        "assay": days[0].assay,
        "units_found": " ".join(sorted({u for d in days for u in d.units})),
        "references": REFERENCES,
        "method": "hours since actual waking; slope without samples 0 < t <= 60 min; LOD/sqrt(2)",
        "settings": repr(settings),
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _feature_attrs() -> dict[str, object]:
    codes = np.arange(len(FEATURES), dtype=np.int8)
    return {"long_name": "feature of a day", "flag_values": codes, "flag_meanings": " ".join(FEATURES)}


def _responder(features: Sequence[DayFeatures], limit: float) -> xr.DataArray:
    """Whether the awakening response reaches a limit; -1 where it is not known."""
    import xarray as xr

    rises = np.array([f.values["car_peak_inc"] for f in features])
    flags = np.where(np.isnan(rises), -1, rises >= limit).astype(np.int8)
    attrs = {
        "long_name": f"awakening response of {limit:g} nmol/L or more",
        "flag_values": np.array([-1, 0, 1], dtype=np.int8),
        "flag_meanings": "not_known no yes",
        "method": "peak increase against a threshold; a convention, not verified",
        "references": REFERENCES,
    }
    return xr.DataArray(flags, dims="day", attrs=attrs)


def _awakening_variables(days: Sequence[CortisolDay]) -> dict[str, xr.DataArray]:
    """When each day began, which source told it, how precisely, and what another source told."""
    import xarray as xr

    hours = [math.nan if d.wake is None else d.wake.wall_hour for d in days]
    errors = [math.nan if d.awakening is None else d.awakening.se_min for d in days]
    others = [math.nan if d.awakening is None else d.awakening.other_minus_this_min for d in days]
    codes = [-1 if d.awakening is None else SOURCES.index(d.awakening.source) for d in days]
    attrs = {
        "long_name": "what told the awakening",
        "flag_values": np.arange(-1, len(SOURCES), dtype=np.int8),
        "flag_meanings": " ".join(["not_known", *SOURCES]),
    }
    return {
        "wake_hour": _variable("day", np.array(hours), "h", "wake time, local clock"),
        "awakening_source": xr.DataArray(np.array(codes, dtype=np.int8), dims="day", attrs=attrs),
        "awakening_se": _variable("day", np.array(errors), "min", "standard error of the awakening"),
        "awakening_other": _variable("day", np.array(others), "min", "awakening told by another source, less this one"),
    }


def _variable(dim: str, values: NDArray[Any], unit: str, long_name: str) -> xr.DataArray:
    import xarray as xr

    attrs = {"units": unit, "long_name": long_name, "references": REFERENCES}
    return xr.DataArray(values, dims=dim, attrs=attrs)


def _mask_attrs(long_name: str) -> dict[str, object]:
    masks = np.array([int(r) for r in DayReason], dtype=np.int32)
    return {"long_name": long_name, "flag_masks": masks, "flag_meanings": " ".join(str(r.name) for r in DayReason)}


def _dates(days: Sequence[CortisolDay]) -> NDArray[Any]:
    start = date(1970, 1, 1).toordinal()
    return np.array([math.nan if d.date is None else d.date.toordinal() - start for d in days], dtype=np.float64)


def _sample_variables(days: Sequence[CortisolDay], features: Sequence[DayFeatures]) -> dict[str, xr.DataArray]:
    import xarray as xr

    which = np.concatenate([np.full(len(d.values), i + 1, dtype=np.int32) for i, d in enumerate(days)])
    used = np.concatenate([f.used_in_slope for f in features]).astype(np.int8)
    flags = np.concatenate([d.flags for d in days]).astype(np.int32)
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
