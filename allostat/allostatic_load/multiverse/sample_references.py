"""References fitted on the table itself: the declared choice of a multiverse, never of a single score.

Each is put together from fits of single columns, so that a biomarker that no rule touches is fitted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import numpy as np

from allostat.allostatic_load.definitions import Tails
from allostat.allostatic_load.fitting import FEW_PERSONS, CutRule, Winsor, fit_entries
from allostat.allostatic_load.reference_sample import StratumSample, strata_of, stratum_members
from allostat.allostatic_load.references import Reference, ReferenceEntry
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


_Fit: TypeAlias = tuple[tuple[ReferenceEntry, ...], tuple[str, ...]]
"""Entries and notes."""


@dataclass(frozen=True)
class SampleReferences:
    """Fits of one multiverse, kept by what they depend on."""

    age_bands: tuple[tuple[int, int], ...]
    _samples: dict[tuple[object, ...], tuple[StratumSample, ...]] = field(default_factory=dict)
    _fits: dict[tuple[object, ...], _Fit] = field(default_factory=dict)

    def column(self, panel: Panel, version: str, cuts: Cuts) -> _Fit:
        """The fit of the one biomarker of a panel, as `fit_reference` makes it.

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
            two = {b: "two" for b in panel.biomarkers if b in cuts.two_tails}
            rule = CutRule(cuts.quantile, cuts.quantile_type, tails=cast(dict[str, Tails], two), winsor=cuts.winsor)
            self._fits[key] = fit_entries(self._sample(panel, version, cuts.cuts), rule)
        return self._fits[key]

    def _sample(self, panel: Panel, version: str, cuts: str) -> tuple[StratumSample, ...]:
        """The values of every stratum in order: they serve any quantile."""
        key = (panel.biomarkers, version, cuts)
        if key not in self._samples:
            sexes: tuple[Sex, ...] = tuple(s for code, s in enumerate(SEXES) if (panel.sex == code).any())
            bands = self._bands(panel) if cuts == "sample_sex_age" else ()
            members = stratum_members(
                panel, occasion=None, biomarkers=None, strata=strata_of(cuts != "sample", sexes, bands), weights=None
            )
            self._samples[key] = tuple(m.sample() for m in members)
        return self._samples[key]

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


def joined(fits: Sequence[_Fit], cuts: Cuts, rules: Mapping[str, str], fingerprint: tuple[int, str]) -> Reference:
    """One reference of the fits of several biomarkers.

    Parameters
    ----------
    fingerprint
        Number of the sample's participants and the hash of who they are.
    """
    return Reference(
        name=f"{cuts.cuts}-type{cuts.quantile_type}",
        version="1",
        title="fitted on the persons who are scored, as a declared choice of a multiverse",
        entries=tuple(entry for entries, _ in fits for entry in entries),
        rules={"winsor": cuts.winsor, **rules},
        notes=tuple(note for _, notes in fits for note in notes),
        sample_n=fingerprint[0],
        sample_sha256=fingerprint[1],
    )
