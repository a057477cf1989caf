"""Draws of one analyte: units, limits of detection, one assay and one specimen, the mean of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from allostat.biomarkers import BiomarkerKind, refuse_implausible
from allostat.errors import InputError
from allostat.tables import LabRow
from allostat.units import converted

LodRule = Literal["sqrt2", "half", "missing"]
"""What stands for a value below the limit of detection: the limit over the root of two, half of it, or nothing."""
AboveRule = Literal["missing", "limit"]
"""What stands for a value above the assay's range: nothing, or the upper limit (which is too low)."""

BELOW_LOD, ABOVE_RANGE, VALUE_MISSING = "BELOW_LOD", "ABOVE_ASSAY_RANGE", "VALUE_MISSING"

_DIVISOR = {"sqrt2": math.sqrt(2.0), "half": 2.0, "missing": math.nan}
_SHARE = {"sqrt2": "LOD/sqrt(2)", "half": "LOD/2", "missing": "below LOD left out"}


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw in the unit of its biomarker: what counts (NaN: nothing), and the reason code (empty: none).

    ``limit`` is the limit of detection or of the range when the laboratory gave only that.
    """

    value: float
    code: str = ""
    limit: float = math.nan
    reported: str = ""
    """What the laboratory wrote, when it is not the value."""


def draw_of(row: LabRow, kind: BiomarkerKind, *, lod: LodRule = "sqrt2", above: AboveRule = "missing") -> Draw:
    """One laboratory row as a draw of a biomarker.

    Raises
    ------
    UnitError
        A unit that does not convert; a value that is implausible as declared (``UNIT_SUSPECT``).
    """
    if math.isnan(row.value):
        return Draw(math.nan, VALUE_MISSING, reported=row.missing_reason)
    value = in_unit_of(row, kind)
    reported = f"{row.operator}{row.value:g} {row.unit}"
    match row.operator:
        case "<":
            # A detection limit may lie below every plausible value.
            return Draw(value / _DIVISOR[lod], BELOW_LOD, value, reported)
        case ">":
            return Draw(value if above == "limit" else math.nan, ABOVE_RANGE, value, reported)
    refuse_implausible(kind, value, written=format(row.value, "g"), unit=_declared(row, kind), where=row.where)
    return Draw(value)


def in_unit_of(row: LabRow, kind: BiomarkerKind) -> float:
    """The value of a row in the unit of a biomarker; urea becomes urea nitrogen through its amount of substance."""
    if row.analyte == "urea":
        amount = converted(row.value, row.unit, "mmol/L", analyte="urea", where=row.where)
        return converted(amount, "mmol/L", kind.unit, analyte=kind.name, where=row.where)
    return converted(row.value, row.unit, kind.unit, analyte=kind.name, where=row.where)


def _declared(row: LabRow, kind: BiomarkerKind) -> str:
    return kind.unit if row.analyte == "urea" else row.unit


def refuse_mixtures(rows: Sequence[LabRow], kind: BiomarkerKind) -> None:
    """Raise `InputError` for draws of several assays or specimens, or of a specimen that the biomarker is not of."""
    valued = [r for r in rows if not math.isnan(r.value)]
    for what, found in (
        ("assays", sorted({r.assay for r in valued if r.assay})),
        ("specimens", sorted({r.specimen for r in valued if r.specimen})),
    ):
        if len(found) > 1:
            raise InputError(
                f"{kind.name} of several {what}", where=valued[0].where, found=", ".join(found),
                expected=f"one of the {what}: values do not compare without a calibration",
            )  # fmt: skip
    for row in valued:
        if kind.specimens and row.specimen and row.specimen not in kind.specimens:
            raise InputError(
                f"{kind.name} is not measured in this specimen", where=row.where, found=row.specimen,
                expected=" or ".join(kind.specimens),
            )  # fmt: skip


def mean_of(values: Sequence[float], kind: BiomarkerKind) -> tuple[float, float]:
    """Mean on the scale of the biomarker's transform (ln: geometric mean) and its standard error on that scale.

    The mean is NaN without values, the standard error with fewer than two.
    """
    if not values:
        return math.nan, math.nan
    scaled = [math.log(v) for v in values] if kind.transform == "ln" else list(values)
    mean = math.fsum(scaled) / len(scaled)
    error = math.nan
    if len(scaled) > 1:
        error = math.sqrt(math.fsum((v - mean) ** 2 for v in scaled) / (len(scaled) - 1) / len(scaled))
    if min(values) == max(values):
        # exp(ln 3) is not 3, and a cut-off at 3 would tell them apart.
        return values[0], error
    return math.exp(mean) if kind.transform == "ln" else mean, error


def account(rows: Sequence[LabRow], draws: Sequence[Draw], kind: BiomarkerKind, lod: LodRule) -> str:
    """What a mean of draws was made of, in one line: kind of mean, assay, specimen, limits as reported, lines."""
    n = sum(not math.isnan(d.value) for d in draws)
    parts = [f"{'geometric mean' if kind.transform == 'ln' else 'mean'} of {n} of {len(rows)} draws"]
    parts += sorted({f"assay {r.assay}" for r in rows if r.assay}) + sorted({r.specimen for r in rows if r.specimen})
    limits = dict.fromkeys(d.reported for d in draws if d.code in (BELOW_LOD, ABOVE_RANGE))
    if limits:
        parts.append(f"reported {', '.join(limits)}")
    if any(d.code == BELOW_LOD for d in draws):
        parts.append(_SHARE[lod])
    lines = [str(r.line) for r in rows if r.line]
    parts.append(f"{rows[0].file or 'rows'} line {', '.join(lines)}" if lines else "rows without a file")
    return "; ".join(parts)
