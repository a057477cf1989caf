"""Where a value lies in a norm: percentile and z, with the uncertainty of the value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, Sex, biomarker_kind
from allostat.errors import InputError
from allostat.norms.norm import Norm, NormCell
from allostat.norms.shelf import load_norm

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = "voss2015"
OLDEST_YEARS = 130.0
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Position:
    """A value among the people of a norm.

    Parameters
    ----------
    percentile, percentile_low, percentile_high
        Share in % of the group that lies below the value, and the same at the ends of its interval.
    z, z_standard_error, z_low, z_high
        ``(f(value) - mu) / sigma`` with f the biomarker's transform; the standard error is that of the value over
        sigma. Limits are NaN when the value has no standard error.
    z_norm_error
        Standard error of z from the limited number of people in the cell, ``sqrt(1/n + z^2 / (2 n))``, which comes on
        top and is common to all persons of the group; NaN when n is not stated.
    cell
        The group; None when the norm has none for the person.
    quality
        Reason codes: ``VALUE_MISSING``, ``SEX_MISSING``, ``SEX_OUTSIDE_NORM``, ``AGE_MISSING``, ``AGE_OUTSIDE_NORM``,
        ``SENSOR_DIFFERS`` (no position, or one on request), ``SEXES_POOLED``, ``SECONDARY_NORM``, ``FEW_IN_CELL``
        (fewer than 30 people).
    notices
        Sentences for the reader.
    """

    biomarker: str
    value: float
    unit: str
    context: str
    percentile: float
    percentile_low: float
    percentile_high: float
    z: float
    z_standard_error: float
    z_low: float
    z_high: float
    z_norm_error: float
    cell: NormCell | None
    norm: str
    version: str
    sha256: str
    references: tuple[str, ...]
    quality: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def position(
    value: float,
    biomarker: str,
    age: float | None = None,
    sex: Sex | None = None,
    norm: Norm | str = DEFAULT,
    *,
    standard_error: float = math.nan,
    context: str | None = None,
    sensor: str | None = None,
    other_sensor: bool = False,
    confidence: float = 0.95,
) -> Position:
    """Percentile and z of a value in a norm.

    Parameters
    ----------
    value
        In the biomarker's unit.
    biomarker
        Its name, as ``rmssd_rest``.
    age
        Years; a norm by age has no position without one, nor outside its ages.
    sex
        ``F``, ``M``; None only where the norm has a group of both sexes.
    norm
        A norm or its name.
    standard_error
        Of the value on the scale of its transform, as waist 2 carries it (of ln RMSSD).
    context
        Where the value was taken in; the biomarker's own context when left out.
    sensor
        ``ecg``, ``ppg``; None: not stated, taken as the norm's.
    other_sensor
        Give the position although the sensor is another, with a notice.
    confidence
        Of the intervals.

    Raises
    ------
    NormContextError
        The value's context is not the norm's; the message names both.
    InputError
        An unknown biomarker or one that the norm does not have, a sex or age that is none, a value that is implausible
        in its unit, a negative standard error.
    ConfigError
        An unknown norm.

    Notes
    -----
    The norm's spread holds differences between people and within a person from day to day alike, so that a median of
    nights or of recordings lies a little nearer to the middle than a single recording does.
    """
    chosen = load_norm(norm) if isinstance(norm, str) else norm
    chosen.check(biomarker, context)
    _check(value, biomarker, age, sex, standard_error, confidence)
    codes: list[str] = []
    notices: list[str] = []
    cell: NormCell | None = None
    found = chosen.cell(biomarker, age, sex)
    if isinstance(found, str):
        codes.append(found)
        notices.append(_SENTENCES[found].format(norm=chosen.name))
    else:
        cell = found
        codes += ["SEXES_POOLED"] * (cell.sex is None) + ["FEW_IN_CELL"] * (cell.n is not None and cell.n < 30)
    if chosen.standing == "secondary":
        codes.append("SECONDARY_NORM")
        notices += list(chosen.notes)
    known = cell is not None
    if math.isnan(value):
        codes.append("VALUE_MISSING")
        known = False
    if sensor is not None and sensor != chosen.sensor:
        codes.append("SENSOR_DIFFERS")
        notices.append(f"value from {sensor}, norm {chosen.name} from {chosen.sensor}: they differ systematically")
        known = known and other_sensor
    z = _z(value, biomarker, cell) if known and cell is not None else math.nan
    z_error = standard_error / cell.sigma if known and cell is not None else math.nan
    wide = _STANDARD.inv_cdf(0.5 + confidence / 2) * z_error
    n = cell.n if known and cell is not None else None
    return Position(
        biomarker=biomarker,
        value=value,
        unit=biomarker_kind(biomarker).unit,
        context=chosen.context,
        percentile=_percent(z),
        percentile_low=_percent(z - wide),
        percentile_high=_percent(z + wide),
        z=z,
        z_standard_error=z_error,
        z_low=z - wide,
        z_high=z + wide,
        z_norm_error=math.sqrt(1 / n + z * z / (2 * n)) if n else math.nan,
        cell=cell,
        norm=chosen.name,
        version=chosen.version,
        sha256=chosen.sha256,
        references=chosen.references,
        quality=tuple(codes),
        notices=tuple(notices),
    )


_SENTENCES = {
    "SEX_MISSING": "norm {norm} is by sex, and the sex is not known",
    "SEX_OUTSIDE_NORM": "norm {norm} has no people of this sex",
    "AGE_MISSING": "norm {norm} is by age, and the age is not known",
    "AGE_OUTSIDE_NORM": "norm {norm} has no people of this age; nothing is extrapolated",
}


def position_of(row: Biomarker, person: Person, norm: Norm | str = DEFAULT, *, other_sensor: bool = False) -> Position:
    """`position` of a row of waist 2, with its standard error and with ``SENSOR_PPG`` of its quality codes."""
    return position(
        row.value, row.biomarker, person.age_years, person.sex, norm, standard_error=row.standard_error,
        context=row.context, sensor="ppg" if "SENSOR_PPG" in row.quality else None, other_sensor=other_sensor,
    )  # fmt: skip


def positions(table: BiomarkerTable, norm: Norm | str = DEFAULT, *, other_sensor: bool = False) -> pd.DataFrame:
    """Positions of all rows of a table whose biomarker the norm has; rows of other biomarkers are left out.

    Returns
    -------
    DataFrame
        ``participant`` ``occasion`` ``biomarker`` ``value`` ``unit`` ``percentile`` ``percentile_low``
        ``percentile_high`` ``z`` ``z_standard_error`` ``group`` ``n`` ``norm`` ``sha256`` ``quality``.
    """
    import pandas as pd

    chosen = load_norm(norm) if isinstance(norm, str) else norm
    records = []
    for row in table.rows:
        if row.biomarker not in chosen.biomarkers:
            continue
        person = table.persons.get(row.participant, Person(row.participant))
        at = position_of(row, person, chosen, other_sensor=other_sensor)
        records.append((
            row.participant, row.occasion, row.biomarker, row.value, row.unit, at.percentile, at.percentile_low,
            at.percentile_high, at.z, at.z_standard_error, "" if at.cell is None else at.cell.group,
            None if at.cell is None else at.cell.n, at.norm, at.sha256, ";".join(at.quality),
        ))  # fmt: skip
    columns = (
        "participant", "occasion", "biomarker", "value", "unit", "percentile", "percentile_low", "percentile_high", "z",
        "z_standard_error", "group", "n", "norm", "sha256", "quality",
    )  # fmt: skip
    return pd.DataFrame.from_records(records, columns=list(columns))


def _z(value: float, biomarker: str, cell: NormCell) -> float:
    scaled = math.log(value) if biomarker_kind(biomarker).transform == "ln" else value
    return (scaled - cell.mu) / cell.sigma


def _percent(z: float) -> float:
    return math.nan if math.isnan(z) else 100 * _STANDARD.cdf(z)


def _check(
    value: float, biomarker: str, age: float | None, sex: Sex | None, standard_error: float, confidence: float
) -> None:
    kind = biomarker_kind(biomarker)
    if sex not in (None, "F", "M"):
        raise InputError("unknown sex", found=sex, expected="F, M or None")
    if age is not None and not math.isnan(age) and not 0 <= age <= OLDEST_YEARS:
        raise InputError("an age in years", found=age, expected=f"0 to {OLDEST_YEARS:g}")
    if not math.isnan(value) and not kind.plausible_low <= value <= kind.plausible_high:
        raise InputError(
            "value is implausible in its unit (UNIT_SUSPECT)",
            where=biomarker,
            found=f"{value:g} {kind.unit}",
            expected=f"{kind.plausible_low:g} to {kind.plausible_high:g}",
        )
    if standard_error < 0 or math.isinf(standard_error):
        raise InputError("a standard error is finite and not below 0", where=biomarker, found=standard_error)
    if not 0 < confidence < 1:
        raise InputError("a confidence lies between 0 and 1", found=confidence)
