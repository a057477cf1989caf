"""Resting blood pressure and pulse: means of readings, as measured (treatment: `allostat.medication_rules`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from allostat.biomarkers import Biomarker, biomarker_kind
from allostat.errors import InputError
from allostat.tables import BloodPressureReading, LabRow
from allostat.units import converted

DROPPED = 1
"""Readings left out at the beginning when there are three or more."""


@dataclass(frozen=True, slots=True)
class PressureMean:
    """Mean of one pressure: readings used, standard deviation (NaN with one), its standard error."""

    mean: float
    sd: float
    standard_error: float
    n: int


def blood_pressure(
    readings: Sequence[BloodPressureReading], *, participant: str = "", occasion: str = "1"
) -> list[Biomarker]:
    """Systolic and diastolic pressure of one participant on one occasion, as measured.

    Mean of the readings in order of time; the first is dropped when there are three or more. With one reading the value
    stands with ``SINGLE_READING``. The readings that count are kept as ``repeats``, in order of time.

    Raises
    ------
    InputError
        No readings, readings of several participants, or ambulatory ones.
    """
    kept, found = _counted(readings)
    rows = []
    for name in ("sbp", "dbp"):
        values = tuple(float(getattr(r, name)) for r in kept)
        one = _mean(values)
        rows.append(
            Biomarker(
                participant=participant or kept[0].participant,
                biomarker=name,
                value=one.mean,
                unit="mm[Hg]",
                occasion=occasion,
                standard_error=one.standard_error,
                n=one.n,
                quality=("SINGLE_READING",) if one.n == 1 else (),
                provenance=_account(found, one),
                repeats=values,
            )
        )
    return rows


def resting_pulse(
    readings: Sequence[BloodPressureReading], *, participant: str = "", occasion: str = "1"
) -> Biomarker | None:
    """Pulse rate that a cuff gave beside its resting pressures; None when it gave none.

    The same readings count as for `blood_pressure`; a rate that no heart has is a failed one and is left out
    (``PULSE_FAILED``).
    """
    kept, found = _counted(readings)
    kind = biomarker_kind("pulse_rest")
    given = [r.pulse for r in kept if not math.isnan(r.pulse)]
    values = tuple(p for p in given if kind.plausible_low <= p <= kind.plausible_high)
    if not values:
        return None
    one = _mean(values)
    quality = (["PULSE_FAILED"] if len(values) < len(given) else []) + (["SINGLE_READING"] if one.n == 1 else [])
    return Biomarker(
        participant=participant or kept[0].participant,
        biomarker=kind.name,
        value=one.mean,
        unit=kind.unit,
        occasion=occasion,
        standard_error=one.standard_error,
        n=one.n,
        quality=tuple(quality),
        context=kind.context,
        provenance=_account(found, one, "/min"),
        repeats=values,
    )


def _counted(readings: Sequence[BloodPressureReading]) -> tuple[list[BloodPressureReading], int]:
    """The readings that count, in order of time, and how many there were."""
    if not readings:
        raise InputError("no blood pressure readings")
    people = sorted({r.participant for r in readings})
    if len(people) > 1:
        raise InputError("blood pressure of several participants", found=", ".join(people))
    for reading in readings:
        if reading.setting:
            raise InputError("not a resting reading", where=reading.where, found=reading.setting, expected="resting")
    ordered = sorted(readings, key=lambda r: r.measured_at.time_ns if r.measured_at else 0)
    return (ordered[DROPPED:] if len(ordered) >= 3 else ordered), len(ordered)


def readings_from_labs(rows: Sequence[LabRow]) -> list[BloodPressureReading]:
    """Readings from laboratory rows of analytes ``sbp`` and ``dbp`` that share their time (or their sample name).

    Raises
    ------
    InputError
        A systolic value without its diastolic one or the reverse, two values for one reading.
    UnitError
        A unit that is none of pressure.
    """
    pairs: dict[tuple[str, int | None, str], dict[str, LabRow]] = {}
    for row in rows:
        if math.isnan(row.value):
            continue
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
                _mmhg(pair["sbp"]),
                _mmhg(pair["dbp"]),
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


def _mmhg(row: LabRow) -> float:
    return converted(row.value, row.unit, "mm[Hg]", analyte=row.analyte, where=row.where)


def _account(found: int, one: PressureMean, unit: str = "mmHg") -> str:
    text = f"mean of {one.n} of {found} readings"
    return text if math.isnan(one.sd) else f"{text}, SD {one.sd:.2f} {unit}"
