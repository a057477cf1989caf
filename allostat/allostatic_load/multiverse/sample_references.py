"""References fitted on the table itself: the declared choice of a multiverse, never of a single score.

Each is put together from fits of single columns, so that a biomarker that no rule touches is fitted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from allostat.allostatic_load.fitting import FEW_PERSONS, Winsor, fit_reference
from allostat.allostatic_load.references import Reference
from allostat.biomarkers import Sex
from allostat.panel import SEXES, Panel


@dataclass(frozen=True, slots=True)
class Cuts:
    """How cut-points are taken from the sample; ``two_tails`` names the biomarkers with a cut on both sides."""

    cuts: str
    quantile: float
    quantile_type: int
    winsor: Winsor
    two_tails: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SampleReferences:
    """Fits of one multiverse, kept by what they depend on."""

    age_bands: tuple[tuple[int, int], ...]
    _fits: dict[tuple[object, ...], Reference] = field(default_factory=dict)

    def column(self, panel: Panel, version: str, cuts: Cuts) -> Reference:
        """The fit of the one biomarker of a panel.

        Parameters
        ----------
        version
            What tells the values of the column from those under other rules.

        Raises
        ------
        InputError
            Nobody has a value, a sex that is there has none, or all values are equal.
        """
        key = (panel.biomarkers, version, cuts)
        if key not in self._fits:
            self._fits[key] = self._fitted(panel, cuts)
        return self._fits[key]

    def _fitted(self, panel: Panel, cuts: Cuts) -> Reference:
        sexes: tuple[Sex, ...] = tuple(s for code, s in enumerate(SEXES) if (panel.sex == code).any())
        return fit_reference(
            panel,
            name="sample",
            by_sex=cuts.cuts != "sample",
            sexes=sexes,
            age_bands=self._bands(panel) if cuts.cuts == "sample_sex_age" else (),
            quantile=cuts.quantile,
            quantile_type=cuts.quantile_type,
            winsor=cuts.winsor,
            tails={b: "two" for b in panel.biomarkers if b in cuts.two_tails},
        )

    def _bands(self, panel: Panel) -> tuple[tuple[int, int], ...]:
        """Age bands in which both sexes have enough different values; in the others all ages stand for the band."""
        column = panel.value[:, 0]
        kept = []
        for low, high in self.age_bands:
            inside = ~np.isnan(column) & (panel.age_years >= low) & (panel.age_years < high + 1)
            by_sex = [column[inside & (panel.sex == code)] for code in range(len(SEXES)) if (panel.sex == code).any()]
            if all(len(values) >= FEW_PERSONS and np.ptp(values) > 0 for values in by_sex):
                kept.append((low, high))
        return tuple(kept)


def joined(fits: Sequence[Reference], cuts: Cuts, rules: Mapping[str, str]) -> Reference:
    """One reference of the fits of several biomarkers."""
    return Reference(
        name=f"{cuts.cuts}-type{cuts.quantile_type}",
        version="1",
        title="fitted on the persons who are scored, as a declared choice of a multiverse",
        entries=tuple(entry for fit in fits for entry in fit.entries),
        rules=dict(rules),
        notes=tuple(note for fit in fits for note in fit.notes),
    )
