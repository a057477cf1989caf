"""Adjustment for age and sex: the residual of a value against a norm, as a biomarker of its own.

A residual keeps its standard error (both are on the ln scale) and says in its provenance which norm it rests on.
"""

from __future__ import annotations

import math
from typing import TypeVar

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind
from allostat.errors import InputError
from allostat.norms.norm import Norm
from allostat.norms.position import DEFAULT, position_of
from allostat.norms.shelf import load_norm

RESIDUALS = {"rmssd_rest": "rmssd_rest_residual", "rmssd_night": "rmssd_night_residual"}
"""Biomarkers that can be adjusted, with the name of their residual."""

_Table = TypeVar("_Table", bound=BiomarkerTable)


def adjusted(row: Biomarker, person: Person, norm: Norm | str = DEFAULT, *, other_sensor: bool = False) -> Biomarker:
    """The residual of ln RMSSD: ``ln(value) - mu`` of the person's age and sex in a norm.

    0 is the typical value of the group and ``ln(2) = 0.69`` twice that value; the spread of the group is not divided
    out (`position` does that). Missing with the reason among its quality codes where the norm has no group for the
    person, or is of another sensor (unless ``other_sensor``). Age bands make steps at their ends: nothing is smoothed
    between them.

    Parameters
    ----------
    row
        A row whose biomarker is among `RESIDUALS`.

    Raises
    ------
    NormContextError
        The row's context is not the norm's.
    InputError
        A biomarker without a residual, or that the norm does not have.
    """
    if row.biomarker not in RESIDUALS:
        raise InputError("biomarker has no adjusted form", found=row.biomarker, valid=RESIDUALS)
    chosen = load_norm(norm) if isinstance(norm, str) else norm
    at = position_of(row, person, chosen, other_sensor=other_sensor)
    kind = biomarker_kind(RESIDUALS[row.biomarker])
    known = at.cell is not None and math.isfinite(at.z)
    used = f"; residual of ln against norm {chosen.name} {chosen.version} (sha256 {chosen.sha256[:12]})"
    if at.cell is not None:
        used += f", {at.cell.group}: mean of ln {at.cell.mu:.4f}"
    return Biomarker(
        participant=row.participant,
        biomarker=kind.name,
        value=at.z * at.cell.sigma if known and at.cell is not None else math.nan,
        unit=kind.unit,
        occasion=row.occasion,
        standard_error=row.standard_error if known else math.nan,
        n=row.n,
        coverage=row.coverage,
        quality=tuple(dict.fromkeys((*row.quality, *at.quality))),
        context=row.context,
        provenance=row.provenance + used,
    )


def with_residuals(table: _Table, norm: Norm | str = DEFAULT, *, other_sensor: bool = False) -> _Table:
    """A table with the residual beside each row that the norm can adjust."""
    chosen = load_norm(norm) if isinstance(norm, str) else norm
    rows = [
        adjusted(row, table.persons.get(row.participant, Person(row.participant)), chosen, other_sensor=other_sensor)
        for row in table.rows
        if row.biomarker in RESIDUALS and row.biomarker in chosen.biomarkers
    ]
    return table.merged(BiomarkerTable(tuple(rows)))
