"""Resting blood pressure: mean of readings, treatment rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from allostat.biomarkers import Biomarker
from allostat.errors import InputError
from allostat.medications import taken
from allostat.tables import BloodPressureReading, LabRow
from allostat.units import ucum

TREATED_MMHG = {"sbp": 10.0, "dbp": 5.0}
"""Added to the mean of a person who takes an antihypertensive."""
DROPPED = 1


@dataclass(frozen=True, slots=True)
class PressureMean:
    """Mean of one pressure: readings used, standard deviation (NaN with one), its standard error."""

    mean: float
    sd: float
    standard_error: float
    n: int


def blood_pressure(
    readings: Sequence[BloodPressureReading],
    *,
    participant: str = "",
    occasion: str = "1",
    medications: Sequence[str] = (),
) -> list[Biomarker]:
    """Systolic and diastolic pressure of one participant on one occasion.

    Mean of the readings in order of time; the first is dropped when there are three or more. With one reading the value
    stands with ``SINGLE_READING``. When ``medications`` hold an antihypertensive, 10 mmHg (systolic) and 5 mmHg
    (diastolic) are added to the mean, once, and ``TREATED_PLUS_10`` or ``TREATED_PLUS_5`` says so.

    Raises
    ------
    InputError
        No readings, or readings of several participants.
    """
    if not readings:
        raise InputError("no blood pressure readings")
    people = sorted({r.participant for r in readings})
    if len(people) > 1:
        raise InputError("blood pressure of several participants", found=", ".join(people))
    ordered = sorted(readings, key=lambda r: r.measured_at.time_ns if r.measured_at else 0)
    kept = ordered[DROPPED:] if len(ordered) >= 3 else ordered
    treatment = taken(medications, "antihypertensive")
    rows = []
    for name in ("sbp", "dbp"):
        one = _mean([getattr(r, name) for r in kept])
        added = TREATED_MMHG[name] if treatment else 0.0
        quality = ["SINGLE_READING"] if one.n == 1 else []
        if treatment:
            quality.append(f"TREATED_PLUS_{added:g}")
        rows.append(
            Biomarker(
                participant=participant or people[0],
                biomarker=name,
                value=one.mean + added,
                unit="mm[Hg]",
                occasion=occasion,
                standard_error=one.standard_error,
                n=one.n,
                quality=tuple(quality),
                provenance=_account(len(ordered), one, added, treatment),
            )
        )
    return rows


def readings_from_labs(rows: Sequence[LabRow]) -> list[BloodPressureReading]:
    """Readings from laboratory rows of analytes ``sbp`` and ``dbp`` that share their time (or their sample name).

    Raises
    ------
    InputError
        A systolic value without its diastolic one or the reverse, two values for one reading, a pressure that is not in
        mmHg.
    """
    pairs: dict[tuple[str, int | None, str], dict[str, LabRow]] = {}
    for row in rows:
        if math.isnan(row.value):
            continue
        if row.unit != ucum("mmHg"):
            raise InputError("blood pressure in another unit", where=row.where, found=row.unit, expected="mmHg")
        time_ns = row.collected_at.time_ns if row.collected_at is not None else None
        pair = pairs.setdefault((row.occasion, time_ns, row.sample), {})
        if row.analyte in pair:
            raise InputError(
                "two values for one blood pressure reading",
                where=row.where,
                found=f"line {pair[row.analyte].line} too",
                expected="another collected_at or sample for each reading",
            )
        pair[row.analyte] = row
    readings = []
    for pair in pairs.values():
        first = next(iter(pair.values()))
        if set(pair) != {"sbp", "dbp"}:
            raise InputError(
                "blood pressure reading without its other half", where=first.where, found=", ".join(sorted(pair)),
                expected="sbp and dbp rows with one collected_at",
            )  # fmt: skip
        readings.append(
            BloodPressureReading(
                first.participant,
                pair["sbp"].value,
                pair["dbp"].value,
                measured_at=first.collected_at,
                occasion=first.occasion,
                line=first.line,
                where=first.where,
            )
        )
    return readings


def _mean(values: Sequence[float]) -> PressureMean:
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return PressureMean(mean, math.nan, math.nan, n)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return PressureMean(mean, sd, sd / math.sqrt(n), n)


def _account(found: int, one: PressureMean, added: float, treatment: Sequence[str]) -> str:
    text = f"mean of {one.n} of {found} readings"
    if not math.isnan(one.sd):
        text += f", SD {one.sd:.2f} mmHg"
    if treatment:
        text += f", {added:g} mmHg added for {', '.join(treatment)}"
    return text
