"""Laboratory results of one participant become biomarkers: cortisol, hs-CRP, blood pressure, further analytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kinds, rows_of
from allostat.derived_biomarkers import DERIVED, with_derived
from allostat.errors import InputError
from allostat.labs.ambulatory_pressure import ambulatory_pressure
from allostat.labs.awakenings import Wake, awakenings
from allostat.labs.blood_pressure import blood_pressure, readings_from_labs, resting_pulse
from allostat.labs.cortisol import cortisol
from allostat.labs.cortisol_compliance import compliance_table, sampling_compliance
from allostat.labs.cortisol_day import DEFAULTS
from allostat.labs.cortisol_mixed import cortisol_mixed
from allostat.labs.cortisol_mixed_result import slope_biomarkers
from allostat.labs.cortisol_norms import read_cortisol_norms
from allostat.labs.cortisol_reliability import cortisol_reliability, reliability_table
from allostat.labs.cortisol_rules import AssayCalibration, CortisolSettings, Cut, Keep, Winsorise, winsorise_limits
from allostat.labs.draws import AboveRule, LodRule
from allostat.labs.further_analytes import further_analyte
from allostat.labs.hs_crp import hs_crp
from allostat.labs.routes import DIURNAL, cortisol_routes, other_routes
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
    "ambulatory_pressure",
    "awakenings",
    "blood_pressure",
    "compliance_table",
    "cortisol",
    "cortisol_mixed",
    "cortisol_reliability",
    "further_analyte",
    "hs_crp",
    "lab_biomarkers",
    "read_cortisol_norms",
    "readings_from_labs",
    "reliability_table",
    "resting_pulse",
    "sampling_compliance",
    "slope_biomarkers",
    "winsorise_limits",
]


def lab_biomarkers(
    rows: Sequence[LabRow],
    person: Person,
    *,
    wake: Wake = (),
    readings: Sequence[BloodPressureReading] = (),
    sleep: Sequence[tuple[int, int]] = (),
    timezone: str | None = None,
    occasion: str = "1",
    lod: LodRule = "sqrt2",
    above: AboveRule = "missing",
    assays: Mapping[str, str] | None = None,
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
        Cuff readings of blood_pressure.tsv, used together with ``sbp``/``dbp`` rows; ambulatory ones by themselves.
    sleep
        Falling asleep and waking of each sleep in ns, for ambulatory pressures.
    timezone
        The participant's zone, in which naive local times are placed.
    lod, above
        What stands for values below and above an assay's range, see `further_analyte`; cortisol has its own rule.
    assays
        For an analyte of several assays the one to use; rows of the others are left out with a notice. An analyte that
        is not named here is refused when it has several.
    settings
        Rules for cortisol samples.

    Returns
    -------
    table, dataset, notices
        Rows of waist 2 as measured (`allostat.biomarkers` applies the rules of treatment); per-day cortisol with every
        biomarker as a scalar (for the store); what the reader of the result should know.

    Raises
    ------
    InputError
        Rows of another participant, or values that contradict each other or their units.
    """
    for who in [r.participant for r in rows] + [r.participant for r in readings]:
        if who != person.participant:
            raise InputError("row of another participant", found=who, expected=person.participant)
    notices: list[Notice] = []
    here = _of_assay([r for r in rows if r.occasion == occasion], assays or {}, notices)
    by_analyte: dict[str, list[LabRow]] = {}
    for row in here:
        by_analyte.setdefault(row.analyte, []).append(row)
    offered: list[Biomarker] = []
    about = {"participant": person.participant, "occasion": occasion}

    samples = cortisol_routes(by_analyte.get("cortisol", []), timezone, notices)
    dataset = _cortisol(samples.pop(DIURNAL, []), wake, timezone, settings, notices)
    offered += rows_of(dataset, person.participant, occasion)
    crp = by_analyte.get("hs_crp", []) + by_analyte.get("crp", [])
    if crp:
        offered.append(hs_crp(crp, lod=lod, above=above, **about))
    offered += _pressures(here, [r for r in readings if r.occasion == occasion], sleep, timezone, about)
    for biomarker, members in {**samples, **other_routes(by_analyte, notices)}.items():
        offered.append(further_analyte(members, biomarker=biomarker, lod=lod, above=above, **about))
    table = with_derived(BiomarkerTable(tuple(offered), {person.participant: person}))
    notices += [_notice(one) for one in table.rows if one.quality and DERIVED not in one.quality]
    return table, _with_scalars(dataset, table.rows), tuple(notices)


def _of_assay(rows: Sequence[LabRow], assays: Mapping[str, str], notices: list[Notice]) -> list[LabRow]:
    """The rows without those of another assay than the one that was chosen for their analyte."""
    kept = [r for r in rows if r.analyte not in assays or r.assay == assays[r.analyte]]
    for analyte in sorted({r.analyte for r in rows} & set(assays)):
        left = [r for r in rows if r.analyte == analyte and r.assay != assays[analyte]]
        if left:
            names = ", ".join(sorted({r.assay or "not told" for r in left}))
            message = f"{analyte} of other assays than {assays[analyte]} is not used: {names}"
            notices.append(Notice("OTHER_ASSAY_UNUSED", message, "warning", len(left)))
    return kept


def _pressures(
    rows: Sequence[LabRow],
    readings: Sequence[BloodPressureReading],
    sleep: Sequence[tuple[int, int]],
    timezone: str | None,
    about: Mapping[str, str],
) -> list[Biomarker]:
    """Resting and ambulatory pressures, and the pulse of resting readings."""
    found: list[Biomarker] = []
    cuff = [r for r in readings if not r.setting]
    cuff += readings_from_labs([r for r in rows if r.analyte in ("sbp", "dbp")])
    if cuff:
        found += blood_pressure(cuff, **about)
        pulse = resting_pulse(cuff, **about)
        found += [pulse] if pulse is not None else []
    ambulatory = [r for r in readings if r.setting == "ambulatory" and r.measured_at is not None]
    if ambulatory:
        found += ambulatory_pressure(ambulatory, sleep=sleep, timezone=timezone, **about)
    return found


def _cortisol(
    rows: Sequence[LabRow], wake: Wake, timezone: str | None, settings: CortisolSettings, notices: list[Notice]
) -> xr.Dataset:
    """The cortisol result; an empty dataset when there are no samples for a diurnal course."""
    import xarray as xr

    if not any(not math.isnan(r.value) for r in rows):
        return xr.Dataset()
    result = cortisol(rows, wake=wake, timezone=timezone, settings=settings)
    units = result.attrs["units_found"].split()
    if len(units) > 1:
        message = f"cortisol samples in {' and '.join(units)}: each converted by its own unit"
        notices.append(Notice("MIXED_UNITS", message, "warning", len(rows), rows[0].file or None, rows[0].line))
    return result


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
