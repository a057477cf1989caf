"""Analytes that need no rule of their own: unit conversion, detection limit, mean of draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.biomarkers import Biomarker, biomarker_kind
from allostat.errors import InputError
from allostat.labs.draws import AboveRule, LodRule, account, draw_of, mean_of, refuse_mixtures
from allostat.tables import LabRow


def further_analyte(
    rows: Sequence[LabRow],
    *,
    participant: str = "",
    occasion: str = "1",
    biomarker: str = "",
    lod: LodRule = "sqrt2",
    above: AboveRule = "missing",
) -> Biomarker:
    """One biomarker from the draws of one analyte, in the biomarker's unit.

    Parameters
    ----------
    biomarker
        The biomarker when it does not carry the name of its analyte (cortisol in hair: ``cortisol_hair``).
    lod
        What stands for a value below the limit of detection: ``sqrt2`` (LOD/sqrt(2)), ``half`` (LOD/2), ``missing``
        (NaN). The code is ``BELOW_LOD``; the provenance keeps what the laboratory reported.
    above
        What stands for a value above the assay's range: ``missing`` (NaN) or ``limit``, the upper limit. The code is
        ``ABOVE_ASSAY_RANGE``.

    Returns
    -------
    Biomarker
        Mean of the draws on the scale of the biomarker's transform (ln: geometric mean), with the standard error on
        that scale (NaN with one draw); the draws as ``repeats``.

    Raises
    ------
    InputError
        No rows, or rows of several analytes, assays or specimens, or of a specimen that the biomarker is not of.
    UnitError
        A unit that does not convert, or a value that is implausible as declared (``UNIT_SUSPECT``).
    """
    analytes = sorted({r.analyte for r in rows})
    if len(analytes) != 1:
        raise InputError("one analyte at a time", found=", ".join(analytes) or "no rows")
    kind = biomarker_kind(biomarker or analytes[0])
    refuse_mixtures(rows, kind)
    draws = [draw_of(row, kind, lod=lod, above=above) for row in rows]
    values = [d.value for d in draws if not math.isnan(d.value)]
    mean, error = mean_of(values, kind)
    return Biomarker(
        participant=participant or rows[0].participant,
        biomarker=kind.name,
        value=mean,
        unit=kind.unit,
        occasion=occasion,
        standard_error=error,
        n=len(values),
        coverage=len(values) / len(rows),
        quality=tuple(dict.fromkeys(d.code for d in draws if d.code)),
        context=kind.context,
        provenance=account(rows, draws, kind, lod),
        repeats=tuple(values),
    )
