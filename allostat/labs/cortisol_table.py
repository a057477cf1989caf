"""Cortisol samples of many persons as one table, cleaned by the same rules as those of one person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.cortisol_day import AWAKENING_RESPONSE_MIN, WAKING_SAMPLE_MIN
from allostat.labs.cortisol_rules import CortisolSettings, calibration_of, refuse_mixed_assays
from allostat.labs.cortisol_samples import EARLIEST_SAMPLE_MIN, LONGEST_DAY_H
from allostat.labs.cortisol_units import refuse_suspect_unit
from allostat.units import conversion_factor, ucum

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CohortSamples:
    """Usable samples in order of person, day and time.

    Parameters
    ----------
    participants
        Every participant of the table, also those without a usable sample, sorted.
    person, day
        Per sample: number of the participant, and of the day through all participants; both count up from 0. A
        participant without a usable sample has no number among them.
    of_person
        Index into ``participants`` of each number in ``person``.
    hours, ln_cortisol
        Hours since actual waking; ln nmol/L.
    in_response
        Whether the sample belongs to the awakening response (up to 60 min after waking, not the waking sample).
    covariates
        Columns of the table that were asked for, as they are.
    specimen, assay
        Of all samples.
    left_out
        How many samples were not used, by reason.
    """

    participants: tuple[str, ...]
    of_person: Ints
    person: Ints
    day: Ints
    hours: Floats
    ln_cortisol: Floats
    in_response: NDArray[np.bool_]
    covariates: pd.DataFrame
    specimen: str
    assay: str
    left_out: Mapping[str, int]


def samples_table(results: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Samples of several `allostat.cortisol` results as one table for `cortisol_mixed`.

    Parameters
    ----------
    results
        Result of each participant.

    Returns
    -------
    DataFrame
        ``participant_id``, ``day``, ``hours_since_waking``, ``value`` (as used, NaN where it is not), ``unit``,
        ``specimen``, ``assay``, and the covariates that the samples themselves tell: ``wake_hour`` and ``weekday``
        (``weekend`` on Saturday and Sunday).
    """
    import pandas as pd

    parts = []
    for participant, result in results.items():
        at = result["sample_day"].to_numpy().astype(np.int64) - 1
        days = result["date"].to_numpy()[at]
        # 1970-01-01 was a Thursday, day 3 of a week that begins on Monday
        weekend = np.where((days + 3) % 7 >= 5, "weekend", "weekday").astype(object)
        weekend[np.isnan(days)] = None
        parts.append(
            pd.DataFrame(
                {
                    "participant_id": participant,
                    "day": at + 1,
                    "hours_since_waking": result["hours_since_waking"].to_numpy(),
                    "value": result["concentration"].to_numpy(),
                    "unit": "nmol/L",
                    "specimen": result.attrs["specimen"],
                    "assay": result.attrs["assay"],
                    "wake_hour": result["wake_hour"].to_numpy()[at],
                    "weekday": weekend,
                }
            )
        )
    if not parts:
        raise InputError("no cortisol results")
    return pd.concat(parts, ignore_index=True)


def cohort_samples(table: pd.DataFrame, covariates: Sequence[str], settings: CortisolSettings) -> CohortSamples:
    """Usable samples of a table; see `allostat.labs.cortisol_mixed` for its columns.

    Raises
    ------
    InputError
        A column is missing, specimens or assays are mixed, or a value is not above zero.
    UnitError
        A unit is unknown or contradicts its values.
    """
    frame = _named(table, covariates)
    specimen, assay = _one_kind(frame, settings)
    hours = _hours(frame)
    values = _concentrations(frame, specimen, settings)
    _refuse_suspect_units(frame, hours, specimen)
    checks = (
        ("no_time", np.isnan(hours)),
        ("before_waking", hours < -EARLIEST_SAMPLE_MIN / 60.0),
        ("later_than_20_h", hours > LONGEST_DAY_H),
        ("no_value", np.isnan(values)),
        ("covariate_missing", frame[list(covariates)].isna().to_numpy().any(axis=1)),
    )
    keep = np.ones(len(frame), dtype=bool)
    left_out: dict[str, int] = {}
    for reason, bad in checks:
        left_out[reason] = int((keep & bad).sum())
        keep &= ~bad
    who, labels = (
        frame["participant_id"].astype(str).to_numpy(),
        tuple(sorted(set(frame["participant_id"].astype(str)))),
    )
    number = np.searchsorted(np.array(labels), who)
    of_day = np.unique(frame["day"].astype(str).to_numpy(), return_inverse=True)[1]
    at = np.flatnonzero(keep)
    at = at[np.lexsort((hours[at], of_day[at], number[at]))]
    of_person, person = np.unique(number[at], return_inverse=True)
    changes = (np.diff(number[at], prepend=-1) != 0) | (np.diff(of_day[at], prepend=-1) != 0)
    return CohortSamples(
        labels,
        of_person.astype(np.int64),
        person.astype(np.int64),
        (np.cumsum(changes) - 1).astype(np.int64),
        hours[at],
        np.log(values[at]),
        _in_response(hours[at], changes),
        frame.iloc[at][list(covariates)].reset_index(drop=True),
        specimen,
        assay,
        left_out,
    )


def _named(table: pd.DataFrame, covariates: Sequence[str]) -> pd.DataFrame:
    """The table under the names that are expected, with every column that is needed."""
    frame = table.reset_index(drop=True)
    if "participant_id" not in frame and "participant" in frame:
        frame = frame.rename(columns={"participant": "participant_id"})
    for column in ("participant_id", "day", "value", "unit", "specimen", *covariates):
        if column not in frame:
            raise InputError(
                "a table of cortisol samples lacks a column", found=", ".join(map(str, frame.columns)), expected=column
            )
    for column in ("participant_id", "day"):
        if bool(frame[column].isna().any()):
            row = int(np.flatnonzero(frame[column].isna())[0])
            raise InputError(f"a cortisol sample without its {column}", where=f"row {row + 1}")
    if frame.empty:
        raise InputError("no cortisol samples")
    for column in ("value", "hours_since_waking"):
        if column in frame:
            frame[column] = _numbers(frame[column], column)
    return frame


def _numbers(cells: pd.Series, column: str) -> Floats:
    """A column of numbers; what is none is told with its row."""
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(np.isinf(numbers) | (np.isnan(numbers) & cells.notna().to_numpy()))
    if bad.size:
        raise InputError(
            "not a number in a table of cortisol samples", where=f"row {int(bad[0]) + 1}, column {column}",
            found=cells.iloc[int(bad[0])],
        )  # fmt: skip
    return numbers


def _one_kind(frame: pd.DataFrame, settings: CortisolSettings) -> tuple[str, str]:
    measured = frame["value"].notna()
    specimens = sorted({"" if _absent(s) else str(s) for s in frame.loc[measured, "specimen"].unique()})
    if len(specimens) > 1 or specimens == [""]:
        raise InputError(
            "cortisol of several specimens in one model" if len(specimens) > 1 else "cortisol needs its specimen",
            found=", ".join(specimens), expected="one: saliva and serum are not interchangeable",
        )  # fmt: skip
    assays = [str(a) for a in frame["assay"].dropna().unique()] if "assay" in frame else []
    return specimens[0] if specimens else "", refuse_mixed_assays(assays, settings.calibrations)


def _hours(frame: pd.DataFrame) -> Floats:
    """Hours since waking, given or from two columns of instants."""
    import pandas as pd

    if "hours_since_waking" in frame:
        return frame["hours_since_waking"].to_numpy(dtype=np.float64)
    if "collected_at" not in frame or "wake_time" not in frame:
        raise InputError(
            "a table of cortisol samples lacks the time since waking", found=", ".join(map(str, frame.columns)),
            expected="hours_since_waking, or collected_at and wake_time",
        )  # fmt: skip
    try:
        moments = [pd.to_datetime(frame[column], utc=False) for column in ("collected_at", "wake_time")]
        away = (moments[0] - moments[1]).dt.total_seconds()
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            "collected_at and wake_time are no instants of one kind", found=str(error),
            expected="ISO times or datetimes, all with one UTC offset or all without",
        ) from error  # fmt: skip
    return np.asarray(away.to_numpy(dtype=np.float64) / 3600.0, dtype=np.float64)


def _concentrations(frame: pd.DataFrame, specimen: str, settings: CortisolSettings) -> Floats:
    """Values to use in nmol/L, by the same rules as for one person."""
    raw = frame["value"].to_numpy(dtype=np.float64)
    if bool((raw <= 0).any()):
        row = int(np.flatnonzero(raw <= 0)[0])
        raise InputError(
            "cortisol is above zero", where=f"row {row + 1}", found=raw[row], expected="operator '<' below the limit"
        )
    values = raw * _factors(frame)
    if "operator" in frame:
        operator = frame["operator"].fillna("").astype(str).to_numpy()
        values = np.where(operator == "<", values / math.sqrt(2.0), np.where(operator == ">", math.nan, values))
    if "assay" in frame and settings.calibrations:
        for name in frame["assay"].dropna().unique():
            line = calibration_of(str(name), settings.calibrations)
            if line is not None:
                mine = np.flatnonzero((frame["assay"] == name).to_numpy() & ~np.isnan(values))
                values[mine] = [line.apply(v)[0] for v in values[mine]]
    if specimen == "saliva":
        values = np.array([v if math.isnan(v) else settings.outliers.apply(v)[0] for v in values.tolist()])
    return np.asarray(values, dtype=np.float64)


def _factors(frame: pd.DataFrame) -> Floats:
    """Factor of each row's unit to nmol/L; NaN for a missing value without a unit."""
    factors = np.full(len(frame), math.nan)
    missing = frame["value"].isna().to_numpy()
    for unit in frame["unit"].unique():
        if _absent(unit):
            bad = np.flatnonzero(frame["unit"].isna().to_numpy() & ~missing)
            if bad.size:
                ucum("", where=f"row {int(bad[0]) + 1}")
            continue
        code = ucum(str(unit), where="cortisol samples")
        factors[(frame["unit"] == unit).to_numpy()] = conversion_factor(code, "nmol/L", analyte="cortisol")
    return factors


def _refuse_suspect_units(frame: pd.DataFrame, hours: Floats, specimen: str) -> None:
    """Each participant is judged by the median of the samples up to 60 min after waking."""
    nmol_l = frame["value"].to_numpy(dtype=np.float64) * _factors(frame)
    morning = (hours <= AWAKENING_RESPONSE_MIN / 60.0) & ~np.isnan(nmol_l)
    parts = frame.loc[morning, ["participant_id"]].assign(
        value=nmol_l[morning], unit=[ucum(str(u)) for u in frame.loc[morning, "unit"]]
    )
    medians = parts.groupby(["participant_id", "unit"])["value"].median().reset_index()
    for who, unit, value in zip(medians["participant_id"], medians["unit"], medians["value"], strict=True):
        refuse_suspect_unit(specimen, {str(unit)}, float(value), where=f"participant {who}")


def _in_response(hours: Floats, day_begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Samples up to 60 min after waking, but for the first of the day when it lies near waking."""
    waking = day_begins & (np.abs(hours) <= WAKING_SAMPLE_MIN / 60.0)
    return (hours > 0) & (hours <= AWAKENING_RESPONSE_MIN / 60.0) & ~waking


def _absent(cell: Any) -> bool:
    return cell is None or cell != cell
