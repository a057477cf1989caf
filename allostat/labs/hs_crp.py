"""High-sensitivity C-reactive protein: detection limit, repeated draws.

Values above 10 mg/L are measured values here; what is done about them is the business of `allostat.acute_rule`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.acute_rule import ACUTE_MG_L
from allostat.biomarkers import Biomarker, BiomarkerKind, biomarker_kind
from allostat.errors import InputError
from allostat.labs.draws import BELOW_LOD, AboveRule, Draw, LodRule, account, draw_of, mean_of, refuse_mixtures
from allostat.tables import LabRow


def hs_crp(
    rows: Sequence[LabRow],
    *,
    participant: str = "",
    occasion: str = "1",
    lod: LodRule = "sqrt2",
    above: AboveRule = "missing",
) -> Biomarker:
    """hs-CRP of one participant on one occasion in mg/L, as measured.

    Parameters
    ----------
    rows
        Draws of analyte ``hs_crp``. Rows of analyte ``crp`` (not high sensitivity) are refused as a value and leave the
        code ``CRP_NOT_HS``.
    lod, above
        What stands for values below and above the assay's range, see `further_analyte`. A draw reported as above a
        limit that is acute itself (more than 10 mg/L) counts with that limit: it is acute whatever it is.

    Returns
    -------
    Biomarker
        Geometric mean of the draws with the standard error of its logarithm (NaN with one draw), the draws as
        ``repeats``. `allostat.biomarkers` and `apply_acute_rule` leave out draws above 10 mg/L.

    Raises
    ------
    InputError
        No rows, another analyte, draws of several assays or specimens.
    UnitError
        A unit that mg/L cannot be computed from (molar units: the molar mass depends on the calibrator), or an
        implausible value (``UNIT_SUSPECT``).
    """
    if not rows:
        raise InputError("no hs-CRP rows")
    for row in rows:
        if row.analyte not in ("hs_crp", "crp"):
            raise InputError("not C-reactive protein", where=row.where, found=row.analyte, expected="hs_crp")
    kind = biomarker_kind("hs_crp")
    wanted = [r for r in rows if r.analyte == "hs_crp"]
    refuse_mixtures(wanted, kind)
    draws = [_draw(row, kind, lod, above) for row in wanted]
    values = [d.value for d in draws if not math.isnan(d.value)]
    mean, error = mean_of(values, kind)
    codes = (["CRP_NOT_HS"] if len(wanted) < len(rows) else []) + [d.code for d in draws if d.code]
    return Biomarker(
        participant=participant or rows[0].participant,
        biomarker=kind.name,
        value=mean,
        unit=kind.unit,
        occasion=occasion,
        standard_error=error,
        n=len(values),
        coverage=len(values) / len(wanted) if wanted else 0.0,
        quality=tuple(dict.fromkeys(codes)),
        provenance=account(rows, draws, kind, lod),
        repeats=tuple(values),
    )


def _draw(row: LabRow, kind: BiomarkerKind, lod: LodRule, above: AboveRule) -> Draw:
    draw = draw_of(row, kind, lod=lod, above=above)
    if draw.code == BELOW_LOD and draw.limit > ACUTE_MG_L:
        return Draw(math.nan, "LOD_ABOVE_ACUTE_LIMIT", draw.limit, draw.reported)
    if row.operator == ">" and draw.limit > ACUTE_MG_L:
        return Draw(draw.limit, draw.code, draw.limit, draw.reported)
    return draw
