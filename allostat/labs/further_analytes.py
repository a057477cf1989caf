"""Analytes that need no rule of their own: unit conversion, detection limit, mean of draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.biomarkers import Biomarker, biomarker_kind
from allostat.errors import InputError
from allostat.tables import LabRow
from allostat.units import conversion_factor


def further_analyte(rows: Sequence[LabRow], *, participant: str = "", occasion: str = "1") -> Biomarker:
    """One biomarker from the draws of an analyte of the same name, in the biomarker's unit.

    Draws are averaged on the scale of the biomarker's transform (ln: geometric mean), with the standard error on that
    scale. Below the limit of detection: LOD/sqrt(2) and ``BELOW_LOD``.

    Raises
    ------
    InputError
        No rows, or rows of several analytes or assays.
    UnitError
        A unit that does not convert.
    """
    analytes = sorted({r.analyte for r in rows})
    if len(analytes) != 1:
        raise InputError("one analyte at a time", found=", ".join(analytes) or "no rows")
    kind = biomarker_kind(analytes[0])
    assays = sorted({r.assay for r in rows if r.assay and not math.isnan(r.value)})
    if len(assays) > 1:
        raise InputError(f"{kind.name} of several assays", where=rows[0].where, found=", ".join(assays))
    quality: list[str] = []
    values = []
    for row in rows:
        code = (
            "VALUE_MISSING" if math.isnan(row.value) else {"<": "BELOW_LOD", ">": "ABOVE_ASSAY_RANGE"}.get(row.operator)
        )
        if code and code not in quality:
            quality.append(code)
        if math.isnan(row.value) or row.operator == ">":
            continue
        value = row.value * conversion_factor(row.unit, kind.unit, analyte=kind.name, where=row.where)
        value /= math.sqrt(2.0) if row.operator == "<" else 1.0
        values.append(math.log(value) if kind.transform == "ln" else value)
    mean = math.fsum(values) / len(values) if values else math.nan
    error = math.nan
    if len(values) > 1:
        error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    return Biomarker(
        participant=participant or rows[0].participant,
        biomarker=kind.name,
        value=math.exp(mean) if kind.transform == "ln" and values else mean,
        unit=kind.unit,
        occasion=occasion,
        standard_error=error,
        n=len(values),
        coverage=len(values) / len(rows),
        quality=tuple(quality),
        context=kind.context,
        provenance=f"mean of {len(values)} draws",
    )
