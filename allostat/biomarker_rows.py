"""One participant's biomarker table, gathered from the results to its left, with the rules of treatment applied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from allostat.acute_rule import AcuteOption, apply_acute_rule
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, rows_of
from allostat.medication_rules import MedicationRules, apply_medication_rules
from allostat.recording import Notice

if TYPE_CHECKING:
    import xarray as xr


def biomarkers(
    participant: str = "sub-001",
    *,
    hrv: xr.Dataset | None = None,
    circadian: xr.Dataset | None = None,
    cortisol: xr.Dataset | None = None,
    labs: Iterable[Biomarker] | BiomarkerTable = (),
    person: Person | None = None,
    occasion: str = "1",
    medication: MedicationRules | None = None,
    acute: AcuteOption = "exclude",
) -> BiomarkerTable:
    """Waist 2 of one participant from the results to its left.

    Parameters
    ----------
    hrv
        Dataset whose attribute ``biomarkers`` lists rows (see `rows_of`), as `allostat.person_hrv` gives.
    circadian, cortisol
        Likewise.
    labs
        Rows from `allostat.labs` (hs-CRP, blood pressure, further analytes), as measured.
    medication
        What is done about treatment; None: the defaults of `MedicationRules`.
    acute
        What is done about acute inflammation, see `apply_acute_rule`.

    Returns
    -------
    BiomarkerTable
        Every row keeps its measured value (`Biomarker.measured`), so that other rules can be applied to the same table.
    """
    rows: list[Biomarker] = []
    for dataset in (hrv, circadian, cortisol):
        if dataset is not None:
            rows += rows_of(dataset, participant, occasion)
    rows += labs.rows if isinstance(labs, BiomarkerTable) else list(labs)
    who = person or Person(participant)
    return ruled(BiomarkerTable(tuple(rows), {participant: who}), medication=medication, acute=acute)


def ruled(
    table: BiomarkerTable, *, medication: MedicationRules | None = None, acute: AcuteOption = "exclude"
) -> BiomarkerTable:
    """A table under rules of medication and of acute inflammation, whatever rules it was under before.

    Rules start from the measured values: applying them twice is applying them once.
    """
    return apply_acute_rule(apply_medication_rules(table, medication or MedicationRules()), acute)


def as_measured(table: BiomarkerTable) -> BiomarkerTable:
    """A table with every rule undone; acute hs-CRP values say that they were kept (``CRP_ACUTE_KEPT``)."""
    rows = ruled(table, medication=MedicationRules.as_measured(), acute="keep").rows
    return BiomarkerTable(rows, table.persons)


def rule_notices(table: BiomarkerTable) -> tuple[Notice, ...]:
    """What rules did to a table, one notice for each row whose value they changed or excluded."""
    return tuple(_notice(row) for row in table.rows if row.adjustment)


def _notice(row: Biomarker) -> Notice:
    state = "missing" if row.missing else f"{row.value:.4g} {row.unit}"
    message = f"{row.biomarker} ({state}): {row.adjustment}; measured {row.measured:.4g} {row.unit}"
    return Notice(row.quality[0 if row.missing else -1], message, "warning" if row.missing else "info")
