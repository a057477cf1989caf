"""Which markers of an index or of a panel a table holds, and what is missing for whom."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from allostat.biomarkers import BiomarkerTable, biomarker_kinds

NOT_MEASURED = "NOT_MEASURED"


@dataclass(frozen=True)
class MarkerCoverage:
    """How many persons (on their occasions) have a marker.

    ``biomarkers`` can stand for it, best first. ``reasons`` counts why the others have none: ``NOT_MEASURED`` or the
    first quality code of a value that is missing.
    """

    system: str
    marker: str
    biomarkers: tuple[str, ...]
    measured: int
    wanted: int
    reasons: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether everybody has it."""
        return self.measured == self.wanted

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a wide table that would hold it."""
        kinds = biomarker_kinds()
        return tuple(f"{name}[{kinds[name].unit}]" if name in kinds else name for name in self.biomarkers)


def marker_coverage(
    table: BiomarkerTable, systems: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[MarkerCoverage, ...]:
    """How far a table covers the markers of some systems.

    Parameters
    ----------
    systems
        For each system its markers, for each marker the biomarkers that can stand for it.

    Returns
    -------
    tuple of MarkerCoverage
        One for each marker, in the given order.
    """
    keys = table.keys
    rows = {(r.participant, r.occasion, r.biomarker): r for r in table.rows}
    found = []
    for system, markers in systems.items():
        for marker, biomarkers in markers.items():
            reasons: Counter[str] = Counter()
            for key in keys:
                here = [rows[(*key, b)] for b in biomarkers if (*key, b) in rows]
                if any(not math.isnan(r.value) for r in here):
                    continue
                codes = [r.quality[0] for r in here if r.quality]
                reasons[codes[0] if codes else "VALUE_MISSING" if here else NOT_MEASURED] += 1
            measured = len(keys) - reasons.total()
            found.append(MarkerCoverage(system, marker, tuple(biomarkers), measured, len(keys), dict(reasons)))
    return tuple(found)
