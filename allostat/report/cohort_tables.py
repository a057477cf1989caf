"""Tables of the cohort page: who was processed, missingness, prevalence, agreement, groups and devices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from allostat.report.blocks import Table, number, percent, readable_unit
from allostat.report.cohort import SMALLEST_CELL, CohortMember, CohortOverview
from allostat.report.load_figures import short_name

SUPPRESSED = f"n < {SMALLEST_CELL}, not shown"


def failures(cohort: CohortOverview) -> Table | None:
    """Failed and excluded participants with their reason and the command that processes them again."""
    rows = tuple(
        (m.participant, m.status, m.reason or "no reason recorded", m.rerun or "–")
        for m in (*cohort.having("failed"), *cohort.having("excluded"))
    )
    return Table("Participants without results", ("participant", "status", "reason", "command"), rows) if rows else None


def biomarker_names(members: Iterable[CohortMember]) -> list[str]:
    """Every biomarker of the members, in the order of first appearance."""
    return list(dict.fromkeys(name for m in members for name in m.biomarkers))


def metric_names(members: Sequence[CohortMember]) -> list[str]:
    """Quality metrics that at least half of the members have as a number, in the order of first appearance.

    Rarer ones, such as those of a single recording, stay in ``qc.tsv``.
    """
    having = Counter(name for m in members for name, value in m.qc.items() if math.isfinite(value))
    return [name for name, n in having.items() if 2 * n >= len(members)]


def definitions(members: Iterable[CohortMember]) -> list[str]:
    """Every definition of the index, in the order of first appearance."""
    return list(dict.fromkeys(name for m in members for name in m.index))


def missingness(cohort: CohortOverview) -> Table | None:
    """For each biomarker how many participants have a value, and why the others have none."""
    members = cohort.having("ok")
    rows = []
    for name in biomarker_names(members):
        there = sum(math.isfinite(m.biomarkers.get(name, math.nan)) for m in members)
        reasons: Counter[str] = Counter()
        for row in cohort.biomarkers.rows:
            if row.biomarker == name and row.missing:
                reasons.update(row.quality or ("no reason recorded",))
        unmeasured = len(members) - there - sum(r.biomarker == name and r.missing for r in cohort.biomarkers.rows)
        if unmeasured > 0:
            reasons["not measured"] += unmeasured
        why = ", ".join(f"{code} {n}" for code, n in reasons.most_common()) or "–"
        share = percent(there / len(members)) if members else "–"
        rows.append((short_name(name), str(there), str(len(members) - there), share, why))
    columns = ("biomarker", "with value", "missing", "share with value", "reasons")
    return Table("Values and missing values by biomarker", columns, tuple(rows), frozenset({1, 2, 3})) if rows else None


def prevalence(cohort: CohortOverview) -> Table | None:
    """For each definition and component: how many were scored, and how many lie beyond the high-risk cut-point."""
    rows = []
    for definition, dataset in cohort.load.items():
        if "flag" not in dataset:
            continue
        flags = np.asarray(dataset["flag"].values, dtype=np.float64)
        for i, component in enumerate(dataset["component"].values):
            column = flags[:, i]
            known = column[np.isfinite(column) & (column >= 0)]
            if not len(known):
                rows.append((definition, short_name(str(component)), "0", "–", "–"))
            elif len(known) < SMALLEST_CELL:
                rows.append((definition, short_name(str(component)), str(len(known)), SUPPRESSED, SUPPRESSED))
            else:
                high = int((known > 0).sum())
                rows.append(
                    (definition, short_name(str(component)), str(len(known)), str(high), percent(high / len(known)))
                )
    columns = ("definition", "component", "scored", "high risk", "prevalence")
    return Table("Prevalence of high risk by component", columns, tuple(rows), frozenset({2, 3, 4})) if rows else None


def index_column(members: Sequence[CohortMember], definition: str) -> NDArray[np.float64]:
    """The index of each member by one definition, NaN where it was not computed."""
    return np.array([m.index[definition].value if definition in m.index else math.nan for m in members])


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, int]:
    """Spearman's rank correlation with average ranks for ties, and the number of pairs; NaN below three pairs."""
    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    if n < 3:
        return math.nan, n
    x, y = _ranks(a[both]), _ranks(b[both])
    if x.std() == 0 or y.std() == 0:
        return math.nan, n
    return float(np.corrcoef(x, y)[0, 1]), n


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[which]
    return ranks


def agreement(cohort: CohortOverview) -> Table | None:
    """Spearman's correlation of the index between each two definitions; None with fewer than two."""
    members = cohort.having("ok")
    names = definitions(members)
    rows = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            rho, n = spearman(index_column(members, first), index_column(members, second))
            rows.append((first, second, str(n), number(rho)))
    columns = ("definition", "definition", "participants", "Spearman ρ")
    return Table("Agreement between definitions", columns, tuple(rows), frozenset({2, 3})) if rows else None


def groups(members: Sequence[CohortMember]) -> dict[str, list[CohortMember]]:
    """Members by the group that the study states; sex where no group is stated."""
    stated = any(m.person is not None and m.person.group for m in members)
    found: dict[str, list[CohortMember]] = {}
    for member in members:
        person = member.person
        name = (person.group if stated else {"F": "female", "M": "male"}.get(person.sex or "")) if person else None
        found.setdefault(name or "not stated", []).append(member)
    return dict(sorted(found.items()))


def group_table(cohort: CohortOverview, units: Mapping[str, str]) -> Table | None:
    """Median and quartiles of each biomarker by group; small cells suppressed."""
    rows = []
    by_group = groups(cohort.having("ok"))
    for name in biomarker_names(cohort.having("ok")):
        for group, members in by_group.items():
            found = np.array([m.biomarkers.get(name, math.nan) for m in members])
            found = found[np.isfinite(found)]
            label = (short_name(name), readable_unit(units.get(name, "")), group)
            if len(found) < SMALLEST_CELL:
                rows.append((*label, f"< {SMALLEST_CELL}", SUPPRESSED, ""))
            else:
                low, middle, high = np.percentile(found, [25, 50, 75])
                rows.append(
                    (*label, str(len(found)), number(float(middle)), f"{number(float(low))} to {number(float(high))}")
                )
    columns = ("biomarker", "unit", "group", "n", "median", "quartiles")
    return Table("Biomarkers by group", columns, tuple(rows), frozenset({3, 4, 5})) if rows else None


def device_table(cohort: CohortOverview) -> Table | None:
    """Median of each quality metric by device; small cells suppressed; None with fewer than two devices."""
    by_device: dict[str, list[CohortMember]] = {}
    for member in cohort.having("ok"):
        by_device.setdefault(member.device or "not known", []).append(member)
    names = metric_names(cohort.having("ok"))
    if len(by_device) < 2 or not names:
        return None
    rows = []
    for device, members in sorted(by_device.items()):
        if len(members) < SMALLEST_CELL:
            rows.append((device, f"< {SMALLEST_CELL}", *([SUPPRESSED] * len(names))))
            continue
        rows.append((device, str(len(members)), *(_median_text(members, name) for name in names)))
    columns = ("device", "participants", *(name.replace("_", " ") for name in names))
    return Table("Median quality by device", columns, tuple(rows), frozenset(range(1, len(columns))))


def _median_text(members: Sequence[CohortMember], metric: str) -> str:
    found = np.array([m.qc.get(metric, math.nan) for m in members])
    found = found[np.isfinite(found)]
    return number(float(np.median(found))) if len(found) else "–"
