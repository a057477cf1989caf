"""Laboratory results of one participant become biomarkers: cortisol, hs-CRP, blood pressure, further analytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kinds, rows_of
from allostat.errors import InputError
from allostat.labs.awakenings import Wake, awakenings
from allostat.labs.blood_pressure import blood_pressure, readings_from_labs
from allostat.labs.cortisol import cortisol
from allostat.labs.cortisol_compliance import compliance_table, sampling_compliance
from allostat.labs.cortisol_day import DEFAULTS
from allostat.labs.cortisol_hair import hair_cortisol
from allostat.labs.cortisol_mixed import cortisol_mixed
from allostat.labs.cortisol_mixed_result import slope_biomarkers
from allostat.labs.cortisol_norms import read_cortisol_norms
from allostat.labs.cortisol_reliability import cortisol_reliability, reliability_table
from allostat.labs.cortisol_rules import AssayCalibration, CortisolSettings, Cut, Keep, Winsorise, winsorise_limits
from allostat.labs.further_analytes import further_analyte
from allostat.labs.hs_crp import hs_crp
from allostat.medications import taken
from allostat.recording import Notice
from allostat.tables import BloodPressureReading, LabRow

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "AssayCalibration",
    "CortisolSettings",
    "Cut",
    "Keep",
    "Winsorise",
    "awakenings",
    "blood_pressure",
    "compliance_table",
    "cortisol",
    "cortisol_mixed",
    "cortisol_reliability",
    "further_analyte",
    "hair_cortisol",
    "hs_crp",
    "lab_biomarkers",
    "read_cortisol_norms",
    "readings_from_labs",
    "reliability_table",
    "sampling_compliance",
    "slope_biomarkers",
    "winsorise_limits",
]

_OWN_RULE = frozenset({"cortisol", "hs_crp", "crp", "sbp", "dbp"})
_SLOPE_SPECIMENS = frozenset({"saliva", "serum", "plasma"})


def lab_biomarkers(
    rows: Sequence[LabRow],
    person: Person,
    *,
    wake: Wake = (),
    readings: Sequence[BloodPressureReading] = (),
    timezone: str | None = None,
    occasion: str = "1",
    settings: CortisolSettings = DEFAULTS,
) -> tuple[BiomarkerTable, xr.Dataset, tuple[Notice, ...]]:
    """All that one participant's laboratory rows and blood pressure readings of one occasion offer to waist 2.

    Parameters
    ----------
    rows
        Rows of this participant; those of other occasions are left alone.
    wake
        Actual awakenings, see `cortisol`.
    readings
        Cuff readings of blood_pressure.tsv, used together with ``sbp``/``dbp`` rows.
    timezone
        The participant's zone, in which naive local times are placed.
    settings
        Rules for cortisol samples.

    Returns
    -------
    table, dataset, notices
        Rows of waist 2; per-day cortisol with every biomarker as a scalar (for the store); what the reader of the
        result should know.

    Raises
    ------
    InputError
        Rows of another participant, or values that contradict each other or their units.
    """
    for who in [r.participant for r in rows] + [r.participant for r in readings]:
        if who != person.participant:
            raise InputError("row of another participant", found=who, expected=person.participant)
    here = [r for r in rows if r.occasion == occasion]
    by_analyte: dict[str, list[LabRow]] = {}
    for row in here:
        by_analyte.setdefault(row.analyte, []).append(row)
    notices: list[Notice] = []
    offered: list[Biomarker] = []

    dataset = _cortisol(by_analyte.get("cortisol", []), person, wake, timezone, settings, notices)
    offered += rows_of(dataset, person.participant, occasion)
    crp = by_analyte.get("hs_crp", []) + by_analyte.get("crp", [])
    if crp:
        offered.append(hs_crp(crp, participant=person.participant, occasion=occasion))
    cuff = [r for r in readings if r.occasion == occasion and not r.setting]
    cuff += readings_from_labs([r for r in here if r.analyte in ("sbp", "dbp")])
    if cuff:
        offered += blood_pressure(
            cuff, participant=person.participant, occasion=occasion, medications=person.medications
        )
    for analyte, members in by_analyte.items():
        if analyte not in _OWN_RULE and analyte in biomarker_kinds():
            offered.append(further_analyte(members, participant=person.participant, occasion=occasion))
    notices += [_notice(one) for one in offered if one.quality]
    table = BiomarkerTable(tuple(offered), {person.participant: person})
    return table, _with_scalars(dataset, offered), tuple(notices)


def _cortisol(
    rows: Sequence[LabRow],
    person: Person,
    wake: Wake,
    timezone: str | None,
    settings: CortisolSettings,
    notices: list[Notice],
) -> xr.Dataset:
    """The cortisol result; an empty dataset when there are no samples for a diurnal course."""
    import xarray as xr

    hair = [r for r in rows if r.specimen == "hair"]
    beside = {"cortisol_hair": hair_cortisol(hair)} if hair else {}
    usable = [r for r in rows if r.specimen in _SLOPE_SPECIMENS or (math.isnan(r.value) and r.specimen != "hair")]
    other = [r for r in rows if r not in usable and r not in hair]
    if other:
        named = ", ".join(sorted({r.specimen for r in other}))
        message = f"cortisol in {named} has no diurnal course and is not used"
        notices.append(Notice("CORTISOL_SPECIMEN_UNUSED", message, "warning", len(other)))
    if not any(not math.isnan(r.value) for r in usable):
        return xr.Dataset(beside)
    result = cortisol(usable, wake=wake, timezone=timezone, settings=settings).assign(beside)
    units = result.attrs["units_found"].split()
    if len(units) > 1:
        message = f"cortisol samples in {' and '.join(units)}: each converted by its own unit"
        notices.append(Notice("MIXED_UNITS", message, "warning", len(usable), usable[0].file or None, usable[0].line))
    steroids = taken(person.medications, "corticosteroid")
    return _without_offers(result, steroids) if steroids else result


def _without_offers(dataset: xr.Dataset, steroids: Sequence[str]) -> xr.Dataset:
    """The same days, but no person value: taken corticosteroids decide over cortisol, not the person."""
    changed = dataset.copy()
    for name, variable in dataset.data_vars.items():
        if "biomarker" in variable.attrs:
            one = variable.copy(data=math.nan)
            one.attrs = {**variable.attrs, "standard_error": math.nan, "n": 0}
            one.attrs["quality"] = " ".join(["CORTICOSTEROID", *str(variable.attrs["quality"]).split()])
            changed[name] = one
    changed.attrs["medication_rule"] = "cortisol excluded: " + ", ".join(steroids)
    return changed


def _notice(one: Biomarker) -> Notice:
    state = "missing" if one.missing else f"{one.value:.4g} {one.unit}"
    return Notice(
        one.quality[0], f"{one.biomarker} ({state}): {', '.join(one.quality)}", "info" if not one.missing else "warning"
    )


def _with_scalars(dataset: xr.Dataset, offered: Sequence[Biomarker]) -> xr.Dataset:
    """The dataset with every offered biomarker as a scalar variable of its name."""
    import xarray as xr

    added = {}
    for one in offered:
        if one.biomarker in dataset:
            continue
        kind = biomarker_kinds()[one.biomarker]
        attrs = {
            "units": one.unit,
            "long_name": kind.long_name,
            "method": one.provenance,
            "references": " ".join(kind.references),
            "standard_error": one.standard_error,
            "n": one.n,
            "coverage": one.coverage,
            "quality": " ".join(one.quality),
        }
        added[one.biomarker] = xr.DataArray(one.value, attrs=attrs)
    return dataset.assign(added)
