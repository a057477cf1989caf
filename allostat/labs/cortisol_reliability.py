"""How reliable each feature of a cortisol day is, and how many days are enough.

Days as what is repeated: Segerstrom et al. 2014, Psychoneuroendocrinology 49:299-309. The statistics are those of
`allostat.reliability`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.cortisol_day import FEATURES
from allostat.reliability import (
    IntraclassCorrelation,
    bootstrap_icc,
    intraclass_correlation,
    repeats_for,
    smallest_real_difference,
    spearman_brown,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]

REFERENCES = "10.1037/0033-2909.86.2.420 10.1037/1082-989X.1.1.30"
RELIABLE_FEATURES = (
    "slope_ln", "slope_raw", "slope_wb", "slope_pb", "aucg", "auci", "mninc", "car_peak_inc", "car_aucg", "car_auci",
    "at_waking", "at_half_hour", "at_noon", "at_evening", "at_bedtime",
)  # fmt: skip
LOGARITHMIC = frozenset({"aucg", "car_aucg", "at_waking", "at_half_hour", "at_noon", "at_evening", "at_bedtime"})
"""Features whose reliability is that of their logarithm: they are above zero and skewed."""


class ReliabilityReason(IntFlag):
    """Why a feature's reliability is not known, or should not be used."""

    FEW_GROUPS = 1
    """Fewer than two persons."""
    NO_REPEATS = 2
    """Fewer than two persons with two or more days."""
    NO_VARIATION = 4
    NEGATIVE = 8
    """Days of one person differ more than persons do: no number of days is enough."""


def cortisol_reliability(
    days: Mapping[str, xr.Dataset] | pd.DataFrame,
    *,
    features: Sequence[str] = RELIABLE_FEATURES,
    reliabilities: Sequence[float] = (0.7, 0.8, 0.9),
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> xr.Dataset:
    """ICC over days of every feature, the reliability of the mean of the days at hand, and how many days are enough.

    Parameters
    ----------
    days
        The `allostat.cortisol` result of each participant; or one row per day with ``participant_id`` and a column for
        each feature.
    features
        Names of day features. Areas and concentrations are taken as logarithms (``scale`` tells).
    reliabilities
        For which the number of days is wanted.
    resamples, seed
        Of the bootstrap over participants.
    confidence
        Of both intervals.

    Returns
    -------
    Dataset
        Per ``feature``: ``icc``, ICC(1), negative estimates as they are; ``icc_low``, ``icc_high`` (F) and
        ``icc_boot_low``, ``icc_boot_high``; ``days_per_person`` and ``reliability``, Spearman-Brown for that many;
        ``sem``, the standard error of measurement of one day; ``smallest_real_difference`` between two single days;
        ``n_participants``, ``n_days``, ``scale`` (0: as it is, 1: logarithm), ``reasons``. Per ``feature`` and
        ``wanted``: ``days_needed``, the smallest number of days whose mean is that reliable; NaN when none is.

    Raises
    ------
    InputError
        No days, or unknown features.
    """
    import xarray as xr

    table = days_table(days) if isinstance(days, Mapping) else days
    _refuse_unknown(table, features)
    who = table["participant_id"].astype(str).to_numpy()
    rows = [_row(_values(table, name), who, reliabilities, resamples, seed, confidence) for name in features]
    sizes = {name: "1" for name in rows[0] if name not in ("sem", "smallest_real_difference", "days_needed")}
    data: dict[str, Any] = {}
    for name, long_name in _LONG_NAMES.items():
        column = np.array([row[name] for row in rows])
        attrs = {"long_name": long_name, "units": sizes.get(name, "of the feature on its scale"),
                 "references": REFERENCES, "method": "one-way analysis of variance over days"}  # fmt: skip
        data[name] = ("feature", column, attrs)
    needed = np.array([row["days_needed"] for row in rows])
    about = {"long_name": "days whose mean is that reliable", "units": "d", "references": REFERENCES,
             "method": "Spearman-Brown, rounded up"}  # fmt: skip
    data["days_needed"] = (("feature", "wanted"), needed, about)
    scale = np.array([int(name in LOGARITHMIC) for name in features], dtype=np.int8)
    data["scale"] = ("feature", scale, {"long_name": "scale of the feature", "flag_values": np.array([0, 1], np.int8),
                                        "flag_meanings": "as_it_is logarithm"})  # fmt: skip
    masks = np.array([int(r) for r in ReliabilityReason], dtype=np.int8)
    data["reasons"] = (
        "feature", np.array([row["reasons"] for row in rows], dtype=np.int8),
        {"long_name": "why there is no reliability", "flag_masks": masks,
         "flag_meanings": " ".join(str(r.name) for r in ReliabilityReason)},
    )  # fmt: skip
    coords = {
        "feature": ("feature", np.array(list(features)), {"long_name": "feature of a cortisol day"}),
        "wanted": ("wanted", np.array(reliabilities, dtype=np.float64), {"long_name": "reliability", "units": "1"}),
    }
    whole: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed, "references": REFERENCES,
             "method": "ICC(1) over days; bootstrap of participants"}  # fmt: skip
    return xr.Dataset(data, coords, whole)


_LONG_NAMES = {
    "icc": "intraclass correlation of a single day, ICC(1)",
    "icc_low": "lower limit of icc, F distribution",
    "icc_high": "upper limit of icc, F distribution",
    "icc_boot_low": "lower limit of icc, bootstrap of participants",
    "icc_boot_high": "upper limit of icc, bootstrap of participants",
    "days_per_person": "days per person, k0",
    "reliability": "reliability of the mean of these days",
    "sem": "standard error of measurement of a single day",
    "smallest_real_difference": "difference between two days that is no noise, 95 %",
    "n_participants": "participants with a value",
    "n_days": "days with a value",
}


def days_table(results: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Days of several `allostat.cortisol` results: ``participant_id``, ``day`` and every feature, one row per day."""
    import pandas as pd

    if not results:
        raise InputError("no cortisol results")
    parts = []
    for participant, result in results.items():
        columns = {name: result[name].to_numpy() for name in FEATURES}
        parts.append(pd.DataFrame({"participant_id": participant, "day": result["day"].to_numpy(), **columns}))
    return pd.concat(parts, ignore_index=True)


def reliability_table(result: xr.Dataset) -> pd.DataFrame:
    """A `cortisol_reliability` result as a table for people: one row per feature, reasons in words."""
    import pandas as pd

    columns: dict[str, Any] = {"feature": result["feature"].to_numpy()}
    columns |= {name: result[name].to_numpy() for name in _LONG_NAMES}
    for i, wanted in enumerate(result["wanted"].to_numpy()):
        columns[f"days_for_{wanted:g}"] = result["days_needed"].to_numpy()[:, i]
    columns["scale"] = np.where(result["scale"].to_numpy() == 1, "ln", "as it is")
    columns["reason"] = [
        " ".join(str(r.name) for r in ReliabilityReason if r & int(mask)) for mask in result["reasons"].to_numpy()
    ]
    return pd.DataFrame(columns)


def _refuse_unknown(table: pd.DataFrame, features: Sequence[str]) -> None:
    if not features:
        raise InputError("no features")
    if "participant_id" not in table or not len(table):
        raise InputError("a table of cortisol days has rows and a column participant_id")
    for name in features:
        if name not in table:
            raise InputError("unknown feature of a cortisol day", found=name, valid=[str(c) for c in table.columns])


def _values(table: pd.DataFrame, feature: str) -> Floats:
    """A feature's values on its scale; a logarithm of nothing above zero is missing."""
    values = table[feature].to_numpy(dtype=np.float64)
    if feature not in LOGARITHMIC:
        return values
    logs = np.full(len(values), math.nan)
    positive = values > 0
    logs[positive] = np.log(values[positive])
    return logs


def _row(
    values: Floats, who: NDArray[Any], reliabilities: Sequence[float], resamples: int, seed: int, confidence: float
) -> dict[str, Any]:
    present = ~np.isnan(values)
    _, counts = np.unique(who[present], return_counts=True)
    found = intraclass_correlation(values, who, confidence=confidence)
    if int((counts >= 2).sum()) < 2 and not found.reason:
        nan = math.nan
        found = IntraclassCorrelation(nan, nan, nan, nan, nan, nan, found.groups, found.n, nan, "NO_REPEATS")
    reasons = ReliabilityReason[found.reason] if found.reason else ReliabilityReason(0)
    if found.icc <= 0:
        reasons |= ReliabilityReason.NEGATIVE
    low, high = math.nan, math.nan
    if not found.reason:
        low, high = bootstrap_icc(values, who, resamples=resamples, seed=seed, confidence=confidence)
    sem = found.sem if not found.reason else math.nan
    return {
        "icc": found.icc,
        "icc_low": found.low,
        "icc_high": found.high,
        "icc_boot_low": low,
        "icc_boot_high": high,
        "days_per_person": found.k0,
        "reliability": spearman_brown(found.icc, found.k0),
        "sem": sem,
        "smallest_real_difference": smallest_real_difference(sem),
        "n_participants": found.groups,
        "n_days": found.n,
        "days_needed": [repeats_for(found.icc, wanted) for wanted in reliabilities],
        "reasons": int(reasons),
    }
