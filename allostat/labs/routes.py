"""Which biomarker the rows of an analyte belong to, where its name alone does not say it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from allostat.biomarkers import biomarker_kind, biomarker_kinds
from allostat.recording import Notice
from allostat.tables import LabRow

DIURNAL = "diurnal"
"""Route of cortisol samples that make a course over the day."""
MORNING_H = (6.0, 10.0)
"""Clock times between which serum cortisol is a morning value (a convention)."""

_OWN_RULE = frozenset({"cortisol", "hs_crp", "crp", "sbp", "dbp"})
_OTHER_NAME = {"urea": "bun"}
_BLOOD = frozenset({"serum", "plasma"})


def cortisol_routes(rows: Sequence[LabRow], timezone: str | None, notices: list[Notice]) -> dict[str, list[LabRow]]:
    """Cortisol rows by what becomes of them: the diurnal course, or a biomarker of one specimen.

    Saliva makes the diurnal course; serum and plasma make it when there is no saliva. Blood drawn between 6 and 10 h is
    ``cortisol_serum`` as well, hair ``cortisol_hair``, urine per creatinine ``cortisol_urine``. Anything else is not
    used, with a notice.
    """
    routes: dict[str, list[LabRow]] = {}
    saliva = any(r.specimen == "saliva" for r in rows)
    unused: list[LabRow] = []
    for row in rows:
        blood = row.specimen in _BLOOD
        targets = []
        if row.specimen == "saliva" or math.isnan(row.value) or (blood and not saliva):
            targets.append(DIURNAL)
        if blood and _in_the_morning(row, timezone):
            targets.append("cortisol_serum")
        if row.specimen == "hair":
            targets.append("cortisol_hair")
        if row.specimen == "urine" and row.unit in _units_of("cortisol_urine"):
            targets.append("cortisol_urine")
        for target in targets:
            routes.setdefault(target, []).append(row)
        if not targets:
            unused.append(row)
    if unused:
        other = sorted({f"{r.specimen} ({r.unit})" for r in unused})
        message = f"cortisol in {', '.join(other)} has no diurnal course, no biomarker of its own, and is not used"
        notices.append(Notice("CORTISOL_SPECIMEN_UNUSED", message, "warning", len(unused)))
    return routes


def other_routes(by_analyte: Mapping[str, Sequence[LabRow]], notices: list[Notice]) -> dict[str, list[LabRow]]:
    """Rows of further analytes by their biomarker; rows of a specimen that the biomarker is not of are not used."""
    routes: dict[str, list[LabRow]] = {}
    for analyte, rows in by_analyte.items():
        biomarker = _OTHER_NAME.get(analyte, analyte)
        if analyte in _OWN_RULE or biomarker not in biomarker_kinds():
            continue
        specimens = biomarker_kind(biomarker).specimens
        fitting = [r for r in rows if not specimens or not r.specimen or r.specimen in specimens]
        if len(fitting) < len(rows):
            other = ", ".join(sorted({r.specimen for r in rows if r not in fitting}))
            message = f"{analyte} in {other} is not used: {biomarker} is of {' or '.join(specimens)}"
            notices.append(Notice("SPECIMEN_UNUSED", message, "warning", len(rows) - len(fitting)))
        if fitting and (analyte == biomarker or biomarker not in by_analyte):
            routes[biomarker] = fitting
    return routes


def _in_the_morning(row: LabRow, timezone: str | None) -> bool:
    if row.collected_at is None or math.isnan(row.value):
        return False
    placed = row.in_zone(timezone).collected_at if timezone else row.collected_at
    return placed is not None and MORNING_H[0] <= placed.wall_hour < MORNING_H[1]


def _units_of(biomarker: str) -> tuple[str, ...]:
    kind = biomarker_kind(biomarker)
    return (kind.unit, *kind.other_units)
