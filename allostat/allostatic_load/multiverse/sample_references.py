"""References fitted on the table itself: the declared choice of a multiverse, never of a single score.

Each is put together from fits of single columns, so that a biomarker that no rule touches is fitted once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.fitting import FEW_PERSONS, fit_reference
from allostat.allostatic_load.references import Reference, ReferenceEntry
from allostat.biomarkers import Sex
from allostat.panel import SEXES, Panel

_Fit = tuple[tuple[ReferenceEntry, ...], tuple[str, ...]]


@dataclass(frozen=True)
class SampleReferences:
    """Fits of one multiverse, kept by what they depend on."""

    age_bands: tuple[tuple[int, int], ...]
    _fits: dict[tuple[object, ...], _Fit] = field(default_factory=dict)

    def column(
        self, panel: Panel, version: str, cuts: str, quantile: float, quantile_type: int
    ) -> _Fit:
        """Entries and notes of the one biomarker of a panel.

        Parameters
        ----------
        version
            What tells the values of the column from those under other rules.
        cuts
            ``sample`` (pooled), ``sample_sex``, ``sample_sex_age``.

        Raises
        ------
        InputError
            Nobody has a value, a sex that is there has none, or all values are equal.
        """
        key = (panel.biomarkers, version, cuts, quantile, quantile_type)
        if key not in self._fits:
            self._fits[key] = self._fitted(panel, cuts, quantile, quantile_type)
        return self._fits[key]

    def _fitted(self, panel: Panel, cuts: str, quantile: float, quantile_type: int) -> _Fit:
        sexes: tuple[Sex, ...] = tuple(s for code, s in enumerate(SEXES) if (panel.sex == code).any())
        whole = _fit(panel, cuts != "sample", sexes, quantile, quantile_type)
        if cuts != "sample_sex_age":
            return whole.entries, whole.notes
        entries, notes = list(whole.entries), list(whole.notes)
        known = ~np.isnan(panel.value[:, 0])
        for low, high in self.age_bands:
            inside = known & (panel.age_years >= low) & (panel.age_years < high + 1)
            for code, sex in enumerate(SEXES):
                here: NDArray[np.bool_] = inside & (panel.sex == code)
                if here.sum() < FEW_PERSONS or np.ptp(panel.value[here, 0]) == 0:
                    notes.append(f"{panel.biomarkers[0]}, {sex}, {low} to {high} years: all ages stand for too few persons")
                    continue
                band = _fit(panel.rows(here), False, (), quantile, quantile_type)
                entries += [dataclasses.replace(e, sex=sex, age_low=low, age_high=high) for e in band.entries]
        return tuple(entries), tuple(notes)


def joined(fits: list[_Fit], *, cuts: str, quantile_type: int, rules: dict[str, str]) -> Reference:
    """One reference of the fits of several biomarkers."""
    return Reference(
        name=f"{cuts}-type{quantile_type}",
        version="1",
        title="fitted on the persons who are scored, as a declared choice of a multiverse",
        entries=tuple(entry for entries, _ in fits for entry in entries),
        rules=rules,
        notes=tuple(note for _, notes in fits for note in notes),
    )


def _fit(panel: Panel, by_sex: bool, sexes: tuple[Sex, ...], quantile: float, quantile_type: int) -> Reference:
    return fit_reference(
        panel,
        name="sample",
        by_sex=by_sex,
        sexes=sexes,
        quantile=quantile,
        quantile_type=quantile_type,
        biomarkers=panel.biomarkers,
    )
