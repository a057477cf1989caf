"""High-sensitivity C-reactive protein: detection limit, acute values, repeated draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.biomarkers import Biomarker
from allostat.errors import InputError
from allostat.tables import LabRow
from allostat.units import conversion_factor

ACUTE_MG_L = 10.0
"""Above this a value speaks of acute inflammation: disregard and repeat (Pearson 2003,
10.1161/01.CIR.0000052939.59093.45)."""


def hs_crp(rows: Sequence[LabRow], *, participant: str = "", occasion: str = "1") -> Biomarker:
    """hs-CRP of one participant on one occasion in mg/L.

    Parameters
    ----------
    rows
        Draws of analyte ``hs_crp``. Rows of analyte ``crp`` (not high sensitivity) are refused as a value and leave the
        code ``CRP_NOT_HS``.

    Returns
    -------
    Biomarker
        Geometric mean of the valid draws with the standard error of its logarithm (NaN with one draw). Below the limit
        of detection: LOD/sqrt(2) and ``BELOW_LOD``. Above 10 mg/L: left out, ``CRP_ACUTE``; NaN when nothing is left.

    Raises
    ------
    InputError
        No rows, another analyte, draws of several assays.
    UnitError
        A unit that mg/L cannot be computed from (molar units: the molar mass depends on the calibrator).
    """
    if not rows:
        raise InputError("no hs-CRP rows")
    for row in rows:
        if row.analyte not in ("hs_crp", "crp"):
            raise InputError("not C-reactive protein", where=row.where, found=row.analyte, expected="hs_crp")
    who = participant or rows[0].participant
    quality: list[str] = []
    draws = [r for r in rows if r.analyte == "hs_crp"]
    if len(draws) < len(rows):
        quality.append("CRP_NOT_HS")
    assays = sorted({r.assay for r in draws if r.assay and not math.isnan(r.value)})
    if len(assays) > 1:
        raise InputError(
            "hs-CRP of several assays", where=draws[0].where, found=", ".join(assays), expected="one assay"
        )
    logs = []
    for row in draws:
        value, code = _draw(row)
        if code and code not in quality:
            quality.append(code)
        if not math.isnan(value):
            logs.append(math.log(value))
    return Biomarker(
        participant=who,
        biomarker="hs_crp",
        value=math.exp(math.fsum(logs) / len(logs)) if logs else math.nan,
        unit="mg/L",
        occasion=occasion,
        standard_error=_standard_error(logs),
        n=len(logs),
        coverage=len(logs) / len(draws) if draws else 0.0,
        quality=tuple(quality),
        provenance="geometric mean of draws; LOD/sqrt(2); above 10 mg/L left out; " + _lines(rows),
    )


def _draw(row: LabRow) -> tuple[float, str]:
    """Value in mg/L, NaN when it does not count, and the reason code."""
    if math.isnan(row.value):
        return math.nan, "VALUE_MISSING"
    value = row.value * conversion_factor(row.unit, "mg/L", analyte="hs_crp", where=row.where)
    if row.operator == "<":
        if value > ACUTE_MG_L:
            return math.nan, "LOD_ABOVE_ACUTE_LIMIT"
        return value / math.sqrt(2.0), "BELOW_LOD"
    if value > ACUTE_MG_L:
        return math.nan, "CRP_ACUTE"
    if row.operator == ">":
        return math.nan, "ABOVE_ASSAY_RANGE"
    return value, ""


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def _lines(rows: Sequence[LabRow]) -> str:
    lines = [str(r.line) for r in rows if r.line]
    return f"{rows[0].file or 'rows'} line {', '.join(lines)}" if lines else "rows without a file"
