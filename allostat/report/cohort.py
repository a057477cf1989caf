"""What the cohort page shows: one row per participant, the tables of the cohort and how the run ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from allostat.biomarkers import BiomarkerTable, Person
from allostat.recording import Notice

if TYPE_CHECKING:
    import xarray as xr

MemberStatus = Literal["ok", "failed", "excluded"]

SMALLEST_CELL = 5
"""Statistics of groups with fewer participants are suppressed."""


@dataclass(frozen=True, slots=True)
class IndexValue:
    """An index with its 95 % interval; NaN where it was not computed."""

    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan


@dataclass(frozen=True)
class CohortMember:
    """One participant of the cohort.

    Parameters
    ----------
    status
        ``ok``; ``failed`` (an input was damaged, nothing was written); ``excluded`` (nothing to process).
    reason
        Why, when the status is not ``ok``.
    qc
        Quality metrics by name, as in ``qc.tsv``: one strip each on the page.
    biomarkers
        Value by biomarker, NaN when missing.
    index
        Index by identifier of its definition.
    href
        The participant's page relative to the cohort page; None when there is none.
    rerun
        The exact command that processes this participant again.
    adherence
        For each local date (ISO) the hours with valid beats.
    device
        What recorded, in words.
    """

    participant: str
    status: MemberStatus = "ok"
    reason: str = ""
    person: Person | None = None
    qc: Mapping[str, float] = field(default_factory=dict)
    biomarkers: Mapping[str, float] = field(default_factory=dict)
    index: Mapping[str, IndexValue] = field(default_factory=dict)
    href: str | None = None
    rerun: str = ""
    adherence: Sequence[tuple[str, float]] = ()
    device: str = ""

    @property
    def link(self) -> str:
        """``href`` when it stays inside the output folder (no scheme, no host, no absolute path), else empty."""
        href = self.href or ""
        return "" if ":" in href.split("/")[0] or href.startswith(("/", "\\")) else href


@dataclass(frozen=True)
class CohortOverview:
    """Everything that the cohort page shows.

    Parameters
    ----------
    found
        Participants that the study names or that exports were found for.
    unmatched_exports
        Files or folders of exports that belong to nobody.
    unmatched_participants
        Participants without any export, or identifiers of a table that the study does not know, in words.
    """

    title: str
    members: Sequence[CohortMember]
    biomarkers: BiomarkerTable = field(default_factory=BiomarkerTable)
    load: Mapping[str, xr.Dataset] = field(default_factory=dict)
    found: int | None = None
    unmatched_exports: Sequence[str] = ()
    unmatched_participants: Sequence[str] = ()
    methods: str = ""
    bibliography: str = ""
    """BibTeX, as in ``references.bib``."""
    settings: str = ""
    notices: Sequence[Notice] = ()
    version: str = ""

    @property
    def flow(self) -> Mapping[str, int]:
        """Participants found, processed, excluded and failed."""
        count = Counter(m.status for m in self.members)
        return {
            "found": len(self.members) if self.found is None else self.found,
            "processed": count["ok"],
            "excluded": count["excluded"],
            "failed": count["failed"],
        }

    def having(self, status: MemberStatus) -> list[CohortMember]:
        """Members of one status, in the order of the cohort."""
        return [m for m in self.members if m.status == status]


def summary_lines(cohort: CohortOverview) -> list[str]:
    """The run in a few lines for a terminal: flow of N, then each failure with the command that runs it again."""
    flow = cohort.flow
    lines = [
        f"{flow['found']} found, {flow['processed']} processed, {flow['excluded']} excluded, {flow['failed']} failed"
    ]
    for member in (*cohort.having("failed"), *cohort.having("excluded")):
        lines.append(f"  {member.status}  {member.participant}: {member.reason or 'no reason recorded'}")
        if member.status == "failed" and member.rerun:
            lines.append(f"          again: {member.rerun}")
    return lines
