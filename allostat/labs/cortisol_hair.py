"""Hair cortisol: an optional value beside the diurnal features; it is never mixed with saliva or blood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.labs.cortisol_rules import refuse_mixed_assays
from allostat.tables import LabRow
from allostat.units import conversion_factor

if TYPE_CHECKING:
    import xarray as xr

UNIT = "pg/mg"


def hair_cortisol(rows: Sequence[LabRow]) -> xr.DataArray:
    """Geometric mean of a participant's hair segments.

    Parameters
    ----------
    rows
        Rows of one participant with specimen ``hair``, in pg/mg.

    Returns
    -------
    DataArray
        pg/mg with ``standard_error`` of its logarithm, ``n`` and ``quality`` (``BELOW_LOD``, ``VALUE_MISSING``,
        ``ABOVE_ASSAY_RANGE``); NaN when no row has a value. It is no row of waist 2: hair tells of months, and no
        reference is shipped.

    Raises
    ------
    InputError
        Another specimen, several assays.
    UnitError
        A unit other than mass per mass.
    """
    import xarray as xr

    for row in rows:
        if row.specimen != "hair":
            raise InputError("not a hair sample", where=row.where, found=row.specimen, expected="hair")
    assay = refuse_mixed_assays([r.assay for r in rows], (), rows[0].where if rows else "")
    logs: list[float] = []
    quality: list[str] = []
    for row in rows:
        if math.isnan(row.value):
            quality.append("VALUE_MISSING")
            continue
        value = row.value * conversion_factor(row.unit, UNIT, where=row.where)
        if row.operator == ">":
            quality.append("ABOVE_ASSAY_RANGE")
            continue
        if row.operator == "<":
            quality.append("BELOW_LOD")
            value /= math.sqrt(2.0)
        logs.append(math.log(value))
    spread = float(np.std(logs, ddof=1) / math.sqrt(len(logs))) if len(logs) > 1 else math.nan
    attrs = {
        "units": UNIT,
        "long_name": "hair cortisol, geometric mean of segments",
        "method": "geometric mean; LOD/sqrt(2)",
        "references": "",
        "assay": assay,
        "standard_error": spread,
        "n": len(logs),
        "quality": " ".join(dict.fromkeys(quality)),
    }
    return xr.DataArray(math.exp(float(np.mean(logs))) if logs else math.nan, attrs=attrs)
